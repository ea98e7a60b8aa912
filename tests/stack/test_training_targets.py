"""A training runs anywhere: a pipeline of Step Functions, a SageMaker pipeline, a training job. Once, and not for ever."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack.loop import BETTER, CHAMPION, Ended, Loop
from tests.stack.moments import SWEEP, holders
from tests.stack.teams import (
    HANG,
    TRAIN,
    approval_of,
    group_of_packages,
    held_training,
    job_request,
    lose_answer,
    new_run,
    sagemaker_pipeline,
)

SHORT = 0.0005
"""Hours a hanging training may take: 1.8 s, longer than a loaded machine takes from asking AWS to noting that it took it."""


def serving_data(loop: Loop, model: str) -> dict[str, Any]:
    """The container that serves for a model."""
    sagemaker = loop.aws.client("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=loop.endpoint_config(f"{model}-prod"))
    described = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container: dict[str, Any] = described["PrimaryContainer"]
    return container


def trained_on(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What the report of a run says that its training cost."""
    (costs,) = [phase["costs"] for phase in report["phases"] if phase["status"] == "TRAINING_STARTED"]
    return list(costs)


def test_a_package_that_a_sagemaker_pipeline_registered_serves_and_is_approved(loop: Loop) -> None:
    group, arn = group_of_packages(loop)
    training = {"target": sagemaker_pipeline(loop, group=group), "parameters": {"OutputUri": "output_uri"}}
    model = loop.model(policy={"training": training}, package=arn)
    name, _ = new_run(loop, model)

    ended = loop.ended(loop.start(loop.drift(model), name=name))

    assert ended.output["outcome"] == "PROMOTED", ended
    listed = loop.aws.client("sagemaker").list_model_packages(ModelPackageGroupName=group)
    (package,) = [entry["ModelPackageArn"] for entry in listed["ModelPackageSummaryList"]]
    # Of what the package is made of: while it served on trial nobody had approved it.
    assert serving_data(loop, model)["ModelDataUrl"].startswith(f"s3://{loop.bucket}/artifacts/{model}/{name}/")
    (copy,) = loop.read(f"evidence/{model}/{name}/evaluation.json")["answer"]["copies"]
    assert copy["source"].startswith(f"s3://{loop.bucket}/runs/{model}/{name}/outputs/")
    assert approval_of(loop, package) == "Approved"


def test_a_sagemaker_pipeline_that_fails_says_which_step_and_why(loop: Loop) -> None:
    pipeline = sagemaker_pipeline(loop, "raise SystemExit('no rows')")
    model = loop.model(policy={"training": {"target": pipeline, "parameters": {"OutputUri": "output_uri"}}})

    ended = loop.run(loop.drift(model))

    assert ended.error == "TrainingFailed"
    assert "train" in (ended.cause or "")
    assert loop.statuses(ended.name)[-1] == "TRAINING_FAILED"


def test_a_parameter_the_sagemaker_pipeline_does_not_know_fails_the_training_by_name(loop: Loop) -> None:
    target = {"target": sagemaker_pipeline(loop), "parameters": {"OutputUri": "output_uri", "Seed": "7"}}
    model = loop.model(policy={"training": target})

    ended = loop.run(loop.drift(model))

    assert ended.error == "TrainingFailed"
    assert "Seed" in (ended.cause or "")


# A start whose response was lost is one training.


def test_a_pipeline_that_a_lost_start_finished_is_not_started_again(loop: Loop) -> None:
    training = loop.training(loop.evaluation(BETTER, CHAMPION))
    model = loop.model(training=training)
    lose_answer(loop, "stepfunctions", "StartExecution", training)

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED", ended
    assert len(loop.aws.client("stepfunctions").list_executions(stateMachineArn=training)["executions"]) == 1


def test_a_pipeline_that_a_lost_start_saw_fail_is_a_failed_training(loop: Loop) -> None:
    training = loop.failing_training()
    model = loop.model(training=training)
    lose_answer(loop, "stepfunctions", "StartExecution", training)

    ended = loop.run(loop.drift(model))

    assert ended.error == "TrainingFailed"
    assert "the training data is gone" in (ended.cause or "")


