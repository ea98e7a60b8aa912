"""Close and settle: every run gets one outcome, and leaves no lock, no slot and nobody untold, whoever dies over it."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from orchestration.actions.admit import admit
from orchestration.actions.close import close
from orchestration.actions.settle import settle
from orchestration.actions.sweep import sweep
from orchestration.domain.chain import Record, RecordKind, chained
from orchestration.domain.conclusion import Failure
from orchestration.domain.contracts import OUTCOMES, DueKind, Next, SignalKind, SignalSource, Status, WaitKind
from orchestration.domain.due import due
from orchestration.domain.errors import ContentionError, InvalidRequestError
from orchestration.domain.intention import IntentionState, endpoint_subject
from orchestration.domain.policy import parse_policy
from orchestration.domain.signal import Signal
from orchestration.domain.stored_model import EndedRun, StoredModel, after_run
from orchestration.domain.stored_run import StatusRow, StoredRun
from orchestration.domain.switches import KillSwitch
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result, Wait
from orchestration.steps import closing
from orchestration.steps.closing import close_run
from orchestration.steps.earlier_release import end_earlier_run
from orchestration.steps.facts import facts_of
from orchestration.steps.training_slots import change_slots
from tests.unit import history, stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import MACHINE, NOON, SETTINGS, ProcessDiedError, World, asking, drift, execution_arn, request
from tests.unit.stories import ENDPOINT, OLD, do, next_of

FRAUD = {"schema_version": 1, "model": "fraud"}
FAILURE = {"error": "Boom", "cause": "The end."}
POLICY = parse_policy("churn", None, version="defaults", settings=SETTINGS)


def busy(world: World) -> None:
    """One run holds the slot, another waits for it, and a third signal waits for the first run."""
    world.put("policies/fraud.json", FRAUD)
    for run_id in ("run-1", "run-2"):
        world.executions.statuses[execution_arn(run_id)] = "RUNNING"
    admit(request(drift(), "run-1"), world.ports)
    do(world, "park", "run-1", kind="slot", token="token-1")
    admit(request(drift(model="fraud", dedupe_key="fraud"), "run-2"), world.ports)
    do(world, "park", "run-2", kind="slot", token="token-2")
    assert admit(request(drift(dedupe_key="later"), "run-3"), world.ports)["decision"] == "COALESCE"
    assert list(world.executions.answers) == ["token-1"]


def test_a_process_that_dies_between_any_two_lines_of_close_leaves_one_outcome_and_nothing_behind(
    new_world: Callable[..., World],
) -> None:
    for call in itertools.count(1):
        world = new_world(cooldown_hours=0.0)
        busy(world)
        told = len(world.channels.messages)
        world.outside.die_before(call)
        done = False
        with contextlib.suppress(ProcessDiedError):
            close(asking(failure=FAILURE), world.ports)
            done = True
        world.outside.live()
        world.clock.forward(seconds=30)

        answer = close(asking(failure=FAILURE), world.ports)
        world.executions.end(execution_arn("run-1"), "FAILED")
        world.clock.forward(minutes=5)
        sweep({}, world.ports)

        where = f"died before call {call}"
        assert (answer["outcome"], answer["output"]["reason"]) == ("FAILED", "It failed with Boom: The end."), where
        run = world.table.run("run-1")
        assert run is not None
        assert (run.outcome, run.error) == ("FAILED", "Boom"), where
        assert [active["run_id"] for active in world.table.active_runs()] == ["run-2"], where
        state = world.table.model("churn")
        assert state.active_run_id is None, where
        assert state.fruitless_runs == 1, where
        assert [holder.run_id for holder in world.table.slots().holders] == ["run-2"], where
        assert sorted(world.executions.answers) == ["token-1", "token-2"], where
        assert world.versions("evidence/churn/run-1/outcome.json") == 1, where
        evidence = world.read("evidence/churn/run-1/outcome.json")
        assert (evidence["outcome"], evidence["statuses"][-1]["status"]) == ("FAILED", "FAILED"), where
        messages = [message for message in world.channels.messages[told:] if message.status == "FAILED"]
        assert messages, where
        assert messages[0].escalates, where
        assert [detail for detail in world.channels.events if detail["status"] == "FAILED"], where
        assert len(world.executions.started) == 1, where
        if done:
            return


def test_an_execution_of_the_same_name_of_a_later_state_machine_closes_no_run_of_the_one_before(world: World) -> None:
    admit(request(drift()), world.ports)
    later = replace(world.ports, settings=replace(world.settings, state_machine_arn=f"{MACHINE}-2"))
    asked = {"execution": {"id": execution_arn("run-1").replace(":retraining:", ":retraining-2:"), "name": "run-1"}}
    with pytest.raises(InvalidRequestError, match="belongs to another execution"):
        close(asked, later)
    run = world.table.run("run-1")
    assert run is not None
    assert run.outcome is None


def test_a_process_that_dies_between_any_two_lines_of_park_leaves_no_token_unanswered(
    new_world: Callable[..., World],
) -> None:
    for call in itertools.count(1):
        world = new_world()
        admit(request(drift()), world.ports)
        world.outside.die_before(call)
        done = False
        with contextlib.suppress(ProcessDiedError):
            do(world, "park", kind="slot", token="token-1")
            done = True
        world.outside.live()

        # Step Functions retries the state with a token of its own; the first one may be dead by then.
        do(world, "park", kind="slot", token="token-2")

        where = f"died before call {call}"
        assert next_of(world, "token-2") == "train", where
        assert [holder.run_id for holder in world.table.slots().holders] == ["run-1"], where
        assert list(world.table.queue()) == [], where
        assert world.table.waits_without_tokens() == [], where
        if done:
            return


@pytest.mark.parametrize("kind", ["slot", "approval"])
def test_a_run_that_is_closed_while_it_parks_leaves_no_wait_and_its_workflow_goes_to_its_end(
    kind: str, world: World
) -> None:
    stories.decided(world)
    world.outside.meanwhile("TransactWriteItems", lambda: do(world, "close", failure=FAILURE))
    with pytest.raises(ContentionError):
        do(world, "park", kind=kind, subject="training", token="token-1")
    assert do(world, "park", kind=kind, subject="training", token="token-2") == {"parked": False}
    assert next_of(world, "token-2") == "record"
    assert world.table.waits_of_run("run-1") == []
    assert list(world.table.queue()) == []


def test_a_retry_gets_the_slot_its_run_was_given_by_a_process_that_died(world: World) -> None:
    stories.decided(world)
    switch = KillSwitch("global", "ana", "Incident 7.", world.clock().isoformat())
    assert world.table.throw_switch(switch)
    do(world, "park", kind="slot", token="slot")
    world.table.lift_switch("global")
    assert [waiter.run_id for waiter in change_slots(world.ports)] == ["run-1"]
    do(world, "park", kind="slot", token="retry")
    assert next_of(world, "retry") == "train"


def test_a_bake_of_a_minute_is_looked_at_when_it_is_over(world: World) -> None:
    stories.baking(world, promotion={**stories.POLICY["promotion"], "bake_minutes": 1})
    assert (world.clock() + timedelta(minutes=1)).isoformat() in {item.due_at for item in world.due(DueKind.LOOK)}
    world.clock.forward(minutes=1)
    do(world, "sweep")
    assert next_of(world, "bake") == "finish"


def test_an_event_about_what_the_table_forgot_wakes_nobody(world: World) -> None:
    stories.training(world)
    del world.database.items["WAIT#run-1", "training"]
    assert stories.tell_ended(world, stories.training_arn()) == {"resumed": 0}


def test_who_is_next_in_the_queue_gets_the_slot_as_soon_as_it_is_free(world: World) -> None:
    busy(world)
    do(world, "close", "run-1", failure=FAILURE)
    assert next_of(world, "token-2") == "train"


def test_what_is_recorded_while_a_run_is_concluded_has_it_concluded_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict has no wait that would be seen to change: the chain's end alone tells that there is more to conclude of."""
    stories.trained(world, report={"binary_classification_metrics": {"auc": {"value": 0.5}}})
    seen: list[dict[str, Result]] = []

    def read(ports: Any, run_id: str) -> dict[str, Result]:
        seen.append(facts_of(ports, run_id))
        if len(seen) == 1:
            do(world, "evaluate")
        return seen[-1]

    monkeypatch.setattr(closing, "facts_of", read)
    do(world, "close")
    assert ["evaluation" in found for found in seen] == [False, True]
    assert world.read("evidence/fraud/run-1/outcome.json")["outcome"] == "CANDIDATE_REJECTED"


