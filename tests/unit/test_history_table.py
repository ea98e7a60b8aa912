"""The table on moto's DynamoDB: every write is conditional, so a retry or a rival changes nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from orchestration.domain.champions import Made
from orchestration.domain.contracts import DueKind, Next, Status, WaitKind
from orchestration.domain.due import due
from orchestration.domain.errors import ContentionError
from orchestration.domain.intention import Intention, IntentionState, endpoint_subject
from orchestration.domain.listing import FIRST, Heard
from orchestration.domain.promotion import RegistryPlan
from orchestration.domain.silence import Watch
from orchestration.domain.slots import SlotLedger, Waiter, grant
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.stored_run import StatusRow, StoredRun
from orchestration.domain.switches import KillSwitch
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result, Wait, WaitState
from orchestration.steps.answering import settled
from orchestration.stores.due_items import EVENT_MEMORY
from orchestration.stores.history_table import HistoryTable
from orchestration.stores.models import Commit, SeenSignal
from orchestration.stores.slots import NEAR
from orchestration.stores.table import Write, from_item, to_item
from tests.unit.fakes import NOON, World, execution_arn
from tests.unit.memory_dynamodb import TransactionCanceledException

SEEN = SeenSignal(
    "s" * 32, "run-1", "decisions/churn/x.json", '{"b":2}', told=True, chain="churn", sequences=(1, 2), event='{"c":3}'
)
RUN = StoredRun("run-1", "churn", NOON.isoformat(), execution_arn("run-1"), '{"m":1}', "critical")
DECIDED = StatusRow(Status.RETRAINING_DECIDED, NOON.isoformat(), "Decided.", "critical")
MODEL = StoredModel("churn", run_starts=(NOON.isoformat(),), active_run_id="run-1")
INTENTION = Intention(
    endpoint_subject("churn-prod"),
    "run-1",
    "churn",
    execution_arn("run-1"),
    NOON.isoformat(),
    NOON.isoformat(),
    7,
    "new",
    "old",
)
LOOK = due(DueKind.LOOK, "run-1:training", "churn", NOON + timedelta(minutes=3))
LADDER = due(DueKind.LADDER, "run-1:approval:training", "churn", NOON + timedelta(hours=1), deadline="d")


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    """Give moto's DynamoDB."""
    with mock_aws():
        session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
        yield session.client("dynamodb")


@pytest.fixture
def table(dynamodb: Any) -> Iterator[HistoryTable]:
    """Give an empty table."""
    dynamodb.create_table(
        TableName="history",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield HistoryTable(dynamodb, "history")
    dynamodb.delete_table(TableName="history")


def wait(kind: WaitKind = WaitKind.APPROVAL, subject: str = "training", **fields: Any) -> Wait:
    values: dict[str, Any] = {
        "kind": kind,
        "subject": subject if kind is WaitKind.APPROVAL else "",
        "run_id": "run-1",
        "model": "churn",
        "token": "token-1",
        "execution_arn": execution_arn("run-1"),
        "parked_at": NOON.isoformat(),
        "deadline": (NOON + timedelta(hours=24)).isoformat(),
        "next_step_at": NOON.isoformat(),
        "data": {"approvals": [], "why": "json:[1"},
    }
    return Wait(**{**values, **fields})


def begun(table: HistoryTable) -> None:
    assert table.commit_decision(MODEL, SEEN, table.run_writes(RUN, DECIDED), now=NOON) is Commit.DONE


def holds(table: HistoryTable, *checks: Write) -> bool:
    """Whether conditions of a transaction hold now."""
    return table._transact([*checks, table.due_write(LOOK)]) is None


# Attribute values.

scalars = (
    st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(-1e15, 1e15)
    | st.text(max_size=12)
    | st.sampled_from(["json:", "json:{", 'json:{"a":1}', "", "None", "-5"])
)
nested = st.recursive(
    scalars | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from("abcdef"), scalars | st.lists(nested) | st.dictionaries(st.text(), nested)))
def test_what_is_stored_comes_back_as_it_was(values: dict[str, Any]) -> None:
    assert from_item(to_item(values)) == values


