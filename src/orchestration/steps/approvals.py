"""Approvals: ask people, count what they say, remind, escalate, expire. The only place where an approval is decided.

A vote, a step of the ladder and the expiry all change the wait on the condition that nobody changed it since it was
read. So no vote is lost when two people answer at the same moment, and nothing follows the first decision.
"""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.chain import chained
from orchestration.domain.commands import against_words
from orchestration.domain.contracts import DueKind, Next, SignalKind, Status, WaitKind
from orchestration.domain.due import APPROVALS, GRACE, due
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import mapping, sequence, text
from orchestration.domain.messages import approval_counted, resume_steps, what_is_asked
from orchestration.domain.policy import pinned_policy
from orchestration.domain.records import manifest_key, sha256
from orchestration.domain.signal import asker_of
from orchestration.domain.switches import sources_of, switch_over
from orchestration.domain.times import stamp
from orchestration.domain.votes import (
    COMMENT_LIMIT,
    Answer,
    ApprovalDecision,
    Ladder,
    LadderAction,
    Ruling,
    Via,
    Vote,
    VoteCode,
    approvals_needed,
    clean_comment,
    matches_nonce,
    next_step,
    weigh,
)
from orchestration.domain.wait import Result, Wait, WaitState
from orchestration.steps.approval_links import hash_of_nonce
from orchestration.steps.callers import proven_caller
from orchestration.steps.due_work import DONE, Worked, ask_for_sweep, attempt, later
from orchestration.steps.evidence import vote_record, with_record, write_record
from orchestration.steps.rivals import against_rivals
from orchestration.steps.telling import ladder_told, message_told, record_status, tell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.domain.chain import Link
    from orchestration.domain.due import DueItem
    from orchestration.domain.people import Person
    from orchestration.domain.policy import Policy
    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.switches import KillSwitch
    from orchestration.domain.verdict import CandidateVerdict
    from orchestration.ports import ApprovalPorts, Ports

LOG = logging.getLogger("orchestration")

TRAINING: Final = "training"
PROMOTION: Final = "promotion"
BAKE: Final = "bake"
SUBJECTS: Final = (BAKE, PROMOTION, TRAINING)
"""What people are asked about, the latest in a run's life first."""

APPROVED: Final = {
    TRAINING: (Status.TRAINING_APPROVED, Next.TRAIN, None),
    PROMOTION: (Status.PROMOTION_APPROVED, Next.PROMOTE, None),
    BAKE: (Status.BAKE_APPROVED, Next.FINISH, Status.PROMOTED),
}
"""Status of a yes, where the run goes with it, and its outcome if it needs nothing more."""

REFUSED: Final = {TRAINING: Next.RECORD, PROMOTION: Next.FINISH, BAKE: Next.ROLL_BACK}
"""Where a run goes with a no. After a bake nobody approved, the champion comes back."""

