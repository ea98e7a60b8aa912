"""Close and settle: every run gets one outcome, and leaves no lock, no slot and nobody untold, whoever dies over it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.actions.admit import admit
from orchestration.actions.close import classify, close
from orchestration.actions.park import park
from orchestration.actions.resume import resume
from orchestration.actions.settle import settle
from orchestration.domain.contracts import Status
from orchestration.domain.errors import InvalidRequestError
from orchestration.stores.table_dynamodb import StoredModel
from tests.unit.fakes import MACHINE, ProcessDiedError, World, drift, execution_arn, request

FRAUD = {"schema_version": 1, "model": "fraud"}


def parked(run: dict[str, Any], token: str) -> dict[str, Any]:
    """Make a request for a training slot."""
    execution = {"id": execution_arn(run["run_id"]), "name": run["run_id"]}
    return {"kind": "slot", "subject": "training", "token": token, "run": run, "execution": execution}


def closing(run_id: str = "run-1", outcome: str = "TRAINED", **result: Any) -> dict[str, Any]:
    execution = {"id": execution_arn(run_id), "name": run_id}
    return {"run": {"run_id": run_id}, "execution": execution, "result": {"outcome": outcome, **result}}


def busy(world: World) -> None:
    """One run trains, another waits for its slot, and a third signal waits for the first run."""
    world.put("policies/fraud.json", FRAUD)
    training = admit(request(drift(), "run-1"), world.ports)["run"]
    park(parked(training, "token-1"), world.ports)
    waiting = admit(request(drift(model="fraud", dedupe_key="fraud"), "run-2"), world.ports)["run"]
    park(parked(waiting, "token-2"), world.ports)
    assert admit(request(drift(dedupe_key="later"), "run-3"), world.ports)["decision"] == "COALESCE"
    assert list(world.executions.answers) == ["token-1"]


def test_a_process_that_dies_between_any_two_lines_of_close_leaves_one_outcome_and_nothing_behind(
    new_world: Callable[..., World],
) -> None:
    outcome = "TRAINING_FAILED"
    for call in itertools.count(1):
        world = new_world(cooldown_hours=0.0)
        busy(world)
        told = len(world.channels.messages)
        world.outside.die_before(call)
        done = False
        with contextlib.suppress(ProcessDiedError):
            close(closing(outcome=outcome, reason="The end."), world.ports)
            done = True
        world.outside.live()
        world.clock.forward(seconds=30)

        answer = close(closing(outcome=outcome, reason="The end."), world.ports)

        where = f"died before call {call}"
        assert (answer["outcome"], answer["output"]["reason"]) == (outcome, "The end."), where
        run = world.table.run("run-1")
        assert run is not None
        assert run.outcome == outcome, where
        assert [active["run_id"] for active in world.table.active_runs()] == ["run-2"], where
        state = world.table.model("churn")
        assert state.active_run_id is None, where
        assert state.fruitless_runs == 1, where
        assert [holder.run_id for holder in world.table.slots().holders] == ["run-2"], where
        assert sorted(world.executions.answers) == ["token-1", "token-2"], where
        assert world.versions("evidence/churn/run-1/outcome.json") == 1, where
        evidence = world.read("evidence/churn/run-1/outcome.json")
        assert (evidence["outcome"], evidence["statuses"][-1]["status"]) == (outcome, outcome), where
        messages = [message for message in world.channels.messages[told:] if message.status == outcome]
        assert messages, where
        assert messages[0].escalates, where
        assert [detail for detail in world.channels.events if detail["status"] == outcome], where
        assert len(world.executions.started) == 1, where
        if done:
            return


def test_a_process_that_dies_between_any_two_lines_of_park_leaves_no_token_unanswered(
    new_world: Callable[..., World],
) -> None:
    for call in itertools.count(1):
        world = new_world()
        run = admit(request(drift()), world.ports)["run"]
        world.outside.die_before(call)
        done = False
        with contextlib.suppress(ProcessDiedError):
            park(parked(run, "token-1"), world.ports)
            done = True
        world.outside.live()

        # Step Functions retries the state with a token of its own; the first one may be dead by then.
        park(parked(run, "token-2"), world.ports)

        where = f"died before call {call}"
        assert world.executions.answers["token-2"] == {"granted": True, "fence": 1}, where
        assert [holder.run_id for holder in world.table.slots().holders] == ["run-1"], where
        assert world.table.waits() == [], where
        if done:
            return


@pytest.mark.parametrize("call", range(1, 6))
def test_an_execution_that_failed_before_its_decision_is_kept_and_told(call: int, world: World) -> None:
    dead = {**closing("run-9", "FAILED", reason="Boom."), "event": drift()}
    world.outside.die_before(call)
    with contextlib.suppress(ProcessDiedError):
        close(dead, world.ports)
    world.outside.live()
    answer = close(dead, world.ports)
    assert (answer["outcome"], answer["output"]["retraining_required"]) == ("FAILED", "NO")
    assert world.read("rejected/run-9.json") == {"event": drift(), "sentence": "Boom."}
    assert world.versions("rejected/") == 1
    message = world.channels.messages[0]
    assert message.escalates
    assert "make replay" in message.text()


def test_the_first_outcome_of_a_run_stands(world: World) -> None:
    admit(request(drift()), world.ports)
    close(closing(outcome="PROMOTED", reason="Better."), world.ports)
    told = len(world.channels.messages)
    late = close(closing(outcome="FAILED", reason="Settled too late."), world.ports)
    assert (late["outcome"], late["output"]["reason"]) == ("PROMOTED", "Better.")
    assert len(world.channels.messages) == told


def test_a_rival_that_writes_the_models_state_does_not_lose_the_outcome(world: World) -> None:
    admit(request(drift(), "run-1"), world.ports)
    rival = drift(dedupe_key="rival")
    world.outside.meanwhile("TransactWriteItems", lambda: admit(request(rival, "run-2"), world.ports))
    close(closing(), world.ports)
    state = world.table.model("churn")
    assert state.active_run_id is None
    assert state.pending is not None
    assert [record["decision"] for record in world.chain("churn")] == ["RETRAIN", "COALESCE"]


def test_fruitless_runs_freeze_the_model_and_a_fruitful_one_starts_the_count_anew(
    new_world: Callable[..., World],
) -> None:
    world = new_world(cooldown_hours=0.0, run_budget=0)
    outcomes = ["CANDIDATE_REJECTED", "TRAINED", "CANDIDATE_REJECTED", "TRAINING_FAILED", "CANDIDATE_REJECTED"]
    counts = []
    for number, outcome in enumerate(outcomes):
        run_id = f"run-{number}"
        assert admit(request(drift(dedupe_key=run_id), run_id), world.ports)["decision"] == "RETRAIN"
        close(closing(run_id, outcome), world.ports)
        counts.append(world.table.model("churn").fruitless_runs)
    assert counts == [1, 0, 1, 2, 3]
    frozen = world.table.model("churn").frozen_reason
    assert frozen is not None
    assert "3 runs in a row brought no improvement, the last one run-4" in frozen
    assert admit(request(drift(dedupe_key="after"), "run-9"), world.ports)["decision"] == "HOLD"


def test_the_cooldown_starts_when_the_run_ends(world: World) -> None:
    admit(request(drift()), world.ports)
    world.clock.forward(hours=5)
    close(closing(), world.ports)
    assert world.table.model("churn").cooldown_until == "2026-03-03T17:00:00+00:00"


def test_a_run_whose_model_lost_its_lock_to_another_does_not_take_that_lock_away(world: World) -> None:
    admit(request(drift()), world.ports)
    state = world.table.model("churn")
    fields = {name: getattr(state, name) for name in StoredModel.__slots__}
    world.table.save_model(StoredModel(**{**fields, "active_run_id": "run-7"}))
    close(closing(), world.ports)
    assert world.table.model("churn").active_run_id == "run-7"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("FAILED", "FAILED"), ("TIMED_OUT", "FAILED"), ("ABORTED", "STOPPED"), ("SUCCEEDED", "FAILED")],
)
def test_an_execution_that_ended_leaves_no_run_open(status: str, outcome: str, world: World) -> None:
    run = admit(request(drift()), world.ports)["run"]
    park(parked(run, "token-1"), world.ports)
    detail = {"stateMachineArn": MACHINE, "executionArn": execution_arn("run-1"), "name": "run-1", "status": status}
    answer = settle({"detail": {**detail, "cause": "Stopped by hand.", "input": "{broken"}}, world.ports)
    assert answer["outcome"] == outcome
    assert (world.table.active_runs(), world.table.slots().holders) == ([], ())
    assert "Stopped by hand." in world.read("evidence/churn/run-1/outcome.json")["reason"]


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_an_execution_that_goes_on_is_left_alone(status: str, world: World) -> None:
    admit(request(drift()), world.ports)
    detail = {"stateMachineArn": MACHINE, "executionArn": execution_arn("run-1"), "name": "run-1", "status": status}
    assert settle({"detail": detail}, world.ports) == {"outcome": None}
    assert len(world.table.active_runs()) == 1


def test_settle_takes_no_other_machines_executions(world: World) -> None:
    with pytest.raises(InvalidRequestError, match="the loop's own executions only"):
        settle({"detail": {"stateMachineArn": MACHINE + "-2", "name": "run-1", "status": "FAILED"}}, world.ports)


def test_a_released_slot_goes_to_the_run_that_waited_longest(world: World) -> None:
    busy(world)
    run = {"run_id": "run-1", "model": "churn", "severity": "critical"}
    resume({"kind": "slot", "run": run}, world.ports)
    assert [holder.run_id for holder in world.table.slots().holders] == ["run-2"]
    assert world.executions.answers["token-2"] == {"granted": True, "fence": 2}


@pytest.mark.parametrize(
    ("result", "outcome", "reason"),
    [
        ({"outcome": "PROMOTED", "reason": "Better."}, Status.PROMOTED, "Better."),
        ({"outcome": "no such outcome"}, Status.FAILED, "no reason given"),
        ({}, Status.FAILED, "no reason given"),
        ({"outcome": None, "reason": None}, Status.FAILED, "no reason given"),
        (
            {"outcome": "TRAINING_FAILED", "error": "States.Timeout", "reason": "x"},
            Status.TRAINING_TIMED_OUT,
            "x",
        ),
        (
            {"outcome": "TRAINING_FAILED", "reason": '{"Status": "TIMED_OUT"}'},
            Status.TRAINING_TIMED_OUT,
            "The training ended TIMED_OUT.",
        ),
        (
            {"outcome": "TRAINING_FAILED", "reason": '{"Status": "FAILED", "Error": "OOM", "Cause": "137"}'},
            Status.TRAINING_FAILED,
            "OOM: 137",
        ),
    ],
)
def test_the_outcome_is_classified_from_what_the_workflow_tells(
    result: dict[str, Any], outcome: Status, reason: str
) -> None:
    assert classify(result) == (outcome, reason)
