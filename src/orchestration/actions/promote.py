"""Promote: let an accepted candidate serve, the way its policy says, and park the workflow until that is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.capacity import remedy
from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.errors import InvalidRequestError, NotAcceptedYetError
from orchestration.domain.fence import (
    EndpointSight,
    Refusal,
    changed_versions,
    closed,
    foreign_deployment,
    policy_changed,
    refuse,
)
from orchestration.domain.intention import Intention, IntentionState, endpoint_subject, settles_at
from orchestration.domain.json_values import mapping, text
from orchestration.domain.ownership import Kind, Resource, package_group
from orchestration.domain.promotion import DeploymentPlan, EndpointPlan, RegistryPlan, package_version
from orchestration.domain.records import manifest_key
from orchestration.domain.serving import differing, make_up, make_up_version
from orchestration.domain.wait import Result, Wait, overdue
from orchestration.steps.answering import answer, resolve, take_up
from orchestration.steps.hand import commit, not_yet, noted, put_wait, refused
from orchestration.steps.looking import approved_package, look_after
from orchestration.steps.ownership import not_own, request_foreign
from orchestration.steps.sight import Gathered, asked_run, asked_token, gather
from orchestration.steps.telling import record_status
from orchestration.stores.service_answers import Answer, Taken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.domain.artifact import ArtifactCopy
    from orchestration.domain.promotion import PromotionPlan
    from orchestration.domain.verdict import CandidateVerdict
    from orchestration.ports import HandPorts

DEADLINE: Final = timedelta(days=7)
"""The workflow's backstop for a promotion."""

PATIENCE_HOURS: Final = 12.0
"""How long an endpoint may be busy, a quota used up, or what was just made not found, before the promotion is given up."""


FAILED: Final = {"outcome": str(Status.FAILED)}
NO_CAPACITY: Final = {"outcome": str(Status.NO_CAPACITY)}
"""What a wait notes of the run's outcome should it be given up now."""


def promote(request: dict[str, Any], ports: HandPorts) -> dict[str, Any]:
    """Promote a run's candidate.

    Args:
        request: ``{"execution": {"id", "name"}, "token"}``; the plan comes from the stored verdict.
        ports: the outside.

    Returns:
        ``{"started": bool}``; the workflow waits for the token, not for this.

    Raises:
        NotAcceptedYetError: AWS does not take it yet; the workflow asks again.
        InvalidRequestError: the run has no candidate that may be promoted.
    """
    run_id, execution_arn = asked_run(ports, request)
    token = asked_token(request)
    gathered = gather(ports, run_id, execution_arn)
    if closed(gathered.sight) is not None:
        answer(ports, token, Next.RECORD)
        return {"started": False}
    verdict = ports.table.candidate_verdict(run_id)
    if verdict is None or verdict.plan is None or verdict.result.outcome is not None:
        raise InvalidRequestError(f"Run {run_id} has no candidate that passed its gates.")
    wait = ports.table.wait(run_id, WaitKind.PROMOTION)
    if wait is not None:
        wait = take_up(ports, wait, token)
        if wait is None:
            return {"started": False}
        if wait.data.get("accepted"):
            look_after(ports, wait)
            return {"started": True}
    plan = verdict.plan
    if wait is not None and _begun(ports, gathered, plan):
        # An earlier try was taken although its answer was lost. Whatever stops a run now comes after its effect.
        if isinstance(plan, EndpointPlan) and not _is_own(ports, wait, plan):
            return {"started": False}
        return {"started": _follow(ports, gathered, plan, wait)}
    refusal = _refusal(ports, gathered, verdict) or _given_up(ports, wait)
    if refusal is not None and wait is not None and ports.now() < datetime.fromisoformat(wait.data["settles_at"]):
        raise NotAcceptedYetError(f"{refusal.reason} What an earlier try asked for may still show.")
    if refusal is not None and refusal.go is Next.ASK:
        # Nothing is decided yet: people are asked, and the workflow comes back.
        answer(ports, token, Next.ASK)
        return {"started": False}
    if refusal is not None:
        refused(ports, gathered, WaitKind.PROMOTION, token, refusal, go=Next.RECORD)
        return {"started": False}
    if isinstance(plan, RegistryPlan):
        return {"started": _approve_package(ports, gathered, plan, wait, token)}
    if isinstance(plan, DeploymentPlan):
        return {"started": _deploy(ports, gathered, plan, wait, token)}
    return {"started": _update_endpoint(ports, gathered, plan, wait, token)}


# The fence.


