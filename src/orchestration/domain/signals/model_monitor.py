"""SageMaker Model Monitor. EventBridge has no drift event: a drifted run is a processing job that *Completed*.

So the event is only a hint. The job's description says which schedule it says it is a run of, or its tag which pipeline it is a
check of; SageMaker's list of that schedule's runs or that pipeline's steps says whether it is one, its violations file what
drifted. A run that is not listed is a signal all the same, an unproven one with an id of its own: a schedule's run that is listed
later is raised again by a sweep and decided as what it is. Merge jobs and baseline jobs use the same event and are ignored. A run that
*Failed* or was *Stopped*, and one that completed without saying what it found, is a signal of its own: not knowing is not
the same as no drift.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SignalKind, SignalSource
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.failures import ended
from orchestration.domain.json_values import json_object, mapping, model_name, number, s3_uri, sequence, text
from orchestration.domain.monitor_run import RunClaim, RunListing, RunProof, prove_check, prove_run
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import DataCheck, Dataset, Ignored, Rejection, Signal, Threshold, Violation, identify

if TYPE_CHECKING:
    from orchestration.domain.signals import SignalReader
    from orchestration.settings import Settings

MERGER: Final = "sagemaker-model-monitor-groundtruth-merger"
CHECKERS: Final = frozenset({"sagemaker-model-monitor-analyzer", "sagemaker-clarify-processing"})
"""Repositories of the images that the check steps of a pipeline run. Source: SageMaker developer guide, "Prebuilt Docker images"
of Model Monitor and of Clarify; the SageMaker SDK lets nobody choose another for these steps."""

COMPLETED: Final = "Completed"
ENDED_WITHOUT: Final = frozenset({"Failed", "Stopped"})
"""Ends of a processing job that nothing was found by."""

FOUND_NONE: Final = re.compile(r"Completed\.?(?:\s*+:.*+)?+", re.DOTALL)
FOUND_SOME: Final = "CompletedWithViolations"
"""Words that the exit message of a run begins with. Source: SageMaker developer guide, "Interpret results" of Model Monitor."""

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

DATA_INPUTS: Final = frozenset({"dataset", "input", "input_data", "baseline_dataset_input"})
"""Names of the input with the data that is checked; the last is that of a pipeline's QualityCheck step. Source: the SageMaker SDK."""

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


_SHARE: Final = re.compile(r"\bobserved\b[^%\d]{0,60}+(\d++(?:\.\d*+)?+)\s*+%", re.ASCII | re.IGNORECASE)
"""Share of the data that is as it should be: "Observed: Only 99.6% of data is Integral." """