def test_old_models_are_looked_for_after_a_promotion(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # The sweep after the end would have looked.
    monkeypatch.setattr(history, "sweeps", lambda _: None)
    history.promoted(world)
    assert [item.subject for item in world.due(DueKind.REMOVE)] == ["fraud"]


def test_a_run_that_failed_leaves_no_old_model_to_look_for(world: World) -> None:
    busy(world)
    do(world, "close", "run-1", failure=FAILURE)
    assert world.due(DueKind.REMOVE) == []


def test_a_result_that_never_reached_its_workflow_leaves_no_token_behind_when_the_run_ends(world: World) -> None:
    def dies() -> NoReturn:
        raise ProcessDiedError

    stories.decided(world)
    world.outside.meanwhile("SendTaskSuccess", dies)
    with pytest.raises(ProcessDiedError):
        do(world, "park", kind="slot", token="slot")
    stories.tell_dead(world, "ABORTED")
    assert [wait.tokens for wait in world.table.waits_of_run("run-1")] == [()]


# Outcomes come from facts.


def test_nobody_says_what_a_run_came_to_but_its_facts(world: World) -> None:
    stories.trained(world, promotion={"kind": "none"})
    do(world, "evaluate")
    forged = asking(result={"outcome": "PROMOTED"}, outcome="PROMOTED", run={"outcome": "PROMOTED"})
    assert close(forged, world.ports)["outcome"] == "TRAINED"


def test_the_first_outcome_of_a_run_stands(world: World) -> None:
    stories.trained(world, promotion={"kind": "none"})
    do(world, "evaluate")
    first = do(world, "close")
    told = len(world.channels.messages)
    late = do(world, "close", failure=FAILURE)
    assert late == first
    assert stories.tell_dead(world, "ABORTED") == {"outcome": "TRAINED"}
    assert len(world.channels.messages) == told


def test_a_run_is_closed_by_its_own_execution_only(world: World) -> None:
    stories.decided(world)
    forged = {"execution": {"id": execution_arn("run-1") + "-forged", "name": "run-1"}}
    with pytest.raises(InvalidRequestError, match="none of this stack's workflow"):
        close(forged, world.ports)
    assert len(world.table.active_runs()) == 1


def test_a_rival_that_writes_the_models_state_does_not_lose_the_outcome(world: World) -> None:
    admit(request(drift(), "run-1"), world.ports)
    rival = drift(dedupe_key="rival")
    world.outside.meanwhile("TransactWriteItems", lambda: admit(request(rival, "run-2"), world.ports))
    close(asking(), world.ports)
    state = world.table.model("churn")
    assert state.active_run_id is None
    assert state.pending is not None
    assert [record["decision"] for record in world.chain("churn")] == ["RETRAIN", "COALESCE"]


@pytest.mark.parametrize("call", range(1, 8))
def test_an_execution_that_failed_before_its_decision_is_kept_and_told(call: int, world: World) -> None:
    dead = asking("run-9", failure=FAILURE, event=drift())
    world.outside.die_before(call)
    with contextlib.suppress(ProcessDiedError):
        close(dead, world.ports)
    world.outside.live()
    answer = close(dead, world.ports)
    assert (answer["outcome"], answer["output"]["retraining_required"]) == ("FAILED", "NO")
    world.clock.forward(minutes=5)
    sweep({}, world.ports)
    assert world.read("rejected/run-9.json") == {
        "event": drift(),
        "run_id": "run-9",
        "sentence": "It failed with Boom: The end.",
    }
    assert world.versions("rejected/") == 1
    message = world.channels.messages[0]
    assert message.escalates
    assert "retraining replay rejected/run-9.json --stack " in message.text()
    told = len(world.channels.messages)
    assert close(dead, world.ports) == answer
    assert len(world.channels.messages) == told


# By itself: a run without policy, waits or training.

SIGNAL = Signal("0" * 32, SignalSource.MANUAL_REQUEST, SignalKind.REQUEST, "fraud", "New data.", "2026-03-02T11:00:00Z")
MANIFEST = json.dumps({"signal": SIGNAL.as_record()})
RUN = StoredRun("run-1", "fraud", NOON.isoformat(), execution_arn("run-1"), MANIFEST, "critical")
ASKED = {
    "why": "The policy asks for it.",
    "approvals_needed": 1,
    "votes": [],
    "severity": "critical",
    "manifest_uri": "s3://automation/manifests/fraud/run-1.json",
    "manifest_sha256": "0" * 64,
    "ladder": {"remind_hours": 4, "escalate_hours": 8, "expire_hours": 24, "taken": []},
}


def begin(world: World, run: StoredRun = RUN) -> None:
    """Store a run as its decision does."""
    decided = StatusRow(Status.RETRAINING_DECIDED, run.started_at, "Decided.", run.severity)
    writes = world.table.run_writes(run, decided)
    assert world.table.save_model(StoredModel(run.model, active_run_id=run.run_id), writes)


def park(world: World, kind: WaitKind, subject: str = "") -> None:
    at = NOON.isoformat()
    data = ASKED if kind is WaitKind.APPROVAL else {}
    wait = Wait(kind, subject, "run-1", "fraud", "token", "arn", at, at, at, data=data)
    assert world.table.park(wait, due(DueKind.LOOK, wait.wait_id, "fraud", NOON)) is None


@pytest.mark.parametrize(
    ("waits", "outcome"),
    [
        ([], Status.FAILED),
        ([(WaitKind.SLOT, "")], Status.FAILED),
        ([(WaitKind.APPROVAL, "bake")], Status.FAILED),
        ([(WaitKind.APPROVAL, "training")], Status.APPROVAL_EXPIRED),
        ([(WaitKind.APPROVAL, "promotion"), (WaitKind.TRAINING, "")], Status.APPROVAL_EXPIRED),
    ],
)
def test_silence_is_the_end_of_a_run_only_while_people_are_asked_whether_something_may_begin(
    waits: list[tuple[WaitKind, str]], outcome: Status, world: World
) -> None:
    begin(world)
    for kind, subject in waits:
        park(world, kind, subject)
    closed = close_run(world.ports, RUN, died=None, failure=Failure("States.Timeout", "no cause given"))
    assert closed.outcome == outcome


@pytest.mark.parametrize("again", [False, True])
def test_the_signal_of_a_run_that_was_superseded_is_decided_again_only_where_that_was_said(
    again: bool, world: World
) -> None:
    begin(world)
    changed = Result(Next.RECORD, "The champion changed.", Status.SUPERSEDED, again=again)
    world.table.store_candidate_verdict("run-1", CandidateVerdict(changed, {"gates": []}), [])
    assert close_run(world.ports, RUN, died=None, failure=None).outcome == Status.SUPERSEDED
    assert (world.table.model("fraud").pending is not None) == again


@pytest.mark.parametrize(("proven_by", "kept"), [("churn-hourly", True), (None, False)])
def test_a_finding_of_a_superseded_run_speaks_against_the_next_candidate_only_when_it_is_confirmed(
    proven_by: str | None, kept: bool, world: World
) -> None:
    found = replace(SIGNAL, source=SignalSource.MODEL_MONITOR, kind=SignalKind.DRIFT, proven_by=proven_by)
    run = replace(RUN, manifest=json.dumps({"signal": found.as_record()}))
    begin(world, run)
    head = world.table.chain_head("fraud")
    decision = Record(RecordKind.DECISION, "decisions/fraud/1.json", {"decision": "RETRAIN"})
    world.table._transact(world.table.chain_writes(head, chained(head, decision)))
    changed = Result(Next.RECORD, "The champion changed.", Status.SUPERSEDED, again=True)
    world.table.store_candidate_verdict("run-1", CandidateVerdict(changed, {"gates": []}), [])
    close_run(world.ports, run, died=None, failure=None)
    pending = world.table.model("fraud").pending
    assert pending is not None
    assert (pending["count"], "drift" in pending) == (1, kept)


# The model's state after a run. Pure.

BEFORE = StoredModel("churn", active_run_id="run-1", fruitless_runs=2, cooldown_until="2026-01-01T00:00:00+00:00")


def ended(outcome: Status, *, left: bool = False) -> EndedRun:
    return EndedRun("run-1", outcome, endpoint_left=left)


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_a_run_frees_its_model_counts_what_it_brought_and_starts_the_cooldown(outcome: Status) -> None:
    state = after_run(BEFORE, ended(outcome), POLICY, NOON)
    assert state.active_run_id is None
    neither = outcome in {Status.STOPPED, Status.SUPERSEDED, Status.NO_CAPACITY}
    fruitful = outcome in {Status.PROMOTED, Status.TRAINED}
    assert state.fruitless_runs == (2 if neither else 0 if fruitful else 3)
    assert bool(state.frozen_reason) is not (neither or fruitful)
    cooled = BEFORE.cooldown_until if outcome is Status.SUPERSEDED else "2026-03-03T12:00:00+00:00"
    assert state.cooldown_until == cooled
    assert state.promoted_at == (NOON.isoformat() if outcome is Status.PROMOTED else None)


def test_a_policy_without_a_cooldown_ends_the_one_in_force() -> None:
    without = replace(POLICY, cooldown_hours=0.0)
    assert after_run(BEFORE, ended(Status.PROMOTED), without, NOON).cooldown_until is None
    for outcome, policy in ((Status.SUPERSEDED, without), (Status.PROMOTED, None)):
        state = after_run(BEFORE, ended(outcome), policy, NOON)
        assert state.cooldown_until == BEFORE.cooldown_until


def test_a_lock_that_another_run_holds_stays() -> None:
    state = after_run(replace(BEFORE, active_run_id="run-7"), ended(Status.FAILED), POLICY, NOON)
    assert state.active_run_id == "run-7"


def test_an_endpoint_left_unjudged_freezes_whatever_the_outcome_and_the_breaker_say() -> None:
    policy = replace(POLICY, fruitless_runs=0)
    for outcome in (Status.STOPPED, Status.FAILED):
        state = after_run(replace(BEFORE, frozen_reason="before"), ended(outcome, left=True), policy, NOON)
        assert "a candidate may serve that no bake has judged" in str(state.frozen_reason)


def test_a_breaker_that_is_off_and_one_that_broke_before_change_no_reason() -> None:
    off = replace(POLICY, fruitless_runs=0)
    assert after_run(BEFORE, ended(Status.FAILED), off, NOON).frozen_reason is None
    frozen = replace(BEFORE, frozen_reason="before")
    assert after_run(frozen, ended(Status.FAILED), POLICY, NOON).frozen_reason == "before"


def test_an_end_that_says_nothing_of_the_candidate_breaks_no_breaker() -> None:
    counted = replace(BEFORE, fruitless_runs=7)
    state = after_run(counted, ended(Status.STOPPED), POLICY, NOON)
    assert (state.fruitless_runs, state.frozen_reason) == (7, None)


def test_a_run_of_a_model_that_was_taken_out_still_frees_it(world: World) -> None:
    stories.decided(world)
    world.remove("policies/fraud.json")
    do(world, "close", failure=FAILURE)
    assert world.table.model("fraud").active_run_id is None


def test_fruitless_runs_freeze_the_model_and_a_fruitful_one_starts_the_count_anew(
    new_world: Callable[..., World],
) -> None:
    world = new_world(cooldown_hours=0.0, run_budget=0)
    counts = []
    for number, fruitful in enumerate([False, True, False, False, False]):
        run_id = f"run-{number}"
        assert admit(request(drift(dedupe_key=run_id), run_id), world.ports)["decision"] == "RETRAIN"
        if fruitful:
            trained = CandidateVerdict(Result(Next.RECORD, "trained", Status.TRAINED), {"gates": []})
            world.table.store_candidate_verdict(run_id, trained, [])
        close(asking(run_id), world.ports)
        counts.append(world.table.model("churn").fruitless_runs)
    assert counts == [1, 0, 1, 2, 3]
    frozen = world.table.model("churn").frozen_reason
    assert frozen is not None
    assert "3 runs in a row brought no improvement, the last one run-4" in frozen
    assert world.told("FROZEN")[0].escalates
    assert admit(request(drift(dedupe_key="after"), "run-9"), world.ports)["decision"] == "HOLD"


def test_the_cooldown_starts_when_the_run_ends(world: World) -> None:
    admit(request(drift()), world.ports)
    world.clock.forward(hours=5)
    close(asking(), world.ports)
    assert world.table.model("churn").cooldown_until == "2026-03-03T17:00:00+00:00"


# Executions that died.


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("FAILED", "FAILED"), ("TIMED_OUT", "FAILED"), ("ABORTED", "STOPPED"), ("SUCCEEDED", "FAILED")],
)
def test_an_execution_that_ended_leaves_no_run_open(status: str, outcome: str, world: World) -> None:
    stories.with_slot(world)
    answer = stories.tell_dead(world, status, cause="Stopped by hand.", input="{broken")
    assert answer["outcome"] == outcome
    assert (world.table.active_runs(), world.table.slots().holders) == ([], ())
    assert "Stopped by hand." in world.read("evidence/fraud/run-1/outcome.json")["reason"]


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_an_execution_that_goes_on_is_left_alone_whatever_a_late_event_says(status: str, world: World) -> None:
    stories.with_slot(world)
    world.executions.statuses[execution_arn("run-1")] = status
    detail = {"stateMachineArn": MACHINE, "executionArn": execution_arn("run-1"), "name": "run-1", "status": "FAILED"}
    assert settle({"detail": detail}, world.ports) == {"outcome": None}
    assert len(world.table.active_runs()) == 1


