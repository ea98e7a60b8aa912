"""What a call needs, and what policies say to it: pure, without a server."""

from __future__ import annotations

import time
from typing import Any

import pytest

from local.iam_calls import Call, LeadingKeys, Place, UnmappedCallError, needed
from local.iam_policies import Caller, decided, lets_in

PLACE = Place("123456789012", "us-east-1")
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/t"
SAGEMAKER = "arn:aws:sagemaker:us-east-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/role"
WHO = "User: arn:aws:sts::123456789012:assumed-role/role/session is not authorized to perform:"


def policy(
    effect: str = "Allow", action: Any = "s3:GetObject", resource: Any = "*", **condition: Any
) -> dict[str, Any]:
    statement = {"Sid": effect, "Effect": effect, "Action": action, "Resource": resource}
    return {"Statement": [{**statement, **({"Condition": condition} if condition else {})}]}


READ = Call("s3:GetObject", "arn:aws:s3:::b/k")
READ_REFUSED = f'{WHO} s3:GetObject on resource: "arn:aws:s3:::b/k"'
EVERYBODY = {"Principal": "*"}


def of_the_bucket(effect: str, **condition: Any) -> tuple[Any, str]:
    (statement,) = policy(effect, **condition)["Statement"]
    return {"Statement": [{**statement, "Principal": "*"}]}, "123456789012"


def test_a_call_that_nothing_allows_is_refused_with_the_sentence_of_aws() -> None:
    assert decided(Caller.of([policy(resource="arn:aws:s3:::other/*")]), READ).refusal == (
        f"{READ_REFUSED} because no identity-based policy allows the s3:GetObject action"
    )
    assert decided(Caller.of([policy()]), READ).sid == "Allow"


def test_a_deny_wins_wherever_it_stands() -> None:
    denied = decided(Caller.of([policy(), policy("Deny")]), READ)
    by_bucket = decided(Caller.of([policy()]), READ, resource_policy=of_the_bucket("Deny"))

    assert denied.refusal == f"{READ_REFUSED} with an explicit deny in an identity-based policy"
    assert by_bucket.refusal == f"{READ_REFUSED} with an explicit deny in a resource-based policy"


def test_a_resources_policy_allows_those_of_its_own_account_alone() -> None:
    assert decided(Caller.of([]), READ, resource_policy=of_the_bucket("Allow")).sid == "Allow"


def test_a_boundary_allows_nothing_and_takes_away_what_it_does_not_allow() -> None:
    caller = Caller.of([policy()], boundary=policy(action="s3:PutObject"))

    assert (
        decided(caller, READ).refusal
        == f"{READ_REFUSED} because no permissions boundary allows the s3:GetObject action"
    )
    assert decided(Caller.of([], boundary=policy()), READ).sid is None
    assert decided(Caller.of([policy()], boundary=policy()), READ).sid == "Allow"


def test_the_principal_of_a_session_is_its_role() -> None:
    only_the_role = of_the_bucket("Deny", ArnNotLike={"aws:PrincipalArn": [ROLE]})

    assert decided(Caller.of([policy()]), READ, resource_policy=only_the_role).sid == "Allow"
    other = of_the_bucket("Deny", ArnNotLike={"aws:PrincipalArn": [f"{ROLE}-2"]})
    assert decided(Caller.of([policy()]), READ, resource_policy=other).sid is None


@pytest.mark.parametrize(("tag", "allowed"), [("b", True), ("c", False), ("*", False), (None, False)])
def test_a_variable_is_the_callers_tag_and_matches_nothing_without_one(tag: str | None, allowed: bool) -> None:
    of_a_tag = Caller.of([policy(resource="arn:aws:s3:::${aws:PrincipalTag/team}/*")])
    caller = Caller(
        of_a_tag.arn,
        of_a_tag.principal,
        of_a_tag.account,
        of_a_tag.policies,
        keys={} if tag is None else {"aws:principaltag/team": tag},
    )

    assert (decided(caller, READ).sid is not None) is allowed


