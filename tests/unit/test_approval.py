"""Approvals: the ladder, the votes, the nonces. No clock, no service."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.contracts import Next, WaitKind
from orchestration.domain.records import sha256
from orchestration.domain.switches import KillSwitch
from orchestration.domain.times import duration
from orchestration.domain.votes import (
    BEARER,
    CHANNEL,
    Answer,
    ApprovalDecision,
    Ladder,
    LadderAction,
    MayAnswer,
    Ruling,
    Via,
    Vote,
    VoteCode,
    VoteVerdict,
    approvals_needed,
    clean_comment,
    count_vote,
    matches_nonce,
    next_step,
    nobody_left,
    nonce_hash,
    refused_unnamed,
    unweighable,
)
from orchestration.domain.wait import Wait
from orchestration.steps.approvals import ruled

ASKED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LADDER = Ladder.start(ASKED, {"remind_hours": 4, "escalate_hours": 8, "expire_hours": 24})
NEVER = {"remind_hours": 1, "escalate_hours": 3, "expire_hours": 3}
"""A ladder on which no deputy's time comes."""

ADA, GRACE = "arn:aws:iam::111122223333:user/ada", "arn:aws:iam::111122223333:user/grace"
PAUSED = KillSwitch("model:fraud", "ops", "Incident 7.", ASKED.isoformat())


def after(hours: float) -> datetime:
    return ASKED + timedelta(hours=hours)


def vote(by: str = ADA, answer: Answer = Answer.APPROVED, comment: str = "", via: Via = Via.IAM) -> Vote:
    return Vote(answer, by, via, comment, after(1).isoformat())


@pytest.mark.parametrize(
    ("said", "needed"), [(1, 1), (2, 2), ("1", 1), (None, 2), (0, 2), (3, 2), (-1, 2), ("two", 2), (True, 2)]
)
def test_where_it_is_not_said_as_many_have_to_approve_as_a_policy_can_ask_for(said: Any, needed: int) -> None:
    assert approvals_needed({"approvals_needed": said}) == needed
    assert approvals_needed({}) == 2


@pytest.mark.parametrize(
    ("data", "lacking"),
    [
        ({}, None),
        ({"votes": None}, "votes"),
        ({"votes": [{"no": "vote"}]}, "votes"),
        ({"ladder": None}, "ladder"),
        ({"ladder": {}}, "ladder"),
        ({"votes": None, "ladder": 7}, "ladder, votes"),
    ],
)
def test_an_approval_that_lacks_what_counting_needs_cannot_be_counted(
    data: dict[str, Any], lacking: str | None
) -> None:
    times = (ASKED.isoformat(), after(24).isoformat(), after(4).isoformat())
    whole = {"votes": [], "ladder": {"remind_hours": 4, "escalate_hours": 8, "expire_hours": 24}}
    wait = Wait(WaitKind.APPROVAL, "training", "run-1", "fraud", "token", "arn", *times, data={**whole, **data})
    said = unweighable(wait)
    assert said is None if lacking is None else f"is not whole ({lacking})," in str(said)


