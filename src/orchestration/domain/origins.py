"""Where model data, code and images of a model may come from. Pure.

The stack says it (ModelDataPrefixes, ImagePrefixes), so no policy and no training can widen it. Comparing is by whole
path segments, and an address that reads otherwise once it is decoded is compared both ways.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from orchestration.domain.artifact import ARTIFACTS
from orchestration.domain.aws_images import is_aws_registry
from orchestration.domain.json_values import mapping, s3_addresses, s3_uri, sequence, text
from orchestration.domain.records import RECORD_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestration.domain.boundary import Boundary

MODEL_PLACEHOLDER: Final = "{model}"
"""Stands for the model's name in a prefix, so that teams that share a bucket or registry stay apart."""

IMAGE: Final = re.compile(r"[A-Za-z0-9._/:@-]{1,512}")

OWN_FOLDERS: Final = ("runs", ARTIFACTS.rstrip("/"))
"""Folders of the AutomationBucket that have one of each model's own."""

WRITTEN_FOLDERS: Final = ("policies", *(folder.rstrip("/") for folder in RECORD_FOLDERS))
"""Folders of policies and records, other models' too, in which there is no model data."""

DECODINGS: Final = 4
"""How often an address may be encoded and still be compared; one that goes deeper is refused."""

URI_FIELDS: Final = frozenset({"ModelDataUrl", "S3Uri", "S3OutputPath", "ManifestS3Uri"})
"""Fields of SageMaker's requests that hold the address of data, whatever its scheme."""

IMAGE_FIELDS: Final = frozenset({"Image", "ImageUri", "TrainingImage", "RuleEvaluatorImage"})
"""Fields of SageMaker's requests that name an image that is run."""

PACKAGES: Final = re.compile(r"arn:[^:]*:sagemaker:[^:]*:[^:]*:model-package(-group)?/.+")
"""ARNs of what says itself, by its tag, whose it is."""


