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

HIGHER_IS_WORSE: Final = frozenset(
    {"greater_than", "higher_is_worse", "greaterthanthreshold", "greaterthanorequaltothreshold", ">", ">="}
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
    threshold, unread = _measured(body)
    measured = Finding(threshold, told=severity_of(body) is not None)
    words = (body[name] for name in WORDS if isinstance(body.get(name), bool))
    return Report((measured, *(Finding(threshold, told=True, drifted=word) for word in words)), unread=unread)


def _measured(body: dict[str, Any]) -> tuple[Threshold, str | None]:
    """The numbers of a report; without them, and why, where nobody knows which of two is the worse one."""
    metric, comparison = text(body.get("metric"), 255), body.get("comparison") or None
    word = str(comparison).lower()
    if comparison is not None and word not in LOWER_IS_WORSE | HIGHER_IS_WORSE:
        told = f"The drift report's comparison {text(comparison, 80) or str(comparison)[:80]!r} is no word for which values are bad: "
        return Threshold(metric, None, None), f"{told}send lower_is_worse or higher_is_worse, or leave it out."
    lower = is_worse_when_lower(metric) if comparison is None else word in LOWER_IS_WORSE
    return Threshold(metric, number(body.get("observed")), number(body.get("threshold")), lower_is_worse=lower), None


def severity_of(body: dict[str, Any]) -> Severity | None:
    """The severity that a report gives itself, if any."""
    return SEVERITIES.get(str(body.get("severity") or "").lower())
