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

    from orchestration.domain.wait import Wait


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
        table.add_row(
            wait.kind,
            _names(wait) or wait.subject,
            wait.model,
            wait.run_id,
            wait.parked_at[:19],
            wait.next_step_at[:19],
            wait.deadline[:19],
            _why(wait),
        )
    console.print(table)
    return 0


def _names(wait: Wait) -> str:
    """What events name while it is waited for; empty where they name nothing."""
    return ", ".join(name.partition(":")[2] for name in wait.data.get("names", ()))


def _why(wait: Wait) -> str:
    return str(wait.data.get("why") or "")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run(waits, parser("waits", __doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
