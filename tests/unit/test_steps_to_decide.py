"""What a message about an approval tells people to do: what they can do, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestration.domain.contracts import WaitKind
from orchestration.domain.messages import how_to_decide
from orchestration.domain.notification import Page
from orchestration.domain.wait import Wait
from orchestration.settings import ApprovalAccess
from orchestration.steps.approval_links import steps_to_decide
from orchestration.steps.approvals import ladder_due
from tests.unit import stories
from tests.unit.fakes import NOON, SETTINGS, World, execution_arn

ADDRESS = f"{SETTINGS.approval_url}?run=run-1"
LINK = Page("Look and decide", f"{ADDRESS}&nonce={'nonce-0'.ljust(43, 'A')}")
LOOK = replace(LINK, label="Look")
ONCE = "The link decides once, for whoever holds it: do not forward this message."
TERMINAL = how_to_decide(SETTINGS.speaker, "run-1", "promotion")
TWO = "2 different people have to approve."
BY_NAME = (
    "The link shows, and rejects for whoever holds it: do not forward this message. To approve, use the terminal, which "
    "says who you are."
)
VOTERS = "The link only shows, since the policy names who may answer: use the terminal, which says who you are."
HOURS = {"remind_hours": 4, "escalate_hours": 8, "expire_hours": 24}


def open_approval(world: World, needed: int = 1, **data: Any) -> Wait:
    """An approval that is asked for, as it is parked."""
    wait = Wait(
        kind=WaitKind.APPROVAL,
        subject="promotion",
        run_id="run-1",
        model="fraud",
        token="token",
        execution_arn=execution_arn("run-1"),
        parked_at=NOON.isoformat(),
        deadline=NOON.isoformat(),
        next_step_at=NOON.isoformat(),
        data={"approvals_needed": needed, "manifest_sha256": "0" * 64, "nonces": [], "ladder": HOURS, **data},
    )
    assert world.table.park(wait, ladder_due(wait, NOON)) is None
    return wait


@pytest.mark.parametrize(
    ("settings", "needed", "steps"),
    [
        ({"approval_access": ApprovalAccess.OFF}, 1, TERMINAL),
        ({"approval_access": ApprovalAccess.IAM}, 1, TERMINAL),
        ({"approval_access": ApprovalAccess.IAM}, 2, (*TERMINAL, TWO)),
        ({"approval_access": ApprovalAccess.LINK}, 1, (LINK, ONCE, *TERMINAL)),
        ({"approval_access": ApprovalAccess.LINK}, 2, (LINK, BY_NAME, *TERMINAL, TWO)),
        ({"approval_access": ApprovalAccess.LINK, "approval_url": ""}, 1, TERMINAL),
    ],
)
def test_people_are_told_where_to_look_how_to_decide_and_how_many_have_to(
    settings: dict[str, Any], needed: int, steps: tuple[str | Page, ...], new_world: Callable[..., World]
) -> None:
    world = new_world(**settings)
    assert steps_to_decide(world.ports, open_approval(world, needed)) == steps


def test_where_nobody_can_approve_a_message_says_so_first(world: World) -> None:
    wait = open_approval(world, voters=["ana"], asked_by=["ana"])
    stuck, *steps = steps_to_decide(world.ports, wait)
    assert str(stuck).startswith("Nobody can approve this: ")
    assert tuple(steps) == TERMINAL


@pytest.mark.parametrize(
    ("data", "link", "sentence"),
    [
        ({"requested": True}, LINK, BY_NAME),
        ({"voters": ["ana"]}, LOOK, VOTERS),
        ({"voters": ["ana"], "requested": True}, LOOK, VOTERS),
    ],
)
def test_people_are_told_what_a_link_does_where_it_approves_nothing(
    data: dict[str, Any], link: Page, sentence: str, new_world: Callable[..., World]
) -> None:
    world = new_world(approval_access=ApprovalAccess.LINK)
    assert steps_to_decide(world.ports, open_approval(world, **data)) == (link, sentence, *TERMINAL)


def test_a_message_about_what_was_decided_meanwhile_or_is_gone_has_no_link(new_world: Callable[..., World]) -> None:
    world = new_world(approval_access=ApprovalAccess.LINK)
    stories.asked(world)
    stories.approve(world)
    decided = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert decided is not None
    for wait in (decided, replace(decided, run_id="run-9")):
        assert not any(isinstance(step, Page) and "nonce=" in step.url for step in steps_to_decide(world.ports, wait))
