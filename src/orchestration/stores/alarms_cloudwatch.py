"""CloudWatch alarms as events, for the sweep and for judging a promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.bake import AlarmWatch
from orchestration.domain.contracts import ALARM_STATE_CHANGE
from orchestration.domain.json_values import json_object, mapping
from orchestration.domain.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.literals import AlarmTypeType

    from orchestration.domain.listing import Stretch

BOTH_TYPES: Final[Sequence[AlarmTypeType]] = ("MetricAlarm", "CompositeAlarm")
"""Without them CloudWatch answers for metric alarms only."""


NAMES_A_CALL: Final = 100
"""Names that DescribeAlarms takes, and alarms that it gives."""


class Alarms:
    """Reads alarms; changes none."""

    def __init__(self, client: CloudWatchClient) -> None:
        self._client = client

    def turned_red(self, prefix: str, stretch: Stretch) -> Listing[tuple[str, datetime]]:
        """Alarms whose name starts with ``prefix`` and that went to ALARM in a stretch of time, each change with its time.

        By their history, which has an end in time: a list of what is red holds what has been red for months.
        """
        found: list[tuple[str, datetime]] = []
        pages = self._client.get_paginator("describe_alarm_history").paginate(
            AlarmTypes=list(BOTH_TYPES),
            HistoryItemType="StateUpdate",
            StartDate=stretch.since.replace(microsecond=0),
            EndDate=stretch.until,
            ScanBy="TimestampAscending",
            PaginationConfig={"PageSize": 100},
        )
        for page in pages:
            items = page.get("AlarmHistoryItems", [])
            found += [
                (item["AlarmName"], item["Timestamp"])
                for item in items
                if item["AlarmName"].startswith(prefix) and new_state(item.get("HistoryData")) == "ALARM"
            ]
            if page.get("NextToken") and not stretch.narrowest:
                times = [item["Timestamp"] for item in items]
                if times and times == sorted(times) and stretch.since < times[-1] < stretch.until:
                    return Listing(tuple(found), until=times[-1])
                return Listing((), complete=False)
        return Listing(tuple(found))

    def in_alarm(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Those of these alarms that are in ALARM, in the shape of the event their change sent; a call for each hundred."""
        for begin in range(0, len(names), NAMES_A_CALL):
            answer = self._client.describe_alarms(
                AlarmNames=list(names[begin : begin + NAMES_A_CALL]),
                StateValue="ALARM",
                AlarmTypes=list(BOTH_TYPES),
                MaxRecords=NAMES_A_CALL,
            )
            for alarm in [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]:
                yield as_event(alarm)

    def watch(self, names: Sequence[str], *, since: datetime) -> list[AlarmWatch]:
        """How these alarms stand now, and when each went to ALARM since ``since``; in the order of ``names``."""
        if not names:
            return []
        states: dict[str, str] = {}
        pages = self._client.get_paginator("describe_alarms").paginate(
            AlarmNames=list(names), AlarmTypes=list(BOTH_TYPES)
        )
        for page in pages:
            states |= {alarm["AlarmName"]: alarm["StateValue"] for alarm in page.get("MetricAlarms", [])}
            states |= {alarm["AlarmName"]: alarm["StateValue"] for alarm in page.get("CompositeAlarms", [])}
        return [
            AlarmWatch(
                name=name,
                state=states.get(name),
                fired_at=tuple(self._fired(name, since)) if name in states else (),
            )
            for name in names
        ]

    def _fired(self, name: str, since: datetime) -> Iterator[datetime]:
        # The whole second: an item may be stamped to the second, and would else lie before what came before it.
        pages = self._client.get_paginator("describe_alarm_history").paginate(
            AlarmName=name,
            AlarmTypes=list(BOTH_TYPES),
            HistoryItemType="StateUpdate",
            StartDate=since.replace(microsecond=0),
        )
        for page in pages:
            for item in page.get("AlarmHistoryItems", []):
                if new_state(item.get("HistoryData")) == "ALARM":
                    yield item["Timestamp"]


def new_state(history_data: str | None) -> str | None:
    """The state an alarm changed to, from the JSON text of a history item; None when it says nothing. Pure."""
    said = mapping(json_object(history_data or "", nan=True))
    state = mapping(said.get("newState")).get("stateValue")
    return state if isinstance(state, str) else None


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