def test_none_is_left_out_and_a_tuple_comes_back_as_a_list() -> None:
    assert from_item(to_item({"a": None, "b": ("x", 1)})) == {"b": ["x", 1]}


# Decisions.


def test_a_decision_its_state_its_run_and_what_must_follow_are_written_together(table: HistoryTable) -> None:
    writes = [*table.run_writes(RUN, DECIDED), table.due_write(LOOK)]
    assert table.commit_decision(MODEL, SEEN, writes, now=NOON) is Commit.DONE
    assert table.model("churn") == replace(MODEL, version=1)
    assert table.signal(SEEN.signal_id) == SEEN
    assert table.decision_of("run-1") == SEEN
    assert table.run("run-1") == RUN
    assert [run["run_id"] for run in table.active_runs()] == ["run-1"]
    assert [row["status"] for row in table.statuses("run-1")] == ["RETRAINING_DECIDED"]
    assert [run["run_id"] for run in table.runs_of_model("churn")] == ["run-1"]
    assert table.models() == ["churn"]
    assert table.due_items() == [LOOK]


def test_a_signal_that_was_decided_is_a_duplicate_and_changes_nothing(table: HistoryTable) -> None:
    begun(table)
    again, other = replace(MODEL, version=1, fruitless_runs=9), replace(RUN, run_id="run-2")
    writes = table.run_writes(other, DECIDED)
    assert table.commit_decision(again, replace(SEEN, run_id="run-2"), writes, now=NOON) is Commit.DUPLICATE
    assert table.model("churn").fruitless_runs == 0
    assert table.run("run-2") is None
    assert table.decision_of("run-2") is None
    assert len(table.active_runs()) == 1


def test_a_state_that_somebody_else_wrote_is_a_conflict_and_changes_nothing(table: HistoryTable) -> None:
    table.commit_decision(MODEL, SEEN, [], now=NOON)
    other = replace(SEEN, signal_id="t" * 32)
    assert table.commit_decision(MODEL, other, table.run_writes(RUN, DECIDED), now=NOON) is Commit.CONFLICT
    assert table.signal("t" * 32) is None
    assert table.run("run-1") is None


def test_a_models_state_is_written_only_over_the_version_that_was_read(table: HistoryTable) -> None:
    assert table.model("churn") == StoredModel("churn")
    assert table.save_model(StoredModel("churn", fruitless_runs=1))
    assert not table.save_model(StoredModel("churn", fruitless_runs=2))
    read = table.model("churn")
    assert table.save_model(replace(read, fruitless_runs=3), [table.due_write(LOOK)])
    assert not table.save_model(replace(read, fruitless_runs=4), [table.due_write(LADDER)])
    assert (table.model("churn").version, table.model("churn").fruitless_runs) == (2, 3)
    assert table.due_items() == [LOOK]


def test_a_reason_that_looks_like_json_is_a_reason(table: HistoryTable) -> None:
    table.save_model(StoredModel("churn", frozen_reason="json:{broken", pending={"count": 1, "signal": {}}))
    read = table.model("churn")
    assert (read.frozen_reason, read.pending) == ("json:{broken", {"count": 1, "signal": {}})


def test_the_table_remembers_a_signal_for_ninety_days(table: HistoryTable, dynamodb: Any) -> None:
    table.commit_decision(MODEL, SEEN, [], now=NOON)
    for pk, sk in ((f"SIGNAL#{SEEN.signal_id}", "SIGNAL"), ("RUN#run-1", "DECISION")):
        item = dynamodb.get_item(TableName="history", Key={"pk": {"S": pk}, "sk": {"S": sk}})["Item"]
        assert int(item["expires_at"]["N"]) == int((NOON + timedelta(days=90)).timestamp())


def test_signals_that_name_no_model_belong_to_none(table: HistoryTable) -> None:
    table.commit_decision(StoredModel("_unattributed"), SEEN, [], now=NOON)
    assert table.models() == []


