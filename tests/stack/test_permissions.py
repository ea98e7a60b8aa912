"""A permission that is missing stops the story that needs it, with AWS's sentence: one statement taken from a role at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.stack.loop import Loop


@contextmanager
def without(loop: Loop, role: str, sid: str) -> Iterator[str]:
    """Take a statement away from a role of the stack for a while; gives the role's name."""
    iam, stacks = loop.aws.client("iam"), loop.aws.client("cloudformation")
    found = stacks.describe_stack_resource(StackName=loop.stack, LogicalResourceId=role)
    name = str(found["StackResourceDetail"]["PhysicalResourceId"])
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    rest = [statement for statement in document["Statement"] if statement["Sid"] != sid]
    assert len(rest) == len(document["Statement"]) - 1, sid

    def give(statements: list[Any]) -> None:
        if not statements:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
            return
        kept = json.dumps({**document, "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=kept)

    give(rest)
    try:
        yield name
    finally:
        give(document["Statement"])


def failures(loop: Loop, execution: str) -> str:
    """Names and causes of what an execution's tasks met."""
    pages = loop.aws.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution)
    events = [event for page in pages for event in page["events"]]
    return json.dumps([event["taskFailedEventDetails"] for event in events if "taskFailedEventDetails" in event])


def refused(role: str, action: str, resource: str) -> list[str]:
    """What must be in a refusal of a session of a role."""
    return [
        f":assumed-role/{role}/",
        f"is not authorized to perform: {action} on resource: {resource}",
        f"because no identity-based policy allows the {action} action",
    ]


@pytest.mark.threat("role-misused")
def test_the_machine_invokes_nothing_without_its_statement(loop: Loop) -> None:
    model = loop.model()
    with without(loop, "RetrainingStateMachineRole", "AskAndAct") as role:
        execution = loop.start(loop.drift(model))
        assert loop.ended(execution).status == "FAILED"

    told = failures(loop, execution)
    assert "Lambda.AWSLambdaException" in told
    assert [part for part in refused(role, "lambda:InvokeFunction", "arn:aws:lambda:") if part not in told] == []
    assert loop.decisions(model) == []


@pytest.mark.threat("role-misused")
def test_a_rule_starts_nothing_without_its_statement_and_the_signal_is_kept(loop: Loop) -> None:
    model, sqs = loop.model(), loop.aws.client("sqs")
    queue = sqs.get_queue_url(
        QueueName=loop.aws.client("cloudformation")
        .describe_stack_resource(StackName=loop.stack, LogicalResourceId="SignalDeadLetterQueue")[
            "StackResourceDetail"
        ]["PhysicalResourceId"]
        .rsplit("/", 1)[-1]
    )["QueueUrl"]
    with without(loop, "EventsInvokeRole", "StartRetraining") as role:
        loop.send(loop.drift(model)["detail"], detail_type="Drift Detected")
        letter = loop.until(lambda: sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"]).get("Messages"))[
            0
        ]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"])

    assert json.loads(letter["Body"])["detail"]["model"] == model
    told = letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]
    assert [part for part in refused(role, "states:StartExecution", loop.machine) if part not in told] == []
    loop.send(loop.drift(model)["detail"], detail_type="Drift Detected")
    loop.until(lambda: loop.decisions(model))


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize(
    ("role", "sid", "action", "resource"),
    [
        ("OrchestrationFunctionRole", "WriteHistory", "dynamodb:PutItem", "arn:aws:dynamodb:"),
        ("OrchestrationFunctionRole", "CheckInTheSameTransaction", "dynamodb:ConditionCheckItem", "arn:aws:dynamodb:"),
        ("PromotionFunctionRole", "TagWhatItCreates", "sagemaker:AddTags", "arn:aws:sagemaker:"),
        ("PromotionFunctionRole", "PassTheOneRole", "iam:PassRole", "arn:aws:iam::"),
        ("PromotionFunctionRole", "StartTargetsOfModels", "states:StartExecution", "arn:aws:states:"),
    ],
    ids=lambda value: value if value[:1].isupper() and not value.endswith("Role") else "",
)
def test_a_function_does_nothing_without_its_statement(
    loop: Loop, role: str, sid: str, action: str, resource: str
) -> None:
    model = loop.model()
    with without(loop, role, sid) as name:
        execution = loop.start(loop.drift(model))
        ended = loop.ended(execution)

    told = failures(loop, execution) + json.dumps(ended.output)
    assert [part for part in refused(name, action, resource) if part not in told] == []
