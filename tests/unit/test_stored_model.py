"""What a decision and a run's end make of a model's state, where no story says it."""

from __future__ import annotations

import json
from dataclasses import replace

from orchestration.domain.contracts import Severity, SignalKind, SignalSource, Status
from orchestration.domain.decision import ModelState, decide
from orchestration.domain.pending_signal import merge_pending
from orchestration.domain.policy import parse_policy
from orchestration.domain.signal import Signal, Threshold, Violation
from orchestration.domain.stored_model import EndedRun, StoredModel, after_decision, after_run
from tests.unit.fakes import NOON, SETTINGS

POLICY = parse_policy("churn", None, version="defaults", settings=SETTINGS)
DRIFT = Signal(
    signal_id="1",
    source=SignalSource.DRIFT_REPORT,
    kind=SignalKind.DRIFT,
    model="churn",
    summary="psi.",
    observed_at="",
    threshold=Threshold("psi", 0.5, 0.2),
)


def test_a_state_is_the_same_after_it_was_kept_as_json() -> None:
    state = StoredModel("churn", 3, run_starts=(NOON.isoformat(),), fruitless_runs=2)
    assert StoredModel.of("churn", json.loads(json.dumps(state.as_record())), version=3) == state


def test_what_waits_keeps_no_violations_which_stand_in_the_record_of_its_decision() -> None:
    said = replace(DRIFT, violations=(Violation("age", "baseline_drift_check", "far"),)).as_record()
    merged = merge_pending(None, said, Severity.WARNING, sequence=1, returning=True)
    assert merged["signal"]["violations"] == merged["drift"]["violations"] == []
    assert merged["signal"]["violation_count"] == 1


def test_a_run_remembers_the_content_that_began_it_and_nothing_where_there_is_none() -> None:
    for signal, remembered in (
        (DRIFT, None),
        (replace(DRIFT, content="c"), {"c": {"run": "run-1", "at": NOON.isoformat()}}),
    ):
        verdict = decide(signal, POLICY, ModelState(), NOON)
        after, _ = after_decision(StoredModel("churn"), signal, verdict, run_id="run-1", now=NOON, sequence=1)
        assert (after.active_run_id, after.answered) == ("run-1", remembered)


def test_a_way_back_that_fails_freezes_nothing_whatever_runs_before_it_came_to() -> None:
    """Its model may have more fruitless runs than a limit that was lowered meanwhile."""
    state = StoredModel("churn", active_run_id="run-1", fruitless_runs=POLICY.fruitless_runs + 2)
    for goes_back, frozen in ((True, False), (False, True)):
        after = after_run(state, EndedRun("run-1", Status.FAILED, goes_back), POLICY, NOON)
        assert bool(after.frozen_reason) is frozen
