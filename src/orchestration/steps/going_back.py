"""The way back to a champion of the past, looked up when somebody asks for it: the verdict of a run that trains nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestration.domain.champions import WayBack, plan_rollback, way_back
from orchestration.domain.contracts import Next
from orchestration.domain.evaluation import EvaluationVerdict
from orchestration.domain.fence import EndpointSight, changed_versions
from orchestration.domain.json_values import mapping
from orchestration.domain.policy import PromotionKind
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.reasons import Reason
from orchestration.domain.verdict import CandidateVerdict
from orchestration.domain.wait import Result
from orchestration.steps.artifacts import with_sources

if TYPE_CHECKING:
    from orchestration.domain.kept_request import KeptRequest
    from orchestration.domain.policy import Policy
    from orchestration.domain.serving import Champion
    from orchestration.ports import Ports
    from orchestration.stores.table import Write


def verdict_on_way_back(ports: Ports, policy: Policy, kept: KeptRequest) -> CandidateVerdict | str:
    """How the endpoint goes back, or a sentence that says why it does not and what to do.

    What serves then has to be what served: the config names what the manifest of the run that replaced it says, and the
    artifacts are those that were judged.
    """
    endpoint = str(policy.promotion.endpoint)
    if policy.promotion.kind is not PromotionKind.ENDPOINT:
        return f"The policy of {policy.model} promotes to no endpoint: go back where its model is deployed."
    seen = EndpointSight.of(ports.sagemaker.endpoint(endpoint))
    promotions = ports.table.promotions(policy.model)
    way = way_back(promotions, endpoint=endpoint, seen=seen, takes_back=str(kept.takes_back), to=kept.to)
    if isinstance(way, str):
        return way
    made = ports.table.candidate_verdict(way.made_by) if way.made_by else None
    earlier = with_sources(ports, ports.sagemaker.configured(endpoint, way.config), policy.model)
    gone = _gone(ports, policy.model, way, earlier)
    if gone is not None:
        return gone
    judged = artifacts(made) if made else {}
    refusal = changed_versions(judged, {uri: ports.bucket.version(uri) for uri in judged})
    if refusal is not None:
        return refusal.reason
    # Looked at once more before it serves.
    judged[earlier.config["EndpointConfigArn"]] = earlier.as_record()["make_up_sha256"]
    plan = made.plan if made and isinstance(made.plan, EndpointPlan) else None
    back = plan_rollback(policy.promotion, way, endpoint=endpoint, live=str(seen.live), made=plan)
    whose = f"run {way.made_by}" if way.made_by else "the team"
    sentence = f'{kept.by} asked for config {way.config} of {whose}: "{kept.reason}".'
    found = EvaluationVerdict(True, Reason.WAY_BACK, sentence, (), {}, {}, compared_with_champion=False)
    return CandidateVerdict(Result(Next.PROMOTE, sentence), found.as_record(), versions=judged, plan=back)


def made_check(ports: Ports, model: str, verdict: CandidateVerdict) -> list[Write]:
    """Condition of a decision to go back: nobody removes what is to serve."""
    made = [each for each in ports.table.made(model) if _wanted(verdict) == each.name]
    return [ports.table.made_check(model, each.run_id) for each in made]


def _wanted(verdict: CandidateVerdict) -> str | None:
    return verdict.plan.wanted_config if isinstance(verdict.plan, EndpointPlan) else None


def artifacts(made: CandidateVerdict) -> dict[str, str]:
    """What serves of what was judged, with its versions: neither the report nor the package it came from. Pure."""
    found = {uri: version for uri, version in made.versions.items() if not uri.startswith("arn:")}
    return {uri: version for uri, version in found.items() if uri != made.evaluation_uri}


def _gone(ports: Ports, model: str, way: WayBack, earlier: Champion) -> str | None:
    other = "Name another run of its history, or retrain."
    if any(each.removing for each in ports.table.made(model) if each.name == way.config):
        return f"Config {way.config} was removed: more than KeepChampions promotions came after it. {other}"
    if not earlier.config:
        return f"Config {way.config}, which served before, was deleted, so there is nothing to go back to. {other}"
    if earlier.missing:
        return f"Config {way.config} names model {', '.join(earlier.missing)}, which was deleted. {other}"
    replaced = ports.table.run(way.replaced_by)
    now = earlier.as_record()
    champion = mapping(mapping(json.loads(replaced.manifest)).get("champion")) if replaced else {}
    # A manifest of the release before says less.
    served: dict[str, Any] = {name: now[name] for name in ("code_uris", "make_up_sha256")} | champion
    changed = [name for name, value in now.items() if served.get(name) != value]
    if changed:
        # A fingerprint says that something changed, the fields before it what.
        named = [name for name in changed if name != "make_up_sha256"] or ["variants, environment, role or containers"]
        return f"Config {way.config} is not what served before ({', '.join(named)}): somebody made it again. {other}"
    return None