def test_people_are_told_once_of_an_execution_that_decided_nothing_and_of_a_bad_policy(table: HistoryTable) -> None:
    assert table.noted_bad_policy("churn") is None
    assert table.note_undecided("run-1", [table.due_write(LOOK)], at=NOON)
    assert not table.note_undecided("run-1", [table.due_write(LADDER)], at=NOON)
    assert table.due_items() == [LOOK]
    for _ in range(2):
        table.note_bad_policy("churn", "v7")
    assert table.noted_bad_policy("churn") == "v7"


def test_a_record_is_that_of_its_link_or_of_an_earlier_release_the_one_in_the_signals_own_item(
    table: HistoryTable, dynamodb: Any
) -> None:
    earlier = {"pk": "SIGNAL#old", "sk": "SIGNAL", "signal_id": "old", "run_id": "run-0", "record_key": "k"}
    dynamodb.put_item(
        TableName="history", Item=to_item({**earlier, "payload": "{}", "told": True, "record": '{"decision":"HOLD"}'})
    )
    seen = table.signal("old")
    assert seen is not None
    assert table.record_of(seen) == {"decision": "HOLD"}
    assert table.record_of(replace(seen, record=None)) == {}


# Runs.


def test_a_run_is_closed_once_with_what_must_follow(table: HistoryTable) -> None:
    begun(table)
    closed = replace(RUN, outcome="PROMOTED", reason="Better.", ended_at=NOON.isoformat())
    state = replace(table.model("churn"), active_run_id=None)
    assert table.close_run(closed, [table.model_write(state), table.due_write(LOOK)])
    again = [table.model_write(table.model("churn")), table.due_write(LADDER)]
    assert not table.close_run(replace(closed, outcome="FAILED"), again)
    assert table.run("run-1") == closed
    assert table.active_runs() == []
    assert table.model("churn").active_run_id is None
    decided, ended = table.statuses("run-1")
    assert (decided["status"], ended["status"]) == ("RETRAINING_DECIDED", "PROMOTED")
    assert (ended["at"], ended["severity"], ended["details"]["sentence"]) == (closed.ended_at, "critical", "Better.")
    assert table.runs_of_model("churn")[0]["outcome"] == "PROMOTED"
    assert table.due_items() == [LOOK]


def test_a_run_is_not_closed_over_a_state_that_somebody_else_wrote(table: HistoryTable) -> None:
    begun(table)
    stale = table.model("churn")
    table.save_model(stale)
    closed = replace(RUN, outcome="PROMOTED", ended_at=NOON.isoformat())
    assert not table.close_run(closed, [table.model_write(stale)])
    assert table.run("run-1") == RUN
    assert len(table.active_runs()) == 1


def test_a_run_that_never_was_is_not_closed(table: HistoryTable) -> None:
    assert not table.close_run(replace(RUN, outcome="FAILED", ended_at=NOON.isoformat()), [])
    assert table.run("run-1") is None


def test_a_models_runs_come_newest_first_and_no_more_than_asked_for(table: HistoryTable) -> None:
    for number in range(4):
        started = (NOON + timedelta(hours=number)).isoformat()
        for write in table.run_writes(replace(RUN, run_id=f"run-{number}", started_at=started), DECIDED):
            table._write(write)
    assert [run["run_id"] for run in table.runs_of_model("churn", limit=3)] == ["run-3", "run-2", "run-1"]


def test_a_status_is_appended_once_and_statuses_come_in_the_order_they_happened(table: HistoryTable) -> None:
    later = (NOON + timedelta(seconds=1)).isoformat()
    rows = [
        StatusRow(Status.TRAINING_STARTED, later, "started", "critical", {"by": "ana"}),
        StatusRow(Status.TRAINING_QUEUED, NOON.isoformat(), "queued"),
        DECIDED,
    ]
    for row in rows:
        assert table.add_status("run-1", row)
    again = replace(rows[0], sentence="again")
    assert not table.add_status("run-1", again, [table.due_write(LOOK)])
    kept = table.statuses("run-1")
    assert [row["status"] for row in kept] == ["RETRAINING_DECIDED", "TRAINING_QUEUED", "TRAINING_STARTED"]
    assert kept[2]["details"] == {"sentence": "started", "by": "ana"}
    assert table.due_items() == []


