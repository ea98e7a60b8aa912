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
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.actions.settle import see_alive
from orchestration.domain.contracts import ALARM_STATE_CHANGE, PROCESSING_JOB_STATE_CHANGE, DueKind
from orchestration.domain.due import GRACE, due
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.json_values import mapping, number
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import rejection_id
from orchestration.domain.signals.alarm import transition_ids
from orchestration.domain.signals.model_monitor import job_signal_ids
from orchestration.steps.anchoring import ANCHOR, anchor_heads
from orchestration.steps.approvals import climb
from orchestration.steps.due_work import Worked, put_off, work_off
from orchestration.steps.earlier_release import take_over
from orchestration.steps.keeping import REMOVED, remove_old
from orchestration.steps.looking import look, wake
from orchestration.steps.pending import raise_pending, raise_signal
from orchestration.steps.silence import TOLD, see_silence
from orchestration.steps.switches import switch_changed
from orchestration.steps.telling import tell
from orchestration.steps.training_slots import change_slots
from orchestration.steps.winding_down import look_at_intention, wind_down

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orchestration.domain.due import DueItem
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

OVERLAP: Final = timedelta(minutes=10)
"""Monitor runs are listed again from this long before the last listing: lists are consistent a little later."""

FIRST_LISTING: Final = timedelta(days=2)
"""How far back the first listing of monitor runs and of alarms looks; longer than any rule retries."""

NOTED_AT_ONCE: Final = 40
"""Lost signals noted in one transaction, which may write 100 items; the next sweep notes the rest."""

ALARMS_KNOWN: Final = 5_000
"""Alarms in ALARM that are remembered, in one item of 400 KB: as many as CloudWatch gives an account without being asked. One
more is noted when another has gone."""

ALARMS: Final = "alarms"
MONITOR_RUNS: Final = "monitor_runs"
"""What a sweep lists."""

REFUSED_FOR: Final = (Reason.NO_MODEL, Reason.UNKNOWN_MODEL, Reason.VIOLATIONS_UNREADABLE)
"""Reasons an alarm or a monitor run may have been rejected for; raised again it would be rejected again."""

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
    listed = ports.table.listed()
    # The first sweep of this release takes over from the one before; nothing is listed until that is done.
    if listed or _tried(failures, "taking over", lambda: take_over(ports)):
        _tried(failures, "listing alarms", lambda: _note_alarms(ports, listed.get(ALARMS)))
        _tried(failures, "listing monitor runs", lambda: _note_monitor_runs(ports, listed.get(MONITOR_RUNS)))
        _tried(failures, "anchoring the records", lambda: anchor_heads(ports, listed.get(ANCHOR)))
    ahead = number({**mapping(request.get("detail")), **request}.get("ahead_seconds")) or 0.0
    until = now + timedelta(seconds=max(0.0, min(ahead, AHEAD_LIMIT)))
    approvals = ports.table.approvals_due()
    asked = [item for item in approvals if item.due_at <= until.isoformat()]
    items = itertools.chain(asked, ports.table.due_until(until))
    repairs, left = _worked_off(ports, items, failures, began)
    queue = list(ports.table.queue())
    if queue:
        _tried(failures, "granting slots", lambda: wake(ports, change_slots(ports)))
    LOG.info("WaitsObserved", extra=waits_observed(approvals, queue, ports.now()))
    if failures:
        raise RuntimeError(
            f"{len(failures)} piece(s) of work failed, the others were done. {'; '.join(failures)}"[:2000]
        )
    return {"repairs": dict(repairs), "failures": 0, "left": left}


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


def waits_observed(approvals: Iterable[DueItem], queue: Sequence[Waiter], now: datetime) -> dict[str, int]:
    """What waits and how long, as gauges for alarms and dashboard. Pure.

    An approval's wait is counted in percent of its own time, since policies set that time.
    """
    asked = [item for item in approvals if item.data.get("deadline")]
    oldest = now - datetime.fromisoformat(queue[0].since) if queue else timedelta()
    return {
        "approvals_waiting": len({item.subject for item in asked}),
        "approval_wait_percent": max((_percent_waited(item, now) for item in asked), default=0),
        "queue_length": len(queue),
        "oldest_queued_seconds": int(oldest.total_seconds()),
    }


