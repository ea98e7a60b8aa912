"""Does what a policy or a training's output names belong to its model? Pure.

Endpoints, package groups, monitoring schedules, pipelines and state machines belong to the model that their tag
``retraining:model`` names. TrainingPipelineArn is the stack's own and serves every model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import MODEL_TAG
from orchestration.domain.json_values import mapping, sequence, text
from orchestration.domain.origins import PACKAGES
from orchestration.domain.policy import PromotionKind, TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestration.domain.boundary import Boundary
    from orchestration.domain.origins import Origins
    from orchestration.domain.policy import Policy
    from orchestration.domain.training_output import TrainingOutput

SHARED: Final = "_shared"
"""Value of the tag on a training or deployment target that serves several models. No model may start with an underscore."""

FINDINGS_TOLD: Final = 10
"""Findings that a record and a sentence name; each is some hundred characters."""


class Kind(StrEnum):
    """Kinds of resources that belong to a model; the words of the sentences."""

    ENDPOINT = "Endpoint"
    PACKAGE_GROUP = "Model package group"
    SCHEDULE = "Monitoring schedule"
    STATE_MACHINE = "State machine"
    PIPELINE = "SageMaker pipeline"

    @property
    def target(self) -> bool:
        """True for what trains or deploys, which may serve several models."""
        return self in {Kind.STATE_MACHINE, Kind.PIPELINE}


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that somebody names: by its ARN, an endpoint and a schedule by its name."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {text(self.name, 200)}"


def tag_finding(resource: Resource, value: str | None, model: str, boundary: Boundary) -> str | None:
    """Why a resource is not its model's by the value of its tag, None when it is.

    Args:
        resource: what is named.
        value: of its tag ``retraining:model``; None when it has none, or does not exist.
        model: whose policy or training names it.
        boundary: the stack's.
    """
    if value == model or (value == SHARED and resource.kind.target):
        return None
    if value is None and _needs_no_tag(resource, model, boundary):
        return None
    if value is None:
        shared = f", or {SHARED} if it serves several models" if resource.kind.target else ""
        missing = ", or does not exist" if resource.kind not in {Kind.ENDPOINT, Kind.SCHEDULE} else ""
        return (
            f"{resource} has no tag {MODEL_TAG}{missing}, so nothing says that it is {model}'s: set the tag to "
            f"{model}{shared}, or name another."
        )
    if value == SHARED:
        return f"{resource} is tagged {MODEL_TAG}={SHARED}, which only a training or deployment target may be."
    return (
        f"{resource} belongs to {text(value, 100)} by its tag {MODEL_TAG}, not to {model}: name one of {model}'s own, or, if "
        f"it is {model}'s now, set the tag to {model}."
    )


def _needs_no_tag(resource: Resource, model: str, boundary: Boundary) -> bool:
    """The one-model user tags nothing that is changed or started by name; what a training names is always tagged."""
    exempt = resource.kind.target or resource.kind is Kind.ENDPOINT
    return exempt and model == boundary.default_model and not boundary.default_model_needs_tags


def place_finding(what: str, arn: str, boundary: Boundary) -> str | None:
    """Why an ARN is outside the stack's reach, None when it is of its account and Region."""
    region, account = boundary.place
    given = arn.split(":")
    if len(given) > 4 and (given[3], given[4]) == (region, account):  # noqa: PLR2004 - an ARN's account is its fifth part
        return None
    return (
        f"{what} {text(arn, 200)} is of another account or Region than the loop ({account}, {region}), where it starts and "
        "changes nothing."
    )


def resources_of(policy: Policy) -> tuple[Resource, ...]:
    """What a policy names that has to be its model's."""
    training, promotion = policy.training, policy.promotion
    named = []
    if training.kind in _TARGETS:
        named.append(Resource(_TARGETS[training.kind], training.target))
    if promotion.kind is PromotionKind.PIPELINE and promotion.target:
        named.append(Resource(Kind.STATE_MACHINE, promotion.target))
    if training.kind is TargetKind.TRAINING_JOB:
        # A job can register what it trained, and begin from what is registered.
        named += [package_group(arn) for arn in arns(training.request) if PACKAGES.fullmatch(arn)]
    if promotion.endpoint:
        # Whatever the kind: its champion is what a candidate is compared with, and says where one may come from.
        named.append(Resource(Kind.ENDPOINT, promotion.endpoint))
    if promotion.monitoring_schedule:
        named.append(Resource(Kind.SCHEDULE, promotion.monitoring_schedule))
    return tuple(dict.fromkeys(named))


