"""The table: every write is conditional, so a retry or a rival changes nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.contracts import Status, WaitKind
from orchestration.domain.switches import KillSwitch
from orchestration.domain.slots import SlotLedger, enqueue, grant
from orchestration.stores.table_dynamodb import (
    Commit,
    SeenSignal,
    StoredModel,
    StoredRun,
    Wait,
    from_item,
    to_item,
)
from tests.unit.fakes import NOON, World, execution_arn

SEEN = SeenSignal("s" * 32, "run-1", "decisions/churn/x.json", '{"a":1}', '{"b":2}', told=True)
RUN = StoredRun("run-1", "churn", NOON.isoformat(), execution_arn("run-1"), '{"m":1}', '{"r":1}', "critical")
MODEL = StoredModel(
    "churn", chain_sequence=1, chain_head="1" * 64, run_starts=(NOON.isoformat(),), active_run_id="run-1"
)


def wait(**fields: Any) -> Wait:
    values: dict[str, Any] = {
        "wait_id": "run-1:approval:training",
        "kind": WaitKind.APPROVAL,
        "subject": "training",
        "run_id": "run-1",
        "model": "churn",
        "token": "token-1",
        "execution_arn": execution_arn("run-1"),
        "parked_at": NOON.isoformat(),
        "deadline": (NOON + timedelta(hours=24)).isoformat(),
        "next_step_at": NOON.isoformat(),
        "step": 0,
        "state": Wait.PARKED,
        "data": {"approvals": [], "why": "json:[1"},
    }
    return Wait(**{**values, **fields})


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


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from("abcdef"), scalars | st.lists(nested) | st.dictionaries(st.text(), nested)))
def test_what_is_stored_comes_back_as_it_was(values: dict[str, Any]) -> None:
    assert from_item(to_item(values)) == values


def test_none_is_left_out_and_a_tuple_comes_back_as_a_list() -> None:
    assert from_item(to_item({"a": None, "b": ("x", 1)})) == {"b": ["x", 1]}


# Decisions.


def test_a_decision_its_state_and_its_run_are_written_together(world: World) -> None:
    assert world.table.commit_decision(MODEL, SEEN, RUN, now=NOON) is Commit.DONE
    assert world.table.model("churn") == replace(MODEL, version=1)
    assert world.table.signal(SEEN.signal_id) == SEEN
    assert world.table.run("run-1") == RUN
    assert [run["run_id"] for run in world.table.active_runs()] == ["run-1"]
    assert [row["status"] for row in world.table.statuses("run-1")] == ["RETRAINING_DECIDED"]
    assert [run["run_id"] for run in world.table.runs_of_model("churn")] == ["run-1"]
    assert world.table.models() == ["churn"]


def test_a_signal_that_was_decided_is_a_duplicate_and_changes_nothing(world: World) -> None:
    world.table.commit_decision(MODEL, SEEN, RUN, now=NOON)
    again = replace(MODEL, version=1, fruitless_runs=9)
    other = replace(RUN, run_id="run-2")
    assert world.table.commit_decision(again, replace(SEEN, run_id="run-2"), other, now=NOON) is Commit.DUPLICATE
    assert world.table.model("churn").fruitless_runs == 0
    assert world.table.run("run-2") is None
    assert len(world.table.active_runs()) == 1


def test_a_state_that_somebody_else_wrote_is_a_conflict_and_changes_nothing(world: World) -> None:
    world.table.commit_decision(MODEL, SEEN, None, now=NOON)
    other = replace(SEEN, signal_id="t" * 32)
    assert world.table.commit_decision(MODEL, other, RUN, now=NOON) is Commit.CONFLICT
    assert world.table.signal("t" * 32) is None
    assert world.table.run("run-1") is None


def test_a_models_state_is_written_only_over_the_version_that_was_read(world: World) -> None:
    assert world.table.model("churn") == StoredModel("churn")
    assert world.table.save_model(StoredModel("churn", fruitless_runs=1))
    assert not world.table.save_model(StoredModel("churn", fruitless_runs=2))
    read = world.table.model("churn")
    assert world.table.save_model(replace(read, fruitless_runs=3))
    assert not world.table.save_model(replace(read, fruitless_runs=4))
    assert (world.table.model("churn").version, world.table.model("churn").fruitless_runs) == (2, 3)


def test_a_reason_that_looks_like_json_is_a_reason(world: World) -> None:
    world.table.save_model(StoredModel("churn", frozen_reason="json:{broken", pending={"count": 1, "signal": {}}))
    read = world.table.model("churn")
    assert (read.frozen_reason, read.pending) == ("json:{broken", {"count": 1, "signal": {}})


def test_the_table_remembers_a_signal_for_ninety_days(world: World) -> None:
    world.table.commit_decision(MODEL, SEEN, None, now=NOON)
    key = {"pk": {"S": f"SIGNAL#{SEEN.signal_id}"}, "sk": {"S": "SIGNAL"}}
    item = world.cloud.dynamodb.get_item(TableName=world.table_name, Key=key)["Item"]
    assert int(item["expires_at"]["N"]) == int((NOON + timedelta(days=90)).timestamp())


# Runs.


def test_a_run_is_closed_once(world: World) -> None:
    world.table.commit_decision(MODEL, SEEN, RUN, now=NOON)
    closed = replace(RUN, outcome="PROMOTED", reason="Better.", ended_at=NOON.isoformat())
    assert world.table.close_run(replace(world.table.model("churn"), active_run_id=None), closed)
    assert not world.table.close_run(world.table.model("churn"), replace(closed, outcome="FAILED"))
    assert world.table.run("run-1") == closed
    assert world.table.active_runs() == []
    assert world.table.model("churn").active_run_id is None
    assert [row["status"] for row in world.table.statuses("run-1")] == ["RETRAINING_DECIDED", "PROMOTED"]
    assert world.table.runs_of_model("churn")[0]["outcome"] == "PROMOTED"


def test_a_run_is_not_closed_over_a_state_that_somebody_else_wrote(world: World) -> None:
    world.table.commit_decision(MODEL, SEEN, RUN, now=NOON)
    stale = world.table.model("churn")
    world.table.save_model(stale)
    assert not world.table.close_run(stale, replace(RUN, outcome="PROMOTED", ended_at=NOON.isoformat()))
    run = world.table.run("run-1")
    assert run is not None
    assert run.outcome is None
    assert len(world.table.active_runs()) == 1


def test_a_run_that_never_was_is_not_closed(world: World) -> None:
    assert not world.table.close_run(StoredModel("churn"), replace(RUN, outcome="FAILED", ended_at=NOON.isoformat()))
    assert world.table.run("run-1") is None


def test_a_status_is_appended_once_and_statuses_come_in_the_order_of_a_runs_life(world: World) -> None:
    for status in (Status.TRAINING_STARTED, Status.TRAINING_QUEUED, Status.RETRAINING_DECIDED):
        assert world.table.add_status("run-1", status, NOON.isoformat(), {"sentence": str(status)})
    assert not world.table.add_status("run-1", Status.TRAINING_STARTED, "later", {"sentence": "again"})
    rows = world.table.statuses("run-1")
    assert [row["status"] for row in rows] == ["RETRAINING_DECIDED", "TRAINING_QUEUED", "TRAINING_STARTED"]
    assert rows[2]["details"] == {"sentence": "TRAINING_STARTED"}
    world.table.mark_told("run-1", Status.TRAINING_STARTED)
    assert [row.get("told") for row in world.table.statuses("run-1")] == [None, None, True]


# Slots.


def test_the_ledger_is_written_only_over_the_version_that_was_read(world: World) -> None:
    ledger = world.table.slots()
    assert ledger == SlotLedger()
    first, _ = grant(enqueue(ledger, run_id="run-1", model="churn", now="t"), limit=1, now="t")
    rival = enqueue(ledger, run_id="run-2", model="fraud", now="t")
    assert world.table.save_slots(first)
    assert not world.table.save_slots(rival)
    read = world.table.slots()
    assert read == replace(first, version=1)
    assert world.table.save_slots(enqueue(read, run_id="run-2", model="fraud", now="t"))
    assert not world.table.save_slots(read)
    assert [waiter.run_id for waiter in world.table.slots().waiters] == ["run-2"]


# Waits.


def test_a_wait_is_parked_resolved_once_and_kept_without_its_token(world: World) -> None:
    parked = wait()
    assert world.table.park(parked)
    assert world.table.wait(parked.wait_id) == parked
    assert world.table.resolve_wait(parked, {"decision": "REJECTED"})
    assert not world.table.resolve_wait(parked, {"decision": "APPROVED"})
    resolved = world.table.wait(parked.wait_id)
    assert resolved == replace(parked, state=Wait.RESOLVED, result={"decision": "REJECTED"})
    for _ in range(2):
        world.table.finish_wait(parked, {"decision": "REJECTED"}, at=NOON.isoformat(), delivered=True)
    assert world.table.wait(parked.wait_id) is None
    assert world.table.waits() == []
    kept = world.table.finished_wait("run-1", parked.wait_id)
    assert kept is not None
    assert kept["result"] == {"decision": "REJECTED"}
    assert "token-1" not in str(kept)


def test_a_retried_wait_replaces_its_token_until_it_is_resolved(world: World) -> None:
    world.table.park(wait())
    assert world.table.park(wait(token="token-2"))
    (parked,) = world.table.waits()
    assert parked.token == "token-2"
    world.table.resolve_wait(parked, {"decision": "APPROVED"})
    assert not world.table.park(wait(token="token-3"))
    assert world.table.waits()[0].token == "token-2"


def test_a_wait_that_is_gone_is_not_resolved(world: World) -> None:
    assert not world.table.resolve_wait(wait(), {"decision": "APPROVED"})
    assert world.table.waits() == []


# Kill switches and policies.


def test_a_switch_is_thrown_once_and_lifted_once(world: World) -> None:
    switch = KillSwitch("model:churn", "ana", "Migration.", NOON.isoformat())
    assert world.table.throw_switch(switch)
    assert not world.table.throw_switch(replace(switch, by="ben"))
    assert world.table.kill_switches() == (switch,)
    assert world.table.lift_switch("model:churn")
    assert not world.table.lift_switch("model:churn")
    assert world.table.kill_switches() == ()


@pytest.mark.parametrize("body", [b'{"a": 1}', b"\xef\xbb\xbf{}", b'json:{"a": 1}', "{größe}".encode()])
def test_the_last_good_policy_is_kept_as_it_was_but_for_a_byte_order_mark(world: World, body: bytes) -> None:
    assert world.table.good_policy("churn") is None
    world.table.keep_good_policy("churn", "v1", b"old")
    world.table.keep_good_policy("churn", "v2", body)
    assert world.table.good_policy("churn") == ("v2", body.removeprefix(b"\xef\xbb\xbf"))