def test_a_verdict_is_stored_once_and_the_first_one_stands(table: HistoryTable) -> None:
    assert table.candidate_verdict("run-1") is None
    first = CandidateVerdict(
        Result(Next.PROMOTE, "good"), {"gates": []}, versions={"s3://b/m": "v1"}, plan=RegistryPlan("arn")
    )
    assert table.store_candidate_verdict("run-1", first, [table.due_write(LOOK)])
    assert not table.store_candidate_verdict("run-1", CandidateVerdict(Result(Next.RECORD, "bad"), {}), [])
    assert table.candidate_verdict("run-1") == first


def test_a_repair_is_noted_and_forgotten_with_the_signals(table: HistoryTable, dynamodb: Any) -> None:
    table.record_repair("dead_run_settled", "run-1", at=NOON)
    (item,) = dynamodb.scan(TableName="history")["Items"]
    assert item["pk"]["S"] == "REPAIRS"
    assert int(item["expires_at"]["N"]) == int((NOON + timedelta(days=90)).timestamp())


# The fence, as conditions.


def test_a_run_is_open_for_its_own_execution_until_it_has_its_outcome(table: HistoryTable) -> None:
    check = table.open_check("run-1", RUN.execution_arn)
    assert not holds(table, check)
    begun(table)
    assert holds(table, check)
    assert not holds(table, table.open_check("run-1", RUN.execution_arn + "-forged"))
    table.close_run(replace(RUN, outcome="FAILED", ended_at=NOON.isoformat()), [])
    assert not holds(table, check)


def test_a_run_is_its_models_while_it_holds_the_lock(table: HistoryTable) -> None:
    assert not holds(table, table.active_check("churn", "run-1"))
    begun(table)
    assert holds(table, table.active_check("churn", "run-1"))
    assert not holds(table, table.active_check("churn", "run-2"))


@pytest.mark.parametrize("scope", ["global", "model:churn", "source:alarm"])
def test_a_switch_over_the_loop_the_model_or_the_source_fails_a_transaction(scope: str, table: HistoryTable) -> None:
    table.throw_switch(KillSwitch("model:fraud", "ana", "Elsewhere.", NOON.isoformat()))
    assert holds(table, *table.switch_checks("churn", "alarm"))
    table.throw_switch(KillSwitch(scope, "ana", "Incident 7.", NOON.isoformat()))
    assert not holds(table, *table.switch_checks("churn", "alarm"))


# Intentions.


def test_an_intention_is_opened_by_one_run_at_a_time_and_anew_by_its_own(table: HistoryTable) -> None:
    assert table.intention(INTENTION.subject) is None
    assert holds(table, table.intention_write(INTENTION))
    assert table.intention(INTENTION.subject) == INTENTION
    assert not holds(table, table.intention_write(replace(INTENTION, run_id="run-2")))
    later = replace(INTENTION, settles_at=(NOON + timedelta(minutes=2)).isoformat())
    assert holds(table, table.intention_write(later))
    assert table.intention(INTENTION.subject) == later


def test_an_intention_is_abandoned_and_ended_by_its_own_run_only(table: HistoryTable) -> None:
    table._write(table.intention_write(INTENTION))
    assert not holds(table, table.abandon_intention(INTENTION.subject, "run-2"))
    assert holds(table, table.abandon_intention(INTENTION.subject, "run-1"))
    assert table.intention(INTENTION.subject) == replace(INTENTION, state=IntentionState.ABANDONED)
    assert not table.end_intention(INTENTION.subject, "run-2")
    assert holds(table, table.ended_intention(INTENTION.subject, "run-1"))
    assert table.intention(INTENTION.subject) is None
    assert table.end_intention(INTENTION.subject, "run-1")


def test_an_intention_that_was_never_opened_is_not_abandoned_into_being(table: HistoryTable) -> None:
    assert not holds(table, table.abandon_intention(INTENTION.subject, "run-1"))
    assert table.intention(INTENTION.subject) is None


# Slots.