@pytest.mark.parametrize("lives", [True, False])
def test_a_foreign_execution_under_the_runs_name_is_never_taken_for_its_training(loop: Loop, lives: bool) -> None:
    held = held_training(loop)
    training = held.arn if lives else loop.training(loop.evaluation(BETTER, CHAMPION))
    model = loop.model(training=training)
    name, execution = new_run(loop, model, measured=False)
    foreign = loop.aws.client("stepfunctions").start_execution(
        stateMachineArn=training, name=execution, input='{"by": "hand"}'
    )["executionArn"]
    if not lives:
        loop.ended(foreign)

    ended = loop.ended(loop.start(loop.drift(model), name=name))

    assert ended.error == "TrainingFailed"
    assert "was not started by this run" in (ended.cause or "")
    # What is not the run's is not stopped with it, and keeps no slot.
    assert loop.status(foreign) == ("RUNNING" if lives else "SUCCEEDED")
    loop.until(lambda: name not in holders(loop))
    if lives:
        loop.aws.client("stepfunctions").stop_execution(executionArn=foreign)


def test_a_training_job_that_a_lost_start_left_running_is_awaited_and_carries_its_run(loop: Loop) -> None:
    slow = f"import time; time.sleep(0.7); {TRAIN}"
    request = job_request(loop, slow)
    request |= {"Tags": [{"Key": "team", "Value": "fraud"}], "HyperParameters": {"epochs": "3"}}
    target = {"target": "training-job", "request": request, "parameters": {"evaluation-uri": "evaluation_uri"}}
    model = loop.model(policy={"training": target})
    name, training = new_run(loop, model)
    lose_answer(loop, "sagemaker", "CreateTrainingJob", training)

    ended = loop.ended(loop.start(loop.drift(model), name=name))

    assert ended.output["outcome"] == "PROMOTED", ended
    sagemaker = loop.aws.client("sagemaker")
    assert len(sagemaker.list_training_jobs(NameContains=training)["TrainingJobSummaries"]) == 1
    job = sagemaker.describe_training_job(TrainingJobName=training)
    assert job["HyperParameters"] == {
        "epochs": "3",
        "evaluation-uri": f"s3://{loop.bucket}/runs/{model}/{name}/outputs/evaluation.json",
    }
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]}
    assert tags == {"team": "fraud", "retraining:model": model, "retraining:run": name}
    (copy,) = loop.read(f"evidence/{model}/{name}/evaluation.json")["answer"]["copies"]
    assert copy["source"] == job["ModelArtifacts"]["S3ModelArtifacts"]
    assert serving_data(loop, model)["ModelDataUrl"] == copy["uri"]
    (cost,) = trained_on(loop.report(model, name))
    assert (cost["what"], cost["instances"]) == (f"training job {training}", "1 x ml.m5.large")
    assert cost["usd"] == pytest.approx(job["BillableTimeInSeconds"] / 3600 * 0.115, abs=1e-6)


