"""Rebuild the HistoryTable from the records in the AutomationBucket, after the table was lost. For administrators.

make restore-history                     into the stack's table, which has to be empty
make restore-history TABLE=history-2     the same, by its name, whatever it holds: what is there stays as it is
make restore-history JSON=1              the plan as JSON; nothing is written without YES=1

Shows what it found, asks (or YES=1), writes what is not there yet. It can be repeated. docs/runbook.md says when and how.
"""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops import change_sets
from ops.audit.reading import ANCHORS, RECORD_BYTES
from ops.audit.records import ANCHOR_BYTES
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
from ops.stack import OperatorError, Stack, parser, run, truth, variable
from ops.stack_names import resume_command
from ops.terminal import Styled, Terminal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

    from ops.rebuilt_history import OpenRun
    from ops.terminal import Cell
    from orchestration.domain.chain import Head

FOLDERS: Final = ("decisions/", "manifests/", "evidence/")
MADE_NOW: Final = frozenset({"opened_at", "settles_at", "since"})
"""Attributes that hold the time of a restoring, which another one does not share."""

THREADS: Final = 16
"""Reads or writes at a time."""


def restore_history(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Rebuild the table. Exit status 1 when records are not whole, the table holds something else, or nobody said yes."""
    try:
        return _restored(options, stack, terminal)
    except (BotoCoreError, ClientError) as error:
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
        if code == "ResourceNotFoundException":
            raise OperatorError(
                f"There is no table {stack.outputs['HistoryTableName']}. Make an empty one of this name first: "
                "docs/runbook.md, Table lost, step 2."
            ) from None
        # Not 1, which says that the records were looked at and are not all there.
        raise OperatorError(
            f"AWS refused: {error}. What was written stays; once it is mended, repeat the command "
            f"(TABLE={stack.outputs['HistoryTableName']}, if it had begun to write)."
        ) from None


def _restored(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    name = stack.outputs["HistoryTableName"]
    if options.table not in {"", None, name}:
        raise OperatorError(
            f"TABLE= repeats the name of the stack's table, {name}, when it holds something already; {options.table} is none of "
            f"stack {stack.name}."
        )
    config = Config(max_pool_connections=THREADS, retries={"mode": "adaptive", "max_attempts": 10})
    target = _Target(stack.client("dynamodb", config), name)
    if not options.table and target.holds_items():
        raise OperatorError(
            f"Table {name} is not empty, so it is not lost. If it holds only what came after the loss, or this command was "
            f"interrupted, name it: make restore-history TABLE={name}. What is there stays as it is."
        )
    source, now = _Source(stack.client("s3", config), stack.outputs["AutomationBucketName"]), datetime.now(UTC)
    report = Report(name)
    with Terminal(errors=True).progress("records") as progress:
        for rebuilt in source.chains(now, progress):
            report.found(rebuilt)
        report.undecided = undecided_items(source.rejected(), now)
    if not options.json:
        _show(report, terminal)
    if options.json and not options.yes:
        terminal.json(report.as_record())
        return int(not report.whole)
    question = f"Write these {report.items} items into {name}?"
    if not change_sets.confirmed(terminal, question, yes=options.yes):
        terminal.say("Nothing was written.")
        return 1
    with Terminal(errors=True).progress("records") as progress:
        for rebuilt in source.chains(now, progress):
            target.write(rebuilt.items)
        target.write(report.undecided)
    report.written, report.kept = dict(target.counts), target.kept
    if options.json:
        terminal.json(report.as_record())
    else:
        _show_written(report, terminal)
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
                keys = [key for folder in FOLDERS for key in self._keys(f"{folder}{name}/")]
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
        pages = (page for folder in FOLDERS for page in self._pages(folder, delimiter="/"))
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


def _show(report: Report, terminal: Terminal) -> None:
    rows: list[tuple[Cell, ...]] = []
    for chain in report.chains:
        mark = Styled("red", "not whole") if chain["findings"] else Styled("green", "whole")
        rows.append((chain["chain"], str(chain["records"]), str(chain["runs"]), str(chain["open_runs"]), mark))
    if rows:
        terminal.table(("chain", "records", "runs", "open", ""), rows)
    else:
        terminal.say("The bucket holds no record.")
    _list(
        terminal, "Not trusted, and not restored; what is paused stays so until somebody resumes it:", _findings(report)
    )
    _list(
        terminal, "Runs without an outcome; nobody can answer what they wait for:", map(_what_to_do, report.open_runs)
    )
    _list(terminal, "What the records do not tell:", NOT_REBUILT)


def _findings(report: Report) -> Iterator[str]:
    for chain in report.chains:
        yield from (f"{chain['chain']}: {finding}" for finding in chain["findings"])
        scope = scope_of(chain["chain"])
        if chain["findings"] and scope is not None:
            yield f"{chain['chain']}: paused; when you have looked at it, {resume_command(scope)}"


def _what_to_do(left: OpenRun) -> str:
    training = f" If it trains, {left.training} is its training; closing the run stops it." if left.training else ""
    return (
        f"{left.model} run {left.run_id}, since {left.started_at[:19]}. Last: {left.reached}{training} Stop it with "
        f"aws stepfunctions stop-execution --execution-arn {shlex.quote(left.execution_arn)} and then "
        f'make retrain MODEL={shlex.quote(left.model)} REASON="..." FORCE=1'
    )


def _show_written(report: Report, terminal: Terminal) -> None:
    counts = report.written or {}
    terminal.say()
    terminal.say(f"{counts['written']} items written, {counts['there']} were there before.")
    _list(terminal, "There, but other than the records say; left as it is:", report.kept)
    if report.kept:
        terminal.say(
            "If the table holds nothing newer than the records: empty it and restore again, and these are as they say."
        )
    terminal.say("Next: make verify-audit, make status, then let the loop run again (docs/runbook.md, Table lost).")


def _list(terminal: Terminal, title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        terminal.say()
        terminal.say(title)
    for line in found:
        terminal.say(f"  - {line}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("restore-history", __doc__)
    arguments.add_argument("--table", default=variable("TABLE"), help="a table that may hold something (TABLE=)")
    arguments.add_argument(
        "--json", action="store_true", default=truth(variable("JSON")), help="report as JSON (JSON=1)"
    )
    arguments.add_argument(
        "--yes", action="store_true", default=truth(variable("YES")), help="write without asking (YES=1)"
    )
    return run(restore_history, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