def _refusal(ports: HandPorts, gathered: Gathered, verdict: CandidateVerdict) -> Refusal | None:
    refusal = refuse(gathered.sight) or _not_agreed(ports, gathered, verdict)
    if refusal is not None:
        return refusal
    plan, versions = verdict.plan, verdict.versions
    refusal = changed_versions(versions, {name: _version(ports, name) for name in versions})
    refusal = refusal or (_not_own(ports, gathered, plan, verdict.copies) if plan else None)
    if refusal is not None or not isinstance(plan, EndpointPlan):
        return refusal
    return _foreign(ports, plan) or _rival(ports, gathered, plan.endpoint)


def _version(ports: HandPorts, name: str) -> str | None:
    """Version of something that was judged as it is now: package and endpoint config by ARN, the rest by address in S3."""
    if not name.startswith("arn:"):
        return ports.bucket.version(name)
    if ":endpoint-config/" in name:
        config, models = ports.sagemaker.config_and_models(name.rpartition("/")[2])
        return make_up_version(config, models) if config else None
    package = ports.sagemaker.model_package(name)
    return None if package is None else package_version(package)


def _not_own(
    ports: HandPorts, gathered: Gathered, plan: PromotionPlan, copies: Sequence[ArtifactCopy]
) -> Refusal | None:
    """Whether what the promotion changes, or what it lets serve, is not the model's since it was judged."""
    model, champion = gathered.run.model, gathered.manifest.get("champion")
    if isinstance(plan, RegistryPlan):
        found = [not_own(ports, package_group(plan.model_package_arn), model)]
    elif isinstance(plan, DeploymentPlan):
        found = [not_own(ports, Resource(Kind.STATE_MACHINE, plan.target), model)]
    else:
        found = [not_own(ports, Resource(Kind.ENDPOINT, plan.endpoint), model)]
        if plan.create_model is not None:
            found += request_foreign(ports, model, plan.create_model, champion, copies)
        if plan.model_package_arn:
            found.append(not_own(ports, package_group(plan.model_package_arn), model))
    sentences = [sentence for sentence in found if sentence]
    return Refusal(Status.STOPPED, f"{' '.join(sentences)} Nothing was promoted.") if sentences else None


def _foreign(ports: HandPorts, plan: EndpointPlan) -> Refusal | None:
    """Whether somebody else deployed, or is deploying, where the candidate is to serve."""
    seen = EndpointSight.of(ports.sagemaker.endpoint(plan.endpoint))
    return foreign_deployment(seen, name=plan.endpoint, previous=plan.previous_config, wanted=plan.wanted_config)


def _rival(ports: HandPorts, gathered: Gathered, endpoint: str) -> Refusal | None:
    """Whether another run changes the endpoint, or left it in a way nobody has settled."""
    other = ports.table.intention(endpoint_subject(endpoint))
    if other is None or other.run_id == gathered.run.run_id:
        return None
    if other.state == IntentionState.ABANDONED and ports.table.model(other.model).frozen_reason is None:
        # Somebody unfroze that model, and so took the endpoint as settled.
        return None
    return Refusal(
        Status.SUPERSEDED,
        f"Run {other.run_id} of {other.model} is changing endpoint {endpoint}, or left it unsettled; one at a time. Look at "
        f"it; if {other.model} is frozen for it, unfreeze that.",
    )


def _not_agreed(ports: HandPorts, gathered: Gathered, verdict: CandidateVerdict) -> Refusal | None:
    """Whether people have to be asked, were asked, and said yes to what is in force now."""
    if isinstance(verdict.plan, EndpointPlan) and verdict.plan.goes_back:
        # A person asked for it, whose name is proven and stands in the signal.
        return None
    approval = ports.table.wait(gathered.run.run_id, WaitKind.APPROVAL, "promotion")
    if approval is None:
        if verdict.result.next is Next.ASK or policy_changed(gathered.sight):
            return Refusal(None, "People have not been asked.", Next.ASK)
        return None
    ruling = approval.result.ruling if approval.result is not None else None
    if ruling is None or not ruling.approved:
        return Refusal(Status.STOPPED, "Nobody approved the promotion, so nothing was changed.")
    if approval.data.get("policy_sha256") != gathered.sight.policy_sha256:
        return Refusal(
            Status.STOPPED,
            "The policy changed after people had approved, so their yes is not one to what is in force now. Nothing was "
            f"changed; retrain {gathered.run.model} to have it decided by the new policy.",
        )
    return None


# The three ways to serve.


def _begun(ports: HandPorts, gathered: Gathered, plan: PromotionPlan) -> bool:
    """True when what a promotion asks for is to be seen already."""
    if isinstance(plan, RegistryPlan):
        package = mapping(ports.sagemaker.model_package(plan.model_package_arn))
        return package.get("ModelApprovalStatus") == "Approved"
    if isinstance(plan, DeploymentPlan):
        # One of another input is somebody else's; asked to begin it, Step Functions says so.
        return ports.executions.began(plan.execution_arn, _deployment_input(ports, gathered, plan))
    seen = EndpointSight.of(ports.sagemaker.endpoint(plan.endpoint))
    return plan.wanted_config in {seen.live, seen.pending}


