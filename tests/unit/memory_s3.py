# ruff: noqa: N803 - the names of boto3's arguments
"""A versioned bucket in memory, as an audit reads it, and as people may change it behind the loop's back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ParamValidationError

from orchestration.domain.records import sha256
from tests.unit.fake_services import client_error

PAGE = 7
"""Versions a page: few, so that those of one key go over its end."""


@dataclass(frozen=True)
class Version:
    """A version of an object; ``body`` None is a delete marker."""

    identity: str
    body: bytes | None
    at: datetime = datetime(2026, 3, 2, tzinfo=UTC)


class MemoryS3:
    """S3's client over ``objects``: bucket and key to versions, the newest first."""

    def __init__(self, bodies: dict[str, bytes]) -> None:
        """Take objects by URI."""
        self.objects: dict[tuple[str, str], tuple[Version, ...]] = {}
        self.refused: set[str] = set()
        self.missing = "NoSuchKey"
        for uri, body in bodies.items():
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            self.objects[bucket, key] = (Version("v1", body),)

    def copy(self) -> MemoryS3:
        """Make another bucket with the same objects."""
        made = MemoryS3({})
        made.objects = dict(self.objects)
        return made

    # What people do.

    def put(self, bucket: str, key: str, body: bytes | None) -> None:
        """Write a version, or a delete marker."""
        before = self.objects.get((bucket, key), ())
        self.objects[bucket, key] = (Version(f"v{len(before) + 1}", body), *before)

    def rewrite(self, bucket: str, key: str, body: bytes | None) -> None:
        """Put other bytes in an object's place and leave no trace of it; None: take it away with all versions."""
        if body is None:
            self.objects.pop((bucket, key), None)
        else:
            versions = self.objects.get((bucket, key)) or (Version("v1", body),)
            self.objects[bucket, key] = (replace(versions[0], body=body), *versions[1:])

    # What an audit asks.

    def get_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        versions = self.objects.get((Bucket, Key), ())
        body = versions[0].body if versions else None
        if not Key:
            raise ParamValidationError(report="Invalid length for parameter Key, value: 0")
        if Key in self.refused:
            raise client_error("AccessDenied")
        if body is None:
            raise client_error(self.missing)
        return {"Body": io.BytesIO(body), "ContentLength": len(body)}

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **_: Any) -> dict[str, Any]:
        if Prefix in self.refused:
            raise client_error("AccessDenied")
        versions = self.objects.get((Bucket, Prefix), ())
        body = versions[0].body if versions else None
        if body is None:
            return {}
        # As ``MemoryBucket`` tells versions apart.
        return {"Contents": [{"Key": Prefix, "ETag": f'"{sha256(body)[:32]}"', "Size": len(body)}]}

    def get_paginator(self, name: str) -> MemoryS3 | _Latest:
        if name == "list_objects_v2":
            return _Latest(self)
        assert name == "list_object_versions"
        return self

    def paginate(self, *, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[dict[str, Any]]:
        keys = sorted(key for bucket, key in self.objects if bucket == Bucket and key.startswith(Prefix))
        below = {key for key in keys if Delimiter and Delimiter in key[len(Prefix) :]}
        folders = sorted({Prefix + key[len(Prefix) :].split("/")[0] + "/" for key in below})
        entries = [
            {"Key": key, "VersionId": version.identity, "IsLatest": place == 0, "LastModified": version.at, "m": marker}
            for key in keys
            if key not in below
            for place, version in enumerate(self.objects[Bucket, key])
            for marker in [version.body is None]
        ]
        for start in range(0, max(len(entries), 1), PAGE):
            page = entries[start : start + PAGE]
            yield {
                "Versions": [entry for entry in page if not entry["m"]],
                "DeleteMarkers": [entry for entry in page if entry["m"]],
                "CommonPrefixes": [{"Prefix": folder} for folder in folders] if start == 0 else [],
            }


@dataclass(frozen=True)
class _Latest:
    """The objects as they are now."""

    bucket: MemoryS3

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        for page in self.bucket.paginate(**request):
            yield {
                "Contents": [entry for entry in page["Versions"] if entry["IsLatest"]],
                "CommonPrefixes": page["CommonPrefixes"],
            }
