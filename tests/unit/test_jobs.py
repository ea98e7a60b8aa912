"""What ran for a training: taken from SageMaker's descriptions, kept in the outcome, and not known where they do not say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.record_schemas import schema_finding
from orchestration.domain.approval_view import sections_of
from orchestration.domain.contracts import WaitKind
from orchestration.domain.jobs import (
    JOBS_KEPT,
    Job,
    Use,
    instances_of,
    jobs_of_output,
    jobs_of_steps,
    kept,
    processed,
    trained,
)
from orchestration.steps.approval_reading import asked_of
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import World
from tests.unit.stories import do

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNT = "arn:aws:sagemaker:us-east-1:111122223333"
PIPELINE = f"{ACCOUNT}:pipeline/fraud"
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}
TRAINED: dict[str, Any] = {
    "TrainingJobName": "train-1",
    "TrainingJobStatus": "Completed",
    "ResourceConfig": RESOURCES,
    "TrainingStartTime": NOON,
    "TrainingEndTime": NOON + timedelta(minutes=10),
    "BillableTimeInSeconds": 500,
}
PROCESSED: dict[str, Any] = {
    "ProcessingJobName": "prepare-1",
    "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}},
    "ProcessingStartTime": NOON,
    "ProcessingEndTime": NOON + timedelta(minutes=3),
}
NO_TIME = "SageMaker's description does not say for how long it is billed."
NO_INSTANCES = "SageMaker's description names no instances."


@pytest.mark.parametrize(
    ("more", "instances", "seconds", "unknown"),
    [
        ({}, (("ml.m5.large", 2),), 500, None),
        ({"BillableTimeInSeconds": None}, (("ml.m5.large", 2),), 600, None),
        ({"BillableTimeInSeconds": None, "EnableManagedSpotTraining": True}, (("ml.m5.large", 2),), None, NO_TIME),
        ({"BillableTimeInSeconds": None, "TrainingEndTime": None}, (("ml.m5.large", 2),), None, NO_TIME),
        (
            {"ResourceConfig": {"InstanceGroups": [RESOURCES, {**RESOURCES, "InstanceType": "ml.g5.xlarge"}]}},
            (("ml.m5.large", 2), ("ml.g5.xlarge", 2)),
            500,
            None,
        ),
        ({"ResourceConfig": {"InstanceGroups": [RESOURCES, {"InstanceType": "ml.g5.xlarge"}]}}, (), 500, NO_INSTANCES),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large"}}, (), 500, NO_INSTANCES),
        ({"ResourceConfig": None}, (), 500, NO_INSTANCES),
        (
            {"ResourceConfig": {**RESOURCES, "TrainingPlanArn": f"{ACCOUNT}:training-plan/p"}},
            (("ml.m5.large", 2),),
            500,
            "A training plan paid for its instances.",
        ),
        (
            {"ResourceConfig": {**RESOURCES, "KeepAlivePeriodInSeconds": 600}},
            (("ml.m5.large", 2),),
            500,
            "Its instances were kept warm and billed when it had ended, in no record for how long.",
        ),
    ],
)
def test_a_training_job_ran_on_what_its_description_names_for_as_long_as_it_bills(
    more: dict[str, Any], instances: Any, seconds: float | None, unknown: str | None
) -> None:
    spot = more.get("EnableManagedSpotTraining", False)
    assert trained({**TRAINED, **more}) == Job(Use.TRAINING, "train-1", instances, seconds, spot, unknown)


def test_a_job_that_never_came_to_its_instances_is_billed_nothing() -> None:
    waited = {"TrainingJobName": "train-1", "TrainingJobStatus": "Failed", "ResourceConfig": RESOURCES}
    assert trained(waited) == Job(Use.TRAINING, "train-1", (("ml.m5.large", 2),), 0.0)
    assert trained({**waited, "BillableTimeInSeconds": 5}).seconds == 5
    assert processed({**{key: PROCESSED[key] for key in ("ProcessingJobName", "ProcessingResources")}}).seconds == 0


def test_spot_is_billed_for_less_than_it_ran_and_said_to_be_spot() -> None:
    job = trained({**TRAINED, "EnableManagedSpotTraining": True, "BillableTimeInSeconds": 120})
    assert (job.seconds, job.spot, job.unknown) == (120, True, None)


def test_a_processing_job_ran_from_its_start_to_its_end() -> None:
    assert processed(PROCESSED) == Job(Use.PROCESSING, "prepare-1", (("ml.m5.xlarge", 1),), 180)
    assert processed({**PROCESSED, "ProcessingEndTime": None}).unknown == NO_TIME


STEPS: list[dict[str, Any]] = [
    {"StepName": "Prepare", "Metadata": {"ProcessingJob": {"Arn": f"{ACCOUNT}:processing-job/prepare-1"}}},
    {"StepName": "Check", "Metadata": {"QualityCheck": {"CheckJobArn": f"{ACCOUNT}:processing-job/check-1"}}},
    {
        "StepName": "Old",
        "Metadata": {"TrainingJob": {"Arn": f"{ACCOUNT}:training-job/old"}},
        "CacheHitResult": {"SourcePipelineExecutionArn": "last month's"},
    },
    {"StepName": "Train", "Metadata": {"TrainingJob": {"Arn": f"{ACCOUNT}:training-job/train-1"}}},
    {"StepName": "Score", "Metadata": {"TransformJob": {"Arn": f"{ACCOUNT}:transform-job/score-1"}}},
    {"StepName": "Good", "Metadata": {"Condition": {"Outcome": "True"}}},
    {"StepName": "Register", "Metadata": {"RegisterModel": {"Arn": f"{ACCOUNT}:model-package/fraud/1"}}},
    {"StepName": "Model", "Metadata": {"Model": {"Arn": f"{ACCOUNT}:model/fraud"}}},
    {"StepName": "Config", "Metadata": {"EndpointConfig": {"Arn": f"{ACCOUNT}:endpoint-config/fraud"}}},
    {"StepName": "Bad", "Metadata": {"Fail": {"ErrorMessage": "Not good."}}},
    {"StepName": "Waits"},
]


def test_the_jobs_of_a_pipeline_are_those_its_steps_ran() -> None:
    assert jobs_of_steps(STEPS) == [
        Job(Use.PROCESSING, "prepare-1"),
        Job(Use.PROCESSING, "check-1"),
        Job(Use.TRAINING, "train-1"),
        Job(None, "Score", unknown="What a step of kind TransformJob runs on is not looked up."),
    ]


@pytest.mark.parametrize("kind", ["TrainingJob", "ProcessingJob"])
def test_a_step_whose_job_has_no_name_is_not_looked_up(kind: str) -> None:
    arn = f"{ACCOUNT}:{'training' if kind == 'TrainingJob' else 'processing'}-job/"
    (job,) = jobs_of_steps([{"Metadata": {kind: {"Arn": arn}}}])
    assert job == Job(None, "", unknown=f"What a step of kind {kind} runs on is not looked up.")


def test_a_job_is_named_while_nobody_asked_what_it_ran_on() -> None:
    name = Job(Use.TRAINING, "t")
    assert name.named
    for known in (replace(name, use=None), replace(name, seconds=5.0), replace(name, unknown="Not looked up.")):
        assert not known.named


def test_a_job_without_a_name_has_none() -> None:
    assert trained({**TRAINED, "TrainingJobName": None}).name == ""
    assert Job.of({}).name == ""


@pytest.mark.parametrize(("count", "taken"), [(0, True), (100_000, True), (100_001, False), (-1, False), (None, False)])
def test_a_number_of_instances_that_no_job_has_is_none(count: Any, taken: bool) -> None:
    groups = [{"type": "ml.m5.large", "count": count}, {"type": "ml.g5.xlarge", "count": 1}]
    found = instances_of(groups, "type", "count")
    assert found == ((("ml.m5.large", count), ("ml.g5.xlarge", 1)) if taken else ())
    assert instances_of([{"count": 1}], "type", "count") == ()


def test_of_many_jobs_the_first_are_kept_and_the_others_counted() -> None:
    jobs = [Job(Use.TRAINING, f"t-{number}") for number in range(JOBS_KEPT + 3)]
    assert kept(jobs[:JOBS_KEPT]) == tuple(jobs[:JOBS_KEPT])
    assert [job.name for job in kept(jobs)][-2:] == [f"t-{JOBS_KEPT - 1}", "3 more"]
    assert kept(jobs[: JOBS_KEPT + 1])[-1] == Job(None, "1 more", unknown="Only the first jobs of a training are kept.")


@pytest.mark.parametrize(
    "junk", [None, 7, "x", [], {}, {"use": "x"}, {"use": []}, {"instances": [[]]}, {"seconds": "a"}, {"seconds": 5}]
)
def test_a_record_that_says_nothing_of_a_job_is_not_known(junk: Any) -> None:
    job = Job.of(junk)
    assert job.unknown is not None
    assert Job.of(job.as_record()) == job


@pytest.mark.parametrize("seconds", [-3600, 1e308, "-1", 366 * 86_400 + 1])
def test_a_time_that_no_job_takes_is_not_known(seconds: Any) -> None:
    found = Job.of({**Job(Use.TRAINING, "t", (("ml.m5.large", 1),), 60.0).as_record(), "seconds": seconds})
    assert (found.seconds, found.unknown) == (None, "Its record does not say on what it ran, or for how long.")


def test_a_year_is_the_longest_time_that_is_taken() -> None:
    longest = Job(Use.TRAINING, "t", (("ml.m5.large", 1),), 366 * 86_400.0)
    assert Job.of(longest.as_record()) == longest


@pytest.mark.parametrize(
    ("start", "end", "seconds"), [("noon", NOON, None), (NOON, "noon", None), (NOON, NOON - timedelta(1), 0.0)]
)
def test_how_long_a_job_ran_takes_two_times(start: Any, end: Any, seconds: float | None) -> None:
    assert processed({**PROCESSED, "ProcessingStartTime": start, "ProcessingEndTime": end}).seconds == seconds


def test_a_job_is_read_again_as_it_was_kept() -> None:
    for job in (trained(TRAINED), processed(PROCESSED), *jobs_of_steps(STEPS)[-1:]):
        assert Job.of(job.as_record()) == job


# In a run.


def begun(world: World, **training: Any) -> None:
    """The run's training was taken by its target."""
    stories.with_slot(world, training={"max_hours": 2, **training})
    assert do(world, "train", token="training") == {"started": True}


