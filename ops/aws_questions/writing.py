"""Questions about what is written: records in S3, transactions in DynamoDB."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from ops.aws_questions.question import DOCS, Answer, Question
from ops.template import sources
from orchestration.domain.artifact import artifact_copy
from orchestration.stores.bucket_s3 import AutomationBucket, RecordLock
from orchestration.stores.service_answers import Answer as Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.aws_questions.account import Account

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})


def _records(account: Account) -> str:
    """A bucket with Object Lock whose policy asks for If-None-Match under ``evidence/``, by the template's own statement."""

    def make() -> str:
        bucket = account.bucket("records", ObjectLockEnabledForBucket=True)
        document = sources()["Resources"]["AutomationBucketPolicy"]["Properties"]["PolicyDocument"]
        folders = {"RecordsAreWrittenOnce": "evidence", "ArtifactsAreWrittenOnce": "artifacts"}
        statements = [
            {**each, "Resource": f"arn:{account.partition}:s3:::{bucket}/{folders[each['Sid']]}/*"}
            for each in document["Statement"]
            if each.get("Sid") in folders
        ]
        account.client("s3").put_bucket_policy(
            Bucket=bucket, Policy=json.dumps({"Version": document["Version"], "Statement": statements})
        )
        return bucket

    return str(account.seen("records", make))


def record_lock(account: Account) -> Answer:
    """Write one record as the loop does, and take it away with and without the bypass."""
    s3, bucket = account.client("s3"), _records(account)
    key = f"evidence/{account.name('locked')}.json"
    now = datetime.now(UTC)
    try:
        written = AutomationBucket(s3, bucket, RecordLock(1, lambda: now)).write_once(key, {"verify": "lock"})
    except ClientError as error:
        return Answer(False, f"S3 refused the PUT with a retention: {error}.")
    version = s3.head_object(Bucket=bucket, Key=key)
    mode, until = version.get("ObjectLockMode"), version.get("ObjectLockRetainUntilDate")
    try:
        s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])
        kept = "deleted without the bypass"
    except ClientError as error:
        kept = str(error.response["Error"]["Code"])
    bypass = _code(
        lambda: s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"], BypassGovernanceRetention=True)
    )
    return Answer(
        bool(written) and mode == "GOVERNANCE" and kept in DENIED and bypass == "taken",
        f"The PUT was taken with mode {mode} until {until}; a deletion of the version: {kept}; with the bypass: {bypass}.",
    )


def write_once(account: Account) -> Answer:
    """Write a record twice, then in each way that could replace it."""
    s3, bucket = account.client("s3"), _records(account)
    key, source = f"evidence/{account.name('once')}.json", f"data/{account.name('source')}"
    s3.put_object(Bucket=bucket, Key=source, Body=b"{}")
    records = AutomationBucket(s3, bucket)
    first, second = records.write_once(key, {"verify": 1}), records.write_once(key, {"verify": 2})
    naked = account.refused(lambda: s3.put_object(Bucket=bucket, Key=f"{key}.without-header", Body=b"{}"))
    copied = account.refused(
        lambda: s3.copy_object(
            Bucket=bucket, Key=f"{key}.copied-without-header", CopySource={"Bucket": bucket, "Key": source}
        )
    )
    with_header = _code(
        lambda: s3.copy_object(
            Bucket=bucket, Key=f"{key}.copied", CopySource={"Bucket": bucket, "Key": source}, IfNoneMatch="*"
        )
    )
    return Answer(
        first and not second and naked in DENIED and copied in DENIED,
        f"Written: {first}, again: {second}; a PUT without the header: {naked}; a CopyObject without: {copied}, with: "
        f"{with_header}.",
    )


def multipart(account: Account) -> Answer:
    """Complete an upload in parts onto a record that is there, and onto a new key, with the header and without."""
    s3, bucket = account.client("s3"), _records(account)
    key = f"data/{account.name('parts')}"

    def complete(**header: str) -> str:
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"{}")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        said = _code(
            lambda: s3.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=parts, **header
            )
        )
        if said != "taken":
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        return said

    new, again = complete(IfNoneMatch="*"), complete(IfNoneMatch="*")
    begun = account.refused(
        lambda: s3.create_multipart_upload(Bucket=bucket, Key=f"evidence/{account.name('parts-onto-a-record')}")
    )
    return Answer(
        new == "taken" and again in {"PreconditionFailed", "412"} and begun in DENIED,
        f"With If-None-Match a new key is {new}, one that is there {again}; an upload in parts onto a record is begun: "
        f"{begun or 'yes'}.",
    )


