"""Ballots: which of them count, what is kept of them, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from orchestration.domain.chain import Record, RecordKind, chained
from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.due import APPROVALS, GRACE, due
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.messages import how_to_decide
from orchestration.domain.policy import parse_policy
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.votes import BEARER, COMMENT_LIMIT, Answer, ApprovalDecision, Ruling, Via, VoteCode
from orchestration.domain.wait import Wait
from orchestration.settings import ApprovalAccess
from orchestration.steps.approvals import (
    Ballot,
    BallotAnswer,
    climb,
    decide,
    decide_request,
    deliver,
    ruled,
    who_decides,
    withdrawn,
)
from orchestration.steps.due_work import DONE, Worked, later
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import NOON, SETTINGS, World, person, proven
from tests.unit.stories import ENDPOINT, OLD, candidate, do, next_of

ASKS = {"warning": "approve", "critical": "approve"}


def asked(world: World, needed: int = 1) -> None:
    """People are asked about the training of the run, with two messages: the question and a reminder."""
    stories.decided(world, approval={"training": "always", "approvals_needed": needed}, actions=ASKS)
    do(world, "park", kind="approval", subject="training", token="token")
    world.clock.forward(hours=5)
    do(world, "sweep")
    assert len(world.told("APPROVAL_REMINDED")) == 1


def over(world: World) -> None:
    run = world.table.run("run-1")
    assert run is not None
    assert world.table.close_run(replace(run, outcome="STOPPED", ended_at=run.started_at), [])


def wait_of(world: World, subject: str = "training") -> Wait:
    wait = world.table.wait("run-1", WaitKind.APPROVAL, subject)
    assert wait is not None
    return wait


def by_link(world: World, number: int = 0, answer: Answer = Answer.APPROVED, **more: Any) -> BallotAnswer:
    nonce = f"nonce-{number}".ljust(43, "A")
    return decide(world.ports, Ballot("run-1", answer, None, Via.LINK, nonce=nonce, **more))


@pytest.fixture
def linked(new_world: Callable[..., World]) -> World:
    """A stack with links whose run asks one person."""
    world = new_world(approval_access=ApprovalAccess.LINK)
    asked(world)
    return world


# Links.


def test_every_message_of_an_approval_has_a_link_of_its_own_and_an_approval_is_decided_once(linked: World) -> None:
    assert len(wait_of(linked).data["nonces"]) == 2
    assert by_link(linked).code is VoteCode.DECIDED
    assert by_link(linked, 1).code is VoteCode.DECIDED_BEFORE
    assert by_link(linked, 2).code is VoteCode.LINK_INVALID
    assert [vote["by"] for vote in wait_of(linked).data["votes"]] == [BEARER]


@pytest.mark.parametrize(("via", "what"), [(Via.LINK, "link"), (Via.CHANNEL, "button")])
def test_whoever_comes_with_a_secret_of_no_message_is_told_that_it_is_not_valid(
    via: Via, what: str, linked: World
) -> None:
    answer = decide(linked.ports, Ballot("run-1", Answer.APPROVED, None, via, nonce="n" * 43))
    assert answer == BallotAnswer(VoteCode.LINK_INVALID, f"This {what} is not valid.")


@pytest.mark.parametrize(
    ("subject", "code"),
    [(None, VoteCode.DECIDED), ("training", VoteCode.DECIDED), ("promotion", VoteCode.LINK_INVALID)],
)
def test_a_link_decides_what_it_was_sent_for_and_nothing_else(
    subject: str | None, code: VoteCode, linked: World
) -> None:
    assert by_link(linked, subject=subject).code is code


def test_where_two_have_to_approve_a_link_only_rejects(new_world: Callable[..., World]) -> None:
    world = new_world(approval_access=ApprovalAccess.LINK)
    asked(world, needed=2)
    assert by_link(world).code is VoteCode.NAME_NEEDED
    assert wait_of(world).data["votes"] == []
    assert by_link(world, answer=Answer.REJECTED).code is VoteCode.DECIDED


# Answers.


def test_a_ballot_that_decides_is_counted_too(world: World) -> None:
    asked(world)
    answer = stories.approve(world)
    reason = answer.pop("reason")
    assert answer == {"decided": True, "counted": True, "code": "DECIDED", "subject": "training", "model": "fraud"}
    late = stories.approve(world, by="bob")
    assert (late["counted"], late["code"]) == (False, "DECIDED_BEFORE")
    assert late["reason"] == f"The training was decided before: {reason}"


def test_a_vote_on_what_the_release_before_asked_is_counted(world: World) -> None:
    asked(world)
    wait = wait_of(world)
    later = ("asked_by", "voters", "requested")
    kept = {name: value for name, value in wait.data.items() if name not in later}
    assert world.table.change_wait(wait, replace(wait, data=kept))
    assert stories.approve(world)["decided"]


@pytest.mark.parametrize(
    ("signal", "requested"),
    [
        ({"kind": "request"}, True),
        ({"kind": "drift", "asked_by": [person("ana")]}, True),
        ({"kind": "drift"}, False),
    ],
    ids=["by nobody known", "before the drift", "by nobody"],
)
def test_a_run_that_somebody_asked_for_is_known_as_such_whoever_it_was(signal: dict[str, Any], requested: bool) -> None:
    policy = parse_policy("fraud", b'{"schema_version": 1, "model": "fraud"}', version="v1", settings=SETTINGS)
    assert who_decides({"signal": signal}, policy)["requested"] is requested


@pytest.mark.parametrize("swept", [True, False], ids=["escalated", "nobody swept"])
def test_a_deputy_answers_once_it_is_time_to_escalate_whether_or_not_anybody_came_by(swept: bool, world: World) -> None:
    approval = {
        "training": "always",
        "remind_hours": 4,
        "escalate_hours": 8,
        "deputies": [person("cleo")],
        "expire_hours": 24,
    }
    stories.decided(world, approval=approval, voters=[person("ana")], actions=ASKS)
    do(world, "park", kind="approval", subject="training", token="token")
    world.clock.forward(hours=8, seconds=-1)
    early = stories.approve(world, by="cleo")
    assert (early["code"], early["counted"]) == ("TOO_EARLY", False)
    assert wait_of(world).data["votes"] == []
    world.clock.forward(seconds=1)
    if swept:
        do(world, "sweep")
        (escalation,) = world.told("APPROVAL_ESCALATED")
        assert f"{person('cleo')} (now too)" in escalation.text()
    assert stories.approve(world, by="cleo")["code"] == "DECIDED"
    (vote,) = wait_of(world).data["votes"]
    assert vote["deputy"] is True
    assert next_of(world, "token") == "train"


def test_a_pause_that_is_recorded_as_the_end_of_the_chain_is_read_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes after that has the vote counted again; what came before is seen."""
    asked(world)
    head = world.table.chain_head

    def after_a_pause(chain: str) -> Any:
        monkeypatch.setattr(world.table, "chain_head", head)
        stories.operate(world, "pause", scope="model:fraud", reason="Incident 7.")
        return head(chain)

    monkeypatch.setattr(world.table, "chain_head", after_a_pause)
    assert stories.approve(world)["code"] == "PAUSED"


