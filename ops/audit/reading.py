"""What an audit reads: the bucket with every version, the table, the executions AWS knows. Decides nothing, changes nothing.

Nothing is held but what is asked for at the moment; what is read ahead is bounded.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError, ParamValidationError

from ops.audit.chains import Seen
from ops.audit.facts import RunFacts
from ops.audit.records import STRANGE
from orchestration.domain.chain import Head
from orchestration.domain.contracts import DueKind
from orchestration.domain.due import partitions
from orchestration.domain.json_values import mapping, s3_uri
from orchestration.domain.records import CHAIN_FOLDERS
from orchestration.domain.stored_run import StoredRun
from orchestration.domain.training_target import nested_execution_arn
from orchestration.domain.verdict import CandidateVerdict, Finish
from orchestration.domain.wait import parse_wait_id
from orchestration.stores.history_table import HistoryTable
from orchestration.stores.table import from_item, to_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future
    from datetime import datetime

    from orchestration.domain.switches import KillSwitch
    from orchestration.stores.models import SeenSignal

RECORD_BYTES: Final = 400 * 1024
"""No record is larger: each stood in an item of the table. Source: DynamoDB, 400 KB an item."""

ANCHORS: Final = "evidence/_anchors/"
"""Where anchors lie: no chain's, since no model starts with an underscore."""

NO_CHAINS: Final = frozenset({"", ANCHORS.split("/")[1]})
"""Names below the folders of records that are looked at by themselves."""

GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"})

REFUSED: Final = frozenset({"AccessDenied", "403"})

NAME_BYTES: Final = 1000

SHOWN: Final = 5
"""Versions of a key that are named."""

Given = TypeVar("Given")
Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class Listed:
    """A key of the bucket with all its versions: ids of the first of them, newest first.

    ``hidden``: a delete marker is the newest. ``written``: when the newest that is none was.
    """

    key: str
    versions: int = 0
    markers: int = 0
    hidden: bool = False
    ids: tuple[str, ...] = ()
    written: datetime | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution that AWS knows."""

    name: str
    arn: str
    status: str
    started: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Head and state of a chain's model at one moment; each None where the table has none.

    ``earlier``: the head is the one that the release before kept with the state.
    """

    head: Head | None
    state: dict[str, Any] | None
    earlier: bool = False


