"""What policies say to a call: ministack's evaluator, with what it lacks.

It knows no policy variables, and takes the session for ``aws:PrincipalArn``, which on AWS is the role.

>>> policy = {"Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
>>> decided(Caller.of([policy]), Call("s3:GetObject", "arn:aws:s3:::b/k")).sid
'Read'
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from local.seam import iam_evaluator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.iam_calls import Call


class Statements(list[Any]):
    """The statements of a policy, parsed. Which of them are on an action is looked up once: callers make few, and often."""

    def __init__(self, parsed: Sequence[Any] = ()) -> None:
        super().__init__(parsed)
        self._on: dict[str, list[Any]] = {}

    def on(self, action: str) -> list[Any]:
        """Those on an action."""
        found = self._on.get(action)
        if found is None:
            named = iam_evaluator.action_matches
            found = self._on[action] = [each for each in self if named(action, each.actions, each.not_actions)]
        return found


Policies = list[Statements]

_VARIABLE: Final = re.compile(r"\$\{(aws:[^}]+)\}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls, with what was given to them.

    Attributes:
        arn: Of the session or user, as a refusal names it.
        principal: What ``aws:PrincipalArn`` is: the role of a session.
        account: Twelve digits.
        policies: Identity policies.
        limits: What must allow a call besides: a permissions boundary, session policies.
        keys: Condition keys of the caller, in lower case: ``aws:principaltag/team``.
    """

    arn: str
    principal: str
    account: str
    policies: Policies
    limits: Sequence[Policies] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Sequence[dict[str, Any]], *, boundary: dict[str, Any] | None = None) -> Caller:
        """Somebody of account 123456789012 with these policies."""
        parse = iam_evaluator.parse_policy_document
        account = "123456789012"
        return cls(
            arn=f"arn:aws:sts::{account}:assumed-role/role/session",
            principal=f"arn:aws:iam::{account}:role/role",
            account=account,
            policies=[Statements(parse(document)) for document in documents],
            limits=() if boundary is None else ([Statements(parse(boundary))],),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call is allowed: by which statement, else the sentence with which AWS refuses it."""

    sid: str | None
    refusal: str = ""


def decided(
    caller: Caller,
    call: Call,
    *,
    region: str = "us-east-1",
    resource_policy: tuple[Any, str | None] | None = None,
    required: bool = False,
) -> Decision:
    """Decide a call by the policies of its caller and of its resource: a Deny in any wins.

    Args:
        caller: Who.
        call: What.
        region: ``aws:RequestedRegion``.
        resource_policy: The resource's own policy and the account that owns it.
        required: Whether that policy must allow even those of its own account, as a key's must.
    """
    context = iam_evaluator.EvalContext(
        principal_arn=caller.principal,
        principal_type="AssumedRole",
        principal_account=caller.account,
        action=call.action,
        resource_arn=call.resource,
        region=region,
        source_ip="192.0.2.1",
        # Nobody here speaks TLS; on AWS everybody does.
        secure_transport=True,
        service_context={key.lower(): list(value) if isinstance(value, tuple) else value for key, value in call.keys},
        principal_keys=dict(caller.keys),
    )
    policies = _about(call.action, caller.policies, caller.keys)
    limits = [_about(call.action, limit, caller.keys) for limit in caller.limits]
    found = iam_evaluator.evaluate(context, policies, *limits)
    by = "an identity-based policy" if found.decision == "Deny" else "no identity-based policy"
    if found.decision == "ImplicitDeny" and limits:
        by = "no permissions boundary" if iam_evaluator.evaluate(context, policies).decision == "Allow" else by
    if resource_policy is not None:
        combined = iam_evaluator.combine_resource_policy(
            found, context, *resource_policy, required=required, limits=tuple(limits)
        )
        if combined.decision == "Deny" and found.decision != "Deny":
            by = "a resource-based policy"
        elif combined.decision != "Allow" and found.decision == "Allow":
            by = "no resource-based policy"
        found = combined
    if found.decision == "Allow":
        return Decision(str(found.matched_sid))
    # S3 alone puts the resource in quotation marks.
    resource = f'"{call.resource}"' if call.action.startswith("s3:") else call.resource
    why = (
        f"with an explicit deny in {by}"
        if found.decision == "Deny"
        else f"because {by} allows the {call.action} action"
    )
    return Decision(
        None, f"User: {caller.arn} is not authorized to perform: {call.action} on resource: {resource} {why}"
    )


def lets_in(policy: Any, call: Call, service: str, region: str = "us-east-1") -> bool:
    """Whether a resource's policy, or a role's trust, lets a service of AWS make a call; nobody's account does it."""
    context = iam_evaluator.EvalContext(
        principal_arn="",
        principal_type="Service",
        principal_account="",
        action=call.action,
        resource_arn=call.resource,
        region=region,
        secure_transport=True,
        service_context={key.lower(): list(value) if isinstance(value, tuple) else value for key, value in call.keys},
    )
    return bool(iam_evaluator.evaluate_resource_policy(policy, context, service=service).decision == "Allow")


def _about(action: str, policies: Policies, keys: Mapping[str, Any]) -> list[list[Any]]:
    """The statements on an action, with their variables replaced. One without a value stays, which no name ever matches."""
    return [
        [
            _with_values(statement, keys) if _has_variables(statement) else statement
            for statement in statements.on(action)
        ]
        for statements in policies
    ]


def _has_variables(statement: Any) -> bool:
    return any("${" in resource for resource in statement.resources) or (
        bool(statement.conditions) and "${" in str(statement.conditions)
    )


def _with_values(statement: Any, keys: Mapping[str, Any]) -> Any:
    def value(match: re.Match[str]) -> str:
        found = keys.get(match[1].lower())
        # The characters IAM gives a meaning to have none in a value.
        return match[0] if found is None else re.sub(r"[*?]", "\0", str(found))

    def filled(node: Any) -> Any:
        if isinstance(node, str):
            return _VARIABLE.sub(value, node)
        if isinstance(node, list):
            return [filled(item) for item in node]
        if isinstance(node, dict):
            return {key: filled(item) for key, item in node.items()}
        return node

    return replace(statement, resources=filled(statement.resources), conditions=filled(statement.conditions))
