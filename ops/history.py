"""Print the latest runs of a model, or every status of one run.

make history MODEL=fraud
make history RUN=4ba7853c-6065-46b7-b604-d19d58dc29c6
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ops.stack import OperatorError, Stack, parser, required, run, variable
from ops.terminal import Column

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


def history(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Print the history."""
    if options.run:
        rows = stack.table.statuses(options.run)
        if not rows:
            raise OperatorError(f"There is no run {options.run}.")
        for row in rows:
            sentence = (row.get("details") or {}).get("sentence") or (row.get("details") or {}).get("reason") or ""
            terminal.say(f"{row['at'][:19]}  {row['status']:<28} {sentence}")
        return 0
    model = required(options.model, "MODEL", "make history MODEL=fraud, or RUN=<run id>")
    lines = stack.table.runs_of_model(model, options.limit)
    if not lines:
        terminal.say(f"{model} has had no run.")
        return 0
    columns = (
        Column("started", whole=True),
        Column("run", whole=True),
        "severity",
        Column("outcome", whole=True),
        "reason",
    )
    runs: list[tuple[str, ...]] = [
        (
            line["started_at"][:19],
            line["run_id"],
            line["severity"],
            f"{line.get('outcome') or 'in progress'}{' (rollback)' if line.get('goes_back') else ''}",
            line.get("reason") or "",
        )
        for line in lines
    ]
    terminal.table(columns, runs)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("history", __doc__)
    arguments.add_argument("--model", default=variable("MODEL"), help="model name (MODEL=)")
    arguments.add_argument("--run", default=variable("RUN"), help="run id (RUN=)")
    arguments.add_argument("--limit", type=int, default=20, help="runs shown (default 20)")
    return run(history, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
