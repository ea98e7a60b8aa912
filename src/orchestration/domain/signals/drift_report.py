"""Drift reports: our ``Drift Detected`` event, with a report in our own words or in those of a library.

What a library says is read by a module of its own, one of ``READERS``. A report stands in the event's detail, in its key
``report``, or, when it is too large for an event, in S3.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import SignalKind, SignalSource
from orchestration.domain.json_values import json_document, mapping, model_name, s3_uri, text
from orchestration.domain.metrics import drift_measure
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import FAILED_CHECKS, Dataset, Rejection, Signal, Threshold, Violation, identify
from orchestration.domain.signals import aws_sample, plain_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.signals import SignalReader
    from orchestration.domain.signals.finding import Report
    from orchestration.settings import Settings


@functools.cache
def _readers() -> tuple[Callable[[Any], Report | None], ...]:
    """Each gives what a report says in one dialect, or None for what is none of its dialect.

    All are asked, since the sender chooses the shape: numbers that lie outside of it count as well.
    """
    from orchestration.domain.signals import (  # noqa: PLC0415 - no start but that of a drift report pays for them
        clarify,
        deequ,
        evidently,
        great_expectations,
        nannyml,
        whylogs,
    )

    libraries = (aws_sample, evidently, nannyml, whylogs, great_expectations, deequ, clarify, plain_report)
    return tuple(library.read for library in libraries)


REPORT_NAME: Final = "drift_report.json"
"""What a report in S3 is called. OrchestrationFunction may read files of this name in the account's buckets and no others."""

KEYS_READ: Final = 100
ALIKE: Final = 0.8
"""Keys of a report that are looked through for a mistyped one, and how like they have to be, by difflib's ratio."""

NAMED: Final = 5
"""Columns and checks that a sentence names."""


def from_event(event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str) -> Signal | Rejection:
    """Normalise the ``detail`` of a ``Drift Detected`` event, whichever of the dialects its report has."""
    detail = event.get("detail")
    key = (text(event.get("account"), 20), _key(event, run_id))
    fact = (SignalSource.DRIFT_REPORT, *key, canonical(detail))
    if not isinstance(detail, dict):
        return Rejection.of(
            Reason.NO_DETAIL,
            "The event's detail is not a JSON object; send {model, metric, observed, threshold}.",
            *fact,
        )
    endpoint = model_name(detail.get("endpoint") or detail.get("endpoint_name"))
    raw_model = detail.get("model") if "model" in detail else detail.get("model_name")
    model = model_name(raw_model)
    if raw_model is not None and model is None:
        return Rejection.of(
            Reason.BAD_MODEL_NAME,
            f"The model name {text(raw_model, 80)!r} is not legal: 1 to 63 letters, digits and inner hyphens. "
            "Send the name of a policy file without its .json.",
            *fact,
        )
    if model is None and endpoint:
        model = reader.model_of_endpoint(endpoint)
    if model is None and endpoint is None and aws_sample.is_alert(detail):
        # The alert of AWS's sample names neither; who sends it runs one model.
        model = model_name(settings.default_model)
    if model is None:
        return Rejection.of(
            Reason.NO_MODEL,
            "The drift report names no model. Send model, or an endpoint that a policy or the tag retraining:model claims.",
            *fact,
        )
    report_uri = s3_uri(detail.get("report_uri") or detail.get("report_s3_uri"))
    reports = [*_reports(detail), *_reports(detail.get("report"))]
    failure = _failure(detail, reports)
    if failure is None and report_uri is not None and not any(report.tells for report in reports):
        kept = _kept_report(report_uri, reader)
        if isinstance(kept, str):
            return Rejection.of(Reason.NO_MEASUREMENT, kept, *fact, model=model)
        reports = kept
    left_out = _left_out(detail)
    refused = None if failure is not None else _refused(detail, reports)
    if refused is not None:
        return Rejection.of(Reason.NO_MEASUREMENT, f"{refused}{left_out}", *fact, model=model)
    kind, threshold = _kind(reports), _worst(reports)
    violations = tuple(violation for report in reports for violation in report.violations)
    dataset = mapping(detail.get("dataset"))
    summary = _sentence(model, kind, threshold, violations)
    if failure is not None:
        kind, summary = SignalKind.MONITOR_FAILURE, f"The monitor of {model} failed: {failure}"
    return Signal(
        signal_id="",
        source=SignalSource.DRIFT_REPORT,
        kind=kind,
        model=model,
        endpoint=endpoint,
        dataset=Dataset(
            uri=s3_uri(dataset.get("uri")),
            window_start=text(dataset.get("window_start"), 40),
            window_end=text(dataset.get("window_end"), 40),
        )
        if dataset
        else None,
        threshold=threshold,
        severity=plain_report.severity_of(detail),
        violations=violations,
        report_uri=report_uri,
        summary=f"{summary}{left_out}",
        observed_at=text(event.get("time"), 40) or "",
        context=text(detail.get("message") or detail.get("description"), 300) or "",
        content=None if _named_by_sender(detail) else identify(key[0], canonical(detail)),
    ).named(*key)


def _left_out(detail: dict[str, Any]) -> str:
    """What is named and cannot be taken, as a sentence: nobody else would say why a record does not have it."""
    named = {
        "dataset.uri": (mapping(detail.get("dataset")).get("uri"), s3_uri),
        "report_uri": (detail.get("report_uri") or detail.get("report_s3_uri"), s3_uri),
        "endpoint": (detail.get("endpoint") or detail.get("endpoint_name"), model_name),
    }
    shown = [
        f"{name} {text(value, 80) or str(value)[:80]!r}"
        for name, (value, read) in named.items()
        if value and not read(value)
    ]
    return f" Left out, since it is no address in S3 or no name: {', '.join(shown)}." if shown else ""