def test_settle_takes_no_other_machines_executions(world: World) -> None:
    with pytest.raises(InvalidRequestError, match="the loop's own executions only"):
        settle({"detail": {"stateMachineArn": MACHINE + "-2", "name": "run-1", "status": "FAILED"}}, world.ports)


def test_a_dead_execution_whose_event_was_lost_is_found_by_the_sweep(world: World) -> None:
    stories.with_slot(world)
    world.executions.end(execution_arn("run-1"), "TIMED_OUT")
    world.clock.forward(minutes=5)
    assert sweep({}, world.ports)["repairs"]["dead_run_settled"] == 1
    assert (world.table.active_runs(), world.table.slots().holders) == ([], ())


def test_an_execution_that_failed_after_a_decision_without_a_run_is_not_called_undecided(world: World) -> None:
    do(world, "pause", scope="global", by="ana", reason="Incident 7.")
    admitted = admit(request(drift(), "run-9"), world.ports)
    assert admitted["decision"] == "HOLD"
    answer = close(asking("run-9", failure=FAILURE, event=drift()), world.ports)
    assert (answer["outcome"], answer["output"]["model"]) == ("FAILED", "churn")
    assert world.keys("rejected/") == []
    assert not [message for message in world.channels.messages if message.title == "signal not decided"]