def _percent_waited(item: DueItem, now: datetime) -> int:
    parked_at = datetime.fromisoformat(item.data["parked_at"])
    allowed = datetime.fromisoformat(item.data["deadline"]) - parked_at
    return int(100 * (now - parked_at) / allowed) if allowed else 100


# Signals whose event was lost.


def answered_ids(signal_ids: Iterable[str]) -> list[str]:
    """Ids under which a signal of AWS's may have been answered: its own, and those of its rejections. Pure."""
    known = list(signal_ids)
    return [*known, *(rejection_id(reason, signal_id) for reason in REFUSED_FOR for signal_id in known)]


def _note_alarms(ports: Ports, listed: dict[str, Any] | None) -> None:
    """Note alarms that went to ALARM since the last sweep; whether that was decided is looked at when its item is due."""
    now = ports.now()
    known = set((listed or {}).get("seen", ()))
    seen: set[str] = set()
    items: list[DueItem] = []
    for alarm in ports.alarms.in_alarm(ports.settings.alarm_name_prefix):
        since = datetime.fromisoformat(alarm["detail"]["state"]["timestamp"])
        identities = transition_ids(alarm["resources"][0], since)
        # What was red long before the stack heard of any alarm is no event that was lost.
        new = identities[0] not in known and (listed is not None or now - since <= FIRST_LISTING)
        if identities[0] in seen or (new and (len(items) == NOTED_AT_ONCE or len(known) + len(items) >= ALARMS_KNOWN)):
            continue
        seen.add(identities[0])
        if new:
            items.append(
                due(
                    DueKind.RAISE,
                    f"alarm:{alarm['detail']['alarmName']}:{identities[0]}",
                    alarm["detail"]["alarmName"],
                    max(now, since + GRACE),
                    event={**alarm, "detail-type": ALARM_STATE_CHANGE},
                    identities=answered_ids(identities),
                    name=f"sweep-alarm-{identities[0]}",
                    since=now.isoformat(),
                    repair="alarm_without_decision",
                )
            )
    if seen != known or listed is None:
        ports.table.note_listed(ALARMS, {"seen": sorted(seen)}, items)


def _note_monitor_runs(ports: Ports, listed: dict[str, Any] | None) -> None:
    """Note monitor runs that found violations or failed since the last listing."""
    now = ports.now()
    since = now - FIRST_LISTING if listed is None else datetime.fromisoformat(listed["until"])
    known = set((listed or {}).get("seen", ()))
    found = list(ports.sagemaker.monitor_runs(since=since if listed is None else since - OVERLAP))
    seen: set[str] = set()
    items: list[DueItem] = []
    complete = True
    for run, ended_at in found:
        job_name, identities = run.job_arn.rsplit("/", 1)[-1], job_signal_ids(run.job_arn)
        if identities[0] in seen:
            continue
        if identities[0] not in known and len(items) == NOTED_AT_ONCE:
            complete = False
            break
        seen.add(identities[0])
        if identities[0] not in known:
            items.append(
                due(
                    DueKind.RAISE,
                    f"monitor:{job_name}",
                    job_name,
                    max(now, ended_at + GRACE),
                    event={
                        "source": "aws.sagemaker",
                        "detail-type": PROCESSING_JOB_STATE_CHANGE,
                        "time": ended_at.isoformat(),
                        "resources": [run.job_arn],
                        "detail": {"ProcessingJobName": job_name, "ProcessingJobStatus": "Completed"},
                    },
                    identities=answered_ids(identities),
                    name=f"sweep-monitor-{identities[0]}",
                    endpoint=run.endpoint,
                    schedule=run.schedule,
                    since=now.isoformat(),
                    repair="monitor_run_without_decision",
                )
            )
    if items or listed is None or (complete and now - since > OVERLAP):
        until = now if complete else since
        kept = sorted(seen if complete else seen | known)
        ports.table.note_listed(MONITOR_RUNS, {"until": until.isoformat(), "seen": kept}, items)
