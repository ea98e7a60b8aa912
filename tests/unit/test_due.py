"""What is due: done at once or by a sweep, whoever dies, fails, or comes twice; and what is not due is left alone."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ops.switches import AHEAD_SECONDS
from orchestration.actions import sweep as sweeping
from orchestration.actions.sweep import ALARMS, LISTINGS, MONITOR_RUNS, STRETCHES_AT_ONCE, sweep, waits_observed
from orchestration.domain.contracts import DueKind, SignalKind, SignalSource, Status
from orchestration.domain.due import AGAIN, APPROVALS, EVENTS, GRACE, DueItem, again_at, due, next_try, partitions
from orchestration.domain.errors import ContentionError, TransientServiceError
from orchestration.domain.intention import endpoint_subject
from orchestration.domain.listing import SETTLED, Listing, Stretch
from orchestration.domain.signal import Signal
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.switches import KillSwitch
from orchestration.steps.due_work import DONE, Worked, attempt, later, work_off
from orchestration.steps.pending import raise_signal
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import NOON, ProcessDiedError, World, drift, event, execution_arn, request
from tests.unit.stories import ENDPOINT, do, next_of

MINUTE = timedelta(minutes=1)
STORM = 250
APPROVAL: dict[str, Any] = {
    "approval": {"training": "always", "remind_hours": 1, "escalate_hours": 2, "expire_hours": 4},
    "actions": {"warning": "approve", "critical": "approve"},
}
KEPT = {
    "first_signal_id": "0" * 32,
    "count": 2,
    "severity": "critical",
    "signal": Signal(
        "0" * 32, SignalSource.DRIFT_REPORT, SignalKind.DRIFT, "churn", "psi is 0.9.", "2026-03-02T11:00:00Z"
    ).as_record(),
}


def swept(world: World, **clock: float) -> dict[str, Any]:
    world.clock.forward(**(clock or {"minutes": 5}))
    return sweep({}, world.ports)


def facts(world: World) -> dict[Any, Any]:
    """Everything in the table but what is due and what sweeps leave of themselves."""
    return {
        key: item for key, item in world.database.items.items() if not key[0].startswith(("DUE#", "LISTED", "REPAIRS"))
    }


# Items.


def test_what_is_due_first_comes_first_and_what_is_not_due_does_not_come(world: World) -> None:
    items = [due(DueKind.LOOK, f"run-{hours}", "churn", NOON + timedelta(hours=hours)) for hours in (3, 1, 2, 4)]
    for item in items:
        world.table.add_due(item)
    found = list(world.table.due_until(NOON + timedelta(hours=3)))
    assert [item.subject for item in found] == ["run-1", "run-2", "run-3"]


def test_an_item_is_due_at_its_time_whatever_its_kind_and_subject(world: World) -> None:
    for kind in DueKind:
        world.table.add_due(due(kind, "subject", "churn", NOON, what="ever"))
    assert {item.kind for item in world.table.due_until(NOON)} == set(DueKind) - {DueKind.LADDER}
    assert [item.kind for item in world.table.approvals_due(9)] == [DueKind.LADDER]
    assert list(world.table.due_until(NOON - timedelta(microseconds=1))) == []


def test_approvals_lie_in_a_partition_of_their_own_and_no_model_reaches_it() -> None:
    assert due(DueKind.LADDER, "s", "churn", NOON).partition == APPROVALS
    models = [f"model-{number}" for number in range(200)]
    spread = {due(DueKind.LOOK, "s", model, NOON).partition for model in models}
    assert spread == set(partitions()) - {APPROVALS, EVENTS}


def test_an_item_lies_where_the_release_before_wrote_it_and_nobody_tried_it_yet() -> None:
    found = {model: due(DueKind.LOOK, "s", model, NOON) for model in ("churn", "risk")}
    assert {model: item.partition for model, item in found.items()} == {"churn": "DUE#0", "risk": "DUE#4"}
    assert partitions() == ("DUE#APPROVALS", "DUE#EVENTS", *(f"DUE#{number}" for number in range(8)))
    assert {item.attempts for item in found.values()} == {0}
    assert DueItem(DueKind.LOOK, "s", "churn", NOON.isoformat(), "DUE#0") == found["churn"]


def test_what_is_done_at_once_is_due_only_after_its_function_is_over() -> None:
    workflow_waits = timedelta(seconds=120)
    assert workflow_waits < GRACE < AGAIN


@pytest.mark.parametrize(
    ("lasted", "again"), [(0, 5), (50, 5), (51, 5.1), (300, 30), (600, 60), (601, 60), (100_000, 60)]
)
def test_what_lasts_is_looked_at_again_after_a_tenth_of_its_time(lasted: float, again: float) -> None:
    assert again_at(NOON - lasted * MINUTE, NOON) == NOON + again * MINUTE


def test_a_run_that_waits_for_a_slot_for_days_is_looked_at_once_an_hour_and_at_once_when_it_is_granted_one(
    new_world: Callable[..., World],
) -> None:
    world = new_world(max_concurrent_trainings=0)
    stories.decided(world)
    do(world, "park", kind="slot", token="slot")
    looked = []
    for _ in range(3 * 24 * 12):
        world.outside.live()
        swept(world)
        looked.append(world.outside.calls.count("DescribeExecution"))
    assert sum(looked[:12]) > sum(looked[-12:]) == 1
    assert next_of(world, "slot") is None
    more = replace(world.ports, settings=replace(world.ports.settings, max_concurrent_trainings=1))
    assert sweep({}, more)["failures"] == 0
    assert next_of(world, "slot") == "train"


def test_a_sweep_that_people_ask_for_looks_at_a_run_that_died_unheard_however_long_it_had_lasted(world: World) -> None:
    """As the runbook says of a run that could not be recorded; by itself a sweep looks at this one within an hour."""
    stories.decided(world)
    for _ in range(14 * 12):
        swept(world)
    world.executions.statuses[execution_arn("run-1")] = "ABORTED"
    swept(world)
    assert len(world.table.active_runs()) == 1
    sweep({"ahead_seconds": AHEAD_SECONDS}, world.ports)
    assert world.table.active_runs() == []


def test_work_that_fails_is_tried_again_after_longer_and_longer_and_never_later_than_an_hour() -> None:
    waits = [next_try(NOON, attempts) - NOON for attempts in range(1, 12)]
    assert waits[:5] == [timedelta(minutes=minutes) for minutes in (2, 4, 8, 16, 32)]
    assert set(waits[5:]) == {timedelta(hours=1)}


def test_an_item_is_moved_only_while_it_is_there(world: World) -> None:
    item = due(DueKind.LOOK, "run-1:slot", "churn", NOON)
    world.table.add_due(item)
    world.table.done(item)
    world.table.move_due(item, replace(item, due_at=(NOON + AGAIN).isoformat()))
    assert world.table.due_items() == []


def test_an_item_that_is_moved_to_its_own_time_stays_with_what_is_new_about_it(world: World) -> None:
    item = due(DueKind.LOOK, "run-1:slot", "churn", NOON)
    world.table.add_due(item)
    world.table.move_due(item, replace(item, attempts=3))
    assert [found.attempts for found in world.table.due_items()] == [3]


# Working off.


def test_work_that_is_done_is_off_the_list_and_work_for_later_stays_on_it(world: World) -> None:
    item = due(DueKind.LOOK, "s", "churn", NOON)
    for worked, left in ((later(item, NOON + AGAIN, tries=2), 1), (DONE, 0)):
        world.table.add_due(item)
        work_off(world.ports, item, lambda _ports, _item, worked=worked: worked)  # type: ignore[misc] # bound now
        assert len(world.table.due_items()) == left
        for found in world.table.due_items():
            assert (found.due_at, found.data) == ((NOON + AGAIN).isoformat(), {"tries": 2})
            world.table.done(found)


def test_work_that_fails_at_once_is_left_to_the_sweep_and_undoes_nothing(world: World) -> None:
    def fails(_ports: Any, _item: DueItem) -> Worked:
        raise ValueError

    item = due(DueKind.LOOK, "s", "churn", NOON)
    world.table.add_due(item)
    assert attempt(world.ports, item, fails) is False
    assert world.table.due_items() == [item]
    assert attempt(world.ports, item, lambda _ports, _item: DONE) is True


def test_a_piece_that_fails_is_put_off_with_its_attempts_and_keeps_none_from_being_done(world: World) -> None:
    stories.decided(world)
    broken = due(DueKind.LOOK, "no wait id", "aaa", NOON)
    world.table.add_due(broken)
    world.executions.statuses[execution_arn("run-1")] = "ABORTED"
    for attempts in (1, 2):
        with pytest.raises(RuntimeError, match="1 piece"):
            swept(world, minutes=10)
        (item,) = [item for item in world.table.due_items() if item.subject == "no wait id"]
        assert item.attempts == attempts
        assert item.due_at == (world.clock() + timedelta(minutes=2**attempts)).isoformat()
    run = world.table.run("run-1")
    assert run is not None
    assert run.outcome == Status.STOPPED


@pytest.mark.parametrize("broken", ["alarms", "monitor runs"])
def test_listing_that_fails_does_not_keep_what_is_due_from_being_done(broken: str, world: World) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise client_error("AccessDenied")

    stories.decided(world)
    world.executions.statuses[execution_arn("run-1")] = "ABORTED"
    if broken == "alarms":
        world.alarms.turned_red = fails  # type: ignore[method-assign] # fails
    else:
        world.sagemaker.get_paginator = fails  # type: ignore[method-assign] # fails
    with pytest.raises(RuntimeError, match=f"listing {broken}"):
        swept(world)
    assert world.table.active_runs() == []


def test_a_list_that_is_throttled_after_some_stretches_comes_further_with_each_sweep_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list holds a hundred; each sweep is answered three times."""
    sweep({}, world.ports)
    for number in range(STORM):
        red = alarm(f"drift/churn-{number}")
        red["detail"]["state"]["timestamp"] = (NOON + number * timedelta(seconds=0.5)).isoformat()
        world.alarms.alarms.append(red)
    turned_red, answered = world.alarms.turned_red, []

    def throttled(*asked: Any) -> Any:
        answered.append(asked)
        if len(answered) % 4 == 0:
            raise client_error("ThrottlingException")
        return turned_red(*asked)

    monkeypatch.setattr(world.alarms, "turned_red", throttled)
    world.clock.forward(minutes=15)
    for _ in range(10):
        with contextlib.suppress(RuntimeError):
            swept(world)
    assert len(world.executions.started) == STORM


