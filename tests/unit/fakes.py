"""In-memory stand-ins for what lies outside the process; each answers and refuses as the real one does.

DynamoDB, S3, SNS and EventBridge are moto's; a ``World`` is one table and one bucket in it. Every call that leaves the
process passes an ``Outside``, which can let the process die before any of them, or a rival come first.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.promotion import Champion
from orchestration.domain.records import GENESIS, record_hash
from orchestration.ports import Ports
from orchestration.settings import ApprovalAccess, Settings
from orchestration.stores.alarms_cloudwatch import Alarms
from orchestration.stores.bucket_s3 import AutomationBucket
from orchestration.stores.channels_sns import Channels
from orchestration.stores.executions_stepfunctions import Executions
from orchestration.stores.sagemaker_boto3 import SageMaker
from orchestration.stores.history_table import HistoryTable

if TYPE_CHECKING:
    from orchestration.domain.notification import Message

EVENTS: Final = Path(__file__).parent.parent / "events"
NOON: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MACHINE: Final = "arn:aws:states:us-east-1:111122223333:stateMachine:retraining"
TRAINING: Final = "arn:aws:states:us-east-1:111122223333:stateMachine:churn-training"

SETTINGS: Final = Settings(
    automation_bucket="automation",
    history_table="history",
    operations_topic_arn="arn:aws:sns:us-east-1:111122223333:operations",
    escalation_topic_arn="arn:aws:sns:us-east-1:111122223333:escalation",
    state_machine_arn=MACHINE,
    decision_bucket="amzn-s3-demo-bucket",
    decision_key="decisions/retraining_decision.csv",
    default_model="churn",
    training_pipeline_arn=TRAINING,
    alarm_name_prefix="drift/",
    mode="active",
    approval_mode="by-severity",
    approval_expiry_hours=24,
    cooldown_hours=24.0,
    run_budget=4,
    max_concurrent_trainings=1,
    runbook_url="https://example.com/runbook",
    approval_access=ApprovalAccess.IAM,
    approval_url="https://review.example.com/",
)


def event(name: str) -> Any:
    """Read ``tests/events/<name>.json``."""
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


class ProcessDiedError(BaseException):
    """Lambda killed the process. No handler of ours may catch it, so it is no Exception."""


class Outside:
    """Counts the calls that leave the process, ends the process before one of them, or lets a rival go first."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._dies_before: int | None = None
        self._rivals: dict[str, Callable[[], object]] = {}

    def die_before(self, call: int) -> None:
        """Let the process die before this call, counted from 1; the calls before it had their effect."""
        self.calls, self._dies_before = [], call

    def meanwhile(self, name: str, rival: Callable[[], object]) -> None:
        """Let a rival do its work just before the next call of this name."""
        self._rivals[name] = rival

    def live(self) -> None:
        """Let everything pass."""
        self.calls, self._dies_before, self._rivals = [], None, {}

    def enter(self, name: str) -> None:
        """Count a call that is about to be made."""
        self.calls.append(name)
        if self._dies_before == len(self.calls):
            raise ProcessDiedError(name)
        if (rival := self._rivals.pop(name, None)) is not None:
            rival()

    def watch(self, client: Any) -> Any:
        """Count every request of a boto3 client."""
        client.meta.events.register("before-call", lambda model, **_: self.enter(model.name))
        return client


