"""SimulatePrincipalPolicy of a role as IAM answers it: by the conditions it is told of, and about each resource it is asked about.

ministack reads one resource and no ContextEntries, so that a permission under a condition is never there.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region

from local.iam_calls import Call
from local.iam_policies import Caller, decided


def install(iam: Any) -> None:
    """Have the module of IAM answer so for roles; users are ministack's."""
    simulate = iam._IAM_HANDLERS["SimulatePrincipalPolicy"]

    def simulated(given: Any) -> Any:
        name = str(iam._p(given, "PolicySourceArn")).partition(":role/")[2]
        return _of_role(iam, given, name) if name else simulate(given)

    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulated


def _of_role(iam: Any, given: Any, role: str) -> Any:
    arn, account = str(iam._p(given, "PolicySourceArn")), get_account_id()
    caller = Caller(arn, arn, account, iam_evaluator._gather_role_policies(role.rpartition("/")[2], account))
    keys = tuple(
        (name, values[0] if len(values) == 1 else tuple(values))
        for place, name in enumerate(_numbered(iam, given, "ContextEntries.member", ".ContextKeyName"), 1)
        if (values := _numbered(iam, given, f"ContextEntries.member.{place}.ContextKeyValues.member"))
    )
    results = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{_word(caller, Call(action, resource, keys))}</EvalDecision></member>"
        for action in _numbered(iam, given, "ActionNames.member")
        for resource in _numbered(iam, given, "ResourceArns.member") or ["*"]
    )
    answer = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        f"<SimulatePrincipalPolicyResult>{answer}</SimulatePrincipalPolicyResult>",
        ns="iam",
    )


def _word(caller: Caller, call: Call) -> str:
    found = decided(caller, call, region=get_region())
    if found.sid is not None:
        return "allowed"
    return "explicitDeny" if "explicit deny" in found.refusal else "implicitDeny"


def _numbered(iam: Any, given: Any, name: str, ending: str = "") -> list[str]:
    """The values of a list in a query: ``name.1``, ``name.2``, as many as there are."""
    found: list[str] = []
    while value := iam._p(given, f"{name}.{len(found) + 1}{ending}"):
        found.append(str(value))
    return found
