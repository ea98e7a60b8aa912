"""Evaluate: judge the candidate and plan its promotion; check again what may have changed while people decided.

Judging reads; the state machine changes. A kill switch thrown while the candidate trained, or while its promotion waited
for approval, stops the run here, before anything serves.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import MODEL_TAG, RUN_TAG, Status
from orchestration.domain.documents import Unreadable
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.evaluation import EvaluationVerdict, evaluate
from orchestration.domain.json_values import mapping
from orchestration.domain.policy import Policy, PromotionKind
from orchestration.domain.promotion import plan_promotion
from orchestration.domain.records import evidence_key, sha256
from orchestration.domain.training_output import read_training_output
from orchestration.steps.policies import load_policy
from orchestration.steps.statuses import record_status

if TYPE_CHECKING:
    from orchestration.domain.documents import Document
    from orchestration.ports import Ports


def evaluate_candidate(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Judge a run's candidate.

    Args:
        request: ``{"run": $run, "training": <the training target's output>}``.
        ports: the outside.

    Returns:
        ``{"passed", "sentence", "gates", "approval_needed", "promotion": {"kind", ...}, "model_package_arn",
        "reject_package", "result": {"outcome", "reason", "baseline"}}``. ``result`` is the run's result if it ends
        here; ``reject_package`` names a registered package that lost, or is None.

    Raises:
        InvalidRequestError: the run is unknown.
    """
    run = mapping(request.get("run"))
    run_id, model = str(run.get("run_id")), str(run.get("model"))
    stored = ports.table.run(run_id)
    loaded = load_policy(ports, model)
    if stored is None or loaded is None:
        raise InvalidRequestError(f"Run {run_id} of {model} is not in the table, or its policy is gone.")
    if stored.outcome is not None:
        raise InvalidRequestError(f"Run {run_id} has its outcome {stored.outcome} and is not taken up again.")
    policy = loaded.policy
    manifest = json.loads(stored.manifest)
    output = read_training_output(request.get("training"), output_uri=str(run["output_uri"]))
    document = ports.bucket.read(output.evaluation_uri) if output.evaluation_uri else None
    champion = ports.sagemaker.champion(policy.promotion.endpoint) if policy.promotion.endpoint else None

    verdict = evaluate(
        document.body if document else None,
        policy.evaluation,
        champion_expected=manifest["champion"] is not None,
        unreadable=_unreadable(document),
    )
    answer = _answer(verdict, policy, run)
    if verdict.passed:
        plan = plan_promotion(
            policy.promotion,
            output,
            champion,
            model=model,
            name=candidate_name(model, run_id),
            tags={MODEL_TAG: model, RUN_TAG: run_id},
        )
        blocked = _blocked(ports, policy, plan, manifest, champion.config_name if champion else None)
        if blocked:
            answer |= {"passed": False, "sentence": blocked[1], "result": {"outcome": blocked[0], "reason": blocked[1]}}
        else:
            answer["promotion"] = plan
    answer["model_package_arn"] = output.model_package_arn
    # Only a loser is rejected in the registry; a candidate that a kill switch stopped may still be the best there is.
    rejected = answer["result"]["outcome"] == "CANDIDATE_REJECTED"
    answer["reject_package"] = output.model_package_arn if rejected else None
    if answer["promotion"]["kind"] in {"registry", "pipeline"}:
        answer["result"]["baseline"] = {
            "status": "LEFT",
            "sentence": f"Promotion kind {answer['promotion']['kind']}: the team's own deployment owns the baseline.",
        }

    ports.bucket.write_once(
        evidence_key(model, run_id, "evaluation"),
        {"run_id": run_id, "verdict": verdict.as_record(), "answer": answer, "evaluation_uri": output.evaluation_uri},
    )
    record_status(
        ports,
        run_id=run_id,
        model=model,
        status=Status.CANDIDATE_EVALUATED,
        severity=run.get("severity"),
        sentence=answer["sentence"],
        facts={gate.name: gate.sentence for gate in verdict.gates[:10]},
    )
    return answer