def test_a_sagemaker_pipeline_that_a_lost_start_began_is_awaited_and_what_it_trained_serves(loop: Loop) -> None:
    pipeline = sagemaker_pipeline(loop)
    model = loop.model(policy={"training": {"target": pipeline, "parameters": {"OutputUri": "output_uri"}}})
    name, training = new_run(loop, model)
    lose_answer(loop, "sagemaker", "StartPipelineExecution", training)

    ended = loop.ended(loop.start(loop.drift(model), name=name))

    assert ended.output["outcome"] == "PROMOTED", ended
    assert serving_data(loop, model)["ModelDataUrl"].startswith(f"s3://{loop.bucket}/artifacts/{model}/{name}/")
    (copy,) = loop.read(f"evidence/{model}/{name}/evaluation.json")["answer"]["copies"]
    assert copy["source"].startswith(f"s3://{loop.bucket}/runs/{model}/{name}/outputs/")
    sagemaker = loop.aws.client("sagemaker")
    (execution,) = sagemaker.list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]
    assert execution["PipelineExecutionDisplayName"] == training
    parameters = sagemaker.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=execution["PipelineExecutionArn"]
    )["PipelineParameters"]
    assert parameters == [{"Name": "OutputUri", "Value": f"s3://{loop.bucket}/runs/{model}/{name}/outputs/"}]
    (step,) = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution["PipelineExecutionArn"])[
        "PipelineExecutionSteps"
    ]
    job = step["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[-1]
    (cost,) = trained_on(loop.report(model, name))
    assert (cost["what"], cost["instances"], cost["why"]) == (f"training job {job}", "1 x ml.m5.large", None)


# Stopping the run stops the training; a training that hangs is stopped.


def targets(loop: Loop, kind: str) -> dict[str, Any]:
    """The training section of a policy whose target never ends by itself."""
    if kind == "state machine":
        return {"target": held_training(loop).arn}
    if kind == "SageMaker pipeline":
        return {"target": sagemaker_pipeline(loop, HANG), "parameters": {"OutputUri": "output_uri"}}
    return {"target": "training-job", "request": job_request(loop, HANG)}


def training_status(loop: Loop, training: dict[str, Any], name: str) -> str:
    """Status of what trains, or an empty text before it started."""
    sagemaker, target = loop.aws.client("sagemaker"), training["target"]
    if ":states:" in target:
        found = loop.aws.client("stepfunctions").list_executions(stateMachineArn=target)["executions"]
        return str(found[0]["status"]) if found else ""
    if ":pipeline/" in target:
        found = sagemaker.list_pipeline_executions(PipelineName=target)["PipelineExecutionSummaries"]
        if not found:
            return ""
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=found[0]["PipelineExecutionArn"])
        return str(found[0]["PipelineExecutionStatus"]) if steps["PipelineExecutionSteps"] else ""
    found = sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    return str(found[0]["TrainingJobStatus"]) if found else ""


def under_way(loop: Loop, kind: str, **training: Any) -> tuple[str, str, dict[str, Any], str]:
    """Start a run whose training hangs: model, execution ARN, training section, name of its training."""
    section = targets(loop, kind) | training
    model = loop.model(policy={"training": section})
    name, started = new_run(loop, model, measured=False)
    arn = loop.start(loop.drift(model), name=name)
    loop.until(lambda: training_status(loop, section, started) in {"RUNNING", "Executing", "InProgress"})
    return model, arn, section, started


def test_stopping_the_run_stops_the_training(loop: Loop) -> None:
    """Of a state machine; how each kind is stopped: below, and in tests/stack/test_lost_facts.py."""
    model, arn, section, started = under_way(loop, "state machine")

    loop.aws.client("stepfunctions").stop_execution(executionArn=arn, error="Operator", cause="wrong data")

    loop.until(lambda: training_status(loop, section, started) in {"ABORTED", "Stopped"})
    name = arn.rsplit(":", 1)[-1]
    loop.until(lambda: loop.statuses(name)[-1] == "STOPPED")
    state = loop.item(f"MODEL#{model}", "STATE")
    assert state is not None
    assert "active_run_id" not in state
    free(loop, name)


def free(loop: Loop, run_id: str) -> None:
    """Sweep until the run has no slot: it keeps the slot until its training is known to be over."""

    def gone() -> bool:
        loop.invoke(SWEEP)
        return run_id not in holders(loop)

    loop.until(gone)


def timed_out(loop: Loop, arn: str) -> Ended:
    """Sweep until the run is over."""

    def over() -> bool:
        loop.invoke(SWEEP)
        return loop.status(arn) != "RUNNING"

    loop.until(over)
    return loop.ended(arn)


@pytest.mark.parametrize("kind", ["state machine", "SageMaker pipeline", "training job"])
def test_a_training_that_hangs_is_stopped_at_the_policys_limit_and_gives_its_slot_back(loop: Loop, kind: str) -> None:
    model, arn, section, started = under_way(loop, kind, max_hours=SHORT)

    ended = timed_out(loop, arn)

    assert ended.error == "TrainingTimedOut", ended
    assert loop.statuses(ended.name)[-1] == "TRAINING_TIMED_OUT"
    loop.until(lambda: training_status(loop, section, started) in {"ABORTED", "Stopped"})
    free(loop, ended.name)
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-first"
