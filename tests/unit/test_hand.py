"""The hand: what changes the world is done once, under the fence, and whatever stops in between is found again."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from orchestration.domain.contracts import DueKind, Status, WaitKind
from orchestration.domain.errors import ContentionError, InvalidRequestError, NotAcceptedYetError, TransientServiceError
from orchestration.domain.intention import (
    Intention,
    IntentionState,
    endpoint_subject,
    settles_at,
    training_subject,
)
from orchestration.domain.records import idempotency_token
from orchestration.domain.switches import KillSwitch
from orchestration.domain.training_target import nested_execution_arn, training_name
from orchestration.domain.wait import Result, Wait
from orchestration.steps.hand import commit, noted
from orchestration.steps.sight import gather
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import TRAINING, ProcessDiedError, World, execution_arn
from tests.unit.stories import ENDPOINT, MODEL_URI, OLD, candidate, do, next_of, policy

LOST = ReadTimeoutError(endpoint_url="https://aws")
NAME = training_name(idempotency_token("run-1"))
PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/7"
PIPELINE = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/fraud"
JOB = {
    "target": "training-job",
    "request": {
        "RoleArn": "arn:aws:iam::111122223333:role/training",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
    },
}


def pause(world: World, scope: str = "model:fraud") -> None:
    world.table.throw_switch(KillSwitch(scope, "ana", "Incident 7.", "2026-03-02T12:00:00+00:00"))


def resume(world: World, scope: str = "model:fraud") -> None:
    world.table.lift_switch(scope)


def result_of(world: World, kind: Any) -> Result:
    wait = world.table.wait("run-1", kind)
    assert wait is not None
    assert wait.result is not None
    return wait.result


def outcome(world: World, run_id: str = "run-1") -> str:
    return str(do(world, "close", run_id)["outcome"])


# What every action of the hand keeps.

READY: dict[str, Callable[[World], None]] = {
    "train": stories.with_slot,
    "promote": stories.accepted,
    "roll_back": stories.rejected_by_bake,
}
ANSWERED = {"train": "evaluate", "promote": "record", "roll_back": "finish"}


@pytest.mark.parametrize("action", READY)
def test_a_run_that_is_over_changes_nothing_and_its_workflow_goes_to_its_end(action: str, world: World) -> None:
    READY[action](world)
    do(world, "close")
    before = list(world.sagemaker.requests), dict(world.executions.started)
    assert do(world, action, token="late") == {"started": False}
    assert (list(world.sagemaker.requests), dict(world.executions.started)) == before
    assert next_of(world, "late") == ANSWERED[action]


@pytest.mark.parametrize("action", READY)
def test_another_execution_than_the_runs_own_changes_nothing(action: str, world: World) -> None:
    READY[action](world)
    before = list(world.sagemaker.requests), dict(world.executions.started)
    execution = {"id": execution_arn("run-1") + "-forged", "name": "run-1"}
    with pytest.raises(InvalidRequestError, match="none of this stack's workflow"):
        do(world, action, token="forged", execution=execution)
    assert (list(world.sagemaker.requests), dict(world.executions.started)) == before


@pytest.mark.parametrize("action", READY)
def test_a_request_without_a_token_or_of_a_run_that_never_was_is_refused(action: str, world: World) -> None:
    READY[action](world)
    with pytest.raises(InvalidRequestError, match="task token"):
        do(world, action)
    with pytest.raises(InvalidRequestError, match="There is no run run-7"):
        do(world, action, "run-7", token="t")


@pytest.mark.parametrize("action", [action for action in READY if action != "roll_back"])
def test_nothing_goes_forward_while_nobody_can_say_what_the_policy_says(action: str, world: World) -> None:
    READY[action](world)
    before = list(world.sagemaker.requests), dict(world.executions.started)
    world.bucket.forbidden.add(world.bucket.uri("policies/fraud.json"))
    with pytest.raises(TransientServiceError, match="cannot be read"):
        do(world, action, token="t")
    assert (list(world.sagemaker.requests), dict(world.executions.started)) == before


@pytest.mark.parametrize("action", READY)
def test_a_process_that_dies_before_any_call_leaves_what_a_retry_brings_to_the_same_end(
    action: str, new_world: Callable[..., World]
) -> None:
    """The retry comes with a new token, and only that one is alive."""
    for call in itertools.count(1):
        world = new_world()
        READY[action](world)
        world.outside.die_before(call)
        done = False
        with contextlib.suppress(ProcessDiedError):
            do(world, action, token="first")
            done = True
        world.outside.live()
        if not done:
            world.executions.answers["first"] = {"next": "the task is over"}

        do(world, action, token="second")

        where = f"died before call {call}"
        token = "second"
        if action == "train":
            assert list(world.executions.started) == [NAME], where
            world.executions.end(stories.training_arn(), "FAILED", error="E", cause="c")
            stories.tell_ended(world, stories.training_arn())
            assert next_of(world, token) == "evaluate", where
            assert "TRAINING_STARTED" in world.statuses("run-1"), where
        else:
            updates = [asked["EndpointConfigName"] for asked in world.sagemaker.asked("UpdateEndpoint")]
            assert updates == ([candidate(world)] if action == "promote" else [candidate(world), OLD]), where
            assert ("PROMOTION_STARTED" if action == "promote" else "ROLLBACK_STARTED") in world.statuses("run-1"), (
                where
            )
            world.sagemaker.settle(ENDPOINT)
            stories.tell_endpoint(world)
            assert next_of(world, token) == ("bake" if action == "promote" else "finish"), where
        if done:
            return


@pytest.mark.parametrize("stopped", [False, True], ids=["goes on", "stopped"])
@pytest.mark.parametrize("action", READY)
def test_a_write_that_meets_another_at_any_call_is_made_by_the_retry_and_no_token_stays_unanswered(
    action: str, stopped: bool, new_world: Callable[..., World]
) -> None:
    for write in itertools.count(1):
        world = new_world()
        READY[action](world)
        if stopped:
            pause(world)
        world.database.conflict_at(write)
        token = "first"
        try:
            do(world, action, token=token)
        except (ContentionError, TransientServiceError):
            token = "second"
            do(world, action, token=token)
        writes = world.database.writes
        world.database.conflict_at(None)

        world.clock.forward(minutes=5)
        if ENDPOINT in world.sagemaker.endpoints:
            world.sagemaker.settle(ENDPOINT)
        if stories.training_arn() in world.executions.statuses:
            world.executions.end(stories.training_arn(), "FAILED")
        do(world, "sweep")
        wanted = {"train": "evaluate", "promote": "record" if stopped else "bake", "roll_back": "finish"}
        assert next_of(world, token) == wanted[action], f"met another at write {write}"
        if write > writes:
            return


# Training.


def test_a_training_is_started_once_under_a_name_that_is_the_runs(world: World) -> None:
    stories.training(world)
    (started,) = world.executions.started.items()
    assert started[0] == NAME
    assert started[1]["run_id"] == "run-1"
    assert started[1]["AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"] == execution_arn("run-1")
    intention = world.table.intention(training_subject("run-1"))
    assert intention is not None
    assert (intention.wanted, intention.state) == (NAME, IntentionState.OPEN)


def test_a_retry_of_a_training_that_was_taken_starts_nothing_and_its_new_token_is_answered(world: World) -> None:
    stories.training(world)
    assert do(world, "train", token="again") == {"started": True}
    assert len(world.executions.started) == 1
    world.executions.end(stories.training_arn(), "SUCCEEDED", output="{}")
    stories.tell_ended(world, stories.training_arn())
    assert next_of(world, "again") == "evaluate"


def test_a_retry_after_the_training_is_over_is_answered_with_its_result(world: World) -> None:
    stories.trained(world)
    assert do(world, "train", token="again") == {"started": False}
    assert next_of(world, "again") == "evaluate"


@pytest.mark.parametrize(
    ("target", "operation"), [({"target": PIPELINE}, "StartPipelineExecution"), (JOB, "CreateTrainingJob")]
)
def test_a_start_whose_answer_was_lost_is_found_again_and_not_made_twice(
    target: dict[str, Any], operation: str, world: World
) -> None:
    stories.with_slot(world, training=target)
    world.sagemaker.lose(operation)
    with pytest.raises(NotAcceptedYetError, match=operation):
        do(world, "train", token="t-1")
    assert do(world, "train", token="t-2") == {"started": True}
    assert len(world.sagemaker.pipelines) + len(world.sagemaker.trainings) == 1


def test_a_nested_execution_whose_answer_was_lost_is_found_again(world: World) -> None:
    stories.with_slot(world)
    world.executions.refuse_start(LOST)
    with pytest.raises(NotAcceptedYetError, match="StartExecution"):
        do(world, "train", token="t-1")
    assert do(world, "train", token="t-2") == {"started": True}
    assert list(world.executions.started) == [NAME]


def test_an_execution_somebody_else_started_under_the_runs_name_is_not_its_training_and_not_stopped_with_the_run(
    world: World,
) -> None:
    stories.with_slot(world)
    world.executions.start_execution(stateMachineArn=TRAINING, name=NAME, input='{"by": "hand"}')
    assert do(world, "train", token="t-1") == {"started": False}
    assert outcome(world) == Status.TRAINING_FAILED
    assert world.executions.statuses[nested_execution_arn(TRAINING, NAME)] == "RUNNING"
    assert world.table.slots().holders == ()


@pytest.mark.parametrize(
    "error",
    [
        client_error("ResourceLimitExceeded", "The account-level service limit is 0 Instances"),
        client_error("ThrottlingException", "Rate exceeded"),
        client_error("ServiceUnavailable", "try later", status=503),
    ],
    ids=["quota", "throttled", "unavailable"],
)
def test_a_training_that_aws_may_take_later_is_asked_for_again_for_as_long_as_its_policy_lets_it(
    error: Exception, world: World
) -> None:
    stories.with_slot(world, training={**JOB, "max_hours": 2})
    world.sagemaker.refuse("CreateTrainingJob", error, error, error)
    with pytest.raises(NotAcceptedYetError):
        do(world, "train", token="t-1")
    world.clock.forward(hours=1.9)
    with pytest.raises(NotAcceptedYetError):
        do(world, "train", token="t-2")
    world.clock.forward(hours=0.2)
    assert do(world, "train", token="t-3") == {"started": True}
    assert world.sagemaker.trainings == {}
    do(world, "sweep")
    assert next_of(world, "t-3") == "evaluate"
    assert str(error).rpartition(": ")[2] in result_of(world, "training").reason
    assert outcome(world) == Status.NO_CAPACITY
    assert world.table.model("fraud").fruitless_runs == 0


def test_a_training_that_is_refused_for_good_fails_the_run_with_awss_words_and_a_sweep_frees_its_slot(
    world: World,
) -> None:
    stories.with_slot(world, training=JOB)
    world.sagemaker.refuse("CreateTrainingJob", client_error("ValidationException", "Invalid RoleArn"))
    assert do(world, "train", token="t") == {"started": False}
    assert "Invalid RoleArn" in result_of(world, "training").reason
    assert do(world, "evaluate")["next"] == "record"
    assert outcome(world) == Status.TRAINING_FAILED
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert world.table.slots().holders == ()


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:drift_report"])
def test_a_switch_thrown_before_the_training_stops_the_run_and_nothing_is_trained(scope: str, world: World) -> None:
    stories.with_slot(world)
    pause(world, scope)
    assert do(world, "train", token="t") == {"started": False}
    assert (next_of(world, "t"), world.executions.started) == ("evaluate", {})
    assert do(world, "evaluate")["next"] == "record"
    assert outcome(world) == Status.STOPPED
    assert world.table.model("fraud").fruitless_runs == 0


def test_a_switch_thrown_between_the_look_and_the_commit_is_met_by_the_transaction(world: World) -> None:
    stories.with_slot(world)
    world.outside.meanwhile("TransactWriteItems", lambda: pause(world))
    with pytest.raises(ContentionError, match="nothing was changed"):
        do(world, "train", token="t-1")
    assert world.executions.started == {}
    do(world, "train", token="t-2")
    assert result_of(world, "training").outcome == Status.STOPPED


@pytest.mark.parametrize("rival", ["closed", "has its outcome", "other run"])
def test_a_run_that_is_closed_or_replaced_between_the_look_and_the_commit_trains_nothing(
    rival: str, world: World
) -> None:
    def replaced() -> None:
        state = world.table.model("fraud")
        fields = {name: getattr(state, name) for name in type(state).__slots__}
        world.table.save_model(type(state)(**{**fields, "active_run_id": "run-9"}))

    def ended() -> None:
        run = world.table.run("run-1")
        assert run is not None
        assert world.table.close_run(replace(run, outcome="FAILED", ended_at=run.started_at), [])

    stories.with_slot(world)
    rivals: dict[str, Callable[[], object]] = {
        "closed": lambda: do(world, "close"),
        "has its outcome": ended,
        "other run": replaced,
    }
    world.outside.meanwhile("TransactWriteItems", rivals[rival])
    with pytest.raises(ContentionError):
        do(world, "train", token="t-1")
    do(world, "train", token="t-2")
    assert (next_of(world, "t-2"), world.executions.started) == ("evaluate", {})


def test_a_policy_that_changed_before_the_training_supersedes_the_run_and_its_signal_is_decided_again(
    world: World,
) -> None:
    stories.with_slot(world)
    world.put("policies/fraud.json", policy(evaluation={"metric": "auc", "minimum": 0.95}))
    assert do(world, "train", token="t") == {"started": False}
    do(world, "evaluate")
    assert outcome(world) == Status.SUPERSEDED
    assert world.executions.started.keys() == {name for name in world.executions.started if name.startswith("pending-")}
    assert len(world.executions.started) == 1
    pending = world.table.model("fraud").pending
    assert pending is not None
    assert pending["signal"]["signal_id"] == world.table.decision_of("run-1").signal_id  # type: ignore[union-attr] # it decided


def test_a_policy_file_that_was_written_again_with_the_same_meaning_is_no_change(world: World) -> None:
    stories.with_slot(world)
    world.put("policies/fraud.json", dict(reversed(stories.POLICY.items())))
    assert do(world, "train", token="t") == {"started": True}


def test_a_model_that_was_taken_out_or_put_into_shadow_before_the_training_is_not_trained(
    new_world: Callable[..., World],
) -> None:
    changes: list[Callable[[World], None]] = [
        lambda world: world.remove("policies/fraud.json"),
        lambda world: world.put("policies/fraud.json", policy(mode="shadow")),
    ]
    for change in changes:
        world = new_world()
        stories.with_slot(world)
        change(world)
        do(world, "train", token="t")
        assert result_of(world, "training").outcome == Status.STOPPED
        assert world.executions.started == {}


def test_a_run_without_a_slot_trains_nothing(world: World) -> None:
    stories.decided(world)
    do(world, "train", token="t")
    assert "holds no training slot" in result_of(world, "training").reason
    assert world.executions.started == {}


def test_a_training_that_may_have_begun_when_a_switch_stopped_the_run_is_stopped_and_keeps_its_slot_until_it_is_over(
    world: World,
) -> None:
    """The answer of the start was lost, so nobody knows; a slot that is free means that nothing trains."""
    stories.with_slot(world)
    world.executions.refuse_start(LOST)
    with pytest.raises(NotAcceptedYetError):
        do(world, "train", token="t-1")
    pause(world)
    do(world, "train", token="t-2")
    do(world, "evaluate")
    assert [holder.run_id for holder in world.table.slots().holders] == ["run-1"]
    assert outcome(world) == Status.STOPPED
    assert world.executions.statuses[stories.training_arn()] == "ABORTED"
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert world.table.slots().holders == ()
    assert world.table.intention(training_subject("run-1")) is None


# Promotion.


def test_a_promotion_makes_model_and_config_moves_the_endpoint_and_waits(world: World) -> None:
    stories.moving(world)
    name = candidate(world)
    assert [operation for operation, _ in world.sagemaker.requests] == [
        "CreateModel",
        "CreateEndpointConfig",
        "UpdateEndpoint",
    ]
    (update,) = world.sagemaker.asked("UpdateEndpoint")
    assert (update["EndpointName"], update["EndpointConfigName"]) == (ENDPOINT, name)
    intention = world.table.intention(endpoint_subject(ENDPOINT))
    assert intention is not None
    assert (intention.previous, intention.wanted, intention.run_id) == (OLD, name, "run-1")
    assert next_of(world, "promotion") is None
    assert "PROMOTION_STARTED" in world.statuses("run-1")


def test_an_update_whose_answer_was_lost_counts_when_the_endpoint_moves_and_is_not_asked_for_again(
    world: World,
) -> None:
    stories.accepted(world)
    world.sagemaker.lose("UpdateEndpoint")
    assert do(world, "promote", token="t-1") == {"started": True}
    assert do(world, "promote", token="t-2") == {"started": True}
    assert len(world.sagemaker.asked("UpdateEndpoint")) == 1
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert next_of(world, "t-2") == "bake"


def test_the_old_config_is_no_verdict_while_the_hand_still_asks_for_the_update(world: World) -> None:
    """The workflow waits up to two minutes between two tries; a sweep in between gives up nothing."""
    stories.accepted(world)
    world.sagemaker.refuse("UpdateEndpoint", client_error("ThrottlingException"))
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="t-1")
    stories.tell_endpoint(world)
    assert next_of(world, "t-1") is None
    world.clock.forward(hours=1)
    stories.tell_endpoint(world)
    do(world, "sweep")
    assert next_of(world, "t-1") is None
    assert do(world, "promote", token="t-2") == {"started": True}


@pytest.mark.parametrize("status", ["Updating", "SystemUpdating", "RollingBack"])
def test_a_busy_endpoint_is_asked_again_and_given_up_after_half_a_day(status: str, world: World) -> None:
    stories.accepted(world)
    world.sagemaker.endpoints[ENDPOINT].status = status
    for token in ("t-1", "t-2"):
        with pytest.raises(NotAcceptedYetError, match="takes no update now"):
            do(world, "promote", token=token)
    assert world.sagemaker.asked("UpdateEndpoint") == []
    world.clock.forward(hours=12)
    assert do(world, "promote", token="t-3") == {"started": False}
    assert next_of(world, "t-3") == "record"
    assert outcome(world) == Status.FAILED


def test_a_busy_endpoint_that_is_free_again_is_promoted_to_by_the_retry(world: World) -> None:
    stories.accepted(world)
    world.sagemaker.endpoints[ENDPOINT].status = "SystemUpdating"
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="t-1")
    world.sagemaker.endpoints[ENDPOINT].status = "InService"
    assert do(world, "promote", token="t-2") == {"started": True}


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"])
@pytest.mark.parametrize("code", ["ResourceLimitExceeded", "ThrottlingException"])
def test_a_quota_or_a_throttle_is_asked_again(operation: str, code: str, world: World) -> None:
    stories.accepted(world)
    world.sagemaker.refuse(operation, client_error(code))
    with pytest.raises(NotAcceptedYetError, match=operation):
        do(world, "promote", token="t-1")
    assert do(world, "promote", token="t-2") == {"started": True}


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"])
def test_a_change_that_is_refused_for_good_fails_the_run_and_leaves_the_champion(operation: str, world: World) -> None:
    stories.accepted(world)
    world.sagemaker.refuse(operation, client_error("ValidationException", "Invalid KmsKeyId"))
    assert do(world, "promote", token="t") == {"started": False}
    assert next_of(world, "t") == "record"
    assert "Invalid KmsKeyId" in result_of(world, "promotion").reason
    assert outcome(world) == Status.FAILED
    assert world.sagemaker.endpoints[ENDPOINT].live == OLD
    assert world.table.model("fraud").frozen_reason is None
    assert world.table.intention(endpoint_subject(ENDPOINT)) is None


@pytest.mark.parametrize(
    ("live", "pending"), [("hotfix", None), (OLD, "hotfix"), ("hotfix", OLD)], ids=["serves", "moves", "moves back"]
)
def test_somebody_elses_deployment_stays_and_supersedes_the_run(live: str, pending: str | None, world: World) -> None:
    stories.accepted(world)
    world.sagemaker.endpoints[ENDPOINT].live, world.sagemaker.endpoints[ENDPOINT].pending = live, pending
    assert do(world, "promote", token="t") == {"started": False}
    assert world.sagemaker.requests == []
    assert outcome(world) == Status.SUPERSEDED


def changed(world: World, uri: str, change: str) -> None:
    """Somebody writes an object again, or deletes it."""
    if change == "deleted":
        del world.bucket.objects[uri]
    else:
        world.bucket.put(uri, b"something else")


@pytest.mark.threat("artifact-overwritten")
@pytest.mark.parametrize("change", ["written again", "deleted"])
def test_what_becomes_of_an_artifact_after_it_was_judged_changes_nothing_that_serves(change: str, world: World) -> None:
    stories.accepted(world)
    changed(world, MODEL_URI, change)
    assert do(world, "promote", token="t") == {"started": True}
    (asked,) = world.sagemaker.asked("CreateModel")
    served = asked["PrimaryContainer"]["ModelDataUrl"]
    assert served.startswith("s3://automation/artifacts/fraud/run-1/")
    assert served.endswith("/model.tar.gz")
    assert world.bucket.objects[served] == b"weights"


def copied(world: World) -> str:
    """Where the copy of the run's candidate lies."""
    (key,) = world.keys("artifacts/fraud/run-1/")
    return world.bucket.uri(key)