def test_a_service_is_let_in_for_the_source_that_a_trust_names() -> None:
    trust = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:us-east-1:123456789012:rule/ours-*"}},
            }
        ]
    }

    def assumed(service: str, rule: str) -> bool:
        source = (("aws:SourceArn", f"arn:aws:events:us-east-1:123456789012:rule/{rule}"),)
        return lets_in(trust, Call("sts:AssumeRole", ROLE, source), service)

    assert assumed("events.amazonaws.com", "ours-1")
    assert not assumed("events.amazonaws.com", "theirs-1")
    assert not assumed("states.amazonaws.com", "ours-1")


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, ["s3:GetObject arn:aws:s3:::b/k"]),
        ("s3", "GetObject", {"Bucket": "b", "Key": "k", "VersionId": "1"}, ["s3:GetObjectVersion arn:aws:s3:::b/k"]),
        ("s3", "ListObjectsV2", {"Bucket": "b"}, ["s3:ListBucket arn:aws:s3:::b"]),
        (
            "s3",
            "CopyObject",
            {"Bucket": "b", "Key": "k", "CopySource": "from/it"},
            ["s3:PutObject arn:aws:s3:::b/k", "s3:GetObject arn:aws:s3:::from/it"],
        ),
        (
            "s3",
            "PutObject",
            {"Bucket": "b", "Key": "k", "ObjectLockMode": "GOVERNANCE"},
            ["s3:PutObject arn:aws:s3:::b/k", "s3:PutObjectRetention arn:aws:s3:::b/k"],
        ),
        ("dynamodb", "Scan", {"TableName": "t"}, [f"dynamodb:Scan {TABLE}"]),
        ("lambda", "Invoke", {"FunctionName": "f"}, ["lambda:InvokeFunction arn:aws:lambda:us-east-1:123456789012:function:f"]),
        ("monitoring", "DescribeAlarms", {}, ["cloudwatch:DescribeAlarms *"]),
        ("sns", "Publish", {"Message": "m", "TopicArn": "arn:aws:sns:us-east-1:123456789012:t"}, ["sns:Publish arn:aws:sns:us-east-1:123456789012:t"]),
        (
            "events",
            "PutEvents",
            {"Entries": [{"Source": "s", "DetailType": "d"}]},
            ["events:PutEvents arn:aws:events:us-east-1:123456789012:event-bus/default"],
        ),
        (
            "sagemaker",
            "CreateModel",
            {"ModelName": "m", "ExecutionRoleArn": ROLE, "Tags": [{"Key": "k", "Value": "v"}]},
            [f"sagemaker:CreateModel {SAGEMAKER}:model/m", f"sagemaker:AddTags {SAGEMAKER}:model/m", f"iam:PassRole {ROLE}"],
        ),
        (
            "sagemaker",
            "UpdateEndpoint",
            {"EndpointName": "e", "EndpointConfigName": "c"},
            [f"sagemaker:UpdateEndpoint {SAGEMAKER}:endpoint/e", f"sagemaker:UpdateEndpoint {SAGEMAKER}:endpoint-config/c"],
        ),
        ("states", "SendTaskSuccess", {"taskToken": "nobody's"}, []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_a_call_needs(service: str, operation: str, parameters: dict[str, Any], expected: list[str]) -> None:
    assert [f"{call.action} {call.resource}" for call in needed(service, operation, parameters, PLACE)] == expected


@pytest.mark.parametrize(
    ("service", "operation"),
    [("s3", "DeleteObjects"), ("s3", ""), ("sqs", "Invent"), ("nowhere", "Do"), ("sagemaker", "")],
)
def test_what_nobody_can_map_is_not_guessed(service: str, operation: str) -> None:
    with pytest.raises(UnmappedCallError):
        list(needed(service, operation, {"QueueUrl": "q"} if operation == "Invent" and service != "sqs" else {}, PLACE))


def test_a_query_is_on_the_partition_its_key_condition_names() -> None:
    (call,) = needed(
        "dynamodb",
        "Query",
        {
            "TableName": "t",
            "KeyConditionExpression": "#p = :mine AND begins_with(sk, :pk)",
            "ExpressionAttributeNames": {"#p": "pk"},
            "ExpressionAttributeValues": {":mine": {"S": "RUN#1"}, ":pk": {"S": "STATUS"}},
        },
        PLACE,
    )

    assert dict(call.keys)["dynamodb:LeadingKeys"] == ("RUN#1",)


@pytest.mark.parametrize(
    ("reading", "puts", "update"),
    [
        (LeadingKeys.OF_THE_ITEM, [("A",), ("B",)], ("C",)),
        (LeadingKeys.OF_THE_ACTION, [("A", "B"), ("A", "B")], ("C",)),
        (LeadingKeys.OF_THE_TRANSACTION, [("A", "B", "C"), ("A", "B", "C")], ("A", "B", "C")),
    ],
)
def test_a_transaction_is_authorised_item_by_item_under_each_reading(
    reading: LeadingKeys, puts: list[tuple[str, ...]], update: tuple[str, ...]
) -> None:
    items = [
        {"Put": {"TableName": "t", "Item": {"pk": {"S": "A"}}}},
        {"Put": {"TableName": "t", "Item": {"pk": {"S": "B"}}}},
        {"Update": {"TableName": "t", "Key": {"pk": {"S": "C"}}}},
    ]
    place = Place("123456789012", "us-east-1", leading_keys=reading)

    calls = [*needed("dynamodb", "TransactWriteItems", {"TransactItems": items}, place)]

    assert [call.action for call in calls] == ["dynamodb:PutItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    assert [dict(call.keys)["dynamodb:LeadingKeys"] for call in calls] == [*puts, update]


def test_a_decision_takes_hardly_longer_for_what_a_policy_says_of_other_actions() -> None:
    """By ratio, so that a slow machine does not matter: one statement against fifty, as the largest role of the template has."""

    def seconds(count: int) -> float:
        statements = [
            {
                **policy(action=f"dynamodb:{n}", resource=TABLE)["Statement"][0],
                "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["A#*", "B#*", "C"]}},
            }
            for n in range(count)
        ]
        caller = Caller.of([{"Statement": statements}])
        call = Call(f"dynamodb:{count - 1}", TABLE, (("dynamodb:LeadingKeys", ("B#1",)),))
        assert decided(caller, call).sid == "Allow"
        began = time.process_time()
        for _ in range(100):
            decided(caller, call)
        return time.process_time() - began

    # Another process may have the cache: only what is slow again and again is slow.
    assert min(seconds(50) / seconds(1) for _ in range(5)) < 3
