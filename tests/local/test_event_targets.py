"""What a rule may deliver to: a function whose policy lets it in, a state machine under a role."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.embedded_aws import wait_until

if TYPE_CHECKING:
    from tests.local.conftest import Account

QUEUE = "arn:aws:sqs:us-east-1:000000000000:dead"
ENTRY = {"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": "{}"}

TELLS = """
import json, os, boto3
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["TOLD"], MessageBody=json.dumps(event))
"""

PERMISSION: dict[str, Any] = {
    "StatementId": "rule",
    "Action": "lambda:InvokeFunction",
    "Principal": "events.amazonaws.com",
}


def rule_on(account: Account, function: str) -> str:
    """Have a rule deliver to a function, with a role too, which is no permission here; give the rule's ARN."""
    events = account.aws.client("events")
    arn = events.put_rule(Name="drift", EventPattern=json.dumps({"source": ["mlops.drift"]}))["RuleArn"]
    role = "arn:aws:iam::000000000000:role/r"
    target = {"Id": "function", "Arn": function, "RoleArn": role, "DeadLetterConfig": {"Arn": QUEUE}}
    events.put_targets(Rule="drift", Targets=[target])
    return str(arn)


@pytest.mark.parametrize(
    "permission",
    [
        None,
        {**PERMISSION, "SourceArn": "arn:aws:events:us-east-1:000000000000:rule/drift-2"},
        {**PERMISSION, "Principal": "s3.amazonaws.com"},
        {
            **PERMISSION,
            "SourceArn": "arn:aws:events:us-east-1:000000000000:rule/drift",
            "SourceAccount": "000000000000",
        },
    ],
    ids=["none", "another rule", "another service", "source account, which EventBridge does not send"],
)
def test_a_function_that_does_not_let_the_rule_in_is_not_invoked_and_the_event_is_kept(
    account: Account, permission: dict[str, Any] | None
) -> None:
    url = account.queue("dead")
    function = account.function("told", TELLS)
    if permission:
        account.aws.client("lambda").add_permission(FunctionName="told", **permission)
    rule = rule_on(account, function)

    account.aws.client("events").put_events(Entries=[ENTRY])

    message = wait_until(
        lambda: account.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
    )[0]
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (attributes["ERROR_CODE"], attributes["RULE_ARN"]) == ("NO_PERMISSIONS", rule)
    assert (attributes["TARGET_ARN"], json.loads(message["Body"])["source"]) == (function, "mlops.drift")


def test_a_function_is_invoked_by_the_rule_that_its_policy_names(account: Account) -> None:
    url = account.queue("told")
    function = account.function("told", TELLS)
    functions = account.aws.client("lambda")
    functions.update_function_configuration(FunctionName="told", Environment={"Variables": {"TOLD": url}})
    rule = rule_on(account, function)
    functions.add_permission(FunctionName="told", **PERMISSION, SourceArn=rule)

    account.aws.client("events").put_events(Entries=[ENTRY])

    assert [event["source"] for event in account.heard(url, 1)] == ["mlops.drift"]


def test_a_state_machine_is_no_target_without_a_role(account: Account) -> None:
    machine = account.machine("machine", {"A": {"Type": "Succeed"}})
    events = account.aws.client("events")
    events.put_rule(Name="drift", EventPattern=json.dumps({"source": ["mlops.drift"]}))

    with pytest.raises(ClientError, match="RoleArn is required"):
        events.put_targets(Rule="drift", Targets=[{"Id": "machine", "Arn": machine}])


def test_no_stack_makes_a_rule_whose_state_machine_has_no_role(account: Account) -> None:
    machine = account.machine("machine", {"A": {"Type": "Succeed"}})
    rule = {"EventPattern": {"source": ["x"]}, "Targets": [{"Id": "machine", "Arn": machine}]}
    body = json.dumps({"Resources": {"Rule": {"Type": "AWS::Events::Rule", "Properties": rule}}})
    stacks = account.aws.client("cloudformation")
    stacks.create_stack(StackName="s", TemplateBody=body, OnFailure="DO_NOTHING")

    with pytest.raises(Exception, match=r"failed|Max attempts"):
        stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    said = stacks.describe_stack_events(StackName="s")["StackEvents"]
    assert any("RoleArn is required" in event.get("ResourceStatusReason", "") for event in said)
