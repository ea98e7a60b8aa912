"""Signals that are kept: coalesced during a run or a cooldown, lost by their event, or replayed. Each is raised until it is decided.

An execution that was started is no proof of a decision: only the decision is, or an execution that ended well.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import (
    PENDING_SIGNAL_DUE,
    RETRAINING_SOURCE,
    DueKind,
    Severity,
    SignalSource,
)
from orchestration.domain.due import AGAIN, due
from orchestration.domain.json_values import mapping, model_name
from orchestration.domain.records import sha256
from orchestration.domain.signal import asker_of, record_unproven
from orchestration.domain.switches import switch_over
from orchestration.steps.due_work import DONE, Worked, later
from orchestration.steps.policies import effective_policy, model_of_endpoint, model_of_schedule

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.domain.signal import Signal
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

RAISED_FOR: Final = timedelta(days=14)
"""How long a lost signal is raised again and again while every execution fails; people were told of each failure."""

CONTENTS_KEPT: Final = 20
"""Contents that are remembered of signals kept as one, and of those that began runs in the last hours."""

UNKNOWN_AGAIN: Final = timedelta(hours=6)
"""Rhythm of looking if a model that was taken out has its policy again."""


def pending_due(model: str, at: datetime) -> DueItem:
    """The item that brings a model's pending signal back."""
    return due(DueKind.PENDING, model, model, at)


def raise_pending(ports: Ports, item: DueItem) -> Worked:
    """Work off a PENDING item: start an execution for the signal when no run, cooldown or switch is in its way."""
    model, now = item.subject, ports.now()
    state = ports.table.model(model)
    if state.pending is None:
        return DONE
    if state.active_run_id is not None:
        return later(item, now + AGAIN)
    if state.cooldown_until and now < datetime.fromisoformat(state.cooldown_until):
        return later(item, datetime.fromisoformat(state.cooldown_until))
    origin = mapping(state.pending.get("signal")).get("source")
    if switch_over(ports.table.kill_switches(), model, SignalSource.PENDING, origin) is not None:
        return later(item, now + AGAIN)
    if effective_policy(ports, model) is None:
        # Taken out: its signal is kept until its policy is back, and no execution is started to be turned away.
        return later(item, now + UNKNOWN_AGAIN)
    identity = sha256(canonical([model, state.pending, state.cooldown_until]))[:24]
    event = {
        "source": RETRAINING_SOURCE,
        "detail-type": PENDING_SIGNAL_DUE,
        "time": now.isoformat(),
        "detail": {"model": model, "count": state.pending["count"]},
    }
    tries = int(item.data.get("tries", 0)) if item.data.get("identity") == identity else 0
    worked = start(ports, item, f"pending-{model[:40]}-{identity}", event, tries, "pending_signal_raised")
    if worked.again is None:
        if ports.table.model(model).pending is None:
            return DONE
        # It ended well and the signal still waits: held by a pause, or coalesced once more.
        return later(item, now + AGAIN, identity=identity, tries=tries + 1)
    return Worked(
        later(worked.again, datetime.fromisoformat(worked.again.due_at), identity=identity).again, worked.repair
    )


def raise_signal(ports: Ports, item: DueItem) -> Worked:
    """Work off a RAISE item: start an execution for a signal whose event was lost, unless it was decided.

    Its data: ``{"event", "identities", "name", "endpoint"?, "schedule"?, "since", "repair"}``; an endpoint no model of ours has is
    foreign, and so is a schedule without an endpoint that no tag gives to one. An event that is replayed has no identities: until it
    is judged again nobody knows which signal it is.
    """
    data, now = item.data, ports.now()
    if any(ports.table.signal(identity) is not None for identity in data["identities"]):
        return DONE
    endpoint, schedule = model_name(data.get("endpoint")), model_name(data.get("schedule"))
    if endpoint is not None and model_of_endpoint(ports, endpoint) is None:
        return DONE
    if endpoint is None and schedule is not None and model_of_schedule(ports, schedule) is None:
        return DONE
    if now - datetime.fromisoformat(data["since"]) > RAISED_FOR:
        LOG.error("SignalGivenUp", extra={"subject": item.subject})
        return DONE
    return start(ports, item, data["name"], data["event"], int(data.get("tries", 0)), str(data["repair"]))