class FakeReader:
    """What adapters may look up, from dictionaries."""

    def __init__(
        self,
        *,
        jobs: dict[str, dict[str, Any]] | None = None,
        documents: dict[str, bytes | Unreadable] | None = None,
        models: dict[str, str] | None = None,
        pending: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.jobs = jobs or {}
        self.documents = documents or {}
        self.models = models or {}
        self.pending = pending or {}

    def describe_processing_job(self, name: str) -> dict[str, Any] | None:
        return self.jobs.get(name)

    def read_document(self, uri: str) -> Document:
        found = self.documents.get(uri, Unreadable.MISSING)
        if isinstance(found, Unreadable):
            return Document(uri, unreadable=found)
        return Document(uri, body=found, version="v1")

    def model_of_endpoint(self, endpoint: str) -> str | None:
        return self.models.get(endpoint)

    def pending_signal(self, model: str) -> dict[str, Any] | None:
        return self.pending.get(model)


class FakeSageMaker(SageMaker):
    """Descriptions from dictionaries; None for what does not exist, as the real one gives."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.jobs: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}

    def processing_job(self, name: str) -> dict[str, Any] | None:
        self._outside.enter("DescribeProcessingJob")
        return self.jobs.get(name)

    def endpoint(self, name: str) -> dict[str, Any] | None:
        self._outside.enter("DescribeEndpoint")
        return self.endpoints.get(name)

    def pipeline_execution(self, arn: str) -> dict[str, Any] | None:
        return self.pipelines.get(arn)

    def tag(self, arn: str, key: str) -> str | None:
        return self.tags.get(arn, {}).get(key)

    def champion(self, endpoint: str) -> Champion | None:
        self._outside.enter("DescribeEndpoint")
        if endpoint not in self.endpoints:
            return None
        return Champion(
            endpoint=endpoint,
            config_name=f"{endpoint}-7",
            config={"EndpointConfigName": f"{endpoint}-7", "ProductionVariants": [{"ModelName": f"{endpoint}-7"}]},
            model={
                "ModelName": f"{endpoint}-7",
                "PrimaryContainer": {"Image": "image", "ModelDataUrl": "s3://amzn-s3-demo-bucket/model.tar.gz"},
            },
            tags=[],
        )

    def monitor_runs_to_decide(self, *, since: datetime) -> Iterator[tuple[str, datetime]]:
        del since
        return iter(())


class FakeExecutions(Executions):
    """Step Functions: names are used once, tokens are answered once."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.started: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, str] = {}

    def succeed(self, token: str, result: dict[str, Any]) -> bool:
        self._outside.enter("SendTaskSuccess")
        fresh = token not in self.answers
        if fresh:
            self.answers[token] = result
        return fresh

    def fail(self, token: str, error: str, cause: str) -> bool:
        return self.succeed(token, {"error": error, "cause": cause})

    def status(self, execution_arn: str) -> str | None:
        return self.statuses.get(execution_arn)

    def start(self, state_machine_arn: str, name: str, value: dict[str, Any]) -> bool:
        del state_machine_arn
        self._outside.enter("StartExecution")
        fresh = name not in self.started
        if fresh:
            self.started[name] = value
        return fresh

    def stop(self, execution_arn: str, error: str, cause: str) -> None:
        del error, cause
        self.statuses[execution_arn] = "ABORTED"


class FakeChannels(Channels):
    """Keeps what people and programs were told."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.messages: list[Message] = []
        self.events: list[dict[str, Any]] = []

    def tell(self, message: Message) -> None:
        self._outside.enter("Publish")
        self.messages.append(message)

    def emit(self, detail: dict[str, Any], *, resources: list[str]) -> None:
        del resources
        self._outside.enter("PutEvents")
        self.events.append(detail)


class FakeAlarms(Alarms):
    """No alarm is in ALARM."""

    def __init__(self) -> None:
        self.alarms: list[dict[str, Any]] = []

    def in_alarm(self, prefix: str) -> Iterator[dict[str, Any]]:
        return (alarm for alarm in self.alarms if alarm["detail"]["alarmName"].startswith(prefix))


class Clock:
    """The time, as the test sets it."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **delta: float) -> None:
        """Let time pass."""
        self.time += timedelta(**delta)


class Cloud:
    """moto's DynamoDB and S3 with their clients, made once: making clients is what costs time."""

    def __init__(self) -> None:
        self.outside = Outside()
        # One attempt, so that a call is counted once.
        config = Config(region_name="us-east-1", retries={"total_max_attempts": 1})
        session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
        self.dynamodb = self.outside.watch(session.client("dynamodb", config=config))
        self.s3 = self.outside.watch(session.client("s3", config=config))
        self._numbers = itertools.count()
        self._table: str | None = None

    def world(self, **changes: Any) -> World:
        """A new stack's table, bucket and ports instead of the one before; ``changes`` are settings."""
        if self._table is not None:
            # moto copies every table it has at each transaction.
            self.outside.live()
            self.dynamodb.delete_table(TableName=self._table)
        world = World(self, next(self._numbers), changes)
        self._table = world.table_name
        return world


class World:
    """One stack: its ports on moto and fakes, and what a test asks of it."""

    def __init__(self, cloud: Cloud, number: int, changes: dict[str, Any]) -> None:
        self.cloud, self.outside, self.clock = cloud, cloud.outside, Clock()
        self.outside.live()
        self.table_name, self.bucket_name = f"history-{number}", f"automation-{number}"
        cloud.dynamodb.create_table(
            TableName=self.table_name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        cloud.s3.create_bucket(Bucket=self.bucket_name)
        cloud.s3.put_bucket_versioning(Bucket=self.bucket_name, VersioningConfiguration={"Status": "Enabled"})
        self.settings = replace(SETTINGS, automation_bucket=self.bucket_name, history_table=self.table_name, **changes)
        self.table = HistoryTable(cloud.dynamodb, self.table_name)
        self.bucket = AutomationBucket(cloud.s3, self.bucket_name)
        self.sagemaker = FakeSageMaker(self.outside)
        self.channels = FakeChannels(self.outside)
        self.executions = FakeExecutions(self.outside)
        self.alarms = FakeAlarms()
        self.ports = Ports(
            settings=self.settings,
            table=self.table,
            bucket=self.bucket,
            sagemaker=self.sagemaker,
            channels=self.channels,
            executions=self.executions,
            alarms=self.alarms,
            now=self.clock,
            pause=lambda _: None,
            nonce=lambda: uuid.uuid4().hex,
        )
        self.outside.live()

    def put(self, key: str, body: Any) -> None:
        """Write an object into the stack's bucket."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.cloud.s3.put_object(Bucket=self.bucket_name, Key=key, Body=raw)

    def keys(self, prefix: str = "") -> list[str]:
        """Keys in the bucket."""
        answer = self.cloud.s3.list_objects_v2(Bucket=self.bucket_name, Prefix=prefix)
        return [entry["Key"] for entry in answer.get("Contents", [])]

    def versions(self, prefix: str) -> int:
        """How often something was written under a prefix."""
        answer = self.cloud.s3.list_object_versions(Bucket=self.bucket_name, Prefix=prefix)
        return len(answer.get("Versions", []))

    def read(self, key: str) -> Any:
        """One JSON object of the bucket."""
        return json.loads(self.cloud.s3.get_object(Bucket=self.bucket_name, Key=key)["Body"].read())

    def chain(self, model: str) -> list[dict[str, Any]]:
        """The model's decision records in order, after checking that none is missing or edited."""
        records = [self.read(key) for key in self.keys(f"decisions/{model}/")]
        records.sort(key=lambda record: int(record["chain"]["sequence"]))
        previous = GENESIS
        for number, record in enumerate(records, start=1):
            chain = record["chain"]
            assert (chain["sequence"], chain["previous_hash"]) == (number, previous)
            assert record_hash(record) == chain["hash"]
            previous = chain["hash"]
        state = self.table.model(model)
        assert (state.chain_sequence, state.chain_head) == (len(records), previous)
        return records


def request(event_: Any, run_id: str = "run-1") -> dict[str, Any]:
    """Make an admit request as the state machine sends it."""
    return {"action": "admit", "event": event_, "execution": {"id": execution_arn(run_id), "name": run_id}}


def execution_arn(run_id: str) -> str:
    """ARN of an execution of the loop."""
    return f"{MACHINE.replace(':stateMachine:', ':execution:')}:{run_id}"


def drift(model: str = "churn", **detail: Any) -> dict[str, Any]:
    """Make a ``Drift Detected`` event; without other wishes a critical one, which needs nobody's approval."""
    given = {"model": model, "metric": "psi", "observed": 0.9, "threshold": 0.2, **detail}
    return {
        "version": "0",
        "id": detail.get("dedupe_key") or "5d1b7c5e-8d0a-4d3c-8f10-2f5f0a6b2c11",
        "source": "mlops.drift",
        "detail-type": "Drift Detected",
        "time": "2026-03-02T11:59:00Z",
        "detail": given,
    }
