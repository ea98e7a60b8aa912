"""What follows when a kill switch was thrown or lifted, or a candidate is wanted back, done by a sweep, in any order and as often as it comes."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final

from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.switches import run_scope, scopes_over, sources_of
from orchestration.domain.wait import parse_wait_id
from orchestration.steps.approvals import BAKE
from orchestration.steps.due_work import DONE, Worked, attempt
from orchestration.steps.looking import look, wake
from orchestration.steps.pending import raise_pending
from orchestration.steps.training_slots import change_slots

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.ports import Ports


AT_ONCE: Final = 50
"""Bakes and pending signals that are gone after in one piece of work, of some ten calls each; a sweep has 40 s for all that is due."""


def switch_changed(ports: Ports, item: DueItem) -> Worked:
    """Work off a SWITCH item; its subject is the scope, or a run whose candidate an operator wants taken back.

    A bake under a switch, and what people are asked about one, is looked at, which ends it. What waited for a switch that is
    lifted goes on: slots are granted, pending signals raised. Each of these looks at its own facts first. Of more than
    ``AT_ONCE``, each comes with an item of its own, five minutes later at most.
    """
    wake(ports, change_slots(ports))
    bakes, pending = [], []
    for found in ports.table.every_item():
        if found.kind is DueKind.PENDING:
            pending.append(found)
        elif found.kind is DueKind.LOOK and _is_of_bake(found):
            bakes.append(found)
    for found in itertools.islice((each for each in bakes if _baked_in(ports, each, item.subject)), AT_ONCE):
        attempt(ports, found, look)
    for found in pending[:AT_ONCE]:
        attempt(ports, found, raise_pending)
    return DONE


def _is_of_bake(item: DueItem) -> bool:
    """By its id alone: of thousands of waits most are for slots."""
    _, kind, subject = parse_wait_id(item.subject)
    return kind is WaitKind.BAKE or subject == BAKE


def _baked_in(ports: Ports, item: DueItem, scope: str) -> bool:
    wait = ports.table.wait_by_id(item.subject)
    run = ports.table.run(wait.run_id) if wait is not None else None
    if run is None:
        return False
    return scope in {run_scope(run.run_id), *scopes_over(run.model, *sources_of(json.loads(run.manifest)))}
