"""CatBoost: the classes of its metrics, and what each says of its best value."""

from __future__ import annotations

import re
import sys
from typing import Any

import catboost.metrics  # type: ignore[import-not-found] # is in an environment of its own

from tests.dialects.metric_names import keep


def record(folder: str) -> None:
    """Some have parameters that must be given, as their errors say. None is best at neither end."""
    metrics = {}
    for name, kind in vars(catboost.metrics).items():
        if isinstance(kind, type) and issubclass(kind, catboost.metrics.BuiltinMetric) and name != "BuiltinMetric":
            found = (_lower_is_better(kind, value) for value in (1.5, 1, 0.5))
            metrics[name] = next((each for each in found if each is not None), None)
    keep(folder, "catboost", metrics)


def _lower_is_better(kind: Any, value: float) -> bool | None:
    parameters: dict[str, float] = {}
    while True:
        try:
            metric = kind(**parameters)
            return bool(metric.is_min_optimal()) if metric.is_min_optimal() or metric.is_max_optimal() else None
        except ValueError as error:
            missing = re.match(r"Parameter (\w+) is mandatory", str(error))
            if missing is None:
                return None
            parameters[missing[1]] = value
        except catboost.CatBoostError:
            return None


if __name__ == "__main__":
    record(sys.argv[1])
