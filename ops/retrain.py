"""Ask for the retraining of a model by hand; FORCE=1 passes the cooldown, which is recorded as an override.

make retrain MODEL=fraud REASON="new labels" [FORCE=1]
"""

from __future__ import annotations

import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

from ops.stack import Stack, parser, required, run, variable
from ops.terminal import Styled
from orchestration.domain.contracts import Decision
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import rejection_id

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


PATIENCE_SECONDS = 60.0


def retrain(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Send the request and print what was decided. Exit status 0 when it retrains, 1 when the guards said no."""
    example = 'make retrain MODEL=fraud REASON="new labels"'
    model, reason = required(options.model, "MODEL", example), required(options.reason, "REASON", example)
    asked = stack.operate(
        {
            "action": "retrain",
            "model": model,
            "reason": reason,
            "force": options.force in {"1", "true", "yes"},
            "key": uuid.uuid4().hex,
        }
    )
    return told(stack, terminal, asked["signal_id"])


def told(stack: Stack, terminal: Terminal, signal_id: str) -> int:
    """Print what was decided on a request. Exit status 0 when a run follows, 1 when the guards said no or nothing yet."""
    record = _decided(stack, signal_id)
    if record is None:
        terminal.say(
            f"The request is kept; no decision within {PATIENCE_SECONDS:.0f} s, so a sweep raises it. Look again: "
            f"make explain SIGNAL={signal_id}"
        )
        return 1
    terminal.say(Styled("bold", record["decision"]), f" {record['sentence']}")
    begun = record["decision"] in {decision for decision in Decision if decision.begins_run}
    follow = f", make history RUN={record['run_id']}" if begun else ""
    terminal.say(f"make explain SIGNAL={record['signal_id']}{follow}")
    return 0 if begun else 1


def _decided(stack: Stack, signal_id: str) -> dict[str, Any] | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for identity in (signal_id, rejection_id(Reason.UNKNOWN_MODEL, signal_id)):
            seen = stack.table.signal(identity)
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
