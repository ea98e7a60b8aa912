"""Buttons under a message in Slack: what they carry, and what a press of one asks. Pure.

Amazon Q Developer in chat applications puts a value of the message into the command behind a button as it stands, and escapes
nothing. So a button carries one identifier, of letters that mean nothing in a command, in JSON or in Slack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.votes import Via, refused_unnamed

if TYPE_CHECKING:
    from orchestration.domain.wait import Wait

_CARRIED: Final = re.compile(r"([A-Za-z0-9_.-]{1,80})\.([A-Za-z0-9_-]{43})")
"""A run and a nonce. The last full stop stands between them: a nonce has none."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
"""Names of runs that buttons carry. People may start a run under any name that Step Functions takes, one with quotes too."""


class Button(StrEnum):
    """The buttons: the key that each has in a message and in the request of its press."""

    APPROVE = "approve"
    REJECT = "reject"
    EXPLAIN = "explain"


@dataclass(frozen=True, slots=True)
class Press:
    """A button that was pressed: what it asks, of which run, and the secret of the message it stood under."""

    button: Button
    run_id: str
    nonce: str


def carries(run_id: str) -> bool:
    """Whether a button can carry a run's name."""
    return _PLAIN_NAME.fullmatch(run_id) is not None


def buttons_of(wait: Wait, nonce: str) -> dict[str, str]:
    """What the buttons under a message about an open approval carry, by button. A button whose press cannot count is left out.

    Args:
        wait: the approval; its run has a name that buttons carry.
        nonce: of this message, for ``Via.CHANNEL``.
    """
    shown = [Button.EXPLAIN]
    if not wait.data.get("voters"):
        shown.append(Button.REJECT)
    if refused_unnamed(Via.CHANNEL, wait.data) is None:
        shown.append(Button.APPROVE)
    return {str(button): f"{wait.run_id}.{nonce}" for button in shown}


def press_of(request: Any) -> Press | None:
    """What a request asks: ``{"<button>": "<what it carries>"}``. None for anything else."""
    if not isinstance(request, dict) or len(request) != 1:
        return None
    ((name, value),) = request.items()
    carried = _CARRIED.fullmatch(value) if isinstance(value, str) else None
    if carried is None or name not in set(Button):
        return None
    return Press(Button(name), carried[1], carried[2])
