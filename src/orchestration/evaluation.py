"""The verdict on a candidate: its gates, each with value, bound and pass or fail. Pure.

Reads SageMaker's model-quality JSON (``binary_classification_metrics``, ``multiclass_classification_metrics`` or
``regression_metrics``, each metric ``{"value": x, "standard_deviation": y}``). The champion measured on the same data
stands beside it under ``champion``; slices under ``slices.<name>``, each in the same format.

A value that is missing, not a number or NaN is a failed gate, never a pass.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.signal import mapping, number

if TYPE_CHECKING:
    from orchestration.policy import Evaluation

METRIC_GROUPS: Final = ("binary_classification_metrics", "multiclass_classification_metrics", "regression_metrics")
"""Top-level keys of SageMaker's model-quality report, one for each problem type."""

LOWER_IS_BETTER: Final = frozenset(
    {
        "mae",
        "mse",
        "rmse",
        "mape",
        "log_loss",
        "logloss",
        "cross_entropy",
        "error",
        "error_rate",
        "false_positive_rate",
        "false_negative_rate",
    }
)
"""Metrics that are better when they are smaller. Everything else is better when it is greater."""


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
    reason: str
    sentence: str
    gates: tuple[Gate, ...]
    candidate_metrics: dict[str, float]
    champion_metrics: dict[str, float]
    compared_with_champion: bool

    def as_record(self) -> dict[str, Any]:
        """The verdict as reviewers and the evidence see it."""
        return asdict(self)


def evaluate(report: bytes | None, wanted: Evaluation, *, champion_expected: bool) -> EvaluationVerdict:
    """Judge a candidate.

    Args:
        report: the bytes of evaluation.json, or None when the training wrote none.
        wanted: the policy's gates; ``metric`` None asks for none.
        champion_expected: True when a champion serves, so that its numbers should be in the report.
    """
    if wanted.metric is None:
        return EvaluationVerdict(
            True, "NO_EVALUATION_ASKED", "The policy asks for no evaluation.", (), {}, {}, compared_with_champion=False
        )
    document = _parse(report)
    if document is None:
        why = "wrote no evaluation report" if report is None else "wrote a report that is not model-quality JSON"
        return EvaluationVerdict(
            False,
            "NO_EVALUATION" if report is None else "EVALUATION_UNREADABLE",
            f"The training {why}; a candidate that was not measured never serves.",
            (),
            {},
            {},
            compared_with_champion=False,
        )
    candidate, champion = metric_values(document), metric_values(mapping(document.get("champion")))
    gates = list(_gates_of_metric(wanted, candidate, champion, champion_expected=champion_expected))
    for guard in wanted.guards:
        own, other = candidate, champion
        if guard.slice:
            own = metric_values(mapping(mapping(document.get("slices")).get(guard.slice)))
            other = metric_values(mapping(mapping(mapping(document.get("champion")).get("slices")).get(guard.slice)))
        lower = direction(guard.metric, guard.lower_is_better)
        name = f"guard {guard.metric}" + (f" in slice {guard.slice}" if guard.slice else "")
        if guard.minimum is not None:
            gates.append(_gate(name, guard.metric, own.get(guard.metric), guard.minimum, lower=lower))
        if guard.max_regression is not None:
            gates.append(
                _against_champion(
                    f"{name} against the champion",
                    guard.metric,
                    own.get(guard.metric),
                    other.get(guard.metric),
                    -guard.max_regression,
                    lower=lower,
                    champion_expected=champion_expected,
                )
            )
    if not gates:
        gates.append(_gate("measured", wanted.metric, candidate.get(wanted.metric), None, lower=False))
    failed = [gate for gate in gates if not gate.passed]
    value = candidate.get(wanted.metric)
    shown = "not measured" if value is None else f"{value:.4f}"
    if failed:
        reason, sentence = "GATE_FAILED", f"{len(failed)} of {len(gates)} gates failed: {failed[0].sentence}"
    else:
        reason, sentence = "GATES_PASSED", f"All {len(gates)} gates passed; {wanted.metric} is {shown}."
    return EvaluationVerdict(
        not failed, reason, sentence, tuple(gates), candidate, champion, compared_with_champion=bool(champion)
    )


def direction(metric: str, override: bool | None) -> bool:
    """True when lower is better for this metric, unless the policy says otherwise."""
    return metric.lower() in LOWER_IS_BETTER if override is None else override


def metric_values(document: dict[str, Any]) -> dict[str, float]:
    """Metric name to value for every metric of a report that is a finite number."""
    found: dict[str, float] = {}
    for group in METRIC_GROUPS:
        for name, entry in mapping(document.get(group)).items():
            value = number(mapping(entry).get("value") if isinstance(entry, dict) else entry)
            if value is not None:
                found[str(name)] = value
    return found


def _gates_of_metric(
    wanted: Evaluation, candidate: dict[str, float], champion: dict[str, float], *, champion_expected: bool
) -> list[Gate]:
    metric = wanted.metric or ""
    lower = direction(metric, wanted.lower_is_better)
    gates = []
    if wanted.minimum is not None:
        gates.append(_gate(f"{metric} bound", metric, candidate.get(metric), wanted.minimum, lower=lower))
    if wanted.min_improvement is not None:
        gates.append(
            _against_champion(
                f"{metric} against the champion",
                metric,
                candidate.get(metric),
                champion.get(metric),
                wanted.min_improvement,
                lower=lower,
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
    lower: bool,
    champion_expected: bool,
) -> Gate:
    if champion is None and not champion_expected:
        return Gate(
            name, metric, value, ">=", None, value is not None, f"No champion serves, so {metric} stands alone."
        )
    if champion is None:
        return Gate(
            name,
            metric,
            value,
            ">=",
            None,
            False,
            f"The report lacks the champion's {metric} on the same data, so better cannot be told from worse.",
        )
    bound = champion - improvement if lower else champion + improvement
    return _gate(name, metric, value, bound, lower=lower)


def _gate(name: str, metric: str, value: float | None, bound: float | None, *, lower: bool) -> Gate:
    comparison = "<=" if lower else ">="
    if value is None:
        return Gate(name, metric, None, comparison, bound, False, f"{metric} is missing or not a number.")
    if bound is None:
        return Gate(name, metric, value, comparison, None, True, f"{metric} is {value:.4f}.")
    passed = value <= bound if lower else value >= bound
    return Gate(
        name,
        metric,
        value,
        comparison,
        bound,
        passed,
        f"{name}: {value:.4f} {'is' if passed else 'is not'} {comparison} {bound:.4f}.",
    )


def _parse(report: bytes | None) -> dict[str, Any] | None:
    if report is None:
        return None
    try:
        parsed = json.loads(report)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) and any(group in parsed for group in METRIC_GROUPS) else None
