"""Finish: let registry and monitor follow what became of the candidate. A registry that refuses changes no outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.baseline import plan_baseline_refresh
from orchestration.domain.conclusion import conclude
from orchestration.domain.contracts import Next, Status
from orchestration.domain.errors import TransientServiceError
from orchestration.domain.fence import EndpointSight, closed, foreign_deployment, refuse
from orchestration.domain.json_values import mapping, text
from orchestration.domain.policy import PromotionKind
from orchestration.steps.facts import facts_of
from orchestration.steps.sight import asked_run, gather
from orchestration.stores.service_answers import Answer, Taken

if TYPE_CHECKING:
    from orchestration.domain.fence import Refusal
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
        TransientServiceError: AWS may take it at the next try; the workflow retries a few times.
    """
    run_id, execution_arn = asked_run(request)
    gathered = gather(ports, run_id, execution_arn)
    done: dict[str, Any] = {"registry": None, "baseline": None}
    verdict = ports.table.verdict(run_id, "evaluation")
    if closed(gathered.sight) is not None or verdict is None:
        return {"next": Next.RECORD, **done}
    before = ports.table.verdict(run_id, "finish")
    if before is not None:
        return {"next": Next.RECORD, **before}
    outcome = conclude(facts_of(ports, run_id), died=None, failure=None).outcome
    refusal = refuse(gathered.sight) or (
        _taken_over(ports, mapping(verdict["plan"])) if outcome is Status.PROMOTED else None
    )
    if refusal is not None:
        done["registry"] = f"The registry was left as it is: {refusal.reason}" if verdict["model_package_arn"] else None
        done["baseline"] = f"The monitor's baseline was left as it is: {refusal.reason}"
    else:
        package = verdict["model_package_arn"]
        if package and (outcome is Status.PROMOTED or outcome in REJECTS):
            wanted = "Approved" if outcome is Status.PROMOTED else "Rejected"
            sentence = f"Run {run_id} ended {outcome}: {verdict['reason']}"
            done["registry"] = _said(ports.changes.judge_package(package, wanted, sentence), f"{package} is {wanted}.")
        if outcome is Status.PROMOTED:
            done["baseline"] = _refresh(ports, mapping(verdict["plan"]))
    ports.table.store_verdict(run_id, "finish", done, [])
    return {"next": Next.RECORD, **(ports.table.verdict(run_id, "finish") or done)}


def _taken_over(ports: HandPorts, plan: dict[str, Any]) -> Refusal | None:
    """Whether somebody else's config serves, or is on its way, where the candidate was promoted."""
    if plan.get("kind") != PromotionKind.ENDPOINT:
        return None
    name, wanted = str(plan["endpoint"]), str(plan["wanted_config"])
    return foreign_deployment(
        EndpointSight.of(ports.sagemaker.endpoint(name)), name=name, previous=wanted, wanted=wanted
    )


def _refresh(ports: HandPorts, plan: dict[str, Any]) -> str:
    schedule = text(plan.get("monitoring_schedule"), 63)
    refresh = plan_baseline_refresh(
        schedule,
        ports.sagemaker.monitoring_schedule(schedule) if schedule else None,
        statistics_uri=plan.get("baseline_statistics_uri"),
        constraints_uri=plan.get("baseline_constraints_uri"),
    )
    if refresh.request is None:
        return refresh.sentence
    return _said(ports.changes.update_schedule(refresh.request), refresh.sentence)


def _said(taken: Taken, sentence: str) -> str:
    if taken.answer is Answer.NOT_YET:
        raise TransientServiceError(taken.sentence)
    return sentence if taken.answer is Answer.TAKEN else taken.sentence