@dataclass(frozen=True, slots=True)
class Origins:
    """What is taken from where. ``data`` are s3:// prefixes, ``images`` registry/repository ones.

    ``own`` is what the champion has already, which a candidate may keep. ``aws_images``: images of AWS's own are taken too.
    """

    model: str
    automation_bucket: str
    own: frozenset[str]
    data: tuple[str, ...]
    images: tuple[str, ...]
    aws_images: bool

    @classmethod
    def of(cls, boundary: Boundary, model: str, champion: Mapping[str, Any] | None) -> Origins:
        """What the stack allows a model; ``champion`` is a champion's record, None when none serves."""
        own = mapping(champion)
        data = boundary.model_data_prefixes or tuple(f"s3://{bucket}/" for bucket in champion_buckets(own))
        image = repository(str(own["image"])) if own.get("image") else None
        images = boundary.image_prefixes or ((image,) if image else ())
        kept = (own.get("image"), *_places(own))
        return cls(
            model,
            boundary.automation_bucket,
            frozenset(str(value) for value in kept if value),
            tuple(prefix.replace(MODEL_PLACEHOLDER, model) for prefix in data),
            tuple(prefix.replace(MODEL_PLACEHOLDER, model) for prefix in images),
            aws_images=not boundary.image_prefixes,
        )

    def data_finding(self, uri: str, what: str, *, folder: bool = False) -> str | None:
        """Why data may not come from there, None when it may. ``folder``: it stands for everything that begins with it."""
        places = _readings(uri)
        if uri in self.own or (places and all(self._takes(place, folder=folder) for place in places)):
            return None
        return (
            f"{what} {text(uri, 200)} lies where {self.model} takes no model data or code from: a training writes it under "
            f"its output_uri (s3://{self.automation_bucket}/runs/{self.model}/), or an administrator adds its place to the "
            "stack parameter ModelDataPrefixes."
        )

    def image_finding(self, image: str, what: str) -> str | None:
        """Why an image may not be run, None when it may."""
        found = repository(image)
        if image in self.own:
            return None
        if found and any(_within(found.split("/"), prefix.strip("/").split("/")) for prefix in self.images):
            return None
        host, slash, _ = (found or "").partition("/")
        if self.aws_images and slash and is_aws_registry(host):
            return None
        return (
            f"{what} {text(image, 200)} is no image that {self.model} may run: it is neither the champion's own nor one of "
            "AWS's. An administrator adds its registry/repository to the stack parameter ImagePrefixes."
        )

    def findings(self, request: Any, what: str) -> Iterator[str]:
        """What a SageMaker request, or a container of one, names that may not be taken, wherever it stands in it."""
        yield from self._findings(request, what, "")

    def _findings(self, node: Any, what: str, field: str) -> Iterator[str]:
        named = f"{what}: {text(field, 100)}"
        if isinstance(node, dict):
            for key, value in node.items():
                yield from self._findings(value, what, str(key))
        elif isinstance(node, list):
            for value in node:
                yield from self._findings(value, what, field)
        elif isinstance(node, str) and field in IMAGE_FIELDS:
            yield from filter(None, [self.image_finding(node, named)])
        elif isinstance(node, str) and field == "FileSystemId":
            # A job mounts it, and may write to it. Nothing says whose a file system is.
            yield f"{named} {text(node, 100)} is a file system, which no model takes data from: have the job read it from S3."
        elif isinstance(node, str) and node.startswith("arn:"):
            yield from filter(None, [self._arn_finding(node, field, named)])
        elif isinstance(node, str):
            uris = [node] if field in URI_FIELDS else s3_addresses(node)
            # SageMaker's S3Prefix is any beginning of keys, and nobody knows what a container makes of an address.
            folder = field != "ModelDataUrl"
            yield from filter(None, (self.data_finding(uri, named, folder=folder) for uri in uris))

    def _arn_finding(self, arn: str, field: str, what: str) -> str | None:
        """Why a request may not use what an ARN names: algorithms, hub contents, tracking servers, plans, functions.

        The role is the one that may be passed, keys have their own policies, and packages say themselves whose they are.
        """
        if (
            field == "RoleArn"
            or field.endswith("KmsKeyId")
            or PACKAGES.fullmatch(arn)
            or arn.split(":")[4:5] == ["aws"]
        ):
            return None
        return self.image_finding(arn, what)

    def _takes(self, place: list[str], *, folder: bool) -> bool:
        bucket, *key = place
        if bucket == self.automation_bucket:
            # Every model's trainings write into this bucket, each into its own folder, and so does the loop with its copies.
            if key[0] in OWN_FOLDERS:
                return _inside(key, [key[0], self.model])
            return not folder and key[0] not in WRITTEN_FOLDERS
        within = _inside if folder else _within
        return any(within(place, prefix.removeprefix("s3://").rstrip("/").split("/")) for prefix in self.data)


def champion_buckets(champion: Mapping[str, Any]) -> tuple[str, ...]:
    """The buckets a champion's container is made from, by its record."""
    return tuple(
        dict.fromkeys(str(uri).removeprefix("s3://").partition("/")[0] for uri in _places(champion) if s3_uri(uri))
    )


def _places(champion: Mapping[str, Any]) -> list[Any]:
    """What a champion's container is made from; what is a copy, also where it was copied from."""
    named = (*sequence(champion.get("copied_from")), *sequence(champion.get("code_uris")))
    return [champion.get("model_data_uri"), *named]


def repository(image: str) -> str | None:
    """``registry/repository`` of an image, without tag and digest; None for what is no image's name."""
    if not IMAGE.fullmatch(image):
        return None
    path, slash, last = image.partition("@")[0].rpartition("/")
    name = f"{path}{slash}{last.partition(':')[0]}"
    return None if {"", ".", ".."} & set(name.split("/")) else name


def _readings(uri: str) -> list[list[str]]:
    """Bucket and segments of the key, as written and as whoever decodes it reads it; empty when that cannot be told."""
    found = []
    if "/" not in uri.removeprefix("s3://"):
        uri = f"{uri}/"  # a bucket
    for _ in range(DECODINGS):
        place = uri.removeprefix("s3://").split("/")
        if s3_uri(uri) is None or "." in place:
            return []
        found.append(place)
        decoded = unquote(uri)
        if decoded == uri:
            return found
        uri = decoded
    return []


def _within(place: list[str], prefix: list[str]) -> bool:
    return place[: len(prefix)] == prefix


def _inside(place: list[str], prefix: list[str]) -> bool:
    return len(place) > len(prefix) and _within(place, prefix)
