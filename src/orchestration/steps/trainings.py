"""A run's training at its target: what it came to, and how it is stopped."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.capacity import given_up, lacks_capacity, waiting_sentence
from orchestration.domain.contracts import Next, Status
from orchestration.domain.errors import NotAcceptedYetError
from orchestration.domain.intention import training_subject
from orchestration.domain.jobs import Job, jobs_of_output, jobs_of_steps, kept, trained
from orchestration.domain.json_values import sequence, text
from orchestration.domain.policy import TargetKind
from orchestration.domain.results import (
    TRAINING_TIMED_OUT,
    Ended,
    execution_ended,
    pipeline_ended,
    step_failures,
    trained_model,
    training_job_ended,
)
from orchestration.domain.training_output import read_training_output, taken_from_cache, trained_by_pipeline
from orchestration.domain.training_target import attempt_input, training_name
from orchestration.domain.wait import Result, overdue
from orchestration.steps.telling import record_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.training_target import TrainingTask
    from orchestration.domain.wait import Wait
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How much earlier than the run's start its pipeline execution is looked for."""

STOPPED_ERRORS: Final = frozenset({"ABORTED", "PipelineStopped", "TrainingJobStopped"})
"""Errors of a training that somebody stopped; past its limit that was the loop."""


def seen_training(ports: Ports, task: TrainingTask, *, started_at: str, certain: bool) -> Ended | None:
    """What a training came to; None while it runs.

    Args:
        ports: the outside.
        task: what was started.
        started_at: the run's start; a pipeline execution is looked for from then on.
        certain: False while the start may still be on its way: then what is not found is not over either.
    """
    if task.kind is TargetKind.STATE_MACHINE:
        described = ports.executions.describe(task.execution_arn)
        ended = None if described is None and not certain else execution_ended(described)
        return None if ended is None else replace(ended, jobs=jobs_of_output(ended.output))
    if task.kind is TargetKind.TRAINING_JOB:
        job = ports.sagemaker.training_job(task.name)
        ended = None if job is None and not certain else training_job_ended(job)
        return ended if ended is None or job is None else replace(ended, jobs=(trained(job),))
    arn = _pipeline_execution(ports, task, started_at)
    if arn is None:
        return pipeline_ended(None) if certain else None
    described = ports.sagemaker.pipeline_execution(arn)
    if described is None and not certain:
        # It is listed, so it was started; its description lags behind.
        return None
    found = pipeline_ended(described)
    if found is None:
        return None
    steps = ports.sagemaker.pipeline_steps(arn)
    found = replace(found, jobs=tuple(jobs_of_steps(steps)))
    if not found.succeeded:
        why = step_failures(steps)
        return replace(found, reason=f"{found.reason} {why}".strip(), no_capacity=lacks_capacity(why))
    if (cached := taken_from_cache(steps)) is not None:
        told = f"Step {cached} took an earlier result from its pipeline's cache, so nothing was trained. Switch its CacheConfig off."
        return replace(found, succeeded=False, reason=told, error="NothingTrained")
    job_arn, package = trained_by_pipeline(steps)
    last = ports.sagemaker.training_job(job_arn.rsplit("/", 1)[-1]) if job_arn else None
    created = last.get("CreationTime") if last else None
    if created is not None and created < datetime.fromisoformat(started_at) - CLOCK_SKEW:
        told = f"The pipeline names training job {job_arn}, which is older than the run, so nothing was trained."
        return replace(found, succeeded=False, reason=told, error="NothingTrained")
    jobs = tuple(trained(last) if last and job.name == last.get("TrainingJobName") else job for job in found.jobs)
    return replace(found, jobs=jobs, output={**(trained_model(last) if last else {}), "model_package_arn": package})


def with_jobs(ports: Ports, run: StoredRun, wait: Wait, found: Ended) -> Ended:
    """What a training came to, with what ran for it, for its earlier attempts too: jobs that were only named are looked up."""
    earlier = [Job.of(job) for job in sequence(wait.data.get("jobs"))]
    since = datetime.fromisoformat(run.started_at) - CLOCK_SKEW
    named = kept([*earlier, *found.jobs])
    return replace(found, jobs=tuple(ports.sagemaker.looked_up(job, since) if job.named else job for job in named))