REQUESTED: Final = {
    TRAINING: Status.TRAINING_APPROVAL_REQUESTED,
    PROMOTION: Status.PROMOTION_APPROVAL_REQUESTED,
    BAKE: Status.BAKE_APPROVAL_REQUESTED,
}


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote as it arrives. ``person`` is None where ``via`` names nobody, which needs ``nonce``; ``subject`` None means what is open."""

    run_id: str
    answer: Answer
    person: Person | None
    via: Via
    comment: str = ""
    subject: str | None = None
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class BallotAnswer:
    """What became of a ballot. ``wait`` is the approval as it stands then, None when there is none."""

    code: VoteCode
    sentence: str
    wait: Wait | None = None

    @property
    def decided(self) -> bool:
        """True when this ballot decided the approval."""
        return self.code is VoteCode.DECIDED

    def as_record(self) -> dict[str, Any]:
        """The answer to a request by a program."""
        return {
            "decided": self.decided,
            "counted": self.code in {VoteCode.DECIDED, VoteCode.COUNTED},
            "code": self.code,
            "reason": self.sentence,
            "subject": self.wait.subject if self.wait else None,
            "model": self.wait.model if self.wait else None,
        }


# Asking.


def approval_data(
    ports: Ports, run: StoredRun, subject: str, *, why: str, policy_sha256: str | None, written: str
) -> dict[str, Any]:
    """What the wait of an approval keeps: why, on which plan and policy, how many people, how long, what they saw.

    Args:
        ports: the outside.
        run: the run that asks.
        subject: training, promotion or bake.
        why: why people are asked.
        policy_sha256: the policy in force at the asking; a yes is a yes under this one.
        written: who wrote its file, and when, as far as that is known.
    """
    manifest, now = json.loads(run.manifest), ports.now()
    policy = pinned_policy(manifest["policy"]["effective"])
    verdict, trained = (
        (ports.table.candidate_verdict(run.run_id), ports.table.wait(run.run_id, WaitKind.TRAINING))
        if subject != TRAINING
        else (None, None)
    )
    since = now - timedelta(days=policy.budget_days)
    starts = ports.table.model(run.model).run_starts
    return {
        "why": why,
        "manifest_sha256": sha256(run.manifest),
        "manifest_uri": ports.bucket.uri(manifest_key(run.model, run.run_id)),
        "policy_sha256": policy_sha256,
        "severity": run.severity,
        **who_decides(manifest, policy),
        "policy_written": written,
        "versions": verdict.versions if verdict else None,
        "votes": [],
        "nonces": [],
        "budget": {
            "used": sum(datetime.fromisoformat(start) > since for start in starts),
            "runs": policy.budget_runs,
            "days": policy.budget_days,
        },
        "verdict": None if verdict is None else _judged(verdict),
        # The function that shows an approval may not read the other waits.
        **({"jobs": [job.as_record() for job in trained.result.jobs]} if trained and trained.result else {}),
        "ladder": {
            "remind_hours": policy.approval.remind_hours,
            "escalate_hours": policy.approval.escalate_hours,
            "expire_hours": policy.approval.expire_hours,
            "taken": [],
        },
    }


def who_decides(manifest: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """What the wait of an approval keeps of whose answers count, by its run's manifest and the policy that is pinned there. Pure."""
    signal = mapping(manifest.get("signal"))
    asker = asker_of(signal)
    asked_by = sorted({*sequence(signal.get("asked_by")), *([asker] if asker else [])})
    return {
        "approvals_needed": approvals_needed(mapping(manifest.get("approval"))),
        "requested": signal.get("kind") == SignalKind.REQUEST or bool(asked_by),
        "asked_by": asked_by,
        "voters": list(policy.voters),
        "channel": policy.approval.channel,
        **({"deputies": list(policy.approval.deputies)} if policy.approval.deputies else {}),
    }


def _judged(verdict: CandidateVerdict) -> dict[str, Any]:
    plan = verdict.as_record()["plan"]
    return {
        "sentence": verdict.result.reason,
        "gates": verdict.evaluation["gates"],
        "promotion": {key: plan.get(key) for key in ("kind", "endpoint", "previous_config", "wanted_config")},
    }


def ladder_due(wait: Wait, at: datetime) -> DueItem:
    """The item of an approval's next step; it holds what the gauges of waiting approvals need."""
    return due(DueKind.LADDER, wait.wait_id, wait.model, at, parked_at=wait.parked_at, deadline=wait.deadline)


def ladder_of(wait: Wait) -> Ladder:
    """The ladder of a parked approval."""
    return Ladder.start(datetime.fromisoformat(wait.parked_at), wait.data["ladder"])


def request_sentence(wait: Wait) -> str:
    """What people are told when they are asked."""
    return (
        f"The {what_is_asked(wait.subject)} of {wait.model} waits for approval until "
        f"{stamp(datetime.fromisoformat(wait.deadline))}: {wait.data['why']}"
    )


# Deciding.


def approval_of(ports: ApprovalPorts, run_id: str, subject: str | None = None) -> Wait | None:
    """The run's approval: the open one, else the last one that is over."""
    found = [ports.table.wait(run_id, WaitKind.APPROVAL, name) for name in ((subject,) if subject else SUBJECTS)]
    asked = [wait for wait in found if wait is not None]
    return next((wait for wait in asked if not wait.resolved), asked[0] if asked else None)


def approval_of_nonce(ports: ApprovalPorts, run_id: str, nonce: str, via: Via) -> Wait | None:
    """The approval a link or a button belongs to; None for one that was not sent for this run."""
    for subject in SUBJECTS:
        wait = ports.table.wait(run_id, WaitKind.APPROVAL, subject)
        if wait is not None and matches_nonce(
            hash_of_nonce(wait, nonce, via), [entry["sha256"] for entry in wait.data.get("nonces", [])]
        ):
            return wait
    return None


