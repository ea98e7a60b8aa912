"""XGBoost: every word of its code that it takes as ``eval_metric``, and which way its early stopping goes with it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xgboost  # type: ignore[import-not-found] # is in an environment of its own

from tests.dialects.metric_names import keep, words


def record(folder: str) -> None:
    """A word is a metric if XGBoost knows it, alone or with a parameter; what else it then lacks does not matter."""
    rows = xgboost.DMatrix(np.zeros((4, 1)), label=np.array([0, 1, 0, 1]))
    xgboost.set_config(verbosity=0)
    metrics = {}
    for word in words(Path(xgboost.__file__).parent):
        name = next((name for name in (word, f"{word}@1") if _known(name, rows)), None)
        if name is not None:
            stopping = xgboost.callback.EarlyStopping(rounds=1)
            stopping._update_rounds(score=0.0, name="rows", metric=name, model=xgboost.Booster({}, [rows]), epoch=0)
            metrics[name] = not stopping.maximize
    keep(folder, "xgboost-cpu", metrics)


def _known(name: str, rows: xgboost.DMatrix) -> bool:
    try:
        xgboost.Booster({"eval_metric": name, "nthread": 1}, [rows]).eval(rows)
    except xgboost.core.XGBoostError as error:
        return "Unknown metric" not in str(error)
    return True


if __name__ == "__main__":
    record(sys.argv[1])
