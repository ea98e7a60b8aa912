"""Train: start a run's training at its target, once, and park the workflow until it is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import MODEL_TAG, RUN_TAG, Next, Status, WaitKind
from orchestration.domain.errors import InvalidRequestError, NotAcceptedYetError
from orchestration.domain.fence import Refusal, closed, policy_changed, refuse
from orchestration.domain.intention import Intention, settles_at, training_subject
from orchestration.domain.policy import TargetKind
from orchestration.domain.training_target import TrainingTask, attempt_input, job_made_of, target_request
from orchestration.domain.wait import Result, Wait, overdue
from orchestration.steps.answering import answer, resolve, take_up
from orchestration.steps.hand import commit, not_yet, noted, put_wait, refused
from orchestration.steps.looking import look_after
from orchestration.steps.ownership import policy_foreign
from orchestration.steps.sight import Gathered, asked_run, asked_token, gather
from orchestration.steps.telling import record_status
from orchestration.steps.training_slots import held_slot
from orchestration.steps.trainings import CLOCK_SKEW, told_waiting
from orchestration.stores.service_answers import Answer, Taken

if TYPE_CHECKING:
    from orchestration.ports import HandPorts

DEADLINE: Final = timedelta(days=28)
"""The workflow's backstop for a training."""


def train(request: dict[str, Any], ports: HandPorts) -> dict[str, Any]:
    """Start a run's training.

    Args:
        request: ``{"execution": {"id", "name"}, "token"}``; the plan comes from the table.
        ports: the outside.

    Returns:
        ``{"started": bool}``; the workflow waits for the token, not for this.

    Raises:
        NotAcceptedYetError: AWS does not take it yet; the workflow asks again.
    """
    run_id, execution_arn = asked_run(ports, request)
    token = asked_token(request)
    gathered = gather(ports, run_id, execution_arn)
    if closed(gathered.sight) is not None:
        answer(ports, token, Next.EVALUATE)
        return {"started": False}
    wait = ports.table.wait(run_id, WaitKind.TRAINING)
    if wait is not None:
        wait = take_up(ports, wait, token)
        if wait is None:
            return {"started": False}
        if overdue(wait, gathered.policy.training.max_hours, ports.now()):
            # Left to the sweep: the hand stops nothing, and past the limit it begins nothing.
            return {"started": True}
        if wait.data.get("accepted"):
            look_after(ports, wait)
            return {"started": True}
    refusal = _refusal(ports, gathered)
    if refusal is not None:
        refused(ports, gathered, WaitKind.TRAINING, token, refusal, go=Next.EVALUATE)
        return {"started": False}
    if held_slot(ports, run_id) is None:
        if wait is None or not wait.data.get("queued_since"):
            refusal = Refusal(Status.STOPPED, f"Run {run_id} holds no training slot; nothing was trained.")
            refused(ports, gathered, WaitKind.TRAINING, token, refusal, go=Next.EVALUATE)
            return {"started": False}
        raise NotAcceptedYetError(f"Run {run_id} gave its slot back while it waited, and is in line for another.")
    task = TrainingTask.of(gathered.manifest, wait.attempt if wait else 1)
    if task is None:
        raise InvalidRequestError(f"The manifest of run {run_id} names no training target.")
    first = wait is None
    wait = _commit(ports, gathered, task, wait, token)
    taken = _start(ports, gathered, task, wait)
    if taken.answer is Answer.QUOTA:
        told_waiting(ports, gathered.run, wait, taken.sentence, gathered.policy.training.max_hours)
        until = datetime.fromisoformat(wait.parked_at) + timedelta(hours=gathered.policy.training.max_hours)
        raise not_yet(ports, wait, taken.sentence, waiting=True, until=until.isoformat())
    if taken.answer.later:
        raise not_yet(ports, wait, taken.sentence)
    if taken.answer is Answer.FOREIGN or (first and taken.answer is Answer.REFUSED):
        # Nothing of this run's trains, and no try before this one can have begun it: nothing is to be stopped at its end.
        ports.table.end_intention(training_subject(run_id), run_id)
    if taken.answer in {Answer.REFUSED, Answer.FOREIGN}:
        resolve(ports, wait, Result(Next.EVALUATE, taken.sentence, Status.TRAINING_FAILED))
        return {"started": False}
    # Before the note that ends the asking, so that a retry makes up for it.
    record_status(
        ports,
        run_id=run_id,
        model=wait.model,
        status=Status.TRAINING_STARTED,
        severity=gathered.run.severity,
        sentence=f"Training {task.name} started at {task.target}.",
    )
    noted(ports, wait)
    return {"started": True}


