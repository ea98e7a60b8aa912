"""CloudWatch alarms: on model metrics and on business KPIs alike.

Five shapes arrive: metric, metric math, anomaly band, composite, Metrics Insights. ``reasonData`` is a JSON *string*
and may be missing; a muted alarm still sends its event. The model comes from a dimension or from the alarm's name.
"""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SignalKind, SignalSource
from orchestration.domain.json_values import ascii_lower, json_object, mapping, model_name, number, sequence, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Ignored, Rejection, Signal, Threshold, identify

if TYPE_CHECKING:
    from orchestration.domain.signals import SignalReader
    from orchestration.settings import Settings

ENDPOINT_DIMENSIONS: Final = ("endpoint", "endpointname")
MODEL_DIMENSIONS: Final = ("modelname", "model")
SAGEMAKER_NAMESPACE: Final = "aws/sagemaker/"
"""Start of Model Monitor's metric namespaces. AWS's pages disagree on case and on a leading slash, so both pass."""


NO_DATA: Final = "no datapoints were received"
"""Start of the reason of an alarm that treats missing data as breaching; older datapoints say nothing about it then."""

_LOWER: Final = re.compile(r"\b(?:was|were) less than\b")
"""A reason in the state ALARM of an alarm on too small values; "was not less than" is one of the state OK."""


def from_event(
    event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str
) -> Signal | Rejection | Ignored:
    """Normalise a ``CloudWatch Alarm State Change`` event."""
    detail = mapping(event.get("detail"))
    name = detail.get("alarmName")
    if not isinstance(name, str) or not name.strip():
        return Rejection.of(
            Reason.NO_ALARM_NAME, "The alarm event names no alarmName.", text(event.get("id")) or run_id
        )
    if not name.startswith(settings.alarm_name_prefix):
        return Ignored(
            Reason.ALARM_NOT_OURS, f"Alarm {text(name, 255)} does not start with {settings.alarm_name_prefix!r}."
        )
    state = mapping(detail.get("state"))
    value = state.get("value")
    if value != "ALARM":
        return Ignored(Reason.ALARM_NOT_IN_ALARM, f"Alarm {text(name, 255)} went to {text(value, 40)}.")
    configuration = mapping(detail.get("configuration"))
    arn = _first_text(event.get("resources")) or name
    signal_id = _identity(arn, state, event, run_id)
    endpoint, model = _subject(name, configuration, reader, settings)
    if model is None:
        return Rejection.of(
            Reason.NO_MODEL,
            f"Alarm {text(name, 255)} names no model of this loop. Give its metric a dimension Endpoint, EndpointName, "
            f"ModelName or Model, or name it {settings.alarm_name_prefix}<model>/<what>; the model needs a policy "
            "file, or must be the stack's DefaultModel.",
            signal_id,
        )
    threshold = _threshold(configuration, state)
    namespace = _namespace(configuration)
    return Signal(
        signal_id=signal_id,
        source=SignalSource.ALARM,
        kind=SignalKind.DRIFT if namespace.startswith(SAGEMAKER_NAMESPACE) else SignalKind.KPI,
        model=model,
        endpoint=endpoint,
        threshold=threshold,
        summary=f"Alarm {text(name, 255)} is in ALARM: {text(state.get('reason'), 300) or 'no reason given'}",
        observed_at=text(event.get("time"), 40) or "",
        muted=bool(detail.get("muteDetail")) or bool(state.get("actionsSuppressedBy")),
        context=text(configuration.get("description"), 300) or "",
    )


def transition_id(arn: str, at: datetime) -> str:
    """The id of a change of an alarm: the alarm and the second."""
    return identify("alarm", arn, str(int(at.timestamp())))


def _identity(arn: str, state: dict[str, Any], event: dict[str, Any], run_id: str) -> str:
    """One change of an alarm is one signal: the alarm and the second of the change.

    CloudWatch names both and the address holds the account, so no sender can take the name of another's change. What was
    measured is no part of it: DescribeAlarms may tell a later value of the same change.
    """
    told = text(state.get("timestamp"), 60) or text(event.get("time"), 60)
    try:
        return transition_id(arn, datetime.fromisoformat(told or ""))
    except (ValueError, OverflowError):
        return identify("alarm", arn, told or text(event.get("id")) or run_id)