@pytest.mark.parametrize("what", ["copy", "report", "artifact of the registry"])
@pytest.mark.parametrize("change", ["written again", "deleted"])
def test_what_is_to_serve_and_is_not_what_was_judged_never_serves(what: str, change: str, world: World) -> None:
    if what == "artifact of the registry":
        containers = [{"ModelDataUrl": MODEL_URI, "Image": "image"}]
        world.sagemaker.packages[PACKAGE] = {
            "ModelPackageArn": PACKAGE,
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {"Containers": containers},
        }
        stories.accepted(world, output={"model_package_arn": PACKAGE}, promotion={"kind": "registry"})
        assert world.keys("artifacts/") == []
        changed(world, MODEL_URI, change)
    else:
        stories.accepted(world)
        report = "s3://automation/runs/fraud/run-1/outputs/evaluation.json"
        changed(world, copied(world) if what == "copy" else report, change)
    do(world, "promote", token="t")
    assert world.sagemaker.requests == []
    assert outcome(world) == Status.SUPERSEDED


def test_a_policy_that_changed_since_the_decision_has_people_asked_before_anything_serves(world: World) -> None:
    stories.accepted(world)
    world.put("policies/fraud.json", policy(cooldown_hours=2))
    assert do(world, "promote", token="t-1") == {"started": False}
    assert (next_of(world, "t-1"), world.sagemaker.requests) == ("ask", [])
    do(world, "park", kind="approval", subject="promotion", token="approval")
    assert stories.approve(world)["decided"]
    assert do(world, "promote", token="t-2") == {"started": True}