def test_an_execution_that_died_undecided_is_told_and_one_that_ended_well_is_not(world: World) -> None:
    assert stories.tell_dead(world, "SUCCEEDED", "run-8") == {"outcome": None}
    assert world.channels.messages == []
    assert stories.tell_dead(world, "FAILED", "run-9", input='{"a": 1}') == {"outcome": "FAILED"}
    assert world.read("rejected/run-9.json")["event"] == {"a": 1}


def test_an_approval_of_a_run_that_died_is_withdrawn_and_decides_nothing_any_more(world: World) -> None:
    stories.asked(world)
    stories.tell_dead(world, "ABORTED")
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert wait is not None
    assert wait.answered
    assert wait.result is not None
    assert wait.result.ruling is not None
    assert wait.result.ruling.decision == "WITHDRAWN"
    assert stories.approve(world)["code"] == "DECIDED_BEFORE"


def test_a_run_that_is_over_keeps_its_slot_until_its_training_is(world: World) -> None:
    stories.training(world)
    stop = world.executions.stop_execution
    world.executions.stop_execution = lambda **_: {}  # type: ignore[method-assign] # it takes its time
    do(world, "close", failure=FAILURE)
    assert [holder.run_id for holder in world.table.slots().holders] == ["run-1"]
    world.executions.stop_execution = stop  # type: ignore[method-assign] # as before
    for _ in range(2):
        world.clock.forward(minutes=5)
        world.executions.end(execution_arn("run-1"), "FAILED")
        sweep({}, world.ports)
    assert world.executions.statuses[stories.training_arn()] == "ABORTED"
    assert world.table.slots().holders == ()


