"""Calls that are told to fail, in every protocol the stack speaks."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from local.faults import Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.embedded_aws import EmbeddedAws
    from tests.local.conftest import Account

METRIC = [{"MetricName": "m", "Value": 1.0}]
RECORD: dict[str, Any] = {"Bucket": "data", "Key": "decisions/1.json", "Body": b"{}"}
# One action of each service the stack calls, and how it is called.
CALLS: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("s3", "PutObject", lambda s3: s3.put_object(**RECORD)),
    ("s3", "ListObjectsV2", lambda s3: s3.list_objects_v2(Bucket="data")),
    ("dynamodb", "ListTables", lambda dynamodb: dynamodb.list_tables()),
    ("sns", "ListTopics", lambda sns: sns.list_topics()),
    ("sqs", "ListQueues", lambda sqs: sqs.list_queues()),
    (
        "events",
        "PutEvents",
        lambda events: events.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}"}]),
    ),
    ("stepfunctions", "ListStateMachines", lambda states: states.list_state_machines()),
    ("sagemaker", "ListEndpoints", lambda sagemaker: sagemaker.list_endpoints()),
    ("sagemaker-runtime", "InvokeEndpoint", lambda runtime: runtime.invoke_endpoint(EndpointName="e", Body=b"")),
    ("cloudwatch", "PutMetricData", lambda cloudwatch: cloudwatch.put_metric_data(Namespace="n", MetricData=METRIC)),
    ("lambda", "ListFunctions", lambda functions: functions.list_functions()),
    ("lambda", "Invoke", lambda functions: functions.invoke(FunctionName="f")),
    ("cloudformation", "ListStacks", lambda cloudformation: cloudformation.list_stacks()),
    ("sts", "GetCallerIdentity", lambda sts: sts.get_caller_identity()),
]


def error_of(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(("service", "action", "call"), CALLS, ids=[f"{call[0]}-{call[1]}" for call in CALLS])
def test_the_client_reads_the_code_and_the_status(
    account: Account, service: str, action: str, call: Callable[[Any], Any]
) -> None:
    account.aws.fail_next(service, action, code="SlowDownPlease", status=503)

    assert error_of(lambda: call(account.aws.client(service))) == ("SlowDownPlease", 503)
    assert account.aws.faults_left() == []


def test_a_rule_holds_for_so_many_calls_that_match_after_those_it_skips(account: Account) -> None:
    s3 = account.s3
    account.aws.fail_next(
        "s3", "PutObject", code="ConditionalRequestConflict", status=409, times=2, skip=1, matching="decisions/"
    )

    s3.put_object(**RECORD)
    s3.put_object(Bucket="data", Key="other", Body=b"")
    s3.get_object(Bucket="data", Key="decisions/1.json")
    for _ in range(2):
        assert error_of(lambda: s3.put_object(**RECORD)) == ("ConditionalRequestConflict", 409)
    s3.put_object(**RECORD)


def test_what_matches_may_be_in_the_body(account: Account) -> None:
    dynamodb = account.aws.client("dynamodb")
    account.aws.fail_next("dynamodb", "DescribeTable", code="ThrottlingException", matching="runs")

    assert error_of(lambda: dynamodb.describe_table(TableName="models"))[0] == "ResourceNotFoundException"
    assert error_of(lambda: dynamodb.describe_table(TableName="runs"))[0] == "ThrottlingException"


def test_a_rule_says_what_aws_would_say(account: Account) -> None:
    missing = 'Could not find model "m".'
    account.aws.fail_next("sagemaker", "CreateEndpointConfig", code="ValidationException", message=missing)

    with pytest.raises(ClientError, match=missing):
        account.sagemaker.create_endpoint_config(
            EndpointConfigName="c", ProductionVariants=[{"VariantName": "v", "ModelName": "m"}]
        )


@pytest.mark.parametrize("after_effect", [False, True])
def test_the_call_is_carried_out_first_or_not_at_all(account: Account, after_effect: bool) -> None:
    account.aws.fail_next("s3", "PutObject", code="InternalError", status=500, after_effect=after_effect)

    error_of(lambda: account.s3.put_object(**RECORD))

    assert account.s3.list_objects_v2(Bucket="data")["KeyCount"] == int(after_effect)


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_call_may_only_take_its_time(account: Account, after_effect: bool) -> None:
    account.aws.fail_next("s3", "PutObject", seconds=0.3, after_effect=after_effect)
    started = time.monotonic()

    account.s3.put_object(**RECORD)

    assert time.monotonic() - started >= 0.3
    assert account.s3.get_object(Bucket="data", Key=RECORD["Key"])["Body"].read() == b"{}"


def test_a_client_that_cannot_wait_gives_up_and_the_others_are_served(account: Account, aws: EmbeddedAws) -> None:
    impatient = boto3.client(
        "s3",
        endpoint_url=aws.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}),
    )
    aws.fail_next("s3", "PutObject", seconds=1.5, after_effect=True, matching="decisions/")

    with pytest.raises(ReadTimeoutError):
        impatient.put_object(**RECORD)

    assert account.s3.get_object(Bucket="data", Key=RECORD["Key"])["Body"].read() == b"{}"


def test_actions_that_share_a_route_are_told_apart(account: Account) -> None:
    s3 = account.s3
    s3.put_object(**RECORD)
    account.aws.fail_next("s3", "CopyObject", code="SlowDown", status=503)
    account.aws.fail_next("s3", "PutObjectTagging", code="SlowDown", status=503)

    s3.put_object(**RECORD)
    assert error_of(lambda: s3.copy_object(Bucket="data", Key="b", CopySource="data/decisions/1.json"))[0] == "SlowDown"
    tagging = {"TagSet": [{"Key": "k", "Value": "v"}]}
    assert (
        error_of(lambda: s3.put_object_tagging(Bucket="data", Key="decisions/1.json", Tagging=tagging))[0] == "SlowDown"
    )


def test_a_function_sees_it(account: Account) -> None:
    source = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    try:
        boto3.client("sns").publish(TopicArn=event["topic"], Message="hello there")
    except ClientError as error:
        return error.response["Error"]["Code"]
"""
    topic = account.aws.client("sns").create_topic(Name="t")["TopicArn"]
    function = account.function("publishes", source)
    account.aws.fail_next("sns", "Publish", code="InvalidParameter", matching="hello there")

    answer = account.aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps({"topic": topic}))

    assert json.loads(answer["Payload"].read()) == "InvalidParameter"


