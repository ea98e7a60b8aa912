"""Print the latest runs of a model, or every status of one run.

make history MODEL=fraud
make history RUN=4ba7853c-6065-46b7-b604-d19d58dc29c6
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.table import Table

from ops.stack import OperatorError, Stack, parser, required, run, variable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console


def history(options: argparse.Namespace, stack: Stack, console: Console) -> int:
    """Print the history."""
    if options.run:
        rows = stack.table.statuses(options.run)
        if not rows:
            raise OperatorError(f"There is no run {options.run}.")
        for row in rows:
            sentence = (row.get("details") or {}).get("sentence") or (row.get("details") or {}).get("reason") or ""
            console.print(f"{row['at'][:19]}  {row['status']:<28} {sentence}")
        return 0
    model = required(options.model, "MODEL", "make history MODEL=fraud")
    lines = stack.table.runs_of_model(model, options.limit)
    table = Table(show_edge=False, pad_edge=False)
    for column in ("started", "run", "severity", "outcome", "reason"):
        # A run id is there to be copied: never broken over lines.
        table.add_column(column, overflow="fold", no_wrap=column in {"started", "run", "outcome"})
    for line in lines:
        table.add_row(
            line["started_at"][:19],
            line["run_id"],
            line["severity"],
            line.get("outcome") or "in progress",
            line.get("reason") or "",
        )
    console.print(table if lines else f"{model} has had no run.")
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
