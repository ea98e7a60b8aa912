"""CloudWatch alarms as events, for the sweep and for judging a promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.contracts import ALARM_STATE_CHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_cloudwatch import CloudWatchClient


class Alarms:
    """Reads alarms; changes none."""

    def __init__(self, client: CloudWatchClient) -> None:
        self._client = client

    def in_alarm(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Alarms in ALARM whose name starts with ``prefix``, in the shape of the event their change sent."""
        pages = self._client.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=prefix, StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        for page in pages:
            for alarm in [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]:
                yield as_event(alarm)


def as_event(alarm: Any) -> dict[str, Any]:
    """A ``CloudWatch Alarm State Change`` event from a description of DescribeAlarms. Pure."""
    changed = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
    metrics: list[dict[str, Any]] = []
    if alarm.get("MetricName"):
        metrics = [
            {
                "metricStat": {
                    "metric": {
                        "namespace": alarm.get("Namespace"),
                        "name": alarm["MetricName"],
                        "dimensions": {entry["Name"]: entry["Value"] for entry in alarm.get("Dimensions", [])},
                    }
                },
                "returnData": True,
            }
        ]
    for entry in alarm.get("Metrics", []):
        metric = entry.get("MetricStat", {}).get("Metric", {})
        shaped: dict[str, Any] = {"id": entry.get("Id"), "returnData": entry.get("ReturnData", True)}
        if metric:
            dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions", [])}
            shaped["metricStat"] = {
                "metric": {
                    "namespace": metric.get("Namespace"),
                    "name": metric.get("MetricName"),
                    "dimensions": dimensions,
                }
            }
        if entry.get("Expression"):
            shaped |= {"expression": entry["Expression"], "label": entry.get("Label")}
        metrics.append(shaped)
    configuration: dict[str, Any] = {"description": alarm.get("AlarmDescription")}
    if metrics:
        configuration["metrics"] = metrics
    return {
        "source": "aws.cloudwatch",
        "detail-type": ALARM_STATE_CHANGE,
        "time": changed.isoformat(),
        "resources": [alarm["AlarmArn"]],
        "detail": {
            "alarmName": alarm["AlarmName"],
            "configuration": configuration,
            "state": {
                "value": alarm["StateValue"],
                "reason": alarm.get("StateReason"),
                "reasonData": alarm.get("StateReasonData"),
                "timestamp": changed.isoformat(),
            },
        },
    }
