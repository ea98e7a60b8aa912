"""Signals that wait, or whose event was lost: when an execution is started for them, and under which name."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration.domain.contracts import DueKind, Severity, SignalKind, SignalSource
from orchestration.domain.due import AGAIN, DueItem, due
from orchestration.domain.pending_signal import merge_pending, unanswered
from orchestration.domain.signal import Signal
from orchestration.domain.switches import KillSwitch
from orchestration.steps.due_work import DONE, Worked, later
from orchestration.steps.pending import pending_due, raise_pending, raise_signal
from tests.unit.fakes import NOON, World, drift, execution_arn
from tests.unit.stories import do
from tests.unit.test_due import KEPT

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
ITEM = pending_due("churn", NOON)


def waits(world: World, model: str = "churn", **state: Any) -> None:
    """A signal of a model waits."""
    before = world.table.model(model)
    assert world.table.save_model(replace(before, **{"pending": KEPT, **state}))


def raised(world: World) -> list[str]:
    return list(world.executions.started)


# A signal that waits.


@pytest.mark.parametrize(
    ("state", "at"),
    [
        ({"active_run_id": "run-1"}, NOON + AGAIN),
        ({"active_run_id": "run-1", "cooldown_until": (NOON + HOUR).isoformat()}, NOON + AGAIN),
        ({"cooldown_until": (NOON + HOUR).isoformat()}, NOON + HOUR),
        ({"cooldown_until": NOON.isoformat()}, None),
        ({"cooldown_until": (NOON - HOUR).isoformat()}, None),
        ({}, None),
    ],
)
def test_a_signal_waits_for_the_run_and_the_end_of_the_cooldown(
    state: dict[str, Any], at: datetime | None, world: World
) -> None:
    waits(world, **state)
    worked = raise_pending(world.ports, ITEM)
    assert bool(raised(world)) == (at is None)
    assert at is None or worked == later(ITEM, at)


@pytest.mark.parametrize("scope", ["global", "model:churn", "source:pending", "source:drift_report"])
def test_a_signal_waits_while_a_switch_is_thrown_over_it(scope: str, world: World) -> None:
    waits(world)
    world.table.throw_switch(KillSwitch(scope, "ana", "Incident 7.", NOON.isoformat()))
    assert raise_pending(world.ports, ITEM) == later(ITEM, NOON + AGAIN)
    assert raised(world) == []


def test_a_signal_of_a_model_that_was_taken_out_waits_for_its_policy_and_none_that_is_not_there(world: World) -> None:
    item = pending_due("risk", NOON)
    assert raise_pending(world.ports, item) == DONE
    waits(world, "risk")
    assert raise_pending(world.ports, item) == later(item, NOON + timedelta(hours=6))
    assert raised(world) == []


def first(world: World) -> DueItem:
    """The item after the signal was raised once."""
    waits(world)
    worked = raise_pending(world.ports, ITEM)
    (name,) = raised(world)
    identity = name.removeprefix("pending-churn-").removesuffix("-1")
    again = later(ITEM, NOON + AGAIN, tries=1, identity=identity).again
    assert worked == Worked(again, "pending_signal_raised")
    assert again is not None
    return again


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_an_execution_that_goes_on_is_waited_for(status: str, world: World) -> None:
    item = first(world)
    world.executions.statuses[execution_arn(raised(world)[0])] = status
    assert raise_pending(world.ports, item) == later(item, NOON + AGAIN)
    assert len(raised(world)) == 1


def test_an_execution_that_failed_is_followed_by_another_after_twice_the_time(world: World) -> None:
    item = first(world)
    name = raised(world)[0]
    world.executions.end(execution_arn(name), "FAILED")
    again = later(item, NOON + 2 * AGAIN, tries=2).again
    assert raise_pending(world.ports, item) == Worked(again, "pending_signal_raised")
    assert raised(world) == [name, f"{name.removesuffix('-1')}-2"]


def test_a_signal_that_waits_after_its_execution_ended_well_is_looked_at_again(world: World) -> None:
    item = first(world)
    world.executions.end(execution_arn(raised(world)[0]), "SUCCEEDED")
    assert raise_pending(world.ports, item) == later(item, NOON + AGAIN, tries=2)
    world.outside.meanwhile("DescribeExecution", lambda: waits(world, pending=None))
    assert raise_pending(world.ports, item) == DONE


def test_a_signal_that_changed_is_counted_anew_and_one_start_under_its_name_is_no_repair_twice(world: World) -> None:
    item = first(world)
    assert raise_pending(world.ports, ITEM) == Worked(item, None)
    waits(world, pending={**KEPT, "count": 3})
    raise_pending(world.ports, item)
    waits(world, pending={**KEPT, "count": 3}, cooldown_until=NOON.isoformat())
    raise_pending(world.ports, item)
    names = raised(world)
    assert len(names) == len({name.removesuffix("-1") for name in names}) == 3
    assert all(name.endswith("-1") for name in names)


def test_models_whose_names_begin_alike_have_executions_of_their_own(world: World) -> None:
    for end in ("a", "b"):
        model = "m" * 40 + end
        world.put(f"policies/{model}.json", {"schema_version": 1, "model": model})
        waits(world, model)
        raise_pending(world.ports, pending_due(model, NOON))
    assert len(raised(world)) == 2


# A signal whose event was lost.


def lost(**data: Any) -> DueItem:
    kept = {"event": {"id": "1"}, "identities": ["new"], "name": "sweep-1", "since": NOON.isoformat(), "repair": "made"}
    return due(DueKind.RAISE, "alarm:1", "churn", NOON, **{**kept, **data})


@pytest.mark.parametrize(
    ("named", "starts"),
    [
        ({}, True),
        ({"endpoint": "churn"}, True),
        ({"endpoint": "of-another-team"}, False),
        ({"schedule": "of-another-team"}, False),
        ({"endpoint": "churn", "schedule": "of-another-team"}, True),
    ],
)
def test_a_lost_signal_is_raised_unless_its_endpoint_or_else_its_schedule_is_of_no_model(
    named: dict[str, str], starts: bool, world: World
) -> None:
    item = lost(**named)
    worked = raise_signal(world.ports, item)
    assert raised(world) == (["sweep-1-1"] if starts else [])
    assert worked == (Worked(later(item, NOON + AGAIN, tries=1).again, "made") if starts else DONE)


def test_a_lost_signal_that_was_decided_under_any_of_its_names_is_not_raised(world: World) -> None:
    do(world, "admit", event=drift())
    (decision,) = world.chain("churn")
    assert raise_signal(world.ports, lost(identities=["new", decision["signal_id"]])) == DONE
    assert raised(world) == []


@pytest.mark.parametrize(("ago", "starts"), [(timedelta(days=14), True), (timedelta(days=14) + SECOND, False)])
def test_a_lost_signal_is_given_up_after_two_weeks(ago: timedelta, starts: bool, world: World) -> None:
    raise_signal(world.ports, lost(since=(NOON - ago).isoformat()))
    assert bool(raised(world)) == starts


def test_the_time_between_two_starts_grows_to_six_hours(world: World) -> None:
    item = lost(tries=10)
    assert raise_signal(world.ports, item).again == later(item, NOON + timedelta(hours=6), tries=11).again


def test_what_comes_back_when_nothing_waits_any_more_is_kept_as_it_is() -> None:
    signal = {"signal_id": "1" * 32, "violations": []}
    merged = merge_pending(None, signal, Severity.WARNING, sequence=4, returning=False, again=True)
    assert merged == {"first_signal_id": "1" * 32, "count": 0, "severity": "warning", "signal": signal}


# What nobody confirmed, beside what is proven. Pure.

PROVEN = Signal(
    "1" * 32, SignalSource.MODEL_MONITOR, SignalKind.DRIFT, "churn", "psi is 0.9.", NOON.isoformat(), proven_by="hourly"
)
UNPROVEN = replace(PROVEN, signal_id="2" * 32, proven_by=None)
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def waiting(signal: Signal, severity: Severity = WARNING) -> dict[str, Any]:
    """What waits when nothing but this signal was coalesced."""
    return merge_pending(None, signal.as_record(), severity, sequence=1, returning=False)


@pytest.mark.parametrize(
    ("waits", "comes", "severity", "stays"),
    [
        (PROVEN, PROVEN, WARNING, False),
        (PROVEN, PROVEN, Severity.INFO, True),
        (PROVEN, PROVEN, CRITICAL, False),
        (PROVEN, UNPROVEN, CRITICAL, True),
        (UNPROVEN, UNPROVEN, WARNING, False),
        (UNPROVEN, UNPROVEN, Severity.INFO, True),
        (UNPROVEN, PROVEN, WARNING, False),
    ],
)
def test_a_run_answers_what_waited_unless_its_own_signal_is_weaker_or_less_proven(
    waits: Signal, comes: Signal, severity: Severity, stays: bool
) -> None:
    pending = waiting(waits)
    assert unanswered(pending, comes, severity) == (pending if stays else None)


def test_where_nothing_waited_or_what_waited_began_the_run_nothing_is_left() -> None:
    assert unanswered(None, PROVEN, WARNING) is None
    raised_again = replace(PROVEN, source=SignalSource.PENDING, origin=SignalSource.MODEL_MONITOR)
    assert unanswered(waiting(PROVEN, CRITICAL), raised_again, WARNING) is None


@pytest.mark.parametrize(
    ("waits", "comes", "severity", "worst", "latest"),
    [
        (PROVEN, UNPROVEN, CRITICAL, WARNING, PROVEN),
        (UNPROVEN, PROVEN, Severity.INFO, Severity.INFO, PROVEN),
        (PROVEN, PROVEN, CRITICAL, CRITICAL, PROVEN),
        (UNPROVEN, UNPROVEN, CRITICAL, CRITICAL, UNPROVEN),
        (UNPROVEN, UNPROVEN, Severity.INFO, WARNING, UNPROVEN),
    ],
)
def test_what_nobody_confirmed_neither_raises_nor_replaces_what_is_proven_and_gives_way_to_it(
    waits: Signal, comes: Signal, severity: Severity, worst: Severity, latest: Signal
) -> None:
    comes = replace(comes, summary="The one that came.")
    merged = merge_pending(waiting(waits), comes.as_record(), severity, sequence=2, returning=False)
    assert (merged["count"], merged["severity"]) == (2, worst)
    assert merged["signal"]["signal_id"] == latest.signal_id
    assert (merged["signal"]["summary"] == comes.summary) is (comes.signal_id == latest.signal_id)


@pytest.mark.parametrize("signal", [PROVEN, UNPROVEN])
def test_what_comes_first_keeps_its_severity_whether_or_not_it_is_confirmed(signal: Signal) -> None:
    merged = waiting(signal, WARNING)
    assert (merged["severity"], merged["signal"]["signal_id"]) == ("warning", signal.signal_id)
