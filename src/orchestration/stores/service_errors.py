"""What each error of AWS means for the operation that met it: one table, and how it is read. Pure.

A contract test walks every operation of the stores against botocore's service models: each error has its meaning here. An
error that no row knows is REFUSED, unless its HTTP status says that AWS itself failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
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


class Meaning(StrEnum):
    """What an error says of its request."""

    AGAIN = "AGAIN"
    """Throttled, met by another change, or a fault of AWS's own: gone in seconds or minutes."""
    QUOTA = "QUOTA"
    """The account's quota is used up, which lasts hours."""
    LATE = "LATE"
    """It names what was made a moment ago and is not found yet."""
    DONE = "DONE"
    """It was done before, or there is nothing left to do."""
    ABSENT = "ABSENT"
    """There is no such thing; for who reads, an answer."""
    CONDITION = "CONDITION"
    """The condition of the store's own that came with it does not hold."""
    REFUSED = "REFUSED"
    """As it stands it is never taken."""


Words = tuple[tuple[str, Meaning], ...]
"""What a message may say, in lower case, with what that means; the first that is said counts, else it is REFUSED."""

Row = Mapping[str, Meaning | Words]
"""Meanings by code."""

COMMON: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(
        (
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "TooManyRequestsException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "SlowDown",
            "PriorRequestNotComplete",
            "EC2ThrottledException",
            "RequestTimeout",
            "RequestTimeoutException",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalException",
            "ServiceException",
            "ServiceUnavailable",
            # Two writes of one thing at once: DynamoDB's for single writes and transactions, S3's for conditional writes.
            "TransactionInProgressException",
            "TransactionConflictException",
            "ReplicatedWriteConflictException",
            "ConditionalRequestConflict",
            "OperationAborted",
        ),
        Meaning.AGAIN,
    ),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidClientTokenId",
            "NotAuthorized",
            "OptInRequired",
            "UnrecognizedClientException",
            "ValidationError",
        ),
        Meaning.REFUSED,
    ),
}
"""Codes that any operation may answer, most of them in no service model.

Source: botocore's standard retry mode for those that pass, with the conflicts that DynamoDB and S3 document as worth another
try; "Common Errors" of the services' API references for those that do not.
"""

TAKEN: Final[Words] = (("already exist", Meaning.DONE),)
UNSEEN: Final = ("could not find", "not found", "does not exist")
LATE: Final[Words] = tuple((words, Meaning.LATE) for words in UNSEEN)
GONE: Final[Words] = tuple((words, Meaning.ABSENT) for words in UNSEEN)
MOVES: Final[Words] = (("in-progress", Meaning.AGAIN),)
"""What SageMaker says in a ValidationException, which its service model does not have: a name is in use; a thing is not there,
or not yet; an endpoint takes no change now, since one goes on, which its description may not show yet.
"""

_READ: Final[Row] = {
    "ValidationException": GONE,
    "ResourceNotFound": Meaning.ABSENT,
    "ResourceNotFoundException": Meaning.ABSENT,
}
_STOPPED: Final[Row] = {
    # SageMaker refuses to stop what is over. A stop is looked at and asked for again until it shows.
    "ValidationException": Meaning.DONE,
    "ConflictException": Meaning.DONE,
    "ResourceNotFound": Meaning.ABSENT,
}
_QUOTA: Final = {"ResourceLimitExceeded": Meaning.QUOTA}
_KMS: Final = {
    "KmsAccessDeniedException": Meaning.REFUSED,
    "KmsInvalidStateException": Meaning.REFUSED,
    "KmsThrottlingException": Meaning.AGAIN,
}
_EXECUTION: Final = {**_KMS, "InvalidArn": Meaning.REFUSED, "ExecutionDoesNotExist": Meaning.ABSENT}
_TOKEN: Final = {
    **_KMS,
    # Nobody waits on the token any more.
    "TaskDoesNotExist": Meaning.ABSENT,
    "TaskTimedOut": Meaning.ABSENT,
    "InvalidToken": Meaning.ABSENT,
}
_TABLE: Final = {"ResourceNotFoundException": Meaning.REFUSED}
_WRITE: Final = {
    **_TABLE,
    "ConditionalCheckFailedException": Meaning.CONDITION,
    "ItemCollectionSizeLimitExceededException": Meaning.REFUSED,
}
_COPY: Final = {"NoSuchUpload": Meaning.AGAIN, "InvalidPart": Meaning.AGAIN}
_QUEUE: Final = dict.fromkeys(
    ("QueueDoesNotExist", "UnsupportedOperation", "InvalidSecurity", "InvalidAddress"), Meaning.REFUSED
)

