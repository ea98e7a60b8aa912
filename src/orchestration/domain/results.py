"""What a parked token's subject looks like now: results of waits from SageMaker's descriptions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.capacity import lacks_capacity
from orchestration.domain.contracts import Next, Status
from orchestration.domain.failures import execution_sentence, job_sentence, said_by_aws
from orchestration.domain.fence import EndpointSight, foreign_deployment
from orchestration.domain.json_values import mapping, text
from orchestration.domain.wait import Result

if TYPE_CHECKING:
    from orchestration.domain.jobs import Job

ENDPOINT_FAILED: Final = frozenset({"Failed", "OutOfService", "UpdateRollbackFailed"})
PIPELINE_FAILED: Final = {"Failed": "PipelineFailed", "Stopped": "PipelineStopped"}
"""Statuses of a pipeline execution that is over without success, and the error each fails its token with."""

TRAINING_TIMED_OUT: Final = "TrainingTimedOut"
"""Error of a training that reached its limit, whoever ended it."""

OUT_OF_TIME: Final = frozenset({"MaxRuntimeExceeded", "MaxWaitTimeExceeded"})
"""Secondary statuses of a training job that SageMaker stopped at its StoppingCondition."""


def promotion_result(
    described: dict[str, Any] | None, *, name: str, previous: str, wanted: str, certain: bool
) -> Result | None:
    """What an endpoint update came to, or None while it goes on.

    Success is InService *on the wanted config*: after SageMaker's own rollback an endpoint is InService on the old one.

    Args:
        described: DescribeEndpoint, or None when there is no such endpoint.
        name: the endpoint's name.
        previous: the champion's config.
        wanted: the candidate's config.
        certain: True when SageMaker took the update, or could have shown it by now: only then is the old config, or
            somebody else's, a verdict.
    """
    seen = EndpointSight.of(described)
    why = said_by_aws((described or {}).get("FailureReason"))
    if seen.live is None:
        return Result(Next.ROLL_BACK, f"Endpoint {name} does not exist any more.", Status.ROLLED_BACK)
    if seen.pending is not None:
        # Whoever moves it: a move may fail, and then what served before serves on.
        return None
    foreign = foreign_deployment(seen, name=name, previous=previous, wanted=wanted)
    if foreign is not None:
        # Until SageMaker took the update, the hand may still be about to ask for it.
        return Result(Next.RECORD, foreign.reason, foreign.outcome) if certain else None
    if seen.status in ENDPOINT_FAILED:
        return Result(
            Next.ROLL_BACK, f"Endpoint {name} is {seen.status}: {why or 'no reason given.'}", Status.ROLLED_BACK
        )
    if seen.status != "InService":
        return None
    if seen.live == wanted:
        return Result(Next.BAKE, f"Endpoint {name} serves with config {wanted}.")
    if not certain:
        return None
    said = why or "the update did not take effect or was rolled back by SageMaker."
    return Result(Next.FINISH, f"Endpoint {name} still serves with config {previous}: {said}", Status.ROLLED_BACK)


def rollback_result(
    described: dict[str, Any] | None, *, name: str, previous: str, wanted: str, outcome: Status, certain: bool
) -> Result | None:
    """What going back to the champion came to, or None while it goes on.

    Args:
        described: DescribeEndpoint, or None when there is no such endpoint.
        name: the endpoint's name.
        previous: the champion's config.
        wanted: the candidate's config.
        outcome: the run's outcome when the champion serves again.
        certain: True when SageMaker took the update, or could have shown it by now.
    """
    seen = EndpointSight.of(described)
    why = said_by_aws((described or {}).get("FailureReason")) or "no reason given."
    failed = Status.ROLLBACK_FAILED
    if seen.live is None:
        return Result(Next.FINISH, f"Endpoint {name} does not exist any more, so no champion serves.", failed)
    if seen.pending is not None:
        return None
    foreign = foreign_deployment(seen, name=name, previous=previous, wanted=wanted)
    if foreign is not None:
        return Result(Next.FINISH, foreign.reason, foreign.outcome)
    if seen.status in ENDPOINT_FAILED:
        return Result(Next.FINISH, f"Endpoint {name} is {seen.status} after the rollback: {why}", failed)
    if seen.status != "InService" or not certain:
        return None
    if seen.live == previous:
        return Result(Next.FINISH, f"Endpoint {name} serves the champion again with config {previous}.", outcome)
    return Result(Next.FINISH, f"Endpoint {name} still serves the candidate with config {wanted}: {why}", failed)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a training or a deployment came to, by its target's own account.

    ``error`` names a failure. ``output`` is what it gave back: an object, or the JSON text of one. ``no_capacity``: it failed
    for want of a quota or of instances, and may well go on another time. ``jobs`` is what ran for it, where that is known.
    """

    succeeded: bool
    reason: str
    error: str | None = None
    output: Any = None
    no_capacity: bool = False
    jobs: tuple[Job, ...] = ()


