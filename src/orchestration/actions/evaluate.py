"""Evaluate: judge the candidate once, by the policy the run was decided under, and plan its promotion.

Judging reads; the hand changes. The verdict is stored if there is none, with the versions of artifact and report it was
made on: what is approved and what serves later has to be the same. What an endpoint is to serve is copied first to where
nobody can write it again.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.artifact import served_from
from orchestration.domain.boundary import Boundary
from orchestration.domain.chain import chained
from orchestration.domain.contracts import MODEL_TAG, RUN_TAG, Next, Status, WaitKind
from orchestration.domain.documents import Unreadable
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.evaluation import EvaluationVerdict, Standing, evaluate
from orchestration.domain.fence import closed, policy_changed
from orchestration.domain.intention import training_subject
from orchestration.domain.json_values import mapping
from orchestration.domain.ownership import package_group, reach_finding
from orchestration.domain.policy import PromotionKind
from orchestration.domain.promotion import EndpointPlan, package_version, plan_promotion
from orchestration.domain.records import idempotency_token, sha256
from orchestration.domain.service_shapes import part_findings
from orchestration.domain.serving import containers_of
from orchestration.domain.stored_run import StatusRow
from orchestration.domain.training_output import TrainingOutput
from orchestration.domain.training_target import deployment_name
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result
from orchestration.steps.artifacts import keep_copies, planned_copies, served_artifacts
from orchestration.steps.due_work import attempt
from orchestration.steps.evidence import verdict_record
from orchestration.steps.looking import wake
from orchestration.steps.ownership import output_foreign
from orchestration.steps.rivals import against_rivals
from orchestration.steps.sight import Gathered, asked_run, gather
from orchestration.steps.telling import record_status, status_writes, tell
from orchestration.steps.training_slots import give_back_slot

if TYPE_CHECKING:
    from orchestration.domain.documents import Document
    from orchestration.domain.policy import Policy
    from orchestration.domain.serving import Champion
    from orchestration.domain.stored_run import StoredRun
    from orchestration.ports import Ports


SEEN_LATE: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between the looks for a package that was just registered and is not found yet: 15 s, of the 60 s a function has."""


