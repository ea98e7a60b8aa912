"""How data is kept: encryption with and without a key, Object Lock, lifecycle, deletion."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy

from orchestration.domain.artifact import ARTIFACTS
from orchestration.domain.records import RECORD_FOLDERS
from orchestration.stores.history_table import HistoryTable
from tests.contract.template import ACCOUNT, ALIKE, REGION, ROOT, Stack, Template, as_list
from tests.unit.memory_dynamodb import MemoryDynamoDB

KEY: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b"
PLAIN: Final = Template.read().resolve()
WITH_KEY: Final = Template.read().resolve({"KmsKeyArn": KEY})


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


def key_policy() -> dict[str, Any]:
    """The key policy that docs/security.md prints, for this account and Region."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    printed = page.split("<!-- key policy -->")[1].split("<!-- end of key policy -->")[0]
    text = printed.split("```json")[1].split("```")[0].replace("<account>", ACCOUNT).replace("<region>", REGION)
    return {"Version": "2012-10-17", "Statement": json.loads(text)}


def services_that_use_the_key() -> set[str]:
    """Services that use the key as themselves: alarms on a topic, rules with a dead-letter queue, log groups."""
    found = set()
    for resource in WITH_KEY.resources.values():
        kind, given = resource["Type"], resource["Properties"]
        if kind == "AWS::CloudWatch::Alarm" and given.get("AlarmActions", given.get("InsufficientDataActions")):
            found.add("cloudwatch.amazonaws.com")
        if kind == "AWS::Events::Rule" and any("DeadLetterConfig" in target for target in given["Targets"]):
            found.add("events.amazonaws.com")
        if kind == "AWS::Logs::LogGroup" and "KmsKeyId" in given:
            found.add(f"logs.{REGION}.amazonaws.com")
    return found


WITHIN: Final[dict[str, dict[str, str]]] = {
    "cloudwatch.amazonaws.com": {"aws:sourceaccount": ACCOUNT},
    "events.amazonaws.com": {},
    f"logs.{REGION}.amazonaws.com": {
        "kms:encryptioncontext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:loop"
    },
}
"""What each service sends with its request. EventBridge is not documented to send a source to KMS."""


def test_the_key_policy_of_the_security_page_names_every_service_that_uses_the_key_and_no_other() -> None:
    named = [each["Principal"].get("Service") for each in key_policy()["Statement"] if "Service" in each["Principal"]]

    assert set(named) == services_that_use_the_key() == set(WITHIN)
    assert len(named) == len(WITHIN)


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
@pytest.mark.parametrize("service", WITHIN)
def test_the_key_policy_of_the_security_page_lets_a_service_use_the_key(service: str, action: str) -> None:
    def decided(context: dict[str, str]) -> str:
        call = EvalContext("", "AssumedRole", "", action, KEY, REGION, service_context=context)
        return str(evaluate_resource_policy(key_policy(), call, service=service).decision)

    assert decided(WITHIN[service]) == "Allow"
    elsewhere = {name: value.replace(ACCOUNT, "999988887777") for name, value in WITHIN[service].items()}
    assert (decided(elsewhere) == "Allow") is (service == "events.amazonaws.com")