def _follow(ports: HandPorts, gathered: Gathered, plan: PromotionPlan, wait: Wait) -> bool:
    """Note that a promotion was taken, tell of it, and look at what came of it so far."""
    if isinstance(plan, RegistryPlan):
        resolve(ports, wait, approved_package(plan))
        return True
    sentence = (
        f"Deployment {plan.execution_name} started at {plan.target}."
        if isinstance(plan, DeploymentPlan)
        else f"Endpoint {plan.endpoint} is moving {'back ' if plan.goes_back else ''}to config {plan.wanted_config}."
    )
    # Before the note that ends the asking, so that a retry makes up for it.
    record_status(
        ports,
        run_id=gathered.run.run_id,
        model=gathered.run.model,
        status=Status.PROMOTION_STARTED,
        severity=gathered.run.severity,
        sentence=sentence,
    )
    noted(ports, wait)
    return True


def _approve_package(ports: HandPorts, gathered: Gathered, plan: RegistryPlan, wait: Wait | None, token: str) -> bool:
    """The registry's approval is the promotion; what deploys from the registry is the team's."""
    wait = _parked(ports, gathered, wait, token, [])
    sentence = f"Run {gathered.run.run_id} passed its gates."
    taken = ports.changes.judge_package(plan.model_package_arn, "Approved", sentence)
    return _accepted(ports, wait, taken) and _follow(ports, gathered, plan, wait)


def _deploy(ports: HandPorts, gathered: Gathered, plan: DeploymentPlan, wait: Wait | None, token: str) -> bool:
    """The team's own deployment; its end comes by event."""
    wait = _parked(ports, gathered, wait, token, [f"job:{plan.execution_name}"])
    linked = _deployment_input(ports, gathered, plan)
    taken = ports.executions.begin(plan.target, plan.execution_name, linked)
    return _accepted(ports, wait, taken) and _follow(ports, gathered, plan, wait)


def _deployment_input(ports: HandPorts, gathered: Gathered, plan: DeploymentPlan) -> dict[str, Any]:
    run = gathered.run
    return {
        **plan.input,
        "run_id": run.run_id,
        "manifest_uri": ports.bucket.uri(manifest_key(run.model, run.run_id)),
        "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": run.execution_arn,
    }


def _update_endpoint(ports: HandPorts, gathered: Gathered, plan: EndpointPlan, wait: Wait | None, token: str) -> bool:
    """Intention and wait, model and config, then the update: whatever stops in between is found by the intention.

    Each is asked for again until it finds what the one before it made.
    """
    name, wanted = plan.endpoint, plan.wanted_config
    now = ports.now()
    intention = Intention(
        subject=endpoint_subject(name),
        run_id=gathered.run.run_id,
        model=gathered.run.model,
        execution_arn=gathered.run.execution_arn,
        opened_at=now.isoformat(),
        settles_at=settles_at(now).isoformat(),
        sequence=ports.table.chain_head(gathered.run.model).sequence,
        wanted=wanted,
        previous=plan.previous_config,
    )
    # What came before this try is the champion's.
    place = {"sequence": intention.sequence, "since": intention.opened_at}
    if wait is None:
        data = {**_followed(now, [f"endpoint:{name}"]), **place, "why": f"candidate's config {wanted}"}
        new = put_wait(ports, gathered, WaitKind.PROMOTION, token, data, now + DEADLINE)
    else:
        wait = new = replace(wait, data={**wait.data, **place})
    wait = commit(ports, gathered, intention, wait, new)
    if not _made(ports, wait, plan):
        return False
    # Look once more: a try before this one may have been taken although its answer was lost, and somebody else may have
    # deployed while model and config were made.
    seen = EndpointSight.of(ports.sagemaker.endpoint(name))
    foreign = foreign_deployment(seen, name=name, previous=plan.previous_config, wanted=wanted)
    if foreign is not None:
        resolve(ports, wait, Result(Next.RECORD, foreign.reason, foreign.outcome))
        return False
    if wanted not in {seen.live, seen.pending}:
        if seen.status != "InService":
            raise not_yet(ports, wait, f"Endpoint {name} is {seen.status}; it takes no update now.", **FAILED)
        taken = ports.changes.update_endpoint(plan.update_endpoint)
        if taken.answer is not Answer.TAKEN:
            seen = EndpointSight.of(ports.sagemaker.endpoint(name))
            if wanted not in {seen.live, seen.pending}:
                if seen.status != "InService":
                    raise not_yet(ports, wait, taken.sentence, **FAILED)
                return _accepted(ports, wait, taken)
    return _follow(ports, gathered, plan, wait)


