# ruff: noqa: N803 - the names of boto3's arguments
"""A stack whose one chain is as long as one wants: each record is made when it is asked for, so that it takes no memory.

python -m tests.unit.long_chain 100000      the seconds and the memory that an audit of it takes
"""

from __future__ import annotations

import io
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

from ops.audit.gathered import Report
from ops.audit.reading import Reading
from ops.audit.walk import Audit
from orchestration.actions.admit import answer_of
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import Head, Link, Record, RecordKind, chained
from orchestration.domain.records import decision_key
from orchestration.stores.table import to_item
from tests.unit.fakes import NOON, SETTINGS, World, execution_arn
from tests.unit.history import signal
from tests.unit.stories import policy

PAGE: Final = 20
CHAIN: Final = "fraud"


class LongChain:
    """The clients of table, bucket and Step Functions, over a chain of decisions to observe."""

    def __init__(self, length: int) -> None:
        world = World()
        world.put("policies/fraud.json", policy())
        assert signal(world, "run-1", observed=0.1) == "OBSERVE"
        link = world.table.link(CHAIN, 1)
        assert link is not None
        document = json.loads(link.record)
        self._body = {name: document[name] for name in document if name not in {"chain", "kind", "schema_version"}}
        self._state = world.database.items[f"MODEL#{CHAIN}", "STATE"]
        self.length = length
        self._hashes = [Head(CHAIN).hash]
        for sequence in range(1, length + 1):
            self._hashes.append(self._link(sequence).hash)

    @property
    def record_bytes(self) -> int:
        """Bytes of one record."""
        return len(self._link(1).record)

    def audit(self, pool: Executor, **options: Any) -> Report:
        """Walk over it."""
        sources = {"bucket": SETTINGS.automation_bucket, "table": "history", "machine": SETTINGS.state_machine_arn}
        return Audit(Reading(self, self, self, **sources), pool, now=NOON + timedelta(days=1), **options).run()

    def _link(self, sequence: int) -> Link:
        name, signal_id = f"run-{sequence}", f"{sequence:032x}"
        body = {**self._body, "run_id": name, "execution_arn": execution_arn(name), "signal_id": signal_id}
        record = Record(RecordKind.DECISION, decision_key(CHAIN, NOON, signal_id), body)
        return chained(Head(CHAIN, sequence - 1, self._hashes[sequence - 1]), record)[0]

    def _sequences(self) -> range:
        return range(1, self.length + 1)

    # The table.

    def get_item(self, *, Key: dict[str, Any], **_: Any) -> dict[str, Any]:
        sequence = int(Key["pk"]["S"].removeprefix("SIGNAL#"), 16)
        values = {
            "signal_id": f"{sequence:032x}",
            "run_id": f"run-{sequence}",
            "record_key": decision_key(CHAIN, NOON, f"{sequence:032x}"),
            "payload": canonical(
                answer_of({**self._body, "run_id": f"run-{sequence}", "signal_id": f"{sequence:032x}"})
            ),
            "told": False,
            "chain": CHAIN,
            "sequences": [sequence],
        }
        return {"Item": to_item({"pk": f"SIGNAL#{sequence:032x}", "sk": "SIGNAL", **values})}

    def transact_get_items(self, **_: Any) -> dict[str, Any]:
        return {"Responses": [{"Item": self._head()}, {"Item": self._state}]}

    def _head(self) -> dict[str, Any]:
        return to_item({"pk": "HEADS", "sk": CHAIN, "sequence": self.length, "hash": self._hashes[-1]})

    def _query(self, *, ExpressionAttributeValues: dict[str, Any], **_: Any) -> Iterator[dict[str, Any]]:
        values = {name: value["S"] for name, value in ExpressionAttributeValues.items()}
        partition = values[":pk"]
        if partition == "HEADS":
            yield {"Items": [self._head()]}
        elif partition == "MODELS":
            yield {"Items": [to_item({"pk": "MODELS", "sk": CHAIN})]}
        elif partition == f"CHAIN#{CHAIN}" and ":after" not in values:
            for start in self._sequences()[::PAGE]:
                links = map(self._link, range(start, min(start + PAGE, self.length + 1)))
                yield {"Items": [self._item(link) for link in links]}
        else:
            yield {"Items": []}

    @staticmethod
    def _item(link: Link) -> dict[str, Any]:
        fields = {name: getattr(link, name) for name in Link.__slots__}
        return to_item({"pk": f"CHAIN#{CHAIN}", "sk": f"{link.sequence:012d}", **fields})

    # The bucket.

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        sequence = int(Key.rsplit("/", 1)[1].removesuffix(".json"), 16)
        body = self._link(sequence).record.encode()
        return {"Body": io.BytesIO(body), "ContentLength": len(body)}

    def _versions(self, *, Prefix: str, Delimiter: str = "", **_: Any) -> Iterator[dict[str, Any]]:
        if Delimiter:
            yield {"CommonPrefixes": [{"Prefix": f"decisions/{CHAIN}/"}] if Prefix == "decisions/" else []}
        elif Prefix == f"decisions/{CHAIN}/":
            for start in self._sequences()[::PAGE]:
                keys = [decision_key(CHAIN, NOON, f"{start + step:032x}") for step in range(PAGE)]
                more = {"VersionId": "v1", "IsLatest": True, "LastModified": NOON}
                yield {"Versions": [{"Key": key, **more} for key in keys[: self.length + 1 - start]]}

    # Executions.

    def _executions(self, **_: Any) -> Iterator[dict[str, Any]]:
        for sequence in self._sequences():
            arn = execution_arn(f"run-{sequence}")
            more = {"status": "SUCCEEDED", "startDate": NOON, "stopDate": NOON}
            yield {"executions": [{"name": f"run-{sequence}", "executionArn": arn, **more}]}

    def get_paginator(self, name: str) -> _Pages:
        known: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
            "query": self._query,
            "list_object_versions": self._versions,
            "list_executions": self._executions,
        }
        return _Pages(known[name])


class _Pages:
    def __init__(self, paginate: Callable[..., Iterator[dict[str, Any]]]) -> None:
        self.paginate = paginate


def main() -> None:
    """Measure."""
    length = int(sys.argv[1])
    chain = LongChain(length)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        report = chain.audit(pool)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{report.records:,} records, {len(report.findings)} findings, {seconds:.0f} s, {grown:.0f} MB more\n"
    )


if __name__ == "__main__":
    main()