def test_the_key_policy_of_the_security_page_has_the_account_govern_it_and_fits() -> None:
    """32 KB of a key policy: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html."""
    document = key_policy()
    (governs,) = [each for each in document["Statement"] if "AWS" in each["Principal"]]

    assert governs["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert governs["Action"] == "kms:*"
    assert len(json.dumps(document).encode()) < 32 * 1024


LOCKED: Final = Template.read().resolve({"EvidenceObjectLock": "GOVERNANCE"})


def test_object_lock_is_off_unless_asked_for_and_has_no_default_for_the_whole_bucket() -> None:
    """A default would lock the data of runs, and S3 would refuse an uploader there that sends no checksum."""
    assert "ObjectLockEnabled" not in properties(PLAIN, "AutomationBucket")
    assert "ObjectLockConfiguration" not in properties(PLAIN, "AutomationBucket")
    assert properties(LOCKED, "AutomationBucket")["ObjectLockEnabled"] is True
    assert properties(LOCKED, "AutomationBucket")["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    assert properties(LOCKED, "AutomationBucket")["VersioningConfiguration"] == {"Status": "Enabled"}, (
        "Object Lock needs it"
    )


@pytest.mark.parametrize("function", list(PLAIN.of_type("AWS::Lambda::Function")))
def test_a_function_locks_what_it_writes_for_as_long_as_the_form_says(function: str) -> None:
    days = Template.read().resolve({"EvidenceObjectLock": "GOVERNANCE", "EvidenceRetentionInDays": "400"})

    assert properties(PLAIN, function)["Environment"]["Variables"]["EVIDENCE_LOCK_DAYS"] == "0"
    assert properties(days, function)["Environment"]["Variables"]["EVIDENCE_LOCK_DAYS"] == "400"


def test_who_may_lock_may_write_there_and_who_writes_records_may_lock_them() -> None:
    """S3 asks for both permissions of a PUT with a retention."""
    for role in LOCKED.of_type("AWS::IAM::Role"):
        written, locks = (
            {
                resource
                for statement in LOCKED.statements(role)
                if action in as_list(statement["Action"])
                for resource in as_list(statement["Resource"])
                if not resource.endswith(("/runs/*", "/artifacts/*"))
            }
            for action in ("s3:PutObject", "s3:PutObjectRetention")
        )
        assert locks == written, role
        assert "PutObjectRetention" not in str(PLAIN.statements(role)), role


def test_a_copy_that_is_left_unfinished_is_taken_off_and_a_whole_one_never() -> None:
    """Lifecycle alone takes parts off: nobody may delete below artifacts/, and a model that serves is read at each scale-out."""
    rules = properties(PLAIN, "AutomationBucket")["LifecycleConfiguration"]["Rules"]
    over = [rule for rule in rules if ARTIFACTS.startswith(rule.get("Prefix", ""))]

    assert [rule["AbortIncompleteMultipartUpload"] for rule in over if "AbortIncompleteMultipartUpload" in rule] == [
        {"DaysAfterInitiation": 7}
    ]
    assert not [rule for rule in over if {"ExpirationInDays", "ExpirationDate"} & set(rule)]


def test_no_lifecycle_rule_expires_a_record() -> None:
    rules = properties(PLAIN, "AutomationBucket")["LifecycleConfiguration"]["Rules"]

    for rule in rules:
        if {"ExpirationInDays", "ExpirationDate"} & set(rule):
            assert rule["Prefix"] == "runs/"
            assert not rule["Prefix"].startswith(RECORD_FOLDERS)


def test_logs_and_the_versions_that_decisions_name_are_kept_for_as_long_as_the_form_says() -> None:
    form = Template.read().resolve({"EvidenceRetentionInDays": "400", "LogsRetentionInDays": "731"})
    rules = properties(form, "AutomationBucket")["LifecycleConfiguration"]["Rules"]

    assert {str(group["Properties"]["RetentionInDays"]) for group in form.of_type("AWS::Logs::LogGroup").values()} == {
        "731"
    }
    assert [rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule] == [
        {"NoncurrentDays": "400"}
    ]
    assert [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule] == ["400"]


def test_runs_leave_the_dear_storage_before_they_expire() -> None:
    shortest = int(Template.read().parameters["EvidenceRetentionInDays"]["MinValue"])
    (rule,) = (
        rule
        for rule in properties(PLAIN, "AutomationBucket")["LifecycleConfiguration"]["Rules"]
        if rule.get("Prefix") == "runs/"
    )

    assert all(transition["TransitionInDays"] < shortest for transition in rule["Transitions"])
