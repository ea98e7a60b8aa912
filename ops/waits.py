"""Print what is parked: what it waits for, since when, until when."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ops.stack import Stack, parser, run
from ops.terminal import Column

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal
    from orchestration.domain.wait import Wait


def waits(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Print the waits; task tokens never leave the table."""
    del options
    found = sorted(stack.table.waits_without_tokens(), key=lambda wait: wait.parked_at)
    if not found:
        terminal.say("Nothing is parked.")
        return 0
    columns = ("kind", "subject", "model", Column("run", whole=True), "since", "next step", "until", "why")
    rows = [
        (
            wait.kind,
            _names(wait) or wait.subject,
            wait.model,
            wait.run_id,
            wait.parked_at[:19],
            wait.next_step_at[:19],
            str(wait.data.get("until") or wait.deadline)[:19],
            _why(wait),
        )
        for wait in found
    ]
    terminal.table(columns, rows)
    return 0


def _names(wait: Wait) -> str:
    """What events name while it is waited for; empty where they name nothing."""
    return ", ".join(name.partition(":")[2] for name in wait.data.get("names", ()))


def _why(wait: Wait) -> str:
    said = "" if wait.data.get("accepted") else wait.data.get("said", "")
    return str(wait.data.get("why") or (said and f"AWS has not taken it yet: {said}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run(waits, parser("waits", __doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