# Endpoints.


@pytest.mark.parametrize("stage", [stories.serving, stories.baking])
def test_a_run_that_dies_after_its_candidate_serves_leaves_its_endpoint_to_people(
    stage: Callable[..., None], world: World
) -> None:
    stage(world)
    stories.tell_dead(world, "FAILED")
    intention = world.table.intention(endpoint_subject(ENDPOINT))
    assert intention is not None
    assert intention.state == IntentionState.ABANDONED
    assert "no bake has judged" in str(world.table.model("fraud").frozen_reason)
    assert admit(request(drift(model="fraud", dedupe_key="9"), "run-9"), world.ports)["decision"] == "HOLD"


def test_a_run_that_is_judged_ends_its_intention_with_its_outcome(world: World) -> None:
    stories.baking(world)
    world.clock.forward(minutes=30)
    stories.tell_endpoint(world)
    assert next_of(world, "bake") == "finish"
    do(world, "finish")
    assert do(world, "close")["outcome"] == "PROMOTED"
    assert world.table.intention(endpoint_subject(ENDPOINT)) is None
    assert world.table.model("fraud").frozen_reason is None
    assert world.sagemaker.endpoints[ENDPOINT].live != OLD


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:drift_report"])
def test_a_switch_thrown_in_a_bake_ends_it_at_once_and_the_champion_comes_back(scope: str, world: World) -> None:
    stories.baking(world)
    assert do(world, "pause", scope="model:churn", by="ana", reason="Elsewhere.")["in_flight"] == []
    assert next_of(world, "bake") is None
    answer = do(world, "pause", scope=scope, by="ana", reason="Incident 7.")
    assert answer["in_flight"] == []
    assert next_of(world, "bake") == "roll_back"
    do(world, "roll_back", token="back")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert do(world, "close")["outcome"] == "STOPPED"
    assert world.sagemaker.endpoints[ENDPOINT].live == OLD
    assert world.table.model("fraud").fruitless_runs == 0


