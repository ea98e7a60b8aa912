"""Replay: an event that came to nothing is raised again, read from where only the automation writes.

The caller names a place and brings no event, so nothing is judged in AWS's name that AWS did not send. What is raised goes
the way of any event of its source: it proves no more than it did, and a signal that was decided stays decided.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import EXECUTION_STATUS_CHANGE, DueKind
from orchestration.domain.due import due
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import execution_name, json_object, mapping, text
from orchestration.domain.signal import identify
from orchestration.domain.times import moment
from orchestration.steps.callers import proven_caller
from orchestration.steps.due_work import ask_for_sweep
from orchestration.steps.pending import RAISED_FOR
from orchestration.stores.models import SIGNAL_MEMORY

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.ports import OperatorPorts
    from orchestration.stores.dead_letters_sqs import DeadLetter

LOG = logging.getLogger("orchestration")

KEY: Final = re.compile(r"rejected/[\w-]{1,100}\.json")
"""Where the loop keeps events that came to nothing, and nobody else writes: the bucket's policy."""

KEPT_FOR: Final = SIGNAL_MEMORY - 2 * RAISED_FOR
"""How long an event that was kept can be replayed: a signal that was decided before it was kept, at most two weeks, is still known when
the replay was tried for two."""

NO_MODEL: Final = "-"
"""Whose a due item is before its event was judged."""

SEND: Final = "aws events put-events sends an event of your own: docs/signals.md."

EVENT_RAISED: Final = 256 * 1024 - 4096
"""Bytes of an event that is raised again: an execution's input holds 256 KiB, and says beside it who raised it, when and from where."""


def request_replay(request: dict[str, Any], ports: OperatorPorts) -> dict[str, Any]:
    """Have an event raised that was kept, or what the dead-letter queue holds.

    Args:
        request: ``{"key": "rejected/<name>.json", "proof"}``, or ``{"dead_letters": true, "proof"}``; no event is taken.
        ports: the outside.

    Returns:
        ``{"replayed": [{"what", "execution", "why"}], "left": [{"what", "sentence"}], "more"}``. ``execution`` is the name of
        the one that a sweep starts, None where a sweep alone does what the event was for; ``why`` is EventBridge's reason
        for a dead letter. ``left`` are letters that stay in the queue, each with what is wrong with it. Letters are taken
        ten at a time; ``more`` is False when there was none.

    Raises:
        InvalidRequestError: neither is asked for or both, there is no such event, or nobody is proven to ask.
    """
    key, dead_letters = request.get("key"), request.get("dead_letters")
    if dead_letters is True and key is None:
        return _dead_letters(ports, proven_caller(ports, request).name)
    if dead_letters is not None or not isinstance(key, str) or not KEY.fullmatch(key):
        raise InvalidRequestError(
            f"A replay is asked for with the key of a kept event, rejected/<name>.json, and {text(key, 120)!r} is none; or with "
            f"dead_letters, true. {SEND}"
        )
    by = proven_caller(ports, request).name
    event = _kept(ports, key)
    item = _raised(ports, key, event, by, identify("replay", key, by, ports.nonce()))
    ports.table.add_due(item)
    done = _done(key, item, by)
    ask_for_sweep(ports)
    return {"replayed": [done], "left": [], "more": False}


def _kept(ports: OperatorPorts, key: str) -> dict[str, Any]:
    """The event that is kept under a key of ours.

    Raises:
        InvalidRequestError: there is none that can be raised.
    """
    document = ports.bucket.read(ports.bucket.uri(key))
    if document.body is None:
        raise InvalidRequestError(
            f"There is no event {key} that can be read. The message on what was rejected names its key; what came in, and was rejected: "
            f"{ports.settings.speaker.command('signals')}"
        )
    if document.written_at and ports.now() - datetime.fromisoformat(document.written_at) > KEPT_FOR:
        raise InvalidRequestError(
            f"{key} was kept at {moment(document.written_at)}, and what is older than {KEPT_FOR.days} days is not replayed: nobody would "
            f"know any more whether its signal was decided. {SEND}"
        )
    kept = json_object(document.body)
    if isinstance(kept, str):
        raise InvalidRequestError(f"{key} {kept}.")
    event = kept.get("event")
    flaw = "it keeps no event" if kept.keys() - {"run_id"} != {"event", "sentence"} else _flaw(event)
    if flaw is not None:
        raise InvalidRequestError(f"{key} cannot be replayed: {flaw}. {SEND}")
    return mapping(event)


