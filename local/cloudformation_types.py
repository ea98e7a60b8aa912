"""CloudFormation resource types ministack lacks, each doing what the service underneath can."""

from __future__ import annotations

import json
import re
import sys
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml
from botocore.validate import ParamValidator
from ministack.core.responses import get_account_id

from local import alarm_events, eventbridge_targets
from local.sagemaker_records import Document
from local.service_models import service_model
from local.shape_constraints import constraint_problems

_Created = tuple[str, Document]


def install(provisioners: Any) -> None:
    """Register the types with ministack's CloudFormation, when its module has been loaded."""
    types: dict[str, _Type] = {
        "AWS::IAM::RolePolicy": _RolePolicy(provisioners),
        "AWS::SNS::TopicInlinePolicy": _InlinePolicy(provisioners, "TopicArn", provisioners._sns._topics),
        "AWS::SQS::QueueInlinePolicy": _InlinePolicy(provisioners, "Queue", provisioners._sqs._queues),
        "AWS::CloudWatch::CompositeAlarm": _CompositeAlarm(provisioners),
        "AWS::Chatbot::CustomAction": (actions := _CustomAction()),
        "AWS::Chatbot::SlackChannelConfiguration": _SlackChannel(actions),
    }
    for name, kind in types.items():
        provisioners._RESOURCE_HANDLERS[name] = {
            "create": kind.create,
            "update": kind.update,
            "delete": kind.delete,
        }
    _parse_in_c(sys.modules[f"{provisioners.__package__}.engine"])
    _refuse_rules(provisioners)
    _lock_buckets(provisioners)
    _accept_metric_math(provisioners)
    _accept_bucket_hosts(sys.modules[f"{provisioners.__package__}.helpers"])


def _parse_in_c(engine: Any) -> None:
    """Parse templates with libyaml where PyYAML has it: a deployment parses its own six times, a quarter of a second each."""
    if not yaml.__with_libyaml__:
        return

    class Loader(yaml.CSafeLoader):
        yaml_constructors = engine.CfnLoader.yaml_constructors

    engine.CfnLoader = Loader


def _refuse_rules(provisioners: Any) -> None:
    """Make no ``AWS::Events::Rule`` that EventBridge refuses: no such bus, no such schedule or pattern, a target without its role."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Events::Rule"]
    create, events = handlers["create"], provisioners._eb

    def create_checked(logical_id: str, props: Document, stack_name: str) -> _Created:
        events._ensure_default_bus()
        bus = provisioners._eb_rule_bus_name(props)
        if bus not in events._event_buses:
            raise ValueError(f"Event bus {bus} does not exist.")
        schedule, pattern = props.get("ScheduleExpression", ""), props.get("EventPattern", "")
        if schedule and not events._validate_schedule_expression(schedule):
            raise ValueError("Parameter ScheduleExpression is not valid.")
        if problem := events._event_pattern_error(json.dumps(pattern) if isinstance(pattern, dict) else pattern):
            raise ValueError(f"Event pattern is not valid. Reason: {problem}")
        for problem in filter(None, map(eventbridge_targets.missing_role, props.get("Targets") or [])):
            raise ValueError(problem)
        created: _Created = create(logical_id, props, stack_name)
        return created

    handlers["create"] = create_checked
    # What an update calls that gives a rule another name.
    provisioners._eb_rule_create = create_checked


def _lock_buckets(provisioners: Any) -> None:
    """Have an ``AWS::S3::Bucket`` take Object Lock from its template, which ministack's S3 keeps and its CloudFormation overlooks."""
    handlers, s3 = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"], provisioners._s3
    create, update = handlers["create"], handlers["update"]

    def lock(created: _Created, props: Document) -> _Created:
        default = (props.get("ObjectLockConfiguration") or {}).get("Rule", {}).get("DefaultRetention")
        if props.get("ObjectLockEnabled"):
            # A number of a template may come as text.
            retention = {name: value if name == "Mode" else int(value) for name, value in (default or {}).items()}
            s3._bucket_object_lock[created[0]] = {"enabled": True, "default_retention": retention or None}
        return created

    def create_with_lock(logical_id: str, props: Document, stack_name: str) -> _Created:
        return lock(create(logical_id, props, stack_name), props)

    def update_with_lock(physical_id: str, old: Document, new: Document, stack_name: str) -> _Created:
        return lock(update(physical_id, old, new, stack_name), new)

    handlers.update(create=create_with_lock, update=update_with_lock)


def _accept_bucket_hosts(helpers: Any) -> None:
    """Take a TemplateURL whose host names the bucket, as AWS's own tools write it; ministack reads the path alone."""
    resolve = helpers._resolve_document

    def resolve_any(params: Document, body_key: str, url_key: str, label: str) -> Any:
        url = urlsplit(str(helpers._p(params, url_key) or ""))
        named = _BUCKET_HOST.fullmatch(url.hostname or "")
        if named:
            params = {**params, url_key: [f"{url.scheme}://{named[2]}/{named[1]}{url.path}"]}
        return resolve(params, body_key, url_key, label)

    helpers._resolve_document = resolve_any


