"""Moving training slots: granting, handing over, giving back."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.due import GRACE, due
from orchestration.domain.slots import Holder, SlotLedger, Waiter, grant, joined_at, release
from orchestration.domain.switches import switch_over
from orchestration.domain.wait import wait_id
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.switches import KillSwitch
    from orchestration.domain.wait import Wait
    from orchestration.ports import Ports
    from orchestration.stores.table import Write

AT_ONCE: Final = 40
"""Slots granted in one transaction, which may write 100 items; each takes two."""


def change_slots(
    ports: Ports, change: Callable[[SlotLedger], SlotLedger] = lambda before: before
) -> tuple[Waiter, ...]:
    """Change the ledger and grant what is free, in one transaction with the items that have the holders woken.

    Returns:
        Those who were granted a slot; the caller wakes them by looking at their waits.

    Raises:
        ContentionError: rivals kept winning; the caller retries.
    """
    handed: tuple[Waiter, ...] = ()
    granted: tuple[Waiter, ...] | None = None
    while granted is None or len(granted) == AT_ONCE:
        granted = against_rivals(ports, functools.partial(_grant, ports, change), "The slot ledger")
        handed += granted
    return handed


def _grant(ports: Ports, change: Callable[[SlotLedger], SlotLedger]) -> tuple[Waiter, ...] | None:
    before = ports.table.slots()
    after, granted = _granted(ports, change(before))
    if after == before:
        return ()
    return granted if ports.table.save_slots(after, granted, _woken(ports, granted)) else None


def _granted(ports: Ports, changed: SlotLedger) -> tuple[SlotLedger, tuple[Waiter, ...]]:
    return grant(
        changed,
        ports.table.queue(),
        limit=min(ports.settings.max_concurrent_trainings, len(changed.holders) + AT_ONCE),
        now=ports.now().isoformat(),
        paused=functools.partial(_paused, ports.table.kill_switches()),
    )


def _woken(ports: Ports, granted: tuple[Waiter, ...]) -> list[Write]:
    return [
        ports.table.due_write(
            due(DueKind.LOOK, wait_id(waiter.run_id, WaitKind.SLOT), waiter.model, ports.now() + GRACE)
        )
        for waiter in granted
    ]


def place_in_queue(ports: Ports, run_id: str, model: str, sources: tuple[str, ...]) -> Waiter:
    """The place at the end of the queue, for a run that joins it now."""
    return Waiter(run_id, model, joined_at(ports.now().isoformat(), ports.table.last_in_queue()), sources)


def give_way(ports: Ports, run: StoredRun, wait: Wait, sources: tuple[str, ...]) -> tuple[Waiter, ...]:
    """Let the next in line have the slot of a run whose training waits; the run goes to the end of the line.

    Nothing changes where nobody waits, or while the hand is at work: the wait, which the hand changes before it begins anything,
    is part of the transaction. A closed run does not join the line.

    Returns:
        Those who were granted a slot; the caller wakes them by looking at their waits.
    """
    ledger = ports.table.slots()
    if ledger.holder(run.run_id) is None:
        return ()
    after, granted = _granted(ports, release(ledger, run_id=run.run_id))
    if not granted:
        return ()
    last = place_in_queue(ports, run.run_id, run.model, sources)
    writes = [
        ports.table.open_check(run.run_id, run.execution_arn),
        *ports.table.slot_writes(after, granted),
        ports.table.queue_write(last),
        *_woken(ports, granted),
    ]
    queued = replace(wait, data={**wait.data, "queued_since": last.since})
    return granted if ports.table.change_wait(wait, queued, writes) else ()


def _paused(switches: tuple[KillSwitch, ...], waiter: Waiter) -> bool:
    return switch_over(switches, waiter.model, *waiter.sources) is not None


def give_back_slot(ports: Ports, run_id: str) -> tuple[Waiter, ...]:
    """Give a run's slot to the oldest waiter. Idempotent."""
    return change_slots(ports, lambda ledger: release(ledger, run_id=run_id))


def held_slot(ports: Ports, run_id: str) -> Holder | None:
    """The slot a run holds, if it holds one."""
    return ports.table.slots().holder(run_id)