def evaluate_candidate(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Judge a run's candidate, and give its slot back: its training is over.

    Args:
        request: ``{"execution": {"id", "name"}}``.
        ports: the outside.

    Returns:
        ``{"next", "reason"}``.

    Raises:
        InvalidRequestError: there is no such run, or its training is not over.
        ContentionError: the verdict met another write; the workflow tries again.
        NotAcceptedYetError: the copy of what was trained is not whole yet; the workflow asks again.
    """
    run_id, execution_arn = asked_run(ports, request)
    gathered = gather(ports, run_id, execution_arn)
    over = closed(gathered.sight)
    if over is not None:
        return {"next": Next.RECORD, "reason": over.reason}
    training = ports.table.wait(run_id, WaitKind.TRAINING)
    if training is None or training.result is None:
        raise InvalidRequestError(f"The training of run {run_id} is not over, so there is nothing to evaluate.")
    if training.result.outcome is not None:
        # Its start may have been taken although nobody heard so: the end of the run stops it and frees its slot.
        return {"next": Next.RECORD, "reason": training.result.reason}
    _training_over(ports, gathered)
    verdict = ports.table.candidate_verdict(run_id)
    if verdict is None:
        verdict = _judge(ports, gathered, training.result.output or TrainingOutput())
        row = StatusRow(
            Status.CANDIDATE_EVALUATED,
            ports.now().isoformat(),
            verdict.result.reason,
            gathered.run.severity,
            {
                gate["name"]: gate["sentence"].removeprefix(f"{gate['name']}: ")
                for gate in verdict.evaluation["gates"][:10]
            },
        )
        against_rivals(
            ports,
            functools.partial(_store_once, ports, gathered.run, verdict, row),
            f"The records of {gathered.run.model}",
        )
        # Somebody may have judged at the same moment; the first verdict stands.
        verdict = ports.table.candidate_verdict(run_id) or verdict
    return {"next": verdict.result.next, "reason": verdict.result.reason}


def _store_once(ports: Ports, run: StoredRun, verdict: CandidateVerdict, row: StatusRow) -> bool:
    current = ports.table.run(run.run_id)
    if current is None or current.outcome is not None:
        # Closed while it was judged: its outcome is the last of its records.
        return False
    head = ports.table.chain_head(run.model)
    links = chained(head, verdict_record(run, verdict))
    writes, told = status_writes(ports, run.run_id, run.model, row, links)
    stored = ports.table.store_candidate_verdict(
        run.run_id,
        verdict,
        [
            *writes,
            *ports.table.chain_writes(head, links),
            ports.table.open_check(run.run_id, run.execution_arn),
            *ports.table.made_writes(run.run_id, run.model, verdict),
        ],
    )
    if stored:
        attempt(ports, told, tell)
    return stored


def _training_over(ports: Ports, gathered: Gathered) -> None:
    run = gathered.run
    ports.table.end_intention(training_subject(run.run_id), run.run_id)
    wake(ports, give_back_slot(ports, run.run_id))
    record_status(
        ports,
        run_id=run.run_id,
        model=run.model,
        status=Status.TRAINING_FINISHED,
        severity=run.severity,
        sentence="Training finished; its slot is free again.",
    )


def _judge(ports: Ports, gathered: Gathered, output: TrainingOutput) -> CandidateVerdict:
    run, policy, manifest = gathered.run, gathered.policy, gathered.manifest
    document = ports.bucket.read(output.evaluation_uri) if output.evaluation_uri else None
    champion = ports.sagemaker.champion(policy.promotion.endpoint) if policy.promotion.endpoint else None
    found = evaluate(
        document.body if document else None,
        policy.evaluation,
        standing(ports, policy, serves=manifest["champion"] is not None),
        unreadable=_unreadable(document),
    )
    refused = Next.FINISH if output.model_package_arn else Next.RECORD
    verdict = CandidateVerdict(
        Result(refused, found.sentence, Status.CANDIDATE_REJECTED),
        evaluation=found.as_record(),
        evaluation_uri=output.evaluation_uri,
        model_package_arn=output.model_package_arn,
    )
    package = _package(ports, output)
    foreign = _foreign(ports, gathered, output, package)
    if foreign is not None:
        # Whatever it measured: a package that is somebody else's is not even rejected.
        return replace(verdict, result=Result(Next.RECORD, foreign, Status.CANDIDATE_REJECTED), model_package_arn=None)
    if not found.passed:
        return verdict
    versions = _versions(ports, output, package, document)
    if isinstance(versions, str):
        return replace(verdict, result=replace(verdict.result, reason=versions))
    copies = planned_copies(ports, run, served_artifacts(output, package), versions)
    plan = plan_promotion(
        policy.promotion,
        output,
        ports.sagemaker.tagged(champion) if champion else None,
        model=run.model,
        name=_name(policy.promotion.kind, run.model, run.run_id),
        tags={MODEL_TAG: run.model, RUN_TAG: run.run_id},
        package=package,
        copies={copy.source: copy.uri for copy in copies},
    )
    if isinstance(plan, str):
        return replace(verdict, result=replace(verdict.result, reason=plan), versions=versions)
    verdict = replace(verdict, versions=versions, plan=plan)
    if plan is None:
        return replace(verdict, result=Result(Next.RECORD, found.sentence, Status.TRAINED))
    if isinstance(plan, EndpointPlan):
        blocked = _champion_changed(manifest, champion) or _illegal(ports, plan)
        if blocked is not None:
            return replace(verdict, result=blocked)
        kept = keep_copies(ports, copies)
        if isinstance(kept, str):
            return replace(verdict, result=replace(verdict.result, reason=kept), plan=None)
        verdict = replace(verdict, versions=served_from(versions, copies, kept), copies=copies)
    return replace(verdict, result=_asks_or_promotes(gathered, found))


def standing(ports: Ports, policy: Policy, *, serves: bool) -> Standing:
    """What a candidate is held against where its report names no champion; ``serves``: whether one did at the decision."""
    model = policy.model
    if policy.evaluation.champion != "last_promoted":
        return Standing(serves, "A champion serves" if serves else "No champion serves")
    last = next(ports.table.promoted_runs(model), None)
    verdict = ports.table.candidate_verdict(last) if last else None
    if verdict is None:
        return Standing(True, f"No run of {model} was promoted yet")
    return Standing(True, "", last, mapping(verdict.evaluation.get("candidate_metrics")))


def _asks_or_promotes(gathered: Gathered, found: EvaluationVerdict) -> Result:
    if gathered.policy.approval.asks_to_promote(gathered.run.severity):
        return Result(Next.ASK, found.sentence)
    if policy_changed(gathered.sight):
        reason = f"The policy changed since the decision, so people decide by what is in force now. {found.sentence}"
        return Result(Next.ASK, reason)
    return Result(Next.PROMOTE, found.sentence)


def _name(kind: PromotionKind, model: str, run_id: str) -> str:
    """Name of the SageMaker model and endpoint config of a run, or of its deployment: legal, the same on a retry."""
    if kind is PromotionKind.PIPELINE:
        return deployment_name(idempotency_token(run_id))
    return f"{model[:40].rstrip('-')}-{sha256(run_id)[:16]}"


def _package(ports: Ports, output: TrainingOutput) -> dict[str, Any] | None:
    """The model package a training names, which it may have registered a moment ago; none of another account or Region."""
    arn = output.model_package_arn
    if arn is None or reach_finding(package_group(arn), Boundary.of(ports.settings)):
        return None
    for seconds in SEEN_LATE:
        package = ports.sagemaker.model_package(arn)
        if package is not None:
            return package
        ports.pause(seconds)
    return ports.sagemaker.model_package(arn)


def _foreign(ports: Ports, gathered: Gathered, output: TrainingOutput, package: dict[str, Any] | None) -> str | None:
    """Why what was trained may not be used: it names what is another model's, or comes from where nothing is taken."""
    serves = gathered.policy.promotion.kind is not PromotionKind.NONE
    champion = gathered.manifest.get("champion")
    found = output_foreign(ports, gathered.run.model, output, package, champion, serves=serves)
    return f"The candidate is not used. {' '.join(found)}" if found else None


def _versions(
    ports: Ports, output: TrainingOutput, package: dict[str, Any] | None, document: Document | None
) -> dict[str, str] | str:
    """What was judged, by its version: report and artifacts; or a sentence when an artifact cannot be looked at."""
    uris = served_artifacts(output, package)
    versions: dict[str, str] = {}
    if output.model_package_arn:
        if package is None:
            return f"Model package {output.model_package_arn} does not exist, so there is nothing to promote."
        versions[output.model_package_arn] = package_version(package)
    if document is not None and document.body is not None:
        uris.append(document.uri)
    for uri in uris:
        version = ports.bucket.version(uri)
        if version is None:
            return (
                f"{uri} does not exist, or the loop may not list its bucket; what cannot be looked at cannot be shown to "
                "be what was judged. Write it where the stack's functions may list, as one object: a folder has no version."
            )
        versions[uri] = version
    return versions


def _unreadable(document: Document | None) -> str | None:
    """Why there is no report, or None when the training simply wrote none."""
    if document is None or document.unreadable in {None, Unreadable.MISSING}:
        return None
    if document.unreadable is Unreadable.TOO_LARGE:
        return f"its report {document.uri} is larger than a report can be"
    return (
        f"its report {document.uri} may not be read; write it under output_uri, or call it evaluation.json and let the "
        "OrchestrationFunction's role read it"
    )


def _champion_changed(manifest: dict[str, Any], champion: Champion | None) -> Result | None:
    planned = mapping(manifest.get("champion")).get("endpoint_config")
    live = champion.config_name if champion else None
    if planned == live:
        return None
    reason = (
        f"The champion changed while the candidate was on its way: the endpoint served {planned} and serves {live} "
        "now, so the comparison no longer holds. Retrain against the new champion."
    )
    return Result(Next.RECORD, reason, Status.SUPERSEDED)


def _illegal(ports: Ports, plan: EndpointPlan) -> Result | None:
    """A plan SageMaker would refuse, found before it creates anything; not the candidate's fault."""
    requests = {
        "CreateModel": mapping(plan.create_model),
        "CreateEndpointConfig": mapping(plan.create_endpoint_config),
        "UpdateEndpoint": plan.update_endpoint,
    }
    faults = [fault for name, request in requests.items() if (fault := ports.sagemaker.request_faults(name, request))]
    for container in containers_of(mapping(plan.create_model)):
        # The training's, of any names and texts; the client holds no request against limits and patterns.
        environment = container.get("Environment", {})
        found = part_findings("CreateModel.PrimaryContainer.Environment", environment, "environment")
        faults += [f"The training's output: {path} {rule}" for path, rule in found]
    missing = [alarm.name for alarm in ports.alarms.watch(plan.alarms, since=ports.now()) if not alarm.exists]
    if missing:
        faults.append(f"promotion.alarms names alarms that do not exist: {', '.join(missing)}")
    if not faults:
        return None
    told = " ".join(faults)[:1500]
    reason = (
        f"The promotion cannot be carried out. {told}. Correct the policy, or what the training gives, and retrain."
    )
    return Result(Next.RECORD, reason, Status.FAILED)
