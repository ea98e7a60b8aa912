"""CloudWatch alarms as AWS has them, where ministack's differ: events on state changes, and honest evaluation.

ministack emits no ``CloudWatch Alarm State Change`` event, asks no topic whether it takes an alarm's message, forgets the ``Metrics`` of a metric math alarm, and lets
every metric of an alarm's name count whatever its dimensions.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ministack.core.responses import AccountRegionScopedDict, get_account_id
from ministack.services import cloudwatch

from local.iam_calls import Call
from local.iam_policies import lets_in
from local.sagemaker_events import put_event

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


def install() -> None:
    """Replace what differs."""
    record_history = cloudwatch._record_history
    put_metric_alarm = cloudwatch._put_metric_alarm

    def record(
        name: str, old: str, new: str, reason: str, alarm_type: str = "MetricAlarm", reason_data: Any = None
    ) -> None:
        # ministack writes history on every change of state, and only then: the one place that sees them all.
        record_history(name, old, new, reason, alarm_type, reason_data)
        if old != new:
            _emit(name, old, new)

    def put(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        answer = put_metric_alarm(params, data, is_cbor, is_json)
        if (is_cbor or is_json) and data.get("Metrics") and answer[0] == HTTPStatus.OK:
            take_metrics(data["AlarmName"], data["Metrics"])
        return answer

    set_alarm_state = cloudwatch._set_alarm_state

    def set_state(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        # ministack keeps the reason data of the state before when the new state comes without.
        name = data.get("AlarmName") if is_cbor or is_json else cloudwatch._p(params, "AlarmName")
        if (alarm := cloudwatch._alarms.get(name)) is not None:
            alarm.pop("StateReasonData", None)
        return set_alarm_state(params, data, is_cbor, is_json)

    dispatch = cloudwatch._dispatch_alarm_actions

    def dispatch_where_let_in(alarm: Document, old: str, new: str, reason: str) -> None:
        lists = ("AlarmActions", "OKActions", "InsufficientDataActions")
        taken = {name: [arn for arn in alarm.get(name) or [] if _takes(arn, alarm["AlarmArn"])] for name in lists}
        dispatch({**alarm, **taken}, old, new, reason)

    cloudwatch._dispatch_alarm_actions = dispatch_where_let_in
    cloudwatch._record_history = record
    cloudwatch._set_alarm_state = set_state
    cloudwatch._put_metric_alarm = put
    cloudwatch._evaluate_alarm = _evaluate


def _takes(action_arn: str, alarm_arn: str) -> bool:
    """Whether a topic's policy lets CloudWatch publish for an alarm; what is no topic is not asked."""
    # One of the modules that take long to import; a topic to ask means somebody already did.
    from ministack.services import sns  # noqa: PLC0415 - see above

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
    alarm = cloudwatch._alarms[name]
    alarm["Metrics"] = metrics
    for member in ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit"):
        alarm.pop(member, None)


# ---------------------------------------------------------------------- the event


def _stamp(seconds: float) -> str:
    # CloudWatch's own form: milliseconds and +0000, not Z.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _emit(name: str, old: str, new: str) -> None:
    alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
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


def _evaluate(alarm: Document) -> None:
    """Move a metric alarm to the state its metric's recent periods give it.

    Each of the last EvaluationPeriods periods, counted back from now, is one datapoint; DatapointsToAlarm of them
    must breach. Missing ones follow TreatMissingData. Metric math is not evaluated: SetAlarmState moves it.
    """
    namespace, metric = alarm.get("Namespace"), alarm.get("MetricName")
    if not namespace or not metric:
        return
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
    points = cloudwatch._metrics.get((namespace, metric, dimensions)) or []
    period, count = int(alarm.get("Period", 60)), int(alarm.get("EvaluationPeriods", 1))
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    moment = time.time()
    datapoints: list[float | None] = []
    for index in range(count, 0, -1):
        begin, end = moment - index * period, moment - (index - 1) * period
        # A point may be stamped a moment ahead of this clock.
        inside = [p for p in points if begin < p["Timestamp"] <= (end if index > 1 else end + period)]
        stats = cloudwatch._calc_stats(inside)
        datapoints.append(cloudwatch._stat_value(stats, statistic, inside) if inside and stats else None)
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
    cloudwatch._record_history(alarm["AlarmName"], old, new, alarm["StateReason"])
    cloudwatch._dispatch_alarm_actions(alarm, old, new, alarm["StateReason"])
    cloudwatch._evaluate_parent_alarms(alarm)
