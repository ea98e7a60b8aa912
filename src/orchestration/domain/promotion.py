"""The plan that makes a candidate serve: the exact SageMaker requests, built before anything is changed. Pure.

The endpoint config is copied from the live one with only the model changed, so data capture, instance types, variants
and encryption stay as the team set them. On an endpoint with several variants only those that serve the champion's
model get the candidate; a team's A/B variant or shadow keeps its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import PACKAGE_TAG
from orchestration.domain.copied_fields import (
    CONFIG_FIELDS,
    CONTAINER_FIELDS,
    MODEL_FIELDS,
    PACKAGE_FIELDS,
    copied,
)
from orchestration.domain.json_values import mapping, sequence, text
from orchestration.domain.policy import PromotionKind
from orchestration.domain.records import sha256
from orchestration.domain.serving import container_of, containers_of, one_source
from orchestration.domain.training_target import nested_execution_arn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.domain.policy import Promotion
    from orchestration.domain.serving import Champion
    from orchestration.domain.training_output import TrainingOutput

NOT_PACKAGED: Final = {
    "ProductId": "it is a product of AWS Marketplace, whose model and image nobody else can name",
    "AdditionalS3DataSource": "it has an AdditionalS3DataSource, which a model has no place for; name it in "
    "AdditionalModelDataSources",
    "BaseModel": "it stands on a base model that is not among its own data",
    "IsCheckpoint": "it is a checkpoint of a training, not what is served",
}
"""Fields of a package's container without which it is another model: why no model is made of one that has them."""


@dataclass(frozen=True, slots=True)
class RegistryPlan:
    """The registry's approval is the promotion."""

    model_package_arn: str

    def as_record(self) -> dict[str, Any]:
        """The plan as the verdict keeps it."""
        return {"kind": str(PromotionKind.REGISTRY), **asdict(self)}


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """The team's own state machine deploys; ``input`` is what it is given."""

    target: str
    execution_name: str
    execution_arn: str
    input: dict[str, Any]

    def as_record(self) -> dict[str, Any]:
        """The plan as the verdict keeps it."""
        return {"kind": str(PromotionKind.PIPELINE), **asdict(self)}


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """An endpoint is moved to a new config: the exact requests, and how the bake is judged.

    ``previous_config`` is the champion's, ``wanted_config`` the candidate's. The requests are CreateModel's,
    CreateEndpointConfig's and UpdateEndpoint's; the first two are None for going back to what was made before.
    """

    endpoint: str
    previous_config: str
    wanted_config: str
    create_model: dict[str, Any] | None
    create_endpoint_config: dict[str, Any] | None
    update_endpoint: dict[str, Any]
    bake_seconds: int
    alarms: tuple[str, ...]
    inconclusive: str
    model_package_arn: str | None = None
    monitoring_schedule: str | None = None
    baseline_statistics_uri: str | None = None
    baseline_constraints_uri: str | None = None

    @property
    def goes_back(self) -> bool:
        """True for the plan of a rollback: what is to serve was made, judged and served before."""
        return self.create_endpoint_config is None

    def as_record(self) -> dict[str, Any]:
        """The plan as the verdict keeps it."""
        return {"kind": str(PromotionKind.ENDPOINT), **asdict(self)}


PromotionPlan = RegistryPlan | DeploymentPlan | EndpointPlan

_PLANS: Final[dict[str, type[RegistryPlan | DeploymentPlan | EndpointPlan]]] = {
    PromotionKind.REGISTRY: RegistryPlan,
    PromotionKind.PIPELINE: DeploymentPlan,
    PromotionKind.ENDPOINT: EndpointPlan,
}


def plan_of(record: dict[str, Any]) -> PromotionPlan | None:
    """A plan from its record; None for kind none."""
    fields = {**record}
    kind = fields.pop("kind")
    if kind == PromotionKind.NONE:
        return None
    if "alarms" in fields:
        fields["alarms"] = tuple(fields["alarms"])
    return _PLANS[kind](**fields)


