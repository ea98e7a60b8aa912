"""The machine that interleaves calls: it plays the same history again, it finds faults, and the loop breaks no promise in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from orchestration.actions import pause, promote
from orchestration.domain.contracts import DueKind
from orchestration.steps import closing, hand
from tests.unit.interleavings import drawn, main, played
from tests.unit.memory_dynamodb import MemoryDynamoDB

ITEM = {"pk": {"S": "a"}, "sk": {"S": "b"}, "value": {"S": "new"}}
KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of faults are logged here, and no line of it is read."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


# The loop.


def test_no_interleaving_breaks_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--steps", "20000", "--seed", "1"]) == 0, capsys.readouterr().out

    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("seed 1, steps 2")
    assert said.endswith("broken: 0")


# The machine.


def test_a_seed_plays_the_same_history_again_and_another_seed_another_one() -> None:
    first, again, other = (drawn(seed)[0] for seed in ("1/0", "1/0", "2/0"))

    assert first.scheduler.trace == again.scheduler.trace
    assert first.moves == again.moves
    assert first.scheduler.trace != other.scheduler.trace


def test_the_moves_that_were_drawn_play_the_same_history() -> None:
    first, _ = drawn("1/0")
    again, _ = played(first.moves)

    assert again.scheduler.trace == first.scheduler.trace


def without_conditions(partition: str, item: str = "") -> AbstractContextManager[Any]:
    """Let every condition on these items hold."""
    holds = MemoryDynamoDB._holds

    def held(table: MemoryDynamoDB, request: dict[str, Any], key: tuple[str, str]) -> bool:
        return (key[0].startswith(partition) and key[1].startswith(item)) or holds(table, request, key)

    return patch.object(MemoryDynamoDB, "_holds", held)


def with_old_reads() -> AbstractContextManager[Any]:
    get_item = MemoryDynamoDB.get_item

    def old(table: MemoryDynamoDB, **request: Any) -> dict[str, Any]:
        return get_item(table, **{**request, "ConsistentRead": False})

    return patch.object(MemoryDynamoDB, "get_item", old)


def without_the_item_that_stops_trainings() -> AbstractContextManager[Any]:
    after = closing._after

    def less(*arguments: Any) -> closing._After:
        found = after(*arguments)
        stops = [item.sort_key for item, _ in found.work if item.kind is DueKind.STOP]
        return replace(
            found,
            writes=tuple(write for write in found.writes if not any(key in str(write) for key in stops)),
            work=tuple(work for work in found.work if work[0].kind is not DueKind.STOP),
        )

    return patch.object(closing, "_after", less)


TAKEN_AWAY: dict[str, tuple[Callable[[], AbstractContextManager[Any]], str]] = {
    "the conditions of the fence": (lambda: patch.object(hand, "fence_writes", lambda *_: []), "switch closed"),
    "the switches in the fence": (lambda: without_conditions("CONTROLS"), "switch"),
    "the version of a model": (lambda: without_conditions("MODEL#", "STATE"), "records left lock"),
    "the version of the slot ledger": (lambda: without_conditions("SLOTS", "LEDGER"), "slots left quiet"),
    "one record a signal": (lambda: without_conditions("SIGNAL#"), "facts records"),
    "one vote after the other": (lambda: without_conditions("APPROVAL#"), "facts votes"),
    "one result a wait": (lambda: without_conditions("WAIT#"), "facts"),
    "consistent reads": (with_old_reads, "left quiet records facts served"),
    "the item that stops a training": (without_the_item_that_stops_trainings, "left quiet"),
    "the intention a closed run leaves": (
        lambda: patch.object(closing, "_open_intention", lambda *_: None),
        "served left",
    ),
    "the look at the endpoint": (lambda: patch.object(promote, "foreign_deployment", lambda *_, **__: None), "foreign"),
    "the look at switch and policy": (lambda: patch.object(promote, "refuse", lambda *_: None), "switch policy"),
    "what a pause names": (lambda: patch.object(pause, "_in_flight", lambda *_: []), "in flight"),
}
"""Safeguards, with the first words of what may be said to break without each."""
