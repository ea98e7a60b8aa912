"""What libraries said when they ran (``make dialects``): each recorded report with what the loop makes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from orchestration.domain.contracts import Decision, SignalKind
from orchestration.domain.decision import ModelState, decide
from orchestration.domain.policy import parse_policy
from orchestration.domain.signal import Rejection
from orchestration.domain.signals import read_signal
from tests.unit.fakes import SETTINGS, FakeReader, drift

DIALECTS: Final = Path(__file__).resolve().parents[1] / "dialects"

NOON: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)

DRIFT, NO_DRIFT, BROKEN = SignalKind.DRIFT, SignalKind.NO_DRIFT, SignalKind.DATA_QUALITY
RETRAIN, SKIP, HOLD = Decision.RETRAIN, Decision.SKIP, Decision.HOLD

EXPECTED: Final[dict[str, tuple[SignalKind, Decision, str | None, int]]] = {
    "clarify/bias_drift": (DRIFT, RETRAIN, "DPPL (gender 0)", 1),
    "clarify/bias_no_drift": (NO_DRIFT, SKIP, "DPPL (gender 0)", 0),
    "clarify/impact_drift": (DRIFT, RETRAIN, "DI (gender 0)", 1),
    "deequ/checks_failed": (BROKEN, HOLD, "failed_checks", 2),
    "deequ/checks_passed": (NO_DRIFT, SKIP, "failed_checks", 0),
    "evidently04/column_drift_psi_drift": (DRIFT, RETRAIN, "amount (PSI)", 1),
    "evidently04/column_drift_psi_no_drift": (NO_DRIFT, SKIP, "amount (PSI)", 0),
    "evidently04/data_drift_preset_drift": (DRIFT, RETRAIN, "share_of_drifted_columns", 3),
    "evidently04/data_drift_preset_few_columns": (NO_DRIFT, SKIP, "share_of_drifted_columns", 1),
    "evidently04/data_drift_preset_no_drift": (NO_DRIFT, SKIP, "target (Z-test p_value)", 0),
    "evidently04/data_drift_preset_prediction_drift": (DRIFT, RETRAIN, "prediction (Z-test p_value)", 1),
    "evidently04/drift_tests_drift": (DRIFT, RETRAIN, "country (chi-square p_value)", 4),
    "evidently04/drift_tests_no_drift": (NO_DRIFT, SKIP, "country (chi-square p_value)", 0),
    "evidently04/performance_tests_drift": (DRIFT, RETRAIN, "Recall Score", 4),
    "evidently04/performance_tests_no_drift": (NO_DRIFT, SKIP, "Recall Score", 0),
    "evidently04/quality_tests_gaps": (BROKEN, HOLD, "failed_checks", 2),
    "evidently04/quality_tests_no_drift": (NO_DRIFT, SKIP, "failed_checks", 0),
    "evidently04/target_drift_preset_no_drift": (NO_DRIFT, SKIP, "target (Z-test p_value)", 0),
    "evidently04/target_drift_preset_prediction_drift": (DRIFT, RETRAIN, "prediction (Z-test p_value)", 1),
    "evidently07/data_drift_preset_drift": (DRIFT, RETRAIN, "share_of_drifted_columns", 3),
    "evidently07/data_drift_preset_few_columns": (NO_DRIFT, SKIP, "share_of_drifted_columns", 1),
    "evidently07/data_drift_preset_no_drift": (NO_DRIFT, SKIP, "target (Z-test p_value)", 0),
    "evidently07/data_drift_preset_prediction_drift": (DRIFT, RETRAIN, "prediction (Z-test p_value)", 1),
    "evidently07/drift_tests_drift": (DRIFT, RETRAIN, "country (chi-square p_value)", 7),
    "evidently07/drift_tests_no_drift": (NO_DRIFT, SKIP, "country (chi-square p_value)", 0),
    "evidently07/performance_tests_drift": (DRIFT, RETRAIN, "FNR", 8),
    "evidently07/performance_tests_no_drift": (NO_DRIFT, SKIP, "FNR", 0),
    "evidently07/quality_tests_gaps": (BROKEN, HOLD, "failed_checks", 1),
    "evidently07/quality_tests_no_drift": (NO_DRIFT, SKIP, "failed_checks", 0),
    "evidently07/value_drift_anderson_drift": (DRIFT, RETRAIN, "amount (anderson)", 1),
    "evidently07/value_drift_anderson_no_drift": (NO_DRIFT, SKIP, "amount (anderson)", 0),
    "evidently07/value_drift_ks_drift": (DRIFT, RETRAIN, "amount (ks)", 1),
    "evidently07/value_drift_ks_no_drift": (NO_DRIFT, SKIP, "amount (ks)", 0),
    "evidently07/value_drift_no_drift": (NO_DRIFT, SKIP, "prediction (Z-test p_value)", 0),
    "evidently07/value_drift_prediction_drift": (DRIFT, RETRAIN, "prediction (Z-test p_value)", 1),
    "evidently07/value_drift_psi_drift": (DRIFT, RETRAIN, "amount (psi)", 1),
    "evidently07/value_drift_psi_no_drift": (NO_DRIFT, SKIP, "amount (psi)", 0),
    "evidently_monitor/mild_drift": (DRIFT, RETRAIN, "share_of_drifted_columns", 0),
    "evidently_monitor/no_drift": (NO_DRIFT, SKIP, "share_of_drifted_columns", 0),
    "evidently_monitor/strong_drift": (DRIFT, RETRAIN, "share_of_drifted_columns", 0),
    "evidently_monitor/strong_drift_after_a_promotion": (NO_DRIFT, SKIP, "share_of_drifted_columns", 0),
    "great_expectations/checkpoint_of_validation_column_gone": (BROKEN, HOLD, "failed_checks", 1),
    "great_expectations/checkpoint_of_validation_gaps": (BROKEN, HOLD, "failed_checks", 1),
    "great_expectations/checkpoint_of_validation_whole": (NO_DRIFT, SKIP, "failed_checks", 0),
    "great_expectations/validation_column_gone": (BROKEN, HOLD, "failed_checks", 1),
    "great_expectations/validation_gaps": (BROKEN, HOLD, "failed_checks", 1),
    "great_expectations/validation_whole": (NO_DRIFT, SKIP, "failed_checks", 0),
    "nannyml/dle_drift": (DRIFT, RETRAIN, "mae", 1),
    "nannyml/dle_no_drift": (NO_DRIFT, SKIP, "mae", 0),
    "nannyml/estimated_drift": (DRIFT, RETRAIN, "roc_auc", 2),
    "nannyml/estimated_no_drift": (NO_DRIFT, SKIP, "roc_auc", 0),
    "nannyml/missing_gaps": (BROKEN, HOLD, "failed_checks", 1),
    "nannyml/missing_no_drift": (NO_DRIFT, SKIP, "failed_checks", 0),
    "nannyml/multivariate_drift": (DRIFT, RETRAIN, "reconstruction_error", 1),
    "nannyml/multivariate_no_drift": (NO_DRIFT, SKIP, "reconstruction_error", 0),
    "nannyml/realised_drift": (DRIFT, RETRAIN, "roc_auc", 2),
    "nannyml/realised_no_drift": (NO_DRIFT, SKIP, "f1", 0),
    "nannyml/univariate_drift": (DRIFT, RETRAIN, "amount_jensen_shannon", 2),
    "nannyml/univariate_no_drift": (NO_DRIFT, SKIP, "amount_jensen_shannon", 0),
    "nannyml/univariate_table_drift": (DRIFT, RETRAIN, "amount_jensen_shannon", 2),
    "river/adwin_drift": (DRIFT, RETRAIN, "ADWIN", 0),
    "river/adwin_no_drift": (NO_DRIFT, SKIP, "ADWIN", 0),
    "river/ddm_drift": (DRIFT, RETRAIN, "DDM", 0),
    "river/ddm_no_drift": (NO_DRIFT, SKIP, "DDM", 0),
    "river/pagehinkley_drift": (DRIFT, RETRAIN, "PageHinkley", 0),
    "river/pagehinkley_no_drift": (NO_DRIFT, SKIP, "PageHinkley", 0),
    "whylogs/constraints_gaps": (BROKEN, HOLD, "failed_checks", 1),
    "whylogs/constraints_whole": (NO_DRIFT, SKIP, "failed_checks", 0),
    "whylogs/scores_drift": (DRIFT, RETRAIN, "country (chi-square p_value)", 2),
    "whylogs/scores_no_drift": (NO_DRIFT, SKIP, "amount (ks p_value)", 0),
}
"""Kind, decision under the policy of a model without a file, metric of the worst finding, violations."""

REFUSED: Final = {
    "clarify/without_threshold": "has no verdict: send metric",
    "evidently07/performance_drift": "has no verdict on drift: add DataDriftPreset",
}
"""What nothing can be made of, and what people are told to do."""


def recorded() -> dict[str, dict[str, Any]]:
    """Every recorded report by its folder and name; lists of metric names are not reports."""
    files = sorted(DIALECTS.glob("*/recorded/*.json"))
    return {
        f"{file.parent.parent.name}/{file.stem}": json.loads(file.read_text(encoding="utf-8"))
        for file in files
        if file.name != "metrics.json"
    }


RECORDED: Final = recorded()


def read(name: str) -> Any:
    sent = {**drift(), "detail": RECORDED[name]["event"]["Detail"]}
    return read_signal(sent, reader=FakeReader(), settings=SETTINGS, run_id="run-1")


def test_every_recorded_report_is_read_and_each_is_still_there() -> None:
    assert RECORDED.keys() == EXPECTED.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_librarys_report_is_decided_as_its_own_words_say(name: str) -> None:
    kind, decision, metric, violations = EXPECTED[name]
    found = read(name)
    assert found.kind is kind, found
    assert found.threshold.metric == metric
    assert len(found.violations) == violations
    policy = parse_policy("fraud", None, version="defaults", settings=SETTINGS)
    assert decide(found, policy, ModelState(), NOON).decision is decision


@pytest.mark.parametrize("name", REFUSED)
def test_a_librarys_report_that_judges_nothing_is_refused_with_what_to_add(name: str) -> None:
    found = read(name)
    assert isinstance(found, Rejection)
    assert REFUSED[name] in found.sentence


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_report_says_who_said_it_and_fits_an_event(name: str) -> None:
    kept = RECORDED[name]
    assert kept["library"]
    assert kept["version"]
    assert isinstance(kept["seed"], int) or "by hand" in kept["written"]
    assert len(json.dumps(kept)) < 100_000