@dataclass(frozen=True, slots=True)
class _Monitored:
    """Whose monitor a job is. ``about`` is what it checked, for sentences."""

    model: str
    endpoint: str | None
    about: str
    proof: RunProof


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that ended, as SageMaker describes it."""

    job: dict[str, Any]
    name: str
    known_as: str
    observed_at: str
    of: _Monitored

    @property
    def proven(self) -> bool:
        return self.of.proof.proven_by is not None

    def said(self, what: str) -> str:
        """A sentence on the run, without a doubt that it was one."""
        return f"Monitoring run {self.name} of {self.of.about} {what}"

    def signal(self, kind: SignalKind, summary: str, *, ended: str = COMPLETED, **found: Any) -> Signal:
        """What the run says of its model."""
        environment = mapping(self.job.get("Environment"))
        doubt = "" if self.proven else f" {self.of.proof.reason}"
        return Signal(
            signal_id=_signal_id(self.known_as, ended, proven=self.proven),
            source=SignalSource.MODEL_MONITOR,
            kind=kind,
            model=self.of.model,
            endpoint=self.of.endpoint,
            dataset=Dataset(
                uri=_dataset_uri(self.job),
                window_start=text(environment.get("start_time"), 40),
                window_end=text(environment.get("end_time"), 40),
            ),
            summary=f"{summary}{doubt}",
            observed_at=self.observed_at,
            proven_by=self.of.proof.proven_by,
            **found,
        )

    def unreadable(self, sentence: str) -> Rejection:
        """That nobody can tell what the run found."""
        found = _signal_id(self.known_as, COMPLETED, proven=self.proven)
        return Rejection.of(
            Reason.VIOLATIONS_UNREADABLE, sentence, found, model=self.of.model, unproven=not self.proven
        )


def from_event(
    event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str
) -> Signal | Rejection | Ignored:
    """Confirm a processing job with SageMaker and read what it found."""
    del settings
    detail = mapping(event.get("detail"))
    job_name = detail.get("ProcessingJobName")
    if not isinstance(job_name, str) or not re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", job_name):
        return Rejection.of(
            Reason.NO_JOB_NAME,
            "The processing job event names no legal ProcessingJobName, so the run cannot be confirmed with SageMaker.",
            text(event.get("id")) or run_id,
        )
    told = _unfinished(job_name, detail.get("ProcessingJobStatus"))
    if told is not None:
        return told
    job = reader.describe_processing_job(job_name)
    if job is None:
        return Ignored(Reason.JOB_UNKNOWN, f"SageMaker knows no processing job {job_name}.")
    described = _unfinished(job_name, job.get("ProcessingJobStatus"))
    if described is not None:
        return described
    whose = _monitored(job, job_name, reader)
    if isinstance(whose, Ignored):
        return whose
    observed_at = text(event.get("time"), 40) or ""
    run = _Run(job, job_name, text(job.get("ProcessingJobArn"), 300) or job_name, observed_at, whose)
    ended = str(job["ProcessingJobStatus"])
    if ended in ENDED_WITHOUT:
        reason = text(job.get("FailureReason") or job.get("ExitMessage")) or "no reason given"
        # Stopped and failed are one fact: nothing was found out.
        return run.signal(SignalKind.MONITOR_FAILURE, run.said(f"{_ENDED[ended]}: {reason}"), ended="Failed")
    return _from_report(run, reader)


_ENDED: Final = {"Failed": "failed", "Stopped": "was stopped"}


def _unfinished(job_name: str, status: Any) -> Ignored | None:
    if isinstance(status, str) and (status == COMPLETED or status in ENDED_WITHOUT):
        return None
    return Ignored(
        Reason.JOB_NOT_FINISHED, f"Processing job {job_name} is {text(status, 40)}; only finished runs count."
    )


def _monitored(job: dict[str, Any], job_name: str, reader: SignalReader) -> _Monitored | Ignored:
    """Whose monitor a job is, and whether SageMaker confirms it."""
    environment = mapping(job.get("Environment"))
    image = str(mapping(job.get("AppSpecification")).get("ImageUri") or "")
    repository = re.split("[:@]", image.rstrip("/").rpartition("/")[2])[0]
    if repository == MERGER:
        return Ignored(Reason.MERGE_JOB, f"Processing job {job_name} merges ground truth; it checks nothing.")
    arn = text(job.get("ProcessingJobArn"), 300)
    said = environment.get("sagemaker_monitoring_schedule_name") or job.get("MonitoringScheduleArn")
    if not said:
        return _checked(job_name, arn if repository in CHECKERS else None, reader)
    schedule, named = _schedule_name(said), environment.get("sagemaker_endpoint_name") or None
    endpoint = model_name(named)
    if named is None:
        model = reader.model_of_schedule(schedule) if schedule else None
    else:
        model = reader.model_of_endpoint(endpoint) if endpoint else None
    if model is None and named is None:
        return Ignored(
            Reason.UNMANAGED_MONITOR,
            f"Monitoring schedule {text(schedule, 63)} of processing job {job_name} names no endpoint and has no tag retraining:model, so "
            "it is of no model in this loop. Tag the schedule to bring it in.",
        )
    if model is None:
        return Ignored(
            Reason.UNMANAGED_ENDPOINT,
            f"Endpoint {text(named, 63)} of processing job {job_name} is not in this loop. Add policies/{text(named, 63)}.json or tag "
            "the endpoint with retraining:model to bring it in.",
        )
    claim = RunClaim(arn, schedule, endpoint)
    return _Monitored(model, endpoint, endpoint or f"schedule {schedule}", prove_run(claim, _listing(claim, reader)))


def _checked(job_name: str, job_arn: str | None, reader: SignalReader) -> _Monitored | Ignored:
    """Whose check a job is that no schedule ran; ``job_arn`` is None for one that cannot be a pipeline's check."""
    check = reader.pipeline_check(job_arn) if job_arn else None
    if check is None:
        return Ignored(
            Reason.NOT_A_MONITOR_RUN,
            f"Processing job {job_name} belongs to no monitoring schedule (a baseline job, or somebody's own job).",
        )
    pipeline, step = f"pipeline {check.pipeline.rpartition('/')[2]}", check.listing.step
    if check.model is None:
        return Ignored(
            Reason.UNMANAGED_MONITOR,
            f"Processing job {job_name} is of {pipeline}, which has no tag retraining:model of a model in this loop.",
        )
    if check.trains:
        return Ignored(
            Reason.NOT_A_MONITOR_RUN,
            f"Processing job {job_name} is of {pipeline}, which trains {check.model}: what it checks is its own candidate, not what "
            "serves.",
            check.model,
        )
    if step is not None and not step.checks:
        return Ignored(
            Reason.NOT_A_MONITOR_RUN,
            f"Processing job {job_name} is of step {step.name} of {pipeline}, which compares nothing with a baseline.",
            check.model,
        )
    return _Monitored(check.model, None, pipeline, prove_check(check))


