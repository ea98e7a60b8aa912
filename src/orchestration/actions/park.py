"""Park: store a task token until whoever knows answers it. The workflow spends one transition however long it takes.

Whatever goes wrong here fails the token itself, so that the workflow never waits on a token nobody stored.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.due import GRACE
from orchestration.domain.errors import ContentionError, InvalidRequestError
from orchestration.domain.fence import closed
from orchestration.domain.stored_run import StatusRow
from orchestration.domain.switches import paused_sentence, switch_over
from orchestration.domain.wait import Wait
from orchestration.steps.answering import answer, look_due, take_up
from orchestration.steps.approvals import APPROVED, BAKE, REQUESTED, approval_data, ladder_due, request_sentence
from orchestration.steps.due_work import attempt
from orchestration.steps.earlier_release import asked_by_earlier_workflow, turn_away
from orchestration.steps.looking import endpoint_planned, look, look_after, wake
from orchestration.steps.policies import policy_written
from orchestration.steps.sight import Gathered, asked_run, asked_token, gather
from orchestration.steps.telling import record_status, status_writes, tell
from orchestration.steps.training_slots import change_slots, place_in_queue

if TYPE_CHECKING:
    from orchestration.domain.due import DueItem
    from orchestration.ports import Ports
    from orchestration.stores.table import Write

DEADLINE: Final = timedelta(days=30)
"""A wait that nothing ever resolves is given up after this long; the workflow's backstop is the same constant."""

PARKED_HERE: Final = frozenset({WaitKind.SLOT, WaitKind.APPROVAL, WaitKind.BAKE})
"""Kinds the workflow parks; the hand parks the others with what it begins."""


