"""Park: store a task token until whoever knows resumes it. The workflow spends one transition however long it takes.

Whatever goes wrong here fails the token itself, so that the workflow never waits on a token nobody stored.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import Status, WaitKind
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.json_values import mapping
from orchestration.domain.slots import enqueue
from orchestration.domain.wait_results import wait_id
from orchestration.steps.approvals import approval_data, ask
from orchestration.steps.statuses import record_status
from orchestration.steps.waits import answer, change_slots, deliver, resolve, subject_result
from orchestration.stores.table_dynamodb import Wait

if TYPE_CHECKING:
    from orchestration.ports import Ports

DEADLINE: Final = timedelta(days=30)
"""A wait that nothing ever resolves is given up after this long; the ASL's backstop is the same constant."""

BAKE_FACTS: Final = ("endpoint", "wanted_config", "previous_config", "alarms")
"""What of the promotion plan a bake is judged by."""


def park(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Store the token of a wait and answer it at once if what it waits for is there already.

    Args:
        request: ``{"kind", "subject", "token", "run": $run, "execution": {"id", "name"}, ...}``; ``wanted_config`` for
            an endpoint, ``verdict`` for a promotion approval, ``promotion`` (the plan) for a bake.
        ports: the outside.

    Returns:
        ``{"parked": bool}``; the workflow waits for the token, not for this.

    Raises:
        InvalidRequestError: the request is not one the state machine sends.
    """
    try:
        kind, subject = WaitKind(request["kind"]), str(request["subject"])
        token, run = str(request["token"]), request["run"]
    except (KeyError, ValueError) as error:
        raise InvalidRequestError(
            f"A park request needs kind, subject, token and run; this one lacks {error}."
        ) from None
    identity = wait_id(run["run_id"], kind, subject)
    stored = ports.table.run(run["run_id"])
    if stored is not None and stored.outcome is not None:
        # A stopped execution that was redriven: its lock and slot belong to others by now.
        raise InvalidRequestError(
            f"Run {run['run_id']} has its outcome {stored.outcome} and is not taken up again; start a new one with "
            "make retrain."
        )
    now = ports.now()
    finished = ports.table.finished_wait(run["run_id"], identity)
    if finished is not None and finished.get("result") is not None:
        # The workflow retried a wait that was over: its new token gets the result that was decided.
        answer(ports, kind, token, finished["result"])
        return {"parked": False}
    deadline, next_step = now + DEADLINE, now + DEADLINE
    data: dict[str, Any] = {}
    if kind is WaitKind.APPROVAL:
        data = approval_data(request, ports)
        deadline = now + timedelta(hours=data["ladder"]["expire_hours"])
        next_step = min(deadline, now + timedelta(hours=data["ladder"]["remind_hours"]))
    elif kind is WaitKind.ENDPOINT:
        data = {"wanted_config": request["wanted_config"], "purpose": request.get("purpose", "promotion")}
    elif kind is WaitKind.BAKE:
        plan = mapping(request.get("promotion"))
        data = {"plan": {key: plan[key] for key in BAKE_FACTS}}
        deadline = next_step = now + timedelta(seconds=float(plan["bake_seconds"]))
    wait = Wait(
        wait_id=identity,
        kind=kind,
        subject=subject,
        run_id=run["run_id"],
        model=run["model"],
        token=token,
        execution_arn=str(mapping(request.get("execution")).get("id")),
        parked_at=now.isoformat(),
        deadline=deadline.isoformat(),
        next_step_at=next_step.isoformat(),
        step=0,
        state=Wait.PARKED,
        data=data,
    )
    if not ports.table.park(wait):
        resolved = ports.table.wait(identity)
        if resolved is not None and resolved.result is not None:
            # Resolved, but the old token was never answered: the new one is.
            answer(ports, kind, token, resolved.result)
            deliver(ports, resolved)
        return {"parked": False}
    {
        WaitKind.SLOT: _slot,
        WaitKind.APPROVAL: _approval,
        WaitKind.ENDPOINT: _endpoint,
        WaitKind.PIPELINE: _look,
        WaitKind.TRAINING_JOB: _look,
        WaitKind.BAKE: _look,
    }[kind](ports, wait, run)
    return {"parked": True}


def _slot(ports: Ports, wait: Wait, run: dict[str, Any]) -> None:
    now = ports.now().isoformat()
    ledger = change_slots(ports, lambda before: enqueue(before, run_id=run["run_id"], model=run["model"], now=now))
    if ledger.waits(wait.run_id):
        place = [waiter.run_id for waiter in ledger.waiters].index(wait.run_id) + 1
        record_status(
            ports,
            run_id=wait.run_id,
            model=wait.model,
            status=Status.TRAINING_QUEUED,
            sentence=(
                f"All {ports.settings.max_concurrent_trainings} training slot(s) are taken or paused; "
                f"the run is number {place} in the queue."
            ),
        )


def _approval(ports: Ports, wait: Wait, run: dict[str, Any]) -> None:
    del run
    ask(ports, wait)


def _endpoint(ports: Ports, wait: Wait, run: dict[str, Any]) -> None:
    rolling_back = wait.data["purpose"] == "rollback"
    record_status(
        ports,
        run_id=wait.run_id,
        model=wait.model,
        status=Status.ROLLBACK_STARTED if rolling_back else Status.PROMOTION_STARTED,
        severity=run.get("severity"),
        sentence=f"Endpoint {_endpoint_name(wait)} is moving to config {wait.data['wanted_config']}.",
    )
    _look(ports, wait, run)


def _endpoint_name(wait: Wait) -> str:
    return wait.subject.split("/", 1)[-1]


def _look(ports: Ports, wait: Wait, run: dict[str, Any]) -> None:
    """Answer at once what is over already: its event came before there was a token."""
    del run
    result = subject_result(ports, wait)
    if result is not None:
        resolve(ports, wait, result)
