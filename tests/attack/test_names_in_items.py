"""Somebody took over a function that may write some partitions of the table, and writes what another's item would say."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from orchestration import handler
from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.due import APPROVALS, GRACE, due
from orchestration.domain.notification import Message
from orchestration.domain.wait import wait_id
from orchestration.steps.approvals import ladder_due
from orchestration.steps.telling import message_told
from orchestration.stores.waits import _item
from tests.unit import stories
from tests.unit.stories import next_of

if TYPE_CHECKING:
    from orchestration.domain.wait import Wait
    from tests.unit.fakes import World

OVER: Final[dict[str, Any]] = {
    "votes": [],
    "why": "",
    "approvals_needed": 1,
    "severity": "critical",
    "manifest_uri": "s3://b/k",
    "manifest_sha256": "0" * 64,
    "policy_sha256": "0" * 64,
    "ladder": {"remind_hours": 0, "escalate_hours": 0, "expire_hours": 0, "taken": []},
}
"""An approval whose time is over."""


def plant(world: World, pk: str, sk: str, wait: Wait) -> None:
    world.table._write(world.table._put({"pk": pk, "sk": sk, **_item(wait)}))


def swept(world: World) -> None:
    """What was forged may fail, and people are told of it."""
    for _ in range(2):
        with suppress(RuntimeError):
            handler.run_action({"action": "sweep"}, world.ports)
        world.clock.forward(minutes=5)


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize("subject", ["promotion", "training", "bake"])
@pytest.mark.parametrize("place", ["run-1", "run-2"])
def test_what_lies_with_approvals_ends_no_other_wait_whatever_it_calls_itself(
    place: str, subject: str, world: World
) -> None:
    """A bake that ended by a ladder would leave a candidate on the endpoint that nobody judged."""
    stories.baking(world)
    bake = world.table.wait("run-1", WaitKind.BAKE)
    assert bake is not None
    plant(world, f"APPROVAL#{place}", "training", replace(bake, subject=subject, token="x", data={**bake.data, **OVER}))
    world.table.add_due(due(DueKind.LADDER, wait_id(place, WaitKind.APPROVAL, "training"), "fraud", world.clock()))

    swept(world)

    assert next_of(world, "bake") is None
    assert world.table.wait("run-1", WaitKind.BAKE) == bake
    assert world.keys("evidence/fraud/run-1/verification") == []


@pytest.mark.threat("role-misused")
def test_the_step_of_an_approval_is_taken_for_no_other_wait(world: World) -> None:
    stories.baking(world)
    bake = world.table.wait("run-1", WaitKind.BAKE)
    assert bake is not None
    world.table.add_due(ladder_due(bake, world.clock()))
    told = due(DueKind.TELL, f"ladder:escalate:{bake.wait_id}", "fraud", world.clock())
    world.table.add_due(replace(told, partition=APPROVALS))

    handler.run_action({"action": "sweep"}, world.ports)

    assert world.table.wait("run-1", WaitKind.BAKE) == bake
    assert world.told("APPROVAL_ESCALATED") == []


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize(
    "key", ["evidence/fraud/run-9/outcome.json", "decisions/fraud/1.json", "runs/fraud/run-1/outputs/evaluation.json"]
)
def test_a_message_that_others_make_due_leaves_no_record(key: str, world: World) -> None:
    """The hand makes work due and writes no object; a message may keep an event that came to nothing, and no more."""
    told = message_told(Message("fraud", "X", "x", "y"), world.clock() - GRACE, kept={key: {"forged": True}})
    world.table.add_due(told)
    swept(world)
    assert world.keys() == world.keys("evidence/_anchors/")
