"""Answers to waits: the workflow hears once, with evidence and history before, and what was answered stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import pytest

from orchestration import approval_handler
from orchestration.domain.chain import Head
from orchestration.domain.contracts import DueKind, Next, Status, WaitKind
from orchestration.domain.errors import ContentionError, InvalidRequestError, OrchestrationError
from orchestration.domain.switches import KillSwitch
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import deliver, look_due, resolve, settled, take_up
from orchestration.steps.approvals import decide_request
from tests.unit import stories
from tests.unit.fakes import ProcessDiedError, World, person, proven
from tests.unit.stories import do, next_of


def stored(world: World, kind: WaitKind, subject: str = "") -> Wait:
    """A wait of the run as the table has it."""
    wait = world.table.wait("run-1", kind, subject)
    assert wait is not None
    return wait


def dies() -> NoReturn:
    """Lambda kills the process."""
    raise ProcessDiedError


def before_its_answer(world: World, does: Callable[[], object]) -> None:
    """Do something in a process that dies just before it tells the workflow."""
    world.outside.meanwhile("SendTaskSuccess", dies)
    with pytest.raises(ProcessDiedError):
        does()


def parked(world: World, kind: WaitKind, result: Result | None = None) -> Wait:
    """A wait in the table, with the token of a retry and the one before, by itself."""
    now = world.clock().isoformat()
    until = (world.clock() + timedelta(minutes=30)).isoformat()
    wait = Wait(kind, "", "run-1", "fraud", "token", "arn", now, until, until, token_before="before")
    wait = wait if result is None else settled(wait, result)
    assert world.table.park(wait, look_due(world.ports, wait)) is None
    return wait


# By themselves.


@pytest.mark.parametrize(
    ("kind", "outcome", "statuses"),
    [
        (WaitKind.BAKE, Status.PROMOTED, ["PROMOTION_BAKED"]),
        (WaitKind.BAKE, Status.STOPPED, []),
        (WaitKind.PROMOTION, Status.PROMOTED, []),
    ],
)
def test_a_bake_that_held_alone_is_told_as_baked(
    kind: WaitKind, outcome: Status, statuses: list[str], world: World
) -> None:
    deliver(world.ports, parked(world, kind, Result(Next.FINISH, "It held.", outcome)))
    assert world.statuses("run-1") == statuses
    assert next_of(world, "token") == "finish"
    assert stored(world, kind).answered


def test_nothing_is_resolved_when_what_it_was_judged_by_changed(world: World) -> None:
    wait = parked(world, WaitKind.TRAINING)
    assert world.table.throw_switch(KillSwitch("global", "ana", "Incident 7.", world.clock().isoformat()))
    with pytest.raises(ContentionError):
        resolve(world.ports, wait, Result(Next.EVALUATE, "Over."), checks=world.table.switch_checks("fraud"))
    assert not stored(world, WaitKind.TRAINING).resolved


def test_a_wait_that_nobody_parked_gets_no_result(world: World) -> None:
    now = world.clock().isoformat()
    wait = Wait(WaitKind.TRAINING, "", "run-1", "fraud", "token", "arn", now, now, now)
    assert resolve(world.ports, wait, Result(Next.EVALUATE, "Over.")) is False
    assert next_of(world, "token") is None


def test_people_see_a_wait_without_its_token_and_without_the_one_before(world: World) -> None:
    assert parked(world, WaitKind.TRAINING).tokens == ("token", "before")
    assert [wait.tokens for wait in world.table.waits_of_run_without_tokens("run-1")] == [()]
    assert [wait.tokens for wait in world.table.waits_without_tokens()] == [()]


# A bake.


def test_a_bake_that_held_is_in_the_history_with_its_length_and_one_that_did_not_is_not(
    new_world: Callable[..., World],
) -> None:
    world = new_world()
    stories.baking(world)
    world.clock.forward(minutes=31)
    do(world, "sweep")
    assert next_of(world, "bake") == "finish"
    (told,) = world.told("PROMOTION_BAKED")
    assert told.sentence.endswith("1800 s of bake are over.")
    assert world.statuses("run-1")[-1] == "PROMOTION_BAKED"

    world = new_world()
    stories.rejected_by_bake(world)
    assert "PROMOTION_BAKED" not in world.statuses("run-1")


def test_what_is_promoted_without_a_bake_is_not_called_baked(world: World) -> None:
    package = "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/7"
    world.sagemaker.packages[package] = {"ModelPackageArn": package, "ModelApprovalStatus": "PendingManualApproval"}
    stories.accepted(world, output={"model_package_arn": package}, promotion={"kind": "registry"})
    do(world, "promote", token="promotion")
    assert stored(world, WaitKind.PROMOTION).result is not None
    assert "PROMOTION_BAKED" not in world.statuses("run-1")


def test_a_switch_over_everything_that_is_thrown_as_a_bake_is_found_good_ends_it_otherwise(world: World) -> None:
    stories.baking(world)
    world.clock.forward(minutes=31)
    switch = KillSwitch("global", "ana", "Incident 7.", world.clock().isoformat())
    world.outside.meanwhile("TransactWriteItems", lambda: world.table.throw_switch(switch))
    stories.tell_endpoint(world)
    assert next_of(world, "bake") == "roll_back"


# Answered late, or again.


def test_a_retry_whose_predecessor_died_before_its_answer_is_answered_with_evidence_and_history(world: World) -> None:
    stories.baking(world)
    world.clock.forward(minutes=31)
    before_its_answer(world, lambda: stories.tell_endpoint(world))
    world.remove("evidence/fraud/run-1/verification.json")
    assert do(world, "park", kind="bake", token="bake-2") == {"parked": False}
    assert next_of(world, "bake-2") == "finish"
    assert stored(world, WaitKind.BAKE).answered
    assert world.read("evidence/fraud/run-1/verification.json")["answer"]["outcome"] == "PROMOTED"


@pytest.mark.parametrize("kind", [WaitKind.BAKE, WaitKind.APPROVAL])
def test_a_result_whose_record_was_written_over_in_the_table_is_never_answered(kind: WaitKind, world: World) -> None:
    """By who may append to the model's chain: the wait keeps the seal of what was committed."""
    if kind is WaitKind.BAKE:
        stories.baking(world)
        world.clock.forward(minutes=31)
        before_its_answer(world, lambda: stories.tell_endpoint(world))
    else:
        stories.asked(world)
        before_its_answer(world, lambda: stories.approve(world))
    wait = stored(world, kind, "promotion" if kind is WaitKind.APPROVAL else "")
    assert wait.record is not None
    link = world.table.link("fraud", wait.record)
    assert link is not None
    forged = replace(link, record=link.record.replace("fraud", "freud"))
    (write, *_) = world.table.chain_writes(Head("fraud", wait.record - 1), (forged,))[1:]
    world.database.put_item(**write["Put"])
    with pytest.raises(OrchestrationError, match="is not the one that was committed"):
        deliver(world.ports, wait)
    with pytest.raises(OrchestrationError, match="is not the one that was committed"):
        take_up(world.ports, wait, "a retry's")
    assert next_of(world, wait.tokens[0]) is None
    assert next_of(world, "a retry's") is None


