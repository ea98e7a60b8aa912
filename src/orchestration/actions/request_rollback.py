"""Ask for the champion: what an operator wants taken back while it is on trial is kept; the next look at the bake ends it."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import DueKind, Next, WaitKind
from orchestration.domain.due import due
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import model_name
from orchestration.domain.kept_request import KeptRollback
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.switches import run_scope
from orchestration.steps.approvals import BAKE
from orchestration.steps.callers import proven_caller
from orchestration.steps.operators import ask_for_sweep, asked_text
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from orchestration.domain.wait import Wait
    from orchestration.ports import OperatorPorts

LOG = logging.getLogger("orchestration")

ON_TRIAL: Final = frozenset({WaitKind.PROMOTION, WaitKind.BAKE})
"""Waits of a run whose candidate takes the endpoint or serves on it."""


def request_rollback(request: dict[str, Any], ports: OperatorPorts) -> dict[str, Any]:
    """Have a candidate that is on trial taken back.

    Args:
        request: ``{"model", "reason", "proof"}``.
        ports: the outside.

    Returns:
        ``{"run_id", "changed"}``; ``changed`` is False when it was asked for before, or the champion comes back already.

    Raises:
        InvalidRequestError: the model or the reason is missing or not legal, no candidate of the model is on trial, or
            nobody is proven to ask.
        ContentionError: something else was written at the same moment; try again.
    """
    model = model_name(request.get("model"))
    if model is None:
        raise InvalidRequestError("A rollback needs a model: a legal model name.")
    reason, by = asked_text(request, "reason", 500), proven_caller(ports, request)
    answer = against_rivals(ports, functools.partial(_ask, ports, model, reason, by.name), f"The run of {model}")
    ask_for_sweep(ports)
    return answer


def _ask(ports: OperatorPorts, model: str, reason: str, by: str) -> dict[str, Any]:
    # Before the waits: a bake's result is a record of this chain, so that none comes between the look and the request.
    head, run_id = ports.table.chain_head(model), ports.table.model(model).active_run_id
    waits = ports.table.waits_of_run_without_tokens(run_id) if run_id else []
    bake = next((wait.result for wait in waits if wait.kind is WaitKind.BAKE), None)
    ruled = next((wait.result for wait in waits if wait.kind is WaitKind.APPROVAL and wait.subject == BAKE), None)
    if bake is not None and bake.next is Next.ASK and ruled is None:
        # Asked back at the same moment as a yes, it might come too late; a no among the votes never does.
        raise InvalidRequestError(
            f"People are asked whether the candidate of {run_id} stays. Say no: make reject RUN={run_id}"
        )
    if run_id is not None and any(over is not None and over.next is Next.ROLL_BACK for over in (bake, ruled)):
        return {"run_id": run_id, "changed": False}
    if run_id is None or bake is not None or not _is_on_trial(ports, run_id, waits):
        raise InvalidRequestError(
            f"No candidate of {model} is on trial on an endpoint, so there is nothing to take back. make pause "
            f"SCOPE=model:{model} stops a run before that; after it, make history MODEL={model} names the run, and an older "
            "config is set on the endpoint itself: docs/runbook.md, Manual override."
        )
    now = ports.now()
    kept = KeptRollback(run_id, model, reason, by, now.isoformat())
    item = due(DueKind.SWITCH, run_scope(run_id), model, now)
    changed = ports.table.keep_rollback(
        kept, [ports.table.due_write(item), *ports.table.chain_writes(head, ())], at=now
    )
    LOG.info("RollbackRequested", extra={"model": model, "run_id": run_id, "kept_before": not changed})
    return {"run_id": run_id, "changed": changed}


def _is_on_trial(ports: OperatorPorts, run_id: str, waits: list[Wait]) -> bool:
    verdict = ports.table.candidate_verdict(run_id)
    moves = verdict is not None and isinstance(verdict.plan, EndpointPlan)
    return moves and any(wait.kind in ON_TRIAL for wait in waits)
