"""The template as CloudFormation makes it (ops/resolved_template.py), and what its policies allow.

stack = Template.read(TEMPLATE).resolve({"TrainingPipelineArn": "arn:aws:states:..."})
allowing(stack.policies("OrchestrationFunctionRole"), Call("s3:PutObject", "arn:aws:s3:::loop-automationbucket/x"))
"""

from __future__ import annotations

import importlib.resources
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ministack.core import iam_evaluator

from ops.resolved_template import ACCOUNT, PARTITION, REGION, STACK, Stack, Template
from ops.stack_deployment import ROOT, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ACCOUNT",
    "ALIKE",
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

ALIKE: Final = {"VoteFunction": "ApprovalFunction"}
"""A function that stands beside another one and does, under its role and in its log, what that one does."""

# -- Permissions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """One thing somebody does: an IAM action on a resource, with the condition keys AWS would fill in.

    `why` names the state, the action of the function or the rule that does it.
    """

    action: str
    resource: str
    keys: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    why: str = ""


def allowing(policies: list[dict[str, Any]], call: Call, *, boundary: dict[str, Any] | None = None) -> str | None:
    """The Sid of the statement that allows a call, None when nothing does or something denies it.

    Decided by ministack's evaluator: wildcards, conditions, explicit denies.
    """
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/role/session",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=call.action,
        resource_arn=call.resource,
        region=REGION,
        source_ip="192.0.2.1",
        secure_transport=True,
        service_context={key.lower(): list(value) if isinstance(value, tuple) else value for key, value in call.keys},
    )
    limits = [] if boundary is None else [[iam_evaluator.parse_policy_document(boundary)]]
    result = iam_evaluator.evaluate(context, [iam_evaluator.parse_policy_document(p) for p in policies], *limits)
    return str(result.matched_sid) if result.decision == "Allow" else None


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


def applies(action: str, resource: str) -> bool:
    """Tell whether an action can be on such a resource at all: lists of actions and resources are crossed in IAM."""
    if resource == "*":
        return True
    kinds = resource_kinds(action)
    return any(_same_kind(pattern, resource) for pattern in kinds) if kinds else True


@cache
def resource_kinds(action: str) -> tuple[str, ...]:
    """ARN patterns of the resources an action is on, as AWS's service authorization reference lists them.

    The copy that cfn-lint carries. Empty for an action that AWS gives no resource of its own.
    """
    service, name = action.split(":", 1)
    reference = _authorization_reference()[service.lower()]
    entry = reference["Actions"].get(name.lower())
    assert entry is not None, f"{action} is not an action of AWS"
    return tuple(arn for kind in entry.get("Resources", []) for arn in reference["Resources"][kind]["ARNFormats"])


@cache
def _authorization_reference() -> dict[str, Any]:
    file = importlib.resources.files("cfnlint.data.AdditionalSpecs") / "Policies.json"
    reference: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return reference


def _same_kind(pattern: str, resource: str) -> bool:
    """Compare an ARN, which may hold wildcards, with a pattern of the reference, up to the name of the resource."""
    wanted, given = pattern.split(":", 5), resource.split(":", 5)
    if len(given) < len(wanted) or wanted[2] != given[2]:
        return False
    kind = re.split(r"\.\*|\$", wanted[5])[0]  # `endpoint/`, not `endpoint`: there is an `endpoint-config/` too
    return given[5].startswith(kind)
