"""What waits and runs leave: which results are facts, which leave a record, and how much of an event is kept."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.votes import ApprovalDecision, Ruling
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due, settled
from orchestration.steps.evidence import EVENT_KEPT, approval_body, kept_event, result_record
from orchestration.steps.facts import facts_of
from tests.unit.fakes import NOON, World

OVER = Result(Next.RECORD, "Over.", Status.FAILED, ruling=Ruling(ApprovalDecision.REJECTED, NOON.isoformat(), "ana"))
WITHDRAWN = replace(OVER, withdrawn=True)


def wait(kind: WaitKind, result: Result | None, subject: str = "") -> Wait:
    at = NOON.isoformat()
    parked = Wait(kind, subject, "run-1", "fraud", "token", "arn", at, at, at)
    return parked if result is None else settled(parked, result)


@pytest.mark.parametrize(
    ("kind", "result", "record"),
    [
        (WaitKind.BAKE, OVER, "verification"),
        (WaitKind.BAKE, WITHDRAWN, None),
        (WaitKind.BAKE, None, None),
        (WaitKind.APPROVAL, OVER, "approval"),
        (WaitKind.APPROVAL, WITHDRAWN, "approval"),
        (WaitKind.APPROVAL, None, None),
        (WaitKind.TRAINING, OVER, None),
    ],
)
def test_an_approval_and_a_bake_that_was_judged_leave_a_record(
    kind: WaitKind, result: Result | None, record: str | None
) -> None:
    found = result_record(wait(kind, result, "training"))
    assert (None if found is None else str(found.kind)) == record


@pytest.mark.parametrize(("result", "withdrawn"), [(None, False), (OVER, False), (WITHDRAWN, True)])
def test_a_record_of_an_approval_says_whether_it_was_withdrawn(result: Result | None, withdrawn: bool) -> None:
    assert approval_body(wait(WaitKind.APPROVAL, result, "training"))["withdrawn"] is withdrawn


def test_what_is_not_over_and_what_was_withdrawn_is_no_fact(world: World) -> None:
    for found in (
        wait(WaitKind.SLOT, OVER),
        wait(WaitKind.TRAINING, WITHDRAWN),
        wait(WaitKind.PROMOTION, None),
        wait(WaitKind.APPROVAL, OVER, "training"),
        wait(WaitKind.APPROVAL, None, "promotion"),
    ):
        assert world.table.park(found, look_due(world.ports, found)) is None
    assert facts_of(world.ports, "run-1") == {"slot": OVER, "approval:training": OVER}


@pytest.mark.parametrize(("characters", "whole"), [(EVENT_KEPT - 2, True), (EVENT_KEPT - 1, False)])
def test_an_event_that_began_nothing_is_kept_as_far_as_an_item_holds_it(characters: int, whole: bool) -> None:
    event = "x" * characters
    assert (json.loads(kept_event(event)) == event) == whole
