"""SimulatePrincipalPolicy of a role as IAM answers it: by the conditions it is told of, and about each resource it is asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id, get_region

from local.iam_calls import Call
from local.iam_policies import Caller, decided
from local.seam import Repair, iam, iam_evaluator

if TYPE_CHECKING:
    from collections.abc import Callable

SIMULATIONS = Repair(
    "simulations of policies",
    alone="SimulatePrincipalPolicy reads no ContextEntries and one resource, so a permission under a condition is denied",
    aws="of a role it is answered by the conditions it is told of, for each resource",
    source="https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html",
)


@SIMULATIONS.wraps(iam, "_IAM_HANDLERS", "SimulatePrincipalPolicy")
def _simulate(original: Callable[[Any], Any], p: Any) -> Any:
    arn, account = str(iam.p(p, "PolicySourceArn")), get_account_id()
    role = arn.partition(":role/")[2]
    if not role:
        return original(p)
    caller = Caller(arn, arn, account, iam_evaluator.gather_role_policies(role.rpartition("/")[2], account))
    keys = tuple(
        (name, values[0] if len(values) == 1 else tuple(values))
        for place, name in enumerate(_numbered(p, "ContextEntries.member", ".ContextKeyName"), 1)
        if (values := _numbered(p, f"ContextEntries.member.{place}.ContextKeyValues.member"))
    )
    results = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{_word(caller, Call(action, resource, keys))}</EvalDecision></member>"
        for action in _numbered(p, "ActionNames.member")
        for resource in _numbered(p, "ResourceArns.member") or ["*"]
    )
    answer = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
    return iam.xml(
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


def _numbered(given: Any, name: str, ending: str = "") -> list[str]:
    """The values of a list in a query: ``name.1``, ``name.2``, as many as there are."""
    found: list[str] = []
    while value := iam.p(given, f"{name}.{len(found) + 1}{ending}"):
        found.append(str(value))
    return found
