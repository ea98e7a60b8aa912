"""Training targets: requests that carry the token, outputs that are read with care, limits that are kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from orchestration.actions.close import classify
from orchestration.domain.bake import AlarmWatch, judge_bake, returned_drift
from orchestration.domain.contracts import Status
from orchestration.domain.policy import TargetKind, Training
from orchestration.domain.records import idempotency_token
from orchestration.domain.training_output import read_training_output, trained_by_pipeline
from orchestration.domain.training_target import nested_execution_arn, target_request, training_overdue
from orchestration.domain.wait_results import endpoint_result, pipeline_result, training_job_result

SERVICE: Any = botocore.session.get_session().get_service_model("sagemaker")
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
INPUT = {
    "run_id": "r-1",
    "output_uri": "s3://bucket/runs/fraud/r-1/outputs/",
    "idempotency_token": idempotency_token("r-1"),
    "champion_model_data_uri": None,
}
JOB = {
    "RoleArn": "arn:aws:iam::111122223333:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
}
MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:train"


def legal(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    report = ParamValidator().validate(request, SERVICE.operation_model(operation).input_shape)
    assert not report.has_errors(), report.generate_report()
    return request


@pytest.mark.parametrize("qualifier", ["", ":live", ":7"])
def test_a_nested_execution_is_found_by_its_name(qualifier: str) -> None:
    request = target_request(Training(TargetKind.STATE_MACHINE, MACHINE + qualifier), INPUT, {})

    token = INPUT["idempotency_token"]
    assert request == {"execution_arn": f"arn:aws:states:eu-west-1:111122223333:execution:train:{token}"}
    assert nested_execution_arn(MACHINE, "x").endswith(":execution:train:x")


def test_a_pipeline_gets_the_parameters_the_policy_maps_and_a_token_of_legal_length() -> None:
    parameters = {
        "Output": "output_uri",
        "Champion": "champion_model_data_uri",
        "Seed": "7",
        "Report": "evaluation_uri",
    }
    target = "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/fraud"
    training = Training(TargetKind.SAGEMAKER_PIPELINE, target, parameters=parameters)

    request = legal("StartPipelineExecution", target_request(training, INPUT, {})["pipeline"])

    assert 32 <= len(request["ClientRequestToken"]) <= 128
    assert request["PipelineParameters"] == [
        {"Name": "Champion", "Value": ""},
        {"Name": "Output", "Value": INPUT["output_uri"]},
        {"Name": "Report", "Value": f"{INPUT['output_uri']}evaluation.json"},
        {"Name": "Seed", "Value": "7"},
    ]


@pytest.mark.parametrize(
    ("asked", "hours", "limit"),
    [
        ({}, 2.0, 7200),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 600}}, 2.0, 600),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 86400}}, 2.0, 7200),
        ({}, 0.0001, 1),
    ],
)
def test_a_training_job_never_has_more_time_than_the_policy_gives(
    asked: dict[str, Any], hours: float, limit: int
) -> None:
    training = Training(TargetKind.TRAINING_JOB, "training-job", request={**JOB, **asked}, max_hours=hours)

    request = legal("CreateTrainingJob", target_request(training, INPUT, {"retraining:run": "r-1"})["request"])

    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": limit}
    assert request["TrainingJobName"] == INPUT["idempotency_token"]
    assert request["OutputDataConfig"] == {"S3OutputPath": INPUT["output_uri"]}
    assert request["Tags"] == [{"Key": "retraining:run", "Value": "r-1"}]
    assert "HyperParameters" not in request


def test_no_target_needs_no_request() -> None:
    assert target_request(Training(None, ""), INPUT, {}) == {}


@pytest.mark.parametrize(
    ("rows", "hours", "overdue"),
    [
        ([("TRAINING_STARTED", 61)], 1, True),
        ([("TRAINING_STARTED", 60)], 1, True),
        ([("TRAINING_STARTED", 59)], 1, False),
        ([("RETRAINING_DECIDED", 600)], 1, False),
        ([("TRAINING_STARTED", 600), ("TRAINING_FINISHED", 1)], 1, False),
        ([("TRAINING_STARTED", 600)], None, False),
    ],
)
def test_a_training_is_overdue_from_its_start_on(rows: list[tuple[str, int]], hours: Any, overdue: bool) -> None:
    statuses = [{"status": name, "at": (NOW - timedelta(minutes=age)).isoformat()} for name, age in rows]

    assert training_overdue({"training": {"max_hours": hours}}, statuses, NOW) is overdue


# What a target gave back.

PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/fraud/7"


def test_an_output_is_read_with_care() -> None:
    output = read_training_output(
        json.dumps(
            {
                "model_package_arn": PACKAGE,
                "model_data_url": "s3://data/model.tar.gz",
                "image": " image ",
                "environment": {"A": 1, "B": None, "not legal": "x"},
                "evaluation_uri": "http://elsewhere/e.json",
                "baseline_constraints_uri": "s3://data/../c.json",
                "baseline_statistics_uri": "s3://data/s.json",
            }
        ),
        output_uri="s3://out/",
    )

    assert output.model_package_arn == PACKAGE
    assert output.environment == (("A", "1"),)
    assert output.evaluation_uri == "s3://out/evaluation.json"
    assert (output.baseline_constraints_uri, output.baseline_statistics_uri) == (None, "s3://data/s.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["environment", "model_package_arn", "image", "Metadata", "StepStatus", "TrainingJob"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_output_and_no_step_raises(raw: Any) -> None:
    read_training_output(raw, output_uri="s3://out/")
    trained_by_pipeline([raw, raw])


def step(status: str, **metadata: str) -> dict[str, Any]:
    return {"StepStatus": status, "Metadata": {kind: {"Arn": arn} for kind, arn in metadata.items()}}


def test_the_last_successful_steps_stand_for_a_pipelines_output() -> None:
    steps = [
        step("Succeeded", TrainingJob="job-1"),
        step("Succeeded", ProcessingJob="evaluate"),
        step("Succeeded", TrainingJob="job-2"),
        step("Failed", TrainingJob="job-3"),
        step("Succeeded", RegisterModel=PACKAGE),
    ]

    assert trained_by_pipeline(steps) == ("job-2", PACKAGE)
    assert trained_by_pipeline(steps[:1]) == ("job-1", None)
    assert trained_by_pipeline([]) == (None, None)


# What waits come to.


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Succeeded", ("SUCCEEDED", None)),
        ("Failed", ("FAILED", "PipelineFailed")),
        ("Stopped", ("FAILED", "PipelineStopped")),
        ("Executing", None),
        ("Stopping", None),
    ],
)
def test_pipeline_results(status: str, expected: tuple[str, str | None] | None) -> None:
    result = pipeline_result({"PipelineExecutionStatus": status})

    assert (result and (result["status"], result.get("error"))) == expected
    assert pipeline_result(None) is not None


@pytest.mark.parametrize(
    ("status", "secondary", "expected"),
    [
        ("Completed", "Completed", ("SUCCEEDED", None)),
        ("Failed", "Failed", ("FAILED", "TrainingJobFailed")),
        ("Stopped", "Stopped", ("FAILED", "TrainingJobStopped")),
        ("Stopped", "MaxRuntimeExceeded", ("FAILED", "TrainingTimedOut")),
        ("Stopped", "MaxWaitTimeExceeded", ("FAILED", "TrainingTimedOut")),
        ("InProgress", "Training", None),
        ("Stopping", "Stopping", None),
    ],
)
def test_training_job_results(status: str, secondary: str, expected: tuple[str, str | None] | None) -> None:
    result = training_job_result({"TrainingJobStatus": status, "SecondaryStatus": secondary})

    assert (result and (result["status"], result.get("error"))) == expected
    assert training_job_result(None) is not None


@pytest.mark.parametrize(
    ("status", "config", "expected"),
    [
        ("InService", "new", "IN_SERVICE"),
        ("InService", "old", "ROLLED_BACK"),
        ("Failed", "old", "FAILED"),
        ("OutOfService", "new", "FAILED"),
        ("UpdateRollbackFailed", "new", "FAILED"),
        ("Updating", "old", None),
        ("RollingBack", "new", None),
        ("SystemUpdating", "new", None),
    ],
)
def test_endpoint_results(status: str, config: str, expected: str | None) -> None:
    result = endpoint_result({"EndpointStatus": status, "EndpointConfigName": config}, wanted_config="new")

    assert (result and result["status"]) == expected
    assert endpoint_result(None, wanted_config="new") is not None


# Failed, stopped, timed out.


@pytest.mark.parametrize(
    ("error", "cause", "overdue", "outcome"),
    [
        ("States.TaskFailed", {"Status": "FAILED", "Error": "DataGone", "Cause": "gone"}, True, "TRAINING_FAILED"),
        ("States.TaskFailed", {"Status": "TIMED_OUT"}, False, "TRAINING_TIMED_OUT"),
        ("States.TaskFailed", {"Status": "ABORTED", "Error": "TrainingTimedOut"}, False, "TRAINING_TIMED_OUT"),
        ("States.TaskFailed", {"Status": "ABORTED"}, False, "TRAINING_FAILED"),
        ("States.TaskFailed", {"Status": "ABORTED"}, True, "TRAINING_TIMED_OUT"),
        ("States.TaskFailed", {"TrainingJobStatus": "Stopped"}, True, "TRAINING_TIMED_OUT"),
        (
            "States.TaskFailed",
            {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"},
            False,
            "TRAINING_TIMED_OUT",
        ),
        ("States.TaskFailed", {"TrainingJobStatus": "Failed", "FailureReason": "oom"}, True, "TRAINING_FAILED"),
        ("States.Timeout", None, False, "TRAINING_TIMED_OUT"),
        ("TrainingTimedOut", None, False, "TRAINING_TIMED_OUT"),
        ("PipelineStopped", None, True, "TRAINING_TIMED_OUT"),
        ("PipelineStopped", None, False, "TRAINING_FAILED"),
        ("PipelineFailed", None, True, "TRAINING_FAILED"),
    ],
)
def test_a_training_that_ended_badly_is_called_what_it_is(
    error: str, cause: dict[str, Any] | None, overdue: bool, outcome: str
) -> None:
    reason = "a sentence" if cause is None else json.dumps(cause)

    status, told = classify({"outcome": "TRAINING_FAILED", "error": error, "reason": reason}, overdue=overdue)

    assert status == outcome
    assert told


def test_only_trainings_time_out() -> None:
    assert classify({"outcome": "FAILED", "error": "States.Timeout"}, overdue=True)[0] is Status.FAILED


# The bake.

SERVES = {"EndpointStatus": "InService", "EndpointConfigName": "new"}
DRIFT = {"signal": {"kind": "drift", "observed_at": "2026-03-02T12:05:00Z", "summary": "psi 0.4 > 0.2."}}


@pytest.mark.parametrize(
    ("endpoint", "alarm", "pending", "expected"),
    [
        (SERVES, AlarmWatch("a", True, False), None, ("PROMOTED", False)),
        (SERVES | {"EndpointStatus": "SystemUpdating"}, AlarmWatch("a", True, False), None, ("PROMOTED", False)),
        (SERVES, AlarmWatch("a", True, True), None, ("ROLLED_BACK", True)),
        (SERVES, AlarmWatch("a", True, False, (NOW,)), None, ("ROLLED_BACK", True)),
        (SERVES, AlarmWatch("a", False, False), None, ("ROLLED_BACK", True)),
        (SERVES, AlarmWatch("a", True, False), DRIFT, ("ROLLED_BACK", True)),
        (SERVES | {"EndpointConfigName": "old"}, AlarmWatch("a", True, True), None, ("ROLLED_BACK", False)),
        (SERVES | {"EndpointConfigName": "hand"}, AlarmWatch("a", True, True), None, ("FAILED", False)),
        (SERVES | {"EndpointStatus": "Failed"}, AlarmWatch("a", True, False), None, ("ROLLED_BACK", True)),
        (None, AlarmWatch("a", True, False), None, ("ROLLED_BACK", True)),
    ],
)
def test_a_bake_is_judged(
    endpoint: dict[str, Any] | None, alarm: AlarmWatch, pending: dict[str, Any] | None, expected: tuple[str, bool]
) -> None:
    verdict = judge_bake(
        endpoint,
        endpoint="fraud-prod",
        wanted_config="new",
        previous_config="old",
        alarms=[alarm],
        pending=pending,
        since=NOW,
    )

    assert (verdict.outcome, verdict.roll_back) == expected
    assert verdict.healthy is (expected[0] == "PROMOTED")


@pytest.mark.parametrize(
    ("signal", "returned"),
    [
        ({}, True),
        ({"kind": "kpi"}, True),
        ({"kind": "data_quality"}, False),
        ({"kind": "request"}, False),
        ({"observed_at": "2026-03-02T11:59:59Z"}, False),
        ({"observed_at": "yesterday"}, False),
        ({"observed_at": "2026-03-02T12:05:00"}, False),
        ({"dataset": {"window_end": "2026-03-02T12:00:00Z"}}, False),
        ({"dataset": {"window_end": "2026-03-02T12:04:00Z"}}, True),
        ({"dataset": {"window_end": "later"}}, True),
        ({"summary": None}, True),
    ],
)
def test_only_drift_of_the_candidate_counts_against_it(signal: dict[str, Any], returned: bool) -> None:
    pending = {"signal": {**DRIFT["signal"], **signal}}

    assert (returned_drift(pending, NOW) is not None) is returned
    assert returned_drift(None, NOW) is None
