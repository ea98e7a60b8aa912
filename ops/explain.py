"""Print the decision on a signal as a person reads it.

make explain SIGNAL=14f5d41096dc3ee07ad92b66de04cc50     by signal id
make explain RUN=4ba7853c-6065-46b7-b604-d19d58dc29c6    by run, or execution that decided
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from ops.record_hashes import hash_of
from ops.stack import OperatorError, Stack, parser, required, run, variable
from ops.terminal import Styled
from orchestration.domain.contracts import UNATTRIBUTED, Decision

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Style, Terminal


COLOURS: Final[dict[str, Style]] = {
    "RETRAIN": "bold green",
    "ROLL_BACK": "bold green",
    "REJECT": "bold red",
    "HOLD": "bold yellow",
}


def explain(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Print one decision record with every guard."""
    record = _record(options, stack)
    decided = record["decision"]
    terminal.say(Styled(COLOURS.get(decided, "bold cyan"), decided), f" {record['reason']}  {record['decided_at']}")
    terminal.say(record["sentence"])
    terminal.say()
    signal = record.get("signal") or {}
    threshold, dataset = signal.get("threshold") or {}, signal.get("dataset") or {}
    facts = {
        "signal": record["signal_id"],
        "model": record["model"],
        "source": signal.get("source"),
        "asked by": signal.get("proven_by") if signal.get("kind") in {"request", "rollback"} else None,
        "endpoint": signal.get("endpoint"),
        "dataset": dataset.get("uri"),
        "window": " to ".join(filter(None, (dataset.get("window_start"), dataset.get("window_end")))) or None,
        "metric": threshold.get("metric"),
        "observed": threshold.get("observed"),
        "threshold": threshold.get("threshold"),
        "severity": record["severity"],
        "policy": record["policy_version"],
        "run" if decided in {Decision.RETRAIN, Decision.ROLL_BACK} else "execution": record["run_id"],
        "event kept at": record.get("event_uri"),
    }
    for name, value in facts.items():
        if value is not None:
            terminal.say(f"  {name:<14} {value}")
    if record["guards"]:
        terminal.say()
        terminal.say("guards, in their order:")
    for guard in record["guards"]:
        mark = Styled("green", "pass") if guard["passed"] else Styled("yellow", "stop")
        terminal.say("  ", mark, f"  {guard['guard']:<16} {guard['sentence']}")
    whole = hash_of(record) == record["chain"]["hash"]
    terminal.say()
    terminal.say(
        f"record {record['chain']['sequence']} of the chain of {record['model'] or UNATTRIBUTED}: ",
        "its hash is right" if whole else Styled("red", "ITS HASH IS WRONG, it was edited"),
    )
    return 0 if whole else 1


def _record(options: argparse.Namespace, stack: Stack) -> Any:
    signal_id = options.signal
    if not signal_id and options.run:
        decided, run_ = stack.table.decision_of(options.run), stack.table.run(options.run)
        if decided is None and run_ is None:
            raise OperatorError(
                f"There is no run {options.run}. make signals ID={options.run} shows what an execution made of its event."
            )
        signal_id = decided.signal_id if decided else json.loads(run_.manifest)["signal"]["signal_id"] if run_ else ""
    signal_id = required(signal_id, "SIGNAL", "make explain SIGNAL=14f5d41096dc3ee07ad92b66de04cc50, or RUN=<run id>")
    seen = stack.table.signal(signal_id)
    if seen is not None:
        return stack.read_json(seen.record_key) or stack.table.record_of(seen)
    # Older than the table's memory of signals: the bucket keeps the record, its key ends in the id.
    pages = (
        stack.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack.outputs["AutomationBucketName"], Prefix="decisions/")
    )
    for page in pages:
        for entry in page.get("Contents", []):
            if entry["Key"].endswith(f"/{signal_id}.json"):
                return stack.read_json(entry["Key"])
    raise OperatorError(f"No decision on signal {signal_id} was found. Decision records lie under decisions/<model>/.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("explain", __doc__)
    arguments.add_argument("--signal", default=variable("SIGNAL"), help="signal id (SIGNAL=)")
    arguments.add_argument("--run", default=variable("RUN"), help="run id (RUN=)")
    return run(explain, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
