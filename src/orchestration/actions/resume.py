"""Resume: an event tells what a parked run may wait for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import (
    ALARM_STATE_CHANGE,
    ENDPOINT_STATE_CHANGE,
    EXECUTION_STATUS_CHANGE,
    PIPELINE_STATE_CHANGE,
    TRAINING_JOB_STATE_CHANGE,
)
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import mapping, text
from orchestration.steps.looking import look_after

if TYPE_CHECKING:
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

SUBJECTS: Final = {
    ENDPOINT_STATE_CHANGE: ("endpoint", "EndpointName"),
    PIPELINE_STATE_CHANGE: ("job", "pipelineExecutionDisplayName"),
    TRAINING_JOB_STATE_CHANGE: ("job", "TrainingJobName"),
    EXECUTION_STATUS_CHANGE: ("job", "name"),
    ALARM_STATE_CHANGE: ("alarm", "alarmName"),
}
"""Kinds of events that may be about what a run waits for: kind of the name, and the field of the detail that has it."""


def resume(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Wake what the request is about. Idempotent: the first result of a wait stays.

    Args:
        request: an EventBridge event of a SageMaker endpoint, pipeline execution or training job, of an execution or an
            alarm.
        ports: the outside.

    Returns:
        ``{"resumed": count}``.

    Raises:
        InvalidRequestError: the request is none of these.
    """
    detail_type = request.get("detail-type")
    if not isinstance(detail_type, str) or detail_type not in SUBJECTS:
        raise InvalidRequestError("A resume request is a status event.")
    kind, field = SUBJECTS[detail_type]
    name = text(mapping(request.get("detail")).get(field), 256)
    return {"resumed": wake_subject(ports, f"{kind}:{name}") if name else 0}


def wake_subject(ports: Ports, name: str) -> int:
    """Look after the waits for what an event names; the description decides, since events repeat and come out of order."""
    woken = 0
    for identity in ports.table.waiting_for(name):
        wait = ports.table.wait_by_id(identity)
        if wait is not None and not wait.resolved:
            woken += look_after(ports, wait)
    return woken