_TARGETS: Final = {TargetKind.STATE_MACHINE: Kind.STATE_MACHINE, TargetKind.SAGEMAKER_PIPELINE: Kind.PIPELINE}


def everybodys(resource: Resource, boundary: Boundary) -> bool:
    """True for the target of the form: it is the stack's own and serves every model."""
    return resource.name == boundary.training_pipeline_arn


def reach_finding(resource: Resource, boundary: Boundary) -> str | None:
    """Why the loop reaches no such resource whatever its tag says, None when it does: elsewhere, or the loop itself."""
    if everybodys(resource, boundary) or not resource.name.startswith("arn:"):
        return None
    if unqualified(resource.name) == boundary.state_machine_arn:
        return f"{resource} is the loop itself, which trains and deploys nothing."
    return place_finding(resource.kind, resource.name, boundary)


def unqualified(state_machine_arn: str) -> str:
    """A state machine's ARN without version or alias: they have no tags of their own."""
    return ":".join(state_machine_arn.split(":")[:7])


def told(findings: Iterable[str | None]) -> tuple[str, ...]:
    """The first findings and how many more there are: a text of 60 KB names thousands of places, and a record holds 400 KB."""
    found = [finding for finding in findings if finding]
    more = len(found) - FINDINGS_TOLD
    return (*found[:FINDINGS_TOLD], *([f"{more:,} more are not named here."] if more > 0 else []))


def source_findings(policy: Policy, origins: Origins) -> Iterator[str]:
    """What a policy alone shows to come from where the model may take nothing from.

    Of a training job that is the whole request: it runs under the stack's role. A team's own pipeline runs under a role of
    the team's, so of its input only the names count that a training's output has too.
    """
    training = policy.training
    if training.kind is TargetKind.TRAINING_JOB:
        yield from origins.findings({**training.request, "OutputDataConfig": None}, "training.request")
        yield from origins.findings(training.parameters, "training.parameters")
    yield from _made_of(training.input, origins, "training.input")


def output_findings(output: TrainingOutput, origins: Origins) -> Iterator[str]:
    """What a training's output is made of that its model may not use; the package it names is ``package_findings``'s."""
    made = {"model_data_uri": output.model_data_uri, "image": output.image}
    yield from _made_of(made, origins, "The training's output")
    yield from origins.findings(dict(output.environment), "The training's output: environment")


def package_findings(package: dict[str, Any], origins: Origins) -> Iterator[str]:
    """What a model package's containers are made of that its model may not use."""
    specification = mapping(package.get("InferenceSpecification"))
    yield from origins.findings(specification.get("Containers"), f"Package {package.get('ModelPackageArn')}")


def package_group(package_arn: str) -> Resource:
    """What carries a package's tags: its group; the package itself when it is in none.

    Source: SageMaker API, CreateModelPackage: one of a group "uses the tags associated with the model group".
    """
    kind, *names = package_arn.split(":", 5)[5].split("/")
    if kind.endswith("-group") or len(names) == 1:
        return Resource(Kind.PACKAGE_GROUP, package_arn)
    prefix = package_arn.rsplit(":", 1)[0]
    return Resource(Kind.PACKAGE_GROUP, f"{prefix}:{kind}-group/{names[0]}")


def arns(value: Any) -> list[str]:
    """Every text of a JSON value that is an ARN."""
    if isinstance(value, str):
        return [value] if value.startswith("arn:") else []
    members = value.values() if isinstance(value, dict) else sequence(value)
    return [arn for member in members for arn in arns(member)]


def _made_of(named: dict[str, Any], origins: Origins, what: str) -> Iterator[str]:
    for key in ("model_data_url", "model_data_uri"):
        uri = named.get(key)
        if isinstance(uri, str) and uri and (found := origins.data_finding(uri, f"{what}: {key}")):
            yield found
    image = named.get("image")
    if isinstance(image, str) and image and (found := origins.image_finding(image, f"{what}: image")):
        yield found
