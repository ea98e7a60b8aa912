"""Rounds of inputs for one reader: documents by hypothesis, which makes a failing one small, and bytes."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.inputs import documents, from_schema, mutated
from tests.fuzz.judging import Fault, judge
from tests.fuzz.readers import READERS, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

MEASURED: Final = 25
"""Of so many inputs of bytes the memory of one is measured."""


def byte_round(name: str, number: int, count: int, *, memory: bool) -> Iterator[Fault | None]:
    """One reader, so many inputs, each an example with some of its bytes changed."""
    random = Random(f"{name} {number}")
    reader = READERS[name]
    examples = reader.examples()
    for place in range(count):
        given_ = mutated(random.choice(examples), examples, reader.words, random)
        yield judge(name, given_, memory=memory and place % MEASURED == 0)


def document_round(name: str, number: int, count: int) -> Iterator[Fault | None]:
    """The same with documents; the last fault is the smallest."""
    strategy = _documents(name)
    if strategy is None:
        return
    faults: list[Fault] = []
    tried = 0

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def play(given_: bytes) -> None:
        nonlocal tried
        tried += 1
        fault = judge(name, given_)
        if fault is not None:
            faults.append(fault)
            raise AssertionError(fault.what)

    try:
        play()
    except AssertionError:
        yield faults[-1]
    yield from [None] * tried


def _documents(name: str) -> st.SearchStrategy[bytes] | None:
    reader = READERS[name]
    if not reader.structured:
        return None
    found: st.SearchStrategy[bytes] = documents([json.loads(example) for example in reader.examples()], reader.words)
    if name == "policy":
        schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
        found |= from_schema(schema).map(lambda document: json.dumps({**document, "model": "fraud"}).encode())
    return found
