"""Adapters: what is sent becomes a signal, is ignored with a reason, or is rejected with what to fix."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import (
    ALARM_STATE_CHANGE,
    DRIFT_DETECTED,
    DRIFT_SOURCE,
    OBJECT_CREATED,
    PENDING_SIGNAL_DUE,
    PROCESSING_JOB_STATE_CHANGE,
    RETRAINING_REQUESTED,
    RETRAINING_SOURCE,
    SCHEDULED_EVENT,
    Decision,
    Severity,
    SignalKind,
    SignalSource,
)
from orchestration.domain.decision import ModelState, decide, severity_of
from orchestration.domain.documents import Unreadable
from orchestration.domain.kept_request import KeptRequest
from orchestration.domain.monitor_run import ListedStep, PipelineCheck, StepListing
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import (
    DataCheck,
    Dataset,
    Ignored,
    Rejection,
    Signal,
    Threshold,
    Violation,
    asker_of,
    identify,
)
from orchestration.domain.signals import read_signal
from orchestration.domain.signals.alarm import transition_id
from orchestration.domain.signals.model_monitor import job_signal_ids, parse_violations, worst_threshold
from tests.unit.fakes import EVENTS, NOON, SETTINGS, FakeReader, drift, event
from tests.unit.test_decision import DEFAULT

ROOT = Path(__file__).resolve().parents[2]
REPORT = "s3://amzn-s3-demo-bucket/reports/churn-prod/churn-prod-schedule/2026/03/02/11/"
CAPTURE = Dataset(
    "s3://amzn-s3-demo-bucket/endpoint-data-capture/churn-prod/AllTraffic/2026/03/02/10",
    "2026-03-02T10:00:00Z",
    "2026-03-02T11:00:00Z",
)
DRIFTED = {
    "feature_name": "tenure",
    "constraint_check_type": "baseline_drift_check",
    "description": "Baseline drift distance: 0.37 exceeds threshold: 0.1",
}
SLIGHTLY_DRIFTED = {
    **DRIFTED,
    "feature_name": "plan",
    "description": "Baseline drift distance: 0.12 exceeds threshold: 0.1",
}
BROKEN = {
    "feature_name": "plan",
    "constraint_check_type": "data_type_check",
    "description": "Data type match requirement is not met. Expected data type: Integral, Expected match: 100.0%. "
    "Observed: Only 97.0% of data is Integral.",
}
WORSE_AUC = {
    "constraint_check_type": "LessThanThreshold",
    "description": "Metric auc with 0.6 +/- 0.01 was LessThanThreshold '0.75'",
    "metric_name": "auc",
}
ATTRIBUTION = {
    "label": "label0",
    "metric_name": "shap",
    "constraint_check_type": "feature_attribution_drift_check",
    "description": "Feature attribution drift 0.75 exceeds threshold 0.9",
}
BIAS = {
    "facet": "Age",
    "facet_value": "40",
    "metric_name": "CDDPL",
    "constraint_check_type": "bias_drift_check",
    "description": "Metric value -36.7 doesn't meet the baseline constraint requirement -0.53",
}
PENDING = {
    "first_signal_id": "0" * 32,
    "count": 3,
    "severity": "warning",
    "signal": {
        "kind": "drift",
        "model": "churn",
        "endpoint": "churn-prod",
        "summary": "Alarm drift/churn-drift-tenure is in ALARM.",
        "dataset": {"uri": "s3://amzn-s3-demo-bucket/x/", "window_start": None, "window_end": None},
        "threshold": {"metric": "psi", "observed": 0.37, "threshold": 0.2, "lower_is_worse": False, "ratio": 1.85},
    },
}

quick = settings(max_examples=60)


def report(*violations: dict[str, str]) -> bytes:
    return json.dumps({"violations": list(violations)}).encode()


def reader_for(
    name: str, violations: bytes | Unreadable = Unreadable.MISSING, file: str = "constraint_violations.json"
) -> FakeReader:
    """Describe the job of a fixture the way DescribeProcessingJob does: always in full."""
    reader = FakeReader(
        models={"churn-prod": "churn"},
        documents={REPORT + file: violations},
        pending={"churn": PENDING},
    )
    found = event(name)
    detail = found.get("detail") if isinstance(found, dict) else None
    if isinstance(detail, dict) and isinstance(detail.get("ProcessingJobName"), str):
        full = event("model_monitor/drifted")["detail"]
        described = {**{key: full[key] for key in ("Environment", "MonitoringScheduleArn")}, **detail}
        if "baseline" in detail["ProcessingJobName"]:
            del described["MonitoringScheduleArn"]
        if not name.endswith("unknown_job"):
            reader.jobs[detail["ProcessingJobName"]] = described
    return reader


def read(name: str, reader: FakeReader | None = None) -> Signal | Rejection | Ignored:
    return read_signal(event(name), reader=reader or reader_for(name), settings=SETTINGS, run_id="run-1")


def signal_of(name: str, reader: FakeReader | None = None) -> Signal:
    found = read(name, reader)
    assert isinstance(found, Signal), found
    return found


MONITORED: dict[str, tuple[bytes | Unreadable, SignalKind, Threshold | None]] = {
    "model_monitor/drifted": (report(SLIGHTLY_DRIFTED, DRIFTED), SignalKind.DRIFT, Threshold("tenure", 0.37, 0.1)),
    "model_monitor/drifted_without_environment": (report(DRIFTED), SignalKind.DRIFT, Threshold("tenure", 0.37, 0.1)),
    "model_monitor/epoch_strings": (report(DRIFTED), SignalKind.DRIFT, Threshold("tenure", 0.37, 0.1)),
    "model_monitor/model_quality": (
        report(WORSE_AUC),
        SignalKind.DRIFT,
        Threshold("auc", 0.6, 0.75, lower_is_worse=True),
    ),
    "model_monitor/attribution_drift": (
        report(ATTRIBUTION),
        SignalKind.DRIFT,
        Threshold("shap", 0.75, 0.9, lower_is_worse=True),
    ),
    "model_monitor/broken_data": (
        report(BROKEN, DRIFTED),
        SignalKind.DATA_QUALITY,
        Threshold("tenure", 0.37, 0.1),
    ),
    "model_monitor/no_violations": (Unreadable.MISSING, SignalKind.NO_DRIFT, None),
    "model_monitor/failed": (Unreadable.MISSING, SignalKind.MONITOR_FAILURE, None),
}


@pytest.mark.parametrize("name", MONITORED)
def test_a_monitoring_run_gives_a_signal_with_endpoint_dataset_and_threshold(name: str) -> None:
    violations, kind, threshold = MONITORED[name]
    found = signal_of(name, reader_for(name, violations))
    assert (found.source, found.kind, found.model) == (SignalSource.MODEL_MONITOR, kind, "churn")
    assert (found.endpoint, found.dataset, found.threshold) == ("churn-prod", CAPTURE, threshold)


@pytest.mark.parametrize("file", ["constraint_violations.json", "constraints_violations.json"])
def test_the_violations_file_is_found_under_both_of_its_names(file: str) -> None:
    found = signal_of("model_monitor/drifted", reader_for("model_monitor/drifted", report(DRIFTED), file))
    assert found.report_uri == REPORT + file
    assert [violation.feature for violation in found.violations] == ["tenure"]


def test_a_monitoring_run_that_failed_says_why_and_is_never_no_drift() -> None:
    found = signal_of("model_monitor/failed")
    assert "InternalServerError: We encountered an internal error" in found.summary


def test_the_description_and_not_the_event_says_whether_a_job_failed() -> None:
    reader = reader_for("model_monitor/drifted")
    reader.jobs[event("model_monitor/drifted")["detail"]["ProcessingJobName"]]["ProcessingJobStatus"] = "Failed"
    assert signal_of("model_monitor/drifted", reader).kind is SignalKind.MONITOR_FAILURE


def test_a_monitoring_run_is_one_signal_however_often_sagemaker_tells_of_it() -> None:
    reader = reader_for("model_monitor/drifted", report(DRIFTED))
    again = {**event("model_monitor/drifted"), "id": "another", "time": "2026-03-02T11:20:00Z"}
    told_again = read_signal(again, reader=reader, settings=SETTINGS, run_id="run-2")
    assert isinstance(told_again, Signal)
    assert told_again.signal_id == signal_of("model_monitor/drifted", reader).signal_id
    assert told_again.signal_id == job_signal_ids(again["detail"]["ProcessingJobArn"])[0]


def monitored(*violations: Any, without: tuple[str, ...] = (), time: str | None = None, **job: Any) -> Any:
    """What a finished job with this description gives; with violations, its report is there."""
    body = report(*violations) if violations else Unreadable.MISSING
    reader = reader_for("model_monitor/drifted", body)
    (described,) = reader.jobs.values()
    described |= job
    for name in without:
        del described[name]
    sent = {**event("model_monitor/drifted"), "time": time}
    return read_signal(sent, reader=reader, settings=SETTINGS, run_id="run-1")


NO_SCHEDULE = {"sagemaker_endpoint_name": "churn-prod"}
JOB = "Monitoring run " + event("model_monitor/drifted")["detail"]["ProcessingJobName"] + " of churn-prod"


@pytest.mark.parametrize(
    ("violations", "said"),
    [
        ([DRIFTED, SLIGHTLY_DRIFTED], "found 2 violation(s), worst tenure: 0.37 against a threshold of 0.1."),
        ([{**DRIFTED, "description": "Something drifted."}], "found 1 violation(s)."),
        ([{**DRIFTED, "description": "1e999 exceeds threshold: 0.1"}], "found 1 violation(s)."),
        ([{**DRIFTED, "description": "0.3 exceeds threshold: 1e999"}], "found 1 violation(s)."),
        (
            [DRIFTED, BROKEN],
            "found 2 violation(s), worst tenure: 0.37 against a threshold of 0.1, 1 of them broken data, first plan: "
            + BROKEN["description"],
        ),
        ([], "found no violations."),
    ],
)
def test_a_monitoring_run_is_told_in_a_sentence(violations: list[Any], said: str) -> None:
    assert monitored(*violations, ExitMessage="Completed").summary == f"{JOB} {said}"


def test_a_sentence_on_broken_data_is_cut_after_500_characters() -> None:
    assert len(monitored({**BROKEN, "description": "x" * 500}).summary) == 500


@pytest.mark.parametrize(
    "check",
    ["data_type_check", "completeness_check", "missing_column_check", "extra_column_check", "categorical_values_check"],
)
def test_each_of_these_checks_speaks_of_broken_data(check: str) -> None:
    found = monitored({**BROKEN, "constraint_check_type": check})
    assert (found.kind, found.threshold) == (SignalKind.DATA_QUALITY, None)


@pytest.mark.parametrize(
    ("check", "said", "worst"),
    [
        ("data_type_check", [BROKEN["description"]], 0.97),
        (
            "data_type_check",
            ["Expected match: 100.0%. Observed: Only 99.71751412429379% of data is Integral."],
            0.997175141243,
        ),
        ("data_type_check", ["Observed: Only 99.3% of data is Integral."], 0.993),
        ("data_type_check", ["Observed: Only 0.0% of data is Integral."], 0.0),
        ("completeness_check", ["Expected completeness: 100.0%. Observed: Only 98.5% of values are present."], 0.985),
        ("completeness_check", ["Observed completeness: 98%", "observed 97 % of it"], 0.97),
        ("completeness_check", ["Observed: 98%", "Nobody knows."], None),
        ("completeness_check", ["Nobody knows.", "Observed: 98%"], None),
        (
            "categorical_values_check",
            ["There are unknown values in the data. Observed: Only 94.1% of data matches."],
            0.941,
        ),
        (
            "missing_column_check",
            ["Number of columns in current dataset: 3, Number of columns in baseline constraints: 4"],
            None,
        ),
        ("data_type_check", ["Expected match: 99%."], None),
        ("data_type_check", ["Observed: Only 100.1% of data is Integral."], None),
        ("data_type_check", ["Observed: Only 100% of data is Integral."], 1.0),
        ("data_type_check", ["Unobserved 7%"], None),
        ("data_type_check", ["Observed: 3 of 7%"], None),
        ("data_type_check", ["Observed: ٩%"], None),
        ("data_type_check", ["Observed: " + "9" * 480 + "%"], None),
    ],
)
def test_a_run_keeps_the_worst_share_of_each_kind_of_broken_data(
    check: str, said: list[str], worst: float | None
) -> None:
    found = monitored(*({**BROKEN, "constraint_check_type": check, "description": each} for each in said), DRIFTED)
    assert found.data_checks == (DataCheck(check, len(said), worst),)


def test_the_worst_share_counts_every_violation_although_a_record_keeps_fifty() -> None:
    sound = {**BROKEN, "description": "Observed: Only 99.9% of data is Integral."}
    extra = {**BROKEN, "constraint_check_type": "extra_column_check", "description": "There are extra columns."}
    found = monitored(*[sound] * 60, extra, BROKEN)
    record = json.loads(json.dumps(found.as_record()))
    assert len(record["violations"]) == 50
    kept = (DataCheck("data_type_check", 61, 0.97), DataCheck("extra_column_check", 1, None))
    assert found.data_checks == Signal.of(record).data_checks == kept


def test_a_record_without_broken_data_is_written_as_before() -> None:
    record = monitored(DRIFTED).as_record()
    assert "data_checks" not in record
    assert Signal.of(record).data_checks == ()


def test_the_time_of_a_monitoring_run_is_its_events() -> None:
    assert monitored(DRIFTED, time="2026-03-02T11:20:00Z").observed_at == "2026-03-02T11:20:00Z"
    assert monitored(DRIFTED).observed_at == ""


def test_a_job_of_a_schedule_is_known_by_its_environment_or_its_arn() -> None:
    environment = {"sagemaker_endpoint_name": "churn-prod"}
    named = {**environment, "sagemaker_monitoring_schedule_name": "churn-prod-schedule"}
    assert isinstance(monitored(DRIFTED, Environment=environment), Signal)
    assert isinstance(monitored(DRIFTED, Environment=named, without=("MonitoringScheduleArn",)), Signal)
    found = monitored(DRIFTED, Environment=environment, without=("MonitoringScheduleArn",))
    assert isinstance(found, Ignored)
    assert found.reason == "NOT_A_MONITOR_RUN"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"FailureReason": "It broke.", "ExitMessage": "Exit 1."}, "It broke."),
        ({"ExitMessage": "Exit 1."}, "Exit 1."),
        ({"ExitMessage": None}, "no reason given"),
    ],
)
def test_a_failed_run_is_known_as_such_and_says_why(told: dict[str, Any], reason: str) -> None:
    found = monitored(ProcessingJobStatus="Failed", ProcessingJobArn="arn:job", **told)
    assert found.summary == f"{JOB} failed: {reason}"
    assert found.signal_id == job_signal_ids("arn:job")[1]


def test_a_run_is_one_signal_when_it_completes_and_another_when_it_fails() -> None:
    expected = identify("model-monitor", "arn:job", "Completed"), identify("model-monitor", "arn:job", "Failed")
    assert job_signal_ids("arn:job") == expected


@pytest.mark.parametrize(
    ("violations", "job"),
    [([DRIFTED], {}), ([], {"ExitMessage": "Completed"}), ([], {"ProcessingJobStatus": "Failed"})],
    ids=["drift", "no drift", "failed"],
)
def test_whatever_a_run_came_to_says_who_proves_that_it_ran(violations: list[Any], job: dict[str, Any]) -> None:
    place = 1 if "ProcessingJobStatus" in job else 0
    listed = monitored(*violations, ProcessingJobArn="arn:job", **job)
    assert listed.proven_by == "monitoring schedule churn-prod-schedule"
    assert listed.signal_id == job_signal_ids("arn:job")[place]
    # Nobody is asked for a run of which a word is missing.
    for missing in ({"ProcessingJobArn": None}, {"MonitoringScheduleArn": 7, "Environment": NO_SCHEDULE}):
        found = monitored(*violations, **{"ProcessingJobArn": "arn:job", **job, **missing})
        known_by = JOB.split()[2] if "ProcessingJobArn" in missing else "arn:job"
        assert found.proven_by is None
        assert found.signal_id == job_signal_ids(known_by, proven=False)[place]


def test_a_job_without_an_arn_is_known_by_its_name() -> None:
    name = event("model_monitor/drifted")["detail"]["ProcessingJobName"]
    assert monitored(DRIFTED, ProcessingJobArn=None).signal_id == job_signal_ids(name, proven=False)[0]


@pytest.mark.parametrize(
    "said", ["Completed", "Completed: Job completed successfully with no violations.", "Completed."]
)
def test_a_run_without_a_report_that_says_it_found_none_found_none(said: str) -> None:
    assert monitored(ExitMessage=said).kind is SignalKind.NO_DRIFT
    assert monitored(ExitMessage=said, ProcessingOutputConfig={"Outputs": []}).kind is SignalKind.NO_DRIFT


@pytest.mark.parametrize("outputs", [None, [], [{"FeatureStoreOutput": {"FeatureGroupName": "f"}}]])
@pytest.mark.parametrize("said", [None, "", "Done.", "Completed 3 checks, 2 failed", "completed", "Failed: Completed"])
def test_a_run_without_a_report_and_without_that_word_is_not_known_to_have_found_none(
    said: str | None, outputs: list[Any] | None
) -> None:
    changed: dict[str, Any] = {} if outputs is None else {"ProcessingOutputConfig": {"Outputs": outputs}}
    found = monitored(ExitMessage=said, ProcessingJobArn="arn:job", **changed)
    assert found.kind is SignalKind.MONITOR_FAILURE
    told = f"with the exit message {said!r}" if said else "without an exit message"
    assert found.summary.startswith(f"{JOB} completed {told} and without constraint_violations.json")
    # It completed: told again by the list, or once more by EventBridge, it is the same signal.
    assert found.signal_id == job_signal_ids("arn:job")[0]
    verdict = decide(found, DEFAULT, ModelState(), NOON)
    assert (verdict.decision, verdict.reason) == (Decision.HOLD, Reason.MONITOR_FAILED)
    assert "Not knowing is not the same as no drift" in verdict.sentence


def test_a_run_that_says_it_found_violations_and_lists_none_is_told() -> None:
    reader = reader_for("model_monitor/drifted", report())
    found = read("model_monitor/drifted", reader)
    assert isinstance(found, Rejection)
    assert (found.reason, found.model) == ("VIOLATIONS_UNREADABLE", "churn")
    assert "2 violations.', but s3://amzn-s3-demo-bucket" in found.sentence
    assert "lists no violation" in found.sentence
    (job,) = reader.jobs.values()
    job["ExitMessage"] = None
    assert signal_of("model_monitor/drifted", reader).kind is SignalKind.NO_DRIFT


@pytest.mark.parametrize(
    "place",
    [
        "s3://My_Old.Bucket/reports",
        "s3://" + "B" * 255 + "/reports/",
        "s3://abc",
    ],
)
def test_a_report_in_a_bucket_of_any_name_that_s3_knows_is_read(place: str) -> None:
    reader = reader_for("model_monitor/drifted")
    reader.documents = {f"{place.rstrip('/')}/constraint_violations.json": report(DRIFTED)}
    (job,) = reader.jobs.values()
    job["ProcessingOutputConfig"] = {"Outputs": [{"S3Output": {"S3Uri": place}}]}
    assert signal_of("model_monitor/drifted", reader).kind is SignalKind.DRIFT


UNTAKEN = [
    "s3://b/reports",
    "s3://" + "b" * 256 + "/x",
    "https://bucket.s3.amazonaws.com/x",
    "s3://bucket/a'b",
    "s3://bucket/../x",
    7,
]


@pytest.mark.parametrize("place", UNTAKEN)
@pytest.mark.parametrize("said", ["Completed: no violations", "CompletedWithViolations: 1", None])
def test_an_address_that_cannot_be_taken_is_told_and_not_taken_for_no_report(place: Any, said: str | None) -> None:
    found = monitored(ExitMessage=said, ProcessingOutputConfig={"Outputs": [{"S3Output": {"S3Uri": place}}]})
    assert isinstance(found, Rejection)
    assert (found.reason, found.model) == ("VIOLATIONS_UNREADABLE", "churn")
    assert f"writes to {str(place)[:200]!r}, which is no s3:// address" in found.sentence


@pytest.mark.parametrize(
    ("changed", "unproven"), [({"ProcessingJobArn": "arn:job"}, False), ({"ProcessingJobArn": None}, True)]
)
def test_a_run_that_cannot_be_read_is_proven_as_one_that_can(changed: dict[str, Any], unproven: bool) -> None:
    found = monitored(ProcessingOutputConfig={"Outputs": [{"S3Output": {"S3Uri": UNTAKEN[0]}}]}, **changed)
    untaken = monitored(ProcessingOutputConfig={"Outputs": [{"S3Output": {"S3Uri": 7}}]}, **changed)
    assert isinstance(untaken, Rejection)
    assert (found.unproven, untaken.unproven) == (unproven, unproven)


def test_an_address_that_is_no_text_is_told_without_it() -> None:
    found = monitored(ProcessingOutputConfig={"Outputs": [{"S3Output": {"S3Uri": {"Bucket": "b"}}}]})
    assert "writes to '(unnamed)', which is no s3:// address" in found.sentence


def test_an_address_that_cannot_be_taken_hides_no_report_of_another_output() -> None:
    outputs = [{"S3Output": {"S3Uri": "s3://b/x"}}, {"S3Output": {"S3Uri": REPORT}}]
    assert monitored(DRIFTED, ProcessingOutputConfig={"Outputs": outputs}).kind is SignalKind.DRIFT
    first = monitored(ProcessingOutputConfig={"Outputs": [*outputs, {"S3Output": {"S3Uri": "s3://c/x"}}]})
    assert "'s3://b/x'" in first.sentence


def test_a_run_that_was_stopped_found_nothing_out_and_is_one_signal_with_its_failure() -> None:
    found = monitored(ProcessingJobStatus="Stopped", ProcessingJobArn="arn:job", ExitMessage="MaxRuntimeExceeded")
    assert (found.kind, found.summary) == (SignalKind.MONITOR_FAILURE, f"{JOB} was stopped: MaxRuntimeExceeded")
    assert found.signal_id == job_signal_ids("arn:job")[1]
    sent = {**event("model_monitor/drifted")}
    sent["detail"] = {**sent["detail"], "ProcessingJobStatus": "Stopped"}
    reader = reader_for("model_monitor/drifted", report(DRIFTED))
    assert isinstance(read_signal(sent, reader=reader, settings=SETTINGS, run_id="run-1"), Signal)


def test_a_run_that_sagemaker_describes_as_going_on_has_not_found_nothing() -> None:
    for status in ("InProgress", "Stopping", None):
        found = monitored(ProcessingJobStatus=status, ExitMessage="Completed")
        assert isinstance(found, Ignored)
        assert found.reason == "JOB_NOT_FINISHED"


# Monitors of batch transforms: the schedule's tag says the model.

BATCH = {"sagemaker_monitoring_schedule_name": "churn-batch", "start_time": "2026-03-02T10:00:00Z"}


def batch(*violations: Any, tagged: str | None = "churn", environment: Any = BATCH, **job: Any) -> Any:
    """What a finished job gives whose environment names no endpoint."""
    reader = reader_for("model_monitor/drifted", report(*violations) if violations else Unreadable.MISSING)
    reader.schedules = {"churn-batch": tagged} if tagged else {}
    (described,) = reader.jobs.values()
    described |= {"Environment": environment, **job}
    return read("model_monitor/drifted", reader)


@pytest.mark.parametrize("environment", [BATCH, {**BATCH, "sagemaker_endpoint_name": ""}])
def test_a_monitor_of_batch_transforms_is_of_the_model_its_schedules_tag_names(environment: Any) -> None:
    found = batch(DRIFTED, environment=environment)
    assert (found.model, found.endpoint, found.kind) == ("churn", None, SignalKind.DRIFT)
    assert found.proven_by == "monitoring schedule churn-batch"
    assert found.summary.endswith(
        "of schedule churn-batch found 1 violation(s), worst tenure: 0.37 against a threshold of 0.1."
    )
    assert found.dataset == Dataset(CAPTURE.uri, "2026-03-02T10:00:00Z")


def test_a_batch_monitor_that_fails_or_finds_nothing_is_heard_as_well() -> None:
    assert batch(ProcessingJobStatus="Failed").kind is SignalKind.MONITOR_FAILURE
    assert batch(ExitMessage="Completed").kind is SignalKind.NO_DRIFT


@pytest.mark.parametrize(
    ("tagged", "environment"),
    [
        (None, BATCH),
        ("churn", {"sagemaker_monitoring_schedule_name": "other"}),
        ("churn", {"sagemaker_monitoring_schedule_name": "x y"}),
    ],
)
def test_a_batch_monitor_of_a_schedule_without_the_tag_is_of_no_model_and_says_which_tag(
    tagged: Any, environment: Any
) -> None:
    found = batch(DRIFTED, tagged=tagged, environment=environment)
    assert isinstance(found, Ignored)
    assert found.reason == "UNMANAGED_MONITOR"
    assert "names no endpoint and has no tag retraining:model" in found.sentence


def test_a_schedules_tag_does_not_say_the_model_of_a_run_that_names_an_endpoint() -> None:
    environment = {**BATCH, "sagemaker_endpoint_name": "of-another-team"}
    found = batch(DRIFTED, environment=environment)
    assert isinstance(found, Ignored)
    assert found.reason == "UNMANAGED_ENDPOINT"


# Checks of a SageMaker pipeline: no schedule ran them, the pipeline's list of steps does.

PIPELINE = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/churn-scoring"
ANALYZER = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
CHECKED = PipelineCheck(PIPELINE, "churn", listing=StepListing(ListedStep("Scores-monitoring", checks=True)))


def checked(check: PipelineCheck | None, *violations: Any, image: str = ANALYZER, **job: Any) -> Any:
    """What a finished job gives that no schedule ran, with the pipeline that its tag names."""
    reader = reader_for("model_monitor/drifted", report(*violations) if violations else Unreadable.MISSING)
    (described,) = reader.jobs.values()
    del described["MonitoringScheduleArn"]
    described |= {"Environment": {"dataset_source": "/opt/ml"}, "AppSpecification": {"ImageUri": image}, **job}
    described["ProcessingInputs"] = [{"InputName": "baseline_dataset_input", "S3Input": {"S3Uri": "s3://scores/today"}}]
    if check is not None and described["ProcessingJobArn"]:
        reader.checks = {described["ProcessingJobArn"]: check}
    return read("model_monitor/drifted", reader)


@pytest.mark.parametrize(
    "image",
    [
        ANALYZER,
        f"{ANALYZER}:latest",
        f"{ANALYZER}@sha256:{'0' * 64}",
        "1.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-clarify-processing:1.0",
    ],
)
def test_a_check_step_of_a_models_pipeline_is_a_signal_that_the_step_proves(image: str) -> None:
    found = checked(CHECKED, DRIFTED, image=image)
    assert (found.model, found.endpoint, found.kind) == ("churn", None, SignalKind.DRIFT)
    assert found.proven_by == "step Scores-monitoring of pipeline churn-scoring"
    assert "of pipeline churn-scoring found 1 violation(s)" in found.summary
    assert found.dataset == Dataset("s3://scores/today")


@pytest.mark.parametrize(
    ("listing", "why"),
    [
        (StepListing(), "SageMaker does not list that a step of pipeline churn-scoring ran this job as its check"),
        (StepListing(refused="AccessDeniedException"), "role sagemaker:ListPipelineExecutionSteps"),
    ],
)
def test_a_job_that_only_says_a_pipeline_ran_it_is_not_proven_and_says_why(listing: StepListing, why: str) -> None:
    found = checked(replace(CHECKED, listing=listing), DRIFTED, ProcessingJobArn="arn:job")
    assert (found.model, found.proven_by, found.unproven) == ("churn", None, True)
    assert why in found.summary
    assert "can name any schedule or pipeline" in found.summary
    assert found.signal_id == job_signal_ids("arn:job", proven=False)[0]
    assert decide(found, DEFAULT, ModelState(), NOON).approval_needed


@pytest.mark.parametrize(
    ("check", "reason", "why"),
    [
        (None, "NOT_A_MONITOR_RUN", "belongs to no monitoring schedule"),
        (
            replace(CHECKED, model=None),
            "UNMANAGED_MONITOR",
            "pipeline churn-scoring, which has no tag retraining:model",
        ),
        (replace(CHECKED, trains=True), "NOT_A_MONITOR_RUN", "which trains churn: what it checks is its own candidate"),
        (
            replace(CHECKED, listing=StepListing(ListedStep("Baseline", checks=False))),
            "NOT_A_MONITOR_RUN",
            "step Baseline of pipeline churn-scoring, which compares nothing with a baseline",
        ),
    ],
)
def test_a_pipelines_job_that_says_nothing_of_what_serves_is_ignored(check: Any, reason: str, why: str) -> None:
    found = checked(check, DRIFTED)
    assert isinstance(found, Ignored)
    assert (found.reason, why in found.sentence) == (reason, True)
    assert found.model == (check.model if check and reason == "NOT_A_MONITOR_RUN" else None)


@pytest.mark.parametrize("image", ["team/own-image", f"{ANALYZER}-of-a-team", "sagemaker-clarify-processing/own", ""])
def test_no_other_image_is_a_pipelines_check(image: str) -> None:
    found = checked(CHECKED, DRIFTED, image=image)
    assert isinstance(found, Ignored)
    assert found.reason == "NOT_A_MONITOR_RUN"


def test_a_job_without_an_arn_is_no_pipelines_check() -> None:
    assert isinstance(checked(CHECKED, DRIFTED, ProcessingJobArn=None), Ignored)


def test_a_merge_job_is_known_by_its_image_however_that_is_written() -> None:
    for suffix in ("", ":1", f"@sha256:{'0' * 64}", "/"):
        found = monitored(
            AppSpecification={"ImageUri": f"1.dkr.ecr/sagemaker-model-monitor-groundtruth-merger{suffix}"}
        )
        assert isinstance(found, Ignored)
        assert found.reason == "MERGE_JOB"


def test_the_report_lies_in_the_first_output_that_has_it() -> None:
    place = {"S3Output": {"S3Uri": REPORT}}
    found = monitored(DRIFTED, ProcessingOutputConfig={"Outputs": [{}, {"S3Output": {"S3Uri": None}}, place]})
    assert found.report_uri == f"{REPORT}constraint_violations.json"


@pytest.mark.parametrize(
    ("name", "endpoint", "found"),
    [
        ("endpoint_input_1", None, True),
        ("dataset", None, True),
        ("input", None, True),
        ("input_data", None, True),
        ("endpoint_input_1", {"LocalPath": "/opt/ml/processing/input"}, False),
        ("baseline", None, False),
        (None, None, False),
    ],
)
def test_the_data_of_a_run_is_the_input_that_is_no_baseline(name: str | None, endpoint: Any, *, found: bool) -> None:
    given = {"InputName": name, "EndpointInput": endpoint, "S3Input": {"S3Uri": "s3://bucket/data"}}
    signal = monitored(DRIFTED, ProcessingInputs=[given])
    assert signal.dataset.uri == ("s3://bucket/data" if found else None)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"no JSON", "is not JSON"),
        (b"[]", "is no JSON object"),
        (b"{}", "has no list 'violations'"),
        (b'{"violations": {}}', "has no list 'violations'"),
        (b'{"violations": [], "violations": [{}]}', "has the key 'violations' twice"),
        (b'{"violations": [{}, 7]}', "lists something that is no object"),
        (b'{"violations": [' + b"{}," * 10_000 + b"{}]}", "holds 10001 violations; at most 10000 are read"),
    ],
)
def test_what_is_no_report_says_why(body: bytes, what: str) -> None:
    assert what in str(parse_violations(body))


def test_a_report_may_say_nan_where_nobody_looks() -> None:
    body = b'{"score": NaN, "violations": [{"feature_name": "age", "value": Infinity}]}'
    assert parse_violations(body) == (Violation("age", "(unnamed)", ""),)


@pytest.mark.parametrize("body", [Unreadable.MISSING, Unreadable.ACCESS_DENIED, b"no JSON"])
def test_a_run_whose_violations_cannot_be_read_is_told_to_whom_its_model_belongs(body: bytes | Unreadable) -> None:
    reader = reader_for("model_monitor/drifted", body)
    (job,) = reader.jobs.values()
    job["ExitMessage"] = "CompletedWithViolations: Monitoring job completed."
    found = read("model_monitor/drifted", reader)
    assert isinstance(found, Rejection)
    assert (found.reason, found.model) == ("VIOLATIONS_UNREADABLE", "churn")


def test_as_many_violations_as_are_read_are_read() -> None:
    assert len(parse_violations(b'{"violations": [' + b"{}," * 9_999 + b"{}]}")) == 10_000


def test_an_endpoint_whose_name_would_have_to_be_cut_is_nobodys() -> None:
    name = "a" * 63
    reader = reader_for("model_monitor/drifted", report(DRIFTED))
    reader.models = {name: "churn"}
    for named, kind in ((name, Signal), (name + "b", Ignored), (name + "\0", Ignored)):
        for job in reader.jobs.values():
            job["Environment"] = {**job["Environment"], "sagemaker_endpoint_name": named}
        assert isinstance(read("model_monitor/drifted", reader), kind)


def test_a_violation_keeps_what_it_has() -> None:
    body = json.dumps({"violations": [{}, {"metric_name": "auc"}, {"feature_name": "age", "metric_name": "x"}]})
    assert parse_violations(body.encode()) == (
        Violation("(unnamed)", "(unnamed)", ""),
        Violation("auc", "(unnamed)", ""),
        Violation("age", "(unnamed)", ""),
    )


def test_the_worst_violation_is_the_one_furthest_past_its_threshold() -> None:
    def worst(*descriptions: str) -> Threshold | None:
        return worst_threshold(tuple(Violation("f", "drift", description) for description in descriptions))

    assert worst("0 exceeds threshold: 0.1", "0.05 exceeds threshold: 0.1") == Threshold("f", 0.05, 0.1)
    assert worst("Something drifted.", "0.2 exceeds threshold: 0.1") == Threshold("f", 0.2, 0.1)
    assert worst("Something drifted.", "0.1 exceeds threshold: 0.1") == Threshold("f", 0.1, 0.1)
    # What is past its threshold by an unknown measure is not hidden by what is not.
    assert worst("0 exceeds threshold: 0.1", "Something drifted.") == Threshold("f", None, None)
    assert worst("Something drifted.") == Threshold("f", None, None)
    assert worst() is None


def test_a_bias_names_its_facet() -> None:
    named: list[tuple[dict[str, str], str]] = [
        (BIAS, "CDDPL (Age)"),
        ({"facet": "Age"}, "Age"),
        ({"metric_name": "auc"}, "auc"),
        ({"feature_name": "x", "metric_name": "m", "facet": "f"}, "x"),
        ({}, "(unnamed)"),
    ]
    for entry, name in named:
        found = parse_violations(report(entry))
        assert not isinstance(found, str)
        assert [violation.feature for violation in found] == [name]


@pytest.mark.parametrize(
    ("violation", "observed", "threshold", "ratio"),
    [
        (DRIFTED, 0.37, 0.1, 3.7),
        (WORSE_AUC, 0.6, 0.75, 1.25),
        ({**WORSE_AUC, "description": "Metric gini with 0.6111 was LessThanThreshold 0.6611"}, 0.6111, 0.6611, 1.08182),
        ({**WORSE_AUC, "description": "Metric ep with -0.1 was LessThanThreshold -0.05"}, -0.1, -0.05, 2.0),
        (
            {"metric_name": "rmse", "constraint_check_type": "GreaterThanThreshold"}
            | {"description": "Metric rmse with 3.0e+00 was GreaterThanThreshold 2"},
            3.0,
            2.0,
            1.5,
        ),
        ({**DRIFTED, "description": "mae 0.3 exceeds threshold 0.25"}, 0.3, 0.25, 1.2),
        ({**DRIFTED, "description": "0.5 was less than or equal to the threshold 1.0"}, 0.5, 1.0, 2.0),
        ({**DRIFTED, "description": "0.5 is lower than threshold 1.0"}, 0.5, 1.0, 2.0),
        (ATTRIBUTION, 0.75, 0.9, 1.2),
        (BIAS, -36.7, -0.53, 69.245283),
        ({**BIAS, "description": "Value 0.6 doesn't meet the baseline constraint requirement 0.2"}, 0.6, 0.2, 3.0),
        ({**BIAS, "description": "Value 0.5 doesn't meet the baseline constraint requirement 0"}, 0.5, 0.0, None),
        ({**BIAS, "description": "Value 0.5 doesn't meet the baseline constraint requirement 1e999"}, 0.5, None, None),
        ({**DRIFTED, "description": "-1 is above threshold -2"}, -1.0, -2.0, 2.0),
        ({**DRIFTED, "description": "27.5 is above threshold 25.5"}, 27.5, 25.5, 1.078431),
        ({**DRIFTED, "description": "2.5 is below the threshold: 5"}, 2.5, 5.0, 2.0),
        ({**DRIFTED, "description": "2.5 was under 5"}, 2.5, 5.0, 2.0),
        ({**DRIFTED, "description": "6 is over 5"}, 6.0, 5.0, 1.2),
        ({**WORSE_AUC, "description": "0.61 is less than validation_accuracy: 0.87"}, 0.61, 0.87, 1.42623),
        ({**DRIFTED, "description": "drift 0.25 (threshold: 0.1)"}, 0.25, 0.1, 2.5),
        ({**DRIFTED, "description": "drift 0.25 (Threshold 0.1)"}, 0.25, 0.1, 2.5),
    ],
)
def test_the_numbers_of_a_violation_are_read_from_its_description(
    violation: dict[str, str], observed: float, threshold: float | None, ratio: float | None
) -> None:
    parsed = parse_violations(report(violation))
    assert not isinstance(parsed, str)
    found = worst_threshold(parsed)
    assert found is not None
    assert (found.observed, found.threshold) == (observed, threshold)
    assert found.ratio == (None if ratio is None else pytest.approx(ratio, abs=1e-5))


@pytest.mark.parametrize(
    "description",
    [
        *("", "Something drifted.", "NaN", "auc ٩.٩ was less than ٩.٩", "٩ (threshold: ٩)"),
        *("distance: --- exceeds threshold: eee", "distance: 0.3 exceeds threshold: e"),
    ],
)
def test_a_violation_without_numbers_keeps_its_feature_and_has_no_numbers(description: str) -> None:
    violations = report({**DRIFTED, "description": description})
    found = signal_of("model_monitor/drifted", reader_for("model_monitor/drifted", violations))
    assert found.kind is SignalKind.DRIFT
    assert found.threshold == Threshold("tenure", None, None)


def alarm(metric: str | None, observed: float | None, threshold: float | None, *, lower: bool = False) -> Threshold:
    return Threshold(metric, observed, threshold, lower_is_worse=lower)


ALARMS = {
    "alarm/metric": ("churn-prod", SignalKind.DRIFT, alarm("feature_baseline_drift_tenure", 0.37, 0.2)),
    "alarm/metric_documented_namespace": (
        "churn-prod",
        SignalKind.DRIFT,
        alarm("feature_baseline_drift_tenure", 0.37, 0.2),
    ),
    "alarm/metric_math": ("churn-prod", SignalKind.DRIFT, alarm("max drift", 0.37, 0.2)),
    "alarm/anomaly": (None, SignalKind.KPI, alarm("MeanScore", 0.91, 0.62)),
    "alarm/anomaly_below_the_band": (None, SignalKind.KPI, alarm("MeanScore", 0.1, 0.4, lower=True)),
    "alarm/composite": (None, SignalKind.KPI, None),
    "alarm/composite_suppressed": (None, SignalKind.KPI, None),
    "alarm/metrics_insights": (None, SignalKind.KPI, alarm("latency by region", None, None)),
    "alarm/muted": ("churn-prod", SignalKind.DRIFT, alarm("feature_baseline_drift_tenure", 0.37, 0.2)),
    "alarm/lower_is_worse": ("churn-prod", SignalKind.DRIFT, alarm("f1", 0.3, 0.6, lower=True)),
    "alarm/business_kpi": (None, SignalKind.KPI, alarm("RetentionRate", 0.71, 0.8, lower=True)),
    "alarm/two_out_of_three": ("churn-prod", SignalKind.DRIFT, alarm("f1", 0.3, 0.6, lower=True)),
    "alarm/missing_data": ("churn-prod", SignalKind.DRIFT, alarm("f1", None, 0.6)),
    "alarm/without_reason_data": ("churn-prod", SignalKind.DRIFT, alarm("feature_baseline_drift_tenure", None, None)),
    "alarm/reason_data_is_no_json": (
        "churn-prod",
        SignalKind.DRIFT,
        alarm("feature_baseline_drift_tenure", None, None),
    ),
    "alarm/nan_datapoints": ("churn-prod", SignalKind.DRIFT, alarm("feature_baseline_drift_tenure", 0.37, 0.2)),
    "alarm/wrong_types": (None, SignalKind.KPI, None),
}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_of_any_shape_gives_a_signal_with_its_model_and_threshold(name: str) -> None:
    endpoint, kind, threshold = ALARMS[name]
    found = signal_of(name)
    assert (found.source, found.model, found.endpoint) == (SignalSource.ALARM, "churn", endpoint)
    assert (found.kind, found.threshold) == (kind, threshold)
    assert found.dataset is None
    assert found.muted is (name in {"alarm/muted", "alarm/composite_suppressed"})


@pytest.mark.parametrize(
    ("reason", "points", "observed", "lower"),
    [
        ("was greater than or equal to the threshold (0.6)", [0.6], 0.6, False),
        ("was less than or equal to the threshold (0.6)", [0.6], 0.6, True),
        ("were greater than the threshold (0.6)", [0.9, 0.2, 0.7], 0.9, False),
        ("were less than the threshold (0.6)", [0.9, 0.2, 0.7], 0.2, True),
        ("was not less than the threshold (0.6)", [0.9, 0.2], 0.9, False),
        ("no reason we know", [0.9], 0.9, False),
        ("no reason we know", [0.2], 0.2, True),
        ("alarm less than ideal was greater than the threshold (0.6)", [0.9, 0.2], 0.9, False),
        ("was less than the threshold (0.6)", [0.9], 0.9, False),
    ],
)
def test_the_direction_of_an_alarm_comes_from_its_datapoints_and_then_from_its_reason(
    reason: str, points: list[float], observed: float, *, lower: bool
) -> None:
    changed = event("alarm/metric")
    changed["detail"]["state"] |= {
        "reason": f"Threshold Crossed: 1 out of the last 1 datapoints [x] {reason}.",
        "reasonData": json.dumps({"recentDatapoints": points, "threshold": 0.6}),
    }
    found = read_signal(changed, reader=reader_for("alarm/metric"), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Signal)
    assert found.threshold == alarm("feature_baseline_drift_tenure", observed, 0.6, lower=lower)


def test_an_alarm_is_a_new_signal_at_each_change_and_the_same_at_each_delivery() -> None:
    first, later = event("alarm/metric"), event("alarm/metric")
    later["detail"]["state"]["timestamp"] = "2026-03-02T13:14:12.121+0000"
    again = {**event("alarm/metric"), "id": "another"}
    ids = [
        found.signal_id
        for sent in (first, again, later)
        if isinstance(
            found := read_signal(sent, reader=reader_for("alarm/metric"), settings=SETTINGS, run_id="r"), Signal
        )
    ]
    assert ids[0] == ids[1] != ids[2]
    changed_at = datetime.fromisoformat("2026-03-02T11:14:12.990+00:00")
    assert ids[0] == transition_id(first["resources"][0], changed_at)


def test_a_signal_of_an_alarm_has_its_name_reason_time_and_description() -> None:
    found = signal_of("alarm/business_kpi")
    reason = event("alarm/business_kpi")["detail"]["state"]["reason"]
    assert found.summary == f"Alarm drift/churn/retention is in ALARM: {reason}"
    assert (found.observed_at, found.context) == ("2026-03-02T11:14:12Z", "Retention of contacted customers")

    bare = event("alarm/business_kpi")
    del bare["time"], bare["detail"]["state"]["reason"], bare["detail"]["configuration"]["description"]
    least = taken(bare)
    assert least.summary == "Alarm drift/churn/retention is in ALARM: no reason given"
    assert (least.observed_at, least.context) == ("", "")


def taken(sent: Any, reader: FakeReader | None = None) -> Signal:
    found = read_signal(sent, reader=reader or FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Signal), found
    return found


def test_a_change_of_an_alarm_is_known_by_its_second() -> None:
    at = datetime.fromisoformat("2026-03-02T11:14:12.990+00:00")
    expected = identify("alarm", "arn", str(int(at.timestamp())))
    assert transition_id("arn", at) == expected
    sent = event("alarm/business_kpi")
    sent["resources"] = ["arn"]
    assert taken(sent).signal_id == expected


def changed_alarm(timestamp: str | None, time: str | None, event_id: str | None) -> dict[str, Any]:
    sent: dict[str, Any] = event("alarm/business_kpi")
    sent["detail"]["state"]["timestamp"], sent["time"], sent["id"] = timestamp, time, event_id
    return sent


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ((None, "2026-03-02T11:14:12Z"), (None, "2026-03-02T11:14:13Z")),
        ((None, "at noon"), (None, "at one")),
        (("at noon", "2026-03-02T11:14:12Z"), ("at one", "2026-03-02T11:14:12Z")),
    ],
)
def test_without_a_time_of_its_change_an_alarm_is_known_by_what_is_told_of_it(
    one: tuple[str | None, str], another: tuple[str | None, str]
) -> None:
    first = identity(changed_alarm(*one, "id-1"), "run-1")
    assert first == identity(changed_alarm(*one, "id-2"), "run-2")
    assert first != identity(changed_alarm(*another, "id-1"), "run-1")


def test_without_any_time_an_alarm_is_known_by_its_events_id_and_without_one_by_its_run() -> None:
    first = identity(changed_alarm(None, None, "id-1"), "run-1")
    assert first == identity(changed_alarm(None, None, "id-1"), "run-2")
    assert first != identity(changed_alarm(None, None, "id-2"), "run-1")
    bare = changed_alarm(None, None, None)
    assert identity(bare, "run-1") == identity(bare, "run-1") != identity(bare, "run-2")


def test_the_rest_of_an_alarms_name_may_hold_slashes() -> None:
    sent = event("alarm/business_kpi")
    sent["detail"]["alarmName"] = "drift/churn/retention/emea/east"
    assert taken(sent).model == "churn"


class Curious(FakeReader):
    """Keeps which endpoints it was asked for."""

    def model_of_endpoint(self, endpoint: str) -> str | None:
        self.asked = [*getattr(self, "asked", []), endpoint]
        return super().model_of_endpoint(endpoint)


@pytest.mark.parametrize("name", ["alarm/business_kpi", "drift_report/aws_sample_alert"])
def test_nobody_is_asked_for_the_model_of_no_endpoint(name: str) -> None:
    reader = Curious(models={"churn-prod": "churn"})
    signal_of(name, reader)
    assert not hasattr(reader, "asked")
    signal_of("drift_report/endpoint_only", reader)
    assert reader.asked == ["churn-prod"]


def measured(*, metrics: Any = None, reason: str = "It fell.", **data: Any) -> Threshold | None:
    """The threshold of an alarm with these metrics, reason and data of its reason."""
    sent = event("alarm/anomaly")
    sent["detail"]["alarmName"] = "drift/churn/score"
    sent["detail"]["state"] |= {"reason": reason, "reasonData": json.dumps(data)}
    if metrics is not None:
        sent["detail"]["configuration"]["metrics"] = metrics
    return taken(sent).threshold


def test_metric_math_is_named_by_its_label_or_else_by_its_expression() -> None:
    labelled = {"id": "e1", "expression": "MAX(METRICS())", "label": "max drift"}
    assert measured(metrics=[labelled]) == Threshold("max drift", None, None)
    del labelled["label"]
    assert measured(metrics=[labelled]) == Threshold("MAX(METRICS())", None, None)


def test_an_alarm_has_whatever_is_known_of_metric_value_and_limit() -> None:
    assert measured(metrics=[]) is None
    assert measured(metrics=[], recentDatapoints=[0.1, 0.9]) == Threshold(None, 0.9, None)
    assert measured(metrics=[], threshold=0.2) == Threshold(None, None, 0.2)
    assert measured(recentDatapoints=[0.1, 0.9]) == Threshold("MeanScore", 0.9, None)


@pytest.mark.parametrize(
    ("points", "lower", "upper"),
    [
        ([0.91, 0.5], [0.2, 0.2], [0.6, 0.6]),
        ([0.91, 0.6], [0.2, 0.2], [0.6, 0.6]),
        ([0.91, 0.2], [0.2, 0.2], [0.6, 0.6]),
        ([0.91, None], [0.2, 0.2], [0.6, 0.6]),
        ([0.91, 0.5], [0.2, 0.2], [0.6]),
        ([0.91, 0.5], [0.2], [0.6, 0.6]),
    ],
)
def test_only_a_point_outside_its_band_counts(
    points: list[float | None], lower: list[float], upper: list[float]
) -> None:
    data: dict[str, Any] = {"recentDatapoints": points}
    data |= {"recentLowerThresholds": lower, "recentUpperThresholds": upper}
    assert measured(**data) == Threshold("MeanScore", 0.91, 0.6)


def test_a_band_says_nothing_of_an_alarm_on_missing_data() -> None:
    data: dict[str, Any] = {"recentDatapoints": [0.91]}
    data |= {"recentLowerThresholds": [0.2], "recentUpperThresholds": [0.6]}
    assert measured(**data) == Threshold("MeanScore", 0.91, 0.6)
    reason = "Threshold Crossed: no datapoints were received for 1 period."
    assert measured(reason=reason, **data) == Threshold("MeanScore", None, None)


def test_a_datapoint_that_is_no_number_hides_none_of_the_others() -> None:
    assert measured(recentDatapoints=[float("nan"), 0.91], threshold=0.6) == Threshold("MeanScore", 0.91, 0.6)


def test_reason_data_nested_too_deep_is_none() -> None:
    sent = event("alarm/business_kpi")
    sent["detail"]["state"]["reasonData"] = "[" * 100_000
    assert taken(sent).threshold == Threshold("RetentionRate", None, None)


def test_alarms_without_an_address_are_told_apart_by_their_names() -> None:
    one, another = event("alarm/business_kpi"), event("alarm/business_kpi")
    one["resources"] = another["resources"] = []
    another["detail"]["alarmName"] = "drift/churn/revenue"
    assert identity(one) != identity(another)


@pytest.mark.parametrize("name", ["", "  ", 7])
def test_an_alarm_without_a_name_is_rejected(name: Any) -> None:
    sent = event("alarm/metric")
    sent["detail"]["alarmName"] = name
    found = read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "NO_ALARM_NAME"


def test_a_model_dimension_wins_over_the_endpoint_and_the_name() -> None:
    changed = event("alarm/business_kpi")
    changed["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]["dimensions"] = {
        "EndpointName": "churn-prod",
        "ModelName": "fraud",
    }
    found = read_signal(changed, reader=reader_for("alarm/metric"), settings=SETTINGS, run_id="r")
    assert isinstance(found, Signal)
    assert (found.model, found.endpoint) == ("fraud", "churn-prod")


REPORTS = {
    "drift_report/ours": (Threshold("psi_tenure", 0.37, 0.2), None, SignalKind.DRIFT),
    "drift_report/lower_is_worse": (Threshold("auc", 0.7, 0.8, lower_is_worse=True), None, SignalKind.DRIFT),
    "drift_report/own_severity": (Threshold("psi_plan", 0.37, 0.2), Severity.CRITICAL, SignalKind.DRIFT),
    "drift_report/endpoint_only": (Threshold("psi_tenure", 0.37, 0.2), None, SignalKind.DRIFT),
    "drift_report/numbers_as_strings": (Threshold("psi_tenure", 0.37, 0.2), None, SignalKind.DRIFT),
    "drift_report/aws_sample_alert": (
        Threshold("drift_share (credit_limit, merchant_category_code)", 0.36, None),
        Severity.CRITICAL,
        SignalKind.DRIFT,
    ),
    "drift_report/aws_sample_alert_with_model": (
        Threshold("drift_share (credit_limit)", 0.36, 0.3),
        Severity.WARNING,
        SignalKind.DRIFT,
    ),
    "drift_report/performance_alert": (
        Threshold("roc_auc", 0.69, 0.92, lower_is_worse=True),
        None,
        SignalKind.DRIFT,
    ),
    "drift_report/evidently_0_4": (Threshold("share_of_drifted_columns", 0.6, 0.5), None, SignalKind.DRIFT),
    "drift_report/evidently_0_7": (Threshold("share_of_drifted_columns", 0.6, 0.5), None, SignalKind.DRIFT),
    "drift_report/evidently_0_7_without_config": (
        Threshold("share_of_drifted_columns", 0.6, 0.5),
        None,
        SignalKind.DRIFT,
    ),
    "drift_report/evidently_no_drift": (Threshold("share_of_drifted_columns", 0.06, 0.5), None, SignalKind.NO_DRIFT),
    "drift_report/evidently_result": (Threshold("share_of_drifted_columns", 0.1, 0.5), None, SignalKind.NO_DRIFT),
    "drift_report/report_uri_with_dots": (Threshold("psi_tenure", 0.37, 0.2), None, SignalKind.DRIFT),
    "drift_report/feature_name_not_ascii": (Threshold("größe_der_bestellung", 0.37, 0.2), None, SignalKind.DRIFT),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_drift_report_of_any_known_shape_gives_a_signal(name: str) -> None:
    threshold, severity, kind = REPORTS[name]
    found = signal_of(name)
    assert (found.source, found.model) == (SignalSource.DRIFT_REPORT, "churn")
    assert (found.threshold, found.severity, found.kind) == (threshold, severity, kind)


def test_a_drift_report_carries_endpoint_dataset_and_report() -> None:
    found = signal_of("drift_report/ours")
    assert found.endpoint == "churn-prod"
    assert found.dataset == Dataset(
        "s3://amzn-s3-demo-bucket/capture/churn-prod/2026/03/02/10/", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"
    )
    assert found.report_uri == "s3://amzn-s3-demo-bucket/reports/churn/2026-03-02T11.json"


def reported(**detail: Any) -> dict[str, Any]:
    return {**drift(), "detail": detail}


@pytest.mark.parametrize(
    ("comparison", "lower"),
    [
        ("less_than", True),
        ("LOWER_IS_WORSE", True),
        ("LessThanThreshold", True),
        ("LessThanOrEqualToThreshold", True),
        ("<", True),
        ("<=", True),
        (">", False),
        ("GreaterThanThreshold", False),
        (None, False),
    ],
)
def test_a_report_says_whether_lower_is_worse(comparison: str | None, *, lower: bool) -> None:
    assert taken(drift(comparison=comparison)).threshold == Threshold("psi", 0.9, 0.2, lower_is_worse=lower)


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        ("ks_p_value", True),
        ("K-S p_value", True),
        ("age_ks_pvalue", True),
        ("roc_auc", True),
        ("f1", True),
        ("rmse", False),
        ("log_loss", False),
        ("psi_tenure", False),
        ("wasserstein", False),
        ("our own", False),
        (None, False),
    ],
)
def test_where_a_report_does_not_say_whether_lower_is_worse_its_metric_does(metric: str | None, *, lower: bool) -> None:
    found = taken(reported(model="churn", metric=metric, observed=0.4, threshold=0.5)).threshold
    assert found is not None
    assert found.lower_is_worse is lower
    said = taken(reported(model="churn", metric=metric, observed=0.4, threshold=0.5, comparison=">")).threshold
    assert said is not None
    assert not said.lower_is_worse


@pytest.mark.parametrize(
    "detail",
    [
        {"drift_detected": False, "share_of_drifted_columns": 0.0},
        {"dataset_drift_detected": False, "share_of_drifted_columns": 0.1},
        {"alert_type": "DATA_DRIFT_CHECK", "drift_share": 0.0, "drifted_features": []},
        {"drifted_columns_share": 0.0},
        {"drift_detected": False, "metric": "psi", "observed": 0.1},
        {"is_drift": False, "severity": "none"},
        {"drift_detected": False},
    ],
)
def test_what_says_that_nothing_drifted_is_no_drift(detail: dict[str, Any]) -> None:
    found = taken(reported(model="m", **detail))
    assert found.kind is SignalKind.NO_DRIFT
    assert severity_of(found, DEFAULT) is Severity.INFO


WORDS = [
    "drift_detected",
    "dataset_drift",
    "dataset_drift_detected",
    "data_drift_detected",
    "model_drift_detected",
    "concept_drift_detected",
    "target_drift_detected",
    "prediction_drift_detected",
    "is_drift",
    "is_drifted",
    "has_drift",
    "drifted",
]


@pytest.mark.parametrize("word", WORDS)
def test_a_senders_own_word_is_read_under_each_of_its_usual_names(word: str) -> None:
    assert taken(reported(model="m", **{word: False})).kind is SignalKind.NO_DRIFT
    assert taken(reported(model="m", **{word: True})).kind is SignalKind.DRIFT
    # What is no word says nothing.
    assert (
        taken(reported(model="m", metric="psi", observed=0.1, threshold=0.2, **{word: "no"})).kind is SignalKind.DRIFT
    )


@pytest.mark.parametrize(("metric", "calm"), [("psi", True), ("p_value", False), ("x", False)])
def test_a_distance_of_nothing_is_no_drift_and_no_other_number_says_anything_without_a_threshold(
    metric: str, calm: bool
) -> None:
    def read(**measured: float) -> Any:
        sent = reported(model="m", metric=metric, **measured)
        return read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")

    nothing = read(observed=0)
    assert nothing.kind is SignalKind.NO_DRIFT if calm else isinstance(nothing, Rejection)
    assert read(observed=0, threshold=0.1).kind is SignalKind.DRIFT
    assert isinstance(read(observed=0.1), Rejection)


def test_one_word_that_it_drifted_outweighs_all_that_it_did_not() -> None:
    found = taken(
        reported(model="m", data_drift_detected=False, model_drift_detected=True, share_of_drifted_columns=0.0)
    )
    assert found.kind is SignalKind.DRIFT


@pytest.mark.parametrize("key", ["treshold", "Threshold", "threshhold", "thresh"])
def test_a_report_whose_threshold_is_mistyped_trains_nothing(key: str) -> None:
    sent = reported(model="m", metric="psi", observed=0.9, **{key: 0.2})
    found = read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "NO_MEASUREMENT"
    assert f"has a key '{key}' and none 'threshold'" in found.sentence
    assert found.model == "m"
    assert taken(reported(model="m", metric="psi", observed=0.9, threshold=0.2, **{key: 0.3}))
    other = reported(model="m", metric="psi", observed=0.9, baseline_threshold=0.2)
    found = read_signal(other, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert "did you mean" not in found.sentence


@pytest.mark.parametrize("key", ["observd", "Observed", "obseved"])
def test_a_report_whose_observed_value_is_mistyped_trains_nothing(key: str) -> None:
    sent = reported(model="m", metric="psi", threshold=0.2, **{key: 0.9})
    found = read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert f"has a key '{key}' and none 'observed'" in found.sentence
    # What is there and is no number is not mistyped.
    sent = reported(model="m", metric="psi", threshold=0.2, observed="n/a")
    found = read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert "observed 'n/a' is no number" in found.sentence


@pytest.mark.parametrize(
    "said", [{}, {"drift_detected": False}, {"observed": None}, {"threshold": 0.2}, {"thresold": 0.2}]
)
def test_a_monitor_that_could_not_measure_is_no_drift_and_not_its_absence(said: dict[str, Any]) -> None:
    found = taken(reported(model="m", error="ClientError: no objects below s3://data/2026-03-02/", **said))
    assert found.kind is SignalKind.MONITOR_FAILURE
    assert found.summary == "The monitor of m failed: ClientError: no objects below s3://data/2026-03-02/"
    verdict = decide(found, DEFAULT, ModelState(), datetime(2026, 3, 2, tzinfo=UTC))
    assert (verdict.decision, verdict.reason) == (Decision.HOLD, Reason.MONITOR_FAILED)


@pytest.mark.parametrize("said", [{"observed": 0.9, "threshold": 0.2}, {"drift_detected": True}])
def test_what_was_measured_counts_whatever_failed_besides(said: dict[str, Any]) -> None:
    assert taken(reported(model="m", error="one column was text", **said)).kind is SignalKind.DRIFT


@pytest.mark.parametrize("error", ["", "  ", None, 0.4, False, [], {}])
def test_no_error_is_no_reason(error: Any) -> None:
    found = read_signal(reported(model="m", error=error), reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert "or error if nothing could be measured" in found.sentence


def test_of_a_reason_300_characters_are_kept() -> None:
    assert taken(reported(model="m", error="x" * 301)).summary == f"The monitor of m failed: {'x' * 300}"


def test_a_window_that_is_measured_after_it_failed_is_another_signal() -> None:
    failed = reported(model="m", dedupe_key="monday", error="no data")
    measured = reported(model="m", dedupe_key="monday", drift_detected=False)
    assert identity(failed) == identity(failed) != identity(measured)


@pytest.mark.parametrize("detail_type", ["Drift detected", "drift detected", "DRIFT DETECTED"])
def test_a_detail_type_is_read_whichever_letters_are_capitals(detail_type: str) -> None:
    assert taken({**drift(), "detail-type": detail_type}).kind is SignalKind.DRIFT
    asked = {**event("manual_request/request"), "detail-type": "retraining Requested"}
    assert taken(asked).kind is SignalKind.REQUEST
    other = {**drift(), "detail-type": detail_type, "source": "aws.sagemaker"}
    assert isinstance(read_signal(other, reader=FakeReader(), settings=SETTINGS, run_id="r"), Rejection)
    assert isinstance(
        read_signal({**drift(), "detail-type": 7}, reader=FakeReader(), settings=SETTINGS, run_id="r"), Rejection
    )


SAMPLE = {
    "endpoint_name": "m",
    "data_drift_detected": True,
    "drifted_columns_share": 0.4,
    "model_drift_detected": True,
    "baseline_roc_auc": 0.92,
    "current_roc_auc": 0.81,
}


def test_what_the_monitor_of_awss_sample_sends_is_read_with_the_worse_of_its_numbers() -> None:
    found = taken(reported(**{**SAMPLE, "model": "m"}))
    assert found.threshold == Threshold("roc_auc", 0.81, 0.92, lower_is_worse=True)
    assert (found.kind, found.endpoint) == (SignalKind.DRIFT, "m")
    rmse = taken(reported(model="m", model_drift_detected=True, baseline_rmse=2.0, current_rmse=5.0))
    assert rmse.threshold == Threshold("rmse", 5.0, 2.0, lower_is_worse=False)
    halves: list[dict[str, Any]] = [
        {"current_auc": 0.8},
        {"baseline_auc": 0.9},
        {"auc": 0.8, "baseline_auc": 0.9},
        {"current_auc": "x", "baseline_auc": 1},
    ]
    for half in halves:
        read_half = read_signal(reported(model="m", **half), reader=FakeReader(), settings=SETTINGS, run_id="r")
        assert isinstance(read_half, Rejection), half
    calm = {
        **SAMPLE,
        "model": "m",
        "data_drift_detected": False,
        "model_drift_detected": False,
        "current_roc_auc": 0.92,
    }
    assert taken(reported(**calm)).kind is SignalKind.NO_DRIFT


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        *((word, Severity.INFO) for word in ("info", "low", "none")),
        *((word, Severity.WARNING) for word in ("warning", "warn", "medium", "moderate")),
        *((word, Severity.CRITICAL) for word in ("critical", "high", "severe")),
        ("somehow", None),
        (None, None),
    ],
)
def test_a_report_says_its_severity_in_any_of_the_known_words(word: str | None, severity: Severity | None) -> None:
    assert taken(drift(severity=word)).severity is severity


def test_a_known_severity_stands_for_a_measurement_and_an_unknown_one_does_not() -> None:
    found = taken(reported(model="churn", severity="High"))
    assert (found.severity, found.threshold) == (Severity.CRITICAL, Threshold(None, None, None))
    refused = read_signal(
        reported(model="churn", severity="somehow"), reader=FakeReader(), settings=SETTINGS, run_id="run-1"
    )
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.model) == ("NO_MEASUREMENT", "churn")


def test_a_report_names_model_endpoint_and_place_by_either_word() -> None:
    found = taken(
        reported(model_name="fraud", endpoint_name="fraud-prod", report_s3_uri="s3://bucket/r.json", drifted=True)
    )
    assert (found.model, found.endpoint, found.report_uri) == ("fraud", "fraud-prod", "s3://bucket/r.json")


def test_a_report_is_on_the_model_it_names_whatever_its_endpoint_serves() -> None:
    reader = FakeReader(models={"churn-prod": "churn"})
    assert taken(drift("fraud", endpoint="churn-prod"), reader).model == "fraud"


def test_only_an_alert_that_names_nothing_is_on_the_default_model() -> None:
    alert = {"alert_type": "DATA_DRIFT_DETECTED", "drift_share": 0.36}
    assert taken(reported(**alert)).model == "churn"
    assert taken(reported(**alert, model="fraud")).model == "fraud"
    found = read_signal(reported(**alert, endpoint="nobodys"), reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "NO_MODEL"


def test_a_report_is_told_in_a_sentence_with_its_time_and_context() -> None:
    found = taken(drift(message="Look at February."))
    assert found.summary == "Drift report on churn: psi is 0.9 against a threshold of 0.2."
    assert (found.observed_at, found.context) == ("2026-03-02T11:59:00Z", "Look at February.")
    assert taken(drift(description="A new plan.")).context == "A new plan."
    assert taken(drift(message="Look at February.", description="A new plan.")).context == "Look at February."

    least = taken({**reported(model="churn", severity="high"), "time": None})
    assert least.summary == "Drift report on churn: it gives no numbers."
    assert (least.observed_at, least.context) == ("", "")


FEATURES = [*({"feature": name} for name in "abc"), "d", {"feature_name": "e"}, {"name": "f"}]


@pytest.mark.parametrize(
    ("detail", "threshold"),
    [
        ({"drift_share": 0.36}, Threshold("drift_share", 0.36, None)),
        ({"alert_type": "x"}, Threshold(None, None, None)),
        ({"alert_type": "x", "drifted_features": FEATURES}, Threshold(None, None, None)),
        ({"drift_share": 0.36, "drifted_features": FEATURES}, Threshold("drift_share (a, b, c, d, e)", 0.36, None)),
        ({"drift_share": 0.36, "drifted_features": FEATURES[4:]}, Threshold("drift_share (e, f)", 0.36, None)),
        ({"drift_share": 0.36, "threshold": 0.3}, Threshold("drift_share", 0.36, 0.3)),
        ({"drift_share": 0.36, "drift_threshold": 0.2, "threshold": 0.3}, Threshold("drift_share", 0.36, 0.2)),
        ({"alert_type": "x", "metric": "f1", "degradation": 0.2}, Threshold("f1", 0.2, None)),
        ({"alert_type": "x", "metric_name": "f1", "degradation": 0.2}, Threshold("f1", 0.2, None)),
        ({"alert_type": "x", "degradation": 0.2, "baseline_value": 0.1}, Threshold(None, 0.2, 0.1)),
        ({"alert_type": "x", "current_value": 0.2, "threshold": 0.1}, Threshold(None, 0.2, 0.1)),
        (
            {"alert_type": "x", "current_value": 0.2, "baseline_value": 0.3},
            Threshold(None, 0.2, 0.3, lower_is_worse=True),
        ),
        (
            {
                "alert_type": "x",
                "metric_name": "roc_auc",
                "current_value": 0.45,
                "baseline_value": 0.9,
                "threshold": 0.05,
            },
            Threshold("roc_auc", 0.45, 0.9, lower_is_worse=True),
        ),
        (
            {"alert_type": "x", "metric_name": "rmse", "current_value": 5, "baseline_value": 10},
            Threshold("rmse", 5.0, 10.0),
        ),
        (
            {"alert_type": "x", "metric_name": "our own", "current_value": 5, "baseline_value": 10},
            Threshold("our own", 5.0, 10.0, lower_is_worse=True),
        ),
        (
            {"drift_share": 0.36, "current_value": 0.2, "baseline_value": 0.3},
            Threshold(None, 0.2, 0.3, lower_is_worse=True),
        ),
    ],
)
def test_an_alert_is_measured_by_its_share_or_its_degraded_metric(detail: dict[str, Any], threshold: Threshold) -> None:
    assert taken(reported(**detail)).threshold == threshold


@pytest.mark.parametrize(
    ("metric", "now", "drifts"),
    [("roc_auc", 0.45, True), ("roc_auc", 0.95, False), ("rmse", 20, True), ("rmse", 0.5, False)],
)
def test_the_words_of_an_alert_on_a_metric_are_read_without_its_type(metric: str, now: float, drifts: bool) -> None:
    sent = reported(model="churn", metric_name=metric, current_value=now, baseline_value=0.9)
    threshold = taken(sent).threshold
    assert threshold == Threshold(metric, now, 0.9, lower_is_worse=metric == "roc_auc")
    assert threshold.ratio is not None
    assert (threshold.ratio > 1) is drifts


@pytest.mark.parametrize(
    ("said", "kind"), [(True, SignalKind.DRIFT), (False, SignalKind.NO_DRIFT), (None, SignalKind.DRIFT)]
)
def test_an_alert_is_drift_unless_it_says_otherwise(said: bool | None, kind: SignalKind) -> None:
    assert taken(reported(drift_share=0.36, drift_detected=said)).kind is kind


@pytest.mark.parametrize(
    ("result", "threshold", "kind"),
    [
        ({"dataset_drift": True, "drift_share": 0.5}, (None, 0.5), SignalKind.DRIFT),
        ({"dataset_drift": True}, (None, None), SignalKind.DRIFT),
        ({"dataset_drift": False}, (None, None), SignalKind.NO_DRIFT),
        ({"share_of_drifted_columns": 0.6, "drift_share": 0.5}, (0.6, 0.5), SignalKind.DRIFT),
        ({"share_of_drifted_columns": 0}, (0.0, None), SignalKind.NO_DRIFT),
    ],
)
def test_evidentlys_result_is_understood_alone_and_in_a_report_whichever_half_it_has(
    result: dict[str, Any], threshold: tuple[float | None, float | None], kind: SignalKind
) -> None:
    table = {"metric": "DataDriftTable", "result": {"drift_by_columns": {}}}
    for detail in (result, {"metrics": [{"metric": "DatasetDriftMetric", "result": result}, table]}):
        found = taken(reported(model="churn", **detail))
        assert found.threshold == Threshold("share_of_drifted_columns", *threshold)
        assert found.kind is kind


def column_share(name: str | None, share: float | None, **more: Any) -> dict[str, Any]:
    return {"metric_name": name, "value": {"share": share}, **more}


@pytest.mark.parametrize(
    ("metrics", "observed", "limit", "kind"),
    [
        ([column_share("DriftedColumnsCount(drift_share=0.5)", 0.5)], 0.5, 0.5, SignalKind.DRIFT),
        ([column_share("DriftedColumnsCount(drift_share=0.5)", 0.49)], 0.49, 0.5, SignalKind.NO_DRIFT),
        ([column_share(None, 0.6, metric_id="DriftedColumnsCount(drift_share=0.5)")], 0.6, 0.5, SignalKind.DRIFT),
        (
            [column_share("DriftedColumnsCount(drift_share=0.5)", 0.6, config={"drift_share": 0.7})],
            0.6,
            0.7,
            SignalKind.NO_DRIFT,
        ),
        ([column_share("DriftedColumnsCount()", 0)], 0, None, SignalKind.NO_DRIFT),
        (
            [
                column_share(None, 0.1),
                column_share("MissingValueCount(column=age)", 0.2),
                column_share("DriftedColumnsCount(drift_share=0.5)", None),
                column_share("DriftedColumnsCount(drift_share=0.4)", 0.6),
            ],
            0.6,
            0.4,
            SignalKind.DRIFT,
        ),
    ],
)
def test_the_share_and_its_limit_are_found_among_evidentlys_metrics(
    metrics: list[dict[str, Any]], observed: float, limit: float | None, kind: SignalKind
) -> None:
    found = taken(reported(model="churn", metrics=metrics))
    assert found.threshold == Threshold("share_of_drifted_columns", observed, limit)
    assert found.kind is kind


def test_no_other_of_evidentlys_metrics_is_a_share_of_drifted_columns() -> None:
    sent = reported(model="churn", metrics=[column_share("MissingValueCount(column=age)", 0.9)])
    found = read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "NO_MEASUREMENT"


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ({"dedupe_key": "monday"}, {"dedupe_key": "tuesday"}),
        ({"monitoring_run_id": "drift-1"}, {"monitoring_run_id": "drift-2"}),
        ({"dedupe_key": "monday"}, {"dedupe_key": "monday", "model": "fraud"}),
        ({"dedupe_key": "monday"}, {"dedupe_key": "monday", "model": None, "endpoint": "churn-prod", "metric": "auc"}),
        ({"dataset": {"window_end": "11"}}, {"dataset": {"window_end": "12"}}),
        ({"report_uri": "s3://bucket/11.json"}, {"report_uri": "s3://bucket/12.json"}),
    ],
)
def test_a_report_is_known_by_the_senders_key_or_its_window_or_its_place(
    one: dict[str, Any], another: dict[str, Any]
) -> None:
    first = identity({**drift(**one), "id": "id-1"}, "run-1")
    assert first == identity({**drift(**one), "id": "id-2"}, "run-2")
    assert first != identity({**drift(**another), "id": "id-1"}, "run-1")


@pytest.mark.parametrize(
    "other",
    [
        {"observed": 0.8},
        {"observed": None},
        {"threshold": 0.3},
        {"comparison": "less_than"},
        {"metric": "auc"},
        {"severity": "critical"},
        {"alert_type": "x", "drift_detected": False},
        {"dataset_drift": False},
    ],
)
def test_under_the_same_key_a_report_that_says_something_else_is_another_signal(other: dict[str, Any]) -> None:
    """So one that is harmless never makes the one with real drift a duplicate, whichever comes first."""
    first = identity({**drift(dedupe_key="monday"), "id": "id-1"}, "run-1")
    assert first == identity({**drift(dedupe_key="monday"), "id": "id-2"}, "run-2")
    assert first != identity({**drift(dedupe_key="monday", **other), "id": "id-1"}, "run-1")


def test_under_the_same_key_models_that_a_report_names_by_endpoint_or_not_at_all_are_told_apart() -> None:
    reader = FakeReader(models={"churn-prod": "churn", "fraud-prod": "fraud"})
    alert = {"alert_type": "DATA_DRIFT_DETECTED", "drift_share": 0.36, "dedupe_key": "monday"}
    of_default, of_churn, of_fraud = (
        taken(reported(**alert, **more), reader)
        for more in ({}, {"endpoint": "churn-prod"}, {"endpoint": "fraud-prod"})
    )
    assert (of_default.model, of_churn.model, of_fraud.model) == ("churn", "churn", "fraud")
    assert of_default.signal_id == of_churn.signal_id != of_fraud.signal_id


@pytest.mark.parametrize("sent", [drift(dedupe_key="monday"), drift(report_uri="s3://bucket/11.json")])
def test_under_the_same_key_reports_of_two_accounts_are_two_signals(sent: dict[str, Any]) -> None:
    first = identity({**sent, "account": "111122223333"})
    assert first == identity({**sent, "account": "111122223333"}) != identity({**sent, "account": "444455556666"})


def asked(event_id: str = "id-1", **detail: Any) -> dict[str, Any]:
    sent: dict[str, Any] = event("manual_request/request")
    return {**sent, "id": event_id, "detail": {**sent["detail"], "dedupe_key": "monday", **detail}}


@pytest.mark.parametrize(
    "other", [asked(model="fraud"), asked(force=True), asked(dedupe_key="tuesday"), {**asked(), "account": "4" * 12}]
)
def test_a_request_is_known_by_its_model_its_key_its_sender_and_by_wanting_to_force(other: dict[str, Any]) -> None:
    first = identity(asked(), "run-1")
    assert first == identity(asked("id-2", reason="The same key, other words."), "run-2")
    assert first != identity(other, "run-1")
    assert first != identity(drift(dedupe_key="monday", model="churn"), "run-1")


@pytest.mark.parametrize(
    "change",
    [
        {"source": SignalSource.MANUAL_REQUEST},
        {"kind": SignalKind.REQUEST},
        {"model": "fraud"},
        {"severity": Severity.INFO},
        {"threshold": None},
        {"force": True},
        {"proven_by": "arn:ana"},
    ],
)
def test_an_id_is_made_of_all_that_sets_the_strength_of_a_signal(change: dict[str, Any]) -> None:
    found = taken(drift())
    assert (
        found.named("monday").signal_id == replace(found, summary="Other words.", context="x").named("monday").signal_id
    )
    assert replace(found, **change).named("monday").signal_id != found.named("monday").signal_id
    assert found.named("mon", "day").signal_id != found.named("monday").signal_id


SHARED_KEY = {"dedupe_key": "monday"}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a report of no model": (reported(**SHARED_KEY, observed=0.9, threshold=0.2), drift(**SHARED_KEY)),
    "a report without numbers": (reported(**SHARED_KEY, model="churn"), drift(**SHARED_KEY)),
    "a report of an illegal model": (drift(model="../churn", **SHARED_KEY), drift(**SHARED_KEY)),
    "a report with the same event id": (reported(model="churn"), drift()),
    "a request without a reason": (asked(reason=None), asked()),
    "a request of no model": (asked(model=None), asked()),
    "an alarm of no model": (
        {**event("alarm/business_kpi"), "detail": {**event("alarm/business_kpi")["detail"], "alarmName": "drift/x"}},
        event("alarm/business_kpi"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_was_rejected_is_not_in_the_way_of_a_good_event_with_the_same_key(name: str) -> None:
    bad, good = REFUSED[name]
    refused = read_signal(bad, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(refused, Rejection)
    assert identity(bad, "run-2") == refused.signal_id != taken(good).signal_id


def test_of_two_rejected_events_with_the_same_key_each_is_told() -> None:
    one, another = asked(reason=None), asked(requested_by=None)
    assert identity(one) == identity({**one, "id": "id-2"}) != identity(another)


def test_a_decision_file_or_a_report_that_was_rejected_is_read_once_it_is_mended() -> None:
    name = "model_monitor/drifted"
    unreadable = read(name, reader_for(name, Unreadable.ACCESS_DENIED))
    assert isinstance(unreadable, Rejection)
    assert unreadable.signal_id != signal_of(name, reader_for(name, report(DRIFTED))).signal_id


@pytest.mark.parametrize(
    ("detail", "threshold", "kind"),
    [
        # Numbers beside a shape that does not read them.
        (
            {"dataset_drift": False, "metric": "psi", "observed": 0.9, "threshold": 0.2},
            Threshold("psi", 0.9, 0.2),
            SignalKind.NO_DRIFT,
        ),
        (
            {"drift_share": 0.1, "drift_threshold": 0.5, "metric": "psi", "observed": 0.9, "threshold": 0.2},
            Threshold("psi", 0.9, 0.2),
            SignalKind.DRIFT,
        ),
        (
            {"alert_type": "x", "drift_detected": False, "share_of_drifted_columns": 0.9, "drift_share": 0.3},
            Threshold("share_of_drifted_columns", 0.9, 0.3),
            SignalKind.NO_DRIFT,
        ),
        (
            {"metrics": [], "metric": "psi", "observed": 0.1, "threshold": 0.2},
            Threshold("psi", 0.1, 0.2),
            SignalKind.DRIFT,
        ),
        # A number without a threshold counts as one that is at it.
        (
            {"share_of_drifted_columns": 0.9, "metric": "psi", "observed": 0.3, "threshold": 0.2},
            Threshold("psi", 0.3, 0.2),
            SignalKind.DRIFT,
        ),
        (
            {"share_of_drifted_columns": 0.9, "metric": "psi", "observed": 0.1, "threshold": 0.2},
            Threshold("share_of_drifted_columns", 0.9, None),
            SignalKind.DRIFT,
        ),
        # One of the shapes says that it drifted.
        (
            {"alert_type": "x", "drift_detected": True, "dataset_drift": False},
            Threshold("x", None, None),
            SignalKind.DRIFT,
        ),
        # Twice in one report.
        (
            {
                "metrics": [
                    {"metric_name": "DriftedColumnsCount(drift_share=0.5)", "value": {"share": 0.1}},
                    {"metric_name": "DriftedColumnsCount(drift_share=0.5)", "value": {"share": 0.8}},
                ]
            },
            Threshold("share_of_drifted_columns", 0.8, 0.5),
            SignalKind.DRIFT,
        ),
    ],
)
def test_the_shape_a_sender_chooses_hides_no_worse_numbers(
    detail: dict[str, Any], threshold: Threshold, kind: SignalKind
) -> None:
    found = taken(reported(model="churn", **detail))
    assert found.threshold is not None
    assert (found.threshold.observed, found.threshold.threshold) == (threshold.observed, threshold.threshold)
    assert found.kind is kind
    assert (found.threshold is None) == ("requested_by" in detail)


def test_nothing_in_an_event_proves_who_asks() -> None:
    sent = asked(proven_by="root", requested_by="ana@example.com")
    found = taken({**sent, "proven_by": "root"})
    assert found.proven_by is None
    assert found.summary.startswith("Somebody who gives the name ana@example.com asks for retraining: ")
    assert taken(drift(proven_by="root", requested_by="ana", force=True)).proven_by is None


def test_who_was_proven_to_ask_is_known_when_the_request_comes_back() -> None:
    kept = {**PENDING, "signal": {**PENDING["signal"], "kind": "request", "proven_by": "arn:ana"}}  # type: ignore[dict-item] # PENDING is untyped
    back = taken(event("pending/due"), FakeReader(pending={"churn": kept}))
    assert (back.kind, back.proven_by) == (SignalKind.REQUEST, "arn:ana")
    assert taken(event("pending/due"), FakeReader(pending={"churn": PENDING})).proven_by is None


def test_all_who_asked_are_known_when_what_they_asked_for_comes_back_as_one() -> None:
    kept = {**PENDING, "asked_by": ["arn:ana", "arn:bob"]}
    assert taken(event("pending/due"), FakeReader(pending={"churn": kept})).asked_by == ("arn:ana", "arn:bob")
    assert taken(event("pending/due"), FakeReader(pending={"churn": PENDING})).asked_by == ()


def test_an_address_that_is_no_s3_address_or_climbs_up_is_left_out() -> None:
    found = signal_of("drift_report/report_uri_with_dots")
    assert found.report_uri is None
    assert found.dataset == Dataset(None, None, "1772449781000")


def test_a_report_on_the_same_window_is_the_same_signal_and_on_another_is_not() -> None:
    first, again, other = event("drift_report/ours"), event("drift_report/ours"), event("drift_report/ours")
    again["id"] = "another"
    other["detail"]["dataset"]["window_end"] = "2026-03-02T12:00:00Z"
    ids = [identity(sent) for sent in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]


def identity(sent: Any, run_id: str = "run-1") -> str:
    found = read_signal(sent, reader=FakeReader(models={"churn-prod": "churn"}), settings=SETTINGS, run_id=run_id)
    assert not isinstance(found, Ignored)
    return found.signal_id


def test_a_request_keeps_who_asks_and_why_and_is_forced_only_by_true() -> None:
    found = signal_of("manual_request/request")
    assert (found.kind, found.model, found.requested_by) == (SignalKind.REQUEST, "churn", "ana@example.com")
    assert found.summary.endswith('asks for retraining: "New labels for February".')
    assert not found.force
    assert (found.severity, found.observed_at) == (Severity.CRITICAL, event("manual_request/request")["time"])
    assert taken({**event("manual_request/request"), "time": None}).observed_at == ""
    assert signal_of("manual_request/forced").force
    assert not signal_of("manual_request/force_as_text").force


@pytest.mark.parametrize("missing", ["reason", "requested_by"])
def test_a_request_needs_both_a_reason_and_a_name(missing: str) -> None:
    sent = event("manual_request/request")
    del sent["detail"][missing]
    found = read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.sentence.startswith(f"The request lacks {missing}. ")
    assert found.model == "churn"


def test_a_request_is_known_by_the_senders_key() -> None:
    def request(key: str, event_id: str) -> dict[str, Any]:
        sent = event("manual_request/request")
        return {**sent, "id": event_id, "detail": {**sent["detail"], "dedupe_key": key}}

    assert taken(request("labels", "id-1")).content is None
    assert taken(event("manual_request/request")).content is not None
    first = identity(request("labels", "id-1"), "run-1")
    assert first == identity(request("labels", "id-2"), "run-2") != identity(request("more labels", "id-1"), "run-1")


KEPT = KeptRequest(
    "r-1", "churn", "New labels.", "arn:aws:iam::111122223333:user/ana", "2026-03-02T11:00:00Z", force=True
)


def named_request(**detail: Any) -> dict[str, Any]:
    return {"source": RETRAINING_SOURCE, "detail-type": RETRAINING_REQUESTED, "detail": detail}


def test_who_asked_is_told_of_what_asks_only() -> None:
    for kind, asker in (("request", "ana"), ("rollback", "ana"), ("drift", None)):
        assert asker_of({"kind": kind, "proven_by": "ana"}) == asker
    assert asker_of({"kind": "request", "proven_by": ""}) is None


def test_a_request_that_was_kept_is_of_who_was_proven_to_make_it_whatever_the_event_says() -> None:
    told = named_request(request="r-1", model="fraud", requested_by="root", proven_by="root", force=False)
    found = taken(told, FakeReader(requests=[KEPT]))
    assert (found.source, found.kind, found.severity) == (
        SignalSource.MANUAL_REQUEST,
        SignalKind.REQUEST,
        Severity.CRITICAL,
    )
    assert (found.model, found.observed_at, found.force) == ("churn", KEPT.at, True)
    assert (found.requested_by, found.proven_by) == (KEPT.by, KEPT.by)
    assert found.summary == f'{KEPT.by} asks for retraining: "New labels.".'
    for to, wanted in ((None, "the champion before"), ("run-7", "the model of run run-7")):
        back = replace(KEPT, takes_back="run-9", to=to)
        assert taken(told, FakeReader(requests=[back])).summary == f'{KEPT.by} asks for {wanted}: "New labels.".'


def test_a_request_that_was_kept_is_one_signal_however_often_it_is_told_of() -> None:
    reader = FakeReader(requests=[KEPT, replace(KEPT, request_id="r-2")])
    sent = [
        {**named_request(request=name), "id": event_id} for name, event_id in (("r-1", "a"), ("r-1", "b"), ("r-2", "a"))
    ]
    first, again, other = (taken(each, reader).signal_id for each in sent)
    assert first == again != other


@pytest.mark.parametrize("request_id", ["r-2", "", None, ["r-1"]])
def test_a_request_that_no_operator_made_is_rejected_with_what_to_do(request_id: Any) -> None:
    found = read_signal(
        named_request(request=request_id), reader=FakeReader(requests=[KEPT]), settings=SETTINGS, run_id="run-1"
    )
    assert isinstance(found, Rejection)
    assert found.reason == "REQUEST_UNKNOWN"
    assert found.sentence.endswith("Ask again from a terminal.")


@pytest.mark.parametrize("lower_is_worse", [True, False])
@pytest.mark.parametrize("kind", [SignalKind.KPI, SignalKind.DRIFT])
def test_what_was_kept_comes_back_with_everything_it_said(kind: SignalKind, lower_is_worse: bool) -> None:
    kept = Signal(
        signal_id="first",
        source=SignalSource.ALARM,
        kind=kind,
        model="churn",
        summary="auc is 0.7 against 0.8.",
        observed_at="2026-03-02T11:00:00Z",
        endpoint="churn-prod",
        dataset=Dataset("s3://bucket/window/", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"),
        threshold=Threshold("auc", 0.7, 0.8, lower_is_worse=lower_is_worse),
        severity=Severity.WARNING,
        report_uri="s3://bucket/report.json",
    )
    stored = {"signal": kept.as_record(), "severity": "critical", "count": 3}
    reader = FakeReader(pending={"churn": stored})
    back = read_signal(event("pending/due"), reader=reader, settings=SETTINGS, run_id="run-1")
    assert isinstance(back, Signal)
    assert (back.source, back.origin, back.kind) == (SignalSource.PENDING, SignalSource.ALARM, kind)
    assert (back.endpoint, back.dataset, back.threshold) == (kept.endpoint, kept.dataset, kept.threshold)
    assert (back.severity, back.report_uri, back.model) == (Severity.CRITICAL, kept.report_uri, "churn")
    assert back.summary == "3 signal(s) arrived while churn was busy; the latest: auc is 0.7 against 0.8."


def test_what_was_kept_and_comes_back_twice_is_still_of_who_raised_it() -> None:
    signal = {"kind": "drift", "source": "pending", "origin": "drift_report"}
    reader = FakeReader(pending={"churn": {"signal": signal, "severity": "warning"}})
    back = taken({**event("pending/due"), "time": "2026-03-02T12:00:00Z"}, reader)
    assert back.summary.startswith("1 signal(s) arrived")
    assert back.observed_at == "2026-03-02T12:00:00Z"
    assert taken({**event("pending/due"), "time": None}, reader).observed_at == ""
    assert (back.origin, back.threshold, back.dataset) == (SignalSource.DRIFT_REPORT, None, None)


def test_a_pending_signal_carries_the_worst_severity_and_the_latest_context() -> None:
    found = signal_of("pending/due")
    assert (found.source, found.kind, found.model) == (SignalSource.PENDING, SignalKind.DRIFT, "churn")
    assert (found.endpoint, found.severity) == ("churn-prod", Severity.WARNING)
    assert found.threshold == Threshold("psi", 0.37, 0.2)
    assert found.dataset == Dataset("s3://amzn-s3-demo-bucket/x/")
    assert found.summary.startswith("3 signal(s) arrived while churn was busy")


IGNORED = {
    "model_monitor/in_progress": "JOB_NOT_FINISHED",
    "model_monitor/status_is_a_list": "JOB_NOT_FINISHED",
    "model_monitor/baseline_job": "NOT_A_MONITOR_RUN",
    "model_monitor/merge_job": "MERGE_JOB",
    "model_monitor/unmanaged_endpoint": "UNMANAGED_ENDPOINT",
    "model_monitor/unknown_job": "JOB_UNKNOWN",
    "alarm/ok_transition": "ALARM_NOT_IN_ALARM",
    "alarm/insufficient_data": "ALARM_NOT_IN_ALARM",
    "alarm/other_prefix": "ALARM_NOT_OURS",
    "decision_file/other_object": "NOT_THE_DECISION_FILE",
    "decision_file/other_bucket": "NOT_THE_DECISION_FILE",
    "decision_file/key_is_null": "NOT_THE_DECISION_FILE",
    "pending/nothing_pending": "NOTHING_PENDING",
}

REJECTED = {
    "model_monitor/violations_file_missing": ("VIOLATIONS_UNREADABLE", "holds no constraint_violations.json"),
    "model_monitor/violations_file_broken": ("VIOLATIONS_UNREADABLE", "is not Model Monitor's JSON"),
    "model_monitor/violations_file_forbidden": ("VIOLATIONS_UNREADABLE", "s3:GetObject"),
    "model_monitor/no_job_name": ("NO_JOB_NAME", "ProcessingJobName"),
    "model_monitor/job_name_with_path": ("NO_JOB_NAME", "ProcessingJobName"),
    "model_monitor/detail_is_null": ("NO_JOB_NAME", "ProcessingJobName"),
    "alarm/no_alarm_name": ("NO_ALARM_NAME", "alarmName"),
    "alarm/names_no_model": ("NO_MODEL", "Endpoint, EndpointName, ModelName or Model"),
    "alarm/bad_model_dimension": ("NO_MODEL", "drift/<model>/<what>"),
    "drift_report/nan_numbers": ("NO_MEASUREMENT", "observed and threshold as JSON numbers"),
    "drift_report/no_measurement": ("NO_MEASUREMENT", "metric, observed and threshold"),
    "drift_report/no_model": ("NO_MODEL", "Send model"),
    "drift_report/model_is_null": ("NO_MODEL", "Send model"),
    "drift_report/unknown_endpoint": ("NO_MODEL", "retraining:model"),
    "drift_report/bad_model_name": ("BAD_MODEL_NAME", "'../../policies/churn'"),
    "drift_report/non_ascii_model_name": ("BAD_MODEL_NAME", "'kündigung'"),
    "drift_report/model_name_of_300_characters": ("BAD_MODEL_NAME", "1 to 63"),
    "drift_report/detail_is_a_list": ("NO_DETAIL", "not a JSON object"),
    "manual_request/without_reason": ("REQUEST_INCOMPLETE", "lacks reason."),
    "manual_request/without_anything": ("REQUEST_INCOMPLETE", "lacks reason and requested_by."),
    "manual_request/no_model": ("NO_MODEL", "not a legal model name"),
    "manual_request/bad_model_name": ("BAD_MODEL_NAME", "not a legal model name"),
    "manual_request/detail_is_text": ("NO_MODEL", "not a legal model name"),
    "pending/bad_model_name": ("BAD_MODEL_NAME", "'MODEL#churn'"),
    "pending/detail_is_null": ("BAD_MODEL_NAME", "not a legal model name"),
    "unknown/no_envelope": ("UNKNOWN_EVENT", "Send source 'mlops.drift'"),
    "unknown/other_source": ("UNKNOWN_EVENT", "'EC2 Instance State-change Notification'"),
    "unknown/not_an_object": ("NOT_AN_OBJECT", "a JSON array"),
    "unknown/lists_for_names": ("UNKNOWN_EVENT", "source None"),
}
VIOLATION_FILES: dict[str, bytes | Unreadable] = {
    "model_monitor/violations_file_broken": b'{"violations": "none"}',
    "model_monitor/violations_file_forbidden": Unreadable.ACCESS_DENIED,
}


@pytest.mark.parametrize("name", IGNORED)
def test_an_event_that_says_nothing_about_a_model_of_ours_is_ignored_with_its_reason(name: str) -> None:
    found = read(name)
    assert isinstance(found, Ignored), found
    assert found.reason == IGNORED[name]
    assert found.sentence.endswith(".")


@pytest.mark.parametrize("name", REJECTED)
def test_an_event_that_cannot_be_understood_is_rejected_with_what_to_fix(name: str) -> None:
    reason, hint = REJECTED[name]
    found = read(name, reader_for(name, VIOLATION_FILES.get(name, Unreadable.MISSING)))
    assert isinstance(found, Rejection), found
    assert found.reason == reason
    assert hint in found.sentence
    assert found.sentence.endswith(".")
    assert len(found.signal_id) == 32


def test_every_event_file_is_expected_somewhere() -> None:
    names = {f"{path.parent.name}/{path.stem}" for path in EVENTS.glob("*/*.json")}
    read_elsewhere = {name for name in names if name.startswith(("decision_file/", "manual_request/", "pending/"))}
    tables: list[dict[str, Any]] = [MONITORED, ALARMS, REPORTS, IGNORED, REJECTED]
    assert names - read_elsewhere <= {name for table in tables for name in table}
    for folder in ("model_monitor", "alarm", "drift_report", "decision_file", "manual_request", "pending"):
        assert sum(name.startswith(f"{folder}/") for name in names) >= 4


def of_bytes(size: int) -> dict[str, Any]:
    return drift(filler="x" * (size - len(canonical(drift(filler="")))))


def test_an_event_of_200_000_bytes_is_taken_and_one_more_is_rejected_before_it_is_read() -> None:
    assert len(canonical(of_bytes(200_000))) == 200_000
    taken = read_signal(of_bytes(200_000), reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(taken, Signal)
    found = read_signal(of_bytes(200_001), reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "EVENT_TOO_LARGE"
    assert "has 200001 bytes; at most 200000 are taken" in found.sentence
    assert "report_uri" in found.sentence


@pytest.mark.parametrize("started", [{}, {"comment": "x"}, {"Comment": "x"}, {"comment": "x", "Comment": "y"}])
def test_a_start_with_nothing_or_a_comment_has_the_decision_file_read(started: dict[str, str]) -> None:
    found = read_signal(started, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "DECISION_FILE_MISSING"


@pytest.mark.parametrize("more", [{"model": "churn"}, {"detail": {}}, {"source": None}, {"detail-type": None}])
def test_a_comment_beside_other_keys_is_no_start(more: dict[str, Any]) -> None:
    found = read_signal({"comment": "x", **more}, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "UNKNOWN_EVENT"


@pytest.mark.parametrize("wrong", [{"source": [DRIFT_SOURCE]}, {"detail-type": [DRIFT_DETECTED]}])
def test_an_event_whose_source_or_type_is_no_text_is_unknown(wrong: dict[str, Any]) -> None:
    found = read_signal({**drift(), **wrong}, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "UNKNOWN_EVENT"


def test_an_unknown_event_is_told_by_its_source_and_type() -> None:
    found = read("unknown/other_source")
    assert isinstance(found, Rejection)
    told = "an event from source 'aws.ec2' with detail-type 'EC2 Instance State-change Notification'."
    assert told in found.sentence


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "number"),
        (0.5, "number"),
        ("x", "string"),
        ([], "array"),
    ],
)
def test_what_is_no_object_is_told_by_its_kind(sent: Any, kind: str) -> None:
    found = read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")
    assert isinstance(found, Rejection)
    assert found.reason == "NOT_AN_OBJECT"
    assert found.sentence.startswith(f"The input is a JSON {kind}, not an object.")


ONCE_BY_ID = {
    "too large": of_bytes(300_000),
    "unknown": event("unknown/other_source"),
    "alarm without a name": event("alarm/no_alarm_name"),
    "monitoring run without a name": event("model_monitor/no_job_name"),
    "pending signal of no model": event("pending/bad_model_name"),
    "request without a key": event("manual_request/request"),
    "report without a window": drift(),
}


@pytest.mark.parametrize("name", ONCE_BY_ID)
def test_an_event_that_nothing_else_tells_apart_is_known_by_its_id_and_without_one_by_its_run(name: str) -> None:
    sent = ONCE_BY_ID[name]
    first, again = identity({**sent, "id": "id-1"}, "run-1"), identity({**sent, "id": "id-1"}, "run-2")
    assert first == again != identity({**sent, "id": "id-2"}, "run-1")
    bare = {key: value for key, value in sent.items() if key != "id"}
    assert identity(bare, "run-1") == identity(bare, "run-1") != identity(bare, "run-2")


def test_a_signal_record_has_endpoint_dataset_and_threshold_or_explicit_nulls() -> None:
    bare = signal_of("manual_request/request").as_record()
    assert (bare["endpoint"], bare["dataset"], bare["threshold"]) == (None, None, None)
    full = signal_of("drift_report/ours").as_record()
    assert full["threshold"]["ratio"] == pytest.approx(1.85)
    assert json.loads(canonical(full)) == json.loads(json.dumps(full))


@pytest.mark.parametrize(("observed", "threshold", "kept"), [(1.0, 3.0, 0.333333), (0.1, 0.0, None), (None, 0.2, None)])
def test_a_record_keeps_six_decimals_of_a_ratio_and_none_that_is_no_number(
    observed: float | None, threshold: float, kept: float | None
) -> None:
    found = replace(signal_of("drift_report/ours"), threshold=Threshold("psi", observed, threshold))
    assert found.as_record()["threshold"]["ratio"] == kept


@pytest.mark.parametrize(
    "found",
    [
        Signal(
            signal_id="0" * 32,
            source=SignalSource.PENDING,
            kind=SignalKind.DRIFT,
            model="churn",
            summary="It drifts.",
            observed_at="2026-03-02T11:00:00Z",
            endpoint="churn-prod",
            dataset=CAPTURE,
            threshold=Threshold("auc", 0.7, 0.8, lower_is_worse=True),
            severity=Severity.WARNING,
            violations=(Violation("tenure", "baseline_drift_check", "It drifts."),),
            report_uri="s3://bucket/report.json",
            requested_by="ana",
            force=True,
            muted=True,
            context="version 1",
            origin=SignalSource.ALARM,
            proven_by="arn:ana",
            asked_by=("arn:ana", "arn:bob"),
            content="1" * 32,
            to="run-7",
            data_checks=(DataCheck("data_type_check", 1, 0.97),),
        ),
        Signal("0" * 32, SignalSource.ALARM, SignalKind.KPI, "churn", "It fell.", ""),
    ],
    ids=["all", "least"],
)
def test_a_signal_is_read_from_its_record_as_it_was(found: Signal) -> None:
    back = Signal.of(json.loads(canonical(found.as_record())))
    assert back == found
    # Equal texts would do for the comparison above.
    words = ("source", "kind", "severity", "origin")
    assert [type(getattr(back, name)) for name in words] == [type(getattr(found, name)) for name in words]


def test_a_signal_of_the_release_before_is_read_and_proves_nobody() -> None:
    record = signal_of("manual_request/forced").as_record()
    del record["proven_by"], record["asked_by"], record["content"]
    found = Signal.of(record)
    assert (found.force, found.proven_by, found.asked_by, found.content) == (True, None, (), None)


def test_a_record_keeps_fifty_violations_and_the_count_of_all() -> None:
    found = signal_of("model_monitor/drifted", reader_for("model_monitor/drifted", report(*[DRIFTED] * 80)))
    record = found.as_record()
    assert (len(record["violations"]), record["violation_count"]) == (50, 80)


@pytest.mark.parametrize(
    ("observed", "threshold", "lower", "ratio"),
    [
        (0.4, 0.2, False, 2.0),
        (0.2, 0.2, False, 1.0),
        (0.1, 0.2, False, 0.5),
        (0.3, 0.6, True, 2.0),
        (0.9, 0.6, True, 2 / 3),
        (0.0, 0.6, True, 1e6),
        (0.1, 0.0, False, None),
        (0.0, 0.0, False, None),
        (-1.0, -2.0, False, 2.0),
        (-5.0, -2.0, True, 2.5),
        (-0.1, 0.2, False, 0.0),
        (-0.1, 0.0, False, 0.0),
        (0.0, 0.2, False, 0.0),
        (0.0, -0.1, False, None),
        (0.5, -0.1, False, None),
        (1e308, 1e-308, False, None),
        (0.0, 0.0, True, None),
        (-0.5, 0.5, True, None),
        (0.0, -0.5, True, 0.0),
        (None, 0.2, False, None),
        (0.2, None, False, None),
    ],
)
def test_the_ratio_is_above_one_exactly_when_the_value_is_past_its_threshold(
    observed: float | None, threshold: float | None, ratio: float | None, *, lower: bool
) -> None:
    found = Threshold("m", observed, threshold, lower_is_worse=lower).ratio
    assert found == (None if ratio is None else pytest.approx(ratio))


@quick
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.booleans())
def test_a_ratio_never_says_fine_when_a_value_is_past_its_threshold(
    observed: float, threshold: float, lower: bool
) -> None:
    ratio = Threshold("m", observed, threshold, lower_is_worse=lower).ratio
    past = observed < threshold if lower else observed > threshold
    assert ratio is None or (ratio >= 1.0) is (past or observed == threshold or ratio == 1.0)


# Content that nobody planned for.

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["NaN", "Infinity", "1772449781000", "../../x", "kündigung", "a" * 300, "\ud800", "s3://b/k", "churn", "json:x"]
    ),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
READER = FakeReader(models={"churn-prod": "churn"}, pending={"churn": PENDING})


def check(found: Signal | Rejection | Ignored) -> None:
    """Whatever came, the answer can be written as evidence and used in a key."""
    assert isinstance(found, (Signal, Rejection, Ignored))
    assert found.sentence if not isinstance(found, Signal) else found.summary
    canonical(asdict(found)).encode()
    if isinstance(found, Signal):
        canonical(found.as_record()).encode()
        assert len(found.summary) < 2000
    if not isinstance(found, Ignored):
        assert len(found.signal_id) == 32


@quick
@given(anything)
def test_no_json_value_sent_as_the_event_raises(value: Any) -> None:
    check(read_signal(value, reader=READER, settings=SETTINGS, run_id="run-1"))


KNOWN = (
    ("aws.sagemaker", PROCESSING_JOB_STATE_CHANGE),
    ("aws.cloudwatch", ALARM_STATE_CHANGE),
    ("aws.s3", OBJECT_CREATED),
    ("aws.events", SCHEDULED_EVENT),
    (DRIFT_SOURCE, DRIFT_DETECTED),
    (DRIFT_SOURCE, RETRAINING_REQUESTED),
    (RETRAINING_SOURCE, PENDING_SIGNAL_DUE),
)


@quick
@given(st.sampled_from(KNOWN), anything, anything)
def test_no_json_value_sent_as_the_detail_of_a_known_event_raises(
    kind: tuple[str, str], detail: Any, other: Any
) -> None:
    sent = {"source": kind[0], "detail-type": kind[1], "detail": detail, "id": other, "time": other, "resources": other}
    check(read_signal(sent, reader=READER, settings=SETTINGS, run_id="run-1"))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@settings(quick, max_examples=250)
@given(st.data())
def test_no_value_put_anywhere_into_a_real_event_or_description_raises(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted([*MONITORED, *ALARMS, *REPORTS, "manual_request/request", "pending/due"])))
    sent = event(name)
    place = data.draw(st.sampled_from(places(sent)[1:]))
    target = sent
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = data.draw(anything)
    reader = reader_for(name, report(DRIFTED))
    for described in reader.jobs.values():
        if isinstance(sent.get("detail"), dict):
            described.update(copy.deepcopy(sent["detail"]))
    check(read_signal(sent, reader=reader, settings=SETTINGS, run_id="run-1"))


@quick
@given(st.one_of(st.binary(max_size=60), anything.map(lambda value: json.dumps({"violations": value}).encode())))
def test_no_violations_file_raises(body: bytes) -> None:
    check(read("model_monitor/drifted", reader_for("model_monitor/drifted", body)))


@quick
@given(anything)
def test_no_value_kept_as_a_pending_signal_raises(value: Any) -> None:
    stored = {"first_signal_id": value, "count": value, "severity": value, "signal": {"kind": value, "dataset": value}}
    reader = FakeReader(pending={"churn": stored})
    check(read_signal(event("pending/due"), reader=reader, settings=SETTINGS, run_id="run-1"))


@pytest.mark.parametrize("depth", [63, 500])
def test_an_event_nested_too_deep_is_answered_and_can_be_kept_as_evidence(depth: int) -> None:
    nested: Any = "end"
    for _ in range(depth):
        nested = [nested]
    check(read_signal(drift(extra=nested), reader=READER, settings=SETTINGS, run_id="run-1"))
    kept = canonical({"event": drift(extra=nested)})
    assert ("nested deeper than" in kept) is (depth > 60)


def test_a_violations_file_nested_too_deep_is_rejected() -> None:
    body = b'{"violations": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    found = read("model_monitor/drifted", reader_for("model_monitor/drifted", body))
    assert isinstance(found, Rejection)


def test_half_a_surrogate_pair_is_written_as_a_question_mark() -> None:
    assert canonical({"name": "a\ud800b"}) == '{"name":"a?b"}'


def test_the_same_content_in_another_order_is_the_same_text() -> None:
    found = signal_of("drift_report/ours")
    record = found.as_record()
    shuffled = dict(reversed(list(record.items())))
    assert canonical(record) == canonical(shuffled)
    assert canonical(record) != canonical(replace(found, model="fraud").as_record())