def check_promotion(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Check after an approval that may have taken days that the promotion still is what was approved.

    Args:
        request: ``{"run": $run, "promotion": <the plan>}``.
        ports: the outside.

    Returns:
        ``{"clear", "result": {"outcome", "reason"}}``; ``result`` is the run's result if it ends here.
    """
    run, plan = mapping(request.get("run")), mapping(request.get("promotion"))
    stop = _paused(ports, str(run["model"]))
    if stop is None and plan.get("kind") == PromotionKind.ENDPOINT:
        endpoint = ports.sagemaker.endpoint(str(plan["endpoint"])) or {}
        stop = _champion_changed(plan.get("previous_config"), endpoint.get("EndpointConfigName"))
    if stop is None:
        return {"clear": True, "result": {"outcome": "PROMOTED", "reason": "Nothing changed since the evaluation."}}
    return {"clear": False, "result": {"outcome": stop[0], "reason": stop[1]}}


def candidate_name(model: str, run_id: str) -> str:
    """Name of the SageMaker model and endpoint config of a run: legal, at most 63 characters, the same on a retry."""
    return f"{model[:40].rstrip('-')}-{sha256(run_id)[:16]}"


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


def _answer(verdict: EvaluationVerdict, policy: Policy, run: dict[str, Any]) -> dict[str, Any]:
    if not verdict.passed:
        outcome = "CANDIDATE_REJECTED"
    elif policy.promotion.kind is PromotionKind.NONE:
        outcome = "TRAINED"
    else:
        outcome = "PROMOTED"
    return {
        "passed": verdict.passed,
        "sentence": verdict.sentence,
        "gates": verdict.as_record()["gates"],
        "approval_needed": _approval_needed(policy, run),
        "promotion": {"kind": "none"},
        "result": {"outcome": outcome, "reason": verdict.sentence},
    }


def _approval_needed(policy: Policy, run: dict[str, Any]) -> bool:
    if policy.promotion.kind is PromotionKind.NONE:
        return False
    wish = policy.approval.promotion
    return wish == "always" or (wish == "by-severity" and run.get("severity") != "info")


def _blocked(
    ports: Ports, policy: Policy, plan: dict[str, Any] | str, manifest: dict[str, Any], live_config: str | None
) -> tuple[str, str] | None:
    """Why a candidate that passed its gates must not be promoted now: outcome and sentence, or None."""
    stop = _paused(ports, policy.model)
    if stop is not None:
        return stop
    if isinstance(plan, str):
        return "CANDIDATE_REJECTED", plan
    if plan["kind"] != "endpoint":
        return None
    planned = mapping(manifest.get("champion")).get("endpoint_config")
    return _champion_changed(planned, live_config) or _illegal(ports, plan)


def _paused(ports: Ports, model: str) -> tuple[str, str] | None:
    switch = next((item for item in ports.table.kill_switches() if item.scope in {"global", f"model:{model}"}), None)
    if switch is None:
        return None
    return "STOPPED", f"Paused ({switch.scope}) by {switch.by}: {switch.reason} The candidate was not promoted."


def _champion_changed(planned: Any, live: Any) -> tuple[str, str] | None:
    if planned == live:
        return None
    return "CANDIDATE_REJECTED", (
        f"The champion changed while the candidate was on its way: the endpoint served {planned} and serves {live} "
        "now, so the comparison no longer holds. Retrain against the new champion."
    )


def _illegal(ports: Ports, plan: dict[str, Any]) -> tuple[str, str] | None:
    """A plan SageMaker would refuse, found before it creates anything; the policy's, not the candidate's, fault."""
    requests = {
        "CreateModel": plan["create_model"],
        "CreateEndpointConfig": plan["create_endpoint_config"],
        "UpdateEndpoint": plan["update_endpoint"],
    }
    faults = [fault for name, request in requests.items() if (fault := ports.sagemaker.request_faults(name, request))]
    missing = [alarm.name for alarm in ports.alarms.watch(plan["alarms"], since=ports.now()) if not alarm.exists]
    if missing:
        faults.append(f"promotion.alarms names alarms that do not exist: {', '.join(missing)}")
    if not faults:
        return None
    return "FAILED", f"The promotion cannot be carried out. {' '.join(faults)[:1500]}. Correct the policy and retrain."
