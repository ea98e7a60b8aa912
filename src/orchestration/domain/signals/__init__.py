"""Adapters from events to signals, one module for each kind of sender.

An event is recognised by its shape, never by trust: every value taken from it is checked where it is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import (
    ALARM_STATE_CHANGE,
    DRIFT_DETECTED,
    DRIFT_SOURCE,
    MONITOR_SILENT,
    OBJECT_CREATED,
    PENDING_SIGNAL_DUE,
    PROCESSING_JOB_STATE_CHANGE,
    RETRAINING_REQUESTED,
    RETRAINING_SOURCE,
    SCHEDULED_EVENT,
)
from orchestration.domain.json_values import ascii_lower, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Ignored, Rejection, Signal
from orchestration.domain.signals import (
    alarm,
    decision_file,
    drift_report,
    manual_request,
    model_monitor,
    pending,
    silence,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.documents import Document
    from orchestration.domain.kept_request import KeptRequest
    from orchestration.domain.monitor_run import PipelineCheck, RunListing
    from orchestration.domain.silence import Silence
    from orchestration.settings import Settings

EVENT_BYTES_LIMIT: Final = 200_000
"""Largest event taken. EventBridge and Step Functions stop at 256 KiB; a signal is a few hundred bytes, and what
explains it belongs in S3."""


class SignalReader(Protocol):
    """What adapters may look up while they confirm a signal."""

    def describe_processing_job(self, name: str) -> dict[str, Any] | None:
        """SageMaker's description of the job, or None when there is no such job."""

    def monitor_run(self, schedule: str, endpoint: str | None, job_arn: str) -> RunListing:
        """What SageMaker lists of a job that says this schedule ran it, on this endpoint or on batch transforms."""

    def pipeline_check(self, job_arn: str) -> PipelineCheck | None:
        """The pipeline that a job says it is a step of, or None when it says none."""

    def read_document(self, uri: str) -> Document:
        """The object behind an S3 URI, or the reason why it cannot be read."""

    def model_of_endpoint(self, endpoint: str) -> str | None:
        """The model an endpoint serves, or None when no policy and no tag claims it."""

    def model_of_schedule(self, schedule: str) -> str | None:
        """The model that a monitoring schedule's tag names, or None."""

    def pending_signal(self, model: str) -> dict[str, Any] | None:
        """The coalesced signal that waits in the model's state, or None."""

    def kept_request(self, request_id: str) -> KeptRequest | None:
        """A request that an operator made, or None."""

    def silence(self, model: str) -> Silence | None:
        """The silence of the model's monitor that is longer than its policy says, or None."""


def read_signal(event: Any, *, reader: SignalReader, settings: Settings, run_id: str) -> Signal | Rejection | Ignored:
    """Normalise one event.

    Args:
        event: the execution's input as it came; anything JSON can hold.
        reader: looks up what the event only refers to.
        settings: the stack's defaults.
        run_id: the execution's name; identifies a signal that a person raised by starting an execution with ``{}``.

    Returns:
        A signal; or an event ignored with its reason; or a rejection that says what to fix. Never raises on content.
    """
    if not isinstance(event, dict):
        return Rejection.of(
            Reason.NOT_AN_OBJECT,
            f"The input is a JSON {_json_type(event)}, not an object. Send an EventBridge event or {{}}.",
            run_id,
        )
    size = len(canonical(event).encode())
    if size > EVENT_BYTES_LIMIT:
        return Rejection.of(
            Reason.EVENT_TOO_LARGE,
            f"The event has {size} bytes; at most {EVENT_BYTES_LIMIT} are taken. "
            f"Put the report into S3 as {drift_report.REPORT_NAME} and send its address as report_uri.",
            text(event.get("id")) or run_id,
        )
    adapter = _adapter_for(event)
    if adapter is None:
        source, detail_type = text(event.get("source"), 100), text(event.get("detail-type"), 100)
        return Rejection.of(
            Reason.UNKNOWN_EVENT,
            f"Nothing here understands an event from source {source!r} with detail-type {detail_type!r}. "
            f"Send source {DRIFT_SOURCE!r} with detail-type {DRIFT_DETECTED!r} or {RETRAINING_REQUESTED!r}.",
            text(event.get("id")) or run_id,
        )
    return adapter(event, reader, settings, run_id)


DETAIL_TYPES: Final = {ascii_lower(name): name for name in (DRIFT_DETECTED, RETRAINING_REQUESTED)}
"""What people send themselves, whichever letters are capitals."""


def _adapter_for(
    event: dict[str, Any],
) -> Callable[[dict[str, Any], SignalReader, Settings, str], Signal | Rejection | Ignored] | None:
    if event.keys() <= {"comment", "Comment"}:
        # A person's start: nothing, or what inputs of the workflow this one grew from hold.
        return decision_file.from_start
    source, detail_type = event.get("source"), event.get("detail-type")
    if isinstance(detail_type, str):
        detail_type = DETAIL_TYPES.get(ascii_lower(detail_type), detail_type)
    return (
        {
            ("aws.sagemaker", PROCESSING_JOB_STATE_CHANGE): model_monitor.from_event,
            ("aws.cloudwatch", ALARM_STATE_CHANGE): alarm.from_event,
            ("aws.s3", OBJECT_CREATED): decision_file.from_object_created,
            ("aws.events", SCHEDULED_EVENT): decision_file.from_schedule,
            (DRIFT_SOURCE, DRIFT_DETECTED): drift_report.from_event,
            (DRIFT_SOURCE, RETRAINING_REQUESTED): manual_request.from_event,
            (RETRAINING_SOURCE, PENDING_SIGNAL_DUE): pending.from_event,
            (RETRAINING_SOURCE, MONITOR_SILENT): silence.from_event,
            (RETRAINING_SOURCE, RETRAINING_REQUESTED): manual_request.from_kept_request,
        }.get((source, detail_type))
        if isinstance(source, str) and isinstance(detail_type, str)
        else None
    )


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array"
