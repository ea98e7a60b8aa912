"""What the operators' actions share: who asks for what, and telling everybody of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import SignalSource
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import model_name, text
from orchestration.domain.notification import Message
from orchestration.steps.due_work import attempt
from orchestration.steps.telling import message_told, tell

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")


def asked_scope(request: dict[str, Any]) -> str:
    """The scope of a request.

    Raises:
        InvalidRequestError: it is none.
    """
    scope = str(request.get("scope") or "")
    kind, _, name = scope.partition(":")
    if scope == "global" or (kind == "model" and model_name(name)) or (kind == "source" and name in set(SignalSource)):
        return scope
    raise InvalidRequestError(
        f"{scope!r} is no scope. Use global, model:<model>, or source:<one of {', '.join(SignalSource)}>."
    )


def asked_text(request: dict[str, Any], field: str, limit: int) -> str:
    """A text of a request.

    Raises:
        InvalidRequestError: it is missing.
    """
    value = text(request.get(field), limit)
    if value is None:
        raise InvalidRequestError(f"The request lacks {field!r}: it is kept as evidence of who changed what and why.")
    return value


def change_told(ports: Ports, scope: str, what: str, sentence: str, step: str) -> DueItem:
    """The item that has people told of a change; it is written with the change, so that none comes in silence."""
    message = Message(
        model=scope.removeprefix("model:") if scope.startswith("model:") else None,
        status=what.upper(),
        title=f"{scope} {what}",
        sentence=sentence,
        next_steps=(step,),
    )
    return message_told(message, ports.now())


def tell_change(ports: Ports, scope: str, what: str, item: DueItem) -> None:
    """Tell people of a change that was made."""
    LOG.info("SwitchChanged", extra={"scope": scope, "change": what})
    attempt(ports, item, tell)
