"""A training that meets a quota or finds no instances waits, is begun anew, and says nothing of its model."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration import handler
from orchestration.domain.capacity import given_up, lacks_capacity, remedy, waiting_sentence
from orchestration.domain.contracts import TRAINING_JOB_STATE_CHANGE, Next, Status, WaitKind
from orchestration.domain.due import GRACE
from orchestration.domain.errors import ContentionError, NotAcceptedYetError
from orchestration.domain.failures import ended
from orchestration.domain.intention import training_subject
from orchestration.domain.results import execution_ended, step_failures, training_job_ended
from orchestration.domain.switches import KillSwitch
from orchestration.domain.training_target import attempt_input, nested_execution_arn, training_name
from orchestration.domain.wait import Wait
from orchestration.steps.training_slots import give_way
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import TRAINING, ProcessDiedError, World, drift, execution_arn, request
from tests.unit.stories import do, next_of
from tests.unit.test_hand import JOB, NAME, PIPELINE

LIMIT = (
    "The account-level service limit 'ml.p3.2xlarge for training job usage' is 0 Instances, with current utilization of 0 "
    "Instances and a request delta of 1 Instances."
)
QUOTA = client_error("ResourceLimitExceeded", LIMIT, "CreateTrainingJob")
NO_INSTANCES = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different instance type."
)
PATIENT = {**JOB, "max_hours": 2}


# What AWS says.


@pytest.mark.parametrize(
    ("said", "lacks"),
    [
        (NO_INSTANCES, True),
        ("InsufficientInstanceCapacity: none left", True),
        (f"ClientError: Failed to invoke sagemaker:CreateTrainingJob. Error Details: {LIMIT}", True),
        ("SageMaker.ResourceLimitExceededException: too many", True),
        ("AlgorithmError: the script said CapacityError", False),
        ("InternalServerError: We encountered an internal error.", False),
        ("", False),
    ],
)
def test_capacity_is_what_aws_says_and_not_what_a_training_prints(said: str, lacks: bool) -> None:
    assert lacks_capacity(said) is lacks


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            LIMIT,
            "Raise the quota 'ml.p3.2xlarge for training job usage' (console: Service Quotas, AWS services, Amazon",
        ),
        ("ResourceLimitExceeded", "Raise the quota that AWS names (console: Service Quotas, AWS services, Amazon"),
        ("ThrottlingException: Rate exceeded", "AWS was asked again all the time; see whether its own words say what"),
        (
            NO_INSTANCES,
            "AWS has no such instances free in this Region: let the target use another instance type, or wait.",
        ),
    ],
)
def test_the_remedy_names_the_quota_and_where_it_is_raised(said: str, advice: str) -> None:
    assert remedy(said).startswith(advice)


def test_the_error_of_an_execution_says_that_there_was_no_capacity_as_well_as_its_cause_does() -> None:
    for error, cause in (
        ("SageMaker.ResourceLimitExceededException", "x"),
        ("x", "SageMaker.ResourceLimitExceededException"),
    ):
        ended = execution_ended({"status": "FAILED", "error": error, "cause": cause})
        assert ended is not None
        assert ended.no_capacity
    steps = [{"StepName": "a", "StepStatus": "Executing", "FailureReason": "CapacityError"}]
    assert step_failures(steps) == ""


def test_a_training_that_waited_and_trains_is_named_by_a_pause(world: World) -> None:
    waits_with(world, "keep")
    assert do(world, "train", token="t-2") == {"started": True}
    world.clock.forward(minutes=5)
    paused = do(world, "pause", scope="model:fraud", by="ana", reason="Incident 7.")
    assert paused["in_flight"] == ["training of run run-1 (fraud)"]
    rows = {row["status"]: row for row in world.table.statuses("run-1")}
    assert rows["TRAINING_STARTED"]["severity"] == world.table.run("run-1").severity  # type: ignore[union-attr]


def test_people_are_told_until_when_it_is_asked_for_and_what_to_do() -> None:
    assert waiting_sentence(f"{NO_INSTANCES}", datetime(2026, 3, 3, 12, 0, tzinfo=UTC)) == (
        f"The training waits: {NO_INSTANCES} It is asked for again until 2026-03-03 12:00 UTC, and this is told only once. "
        "AWS has no such instances free in this Region: let the target use another instance type, or wait."
    )
    assert given_up(LIMIT, 24.0).reason == (
        f"AWS did not let the training run for 24 h, as long as the policy waits; nothing was trained. {LIMIT} Raise the "
        "quota 'ml.p3.2xlarge for training job usage' (console: Service Quotas, AWS services, Amazon SageMaker), or let the "
        "target use another instance type."
    )
    assert given_up(LIMIT, 24.0).next is Next.EVALUATE


@pytest.mark.parametrize(
    ("ended", "lacks"),
    [
        (training_job_ended({"TrainingJobStatus": "Failed", "FailureReason": NO_INSTANCES}), True),
        (training_job_ended({"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: x"}), False),
        (training_job_ended({"TrainingJobStatus": "Failed"}), False),
        (execution_ended({"status": "FAILED", "error": "SageMaker.ResourceLimitExceededException"}), True),
        (execution_ended({"status": "FAILED", "error": "States.TaskFailed", "cause": NO_INSTANCES}), True),
        (execution_ended({"status": "FAILED", "error": "Boom", "cause": "no rows"}), False),
    ],
)
def test_what_ended_for_want_of_capacity_says_so(ended: Any, lacks: bool) -> None:
    assert ended.no_capacity is lacks


def test_a_pipeline_tells_which_steps_failed_and_why() -> None:
    steps: list[dict[str, Any]] = [
        {"StepName": "prepare", "StepStatus": "Succeeded"},
        {"StepName": "train", "StepStatus": "Failed", "FailureReason": NO_INSTANCES},
        {"StepName": "check", "StepStatus": "Failed"},
        *({"StepName": f"s{number}", "StepStatus": "Failed", "FailureReason": "x"} for number in range(3)),
    ]
    assert step_failures(steps) == f"Step train failed: {ended(NO_INSTANCES)} Step s0 failed: x. Step s1 failed: x."
    assert step_failures(steps[:1]) == ""


def test_each_attempt_has_a_token_of_its_own_of_the_same_form() -> None:
    given = {"idempotency_token": "0" * 40, "run_id": "run-1"}
    assert attempt_input(given, 1) == given
    tokens = {attempt_input(given, attempt)["idempotency_token"] for attempt in range(1, 5)}
    assert len(tokens) == 4
    assert {len(token) for token in tokens} == {40}
    assert attempt_input(given, 2) == {**given, "idempotency_token": attempt_input(given, 2)["idempotency_token"]}


# A quota at the start.


def waiting(world: World) -> Wait:
    wait = world.table.wait("run-1", WaitKind.TRAINING)
    assert wait is not None
    return wait


def tried(world: World, token: str) -> None:
    """The workflow asks, and AWS does not take it."""
    with pytest.raises(NotAcceptedYetError):
        do(world, "train", token=token)


@pytest.mark.parametrize(
    ("target", "operation"), [(JOB, "CreateTrainingJob"), ({"target": PIPELINE}, "StartPipelineExecution")]
)
def test_a_quota_is_waited_for_and_told_once_and_no_sweep_takes_the_wait_for_a_failure(
    target: dict[str, Any], operation: str, world: World
) -> None:
    stories.with_slot(world, training={**target, "max_hours": 2})
    world.sagemaker.refuse(operation, QUOTA, QUOTA)
    tried(world, "t-1")
    world.clock.forward(hours=1)
    do(world, "sweep")
    assert waiting(world).resolved is False
    tried(world, "t-2")
    (told,) = world.told("TRAINING_WAITING")
    assert "'ml.p3.2xlarge for training job usage'" in told.sentence
    assert "until 2026-03-02 14:00 UTC" in told.sentence
    assert told.escalates is False
    (row,) = [row for row in world.table.statuses("run-1") if row["status"] == "TRAINING_WAITING"]
    assert row["severity"] == "critical"
    assert do(world, "train", token="t-3") == {"started": True}
    assert len(world.sagemaker.trainings) + len(world.sagemaker.pipelines) == 1
    assert world.table.slots().holder("run-1") is not None


def test_a_throttled_start_is_asked_again_and_told_to_nobody(world: World) -> None:
    stories.with_slot(world, training=PATIENT)
    world.sagemaker.refuse("CreateTrainingJob", client_error("ThrottlingException", "Rate exceeded"))
    tried(world, "t-1")
    assert world.told("TRAINING_WAITING") == []


def test_a_quota_that_stays_ends_the_run_with_what_to_do_and_counts_as_no_fruitless_run(world: World) -> None:
    stories.with_slot(world, training=PATIENT)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA, QUOTA)
    tried(world, "t-1")
    world.clock.forward(hours=2)
    assert do(world, "train", token="t-2") == {"started": True}
    assert next_of(world, "t-2") is None
    do(world, "sweep")
    assert next_of(world, "t-2") == "evaluate"
    assert do(world, "evaluate")["next"] == "record"
    assert do(world, "close")["outcome"] == Status.NO_CAPACITY
    (told,) = world.told("NO_CAPACITY")
    assert told.escalates
    assert "Service Quotas" in told.sentence
    assert any("retraining retrain --model fraud " in str(step) for step in told.next_steps)
    assert world.table.model("fraud").fruitless_runs == 0
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert world.table.slots().holders == ()


def test_a_switch_that_is_thrown_while_a_quota_is_waited_for_ends_the_run(world: World) -> None:
    stories.with_slot(world, training=PATIENT)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-1")
    world.table.throw_switch(KillSwitch("model:fraud", "ana", "Incident 7.", "2026-03-02T12:00:00+00:00"))
    assert do(world, "train", token="t-2") == {"started": False}
    assert do(world, "close")["outcome"] == Status.STOPPED
    assert world.sagemaker.trainings == {}


# No instances for what was taken.


def fails_for_capacity(world: World, name: str = NAME) -> None:
    """The job ends, and its event is told."""
    world.sagemaker.trainings[name] |= {"TrainingJobStatus": "Failed", "FailureReason": NO_INSTANCES}
    tell(world, name)


def tell(world: World, name: str) -> dict[str, Any]:
    event = {"detail-type": TRAINING_JOB_STATE_CHANGE, "detail": {"TrainingJobName": name}}
    return handler.run_action(event, world.ports)


def trains(world: World, **training: Any) -> None:
    stories.training(world, training={**PATIENT, **training})


def second_name(world: World) -> str:
    run = world.table.run("run-1")
    assert run is not None
    return training_name(attempt_input(json.loads(run.manifest)["training"]["input"], 2)["idempotency_token"])


def test_a_job_that_got_no_instances_is_begun_anew_under_another_name(world: World) -> None:
    trains(world)
    fails_for_capacity(world)
    assert world.executions.failures == {"training": "NotAcceptedYetError"}
    assert world.table.intention(training_subject("run-1")) is None
    assert len(world.told("TRAINING_WAITING")) == 1

    assert do(world, "train", token="t-2") == {"started": True}
    assert list(world.sagemaker.trainings) == [NAME, second_name(world)]
    assert waiting(world).data["names"] == [f"job:{second_name(world)}"]
    assert tell(world, NAME) == {"resumed": 0}
    world.sagemaker.trainings[second_name(world)] |= {
        "TrainingJobStatus": "Completed",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://data/m.tar.gz"},
    }
    assert tell(world, second_name(world)) == {"resumed": 1}
    result = waiting(world).result
    assert result is not None
    assert (result.outcome, next_of(world, "t-2")) == (None, "evaluate")
    assert [key for key in world.database.items if key[0].startswith("SUBJECT#")] == []


def test_a_second_job_that_gets_no_instances_is_told_to_nobody_again(world: World) -> None:
    trains(world)
    fails_for_capacity(world)
    assert do(world, "train", token="t-2") == {"started": True}
    fails_for_capacity(world, second_name(world))
    assert world.executions.failures == {"training": "NotAcceptedYetError", "t-2": "NotAcceptedYetError"}
    assert len(world.told("TRAINING_WAITING")) == 1


def test_a_nested_execution_and_a_pipeline_that_got_no_instances_are_begun_anew(
    new_world: Callable[..., World],
) -> None:
    nested = new_world()
    stories.training(nested)
    nested.executions.end(stories.training_arn(), "FAILED", error="States.TaskFailed", cause=NO_INSTANCES)
    stories.tell_ended(nested, stories.training_arn())
    assert do(nested, "train", token="t-2") == {"started": True}
    assert list(nested.executions.started) == [NAME, second_name(nested)]
    first, second = nested.executions.started.values()
    assert second["idempotency_token"] != first["idempotency_token"]
    assert nested.executions.statuses[nested_execution_arn(TRAINING, second_name(nested))] == "RUNNING"

    piped = new_world()
    stories.training(piped, training={"target": PIPELINE})
    (arn,) = piped.sagemaker.pipelines
    piped.sagemaker.pipelines[arn]["PipelineExecutionStatus"] = "Failed"
    piped.sagemaker.steps[arn] = [{"StepName": "train", "StepStatus": "Failed", "FailureReason": NO_INSTANCES}]
    piped.clock.forward(minutes=5)
    do(piped, "sweep")
    assert do(piped, "train", token="t-2") == {"started": True}
    assert len(piped.sagemaker.pipelines) == 2


def test_no_instances_until_the_policys_time_is_over_end_the_run(world: World) -> None:
    trains(world)
    world.clock.forward(hours=2)
    fails_for_capacity(world)
    assert next_of(world, "training") == "evaluate"
    assert do(world, "close")["outcome"] == Status.NO_CAPACITY
    assert world.told("TRAINING_WAITING") == []


def test_the_time_that_is_waited_counts_from_the_first_try_and_not_from_the_last_that_was_taken(world: World) -> None:
    stories.with_slot(world, training=PATIENT)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-1")
    world.clock.forward(hours=1.5)
    assert do(world, "train", token="t-2") == {"started": True}
    world.clock.forward(hours=0.6)
    fails_for_capacity(world)
    assert do(world, "close")["outcome"] == Status.NO_CAPACITY


def test_a_training_that_had_to_wait_has_all_its_time_once_it_runs(world: World) -> None:
    """What the policy allows counts for the waiting, and anew for the training."""
    trains(world)
    world.clock.forward(hours=1.5)
    fails_for_capacity(world)
    assert do(world, "train", token="t-2") == {"started": True}
    world.clock.forward(hours=1.9)
    do(world, "sweep")
    job = world.sagemaker.trainings[second_name(world)]
    assert job["TrainingJobStatus"] == "InProgress"
    world.clock.forward(hours=0.2)
    do(world, "sweep")
    assert job["TrainingJobStatus"] == "Stopping"
    fails_for_capacity(world, second_name(world))
    assert do(world, "close")["outcome"] == Status.NO_CAPACITY


def test_a_run_that_is_stopped_between_two_attempts_begins_no_second_and_leaves_nothing(world: World) -> None:
    trains(world)
    fails_for_capacity(world)
    stories.tell_dead(world, "ABORTED")
    assert do(world, "train", token="late") == {"started": False}
    assert list(world.sagemaker.trainings) == [NAME]
    assert world.table.slots().holders == ()
    assert [key for key in world.database.items if key[0].startswith(("SUBJECT#", "INTENT#"))] == []


def test_a_run_that_is_stopped_in_its_second_attempt_stops_that_training(world: World) -> None:
    trains(world)
    fails_for_capacity(world)
    assert do(world, "train", token="t-2") == {"started": True}
    stories.tell_dead(world, "ABORTED")
    assert world.sagemaker.trainings[second_name(world)]["TrainingJobStatus"] == "Stopping"


def test_whoever_dies_while_an_attempt_is_noted_is_made_up_for_by_a_sweep(new_world: Callable[..., World]) -> None:
    for call in itertools.count(1):
        world = new_world()
        trains(world)
        world.clock.forward(minutes=5)
        world.outside.die_before(call)
        done = False
        with contextlib.suppress(ProcessDiedError):
            fails_for_capacity(world)
            done = True
        world.outside.live()
        for _ in range(2):
            world.clock.forward(minutes=5)
            do(world, "sweep")
        where = f"died before call {call}"
        assert world.executions.failures == {"training": "NotAcceptedYetError"}, where
        assert waiting(world).attempt == 2, where
        assert do(world, "train", token="t-2") == {"started": True}, where
        assert len(world.sagemaker.trainings) == 2, where
        # A message that went out before its sender died goes out again.
        assert 1 <= len(world.told("TRAINING_WAITING")) <= 2, where
        assert world.statuses("run-1").count("TRAINING_WAITING") == 1, where
        if done:
            return


def test_a_write_that_meets_another_while_an_attempt_is_noted_is_made_by_the_next_look(
    new_world: Callable[..., World],
) -> None:
    for write in itertools.count(1):
        world = new_world()
        trains(world)
        world.clock.forward(minutes=5)
        world.database.conflict_at(write)
        with contextlib.suppress(ContentionError):
            fails_for_capacity(world)
        writes = world.database.writes
        world.database.conflict_at(None)
        world.clock.forward(minutes=5)
        do(world, "sweep")
        assert world.executions.failures == {"training": "NotAcceptedYetError"}, f"met another at write {write}"
        assert waiting(world).attempt == 2
        if write > writes:
            return


def test_a_workflow_that_asks_for_the_next_attempt_is_not_told_again_while_it_is_at_work(world: World) -> None:
    trains(world)
    fails_for_capacity(world)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-2")
    do(world, "sweep")
    assert set(world.executions.failures) == {"training"}
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert set(world.executions.failures) == {"training", "t-2"}


# The slot of a run that waits.


def line(world: World) -> tuple[list[str], list[str]]:
    """Who holds a slot, and who is in line for one."""
    return [holder.run_id for holder in world.table.slots().holders], [waiter.run_id for waiter in world.table.queue()]


def behind(world: World) -> None:
    """Another model's run is in line for the one slot."""
    world.put("policies/risk.json", {**stories.policy(training=JOB), "model": "risk", "promotion": {"kind": "none"}})
    world.executions.statuses[execution_arn("run-2")] = "RUNNING"
    answer = handler.run_action(request(drift(model="risk", dedupe_key="run-2"), "run-2"), world.ports)
    assert answer["decision"] == "RETRAIN", answer
    do(world, "park", "run-2", kind="slot", token="slot-2")


