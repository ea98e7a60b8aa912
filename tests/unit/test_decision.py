"""The guards: the first that does not let a signal pass decides, and all of them are recorded."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Decision, PolicyAction, Severity, SignalKind, SignalSource
from orchestration.domain.decision import (
    GUARDS,
    ROLLBACK_GUARDS,
    ModelState,
    as_tolerated,
    decide,
    severity_of,
)
from orchestration.domain.policy import Policy, parse_policy
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import DataCheck, Signal, Threshold
from orchestration.domain.switches import KillSwitch
from tests.unit.fakes import NOON, SETTINGS

quick = settings(max_examples=150)
FREE = ModelState()
DEFAULT = parse_policy("churn", None, version="defaults", settings=SETTINGS)
NAMES = (
    "kill_switch",
    "policy",
    "breaker",
    "data_quality",
    "severity",
    "training_target",
    "run_in_progress",
    "cooldown",
    "budget",
    "shadow",
)


def policy(**changes: Any) -> Policy:
    return replace(DEFAULT, **changes)


def signal(kind: SignalKind = SignalKind.DRIFT, observed: float | None = 0.9, **fields: Any) -> Signal:
    values: dict[str, Any] = {"threshold": Threshold("psi", observed, 0.2), **fields}
    return Signal("id", values.pop("source", SignalSource.DRIFT_REPORT), kind, "churn", "It drifts.", "", **values)


REQUEST = signal(SignalKind.REQUEST, source=SignalSource.MANUAL_REQUEST, requested_by="ana")
ROLLBACK = replace(REQUEST, kind=SignalKind.ROLLBACK, proven_by="arn:aws:iam::111122223333:user/ana")
PROVEN = replace(REQUEST, proven_by="arn:aws:iam::111122223333:user/ana")
FILE = signal(SignalKind.RETRAINING_DECISION, source=SignalSource.DECISION_FILE, threshold=None)
SWITCH = KillSwitch("global", "ana", "Migration.", "2026-03-02")
NO_TARGET = replace(DEFAULT.training, kind=None, target="")
WATCHING = {
    Severity.INFO: PolicyAction.OBSERVE,
    Severity.WARNING: PolicyAction.OBSERVE,
    Severity.CRITICAL: PolicyAction.OBSERVE,
}

CASES: dict[str, tuple[Signal, Policy, ModelState, Decision, str]] = {
    "nothing stands in the way": (signal(), DEFAULT, FREE, Decision.RETRAIN, "GUARDS_PASSED"),
    "the policy names what is another model's": (
        signal(),
        DEFAULT,
        ModelState(foreign_findings=("Endpoint fraud-prod belongs to fraud.",)),
        Decision.HOLD,
        "FOREIGN_RESOURCE",
    ),
    "what the policy names is its own": (
        signal(),
        DEFAULT,
        ModelState(foreign_findings=()),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "everything is paused": (signal(), DEFAULT, ModelState(kill_switches=(SWITCH,)), Decision.HOLD, "PAUSED"),
    "the model is paused": (
        signal(),
        DEFAULT,
        ModelState(kill_switches=(replace(SWITCH, scope="model:churn"),)),
        Decision.HOLD,
        "PAUSED",
    ),
    "the source is paused": (
        signal(),
        DEFAULT,
        ModelState(kill_switches=(replace(SWITCH, scope="source:drift_report"),)),
        Decision.HOLD,
        "PAUSED",
    ),
    "another model is paused": (
        signal(),
        DEFAULT,
        ModelState(kill_switches=(replace(SWITCH, scope="model:churn-2"),)),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "the policy is broken and there is no good one": (
        signal(),
        DEFAULT,
        ModelState(policy_findings=("$.mode: must be one of active, shadow.",)),
        Decision.HOLD,
        "POLICY_INVALID",
    ),
    "the policy is broken and there is a good one": (
        signal(),
        policy(version="v7"),
        ModelState(policy_findings=("$.mode: must be one of active, shadow.",)),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "the model is frozen": (
        signal(),
        DEFAULT,
        ModelState(frozen_reason="3 runs in a row brought no improvement."),
        Decision.HOLD,
        "FROZEN",
    ),
    "the monitor of a frozen model does not speak": (
        signal(SignalKind.SILENCE, threshold=None),
        DEFAULT,
        ModelState(frozen_reason="3 runs in a row brought no improvement."),
        Decision.HOLD,
        "MONITOR_SILENT",
    ),
    "drift is back after a promotion": (
        signal(),
        policy(drift_again_hours=48.0),
        ModelState(promoted_at=NOON - timedelta(hours=6)),
        Decision.HOLD,
        "DRIFT_AFTER_PROMOTION",
    ),
    "drift is back long after a promotion": (
        signal(),
        policy(drift_again_hours=48.0),
        ModelState(promoted_at=NOON - timedelta(hours=48)),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "a muted alarm after a promotion": (
        signal(muted=True),
        policy(drift_again_hours=48.0),
        ModelState(promoted_at=NOON - timedelta(hours=6)),
        Decision.OBSERVE,
        "MUTED",
    ),
    "a KPI is back under its threshold after a promotion": (
        signal(SignalKind.KPI),
        policy(drift_again_hours=48.0),
        ModelState(promoted_at=NOON - timedelta(hours=6)),
        Decision.HOLD,
        "DRIFT_AFTER_PROMOTION",
    ),
    "drift that is only information after a promotion": (
        signal(observed=0.1),
        policy(drift_again_hours=48.0),
        ModelState(promoted_at=NOON - timedelta(hours=6)),
        Decision.OBSERVE,
        "BELOW_ACTION",
    ),
    "somebody asks after a promotion": (
        REQUEST,
        policy(drift_again_hours=48.0),
        ModelState(promoted_at=NOON - timedelta(hours=6)),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "drift of a model that was never promoted": (
        signal(),
        policy(drift_again_hours=48.0),
        FREE,
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "drift after a promotion that does not matter, by a clock that is behind": (
        signal(),
        policy(drift_again_hours=0.0),
        ModelState(promoted_at=NOON + timedelta(seconds=1)),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "the monitoring run failed": (
        signal(SignalKind.MONITOR_FAILURE),
        DEFAULT,
        FREE,
        Decision.HOLD,
        "MONITOR_FAILED",
    ),
    "the data is broken": (signal(SignalKind.DATA_QUALITY), DEFAULT, FREE, Decision.HOLD, "BROKEN_DATA"),
    "nobody confirms that the data is broken": (
        signal(SignalKind.DATA_QUALITY, source=SignalSource.MODEL_MONITOR),
        DEFAULT,
        FREE,
        Decision.HOLD,
        "RUN_UNCONFIRMED",
    ),
    "the data is broken and the policy does not mind": (
        signal(SignalKind.DATA_QUALITY),
        policy(hold_on_data_quality=False),
        FREE,
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "nothing drifted": (signal(SignalKind.NO_DRIFT, observed=0.1), DEFAULT, FREE, Decision.SKIP, "NO_DRIFT"),
    "nothing drifted and nothing was measured": (
        signal(SignalKind.NO_DRIFT, threshold=None),
        DEFAULT,
        FREE,
        Decision.SKIP,
        "NO_DRIFT",
    ),
    "it says that nothing drifted beside numbers that say otherwise": (
        signal(SignalKind.NO_DRIFT),
        DEFAULT,
        FREE,
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "it says that nothing drifted beside numbers the policy calls a warning": (
        signal(SignalKind.NO_DRIFT, observed=0.12),
        policy(warning_ratio=0.5),
        FREE,
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "it says that nothing drifted right after a promotion, and its numbers say otherwise": (
        signal(SignalKind.NO_DRIFT),
        policy(drift_again_hours=48.0),
        ModelState(promoted_at=NOON - timedelta(hours=6)),
        Decision.HOLD,
        "DRIFT_AFTER_PROMOTION",
    ),
    "the alarm is muted": (signal(muted=True), DEFAULT, FREE, Decision.OBSERVE, "MUTED"),
    "the severity is only observed": (signal(observed=0.1), DEFAULT, FREE, Decision.OBSERVE, "BELOW_ACTION"),
    "a request is never only observed": (REQUEST, policy(actions=WATCHING), FREE, Decision.RETRAIN, "GUARDS_PASSED"),
    "a retraining decision is never only observed": (
        signal(SignalKind.RETRAINING_DECISION),
        policy(actions=WATCHING),
        FREE,
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "there is nothing to train with": (
        signal(),
        policy(training=NO_TARGET),
        FREE,
        Decision.HOLD,
        "NO_TRAINING_TARGET",
    ),
    "there is no endpoint to promote to": (
        signal(),
        DEFAULT,
        ModelState(promotion_endpoint_exists=False),
        Decision.HOLD,
        "NO_ENDPOINT",
    ),
    "nothing can be promoted to the endpoint": (
        signal(),
        DEFAULT,
        ModelState(endpoint_finding="Endpoint churn-prod serves inference components."),
        Decision.HOLD,
        "NOT_PROMOTABLE",
    ),
    "a run is in progress": (
        signal(),
        DEFAULT,
        ModelState(active_run_id="run-0"),
        Decision.COALESCE,
        "RUN_IN_PROGRESS",
    ),
    "the same began a run a moment ago": (
        signal(),
        DEFAULT,
        ModelState(answered={"run": "run-0", "at": (NOON - timedelta(seconds=21_599)).isoformat()}),
        Decision.SKIP,
        "ANSWERED",
    ),
    "the same began a run six hours ago": (
        signal(),
        DEFAULT,
        ModelState(answered={"run": "run-0", "at": (NOON - timedelta(hours=6)).isoformat()}),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "the model is in its cooldown": (
        signal(),
        DEFAULT,
        ModelState(cooldown_until=NOON + timedelta(seconds=1)),
        Decision.COALESCE,
        "COOLDOWN",
    ),
    "the cooldown ends now": (signal(), DEFAULT, ModelState(cooldown_until=NOON), Decision.RETRAIN, "GUARDS_PASSED"),
    "a request in the cooldown": (
        REQUEST,
        DEFAULT,
        ModelState(cooldown_until=NOON + timedelta(hours=1)),
        Decision.COALESCE,
        "COOLDOWN",
    ),
    "a request that only claims to be forced in the cooldown": (
        replace(REQUEST, force=True),
        DEFAULT,
        ModelState(cooldown_until=NOON + timedelta(hours=1)),
        Decision.COALESCE,
        "COOLDOWN",
    ),
    "a request of somebody the loop knows in the cooldown": (
        PROVEN,
        DEFAULT,
        ModelState(cooldown_until=NOON + timedelta(hours=1)),
        Decision.COALESCE,
        "COOLDOWN",
    ),
    "a forced request in the cooldown": (
        replace(PROVEN, force=True),
        DEFAULT,
        ModelState(cooldown_until=NOON + timedelta(hours=1)),
        Decision.RETRAIN,
        "FORCED",
    ),
    "a forced request without a cooldown": (
        replace(PROVEN, force=True),
        DEFAULT,
        FREE,
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "a forced request as the cooldown ends": (
        replace(PROVEN, force=True),
        DEFAULT,
        ModelState(cooldown_until=NOON),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "a forced signal that is no request": (
        signal(force=True, proven_by="ana"),
        DEFAULT,
        ModelState(cooldown_until=NOON + timedelta(hours=1)),
        Decision.COALESCE,
        "COOLDOWN",
    ),
    "a forced request during a run": (
        replace(PROVEN, force=True),
        DEFAULT,
        ModelState(active_run_id="run-0"),
        Decision.COALESCE,
        "RUN_IN_PROGRESS",
    ),
    "the budget is spent": (
        signal(),
        policy(budget_runs=2),
        ModelState(run_starts=(NOON - timedelta(days=40), NOON - timedelta(days=2), NOON - timedelta(days=1))),
        Decision.HOLD,
        "BUDGET_SPENT",
    ),
    "the budget is free again": (
        signal(),
        policy(budget_runs=2),
        ModelState(run_starts=(NOON - timedelta(days=40), NOON - timedelta(days=30), NOON - timedelta(days=1))),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "the budget of the stack is spent": (
        signal(),
        policy(budget_runs=2, budget_days=1.0, stack_budget_runs=3),
        ModelState(run_starts=(NOON - timedelta(days=29), NOON - timedelta(days=9), NOON - timedelta(days=2))),
        Decision.HOLD,
        "BUDGET_SPENT",
    ),
    "the budget of the file is spent and the stack's is not": (
        signal(),
        policy(budget_runs=1, budget_days=3.0, stack_budget_runs=3),
        ModelState(run_starts=(NOON - timedelta(days=2),)),
        Decision.HOLD,
        "BUDGET_SPENT",
    ),
    "both budgets are free": (
        signal(),
        policy(budget_runs=1, budget_days=1.0, stack_budget_runs=3),
        ModelState(run_starts=(NOON - timedelta(days=30), NOON - timedelta(days=9), NOON - timedelta(days=2))),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "the file has no budget and the stack's is spent": (
        signal(),
        policy(budget_runs=0, stack_budget_runs=1),
        ModelState(run_starts=(NOON - timedelta(days=2),)),
        Decision.HOLD,
        "BUDGET_SPENT",
    ),
    "there is no budget": (
        signal(),
        policy(budget_runs=0),
        ModelState(run_starts=(NOON,) * 50),
        Decision.RETRAIN,
        "GUARDS_PASSED",
    ),
    "the model is in shadow mode": (signal(), policy(mode="shadow"), FREE, Decision.OBSERVE, "SHADOW"),
    "going back asks no target, no cooldown, no budget, no breaker": (
        ROLLBACK,
        policy(training=NO_TARGET, budget_runs=1),
        ModelState(frozen_reason="It drifts.", cooldown_until=NOON + timedelta(hours=1), run_starts=(NOON,)),
        Decision.ROLL_BACK,
        "GUARDS_PASSED",
    ),
    "a way back is paused": (ROLLBACK, DEFAULT, ModelState(kill_switches=(SWITCH,)), Decision.HOLD, "PAUSED"),
    "there is no way back": (ROLLBACK, DEFAULT, ModelState(rollback_finding="Gone."), Decision.HOLD, "NO_WAY_BACK"),
    "a run is in the way back": (ROLLBACK, DEFAULT, ModelState(active_run_id="r"), Decision.HOLD, "NO_WAY_BACK"),
    "a way back in shadow mode": (ROLLBACK, policy(mode="shadow"), FREE, Decision.OBSERVE, "SHADOW"),
    "a way back to somebody else's endpoint": (
        ROLLBACK,
        DEFAULT,
        ModelState(foreign_findings=("Endpoint e belongs to churn.",)),
        Decision.HOLD,
        "FOREIGN_RESOURCE",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_guard_that_stands_in_the_way_decides_with_its_reason(name: str) -> None:
    sent, in_force, state, decision, reason = CASES[name]
    verdict = decide(sent, in_force, state, NOON)
    assert (verdict.decision, verdict.reason) == (decision, reason)
    assert verdict.sentence.endswith(".")


@pytest.mark.parametrize("name", CASES)
def test_every_guard_is_recorded_in_order_also_after_the_one_that_decided(name: str) -> None:
    verdict = decide(*CASES[name][:3], NOON)
    names = ("kill_switch", "way_back", "shadow") if CASES[name][0].kind is SignalKind.ROLLBACK else NAMES
    asked = (*names, "ownership") if CASES[name][2].foreign_findings is not None else names
    assert tuple(guard.guard for guard in verdict.guards) == asked
    for guard in verdict.guards:
        record = guard.as_record()
        assert set(record) == {"guard", "passed", "decision", "reason", "sentence"}
        assert (record["passed"], record["decision"]) == (guard.decision is None, guard.decision)
        assert record["reason"].isupper()
        assert record["sentence"].endswith(".")


STOPPING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("kill_switch", {"kill_switches": (SWITCH,)}),
    ("policy", {"policy_findings": ("$: is not JSON.",)}),
    ("breaker", {"frozen_reason": "3 runs in a row brought no improvement."}),
    ("data_quality", {}),
    ("training_target", {"promotion_endpoint_exists": False}),
    ("run_in_progress", {"active_run_id": "run-0"}),
    ("cooldown", {"cooldown_until": NOON + timedelta(hours=1)}),
    ("budget", {"run_starts": (NOON,) * 9}),
    ("shadow", {}),
)


@pytest.mark.parametrize("pair", list(itertools.combinations(range(len(STOPPING)), 2)))
def test_of_two_guards_in_the_way_the_stronger_decides_and_both_are_recorded(pair: tuple[int, int]) -> None:
    (stronger, first), (weaker, second) = STOPPING[pair[0]], STOPPING[pair[1]]
    names = {stronger, weaker}
    sent = signal(SignalKind.DATA_QUALITY if "data_quality" in names else SignalKind.DRIFT)
    verdict = decide(
        sent, policy(mode="shadow" if "shadow" in names else "active"), ModelState(**first, **second), NOON
    )
    failed = [guard for guard in verdict.guards if guard.decision is not None]
    assert [guard.guard for guard in failed] == [stronger, weaker]
    assert (verdict.decision, verdict.reason, verdict.sentence) == (
        failed[0].decision,
        failed[0].reason,
        failed[0].sentence,
    )


def test_a_paused_model_is_not_frozen_and_keeps_no_wrong_reason() -> None:
    state = ModelState(promoted_at=NOON - timedelta(hours=1), kill_switches=(SWITCH,))
    paused = decide(signal(), policy(drift_again_hours=48.0), state, NOON)
    assert (paused.reason, paused.freezes) == ("PAUSED", False)
    assert decide(signal(), policy(drift_again_hours=48.0), replace(state, kill_switches=()), NOON).freezes


@pytest.mark.parametrize(
    ("sent", "severity"),
    [
        (signal(observed=0.1), Severity.INFO),
        (signal(observed=0.2), Severity.WARNING),
        (signal(observed=0.39), Severity.WARNING),
        (signal(observed=0.4), Severity.CRITICAL),
        (signal(observed=None), Severity.WARNING),
        (signal(threshold=None), Severity.WARNING),
        (signal(threshold=Threshold("auc", 0.9, 0.8, lower_is_worse=True)), Severity.INFO),
        (signal(threshold=Threshold("auc", 0.7, 0.8, lower_is_worse=True)), Severity.WARNING),
        (signal(threshold=Threshold("auc", 0.4, 0.8, lower_is_worse=True)), Severity.CRITICAL),
        (signal(threshold=Threshold("auc", 0.0, 0.8, lower_is_worse=True)), Severity.CRITICAL),
        # What cannot be computed is no more than a warning.
        (signal(threshold=Threshold("errors", 1.0, 0.0)), Severity.WARNING),
        (signal(threshold=Threshold("errors", 1e308, 1e-308)), Severity.WARNING),
        (signal(threshold=Threshold("log_likelihood", -5.0, -2.0, lower_is_worse=True)), Severity.CRITICAL),
        # Its own word raises and never lowers.
        (signal(observed=0.9, severity=Severity.INFO), Severity.CRITICAL),
        (signal(observed=0.9, severity=Severity.WARNING), Severity.CRITICAL),
        (signal(observed=0.3, severity=Severity.INFO), Severity.WARNING),
        (signal(observed=0.3, severity=Severity.CRITICAL), Severity.CRITICAL),
        (signal(observed=0.1, severity=Severity.WARNING), Severity.WARNING),
        (signal(observed=None, severity=Severity.INFO), Severity.WARNING),
        (signal(threshold=None, severity=Severity.INFO), Severity.WARNING),
        (signal(threshold=None, severity=Severity.CRITICAL), Severity.CRITICAL),
        (signal(SignalKind.NO_DRIFT), Severity.CRITICAL),
        (signal(SignalKind.NO_DRIFT, observed=0.1), Severity.INFO),
        (signal(SignalKind.NO_DRIFT, threshold=None), Severity.INFO),
        (signal(SignalKind.NO_DRIFT, threshold=None, severity=Severity.WARNING), Severity.WARNING),
        (replace(REQUEST, severity=Severity.INFO), Severity.CRITICAL),
        (signal(SignalKind.RETRAINING_DECISION, severity=Severity.WARNING), Severity.CRITICAL),
        (REQUEST, Severity.CRITICAL),
        (replace(REQUEST, threshold=None), Severity.CRITICAL),
        (signal(SignalKind.RETRAINING_DECISION, threshold=None), Severity.CRITICAL),
    ],
)
def test_severity_is_how_far_the_value_is_past_its_threshold_or_what_the_signal_says_if_that_is_worse(
    sent: Signal, severity: Severity
) -> None:
    assert severity_of(sent, DEFAULT) is severity


def test_what_would_have_been_done_in_shadow_mode_is_said_by_its_name() -> None:
    for sent, word in ((signal(), "retrained"), (ROLLBACK, "rolled back")):
        found = decide(sent, policy(mode="shadow"), FREE, NOON)
        assert found.decision is Decision.OBSERVE
        assert f"it would have been {word}, and nothing was started." in found.sentence
    assert severity_of(replace(ROLLBACK, severity=None, threshold=None), DEFAULT) is Severity.CRITICAL


def test_only_two_numbers_without_a_ratio_are_unclear() -> None:
    assert Threshold("m", 1.0, 0.0).unclear
    given = [(None, 0.0), (1.0, None), (None, None), (1.0, 2.0)]
    assert [Threshold("m", *numbers).unclear for numbers in given] == [False] * 4


@pytest.mark.parametrize(("observed", "threshold"), [(1.0, 0.0), (1e308, 1e-308), (0.5, -0.5)])
def test_what_cannot_be_computed_asks_people_and_says_why(observed: float, threshold: float) -> None:
    sent = signal(threshold=Threshold("errors", observed, threshold), severity=Severity.CRITICAL)
    found = decide(sent, policy(), FREE, NOON)
    assert (found.decision, found.approval_needed) == (Decision.RETRAIN, True)
    assert "How bad that is cannot be computed, since the two numbers have no ratio" in found.sentence
    assert sent.as_record()["threshold"]["ratio"] is None
    worst = signal(threshold=Threshold("ks_p_value", 0.0, 0.05, lower_is_worse=True))
    assert severity_of(worst, DEFAULT) is Severity.CRITICAL
    assert worst.as_record()["threshold"]["ratio"] == 1e6
    assert not decide(worst, policy(), FREE, NOON).approval_needed


@pytest.mark.parametrize(
    ("mode", "sent", "needed"),
    [
        ("never", signal(observed=0.3), False),
        ("never", signal(), False),
        ("by-severity", signal(observed=0.3), True),
        ("by-severity", signal(), False),
        ("always", signal(observed=0.3), True),
        ("always", signal(), True),
        ("by-severity", REQUEST, False),
        ("always", REQUEST, True),
        ("by-severity", signal(SignalKind.RETRAINING_DECISION), False),
        ("always", signal(SignalKind.RETRAINING_DECISION), True),
        ("always", PROVEN, True),
        ("by-severity", PROVEN, False),
    ],
)
def test_people_are_asked_as_the_approval_mode_says(mode: str, sent: Signal, *, needed: bool) -> None:
    in_force = parse_policy("churn", None, version="defaults", settings=replace(SETTINGS, approval_mode=mode))
    verdict = decide(sent, in_force, FREE, NOON)
    assert verdict.decision is Decision.RETRAIN
    assert verdict.approval_needed is needed
    assert verdict.sentence.endswith(f"the policy of churn {'asks people first' if needed else 'retrains'}.")


ASKING_AT: dict[str, Policy] = {
    "retrain": DEFAULT,
    "approve": policy(actions={**DEFAULT.actions, Severity.CRITICAL: PolicyAction.APPROVE}),
    "observe": policy(actions=WATCHING),
    "observe, and nobody is ever asked": policy(
        actions=WATCHING, approval=replace(DEFAULT.approval, training="never", approvals_needed=2)
    ),
    "always": policy(approval=replace(DEFAULT.approval, training="always")),
}


@pytest.mark.parametrize(
    ("at_critical", "request_", "proven", "file", "trusted_file"),
    [
        ("retrain", False, False, False, False),
        ("approve", True, True, True, False),
        ("observe", True, False, True, False),
        ("observe, and nobody is ever asked", True, False, True, False),
        ("always", True, True, True, True),
    ],
)
def test_what_asks_for_a_retraining_trains_unasked_only_where_the_policy_itself_would(
    at_critical: str, *, request_: bool, proven: bool, file: bool, trusted_file: bool
) -> None:
    in_force = ASKING_AT[at_critical]
    trusting = replace(in_force, decision_file="trusted")
    asked = [
        decide(sent, policy_, FREE, NOON).approval_needed
        for sent, policy_ in ((REQUEST, in_force), (PROVEN, in_force), (FILE, in_force), (FILE, trusting))
    ]
    assert asked == [request_, proven, file, trusted_file]
    # Trusting the file trusts nobody who asks.
    assert decide(REQUEST, trusting, FREE, NOON).approval_needed is request_


def test_a_request_needs_as_many_people_as_critical_drift() -> None:
    two = replace(ASKING_AT["approve"], approval=replace(DEFAULT.approval, approvals_needed=2))
    for sent in (REQUEST, PROVEN, FILE, replace(REQUEST, severity=Severity.WARNING), signal(severity=Severity.WARNING)):
        verdict = decide(sent, two, FREE, NOON)
        assert (verdict.approval_needed, verdict.approvals_needed) == (True, 2)


def test_who_only_claims_to_force_is_told_what_can() -> None:
    cooling = ModelState(cooldown_until=NOON + timedelta(hours=1))
    said = (
        "Its force does not count: only a forced request from a terminal passes a cooldown, since it proves who asks."
    )
    assert decide(replace(REQUEST, force=True), DEFAULT, cooling, NOON).sentence.endswith(said)
    assert said not in decide(REQUEST, DEFAULT, cooling, NOON).sentence
    forced = decide(replace(PROVEN, force=True, requested_by="the board"), DEFAULT, cooling, NOON)
    (overridden,) = [guard for guard in forced.guards if guard.reason == "COOLDOWN_OVERRIDDEN"]
    assert overridden.sentence.startswith("arn:aws:iam::111122223333:user/ana overrides the cooldown until")


def test_each_budget_says_what_would_raise_it() -> None:
    starts = ModelState(run_starts=(NOON - timedelta(hours=1),))
    of_the_stack = decide(signal(), policy(budget_runs=9, stack_budget_runs=1), starts, NOON).sentence
    of_the_file = decide(signal(), policy(budget_runs=1, stack_budget_runs=9), starts, NOON).sentence
    assert "has used 1 of 1 runs in 30 days. Raise the stack's RunBudget" in of_the_stack
    assert "has used 1 of 1 runs in 30 days. Raise budget.runs in its policy" in of_the_file
    free = decide(signal(), policy(budget_runs=9, budget_days=3.0, stack_budget_runs=8), starts, NOON)
    (told,) = [guard.sentence for guard in free.guards if guard.guard == "budget"]
    assert told == "1 of 8 runs used in 30 days. 1 of 9 runs used in 3 days."


def test_who_asks_nobody_asks_nobody_whatever_is_done_at_a_severity() -> None:
    asking = dict.fromkeys(Severity, PolicyAction.APPROVE)
    never = policy(approval=replace(DEFAULT.approval, training="never"), actions=asking)
    assert not decide(signal(), never, FREE, NOON).approval_needed


def test_a_signal_that_starts_nothing_asks_nobody() -> None:
    verdict = decide(signal(), policy(mode="shadow"), FREE, NOON)
    assert (verdict.approval_needed, verdict.approvals_needed) == (False, 1)


def test_a_model_of_which_nothing_is_known_had_no_fruitless_run() -> None:
    breaker = next(guard for guard in decide(signal(), DEFAULT, FREE, NOON).guards if guard.guard == "breaker")
    assert breaker.sentence == "0 run(s) in a row without improvement."


def test_a_sentence_says_how_far_past_its_threshold_a_value_is() -> None:
    watching = policy(actions=WATCHING)
    assert "At 0.50 times its threshold it is info" in decide(signal(observed=0.1), watching, FREE, NOON).sentence
    assert "Without a ratio it is warning" in decide(signal(threshold=None), watching, FREE, NOON).sentence


def test_what_is_retrained_freezes_nothing() -> None:
    assert not decide(signal(), DEFAULT, FREE, NOON).freezes


def test_a_sentence_says_how_long_ago_and_until_when() -> None:
    again = ModelState(promoted_at=NOON - timedelta(hours=1000))
    assert "drifts again 1000.0 h after" in decide(signal(), policy(drift_again_hours=2000.0), again, NOON).sentence
    cooling = ModelState(cooldown_until=NOON + timedelta(hours=1, microseconds=7))
    assert "until 2026-03-02 13:00 UTC;" in decide(signal(), DEFAULT, cooling, NOON).sentence


def test_two_people_are_asked_only_when_it_is_critical() -> None:
    in_force = policy(approval=replace(DEFAULT.approval, approvals_needed=2, training="always"))
    assert decide(signal(), in_force, FREE, NOON).approvals_needed == 2
    assert decide(signal(observed=0.3), in_force, FREE, NOON).approvals_needed == 1


# Whatever comes.

texts = st.text(max_size=12)
times = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given by timezones
numbers = st.none() | st.floats()
signals = st.builds(
    Signal,
    signal_id=texts,
    source=st.sampled_from(SignalSource),
    kind=st.sampled_from(SignalKind),
    model=st.just("churn"),
    summary=texts,
    observed_at=texts,
    threshold=st.none() | st.builds(Threshold, texts, numbers, numbers, st.booleans()),
    severity=st.none() | st.sampled_from(Severity),
    requested_by=st.none() | texts,
    force=st.booleans(),
    muted=st.booleans(),
    proven_by=st.none() | texts,
)
states = st.builds(
    ModelState,
    active_run_id=st.none() | texts,
    cooldown_until=st.none() | times,
    run_starts=st.lists(times, max_size=6).map(tuple),
    fruitless_runs=st.integers(0, 9),
    frozen_reason=st.none() | texts,
    promoted_at=st.none() | times,
    kill_switches=st.lists(
        st.builds(
            KillSwitch, st.sampled_from(["global", "model:churn", "source:alarm", "model:x"]), texts, texts, texts
        ),
        max_size=2,
    ).map(tuple),
    promotion_endpoint_exists=st.booleans(),
    endpoint_finding=st.none() | texts,
    policy_findings=st.lists(texts, max_size=2).map(tuple),
)
policies = st.builds(
    lambda mode, hold, runs, again, known: policy(
        mode=mode,
        hold_on_data_quality=hold,
        budget_runs=runs,
        drift_again_hours=again,
        training=DEFAULT.training if known else NO_TARGET,
    ),
    st.sampled_from(["active", "shadow"]),
    st.booleans(),
    st.integers(0, 5),
    st.sampled_from([0.0, 48.0]),
    st.booleans(),
)


@quick
@given(signals, policies, states, times)
def test_no_signal_and_no_state_makes_deciding_raise_and_the_first_guard_in_the_way_wins(
    sent: Signal, in_force: Policy, state: ModelState, now: datetime
) -> None:
    verdict = decide(sent, in_force, state, now)
    assert verdict == decide(sent, in_force, state, now)
    back = sent.kind is SignalKind.ROLLBACK
    assert len(verdict.guards) == len(ROLLBACK_GUARDS if back else GUARDS)
    stopped = [guard for guard in verdict.guards if guard.decision is not None]
    begins = Decision.ROLL_BACK if back else Decision.RETRAIN
    expected = (stopped[0].decision, stopped[0].reason) if stopped else (begins, verdict.reason)
    assert (verdict.decision, verdict.reason) == expected
    if verdict.decision is Decision.RETRAIN:
        assert not state.active_run_id
        assert not state.frozen_reason
        assert in_force.training.kind is not None
        assert in_force.mode == "active"
        assert sent.kind is not SignalKind.MONITOR_FAILURE
        assert verdict.reason != "FORCED" or sent.proven_by is not None


STRENGTH = list(Severity)


@pytest.mark.threat("event-sets-strength")
@quick
@given(signals, policies, states, times, st.none() | st.sampled_from(Severity), st.booleans(), texts)
def test_no_word_of_an_event_makes_its_control_weaker(
    sent: Signal,
    in_force: Policy,
    state: ModelState,
    now: datetime,
    word: Severity | None,
    force: bool,
    name: str,
) -> None:
    """Beside the same event without any word: what it says of its severity, its force and its sender lowers nothing."""
    bare = replace(sent, severity=None, force=False, requested_by=None, proven_by=None)
    loud = replace(bare, severity=word, force=force, requested_by=name)
    plain, said = decide(bare, in_force, state, now), decide(loud, in_force, state, now)
    assert STRENGTH.index(said.severity) >= STRENGTH.index(plain.severity)
    assert said.reason != "FORCED"
    if plain.decision is Decision.RETRAIN and said.decision is Decision.RETRAIN:
        assert said.approvals_needed >= plain.approvals_needed
    if plain.decision is Decision.COALESCE:
        assert said.decision is not Decision.RETRAIN


@quick
@given(signals, policies, states, times)
def test_a_kill_switch_stops_everything_in_its_scope(
    sent: Signal, in_force: Policy, state: ModelState, now: datetime
) -> None:
    paused = replace(state, kill_switches=(*state.kill_switches, SWITCH))
    verdict = decide(sent, in_force, paused, now)
    assert (verdict.decision, verdict.reason, verdict.freezes) == (Decision.HOLD, "PAUSED", False)


@quick
@given(st.permutations(range(4)), states)
def test_the_order_of_run_starts_and_switches_does_not_change_the_decision(order: list[int], state: ModelState) -> None:
    starts = tuple(NOON - timedelta(days=9 * number) for number in range(4))
    first = decide(signal(), policy(budget_runs=3), replace(state, run_starts=starts), NOON)
    shuffled = replace(state, run_starts=tuple(starts[number] for number in order))
    assert decide(signal(), policy(budget_runs=3), shuffled, NOON) == first


def test_a_models_state_is_read_from_its_record_as_it_was() -> None:
    state = ModelState(
        active_run_id="fraud-1",
        cooldown_until=NOON,
        run_starts=(NOON, NOON + timedelta(hours=1)),
        fruitless_runs=2,
        frozen_reason="It failed twice.",
        promoted_at=NOON - timedelta(days=1),
        kill_switches=(SWITCH,),
        promotion_endpoint_exists=False,
        endpoint_finding="It serves inference components.",
        foreign_findings=("Endpoint churn-prod belongs to fraud.",),
        policy_findings=("$.model: is missing.", "$.target: is unknown."),
    )
    for kept in (state, FREE):
        assert ModelState.of(json.loads(canonical(kept.as_record()))) == kept


def test_a_state_is_read_from_a_record_of_before_tags_said_whose_an_endpoint_is() -> None:
    record = {**FREE.as_record(), "endpoint_owner": "fraud"}
    del record["foreign_findings"]
    assert ModelState.of(record) == FREE


TYPES, COLUMNS = DataCheck("data_type_check", 1, 0.996), DataCheck("missing_column_check", 2, None)
TOLERANT = policy(hold_on_data_quality={"data_type_check": 0.99})


def broken(*checks: DataCheck, **fields: Any) -> Signal:
    given: dict[str, Any] = {"source": SignalSource.MODEL_MONITOR, "proven_by": "monitoring schedule x", **fields}
    return signal(SignalKind.DATA_QUALITY, data_checks=checks, **given)


@pytest.mark.parametrize(
    ("held", "checks", "tolerated"),
    [
        (True, (TYPES,), False),
        (False, (TYPES, COLUMNS), True),
        ({"data_type_check": 0.99}, (TYPES,), True),
        ({"data_type_check": 0.996}, (TYPES,), True),
        ({"data_type_check": 0.9961}, (TYPES,), False),
        ({"data_type_check": 0.99}, (TYPES, COLUMNS), False),
        ({"data_type_check": 0.99}, (COLUMNS,), False),
        ({"data_type_check": 0.99, "missing_column_check": 0.0}, (TYPES, COLUMNS), True),
        ({"missing_column_check": 0.0}, (COLUMNS,), True),
        ({"data_type_check": 0.01}, (replace(TYPES, worst=None),), False),
        ({"data_type_check": 0.0}, (replace(TYPES, worst=None),), True),
        ({"completeness_check": 0.5}, (TYPES,), False),
    ],
)
@pytest.mark.parametrize(("observed", "kind"), [(0.9, SignalKind.DRIFT), (None, SignalKind.NO_DRIFT)])
def test_broken_data_that_the_policy_tolerates_leaves_the_drift_beside_it(
    observed: float | None, kind: SignalKind, held: Any, checks: tuple[DataCheck, ...], *, tolerated: bool
) -> None:
    threshold = Threshold("psi", observed, 0.2) if observed else None
    sent, given = broken(*checks, threshold=threshold), policy(hold_on_data_quality=held)
    assert as_tolerated(sent, given) == (replace(sent, kind=kind) if tolerated else sent)
    verdict = decide(sent, given, FREE, NOON)
    guard = next(each for each in verdict.guards if each.guard == "data_quality")
    if not tolerated:
        assert (verdict.decision, verdict.reason, guard.reason) == (
            Decision.HOLD,
            Reason.BROKEN_DATA,
            Reason.BROKEN_DATA,
        )
    elif kind is SignalKind.DRIFT:
        assert (verdict.decision, verdict.severity, guard.reason) == (
            Decision.RETRAIN,
            Severity.CRITICAL,
            Reason.DATA_TOLERATED,
        )
    else:
        assert (verdict.decision, verdict.reason, guard.reason) == (
            Decision.SKIP,
            Reason.NO_DRIFT,
            Reason.DATA_TOLERATED,
        )
    # What is decided again on a record, which holds the signal as it was decided, is the same.
    assert decide(as_tolerated(sent, given), given, FREE, NOON) == verdict


def test_drift_without_numbers_beside_tolerated_data_is_a_warning() -> None:
    sent = broken(TYPES, threshold=Threshold("psi", None, None))
    assert decide(sent, TOLERANT, FREE, NOON).severity is Severity.WARNING


def test_drift_beside_tolerated_data_freezes_a_model_as_drift_does() -> None:
    given = replace(TOLERANT, drift_again_hours=48.0)
    state = ModelState(promoted_at=NOON - timedelta(hours=1))
    assert decide(broken(TYPES), given, state, NOON).freezes
    assert not decide(broken(COLUMNS), given, state, NOON).freezes


def test_a_hold_says_which_broken_data_the_policy_does_not_tolerate() -> None:
    given = policy(hold_on_data_quality={"data_type_check": 0.9999, "completeness_check": 0.5})
    checks = (TYPES, replace(TYPES, check="completeness_check"), COLUMNS)
    assert (
        "The policy does not tolerate data_type_check at 99.6 % where 99.99 % are needed, missing_column_check of an unknown share. "
        "Training on broken data"
    ) in decide(broken(*checks), given, FREE, NOON).sentence
    assert "does not tolerate" not in decide(broken(*checks), DEFAULT, FREE, NOON).sentence


def test_a_guard_that_lets_broken_data_pass_says_what_was_tolerated() -> None:
    given = policy(hold_on_data_quality={"data_type_check": 0.99, "missing_column_check": 0.0})
    guard = next(
        each for each in decide(broken(TYPES, COLUMNS), given, FREE, NOON).guards if each.guard == "data_quality"
    )
    assert guard.sentence == (
        "The policy tolerates what is broken: data_type_check at 99.6 %, missing_column_check of an unknown share."
    )


def test_a_record_that_kept_no_shares_is_decided_as_before() -> None:
    old = broken()
    assert as_tolerated(old, policy(hold_on_data_quality=False)) == old
    assert decide(old, TOLERANT, FREE, NOON).reason == Reason.BROKEN_DATA


def test_tolerated_drift_of_a_run_that_nobody_confirms_is_asked_about() -> None:
    assert decide(broken(TYPES, proven_by=None), TOLERANT, FREE, NOON).approval_needed
    assert decide(broken(COLUMNS, proven_by=None), TOLERANT, FREE, NOON).reason == Reason.RUN_UNCONFIRMED


@pytest.mark.parametrize("data_quality", ["hold", "ignore", {"data_type_check": 0.9}])
@pytest.mark.parametrize("metric", ["failed_checks", "psi"])
def test_failed_checks_of_a_library_are_held_or_left_out_of_account(data_quality: Any, metric: str) -> None:
    """A library's checks have no shares, so a tolerance by share is none of them."""
    checks = Signal(
        "id",
        SignalSource.DRIFT_REPORT,
        SignalKind.DATA_QUALITY,
        "churn",
        "One failed.",
        "",
        threshold=Threshold(metric, 3.0, 1.0 if metric == "psi" else None),
    )
    body = json.dumps({"schema_version": 1, "model": "churn", "data_quality": data_quality}).encode()
    policy = parse_policy("churn", body, version="v", settings=SETTINGS)
    ignored = Decision.RETRAIN if metric == "psi" else Decision.SKIP
    for sent in (checks, replace(checks, source=SignalSource.PENDING, origin=SignalSource.DRIFT_REPORT)):
        verdict = decide(sent, policy, ModelState(), NOON)
        assert verdict.decision is (ignored if data_quality == "ignore" else Decision.HOLD)


@pytest.mark.parametrize("summary", ["The monitor of churn failed: no data", "The monitor of churn failed: no data."])
def test_a_failure_in_the_words_of_others_ends_as_a_sentence(summary: str) -> None:
    failed = Signal("id", SignalSource.DRIFT_REPORT, SignalKind.MONITOR_FAILURE, "churn", summary, "")
    policy = parse_policy("churn", None, version="defaults", settings=SETTINGS)
    sentence = decide(failed, policy, ModelState(), NOON).sentence
    assert (
        sentence
        == "The monitor of churn failed: no data. Not knowing is not the same as no drift: repair the monitoring run."
    )
