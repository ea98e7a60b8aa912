# ruff: noqa: N803 - the names of boto3's arguments
"""In-memory stand-ins for what lies outside the process; each answers and refuses as the real one does.

A ``World`` is one stack. Every call that leaves the process passes an ``Outside``, which can let the process die before
any of them, or a rival come first.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, urlencode

from ops.record_schemas import schema_finding
from orchestration.domain.bake import AlarmWatch
from orchestration.domain.caller_proof import HEADER, binding
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import GENESIS, RecordKind, record_hash
from orchestration.domain.contracts import Decision, DueKind
from orchestration.domain.decision import decided_again
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.due import DueItem
from orchestration.domain.json_values import DOCUMENT_BYTES_LIMIT
from orchestration.domain.listing import Listing, Stretch
from orchestration.domain.monitor_run import ListedRun, PipelineCheck, RunListing
from orchestration.domain.records import sha256
from orchestration.ports import HandPorts
from orchestration.settings import ApprovalAccess, Settings
from orchestration.stores.alarms_cloudwatch import Alarms
from orchestration.stores.bucket_s3 import AutomationBucket
from orchestration.stores.callers_sts import Callers
from orchestration.stores.channels_sns import Channels
from orchestration.stores.dead_letters_sqs import DeadLetters
from orchestration.stores.executions_stepfunctions import Executions
from orchestration.stores.history_table import HistoryTable
from orchestration.stores.sagemaker_changes import SageMakerChanges
from orchestration.stores.sagemaker_reading import SageMaker
from tests.unit.fake_services import PAGE, FakeQueue, FakeSageMaker, FakeStepFunctions, client_error
from tests.unit.memory_dynamodb import AskedAgain, Enter, MemoryDynamoDB

if TYPE_CHECKING:
    from orchestration.domain.kept_request import KeptRequest
    from orchestration.domain.notification import Message
    from orchestration.domain.silence import Silence

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
    policy_floor=False,
    run_budget=4,
    max_concurrent_trainings=1,
    keep_champions=3,
    runbook_url="https://example.com/runbook",
    evidence_lock_days=0,
    approval_access=ApprovalAccess.IAM,
    approval_url="https://review.example.com/",
    slack_approvals=False,
    voter_roles=(),
    reviewer_principals=(),
    default_model_tags="OPTIONAL",
    model_data_prefixes=("s3://amzn-s3-demo-bucket/",),
    image_prefixes=("image",),
    dead_letter_queue_url="https://sqs.us-east-1.amazonaws.com/111122223333/dead",
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
        self._scheduler: Enter | None = None

    def die_before(self, call: int) -> None:
        """Let the process die before this call, counted from 1; the calls before it had their effect."""
        self.calls, self._dies_before = [], call

    def meanwhile(self, name: str, rival: Callable[[], object]) -> None:
        """Let a rival do its work just before the next call of this name."""
        self._rivals[name] = rival

    def follow(self, scheduler: Enter) -> None:
        """Ask a scheduler before each call."""
        self._scheduler = scheduler

    def live(self) -> None:
        """Let everything pass."""
        self.calls, self._dies_before, self._rivals = [], None, {}

    def enter(self, name: str) -> BaseException | None:
        """Count a call that is about to be made; gives what the caller gets for an answer, if that is to be lost."""
        self.calls.append(name)
        if self._dies_before == len(self.calls):
            raise ProcessDiedError(name)
        if (rival := self._rivals.pop(name, None)) is not None:
            rival()
        return self._scheduler(name) if self._scheduler is not None else None


def _answer(lost: BaseException | None) -> None:
    """Lose an answer after the effect. What the SDK asks again by itself, these services do twice or take as done."""
    if lost is not None and not isinstance(lost, AskedAgain):
        raise lost


class FakeReader:
    """What adapters may look up, from dictionaries."""

    def __init__(
        self,
        *,
        jobs: dict[str, dict[str, Any]] | None = None,
        documents: dict[str, bytes | Unreadable] | None = None,
        models: dict[str, str] | None = None,
        pending: dict[str, dict[str, Any]] | None = None,
        requests: Sequence[KeptRequest] = (),
    ) -> None:
        self.jobs = jobs or {}
        self.documents = documents or {}
        self.models = models or {}
        self.pending = pending or {}
        self.requests = {kept.request_id: kept for kept in requests}
        self.schedules: dict[str, str] = {}
        self.checks: dict[str, PipelineCheck] = {}
        self.by_hand: set[str] = set()
        self.silences: dict[str, Silence] = {}
        self.refused: str | None = None

    def monitor_run(self, schedule: str, endpoint: str | None, job_arn: str) -> RunListing:
        """Every job that says so is its schedule's, but those that somebody started by hand."""
        assert schedule
        assert endpoint != ""
        assert job_arn
        if self.refused is not None:
            return RunListing(refused=self.refused)
        ran = any(job.get("ProcessingJobArn") == job_arn for name, job in self.jobs.items() if name not in self.by_hand)
        return RunListing(ListedRun(job_arn, schedule, endpoint) if ran else None)

    def describe_processing_job(self, name: str) -> dict[str, Any] | None:
        return self.jobs.get(name)

    def read_document(self, uri: str) -> Document:
        found = self.documents.get(uri, Unreadable.MISSING)
        if isinstance(found, Unreadable):
            return Document(uri, unreadable=found)
        return Document(uri, body=found, version="v1")

    def model_of_endpoint(self, endpoint: str) -> str | None:
        return self.models.get(endpoint)

    def model_of_schedule(self, schedule: str) -> str | None:
        return self.schedules.get(schedule)

    def pipeline_check(self, job_arn: str) -> PipelineCheck | None:
        return self.checks.get(job_arn)

    def pending_signal(self, model: str) -> dict[str, Any] | None:
        return self.pending.get(model)

    def kept_request(self, request_id: str) -> KeptRequest | None:
        return self.requests.get(request_id)

    def silence(self, model: str) -> Silence | None:
        return self.silences.get(model)


