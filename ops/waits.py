"""Print what is parked: what it waits for, since when, until when."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.table import Table

from ops.stack import Stack, parser, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console


def waits(options: argparse.Namespace, stack: Stack, console: Console) -> int:
    """Print the waits; task tokens never leave the table."""
    del options
    found = sorted(stack.table.waits_without_tokens(), key=lambda wait: wait.parked_at)
    if not found:
        console.print("Nothing is parked.")
        return 0
    table = Table(show_edge=False, pad_edge=False)
    for column in ("kind", "subject", "model", "run", "since", "next step", "until", "why"):
        # A run id is there to be copied: never broken over lines.
        table.add_column(column, overflow="fold", no_wrap=column == "run")
    for wait in found:
        why = str(wait.data.get("why") or wait.data.get("wanted_config") or "")
        table.add_row(
            wait.kind,
            wait.subject,
            wait.model,
            wait.run_id,
            wait.parked_at[:19],
            wait.next_step_at[:19],
            wait.deadline[:19],
            why,
        )
    console.print(table)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run(waits, parser("waits", __doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
