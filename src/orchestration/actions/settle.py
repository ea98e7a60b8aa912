"""Settle: an execution of the loop ended failed, timed out or stopped; leave no lock and no slot behind.

A run that closed itself before it failed is closed already, and settling it changes nothing.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.actions.close import close
from orchestration.domain.contracts import Status
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import mapping, text
from orchestration.steps.stop_training import stop_training

if TYPE_CHECKING:
    from orchestration.ports import Ports
    from orchestration.stores.table_dynamodb import StoredRun

LOG = logging.getLogger("orchestration")

OUTCOMES: Final = {
    "FAILED": Status.FAILED,
    "TIMED_OUT": Status.FAILED,
    "ABORTED": Status.STOPPED,
    "SUCCEEDED": Status.FAILED,
}
"""What an execution's end means for a run that has no outcome yet. Stopping an execution is a person's decision; one
that succeeded without closing its run did not come through RecordOutcome."""


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
    return settle_execution(
        ports,
        str(detail.get("executionArn")),
        str(detail["name"]),
        str(detail.get("status")),
        error=text(detail.get("error"), 200),
        cause=text(detail.get("cause"), 1500),
        event=_input(detail.get("input")),
    )


def settle_execution(
    ports: Ports,
    execution_arn: str,
    run_id: str,
    status: str,
    *,
    error: str | None = None,
    cause: str | None = None,
    event: Any = None,
) -> dict[str, Any]:
    """Close the run of an execution that ended with ``status``; a run that still goes on is left alone."""
    outcome = OUTCOMES.get(status)
    if outcome is None:
        return {"outcome": None}
    run = ports.table.run(run_id)
    if run is not None and run.outcome is None:
        _stop_training(ports, run, f"The run's execution ended {status}.")
    return close(
        {
            "run": {"run_id": run_id},
            "execution": {"id": execution_arn, "name": run_id},
            "result": {
                "outcome": outcome,
                "error": error or status,
                "reason": f"The execution ended {status}: {cause or 'no cause given'}",
            },
            "event": event,
        },
        ports,
    )


def _stop_training(ports: Ports, run: StoredRun, cause: str) -> None:
    """Stop what a dead execution left training; one that cannot be stopped does not keep its run from being closed."""
    statuses = {row["status"] for row in ports.table.statuses(run.run_id)}
    if Status.TRAINING_STARTED not in statuses or Status.TRAINING_FINISHED in statuses:
        return
    try:
        stop_training(ports, run, cause=cause)
    except Exception:
        # The lock and the slot must go back whatever the target answers; the log line says what was left.
        LOG.exception("TrainingNotStopped", extra={"run_id": run.run_id, "model": run.model})


def _input(raw: Any) -> Any:
    """The execution's input as JSON; Step Functions leaves it out when it is too large."""
    try:
        return json.loads(raw)
    except (TypeError, ValueError):
        return raw
