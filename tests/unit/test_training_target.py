"""Training targets: requests that carry the token, outputs that are read with care, limits that are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from orchestration.actions.sweep import sweep
from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.errors import NotAcceptedYetError
from orchestration.domain.jobs import Job, Use
from orchestration.domain.policy import TargetKind, Training
from orchestration.domain.records import idempotency_token
from orchestration.domain.results import Ended, execution_ended, pipeline_ended, training_job_ended
from orchestration.domain.training_output import (
    TrainingOutput,
    read_training_output,
    taken_from_cache,
    trained_by_pipeline,
)
from orchestration.domain.training_target import (
    TrainingTask,
    deployment_name,
    job_made_of,
    mapped_parameters,
    nested_execution_arn,
    target_request,
    training_name,
)
from orchestration.domain.wait import Result
from orchestration.steps.answering import resolve
from orchestration.steps.looking import look_after
from orchestration.steps.trainings import training_result
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import World

SERVICE: Any = botocore.session.get_session().get_service_model("sagemaker")
INPUT = {
    "run_id": "r-1",
    "output_uri": "s3://bucket/runs/fraud/r-1/outputs/",
    "idempotency_token": idempotency_token("r-1"),
    "champion_model_data_uri": None,
}
NAME = training_name(str(INPUT["idempotency_token"]))
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
    manifest = {"training": {"kind": "state_machine", "target": MACHINE + qualifier, "input": INPUT}}
    task = TrainingTask.of(manifest)

    assert task is not None
    assert task.execution_arn == f"arn:aws:states:eu-west-1:111122223333:execution:train:{NAME}"
    assert nested_execution_arn(MACHINE, "x").endswith(":execution:train:x")


@pytest.mark.parametrize("training", [{}, {"kind": None}, {"kind": "lambda"}])
def test_a_plan_without_a_target_has_no_training(training: dict[str, Any]) -> None:
    assert TrainingTask.of({"training": training}) is None


def test_the_names_of_trainings_begin_as_the_rules_filter_and_are_legal_everywhere() -> None:
    assert NAME.startswith("retraining-")
    assert len(NAME) <= 63
    assert training_name("0123456789" * 5) == f"retraining-{'0123456789' * 4}"
    assert deployment_name("0123456789" * 5) == f"retraining-deploy-{'0123456789' * 4}"
    assert NAME.replace("-", "").isalnum()


def test_a_nested_execution_gets_the_manifests_input_as_it_is() -> None:
    assert target_request(Training(TargetKind.STATE_MACHINE, MACHINE), INPUT, {"a": "b"}) == INPUT


def test_a_pipeline_gets_the_parameters_the_policy_maps_and_a_token_of_legal_length() -> None:
    parameters = {
        "Output": "output_uri",
        "Champion": "champion_model_data_uri",
        "Seed": "7",
        "Report": "evaluation_uri",
    }
    target = "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/fraud"
    training = Training(TargetKind.SAGEMAKER_PIPELINE, target, parameters=parameters)

    request = legal("StartPipelineExecution", target_request(training, INPUT, {}))

    assert 32 <= len(request["ClientRequestToken"]) <= 128
    assert request["PipelineExecutionDisplayName"] == NAME
    assert request["PipelineParameters"] == [
        {"Name": "Champion", "Value": ""},
        {"Name": "Output", "Value": INPUT["output_uri"]},
        {"Name": "Report", "Value": f"{INPUT['output_uri']}evaluation.json"},
        {"Name": "Seed", "Value": "7"},
    ]


def test_the_place_of_the_evaluation_is_the_runs_whatever_the_teams_own_input_says() -> None:
    found = mapped_parameters({"Report": "evaluation_uri"}, {**INPUT, "evaluation_uri": "s3://elsewhere/e.json"})
    assert found == {"Report": f"{INPUT['output_uri']}evaluation.json"}


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

    request = legal("CreateTrainingJob", target_request(training, INPUT, {"retraining:run": "r-1"}))

    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": limit}
    assert request["TrainingJobName"] == NAME
    assert request["OutputDataConfig"] == {"S3OutputPath": INPUT["output_uri"]}
    assert request["Tags"] == [{"Key": "retraining:run", "Value": "r-1"}]
    assert "HyperParameters" not in request


def test_a_training_job_keeps_the_teams_own_wishes_where_the_run_has_none() -> None:
    asked = {
        **JOB,
        "HyperParameters": {"epochs": "3", "seed": "1"},
        "OutputDataConfig": {"S3OutputPath": "s3://elsewhere/", "KmsKeyId": "key"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
        "Tags": [{"Key": "team", "Value": "risk"}, {"Key": "retraining:run", "Value": "somebody else's"}],
        "TrainingJobName": "mine",
    }
    training = Training(
        TargetKind.TRAINING_JOB, "training-job", request=asked, parameters={"seed": "7", "out": "output_uri"}
    )

    request = legal("CreateTrainingJob", target_request(training, INPUT, {"retraining:run": "r-1", "a": "b"}))

    assert request["HyperParameters"] == {"epochs": "3", "seed": "7", "out": INPUT["output_uri"]}
    assert request["OutputDataConfig"] == {"S3OutputPath": INPUT["output_uri"], "KmsKeyId": "key"}
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900}
    assert request["TrainingJobName"] == NAME
    assert request["Tags"] == [
        {"Key": "team", "Value": "risk"},
        {"Key": "a", "Value": "b"},
        {"Key": "retraining:run", "Value": "r-1"},
    ]
    assert request["RoleArn"] == JOB["RoleArn"]


# What a target gave back.

PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/fraud/7"


def test_an_output_is_read_with_care() -> None:
    given = {"image": " image ", "environment": {"A": 1, "B": None}, "evaluation_uri": "", "model_package_arn": None}
    output = read_training_output(
        json.dumps({"model_data_url": "s3://data/model.tar.gz", **given}), output_uri="s3://out/"
    )

    assert isinstance(output, TrainingOutput)
    assert (output.image, output.environment) == ("image", (("A", "1"),))
    assert output.evaluation_uri == "s3://out/evaluation.json"


def test_a_name_of_an_image_is_as_long_as_createmodel_takes_it() -> None:
    found = read_training_output({"image": "i" * 255}, output_uri="s3://out/")
    assert isinstance(found, TrainingOutput)
    assert found.image == "i" * 255
    assert (
        taken_from_cache([{"StepStatus": "Succeeded", "Metadata": {"TrainingJob": {}}, "CacheHitResult": {"a": 1}}])
        == ""
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model_data_url": "https://data.s3.amazonaws.com/model.tar.gz"}, "names model_data_url 'https://data.s3.am"),
        (
            {"model_data_uri": "s3://b/model.tar.gz"},
            "names model_data_uri 's3://b/model.tar.gz', which is not an s3://",
        ),
        ({"evaluation_uri": "http://elsewhere/e.json"}, "names evaluation_uri 'http://elsewhere/e.json'"),
        ({"baseline_constraints_uri": "s3://data/../c.json"}, "names baseline_constraints_uri"),
        ({"baseline_statistics_uri": ["s3://data/s.json"]}, "names baseline_statistics_uri 'list'"),
        (
            {"environment": {"not legal": "x"}},
            "names environment 'dict', which is not an object of texts whose names CreateModel takes",
        ),
        ({"environment": {"LEGAL": "y", "not legal": "x"}}, "names environment 'dict'"),
        ({"environment": ["A=1"]}, "names environment 'list'"),
        ({"environment": {"A": "1", "B": [1]}}, "names environment 'dict'"),
        ({"image": "i" * 256}, "which is not the name of an image, of 255 characters at most"),
        ({"image": 7}, "names image '7'"),
        ({"model_package_arn": "arn:aws:s3:::fraud"}, "which is not the ARN of a model package"),
    ],
)
def test_what_an_output_names_and_cannot_be_taken_is_told(given: dict[str, Any], told: str) -> None:
    found = read_training_output(given, output_uri="s3://out/")
    assert isinstance(found, str)
    assert told in found


@pytest.mark.parametrize("name", ["model_data_url", "model_data_uri"])
def test_an_output_is_taken_with_all_it_says(name: str) -> None:
    given = {
        name: "s3://data/model.tar.gz",
        "image": "image",
        "environment": {"B": "2", "A": "1"},
        "evaluation_uri": "s3://data/e.json",
        "baseline_constraints_uri": "s3://data/c.json",
        "baseline_statistics_uri": "s3://data/s.json",
    }
    assert read_training_output(given, output_uri="s3://out/") == TrainingOutput(
        model_data_uri="s3://data/model.tar.gz",
        image="image",
        environment=(("A", "1"), ("B", "2")),
        evaluation_uri="s3://data/e.json",
        baseline_statistics_uri="s3://data/s.json",
        baseline_constraints_uri="s3://data/c.json",
    )


@pytest.mark.parametrize(
    "package", ["arn:aws:s3:::fraud", f"{PACKAGE} ", 7, [PACKAGE], PACKAGE.replace("2222", "٢٢٢٢")]
)
def test_what_is_no_package_is_told(package: Any) -> None:
    found = read_training_output({"model_package_arn": package}, output_uri="s3://out/")
    assert isinstance(found, str)
    assert "which is not the ARN of a model package" in found


def test_a_job_is_told_from_another_by_what_it_is_made_of() -> None:
    source = {"DataSource": {"S3DataSource": {"S3Uri": "s3://data/b/"}}}
    asked = {
        "AlgorithmSpecification": {"AlgorithmName": "own", "TrainingInputMode": "File"},
        "RoleArn": "role",
        "InputDataConfig": [source, {"DataSource": {"S3DataSource": {"S3Uri": "s3://data/a/"}}}],
        "OutputDataConfig": {"S3OutputPath": "s3://out/"},
        "HyperParameters": {"a": "1"},
        "Tags": [],
    }
    assert job_made_of(asked) == {
        "image": "own",
        "role": "role",
        "data": ["s3://data/a/", "s3://data/b/"],
        "output": "s3://out/",
        "parameters": {"a": "1"},
    }
    image = {"TrainingImage": "image", "AlgorithmName": None}
    assert job_made_of({**asked, "AlgorithmSpecification": image})["image"] == "image"
    assert job_made_of({}) == {"image": None, "role": None, "data": [], "output": None, "parameters": {}}


@pytest.mark.parametrize(
    ("steps", "cached"),
    [
        (
            [{"Metadata": {"TrainingJob": {"Arn": "job"}}, "CacheHitResult": {"SourcePipelineExecutionArn": "a"}}],
            "Train",
        ),
        (
            [{"Metadata": {"RegisterModel": {"Arn": PACKAGE}}, "CacheHitResult": {"SourcePipelineExecutionArn": "a"}}],
            "Train",
        ),
        (
            [{"Metadata": {"ProcessingJob": {"Arn": "job"}}, "CacheHitResult": {"SourcePipelineExecutionArn": "a"}}],
            None,
        ),
        ([{"Metadata": {"TrainingJob": {"Arn": "job"}}, "CacheHitResult": {}}], None),
        ([{"Metadata": {"TrainingJob": {"Arn": "job"}}}], None),
        ([], None),
    ],
)
def test_a_step_that_took_an_earlier_result_trained_nothing(steps: list[dict[str, Any]], cached: str | None) -> None:
    assert taken_from_cache([{"StepName": "Train", "StepStatus": "Succeeded", **step} for step in steps]) == cached
    assert taken_from_cache([{"StepName": "Train", "StepStatus": "Failed", **step} for step in steps]) is None


def test_a_step_after_the_registration_leaves_its_package() -> None:
    steps = [
        {"StepStatus": "Succeeded", "Metadata": {"TrainingJob": {"Arn": "job"}}},
        {"StepStatus": "Succeeded", "Metadata": {"RegisterModel": {"Arn": PACKAGE}}},
        {"StepStatus": "Succeeded", "Metadata": {"Lambda": {"Arn": "told"}}},
    ]
    assert trained_by_pipeline(steps) == ("job", PACKAGE)


def test_an_output_that_says_two_things_fails_the_training_and_a_text_that_is_none_says_nothing() -> None:
    def result(output: str) -> Result:
        return training_result(Ended(succeeded=True, reason="ok", output=output), output_uri="s3://out/", overdue=False)

    twice = result('{"model_data_url": "s3://data/a.tar.gz", "model_data_url": "s3://data/b.tar.gz"}')
    assert (twice.outcome, twice.output) == (Status.TRAINING_FAILED, None)
    assert twice.reason.startswith("The training's output has the key 'model_data_url' twice")
    for text in ("done", '"{}"', "[]", "null"):
        assert result(text).output == TrainingOutput(evaluation_uri="s3://out/evaluation.json")


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
    taken_from_cache([raw, raw])


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
        ("Succeeded", (True, None)),
        ("Failed", (False, "PipelineFailed")),
        ("Stopped", (False, "PipelineStopped")),
        ("Executing", None),
        ("Stopping", None),
    ],
)
def test_what_a_pipeline_came_to(status: str, expected: tuple[bool, str | None] | None) -> None:
    result = pipeline_ended({"PipelineExecutionStatus": status})

    assert (result and (result.succeeded, result.error)) == expected


@pytest.mark.parametrize(
    ("status", "secondary", "expected"),
    [
        ("Completed", "Completed", (True, None)),
        ("Failed", "Failed", (False, "TrainingJobFailed")),
        ("Stopped", "Stopped", (False, "TrainingJobStopped")),
        ("Stopped", "MaxRuntimeExceeded", (False, "TrainingTimedOut")),
        ("Stopped", "MaxWaitTimeExceeded", (False, "TrainingTimedOut")),
        ("InProgress", "Training", None),
        ("Stopping", "Stopping", None),
    ],
)
def test_what_a_training_job_came_to(status: str, secondary: str, expected: tuple[bool, str | None] | None) -> None:
    result = training_job_ended({"TrainingJobStatus": status, "SecondaryStatus": secondary})

    assert (result and (result.succeeded, result.error)) == expected


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("SUCCEEDED", None, (True, None)),
        ("FAILED", "OOM", (False, "OOM")),
        ("FAILED", None, (False, "FAILED")),
        ("TIMED_OUT", None, (False, "TrainingTimedOut")),
        ("ABORTED", None, (False, "ABORTED")),
        ("ABORTED", "TrainingTimedOut", (False, "TrainingTimedOut")),
        ("RUNNING", None, None),
        ("PENDING_REDRIVE", None, None),
    ],
)
def test_what_an_execution_came_to(status: str, error: str | None, expected: tuple[bool, str | None] | None) -> None:
    result = execution_ended({"status": status, "error": error})

    assert (result and (result.succeeded, result.error)) == expected


@pytest.mark.parametrize(
    ("ended", "described", "expected"),
    [
        (
            execution_ended,
            None,
            Ended(succeeded=False, reason="The execution does not exist.", error="NeverStarted"),
        ),
        (
            execution_ended,
            {"status": "FAILED", "error": "OOM", "cause": "Killed."},
            Ended(succeeded=False, reason="The execution failed with OOM: Killed.", error="OOM"),
        ),
        (
            execution_ended,
            {"name": "nightly", "status": "FAILED", "error": "OOM", "cause": "Killed."},
            Ended(succeeded=False, reason="Execution nightly failed with OOM: Killed.", error="OOM"),
        ),
        (
            execution_ended,
            {"status": "TIMED_OUT", "cause": "Too slow."},
            Ended(succeeded=False, reason="The execution took longer than it may: Too slow.", error="TrainingTimedOut"),
        ),
        (
            execution_ended,
            {"status": "ABORTED", "error": "Stopped"},
            Ended(
                succeeded=False,
                reason="The execution was stopped: It failed with Stopped, and no cause is given.",
                error="Stopped",
            ),
        ),
        (
            execution_ended,
            {"status": "SUCCEEDED", "output": "[1]"},
            Ended(succeeded=True, reason="The execution succeeded.", output="[1]"),
        ),
        (
            execution_ended,
            {"status": "SUCCEEDED", "output": None},
            Ended(succeeded=True, reason="The execution succeeded.", output="{}"),
        ),
        (
            pipeline_ended,
            None,
            Ended(
                succeeded=False,
                reason="The pipeline execution does not exist.",
                error="PipelineFailed",
            ),
        ),
        (
            pipeline_ended,
            {"PipelineExecutionStatus": "Failed", "FailureReason": "Step 2."},
            Ended(succeeded=False, reason="The pipeline failed: Step 2.", error="PipelineFailed"),
        ),
        (
            pipeline_ended,
            {"PipelineExecutionStatus": "Stopped"},
            Ended(succeeded=False, reason="The pipeline was stopped, and no reason is given.", error="PipelineStopped"),
        ),
        (
            training_job_ended,
            None,
            Ended(succeeded=False, reason="The training job does not exist.", error="TrainingJobFailed"),
        ),
        (
            training_job_ended,
            {"TrainingJobName": "j", "TrainingJobStatus": "Failed", "FailureReason": "OOM."},
            Ended(succeeded=False, reason="Training job j failed: OOM.", error="TrainingJobFailed"),
        ),
        (
            training_job_ended,
            {"TrainingJobName": "j", "TrainingJobStatus": "Stopped"},
            Ended(
                succeeded=False,
                reason="Training job j was stopped, and no reason is given.",
                error="TrainingJobStopped",
            ),
        ),
        (
            training_job_ended,
            {
                "TrainingJobName": "j",
                "TrainingJobStatus": "Completed",
                "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
                "AlgorithmSpecification": {"TrainingImage": "image"},
            },
            Ended(
                succeeded=True,
                reason="Training job j completed.",
                output={"model_data_url": "s3://b/m", "image": "image"},
            ),
        ),
    ],
)
def test_what_a_training_came_to_is_told_with_what_its_target_said(
    ended: Callable[[Any], Ended | None], described: dict[str, Any] | None, expected: Ended
) -> None:
    assert ended(described) == expected


# Failed, stopped, timed out.


@pytest.mark.parametrize(
    ("error", "overdue", "outcome"),
    [
        ("DataGone", True, "TRAINING_FAILED"),
        ("TrainingTimedOut", False, "TRAINING_TIMED_OUT"),
        ("ABORTED", False, "TRAINING_FAILED"),
        ("ABORTED", True, "TRAINING_TIMED_OUT"),
        ("TrainingJobStopped", True, "TRAINING_TIMED_OUT"),
        ("TrainingJobStopped", False, "TRAINING_FAILED"),
        ("TrainingJobFailed", True, "TRAINING_FAILED"),
        ("PipelineStopped", True, "TRAINING_TIMED_OUT"),
        ("PipelineStopped", False, "TRAINING_FAILED"),
        ("PipelineFailed", True, "TRAINING_FAILED"),
    ],
)
def test_a_training_that_ended_badly_is_called_what_it_is(error: str, overdue: bool, outcome: str) -> None:
    found = Ended(succeeded=False, reason="a sentence", error=error)

    result = training_result(found, output_uri="s3://out/", overdue=overdue)

    assert (result.next, result.outcome) == ("evaluate", outcome)
    assert result.reason == "a sentence"


def test_a_training_that_succeeded_goes_on_with_what_it_made_however_late_it_was() -> None:
    found = Ended(succeeded=True, reason="done", output=json.dumps({"model_package_arn": PACKAGE}))

    result = training_result(found, output_uri="s3://out/", overdue=True)

    assert (result.next, result.outcome) == ("evaluate", None)
    assert result.output is not None
    assert result.output.model_package_arn == PACKAGE
    assert result.output.evaluation_uri == "s3://out/evaluation.json"


@pytest.mark.parametrize(
    "found",
    [
        Ended(succeeded=True, reason="done", output=json.dumps({"model_package_arn": PACKAGE})),
        Ended(succeeded=True, reason="done", output='{"model_package_arn": 7}'),
        Ended(succeeded=False, reason="a sentence", error="PipelineFailed"),
    ],
    ids=["trained", "no-output", "failed"],
)
def test_what_ran_for_a_training_is_kept_whatever_it_came_to(found: Ended) -> None:
    ran = (Job(Use.TRAINING, "train-1", (("ml.m5.large", 1),), 61.0),)
    assert training_result(replace(found, jobs=ran), output_uri="s3://out/", overdue=False).jobs == ran


# Looking after a training, by its name.

PIPELINE = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/fraud"


def started(world: World, **target: Any) -> None:
    stories.with_slot(world, training={"max_hours": 2, **target})
    assert stories.do(world, "train", token="training") == {"started": True}


def swept(world: World, **clock: float) -> None:
    world.clock.forward(**clock)
    sweep({}, world.ports)


def test_a_training_that_is_over_is_found_by_its_name_when_its_event_was_lost(new_world: Callable[..., World]) -> None:
    def pipeline(world: World) -> None:
        (arn,) = world.sagemaker.pipelines
        world.sagemaker.pipelines[arn]["PipelineExecutionStatus"] = "Succeeded"
        world.sagemaker.steps[arn] = [step("Succeeded", RegisterModel=PACKAGE)]

    def job(world: World) -> None:
        (name,) = world.sagemaker.trainings
        made = {"ModelArtifacts": {"S3ModelArtifacts": "s3://data/m.tar.gz"}}
        world.sagemaker.trainings[name] |= {"TrainingJobStatus": "Completed", **made}

    def machine(world: World) -> None:
        world.executions.end(stories.training_arn(), "SUCCEEDED", output=json.dumps({"model_package_arn": PACKAGE}))

    targets: list[tuple[dict[str, Any], Callable[[World], None]]] = [
        ({"target": PIPELINE}, pipeline),
        ({"target": "training-job", "request": JOB}, job),
        ({}, machine),
    ]
    for target, ends in targets:
        world = new_world()
        started(world, **target)
        swept(world, minutes=5)
        assert stories.next_of(world, "training") is None
        ends(world)
        swept(world, minutes=5)
        wait = world.table.wait("run-1", WaitKind.TRAINING)
        assert wait is not None
        assert wait.result is not None
        assert wait.result.outcome is None
        output = wait.result.output
        assert output is not None
        assert output.model_package_arn == PACKAGE or output.model_data_uri == "s3://data/m.tar.gz"


@pytest.mark.parametrize(
    "target",
    [{"target": PIPELINE}, {"target": "training-job", "request": JOB}, {}],
    ids=["pipeline", "training job", "state machine"],
)
def test_a_training_past_its_limit_is_stopped_and_timed_out(target: dict[str, Any], world: World) -> None:
    started(world, **target)
    swept(world, hours=1.9)
    running = [*world.sagemaker.pipelines.values(), *world.sagemaker.trainings.values()]
    assert all("Stopping" not in job.values() for job in running)
    swept(world, hours=0.2)
    for job in running:
        assert "Stopping" in job.values()
        job |= {"PipelineExecutionStatus": "Stopped", "TrainingJobStatus": "Stopped"}
    swept(world, minutes=10)
    wait = world.table.wait("run-1", WaitKind.TRAINING)
    assert wait is not None
    assert wait.result is not None
    assert wait.result.outcome == Status.TRAINING_TIMED_OUT
    assert stories.next_of(world, "training") == "evaluate"


@pytest.mark.parametrize("target", [{"target": PIPELINE}, {"target": "training-job", "request": JOB}, {}])
def test_a_training_that_is_not_to_be_found_is_not_over_while_the_hand_still_asks_for_it(
    target: dict[str, Any], world: World
) -> None:
    stories.with_slot(world, training={"max_hours": 2, **target})
    for operation in ("StartPipelineExecution", "CreateTrainingJob"):
        world.sagemaker.refuse(operation, client_error("ThrottlingException"))
    world.executions.refuse_start(client_error("ThrottlingException"))
    with pytest.raises(NotAcceptedYetError):
        stories.do(world, "train", token="training")
    wait = world.table.wait("run-1", WaitKind.TRAINING)
    assert wait is not None
    assert look_after(world.ports, wait) is False
    world.clock.forward(hours=1)
    assert look_after(world.ports, wait) is False
    assert stories.do(world, "train", token="taken") == {"started": True}


@pytest.mark.parametrize("target", [{"target": PIPELINE}, {"target": "training-job", "request": JOB}, {}])
def test_a_training_that_was_taken_and_is_not_to_be_found_has_failed_once_it_would_show(
    target: dict[str, Any], world: World
) -> None:
    started(world, **target)
    world.sagemaker.pipelines.clear()
    world.sagemaker.trainings.clear()
    world.executions.statuses.pop(stories.training_arn(), None)
    swept(world, seconds=89)
    assert stories.next_of(world, "training") is None
    swept(world, minutes=5)
    assert stories.next_of(world, "training") == "evaluate"


def test_a_result_that_somebody_else_fixed_first_stays(world: World) -> None:
    started(world)
    wait = world.table.wait("run-1", WaitKind.TRAINING)
    assert wait is not None
    first, second = Result(Next.EVALUATE, "first"), Result(Next.EVALUATE, "second", Status.TRAINING_FAILED)
    assert resolve(world.ports, wait, first) is True
    assert resolve(world.ports, wait, second) is False
    kept = world.table.wait("run-1", WaitKind.TRAINING)
    assert kept is not None
    assert (kept.result, kept.token) == (first, None)


@pytest.mark.parametrize("value", [{"A": {"B": 1}}, {"A": ["x"]}, ["A"], "A=1"])
def test_an_environment_that_is_no_object_of_texts_is_told(value: Any) -> None:
    found = read_training_output({"environment": value}, output_uri="s3://b/o/")
    assert isinstance(found, str)
    assert "which is not an object of texts" in found
    taken = read_training_output({"environment": {"A": 1, "B": True, "C": "x", "D": None}}, output_uri="s3://b/o/")
    assert isinstance(taken, TrainingOutput)
    assert taken.environment == (("A", "1"), ("B", "True"), ("C", "x"))
