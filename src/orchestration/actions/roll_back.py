"""Roll back: bring the champion back. Asked for by the living workflow of the run whose intention is open."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.conclusion import conclude
from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.errors import ContentionError, NotAcceptedYetError
from orchestration.domain.fence import EndpointSight, closed
from orchestration.domain.intention import Intention, endpoint_subject
from orchestration.domain.results import ENDPOINT_FAILED, rollback_result
from orchestration.domain.wait import Result, Wait, overdue
from orchestration.steps.answering import answer, look_due, resolve, take_up
from orchestration.steps.facts import facts_of
from orchestration.steps.hand import noted, put_wait
from orchestration.steps.looking import because, look_after
from orchestration.steps.sight import Gathered, asked_run, asked_token, gather
from orchestration.steps.telling import record_status
from orchestration.stores.service_answers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.ports import HandPorts

DEADLINE: Final = timedelta(days=7)
"""The workflow's backstop for a rollback."""

PATIENCE_HOURS: Final = 12.0
"""How long an endpoint may be busy before people are paged instead."""


def roll_back(request: dict[str, Any], ports: HandPorts) -> dict[str, Any]:
    """Bring the champion back.

    Args:
        request: ``{"execution": {"id", "name"}, "token"}``.
        ports: the outside.

    Returns:
        ``{"started": bool}``; the workflow waits for the token, not for this.

    Raises:
        NotAcceptedYetError: the endpoint takes no update yet; the workflow asks again.
        ContentionError: a rival was faster; the workflow asks again.
    """
    run_id, execution_arn = asked_run(ports, request)
    token = asked_token(request)
    # Going back asks no policy, so one that nobody can read does not keep a bad candidate serving.
    gathered = gather(ports, run_id, execution_arn, forward=False)
    intention = _own_intention(ports, gathered)
    if intention is None:
        # Nothing of this run is on its way: a run that is over, or one that never touched the endpoint.
        answer(ports, token, Next.FINISH)
        return {"started": False}
    wait = ports.table.wait(run_id, WaitKind.ROLLBACK)
    if wait is None:
        # Read once: a yes that comes from here on is no reason to go back, and no outcome of it.
        facts = facts_of(ports, run_id)
        if conclude(facts, died=None, failure=None).outcome is Status.PROMOTED:
            # The bake has its verdict; whatever failed while it was told, the candidate was found good and serves on.
            answer(ports, token, Next.FINISH)
            return {"started": False}
        wait = _park(ports, gathered, facts, intention, token)
    else:
        taken_up = take_up(ports, wait, token)
        if taken_up is None:
            return {"started": False}
        wait = taken_up
    if wait.data.get("accepted"):
        look_after(ports, wait)
        return {"started": True}
    return {"started": _update(ports, gathered, intention, wait)}


def _own_intention(ports: HandPorts, gathered: Gathered) -> Intention | None:
    """The open intention of a run that lives and is its model's: the fence of a rollback."""
    sight, promotion = gathered.sight, gathered.policy.promotion
    if closed(sight) is not None or sight.active_run_id != sight.run_id or not promotion.endpoint:
        return None
    intention = ports.table.intention(endpoint_subject(promotion.endpoint))
    return intention if intention is not None and intention.run_id == sight.run_id else None


def _park(ports: HandPorts, gathered: Gathered, facts: Mapping[str, Result], intention: Intention, token: str) -> Wait:
    name, now = intention.subject.removeprefix("endpoint:"), ports.now()
    why = facts.get("approval:bake") or facts.get("bake") or facts.get("promotion")
    data: dict[str, Any] = {
        "outcome": (why.outcome if why else None) or Status.ROLLED_BACK,
        "why": why.reason if why else "The promotion could not be followed.",
        "settles_at": intention.settles_at,
        "accepted": False,
        "names": [f"endpoint:{name}"],
    }
    new = put_wait(ports, gathered, WaitKind.ROLLBACK, token, data, now + DEADLINE)
    check = ports.table.open_check(gathered.run.run_id, gathered.sight.execution_arn)
    if ports.table.park(new, look_due(ports, new), data["names"], [check]) is not None:
        raise ContentionError("The rollback was begun, or the run closed, at the same moment.")
    return new


def _update(ports: HandPorts, gathered: Gathered, intention: Intention, wait: Wait) -> bool:
    name, now = intention.subject.removeprefix("endpoint:"), ports.now()
    described = ports.sagemaker.endpoint(name)
    over = rollback_result(
        described,
        name=name,
        previous=intention.previous,
        wanted=intention.wanted,
        outcome=Status(wait.data["outcome"]),
        certain=intention.settled(now),
    )
    seen = EndpointSight.of(described)
    failed = seen.status in ENDPOINT_FAILED
    if over is not None and not failed and seen.live != intention.wanted:
        # The champion serves already, somebody else deployed, or the endpoint is gone.
        return resolve(ports, wait, because(over, wait))
    if seen.pending != intention.previous:
        if seen.pending is not None or (seen.status != "InService" and not failed):
            return _busy(ports, wait, f"Endpoint {name} is {seen.status}; it takes no update now.")
        if seen.live != intention.wanted and not failed:
            # Nobody concludes anything before its time, and what shows late has to be taken back.
            raise NotAcceptedYetError(f"An update of endpoint {name} that was begun may still show.")
        request = {
            "EndpointName": name,
            "EndpointConfigName": intention.previous,
            "RetainAllVariantProperties": gathered.policy.promotion.retain_capacity,
        }
        taken = ports.changes.update_endpoint(request)
        if taken.answer is not Answer.TAKEN:
            seen = EndpointSight.of(ports.sagemaker.endpoint(name))
            if intention.previous not in {seen.live, seen.pending}:
                if taken.answer.later or seen.status not in {"InService", *ENDPOINT_FAILED}:
                    return _busy(ports, wait, taken.sentence)
                reason = f"{wait.data['why']} The rollback was refused: {taken.sentence}"
                resolve(ports, wait, Result(Next.FINISH, reason, Status.ROLLBACK_FAILED))
                return False
    # Before the note that ends the asking, so that a retry makes up for it.
    record_status(
        ports,
        run_id=wait.run_id,
        model=wait.model,
        status=Status.ROLLBACK_STARTED,
        severity=gathered.run.severity,
        sentence=f"{wait.data['why']} Endpoint {name} is moving back to config {intention.previous}.",
    )
    noted(ports, wait)
    return True


def _busy(ports: HandPorts, wait: Wait, sentence: str) -> bool:
    if overdue(wait, PATIENCE_HOURS, ports.now()):
        reason = f"{wait.data['why']} Given up after {PATIENCE_HOURS:g} h. {sentence}"
        resolve(ports, wait, Result(Next.FINISH, reason, Status.ROLLBACK_FAILED))
        return False
    raise NotAcceptedYetError(sentence)
