"""Alarm events, and the CloudFormation types ministack lacks."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import WaiterError

from local import stack_progress

if TYPE_CHECKING:
    from tests.local.conftest import Account

METRIC = {
    "Namespace": "DriftLoop",
    "MetricName": "Drift",
    "Dimensions": [{"Name": "Endpoint", "Value": "fraud"}],
    "Statistic": "Average",
    "Period": 60,
}
THRESHOLD = {"EvaluationPeriods": 1, "Threshold": 0.2, "ComparisonOperator": "GreaterThanThreshold"}
ALARMS = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}


@pytest.mark.parametrize("named", ["loop", "arn:aws:cloudformation:us-east-1:1:stack/loop/0a1b"])
def test_a_stack_that_changes_is_described_when_it_is_through(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``aws cloudformation deploy`` asks every 30 s, and would let a stack of two seconds take thirty."""
    looks: list[str] = []

    def status(name: str) -> dict[str, str]:
        looks.append(name)
        return {"StackStatus": "CREATE_IN_PROGRESS" if len(looks) < 3 else "CREATE_COMPLETE"}

    async def handle_request(*request: Any) -> Any:
        return len(looks), request[3]

    monkeypatch.setattr(stack_progress, "cloudformation", SimpleNamespace(stacks=SimpleNamespace(get=status)))

    def asked(**what: str) -> Any:
        looks.clear()
        return asyncio.run(
            stack_progress.described_when_through(handle_request, "POST", "/", {}, urlencode(what).encode(), {})
        )

    assert asked(Action="DescribeStacks", StackName=named)[0] == 3
    assert set(looks) == {"loop"}
    assert asked(StackName=named, Action="DescribeStacks")[0] == 3
    for other in ({"Action": "DescribeStacks"}, {"Action": "DescribeStackEvents", "StackName": named}):
        assert asked(**other)[0] == 0


def test_an_alarm_speaks_on_change_only(account: Account) -> None:
    url = account.listen(ALARMS)
    cloudwatch = account.aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="drift", AlarmDescription="Distance", **METRIC, **THRESHOLD)
    for state in ("ALARM", "ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName="drift", StateValue=state, StateReason=f"now {state}")

    first, second = account.heard(url, 2)

    assert first["detail"]["state"]["value"] == "ALARM"
    assert first["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert "reasonData" not in first["detail"]["previousState"]
    assert first["detail"]["configuration"]["description"] == "Distance"
    metric = first["detail"]["configuration"]["metrics"][0]["metricStat"]
    assert metric["metric"] == {"namespace": "DriftLoop", "name": "Drift", "dimensions": {"Endpoint": "fraud"}}
    assert (metric["period"], metric["stat"]) == (60, "Average")
    assert second["detail"]["previousState"]["reason"] == "now ALARM"
    assert second["detail"]["state"]["timestamp"].endswith("+0000")


def test_only_the_alarms_own_dimensions_count(account: Account) -> None:
    url = account.listen(ALARMS)
    cloudwatch = account.aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="drift", **METRIC, **THRESHOLD)

    for endpoint, value in (("churn", 9.0), ("fraud", 0.37)):
        data = {"MetricName": "Drift", "Value": value, "Dimensions": [{"Name": "Endpoint", "Value": endpoint}]}
        cloudwatch.put_metric_data(Namespace="DriftLoop", MetricData=[data])

    reason = json.loads(account.heard(url, 1)[0]["detail"]["state"]["reasonData"])
    assert (reason["recentDatapoints"], reason["threshold"]) == ([0.37], 0.2)


def test_a_composite_alarm_names_its_rule_and_what_triggered_it(account: Account) -> None:
    cloudwatch = account.aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="drift", **METRIC, **THRESHOLD)
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(drift)")
    url = account.listen({**ALARMS, "detail": {"alarmName": ["any"]}})
    cloudwatch.set_alarm_state(AlarmName="drift", StateValue="ALARM", StateReason="x")

    detail = account.heard(url, 1)[0]["detail"]

    assert detail["configuration"] == {"alarmRule": "ALARM(drift)"}
    triggering = json.loads(detail["state"]["reasonData"])["triggeringAlarms"]
    assert triggering[0]["arn"].endswith(":alarm:drift")


