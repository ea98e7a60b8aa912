"""Drift reports: our ``Drift Detected`` event, the alert of AWS's MLOps sample, and Evidently's report summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Severity, SignalKind, SignalSource
from orchestration.domain.json_values import mapping, model_name, number, s3_uri, sequence, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Dataset, Rejection, Signal, Threshold, identify

if TYPE_CHECKING:
    from orchestration.domain.signals import SignalReader
    from orchestration.settings import Settings

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

_DRIFT_SHARE: Final = re.compile(r"drift_share=([0-9.]+)")


def from_event(event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str) -> Signal | Rejection:
    """Normalise the ``detail`` of a ``Drift Detected`` event, whichever of the three shapes it has."""
    detail = event.get("detail")
    signal_id = _identity(event, run_id)
    if not isinstance(detail, dict):
        return Rejection(
            Reason.NO_DETAIL,
            "The event's detail is not a JSON object; send {model, metric, observed, threshold}.",
            signal_id,
        )
    endpoint = model_name(detail.get("endpoint") or detail.get("endpoint_name"))
    raw_model = detail.get("model") if "model" in detail else detail.get("model_name")
    model = model_name(raw_model)
    if raw_model is not None and model is None:
        return Rejection(
            Reason.BAD_MODEL_NAME,
            f"The model name {text(raw_model, 80)!r} is not legal: 1 to 63 letters, digits and inner hyphens. "
            "Send the name of a policy file without its .json.",
            signal_id,
        )
    if model is None and endpoint:
        model = reader.model_of_endpoint(endpoint)
    if model is None and endpoint is None and _is_alert(detail):
        # The alert of AWS's sample names neither; who sends it runs one model.
        model = model_name(settings.default_model)
    if model is None:
        return Rejection(
            Reason.NO_MODEL,
            "The drift report names no model. Send model, or an endpoint that a policy or the tag retraining:model claims.",
            signal_id,
        )
    if _is_alert(detail):
        measured = _from_alert(detail)
    elif _is_evidently(detail):
        measured = _from_evidently(detail)
    else:
        measured = _from_report(detail)
    threshold, no_drift, told = measured
    report_uri = s3_uri(detail.get("report_uri") or detail.get("report_s3_uri"))
    if threshold.observed is None and threshold.threshold is None and not told:
        return Rejection(
            Reason.NO_MEASUREMENT,
            "The drift report has no numbers: send metric, observed and threshold as JSON numbers, or a severity.",
            signal_id,
            model,
        )
    severity = SEVERITIES.get(str(detail.get("severity") or "").lower())
    dataset = mapping(detail.get("dataset"))
    shown = "unknown" if threshold.observed is None else f"{threshold.observed:g}"
    limit = "an unknown threshold" if threshold.threshold is None else f"a threshold of {threshold.threshold:g}"
    return Signal(
        signal_id=signal_id,
        source=SignalSource.DRIFT_REPORT,
        kind=SignalKind.NO_DRIFT if no_drift else SignalKind.DRIFT,
        model=model,
        endpoint=endpoint,
        dataset=Dataset(
            uri=s3_uri(dataset.get("uri")),
            window_start=text(dataset.get("window_start"), 40),
            window_end=text(dataset.get("window_end"), 40),
        )
        if dataset
        else None,
        threshold=threshold,
        severity=severity,
        report_uri=report_uri,
        summary=f"Drift report on {model}: {threshold.metric or 'drift'} is {shown} against {limit}.",
        observed_at=text(event.get("time"), 40) or "",
        context=text(detail.get("message") or detail.get("description"), 300) or "",
    )


def _from_report(detail: dict[str, Any]) -> tuple[Threshold, bool, bool]:
    lower = str(detail.get("comparison") or "").lower() in LOWER_IS_WORSE
    threshold = Threshold(
        metric=text(detail.get("metric"), 255),
        observed=number(detail.get("observed")),
        threshold=number(detail.get("threshold")),
        lower_is_worse=lower,
    )
    return threshold, False, str(detail.get("severity") or "").lower() in SEVERITIES


def _is_alert(detail: dict[str, Any]) -> bool:
    # A bare Evidently result has a drift_share too; there it is the threshold.
    return "alert_type" in detail or ("drift_share" in detail and not _is_evidently(detail))


def _from_alert(detail: dict[str, Any]) -> tuple[Threshold, bool, bool]:
    """The alert JSON of AWS's sample-mlops-bestpractices: ``alert_type``, ``severity``, ``drift_share``, ...

    A model-performance alert carries the degraded metric instead of a share of drifted features.
    """
    features = [name for item in sequence(detail.get("drifted_features")) if (name := _feature(item))]
    share = number(detail.get("drift_share"))
    observed = _first_number(detail, "drift_share", "current_value", "degradation")
    limit = _first_number(detail, "drift_threshold", "threshold", "baseline_value")
    metric = text(detail.get("metric") or detail.get("metric_name"), 100) or (
        "drift_share" if share is not None else None
    )
    named = f"{metric} ({', '.join(features[:5])})" if features and metric else metric
    lower = share is None and number(detail.get("current_value")) is not None and "baseline_value" in detail
    drifted = detail.get("drift_detected")
    return Threshold(named, observed, limit, lower_is_worse=lower), drifted is False, True


def _is_evidently(detail: dict[str, Any]) -> bool:
    return "dataset_drift" in detail or "share_of_drifted_columns" in detail or isinstance(detail.get("metrics"), list)


def _from_evidently(detail: dict[str, Any]) -> tuple[Threshold, bool, bool]:
    """Evidently's share of drifted columns, alone or inside a report's ``metrics`` list.

    Until 0.6 it is the ``result`` of DatasetDriftMetric; since 0.7 the ``value`` of DriftedColumnsCount, whose
    threshold stands in its ``config`` or only in its name, "DriftedColumnsCount(drift_share=0.5)".
    """
    result = detail
    for entry in map(mapping, sequence(detail.get("metrics"))):
        candidate = mapping(entry.get("result"))
        if "share_of_drifted_columns" in candidate or "dataset_drift" in candidate:
            result = candidate
            break
        name = text(entry.get("metric_name") or entry.get("metric_id")) or ""
        share = number(mapping(entry.get("value")).get("share"))
        if name.startswith("DriftedColumnsCount") and share is not None:
            named = _DRIFT_SHARE.search(name)
            limit = number(mapping(entry.get("config")).get("drift_share") or (named and named[1]))
            result = {"share_of_drifted_columns": share, "drift_share": limit}
            if limit is not None:
                result["dataset_drift"] = share >= limit
            break
    drifted = result.get("dataset_drift")
    threshold = Threshold(
        metric="share_of_drifted_columns",
        observed=number(result.get("share_of_drifted_columns")),
        threshold=number(result.get("drift_share")),
    )
    return threshold, drifted is False, isinstance(drifted, bool)


def _first_number(detail: dict[str, Any], *names: str) -> float | None:
    return next((found for name in names if (found := number(detail.get(name))) is not None), None)


def _feature(item: Any) -> str | None:
    if isinstance(item, dict):
        return text(item.get("feature") or item.get("feature_name") or item.get("name"), 60)
    return text(item, 60)


def _identity(event: dict[str, Any], run_id: str) -> str:
    """What makes two deliveries the same signal: the sender's key, else window or report, else the event's id."""
    detail = mapping(event.get("detail"))
    dedupe_key = text(detail.get("dedupe_key"), 200)
    if dedupe_key:
        return identify("drift-report", text(detail.get("model"), 80), dedupe_key)
    if mapping(detail.get("dataset")).get("window_end") or detail.get("report_uri"):
        return identify("drift-report", canonical(detail))
    return identify("drift-report", text(event.get("id"), 100) or run_id)
