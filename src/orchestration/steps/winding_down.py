"""Winding down a run that is over: waits nobody answers any more, its place in the queue, its training, its slot.

A slot is held until its training is over, which may be later than the run's end; the model's lock is free at once.
"""

from __future__ import annotations

import functools
import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.due import due
from orchestration.domain.fence import EndpointSight
from orchestration.domain.intention import endpoint_subject, training_subject
from orchestration.domain.messages import endpoint_left
from orchestration.domain.slots import Waiter
from orchestration.domain.switches import sources_of
from orchestration.domain.training_target import TrainingTask
from orchestration.steps.approvals import climb
from orchestration.steps.due_work import DONE, Worked, attempt, later
from orchestration.steps.looking import look, look_after, wake
from orchestration.steps.telling import message_told, tell
from orchestration.steps.training_slots import give_back_slot
from orchestration.steps.trainings import seen_training, stop_training

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.wait import Wait
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

RUN_STOPPED: Final = "RunStopped"
"""Error a nested execution is stopped with when its run is over."""

STOP_AGAIN: Final = timedelta(minutes=1)


def wind_down(ports: Ports, item: DueItem) -> Worked:
    """Work off a STOP item. The item stays until the training is known to be over."""
    run = ports.table.run(item.subject)
    if run is None or run.outcome is None:
        return DONE
    waits = ports.table.waits_of_run(run.run_id)
    for wait in waits:
        since = wait.parked_at if wait.kind is WaitKind.SLOT else wait.data.get("queued_since")
        if since:
            ports.table.leave_queue(Waiter(run.run_id, run.model, since, sources_of(json.loads(run.manifest))))
    running = _stop(ports, run)
    if running is None:
        wake(ports, give_back_slot(ports, run.run_id))
    # Last, since each wait has an item of its own: one that cannot be answered holds up no stop and no slot.
    for wait in waits:
        if not wait.answered:
            _withdraw(ports, wait)
    return DONE if running is None else later(item, running)


def _withdraw(ports: Ports, wait: Wait) -> None:
    if wait.kind is WaitKind.APPROVAL:
        climb(ports, due(DueKind.LADDER, wait.wait_id, wait.model, ports.now()))
    elif wait.resolved:
        look(ports, due(DueKind.LOOK, wait.wait_id, wait.model, ports.now()))
    else:
        look_after(ports, wait)


def _stop(ports: Ports, run: StoredRun) -> datetime | None:
    """Stop the run's training; None when it is over or was never started, else when to look again."""
    subject = training_subject(run.run_id)
    intention = ports.table.intention(subject)
    wait = ports.table.wait(run.run_id, WaitKind.TRAINING)
    task = TrainingTask.of(json.loads(run.manifest), wait.attempt if wait else 1)
    if intention is None or task is None or intention.wanted != task.name:
        # What the run has written down that it starts is all it may stop.
        return None
    now = ports.now()
    settled = intention.settled(now)
    seen = functools.partial(seen_training, ports, task, started_at=run.started_at, certain=settled)
    if seen() is None:
        cause = f"Run {run.run_id} ended {run.outcome}."
        stop_training(ports, task, started_at=run.started_at, error=RUN_STOPPED, cause=cause)
        # An execution is over at once; a job takes its time, and what may still begin is looked for again.
        if seen() is None:
            return now + STOP_AGAIN if settled else max(datetime.fromisoformat(intention.settles_at), now + STOP_AGAIN)
    ports.table.end_intention(subject, run.run_id)
    return None


def look_at_intention(ports: Ports, item: DueItem) -> Worked:
    """Work off an INTENT item: tell people what serves where a closed run left the change of an endpoint open."""
    endpoint = str(item.data["endpoint"])
    intention = ports.table.intention(endpoint_subject(endpoint))
    if intention is None or intention.run_id != item.subject:
        return DONE
    now = ports.now()
    if not intention.settled(now):
        return later(item, datetime.fromisoformat(intention.settles_at))
    described = ports.sagemaker.endpoint(endpoint)
    seen = EndpointSight.of(described)
    if seen.pending is not None or seen.status in {"Updating", "SystemUpdating", "RollingBack", "Creating"}:
        return later(item, now + STOP_AGAIN)
    if seen.live is None:
        shown = "does not exist any more"
    elif seen.live == intention.wanted:
        shown = f"serves the candidate's config {seen.live}, which no bake has judged"
    elif seen.live == intention.previous:
        shown = f"serves the champion's config {seen.live}; the change never took effect or was taken back"
    else:
        shown = f"serves config {seen.live}, neither the candidate's nor the champion's"
    message = endpoint_left(
        ports.settings.speaker,
        run_id=intention.run_id,
        model=intention.model,
        endpoint=endpoint,
        shown=shown,
        facts=(
            ("endpoint", endpoint),
            ("status", str(seen.status)),
            ("candidate config", intention.wanted),
            ("champion config", intention.previous),
        ),
    )
    told = message_told(message, now)
    ports.table.add_due(told)
    attempt(ports, told, tell)
    if ports.table.model(intention.model).frozen_reason is None:
        # Somebody unfroze the model before this could be said, and so took the endpoint as settled.
        ports.table.end_intention(intention.subject, intention.run_id)
    return DONE