def test_a_yes_under_another_policy_than_the_one_in_force_is_none(world: World) -> None:
    stories.asked(world)
    stories.approve(world)
    world.put("policies/fraud.json", policy(approval={"training": "never", "promotion": "always"}, cooldown_hours=2))
    do(world, "promote", token="t")
    assert world.sagemaker.requests == []
    assert "The policy changed after people had approved" in result_of(world, "promotion").reason
    assert outcome(world) == Status.STOPPED


def test_a_promotion_people_are_to_be_asked_about_is_not_made_unasked_or_unanswered(world: World) -> None:
    stories.trained(world, approval={"training": "never", "promotion": "always"})
    do(world, "evaluate")
    do(world, "promote", token="t-1")
    assert next_of(world, "t-1") == "ask"
    do(world, "park", kind="approval", subject="promotion", token="approval")
    do(world, "promote", token="t-2")
    assert result_of(world, "promotion").outcome == Status.STOPPED
    assert world.sagemaker.requests == []


def test_a_promotion_people_said_no_to_is_not_made(world: World) -> None:
    stories.asked(world)
    stories.approve(world, decision="REJECTED")
    assert next_of(world, "approval") == "finish"
    do(world, "promote", token="t")
    assert world.sagemaker.requests == []


def test_a_candidate_that_failed_its_gates_is_never_promoted_whoever_asks(world: World) -> None:
    stories.trained(world, report={"binary_classification_metrics": {"auc": {"value": 0.1}}})
    assert do(world, "evaluate")["next"] == "record"
    with pytest.raises(InvalidRequestError, match="no candidate that passed"):
        do(world, "promote", token="t")
    assert world.sagemaker.requests == []


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:drift_report"])
def test_a_switch_thrown_before_the_promotion_stops_the_run_and_leaves_the_champion(scope: str, world: World) -> None:
    stories.accepted(world)
    pause(world, scope)
    do(world, "promote", token="t")
    assert world.sagemaker.requests == []
    assert outcome(world) == Status.STOPPED


