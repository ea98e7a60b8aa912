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
    SignalSource,
)
from orchestration.domain.due import AGAIN, due
from orchestration.domain.json_values import mapping, model_name
from orchestration.domain.listing import Heard
from orchestration.domain.records import sha256
from orchestration.domain.switches import switch_over
from orchestration.steps.due_work import DONE, Worked, later
from orchestration.steps.policies import effective_policy, model_of_endpoint, model_of_schedule
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.domain.due import DueItem
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

RAISED_FOR: Final = timedelta(days=14)
"""How long a lost signal is raised again and again while every execution fails; people were told of each failure."""

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

    Its data: ``{"event", "identities", "heard"?, "name", "endpoint"?, "schedule"?, "since", "repair"}``; an endpoint no model of ours
    has is foreign, and so is a schedule without an endpoint that no tag gives to one. An event that is replayed has no identities:
    until it is judged again nobody knows which signal it is. ``heard`` is what a sweep listed and nobody had heard of.
    """
    data, now = item.data, ports.now()
    if any(ports.table.signal(identity) is not None for identity in data["identities"]):
        return DONE
    lost = Heard(**data["heard"]) if data.get("heard") else None
    if lost is not None and lost.same(heard_by_now(ports, [lost.name]).get(lost.name)):
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


def heard_by_now(ports: Ports, names: Sequence[str]) -> dict[str, Heard]:
    """What was heard of these names, by name.

    Raises:
        ContentionError: something was being heard of one whenever that was read.
    """
    return against_rivals(ports, lambda: ports.table.heard(names), "What was heard")


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
