"""What AWS says no to, as a sentence for whoever asks: what they may not do and who may, or how to sign in. Pure."""

from __future__ import annotations

import re
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from orchestration.domain.failures import ended

SIGN_IN: Final = "Sign in to AWS (aws configure, aws sso login), or export what `make local` prints."

READERS: Final = "ReviewerPolicyArn"
OPERATORS: Final = "OperatorPolicyArn"
VOTERS: Final = "ReviewerPolicyArn or ModelReviewerPolicyArn"
"""Outputs of the stack: the policies for people."""

ONE_MODEL: Final = "Who reviews one model only names it: signals, history and report take --model."
"""What ModelReviewerPolicy allows of the table."""

READ: Final = frozenset(
    {"cloudformation:DescribeStacks", "dynamodb:GetItem", "dynamodb:Query"}
    | {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"}
    | {"states:DescribeExecution", "states:GetExecutionHistory", "states:ListExecutions"}
)
"""What ReviewerPolicy lets people read."""

_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"}
)
_SIGNED_OUT: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "RequestExpired"}
    | {"InvalidSignatureException", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired"}
    | {"UnrecognizedClientException"}
)
"""Codes of AWS for a right that is missing, and for credentials that are none. Source: "Common Errors" of each service's API."""

_NO_CREDENTIALS: Final = (
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
"""Errors by which the SDK says that it has no credentials, or none that are good any more."""

_CLOCK_OFF: Final = re.compile(r"Signature (?:expired|not yet current)|RequestTimeTooSkewed|RequestInTheFuture")
"""What says that a request was signed at a time AWS takes for past or future: by a clock that is off, since none of ours is kept.
Source: IAM User Guide, "Troubleshoot Signature Version 4 requests"; Amazon S3, "Error responses"."""

_PERFORMED: Final = re.compile(r"perform: ([\w-]+:\w+)(?: on resource: (\S+))?")
"""What of a refusal says what was to be done with what. Source: IAM User Guide, "Troubleshoot access denied error messages"."""


def not_allowed(error: Exception) -> bool:
    """Whether it says that whoever asks has no right to it."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _DENIED


def signed_out(error: Exception) -> bool:
    """Whether whoever asks has to sign in first, or again."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") in _SIGNED_OUT and not _CLOCK_OFF.search(str(error))
    return isinstance(error, _NO_CREDENTIALS)


def refusal(error: BotoCoreError | ClientError) -> str:
    """Sentences on an error of AWS: what is refused, and what to do where that is known."""
    if isinstance(error, _NO_CREDENTIALS):
        return f"{ended(str(error))} {SIGN_IN}"
    if isinstance(error, BotoCoreError):
        return f"AWS was not reached: {ended(str(error))}"
    said = error.response.get("Error", {})
    if _CLOCK_OFF.search(str(error)):
        return f"AWS finds the clock of this machine off: {ended(str(said.get('Message')))} Set it, then ask again."
    if signed_out(error):
        return f"AWS does not take your credentials ({said['Code']}). {SIGN_IN}"
    if not not_allowed(error):
        return f"AWS refused: {ended(str(error))}"
    done = _PERFORMED.search(str(said.get("Message", "")))
    action, resource = (done[1], (done[2] or "").strip('"')) if done else (error.operation_name, "")
    on = f" on {resource}" if resource.strip("*") else ""
    if "explicit deny" in str(said.get("Message", "")):
        return f"You may not do {action}{on}: a policy denies it."
    return f"You may not do {action}{on}. {_who(action, resource)}"


def who_has(policy: str) -> str:
    """Who may do what a policy of the stack allows."""
    return f"Whoever has the policy in the stack's output {policy} may."


def _who(action: str, resource: str) -> str:
    if action == "lambda:InvokeFunction":
        return who_has(VOTERS if "VoteFunction" in resource else OPERATORS)
    if action == "events:PutEvents" or (action.startswith("s3:") and "/policies/" in resource):
        return who_has(OPERATORS)
    if action.startswith("dynamodb:") and action in READ:
        return f"{who_has(READERS)} {ONE_MODEL}"
    if action in READ:
        return who_has(READERS)
    return "Have whoever administers the account give you the right."