def waits_with(world: World, slot: str, *, others: bool = True) -> None:
    """A run waits for a quota, and a sweep comes when its hand is not at work."""
    stories.with_slot(world, training={**PATIENT, "slot_while_waiting": slot})
    if others:
        behind(world)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-1")
    do(world, "sweep")
    assert line(world)[0] == ["run-1"], "the hand may be at work"
    world.clock.forward(minutes=5)
    do(world, "sweep")


def test_a_pause_does_not_say_that_a_training_which_waits_goes_on(world: World) -> None:
    waits_with(world, "keep")
    paused = do(world, "pause", scope="model:fraud", by="ana", reason="No capacity.")
    assert paused["in_flight"] == []
    world.clock.forward(minutes=1)
    assert do(world, "train", token="t-2") == {"started": False}
    assert do(world, "close")["outcome"] == Status.STOPPED


def test_a_pause_names_a_training_that_a_hand_may_be_about_to_begin(world: World) -> None:
    stories.with_slot(world, training=PATIENT)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-1")
    paused = do(world, "pause", scope="model:fraud", by="ana", reason="No capacity.")
    assert paused["in_flight"] == ["training of run run-1 (fraud)"]


def test_a_wait_for_capacity_says_why_and_until_when(world: World) -> None:
    waits_with(world, "keep")
    found = waiting(world)
    assert found.data["said"].startswith("CreateTrainingJob was refused (ResourceLimitExceeded)")
    parked = datetime.fromisoformat(found.parked_at)
    assert datetime.fromisoformat(found.data["until"]) == parked + timedelta(hours=2)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-2")
    assert waiting(world).data["until"] == found.data["until"]
    (told,) = world.told("TRAINING_WAITING")
    assert any("retraining pause --scope model:fraud " in str(step) for step in told.next_steps)