class TestLadder:
    @pytest.mark.parametrize(
        ("hours", "step", "action", "taken", "next_hours"),
        [
            (0, 0, LadderAction.NOTHING, 0, 4),
            (3.99, 0, LadderAction.NOTHING, 0, 4),
            (4, 0, LadderAction.REMIND, 1, 8),
            (7, 1, LadderAction.NOTHING, 1, 8),
            (8, 1, LadderAction.ESCALATE, 2, 24),
            (8, 0, LadderAction.ESCALATE, 2, 24),
            (23.99, 2, LadderAction.NOTHING, 2, 24),
            (24, 2, LadderAction.EXPIRE, 3, 24),
            (24, 0, LadderAction.EXPIRE, 3, 24),
            (240, 1, LadderAction.EXPIRE, 3, 24),
        ],
    )
    def test_the_last_step_that_is_due_is_taken(
        self, hours: float, step: int, action: LadderAction, taken: int, next_hours: float
    ) -> None:
        due = next_step(LADDER, step, after(hours))

        assert (due.action, due.step) == (action, taken)
        assert due.next_at == after(next_hours)

    def test_an_approval_whose_steps_fall_together_expires_without_a_message_before(self) -> None:
        ladder = Ladder.start(ASKED, {"remind_hours": 2, "escalate_hours": 2, "expire_hours": 2})

        assert next_step(ladder, 0, after(1)).next_at == after(2)
        assert next_step(ladder, 0, after(2)).action is LadderAction.EXPIRE

    def test_every_step_says_why(self) -> None:
        assert "20 h 0 min are left" in next_step(LADDER, 0, after(4)).sentence
        assert next_step(LADDER, 2, after(24)).sentence == "Nobody decided until 2026-03-03 09:00 UTC, which means no."

    def test_expiry_is_a_no_that_nobody_gave(self) -> None:
        outcomes = {"training": "APPROVAL_EXPIRED", "promotion": "APPROVAL_EXPIRED", "bake": "ROLLED_BACK"}
        for subject, outcome in outcomes.items():
            result = ruled(Ruling(ApprovalDecision.EXPIRED, "2026-03-02"), "Nobody decided.", subject)
            assert (result.outcome, result.next in {Next.RECORD, Next.FINISH, Next.ROLL_BACK}) == (outcome, True)

    @given(
        gaps=st.tuples(*[st.floats(0.01, 100)] * 3),
        looks=st.lists(st.floats(0, 400), min_size=1, max_size=30).map(sorted),
    )
    def test_however_often_somebody_looks_each_step_comes_once_and_in_order(
        self, gaps: tuple[float, float, float], looks: list[float]
    ) -> None:
        remind, escalate, expire = gaps[0], gaps[0] + gaps[1], sum(gaps)
        ladder = Ladder.start(ASKED, {"remind_hours": remind, "escalate_hours": escalate, "expire_hours": expire})
        step, taken = 0, []
        for hours in looks:
            due = next_step(ladder, step, after(hours))
            if due.action is LadderAction.NOTHING:
                assert due.step == step
                continue
            assert due.step > step
            step = due.step
            taken.append(due.action)
            if due.action is LadderAction.EXPIRE:
                break
        assert taken == sorted(set(taken), key=list(LadderAction).index)
        assert (LadderAction.EXPIRE in taken) == (after(looks[-1]) >= ladder.expire_at)


def counted(
    votes: list[Vote],
    new: Vote,
    *,
    needed: int = 1,
    hours: float = 1,
    paused: KillSwitch | None = None,
    asked_by: tuple[str, ...] = (),
    refused: str | None = None,
    voters: tuple[str, ...] = (),
    deputies: tuple[str, ...] = (),
) -> VoteVerdict:
    return count_vote(
        votes,
        new,
        needed=needed,
        asked_by=asked_by,
        refused=refused,
        may_answer=MayAnswer(voters, deputies, after(8)),
        deadline=after(24),
        now=after(hours),
        paused=paused,
    )


