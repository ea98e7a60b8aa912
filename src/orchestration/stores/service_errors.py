"""Which errors of AWS may be gone at the next try. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

COMES_AGAIN: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
        # Two writes of one thing at once: DynamoDB's for single writes and transactions, S3's for conditional writes.
        "TransactionInProgressException",
        "TransactionConflictException",
        "ConditionalRequestConflict",
        "OperationAborted",
    }
)
"""Codes that ask the caller to come again."""


CUT_SHORT: Final = (HTTPClientError, NoConnectionError, IncompleteReadError, ChecksumError, FlexibleChecksumError)
"""No answer, or not the whole of it."""


def transient(error: BotoCoreError | ClientError) -> bool:
    """True for an error of AWS that may be gone at the next try: no whole answer, throttled, a conflict, a fault of its own.

    Source: HTTP, 429 and 5xx; the codes are those botocore's standard retry mode counts as throttling, and those that
    DynamoDB and S3 document as conflicts worth another try.
    """
    if isinstance(error, BotoCoreError):
        return isinstance(error, CUT_SHORT)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (
        status == HTTPStatus.TOO_MANY_REQUESTS
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or (error.response.get("Error", {}).get("Code") in COMES_AGAIN)
    )
