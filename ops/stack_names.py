"""How long a stack's name may be: every name that the template makes of it has to fit its service.

A name that CloudFormation makes itself always fits, since CloudFormation shortens the stack's name in it; nothing in
the template relies on how.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.stack import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STACK_NAME: Final = "${AWS::StackName}"

OF_A_STACK: Final = 128
"""Characters of a stack's name. Source: CloudFormation quotas."""

LIMITS: Final[Mapping[tuple[str, str], int]] = {
    ("AWS::CloudWatch::Alarm", "AlarmName"): 255,  # PutMetricAlarm
    ("AWS::CloudWatch::Alarm", "Namespace"): 255,  # PutMetricAlarm
    ("AWS::CloudWatch::Dashboard", "DashboardName"): 255,  # DashboardName of the resource's schema
    ("AWS::Chatbot::CustomAction", "ActionName"): 64,  # CreateCustomAction
    ("AWS::Chatbot::SlackChannelConfiguration", "ConfigurationName"): 128,  # CreateSlackChannelConfiguration
    ("AWS::DynamoDB::Table", "TableName"): 255,  # CreateTable
    ("AWS::Events::Rule", "Name"): 64,  # PutRule
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"): 128,  # CreatePolicy
    ("AWS::IAM::Role", "RoleName"): 64,  # CreateRole
    ("AWS::Lambda::Function", "FunctionName"): 64,  # CreateFunction
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,  # CreateLogGroup
    ("AWS::Logs::MetricFilter", "MetricNamespace"): 255,  # PutMetricFilter
    ("AWS::S3::Bucket", "BucketName"): 63,  # S3 User Guide, bucket naming rules
    ("AWS::SNS::Topic", "TopicName"): 256,  # CreateTopic
    ("AWS::SQS::Queue", "QueueName"): 80,  # CreateQueue
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): 80,  # CreateStateMachine
}
"""Characters of names and namespaces, by type and property. Sources: the API reference of the call beside each."""


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest name of a stack."""

    characters: int
    name: str
    """The name that is full then, with `${AWS::StackName}` in it; empty when nothing but the stack itself limits it."""
    limit: int
    """Characters of that name."""


def longest_stack_name(document: Mapping[str, Any]) -> Longest:
    """The longest name a stack of this template may have. Pure.

    Raises:
        ValueError: a name is made of the stack's name and something of unknown length, or its limit is not in `LIMITS`.
    """
    found = [Longest(OF_A_STACK, "", OF_A_STACK)]
    for logical_id, resource in document["Resources"].items():
        for key, text in _names(resource.get("Properties", {})):
            limit = LIMITS.get((resource["Type"], key))
            rest = text.replace(STACK_NAME, "")
            if limit is None or "${" in rest:
                raise ValueError(f"{logical_id}: how long may {key} {text} be?")
            found.append(Longest((limit - len(rest)) // text.count(STACK_NAME), text, limit))
    return min(found, key=lambda each: each.characters)


def refuse_stack_name(stack: str, document: Mapping[str, Any]) -> None:
    """Refuse a stack's name that CloudFormation does not take, or of which the template's names could not be made.

    Source: CloudFormation API, ``StackName`` of CreateStack.

    Raises:
        CallError: it is none, or too long; nothing was changed.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", stack):
        raise CallError(
            f"--stack {stack} is no name of a stack: a letter, then letters, digits and hyphens. Nothing was changed."
        )
    longest = longest_stack_name(document)
    if len(stack) > longest.characters:
        made = longest.name.replace(STACK_NAME, "<stack>") or "the stack's own name"
        raise CallError(
            f"Stack name {stack} has {len(stack)} characters; {longest.characters} fit: {made} may have "
            f"{longest.limit}. Nothing was changed. Shorten it: --stack {stack[: longest.characters].rstrip('-')}"
        )


def _names(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Names and namespaces that are made of the stack's name, with the property they stand in."""
    if isinstance(node, list):
        for each in node:
            yield from _names(each, key)
    elif isinstance(node, dict):
        text = node.get("Fn::Sub")
        if isinstance(text, str) and STACK_NAME in text and key.endswith(("Name", "Namespace")):
            yield key, text
        for name, each in node.items():
            yield from _names(each, name)
