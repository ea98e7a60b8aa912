"""SageMaker Model Monitor. EventBridge has no drift event: a drifted run is a processing job that *Completed*.

So the event is only a hint. The job's description says which schedule it says it is a run of, SageMaker's list of that
schedule's runs whether it is one, its violations file what drifted. A run that is not listed is a signal all the same, an
unproven one with an id of its own: listed later, it is raised again by a sweep and decided as what it is. Merge jobs and baseline jobs use the same event and are ignored. A monitoring run that *Failed* is a signal of
its own: not knowing is not the same as no drift.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SignalKind, SignalSource
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.json_values import json_object, mapping, model_name, number, s3_uri, sequence, text
from orchestration.domain.monitor_run import RunClaim, RunListing, RunProof, prove_run
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Dataset, Ignored, Rejection, Signal, Threshold, Violation, identify

if TYPE_CHECKING:
    from orchestration.domain.signals import SignalReader
    from orchestration.settings import Settings

VIOLATION_FILES: Final = ("constraint_violations.json", "constraints_violations.json")
"""Both spellings stand in AWS's documentation; the containers write the first."""

DATA_QUALITY_CHECKS: Final = frozenset(
    {
        "data_type_check",
        "completeness_check",
        "missing_column_check",
        "extra_column_check",
        "categorical_values_check",
    }
)
"""``constraint_check_type`` values that speak of broken data rather than of drift.

Source: SageMaker developer guide, "Schema for Violations".
"""

ATTRIBUTION_CHECK: Final = "feature_attribution_drift_check"
"""Clarify's check of SHAP values. It compares rankings (nDCG), so a value *below* the threshold is drift, although its
description says "exceeds". Source: SageMaker developer guide, "Violations" of feature attribution drift."""

BIAS_CHECK: Final = "bias_drift_check"
"""Clarify's check of bias, of which a constraint may be negative."""

VIOLATIONS_LIMIT: Final = 10_000
"""Violations read. A data set of a thousand columns that all break every check has some thousands."""

# Possessive, and begun at the first digit of a number only: what was read is never read again.
_NUMBER: Final = r"([-+]?(?<![\d.])(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?)"
_EXCEEDS: Final = re.compile(rf"{_NUMBER}\s++exceeds threshold:?\s++'?{_NUMBER}", re.ASCII)
_COMPARED: Final = re.compile(
    rf"{_NUMBER}(?:\s++\+/-\s++\S++)?\s++(?:is|was)\s++(?:less|greater|lower|higher|above|below|over|under)"
    rf"(?:\s*+than)?(?:\s*+or\s*+equal\s*+to)?\s*+(?:the\s++)?(?:threshold|[A-Za-z_][\w.-]{{0,99}}+:)?:?\s*+'?{_NUMBER}",
    re.ASCII | re.IGNORECASE,
)
"""Both the words and the names of comparison operators: "Metric auc with 0.6 was LessThanThreshold 0.7"."""

_REQUIRED: Final = re.compile(rf"{_NUMBER}\s++doesn't meet the baseline constraint requirement\s++{_NUMBER}", re.ASCII)
"""What Clarify writes of bias."""

_LIMITED: Final = re.compile(rf"{_NUMBER}\s*+\(threshold:?\s*+{_NUMBER}", re.ASCII | re.IGNORECASE)
_SENTENCES: Final = (_EXCEEDS, _COMPARED, _REQUIRED, _LIMITED)

_LOWER: Final = re.compile(r"lessthan|lowerthan|below|under")


