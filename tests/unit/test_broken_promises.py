"""Stories that somebody who wanted to break the promises came up with. Each broke one when it was written."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from orchestration import handler
from orchestration.domain.chain import Head, Link
from orchestration.domain.contracts import DueKind, Status, WaitKind
from orchestration.domain.errors import NotAcceptedYetError
from orchestration.domain.notification import Message
from orchestration.domain.slots import Waiter
from orchestration.domain.switches import KillSwitch
from orchestration.steps.telling import message_told
from orchestration.steps.training_slots import change_slots
from orchestration.stores.table import Write
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import ProcessDiedError, World, drift, execution_arn, request
from tests.unit.stories import ALARM, ENDPOINT, MODEL_URI, OLD, candidate, do, next_of

PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/7"
THROTTLED = client_error("ThrottlingException", "Rate exceeded")


def closed(world: World) -> str:
    """Let the workflow come to its end."""
    return str(do(world, "close")["outcome"])


def sweeps(world: World, count: int = 1, minutes: float = 5) -> None:
    """Let time pass, with sweeps in it."""
    for _ in range(count):
        world.clock.forward(minutes=minutes)
        do(world, "sweep")


# Going back to the champion.


@pytest.mark.parametrize("looks", ["event", "sweep"])
def test_a_rollback_that_aws_has_not_taken_yet_is_not_given_up_by_who_looks(looks: str, world: World) -> None:
    stories.rejected_by_bake(world)
    world.clock.forward(minutes=2)
    world.sagemaker.refuse("UpdateEndpoint", THROTTLED)
    with pytest.raises(NotAcceptedYetError):
        do(world, "roll_back", token="t-1")
    if looks == "event":
        stories.tell_endpoint(world)
    else:
        sweeps(world)
    assert do(world, "roll_back", token="t-2") == {"started": True}
    assert world.sagemaker.endpoints[ENDPOINT].pending == OLD
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert next_of(world, "t-2") == "finish"
    assert closed(world) == Status.ROLLED_BACK


def test_an_endpoint_that_failed_is_moved_back_although_the_event_that_says_so_comes_again(world: World) -> None:
    stories.moving(world)
    endpoint = world.sagemaker.endpoints[ENDPOINT]
    endpoint.pending, endpoint.status, endpoint.failure = None, "Failed", "no capacity"
    stories.tell_endpoint(world)
    world.outside.meanwhile("UpdateEndpoint", lambda: stories.tell_endpoint(world))
    assert do(world, "roll_back", token="t") == {"started": True}
    assert endpoint.pending == OLD
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert closed(world) == Status.ROLLED_BACK


def test_the_champion_comes_back_although_nobody_can_read_the_policy(world: World) -> None:
    stories.rejected_by_bake(world)
    world.bucket.forbidden.add(world.bucket.uri("policies/fraud.json"))
    assert do(world, "roll_back", token="t") == {"started": True}
    assert world.sagemaker.endpoints[ENDPOINT].pending == OLD


def test_a_candidate_its_bake_found_good_is_not_taken_back_when_telling_so_failed(world: World) -> None:
    stories.baking(world)
    world.clock.forward(minutes=61)
    stories.tell_endpoint(world)
    assert next_of(world, "bake") == "finish"
    assert do(world, "roll_back", token="t") == {"started": False}
    assert next_of(world, "t") == "finish"
    endpoint = world.sagemaker.endpoints[ENDPOINT]
    assert (endpoint.live, endpoint.pending) == (candidate(world), None)
    assert closed(world) == Status.PROMOTED


# Live and pending configs: a move that goes on is no verdict yet.


@pytest.mark.parametrize("pending", [OLD, "hotfix"])
def test_a_bake_is_not_over_while_somebody_elses_move_of_the_endpoint_may_still_fail(
    pending: str, world: World
) -> None:
    stories.baking(world)
    endpoint = world.sagemaker.endpoints[ENDPOINT]
    endpoint.pending, endpoint.status = pending, "Updating"
    stories.tell_endpoint(world)
    world.sagemaker.settle(ENDPOINT, fail="no capacity")
    assert endpoint.live == candidate(world)
    stories.tell_endpoint(world)
    assert next_of(world, "bake") is None
    world.alarms.states[ALARM] = "ALARM"
    sweeps(world)
    assert next_of(world, "bake") == "roll_back"


@pytest.mark.parametrize("pending", [OLD, "hotfix"])
def test_a_bake_ends_once_somebody_elses_move_of_the_endpoint_is_over(pending: str, world: World) -> None:
    stories.baking(world)
    endpoint = world.sagemaker.endpoints[ENDPOINT]
    endpoint.pending, endpoint.status = pending, "Updating"
    sweeps(world, 10)
    assert next_of(world, "bake") is None
    endpoint.live, endpoint.pending, endpoint.status = pending, None, "InService"
    stories.tell_endpoint(world)
    assert next_of(world, "bake") in {"finish", "record"}
    assert closed(world) == (Status.ROLLED_BACK if pending == OLD else Status.SUPERSEDED)


def test_a_rollback_is_not_over_while_somebody_elses_deployment_may_still_fail(world: World) -> None:
    stories.rejected_by_bake(world)
    endpoint = world.sagemaker.endpoints[ENDPOINT]
    endpoint.pending, endpoint.status = "hotfix", "Updating"
    with pytest.raises(NotAcceptedYetError):
        do(world, "roll_back", token="t-1")
    stories.tell_endpoint(world)
    world.sagemaker.settle(ENDPOINT, fail="no capacity")
    assert do(world, "roll_back", token="t-2") == {"started": True}
    assert endpoint.pending == OLD


def test_a_promotion_is_not_over_while_somebody_elses_deployment_over_it_may_still_fail(world: World) -> None:
    stories.moving(world)
    endpoint = world.sagemaker.endpoints[ENDPOINT]
    endpoint.live, endpoint.pending, endpoint.status = candidate(world), "hotfix", "Updating"
    stories.tell_endpoint(world)
    world.sagemaker.settle(ENDPOINT, fail="no capacity")
    stories.tell_endpoint(world)
    assert next_of(world, "promotion") == "bake"


# What a promotion that had to wait sees of the world.


def test_a_promotion_people_are_asked_about_after_it_was_not_taken_is_made_after_their_yes(world: World) -> None:
    stories.accepted(world)
    world.sagemaker.refuse("UpdateEndpoint", THROTTLED)
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="t-1")
    world.put("policies/fraud.json", stories.policy(cooldown_hours=2))
    world.clock.forward(minutes=2)
    do(world, "promote", token="t-2")
    assert next_of(world, "t-2") == "ask"
    do(world, "park", kind="approval", subject="promotion", token="approval")
    sweeps(world, 3)
    assert stories.approve(world)["decided"]
    assert do(world, "promote", token="t-3") == {"started": True}
    assert world.sagemaker.endpoints[ENDPOINT].pending == candidate(world)


def test_what_spoke_against_the_champion_while_the_endpoint_was_busy_is_not_the_candidates(world: World) -> None:
    stories.accepted(world)
    world.sagemaker.endpoints[ENDPOINT].status = "Updating"
    with pytest.raises(NotAcceptedYetError):
        do(world, "promote", token="t-1")
    world.clock.forward(hours=1)
    world.alarms.fired[ALARM] = (world.clock(),)
    handler.run_action(request(drift(model="fraud", dedupe_key="later"), "run-2"), world.ports)
    world.clock.forward(hours=1)
    world.sagemaker.endpoints[ENDPOINT].status = "InService"
    assert do(world, "promote", token="t-2") == {"started": True}
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "park", kind="bake", token="bake")
    assert next_of(world, "bake") is None


@pytest.mark.parametrize("call", ["CreateModel", "CreateEndpointConfig", "TransactWriteItems"])
def test_what_somebody_deploys_while_model_and_config_are_made_is_not_overwritten(call: str, world: World) -> None:
    stories.accepted(world)
    world.outside.meanwhile(call, lambda: world.sagemaker.serve(ENDPOINT, "hotfix"))
    do(world, "promote", token="t")
    assert world.sagemaker.asked("UpdateEndpoint") == []
    assert closed(world) == Status.SUPERSEDED


def test_registry_and_baseline_do_not_follow_a_candidate_that_does_not_serve_any_more(world: World) -> None:
    world.sagemaker.packages[PACKAGE] = {
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": MODEL_URI, "Image": "image"}]}
    }
    made = {"model_package_arn": PACKAGE}
    stories.serving(world, output=made, promotion={**stories.POLICY["promotion"], "bake_minutes": 0})
    do(world, "park", kind="bake", token="bake")
    assert next_of(world, "bake") == "finish"
    world.sagemaker.serve(ENDPOINT, "hotfix")
    assert "hotfix" in do(world, "finish")["registry"]
    assert world.sagemaker.packages[PACKAGE].get("ModelApprovalStatus") is None


@pytest.mark.parametrize("end", ["close", "stop"])
def test_a_package_that_was_approved_is_promoted_although_its_run_could_not_note_so(end: str, world: World) -> None:
    world.sagemaker.packages[PACKAGE] = {
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": MODEL_URI, "Image": "image"}]}
    }
    stories.accepted(world, output={"model_package_arn": PACKAGE}, promotion={"kind": "registry"})
    # The process dies right after the registry took the approval.
    for call in range(1, 60):
        world.outside.die_before(call)
        with contextlib.suppress(ProcessDiedError):
            do(world, "promote", token=f"t-{call}")
        world.outside.live()
        if world.sagemaker.asked("UpdateModelPackage"):
            break
    wait = world.table.wait("run-1", WaitKind.PROMOTION)
    assert wait is not None
    assert not wait.resolved
    if end == "stop":
        stories.tell_dead(world, "ABORTED")
    assert closed(world) == Status.PROMOTED


# A bake that people are asked about.


def doubtful(world: World) -> None:
    """Nobody could judge the bake, and people are asked."""
    world.alarms.states[ALARM] = "INSUFFICIENT_DATA"
    stories.serving(world)
    world.alarms.states[ALARM] = "INSUFFICIENT_DATA"
    do(world, "park", kind="bake", token="bake")
    sweeps(world, 14)
    assert next_of(world, "bake") == "ask"
    do(world, "park", kind="approval", subject="bake", token="approval")


def test_an_alarm_that_rings_while_people_are_asked_about_a_bake_brings_the_champion_back(world: World) -> None:
    doubtful(world)
    world.alarms.states[ALARM] = "ALARM"
    sweeps(world, 2)
    assert next_of(world, "approval") == "roll_back"
    assert do(world, "roll_back", token="t") == {"started": True}


def test_a_switch_thrown_while_people_are_asked_about_a_bake_brings_the_champion_back(world: World) -> None:
    doubtful(world)
    do(world, "pause", scope="model:fraud", by="ops", reason="test")
    sweeps(world, 2)
    assert next_of(world, "approval") == "roll_back"
    do(world, "roll_back", token="t")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert closed(world) == Status.STOPPED


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:drift_report"])
def test_a_yes_under_a_switch_of_any_scope_is_not_counted(scope: str, world: World) -> None:
    doubtful(world)
    world.table.throw_switch(KillSwitch(scope=scope, by="ops", reason="test", since=world.clock().isoformat()))
    assert stories.approve(world)["code"] == "PAUSED"


def test_a_yes_to_a_bake_whose_endpoint_somebody_else_took_promotes_nothing(world: World) -> None:
    doubtful(world)
    world.sagemaker.serve(ENDPOINT, "hotfix")
    sweeps(world, 2)
    assert closed(world) == Status.SUPERSEDED


# What must follow.


def test_a_vote_that_was_counted_is_told_although_its_process_died(world: World) -> None:
    stories.asked(world)
    key = ("APPROVAL#run-1", "promotion")
    item = world.database.items[key]
    data = json.loads(item["data"]["S"].removeprefix("json:"))
    item["data"] = {"S": "json:" + json.dumps({**data, "approvals_needed": 2})}
    world.channels.messages.clear()
    counted = False
    for call in range(1, 60):
        world.outside.die_before(call)
        with contextlib.suppress(ProcessDiedError):
            stories.approve(world)
        world.outside.live()
        counted = bool(json.loads(world.database.items[key]["data"]["S"].removeprefix("json:"))["votes"])
        if counted:
            break
    assert counted
    sweeps(world)
    assert world.told("APPROVAL_COUNTED")


def test_a_token_that_cannot_be_answered_holds_up_no_stop_of_a_training(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.training(world)

    def denied(**_: Any) -> None:
        raise client_error("AccessDeniedException", "no", status=403)

    monkeypatch.setattr(world.executions, "send_task_success", denied)
    stories.tell_dead(world, "ABORTED")
    assert world.executions.statuses[stories.training_arn()] == "ABORTED"
    with contextlib.suppress(RuntimeError):
        sweeps(world)
    assert world.table.slots().holders == ()


def test_a_full_round_of_slots_is_handed_out_however_many_there_are() -> None:
    world = World(max_concurrent_trainings=50)
    for number in range(60):
        waiter = Waiter(f"run-{number}", f"model-{number}", f"2026-03-02T12:00:{number:02}+00:00")
        world.table._write(world.table.queue_write(waiter))
    assert len(change_slots(world.ports)) == 50
    assert len(world.table.slots().holders) == 50


def test_work_that_fails_and_cannot_be_put_off_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = message_told(Message(model=None, status="S", title="one", sentence="one"), world.clock())
    second = message_told(Message(model=None, status="S", title="two", sentence="two"), world.clock())
    for item in (first, second):
        world.table.add_due(item)
    tell, move = world.channels.tell, world.table.move_due
    failed: list[str] = []

    def fails_once(message: Message) -> None:
        if not failed:
            failed.append(message.title)
            raise client_error("InternalError", "no", status=500)
        tell(message)

    def throttled(*_: Any) -> None:
        monkeypatch.setattr(world.table, "move_due", move)
        raise client_error("ThrottlingException", "no")

    monkeypatch.setattr(world.channels, "tell", fails_once)
    monkeypatch.setattr(world.table, "move_due", throttled)
    world.clock.forward(minutes=5)
    with pytest.raises(RuntimeError, match="failed"):
        do(world, "sweep")
    assert len(world.told("S")) == 1


def test_a_training_that_was_not_started_by_the_run_is_not_stopped_with_it(world: World) -> None:
    stories.with_slot(world)
    world.executions.start_execution(
        stateMachineArn="arn:aws:states:us-east-1:111122223333:stateMachine:churn-training",
        name=stories.training_arn().rsplit(":", 1)[1],
        input="{}",
    )
    do(world, "train", token="t")
    assert closed(world) == Status.TRAINING_FAILED
    sweeps(world, 3)
    assert world.executions.statuses[stories.training_arn()] == "RUNNING"
    assert world.table.slots().holders == ()


def test_a_switch_over_a_source_stops_the_run_of_a_signal_of_it_that_was_kept(world: World) -> None:
    stories.decided(world, cooldown_hours=0)
    handler.run_action(request(drift(model="fraud", dedupe_key="kept"), "run-2"), world.ports)
    stories.tell_dead(world, "ABORTED")
    (name,) = [name for name in world.executions.started if name.startswith("pending-")]
    world.executions.statuses[execution_arn(name)] = "RUNNING"
    handler.run_action(request(world.executions.started[name], name), world.ports)
    do(world, "park", name, kind="slot", token="slot")
    assert next_of(world, "slot") == "train"
    do(world, "pause", scope="source:drift_report", by="ops", reason="test")
    do(world, "train", name, token="training")
    assert not [started for started in world.executions.started if started.startswith("retraining-")]


def test_a_kept_signal_of_a_model_that_was_taken_out_is_not_raised_for_ever(world: World) -> None:
    stories.decided(world, cooldown_hours=0)
    handler.run_action(request(drift(model="fraud", dedupe_key="kept"), "run-2"), world.ports)
    world.remove("policies/fraud.json")
    stories.tell_dead(world, "ABORTED")
    done: set[str] = set()
    for _ in range(100):
        for name in [name for name in world.executions.started if name.startswith("pending-")]:
            if name not in done:
                done.add(name)
                handler.run_action(request(world.executions.started[name], name), world.ports)
                world.executions.end(execution_arn(name), "SUCCEEDED")
        sweeps(world, 1, 60)
    assert len(done) <= 1
    world.put("policies/fraud.json", stories.policy(cooldown_hours=0))
    sweeps(world, 7, 60)
    assert world.due(DueKind.PENDING)
    assert len([name for name in world.executions.started if name.startswith("pending-")]) > len(done)


# Records.


def test_an_approval_that_expires_while_another_record_of_its_model_is_written_expires_with_the_next_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.asked(world)
    world.clock.forward(hours=25)
    chain_writes = world.table.chain_writes

    def rival_first(before: Head, links: tuple[Link, ...]) -> list[Write]:
        monkeypatch.undo()
        stories.operate(world, "pause", scope="model:fraud", reason="Incident 7.", swept=False)
        return chain_writes(before, links)

    monkeypatch.setattr(world.table, "chain_writes", rival_first)
    do(world, "sweep")
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert wait is not None
    assert not wait.resolved
    sweeps(world)
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert wait is not None
    assert wait.result is not None
    assert wait.result.outcome == Status.APPROVAL_EXPIRED
    world.chain("fraud")
