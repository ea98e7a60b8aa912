"""What serves on an endpoint: its config with the models that config names, and what tells one make-up of them from another. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.copied_fields import CONFIG_FIELDS, CONTAINER_FIELDS, MODEL_FIELDS
from orchestration.domain.json_values import mapping, s3_addresses, sequence, text
from orchestration.domain.records import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

MEANT: Final = ("SingleModel", "Serial")
"""Modes of a container and of several together that are described though nobody asked for them: what is meant without."""

FILLED_IN: Final = ("ETag", "ManifestEtag")
"""Of a data source: what S3 had when the model was made, which is described whether or not anybody asked for it."""


@dataclass(frozen=True, slots=True)
class Champion:
    """What serves now, or served, as SageMaker describes it. Dictionaries are describe responses.

    ``config`` is empty when it was deleted; ``models`` are those it names, by name, without the deleted ones.
    ``tags`` are its config's, where somebody asked for them. ``copied_from``: where its data lay that serve from the loop's own copies.
    """

    endpoint: str
    config_name: str
    config: dict[str, Any]
    models: dict[str, dict[str, Any]]
    tags: list[dict[str, str]] = field(default_factory=list)
    copied_from: tuple[str, ...] = ()

    @property
    def model(self) -> dict[str, Any]:
        """The model of the first variant that names one; empty when it was deleted, or none names any."""
        return next((self.models.get(name, {}) for name in model_names(self.config)), {})

    @property
    def model_name(self) -> str | None:
        """Name of the SageMaker model that serves; None for an endpoint that serves inference components."""
        return text(self.model.get("ModelName"), 63)

    @property
    def missing(self) -> list[str]:
        """Models that its config names and that do not exist."""
        return [name for name in dict.fromkeys(model_names(self.config)) if name not in self.models]

    @property
    def model_data_url(self) -> str | None:
        """Where the champion's model.tar.gz lies, or None when its model comes from a package or a data source."""
        return text(container_of(self.model).get("ModelDataUrl"), 1024)

    @property
    def code_uris(self) -> list[str]:
        """Where else its container takes something from: code of a framework's container, a model data source."""
        return sorted({*s3_addresses(container_of(self.model))} - {self.model_data_url})

    def as_record(self) -> dict[str, Any]:
        """The champion as it stands in the manifest."""
        return {
            "endpoint": self.endpoint,
            "endpoint_config": self.config_name,
            "model_name": self.model_name,
            "model_data_uri": self.model_data_url,
            "image": container_of(self.model).get("Image"),
            "code_uris": self.code_uris,
            "copied_from": list(self.copied_from),
            "make_up_sha256": make_up_version(self.config, self.models),
        }


def model_names(config: Mapping[str, Any]) -> list[str]:
    """Models that an endpoint config names, shadows too."""
    variants = [*sequence(config.get("ProductionVariants")), *sequence(config.get("ShadowProductionVariants"))]
    return [str(variant["ModelName"]) for variant in map(mapping, variants) if variant.get("ModelName")]


def containers_of(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The containers of a model, as DescribeModel and CreateModel have them: one, or several in their order."""
    primary = mapping(model.get("PrimaryContainer"))
    return [primary] if primary else [mapping(entry) for entry in sequence(model.get("Containers"))]


def container_of(model: Mapping[str, Any]) -> dict[str, Any]:
    """The first container of a model; empty when it has none."""
    return next(iter(containers_of(model)), {})


def one_source(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container without a data source that says of its data what ModelDataUrl says: SageMaker may describe both."""
    source = mapping(mapping(container.get("ModelDataSource")).get("S3DataSource"))
    twice = source.get("CompressionType") == "Gzip" and source.get("S3Uri") == container.get("ModelDataUrl")
    return {field: value for field, value in container.items() if not (twice and field == "ModelDataSource")}


def make_up(config: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a config and the models it names are made of; the same for what was asked for and what AWS describes of it.

    AWS describes some fields that nobody asked for, with the value that is meant without them, and a model's data twice, as
    address and as source: neither counts.

    Args:
        config: as CreateEndpointConfig or DescribeEndpointConfig has it.
        models: as CreateModel or DescribeModel has them, by name.

    Returns:
        Values by where they stand, for people: ``ProductionVariants of the config``, ``Image of container 1 of model m``.
    """
    parts = [("the config", config, CONFIG_FIELDS)]
    for name, model in sorted(models.items()):
        # The containers follow, one way or the other.
        whole = {field: value for field, value in model.items() if field not in {"PrimaryContainer", "Containers"}}
        parts.append((f"model {name}", whole, MODEL_FIELDS))
        parts += [
            (f"container {place} of model {name}", one_source(container), CONTAINER_FIELDS)
            for place, container in enumerate(containers_of(model), 1)
        ]
    found = {
        f"{field} of {part}": _said(field, values.get(field)) for part, values, fields in parts for field in fields
    }
    return {where: value for where, value in found.items() if value is not None}


def differing(asked: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Where two make-ups differ, for people; nothing where they are the same."""
    return sorted(where for where in asked.keys() | found.keys() if asked.get(where) != found.get(where))


def make_up_version(config: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> str:
    """What tells one make-up from another."""
    return sha256(canonical(make_up(config, models)))


def _said(name: str, value: Any) -> Any:
    """A value of a request or a description without what says nothing; None when nothing is left."""
    if value is False or value == "" or (name == "Mode" and value in MEANT) or name in FILLED_IN:
        return None
    if isinstance(value, dict):
        # Of an environment each name says something, with whatever value.
        said = value if name == "Environment" else {key: _said(key, each) for key, each in value.items()}
        return {key: each for key, each in said.items() if each is not None} or None
    return [_said(name, each) for each in value] or None if isinstance(value, list) else value
