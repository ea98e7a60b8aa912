"""Working off what is due: at once after the commit that wrote it, else by a sweep. One way for everything that follows.

Whoever commits a fact writes a due item with it and calls ``attempt``. What fails there is logged and left to the sweep;
it never undoes or holds up what was committed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from orchestration.domain.due import next_try

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestration.domain.due import DueItem
    from orchestration.ports import ApprovalPorts

P = TypeVar("P", bound="ApprovalPorts")

LOG = logging.getLogger("orchestration")


@dataclass(frozen=True, slots=True)
class Worked:
    """What became of an item: off the list, or ``again`` at another time. ``repair`` names what a sweep made up for."""

    again: DueItem | None = None
    repair: str | None = None


DONE = Worked()


def later(item: DueItem, at: datetime, **data: Any) -> Worked:
    """The item again at another time, with ``data`` changed."""
    return Worked(replace(item, due_at=at.isoformat(), attempts=0, data={**item.data, **data}))


def work_off(ports: P, item: DueItem, worker: Callable[[P, DueItem], Worked]) -> Worked:
    """Do an item's work and move or remove it.

    Raises:
        Exception: whatever the work raised; the item stays.
    """
    worked = worker(ports, item)
    if worked.again is None:
        ports.table.done(item)
    else:
        ports.table.move_due(item, worked.again)
    return worked


def attempt(ports: P, item: DueItem, worker: Callable[[P, DueItem], Worked]) -> bool:
    """Do at once what a commit has made due. False when it failed: then a sweep does it."""
    try:
        work_off(ports, item, worker)
    except Exception:
        LOG.exception("DueLeftToSweep", extra={"kind": str(item.kind), "subject": item.subject, "model": item.model})
        return False
    return True


def put_off(ports: ApprovalPorts, item: DueItem) -> None:
    """Move an item whose work failed, so that it does not stand in the way of others."""
    attempts = item.attempts + 1
    moved = replace(item, due_at=next_try(ports.now(), attempts).isoformat(), attempts=attempts)
    ports.table.move_due(item, moved)


def ask_for_sweep(ports: ApprovalPorts, ahead_seconds: int = 0) -> bool:
    """Have what is due, or will be within so many seconds, done now; the next sweep of the schedule does it otherwise. False when it could not be asked for."""
    try:
        ports.channels.request_sweep(ahead_seconds)
    except Exception:  # what is due is written already, and the schedule's sweep finds it
        LOG.exception("SweepNotRequested")
        return False
    return True