def test_a_list_that_takes_all_the_time_of_a_sweep_does_not_keep_what_is_due_from_being_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is not answered takes 40 seconds, and the function has 60."""
    stories.decided(world)
    world.executions.statuses[execution_arn("run-1")] = "ABORTED"
    passed = [0.0]

    def hangs(*_: Any) -> Any:
        passed[0] += 61
        raise client_error("RequestTimeout")

    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    monkeypatch.setattr(world.alarms, "turned_red", hangs)
    with pytest.raises(RuntimeError, match="listing alarms"):
        swept(world)
    assert world.table.active_runs() == []


def test_a_list_that_is_days_behind_is_told_of_and_the_first_one_is_not(world: World) -> None:
    world.alarms.turned_red = lambda *_: Listing((), complete=False)  # type: ignore[method-assign] # never comes to an end
    swept(world)
    with pytest.raises(
        RuntimeError, match="listing alarms: More happens than a sweep lists: what came after 2026-02-28T"
    ):
        swept(world, days=1)


def test_a_sweep_that_is_told_to_look_ahead_does_what_is_due_soon_and_no_more(world: World) -> None:
    stories.decided(world)
    world.executions.statuses[execution_arn("run-1")] = "ABORTED"
    sweep({}, world.ports)
    assert len(world.table.active_runs()) == 1
    sweep({"ahead_seconds": GRACE.total_seconds()}, world.ports)
    assert world.table.active_runs() == []


# Early, extra, late.


def dead(world: World) -> None:
    """A run whose execution died unheard while another signal waited."""
    stories.training(world)
    assert do(world, "admit", "run-2", event=drift(model="fraud", dedupe_key="later"))["decision"] == "COALESCE"
    world.executions.end(execution_arn("run-1"), "FAILED", cause="killed")


def undecided(world: World) -> None:
    """An approval nobody answers."""
    stories.decided(world, **APPROVAL)
    do(world, "park", kind="approval", subject="training", token="approval")


def lost(world: World) -> None:
    """A training that ended without its event."""
    stories.training(world)
    world.executions.end(stories.training_arn(), "SUCCEEDED", output="{}")


def kept(world: World) -> None:
    """A signal that waits, and is due."""
    world.table.save_model(StoredModel("churn", pending=KEPT))
    world.table.add_due(due(DueKind.PENDING, "churn", "churn", NOON))


def overtaken(world: World) -> None:
    """A run during which another signal came."""
    stories.decided(world, cooldown_hours=0)
    do(world, "admit", "run-2", event=drift(model="fraud", dedupe_key="2"))


def baked(world: World) -> None:
    """A bake whose time is over."""
    stories.baking(world)
    world.clock.forward(minutes=30)


STAGES: dict[str, Callable[[World], None]] = {
    "decided": stories.decided,
    "waits for its slot": stories.with_slot,
    "asks people": undecided,
    "trains": stories.training,
    "judged": stories.accepted,
    "moves its endpoint": stories.moving,
    "bakes": stories.baking,
}
EXTRA = [
    due(DueKind.TELL, "ladder:remind:run-9:approval:training", "fraud", NOON),
    due(DueKind.TELL, "signal:" + "0" * 32, "fraud", NOON),
    due(DueKind.TELL, "status:run-9:PROMOTED", "fraud", NOON),
    due(DueKind.TELL, "status:run-1:PROMOTED", "fraud", NOON),
    due(DueKind.ALIVE, "run-1", "fraud", NOON),
    due(DueKind.ALIVE, "run-9", "fraud", NOON),
    *(
        due(DueKind.LOOK, f"run-1:{kind}", "fraud", NOON)
        for kind in ("slot", "training", "promotion", "bake", "rollback")
    ),
    due(DueKind.LOOK, "run-9:bake", "fraud", NOON),
    due(DueKind.LADDER, "run-1:approval:training", "fraud", NOON),
    due(DueKind.LADDER, "run-9:approval:bake", "fraud", NOON),
    due(DueKind.PENDING, "fraud", "fraud", NOON),
    due(DueKind.STOP, "run-1", "fraud", NOON),
    due(DueKind.STOP, "run-9", "fraud", NOON),
    due(DueKind.INTENT, "run-9", "fraud", NOON, endpoint=ENDPOINT),
]


@pytest.mark.parametrize("stage", STAGES)
def test_an_early_or_extra_item_of_any_kind_changes_no_fact_and_tells_nobody(stage: str, world: World) -> None:
    # The day's anchor is behind it.
    sweep({}, world.ports)
    STAGES[stage](world)
    for item in EXTRA:
        world.table.add_due(item)
    before = facts(world), len(world.channels.messages), dict(world.executions.answers), dict(world.executions.started)
    for _ in range(2):
        sweep({}, world.ports)
    assert before == (
        facts(world),
        len(world.channels.messages),
        dict(world.executions.answers),
        dict(world.executions.started),
    )


# Two at once.


SWEPT: dict[str, tuple[Callable[[World], None], Callable[[World], object]]] = {
    "a dead run is closed": (
        dead,
        lambda world: (world.statuses("run-1").count("FAILED"), world.table.model("fraud").fruitless_runs),
    ),
    "a pending signal is raised": (
        kept,
        lambda world: sum(name.startswith("pending-") for name in world.executions.started),
    ),
    "a ladder is climbed": (
        undecided,
        lambda world: len(world.table.wait_by_id("run-1:approval:training").data["ladder"]["taken"]),  # type: ignore[union-attr] # parked
    ),
    "a lost event is made up for": (lost, lambda world: (next_of(world, "training"), len(world.executions.answers))),
}


@pytest.mark.parametrize("story", SWEPT)
def test_of_two_sweeps_at_once_a_piece_is_done_once(story: str, new_world: Callable[..., World]) -> None:
    """The other sweep comes between any two calls of the first."""
    prepare, count = SWEPT[story]
    alone = new_world()
    prepare(alone)
    alone.outside.live()
    swept(alone, hours=1)
    calls = list(alone.outside.calls)
    for position in range(len(calls)):
        world = new_world()
        prepare(world)
        world.outside.live()
        world.clock.forward(hours=1)
        meet(world, position, lambda world=world: sweep({}, world.ports))  # type: ignore[misc] # bound now
        with contextlib.suppress(RuntimeError):
            sweep({}, world.ports)
        where = f"the other came before call {position}, {calls[position]}"
        assert count(world) == count(alone), where
        assert sum(name.startswith("pending-") for name in world.executions.started) <= 1, where


def meet(world: World, position: int, rival: Callable[[], object]) -> None:
    """Let a rival go first before the call at a position."""
    entered, left = world.outside.enter, [position]

    def enter(name: str) -> None:
        if left and not left[0]:
            left.clear()
            rival()
        elif left:
            left[0] -= 1
        entered(name)

    world.outside.enter = enter  # type: ignore[method-assign] # the same, with a rival
    world.database._enter = world.sagemaker._called = world.executions._called = enter


# Death between a commit and what follows it.


def voted(world: World) -> object:
    return stories.approve(world)


COMMITS: dict[str, tuple[Callable[[World], object], Callable[[World], object], Callable[[World], bool]]] = {
    "a decision": (
        lambda _: None,
        stories.decided,
        lambda world: bool(
            len(world.keys("decisions/fraud/")) == 1
            and world.keys("manifests/") == ["manifests/fraud/run-1.json"]
            and world.told("RETRAIN")
            and any(told["status"] == "RETRAINING_DECIDED" for told in world.channels.events)
        ),
    ),
    "a held signal": (
        lambda world: world.put("policies/fraud.json", b"{broken"),
        lambda world: do(world, "admit", event=drift(model="fraud")),
        lambda world: bool(world.told("HOLD") and world.told("POLICY_INVALID") and world.keys("decisions/fraud/")),
    ),
    "a request for approval": (
        lambda world: stories.decided(world, **APPROVAL),
        lambda world: do(world, "park", kind="approval", subject="training", token="approval"),
        lambda world: bool(world.told("TRAINING_APPROVAL_REQUESTED")),
    ),
    "a vote that decides": (
        undecided,
        voted,
        lambda world: bool(
            next_of(world, "approval") == "train"
            and world.told("TRAINING_APPROVED")
            and world.keys("evidence/fraud/run-1/approval-training.json")
        ),
    ),
    "a verdict": (
        stories.trained,
        lambda world: do(world, "evaluate"),
        lambda world: bool(world.told("CANDIDATE_EVALUATED") and world.keys("evidence/fraud/run-1/evaluation.json")),
    ),
    "an outcome": (
        stories.training,
        lambda world: do(world, "close", failure={"error": "E", "cause": "c"}),
        lambda world: bool(
            world.told("FAILED")
            and world.keys("evidence/fraud/run-1/outcome.json")
            and world.executions.statuses[stories.training_arn()] == "ABORTED"
        ),
    ),
    "an outcome with a signal that waits": (
        overtaken,
        lambda world: do(world, "close", failure={"error": "E", "cause": "c"}),
        lambda world: bool(world.told("FAILED") and len(world.executions.started) == 1),
    ),
    "an endpoint left behind": (
        stories.moving,
        lambda world: stories.tell_dead(world, "ABORTED"),
        lambda world: bool(world.told("STOPPED") and world.told("FROZEN") and world.told("ENDPOINT_LEFT")),
    ),
    "a result": (
        lost,
        lambda world: stories.tell_ended(world, stories.training_arn()),
        lambda world: next_of(world, "training") == "evaluate",
    ),
    "a bake that ends well": (
        baked,
        stories.tell_endpoint,
        lambda world: bool(next_of(world, "bake") == "finish" and world.told("PROMOTION_BAKED")),
    ),
    "a pause": (
        stories.decided,
        lambda world: stories.operate(world, "pause", scope="model:fraud", reason="Incident 7.", swept=False),
        lambda world: bool(world.told("PAUSED")),
    ),
    "an unfreezing": (
        lambda world: stories.frozen(world, StoredModel("fraud", frozen_reason="Because.", pending=KEPT)),
        lambda world: stories.operate(world, "unfreeze", model="fraud", reason="Mended.", swept=False),
        lambda world: bool(world.told("UNFROZEN") and len(world.executions.started) == 1),
    ),
    "a grant": (
        stories.decided,
        lambda world: do(world, "park", kind="slot", token="slot"),
        lambda world: next_of(world, "slot") == "train",
    ),
}


@pytest.mark.parametrize("name", COMMITS)
def test_what_follows_a_commit_is_done_by_a_sweep_when_its_process_dies_at_any_call_after_it(
    name: str, new_world: Callable[..., World]
) -> None:
    """Nobody asks again: only the sweep comes by, and that one may die once as well."""
    prepare, commit, followed = COMMITS[name]
    committed = False
    for call in itertools.count(1):
        world = new_world()
        prepare(world)
        before = facts(world)
        world.outside.die_before(call)
        done = False
        with contextlib.suppress(ProcessDiedError):
            commit(world)
            done = True
        world.outside.live()
        # A commit is the first transaction that changes a fact; a process that died before it is asked again.
        if commits(name, world, before):
            committed = True
            world.clock.forward(minutes=5)
            if ENDPOINT in world.sagemaker.endpoints:
                world.sagemaker.settle(ENDPOINT)
            with contextlib.suppress(ProcessDiedError):
                world.outside.die_before(25)
                sweep({}, world.ports)
            world.outside.live()
            swept(world)
            assert followed(world), f"died before call {call}"
        if done:
            assert committed
            return


@pytest.mark.parametrize("name", COMMITS)
def test_a_write_that_meets_another_at_any_call_is_made_by_a_retry_or_by_a_sweep(
    name: str, new_world: Callable[..., World]
) -> None:
    """DynamoDB refuses one of two writes of an item at once, and asks for another try."""
    prepare, commit, followed = COMMITS[name]
    for write in itertools.count(1):
        world = new_world()
        prepare(world)
        world.database.conflict_at(write)
        try:
            commit(world)
        except (ContentionError, TransientServiceError):
            commit(world)
        writes = world.database.writes
        world.database.conflict_at(None)
        if ENDPOINT in world.sagemaker.endpoints:
            world.sagemaker.settle(ENDPOINT)
        swept(world)
        assert followed(world), f"met another at write {write}"
        if write > writes:
            return


def commits(name: str, world: World, before: dict[Any, Any]) -> bool:
    """Whether the fact of a story is in the table."""
    keys = facts(world).keys() - before.keys()
    if name in {"a decision", "a held signal"}:
        return any(key[0].startswith("SIGNAL#") for key in keys)
    if name in {"a vote that decides", "a result", "a bake that ends well"}:
        waits = [item for key, item in facts(world).items() if key[0].startswith(("WAIT#", "APPROVAL#"))]
        resolved = sum("result" in item for item in waits)
        return resolved > sum(
            "result" in item for key, item in before.items() if key[0].startswith(("WAIT#", "APPROVAL#"))
        )
    if name == "an unfreezing":
        return world.table.model("fraud").frozen_reason is None
    if name == "a verdict":
        return world.table.candidate_verdict("run-1") is not None
    if name.startswith(("an outcome", "an endpoint")):
        run = world.table.run("run-1")
        return run is not None and run.outcome is not None
    if name == "a pause":
        return bool(world.table.kill_switches()) and bool(world.due(DueKind.TELL) or world.told("PAUSED"))
    return bool(keys)


# Signals that were lost.


def alarm(name: str = "drift/churn") -> dict[str, Any]:
    return {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "time": NOON.isoformat(),
        "resources": [f"arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}"],
        "detail": {"alarmName": name, "state": {"value": "ALARM", "timestamp": NOON.isoformat()}},
    }


def test_an_alarm_whose_event_was_lost_is_raised_once_and_again_while_every_execution_fails(world: World) -> None:
    world.alarms.alarms = [alarm()]
    assert sweep({}, world.ports)["repairs"] == {}
    assert swept(world)["repairs"] == {}, "its event may be on its way"
    assert swept(world)["repairs"] == {"alarm_without_decision": 1}
    (first,) = world.executions.started
    assert swept(world)["repairs"] == {}
    world.executions.end(execution_arn(first), "FAILED")
    swept(world, minutes=15)
    assert len(world.executions.started) == 2
    second = list(world.executions.started)[1]
    world.executions.end(execution_arn(second), "SUCCEEDED")
    swept(world, hours=7)
    swept(world, hours=7)
    assert len(world.executions.started) == 2
    assert world.due(DueKind.RAISE) == []


@pytest.mark.parametrize(("days", "raised"), [(2, 1), (2.01, 0)])
def test_an_alarm_that_was_red_long_before_the_stack_is_no_event_that_was_lost(
    days: float, raised: int, world: World
) -> None:
    red = alarm()
    red["detail"]["state"]["timestamp"] = (NOON - timedelta(days=days)).isoformat()
    world.alarms.alarms = [red]
    swept(world, minutes=10)
    assert len(world.executions.started) == raised
    # Later ones are, however long nobody listed.
    world.clock.forward(days=30)
    world.alarms.alarms = [red, {**alarm("drift/other"), "resources": ["arn:aws:cloudwatch:us-east-1:1:alarm:other"]}]
    swept(world)
    assert len(world.executions.started) == raised + 1


def test_an_alarm_that_was_decided_is_not_looked_at_again(world: World) -> None:
    world.alarms.alarms = [alarm()]
    do(world, "admit", event=alarm())
    world.outside.live()
    swept(world, minutes=10)
    assert world.executions.started == {}
    assert world.due(DueKind.RAISE) == []
    assert Counter(world.outside.calls)["TransactGetItems"] == 1
    assert "DescribeAlarms" not in world.outside.calls


def test_an_alarm_whose_event_comes_after_it_was_listed_is_not_raised(world: World) -> None:
    world.alarms.alarms = [alarm()]
    item = LISTINGS[ALARMS](world.ports, Stretch(NOON - MINUTE, NOON)).found[0]
    do(world, "admit", event=alarm())
    assert raise_signal(world.ports, item) == DONE
    assert world.executions.started == {}


@pytest.mark.parametrize(("seconds", "raised"), [(1.5, 0), (3, 1)])
def test_an_alarms_change_is_the_one_that_was_heard_of_when_its_time_is(
    seconds: float, raised: int, world: World
) -> None:
    """The event's time and the history's may differ by a little, another change is another signal."""
    do(world, "admit", event=alarm())
    later = alarm()
    later["detail"]["state"]["timestamp"] = (NOON + timedelta(seconds=seconds)).isoformat()
    world.alarms.alarms = [later]
    swept(world, minutes=11)
    assert len(world.executions.started) == raised


def test_an_alarm_that_changed_again_is_of_the_stretch_of_its_last_change(world: World) -> None:
    world.alarms.alarms = [alarm()]
    shown = world.alarms.turned_red("drift/", Stretch(NOON - MINUTE, NOON))
    world.alarms.turned_red = lambda *_: shown  # type: ignore[method-assign] # what was before
    world.alarms.alarms[0]["detail"]["state"]["timestamp"] = (NOON + MINUTE).isoformat()
    assert LISTINGS[ALARMS](world.ports, Stretch(NOON - MINUTE, NOON)).found == ()


@pytest.mark.parametrize("name", ["drift/no-model", "drift/unknown/auc"])
def test_an_alarm_that_was_rejected_is_not_raised(world: World, name: str) -> None:
    world.alarms.alarms = [alarm(name)]
    assert do(world, "admit", event=alarm(name))["decision"] == "REJECT"
    swept(world, minutes=10)
    assert world.executions.started == {}
    assert world.due(DueKind.RAISE) == []


def test_of_a_storm_of_alarms_none_is_lost_and_no_sweep_lists_more_than_its_part(world: World) -> None:
    """They turned red one after the other within ten minutes; a list holds a hundred."""
    for number in range(STORM):
        red = alarm(f"drift/churn-{number}")
        red["detail"]["state"]["timestamp"] = (NOON + number * timedelta(seconds=0.5)).isoformat()
        world.alarms.alarms.append(red)
    world.clock.forward(minutes=15)
    for _ in range(10):
        world.outside.live()
        swept(world)
        calls = Counter(world.outside.calls)
        assert calls["DescribeAlarmHistory"] <= STRETCHES_AT_ONCE
    assert len(world.executions.started) == STORM


def monitor_run(at: datetime) -> dict[str, Any]:
    return {
        "MonitoringExecutionStatus": "CompletedWithViolations",
        "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:111122223333:processing-job/monitor-1",
        "LastModifiedTime": at,
        "EndpointName": "churn",
    }


@pytest.mark.parametrize(("hours", "raised"), [(47, 1), (49, 0)], ids=["of the last two days", "older"])
def test_the_first_listing_goes_back_for_as_long_as_an_event_is_tried(hours: int, raised: int, world: World) -> None:
    world.sagemaker.monitor_runs = [monitor_run(NOON - timedelta(hours=hours))]
    sweep({}, world.ports)
    assert len(world.executions.started) == raised


def test_a_monitor_run_that_is_listed_later_than_it_ended_is_raised_all_the_same(world: World) -> None:
    for _ in range(3):
        swept(world, minutes=11)
    world.sagemaker.monitor_runs = [monitor_run(world.clock() - timedelta(minutes=9))]
    swept(world)
    assert len(world.executions.started) == 1


@pytest.mark.parametrize("minutes", [0, 9])
def test_what_ended_just_now_is_not_listed_yet(minutes: float, world: World) -> None:
    world.sagemaker.monitor_runs = [monitor_run(NOON)]
    swept(world, minutes=minutes)
    swept(world, seconds=1)
    assert world.executions.started == {}


def test_looking_ahead_lists_what_ended_until_now_and_the_next_sweep_lists_it_again(world: World) -> None:
    """A list is consistent a little later: what it does not show yet is not passed over."""
    sweep({"ahead_seconds": 600}, world.ports)
    world.sagemaker.monitor_runs = [monitor_run(NOON - timedelta(minutes=1))]
    sweep({"ahead_seconds": 600}, world.ports)
    assert len(world.executions.started) == 1
    assert datetime.fromisoformat(world.table.listed()["monitor_runs"]["until"]) == NOON - SETTLED


def test_of_a_storm_of_monitor_runs_none_is_lost_whatever_the_order_and_no_sweep_lists_more_than_its_part(
    world: World,
) -> None:
    arn = monitor_run(NOON)["ProcessingJobArn"]
    runs = [
        {**monitor_run(NOON + number * timedelta(seconds=0.5)), "ProcessingJobArn": f"{arn}{number}"}
        for number in range(STORM)
    ]
    world.sagemaker.monitor_runs = [runs[0], *reversed(runs)]
    world.clock.forward(minutes=15)
    for _ in range(10):
        world.outside.live()
        swept(world)
        assert Counter(world.outside.calls)["list_monitoring_executions"] <= 2 * STRETCHES_AT_ONCE
    assert len(world.executions.started) == STORM


def test_more_runs_than_a_list_holds_that_ended_at_one_time_are_listed_to_their_end(world: World) -> None:
    arn = monitor_run(NOON)["ProcessingJobArn"]
    world.sagemaker.monitor_runs = [
        {**monitor_run(NOON), "ProcessingJobArn": f"{arn}{number}"} for number in range(250)
    ]
    world.clock.forward(minutes=10)
    for _ in range(4):
        swept(world)
    assert len(world.executions.started) == 250


def test_a_listing_is_noted_when_something_was_lost_or_it_has_grown_long(world: World) -> None:
    noted = []
    for minutes in (0, 20, 50, 5):
        world.sagemaker.monitor_runs = [monitor_run(NOON)] if minutes == 20 else []
        swept(world, minutes=minutes)
        noted.append(datetime.fromisoformat(world.table.listed()["monitor_runs"]["until"]) + SETTLED - NOON)
    assert noted == [0 * MINUTE, 20 * MINUTE, 20 * MINUTE, 20 * MINUTE]
    swept(world, minutes=6)
    assert datetime.fromisoformat(world.table.listed()["monitor_runs"]["until"]) + SETTLED - NOON == 81 * MINUTE


def test_a_monitor_run_that_was_raised_is_not_raised_again_by_the_listings_that_still_show_it(world: World) -> None:
    world.sagemaker.monitor_runs = [monitor_run(NOON)]
    item = LISTINGS[MONITOR_RUNS](world.ports, Stretch(NOON - MINUTE, NOON)).found[0]
    assert item.data["event"]["resources"] == [monitor_run(NOON)["ProcessingJobArn"]]
    swept(world, minutes=10)
    for _ in range(3):
        swept(world, seconds=1)
    assert len(world.executions.started) == 1


@pytest.mark.parametrize("heard", [True, False])
def test_a_monitor_run_of_an_endpoint_of_no_model_is_not_raised(heard: bool, world: World) -> None:
    """Once its event was heard, nobody asks again whose it is."""
    run = {**monitor_run(NOON), "EndpointName": "of-another-team"}
    world.sagemaker.monitor_runs = [run]
    environment = {"sagemaker_monitoring_schedule_name": "theirs", "sagemaker_endpoint_name": "of-another-team"}
    job = {"ProcessingJobName": "monitor-1", "ProcessingJobStatus": "Completed", "Environment": environment}
    world.sagemaker.jobs["monitor-1"] = job
    if heard:
        told = {"source": "aws.sagemaker", "detail-type": "SageMaker Processing Job State Change", "detail": job}
        assert do(world, "admit", event=told)["decision"] == "SKIP"
    world.outside.live()
    swept(world, minutes=10)
    assert (world.executions.started, world.due(DueKind.RAISE)) == ({}, [])
    assert ("DescribeEndpoint" in world.outside.calls) == (not heard)


def test_a_job_that_was_not_finished_when_its_event_came_is_raised_when_it_is_listed(world: World) -> None:
    world.sagemaker.jobs["monitor-1"] = {"ProcessingJobName": "monitor-1", "ProcessingJobStatus": "InProgress"}
    detail = {"ProcessingJobName": "monitor-1", "ProcessingJobStatus": "Completed"}
    told = {"source": "aws.sagemaker", "detail-type": "SageMaker Processing Job State Change", "detail": detail}
    assert do(world, "admit", event=told)["decision"] == "SKIP"
    world.sagemaker.monitor_runs = [monitor_run(NOON)]
    swept(world, minutes=10)
    assert len(world.executions.started) == 1


def batch_run(schedule: str) -> dict[str, Any]:
    run = {**monitor_run(NOON), "MonitoringScheduleName": schedule}
    del run["EndpointName"]
    return run


def test_a_batch_monitors_run_whose_event_was_lost_is_raised_when_its_schedule_is_a_models(world: World) -> None:
    """The fake says that a schedule is the model's with whose name its own begins."""
    world.sagemaker.schedules["churn-batch"] = {}
    world.sagemaker.monitor_runs = [batch_run("churn-batch")]
    assert swept(world, minutes=10)["repairs"] == {"monitor_run_without_decision": 1}
    (sent,) = world.executions.started.values()
    assert sent["resources"] == [monitor_run(NOON)["ProcessingJobArn"]]


