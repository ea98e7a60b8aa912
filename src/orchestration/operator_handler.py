"""Entry point of OperatorFunction: what operators may have the loop do, and nothing else of it.

A request is ``{"action": <name>, "proof": <query of a presigned GetCallerIdentity>, ...}``; the proof says who asks and is
good for this request only. What follows from a change is due and done by OrchestrationFunction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.composition import compose_operator
from orchestration.dispatch import dispatch

if TYPE_CHECKING:
    from orchestration.ports import OperatorPorts

ACTIONS: Final = {
    "pause": "orchestration.actions.pause:pause",
    "unpause": "orchestration.actions.unpause:unpause",
    "unfreeze": "orchestration.actions.unfreeze:unfreeze",
    "retrain": "orchestration.actions.request_retraining:request_retraining",
    "rollback": "orchestration.actions.request_rollback:request_rollback",
    "sweep": "orchestration.actions.request_sweep:request_sweep",
    "replay": "orchestration.actions.request_replay:request_replay",
}
"""What can be asked for, by name, and where it is."""

_ports: list[OperatorPorts] = []


def operate(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Run one action for an operator.

    Raises:
        InvalidRequestError: no such action, or nobody is proven to ask for it.
        OrchestrationError: what the action says.
    """
    del context
    if not _ports:
        _ports.append(compose_operator())
    return run_action(event, _ports[0])


def run_action(event: Any, ports: OperatorPorts) -> dict[str, Any]:
    """Route a request to its action; the part of the entry point that needs no environment."""
    name = event.get("action") if isinstance(event, dict) else None
    return dispatch(str(name), ACTIONS, event, ports)
