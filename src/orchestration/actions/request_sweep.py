"""Sweep, asked for by an operator: what is due is done now and not with the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import number
from orchestration.steps.callers import proven_caller
from orchestration.steps.due_work import ask_for_sweep

if TYPE_CHECKING:
    from orchestration.ports import OperatorPorts

AHEAD_LIMIT: Final = 3600
"""Seconds; each piece of work looks at its own fact and time, so one that comes early does nothing."""


def request_sweep(request: dict[str, Any], ports: OperatorPorts) -> dict[str, Any]:
    """Have a sweep come now.

    Args:
        request: ``{"proof", "ahead_seconds"?}``; up to an hour ahead.
        ports: the outside.

    Returns:
        ``{"asked"}``; False when EventBridge did not take it, and the next sweep is the schedule's.

    Raises:
        InvalidRequestError: ``ahead_seconds`` is not legal, or nobody is proven to ask.
    """
    ahead = number(request.get("ahead_seconds", 0))
    if ahead is None or not 0 <= ahead <= AHEAD_LIMIT:
        raise InvalidRequestError(f"A sweep does what is due within ahead_seconds: 0 to {AHEAD_LIMIT}.")
    proven_caller(ports, request)
    return {"asked": ask_for_sweep(ports, int(ahead))}
