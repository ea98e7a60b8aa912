"""What a message about an approval has people do: where the page is, with which link, from which terminal, by which buttons."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from orchestration.domain.messages import how_to_decide
from orchestration.domain.notification import Page
from orchestration.domain.slack_buttons import buttons_of, carries
from orchestration.domain.votes import Via, nobody_left, nonce_hash, refused_unnamed
from orchestration.settings import ApprovalAccess
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from orchestration.domain.wait import Wait
    from orchestration.ports import ApprovalPorts


def steps_to_decide(ports: ApprovalPorts, wait: Wait) -> tuple[str | Page, ...]:
    """The next steps of a message about an open approval. With ``LINK`` each message gets a nonce of its own.

    Elsewhere it has no address: the page of ``IAM`` takes signed requests, which no browser sends.
    """
    link, stuck = _link(ports, wait), nobody_left(wait.data, wait.parked_at)
    steps: list[str | Page] = [stuck] if stuck else []
    if link:
        steps += [Page("Look" if wait.data.get("voters") else "Look and decide", link), _what_the_link_does(wait)]
    steps += how_to_decide(ports.settings.speaker, wait.run_id, wait.subject)
    if wait.approvals_needed > 1:
        steps.append(f"{wait.approvals_needed} different people have to approve.")
    return tuple(steps)


def _what_the_link_does(wait: Wait) -> str:
    if wait.data.get("voters"):
        return "The link only shows, since the policy names who may answer: use the terminal, which says who you are."
    if refused_unnamed(Via.LINK, wait.data) is not None:
        return (
            "The link shows, and rejects for whoever holds it: do not forward this message. To approve, use the terminal, "
            "which says who you are."
        )
    return "The link decides once, for whoever holds it: do not forward this message."


def hash_of_nonce(wait: Wait, nonce: str, via: Via) -> str:
    """What is stored of a nonce that was sent for an approval."""
    return nonce_hash(
        nonce, via, wait_id=wait.wait_id, manifest_sha256=wait.data["manifest_sha256"], deadline=wait.deadline
    )


def _link(ports: ApprovalPorts, wait: Wait) -> str:
    settings = ports.settings
    if settings.approval_access is not ApprovalAccess.LINK or not settings.approval_url:
        return ""
    nonce = _new_nonce(ports, wait, Via.LINK)
    return f"{settings.approval_url}?run={quote(wait.run_id, safe='')}&nonce={nonce}" if nonce else ""


def buttons(ports: ApprovalPorts, wait: Wait) -> dict[str, str]:
    """What the buttons in Slack under a message about an open approval carry; empty where there are none.

    Each message gets a nonce of its own, so that a press is of this message, and only whoever saw it can make one.
    """
    if not ports.settings.slack_approvals or not carries(wait.run_id):
        return {}
    nonce = _new_nonce(ports, wait, Via.CHANNEL)
    return buttons_of(wait, nonce) if nonce else {}


def _new_nonce(ports: ApprovalPorts, wait: Wait, via: Via) -> str:
    """A nonce that is kept with an approval; empty once that is decided.

    Raises:
        ContentionError: rivals kept winning.
    """

    def add() -> str | None:
        current = ports.table.wait(wait.run_id, wait.kind, wait.subject)
        if current is None or current.resolved:
            return ""
        nonce = ports.nonce()
        nonces = [*current.data["nonces"], {"sha256": hash_of_nonce(current, nonce, via)}]
        changed = ports.table.change_wait(current, replace(current, data={**current.data, "nonces": nonces}))
        return nonce if changed else None

    return against_rivals(ports, add, f"The approval of run {wait.run_id}")
