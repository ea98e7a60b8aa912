"""Settle: an execution of the loop ended failed, timed out or stopped; leave no lock and no slot behind.

The event is a hint: the execution itself says how it is, since events repeat, come late, and an execution that was
redriven lives again. A run that closed itself before it failed is closed already, and settling it changes nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.actions.close import close_undecided
from orchestration.domain.conclusion import Failure
from orchestration.domain.contracts import Status
from orchestration.domain.due import again_at
from orchestration.domain.errors import InvalidRequestError, TransientServiceError
from orchestration.domain.json_values import execution_name, json_document, mapping, number, text
from orchestration.domain.training_target import nested_execution_arn
from orchestration.steps.closing import close_run
from orchestration.steps.due_work import DONE, Worked, later

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

DIED: Final = {
    "FAILED": Status.FAILED,
    "TIMED_OUT": Status.FAILED,
    "ABORTED": Status.STOPPED,
    "SUCCEEDED": Status.FAILED,
}
"""What an execution's end means for a run no fact gives an outcome. Stopping an execution is a person's decision; one
that succeeded without closing its run did not come through RecordOutcome."""

ELSEWHERE: Final = "Its execution is of a workflow that is not this stack's, and ends here with the restored history."
"""Why a run ends whose execution the stack cannot have."""


def settle(event: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Close the run of a dead execution.

    Args:
        event: a ``Step Functions Execution Status Change`` event of the loop's own state machine.
        ports: the outside.

    Returns:
        ``{"outcome"}``; None when the execution lives.

    Raises:
        InvalidRequestError: the event is of another machine or names no execution.
    """
    detail = mapping(event.get("detail"))
    name = execution_name(detail.get("name"))
    if detail.get("stateMachineArn") != ports.settings.state_machine_arn or name is None:
        raise InvalidRequestError("Settle takes status events of the loop's own executions only.")
    return {"outcome": settle_execution(ports, str(detail.get("executionArn")), name, told=detail)}


def settle_execution(
    ports: Ports, execution_arn: str, run_id: str, *, told: dict[str, Any] | None = None
) -> str | None:
    """Close the run of an execution that has ended; None when it still lives.

    One of another workflow than the stack's, as a history has that was restored elsewhere, is dead here: nothing would wake
    it, and nobody here may look at it.

    Args:
        ports: the outside.
        execution_arn: the execution.
        run_id: its name.
        told: detail of the event that says it ended; what it says of error and cause counts, its status does not.

    Raises:
        TransientServiceError: it was told dead, is described alive, and nothing but its event would ever come back to it.
    """
    own = execution_arn == nested_execution_arn(ports.settings.state_machine_arn, run_id)
    described = (ports.executions.describe(execution_arn) or {}) if own else {"cause": ELSEWHERE}
    status = str(described.get("status") or "ABORTED")
    if status not in DIED:
        if told is not None and str(told.get("status")) in DIED and _lags(ports, run_id, told, described):
            raise TransientServiceError(f"Execution {run_id} ended {told['status']} and is not described so yet.")
        return None
    said = {**(told or {}), **described}
    error = text(said.get("error"), 200) or status
    failure = Failure(error, str(said.get("cause") or ""))
    run = ports.table.run(run_id)
    if run is None:
        if status == "SUCCEEDED" or ports.table.decision_of(run_id) is not None:
            return None
        return str(close_undecided(ports, run_id, failure, _input(said.get("input")))["outcome"])
    return close_run(ports, run, died=DIED[status], failure=failure).outcome


def see_alive(ports: Ports, item: DueItem) -> Worked:
    """Work off an ALIVE item: a run whose execution is dead is closed, whatever became of the event.

    An item with ``execution_arn`` is of an execution that may have decided nothing, whose event reached nobody.
    """
    run = ports.table.run(item.subject)
    if run is None and "execution_arn" in item.data:
        settled = settle_execution(ports, item.data["execution_arn"], item.subject)
        return DONE if settled is None else Worked(repair="dead_execution_settled")
    if run is None or run.outcome is not None:
        return DONE
    outcome = settle_execution(ports, run.execution_arn, run.run_id)
    if outcome is None:
        return later(item, again_at(datetime.fromisoformat(run.started_at), ports.now()))
    return Worked(repair="dead_run_settled")


def _lags(ports: Ports, run_id: str, told: dict[str, Any], described: dict[str, Any]) -> bool:
    """True when a description is older than the event, of an execution without a run or a decision.

    One that was redriven since lives again, and its next end is told. A run has its item in the due list.
    """
    redriven = (number(described.get("redriveCount")) or 0) > (number(told.get("redriveCount")) or 0)
    return not redriven and ports.table.run(run_id) is None and ports.table.decision_of(run_id) is None


def _input(raw: Any) -> Any:
    """The execution's input as JSON, or its text as it is; Step Functions leaves it out when it is too large."""
    found = json_document(raw) if isinstance(raw, str) else raw
    return raw if isinstance(found, str) else found
