"""The report of a run that is over: once for programs, once for people.

It is made of the run's records and of the prices in the package, so whoever makes it again with the same version of the
report, after a death or years later, makes the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Status
from orchestration.domain.documents import Unreadable
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.json_values import json_object, mapping, number, sequence, text
from orchestration.domain.records import evidence_key, report_key
from orchestration.domain.votes import Answer
from orchestration.steps.evidence import write_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.prices import Prices
    from orchestration.domain.run_report import RunRecords
    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.wait import Wait
    from orchestration.ports import ApprovalPorts

CONTENT_TYPES: Final = {"json": "application/json", "html": "text/html; charset=utf-8"}


def report_uri(ports: ApprovalPorts, model: str, run_id: str) -> str:
    """Where the page of a run's report lies."""
    return ports.bucket.uri(report_key(model, run_id, "html"))


def write_report(ports: ApprovalPorts, run: StoredRun) -> str:
    """Write the report of a run that has its outcome; gives the page's URI. Idempotent.

    Raises:
        OrchestrationError: a record of the run is committed and not in the bucket yet, and its own due item writes it; or it
            is there and cannot be read: what is written once says of no record that it is not there, when it is.
    """
    from orchestration.domain.run_report import first_vote  # noqa: PLC0415

    def read(key: str) -> bytes | None:
        document = ports.bucket.read(ports.bucket.uri(key))
        if document.unreadable not in {None, Unreadable.MISSING}:
            raise OrchestrationError(
                f"The report of run {run.run_id} waits: {document.uri} cannot be read ({document.unreadable}). Give the "
                "OrchestrationFunction's role its right on it back; the next sweep writes the report then."
            )
        return document.body

    outcome = mapping(json_object(read(evidence_key(run.model, run.run_id, "outcome")) or b""))
    end = number(mapping(outcome.get("chain")).get("sequence")) or 0
    first_votes = []
    for wait in ports.table.waits_of_run(run.run_id):
        if wait.record is not None and wait.record < end:
            write_record(ports, run.model, wait.record, wait.seal)
        elif _half_approved(wait):
            first_votes.append(first_vote(wait.subject))
    records = read_records(read, ports.bucket.name, run.model, run.run_id)
    statuses = {mapping(row).get("status") for row in sequence(outcome.get("statuses"))}
    lacking = [
        name for name in ("manifest", "decision") if not records.get(name) and ports.table.decision_of(run.run_id)
    ]
    if Status.CANDIDATE_EVALUATED in statuses and not records.get("evaluation"):
        lacking.append("evaluation")
    lacking += [name for name in first_votes if not records.found.get(name)]
    if lacking:
        raise OrchestrationError(
            f"The report of run {run.run_id} waits for its records {', '.join(lacking)}, which are not in the bucket yet. The next "
            "sweep writes them; if it cannot, its own error says why, and the audit what is wrong with them."
        )
    for suffix, body in pages(records).items():
        ports.bucket.write_once(report_key(run.model, run.run_id, suffix), body, CONTENT_TYPES[suffix])
    return report_uri(ports, run.model, run.run_id)


def _half_approved(wait: Wait) -> bool:
    """Whether the first of two approvals of something came, and left a record of its own."""
    votes = [mapping(vote) for vote in sequence(wait.data.get("votes"))]
    return wait.approvals_needed > 1 and bool(votes) and votes[0].get("answer") == Answer.APPROVED


def pages(records: RunRecords, prices: Prices | None = None) -> dict[str, bytes]:
    """The report's bytes by suffix, the page last: where it is, the report is whole; by the package's prices, or by others."""
    # Only a run's end needs them, and a start would pay for them.
    from orchestration.domain.prices import packaged_prices  # noqa: PLC0415
    from orchestration.domain.report_page import report_page  # noqa: PLC0415
    from orchestration.domain.run_report import run_report  # noqa: PLC0415

    report = run_report(records, prices or packaged_prices())
    return {"json": canonical(report.as_record()).encode(), "html": report_page(report).encode()}


def of_this_version(suffix: str, body: bytes) -> bool:
    """Whether a report was made by code that makes the same of the same records."""
    from orchestration.domain.report_page import GENERATOR  # noqa: PLC0415
    from orchestration.domain.run_report import REPORT_VERSION  # noqa: PLC0415

    if suffix == "html":
        return GENERATOR.encode() in body
    return mapping(json_object(body)).get("schema_version") == REPORT_VERSION


def read_records(read: Callable[[str], bytes | None], bucket: str, model: str, run_id: str) -> RunRecords:
    """The records of a run; ``read`` gives what lies at a key.

    ``bucket`` is where they lie. The report links to the bucket that the manifest names: one that was replicated and came under
    another stack holds reports of before, and an audit makes them again.
    """
    from orchestration.domain.run_report import RunRecords, decision_key_of, record_keys  # noqa: PLC0415

    found = {name: mapping(json_object(read(key) or b"")) for name, key in record_keys(model, run_id).items()}
    key = decision_key_of(found["manifest"])
    decision = mapping(json_object(read(key) or b"")) if key else {}
    written = text(mapping(mapping(found["manifest"].get("training")).get("input")).get("manifest_uri"), 200)
    named = written.removeprefix("s3://").partition("/")[0] if written and written.startswith("s3://") else ""
    return RunRecords(model, run_id, named or bucket, {**found, "decision": decision})