MATH = [
    {"Id": "e1", "Expression": "MAX(METRICS())", "Label": "max drift", "ReturnData": True},
    {
        "Id": "m1",
        "MetricStat": {
            "Metric": {key: METRIC[key] for key in ("Namespace", "MetricName", "Dimensions")},
            "Period": 60,
            "Stat": "Average",
        },
        "ReturnData": False,
    },
]


def test_a_metric_math_alarm_shows_its_expression(account: Account) -> None:
    url = account.listen(ALARMS)
    cloudwatch = account.aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="max", Metrics=MATH, **THRESHOLD)
    cloudwatch.set_alarm_state(AlarmName="max", StateValue="ALARM", StateReason="x", StateReasonData='{"threshold": 1}')

    detail = account.heard(url, 1)[0]["detail"]

    assert detail["configuration"]["metrics"][0] == {
        "id": "e1",
        "expression": "MAX(METRICS())",
        "label": "max drift",
        "returnData": True,
    }
    assert "metricStat" in detail["configuration"]["metrics"][1]
    assert detail["state"]["reasonData"] == '{"threshold": 1}'


def template(**resources: Any) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    base = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "runner", "AssumeRolePolicyDocument": trust}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
        "Drift": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": "drift", **METRIC, **THRESHOLD}},
    }
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {**base, **resources}})


def policy(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def test_the_lacking_resource_types_are_there(account: Account) -> None:
    def resources(action: str) -> dict[str, Any]:
        return {
            "RolePolicy": {
                "Type": "AWS::IAM::RolePolicy",
                "Properties": {
                    "RoleName": {"Ref": "Role"},
                    "PolicyName": "train",
                    "PolicyDocument": policy(action),
                },
            },
            "TopicPolicy": {
                "Type": "AWS::SNS::TopicInlinePolicy",
                "Properties": {"TopicArn": {"Ref": "Topic"}, "PolicyDocument": policy("sns:Publish")},
            },
            "QueuePolicy": {
                "Type": "AWS::SQS::QueueInlinePolicy",
                "Properties": {"Queue": {"Ref": "Queue"}, "PolicyDocument": policy("sqs:SendMessage")},
            },
            "Any": {
                "Type": "AWS::CloudWatch::CompositeAlarm",
                "DependsOn": "Drift",
                "Properties": {"AlarmName": "any", "AlarmRule": "ALARM(drift)"},
            },
            "Max": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {"AlarmName": "max", "Metrics": MATH, **THRESHOLD},
            },
            "Button": button("explain"),
            "Chat": chat(CustomizationResourceArns=[{"Ref": "Button"}]),
        }

    stacks, iam = account.aws.client("cloudformation"), account.aws.client("iam")
    stacks.create_stack(StackName="s", TemplateBody=template(**resources("a:b")), Capabilities=["CAPABILITY_NAMED_IAM"])
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})

    statement = iam.get_role_policy(RoleName="runner", PolicyName="train")["PolicyDocument"]["Statement"]
    assert statement[0]["Action"] == "a:b"
    url = account.sqs.get_queue_url(QueueName="dead")["QueueUrl"]
    attributes = account.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    assert "sqs:SendMessage" in attributes["Policy"]
    topics = account.aws.client("sns")
    topic = topics.list_topics()["Topics"][0]["TopicArn"]
    assert "sns:Publish" in topics.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    cloudwatch = account.aws.client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert {alarm["AlarmName"] for alarm in found["MetricAlarms"]} == {"drift", "max"}
    assert [alarm["AlarmName"] for alarm in found["CompositeAlarms"]] == ["any"]

    stacks.update_stack(StackName="s", TemplateBody=template(**resources("c:d")), Capabilities=["CAPABILITY_NAMED_IAM"])
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    statement = iam.get_role_policy(RoleName="runner", PolicyName="train")["PolicyDocument"]["Statement"]
    assert statement[0]["Action"] == "c:d"

    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    assert cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"] == []


def button(name: str, **changed: Any) -> dict[str, Any]:
    properties = {
        "ActionName": name,
        "Definition": {"CommandText": 'lambda invoke --function-name f --payload {"explain":"$id"} --region us-east-1'},
        "Attachments": [
            {
                "NotificationType": "Custom",
                "ButtonText": "Explain",
                "Variables": {"id": "event.metadata.additionalContext.explain"},
                "Criteria": [{"VariableName": "id", "Operator": "HAS_VALUE"}],
            }
        ],
    }
    return {"Type": "AWS::Chatbot::CustomAction", "Properties": {**properties, **changed}}