@pytest.mark.parametrize("exists", [True, False])
def test_a_batch_monitors_run_of_a_schedule_of_no_model_is_not_raised(exists: bool, world: World) -> None:
    if exists:
        world.sagemaker.schedules["other"] = {}
        world.sagemaker.tags["arn:aws:sagemaker:us-east-1:111122223333:monitoring-schedule/other"] = {}
    world.sagemaker.monitor_runs = [batch_run("other")]
    swept(world, minutes=10)
    assert (world.executions.started, world.due(DueKind.RAISE)) == ({}, [])


def test_a_monitor_run_whose_event_was_lost_is_raised_once(world: World) -> None:
    world.sagemaker.monitor_runs = [monitor_run(NOON)]
    assert swept(world, minutes=10)["repairs"] == {"monitor_run_without_decision": 1}
    swept(world)
    assert len(world.executions.started) == 1


def test_a_pending_signal_waits_for_run_cooldown_and_switch_and_then_comes_once(world: World) -> None:
    until = NOON + timedelta(hours=1)
    world.table.save_model(StoredModel("churn", pending=KEPT, active_run_id="run-1", cooldown_until=until.isoformat()))
    world.table.add_due(due(DueKind.PENDING, "churn", "churn", NOON))
    world.table.throw_switch(KillSwitch("source:drift_report", "ana", "Incident.", "2026-03-02T12:00:00+00:00"))
    swept(world)
    world.table.save_model(replace(world.table.model("churn"), active_run_id=None))
    swept(world)
    swept(world, minutes=20)
    assert world.executions.started == {}
    swept(world, hours=1)
    assert world.executions.started == {}
    world.table.lift_switch("source:drift_report")
    swept(world)
    (name,) = world.executions.started
    assert world.executions.started[name]["detail-type"] == "Pending Signal Due"
    assert world.clock() >= until
    do(world, "admit", name, event=event("pending/due"))
    world.executions.end(execution_arn(name), "SUCCEEDED")
    swept(world)
    assert len(world.executions.started) == 1
    assert world.due(DueKind.PENDING) == []


