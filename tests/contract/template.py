"""The template as CloudFormation makes it (ops/resolved_template.py), and what its policies allow.

stack = Template.read(TEMPLATE).resolve({"TrainingPipelineArn": "arn:aws:states:..."})
allowing(stack.policies("OrchestrationFunctionRole"), Call("s3:PutObject", "arn:aws:s3:::loop-automationbucket/x"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from local.iam_calls import Call, applies, resource_kinds
from local.iam_policies import Caller, decided
from ops.project import ROOT, TEMPLATE
from ops.resolved_template import ACCOUNT, PARTITION, REGION, STACK, Stack, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ACCOUNT",
    "ALIKE",
    "BUTTONS",
    "PARTITION",
    "REGION",
    "ROOT",
    "STACK",
    "TEMPLATE",
    "Call",
    "Stack",
    "Template",
    "allowing",
    "applies",
    "as_list",
    "resource_kinds",
    "unused",
]

ALIKE: Final = {"VoteFunction": "ApprovalFunction", "SlackFunction": "ApprovalFunction"}
"""A function that stands beside another one and does, under its role and in its log, what that one does."""

BUTTONS: Final = {"SlackWorkspaceId": "T0", "SlackChannelId": "C0", "SlackApprovals": "true"}
"""Parameters of a stack with buttons in Slack."""

# -- Permissions --------------------------------------------------------------------------------------------------


def allowing(policies: list[dict[str, Any]], call: Call, *, boundary: dict[str, Any] | None = None) -> str | None:
    """The Sid of the statement that allows a call, None when nothing does or something denies it.

    Decided as the embedded AWS decides: wildcards, conditions, explicit denies.
    """
    return decided(Caller.of(policies, boundary=boundary), call).sid


def unused(policies: list[dict[str, Any]], calls: list[Call]) -> list[str]:
    """What no call needs: each action of a statement with each resource and each leading key that allows none."""
    found = []
    for statement in (statement for policy in policies for statement in policy["Statement"]):
        if statement["Effect"] != "Allow":
            continue
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                if not applies(action, resource):
                    continue
                for key, narrowed in _by_leading_key({**statement, "Action": action, "Resource": resource}):
                    alone = {"Statement": [narrowed]}
                    if not any(allowing([alone], call) is not None for call in calls if call.action == action):
                        found.append(f"{statement['Sid']}: {action} on {resource}{key}")
    return found


def _by_leading_key(statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A statement on partitions of a table as one for each partition."""
    test, name = "ForAllValues:StringLike", "dynamodb:LeadingKeys"
    keys = statement.get("Condition", {}).get(test, {}).get(name)
    for key in as_list(keys) if keys else [None]:
        if key is None:
            yield "", statement
        else:
            condition = {**statement["Condition"], test: {**statement["Condition"][test], name: [key]}}
            yield f" of {key}", {**statement, "Condition": condition}


def as_list(value: Any) -> list[Any]:
    """IAM takes one or many."""
    return value if isinstance(value, list) else [value]
