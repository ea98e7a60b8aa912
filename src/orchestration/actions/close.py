"""Close: give a run its outcome. History, evidence, the model's lock, its slot, its cooldown, its people.

Called by the workflow at its end, by the settle rule when an execution died, and by the sweep when even that was lost.
All of them may come for the same run; the first one closes it, the others find it closed.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import Status
from orchestration.domain.errors import ContentionError
from orchestration.domain.json_values import mapping, text
from orchestration.domain.notification import Message, frozen_message
from orchestration.domain.records import evidence_key
from orchestration.domain.slots import release
from orchestration.domain.training_target import training_overdue
from orchestration.domain.wait_results import OUT_OF_TIME, TRAINING_TIMED_OUT
from orchestration.steps.pending_signals import raise_pending
from orchestration.steps.policies import load_policy
from orchestration.steps.statuses import tell_status
from orchestration.steps.waits import change_slots

if TYPE_CHECKING:
    from orchestration.domain.policy import Policy
    from orchestration.ports import Ports
    from orchestration.stores.table_dynamodb import StoredModel, StoredRun

LOG = logging.getLogger("orchestration")

ATTEMPTS: Final = 25


def close(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Close a run.

    Args:
        request: ``{"run": $run, "result": {"outcome", "reason", "error"?}, "execution": {"id", "name"}, "event"?}``.
        ports: the outside.

    Returns:
        ``{"outcome", "output"}``: the outcome that stands, and the execution's output.

    Raises:
        ContentionError: rivals kept winning; the workflow tries again.
    """
    execution, result = mapping(request.get("execution")), mapping(request.get("result"))
    run_id = str(mapping(request.get("run")).get("run_id") or execution.get("name"))
    outcome, reason = _classified(ports, run_id, result)
    for _ in range(ATTEMPTS):
        run = ports.table.run(run_id)
        if run is None:
            return _close_unadmitted(request, ports, run_id, reason)
        if run.outcome is not None:
            break
        stored = ports.table.model(run.model)
        loaded = load_policy(ports, run.model)
        closed = replace(run, outcome=str(outcome), reason=reason, ended_at=ports.now().isoformat())
        if ports.table.close_run(_after(stored, closed, loaded.policy if loaded else None, ports), closed):
            run = closed
            break
        ports.pause(0.05)
    else:
        raise ContentionError(f"The state of run {run_id} kept changing; the workflow tries again.")
    stands = Status(run.outcome or outcome)
    change_slots(ports, lambda ledger: release(ledger, run_id=run_id))
    _leave_evidence(ports, run, result)
    raise_pending(ports, run.model)
    return {"outcome": stands, "output": _output(run_id, run.model, "YES", stands, run.reason or "")}


def _classified(ports: Ports, run_id: str, result: dict[str, Any]) -> tuple[Status, str]:
    run = ports.table.run(run_id)
    overdue = run is not None and training_overdue(json.loads(run.manifest), ports.table.statuses(run_id), ports.now())
    return classify(result, overdue=overdue)


def classify(result: dict[str, Any], *, overdue: bool = False) -> tuple[Status, str]:
    """Outcome and reason from what the workflow says went on. Pure.

    A failed training reaches the workflow as a failed task whose cause is the description of a nested execution or a
    training job, or as the error of a wait. One that was stopped counts as timed out when it was past its limit: the
    sweep stops those, and a description does not say who stopped it.

    Args:
        result: ``{"outcome", "reason", "error"?}``.
        overdue: True when the training was past its limit.
    """
    reason = text(result.get("reason"), 2000) or "no reason given"
    try:
        outcome = Status(str(result.get("outcome")))
    except ValueError:
        outcome = Status.FAILED
    if outcome is Status.TRAINING_FAILED:
        error = str(result.get("error") or "")
        try:
            child = mapping(json.loads(str(result.get("reason"))))
        except (ValueError, RecursionError):
            child = {}
        ended = child.get("Status") or child.get("TrainingJobStatus")
        timed_out = (
            error in {"States.Timeout", TRAINING_TIMED_OUT}
            or child.get("Error") == TRAINING_TIMED_OUT
            or ended == "TIMED_OUT"
            or child.get("SecondaryStatus") in OUT_OF_TIME
        )
        stopped = ended in {"ABORTED", "Stopped"} or error in {"PipelineStopped", "TrainingJobStopped"}
        if timed_out or (stopped and overdue):
            outcome = Status.TRAINING_TIMED_OUT
        if child:
            told = text(child.get("Cause") or child.get("FailureReason"), 1500)
            named = text(child.get("Error") or ended, 200)
            reason = f"{named}: {told}" if told else f"The training ended {named}."
    return outcome, reason


