"""Print how the loop is doing: kill switches, models, runs in progress, slots, waits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.table import Table

from ops.stack import Stack, parser, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console


def status(options: argparse.Namespace, stack: Stack, console: Console) -> int:
    """Print the state. Exit status 1 when something waits for a person: a switch, a frozen model."""
    del options
    table = stack.table
    switches, ledger, waits = table.kill_switches(), table.slots(), table.waits_without_tokens()
    queue = list(table.queue())
    needs_people = bool(switches)
    for switch in switches:
        console.print(f"[yellow]paused[/] {switch.scope} by {switch.by} since {switch.since[:19]}: {switch.reason}")
    models = Table(show_edge=False, pad_edge=False)
    for column in ("model", "state", "fruitless", "last promoted", "pending"):
        models.add_column(column, overflow="fold")
    names = table.models()
    for name in names:
        state = table.model(name)
        if state.frozen_reason:
            needs_people, shown = True, f"[red]frozen[/]: {state.frozen_reason}"
        elif state.active_run_id:
            shown = f"[cyan]run {state.active_run_id}[/]"
        else:
            shown = f"cooldown until {state.cooldown_until[:19]}" if state.cooldown_until else "idle"
        pending = f"{state.pending['count']} ({state.pending['severity']})" if state.pending else ""
        models.add_row(name, shown, str(state.fruitless_runs), (state.promoted_at or "")[:19], pending)
    console.print(models if names else "No signal has come yet.")
    console.print(f"\n{len(ledger.holders)} training slot(s) held, {len(queue)} run(s) in the queue")
    for holder in ledger.holders:
        console.print(f"  {holder.model} run {holder.run_id} since {holder.since[:19]} (grant {holder.fence})")
    for waiter in queue:
        console.print(f"  waiting: {waiter.model} run {waiter.run_id} since {waiter.since[:19]}")
    console.print(f"{len(waits)} wait(s) parked" + (": make waits" if waits else ""))
    return int(needs_people)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run(status, parser("status", __doc__), argv)


if __name__ == "__main__":
    sys.exit(main())
