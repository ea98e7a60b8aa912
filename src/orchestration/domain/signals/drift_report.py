"""Drift reports: our ``Drift Detected`` event, with a report in our own words or in those of a library.

What a library says is read by a module of its own, one of ``READERS``. A report stands in the event's detail, in its key
``report``, or, when it is too large for an event, in S3.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Severity, SignalKind, SignalSource
from orchestration.domain.json_values import json_document, mapping, model_name, s3_uri, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import FAILED_CHECKS, Dataset, Rejection, Signal, Threshold, Violation, identify
from orchestration.domain.signals import plain_report
from orchestration.domain.signals.finding import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.signals import SignalReader
    from orchestration.domain.signals.finding import Finding, Report
    from orchestration.settings import Settings


@functools.cache
def _readers() -> tuple[Callable[[Any], Report | None], ...]:
    """Each gives what a report says in one dialect, or None for what is none of its dialect.

    All are asked, since the sender chooses the shape: numbers that lie outside of it count as well.
    """
    from orchestration.domain.signals import (  # noqa: PLC0415 - no start but that of a drift report pays for them
        aws_sample,
        clarify,
        deequ,
        evidently,
        great_expectations,
        nannyml,
        whylogs,
    )

    libraries = (aws_sample, evidently, nannyml, whylogs, great_expectations, deequ, clarify, plain_report)
    return tuple(library.read for library in libraries)


def _is_of_the_sample(detail: dict[str, Any]) -> bool:
    from orchestration.domain.signals import aws_sample  # noqa: PLC0415 - as the readers

    return aws_sample.is_alert(detail)


REPORT_NAME: Final = "drift_report.json"
"""What a report in S3 is called. OrchestrationFunction may read files of this name in the account's buckets and no others."""

COMPLETED: Final = ("metric", "observed", "threshold", "comparison")
"""What an event may say of the numbers of its report."""

FAILED: Final = frozenset({"failed", "error"})
"""Statuses of a monitor that could not measure."""

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
    if model is None and endpoint is None and _is_of_the_sample(detail):
        # The alert of AWS's sample names neither; who sends it runs one model.
        model = model_name(settings.default_model)
    if model is None:
        return Rejection.of(
            Reason.NO_MODEL,
            "The drift report names no model. Send model, or an endpoint that a policy or the tag retraining:model claims.",
            *fact,
        )
    report_uri = s3_uri(detail.get("report_uri") or detail.get("report_s3_uri"))
    bodies = _bodies(detail)
    reports, failure = _reports(bodies), _failure(bodies)
    if failure is None and report_uri is not None and not any(finding.says for finding in _findings(reports)):
        kept = _kept_report(report_uri, reader)
        if not isinstance(kept, str):
            inside = _bodies(kept, detail)
            bodies, reports, failure = [detail, *inside], _reports(inside), _failure(inside)
        elif _severity(bodies) in {None, Severity.INFO}:
            return Rejection.of(Reason.NO_MEASUREMENT, kept, *fact, model=model)
    severity = _severity(bodies)
    if any(finding.drifts for finding in _findings(reports)):
        # What drifted is known whatever failed besides.
        failure = None
    left_out = _left_out(detail)
    refused = None if failure is not None else _refused(detail, reports, severity)
    if refused is not None:
        return Rejection.of(Reason.NO_MEASUREMENT, f"{refused}{left_out}", *fact, model=model)
    kind, threshold = _kind(reports, severity), _worst(reports)
    if kind is SignalKind.NO_DRIFT and (threshold.ratio or 0) < 1:
        # How bad it would be says nothing of what is not there.
        severity = None
    failed = tuple(violation for report in reports for violation in report.failed)
    violations = (*failed, *(violation for report in reports for violation in report.violations))
    dataset = mapping(detail.get("dataset"))
    if kind is SignalKind.DATA_QUALITY or threshold.metric == FAILED_CHECKS:
        summary = f"Checks of the data of {model}: {_counted(failed, kind)}"[:500]
    else:
        summary = _sentence(model, threshold, violations)
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
        severity=severity,
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
    shown = [f"{name} {quoted(value)}" for name, (value, read) in named.items() if value and not read(value)]
    return f" Left out, since it is no address in S3 or no name: {', '.join(shown)}." if shown else ""


def _bodies(body: Any, beside: dict[str, Any] | None = None) -> list[Any]:
    """A report and the one under its key ``report``, each completed by what stands ``beside`` it."""
    whole = body if beside is None else _completed(body, beside)
    inner = mapping(whole).get("report")
    return [whole] if inner is None else [whole, _completed(inner, mapping(whole))]


def _completed(body: Any, beside: dict[str, Any]) -> Any:
    """A report with what is said beside it of its numbers, unless that is of another metric."""
    if not isinstance(body, dict):
        return body
    metrics = [given["metric"] for given in (body, beside) if given.get("metric") is not None]
    if any(metric != metrics[0] for metric in metrics):
        return body
    return {**{name: beside[name] for name in COMPLETED if name in beside}, **body}


def _reports(bodies: list[Any]) -> list[Report]:
    """Reports in every dialect they have."""
    return [report for body in bodies for read in _readers() if (report := read(body)) is not None]


