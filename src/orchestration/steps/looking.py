"""Looking after a wait: is what it waits for over? Asked by an event, by the sweep, and right after it was parked."""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.bake import BakeState, BakeVerdict, bake_result, judge_bake
from orchestration.domain.contracts import DueKind, Next, Status, WaitKind
from orchestration.domain.due import AGAIN, again_at, due
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.intention import training_subject
from orchestration.domain.json_values import mapping, number
from orchestration.domain.promotion import DeploymentPlan, EndpointPlan, RegistryPlan
from orchestration.domain.results import (
    TRAINING_TIMED_OUT,
    execution_ended,
    promotion_result,
    rollback_result,
)
from orchestration.domain.switches import sources_of, switch_over
from orchestration.domain.training_target import TrainingTask
from orchestration.domain.votes import ApprovalDecision, Ruling
from orchestration.domain.wait import Result, overdue, wait_id
from orchestration.steps.answering import deliver, resolve
from orchestration.steps.approvals import BAKE, withdrawn
from orchestration.steps.due_work import DONE, Worked, attempt, later
from orchestration.steps.rivals import against_rivals
from orchestration.steps.training_slots import give_way, held_slot
from orchestration.steps.trainings import (
    have_asked_again,
    seen_training,
    stop_training,
    training_result,
    try_again,
    with_jobs,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.domain.due import DueItem
    from orchestration.domain.promotion import PromotionPlan
    from orchestration.domain.slots import Waiter
    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.wait import Wait
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")


def look(ports: Ports, item: DueItem) -> Worked:
    """Work off a LOOK item: answer what is over, withdraw what nobody waits for, else look again later."""
    wait = ports.table.wait_by_id(item.subject)
    if wait is None or wait.answered:
        return DONE
    if wait.resolved:
        deliver(ports, wait)
        return Worked(repair="wait_answered")
    if look_after(ports, wait):
        return Worked(repair=None if wait.kind in {WaitKind.BAKE, WaitKind.APPROVAL} else "lost_event_replaced")
    current = ports.table.wait_by_id(item.subject) or wait
    if current.kind is WaitKind.BAKE:
        return later(item, min(datetime.fromisoformat(current.deadline), ports.now() + AGAIN))
    if current.kind is WaitKind.SLOT:
        # Its grant has an item of its own.
        return later(item, again_at(datetime.fromisoformat(current.parked_at), ports.now()))
    return later(item, ports.now() + AGAIN)


def wake(ports: Ports, granted: tuple[Waiter, ...]) -> None:
    """Hand new holders their slot; who cannot be woken now is woken by a sweep."""
    for waiter in granted:
        attempt(ports, due(DueKind.LOOK, wait_id(waiter.run_id, WaitKind.SLOT), waiter.model, ports.now()), look)


def look_after(ports: Ports, wait: Wait) -> bool:
    """Ask about the subject of a parked wait and answer it when that is over. True when it was answered.

    Raises:
        ContentionError: the world kept changing while it was judged.
    """
    return against_rivals(ports, functools.partial(_look_once, ports, wait), f"What run {wait.run_id} waits for")


def _look_once(ports: Ports, wait: Wait) -> bool:
    # Read before what is judged: drift, a pause or a vote that is recorded in between has it judged again.
    head = ports.table.chain_head(wait.model) if wait.kind in {WaitKind.BAKE, WaitKind.APPROVAL} else None
    run = ports.table.run(wait.run_id)
    if run is None or run.outcome is not None:
        # Nobody goes on with a run that is over, and its execution is dead or goes to its end by itself.
        if wait.kind is WaitKind.APPROVAL:
            return resolve(ports, wait, withdrawn(wait, run.outcome if run else None, ports.now()))
        reason = f"Run {wait.run_id} ended before what it waited for."
        return resolve(ports, wait, Result(Next.RECORD, reason, withdrawn=True))
    found = LOOKS[wait.kind](ports, wait, run)
    if found is None:
        return False
    # A switch over everything or a source is of another chain.
    stays = wait.kind is WaitKind.BAKE and found.outcome is Status.PROMOTED
    checks = ports.table.switch_checks(run.model, *sources_of(json.loads(run.manifest))) if stays else []
    if stays or found.next is Next.ASK:
        checks.append(ports.table.rollback_check(run.run_id))
    return resolve(ports, wait, found, head, checks)


def _slot(ports: Ports, wait: Wait, run: StoredRun) -> Result | None:
    del run
    holder = held_slot(ports, wait.run_id)
    if holder is None:
        return None
    return Result(Next.TRAIN, f"Slot grant {holder.fence}.")


def _training(ports: Ports, wait: Wait, run: StoredRun) -> Result | None:
    manifest = json.loads(run.manifest)
    task = TrainingTask.of(manifest, wait.attempt)
    if task is None:
        return Result(Next.EVALUATE, "The manifest names no training target.", Status.TRAINING_FAILED)
    training = mapping(manifest.get("training"))
    hours = number(training.get("max_hours"))
    late, accepted = overdue(wait, hours, ports.now()), bool(wait.data.get("accepted"))
    if not accepted and not late:
        # What is to be seen under its name may be somebody else's: the hand compares.
        found = None
    else:
        found = seen_training(ports, task, started_at=run.started_at, certain=_shows(ports, wait))
    if found is not None:
        found = with_jobs(ports, run, wait, found)
    if found is not None and hours is not None and (found.no_capacity or not accepted):
        return try_again(ports, run, wait, manifest, found, hours)
    if found is not None:
        return training_result(found, output_uri=str(training["input"]["output_uri"]), overdue=late)
    intention = ports.table.intention(training_subject(run.run_id)) if late else None
    if intention is not None and intention.wanted == task.name and _noted_overdue(ports, wait):
        cause = f"The training ran longer than the {hours:g} h its policy allows."
        stop_training(ports, task, started_at=run.started_at, error=TRAINING_TIMED_OUT, cause=cause)
    if wait.data.get("waiting") and not accepted:
        _while_waiting(ports, wait, run, manifest)
    return None


def _noted_overdue(ports: Ports, wait: Wait) -> bool:
    """Note that a wait is past its limit, before what it waits for is stopped for it. False when it was changed meanwhile."""
    noted = replace(wait, data={**wait.data, "overdue": True})
    return bool(wait.data.get("overdue")) or ports.table.change_wait(wait, noted)


def _while_waiting(ports: Ports, wait: Wait, run: StoredRun, manifest: dict[str, Any]) -> None:
    """What a look does for a training that waits for a quota or for instances, unless the hand may be at work."""
    if not _shows(ports, wait):
        return
    # Whoever noted that it is to begin anew may have died before the workflow heard of it.
    have_asked_again(ports, wait)
    pinned = mapping(mapping(manifest.get("policy")).get("effective"))
    if mapping(pinned.get("training")).get("slot_while_waiting") == "give_back":
        wake(ports, give_way(ports, run, wait, sources_of(manifest)))


def _promotion(ports: Ports, wait: Wait, run: StoredRun) -> Result | None:
    plan = planned(ports, run.run_id)
    if isinstance(plan, RegistryPlan):
        package = mapping(ports.sagemaker.model_package(plan.model_package_arn))
        return approved_package(plan) if package.get("ModelApprovalStatus") == "Approved" else None
    if isinstance(plan, DeploymentPlan):
        described = ports.executions.describe(plan.execution_arn)
        # Until it was taken, what runs under the name may be somebody else's: the hand compares.
        told = bool(wait.data.get("accepted")) and (described is not None or _shows(ports, wait))
        found = execution_ended(described) if told else None
        if found is None:
            return None
        if found.succeeded:
            return Result(Next.RECORD, "The team's deployment took the candidate.", Status.PROMOTED)
        return Result(Next.RECORD, f"The team's deployment failed: {found.reason}", Status.FAILED)
    described = ports.sagemaker.endpoint(plan.endpoint)
    return promotion_result(
        described,
        name=plan.endpoint,
        previous=plan.previous_config,
        wanted=plan.wanted_config,
        certain=_moved(ports, wait, described, wait.data["since"]),
    )


def planned(ports: Ports, run_id: str) -> PromotionPlan:
    """The plan a run's promotion was begun with.

    Raises:
        InvalidRequestError: the run has no candidate that may be promoted.
    """
    verdict = ports.table.candidate_verdict(run_id)
    if verdict is None or verdict.plan is None:
        raise InvalidRequestError(f"Run {run_id} has no candidate that passed its gates.")
    return verdict.plan


def endpoint_planned(ports: Ports, run_id: str) -> EndpointPlan:
    """The plan of a run that moves an endpoint.

    Raises:
        InvalidRequestError: the run moves none.
    """
    plan = planned(ports, run_id)
    if not isinstance(plan, EndpointPlan):
        raise InvalidRequestError(f"Run {run_id} moves no endpoint.")
    return plan


def approved_package(plan: RegistryPlan) -> Result:
    """The result of a promotion that is the registry's approval."""
    return Result(Next.RECORD, f"{plan.model_package_arn} is approved in the registry.", Status.PROMOTED)


def _rollback(ports: Ports, wait: Wait, run: StoredRun) -> Result | None:
    plan = endpoint_planned(ports, run.run_id)
    described = ports.sagemaker.endpoint(plan.endpoint)
    found = rollback_result(
        described,
        name=plan.endpoint,
        previous=plan.previous_config,
        wanted=plan.wanted_config,
        outcome=Status(wait.data["outcome"]),
        certain=_moved(ports, wait, described, wait.parked_at),
    )
    if found is None or (found.outcome is Status.ROLLBACK_FAILED and not wait.data.get("accepted")):
        # Until AWS took the way back, only the hand says that there is none: it asks for as long as its workflow lives.
        return None
    return because(found, wait)


def because(found: Result, wait: Wait) -> Result:
    """The result of a rollback with the reason why the champion had to come back."""
    return replace(found, reason=f"{wait.data['why']} {found.reason}")


def _bake(ports: Ports, wait: Wait, run: StoredRun) -> Result | None:
    plan, now = endpoint_planned(ports, run.run_id), ports.now()
    verdict = _judged(ports, run, plan, wait)
    ended, extended = now >= datetime.fromisoformat(wait.deadline), bool(wait.data.get("extended"))
    if verdict.state is BakeState.INCONCLUSIVE and ended and not extended:
        length = datetime.fromisoformat(wait.deadline) - datetime.fromisoformat(wait.parked_at)
        longer = (now + length).isoformat()
        ports.table.change_wait(
            wait, replace(wait, deadline=longer, next_step_at=longer, data={**wait.data, "extended": True})
        )
        LOG.warning("BakeExtended", extra={"run_id": wait.run_id, "model": wait.model, "until": longer})
        if length:
            return None
        extended = True
    found = bake_result(verdict, ended=ended, extended=extended, inconclusive=plan.inconclusive)
    asked = ports.table.candidate_verdict(run.run_id) if plan.goes_back else None
    if found is None or asked is None:
        return found
    return replace(found, reason=f"{asked.result.reason} {found.reason}")


def _asked_about_bake(ports: Ports, wait: Wait, run: StoredRun) -> Result | None:
    """What ends a bake early ends the asking about it too: while people think, the candidate serves."""
    bake = ports.table.wait(wait.run_id, WaitKind.BAKE)
    if wait.subject != BAKE or bake is None:
        return None
    verdict = _judged(ports, run, endpoint_planned(ports, run.run_id), bake)
    found = bake_result(verdict, ended=False, extended=True, inconclusive="ask")
    ruling = Ruling(ApprovalDecision.WITHDRAWN, ports.now().isoformat())
    return None if found is None else replace(found, ruling=ruling)


def _judged(ports: Ports, run: StoredRun, plan: EndpointPlan, bake: Wait) -> BakeVerdict:
    since = datetime.fromisoformat(bake.data["since"])
    return judge_bake(
        ports.sagemaker.endpoint(plan.endpoint),
        endpoint=plan.endpoint,
        wanted_config=plan.wanted_config,
        previous_config=plan.previous_config,
        alarms=ports.alarms.watch(plan.alarms, since=since),
        pending=ports.table.model(run.model).pending,
        sequence=int(bake.data["sequence"]),
        since=since,
        switch=switch_over(ports.table.kill_switches(), run.model, *sources_of(json.loads(run.manifest))),
        rollback=ports.table.kept_rollback(run.run_id),
    )


def _shows(ports: Ports, wait: Wait) -> bool:
    """True when what the hand last asked for would show by now: AWS's lists and descriptions lag behind its answers."""
    return ports.now() >= datetime.fromisoformat(wait.data["settles_at"])


def _moved(ports: Ports, wait: Wait, described: dict[str, Any] | None, since: str) -> bool:
    """True when an endpoint that is as it was before can be judged: it was moved since, or would show it by now."""
    changed = (described or {}).get("LastModifiedTime")
    shows = changed is not None and changed >= datetime.fromisoformat(since)
    return bool(wait.data.get("accepted")) and (shows or _shows(ports, wait))


LOOKS: Final[dict[WaitKind, Callable[[Ports, Wait, StoredRun], Result | None]]] = {
    WaitKind.SLOT: _slot,
    WaitKind.TRAINING: _training,
    WaitKind.PROMOTION: _promotion,
    WaitKind.ROLLBACK: _rollback,
    WaitKind.BAKE: _bake,
    WaitKind.APPROVAL: _asked_about_bake,
}
"""How each kind of wait is looked after. An approval has its ladder; only that of a bake is looked after as well."""
