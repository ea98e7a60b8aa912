"""Records: where they lie, what they hold, and that they are written once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from orchestration.domain.decision import ModelState, decide
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.policy import parse_policy
from orchestration.domain.reasons import Reason
from orchestration.domain.records import (
    decision_key,
    decision_record,
    evidence_key,
    idempotency_token,
    is_approval_key,
    manifest_key,
    output_prefix,
    rejection_record,
    sha256,
    undecided_key,
)
from orchestration.domain.signal import Rejection, identify
from orchestration.stores.bucket_s3 import AutomationBucket, RecordLock
from tests.unit.fake_services import client_error
from tests.unit.fakes import NOON, SETTINGS
from tests.unit.test_decision import signal

quick = settings(max_examples=80)


@quick
@given(st.text(max_size=30))
def test_an_id_is_32_hex_characters_whatever_it_names(text: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", identify("alarm", text, None))


def test_half_a_surrogate_pair_is_named_like_any_other_text() -> None:
    assert identify("alarm", "a\ud800") != identify("alarm", "a\ud801")


def test_ids_tell_their_parts_apart() -> None:
    assert identify("a", "bc") != identify("ab", "c")
    assert identify("a", None) == identify("a", "")


@pytest.mark.parametrize(
    ("run_id", "key"),
    [
        ("run-1_b", "rejected/run-1_b.json"),
        ("r" * 80, f"rejected/{'r' * 80}.json"),
        ("r" * 81, f"rejected/{'r' * 80}-{sha256('r' * 81)[:12]}.json"),
        ("a/b", f"rejected/a-b-{sha256('a/b')[:12]}.json"),
        ("läuft", f"rejected/l-uft-{sha256('läuft')[:12]}.json"),
        ("run-٣", f"rejected/run---{sha256('run-٣')[:12]}.json"),
    ],
)
def test_the_event_of_an_execution_that_decided_nothing_lies_under_its_name_or_a_legal_part_and_its_hash(
    run_id: str, key: str
) -> None:
    assert undecided_key(run_id) == key


@pytest.mark.parametrize("run_id", ["run-1", "r" * 80, "sweep-alarm-0123", "mit Leerzeichen"])
def test_a_token_is_legal_wherever_a_training_needs_a_name(run_id: str) -> None:
    token = idempotency_token(run_id)
    assert re.fullmatch(r"[0-9a-f]{40}", token)
    assert token == idempotency_token(run_id)


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("evidence/churn/run-1/approval-training.json", True),
        ("evidence/churn/run-1/approval-training-vote-0.json", True),
        ("decisions/churn/approval-training.json", False),
        ("evidence/churn/run-1/outcome.json", False),
        ("evidence/churn/approval-1/outcome.json", False),
    ],
)
def test_the_evidence_of_an_approval_is_known_by_where_it_lies(key: str, is_one: bool) -> None:
    assert is_approval_key(key) is is_one


def test_keys_stand_where_reviewers_look_for_them() -> None:
    assert decision_key("churn", NOON, "0" * 32) == f"decisions/churn/2026/03/02/{'0' * 32}.json"
    assert decision_key(None, NOON, "0" * 32) == f"decisions/_unattributed/2026/03/02/{'0' * 32}.json"
    assert manifest_key("churn", "run-1") == "manifests/churn/run-1.json"
    assert output_prefix("churn", "run-1") == "runs/churn/run-1/outputs/"
    assert evidence_key("churn", "run-1", "outcome") == "evidence/churn/run-1/outcome.json"


def test_a_decision_and_a_rejection_have_the_same_fields_so_that_one_reader_reads_both() -> None:
    policy = parse_policy("churn", None, version="defaults", settings=SETTINGS)
    decided = decision_record(
        signal=signal(),
        verdict=decide(signal(), policy, ModelState(), NOON),
        policy=policy,
        state=ModelState(),
        model_state={},
        run_id="run-1",
        execution_arn="arn",
        event_id=None,
        decided_at=NOON,
    )
    rejected = rejection_record(
        rejection=Rejection(Reason.NO_MODEL, "Send model.", "0" * 32),
        run_id="run-1",
        execution_arn="arn",
        event_id=None,
        event_uri="s3://automation/rejected/0.json",
        decided_at=NOON,
    )
    assert set(rejected) - set(decided) == {"event_uri"}
    assert set(decided) <= set(rejected)
    assert (rejected["decision"], rejected["freezes"], rejected["guards"]) == ("REJECT", False, [])
    assert datetime.fromisoformat(decided["decided_at"]) == NOON
    assert next(guard["guard"] for guard in decided["guards"]) == "kill_switch"


# In the bucket.


class S3:
    """A versioned bucket on moto, and the adapter before it."""

    def __init__(self) -> None:
        self.client = boto3.client("s3", region_name="us-east-1")
        self.client.create_bucket(Bucket="automation", ObjectLockEnabledForBucket=True)
        enabled: Any = {"Status": "Enabled"}
        self.client.put_bucket_versioning(Bucket="automation", VersioningConfiguration=enabled)
        self.bucket = AutomationBucket(self.client, "automation")

    def put(self, key: str, body: bytes, bucket: str = "automation") -> str:
        self.client.put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """Give S3 with an empty bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield S3()


