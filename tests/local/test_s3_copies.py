"""What the loop relies on to copy an artifact once: the embedded S3 answers as AWS does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.local.conftest import Account

MIB = 1024**2
KEY = "artifacts/fraud/run-1/0123/model.tar.gz"


def refused(call: Any, **request: Any) -> str:
    """The code of the error of a call; no text when it has none."""
    try:
        call(**request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_only_a_bucket_with_object_lock_takes_the_header_that_passes_it(account: Account) -> None:
    account.s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    for bucket, code in (("data", "InvalidArgument"), ("locked", "")):
        account.s3.put_object(Bucket=bucket, Key="a", Body=b"a")
        assert refused(account.s3.delete_object, Bucket=bucket, Key="a", BypassGovernanceRetention=True) == code
    assert refused(account.s3.delete_object, Bucket="data", Key="a") == ""


def test_a_copy_is_found_gone_on_with_and_made_once(account: Account) -> None:
    body = b"1" * 5 * MIB + b"2"
    etag = account.s3.put_object(Bucket="data", Key="model.tar.gz", Body=body)["ETag"]
    upload = account.s3.create_multipart_upload(Bucket="data", Key=KEY)["UploadId"]
    account.s3.create_multipart_upload(Bucket="data", Key="other")
    part: Any = {
        "Bucket": "data",
        "Key": KEY,
        "UploadId": upload,
        "CopySource": {"Bucket": "data", "Key": "model.tar.gz"},
        "CopySourceIfMatch": etag,
    }
    first = account.s3.upload_part_copy(**part, PartNumber=1, CopySourceRange=f"bytes=0-{5 * MIB - 1}")

    (found,) = account.s3.list_multipart_uploads(Bucket="data", Prefix=KEY)["Uploads"]
    assert (found["Key"], found["UploadId"]) == (KEY, upload)
    (listed,) = account.s3.list_parts(Bucket="data", Key=KEY, UploadId=upload)["Parts"]
    assert (listed["PartNumber"], listed["ETag"]) == (1, first["CopyPartResult"]["ETag"])

    second = account.s3.upload_part_copy(**part, PartNumber=2, CopySourceRange=f"bytes={5 * MIB}-{5 * MIB}")
    parts = [{"PartNumber": n, "ETag": made["CopyPartResult"]["ETag"]} for n, made in enumerate((first, second), 1)]
    again = account.s3.create_multipart_upload(Bucket="data", Key=KEY)["UploadId"]
    whole = account.s3.upload_part_copy(**{**part, "UploadId": again}, PartNumber=1)["CopyPartResult"]["ETag"]
    once: Any = {"Bucket": "data", "Key": KEY, "IfNoneMatch": "*"}
    account.s3.complete_multipart_upload(**once, UploadId=upload, MultipartUpload={"Parts": parts})
    assert account.s3.get_object(Bucket="data", Key=KEY)["Body"].read() == body
    late = {"Parts": [{"PartNumber": 1, "ETag": whole}]}
    complete = account.s3.complete_multipart_upload
    assert refused(complete, **once, UploadId=again, MultipartUpload=late) == "PreconditionFailed"

    account.s3.put_object(Bucket="data", Key="model.tar.gz", Body=b"never judged")
    assert refused(account.s3.upload_part_copy, **{**part, "UploadId": again}, PartNumber=2) == "PreconditionFailed"