def test_a_pause_names_what_was_begun_before_it(world: World) -> None:
    stories.training(world)
    answer = do(world, "pause", scope="global", by="ana", reason="Incident 7.")
    assert answer == {"scope": "global", "changed": True, "in_flight": ["training of run run-1 (fraud)"]}


@pytest.mark.parametrize(
    ("story", "action", "call", "named"),
    [
        (stories.with_slot, "train", "StartExecution", "training of run run-1 (fraud)"),
        (stories.accepted, "promote", "UpdateEndpoint", "promotion of run run-1 (fraud)"),
    ],
)
def test_a_pause_names_what_the_hand_of_a_run_that_was_stopped_may_still_do(
    story: Callable[[World], None], action: str, call: str, named: str, world: World
) -> None:
    story(world)
    answers: list[dict[str, Any]] = []

    def stopped_and_paused() -> None:
        stories.tell_dead(world, "ABORTED")
        for item in world.due(DueKind.ALIVE):
            world.table.done(item)
        answers.append(do(world, "pause", scope="global", by="ana", reason="Incident 7."))

    world.outside.meanwhile(call, stopped_and_paused)
    with contextlib.suppress(ContentionError):
        do(world, action, token="token")

    assert answers[0]["in_flight"] == [named]


def test_a_pause_names_nothing_of_a_run_that_is_over_and_never_trained_and_no_wait_that_is_gone(world: World) -> None:
    stories.training(world)
    stories.tell_dead(world, "ABORTED")
    world.table.add_due(due(DueKind.STOP, "run-1", "fraud", world.clock()))
    world.table.add_due(due(DueKind.LOOK, "run-9:slot", "fraud", world.clock()))
    assert do(world, "pause", scope="global", by="ana", reason="Incident 7.")["in_flight"] == []


