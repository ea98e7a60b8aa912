"""Entry point of SlackFunction: what the buttons under messages in Slack ask, ``{"approve": "<what the button carries>"}``.

Lambda tells nothing of who invokes, and chat applications pass no person on. So a vote from here is the channel's, whoever
invokes, and it takes the secret that the message about the approval carried. It can vote or explain, and nothing else.

No log line holds a request: the secret in it votes for whoever may invoke the function.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.composition import compose_approval
from orchestration.domain.errors import ContentionError, OrchestrationError
from orchestration.domain.slack_answers import NOT_A_BUTTON, NOT_VALID, answer_line, explained, told
from orchestration.domain.slack_buttons import Button, press_of
from orchestration.domain.votes import Answer, Via
from orchestration.steps.approvals import Ballot, approval_of_nonce, decide, pause_over, refused_of

if TYPE_CHECKING:
    from orchestration.domain.slack_buttons import Press
    from orchestration.ports import ApprovalPorts

LOG = logging.getLogger("orchestration")

ANSWERS: Final = {Button.APPROVE: Answer.APPROVED, Button.REJECT: Answer.REJECTED}

_ports: list[ApprovalPorts] = []


def press(event: Any, context: object = None) -> str:
    """Answer a button; what is given back stands in the channel.

    Raises:
        OrchestrationError: AWS or this code failed; nothing of the request is in its text.
    """
    del context
    if not _ports:
        _ports.append(compose_approval())
    return answer(event, _ports[0])


def answer(event: Any, ports: ApprovalPorts) -> str:
    """Answer a button; the part of the entry point that needs no environment."""
    asked = press_of(event)
    if asked is None:
        return answer_line(NOT_A_BUTTON)
    try:
        return _answer(asked, ports)
    except ContentionError as error:
        return answer_line(str(error), "Press the button again.")
    except Exception as error:  # noqa: BLE001 - the channel gets a sentence; what happened is logged without the request
        LOG.error("SlackPressFailed", extra={"error": type(error).__name__})  # noqa: TRY400 - a traceback may quote values
        raise OrchestrationError(
            "The button failed. Press it again: it says whether an answer was counted, and counts none twice."
        ) from None


def _answer(asked: Press, ports: ApprovalPorts) -> str:
    speaker = ports.settings.speaker
    if asked.button is Button.EXPLAIN:
        wait = approval_of_nonce(ports, asked.run_id, asked.nonce, Via.CHANNEL)
        if wait is None:
            return answer_line(NOT_VALID)
        refused = refused_of(ports, wait, Answer.APPROVED)
        return explained(
            wait, speaker, ports.now(), pause_over(ports, wait), "" if refused is None else refused.sentence
        )
    came = decide(ports, Ballot(asked.run_id, ANSWERS[asked.button], None, Via.CHANNEL, nonce=asked.nonce))
    return told(came.wait, came.code, came.sentence, speaker) if came.wait is not None else answer_line(NOT_VALID)
