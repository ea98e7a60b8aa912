"""Print how the loop is doing: kill switches, models, runs in progress, slots, waits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ops.stack import Stack, parser, run
from ops.stack_names import resume_command
from ops.terminal import Styled

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Cell, Terminal


def status(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Print the state. Exit status 1 when something waits for a person: a switch, a frozen model."""
    del options
    table = stack.table
    switches, ledger, waits = table.kill_switches(), table.slots(), table.waits_without_tokens()
    queue = list(table.queue())
    needs_people = bool(switches)
    for switch in switches:
        terminal.say(
            Styled("yellow", "paused"), f" {switch.scope} by {switch.by} since {switch.since[:19]}: {switch.reason}"
        )
        terminal.say(f"  go on: {resume_command(switch.scope)}")
    rows: list[tuple[Cell, ...]] = []
    for name in table.models():
        shown: Cell
        state = table.model(name)
        if state.frozen_reason:
            needs_people, shown = True, (Styled("red", "frozen"), f": {state.frozen_reason}")
        elif state.active_run_id:
            shown = Styled("cyan", f"run {state.active_run_id}")
        else:
            shown = f"cooldown until {state.cooldown_until[:19]}" if state.cooldown_until else "idle"
        pending = f"{state.pending['count']} ({state.pending['severity']})" if state.pending else ""
        rows.append((name, shown, str(state.fruitless_runs), (state.promoted_at or "")[:19], pending))
    if rows:
        terminal.table(("model", "state", "fruitless", "last promoted", "pending"), rows)
    else:
        terminal.say("No signal has come yet.")
    terminal.say()
    terminal.say(f"{len(ledger.holders)} training slot(s) held, {len(queue)} run(s) in the queue")
    for holder in ledger.holders:
        terminal.say(f"  {holder.model} run {holder.run_id} since {holder.since[:19]} (grant {holder.fence})")
    for waiter in queue:
        terminal.say(f"  waiting: {waiter.model} run {waiter.run_id} since {waiter.since[:19]}")
    terminal.say(f"{len(waits)} wait(s) parked" + (": make waits" if waits else ""))
    return int(needs_people)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run(status, parser("status", __doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
