"""Who makes a direct invocation. A name in a request is never believed: Lambda tells nothing of its caller, STS does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.caller_proof import binding, unproven
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import is_listed, person_of

if TYPE_CHECKING:
    from orchestration.domain.people import Person
    from orchestration.ports import ApprovalPorts


def proven_caller(ports: ApprovalPorts, request: dict[str, Any]) -> Person:
    """The person who makes a request.

    Args:
        ports: the outside.
        request: with ``proof``, the query string of a presigned GetCallerIdentity that is bound to all the rest of it.

    Raises:
        InvalidRequestError: nobody is proven; the sentence says why.
        TransientServiceError: STS did not answer.
    """
    proof = request.get("proof")
    refused = unproven(proof, ports.now())
    if refused is not None:
        raise InvalidRequestError(refused.sentence)
    arn = ports.callers.arn_of(str(proof), binding(request, ports.settings.state_machine_arn))
    if arn is None:
        raise InvalidRequestError(
            "AWS does not take the request's proof: it was signed for another request, stack or Region, or by nobody it knows."
        )
    return person_who_may_ask(ports, arn)


def person_who_may_ask(ports: ApprovalPorts, arn: str) -> Person:
    """The person behind an identity that AWS proved, the same way whatever proved it.

    Args:
        ports: the outside.
        arn: the identity.

    Raises:
        InvalidRequestError: it is of nobody who may ask; the sentence says why.
    """
    person = person_of(arn, ports.settings.voter_roles)
    if person is None:
        raise InvalidRequestError(f"{arn} is no person or role that this stack can tell apart from others.")
    if arn.split(":")[4] != ports.settings.state_machine_arn.split(":")[4]:
        # A proof shows an identity, not that this identity may ask: whoever may could bring one of an account of their own.
        raise InvalidRequestError(f"{arn} is of another account than this stack, whose own people alone may ask.")
    listed = ports.settings.reviewer_principals
    if listed and not is_listed(arn, listed):
        raise InvalidRequestError(
            f"{arn} is none of the stack's ReviewerPrincipals, who alone may ask. Whoever deploys can name it there: a role "
            "that has a path by its whole name."
        )
    return person