@pytest.mark.parametrize("folder", ["decisions", "manifests", "evidence", "rejected"])
def test_a_record_is_locked_as_it_is_written_with_a_checksum(s3: S3, folder: str) -> None:
    """Whatever the SDK would do by itself."""
    sent: list[Any] = []
    config = Config(request_checksum_calculation="when_required")
    client = boto3.client("s3", region_name="us-east-1", config=config)
    client.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.append(request.headers))
    bucket = AutomationBucket(client, "automation", RecordLock(400, lambda: NOON))

    assert bucket.write_once(f"{folder}/churn/x.json", {"a": 1})
    assert not bucket.write_once(f"{folder}/churn/x.json", {"a": 2})

    head = s3.client.head_object(Bucket="automation", Key=f"{folder}/churn/x.json")
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", NOON + timedelta(days=400))
    # S3 refuses a PUT with a retention that has neither this nor Content-MD5.
    assert {headers["x-amz-sdk-checksum-algorithm"] for headers in sent} == {b"CRC32"}
    assert all("x-amz-checksum-crc32" in headers or "x-amz-trailer" in headers for headers in sent)


@pytest.mark.parametrize("key", ["runs/churn/run-1/inputs/event.json", "policies/churn.json", "decisions.json"])
def test_what_is_no_record_is_not_locked(s3: S3, key: str) -> None:
    assert AutomationBucket(s3.client, "automation", RecordLock(400, lambda: NOON)).write_once(key, {"a": 1})
    assert "ObjectLockMode" not in s3.client.head_object(Bucket="automation", Key=key)


def test_nothing_is_locked_where_the_bucket_locks_nothing(s3: S3) -> None:
    assert s3.bucket.write_once("decisions/churn/x.json", {"a": 1})
    assert "ObjectLockMode" not in s3.client.head_object(Bucket="automation", Key="decisions/churn/x.json")


def test_a_record_is_written_once_and_stays(s3: S3) -> None:
    assert s3.bucket.write_once("decisions/churn/x.json", {"a": 1})
    assert not s3.bucket.write_once("decisions/churn/x.json", {"a": 2})
    assert s3.bucket.read("s3://automation/decisions/churn/x.json").body == b'{"a":1}'
    assert len(s3.client.list_object_versions(Bucket="automation")["Versions"]) == 1