@pytest.mark.parametrize("kind", [WaitKind.SLOT, WaitKind.APPROVAL])
def test_a_retry_of_what_was_answered_is_answered_too_and_leaves_when_that_was(kind: WaitKind, world: World) -> None:
    if kind is WaitKind.APPROVAL:
        stories.asked(world)
        stories.approve(world)
    else:
        stories.with_slot(world)
    before = {key: dict(item) for key, item in world.database.items.items() if key[0].endswith("#run-1")}
    world.clock.forward(minutes=1)
    subject = "promotion" if kind is WaitKind.APPROVAL else ""
    assert do(world, "park", kind=str(kind), subject=subject, token="again") == {"parked": False}
    assert next_of(world, "again") == ("promote" if kind is WaitKind.APPROVAL else "train")
    assert {key: world.database.items[key] for key in before} == before


def test_a_second_ballot_brings_the_first_ones_decision_to_the_workflow_when_its_process_died(world: World) -> None:
    stories.asked(world)
    before_its_answer(world, lambda: stories.approve(world))
    assert next_of(world, "approval") is None
    late = stories.approve(world, by="bob")
    assert (late["decided"], late["code"]) == (False, "DECIDED_BEFORE")
    assert next_of(world, "approval") == "promote"


def test_a_sweep_that_brings_a_decision_to_the_workflow_makes_up_for_something_lost(world: World) -> None:
    stories.asked(world)
    before_its_answer(world, lambda: stories.approve(world))
    world.clock.forward(minutes=5)
    assert do(world, "sweep")["repairs"]["approval_delivered"] == 1
    assert next_of(world, "approval") == "promote"