def test_a_switch_thrown_between_the_look_and_the_commit_moves_no_endpoint(world: World) -> None:
    stories.accepted(world)
    world.outside.meanwhile("TransactWriteItems", lambda: pause(world))
    with pytest.raises(ContentionError):
        do(world, "promote", token="t-1")
    assert world.sagemaker.asked("UpdateEndpoint") == []
    assert world.table.intention(endpoint_subject(ENDPOINT)) is None
    do(world, "promote", token="t-2")
    assert result_of(world, "promotion").outcome == Status.STOPPED


def test_a_switch_thrown_after_an_update_whose_answer_was_lost_does_not_leave_a_candidate_nobody_judges(
    world: World,
) -> None:
    """SageMaker took the update and the process died before it knew: the endpoint says so, and the bake ends it."""
    stories.accepted(world)
    die_after(world, "UpdateEndpoint")
    with contextlib.suppress(ProcessDiedError):
        do(world, "promote", token="t-1")
    world.outside.live()
    assert world.sagemaker.endpoints[ENDPOINT].pending == candidate(world)
    pause(world)

    do(world, "promote", token="t-2")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert next_of(world, "t-2") == "bake"
    do(world, "park", kind="bake", token="bake")
    assert next_of(world, "bake") == "roll_back"
    do(world, "roll_back", token="back")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert world.sagemaker.endpoints[ENDPOINT].live == OLD
    assert outcome(world) == Status.STOPPED