def ended(world: World, waits: str = "training") -> list[dict[str, Any]]:
    """The run is closed after its training; gives the jobs in its outcome."""
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert stories.next_of(world, waits) == "evaluate"
    do(world, "close", failure={"error": "Boom", "cause": "It broke."})
    outcome = world.read("evidence/fraud/run-1/outcome.json")
    assert schema_finding(outcome) is None
    jobs: list[dict[str, Any]] = outcome["jobs"]
    return jobs


@pytest.mark.parametrize("status", ["Succeeded", "Failed"])
def test_the_outcome_names_what_every_job_of_a_pipeline_ran_on_however_it_ended(status: str, world: World) -> None:
    begun(world, target=PIPELINE)
    (arn,) = world.sagemaker.pipelines
    world.sagemaker.pipelines[arn]["PipelineExecutionStatus"] = status
    world.sagemaker.steps[arn] = [{"StepStatus": "Succeeded", **step} for step in STEPS if step["StepName"] != "Old"]
    world.sagemaker.jobs["prepare-1"] = PROCESSED
    world.sagemaker.trainings["train-1"] = TRAINED
    jobs = ended(world)
    assert [(job["use"], job["name"], job["instances"], job["seconds"]) for job in jobs[:1] + jobs[2:3]] == [
        ("processing", "prepare-1", [{"type": "ml.m5.xlarge", "count": 1}], 180),
        ("training", "train-1", [{"type": "ml.m5.large", "count": 2}], 500),
    ]
    assert jobs[1]["unknown"] == "SageMaker does not know it any more."
    assert jobs[3]["unknown"] == "What a step of kind TransformJob runs on is not looked up."