def test_a_run_that_waits_keeps_its_slot_unless_its_policy_says_otherwise(world: World) -> None:
    waits_with(world, "keep")
    assert line(world) == (["run-1"], ["run-2"])
    assert do(world, "train", token="t-2") == {"started": True}


def test_only_a_training_that_waits_for_capacity_gives_its_slot(world: World) -> None:
    """Neither one that was throttled, nor one that waited and trains by now."""
    stories.with_slot(world, training={**PATIENT, "slot_while_waiting": "give_back"})
    behind(world)
    throttled = client_error("ThrottlingException", "Rate exceeded", "CreateTrainingJob")
    world.sagemaker.refuse("CreateTrainingJob", throttled)
    tried(world, "t-1")
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert line(world) == (["run-1"], ["run-2"])
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-2")
    assert do(world, "train", token="t-3") == {"started": True}
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert line(world) == (["run-1"], ["run-2"])


def test_a_run_that_waits_keeps_its_slot_while_nobody_is_behind_it(world: World) -> None:
    waits_with(world, "give_back", others=False)
    assert line(world) == (["run-1"], [])


def test_a_run_that_waits_gives_its_slot_to_the_next_and_goes_to_the_end_of_the_line(world: World) -> None:
    waits_with(world, "give_back")
    assert line(world) == (["run-2"], ["run-1"])
    assert next_of(world, "slot-2") == "train"
    with pytest.raises(NotAcceptedYetError, match="in line"):
        do(world, "train", token="t-2")
    assert world.sagemaker.trainings == {}
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert line(world) == (["run-2"], ["run-1"]), "one that has no slot gives none"

    stories.tell_dead(world, "ABORTED", "run-2")
    assert line(world) == (["run-1"], [])
    assert do(world, "train", token="t-3") == {"started": True}
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert line(world) == (["run-1"], []), "one that trains keeps its slot"


