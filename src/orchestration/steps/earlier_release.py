"""Taking over from the release before. To go with the next release.

Its runs carry their plan through the workflow and pin no policy. A run that waits for people or a slot ends as superseded,
and its signal is decided again by the new workflow: people are asked anew where the policy asks them. A run past its slot is
stopped, and people are paged; ``retraining deploy`` refuses an update while there is one. Everything here can be repeated.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.conclusion import Failure
from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.json_values import mapping
from orchestration.steps.closing import STACK_UPDATED, close_run
from orchestration.steps.pending import pending_due
from orchestration.steps.rivals import against_rivals

if TYPE_CHECKING:
    from orchestration.domain.stored_run import StoredRun
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

REASON: Final = "The stack was updated while the run waited; its signal is decided again."
PAST_ITS_SLOT: Final = (
    "The stack was updated while the run trained or promoted, and the new release cannot go on with it. A training that "
    "it started is not stopped: look for it at the policy's target, and stop it there."
)

WORDS: Final[dict[str, dict[str, Any]]] = {
    WaitKind.SLOT: {"granted": False, "reason": REASON},
    WaitKind.APPROVAL: {"decision": "REJECTED", "outcome": str(Status.STOPPED), "reason": REASON},
}
"""What the earlier workflow takes for a no, by the kind of its wait."""


def take_over(ports: Ports) -> None:
    """End every run of the release before, wake its execution, and give pending signals their due items."""
    for active in ports.table.active_runs():
        run = ports.table.run(active["run_id"])
        if run is not None and not mapping(json.loads(run.manifest)).get("policy"):
            end_earlier_run(ports, run)
    for wait in ports.table.earlier_waits():
        if wait.kind in WORDS:
            ports.executions.succeed([wait.token], WORDS[wait.kind])
        else:
            ports.executions.fail(wait.token, STACK_UPDATED, REASON)
        ports.table.forget_earlier_wait(wait)
    for model in against_rivals(ports, ports.table.models_with_pending, "The models' states"):
        ports.table.add_due(pending_due(model, ports.now()))


def end_earlier_run(ports: Ports, run: StoredRun) -> None:
    """Close a run whose workflow is the earlier one."""
    statuses = {row["status"] for row in ports.table.statuses(run.run_id)}
    past = Status.TRAINING_STARTED in statuses
    died, reason = (Status.STOPPED, PAST_ITS_SLOT) if past else (Status.SUPERSEDED, REASON)
    LOG.warning("EarlierRunEnded", extra={"run_id": run.run_id, "model": run.model, "outcome": str(died)})
    close_run(ports, run, died=died, failure=Failure(STACK_UPDATED, reason))


def asked_by_earlier_workflow(request: dict[str, Any]) -> bool:
    """True for a request of an execution that keeps the earlier definition: it carries its run."""
    return isinstance(request.get("run"), dict)


def turn_away(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Answer a token of the earlier workflow with its word for no, after its run was ended."""
    run = ports.table.run(str(request["run"].get("run_id")))
    if run is not None and run.outcome is None:
        end_earlier_run(ports, run)
    token, kind = str(request.get("token")), str(request.get("kind"))
    if kind in WORDS:
        ports.executions.succeed([token], WORDS[kind])
    else:
        ports.executions.fail(token, STACK_UPDATED, REASON)
    return {"parked": False, "next": Next.RECORD}
