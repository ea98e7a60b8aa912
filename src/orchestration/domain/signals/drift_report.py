"""Drift reports: our ``Drift Detected`` event, the alerts of AWS's MLOps sample, and Evidently's report summary."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Severity, SignalKind, SignalSource
from orchestration.domain.json_values import mapping, model_name, number, s3_uri, sequence, text
from orchestration.domain.metrics import drift_measure
from orchestration.domain.metrics import metric as known_metric
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

KEYS_READ: Final = 100
ALIKE: Final = 0.8
"""Keys of a report that are looked through for a mistyped one, and how like they have to be, by difflib's ratio."""

CURRENT, BASELINE = "current_", "baseline_"
"""Beginnings of the names of a metric now and when the model was trained, in the alert that AWS's sample sends."""

_DRIFT_SHARE: Final = re.compile(r"drift_share=([0-9.]+)")


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a detail says in one of the shapes. ``drifted`` is the sender's own word, ``told`` whether there is any."""

    threshold: Threshold
    told: bool
    drifted: bool | None = None

    @property
    def badness(self) -> float:
        """Its ratio; without numbers it counts as one at its threshold."""
        ratio = self.threshold.ratio
        return 1.0 if ratio is None else ratio


def from_event(event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str) -> Signal | Rejection:
    """Normalise the ``detail`` of a ``Drift Detected`` event, whichever of the three shapes it has."""
    detail = event.get("detail")
    key = (text(event.get("account"), 20), _key(event, run_id))
    fact = (SignalSource.DRIFT_REPORT, *key, canonical(detail))
    if not isinstance(detail, dict):
        return Rejection.of(
            Reason.NO_DETAIL,
            "The event's detail is not a JSON object; send {model, metric, observed, threshold}.",
            *fact,
        )
    endpoint = model_name(detail.get("endpoint") or detail.get("endpoint_name"))
    raw_model = detail.get("model") if "model" in detail else detail.get("model_name")
    model = model_name(raw_model)
    if raw_model is not None and model is None:
        return Rejection.of(
            Reason.BAD_MODEL_NAME,
            f"The model name {text(raw_model, 80)!r} is not legal: 1 to 63 letters, digits and inner hyphens. "
            "Send the name of a policy file without its .json.",
            *fact,
        )
    if model is None and endpoint:
        model = reader.model_of_endpoint(endpoint)
    if model is None and endpoint is None and _is_alert(detail):
        # The alert of AWS's sample names neither; who sends it runs one model.
        model = model_name(settings.default_model)
    if model is None:
        return Rejection.of(
            Reason.NO_MODEL,
            "The drift report names no model. Send model, or an endpoint that a policy or the tag retraining:model claims.",
            *fact,
        )
    readings = _readings(detail)
    # The sender chooses the shape, so numbers that lie outside of it count as well: the worst of them all.
    numbered = [reading for reading in readings if reading.threshold.observed is not None]
    threshold = max(numbered or readings, key=lambda reading: reading.badness).threshold
    words = {reading.drifted for reading in readings} | {_word(detail.get(name)) for name in WORDS}
    report_uri = s3_uri(detail.get("report_uri") or detail.get("report_s3_uri"))
    failure = _failure(detail) if threshold.observed is None and True not in words else None
    told = words != {None} or any(reading.told for reading in readings) or failure is not None
    if threshold.observed is None and threshold.threshold is None and not told:
        return Rejection.of(
            Reason.NO_MEASUREMENT,
            "The drift report has no numbers: send metric, observed and threshold as JSON numbers, a severity, drift_detected, or "
            "error if nothing could be measured.",
            *fact,
            model=model,
        )
    meant = _misspelt(detail, threshold)
    if failure is None and meant is not None:
        return Rejection.of(
            Reason.NO_MEASUREMENT,
            f"The drift report has a key {text(meant[0], 80)!r} and none {meant[1]!r}: did you mean that? Correct it and send it again.",
            *fact,
            model=model,
        )
    severity = SEVERITIES.get(str(detail.get("severity") or "").lower())
    dataset = mapping(detail.get("dataset"))
    shown = "unknown" if threshold.observed is None else f"{threshold.observed:g}"
    limit = "an unknown threshold" if threshold.threshold is None else f"a threshold of {threshold.threshold:g}"
    summary = f"Drift report on {model}: {threshold.metric or 'drift'} is {shown} against {limit}."
    drifted = True in words or not (False in words or _nothing(threshold))
    kind = SignalKind.DRIFT if drifted else SignalKind.NO_DRIFT
    if failure is not None:
        kind, summary = SignalKind.MONITOR_FAILURE, f"The monitor of {model} failed: {failure}"
    return Signal(
        signal_id="",
        source=SignalSource.DRIFT_REPORT,
        kind=kind,
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
        summary=summary,
        observed_at=text(event.get("time"), 40) or "",
        context=text(detail.get("message") or detail.get("description"), 300) or "",
        content=None if _named_by_sender(detail) else identify(key[0], canonical(detail)),
    ).named(*key)


def _failure(detail: dict[str, Any]) -> str | None:
    """Why a monitor could not measure, in its words. A number is no reason: it is somebody's metric of that name."""
    error = detail.get("error")
    return text(error, 300) if isinstance(error, str) else None


def _misspelt(detail: dict[str, Any], measured: Threshold) -> tuple[str, str] | None:
    """A key that somebody may have mistyped, with what it may have been; with half of its numbers a report would train."""
    missing = [name for name in ("observed", "threshold") if getattr(measured, name) is None]
    if not missing:
        return None
    import difflib  # noqa: PLC0415 - few reports lack a number

    for name in itertools.islice(detail, KEYS_READ):
        meant = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=ALIKE)
        if meant and name not in missing:
            return name, meant[0]
    return None


