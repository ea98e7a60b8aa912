"""The AutomationBucket and the documents signals refer to."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from orchestration.domain.canonical_json import canonical
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.json_values import DOCUMENT_BYTES_LIMIT, text
from orchestration.domain.records import RECORD_FOLDERS
from orchestration.stores.service_answers import Answer, Taken, asked
from orchestration.stores.service_errors import transient

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from types_boto3_s3 import S3Client

    from orchestration.domain.artifact import ArtifactCopy

CONFLICT_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class RecordLock:
    """How each record is locked as it is written: for ``days`` from ``now``, an aware datetime.

    On the object and not as the bucket's default, which would hold for the data of runs too.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html, and ``PutObject`` in the API.
    """

    days: int
    now: Callable[[], datetime]

    def of(self, key: str) -> dict[str, Any]:
        """What PutObject is given to lock a key: a retention, and the checksum S3 then asks for. Nothing for what is no record."""
        if not key.startswith(RECORD_FOLDERS):
            return {}
        return {
            "ObjectLockMode": "GOVERNANCE",
            "ObjectLockRetainUntilDate": self.now() + timedelta(days=self.days),
            "ChecksumAlgorithm": "CRC32",
        }


class AutomationBucket:
    """Writes records once and reads documents. ``lock`` is None where records are not locked."""

    def __init__(self, client: S3Client, name: str, lock: RecordLock | None = None) -> None:
        self._client = client
        self._lock = lock
        self.name = name

    def uri(self, key: str) -> str:
        """The S3 URI of a key in the bucket."""
        return f"s3://{self.name}/{key}"

    def write_once(self, key: str, value: Any, content_type: str = "application/json") -> bool:
        """Write a JSON record, or bytes of another type, unless it is there; what is there stays. True when this call wrote it.

        Source: S3 conditional writes, ``If-None-Match: *`` answers 412 when the key exists, 409 when another write of it
        goes on: that one is tried again, since the SDK does not.
        """
        body = value if isinstance(value, bytes) else canonical(value).encode()
        locked = self._lock.of(key) if self._lock else {}
        for attempt in range(CONFLICT_TRIES):
            try:
                self._client.put_object(
                    Bucket=self.name, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*", **locked
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in {"PreconditionFailed", "412"}:
                    return False
                if code not in {"ConditionalRequestConflict", "OperationAborted"} or attempt + 1 == CONFLICT_TRIES:
                    raise
            else:
                return True
        return False

    def version(self, uri: str) -> str | None:
        """What tells one content of an object from another: its ETag and size. None when it is not there, or not to be seen.

        Listing asks for no right on the object itself, which may be gigabytes in a team's own bucket.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            listed = self._client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        except ClientError as error:
            if transient(error):
                raise
            return None
        for found in listed.get("Contents", []):
            if found["Key"] == key:
                return f"{found['ETag'].strip(chr(34))}/{found['Size']}"
        return None

    def copy(self, copy: ArtifactCopy, going_on: Callable[[], bool]) -> Taken:
        """Go on with a copy into this bucket, from the first part that is missing, while ``going_on`` says so.

        S3 itself knows what was begun and which parts there are, so a copy may be left at any moment; one that is left for
        good is taken off by the bucket's lifecycle rule. Small objects go the same way: AWS's pages do not agree on whether
        CopyObject can be made to write once.

        Returns:
            TAKEN when the copy is there, EXISTS when it was; NOT_YET when somebody has to go on with it; REFUSED.
        """
        source_bucket, _, source_key = copy.source.removeprefix("s3://").partition("/")
        key = copy.uri.removeprefix(self.uri(""))
        begun = asked(lambda: self._begun(key), "ListParts")
        if begun.returned is None:
            return begun
        upload, parts = begun.returned["upload"], begun.returned["parts"]
        every = list(copy.parts())
        for number, span in every:
            if number in parts:
                continue
            if not going_on():
                return Taken(Answer.NOT_YET, f"{len(parts)} of {len(every)} parts of {copy.source} are copied.")
            request: Any = {"CopySourceRange": span} if span else {}
            taken = asked(
                functools.partial(
                    self._client.upload_part_copy,
                    **request,
                    Bucket=self.name,
                    Key=key,
                    UploadId=upload,
                    PartNumber=number,
                    CopySource={"Bucket": source_bucket, "Key": source_key},
                    CopySourceIfMatch=f'"{copy.etag}"',
                ),
                "UploadPartCopy",
            )
            if taken.returned is None:
                return taken
            parts[number] = taken.returned["CopyPartResult"]["ETag"]
        listed: Any = [{"PartNumber": number, "ETag": parts[number]} for number, _ in every]
        return asked(
            lambda: self._client.complete_multipart_upload(
                Bucket=self.name, Key=key, UploadId=upload, MultipartUpload={"Parts": listed}, IfNoneMatch="*"
            ),
            "CompleteMultipartUpload",
        )

    def _begun(self, key: str) -> dict[str, Any]:
        """The upload that makes an object, a new one if there is none, and the ETags of its parts by their number."""
        uploads = self._client.list_multipart_uploads(Bucket=self.name, Prefix=key).get("Uploads", [])
        for upload in (found["UploadId"] for found in uploads if found["Key"] == key):
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self.name, Key=key, UploadId=upload)
            parts = {part["PartNumber"]: part["ETag"] for page in pages for part in page.get("Parts", [])}
            return {"upload": upload, "parts": parts}
        return {"upload": self._client.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"], "parts": {}}

    def read(self, uri: str, *, at_most: int = DOCUMENT_BYTES_LIMIT) -> Document:
        """Read an object by its URI; one that is missing, forbidden or larger than ``at_most`` bytes is a value, not an error."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if code in {"NoSuchKey", "NoSuchBucket", "404"} or status == 404:  # noqa: PLR2004 - HTTP
                return Document(uri, unreadable=Unreadable.MISSING)
            if code in {"AccessDenied", "403", "AllAccessDisabled", "KMS.DisabledException"} or status == 403:  # noqa: PLR2004 - HTTP
                return Document(uri, unreadable=Unreadable.ACCESS_DENIED)
            raise
        version = answer.get("VersionId") or ""
        if answer["ContentLength"] > at_most:
            answer["Body"].close()
            # Where no version tells one content from another, the ETag does.
            named = answer["ETag"].strip('"') if version in {"", "null"} else version
            return Document(uri, version=named, unreadable=Unreadable.TOO_LARGE)
        body = answer["Body"].read()
        if version in {"", "null"}:
            # Unversioned bucket: content and time of writing stand for the version.
            modified = answer["LastModified"].isoformat()
            version = f"{hashlib.sha256(body).hexdigest()[:16]}-{modified}"
        return Document(
            uri,
            body=body,
            version=version,
            written_at=answer["LastModified"].isoformat(),
            written_by=text(answer.get("Metadata", {}).get("written-by"), 200) or "",
        )