OPERATIONS: Final[Mapping[str, Row]] = {
    # What the hand changes. Only what was made moments before is LATE; what a policy names is there or is not.
    "CreateTrainingJob": {**_QUOTA, "ResourceInUse": Meaning.DONE, "ResourceNotFound": Meaning.REFUSED},
    "StartPipelineExecution": {**_QUOTA, "ConflictException": Meaning.AGAIN, "ResourceNotFound": Meaning.REFUSED},
    "StartExecution": {
        **_KMS,
        "ExecutionAlreadyExists": Meaning.DONE,
        "ExecutionLimitExceeded": Meaning.QUOTA,
        "InvalidArn": Meaning.REFUSED,
        "InvalidExecutionInput": Meaning.REFUSED,
        "InvalidName": Meaning.REFUSED,
        "StateMachineDoesNotExist": Meaning.REFUSED,
        "StateMachineDeleting": Meaning.REFUSED,
        "ValidationException": Meaning.REFUSED,
    },
    # An image is the team's, and was not made a moment ago.
    "CreateModel": {**_QUOTA, "ValidationException": (*TAKEN, ("requested image", Meaning.REFUSED), *LATE)},
    "CreateEndpointConfig": {**_QUOTA, "ValidationException": (*TAKEN, *LATE)},
    "UpdateEndpoint": {**_QUOTA, "ValidationException": (*MOVES, *LATE)},
    "UpdateModelPackage": {"ConflictException": Meaning.AGAIN, "ValidationException": LATE},
    "UpdateMonitoringSchedule": {**_QUOTA, "ValidationException": MOVES, "ResourceNotFound": Meaning.REFUSED},
    # What it removes; that it is gone already is what was wanted.
    "DeleteModel": {"ValidationException": GONE},
    "DeleteEndpointConfig": {"ValidationException": GONE},
    # What the loop stops.
    "StopTrainingJob": _STOPPED,
    "StopPipelineExecution": _STOPPED,
    "StopExecution": {**_EXECUTION, "ValidationException": Meaning.DONE},
    # What it reads of SageMaker and Step Functions.
    "DescribeEndpoint": _READ,
    "DescribeEndpointConfig": _READ,
    "DescribeModel": _READ,
    "DescribeModelPackage": _READ,
    "DescribeMonitoringSchedule": _READ,
    "DescribePipelineExecution": _READ,
    "DescribeProcessingJob": _READ,
    "DescribeTrainingJob": _READ,
    "ListPipelineExecutions": _READ,
    "ListTags": _READ,
    "ListPipelineExecutionSteps": {"ResourceNotFound": Meaning.REFUSED},
    "ListMonitoringExecutions": {},
    "ListEndpoints": {},
    "DescribeExecution": _EXECUTION,
    "ListTagsForResource": {
        "InvalidArn": Meaning.REFUSED,
        "ResourceNotFound": Meaning.ABSENT,
        "StateMachineDoesNotExist": Meaning.ABSENT,
    },
    "SendTaskSuccess": {**_TOKEN, "InvalidOutput": Meaning.REFUSED},
    "SendTaskFailure": _TOKEN,
    # Its own records.
    "GetItem": _TABLE,
    "Query": _TABLE,
    "TransactGetItems": {**_TABLE, "TransactionCanceledException": Meaning.CONDITION},
    "PutItem": _WRITE,
    "UpdateItem": _WRITE,
    "DeleteItem": _WRITE,
    "TransactWriteItems": {
        **_TABLE,
        "TransactionCanceledException": Meaning.CONDITION,
        "IdempotentParameterMismatchException": Meaning.REFUSED,
    },
    "GetObject": {"NoSuchKey": Meaning.ABSENT, "NoSuchBucket": Meaning.ABSENT, "InvalidObjectState": Meaning.REFUSED},
    "ListObjectsV2": {"NoSuchBucket": Meaning.ABSENT},
    "PutObject": {
        "PreconditionFailed": Meaning.CONDITION,
        "InvalidRequest": Meaning.REFUSED,
        "InvalidWriteOffset": Meaning.REFUSED,
        "TooManyParts": Meaning.REFUSED,
        "EncryptionTypeMismatch": Meaning.REFUSED,
    },
    # The copies that endpoints serve. Another call may have gone on with the same one, or finished it; what was written again
    # since it was looked at gets a copy of its own.
    "ListMultipartUploads": {"NoSuchBucket": Meaning.REFUSED},
    "ListParts": _COPY,
    "CreateMultipartUpload": {"NoSuchBucket": Meaning.REFUSED},
    "UploadPartCopy": {
        **_COPY,
        "PreconditionFailed": Meaning.AGAIN,
        **dict.fromkeys(("NoSuchKey", "NoSuchBucket", "InvalidObjectState"), Meaning.REFUSED),
    },
    "CompleteMultipartUpload": {**_COPY, "PreconditionFailed": Meaning.DONE},
    # Whom it tells, and what it is told.
    "Publish": {
        **dict.fromkeys(
            (
                "InvalidParameter",
                "ParameterValueInvalid",
                "NotFound",
                "EndpointDisabled",
                "PlatformApplicationDisabled",
                "AuthorizationError",
                "KMSDisabled",
                "KMSInvalidState",
                "KMSNotFound",
                "KMSOptInRequired",
                "KMSAccessDenied",
                "InvalidSecurity",
                "ValidationException",
            ),
            Meaning.REFUSED,
        ),
        "KMSThrottling": Meaning.AGAIN,
    },
    "PutEvents": {},
    "ReceiveMessage": {
        **_QUEUE,
        "OverLimit": Meaning.AGAIN,
        "KmsThrottled": Meaning.AGAIN,
        **dict.fromkeys(
            (
                "KmsDisabled",
                "KmsInvalidState",
                "KmsNotFound",
                "KmsOptInRequired",
                "KmsAccessDenied",
                "KmsInvalidKeyUsage",
            ),
            Meaning.REFUSED,
        ),
    },
    "DeleteMessage": {**_QUEUE, "InvalidIdFormat": Meaning.REFUSED, "ReceiptHandleIsInvalid": Meaning.REFUSED},
    "DescribeAlarms": {"InvalidNextToken": Meaning.REFUSED},
    "DescribeAlarmHistory": {"InvalidNextToken": Meaning.REFUSED},
}
"""Operation, code, meaning. What a row does not have is in COMMON.

Source: botocore's service models; texts and unmodelled codes as public reports of SageMaker quote them.
"""

CUT_SHORT: Final = (HTTPClientError, NoConnectionError, IncompleteReadError, ChecksumError, FlexibleChecksumError)
"""No answer, or not the whole of it."""


def meaning(error: ClientError, operation: str) -> Meaning:
    """What an error means for the operation that met it, by its code, its words or its HTTP status."""
    said = error.response.get("Error", {})
    code = said.get("Code", "")
    found = OPERATIONS.get(operation, {}).get(code) or COMMON.get(code)
    if isinstance(found, tuple):
        message = said.get("Message", "").lower()
        found = next((means for words, means in found if words in message), None)
    if found is not None:
        return found
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    passes = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Meaning.AGAIN if passes else Meaning.REFUSED


def transient(error: BotoCoreError | ClientError) -> bool:
    """True for an error of AWS that may be gone at the next try of whatever it was: no whole answer, or AGAIN."""
    if isinstance(error, BotoCoreError):
        return isinstance(error, CUT_SHORT)
    return meaning(error, error.operation_name) is Meaning.AGAIN