def execution_ended(described: dict[str, Any] | None) -> Ended | None:
    """What a nested execution came to, or None while it runs."""
    if described is None:
        return Ended(False, "The execution does not exist.", "NeverStarted")
    status = str(described.get("status"))
    if status == "SUCCEEDED":
        return Ended(succeeded=True, reason="The execution succeeded.", output=described.get("output") or "{}")
    if status in {"FAILED", "TIMED_OUT", "ABORTED"}:
        error = TRAINING_TIMED_OUT if status == "TIMED_OUT" else text(described.get("error"), 200) or status
        reason = execution_sentence(described.get("name"), status, described.get("error"), described.get("cause"))
        lacks = lacks_capacity(f"{described.get('error')}: {described.get('cause')}")
        return Ended(succeeded=False, reason=reason, error=error, no_capacity=lacks)
    return None


def pipeline_ended(described: dict[str, Any] | None) -> Ended | None:
    """What a SageMaker pipeline execution came to, or None while it goes on. It gives nothing back itself."""
    if described is None:
        return Ended(False, "The pipeline execution does not exist.", "PipelineFailed")
    status = str(described.get("PipelineExecutionStatus"))
    if status == "Succeeded":
        return Ended(succeeded=True, reason="The pipeline succeeded.")
    if status in PIPELINE_FAILED:
        reason = job_sentence("The pipeline", None, status, described.get("FailureReason"))
        return Ended(succeeded=False, reason=reason, error=PIPELINE_FAILED[status])
    return None


def step_failures(steps: list[dict[str, Any]]) -> str:
    """Why a pipeline's steps failed, by name: the execution itself only says that some did. Empty when none says so."""
    failed = [step for step in steps if step.get("StepStatus") == "Failed" and step.get("FailureReason")]
    return " ".join(
        f"Step {text(step.get('StepName'), 100)} failed: {said_by_aws(step['FailureReason'])}" for step in failed[:3]
    )


def training_job_ended(described: dict[str, Any] | None) -> Ended | None:
    """What a training job came to, or None while it goes on; a completed one names the model it made."""
    if described is None:
        return Ended(False, "The training job does not exist.", "TrainingJobFailed")
    status, name = described.get("TrainingJobStatus"), described.get("TrainingJobName")
    if status == "Completed":
        return Ended(succeeded=True, reason=f"Training job {name} completed.", output=trained_model(described))
    if status in {"Failed", "Stopped"}:
        error = TRAINING_TIMED_OUT if described.get("SecondaryStatus") in OUT_OF_TIME else f"TrainingJob{status}"
        why = str(described.get("FailureReason"))
        reason = job_sentence("Training job", name, status, described.get("FailureReason"))
        return Ended(succeeded=False, reason=reason, error=error, no_capacity=lacks_capacity(why))
    return None


def trained_model(described: dict[str, Any]) -> dict[str, Any]:
    """The training output in a DescribeTrainingJob answer: ``{"model_data_url", "image"}``, what is missing is None."""
    return {
        "model_data_url": mapping(described.get("ModelArtifacts")).get("S3ModelArtifacts"),
        "image": mapping(described.get("AlgorithmSpecification")).get("TrainingImage"),
    }