def from_event(
    event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str
) -> Signal | Rejection | Ignored:
    """Confirm a processing job with SageMaker and read what it found."""
    del settings
    detail = mapping(event.get("detail"))
    job_name = detail.get("ProcessingJobName")
    status = detail.get("ProcessingJobStatus")
    if not isinstance(job_name, str) or not re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", job_name):
        return Rejection.of(
            Reason.NO_JOB_NAME,
            "The processing job event names no legal ProcessingJobName, so the run cannot be confirmed with SageMaker.",
            text(event.get("id")) or run_id,
        )
    if status not in ("Completed", "Failed"):
        return Ignored(
            Reason.JOB_NOT_FINISHED, f"Processing job {job_name} is {text(status, 40)}; only finished runs count."
        )
    job = reader.describe_processing_job(job_name)
    if job is None:
        return Ignored(Reason.JOB_UNKNOWN, f"SageMaker knows no processing job {job_name}.")
    environment = mapping(job.get("Environment"))
    image = str(mapping(job.get("AppSpecification")).get("ImageUri") or "")
    schedule = environment.get("sagemaker_monitoring_schedule_name") or job.get("MonitoringScheduleArn")
    if image.rstrip("/").split(":")[0].endswith("sagemaker-model-monitor-groundtruth-merger"):
        return Ignored(Reason.MERGE_JOB, f"Processing job {job_name} merges ground truth; it checks nothing.")
    if not schedule:
        return Ignored(
            Reason.NOT_A_MONITOR_RUN,
            f"Processing job {job_name} belongs to no monitoring schedule (a baseline job, or somebody's own job).",
        )
    named = environment.get("sagemaker_endpoint_name")
    endpoint = model_name(named)
    model = reader.model_of_endpoint(endpoint) if endpoint else None
    if model is None:
        return Ignored(
            Reason.UNMANAGED_ENDPOINT,
            f"Endpoint {text(named, 63)} of processing job {job_name} is not in this loop. Add policies/{text(named, 63)}.json or tag "
            "the endpoint with retraining:model to bring it in.",
        )
    arn = text(job.get("ProcessingJobArn"), 300)
    claim = RunClaim(arn, _schedule_name(schedule), endpoint)
    proof = prove_run(claim, _listing(claim, reader))
    arn = arn or job_name
    dataset = Dataset(
        uri=_dataset_uri(job),
        window_start=text(environment.get("start_time"), 40),
        window_end=text(environment.get("end_time"), 40),
    )
    described_status = job.get("ProcessingJobStatus")
    observed_at = text(event.get("time"), 40) or ""
    if described_status == "Failed":
        reason = text(job.get("FailureReason") or job.get("ExitMessage")) or "no reason given"
        return Signal(
            signal_id=job_signal_ids(arn, proven=proof.proven_by is not None)[1],
            source=SignalSource.MODEL_MONITOR,
            kind=SignalKind.MONITOR_FAILURE,
            model=model,
            endpoint=endpoint,
            dataset=dataset,
            summary=_with_doubt(f"Monitoring run {job_name} of {endpoint} failed: {reason}", proof),
            observed_at=observed_at,
            proven_by=proof.proven_by,
        )
    return _from_report(
        job,
        reader,
        job_name=job_name,
        arn=arn,
        model=model,
        endpoint=endpoint,
        dataset=dataset,
        observed_at=observed_at,
        proof=proof,
    )


def _schedule_name(said: Any) -> str | None:
    """A schedule's name from its name or its ARN, None when it can be neither."""
    return model_name(said.rsplit(":monitoring-schedule/", 1)[-1]) if isinstance(said, str) else None


def _listing(claim: RunClaim, reader: SignalReader) -> RunListing:
    if claim.job_arn is None or claim.schedule is None or claim.endpoint is None:
        return RunListing()
    return reader.monitor_run(claim.schedule, claim.endpoint, claim.job_arn)


def _with_doubt(summary: str, proof: RunProof) -> str:
    return summary if proof.proven_by is not None else f"{summary} {proof.reason}"


def _from_report(
    job: dict[str, Any],
    reader: SignalReader,
    *,
    job_name: str,
    arn: str,
    model: str,
    endpoint: str | None,
    dataset: Dataset,
    observed_at: str,
    proof: RunProof,
) -> Signal | Rejection:
    signal_id = job_signal_ids(arn, proven=proof.proven_by is not None)[0]
    exit_message = text(job.get("ExitMessage")) or ""
    document = _report(job, reader)
    if document is None or document.unreadable is Unreadable.MISSING:
        if exit_message.startswith("CompletedWithViolations"):
            return Rejection.of(
                Reason.VIOLATIONS_UNREADABLE,
                f"Monitoring run {job_name} says {exit_message!r}, but its output holds no {VIOLATION_FILES[0]}. "
                "Look at the job's ProcessingOutputConfig and its logs.",
                signal_id,
                model=model,
            )
        return Signal(
            signal_id=signal_id,
            source=SignalSource.MODEL_MONITOR,
            kind=SignalKind.NO_DRIFT,
            model=model,
            endpoint=endpoint,
            dataset=dataset,
            summary=f"Monitoring run {job_name} of {endpoint} found no violations.",
            observed_at=observed_at,
            proven_by=proof.proven_by,
        )
    if document.body is None:
        return Rejection.of(
            Reason.VIOLATIONS_UNREADABLE,
            f"The violations of monitoring run {job_name} at {document.uri} cannot be read ({document.unreadable}). "
            "Allow the orchestration function's role s3:GetObject on the monitor's output.",
            signal_id,
            model=model,
        )
    violations = parse_violations(document.body)
    if isinstance(violations, str):
        return Rejection.of(
            Reason.VIOLATIONS_UNREADABLE,
            f"{document.uri} is not Model Monitor's JSON, a list 'violations' of objects with feature_name, "
            f"constraint_check_type and description: it {violations}.",
            signal_id,
            model=model,
        )
    broken = tuple(violation for violation in violations if violation.check in DATA_QUALITY_CHECKS)
    worst = worst_threshold(violations)
    kind = SignalKind.DATA_QUALITY if broken else SignalKind.DRIFT if violations else SignalKind.NO_DRIFT
    return Signal(
        signal_id=signal_id,
        source=SignalSource.MODEL_MONITOR,
        kind=kind,
        model=model,
        endpoint=endpoint,
        dataset=dataset,
        threshold=worst,
        violations=violations,
        report_uri=document.uri,
        summary=_with_doubt(_sentence(job_name, endpoint, violations, broken, worst), proof),
        observed_at=observed_at,
        proven_by=proof.proven_by,
    )


