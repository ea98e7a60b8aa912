"""Unpause: lift a kill switch, then hand out what waited for it: slots, and signals that became due."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import DueKind
from orchestration.steps.due_work import attempt
from orchestration.steps.operators import asked_scope, asked_text, change, tell_change
from orchestration.steps.pending import raise_pending
from orchestration.steps.rivals import against_rivals
from orchestration.steps.training_slots import change_slots
from orchestration.steps.winding_down import wake

if TYPE_CHECKING:
    from orchestration.ports import Ports


def unpause(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Lift a kill switch.

    Args:
        request: ``{"scope", "by"}``.
        ports: the outside.

    Returns:
        ``{"scope", "changed"}``; ``changed`` is False when the switch was not thrown.

    Raises:
        InvalidRequestError: the scope or the name is missing or not legal.
        ContentionError: an effect is being committed at this moment; try again.
    """
    scope, by = asked_scope(request), asked_text(request, "by", 200)
    changed = against_rivals(ports, functools.partial(_lift, ports, scope, by), "The records of changes")
    wake(ports, change_slots(ports))
    for item in ports.table.due_items():
        if item.kind is DueKind.PENDING:
            attempt(ports, item, raise_pending)
    return {"scope": scope, "changed": changed}


def _lift(ports: Ports, scope: str, by: str) -> bool:
    resumed = change(ports, scope, "resumed", f"{by} resumed {scope}.", "make status", {"by": by})
    if not ports.table.lift_switch(scope, resumed.writes):
        return False
    tell_change(ports, resumed)
    return True