@dataclass(slots=True)
class Reading:
    """The sources of an audit, by their clients."""

    s3: Any
    dynamodb: Any
    stepfunctions: Any
    bucket: str
    table: str
    machine: str
    history: HistoryTable = field(init=False)

    def __post_init__(self) -> None:
        self.history = HistoryTable(self.dynamodb, self.table)

    # The bucket.

    def see(self, key: str, at_most: int = RECORD_BYTES) -> Seen:
        """An object's bytes, at most those of a record."""
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=key)
        except ParamValidationError:
            return Seen(why="cannot be: it has no legal key")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return Seen(gone=code in GONE, refused=code in REFUSED, why=f"cannot be read ({code})")
        with answer["Body"] as stream:
            if answer["ContentLength"] > at_most:
                return Seen(why=f"is larger than it can be ({answer['ContentLength']:,} bytes)")
            return Seen(stream.read())

    def folders(self) -> set[str]:
        """Names below the folders of records: one for each chain that has an object, deleted ones included."""
        names = set()
        for folder in CHAIN_FOLDERS:
            for page in self._version_pages(folder, Delimiter="/"):
                names |= {found["Prefix"][len(folder) : -1] for found in page.get("CommonPrefixes", ())}
        return names - NO_CHAINS

    def loose(self) -> Iterator[Listed]:
        """Objects that lie in a folder of records and below no chain's name."""
        for folder in CHAIN_FOLDERS:
            yield from _by_key(self._version_pages(folder, Delimiter="/"))
            for name in NO_CHAINS:
                if f"{folder}{name}/" != ANCHORS:
                    yield from self.versions(f"{folder}{name}/")

    def versions(self, prefix: str) -> Iterator[Listed]:
        """Every key under a prefix, with all its versions."""
        return _by_key(self._version_pages(prefix))

    def _version_pages(self, prefix: str, **more: str) -> Iterator[dict[str, Any]]:
        paginator = self.s3.get_paginator("list_object_versions")
        yield from paginator.paginate(Bucket=self.bucket, Prefix=prefix, **more)

    def artifact_version(self, uri: str) -> str | None:
        """What tells one content of an artifact from another, as its verdict noted it; None when it is not there.

        Raises:
            PermissionError: it may not be looked at.
        """
        if s3_uri(uri) is None:
            raise PermissionError("no legal name")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchBucket", "404"}:
                return None
            raise PermissionError(error.response["Error"]["Code"]) from None
        except ParamValidationError:
            raise PermissionError("no legal name") from None
        return next(
            (
                f"{found['ETag'].strip(chr(34))}/{found['Size']}"
                for found in listed.get("Contents", [])
                if found["Key"] == key
            ),
            None,
        )

    # The table.

    def names(self, partition: str) -> list[str]:
        """Sort keys of a partition."""
        return [str(item.get("sk")) for item in self.items(partition)]

    def items(self, partition: str, after: str = "", prefix: str = "") -> Iterator[dict[str, Any]]:
        """Items of a partition in the order of their sort keys, whatever they hold: an attribute no store wrote is None.

        ``after``: only those behind this sort key. ``prefix``: only those that begin so.
        """
        values = {":pk": partition}
        condition = "pk = :pk"
        if prefix:
            condition, values[":prefix"] = "pk = :pk AND begins_with(sk, :prefix)", prefix
        elif after:
            condition, values[":after"] = "pk = :pk AND sk > :after", after
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=to_item(values),
            ConsistentRead=True,
        )
        for page in pages:
            yield from map(_readable, page["Items"])

    def snapshot(self, chain: str) -> Snapshot:
        """Head and state of a chain, as they were at one moment."""
        keys = ({"pk": "HEADS", "sk": chain}, {"pk": f"MODEL#{chain}", "sk": "STATE"})
        answer = self.dynamodb.transact_get_items(
            TransactItems=[{"Get": {"TableName": self.table, "Key": to_item(key)}} for key in keys]
        )
        head, state = (_readable(found["Item"]) if found.get("Item") else None for found in answer["Responses"])
        return Snapshot(head_of(chain, head, state), state, earlier=head is None)

    def link(self, chain: str, sequence: int) -> dict[str, Any] | None:
        """The item of one link, as it is now."""
        return next(self.items(f"CHAIN#{chain}", prefix=f"{sequence:012d}"), None)

    def signal(self, signal_id: str) -> SeenSignal | None:
        """The item of a decided signal; None when it is not there.

        Raises:
            ValueError: it cannot be read.
        """
        try:
            return self.history.signal(signal_id) if is_askable(signal_id) else None
        except STRANGE as error:
            raise ValueError(type(error).__name__) from None

    def run_facts(self, run_id: str) -> RunFacts:
        """What the table knows of a run."""
        reading = "RUN"
        try:
            run = self.history.run(run_id) if is_askable(run_id) else None
            if run is None:
                return RunFacts()
            reading = "line"
            lines = self.items(f"MODEL#{run.model}", prefix=f"RUN#{run.started_at}#{run_id}")
            reading = "STATUS"
            rows = (*self.items(f"STATUS#{run_id}"), *self.items(f"RUN#{run_id}", prefix="STATUS#"))
            statuses = tuple((row["status"], row["at"]) for row in rows)
            reading = "VERDICT"
            verdicts = {
                item["sk"].rpartition("#")[2].lower(): item["verdict"]
                for item in (*self.items(f"RUN#{run_id}", prefix="VERDICT#"), *self.items(f"FINISH#{run_id}"))
            }
            verdict, finish = verdicts.get("evaluation"), verdicts.get("finish")
            reading = "WAIT"
            return RunFacts(
                run=run,
                line=next(lines, {}),
                statuses=statuses,
                verdict=None if verdict is None else CandidateVerdict.of(verdict),
                finish=None if finish is None else Finish(**finish),
                waits={
                    f"approval:{wait.name}" if wait.kind == "approval" else wait.name: wait
                    for wait in self.history.waits_of_run_without_tokens(run_id)
                },
            )
        except STRANGE:
            return RunFacts(run=StoredRun(run_id, "", "", "", "", ""), unreadable=reading)

    def kill_switches(self) -> dict[str, KillSwitch]:
        """Switches that are thrown, by scope."""
        return {switch.scope: switch for switch in self.history.kill_switches()}

    def due_places(self, until: datetime) -> set[tuple[str, int]]:
        """Places of records that an item of the due list still has written, not later than ``until``."""
        places: set[tuple[str, int]] = set()
        for item in (item for partition in partitions() for item in self.items(partition)):
            if str(item.get("due_at")) <= until.isoformat():
                with contextlib.suppress(*STRANGE):
                    places |= self._due_places(item)
        return places

    def _due_places(self, item: dict[str, Any]) -> set[tuple[str, int]]:
        subject = str(item["subject"])
        if item["kind"] in {DueKind.LOOK, DueKind.LADDER}:
            waits = self.history.waits_of_run_without_tokens(parse_wait_id(subject)[0])
            return {(wait.model, wait.record) for wait in waits if wait.wait_id == subject and wait.record is not None}
        places = {(str(chain), int(sequence)) for chain, sequence, *_ in mapping(item.get("data")).get("records", ())}
        what, _, signal_id = subject.partition(":")
        seen = self.history.signal(signal_id) if what == "signal" else None
        return places if seen is None else places | {(seen.chain, sequence) for sequence in seen.sequences}

    # Executions.

    def executions(self) -> Iterator[Execution]:
        """Every execution of the state machine that Step Functions knows."""
        pages = self.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        for page in pages:
            for found in page["executions"]:
                yield Execution(
                    found["name"], found["executionArn"], found["status"], found["startDate"], found.get("stopDate")
                )

    def execution_arn(self, name: str) -> str:
        """ARN of an execution of the loop."""
        return nested_execution_arn(self.machine, name)

    def came_to(self, execution: Execution) -> str | None:
        """What an execution that succeeded says it came to, None when it does not say."""
        answer = self.stepfunctions.describe_execution(executionArn=execution.arn)
        try:
            return str(json.loads(answer["output"])["outcome"])
        except STRANGE:
            return None


