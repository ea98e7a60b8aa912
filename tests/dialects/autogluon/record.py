"""AutoGluon: the scorers of its tabular tasks by their sign, and those of time series as their sources list them."""

from __future__ import annotations

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

from autogluon.core.metrics import METRICS  # type: ignore[import-not-found] # is in an environment of its own

from tests.dialects.metric_names import keep, said_by_classes


def record(folder: str) -> None:
    """A scorer changes the sign of an error; ``greater_is_better_internal`` says what the metric itself is."""
    tabular = {
        name: not scorer.greater_is_better_internal for task in METRICS.values() for name, scorer in task.items()
    }
    keep(folder, "autogluon.core", tabular | _time_series())


def _time_series() -> dict[str, bool | None]:
    """Nothing of time series is imported, since that needs torch."""
    spec = find_spec("autogluon")
    (sources,) = (Path(place, "timeseries", "metrics") for place in (spec and spec.submodule_search_locations) or ())
    said = said_by_classes(sources, "greater_is_better_internal")
    listed: dict[str, str] = {}
    for node in ast.walk(ast.parse((sources / "__init__.py").read_bytes())):
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict):
            names = [
                (ast.literal_eval(key), value)
                for key, value in zip(node.value.keys, node.value.values, strict=True)
                if key
            ]
            listed |= {name: ast.unparse(value).strip("'") for name, value in names}
    return {name: not said[of] for name, of in listed.items()}


if __name__ == "__main__":
    record(sys.argv[1])
