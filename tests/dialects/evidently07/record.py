"""Evidently 0.7: reports, with tests and without, on data that drifted, that did not, and of which only the prediction did."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np
import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.metrics import MissingValueCount, ValueDrift
from evidently.presets import ClassificationPreset, DataDriftPreset
from evidently.tests import eq

from tests.dialects.recording import SEED, keep, sent

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
    reference = dataset(frame(SEED))
    data = {
        "drift": frame(SEED + 1, drifted=True),
        "no_drift": frame(SEED + 2),
        "few_columns": frame(SEED + 2, few_drifted=True),
        "prediction_drift": frame(SEED + 2, prediction_drifted=True),
        "gaps": frame(SEED + 2, gaps=80),
    }
    complete = [MissingValueCount(column="amount", tests=[eq(0)])]
    wanted = [
        ("data_drift_preset", Report([DataDriftPreset()]), ("drift", "no_drift", "few_columns", "prediction_drift")),
        ("value_drift", Report([ValueDrift(column="prediction")]), ("no_drift", "prediction_drift")),
        ("value_drift_psi", Report([ValueDrift(column="amount", method="psi")]), ("drift", "no_drift")),
        ("value_drift_ks", Report([ValueDrift(column="amount", method="ks")]), ("drift", "no_drift")),
        ("value_drift_anderson", Report([ValueDrift(column="amount", method="anderson")]), ("drift", "no_drift")),
        ("drift_tests", Report([DataDriftPreset()], include_tests=True), ("drift", "no_drift")),
        ("quality_tests", Report(complete), ("no_drift", "gaps")),
        ("performance_tests", Report([ClassificationPreset()], include_tests=True), ("drift", "no_drift")),
        ("performance", Report([ClassificationPreset()]), ("drift",)),
    ]
    for name, report, kinds in wanted:
        for kind in kinds:
            ran = report.run(dataset(data[kind]), reference)
            keep(folder, f"{name}_{kind}", "evidently", sent("send_evidently", ran))


def dataset(rows: Any) -> Any:
    """The rows, with what their columns are."""
    definition = DataDefinition(
        numerical_columns=["amount", "age", "hour"],
        categorical_columns=["country", "prediction", "target"],
        classification=[BinaryClassification(target="target", prediction_labels="prediction")],
    )
    return Dataset.from_pandas(rows, data_definition=definition)


if __name__ == "__main__":
    record(sys.argv[1])