def _after(stored: StoredModel, run: StoredRun, policy: Policy | None, ports: Ports) -> StoredModel:
    """The model's state after a run."""
    outcome = Status(run.outcome or Status.FAILED)
    now = ports.now()
    fruitless = 0 if outcome.fruitful else stored.fruitless_runs + 1
    frozen = stored.frozen_reason
    limit = policy.fruitless_runs if policy else 0
    if limit and fruitless >= limit and not frozen:
        frozen = f"{fruitless} runs in a row brought no improvement, the last one {run.run_id} ({outcome})."
    if outcome is Status.ROLLBACK_FAILED and not frozen:
        # Whatever serves now, only people may touch it until they say otherwise.
        frozen = f"The rollback of run {run.run_id} failed; repair the endpoint first."
    if outcome in {Status.STOPPED, Status.FAILED} and not frozen and _changed_endpoint(run, ports):
        frozen = (
            f"Run {run.run_id} ended {outcome} while its endpoint was being changed, so a candidate may serve that no "
            f"bake has judged. Compare the endpoint's config with the champion's in the manifest and set it back if needed."
        )
    cooldown = timedelta(hours=policy.cooldown_hours if policy else 0)
    return replace(
        stored,
        active_run_id=None if stored.active_run_id == run.run_id else stored.active_run_id,
        cooldown_until=(now + cooldown).isoformat() if cooldown else None,
        fruitless_runs=fruitless,
        frozen_reason=frozen,
        promoted_at=now.isoformat() if outcome is Status.PROMOTED else stored.promoted_at,
    )


def _changed_endpoint(run: StoredRun, ports: Ports) -> bool:
    """True when the run began to change its endpoint and neither promoted nor rolled back."""
    return any(row["status"] == Status.PROMOTION_STARTED for row in ports.table.statuses(run.run_id))


def _leave_evidence(ports: Ports, run: StoredRun, result: dict[str, Any]) -> None:
    """Write the outcome once and tell it once: who writes it first tells it; a crash before telling is told by a retry."""
    outcome = Status(run.outcome or Status.FAILED)
    statuses = ports.table.statuses(run.run_id)
    told = any(row["status"] == str(outcome) and row.get("told") for row in statuses)
    ports.bucket.write_once(
        evidence_key(run.model, run.run_id, "outcome"),
        {
            "run_id": run.run_id,
            "model": run.model,
            "outcome": outcome,
            "reason": run.reason,
            "error": text(result.get("error"), 300),
            "baseline": result.get("baseline"),
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "statuses": [{"status": row["status"], "at": row["at"]} for row in statuses],
        },
    )
    if told:
        return
    LOG.info("RunEnded", extra=run_ended(run))
    baseline = text(mapping(result.get("baseline")).get("sentence"), 500)
    earlier = [row["status"] for row in statuses if row["status"] != str(outcome)]
    tell_status(
        ports,
        run_id=run.run_id,
        model=run.model,
        status=outcome,
        previous=earlier[-1] if earlier else None,
        sentence=f"{run.reason}",
        severity=run.severity,
        facts={
            "evidence": ports.bucket.uri(evidence_key(run.model, run.run_id, "outcome")),
            **({"baseline": baseline} if baseline else {}),
        },
    )
    frozen = ports.table.model(run.model).frozen_reason
    if frozen and run.run_id in frozen:
        ports.channels.tell(frozen_message(run.model, frozen, ports.settings.runbook_url))
    ports.table.mark_told(run.run_id, outcome)


def run_ended(run: StoredRun) -> dict[str, Any]:
    """Fields of the log line that a run's end is counted and timed by. Pure."""
    ended = datetime.fromisoformat(run.ended_at or run.started_at)
    return {
        "run_id": run.run_id,
        "model": run.model,
        "outcome": run.outcome or str(Status.FAILED),
        "seconds": round((ended - datetime.fromisoformat(run.started_at)).total_seconds(), 3),
    }


def _close_unadmitted(request: dict[str, Any], ports: Ports, run_id: str, reason: str) -> dict[str, Any]:
    """An execution that failed before its signal was decided: the event is kept, people are told."""
    key = f"rejected/{_key_part(run_id)}.json"
    output = {"outcome": Status.FAILED, "output": _output(run_id, None, "NO", Status.FAILED, reason)}
    if ports.table.told_undecided(run_id):
        return output
    ports.bucket.write_once(key, {"event": request.get("event"), "sentence": reason})
    event_uri = ports.bucket.uri(key)
    LOG.error("SignalUndecided", extra={"run_id": run_id, "reason": reason})
    ports.channels.tell(
        Message(
            model=None,
            status=str(Status.FAILED),
            title="signal not decided",
            sentence=f"Execution {run_id} failed before its signal was decided: {reason}",
            facts=(("execution", run_id), ("event", event_uri)),
            next_steps=(
                "Send the event again with make replay once the cause is mended.",
                f"Runbook: {ports.settings.runbook_url}#signal-not-decided",
            ),
            escalates=True,
            thread=run_id,
        )
    )
    ports.table.mark_undecided_told(run_id, at=ports.now())
    return output


def _key_part(run_id: str) -> str:
    """An execution's name as a key: Step Functions forbids slashes in names, dots are replaced all the same."""
    return "".join(character if character.isalnum() or character in "-_" else "-" for character in run_id)[:80]


def _output(run_id: str, model: str | None, required: str, outcome: Status, reason: str) -> dict[str, Any]:
    return {"run_id": run_id, "model": model, "retraining_required": required, "outcome": outcome, "reason": reason}
