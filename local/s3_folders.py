"""Copies between S3 prefixes and folders, the way SageMaker fills and empties a job's ``/opt/ml``."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class DownloadError(Exception):
    """The data a job needs is not there, with the sentence SageMaker gives as the failure reason."""


def split_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key.

    Raises:
        DownloadError: It is not an S3 URI.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise DownloadError(f"ClientError: {uri!r} is not an S3 URI.")
    return bucket, key


def _relative_name(key: str, prefix: str) -> str:
    if key == prefix:
        return key.rpartition("/")[2]
    if prefix.endswith("/") or not prefix:
        return key[len(prefix) :]
    if key[len(prefix)] == "/":
        return key[len(prefix) + 1 :]
    # A prefix need not end at a slash: "data/tr" selects "data/train/a.csv", which arrives as "train/a.csv".
    return key[prefix.rfind("/") + 1 :]


def download_prefix(s3: Any, uri: str, folder: Path, *, region: str, role_arn: str) -> None:
    """Copy every object under the prefix into the folder.

    Raises:
        DownloadError: Nothing is there, or the bucket is not.
    """
    bucket, prefix = split_uri(uri)
    folder.mkdir(parents=True, exist_ok=True)
    nothing = (
        f'ClientError: Data download failed:No S3 objects found under S3 URL "{uri}" given in input data source. '
        f"Please ensure that the bucket exists in the selected region ({region}), that objects exist under that S3 "
        f'prefix, and that the role "{role_arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )
    found = False
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                name = _relative_name(item["Key"], prefix)
                if item["Key"].endswith("/") or not name:
                    continue
                target = (folder / name).resolve()
                # A key may contain "..": it must not leave the folder it was asked into.
                if not target.is_relative_to(folder.resolve()):
                    raise DownloadError(f"ClientError: the S3 key {item['Key']!r} leaves its folder.")
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, item["Key"], str(target))
                found = True
    except s3.exceptions.ClientError as error:
        raise DownloadError(f"{nothing} Error message from S3: {error}") from error
    if not found:
        raise DownloadError(nothing)


def download_and_unpack(s3: Any, uri: str, folder: Path) -> None:
    """Unpack the tar.gz at the URI into the folder.

    Raises:
        DownloadError: There is no such object, or it is not a tar.gz that stays inside the folder.
    """
    bucket, key = split_uri(uri)
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder.with_name(folder.name + ".tar.gz")
    try:
        s3.download_file(bucket, key, str(archive))
    except s3.exceptions.ClientError as error:
        raise DownloadError(f"ClientError: cannot download {uri}: {error}") from error
    try:
        with tarfile.open(archive) as tar:
            _extract(tar, folder)
    except tarfile.TarError as error:
        raise DownloadError(f"ClientError: cannot unpack {uri}: {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Unpack what stays inside the folder.

    Raises:
        TarError: Something does not.
    """
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, filter="data")
        return
    # Python 3.11.4 brought filters; Debian 12 has 3.11.2.
    for member in tar:
        inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
        if not inside or not (member.isfile() or member.isdir()):
            raise tarfile.ExtractError(f"{member.name!r} is outside, or neither a file nor a folder")
        tar.extract(member, folder)


def upload_folder(s3: Any, folder: Path, uri: str) -> None:
    """Copy every file of the folder under the prefix, names relative to the folder, in order of name."""
    bucket, prefix = split_uri(uri)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        s3.upload_file(str(path), bucket, f"{prefix.rstrip('/')}/{name}" if prefix.strip("/") else name)


def upload_packed(s3: Any, folder: Path, uri: str) -> None:
    """Pack the folder's contents as tar.gz and store it at the URI."""
    bucket, key = split_uri(uri)
    archive = folder.with_name(folder.name + ".upload.tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    s3.upload_file(str(archive), bucket, key)
    archive.unlink()