def test_who_comes_after_the_expiry_is_told_of_it(world: World) -> None:
    asked(world)
    deadline = wait_of(world).deadline
    world.clock.forward(hours=30)
    do(world, "sweep")
    result = wait_of(world).result
    assert result is not None
    assert result.ruling is not None
    assert result.ruling.decided_at == deadline, "its time was over then, however late a sweep comes"
    late = stories.approve(world)
    assert (late["decided"], late["code"]) == (False, "EXPIRED")


def test_an_expiry_reaches_the_token_that_a_retry_brought_while_it_was_decided(world: World) -> None:
    asked(world)
    world.clock.forward(hours=30)
    (item,) = world.due(DueKind.LADDER)
    world.outside.meanwhile("TransactWriteItems", lambda: world.table.swap_token(wait_of(world), "again"))
    assert climb(world.ports, item) == Worked(repair="approval_advanced")
    assert next_of(world, "again") == "record"


@pytest.mark.parametrize("kind", sorted(set(WaitKind) - {WaitKind.APPROVAL}))
def test_what_is_no_approval_has_no_ladder_whoever_asks_for_one(kind: WaitKind, world: World) -> None:
    wait = Wait(kind, "", "run-1", "fraud", "token", "arn", NOON.isoformat(), NOON.isoformat(), NOON.isoformat())
    assert world.table.park(wait, due(DueKind.LOOK, wait.wait_id, "fraud", NOON)) is None
    assert climb(world.ports, due(DueKind.LADDER, wait.wait_id, "fraud", NOON)) == DONE