def leading_keys(account: Account) -> Answer:
    """Write as ApprovalFunction does, under its own statements, and then what they do not allow."""
    made = account.seen("leading keys", lambda: _table_and_role(account))
    credentials = account.spread_out(
        lambda: account.client("sts").assume_role(RoleArn=made["role_arn"], RoleSessionName="verify")
    )["Credentials"]
    as_function: Any = boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=account.region,
    ).client("dynamodb")
    run = account.name("vote")

    def item(key: str) -> dict[str, Any]:
        return {"pk": {"S": key}, "sk": {"S": "-"}}

    def key(key: str) -> dict[str, Any]:
        return {"TableName": made["table"], "Key": item(key)}

    def vote() -> Any:
        return as_function.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": made["table"], "Item": item(f"STATUS#{run}")}},
                {"Put": {"TableName": made["table"], "Item": item("CHAIN#verify")}},
                {
                    "Update": {
                        **key(f"APPROVAL#{run}"),
                        "UpdateExpression": "SET answered = :yes",
                        "ExpressionAttributeValues": {":yes": {"BOOL": True}},
                    }
                },
                {"Delete": key("DUE#APPROVALS")},
            ]
        )

    def forge() -> Any:
        # PutItem is allowed on STATUS# and not on APPROVAL#, UpdateItem the other way round.
        return as_function.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": made["table"], "Item": item(f"STATUS#{run}-2")}},
                {"Put": {"TableName": made["table"], "Item": item("APPROVAL#forged")}},
            ]
        )

    # Outside of a transaction the same statements let it write: what is refused after this is refused for the transaction.
    account.spread_out(lambda: as_function.put_item(TableName=made["table"], Item=item(f"STATUS#{run}-0")))
    votes, said = True, ""
    try:
        account.spread_out(vote)
    except ClientError as error:
        votes, said = False, str(error)
    forged = account.refused(forge)
    if not votes:
        return Answer(False, f"Keys of all items are held against each statement: the vote is refused ({said}).")
    if forged is None:
        return Answer(False, "The condition says nothing in a transaction: the vote is taken, and the forgery too.")
    return Answer(
        forged in DENIED,
        f"Each item is judged by its own action and key: the vote is taken, the forgery refused ({forged}).",
    )


def copied_once(account: Account) -> Answer:
    """Copy an artifact as the loop does, twice, and then write over the copy in the ways that could replace it."""
    s3, bucket = account.client("s3"), _records(account)
    source = f"data/{account.name('model')}.tar.gz"
    put = s3.put_object(Bucket=bucket, Key=source, Body=b"model")
    version = f"{put['ETag'].strip(chr(34))}/5"
    copy = artifact_copy(f"s3://{bucket}/{source}", version, bucket=bucket, model="verify", run_id=account.name("copy"))
    key = copy.uri.removeprefix(f"s3://{bucket}/")
    copies = AutomationBucket(s3, bucket)
    first, again = copies.copy(copy, lambda: True), copies.copy(copy, lambda: True)
    naked = account.refused(lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"other"))
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"other")
    parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    ended = account.refused(
        lambda: s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=parts)
    )
    if ended is not None:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    return Answer(
        first.answer is Said.TAKEN and again.answer is Said.EXISTS and naked in DENIED and ended in DENIED,
        f"A copy in parts: {first.sentence or first.answer}; again: {again.sentence or again.answer}; a PUT onto it without the "
        f"header: {naked or 'taken'}; parts onto it, ended without: {ended or 'taken'}.",
    )


def _table_and_role(account: Account) -> dict[str, str]:
    dynamodb, table = account.client("dynamodb"), account.noted("table", account.name("history"))
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    document = sources()["Resources"]["ApprovalFunctionPolicy"]["Properties"]["PolicyDocument"]
    statements = [
        {**each, "Resource": account.arn("dynamodb", f"table/{table}")}
        for each in document["Statement"]
        if str(each.get("Action", "")).startswith("dynamodb:")
    ]
    owner = f"arn:{account.partition}:iam::{account.identity()['Account']}:root"
    role_arn = account.role("vote", owner, statements, trusts="AWS")
    account.awaited(
        lambda: dynamodb.describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE", f"table {table}"
    )
    return {"table": table, "role_arn": role_arn}


def _code(call: Callable[[], Any]) -> str:
    """``taken``, or the code of the refusal."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "taken"


QUESTIONS = (
    Question(
        name="leading-keys-in-a-transaction",
        asks="In a transaction each item is judged by its own action and key.",
        document=f"{DOCS}/amazondynamodb/latest/developerguide/transaction-apis-iam.html",
        open="which keys dynamodb:LeadingKeys holds there: those of the item, those of all items, or none",
        built_on="every function's statements on HistoryTable; a vote, a decision, a verdict is one transaction",
        look=leading_keys,
    ),
    Question(
        name="record-lock",
        asks="A record is written with a retention of its own into a bucket without a default, and only the bypass takes it away.",
        document=f"{DOCS}/AmazonS3/latest/userguide/object-lock-managing.html",
        open="whether the SDK's checksum is the one S3 asks for",
        built_on="EvidenceObjectLock; src/orchestration/stores/bucket_s3.py",
        look=record_lock,
    ),
    Question(
        name="written-once",
        asks="A record that is there is not replaced, and a PUT or copy without If-None-Match is refused by the bucket policy.",
        document=f"{DOCS}/AmazonS3/latest/userguide/conditional-writes-enforce.html",
        open="what a copy with the header does: this page says 501, the one on conditional writes that it is taken",
        built_on="statement RecordsAreWrittenOnce; docs/security.md",
        look=write_once,
    ),
    Question(
        name="written-once-in-parts",
        asks="An upload in parts replaces nothing with If-None-Match, and cannot be begun onto a record.",
        document=f"{DOCS}/AmazonS3/latest/userguide/conditional-writes.html",
        open="whether beginning one counts as a PUT without the header",
        built_on="statement RecordsAreWrittenOnce; docs/security.md",
        look=multipart,
    ),
    Question(
        name="copied-once",
        asks="What an endpoint serves is copied in parts with If-None-Match, and nothing without it replaces the copy.",
        document=f"{DOCS}/AmazonS3/latest/userguide/conditional-writes-enforce.html",
        open="which value s3:ObjectCreationOperation has for each request, and whether ListMultipartUploads shows an upload at once",
        built_on="statement ArtifactsAreWrittenOnce; docs/promotion.md; docs/decisions/0023-artifact-copy.md",
        look=copied_once,
    ),
)