def training_result(found: Ended, *, output_uri: str, overdue: bool) -> Result:
    """The result of a training wait: the training's output, checked and bounded, or why there is none. Pure.

    Args:
        found: what ``seen_training`` gave.
        output_uri: prefix of the run's outputs.
        overdue: True when the training was past its limit; one that was stopped then has timed out.
    """
    if found.succeeded:
        output = read_training_output(found.output, output_uri=output_uri)
        if isinstance(output, str):
            said = f"The training's output {output}."
            return Result(Next.EVALUATE, said, Status.TRAINING_FAILED, jobs=found.jobs)
        return Result(Next.EVALUATE, found.reason, output=output, jobs=found.jobs)
    timed_out = found.error == TRAINING_TIMED_OUT or (overdue and found.error in STOPPED_ERRORS)
    outcome = Status.TRAINING_TIMED_OUT if timed_out else Status.TRAINING_FAILED
    return Result(Next.EVALUATE, text(found.reason, 2000) or "no reason given", outcome, jobs=found.jobs)


def told_waiting(ports: Ports, run: StoredRun, wait: Wait, said: str, hours: float) -> None:
    """Tell people, once in a run, that its training waits for a quota or for instances."""
    record_status(
        ports,
        run_id=run.run_id,
        model=run.model,
        status=Status.TRAINING_WAITING,
        severity=run.severity,
        sentence=waiting_sentence(said, datetime.fromisoformat(wait.parked_at) + timedelta(hours=hours)),
    )


def try_again(
    ports: Ports, run: StoredRun, wait: Wait, manifest: Mapping[str, Any], found: Ended, hours: float
) -> Result | None:
    """Go on after a training that had no capacity, or was never begun: the next attempt, or the end of the waiting.

    Returns:
        The result when the policy's time is over. None when the next attempt stands in the table and its workflow was told to
        ask for it.
    """
    said = found.reason if found.no_capacity else wait.data.get("said", found.reason)
    data = {name: value for name, value in wait.data.items() if name not in {"accepted_at", "overdue"}}
    data |= {"jobs": [job.as_record() for job in found.jobs]} if found.jobs else {}
    again = replace(wait, data={**data, "accepted": False, "waiting": True, "attempt": wait.attempt + 1})
    if overdue(again, hours, ports.now()):
        return given_up(said, hours)
    told_waiting(ports, run, wait, found.reason, hours)
    token = attempt_input(manifest["training"]["input"], again.attempt)["idempotency_token"]
    names = [f"job:{training_name(token)}"]
    again = replace(again, data={**again.data, "names": names})
    # What was begun is over, and nothing is begun until the hand says so anew.
    ended = ports.table.ended_intention(training_subject(run.run_id), run.run_id)
    if ports.table.change_wait(wait, again, [ended, *ports.table.renamed(wait, names)]):
        have_asked_again(ports, again)
    return None


def have_asked_again(ports: Ports, wait: Wait) -> None:
    """Have the workflow ask the hand again, by the error it retries for; a token nobody waits on says nothing."""
    for token in wait.tokens:
        ports.executions.fail(
            token, NotAcceptedYetError.__name__, f"Attempt {wait.attempt} at the training is to begin."
        )


def stop_training(ports: Ports, task: TrainingTask, *, started_at: str, error: str, cause: str) -> None:
    """Stop a training. Stopping twice, or stopping what is over or was never started, changes nothing."""
    if task.kind is TargetKind.STATE_MACHINE:
        ports.executions.stop(task.execution_arn, error, cause)
    elif task.kind is TargetKind.TRAINING_JOB:
        ports.sagemaker.stop_training_job(task.name)
    else:
        arn = _pipeline_execution(ports, task, started_at)
        if arn is not None:
            ports.sagemaker.stop_pipeline_execution(arn, task.name)
    LOG.warning("TrainingStopped", extra={"training": task.name, "error": error})


def _pipeline_execution(ports: Ports, task: TrainingTask, started_at: str) -> str | None:
    """By its name: its ARN dies with the process that started it."""
    return ports.sagemaker.pipeline_execution_named(
        task.target, task.name, datetime.fromisoformat(started_at) - CLOCK_SKEW
    )
