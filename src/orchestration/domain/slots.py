"""The ledger of training slots: who holds one, and who gets the next. Pure; every step returns a new ledger.

A slot is leave to use the shared training resources. Slots are granted first come, first served across all models, and
each grant carries a fencing number that only grows, so a late message of a former holder can be told from a live one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that may train now. ``fence`` is its grant's number.

    A run that was closed while it trained keeps its slot until its training is over.
    """

    run_id: str
    model: str
    fence: int
    since: str


@dataclass(frozen=True, slots=True)
class Waiter:
    """A run in the queue since ``since``; ``sources`` are those of its signal."""

    run_id: str
    model: str
    since: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SlotLedger:
    """All slots that are held. ``version`` counts writes; a store refuses to write over a version it did not read."""

    holders: tuple[Holder, ...] = ()
    fence: int = 0
    version: int = 0

    def holder(self, run_id: str) -> Holder | None:
        """The run's slot, if it holds one."""
        return next((holder for holder in self.holders if holder.run_id == run_id), None)


def joined_at(now: str, last: Waiter | None) -> str:
    """Since when a run waits that joins the queue now: later than the last in it, whose clock may have been ahead.

    The queue is in the order of these times, and each is told by the clock of another process.
    """
    if last is None or last.since < now:
        return now
    return (datetime.fromisoformat(last.since) + timedelta(microseconds=1)).isoformat()


def release(ledger: SlotLedger, *, run_id: str) -> SlotLedger:
    """Take the run's slot away; nothing changes when it has none."""
    if ledger.holder(run_id) is None:
        return ledger
    return replace(ledger, holders=tuple(holder for holder in ledger.holders if holder.run_id != run_id))


def grant(
    ledger: SlotLedger, queue: Iterable[Waiter], *, limit: int, now: str, paused: Callable[[Waiter], bool]
) -> tuple[SlotLedger, tuple[Waiter, ...]]:
    """Give free slots to the oldest waiters that are not paused; a paused one keeps its place in the queue.

    Args:
        ledger: the ledger as read.
        queue: the waiters, the oldest first; read only as far as slots are free.
        limit: MaxConcurrentTrainings.
        now: ISO-8601 time of the grant.
        paused: tells if a kill switch is thrown over a waiter.

    Returns:
        The new ledger and those who were granted a slot, in the order of their waiting.
    """
    free = max(0, limit - len(ledger.holders))
    if not free:
        return ledger, ()
    chosen = tuple(itertools.islice((waiter for waiter in queue if not paused(waiter)), free))
    if not chosen:
        return ledger, ()
    granted = tuple(
        Holder(waiter.run_id, waiter.model, ledger.fence + position + 1, now) for position, waiter in enumerate(chosen)
    )
    return replace(ledger, holders=(*ledger.holders, *granted), fence=ledger.fence + len(granted)), chosen
