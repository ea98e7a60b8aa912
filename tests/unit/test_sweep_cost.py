"""What a signal, a sweep, a status event and a grant cost: the same whatever the stack and its account hold.

The figures are calls of AWS. What they are is told by ``python -m bench``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from orchestration.actions.resume import resume
from orchestration.actions.sweep import APPROVALS_SEEN, STRETCHES_AT_ONCE, sweep
from orchestration.domain.contracts import ALARM_STATE_CHANGE, TRAINING_JOB_STATE_CHANGE, DueKind
from orchestration.domain.due import due
from orchestration.domain.json_values import fields_of
from orchestration.domain.listing import SETTLED, Heard
from orchestration.domain.slots import Holder, SlotLedger, Waiter
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.switches import KillSwitch
from orchestration.steps.training_slots import change_slots, give_back_slot
from orchestration.stores.slots import NEAR
from orchestration.stores.table import ITEMS_A_CALL, to_item
from tests.unit.fakes import NOON, World, drift
from tests.unit.memory_dynamodb import size
from tests.unit.stories import ENDPOINT, POLICY, do

CALLS_OF_A_SWEEP: Final = 15
"""Of one that finds nothing due: ten partitions of the due list, three lists of what AWS tells by events, where those came to, and the
head of the queue."""

CALLS_OF_CATCHING_UP: Final = CALLS_OF_A_SWEEP + 6 * STRETCHES_AT_ONCE
"""At most, of one that has more to list than it may: each stretch takes two or three lists and a look at what was heard."""

CALLS_OF_A_NO: Final = 12
"""Of a drift report that begins no run: whether this execution decided before, the policy, what is known, the endpoint with its config and model,
the switches, the decision, its record, the event for programs, where people are told the message, and that it was told."""

CALLS_OF_A_RUN: Final = 16
"""Of one that begins a run: whose the endpoint is besides, the manifest and the event."""

FOREIGN: Final = 5_000
FRESH: Final = 1_500
WAITING: Final = 5_000
LARGEST_ITEM: Final = 100_000
"""Bytes."""


def with_models(world: World, models: int) -> None:
    """Have the stack know so many models, each with its state and the head of its chain."""
    for number in range(models):
        name = f"model-{number}"
        for pk, sk, values in (
            (f"MODEL#{name}", "STATE", fields_of(StoredModel(name, version=1))),
            ("HEADS", name, {"sequence": 1, "hash": "0" * 64}),
            ("MODELS", name, {}),
        ):
            world.database.items[pk, sk] = to_item({"pk": pk, "sk": sk, **values})


def monitor_run(number: int, at: datetime) -> dict[str, Any]:
    """A run of another team's monitor."""
    return {
        "MonitoringExecutionStatus": "CompletedWithViolations",
        "ProcessingJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:processing-job/theirs-{number}",
        "LastModifiedTime": at,
        "EndpointName": f"theirs-{number}",
        "MonitoringScheduleName": f"theirs-{number}",
    }


def alarm(name: str, at: datetime) -> dict[str, Any]:
    """An alarm that has been red since then, as the event of its change."""
    return {
        "source": "aws.cloudwatch",
        "resources": [f"arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}"],
        "detail": {"alarmName": name, "state": {"value": "ALARM", "timestamp": at.isoformat()}},
    }


def foreign(world: World, at: datetime, *, prefix: str, count: int = FOREIGN) -> None:
    """Have the account run so many monitors and have so many red alarms that are none of the loop's, all since then."""
    for number in range(count):
        moment = at + number * timedelta(milliseconds=10)
        world.sagemaker.monitor_runs.append(monitor_run(number, moment))
        world.alarms.alarms.append(alarm(f"{prefix}{number}", moment))


def calls_of_a_sweep(world: World) -> Counter[str]:
    """Calls of a sweep that finds nothing due."""
    world.outside.live()
    assert sweep({}, world.ports) == {"repairs": {}, "failures": 0, "left": 0}
    return Counter(world.outside.calls)


