"""An operator wants the champion back: only while a candidate is on trial, once, in their name, and never too late."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.domain.contracts import DueKind
from orchestration.domain.errors import InvalidRequestError
from tests.unit import stories
from tests.unit.commands import retraining, signed_in
from tests.unit.fakes import TRAINING, World, person
from tests.unit.stories import do, next_of, operate

REASON = "chargebacks doubled"
LONG_BAKE: dict[str, Any] = {"promotion": {"endpoint": stories.ENDPOINT, "bake_minutes": 60}}


def back(world: World, **more: Any) -> dict[str, Any]:
    return operate(world, "rollback", **{"model": "fraud", "reason": REASON, **more})


def test_a_bake_ends_at_once_and_the_run_says_who_wanted_the_champion_and_why(world: World) -> None:
    stories.baking(world, **LONG_BAKE)
    assert back(world) == {"run_id": "run-1", "changed": True}
    assert next_of(world, "bake") == "roll_back"
    do(world, "roll_back", token="rollback")
    world.sagemaker.settle(stories.ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "close")

    run = world.table.run("run-1")
    assert run is not None
    assert run.outcome == "ROLLED_BACK"
    said = f'{person("ops")} asked for the champion: "{REASON}"'
    assert said in world.read("evidence/fraud/run-1/outcome.json")["reason"]
    assert said in world.read("evidence/fraud/run-1/verification.json")["answer"]["reason"]
    (told,) = world.told("ROLLED_BACK")
    assert said in told.sentence


def test_a_request_whose_sweep_was_lost_ends_the_bake_with_the_next(world: World) -> None:
    stories.baking(world, **LONG_BAKE)
    assert back(world, swept=False)["changed"]
    assert next_of(world, "bake") is None
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert next_of(world, "bake") == "roll_back"
    assert world.due(DueKind.SWITCH) == []


def test_asked_while_the_endpoint_still_moves_it_ends_the_bake_as_soon_as_there_is_one(world: World) -> None:
    stories.moving(world, promotion={"endpoint": stories.ENDPOINT, "bake_minutes": 0})
    assert back(world)["changed"]
    world.sagemaker.settle(stories.ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "park", kind="bake", token="bake")
    assert next_of(world, "bake") == "roll_back"


def test_asked_twice_it_is_one_request_and_the_first_one_stands(world: World) -> None:
    stories.baking(world, **LONG_BAKE)
    assert [back(world, swept=False, by=by)["changed"] for by in ("ana", "bob")] == [True, False]
    kept = world.table.kept_rollback("run-1")
    assert kept is not None
    assert kept.by == person("ana")


def test_a_candidate_that_goes_back_already_is_not_asked_back_again(world: World) -> None:
    stories.baking(world, **LONG_BAKE)
    back(world)
    do(world, "roll_back", token="rollback")
    world.database.items.pop(("REQUEST#run-1", "ROLLBACK"))
    assert back(world) == {"run_id": "run-1", "changed": False}
    assert world.table.kept_rollback("run-1") is None


@pytest.mark.parametrize("story", ["training", "asked"])
def test_before_a_promotion_there_is_nothing_to_take_back(story: str, world: World) -> None:
    getattr(stories, story)(world)
    with pytest.raises(InvalidRequestError, match="No candidate of fraud is on trial"):
        back(world)
    assert world.table.kept_rollback("run-1") is None


def test_a_model_without_a_promotion_has_nothing_to_go_back_from_and_is_shown_what_there_is(world: World) -> None:
    with pytest.raises(InvalidRequestError, match=r"It has had none\. The models: retraining status --stack "):
        back(world, model="risk")
    stories.decided(world)
    do(world, "close", failure={"error": "ABORTED", "cause": "by hand"})
    with pytest.raises(InvalidRequestError, match="retraining history --model fraud --stack "):
        back(world)


def test_of_a_model_that_nobody_knows_the_command_says_which_was_meant(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in(world, monkeypatch)
    stories.decided(world)
    for model, said in (
        ("frau", "There is no model frau. Did you mean fraud?"),
        ("fraud", "No candidate of fraud is on"),
    ):
        assert retraining("rollback", "--model", model, "--reason", REASON) == 1
        assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("wrong", [{"model": "no model!"}, {"model": None}, {"reason": ""}, {"reason": None}])
def test_a_request_names_a_model_and_says_why(wrong: dict[str, Any], world: World) -> None:
    stories.baking(world, **LONG_BAKE)
    with pytest.raises(InvalidRequestError):
        back(world, **wrong)
    assert world.table.kept_rollback("run-1") is None


def test_while_people_are_asked_whether_it_stays_a_no_is_said_there(world: World) -> None:
    watched = {"endpoint": stories.ENDPOINT, "bake_minutes": 0, "alarms": [stories.ALARM], "inconclusive": "ask"}
    world.alarms.states[stories.ALARM] = "OK"
    stories.serving(world, promotion=watched)
    world.alarms.states[stories.ALARM] = "INSUFFICIENT_DATA"
    do(world, "park", kind="bake", token="bake")
    assert next_of(world, "bake") == "ask"
    do(world, "park", kind="approval", subject="bake", token="approval")

    with pytest.raises(InvalidRequestError, match="retraining reject run-1 --comment "):
        back(world)
    assert world.table.kept_rollback("run-1") is None
    stories.approve(world, decision="REJECTED")
    assert next_of(world, "approval") == "roll_back"


@pytest.mark.parametrize("decision", ["APPROVED", "REJECTED"])
def test_once_people_have_said_whether_it_stays_nobody_is_sent_to_vote(decision: str, world: World) -> None:
    watched = {"endpoint": stories.ENDPOINT, "bake_minutes": 0, "alarms": [stories.ALARM], "inconclusive": "ask"}
    world.alarms.states[stories.ALARM] = "OK"
    stories.serving(world, promotion=watched)
    world.alarms.states[stories.ALARM] = "INSUFFICIENT_DATA"
    do(world, "park", kind="bake", token="bake")
    do(world, "park", kind="approval", subject="bake", token="approval")
    stories.approve(world, decision=decision)

    if decision == "REJECTED":
        assert back(world) == {"run_id": "run-1", "changed": False}
    else:
        with pytest.raises(InvalidRequestError, match="No candidate of fraud is on trial"):
            back(world)
    assert world.table.kept_rollback("run-1") is None


def test_a_promotion_and_a_request_at_the_same_moment_are_never_both(world: World) -> None:
    """The request comes between the look at the bake and its result."""
    stories.serving(world, promotion={"endpoint": stories.ENDPOINT, "bake_minutes": 0})
    resolve = world.table.resolve_wait

    def later(*arguments: Any, **more: Any) -> Any:
        world.table.resolve_wait = resolve  # type: ignore[method-assign]
        back(world, swept=False)
        return resolve(*arguments, **more)

    world.table.resolve_wait = later  # type: ignore[method-assign]
    do(world, "park", kind="bake", token="bake")
    assert next_of(world, "bake") == "roll_back"


def test_a_candidate_that_was_promoted_meanwhile_is_not_said_to_be_taken_back(world: World) -> None:
    """The bake's result comes between the look at it and the request."""
    stories.serving(world, promotion={"endpoint": stories.ENDPOINT, "bake_minutes": 0})
    keep = world.table.keep_rollback

    def later(*arguments: Any, **more: Any) -> Any:
        world.table.keep_rollback = keep  # type: ignore[method-assign]
        do(world, "park", kind="bake", token="bake")
        return keep(*arguments, **more)

    world.table.keep_rollback = later  # type: ignore[method-assign]
    with pytest.raises(InvalidRequestError, match="nothing to take back"):
        back(world)
    assert next_of(world, "bake") == "finish"
    assert world.table.kept_rollback("run-1") is None