def inconclusive(world: World) -> None:
    """A bake whose alarm says nothing to its first end."""
    stories.baking(world)
    world.alarms.states[stories.ALARM] = "INSUFFICIENT_DATA"
    world.clock.forward(minutes=30)
    stories.tell_endpoint(world)
    assert next_of(world, "bake") is None


def test_a_bake_without_data_gets_as_long_again_and_then_people_are_asked(world: World) -> None:
    inconclusive(world)
    world.clock.forward(minutes=29)
    stories.tell_endpoint(world)
    assert next_of(world, "bake") is None
    world.clock.forward(minutes=1)
    stories.tell_endpoint(world)
    assert next_of(world, "bake") == "ask"
    do(world, "park", kind="approval", subject="bake", token="people")
    stories.approve(world)
    assert next_of(world, "people") == "finish"
    assert do(world, "close")["outcome"] == "PROMOTED"


def test_a_bake_that_has_data_after_all_is_promoted_at_its_second_end(world: World) -> None:
    inconclusive(world)
    world.alarms.states[stories.ALARM] = "OK"
    world.clock.forward(minutes=30)
    stories.tell_endpoint(world)
    assert next_of(world, "bake") == "finish"


@pytest.mark.parametrize("answer", ["REJECTED", None])
def test_a_candidate_nobody_stands_for_after_its_bake_goes_back(answer: str | None, world: World) -> None:
    inconclusive(world)
    world.clock.forward(minutes=30)
    stories.tell_endpoint(world)
    do(world, "park", kind="approval", subject="bake", token="people")
    if answer:
        stories.approve(world, decision=answer)
    else:
        world.executions.statuses[execution_arn("run-1")] = "RUNNING"
        world.clock.forward(hours=25)
        sweep({}, world.ports)
    assert next_of(world, "people") == "roll_back"
    do(world, "roll_back", token="back")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert do(world, "close")["outcome"] == "ROLLED_BACK"
    assert world.sagemaker.endpoints[ENDPOINT].live == OLD


def test_drift_that_is_decided_during_a_bake_brings_the_champion_back(world: World) -> None:
    stories.baking(world)
    sent: dict[str, Any] = drift(model="fraud", dedupe_key="again")
    assert admit(request(sent, "run-2"), world.ports)["decision"] == "COALESCE"
    stories.tell_endpoint(world)
    assert next_of(world, "bake") == "roll_back"