@pytest.mark.parametrize("ended", ["FAILED", "SUCCEEDED"])
def test_a_pending_signal_is_raised_again_while_it_is_not_decided(ended: str, world: World) -> None:
    world.table.save_model(StoredModel("churn", pending=KEPT))
    world.table.add_due(due(DueKind.PENDING, "churn", "churn", NOON))
    swept(world)
    (first,) = world.executions.started
    world.executions.end(execution_arn(first), ended)
    for _ in range(3):
        swept(world, hours=1)
    assert len(world.executions.started) > 1
    assert world.table.model("churn").pending == KEPT


def test_a_pending_signal_comes_back_as_soon_as_people_let_it(new_world: Callable[..., World]) -> None:
    for action, request_, told in (
        ("unfreeze", {"model": "churn"}, "UNFROZEN"),
        ("unpause", {"scope": "global"}, "RESUMED"),
    ):
        world = new_world()
        world.table.save_model(StoredModel("churn", pending=KEPT, frozen_reason="Left."))
        world.table.add_due(due(DueKind.PENDING, "churn", "churn", NOON))
        world.table.throw_switch(KillSwitch("global" if action == "unpause" else "model:risk", "ana", "Why.", "t"))
        assert do(world, action, by="ana", reason="Looked at.", **request_)["changed"]
        assert len(world.executions.started) == 1
        assert len(world.told(told)) == 1


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize(
    ("kind", "partition"),
    [
        *((kind, APPROVALS) for kind in sorted(set(DueKind) - {DueKind.LADDER, DueKind.TELL})),
        *((kind, EVENTS) for kind in sorted(set(DueKind) - {DueKind.RAISE})),
        (DueKind.RAISE, "DUE#3"),
        (DueKind.LADDER, "DUE#3"),
    ],
)
def test_no_work_is_taken_from_where_who_may_not_ask_for_it_may_write(
    kind: DueKind, partition: str, world: World
) -> None:
    forged = due(kind, "alarm:drift", "churn", NOON, event=drift(), identities=["x"], name="n", since="t", repair="r")
    world.table.add_due(replace(forged, partition=partition))
    before = facts(world)

    with pytest.raises(RuntimeError, match=f"No such work is taken from {partition}"):
        swept(world)
    assert (facts(world), world.executions.started) == (before, {})


