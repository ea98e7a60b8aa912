"""What a call of AWS is to IAM: actions on resources, with the condition keys AWS would fill in.

Which resources an action is on comes from AWS's service authorization reference, in the copy that cfn-lint carries; which
parameters name them, from the service models of botocore. What the reference does not know is refused, not guessed.

>>> [*needed("sqs", "SendMessage", {"QueueUrl": "https://queue/123456789012/letters"}, Place("123456789012", "eu-west-1"))]
[Call(action='sqs:SendMessage', resource='arn:aws:sqs:eu-west-1:123456789012:letters', keys=(), why='')]
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.service_models import service_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Keys = tuple[tuple[str, str | tuple[str, ...]], ...]

_IAM_PREFIXES: Final = {"stepfunctions": "states", "monitoring": "cloudwatch", "sagemaker-runtime": "sagemaker"}
"""IAM's name of a service where it is neither boto3's nor the one in a signature."""
_MODELS: Final = {"states": "stepfunctions"}

_S3_NAMES: Final = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
}
"""The permission where it is not named like the operation. Source: Amazon S3 User Guide, "Required permissions for
Amazon S3 API operations"."""
_OF_A_PART: Final = {"CreateMultipartUpload", "UploadPart", "UploadPartCopy"}
"""What makes no object yet and takes no `If-None-Match`. Source: Amazon S3 User Guide, "Enforce conditional writes"."""
_OF_A_VERSION: Final = {"GetObject", "DeleteObject", "GetObjectTagging", "PutObjectTagging"}
_IN_THE_BODY: Final = {"DeleteObjects"}
"""What names its objects where nothing here reads them."""

_ON_EVERYTHING: Final = {"cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory"}
"""Lists that AWS answers in full only to those who may ask about everything."""

_TRANSACTION_ACTIONS: Final = {
    "Get": "dynamodb:GetItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
"""What a transaction needs for each of its items; there is no permission on the transaction itself."""

_HANDED_TO_CREATED: Final = re.compile(r"Create|Update|Start|Put")

FOLLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "sagemaker:createTrainingJob.sync": (
        "sagemaker:DescribeTrainingJob",
        "sagemaker:StopTrainingJob",
        "sagemaker:ListTags",
        "sagemaker:AddTags",
    ),
    "sagemaker:createProcessingJob.sync": (
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
        "sagemaker:ListTags",
        "sagemaker:AddTags",
    ),
}
"""What else `.sync` calls: it follows and stops what it started, and marks jobs as its own. Source: the IAM pages of the
integrations in the AWS Step Functions developer guide."""

MANAGED_RULES: Final[Mapping[str, str]] = {
    "sagemaker:createTrainingJob.sync": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createProcessingJob.sync": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "states:startExecution.sync": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
    "states:startExecution.sync:2": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}
"""The rules that Step Functions makes for itself to hear of the end of what `.sync` started. Same source; that of
processing jobs by analogy."""


class UnmappedCallError(LookupError):
    """Nobody here knows what a call needs; the message says which call."""


@dataclass(frozen=True, slots=True)
class Call:
    """One thing somebody does: an IAM action on a resource, with the condition keys AWS would fill in.

    `why` names the state, the action of the function or the rule that does it.
    """

    action: str
    resource: str
    keys: Keys = ()
    why: str = ""