def park(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Store the token of a wait and answer it at once if what it waits for is there already.

    Args:
        request: ``{"kind", "subject", "token", "execution": {"id", "name"}}``; ``subject`` counts for approvals only.
        ports: the outside.

    Returns:
        ``{"parked": bool}``; the workflow waits for the token, not for this.

    Raises:
        InvalidRequestError: the request is not one the state machine sends.
        ContentionError: rivals kept winning; the workflow tries again.
    """
    if asked_by_earlier_workflow(request):
        return turn_away(request, ports)
    run_id, execution_arn = asked_run(ports, request)
    token, kind, subject = asked_token(request), _kind(request), str(request.get("subject") or "")
    gathered = gather(ports, run_id, execution_arn)
    over = closed(gathered.sight)
    if over is not None:
        # A run that is over is not taken up again, however it is woken: the workflow goes to its end.
        answer(ports, token, Next.RECORD)
        return {"parked": False}
    wait = ports.table.wait(run_id, kind, subject if kind is WaitKind.APPROVAL else "")
    if wait is None:
        wait, due_item, names, writes, told = _PLANS[kind](ports, gathered, _new(ports, gathered, kind, subject, token))
        codes = ports.table.park(wait, due_item, names, [ports.table.open_check(run_id, execution_arn), *writes])
        if codes is not None:
            raise ContentionError(
                f"The {wait.name} wait of run {run_id} was parked or its run closed at the same moment."
            )
        if told is not None:
            attempt(ports, told, tell)
    else:
        parked = take_up(ports, wait, token)
        if parked is None:
            return {"parked": False}
        wait, due_item = parked, look_due(ports, parked)
    if kind is WaitKind.SLOT:
        wake(ports, change_slots(ports))
        attempt(ports, due_item, look)
        _queued(ports, gathered, wait)
    elif kind is WaitKind.BAKE:
        look_after(ports, wait)
    return {"parked": True}


def _kind(request: dict[str, Any]) -> WaitKind:
    kind, subject = str(request.get("kind")), str(request.get("subject"))
    if kind not in PARKED_HERE or (kind == WaitKind.APPROVAL and subject not in APPROVED):
        raise InvalidRequestError(
            f"A park request names kind slot, bake, or approval with subject training, promotion or bake; not {kind[:40]!r}."
        )
    return WaitKind(kind)


def _new(ports: Ports, gathered: Gathered, kind: WaitKind, subject: str, token: str) -> Wait:
    now = ports.now()
    return Wait(
        kind=kind,
        subject=subject,
        run_id=gathered.run.run_id,
        model=gathered.run.model,
        token=token,
        execution_arn=gathered.run.execution_arn,
        parked_at=now.isoformat(),
        deadline=(now + DEADLINE).isoformat(),
        next_step_at=(now + DEADLINE).isoformat(),
    )


_Planned = tuple[Wait, "DueItem", list[str], "list[Write]", "DueItem | None"]


def _slot(ports: Ports, gathered: Gathered, wait: Wait) -> _Planned:
    """A place at the end of the queue; who finds a free slot leaves it at once."""
    waiter = place_in_queue(ports, wait.run_id, wait.model, gathered.sight.sources)
    wait = replace(wait, parked_at=waiter.since)
    return wait, look_due(ports, wait), [], [ports.table.queue_write(waiter)], None


def _queued(ports: Ports, gathered: Gathered, wait: Wait) -> None:
    """Tell people of a run that has to wait for its slot, and for what."""
    current, sight = ports.table.wait(wait.run_id, wait.kind), gathered.sight
    if current is not None and not current.resolved:
        switch = switch_over(sight.switches, sight.model, *sight.sources)
        taken = f"All {ports.settings.max_concurrent_trainings} training slot(s) are taken."
        record_status(
            ports,
            run_id=wait.run_id,
            model=wait.model,
            status=Status.TRAINING_QUEUED,
            severity=gathered.run.severity,
            sentence=f"{paused_sentence(switch) if switch else taken} The run is in the queue.",
        )


def _approval(ports: Ports, gathered: Gathered, wait: Wait) -> _Planned:
    run, written = gathered.run, policy_written(ports, gathered.run.model)
    data = approval_data(
        ports,
        run,
        wait.subject,
        why=_why(ports, gathered, wait.subject),
        policy_sha256=gathered.sight.policy_sha256,
        written=written,
    )
    parked_at, ladder = datetime.fromisoformat(wait.parked_at), data["ladder"]
    deadline = parked_at + timedelta(hours=ladder["expire_hours"])
    first = min(deadline, parked_at + timedelta(hours=ladder["remind_hours"]))
    wait = replace(wait, data=data, deadline=deadline.isoformat(), next_step_at=first.isoformat())
    facts = {"policy file": written}
    row = StatusRow(REQUESTED[wait.subject], wait.parked_at, request_sentence(wait), run.severity, facts)
    writes, told = status_writes(ports, wait.run_id, wait.model, row)
    more = [ports.table.due_write(look_due(ports, wait))] if wait.subject == BAKE else []
    return wait, ladder_due(wait, first), [], [*writes, *more], told


def _why(ports: Ports, gathered: Gathered, subject: str) -> str:
    """Why people are asked, from the fact that made the loop ask."""
    run_id = gathered.run.run_id
    if subject == "bake":
        bake = ports.table.wait(run_id, WaitKind.BAKE)
        return bake.result.reason if bake is not None and bake.result is not None else "the bake said nothing"
    if subject == "promotion":
        verdict = ports.table.candidate_verdict(run_id)
        return (verdict.result.reason if verdict else "") or "the policy asks for it"
    return str(gathered.manifest["decision"]["sentence"])


def _bake(ports: Ports, gathered: Gathered, wait: Wait) -> _Planned:
    promotion = ports.table.wait(wait.run_id, WaitKind.PROMOTION)
    if promotion is None:
        raise InvalidRequestError(f"Run {wait.run_id} has promoted nothing, so there is nothing to bake.")
    plan = endpoint_planned(ports, gathered.run.run_id)
    deadline = (datetime.fromisoformat(wait.parked_at) + timedelta(seconds=plan.bake_seconds)).isoformat()
    names = [f"endpoint:{plan.endpoint}", *(f"alarm:{alarm}" for alarm in plan.alarms)]
    data = {key: promotion.data[key] for key in ("sequence", "since", "why")} | {"names": names}
    wait = replace(wait, deadline=deadline, next_step_at=deadline, data=data)
    item = replace(look_due(ports, wait), due_at=min(deadline, (ports.now() + GRACE).isoformat()))
    return wait, item, names, [], None


_PLANS: Final = {WaitKind.SLOT: _slot, WaitKind.APPROVAL: _approval, WaitKind.BAKE: _bake}