class FakeChannels(Channels):
    """Keeps what people and programs were told."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.messages: list[Message] = []
        self.events: list[dict[str, Any]] = []
        self.sweeps_requested = 0

    def tell(self, message: Message) -> None:
        lost = self._outside.enter("Publish")
        self.messages.append(message)
        _answer(lost)

    def emit(self, detail: dict[str, Any], *, resources: list[str]) -> None:
        del resources
        lost = self._outside.enter("PutEvents")
        self.events.append(detail)
        _answer(lost)

    def request_sweep(self, ahead_seconds: int = 0) -> None:
        del ahead_seconds
        lost = self._outside.enter("PutEvents")
        self.sweeps_requested += 1
        _answer(lost)


class FakeCallers(Callers):
    """STS: knows who signed a proof, and refuses one that was signed for another request."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def arn_of(self, proof: str, bound_to: str) -> str | None:
        _answer(self._outside.enter("GetCallerIdentity"))
        query = dict(parse_qsl(proof, keep_blank_values=True))
        by = query["X-Amz-Credential"]
        return by if query["X-Amz-Signature"] == sha256(f"{by} signs {bound_to}") else None


def person(name: str, machine: str = MACHINE) -> str:
    """ARN of the IAM user of a name, in the account of a stack's state machine; an ARN stays as it is."""
    return name if name.startswith("arn:") else f"arn:aws:iam::{machine.split(':')[4]}:user/{name}"


def proven(request: dict[str, Any], by: str, at: datetime, machine: str = MACHINE) -> dict[str, Any]:
    """A request with the proof that ``by``, a user's name or an ARN, makes it of the stack of a state machine."""
    proof = {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": person(by, machine),
        "X-Amz-Date": f"{at:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": f"host;{HEADER}",
        "X-Amz-Signature": sha256(f"{person(by, machine)} signs {binding(request, machine)}"),
    }
    return {**request, "proof": urlencode(proof)}


