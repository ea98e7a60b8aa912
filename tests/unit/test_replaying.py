"""What operators have raised again: read from where only the automation writes, and judged like any event of its source."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace
from typing import Any

import pytest

from orchestration import handler, operator_handler
from orchestration.actions.request_replay import EVENT_RAISED, KEY
from orchestration.domain.caller_proof import binding
from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import EXECUTION_STATUS_CHANGE, DueKind
from orchestration.domain.due import DueItem
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.records import undecided_key
from orchestration.stores import due_items
from orchestration.stores.dead_letters_sqs import AT_ONCE
from tests.unit import stories
from tests.unit.fakes import MACHINE, World, drift, execution_arn, proven, request

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:retraining-OrchestrationFunction"
DIED: dict[str, Any] = {
    "source": "aws.states",
    "detail-type": EXECUTION_STATUS_CHANGE,
    "detail": {
        "stateMachineArn": MACHINE,
        "executionArn": execution_arn("run-7"),
        "name": "run-7",
        "status": "FAILED",
    },
}


def kept(world: World, event: Any, key: str = "rejected/a.json", **more: Any) -> str:
    world.put(key, {"event": event, "sentence": "Nothing here understands it.", **more})
    return key


def letter(world: World, event: Any = None, target: str = MACHINE, **said: str) -> str:
    body = event if isinstance(event, str) else json.dumps(event or drift())
    return world.queue.put(body, TARGET_ARN=target, ERROR_CODE="NO_PERMISSIONS", **said)


def replay(world: World, by: str = "ada", **asked: Any) -> dict[str, Any]:
    return stories.operate(world, "replay", by=by, **asked)


def dead_letters(world: World, **more: Any) -> dict[str, Any]:
    return replay(world, dead_letters=True, **more)


def as_sent(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "replayed"}


@pytest.mark.parametrize("more", [{}, {"run_id": "run-1"}])
def test_an_event_is_raised_as_it_was_whether_it_was_rejected_or_never_decided(
    more: dict[str, str], world: World
) -> None:
    key = kept(world, drift(), **more)

    ((name, event),) = ((each["execution"], each["what"]) for each in replay(world, key=key)["replayed"])

    assert event == key
    assert as_sent(world.executions.started[name]) == drift()


def test_who_replays_stands_in_the_log_and_in_the_event_and_proves_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sent = {
        "source": "mlops.drift",
        "detail-type": "Retraining Requested",
        "id": "1",
        "detail": {"model": "churn", "reason": "x", "requested_by": "grace", "force": True},
    }
    ((name),) = (each["execution"] for each in replay(world, key=kept(world, sent))["replayed"])

    by = next(record for record in caplog.records if record.message == "EventReplayed").__dict__["by"]
    event = world.executions.started[name]
    assert by.endswith("user/ada")
    assert event["replayed"]["by"] == by
    handler.run_action(request(event, name), world.ports)
    (record,) = world.chain("churn")
    assert record["signal"]["proven_by"] is None
    assert record["signal"]["requested_by"] == "grace"


def test_a_replay_that_failed_is_tried_again_and_one_that_ended_well_is_over(world: World) -> None:
    replay(world, key=kept(world, drift()))
    (first,) = world.executions.started
    world.executions.statuses[execution_arn(first)] = "FAILED"
    world.clock.forward(minutes=6)
    handler.run_action({"action": "sweep"}, world.ports)
    second = [name for name in world.executions.started if name != first]
    assert second == [f"{first.removesuffix('-1')}-2"]
    world.executions.statuses[execution_arn(second[0])] = "SUCCEEDED"
    world.clock.forward(minutes=11)
    handler.run_action({"action": "sweep"}, world.ports)
    assert world.due(DueKind.RAISE) == []


def test_a_decided_signal_stays_decided(world: World) -> None:
    world.put("policies/fraud.json", stories.policy())
    event = drift("fraud")
    handler.run_action(request(event), world.ports)
    ((name),) = (each["execution"] for each in replay(world, key=kept(world, event))["replayed"])
    answer = handler.run_action(request(world.executions.started[name], name), world.ports)
    assert "was decided" in answer["output"]["reason"]
    assert len(world.chain("fraud")) == 1


@pytest.mark.threat("event-swallowed")
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"event": {"source": "aws.cloudwatch"}},
        {"key": None},
        {"key": 7},
        {"key": "event.json"},
        {"key": "policies/churn.json"},
        {"key": "rejected/../policies/churn.json"},
        {"key": "rejected/a/b.json"},
        {"key": "rejected/a.json\n"},
        {"key": "rejected/.json"},
        {"key": "rejected/a.json", "dead_letters": True},
        {"key": "rejected/a.json", "dead_letters": False},
        {"dead_letters": 1},
        {"dead_letters": "true"},
    ],
)
def test_a_place_where_others_write_and_an_event_of_ones_own_are_not_replayed(
    asked: dict[str, Any], world: World
) -> None:
    kept(world, drift())
    kept(world, drift(), key="policies/churn.json")
    letter(world)
    with pytest.raises(InvalidRequestError, match=r"rejected/<name>\.json.+put-events"):
        replay(world, **asked)
    assert world.database.items == {}
    assert len(world.queue.messages) == 1


@pytest.mark.parametrize("name", ["run-1", "a" * 32, "a" * 80, "läuft 7", "replay-1_2"])
def test_every_key_under_which_the_loop_keeps_an_event_can_be_replayed(name: str) -> None:
    assert KEY.fullmatch(undecided_key(name))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "no event .+ can be read"),
        (b"[]", "is no JSON object"),
        (b"{", r"rejected/a\.json "),
        (b'{"event": {}, "event": {}}', "twice"),
        (json.dumps(drift()).encode(), "it keeps no event"),
        (json.dumps({"event": {}, "sentence": "x"}).encode(), "no event of EventBridge"),
        (json.dumps({"event": [], "sentence": "x"}).encode(), "no event of EventBridge"),
        (json.dumps({"event": {"source": "x"}, "sentence": "x"}).encode(), "no event of EventBridge"),
        (json.dumps({"event": {"beginning": "{"}, "sentence": "x"}).encode(), "only its beginning"),
        (json.dumps({"event": {"source": 1, "detail-type": "x"}, "sentence": "x"}).encode(), "no event of EventBridge"),
        (json.dumps({"event": drift(report="x" * EVENT_RAISED), "sentence": "x"}).encode(), r"bytes, and at most"),
    ],
)
def test_what_holds_no_event_is_not_replayed_and_says_why(body: bytes | None, said: str, world: World) -> None:
    if body is not None:
        world.put("rejected/a.json", body)
    with pytest.raises(InvalidRequestError, match=said):
        replay(world, key="rejected/a.json")
    assert world.database.items == {}


def test_an_event_as_large_as_any_that_can_be_raised_is_replayed_and_the_answer_says_what_is_raised(
    world: World,
) -> None:
    event = drift(report="")
    event["detail"]["report"] = "x" * (EVENT_RAISED - len(canonical(event)))
    key = kept(world, event)
    answer = replay(world, key=key)
    ((name, sent),) = world.executions.started.items()
    assert answer == {"replayed": [{"what": key, "execution": name, "why": ""}], "left": [], "more": False}
    assert as_sent(sent) == event


@pytest.mark.parametrize(("days", "known"), [(62, True), (63, False), (400, False)])
def test_what_was_kept_so_long_ago_that_its_decision_may_be_forgotten_is_not_replayed(
    days: int, known: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals are remembered for 90 days, events are kept for ever: later the same one would be decided, and train, again."""
    key, read, written = kept(world, drift()), world.bucket.read, world.clock().isoformat()
    monkeypatch.setattr(world.bucket, "read", lambda uri: replace(read(uri), written_at=written))
    world.clock.forward(days=days)
    if known:
        assert len(replay(world, key=key)["replayed"]) == 1
        return
    with pytest.raises(InvalidRequestError, match=r"older than 62 days.+put-events"):
        replay(world, key=key)
    assert world.database.items == {}