def _made(ports: HandPorts, wait: Wait, plan: EndpointPlan) -> bool:
    """Make a plan's model and config. False when that never will be; then the run's outcome says so.

    Raises:
        NotAcceptedYetError: they may be made later.
    """
    if plan.goes_back:
        return True
    model = ports.changes.create_model(mapping(plan.create_model))
    if not _accepted(ports, wait, model):
        return False
    config = ports.changes.create_endpoint_config(mapping(plan.create_endpoint_config))
    if not _accepted(ports, wait, config):
        return False
    return Answer.EXISTS not in {model.answer, config.answer} or _is_own(ports, wait, plan)


def _is_own(ports: HandPorts, wait: Wait, plan: EndpointPlan) -> bool:
    """True when what stands under the run's name is what it asked for. False when it is not; then the run's outcome says so.

    Raises:
        NotAcceptedYetError: it is not to be seen yet.
    """
    found = _as_asked(ports, plan)
    seen = EndpointSight.of(ports.sagemaker.endpoint(plan.endpoint)) if found.answer is Answer.FOREIGN else None
    if seen is None or plan.wanted_config not in {seen.live, seen.pending}:
        return _accepted(ports, wait, found)
    # It serves, or is about to: nobody judged it, so the champion comes back.
    resolve(ports, wait, Result(Next.ROLL_BACK, found.sentence, Status.ROLLED_BACK))
    return False


def _as_asked(ports: HandPorts, plan: EndpointPlan) -> Taken:
    """Whether what stands under the run's name is what the plan asks for; LATE while nothing is to be seen there.

    Names are known from the verdict on, so that somebody else may have made a model or a config under one of them.
    """
    name = plan.wanted_config
    if plan.goes_back:
        return Taken(Answer.TAKEN)
    config, model = ports.sagemaker.config(name), ports.sagemaker.model(name)
    if config is None or model is None:
        return Taken(Answer.LATE, f"Config and model {name}, which an earlier try made, are not to be seen yet.")
    asked = make_up(mapping(plan.create_endpoint_config), {name: mapping(plan.create_model)})
    differ = differing(asked, make_up(config, {name: model}))
    if not differ:
        return Taken(Answer.TAKEN)
    return Taken(
        Answer.FOREIGN,
        f"What stands under the name {name} is not what was judged ({text(', '.join(differ), 500)}): somebody else made it. "
        "Find out who may create models and configs here, then retrain.",
    )


def _followed(now: datetime, names: list[str]) -> dict[str, Any]:
    """What a new promotion wait keeps of what it waits for; the plan stands in the verdict."""
    return {"settles_at": settles_at(now).isoformat(), "accepted": False, "names": names}


def _parked(ports: HandPorts, gathered: Gathered, wait: Wait | None, token: str, names: list[str]) -> Wait:
    """The wait of a promotion that changes no endpoint, committed under the fence."""
    now = ports.now()
    new = wait or put_wait(ports, gathered, WaitKind.PROMOTION, token, _followed(now, names), now + DEADLINE)
    return commit(ports, gathered, None, wait, new)


def _accepted(ports: HandPorts, wait: Wait, taken: Taken) -> bool:
    """True when AWS took a request. False when it never will; then the run's outcome says so.

    Raises:
        NotAcceptedYetError: it may take it later.
    """
    if taken.answer is Answer.QUOTA:
        raise not_yet(ports, wait, f"{taken.sentence} {remedy(taken.sentence)}", **NO_CAPACITY)
    if taken.answer.later:
        raise not_yet(ports, wait, taken.sentence, **FAILED)
    if taken.answer in {Answer.REFUSED, Answer.FOREIGN}:
        resolve(ports, wait, Result(Next.RECORD, taken.sentence, Status.FAILED))
        return False
    return True


def _given_up(ports: HandPorts, wait: Wait | None) -> Refusal | None:
    """Why nothing more is asked for: AWS did not take it for as long as the loop has patience."""
    now = ports.now()
    if wait is None or not overdue(wait, PATIENCE_HOURS, now):
        return None
    approval = ports.table.wait(wait.run_id, WaitKind.APPROVAL, "promotion")
    ruling = approval.result.ruling if approval and approval.result else None
    if ruling is not None and now - datetime.fromisoformat(ruling.decided_at) < timedelta(hours=PATIENCE_HOURS):
        # People were asked in between; AWS was not.
        return None
    said = wait.data.get("said", "The loop could not ask.")
    return Refusal(Status(wait.data.get("outcome", Status.FAILED)), f"Given up after {PATIENCE_HOURS:g} h. {said}")
