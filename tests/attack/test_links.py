"""Somebody took over the page's function, which may append to chains, and writes over what others appended."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from orchestration import handler
from orchestration.domain.errors import OrchestrationError
from tests.unit import stories
from tests.unit.stories import do

if TYPE_CHECKING:
    from orchestration.domain.chain import Link
    from tests.unit.fakes import World

FORGED: Final = {
    "an outcome": "evidence/fraud/run-9/outcome.json",
    "a rejected event": "rejected/forged.json",
    "a report": "runs/fraud/run-1/outputs/evaluation.json",
    "its own place": None,
}


def written_over(world: World, sequence: int, key: str | None, **changes: Any) -> Link:
    """The link with other words, and another place unless the key is None."""
    link = world.table.link("fraud", sequence)
    assert link is not None
    forged = replace(
        link, key=key or link.key, record=json.dumps({**json.loads(link.record), "forged": True, **changes})
    )
    world.table._write(world.table._put({"pk": "CHAIN#fraud", "sk": f"{sequence:012d}", **asdict(forged)}))
    return forged


def forged_keys(world: World) -> list[str]:
    return [uri for uri, body in world.bucket.objects.items() if b'"forged"' in body]


def swept(world: World) -> None:
    with suppress(RuntimeError):
        world.clock.forward(minutes=5)
        handler.run_action({"action": "sweep"}, world.ports)


def first_telling_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes the record at once, so that it is left to a sweep."""

    def fail(key: str, _: Any) -> bool:
        raise RuntimeError(key)

    monkeypatch.setattr(world.bucket, "write_once", fail)


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize("place", FORGED)
@pytest.mark.parametrize("sequence", [1, 2])
def test_a_decision_and_its_manifest_are_written_as_they_were_committed(
    sequence: int, place: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, suppress(RuntimeError):
        first_telling_fails(world, patched)
        stories.decided(world)
    written_over(world, sequence, FORGED[place])

    swept(world)

    assert forged_keys(world) == []


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize("place", FORGED)
def test_an_outcome_is_written_as_it_was_committed(place: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stories.trained(world, report={})
    with monkeypatch.context() as patched:
        first_telling_fails(world, patched)
        do(world, "evaluate")
    head = world.table.chain_head("fraud")
    written_over(world, head.sequence, FORGED[place])

    swept(world)

    assert forged_keys(world) == []


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize("place", FORGED)
def test_what_a_bake_came_to_is_written_as_it_was_committed(
    place: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.serving(world, promotion={"endpoint": stories.ENDPOINT, "bake_minutes": 0})
    with monkeypatch.context() as patched, suppress(RuntimeError):
        first_telling_fails(world, patched)
        do(world, "park", kind="bake", token="bake")
    head = world.table.chain_head("fraud")
    forged = written_over(world, head.sequence, FORGED[place])
    assert forged.kind == "verification"

    swept(world)

    assert forged_keys(world) == []


@pytest.mark.threat("role-misused")
def test_a_decision_that_was_written_over_is_not_told_as_it_reads_now(world: World) -> None:
    stories.decided(world)
    written_over(world, 1, None, decision="REJECT")
    seen = world.table.decision_of("run-1")
    assert seen is not None
    with pytest.raises(OrchestrationError, match="The audit shows where the chain breaks"):
        world.table.record_of(seen)
