"""CloudFormation resource types ministack lacks, each doing what the service underneath can."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import yaml
from botocore.validate import ParamValidator
from ministack.core.responses import get_account_id

from local import alarm_events, eventbridge_targets
from local.seam import (
    Addition,
    Own,
    Repair,
    cloudformation_engine,
    cloudformation_helpers,
    cloudwatch,
    eventbridge,
    provisioners,
    s3,
    sns,
    sqs,
)
from local.service_models import service_model
from local.shape_constraints import constraint_problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.sagemaker_records import Document

_Created = tuple[str, "Document"]


_GUIDE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"
TYPES = Addition(
    "resource types",
    "`IAM::RolePolicy`, `SNS::TopicInlinePolicy`, `SQS::QueueInlinePolicy`, `CloudWatch::CompositeAlarm`, `Chatbot::CustomAction`, "
    "`Chatbot::SlackChannelConfiguration`; the last two are only remembered, within what the API takes: there is no chat in which a "
    "button could be pressed",
)
RULES = Repair(
    "rules of templates",
    alone="an `Events::Rule` on a bus that does not exist, or with a schedule, pattern or target that EventBridge refuses, is made",
    aws="refused",
    source=f"{_GUIDE}aws-resource-events-rule.html",
)
LOCKED_BUCKETS = Repair(
    "locks of buckets",
    alone="`S3::Bucket` overlooks Object Lock",
    aws="the bucket has it, with or without a default; S3 keeps and refuses by it as on AWS, but asks no checksum for a PUT with a "
    "retention, which the requests' headers prove in a unit test",
    source=f"{_GUIDE}aws-resource-s3-bucket.html",
)
TEMPLATE_HOSTS = Repair(
    "addresses of templates",
    alone="a TemplateURL whose host names the bucket is not found: the path alone is read",
    aws="found",
    source="https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html",
)
_BUCKET_HOST = re.compile(r"(.+)\.(s3[.-][a-z0-9.-]*amazonaws\.com(?:\.cn)?)")


if yaml.__with_libyaml__:

    @Own("templates", "parsed by libyaml: a deployment parses its own six times, a quarter of a second each").wraps(
        cloudformation_engine, "CfnLoader"
    )
    def _loader(original: Any, stream: Any) -> Any:
        loader = yaml.CSafeLoader(stream)
        loader.yaml_constructors = original.yaml_constructors  # type: ignore[misc] # of this one loader
        return loader


@RULES.wraps(provisioners, "_RESOURCE_HANDLERS", "AWS::Events::Rule", "create")
# What an update calls that gives a rule another name.
@RULES.wraps(provisioners, "_eb_rule_create")
def _create_rule(original: Callable[..., _Created], logical_id: str, props: Document, stack_name: str) -> _Created:
    eventbridge.ensure_default_bus()
    bus = provisioners.eb_rule_bus_name(props)
    if bus not in eventbridge.event_buses:
        raise ValueError(f"Event bus {bus} does not exist.")
    schedule, pattern = props.get("ScheduleExpression", ""), props.get("EventPattern", "")
    if schedule and not eventbridge.validate_schedule_expression(schedule):
        raise ValueError("Parameter ScheduleExpression is not valid.")
    if problem := eventbridge.event_pattern_error(json.dumps(pattern) if isinstance(pattern, dict) else pattern):
        raise ValueError(f"Event pattern is not valid. Reason: {problem}")
    for problem in filter(None, map(eventbridge_targets.missing_role, props.get("Targets") or [])):
        raise ValueError(problem)
    return original(logical_id, props, stack_name)


@LOCKED_BUCKETS.wraps(provisioners, "_RESOURCE_HANDLERS", "AWS::S3::Bucket", "create")
def _create_bucket(original: Callable[..., _Created], logical_id: str, props: Document, stack_name: str) -> _Created:
    return _lock(original(logical_id, props, stack_name), props)


@LOCKED_BUCKETS.wraps(provisioners, "_RESOURCE_HANDLERS", "AWS::S3::Bucket", "update")
def _update_bucket(
    original: Callable[..., _Created], physical_id: str, old_props: Document, new_props: Document, stack_name: str
) -> _Created:
    return _lock(original(physical_id, old_props, new_props, stack_name), new_props)


def _lock(created: _Created, props: Document) -> _Created:
    default = (props.get("ObjectLockConfiguration") or {}).get("Rule", {}).get("DefaultRetention")
    if props.get("ObjectLockEnabled"):
        # A number of a template may come as text.
        retention = {name: value if name == "Mode" else int(value) for name, value in (default or {}).items()}
        s3.bucket_object_lock[created[0]] = {"enabled": True, "default_retention": retention or None}
    return created


@TEMPLATE_HOSTS.wraps(cloudformation_helpers, "_resolve_document")
def _resolve(original: Callable[..., Any], params: Document, body_key: str, url_key: str, label: str) -> Any:
    url = urlsplit(str(cloudformation_helpers.p(params, url_key) or ""))
    named = _BUCKET_HOST.fullmatch(url.hostname or "")
    if named:
        params = {**params, url_key: [f"{url.scheme}://{named[2]}/{named[1]}{url.path}"]}
    return original(params, body_key, url_key, label)


@alarm_events.METRIC_MATH.wraps(provisioners, "_cw_metric_alarm_record")
def _alarm_record(original: Callable[..., Document], name: str, props: Document) -> Document:
    metrics = props.get("Metrics")
    if not metrics:
        return original(name, props)
    # A stand-in metric for the checks of the record's maker, taken off again below.
    plain = {key: value for key, value in props.items() if key != "Metrics"}
    alarm = original(name, {"Threshold": 0, **plain, "MetricName": "-", "Namespace": "-"})
    return {**alarm, "Metrics": metrics}


@alarm_events.METRIC_MATH.wraps(cloudwatch, "cloudformation_put_metric_alarm")
def _put_alarm(original: Callable[[Document], None], alarm: Document) -> None:
    if not alarm.get("Metrics"):
        original(alarm)
        return
    cloudwatch.alarms[alarm["AlarmName"]] = alarm
    alarm_events.take_metrics(alarm["AlarmName"], alarm["Metrics"])


class _RolePolicy:
    """An inline policy on a role, as a resource of its own."""

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created:
        del logical_id, stack_name
        as_policy = {"Roles": [props["RoleName"]], "PolicyDocument": props.get("PolicyDocument", {})}
        provisioners.iam_policy_require_entities(as_policy)
        provisioners.iam_policy_require_valid_document(as_policy)
        provisioners.iam_policy_put(as_policy, props["PolicyName"])
        return f"{props['PolicyName']}|{props['RoleName']}", {}

    def update(self, physical_id: str, old: Document, new: Document, stack_name: str) -> _Created:
        # Another name or role gives another physical id, which makes CloudFormation delete the old one.
        del physical_id, old
        return self.create("", new, stack_name)

    def delete(self, physical_id: str, props: Document) -> None:
        del physical_id
        provisioners.iam_policy_drop({"Roles": [props["RoleName"]]}, props["PolicyName"])


class _InlinePolicy:
    """The access policy of one topic or queue."""

    def __init__(self, member: str, store: Callable[[], Any]) -> None:
        self._member = member
        self._store = store

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created:
        del logical_id, stack_name
        owner = self._owner(props)
        if owner is None:
            raise ValueError(f"{props[self._member]} does not exist.")
        owner["attributes"]["Policy"] = provisioners.policy_document_json(props)
        return str(props[self._member]), {}

    def update(self, physical_id: str, old: Document, new: Document, stack_name: str) -> _Created:
        del physical_id, old
        return self.create("", new, stack_name)

    def delete(self, physical_id: str, props: Document) -> None:
        del physical_id
        if (owner := self._owner(props)) is not None:
            owner["attributes"].pop("Policy", None)

    def _owner(self, props: Document) -> Document | None:
        name = str(props[self._member])
        found: Document | None = self._store().get(name)
        if found is None and name.startswith("http"):
            # A queue's URL names a host, and the same queue may have been created under another name of it.
            path = urlsplit(name).path
            found = next((queue for url, queue in self._store().items() if urlsplit(url).path == path), None)
        return found


class _CompositeAlarm:
    """A composite alarm."""

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created:
        name = props.get("AlarmName") or provisioners.physical_name(stack_name, logical_id, max_len=255)
        return self._put(name, props)

    def update(self, physical_id: str, old: Document, new: Document, stack_name: str) -> _Created:
        del old, stack_name
        return self._put(new.get("AlarmName") or physical_id, new)

    def delete(self, physical_id: str, props: Document) -> None:
        del props
        cloudwatch.composite_alarms.pop(physical_id, None)

    def _put(self, name: str, props: Document) -> _Created:
        enabled = props.get("ActionsEnabled", True)
        request = {
            **{key: value for key, value in props.items() if key != "Tags"},
            "AlarmName": name,
            "ActionsEnabled": enabled if isinstance(enabled, bool) else str(enabled).lower() == "true",
        }
        status, _, body = cloudwatch.put_composite_alarm({}, request, False, is_json=True)
        if status >= HTTPStatus.BAD_REQUEST:
            raise ValueError(json.loads(body).get("message", body))
        alarm = cloudwatch.composite_alarms[name]
        for member in ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"):
            if member in props:
                alarm[member] = props[member]
        return name, {"Arn": alarm["AlarmArn"]}


class _CustomAction:
    """A button of chat messages, as CreateCustomAction takes one. Nobody presses it here; its name is taken once in an account."""

    def __init__(self) -> None:
        self.made: set[str] = set()
        """ARNs."""

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created:
        del logical_id, stack_name
        arn = self._arn(props)
        if arn in self.made:
            raise ValueError(f"A custom action {props['ActionName']} exists already.")
        self.made.add(arn)
        return arn, {"CustomActionArn": arn}

    def update(self, physical_id: str, old: Document, new: Document, stack_name: str) -> _Created:
        del old
        arn = self._arn(new)
        # Another name gives another physical id, which makes CloudFormation delete the old one.
        return (arn, {"CustomActionArn": arn}) if arn == physical_id else self.create("", new, stack_name)

    def delete(self, physical_id: str, props: Document) -> None:
        del props
        self.made.discard(physical_id)

    @staticmethod
    def _arn(props: Document) -> str:
        """ARN of the action.

        Raises:
            ValueError: the API does not take it.
        """
        shape: Any = service_model("chatbot").operation_model("CreateCustomAction").input_shape
        asked = {name: value for name, value in props.items() if name != "Tags"}
        report = ParamValidator().validate(asked, shape)
        problems = [report.generate_report()] if report.has_errors() else [*constraint_problems(asked, shape)]
        if problems:
            raise ValueError("; ".join(problems))
        # No other partition has chat.
        return f"arn:aws:chatbot::{get_account_id()}:custom-action/{props['ActionName']}"


class _SlackChannel:
    """A chat configuration: remembered by the stack alone, since there is no chat service to hold it."""

    _SLACK_ID = re.compile(r"[A-Za-z0-9]+")
    _GUARDRAIL = re.compile(r"arn:aws:iam:[\w/.-]{0,63}:[\w/.-]{0,63}:[A-Za-z0-9][\w:/+=,@.-]{0,1023}", re.ASCII)

    def __init__(self, actions: _CustomAction) -> None:
        self._actions = actions

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created:
        del logical_id, stack_name
        for member in ("ConfigurationName", "IamRoleArn", "SlackChannelId", "SlackWorkspaceId"):
            if not props.get(member):
                raise ValueError(f"{member} is required for AWS::Chatbot::SlackChannelConfiguration")
        for member in ("SlackChannelId", "SlackWorkspaceId"):
            if not self._SLACK_ID.fullmatch(str(props[member])):
                raise ValueError(f"{member} {props[member]!r} is not a Slack id")
        for guardrail in props.get("GuardrailPolicies", []):
            if not self._GUARDRAIL.fullmatch(guardrail):
                raise ValueError(f"GuardrailPolicies: {guardrail!r} is not the ARN of a policy")
        for action in props.get("CustomizationResourceArns", []):
            if action not in self._actions.made:
                raise ValueError(f"CustomizationResourceArns: there is no custom action {action}")
        arn = f"arn:aws:chatbot::{get_account_id()}:chat-configuration/slack-channel/{props['ConfigurationName']}"
        return arn, {"Arn": arn}

    def update(self, physical_id: str, old: Document, new: Document, stack_name: str) -> _Created:
        del physical_id, old
        return self.create("", new, stack_name)

    def delete(self, physical_id: str, props: Document) -> None:
        """Nothing was made, so nothing is left to remove."""


_ACTIONS = _CustomAction()
_TYPES: Final[dict[str, Any]] = {
    "AWS::IAM::RolePolicy": _RolePolicy(),
    "AWS::SNS::TopicInlinePolicy": _InlinePolicy("TopicArn", lambda: sns.topics),
    "AWS::SQS::QueueInlinePolicy": _InlinePolicy("Queue", lambda: sqs.queues),
    "AWS::CloudWatch::CompositeAlarm": _CompositeAlarm(),
    "AWS::Chatbot::CustomAction": _ACTIONS,
    "AWS::Chatbot::SlackChannelConfiguration": _SlackChannel(_ACTIONS),
}
for _name, _type in _TYPES.items():
    TYPES.adds(provisioners, "_RESOURCE_HANDLERS", _name)(
        {"create": _type.create, "update": _type.update, "delete": _type.delete}
    )
