"""How data is kept: encryption with and without a key, Object Lock, lifecycle, deletion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from orchestration.stores.history_table import HistoryTable
from tests.contract.template import ACCOUNT, ALIKE, REGION, Stack, Template
from tests.unit.memory_dynamodb import MemoryDynamoDB

KEY: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b"
PLAIN: Final = Template.read().resolve()
WITH_KEY: Final = Template.read().resolve({"KmsKeyArn": KEY})
RECORDS: Final = ("decisions/", "manifests/", "evidence/", "rejected/")


def properties(stack: Stack, logical_id: str) -> dict[str, Any]:
    """Properties of a resource."""
    found: dict[str, Any] = stack.resources[logical_id]["Properties"]
    return found


def test_the_bucket_is_encrypted_with_the_key_that_is_given_and_asks_for_it_rarely() -> None:
    (given,) = properties(WITH_KEY, "AutomationBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (default,) = properties(PLAIN, "AutomationBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert given == {
        "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
        "BucketKeyEnabled": True,
    }
    assert default == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_the_table_is_encrypted_recoverable_and_protected_from_deletion() -> None:
    table = properties(WITH_KEY, "HistoryTable")

    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    assert properties(PLAIN, "HistoryTable")["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True


def test_what_is_kept_for_a_while_only_carries_the_attribute_by_which_the_table_forgets() -> None:
    memory: Any = MemoryDynamoDB()
    HistoryTable(memory, "history").note_undecided("run-1", [], at=datetime(2026, 3, 2, tzinfo=UTC))
    (item,) = memory.items.values()
    forgets = properties(PLAIN, "HistoryTable")["TimeToLiveSpecification"]

    assert forgets["Enabled"] is True
    assert item[forgets["AttributeName"]]["N"].isdigit()


@pytest.mark.parametrize(
    ("kind", "member"),
    [("AWS::SNS::Topic", "KmsMasterKeyId"), ("AWS::SQS::Queue", "KmsMasterKeyId"), ("AWS::Logs::LogGroup", "KmsKeyId")],
)
def test_topics_queues_and_logs_take_the_key_or_none(kind: str, member: str) -> None:
    assert {resource["Properties"].get(member) for resource in WITH_KEY.of_type(kind).values()} == {KEY}
    assert {resource["Properties"].get(member) for resource in PLAIN.of_type(kind).values()} == {None}


def test_a_queue_has_one_kind_of_encryption() -> None:
    assert properties(PLAIN, "SignalDeadLetterQueue")["SqsManagedSseEnabled"] is True
    assert "SqsManagedSseEnabled" not in properties(WITH_KEY, "SignalDeadLetterQueue")


def test_every_role_of_the_loop_that_meets_encrypted_data_may_use_the_key() -> None:
    functions = {ALIKE.get(name, name) for name in PLAIN.of_type("AWS::Lambda::Function")}
    for role in (*(f"{name}Role" for name in sorted(functions)), "RetrainingStateMachineRole"):
        statements = [entry for entry in WITH_KEY.statements(role) if entry["Resource"] == KEY]
        assert [sorted(entry["Action"]) for entry in statements] == [["kms:Decrypt", "kms:GenerateDataKey"]], role
        assert not [entry for entry in PLAIN.statements(role) if "kms:" in str(entry["Action"])], role


def test_object_lock_is_off_unless_asked_for_and_never_beyond_undoing() -> None:
    locked = properties(Template.read().resolve({"EvidenceObjectLock": "GOVERNANCE"}), "AutomationBucket")

    assert "ObjectLockEnabled" not in properties(PLAIN, "AutomationBucket")
    assert "ObjectLockConfiguration" not in properties(PLAIN, "AutomationBucket")
    assert locked["ObjectLockEnabled"] is True
    assert locked["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": "2555"}
    assert locked["VersioningConfiguration"] == {"Status": "Enabled"}, "Object Lock needs it"


def test_no_lifecycle_rule_expires_a_record() -> None:
    rules = properties(PLAIN, "AutomationBucket")["LifecycleConfiguration"]["Rules"]

    for rule in rules:
        if {"ExpirationInDays", "ExpirationDate"} & set(rule):
            assert rule["Prefix"] == "runs/"
            assert not rule["Prefix"].startswith(RECORDS)


def test_runs_leave_the_dear_storage_before_they_expire() -> None:
    shortest = int(Template.read().parameters["EvidenceRetentionInDays"]["MinValue"])
    (rule,) = (
        rule
        for rule in properties(PLAIN, "AutomationBucket")["LifecycleConfiguration"]["Rules"]
        if rule.get("Prefix") == "runs/"
    )

    assert all(transition["TransitionInDays"] < shortest for transition in rule["Transitions"])
