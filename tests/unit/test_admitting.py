"""What one decision reads, writes and answers, each rule of it by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration.domain.contracts import DueKind
from orchestration.domain.switches import KillSwitch
from orchestration.stores.models import Commit
from tests.unit.fakes import NOON, World, drift, event
from tests.unit.stories import do
from tests.unit.test_due import KEPT

AT = NOON.isoformat()
HOUR = timedelta(hours=1)


def stored(world: World, model: str = "churn", **state: Any) -> None:
    assert world.table.save_model(replace(world.table.model(model), **state))


def asked(model: str = "churn", run_id: str = "run-r", **detail: Any) -> dict[str, Any]:
    """A person's request, which is no drift."""
    return {
        "source": "mlops.drift",
        "detail-type": "Retraining Requested",
        "id": run_id,
        "time": AT,
        "detail": {"model": model, "reason": "New data.", "requested_by": "ana", **detail},
    }


def pending(model: str = "churn") -> dict[str, Any]:
    return {
        "source": "mlops.retraining",
        "detail-type": "Pending Signal Due",
        "time": AT,
        "detail": {"model": model, "count": 2},
    }


def admitted(world: World, event: Any, run_id: str = "run-1") -> str:
    return str(do(world, "admit", run_id, event=event)["decision"])


# What is read.


def test_a_decision_is_made_on_all_that_is_kept_of_its_model(world: World) -> None:
    starts = ((NOON - HOUR).isoformat(), AT)
    stored(world, run_starts=starts, fruitless_runs=2, frozen_reason="3 runs.", promoted_at=AT)
    assert admitted(world, drift()) == "HOLD"
    (record,) = world.chain("churn")
    state = record["inputs"]["state"]
    assert (state["run_starts"], state["fruitless_runs"]) == (list(starts), 2)
    assert (state["frozen_reason"], state["promoted_at"]) == ("3 runs.", AT)
    assert world.table.model("churn").frozen_reason == "3 runs."


# What is written.