_BUCKET_HOST = re.compile(r"(.+)\.(s3[.-][a-z0-9.-]*amazonaws\.com(?:\.cn)?)")


def _accept_metric_math(provisioners: Any) -> None:
    """Take an ``AWS::CloudWatch::Alarm`` with Metrics, which ministack refuses; SetAlarmState moves such an alarm."""
    record = provisioners._cw_metric_alarm_record
    put = provisioners._cw.cloudformation_put_metric_alarm

    def record_any(name: str, props: Document) -> Document:
        metrics = props.get("Metrics")
        if not metrics:
            answer: Document = record(name, props)
            return answer
        # A stand-in metric for the checks of the record's maker, taken off again below.
        plain = {key: value for key, value in props.items() if key != "Metrics"}
        alarm: Document = record(name, {"Threshold": 0, **plain, "MetricName": "-", "Namespace": "-"})
        return {**alarm, "Metrics": metrics}

    def put_any(alarm: Document) -> None:
        if not alarm.get("Metrics"):
            put(alarm)
            return
        provisioners._cw._alarms[alarm["AlarmName"]] = alarm
        alarm_events.take_metrics(alarm["AlarmName"], alarm["Metrics"])

    provisioners._cw_metric_alarm_record = record_any
    provisioners._cw.cloudformation_put_metric_alarm = put_any


class _Type(Protocol):
    """How a resource type is made, changed and removed; a physical id and what GetAtt gives."""

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created: ...

    def update(self, physical_id: str, old: Document, new: Document, stack_name: str) -> _Created: ...

    def delete(self, physical_id: str, props: Document) -> None: ...


class _RolePolicy:
    """An inline policy on a role, as a resource of its own."""

    def __init__(self, provisioners: Any) -> None:
        self._provisioners = provisioners

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created:
        del logical_id, stack_name
        as_policy = {"Roles": [props["RoleName"]], "PolicyDocument": props.get("PolicyDocument", {})}
        self._provisioners._iam_policy_require_entities(as_policy)
        self._provisioners._iam_policy_require_valid_document(as_policy)
        self._provisioners._iam_policy_put(as_policy, props["PolicyName"])
        return f"{props['PolicyName']}|{props['RoleName']}", {}

    def update(self, physical_id: str, old: Document, new: Document, stack_name: str) -> _Created:
        # Another name or role gives another physical id, which makes CloudFormation delete the old one.
        del physical_id, old
        return self.create("", new, stack_name)

    def delete(self, physical_id: str, props: Document) -> None:
        del physical_id
        self._provisioners._iam_policy_drop({"Roles": [props["RoleName"]]}, props["PolicyName"])


class _InlinePolicy:
    """The access policy of one topic or queue."""

    def __init__(self, provisioners: Any, member: str, store: Any) -> None:
        self._provisioners = provisioners
        self._member = member
        self._store = store

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created:
        del logical_id, stack_name
        owner = self._owner(props)
        if owner is None:
            raise ValueError(f"{props[self._member]} does not exist.")
        owner["attributes"]["Policy"] = self._provisioners._policy_document_json(props)
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
        found: Document | None = self._store.get(name)
        if found is None and name.startswith("http"):
            # A queue's URL names a host, and the same queue may have been created under another name of it.
            path = urlsplit(name).path
            found = next((queue for url, queue in self._store.items() if urlsplit(url).path == path), None)
        return found


class _CompositeAlarm:
    """A composite alarm."""

    def __init__(self, provisioners: Any) -> None:
        self._cloudwatch = provisioners._cw
        self._physical_name = provisioners._physical_name

    def create(self, logical_id: str, props: Document, stack_name: str) -> _Created:
        name = props.get("AlarmName") or self._physical_name(stack_name, logical_id, max_len=255)
        return self._put(name, props)

    def update(self, physical_id: str, old: Document, new: Document, stack_name: str) -> _Created:
        del old, stack_name
        return self._put(new.get("AlarmName") or physical_id, new)

    def delete(self, physical_id: str, props: Document) -> None:
        del props
        self._cloudwatch._composite_alarms.pop(physical_id, None)

    def _put(self, name: str, props: Document) -> _Created:
        enabled = props.get("ActionsEnabled", True)
        request = {
            **{key: value for key, value in props.items() if key != "Tags"},
            "AlarmName": name,
            "ActionsEnabled": enabled if isinstance(enabled, bool) else str(enabled).lower() == "true",
        }
        status, _, body = self._cloudwatch._put_composite_alarm({}, request, False, is_json=True)
        if status >= HTTPStatus.BAD_REQUEST:
            raise ValueError(json.loads(body).get("message", body))
        alarm = self._cloudwatch._composite_alarms[name]
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
