"""The template as a reviewer and a console user read it: complete, grouped, retained, no wider than it must be."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import pytest
from ministack.services import eventbridge

from ops import asl_lint
from orchestration.actions import park, promote, roll_back, train
from orchestration.actions.sweep import BUDGET_SECONDS
from orchestration.composition import _config
from orchestration.domain import contracts
from orchestration.domain.due import GRACE
from orchestration.domain.intention import HAND_TIMEOUT, settles_at
from orchestration.handler import ACTIONS, EVENT_ACTIONS
from orchestration.settings import MACHINE_SUFFIX, ApprovalAccess, Settings
from tests.contract.template import (
    ACCOUNT,
    ALIKE,
    BUTTONS,
    PARTITION,
    REGION,
    ROOT,
    STACK,
    TEMPLATE,
    Call,
    Stack,
    Template,
    allowing,
    applies,
    as_list,
    resource_kinds,
    unused,
)
from tests.contract.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MACHINE = "RetrainingStateMachine"
INLINE_LIMIT = 51_200
"""Largest template CloudFormation takes in a request; a larger one has to come from S3."""

HOLDS_STATE = frozenset(
    {
        "AWS::S3::Bucket",
        "AWS::DynamoDB::Table",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::Logs::LogGroup",
        "AWS::KMS::Key",
    }
)

OUTPUTS = frozenset(
    """
    StateMachineArn AutomationBucketName OrchestrationFunctionName HistoryTableName OperationsTopicArn
    EscalationTopicArn DeadLetterQueueUrl TemplateVersion
    """.split()  # noqa: SIM905 - names, as they stand in the documentation
)

KNOWN_STATES = ("ReadRetrainingDecision", "DecisionChoice", "TriggerTrainingPipeline", "NoRetrainingNeeded")
"""Names that users of the workflow this one grew from have in their dashboards and runbooks."""

NO_NARROWER_RESOURCE: Mapping[str, str] = {
    "cloudwatch:DescribeAlarmHistory": "composite alarms are returned only when it is allowed on *",
    "cloudwatch:DescribeAlarms": "composite alarms are returned only when it is allowed on *",
    "logs:DescribeLogGroups": "Step Functions looks the group up in the list of all",
}
"""Actions that the authorization reference gives a resource, and that need `*` all the same."""

NOW = datetime(2026, 3, 2, 11, 9, tzinfo=UTC)
EVENTS = ROOT / "tests" / "events"
TEMPLATES = sorted([*ROOT.glob("[!.]*.yaml"), *ROOT.glob("examples/*/*.yaml")])
SENTENCE = re.compile(r"([A-Z][a-z0-9]*){2,}")


@pytest.fixture(scope="module")
def template() -> Template:
    return Template.read()


@pytest.fixture(scope="module")
def empty_form(template: Template) -> Stack:
    return template.resolve()


@pytest.fixture(scope="module")
def full_form(template: Template) -> Stack:
    return template.resolve(FULL_FORM)


FULL_FORM = {
    name: value
    for name, value in {
        "TrainingPipelineArn": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:training",
        "SageMakerExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/sagemaker",
        "DecisionBucket": "team-decisions",
        "OperationsEmail": "operations@example.com",
        "EscalationEmail": "escalation@example.com",
        "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "KmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/7a1b2c3d-0000-0000-0000-000000000000",
        **BUTTONS,
    }.items()
    if name in Template.read().parameters
}
"""Every optional parameter given."""


def statements(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statement of every policy in the stack, trust and resource policies too, with the resource it stands in."""

    def found(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "Effect" in node:
                yield node
            else:
                for item in node.values():
                    yield from found(item)
        elif isinstance(node, list):
            for item in node:
                yield from found(item)

    for name, resource in stack.resources.items():
        for statement in found(resource["Properties"]):
            yield name, statement


# -- The form -----------------------------------------------------------------------------------------------------


def test_every_parameter_has_a_description_and_a_default(template: Template) -> None:
    missing = {
        name: {"Description", "Default"} - parameter.keys()
        for name, parameter in template.parameters.items()
        if not {"Description", "Default"} <= parameter.keys() or not parameter["Description"].strip()
    }

    assert missing == {}


def test_every_parameter_stands_in_exactly_one_group_and_has_a_label(template: Template) -> None:
    interface = template.document["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]

    assert sorted(grouped) == sorted(template.parameters)
    assert sorted(interface["ParameterLabels"]) == sorted(template.parameters)


def test_every_default_is_a_value_that_its_own_rules_allow(template: Template) -> None:
    refused = []
    for name, parameter in template.parameters.items():
        default = parameter["Default"]
        if "AllowedPattern" in parameter and not re.search(parameter["AllowedPattern"], str(default)):
            refused.append(f"{name}: {default!r} does not match")
        if "AllowedValues" in parameter and default not in parameter["AllowedValues"]:
            refused.append(f"{name}: {default!r} is not allowed")
        if not parameter.get("MinValue", default) <= default <= parameter.get("MaxValue", default):
            refused.append(f"{name}: {default!r} is out of bounds")

    assert refused == []


def test_every_pattern_is_anchored_and_says_what_it_wants(template: Template) -> None:
    for name, parameter in template.parameters.items():
        if pattern := parameter.get("AllowedPattern"):
            assert (pattern[0], pattern[-1]) == ("^", "$"), name
            assert parameter.get("ConstraintDescription", "").startswith("must "), name


def test_every_parameter_is_used(template: Template) -> None:
    rest = {key: value for key, value in template.document.items() if key not in {"Parameters", "Metadata"}}
    used = set(re.findall(r'"Ref": "(\w+)"', json.dumps(rest))) | set(re.findall(r"\$\{(\w+)\}", json.dumps(rest)))

    assert set(template.parameters) - used == set()


def test_every_condition_is_used_and_every_one_used_exists(template: Template) -> None:
    text = json.dumps({key: value for key, value in template.document.items() if key != "Metadata"})
    used = set(re.findall(r'"Fn::If": \["(\w+)"', text)) | set(re.findall(r'"Condition": "(\w+)"', text))

    assert used == set(template.document["Conditions"])


@pytest.mark.parametrize("form", ["empty_form", "full_form"])
def test_every_reference_of_the_form_leads_somewhere(form: str, request: pytest.FixtureRequest) -> None:
    stack: Stack = request.getfixturevalue(form)

    assert stack.resources
    assert stack.outputs


def test_the_outputs_that_people_and_programs_were_promised_are_there(template: Template) -> None:
    outputs = template.document["Outputs"]

    assert OUTPUTS - outputs.keys() == set()
    assert [name for name, output in outputs.items() if not output.get("Description")] == []


def test_the_templates_version_is_the_projects(empty_form: Stack, template: Template) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert version is not None
    assert empty_form.outputs["TemplateVersion"] == version[1]
    assert version[1] in template.document["Description"]


def test_the_template_fits_into_a_request(template: Template, record_property: Callable[[str, object], None]) -> None:
    size = len(template.text.encode())
    record_property("template_bytes", size)

    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    deploy = page[page.index("aws cloudformation deploy") :].split("```", 1)[0]
    assert size < INLINE_LIMIT or "--s3-bucket" in deploy, (
        f"{size} bytes: say in docs/deploy.md that it has to come from S3, or shorten it"
    )


# -- What outlives the stack, who belongs to whom ----------------------------------------------------------------------


@pytest.mark.threat("stack-deleted")
def test_everything_that_holds_state_is_kept_when_the_stack_goes(template: Template) -> None:
    unkept = {
        name: (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        for name, resource in template.of_type(*HOLDS_STATE).items()
        if resource.get("DeletionPolicy") not in {"Retain", "RetainExceptOnCreate"}
        or resource.get("UpdateReplacePolicy") != "Retain"
    }

    assert unkept == {}


@pytest.mark.parametrize(
    "name", list(Template.read().of_type("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"))
)
def test_a_function_and_a_machine_stand_beside_their_log_group_role_and_policy(name: str, template: Template) -> None:
    order, head = list(template.resources), ALIKE.get(name, name)
    family = {name, head, f"{head}LogGroup", f"{head}Role", f"{head}Policy"}

    assert family <= set(order)
    places = [place for place, member in enumerate(order) if member in family]
    between = {member for member in order[places[0] : places[-1]] if not member.startswith((head, *ALIKE))}
    assert between == set(), "the family is not adjacent"


def test_a_function_waits_for_its_policy_and_logs_into_its_own_group(template: Template) -> None:
    for name, function in template.of_type("AWS::Lambda::Function").items():
        head = ALIKE.get(name, name)
        assert f"{head}Policy" in as_list(function["DependsOn"])
        assert function["Properties"]["Role"] == {"Fn::GetAtt": [f"{head}Role", "Arn"]}
        assert function["Properties"]["LoggingConfig"]["LogGroup"] == {"Ref": f"{head}LogGroup"}
        assert function["Properties"]["LoggingConfig"]["LogFormat"] == "JSON"
        assert function["Properties"]["LoggingConfig"]["ApplicationLogLevel"] == "INFO", "filters count lines of INFO"


def test_the_machine_waits_for_its_policy_and_logs_no_execution_data(template: Template) -> None:
    for name, machine in template.of_type("AWS::StepFunctions::StateMachine").items():
        logging = machine["Properties"]["LoggingConfiguration"]
        assert f"{name}Policy" in as_list(machine["DependsOn"])
        assert logging["IncludeExecutionData"] is False
        assert logging["Level"] == "ALL"


def test_every_role_takes_the_permissions_boundary(full_form: Stack, empty_form: Stack) -> None:
    for name, role in full_form.of_type("AWS::IAM::Role").items():
        assert role["Properties"]["PermissionsBoundary"] == FULL_FORM["PermissionsBoundaryArn"], name
        plain = empty_form.resources.get(name)  # a stack without Slack has no role for its channel
        assert plain is None or "PermissionsBoundary" not in plain["Properties"], name


# -- Statements ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_partition_is_written_out(path: Path) -> None:
    assert re.findall(r"arn:aws[a-z-]*:", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_statement_allows_a_wildcard_of_actions(path: Path) -> None:
    wide = [
        (name, statement["Sid"])
        for name, statement in statements(Template.read(path).resolve())
        if statement["Effect"] == "Allow"
        and ("NotAction" in statement or any("*" in action for action in as_list(statement["Action"])))
    ]

    assert wide == []


def test_a_statement_on_everything_holds_only_actions_without_a_narrower_resource(full_form: Stack) -> None:
    too_wide = [
        f"{name}.{statement['Sid']}: {action} could be on {resource_kinds(action)}"
        for name, statement in statements(full_form)
        if statement["Effect"] == "Allow" and "*" in as_list(statement.get("Resource", []))
        for action in as_list(statement["Action"])
        if resource_kinds(action) and action not in NO_NARROWER_RESOURCE
    ]

    assert too_wide == []


def test_what_is_allowed_on_any_bucket_is_allowed_in_this_account_only(full_form: Stack) -> None:
    any_bucket = [
        (f"{name}.{statement['Sid']}", statement.get("Condition"))
        for name, statement in statements(full_form)
        if statement["Effect"] == "Allow"
        and any(resource.startswith(f"arn:{PARTITION}:s3:::*") for resource in as_list(statement.get("Resource", [])))
    ]

    assert any_bucket == [
        (name, {"StringEquals": {"aws:ResourceAccount": ACCOUNT}})
        for name in (
            "OrchestrationFunctionPolicy.ReadReportsAndArtifacts",
            "OrchestrationFunctionPolicy.TellMissingReportsFromForbidden",
            "PromotionFunctionPolicy.IdentifyArtifacts",
        )
    ]


def test_the_reason_stands_beside_every_statement_on_everything(template: Template, full_form: Stack) -> None:
    for name, statement in statements(full_form):
        if statement["Effect"] == "Allow" and "*" in as_list(statement.get("Resource", [])):
            (line,) = [line for line in template.source[name] if re.search(rf"Sid: {statement['Sid']}\b", line)]
            assert re.search(r" # \S+ \S+ \S+", line), f"{name}.{statement['Sid']} does not say why it is on *"


def test_every_action_of_a_statement_can_be_on_one_of_its_resources(full_form: Stack) -> None:
    lost = [
        f"{name}.{statement['Sid']}: {action}"
        for name, statement in statements(full_form)
        if statement["Effect"] == "Allow" and "Resource" in statement
        for action in as_list(statement["Action"])
        if not any(applies(action, resource) for resource in as_list(statement["Resource"]))
    ]

    assert lost == []


def test_every_sid_is_a_sentence_and_stands_once_in_its_policy(full_form: Stack) -> None:
    seen: set[tuple[str, str]] = set()
    for name, statement in statements(full_form):
        sid = statement.get("Sid", "")
        assert SENTENCE.fullmatch(sid) or sid == "Trace", f"{name}: {sid!r}"
        assert (name, sid) not in seen, f"{name} has {sid} twice"
        seen.add((name, sid))


def test_services_may_take_a_role_only_for_this_account(full_form: Stack) -> None:
    for name, role in full_form.of_type("AWS::IAM::Role").items():
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            service = statement["Principal"]["Service"]
            if service == "lambda.amazonaws.com":  # Lambda fills in no source keys when it takes a function's role
                continue
            condition = statement["Condition"]
            assert condition["StringEquals"]["aws:SourceAccount"] == ACCOUNT, name
            if service == "chatbot.amazonaws.com":  # no page says which source it fills in
                continue
            (source,) = [value for test in condition.values() for key, value in test.items() if key == "aws:SourceArn"]
            assert all(f":{ACCOUNT}:" in arn for arn in as_list(source)), name


def test_buckets_queues_and_topics_with_a_policy_refuse_plain_http(full_form: Stack) -> None:
    kinds = {"AWS::S3::BucketPolicy": "s3:", "AWS::SQS::QueuePolicy": "sqs:", "AWS::SNS::TopicPolicy": "sns:"}
    for name, resource in full_form.of_type(*kinds).items():
        denied = [
            statement
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
            and statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") == "false"
        ]
        assert denied, name


# -- Rules --------------------------------------------------------------------------------------------------------


def rule_targets(stack: Stack) -> list[tuple[str, dict[str, Any]]]:
    """Each target of each rule with the rule's name."""
    return [
        (name, target)
        for name, rule in stack.of_type("AWS::Events::Rule").items()
        for target in rule["Properties"]["Targets"]
    ]


def test_every_target_has_a_retry_policy_and_a_dead_letter_queue(full_form: Stack) -> None:
    incomplete = {
        f"{rule}.{target['Id']}": missing
        for rule, target in rule_targets(full_form)
        if (missing := {"RetryPolicy", "DeadLetterConfig"} - target.keys())
    }

    assert incomplete == {}
    for rule, target in rule_targets(full_form):
        assert 0 <= target["RetryPolicy"]["MaximumRetryAttempts"] <= 185, rule
        assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 86400, rule


A_DAY: Final = 86400


def test_an_event_that_cannot_be_delivered_is_tried_for_a_day_and_kept_for_two_weeks(full_form: Stack) -> None:
    """Both as long as AWS allows. What comes again by itself in minutes is tried for less."""
    for rule, target in rule_targets(full_form):
        policy = target["RetryPolicy"]
        tried = policy["MaximumRetryAttempts"], policy["MaximumEventAgeInSeconds"]
        assert tried == ((2, 300) if rule == "SweepRule" else (185, A_DAY)), rule
        queue = full_form.resources[full_form.logical_id(target["DeadLetterConfig"]["Arn"])]["Properties"]
        assert queue["MessageRetentionPeriod"] == 14 * A_DAY, rule


def test_only_the_schedule_of_the_form_can_be_off(full_form: Stack) -> None:
    rules = full_form.of_type("AWS::Events::Rule")
    assert {name for name, rule in rules.items() if rule["Properties"].get("State", "ENABLED") != "ENABLED"} <= {
        "ScheduleRule"
    }
    assert {name for name, rule in rules.items() if "State" in rule["Properties"]} == {"ScheduleRule"}


def test_the_sweep_does_what_is_due_by_now(full_form: Stack) -> None:
    """What a hand that still runs is about to do is not due yet."""
    (target,) = full_form.resources["SweepRule"]["Properties"]["Targets"]
    assert json.loads(target["Input"]) == {"action": "sweep"}


def test_the_bucket_tells_of_a_decision_file_that_is_written_into_it(full_form: Stack) -> None:
    told = full_form.resources["AutomationBucket"]["Properties"]["NotificationConfiguration"]
    assert told == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_every_rule_may_send_to_its_dead_letter_queue(full_form: Stack) -> None:
    for rule, target in rule_targets(full_form):
        queue = target["DeadLetterConfig"]["Arn"]
        policies = [
            resource["Properties"]["PolicyDocument"] for resource in full_form.of_type("AWS::SQS::QueuePolicy").values()
        ]
        source = full_form.arn(rule)
        assert allowing(policies, Call("sqs:SendMessage", queue, (("aws:SourceArn", source),))), rule
        # A rule that is only named like the stack's, as whoever may make rules can.
        named_alike = Call("sqs:SendMessage", queue, (("aws:SourceArn", f"{source}-2"),))
        assert not allowing(policies, named_alike), rule


def is_function(target: dict[str, Any]) -> bool:
    """Tell a target that is a Lambda function from one that is started under a role."""
    return str(target["Arn"]).split(":")[2] == "lambda"


def function_permissions(stack: Stack, principal: str) -> dict[str, dict[str, Any]]:
    """What functions' resource policies allow a service, by logical id."""
    permissions = stack.of_type("AWS::Lambda::Permission")
    found = {name: permission["Properties"] for name, permission in permissions.items()}
    return {name: properties for name, properties in found.items() if properties["Principal"] == principal}


def test_the_rules_role_holds_exactly_what_their_targets_need(full_form: Stack) -> None:
    """Both ways: no target that it may not start, nothing allowed that no target is."""
    by_role: dict[str, list[Call]] = {}
    for rule, target in rule_targets(full_form):
        if not is_function(target):
            call = Call("states:StartExecution", target["Arn"], why=rule)
            by_role.setdefault(full_form.logical_id(target["RoleArn"]), []).append(call)

    assert set(by_role) == {"EventsInvokeRole"}
    for role, calls in by_role.items():
        policies = full_form.policies(role)
        assert [call for call in calls if allowing(policies, call) is None] == []
        assert unused(policies, calls) == []


def test_a_function_lets_exactly_the_rules_in_that_target_it_each_by_its_arn(full_form: Stack) -> None:
    """No role: EventBridge User Guide, "Using resource-based policies", and "Troubleshooting" on ``SourceAccount``."""
    wanted = []
    for rule, target in rule_targets(full_form):
        if is_function(target):
            assert "RoleArn" not in target, rule
            wanted.append((target["Arn"], "lambda:InvokeFunction", full_form.arn(rule)))
    granted = function_permissions(full_form, "events.amazonaws.com").values()

    assert sorted((each["FunctionName"], each["Action"], each["SourceArn"]) for each in granted) == sorted(wanted)
    assert wanted
    assert [each for each in granted if "SourceAccount" in each] == []


def test_a_rule_waits_for_what_lets_it_deliver(template: Template, full_form: Stack) -> None:
    """EventBridge tries nothing again that it had no permission for."""
    let_in = {each["SourceArn"]: name for name, each in function_permissions(full_form, "events.amazonaws.com").items()}
    for rule, target in rule_targets(full_form):
        waited_for = as_list(template.resources[rule]["DependsOn"])
        assert (let_in[full_form.arn(rule)] if is_function(target) else "EventsInvokePolicy") in waited_for, rule


def test_the_rules_role_trusts_rules_of_this_stack_only(full_form: Stack) -> None:
    for role in {
        full_form.logical_id(target["RoleArn"]) for _rule, target in rule_targets(full_form) if "RoleArn" in target
    }:
        (statement,) = full_form.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        default, own = statement["Condition"]["ArnLike"]["aws:SourceArn"]
        assert default.endswith(f":rule/{STACK}-*")
        assert own.endswith(f"/{STACK}-DriftReportRule")


def test_every_rule_has_the_name_that_its_role_trusts(template: Template) -> None:
    """CloudFormation would shorten a stack's name of 35 characters in a name it makes, and the role would not trust it."""
    named = {name: rule["Properties"].get("Name") for name, rule in template.of_type("AWS::Events::Rule").items()}

    assert named == {name: {"Fn::Sub": f"${{AWS::StackName}}-{name}"} for name in named}


def test_an_arn_made_of_the_stacks_name_is_of_something_that_the_template_names(template: Template) -> None:
    """CloudFormation shortens the stack's name in names it makes, and takes one of two hyphens out of it."""
    arns = {text for _, text in template.strings() if "${AWS::StackName}" in text and text.startswith("arn:")}

    assert {re.sub(r"^arn:.*\$\{AWS::AccountId\}:", "", text) for text in arns} == {
        "stateMachine:${AWS::StackName}-retraining",
        "execution:${AWS::StackName}-retraining:*",
        "rule/${AWS::StackName}-*",
        "rule/${AWS::StackName}-WaitRule",
        "rule/${AWS::StackName}-SettleRule",
        "rule/${AWS::StackName}-SweepRule",
        "rule/${AWS::StackName}-PolicyRule",
        "rule/${EventBusName}/${AWS::StackName}-DriftReportRule",
    }
    properties = template.resources["RetrainingStateMachine"]["Properties"]
    assert properties["StateMachineName"] == {"Fn::Sub": "${AWS::StackName}-retraining"}


def test_a_scheduled_input_names_an_action_of_the_function(full_form: Stack) -> None:
    for rule, target in rule_targets(full_form):
        if "Input" in target and ":function:" in target["Arn"]:
            assert json.loads(target["Input"])["action"] in ACTIONS, rule


# -- Event patterns -----------------------------------------------------------------------------------------------

ANY = "whatever its detail-type"
STARTS_THE_LOOP = {
    (contracts.DRIFT_SOURCE, ANY),
    ("aws.sagemaker", contracts.PROCESSING_JOB_STATE_CHANGE),
    ("aws.cloudwatch", contracts.ALARM_STATE_CHANGE),
    ("aws.s3", contracts.OBJECT_CREATED),
}
WAKES_THE_FUNCTION = {
    ("aws.sagemaker", contracts.ENDPOINT_STATE_CHANGE),
    ("aws.sagemaker", contracts.PIPELINE_STATE_CHANGE),
    ("aws.sagemaker", contracts.TRAINING_JOB_STATE_CHANGE),
    ("aws.cloudwatch", contracts.ALARM_STATE_CHANGE),
    ("aws.states", contracts.EXECUTION_STATUS_CHANGE),
    (contracts.RETRAINING_SOURCE, contracts.SWEEP_REQUESTED),
    ("aws.s3", contracts.OBJECT_CREATED),
}


def patterns(stack: Stack, target: str) -> dict[str, dict[str, Any]]:
    """Event patterns of the rules that lead to a resource."""
    return {
        rule: stack.resources[rule]["Properties"]["EventPattern"]
        for rule, found in rule_targets(stack)
        if found["Arn"] == stack.arn(target) and "EventPattern" in stack.resources[rule]["Properties"]
    }


def subjects(pattern: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Each source and detail-type a pattern asks for."""
    return {
        (source, kind)
        for part in pattern.get("$or", [pattern])
        for source in part["source"]
        for kind in part.get("detail-type", [ANY])
    }


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """EventBridge's TestEventPattern, as ministack answers it."""
    status, _headers, body = eventbridge._test_event_pattern(
        {"EventPattern": json.dumps(pattern), "Event": json.dumps(event)}
    )
    assert status == 200, body
    return bool(json.loads(body)["Result"])


def test_the_signal_rules_ask_for_the_sources_and_detail_types_of_the_contract(empty_form: Stack) -> None:
    found = {subject for pattern in patterns(empty_form, MACHINE).values() for subject in subjects(pattern)}

    assert found == STARTS_THE_LOOP


def test_the_wake_rules_ask_for_what_the_function_routes(empty_form: Stack) -> None:
    found = {subject for p in patterns(empty_form, "OrchestrationFunction").values() for subject in subjects(p)}

    assert found == WAKES_THE_FUNCTION
    assert {kind for _source, kind in found} == set(EVENT_ACTIONS)


def test_every_pattern_is_one_that_eventbridge_takes(full_form: Stack) -> None:
    for name, rule in full_form.of_type("AWS::Events::Rule").items():
        if pattern := rule["Properties"].get("EventPattern"):
            text = json.dumps(pattern)
            assert eventbridge._event_pattern_error(text) is None, name
            assert len(text) <= 2048, name


def event(source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "0a15f67d-aa23-4123-8123-01a23b89c01d",
        "source": source,
        "detail-type": kind,
        "account": ACCOUNT,
        "region": "us-east-1",
        "time": "2026-03-02T11:09:41Z",
        "resources": [],
        "detail": detail,
    }


def job(status: str) -> dict[str, Any]:
    detail = {"ProcessingJobName": "model-quality-monitoring-202603021100-de32", "ProcessingJobStatus": status}
    return event("aws.sagemaker", contracts.PROCESSING_JOB_STATE_CHANGE, detail)


def alarm(name: str, value: str) -> dict[str, Any]:
    return event("aws.cloudwatch", contracts.ALARM_STATE_CHANGE, {"alarmName": name, "state": {"value": value}})


def written(bucket: str, key: str) -> dict[str, Any]:
    return event("aws.s3", contracts.OBJECT_CREATED, {"bucket": {"name": bucket}, "object": {"key": key}})


DECISION_KEY = Template.read().parameters["DecisionKey"]["Default"]
OWN_BUCKET = f"{STACK}-automationbucket"

DELIVERIES: list[tuple[str, dict[str, Any], str | None]] = [
    ("a finished monitor run", job("Completed"), "DriftRule"),
    ("a failed monitor run", job("Failed"), "DriftRule"),
    ("a running job", job("InProgress"), None),
    ("a monitor run that was stopped", job("Stopped"), "DriftRule"),
    ("a job that is being stopped", job("Stopping"), None),
    ("an alarm of ours", alarm("drift/fraud/auc", "ALARM"), "DriftRule"),
    ("an alarm of ours that is over", alarm("drift/fraud/auc", "OK"), None),
    ("an alarm without data", alarm("drift/fraud/auc", "INSUFFICIENT_DATA"), None),
    ("somebody else's alarm", alarm("billing", "ALARM"), None),
    ("an alarm that has the prefix inside", alarm("no-drift/x", "ALARM"), None),
    ("a drift report", event("mlops.drift", "Drift Detected", {"model": "fraud"}), "DriftReportRule"),
    ("a request", event("mlops.drift", "Retraining Requested", {"model": "fraud"}), "DriftReportRule"),
    ("a detail-type nobody understands", event("mlops.drift", "Drift Imagined", {"model": "fraud"}), "DriftReportRule"),
    ("another source", event("mlops.other", "Drift Detected", {"model": "fraud"}), None),
    ("our own status event", event(contracts.RETRAINING_SOURCE, contracts.RETRAINING_STATUS_CHANGE, {}), None),
    ("the decision file", written(OWN_BUCKET, DECISION_KEY), "DecisionFileRule"),
    ("a policy", written(OWN_BUCKET, "policies/fraud.json"), None),
    ("a decision record", written(OWN_BUCKET, "decisions/fraud/2026/03/02/x.json"), None),
    ("what lies beside the decision file", written(OWN_BUCKET, f"{DECISION_KEY}.bak"), None),
    ("the decision file of another bucket", written("elsewhere", DECISION_KEY), None),
    ("a training job", event("aws.sagemaker", "SageMaker Training Job State Change", {}), None),
    ("an endpoint", event("aws.sagemaker", contracts.ENDPOINT_STATE_CHANGE, {"EndpointName": "x"}), None),
]


@pytest.mark.parametrize(("sent", "rule"), [entry[1:] for entry in DELIVERIES], ids=[entry[0] for entry in DELIVERIES])
def test_exactly_the_events_that_are_signals_start_the_loop(
    sent: dict[str, Any], rule: str | None, empty_form: Stack
) -> None:
    matching = [name for name, pattern in patterns(empty_form, MACHINE).items() if matches(pattern, sent)]

    assert matching == ([rule] if rule else [])


def test_the_decision_file_is_looked_for_in_the_bucket_of_the_form(full_form: Stack) -> None:
    pattern = patterns(full_form, MACHINE)["DecisionFileRule"]

    assert matches(pattern, written("team-decisions", DECISION_KEY))
    assert not matches(pattern, written(OWN_BUCKET, DECISION_KEY))


ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
STARTED = f"arn:aws:states:us-east-1:{ACCOUNT}:execution"


def started(machine: str, name: str, status: str) -> dict[str, Any]:
    detail = {
        "executionArn": f"{STARTED}:{machine}:{name}",
        "stateMachineArn": f"{STARTED}:{machine}".replace("execution", "stateMachine"),
        "name": name,
        "status": status,
    }
    return event("aws.states", contracts.EXECUTION_STATUS_CHANGE, detail)


def pipeline_run(name: str, status: str = "Succeeded") -> dict[str, Any]:
    detail = {"pipelineExecutionDisplayName": name, "currentPipelineExecutionStatus": status}
    return event("aws.sagemaker", contracts.PIPELINE_STATE_CHANGE, detail)


def training_job(name: str, status: str = "Completed") -> dict[str, Any]:
    detail = {"TrainingJobName": name, "TrainingJobStatus": status}
    return event("aws.sagemaker", contracts.TRAINING_JOB_STATE_CHANGE, detail)


def endpoint(status: str) -> dict[str, Any]:
    return event("aws.sagemaker", contracts.ENDPOINT_STATE_CHANGE, {"EndpointName": "x", "EndpointStatus": status})


WAKES: list[tuple[str, dict[str, Any], str | None]] = [
    *(
        (f"an endpoint that is {status}", endpoint(status), "WaitRule")
        for status in ("IN_SERVICE", "UPDATING", "FAILED")
    ),
    *(
        (f"a pipeline of a run that is {status}", pipeline_run("retraining-1a2b", status), "WaitRule")
        for status in ("Succeeded", "Failed", "Stopped")
    ),
    ("somebody else's pipeline", pipeline_run("nightly"), None),
    ("a pipeline without a display name", event("aws.sagemaker", contracts.PIPELINE_STATE_CHANGE, {}), None),
    *(
        (f"a training job of a run that is {status}", training_job("retraining-1a2b", status), "WaitRule")
        for status in ("Completed", "Failed", "Stopped")
    ),
    ("somebody else's training job", training_job("tune-retraining-1"), None),
    *((f"a training that is {status}", started("t", "retraining-1", status), "WaitRule") for status in ENDED),
    ("a training that begins", started("t", "retraining-1", "RUNNING"), None),
    ("somebody else's execution", started("payroll", "monday", "FAILED"), None),
    *(
        (f"a run that is {status}", started(f"{STACK}-retraining", "a-run", status), "SettleRule")
        for status in ENDED[1:]
    ),
    (
        "a run that died under a name like a training's",
        started(f"{STACK}-retraining", "retraining-1", "FAILED"),
        "SettleRule",
    ),
    ("a run that ended", started(f"{STACK}-retraining", "a-run", "SUCCEEDED"), None),
    ("any alarm", alarm("fraud-5xx", "ALARM"), "WaitRule"),
    ("any alarm that is over", alarm("fraud-5xx", "OK"), None),
    ("operators", event(contracts.RETRAINING_SOURCE, contracts.SWEEP_REQUESTED, {"ahead_seconds": 60}), "WaitRule"),
    ("a policy of any model", written(OWN_BUCKET, "policies/churn.json"), "PolicyRule"),
    ("a policy in another bucket", written("elsewhere", "policies/churn.json"), None),
    ("a record in the bucket", written(OWN_BUCKET, "evidence/churn/run-1/outcome.json"), None),
]


@pytest.mark.parametrize(("sent", "rule"), [entry[1:] for entry in WAKES], ids=[entry[0] for entry in WAKES])
def test_exactly_the_events_that_concern_the_loop_wake_it(
    sent: dict[str, Any], rule: str | None, empty_form: Stack
) -> None:
    """What a run started, however it ended, by its name; an event of another team's job would cost a read of the table each."""
    matching = [name for name, p in patterns(empty_form, "OrchestrationFunction").items() if matches(p, sent)]

    assert matching == ([rule] if rule else [])


OTHER_ACCOUNT = "999988887777"
ANOTHER_ACCOUNT = "999988887778"


@pytest.mark.parametrize(
    ("sent", "rule"),
    [pytest.param(sent, rule, id=name) for name, sent, rule in (*DELIVERIES, *WAKES) if rule],
)
def test_an_event_of_another_account_reaches_a_rule_only_where_it_is_a_report_of_a_named_sender(
    sent: dict[str, Any], rule: str, template: Template
) -> None:
    open_to_two = template.resolve({"SenderAccounts": f"{OTHER_ACCOUNT},{ANOTHER_ACCOUNT}"})
    for form, senders in ((template.resolve(), set()), (open_to_two, {OTHER_ACCOUNT, ANOTHER_ACCOUNT})):
        rules = {**patterns(form, MACHINE), **patterns(form, "OrchestrationFunction")}
        for account in (ACCOUNT, OTHER_ACCOUNT, ANOTHER_ACCOUNT, "999988887779"):
            heard = [name for name, pattern in rules.items() if matches(pattern, {**sent, "account": account})]
            from_a_sender = rule == "DriftReportRule" and account in senders
            assert (rule in heard) is (account == ACCOUNT or from_a_sender), (account, heard)
            assert not (set(heard) - {rule}) or account == ACCOUNT


@pytest.mark.parametrize("bus", ["default", "ml/drift"])
def test_a_report_comes_in_on_the_bus_of_the_form_and_every_other_event_on_the_default_one(
    bus: str, template: Template
) -> None:
    stack = template.resolve({"EventBusName": bus})
    buses = {name: rule["Properties"].get("EventBusName") for name, rule in stack.of_type("AWS::Events::Rule").items()}

    assert buses.pop("DriftReportRule") == bus
    assert set(buses.values()) == {None}
    named = stack.resources["DriftReportRule"]["Properties"]["Name"]
    arn = f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:rule/{'' if bus == 'default' else f'{bus}/'}{named}"
    queue = stack.resources["SignalDeadLetterQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
    role = stack.resources["EventsInvokeRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert any(fnmatchcase(arn, pattern) for pattern in role["Condition"]["ArnLike"]["aws:SourceArn"])
    assert stack.arn("DriftReportRule") in queue["Condition"]["ArnEquals"]["aws:SourceArn"]
    lost = stack.resources["SignalsLostAlarm"]["Properties"]["Metrics"]
    watched = [metric["MetricStat"]["Metric"]["Dimensions"] for metric in lost if "MetricStat" in metric]
    of_bus = [] if bus == "default" else [{"Name": "EventBusName", "Value": bus}]
    assert [*of_bus, {"Name": "RuleName", "Value": named}] in watched
    asking = [
        statement
        for statement in stack.resources["OperatorPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "events:PutEvents"
    ]
    assert [statement["Resource"] for statement in asking] == [
        f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:event-bus/{bus}"
    ]


def fixture_events() -> list[tuple[Path, dict[str, Any]]]:
    """The captured events under tests/events; a file may hold one or a list of them."""
    found = []
    for path in sorted(EVENTS.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        found += [(path, item) for item in as_list(content) if isinstance(item, dict)]
    return found


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        pytest.param(path, sent, id=f"{path.relative_to(EVENTS)}-{number}")
        for number, (path, sent) in enumerate(fixture_events())
        if "detail-type" in sent
    ],
)
def test_a_captured_event_reaches_the_rule_of_its_kind_and_no_other(
    path: Path, sent: dict[str, Any], template: Template
) -> None:
    """A signal's own values (account, alarm name, decision file) are made the stack's, so the pattern's shape is tested."""
    parameters, wanted = form_and_rule_for(sent)
    stack = template.resolve(parameters)
    own = {**sent, "account": ACCOUNT}

    matching = [name for name, pattern in patterns(stack, MACHINE).items() if matches(pattern, own)]

    assert matching == ([wanted] if wanted else []), path.name


def form_and_rule_for(sent: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """The parameters under which an event is a signal of the stack's own, and the rule it then reaches."""

    def at(*keys: str) -> str:
        value: Any = sent
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""

    subject = (at("source"), at("detail-type"))
    if subject == ("aws.s3", contracts.OBJECT_CREATED):
        bucket, key = at("detail", "bucket", "name"), at("detail", "object", "key")
        if not (bucket and key.endswith(".csv")):
            return {}, None
        return {"DecisionBucket": bucket, "DecisionKey": key}, "DecisionFileRule"
    if subject == ("aws.cloudwatch", contracts.ALARM_STATE_CHANGE):
        name = at("detail", "alarmName")
        ours = bool(name) and at("detail", "state", "value") == "ALARM"
        return {"AlarmNamePrefix": name[:1] or "drift/"}, "DriftRule" if ours else None
    if subject == ("aws.sagemaker", contracts.PROCESSING_JOB_STATE_CHANGE):
        status = sent["detail"].get("ProcessingJobStatus") if isinstance(sent["detail"], dict) else None
        ended = any(
            word in {"Completed", "Failed", "Stopped"} for word in as_list(status)
        )  # one match in a list is a match
        return {}, "DriftRule" if ended else None
    return {}, "DriftReportRule" if at("source") == contracts.DRIFT_SOURCE else None


# -- The template against the code it deploys ---------------------------------------------------------------------------


NOT_GIVEN: Final[dict[str, set[str]]] = {
    "OrchestrationFunction": {"VOTER_ROLES", "REVIEWER_PRINCIPALS", "DEAD_LETTER_QUEUE_URL"},
    "PromotionFunction": {"VOTER_ROLES", "REVIEWER_PRINCIPALS", "DEAD_LETTER_QUEUE_URL"},
}
"""Only functions that people call have to tell them apart, and OperatorFunction alone takes dead letters."""


@pytest.mark.parametrize("function", ["OrchestrationFunction", "PromotionFunction", "OperatorFunction"])
def test_a_function_gets_the_environment_that_its_settings_read_and_nothing_else(
    function: str, empty_form: Stack, template: Template
) -> None:
    given = empty_form.resources[function]["Properties"]["Environment"]["Variables"]

    assert set(given) == {field.name.upper() for field in fields(Settings)} - NOT_GIVEN.get(function, set())
    assert not Settings.from_env({name: str(value) for name, value in given.items()}).policy_floor
    floored = template.resolve({"PolicyFloor": "ON"}).resources[function]["Properties"]["Environment"]["Variables"]
    assert Settings.from_env({name: str(value) for name, value in floored.items()}).policy_floor


def test_the_settings_name_every_variable_that_they_read() -> None:
    """The fields and the variables are two lists in one file; this holds them together."""
    tree = ast.parse((ROOT / "src" / "orchestration" / "settings.py").read_text(encoding="utf-8"))
    constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and _is_variable(node.value)}
    read = constants - set(ApprovalAccess)

    assert read == {field.name.upper() for field in fields(Settings)}


def _is_variable(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Z][A-Z0-9_]+", value) is not None


def test_every_handler_of_the_template_exists(template: Template) -> None:
    for name, function in template.of_type("AWS::Lambda::Function").items():
        module, _, attribute = function["Properties"]["Handler"].rpartition(".")
        tree = ast.parse((ROOT / "src" / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
        assert attribute in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def test_the_definitions_placeholders_are_the_substitutions_both_ways(template: Template) -> None:
    for name, machine in template.of_type("AWS::StepFunctions::StateMachine").items():
        file = TEMPLATE.parent / machine["Properties"]["DefinitionS3Location"]
        placeholders = set(asl_lint.PLACEHOLDER.findall(file.read_text(encoding="utf-8")))

        assert placeholders == set(machine["Properties"]["DefinitionSubstitutions"]), name


def test_the_states_that_users_know_are_still_there(template: Template) -> None:
    location = template.resources[MACHINE]["Properties"]["DefinitionS3Location"]
    definition = json.loads(asl_lint.render((ROOT / location).read_text(encoding="utf-8")))

    assert [name for name in KNOWN_STATES if name not in definition["States"]] == []
    assert definition["StartAt"] == KNOWN_STATES[0]


def test_the_functions_machine_is_the_machine(empty_form: Stack) -> None:
    for name, function in empty_form.of_type("AWS::Lambda::Function").items():
        variables = function["Properties"]["Environment"]["Variables"]
        assert variables["STATE_MACHINE_ARN"] == empty_form.arn(MACHINE), name


def test_the_machines_name_is_the_stacks_and_what_the_functions_take_off_it(template: Template) -> None:
    named = template.resources[MACHINE]["Properties"]["StateMachineName"]
    assert named == {"Fn::Sub": f"${{AWS::StackName}}{MACHINE_SUFFIX}"}


def test_the_times_of_functions_states_and_code_fit_into_each_other(empty_form: Stack) -> None:
    """Whoever looks whether somebody else died has to wait longer than that one can live."""
    runs = {
        name: function["Properties"]["Timeout"]
        for name, function in empty_form.of_type("AWS::Lambda::Function").items()
    }
    waits = {
        name: state["TimeoutSeconds"]
        for name, state in Workflow.of(empty_form).states()
        if state.get("Resource", "").endswith(":::lambda:invoke")
    }

    assert timedelta(seconds=runs["PromotionFunction"]) == HAND_TIMEOUT
    hidden = empty_form.resources["SignalDeadLetterQueue"]["Properties"]["VisibilityTimeout"]
    assert runs["OperatorFunction"] < hidden, "nobody else takes a letter while it is replayed"
    assert settles_at(NOW) > NOW + HAND_TIMEOUT
    assert runs["OrchestrationFunction"] > BUDGET_SECONDS + 15, "a piece of work that began in time is done in time"
    assert max(runs.values()) < min(waits.values()), "the function's own end comes first, and is retried"
    assert timedelta(seconds=max(runs.values())) < GRACE
    sdk: Any = _config()
    tries = 1 + sdk.retries["max_attempts"]
    pauses = sum(2**number for number in range(tries - 1))  # at most, in the standard mode
    for function in ("OrchestrationFunction", "PromotionFunction"):
        assert tries * sdk.read_timeout + pauses < runs[function], "a service that hangs is an error before the end"
    assert timedelta(seconds=max(waits.values())) < GRACE


def test_a_wait_is_given_up_when_its_state_is(empty_form: Stack) -> None:
    states = dict(Workflow.of(empty_form).states())
    deadlines = {
        park.DEADLINE: [
            "RequestTrainingApproval",
            "AcquireTrainingSlot",
            "RequestPromotionApproval",
            "RequestBakeApproval",
        ],
        train.DEADLINE: ["TriggerTrainingPipeline"],
        promote.DEADLINE: ["PromoteCandidate"],
        roll_back.DEADLINE: ["RollBackEndpoint"],
    }

    for deadline, names in deadlines.items():
        for name in names:
            assert timedelta(seconds=states[name]["TimeoutSeconds"]) == deadline, name


def test_policies_ask_for_no_more_time_than_the_states_have(empty_form: Stack) -> None:
    states = dict(Workflow.of(empty_form).states())
    schema = json.loads((ROOT / "src" / "orchestration" / "policy.schema.json").read_text(encoding="utf-8"))
    asked = schema["properties"]
    bake = 2 * asked["promotion"]["properties"]["bake_minutes"]["maximum"] * 60  # extended once
    training = asked["training"]["properties"]["max_hours"]["maximum"] * 3600
    approval = asked["approval"]["properties"]["expire_hours"]["maximum"] * 3600

    assert bake < states["AwaitBake"]["TimeoutSeconds"]
    assert training <= states["TriggerTrainingPipeline"]["TimeoutSeconds"]
    assert approval <= states["RequestTrainingApproval"]["TimeoutSeconds"]


def test_nothing_but_the_machine_lets_the_hand_act(full_form: Stack) -> None:
    """Not a rule, not a person, not another function; an administrator can, as always."""
    invoke = Call("lambda:InvokeFunction", full_form.arn("PromotionFunction"))
    roles = [*full_form.of_type("AWS::IAM::Role")]
    people = [
        resource["Properties"]["PolicyDocument"] for resource in full_form.of_type("AWS::IAM::ManagedPolicy").values()
    ]

    assert [role for role in roles if allowing(full_form.policies(role), invoke)] == [f"{MACHINE}Role"]
    assert allowing(people, invoke) is None
    permissions = full_form.of_type("AWS::Lambda::Permission").values()
    assert invoke.resource not in {permission["Properties"]["FunctionName"] for permission in permissions}
