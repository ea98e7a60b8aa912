"""Evidently's reports and test suites as JSON, of 0.4 to 0.6 and since 0.7. Pure.

A report's ``metrics`` hold the share of drifted columns with its limit, which is Evidently's verdict on the data set, and
the drift of each column. Beside that verdict a column is only named, but for those that Evidently calls ``target`` and
``prediction``: what a model answers may drift while few of its inputs do. Without it every column counts for itself.
``tests`` hold checks with a status; one that failed counts, whatever it is of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from orchestration.domain.json_values import mapping, number, sequence, text
from orchestration.domain.metrics import drift_measure
from orchestration.domain.metrics import metric as known_metric
from orchestration.domain.signal import Threshold, Violation
from orchestration.domain.signals.finding import Finding, Report, failed_checks, shown

SHARE: Final = "share_of_drifted_columns"

OWN_COLUMNS: Final = frozenset({"target", "prediction"})
"""Columns whose drift counts beside a verdict on the data set. Source: the defaults of ColumnMapping, evidently 0.4."""

BROKEN_GROUPS: Final = frozenset({"data_integrity", "data_quality"})
"""Groups of tests, until 0.6, that check the data themselves. Source: the ``group`` of its tests."""

FAILED: Final = frozenset({"FAIL", "WARNING"})
"""Statuses of a test that did not hold; WARNING is one that is not critical. Source: TestStatus, evidently 0.4 and 0.7."""

DECIDED: Final = FAILED | {"SUCCESS"}

SKIPPED: Final = "SKIPPED"
"""The status of a test that says nothing."""

P_VALUES: Final = frozenset(
    {
        *("anderson", "Anderson-Darling", "chisquare", "cramer_von_mises", "Cramer-von Mises", "empirical_mmd", "es"),
        *("Epps-Singleton", "fisher_exact", "Fisher's Exact test", "g_test", "ks", "mannw", "Mann-Whitney U-rank test"),
        *("t_test", "TVD", "Total-Variation-Distance", "z"),
    }
)
"""Methods whose score is a p-value although their name does not say it, or means a distance elsewhere. A report has the name
that was asked for, else the one for people. Source: the stattests of evidently 0.4 and 0.7."""

UPPER: Final = frozenset({"lt", "lte", "LessThanMetricTest", "LessOrEqualMetricTest"})
LOWER: Final = frozenset({"gt", "gte", "GreaterThanMetricTest", "GreaterOrEqualMetricTest"})
"""Conditions with a limit that a value may not be over, or under, until 0.6 and since 0.7."""

UNJUDGED: Final = (
    "Evidently's report has no verdict on drift: add DataDriftPreset, the drift of a column, or tests "
    "(include_tests=True, or a TestSuite)."
)

NAME_LIMIT: Final = 500
"""Characters looked at of a metric's or a test's name."""

_GIVEN: Final = re.compile(r"[(,]\s*(\w+)=(.*?)(?=,\s*\w+=|\)$)")
"""What a metric since 0.7 was given, as its name says it: "ValueDrift(column=age,method=psi,threshold=0.1)"."""

_EXPECTED: Final = re.compile(r"Actual value ([-+.0-9e]+) ,? ?(?:but )?expected ([-+.0-9e]+)(?: . ([.0-9e]+))?")
"""The numbers of a test since 0.7 that expects a value within a range; they stand in its description only."""


@dataclass(frozen=True, slots=True)
class _Column:
    """How one column drifted: ``drifted`` is Evidently's word, None where it gives none or there is no score to say it of."""

    name: str
    method: str
    score: float | None
    limit: float | None
    drifted: bool | None

    @property
    def finding(self) -> Finding:
        """Its numbers only where it is known which way they are worse."""
        lower = _is_p_value(self.method)
        score, limit = (None, None) if lower is None else (self.score, self.limit)
        threshold = Threshold(f"{self.name} ({self.method})", score, limit, lower_is_worse=lower is True)
        return Finding(threshold, drifted=self.drifted)

    @property
    def violation(self) -> Violation:
        limit = "" if self.limit is None else f" against a threshold of {self.limit:g}"
        return Violation(self.name, self.method, f"drift score {shown(self.score)}{limit}")


def _is_p_value(method: str) -> bool | None:
    """Whether a method's score is a p-value, so that less is more drift; None of a method that nobody knows."""
    measure = drift_measure(method)
    return True if method in P_VALUES else None if measure is None else measure.lower


def is_report(body: dict[str, Any]) -> bool:
    """True for a report, a test suite, or the bare result of DatasetDriftMetric."""
    return "dataset_drift" in body or SHARE in body or isinstance(body.get("metrics"), list) or bool(_tests(body))


