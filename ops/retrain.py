"""Ask for the retraining of a model by hand; FORCE=1 passes the cooldown, which is recorded as an override.

make retrain MODEL=fraud REASON="new labels" [FORCE=1]
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

from ops.stack import OperatorError, Stack, parser, required, run, variable
from ops.terminal import Styled
from orchestration.domain.contracts import DRIFT_SOURCE, RETRAINING_REQUESTED
from orchestration.domain.signal import identify

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


PATIENCE_SECONDS = 60.0


def retrain(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Send the request and print what was decided. Exit status 0 when it retrains, 1 when the guards said no."""
    example = 'make retrain MODEL=fraud REASON="new labels"'
    model, reason = required(options.model, "MODEL", example), required(options.reason, "REASON", example)
    key = uuid.uuid4().hex
    detail = {
        "model": model,
        "reason": reason,
        "requested_by": stack.who(),
        "force": options.force in {"1", "true", "yes"},
        "dedupe_key": key,
    }
    answer = stack.client("events").put_events(
        Entries=[{"Source": DRIFT_SOURCE, "DetailType": RETRAINING_REQUESTED, "Detail": json.dumps(detail)}]
    )
    if answer["FailedEntryCount"]:
        raise OperatorError(f"EventBridge refused the request: {answer['Entries'][0].get('ErrorMessage')}")
    record = _decided(stack, identify("manual-request", key))
    if record is None:
        terminal.say(f"The request was sent; no decision within {PATIENCE_SECONDS:.0f} s. Look again: make status")
        return 1
    terminal.say(Styled("bold", record["decision"]), f" {record['sentence']}")
    terminal.say(f"make explain SIGNAL={record['signal_id']}")
    return 0 if record["decision"] == "RETRAIN" else 1


def _decided(stack: Stack, signal_id: str) -> dict[str, Any] | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        seen = stack.table.signal(signal_id)
        if seen is not None:
            return stack.table.record_of(seen)
        time.sleep(0.3)
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("retrain", __doc__)
    arguments.add_argument("--model", default=variable("MODEL"), help="model name (MODEL=)")
    arguments.add_argument("--reason", default=variable("REASON"), help="why; kept as evidence (REASON=)")
    arguments.add_argument("--force", default=variable("FORCE"), help="1 passes the cooldown (FORCE=1)")
    return run(retrain, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