class LeadingKeys(StrEnum):
    """Which partitions ``dynamodb:LeadingKeys`` holds for an item of a transaction; AWS's documentation does not say."""

    OF_THE_ITEM = "the item's own"
    OF_THE_ACTION = "those of every item with the same action"
    OF_THE_TRANSACTION = "those of every item"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call is made, and what AWS knows there that the call does not say.

    Attributes:
        account: Twelve digits.
        region: Its name.
        partition: ``aws`` or another.
        partition_key: The name of a table's partition key.
        tags_of: The tags of the resource with an ARN.
        machine_of: The ARN of the machine a task token belongs to; None for a token nobody gave.
        arn_of: The ARN of a stack by its name.
        leading_keys: How transactions are read.
    """

    account: str
    region: str
    partition: str = "aws"
    partition_key: Callable[[str], str] = lambda _: "pk"
    tags_of: Callable[[str], Mapping[str, str]] = lambda _: {}
    machine_of: Callable[[str], str | None] = lambda _: None
    arn_of: Callable[[str], str] = lambda name: name
    leading_keys: LeadingKeys = LeadingKeys.OF_THE_ITEM

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something here."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def needed(service: str, operation: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Call]:
    """Every permission a call needs, in the order AWS would miss them.

    Args:
        service: boto3's name, or the one in the signature.
        operation: The API's name of it, such as ``ListObjectsV2``.
        parameters: As boto3 takes them, or as they are sent.
        place: Where.

    Raises:
        UnmappedCallError: The reference has no such action, or its resources stand where nothing here reads.
    """
    prefix = _IAM_PREFIXES.get(service, service)
    for call in _needed(prefix, operation, parameters, place):
        tags = place.tags_of(call.resource).items()
        yield replace(call, keys=call.keys + tuple((f"aws:ResourceTag/{key}", value) for key, value in tags))


def followed(integration: str, resources: list[str], place: Place, why: str = "") -> Iterator[Call]:
    """What Step Functions does besides, under the machine's role, to await what an integration started.

    Args:
        integration: Service, operation and pattern: ``sagemaker:createTrainingJob.sync``.
        resources: ARNs of what was started.
        place: Where.
        why: Whose need it is.
    """
    for action in FOLLOWED.get(integration, ()):
        yield from (Call(action, resource, why=why) for resource in resources)
    if integration.startswith("states:startExecution.sync"):
        for action in ("states:DescribeExecution", "states:StopExecution"):
            yield from (
                Call(action, resource.replace(":stateMachine:", ":execution:") + ":*", why=why)
                for resource in resources
            )
    if rule := MANAGED_RULES.get(integration):
        for action in ("events:PutTargets", "events:PutRule", "events:DescribeRule"):
            yield Call(action, place.arn("events", f"rule/{rule}"), why=why)


def _needed(prefix: str, operation: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Call]:
    action = f"{prefix}:{operation}"
    match prefix:
        case "dynamodb":
            yield from _of_tables(action, parameters, place)
        case "s3":
            yield from _of_s3(operation, parameters, place)
        case "sqs" if "QueueUrl" in parameters:
            yield Call(action, place.arn("sqs", parameters["QueueUrl"].rstrip("/").rsplit("/", 1)[-1]))
        case "events" if operation == "PutEvents":
            for entry in parameters["Entries"]:
                bus = entry.get("EventBusName") or "default"
                keys = (("events:source", entry["Source"]), ("events:detail-type", entry["DetailType"]))
                yield Call(action, bus if bus.startswith("arn:") else place.arn("events", f"event-bus/{bus}"), keys)
        case "states" if operation.startswith("SendTask"):
            # The token names no machine. AWS checks the permission on the machine that the token belongs to.
            if machine := place.machine_of(parameters.get("taskToken", "")):
                yield Call(action, machine)
        case "lambda" if operation in ("Invoke", "InvokeAsync"):
            name = parameters["FunctionName"]
            arn = name if name.startswith("arn:") else place.arn("lambda", f"function:{name}")
            qualifier = f":{parameters['Qualifier']}" if "Qualifier" in parameters else ""
            yield Call("lambda:InvokeFunction" if operation == "Invoke" else action, arn + qualifier)
        case "cloudformation" if parameters.get("StackName"):
            resource_kinds(action)
            yield Call(action, place.arn_of(parameters["StackName"]))
        case "logs" if "logGroupName" in parameters:
            resource_kinds(action)
            yield Call(action, place.arn("logs", f"log-group:{parameters['logGroupName']}:log-stream:"))
        case _:
            yield from _of_resources(action, parameters, place)


# -- Services whose parameters name resources in a way of their own ---------------------------------------------------


def _of_s3(operation: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Call]:
    if operation in _IN_THE_BODY or not operation:
        raise UnmappedCallError(f"s3:{operation}")
    name = _S3_NAMES.get(operation, operation)
    if name in _OF_A_VERSION and parameters.get("VersionId"):
        name += "Version"
    action = f"s3:{name}"
    resource_kinds(action)
    bucket = f"arn:{place.partition}:s3:::{parameters.get('Bucket', '*')}"
    resource = f"{bucket}/{parameters['Key']}" if "Key" in parameters else bucket
    conditions = {"Prefix": "s3:prefix", "IfNoneMatch": "s3:if-none-match", "IfMatch": "s3:if-match"}
    keys = tuple((key, parameters[name]) for name, key in conditions.items() if name in parameters)
    if name == "PutObject":
        keys += (("s3:ObjectCreationOperation", str(operation not in _OF_A_PART).lower()),)
    yield Call(action, resource, keys)
    if source := parameters.get("CopySource"):
        read = source if isinstance(source, str) else f"{source['Bucket']}/{source['Key']}"
        path, _, version = read.lstrip("/").partition("?versionId=")
        yield Call("s3:GetObjectVersion" if version else "s3:GetObject", f"arn:{place.partition}:s3:::{path}")
    if mode := parameters.get("ObjectLockMode"):
        # S3 User Guide, "Object Lock": a PutObject with a retention needs this besides.
        yield Call("s3:PutObjectRetention", resource, (("s3:object-lock-mode", mode),))


def _of_tables(action: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Call]:
    if "TransactItems" in parameters:
        items = [next(iter(item.items())) for item in parameters["TransactItems"]]
        found = [
            (_TRANSACTION_ACTIONS[kind], _table(item["TableName"], place), _partition(item, place))
            for kind, item in items
        ]
        for done, table, partition in found:
            match place.leading_keys:
                case LeadingKeys.OF_THE_ITEM:
                    partitions = {partition}
                case LeadingKeys.OF_THE_ACTION:
                    partitions = {key for other, where, key in found if (other, where) == (done, table)}
                case LeadingKeys.OF_THE_TRANSACTION:
                    partitions = {key for _, where, key in found if where == table}
            operation = action.partition(":")[2]
            yield Call(done, table, (_leading(partitions), ("dynamodb:EnclosingOperation", operation)))
    elif "RequestItems" in parameters:
        for name, asked in parameters["RequestItems"].items():
            keys = asked["Keys"] if isinstance(asked, dict) else [next(iter(each.values())) for each in asked]
            partitions = {
                _partition(key if "Item" in key or "Key" in key else {"TableName": name, "Key": key}, place, name)
                for key in keys
            }
            yield Call(action, _table(name, place), (_leading(partitions),))
    elif "TableName" in parameters:
        resource_kinds(action)
        context: Keys = ()
        if partition := _partition(parameters, place):
            context = (_leading({partition}),)
        if "Select" in parameters:
            names = {"pk", "sk", *parameters.get("ExpressionAttributeNames", {}).values()}
            context += (("dynamodb:Select", parameters["Select"]), ("dynamodb:Attributes", tuple(sorted(names))))
        yield Call(action, _table(parameters["TableName"], place), context)
    else:
        yield from _of_resources(action, parameters, place)


def _leading(partitions: set[str]) -> tuple[str, tuple[str, ...]]:
    return ("dynamodb:LeadingKeys", tuple(sorted(partitions)))


def _table(name: str, place: Place) -> str:
    return name if name.startswith("arn:") else place.arn("dynamodb", f"table/{name}")


def _partition(item: Mapping[str, Any], place: Place, table: str = "") -> str:
    """The partition an item is in, or a query reads; empty for what has none, as a scan."""
    name = place.partition_key(item.get("TableName", table))
    if keys := item.get("Key") or item.get("Item"):
        return str(next(iter(keys[name].values())))
    names = item.get("ExpressionAttributeNames", {})
    values = item.get("ExpressionAttributeValues", {})
    for attribute, value in re.findall(r"(#?[\w.-]+)\s*=\s*(:\w+)", item.get("KeyConditionExpression", "")):
        if names.get(attribute, attribute) == name:
            return str(next(iter(values[value].values())))
    return ""


# -- All others: the reference says on what kinds of resources, the service model which parameter names one ------------


def _of_resources(action: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Call]:
    """The call itself, and what the request brings with it: tags, a role, alarms that roll back."""
    service, _, operation = action.partition(":")
    changes = _HANDED_TO_CREATED.match(operation)
    tags = _tags(parameters)
    requested: Keys = tuple((f"aws:RequestTag/{key}", value) for key, value in tags.items())
    requested += (("aws:TagKeys", tuple(sorted(tags))),) if tags else ()
    for resource in _named(action, parameters, place):
        yield Call(action, resource, requested)
        if changes and tags and service == "sagemaker":
            yield Call("sagemaker:AddTags", resource, requested)
    if changes:
        for role in _roles(parameters):
            yield Call("iam:PassRole", role, (("iam:PassedToService", f"{service}.amazonaws.com"),))
    if "AutoRollbackConfiguration" in parameters.get("DeploymentConfig", {}):
        # "Ensure that your IAM execution role has permission to perform the cloudwatch:DescribeAlarms action on the
        # auto-rollback alarms": SageMaker developer guide, Auto-Rollback Configuration and Monitoring.
        yield Call("cloudwatch:DescribeAlarms", "*")


def _named(action: str, parameters: Mapping[str, Any], place: Place) -> list[str]:
    """What the required members of a request name, else the ARN among the others, else everything."""
    kinds = resource_kinds(action)
    if action in _ON_EVERYTHING:
        return ["*"]
    required = {name: parameters[name] for name in _required(action) if name in parameters}
    return _arns(action, required, kinds, place) or _arns(action, parameters, kinds, place) or ["*"]


def _arns(action: str, parameters: Mapping[str, Any], kinds: tuple[str, ...], place: Place) -> list[str]:
    found: list[str] = []
    for name, value in parameters.items():
        if not isinstance(value, str):
            continue
        if value.startswith("arn:"):
            found += [value] if not kinds or applies(action, value) else []  # a role is none of these
            continue
        kind = re.sub(r"(?<!^)(?=[A-Z])", "-", name.removesuffix("Name")).lower()
        found += [_filled(pattern, place).replace(".*", value) for pattern in kinds if f":{kind}/" in pattern]
    return found


def _filled(pattern: str, place: Place) -> str:
    given = pattern.replace("${Partition}", place.partition).replace("${Region}", place.region)
    return given.replace("${Account}", place.account)


def _tags(parameters: Mapping[str, Any]) -> dict[str, str]:
    given = parameters.get("Tags") or parameters.get("tags") or []
    if isinstance(given, dict):
        return given
    pairs = [{name.lower(): value for name, value in tag.items()} for tag in given if isinstance(tag, dict)]
    return {tag["key"]: tag.get("value", "") for tag in pairs}


def _roles(node: Any) -> Iterator[str]:
    """Every role that a request hands to the service."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.lower().endswith("rolearn") and isinstance(value, str):
                yield value
            else:
                yield from _roles(value)
    elif isinstance(node, list):
        for item in node:
            yield from _roles(item)


