"""Evaluate: judge the candidate and plan its promotion; later, judge the promotion after its bake.

Judging reads; the state machine changes. A kill switch thrown while the candidate trained stops the run here, before
anything serves.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestration.actions.statuses import record_status
from orchestration.contracts import Status
from orchestration.errors import InvalidRequestError
from orchestration.evaluation import EvaluationVerdict, evaluate
from orchestration.policies import load_policy
from orchestration.policy import Policy, PromotionKind
from orchestration.promotion import plan_promotion
from orchestration.records import evidence_key, sha256
from orchestration.signal import mapping
from orchestration.training_output import read_training_output

if TYPE_CHECKING:
    from orchestration.ports import Ports


def evaluate_candidate(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Judge a run's candidate.

    Args:
        request: ``{"run": $run, "training": <the training target's output>}``.
        ports: the outside.

    Returns:
        ``{"passed", "sentence", "gates", "approval_needed", "promotion": {"kind", ...}, "model_package_arn",
        "result": {"outcome", "reason"}}``. ``result`` is the run's result if it ends here.

    Raises:
        InvalidRequestError: the run is unknown.
    """
    run = mapping(request.get("run"))
    run_id, model = str(run.get("run_id")), str(run.get("model"))
    stored = ports.table.run(run_id)
    loaded = load_policy(ports, model)
    if stored is None or loaded is None:
        raise InvalidRequestError(f"Run {run_id} of {model} is not in the table, or its policy is gone.")
    policy = loaded.policy
    manifest = json.loads(stored.manifest)
    output = read_training_output(request.get("training"), output_uri=str(run["output_uri"]))
    document = ports.bucket.read(output.evaluation_uri) if output.evaluation_uri else None
    champion = ports.sagemaker.champion(policy.promotion.endpoint) if policy.promotion.endpoint else None

    verdict = evaluate(
        document.body if document else None, policy.evaluation, champion_expected=manifest["champion"] is not None
    )
    answer = _answer(verdict, policy, run)
    if verdict.passed:
        plan = plan_promotion(
            policy.promotion,
            output,
            champion,
            model=model,
            name=candidate_name(model, run_id),
            tags={"retraining:model": model, "retraining:run": run_id},
        )
        blocked = _blocked(ports, policy, plan, manifest, champion.config_name if champion else None)
        if blocked:
            answer |= {"passed": False, "sentence": blocked[1], "result": {"outcome": blocked[0], "reason": blocked[1]}}
        else:
            answer["promotion"] = plan
    answer["model_package_arn"] = output.model_package_arn

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


def verify_promotion(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Judge a promotion after its bake: the endpoint must serve the wanted config, and nothing may speak against it.

    Args:
        request: ``{"run": $run, "promotion": <the plan>}``.
        ports: the outside.

    Returns:
        ``{"healthy", "result": {"outcome", "reason"}}``.
    """
    run, plan = mapping(request.get("run")), mapping(request.get("promotion"))
    endpoint = ports.sagemaker.endpoint(str(plan["endpoint"]))
    config = (endpoint or {}).get("EndpointConfigName")
    if endpoint is None or endpoint.get("EndpointStatus") != "InService" or config != plan["wanted_config"]:
        reason = f"After the bake endpoint {plan['endpoint']} does not serve config {plan['wanted_config']}."
        return {"healthy": False, "result": {"outcome": "ROLLED_BACK", "reason": reason}}
    reason = f"Endpoint {plan['endpoint']} serves the candidate with config {config}."
    record_status(
        ports,
        run_id=str(run["run_id"]),
        model=str(run["model"]),
        status=Status.PROMOTION_BAKED,
        severity=run.get("severity"),
        sentence=f"{reason} {int(plan.get('bake_seconds') or 0)} s of bake are over.",
    )
    return {"healthy": True, "result": {"outcome": "PROMOTED", "reason": reason}}


def candidate_name(model: str, run_id: str) -> str:
    """Name of the SageMaker model and endpoint config of a run: legal, at most 63 characters, the same on a retry."""
    return f"{model[:40].rstrip('-')}-{sha256(run_id)[:16]}"


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
    switch = next(
        (item for item in ports.table.kill_switches() if item.scope in {"global", f"model:{policy.model}"}), None
    )
    if switch is not None:
        return "STOPPED", f"Paused ({switch.scope}) by {switch.by}: {switch.reason} The candidate was not promoted."
    if isinstance(plan, str):
        return "CANDIDATE_REJECTED", plan
    planned = mapping(manifest.get("champion")).get("endpoint_config")
    if plan["kind"] == "endpoint" and planned != live_config:
        return "CANDIDATE_REJECTED", (
            f"The champion changed while the candidate trained: the endpoint served {planned} and serves {live_config} "
            "now, so the comparison no longer holds. Retrain against the new champion."
        )
    return None
