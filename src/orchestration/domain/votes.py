"""Approvals: the ladder from asking to expiry, the counting of votes, the nonces of links. Pure.

The ladder is data of the wait, never a timer: whoever looks asks ``next_step`` what is due. Silence ends in EXPIRED,
which means no. One rejection decides; approvals count by person. Who asked for the retraining cannot approve it. A link and a
button in chat name nobody, so they approve only where one approval of anybody is enough.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import ChannelApproval, Severity
from orchestration.domain.failures import ended
from orchestration.domain.json_values import number
from orchestration.domain.people import may_be_one
from orchestration.domain.records import sha256
from orchestration.domain.switches import paused_sentence
from orchestration.domain.times import duration, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestration.domain.switches import KillSwitch
    from orchestration.domain.wait import Wait

COMMENT_LIMIT: Final = 1000
"""Characters of a reviewer's comment."""

MOST_APPROVALS: Final = 2
"""The most that a policy can ask for."""

NONCE: Final = re.compile(r"[A-Za-z0-9_-]{43}")

BEARER: Final = "bearer link"
"""Who decides with a link: whoever holds it."""

CHANNEL: Final = "Slack channel"
"""Who decides by a button in chat: whoever is in the channel. AWS tells a function that is invoked from there of no person."""

COUNTS_NOT_CRITICAL: Final = frozenset({Severity.INFO, Severity.WARNING})
"""Severities at which a channel's approval counts under ``not_critical``; one that nobody knows is none of them."""


class Answer(StrEnum):
    """What a reviewer says."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class ApprovalDecision(StrEnum):
    """What came of an approval."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"


class Via(StrEnum):
    """How the identity of a vote is known; the words the evidence uses."""

    IAM = "iam identity"
    LINK = BEARER
    CHANNEL = CHANNEL
    TERMINAL = "terminal"

    @property
    def unnamed(self) -> bool:
        """True where nobody is named: what whoever holds a link, or is in a channel, says."""
        return self in _UNNAMED


_UNNAMED: Final = {
    Via.LINK: "A link does not say who you are",
    Via.CHANNEL: "A button in Slack does not say who you are",
}
"""What is said of each way that names nobody."""

_NONCES: Final = {Via.LINK: "approval-link", Via.CHANNEL: "approval-channel"}
"""What the hash of a nonce begins with, so that one of a button opens no page, and the other way round."""


class LadderAction(StrEnum):
    """What is due in an approval that nobody has decided."""

    NOTHING = "nothing"
    REMIND = "remind"
    ESCALATE = "escalate"
    EXPIRE = "expire"


class VoteCode(StrEnum):
    """What became of a vote. Only DECIDED and COUNTED changed anything."""

    DECIDED = "DECIDED"
    COUNTED = "COUNTED"
    COUNTED_BEFORE = "COUNTED_BEFORE"
    DECIDED_BEFORE = "DECIDED_BEFORE"
    EXPIRED = "EXPIRED"
    PAUSED = "PAUSED"
    RUN_OVER = "RUN_OVER"
    PLAN_CHANGED = "PLAN_CHANGED"
    ASKER = "ASKER"
    NAME_NEEDED = "NAME_NEEDED"
    NO_VOTER = "NO_VOTER"
    TOO_EARLY = "TOO_EARLY"
    LINK_INVALID = "LINK_INVALID"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Ladder:
    """When an approval is reminded of, escalated and expired. Aware datetimes in UTC."""

    remind_at: datetime
    escalate_at: datetime
    expire_at: datetime

    @classmethod
    def start(cls, asked_at: datetime, hours: Mapping[str, float]) -> Ladder:
        """The ladder of an approval asked for at ``asked_at``; ``hours`` are the policy's, counted from then."""
        return cls(
            remind_at=asked_at + timedelta(hours=hours["remind_hours"]),
            escalate_at=asked_at + timedelta(hours=hours["escalate_hours"]),
            expire_at=asked_at + timedelta(hours=hours["expire_hours"]),
        )


