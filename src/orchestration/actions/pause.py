"""Pause: throw a kill switch. It stops every later forward effect in its scope; a bake in its scope ends at once."""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.intention import training_subject
from orchestration.domain.switches import KillSwitch, resume_command, scopes_over
from orchestration.steps.due_work import attempt
from orchestration.steps.looking import look
from orchestration.steps.operators import asked_scope, asked_text, change, tell_change
from orchestration.steps.rivals import against_rivals
from orchestration.steps.sight import sources_of

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")


def pause(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Throw a kill switch.

    Args:
        request: ``{"scope": "global" | "model:<name>" | "source:<name>", "by", "reason"}``.
        ports: the outside.

    Returns:
        ``{"scope", "changed", "in_flight"}``; ``changed`` is False when the switch was thrown before, and stays as it was;
        ``in_flight`` names the open effects that were begun before it: runs that train, endpoints that are moving.

    Raises:
        InvalidRequestError: the scope, the name or the reason is missing or not legal.
        ContentionError: an effect is being committed at this moment; try again.
    """
    scope, by, reason = asked_scope(request), asked_text(request, "by", 200), asked_text(request, "reason", 500)
    switch = KillSwitch(scope=scope, by=by, reason=reason, since=ports.now().isoformat())
    changed = against_rivals(ports, functools.partial(_throw, ports, switch), "The records of changes")
    return {"scope": scope, "changed": changed, "in_flight": _in_flight(ports, scope)}


def _throw(ports: Ports, switch: KillSwitch) -> bool:
    sentence, step = f"{switch.by} paused {switch.scope}: {switch.reason}", resume_command(switch.scope)
    paused = change(ports, switch.scope, "paused", sentence, step, {"switch": asdict(switch)})
    if not ports.table.throw_switch(switch, paused.writes):
        return False
    tell_change(ports, paused)
    return True


def _in_flight(ports: Ports, scope: str) -> list[str]:
    """What goes on all the same: it was begun before. Bakes, and what people are asked about them, are looked at, since the switch ends them."""
    found = set()
    for item in ports.table.due_items():
        begun = _begun(ports, item)
        run = ports.table.run(begun[0]) if begun is not None else None
        if begun is None or run is None or scope not in scopes_over(run.model, *sources_of(json.loads(run.manifest))):
            continue
        if begun[1] in {WaitKind.BAKE, WaitKind.APPROVAL}:
            attempt(ports, item, look)
        elif begun[1] in {WaitKind.TRAINING, WaitKind.PROMOTION, WaitKind.ROLLBACK}:
            found.add(f"{begun[1]} of run {run.run_id} ({run.model})")
    return sorted(found)


def _begun(ports: Ports, item: DueItem) -> tuple[str, WaitKind] | None:
    """Run and kind of what an item is about, None when nothing of that goes on. The hand of a run that is over may still be at work."""
    if item.kind is DueKind.LOOK:
        wait = ports.table.wait_by_id(item.subject)
        return (wait.run_id, wait.kind) if wait is not None and not wait.resolved else None
    if item.kind is DueKind.STOP and ports.table.intention(training_subject(item.subject)) is not None:
        return item.subject, WaitKind.TRAINING
    return (item.subject, WaitKind.PROMOTION) if item.kind is DueKind.INTENT else None
