"""What the release before left parked is answered once, in its own words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orchestration import handler
from orchestration.domain.contracts import DueKind
from orchestration.domain.stored_model import StoredModel
from orchestration.steps.earlier_release import WORDS, asked_by_earlier_workflow, take_over, turn_away
from tests.unit import stories
from tests.unit.fakes import World, drift, request
from tests.unit.test_close import RUN, begin

WAITS = (("WAITS", "slot"), ("WAITS", "bake"), ("APPROVALS", "approval"))


def parked(world: World) -> None:
    for pk, kind in WAITS:
        item = {"pk": pk, "sk": f"WAIT#{kind}", "kind": kind, "token": f"token-{kind}", "run_id": "old"}
        world.database.items[pk, item["sk"]] = {name: {"S": value} for name, value in item.items()}


def test_every_wait_of_the_release_before_is_answered_with_its_word_for_no_and_forgotten(world: World) -> None:
    parked(world)
    for _ in range(2):
        take_over(world.ports)

    assert {
        token: answer.get("granted", answer.get("decision")) for token, answer in world.executions.answers.items()
    } == {
        "token-slot": False,
        "token-approval": "REJECTED",
    }
    assert world.executions.failures == {"token-bake": "StackUpdated"}
    assert world.database.items == {}


def test_a_run_that_pins_no_policy_is_ended_and_one_that_pins_its_own_goes_on(world: World) -> None:
    stories.decided(world)
    take_over(world.ports)
    assert world.table.model("fraud").active_run_id == "run-1"

    item = world.database.items["RUN#run-1", "RUN"]
    manifest = json.loads(item["manifest"]["S"])
    del manifest["policy"]
    item["manifest"]["S"] = json.dumps(manifest)
    take_over(world.ports)
    run = world.table.run("run-1")
    assert run is not None
    assert (run.outcome, run.error) == ("SUPERSEDED", "StackUpdated")


def test_a_signal_that_waits_since_the_release_before_gets_its_due_item(world: World) -> None:
    handler.run_action(request(drift()), world.ports)
    state = world.table.model("churn")
    world.table.save_model(StoredModel("churn", version=state.version, pending={"count": 1}))
    for item in world.due(DueKind.PENDING):
        world.table.done(item)
    take_over(world.ports)
    assert [item.model for item in world.due(DueKind.PENDING)] == ["churn"]


@pytest.mark.parametrize(("kind", "answer"), [*WORDS.items(), ("bake", None)])
def test_a_token_of_the_earlier_workflow_is_answered_with_its_word_for_no(
    kind: str, answer: dict[str, Any] | None, world: World
) -> None:
    asked = {"run": {"run_id": "never was"}, "kind": kind, "token": "token"}
    assert asked_by_earlier_workflow(asked)
    assert turn_away(asked, world.ports) == {"parked": False, "next": "record"}
    assert world.executions.answers.get("token") == answer
    assert world.executions.failures == ({} if answer else {"token": "StackUpdated"})


@pytest.mark.parametrize(("before", "after"), [(None, "SUPERSEDED"), ("PROMOTED", "PROMOTED")])
def test_a_run_of_the_earlier_workflow_that_is_not_over_is_ended_as_it_asks(
    before: str | None, after: str, world: World
) -> None:
    begin(world, replace(RUN, outcome=before))
    turn_away({"run": {"run_id": "run-1"}, "kind": "slot", "token": "token"}, world.ports)
    run = world.table.run("run-1")
    assert run is not None
    assert run.outcome == after