@dataclass(frozen=True, slots=True)
class LadderStep:
    """What is due now. ``step`` is the wait's step once it is done, ``next_at`` the time of what comes after."""

    action: LadderAction
    step: int
    next_at: datetime
    sentence: str


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's word. ``by`` is the person's name, or what ``via`` is where that names nobody; ``at`` is ISO-8601 in UTC.

    ``arn`` is the caller's own, and ``proven_by`` says what makes the name the person's; empty where nobody is named.
    """

    answer: Answer
    by: str
    via: Via
    comment: str
    at: str
    arn: str = ""
    proven_by: str = ""
    deputy: bool = False
    """Whether the person answered as a deputy."""

    def as_record(self) -> dict[str, Any]:
        """The vote as the wait and the evidence keep it."""
        record = asdict(self)
        if not self.deputy:
            # Code of before knows no deputies and reads a vote by its fields.
            del record["deputy"]
        return record


@dataclass(frozen=True, slots=True)
class MayAnswer:
    """Who may answer an approval: names, or beginnings of names that end in ``*``.

    ``voters`` empty: everybody. ``deputies`` answer as well from ``since`` on, aware in UTC, the time the ladder escalates at:
    its time and not its step, since a step may be taken late or, when nobody sweeps, never.
    """

    voters: tuple[str, ...]
    deputies: tuple[str, ...]
    since: datetime

    @classmethod
    def of(cls, data: Mapping[str, Any], parked_at: str) -> MayAnswer:
        """Of the data of an approval's wait that was parked at ``parked_at``."""
        since = Ladder.start(datetime.fromisoformat(parked_at), data["ladder"]).escalate_at
        return cls(tuple(data.get("voters") or ()), tuple(data.get("deputies") or ()), since)

    @property
    def since_said(self) -> str:
        """That time for people, to the minute it is over in: an answer given then counts."""
        return stamp(self.since + timedelta(seconds=59, microseconds=999_999))

    def deputy(self, name: str) -> bool:
        """Whether somebody answers as a deputy alone."""
        return bool(self.voters) and not _named(name, self.voters) and _named(name, self.deputies)

    def refusal(self, vote: Vote, now: datetime) -> tuple[VoteCode, str] | None:
        """Why an answer does not count now; None where it does."""
        if not self.voters or (_named(vote.by, self.voters) and not vote.via.unnamed):
            return None
        if vote.via.unnamed or not self.deputy(vote.by):
            return VoteCode.NO_VOTER, f"{vote.by} is none of those who answer for this model."
        if now < self.since:
            return VoteCode.TOO_EARLY, f"{vote.by} is a deputy, whose answer counts from {self.since_said} on."
        return None

    def said(self, now: datetime, deadline: datetime) -> dict[str, str]:
        """Who may answer now, and who from when, for people; of deputies nothing where there are none."""
        if not self.voters:
            return {"may answer": "everybody who may answer at all"}
        found = {"may answer": ", ".join(self.voters)}
        if self.deputies:
            when = "now too" if now >= self.since else f"from {self.since_said} on"
            when = when if self.since < deadline else "never: nobody answers any more by then"
            found["deputies"] = f"{', '.join(self.deputies)} ({when})"
        return found


@dataclass(frozen=True, slots=True)
class Ruling:
    """What people, or their silence, decided. ``by`` None: nobody did. ``decided_at`` is ISO-8601 in UTC."""

    decision: ApprovalDecision
    decided_at: str
    by: str | None = None
    comment: str = ""

    @property
    def approved(self) -> bool:
        """True for a yes."""
        return self.decision is ApprovalDecision.APPROVED

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Ruling:
        """A ruling from the record of the result it stands in."""
        return cls(
            decision=ApprovalDecision(record["decision"]),
            decided_at=str(record["decided_at"]),
            by=record.get("by"),
            comment=str(record.get("comment") or ""),
        )


@dataclass(frozen=True, slots=True)
class VoteVerdict:
    """What a vote does: ``votes`` are all votes from now on, ``ruling`` is there if it is decided; then ``sentence`` says how."""

    code: VoteCode
    sentence: str
    votes: tuple[Vote, ...]
    ruling: Ruling | None = None


def next_step(ladder: Ladder, step: int, now: datetime) -> LadderStep:
    """What is due in an undecided approval. Steps that were missed are not caught up: only the last one due is taken.

    Args:
        ladder: the approval's ladder.
        step: 0 asked, 1 reminded, 2 escalated, 3 expired.
        now: the time to judge at.
    """
    if now >= ladder.expire_at:
        return LadderStep(
            LadderAction.EXPIRE, 3, ladder.expire_at, f"Nobody decided until {stamp(ladder.expire_at)}, which means no."
        )
    left = duration(ladder.expire_at - now)
    if now >= ladder.escalate_at and step < 2:  # noqa: PLR2004 - the steps are named above
        return LadderStep(
            LadderAction.ESCALATE,
            2,
            ladder.expire_at,
            f"Nobody has decided since it was asked; {left} are left, then the answer is no.",
        )
    if now >= ladder.remind_at and step < 1:
        return LadderStep(LadderAction.REMIND, 1, ladder.escalate_at, f"Still undecided; {left} are left.")
    coming = {0: ladder.remind_at, 1: ladder.escalate_at}.get(step, ladder.expire_at)
    return LadderStep(LadderAction.NOTHING, step, min(coming, ladder.expire_at), f"Nothing is due; {left} are left.")


