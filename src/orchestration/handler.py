"""Entry point of OrchestrationFunction.

A request is ``{"action": <name>, ...}`` from the state machine or a rule, or a bare EventBridge event, which is routed by
its detail-type. ``{}``, the test event of whoever looks at the function, is told what the decision file says. Nobody else calls
it: people have functions of their own. The answer is a JSON object; errors are Lambda errors with one of the classes of
``errors`` as their type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.composition import compose
from orchestration.dispatch import dispatch
from orchestration.domain.contracts import (
    ALARM_STATE_CHANGE,
    ENDPOINT_STATE_CHANGE,
    EXECUTION_STATUS_CHANGE,
    OBJECT_CREATED,
    PIPELINE_STATE_CHANGE,
    SWEEP_REQUESTED,
    TRAINING_JOB_STATE_CHANGE,
)
from orchestration.domain.json_values import mapping

if TYPE_CHECKING:
    from orchestration.ports import Ports

ACTIONS: Final = {
    "admit": "orchestration.actions.admit:admit",
    "park": "orchestration.actions.park:park",
    "resume": "orchestration.actions.resume:resume",
    "evaluate": "orchestration.actions.evaluate:evaluate_candidate",
    "close": "orchestration.actions.close:close",
    "settle": "orchestration.actions.settle:settle",
    "sweep": "orchestration.actions.sweep:sweep",
    "read_decision": "orchestration.actions.read_decision:read_decision",
    "check_policy": "orchestration.actions.check_policy:check_policy",
}
"""What can be asked for, by name, and where it is; the state machine uses the same names."""

EVENT_ACTIONS: Final = {
    ENDPOINT_STATE_CHANGE: "resume",
    PIPELINE_STATE_CHANGE: "resume",
    TRAINING_JOB_STATE_CHANGE: "resume",
    ALARM_STATE_CHANGE: "resume",
    EXECUTION_STATUS_CHANGE: "resume",
    SWEEP_REQUESTED: "sweep",
    OBJECT_CREATED: "check_policy",
}
"""What an event is about; the end of an execution of the loop itself is settled instead."""

_ports: list[Ports] = []


def orchestrate(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Run one action.

    Raises:
        InvalidRequestError: no such action.
        OrchestrationError: what the action says.
    """
    del context
    if not _ports:
        _ports.append(compose())
    return run_action(event, _ports[0])


def run_action(event: Any, ports: Ports) -> dict[str, Any]:
    """Route a request to its action; the part of the entry point that needs no environment."""
    name = None
    if isinstance(event, dict):
        name = event.get("action") or EVENT_ACTIONS.get(str(event.get("detail-type")))
        if event.get("detail-type") == EXECUTION_STATUS_CHANGE:
            machine = mapping(event.get("detail")).get("stateMachineArn")
            name = "settle" if machine == ports.settings.state_machine_arn else name
        if not event:
            name = "read_decision"
    return dispatch(str(name), ACTIONS, event, ports)
