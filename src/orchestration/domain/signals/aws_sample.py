"""What AWS's sample-mlops-bestpractices sends: the alert it puts on the bus, and what its monitoring function gives. Pure."""

from __future__ import annotations

from typing import Any, Final

from orchestration.domain.json_values import number, sequence, text
from orchestration.domain.signal import Threshold
from orchestration.domain.signals import evidently
from orchestration.domain.signals.finding import Finding, Report, is_worse_when_lower

CURRENT: Final = "current_"
BASELINE: Final = "baseline_"
"""Beginnings of the names of a metric now and when the model was trained."""


def read(body: Any) -> Report | None:
    """The alert's share of drifted features or its degraded metric; then the shares and metrics beside it."""
    if not isinstance(body, dict):
        return None
    alert = [_alert(body)] if is_alert(body) else []
    return Report((*alert, *_measurements(body)))


def is_alert(body: dict[str, Any]) -> bool:
    """True for the alert; a bare result of Evidently has a drift_share too, there it is the threshold."""
    return "alert_type" in body or ("drift_share" in body and not evidently.is_report(body))


def _alert(body: dict[str, Any]) -> Finding:
    """``alert_type``, ``severity``, ``drift_share``; one of a model's performance carries the degraded metric instead."""
    features = [name for item in sequence(body.get("drifted_features")) if (name := _feature(item))]
    share = number(body.get("drift_share"))
    observed = _first_number(body, "drift_share", "current_value", "degradation")
    limit = _first_number(body, "drift_threshold", "threshold", "baseline_value")
    metric = text(body.get("metric") or body.get("metric_name"), 100) or ("drift_share" if share is not None else None)
    named = f"{metric} ({', '.join(features[:5])})" if features and metric else metric
    lower = share is None and number(body.get("current_value")) is not None and "baseline_value" in body
    return Finding(Threshold(named, observed, limit, lower_is_worse=lower), told=True)


def _measurements(body: dict[str, Any]) -> list[Finding]:
    """A share of drifted columns, and each metric now and at the training."""
    found = []
    if "drifted_columns_share" in body:
        found.append(Threshold("drifted_columns_share", number(body["drifted_columns_share"]), None))
    for name, value in body.items():
        metric = name.removeprefix(CURRENT)
        now, before = number(value), number(body.get(f"{BASELINE}{metric}"))
        if metric != name and now is not None and before is not None:
            lower = is_worse_when_lower(metric)
            found.append(Threshold(text(metric, 255), now, before, lower_is_worse=lower))
    return [Finding(threshold, told=False) for threshold in found]


def _first_number(body: dict[str, Any], *names: str) -> float | None:
    return next((found for name in names if (found := number(body.get(name))) is not None), None)


def _feature(item: Any) -> str | None:
    if isinstance(item, dict):
        return text(item.get("feature") or item.get("feature_name") or item.get("name"), 60)
    return text(item, 60)
