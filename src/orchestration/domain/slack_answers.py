"""What the channel is answered when somebody presses a button in Slack. Pure.

An answer begins with what it is about, whatever the message said that the button stood under.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from orchestration.domain.approval_view import FOLLOWS
from orchestration.domain.channel_text import chat_line, fitted
from orchestration.domain.failures import ended
from orchestration.domain.messages import how_to_decide, resume_steps, what_is_asked
from orchestration.domain.switches import paused_sentence
from orchestration.domain.times import duration, stamp
from orchestration.domain.votes import CHANNEL, Answer, Via, Vote, VoteCode, weigh

if TYPE_CHECKING:
    from orchestration.domain.messages import Speaker
    from orchestration.domain.switches import KillSwitch
    from orchestration.domain.wait import Wait

PART_SHOWN: Final = 600
"""Characters of a part of an answer, by itself: a long reason cuts off nothing of how to go on. The channel is to be read."""

NOT_A_BUTTON: Final = (
    "This is none of the buttons under a message. Nothing was decided. Use those, or the commands that it names."
)
NOT_VALID: Final = "This button is not valid. Nothing was decided. Use the newest message about the run."


def answer_line(*parts: str) -> str:
    """An answer as the channel sees it: one line, of text alone."""
    return " ".join(fitted(part, PART_SHOWN, chat_line) for part in parts if part)


def explained(wait: Wait, speaker: Speaker, now: datetime, paused: KillSwitch | None, refused: str) -> str:
    """What an approval asks, how it stands, and what the buttons would do.

    Args:
        wait: the approval.
        speaker: the stack.
        now: the time to judge at.
        paused: the kill switch over it, if one is thrown.
        refused: why nobody can approve it any more, whoever does; empty where somebody can.
    """
    head, look = _head(wait), f"All of it: {speaker.command('explain', wait.run_id)}"
    if wait.result is not None:
        return answer_line(head, f"It was decided: {ended(wait.result.reason)}", look)
    verdict = weigh(wait, Vote(Answer.APPROVED, CHANNEL, Via.CHANNEL, "", now.isoformat()), now=now, paused=paused)
    if verdict.code in {VoteCode.UNKNOWN, VoteCode.EXPIRED}:
        return answer_line(head, verdict.sentence, look)
    if refused:
        return answer_line(head, refused, look)
    deadline, data = datetime.fromisoformat(wait.deadline), wait.data
    parts = [
        head,
        ended(str(data.get("why") or "Why is not known")),
        f"Severity {data.get('severity') or 'unknown'}. {len(data['votes'])} of {wait.approvals_needed} approvals are given.",
        f"{duration(deadline - now)} are left, until {stamp(deadline)}, then the answer is no.",
    ]
    if verdict.code is VoteCode.DECIDED:
        parts.append("Approve and Reject decide at once. It is recorded that somebody in this channel did, not who.")
    elif paused is not None and verdict.code is VoteCode.PAUSED:
        parts += [f"{paused_sentence(paused)} Reject works.", *resume_steps(speaker, [paused.scope])]
    else:
        parts += [
            verdict.sentence.removesuffix(" Nothing was decided."),
            *how_to_decide(speaker, wait.run_id, wait.subject),
        ]
    return answer_line(*parts, look)


def told(wait: Wait, code: VoteCode, sentence: str, speaker: Speaker) -> str:
    """What became of a vote, and what to do next.

    Args:
        wait: the approval as it stands now.
        code: what became of the vote.
        sentence: that, for people.
        speaker: the stack.
    """
    after: tuple[str, ...] = ()
    if code is VoteCode.DECIDED and wait.result is not None and wait.result.ruling is not None:
        after = (FOLLOWS[wait.subject, wait.result.ruling.approved],)
    elif code in {VoteCode.NAME_NEEDED, VoteCode.NO_VOTER}:
        after = how_to_decide(speaker, wait.run_id, wait.subject)
    return answer_line(
        _head(wait), ended(sentence), *after, f"What happens: {speaker.command('history', run=wait.run_id)}"
    )


def _head(wait: Wait) -> str:
    return f"The {what_is_asked(wait.subject)} of {wait.model}, run {wait.run_id}."
