"""A run that is over: its training is stopped, its slot handed on when that is over, and nobody waits any more."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration.domain.contracts import DueKind, Next, WaitKind
from orchestration.domain.due import DueItem, due
from orchestration.domain.intention import Intention, training_subject
from orchestration.domain.policy import TargetKind
from orchestration.domain.slots import Holder, SlotLedger, Waiter
from orchestration.domain.training_target import nested_execution_arn
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due, settled
from orchestration.steps.due_work import DONE, later
from orchestration.steps.winding_down import look_at_intention, wind_down
from tests.unit.fakes import NOON, TRAINING, World
from tests.unit.stories import next_of
from tests.unit.test_close import ASKED, RUN, SIGNAL, begin

ITEM = due(DueKind.STOP, "run-1", "fraud", NOON)
NAME = f"retraining-{'0' * 40}"
NESTED = nested_execution_arn(TRAINING, NAME)
MINUTE = timedelta(minutes=1)


def over(world: World, kind: TargetKind | None = None, *, outcome: str | None = "STOPPED", **changes: Any) -> None:
    """A run that is over, and held a slot that another run waits for."""
    made = {"idempotency_token": "0" * 40, "output_uri": "s3://automation/runs/fraud/run-1/outputs/"}
    training = {"kind": kind, "target": TRAINING, "max_hours": 2, "input": made}
    manifest = json.dumps({"signal": SIGNAL.as_record(), **({"training": training} if kind else {})})
    begin(world, replace(RUN, outcome=outcome, manifest=manifest, **changes))
    ledger = SlotLedger((Holder("run-1", "fraud", 1, NOON.isoformat()),), fence=1)
    assert world.table.save_slots(ledger, [], [])
    begin(world, replace(RUN, run_id="run-2", model="risk"))
    parked(world, WaitKind.SLOT, run_id="run-2", model="risk", writes=[world.table.queue_write(WAITER)])


WAITER = Waiter("run-2", "risk", NOON.isoformat())


def parked(
    world: World, kind: WaitKind, subject: str = "", *, result: Result | None = None, writes: Any = (), **changes: Any
) -> Wait:
    at, data = NOON.isoformat(), ASKED if kind is WaitKind.APPROVAL else {}
    wait = Wait(kind, subject, "run-1", "fraud", f"{kind}-token", RUN.execution_arn, at, at, at, data=data)
    wait = replace(wait, **changes)
    wait = wait if result is None else settled(wait, result)
    assert world.table.park(wait, look_due(world.ports, wait), writes=writes) is None
    return wait


def intended(world: World, settles_at: datetime) -> None:
    at = NOON.isoformat()
    intention = Intention(
        training_subject("run-1"), "run-1", "fraud", RUN.execution_arn, at, settles_at.isoformat(), 1, NAME
    )
    assert world.table.save_model(world.table.model("fraud"), [world.table.intention_write(intention)])


def holders(world: World) -> list[str]:
    return [holder.run_id for holder in world.table.slots().holders]


@pytest.mark.parametrize("run_id", ["run-1", "run-9"])
def test_a_run_that_goes_on_or_never_was_keeps_what_it_has(run_id: str, world: World) -> None:
    over(world, outcome=None)
    wait = parked(world, WaitKind.TRAINING)
    assert wind_down(world.ports, replace(ITEM, subject=run_id)) == DONE
    assert holders(world) == ["run-1"]
    assert world.table.wait_by_id(wait.wait_id) == wait


def test_a_run_that_never_trained_gives_its_slot_to_who_waits_and_that_run_goes_on(world: World) -> None:
    over(world, TargetKind.STATE_MACHINE)
    assert wind_down(world.ports, ITEM) == DONE
    assert holders(world) == ["run-2"]
    assert next_of(world, "slot-token") == "train"
    assert list(world.table.queue()) == []


def test_what_a_run_waited_for_that_is_over_is_answered(world: World) -> None:
    over(world)
    parked(world, WaitKind.TRAINING)
    parked(world, WaitKind.PROMOTION, result=Result(Next.BAKE, "Serves."))
    parked(world, WaitKind.APPROVAL, "promotion")
    assert wind_down(world.ports, ITEM) == DONE
    waits = {str(wait.kind): wait for wait in world.table.waits_of_run("run-1")}
    assert all(wait.answered for wait in waits.values())
    assert waits["training"].result == Result(Next.RECORD, "Run run-1 ended before what it waited for.", withdrawn=True)
    kinds = ("training", "promotion", "approval")
    assert {kind: next_of(world, f"{kind}-token") for kind in kinds} == {
        "training": "record",
        "promotion": "bake",
        "approval": "record",
    }


def test_a_run_that_is_over_leaves_the_queue(world: World) -> None:
    over(world)
    others = (Holder("run-7", "risk", 2, NOON.isoformat()),)
    assert world.table.save_slots(replace(world.table.slots(), holders=others), [WAITER], [])
    mine = Waiter("run-1", "fraud", NOON.isoformat(), ("manual_request",))
    parked(world, WaitKind.SLOT, token="mine", writes=[world.table.queue_write(mine)])
    assert mine in list(world.table.queue())
    wind_down(world.ports, ITEM)
    assert list(world.table.queue()) == []
    assert next_of(world, "mine") == "record"


def stopped(world: World) -> DueItem | None:
    return wind_down(world.ports, ITEM).again


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_a_nested_execution_is_stopped_with_its_reason_and_over_at_once(status: str, world: World) -> None:
    over(world, TargetKind.STATE_MACHINE)
    intended(world, NOON)
    world.executions.statuses[NESTED] = status
    assert stopped(world) is None
    if status == "RUNNING":
        assert world.executions.more[NESTED] == {"error": "RunStopped", "cause": "Run run-1 ended STOPPED."}
    assert world.executions.statuses[NESTED] == ("ABORTED" if status == "RUNNING" else status)
    assert world.table.intention(training_subject("run-1")) is None
    assert holders(world) == ["run-2"]


@pytest.mark.parametrize(
    ("settles_at", "again"),
    [(NOON, NOON + MINUTE), (NOON + 2 * MINUTE, NOON + 2 * MINUTE), (NOON + MINUTE / 2, NOON + MINUTE)],
)
def test_a_job_that_takes_its_time_to_stop_holds_the_slot_until_it_is_over(
    settles_at: datetime, again: datetime, world: World
) -> None:
    over(world, TargetKind.TRAINING_JOB)
    intended(world, settles_at)
    world.sagemaker.trainings[NAME] = {"TrainingJobName": NAME, "TrainingJobStatus": "Stopping"}
    assert stopped(world) == later(ITEM, again).again
    assert holders(world) == ["run-1"]
    world.sagemaker.trainings[NAME]["TrainingJobStatus"] = "Stopped"
    assert stopped(world) is None
    assert holders(world) == ["run-2"]


@pytest.mark.parametrize(("settles_at", "over_now"), [(NOON, True), (NOON + MINUTE, False)])
def test_a_training_that_nobody_finds_is_over_once_its_start_would_show(
    settles_at: datetime, over_now: bool, world: World
) -> None:
    over(world, TargetKind.STATE_MACHINE)
    intended(world, settles_at)
    assert (stopped(world) is None) == over_now
    assert holders(world) == (["run-2"] if over_now else ["run-1"])


def test_a_change_of_an_endpoint_that_was_settled_is_looked_at_no_more(world: World) -> None:
    item = due(DueKind.INTENT, "run-1", "fraud", NOON, endpoint="fraud-prod")
    assert look_at_intention(world.ports, item) == DONE
    assert world.channels.messages == []