def test_a_job_that_may_not_be_described_is_said_to_be_so_and_holds_up_no_training(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: Any) -> dict[str, Any]:
        raise client_error("AccessDeniedException", "no", "DescribeProcessingJob")

    begun(world, target=PIPELINE)
    (arn,) = world.sagemaker.pipelines
    world.sagemaker.pipelines[arn]["PipelineExecutionStatus"] = "Succeeded"
    world.sagemaker.steps[arn] = [{"StepStatus": "Succeeded", **STEPS[0]}]
    monkeypatch.setattr(world.sagemaker, "describe_processing_job", denied)
    (job,) = ended(world)
    assert job["unknown"] == "SageMaker did not describe it (AccessDeniedException)."


@pytest.mark.parametrize("named", ["train-1", f"{ACCOUNT}:training-job/train-1"])
def test_the_training_job_that_a_state_machine_names_is_looked_up(named: str, world: World) -> None:
    world.sagemaker.trainings["train-1"] = {**TRAINED, "CreationTime": NOON}
    stories.trained(world, output={"model_data_url": stories.MODEL_URI, "image": "i", "training_job_name": named})
    do(world, "close", failure={"error": "Boom", "cause": "It broke."})
    assert world.read("evidence/fraud/run-1/outcome.json")["jobs"] == [trained(TRAINED).as_record()]


