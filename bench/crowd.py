"""An account that holds much: what the functions ask of it is counted where botocore makes the call.

S3, SNS and EventBridge are moto's, in this process. The table is the one of the unit tests, which is as fast with a hundred
thousand items, in pages of 1 MB as DynamoDB's. What moto has not is answered here: SageMaker describes endpoints, and lists
monitor runs and changes of alarms by time, in pages of 100, as the services do.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import boto3
from botocore import xform_name
from botocore.client import BaseClient
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from orchestration import handler
from orchestration.composition import compose
from orchestration.domain.contracts import MODEL_TAG
from orchestration.domain.listing import Heard
from orchestration.domain.ownership import SHARED
from tests.contract.template import Template
from tests.unit.memory_dynamodb import MemoryDynamoDB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.ports import Ports

EVERY_CALL: Final = "_make_api_call"
"""The method of botocore's clients that every call of every client passes; moto's documentation has it replaced too."""

REGION: Final = "us-east-1"
PAGE: Final = 100
TABLE_PAGE_BYTES: Final = 1_000_000
"""A Query reads 1 MB at most: DynamoDB Developer Guide, Query operations."""

ANSWERED_HERE: Final = {"sagemaker", "cloudwatch", "stepfunctions"}
OVER: Final = timedelta(minutes=5)
"""Over which what others have is spread."""

SERVES: Final = "-prod"
"""What follows a model's name in that of its endpoint."""

NAMED: Final = "crowd-00000"
"""The model that is decided; the others are copies of what the table holds of it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something asked AWS for: calls by action, kilobytes read from the table, seconds."""

    calls: Counter[str]
    kilobytes: float
    seconds: float

    @property
    def total(self) -> int:
        """All calls."""
        return self.calls.total()


