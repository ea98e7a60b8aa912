"""What AWS's sample-mlops-bestpractices sends: the alert it puts on the bus, and what its monitoring function gives. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from orchestration.domain.json_values import number, sequence, text
from orchestration.domain.signal import Threshold
from orchestration.domain.signals import evidently
from orchestration.domain.signals.finding import Finding, Report, is_over, is_worse_when_lower

CURRENT: Final = "current_"
BASELINE: Final = "baseline_"
"""Beginnings of the names of a metric now and when the model was trained."""


def read(body: Any) -> Report | None:
    """The alert, the degraded metric it may carry, then the shares and metrics beside it."""
    if not isinstance(body, dict):
        return None
    alert = [_alert(body)] if is_alert(body) else []
    return Report((*alert, *map(Finding, _measurements(body))))


def is_alert(body: dict[str, Any]) -> bool:
    """True for the alert; a bare result of Evidently has a drift_share too, there it is the threshold."""
    return "alert_type" in body or ("drift_share" in body and not evidently.is_report(body))


def _alert(body: dict[str, Any]) -> Finding:
    """``alert_type``, ``severity``, ``drift_share``; one of a model's performance carries the degraded metric instead."""
    over = False if is_over(body.get("alert_type")) else None
    share = number(body.get("drift_share"))
    metric = "drift_share" if share is not None else _metric(body)
    features = [name for item in sequence(body.get("drifted_features")) if (name := _feature(item))]
    named = f"{metric} ({', '.join(features[:5])})" if features and metric else metric
    if share is None and (degraded := _degraded(body)) is not None:
        threshold = replace(degraded, metric=named)
    else:
        observed = _first_number(body, "drift_share", "current_value", "degradation")
        limit = _first_number(body, "drift_threshold", "threshold", *(["baseline_value"] if share is None else []))
        threshold = Threshold(named, observed, limit)
    return Finding(threshold, drifted=over, alert=True)


def _metric(body: dict[str, Any]) -> str | None:
    return text(body.get("metric") or body.get("metric_name"), 100)


def _degraded(body: dict[str, Any]) -> Threshold | None:
    """A metric now against its value at the training; of one that nobody knows less is worse, as of what AWS's sample watches."""
    now, before = number(body.get(f"{CURRENT}value")), number(body.get(f"{BASELINE}value"))
    if now is None or before is None:
        return None
    metric = _metric(body)
    return Threshold(metric, now, before, lower_is_worse=is_worse_when_lower(metric, unknown=True))


def _measurements(body: dict[str, Any]) -> list[Threshold]:
    """A share of drifted columns, and each metric now and at the training."""
    found = [degraded] if (degraded := _degraded(body)) is not None else []
    if "drifted_columns_share" in body:
        found.append(Threshold("drifted_columns_share", number(body["drifted_columns_share"]), None))
    for name, value in body.items():
        metric = name.removeprefix(CURRENT)
        now, before = number(value), number(body.get(f"{BASELINE}{metric}"))
        if metric not in {name, "value"} and now is not None and before is not None:
            lower = is_worse_when_lower(metric)
            found.append(Threshold(text(metric, 255), now, before, lower_is_worse=lower))
    return found


def _first_number(body: dict[str, Any], *names: str) -> float | None:
    return next((found for name in names if (found := number(body.get(name))) is not None), None)


def _feature(item: Any) -> str | None:
    if isinstance(item, dict):
        return text(item.get("feature") or item.get("feature_name") or item.get("name"), 60)
    return text(item, 60)
