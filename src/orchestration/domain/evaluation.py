"""The verdict on a candidate: its gates, each with value, bound and pass or fail. Pure.

Reads SageMaker's model-quality JSON (``binary_classification_metrics``, ``multiclass_classification_metrics`` or
``regression_metrics``, each metric ``{"value": x, "standard_deviation": y}``). The champion measured on the same data
stands beside it under ``champion``; slices under ``slices.<name>``, each in the same format.

A value that is missing, not a number or NaN is a failed gate, never a pass. A report that names the champion is compared
with it even when the policy asks for no improvement: worse than what serves is worse.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import json_object, mapping, number, text
from orchestration.domain.metrics import judged_as
from orchestration.domain.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestration.domain.metrics import Metric
    from orchestration.domain.policy import Evaluation, GuardMetric

METRIC_GROUPS: Final = ("binary_classification_metrics", "multiclass_classification_metrics", "regression_metrics")
"""Top-level keys of SageMaker's model-quality report, one for each problem type."""

OTHERWISE: Final = (
    "The report is wrong, or means another metric: name it as it is, or set lower_is_better (docs/metrics.md)."
)
"""What to do about a value that there cannot be."""

METRICS_KEPT: Final = 200
"""Metrics of a report that a verdict holds beside those its policy asks for. A table item has 400 KB, a reader less time."""

NAME_LIMIT: Final = 255
"""Characters of the name of a metric that a verdict holds unasked."""

DECIMALS: Final = 12
"""Bounds are rounded to this many decimals: 0.1 + 0.2 is 0.3 to whoever wrote the policy."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate. ``bound`` is what ``value`` is compared with, ``comparison`` is ``>=`` or ``<=``."""

    name: str
    metric: str
    value: float | None
    comparison: str
    bound: float | None
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class EvaluationVerdict:
    """All gates, and whether the candidate may go on. ``compared_with_champion`` says if both saw the same data."""

    passed: bool
    reason: Reason
    sentence: str
    gates: tuple[Gate, ...]
    candidate_metrics: dict[str, float]
    champion_metrics: dict[str, float]
    compared_with_champion: bool

    def as_record(self) -> dict[str, Any]:
        """The verdict as reviewers and the evidence see it."""
        return asdict(self)


def evaluate(
    report: bytes | None, wanted: Evaluation, *, champion_expected: bool, unreadable: str | None = None
) -> EvaluationVerdict:
    """Judge a candidate. No content of the report raises.

    Args:
        report: the bytes of evaluation.json, or None when there is none that could be read.
        wanted: the policy's gates; ``metric`` None asks for none.
        champion_expected: True when a champion serves, so that its numbers should be in the report.
        unreadable: why there are no bytes, unless the training simply wrote none.
    """
    if wanted.metric is None:
        return EvaluationVerdict(
            True,
            Reason.NO_EVALUATION_ASKED,
            "The policy asks for no evaluation.",
            (),
            {},
            {},
            compared_with_champion=False,
        )
    document = "" if report is None else _parse(report)
    if isinstance(document, str):
        why = unreadable or "the training wrote no evaluation report"
        if report is not None:
            why = f"the training wrote a report that is not model-quality JSON: it {document}"
        return EvaluationVerdict(
            False,
            Reason.NO_EVALUATION if report is None else Reason.EVALUATION_UNREADABLE,
            f"The candidate was not measured, and what was not measured never serves: {why}.",
            (),
            {},
            {},
            compared_with_champion=False,
        )
    asked = [wanted.metric, *(guard.metric for guard in wanted.guards if not guard.slice)]
    candidate, champion = metric_values(document, asked), metric_values(mapping(document.get("champion")), asked)
    gates = [
        *_gates_of_metric(wanted, candidate, champion, champion_expected=champion_expected),
        *(
            gate
            for guard in wanted.guards
            for gate in _gates_of_guard(guard, wanted, document, champion_expected=champion_expected)
        ),
    ]
    failed = [gate for gate in gates if not gate.passed]
    value = candidate.get(wanted.metric)
    shown = "not measured" if value is None else f"{value:.4f}"
    if failed:
        reason, sentence = Reason.GATE_FAILED, f"{len(failed)} of {len(gates)} gates failed: {failed[0].sentence}"
    else:
        reason, sentence = Reason.GATES_PASSED, f"All {len(gates)} gates passed; {wanted.metric} is {shown}."
    return EvaluationVerdict(
        not failed, reason, sentence, tuple(gates), candidate, champion, compared_with_champion=bool(champion)
    )


def metric_values(document: dict[str, Any], asked: Iterable[str]) -> dict[str, float]:
    """Metric name to value: the metrics a policy asks for, and beside them the first of a report, finite numbers all."""
    names = dict.fromkeys(asked)
    first = itertools.islice(
        (name for group in METRIC_GROUPS for name in mapping(document.get(group)) if text(name, NAME_LIMIT) == name),
        METRICS_KEPT,
    )
    values = {name: metric_value(document, name) for name in (*names, *first)}
    return {name: value for name, value in values.items() if value is not None}


