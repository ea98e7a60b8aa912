"""What the channel is answered: what an approval asks and how it stands, and what became of a press."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration.domain.approval_view import FOLLOWS
from orchestration.domain.contracts import Next
from orchestration.domain.slack_answers import answer_line, explained, told
from orchestration.domain.switches import KillSwitch
from orchestration.domain.votes import ApprovalDecision, Ruling, VoteCode
from orchestration.domain.wait import Result, Wait, WaitState
from tests.unit.fakes import World
from tests.unit.test_slack_buttons import asked, wait_of

HEAD = "The training of fraud, run run-1."
LOOK = "All of it: retraining explain run-1 --stack retraining --region us-east-1"
HISTORY = "What happens: retraining history --run run-1 --stack retraining --region us-east-1"
PAUSED = KillSwitch("model:fraud", "ana", "Incident 7.", "2026-03-02T08:00:00+00:00")
YES = Ruling(ApprovalDecision.APPROVED, "2026-03-02T09:00:00+00:00")


@pytest.fixture
def wait(new_world: Callable[..., World]) -> Wait:
    """An approval that one press decides."""
    world = new_world(slack_approvals=True)
    asked(world)
    return wait_of(world)


def shown(wait: Wait, *, after: timedelta = timedelta(0), paused: KillSwitch | None = None, refused: str = "") -> str:
    world = World()
    now = datetime.fromisoformat(wait.parked_at) + after
    return explained(wait, world.ports.settings.speaker, now, paused, refused)


def test_an_answer_is_the_parts_that_say_something() -> None:
    assert answer_line("", "One.", "", "Two.") == "One. Two."


WHY = (
    "Drift report on fraud: psi is 0.9 against a threshold of 0.2. Severity critical; every guard passed, so the policy of fraud asks "
    "people first."
)
LEFT = "1 d 0 h are left, until 2026-03-03 12:00 UTC, then the answer is no."
DECIDES = "Approve and Reject decide at once. It is recorded that somebody in this channel did, not who."
STOPPED = (
    "Paused (model:fraud) by ana since 2026-03-02 08:00 UTC: Incident 7. Reject works. When the cause of the pause is over: "
    "retraining resume --scope model:fraud --stack retraining --region us-east-1"
)
OF_TWO = (
    "A button in Slack does not say who you are, and this approval takes names: approve from a terminal. Rejecting works here. "
    "Look and decide: retraining review run-1 --stack retraining --region us-east-1 "
    "To approve: retraining approve run-1 --comment '&lt;why&gt;' --subject training --stack retraining --region us-east-1 "
    "To reject: retraining reject run-1 --comment '&lt;why&gt;' --subject training --stack retraining --region us-east-1"
)


def given(needed: int, severity: str = "critical") -> str:
    return f"Severity {severity}. 0 of {needed} approvals are given."


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        ({"why": "It drifts"}, {}, f"It drifts. {given(1)} {LEFT} {DECIDES}"),
        ({"why": None, "severity": None}, {}, f"Why is not known. {given(1, 'unknown')} {LEFT} {DECIDES}"),
        ({}, {"paused": PAUSED}, f"{WHY} {given(1)} {LEFT} {STOPPED}"),
        ({"approvals_needed": 2}, {"paused": PAUSED}, f"{WHY} {given(2)} {LEFT} {STOPPED}"),
        ({"approvals_needed": 2}, {}, f"{WHY} {given(2)} {LEFT} {OF_TWO}"),
        ({}, {"refused": "The run is over."}, "The run is over."),
        (
            {},
            {"after": timedelta(days=30), "refused": "The run is over."},
            "The approval expired at 2026-03-03 12:00 UTC; no answer means no.",
        ),
        (
            {"votes": None},
            {"refused": "The run is over."},
            "The record of this approval is not whole (votes), so no answer to it can be counted. Nothing was decided.",
        ),
    ],
)
def test_an_approval_is_explained_as_it_stands(
    data: dict[str, Any], more: dict[str, Any], said: str, wait: Wait
) -> None:
    assert shown(replace(wait, data={**wait.data, **data}), **more) == f"{HEAD} {said} {LOOK}"


def resolved(wait: Wait, ruling: Ruling | None) -> Wait:
    return replace(wait, state=WaitState.RESOLVED, result=Result(Next.TRAIN, "Ana said yes.", ruling=ruling))


@pytest.mark.parametrize(
    ("ruling", "code", "follows"),
    [
        (YES, VoteCode.DECIDED, True),
        (YES, VoteCode.DECIDED_BEFORE, False),
        (None, VoteCode.DECIDED, False),
    ],
)
def test_a_press_that_decided_says_what_follows(
    ruling: Ruling | None, code: VoteCode, follows: bool, wait: Wait
) -> None:
    speaker = World().ports.settings.speaker
    after = f" {FOLLOWS['training', True]}" if follows else ""
    assert told(resolved(wait, ruling), code, "It is decided", speaker) == f"{HEAD} It is decided.{after} {HISTORY}"
    assert told(wait, VoteCode.DECIDED, "It is decided", speaker) == f"{HEAD} It is decided. {HISTORY}"
