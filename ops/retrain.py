"""Ask for the retraining of a model by hand, and say what was decided on it."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import click

from ops.explain import model_hint
from ops.heard_signals import COLOURS, heard_of
from ops.invocation import legal_model, reason_option, stack_command
from ops.stack import StoppedError
from ops.terminal import Styled
from orchestration.domain.contracts import Decision
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import rejection_id

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal


PATIENCE_SECONDS: Final = 60.0


@stack_command("retrain")
@click.option("--model", required=True, callback=legal_model, help="Model to retrain.")
@reason_option
@click.option("--force", is_flag=True, help="Pass the cooldown, which is recorded as an override.")
def retrain(stack: Stack, terminal: Terminal, *, model: str, reason: str, force: bool) -> int:
    """Ask for a retraining by hand. Exit status 1: the guards said no, or nothing was decided within 60 s."""
    key = uuid.uuid4().hex
    asked = stack.operate({"action": "retrain", "model": model, "reason": reason, "force": force, "key": key})
    return told(stack, terminal, asked["signal_id"])


def told(stack: Stack, terminal: Terminal, signal_id: str) -> int:
    """Print what was decided on a request. Exit status 0 when a run follows, 1 when the guards said no or nothing yet."""
    explained = stack.place.command("explain", signal_id)
    try:
        with terminal.working("The request is kept; the loop decides on it"):
            record = _decided(stack, signal_id)
    except KeyboardInterrupt:
        raise StoppedError("The request is kept and will be decided all the same. Look again:", explained) from None
    if record is None:
        said = f"The request is kept; no decision within {PATIENCE_SECONDS:.0f} s, so a sweep raises it."
        terminal.answer(asked_document(signal_id, said))
        terminal.say(f"{said} Look again:")
        terminal.command(explained)
        return 1
    begun = record["decision"] in {decision for decision in Decision if decision.begins_run}
    hint = model_hint(stack, heard_of(record, None))
    terminal.answer(
        {
            **asked_document(record["signal_id"], record["sentence"]),
            "decision": record["decision"],
            "reason": record["reason"],
            "hint": hint,
            "run_id": record["run_id"] if begun else None,
        }
    )
    terminal.say(Styled(COLOURS.get(record["decision"], "bold"), record["decision"]), f" {record['sentence']}")
    if hint:
        terminal.say(Styled("yellow", hint))
    terminal.say("Every guard:" if record["guards"] else "What is known of it:")
    terminal.command(stack.place.command("explain", record["signal_id"]))
    if begun:
        terminal.say("Follow the run:")
        terminal.command(stack.place.command("history", run=record["run_id"], watch=True))
    return 0 if begun else 1


def asked_document(signal_id: str | None, sentence: str) -> dict[str, Any]:
    """What `retrain` and `rollback` answer while nothing more is known."""
    return {
        "signal_id": signal_id,
        "decision": None,
        "reason": None,
        "sentence": sentence,
        "hint": None,
        "run_id": None,
    }


def _decided(stack: Stack, signal_id: str) -> dict[str, Any] | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for identity in (signal_id, rejection_id(Reason.UNKNOWN_MODEL, signal_id)):
            seen = stack.table.signal(identity)
            if seen is not None:
                return stack.table.record_of(seen)
        time.sleep(0.3)
    return None