def plan_promotion(
    promotion: Promotion,
    output: TrainingOutput,
    champion: Champion | None,
    *,
    model: str,
    name: str,
    tags: dict[str, str],
    package: dict[str, Any] | None = None,
    copies: Mapping[str, str] | None = None,
) -> PromotionPlan | str | None:
    """Build the promotion plan the hand carries out.

    Args:
        promotion: the policy's wish.
        output: what was trained.
        champion: what serves now; None when the endpoint is missing.
        model: the model's name.
        name: name of the new SageMaker model and endpoint config, or of the deployment's execution; derived from the run,
            so a retry repeats it.
        tags: tags on everything created.
        package: the model package the training names, as SageMaker describes it; None when it names none.
        copies: where the copies lie that an endpoint is to serve, by what they are of.

    Returns:
        The plan, None when the policy wants none, or a sentence that says why there can be none.
    """
    if promotion.kind is PromotionKind.NONE:
        return None
    if promotion.kind is PromotionKind.REGISTRY:
        if output.model_package_arn is None:
            return "The training returned no model_package_arn, so there is nothing to approve in the registry."
        return RegistryPlan(output.model_package_arn)
    if promotion.kind is PromotionKind.PIPELINE:
        target = str(promotion.target)
        return DeploymentPlan(
            target=target,
            execution_name=name,
            execution_arn=nested_execution_arn(target, name),
            input={
                **promotion.input,
                "model": model,
                "model_package_arn": output.model_package_arn,
                "model_data_url": output.model_data_uri,
                "image": output.image,
                "environment": dict(output.environment),
                "evaluation_uri": output.evaluation_uri,
            },
        )
    if champion is None:
        return f"Endpoint {promotion.endpoint} does not exist any more, so the candidate cannot serve there."
    containers = not_promotable(promotion, champion) or _candidate_containers(output, champion, package)
    if isinstance(containers, str):
        return containers
    containers = [_of_copies(container, copies or {}) for container in containers]
    tag_list = _tags(tags)
    origin = {PACKAGE_TAG: output.model_package_arn} if output.model_package_arn else {}
    create_model: dict[str, Any] = {"ModelName": name, "Tags": _tags(tags | origin)}
    if len(containers) == 1:
        create_model["PrimaryContainer"] = containers[0]
    else:
        create_model["Containers"] = containers
        together = champion.model.get("InferenceExecutionConfig")
        if together and len(containers_of(champion.model)) == len(containers):
            create_model["InferenceExecutionConfig"] = together
    for key in copied(MODEL_FIELDS):
        if champion.model.get(key) not in (None, {}):
            create_model[key] = champion.model[key]
    # Only the variants of the champion's model change: its copies, not a team's other candidates.
    variants = [
        {**variant, "ModelName": name} if variant.get("ModelName") == champion.model_name else dict(variant)
        for variant in (mapping(entry) for entry in sequence(champion.config.get("ProductionVariants")))
    ]
    create_config: dict[str, Any] = {
        "EndpointConfigName": name,
        "ProductionVariants": variants,
        "Tags": [
            *(tag for tag in champion.tags if not tag["Key"].startswith("aws:") and tag["Key"] not in tags),
            *tag_list,
        ],
    }
    for key in copied(CONFIG_FIELDS):
        if champion.config.get(key) not in (None, {}, []):
            create_config[key] = champion.config[key]
    return replace(
        endpoint_move(promotion, endpoint=champion.endpoint, live=champion.config_name, wanted=name),
        create_model=create_model,
        create_endpoint_config=create_config,
        model_package_arn=output.model_package_arn,
        baseline_statistics_uri=output.baseline_statistics_uri,
        baseline_constraints_uri=output.baseline_constraints_uri,
    )