def test_a_switch_thrown_after_an_update_that_may_still_show_is_waited_for_before_anything_is_concluded(
    world: World,
) -> None:
    stories.accepted(world)
    world.sagemaker.refuse("UpdateEndpoint", LOST_BEFORE)
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="t-1")
    pause(world)
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="t-2")
    world.clock.forward(seconds=91)
    assert do(world, "promote", token="t-3") == {"started": False}
    assert next_of(world, "t-3") == "record"
    assert outcome(world) == Status.STOPPED


LOST_BEFORE = client_error("InternalFailure", status=500)
"""An answer that says nothing about whether the request had its effect."""


def die_after(world: World, operation: str) -> None:
    """Let the process die at the first call after one of this operation."""

    def arm() -> None:
        world.outside.die_before(1)

    world.outside.meanwhile(operation, arm)


def test_an_endpoint_that_another_run_left_unsettled_is_not_touched(world: World) -> None:
    stories.accepted(world)
    other = Intention(endpoint_subject(ENDPOINT), "run-0", "fraud", "arn", "t", "2026-03-02T12:00:00+00:00", 1)
    world.table._transact([world.table.intention_write(other)])
    do(world, "promote", token="t")
    assert world.sagemaker.requests == []
    assert result_of(world, "promotion").outcome == Status.SUPERSEDED