def decide(ports: ApprovalPorts, ballot: Ballot) -> BallotAnswer:
    """Count a ballot. Nothing changes unless the answer's code is DECIDED or COUNTED.

    Raises:
        ContentionError: rivals kept winning; try again.
    """
    return against_rivals(ports, functools.partial(_decide_once, ports, ballot), f"The approval of run {ballot.run_id}")


def _decide_once(ports: ApprovalPorts, ballot: Ballot) -> BallotAnswer | None:
    if ballot.via.unnamed:
        wait = approval_of_nonce(ports, ballot.run_id, ballot.nonce or "", ballot.via)
        if wait is None or (ballot.subject and wait.subject != ballot.subject):
            what = "link" if ballot.via is Via.LINK else "button"
            return BallotAnswer(VoteCode.LINK_INVALID, f"This {what} is not valid.")
    else:
        wait = approval_of(ports, ballot.run_id, ballot.subject)
    if wait is None:
        return BallotAnswer(VoteCode.UNKNOWN, f"No approval was asked for run {ballot.run_id}.")
    if wait.resolved:
        if wait.token is not None:
            # Whoever decided died before the workflow heard of it.
            deliver(ports, wait)
        return _decided_before(wait)
    refused = refused_of(ports, wait, ballot.answer)
    if refused is not None:
        return refused
    # Before the switches: a pause of the model that comes in between has the vote counted again.
    now, head = ports.now(), ports.table.chain_head(wait.model)
    vote = _vote(ballot, now)
    paused = pause_over(ports, wait)
    verdict = weigh(wait, vote, now=now, paused=paused)
    if verdict.code not in {VoteCode.DECIDED, VoteCode.COUNTED}:
        lift = "" if paused is None else " ".join(("", *resume_steps(ports.settings.speaker, [paused.scope])))
        return BallotAnswer(verdict.code, verdict.sentence + (lift if verdict.code is VoteCode.PAUSED else ""), wait)
    data = {**wait.data, "votes": [entry.as_record() for entry in verdict.votes]}
    after, counted = replace(wait, data=data), None
    if verdict.ruling is not None:
        after = replace(after, state=WaitState.RESOLVED, result=ruled(verdict.ruling, verdict.sentence, wait.subject))
        after, writes = with_record(ports, after, head)
        following = ladder_due(wait, now + GRACE)
    else:
        links = chained(head, vote_record(after))
        writes = ports.table.chain_writes(head, links)
        following = counted = _counted_told(ports, after, vote, verdict.sentence, links)
    if not ports.table.change_wait(wait, after, [ports.table.due_write(following), *writes]):
        return None
    if counted is not None:
        attempt(ports, counted, _recorded)
        ask_for_sweep(ports)
    else:
        # The workflow may have parked again with a new token in between; the stored one is the live one.
        deliver(ports, ports.table.wait(wait.run_id, wait.kind, wait.subject) or after)
    return BallotAnswer(verdict.code, verdict.sentence, after)


def _vote(ballot: Ballot, now: datetime) -> Vote:
    person = ballot.person
    if person is None:
        return Vote(ballot.answer, str(ballot.via), ballot.via, ballot.comment, now.isoformat())
    return Vote(
        ballot.answer, person.name, ballot.via, ballot.comment, now.isoformat(), person.arn, str(person.proven_by)
    )


def refused_of(ports: ApprovalPorts, wait: Wait, answer: Answer) -> BallotAnswer | None:
    """Why an answer to an open approval is not counted, before it is weighed against other votes; None where it is."""
    run = ports.table.run(wait.run_id)
    if run is not None and run.outcome is not None:
        return BallotAnswer(
            VoteCode.RUN_OVER, f"Run {wait.run_id} is over ({run.outcome}); there is nothing left to decide.", wait
        )
    if answer is Answer.APPROVED and not plan_unchanged(ports, wait):
        return BallotAnswer(
            VoteCode.PLAN_CHANGED,
            f"The manifest of run {wait.run_id} is not the one that was asked about; nothing was decided. "
            "Reject the run and look at the versions of its manifest.",
            wait,
        )
    return None


def pause_over(ports: ApprovalPorts, wait: Wait) -> KillSwitch | None:
    """The kill switch over what an approval is asked for, if one is thrown."""
    run = ports.table.run(wait.run_id)
    sources = sources_of(json.loads(run.manifest)) if run is not None else ()
    return switch_over(ports.table.kill_switches(), wait.model, *sources)