def is_askable(name: str) -> bool:
    """True when a key can be made of a name. Source: DynamoDB, 2,048 bytes a partition key, 1,024 a sort key."""
    return 0 < len(name.encode()) <= NAME_BYTES


def head_of(chain: str, head: dict[str, Any] | None, state: dict[str, Any] | None) -> Head | None:
    """Where the table says that a chain ends; None when it does not say so readably."""
    if head is not None:
        sequence, digest = head.get("sequence"), head.get("hash")
    elif state is not None and state.get("chain_sequence"):
        # The release before kept it with the model's state.
        sequence, digest = state.get("chain_sequence"), state.get("chain_head")
    else:
        return None
    if type(sequence) is not int or not isinstance(digest, str):
        return Head(chain, -1, "")
    return Head(chain, sequence, digest)


def _readable(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in item.items():
        try:
            found |= from_item({name: value})
        except STRANGE:
            found[name] = None
    return found


def _by_key(pages: Iterable[dict[str, Any]]) -> Iterator[Listed]:
    """One ``Listed`` a key. The versions of one may go on over the end of a page."""
    open_: dict[str, Listed] = {}
    for page in pages:
        for marker, entries in ((False, page.get("Versions", ())), (True, page.get("DeleteMarkers", ()))):
            for found in entries:
                key = found["Key"]
                open_[key] = _with_version(open_.get(key) or Listed(key), found, marker=marker)
        last = max(open_, default="", key=str.encode)
        yield from [open_.pop(key) for key in [key for key in open_ if key != last]]
    yield from open_.values()


def _with_version(listed: Listed, found: dict[str, Any], *, marker: bool) -> Listed:
    latest = bool(found["IsLatest"])
    if marker:
        return replace(listed, markers=listed.markers + 1, hidden=listed.hidden or latest)
    ids = (*listed.ids, str(found["VersionId"])) if len(listed.ids) < SHOWN else listed.ids
    written = max(filter(None, (listed.written, found["LastModified"])))
    return replace(listed, versions=listed.versions + 1, ids=ids, written=written)


def read_ahead(
    pool: Executor, work: Callable[[Given], Got], given: Iterable[Given], limit: int
) -> Iterator[tuple[Given, Got]]:
    """Each of ``given`` with what ``work`` makes of it, in order, at most ``limit`` of them at a time."""
    waiting: deque[tuple[Given, Future[Got]]] = deque()
    for one in given:
        waiting.append((one, pool.submit(work, one)))
        if len(waiting) >= limit:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()
