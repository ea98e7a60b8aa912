"""Unpause: lift a kill switch; a sweep hands out what waited for it: slots, and signals that became due."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from orchestration.steps.callers import proven_caller
from orchestration.steps.due_work import ask_for_sweep
from orchestration.steps.operators import asked_scope, change, switch_write, tell_change
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from orchestration.ports import OperatorPorts


def unpause(request: dict[str, Any], ports: OperatorPorts) -> dict[str, Any]:
    """Lift a kill switch.

    Args:
        request: ``{"scope", "proof"}``.
        ports: the outside.

    Returns:
        ``{"scope", "changed"}``; ``changed`` is False when the switch was not thrown.

    Raises:
        InvalidRequestError: the scope is missing or not legal, or nobody is proven to ask.
        ContentionError: an effect is being committed at this moment; try again.
    """
    scope, by = asked_scope(request), proven_caller(ports, request)
    changed = against_rivals(ports, functools.partial(_lift, ports, scope, by.name), "The records of changes")
    ask_for_sweep(ports)
    return {"scope": scope, "changed": changed}


def _lift(ports: OperatorPorts, scope: str, by: str) -> bool:
    resumed = change(ports, scope, "resumed", f"{by} resumed {scope}.", {"by": by})
    if not ports.table.lift_switch(scope, [*resumed.writes, switch_write(ports, scope)]):
        return False
    tell_change(ports, resumed)
    return True
