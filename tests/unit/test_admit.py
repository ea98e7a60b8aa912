"""Admit: one event, one decision, whoever delivers it, retries it, or dies over it."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration.actions.admit import admit
from orchestration.actions.sweep import sweep
from orchestration.domain.bake import returned_drift
from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import DueKind, Severity
from orchestration.domain.pending_signal import merge_pending
from orchestration.domain.policy import parse_policy, pinned_policy, policy_sha256
from orchestration.domain.records import sha256
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.switches import KillSwitch
from tests.unit.fakes import NOON, ProcessDiedError, World, drift, event, execution_arn, request
from tests.unit.stories import operate
from tests.unit.test_going_back import back, decide, promoted

POLICY = {"schema_version": 1, "model": "fraud"}
RUNNING = StoredModel("churn", active_run_id="run-0")
PENDING = {
    "first_signal_id": "0" * 32,
    "count": 2,
    "severity": "critical",
    "signal": {"kind": "drift", "summary": "Drift report on churn: psi is 0.9 against a threshold of 0.2."},
}
SCHEDULED = event("decision_file/scheduled_event")


def decision_file(world: World, word: str) -> None:
    body = f"retraining_required,written_for\n{word},{world.settings.automation_bucket}\n".encode()
    world.bucket.put("s3://amzn-s3-demo-bucket/decisions/retraining_decision.csv", body)


# The process dies between any two lines.


@dataclass(frozen=True)
class Story:
    """What is so before the event comes, the event, what happens before it is tried again, and what it comes to."""

    decision: str
    event: Any
    settings: dict[str, Any]
    before: Callable[[World], object] = lambda _: None
    between: Callable[[World], object] = lambda _: None
    told: bool = True


STORIES = {
    "a run starts": Story("RETRAIN", drift(), {}),
    "an event is rejected": Story("REJECT", drift(model="../x"), {}),
    "an event of a known model is rejected": Story("REJECT", event("drift_report/no_measurement"), {}),
    "a signal is held": Story("HOLD", drift(), {"training_pipeline_arn": ""}),
    "a signal is observed": Story("OBSERVE", drift(observed=0.1), {}, told=False),
    "a signal is kept for later": Story("COALESCE", drift(), {}, lambda world: world.table.save_model(RUNNING)),
    "a pending signal is decided": Story(
        "RETRAIN",
        event("pending/due"),
        {},
        lambda world: world.table.save_model(StoredModel("churn", pending=PENDING)),
    ),
    "a pending signal is held": Story(
        "HOLD",
        event("pending/due"),
        {"training_pipeline_arn": ""},
        lambda world: world.table.save_model(StoredModel("churn", pending=PENDING)),
    ),
    "the decision file is written again": Story(
        "RETRAIN",
        SCHEDULED,
        {},
        lambda world: decision_file(world, "YES"),
        lambda world: decision_file(world, " yes "),
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_process_that_dies_between_any_two_lines_leaves_one_decision_and_its_retry_gives_it(
    name: str, new_world: Callable[..., World]
) -> None:
    story = STORIES[name]
    for call in itertools.count(1):
        world = new_world(**story.settings)
        story.before(world)
        world.outside.die_before(call)
        first = None
        with contextlib.suppress(ProcessDiedError):
            first = admit(request(story.event), world.ports)
        calls = len(world.outside.calls)
        world.outside.live()
        world.executions.statuses[execution_arn("run-1")] = "RUNNING"
        if calls:
            story.between(world)
        world.clock.forward(seconds=30)

        again = admit(request(story.event), world.ports)

        where = f"died before call {call}"
        assert again["decision"] == story.decision, where
        if story.decision == "RETRAIN":
            # A training reads its manifest; everything else may wait for the sweep.
            assert world.keys("manifests/") == ["manifests/churn/run-1.json"], where
        world.clock.forward(minutes=5)
        sweep({}, world.ports)
        model = again["output"]["model"] or "_unattributed"
        records = world.chain(model)
        assert [record["decision"] for record in records] == [story.decision], where
        assert world.versions("") == len(world.keys()), where
        assert any(message.status != "RECORDS_ANCHORED" for message in world.channels.messages) is story.told, where
        assert world.channels.events, where
        if story.decision == "RETRAIN":
            manifest = world.read("manifests/churn/run-1.json")
            run = world.table.run("run-1")
            assert run is not None
            assert canonical(manifest) == run.manifest, where
            assert [active["run_id"] for active in world.table.active_runs()] == ["run-1"], where
            assert world.table.model("churn").active_run_id == "run-1", where
            assert len(world.table.model("churn").run_starts) == 1, where
            assert [item.subject for item in world.due(DueKind.ALIVE)] == ["run-1"], where
        else:
            assert world.keys("manifests/") == [], where
            assert world.table.active_runs() == [], where
        if story.decision == "COALESCE":
            pending = world.table.model("churn").pending
            assert pending is not None
            assert pending["count"] == 1, where
        if first is not None:
            assert first == again
            return


# One decision.


def test_the_same_signal_from_another_execution_changes_nothing(world: World) -> None:
    admit(request(drift(), "run-1"), world.ports)
    before = world.table.model("churn")
    told = len(world.channels.messages)
    answer = admit(request(drift(), "run-2"), world.ports)
    assert (answer["decision"], answer["output"]["retraining_required"]) == ("SKIP", "NO")
    assert "by execution run-1; the same signal again changes nothing" in answer["output"]["reason"]
    assert answer["output"]["signal_id"] == world.chain("churn")[0]["signal_id"]
    assert world.table.model("churn") == before
    assert len(world.chain("churn")) == 1
    assert len(world.channels.messages) == told


def test_of_two_executions_with_the_same_signal_at_once_one_decides(world: World) -> None:
    rival: list[dict[str, Any]] = []
    world.outside.meanwhile("TransactWriteItems", lambda: rival.append(admit(request(drift(), "run-2"), world.ports)))
    answer = admit(request(drift(), "run-1"), world.ports)
    assert [rival[0]["decision"], answer["decision"]] == ["RETRAIN", "SKIP"]
    assert len(world.chain("churn")) == 1
    assert [run["run_id"] for run in world.table.active_runs()] == ["run-2"]


def test_of_two_signals_of_one_model_at_once_one_starts_a_run_and_the_other_is_kept(world: World) -> None:
    rival: list[dict[str, Any]] = []
    other = drift(metric="psi_plan", dedupe_key="other")
    world.outside.meanwhile("TransactWriteItems", lambda: rival.append(admit(request(other, "run-2"), world.ports)))
    answer = admit(request(drift(), "run-1"), world.ports)
    assert [rival[0]["decision"], answer["decision"]] == ["RETRAIN", "COALESCE"]
    assert [record["decision"] for record in world.chain("churn")] == ["RETRAIN", "COALESCE"]
    assert [run["run_id"] for run in world.table.active_runs()] == ["run-2"]


def test_an_ignored_event_leaves_no_record_and_says_why(world: World) -> None:
    answer = admit(request(event("alarm/ok_transition")), world.ports)
    assert (answer["decision"], world.keys()) == ("SKIP", [])
    assert "went to OK" in answer["output"]["reason"]


def test_a_signal_on_a_model_without_a_policy_is_rejected_with_what_to_upload(world: World) -> None:
    answer = admit(request(drift(model="unheard-of")), world.ports)
    assert answer["decision"] == "REJECT"
    assert "upload policies/unheard-of.json" in answer["output"]["reason"]
    assert len(world.chain("_unattributed")) == 1


def test_a_rejected_event_is_kept_and_people_are_told_where(world: World) -> None:
    admit(request(event("drift_report/bad_model_name")), world.ports)
    (key,) = world.keys("rejected/")
    assert world.read(key)["event"] == event("drift_report/bad_model_name")
    (message,) = world.channels.messages
    assert world.bucket.uri(key) in message.text()
    assert "https://example.com/runbook#bad-model-name" in message.text()


@pytest.mark.parametrize("content", ["\ud800", "x" * 1000, {"deep": [[[[[1]]]]]}, None])
def test_a_rejected_event_with_any_content_is_kept(world: World, content: Any) -> None:
    answer = admit(request({"id": "1", "source": "x", "detail-type": "y", "detail": content}), world.ports)
    assert answer["decision"] == "REJECT"
    assert len(world.keys("rejected/")) == 1


# What a run gets.


def test_a_runs_manifest_has_what_its_training_needs(world: World) -> None:
    answer = admit(request(drift()), world.ports)
    assert answer["next"] == "train"
    manifest = world.read("manifests/churn/run-1.json")
    assert {key: manifest["training"]["input"][key] for key in ("run", "triggered_by", "reason", "manifest_uri")} == {
        "run": "all",
        "triggered_by": "monitoring",
        "reason": "auto_retraining",
        "manifest_uri": world.bucket.uri("manifests/churn/run-1.json"),
    }
    assert manifest["execution_arn"] == execution_arn("run-1")
    assert manifest["checksums"]["signal_sha256"] == sha256(canonical(manifest["signal"]))
    assert manifest["decision"]["sequence"] == world.table.chain_head("churn").sequence - 1
    assert world.read("runs/churn/run-1/inputs/event.json") == drift()


def test_a_run_is_pinned_to_the_policy_it_was_decided_under(world: World) -> None:
    world.put("policies/fraud.json", {**POLICY, "evaluation": {"metric": "auc", "minimum": 0.8}})
    admit(request(drift(model="fraud")), world.ports)
    pinned = world.read("manifests/fraud/run-1.json")["policy"]
    body = world.bucket.objects[world.bucket.uri("policies/fraud.json")]
    policy = parse_policy("fraud", body, version=pinned["version"], settings=world.settings)
    assert pinned_policy(pinned["effective"]) == policy
    assert pinned["sha256"] == policy_sha256(policy)


def test_the_loops_own_keys_win_over_those_of_a_policy(world: World) -> None:
    training = {"input": {"run_id": "mine", "output_uri": "s3://elsewhere/", "epochs": 3}}
    world.put("policies/fraud.json", {**POLICY, "training": training})
    admit(request(drift(model="fraud")), world.ports)
    given = world.read("manifests/fraud/run-1.json")["training"]["input"]
    assert given["run_id"] == "run-1"
    assert given["output_uri"] == world.bucket.uri("runs/fraud/run-1/outputs/")
    assert given["epochs"] == 3


def test_people_are_asked_first_where_the_policy_says_so(world: World) -> None:
    world.put("policies/fraud.json", {**POLICY, "approval": {"training": "always", "approvals_needed": 2}})
    answer = admit(request(drift(model="fraud")), world.ports)
    assert answer["next"] == "ask"
    assert world.read("manifests/fraud/run-1.json")["approval"] == {"needed": True, "approvals_needed": 2}


def test_the_champion_stands_in_the_manifest(world: World) -> None:
    world.sagemaker.serve("fraud-prod", "fraud-prod-7")
    promotion = {"promotion": {"endpoint": "fraud-prod"}, "evaluation": {"metric": "auc"}}
    world.put("policies/fraud.json", {**POLICY, **promotion})
    admit(request(drift(model="fraud")), world.ports)
    champion = world.read("manifests/fraud/run-1.json")["champion"]
    assert (champion["endpoint"], champion["endpoint_config"]) == ("fraud-prod", "fraud-prod-7")
    assert champion["model_data_uri"] == "s3://amzn-s3-demo-bucket/fraud-prod-7.tar.gz"


def test_a_model_whose_endpoint_does_not_exist_is_held(world: World) -> None:
    promotion = {"promotion": {"endpoint": "fraud-prod"}, "evaluation": {"metric": "auc"}}
    world.put("policies/fraud.json", {**POLICY, **promotion})
    answer = admit(request(drift(model="fraud")), world.ports)
    assert answer["decision"] == "HOLD"
    assert "Endpoint fraud-prod of the policy does not exist" in answer["output"]["reason"]


def test_a_model_whose_endpoint_nothing_can_be_promoted_to_is_held_before_it_is_trained(world: World) -> None:
    world.sagemaker.serve("fraud-prod", "fraud-prod-7")
    del world.sagemaker.configs["fraud-prod-7"]
    promotion = {"promotion": {"endpoint": "fraud-prod"}, "evaluation": {"metric": "auc"}}
    world.put("policies/fraud.json", {**POLICY, **promotion})
    answer = admit(request(drift(model="fraud")), world.ports)
    assert answer["decision"] == "HOLD"
    assert "config fraud-prod-7, which was deleted" in answer["output"]["reason"]


@pytest.mark.parametrize("kind", ["registry", "none"])
def test_where_the_endpoint_only_says_what_serves_it_holds_up_nothing(kind: str, world: World) -> None:
    world.sagemaker.serve("fraud-prod", "fraud-prod-7")
    del world.sagemaker.configs["fraud-prod-7"]
    promotion = {"promotion": {"endpoint": "fraud-prod", "kind": kind}, "evaluation": {"metric": "auc"}}
    world.put("policies/fraud.json", {**POLICY, **promotion})
    assert admit(request(drift(model="fraud")), world.ports)["decision"] == "RETRAIN"


# What waits.


def test_what_arrives_during_a_run_is_merged_with_count_worst_severity_and_latest_context(world: World) -> None:
    admit(request(drift(dedupe_key="first"), "run-1"), world.ports)
    for number, (observed, metric) in enumerate([(0.3, "psi_plan"), (0.9, "psi_tenure"), (0.25, "psi_age")]):
        sent = drift(observed=observed, metric=metric, dedupe_key=f"later-{number}")
        assert admit(request(sent, f"run-{number + 2}"), world.ports)["decision"] == "COALESCE"
    pending = world.table.model("churn").pending
    assert pending is not None
    assert (pending["count"], pending["severity"]) == (3, "critical")
    assert pending["signal"]["threshold"]["metric"] == "psi_age"


def test_a_pending_signal_that_has_to_wait_again_stays_itself() -> None:
    signal = {"source": "pending", "kind": "drift", "summary": "2 signal(s) arrived"}
    again = merge_pending(PENDING, signal, Severity.WARNING, sequence=9, returning=True, again=True)
    assert again == PENDING


def test_drift_that_came_back_is_not_hidden_by_a_request_that_came_after_it() -> None:
    """The judge of a bake looks at the drift, whatever else was coalesced since."""
    drifted = {"signal_id": "a", "kind": "drift", "summary": "psi is 0.9"}
    asked = {"signal_id": "b", "kind": "request", "summary": "somebody asks"}

    first = merge_pending(None, drifted, Severity.CRITICAL, sequence=8, returning=True)
    pending = merge_pending(first, asked, Severity.CRITICAL, sequence=9, returning=False)

    assert (pending["signal"], pending["count"], pending["first_signal_id"]) == ({**asked, "violations": []}, 2, "a")
    assert returned_drift(pending, 7, NOON) == "psi is 0.9"
    assert returned_drift(pending, 8, NOON) is None


def test_a_signal_that_is_kept_is_due_once_when_its_cooldown_ends(world: World) -> None:
    until = NOON + timedelta(hours=12)
    world.table.save_model(StoredModel("churn", cooldown_until=until.isoformat()))
    for number in range(3):
        admit(request(drift(dedupe_key=str(number)), f"run-{number}"), world.ports)
    assert [item.due_at for item in world.due(DueKind.PENDING)] == [until.isoformat()]


def test_a_pending_signal_is_gone_once_it_is_decided(world: World) -> None:
    world.table.save_model(StoredModel("churn", pending=PENDING))
    answer = admit(request(event("pending/due")), world.ports)
    assert answer["decision"] == "RETRAIN"
    assert world.table.model("churn").pending is None
    assert admit(request(event("pending/due"), "run-2"), world.ports)["decision"] == "SKIP"


def test_a_request_that_proves_nobody_passes_no_cooldown_however_it_is_forced(world: World) -> None:
    until = "2026-03-03T00:00:00+00:00"
    world.table.save_model(StoredModel("churn", cooldown_until=until))
    answer = admit(request(event("manual_request/forced")), world.ports)
    assert answer["decision"] == "COALESCE"
    assert "only a forced request from a terminal passes a cooldown" in answer["output"]["reason"]


CAREFUL = {"schema_version": 1, "model": "churn", "actions": {"critical": "approve"}}
TRUSTING = {**CAREFUL, "decision_file": "trusted"}


@pytest.mark.parametrize(
    ("sent", "policy", "way"),
    [
        (SCHEDULED, None, "train"),
        (SCHEDULED, CAREFUL, "ask"),
        (SCHEDULED, TRUSTING, "train"),
        (event("manual_request/request"), None, "train"),
        (event("manual_request/request"), CAREFUL, "ask"),
        (event("manual_request/request"), TRUSTING, "ask"),
    ],
)
def test_what_asks_for_a_retraining_is_asked_about_where_the_policy_asks_about_critical_drift(
    world: World, sent: dict[str, Any], policy: dict[str, Any] | None, way: str
) -> None:
    """Without a policy nobody is asked, so the weekly file of a one-model user runs as ever."""
    decision_file(world, "YES")
    if policy is not None:
        world.put("policies/churn.json", policy)
    answer = admit(request(sent), world.ports)
    assert (answer["decision"], answer["next"]) == ("RETRAIN", way)
    training = world.read("manifests/churn/run-1.json")["training"]["input"]
    # The contract of the weekly workflow's pipeline, but for what a person asked for.
    assert training["triggered_by"] == ("monitoring" if sent is SCHEDULED else "person")


@pytest.mark.parametrize("first", ["harmless", "real"])
def test_a_harmless_report_with_the_same_key_swallows_no_real_drift(world: World, first: str) -> None:
    sent = {"harmless": drift(observed=0.01, dedupe_key="monday"), "real": drift(dedupe_key="monday")}
    order = [first, *(name for name in sent if name != first)]
    decided = {name: admit(request(sent[name], f"run-{name}"), world.ports)["decision"] for name in order}
    assert decided == {"harmless": "OBSERVE", "real": "RETRAIN"}
    assert admit(request(sent["real"], "run-again"), world.ports)["decision"] == "SKIP"


def test_an_event_that_was_rejected_is_decided_once_its_model_is_known(world: World) -> None:
    sent = drift(model="fraud", dedupe_key="monday")
    assert admit(request(sent, "run-1"), world.ports)["decision"] == "REJECT"
    assert admit(request(sent, "run-2"), world.ports)["decision"] == "SKIP"
    world.put("policies/fraud.json", POLICY)
    assert admit(request(sent, "run-3"), world.ports)["decision"] == "RETRAIN"


# What is told.


def test_a_storm_of_held_signals_is_one_message_a_day(new_world: Callable[..., World]) -> None:
    world = new_world(training_pipeline_arn="")
    for number in range(5):
        admit(request(drift(dedupe_key=str(number)), f"run-{number}"), world.ports)
    assert len(world.channels.messages) == 1
    world.clock.forward(hours=25)
    admit(request(drift(dedupe_key="next day"), "run-5"), world.ports)
    assert len(world.channels.messages) == 2
    assert len(world.channels.events) == 6


def test_a_thrown_kill_switch_holds_every_signal_in_its_scope(world: World) -> None:
    world.table.throw_switch(
        KillSwitch("source:drift_report", "ana", "The detector is broken.", "2026-03-02T12:00:00+00:00")
    )
    answer = admit(request(drift()), world.ports)
    assert answer["decision"] == "HOLD"
    assert "Paused (source:drift_report) by ana" in answer["output"]["reason"]
    assert admit(request(event("manual_request/request"), "run-2"), world.ports)["decision"] == "RETRAIN"


def test_drift_soon_after_a_promotion_freezes_the_model_with_that_reason(world: World) -> None:
    world.put("policies/fraud.json", {**POLICY, "breaker": {"drift_again_hours": 48}})
    world.table.save_model(StoredModel("fraud", promoted_at="2026-03-02T06:00:00+00:00"))
    admit(request(drift(model="fraud")), world.ports)
    frozen = world.table.model("fraud").frozen_reason
    assert frozen is not None
    assert "drifts again 6.0 h after its last promotion" in frozen
    later = admit(request(drift(model="fraud", dedupe_key="later"), "run-2"), world.ports)
    assert "is frozen" in later["output"]["reason"]


def test_the_last_good_policy_stays_in_force_when_a_bad_one_is_uploaded(world: World) -> None:
    world.put("policies/fraud.json", {**POLICY, "actions": {"critical": "approve"}})
    admit(request(drift(model="fraud", observed=0.1, dedupe_key="a"), "run-1"), world.ports)
    world.put("policies/fraud.json", b'{"schema_version": 1, "model": "fraud", "cooldwn_hours": 1}')
    answer = admit(request(drift(model="fraud", dedupe_key="b"), "run-2"), world.ports)
    assert (answer["decision"], answer["next"]) == ("RETRAIN", "ask")
    record = world.chain("fraud")[-1]
    policy = next(guard for guard in record["guards"] if guard["guard"] == "policy")
    assert policy["reason"] == "LAST_GOOD_POLICY"
    assert "cooldwn_hours" in policy["sentence"]


def test_a_bad_policy_without_a_good_one_before_it_holds_the_model(world: World) -> None:
    world.put("policies/fraud.json", b"{not json")
    answer = admit(request(drift(model="fraud")), world.ports)
    assert answer["decision"] == "HOLD"
    assert "$: is not JSON" in answer["output"]["reason"]


def test_every_answer_has_the_executions_final_output(world: World) -> None:
    for number, sent in enumerate([drift(), event("alarm/ok_transition"), event("drift_report/no_model"), [], None]):
        output = admit(request(sent, f"run-{number}"), world.ports)["output"]
        assert set(output) == {"run_id", "model", "retraining_required", "outcome", "reason", "signal_id"}
        assert json.loads(json.dumps(output)) == output


def test_a_run_that_was_committed_is_found_even_when_its_policy_is_gone(world: World) -> None:
    world.put("policies/fraud.json", POLICY)
    first = admit(request(drift(model="fraud")), world.ports)
    world.remove("policies/fraud.json")
    assert replace(world.table.model("fraud"), version=0).active_run_id == "run-1"
    assert admit(request(drift(model="fraud")), world.ports) == first


@pytest.mark.parametrize("order", ["aab", "aba", "baa", "abab", "bbaa"])
def test_the_order_in_which_duplicates_come_changes_nothing(order: str, world: World) -> None:
    decided: dict[str, list[str]] = {"a": [], "b": []}
    for number, name in enumerate(order):
        answer = admit(request(drift(dedupe_key=name), f"run-{number}"), world.ports)
        decided[name].append(answer["decision"])
    first, second = order[0], "b" if order[0] == "a" else "a"
    assert decided[first] == ["RETRAIN"] + ["SKIP"] * (order.count(first) - 1)
    assert decided[second] == ["COALESCE"] + ["SKIP"] * (order.count(second) - 1)
    pending = world.table.model("churn").pending
    assert pending is not None
    assert pending["count"] == 1
    assert len(world.chain("churn")) == 2
    assert [run["run_id"] for run in world.table.active_runs()] == ["run-0"]


# Whether a monitor spoke.


LISTENING = {"schema_version": 1, "model": "churn", "monitoring": {"expect_every_hours": 26}}


def test_a_decision_file_that_is_read_again_says_nothing_of_its_monitor(world: World) -> None:
    world.put("policies/churn.json", LISTENING)
    decision_file(world, "NO")
    for number in range(2):
        admit(request(SCHEDULED, f"run-{number}"), world.ports)
        world.clock.forward(hours=13)
    watch = world.table.watch("churn")
    assert watch is not None
    assert watch.since == NOON.isoformat()


def test_a_request_of_a_person_leaves_unwritten_since_when_a_monitor_is_silent(world: World) -> None:
    world.put("policies/churn.json", LISTENING)
    admit(request(drift(observed=0.1)), world.ports)
    written = world.database.written["MODEL#churn", "WATCH"]
    world.clock.forward(hours=1)
    assert admit(request(event("manual_request/request"), "run-2"), world.ports)["decision"] == "RETRAIN"
    assert world.database.written["MODEL#churn", "WATCH"] == written


# A way back.


def test_a_way_back_that_is_held_has_no_verdict(world: World) -> None:
    promoted(world, "before-1", "before-2")
    operate(world, "pause", scope="model:fraud", reason="incident 42")
    assert decide(world, "run-1", back(world)["signal_id"])["decision"] == "HOLD"
    assert world.table.candidate_verdict("run-1") is None


# The bucket does not answer, or a switch is thrown meanwhile.


def test_a_switch_over_everything_that_is_thrown_as_a_run_begins_holds_its_signal(world: World) -> None:
    switch = KillSwitch("global", "ana", "Incident 7.", NOON.isoformat())
    world.outside.meanwhile("TransactWriteItems", lambda: world.table.throw_switch(switch))
    assert admit(request(drift()), world.ports)["decision"] == "HOLD"
    assert world.table.active_runs() == []


def dies() -> None:
    raise ProcessDiedError


def test_no_run_goes_on_without_its_manifest_and_nothing_else_waits_for_its_records(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> bool:
        raise ConnectionError

    for settings, goes_on in (({}, False), ({"training_pipeline_arn": ""}, True)):
        world = new_world(**settings)
        with monkeypatch.context() as patched:
            patched.setattr(world.bucket, "write_once", fail)
            with contextlib.nullcontext() if goes_on else pytest.raises(ConnectionError):
                admit(request(drift()), world.ports)


def test_a_retry_of_an_admission_that_died_after_its_decision_writes_the_manifest_at_once(world: World) -> None:
    world.outside.meanwhile("PutObject", dies)
    with pytest.raises(ProcessDiedError):
        admit(request(drift()), world.ports)
    assert world.keys("manifests/") == []
    assert admit(request(drift()), world.ports)["decision"] == "RETRAIN"
    assert world.keys("manifests/") == ["manifests/churn/run-1.json"]
