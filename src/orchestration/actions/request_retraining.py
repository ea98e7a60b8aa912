"""Ask for a retraining: what an operator asks for is kept, with who asked; a sweep raises it until it is decided."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.commands import REASON_LIMIT
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import mapping, model_name
from orchestration.domain.kept_request import KeptRequest
from orchestration.domain.signal import identify
from orchestration.steps.callers import proven_caller
from orchestration.steps.due_work import ask_for_sweep
from orchestration.steps.operators import asked_text, request_due

if TYPE_CHECKING:
    from orchestration.ports import OperatorPorts

LOG = logging.getLogger("orchestration")

ASKERS_LIMIT: Final = 100
"""People whose requests wait as one signal. Each is named in every record until it is decided, and none may be left out: who
asked does not approve."""


def request_retraining(request: dict[str, Any], ports: OperatorPorts) -> dict[str, Any]:
    """Keep a request and have it raised.

    Args:
        request: ``{"model", "reason", "key", "force"?, "proof"}``; the same key of the same person is the same request.
        ports: the outside.

    Returns:
        ``{"signal_id", "changed"}``; ``changed`` is False when the request was kept before.

    Raises:
        InvalidRequestError: the model, the reason or the key is missing or not legal, nobody is proven to ask, or too many
            others have.
        ContentionError: something else was written at the same moment; try again.
    """
    model, force = model_name(request.get("model")), request.get("force", False)
    if model is None or not isinstance(force, bool):
        raise InvalidRequestError("A retraining is asked for with model, a legal model name, and force, true or false.")
    reason, key = asked_text(request, "reason", REASON_LIMIT), asked_text(request, "key", 200)
    by = proven_caller(ports, request)
    waiting = mapping(ports.table.model(model).pending).get("asked_by", ())
    if len(waiting) >= ASKERS_LIMIT and by.name not in waiting:
        raise InvalidRequestError(
            f"{len(waiting)} people asked for {model} while it waits, and get one answer; no more are taken. Wait for it, or "
            f"see what holds it up: {ports.settings.speaker.command('status')}"
        )
    now = ports.now()
    kept = KeptRequest(identify("kept-request", by.name, model, key), model, reason, by.name, now.isoformat(), force)
    changed = ports.table.keep_request(kept, [ports.table.due_write(request_due(kept, now))], at=now)
    LOG.info("RetrainingRequested", extra={"model": model, "signal_id": kept.signal_id, "kept_before": not changed})
    ask_for_sweep(ports)
    return {"signal_id": kept.signal_id, "changed": changed}
