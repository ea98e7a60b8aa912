"""CloudWatch alarms as AWS has them, where ministack's differ: events on state changes, and honest evaluation."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ministack.core.responses import AccountRegionScopedDict, get_account_id

from local.iam_calls import Call
from local.iam_policies import lets_in
from local.sagemaker_events import put_event
from local.seam import Repair, cloudwatch, sns

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.sagemaker_records import Document

_INITIAL = "Unchecked: Initial alarm creation"
_COMPARISONS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", lambda value, limit: value >= limit),
    "GreaterThanThreshold": ("greater than", lambda value, limit: value > limit),
    "LessThanThreshold": ("less than", lambda value, limit: value < limit),
    "LessThanOrEqualToThreshold": ("less than or equal to", lambda value, limit: value <= limit),
}
# The state each alarm was last seen in, as its next event's previousState.
_last_states = AccountRegionScopedDict()


_GUIDE = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/"
ALARM_EVENTS = Repair(
    "events of alarms",
    alone="no alarm events",
    aws="events on change in the documented shapes",
    source=f"{_GUIDE}cloudwatch-and-eventbridge.html",
)
REASONS = Repair(
    "reasons of alarms",
    alone="the reason data of the state before stays when the new state is set without",
    aws="it has none",
    source="https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html",
)
METRIC_MATH = Repair(
    "alarms on metric math",
    alone="`Metrics` of an alarm forgotten, and refused in a template",
    aws="kept and shown; here SetAlarmState moves such an alarm",
    source="https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html",
)
EVALUATION = Repair(
    "evaluation of alarms",
    alone="every metric of an alarm's name counts, whatever its dimensions",
    aws="only the alarm's own; DatapointsToAlarm of the last EvaluationPeriods, and TreatMissingData",
    source=f"{_GUIDE}alarm-evaluation.html",
)
ALARM_TOPICS = Repair(
    "topics of alarms",
    alone="an alarm publishes to any topic",
    aws="to those whose policies let it",
    source="https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html",
)


@ALARM_EVENTS.wraps(cloudwatch, "_record_history")
def _record(
    original: Callable[..., None],
    alarm_name: str,
    old_state: str,
    new_state: str,
    reason: str,
    alarm_type: str = "MetricAlarm",
    reason_data: Any = None,
) -> None:
    # ministack writes history on every change of state, and only then: the one place that sees them all.
    original(alarm_name, old_state, new_state, reason, alarm_type, reason_data)
    if old_state != new_state:
        _emit(alarm_name, old_state, new_state)


@METRIC_MATH.wraps(cloudwatch, "_put_metric_alarm")
def _put(original: Callable[..., Any], params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
    answer = original(params, cbor_data, is_cbor, is_json)
    if (is_cbor or is_json) and cbor_data.get("Metrics") and answer[0] == HTTPStatus.OK:
        take_metrics(cbor_data["AlarmName"], cbor_data["Metrics"])
    return answer


@REASONS.wraps(cloudwatch, "_set_alarm_state")
def _set_state(original: Callable[..., Any], params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
    name = cbor_data.get("AlarmName") if is_cbor or is_json else cloudwatch.p(params, "AlarmName")
    if (alarm := cloudwatch.alarms.get(name)) is not None:
        alarm.pop("StateReasonData", None)
    return original(params, cbor_data, is_cbor, is_json)


@ALARM_TOPICS.wraps(cloudwatch, "_dispatch_alarm_actions")
def _dispatch(original: Callable[..., None], alarm: Document, old_state: str, new_state: str, reason: str) -> None:
    lists = ("AlarmActions", "OKActions", "InsufficientDataActions")
    taken = {name: [arn for arn in alarm.get(name) or [] if _takes(arn, alarm["AlarmArn"])] for name in lists}
    original({**alarm, **taken}, old_state, new_state, reason)


def _takes(action_arn: str, alarm_arn: str) -> bool:
    """Whether a topic's policy lets CloudWatch publish for an alarm; what is no topic is not asked."""
    if (found := sns.topic_policy_for_arn(action_arn)) is None:
        return True
    account = get_account_id()
    keys = (("aws:SourceArn", alarm_arn), ("aws:SourceAccount", account), ("aws:SourceOwner", account))
    return lets_in(found[0], Call("sns:Publish", action_arn, keys), "cloudwatch.amazonaws.com")


def reset() -> None:
    """Forget the states seen."""
    _last_states.clear()


def take_metrics(name: str, metrics: list[Document]) -> None:
    """Make the alarm a metric math alarm: it has Metrics, and neither a metric nor a statistic of its own."""
    alarm = cloudwatch.alarms[name]
    alarm["Metrics"] = metrics
    for member in ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit"):
        alarm.pop(member, None)


# ---------------------------------------------------------------------- the event


