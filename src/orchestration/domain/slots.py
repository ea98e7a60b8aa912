"""The ledger of training slots: who holds one, who waits, in which order. Pure; every step returns a new ledger.

A slot is leave to use the shared training resources. Slots are granted first come, first served across all models, and
each grant carries a fencing number that only grows, so a late message of a former holder can be told from a live one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that may train now. ``fence`` is its grant's number."""

    run_id: str
    model: str
    fence: int
    since: str


@dataclass(frozen=True, slots=True)
class Waiter:
    """A run that waits for a slot since ``since``."""

    run_id: str
    model: str
    since: str


@dataclass(frozen=True, slots=True)
class SlotLedger:
    """All slots. ``version`` counts writes; a store refuses to write over a version it did not read."""

    holders: tuple[Holder, ...] = ()
    waiters: tuple[Waiter, ...] = ()
    fence: int = 0
    version: int = 0

    def holder(self, run_id: str) -> Holder | None:
        """The run's slot, if it holds one."""
        return next((holder for holder in self.holders if holder.run_id == run_id), None)

    def waits(self, run_id: str) -> bool:
        """True when the run is in the queue."""
        return any(waiter.run_id == run_id for waiter in self.waiters)


def enqueue(ledger: SlotLedger, *, run_id: str, model: str, now: str) -> SlotLedger:
    """Put a run at the end of the queue, unless it holds a slot or waits already."""
    if ledger.holder(run_id) or ledger.waits(run_id):
        return ledger
    return replace(ledger, waiters=(*ledger.waiters, Waiter(run_id, model, now)))


def release(ledger: SlotLedger, *, run_id: str) -> SlotLedger:
    """Take the run's slot or its place in the queue away; nothing changes when it has neither."""
    return replace(
        ledger,
        holders=tuple(holder for holder in ledger.holders if holder.run_id != run_id),
        waiters=tuple(waiter for waiter in ledger.waiters if waiter.run_id != run_id),
    )


def grant(
    ledger: SlotLedger, *, limit: int, now: str, paused: frozenset[str] = frozenset()
) -> tuple[SlotLedger, tuple[Holder, ...]]:
    """Give free slots to the oldest waiters whose model is not paused; a paused one keeps its place in the queue.

    Args:
        ledger: the ledger as read.
        limit: MaxConcurrentTrainings.
        now: ISO-8601 time of the grant.
        paused: names of models under a kill switch.

    Returns:
        The new ledger and the new holders, in the order of their waiting.
    """
    free = max(0, limit - len(ledger.holders))
    chosen = [waiter for waiter in ledger.waiters if waiter.model not in paused][:free]
    if not chosen:
        return ledger, ()
    granted = tuple(
        Holder(waiter.run_id, waiter.model, ledger.fence + position + 1, now) for position, waiter in enumerate(chosen)
    )
    return (
        replace(
            ledger,
            holders=(*ledger.holders, *granted),
            waiters=tuple(waiter for waiter in ledger.waiters if waiter not in chosen),
            fence=ledger.fence + len(granted),
        ),
        granted,
    )
