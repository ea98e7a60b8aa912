"""Rebuild the HistoryTable from the records in the AutomationBucket, after the table was lost. For administrators.

Shows what it found, asks, writes what is not there yet. It can be repeated. docs/runbook.md says when and how.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops import change_sets
from ops.audit.reading import ANCHORS, RECORD_BYTES
from ops.audit.records import ANCHOR_BYTES
from ops.invocation import stack_command
from ops.rebuilt_history import (
    NOT_REBUILT,
    Item,
    Key,
    Rebuilt,
    anchored_heads,
    read_chain,
    rebuild,
    scope_of,
    undecided_items,
)
from ops.refusals import refusal
from ops.stack import CallError, NotReachedError, OperatorError, StoppedError, stop_command
from ops.terminal import Styled, Terminal
from orchestration.domain.commands import WHY
from orchestration.domain.records import CHAIN_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

    from ops.rebuilt_history import OpenRun
    from ops.stack import Stack
    from ops.terminal import Cell
    from orchestration.domain.chain import Head
    from orchestration.domain.commands import Place

MADE_NOW: Final = frozenset({"opened_at", "settles_at", "since"})
"""Attributes that hold the time of a restoring, which another one does not share."""

THREADS: Final = 16
"""Reads or writes at a time."""


@stack_command("restore-history")
@click.option("--table", default="", help="The stack's table by its name, to write into it though it holds something.")
@click.option("--yes", is_flag=True, help="Write without asking.")
def command(stack: Stack, terminal: Terminal, table: str, yes: bool) -> int:
    """Rebuild a lost HistoryTable from the records, for administrators.

    What is in the table stays as it is, and the command can be repeated. With --json nothing is written without --yes.
    When and how: docs/runbook.md, Table lost.
    """
    try:
        return _restored(stack, terminal, table=table, yes=yes)
    except (BotoCoreError, ClientError) as error:
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
        if code == "ResourceNotFoundException":
            raise NotReachedError(
                f"There is no table {stack.outputs['HistoryTableName']}. Make an empty one of this name first: "
                "docs/runbook.md, Table lost, step 2."
            ) from None
        # Not 1, which says that the records were looked at and are not all there.
        again = stack.place.command("restore-history", table=stack.outputs["HistoryTableName"])
        raise NotReachedError(
            f"{refusal(error)} What was written stays; once it is mended, repeat the command, if it had begun to write:",
            again,
        ) from None


def _restored(stack: Stack, terminal: Terminal, *, table: str, yes: bool) -> int:
    name = stack.outputs["HistoryTableName"]
    if table not in {"", name}:
        raise CallError(
            f"--table repeats the name of the stack's table, {name}, when it holds something already; {table} is none of "
            f"stack {stack.name}."
        )
    config = Config(max_pool_connections=THREADS, retries={"mode": "adaptive", "max_attempts": 10})
    target = _Target(stack.client("dynamodb", config), name)
    if not table and target.holds_items():
        raise OperatorError(
            f"Table {name} is not empty, so it is not lost. If it holds only what came after the loss, or this command was "
            f"interrupted, name it; what is there stays as it is: {stack.place.command('restore-history', table=name)}"
        )
    source, now = _Source(stack.client("s3", config), stack.outputs["AutomationBucketName"]), datetime.now(UTC)
    report = Report(name)
    with Terminal(errors=True).progress("records") as progress:
        for rebuilt in source.chains(now, progress):
            report.found(rebuilt)
        report.undecided = undecided_items(source.rejected(), now)
    _show(report, stack.place, terminal)
    if terminal.is_document and not yes:
        terminal.answer(report.as_record())
        return int(not report.whole)
    question = f"Write these {report.items} items into {name}?"
    if not change_sets.confirmed(terminal, question, yes=yes):
        terminal.say("Nothing was written.")
        return 1
    try:
        with Terminal(errors=True).progress("records") as progress:
            for rebuilt in source.chains(now, progress):
                target.write(rebuilt.items)
            target.write(report.undecided)
    except KeyboardInterrupt:
        again = stack.place.command("restore-history", table=name)
        raise StoppedError("Interrupted; what was written stays. This goes on:", again) from None
    report.written, report.kept = dict(target.counts), target.kept
    _show_written(report, stack.place, terminal)
    terminal.answer(report.as_record())
    return int(not report.whole or bool(report.kept))


@dataclass
class Report:
    """What was found and done, for people and programs."""

    table: str
    chains: list[dict[str, Any]] = field(default_factory=list)
    open_runs: list[OpenRun] = field(default_factory=list)
    undecided: dict[Key, Item] = field(default_factory=dict)
    chain_items: int = 0
    written: dict[str, int] | None = None
    kept: list[str] = field(default_factory=list)

    @property
    def items(self) -> int:
        """How many items are to be written."""
        return self.chain_items + len(self.undecided)

    @property
    def whole(self) -> bool:
        """True when every record that was found could be trusted."""
        return not any(chain["findings"] for chain in self.chains)

    def found(self, rebuilt: Rebuilt) -> None:
        """Count what a chain gives; its items are forgotten again."""
        head = rebuilt.chain.head
        self.chains.append(
            {
                "chain": head.chain,
                "records": head.sequence,
                "hash": head.hash,
                "runs": rebuilt.runs,
                "open_runs": len(rebuilt.open_runs),
                "findings": list(rebuilt.findings),
            }
        )
        self.open_runs += rebuilt.open_runs
        self.chain_items += len(rebuilt.items)

    def as_record(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "table": self.table,
            "chains": self.chains,
            "open_runs": [asdict(each) for each in self.open_runs],
            "not_rebuilt": list(NOT_REBUILT),
            "items": self.items,
            "written": self.written,
            "kept": self.kept,
        }


# Reading and writing.


class _Source:
    """The records in the bucket."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def chains(self, now: datetime, progress: Callable[[int], None]) -> Iterator[Rebuilt]:
        """Every chain, rebuilt, one after the other: only one is in memory."""
        anchored = self._anchored()
        done = 0
        with ThreadPoolExecutor(THREADS) as threads:
            for name in sorted({*self._names(), *anchored}):
                keys = [key for folder in CHAIN_FOLDERS for key in self._keys(f"{folder}{name}/")]
                objects = []
                for found in threads.map(self._read, keys):
                    objects.append(found)
                    done += 1
                    progress(done)
                yield rebuild(read_chain(name, objects, anchored.get(name)), now)

    def rejected(self) -> Iterator[tuple[str, bytes, datetime]]:
        """The events that were kept because nothing was decided on them, with the time of their writing."""
        for page in self._pages("rejected/"):
            for entry in page.get("Contents", []):
                yield *self._read(entry["Key"]), entry["LastModified"]

    def _anchored(self) -> dict[str, Head]:
        """Where the chains ended when their heads were anchored last; what lies there and is no anchor says nothing."""
        newest_first = sorted(self._keys(ANCHORS), reverse=True)
        found = (anchored_heads(*self._read(key, ANCHOR_BYTES)) for key in newest_first)
        return next(filter(None, found), {})

    def _names(self) -> set[str]:
        pages = (page for folder in CHAIN_FOLDERS for page in self._pages(folder, delimiter="/"))
        prefixes = {str(entry["Prefix"]) for page in pages for entry in page.get("CommonPrefixes", [])}
        return {prefix.split("/")[1] for prefix in prefixes - {ANCHORS}}

    def _keys(self, prefix: str) -> list[str]:
        return [entry["Key"] for page in self._pages(prefix) for entry in page.get("Contents", [])]

    def _pages(self, prefix: str, delimiter: str = "") -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator("list_objects_v2")
        yield from map(dict, paginator.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter=delimiter))

    def _read(self, key: str, at_most: int = RECORD_BYTES) -> tuple[str, bytes]:
        """An object; of one that is larger than it can be so much that it is none."""
        with self._client.get_object(Bucket=self._bucket, Key=key)["Body"] as stream:
            return key, stream.read(at_most + 1)