def _stamp(seconds: float) -> str:
    # CloudWatch's own form: milliseconds and +0000, not Z.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _emit(name: str, old: str, new: str) -> None:
    alarm = cloudwatch.alarms.get(name) or cloudwatch.composite_alarms.get(name)
    if alarm is None:
        return
    moment = time.time()
    state = {"value": new, "reason": alarm.get("StateReason", ""), "timestamp": _stamp(moment)}
    if alarm.get("StateReasonData"):
        state["reasonData"] = alarm["StateReasonData"]
    created = alarm.get("AlarmConfigurationUpdatedTimestamp") or moment
    previous = _last_states.get(name) or {"value": old, "reason": _INITIAL, "timestamp": _stamp(created)}
    _last_states[name] = state
    detail = {
        "alarmName": name,
        "state": state,
        "previousState": {**previous, "value": old},
        "configuration": _configuration(alarm),
    }
    put_event("aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm["AlarmArn"]])


def _configuration(alarm: Document) -> Document:
    configuration: Document = {}
    if alarm.get("AlarmDescription"):
        configuration["description"] = alarm["AlarmDescription"]
    if "AlarmRule" in alarm:
        configuration["alarmRule"] = alarm["AlarmRule"]
        for member in ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"):
            if alarm.get(member) is not None:
                configuration[member[:1].lower() + member[1:]] = alarm[member]
    elif alarm.get("Metrics"):
        configuration["metrics"] = [_metric_entry(entry) for entry in alarm["Metrics"]]
    else:
        stat = {
            "metric": _metric(alarm),
            "period": int(alarm.get("Period", 60)),
            "stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average"),
        }
        if alarm.get("Unit"):
            stat["unit"] = alarm["Unit"]
        configuration["metrics"] = [{"id": str(uuid4()), "metricStat": stat, "returnData": True}]
    return configuration


def _metric(metric: Document) -> Document:
    return {
        "namespace": metric["Namespace"],
        "name": metric["MetricName"],
        "dimensions": {item["Name"]: item["Value"] for item in metric.get("Dimensions") or []},
    }


def _metric_entry(entry: Document) -> Document:
    shown: Document = {"id": entry["Id"], "returnData": _flag(entry.get("ReturnData", True))}
    for member in ("Expression", "Label", "Period"):
        if entry.get(member) is not None:
            shown[member.lower()] = entry[member]
    if stat := entry.get("MetricStat"):
        shown["metricStat"] = {
            "metric": _metric(stat["Metric"]),
            "period": int(stat["Period"]),
            "stat": stat["Stat"],
            **({"unit": stat["Unit"]} if stat.get("Unit") else {}),
        }
    return shown


def _flag(value: Any) -> bool:
    # A template may spell a boolean as text.
    return value if isinstance(value, bool) else str(value).lower() == "true"


# ---------------------------------------------------------------------- evaluation


@EVALUATION.replaces(cloudwatch, "_evaluate_alarm")
def _evaluate(alarm: Document) -> None:
    """Move a metric alarm to the state its metric's recent periods give it.

    Each of the last EvaluationPeriods periods, counted back from now, is one datapoint; DatapointsToAlarm of them
    must breach. Missing ones follow TreatMissingData. Metric math is not evaluated: SetAlarmState moves it.
    """
    namespace, metric = alarm.get("Namespace"), alarm.get("MetricName")
    if not namespace or not metric:
        return
    dimensions = cloudwatch.dims_key(cloudwatch.dims_from_list(alarm.get("Dimensions") or []))
    points = cloudwatch.metrics.get((namespace, metric, dimensions)) or []
    period, count = int(alarm.get("Period", 60)), int(alarm.get("EvaluationPeriods", 1))
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    moment = time.time()
    datapoints: list[float | None] = []
    for index in range(count, 0, -1):
        begin, end = moment - index * period, moment - (index - 1) * period
        # A point may be stamped a moment ahead of this clock.
        inside = [p for p in points if begin < p["Timestamp"] <= (end if index > 1 else end + period)]
        stats = cloudwatch.calc_stats(inside)
        datapoints.append(cloudwatch.stat_value(stats, statistic, inside) if inside and stats else None)
    present = [value for value in datapoints if value is not None]
    words, breaches = _COMPARISONS.get(alarm.get("ComparisonOperator", ""), _COMPARISONS["GreaterThanThreshold"])
    threshold = float(alarm.get("Threshold", 0))
    missing = len(datapoints) - len(present)
    treatment = alarm.get("TreatMissingData", "missing")
    if not present and treatment in ("missing", "ignore"):
        # The evaluation runs on writes only, so a metric that was never written has no state to move to.
        return
    breaching = sum(breaches(value, threshold) for value in present) + missing * (treatment == "breaching")
    needed = int(alarm.get("DatapointsToAlarm") or count)
    if missing and treatment == "missing":
        needed = min(needed, len(present))
    new = "ALARM" if breaching >= needed else "OK"
    old = alarm["StateValue"]
    if old == new:
        return
    verb = "was" if len(present) == 1 else "were"
    relation = words if new == "ALARM" else f"not {words}"
    alarm["StateReason"] = (
        f"Threshold Crossed: {len(present)} out of the last {count} datapoints {present} {verb} {relation} the "
        f"threshold ({threshold}) (minimum {needed} datapoint{'s' * (needed > 1)} for {old} -> {new} transition)."
    )
    alarm["StateReasonData"] = json.dumps(
        {
            "version": "1.0",
            "queryDate": _stamp(moment),
            "startDate": _stamp(moment - count * period),
            "statistic": statistic,
            "period": period,
            "recentDatapoints": present,
            "threshold": threshold,
        }
    )
    alarm["StateValue"] = new
    alarm["StateUpdatedTimestamp"] = int(moment)
    cloudwatch.record_history(alarm["AlarmName"], old, new, alarm["StateReason"])
    cloudwatch.dispatch_alarm_actions(alarm, old, new, alarm["StateReason"])
    cloudwatch.evaluate_parent_alarms(alarm)