# What operators see.


def test_waiting_is_measured_by_the_oldest_in_the_queue_and_by_the_share_of_an_approvals_own_time(
    new_world: Callable[..., World],
) -> None:
    world = new_world(max_concurrent_trainings=0)
    undecided(world)
    do(world, "admit", "run-2", event=request(drift(dedupe_key="2"))["event"])
    do(world, "park", "run-2", kind="slot", token="slot")
    world.clock.forward(hours=1)
    assert waits_observed(world.table.approvals_due(9), world.table.first_in_queue(), world.clock()) == {
        "approvals_waiting": 1,
        "approval_wait_percent": 25,
        "oldest_queued_seconds": 3600,
    }


def test_the_approval_that_used_most_of_its_own_time_is_the_measure() -> None:
    asked = [
        due(DueKind.LADDER, f"run-{hours}:approval:training", "fraud", NOON, parked_at=NOON.isoformat(), deadline=until)
        for hours in (1, 4, 2)
        for until in [(NOON + timedelta(hours=hours)).isoformat()]
    ]
    told = waits_observed(asked, None, NOON + timedelta(minutes=30))
    assert (told["approvals_waiting"], told["approval_wait_percent"]) == (3, 50)


def test_the_release_before_is_taken_over_from_once(world: World) -> None:
    sweep({}, world.ports)
    item = {"pk": "WAITS", "sk": "WAIT#slot", "kind": "slot", "token": "token", "run_id": "old"}
    world.database.items["WAITS", "WAIT#slot"] = {name: {"S": value} for name, value in item.items()}
    sweep({}, world.ports)
    assert world.executions.answers == {}


