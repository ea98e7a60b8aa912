"""Finish: let registry and monitor follow what became of the candidate. A registry that refuses changes no outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.baseline import plan_baseline_refresh
from orchestration.domain.conclusion import conclude
from orchestration.domain.contracts import Next, Status
from orchestration.domain.errors import ContentionError, TransientServiceError
from orchestration.domain.fence import EndpointSight, closed, foreign_deployment, refuse
from orchestration.domain.json_values import text
from orchestration.domain.ownership import Kind, Resource, package_group
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.verdict import Finish
from orchestration.steps.facts import facts_of
from orchestration.steps.ownership import not_own
from orchestration.steps.sight import asked_run, fence_writes, gather
from orchestration.stores.service_answers import Answer, Taken

if TYPE_CHECKING:
    from orchestration.domain.fence import Refusal
    from orchestration.domain.stored_run import StoredRun
    from orchestration.ports import HandPorts

REJECTS: Final = frozenset(
    {Status.CANDIDATE_REJECTED, Status.APPROVAL_REJECTED, Status.APPROVAL_EXPIRED, Status.ROLLED_BACK}
)
"""Outcomes that say the candidate is not good; one that was stopped or superseded may still be the best there is."""


def finish(request: dict[str, Any], ports: HandPorts) -> dict[str, Any]:
    """Approve or reject the candidate's package, and make the monitor's baseline the promoted model's.

    Args:
        request: ``{"execution": {"id", "name"}}``; the outcome is concluded from the run's facts.
        ports: the outside.

    Returns:
        ``{"next", "registry", "baseline"}``; the last two are sentences, or None where there was nothing to do.

    Raises:
        ContentionError: the fence stopped holding at that moment; the workflow asks again.
        TransientServiceError: AWS may take it at the next try; the workflow retries a few times.
    """
    run_id, execution_arn = asked_run(ports, request)
    gathered = gather(ports, run_id, execution_arn)
    verdict = ports.table.candidate_verdict(run_id)
    if closed(gathered.sight) is not None or verdict is None:
        return _answer(Finish())
    before = ports.table.finish_of(run_id)
    if before is not None and before.over:
        return _answer(before)
    outcome = conclude(facts_of(ports, run_id), died=None, failure=None).outcome
    plan = verdict.plan if isinstance(verdict.plan, EndpointPlan) and outcome is Status.PROMOTED else None
    refusal = refuse(gathered.sight) or (_taken_over(ports, plan) if plan else None)
    package = verdict.model_package_arn
    if refusal is not None:
        # One that was begun before may have had its effect already.
        left = (
            f"was left as it is: {refusal.reason}"
            if before is None
            else f"may have been changed before: {refusal.reason}"
        )
        finish = Finish(f"The registry {left}" if package else None, f"The monitor's baseline {left}")
    elif not ports.table.begin_finish(run_id, fence_writes(ports, gathered)):
        raise ContentionError(
            "Something changed at the moment of the effect; nothing was changed, the workflow asks again."
        )
    else:
        finish = Finish(
            _judge_package(ports, gathered.run, package, outcome, verdict.result.reason) if package else None,
            _refresh(ports, gathered.run.model, plan) if outcome is Status.PROMOTED else None,
        )
    noted = ports.table.note_finish(run_id, finish)
    return _answer(finish if noted else ports.table.finish_of(run_id) or finish)


def _answer(finish: Finish) -> dict[str, Any]:
    return {"next": Next.RECORD, "registry": finish.registry, "baseline": finish.baseline}


def _judge_package(ports: HandPorts, run: StoredRun, package: str, outcome: Status, reason: str) -> str | None:
    if outcome is not Status.PROMOTED and outcome not in REJECTS:
        return None
    foreign = not_own(ports, package_group(package), run.model)
    if foreign is not None:
        return f"The registry was left as it is: {foreign}"
    wanted = "Approved" if outcome is Status.PROMOTED else "Rejected"
    taken = ports.changes.judge_package(package, wanted, f"Run {run.run_id} ended {outcome}: {reason}")
    return _said(taken, f"{package} is {wanted}.")


def _taken_over(ports: HandPorts, plan: EndpointPlan) -> Refusal | None:
    """Whether somebody else's config serves, or is on its way, where the candidate was promoted."""
    seen = EndpointSight.of(ports.sagemaker.endpoint(plan.endpoint))
    return foreign_deployment(seen, name=plan.endpoint, previous=plan.wanted_config, wanted=plan.wanted_config)


def _refresh(ports: HandPorts, model: str, plan: EndpointPlan | None) -> str:
    schedule = text(plan.monitoring_schedule, 63) if plan else None
    foreign = not_own(ports, Resource(Kind.SCHEDULE, schedule), model) if schedule else None
    if foreign is not None:
        return f"The monitor's baseline was left as it is: {foreign}"
    refresh = plan_baseline_refresh(
        schedule,
        ports.sagemaker.monitoring_schedule(schedule) if schedule else None,
        statistics_uri=plan.baseline_statistics_uri if plan else None,
        constraints_uri=plan.baseline_constraints_uri if plan else None,
    )
    if refresh.request is None:
        return refresh.sentence
    return _said(ports.changes.update_schedule(refresh.request), refresh.sentence)


def _said(taken: Taken, sentence: str) -> str:
    if taken.answer.later:
        raise TransientServiceError(taken.sentence)
    return sentence if taken.answer is Answer.TAKEN else taken.sentence