def test_a_retry_after_the_candidate_serves_answers_its_new_token(world: World) -> None:
    stories.moving(world)
    world.sagemaker.settle(ENDPOINT)
    assert do(world, "promote", token="again") == {"started": True}
    assert next_of(world, "again") == "bake"


# The other ways to serve.


def registry(world: World) -> None:
    world.sagemaker.packages[PACKAGE] = {
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": MODEL_URI, "Image": "image"}]}
    }
    stories.trained(world, output={"model_package_arn": PACKAGE}, promotion={"kind": "registry"})
    assert do(world, "evaluate")["next"] == "promote"


def test_the_registrys_approval_is_the_promotion(world: World) -> None:
    registry(world)
    assert do(world, "promote", token="t") == {"started": True}
    assert world.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] == "Approved"
    assert next_of(world, "t") == "record"
    assert outcome(world) == Status.PROMOTED


def test_a_registry_that_does_not_answer_is_asked_again_and_the_package_is_approved(world: World) -> None:
    registry(world)
    world.sagemaker.lose("UpdateModelPackage")
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="t-1")
    assert do(world, "promote", token="t-2") == {"started": True}
    assert next_of(world, "t-2") == "record"


def test_a_registry_that_refuses_fails_the_run(world: World) -> None:
    registry(world)
    world.sagemaker.refuse("UpdateModelPackage", client_error("AccessDeniedException", "not yours", status=403))
    assert do(world, "promote", token="t") == {"started": False}
    assert "not yours" in result_of(world, "promotion").reason
    assert outcome(world) == Status.FAILED


DEPLOY = "arn:aws:states:us-east-1:111122223333:stateMachine:deploy"


@pytest.mark.parametrize(("ended", "wanted"), [("SUCCEEDED", Status.PROMOTED), ("FAILED", Status.FAILED)])
def test_a_teams_own_deployment_is_started_once_and_its_end_is_the_promotions(
    ended: str, wanted: Status, world: World
) -> None:
    stories.accepted(world, promotion={"kind": "pipeline", "target": DEPLOY})
    world.executions.refuse_start(LOST)
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="t-1")
    assert do(world, "promote", token="t-2") == {"started": True}
    (name,) = [name for name in world.executions.started if name.startswith("retraining-deploy-")]
    arn = f"{DEPLOY.replace(':stateMachine:', ':execution:')}:{name}"
    world.executions.end(arn, ended)
    stories.tell_ended(world, arn)
    assert next_of(world, "t-2") == "record"
    assert outcome(world) == wanted


# Going back.


def test_the_champion_comes_back_and_the_outcome_says_why_it_had_to(world: World) -> None:
    stories.rejected_by_bake(world)
    assert do(world, "roll_back", token="t") == {"started": True}
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert (next_of(world, "t"), world.sagemaker.endpoints[ENDPOINT].live) == ("finish", OLD)
    assert outcome(world) == Status.ROLLED_BACK
    run = world.table.run("run-1")
    assert run is not None
    assert "Alarm fraud-5xx is in ALARM" in str(run.reason)
    assert world.table.intention(endpoint_subject(ENDPOINT)) is None
    assert world.table.model("fraud").frozen_reason is None


def test_a_switch_does_not_keep_the_champion_from_coming_back(world: World) -> None:
    stories.rejected_by_bake(world)
    pause(world, "global")
    world.put("policies/fraud.json", policy(mode="shadow"))
    assert do(world, "roll_back", token="t") == {"started": True}
    assert world.sagemaker.asked("UpdateEndpoint")[-1]["EndpointConfigName"] == OLD


def test_a_rollback_whose_answer_was_lost_counts_when_the_endpoint_moves(world: World) -> None:
    stories.rejected_by_bake(world)
    world.sagemaker.lose("UpdateEndpoint")
    assert do(world, "roll_back", token="t") == {"started": True}
    assert len(world.sagemaker.asked("UpdateEndpoint")) == 2


def test_a_busy_endpoint_is_asked_again_to_go_back_and_people_are_paged_after_a_day(world: World) -> None:
    stories.rejected_by_bake(world)
    world.sagemaker.endpoints[ENDPOINT].status = "SystemUpdating"
    with pytest.raises(NotAcceptedYetError):
        do(world, "roll_back", token="t-1")
    world.clock.forward(hours=24)
    assert do(world, "roll_back", token="t-2") == {"started": False}
    assert next_of(world, "t-2") == "finish"
    assert outcome(world) == Status.ROLLBACK_FAILED
    assert world.table.model("fraud").frozen_reason is not None
    assert world.told("ENDPOINT_LEFT") == []
    world.clock.forward(minutes=5)
    world.sagemaker.settle(ENDPOINT)
    do(world, "sweep")
    (page,) = world.told("ENDPOINT_LEFT")
    assert page.escalates
    assert "which no bake has judged" in page.sentence


def test_a_rollback_that_is_refused_for_good_pages_people_with_awss_words(world: World) -> None:
    stories.rejected_by_bake(world)
    world.sagemaker.refuse("UpdateEndpoint", client_error("AccessDeniedException", "not yours", status=403))
    assert do(world, "roll_back", token="t") == {"started": False}
    assert "not yours" in result_of(world, "rollback").reason
    assert outcome(world) == Status.ROLLBACK_FAILED
    assert world.told("ROLLBACK_FAILED")[0].escalates


