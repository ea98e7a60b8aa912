"""The loop's own drift report: ``metric``, ``observed``, ``threshold``, a severity. What a container of one's own sends. Pure."""

from __future__ import annotations

from typing import Any, Final

from orchestration.domain.contracts import Severity
from orchestration.domain.json_values import number, text
from orchestration.domain.signal import Threshold
from orchestration.domain.signals.finding import Finding, Report, is_over, is_worse_when_lower, quoted

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
    "dataset_drift",
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
"""Names under which senders say themselves whether it is drift: true or false, or 1 or 0 as Alibi Detect does."""


def read(body: Any) -> Report | None:
    """What a report says in our own words; of one that uses none, that it says nothing. None for what is no object."""
    if not isinstance(body, dict):
        return None
    threshold, unread = _measured(body)
    said = {name: body[name] for name in WORDS if body.get(name) is not None}
    known = {name: bool(word) for name, word in said.items() if word in (0, 1)}
    words = [*known.values(), *([False] if is_over(body.get("status")) else [])]
    unknown = next((name for name in said if name not in known), None)
    if unknown is not None:
        unread = f"The drift report's {unknown} {quoted(said[unknown])} is neither true nor false: send one of them."
    findings = (Finding(threshold), *(Finding(threshold, drifted=word) for word in words))
    if unread is None and threshold.observed is not None and not any(finding.says for finding in findings):
        alone = severity_of(body) is None
        unread = "The drift report has an observed value and no threshold: send both, a severity, or drift_detected."
        return Report(findings, unread=unread if alone else None)
    return Report(findings, unread=unread)


def _measured(body: dict[str, Any]) -> tuple[Threshold, str | None]:
    """The numbers of a report; without them, and why, where nobody knows which of two is the worse one."""
    metric, observed = text(body.get("metric"), 255), body.get("observed")
    if observed is None and metric is None and number(body.get("p_val")) is not None:
        # Alibi Detect's result has its p-value under a name of its own, and a threshold for it.
        metric, observed = "p_val", body["p_val"]
    comparison = body.get("comparison") or None
    word = str(comparison).lower()
    if comparison is not None and word not in LOWER_IS_WORSE | HIGHER_IS_WORSE:
        told = f"The drift report's comparison {quoted(comparison)} is no word for which values are bad: "
        return Threshold(metric, None, None), f"{told}send lower_is_worse or higher_is_worse, or leave it out."
    lower = is_worse_when_lower(metric) if comparison is None else word in LOWER_IS_WORSE
    given = {"observed": observed, "threshold": body.get("threshold")}
    wrong = next((name for name, value in given.items() if value is not None and number(value) is None), None)
    unread = (
        None
        if wrong is None
        else f"The drift report's {wrong} {quoted(given[wrong])} is no number: send observed and threshold as JSON numbers."
    )
    return Threshold(metric, number(observed), number(given["threshold"]), lower_is_worse=lower), unread


def severity_of(body: dict[str, Any]) -> Severity | None:
    """The severity that a report gives itself, if any."""
    return SEVERITIES.get(str(body.get("severity") or "").lower())
