"""Resolving waits and moving slots on: the parts park, resume, close and the sweep share.

A wait is resolved in three steps, each repeatable: its result is fixed in the table (the first caller decides), the
token is answered, the wait moves to its run's history. A crash in between leaves a resolved wait that the sweep answers.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.actions.verify import judge_promotion
from orchestration.domain.contracts import Status, WaitKind
from orchestration.domain.errors import ContentionError
from orchestration.domain.slots import Holder, SlotLedger, grant
from orchestration.domain.training_output import trained_by_pipeline
from orchestration.domain.wait_results import (
    endpoint_result,
    pipeline_result,
    trained_model,
    training_job_result,
    wait_id,
)
from orchestration.steps.approval_records import record_approval
from orchestration.steps.statuses import record_status
from orchestration.stores.table_dynamodb import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.ports import ApprovalPorts, Ports

LOG = logging.getLogger("orchestration")

ATTEMPTS: Final = 25
SLOT_SUBJECT: Final = "training"


def resolve(ports: ApprovalPorts, wait: Wait, result: dict[str, Any]) -> bool:
    """Fix the result of a wait and answer its token. False when somebody else had fixed another result before."""
    if wait.state == Wait.PARKED and not ports.table.resolve_wait(wait, result):
        current = ports.table.wait(wait.wait_id)
        if current is None or current.result is None:
            return False
        deliver(ports, current)
        return current.result == result
    current = ports.table.wait(wait.wait_id)
    if current is None or current.result is None:
        return False
    deliver(ports, current)
    return current.result == result


def deliver(ports: ApprovalPorts, wait: Wait) -> bool:
    """Answer the token of a resolved wait. False when nobody waits on it any more."""
    result = wait.result or {}
    if wait.kind == WaitKind.APPROVAL:
        # Evidence and history first: a run never goes on with an approval nobody can look up.
        record_approval(ports, wait)
    alive = answer(ports, wait.kind, wait.token, result)
    if not alive:
        LOG.warning("WaitTokenDead", extra={"run_id": wait.run_id, "model": wait.model, "kind": wait.kind})
    ports.table.finish_wait(wait, result, at=ports.now().isoformat(), delivered=alive)
    return alive


def answer(ports: ApprovalPorts, kind: str, token: str, result: dict[str, Any]) -> bool:
    """Give a token the result of its wait; a training that failed fails it. False when the token is dead."""
    if result.get("status") == "FAILED" and kind in {WaitKind.PIPELINE, WaitKind.TRAINING_JOB}:
        return ports.executions.fail(token, str(result.get("error") or "TrainingFailed"), str(result["reason"]))
    return ports.executions.succeed(token, result)


def subject_result(ports: Ports, wait: Wait) -> dict[str, Any] | None:
    """Ask SageMaker what the subject of a wait came to; None while it goes on, or when a person or a run knows it."""
    if wait.kind == WaitKind.ENDPOINT:
        name = wait.subject.split("/", 1)[-1]
        return endpoint_result(ports.sagemaker.endpoint(name), wanted_config=wait.data["wanted_config"])
    if wait.kind == WaitKind.PIPELINE:
        result = pipeline_result(ports.sagemaker.pipeline_execution(wait.subject))
        if result is None or result["status"] != "SUCCEEDED":
            return result
        job, package = trained_by_pipeline(ports.sagemaker.pipeline_steps(wait.subject))
        described = ports.sagemaker.training_job(job.rsplit("/", 1)[-1]) if job else None
        return result | (trained_model(described) if described else {}) | {"model_package_arn": package}
    if wait.kind == WaitKind.TRAINING_JOB:
        return training_job_result(ports.sagemaker.training_job(wait.subject))
    if wait.kind == WaitKind.BAKE:
        verdict = judge_promotion(ports, run_id=wait.run_id, model=wait.model, plan=wait.data["plan"])
        if not verdict.healthy:
            return {"status": "UNHEALTHY", "reason": verdict.reason}
        # The end of a bake is its deadline; its early end is a verdict.
        return {"status": "BAKED", "reason": verdict.reason} if ports.now().isoformat() >= wait.deadline else None
    return None


def change_slots(ports: Ports, change: Callable[[SlotLedger], SlotLedger]) -> SlotLedger:
    """Change the ledger, grant what is free, and hand new holders their slot.

    Raises:
        ContentionError: rivals kept winning; the caller retries.
    """
    for _ in range(ATTEMPTS):
        before = ports.table.slots()
        changed = change(before)
        after, _granted = grant(
            changed,
            limit=ports.settings.max_concurrent_trainings,
            now=ports.now().isoformat(),
            paused=_paused(ports, changed),
        )
        if after == before or ports.table.save_slots(after):
            for holder in after.holders:
                _hand_over(ports, holder)
            return after
        ports.pause(0.05)
    raise ContentionError(f"The slot ledger kept changing {ATTEMPTS} times; the caller tries again.")


def _hand_over(ports: Ports, holder: Holder) -> None:
    """Wake a holder that still waits; one that was woken before has no wait any more."""
    wait = ports.table.wait(wait_id(holder.run_id, WaitKind.SLOT, SLOT_SUBJECT))
    if wait is None:
        return
    record_status(
        ports,
        run_id=holder.run_id,
        model=holder.model,
        status=Status.TRAINING_STARTED,
        sentence=f"Training starts with slot grant {holder.fence}.",
    )
    resolve(ports, wait, {"granted": True, "fence": holder.fence})


def _paused(ports: Ports, ledger: SlotLedger) -> frozenset[str]:
    """Models in the queue under a kill switch; checked when a slot is granted, not only when the signal came."""
    scopes = {switch.scope for switch in ports.table.kill_switches()}
    if "global" in scopes:
        return frozenset(waiter.model for waiter in ledger.waiters)
    return frozenset(scope.removeprefix("model:") for scope in scopes if scope.startswith("model:"))
