"""Whose check is a job that says a pipeline ran it: its tag says where to look, tags and lists of AWS's the rest."""

from __future__ import annotations

from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from orchestration.domain.monitor_run import ListedStep, PipelineCheck, StepListing
from orchestration.steps.pipeline_checks import EXECUTION_TAG, pipeline_check
from orchestration.steps.policies import model_of_schedule
from tests.unit.fake_services import client_error
from tests.unit.fakes import World

JOB: Final = "arn:aws:sagemaker:us-east-1:111122223333:processing-job/pipelines-abcdefghij12-Scores"
PIPELINE: Final = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/churn-scoring"
EXECUTION: Final = f"{PIPELINE}/execution/abcdefghij12"
STEPS: Final = "list_pipeline_execution_steps"


def ran(world: World, execution: str = EXECUTION, **metadata: Any) -> None:
    """The job says that it is of this execution, which lists a step."""
    world.sagemaker.tags[JOB] = {"team": "x", EXECUTION_TAG: execution}
    world.sagemaker.steps[execution] = [{"StepName": "Scores", "Metadata": metadata}]


def test_a_check_is_of_the_model_that_its_pipelines_tag_names(world: World) -> None:
    ran(world, QualityCheck={"CheckJobArn": JOB})
    listing = StepListing(ListedStep("Scores", checks=True))
    assert pipeline_check(world.ports, JOB) == PipelineCheck(PIPELINE, "churn", listing=listing)


def test_a_job_that_no_step_lists_is_said_to_be_listed_by_none(world: World) -> None:
    ran(world, QualityCheck={"CheckJobArn": "arn:another"})
    assert pipeline_check(world.ports, JOB) == PipelineCheck(PIPELINE, "churn")


@pytest.mark.parametrize(
    "execution",
    [
        "",
        "x",
        PIPELINE,
        f"{EXECUTION}/x",
        f"{EXECUTION} ",
        f"x{EXECUTION}",
        EXECUTION.replace("111122223333", "999988887777"),
        EXECUTION.replace("us-east-1", "eu-west-1"),
    ],
)
def test_a_tag_that_names_no_execution_of_this_account_and_region_is_none(execution: str, world: World) -> None:
    ran(world, execution, QualityCheck={"CheckJobArn": JOB})
    assert pipeline_check(world.ports, JOB) is None


def test_a_job_without_the_tag_is_of_no_pipeline(world: World) -> None:
    assert pipeline_check(world.ports, JOB) is None


@pytest.mark.parametrize("tags", [{}, {"retraining:model": "_shared"}, {"team": "churn"}])
def test_a_pipeline_that_no_tag_gives_to_a_model_is_not_asked_for_its_steps(tags: dict[str, str], world: World) -> None:
    ran(world, QualityCheck={"CheckJobArn": JOB})
    world.sagemaker.tags[PIPELINE] = tags
    assert pipeline_check(world.ports, JOB) == PipelineCheck(PIPELINE, None)


@pytest.mark.parametrize("target", [PIPELINE, PIPELINE.replace("churn-scoring", "Churn-Scoring")])
def test_the_pipeline_that_trains_the_model_is_known_however_its_name_is_written(target: str, world: World) -> None:
    world.put("policies/churn.json", {"schema_version": 1, "model": "churn", "training": {"target": target}})
    ran(world, QualityCheck={"CheckJobArn": JOB})
    assert pipeline_check(world.ports, JOB) == PipelineCheck(PIPELINE, "churn", trains=True)


def test_a_model_without_a_policy_is_still_named(world: World) -> None:
    """Admit refuses it with a sentence, as it does every signal of a model that it does not know."""
    other = PIPELINE.replace("churn-scoring", "stranger-scoring")
    ran(world, EXECUTION.replace(PIPELINE, other), ClarifyCheck={"CheckJobArn": JOB})
    listing = StepListing(ListedStep("Scores", checks=True))
    assert pipeline_check(world.ports, JOB) == PipelineCheck(other, "stranger", listing=listing)


def test_why_sagemaker_does_not_list_is_told_and_a_passing_fault_is_not_taken_for_it(world: World) -> None:
    ran(world, QualityCheck={"CheckJobArn": JOB})
    world.sagemaker.refuse(STEPS, client_error("AccessDeniedException", "no", "ListPipelineExecutionSteps"))
    found = pipeline_check(world.ports, JOB)
    assert found == PipelineCheck(PIPELINE, "churn", listing=StepListing(refused="AccessDeniedException"))
    world.sagemaker.refuse(STEPS, client_error("ThrottlingException", "later", "ListPipelineExecutionSteps"))
    with pytest.raises(ClientError, match="Throttling"):
        pipeline_check(world.ports, JOB)


def test_why_sagemaker_does_not_list_a_schedules_runs_is_told_too(world: World) -> None:
    runs = "list_monitoring_executions"
    world.sagemaker.refuse(runs, client_error("AccessDeniedException", "no", "ListMonitoringExecutions"))
    assert world.ports.sagemaker.monitor_run("fraud", None, "arn:job").refused == "AccessDeniedException"
    world.sagemaker.refuse(runs, client_error("ThrottlingException", "later", "ListMonitoringExecutions"))
    with pytest.raises(ClientError, match="Throttling"):
        world.ports.sagemaker.monitor_run("fraud", None, "arn:job")


def test_a_schedule_is_of_the_model_that_its_tag_names(world: World) -> None:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:monitoring-schedule/churn-batch"
    world.sagemaker.schedules["churn-batch"] = {}
    assert model_of_schedule(world.ports, "churn-batch") == "churn"
    assert model_of_schedule(world.ports, "unknown") is None
    for tags, model in (({}, None), ({"retraining:model": "_shared"}, None), ({"retraining:model": "fraud"}, "fraud")):
        world.sagemaker.tags[arn] = tags
        assert model_of_schedule(world.ports, "churn-batch") == model
