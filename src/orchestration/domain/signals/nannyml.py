"""NannyML's results: drift of one and of many columns, estimated and realised performance, checks of data. Pure.

A result as a table, ``to_df()``, has a row for each chunk, and for each thing measured the columns ``<what>_value``,
``<what>_upper_threshold``, ``<what>_lower_threshold`` and ``<what>_alert``; of a table of several levels pandas writes the names
as "('amount', 'jensen_shannon', 'alert')". Every chunk that is sent counts.

Missing values stand under the column's name alone, which may be that of a metric, "recall" or "loss". So what tells is what else is in
the row: estimated performance has ``<what>_realized``, realised performance the chunk's rate of missing targets, and of the rest all but
drift has confidence boundaries. Source: recorded results of 0.13.
"""

from __future__ import annotations

import re
from typing import Any, Final

from orchestration.domain.json_values import number, sequence, text
from orchestration.domain.metrics import metric as known_metric
from orchestration.domain.signal import Threshold, Violation
from orchestration.domain.signals.finding import Finding, Report, failed_checks, shown

ALERT: Final = "_alert"

CHECK: Final = "nannyml_alert"

DRIFT_METHODS: Final = (
    "jensen_shannon",
    "kolmogorov_smirnov",
    "hellinger",
    "wasserstein",
    "l_infinity",
    "chi2",
    "reconstruction_error",
    "domain_classifier_auroc",
)
"""How the name of what measures drift ends. Source: nannyml.drift, 0.13."""

BOUNDARY: Final = "_lower_confidence_boundary"

TARGETS: Final = "chunk_targets_missing_rate"
"""In a row of realised performance, of one level or of two."""

_PART: Final = re.compile(r"""'((?:[^'\\]|\\.)*)'?|"((?:[^"\\]|\\.)*)"?|([^\s,()'"]+)""")
"""A part of a tuple as Python writes it: a text in either of its quotes, or a number. A quote that nothing ends is read to the end,
so that no other beginning is looked for there."""

PERFORMANCE: Final = ("true_", "false_", "business_value")
"""How the names of what is measured of a model begin that are no metric with a better side. Source: nannyml.performance_calculation."""


def read(body: Any) -> Report | None:
    """The findings of a list of rows, of one row, or of a table as pandas writes it by default; None for anything else."""
    measured = [(row, what) for row in _rows(body) for what in _measures(row)]
    if not any(f"{what}_value" in row for row, what in measured):
        return None
    known = [each for each in measured if _alert(*each) is not None]
    of_data = [each for each in known if not _is_of_model_or_drift(*each)]
    checked = failed_checks([_violation(*each) for each in of_data if _alert(*each)], checked=bool(of_data))
    findings = (*(_finding(*each) for each in known if each not in of_data), *checked.findings)
    alerts = tuple(_violation(*each) for each in known if each not in of_data and _alert(*each))
    unread = next((_unread(*each) for each in measured if _alert(*each) is None), None)
    return Report(findings, alerts, unread, failed=checked.failed)


def _unread(row: dict[str, Any], what: str) -> str:
    named = f"{_named(what)!r} in chunk {_chunk(row)}"
    return f"NannyML's {named} has no alert that is true or false of a value: send chunks of the analysis that it could measure."


def _rows(body: Any) -> list[dict[str, Any]]:
    """The rows, with names of one level."""
    if isinstance(body, dict) and all(isinstance(body[name], dict) for name in body if _flat(name).endswith(ALERT)):
        columns = {name: column for name, column in body.items() if isinstance(column, dict)}
        indices = list(dict.fromkeys(index for column in columns.values() for index in column))
        rows = [{name: column.get(index) for name, column in columns.items()} for index in indices]
    else:
        rows = [row for row in ([body] if isinstance(body, dict) else sequence(body)) if isinstance(row, dict)]
    return [{_flat(name): value for name, value in row.items()} for row in rows]


def _flat(name: str) -> str:
    if not name.endswith(")"):
        return name
    return "_".join(re.sub(r"\\(.)", r"\1", "".join(parts)) for parts in _PART.findall(name))


def _measures(row: dict[str, Any]) -> list[str]:
    return [name.removesuffix(ALERT) for name in row if name.endswith(ALERT)]


def _alert(row: dict[str, Any], what: str) -> bool | None:
    """Whether it is one; None of what is neither true nor false, and of "no alert" on a value that could not be measured."""
    alert = {"true": True, "1": True, "false": False, "0": False}.get(str(row[f"{what}{ALERT}"]).lower())
    return None if alert is False and number(row.get(f"{what}_value")) is None else alert


def _chunk(row: dict[str, Any]) -> str:
    return text(row.get("chunk_key") or row.get("chunk_chunk_key"), 60) or "?"


def _numbers(row: dict[str, Any], what: str) -> tuple[float | None, float | None, float | None]:
    """The value, the upper and the lower threshold."""
    value, upper, lower = (
        number(row.get(f"{what}_{name}")) for name in ("value", "upper_threshold", "lower_threshold")
    )
    return value, upper, lower


def _named(what: str) -> str:
    return text(what, 200) or "(unnamed)"


def _finding(row: dict[str, Any], what: str) -> Finding:
    return Finding(_passed(_named(what), *_numbers(row, what)), drifted=_alert(row, what))


def _violation(row: dict[str, Any], what: str) -> Violation:
    value, upper, lower = _numbers(row, what)
    limits = f"{'-' if lower is None else shown(lower)} to {'-' if upper is None else shown(upper)}"
    return Violation(_named(what), CHECK, f"{shown(value)} in chunk {_chunk(row)}, expected {limits}")


def _passed(name: str, value: float | None, upper: float | None, lower: float | None) -> Threshold:
    """The value against the limit that it is past; a metric of models only against that of its bad side.

    A model that is better than expected raises an alert too, and is not one to retrain.
    """
    known = None if name.endswith(DRIFT_METHODS) else known_metric(name)
    if known is not None:
        below = not known.lower
    else:
        below = value is not None and lower is not None and (value < lower or upper is None)
    return Threshold(name, value, lower if below else upper, lower_is_worse=below)


def _is_of_model_or_drift(row: dict[str, Any], name: str) -> bool:
    if name.endswith(DRIFT_METHODS) or f"{name}_realized" in row or TARGETS in row:
        return True
    # Of a row that was cut the name is all there is.
    return f"{name}{BOUNDARY}" not in row and (name.startswith(PERFORMANCE) or known_metric(name) is not None)