def _failure(detail: dict[str, Any], reports: list[Report]) -> str | None:
    """Why a monitor could not measure, in its words. A number is no reason: it is somebody's metric of that name."""
    error = detail.get("error")
    drifted = any(finding.drifted for report in reports for finding in report.findings)
    return text(error, 300) if isinstance(error, str) and _worst(reports).observed is None and not drifted else None


def _reports(body: Any) -> list[Report]:
    """A report in every dialect it has."""
    return [report for read in _readers() if (report := read(body)) is not None]


def _kept_report(uri: str, reader: SignalReader) -> list[Report] | str:
    """What a report in S3 says, or a sentence why it cannot be read."""
    if not uri.endswith(f"/{REPORT_NAME}"):
        return (
            f"The drift report has no numbers, and {text(uri, 200)} is not read: only files named {REPORT_NAME} are. "
            "Name it so, or send metric, observed and threshold."
        )
    document = reader.read_document(uri)
    if document.body is None:
        return (
            f"The drift report at {text(uri, 200)} cannot be read ({document.unreadable}). "
            "Write it before the event is sent, into a bucket of the stack's account."
        )
    parsed = json_document(document.body, nan=True)
    return f"The drift report at {text(uri, 200)} {parsed}." if isinstance(parsed, str) else _reports(parsed)


def _refused(detail: dict[str, Any], reports: list[Report]) -> str | None:
    """Why nothing is made of these reports, as a sentence that says what to fix; None when something is."""
    measured = _worst(reports)
    told = any(finding.told for report in reports for finding in report.findings)
    unread = [report for report in reports if report.unread is not None]
    if measured.observed is None and measured.threshold is None and not told:
        return next((report.unread for report in unread), None) or (
            "The drift report has no numbers: send metric, observed and threshold as JSON numbers, a severity, drift_detected, or "
            "error if nothing could be measured."
        )
    meant = _misspelt(detail, measured)
    if meant is not None:
        return f"The drift report has a key {text(meant[0], 80)!r} and none {meant[1]!r}: did you mean that? Correct it and send it again."
    partly = (report.unread for report in unread if report.tells)
    return next(partly, None) if _kind(reports) is SignalKind.NO_DRIFT else None


def _worst(reports: list[Report]) -> Threshold:
    findings = [finding for report in reports for finding in report.findings]
    numbered = [finding for finding in findings if finding.threshold.observed is not None]
    # Of those as bad as each other, one whose writer says that it drifted.
    worst = max(numbered or findings, key=lambda finding: (finding.badness, finding.drifted is True), default=None)
    return Threshold(None, None, None) if worst is None else worst.threshold


def _kind(reports: list[Report]) -> SignalKind:
    findings = [finding for report in reports for finding in report.findings]
    if any(finding.broken and finding.drifted for finding in findings):
        return SignalKind.DATA_QUALITY
    words = {finding.drifted for finding in findings}
    drifted = True in words or not (False in words or _nothing(_worst(reports)))
    return SignalKind.DRIFT if drifted else SignalKind.NO_DRIFT


def _nothing(threshold: Threshold) -> bool:
    """True for a distance or a share of 0, with no threshold to hold it against."""
    measure = drift_measure(threshold.metric or "")
    none = (threshold.observed, threshold.threshold) == (0, None)
    return none and measure is not None and not measure.lower


def _sentence(model: str, kind: SignalKind, threshold: Threshold, violations: tuple[Violation, ...]) -> str:
    if kind is SignalKind.DATA_QUALITY or threshold.metric == FAILED_CHECKS:
        return f"Checks of the data of {model}: {_counted(violations)}"[:500]
    names = list(dict.fromkeys(violation.feature for violation in violations))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    named = f" Past their thresholds: {', '.join(names[:NAMED])}{more}." if names else ""
    shown = "unknown" if threshold.observed is None else f"{threshold.observed:g}"
    limit = "an unknown threshold" if threshold.threshold is None else f"a threshold of {threshold.threshold:g}"
    return f"Drift report on {model}: {threshold.metric or 'drift'} is {shown} against {limit}.{named}"


def _counted(failed: tuple[Violation, ...]) -> str:
    if not failed:
        return "none failed."
    first = failed[0]
    return f"{len(failed)} failed, first {first.check} of {first.feature}: {first.description.rstrip('.')}."


def _misspelt(detail: dict[str, Any], measured: Threshold) -> tuple[str, str] | None:
    """A key that somebody may have mistyped, with what it may have been; with half of its numbers a report would train."""
    missing = [name for name in ("observed", "threshold") if getattr(measured, name) is None]
    if not missing:
        return None
    import difflib  # noqa: PLC0415 - few reports lack a number

    for name in itertools.islice(detail, KEYS_READ):
        meant = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=ALIKE)
        if meant and name not in missing:
            return name, meant[0]
    return None


def _key(event: dict[str, Any], run_id: str) -> str:
    """What makes two deliveries the same fact: the sender's key, else window or report, else the event's id."""
    return _named_by_sender(mapping(event.get("detail"))) or text(event.get("id"), 100) or run_id


def _named_by_sender(detail: dict[str, Any]) -> str | None:
    """What of a detail says which fact it is of, or None. AWS's sample names each of its runs: ``monitoring_run_id``."""
    dedupe_key = text(detail.get("dedupe_key") or detail.get("monitoring_run_id"), 200)
    whole = mapping(detail.get("dataset")).get("window_end") or detail.get("report_uri")
    return dedupe_key or (canonical(detail) if whole else None)