def endpoint_move(promotion: Promotion, *, endpoint: str, live: str, wanted: str) -> EndpointPlan:
    """How an endpoint is moved from its ``live`` config to another and baked, by the policy; nothing is made for it."""
    # Else an autoscaled endpoint shrinks: a new config's own count is the one it was first made with.
    update: dict[str, Any] = {
        "EndpointName": endpoint,
        "EndpointConfigName": wanted,
        "RetainAllVariantProperties": promotion.retain_capacity,
    }
    deployment = deployment_config(promotion)
    if deployment:
        update["DeploymentConfig"] = deployment
    return EndpointPlan(
        endpoint=endpoint,
        previous_config=live,
        wanted_config=wanted,
        create_model=None,
        create_endpoint_config=None,
        update_endpoint=update,
        bake_seconds=int(promotion.bake_minutes * 60),
        alarms=tuple(promotion.alarms),
        inconclusive=promotion.inconclusive,
        monitoring_schedule=promotion.monitoring_schedule,
    )


def package_version(package: dict[str, Any]) -> str:
    """What tells one make-up of a model package from another: UpdateModelPackage changes what its containers are made of."""
    return sha256(canonical(mapping(package.get("InferenceSpecification")).get("Containers")))


def deployment_config(promotion: Promotion) -> dict[str, Any]:
    """SageMaker's DeploymentConfig from the policy: its own blue/green settings plus the alarms that roll back."""
    deployment = dict(promotion.deployment)
    if promotion.alarms and "AutoRollbackConfiguration" not in deployment:
        deployment["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in promotion.alarms]}
    if deployment and not {"BlueGreenUpdatePolicy", "RollingUpdatePolicy"} & deployment.keys():
        deployment["BlueGreenUpdatePolicy"] = {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
        }
    return deployment


def not_promotable(promotion: Promotion, champion: Champion) -> str | None:
    """Why no candidate, whatever it is, can be made to serve on an endpoint by a copy of its config; None when one can.

    Source of the last rule: SageMaker developer guide, "Exclusions" of deployment guardrails.
    """
    endpoint, otherwise = champion.endpoint, "use promotion kind registry or pipeline"
    if not champion.config:
        return (
            f"Endpoint {endpoint} serves config {champion.config_name}, which was deleted: there is nothing to copy and "
            f"nothing to go back to. Create a config of that name as it was, or update the endpoint to another."
        )
    variants = [mapping(entry) for entry in sequence(champion.config.get("ProductionVariants"))]
    named = [variant["ModelName"] for variant in variants if variant.get("ModelName")]
    if not named:
        return f"Endpoint {endpoint} serves inference components, which a config does not hold; {otherwise}."
    if champion.model_name is None:
        return (
            f"Model {text(named[0], 63)}, which serves on endpoint {endpoint}, was deleted, so nothing says how a candidate is "
            f"to be run. Create a model of that name as it was, or {otherwise}."
        )
    if any(container.get("Mode") == "MultiModel" for container in containers_of(champion.model)):
        return (
            f"Model {champion.model_name} on endpoint {endpoint} holds many models in one container, and a candidate would "
            f"stand in for all of them; {otherwise}."
        )
    rolling = "RollingUpdatePolicy" in promotion.deployment
    if rolling and (len(variants) > 1 or "ServerlessConfig" in variants[0]):
        return (
            f"Endpoint {endpoint} has several variants or a serverless one, which SageMaker does not update with a "
            "RollingUpdatePolicy: take BlueGreenUpdatePolicy in promotion.deployment."
        )
    return None


def artifact_uris(package: dict[str, Any]) -> list[str]:
    """Where the data of a package's containers lie, as s3:// addresses of single objects, which have versions."""
    sources = [source for container in packaged_containers(package) for source in _data_sources(container)]
    # As they stand there: the model is made of these very letters.
    found = [container.get("ModelDataUrl") for container in packaged_containers(package)]
    return [uri for uri in found if isinstance(uri, str) and uri] + [
        str(source.get("S3Uri")) for source in sources if _is_object(source)
    ]


def packaged_containers(package: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers a package says it is served by, in their order."""
    containers = sequence(mapping(package.get("InferenceSpecification")).get("Containers"))
    return [one_source(mapping(entry)) for entry in containers]


def _data_sources(container: dict[str, Any]) -> list[dict[str, Any]]:
    sources = [container.get("ModelDataSource"), *sequence(container.get("AdditionalModelDataSources"))]
    return [mapping(mapping(source).get("S3DataSource")) for source in sources if source]


def _is_object(source: dict[str, Any]) -> bool:
    return source.get("S3DataType") == "S3Object" and not source.get("ManifestS3Uri")


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _of_package(arn: str, package: dict[str, Any], champion: Champion) -> list[dict[str, Any]] | str:
    """The containers of a package as a model's own: an endpoint takes a package by its name only once it is approved.

    Approved it is after the bake: whoever deploys on that event gets what has proven itself. Source: SageMaker developer
    guide, "Deploy a Model from the Registry": "the model package must have an approval status of Approved".
    """
    made = packaged_containers(package)
    if not made:
        return f"Model package {arn} names no container to serve it (InferenceSpecification), so it can only be registered."
    if package.get("ManagedStorageType") == "Restricted":
        return f"SageMaker keeps the data of model package {arn} to itself (ManagedStorageType Restricted): no model is made of it."
    for why in (why for field, why in NOT_PACKAGED.items() if any(container.get(field) for container in made)):
        return (
            f"No model can be made of model package {arn}: {why}. Use promotion kind registry, and deploy it yourself."
        )
    if not all(container.get("Image") for container in made):
        return f"A container of model package {arn} names no image, so nothing says what serves it."
    for source in (source for container in made for source in _data_sources(container) if not _is_object(source)):
        return (
            f"{text(source.get('S3Uri'), 1024)} stands for many objects, which have no version in common, so nothing would "
            f"show that what serves is what was judged. Register model package {arn} with data of one object (S3DataType "
            "S3Object)."
        )
    live = containers_of(champion.model)
    alike = live if len(live) == len(made) else [{} for _ in made]
    return [
        {
            **{key: container[key] for key in copied(PACKAGE_FIELDS) if container.get(key)},
            **{key: before[key] for key in copied(CONTAINER_FIELDS) if before.get(key)},
        }
        for container, before in zip(made, alike, strict=True)
    ]


def _candidate_containers(
    output: TrainingOutput, champion: Champion, package: dict[str, Any] | None
) -> list[dict[str, Any]] | str:
    """The containers of the candidate's model, or a sentence that says why there can be none."""
    if output.model_package_arn:
        return _of_package(output.model_package_arn, package or {}, champion)
    if output.model_data_uri is None:
        return "The training returned neither model_package_arn nor model_data_url; it has to name what it trained."
    live = container_of(champion.model)
    if (count := len(containers_of(champion.model))) > 1:
        return (
            f"The champion is an inference pipeline of {count} containers, so one model_data_url does not say which "
            "to replace; return a model_package_arn."
        )
    image = output.image or live.get("Image")
    if not image:
        return "The training returned model_data_url without image, and the champion's model names no image either."
    environment = dict(output.environment) or mapping(live.get("Environment"))
    container: dict[str, Any] = {"Image": image, "ModelDataUrl": output.model_data_uri}
    container |= {key: live[key] for key in copied(CONTAINER_FIELDS) if live.get(key)}
    if environment:
        container["Environment"] = environment
    return [container]


def _of_copies(container: dict[str, Any], copies: Mapping[str, str]) -> dict[str, Any]:
    """A container whose data are the copies. The ETag that a data source may name is not a copy's."""
    made = dict(container)
    if made.get("ModelDataUrl") in copies:
        made["ModelDataUrl"] = copies[made["ModelDataUrl"]]
    if source := made.get("ModelDataSource"):
        made["ModelDataSource"] = _of_copy(source, copies)
    if sources := made.get("AdditionalModelDataSources"):
        made["AdditionalModelDataSources"] = [_of_copy(source, copies) for source in sources]
    return made


def _of_copy(source: dict[str, Any], copies: Mapping[str, str]) -> dict[str, Any]:
    where = mapping(source.get("S3DataSource"))
    if where.get("S3Uri") not in copies:
        return source
    made = {name: copies[value] if name == "S3Uri" else value for name, value in where.items() if name != "ETag"}
    return {**source, "S3DataSource": made}
