"""A presigned request for STS, and a signed one for a function's URL, count only with their signature; the function is told who signed.

ministack checks the signatures of users and sessions but not those of the administrator, who then may be anybody, and leaves
``requestContext.authorizer`` of a function URL out, so that on AWS a forged identity would be refused, and a page know its
reviewer, and here not. What the administrator signs in a header, as every SDK does, stays unchecked: nothing rests on it but
the URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.core import sigv4
from ministack.core.iam_evaluator import CredentialResolutionError, resolve_caller_identity, resolve_credential
from ministack.core.router import extract_access_key_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.sagemaker_records import Document

FORBIDDEN = 403


def install_sts(sts: Any) -> None:
    """Have STS look at the signatures of presigned requests; when its module has been loaded."""
    handle = sts.handle_request

    async def handle_signed(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        if "X-Amz-Signature" in query_params:
            refused = _refused(method, path, headers, body, query_params, presigned=True)
            if refused is not None:
                return sts._error(FORBIDDEN, *refused, ns="sts")
        return await handle(method, path, headers, body, query_params)

    sts.handle_request = handle_signed


def install_urls(lambda_svc: Any) -> None:
    """Have a URL with ``AWS_IAM`` look at signatures and say who signed; when Lambda's module has been loaded."""
    handle, build = lambda_svc.handle_function_url_request, lambda_svc._build_function_url_event

    async def handle_signed(
        url_id: str, method: str, path: str, headers: Any, body: bytes, query_params: Any, *more: Any, **named: Any
    ) -> Any:
        found = named.get("resolved") or lambda_svc.resolve_function_url(url_id)
        by_iam = found is not None and found[4].get("AuthType") == "AWS_IAM"
        if by_iam and lambda_svc._function_url_is_signed(headers, query_params):
            asked = f"/_aws/lambda-url/{url_id}{path}"
            presigned = "X-Amz-Signature" in query_params
            if _refused(method, asked, headers, body, query_params, presigned=presigned) is not None:
                answer = {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}
                return FORBIDDEN, answer, b'{"Message":"Forbidden"}'
        return await handle(url_id, method, path, headers, body, query_params, *more, **named)

    def build_with_signer(
        url_id: str,
        account: str,
        region: str,
        method: str,
        path: str,
        headers: Any,
        body: bytes,
        query: Any,
        **named: Any,
    ) -> Document:
        event: Document = build(url_id, account, region, method, path, headers, body, query, **named)
        signer = None if named.get("anonymous") else resolve_caller_identity(extract_access_key_id(headers, query))
        if signer is not None:
            event["requestContext"]["authorizer"] = {"iam": _signed_by(signer)}
        return event

    lambda_svc.handle_function_url_request = handle_signed
    lambda_svc._build_function_url_event = build_with_signer


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
    credential = resolve_credential(parsed.access_key_id)
    if isinstance(credential, CredentialResolutionError):
        return credential.code, credential.message
    late: tuple[str, str] | None = sigv4.request_time_failure(parsed)
    if late is not None:
        return late
    failure: tuple[str, str] | None = sigv4.header_signature_failure(
        parsed, credential.secret_access_key, method, path, query_params, headers, body, presigned=presigned
    )
    return failure