def plan_unchanged(ports: ApprovalPorts, wait: Wait) -> bool:
    """True when the manifest in the bucket is the one the approval was asked for."""
    document = ports.bucket.read(ports.bucket.uri(manifest_key(wait.model, wait.run_id)))
    return document.body is not None and sha256(document.body) == wait.data.get("manifest_sha256")


def _decided_before(wait: Wait) -> BallotAnswer:
    result = wait.result
    if result is not None and result.ruling is not None and result.ruling.decision is ApprovalDecision.EXPIRED:
        return BallotAnswer(
            VoteCode.EXPIRED, f"The approval expired at {stamp(datetime.fromisoformat(wait.deadline))}.", wait
        )
    return BallotAnswer(
        VoteCode.DECIDED_BEFORE, f"The {wait.subject} was decided before: {result.reason if result else None}", wait
    )


def _counted_told(ports: ApprovalPorts, wait: Wait, vote: Vote, sentence: str, links: tuple[Link, ...]) -> DueItem:
    """The item that has people told of a vote that is counted and decides nothing yet; it is written with the vote."""
    LOG.info("ApprovalCounted", extra={"run_id": wait.run_id, "model": wait.model, "subject": wait.subject})
    message = approval_counted(
        ports.settings.speaker,
        run_id=wait.run_id,
        model=wait.model,
        subject=wait.subject,
        by=vote.by,
        sentence=sentence,
        until=stamp(datetime.fromisoformat(wait.deadline)),
    )
    return replace(message_told(message, ports.now(), links, asked=wait.wait_id), partition=APPROVALS)


def _recorded(ports: ApprovalPorts, item: DueItem) -> Worked:
    """Write the record of a vote, which a run's report is made of, and leave telling of it to the sweep that is asked for.

    The function that people reach may not publish to those who are to answer.
    """
    for place in item.data["records"]:
        write_record(ports, *place, of_approval=True)
    return later(item, ports.now())


def decide_request(request: dict[str, Any], ports: ApprovalPorts) -> dict[str, Any]:
    """A decision from the terminal, under the identity that AWS proves.

    Args:
        request: ``{"run_id", "decision": "APPROVED" | "REJECTED", "proof", "comment"?, "subject"?, "shown_as"?}``; the last is
            the name under which somebody was told they answer, and whoever is proven has to have it.
        ports: the outside.

    Returns:
        ``{"decided", "counted", "code", "reason", "subject", "model"}``; the last two are None where nothing is asked.

    Raises:
        InvalidRequestError: a field is missing or not one of its values, or nobody is proven to decide.
    """
    run_id, decision, subject = text(request.get("run_id"), 200), request.get("decision"), request.get("subject")
    if run_id is None or decision not in tuple(Answer) or subject not in (None, *SUBJECTS):
        raise InvalidRequestError("A decision needs run_id, and decision: APPROVED or REJECTED.")
    comment = clean_comment(str(request.get("comment") or ""))
    if (against := against_words(comment, COMMENT_LIMIT)) is not None:
        raise InvalidRequestError(f"The comment {against}")
    person = proven_caller(ports, request)
    if (shown := request.get("shown_as")) and shown != person.name:
        raise InvalidRequestError(
            f"You are {person.name} now, and were shown this as another. Nothing was decided. Load the page again."
        )
    ballot = Ballot(run_id, Answer(decision), person, Via.TERMINAL, comment, subject)
    return decide(ports, ballot).as_record()


# What follows a decision.


def ruled(ruling: Ruling, reason: str, subject: str) -> Result:
    """The result of an approval: the way the run goes on. A no that ends a bake brings the champion back."""
    if ruling.approved:
        _, go, outcome = APPROVED[subject]
        return Result(go, reason, outcome, ruling=ruling)
    expired = ruling.decision is ApprovalDecision.EXPIRED
    outcome = Status.APPROVAL_EXPIRED if expired else Status.APPROVAL_REJECTED
    return Result(REFUSED[subject], reason, Status.ROLLED_BACK if subject == BAKE else outcome, ruling=ruling)


