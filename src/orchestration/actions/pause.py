"""Pause: throw a kill switch. It stops every later forward effect in its scope; a sweep ends the bakes under it."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.commands import REASON_LIMIT
from orchestration.domain.contracts import DueKind, WaitKind
from orchestration.domain.intention import training_subject
from orchestration.domain.switches import KillSwitch, scopes_over, sources_of
from orchestration.steps.callers import proven_caller
from orchestration.steps.due_work import ask_for_sweep
from orchestration.steps.operators import asked_scope, asked_text, change, switch_write, tell_change
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from orchestration.domain.wait import Wait
    from orchestration.ports import OperatorPorts

BEGUN: Final = frozenset({WaitKind.TRAINING, WaitKind.PROMOTION, WaitKind.ROLLBACK})
"""Waits whose effect goes on to its end, whatever is paused meanwhile."""


def pause(request: dict[str, Any], ports: OperatorPorts) -> dict[str, Any]:
    """Throw a kill switch.

    Args:
        request: ``{"scope": "global" | "model:<name>" | "source:<name>", "reason", "proof"}``.
        ports: the outside.

    Returns:
        ``{"scope", "changed", "in_flight"}``; ``changed`` is False when the switch was thrown before, and stays as it was;
        ``in_flight`` names the open effects that were begun before it: runs that train, endpoints that are moving.

    Raises:
        InvalidRequestError: the scope or the reason is missing or not legal, or nobody is proven to ask.
        ContentionError: an effect is being committed at this moment; try again.
    """
    scope, reason = asked_scope(request), asked_text(request, "reason", REASON_LIMIT)
    by = proven_caller(ports, request)
    switch = KillSwitch(scope=scope, by=by.name, reason=reason, since=ports.now().isoformat())
    changed = against_rivals(ports, functools.partial(_throw, ports, switch), "The records of changes")
    ask_for_sweep(ports)
    return {"scope": scope, "changed": changed, "in_flight": _in_flight(ports, scope)}


def _throw(ports: OperatorPorts, switch: KillSwitch) -> bool:
    sentence = f"{switch.by} paused {switch.scope}: {switch.reason}"
    paused = change(ports, switch.scope, "paused", sentence, {"switch": asdict(switch)})
    if not ports.table.throw_switch(switch, [*paused.writes, switch_write(ports, switch.scope)]):
        return False
    tell_change(ports, paused)
    return True


def _waits_for_capacity(wait: Wait, now: datetime) -> bool:
    """True for a training that AWS did not take yet, while no hand is at work: the pause ends it at its next try."""
    waits = bool(wait.data.get("waiting")) and not wait.data.get("accepted")
    return waits and now >= datetime.fromisoformat(wait.data["settles_at"])


def _in_flight(ports: OperatorPorts, scope: str) -> list[str]:
    """What goes on all the same: it was begun before. The hand of a run that is over may still be at work."""
    waits, now = ports.table.waits_without_tokens(), ports.now()
    begun = {(wait.run_id, wait.kind) for wait in waits if wait.kind in BEGUN and not _waits_for_capacity(wait, now)}
    for item in ports.table.every_item():
        if item.kind is DueKind.STOP and ports.table.intention(training_subject(item.subject)) is not None:
            begun.add((item.subject, WaitKind.TRAINING))
        elif item.kind is DueKind.INTENT:
            begun.add((item.subject, WaitKind.PROMOTION))
    found = set()
    for run_id, kind in begun:
        run = ports.table.run(run_id)
        if run is not None and scope in scopes_over(run.model, *sources_of(json.loads(run.manifest))):
            found.add(f"{kind} of run {run_id} ({run.model})")
    return sorted(found)
