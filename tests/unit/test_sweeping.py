"""One sweep: how far ahead it looks, what it works off once, what it leaves when its time is over, and what it says of itself."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from orchestration.actions import sweep as sweeping
from orchestration.actions.sweep import LISTINGS, WORKERS, _lost_alarms, _lost_monitor_runs, sweep
from orchestration.domain.contracts import DueKind
from orchestration.domain.due import AGAIN, DueItem, due
from orchestration.domain.errors import ContentionError
from orchestration.domain.listing import SAME, SETTLED, Heard, Listing, Stretch
from orchestration.domain.monitor_run import ListedRun
from orchestration.ports import Ports
from orchestration.steps.due_work import DONE, Worked
from orchestration.steps.keeping import REMOVED
from orchestration.steps.silence import TOLD
from tests.unit import stories
from tests.unit.fakes import NOON, World

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Subjects of LOOK items in the order they are worked off; each is then off the list."""
    subjects: list[str] = []

    def look(_: Ports, item: DueItem) -> Worked:
        subjects.append(item.subject)
        return DONE

    monkeypatch.setitem(WORKERS, DueKind.LOOK, look)
    return subjects


def looks(world: World, *after: timedelta, subject: str | None = None) -> list[DueItem]:
    """Items that are due so long after noon."""
    items = [due(DueKind.LOOK, subject or str(wait), "fraud", NOON + wait) for wait in after]
    for item in items:
        world.table.add_due(item)
    return items


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        ({}, 1),
        ({"ahead_seconds": 0}, 1),
        ({"ahead_seconds": None}, 1),
        ({"ahead_seconds": "soon"}, 1),
        ({"ahead_seconds": -600}, 1),
        ({"ahead_seconds": 599}, 1),
        ({"ahead_seconds": 600}, 2),
        ({"detail": {"ahead_seconds": 600}}, 2),
        ({"ahead_seconds": 10 * DAY.total_seconds()}, 3),
    ],
)
def test_a_sweep_does_what_is_due_and_what_it_is_told_to_look_ahead_for_within_a_day(
    request_: dict[str, Any], count: int, world: World, worked: list[str]
) -> None:
    looks(world, timedelta(), timedelta(minutes=10), DAY, DAY + SECOND)
    sweep(request_, world.ports)
    assert len(worked) == count


def listing(world: World, monkeypatch: pytest.MonkeyPatch, items: Iterable[DueItem]) -> None:
    """What the list gives while it is read: a page that is read later shows what was moved meanwhile."""
    monkeypatch.setattr(world.table, "due_until", lambda _: iter(items))


def test_what_is_moved_to_where_the_list_was_not_read_yet_is_not_worked_off_again(
    world: World, worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (item, other) = looks(world, timedelta(), AGAIN)
    listing(world, monkeypatch, [item, replace(item, due_at=(NOON + AGAIN).isoformat()), other])
    sweep({"ahead_seconds": 600}, world.ports)
    assert worked == [item.subject, other.subject]


def test_what_is_due_twice_is_off_the_list_after_one_sweep(world: World, worked: list[str]) -> None:
    looks(world, -SECOND, timedelta(), subject="run-1:slot")
    sweep({}, world.ports)
    assert (worked, world.due(DueKind.LOOK)) == (["run-1:slot"] * 2, [])


def test_a_sweep_takes_no_more_work_once_its_time_is_over_says_how_much_is_left_and_the_next_does_it(
    world: World, worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks(world, -3 * SECOND, -2 * SECOND, -SECOND)
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: 41.0 * len(worked)))
    for left in (2, 1, 0):
        assert sweep({}, world.ports)["left"] == left
    assert (len(worked), world.due(DueKind.LOOK)) == (3, [])


