"""What a message about an approval tells people to do: where the page is, with which link, from which terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from orchestration.domain.votes import nonce_hash
from orchestration.settings import ApprovalAccess

if TYPE_CHECKING:
    from orchestration.domain.wait import Wait
    from orchestration.ports import ApprovalPorts

ATTEMPTS: Final = 25
"""Tries against rivals on one approval; each loses at most to one that won."""


def steps_to_decide(ports: ApprovalPorts, wait: Wait) -> tuple[str, ...]:
    """The next steps of a message about an open approval. With ``LINK`` each message gets a nonce of its own."""
    link = _link(ports, wait)
    by_link = ports.settings.approval_access is ApprovalAccess.LINK
    steps = [f"Look and decide: {link}"] if link else []
    if link and by_link:
        steps.append("The link decides once, for whoever holds it: do not forward this message.")
    steps.append(f"From a terminal: make approve RUN={wait.run_id} or make reject RUN={wait.run_id}")
    if wait.data["approvals_needed"] > 1:
        steps.append(
            f"{wait.data['approvals_needed']} different people have to approve; links count as one person together, "
            "so the other one approves from a terminal."
            if by_link
            else f"{wait.data['approvals_needed']} different people have to approve."
        )
    return tuple(steps)


def hash_of_nonce(wait: Wait, nonce: str) -> str:
    """What is stored of a link's nonce."""
    return nonce_hash(nonce, wait_id=wait.wait_id, manifest_sha256=wait.data["manifest_sha256"], deadline=wait.deadline)


def _link(ports: ApprovalPorts, wait: Wait) -> str:
    settings = ports.settings
    if settings.approval_access is ApprovalAccess.OFF or not settings.approval_url:
        return ""
    address = f"{settings.approval_url}?run={quote(wait.run_id, safe='')}"
    if settings.approval_access is not ApprovalAccess.LINK:
        return address
    for _ in range(ATTEMPTS):
        nonce = ports.nonce()
        nonces = [*wait.data["nonces"], {"sha256": hash_of_nonce(wait, nonce), "used_at": None}]
        if ports.table.change_wait(wait, replace(wait, data={**wait.data, "nonces": nonces})):
            return f"{address}&nonce={nonce}"
        current = ports.table.wait(wait.run_id, wait.kind, wait.subject)
        if current is None or current.resolved:
            break
        wait = current
    return ""
