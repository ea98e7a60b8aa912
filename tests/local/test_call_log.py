"""What functions and people call is noted for whoever counts, with what DynamoDB counts for it."""

from __future__ import annotations

import json
from typing import Any

import boto3

from local.call_log import Called
from local.embedded_aws import EmbeddedAws
from tests.local.conftest import EVERYTHING


def test_calls_of_others_than_the_administrator_are_noted_with_the_units_of_a_table(aws: EmbeddedAws) -> None:
    """A write counts its started kilobytes, twice in a transaction; a consistent read its started four: DynamoDB, Capacity unit consumption."""
    key = aws.key_of("counted")
    aws.client("iam").put_user_policy(UserName="counted", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
    theirs = boto3.Session(key.access_key, key.secret_key, region_name=aws.region)
    table = theirs.client("dynamodb", endpoint_url=aws.endpoint_url)
    bucket = theirs.client("s3", endpoint_url=aws.endpoint_url)
    aws.client("s3").create_bucket(Bucket="data")
    aws.client("dynamodb").create_table(
        TableName="items",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    item: dict[str, Any] = {"pk": {"S": "one"}, "text": {"S": "x" * 1500}}
    bucket.put_object(Bucket="data", Key="before", Body=b"x")

    aws.count_calls()
    aws.client("s3").put_object(Bucket="data", Key="by-the-administrator", Body=b"x")
    table.put_item(TableName="items", Item=item)
    table.transact_write_items(TransactItems=[{"Put": {"TableName": "items", "Item": item}}])
    answer = table.get_item(TableName="items", Key={"pk": {"S": "one"}}, ConsistentRead=True)
    bucket.put_object(Bucket="data", Key="counted", Body=b"12345")

    noted = aws.calls()
    assert answer["Item"] == item
    assert [(call.action, call.read_units, call.write_units) for call in noted] == [
        ("PutItem", 0.0, 2.0),
        ("TransactWriteItems", 0.0, 4.0),
        ("GetItem", 1.0, 0.0),
        ("PutObject", 0.0, 0.0),
    ]
    assert noted[-1] == Called("s3", "PutObject", noted[-1].sent, 0)
    assert noted[-1].sent >= 5
    aws.reset()
    assert aws.calls() == []