def test_where_there_is_more_than_time_for_it_what_is_due_longest_is_done_first_whoever_it_is_of(
    world: World, worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of models in all partitions: a sweep that begins anew with the first one would never come to the last."""
    items = [due(DueKind.LOOK, str(number), f"model-{number}", NOON - number * SECOND) for number in range(40)]
    for item in items:
        world.table.add_due(item)
    assert len({item.partition for item in items}) == 8
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: 5.0 * len(worked)))
    assert sweep({}, world.ports)["left"] == 31
    assert worked == [str(number) for number in range(39, 30, -1)]


def test_a_sweep_that_had_nothing_to_do_still_says_what_waits(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The alarm on sweeps that do not come to their end counts this line."""
    caplog.set_level(logging.INFO, "orchestration")
    sweep({}, world.ports)
    (line,) = [vars(record) for record in caplog.records if record.getMessage() == "WaitsObserved"]
    gauges = ("approvals_waiting", "approval_wait_percent", "oldest_queued_seconds")
    assert [line[name] for name in gauges] == [0, 0, 0]


def test_an_approval_counts_in_the_gauges_from_its_asking_on_and_not_only_when_a_step_is_due(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "orchestration")
    stories.asked(world)
    world.clock.forward(hours=3)
    sweep({}, world.ports)
    line = vars(next(record for record in caplog.records if record.getMessage() == "WaitsObserved"))
    assert (line["approvals_waiting"], line["approval_wait_percent"]) == (1, 12), (
        "3 of 24 hours; the first step is due after 4"
    )


@pytest.mark.parametrize("repair", [REMOVED, TOLD, "dead_run_settled"])
def test_what_only_became_due_is_not_said_to_have_been_lost(
    repair: str, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "orchestration")
    monkeypatch.setitem(WORKERS, DueKind.LOOK, lambda *_: Worked(repair=repair))
    looks(world, timedelta())
    assert sweep({}, world.ports)["repairs"] == {repair: 1}
    (line,) = [vars(record) for record in caplog.records if record.getMessage() == "SweepRepaired"]
    assert line["lost"] is (repair == "dead_run_settled")


# What a sweep lists.


def test_what_has_not_settled_is_listed_again_from_where_the_last_sweep_began(world: World) -> None:
    """A sweep that looks ahead goes on in stretches; the next one begins where it began, neither before nor after."""
    since = (NOON - SETTLED / 2).isoformat()
    world.table.note_listed("alarms", {"until": since, "seconds": 60}, [])
    sweep({"ahead_seconds": 600}, world.ports)
    assert world.table.listed()["alarms"] == {"until": since}


@pytest.mark.parametrize(
    ("shown", "noted"),
    [
        (Listing((), until=NOON - timedelta(minutes=15)), {"until": (NOON - timedelta(minutes=15)).isoformat()}),
        (Listing((), complete=False), {"until": (NOON - timedelta(minutes=20)).isoformat(), "seconds": 1.0}),
        (Listing(()), {"until": (NOON - timedelta(minutes=20)).isoformat()}),
    ],
)
def test_how_far_a_list_came_is_noted_where_it_did_not_show_all(
    shown: Listing[DueItem], noted: dict[str, Any], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.table.note_listed("alarms", {"until": (NOON - timedelta(minutes=20)).isoformat()}, [])
    monkeypatch.setattr(sweeping, "STRETCHES_AT_ONCE", 1 if shown.until else 10)
    monkeypatch.setitem(LISTINGS, "alarms", lambda *_: shown)
    sweep({}, world.ports)
    assert world.table.listed()["alarms"] == noted


def test_what_could_not_be_written_down_is_listed_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    since = {"until": (NOON - timedelta(minutes=20)).isoformat(), "seconds": 300}
    world.table.note_listed("alarms", since, [])
    monkeypatch.setitem(LISTINGS, "alarms", lambda *_: Listing(tuple(looks(world, timedelta()))))

    def contended(_: object) -> NoReturn:
        raise ContentionError("Somebody else wrote.")

    monkeypatch.setattr(world.table, "add_all_due", contended)
    with pytest.raises(RuntimeError, match="listing alarms: Somebody else wrote"):
        sweep({}, world.ports)
    assert world.table.listed()["alarms"] == since


STRETCH = Stretch(NOON - timedelta(hours=1), NOON)


@pytest.mark.parametrize(
    ("shown_until", "changed", "lost"),
    [
        (None, NOON, True),
        (None, NOON + SAME, True),
        (None, NOON + SAME + SECOND, False),
        (NOON - timedelta(minutes=30), NOON, False),
    ],
)
def test_an_alarm_that_changed_after_what_was_shown_is_another_stretchs(
    shown_until: datetime | None, changed: datetime, lost: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Listing((("drift-churn", NOON - timedelta(minutes=40)),), until=shown_until)
    monkeypatch.setattr(world.alarms, "turned_red", lambda *_: shown)
    detail = {"alarmName": "drift-churn", "state": {"value": "ALARM", "timestamp": changed.isoformat()}}
    world.alarms.alarms = [{"resources": ["arn:aws:cloudwatch:us-east-1:111122223333:alarm:drift"], "detail": detail}]
    found = _lost_alarms(world.ports, STRETCH).found
    assert len(found) == lost
    world.clock.forward(minutes=5)
    names = [item.data["name"] for item in _lost_alarms(world.ports, STRETCH).found]
    assert names == [item.data["name"] for item in found], "whoever lists it again starts the same execution"


def test_a_monitor_run_that_was_heard_of_is_not_lost_and_one_that_was_not_is_asked_about_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:processing-job"
    runs = tuple((ListedRun(f"{arn}/monitor-{number}", "schedule", "endpoint"), NOON) for number in (1, 2))
    monkeypatch.setattr(world.ports.sagemaker, "monitor_runs", lambda _: Listing(runs))
    world.table._write(world.table.heard_write(Heard.job("monitor-1"), at=NOON))
    (item,) = _lost_monitor_runs(world.ports, STRETCH).found
    assert (item.model, item.data["heard"]) == ("monitor-2", {"name": "job:monitor-2", "at": ""})