def test_somebody_elses_deployment_is_not_taken_away_by_a_rollback(world: World) -> None:
    stories.rejected_by_bake(world)
    world.sagemaker.serve(ENDPOINT, "hotfix")
    do(world, "roll_back", token="t")
    assert len(world.sagemaker.asked("UpdateEndpoint")) == 1
    assert outcome(world) == Status.SUPERSEDED


def test_an_endpoint_that_failed_under_the_candidate_is_moved_back(world: World) -> None:
    stories.moving(world)
    endpoint = world.sagemaker.endpoints[ENDPOINT]
    endpoint.pending, endpoint.status, endpoint.failure = None, "Failed", "no capacity"
    stories.tell_endpoint(world)
    assert next_of(world, "promotion") == "roll_back"
    assert do(world, "roll_back", token="t") == {"started": True}
    assert endpoint.pending == OLD


def test_a_run_that_never_touched_the_endpoint_has_nothing_to_take_back(world: World) -> None:
    stories.accepted(world)
    assert do(world, "roll_back", token="t") == {"started": False}
    assert (next_of(world, "t"), world.sagemaker.requests) == ("finish", [])


def test_a_rollback_that_comes_before_a_lost_update_shows_is_asked_for_until_it_does_and_then_takes_it_back(
    world: World,
) -> None:
    """The promotion died over its update: for a moment the endpoint looks as if nothing had been asked of it."""
    stories.accepted(world)
    world.sagemaker.refuse("UpdateEndpoint", LOST_BEFORE)
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="promotion")
    with pytest.raises(NotAcceptedYetError):
        do(world, "roll_back", token="t-1")
    world.sagemaker.endpoints[ENDPOINT].live = candidate(world)
    assert do(world, "roll_back", token="t-2") == {"started": True}
    assert world.sagemaker.endpoints[ENDPOINT].pending == OLD


# Finishing.


def finished(world: World, **promotion: Any) -> dict[str, Any]:
    world.sagemaker.packages[PACKAGE] = {
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": MODEL_URI, "Image": "image"}]}
    }
    given = {**stories.POLICY["promotion"], "bake_minutes": 0, **promotion}
    made = {"model_package_arn": PACKAGE, "baseline_constraints_uri": "s3://amzn-s3-demo-bucket/constraints.json"}
    stories.serving(world, output=made, promotion=given)
    do(world, "park", kind="bake", token="bake")
    return do(world, "finish")


def test_a_promoted_candidate_is_approved_in_the_registry_and_its_baseline_becomes_the_monitors(world: World) -> None:
    definition = {"BaselineConfig": {"ConstraintsResource": {"S3Uri": "s3://old/constraints.json"}}}
    world.sagemaker.schedules["fraud-monitor"] = {
        "MonitoringScheduleConfig": {"MonitoringJobDefinition": definition, "ScheduleConfig": {}}
    }
    done = finished(world, monitoring_schedule="fraud-monitor")
    assert done["registry"] == f"{PACKAGE} is Approved."
    (update,) = world.sagemaker.asked("UpdateMonitoringSchedule")
    baseline = update["MonitoringScheduleConfig"]["MonitoringJobDefinition"]["BaselineConfig"]
    assert baseline == {"ConstraintsResource": {"S3Uri": "s3://amzn-s3-demo-bucket/constraints.json"}}
    assert do(world, "finish") == done
    assert len(world.sagemaker.asked("UpdateModelPackage")) == 1
    assert outcome(world) == Status.PROMOTED


def test_a_registry_that_refuses_changes_no_outcome(world: World) -> None:
    world.sagemaker.refuse("UpdateModelPackage", client_error("AccessDeniedException", "not yours", status=403))
    assert "not yours" in finished(world)["registry"]
    assert outcome(world) == Status.PROMOTED


def test_a_registry_that_may_answer_later_is_asked_again(world: World) -> None:
    world.sagemaker.refuse("UpdateModelPackage", client_error("ThrottlingException"))
    with pytest.raises(TransientServiceError):
        finished(world)
    assert do(world, "finish")["registry"] == f"{PACKAGE} is Approved."


def test_a_candidate_that_failed_its_gates_is_rejected_in_the_registry(world: World) -> None:
    world.sagemaker.packages[PACKAGE] = {
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": MODEL_URI, "Image": "image"}]}
    }
    weak = {"binary_classification_metrics": {"auc": {"value": 0.1}}}
    stories.trained(world, report=weak, output={"model_package_arn": PACKAGE})
    assert do(world, "evaluate")["next"] == "finish"
    assert do(world, "finish")["registry"] == f"{PACKAGE} is Rejected."
    assert outcome(world) == Status.CANDIDATE_REJECTED


def test_a_switch_leaves_registry_and_monitor_as_they_are_and_the_outcome_too(world: World) -> None:
    stories.serving(world, promotion={**stories.POLICY["promotion"], "bake_minutes": 0})
    do(world, "park", kind="bake", token="bake")
    pause(world)
    assert "was left as it is" in do(world, "finish")["baseline"]
    assert outcome(world) == Status.PROMOTED


def test_a_switch_thrown_between_the_look_and_the_effect_leaves_registry_and_monitor_as_they_are(world: World) -> None:
    world.sagemaker.refuse("UpdateModelPackage", client_error("ThrottlingException"))
    with pytest.raises(TransientServiceError):
        finished(world)
    asked = len(world.sagemaker.asked("UpdateModelPackage"))
    world.outside.meanwhile("TransactWriteItems", lambda: pause(world))
    with pytest.raises(ContentionError):
        do(world, "finish")
    said = do(world, "finish")
    assert "may have been changed before" in said["registry"]
    assert len(world.sagemaker.asked("UpdateModelPackage")) == asked
    assert do(world, "finish") == said


