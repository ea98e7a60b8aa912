"""Unpause: lift a kill switch, then hand out what waited for it: slots, and signals that became due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import DueKind
from orchestration.steps.due_work import attempt
from orchestration.steps.operators import asked_scope, asked_text, change_told, tell_change
from orchestration.steps.pending import raise_pending
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
    told = change_told(ports, scope, "resumed", f"{by} resumed {scope}.", "make status")
    changed = ports.table.lift_switch(scope, [ports.table.due_write(told)])
    if changed:
        tell_change(ports, scope, "resumed", told)
    wake(ports, change_slots(ports))
    for item in ports.table.due_items():
        if item.kind is DueKind.PENDING:
            attempt(ports, item, raise_pending)
    return {"scope": scope, "changed": changed}
