"""A presigned request for STS, and a signed one for a function's URL, count only with their signature; the function is told who signed.

What the administrator signs in a header, as every SDK does, stays unchecked: nothing rests on it but the URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.core.router import extract_access_key_id

from local.seam import Repair, iam_evaluator, lambda_svc, sigv4, sts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from local.sagemaker_records import Document

FORBIDDEN = 403


SIGNATURES = Repair(
    "signatures of the administrator",
    alone="a presigned request for STS, and one for a function's address, counts with any signature of the administrator's key",
    aws="`SignatureDoesNotMatch`; `Forbidden`",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html",
)
SIGNERS = Repair(
    "signers at an address",
    alone="`requestContext.authorizer` of a function's address is left out",
    aws="it tells who signed",
    source="https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html",
)


@SIGNATURES.wraps(sts, "handle_request")
async def _handle_sts(
    original: Callable[..., Awaitable[Any]], method: str, path: str, headers: Any, body: bytes, query_params: Any
) -> Any:
    if "X-Amz-Signature" in query_params:
        refused = _refused(method, path, headers, body, query_params, presigned=True)
        if refused is not None:
            return sts.error(FORBIDDEN, *refused, ns="sts")
    return await original(method, path, headers, body, query_params)


@SIGNATURES.wraps(lambda_svc, "handle_function_url_request")
async def _handle_url(
    original: Callable[..., Awaitable[Any]],
    url_id: str,
    method: str,
    path: str,
    headers: Any,
    body: bytes,
    query_params: Any,
    resolved: Any = None,
    source_ip: str | None = None,
) -> Any:
    found = resolved or lambda_svc.resolve_function_url(url_id)
    by_iam = found is not None and found[4].get("AuthType") == "AWS_IAM"
    if by_iam and lambda_svc.function_url_is_signed(headers, query_params):
        asked = f"/_aws/lambda-url/{url_id}{path}"
        presigned = "X-Amz-Signature" in query_params
        if _refused(method, asked, headers, body, query_params, presigned=presigned) is not None:
            answer = {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}
            return FORBIDDEN, answer, b'{"Message":"Forbidden"}'
    return await original(url_id, method, path, headers, body, query_params, resolved, source_ip)


@SIGNERS.wraps(lambda_svc, "_build_function_url_event")
def _build_event(
    original: Callable[..., Document],
    url_id: str,
    account_id: str,
    region: str,
    method: str,
    path: str,
    headers: Any,
    body: bytes,
    query_params: Any,
    source_ip: str = "127.0.0.1",
    anonymous: bool = False,
    trace_root: str = "",
) -> Document:
    given = (url_id, account_id, region, method, path, headers, body, query_params, source_ip, anonymous, trace_root)
    event = original(*given)
    signer = None if anonymous else iam_evaluator.resolve_caller_identity(extract_access_key_id(headers, query_params))
    if signer is not None:
        event["requestContext"]["authorizer"] = {"iam": _signed_by(signer)}
    return event


def _signed_by(signer: Mapping[str, Any]) -> Document:
    """The signer as AWS writes it. Source: Lambda Developer Guide, "Invoking Lambda function URLs", request payload."""
    return {
        "accessKey": signer["accessKey"],
        "accountId": signer["accountId"],
        "callerId": signer["userId"],
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": signer["userArn"],
        "userId": signer["userId"],
    }


def _refused(
    method: str, path: str, headers: Any, body: bytes, query_params: Any, *, presigned: bool
) -> tuple[str, str] | None:
    """Code and message by which AWS refuses a request, or None."""
    parsed = sigv4.parse_query_signature(query_params) if presigned else sigv4.parse_header_signature(headers)
    if isinstance(parsed, tuple):
        return parsed
    credential = iam_evaluator.resolve_credential(parsed.access_key_id)
    if isinstance(credential, iam_evaluator.CredentialResolutionError):
        return credential.code, credential.message
    late: tuple[str, str] | None = sigv4.request_time_failure(parsed)
    if late is not None:
        return late
    failure: tuple[str, str] | None = sigv4.header_signature_failure(
        parsed, credential.secret_access_key, method, path, query_params, headers, body, presigned=presigned
    )
    return failure
