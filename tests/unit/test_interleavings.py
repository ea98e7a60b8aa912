"""The machine that interleaves calls: a seed plays its history again, faults are found, and the loop breaks no promise."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ops.audit.findings import Level
from ops.rebuilt_history import read_chain, rebuild
from tests.unit.fakes import ProcessDiedError, World
from tests.unit.interleavings import REST, cut_down, drawn, main, played, promise_of
from tests.unit.safeguards import SAFEGUARDS, steps_without
from tests.unit.scheduler import Actor, Fate, Scheduler
from tests.unit.stack_in_motion import StackInMotion
from tests.unit.tampering import FOLDERS, Scene

MISSED_SOON = {
    "the fence's conditions": 3,
    "the intention a closed run leaves": 4,
    "the items that stop trainings": 12,
    "the items that look at waits": 2,
    "the items that ask if runs live": 7,
    "the items that tell": 6,
}
"""Those of the safeguards without which something breaks after a few thousand calls, each with the seed of a history in
which it soon does; ``tests.unit.safeguards`` tries all."""


@functools.cache
def history(seed: str) -> tuple[StackInMotion, str | None]:
    """A history that some tests look at and none goes on with, and what broke in it."""
    return drawn(seed)


# The loop.


@pytest.mark.parametrize("number", range(4))
def test_no_interleaving_breaks_a_promise(number: int) -> None:
    """A few thousand calls each; ``make faults`` makes many times as many."""
    played_whole, broken = history(f"177/{number}")

    assert broken is None
    assert played_whole.scheduler.steps > 2_000


@pytest.mark.parametrize("number", range(4))
def test_records_are_whole_after_any_interleaving_and_in_a_table_restored_from_them(number: int) -> None:
    """Artifacts that outsiders wrote over, and executions whose end nobody told of, are no fault of a record."""
    world = history(f"177/{number}")[0].world
    scene = Scene.of(world)
    restored = scene.copy()
    restored.database.items = {}
    names = {key.split("/")[1] for key in scene.objects(*FOLDERS)} - {"_anchors"}
    for name in names:
        keys = scene.objects(*(f"{folder}{name}/" for folder in FOLDERS))
        chain = read_chain(name, [(key, scene.body(key) or b"") for key in keys])
        assert chain.findings == ()
        restored.database.items |= rebuild(chain, scene.now).items

    assert names
    for audited in (scene, restored):
        found = [finding for finding in audited.audit().findings if finding.chain is not None]
        assert [finding for finding in found if finding.fault.level is Level.BREAK] == []


# The machine.


def test_a_seed_plays_its_history_again_and_another_number_another_one(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (history(f"177/{number}")[0].scheduler.trace for number in range(2))
    assert main(["--steps", "1", "--seed", "177"]) == 0

    told, digest = capsys.readouterr().out, hashlib.sha256("\n".join(first).encode()).hexdigest()
    assert f"steps {len(first)}, histories 1, " in told
    assert told.endswith(f"trace {digest[:12]}, broken: 0\n")
    assert first != second


def test_the_moves_alone_play_the_history_again() -> None:
    whole = history("177/0")[0]
    assert played(whole.moves)[0].scheduler.trace == whole.scheduler.trace


@pytest.mark.parametrize(("name", "seed"), MISSED_SOON.items(), ids=MISSED_SOON)
def test_a_safeguard_that_is_taken_away_is_missed(name: str, seed: int) -> None:
    _, broken = steps_without(name, seed=seed, most=60_000)

    assert promise_of(broken) in SAFEGUARDS[name].breaks


def test_a_history_that_breaks_a_promise_is_cut_down_to_the_moves_that_do() -> None:
    safeguard = SAFEGUARDS["the fence's conditions"]
    with safeguard.without():
        whole, broken = drawn("3/0")
        assert broken is not None
        few = cut_down(whole.moves, broken)
        again = played([*few, REST])[1]

    assert len(few) < len(whole.moves) / 4
    assert promise_of(again) == promise_of(broken)
    assert played([*few, REST])[1] is None


# A call and what becomes of it.


def put(world: World, value: str, **more: Any) -> dict[str, Any]:
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}, "value": {"S": value}}
    return world.database.put_item(Item=item, **more)


def stored(world: World) -> str | None:
    found = world.database.items.get(("a", "b"))
    return None if found is None else str(found["value"]["S"])


def begun(world: World, *values: str) -> tuple[Scheduler, list[Actor]]:
    scheduler = Scheduler(world)
    writes = [functools.partial(put, world, value) for value in values]
    return scheduler, [
        scheduler.begin(value, write, lambda _: None) for value, write in zip(values, writes, strict=True)
    ]


@pytest.mark.parametrize(
    ("fate", "error", "value"),
    [
        (Fate.GOES, type(None), "new"),
        (Fate.DIES, ProcessDiedError, None),
        (Fate.DIED, ProcessDiedError, "new"),
        (Fate.LOST, ReadTimeoutError, "new"),
        (Fate.THROTTLED, ClientError, None),
    ],
)
def test_a_call_has_its_fate(fate: Fate, error: type, value: str | None, world: World) -> None:
    scheduler, (actor,) = begun(world, "new")
    assert (actor.call, stored(world)) == ("PutItem", None)

    scheduler.go(actor, fate)

    assert actor.over
    assert isinstance(actor.error, error)
    assert stored(world) == value


def test_a_write_that_the_sdk_makes_twice_meets_its_own_effect(world: World) -> None:
    scheduler = Scheduler(world)
    once = functools.partial(put, world, "new", ConditionExpression="attribute_not_exists(pk)")
    actor = scheduler.begin("once", once, lambda _: None)

    scheduler.go(actor, Fate.AGAIN)

    assert isinstance(actor.error, world.database.exceptions.ConditionalCheckFailedException)
    assert stored(world) == "new"


def test_who_is_let_go_last_writes_last(world: World) -> None:
    scheduler, (first, second) = begun(world, "first", "second")

    scheduler.go(second)
    scheduler.go(first)

    assert stored(world) == "first"
    assert [line.split(" ")[0] for line in scheduler.trace] == ["second", "first"]


# What the table in memory does when calls overlap.


def transact(world: World, value: str) -> dict[str, Any]:
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}, "value": {"S": value}}
    return world.database.transact_write_items(TransactItems=[{"Put": {"Item": item}}])


def test_a_transaction_that_meets_another_is_cancelled_and_a_single_write_refused(world: World) -> None:
    scheduler = Scheduler(world)
    first, second = (
        scheduler.begin(value, functools.partial(transact, world, value), lambda _: None) for value in ("one", "two")
    )
    single = scheduler.begin("three", functools.partial(put, world, "three"), lambda _: None)

    scheduler.go(first)
    assert (first.call, stored(world)) == ("Commit", None)
    scheduler.go(second)
    scheduler.go(single)
    scheduler.go(first)

    assert isinstance(second.error, world.database.exceptions.TransactionCanceledException)
    assert second.error.response["CancellationReasons"] == [{"Code": "TransactionConflict"}]
    assert isinstance(single.error, ClientError)
    assert single.error.response["Error"]["Code"] == "TransactionConflictException"
    assert (first.error, stored(world)) == (None, "one")
    assert put(world, "four") == {}, "what is over conflicts with nothing"


def test_a_process_that_dies_within_its_transaction_leaves_no_conflict_behind(world: World) -> None:
    scheduler = Scheduler(world)
    actor = scheduler.begin("one", functools.partial(transact, world, "one"), lambda _: None)
    scheduler.go(actor)

    scheduler.go(actor, Fate.DIES)

    assert isinstance(actor.error, ProcessDiedError)
    assert stored(world) is None
    assert put(world, "two") == {}
