"""Entry point of PromotionFunction, the hand: it alone changes SageMaker and starts trainings, asked by the workflow.

A request is ``{"action": <name>, "execution": {"id", "name"}, "token"?}``. What is to be done comes from the table, never
from the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.composition import compose_hand
from orchestration.dispatch import dispatch

if TYPE_CHECKING:
    from orchestration.ports import HandPorts

ACTIONS: Final = {
    "train": "orchestration.actions.train:train",
    "promote": "orchestration.actions.promote:promote",
    "roll_back": "orchestration.actions.roll_back:roll_back",
    "finish": "orchestration.actions.finish:finish",
}
"""What can be asked for, by name, and where it is; the state machine uses the same names."""

_ports: list[HandPorts] = []


def promote(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Run one action of the hand.

    Raises:
        InvalidRequestError: no such action.
        OrchestrationError: what the action says.
    """
    del context
    if not _ports:
        _ports.append(compose_hand())
    return run_action(event, _ports[0])


def run_action(event: Any, ports: HandPorts) -> dict[str, Any]:
    """Route a request to its action; the part of the entry point that needs no environment."""
    name = event.get("action") if isinstance(event, dict) else None
    return dispatch(str(name), ACTIONS, event, ports)
