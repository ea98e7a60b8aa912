"""What the operators' actions share: what is asked for, telling everybody of it, and having a sweep do what follows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.domain.chain import LOOP, Record, RecordKind, chained
from orchestration.domain.commands import against_words
from orchestration.domain.contracts import RETRAINING_REQUESTED, RETRAINING_SOURCE, DueKind, SignalSource
from orchestration.domain.due import due
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import model_name, text
from orchestration.domain.messages import switch_changed
from orchestration.domain.reasons import Reason
from orchestration.domain.records import controls_key
from orchestration.domain.signal import rejection_id
from orchestration.steps.due_work import attempt
from orchestration.steps.telling import message_told, tell

if TYPE_CHECKING:
    from datetime import datetime

    from orchestration.domain.due import DueItem
    from orchestration.domain.kept_request import KeptRequest
    from orchestration.ports import OperatorPorts
    from orchestration.stores.table import Write

LOG = logging.getLogger("orchestration")


def asked_scope(request: dict[str, Any]) -> str:
    """The scope of a request.

    Raises:
        InvalidRequestError: it is none.
    """
    given = request.get("scope")
    scope = given if isinstance(given, str) else ""
    kind, _, name = scope.partition(":")
    if scope == "global" or (kind == "model" and model_name(name)) or (kind == "source" and name in set(SignalSource)):
        return scope
    raise InvalidRequestError(
        f"{text(given, 80)!r} is no scope. Use global, model:<model>, or source:<one of {', '.join(SignalSource)}>."
    )


def asked_text(request: dict[str, Any], field: str, limit: int) -> str:
    """A text of a request.

    Raises:
        InvalidRequestError: it is missing, longer than what is kept, or only a place to fill in.
    """
    # One character more tells a text that would be cut.
    value = text(request.get(field), limit + 1)
    if value is None:
        raise InvalidRequestError(f"The request lacks {field!r}: it is kept as evidence of who changed what and why.")
    if (against := against_words(value, limit)) is not None:
        raise InvalidRequestError(f"The {field} {against}")
    return value


@dataclass(frozen=True, slots=True)
class Change:
    """A change people made to the loop: the item that has everybody told of it, and all that is written with it."""

    scope: str
    what: str
    told: DueItem
    writes: tuple[Write, ...]


def change(ports: OperatorPorts, scope: str, what: str, sentence: str, body: dict[str, Any]) -> Change:
    """A change with its record and the item that has people told: written with the change, so that none comes in silence.

    Args:
        ports: the outside.
        scope: what is changed, as in a kill switch.
        what: paused, resumed or unfrozen.
        sentence: who changed what and why.
        body: what the record holds besides.
    """
    head = ports.table.chain_head(scope.removeprefix("model:") if scope.startswith("model:") else LOOP)
    now, kind = ports.now(), RecordKind.OVERRIDE if what == "unfrozen" else RecordKind.PAUSE
    key = controls_key(head.chain, head.sequence + 1, what)
    links = chained(
        head, Record(kind, key, {**body, "scope": scope, "change": what, "at": now.isoformat(), "reason": sentence})
    )
    message = switch_changed(ports.settings.speaker, scope=scope, what=what, sentence=sentence)
    told = message_told(message, now, links)
    return Change(scope, what, told, (ports.table.due_write(told), *ports.table.chain_writes(head, links)))


def tell_change(ports: OperatorPorts, change: Change) -> None:
    """Tell people of a change that was made."""
    LOG.info("SwitchChanged", extra={"scope": change.scope, "change": change.what})
    attempt(ports, change.told, tell)


def switch_write(ports: OperatorPorts, scope: str) -> Write:
    """The write that has a sweep do what follows from a switch, for the transaction that throws or lifts it."""
    kind, _, name = scope.partition(":")
    model = name if kind == "model" else LOOP
    return ports.table.due_write(due(DueKind.SWITCH, scope, model, ports.now()))


def request_due(kept: KeptRequest, now: datetime) -> DueItem:
    """The item that has a kept request raised until it is decided, for the transaction that keeps it."""
    return due(
        DueKind.RAISE,
        f"request:{kept.request_id}",
        kept.model,
        now,
        event={
            "source": RETRAINING_SOURCE,
            "detail-type": RETRAINING_REQUESTED,
            "time": kept.at,
            "detail": {"request": kept.request_id},
        },
        identities=[kept.signal_id, rejection_id(Reason.UNKNOWN_MODEL, kept.signal_id)],
        name=f"request-{kept.request_id}",
        since=kept.at,
        repair="request_raised",
    )