def test_a_run_that_dies_while_registry_and_monitor_change_says_that_nobody_knows_how_far_it_came(world: World) -> None:
    world.sagemaker.refuse("UpdateModelPackage", client_error("ThrottlingException"))
    with pytest.raises(TransientServiceError):
        finished(world)
    assert outcome(world) == Status.PROMOTED
    (message,) = world.told("PROMOTED")
    assert ("registry", "the run ended while it was changed; look at it") in message.facts


# A run that dies while it changes an endpoint.


def test_a_run_that_dies_while_its_endpoint_moves_freezes_its_model_and_pages_people_with_what_serves(
    world: World,
) -> None:
    stories.moving(world)
    stories.tell_dead(world, "ABORTED")
    run = world.table.run("run-1")
    assert run is not None
    assert run.outcome == Status.STOPPED
    assert world.table.model("fraud").frozen_reason is not None
    intention = world.table.intention(endpoint_subject(ENDPOINT))
    assert intention is not None
    assert intention.state == IntentionState.ABANDONED
    assert [item.subject for item in world.due(DueKind.INTENT)] == ["run-1"]

    world.sagemaker.settle(ENDPOINT)
    world.clock.forward(minutes=5)
    do(world, "sweep")
    (page,) = world.told("ENDPOINT_LEFT")
    assert "serves the candidate's config" in page.sentence
    assert world.due(DueKind.INTENT) == []

    do(world, "unfreeze", model="fraud", by="ana", reason="Set back by hand.")
    assert world.table.intention(endpoint_subject(ENDPOINT)) is None
    assert world.table.model("fraud").frozen_reason is None


@pytest.mark.parametrize("call", range(1, 30))
def test_an_unfreezing_that_dies_leaves_no_intention_behind_an_unfrozen_model(call: int, world: World) -> None:
    stories.moving(world)
    stories.tell_dead(world, "ABORTED")
    world.sagemaker.settle(ENDPOINT)
    world.clock.forward(minutes=5)
    do(world, "sweep")
    world.outside.die_before(call)
    with contextlib.suppress(ProcessDiedError):
        do(world, "unfreeze", model="fraud", by="ana", reason="Set back by hand.")
    world.outside.live()
    frozen = world.table.model("fraud").frozen_reason is not None
    assert (world.table.intention(endpoint_subject(ENDPOINT)) is not None) == frozen


# A slow invocation that nobody waits for any more.


def test_a_slow_invocation_does_not_take_the_live_token_away(world: World) -> None:
    """Step Functions heard no answer and asked again; the first invocation stores its token after the second one."""
    stories.asked(world)
    world.outside.meanwhile("UpdateItem", lambda: do(world, "park", kind="approval", subject="promotion", token="live"))
    do(world, "park", kind="approval", subject="promotion", token="slow")
    world.executions.answers |= {"approval": {"next": "nobody waits"}, "slow": {"next": "nobody waits"}}

    assert stories.approve(world)["decided"]

    assert next_of(world, "live") == "promote"


def test_a_slow_invocation_of_the_hand_does_not_take_the_live_token_away(world: World) -> None:
    stories.training(world)
    world.outside.meanwhile("UpdateItem", lambda: do(world, "train", token="live"))
    do(world, "train", token="slow")
    world.executions.answers |= {"training": {"next": "nobody waits"}, "slow": {"next": "nobody waits"}}
    world.executions.end(stories.training_arn(), "FAILED")

    stories.tell_ended(world, stories.training_arn())

    assert next_of(world, "live") == "evaluate"


# Notes of the hand beside other writes.


def waiting(world: World, kind: WaitKind) -> Wait:
    wait = world.table.wait("run-1", kind)
    assert wait is not None
    return wait


def test_a_plan_that_is_opened_anew_settles_later(world: World) -> None:
    stories.moving(world)
    parked, gathered = waiting(world, WaitKind.PROMOTION), gather(world.ports, "run-1", execution_arn("run-1"))
    world.clock.forward(minutes=5)
    again = commit(world.ports, gathered, None, parked, parked)
    assert again.data["settles_at"] == settles_at(world.clock()).isoformat()
    assert waiting(world, WaitKind.PROMOTION) == again


def test_what_came_of_a_change_before_it_was_noted_is_seen_at_once(world: World) -> None:
    stories.moving(world)
    world.sagemaker.settle(ENDPOINT)
    noted(world.ports, waiting(world, WaitKind.PROMOTION))
    assert next_of(world, "promotion") == "bake"


def test_a_note_that_meets_another_write_is_made_again_unless_the_wait_is_over(world: World) -> None:
    stories.moving(world)
    old = waiting(world, WaitKind.PROMOTION)
    noted(world.ports, old)
    with pytest.raises(ContentionError):
        noted(world.ports, old)
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    noted(world.ports, old)
    assert next_of(world, "promotion") == "bake"
    del world.database.items["WAIT#run-1", "promotion"]
    noted(world.ports, old)
    assert world.table.wait("run-1", WaitKind.PROMOTION) is None


def test_a_training_that_is_over_before_it_was_noted_is_answered_at_once(world: World) -> None:
    stories.with_slot(world)
    world.outside.meanwhile("UpdateItem", lambda: world.executions.end(stories.training_arn(), "FAILED"))
    assert do(world, "train", token="training") == {"started": True}
    assert next_of(world, "training") == "evaluate"