def test_a_sweep_that_finds_nothing_new_writes_nothing(world: World) -> None:
    world.alarms.alarms = [alarm()]
    for _ in range(2):
        sweep({}, world.ports)
    world.outside.calls.clear()
    sweep({}, world.ports)
    assert not {"TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"} & set(world.outside.calls)


def test_an_item_of_an_intention_that_is_settled_by_then_tells_nobody(world: World) -> None:
    stories.moving(world)
    stories.tell_dead(world, "ABORTED")
    intention = world.table.intention(endpoint_subject(ENDPOINT))
    assert intention is not None
    world.table.end_intention(intention.subject, intention.run_id)
    swept(world)
    assert world.told("ENDPOINT_LEFT") == []
    assert datetime.fromisoformat(intention.settles_at) < world.clock()


def test_a_takeover_that_fails_holds_up_nothing_that_is_due_and_is_tried_again(world: World) -> None:
    stories.decided(world)
    broken = {"pk": {"S": "WAITS"}, "sk": {"S": "WAIT#old"}}
    world.database.items[("WAITS", "WAIT#old")] = broken
    with pytest.raises(RuntimeError, match="taking over"):
        swept(world)
    assert world.due(DueKind.ALIVE)[0].due_at > world.clock().isoformat(), "what was due was done"
    assert world.table.listed() == {}
    del world.database.items[("WAITS", "WAIT#old")]
    swept(world)
    assert world.table.listed() != {}
