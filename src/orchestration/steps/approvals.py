"""Approve: ask people, count what they say, remind, escalate, expire. The only place where an approval is decided.

A vote, a step of the ladder and the expiry all change the wait on the condition that nobody changed it since it was
read. So no vote is lost when two people answer at the same moment, and nothing follows the first decision.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from orchestration.domain.contracts import WaitKind
from orchestration.domain.errors import ContentionError, InvalidRequestError
from orchestration.domain.json_values import mapping, text
from orchestration.domain.notification import Message
from orchestration.domain.records import manifest_key, sha256
from orchestration.domain.votes import (
    COMMENT_LIMIT,
    Answer,
    Ladder,
    LadderAction,
    Via,
    Vote,
    VoteCode,
    clean_comment,
    count_vote,
    expired_result,
    matching_nonce,
    next_step,
    nonce_hash,
    stamp,
)
from orchestration.domain.wait_results import wait_id
from orchestration.settings import ApprovalAccess
from orchestration.steps.approval_records import PROMOTION, REQUESTED, TRAINING
from orchestration.steps.policies import load_policy
from orchestration.steps.statuses import record_status
from orchestration.steps.waits import deliver
from orchestration.stores.table_dynamodb import Wait

if TYPE_CHECKING:
    from orchestration.domain.decision import KillSwitch
    from orchestration.ports import ApprovalPorts, Ports

LOG = logging.getLogger("orchestration")

ATTEMPTS: Final = 25
"""Tries against rivals on one approval; each loses at most to one that won."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote as it arrives. ``subject`` None means the approval that is open; ``nonce`` is needed with ``Via.LINK``."""

    run_id: str
    answer: Answer
    by: str
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
        }


# Asking.


