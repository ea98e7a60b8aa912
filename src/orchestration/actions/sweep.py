"""Sweep: repair what events lose. SageMaker events are best effort, alarms fire only on change, processes die.

Every repair is one that an event, a handler or a workflow would have made; it is safe to sweep twice, at once, and at
the same time as the event it replaces. One repair that fails does not keep the others from being made.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.actions.resume import check_wait
from orchestration.actions.settle import settle_execution
from orchestration.domain.contracts import ALARM_STATE_CHANGE, PROCESSING_JOB_STATE_CHANGE, WaitKind
from orchestration.domain.signals.alarm import transition_ids
from orchestration.domain.signals.model_monitor import job_signal_ids
from orchestration.domain.slots import release
from orchestration.domain.wait_results import wait_id
from orchestration.steps.approvals import advance_approval
from orchestration.steps.pending_signals import raise_pending
from orchestration.steps.stop_training import stop_overdue_trainings
from orchestration.steps.waits import SLOT_SUBJECT, change_slots, deliver
from orchestration.stores.table_dynamodb import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestration.domain.slots import SlotLedger
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

GRACE: Final = timedelta(minutes=2)
"""Younger things are left to the event that is on its way."""

MONITOR_HORIZON: Final = timedelta(days=2)
"""How far back monitor runs without a decision are looked for; longer than any rule retries."""

DUE_WORK: Final = frozenset({"approval_advanced", "pending_signal_raised"})
"""Steps whose work falls due by the clock; every other one makes up for something that was lost."""


def sweep(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Make every repair that is due.

    Args:
        request: ``{}``; ``{"grace_seconds": 0}`` also repairs what is younger than the grace period.
        ports: the outside.

    Returns:
        ``{"repairs": {<kind>: count}, "failures": count}``.

    Raises:
        RuntimeError: a repair failed; the others were made. The alarm on function errors tells people.
    """
    grace = timedelta(seconds=float(request.get("grace_seconds", GRACE.total_seconds())))
    steps: tuple[tuple[str, Callable[[Ports, timedelta], Iterable[str]]], ...] = (
        ("dead_run_settled", _dead_runs),
        ("wait_answered", _resolved_waits),
        ("overdue_training_stopped", _overdue_trainings),
        ("lost_event_replaced", _waits_for_sagemaker),
        ("approval_advanced", _approvals),
        ("slot_reclaimed", _slots),
        ("pending_signal_raised", _pending),
        ("alarm_without_decision", _alarms),
        ("monitor_run_without_decision", _monitor_runs),
    )
    repairs: Counter[str] = Counter()
    failures: list[str] = []
    for kind, step in steps:
        try:
            for subject in step(ports, grace):
                repairs[kind] += 1
                ports.table.record_repair(kind, subject, at=ports.now())
                LOG.info("SweepRepaired", extra={"repair": kind, "subject": subject, "lost": kind not in DUE_WORK})
        except Exception as error:
            LOG.exception("SweepStepFailed", extra={"repair": kind})
            failures.append(f"{kind}: {error}")
    LOG.info("WaitsObserved", extra=waits_observed(ports.table.waits(), ports.table.slots(), ports.now()))
    if failures:
        raise RuntimeError(
            f"{len(failures)} kind(s) of repair failed, the others were made. {'; '.join(failures)}"[:2000]
        )
    return {"repairs": dict(repairs), "failures": 0}


def waits_observed(waits: Iterable[Wait], ledger: SlotLedger, now: datetime) -> dict[str, int]:
    """What waits and how long, as gauges for alarms and dashboard. Pure.

    An approval's wait is counted in percent of its own time, since policies set that time.
    """
    approvals = [wait for wait in waits if wait.kind == WaitKind.APPROVAL and wait.state == Wait.PARKED]
    queued = [now - datetime.fromisoformat(waiter.since) for waiter in ledger.waiters]
    return {
        "approvals_waiting": len(approvals),
        "approval_wait_percent": max((_percent_waited(wait, now) for wait in approvals), default=0),
        "queue_length": len(queued),
        "oldest_queued_seconds": int(max(queued, default=timedelta()).total_seconds()),
    }