def approvals_needed(data: Mapping[str, Any]) -> int:
    """By how many different people an approval is decided; where its data does not say, by the most there can be."""
    said = number(data.get("approvals_needed"))
    return int(said) if said is not None and 1 <= said <= MOST_APPROVALS else MOST_APPROVALS


_COUNTED_BY: Final[Mapping[str, Callable[[Wait], object]]] = {
    "deadline": lambda wait: datetime.fromisoformat(wait.deadline),
    "ladder": lambda wait: Ladder.start(datetime.fromisoformat(wait.parked_at), wait.data["ladder"]),
    "votes": lambda wait: [Vote(**entry) for entry in wait.data["votes"]],
}
"""What no vote is counted without, and how it is read."""


def unweighable(wait: Wait) -> str | None:
    """Why nobody can tell what an answer to an approval does; None where its record says all that counting needs."""
    lacking = []
    for name, read in _COUNTED_BY.items():
        try:
            read(wait)
        except (KeyError, TypeError, ValueError):
            lacking.append(name)
    if not lacking:
        return None
    return f"The record of this approval is not whole ({', '.join(lacking)}), so no answer to it can be counted."


def weigh(wait: Wait, vote: Vote, *, now: datetime, paused: KillSwitch | None) -> VoteVerdict:
    """What one more vote does to an open approval, or would do: ``count_vote`` on what its wait keeps."""
    broken = unweighable(wait)
    if broken is not None:
        return VoteVerdict(VoteCode.UNKNOWN, f"{broken} Nothing was decided.", ())
    return count_vote(
        [Vote(**entry) for entry in wait.data["votes"]],
        vote,
        needed=wait.approvals_needed,
        asked_by=wait.data.get("asked_by") or (),
        refused=refused_unnamed(vote.via, wait.data),
        may_answer=MayAnswer.of(wait.data, wait.parked_at),
        deadline=datetime.fromisoformat(wait.deadline),
        now=now,
        paused=paused,
    )


def count_vote(
    votes: Sequence[Vote],
    vote: Vote,
    *,
    needed: int,
    asked_by: Sequence[str],
    refused: str | None,
    may_answer: MayAnswer,
    deadline: datetime,
    now: datetime,
    paused: KillSwitch | None,
) -> VoteVerdict:
    """Count one more vote on an undecided approval.

    Args:
        votes: those counted so far, all approvals.
        vote: the new one.
        needed: approvals by different people that decide.
        asked_by: names of those who asked for the retraining, where AWS proved them.
        refused: why an approval that names nobody does not count, as ``refused_unnamed`` says; None where it does.
        may_answer: who may answer.
        deadline: from then on nothing is counted.
        now: when the vote came.
        paused: the kill switch over the model, if one is thrown: it keeps approvals out, never rejections.
    """
    before = tuple(votes)
    if now >= deadline:
        return VoteVerdict(VoteCode.EXPIRED, f"The approval expired at {stamp(deadline)}; no answer means no.", before)
    refusal = may_answer.refusal(vote, now)
    if refusal is not None:
        return VoteVerdict(refusal[0], f"{refusal[1]} Nothing was decided.", before)
    vote = replace(vote, deputy=may_answer.deputy(vote.by))
    if vote.answer is Answer.REJECTED:
        return _decided((*before, vote), Answer.REJECTED, [vote])
    if paused is not None:
        return VoteVerdict(
            VoteCode.PAUSED,
            f"{paused_sentence(paused)} Nothing was decided; the approval stays open until {stamp(deadline)}.",
            before,
        )
    if refused is not None:
        return VoteVerdict(VoteCode.NAME_NEEDED, f"{refused} Nothing was decided.", before)
    if any(may_be_one(vote.by, asker) for asker in asked_by):
        return VoteVerdict(
            VoteCode.ASKER,
            f"{vote.by} asked for this retraining, so somebody else has to approve it. Nothing was decided.",
            before,
        )
    if any(may_be_one(vote.by, other.by) for other in before):
        return VoteVerdict(
            VoteCode.COUNTED_BEFORE,
            f"An approval by {vote.by} is counted already; {needed} different people have to approve.",
            before,
        )
    after = (*before, vote)
    if len(after) < needed:
        return VoteVerdict(
            VoteCode.COUNTED, f"Approval {len(after)} of {needed} is counted; another person has to approve too.", after
        )
    return _decided(after, Answer.APPROVED, list(after))