def _subject(
    name: str, configuration: dict[str, Any], reader: SignalReader, settings: Settings
) -> tuple[str | None, str | None]:
    """The endpoint and the model of an alarm; the model is None when nothing names one."""
    dimensions = {ascii_lower(key): item for key, item in _dimensions(configuration).items()}
    endpoint = next((model_name(dimensions[key]) for key in ENDPOINT_DIMENSIONS if key in dimensions), None)
    named = next((model_name(dimensions[key]) for key in MODEL_DIMENSIONS if key in dimensions), None)
    if named:
        return endpoint, named
    if endpoint and (model := reader.model_of_endpoint(endpoint)):
        return endpoint, model
    stem = name.removeprefix(settings.alarm_name_prefix).split("/", 1)
    if len(stem) == 2 and (model := model_name(stem[0])):  # noqa: PLR2004 - <model>/<what>
        return endpoint, model
    return endpoint, None


def _metrics(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [mapping(entry) for entry in sequence(configuration.get("metrics"))]


def _dimensions(configuration: dict[str, Any]) -> dict[str, Any]:
    """Dimensions of the alarm's metrics; those they share win nothing, the first value of a name counts."""
    found: dict[str, Any] = {}
    for entry in _metrics(configuration):
        dimensions = mapping(mapping(mapping(entry.get("metricStat")).get("metric")).get("dimensions"))
        for key, item in dimensions.items():
            found.setdefault(str(key), item)
    return found


def _namespace(configuration: dict[str, Any]) -> str:
    for entry in _metrics(configuration):
        namespace = mapping(mapping(entry.get("metricStat")).get("metric")).get("namespace")
        if isinstance(namespace, str):
            return ascii_lower(namespace.lstrip("/"))
    return ""


def _metric_name(configuration: dict[str, Any]) -> str | None:
    entries = [entry for entry in _metrics(configuration) if entry.get("returnData") is not False]
    for entry in entries:
        name = mapping(mapping(entry.get("metricStat")).get("metric")).get("name")
        if isinstance(name, str):
            return text(name, 255)
    return next((text(entry.get("label") or entry.get("expression"), 255) for entry in entries), None)


def _threshold(configuration: dict[str, Any], state: dict[str, Any]) -> Threshold | None:
    metric = _metric_name(configuration)
    data = _reason_data(state)
    points = [point for item in sequence(data.get("recentDatapoints")) if (point := number(item)) is not None]
    limit = number(data.get("threshold"))
    reason = str(state.get("reason") or "").lower()
    if NO_DATA in reason:
        points = []
    if limit is not None and points:
        return _past_limit(metric, points, limit, reason=reason)
    if points and (past_band := _past_band(metric, data)) is not None:
        return past_band
    if metric is None and not points and limit is None:
        return None
    return Threshold(metric=metric, observed=points[-1] if points else None, threshold=limit)


def _past_limit(metric: str | None, points: list[float], limit: float, *, reason: str) -> Threshold:
    """The worst datapoint against a fixed threshold.

    The event does not carry the comparison operator. Datapoints all on one side of the threshold tell it; only when
    they lie on both (an alarm on M out of N) the reason's wording decides.
    """
    above, below = any(point > limit for point in points), any(point < limit for point in points)
    lower_is_worse = below and (not above or _LOWER.search(reason) is not None)
    if not above and not below:
        lower_is_worse = _LOWER.search(reason) is not None
    return Threshold(metric, min(points) if lower_is_worse else max(points), limit, lower_is_worse=lower_is_worse)


def _past_band(metric: str | None, data: dict[str, Any]) -> Threshold | None:
    """The latest datapoint outside an anomaly band; ``recentDatapoints`` has the oldest first."""
    bands = (sequence(data.get(f"recent{name}")) for name in ("Datapoints", "LowerThresholds", "UpperThresholds"))
    for point, lower, upper in reversed([tuple(map(number, row)) for row in itertools.zip_longest(*bands)]):
        if point is not None and upper is not None and point > upper:
            return Threshold(metric, point, upper)
        if point is not None and lower is not None and point < lower:
            return Threshold(metric, point, lower, lower_is_worse=True)
    return None


def _reason_data(state: dict[str, Any]) -> dict[str, Any]:
    raw = state.get("reasonData")
    if not isinstance(raw, str):
        return mapping(raw)
    return mapping(json_object(raw, nan=True))


def _first_text(value: Any) -> str | None:
    return next((text(item, 300) for item in sequence(value)), None)