def test_a_decision_whose_own_write_looked_like_a_rivals_is_found_and_not_called_a_duplicate(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = world.table.commit_decision

    def lost(*given: Any, **named: Any) -> Commit:
        assert commit(*given, **named) is Commit.DONE
        monkeypatch.setattr(world.table, "commit_decision", commit)
        return Commit.CONFLICT

    monkeypatch.setattr(world.table, "commit_decision", lost)
    assert admitted(world, drift()) == "RETRAIN"
    assert len(world.chain("churn")) == 1


def test_a_run_takes_what_waited_with_it(world: World) -> None:
    stored(world, pending=KEPT)
    assert admitted(world, drift()) == "RETRAIN"
    assert world.table.model("churn").pending is None
    assert world.due(DueKind.PENDING) == []


def test_a_signal_that_is_kept_is_due_once_however_many_join_it(world: World) -> None:
    assert admitted(world, drift()) == "RETRAIN"
    assert world.due(DueKind.PENDING) == []
    for number in (2, 3):
        world.clock.forward(minutes=number)
        assert admitted(world, drift(dedupe_key=str(number)), f"run-{number}") == "COALESCE"
        assert len(world.due(DueKind.PENDING)) == 1
    kept = world.table.model("churn").pending
    assert kept is not None
    assert kept["count"] == 2


@pytest.mark.parametrize(("event", "kept"), [(drift(dedupe_key="2"), True), (asked(), False)])
def test_only_what_speaks_against_the_model_is_kept_as_drift(event: Any, kept: bool, world: World) -> None:
    admitted(world, drift())
    assert admitted(world, event, "run-2") == "COALESCE"
    assert ("drift" in (world.table.model("churn").pending or {})) == kept


@pytest.mark.parametrize("listed", [True, False])
def test_what_a_monitor_is_only_said_to_have_found_is_not_kept_as_drift(listed: bool, world: World) -> None:
    finished = event("model_monitor/drifted")
    job = finished["detail"]
    (output,) = job["ProcessingOutputConfig"]["Outputs"]
    drifted = {"constraint_check_type": "drift", "feature_name": "age", "description": "0.9 exceeds threshold: 0.1"}
    world.bucket.put(
        f"{output['S3Output']['S3Uri']}/constraint_violations.json", json.dumps({"violations": [drifted]}).encode()
    )
    world.sagemaker.serve("churn-prod", "churn-1")
    world.sagemaker.run_schedule(job)
    if not listed:
        world.sagemaker.monitor_runs.clear()
    admitted(world, drift())
    assert admitted(world, finished, "run-2") == "COALESCE"
    assert ("drift" in (world.table.model("churn").pending or {})) == listed


@pytest.mark.parametrize(("needed", "decision", "kind"), [(0.99, "COALESCE", "drift"), (0.999, "HOLD", "data_quality")])
def test_drift_beside_broken_data_that_the_policy_tolerates_is_recorded_and_kept_as_drift(
    needed: float, decision: str, kind: str, world: World
) -> None:
    finished = event("model_monitor/drifted")
    (output,) = finished["detail"]["ProcessingOutputConfig"]["Outputs"]
    types = {"constraint_check_type": "data_type_check", "description": "Observed: Only 99.6% of data is Integral."}
    drifted = {"constraint_check_type": "drift", "feature_name": "age", "description": "0.9 exceeds threshold: 0.1"}
    world.bucket.put(
        f"{output['S3Output']['S3Uri']}/constraint_violations.json",
        json.dumps({"violations": [types, drifted]}).encode(),
    )
    world.put("policies/churn.json", {"schema_version": 1, "model": "churn", "data_quality": {"data_type": needed}})
    world.sagemaker.serve("churn-prod", "churn-1")
    world.sagemaker.run_schedule(finished["detail"])
    admitted(world, drift())
    assert admitted(world, finished, "run-2") == decision
    record = world.chain("churn")[-1]
    assert (record["signal"]["kind"], record["severity"]) == (kind, "critical")
    assert record["signal"]["data_checks"] == [{"check": "data_type_check", "violations": 1, "worst": 0.996}]
    assert record["inputs"]["policy"]["effective"]["hold_on_data_quality"] == {"data_type_check": needed}
    assert ("drift" in (world.table.model("churn").pending or {})) == (kind == "drift")


@pytest.mark.parametrize(
    ("state", "scope", "decision", "waits"),
    [
        ({}, None, "RETRAIN", False),
        ({}, "model:churn", "HOLD", True),
        ({"active_run_id": "run-7"}, None, "COALESCE", True),
        ({"frozen_reason": "3 runs."}, None, "HOLD", False),
    ],
)
def test_a_signal_that_comes_back_waits_on_only_for_a_run_or_a_switch(
    state: dict[str, Any], scope: str | None, decision: str, waits: bool, world: World
) -> None:
    stored(world, pending=KEPT, **state)
    if scope:
        world.table.throw_switch(KillSwitch(scope, "ana", "Incident 7.", AT))
    assert admitted(world, pending()) == decision
    assert world.table.model("churn").pending == (KEPT if waits else None)


def test_another_signal_leaves_what_waits_as_it_is(world: World) -> None:
    stored(world, pending=KEPT)
    assert admitted(world, drift(observed=0.1)) == "OBSERVE"
    assert world.table.model("churn").pending == KEPT


@pytest.mark.parametrize("scope", ["source:drift_report", "source:pending"])
def test_a_switch_over_who_raised_what_waited_is_met_as_its_run_begins(scope: str, world: World) -> None:
    stored(world, pending=KEPT)
    switch = KillSwitch(scope, "ana", "Incident 7.", AT)
    world.outside.meanwhile("TransactWriteItems", lambda: world.table.throw_switch(switch))
    assert admitted(world, pending()) == "HOLD"


@pytest.mark.parametrize(("model", "chain"), [("churn", "churn"), ("risk", "_unattributed")])
def test_a_name_that_only_a_sender_knows_begins_no_chain(model: str, chain: str, world: World) -> None:
    assert admitted(world, drift(model, observed=None, threshold=None)) == "REJECT"
    (record,) = world.chain(chain)
    assert (record["reason"], record["model"]) == ("NO_MEASUREMENT", model if model == chain else None)


# What people hear of holds.


@pytest.mark.parametrize(
    ("reason", "ago", "told"),
    [
        ("FROZEN", timedelta(hours=24) - timedelta(seconds=1), False),
        ("FROZEN", timedelta(hours=24), True),
        ("FROZEN", None, True),
        ("PAUSED", HOUR, True),
        (None, None, True),
    ],
)
def test_a_hold_is_told_once_a_day_for_each_reason(
    reason: str | None, ago: timedelta | None, told: bool, world: World
) -> None:
    at = None if ago is None else (NOON - ago).isoformat()
    stored(world, frozen_reason="3 runs.", told_reason=reason, told_at=at)
    assert admitted(world, drift()) == "HOLD"
    assert world.chain("churn")[0]["reason"] == "FROZEN"
    assert bool(world.told("HOLD")) == told
    state = world.table.model("churn")
    assert (state.told_reason, state.told_at) == (("FROZEN", AT) if told else (reason, at))


# What the workflow hears.


@pytest.mark.parametrize(
    ("event", "decision", "go", "required"),
    [
        (drift(), "RETRAIN", "train", "YES"),
        (drift(observed=0.1), "OBSERVE", "end", "NO"),
        (drift(model="risk"), "REJECT", "reject", "NO"),
    ],
)
def test_the_workflow_is_told_where_to_go(event: Any, decision: str, go: str, required: str, world: World) -> None:
    answer = do(world, "admit", event=event)
    assert (answer["decision"], answer["next"]) == (decision, go)
    assert answer["run"]["approval_needed"] is False
    assert answer["output"]["retraining_required"] == required


# What was answered.


def again(event_id: str, **detail: Any) -> dict[str, Any]:
    """A report that nothing but its event's id names."""
    return {**drift(**detail), "id": event_id}


def ended(world: World) -> None:
    """The run is over, and so is its cooldown."""
    stored(world, active_run_id=None, cooldown_until=None)


def test_what_is_sent_twice_under_two_ids_trains_once(world: World) -> None:
    assert admitted(world, again("one"), "run-1") == "RETRAIN"
    assert admitted(world, again("two"), "run-2") == "SKIP"
    ended(world)
    world.clock.forward(hours=5.99)
    assert admitted(world, again("three"), "run-3") == "SKIP"
    (record,) = [each for each in world.chain("churn") if each.get("run_id") == "run-3"]
    assert record["reason"] == "ANSWERED"
    assert "was said 6.0 h ago and began run run-1" in record["sentence"]
    world.clock.forward(hours=0.02)
    assert admitted(world, again("four"), "run-4") == "RETRAIN"


def test_what_was_kept_and_began_a_run_is_remembered_as_well(world: World) -> None:
    assert admitted(world, again("one", observed=0.7), "run-1") == "RETRAIN"
    assert admitted(world, again("two", observed=0.8), "run-2") == "COALESCE"
    assert admitted(world, again("three", observed=0.9), "run-3") == "COALESCE"
    ended(world)
    assert admitted(world, pending(), "run-4") == "RETRAIN"
    ended(world)
    for number, observed in enumerate((0.7, 0.8, 0.9), start=5):
        assert admitted(world, again(f"event-{number}", observed=observed), f"run-{number}") == "SKIP"


def test_what_was_kept_is_decided_whatever_its_latest_part_says(world: World) -> None:
    """A stronger signal waits, a weaker one trains beside it, and came once more meanwhile."""
    warning = {"observed": 0.25, "threshold": 0.2}
    world.put("policies/churn.json", {"schema_version": 1, "model": "churn", "approval": {"training": "never"}})
    assert admitted(world, again("one", observed=0.7), "run-1") == "RETRAIN"
    assert admitted(world, again("two", observed=0.9), "run-2") == "COALESCE"
    assert admitted(world, again("three", **warning), "run-3") == "COALESCE"
    ended(world)
    assert admitted(world, again("four", **warning), "run-4") == "RETRAIN"
    ended(world)
    assert admitted(world, pending(), "run-5") == "RETRAIN"


def test_the_same_words_after_a_promotion_began_are_about_another_model(world: World) -> None:
    assert admitted(world, again("one"), "run-1") == "RETRAIN"
    world.database.items[("STATUS#run-1", "STATUS#PROMOTION_STARTED")] = {
        "pk": {"S": "STATUS#run-1"},
        "sk": {"S": "STATUS#PROMOTION_STARTED"},
        "status": {"S": "PROMOTION_STARTED"},
        "at": {"S": AT},
    }
    assert admitted(world, again("two"), "run-2") == "COALESCE"
    (record,) = [each for each in world.chain("churn") if each.get("run_id") == "run-2"]
    assert record["inputs"]["state"]["answered"] is None


def test_of_contents_that_began_runs_the_newest_twenty_of_six_hours_are_remembered(world: World) -> None:
    world.put("policies/churn.json", {"schema_version": 1, "model": "churn", "budget": {"runs": 0}})
    for number in range(22):
        assert admitted(world, again(f"event-{number}", observed=1 + number), f"run-{number}") == "RETRAIN"
        ended(world)
        world.clock.forward(minutes=1)
    assert admitted(world, again("a", observed=1), "run-a") == "RETRAIN"
    ended(world)
    assert admitted(world, again("b", observed=22), "run-b") == "SKIP"
    assert len(world.table.model("churn").answered or {}) == 20
    world.clock.forward(hours=7)
    assert admitted(world, again("c", observed=50), "run-c") == "RETRAIN"
    assert len(world.table.model("churn").answered or {}) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"observed": 0.91},
        {"dedupe_key": "new"},
        {"dataset": {"uri": "s3://data/x", "window_end": "2026-03-02T12:00:00Z"}},
        {"note": "another"},
    ],
)
def test_what_says_anything_else_is_another_signal(more: dict[str, Any], world: World) -> None:
    assert admitted(world, again("one"), "run-1") == "RETRAIN"
    ended(world)
    assert admitted(world, again("two", **more), "run-2") == "RETRAIN"


def test_the_same_of_another_account_or_what_its_sender_names_is_no_repetition(world: World) -> None:
    assert admitted(world, again("one", dedupe_key="monday"), "run-1") == "RETRAIN"
    ended(world)
    assert admitted(world, again("two", dedupe_key="tuesday"), "run-2") == "RETRAIN"
    ended(world)
    assert admitted(world, again("three"), "run-3") == "RETRAIN"
    ended(world)
    assert admitted(world, {**again("four"), "account": "444455556666"}, "run-4") == "RETRAIN"


def test_a_request_that_is_sent_twice_under_two_ids_trains_once(world: World) -> None:
    world.put("policies/churn.json", {"schema_version": 1, "model": "churn", "approval": {"training": "never"}})
    assert admitted(world, {**asked(), "id": "one"}, "run-1") == "RETRAIN"
    ended(world)
    assert admitted(world, {**asked(), "id": "two"}, "run-2") == "SKIP"
    assert admitted(world, {**asked(dedupe_key="again"), "id": "three"}, "run-3") == "RETRAIN"
    ended(world)
    assert admitted(world, {**asked(reason="Other data."), "id": "four"}, "run-4") == "RETRAIN"