def test_people_who_are_asked_to_promote_see_what_the_training_ran_on(world: World) -> None:
    world.sagemaker.trainings["train-1"] = {**TRAINED, "CreationTime": NOON}
    stories.asked(world, output={"model_data_url": stories.MODEL_URI, "image": "image", "training_job_name": "train-1"})
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert wait is not None
    (cost,) = [
        section
        for section in sections_of(asked_of(world.table, world.bucket, wait), NOON)
        if section.heading == "Cost so far"
    ]
    assert dict(cost.facts)["training job train-1"] == "2 x ml.m5.large, 0.2778 instance hours: 0.031944 USD"


def test_a_job_that_a_state_machine_names_and_that_is_older_than_the_run_is_not_its_own(world: World) -> None:
    world.sagemaker.trainings["train-1"] = {**TRAINED, "CreationTime": NOON - timedelta(hours=1)}
    stories.trained(world, output={"model_data_url": stories.MODEL_URI, "image": "i", "training_job_name": "train-1"})
    do(world, "close", failure={"error": "Boom", "cause": "It broke."})
    (job,) = world.read("evidence/fraud/run-1/outcome.json")["jobs"]
    assert (job["seconds"], job["unknown"]) == (None, "It is older than the run.")


@pytest.mark.parametrize("junk", [None, True, 7, "", " ", "../x", "a" * 64, ["t"], {"name": "t"}])
def test_what_is_no_name_of_a_job_is_passed_over(junk: Any) -> None:
    assert jobs_of_output({"training_job_name": junk}) == ()
    assert jobs_of_output(junk) == ()
    assert jobs_of_output('{"training_job_name": "t-1"}') == (Job(Use.TRAINING, "t-1"),)


def test_what_the_team_s_own_state_machine_ran_is_in_no_record(world: World) -> None:
    stories.trained(world)
    do(world, "close", failure={"error": "Boom", "cause": "It broke."})
    assert world.read("evidence/fraud/run-1/outcome.json")["jobs"] == []


def test_jobs_of_attempts_that_got_no_instances_stay_beside_the_last(world: World) -> None:
    request = {
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::111122223333:role/train",
        "ResourceConfig": RESOURCES,
    }
    begun(world, target="training-job", request=request)
    (first,) = world.sagemaker.trainings
    lacking = "CapacityError: Unable to provision requested ML compute capacity."
    world.sagemaker.trainings[first] |= {"TrainingJobStatus": "Failed", "FailureReason": lacking}
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert do(world, "train", token="again") == {"started": True}
    wait = world.table.wait("run-1", WaitKind.TRAINING)
    assert wait is not None
    assert wait.attempt == 2
    _, second = world.sagemaker.trainings
    world.sagemaker.trainings[second] |= {**TRAINED, "TrainingJobName": second}
    assert [(job["name"], job["seconds"]) for job in ended(world, "again")] == [(first, 0), (second, 500)]
