"""What follows when a kill switch was thrown or lifted, or a candidate is wanted back, done by a sweep, in any order and as often as it comes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.switches import run_scope, scopes_over, sources_of
from orchestration.steps.approvals import BAKE
from orchestration.steps.due_work import DONE, Worked, attempt
from orchestration.steps.looking import look, wake
from orchestration.steps.pending import raise_pending
from orchestration.steps.training_slots import change_slots

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.ports import Ports


def switch_changed(ports: Ports, item: DueItem) -> Worked:
    """Work off a SWITCH item; its subject is the scope, or a run whose candidate an operator wants taken back.

    A bake under a switch, and what people are asked about one, is looked at, which ends it. What waited for a switch that is
    lifted goes on: slots are granted, pending signals raised. Each of these looks at its own facts first.
    """
    wake(ports, change_slots(ports))
    for found in ports.table.every_item():
        if found.kind is DueKind.PENDING:
            attempt(ports, found, raise_pending)
        elif found.kind is DueKind.LOOK and _baked_in(ports, found, item.subject):
            attempt(ports, found, look)
    return DONE


def _baked_in(ports: Ports, item: DueItem, scope: str) -> bool:
    wait = ports.table.wait_by_id(item.subject)
    if wait is None or not (wait.kind is WaitKind.BAKE or wait.subject == BAKE):
        return False
    run = ports.table.run(wait.run_id)
    if run is None:
        return False
    return scope in {run_scope(run.run_id), *scopes_over(run.model, *sources_of(json.loads(run.manifest)))}
