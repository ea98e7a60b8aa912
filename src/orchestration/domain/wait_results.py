"""What a parked token's subject looks like now: results of waits from SageMaker's descriptions. Pure."""

from __future__ import annotations

from typing import Any, Final

from orchestration.domain.json_values import mapping, text

ENDPOINT_FAILED: Final = frozenset({"Failed", "OutOfService", "UpdateRollbackFailed"})
PIPELINE_FAILED: Final = {"Failed": "PipelineFailed", "Stopped": "PipelineStopped"}
"""Statuses of a pipeline execution that is over without success, and the error each fails its token with."""

TRAINING_TIMED_OUT: Final = "TrainingTimedOut"
"""Error of a training that reached its limit; ``close`` tells it from a training that failed."""

OUT_OF_TIME: Final = frozenset({"MaxRuntimeExceeded", "MaxWaitTimeExceeded"})
"""Secondary statuses of a training job that SageMaker stopped at its StoppingCondition."""


def wait_id(run_id: str, kind: str, subject: str) -> str:
    """Id of a wait: a run waits for one subject of a kind once."""
    return f"{run_id}:{kind}:{subject}"


def endpoint_result(described: dict[str, Any] | None, *, wanted_config: str) -> dict[str, Any] | None:
    """What an endpoint update came to, or None while it goes on.

    Success is InService *on the wanted config*: after SageMaker's own rollback an endpoint is InService on the old one.
    """
    if described is None:
        return {"status": "FAILED", "reason": "The endpoint does not exist any more."}
    status, config = described.get("EndpointStatus"), described.get("EndpointConfigName")
    name = described.get("EndpointName")
    if status == "InService":
        if config == wanted_config:
            return {"status": "IN_SERVICE", "reason": f"Endpoint {name} serves with config {config}."}
        why = text(described.get("FailureReason")) or "the update did not take effect or was rolled back by SageMaker"
        return {"status": "ROLLED_BACK", "reason": f"Endpoint {name} still serves with config {config}: {why}."}
    if status in ENDPOINT_FAILED:
        why = text(described.get("FailureReason")) or "no reason given"
        return {"status": "FAILED", "reason": f"Endpoint {name} is {status}: {why}."}
    return None


def pipeline_result(described: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a SageMaker pipeline execution came to, or None while it goes on. ``error`` names a failure."""
    if described is None:
        return {"status": "FAILED", "error": "PipelineFailed", "reason": "The pipeline execution does not exist."}
    status = str(described.get("PipelineExecutionStatus"))
    if status == "Succeeded":
        return {"status": "SUCCEEDED", "reason": "The pipeline succeeded."}
    if status in PIPELINE_FAILED:
        why = text(described.get("FailureReason"), 1000) or "no reason given"
        return {"status": "FAILED", "error": PIPELINE_FAILED[status], "reason": f"The pipeline is {status}: {why}"}
    return None


def training_job_result(described: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a training job came to, or None while it goes on; a completed one names the model it made."""
    if described is None:
        return {"status": "FAILED", "error": "TrainingJobFailed", "reason": "The training job does not exist."}
    status, name = described.get("TrainingJobStatus"), described.get("TrainingJobName")
    if status == "Completed":
        return {"status": "SUCCEEDED", "reason": f"Training job {name} completed.", **trained_model(described)}
    if status in {"Failed", "Stopped"}:
        error = TRAINING_TIMED_OUT if described.get("SecondaryStatus") in OUT_OF_TIME else f"TrainingJob{status}"
        why = text(described.get("FailureReason"), 1000) or "no reason given"
        return {"status": "FAILED", "error": error, "reason": f"Training job {name} is {status}: {why}"}
    return None


def trained_model(described: dict[str, Any]) -> dict[str, Any]:
    """The training output in a DescribeTrainingJob answer: ``{"model_data_url", "image"}``, what is missing is None."""
    return {
        "model_data_url": mapping(described.get("ModelArtifacts")).get("S3ModelArtifacts"),
        "image": mapping(described.get("AlgorithmSpecification")).get("TrainingImage"),
    }