def test_a_document_is_its_bytes_and_version_or_the_reason_why_not(s3: S3) -> None:
    s3.put("policies/churn.json", b"{}")
    found = s3.bucket.read(s3.bucket.uri("policies/churn.json"))
    assert (found.body, found.unreadable) == (b"{}", None)
    assert found.version
    for uri in (s3.bucket.uri("policies/fraud.json"), "s3://no-such-bucket-anywhere/x"):
        assert s3.bucket.read(uri) == Document(uri, unreadable=Unreadable.MISSING)


def test_a_document_that_is_too_large_is_not_read(s3: S3) -> None:
    found = s3.bucket.read(s3.put("reports/large.json", b"x" * 5_000_001))
    assert (found.body, found.unreadable) == (None, Unreadable.TOO_LARGE)


def test_a_document_larger_than_its_reader_takes_is_told_from_the_next_one_that_is(s3: S3) -> None:
    s3.client.create_bucket(Bucket="unversioned")
    for bucket in ("automation", "unversioned"):
        found = [s3.bucket.read(s3.put("p", body * 11, bucket), at_most=10) for body in (b"a", b"b")]
        assert {(each.body, each.unreadable) for each in found} == {(None, Unreadable.TOO_LARGE)}
        assert len({each.version for each in found} - {""}) == 2
        assert s3.bucket.read(s3.put("p", b"a" * 10, bucket), at_most=10).body == b"a" * 10


def test_an_object_in_an_unversioned_bucket_has_a_version_made_from_its_content(s3: S3) -> None:
    s3.client.create_bucket(Bucket="unversioned")
    versions = [s3.bucket.read(s3.put("x", body, "unversioned")).version for body in (b"YES", b"NO")]
    assert versions[0] != versions[1]


def test_one_content_of_an_object_is_told_from_another_without_reading_it(s3: S3) -> None:
    uri = s3.put("runs/model.tar.gz", b"weights")
    s3.put("runs/model.tar.gz.sha256", b"beside it")
    first = s3.bucket.version(uri)
    assert first is not None
    assert s3.bucket.version(s3.put("runs/model.tar.gz", b"weights")) == first
    assert s3.bucket.version(s3.put("runs/model.tar.gz", b"others")) != first


@pytest.mark.parametrize("uri", ["s3://automation/runs/model", "s3://automation/none", "s3://no-such-bucket/x"])
def test_what_is_not_there_has_no_version_and_neither_has_what_only_begins_like_it(uri: str, s3: S3) -> None:
    s3.put("runs/model.tar.gz", b"weights")
    assert s3.bucket.version(uri) is None


class Answering:
    """An S3 client that answers with these errors, in this order, and then takes everything."""

    def __init__(self, *errors: ClientError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def _answer(self, **_: Any) -> dict[str, Any]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return {}

    put_object = get_object = list_objects_v2 = _answer


def test_a_write_beside_another_of_the_same_key_is_tried_again_until_one_of_them_is_there() -> None:
    """S3 answers 409 while another conditional write of the key goes on; the SDK does not try that again."""
    busy = client_error("ConditionalRequestConflict", status=409)
    there = client_error("PreconditionFailed", status=412)
    assert bucket_of(Answering(busy, busy)).write_once("x", {}) is True
    assert bucket_of(Answering(busy, there)).write_once("x", {}) is False
    with pytest.raises(ClientError):
        bucket_of(Answering(*[busy] * 4)).write_once("x", {})


def test_a_document_that_may_not_be_read_is_a_value_and_a_service_that_fails_is_an_error() -> None:
    denied = client_error("AccessDenied", status=403)
    assert bucket_of(Answering(denied)).read("s3://b/x").unreadable is Unreadable.ACCESS_DENIED
    assert bucket_of(Answering(denied)).version("s3://b/x") is None
    broken = client_error("InternalError", status=500)
    with pytest.raises(ClientError):
        bucket_of(Answering(broken)).read("s3://b/x")
    with pytest.raises(ClientError):
        bucket_of(Answering(broken)).version("s3://b/x")


def bucket_of(client: Answering) -> AutomationBucket:
    return AutomationBucket(cast("Any", client), "b")
