"""Settle: an execution of the loop ended failed, timed out or stopped; leave no lock and no slot behind.

A run that closed itself before it failed is closed already, and settling it changes nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from orchestration.actions.close import close
from orchestration.contracts import Status
from orchestration.errors import InvalidRequestError
from orchestration.signal import mapping, text

if TYPE_CHECKING:
    from orchestration.ports import Ports

OUTCOMES: Final = {"FAILED": Status.FAILED, "TIMED_OUT": Status.FAILED, "ABORTED": Status.STOPPED}
"""What an execution's end means for its run. Stopping an execution is a person's decision."""


def settle(event: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Close the run of a dead execution.

    Args:
        event: a ``Step Functions Execution Status Change`` event of the loop's own state machine.
        ports: the outside.

    Raises:
        InvalidRequestError: the event is of another machine or names no execution.
    """
    detail = mapping(event.get("detail"))
    if detail.get("stateMachineArn") != ports.settings.state_machine_arn or not detail.get("name"):
        raise InvalidRequestError("Settle takes status events of the loop's own executions only.")
    status = str(detail.get("status"))
    outcome = OUTCOMES.get(status)
    if outcome is None:
        return {"outcome": None}
    told = text(detail.get("cause"), 1500) or "no cause given"
    return close(
        {
            "run": {"run_id": detail["name"]},
            "execution": {"id": detail.get("executionArn"), "name": detail["name"]},
            "result": {
                "outcome": outcome,
                "error": text(detail.get("error"), 200) or status,
                "reason": f"The execution ended {status}: {told}",
            },
            "event": _input(detail.get("input")),
        },
        ports,
    )


def _input(raw: Any) -> Any:
    """The execution's input as JSON; Step Functions leaves it out when it is too large."""
    try:
        return json.loads(raw)
    except (TypeError, ValueError):
        return raw