def test_a_function_asks_again_without_a_pause_where_waits_are_skipped(account: Account) -> None:
    source = """
import time
import boto3
from botocore.config import Config

def handler(event, context):
    paused, sleep = [], time.sleep
    time.sleep = paused.append
    try:
        boto3.client("sns", config=Config(retries={"mode": "standard", "max_attempts": 4})).list_topics()
    finally:
        time.sleep = sleep
    return paused
"""
    function = account.function("asks-again", source)
    account.aws.fail_next("sns", "ListTopics", code="InternalFailure", status=500, times=3)

    answer = account.aws.client("lambda").invoke(FunctionName=function)

    assert json.loads(answer["Payload"].read()) == [0, 0, 0]


@pytest.mark.parametrize(
    ("code", "name"),
    [("ThrottlingException", "SageMakerException"), ("ResourceLimitExceeded", "ResourceLimitExceededException")],
)
def test_a_state_machine_sees_it_of_sagemaker(account: Account, code: str, name: str) -> None:
    resource = "arn:aws:states:::aws-sdk:sagemaker:createModelPackageGroup"
    task = {"Type": "Task", "Resource": resource, "Arguments": {"ModelPackageGroupName": "fraud"}, "End": True}
    account.aws.fail_next("sagemaker", "CreateModelPackageGroup", code=code, after_effect=True)

    assert account.run("machine", {"A": task})["error"] == f"SageMaker.{name}"
    listed = account.sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in listed] == ["fraud"]


def test_rules_are_forgotten_when_told_and_at_a_reset(account: Account) -> None:
    for forget in (account.aws.forget_faults, account.aws.reset):
        account.aws.fail_next("sagemaker", "ListEndpoints", code="ThrottlingException")
        forget()
        account.sagemaker.list_endpoints()


def test_a_rule_that_is_none_is_refused(aws: EmbeddedAws) -> None:
    url = aws.endpoint_url + "/_local/faults"

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, data=b'[{"servce": "s3"}]')  # noqa: S310 - always http

    assert refused.value.code == 400
    assert "servce" in refused.value.read().decode()
    refused.value.close()


def test_a_call_is_answered_with_another_text_or_another_body_instead(account: Account) -> None:
    sagemaker, queues = account.aws.client("sagemaker"), account.aws.client("sqs")
    account.aws.fail_next("sagemaker", "DescribeEndpoint", code="ValidationException", message="It <is> & was")
    account.aws.fail_next("s3", "GetObject", code="NoSuchKey", status=404, message="It <is> & was")
    account.aws.fail_next("sqs", "ListQueues", answer='{"QueueUrls": ["http://elsewhere"]}', status=200)

    with pytest.raises(ClientError, match="It <is> & was"):
        sagemaker.describe_endpoint(EndpointName="e")
    with pytest.raises(ClientError, match="It <is> & was"):
        account.aws.client("s3").get_object(Bucket="data", Key="k")
    assert queues.list_queues()["QueueUrls"] == ["http://elsewhere"]
    assert queues.list_queues().get("QueueUrls", []) == []


def test_a_rule_may_hold_for_a_share_of_the_calls() -> None:
    faults = Faults()
    faults.add([Fault("s3", "GetObject", "SlowDown", times=1000, share=0.1)])

    hit = [faults.take("s3", "GetObject", "") is not None for _ in range(1000)]

    assert 60 < sum(hit) < 140
    assert sum(hit[:500]) > 0 < sum(hit[500:])
