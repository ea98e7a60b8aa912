"""Items of the due list.

==============================  ==========================  ===============================================
pk                              sk                          item
==============================  ==========================  ===============================================
``DUE#<0 to 7>``                ``<due>#<kind>#<subject>``  a pointer to work that is due then
``DUE#APPROVALS``               the same                    the next step of an approval; what a vote has people told
``DUE#EVENTS``                  the same                    an event that is to be raised
``LISTED``                      ``SWEEP``                   how far each listing of a sweep came
``HEARD#<kind>:<name>``         ``HEARD``                   that an event of AWS's was judged (expires)
==============================  ==========================  ===============================================
"""

from __future__ import annotations

import heapq
import operator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import DueKind
from orchestration.domain.due import APPROVALS, DueItem, partitions
from orchestration.domain.errors import ContentionError
from orchestration.domain.json_values import fields_of
from orchestration.domain.listing import Heard
from orchestration.stores.table import ITEMS_A_CALL, Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime


EVENT_MEMORY: Final = timedelta(days=90)
"""How long it is known that an event was heard: as long as a signal is, which is longer than a sweep ever looks back."""


class DueItems(Table):
    """What is due, and when."""

    def due_until(self, now: datetime) -> Iterator[DueItem]:
        """What is due but for approvals, the longest due first, whatever its partition; a query a partition, a page of 1 MB at a time.

        So what one sweep has no time for, the next one begins with.
        """
        queries = [self._query(pk, until=f"{now.isoformat()}~") for pk in partitions() if pk != APPROVALS]
        yield from map(_item, heapq.merge(*queries, key=operator.itemgetter("sk")))

    def every_item(self) -> Iterator[DueItem]:
        """Every item, due or not, page by page."""
        for pk in partitions():
            for found in self._query(pk):
                yield _item(found)

    def due_items(self) -> list[DueItem]:
        """Every item, due or not: what waits for something, for people who look."""
        return list(self.every_item())

    def approvals_due(self, limit: int) -> list[DueItem]:
        """The next items of approvals that are open, of those whose decision has not reached the workflow yet, and of votes to tell."""
        return [_item(found) for found in self._query(APPROVALS, limit=limit)]

    def add_due(self, item: DueItem) -> None:
        """Write an item by itself: where it comes before its fact, an extra one is harmless."""
        self._write(self.due_write(item))

    def done(self, item: DueItem) -> None:
        """Take an item off the list. Idempotent."""
        self._write(self._delete(item.partition, item.sort_key))

    def move_due(self, item: DueItem, moved: DueItem) -> None:
        """Move an item to another time, unless somebody else took it off or moved it."""
        if moved.sort_key == item.sort_key:
            self._write(self.due_write(moved))
        else:
            self._transact([self.due_write(moved), self._delete(item.partition, item.sort_key, "attribute_exists(pk)")])

    def add_all_due(self, items: Sequence[DueItem]) -> None:
        """``add_due`` of many, a call for each hundred.

        Raises:
            ContentionError: somebody else wrote at the same moment; those that were not written, the caller writes again.
        """
        for begin in range(0, len(items), ITEMS_A_CALL):
            if self._transact([self.due_write(item) for item in items[begin : begin + ITEMS_A_CALL]]) is not None:
                raise ContentionError("What is due was written by somebody else at the same moment. Try again.")

    def listed(self) -> dict[str, Any]:
        """How far each listing of a sweep came, by what is listed; empty before the first."""
        item = self._get("LISTED", "SWEEP") or {}
        return {name: value for name, value in item.items() if name not in {"pk", "sk"}}

    def note_listed(self, what: str, shown: dict[str, Any], items: Sequence[DueItem]) -> None:
        """Remember what a listing showed, in one transaction with the items of what was new in it.

        Raises:
            ContentionError: somebody else wrote at the same moment; the next sweep lists again.
        """
        put = self._update("LISTED", "SWEEP", f"SET #{what} = :shown", None, {":shown": shown}, [what])
        self._once(put, [self.due_write(item) for item in items])

    def heard(self, names: Sequence[str]) -> dict[str, Heard]:
        """What was heard of these names, by name; a read for each hundred.

        Raises:
            ContentionError: something is just being heard of one.
        """
        found = self._get_all([(f"HEARD#{name}", "HEARD") for name in dict.fromkeys(names)])
        return {item["name"]: Heard(item["name"], item["at"]) for item in found if item is not None}

    def heard_write(self, heard: Heard, *, at: datetime) -> Write:
        """The write that an event was heard, for the transaction with what was made of it."""
        expires_at = int((at + EVENT_MEMORY).timestamp())
        key = {"pk": f"HEARD#{heard.name}", "sk": "HEARD"}
        return self._put({**key, **fields_of(heard), "expires_at": expires_at})

    def due_write(self, item: DueItem) -> Write:
        """The write of an item, for a transaction with the fact it follows."""
        values: dict[str, Any] = {
            "pk": item.partition,
            "sk": item.sort_key,
            "kind": str(item.kind),
            "subject": item.subject,
            "model": item.model,
            "due_at": item.due_at,
            "attempts": item.attempts,
            "data": item.data,
        }
        return self._put(values)


def _item(found: dict[str, Any]) -> DueItem:
    return DueItem(
        DueKind(found["kind"]),
        found["subject"],
        found["model"],
        found["due_at"],
        found["pk"],
        int(found.get("attempts", 0)),
        dict(found.get("data") or {}),
    )
