"""Evidently 0.4: reports and test suites on data that drifted, that did not, and of which only the prediction did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from evidently.metric_preset import DataDriftPreset, TargetDriftPreset
from evidently.metrics import ColumnDriftMetric
from evidently.report import Report
from evidently.test_preset import BinaryClassificationTestPreset, DataDriftTestPreset, DataQualityTestPreset
from evidently.test_suite import TestSuite

from tests.dialects.recording import SEED, keep, sent

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS: Final = 400
COUNTRIES: Final = ("de", "fr", "it")


def frame(
    seed: int, *, drifted: bool = False, few_drifted: bool = False, prediction_drifted: bool = False, gaps: int = 0
) -> Any:
    """Rows of a model of fraud; ``gaps`` of them without an amount; of ``few_drifted`` it is one column of six."""
    chance = np.random.default_rng(seed)
    shares = (0.1, 0.2, 0.7) if drifted else (0.5, 0.3, 0.2)
    target = (chance.random(ROWS) < 0.5).astype(int)
    wrong = chance.random(ROWS) < (0.45 if drifted else 0.1)
    answered = np.where(wrong, 1 - target, target)
    made = pd.DataFrame(
        {
            "amount": chance.normal(1.5 if drifted or few_drifted else 0.0, 1, ROWS),
            "age": chance.normal(55 if drifted else 40, 10, ROWS),
            "country": chance.choice(COUNTRIES, ROWS, p=shares),
            "hour": chance.integers(0, 24, ROWS).astype(float),
            "prediction": np.ones(ROWS, dtype=int) if prediction_drifted else answered,
            "target": target,
        }
    )
    made.loc[made.index < gaps, "amount"] = None
    return made


def record(folder: str) -> None:
    """Write each report with the data of its name."""
    reference = frame(SEED)
    data = {
        "drift": frame(SEED + 1, drifted=True),
        "no_drift": frame(SEED + 2),
        "few_columns": frame(SEED + 2, few_drifted=True),
        "prediction_drift": frame(SEED + 2, prediction_drifted=True),
        "gaps": frame(SEED + 2, gaps=80),
    }
    wanted: list[tuple[str, Callable[[], Any], tuple[str, ...]]] = [
        (
            "data_drift_preset",
            lambda: Report([DataDriftPreset()]),
            ("drift", "no_drift", "few_columns", "prediction_drift"),
        ),
        ("target_drift_preset", lambda: Report([TargetDriftPreset()]), ("no_drift", "prediction_drift")),
        ("column_drift_psi", lambda: Report([ColumnDriftMetric("amount", stattest="psi")]), ("drift", "no_drift")),
        ("drift_tests", lambda: TestSuite([DataDriftTestPreset()]), ("drift", "no_drift")),
        ("quality_tests", lambda: TestSuite([DataQualityTestPreset()]), ("no_drift", "gaps")),
        ("performance_tests", lambda: TestSuite([BinaryClassificationTestPreset()]), ("drift", "no_drift")),
    ]
    for name, make, kinds in wanted:
        for kind in kinds:
            report = make()
            report.run(reference_data=reference, current_data=data[kind])
            event = sent("send_evidently", report)
            event["Detail"]["report"]["timestamp"] = "2026-11-26 00:00:00"
            keep(folder, f"{name}_{kind}", "evidently", event)


if __name__ == "__main__":
    record(sys.argv[1])