def _schedule_name(said: Any) -> str | None:
    """A schedule's name from its name or its ARN, None when it can be neither."""
    return model_name(said.rsplit(":monitoring-schedule/", 1)[-1]) if isinstance(said, str) else None


def _listing(claim: RunClaim, reader: SignalReader) -> RunListing:
    if claim.job_arn is None or claim.schedule is None:
        return RunListing()
    return reader.monitor_run(claim.schedule, claim.endpoint, claim.job_arn)


def _from_report(run: _Run, reader: SignalReader) -> Signal | Rejection:
    exit_message = text(run.job.get("ExitMessage")) or ""
    found_some = exit_message.startswith(FOUND_SOME)
    document = _report(run.job, reader)
    if isinstance(document, str):
        return run.unreadable(
            f"Monitoring run {run.name} writes to {document!r}, which is no s3:// address of a bucket with 3 to 255 characters and a "
            "key that can be read, so nobody knows what it found. Correct the address in the monitor's output."
        )
    if document is None:
        if found_some:
            return run.unreadable(
                f"Monitoring run {run.name} says {exit_message!r}, but its output holds no {VIOLATION_FILES[0]}. "
                "Look at the job's ProcessingOutputConfig and its logs."
            )
        if FOUND_NONE.fullmatch(exit_message):
            return run.signal(SignalKind.NO_DRIFT, run.said("found no violations."))
        told = f"with the exit message {exit_message!r}" if exit_message else "without an exit message"
        return run.signal(
            SignalKind.MONITOR_FAILURE,
            run.said(
                f"completed {told} and without {VIOLATION_FILES[0]}, so nobody knows what it found: let its container write "
                "'Completed: ...' or 'CompletedWithViolations: ...' to /opt/ml/output/message, and the file."
            ),
        )
    if document.body is None:
        return run.unreadable(
            f"The violations of monitoring run {run.name} at {document.uri} cannot be read ({document.unreadable}). "
            "Allow the orchestration function's role s3:GetObject on the monitor's output."
        )
    violations = parse_violations(document.body)
    if isinstance(violations, str):
        return run.unreadable(
            f"{document.uri} is not Model Monitor's JSON, a list 'violations' of objects with feature_name, "
            f"constraint_check_type and description: it {violations}."
        )
    if found_some and not violations:
        return run.unreadable(
            f"Monitoring run {run.name} says {exit_message!r}, but {document.uri} lists no violation. Look at the job's logs."
        )
    found = found_in(violations)
    return run.signal(
        found.kind,
        _sentence(run, violations, found.broken, found.threshold),
        threshold=found.threshold,
        violations=violations,
        data_checks=found.data_checks,
        report_uri=document.uri,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What violations come to. ``broken`` are those that speak of broken data rather than of drift."""

    kind: SignalKind
    threshold: Threshold | None
    broken: tuple[Violation, ...]
    data_checks: tuple[DataCheck, ...]


def found_in(violations: tuple[Violation, ...]) -> Found:
    """What a monitor's violations say: broken data before drift, and of drift the worst. Pure."""
    broken = tuple(violation for violation in violations if violation.check in DATA_QUALITY_CHECKS)
    kind = SignalKind.DATA_QUALITY if broken else SignalKind.DRIFT if violations else SignalKind.NO_DRIFT
    return Found(kind, worst_threshold(violations), broken, data_checks(broken))


def _sentence(
    run: _Run, violations: tuple[Violation, ...], broken: tuple[Violation, ...], worst: Threshold | None
) -> str:
    start = run.said(f"found {len(violations)} violation(s)")
    if worst is not None and worst.observed is not None and worst.threshold is not None:
        start += f", worst {worst.metric}: {worst.observed:g} against a threshold of {worst.threshold:g}"
    if broken:
        told = f"{start}, {len(broken)} of them broken data, first {broken[0].feature}: {broken[0].description}"
        return ended(told[:499])
    return f"{start}."


def _signal_id(job_arn: str, ended: str, *, proven: bool) -> str:
    # What is not proven has ids of its own: it is in the way of no run that SageMaker lists, not even the same one listed later.
    return identify("model-monitor", job_arn, ended, *(() if proven else ("unproven",)))


def job_signal_ids(job_arn: str, *, proven: bool = True) -> tuple[str, ...]:
    """Ids the signal of a monitoring run may have: that of its completion, and that of its failure.

    SageMaker names the job and the address holds the account, so no sender can take the name of another's run.
    """
    return tuple(_signal_id(job_arn, ended, proven=proven) for ended in (COMPLETED, "Failed"))


def parse_violations(body: bytes) -> tuple[Violation, ...] | str:
    """Violations of a report, or what is wrong with it. An entry that lacks something keeps what it has."""
    parsed = json_object(body, nan=True)
    if isinstance(parsed, str):
        return parsed
    if not isinstance(parsed.get("violations"), list):
        return "has no list 'violations'"
    if len(parsed["violations"]) > VIOLATIONS_LIMIT:
        return f"holds {len(parsed['violations'])} violations; at most {VIOLATIONS_LIMIT} are read"
    if not all(isinstance(entry, dict) for entry in parsed["violations"]):
        return "lists something that is no object"
    return tuple(
        Violation(
            feature=_feature(entry),
            check=text(entry.get("constraint_check_type"), 100) or "(unnamed)",
            description=text(entry.get("description")) or "",
        )
        for entry in parsed["violations"]
    )


def data_checks(broken: tuple[Violation, ...]) -> tuple[DataCheck, ...]:
    """Each kind of broken data with its worst share, by name."""
    shares: dict[str, list[float | None]] = {}
    for violation in broken:
        shares.setdefault(violation.check, []).append(_share(violation.description))
    known = {check: [share for share in found if share is not None] for check, found in shares.items()}
    return tuple(
        DataCheck(check, len(found), min(known[check]) if len(known[check]) == len(found) else None)
        for check, found in sorted(shares.items())
    )


def _share(description: str) -> float | None:
    """The share of the data, 0 to 1, that a sentence says is as it should be; the wording is no contract of AWS."""
    found = _SHARE.search(description)
    percent = number(found[1]) if found else None
    return None if percent is None or percent > 100 else round(percent / 100, 12)  # noqa: PLR2004 - percent


def _feature(entry: dict[str, Any]) -> str:
    """What a violation is of: a feature, or a metric, of bias with its facet."""
    metric, facet = text(entry.get("metric_name"), 200), text(entry.get("facet"), 100)
    about = f"{metric} ({facet})" if metric and facet else metric or facet
    return text(entry.get("feature_name"), 200) or about or "(unnamed)"


def worst_threshold(violations: tuple[Violation, ...]) -> Threshold | None:
    """The violation furthest past its threshold, read from the wording of the descriptions.

    The wording is no contract of AWS, so a description without numbers gives a threshold without numbers, which
    counts as a violation at its threshold and no more: it gives way to what is past its own, not to what is not.
    """
    found = [threshold for violation in violations if (threshold := _threshold(violation)) is not None]
    return max(found, key=_badness, default=None)


def _badness(threshold: Threshold) -> tuple[float, bool]:
    return (1.0, False) if threshold.ratio is None else (threshold.ratio, True)


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


def _report(job: dict[str, Any], reader: SignalReader) -> Document | str | None:
    """The violations document of the job, which may be unreadable; None when no output holds one.

    An address that cannot be read is given as a text, unless another output has the document.
    """
    address: str | None = None
    for output in sequence(mapping(job.get("ProcessingOutputConfig")).get("Outputs")):
        given = mapping(mapping(output).get("S3Output")).get("S3Uri")
        if not given:
            continue  # a feature store
        folder = s3_uri(f"{str(given).rstrip('/')}/")
        if folder is None:
            address = address or text(given, 200) or "(unnamed)"
            continue
        for name in VIOLATION_FILES:
            document = reader.read_document(folder + name)
            if document.unreadable is not Unreadable.MISSING:
                return document
    return address


def _dataset_uri(job: dict[str, Any]) -> str | None:
    """Where the checked data lies: the endpoint's capture, or the input that is no baseline; for people to read."""
    for entry in sequence(job.get("ProcessingInputs")):
        item = mapping(entry)
        endpoint_uri = mapping(item.get("EndpointInput")).get("LocalPath")
        name = str(item.get("InputName") or "")
        uri = mapping(item.get("S3Input")).get("S3Uri")
        if endpoint_uri is None and (name.startswith("endpoint_input") or name in DATA_INPUTS):
            return s3_uri(uri)
    return None
