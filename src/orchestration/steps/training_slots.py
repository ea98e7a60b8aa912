"""Moving training slots: granting, handing over, giving back."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.due import GRACE, due
from orchestration.domain.errors import ContentionError
from orchestration.domain.slots import Holder, SlotLedger, Waiter, grant, release
from orchestration.domain.switches import switch_over
from orchestration.domain.wait import wait_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.switches import KillSwitch
    from orchestration.ports import Ports

ATTEMPTS: Final = 25
"""Tries against rivals on the ledger; each loses at most to one that won."""

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
    for _ in range(ATTEMPTS):
        before = ports.table.slots()
        changed = change(before)
        after, granted = grant(
            changed,
            ports.table.queue(),
            limit=min(ports.settings.max_concurrent_trainings, len(changed.holders) + AT_ONCE),
            now=ports.now().isoformat(),
            paused=functools.partial(_paused, ports.table.kill_switches()),
        )
        if after == before:
            return handed
        woken = [
            ports.table.due_write(
                due(DueKind.LOOK, wait_id(waiter.run_id, WaitKind.SLOT), waiter.model, ports.now() + GRACE)
            )
            for waiter in granted
        ]
        if ports.table.save_slots(after, granted, woken):
            handed += granted
            if len(granted) < AT_ONCE:
                return handed
            continue
        ports.pause(0.05)
    raise ContentionError(f"The slot ledger kept changing {ATTEMPTS} times; the caller tries again.")


def _paused(switches: tuple[KillSwitch, ...], waiter: Waiter) -> bool:
    return switch_over(switches, waiter.model, *waiter.sources) is not None


def give_back_slot(ports: Ports, run_id: str) -> tuple[Waiter, ...]:
    """Give a run's slot to the oldest waiter. Idempotent."""
    return change_slots(ports, lambda ledger: release(ledger, run_id=run_id))


def held_slot(ports: Ports, run_id: str) -> Holder | None:
    """The slot a run holds, if it holds one."""
    return ports.table.slots().holder(run_id)