class FakeAlarms(Alarms):
    """Alarms as a test sets them: those in ALARM as events, each with one change, and those of policies by their state."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.alarms: list[dict[str, Any]] = []
        self.states: dict[str, str] = {}
        self.fired: dict[str, tuple[datetime, ...]] = {}

    def turned_red(self, prefix: str, stretch: Stretch) -> Listing[tuple[str, datetime]]:
        self._outside.enter("DescribeAlarmHistory")
        changes = [
            (alarm["detail"]["alarmName"], datetime.fromisoformat(alarm["detail"]["state"]["timestamp"]))
            for alarm in self.alarms
        ]
        shown = [change for change in changes if stretch.since.replace(microsecond=0) <= change[1] <= stretch.until]
        if len(shown) > PAGE and not stretch.narrowest:
            return Listing((), complete=False)
        return Listing(tuple(change for change in shown if change[0].startswith(prefix)))

    def in_alarm(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        for begin in range(0, len(names), PAGE):
            self._outside.enter("DescribeAlarms")
            asked = names[begin : begin + PAGE]
            yield from (alarm for alarm in self.alarms if alarm["detail"]["alarmName"] in asked)

    def watch(self, names: Sequence[str], *, since: datetime) -> list[AlarmWatch]:
        self._outside.enter("DescribeAlarms")
        return [
            AlarmWatch(name, self.states.get(name), tuple(at for at in self.fired.get(name, ()) if at >= since))
            for name in names
        ]


class UnpublishedRecordError(BaseException):
    """A record is not what its published schema says. No handler of ours may catch it, so it is no Exception."""


def refuse_unpublished(value: Any) -> None:
    """Refuse a record that breaks the schema of its kind, whichever story it is of."""
    ours = isinstance(value, dict) and ("chain" in value or value.get("kind") == "report")
    if ours and (finding := schema_finding(value)) is not None:
        raise UnpublishedRecordError(finding, value)


class FakeUploads:
    """S3's client as far as copying by multipart upload goes; ``refusals`` are codes with which S3 refuses a source, by its URI."""

    def __init__(self, bucket: MemoryBucket, outside: Outside) -> None:
        self._bucket, self._outside = bucket, outside
        self.begun: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.copied: list[tuple[str, int, str | None]] = []
        self.refusals: dict[str, str] = {}

    def list_multipart_uploads(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:
        assert Bucket == self._bucket.name
        _answer(self._outside.enter("ListMultipartUploads"))
        found = [{"Key": key, "UploadId": name} for name, (key, _) in self.begun.items() if key.startswith(Prefix)]
        return {"Uploads": found} if found else {}

    def create_multipart_upload(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        assert Bucket == self._bucket.name
        lost = self._outside.enter("CreateMultipartUpload")
        name = f"upload-{len(self.begun) + 1}"
        self.begun[name] = (Key, {})
        _answer(lost)
        return {"UploadId": name}

    def get_paginator(self, name: str) -> FakeUploads:
        assert name == "list_parts"
        return self

    def paginate(self, *, Bucket: str, Key: str, UploadId: str) -> Iterator[dict[str, Any]]:
        assert Bucket == self._bucket.name
        _answer(self._outside.enter("ListParts"))
        yield {"Parts": [{"PartNumber": n, "ETag": sha256(body)} for n, body in self._parts(Key, UploadId).items()]}

    def upload_part_copy(self, **asked: Any) -> dict[str, Any]:
        lost = self._outside.enter("UploadPartCopy")
        parts = self._parts(asked["Key"], asked["UploadId"])
        uri = "s3://{Bucket}/{Key}".format(**asked["CopySource"])
        if uri in self.refusals:
            raise client_error(self.refusals[uri], "no")
        body = self._bucket.objects.get(uri)
        if body is None:
            raise client_error("NoSuchKey", "no")
        if asked["CopySourceIfMatch"] != f'"{sha256(body)[:32]}"':
            raise client_error("PreconditionFailed", "no")
        span = asked.get("CopySourceRange")
        if span is not None:
            first, last = map(int, span.removeprefix("bytes=").split("-"))
            assert last < len(body)
            body = body[first : last + 1]
        self.copied.append((uri, asked["PartNumber"], span))
        parts[asked["PartNumber"]] = body
        _answer(lost)
        return {"CopyPartResult": {"ETag": sha256(body)}}

    def complete_multipart_upload(self, **asked: Any) -> dict[str, Any]:
        assert asked["IfNoneMatch"] == "*"
        lost = self._outside.enter("CompleteMultipartUpload")
        parts = self._parts(asked["Key"], asked["UploadId"])
        if self._bucket.uri(asked["Key"]) in self._bucket.objects:
            raise client_error("PreconditionFailed", "no")
        listed = asked["MultipartUpload"]["Parts"]
        assert [part["PartNumber"] for part in listed] == sorted(part["PartNumber"] for part in listed)
        if any(sha256(parts.get(part["PartNumber"], b"")) != part["ETag"] for part in listed):
            raise client_error("InvalidPart", "no")
        self._bucket.put(self._bucket.uri(asked["Key"]), b"".join(parts[part["PartNumber"]] for part in listed))
        del self.begun[asked["UploadId"]]
        _answer(lost)
        return {}

    def _parts(self, key: str, name: str) -> dict[int, bytes]:
        if self.begun.get(name, ("", {}))[0] != key:
            raise client_error("NoSuchUpload", "no")
        return self.begun[name][1]


class MemoryBucket(AutomationBucket):
    """Objects in a dict, by URI. ``forbidden`` holds URIs that may not be read."""

    def __init__(self, outside: Outside, name: str) -> None:
        self.name = name
        self._outside = outside
        self.objects: dict[str, bytes] = {}
        self.writes: Counter[str] = Counter()
        self.forbidden: set[str] = set()
        self.uploads = FakeUploads(self, outside)
        self._client = cast("Any", self.uploads)

    def put(self, uri: str, body: bytes) -> None:
        """Write an object, whatever was there."""
        self.objects[uri] = body
        self.writes[uri] += 1

    def write_once(self, key: str, value: Any, content_type: str = "application/json") -> bool:
        lost = self._outside.enter("PutObject")
        body = value if isinstance(value, bytes) else canonical(value).encode()
        if content_type == "application/json":
            refuse_unpublished(json.loads(body))
        fresh = self.uri(key) not in self.objects
        if fresh:
            self.put(self.uri(key), body)
        _answer(lost)
        return fresh and lost is None

    def read(self, uri: str, *, at_most: int = DOCUMENT_BYTES_LIMIT) -> Document:
        self._outside.enter("GetObject")
        if uri in self.forbidden:
            return Document(uri, unreadable=Unreadable.ACCESS_DENIED)
        if uri not in self.objects:
            return Document(uri, unreadable=Unreadable.MISSING)
        body, version = self.objects[uri], f"v{self.writes[uri]}"
        if len(body) > at_most:
            return Document(uri, version=version, unreadable=Unreadable.TOO_LARGE)
        return Document(uri, body, version)

    def version(self, uri: str) -> str | None:
        self._outside.enter("ListObjectsV2")
        if uri in self.forbidden or uri not in self.objects:
            return None
        return f"{sha256(self.objects[uri])[:32]}/{len(self.objects[uri])}"


class Clock:
    """The time, as the test sets it."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **delta: float) -> None:
        """Let time pass."""
        self.time += timedelta(**delta)


class World:
    """One stack in memory: its ports, and what a test asks of it. Keyword arguments are settings.

    ``sagemaker`` and ``executions`` are the services; the ports hold the real adapters before them.
    """

    def __init__(self, **changes: Any) -> None:
        self.outside, self.clock = Outside(), Clock()
        self.settings = replace(SETTINGS, **changes)
        self.database = MemoryDynamoDB(self.outside.enter)
        self.table = HistoryTable(cast("Any", self.database), self.settings.history_table)
        self.bucket = MemoryBucket(self.outside, self.settings.automation_bucket)
        self.sagemaker = FakeSageMaker(self.outside.enter)
        self.executions = FakeStepFunctions(self.outside.enter)
        self.channels = FakeChannels(self.outside)
        self.alarms = FakeAlarms(self.outside)
        self.queue = FakeQueue(self.outside.enter)
        nonces = itertools.count()
        self.ports = HandPorts(
            settings=self.settings,
            table=self.table,
            bucket=self.bucket,
            sagemaker=SageMaker(cast("Any", self.sagemaker)),
            changes=SageMakerChanges(cast("Any", self.sagemaker)),
            channels=self.channels,
            executions=Executions(cast("Any", self.executions)),
            alarms=self.alarms,
            now=self.clock,
            pause=lambda _: None,
            nonce=lambda: f"nonce-{next(nonces)}".ljust(43, "A"),
            callers=FakeCallers(self.outside),
            letters=DeadLetters(cast("Any", self.queue), self.settings.dead_letter_queue_url),
        )

    def put(self, key: str, body: Any) -> None:
        """Write an object into the stack's bucket."""
        self.bucket.put(self.bucket.uri(key), body if isinstance(body, bytes) else json.dumps(body).encode())

    def remove(self, key: str) -> None:
        """Delete an object of the stack's bucket."""
        del self.bucket.objects[self.bucket.uri(key)]

    def keys(self, prefix: str = "") -> list[str]:
        """Keys in the bucket."""
        start = self.bucket.uri("")
        keys = [uri.removeprefix(start) for uri in self.bucket.objects if uri.startswith(start)]
        return sorted(key for key in keys if key.startswith(prefix))

    def versions(self, prefix: str) -> int:
        """How often something was written under a prefix."""
        return sum(self.bucket.writes[self.bucket.uri(key)] for key in self.keys(prefix))

    def read(self, key: str) -> Any:
        """One JSON object of the bucket."""
        return json.loads(self.bucket.objects[self.bucket.uri(key)])

    def due(self, *kinds: DueKind) -> list[DueItem]:
        """What is due, of these kinds."""
        return [item for item in self.table.due_items() if item.kind in kinds]

    def statuses(self, run_id: str) -> list[str]:
        """The statuses of a run in order."""
        return [row["status"] for row in self.table.statuses(run_id)]

    def told(self, status: str) -> list[Message]:
        """Messages of this status."""
        return [message for message in self.channels.messages if message.status == status]

    def chain(self, model: str) -> list[dict[str, Any]]:
        """The model's decision records in order, after checking that no record of its chain is missing or edited."""
        head = self.table.chain_head(model)
        previous, decisions = GENESIS, []
        for number in range(1, head.sequence + 1):
            link = self.table.link(model, number)
            assert link is not None
            record = json.loads(link.record)
            place = record["chain"]
            assert (place["name"], place["sequence"], place["previous_hash"]) == (model, number, previous)
            assert record_hash(record) == place["hash"] == link.hash
            assert self.bucket.read(self.bucket.uri(link.key)).body == link.record.encode()
            previous = link.hash
            if link.kind is RecordKind.DECISION:
                assert_decided_alike(record)
                decisions.append(record)
        assert head.hash == previous
        assert len(decisions) == len(self.keys(f"decisions/{model}/"))
        return decisions


def assert_decided_alike(record: dict[str, Any]) -> None:
    """The record alone gives the decision it holds; one of an event nobody understood holds no inputs."""
    if record["inputs"] is None:
        assert record["decision"] == Decision.REJECT
        return
    verdict = decided_again(record).as_record()
    assert canonical(verdict) == canonical({name: record[name] for name in verdict})


def asking(run_id: str = "run-1", **more: Any) -> dict[str, Any]:
    """Make a request of the workflow of a run."""
    return {"execution": {"id": execution_arn(run_id), "name": run_id}, **more}


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
