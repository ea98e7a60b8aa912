"""SageMaker Clarify's analysis.json: bias of data and of a model. Pure.

It has values and neither thresholds nor a verdict, so ``metric`` and ``threshold`` beside it say what is looked at: the facet
furthest from no bias counts. Attributions in it are a picture of the model and nothing that a threshold is held against.
Source: "Analysis results" of Clarify's processing jobs, in SageMaker's developer guide.
"""

from __future__ import annotations

from typing import Any, Final

from orchestration.domain.json_values import mapping, number, sequence, text
from orchestration.domain.signal import Threshold, Violation
from orchestration.domain.signals.finding import Finding, Report, shown

PARTS: Final = ("pre_training_bias_metrics", "post_training_bias_metrics")

EXPLAINED: Final = ("kernel_shap", "pdp")
"""What its explanations may hold."""

RATIOS: Final = frozenset({"DI"})
"""Metrics whose value without bias is 1 and not 0. Source: "Disparate Impact (DI)" in SageMaker's developer guide."""


def read(body: Any) -> Report | None:
    """The named metric of the worst facet against its threshold; None for what is no analysis."""
    if not isinstance(body, dict) or not (
        set(PARTS) & body.keys() or set(EXPLAINED) & mapping(body.get("explanations")).keys()
    ):
        return None
    wanted, limit = text(body.get("metric"), 100) or "", number(body.get("threshold"))
    named = [
        (name, number(value))
        for part in PARTS
        for name, metric, value in _values(mapping(body.get(part)))
        if metric.lower() == wanted.lower()
    ]
    if not named or limit is None:
        return Report(
            unjudged="Clarify's analysis has no verdict: send metric, the name of one of its bias metrics, and threshold beside it."
        )
    center = 1.0 if wanted.upper() in RATIOS else 0.0
    biases = [(name, value, abs(value - center)) for name, value in named if value is not None]
    missing = next((name for name, value in named if value is None), None)
    findings = (Finding(Threshold(f"{wanted} ({name})", bias, limit), drifted=bias > limit) for name, _, bias in biases)
    violations = (
        Violation(f"{wanted} ({name})", "bias", f"{shown(value)} is {bias:g} from {center:g}, allowed {limit:g}")
        for name, value, bias in biases
        if bias > limit
    )
    unread = (
        None
        if missing is None
        else f"Clarify's {wanted} of {missing} is no number: measure it, or leave the facet out."
    )
    return Report(tuple(findings), tuple(violations), unread)


def _values(part: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Facet with its value, metric and what stands as the metric's value."""
    return [
        (
            f"{text(facet, 100)} {text(mapping(group).get('value_or_threshold'), 60) or ''}".strip(),
            name,
            mapping(entry).get("value"),
        )
        for facet, groups in mapping(part.get("facets")).items()
        for group in sequence(groups)
        for entry in sequence(mapping(group).get("metrics"))
        if (name := text(mapping(entry).get("name"), 100)) is not None
    ]