def test_a_run_that_gets_no_slot_back_within_its_policys_time_is_given_up(world: World) -> None:
    waits_with(world, "give_back")
    world.clock.forward(hours=2)
    assert do(world, "train", token="t-2") == {"started": True}
    do(world, "sweep")
    assert do(world, "close")["outcome"] == Status.NO_CAPACITY
    assert world.told("NO_CAPACITY")[0].sentence.count("ml.p3.2xlarge for training job usage") == 2
    assert line(world) == (["run-2"], [])


def test_a_training_that_waited_as_long_as_it_may_is_begun_no_more(world: World) -> None:
    """Its time would begin anew, and whoever began it late may die before that is noted."""
    waits_with(world, "keep")
    world.clock.forward(hours=2)
    assert do(world, "train", token="t-2") == {"started": True}
    assert world.sagemaker.trainings == {}


def test_a_training_that_began_in_the_moment_its_time_was_over_says_nothing_of_the_model(world: World) -> None:
    """Whoever began it died before that was noted: a sweep stops it, and the run ends as one that got no capacity."""
    waits_with(world, "keep")
    world.clock.forward(hours=1.8)
    begin = world.sagemaker.create_training_job

    def begun(**request: Any) -> None:
        begin(**request)
        raise ProcessDiedError

    world.sagemaker.create_training_job = begun  # type: ignore[method-assign, assignment]
    with pytest.raises(ProcessDiedError):
        do(world, "train", token="t-2")
    world.clock.forward(hours=0.2)
    assert do(world, "train", token="t-3") == {"started": True}
    do(world, "sweep")
    assert world.sagemaker.trainings[NAME]["TrainingJobStatus"] == "Stopping"
    world.sagemaker.trainings[NAME]["TrainingJobStatus"] = "Stopped"
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert do(world, "close")["outcome"] == Status.NO_CAPACITY
    assert world.table.model("fraud").fruitless_runs == 0