def test_a_sweep_that_brings_a_result_to_the_workflow_makes_up_for_something_lost(world: World) -> None:
    stories.decided(world)
    before_its_answer(world, lambda: do(world, "park", kind="slot", token="slot"))
    world.clock.forward(minutes=5)
    assert do(world, "sweep")["repairs"]["wait_answered"] == 1
    assert next_of(world, "slot") == "train"


def test_an_extra_look_at_what_was_answered_makes_up_for_nothing(world: World) -> None:
    stories.with_slot(world)
    over = stored(world, WaitKind.SLOT)
    assert over.answered
    world.table.add_due(look_due(world.ports, over))
    world.clock.forward(minutes=5)
    assert "wait_answered" not in do(world, "sweep")["repairs"]
    assert world.due(DueKind.LOOK) == []


def test_a_refusal_that_comes_after_the_retry_went_on_is_what_the_retry_is_told(world: World) -> None:
    stories.with_slot(world)

    def retry() -> None:
        world.table.lift_switch("global")
        do(world, "train", token="retry")

    switch = KillSwitch("global", "ana", "Incident 7.", world.clock().isoformat())
    assert world.table.throw_switch(switch)
    world.outside.meanwhile("TransactWriteItems", retry)
    do(world, "train", token="slow")
    result = stored(world, WaitKind.TRAINING).result
    assert result is not None
    assert result.outcome == "STOPPED"
    assert next_of(world, "retry") == result.next


def test_an_extra_step_of_an_approval_that_was_answered_makes_up_for_nothing(world: World) -> None:
    stories.asked(world)
    (item,) = world.due(DueKind.LADDER)
    stories.approve(world)
    world.table.add_due(item)
    world.clock.forward(hours=30)
    assert "approval_delivered" not in do(world, "sweep")["repairs"]
    assert world.due(DueKind.LADDER) == []


def test_a_retry_of_what_is_resolved_as_it_comes_is_answered_with_that(world: World) -> None:
    wait = parked(world, WaitKind.TRAINING)
    over = settled(wait, Result(Next.EVALUATE, "Over."))
    world.outside.meanwhile("UpdateItem", lambda: world.table.resolve_wait(over, look_due(world.ports, over)))
    assert take_up(world.ports, wait, "again") is None
    assert next_of(world, "again") == "evaluate"


# Asked about.


def test_what_is_decided_without_naming_it_is_what_is_open(world: World) -> None:
    always = {"training": "always", "promotion": "always"}
    approve = {"warning": "approve", "critical": "approve"}
    stories.decided(world, approval=always, actions=approve)
    do(world, "park", kind="approval", subject="training", token="first")
    assert stories.approve(world)["subject"] == "training"
    do(world, "park", kind="approval", subject="promotion", token="second")
    answer = stories.approve(world)
    assert (answer["decided"], answer["subject"]) == (True, "promotion")


def test_a_yes_is_told_with_who_said_so_how_and_why(world: World) -> None:
    stories.asked(world)
    ballot = {"action": "decide", "run_id": "run-1", "decision": "APPROVED", "comment": "Looks sound."}
    approval_handler.run_action(proven(ballot, "ana", world.clock()), world.ports)
    (told,) = world.told("PROMOTION_APPROVED")
    facts = dict(told.facts)
    assert (facts["by"], facts["how"], facts["comment"]) == (person("ana"), "terminal", "Looks sound.")
    assert facts["evidence"] == world.bucket.uri("evidence/fraud/run-1/approval-promotion.json")


def test_the_first_of_two_is_told_at_once(world: World) -> None:
    stories.asked(world, approval={"training": "never", "promotion": "always", "approvals_needed": 2})
    assert stories.approve(world)["counted"]
    (told,) = world.told("APPROVAL_COUNTED")
    assert told.sentence.startswith(f"{person('ana')} approved the promotion of fraud.")


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_id": None},
        {"decision": None},
        {"decision": "PERHAPS"},
        {"subject": "slot"},
    ],
)
def test_a_ballot_that_lacks_what_it_needs_is_refused(wrong: dict[str, str | None], world: World) -> None:
    ballot = {"run_id": "run-1", "decision": "REJECTED", **wrong}
    with pytest.raises(InvalidRequestError, match="A decision needs run_id, and decision"):
        decide_request(ballot, world.ports)