def _findings(reports: list[Report]) -> list[Finding]:
    return [finding for report in reports for finding in report.findings]


def _severity(bodies: list[Any]) -> Severity | None:
    """The worst that they give themselves."""
    given = [severity for body in bodies if (severity := plain_report.severity_of(mapping(body))) is not None]
    return max(given, key=lambda severity: severity.rank, default=None)


def _failure(bodies: list[Any]) -> str | None:
    """Why a monitor could not measure, in its words. A number is no reason: it is somebody's metric of that name."""
    for body in map(mapping, bodies):
        for error in (body.get("error"), body.get("errors")):
            if isinstance(error, str) and (reason := text(error, 300)) is not None:
                return reason
            # What has an algorithm is whylogs' score of a column of that name.
            if isinstance(error, (dict, list)) and error and "algorithm" not in error:
                return text(canonical(error), 300)
            if error is True:
                return "it does not say why."
        status = body.get("status")
        if isinstance(status, str) and status.lower() in FAILED:
            return f"its status is {status}."
    return None


def _kept_report(uri: str, reader: SignalReader) -> Any:
    """A report in S3, an object or an array; or a sentence why it cannot be read."""
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
    return f"The drift report at {text(uri, 200)} {parsed}." if isinstance(parsed, str) else parsed


def _refused(detail: dict[str, Any], reports: list[Report], severity: Severity | None) -> str | None:
    """Why nothing is made of these reports, as a sentence that says what to fix; None when something is."""
    measured = _worst(reports)
    numbers = (measured.observed, measured.threshold)
    said = severity is not None or any(finding.says for finding in _findings(reports))
    meant = _misspelt(detail, measured)
    if meant is not None:
        return f"The drift report has a key {text(meant[0], 80)!r} and none {meant[1]!r}: did you mean that? Correct it and send it again."
    unread = next((report.unread for report in reports if report.unread is not None), None)
    if said:
        return unread if _kind(reports, severity) is SignalKind.NO_DRIFT else None
    lacking = {(True, False): "no threshold", (False, True): "a threshold and no observed value"}
    has = lacking.get((numbers[0] is not None, numbers[1] is not None), "no numbers")
    return (
        unread
        or next((report.unjudged for report in reports if report.unjudged is not None), None)
        or f"The drift report has {has}: send metric, observed and threshold as JSON numbers, a severity, drift_detected, or "
        "error if nothing could be measured."
    )


def _worst(reports: list[Report]) -> Threshold:
    findings = _findings(reports)
    of_model = [finding for finding in findings if not finding.broken]
    if any(finding.drifts for finding in of_model):
        # What drifted is known beside data that are broken.
        findings = of_model
    numbered = [finding for finding in findings if finding.threshold.observed is not None]
    # Of those as bad as each other, one whose writer says that it drifted.
    worst = max(numbered or findings, key=lambda finding: (finding.badness, finding.drifted is True), default=None)
    return Threshold(None, None, None) if worst is None else worst.threshold


def _kind(reports: list[Report], severity: Severity | None) -> SignalKind:
    findings = [finding for finding in _findings(reports) if finding.says]
    if any(finding.broken and finding.drifted for finding in findings):
        return SignalKind.DATA_QUALITY
    if not findings:
        return SignalKind.NO_DRIFT if severity is Severity.INFO else SignalKind.DRIFT
    words = {finding.drifted for finding in findings}
    nothing = max(findings, key=lambda finding: finding.badness).nothing
    return SignalKind.DRIFT if True in words or not (False in words or nothing) else SignalKind.NO_DRIFT


def _sentence(model: str, threshold: Threshold, violations: tuple[Violation, ...]) -> str:
    names = list(dict.fromkeys(violation.feature for violation in violations))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    named = f" Past their thresholds: {', '.join(names[:NAMED])}{more}." if names else ""
    return f"Drift report on {model}: {_measured(threshold)}.{named}"


def _measured(threshold: Threshold) -> str:
    """What was measured, without a word of numbers that the report does not give."""
    observed, limit, metric = threshold.observed, threshold.threshold, threshold.metric
    if observed is None and limit is None:
        return f"it speaks of {metric} without numbers" if metric else "it gives no numbers"
    of = metric or "drift"
    if observed is None:
        return f"{of} has a threshold of {limit:g}, and no value is given"
    return f"{of} is {observed:g}" + (
        " and no threshold is given" if limit is None else f" against a threshold of {limit:g}"
    )


def _counted(failed: tuple[Violation, ...], kind: SignalKind) -> str:
    if not failed:
        return "failed, and the report names none of them." if kind is SignalKind.DATA_QUALITY else "none failed."
    first = failed[0]
    return f"{len(failed)} failed, first {first.check} of {first.feature}: {first.description.rstrip('.')}."


def _misspelt(detail: dict[str, Any], measured: Threshold) -> tuple[str, str] | None:
    """A key that somebody may have mistyped, with what it may have been; with half of its numbers a report would train."""
    missing = [name for name in ("observed", "threshold") if getattr(measured, name) is None]
    if not missing:
        return None
    import difflib  # noqa: PLC0415 - few reports lack a number

    for name in itertools.islice(detail, KEYS_READ):
        meant = difflib.get_close_matches(name.lower(), missing, cutoff=ALIKE)
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
