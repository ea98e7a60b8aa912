"""An operator asks for a retraining: kept with who asked, raised until it is decided, once, and answered by others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestration.domain.contracts import (
    DRIFT_SOURCE,
    PENDING_SIGNAL_DUE,
    RETRAINING_REQUESTED,
    RETRAINING_SOURCE,
    DueKind,
    WaitKind,
)
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.pending_signal import UNPROVEN_ASKER
from orchestration.domain.votes import VoteCode
from tests.unit import stories
from tests.unit.fakes import World, drift, person
from tests.unit.stories import do, next_of, operate


def retrain(world: World, **more: Any) -> dict[str, Any]:
    return operate(
        world, "retrain", **{"model": "fraud", "reason": "New labels.", "key": "monday", "by": "ana", **more}
    )


def raised(world: World) -> list[tuple[str, Any]]:
    """Executions that were started for requests, with their input."""
    return [(name, given) for name, given in world.executions.started.items() if name.startswith("request-")]


@pytest.fixture
def world(world: World) -> World:
    """A stack that knows the model fraud."""
    world.put("policies/fraud.json", stories.policy())
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.executions.tags[stories.POLICY["training"]["target"]] = {"retraining:model": "fraud"}
    return world


def test_what_an_operator_asks_for_is_raised_and_decided_in_their_name(world: World) -> None:
    answer = retrain(world)
    assert answer["changed"] is True
    ((name, event),) = raised(world)
    (request_id,) = event["detail"].values()
    assert name.startswith(f"request-{request_id}")
    assert event["time"] == world.clock().isoformat()

    assert do(world, "admit", name, event=event)["decision"] == "RETRAIN"
    (record,) = [record for record in world.chain("fraud") if "decision" in record]
    assert record["signal_id"] == answer["signal_id"]
    assert (record["signal"]["proven_by"], record["signal"]["force"]) == (person("ana"), False)
    assert "New labels." in record["signal"]["summary"]


def test_a_request_whose_sweep_was_lost_is_raised_by_the_next_and_no_more_once_it_is_decided(world: World) -> None:
    retrain(world, swept=False)
    assert world.channels.sweeps_requested == 1
    assert raised(world) == []
    assert do(world, "sweep")["repairs"] == {"request_raised": 1}
    ((name, event),) = raised(world)
    do(world, "admit", name, event=event)
    world.clock.forward(hours=1)
    do(world, "sweep")
    assert len(raised(world)) == 1
    assert world.due(DueKind.RAISE) == []


def test_a_request_on_a_model_the_loop_does_not_know_is_rejected_once(world: World) -> None:
    retrain(world, model="risk")
    ((name, event),) = raised(world)
    assert do(world, "admit", name, event=event)["decision"] == "REJECT"
    world.clock.forward(hours=1)
    do(world, "sweep")
    assert len(raised(world)) == 1
    assert world.due(DueKind.RAISE) == []


def test_asked_twice_with_a_key_it_is_one_request_and_another_key_or_person_asks_for_another(world: World) -> None:
    first = retrain(world, swept=False)
    assert retrain(world, swept=False) == {**first, "changed": False}
    others = [retrain(world, swept=False, **more) for more in ({"key": "tuesday"}, {"by": "bob"})]
    assert [other["changed"] for other in others] == [True, True]
    assert len({first["signal_id"], *(other["signal_id"] for other in others)}) == 3


@pytest.mark.parametrize(
    "wrong",
    [{"model": None}, {"model": "../x"}, {"force": "yes"}, {"force": 1}, {"reason": " "}, {"key": None}],
)
def test_a_request_without_a_model_a_reason_or_a_key_or_with_an_odd_force_is_not_kept(
    wrong: dict[str, Any], world: World
) -> None:
    with pytest.raises(InvalidRequestError):
        retrain(world, **wrong)
    assert world.due(DueKind.RAISE) == []


def test_only_a_request_that_says_so_is_forced(world: World) -> None:
    retrain(world, force=True)
    ((name, event),) = raised(world)
    do(world, "admit", name, event=event)
    assert world.chain("fraud")[0]["signal"]["force"] is True


def test_an_event_that_names_no_request_that_is_kept_starts_nothing(world: World) -> None:
    retrain(world)
    ((name, event),) = raised(world)
    assert do(world, "admit", name, event={**event, "detail": {"request": "0" * 32}})["decision"] == "REJECT"


def test_who_asked_cannot_be_the_one_who_agrees(world: World) -> None:
    world.put("policies/fraud.json", stories.policy(approval={"training": "always"}))
    retrain(world)
    ((name, event),) = raised(world)
    assert do(world, "admit", name, event=event)["next"] == "ask"
    do(world, "park", name, kind="approval", subject="training", token="approval")

    assert stories.approve(world, name, by="ana")["code"] == VoteCode.ASKER
    assert next_of(world, "approval") is None
    stories.approve(world, name, by="bob")
    assert next_of(world, "approval") == "train"


def busy_then_pending(world: World, *events: tuple[str, Any]) -> dict[str, Any]:
    """The wait that asks people, of a run for what came while another went on and was kept as one."""
    world.put("policies/fraud.json", stories.policy(approval={"training": "always"}))
    assert world.table.save_model(replace(world.table.model("fraud"), active_run_id="run-0"))
    for name, event in events:
        assert do(world, "admit", name, event=event)["decision"] == "COALESCE"
    assert world.table.save_model(replace(world.table.model("fraud"), active_run_id=None))
    pending = {"source": RETRAINING_SOURCE, "detail-type": PENDING_SIGNAL_DUE, "detail": {"model": "fraud"}}
    assert do(world, "admit", "run-1", event=pending)["next"] == "ask"
    do(world, "park", "run-1", kind="approval", subject="training", token="approval")
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "training")
    assert wait is not None
    return wait.data


def test_none_of_those_who_asked_at_the_same_time_can_be_the_one_who_agrees(world: World) -> None:
    for by in ("ana", "bob"):
        retrain(world, by=by)
    data = busy_then_pending(world, *raised(world))
    assert (data["asked_by"], data["requested"]) == ([person("ana"), person("bob")], True)
    assert [stories.approve(world, by=by)["code"] for by in ("ana", "bob", "eve")] == ["ASKER", "ASKER", "DECIDED"]


def test_drift_that_came_after_a_request_does_not_hide_who_asked(world: World) -> None:
    retrain(world)
    data = busy_then_pending(world, *raised(world), ("run-drift", drift("fraud")))
    assert (data["asked_by"], data["requested"]) == ([person("ana")], True)


def test_a_request_that_proves_nobody_is_one_all_the_same_and_drift_is_none(world: World) -> None:
    detail = {"model": "fraud", "reason": "New data.", "requested_by": "ana"}
    asked = {"source": DRIFT_SOURCE, "detail-type": RETRAINING_REQUESTED, "id": "id-1", "detail": detail}
    data = busy_then_pending(world, ("run-asked", asked))
    assert (data["asked_by"], data["requested"]) == ([UNPROVEN_ASKER], True)


def test_drift_is_no_request(world: World) -> None:
    data = busy_then_pending(world, ("run-drift", drift("fraud")))
    assert (data["asked_by"], data["requested"]) == ([], False)
