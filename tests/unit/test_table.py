"""The table's own rules: what a transaction says when it loses, and what old and large items come back as."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError

from orchestration import handler
from orchestration.domain.chain import Record, RecordKind, chained
from orchestration.domain.contracts import DueKind, Next, SignalKind, Status, WaitKind
from orchestration.domain.due import GRACE, due
from orchestration.domain.errors import ContentionError
from orchestration.domain.intention import endpoint_subject
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.stored_run import StatusRow, StoredRun
from orchestration.domain.verdict import CandidateVerdict, Finish
from orchestration.domain.wait import Result, Wait, WaitState
from orchestration.steps.answering import settled
from orchestration.steps.due_work import later
from orchestration.stores.models import Commit, SeenSignal
from orchestration.stores.waits import SHOWN
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import NOON, World, drift, execution_arn, request
from tests.unit.memory_dynamodb import TransactionCanceledException

SEEN = SeenSignal("signal", "run-1", "decisions/x.json", "{}", told=False)


def failing(world: World, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(world.database, "transact_write_items", fail)


@pytest.mark.parametrize("code", ["TransactionConflictException", "TransactionInProgressException"])
def test_a_transaction_that_meets_another_has_lost_and_nothing_is_broken(
    code: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(world, client_error(code), monkeypatch)

    assert not world.table.save_model(StoredModel("churn"))
    assert world.table.commit_decision(StoredModel("churn"), SEEN, (), now=NOON) is Commit.CONFLICT


def test_any_other_error_of_a_transaction_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(world, client_error("InternalServerError"), monkeypatch)

    with pytest.raises(ClientError, match="InternalServerError"):
        world.table.save_model(StoredModel("churn"))


def test_a_transaction_that_was_canceled_without_a_reason_has_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer: Any = {"Error": {"Code": "TransactionCanceledException"}}
    failing(world, TransactionCanceledException(answer, "TransactWriteItems"), monkeypatch)

    assert world.table.commit_decision(StoredModel("churn"), SEEN, (), now=NOON) is Commit.CONFLICT


@pytest.mark.parametrize(
    ("code", "error"), [("ThrottlingError", ContentionError), ("ValidationError", TransactionCanceledException)]
)
def test_only_a_read_that_may_pass_the_next_time_is_one_to_try_again(
    code: str, error: type[Exception], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> NoReturn:
        answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": [{"Code": code}]}
        raise TransactionCanceledException(answer, "TransactGetItems")

    monkeypatch.setattr(world.database, "transact_get_items", fail)

    with pytest.raises(error):
        world.table.known("signal", "churn")


def test_a_signal_whose_event_is_not_kept_any_more_is_still_known(world: World) -> None:
    world.table.commit_decision(StoredModel("churn"), SEEN, (), now=NOON)

    assert world.table.signal("signal") == SEEN


def test_a_signal_is_decided_once(world: World) -> None:
    other = replace(SEEN, run_id="run-2", record="{1}")

    assert world.table.commit_decision(StoredModel("churn"), SEEN, (), now=NOON) is Commit.DONE
    again = world.table.model("churn")
    assert world.table.commit_decision(again, other, (), now=NOON) is Commit.DUPLICATE
    assert world.table.signal("signal") == SEEN
    assert world.table.model("churn") == again


def test_a_model_is_listed_with_its_first_signal(world: World) -> None:
    handler.run_action(request(drift()), world.ports)

    assert world.table.models() == ["churn"]


def test_models_with_a_pending_signal_are_told_from_those_without(world: World) -> None:
    pending = StoredModel("churn", pending=drift())
    for state in (pending, StoredModel("fraud")):
        world.table.commit_decision(state, replace(SEEN, signal_id=state.model), (), now=NOON)

    assert world.table.models_with_pending() == ["churn"]


def test_the_record_of_a_decision_is_found_wherever_it_stands_among_its_links(world: World) -> None:
    decision, manifest = chained(
        world.table.chain_head("churn"),
        Record(RecordKind.DECISION, "decisions/x.json", {}),
        Record(RecordKind.MANIFEST, "runs/x/manifest.json", {}),
    )
    seen = replace(SEEN, chain="churn", sequences=(decision.sequence, manifest.sequence))

    assert seen.record_in([manifest, decision]) == json.loads(decision.record)
    assert seen.record_in([manifest]) == {}
    assert world.table.links_of(seen) == []


def test_of_a_models_run_starts_the_latest_thousand_are_kept(world: World) -> None:
    world.table.save_model(StoredModel("churn", run_starts=tuple(str(number) for number in range(1001))))

    assert world.table.model("churn").run_starts == tuple(str(number) for number in range(1, 1001))


RUN = StoredRun("run-1", "churn", NOON.isoformat(), execution_arn("run-1"), "{}", "critical")
DECIDED = StatusRow(Status.RETRAINING_DECIDED, NOON.isoformat(), "It drifts.")


def test_a_run_begins_once_with_its_first_status(world: World) -> None:
    assert world.table._transact(world.table.run_writes(RUN, DECIDED)) is None
    assert world.statuses("run-1") == ["RETRAINING_DECIDED"]

    written = dict(world.database.items)
    for kept in (("RUN#run-1", "RUN"), ("ACTIVE", "RUN#run-1")):
        there = {kept: written[kept]}
        world.database.items.clear()
        world.database.items.update(there)
        assert world.table._transact(world.table.run_writes(RUN, DECIDED)) is not None
        assert world.database.items == there


@pytest.mark.parametrize("kind", [SignalKind.ROLLBACK, SignalKind.DRIFT])
def test_a_line_of_a_model_says_of_a_run_whether_it_goes_back(kind: SignalKind, world: World) -> None:
    run = replace(RUN, manifest=json.dumps({"signal": {"kind": kind}}))
    world.table._transact(world.table.run_writes(run, DECIDED))

    (line,) = world.table.runs_of_model("churn", 1)
    assert bool(line.get("goes_back")) is (kind is SignalKind.ROLLBACK)


@pytest.mark.parametrize(("made", "noted"), [({"EndpointConfigName": "new"}, ["new"]), (None, [])])
def test_what_a_run_is_to_make_is_noted_and_a_run_that_goes_back_makes_nothing(
    made: dict[str, Any] | None, noted: list[str], world: World
) -> None:
    plan = EndpointPlan("fraud", "old", "new", made, made, {}, 0, (), "ask")
    verdict = CandidateVerdict(Result(Next.PROMOTE, "It passed."), {"gates": []}, plan=plan)
    for write in world.table.made_writes("run-1", "churn", verdict):
        world.table._write(write)

    assert [each.name for each in world.table.made("churn")] == noted


def test_what_became_of_registry_and_baseline_is_noted_once(world: World) -> None:
    first, second = Finish(baseline="Refreshed."), Finish(baseline="Left.")

    for _ in range(2):
        assert world.table.begin_finish("run-1", [])
    assert world.table.note_finish("run-1", first)
    assert not world.table.note_finish("run-1", second)
    assert not world.table.begin_finish("run-1", [])
    assert world.table.finish_of("run-1") == first


def test_what_the_release_before_kept_beside_the_run_is_read_from_there(world: World) -> None:
    world.table._transact(world.table.run_writes(RUN, DECIDED))
    world.table.begin_finish("run-1", [])
    world.table.note_finish("run-1", Finish(baseline="Refreshed."))
    for pk, sk in list(world.database.items):
        if pk in {"STATUS#run-1", "FINISH#run-1"}:
            item = world.database.items.pop((pk, sk))
            beside = "VERDICT#finish" if sk == "FINISH" else sk
            world.database.items["RUN#run-1", beside] = {**item, "pk": {"S": "RUN#run-1"}, "sk": {"S": beside}}
    assert world.statuses("run-1") == ["RETRAINING_DECIDED"]

    world.table.add_status("run-1", replace(DECIDED, status=Status.TRAINING_STARTED))

    assert world.statuses("run-1") == ["RETRAINING_DECIDED", "TRAINING_STARTED"]
    assert world.table.finish_of("run-1") == Finish(baseline="Refreshed.")


def test_no_row_is_taken_from_beside_a_run_whose_first_status_has_a_partition_of_its_own(world: World) -> None:
    world.table._transact(world.table.run_writes(RUN, DECIDED))
    world.table.add_status("run-1", replace(DECIDED, status=Status.TRAINING_STARTED))
    forged = {**world.database.items["STATUS#run-1", "STATUS#TRAINING_STARTED"], "status": {"S": "PROMOTED"}}
    world.database.items["RUN#run-1", "STATUS#PROMOTED"] = {
        **forged,
        "pk": {"S": "RUN#run-1"},
        "sk": {"S": "STATUS#PROMOTED"},
    }

    assert world.statuses("run-1") == ["RETRAINING_DECIDED", "TRAINING_STARTED"]


def test_an_item_of_the_due_list_comes_back_with_what_it_is_about(world: World) -> None:
    item = due(DueKind.TELL, "run-1", "churn", NOON, status="PROMOTED", number=3)
    world.table.add_due(item)

    assert world.table.due_items() == [item]


def test_of_approvals_no_more_are_read_than_are_asked_for(world: World) -> None:
    items = [due(DueKind.LADDER, f"run-{number}:approval:", "churn", NOON) for number in range(3)]
    for item in items:
        world.table.add_due(item)

    assert world.table.approvals_due(2) == items[:2]


def test_a_wait_is_stored_and_resolved_with_the_item_that_has_somebody_look(world: World) -> None:
    first, second = (due(DueKind.LOOK, f"run-1:slot:{name}", "churn", NOON) for name in ("parked", "resolved"))
    wait = Wait(
        kind=WaitKind.SLOT,
        subject="",
        run_id="run-1",
        model="churn",
        token="token",
        execution_arn=execution_arn("run-1"),
        parked_at=NOON.isoformat(),
        deadline=NOON.isoformat(),
        next_step_at=NOON.isoformat(),
    )
    assert world.table.park(wait, first) is None
    assert world.table.due_items() == [first]
    assert world.table.park(wait, first) is not None
    world.table.finish_wait(wait, at=NOON.isoformat(), delivered=True)
    parked = world.table.wait("run-1", WaitKind.SLOT)
    assert parked is not None
    assert parked.token == "token"
    third = replace(second, subject="run-3")
    written = [world.table.due_write(third)]
    result = replace(settled(wait, Result(Next.TRAIN, "A slot is free.")), record=4, seal="of record 4")
    assert world.table.resolve_wait(result, second, written)
    assert world.table.due_items() == [first, second, third]
    over = world.table.wait("run-1", WaitKind.SLOT)
    assert over is not None
    assert (over.record, over.seal) == (4, "of record 4")
    assert not world.table.change_wait(replace(over, state=WaitState.PARKED), replace(over, step=7))


def test_a_wait_is_changed_with_what_must_follow(world: World) -> None:
    stories.training(world)
    parked = world.table.wait("run-1", WaitKind.TRAINING)
    assert parked is not None
    item = due(DueKind.TELL, "run-1", "fraud", NOON, status="TRAINED")
    assert world.table.change_wait(parked, replace(parked, step=1), [world.table.due_write(item)])
    assert item in world.table.due_items()


def test_an_answered_wait_keeps_no_token_and_an_approval_no_step_to_come(world: World) -> None:
    stories.asked(world)
    assert stories.approve(world)["decided"]
    assert [wait.token for wait in world.table.waits_of_run("run-1") if wait.resolved] == [None] * 3
    assert [item.due_at for item in world.due(DueKind.LADDER)] == [(NOON + GRACE).isoformat()]


def test_items_of_another_release_that_say_less_are_read(world: World) -> None:
    stories.moving(world)
    subject = endpoint_subject(stories.ENDPOINT)
    del world.database.items[f"INTENT#{subject}", "INTENT"]["previous"]
    known = world.table.intention(subject)
    assert known is not None
    assert known.previous == ""


def test_an_item_of_the_due_list_that_says_nothing_more_is_read(world: World) -> None:
    item = due(DueKind.LOOK, "run-9:slot", "fraud", NOON)
    world.table.add_due(item)
    del world.database.items[item.partition, item.sort_key]["data"]
    assert world.table.due_items() == [item]


def test_people_see_every_open_wait_of_any_kind_and_no_token_of_it_neither_the_one_before(world: World) -> None:
    stories.training(world)
    stories.do(world, "train", token="again")
    parked = world.table.wait("run-1", WaitKind.TRAINING)
    assert parked is not None
    assert parked.tokens == ("again", "training")
    assert DueKind.ALIVE in {item.kind for item in world.table.due_items()}
    shown = replace(parked, token=None, token_before=None)
    assert world.table.waits_without_tokens() == [shown]
    assert shown in world.table.waits_of_run_without_tokens("run-1")
    assert not {"token", "token_before"} & {*SHOWN}


def test_an_endpoint_that_a_run_left_is_changed_by_another_run(world: World) -> None:
    stories.moving(world)
    subject = endpoint_subject(stories.ENDPOINT)
    left = world.table.intention(subject)
    assert left is not None
    other = replace(left, run_id="run-2")
    assert not world.table._write(world.table.intention_write(other))
    assert world.table._write(world.table.abandon_intention(subject, "run-1"))
    assert world.table._write(world.table.intention_write(other))


def test_a_run_that_ends_leaves_another_runs_intention_as_it_is(world: World) -> None:
    stories.moving(world)
    subject = endpoint_subject(stories.ENDPOINT)
    own = world.table.intention(subject)
    assert own is not None
    world.database.items[f"INTENT#{subject}", "INTENT"]["run_id"] = {"S": "run-2"}
    stories.do(world, "close")
    assert world.table.intention(subject) == replace(own, run_id="run-2")
    assert world.table.model("fraud").frozen_reason is None


def test_what_is_put_to_another_time_has_not_been_tried_then(world: World) -> None:
    item = replace(due(DueKind.LOOK, "run-1:slot", "churn", NOON), attempts=3)
    again = later(item, world.clock()).again
    assert again is not None
    assert again.attempts == 0
