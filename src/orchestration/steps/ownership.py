"""Whose is what a policy or a training names? Reads the tags, and where champion and stack say things may come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.boundary import Boundary
from orchestration.domain.contracts import MODEL_TAG
from orchestration.domain.copied_fields import CONTAINER_FIELDS, copied
from orchestration.domain.json_values import mapping
from orchestration.domain.origins import Origins
from orchestration.domain.ownership import (
    Kind,
    Resource,
    everybodys,
    output_findings,
    package_findings,
    package_group,
    reach_finding,
    resources_of,
    source_findings,
    tag_finding,
    told,
    unqualified,
)
from orchestration.domain.serving import containers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestration.domain.artifact import ArtifactCopy
    from orchestration.domain.policy import Policy
    from orchestration.domain.training_output import TrainingOutput
    from orchestration.ports import Ports


def policy_foreign(ports: Ports, policy: Policy, champion: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What a policy names that is not its model's, each as a sentence that says what to set; empty when all is.

    Args:
        ports: the outside.
        policy: whose names are looked at.
        champion: record of the model that serves, which says where a candidate may come from.
    """
    boundary = Boundary.of(ports.settings)
    origins = Origins.of(boundary, policy.model, champion)
    reached = (not_own(ports, resource, policy.model) for resource in resources_of(policy))
    return told([*reached, *source_findings(policy, origins)])


def not_own(ports: Ports, resource: Resource, model: str) -> str | None:
    """Why a resource is not its model's, None when it is.

    What the loop cannot reach is not asked for its tags. An endpoint or schedule that does not exist is nobody's, and has a
    sentence of its own.
    """
    boundary = Boundary.of(ports.settings)
    unreached = reach_finding(resource, boundary)
    if unreached or everybodys(resource, boundary):
        return unreached
    if resource.kind is Kind.STATE_MACHINE:
        value = ports.executions.tag(unqualified(resource.name), MODEL_TAG)
    else:
        arn = _arn(ports, resource)
        if arn is None:
            return None
        value = ports.sagemaker.tag(arn, MODEL_TAG)
    return tag_finding(resource, value, model, boundary)


def output_foreign(
    ports: Ports,
    model: str,
    output: TrainingOutput,
    package: dict[str, Any] | None,
    champion: Mapping[str, Any] | None,
    *,
    serves: bool,
) -> tuple[str, ...]:
    """What a training's output names that its model may not use; empty when it may use everything.

    Args:
        ports: the outside.
        model: whose training it was.
        output: what it gave back.
        package: the model package it names, as SageMaker describes it; None when there is none.
        champion: record of the model that serves.
        serves: False when nothing of it will serve, so that only the registry's entry could be changed.
    """
    boundary = Boundary.of(ports.settings)
    origins = Origins.of(boundary, model, champion)
    arn, found = output.model_package_arn, list[str | None]()
    if arn is not None:
        group = package_group(arn)
        found.append(reach_finding(group, boundary) if package is None else not_own(ports, group, model))
    if serves:
        found += [*output_findings(output, origins), *package_findings(package or {}, origins)]
    return told(found)


def request_foreign(
    ports: Ports,
    model: str,
    request: dict[str, Any],
    champion: Mapping[str, Any] | None,
    copies: Sequence[ArtifactCopy] = (),
) -> tuple[str, ...]:
    """What a CreateModel request is made of that its model may not use now; how the champion is run, the candidate is.

    What it names ``copies`` of counts by where it came from too.
    """
    origins = Origins.of(Boundary.of(ports.settings), model, champion)
    made = [
        {name: value for name, value in container.items() if name not in copied(CONTAINER_FIELDS)}
        for container in containers_of(request)
    ]
    sources = [origins.data_finding(copy.source, "The candidate's data") for copy in copies]
    return told([*origins.findings(made, "CreateModel"), *sources])


def _arn(ports: Ports, resource: Resource) -> str | None:
    """What SageMaker lists the tags of, None when there is no such endpoint or schedule."""
    described: dict[str, Any] | None = {"Arn": resource.name}
    if resource.kind is Kind.ENDPOINT:
        described = ports.sagemaker.endpoint(resource.name)
    elif resource.kind is Kind.SCHEDULE:
        described = ports.sagemaker.monitoring_schedule(resource.name)
    found = mapping(described)
    return found.get("EndpointArn") or found.get("MonitoringScheduleArn") or found.get("Arn")