def chat(**more: Any) -> dict[str, Any]:
    properties = {
        "ConfigurationName": "ops",
        "IamRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "SlackChannelId": "C0123",
        "SlackWorkspaceId": "T0123",
    }
    return {"Type": "AWS::Chatbot::SlackChannelConfiguration", "Properties": {**properties, **more}}


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"A": button("a b")}, "regular expression pattern"),
        ({"A": button("a" * 65)}, "regular expression pattern"),
        ({"A": button("a", Definition={"CommandText": "x" * 101})}, "length less than or equal to 100"),
        ({"A": button("a", Definition={})}, "CommandText"),
        ({"A": button("a", Attachments=[{"Criteria": [{"VariableName": "id", "Operator": "IS"}]}])}, "enum value set"),
        ({"A": button("a", Attachments=[{"ButtonText": "x" * 51}])}, "length less than or equal to 50"),
        ({"A": button("a"), "B": {**button("a"), "DependsOn": "A"}}, "exists already"),
        ({"C": chat(IamRoleArn="arn", CustomizationResourceArns=["arn:aws:chatbot::1:custom-action/a"])}, "no custom"),
        ({"C": chat(IamRoleArn="arn", GuardrailPolicies=["AWSDenyAll"])}, "not the ARN of a policy"),
    ],
)
def test_a_button_that_the_api_of_chat_refuses_makes_no_stack(
    account: Account, resources: dict[str, Any], said: str
) -> None:
    stacks = account.aws.client("cloudformation")
    stacks.create_stack(StackName="buttons", TemplateBody=template(**resources), Capabilities=["CAPABILITY_NAMED_IAM"])
    with pytest.raises(WaiterError):
        stacks.get_waiter("stack_create_complete").wait(StackName="buttons", WaiterConfig={"Delay": 1})
    reasons = [
        each.get("ResourceStatusReason", "")
        for each in stacks.describe_stack_events(StackName="buttons")["StackEvents"]
    ]
    assert any(said in reason for reason in reasons), reasons
    stacks.delete_stack(StackName="buttons")
    stacks.get_waiter("stack_delete_complete").wait(StackName="buttons", WaiterConfig={"Delay": 1})


def test_a_template_is_found_by_an_address_whose_host_names_the_bucket(account: Account) -> None:
    s3 = account.aws.client("s3")
    s3.create_bucket(Bucket="templates")
    body = template(Queue={"Type": "AWS::SQS::Queue"})
    s3.put_object(Bucket="templates", Key="a/queue.yaml", Body=body.encode())

    for host in ("templates.s3.eu-west-1.amazonaws.com", "templates.s3.amazonaws.com", "s3.amazonaws.com/templates"):
        summary = account.aws.client("cloudformation").get_template_summary(TemplateURL=f"https://{host}/a/queue.yaml")
        assert "AWS::SQS::Queue" in summary["ResourceTypes"]


def test_an_update_takes_a_buckets_default_lock_away_and_what_was_locked_stays_so(account: Account) -> None:
    stacks, s3 = account.aws.client("cloudformation"), account.s3

    def template(lock: dict[str, Any]) -> str:
        properties = {
            "BucketName": "evidence",
            "VersioningConfiguration": {"Status": "Enabled"},
            "ObjectLockEnabled": True,
            "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **lock},
        }
        return json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}})

    default = {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": "3"}}}
    stacks.create_stack(StackName="s", TemplateBody=template(default))
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    s3.put_object(Bucket="evidence", Key="before", Body=b"a")
    stacks.update_stack(StackName="s", TemplateBody=template({}))
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    s3.put_object(Bucket="evidence", Key="after", Body=b"a")

    locks = s3.get_object_lock_configuration(Bucket="evidence")["ObjectLockConfiguration"]
    assert locks == {"ObjectLockEnabled": "Enabled"}
    assert s3.head_object(Bucket="evidence", Key="before")["ObjectLockMode"] == "GOVERNANCE"
    assert "ObjectLockMode" not in s3.head_object(Bucket="evidence", Key="after")
