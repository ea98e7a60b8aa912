"""Which fields of what serves a candidate is given as they are, and why not the others. Pure.

Each table has every field that SageMaker both describes and takes at the creation, with None for one that is copied and
the reason for one that is not. A test holds the tables against botocore's model, so that a field that SageMaker adds is
decided on and not lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_FIELDS: Final[Mapping[str, str | None]] = {
    "EndpointConfigName": "The candidate's config has a name of its own.",
    "ProductionVariants": "Copied whole, but with the candidate where the champion's model stands.",
    "DataCaptureConfig": None,
    "KmsKeyId": None,
    "AsyncInferenceConfig": None,
    "ExplainerConfig": None,
    "ExecutionRoleArn": None,
    "VpcConfig": None,
    "EnableNetworkIsolation": None,
    "MetricsConfig": None,
    "ShadowProductionVariants": None,
}
"""From DescribeEndpointConfig to CreateEndpointConfig."""

MODEL_FIELDS: Final[Mapping[str, str | None]] = {
    "ModelName": "The candidate has a name of its own.",
    "PrimaryContainer": "Made of what was trained; CONTAINER_FIELDS says what of the champion's it keeps.",
    "Containers": "A candidate has one container, or those of its package.",
    "InferenceExecutionConfig": "Says how several containers are called: copied where candidate and champion have as many.",
    "ExecutionRoleArn": None,
    "VpcConfig": None,
    "EnableNetworkIsolation": None,
}
"""From DescribeModel to CreateModel."""

CONTAINER_FIELDS: Final[Mapping[str, str | None]] = {
    "ContainerHostname": "Names one of several containers: a package's own, else there are none.",
    "Image": "The training's, else the champion's.",
    "ImageConfig": None,
    "Mode": "SingleModel, which is meant without it; no candidate replaces a container of many models.",
    "ModelDataUrl": "What was trained.",
    "ModelDataSource": "What was trained stands in ModelDataUrl.",
    "AdditionalModelDataSources": "They belong to the model that the champion holds.",
    "Environment": "The training's, else the champion's.",
    "ModelPackageName": "The training's; a champion's names the champion.",
    "InferenceSpecificationName": "Names a part of the champion's package.",
    "MultiModelConfig": "Of a container of many models, which no candidate replaces.",
    "ContainerMetricsConfig": None,
}
"""From a container of DescribeModel to the one of CreateModel: how it is run is copied, not which model it holds."""

PACKAGE_FIELDS: Final[Mapping[str, str | None]] = {
    "ContainerHostname": None,
    "Image": None,
    "ModelDataUrl": None,
    "ModelDataSource": None,
    "AdditionalModelDataSources": None,
    "Environment": None,
}
"""From a container of DescribeModelPackage to the one of CreateModel."""


def copied(fields: Mapping[str, str | None]) -> tuple[str, ...]:
    """The fields of a table that are copied."""
    return tuple(name for name, reason in fields.items() if reason is None)
