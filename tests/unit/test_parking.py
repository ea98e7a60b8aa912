"""Parking: what a wait of the workflow keeps, when it is due, and what is answered at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration.domain.contracts import DueKind, Next, WaitKind
from orchestration.domain.due import GRACE
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.slots import Holder, SlotLedger, Waiter
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due, settled
from tests.unit.fake_services import Endpoint
from tests.unit.fakes import NOON, World
from tests.unit.stories import ALARM, ENDPOINT, do, next_of
from tests.unit.test_evaluating import pinned
from tests.unit.test_looking import ENDPOINT_PLAN, NEW

AT = NOON.isoformat()


def park(world: World, kind: str, subject: str | None = None) -> dict[str, Any]:
    return do(world, "park", kind=kind, subject=subject, token="token")


def parked(world: World, kind: WaitKind, subject: str = "") -> Wait:
    found = world.table.wait("run-1", kind, subject)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (None, None),
        ("training", None),
        ("promotion", "promotion"),
        ("rollback", None),
        ("approval", None),
        ("approval", "slot"),
        ("slots", "training"),
    ],
)
def test_what_the_workflow_does_not_park_is_refused(kind: Any, subject: str | None, world: World) -> None:
    pinned(world)
    with pytest.raises(InvalidRequestError, match="A park request names kind slot, bake, or approval"):
        park(world, kind, subject)


@pytest.mark.parametrize("subject", [None, "training"])
def test_a_run_that_has_to_wait_for_its_slot_is_told_of_with_its_severity(subject: str | None, world: World) -> None:
    pinned(world)
    taken = SlotLedger((Holder("run-7", "risk", 1, AT),), 1)
    assert world.table.save_slots(taken, [], [])
    assert park(world, "slot", subject) == {"parked": True}
    wait = parked(world, WaitKind.SLOT)
    assert (wait.subject, wait.deadline, wait.next_step_at) == (
        subject or "",
        *[(NOON + timedelta(days=30)).isoformat()] * 2,
    )
    assert world.statuses("run-1") == ["RETRAINING_DECIDED", "TRAINING_QUEUED"]
    (told,) = world.told("TRAINING_QUEUED")
    assert told.sentence.lower().endswith("the run is in the queue.")
    assert [waiter.run_id for waiter in world.table.queue()] == ["run-1"]


def test_who_comes_later_waits_behind_whoever_is_there_though_its_clock_is_behind(world: World) -> None:
    pinned(world)
    first = Waiter("run-0", "churn", (NOON + timedelta(minutes=1)).isoformat())
    taken = SlotLedger((Holder("run-7", "risk", 1, AT),), 1)
    assert world.table.save_slots(taken, [], [world.table.queue_write(first)])
    assert park(world, "slot") == {"parked": True}
    before, mine = world.table.queue()
    assert (before, mine.run_id) == (first, "run-1")
    # By which it is taken out of the queue when its run is over.
    assert parked(world, WaitKind.SLOT).parked_at == mine.since


def test_a_run_that_has_its_slot_at_once_never_queued(world: World) -> None:
    pinned(world)
    assert park(world, "slot") == {"parked": True}
    assert next_of(world, "token") == "train"
    assert world.told("TRAINING_QUEUED") == []


# Asking people.


def with_facts(world: World) -> None:
    pinned(world)
    verdict = CandidateVerdict(Result(Next.ASK, "It passed its gates."), {"gates": []}, plan=ENDPOINT_PLAN)
    assert world.table.store_candidate_verdict("run-1", verdict, [])
    wait = Wait(WaitKind.BAKE, "", "run-1", "fraud", "bake", "arn", AT, AT, AT)
    bake = settled(replace(wait, data={"since": AT, "sequence": 0}), Result(Next.ASK, "Nobody knows."))
    assert world.table.park(bake, look_due(world.ports, bake)) is None


@pytest.mark.parametrize(
    ("subject", "why"), [("training", "It drifted."), ("promotion", "It passed its gates."), ("bake", "Nobody knows.")]
)
def test_people_are_asked_with_the_fact_that_made_the_loop_ask(subject: str, why: str, world: World) -> None:
    with_facts(world)
    assert park(world, "approval", subject) == {"parked": True}
    wait = parked(world, WaitKind.APPROVAL, subject)
    assert wait.data["why"] == why
    assert wait.deadline == (NOON + timedelta(hours=24)).isoformat()
    assert wait.next_step_at == (NOON + timedelta(hours=4)).isoformat()
    assert [item.due_at for item in world.due(DueKind.LADDER)] == [wait.next_step_at]
    looks = [item.subject for item in world.due(DueKind.LOOK) if "approval" in item.subject]
    assert looks == ([wait.wait_id] if subject == "bake" else [])
    (told,) = world.told(f"{subject.upper()}_APPROVAL_REQUESTED")
    assert why in told.sentence


@pytest.mark.parametrize(
    ("subject", "bakes", "why"),
    [
        ("promotion", False, "the policy asks for it"),
        ("bake", False, "the bake said nothing"),
        ("bake", True, "the bake said nothing"),
    ],
)
def test_people_are_asked_without_a_fact_too(subject: str, bakes: bool, why: str, world: World) -> None:
    pinned(world)
    if bakes:
        bake = Wait(WaitKind.BAKE, "", "run-1", "fraud", "bake", "arn", AT, AT, AT)
        assert world.table.park(bake, look_due(world.ports, bake)) is None
    park(world, "approval", subject)
    assert parked(world, WaitKind.APPROVAL, subject).data["why"] == why


# A bake.


def promoted(world: World, bake_seconds: int = 1800) -> dict[str, Any]:
    """A candidate that serves, and what its promotion keeps for the bake."""
    pinned(world)
    plan = replace(ENDPOINT_PLAN, bake_seconds=bake_seconds)
    verdict = CandidateVerdict(Result(Next.PROMOTE, "It passed."), {"gates": []}, plan=plan)
    assert world.table.store_candidate_verdict("run-1", verdict, [])
    world.sagemaker.endpoints[ENDPOINT] = Endpoint(NEW)
    data = {"sequence": 7, "since": AT, "why": "candidate's config", "names": ["endpoint:elsewhere"]}
    wait = Wait(WaitKind.PROMOTION, "", "run-1", "fraud", "promotion", "arn", AT, AT, AT, data=data)
    assert world.table.park(wait, look_due(world.ports, wait)) is None
    return data


def test_a_bake_is_counted_from_its_promotion_and_lasts_as_long_as_its_plan_says(world: World) -> None:
    data = promoted(world)
    world.clock.forward(minutes=1)
    assert park(world, "bake") == {"parked": True}
    wait = parked(world, WaitKind.BAKE)
    names = [f"endpoint:{ENDPOINT}", f"alarm:{ALARM}"]
    assert wait.data == {**data, "names": names}
    assert wait.deadline == wait.next_step_at == (NOON + timedelta(minutes=31)).isoformat()
    assert [world.table.waiting_for(name) for name in names] == [["run-1:bake"]] * 2
    (item,) = [item for item in world.due(DueKind.LOOK) if item.subject == "run-1:bake"]
    assert item.due_at == (world.clock() + GRACE).isoformat()


def test_a_short_bake_is_looked_at_when_it_is_over(world: World) -> None:
    promoted(world, bake_seconds=10)
    park(world, "bake")
    (item,) = [item for item in world.due(DueKind.LOOK) if item.subject == "run-1:bake"]
    assert item.due_at == (NOON + timedelta(seconds=10)).isoformat()


def test_what_speaks_against_a_candidate_as_its_bake_begins_ends_it_at_once(world: World) -> None:
    promoted(world)
    world.alarms.states[ALARM] = "ALARM"
    assert park(world, "bake") == {"parked": True}
    assert next_of(world, "token") == "roll_back"


def test_nothing_is_baked_that_was_not_promoted(world: World) -> None:
    pinned(world)
    with pytest.raises(InvalidRequestError, match="has promoted nothing"):
        park(world, "bake")
