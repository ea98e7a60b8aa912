"""Resume: whoever knows wakes a parked run. A human, a run that gives its slot back, an event, or the sweep."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from orchestration.actions.approve import decide_request
from orchestration.actions.statuses import record_status
from orchestration.actions.waits import change_slots, resolve
from orchestration.contracts import ENDPOINT_STATE_CHANGE, PIPELINE_STATE_CHANGE, Status, WaitKind
from orchestration.errors import InvalidRequestError
from orchestration.signal import mapping
from orchestration.slots import release
from orchestration.waiting import endpoint_result, pipeline_result

if TYPE_CHECKING:
    from orchestration.ports import Ports
    from orchestration.stores.table_dynamodb import Wait

LOG = logging.getLogger("orchestration")


def resume(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Wake what the request is about. Idempotent: the first result of a wait stays.

    Args:
        request: ``{"kind": "slot", "run": $run}`` from a run that gives its slot back; ``{"kind": "approval",
            "run_id", "decision": "APPROVED"|"REJECTED", "by", "comment"}`` from a person; or an EventBridge event of a
            SageMaker endpoint or pipeline execution.
        ports: the outside.

    Raises:
        InvalidRequestError: the request is none of these.
    """
    detail_type = request.get("detail-type")
    if detail_type in {ENDPOINT_STATE_CHANGE, PIPELINE_STATE_CHANGE}:
        return _from_event(request, ports)
    kind = request.get("kind")
    if kind == WaitKind.SLOT:
        return _release(request, ports)
    if kind == WaitKind.APPROVAL:
        return decide_request(request, ports)
    raise InvalidRequestError(f"A resume request needs kind slot or approval, or a SageMaker event; got kind {kind!r}.")


def _release(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    run = mapping(request.get("run"))
    run_id, model = str(run["run_id"]), str(run["model"])
    change_slots(ports, lambda ledger: release(ledger, run_id=run_id))
    record_status(
        ports,
        run_id=run_id,
        model=model,
        status=Status.TRAINING_FINISHED,
        severity=run.get("severity"),
        sentence="Training finished; its slot is free again.",
    )
    return {"released": True}


def _from_event(event: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """A status event is a hint: the description decides, since events repeat, come late and out of order."""
    detail = mapping(event.get("detail"))
    endpoint, pipeline = detail.get("EndpointName"), detail.get("pipelineExecutionArn")
    resumed = 0
    for wait in ports.table.waits():
        if (wait.kind == WaitKind.ENDPOINT and endpoint and wait.subject.split("/", 1)[-1] == endpoint) or (
            wait.kind == WaitKind.PIPELINE and pipeline and wait.subject == pipeline
        ):
            resumed += check_wait(ports, wait)
    return {"resumed": resumed}


def check_wait(ports: Ports, wait: Wait) -> int:
    """Ask SageMaker about the subject of a wait and resolve it when it is over. Returns 1 when it resolved it."""
    if wait.kind == WaitKind.ENDPOINT:
        name = wait.subject.split("/", 1)[-1]
        result = endpoint_result(ports.sagemaker.endpoint(name), wanted_config=wait.data["wanted_config"])
    elif wait.kind == WaitKind.PIPELINE:
        result = pipeline_result(ports.sagemaker.pipeline_execution(wait.subject))
    else:
        return 0
    return int(result is not None and resolve(ports, wait, result))