class TestVotes:
    def test_one_approval_decides_when_one_is_needed(self) -> None:
        verdict = counted([], vote(comment="looks sound\nto me"))

        assert verdict.code is VoteCode.DECIDED
        assert verdict.ruling == Ruling(
            ApprovalDecision.APPROVED, after(1).isoformat(), by=ADA, comment="looks sound\nto me"
        )
        assert verdict.sentence == f"Approved by {ADA}. Comment: looks sound to me."

    def test_two_different_people_decide_when_two_are_needed(self) -> None:
        first = counted([], vote(ADA), needed=2)
        second = counted(list(first.votes), vote(GRACE), needed=2)

        assert (first.code, first.ruling) == (VoteCode.COUNTED, None)
        assert second.ruling is not None
        assert second.ruling.by == f"{ADA} and {GRACE}"

    def test_who_said_nothing_leaves_no_gap_in_what_was_said(self) -> None:
        verdict = counted([vote(ADA)], vote(GRACE, comment="sound"), needed=2)

        assert verdict.sentence == f"Approved by {ADA} and {GRACE}. Comment: sound."
        assert verdict.ruling is not None
        assert verdict.ruling.comment == "sound"

    def test_the_same_person_twice_counts_once_however_they_came(self) -> None:
        verdict = counted([vote(ADA)], vote(ADA, via=Via.TERMINAL), needed=2)

        assert verdict.code is VoteCode.COUNTED_BEFORE
        assert verdict.votes == (vote(ADA),)

    @pytest.mark.parametrize("via", [Via.LINK, Via.CHANNEL])
    def test_what_names_nobody_approves_only_where_anybody_may(self, via: Via) -> None:
        unnamed = vote(str(via), via=via)

        assert counted([], unnamed).code is VoteCode.DECIDED
        refused = counted([], unnamed, refused="Who are you?")
        assert (refused.code, refused.votes, refused.ruling) == (VoteCode.NAME_NEEDED, (), None)
        assert refused.sentence == "Who are you? Nothing was decided."
        rejected = counted([], vote(str(via), Answer.REJECTED, via=via), refused="Who are you?")
        assert rejected.code is VoteCode.DECIDED

    @pytest.mark.parametrize("via", [Via.LINK, Via.CHANNEL])
    @pytest.mark.parametrize(
        ("needed", "requested", "may"), [(1, False, True), (2, False, False), (1, True, False), (2, True, False)]
    )
    def test_it_does_where_one_is_enough_and_nobody_asked(
        self, needed: int, requested: bool, may: bool, via: Via
    ) -> None:
        data = {"approvals_needed": needed, "requested": requested, "severity": "warning", "channel": "always"}
        said = refused_unnamed(via, data)
        assert (said is None) is may
        assert may or "this approval takes names: approve from a terminal. Rejecting works here." in str(said)

    @pytest.mark.parametrize("via", [Via.IAM, Via.TERMINAL])
    def test_who_is_named_needs_no_such_rule(self, via: Via) -> None:
        assert refused_unnamed(via, {"approvals_needed": 2, "requested": True, "channel": "never"}) is None

    @pytest.mark.parametrize(
        ("channel", "severity", "may"),
        [
            ("never", "info", False),
            ("never", "critical", False),
            ("not_critical", "info", True),
            ("not_critical", "warning", True),
            ("not_critical", "critical", False),
            ("not_critical", None, False),
            ("always", "critical", True),
            ("always", None, True),
            (None, "warning", True),
            (None, "critical", False),
        ],
    )
    def test_a_policy_says_when_the_channel_approves_and_a_link_does_not_heed_it(
        self, channel: str | None, severity: str | None, may: bool
    ) -> None:
        data = {"approvals_needed": 1, "severity": severity, **({"channel": channel} if channel else {})}
        said = refused_unnamed(Via.CHANNEL, data)
        assert (said is None) is may
        assert may or ("the policy" in str(said) and "approve from a terminal" in str(said))
        assert may or channel == "never" or f"none of the channel's at severity {severity or 'unknown'}: " in str(said)
        assert refused_unnamed(Via.LINK, data) is None

    @pytest.mark.parametrize(
        ("voters", "may"),
        [
            ((), True),
            ((ADA,), True),
            ((GRACE, ADA), True),
            ((f"{ADA[:-3]}*",), True),
            ((GRACE,), False),
            ((ADA[:-1],), False),
            ((f"{ADA}a*",), False),
            ((f"*{ADA[3:]}",), False),
        ],
    )
    @pytest.mark.parametrize("answer", list(Answer))
    def test_only_those_a_policy_names_answer_for_its_model(
        self, answer: Answer, voters: tuple[str, ...], may: bool
    ) -> None:
        verdict = counted([], vote(ADA, answer), voters=voters)
        assert verdict.code is (VoteCode.DECIDED if may else VoteCode.NO_VOTER)
        assert (verdict.ruling is not None) is may

    @pytest.mark.parametrize("answer", list(Answer))
    @pytest.mark.parametrize(
        ("hours", "deputies", "code"),
        [
            (8 - 1e-9, (ADA,), VoteCode.TOO_EARLY),
            (8, (ADA,), VoteCode.DECIDED),
            (8, (f"{ADA[:-1]}*",), VoteCode.DECIDED),
            (23.9, (ADA,), VoteCode.DECIDED),
            (24, (ADA,), VoteCode.EXPIRED),
            (8, (), VoteCode.NO_VOTER),
            (8, (ADA[:-1],), VoteCode.NO_VOTER),
        ],
    )
    def test_a_deputy_answers_from_the_very_moment_of_the_escalation_until_the_end(
        self, answer: Answer, hours: float, deputies: tuple[str, ...], code: VoteCode
    ) -> None:
        verdict = counted([], vote(ADA, answer), hours=hours, voters=(GRACE,), deputies=deputies)
        assert verdict.code is code
        assert [each.deputy for each in verdict.votes] == ([True] if code is VoteCode.DECIDED else [])

    def test_a_deputy_who_comes_too_early_hears_from_when_an_answer_counts(self) -> None:
        verdict = counted([], vote(ADA), voters=(GRACE,), deputies=(ADA,))
        assert verdict.sentence == (
            f"{ADA} is a deputy, whose answer counts from 2026-03-02 17:00 UTC on. Nothing was decided."
        )
        late = MayAnswer((GRACE,), (ADA,), after(8) + timedelta(microseconds=1))
        assert late.since_said == "2026-03-02 17:01 UTC"

    def test_who_answers_from_the_beginning_is_no_deputy_whatever_else_names_him(self) -> None:
        verdict = counted([], vote(ADA), voters=(ADA,), deputies=(ADA,))
        assert (verdict.code, verdict.votes[0].deputy) == (VoteCode.DECIDED, False)
        assert not counted([], vote(ADA), voters=(), deputies=(ADA,), hours=1).votes[0].deputy

    def test_what_was_decided_names_a_deputy_as_one(self) -> None:
        people: dict[str, Any] = {"voters": (GRACE,), "deputies": (ADA,), "needed": 2, "hours": 9}
        verdict = counted(list(counted([], vote(GRACE), **people).votes), vote(ADA), **people)
        assert verdict.sentence == f"Approved by {GRACE} and {ADA} (deputy)."
        assert verdict.ruling is not None
        assert verdict.ruling.by == f"{GRACE} and {ADA}"

    def test_four_eyes_of_whom_one_is_a_deputys_are_two_people_and_none_that_asked(self) -> None:
        people: dict[str, Any] = {"voters": (GRACE,), "deputies": (ADA,), "needed": 2, "hours": 9}
        first = counted([], vote(ADA), **people)
        assert (first.code, first.votes[0].deputy) == (VoteCode.COUNTED, True)
        assert counted(list(first.votes), vote(ADA, via=Via.TERMINAL), **people).code is VoteCode.COUNTED_BEFORE
        assert counted(list(first.votes), vote(GRACE), **people).code is VoteCode.DECIDED
        assert counted([], vote(ADA), **people, asked_by=(ADA,)).code is VoteCode.ASKER

    def test_a_vote_says_that_it_is_a_deputys_and_of_others_what_code_of_before_reads(self) -> None:
        assert "deputy" not in vote().as_record()
        assert Vote(**replace(vote(), deputy=True).as_record()).deputy

    @pytest.mark.parametrize(
        ("data", "left"),
        [
            ({}, True),
            ({"asked_by": ["ana"]}, True),
            ({"voters": ["ana"]}, True),
            ({"voters": ["ana"], "asked_by": ["ana"]}, False),
            ({"voters": ["an*"], "asked_by": ["ana"]}, True),
            ({"voters": ["an*"], "approvals_needed": 2}, True),
            ({"voters": ["an*", "bob"], "approvals_needed": 2, "asked_by": ["bob"]}, True),
            ({"voters": ["ana"], "deputies": ["bob"], "asked_by": ["ana"]}, True),
            ({"voters": ["ana"], "approvals_needed": 2}, False),
            ({"voters": ["ana", "ana"], "approvals_needed": 2}, False),
            ({"voters": ["ana"], "deputies": ["ana"], "approvals_needed": 2}, False),
            ({"voters": ["ana"], "deputies": ["bob"], "approvals_needed": 2}, True),
            ({"voters": ["ana", "bob"], "approvals_needed": 2, "asked_by": ["bob"]}, False),
            ({"voters": ["ana"], "deputies": ["bob"], "approvals_needed": 2, "ladder": NEVER}, False),
        ],
    )
    def test_where_those_who_may_answer_are_not_enough_nobody_can_approve(
        self, data: dict[str, Any], left: bool
    ) -> None:
        hours = {"remind_hours": 1, "escalate_hours": 2, "expire_hours": 3}
        sentence = nobody_left({"approvals_needed": 1, "ladder": hours, **data}, after(0).isoformat())
        assert (sentence is None) is left
        if sentence is not None:
            assert ("who asked for the run" in sentence) is ("asked_by" in data)

    @pytest.mark.parametrize(
        ("voters", "deputies", "hours", "said"),
        [
            ((), (), 0, {"may answer": "everybody who may answer at all"}),
            (("ana", "b*"), (), 0, {"may answer": "ana, b*"}),
            (("ana",), ("c", "d"), 7, {"may answer": "ana", "deputies": "c, d (from 2026-03-02 17:00 UTC on)"}),
            (("ana",), ("c",), 8, {"may answer": "ana", "deputies": "c (now too)"}),
        ],
    )
    def test_people_are_told_who_may_answer_and_who_from_when(
        self, voters: tuple[str, ...], deputies: tuple[str, ...], hours: float, said: dict[str, str]
    ) -> None:
        assert MayAnswer(voters, deputies, after(8)).said(after(hours), after(24)) == said

    def test_deputies_for_whom_no_time_is_left_never_answer(self) -> None:
        said = MayAnswer(("ana",), ("c",), after(24)).said(after(1), after(24))
        assert said["deputies"] == "c (never: nobody answers any more by then)"

    @pytest.mark.parametrize(("by", "via"), [(BEARER, Via.LINK), (CHANNEL, Via.CHANNEL)])
    @pytest.mark.parametrize("voters", [(ADA,), ("*",), (BEARER, CHANNEL)])
    def test_where_only_some_may_answer_nobody_answers_unnamed(
        self, voters: tuple[str, ...], by: str, via: Via
    ) -> None:
        assert refused_unnamed(via, {"approvals_needed": 1, "voters": list(voters), "channel": "always"}) is not None
        for answer in Answer:
            verdict = counted([], vote(by, answer, via=via), voters=voters)
            assert (verdict.code, verdict.ruling) == (VoteCode.NO_VOTER, None)
            as_deputy = MayAnswer((ADA,), ("*",), after(0)).refusal(vote(by, answer, via=via), after(1))
            assert as_deputy is not None
            assert as_deputy[0] is VoteCode.NO_VOTER

    def test_an_approval_asked_for_by_an_earlier_release_takes_a_link_of_one(self) -> None:
        assert refused_unnamed(Via.LINK, {"approvals_needed": 1}) is None

    def test_who_asked_for_the_retraining_does_not_approve_it_and_may_reject_it(self) -> None:
        refused = counted([], vote(ADA), asked_by=(ADA,))
        assert (refused.code, refused.votes, refused.ruling) == (VoteCode.ASKER, (), None)
        assert "somebody else has to approve" in refused.sentence

        assert counted([], vote(GRACE), asked_by=(ADA,)).code is VoteCode.DECIDED
        assert counted([], vote(ADA, Answer.REJECTED), asked_by=(ADA,)).code is VoteCode.DECIDED
        assert counted([vote(GRACE)], vote(ADA), needed=2, asked_by=(ADA,)).code is VoteCode.ASKER

    def test_a_session_is_nobody_new_beside_its_role_which_became_a_voter_role_meanwhile(self) -> None:
        role = "arn:aws:sts::111122223333:assumed-role/reviewer"
        for before, then in ((role, f"{role}/ada"), (f"{role}/ada", role)):
            assert counted([vote(before)], vote(then), needed=2).code is VoteCode.COUNTED_BEFORE
            assert counted([], vote(then), asked_by=(before,)).code is VoteCode.ASKER
        for before, then in ((f"{role}/ada", f"{role}/bob"), (role, f"{role}s/ada"), (f"{ADA}", f"{ADA}/bob")):
            assert counted([vote(before)], vote(then), needed=2).code is VoteCode.DECIDED

    def test_one_rejection_decides_after_an_approval_by_another_or_by_the_same_person(self) -> None:
        for by in (ADA, GRACE):
            verdict = counted([vote(ADA)], vote(by, Answer.REJECTED, "no"), needed=2)

            assert verdict.ruling is not None
            assert (verdict.ruling.decision, verdict.ruling.by) == (ApprovalDecision.REJECTED, by)

    @pytest.mark.parametrize("answer", list(Answer))
    def test_nothing_is_counted_from_the_deadline_on(self, answer: Answer) -> None:
        verdict = counted([], vote(answer=answer), hours=24)

        assert (verdict.code, verdict.votes, verdict.ruling) == (VoteCode.EXPIRED, (), None)

    def test_a_kill_switch_keeps_approvals_out_and_lets_rejections_through(self) -> None:
        approval = counted([], vote(), paused=PAUSED)

        assert (approval.code, approval.votes, approval.ruling) == (VoteCode.PAUSED, (), None)
        assert "Incident 7." in approval.sentence
        assert counted([], vote(answer=Answer.REJECTED), paused=PAUSED).code is VoteCode.DECIDED