def answered_by(name: str, *, deputy: bool) -> str:
    """Whose an answer is, for people."""
    return f"{name} (deputy)" if deputy else name


def _named(name: str, names: Sequence[str]) -> bool:
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in names)


def _decided(votes: tuple[Vote, ...], answer: Answer, deciding: list[Vote]) -> VoteVerdict:
    by = " and ".join(vote.by for vote in deciding)
    said = " and ".join(answered_by(vote.by, deputy=vote.deputy) for vote in deciding)
    comments = [f"Comment: {ended(' '.join(vote.comment.split()))}" for vote in deciding if vote.comment]
    reason = " ".join([f"{answer.capitalize()} by {said}.", *comments])
    comment = "\n".join(vote.comment for vote in deciding if vote.comment)
    ruling = Ruling(ApprovalDecision(answer), deciding[-1].at, by, comment)
    return VoteVerdict(VoteCode.DECIDED, reason, votes, ruling)


def nobody_left(data: Mapping[str, Any], parked_at: str) -> str | None:
    """Why no number of yes decides an approval, whoever gives one; None where those who may answer are enough, or not known.

    Args:
        data: data of the approval's wait.
        parked_at: when it was asked.
    """
    who, needed, asked_by = MayAnswer.of(data, parked_at), approvals_needed(data), data.get("asked_by") or ()
    ladder = Ladder.start(datetime.fromisoformat(parked_at), data["ladder"])
    names = {*who.voters, *(who.deputies if who.since < ladder.expire_at else ())}
    if not who.voters or any(name.endswith("*") for name in names) or len(names.difference(asked_by)) >= needed:
        return None
    asker = f", without {' and '.join(asked_by)}, who asked for the run" if asked_by else ""
    return (
        f"Nobody can approve this: it takes {needed} of those whom the policy names, {', '.join(sorted(names))}{asker}. Reject it, have "
        "the policy name more, and ask again."
    )


def refused_unnamed(via: Via, data: Mapping[str, Any]) -> str | None:
    """Why an approval that came this way does not count because it names nobody; None where it counts.

    It does not where two have to approve, where whoever gives it may be who asked, or where only some may answer; and that
    of the channel not where the policy keeps it out.

    Args:
        via: how the approval came.
        data: data of the approval's wait.
    """
    if not via.unnamed:
        return None
    where = "approve from a terminal. Rejecting works here."
    if approvals_needed(data) > 1 or data.get("requested", False) or data.get("voters"):
        return f"{_UNNAMED[via]}, and this approval takes names: {where}"
    allowed = ChannelApproval(data.get("channel", ChannelApproval.NOT_CRITICAL))
    if via is Via.LINK or allowed is ChannelApproval.ALWAYS:
        return None
    if allowed is ChannelApproval.NEVER:
        return f"{_UNNAMED[via]}, and the policy takes no approval of the channel: {where}"
    severity = data.get("severity")
    if severity in COUNTS_NOT_CRITICAL:
        return None
    return f"{_UNNAMED[via]}, and the policy takes none of the channel's at severity {severity or 'unknown'}: {where}"


def nonce_shaped(given: str) -> bool:
    """True for what could be the nonce of a link: 32 bytes in the URL's base64, as ``secrets.token_urlsafe`` writes them."""
    return NONCE.fullmatch(given) is not None


def nonce_hash(nonce: str, via: Via, *, wait_id: str, manifest_sha256: str, deadline: str) -> str:
    """What is stored of a nonce: a SHA-256 that also covers how it may come, what it may decide, on which plan, until when.

    The nonce has 256 random bits, so the hash needs neither salt nor stretching.
    """
    return sha256(f"{_NONCES[via]}\x1f{nonce}\x1f{wait_id}\x1f{manifest_sha256}\x1f{deadline}")


def matches_nonce(given: str, hashes: Sequence[str]) -> bool:
    """Whether one of the hashes equals ``given``; compared in constant time, all of them, found or not."""
    return sum(hmac.compare_digest(given, stored) for stored in hashes) > 0


def clean_comment(value: str) -> str:
    """A comment as it is kept: line feeds, but no other control characters, no blank edges. Markup stays text."""
    lines = value.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("".join(character for character in line if character.isprintable()) for line in lines).strip()
