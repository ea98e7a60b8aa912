"""What an attacker found."""

from __future__ import annotations

from typing import Any

from orchestration.actions import evaluate as evaluating
from orchestration.steps import closing
from tests.unit import stories
from tests.unit.fakes import World
from tests.unit.stories import do
from tests.unit.tampering import Scene


def breaks(world: World) -> list[str]:
    """What the audit says is broken of a history nobody touched."""
    world.clock.forward(minutes=5)
    do(world, "sweep")
    world.clock.forward(minutes=5)
    return [f"{found.fault}: {found.sentence}" for found in Scene.of(world).audit().findings]


def test_a_verdict_committed_after_its_run_was_closed_is_no_alarm(world: World, monkeypatch: Any) -> None:
    stories.trained(world)
    judge = evaluating._judge

    def slow(*given: Any) -> Any:
        verdict = judge(*given)
        stories.tell_dead(world, "ABORTED")
        return verdict

    monkeypatch.setattr(evaluating, "_judge", slow)
    do(world, "evaluate")
    assert breaks(world) == []


def test_a_run_is_not_concluded_on_facts_older_than_the_place_of_its_outcome(world: World, monkeypatch: Any) -> None:
    stories.asked(world)
    facts_of = closing.facts_of
    voted: list[Any] = []

    def slow(*given: Any) -> Any:
        facts = facts_of(*given)
        if not voted:
            voted.append(stories.approve(world, decision="REJECTED"))
        return facts

    monkeypatch.setattr(closing, "facts_of", slow)
    stories.tell_dead(world, "ABORTED")
    run = world.table.run("run-1")
    assert voted[0]["decided"]
    assert breaks(world) == []
    assert run is not None
    assert run.outcome == "APPROVAL_REJECTED"


def test_a_policy_with_a_deep_training_input_is_no_alarm(world: World) -> None:
    deep: Any = 1
    for _ in range(61):
        deep = {"a": deep}
    stories.decided(world, training={**stories.POLICY["training"], "input": deep})
    assert breaks(world) == []