@functools.cache
def _required(action: str) -> tuple[str, ...]:
    service, _, operation = action.partition(":")
    try:
        model = service_model(_MODELS.get(service, service))
        shape = model.operation_model(operation).input_shape
    except Exception as error:
        raise UnmappedCallError(action) from error
    return () if shape is None else tuple(shape.required_members)


# -- The service authorization reference --------------------------------------------------------------------------


def applies(action: str, resource: str) -> bool:
    """Tell whether an action can be on such a resource at all: lists of actions and resources are crossed in IAM."""
    if resource == "*":
        return True
    kinds = resource_kinds(action)
    return any(_same_kind(pattern, resource) for pattern in kinds) if kinds else True


@functools.cache
def resource_kinds(action: str) -> tuple[str, ...]:
    """ARN patterns of the resources an action is on. Empty for an action that AWS gives no resource of its own.

    Raises:
        UnmappedCallError: AWS has no such action.
    """
    service, _, name = action.partition(":")
    reference = authorization_reference().get(service.lower(), {"Actions": {}})
    entry = reference["Actions"].get(name.lower())
    if entry is None:
        raise UnmappedCallError(action)
    return tuple(arn for kind in entry.get("Resources", []) for arn in reference["Resources"][kind]["ARNFormats"])


@functools.cache
def authorization_reference() -> dict[str, Any]:
    """AWS's Service Authorization Reference as cfn-lint carries it: by service, in lower case, its actions and resources."""
    # Its package takes seconds to import; the file is all that is read.
    package = importlib.util.find_spec("cfnlint")
    folders = [] if package is None else [*(package.submodule_search_locations or [])]
    text = (Path(folders[0]) / "data" / "AdditionalSpecs" / "Policies.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _same_kind(pattern: str, resource: str) -> bool:
    """Compare an ARN, which may hold wildcards, with a pattern of the reference, up to the name of the resource."""
    wanted, given = pattern.split(":", 5), resource.split(":", 5)
    if len(given) < len(wanted) or wanted[2] != given[2]:
        return False
    kind = re.split(r"\.\*|\$", wanted[5])[0]  # `endpoint/`, not `endpoint`: there is an `endpoint-config/` too
    return given[5].startswith(kind)