class _Target:
    """The table. What is there is never changed."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name
        self.counts: Counter[str] = Counter(written=0, there=0)
        self.kept: list[str] = []

    def holds_items(self) -> bool:
        """True when the table is not empty."""
        return bool(self._client.scan(TableName=self._name, Limit=1)["Items"])

    def write(self, items: dict[Key, Item]) -> None:
        """Put what is not there, and note what is there and says something else."""
        with ThreadPoolExecutor(THREADS) as threads:
            for key, became in zip(items, threads.map(self._put, items.values()), strict=True):
                if became == "kept":
                    self.kept.append(" / ".join(key))
                self.counts["written" if became == "written" else "there"] += 1

    def _put(self, item: Item) -> str:
        try:
            self._client.put_item(TableName=self._name, Item=item, ConditionExpression="attribute_not_exists(pk)")
        except self._client.exceptions.ConditionalCheckFailedException:
            key = {name: item[name] for name in ("pk", "sk")}
            there = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item", {})
            return "there" if _without_times(there) == _without_times(item) else "kept"
        return "written"


def _without_times(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in MADE_NOW}


# Showing.


def _show(report: Report, place: Place, terminal: Terminal) -> None:
    rows: list[tuple[Cell, ...]] = []
    for chain in report.chains:
        mark = Styled("red", "not whole") if chain["findings"] else Styled("green", "whole")
        rows.append((chain["chain"], str(chain["records"]), str(chain["runs"]), str(chain["open_runs"]), mark))
    if rows:
        terminal.table(("chain", "records", "runs", "open", ""), rows)
    else:
        terminal.say("The bucket holds no record.")
    _list(
        terminal,
        "Not trusted, and not restored; what is paused stays so until somebody resumes it:",
        _findings(report, place),
    )
    _list(
        terminal,
        "Runs without an outcome; nobody can answer what they wait for:",
        (_what_to_do(each, place) for each in report.open_runs),
    )
    _list(terminal, "What the records do not tell:", NOT_REBUILT)


def _findings(report: Report, place: Place) -> Iterator[str]:
    for chain in report.chains:
        yield from (f"{chain['chain']}: {finding}" for finding in chain["findings"])
        scope = scope_of(chain["chain"])
        if chain["findings"] and scope is not None:
            yield f"{chain['chain']}: paused; when you have looked at it, {place.command('resume', scope=scope)}"


def _what_to_do(left: OpenRun, place: Place) -> str:
    training = f" If it trains, {left.training} is its training; closing the run stops it." if left.training else ""
    region = left.execution_arn.split(":")[3]
    end = f"Stop it with {stop_command(left.execution_arn)}"
    if region != place.region:
        end = f"It ran in {region}: the first sweep here ends it"
    return (
        f"{left.model} run {left.run_id}, since {left.started_at[:19]}. Last: {left.reached}{training} {end} "
        f"and then {place.command('retrain', model=left.model, reason=WHY, force=True)}"
    )


def _show_written(report: Report, place: Place, terminal: Terminal) -> None:
    counts = report.written or {}
    terminal.say()
    terminal.say(f"{counts['written']} items written, {counts['there']} were there before.")
    _list(terminal, "There, but other than the records say; left as it is:", report.kept)
    if report.kept:
        terminal.say(
            "If the table holds nothing newer than the records: empty it and restore again, and these are as they say."
        )
    terminal.say("Next these two, then let the loop run again (docs/runbook.md, Table lost):")
    terminal.command(place.command("verify-audit"))
    terminal.command(place.command("status"))


def _list(terminal: Terminal, title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        terminal.say()
        terminal.say(title)
    for line in found:
        terminal.say(f"  - {line}")