def _sentence(
    job_name: str,
    endpoint: str | None,
    violations: tuple[Violation, ...],
    broken: tuple[Violation, ...],
    worst: Threshold | None,
) -> str:
    start = f"Monitoring run {job_name} of {endpoint} found {len(violations)} violation(s)"
    if broken:
        return f"{start}, {len(broken)} of them broken data, first {broken[0].feature}: {broken[0].description}"[:500]
    if worst is not None and worst.observed is not None and worst.threshold is not None:
        return f"{start}, worst {worst.metric}: {worst.observed:g} against a threshold of {worst.threshold:g}."
    return f"{start}."


def job_signal_ids(job_arn: str, *, proven: bool = True) -> tuple[str, ...]:
    """Ids the signal of a monitoring run may have: that of its completion, and that of its failure.

    SageMaker names the job and the address holds the account, so no sender can take the name of another's run. What is not
    proven has ids of its own: it is in the way of no run that SageMaker lists, not even the same one listed later.
    """
    doubt = () if proven else ("unproven",)
    return tuple(identify("model-monitor", job_arn, status, *doubt) for status in ("Completed", "Failed"))


def parse_violations(body: bytes) -> tuple[Violation, ...] | str:
    """Violations of a report, or what is wrong with it. Malformed entries keep what they have."""
    parsed = json_object(body, nan=True)
    if isinstance(parsed, str):
        return parsed
    if not isinstance(parsed.get("violations"), list):
        return "has no list 'violations'"
    if len(parsed["violations"]) > VIOLATIONS_LIMIT:
        return f"holds {len(parsed['violations'])} violations; at most {VIOLATIONS_LIMIT} are read"
    return tuple(
        Violation(
            feature=_feature(entry),
            check=text(entry.get("constraint_check_type"), 100) or "(unnamed)",
            description=text(entry.get("description")) or "",
        )
        for entry in parsed["violations"]
        if isinstance(entry, dict)
    )


def _feature(entry: dict[str, Any]) -> str:
    """What a violation is of: a feature, or a metric, of bias with its facet."""
    metric, facet = text(entry.get("metric_name"), 200), text(entry.get("facet"), 100)
    about = f"{metric} ({facet})" if metric and facet else metric or facet
    return text(entry.get("feature_name"), 200) or about or "(unnamed)"


def worst_threshold(violations: tuple[Violation, ...]) -> Threshold | None:
    """The violation furthest past its threshold, read from the wording of the descriptions.

    The wording is no contract of AWS, so a description without numbers gives a threshold without numbers, which
    counts as a violation at its threshold and no more.
    """
    found = [threshold for violation in violations if (threshold := _threshold(violation)) is not None]
    measured = [threshold for threshold in found if threshold.ratio is not None]
    if measured:
        return max(measured, key=lambda threshold: threshold.ratio or 0.0)
    return found[0] if found else None


def _threshold(violation: Violation) -> Threshold | None:
    if violation.check in DATA_QUALITY_CHECKS:
        return None
    match = next((found for each in _SENTENCES if (found := each.search(violation.description))), None)
    if match is None:
        return Threshold(metric=violation.feature, observed=None, threshold=None)
    wording = re.sub(r"[\s_]", "", f"{violation.check} {match[0]}").lower()
    observed, limit = number(match[1]), number(match[2])
    # A bias is worse the further it is from 0, on its side.
    negative = violation.check == BIAS_CHECK and limit is not None and limit < 0
    lower = violation.check == ATTRIBUTION_CHECK or _LOWER.search(wording) is not None or negative
    return Threshold(metric=violation.feature, observed=observed, threshold=limit, lower_is_worse=lower)


def _report(job: dict[str, Any], reader: SignalReader) -> Document | None:
    """The violations document of the job: the first that is there, else the last reason why not; None without output."""
    last: Document | None = None
    for output in sequence(mapping(job.get("ProcessingOutputConfig")).get("Outputs")):
        folder = s3_uri(str(mapping(mapping(output).get("S3Output")).get("S3Uri") or "").rstrip("/") + "/")
        if folder is None:
            continue
        for name in VIOLATION_FILES:
            last = reader.read_document(folder + name)
            if last.unreadable is None:
                return last
            if last.unreadable is not Unreadable.MISSING:
                return last
    return last


def _dataset_uri(job: dict[str, Any]) -> str | None:
    """Where the checked data lies: the endpoint's capture, or the input that is no baseline."""
    for entry in sequence(job.get("ProcessingInputs")):
        item = mapping(entry)
        endpoint_uri = mapping(item.get("EndpointInput")).get("LocalPath")
        name = str(item.get("InputName") or "")
        uri = mapping(item.get("S3Input")).get("S3Uri")
        if endpoint_uri is None and (name.startswith("endpoint_input") or name in {"dataset", "input", "input_data"}):
            return s3_uri(uri)
    return None
