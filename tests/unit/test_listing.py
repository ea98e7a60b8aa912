"""Stretches of time that sweeps list: each event lies in one that was listed whole, whatever a list holds and whenever a sweep comes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.contracts import ALARM_STATE_CHANGE, PROCESSING_JOB_STATE_CHANGE, SignalKind, SignalSource
from orchestration.domain.listing import (
    FIRST,
    NARROWEST,
    SAYS_NOTHING,
    SETTLED,
    Heard,
    Stretch,
    heard_of,
    noted,
    remembered,
    stretch_after,
)
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Ignored, Rejection, Signal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HELD = 3
"""What a call lists in these tests."""


@given(
    ended=st.lists(st.integers(-100_000, 20_000), max_size=30),
    sweeps=st.lists(
        st.tuples(st.integers(1, 4_000), st.sampled_from([0, 0, 300, 600, 6_000]), st.booleans()), max_size=40
    ),
)
def test_whatever_ends_lies_in_a_stretch_that_was_listed_whole_after_it_had_settled(
    ended: list[int], sweeps: list[tuple[int, int, bool]]
) -> None:
    """Seconds of ends from noon; each sweep comes so long after the one before, looks so far ahead, and may die before it notes."""
    times = [NOON + second * SECOND for second in ended]
    listed: dict[str, Any] | None = None
    whole: list[tuple[Stretch, datetime]] = []
    now = NOON
    # Enough sweeps at the end to come to an end of everything.
    for wait, ahead, dies in [*sweeps, (30_000, 0, False), *[(60, 0, False)] * 60]:
        now += wait * SECOND
        before, began = listed, None
        for _ in range(10):
            stretch = stretch_after(listed, min(now, now + ahead * SECOND - SETTLED))
            if stretch is None:
                break
            holds = sum(stretch.since <= time <= stretch.until for time in times)
            complete = holds <= HELD or stretch.narrowest
            if complete:
                whole.append((stretch, now))
            began = began or stretch.since
            listed = noted(stretch, complete=complete)
        assert listed is not None
        listed = before if dies else remembered(listed, began, now - SETTLED)
    assert listed is not None
    assert datetime.fromisoformat(listed["until"]) >= now - SETTLED - SECOND
    for time in times:
        if time >= NOON + SECOND - FIRST:
            assert any(stretch.since <= time <= stretch.until and time <= at - SETTLED for stretch, at in whole), time


def test_a_sweep_that_looks_ahead_comes_to_what_happened_last_however_much_did_in_the_minutes_before() -> None:
    """What has not settled is listed again by the next sweep, but not by this one instead of what comes after it."""
    listed: dict[str, Any] | None = {"until": (NOON - SETTLED).isoformat()}
    reached = NOON - SETTLED
    for holds in (True, False, False, False):
        stretch = stretch_after(listed, NOON)
        if stretch is None:
            break
        reached = reached if holds else stretch.until
        listed = noted(stretch, complete=not holds)
    assert reached == NOON
    assert listed is not None
    assert remembered(listed, NOON - SETTLED, NOON - SETTLED) == {"until": (NOON - SETTLED).isoformat()}


def test_one_stretch_ends_where_the_next_begins() -> None:
    listed: dict[str, Any] | None = None
    stretches = []
    for minutes in (0, 5, 7):
        stretch = stretch_after(listed, NOON + timedelta(minutes=minutes))
        assert stretch is not None
        stretches.append(stretch)
        listed = remembered(noted(stretch, complete=True), stretch.since, stretch.until)
    assert stretches[0].since == NOON - FIRST
    assert all(one.until == other.since for one, other in itertools.pairwise(stretches))
    assert stretch_after(listed, NOON + timedelta(minutes=7)) is None


def test_a_stretch_that_holds_too_much_is_shortened_until_it_is_a_second_and_grows_again() -> None:
    settled = NOON + timedelta(hours=1)
    seconds = []
    listed: dict[str, Any] = {"until": NOON.isoformat(), "seconds": 4.0}
    for complete in (False, False, False, True, True):
        stretch = stretch_after(listed, settled)
        assert stretch is not None
        seconds.append((stretch.until - stretch.since).total_seconds())
        listed = noted(stretch, complete=complete)
    assert seconds == [4, 2, 1, 1, 2]
    assert Stretch(NOON, NOON + NARROWEST).narrowest
    assert not Stretch(NOON, NOON + 2 * NARROWEST).narrowest


def test_what_the_release_before_remembered_is_listed_from_a_little_before() -> None:
    """Of alarms it did not note when it listed them last: an update may come days after it was stopped."""
    horizon = NOON + timedelta(hours=1)
    runs = stretch_after({"until": NOON.isoformat(), "seen": ["x"]}, horizon)
    alarms = stretch_after({"seen": ["x"]}, horizon)
    assert (runs, alarms) == (Stretch(NOON - SETTLED, horizon), Stretch(horizon - FIRST, horizon))


@pytest.mark.parametrize(("began", "again"), [(None, 0), (-5, 0), (20, 20), (40, 30)])
def test_the_next_sweep_goes_on_where_this_one_began_or_what_happened_had_settled(
    began: int | None, again: int
) -> None:
    listed = {"until": (NOON + timedelta(minutes=30)).isoformat(), "seconds": 60.0}
    begun = None if began is None else NOON + timedelta(minutes=began)
    assert remembered(listed, begun, NOON) == {"until": (NOON + timedelta(minutes=again)).isoformat()}
    assert remembered(listed, begun, NOON + timedelta(minutes=31)) == listed


JOB = {"detail-type": PROCESSING_JOB_STATE_CHANGE, "detail": {"ProcessingJobName": "monitor-1"}}
ALARM = {
    "detail-type": ALARM_STATE_CHANGE,
    "detail": {"alarmName": "drift/fraud/auc", "state": {"timestamp": "2026-03-02T11:14:12.121+0000"}},
}


def signal(**more: Any) -> Signal:
    return Signal("0" * 32, SignalSource.MODEL_MONITOR, SignalKind.DRIFT, "fraud", "s", "t", **more)


def test_what_is_rejected_is_proven_unless_it_is_said_of_a_monitor() -> None:
    assert not Rejection.of(Reason.NO_JOB_NAME, "s", "x").unproven
    assert Rejection.of(Reason.NO_JOB_NAME, "s", "x", unproven=True).unproven


@pytest.mark.parametrize("event", [JOB, ALARM], ids=["a job", "an alarm"])
@pytest.mark.parametrize(
    ("found", "known"),
    [
        (signal(proven_by="schedule fraud"), True),
        (signal(), False),
        (Rejection.of(Reason.VIOLATIONS_UNREADABLE, "s", "x"), True),
        (Rejection.of(Reason.VIOLATIONS_UNREADABLE, "s", "x", unproven=True), False),
        *(
            (Ignored(reason, "s"), reason in SAYS_NOTHING)
            for reason in (*sorted(SAYS_NOTHING), Reason.JOB_NOT_FINISHED)
        ),
    ],
)
def test_heard_of_is_what_nothing_could_change_any_more(
    event: dict[str, Any], found: Signal | Rejection | Ignored, known: bool
) -> None:
    heard = Heard.job("monitor-1") if event is JOB else Heard.alarm("drift/fraud/auc", "2026-03-02T11:14:12.121+0000")
    assert heard_of(event, found) == (heard if known else None)


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"detail-type": PROCESSING_JOB_STATE_CHANGE},
        {**ALARM, "detail": {"alarmName": "drift/a", "state": {}}},
        {**ALARM, "detail-type": "CloudWatch Alarm Configuration Change"},
        {**JOB, "detail-type": "SageMaker Training Job State Change"},
    ],
)
def test_an_event_that_names_nothing_is_heard_of_nothing(event: Any) -> None:
    assert heard_of(event, Rejection.of(Reason.NO_JOB_NAME, "s", "x")) is None


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Heard.alarm("a", "2026-03-02T12:00:02+00:00"), True),
        (Heard.alarm("a", "2026-03-02T12:00:02.1+00:00"), False),
        (Heard.alarm("b", "2026-03-02T12:00:00+00:00"), False),
        (Heard.alarm("a", "noon"), False),
        (Heard.alarm("a", "2026-03-02T12:00:00"), False),
        (None, False),
    ],
)
def test_two_times_of_one_change_differ_by_two_seconds_at_most(other: Heard | None, same: bool) -> None:
    assert Heard.alarm("a", NOON.isoformat()).same(other) is same
    assert Heard.job("a").same(Heard.job("a"))