def read(body: Any) -> Report | None:
    """The findings of a report or a test suite; None for what is neither."""
    if not isinstance(body, dict) or not is_report(body):
        return None
    entries = [mapping(entry) for entry in sequence(body.get("metrics"))]
    # A bare result stands beside the list, if there is one.
    verdicts = [_verdict(result) for entry in entries if (result := _dataset_result(entry))] + [_verdict(body)]
    in_table, alone = _columns(entries)
    whole = any(verdict.says for verdict in verdicts)
    counted = [column for column in (*alone, *in_table) if not whole or column in alone or column.name in OWN_COLUMNS]
    drifted = {column: column.violation for column in (*in_table, *alone) if column.drifted}
    tests = [test for test in _tests(body) if _status(test) in DECIDED]
    of_data = [test for test in tests if _is_of_data(test)]
    failed = [_violation(test) for test in of_data if _status(test) in FAILED]
    checked = failed_checks(failed, checked=bool(of_data))
    findings = (
        *verdicts,
        *(column.finding for column in counted),
        *(_finding(test, entries) for test in tests if test not in of_data),
        *checked.findings,
    )
    missed = [_violation(test) for test in tests if test not in of_data and _status(test) in FAILED]
    unread = _unread_test(body) or _unread_word(entries, counted)
    return Report(findings, (*missed, *drifted.values()), unread, UNJUDGED, checked.failed)


def _verdict(result: dict[str, Any]) -> Finding:
    said = result.get("dataset_drift")
    threshold = Threshold(SHARE, number(result.get(SHARE)), number(result.get("drift_share")))
    return Finding(threshold, drifted=said if isinstance(said, bool) else None)


def _dataset_result(entry: dict[str, Any]) -> dict[str, Any] | None:
    """What an entry says of the share of drifted columns, in the words of 0.4; None if nothing.

    Until 0.6 it is the ``result`` of DatasetDriftMetric; since 0.7 the ``value`` of DriftedColumnsCount, whose
    threshold stands in its ``config`` or only in its name, "DriftedColumnsCount(drift_share=0.5)".
    """
    result = mapping(entry.get("result"))
    if SHARE in result or "dataset_drift" in result:
        return result
    name = _name(entry)
    share = number(mapping(entry.get("value")).get("share"))
    if not name.startswith("DriftedColumnsCount") or share is None:
        return None
    limit = number(_given(entry).get("drift_share"))
    drifted = None if limit is None else share >= limit
    return {SHARE: share, "drift_share": limit, "dataset_drift": drifted}


def _name(entry: dict[str, Any]) -> str:
    return text(entry.get("metric_name") or entry.get("metric_id"), NAME_LIMIT) or ""


def _given(entry: dict[str, Any]) -> dict[str, Any]:
    """What a metric since 0.7 was given: its ``config``, and what only its name says."""
    name, config = _name(entry), mapping(entry.get("config"))
    # Of a name that was cut each beginning would be looked for to its end.
    named = dict(_GIVEN.findall(name)) if name.endswith(")") else {}
    return {**named, **{key: value for key, value in config.items() if value is not None}}


def _columns(entries: list[dict[str, Any]]) -> tuple[list[_Column], list[_Column]]:
    """Columns that stand in the table of a preset, and those that were asked for by themselves."""
    table, alone = [], []
    for entry in entries:
        result = mapping(entry.get("result"))
        for name, column in mapping(result.get("drift_by_columns")).items():
            table.append(_column({"column_name": name, **mapping(column)}))
        if result.get("drift_detected") is not None:
            alone.append(_column(result))
        # Since 0.7 nothing says whether a column was asked for by itself.
        table += [column] if (column := _value_drift(entry)) is not None else []
    return table, alone


def _column(result: dict[str, Any]) -> _Column:
    said, score = result.get("drift_detected"), number(result.get("drift_score"))
    return _Column(
        text(result.get("column_name") or result.get("embeddings_name"), 200) or "(unnamed)",
        text(result.get("stattest_name") or result.get("method_name"), 100) or "drift_score",
        score,
        number(result.get("stattest_threshold")),
        # What is no number is not below its threshold either.
        said if isinstance(said, bool) and (said or score is not None) else None,
    )


def _value_drift(entry: dict[str, Any]) -> _Column | None:
    """One of 0.7, which gives the score and leaves the comparing to its tests: a p-value drifted up to its limit, else from it on."""
    if not _name(entry).startswith("ValueDrift"):
        return None
    given = _given(entry)
    method = text(given.get("method"), 100) or "drift_score"
    score, limit, lower = number(entry.get("value")), number(given.get("threshold")), _is_p_value(method)
    drifted = None if score is None or limit is None or lower is None else score <= limit if lower else score >= limit
    return _Column(text(given.get("column"), 200) or _name(entry), method, score, limit, drifted)


def _tests(body: dict[str, Any]) -> list[dict[str, Any]]:
    tests = [mapping(test) for test in sequence(body.get("tests"))]
    return tests if any("status" in test for test in tests) else []


def _status(test: dict[str, Any]) -> str:
    """A status by its name, whichever letters are capitals; "TestStatus.FAIL" is what Python writes of it."""
    return str(test.get("status")).rpartition(".")[2].upper()


def _finding(test: dict[str, Any], entries: list[dict[str, Any]]) -> Finding:
    return Finding(_limit(test, entries, _check(test)), drifted=_status(test) in FAILED)


def _violation(test: dict[str, Any]) -> Violation:
    column = mapping(test.get("parameters")).get("column_name") or _parameters(test).get("column")
    return Violation(text(column, 200) or _check(test), _check(test), text(test.get("description")) or "")


