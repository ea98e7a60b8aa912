"""NannyML: drift of columns and of all of them, estimated and realised performance, missing values; with drift and without."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import nannyml
import numpy as np
import pandas as pd

from tests.dialects.recording import SEED, keep, sent

ROWS: Final = 8_000
CHUNK: Final = 500
LABELS: Final = {"y_pred_proba": "proba", "y_pred": "prediction", "y_true": "target"}


def frame(seed: int, rows: int, *, drifted: bool = False, gaps: bool = False) -> Any:
    """Rows of a model of fraud whose probabilities are right, unless the data drifted; ``gaps``: a fifth has no amount."""
    chance = np.random.default_rng(seed)
    amount = chance.normal(1.0 if drifted else 0.0, 1, rows)
    score = 1 / (1 + np.exp(-2 * chance.normal(0, 1, rows)))
    # What drifted has probabilities that say less, which CBPE sees, and are less often right, which only labels show.
    proba = 0.5 + (score - 0.5) * (0.3 if drifted else 1.0)
    target = (chance.random(rows) < (0.5 if drifted else proba)).astype(int)
    made = pd.DataFrame(
        {
            "amount": amount,
            "age": chance.normal(40, 10, rows),
            "country": chance.choice(["de", "fr"], rows, p=[0.1, 0.9] if drifted else [0.5, 0.5]),
            "proba": proba,
            "prediction": (proba > 0.5).astype(int),
            "target": target,
        }
    )
    made.loc[(made.index % 5 == 0) & gaps, "amount"] = None
    return made


def record(folder: str) -> None:
    """Write the last chunk of each result, with the data of its name."""
    reference = frame(SEED, ROWS)
    columns = ["amount", "age", "country"]
    analyses = {
        "drift": frame(SEED + 1, CHUNK, drifted=True),
        "no_drift": frame(SEED + 2, CHUNK),
        "gaps": frame(SEED + 2, CHUNK, gaps=True),
    }
    kind = {"problem_type": "classification_binary", "chunk_size": CHUNK}
    univariate = nannyml.UnivariateDriftCalculator(
        column_names=columns, continuous_methods=["jensen_shannon"], categorical_methods=["chi2"], chunk_size=CHUNK
    )
    multivariate = nannyml.DataReconstructionDriftCalculator(column_names=columns, chunk_size=CHUNK)
    estimated = nannyml.CBPE(metrics=["roc_auc", "f1"], **LABELS, **kind)
    realised = nannyml.PerformanceCalculator(metrics=["roc_auc", "f1"], **LABELS, **kind)
    missing = nannyml.MissingValuesCalculator(column_names=["amount"], chunk_size=CHUNK)
    both = ("drift", "no_drift")
    for name, made, ask, kinds in (
        ("univariate", univariate, "calculate", both),
        ("multivariate", multivariate, "calculate", both),
        ("estimated", estimated, "estimate", both),
        ("realised", realised, "calculate", both),
        ("missing", missing, "calculate", ("no_drift", "gaps")),
    ):
        made.fit(reference)
        for analysis in kinds:
            result = getattr(made, ask)(analyses[analysis])
            keep(folder, f"{name}_{analysis}", "nannyml", sent("send_nannyml", result))
    # What whoever leaves out the arguments sends: names of three levels, column by column.
    table = univariate.calculate(analyses["drift"]).filter(period="analysis").to_df()
    detail = {"model": "fraud", "report": json.loads(table.to_json())}
    keep(folder, "univariate_table_drift", "nannyml", {"Detail": detail})
    record_dle(folder)


def record_dle(folder: str) -> None:
    """Write what DLE estimates of a regression whose errors grow."""

    def rows(seed: int, noise: float) -> Any:
        chance = np.random.default_rng(seed)
        size = chance.normal(0, 1, ROWS)
        wide = chance.normal(0, 1, ROWS) * noise
        return pd.DataFrame({"size": size, "noise": np.abs(wide), "prediction": 3 * size, "target": 3 * size + wide})

    estimator = nannyml.DLE(
        feature_column_names=["size", "noise"], y_pred="prediction", y_true="target", metrics=["mae"], chunk_size=CHUNK
    )
    estimator.fit(rows(SEED, 1.0))
    for name, noise in (("drift", 3.0), ("no_drift", 1.0)):
        keep(folder, f"dle_{name}", "nannyml", sent("send_nannyml", estimator.estimate(rows(SEED + 3, noise))))


if __name__ == "__main__":
    record(sys.argv[1])
