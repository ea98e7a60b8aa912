"""Work that is due: pointers with a time. Pure.

An item is written in the transaction of the fact it follows. Truth is that fact, so an item that is early, extra or
late is harmless: whoever works it off looks at the fact first. Items of approvals lie in a partition of their own, the
only one that the function which people reach may write, and so do events that are to be raised, which the hand may not:
no other work is taken from either.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import DueKind

if TYPE_CHECKING:
    from datetime import datetime

PARTITIONS: Final = 8
"""Items are spread over this many partitions by model; a sweep asks each once. One partition takes 1,000 writes a second."""

APPROVALS: Final = "DUE#APPROVALS"
EVENTS: Final = "DUE#EVENTS"

TAKEN: Final = {APPROVALS: frozenset({DueKind.LADDER, DueKind.TELL}), EVENTS: frozenset({DueKind.RAISE})}
"""Work that is taken from a partition of its own; from any other, all but what has its own alone."""

GRACE: Final = timedelta(minutes=3)
"""When what is also done at once after a commit is due. Longer than a state of the workflow waits for a function (120 s)."""

AGAIN: Final = timedelta(minutes=5)
"""Rhythm of looking at what an event should have told; the sweep's default."""

SELDOM: Final = timedelta(hours=1)
"""Rhythm of looking at what has lasted long: thousands of runs that wait for days would else fill every sweep."""

BACKOFF_LIMIT: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DueItem:
    """A pointer: ``subject`` is what the kind's worker asks about, ``due_at`` ISO-8601 in UTC, ``partition`` where it lies."""

    kind: DueKind
    subject: str
    model: str
    due_at: str
    partition: str
    attempts: int = 0
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def sort_key(self) -> str:
        """The item's sort key: what is due first comes first."""
        return f"{self.due_at}#{self.kind}#{self.subject}"

    @property
    def taken(self) -> bool:
        """Whether such work is taken from where it lies: who may write there may not ask for all of it."""
        own = TAKEN.get(self.partition)
        return self.kind in own if own else self.kind not in {DueKind.LADDER, DueKind.RAISE}


def due(kind: DueKind, subject: str, model: str, at: datetime, /, **data: Any) -> DueItem:
    """An item that is due at an aware datetime. ``data`` may have any name, ``model`` too: messages have one."""
    spread = f"DUE#{hashlib.sha256(model.encode()).digest()[0] % PARTITIONS}"
    own = {DueKind.LADDER: APPROVALS, DueKind.RAISE: EVENTS}
    return DueItem(kind, subject, model, at.isoformat(), own.get(kind, spread), 0, data)


def partitions() -> tuple[str, ...]:
    """All partitions a sweep asks, approvals first."""
    return (APPROVALS, EVENTS, *(f"DUE#{number}" for number in range(PARTITIONS)))


def again_at(since: datetime, now: datetime) -> datetime:
    """When to look again at what has lasted since then and would be told by an event: after a tenth of that, 5 minutes to an hour."""
    return now + min(max((now - since) / 10, AGAIN), SELDOM)


def next_try(now: datetime, attempts: int) -> datetime:
    """When an item whose work failed is tried again: 1 minute, doubled with each attempt, at most an hour."""
    return now + min(timedelta(minutes=2 ** min(attempts, 10)), BACKOFF_LIMIT)