def test_a_yes_to_the_promotion_is_none_to_the_bake(world: World) -> None:
    watched = {"endpoint": stories.ENDPOINT, "bake_minutes": 0, "alarms": [stories.ALARM], "inconclusive": "ask"}
    stories.asked(world, promotion=watched)
    stories.approve(world)
    do(world, "promote", token="promotion")
    world.sagemaker.settle(stories.ENDPOINT)
    stories.tell_endpoint(world)
    world.alarms.states[stories.ALARM] = "INSUFFICIENT_DATA"
    do(world, "park", kind="bake", token="bake")
    assert next_of(world, "bake") == "ask"
    with pytest.raises(InvalidRequestError, match="retraining reject run-1 --comment "):
        back(world)


def test_a_candidate_that_a_teams_own_pipeline_deploys_is_on_no_endpoint_of_the_loops(world: World) -> None:
    target = TRAINING.replace("churn-training", "deploy")
    world.executions.tags[target] = {"retraining:model": "fraud"}
    stories.accepted(world, promotion={"kind": "pipeline", "target": target})
    assert do(world, "promote", token="promotion") == {"started": True}
    with pytest.raises(InvalidRequestError, match="No candidate of fraud is on trial on an endpoint"):
        back(world)
    assert world.table.kept_rollback("run-1") is None