def test_drift_that_waited_since_before_the_promotion_does_not(world: World) -> None:
    stories.accepted(world)
    sent: dict[str, Any] = drift(model="fraud", dedupe_key="again")
    assert admit(request(sent, "run-2"), world.ports)["decision"] == "COALESCE"
    do(world, "promote", token="promotion")
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "park", kind="bake", token="bake")
    world.clock.forward(minutes=30)
    stories.tell_endpoint(world)
    assert next_of(world, "bake") == "finish"


# Runs of the release before, and what cannot be looked at.


@pytest.mark.parametrize(
    ("statuses", "outcome", "frozen"),
    [
        ((), Status.SUPERSEDED, False),
        ((Status.TRAINING_STARTED,), Status.STOPPED, False),
        ((Status.TRAINING_STARTED, Status.PROMOTION_STARTED), Status.STOPPED, True),
    ],
)
def test_a_run_of_the_release_before_leaves_an_endpoint_it_began_to_change_to_people(
    statuses: tuple[Status, ...], outcome: Status, frozen: bool, world: World
) -> None:
    stories.decided(world)
    for status in statuses:
        world.table.add_status("run-1", StatusRow(status, NOON.isoformat(), "It went on."))
    run = world.table.run("run-1")
    assert run is not None
    end_earlier_run(world.ports, run)
    closed, state = world.table.run("run-1"), world.table.model("fraud")
    assert closed is not None
    assert (closed.outcome, closed.ended_at) == (outcome, NOON.isoformat())
    assert ("no bake has judged" in str(state.frozen_reason)) == frozen
    # What was not begun is decided again, and still counts as drift.
    again = outcome is Status.SUPERSEDED
    assert (state.pending is not None) == again
    assert not again or (state.pending or {})["drift_sequence"] == world.table.chain_head("fraud").sequence - 1
    assert bool(world.due(DueKind.PENDING)) == again


def test_a_run_that_no_policy_speaks_of_any_more_is_closed_all_the_same(world: World) -> None:
    stories.decided(world)
    item = world.database.items["RUN#run-1", "RUN"]
    manifest = json.loads(item["manifest"]["S"])
    del manifest["policy"]
    item["manifest"]["S"] = json.dumps(manifest)
    world.remove("policies/fraud.json")
    assert do(world, "close")["outcome"] == "FAILED"
    state = world.table.model("fraud")
    assert (state.active_run_id, state.cooldown_until, state.frozen_reason) == (None, None, None)


def test_a_promotion_that_cannot_be_looked_at_holds_up_no_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stories.moving(world)

    def fail(*_: object) -> NoReturn:
        raise client_error("InternalServerError")

    monkeypatch.setattr("orchestration.steps.closing.planned", fail)
    assert do(world, "close")["outcome"] == "FAILED"


def test_who_comes_late_to_close_a_run_finds_it_closed(world: World) -> None:
    stories.decided(world)
    seen = world.table.run("run-1")
    assert seen is not None
    do(world, "close")
    assert close_run(world.ports, seen, died=Status.STOPPED, failure=None) == world.table.run("run-1")


# A workflow that ran out of time.

TIMED_OUT = {"error": "States.Timeout", "cause": "no cause given"}


def asked_to_train(world: World) -> None:
    stories.decided(world, approval={"training": "always"})
    do(world, "park", kind="approval", subject="training", token="approval")


def queued(world: World) -> None:
    stories.decided(world)
    world.table.throw_switch(KillSwitch("model:fraud", "ana", "Incident 7.", "2026-03-02T12:00:00+00:00"))
    do(world, "park", kind="slot", token="slot")


def deploying(world: World) -> None:
    target = "arn:aws:states:us-east-1:111122223333:stateMachine:deploy"
    stories.accepted(world, promotion={"kind": "pipeline", "target": target})
    do(world, "promote", token="promotion")


@pytest.mark.parametrize(
    ("story", "wanted"),
    [
        (asked_to_train, Status.APPROVAL_EXPIRED),
        (stories.asked, Status.APPROVAL_EXPIRED),
        (stories.decided, Status.FAILED),
        (queued, Status.FAILED),
        (deploying, Status.FAILED),
        (stories.moving, Status.FAILED),
    ],
)
def test_only_who_was_asked_can_have_kept_silent(story: Callable[[World], None], wanted: Status, world: World) -> None:
    story(world)
    assert do(world, "close", failure=TIMED_OUT)["outcome"] == wanted
