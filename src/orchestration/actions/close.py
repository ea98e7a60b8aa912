"""Close: give a run its outcome, concluded from the facts it left, and let everything that must follow follow."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from orchestration.domain.conclusion import Failure
from orchestration.domain.contracts import Status
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import mapping
from orchestration.domain.messages import signal_undecided
from orchestration.domain.records import undecided_key
from orchestration.steps.closing import close_run
from orchestration.steps.due_work import attempt
from orchestration.steps.earlier_release import asked_by_earlier_workflow
from orchestration.steps.evidence import kept_event
from orchestration.steps.reports import report_uri
from orchestration.steps.sight import asked_run
from orchestration.steps.telling import message_told, tell

if TYPE_CHECKING:
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")


def close(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Close the run of the execution that asks.

    Args:
        request: ``{"execution": {"id", "name"}, "failure"?: {"error", "cause"}, "event"?}``.
        ports: the outside.

    Returns:
        ``{"outcome", "output"}``: the outcome that stands, and the execution's output.

    Raises:
        InvalidRequestError: the run is another execution's.
        ContentionError: rivals kept winning; the workflow tries again.
    """
    run_id, execution_arn = asked_run(ports, request)
    failure = Failure.read(request.get("failure"))
    run = ports.table.run(run_id)
    if run is None and (decided := ports.table.decision_of(run_id)) is not None:
        # What failed came after the decision, which stands and is told by its own due item.
        reason = failure.sentence if failure else "The execution failed after its signal was decided."
        model = ports.table.record_of(decided)["model"]
        output = _output(run_id, model, "NO", Status.FAILED, reason, decided.signal_id)
        return {"outcome": Status.FAILED, "output": output}
    if run is None:
        return close_undecided(ports, run_id, failure, request.get("event"))
    if run.execution_arn != execution_arn:
        raise InvalidRequestError(f"Run {run_id} belongs to another execution than {execution_arn}.")
    closed = close_run(ports, run, died=None, failure=failure)
    outcome = Status(closed.outcome or Status.FAILED)
    signal_id = mapping(json.loads(run.manifest).get("signal")).get("signal_id")
    output = {
        **_output(run_id, closed.model, "YES", outcome, closed.reason or "", signal_id),
        "report": report_uri(ports, closed.model, run_id),
    }
    if asked_by_earlier_workflow(request) and outcome is Status.SUPERSEDED:
        # The earlier workflow has no end of that name.
        return {"outcome": Status.STOPPED, "output": output}
    return {"outcome": outcome, "output": output}


def close_undecided(ports: Ports, run_id: str, failure: Failure | None, event: Any) -> dict[str, Any]:
    """An execution that failed before its signal was decided: the event is kept, people are told."""
    reason = failure.sentence if failure else "The execution ended without a decision."
    answer = {"outcome": Status.FAILED, "output": _output(run_id, None, "NO", Status.FAILED, reason, None)}
    key = undecided_key(run_id)
    message = signal_undecided(ports.settings.speaker, run_id=run_id, reason=reason, key=key, uri=ports.bucket.uri(key))
    kept = {"event": json.loads(kept_event(event)), "run_id": run_id, "sentence": reason}
    told = message_told(message, ports.now(), kept={key: kept})
    if ports.table.note_undecided(run_id, [ports.table.due_write(told)], at=ports.now()):
        LOG.error("SignalUndecided", extra={"run_id": run_id, "reason": reason})
        attempt(ports, told, tell)
    return answer


def _output(
    run_id: str, model: str | None, required: str, outcome: Status, reason: str, signal_id: str | None
) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "model": model,
        "retraining_required": required,
        "outcome": outcome,
        "reason": reason,
        "signal_id": signal_id,
    }
