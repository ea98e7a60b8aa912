"""LightGBM: every word of its code that it takes as ``metric``, with name and direction of the results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import lightgbm  # type: ignore[import-not-found] # is in an environment of its own
import numpy as np

from tests.dialects.metric_names import keep, words

QUIET: Final = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 1, "min_data_in_bin": 1}

TASKS: Final[list[tuple[dict[str, Any], list[float]]]] = [
    ({"objective": "none"}, [0.5, 1] * 4),
    ({"objective": "none"}, [0, 1] * 4),
    ({"objective": "binary"}, [0, 1] * 4),
    ({"objective": "multiclass", "num_class": 3}, [0, 1, 2, 0, 1, 2, 0, 1]),
]
"""Objectives with labels that they take; each metric goes with one of them."""


def record(folder: str) -> None:
    """A word is a metric if results come of it, in upper or lower case. A place (``ndcg@3``) is left off."""
    rows = np.arange(8.0).reshape(8, 1)
    metrics: dict[str, bool | None] = {}
    for task, labels in TASKS:
        data = lightgbm.Dataset(rows, label=labels, group=[4, 4], params=QUIET | task).construct()
        for word in filter(str.islower, words(Path(lightgbm.__file__).parent)):
            for name, higher in _results(QUIET | task | {"metric": word}, data):
                metrics |= {word: not higher, name.partition("@")[0]: not higher}
    keep(folder, "lightgbm", metrics)


def _results(parameters: dict[str, Any], data: lightgbm.Dataset) -> list[tuple[str, bool]]:
    try:
        return [(name, higher) for _, name, _, higher in lightgbm.Booster(parameters, data).eval_train()]
    except lightgbm.basic.LightGBMError:
        return []


if __name__ == "__main__":
    record(sys.argv[1])