@dataclass
class Crowd:
    """One stack, and what else there is in its account."""

    ports: Ports
    now: datetime
    runs: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    table: MemoryDynamoDB = field(default_factory=MemoryDynamoDB)
    _calls: list[str] = field(default_factory=list)
    _read: int = 0

    # What there is.

    def fill(self, models: int) -> None:
        """Have the table hold of so many models what it holds of the one that was decided."""
        kept = json.dumps([item for item in self.table.items.values() if NAMED in json.dumps(item)])
        for number in range(1, models):
            for item in json.loads(kept.replace(NAMED, f"crowd-{number:05}")):
                self.table.items[item["pk"]["S"], item["sk"]["S"]] = item

    def foreign(self, count: int, ended: timedelta) -> None:
        """Add monitor runs that are nobody's here and ended in the minutes up to so long ago, and alarms that turned red with them."""
        for number in range(count):
            at = self.now - ended - number * OVER / count
            name = f"foreign-{uuid.uuid4().hex}"
            arn = f"arn:aws:sagemaker:{REGION}:{DEFAULT_ACCOUNT_ID}:processing-job/{name}"
            self.runs.append(
                {
                    "MonitoringScheduleName": f"foreign-{number % 50}",
                    "ScheduledTime": at,
                    "CreationTime": at,
                    "LastModifiedTime": at,
                    "MonitoringExecutionStatus": "CompletedWithViolations",
                    "ProcessingJobArn": arn,
                    "EndpointName": f"foreign-{number % 50}",
                }
            )
            self.alarms.append(
                {
                    "AlarmName": name,
                    "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{DEFAULT_ACCOUNT_ID}:alarm:{name}",
                    "StateValue": "ALARM",
                    "StateUpdatedTimestamp": at,
                    "StateTransitionedTimestamp": at,
                }
            )

    def hear(self) -> None:
        """Have what others ran and what turned red been heard of, as their events would have it."""
        for run in self.runs:
            heard = Heard.job(run["ProcessingJobArn"].rpartition("/")[2])
            self.write(self.ports.table.heard_write(heard, at=self.now))
        for alarm in self.alarms:
            heard = Heard.alarm(alarm["AlarmName"], alarm["StateUpdatedTimestamp"].isoformat())
            self.write(self.ports.table.heard_write(heard, at=self.now))

    def put(self, key: str, body: Any) -> None:
        """Write an object into the stack's bucket."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        boto3.client("s3").put_object(Bucket=self.ports.settings.automation_bucket, Key=key, Body=raw)

    def version(self, key: str) -> str:
        """Version of an object of the stack's bucket."""
        found = boto3.client("s3").head_object(Bucket=self.ports.settings.automation_bucket, Key=key)
        return str(found["VersionId"])

    def write(self, write: dict[str, Any]) -> None:
        """Make one write of a transaction."""
        self.table.transact_write_items(TransactItems=[write])

    def largest_item(self, partition: str) -> float:
        """Kilobytes of the largest item of a partition."""
        items = (item for (pk, _), item in self.table.items.items() if pk == partition)
        return max((len(json.dumps(item)) for item in items), default=0) / 1000

    # What is asked.

    def cost(self, event: dict[str, Any]) -> Cost:
        """Have the function do something."""
        return self.cost_of(lambda: handler.run_action(event, self.ports))

    def cost_of(self, action: Any) -> Cost:
        """Have something done."""
        self._calls, self._read = [], 0
        began = time.perf_counter()
        action()
        return Cost(Counter(self._calls), self._read / 1000, time.perf_counter() - began)

    def answer(self, client: Any, operation: str, parameters: dict[str, Any], otherwise: Any) -> Any:
        """Count a call and have it answered."""
        service = client.meta.service_model.service_name
        self._calls.append(operation)
        if service in ANSWERED_HERE:
            return self._answered(operation, parameters)
        if service == "dynamodb":
            found = self._from_table(operation, parameters)
            self._read += len(json.dumps(found))
            return found
        return otherwise(client, operation, parameters)

    def _from_table(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        after = asked.pop("ExclusiveStartKey", None)
        asked.pop("ClientRequestToken", None)
        found: dict[str, Any] = getattr(self.table, xform_name(operation))(**asked)
        if operation != "Query":
            return found
        items = found["Items"]
        if after is not None:
            items = [item for item in items if item["sk"]["S"] > after["sk"]["S"]]
        size = 0
        for number, item in enumerate(items):
            size += len(json.dumps(item))
            if size > TABLE_PAGE_BYTES:
                return {**found, "Items": items[:number], "LastEvaluatedKey": {key: item[key] for key in ("pk", "sk")}}
        return {**found, "Items": items}

    def _answered(self, operation: str, asked: dict[str, Any]) -> Any:
        if operation == "ListMonitoringExecutions":
            newest = asked.get("SortOrder", "Descending") == "Descending"
            ended = [
                run
                for run in sorted(self.runs, key=lambda run: run["LastModifiedTime"], reverse=newest)
                if asked.get("LastModifiedTimeAfter", run["LastModifiedTime"]) <= run["LastModifiedTime"]
                and asked.get("LastModifiedTimeBefore", run["LastModifiedTime"]) >= run["LastModifiedTime"]
                and asked.get("StatusEquals", run["MonitoringExecutionStatus"]) == run["MonitoringExecutionStatus"]
            ]
            return _page("MonitoringExecutionSummaries", ended, asked, "MaxResults")
        if operation == "DescribeAlarmHistory":
            changes = [
                {
                    "AlarmName": alarm["AlarmName"],
                    "Timestamp": alarm["StateUpdatedTimestamp"],
                    "HistoryData": TURNED_RED,
                }
                for alarm in self.alarms
                if asked["StartDate"] <= alarm["StateUpdatedTimestamp"] <= asked["EndDate"]
            ]
            return _page("AlarmHistoryItems", changes, asked, "MaxRecords")
        if operation == "DescribeAlarms":
            red = [alarm for alarm in self.alarms if alarm["AlarmName"] in asked["AlarmNames"]]
            return _page("MetricAlarms", red, asked, "MaxRecords")
        if operation == "DescribeEndpoint":
            return _endpoint(asked["EndpointName"])
        if operation == "ListTags":
            return {"Tags": [{"Key": MODEL_TAG, "Value": asked["ResourceArn"].rpartition("/")[2].removesuffix(SERVES)}]}
        return ANSWERS[operation]


TURNED_RED: Final = json.dumps({"oldState": {"stateValue": "OK"}, "newState": {"stateValue": "ALARM"}})

ANSWERS: Final[dict[str, Any]] = {
    "DescribeEndpointConfig": {
        "EndpointConfigName": "first",
        "EndpointConfigArn": f"arn:aws:sagemaker:{REGION}:{DEFAULT_ACCOUNT_ID}:endpoint-config/first",
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": "first",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
    },
    "DescribeModel": {
        "ModelName": "first",
        "ModelArn": f"arn:aws:sagemaker:{REGION}:{DEFAULT_ACCOUNT_ID}:model/first",
        "PrimaryContainer": {"Image": "image", "ModelDataUrl": "s3://team-data/models/champion.tar.gz"},
    },
    "ListTagsForResource": {"tags": [{"key": MODEL_TAG, "value": SHARED}]},
    "DescribeExecution": {"status": "RUNNING"},
    "SendTaskSuccess": {},
    "StartExecution": {"executionArn": "arn:aws:states:us-east-1:123456789012:execution:loop-retraining:one"},
}
"""What the services say, whatever they are asked about."""


def _endpoint(name: str) -> dict[str, Any]:
    return {
        "EndpointName": name,
        "EndpointArn": f"arn:aws:sagemaker:{REGION}:{DEFAULT_ACCOUNT_ID}:endpoint/{name}",
        "EndpointConfigName": "first",
        "EndpointStatus": "InService",
        "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}],
    }


def _page(name: str, found: list[dict[str, Any]], asked: dict[str, Any], size: str) -> dict[str, Any]:
    begin = int(asked.get("NextToken", 0))
    end = begin + min(PAGE, asked.get(size, PAGE))
    return {name: found[begin:end], **({"NextToken": str(end)} if end < len(found) else {})}


@contextmanager
def crowd() -> Iterator[Crowd]:
    """A stack with the template's own environment, in which nothing has been decided yet."""
    properties = Template.read().resolve().resources["OrchestrationFunction"]["Properties"]
    environment = {name: str(value) for name, value in properties["Environment"]["Variables"].items()}
    otherwise = getattr(BaseClient, EVERY_CALL)
    with (
        patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}),
        mock_aws(),
    ):
        _make(environment)
        ports = compose(environment)
        made = Crowd(ports, datetime.now(UTC))
        began = time.monotonic()
        # A clock that goes on while something is done: one that stands still hides what two looks at it cost.
        made.ports = replace(
            ports, now=lambda: made.now + timedelta(seconds=time.monotonic() - began), pause=lambda _: None
        )

        def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            return made.answer(client, operation, parameters, otherwise)

        with patch.object(BaseClient, EVERY_CALL, call):
            yield made


def _make(environment: dict[str, str]) -> None:
    """Create what the template creates, as far as these calls meet it."""
    s3 = boto3.client("s3")
    for bucket in (environment["AUTOMATION_BUCKET"], environment["DECISION_BUCKET"]):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    sns = boto3.client("sns")
    for name in ("OPERATIONS_TOPIC_ARN", "ESCALATION_TOPIC_ARN"):
        sns.create_topic(Name=environment[name].rsplit(":", 1)[-1])
