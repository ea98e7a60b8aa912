"""What a function asks AWS for, as IAM sees it: an action on a resource, with the keys that conditions look at."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from botocore import xform_name

from tests.contract.template import ACCOUNT, PARTITION, REGION, Call, Stack, applies, resource_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.outside import Outside

MACHINE: Final = "RetrainingStateMachine"

IAM_PREFIXES: Final = {"stepfunctions": "states"}
IAM_NAMES: Final = {"s3:ListObjectsV2": "s3:ListBucket", "s3:ListObjectVersions": "s3:ListBucketVersions"}
ON_EVERYTHING: Final = {"cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory"}
"""Lists that AWS answers in full only to those who may ask about everything."""

TRANSACTION_ACTIONS: Final = {
    "Get": "dynamodb:GetItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
"""What a transaction needs for each of its items; there is no permission on the transaction itself."""

TAGGED: Final = (("aws:ResourceTag/retraining:model", "fraud"),)
"""What IAM sees of the tag by which a team gives a resource of its own to the loop."""

ON_TAGGED: Final = frozenset(
    {"sagemaker:StartPipelineExecution", "sagemaker:UpdateEndpoint", "sagemaker:UpdateMonitoringSchedule"}
)
"""Actions on resources that a team tags, all but what the loop creates."""

MADE: Final = (("aws:ResourceTag/retraining:run", "run-1"),)
"""What IAM sees of the tag of what a run made."""

ON_MADE: Final = frozenset({"sagemaker:DeleteModel", "sagemaker:DeleteEndpointConfig"})
"""Actions on what a run made."""


@dataclass
class Recorder:
    """What one function called while ``outside.doing`` something; what moto has only in part, ``outside`` answers."""

    stack: Stack
    outside: Outside
    calls: list[Call] = field(default_factory=list)
    operations: set[str] = field(default_factory=set)
    _asked: dict[str, Any] = field(default_factory=dict)

    def listen(self, session: Any) -> Any:
        """Hook into the clients that a session will make."""
        session.events.register_first("provide-client-params", self._called)
        session.events.register_first("before-call", self._answered)
        session.events.register_first("after-call.s3.GetObject", self._missed)
        return session

    def _called(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        service = str(model.service_model.service_name)
        self.operations.add(xform_name(model.name))
        self.calls += [
            replace(call, why=self.outside.doing) for call in self._derived(service, model, model.name, params)
        ]
        self._asked = params

    def _answered(self, model: Any, **_: Any) -> Any:
        return self.outside.answer(model.service_model.service_name, model.name, self._asked)

    def _missed(self, parsed: dict[str, Any], **_: Any) -> None:
        """S3 says 404 for a missing object only to those who may list the bucket; to others it says 403."""
        if parsed["ResponseMetadata"]["HTTPStatusCode"] == 404:
            bucket = f"arn:{PARTITION}:s3:::{self._asked['Bucket']}"
            self.calls.append(Call("s3:ListBucket", bucket, why=self.outside.doing))

    def _derived(self, service: str, model: Any, operation: str, params: dict[str, Any]) -> Iterator[Call]:
        """The IAM actions and resources of a call."""
        action = f"{IAM_PREFIXES.get(service, service)}:{operation}"
        action = IAM_NAMES.get(action, action)
        if service == "dynamodb":
            yield from _of_the_table(action, params)
        elif service == "s3":
            key = f"/{params['Key']}" if "Key" in params else ""
            prefix = (("s3:prefix", params["Prefix"]),) if "Prefix" in params else ()
            resource = f"arn:{PARTITION}:s3:::{params['Bucket']}{key}"
            yield Call(action, resource, prefix)
            if mode := params.get("ObjectLockMode"):
                # S3 User Guide, "Object Lock": a PutObject with a retention needs this besides.
                yield Call("s3:PutObjectRetention", resource, (("s3:object-lock-mode", mode),))
        elif service == "events":
            for entry in params["Entries"]:
                bus = f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:event-bus/{entry.get('EventBusName', 'default')}"
                keys = (("events:source", entry["Source"]), ("events:detail-type", entry["DetailType"]))
                yield Call(action, bus, keys)
        elif service == "sqs":
            yield Call(action, f"arn:{PARTITION}:sqs:{REGION}:{ACCOUNT}:{params['QueueUrl'].rsplit('/', 1)[-1]}")
        elif operation.startswith("SendTask"):
            # The token names no machine. AWS checks the permission on the machine that the token belongs to.
            yield Call(action, self.stack.arn(MACHINE))
        elif service == "sagemaker":
            yield from _of_sagemaker(action, model, params)
        elif action == "states:StartExecution":
            machine = params["stateMachineArn"]
            ours = {self.stack.arn(MACHINE), self.stack.values["TrainingPipelineArn"]}
            yield Call(action, machine, () if machine in ours else TAGGED)
        else:
            arns = [value for value in params.values() if isinstance(value, str) and value.startswith("arn:")]
            yield Call(action, "*" if action in ON_EVERYTHING else arns[0])


def _of_the_table(action: str, params: dict[str, Any]) -> Iterator[Call]:
    items = [next(iter(item.items())) for item in params.get("TransactItems", [])]
    for kind, item in items or [("", params)]:
        table = f"arn:{PARTITION}:dynamodb:{REGION}:{ACCOUNT}:table/{item['TableName']}"
        keys = item.get("Key") or item.get("Item") or {"pk": item.get("ExpressionAttributeValues", {}).get(":pk")}
        context: tuple[tuple[str, Any], ...] = (("dynamodb:LeadingKeys", (keys["pk"]["S"],)),)
        if "Select" in item:
            names = {"pk", "sk", *item["ExpressionAttributeNames"].values()}
            context += (("dynamodb:Select", item["Select"]), ("dynamodb:Attributes", tuple(sorted(names))))
        yield Call(TRANSACTION_ACTIONS.get(kind, action), table, context)


def _of_sagemaker(action: str, model: Any, params: dict[str, Any]) -> Iterator[Call]:
    """The call itself, and what the request brings with it: tags, a role, alarms that roll back."""
    resources = list(_named(action, model, params))
    changes = re.match(r"sagemaker:(Create|Update|Start)", action)
    for resource in resources:
        config = ":endpoint-config/" in resource
        yield Call(
            action, resource, MADE if action in ON_MADE else TAGGED if action in ON_TAGGED and not config else ()
        )
        if changes and "Tags" in params:
            yield Call("sagemaker:AddTags", resource)
    if changes:
        for role in _roles(params):
            yield Call("iam:PassRole", role, (("iam:PassedToService", "sagemaker.amazonaws.com"),))
    if "AutoRollbackConfiguration" in params.get("DeploymentConfig", {}):
        # "Ensure that your IAM execution role has permission to perform the cloudwatch:DescribeAlarms action on the
        # auto-rollback alarms": SageMaker developer guide, Auto-Rollback Configuration and Monitoring.
        yield Call("cloudwatch:DescribeAlarms", "*")


def _named(action: str, model: Any, params: dict[str, Any]) -> Iterator[str]:
    """What the required members of a request name, else the ARN among the others, else everything."""
    kinds = resource_kinds(action)
    members = {name: params[name] for name in model.input_shape.required_members if isinstance(params.get(name), str)}
    found = []
    for name, value in (members or params).items():
        if not isinstance(value, str):
            continue
        if value.startswith("arn:"):
            found += [value] if not kinds or applies(action, value) else []  # a role is none of these
            continue
        kind = re.sub(r"(?<!^)(?=[A-Z])", "-", name.removesuffix("Name")).lower()
        found += [_arn(pattern, value) for pattern in kinds if f":{kind}/" in pattern]
    yield from found or ["*"]


def _arn(pattern: str, name: str) -> str:
    given = pattern.replace("${Partition}", PARTITION).replace("${Region}", REGION).replace("${Account}", ACCOUNT)
    return given.replace(".*", name)


def _roles(node: Any) -> Iterator[str]:
    """Every role that a request hands to SageMaker."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.endswith("RoleArn") and isinstance(value, str):
                yield value
            else:
                yield from _roles(value)
    elif isinstance(node, list):
        for item in node:
            yield from _roles(item)
