"""Sweep: work off what is due, and find signals whose event was lost.

Everything that must happen later stands in the due list; a sweep does not go looking for it. Every piece of work looks at
its fact first, so it is safe to sweep twice, at once, and beside the event a piece replaces. A piece that fails is put off
and does not keep the others from being done.
"""

from __future__ import annotations

import functools
import itertools
import logging
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.actions.settle import see_alive
from orchestration.domain.contracts import ALARM_STATE_CHANGE, PROCESSING_JOB_STATE_CHANGE, DueKind
from orchestration.domain.due import GRACE, due
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.json_values import fields_of, mapping, number
from orchestration.domain.listing import (
    BEHIND,
    LISTED_AGAIN,
    SAME,
    SETTLED,
    Heard,
    Listing,
    noted,
    remembered,
    stretch_after,
)
from orchestration.domain.signals.alarm import transition_id
from orchestration.domain.signals.model_monitor import job_signal_ids
from orchestration.steps.anchoring import ANCHOR, anchor_heads
from orchestration.steps.approvals import climb
from orchestration.steps.due_work import Worked, put_off, work_off
from orchestration.steps.earlier_release import take_over
from orchestration.steps.keeping import REMOVED, remove_old
from orchestration.steps.looking import look, wake
from orchestration.steps.pending import heard_by_now, raise_pending, raise_signal
from orchestration.steps.silence import TOLD, see_silence
from orchestration.steps.switches import switch_changed
from orchestration.steps.telling import tell
from orchestration.steps.training_slots import change_slots
from orchestration.steps.winding_down import look_at_intention, wind_down

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orchestration.domain.due import DueItem
    from orchestration.domain.listing import Stretch
    from orchestration.domain.monitor_run import ListedRun
    from orchestration.domain.slots import Waiter
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

WORKERS: Final[dict[DueKind, Callable[[Ports, DueItem], Worked]]] = {
    DueKind.TELL: tell,
    DueKind.ALIVE: see_alive,
    DueKind.LOOK: look,
    DueKind.LADDER: climb,
    DueKind.PENDING: raise_pending,
    DueKind.STOP: wind_down,
    DueKind.INTENT: look_at_intention,
    DueKind.RAISE: raise_signal,
    DueKind.SWITCH: switch_changed,
    DueKind.REMOVE: remove_old,
    DueKind.SILENCE: see_silence,
}
"""Who works off what."""

BUDGET_SECONDS: Final = 40.0
"""A sweep takes no new piece of work after this; the function may run 60 s, and a piece takes seconds."""

AHEAD_LIMIT: Final = 86_400.0
"""Seconds ahead that a sweep looks at most."""

APPROVALS_SEEN: Final = 500
"""Approvals that a sweep reads, those first whose next step is nearest: what is due beyond them, the next sweep does."""

STRETCHES_AT_ONCE: Final = 10
"""Stretches of time that a sweep lists at most of each, where one holds more than a call lists; the next sweep goes on."""

ALARMS: Final = "alarms"
MONITOR_RUNS: Final = "monitor_runs"
"""How what is listed is called where a sweep remembers how far it came."""

DUE_WORK: Final = frozenset(
    {
        "approval_advanced",
        "approval_withdrawn",
        "pending_signal_raised",
        "request_raised",
        "event_replayed",
        REMOVED,
        TOLD,
    }
)
"""Repairs that are none: their time came. Every other one makes up for something that was lost."""


