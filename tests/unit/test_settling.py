"""Executions that ended, seen by their event or by a sweep, and events that wake who waits for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestration import handler
from orchestration.actions.settle import see_alive, settle, settle_execution
from orchestration.domain.contracts import DueKind, Next, Status, WaitKind
from orchestration.domain.due import AGAIN, due
from orchestration.domain.errors import InvalidRequestError, TransientServiceError
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due
from orchestration.steps.due_work import DONE, Worked, later
from tests.unit.fakes import MACHINE, NOON, World, drift, execution_arn
from tests.unit.stories import do
from tests.unit.test_close import RUN, begin

ARN = execution_arn("run-1")
FAILURE = {"error": "Boom", "cause": "The end."}


def told(status: str | None = "FAILED", **more: Any) -> dict[str, Any]:
    return {"stateMachineArn": MACHINE, "executionArn": ARN, "name": "run-1", "status": status, **more}


def settled(world: World, detail: dict[str, Any] | None) -> str | None:
    return settle_execution(world.ports, ARN, "run-1", told=detail)


# An execution.


@pytest.mark.parametrize("detail", [{}, told(stateMachineArn="another"), told(name=None), told(name="")])
def test_what_is_no_execution_of_the_loop_is_not_settled(detail: dict[str, Any], world: World) -> None:
    begin(world)
    with pytest.raises(InvalidRequestError, match="own executions only"):
        settle({"detail": detail}, world.ports)


@pytest.mark.parametrize(
    ("described", "detail", "outcome", "error", "cause"),
    [
        (("FAILED", {"error": "E", "cause": "C."}), None, "FAILED", "E", "It failed with E: C."),
        (("FAILED", {}), told(error="E", cause="C."), "FAILED", "E", "It failed with E: C."),
        (("FAILED", {"error": "D"}), told(error="E"), "FAILED", "D", "It failed with D, and no cause is given."),
        (("TIMED_OUT", {}), None, "FAILED", "TIMED_OUT", "It took longer than it may."),
        (None, None, "STOPPED", "ABORTED", "It was stopped."),
    ],
)
def test_a_run_ends_with_what_is_said_of_its_executions_end(
    described: Any, detail: dict[str, Any] | None, outcome: str, error: str, cause: str, world: World
) -> None:
    begin(world)
    if described is not None:
        world.executions.end(ARN, described[0], **described[1])
    if detail is None:
        assert settled(world, None) == outcome
    else:
        assert settle({"detail": detail}, world.ports) == {"outcome": outcome}
    run = world.table.run("run-1")
    assert run is not None
    assert (run.outcome, run.error, run.reason) == (outcome, error, cause)


def decided(world: World) -> None:
    assert do(world, "admit", event=drift(observed=0.1))["decision"] == "OBSERVE"


@pytest.mark.parametrize(
    ("before", "detail", "described", "lags"),
    [
        (None, told(), {}, True),
        (None, told("TIMED_OUT"), {}, True),
        (None, told("RUNNING"), {}, False),
        (None, told(None), {}, False),
        (None, None, {}, False),
        (None, told(redriveCount=1), {"redriveCount": 1}, True),
        (None, told(redriveCount=1), {}, True),
        (None, told(), {"redriveCount": 1}, False),
        (None, told(redriveCount=1), {"redriveCount": 2}, False),
        (begin, told(), {}, False),
        (decided, told(), {}, False),
    ],
)
def test_a_description_that_is_older_than_the_event_is_asked_for_again_where_nothing_else_comes_back(
    before: Any, detail: dict[str, Any] | None, described: dict[str, Any], lags: bool, world: World
) -> None:
    if before is not None:
        before(world)
    world.executions.end(ARN, "RUNNING", **described)
    if lags:
        with pytest.raises(TransientServiceError, match="is not described so yet"):
            settled(world, detail)
    else:
        assert settled(world, detail) is None
    assert world.told("FAILED") == []


@pytest.mark.parametrize(
    ("before", "status", "outcome"),
    [(None, "FAILED", "FAILED"), (None, "SUCCEEDED", None), (decided, "FAILED", None), (decided, "SUCCEEDED", None)],
)
def test_an_execution_without_a_run_is_told_of_when_it_decided_nothing(
    before: Any, status: str, outcome: str | None, world: World
) -> None:
    if before is not None:
        before(world)
    world.executions.end(ARN, status)
    assert settled(world, None) == outcome
    assert len(world.told("FAILED")) == (outcome is not None)


@pytest.mark.parametrize(("raw", "event"), [('{"id": 1}', {"id": 1}), ("not json", "not json"), (None, None)])
def test_the_input_of_an_execution_that_decided_nothing_is_kept(raw: Any, event: Any, world: World) -> None:
    world.executions.end(ARN, "FAILED", input=raw, **FAILURE)
    settled(world, None)
    assert world.read("rejected/run-1.json")["event"] == event
    (message,) = world.told("FAILED")
    assert dict(message.facts) == {"execution": "run-1", "event": "s3://automation/rejected/run-1.json"}
    assert (message.thread, message.model) == ("run-1", None)
    assert "runbook#signal-not-decided" in message.text()


@pytest.mark.parametrize(
    ("outcome", "status", "worked"),
    [
        (None, "RUNNING", "later"),
        (None, "FAILED", Worked(repair="dead_run_settled")),
        ("STOPPED", "FAILED", DONE),
        ("STOPPED", "RUNNING", DONE),
    ],
)
def test_a_run_is_looked_at_until_it_is_over(outcome: str | None, status: str, worked: Any, world: World) -> None:
    begin(world, replace(RUN, outcome=outcome))
    world.executions.end(ARN, status)
    item = due(DueKind.ALIVE, "run-1", "fraud", NOON)
    assert see_alive(world.ports, item) == (later(item, NOON + AGAIN) if worked == "later" else worked)
    assert see_alive(world.ports, replace(item, subject="run-9")) == DONE


@pytest.mark.parametrize("elsewhere", [ARN.replace("us-east-1", "eu-central-1"), ARN.replace(":run-1", "-2:run-1")])
def test_a_run_of_another_stacks_workflow_ends_where_its_history_was_restored(elsewhere: str, world: World) -> None:
    """Nobody there may ask how it is, and it would answer nothing here."""
    assert elsewhere != ARN
    begin(world, replace(RUN, execution_arn=elsewhere))
    world.executions.statuses[elsewhere] = "RUNNING"

    assert see_alive(world.ports, due(DueKind.ALIVE, "run-1", "fraud", NOON)) == Worked(repair="dead_run_settled")

    run = world.table.run("run-1")
    assert run is not None
    assert run.outcome == "STOPPED"
    assert "DescribeExecution" not in world.outside.calls
    (message,) = world.told("STOPPED")
    assert "not this stack's" in message.text()


@pytest.mark.parametrize(("status", "worked"), [("RUNNING", DONE), ("FAILED", Worked(repair="dead_execution_settled"))])
def test_an_execution_that_decided_nothing_is_settled_when_it_is_dead(
    status: str, worked: Worked, world: World
) -> None:
    world.executions.end(ARN, status, **FAILURE)
    assert see_alive(world.ports, due(DueKind.ALIVE, "run-1", "fraud", NOON, execution_arn=ARN)) == worked
    assert len(world.told("FAILED")) == (status == "FAILED")


def test_a_run_of_which_a_dead_letter_told_is_looked_at_until_it_is_over(world: World) -> None:
    begin(world)
    world.executions.end(ARN, "RUNNING")
    item = due(DueKind.ALIVE, "run-1", "fraud", NOON, execution_arn=ARN)
    assert see_alive(world.ports, item) == later(item, NOON + AGAIN)


# The end of a workflow.


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(FAILURE, "It failed with Boom: The end."), (None, "The execution failed after its signal was decided.")],
)
def test_a_workflow_that_failed_after_a_decision_without_a_run_says_why(
    failure: Any, reason: str, world: World
) -> None:
    decided(world)
    answer = do(world, "close", failure=failure)
    assert (answer["outcome"], answer["output"]["retraining_required"]) == ("FAILED", "NO")
    assert (answer["output"]["model"], answer["output"]["reason"]) == ("churn", reason)
    assert world.told("FAILED") == []


@pytest.mark.parametrize(("earlier", "outcome"), [({}, "SUPERSEDED"), ({"run": {"run_id": "run-1"}}, "STOPPED")])
def test_only_the_earlier_workflow_is_told_an_end_it_knows(earlier: dict[str, Any], outcome: str, world: World) -> None:
    begin(world)
    changed = Result(Next.RECORD, "The champion changed.", Status.SUPERSEDED)
    world.table.store_candidate_verdict("run-1", CandidateVerdict(changed, {"gates": []}), [])
    answer = do(world, "close", **earlier)
    assert answer["outcome"] == outcome
    assert (answer["output"]["outcome"], answer["output"]["reason"]) == ("SUPERSEDED", "The champion changed.")


# Events that wake.


def waits(world: World, kind: WaitKind, name: str) -> None:
    at = NOON.isoformat()
    wait = Wait(kind, "", "run-1", "fraud", f"{kind}-token", "arn", at, at, at, data={"names": [name]})
    assert world.table.park(wait, look_due(world.ports, wait), [name]) is None


def test_an_event_wakes_everybody_who_waits_for_its_name_and_says_how_many_went_on(world: World) -> None:
    """The run is over, so that a look withdraws what was waited for."""
    begin(world, replace(RUN, outcome="STOPPED"))
    for kind in (WaitKind.PROMOTION, WaitKind.BAKE):
        waits(world, kind, "endpoint:fraud-prod")
    waits(world, WaitKind.TRAINING, "job:another")
    event = {"detail-type": "SageMaker Endpoint State Change", "detail": {"EndpointName": "fraud-prod"}}
    assert handler.run_action(event, world.ports) == {"resumed": 2}
    assert handler.run_action(event, world.ports) == {"resumed": 0}
    assert handler.run_action({**event, "detail": {}}, world.ports) == {"resumed": 0}


@pytest.mark.parametrize("request_", [{}, {"kind": "slot"}, {"detail-type": "Something Else"}])
def test_what_is_neither_an_event_nor_a_decision_wakes_nobody(request_: dict[str, Any], world: World) -> None:
    with pytest.raises(InvalidRequestError, match="A resume request is"):
        handler.run_action({"action": "resume", **request_}, world.ports)