class TestNonces:
    FACTS = {"wait_id": "r1:approval:training", "manifest_sha256": "a" * 64, "deadline": after(24).isoformat()}  # noqa: RUF012 - read only

    def test_a_nonce_matches_its_own_hash_only(self) -> None:
        hashes = [nonce_hash(nonce, Via.LINK, **self.FACTS) for nonce in ("one", "two")]

        assert matches_nonce(nonce_hash("two", Via.LINK, **self.FACTS), hashes)
        assert not matches_nonce(nonce_hash("tw", Via.LINK, **self.FACTS), hashes)
        assert not matches_nonce(nonce_hash("", Via.LINK, **self.FACTS), hashes)
        assert not matches_nonce(nonce_hash("one", Via.LINK, **self.FACTS), [])

    @pytest.mark.parametrize("changed", ["wait_id", "manifest_sha256", "deadline"])
    def test_a_nonce_is_bound_to_its_approval_its_plan_and_its_deadline(self, changed: str) -> None:
        hashes = [nonce_hash("one", Via.LINK, **self.FACTS)]

        assert not matches_nonce(nonce_hash("one", Via.LINK, **{**self.FACTS, changed: "other"}), hashes)

    def test_a_nonce_of_a_button_is_none_of_a_link(self) -> None:
        hashes = [nonce_hash("one", Via.CHANNEL, **self.FACTS)]

        assert matches_nonce(nonce_hash("one", Via.CHANNEL, **self.FACTS), hashes)
        assert not matches_nonce(nonce_hash("one", Via.LINK, **self.FACTS), hashes)

    @pytest.mark.parametrize(("via", "word"), [(Via.LINK, "approval-link"), (Via.CHANNEL, "approval-channel")])
    def test_what_an_earlier_release_stored_of_a_nonce_matches_it(self, via: Via, word: str) -> None:
        stored = sha256(f"{word}\x1fone\x1fr1:approval:training\x1f{'a' * 64}\x1f{self.FACTS['deadline']}")
        assert nonce_hash("one", via, **self.FACTS) == stored


def test_a_comment_keeps_its_lines_and_its_markup_and_loses_control_characters() -> None:
    assert (
        clean_comment(" a\r\nb\x00\x1b[31m\rc <script>alert(1)</script>\n") == "a\nb[31m\nc <script>alert(1)</script>"
    )


def test_durations_are_told_in_two_units() -> None:
    assert [duration(timedelta(minutes=minutes)) for minutes in (-5, 0.5, 59, 61, 1500, 2880)] == [
        "0 min",
        "0 min",
        "59 min",
        "1 h 1 min",
        "1 d 1 h",
        "2 d 0 h",
    ]