def idle_sweep(models: int = 1, *, later_items: int = 0, **others: Any) -> Counter[str]:
    """Calls of the second sweep of a stack with so many models, so much that is due another day, and what others have in the account."""
    world = World()
    with_models(world, models)
    for number in range(later_items):
        item = due(DueKind.PENDING, f"model-{number}", f"model-{number}", NOON + timedelta(days=2))
        world.table.add_due(item)
    if others:
        foreign(world, **others)
    sweep({}, world.ports)
    world.clock.forward(minutes=5)
    return calls_of_a_sweep(world)


@pytest.mark.parametrize(("models", "later_items"), [(10, 0), (1_000, 0), (10_000, 5_000)])
def test_a_sweep_with_nothing_due_makes_the_same_calls_at_ten_and_at_ten_thousand_models(
    models: int, later_items: int
) -> None:
    calls = idle_sweep(models, later_items=later_items)

    assert calls == idle_sweep()
    assert calls.total() <= CALLS_OF_A_SWEEP, calls


def test_the_first_sweep_of_a_restored_table_of_ten_thousand_models_reads_a_hundred_of_them_a_call() -> None:
    """It looks which of them have a signal that waits; one by one they took longer than a function may run, each time anew."""
    world = World()
    with_models(world, 10_000)
    assert calls_of_a_sweep(world).total() <= 10_000 / ITEMS_A_CALL + 2 * CALLS_OF_A_SWEEP


def test_a_sweep_makes_the_same_calls_while_the_clock_goes_on() -> None:
    world = World()

    def later() -> datetime:
        world.clock.forward(milliseconds=3)
        return world.clock()

    ports = replace(world.ports, now=later)
    for _ in range(4):
        world.outside.live()
        sweep({}, ports)
        world.clock.forward(minutes=5)
    assert Counter(world.outside.calls) == idle_sweep()


@pytest.mark.parametrize("prefix", ["drift/", "theirs/"])
def test_a_sweep_makes_the_same_calls_whatever_others_have_run_and_red_in_the_account(prefix: str) -> None:
    assert idle_sweep(at=NOON - timedelta(days=30), prefix=prefix) == idle_sweep()


def test_what_others_ran_since_the_last_sweep_and_was_heard_of_is_caught_up_with_in_few_calls_a_sweep() -> None:
    world = World()
    sweep({}, world.ports)
    foreign(world, NOON, prefix="drift/", count=FRESH)
    for run, red in zip(world.sagemaker.monitor_runs, world.alarms.alarms, strict=True):
        state = red["detail"]["state"]["timestamp"]
        for heard in (
            Heard.job(run["ProcessingJobArn"].rpartition("/")[2]),
            Heard.alarm(red["detail"]["alarmName"], state),
        ):
            world.table._write(world.table.heard_write(heard, at=NOON))
    world.clock.forward(minutes=15)
    sweeps = 0
    while datetime.fromisoformat(world.table.listed()["monitor_runs"]["until"]) < world.clock() - SETTLED:
        assert calls_of_a_sweep(world).total() <= CALLS_OF_CATCHING_UP
        sweeps += 1
    assert 1 < sweeps < 10
    world.clock.forward(minutes=5)
    assert calls_of_a_sweep(world).total() <= CALLS_OF_A_SWEEP
    assert max(map(size, world.database.items.values())) < LARGEST_ITEM


def test_open_approvals_of_any_number_are_one_read() -> None:
    few, many = World(), World()
    for world, count in ((few, 1), (many, 2 * APPROVALS_SEEN)):
        for number in range(count):
            times = {"parked_at": NOON.isoformat(), "deadline": (NOON + timedelta(days=2)).isoformat()}
            subject = f"run-{number}:approval:training"
            world.table.add_due(due(DueKind.LADDER, subject, "m", NOON + timedelta(days=1), **times))
        sweep({}, world.ports)
        world.clock.forward(minutes=5)
    assert calls_of_a_sweep(few) == calls_of_a_sweep(many)