def test_the_ledger_is_written_only_over_the_version_that_was_read_and_takes_its_holders_out_of_the_queue(
    table: HistoryTable,
) -> None:
    waiters = [Waiter(f"run-{number}", "churn", f"t-{number}", ("alarm",)) for number in (1, 0)]
    for waiter in waiters:
        assert table._write(table.queue_write(waiter))
    assert list(table.queue()) == waiters[::-1]
    assert table.slots() == SlotLedger()
    ledger, granted = grant(table.slots(), table.queue(), limit=1, now="t", paused=lambda _: False)
    assert table.save_slots(ledger, granted, [table.due_write(LOOK)])
    assert not table.save_slots(ledger, ())
    assert table.slots() == replace(ledger, version=1)
    assert list(table.queue()) == [waiters[0]]
    read = table.slots()
    assert table.save_slots(read, ())
    assert not table.save_slots(read, ())
    assert table.slots().version == 2


def test_nobody_is_granted_a_slot_who_has_left_the_queue(table: HistoryTable) -> None:
    waiter = Waiter("run-1", "churn", "t")
    table._write(table.queue_write(waiter))
    ledger, granted = grant(table.slots(), table.queue(), limit=1, now="t", paused=lambda _: False)
    for _ in range(2):
        table.leave_queue(waiter)
    assert not table.save_slots(ledger, granted)
    assert table.slots() == SlotLedger()


@pytest.mark.parametrize("waiting", [NEAR - 1, NEAR, NEAR + 1, 3 * NEAR])
def test_the_queue_is_whole_and_in_its_order_however_it_is_read(waiting: int, table: HistoryTable) -> None:
    waiters = [Waiter(f"run-{number}", "churn", f"t-{number:03}") for number in range(waiting)]
    table.add_all_due([])
    for waiter in waiters:
        table._write(table.queue_write(waiter))
    assert list(table.queue()) == waiters
    assert table.first_in_queue() == waiters[0]
    assert table.last_in_queue() == waiters[-1]


def test_nobody_is_first_in_an_empty_queue(table: HistoryTable) -> None:
    assert (table.first_in_queue(), list(table.queue())) == (None, [])


# Waits.


@pytest.mark.parametrize("kind", [kind for kind in WaitKind if kind is not WaitKind.APPROVAL])
def test_a_wait_is_parked_resolved_once_and_keeps_its_result_without_its_token(
    kind: WaitKind, table: HistoryTable
) -> None:
    parked = wait(kind, data={"names": ["job:x", "endpoint:y"]})
    assert table.park(parked, LOOK, parked.data["names"]) is None
    assert table.wait("run-1", kind) == table.wait_by_id(parked.wait_id) == parked
    assert table.waiting_for("job:x") == table.waiting_for("endpoint:y") == [parked.wait_id]
    first, second = Result(Next.EVALUATE, "first"), Result(Next.RECORD, "second", Status.FAILED)
    assert table.resolve_wait(settled(parked, first), LOOK)
    assert not table.resolve_wait(settled(parked, second), LADDER)
    for _ in range(2):
        table.finish_wait(replace(parked, state=WaitState.RESOLVED), at=NOON.isoformat(), delivered=True)
    kept = table.wait("run-1", kind)
    assert kept == replace(parked, state=WaitState.RESOLVED, result=first, token=None)
    assert kept is not None
    assert kept.answered
    assert table.waiting_for("job:x") == table.waiting_for("endpoint:y") == []
    assert table.due_items() == [LOOK]


def test_a_wait_is_parked_once_and_only_with_what_it_stands_on(table: HistoryTable) -> None:
    begun(table)
    refused = table.park(wait(), LADDER, (), [table.open_check("run-1", "arn:forged")])
    assert refused == ["None", "ConditionalCheckFailed", "None"]
    assert table.wait("run-1", WaitKind.APPROVAL, "training") is None
    assert table.park(wait(), LADDER, (), [table.open_check("run-1", RUN.execution_arn)]) is None
    again = table.park(wait(token="token-2"), LADDER)
    assert again is not None
    assert again[0] == "ConditionalCheckFailed"
    kept = table.wait("run-1", WaitKind.APPROVAL, "training")
    assert kept is not None
    assert kept.token == "token-1"


