"""Resume: whoever knows wakes a parked run. A human, a run that gives its slot back, an event, or the sweep."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import (
    ALARM_STATE_CHANGE,
    ENDPOINT_STATE_CHANGE,
    PIPELINE_STATE_CHANGE,
    TRAINING_JOB_STATE_CHANGE,
    Status,
    WaitKind,
)
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import mapping
from orchestration.domain.slots import release
from orchestration.steps.approvals import decide_request
from orchestration.steps.statuses import record_status
from orchestration.steps.waits import change_slots, resolve, subject_result

if TYPE_CHECKING:
    from orchestration.ports import Ports
    from orchestration.stores.table_dynamodb import Wait

LOG = logging.getLogger("orchestration")

WAKING_EVENTS: Final = frozenset(
    {ENDPOINT_STATE_CHANGE, PIPELINE_STATE_CHANGE, TRAINING_JOB_STATE_CHANGE, ALARM_STATE_CHANGE}
)
"""Detail types of events that may be about what a run waits for."""


def resume(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Wake what the request is about. Idempotent: the first result of a wait stays.

    Args:
        request: ``{"kind": "slot", "run": $run}`` from a run that gives its slot back; ``{"kind": "approval",
            "run_id", "decision": "APPROVED"|"REJECTED", "by", "comment"}`` from a person; or an EventBridge event of a
            SageMaker endpoint, pipeline execution or training job, or of an alarm.
        ports: the outside.

    Raises:
        InvalidRequestError: the request is none of these.
    """
    detail_type = request.get("detail-type")
    if detail_type in WAKING_EVENTS:
        return _from_event(request, ports)
    kind = request.get("kind")
    if kind == WaitKind.SLOT:
        return _release(request, ports)
    if kind == WaitKind.APPROVAL:
        return decide_request(request, ports)
    raise InvalidRequestError(f"A resume request needs kind slot or approval, or a status event; got kind {kind!r}.")


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
    resumed = sum(check_wait(ports, wait) for wait in ports.table.waits() if _speaks_of(detail, wait))
    return {"resumed": resumed}


def _speaks_of(detail: dict[str, Any], wait: Wait) -> bool:
    """True when the detail of a status event names the subject of the wait."""
    if wait.kind == WaitKind.ENDPOINT:
        return bool(detail.get("EndpointName") == wait.subject.split("/", 1)[-1])
    if wait.kind == WaitKind.PIPELINE:
        return bool(detail.get("pipelineExecutionArn") == wait.subject)
    if wait.kind == WaitKind.TRAINING_JOB:
        return bool(detail.get("TrainingJobName") == wait.subject)
    if wait.kind == WaitKind.BAKE:
        plan = wait.data["plan"]
        return detail.get("alarmName") in plan["alarms"] or detail.get("EndpointName") == plan["endpoint"]
    return False


def check_wait(ports: Ports, wait: Wait) -> int:
    """Ask about the subject of a wait and resolve it when it is over. Returns 1 when it resolved it."""
    result = subject_result(ports, wait)
    return int(result is not None and resolve(ports, wait, result))