def _dead_letters(ports: OperatorPorts, by: str) -> dict[str, Any]:
    """Have everything raised that one look into the queue shows; a letter is deleted only once that is written down."""
    replayed, left = [], []
    letters = ports.letters.receive()
    for letter in letters:
        what = f"dead letter {letter.letter_id}"
        event = json_object(letter.body)
        flaw = event if isinstance(event, str) else _undeliverable(ports, letter, event)
        if flaw is not None:
            LOG.warning("DeadLetterLeft", extra={"what": what, "by": by, "reason": flaw})
            left.append({"what": what, "sentence": f"It {flaw}. It stays in the queue."})
            continue
        item = _followed(ports, letter, mapping(event), by)
        if item is not None:
            ports.table.add_due(item)
        replayed.append(_done(what, item, by, letter.why))
        ports.letters.delete(letter)
    if replayed:
        ask_for_sweep(ports)
    return {"replayed": replayed, "left": left, "more": bool(letters)}


def _undeliverable(ports: OperatorPorts, letter: DeadLetter, event: dict[str, Any]) -> str | None:
    """Why nothing can follow from a letter, None when something can."""
    if not letter.target:
        return "does not say for whom it was, so no rule of EventBridge left it"
    if ":function:" in letter.target:
        return None  # those of the rules that wake the loop; one of a schedule is no event of EventBridge
    if letter.target != ports.settings.state_machine_arn:
        return f"is for {text(letter.target, 200)}, which is nothing of this stack's loop"
    flaw = _flaw(event)
    return None if flaw is None else f"cannot be replayed: {flaw}"


def _flaw(event: Any) -> str | None:
    """Why something is no event that can be raised, None when it is one."""
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in ("source", "detail-type")):
        return "what it holds is no event of EventBridge, with source and detail-type, or only its beginning"
    size = len(canonical(event).encode())
    return (
        f"its event has {size} bytes, and at most {EVENT_RAISED} can be raised again" if size > EVENT_RAISED else None
    )


def _followed(ports: OperatorPorts, letter: DeadLetter, event: dict[str, Any], by: str) -> DueItem | None:
    """What is due for a letter. None for what a sweep does by itself: waits are looked at, and a sweep is a sweep.

    The end of an execution that decided nothing is told by its event only; the execution itself says how it ended.
    """
    machine = ports.settings.state_machine_arn
    # The same letter again is the same execution.
    identity = identify("dead-letter", letter.letter_id)
    if letter.target == machine:
        return _raised(ports, f"dead-letter:{letter.letter_id}", event, by, identity)
    detail = mapping(event.get("detail"))
    name = execution_name(detail.get("name"))
    ended = event.get("detail-type") == EXECUTION_STATUS_CHANGE and detail.get("stateMachineArn") == machine
    if not ended or name is None:
        return None
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    return due(DueKind.ALIVE, name, NO_MODEL, ports.now(), execution_arn=arn, by=by)


def _raised(ports: OperatorPorts, what: str, event: dict[str, Any], by: str, identity: str) -> DueItem:
    """The item that has an event raised until an execution ends well. Who replayed it stands in the event: for people only."""
    now = ports.now().isoformat()
    return due(
        DueKind.RAISE,
        f"replay:{identity}",
        NO_MODEL,
        ports.now(),
        event={**event, "replayed": {"by": by, "at": now, "from": what}},
        # Which signal it is, only judging it says; a second execution of one that was decided changes nothing.
        identities=[],
        name=f"replay-{identity}",
        since=now,
        repair="event_replayed",
    )


def _done(what: str, item: DueItem | None, by: str, why: str = "") -> dict[str, Any]:
    execution = None if item is None or item.kind is not DueKind.RAISE else f"{item.data['name']}-1"
    LOG.info("EventReplayed", extra={"what": what, "by": by, "execution": execution, "reason": why})
    return {"what": what, "execution": execution, "why": text(why, 500) or ""}
