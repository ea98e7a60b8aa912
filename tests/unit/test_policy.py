"""Policies: a file over the stack's defaults; what is wrong with a file is said with its JSON path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import ChannelApproval, Decision, PolicyAction, Severity, SignalKind, SignalSource
from orchestration.domain.decision import ModelState, decide
from orchestration.domain.errors import PolicyError
from orchestration.domain.policy import (
    Policy,
    PromotionKind,
    TargetKind,
    parse_policy,
    pinned_policy,
    policy_record,
    policy_sha256,
    read_policy,
    target_kind,
    validate_policy,
)
from orchestration.domain.signal import Signal, Threshold
from orchestration.steps.policies import load_policy, model_of_endpoint
from tests.unit.fake_services import ENDPOINT_ARN
from tests.unit.fakes import NOON, SETTINGS, TRAINING, World

BARE = {"schema_version": 1, "model": "churn"}
PIPELINE = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/churn"
JOB = {"RoleArn": "arn:aws:iam::111122223333:role/training", "HyperParameters": {"c": "3"}}
DEPLOYMENT = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "fraud-5xx"}]}}


def parse(document: dict[str, Any] | None = None, **changes: Any) -> Policy:
    body = None if document is None else json.dumps({**BARE, **document}).encode()
    return parse_policy("churn", body, version="v1", settings=replace(SETTINGS, **changes))


FINDINGS: dict[str, tuple[Any, str]] = {
    "a list": ([], "$: must be object."),
    "no model": ({"schema_version": 1}, "$: lacks model."),
    "another format": ({**BARE, "schema_version": 2}, "$.schema_version: must be 1."),
    "a name with a path": ({**BARE, "model": "../x"}, "$.model: must match pattern"),
    "a name with a newline": ({**BARE, "model": "churn\n"}, "$.model: must match pattern"),
    "a misspelt key": ({**BARE, "cooldwn_hours": 1}, "$: has keys that no policy has: 'cooldwn_hours'."),
    "a misspelt inner key": ({**BARE, "budget": {"run": 1}}, "$.budget: has keys that no policy has: 'run'."),
    "an unknown mode": ({**BARE, "mode": "dry"}, "$.mode: must be one of active, shadow."),
    "a text for a number": ({**BARE, "cooldown_hours": "24"}, "$.cooldown_hours: must be number."),
    "a negative cooldown": ({**BARE, "cooldown_hours": -1}, "$.cooldown_hours: must be bigger than or equal to 0."),
    "half a run": ({**BARE, "budget": {"runs": 0.5}}, "$.budget.runs: must be integer."),
    "an unknown action": (
        {**BARE, "actions": {"warning": "panic"}},
        "$.actions.warning: must be one of observe, approve, retrain.",
    ),
    "a guard without a metric": (
        {**BARE, "evaluation": {"metric": "auc", "guards": [{"minimum": 0.7}]}},
        "$.evaluation.guards[0]: lacks metric.",
    ),
    "three approvers": (
        {**BARE, "approval": {"approvals_needed": 3}},
        "$.approval.approvals_needed: must be smaller than or equal to 2.",
    ),
    "critical before warning": ({**BARE, "severity": {"warning": 3}}, "$.severity: warning must not be greater"),
    "a target that is none": ({**BARE, "training": {"target": "main"}}, "$.training.target: must be the ARN"),
    "a lambda as target": (
        {**BARE, "training": {"target": "arn:aws:lambda:us-east-1:111122223333:function:train"}},
        "$.training.target: must be the ARN",
    ),
    "a training job without request": (
        {**BARE, "training": {"target": "training-job"}},
        "$.training.request: is needed",
    ),
    "a promotion without endpoint": (
        {**BARE, "evaluation": {"metric": "auc"}, "promotion": {"kind": "endpoint"}},
        "$.promotion.endpoint: is needed for kind 'endpoint'.",
    ),
    "an alarm without a name": (
        {**BARE, "promotion": {"alarms": [" "]}},
        "$.promotion.alarms[0]: must match pattern \\S.",
    ),
    "a promotion without evaluation": ({**BARE, "promotion": {"endpoint": "churn-prod"}}, "$.evaluation: is needed"),
    "a promotion pipeline without target": (
        {**BARE, "evaluation": {"metric": "auc"}, "promotion": {"kind": "pipeline"}},
        "$.promotion.target: must be the ARN of a state machine",
    ),
    "an evaluation without metric": ({**BARE, "evaluation": {"minimum": 0.8}}, "$.evaluation.metric: is needed"),
    "a ladder that goes down": (
        {**BARE, "approval": {"remind_hours": 8, "escalate_hours": 4}},
        "$.approval: remind_hours, escalate_hours and expire_hours must not decrease.",
    ),
    "deputies where everybody answers": (
        {**BARE, "approval": {"deputies": ["cleo"]}},
        "$.approval.deputies: change nothing without $.voters: everybody answers from the beginning.",
    ),
    "deputies for whom no time is left": (
        {**BARE, "voters": ["ana"], "approval": {"deputies": ["cleo"], "escalate_hours": 4, "expire_hours": 4}},
        "$.approval.deputies: would never answer: escalate_hours has to be less than expire_hours.",
    ),
    "a voter that is nobody's name and no beginning of one": (
        {**BARE, "voters": ["arn:aws:iam::*:user/ana"]},
        "$.voters[0]: must match pattern",
    ),
    "two approvals of the only one who may give any": (
        {**BARE, "voters": ["ana"], "approval": {"approvals_needed": 2}},
        "$.approval.approvals_needed: is 2, but $.voters names one who may answer; name two, or ask for one.",
    ),
    "buttons where only some may answer": (
        {**BARE, "voters": ["ana"], "approval": {"channel": "always"}},
        "$.approval.channel: is always, but with $.voters a button in Slack counts never; leave one of them out.",
    ),
    "approval asked for and forbidden": (
        {**BARE, "approval": {"training": "never"}, "actions": {"warning": "approve"}},
        "$.approval.training: is 'never', but $.actions asks for approval",
    ),
}


@pytest.mark.parametrize("what", FINDINGS)
def test_a_finding_names_the_json_path_and_what_was_expected(what: str) -> None:
    document, finding = FINDINGS[what]
    findings = validate_policy(document)
    assert len(findings) == 1
    assert findings[0].startswith(finding)


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (b"", "$: is not JSON"),
        (b"{", "$: is not JSON"),
        (b"\xff\xfe{}", "$: is not UTF-8"),
        (b'{"schema_version": 1, "model": "churn", "cooldown_hours": NaN}', "$: holds NaN, which is not a JSON number"),
        (b"[" * 100_000, "$: is nested deeper than 64 levels"),
        (b"[]", "$: is no JSON object."),
        (b'{"schema_version": 1, "model": "fraud"}', "$.model: is 'fraud' in the file of 'churn'"),
    ],
)
def test_a_file_that_is_no_policy_of_this_model_is_refused(body: bytes, finding: str) -> None:
    with pytest.raises(PolicyError, match="Policy of churn is not valid") as refused:
        parse_policy("churn", body, version="v1", settings=SETTINGS)
    assert finding in refused.value.findings[0]


def test_a_byte_order_mark_is_no_reason_to_refuse_a_file() -> None:
    body = b"\xef\xbb\xbf" + json.dumps(BARE).encode()
    assert parse_policy("churn", body, version="v1", settings=SETTINGS).version == "v1"


def test_without_a_file_the_stacks_parameters_are_the_policy() -> None:
    policy = parse(None, cooldown_hours=6.0, run_budget=2, approval_expiry_hours=12)
    assert (policy.version, policy.mode, policy.cooldown_hours, policy.budget_runs) == ("defaults", "active", 6.0, 2)
    assert (policy.training.kind, policy.training.target) == (TargetKind.STATE_MACHINE, TRAINING)
    assert (policy.approval.remind_hours, policy.approval.escalate_hours, policy.approval.expire_hours) == (2, 4, 12)
    assert policy.promotion.kind is PromotionKind.NONE
    assert policy.evaluation.metric is None
    assert policy.hold_on_data_quality


def test_what_a_file_leaves_out_comes_from_the_stack() -> None:
    policy = parse({"cooldown_hours": 1, "budget": {"days": 7}})
    assert (policy.cooldown_hours, policy.budget_runs, policy.budget_days) == (1.0, 4, 7.0)
    assert policy.training.target == TRAINING


def test_everything_a_file_says_is_in_the_policy_under_its_own_name() -> None:
    deploy = "arn:aws:states:us-east-1:111122223333:stateMachine:deploy"
    said = {
        "mode": "active",
        "severity": {"warning": 1.5, "critical": 3},
        "actions": {"info": "retrain", "warning": "approve", "critical": "observe"},
        "data_quality": "ignore",
        "cooldown_hours": 5,
        "budget": {"runs": 9, "days": 7},
        "breaker": {"fruitless_runs": 8, "drift_again_hours": 48},
        "training": {
            "target": "training-job",
            "input": {"a": 1},
            "parameters": {"b": "2"},
            "request": JOB,
            "max_hours": 6,
            "slot_while_waiting": "give_back",
        },
        "evaluation": {
            "metric": "auc",
            "minimum": 0.8,
            "min_improvement": 0.01,
            "lower_is_better": False,
            "confidence": 0.95,
            "guards": [
                {"metric": "recall", "minimum": 0.5, "max_regression": 0.1, "slice": "eu", "lower_is_better": True}
            ],
        },
        "approval": {
            "training": "always",
            "promotion": "always",
            "approvals_needed": 2,
            "channel": "never",
            "remind_hours": 1,
            "escalate_hours": 2,
            "expire_hours": 3,
            "deputies": ["cleo"],
        },
        "promotion": {
            "kind": "pipeline",
            "endpoint": "churn-prod",
            "target": deploy,
            "input": {"d": 4},
            "bake_minutes": 30,
            "alarms": ["x", "y"],
            "deployment": DEPLOYMENT,
            "monitoring_schedule": "monitor",
            "inconclusive": "promote",
            "retain_capacity": False,
        },
        "voters": ["ana", "reviewers/*"],
    }

    record = policy_record(parse(said))

    assert (record.pop("warning_ratio"), record.pop("critical_ratio")) == (1.5, 3.0)
    assert (record.pop("budget_runs"), record.pop("budget_days")) == (9, 7.0)
    assert (record.pop("fruitless_runs"), record.pop("drift_again_hours")) == (8, 48.0)
    assert record.pop("hold_on_data_quality") is False
    assert record["training"].pop("kind") is TargetKind.TRAINING_JOB
    record["evaluation"]["guards"], record["promotion"]["alarms"] = (
        list(record["evaluation"]["guards"]),
        list(record["promotion"]["alarms"]),
    )
    record["voters"], record["approval"]["deputies"] = list(record["voters"]), list(record["approval"]["deputies"])
    for told_above in ("severity", "budget", "breaker", "data_quality"):
        del said[told_above]
    assert record == {"model": "churn", "version": "v1", **said}


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ("hold", True),
        ("ignore", False),
        ({}, True),
        ({"data_type": "hold", "missing_column_check": "hold"}, True),
        ({"data_type_check": 0.99, "missing_column_check": "hold"}, {"data_type_check": 0.99}),
        ({"data_type": 1, "completeness": 0}, {"data_type_check": 1.0, "completeness_check": 0.0}),
        (
            {"extra_column": "ignore", "categorical_values": 0.5},
            {"extra_column_check": 0.0, "categorical_values_check": 0.5},
        ),
    ],
)
def test_broken_data_is_held_or_tolerated_by_check(said: Any, held: Any) -> None:
    policy = parse({"data_quality": said})
    assert policy.hold_on_data_quality == held
    record = json.loads(json.dumps(policy_record(policy)))
    assert pinned_policy(record).hold_on_data_quality == held


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        ("tolerate", "$.data_quality"),
        (True, "$.data_quality"),
        ([], "$.data_quality"),
        ({"data_type": 99}, "$.data_quality.data_type"),
        ({"data_type": -0.1}, "$.data_quality.data_type"),
        ({"data_type": True}, "$.data_quality.data_type"),
        ({"data_type": "0.99"}, "$.data_quality.data_type"),
        ({"missing_column": 0.99}, "$.data_quality.missing_column"),
        ({"extra_column_check": 0.5}, "$.data_quality.extra_column_check"),
        ({"baseline_drift_check": "ignore"}, "$.data_quality"),
        ({"data_type": 0.9, "data_type_check": 0.8}, "$.data_quality: names data_type twice"),
    ],
)
def test_what_says_nothing_of_broken_data_is_refused(said: Any, finding: str) -> None:
    (found,) = validate_policy({**BARE, "data_quality": said})
    assert found.startswith(finding), found


def test_two_approvals_are_asked_of_whoever_answers_where_no_voter_is_named() -> None:
    (found,) = validate_policy({**BARE, "approval": {"deputies": ["cleo"], "approvals_needed": 2}})
    assert found.startswith("$.approval.deputies: change nothing without $.voters")


def test_what_nobody_says_is_cautious() -> None:
    record = policy_record(parse(None))

    assert record == {
        "model": "churn",
        "version": "defaults",
        "mode": "active",
        "warning_ratio": 1.0,
        "critical_ratio": 2.0,
        "actions": {"info": "observe", "warning": "approve", "critical": "retrain"},
        "hold_on_data_quality": True,
        "cooldown_hours": 24.0,
        "budget_runs": 4,
        "budget_days": 30.0,
        "fruitless_runs": 3,
        "drift_again_hours": 0.0,
        "training": {
            "kind": "state_machine",
            "target": TRAINING,
            "input": {},
            "parameters": {},
            "request": {},
            "max_hours": 24.0,
        },
        "evaluation": {
            "metric": None,
            "minimum": None,
            "min_improvement": None,
            "lower_is_better": None,
            "guards": (),
        },
        "approval": {
            "training": "by-severity",
            "promotion": "never",
            "approvals_needed": 1,
            "remind_hours": 4.0,
            "escalate_hours": 8.0,
            "expire_hours": 24.0,
        },
        "promotion": {
            "kind": "none",
            "endpoint": None,
            "target": None,
            "input": {},
            "bake_minutes": 0.0,
            "alarms": (),
            "deployment": {},
            "monitoring_schedule": None,
            "inconclusive": "ask",
        },
    }


def test_nobody_is_reminded_or_escalated_to_after_the_end() -> None:
    approval = parse({"approval": {"remind_hours": 30, "escalate_hours": 40}}, approval_expiry_hours=12).approval
    assert (approval.remind_hours, approval.escalate_hours, approval.expire_hours) == (12.0, 12.0, 12.0)


@pytest.mark.parametrize(
    "document",
    [
        {"severity": {"warning": 2.0}},
        {"severity": {"critical": 1.0}},
        {"severity": {"warning": 3, "critical": 3}},
        {"approval": {"remind_hours": 4, "escalate_hours": 4, "expire_hours": 4}},
        {"approval": {"training": "always"}, "actions": {"warning": "approve"}},
        {"voters": ["an*"], "approval": {"approvals_needed": 2}},
        {"voters": ["ana", "ben"], "approval": {"approvals_needed": 2, "channel": "never"}},
        {"voters": ["ana"], "approval": {"approvals_needed": 2, "deputies": ["cleo"]}},
        {"approval": {"approvals_needed": 2, "channel": "always"}},
        {"promotion": {"kind": "none"}},
        {"evaluation": {"metric": "auc"}, "promotion": {"kind": "registry"}},
        {"evaluation": {"metric": "auc"}, "promotion": {"kind": "endpoint", "endpoint": "churn-prod"}},
    ],
)
def test_what_contradicts_nothing_is_a_policy(document: dict[str, Any]) -> None:
    assert validate_policy({**BARE, **document}) == ()


@pytest.mark.parametrize("severity", [{"warning": 2.5}, {"critical": 0.5}, {"warning": 3, "critical": 2}])
def test_a_warning_never_comes_after_critical_the_defaults_included(severity: dict[str, float]) -> None:
    assert validate_policy({**BARE, "severity": severity}) == (
        "$.severity: warning must not be greater than critical (defaults 1.0 and 2.0).",
    )


@pytest.mark.parametrize(
    "ladder",
    [
        {"remind_hours": 8, "escalate_hours": 4},
        {"escalate_hours": 8, "expire_hours": 4},
        {"remind_hours": 8, "expire_hours": 4},
    ],
)
def test_no_step_of_a_ladder_comes_before_the_one_it_follows(ladder: dict[str, float]) -> None:
    assert validate_policy({**BARE, "approval": ladder}) == (
        "$.approval: remind_hours, escalate_hours and expire_hours must not decrease.",
    )


def test_a_stack_without_a_training_target_has_none() -> None:
    assert parse(None, training_pipeline_arn="").training.kind is None


def test_a_file_cannot_switch_on_what_the_operators_switched_off() -> None:
    assert parse({"mode": "active"}, mode="shadow").mode == "shadow"
    assert parse({"mode": "shadow"}).mode == "shadow"
    assert parse({"mode": "active"}).mode == "active"


# The stack's parameters as a floor.

FLOORED_ACTIONS: list[tuple[str, dict[str, Any], str, dict[str, str]]] = [
    (
        "by-severity",
        {"actions": {"info": "retrain", "warning": "retrain", "critical": "retrain"}},
        "by-severity",
        {"info": "observe", "warning": "approve", "critical": "retrain"},
    ),
    (
        "always",
        {"actions": {"warning": "retrain", "critical": "retrain"}, "approval": {"training": "never"}},
        "always",
        {"info": "observe", "warning": "approve", "critical": "approve"},
    ),
    (
        "by-severity",
        {"approval": {"training": "never"}},
        "by-severity",
        {"info": "observe", "warning": "approve", "critical": "retrain"},
    ),
    # What is stricter than the stack's stays.
    (
        "never",
        {"approval": {"training": "always"}},
        "always",
        {"info": "observe", "warning": "approve", "critical": "approve"},
    ),
    (
        "by-severity",
        {"actions": {"warning": "observe", "critical": "approve"}},
        "by-severity",
        {"info": "observe", "warning": "observe", "critical": "approve"},
    ),
    (
        "never",
        {"actions": {"info": "approve"}},
        "never",
        {"info": "observe", "warning": "retrain", "critical": "retrain"},
    ),
    # To call critical, and retrain for, what the stack asks about as a warning.
    (
        "by-severity",
        {"severity": {"warning": 1.0, "critical": 1.2}},
        "by-severity",
        {"info": "observe", "warning": "approve", "critical": "approve"},
    ),
    (
        "by-severity",
        {"severity": {"critical": 3.0}},
        "by-severity",
        {"info": "observe", "warning": "approve", "critical": "retrain"},
    ),
]


@pytest.mark.threat("policy-weakens")
@pytest.mark.parametrize(("stack", "document", "asked", "actions"), FLOORED_ACTIONS)
def test_under_a_floor_a_file_asks_people_no_less_than_the_stack(
    stack: str, document: dict[str, Any], asked: str, actions: dict[str, str]
) -> None:
    policy = parse(document, approval_mode=stack, policy_floor=True)
    assert (policy.approval.training, policy.actions) == (asked, actions)


@pytest.mark.parametrize(("file", "hours"), [({}, 24.0), ({"cooldown_hours": 1}, 24.0), ({"cooldown_hours": 48}, 48.0)])
def test_under_a_floor_a_files_cooldown_is_no_shorter_than_the_stacks(file: dict[str, Any], hours: float) -> None:
    assert parse(file, policy_floor=True).cooldown_hours == hours
    assert parse(file).cooldown_hours == file.get("cooldown_hours", 24.0)


@pytest.mark.threat("policy-weakens")
@pytest.mark.parametrize(
    ("document", "alone", "floored"),
    [
        ({}, "not_critical", "not_critical"),
        ({"approval": {"channel": "always"}}, "always", "not_critical"),
        ({"approval": {"channel": "never"}}, "never", "never"),
        ({"severity": {"critical": 4}}, "not_critical", "never"),
        ({"severity": {"critical": 1.5}, "approval": {"channel": "always"}}, "always", "not_critical"),
    ],
)
def test_under_a_floor_no_channel_approves_what_the_stack_calls_critical(
    document: dict[str, Any], alone: str, floored: str
) -> None:
    assert parse(document).approval.channel == alone
    assert parse(document, policy_floor=True).approval.channel == floored


def test_under_a_floor_both_budgets_hold() -> None:
    policy = parse({"budget": {"runs": 9, "days": 7}}, policy_floor=True)
    assert (policy.budget_runs, policy.budget_days, policy.stack_budget_runs) == (9, 7.0, 4)
    assert parse({"budget": {"runs": 0}}, policy_floor=True).stack_budget_runs == 4
    assert parse({"budget": {"runs": 9}}).stack_budget_runs == 0
    assert parse({}, policy_floor=True, run_budget=0).stack_budget_runs == 0


weakening = st.fixed_dictionaries(
    {},
    optional={
        "actions": st.dictionaries(st.sampled_from(Severity), st.sampled_from(PolicyAction)),
        "severity": st.fixed_dictionaries(
            {}, optional={"warning": st.sampled_from([0, 0.5, 1]), "critical": st.sampled_from([1, 1.5, 2, 4])}
        ),
        "approval": st.fixed_dictionaries(
            {}, optional={"training": st.sampled_from(["never", "by-severity", "always"])}
        ),
        "budget": st.fixed_dictionaries({}, optional={"runs": st.integers(0, 9), "days": st.sampled_from([1, 30, 90])}),
        "cooldown_hours": st.sampled_from([0, 1, 24, 100]),
        "decision_file": st.sampled_from(["critical", "trusted"]),
    },
)


@pytest.mark.threat("policy-weakens")
@settings(max_examples=300)
@given(
    weakening, st.sampled_from(["never", "by-severity", "always"]), st.floats(0.1, 5), st.integers(0, 9), st.booleans()
)
def test_no_file_under_a_floor_lets_a_training_start_that_the_stack_alone_would_not(
    document: dict[str, Any],
    stack: str,
    badness: float,
    hours: int,
    asks_for: bool,
) -> None:
    """Beside the stack without any file: what it holds, observes or asks about is no freer with the file."""
    if validate_policy({**BARE, **json.loads(json.dumps(document))}):
        return
    kind = SignalKind.REQUEST if asks_for else SignalKind.DRIFT
    sent = Signal(
        "id", SignalSource.DRIFT_REPORT, kind, "churn", "It drifts.", "", threshold=Threshold("psi", badness, 1.0)
    )
    state = ModelState(
        cooldown_until=NOON - timedelta(hours=1) if hours else None,
        run_starts=tuple(NOON - timedelta(days=3 * number) for number in range(hours)),
    )
    alone = decide(sent, parse(None, approval_mode=stack, policy_floor=True), state, NOON)
    filed = decide(sent, parse(document, approval_mode=stack, policy_floor=True), state, NOON)
    if filed.decision is Decision.RETRAIN and not filed.approval_needed:
        assert not alone.approval_needed
        # A lower mark for a warning is the file's to set where nobody is asked anyway.
        lowered = stack == "never" and document.get("severity", {}).get("warning", 1) < 1
        assert alone.decision is Decision.RETRAIN or (lowered and alone.decision is Decision.OBSERVE)


# How the decision file is trusted.


def test_a_file_says_if_the_decision_file_is_trusted() -> None:
    assert [parse(file).decision_file for file in (None, {}, {"decision_file": "trusted"})] == [
        "critical",
        "critical",
        "trusted",
    ]
    assert validate_policy({**BARE, "decision_file": "yes"}) == ("$.decision_file: must be one of critical, trusted.",)


def test_a_policy_that_was_pinned_before_these_keys_came_keeps_its_digest_and_is_read() -> None:
    policy = parse(None)
    assert policy_sha256(policy) == "6321949d1424bed1d7fd4f5b5eebc1eb368fb477c16f68768813492d5c2979d5"
    assert not {"decision_file", "stack_budget_runs"} & set(policy_record(policy))
    changed = [parse({"decision_file": "trusted"}), parse({}, policy_floor=True)]
    assert len({policy_sha256(other) for other in (parse({}), *changed)}) == 3
    assert [pinned(other) for other in changed] == changed


def asks(policy: Policy, severity: Severity) -> bool:
    return policy.approval.training == "always" or (
        policy.approval.training == "by-severity" and policy.actions[severity] is PolicyAction.APPROVE
    )


@pytest.mark.parametrize(
    ("stack", "document", "warning", "critical"),
    [
        ("never", {}, False, False),
        ("by-severity", {}, True, False),
        ("always", {}, True, True),
        ("never", {"approval": {"training": "by-severity"}}, True, False),
        ("never", {"approval": {"training": "always"}}, True, True),
        ("always", {"approval": {"training": "never"}}, False, False),
        ("never", {"actions": {"critical": "approve"}}, False, True),
        ("by-severity", {"actions": {"warning": "retrain", "critical": "approve"}}, False, True),
    ],
)
def test_people_are_asked_when_the_file_or_else_the_stack_says_so(
    stack: str, document: dict[str, Any], *, warning: bool, critical: bool
) -> None:
    policy = parse(document, approval_mode=stack)
    assert (asks(policy, Severity.WARNING), asks(policy, Severity.CRITICAL)) == (warning, critical)
    assert policy.actions[Severity.INFO] is PolicyAction.OBSERVE


TARGETED = {"kind": "pipeline", "target": "arn:aws:states:us-east-1:111122223333:stateMachine:deploy"}


@pytest.mark.parametrize(
    ("evaluation", "found"),
    [
        ({"metric": "auc"}, []),
        ({"metric": "lift", "lower_is_better": False}, []),
        (
            {"metric": "lift"},
            ["$.evaluation.metric: is lift, which docs/metrics.md does not know: set lower_is_better beside it."],
        ),
        (
            {"metric": "roc_acu"},
            [
                (
                    "$.evaluation.metric: is roc_acu, which docs/metrics.md does not know: set lower_is_better beside it, or name "
                    "roc_auc if that is meant."
                )
            ],
        ),
        (
            {"metric": "auc", "guards": [{"metric": "recall"}, {"metric": "lift"}]},
            [
                "$.evaluation.guards[1].metric: is lift, which docs/metrics.md does not know: set lower_is_better beside it."
            ],
        ),
        ({"metric": "auc", "guards": [{"metric": "lift", "lower_is_better": True}]}, []),
        # A guard on the metric itself shares its direction, and no other guard does.
        ({"metric": "lift", "lower_is_better": True, "guards": [{"metric": "lift"}]}, []),
        (
            {"metric": "lift", "lower_is_better": True, "guards": [{"metric": "zq"}]},
            [
                "$.evaluation.guards[0].metric: is zq, which docs/metrics.md does not know: set lower_is_better beside it."
            ],
        ),
    ],
)
def test_a_metric_that_nobody_knows_needs_a_direction(evaluation: dict[str, Any], found: list[str]) -> None:
    assert list(validate_policy({**BARE, "evaluation": evaluation})) == found


ENDPOINT_ONLY = {"endpoint": "churn-prod"}


@pytest.mark.parametrize(
    ("evaluation", "promotion", "found"),
    [
        ({"champion": "endpoint"}, ENDPOINT_ONLY, []),
        (
            {"champion": "endpoint"},
            TARGETED,
            ["$.evaluation.champion: is endpoint, but $.promotion.endpoint names none; say last_promoted."],
        ),
        ({"champion": "last_promoted"}, TARGETED, []),
        (
            {"champion": "last_promoted"},
            ENDPOINT_ONLY,
            ["$.evaluation.champion: is last_promoted, but $.promotion.endpoint says what serves; say endpoint."],
        ),
        ({"champion": "none"}, ENDPOINT_ONLY, []),
        ({"champion": "none", "guards": [{"metric": "recall", "minimum": 0.5}]}, TARGETED, []),
        (
            {
                "champion": "none",
                "min_improvement": 0.0,
                "guards": [
                    {"metric": "recall", "minimum": 0.5},
                    {"metric": "f1"},
                    {"metric": "recall", "minimum": 0.5, "max_regression": 0.1},
                ],
            },
            TARGETED,
            [
                f"{where}: compares with a champion, but $.evaluation.champion is none; give it a minimum only."
                for where in ("$.evaluation.min_improvement", "$.evaluation.guards[1]", "$.evaluation.guards[2]")
            ],
        ),
        ({"min_improvement": 0.0, "guards": [{"metric": "f1"}]}, TARGETED, []),
    ],
)
def test_a_comparison_that_cannot_be_made_is_no_policy(
    evaluation: dict[str, Any], promotion: dict[str, Any], found: list[str]
) -> None:
    assert (
        list(validate_policy({**BARE, "evaluation": {"metric": "auc", **evaluation}, "promotion": promotion})) == found
    )


NEEDED = (
    "is needed with $.evaluation.confidence; say how much worse a candidate may be, or how much better it has to be."
)


@pytest.mark.parametrize(
    ("evaluation", "found"),
    [
        ({"min_improvement": -0.01}, []),
        ({}, ["$.evaluation.min_improvement"]),
        ({"champion": "none", "minimum": 0.8, "guards": [{"metric": "recall", "minimum": 0.5}]}, []),
        (
            {
                "min_improvement": 0.0,
                "guards": [
                    {"metric": "recall", "minimum": 0.5},
                    {"metric": "recall"},
                    {"metric": "f1", "max_regression": 0},
                ],
            },
            ["$.evaluation.guards[1].max_regression"],
        ),
        (
            {"guards": [{"metric": "recall"}] * 20},
            ["$.evaluation.min_improvement", *(f"$.evaluation.guards[{place}].max_regression" for place in range(9))],
        ),
    ],
)
def test_a_policy_that_names_a_confidence_says_its_margins(evaluation: dict[str, Any], found: list[str]) -> None:
    """No interval shows that a candidate is not worse at all."""
    asked = {"metric": "auc", "confidence": 0.95, **evaluation}
    told = list(validate_policy({**BARE, "evaluation": asked, "promotion": ENDPOINT_ONLY}))
    assert told == [f"{where}: {NEEDED}" for where in found]
    del asked["confidence"]
    assert validate_policy({**BARE, "evaluation": asked, "promotion": ENDPOINT_ONLY}) == ()


@pytest.mark.parametrize(("confidence", "legal"), [(0.5, False), (0.51, True), (0.999, True), (1, False), (95, False)])
def test_a_confidence_is_more_than_a_coin_and_less_than_certainty(confidence: float, legal: bool) -> None:
    policy = {**BARE, "evaluation": {"metric": "auc", "min_improvement": 0, "confidence": confidence}}
    assert (validate_policy(policy) == ()) is legal


def test_a_policy_without_a_confidence_is_pinned_as_before_there_was_one() -> None:
    assert "confidence" not in policy_record(parse({"evaluation": {"metric": "auc"}}))["evaluation"]


@pytest.mark.parametrize(
    ("evaluation", "promotion", "champion"),
    [
        ({"metric": "auc"}, ENDPOINT_ONLY, "endpoint"),
        ({"metric": "auc"}, {"kind": "registry", "endpoint": "churn-prod"}, "endpoint"),
        ({"metric": "auc"}, {"kind": "registry"}, "last_promoted"),
        ({"metric": "auc"}, TARGETED, "last_promoted"),
        ({"metric": "auc"}, {"kind": "none"}, "last_promoted"),
        ({"metric": "auc", "champion": "none"}, {"kind": "registry"}, "none"),
        ({"metric": "auc", "champion": "none"}, ENDPOINT_ONLY, "none"),
    ],
)
def test_what_a_candidate_is_compared_with(
    evaluation: dict[str, Any], promotion: dict[str, Any], champion: str
) -> None:
    policy = parse({"evaluation": evaluation, "promotion": promotion})
    assert policy.evaluation.champion == champion
    assert pinned(policy) == policy


@pytest.mark.parametrize(
    ("mode", "actions"),
    [
        ("never", {"info": "observe", "warning": "retrain", "critical": "retrain"}),
        ("by-severity", {"info": "observe", "warning": "approve", "critical": "retrain"}),
        ("always", {"info": "observe", "warning": "approve", "critical": "approve"}),
    ],
)
def test_what_is_done_at_each_severity_is_the_stacks_to_say(mode: str, actions: dict[str, str]) -> None:
    policy = parse({}, approval_mode=mode)
    assert (policy.approval.training, policy.actions) == (mode, actions)


def test_a_promotion_that_names_an_endpoint_goes_there() -> None:
    policy = parse({"evaluation": {"metric": "auc"}, "promotion": {"endpoint": "churn-prod", "alarms": ["churn-5xx"]}})
    assert (policy.promotion.kind, policy.promotion.alarms) == (PromotionKind.ENDPOINT, ("churn-5xx",))


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (TRAINING, TargetKind.STATE_MACHINE),
        (TRAINING + ":prod", TargetKind.STATE_MACHINE),
        (TRAINING.replace("arn:aws:", "arn:aws-cn:"), TargetKind.STATE_MACHINE),
        (PIPELINE, TargetKind.SAGEMAKER_PIPELINE),
        ("training-job", TargetKind.TRAINING_JOB),
        (TRAINING + "\n", None),
        (PIPELINE + "/execution/abc", None),
        ("", None),
        ("arn:aws:states:us-east-1:111122223333:execution:churn-training:1", None),
    ],
)
def test_a_training_target_is_what_its_text_says(target: str, kind: TargetKind | None) -> None:
    assert target_kind(target) is kind


keys = st.sampled_from(
    [
        *"abc",
        "schema_version",
        "model",
        "mode",
        "severity",
        "warning",
        "actions",
        "training",
        "target",
        "approval",
        "promotion",
        "kind",
        "evaluation",
        "metric",
        "guards",
        "budget",
        "runs",
        "input",
        "request",
    ]
)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["churn", "never"])
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=4), max_leaves=10
)


@settings(max_examples=150)
@given(documents, st.dictionaries(keys, documents, max_size=3))
def test_any_document_is_a_policy_or_has_findings_with_paths(document: Any, more: dict[str, Any]) -> None:
    for candidate in (document, {**BARE, **more}):
        findings = validate_policy(candidate)
        assert all(finding.startswith("$") and finding.endswith(".") for finding in findings)
        if not findings and candidate["model"] == "churn":
            assert parse(candidate).model == "churn"


# As a manifest pins them.

RICH = {
    **BARE,
    "mode": "shadow",
    "severity": {"warning": 1.5, "critical": 3},
    "actions": {"info": "observe", "warning": "approve", "critical": "retrain"},
    "training": {
        "target": TRAINING,
        "input": {"epochs": 3, "nested": {"a": [1, None]}},
        "max_hours": 2,
        "slot_while_waiting": "give_back",
    },
    "evaluation": {
        "metric": "auc",
        "minimum": 0.8,
        "min_improvement": 0.01,
        "lower_is_better": False,
        "confidence": 0.9,
        "guards": [{"metric": "recall", "minimum": 0.5, "slice": "young"}, {"metric": "rmse", "max_regression": 0}],
    },
    "approval": {
        "training": "by-severity",
        "promotion": "always",
        "approvals_needed": 2,
        "expire_hours": 6,
        "channel": "never",
        "deputies": ["arn:aws:iam::111122223333:user/cleo"],
    },
    "promotion": {
        "endpoint": "churn-prod",
        "bake_minutes": 30,
        "alarms": ["a", "b"],
        "inconclusive": "roll_back",
        "retain_capacity": False,
        "deployment": DEPLOYMENT,
        "monitoring_schedule": "monitor",
    },
    "budget": {"runs": 3, "days": 7},
    "breaker": {"fruitless_runs": 2, "drift_again_hours": 48},
    "voters": ["arn:aws:iam::111122223333:user/ana", "arn:aws:sts::111122223333:assumed-role/reviewers/*"],
}


def pinned(policy: Policy) -> Policy:
    """The policy as it comes back from a manifest in the bucket."""
    return pinned_policy(json.loads(canonical(policy_record(policy))))


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        RICH,
        {"training": {"target": PIPELINE, "parameters": {"Out": "output_uri"}}},
        {"training": {"target": "training-job", "request": JOB}},
        {"promotion": {"kind": "registry"}, "evaluation": {"metric": "auc"}},
    ],
)
def test_a_policy_comes_back_from_a_manifest_as_it_was(document: dict[str, Any] | None) -> None:
    policy = parse(document)
    assert pinned(policy) == policy
    assert policy_sha256(pinned(policy)) == policy_sha256(policy)


def test_a_word_comes_back_from_a_manifest_as_the_word_the_code_compares() -> None:
    again = pinned(parse(RICH))
    assert type(again.promotion.kind) is PromotionKind
    assert type(again.training.kind) is TargetKind
    assert type(again.approval.channel) is ChannelApproval
    assert {type(action) for action in again.actions.values()} == {PolicyAction}
    assert {type(level) for level in again.actions} == {Severity}


def test_a_file_written_again_with_the_same_meaning_has_the_same_digest() -> None:
    first = parse_policy("churn", json.dumps(RICH).encode(), version="v1", settings=SETTINGS)
    shuffled = dict(sorted(RICH.items(), reverse=True))
    body = b"\xef\xbb\xbf" + json.dumps(shuffled, indent=4).encode()
    second = parse_policy("churn", body, version="v2", settings=SETTINGS)
    assert policy_sha256(first) == policy_sha256(second)


def test_a_default_that_is_written_out_means_the_same() -> None:
    assert policy_sha256(parse({"cooldown_hours": 24})) == policy_sha256(parse({})) == policy_sha256(parse(None))


def changed(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The document with one value changed, for each of its values."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from ({**document, key: inner} for inner in changed(value))
        elif isinstance(value, list):
            yield {**document, key: value[:-1]}
        elif isinstance(value, bool):
            yield {**document, key: not value}
        elif isinstance(value, (int, float)):
            yield {**document, key: value + 1}


def test_any_other_gate_limit_or_time_has_another_digest() -> None:
    alternatives = list(changed({key: value for key, value in RICH.items() if key != "schema_version"}))
    digests = set()
    for document in alternatives:
        try:
            digests.add(policy_sha256(parse(document)))
        except PolicyError:
            digests.add(repr(document))
    assert len(alternatives) > 15
    assert len(digests) == len(alternatives)
    assert policy_sha256(parse(RICH)) not in digests


def test_what_the_stack_says_is_part_of_the_digest_where_the_file_says_nothing() -> None:
    assert policy_sha256(parse({}, mode="shadow")) != policy_sha256(parse({}))
    assert policy_sha256(parse({}, cooldown_hours=1.0)) != policy_sha256(parse({}))


@settings(max_examples=150)
@given(st.dictionaries(keys, documents, max_size=3))
def test_any_policy_that_is_legal_comes_back_from_its_manifest(more: dict[str, Any]) -> None:
    document = {**BARE, **more}
    if not validate_policy(document) and document["model"] == "churn":
        policy = parse(document)
        assert policy_sha256(pinned(policy)) == policy_sha256(policy)


# As the bucket holds them.


def test_a_good_file_is_in_force_and_remembered(world: World) -> None:
    world.put("policies/fraud.json", {**BARE, "model": "fraud", "cooldown_hours": 1})
    loaded = load_policy(world.ports, "fraud")
    assert loaded is not None
    assert (loaded.policy.cooldown_hours, loaded.findings) == (1.0, ())
    kept = world.table.good_policy("fraud")
    assert kept is not None
    assert kept[0] == loaded.policy.version


def test_a_bad_file_leaves_the_last_good_version_in_force_and_says_why(world: World) -> None:
    world.put("policies/fraud.json", {**BARE, "model": "fraud", "cooldown_hours": 1})
    good = load_policy(world.ports, "fraud")
    world.put("policies/fraud.json", {**BARE, "model": "fraud", "cooldown_hours": "1"})
    loaded = load_policy(world.ports, "fraud")
    assert good is not None
    assert loaded is not None
    assert loaded.policy == good.policy
    assert loaded.findings == ("$.cooldown_hours: must be number.",)
    for _ in range(2):
        load_policy(world.ports, "fraud")
    assert len(world.told("POLICY_INVALID")) == 1
    world.put("policies/fraud.json", b"{")
    load_policy(world.ports, "fraud")
    assert len(world.told("POLICY_INVALID")) == 2


def test_a_file_that_may_not_be_read_leaves_what_it_says_unknown(world: World) -> None:
    world.put("policies/fraud.json", {**BARE, "model": "fraud", "cooldown_hours": 1})
    load_policy(world.ports, "fraud")
    world.bucket.forbidden.add(world.bucket.uri("policies/fraud.json"))
    loaded = load_policy(world.ports, "fraud")
    assert loaded is not None
    assert loaded.unreadable
    assert loaded.policy.cooldown_hours == 1.0


def test_a_model_without_a_file_is_known_only_if_it_is_the_default(world: World) -> None:
    assert load_policy(world.ports, "fraud") is None
    loaded = load_policy(world.ports, "churn")
    assert loaded is not None
    assert loaded.policy.version == "defaults"


def test_an_endpoint_belongs_to_the_policy_of_its_name_or_its_tag_or_the_default_models_promotion(world: World) -> None:
    world.put("policies/fraud.json", {**BARE, "model": "fraud"})
    promotion = {"evaluation": {"metric": "auc"}, "promotion": {"endpoint": "churn-prod"}}
    world.put("policies/churn.json", {**BARE, **promotion})
    for name, tag in (("tagged", "fraud"), ("mistagged", "../fraud")):
        world.sagemaker.serve(name, f"{name}-1")
        world.sagemaker.tags[f"{ENDPOINT_ARN}/{name}"] = {"retraining:model": tag}
    names = ("fraud", "churn", "tagged", "churn-prod", "mistagged", "nobodys", "../fraud", "")
    found = {name: model_of_endpoint(world.ports, name) for name in names}
    assert found == {
        "fraud": "fraud",
        "churn": "churn",
        "tagged": "fraud",
        "churn-prod": "churn",
        "mistagged": None,
        "nobodys": None,
        "../fraud": None,
        "": None,
    }


def of_bytes(size: int) -> dict[str, Any]:
    document = {**BARE, "model": "fraud", "training": {"request": {"note": ""}}}
    return {**document, "training": {"request": {"note": "x" * (size - len(canonical(document)))}}}


def of_levels(levels: int) -> dict[str, Any]:
    value: Any = 1
    # The document, its section and the parameter are three levels above.
    for _ in range(levels - 3):
        value = [value]
    return {**BARE, "model": "fraud", "training": {"request": {"deep": value}}}


def test_a_file_of_200_000_bytes_is_read_and_one_more_is_not() -> None:
    body = json.dumps(BARE).encode().ljust(200_000)
    assert read_policy(body) == BARE
    assert read_policy(body + b" ") == ("$: has 200001 bytes; at most 200000 are taken.",)


def test_a_policy_of_60_000_bytes_is_taken_and_one_more_is_not() -> None:
    assert validate_policy(of_bytes(60_000)) == ()
    (finding,) = validate_policy(of_bytes(60_001))
    assert finding == "$: has 60001 bytes; at most 60000 are taken. Put what is large into S3."


def test_a_policy_of_32_levels_is_taken_and_one_more_is_not() -> None:
    assert validate_policy(of_levels(32)) == ()
    (finding,) = validate_policy(of_levels(33))
    assert finding.endswith(": is nested deeper than 32 levels.")


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (b'{"schema_version": 1, "model": "fraud"}' + b" " * 600_000, "$: has more than 200000 bytes."),
        (b'{"schema_version": 1, "model": "fraud", "cooldown_hours": 1, "cooldown_hours": 2}', "'cooldown_hours' twice"),
        (b'{"schema_version": 1, "model": "fraud", "budget": {"runs": ' + b"9" * 5000 + b"}}", "a number of 5000 digits"),
        (b'{"schema_version": 1, "model": "fraud", "cooldown_hours": ' + b"9" * 400 + b"}", "$.cooldown_hours: must be"),
        (b'{"schema_version": 1, "model": "fraud", "cooldown_hours": 1e999}', "larger than a number can be"),
        (b'{"schema_version": 1, "model": "fraud", "training": {"input": {"a": "\\ud800"}}}', "half of a surrogate pair"),
        (b'{"schema_version": 1, "model": "fraud", "training": {"input": {"a": "\\u0000"}}}', "$.training.input.a: holds the character U+0000"),
        (b'{"schema_version": 1, "model": "fraud", "training": {"input": {"\\u0000": [1]}}}', "$.training.input: holds the character U+0000"),
        ('{"schema_version": 1, "model": "fraud"}'.encode("utf-16"), "is not UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_taken_leaves_the_last_good_one_in_force_and_is_told_of_once(
    body: bytes, finding: str, world: World
) -> None:
    world.put("policies/fraud.json", {**BARE, "model": "fraud", "cooldown_hours": 1})
    load_policy(world.ports, "fraud")
    world.put("policies/fraud.json", body)
    for _ in range(2):
        loaded = load_policy(world.ports, "fraud")
    assert loaded is not None
    assert (loaded.policy.cooldown_hours, loaded.unreadable) == (1.0, False)
    assert finding in loaded.findings[0]
    (told,) = world.told("POLICY_INVALID")
    assert finding in told.sentence


def test_what_is_told_of_a_file_is_short_however_long_its_names_and_however_many_its_faults() -> None:
    numbers = {f"{'k' * 4_000}{place}": 10**300 + 1 for place in range(12)}
    for document in ({**BARE, "x" * 50_000: 1}, {**BARE, "training": {"input": numbers}}):
        findings = validate_policy(document)
        assert findings
        assert len(findings) <= 10
        assert all(len(finding) < 720 for finding in findings)
    (finding,) = validate_policy({**BARE, "severity": {"warning": 3}, "training": {"input": {"k" * 4_000: "\0"}}})
    path = "$.training.input.".ljust(200, "k")
    assert finding == f"{path}: holds the character U+0000, which no AWS service takes."


def test_digits_of_other_scripts_are_no_part_of_an_address() -> None:
    target = "arn:aws:states:us-east-1:111122223333:stateMachine:train"
    assert target_kind(target) is not None
    assert target_kind(target.replace("3333", "٣٣٣٣")) is None
