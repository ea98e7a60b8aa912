"""Notes of the hand beside other writes: what is kept of an effect that was asked for."""

from __future__ import annotations

import pytest

from orchestration.domain.contracts import WaitKind
from orchestration.domain.errors import ContentionError
from orchestration.domain.intention import settles_at
from orchestration.domain.wait import Wait
from orchestration.steps.hand import asking, commit, noted
from orchestration.steps.sight import gather
from tests.unit import stories
from tests.unit.fakes import World, execution_arn
from tests.unit.stories import ENDPOINT, next_of


def waiting(world: World, kind: WaitKind) -> Wait:
    wait = world.table.wait("run-1", kind)
    assert wait is not None
    return wait


def test_a_plan_that_is_opened_anew_settles_later(world: World) -> None:
    stories.moving(world)
    parked, gathered = waiting(world, WaitKind.PROMOTION), gather(world.ports, "run-1", execution_arn("run-1"))
    world.clock.forward(minutes=5)
    again = commit(world.ports, gathered, None, parked, parked)
    assert again.data["settles_at"] == settles_at(world.clock()).isoformat()
    assert waiting(world, WaitKind.PROMOTION) == again


def test_what_came_of_a_change_before_it_was_noted_is_seen_at_once(world: World) -> None:
    stories.moving(world)
    world.sagemaker.settle(ENDPOINT)
    noted(world.ports, waiting(world, WaitKind.PROMOTION))
    assert next_of(world, "promotion") == "bake"


def test_a_note_that_meets_another_write_is_made_again_unless_the_wait_is_over(world: World) -> None:
    stories.moving(world)
    old = waiting(world, WaitKind.PROMOTION)
    noted(world.ports, old)
    for note in (noted, asking):
        with pytest.raises(ContentionError):
            note(world.ports, old)
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    noted(world.ports, old)
    assert next_of(world, "promotion") == "bake"
    del world.database.items["WAIT#run-1", "promotion"]
    noted(world.ports, old)
    assert world.table.wait("run-1", WaitKind.PROMOTION) is None