@pytest.mark.parametrize(
    "event",
    [
        {"detail-type": TRAINING_JOB_STATE_CHANGE, "detail": {"TrainingJobName": "retraining-of-another-stack"}},
        {"detail-type": ALARM_STATE_CHANGE, "detail": {"alarmName": "theirs", "state": {"value": "ALARM"}}},
    ],
    ids=["a job", "an alarm"],
)
def test_a_status_event_of_something_foreign_is_one_keyed_read(event: dict[str, Any]) -> None:
    world = World()
    crowd(world, WAITING)
    world.outside.live()
    assert resume(event, world.ports) == {"resumed": 0}
    assert Counter(world.outside.calls) == {"Query": 1}


# Signals.


def calls_of_signals(models: int) -> dict[str, Counter[str]]:
    """Calls of one signal of each kind of decision, in a stack with so many models."""
    world = World()
    with_models(world, models)
    world.put("policies/fraud.json", POLICY)
    world.sagemaker.serve(ENDPOINT, "fraud-config-1")
    found = {}
    for key, (decision, observed) in enumerate(
        [("OBSERVE", 0.01), ("OBSERVE", 0.02), ("RETRAIN", 0.9), ("COALESCE", 0.9), ("HOLD", 0.9)]
    ):
        if decision == "HOLD":
            world.table.throw_switch(KillSwitch("global", "ops", "Incident.", NOON.isoformat()))
        world.outside.live()
        answer = do(world, "admit", f"run-{key}", event=drift(model="fraud", observed=observed, dedupe_key=str(key)))
        assert answer["decision"] == decision
        found[decision] = Counter(world.outside.calls)
    world.outside.live()
    again = do(world, "admit", "again", event=drift(model="fraud", observed=0.9, dedupe_key="4"))
    assert again["decision"] == "SKIP"
    return {**found, "the same again": Counter(world.outside.calls)}


def test_a_signal_costs_the_same_at_ten_and_at_ten_thousand_models() -> None:
    calls = calls_of_signals(10_000)

    assert calls == calls_of_signals(10)
    assert calls.pop("RETRAIN").total() <= CALLS_OF_A_RUN
    for decision, of_one in calls.items():
        assert of_one.total() <= CALLS_OF_A_NO, (decision, of_one)


# Slots.


def crowd(world: World, waiting: int, **more: Any) -> None:
    """Have runs wait for the one slot, which another one holds."""
    for number in range(waiting):
        since = (NOON + number * timedelta(seconds=1)).isoformat()
        world.table._write(world.table.queue_write(Waiter(f"run-{number}", f"model-{number}", since, **more)))
    assert world.table.save_slots(SlotLedger((Holder("held", "m", 1, NOON.isoformat()),), 1), ())


def cost(world: World) -> tuple[Counter[str], int]:
    """What it takes to give the slot back and have the next one granted: calls, and bytes that are read."""
    world.outside.live()
    world.database.read = 0
    assert [waiter.run_id for waiter in give_back_slot(world.ports, "held")] == ["run-0"]
    return Counter(world.outside.calls), world.database.read


def test_a_grant_costs_the_same_at_five_waiters_and_at_five_thousand() -> None:
    few, many = World(max_concurrent_trainings=1), World(max_concurrent_trainings=1)
    crowd(few, 5)
    crowd(many, WAITING)
    (calls, read), (calls_of_many, read_of_many) = cost(few), cost(many)
    assert calls_of_many == calls
    waiter = size(many.database.items["SLOTS", f"WAITER#{(NOON + timedelta(seconds=1)).isoformat()}#run-1"])
    assert read_of_many <= read + (NEAR - 5) * (waiter + 10)
    assert max(map(size, many.database.items.values())) < LARGEST_ITEM


def test_waiters_that_are_paused_cost_one_read_more_and_the_next_that_is_not_is_granted() -> None:
    """Of the rest of the queue, 1 MB a call."""
    world = World(max_concurrent_trainings=1)
    crowd(world, WAITING, sources=("alarm",))
    world.table.throw_switch(KillSwitch("source:alarm", "ops", "Incident.", "t"))
    last = Waiter("free", "m", (NOON + timedelta(days=1)).isoformat())
    world.table._write(world.table.queue_write(last))
    world.outside.live()
    assert change_slots(replace(world.ports, settings=replace(world.ports.settings, max_concurrent_trainings=2))) == (
        last,
    )
    calls = Counter(world.outside.calls)
    assert (calls["Query"], calls.total()) == (3, 5)