@pytest.mark.parametrize("thrown", [False, True])
def test_a_run_that_is_stopped_in_line_leaves_it(thrown: bool, world: World) -> None:
    waits_with(world, "give_back")
    if thrown:
        world.table.throw_switch(KillSwitch("model:fraud", "ana", "Incident 7.", "2026-03-02T12:00:00+00:00"))
        assert do(world, "train", token="t-2") == {"started": False}
        assert do(world, "close")["outcome"] == Status.STOPPED
    else:
        stories.tell_dead(world, "ABORTED")
    assert line(world) == (["run-2"], [])


@pytest.mark.parametrize("rival", ["train", "close"])
def test_whoever_is_faster_than_the_giving_back_keeps_the_slot_whole(rival: str, world: World) -> None:
    """The hand that begins the training, or the end of the run: nobody trains without a slot, nobody dead is in line."""
    stories.with_slot(world, training={**PATIENT, "slot_while_waiting": "give_back"})
    behind(world)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-1")
    world.clock.forward(minutes=5)
    wait, run = waiting(world), world.table.run("run-1")
    assert run is not None
    rivals: dict[str, Callable[[], object]] = {
        "train": lambda: do(world, "train", token="t-2"),
        "close": lambda: world.table.close_run(replace(run, outcome="STOPPED", ended_at=run.started_at), []),
    }
    world.outside.meanwhile("TransactWriteItems", rivals[rival])
    assert give_way(world.ports, run, wait, ("drift_report",)) == ()
    assert line(world) == (["run-1"], ["run-2"])
    assert len(world.sagemaker.trainings) == (rival == "train")


def test_whoever_is_given_the_slot_is_woken_soon_even_if_the_giver_dies(world: World) -> None:
    stories.with_slot(world, training={**PATIENT, "slot_while_waiting": "give_back"})
    behind(world)
    world.sagemaker.refuse("CreateTrainingJob", QUOTA)
    tried(world, "t-1")
    world.clock.forward(minutes=5)
    run = world.table.run("run-1")
    assert run is not None
    (granted,) = give_way(world.ports, run, waiting(world), ("drift_report",))
    due = [item.due_at for item in world.table.due_items() if item.subject == f"{granted.run_id}:slot"]
    assert (world.clock() + GRACE).isoformat() in due
