"""What a training came to, with what ran for it, and what of an attempt stays for the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration.domain.contracts import DueKind, Status, WaitKind
from orchestration.domain.due import due
from orchestration.domain.jobs import Job, Use
from orchestration.domain.policy import TargetKind
from orchestration.domain.results import Ended
from orchestration.domain.training_target import TrainingTask
from orchestration.domain.wait import Wait
from orchestration.steps.trainings import seen_training, training_result, try_again, with_jobs
from orchestration.stores.sagemaker_reading import SageMaker
from tests.unit.fakes import NOON, World
from tests.unit.test_close import RUN, begin

PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/7"
PIPELINE = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/fraud"
RUNNING_PIPELINE = f"{PIPELINE}/execution/1"
JOB = TrainingTask(TargetKind.TRAINING_JOB, "training-job", "retraining-1")
BY_PIPELINE = TrainingTask(TargetKind.SAGEMAKER_PIPELINE, PIPELINE, "retraining-1")
JOBS = (Job(Use.TRAINING, "job-1"),)


def training(world: World, **data: Any) -> Wait:
    """The wait of an attempt that was begun at noon."""
    until = (NOON + timedelta(hours=2)).isoformat()
    wait = Wait(WaitKind.TRAINING, "", "run-1", "fraud", "token", "arn", NOON.isoformat(), until, until, data=data)
    assert world.table.park(wait, due(DueKind.LOOK, wait.wait_id, "fraud", NOON)) is None
    return wait


# What it came to.


def seen(world: World, task: TrainingTask, *, certain: bool) -> Ended | None:
    return seen_training(world.ports, task, started_at=NOON.isoformat(), certain=certain)


@pytest.mark.parametrize("certain", [False, True])
@pytest.mark.parametrize(
    ("job", "succeeded"), [({"TrainingJobStatus": "Completed"}, True), ({"TrainingJobStatus": "InProgress"}, None)]
)
def test_a_job_that_is_there_is_what_it_says(
    job: dict[str, str], succeeded: bool | None, certain: bool, world: World
) -> None:
    world.sagemaker.trainings["retraining-1"] = {"TrainingJobName": "retraining-1", **job}
    found = seen(world, JOB, certain=certain)
    assert (None if found is None else found.succeeded) == succeeded


@pytest.mark.parametrize("task", [JOB, BY_PIPELINE])
def test_what_is_not_there_has_failed_once_its_start_would_show(task: TrainingTask, world: World) -> None:
    assert seen(world, task, certain=False) is None
    found = seen(world, task, certain=True)
    assert found is not None
    assert not found.succeeded


@pytest.mark.parametrize(
    ("described", "certain", "succeeded"),
    [
        (None, False, None),
        (None, True, False),
        ("Executing", True, None),
        ("Succeeded", False, True),
        ("Failed", False, False),
    ],
)
def test_a_pipeline_that_is_listed_is_what_its_description_says(
    described: str | None, certain: bool, succeeded: bool | None, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    since: list[datetime] = []

    def named(_: SageMaker, pipeline: str, name: str, after: datetime) -> str:
        since.append(after)
        assert (pipeline, name) == (PIPELINE, "retraining-1")
        return RUNNING_PIPELINE

    monkeypatch.setattr(SageMaker, "pipeline_execution_named", named)
    if described is not None:
        world.sagemaker.pipelines[RUNNING_PIPELINE] = {"PipelineExecutionStatus": described}
    world.sagemaker.steps[RUNNING_PIPELINE] = [
        {"StepStatus": "Succeeded", "Metadata": {"RegisterModel": {"Arn": PACKAGE}}}
    ]
    found = seen(world, BY_PIPELINE, certain=certain)
    assert (None if found is None else found.succeeded) == succeeded
    assert found is None or found.output == ({"model_package_arn": PACKAGE} if found.succeeded else None)
    assert since == [NOON - timedelta(minutes=5)]


def test_a_pipeline_that_failed_says_which_step_did_and_what_ran_until_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SageMaker, "pipeline_execution_named", lambda *_: RUNNING_PIPELINE)
    world.sagemaker.pipelines[RUNNING_PIPELINE] = {
        "PipelineExecutionStatus": "Failed",
        "FailureReason": "One step failed.",
    }
    trained = {
        "StepName": "Train",
        "StepStatus": "Succeeded",
        "Metadata": {"TrainingJob": {"Arn": "a:training-job/job-1"}},
    }
    failed = {"StepName": "Judge", "StepStatus": "Failed", "FailureReason": "ClientError: no labels"}
    world.sagemaker.steps[RUNNING_PIPELINE] = [trained, failed]
    found = seen(world, BY_PIPELINE, certain=True)
    assert found is not None
    assert not found.succeeded
    assert found.reason == "The pipeline failed: One step failed. Step Judge failed: ClientError: no labels."
    assert [job.name for job in found.jobs] == ["job-1"]


@pytest.mark.parametrize(
    ("age", "cached", "told"),
    [
        (timedelta(minutes=5), None, None),
        (timedelta(minutes=5, seconds=1), None, "training job job-1, which is older than the run"),
        (timedelta(), {"SourcePipelineExecutionArn": "last month's"}, "Step Train took an earlier result"),
    ],
)
def test_a_pipeline_that_trained_nothing_new_has_failed(
    age: timedelta, cached: Any, told: str | None, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SageMaker, "pipeline_execution_named", lambda *_: RUNNING_PIPELINE)
    world.sagemaker.pipelines[RUNNING_PIPELINE] = {"PipelineExecutionStatus": "Succeeded"}
    step = {"StepName": "Train", "StepStatus": "Succeeded", "Metadata": {"TrainingJob": {"Arn": "job-1"}}}
    world.sagemaker.steps[RUNNING_PIPELINE] = [{**step, "CacheHitResult": cached}]
    world.sagemaker.trainings["job-1"] = {"TrainingJobStatus": "Completed", "CreationTime": NOON - age}
    found = seen(world, BY_PIPELINE, certain=True)
    assert found is not None
    assert found.succeeded is (told is None)
    assert told is None or told in found.reason
    assert found.error == (None if told is None else "NothingTrained")
    assert told is None or (
        training_result(found, output_uri="s3://out/", overdue=True).outcome is Status.TRAINING_FAILED
    )


def test_a_training_that_failed_without_a_word_says_so() -> None:
    result = training_result(Ended(succeeded=False, reason="", error="Boom"), output_uri="s3://out/", overdue=False)
    assert result.reason == "no reason given"


def test_the_job_that_trained_a_pipelines_model_is_described_as_it_was_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SageMaker, "pipeline_execution_named", lambda *_: RUNNING_PIPELINE)
    world.sagemaker.pipelines[RUNNING_PIPELINE] = {"PipelineExecutionStatus": "Succeeded"}
    world.sagemaker.steps[RUNNING_PIPELINE] = [
        {"StepName": "Train", "StepStatus": "Succeeded", "Metadata": {"TrainingJob": {"Arn": "a:training-job/job-1"}}}
    ]
    world.sagemaker.trainings["job-1"] = {
        "TrainingJobName": "job-1",
        "TrainingJobStatus": "Completed",
        "CreationTime": NOON,
        "BillableTimeInSeconds": 500,
    }
    found = seen(world, BY_PIPELINE, certain=True)
    assert found is not None
    assert [(job.name, job.seconds) for job in found.jobs] == [("job-1", 500)]


# What ran for it.


def test_what_ran_for_earlier_attempts_stands_before_what_ran_for_the_last(world: World) -> None:
    earlier = Job(Use.TRAINING, "job-0", seconds=7)
    found = with_jobs(
        world.ports,
        RUN,
        training(world, jobs=[earlier.as_record()]),
        Ended(succeeded=True, reason="It is over.", jobs=(replace(earlier, name="job-1"),)),
    )
    assert [job.name for job in found.jobs] == ["job-0", "job-1"]


@pytest.mark.parametrize(("succeeded", "output"), [(True, {}), (True, {"image": 7}), (False, None)])
def test_whatever_a_training_came_to_its_result_names_what_ran(succeeded: bool, output: Any) -> None:
    found = Ended(succeeded=succeeded, reason="It is over.", output=output, jobs=JOBS)
    assert training_result(found, output_uri="s3://out/", overdue=False).jobs == JOBS


# What of it stays.


def test_the_next_attempt_is_neither_accepted_nor_late(world: World) -> None:
    begin(world)
    wait = training(world, accepted=True, accepted_at=NOON.isoformat(), overdue=True)
    manifest = {"training": {"input": {"idempotency_token": "t-1"}}}
    lacking = Ended(succeeded=False, reason="No instances.", no_capacity=True)
    assert try_again(world.ports, RUN, wait, manifest, lacking, 8) is None
    again = world.table.wait("run-1", WaitKind.TRAINING)
    assert again is not None
    assert (again.attempt, again.data["accepted"]) == (2, False)
    assert not {"accepted_at", "overdue"} & again.data.keys()