def sweep(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Do everything that is due.

    Args:
        request: ``{}``, or an event whose detail is; ``{"ahead_seconds": 600}`` also does what is due within the next ten
            minutes.
        ports: the outside.

    Returns:
        ``{"repairs": {<kind>: count}, "failures": count, "left": count}``; ``left`` is what the time was too short for.

    Raises:
        RuntimeError: pieces of work failed; the others were done. The alarm on function errors tells people.
    """
    began, now = time.monotonic(), ports.now()
    failures: list[str] = []
    ahead = number({**mapping(request.get("detail")), **request}.get("ahead_seconds")) or 0.0
    until = now + timedelta(seconds=max(0.0, min(ahead, AHEAD_LIMIT)))
    listed = ports.table.listed()
    # The first sweep of this release takes over from the one before; nothing is listed until that is done.
    taken_over = bool(listed) or _tried(failures, "taking over", lambda: take_over(ports))
    if taken_over:
        _tried(failures, "anchoring the records", lambda: anchor_heads(ports, listed.get(ANCHOR)))
    approvals = ports.table.approvals_due(APPROVALS_SEEN)
    asked = [item for item in approvals if item.due_at <= until.isoformat()]
    items = itertools.chain(asked, ports.table.due_until(until))
    repairs, left = _worked_off(ports, items, failures, began)
    oldest = ports.table.first_in_queue()
    if oldest is not None:
        _tried(failures, "granting slots", lambda: wake(ports, change_slots(ports)))
    LOG.info("WaitsObserved", extra=waits_observed(approvals, oldest, ports.now()))
    # Last: a list that does not answer takes more than the time of all that is due.
    lost: list[DueItem] = []
    for what, found in LISTINGS.items() if taken_over else ():
        look = functools.partial(_list, ports, what, listed.get(what), found, lost, now=now, until=until)
        _tried(failures, f"listing {what.replace('_', ' ')}", look)
    raised, later = _worked_off(ports, lost, failures, began)
    if failures:
        raise RuntimeError(
            f"{len(failures)} piece(s) of work failed, the others were done. {'; '.join(failures)}"[:2000]
        )
    return {"repairs": dict(repairs + raised), "failures": 0, "left": left + later}


def _worked_off(ports: Ports, items: Iterable[DueItem], failures: list[str], began: float) -> tuple[Counter[str], int]:
    """Work items off as long as there is time; gives the repairs by kind, and how many are left."""
    repairs: Counter[str] = Counter()
    left, now, seen = 0, ports.now().isoformat(), set[tuple[str, str]]()
    for item in items:
        if item.due_at > now and (item.kind, item.subject) in seen:
            continue  # it was moved to where the list had not been read yet
        if time.monotonic() - began > BUDGET_SECONDS:
            left += 1
            continue
        seen.add((item.kind, item.subject))
        try:
            worked = work_off(ports, item, _worker(item))
        except Exception as error:
            LOG.exception("DueWorkFailed", extra={"kind": str(item.kind), "subject": item.subject})
            failures.append(f"{item.kind} {item.subject}: {error}")
            _tried(failures, f"putting off {item.kind} {item.subject}", functools.partial(put_off, ports, item))
            continue
        if worked.repair:
            repairs[worked.repair] += 1
            note = functools.partial(ports.table.record_repair, worked.repair, item.subject, at=ports.now())
            _tried(failures, f"noting {worked.repair} {item.subject}", note)
            lost = worked.repair not in DUE_WORK
            LOG.info("SweepRepaired", extra={"repair": worked.repair, "subject": item.subject, "lost": lost})
    return repairs, left


def _worker(item: DueItem) -> Callable[[Ports, DueItem], Worked]:
    if not item.taken:
        raise OrchestrationError(f"No such work is taken from {item.partition}; whoever wrote it is not the loop.")
    return WORKERS[item.kind]


def _tried(failures: list[str], what: str, part: Callable[[], object]) -> bool:
    """Do a part of the sweep; False when it failed, and the other parts are done all the same."""
    try:
        part()
    except Exception as error:
        LOG.exception("SweepPartFailed", extra={"what": what})
        failures.append(f"{what}: {error}")
        return False
    return True


def waits_observed(approvals: Iterable[DueItem], oldest: Waiter | None, now: datetime) -> dict[str, int]:
    """What waits and how long, as gauges for alarms and dashboard. Pure.

    An approval's wait is counted in percent of its own time, since policies set that time. Where more than ``APPROVALS_SEEN`` are
    open, those count whose next step is nearest.
    """
    asked = [item for item in approvals if item.data.get("deadline")]
    queued = now - datetime.fromisoformat(oldest.since) if oldest else timedelta()
    return {
        "approvals_waiting": len({item.subject for item in asked}),
        "approval_wait_percent": max((_percent_waited(item, now) for item in asked), default=0),
        "oldest_queued_seconds": int(queued.total_seconds()),
    }


def _percent_waited(item: DueItem, now: datetime) -> int:
    parked_at = datetime.fromisoformat(item.data["parked_at"])
    allowed = datetime.fromisoformat(item.data["deadline"]) - parked_at
    return int(100 * (now - parked_at) / allowed) if allowed else 100


# Signals whose event was lost.


def _list(
    ports: Ports,
    what: str,
    listed: dict[str, Any] | None,
    lost_in: Callable[[Ports, Stretch], Listing[DueItem]],
    lost: list[DueItem],
    *,
    now: datetime,
    until: datetime,
) -> None:
    """List what came since the last listing, and add to ``lost`` what nobody heard of; what is left, the next sweep lists.

    Raises:
        OrchestrationError: the list is ``BEHIND``.
    """
    # Of one look at the clock: a stretch that ended a millisecond before what has settled would count as a part of one.
    settled = now - SETTLED
    horizon = min(now, until - SETTLED)
    worth_noting = listed is None or set(listed) != {"until"}
    began: datetime | None = None
    try:
        for _ in range(STRETCHES_AT_ONCE):
            stretch = stretch_after(listed, horizon)
            if stretch is None:
                break
            shown = lost_in(ports, stretch)
            ports.table.add_all_due(shown.found)
            lost += shown.found
            began = began or stretch.since
            listed = {"until": shown.until.isoformat()} if shown.until else noted(stretch, complete=shown.complete)
            long = stretch.until - stretch.since > LISTED_AGAIN
            worth_noting = worth_noting or long or bool(shown.found) or not shown.complete or shown.until is not None
    finally:
        # Whatever fails: a list that is throttled at each fifth call would else never come further.
        if worth_noting and listed is not None:
            listed = remembered(listed, began, settled)
            ports.table.note_listed(what, listed, [])
    if listed is not None and now - datetime.fromisoformat(listed["until"]) > BEHIND:
        raise OrchestrationError(
            f"More happens than a sweep lists: what came after {listed['until']} is not listed yet."
        )


def _lost_alarms(ports: Ports, stretch: Stretch) -> Listing[DueItem]:
    """Alarms that turned red and still are, of which nobody heard; another change of one is another stretch's."""
    shown = ports.alarms.turned_red(ports.settings.alarm_name_prefix, stretch)
    changes = [Heard.alarm(name, at.isoformat()) for name, at in sorted(shown.found, key=lambda change: change[1])]
    unheard = _unheard(ports, changes)
    names = [name for name, _ in shown.found if Heard.alarm(name, "").name in unheard]
    red = ports.alarms.in_alarm(list(dict.fromkeys(names)))
    until = shown.until or stretch.until
    lost = tuple(_alarm_due(ports, alarm) for alarm in red if _changed_at(alarm) <= until + SAME)
    return Listing(lost, shown.complete, shown.until)


def _lost_monitor_runs(ports: Ports, stretch: Stretch) -> Listing[DueItem]:
    """Monitor runs that found violations or failed, of which nobody heard."""
    shown = ports.sagemaker.monitor_runs(stretch)
    unheard = _unheard(ports, [Heard.job(run.job_name) for run, _ in shown.found])
    items = [_run_due(ports, run, ended_at) for run, ended_at in shown.found if Heard.job(run.job_name).name in unheard]
    return Listing(tuple({item.subject: item for item in items}.values()), shown.complete)


def _unheard(ports: Ports, events: Sequence[Heard]) -> set[str]:
    """Names of those whose last event was not heard of."""
    last = {event.name: event for event in events}
    heard = heard_by_now(ports, list(last))
    return {name for name, event in last.items() if not event.same(heard.get(name))}


def _changed_at(alarm: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(alarm["detail"]["state"]["timestamp"]).astimezone(UTC)


def _alarm_due(ports: Ports, alarm: dict[str, Any]) -> DueItem:
    name, since = alarm["detail"]["alarmName"], _changed_at(alarm)
    identity = transition_id(alarm["resources"][0], since)
    return due(
        DueKind.RAISE,
        f"alarm:{name}:{identity}",
        name,
        since + GRACE,
        event={**alarm, "detail-type": ALARM_STATE_CHANGE},
        identities=[],
        heard=fields_of(Heard.alarm(name, since.isoformat())),
        name=f"sweep-alarm-{identity}",
        since=ports.now().isoformat(),
        repair="alarm_without_decision",
    )


def _run_due(ports: Ports, run: ListedRun, ended_at: datetime) -> DueItem:
    identity = job_signal_ids(run.job_arn)[0]
    return due(
        DueKind.RAISE,
        f"monitor:{run.job_name}",
        run.job_name,
        ended_at.astimezone(UTC) + GRACE,
        event={
            "source": "aws.sagemaker",
            "detail-type": PROCESSING_JOB_STATE_CHANGE,
            "time": ended_at.isoformat(),
            "resources": [run.job_arn],
            "detail": {"ProcessingJobName": run.job_name, "ProcessingJobStatus": "Completed"},
        },
        identities=[],
        heard=fields_of(Heard.job(run.job_name)),
        name=f"sweep-monitor-{identity}",
        endpoint=run.endpoint,
        schedule=run.schedule,
        since=ports.now().isoformat(),
        repair="monitor_run_without_decision",
    )


LISTINGS: Final[dict[str, Callable[[Ports, Stretch], Listing[DueItem]]]] = {
    ALARMS: _lost_alarms,
    MONITOR_RUNS: _lost_monitor_runs,
}
"""What a sweep lists, and what in a stretch of it nobody heard of."""
