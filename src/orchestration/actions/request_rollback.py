"""Ask for the champion before: a candidate on trial is taken back by its own run, a champion by a run of its own.

A model has one run at a time. While that has a candidate on trial, the request ends its bake; otherwise the request is kept,
and raised until it is decided, as one for a retraining is.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.commands import REASON_LIMIT, WHY
from orchestration.domain.contracts import DueKind, Next, WaitKind
from orchestration.domain.due import due
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import execution_name, model_name, text
from orchestration.domain.kept_request import KeptRequest, KeptRollback
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.signal import identify
from orchestration.domain.switches import run_scope
from orchestration.steps.approvals import BAKE
from orchestration.steps.callers import proven_caller
from orchestration.steps.due_work import ask_for_sweep
from orchestration.steps.operators import asked_text, request_due
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from orchestration.ports import OperatorPorts

LOG = logging.getLogger("orchestration")

ON_TRIAL: Final = frozenset({WaitKind.PROMOTION, WaitKind.BAKE})
"""Waits of a run whose candidate takes the endpoint or serves on it."""


def request_rollback(request: dict[str, Any], ports: OperatorPorts) -> dict[str, Any]:
    """Have the champion before serve again: a candidate that is on trial is taken back, else a run of its own goes back.

    Args:
        request: ``{"model", "reason", "proof", "to"?}``; ``to`` is the run whose model is to serve, by default what served
            before.
        ports: the outside.

    Returns:
        ``{"run_id", "changed"}`` of a candidate on trial; ``changed`` is False when it was asked for before, the champion
        comes back already, or the run itself is one that goes back, then with ``"goes_back": True``.
        ``{"signal_id", "changed"}`` of a run of its own, which the decision on that signal begins.

    Raises:
        InvalidRequestError: the model, the reason or the run is missing or not legal, there is nothing to go back from, a
            run is in progress, or nobody is proven to ask.
        ContentionError: something else was written at the same moment; try again.
    """
    model, to, told = model_name(request.get("model")), request.get("to"), ports.settings.speaker.command
    if model is None:
        raise InvalidRequestError("A rollback needs a model: a legal model name.")
    if to is not None and execution_name(to) is None:
        raise InvalidRequestError(f"{text(to, 80)!r} is no run. Its runs: {told('history', model=model)}")
    asked = _Asked(model, asked_text(request, "reason", REASON_LIMIT), proven_caller(ports, request).name, to)
    answer = against_rivals(ports, functools.partial(_ask, ports, asked), f"The run of {model}")
    ask_for_sweep(ports)
    return answer


@dataclass(frozen=True, slots=True)
class _Asked:
    model: str
    reason: str
    by: str
    to: str | None


def _ask(ports: OperatorPorts, asked: _Asked) -> dict[str, Any]:
    # Before the waits: a bake's result is a record of this chain, so that none comes between the look and the request.
    model, told = asked.model, ports.settings.speaker.command
    head, stored = ports.table.chain_head(model), ports.table.model(model)
    run_id = stored.active_run_id
    if run_id is None:
        return _ask_for_run(ports, asked, stored.version)
    verdict = ports.table.candidate_verdict(run_id)
    plan = verdict.plan if verdict is not None and isinstance(verdict.plan, EndpointPlan) else None
    if plan is not None and plan.goes_back:
        # What was asked for is on its way; taken for another request, it would be undone.
        if asked.to is not None:
            raise InvalidRequestError(
                f"Run {run_id} puts endpoint {plan.endpoint} back to config {plan.wanted_config} already, and one run at a time "
                f"changes an endpoint. Wait for its end: {told('history', run=run_id)}"
            )
        return {"run_id": run_id, "changed": False, "goes_back": True}
    waits = ports.table.waits_of_run_without_tokens(run_id)
    bake = next((wait.result for wait in waits if wait.kind is WaitKind.BAKE), None)
    ruled = next((wait.result for wait in waits if wait.kind is WaitKind.APPROVAL and wait.subject == BAKE), None)
    if bake is not None and bake.next is Next.ASK and ruled is None:
        # Asked back at the same moment as a yes, it might come too late; a no among the votes never does.
        raise InvalidRequestError(
            f"People are asked whether the candidate of {run_id} stays. Say no: {told('reject', run_id, comment=WHY)}"
        )
    if any(over is not None and over.next is Next.ROLL_BACK for over in (bake, ruled)):
        return {"run_id": run_id, "changed": False}
    if bake is not None or plan is None or not any(wait.kind in ON_TRIAL for wait in waits):
        raise InvalidRequestError(
            f"No candidate of {model} is on trial on an endpoint, so there is nothing to take back, and run {run_id} is in "
            f"progress: one run at a time changes an endpoint. Wait for its end, or pause the model before it promotes, resume "
            f"it and ask again. To pause: {told('pause', scope=f'model:{model}', reason=WHY)}"
        )
    if asked.to is not None:
        raise InvalidRequestError(
            f"The candidate of run {run_id} is on trial: take that back first, without --to; then name the run to go back to."
        )
    now = ports.now()
    kept = KeptRollback(run_id, model, asked.reason, asked.by, now.isoformat())
    item = due(DueKind.SWITCH, run_scope(run_id), model, now)
    changed = ports.table.keep_rollback(
        kept, [ports.table.due_write(item), *ports.table.chain_writes(head, ())], at=now
    )
    LOG.info("RollbackRequested", extra={"model": model, "run_id": run_id, "kept_before": not changed})
    return {"run_id": run_id, "changed": changed}


def _ask_for_run(ports: OperatorPorts, asked: _Asked, version: int) -> dict[str, Any]:
    """Keep a request that a run of its own decides; the same until anything is decided of the model, whoever asks.

    What is decided meanwhile needs no condition here: the request says what it takes back, and is held when that is over.
    """
    model, told = asked.model, ports.settings.speaker.command
    last = next(iter(ports.table.promoted_runs(model)), None)
    if last is None:
        ran = bool(ports.table.runs_of_model(model, 1))
        look = f"Its runs: {told('history', model=model)}" if ran else f"It has had none. The models: {told('status')}"
        raise InvalidRequestError(
            f"No run of {model} was promoted, so there is nothing to go back from. An older config is set on the endpoint "
            f"itself (runbook, Manual override). {look}"
        )
    now = ports.now()
    identity = identify("kept-rollback", model, last, asked.to, str(version))
    kept = KeptRequest(
        identity, model, asked.reason, asked.by, now.isoformat(), force=False, takes_back=last, to=asked.to
    )
    changed = ports.table.keep_request(kept, [ports.table.due_write(request_due(kept, now))], at=now)
    LOG.info("RollbackRequested", extra={"model": model, "signal_id": kept.signal_id, "kept_before": not changed})
    return {"signal_id": kept.signal_id, "changed": changed}
