"""A monitor that is expected to speak, and does not: who is told, how often, and what counts as having spoken."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration import handler
from orchestration.domain.contracts import MONITOR_SILENT, RETRAINING_SOURCE, DueKind, SignalKind, SignalSource
from orchestration.domain.errors import ContentionError
from orchestration.domain.signal import Rejection, Signal
from orchestration.domain.signals import read_signal
from orchestration.domain.signals.decision_file import decision_uri
from orchestration.domain.silence import Silence, Watch
from orchestration.steps.due_work import DONE
from orchestration.steps.silence import listen, listened, see_silence, silence_of
from tests.unit.fakes import NOON, SETTINGS, FakeReader, World, drift, execution_arn
from tests.unit.stories import do

AT = NOON.isoformat()
HOUR = timedelta(hours=1)
SIGNAL = Signal("id", SignalSource.DRIFT_REPORT, SignalKind.NO_DRIFT, "fraud", "Said.", AT)


def written(world: World, hours: float | None = 26, model: str = "fraud") -> Any:
    """A policy file was written, and S3 told."""
    monitoring = {} if hours is None else {"monitoring": {"expect_every_hours": hours}}
    world.put(f"policies/{model}.json", {"schema_version": 1, "model": model, **monitoring})
    return told(world, f"policies/{model}.json")


def told(world: World, key: str) -> Any:
    return handler.run_action({"detail-type": "Object Created", "detail": {"object": {"key": key}}}, world.ports)


def swept(world: World, **passed: float) -> dict[str, int]:
    world.clock.forward(**passed)
    repairs: dict[str, int] = do(world, "sweep")["repairs"]
    return repairs


def raised(world: World) -> list[tuple[str, Any]]:
    """Executions that were started for silence, with their event."""
    return [(name, given) for name, given in world.executions.started.items() if name.startswith("silence-")]


def decided(world: World) -> list[str]:
    """What each execution answers that was started for silence and has not run yet."""
    answers = []
    for name, given in raised(world):
        if world.executions.statuses.get(execution_arn(name)) != "SUCCEEDED":
            answers.append(str(do(world, "admit", name, event=given)["decision"]))
            world.executions.end(execution_arn(name), "SUCCEEDED")
    return answers


# Pure.


@pytest.mark.parametrize(
    ("hours", "periods", "next_hours"),
    [(0, 0, 26), (25.99, 0, 26), (26, 1, 52), (51.99, 1, 52), (52, 2, 78), (-3, 0, 26)],
)
def test_silence_is_counted_in_the_times_a_monitor_should_have_spoken(
    hours: float, periods: int, next_hours: float
) -> None:
    silence = Silence(NOON, NOON + timedelta(hours=hours), 26)
    assert silence.periods == periods
    assert silence.next_at == NOON + timedelta(hours=next_hours)


WATCH = Watch("fraud", (NOON - HOUR).isoformat(), 26.0, "w")


@pytest.mark.parametrize(
    ("before", "hours", "signal", "since", "waits_until"),
    [
        (None, 26.0, None, NOON, 26),
        (None, 26.0, SIGNAL, NOON, 26),
        (WATCH, 26.0, None, NOON - HOUR, None),
        (WATCH, 26.0, SIGNAL, NOON, None),
        (WATCH, 26.0, replace(SIGNAL, source=SignalSource.MANUAL_REQUEST), NOON - HOUR, None),
        (WATCH, 26.0, replace(SIGNAL, source=SignalSource.ALARM), NOON - HOUR, None),
        (WATCH, 26.0, replace(SIGNAL, source=SignalSource.PENDING), NOON - HOUR, None),
        (WATCH, 26.0, replace(SIGNAL, source=SignalSource.SILENCE), NOON - HOUR, None),
        (WATCH, 26.0, replace(SIGNAL, source=SignalSource.DECISION_FILE), NOON, None),
        (WATCH, 26.0, replace(SIGNAL, source=SignalSource.MODEL_MONITOR), NOON - HOUR, None),
        (WATCH, 26.0, replace(SIGNAL, source=SignalSource.MODEL_MONITOR, proven_by="schedule s"), NOON, None),
        (WATCH, 2.0, None, NOON, 2),
        (WATCH, 0.0, None, NOON, None),
        (WATCH, 26.0, replace(SIGNAL, observed_at=""), NOON - HOUR, None),
        (replace(WATCH, hours=0.0), 26.0, None, NOON, 26),
    ],
)
def test_a_watch_goes_on_from_what_was_said_last(
    before: Watch | None, hours: float, signal: Signal | None, since: datetime, waits_until: float | None
) -> None:
    watch, items = listened("fraud", before, hours, NOON, signal)
    assert watch is not None
    assert (watch.since, watch.hours) == (since.isoformat(), hours)
    assert [item.due_at for item in items] == (
        [] if waits_until is None else [(NOON + timedelta(hours=waits_until)).isoformat()]
    )
    assert all(item.data == {"watch_id": watch.watch_id} and item.kind is DueKind.SILENCE for item in items)
    assert (watch.watch_id == "w") == (before is not None and before.hours == hours)


def test_nobody_listens_for_what_was_never_expected() -> None:
    assert listened("fraud", None, 0.0, NOON, SIGNAL) == (None, [])


def silent(event_id: Any = "id-1", model: Any = "fraud", run_id: str = "run-1") -> Any:
    reader = FakeReader()
    reader.silences["fraud"] = Silence(NOON, NOON + timedelta(hours=1000), 26)
    sent = {"source": RETRAINING_SOURCE, "detail-type": MONITOR_SILENT, "id": event_id, "detail": {"model": model}}
    return read_signal(sent, reader=reader, settings=SETTINGS, run_id=run_id)


def test_a_silence_says_how_long_it_is_and_since_when() -> None:
    assert silent().summary == (
        "No monitor of fraud has spoken for 1000.0 h, since 2026-03-02 12:00 UTC; its policy expects one every 26 h."
    )


def test_a_silence_of_no_legal_model_is_known_by_its_event_or_else_by_its_run() -> None:
    first = silent(model="../x")
    assert (type(first), first.reason) == (Rejection, "BAD_MODEL_NAME")
    assert first == silent(model="../x", run_id="run-2") != silent("id-2", model="../x")
    assert silent(None, model="../x") != silent(None, model="../x", run_id="run-2")


# The policy is written.


def test_a_policy_that_is_written_begins_the_watch_before_any_signal_came(world: World) -> None:
    assert written(world) == {"model": "fraud", "findings": []}
    assert world.table.watch("fraud") == Watch("fraud", AT, 26.0, AT)
    (item,) = world.due(DueKind.SILENCE)
    assert item.due_at == (NOON + 26 * HOUR).isoformat()
    assert world.table.model("fraud").version == 0


@pytest.mark.parametrize(
    "key",
    [
        *("policies/", "policies/x/y.json", "policies/fraud.txt", "other/fraud.json", "policies/_a.json"),
        *("policies/fraud", "fraud.json", "fraud"),
    ],
)
def test_what_is_no_policy_file_is_not_read(key: str, world: World) -> None:
    world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud"})
    assert told(world, key) == {"model": None, "findings": []}


def test_a_policy_that_was_removed_before_it_was_read_is_no_models(world: World) -> None:
    assert told(world, "policies/fraud.json") == {"model": None, "findings": []}


def test_a_policy_that_is_not_valid_is_told_as_it_is_written_and_the_last_good_one_is_known(world: World) -> None:
    written(world)
    world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud", "cooldown_hours": -1})
    for _ in range(2):
        (finding,) = told(world, "policies/fraud.json")["findings"]
    assert finding.startswith("$.cooldown_hours")
    (message,) = world.channels.messages
    assert message.status == "POLICY_INVALID"
    assert world.table.watch("fraud") == Watch("fraud", AT, 26.0, AT)


def test_a_policy_that_expects_nothing_begins_nothing_and_one_that_expects_it_no_more_ends_it(world: World) -> None:
    written(world, None)
    assert world.table.watch("fraud") is None
    written(world, 2)
    world.clock.forward(hours=1)
    written(world, None)
    assert world.table.watch("fraud") == Watch("fraud", (NOON + HOUR).isoformat(), 0.0, (NOON + HOUR).isoformat())
    assert swept(world, hours=2) == {}
    assert (world.due(DueKind.SILENCE), raised(world)) == ([], [])


def test_a_rival_that_writes_at_the_same_moment_is_read_again(world: World) -> None:
    written(world)
    world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud", "monitoring": {"expect_every_hours": 3}})
    world.clock.forward(hours=1)
    world.outside.meanwhile("TransactWriteItems", lambda: listen(world.ports, "fraud", 5.0))
    told(world, "policies/fraud.json")
    watch = world.table.watch("fraud")
    assert watch is not None
    assert watch.hours == 3.0


# Silence.


def test_a_monitor_that_does_not_speak_holds_and_tells_once_in_each_time_and_once_a_day(world: World) -> None:
    written(world, 8)
    assert swept(world, hours=7.5) == {}
    told_of = []
    for _ in range(4):
        assert swept(world, hours=8) == {"silence_told": 1}
        told_of.append((decided(world), sum(message.status == "HOLD" for message in world.channels.messages)))
        swept(world, minutes=6)
    assert [decisions for decisions, _ in told_of] == [["HOLD"]] * 4
    assert [count for _, count in told_of] == [1, 1, 1, 2]
    record = world.chain("fraud")[0]
    assert (record["decision"], record["reason"]) == ("HOLD", "MONITOR_SILENT")
    assert record["signal"]["source"] == "silence"
    assert "No monitor of fraud has spoken for 15.5 h, since 2026-03-02 12:00 UTC" in record["sentence"]
    assert len(world.due(DueKind.SILENCE)) == 1


def test_a_monitor_that_spoke_is_waited_for_from_then_on(world: World) -> None:
    written(world, 8)
    world.clock.forward(hours=7)
    assert do(world, "admit", "run-1", event=drift("fraud", observed=0.1))["decision"] == "OBSERVE"
    assert swept(world, hours=2) == {}
    (item,) = world.due(DueKind.SILENCE)
    assert item.due_at == (NOON + 15 * HOUR).isoformat()
    assert swept(world, hours=6) == {"silence_told": 1}


def test_a_signal_begins_the_watch_where_nobody_heard_of_the_policy(world: World) -> None:
    world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud", "monitoring": {"expect_every_hours": 8}})
    do(world, "admit", "run-1", event=drift("fraud", observed=0.1))
    assert world.table.watch("fraud") == Watch("fraud", AT, 8.0, AT)
    assert swept(world, hours=8) == {"silence_told": 1}


def test_a_policy_that_was_changed_unheard_counts_from_when_its_item_is_due(world: World) -> None:
    written(world, 8)
    world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud", "monitoring": {"expect_every_hours": 20}})
    assert swept(world, hours=8) == {}
    (item,) = world.due(DueKind.SILENCE)
    assert item.due_at == (NOON + 28 * HOUR).isoformat()
    assert swept(world, hours=20) == {"silence_told": 1}


def test_a_model_that_was_taken_out_is_listened_for_no_more(world: World) -> None:
    written(world, 8)
    world.remove("policies/fraud.json")
    assert swept(world, hours=8) == {}
    assert (world.due(DueKind.SILENCE), raised(world)) == ([], [])


def test_an_item_of_another_watch_or_of_none_is_worked_off(world: World) -> None:
    written(world, 8)
    old = world.due(DueKind.SILENCE)[0]
    world.clock.forward(minutes=1)
    written(world, 9)
    assert see_silence(world.ports, old) == DONE
    assert see_silence(world.ports, replace(old, subject="churn")) == DONE


@pytest.mark.parametrize("hours", [None, 8])
def test_what_is_expected_as_before_is_not_written_again(hours: float | None, world: World) -> None:
    written(world, hours)
    world.outside.live()
    assert listen(world.ports, "fraud", hours or 0.0)
    assert "TransactWriteItems" not in world.outside.calls


@pytest.mark.parametrize(
    ("heard", "unheard"),
    [([None], {}), ([8, None], {}), ([8], {"monitoring": {"expect_every_hours": 20}}), ([8], None)],
    ids=["never expected", "expected no more", "expected less often", "taken out"],
)
def test_there_is_no_silence_of_a_monitor_of_which_nothing_or_something_else_is_expected(
    heard: list[float | None], unheard: dict[str, Any] | None, world: World
) -> None:
    for hours in heard:
        written(world, hours)
    if unheard is None:
        world.remove("policies/fraud.json")
    else:
        world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud", **unheard})
    world.clock.forward(hours=30)
    assert silence_of(world.ports, "fraud") is None


def test_a_silence_that_was_raised_well_is_waited_out_until_it_is_longer_by_one_time(world: World) -> None:
    written(world, 8)
    swept(world, hours=8)
    decided(world)
    (item,) = world.due(DueKind.SILENCE)
    world.clock.forward(hours=1)
    again = see_silence(world.ports, replace(item, attempts=2)).again
    assert again == replace(item, due_at=(NOON + 16 * HOUR).isoformat())


def test_a_monitor_that_falls_silent_again_after_it_spoke_is_told_of_again(world: World) -> None:
    written(world, 8)
    swept(world, hours=8)
    decided(world)
    do(world, "admit", "run-1", event=drift("fraud", observed=0.1))
    assert swept(world, hours=8) == {"silence_told": 1}
    assert len(raised(world)) == 2


def test_models_whose_names_begin_alike_are_told_of_each_by_itself(world: World) -> None:
    for end in ("a", "b"):
        written(world, 8, "m" * 40 + end)
    swept(world, hours=8)
    assert [event["detail"]["model"][-1] for _, event in raised(world)] == ["a", "b"]


def test_a_watch_that_a_rival_writes_while_its_item_is_worked_off_is_tried_again(world: World) -> None:
    written(world, 8)
    (item,) = world.due(DueKind.SILENCE)
    world.put("policies/fraud.json", {"schema_version": 1, "model": "fraud", "monitoring": {"expect_every_hours": 20}})
    world.clock.forward(hours=8)
    world.outside.meanwhile("TransactWriteItems", lambda: listen(world.ports, "fraud", 5.0))
    with pytest.raises(ContentionError, match="watch over fraud"):
        see_silence(world.ports, item)


def test_an_execution_that_failed_is_followed_by_another(world: World) -> None:
    written(world, 8)
    swept(world, hours=8)
    ((name, _),) = raised(world)
    assert name.endswith("-1")
    world.executions.end(execution_arn(name), "FAILED")
    swept(world, minutes=6)
    assert [each.removeprefix(name[:-1]) for each, _ in raised(world)] == ["1", "2"]


def test_an_event_of_somebody_else_says_nothing_of_a_monitor_that_speaks(world: World) -> None:
    forged = {"source": "mlops.retraining", "detail-type": "Monitor Silent", "id": "f", "detail": {"model": "fraud"}}
    assert do(world, "admit", "run-1", event=forged)["decision"] == "SKIP"
    written(world, 8)
    world.clock.forward(hours=7)
    assert do(world, "admit", "run-2", event=forged)["decision"] == "SKIP"
    assert silence_of(world.ports, "fraud") is None
    world.clock.forward(hours=1)
    assert do(world, "admit", "run-3", event=forged)["decision"] == "HOLD"
    # Whoever forges one early has it decided once, as the loop's own is.
    assert do(world, "admit", "run-4", event=forged)["decision"] == "SKIP"
    assert [record["reason"] for record in world.chain("fraud")] == ["MONITOR_SILENT"]


def test_an_event_without_a_legal_model_is_refused(world: World) -> None:
    forged = {"source": "mlops.retraining", "detail-type": "Monitor Silent", "id": "f", "detail": {"model": "../x"}}
    answer = do(world, "admit", "run-1", event=forged)
    assert answer["decision"] == "REJECT"
    assert "'../x' is not a legal model name" in answer["output"]["reason"]


def test_a_monitor_that_says_the_same_each_day_speaks_all_the_same(world: World) -> None:
    written(world, 26)
    same = drift("fraud", observed=0.1, report_uri="s3://bucket/latest.html")
    for number in range(3):
        expected = "OBSERVE" if number == 0 else "SKIP"
        assert do(world, "admit", f"run-{number}", event={**same, "id": f"event-{number}"})["decision"] == expected
        assert swept(world, hours=25) == {}
    assert swept(world, hours=2) == {"silence_told": 1}


def test_a_decision_file_that_is_only_read_again_is_no_sign_of_life(world: World) -> None:
    """Each start by hand is a signal of its own, whoever wrote the file and when."""
    model = world.settings.default_model
    world.put(f"policies/{model}.json", {"schema_version": 1, "model": model, "monitoring": {"expect_every_hours": 26}})
    told(world, f"policies/{model}.json")
    world.bucket.put(decision_uri(world.settings), b"d\nNO\n")
    for number in range(2):
        world.clock.forward(hours=13)
        assert do(world, "admit", f"run-{number}", event={})["decision"] == "SKIP"
    assert swept(world, hours=0.1) == {"silence_told": 1}


def test_a_frozen_model_is_told_of_as_silent(world: World) -> None:
    written(world, 8)
    assert world.table.save_model(replace(world.table.model("fraud"), frozen_reason="3 runs."))
    assert swept(world, hours=8) == {"silence_told": 1}
    assert decided(world) == ["HOLD"]
    assert world.chain("fraud")[0]["reason"] == "MONITOR_SILENT"
