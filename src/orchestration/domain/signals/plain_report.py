"""The loop's own drift report: ``metric``, ``observed``, ``threshold``, a severity. What a container of one's own sends. Pure."""

from __future__ import annotations

from typing import Any, Final

from orchestration.domain.contracts import Severity
from orchestration.domain.json_values import number, text
from orchestration.domain.signal import Threshold
from orchestration.domain.signals.finding import Finding, Report, is_worse_when_lower

LOWER_IS_WORSE: Final = frozenset(
    {"less_than", "lower_is_worse", "lessthanthreshold", "lessthanorequaltothreshold", "<", "<="}
)

SEVERITIES: Final = {
    "info": Severity.INFO,
    "low": Severity.INFO,
    "none": Severity.INFO,
    "warning": Severity.WARNING,
    "warn": Severity.WARNING,
    "medium": Severity.WARNING,
    "moderate": Severity.WARNING,
    "critical": Severity.CRITICAL,
    "high": Severity.CRITICAL,
    "severe": Severity.CRITICAL,
}
"""Words senders use for severity, in the policy's words."""

WORDS: Final = (
    "drift_detected",
    "dataset_drift_detected",
    "data_drift_detected",
    "model_drift_detected",
    "concept_drift_detected",
    "target_drift_detected",
    "prediction_drift_detected",
    "is_drift",
    "is_drifted",
    "has_drift",
    "drifted",
)
"""Names under which senders say themselves whether it is drift, besides Evidently's ``dataset_drift``."""


def read(body: Any) -> Report | None:
    """What a report says in our own words; of one that uses none, that it says nothing. None for what is no object."""
    if not isinstance(body, dict):
        return None
    metric = text(body.get("metric"), 255)
    comparison = body.get("comparison")
    threshold = Threshold(
        metric=metric,
        observed=number(body.get("observed")),
        threshold=number(body.get("threshold")),
        lower_is_worse=str(comparison).lower() in LOWER_IS_WORSE if comparison else is_worse_when_lower(metric),
    )
    measured = Finding(threshold, told=severity_of(body) is not None)
    words = (body[name] for name in WORDS if isinstance(body.get(name), bool))
    return Report((measured, *(Finding(threshold, told=True, drifted=word) for word in words)))


def severity_of(body: dict[str, Any]) -> Severity | None:
    """The severity that a report gives itself, if any."""
    return SEVERITIES.get(str(body.get("severity") or "").lower())