def _percent_waited(wait: Wait, now: datetime) -> int:
    parked_at = datetime.fromisoformat(wait.parked_at)
    allowed = datetime.fromisoformat(wait.deadline) - parked_at
    return int(100 * (now - parked_at) / allowed) if allowed else 100


def _dead_runs(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Runs and locks whose execution is no longer running."""
    for run in ports.table.active_runs():
        if _age(ports, run["started_at"]) < grace:
            continue
        status = ports.executions.status(run["execution_arn"])
        if status not in {"RUNNING", "PENDING_REDRIVE"}:
            settle_execution(ports, run["execution_arn"], run["run_id"], status or "ABORTED")
            yield run["run_id"]


def _resolved_waits(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Waits that were decided, but whose token was never answered."""
    del grace
    for wait in ports.table.waits():
        if wait.state == Wait.RESOLVED:
            deliver(ports, wait)
            yield wait.wait_id


def _overdue_trainings(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Trainings past the limit of their policy."""
    del grace
    yield from stop_overdue_trainings(ports)


def _waits_for_sagemaker(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Parked endpoints and pipelines whose status event never came."""
    for wait in ports.table.waits():
        if wait.state == Wait.PARKED and _age(ports, wait.parked_at) >= grace and check_wait(ports, wait):
            yield wait.wait_id


def _approvals(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Approvals whose next step (remind, escalate, expire) is due, or whose run is over."""
    del grace
    for wait in ports.table.waits():
        if wait.kind == WaitKind.APPROVAL and advance_approval(ports, wait, ports.now()):
            yield wait.wait_id


def _slots(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Slots and places in the queue of runs that are over; then grants what is free."""
    ledger = ports.table.slots()
    active = {run["run_id"] for run in ports.table.active_runs()}
    listed = [(entry.run_id, entry.since) for entry in ledger.holders]
    listed += [(entry.run_id, entry.since) for entry in ledger.waiters]
    for run_id, since in listed:
        if run_id not in active and _age(ports, since) >= grace:
            change_slots(ports, functools.partial(release, run_id=run_id))
            yield run_id
    parked = {wait.wait_id for wait in ports.table.waits() if wait.kind == WaitKind.SLOT}
    waking = [
        holder.run_id
        for holder in change_slots(ports, lambda before: before).holders
        if wait_id(holder.run_id, WaitKind.SLOT, SLOT_SUBJECT) in parked
    ]
    yield from waking


def _pending(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Coalesced signals whose run and cooldown are over."""
    del grace
    for model in ports.table.models():
        if raise_pending(ports, model):
            yield model


def _alarms(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Alarms that are in ALARM although no decision on that change exists."""
    for alarm in ports.alarms.in_alarm(ports.settings.alarm_name_prefix):
        since = datetime.fromisoformat(alarm["detail"]["state"]["timestamp"])
        if ports.now() - since < grace:
            continue
        identities = transition_ids(alarm["resources"][0], since)
        if any(ports.table.signal(identity) is not None for identity in identities):
            continue
        name = f"sweep-alarm-{identities[0]}"
        if ports.executions.start(ports.settings.state_machine_arn, name, {**alarm, "detail-type": ALARM_STATE_CHANGE}):
            yield alarm["detail"]["alarmName"]


def _monitor_runs(ports: Ports, grace: timedelta) -> Iterable[str]:
    """Monitor runs that found violations or failed, without a decision."""
    now = ports.now()
    for job_arn, ended_at in ports.sagemaker.monitor_runs_to_decide(since=now - MONITOR_HORIZON):
        if now - ended_at < grace:
            continue
        identities = job_signal_ids(job_arn)
        if any(ports.table.signal(identity) is not None for identity in identities):
            continue
        job_name = job_arn.rsplit("/", 1)[-1]
        event = {
            "source": "aws.sagemaker",
            "detail-type": PROCESSING_JOB_STATE_CHANGE,
            "time": ended_at.isoformat(),
            "resources": [job_arn],
            "detail": {"ProcessingJobName": job_name, "ProcessingJobStatus": "Completed"},
        }
        if ports.executions.start(ports.settings.state_machine_arn, f"sweep-monitor-{identities[0]}", event):
            yield job_name


def _age(ports: Ports, since: str) -> timedelta:
    return ports.now() - datetime.fromisoformat(since)