def approval_data(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """What the wait of an approval keeps: why, on which plan, how many people, how long, what they saw.

    Args:
        request: a park request of kind approval.
        ports: the outside.
    """
    run, now = request["run"], ports.now()
    loaded = load_policy(ports, run["model"])
    policy, hours = (loaded.policy if loaded else None), ports.settings.approval_expiry_hours
    verdict = mapping(request.get("verdict"))
    plan = mapping(verdict.get("promotion"))
    budget = None
    if policy is not None:
        since = now - timedelta(days=policy.budget_days)
        starts = ports.table.model(run["model"]).run_starts
        budget = {
            "used": sum(datetime.fromisoformat(start) > since for start in starts),
            "runs": policy.budget_runs,
            "days": policy.budget_days,
        }
    return {
        "why": verdict.get("sentence") or run.get("reason") or "the policy asks for it",
        "manifest_sha256": str(run.get("manifest_sha256")),
        "manifest_uri": ports.bucket.uri(manifest_key(run["model"], run["run_id"])),
        "severity": run.get("severity"),
        "approvals_needed": run.get("approvals_needed", 1),
        "votes": [],
        "nonces": [],
        "budget": budget,
        "verdict": {
            "sentence": verdict.get("sentence"),
            "gates": verdict.get("gates"),
            "promotion": {key: plan.get(key) for key in ("kind", "endpoint", "previous_config", "wanted_config")},
        }
        if verdict
        else None,
        "ladder": {
            "remind_hours": policy.approval.remind_hours if policy else hours / 6,
            "escalate_hours": policy.approval.escalate_hours if policy else hours / 3,
            "expire_hours": policy.approval.expire_hours if policy else hours,
            "taken": [],
        },
    }


def ladder_of(wait: Wait) -> Ladder:
    """The ladder of a parked approval."""
    return Ladder.start(datetime.fromisoformat(wait.parked_at), wait.data["ladder"])


def ask(ports: Ports, parked: Wait) -> None:
    """Tell people of an approval that was parked; asking twice tells once."""
    requested = REQUESTED[parked.subject]
    if any(row["status"] == requested for row in ports.table.statuses(parked.run_id)):
        return
    # Read again: a repeated park keeps the wait as it was, only its token is new.
    wait = ports.table.wait(parked.wait_id) or parked
    wait, link = _with_link(ports, wait)
    record_status(
        ports,
        run_id=wait.run_id,
        model=wait.model,
        status=requested,
        severity=wait.data["severity"],
        sentence=(
            f"The {wait.subject} of {wait.model} waits for approval until "
            f"{stamp(datetime.fromisoformat(wait.deadline))}: {wait.data['why']}"
        ),
        next_steps=_next_steps(ports, wait, link),
    )


def _with_link(ports: ApprovalPorts, wait: Wait) -> tuple[Wait, str]:
    """The wait and the address of its page. With ``LINK`` each message gets a nonce of its own, kept as a hash only."""
    settings = ports.settings
    if settings.approval_access is ApprovalAccess.OFF or not settings.approval_url:
        return wait, ""
    address = f"{settings.approval_url}?run={quote(wait.run_id, safe='')}"
    if settings.approval_access is not ApprovalAccess.LINK:
        return wait, address
    for _ in range(ATTEMPTS):
        nonce = ports.nonce()
        hashed = _hash_of(wait, nonce)
        nonces = [*wait.data["nonces"], {"sha256": hashed, "used_at": None}]
        after = replace(wait, data={**wait.data, "nonces": nonces}, revision=wait.revision + 1)
        if ports.table.update_wait(wait, after):
            return after, f"{address}&nonce={nonce}"
        current = ports.table.wait(wait.wait_id)
        if current is None or current.state != Wait.PARKED:
            break
        wait = current
    return wait, ""


def _hash_of(wait: Wait, nonce: str) -> str:
    return nonce_hash(nonce, wait_id=wait.wait_id, manifest_sha256=wait.data["manifest_sha256"], deadline=wait.deadline)


def _next_steps(ports: ApprovalPorts, wait: Wait, link: str) -> tuple[str, ...]:
    steps = [f"Look and decide: {link}"] if link else []
    if link and ports.settings.approval_access is ApprovalAccess.LINK:
        steps.append("The link decides once, for whoever holds it: do not forward this message.")
    steps.append(f"From a terminal: make approve RUN={wait.run_id} or make reject RUN={wait.run_id}")
    if wait.data["approvals_needed"] > 1:
        steps.append(
            f"{wait.data['approvals_needed']} different people have to approve; links count as one person together, "
            "so the other one approves from a terminal."
            if ports.settings.approval_access is ApprovalAccess.LINK
            else f"{wait.data['approvals_needed']} different people have to approve."
        )
    return tuple(steps)


# Deciding.


def approval_of(ports: ApprovalPorts, run_id: str, subject: str | None = None) -> Wait | None:
    """The run's approval: the open one, else the last one that is over."""
    subjects = (subject,) if subject else (PROMOTION, TRAINING)
    identities = [wait_id(run_id, WaitKind.APPROVAL, name) for name in subjects]
    for identity in identities:
        if (wait := ports.table.wait(identity)) is not None:
            return wait
    for identity in identities:
        if (wait := ports.table.past_wait(run_id, identity)) is not None:
            return wait
    return None


def approval_of_link(ports: ApprovalPorts, run_id: str, nonce: str) -> tuple[Wait, bool] | None:
    """The approval a link belongs to, and whether the link was used; None for a link that is no link of this run."""
    for subject in (PROMOTION, TRAINING):
        wait = approval_of(ports, run_id, subject)
        if wait is None:
            continue
        position = _nonce_position(wait, nonce)
        if position is not None:
            return wait, wait.data["nonces"][position]["used_at"] is not None
    return None


def _nonce_position(wait: Wait, nonce: str) -> int | None:
    return matching_nonce(_hash_of(wait, nonce), [entry["sha256"] for entry in wait.data.get("nonces", [])])


def decide(ports: ApprovalPorts, ballot: Ballot) -> BallotAnswer:
    """Count a ballot. Nothing changes unless the answer's code is DECIDED or COUNTED.

    Raises:
        ContentionError: rivals kept winning; try again.
    """
    for _ in range(ATTEMPTS):
        if ballot.via is Via.LINK:
            found = approval_of_link(ports, ballot.run_id, ballot.nonce or "")
            wait = found[0] if found else None
            if wait is None or (ballot.subject and wait.subject != ballot.subject):
                return BallotAnswer(VoteCode.LINK_INVALID, "This link is not valid.")
        else:
            wait = approval_of(ports, ballot.run_id, ballot.subject)
        if wait is None:
            return BallotAnswer(
                VoteCode.UNKNOWN, f"No approval was asked for run {ballot.run_id}; make waits shows what is open."
            )
        if wait.state == Wait.RESOLVED:
            if wait.token:
                # Whoever decided died before the workflow heard of it.
                deliver(ports, wait)
            return _decided_before(wait)
        refused = _refused(ports, wait, ballot)
        if refused is not None:
            return refused
        now = ports.now()
        vote = Vote(ballot.answer, ballot.by, ballot.via, ballot.comment, now.isoformat())
        verdict = count_vote(
            [Vote(**entry) for entry in wait.data["votes"]],
            vote,
            needed=int(wait.data["approvals_needed"]),
            deadline=datetime.fromisoformat(wait.deadline),
            now=now,
            paused=paused(ports, wait.model),
        )
        if verdict.code not in {VoteCode.DECIDED, VoteCode.COUNTED}:
            return BallotAnswer(verdict.code, verdict.sentence, wait)
        data = {**wait.data, "votes": [entry.as_record() for entry in verdict.votes]}
        if ballot.via is Via.LINK:
            data["nonces"] = _with_used(wait, ballot.nonce or "", now)
        state = Wait.PARKED if verdict.result is None else Wait.RESOLVED
        after = replace(wait, data=data, state=state, result=verdict.result)
        if ports.table.update_wait(wait, after):
            if verdict.result is None:
                _tell_counted(ports, after, vote, verdict.sentence)
            else:
                # The workflow may have parked again with a new token in between; the stored one is the live one.
                deliver(ports, ports.table.wait(wait.wait_id) or after)
            return BallotAnswer(verdict.code, verdict.sentence, after)
        ports.pause(0.05)
    raise ContentionError(f"Others kept changing the approval of run {ballot.run_id}; nothing was decided. Try again.")


def _refused(ports: ApprovalPorts, wait: Wait, ballot: Ballot) -> BallotAnswer | None:
    """Why a ballot on an open approval is not counted, before it is weighed against other votes."""
    if ballot.via is Via.LINK:
        position = _nonce_position(wait, ballot.nonce or "")
        if position is None or wait.data["nonces"][position]["used_at"] is not None:
            return BallotAnswer(
                VoteCode.LINK_USED,
                "This link was used; its approval is counted already. The other person approves from a terminal: "
                f"make approve RUN={wait.run_id}",
                wait,
            )
    run = ports.table.run(wait.run_id)
    if run is not None and run.outcome is not None:
        return BallotAnswer(
            VoteCode.RUN_OVER, f"Run {wait.run_id} is over ({run.outcome}); there is nothing left to decide.", wait
        )
    if ballot.answer is Answer.APPROVED and not plan_unchanged(ports, wait):
        return BallotAnswer(
            VoteCode.PLAN_CHANGED,
            f"The manifest of run {wait.run_id} is not the one that was asked about; nothing was decided. "
            "Reject the run and look at the versions of its manifest.",
            wait,
        )
    return None


def plan_unchanged(ports: ApprovalPorts, wait: Wait) -> bool:
    """True when the manifest in the bucket is the one the approval was asked for."""
    document = ports.bucket.read(ports.bucket.uri(manifest_key(wait.model, wait.run_id)))
    return document.body is not None and sha256(document.body) == wait.data["manifest_sha256"]


def paused(ports: ApprovalPorts, model: str) -> KillSwitch | None:
    """The kill switch over a model, if one is thrown."""
    scopes = {"global", f"model:{model}"}
    return next((switch for switch in ports.table.kill_switches() if switch.scope in scopes), None)


def _with_used(wait: Wait, nonce: str, now: datetime) -> list[dict[str, Any]]:
    position = _nonce_position(wait, nonce)
    return [
        {**entry, "used_at": now.isoformat()} if place == position else entry
        for place, entry in enumerate(wait.data["nonces"])
    ]


def _decided_before(wait: Wait) -> BallotAnswer:
    result = wait.result or {}
    if result.get("decision") == "EXPIRED":
        return BallotAnswer(
            VoteCode.EXPIRED, f"The approval expired at {stamp(datetime.fromisoformat(wait.deadline))}.", wait
        )
    return BallotAnswer(VoteCode.DECIDED_BEFORE, f"The {wait.subject} was decided before: {result.get('reason')}", wait)


def _tell_counted(ports: ApprovalPorts, wait: Wait, vote: Vote, sentence: str) -> None:
    LOG.info("ApprovalCounted", extra={"run_id": wait.run_id, "model": wait.model, "subject": wait.subject})
    ports.channels.tell(
        Message(
            model=wait.model,
            status="APPROVAL_COUNTED",
            title=f"{wait.subject} approval counted",
            sentence=f"{vote.by} approved the {wait.subject} of {wait.model}. {sentence}",
            facts=(("run", wait.run_id), ("deadline", wait.deadline)),
            next_steps=(f"From a terminal: make approve RUN={wait.run_id} or make reject RUN={wait.run_id}",),
            thread=wait.run_id,
        )
    )


def decide_request(request: dict[str, Any], ports: ApprovalPorts) -> dict[str, Any]:
    """A decision from the terminal, whose identity the command took from STS.

    Args:
        request: ``{"run_id", "decision": "APPROVED" | "REJECTED", "by", "comment"?, "subject"?}``.
        ports: the outside.

    Returns:
        ``{"decided", "counted", "code", "reason", "subject"}``.

    Raises:
        InvalidRequestError: a field is missing or not one of its values.
    """
    run_id, by = text(request.get("run_id"), 200), text(request.get("by"), 300)
    decision, subject = request.get("decision"), request.get("subject")
    if run_id is None or by is None or decision not in set(Answer) or subject not in {None, TRAINING, PROMOTION}:
        raise InvalidRequestError(
            "A decision needs run_id, decision (APPROVED or REJECTED) and by, the name of who decides."
        )
    comment = clean_comment(str(request.get("comment") or ""))
    if len(comment) > COMMENT_LIMIT:
        raise InvalidRequestError(f"The comment has {len(comment)} characters; at most {COMMENT_LIMIT} are kept.")
    ballot = Ballot(run_id, Answer(decision), by, Via.TERMINAL, comment, subject)
    return decide(ports, ballot).as_record()


# The ladder.


def advance_approval(ports: Ports, wait: Wait, now: datetime) -> str | None:
    """Take the step of the ladder that is due; safe to run twice, at once, and beside a vote.

    The step is written before its message is sent, so that of two sweeps one tells. An approval whose run is over is
    withdrawn: nobody is asked about it any more.

    Returns:
        ``reminded``, ``escalated``, ``expired``, ``withdrawn``, or None when nothing was due or somebody was faster.
    """
    if wait.kind != WaitKind.APPROVAL or wait.state != Wait.PARKED:
        return None
    run = ports.table.run(wait.run_id)
    if run is not None and run.outcome is not None:
        reason = f"Run {wait.run_id} ended {run.outcome} before anybody decided."
        result = {"decision": "WITHDRAWN", "outcome": run.outcome, "reason": reason, "decided_at": now.isoformat()}
        return _settle(ports, wait, replace(wait, state=Wait.RESOLVED, result=result), "withdrawn")
    ladder = ladder_of(wait)
    step = next_step(ladder, wait.step, now)
    if step.action is LadderAction.NOTHING:
        return None
    taken = [*wait.data["ladder"]["taken"], {"step": step.action, "at": now.isoformat()}]
    after = replace(
        wait,
        step=step.step,
        next_step_at=step.next_at.isoformat(),
        data={**wait.data, "ladder": {**wait.data["ladder"], "taken": taken}},
    )
    if step.action is LadderAction.EXPIRE:
        return _settle(ports, wait, replace(after, state=Wait.RESOLVED, result=expired_result(ladder)), "expired")
    if not ports.table.update_wait(wait, after):
        return None
    told, link = _with_link(ports, replace(after, revision=wait.revision + 1))
    escalates = step.action is LadderAction.ESCALATE
    ports.channels.tell(
        Message(
            model=wait.model,
            status=f"APPROVAL_{'ESCALATED' if escalates else 'REMINDED'}",
            title=f"{wait.subject} approval {'undecided' if escalates else 'reminder'}",
            sentence=f"The {wait.subject} of {wait.model} waits for approval. {step.sentence} {wait.data['why']}",
            facts=(("run", wait.run_id), ("deadline", wait.deadline), ("manifest", wait.data["manifest_uri"])),
            next_steps=(
                *_next_steps(ports, told, link),
                *((f"Runbook: {ports.settings.runbook_url}#approval-undecided",) if escalates else ()),
            ),
            escalates=escalates,
            thread=wait.run_id,
        )
    )
    return "escalated" if escalates else "reminded"


def _settle(ports: Ports, before: Wait, after: Wait, what: str) -> str | None:
    if not ports.table.update_wait(before, after):
        return None
    deliver(ports, ports.table.wait(before.wait_id) or after)
    return what