def _check(test: dict[str, Any]) -> str:
    """What a test is called whatever its numbers are; since 0.7 they stand in its name."""
    return _kind(test) or text(test.get("name"), 200) or "(unnamed)"


def _is_of_data(test: dict[str, Any]) -> bool:
    """True for a test of the data themselves; neither of drift nor of a model's performance."""
    kind = _kind(test)
    if kind:
        of_a_model = {"classification_name", "regression_name"} & _parameters(test).keys()
        return "Drift" not in kind and not of_a_model and known_metric(kind) is None
    return test.get("group") in BROKEN_GROUPS


def _kind(test: dict[str, Any]) -> str:
    """The metric that a test of 0.7 is of, such as ValueDrift."""
    return (text(_parameters(test).get("type"), 200) or "").rpartition(":")[2]


def _parameters(test: dict[str, Any]) -> dict[str, Any]:
    return mapping(mapping(test.get("metric_config")).get("params"))


def _limit(test: dict[str, Any], entries: list[dict[str, Any]], name: str) -> Threshold:
    """The numbers of a test, where its way to be worse is known; else none, so that it counts as at its threshold."""
    parameters = mapping(test.get("parameters"))
    if "stattest" in parameters:
        column = {
            "column_name": parameters.get("column_name"),
            "stattest_name": parameters["stattest"],
            "drift_score": parameters.get("score"),
            "stattest_threshold": parameters.get("threshold"),
        }
        return _column(column).finding.threshold
    metric_id = mapping(test.get("metric_config")).get("metric_id")
    entry = next((entry for entry in entries if metric_id and entry.get("id") == metric_id), {})
    if (drift := _value_drift(entry)) is not None:
        return drift.finding.threshold
    value, named = number(parameters.get("value")), name
    if "features" in parameters:
        features = [mapping(feature) for feature in mapping(parameters["features"]).values()]
        drifted = sum(feature.get("detected") is True for feature in features)
        value, named = drifted / len(features) if features else None, SHARE
    elif entry:
        value, named = number(entry.get("value")), _kind(test)
        if value is None:
            counted = "count" if mapping(test.get("bound_test")).get("is_count") is True else "share"
            value, named = number(mapping(entry.get("value")).get(counted)), f"{counted}: {named}"
    config = mapping(test.get("test_config"))
    kind = (text(config.get("type"), 200) or "").rpartition(":")[2]
    conditions = {**mapping(parameters.get("condition")), kind: config.get("threshold")}
    for condition, given in conditions.items():
        if condition in UPPER | LOWER and (limit := _bound(given, over=condition in UPPER)) is not None:
            return Threshold(named, value, limit, lower_is_worse=condition in LOWER)
    return _expected(test, conditions.get("eq"), value, named) or Threshold(named, None, None)


def _expected(test: dict[str, Any], given: Any, value: float | None, named: str) -> Threshold | None:
    """A test that a value is as expected, of a metric that the catalogue knows: what counts is the bad side of the range."""
    known = known_metric(named)
    said = _EXPECTED.search(text(test.get("description")) or "")
    if known is None or (said is None and value is None):
        return None
    if said is not None:
        value, given = number(said[1]), {"value": said[2], "absolute": said[3]}
    limit = _bound(given, over=known.lower)
    return None if limit is None else Threshold(named, value, limit, lower_is_worse=not known.lower)


def _bound(given: Any, *, over: bool) -> float | None:
    """The last value within a limit, which may be one value with a margin, the larger of its ``relative`` and ``absolute``."""
    if not isinstance(given, dict):
        return number(given)
    value = number(given.get("value"))
    if value is None:
        return None
    margin = max(number(given.get("absolute")) or 0.0, (number(given.get("relative")) or 0.0) * abs(value))
    return value + margin if over else value - margin


def _unread_test(body: dict[str, Any]) -> str | None:
    other = next((test for test in _tests(body) if _status(test) not in DECIDED | {SKIPPED}), None)
    if other is None:
        return None
    named = f"Evidently's test {text(other.get('name'), 100)!r}"
    if _status(other) == "ERROR":
        told = text(other.get("description"), 200) or "it does not say which."
        return f"{named} ended in an error: {told} Mend it and send the report again."
    return f"{named} has the status {text(other.get('status'), 40)!r}, which is none of Evidently's."


def _unread_word(entries: list[dict[str, Any]], counted: list[_Column]) -> str | None:
    """What says of the data set or of a column that counts neither that it drifted nor that it did not."""
    results = [mapping(entry.get("result")) for entry in entries]
    words = [result.get(name) for result in results for name in ("dataset_drift", "drift_detected")]
    other = next((word for word in words if word is not None and not isinstance(word, bool)), None)
    if other is not None:
        return f"Evidently's report says {text(other, 40)!r} of drift, which is neither true nor false."
    silent = next((column for column in counted if not column.finding.says), None)
    if silent is None:
        return None
    return f"Evidently's report has no verdict on drift of {silent.name!r}: send its score, its threshold and a method that is known."