def metric_value(document: dict[str, Any], name: str) -> float | None:
    """A metric of a report if it is a finite number; the last group that has it counts."""
    for group in reversed(METRIC_GROUPS):
        entry = mapping(document.get(group)).get(name)
        value = number(entry.get("value") if isinstance(entry, dict) else entry)
        if value is not None:
            return value
    return None


def _gates_of_metric(
    wanted: Evaluation, candidate: dict[str, float], champion: dict[str, float], *, champion_expected: bool
) -> list[Gate]:
    metric = wanted.metric or ""
    of = judged_as(metric, wanted.lower_is_better)
    value = candidate.get(metric)
    gates = []
    if wanted.minimum is not None:
        gates.append(_gate(f"{metric} bound", metric, value, wanted.minimum, of=of))
    if wanted.min_improvement is not None or metric in champion:
        gates.append(
            _against_champion(
                f"{metric} against the champion",
                metric,
                value,
                champion.get(metric),
                wanted.min_improvement or 0.0,
                of=of,
                champion_expected=champion_expected,
            )
        )
    return gates or [_gate(f"{metric} measured", metric, value, None, of=of)]


def _gates_of_guard(
    guard: GuardMetric, wanted: Evaluation, document: dict[str, Any], *, champion_expected: bool
) -> list[Gate]:
    """Gates of one guard metric; one with a name only must not fall below the champion."""
    own, other = document, mapping(document.get("champion"))
    if guard.slice:
        own = mapping(mapping(own.get("slices")).get(guard.slice))
        other = mapping(mapping(other.get("slices")).get(guard.slice))
    metric = guard.metric
    value, champion = metric_value(own, metric), metric_value(other, metric)
    override = guard.lower_is_better
    if override is None and metric == wanted.metric:
        override = wanted.lower_is_better
    of = judged_as(metric, override)
    name = f"guard {metric}" + (f" in slice {guard.slice}" if guard.slice else "")
    gates = []
    if guard.minimum is not None:
        gates.append(_gate(name, metric, value, guard.minimum, of=of))
    if guard.max_regression is not None or guard.minimum is None:
        gates.append(
            _against_champion(
                f"{name} against the champion",
                metric,
                value,
                champion,
                -(guard.max_regression or 0.0),
                of=of,
                champion_expected=champion_expected,
            )
        )
    return gates


def _against_champion(
    name: str,
    metric: str,
    value: float | None,
    champion: float | None,
    improvement: float,
    *,
    of: Metric | None,
    champion_expected: bool,
) -> Gate:
    if of is None or value is None or of.impossible(value) is not None:
        return _gate(name, metric, value, None, of=of)
    comparison = "<=" if of.lower else ">="
    if champion is None and not champion_expected:
        return Gate(name, metric, value, comparison, None, True, f"No champion serves, so {metric} stands alone.")
    if champion is None:
        return Gate(
            name,
            metric,
            value,
            comparison,
            None,
            False,
            f"The report lacks the champion's {metric} on the same data, so better cannot be told from worse.",
        )
    if (why := of.impossible(champion)) is not None:
        told = f"{name}: the champion's {metric} is {champion:g}, and {why}. {OTHERWISE}"
        return Gate(name, metric, value, comparison, None, False, told)
    bound = champion - improvement if of.lower else champion + improvement
    return _gate(name, metric, value, bound, of=of)


def _gate(name: str, metric: str, value: float | None, bound: float | None, *, of: Metric | None) -> Gate:
    bound = None if bound is None else round(bound, DECIMALS)
    if of is None:
        told = (
            f"{name}: nothing says whether more or less {metric} is better, so it is not judged. Set lower_is_better."
        )
        return Gate(name, metric, value, ">=", bound, False, told)
    comparison = "<=" if of.lower else ">="
    if value is None:
        return Gate(name, metric, None, comparison, bound, False, f"{name}: {metric} is missing or not a number.")
    if (why := of.impossible(value)) is not None:
        told = f"{name}: {metric} is {value:g}, and {why}. {OTHERWISE}"
        return Gate(name, metric, value, comparison, bound, False, told)
    if bound is None:
        return Gate(name, metric, value, comparison, None, True, f"{name}: {metric} is {value:.4f}.")
    passed = value <= bound if of.lower else value >= bound
    shown, limit = f"{value:.4f}", f"{bound:.4f}"
    if shown == limit and value != bound:
        shown, limit = f"{value:.12g}", f"{bound:.12g}"
    return Gate(
        name,
        metric,
        value,
        comparison,
        bound,
        passed,
        f"{name}: {shown} {'is' if passed else 'is not'} {comparison} {limit}.",
    )


def _parse(report: bytes) -> dict[str, Any] | str:
    parsed = json_object(report, nan=True)
    if isinstance(parsed, dict) and not any(group in parsed for group in METRIC_GROUPS):
        return f"has none of {', '.join(METRIC_GROUPS)}"
    return parsed
