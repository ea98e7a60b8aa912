"""Records: written once, canonical, and chained so that a missing or edited one shows."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.decision import ModelState, decide
from orchestration.domain.documents import Document
from orchestration.domain.json_values import canonical
from orchestration.domain.policy import parse_policy
from orchestration.domain.records import (
    GENESIS,
    chained,
    decision_key,
    decision_record,
    evidence_key,
    idempotency_token,
    manifest_key,
    output_prefix,
    record_hash,
    rejection_record,
)
from orchestration.domain.signal import Rejection, identify
from tests.unit.fakes import NOON, SETTINGS, World
from tests.unit.test_decision import signal

quick = settings(max_examples=80, deadline=None, derandomize=True, database=None)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def chain(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    previous = GENESIS
    for number, body in enumerate(bodies, start=1):
        records.append(chained(body, sequence=number, previous_hash=previous))
        previous = records[-1]["chain"]["hash"]
    return records


def is_intact(records: list[dict[str, Any]], head: str) -> bool:
    previous = GENESIS
    for number, record in enumerate(records, start=1):
        link = record["chain"]
        if (link["sequence"], link["previous_hash"], link["hash"]) != (number, previous, record_hash(record)):
            return False
        previous = link["hash"]
    return previous == head


@quick
@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), min_size=1, max_size=4), st.data())
def test_removing_editing_or_swapping_a_record_breaks_the_chain(
    bodies: list[dict[str, Any]], data: st.DataObject
) -> None:
    records = chain(*bodies)
    head = records[-1]["chain"]["hash"]
    assert is_intact(records, head)
    # As verification reads them: from their JSON.
    read = [json.loads(canonical(record)) for record in records]
    assert is_intact(read, head)
    place = data.draw(st.integers(0, len(records) - 1))
    assert not is_intact(read[:place] + read[place + 1 :], head)
    edited = {**read[place], "a": ["another value"]}
    assert not is_intact([*read[:place], edited, *read[place + 1 :]], head)
    rehashed = chained(
        {key: item for key, item in edited.items() if key != "chain"},
        sequence=place + 1,
        previous_hash=read[place]["chain"]["previous_hash"],
    )
    assert not is_intact([*read[:place], rehashed, *read[place + 1 :]], head)


def test_the_hash_covers_the_place_in_the_chain() -> None:
    first = chained({"a": 1}, sequence=1, previous_hash=GENESIS)
    assert first["chain"]["hash"] != chained({"a": 1}, sequence=2, previous_hash=GENESIS)["chain"]["hash"]
    assert first["chain"]["hash"] != chained({"a": 1}, sequence=1, previous_hash="1" * 64)["chain"]["hash"]


@quick
@given(values)
def test_canonical_text_is_json_in_utf8_and_stays_itself_when_read_back(value: Any) -> None:
    text = canonical(value)
    text.encode()
    assert canonical(json.loads(text)) == text
    assert "\n" not in text


def test_numbers_that_json_cannot_say_are_written_as_their_names() -> None:
    assert canonical([float("nan"), float("inf"), -float("inf")]) == '["nan","inf","-inf"]'


@quick
@given(st.text(max_size=30))
def test_an_id_is_32_hex_characters_whatever_it_names(text: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", identify("alarm", text, None))


def test_ids_tell_their_parts_apart() -> None:
    assert identify("a", "bc") != identify("ab", "c")
    assert identify("a", None) == identify("a", "")


@pytest.mark.parametrize("run_id", ["run-1", "r" * 80, "sweep-alarm-0123", "mit Leerzeichen"])
def test_a_token_is_legal_wherever_a_training_needs_a_name(run_id: str) -> None:
    token = idempotency_token(run_id)
    assert re.fullmatch(r"[a-zA-Z0-9]{32,63}", token)
    assert token == idempotency_token(run_id)


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
        policy_version=policy.version,
        run_id="run-1",
        execution_arn="arn",
        event_id=None,
        decided_at=NOON,
    )
    rejected = rejection_record(
        rejection=Rejection("NO_MODEL", "Send model.", "0" * 32),
        run_id="run-1",
        execution_arn="arn",
        event_id=None,
        event_uri="s3://automation/rejected/0.json",
        decided_at=NOON,
    )
    assert set(rejected) - set(decided) == {"event_uri"}
    assert set(decided) <= set(rejected)
    assert datetime.fromisoformat(decided["decided_at"]) == NOON
    assert next(guard["guard"] for guard in decided["guards"]) == "kill_switch"


# In the bucket.


def test_a_record_is_written_once_and_stays(world: World) -> None:
    assert world.bucket.write_once("decisions/churn/x.json", {"a": 1})
    assert not world.bucket.write_once("decisions/churn/x.json", {"a": 2})
    assert world.read("decisions/churn/x.json") == {"a": 1}
    assert world.versions("decisions/churn/x.json") == 1


def test_a_document_is_its_bytes_and_version_or_the_reason_why_not(world: World) -> None:
    world.put("policies/churn.json", b"{}")
    found = world.bucket.read(world.bucket.uri("policies/churn.json"))
    assert (found.body, found.unreadable) == (b"{}", None)
    assert found.version
    for uri in (world.bucket.uri("policies/fraud.json"), "s3://no-such-bucket-anywhere/x"):
        assert world.bucket.read(uri) == Document(uri, unreadable=world.bucket.read(uri).unreadable)
        assert str(world.bucket.read(uri).unreadable) == "MISSING"


def test_a_document_that_is_too_large_is_not_read(world: World) -> None:
    world.put("reports/large.json", b"x" * 5_000_001)
    found = world.bucket.read(world.bucket.uri("reports/large.json"))
    assert (found.body, str(found.unreadable)) == (None, "TOO_LARGE")


def test_an_object_in_an_unversioned_bucket_has_a_version_made_from_its_content(world: World) -> None:
    world.cloud.s3.create_bucket(Bucket="unversioned")
    versions = []
    for body in (b"YES", b"NO"):
        world.cloud.s3.put_object(Bucket="unversioned", Key="x", Body=body)
        versions.append(world.bucket.read("s3://unversioned/x").version)
    assert versions[0] != versions[1]
