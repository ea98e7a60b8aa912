"""A function whose code somebody took over still has its role only, as the template writes it."""

from __future__ import annotations

from typing import Final

import pytest

from tests.contract.template import ACCOUNT, BUTTONS, REGION, Call, Stack, Template, allowing, as_list

STACK: Final[Stack] = Template.read().resolve(
    {"SageMakerExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/sagemaker", "TrainingPipelineArn": ""}
)
BUCKET: Final = STACK.arn("AutomationBucket")
MACHINE: Final = STACK.arn("RetrainingStateMachine")
SAGEMAKER: Final = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
ROLES: Final = {
    "the loop": "OrchestrationFunctionRole",
    "the hand": "PromotionFunctionRole",
    "the page": "ApprovalFunctionRole",
    "operators' function": "OperatorFunctionRole",
    "the machine": "RetrainingStateMachineRole",
    "the rules": "EventsInvokeRole",
}


def on(action: str, resource: str, **keys: str) -> Call:
    """A call with what its request carries."""
    return Call(action, resource, tuple((name.replace("__", ":"), value) for name, value in keys.items()))


def table(action: str, partition: str) -> Call:
    """A call on one partition of the table."""
    return Call(f"dynamodb:{action}", STACK.arn("HistoryTable"), (("dynamodb:LeadingKeys", (partition,)),))


def record(key: str) -> Call:
    """Writing a record."""
    return Call("s3:PutObject", f"{BUCKET}/{key}", (("s3:if-none-match", "*"),))


