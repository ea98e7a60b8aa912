"""What a parked token's subject looks like now: results of waits from SageMaker's descriptions. Pure."""

from __future__ import annotations

from typing import Any, Final

from orchestration.signal import text

ENDPOINT_FAILED: Final = frozenset({"Failed", "OutOfService", "UpdateRollbackFailed"})
PIPELINE_FAILED: Final = frozenset({"Failed", "Stopped"})


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
    """What a SageMaker pipeline execution came to, or None while it goes on."""
    if described is None:
        return {"status": "FAILED", "reason": "The pipeline execution does not exist."}
    status = described.get("PipelineExecutionStatus")
    if status == "Succeeded":
        return {"status": "SUCCEEDED", "reason": "The pipeline succeeded."}
    if status in PIPELINE_FAILED:
        why = text(described.get("FailureReason"), 1000) or "no reason given"
        return {"status": "FAILED", "reason": f"The pipeline is {status}: {why}"}
    return None