def _nothing(threshold: Threshold) -> bool:
    """True for a distance or a share of 0, with no threshold to hold it against."""
    measure = drift_measure(threshold.metric or "")
    none = (threshold.observed, threshold.threshold) == (0, None)
    return none and measure is not None and not measure.lower


def _worse_when_lower(metric: str | None, comparison: object) -> bool:
    """What the sender says; else what the catalogue knows of the metric; else more is drift."""
    if comparison:
        return str(comparison).lower() in LOWER_IS_WORSE
    measure, performance = drift_measure(metric or ""), known_metric(metric or "")
    return measure.lower if measure is not None else performance is not None and not performance.lower


def _readings(detail: dict[str, Any]) -> list[_Reading]:
    """The detail in every shape it has, first in the one that names it."""
    return [
        *([_from_alert(detail)] if _is_alert(detail) else []),
        *(_from_evidently(detail) if _is_evidently(detail) else []),
        *_from_sample(detail),
        _from_report(detail),
    ]


def _from_report(detail: dict[str, Any]) -> _Reading:
    metric = text(detail.get("metric"), 255)
    threshold = Threshold(
        metric=metric,
        observed=number(detail.get("observed")),
        threshold=number(detail.get("threshold")),
        lower_is_worse=_worse_when_lower(metric, detail.get("comparison")),
    )
    return _Reading(threshold, told=str(detail.get("severity") or "").lower() in SEVERITIES)


def _is_alert(detail: dict[str, Any]) -> bool:
    # A bare Evidently result has a drift_share too; there it is the threshold.
    return "alert_type" in detail or ("drift_share" in detail and not _is_evidently(detail))


def _from_alert(detail: dict[str, Any]) -> _Reading:
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
    return _Reading(Threshold(named, observed, limit, lower_is_worse=lower), told=True)


def _from_sample(detail: dict[str, Any]) -> list[_Reading]:
    """What the monitoring function of AWS's sample sends: a share of drifted columns, and metrics now and at the training."""
    found = []
    if "drifted_columns_share" in detail:
        found.append(Threshold("drifted_columns_share", number(detail["drifted_columns_share"]), None))
    for name, value in detail.items():
        metric = name.removeprefix(CURRENT)
        now, before = number(value), number(detail.get(f"{BASELINE}{metric}"))
        if metric != name and now is not None and before is not None:
            lower = _worse_when_lower(metric, None)
            found.append(Threshold(text(metric, 255), now, before, lower_is_worse=lower))
    return [_Reading(threshold, told=False) for threshold in found]


def _is_evidently(detail: dict[str, Any]) -> bool:
    return "dataset_drift" in detail or "share_of_drifted_columns" in detail or isinstance(detail.get("metrics"), list)


def _from_evidently(detail: dict[str, Any]) -> list[_Reading]:
    """Evidently's share of drifted columns, alone or inside a report's ``metrics`` list, once for each time it is there.

    Until 0.6 it is the ``result`` of DatasetDriftMetric; since 0.7 the ``value`` of DriftedColumnsCount, whose
    threshold stands in its ``config`` or only in its name, "DriftedColumnsCount(drift_share=0.5)".
    """
    results = [result for entry in sequence(detail.get("metrics")) if (result := _evidently_result(mapping(entry)))]
    return [
        _Reading(
            Threshold(
                metric="share_of_drifted_columns",
                observed=number(result.get("share_of_drifted_columns")),
                threshold=number(result.get("drift_share")),
            ),
            told=isinstance(result.get("dataset_drift"), bool),
            drifted=_word(result.get("dataset_drift")),
        )
        for result in (*results, detail)
    ]


def _evidently_result(entry: dict[str, Any]) -> dict[str, Any] | None:
    """What one entry of Evidently's metrics says of the share of drifted columns, in the words of 0.4; None if nothing."""
    result = mapping(entry.get("result"))
    if "share_of_drifted_columns" in result or "dataset_drift" in result:
        return result
    name = text(entry.get("metric_name") or entry.get("metric_id")) or ""
    share = number(mapping(entry.get("value")).get("share"))
    if not name.startswith("DriftedColumnsCount") or share is None:
        return None
    named = _DRIFT_SHARE.search(name)
    limit = number(mapping(entry.get("config")).get("drift_share") or (named and named[1]))
    drifted = None if limit is None else share >= limit
    return {"share_of_drifted_columns": share, "drift_share": limit, "dataset_drift": drifted}


def _word(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _first_number(detail: dict[str, Any], *names: str) -> float | None:
    return next((found for name in names if (found := number(detail.get(name))) is not None), None)


def _feature(item: Any) -> str | None:
    if isinstance(item, dict):
        return text(item.get("feature") or item.get("feature_name") or item.get("name"), 60)
    return text(item, 60)


def _key(event: dict[str, Any], run_id: str) -> str:
    """What makes two deliveries the same fact: the sender's key, else window or report, else the event's id.

    AWS's sample names each of its runs: ``monitoring_run_id``.
    """
    return _named_by_sender(mapping(event.get("detail"))) or text(event.get("id"), 100) or run_id


def _named_by_sender(detail: dict[str, Any]) -> str | None:
    """What of a detail says which fact it is of, or None."""
    dedupe_key = text(detail.get("dedupe_key") or detail.get("monitoring_run_id"), 200)
    whole = mapping(detail.get("dataset")).get("window_end") or detail.get("report_uri")
    return dedupe_key or (canonical(detail) if whole else None)