def test_a_token_is_swapped_until_the_wait_is_resolved(table: HistoryTable) -> None:
    table.park(wait(), LADDER)
    assert table.swap_token(wait(), "token-2")
    table.resolve_wait(settled(wait(), Result(Next.TRAIN, "approved")), LADDER)
    assert not table.swap_token(wait(), "token-3")
    kept = table.wait("run-1", WaitKind.APPROVAL, "training")
    assert kept is not None
    assert kept.token == "token-2"


def test_a_wait_that_is_not_there_is_neither_resolved_nor_changed_nor_given_a_token(table: HistoryTable) -> None:
    assert not table.resolve_wait(settled(wait(), Result(Next.TRAIN, "approved")), LADDER)
    assert not table.swap_token(wait(), "token-2")
    assert not table.change_wait(wait(), wait(step=1))
    assert not table.change_wait(wait(), wait(step=1), [table.due_write(LOOK)])
    assert (table.waits_of_run("run-1"), table.due_items()) == ([], [])


def test_of_two_changes_to_a_wait_the_second_does_not_write_over_the_first(table: HistoryTable) -> None:
    table.park(wait(), LADDER)
    assert table.change_wait(wait(), wait(step=1, deadline="later"))
    assert not table.change_wait(wait(), wait(step=2))
    kept = table.wait("run-1", WaitKind.APPROVAL, "training")
    assert kept == wait(step=1, deadline="later", revision=1)
    assert table.change_wait(kept, replace(kept, step=2), [table.due_write(LOOK)])
    over = table.wait("run-1", WaitKind.APPROVAL, "training")
    assert over is not None
    decided = replace(over, state=WaitState.RESOLVED, result=Result(Next.TRAIN, "approved"))
    assert table.change_wait(over, decided)
    assert not table.change_wait(decided, replace(decided, step=3))
    assert table.wait("run-1", WaitKind.APPROVAL, "training") == replace(decided, revision=3)


def test_the_waits_of_a_run_are_all_found_and_those_people_see_have_no_token(table: HistoryTable) -> None:
    table.park(wait(), LADDER)
    table.park(wait(WaitKind.TRAINING), LOOK)
    table.resolve_wait(settled(wait(WaitKind.TRAINING), Result(Next.EVALUATE, "over")), LOOK)
    assert {found.wait_id for found in table.waits_of_run("run-1")} == {"run-1:training", "run-1:approval:training"}
    assert table.waits_without_tokens() == [wait(token=None)]


# What is due.


def test_due_items_come_by_time_from_every_partition_and_move_and_go(table: HistoryTable) -> None:
    items = [due(DueKind.LOOK, f"run-{number}:slot", f"model-{number}", NOON, n=number) for number in range(20)]
    for item in [*items, LADDER]:
        table.add_due(item)
    found = list(table.due_until(NOON))
    assert sorted(found, key=lambda item: item.model) == sorted(items, key=lambda item: item.model)
    assert table.approvals_due(9) == [LADDER]
    table.done(items[0])
    table.done(items[0])
    moved = replace(items[1], due_at=(NOON + timedelta(hours=1)).isoformat(), attempts=2)
    table.move_due(items[1], moved)
    table.move_due(items[0], replace(items[0], due_at=moved.due_at))
    table.move_due(items[2], replace(items[2], attempts=4))
    assert len(list(table.due_until(NOON))) == 18
    assert moved in table.due_items()
    assert replace(items[2], attempts=4) in table.due_items()
    assert all(item.subject != items[0].subject for item in table.due_items())


def test_many_items_are_written_a_hundred_at_a_time_and_again_without_a_trace(world: World) -> None:
    items = [due(DueKind.LOOK, f"run-{number}:slot", "churn", NOON) for number in range(201)]
    for _ in range(2):
        world.outside.live()
        world.table.add_all_due(items)
        assert len(world.outside.calls) == 3
    found = world.table.due_items()
    assert sorted(found, key=lambda item: item.subject) == sorted(items, key=lambda item: item.subject)


def test_many_items_of_which_one_is_being_written_are_written_again_by_who_asked(world: World) -> None:
    world.database.conflict_at(1)
    with pytest.raises(ContentionError):
        world.table.add_all_due([LOOK])
    world.table.add_all_due([LOOK])
    assert world.table.due_items() == [LOOK]


