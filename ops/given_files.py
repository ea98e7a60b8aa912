"""What a file is that somebody wrote for the loop, by its name and what it holds, and how the loop reads it without a stack.

``retraining validate`` and ``retraining try`` recognise alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ops.template import sources
from orchestration.domain.contracts import DRIFT_DETECTED, DRIFT_SOURCE, RETRAINING_REQUESTED
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.evaluation import METRIC_GROUPS
from orchestration.domain.json_values import json_document, json_object
from orchestration.domain.monitor_run import RunListing
from orchestration.domain.training_output import READ
from orchestration.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class FileKind(StrEnum):
    """What a file can be; the words of the commands."""

    POLICY = "policy"
    DRIFT_REPORT = "drift report"
    REQUEST = "retraining request"
    EVENT = "event"
    DECISION_FILE = "decision file"
    VIOLATIONS = "violations of a monitor"
    OUTPUT = "output of a training"
    EVALUATION = "evaluation report"


@dataclass(frozen=True, slots=True)
class Given:
    """A file that was recognised. ``document`` is the JSON object it holds, empty for a decision file."""

    kind: FileKind
    name: str
    body: bytes
    document: dict[str, Any]

    @property
    def read_as(self) -> str:
        """What it is, for people; of an event its detail-type too."""
        return f"event {self.document['detail-type']!r}" if self.kind is FileKind.EVENT else str(self.kind)


POLICY_ALONE: Final = frozenset(
    {"schema_version", "actions", "data_quality", "decision_file", "voters", "cooldown_hours", "budget", "breaker"}
    | {"training", "evaluation", "approval", "promotion"}
)
"""Keys that only a policy has, whatever sections it gets besides."""

OUTPUT_ALONE: Final = READ.keys() - {"image", "environment"}
"""Keys by which a training's output is known."""

MEASURED: Final = frozenset({"metric", "metrics", "observed", "threshold", "severity"})
"""Keys of a drift report that no request has."""


def recognised(name: str, body: bytes) -> Given | str:
    """What a file is, by its name and its bytes; or why nobody can tell, to follow its name. Pure."""
    if name.endswith(".csv"):
        return Given(FileKind.DECISION_FILE, name, body, {})
    document = json_document(body, nan=True)
    if _is_entry(document) or (isinstance(document, list) and document and all(map(_is_entry, document))):
        document = _event_of_entries(document if isinstance(document, list) else [document])
    if isinstance(document, list):
        return f"holds a list of {len(document)}; one JSON object is looked at: write each into a file of its own"
    return document if isinstance(document, str) else Given(_kind(document), name, body, document)


def _is_entry(value: Any) -> bool:
    """Whether it is what ``aws events put-events --entries`` sends."""
    return isinstance(value, dict) and {"DetailType", "Detail"} <= value.keys()


def _event_of_entries(entries: list[Any]) -> dict[str, Any] | str:
    """The event that EventBridge makes of an entry; or why none is looked at, to follow the file's name."""
    if len(entries) > 1:
        return f"holds {len(entries)} entries of put-events; one is looked at: write each into a file of its own"
    (entry,) = entries
    detail = json_object(entry["Detail"], nan=True) if isinstance(entry["Detail"], str) else "is no text"
    if isinstance(detail, str):
        return f"is an entry of put-events whose Detail {detail}: put-events takes a JSON object written as a text"
    return {"source": entry.get("Source"), "detail-type": entry["DetailType"], "detail": detail}


def _kind(document: Mapping[str, Any]) -> FileKind:
    keys = document.keys()
    if "detail-type" in keys:
        return FileKind.EVENT
    of_policy = POLICY_ALONE & keys
    if "schema_version" in of_policy and len(of_policy) > 1:
        return FileKind.POLICY
    if isinstance(document.get("violations"), list):
        return FileKind.VIOLATIONS
    if any(group in keys for group in METRIC_GROUPS):
        return FileKind.EVALUATION
    if OUTPUT_ALONE & keys:
        return FileKind.OUTPUT
    if of_policy and not MEASURED - {"severity"} & keys:
        return FileKind.POLICY
    measures = MEASURED & keys or any("drift" in key for key in keys)
    asks = "requested_by" in keys or "reason" in keys
    return FileKind.REQUEST if asks and not measures else FileKind.DRIFT_REPORT


def event_of(given: Given, now: datetime) -> dict[str, Any]:
    """The event that the loop would hear of a file: itself, or one with it as detail; ``{}`` has the decision file read."""
    if given.kind in {FileKind.EVENT, FileKind.DECISION_FILE}:
        return given.document
    detail_type = RETRAINING_REQUESTED if given.kind is FileKind.REQUEST else DRIFT_DETECTED
    return {
        "source": DRIFT_SOURCE,
        "detail-type": detail_type,
        "time": now.isoformat(),
        "id": TRIED,
        "detail": given.document,
    }


TRIED: Final = "try-out"
"""Name of the execution that an event would start, and of an event that a file has none of."""


@dataclass(frozen=True, slots=True)
class FileReader:
    """What an event refers to, as far as there is something without a stack: the documents that were given.

    ``model``: whose every endpoint is, since nobody can be asked.
    """

    model: str
    documents: Mapping[str, bytes]

    def describe_processing_job(self, name: str) -> dict[str, Any] | None:
        """Nobody asks SageMaker."""
        del name
        return None

    def monitor_run(self, schedule: str, endpoint: str | None, job_arn: str) -> RunListing:
        """Nobody asks SageMaker."""
        del schedule, endpoint, job_arn
        return RunListing()

    def pipeline_check(self, job_arn: str) -> None:
        """Nobody asks SageMaker."""
        del job_arn

    def read_document(self, uri: str) -> Document:
        """A document that was given."""
        body = self.documents.get(uri)
        return Document(uri, body, "try") if body is not None else Document(uri, unreadable=Unreadable.MISSING)

    def model_of_endpoint(self, endpoint: str) -> str | None:
        """Every endpoint is the model's."""
        del endpoint
        return self.model

    def model_of_schedule(self, schedule: str) -> str | None:
        """Every schedule is the model's."""
        del schedule
        return self.model

    def pending_signal(self, model: str) -> dict[str, Any] | None:
        """Nothing waits."""
        del model
        return None

    def kept_request(self, request_id: str) -> Any:
        """Nobody asked."""
        del request_id

    def silence(self, model: str) -> None:
        """Nobody listens."""
        del model


def default_settings() -> Settings:
    """What the function of a stack with an empty form is told; what the stack would make has its own name instead."""
    template = sources()
    given = template["Resources"]["OrchestrationFunction"]["Properties"]["Environment"]["Variables"]
    parameters = template["Parameters"]

    def value(name: str, source: Any) -> str:
        if isinstance(source, dict) and source.get("Ref") in parameters:
            return str(parameters[source["Ref"]].get("Default", ""))
        return "0" if name == "EVIDENCE_LOCK_DAYS" else name.lower().replace("_", "-")

    return Settings.from_env({name: value(name, source) for name, source in given.items()})