def start(ports: Ports, item: DueItem, name: str, event: dict[str, Any], tries: int, repair: str) -> Worked:
    """Start an execution, or see what became of the one that was started: one that failed is followed by another.

    Returns:
        The item again, or ``DONE`` once an execution ended well.
    """
    machine = ports.settings.state_machine_arn
    if tries:
        last = f"{machine.replace(':stateMachine:', ':execution:')}:{name}-{tries}"
        status = ports.executions.status(last)
        if status in {"RUNNING", "PENDING_REDRIVE"}:
            return later(item, ports.now() + AGAIN)
        if status == "SUCCEEDED":
            return DONE
    started = ports.executions.start(machine, f"{name}-{tries + 1}", event)
    if started:
        LOG.info("SignalRaised", extra={"subject": item.subject, "try": tries + 1})
    delay = min(AGAIN * 2**tries, timedelta(hours=6))
    again = later(item, ports.now() + delay, tries=tries + 1).again
    return Worked(again, repair if started else None)


def unanswered(pending: dict[str, Any] | None, signal: Signal, severity: Severity) -> dict[str, Any] | None:
    """What still waits beside a run that this signal starts. Pure.

    A run answers what waited, unless its own signal is weaker: people who say no to a job in a monitor's name, or to a
    warning, have not said no to what the monitor itself found, or to critical drift.
    """
    if pending is None or signal.source is SignalSource.PENDING:
        return None
    unproven = signal.unproven and not record_unproven(mapping(pending.get("signal")))
    return pending if unproven or severity.rank < Severity(pending["severity"]).rank else None


def merge_pending(
    pending: dict[str, Any] | None,
    signal: dict[str, Any],
    severity: Severity,
    *,
    sequence: int,
    returning: bool,
    again: bool = False,
) -> dict[str, Any]:
    """Merge a signal into what waits: count, worst severity, latest context. Pure.

    A monitoring run that nobody confirmed is counted beside a signal that is proven, and neither raises nor replaces it; it
    gives way to one that comes later. So nobody lends it a proof, and it takes nobody's strength away.

    Args:
        pending: what waits, or None.
        signal: the signal's record.
        severity: its severity.
        sequence: place of its decision in the model's chain; the judge of a bake orders drift by it.
        returning: True when the signal speaks against the model that serves.
        again: True for a pending signal that is coalesced once more; it stays itself, only its context is renewed.
    """
    # What waits stands in every record until it is decided; the violations stand in that of its own decision.
    signal = {**signal, "violations": []}
    before = pending or {"count": 0, "severity": Severity.INFO, "first_signal_id": signal.get("signal_id")}
    waits = mapping(before.get("signal"))
    weaker = pending is not None and record_unproven(signal) and not record_unproven(waits)
    stronger = record_unproven(waits) and not record_unproven(signal)
    known = Severity(before["severity"])
    worst = known if weaker else severity if stronger else max(known, severity, key=lambda level: level.rank)
    merged = {
        "first_signal_id": before["first_signal_id"],
        "count": int(before["count"]) + (0 if again else 1),
        "severity": str(worst),
        "signal": before["signal"] if pending is not None and (again or weaker) else signal,
    }
    contents = {*before.get("contents", ()), *([signal["content"]] if signal.get("content") else [])}
    if contents:
        merged["contents"] = sorted(contents)[-CONTENTS_KEPT:]
    asker = asker_of(signal)
    asked_by = {*before.get("asked_by", ()), *([asker] if asker else [])}
    if asked_by:
        merged["asked_by"] = sorted(asked_by)
    # Kept beside the latest signal: a request that comes after it must not hide drift from the judge of a bake.
    if returning and not again:
        return merged | {"drift": signal, "drift_sequence": sequence}
    kept = {key: before[key] for key in ("drift", "drift_sequence") if before.get(key) is not None}
    return merged | kept
