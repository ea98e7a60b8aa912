"""What the loop asks of AWS for a signal and for a run, and what of its table: measured in memory, for docs/scale.md.

Units are DynamoDB's: one to write each KB of an item, two in a transaction, also for a condition that is only checked. Source:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from ops.scale import Taken
from orchestration import handler
from orchestration.stores.history_table import HistoryTable
from tests.unit import stories
from tests.unit.fakes import World, drift, request
from tests.unit.memory_dynamodb import Key, MemoryDynamoDB, size

if TYPE_CHECKING:
    from collections.abc import Callable

UNIT: Final = 1024
"""Bytes."""

FIRST: Final = "3c74f5a3-2c02-4696-86d2-8e8f1f48f4a8"
SECOND: Final = "8a01fbee-50fb-c25e-ec90-5de89dcf3b54"
"""Ids as long as those of events and executions are: items count by the KB, and have the ids in them."""

IN_A_TRANSACTION: Final = 2
"""Times as many units."""


class MeteredDynamoDB(MemoryDynamoDB):
    """The table in memory, which counts units by partition: those of one model, run or signal by their first word."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.written_units: Counter[str] = Counter()

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        answer = super().transact_write_items(TransactItems=TransactItems)
        for step in TransactItems:
            ((_, request),) = step.items()
            self._count_written(request, IN_A_TRANSACTION)
        return answer

    def _write(self, operation: str, kind: str, request: dict[str, Any], key: Key) -> None:
        super()._write(operation, kind, request, key)
        self._count_written(request, 1)

    def _count_written(self, request: dict[str, Any], times: int) -> None:
        key = {
            name: value["S"] for name, value in (request.get("Item") or request["Key"]).items() if name in {"pk", "sk"}
        }
        written = size(request.get("Item") or self.items.get((key["pk"], key["sk"]), {}))
        self.written_units[_partition(key["pk"])] += times * max(1, math.ceil(written / UNIT))


def of_a_no() -> Taken:
    """A drift report on a model that is known, which its policy only observes."""
    world = _metered()
    world.put("policies/fraud.json", stories.policy(actions={"warning": "observe", "critical": "observe"}))
    _admit(world, FIRST)
    world.clock.forward(minutes=90)
    return _taken(world, lambda: _admit(world, SECOND))


def of_a_promotion() -> Taken:
    """A run from its signal to its promotion, asked of nobody, with the sweep that ends its bake."""
    world = _metered()

    def promote() -> None:
        stories.baking(world)
        world.clock.forward(minutes=31)
        stories.do(world, "sweep")
        assert stories.next_of(world, "bake") == "finish"
        stories.do(world, "finish")
        assert stories.do(world, "close")["outcome"] == "PROMOTED"

    return _taken(world, promote)


def _admit(world: World, key: str) -> None:
    answer = handler.run_action(request(drift(model="fraud", dedupe_key=key), key), world.ports)
    assert answer["decision"] == "OBSERVE", answer


def _metered() -> World:
    world = World()
    world.database = MeteredDynamoDB(world.outside.enter)
    world.table = HistoryTable(cast("Any", world.database), world.settings.history_table)
    world.ports = replace(world.ports, table=world.table)
    return world


def _taken(world: World, play: Callable[[], None]) -> Taken:
    database = cast("MeteredDynamoDB", world.database)
    calls, written = Counter(world.outside.calls), Counter(database.written_units)
    play()
    return Taken(Counter(world.outside.calls) - calls, database.written_units - written)


def _partition(pk: str) -> str:
    return pk if pk.startswith("DUE#") else pk.partition("#")[0]
