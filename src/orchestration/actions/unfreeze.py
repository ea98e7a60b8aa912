"""Unfreeze: close the breaker of a model.

Its count of fruitless runs starts anew, and a change of its endpoint that a closed run left open is taken as settled by
the person who asks.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from orchestration.domain.commands import REASON_LIMIT
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.failures import ended
from orchestration.domain.intention import IntentionState, endpoint_subject
from orchestration.domain.json_values import model_name
from orchestration.domain.stored_model import after_unfreezing
from orchestration.steps.callers import proven_caller
from orchestration.steps.due_work import ask_for_sweep
from orchestration.steps.operators import asked_text, change, tell_change
from orchestration.steps.pending import pending_due
from orchestration.steps.policies import effective_policy
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from orchestration.ports import OperatorPorts
    from orchestration.stores.table import Write


def unfreeze(request: dict[str, Any], ports: OperatorPorts) -> dict[str, Any]:
    """Close the breaker of a model.

    Args:
        request: ``{"model", "reason", "proof"}``.
        ports: the outside.

    Returns:
        ``{"model", "changed"}``; ``changed`` is False when the model was not frozen.

    Raises:
        InvalidRequestError: the model or the reason is missing or not legal, or nobody is proven to ask.
        ContentionError: signals kept changing the model's state.
    """
    model = model_name(request.get("model"))
    if model is None:
        raise InvalidRequestError("Unfreezing needs a model: a legal model name.")
    reason, by = asked_text(request, "reason", REASON_LIMIT), proven_caller(ports, request)
    changed = against_rivals(
        ports, functools.partial(_unfreeze, ports, model, by.name, reason), f"The state of {model}"
    )
    ask_for_sweep(ports)
    return {"model": model, "changed": changed}


def _unfreeze(ports: OperatorPorts, model: str, by: str, reason: str) -> bool | None:
    state = ports.table.model(model)
    if state.frozen_reason is None:
        return False
    after = after_unfreezing(state)
    item = pending_due(model, ports.now())
    sentence = f"{by} unfroze {model}: {ended(reason)} It was frozen because: {state.frozen_reason}"
    body = {"by": by, "model_state": after.as_record()}
    unfrozen = change(ports, f"model:{model}", "unfrozen", sentence, body)
    writes = [ports.table.due_write(item), *unfrozen.writes, *_endpoint_settled(ports, model)]
    if not ports.table.save_model(after, writes):
        return None
    tell_change(ports, unfrozen)
    return True


def _endpoint_settled(ports: OperatorPorts, model: str) -> list[Write]:
    """The write that ends the intention of a run that left the model's endpoint: a person has looked at what serves.

    Before it settles, its own item is still to tell what serves, and ends it then.
    """
    loaded = effective_policy(ports, model)
    endpoint = loaded.policy.promotion.endpoint if loaded else None
    intention = ports.table.intention(endpoint_subject(endpoint)) if endpoint else None
    if intention is None or intention.model != model or intention.state != IntentionState.ABANDONED:
        return []
    return [ports.table.ended_intention(intention.subject, intention.run_id)] if intention.settled(ports.now()) else []
