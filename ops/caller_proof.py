"""Signing a request of a function with one's own AWS identity: the other half of ``orchestration.domain.caller_proof``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from orchestration.domain.caller_proof import HEADER, LIFETIME, QUERY, binding

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials


def proven(
    request: dict[str, Any], credentials: ReadOnlyCredentials, *, region: str, sts: str, machine_arn: str
) -> dict[str, Any]:
    """The request with the proof that whoever has the credentials makes it. It is good for a minute.

    Args:
        request: the request of the function.
        credentials: whose identity signs.
        region: the stack's.
        sts: address of the STS that the function asks, the one of its Region.
        machine_arn: ARN of the stack's state machine.
    """
    signed = AWSRequest("GET", f"{sts}/?{QUERY}", headers={HEADER: binding(request, machine_arn)})
    SigV4QueryAuth(credentials, "sts", region, expires=int(LIFETIME.total_seconds())).add_auth(signed)
    return {**request, "proof": urlsplit(str(signed.url)).query}