def deliver(ports: ApprovalPorts, wait: Wait) -> None:
    """Record a decided approval and answer the workflow. Repeatable; an approval that was answered is left alone."""
    if wait.result is None or not wait.tokens:
        return
    # Evidence and history first: a run never goes on with an approval nobody can look up.
    _record(ports, wait)
    alive = ports.executions.succeed(wait.tokens, {"next": wait.result.next})
    if not alive:
        LOG.warning("WaitTokenDead", extra={"run_id": wait.run_id, "model": wait.model, "kind": str(wait.kind)})
    ports.table.finish_wait(wait, at=ports.now().isoformat(), delivered=alive)
    ports.table.done(ladder_due(wait, datetime.fromisoformat(wait.next_step_at)))


def _record(ports: ApprovalPorts, wait: Wait) -> None:
    result, data = wait.result, wait.data
    ruling = result.ruling if result is not None else None
    uri = None
    if wait.record is not None:
        uri = write_record(ports, wait.model, wait.record, wait.seal, of_approval=True)
    LOG.info(
        "ApprovalDecided",
        extra={
            "run_id": wait.run_id,
            "model": wait.model,
            "subject": wait.subject,
            "decision": str(ruling.decision if ruling else None),
        },
    )
    if result is None or ruling is None or not ruling.approved:
        # The run's final status says no; ``close`` records and tells it.
        return
    record_status(
        ports,
        run_id=wait.run_id,
        model=wait.model,
        status=APPROVED[wait.subject][0],
        severity=data.get("severity"),
        sentence=result.reason,
        facts={
            "by": str(ruling.by),
            "how": ", ".join(str(vote["via"]) for vote in data.get("votes", [])),
            "comment": ruling.comment or "none",
            **({"evidence": uri} if uri else {}),
        },
        with_approvals=True,
    )


# The ladder.


def climb(ports: Ports, item: DueItem) -> Worked:
    """Work off a LADDER item: deliver what was decided, else remind, escalate or expire, whatever is due.

    Safe to run twice, at once, and beside a vote. The step is written with the item that has it told.
    """
    wait = ports.table.wait_by_id(item.subject)
    if wait is None or wait.kind is not WaitKind.APPROVAL or wait.answered:
        return DONE
    if wait.resolved:
        deliver(ports, wait)
        return Worked(repair="approval_delivered")
    now = ports.now()
    run = ports.table.run(wait.run_id)
    if run is not None and run.outcome is not None:
        # Nobody is asked any more about a run that is over.
        decided = _decide_by_time(ports, wait, replace(wait, result=withdrawn(wait, run.outcome, now)))
        return Worked(repair="approval_withdrawn") if decided else later(item, now)
    ladder = ladder_of(wait)
    step = next_step(ladder, wait.step, now)
    if step.action is LadderAction.NOTHING:
        return later(item, step.next_at)
    taken = [*wait.data["ladder"]["taken"], {"step": step.action, "at": now.isoformat()}]
    after = replace(
        wait,
        step=step.step,
        next_step_at=step.next_at.isoformat(),
        data={**wait.data, "ladder": {**wait.data["ladder"], "taken": taken}},
    )
    if step.action is LadderAction.EXPIRE:
        expired = Ruling(ApprovalDecision.EXPIRED, ladder.expire_at.isoformat())
        decided = _decide_by_time(ports, wait, replace(after, result=ruled(expired, step.sentence, wait.subject)))
        return Worked(repair="approval_advanced") if decided else later(item, now)
    told = ladder_told(wait, step.action, now)
    if ports.table.change_wait(wait, after, [ports.table.due_write(told)]):
        attempt(ports, told, tell)
        return replace(later(item, step.next_at), repair="approval_advanced")
    return later(item, now)


def withdrawn(wait: Wait, outcome: str | None, now: datetime) -> Result:
    """The result of an approval whose run ended before anybody decided; ``outcome`` None: there is no such run."""
    return Result(
        Next.RECORD,
        f"Run {wait.run_id} ended {outcome or Status.FAILED} before anybody decided.",
        Status(outcome or Status.FAILED),
        ruling=Ruling(ApprovalDecision.WITHDRAWN, now.isoformat()),
        withdrawn=True,
    )


def _decide_by_time(ports: Ports, before: Wait, after: Wait) -> bool:
    """Decide an approval that nobody decided. False when its wait, or its model's chain, was written at the same moment."""
    after, writes = with_record(ports, replace(after, state=WaitState.RESOLVED))
    if not ports.table.change_wait(before, after, writes):
        return False
    deliver(ports, ports.table.wait(before.run_id, before.kind, before.subject) or after)
    return True
