"""Print what is parked: what it waits for, since when, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.invocation import stack_command
from ops.terminal import Column

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal
    from orchestration.domain.wait import Wait


@stack_command("waits", watch=True)
def waits(stack: Stack, terminal: Terminal) -> int:
    """Print what is parked: what it waits for, since when, until when."""
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
