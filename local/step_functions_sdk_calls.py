"""Integrations made with boto3 against this very server: ``aws-sdk`` ones ministack has no way to, and ``sns:publish``.

So a state machine may use any action any service here answers, ``s3:putObject`` first among them, and a message it sends
fails as it is told to (``local/faults.py``), with the names Step Functions gives to SNS's errors.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError, UnknownServiceError
from ministack.core.responses import get_account_id, get_region, new_uuid

from local import own_clients
from local.seam import Repair
from local.seam import stepfunctions as sfn

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.sagemaker_records import Document

# Where Step Functions' name of a service is not boto3's.
_BOTO_NAMES = {
    "sfn": "stepfunctions",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sagemakerruntime": "sagemaker-runtime",
}
_PREFIX = "arn:aws:states:::aws-sdk:"
_PUBLISH = "arn:aws:states:::sns:publish"


SDK_CALLS = Repair(
    "SDK integrations",
    alone="`aws-sdk` calls it has no way to are refused (`s3:putObject`)",
    aws="made, here against this very server; errors are `S3.NoSuchKeyException`, unmodelled ones `S3.S3Exception`",
    source="https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html",
)


@SDK_CALLS.wraps(sfn, "_invoke_aws_sdk_integration")
def _invoke(original: Callable[[str, Document], Any], resource: str, input_data: Document) -> Any:
    service, _, action = resource.removeprefix(_PREFIX).partition(":")
    pascal = action[:1].upper() + action[1:]
    known = service in sfn.AWS_SDK_SERVICE_MAP and not (service == "s3" and pascal not in sfn.REST_XML_OP_SPECS["s3"])
    return original(resource, input_data) if known else _invoke_sdk(service, pascal, input_data or {})


PUBLISHING = Repair(
    "messages of state machines",
    alone="`sns:publish` fails with no name of SNS's errors",
    aws="`SNS.NotFoundException` and the others",
    source="https://docs.aws.amazon.com/step-functions/latest/dg/connect-sns.html",
)


@PUBLISHING.replaces(sfn, "_SERVICE_DISPATCH", _PUBLISH)
def _publish(resource: str, input_data: Document) -> Any:
    del resource
    return _call("sns", "Publish", _with_text(input_data), prefix="SNS", unmodelled="AmazonSNSException")


def _invoke_sdk(service: str, action: str, arguments: Document) -> Any:
    prefix = sfn.AWS_SDK_ERROR_PREFIX.get(service, service[:1].upper() + service[1:])
    return _call(service, action, arguments, prefix=prefix, unmodelled=f"{prefix}Exception")


def _with_text(arguments: Document) -> Document:
    # The optimized integration takes a message that is a document, and sends its JSON.
    message = arguments.get("Message")
    return arguments if isinstance(message, str) else {**arguments, "Message": json.dumps(message)}


def _call(service: str, action: str, arguments: Document, *, prefix: str, unmodelled: str) -> Any:
    """Call an action, its errors named as Step Functions names them.

    Args:
        service: Step Functions' name of the service.
        action: In PascalCase.
        arguments: The state's arguments.
        prefix: What comes before an error's name.
        unmodelled: The name of an error the service model does not know.
    """
    try:
        client = own_clients.client(_BOTO_NAMES.get(service, service), get_account_id(), get_region(), attempts=1)
        method = getattr(client, xform_name(action))
    except (UnknownServiceError, AttributeError):
        raise sfn.ExecutionError("States.Runtime", f"There is no aws-sdk:{service}:{action}.") from None
    try:
        answer = method(**_as_sent(arguments))
    except ParamValidationError as error:
        raise sfn.ExecutionError("States.Runtime", str(error)) from None
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # An error the service model does not know has no class in the SDK, and gets the service's own. A lost answer is the
        # SDK's own error. Where a service's code differs from its shape's name, Step Functions has the shape's.
        names = {str(shape.error_code or shape.name): shape.name for shape in client.meta.service_model.error_shapes}
        found = names.get(code) or (code if code in {*names.values(), "SdkClientException"} else unmodelled)
        name = found if found.endswith("Exception") else f"{found}Exception"
        message = error.response["Error"].get("Message", "")
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        cause = f"{message} (Service: {prefix}, Status Code: {status}, Request ID: {new_uuid()})"
        raise sfn.ExecutionError(f"{prefix}.{name}", cause) from None
    return _as_json({key: value for key, value in answer.items() if key != "ResponseMetadata"})


def _as_sent(arguments: Document) -> Document:
    # A state gives a Body as text or as a document; the SDK sends bytes.
    body = arguments.get("Body")
    if body is None:
        return arguments
    return {**arguments, "Body": (body if isinstance(body, str) else json.dumps(body)).encode()}


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if hasattr(value, "read"):
        return value.read().decode("utf-8", "replace")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value
