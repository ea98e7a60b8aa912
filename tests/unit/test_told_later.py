"""What a channel did not take at once is told by a sweep; what people settled by hand is settled for their model only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from orchestration.domain.chain import Head
from orchestration.domain.contracts import Next
from orchestration.domain.intention import IntentionState, endpoint_subject, training_subject
from orchestration.domain.verdict import CandidateVerdict, Finish
from orchestration.domain.wait import Result
from orchestration.steps.policies import load_policy
from orchestration.stores.table import Write
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import World
from tests.unit.stories import ENDPOINT, do


def pause(world: World) -> None:
    do(world, "pause", scope="global", by="ana", reason="Incident 7.")


def unpause(world: World) -> None:
    do(world, "unpause", scope="global", by="ana")


def unfreeze(world: World) -> None:
    do(world, "unfreeze", model="fraud", by="ana", reason="Looked at.")


def nothing(_: World) -> None:
    pass


def frozen(world: World) -> None:
    world.table.save_model(replace(world.table.model("fraud"), frozen_reason="Left."))


def bad_policy(world: World) -> None:
    load_policy(world.ports, "fraud")


def with_bad_policy(world: World) -> None:
    world.put("policies/fraud.json", b"{")


@pytest.mark.parametrize(
    ("before", "does", "named"),
    [
        (nothing, pause, "paused global"),
        (pause, unpause, "resumed global"),
        (frozen, unfreeze, "unfroze fraud"),
        (with_bad_policy, bad_policy, "is not valid"),
    ],
)
def test_what_a_channel_did_not_take_is_told_by_a_sweep(
    before: Callable[[World], None],
    does: Callable[[World], None],
    named: str,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Any) -> NoReturn:
        raise client_error("InternalError")

    before(world)
    told = len(world.channels.messages)
    with monkeypatch.context() as patched:
        patched.setattr(world.channels, "tell", fail)
        does(world)
    assert len(world.channels.messages) == told
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert sum(named in message.sentence for message in world.channels.messages[told:]) == 1


@pytest.mark.parametrize(("scope", "model"), [("global", None), ("model:fraud", "fraud"), ("source:alarm", None)])
def test_a_pause_is_told_with_its_model_and_the_way_back(scope: str, model: str | None, world: World) -> None:
    do(world, "pause", scope=scope, by="ana", reason="Incident 7.")
    assert world.table.chain_head(model or "_loop").sequence == 1
    (told,) = world.told("PAUSED")
    resume = f"To go on: retraining resume --scope {scope} --stack retraining --region us-east-1"
    titles = {"global": "Everything paused", "model:fraud": "Model paused", "source:alarm": "Source alarm paused"}
    assert (told.model, told.title, told.next_steps) == (model, titles[scope], (resume,))


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({}, True),
        ({"model": "risk"}, False),
        ({"state": str(IntentionState.OPEN)}, False),
    ],
)
def test_unfreezing_settles_what_was_left_of_its_own_model_and_nothing_else(
    changes: dict[str, str], ended: bool, world: World
) -> None:
    stories.moving(world)
    stories.tell_dead(world, "ABORTED")
    for name, value in changes.items():
        world.database.items[f"INTENT#{endpoint_subject(ENDPOINT)}", "INTENT"][name] = {"S": value}
    world.clock.forward(minutes=2)
    unfreeze(world)
    assert (world.table.intention(endpoint_subject(ENDPOINT)) is None) == ended


def taken_over(world: World) -> None:
    world.table.save_model(replace(world.table.model("fraud"), active_run_id="run-2"))


def anothers(world: World) -> None:
    world.database.items[f"INTENT#{endpoint_subject(ENDPOINT)}", "INTENT"]["run_id"] = {"S": "run-2"}


@pytest.mark.parametrize("happens", [taken_over, anothers])
def test_only_the_models_run_goes_back_and_only_from_its_own_change(
    happens: Callable[[World], None], world: World
) -> None:
    stories.rejected_by_bake(world)
    happens(world)
    before = list(world.sagemaker.requests)
    assert do(world, "roll_back", token="back") == {"started": False}
    assert world.sagemaker.requests == before


def test_a_run_that_died_in_the_queue_leaves_it(world: World) -> None:
    stories.decided(world)
    pause(world)
    do(world, "park", kind="slot", token="slot")
    assert [waiter.run_id for waiter in world.table.queue()] == ["run-1"]
    stories.tell_dead(world, "ABORTED")
    assert list(world.table.queue()) == []


def failing_channel(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> NoReturn:
        raise client_error("InternalError")

    monkeypatch.setattr(world.channels, "tell", fail)


def reminder_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """People are asked, and the channel does not take the reminder when it is due."""
    stories.asked(world)
    world.clock.forward(hours=5)
    with monkeypatch.context() as patched:
        failing_channel(world, patched)
        with contextlib.suppress(RuntimeError):
            do(world, "sweep")


def test_a_reminder_that_a_channel_did_not_take_is_told_by_a_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reminder_refused(world, monkeypatch)
    assert world.told("APPROVAL_REMINDED") == []
    world.clock.forward(minutes=10)
    do(world, "sweep")
    assert len(world.told("APPROVAL_REMINDED")) == 1


def test_what_serves_where_a_run_ended_is_told_by_a_sweep_when_a_channel_did_not_take_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.moving(world)
    stories.tell_dead(world, "ABORTED")
    world.sagemaker.settle(ENDPOINT)
    world.clock.forward(minutes=5)
    with monkeypatch.context() as patched:
        failing_channel(world, patched)
        with contextlib.suppress(RuntimeError):
            do(world, "sweep")
    assert world.told("ENDPOINT_LEFT") == []
    world.clock.forward(minutes=10)
    do(world, "sweep")
    assert len(world.told("ENDPOINT_LEFT")) == 1


def test_a_training_that_is_over_has_no_open_intention_once_its_candidate_is_judged(world: World) -> None:
    stories.trained(world)
    assert world.table.intention(training_subject("run-1")) is not None
    do(world, "evaluate")
    assert world.table.intention(training_subject("run-1")) is None


def test_going_back_is_told_as_it_begins(world: World) -> None:
    stories.rejected_by_bake(world)
    do(world, "roll_back", token="back")
    assert "ROLLBACK_STARTED" in world.statuses("run-1")


def test_the_first_verdict_stands_and_is_the_answer_of_everybody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stories.trained(world)
    store = world.table.store_candidate_verdict

    def after_a_rival(run_id: str, verdict: CandidateVerdict, writes: Sequence[Write]) -> bool:
        store(run_id, CandidateVerdict(Result(Next.RECORD, "The first."), {"gates": []}), [])
        return store(run_id, verdict, writes)

    monkeypatch.setattr(world.table, "store_candidate_verdict", after_a_rival)
    assert do(world, "evaluate") == {"next": "record", "reason": "The first."}


def test_a_status_that_nobody_could_be_told_of_is_told_by_a_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise client_error("InternalError")

    stories.with_slot(world)
    with monkeypatch.context() as patched:
        patched.setattr(world.channels, "emit", fail)
        do(world, "train", token="training")
    assert "TRAINING_STARTED" not in [event["status"] for event in world.channels.events]
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert "TRAINING_STARTED" in [event["status"] for event in world.channels.events]


def test_people_are_not_reminded_of_what_was_decided_before_the_reminder_went_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reminder_refused(world, monkeypatch)
    stories.approve(world)
    world.clock.forward(minutes=10)
    do(world, "sweep")
    assert world.told("APPROVAL_REMINDED") == []


def test_a_question_that_is_told_after_its_answer_asks_nobody_to_decide(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        failing_channel(world, patched)
        stories.asked(world)
        stories.approve(world)
    world.clock.forward(minutes=10)
    do(world, "sweep")
    (told,) = world.told("PROMOTION_APPROVAL_REQUESTED")
    assert (told.asks, told.next_steps, told.title) == (False, (), "The question about the promotion is answered")


def test_a_run_stopped_in_the_middle_of_a_change_never_says_that_what_served_before_serves(world: World) -> None:
    stories.moving(world)
    stories.tell_dead(world, "ABORTED")
    for told in (*world.told("STOPPED"), *world.told("FROZEN")):
        steps = [str(step) for step in told.next_steps]
        assert steps[0].startswith("Platform team, at once: look at what the endpoint serves")
        assert steps[1].startswith("Then: retraining unfreeze --model fraud ")
        assert not any("Nothing has to be undone" in step or " retrain " in step for step in steps)
    assert (len(world.told("STOPPED")), len(world.told("FROZEN"))) == (1, 1)


def test_a_status_is_told_as_it_is_recorded(world: World) -> None:
    stories.asked(world)
    stories.approve(world)
    assert len(world.told("PROMOTION_APPROVED")) == 1
    assert [event["status"] for event in world.channels.events][-1] == "PROMOTION_APPROVED"


def test_a_training_that_is_over_and_a_run_that_queues_are_in_the_history_and_one_that_has_its_slot_never_queued(
    new_world: Callable[..., World],
) -> None:
    world = new_world()
    stories.trained(world)
    do(world, "evaluate")
    assert "TRAINING_FINISHED" in world.statuses("run-1")
    assert "TRAINING_QUEUED" not in world.statuses("run-1")

    world = new_world()
    stories.decided(world)
    pause(world)
    do(world, "park", kind="slot", token="slot")
    assert len(world.told("TRAINING_QUEUED")) == 1


def test_what_somebody_noted_first_of_registry_and_baseline_is_the_answer_of_everybody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.accepted(world)
    note = world.table.note_finish

    def after_a_rival(run_id: str, finish: Finish) -> bool:
        note(run_id, Finish(baseline="The first."))
        return note(run_id, finish)

    monkeypatch.setattr(world.table, "note_finish", after_a_rival)
    assert do(world, "finish")["baseline"] == "The first."


def test_nothing_is_judged_after_the_last_record_of_its_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stories.trained(world)
    head = world.table.chain_head

    def after_the_end(model: str) -> Head:
        monkeypatch.setattr(world.table, "chain_head", head)
        do(world, "close", failure={"error": "Boom", "cause": "The end."})
        return head(model)

    monkeypatch.setattr(world.table, "chain_head", after_the_end)
    do(world, "evaluate")
    assert world.statuses("run-1")[-1] == "FAILED"
    assert world.table.candidate_verdict("run-1") is None


def test_a_retry_of_a_training_hears_at_once_that_it_is_over_and_stops_none_that_is_late(
    new_world: Callable[..., World],
) -> None:
    late, over = new_world(), new_world()
    for world in (late, over):
        stories.training(world)
        world.clock.forward(hours=25 if world is late else 1)
    over.executions.end(stories.training_arn(), "SUCCEEDED", output="{}")
    for world in (late, over):
        do(world, "train", token="retry")
    assert stories.next_of(over, "retry") == "evaluate"
    assert late.executions.statuses[stories.training_arn()] == "RUNNING"