def test_a_sweep_holds_no_more_events_than_it_works_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event has up to 300 KB, ten times that in a process: a few hundred at once, and no sweep ever ends."""
    for number in range(50):
        replay(world, key=kept(world, drift(), f"rejected/{number}.json"), swept=False)
    read: list[object] = []
    item_of, most = due_items._item, 0

    class Watched(DueItem):
        __slots__ = ("__weakref__",)

    def watched(found: dict[str, Any]) -> DueItem:
        nonlocal most
        item = Watched(**{name: getattr(item_of(found), name) for name in DueItem.__slots__})
        read.append(weakref.ref(item))
        most = max(most, sum(reference() is not None for reference in read))  # type: ignore[operator]
        return item

    monkeypatch.setattr(due_items, "_item", watched)
    handler.run_action({"action": "sweep"}, world.ports)

    assert len(world.executions.started) == 50
    assert most < 5


def test_a_sweep_that_looks_ahead_works_on_each_item_once(world: World) -> None:
    replay(world, key=kept(world, drift()), swept=False)
    handler.run_action({"action": "sweep", "ahead_seconds": 86_400}, world.ports)
    assert [item.data["tries"] for item in world.due(DueKind.RAISE)] == [1]


# Dead letters.


def test_a_dead_letter_is_raised_and_leaves_the_queue(world: World) -> None:
    identity = letter(world, ERROR_MESSAGE="not authorized")

    answer = dead_letters(world)

    ((name, event),) = world.executions.started.items()
    assert answer == {
        "replayed": [{"what": f"dead letter {identity}", "execution": name, "why": "NO_PERMISSIONS: not authorized"}],
        "left": [],
        "more": True,
    }
    assert as_sent(event) == drift()
    assert world.queue.messages == {}
    assert dead_letters(world) == {"replayed": [], "left": [], "more": False}


def test_a_letter_that_comes_twice_is_one_execution(world: World) -> None:
    letter(world)
    again = dict(world.queue.messages)
    dead_letters(world)
    world.queue.messages |= again
    world.queue.forget()
    world.clock.forward(seconds=1)
    dead_letters(world)
    assert len(world.executions.started) == 1


def test_so_many_letters_are_taken_at_once(world: World) -> None:
    for _ in range(AT_ONCE + 1):
        letter(world)
    assert [len(dead_letters(world)["replayed"]) for _ in range(3)] == [AT_ONCE, 1, 0]


@pytest.mark.parametrize("call", ["PutItem", "DeleteMessage"])
def test_a_letter_is_deleted_only_after_it_is_written_down(call: str, new_world: Any) -> None:
    world: World = new_world()
    letter(world)

    def broken(name: str) -> None:
        if name == call:
            raise RuntimeError(name)

    world.queue._enter = world.database._enter = broken
    with pytest.raises(RuntimeError, match=call):
        dead_letters(world)
    assert len(world.queue.messages) == 1
    assert len(world.due(DueKind.RAISE)) == (call == "DeleteMessage")


@pytest.mark.parametrize(
    ("body", "target", "said"),
    [
        ("[", MACHINE, "It "),
        ('{"a": 1, "a": 2}', MACHINE, "twice"),
        ("{}", MACHINE, "no event of EventBridge"),
        (json.dumps(drift()), "", "for whom it was"),
        (json.dumps(drift()), f"{MACHINE}-2", "nothing of this stack"),
        (json.dumps(drift(report="x" * EVENT_RAISED)), MACHINE, "bytes, and at most"),
    ],
)
def test_what_nothing_can_follow_from_stays_and_the_others_are_replayed(
    body: str, target: str, said: str, world: World
) -> None:
    bad = letter(world, body, target)
    letter(world)
    answer = dead_letters(world)
    assert len(answer["replayed"]) == len(world.executions.started) == 1
    assert [left["what"] for left in answer["left"]] == [f"dead letter {bad}"]
    assert said in answer["left"][0]["sentence"]
    assert list(world.queue.messages) == [bad]


@pytest.mark.parametrize(
    "event",
    [{"action": "sweep"}, {"source": "aws.sagemaker", "detail-type": "SageMaker Endpoint State Change", "detail": {}}],
)
def test_of_what_was_to_wake_the_loop_a_sweep_is_made(event: dict[str, Any], world: World) -> None:
    letter(world, event, FUNCTION)
    answer = dead_letters(world, swept=False)
    assert answer["replayed"][0]["execution"] is None
    assert world.due(*DueKind) == []
    assert world.queue.messages == {}
    assert world.channels.sweeps_requested == 1


@pytest.mark.parametrize(
    "other",
    [
        {"detail-type": "Something Else"},
        {"detail": {**DIED["detail"], "stateMachineArn": f"{MACHINE}-2"}},
        {"detail": {**DIED["detail"], "name": None}},
        {"detail": {**DIED["detail"], "name": "no name:*"}},
        {"detail": None},
    ],
)
def test_only_the_end_of_an_execution_of_the_loops_has_anybody_look_at_one(other: dict[str, Any], world: World) -> None:
    letter(world, {**DIED, **other}, FUNCTION)
    assert dead_letters(world, swept=False)["replayed"][0]["execution"] is None
    assert world.due(DueKind.ALIVE) == []


def test_who_has_an_end_looked_at_stands_in_what_is_due(world: World) -> None:
    letter(world, DIED, FUNCTION)
    dead_letters(world, swept=False)
    (item,) = world.due(DueKind.ALIVE)
    assert (item.subject, item.data["execution_arn"]) == ("run-7", execution_arn("run-7"))
    assert item.data["by"].endswith("user/ada")


@pytest.mark.parametrize(("status", "undecided"), [("FAILED", True), ("RUNNING", False), ("SUCCEEDED", False)])
def test_the_end_of_an_execution_that_decided_nothing_is_settled_by_what_the_execution_says(
    status: str, undecided: bool, world: World
) -> None:
    world.executions.start_execution(stateMachineArn=MACHINE, name="run-7", input=json.dumps(drift()))
    world.executions.statuses[execution_arn("run-7")] = status
    letter(world, DIED, FUNCTION)
    dead_letters(world)
    assert bool(world.keys(undecided_key("run-7"))) is undecided
    assert world.due(DueKind.ALIVE) == []


def test_a_proof_for_one_event_is_none_for_another(world: World) -> None:
    key, other = kept(world, drift()), kept(world, drift(), "rejected/b.json")
    asked = {"action": "replay", "key": key}
    proof = proven(asked, "ada", world.clock())["proof"]
    assert binding(asked, MACHINE) != binding({**asked, "key": other}, MACHINE)
    with pytest.raises(InvalidRequestError, match="does not take the request's proof"):
        operator_handler.run_action({**asked, "key": other, "proof": proof}, world.ports)
