"""Kill switches and the breaker: what operators pause, resume and unfreeze. Each change is recorded and told."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SignalSource
from orchestration.domain.decision import KillSwitch
from orchestration.domain.errors import ContentionError, InvalidRequestError
from orchestration.domain.json_values import model_name, text
from orchestration.domain.notification import Message
from orchestration.steps.pending_signals import raise_pending
from orchestration.steps.waits import change_slots

if TYPE_CHECKING:
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

ATTEMPTS: Final = 25


def pause(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Throw a kill switch.

    Args:
        request: ``{"scope": "global" | "model:<name>" | "source:<name>", "by", "reason"}``.
        ports: the outside.

    Returns:
        ``{"scope", "changed"}``; ``changed`` is False when the switch was thrown before, and stays as it was.

    Raises:
        InvalidRequestError: the scope, the name or the reason is missing or not legal.
    """
    scope, by, reason = _scope(request), _named(request, "by", 200), _named(request, "reason", 500)
    switch = KillSwitch(scope=scope, by=by, reason=reason, since=ports.now().isoformat())
    changed = ports.table.throw_switch(switch)
    if changed:
        _tell(ports, scope, "paused", f"{by} paused {scope}: {reason}", f"make resume SCOPE={scope}")
    return {"scope": scope, "changed": changed}


def unpause(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Lift a kill switch, then hand out what waited for it: slots, and signals that became due.

    Args:
        request: ``{"scope", "by"}``.
        ports: the outside.

    Raises:
        InvalidRequestError: the scope or the name is missing or not legal.
    """
    scope, by = _scope(request), _named(request, "by", 200)
    changed = ports.table.lift_switch(scope)
    if changed:
        _tell(ports, scope, "resumed", f"{by} resumed {scope}.", "make status")
    change_slots(ports, lambda ledger: ledger)
    for model in ports.table.models():
        raise_pending(ports, model)
    return {"scope": scope, "changed": changed}


def unfreeze(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Close the breaker of a model: its count of fruitless runs starts anew.

    Args:
        request: ``{"model", "by", "reason"}``.
        ports: the outside.

    Raises:
        InvalidRequestError: the model, the name or the reason is missing or not legal.
        ContentionError: signals kept changing the model's state.
    """
    model = model_name(request.get("model"))
    if model is None:
        raise InvalidRequestError("Unfreezing needs a model: a legal model name.")
    by, reason = _named(request, "by", 200), _named(request, "reason", 500)
    for _ in range(ATTEMPTS):
        state = ports.table.model(model)
        if state.frozen_reason is None:
            return {"model": model, "changed": False}
        if ports.table.save_model(replace(state, frozen_reason=None, fruitless_runs=0, promoted_at=None)):
            sentence = f"{by} unfroze {model}: {reason} It was frozen because: {state.frozen_reason}"
            _tell(ports, f"model:{model}", "unfrozen", sentence, f"make history MODEL={model}")
            raise_pending(ports, model)
            return {"model": model, "changed": True}
        ports.pause(0.05)
    raise ContentionError(f"The state of {model} kept changing; try again.")


def _scope(request: dict[str, Any]) -> str:
    scope = str(request.get("scope") or "")
    kind, _, name = scope.partition(":")
    if scope == "global" or (kind == "model" and model_name(name)) or (kind == "source" and name in set(SignalSource)):
        return scope
    raise InvalidRequestError(
        f"{scope!r} is no scope. Use global, model:<model>, or source:<one of {', '.join(SignalSource)}>."
    )


def _named(request: dict[str, Any], field: str, limit: int) -> str:
    value = text(request.get(field), limit)
    if value is None:
        raise InvalidRequestError(f"The request lacks {field!r}: it is kept as evidence of who changed what and why.")
    return value


def _tell(ports: Ports, scope: str, what: str, sentence: str, step: str) -> None:
    LOG.info("SwitchChanged", extra={"scope": scope, "change": what})
    ports.channels.tell(
        Message(
            model=scope.removeprefix("model:") if scope.startswith("model:") else None,
            status=what.upper(),
            title=f"{scope} {what}",
            sentence=sentence,
            next_steps=(step,),
        )
    )