def _refusal(ports: HandPorts, gathered: Gathered) -> Refusal | None:
    refusal = refuse(gathered.sight)
    if refusal is not None:
        return refusal
    if policy_changed(gathered.sight):
        return Refusal(
            Status.SUPERSEDED,
            f"The policy of {gathered.run.model} changed before the training began, so the signal is decided again by "
            "what is in force now. Nothing was trained.",
            again=True,
        )
    foreign = policy_foreign(ports, gathered.policy, gathered.manifest.get("champion"))
    return Refusal(Status.STOPPED, f"{' '.join(foreign)} Nothing was trained.") if foreign else None


def _commit(ports: HandPorts, gathered: Gathered, task: TrainingTask, wait: Wait | None, token: str) -> Wait:
    """The intention, with the fence as its conditions, and the wait with its pointers."""
    now, run = ports.now(), gathered.run
    intention = Intention(
        subject=training_subject(run.run_id),
        run_id=run.run_id,
        model=run.model,
        execution_arn=run.execution_arn,
        opened_at=now.isoformat(),
        settles_at=settles_at(now).isoformat(),
        sequence=ports.table.chain_head(run.model).sequence,
        wanted=task.name,
    )
    data = {"settles_at": intention.settles_at, "accepted": False, "names": [f"job:{task.name}"]}
    new = put_wait(ports, gathered, WaitKind.TRAINING, token, data, now + DEADLINE)
    return commit(ports, gathered, intention, wait, new)


def _start(ports: HandPorts, gathered: Gathered, task: TrainingTask, wait: Wait) -> Taken:
    run, policy = gathered.run, gathered.policy
    training_input = attempt_input(gathered.manifest["training"]["input"], wait.attempt)
    request = target_request(policy.training, training_input, {MODEL_TAG: run.model, RUN_TAG: run.run_id})
    if task.kind is TargetKind.STATE_MACHINE:
        # So that the console links parent and child.
        linked = {**request, "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": run.execution_arn}
        return ports.executions.begin(task.target, task.name, linked)
    if task.kind is TargetKind.SAGEMAKER_PIPELINE:
        return ports.changes.start_pipeline_execution(request)
    return _own_job(ports, request, run.started_at, ports.changes.create_training_job(request))


def _own_job(ports: HandPorts, request: dict[str, Any], started_at: str, taken: Taken) -> Taken:
    """What a name in use stands for: an earlier try's own job, or one that is older than the run or made of something else."""
    if taken.answer is not Answer.EXISTS:
        return taken
    name = request["TrainingJobName"]
    job = ports.sagemaker.training_job(name) or {}
    created = job.get("CreationTime")
    if created is not None and created < datetime.fromisoformat(started_at) - CLOCK_SKEW:
        return Taken(Answer.FOREIGN, f"Training job {name} is older than the run, so it is not followed.")
    found = job_made_of(job)
    differ = [part for part, value in job_made_of(request).items() if job and value != found[part]]
    if differ:
        told = (
            f"Training job {name} is not what the run asks for ({', '.join(differ)}): it was not started by this run."
        )
        return Taken(Answer.FOREIGN, told)
    return taken