MAY: Final[dict[str, tuple[Call, set[str]]]] = {
    "throw a kill switch": (table("PutItem", "CONTROLS"), {"operators' function"}),
    "lift a kill switch": (table("DeleteItem", "CONTROLS"), {"operators' function"}),
    "make a request for an operator": (table("PutItem", "REQUEST#1"), {"operators' function"}),
    "change a vote": (table("UpdateItem", "APPROVAL#run-1"), {"the loop", "the page"}),
    "ask for an approval": (table("PutItem", "APPROVAL#run-1"), {"the loop"}),
    "write down a change of an endpoint": (table("PutItem", "INTENT#endpoint:x"), {"the hand"}),
    "grant a slot": (table("PutItem", "SLOTS"), {"the loop"}),
    "write a run's plan or verdict": (table("PutItem", "RUN#run-1"), {"the loop"}),
    "say what became of registry and baseline": (table("PutItem", "FINISH#run-1"), {"the hand"}),
    "have an event raised": (table("PutItem", "DUE#EVENTS"), {"the loop", "operators' function"}),
    "have any work done": (table("PutItem", "DUE#3"), {"the loop", "the hand", "operators' function"}),
    "forget a run": (table("DeleteItem", "RUN#run-1"), set()),
    "forget a model": (table("DeleteItem", "MODEL#fraud"), set()),
    "forget a record": (table("DeleteItem", "CHAIN#fraud"), set()),
    "read a token of a slot": (table("GetItem", "WAIT#run-1"), {"the loop", "the hand"}),
    "write a decision": (record("decisions/fraud/2026/03/02/1.json"), {"the loop"}),
    "write an outcome": (record("evidence/fraud/run-1/outcome.json"), {"the loop"}),
    "write an approval": (record("evidence/fraud/run-1/approval-training.json"), {"the loop", "the page"}),
    "write a pause": (record("evidence/fraud/_controls/000000000001-paused.json"), {"the loop", "operators' function"}),
    "write a policy": (record("policies/fraud.json"), set()),
    "write the decision file": (record("monitoring_outputs/retraining_decision/retraining_decision.csv"), set()),
    "delete a record": (on("s3:DeleteObject", f"{BUCKET}/decisions/fraud/1.json"), set()),
    "take the bucket's policy away": (on("s3:DeleteBucketPolicy", BUCKET), set()),
    "start the loop": (on("states:StartExecution", MACHINE), {"the loop", "the rules"}),
    "answer a token": (on("states:SendTaskSuccess", MACHINE), {"the loop", "the hand", "the page"}),
    "have the loop decide": (on("lambda:InvokeFunction", STACK.arn("OrchestrationFunction")), {"the machine"}),
    "have the hand act": (on("lambda:InvokeFunction", STACK.arn("PromotionFunction")), {"the machine"}),
    "vote as somebody on the page": (on("lambda:InvokeFunction", STACK.arn("ApprovalFunction")), set()),
    "operate": (on("lambda:InvokeFunction", STACK.arn("OperatorFunction")), set()),
    "start a training job": (on("sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/retraining-1"), {"the hand"}),
    "delete a model of a team": (on("sagemaker:DeleteModel", f"{SAGEMAKER}:model/fraud-1"), set()),
    "delete a model of a run": (
        Call("sagemaker:DeleteModel", f"{SAGEMAKER}:model/fraud-1", (("aws:ResourceTag/retraining:run", "run-1"),)),
        {"the loop"},
    ),
    "say what a run made": (table("PutItem", "MADE#fraud"), {"the loop"}),
    "delete an endpoint": (on("sagemaker:DeleteEndpoint", f"{SAGEMAKER}:endpoint/fraud"), set()),
    "stop a stranger's training": (on("sagemaker:StopTrainingJob", f"{SAGEMAKER}:training-job/churn-weekly"), set()),
    "pass another role": (
        on("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", iam__PassedToService="sagemaker.amazonaws.com"),
        set(),
    ),
    "become somebody": (on("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin"), set()),
    "speak as AWS": (
        on("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default", events__source="aws.sagemaker"),
        set(),
    ),
    "send a signal": (
        on("events:PutEvents", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default", events__source="mlops.drift"),
        set(),
    ),
    "read a dead letter": (on("sqs:ReceiveMessage", STACK.arn("SignalDeadLetterQueue")), {"operators' function"}),
    "leave a dead letter": (on("sqs:SendMessage", STACK.arn("SignalDeadLetterQueue")), set()),
    "keep an event as if it was rejected": (record("rejected/1.json"), {"the loop"}),
    "change a function": (on("lambda:UpdateFunctionCode", STACK.arn("OrchestrationFunction")), set()),
    "read another team's object": (on("s3:GetObject", "arn:aws:s3:::a-team/customers.csv"), set()),
}  # fmt: skip
"""What a role could be misused for, and whose may, since it is their work."""


def test_every_role_of_the_stack_is_tried() -> None:
    roles = set(STACK.of_type("AWS::IAM::Role")) - {"SlackChannelRole"}
    assert set(ROLES.values()) == roles


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize("deed", MAY)
def test_a_role_does_its_own_work_and_nobody_elses(deed: str) -> None:
    call, may = MAY[deed]
    assert {who for who, role in ROLES.items() if allowing(STACK.policies(role), call) is not None} == may


@pytest.mark.threat("role-misused")
@pytest.mark.parametrize("role", [*ROLES.values(), "SlackChannelRole"])
def test_a_role_is_assumed_by_one_service_of_the_account_and_nobody_else(role: str) -> None:
    stack = Template.read().resolve({"SlackWorkspaceId": "T0", "SlackChannelId": "C0"})
    (statement,) = stack.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert [*statement["Principal"]] == ["Service"]
    assert len(as_list(statement["Principal"]["Service"])) == 1
    # Lambda's own trust has no condition that AWS documents for functions' roles.
    assert statement["Principal"]["Service"] == "lambda.amazonaws.com" or "Condition" in statement


@pytest.mark.threat("chat-taken")
def test_the_chat_channel_can_do_nothing() -> None:
    stack = Template.read().resolve({"SlackWorkspaceId": "T0", "SlackChannelId": "C0"})
    assert stack.policies("SlackChannelRole") == []
    channel = stack.resources["SlackChannel"]["Properties"]
    assert channel["GuardrailPolicies"] == ["arn:aws:iam::aws:policy/AWSDenyAll"]
    assert "CustomizationResourceArns" not in channel
    assert not stack.of_type("AWS::Chatbot::CustomAction")
    assert "SlackFunction" not in stack.resources


@pytest.mark.threat("chat-taken")
def test_with_buttons_the_channel_can_press_them_and_nothing_else() -> None:
    stack = Template.read().resolve(BUTTONS)
    statement = {
        "Sid": "PressButtons",
        "Effect": "Allow",
        "Action": "lambda:InvokeFunction",
        "Resource": stack.arn("SlackFunction"),
    }
    (policy,) = stack.policies("SlackChannelRole")
    assert policy["Statement"] == [statement]
    # A member's own role is bounded by the guardrail, whatever it may do elsewhere.
    assert stack.resources["SlackChannel"]["Properties"]["GuardrailPolicies"] == [stack.arn("SlackChannelPolicy")]
    assert stack.resources["SlackChannelPolicy"]["Properties"]["PolicyDocument"] == policy