def test_what_was_heard_is_found_by_its_names(table: HistoryTable) -> None:
    heard = [Heard.alarm("drift/a#b", "t"), Heard.job("monitor-1")]
    for each in heard:
        table._write(table.heard_write(each, at=NOON))
    names = ["job:monitor-1", "job:monitor-2", "alarm:drift/a#b"]
    assert table.heard([*names, *names]) == {each.name: each for each in heard}
    assert table.heard([]) == {}
    again = Heard.alarm("drift/a#b", "t2")
    table._write(table.heard_write(again, at=NOON))
    assert table.heard([again.name]) == {again.name: again}


def test_what_was_heard_of_many_names_is_asked_for_a_hundred_at_a_time(world: World) -> None:
    world.table._write(world.table.heard_write(Heard.job("150"), at=NOON))
    world.outside.live()
    assert world.table.heard([f"job:{number}" for number in range(201)]) == {"job:150": Heard.job("150")}
    assert world.outside.calls == ["TransactGetItems"] * 3


@pytest.mark.parametrize("why", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_read_that_dynamodb_cancels_for_a_moment_is_tried_again_like_a_write(
    why: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred models that speak at once; as an error of no known name it would end their executions."""
    error: Any = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": "None"}, {"Code": why}],
    }

    def cancelled(**_: Any) -> NoReturn:
        raise TransactionCanceledException(error, "TransactGetItems")

    monkeypatch.setattr(world.database, "transact_get_items", cancelled)
    with pytest.raises(ContentionError, match="Try again"):
        world.table.known("signal", "fraud")


def test_what_is_just_being_heard_is_asked_for_again(world: World) -> None:
    heard = Heard.job("monitor-1")
    found: list[Any] = []

    def meanwhile(_: str) -> None:
        with pytest.raises(ContentionError):
            world.table.heard([heard.name])
        found.append(world.table.heard(["job:other"]))

    world.database.between = meanwhile
    world.table._transact([world.table.heard_write(heard, at=NOON)])
    assert (found, world.table.heard([heard.name])) == ([{}], {heard.name: heard})


def test_what_was_heard_is_forgotten_after_it_could_be_listed(table: HistoryTable, dynamodb: Any) -> None:
    table._write(table.heard_write(Heard.job("monitor-1"), at=NOON))
    key = {"pk": {"S": "HEARD#job:monitor-1"}, "sk": {"S": "HEARD"}}
    item = dynamodb.get_item(TableName="history", Key=key)["Item"]
    assert int(item["expires_at"]["N"]) == int((NOON + timedelta(days=90)).timestamp())
    assert EVENT_MEMORY > FIRST


def test_how_far_a_listing_came_is_remembered_with_what_follows(table: HistoryTable) -> None:
    assert table.listed() == {}
    table.note_listed("alarms", {"until": "t"}, [LOOK])
    assert table.listed() == {"alarms": {"until": "t"}}
    assert table.due_items() == [LOOK]


# Kill switches and policies.


def test_a_watch_is_begun_once_and_written_only_over_the_one_that_was_read(table: HistoryTable) -> None:
    watch = Watch("churn", NOON.isoformat(), 24.0, "w-1")
    heard = replace(watch, since=(NOON + timedelta(hours=1)).isoformat(), watch_id="w-2")
    assert table.keep_watch(watch, None, [table.due_write(LOOK)])
    assert not table.keep_watch(heard, None, [table.due_write(LADDER)])
    assert not table.keep_watch(heard, replace(watch, watch_id="w-0"), [])
    assert not table.keep_watch(heard, replace(watch, since=heard.since), [])
    assert table.watch("churn") == watch
    assert table.due_items() == [LOOK]
    assert table.keep_watch(heard, watch, [])
    assert table.watch("churn") == heard


def test_what_a_run_made_is_held_until_its_removal_begins_and_remembered_after_it(table: HistoryTable) -> None:
    made = Made("run-1", "churn", "churn-prod-run-1")

    def held() -> bool:
        return table._transact([table.made_check("churn", "run-1")]) is None

    # A run of an earlier release noted nothing.
    assert held()
    table._write(table.made_write(made))
    assert (table.made("churn"), held()) == ([made], True)
    assert table.begin_removing([made], [])
    assert not held()
    assert table.begin_removing([], [], [made])
    assert held()
    table.note_removed(made, NOON)
    assert table.made("churn") == [replace(made, removing=True, removed_at=NOON.isoformat())]
    assert not held()


def test_a_switch_is_thrown_once_and_lifted_once_with_what_must_follow(table: HistoryTable) -> None:
    switch = KillSwitch("model:churn", "ana", "Migration.", NOON.isoformat())
    assert table.throw_switch(switch, [table.due_write(LOOK)])
    assert not table.throw_switch(replace(switch, by="ben"), [table.due_write(LADDER)])
    assert table.kill_switches() == (switch,)
    assert table.lift_switch("model:churn")
    assert not table.lift_switch("model:churn")
    assert table.kill_switches() == ()
    assert table.due_items() == [LOOK]


@pytest.mark.parametrize("body", [b'{"a": 1}', b"\xef\xbb\xbf{}", b'json:{"a": 1}', "{größe}".encode()])
def test_the_last_good_policy_is_kept_as_it_was_but_for_a_byte_order_mark(table: HistoryTable, body: bytes) -> None:
    assert table.good_policy("churn") is None
    table.keep_good_policy("churn", "v1", b"old")
    table.keep_good_policy("churn", "v2", body)
    assert table.good_policy("churn") == ("v2", body.removeprefix(b"\xef\xbb\xbf"))


# Writes that meet another.

ONCE: dict[str, Callable[[HistoryTable], object]] = {
    "a status": lambda table: table.add_status("run-1", DECIDED),
    "a verdict": lambda table: table.store_candidate_verdict(
        "run-1", CandidateVerdict(Result(Next.RECORD, "no"), {}), []
    ),
    "a switch": lambda table: table.throw_switch(KillSwitch("global", "ana", "r", "t")),
    "a result": lambda table: table.resolve_wait(settled(wait(), Result(Next.TRAIN, "yes")), LADDER),
}


@pytest.mark.parametrize("write", ONCE)
def test_a_write_that_comes_once_and_meets_another_is_not_taken_for_made(write: str, world: World) -> None:
    world.table.park(wait(), LADDER)
    world.database.conflict_at(1)
    with pytest.raises(ContentionError):
        ONCE[write](world.table)
    assert ONCE[write](world.table) is True
    assert ONCE[write](world.table) is False


def test_a_single_write_that_meets_a_transaction_raises_what_is_tried_again(world: World) -> None:
    world.table.park(wait(), LADDER)
    world.database.conflict_at(1)
    with pytest.raises(ClientError, match="TransactionConflictException"):
        world.table.swap_token(wait(), "token-2")
    assert world.table.swap_token(wait(), "token-2")


def test_what_memory_takes_moto_takes_and_refuses_alike(table: HistoryTable, world: World) -> None:
    """The table in memory stands for DynamoDB in every other test."""

    def story(store: HistoryTable) -> list[Any]:
        begun(store)
        parked = wait(WaitKind.TRAINING, data={"names": ["job:x"]})
        seen: list[Any] = [
            store.park(parked, LOOK, ["job:x"], [store.active_check("churn", "run-2")]),
            store.park(parked, LOOK, ["job:x"], [store.active_check("churn", "run-1")]),
            store.swap_token(parked, "token-2"),
            store.change_wait(parked, replace(parked, step=1)),
            store.change_wait(parked, replace(parked, step=2)),
            store.resolve_wait(settled(parked, Result(Next.EVALUATE, "over")), LOOK),
            store.end_intention(INTENTION.subject, "run-1"),
            store._write(store.intention_write(INTENTION)),
            store.end_intention(INTENTION.subject, "run-2"),
            store.waits_without_tokens(),
            store.runs_of_model("churn", limit=1),
            store.statuses("run-1"),
        ]
        store.finish_wait(replace(parked, state=WaitState.RESOLVED), at="t", delivered=False)
        return [*seen, store.waits_of_run("run-1"), store.due_items(), list(store.due_until(NOON)), store.models()]

    assert story(world.table) == story(table)