def test_an_approval_that_points_at_another_record_brings_it_into_no_bucket_and_its_run_no_further(
    world: World,
) -> None:
    asked(world)
    head = world.table.chain_head("fraud")
    forged = Record(RecordKind.OUTCOME, "evidence/fraud/run-1/outcome.json", {"outcome": "PROMOTED"})
    (link,) = links = chained(head, forged)
    world.table._transact(world.table.chain_writes(head, links))
    yes = ruled(Ruling(ApprovalDecision.APPROVED, NOON.isoformat(), "ana"), "Yes.", "training")
    with pytest.raises(OrchestrationError, match="nothing was written"):
        deliver(world.ports, replace(wait_of(world), result=yes, record=link.sequence, seal=link.seal))
    assert link.key not in world.keys("evidence/")
    assert next_of(world, "token") is None


@pytest.mark.parametrize(("needed", "status"), [(1, "TRAINING_APPROVED"), (2, "APPROVAL_COUNTED")])
def test_what_no_channel_took_of_a_vote_is_due_where_its_function_may_write_and_told_by_a_sweep(
    needed: int, status: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> NoReturn:
        raise client_error("InternalError")

    asked(world, needed)
    with monkeypatch.context() as patched:
        patched.setattr(world.channels, "tell", fails)
        terminal(world)
    assert [item.partition for item in world.due(DueKind.TELL)] == [APPROVALS]
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert len(world.told(status)) == 1


@pytest.mark.parametrize(("outcome", "said"), [(None, "FAILED"), ("STOPPED", "STOPPED")])
def test_what_is_withdrawn_says_how_its_run_ended(outcome: str | None, said: str, world: World) -> None:
    asked(world)
    result = withdrawn(wait_of(world), outcome, NOON)
    assert (result.outcome, result.withdrawn) == (said, True)
    assert result.reason == f"Run run-1 ended {said} before anybody decided."


def test_a_yes_needs_a_manifest_to_be_a_yes_to(world: World) -> None:
    asked(world)
    world.remove("manifests/fraud/run-1.json")
    assert stories.approve(world)["code"] == "PLAN_CHANGED"


def test_no_vote_is_counted_about_a_run_that_has_its_outcome(world: World) -> None:
    asked(world)
    over(world)
    assert stories.approve(world)["code"] == "RUN_OVER"
    assert wait_of(world).data["votes"] == []


def test_a_decision_reaches_the_token_that_a_retry_brought_while_it_was_made(world: World) -> None:
    asked(world)
    world.outside.meanwhile("TransactWriteItems", lambda: world.table.swap_token(wait_of(world), "again"))
    assert stories.approve(world)["decided"]
    assert next_of(world, "again") == "train"


def test_of_two_who_have_to_approve_the_other_is_told_how(world: World) -> None:
    """By the sweep that is asked for with the vote: the function that people reach may not publish to those who act."""
    asked(world, needed=2)
    assert terminal(world)["counted"]
    assert world.told("APPROVAL_COUNTED") == []
    assert world.keys("evidence/fraud/run-1/approval-training-vote-1.json")
    assert world.channels.sweeps_requested == 1
    do(world, "sweep")
    (told,) = world.told("APPROVAL_COUNTED")
    assert told.asks
    assert not told.escalates
    assert told.next_steps == how_to_decide(world.ports.settings.speaker, "run-1", "training")
    assert dict(told.facts) == {"run": "run-1", "deadline": "2026-03-03 12:00 UTC"}
    assert told.thread == "run-1"


def test_nobody_is_asked_for_one_more_approval_after_it_came(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> NoReturn:
        raise client_error("InternalError")

    asked(world, needed=2)
    with monkeypatch.context() as patched:
        patched.setattr(world.channels, "tell", fails)
        assert terminal(world)["counted"]
    assert stories.approve(world, by="zoe")["decided"]
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert world.told("APPROVAL_COUNTED") == []
    assert world.keys("evidence/fraud/run-1/approval-training-vote-1.json")


# What people are shown.


def test_people_who_are_asked_to_promote_see_what_was_judged_and_where_it_is_to_serve(world: World) -> None:
    stories.asked(world)
    data = wait_of(world, "promotion").data
    verdict = world.table.candidate_verdict("run-1")
    assert verdict is not None
    assert data["versions"] == verdict.versions
    assert data["verdict"]["promotion"] == {
        "kind": "endpoint",
        "endpoint": ENDPOINT,
        "previous_config": OLD,
        "wanted_config": candidate(world),
    }


def test_people_who_are_asked_see_the_runs_of_the_budgets_days(world: World) -> None:
    starts = [NOON - timedelta(days=30), NOON - timedelta(days=30, microseconds=-1)]
    world.table.save_model(StoredModel("fraud", run_starts=tuple(start.isoformat() for start in starts)))
    approval = {"training": "always"}
    stories.decided(world, approval=approval, actions=ASKS, budget={"runs": 4, "days": 30}, cooldown_hours=0)
    do(world, "park", kind="approval", subject="training", token="token")
    assert wait_of(world).data["budget"] == {"used": 2, "runs": 4, "days": 30}


# From a terminal.


def terminal(world: World, decision: str = "APPROVED", **more: Any) -> dict[str, Any]:
    request = {"run_id": "run-1", "decision": decision, **more}
    return decide_request(proven(request, "ana", world.clock()), world.ports)


def test_a_ballot_may_name_what_it_decides(world: World) -> None:
    asked(world)
    assert terminal(world, subject="promotion")["code"] == "UNKNOWN"
    assert terminal(world, subject="training")["decided"]


def test_who_says_nothing_more_than_yes_leaves_no_comment(world: World) -> None:
    asked(world)
    assert terminal(world)["reason"] == f"Approved by {person('ana')}."
    (told,) = world.told("TRAINING_APPROVED")
    assert dict(told.facts)["comment"] == "none"


def test_a_comment_may_be_as_long_as_it_is_kept(world: World) -> None:
    asked(world)
    assert terminal(world, comment="x" * COMMENT_LIMIT)["decided"]


def test_a_no_is_in_the_history_as_the_end_of_its_run_only(world: World) -> None:
    asked(world)
    before = world.statuses("run-1")
    assert terminal(world, "REJECTED")["decided"]
    assert world.statuses("run-1") == before
    assert next_of(world, "token") == "record"


# The ladder.


def test_each_step_is_kept_with_its_time_and_the_next_one_is_due_at_its_own(world: World) -> None:
    asked(world)
    reminded_at = world.clock().isoformat()
    ladder = wait_of(world).data["ladder"]
    assert ladder["taken"] == [{"step": "remind", "at": reminded_at}]
    escalates_at = (NOON + timedelta(hours=ladder["escalate_hours"])).isoformat()
    assert (wait_of(world).step, wait_of(world).next_step_at) == (1, escalates_at)
    world.clock.forward(hours=4)
    assert do(world, "sweep")["repairs"]["approval_advanced"] == 1
    assert [taken["step"] for taken in wait_of(world).data["ladder"]["taken"]] == ["remind", "escalate"]
    assert wait_of(world).next_step_at == wait_of(world).deadline


def test_a_decision_after_a_reminder_leaves_no_step_to_come_but_its_own_look(world: World) -> None:
    asked(world)
    assert [item.due_at for item in world.due(DueKind.LADDER)] == [wait_of(world).next_step_at]
    assert stories.approve(world)["decided"]
    assert [item.due_at for item in world.due(DueKind.LADDER)] == [(world.clock() + GRACE).isoformat()]


def test_what_is_asked_about_a_run_that_is_over_is_withdrawn_by_its_next_step(world: World) -> None:
    asked(world)
    over(world)
    world.clock.forward(hours=4)
    assert do(world, "sweep")["repairs"]["approval_withdrawn"] == 1
    result = wait_of(world).result
    assert result is not None
    assert (result.withdrawn, result.outcome) == (True, "STOPPED")
    assert world.due(DueKind.LADDER) == []


@pytest.mark.parametrize(("happens", "hours"), [(over, 4), (lambda _: None, 4), (lambda _: None, 30)])
def test_a_step_that_meets_another_write_is_due_at_once(
    happens: Callable[[World], None], hours: int, world: World
) -> None:
    asked(world)
    happens(world)
    world.clock.forward(hours=hours)
    (item,) = world.due(DueKind.LADDER)

    def rival() -> None:
        assert world.table.change_wait(wait_of(world), wait_of(world))

    world.outside.meanwhile("TransactWriteItems", rival)
    assert climb(world.ports, item) == later(item, world.clock())
    assert not wait_of(world).resolved
    assert world.told("APPROVAL_ESCALATED") == []
