"""Training slots.

=========  ==========================  ==============================================
pk         sk                          item
=========  ==========================  ==============================================
``SLOTS``  ``LEDGER``                  who holds a slot
``SLOTS``  ``WAITER#<since>#<run>``    a run in the queue
=========  ==========================  ==============================================
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.slots import Holder, SlotLedger, Waiter
from orchestration.stores.table import Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


NEAR: Final = 25
"""Waiters that are read first. Only where all of them are paused, or granted at once, is the rest read: 1 MB a call, some 4,000."""


class Slots(Table):
    """Who trains, who waits, in which order."""

    def slots(self) -> SlotLedger:
        """The slot ledger."""
        item = self._get("SLOTS", "LEDGER")
        if item is None:
            return SlotLedger()
        return SlotLedger(
            holders=tuple(Holder(**entry) for entry in item["holders"]), fence=item["fence"], version=item["version"]
        )

    def queue(self) -> Iterator[Waiter]:
        """Runs that wait for a slot, the oldest first; whoever takes the first few pays for those, however long the queue is."""
        near = [*self._query("SLOTS", "WAITER#", limit=NEAR)]
        yield from map(_waiter, near)
        if len(near) == NEAR:
            yield from map(_waiter, self._query("SLOTS", after=near[-1]["sk"]))

    def first_in_queue(self) -> Waiter | None:
        """The run that waits longest."""
        return next(map(_waiter, self._query("SLOTS", "WAITER#", limit=1)), None)

    def last_in_queue(self) -> Waiter | None:
        """The run that joined the queue last."""
        return next(map(_waiter, self._query("SLOTS", "WAITER#", newest_first=True, limit=1)), None)

    def save_slots(self, ledger: SlotLedger, granted: Sequence[Waiter], writes: Sequence[Write] = ()) -> bool:
        """Write the ledger and take those who were granted a slot out of the queue. True when written.

        False when someone else wrote the ledger since it was read, or a waiter has left the queue.
        """
        return self._transact([*self.slot_writes(ledger, granted), *writes]) is None

    def slot_writes(self, ledger: SlotLedger, granted: Sequence[Waiter]) -> list[Write]:
        """The writes of ``save_slots``, for a transaction with what they follow from."""
        # The empty list is for the release before, which reads it should an update be taken back.
        written = asdict(replace(ledger, version=ledger.version + 1))
        item = {"pk": "SLOTS", "sk": "LEDGER", "waiters": [], **written}
        put = (
            self._put(item, "attribute_not_exists(pk)")
            if ledger.version == 0
            else self._put(item, "#version = :version", {":version": ledger.version}, names=["version"])
        )
        return [put, *(self._delete("SLOTS", _sort_key(waiter), "attribute_exists(pk)") for waiter in granted)]

    def queue_write(self, waiter: Waiter) -> Write:
        """The write that puts a run at the end of the queue, for the transaction that parks it."""
        return self._put(
            {
                "pk": "SLOTS",
                "sk": _sort_key(waiter),
                "run_id": waiter.run_id,
                "model": waiter.model,
                "since": waiter.since,
                "sources": list(waiter.sources),
            }
        )

    def leave_queue(self, waiter: Waiter) -> None:
        """Take a run out of the queue. Idempotent."""
        self._write(self._delete("SLOTS", _sort_key(waiter)))


def _waiter(item: dict[str, Any]) -> Waiter:
    return Waiter(item["run_id"], item["model"], item["since"], tuple(item.get("sources", ())))


def _sort_key(waiter: Waiter) -> str:
    return f"WAITER#{waiter.since}#{waiter.run_id}"
