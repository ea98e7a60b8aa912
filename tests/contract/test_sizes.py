"""What AWS bounds in a document of the stack, against the largest stack the form lets anybody make.

Every parameter has its longest value, every condition holds, the stack and all that CloudFormation names have the longest
names, in the partition and Region with the longest ones: no real stack is as large. So what passes here is refused nowhere.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from ops import asl_lint
from ops.region_schemas import resource_schema
from ops.resolved_template import Place
from ops.stack_names import longest_stack_name
from ops.template import sources
from orchestration.domain import records
from tests.contract.template import ACCOUNT, REGION, ROOT, Stack, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

STACK_NAME_LIMIT: Final = longest_stack_name(sources()).characters
"""What ``make deploy`` takes, README says, and creating a stack by hand allows."""

PLACE: Final = Place(
    partition="aws-us-gov",
    region="us-isof-south-1",
    stack="s" * STACK_NAME_LIMIT,
    suffix=f"-{'X' * 13}",
    stack_id="00000000-0000-0000-0000-000000000000",
)
"""The longest partition and the longest Region that botocore and cfn-lint know, and as long a suffix as CloudFormation adds."""

TEMPLATE: Final = Template.read()


def arn(rest: str, length: int) -> str:
    """An ARN of so many characters, in a partition of a long name."""
    return f"arn:{'p' * (length - len(f'arn::{rest}'))}:{rest}"


def listed(item: str, length: int) -> str:
    """A list of so many characters: as many of an item as there is room for, and a longer last one."""
    return ",".join([item] * (length // (len(item) + 1))).ljust(length, item[-1])


LONGEST: Final[dict[str, str]] = {
    "TrainingPipelineArn": arn(f"states:{REGION}:{ACCOUNT}:stateMachine:{'t' * 80}", 200),
    "SageMakerExecutionRoleArn": arn(f"iam::{ACCOUNT}:role/{'r' * 512}", 600),
    "DefaultModel": "m" * 63,
    "EventBusName": "b" * 256,
    "SenderAccounts": ",".join(["999988887777"] * 100),
    "ModelDataPrefixes": listed("s3://bucket/{model}/", 800),
    "ImagePrefixes": listed("111122223333.dkr.ecr.eu-west-1.amazonaws.com/team", 800),
    "DecisionBucket": "d" * 63,
    "DecisionKey": "k" * 512,
    "AlarmNamePrefix": f"{'a' * 50}/{'b' * 49}",
    "ScheduleExpression": f"cron({'0' * 240} 3 ? * * *)",
    "OperationsEmail": f"{'o' * 242}@example.com",
    "EscalationEmail": f"{'o' * 242}@example.com",
    "SlackWorkspaceId": "T" * 255,
    "SlackChannelId": "C" * 255,
    "VoterRoles": listed(f"arn:aws:iam::{ACCOUNT}:role/r", 1100),
    "ReviewerPrincipals": listed(f"arn:aws:iam::{ACCOUNT}:role/r", 1100),
    "AutomationPrincipals": listed(f"arn:aws:iam::{ACCOUNT}:role/r", 3000),
    "PermissionsBoundaryArn": arn(f"iam::{ACCOUNT}:policy/{'p' * 512}", 600),
    "KmsKeyArn": arn(f"kms:{REGION}:{ACCOUNT}:key/{'k' * 64}", 150),
    "RunbookUrl": "u" * 300,
    "RunbookObject": f"{'b' * 63}/{'k' * 86}",
    **{
        name: max(map(str, declared["AllowedValues"]), key=len)
        for name, declared in TEMPLATE.parameters.items()
        if "AllowedValues" in declared
    },
    **{
        name: str(declared["MaxValue"])
        for name, declared in TEMPLATE.parameters.items()
        if declared["Type"] == "Number" and "MaxValue" in declared
    },
}
"""The longest value of each parameter."""

LARGEST: Final = TEMPLATE.resolve(LONGEST, dict.fromkeys(TEMPLATE.conditions, True), PLACE)


def without_spaces(document: Any) -> int:
    """Characters as IAM counts them."""
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))


def in_bytes(document: Any) -> int:
    """Bytes of a document as CloudFormation hands it on."""
    return len(json.dumps(document, separators=(",", ":")).encode())


def named(stack: Stack, *kinds: str) -> list[str]:
    """Logical ids of the resources of these types."""
    return list(stack.of_type(*kinds))


def properties(name: str) -> dict[str, Any]:
    """Properties of a resource of the largest stack."""
    found: dict[str, Any] = LARGEST.resources[name]["Properties"]
    return found


# -- The form -----------------------------------------------------------------------------------------------------


def test_every_parameter_has_its_longest_value_here() -> None:
    assert set(LONGEST) == set(TEMPLATE.parameters)


@pytest.mark.parametrize("name", sorted(TEMPLATE.parameters))
def test_the_form_takes_the_longest_value_and_nothing_longer(name: str) -> None:
    declared, value = TEMPLATE.parameters[name], LONGEST[name]
    pattern, at_most = declared.get("AllowedPattern"), declared.get("MaxLength")

    assert pattern or "AllowedValues" in declared or "MaxValue" in declared, "nothing bounds it"
    if pattern:
        assert re.fullmatch(pattern, value)
        assert len(value) == at_most if at_most else not re.fullmatch(pattern, value + value[-1])
    # AWS CloudFormation User Guide, "Understand CloudFormation quotas": 4,096 bytes of a parameter's value.
    assert len(value.encode()) <= 4_096


def test_no_rule_has_the_stacks_name_cut_off_by_which_its_role_knows_it() -> None:
    """CloudFormation cuts a name it makes at 64 characters, and EventsInvokeRole trusts ``rule/<stack>-*``."""
    for name in named(LARGEST, "AWS::Events::Rule"):
        assert LARGEST.name(name).startswith(f"{PLACE.stack}-"), name


def test_the_template_is_within_the_quotas_of_a_template() -> None:
    """AWS CloudFormation User Guide, "Understand CloudFormation quotas"; it comes from S3."""
    document = TEMPLATE.document

    assert len(TEMPLATE.text.encode()) <= 1_000_000
    assert len(document["Description"].encode()) <= 1_024
    assert len(document["Parameters"]) <= 200
    assert len(document["Resources"]) <= 500
    assert len(document["Outputs"]) <= 200


# -- Policies -----------------------------------------------------------------------------------------------------

IAM: Final = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"


@pytest.mark.parametrize("role", named(LARGEST, "AWS::IAM::Role"))
def test_a_roles_inline_policies_and_trust_are_within_what_iam_takes(role: str) -> None:
    """10,240 characters in sum over all inline policies, 2,048 of trust, white space not counted. Source: ``IAM``."""
    assert sum(map(without_spaces, LARGEST.policies(role))) <= 10_240
    assert without_spaces(properties(role)["AssumeRolePolicyDocument"]) <= 2_048


@pytest.mark.parametrize("policy", named(LARGEST, "AWS::IAM::ManagedPolicy"))
def test_a_managed_policy_is_within_what_iam_takes(policy: str) -> None:
    """6,144 characters, white space not counted. Source: ``IAM``."""
    assert without_spaces(properties(policy)["PolicyDocument"]) <= 6_144


@pytest.mark.parametrize("policy", named(LARGEST, "AWS::S3::BucketPolicy"))
def test_a_bucket_policy_is_within_what_s3_takes(policy: str) -> None:
    """20 KB. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html."""
    assert in_bytes(properties(policy)["PolicyDocument"]) <= 20 * 1024


@pytest.mark.parametrize("policy", named(LARGEST, "AWS::SQS::QueuePolicy", "AWS::SNS::TopicInlinePolicy"))
def test_the_policy_of_a_queue_or_topic_is_within_what_sqs_takes(policy: str) -> None:
    """Topics are held to the quota of queues, the smaller one.

    Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html.
    """
    document = properties(policy)["PolicyDocument"]

    assert in_bytes(document) <= 8_192
    assert len(document["Statement"]) <= 20
    assert (
        sum(len(test) for statement in document["Statement"] for test in statement.get("Condition", {}).values()) <= 10
    )


@pytest.mark.parametrize("function", named(LARGEST, "AWS::Lambda::Function"))
def test_a_functions_resource_policy_is_within_what_lambda_takes(function: str) -> None:
    """20 KB, of statements as AddPermission writes them, with an id as long as may be.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
    """
    statements = [
        {"Sid": "x" * 100, "Effect": "Allow", "Condition": {"ArnLike": permission}, **permission}
        for permission in (entry["Properties"] for entry in LARGEST.of_type("AWS::Lambda::Permission").values())
        if permission["FunctionName"] == LARGEST.arn(function)
    ]

    assert in_bytes({"Version": "2012-10-17", "Id": "default", "Statement": statements}) <= 20 * 1024


# -- Rules, functions, machine, dashboard -------------------------------------------------------------------------


@pytest.mark.parametrize("rule", named(LARGEST, "AWS::Events::Rule"))
def test_a_rule_is_within_what_eventbridge_takes(rule: str) -> None:
    """2,048 characters of a pattern, 5 targets: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html."""
    given = properties(rule)

    assert len(json.dumps(given.get("EventPattern", {}), separators=(",", ":"))) <= 2_048
    assert len(given["Targets"]) <= 5
    assert all(len(target.get("Input", "")) <= 8_192 for target in given["Targets"])


@pytest.mark.parametrize("function", named(LARGEST, "AWS::Lambda::Function"))
def test_a_functions_environment_is_within_what_lambda_takes(function: str) -> None:
    """4 KB in sum, counted as JSON, the longest way to write it.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
    """
    assert in_bytes(properties(function)["Environment"]["Variables"]) <= 4 * 1024


@pytest.mark.parametrize("machine", named(LARGEST, "AWS::StepFunctions::StateMachine"))
def test_the_definition_is_within_what_step_functions_takes(machine: str) -> None:
    """1 MB, placeholders filled in: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""
    given = properties(machine)
    definition = (ROOT / given["DefinitionS3Location"]).read_text(encoding="utf-8")
    filled = asl_lint.PLACEHOLDER.sub(lambda found: str(given["DefinitionSubstitutions"][found[1]]), definition)

    assert "${" not in filled
    assert len(filled.encode()) <= 1_000_000


def test_the_dashboard_is_within_what_cloudwatch_takes() -> None:
    """500 metrics a widget, 2,500 a dashboard.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html.
    """
    widgets = json.loads(properties("Dashboard")["DashboardBody"])["widgets"]
    metrics = [len(widget["properties"].get("metrics", [])) for widget in widgets]

    assert max(metrics) <= 500
    assert sum(metrics) <= 2_500


# -- Every other text and list ------------------------------------------------------------------------------------


def too_large(schema: dict[str, Any], part: Any, value: Any, path: str) -> Iterator[str]:
    """Texts longer and lists of more members than CloudFormation's schema of a resource type takes, by their place."""
    if "$ref" in part:
        found: Any = schema
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        yield from too_large(schema, found, value, path)
        return
    if isinstance(value, str) and len(value) > part.get("maxLength", len(value)):
        yield f"{path}: {len(value)} characters of {part['maxLength']}"
    if isinstance(value, list):
        if len(value) > part.get("maxItems", len(value)):
            yield f"{path}: {len(value)} members of {part['maxItems']}"
        for member in value:
            yield from too_large(schema, part.get("items") or {}, member, path)
    if isinstance(value, dict):
        for name, member in value.items():
            yield from too_large(schema, (part.get("properties") or {}).get(name) or {}, member, f"{path}.{name}")


def too_large_of(kind: str, given: Any, name: str) -> list[str]:
    """The same of a resource."""
    schema = resource_schema(kind)
    return list(too_large(schema, schema, given, name))


def test_no_text_or_list_is_larger_than_its_resource_type_takes() -> None:
    """Descriptions, names, metrics of an alarm: CloudFormation's registry schemas, the copy that cfn-lint carries."""
    found = [
        found
        for name, resource in LARGEST.resources.items()
        for found in too_large_of(resource["Type"], resource["Properties"], name)
    ]

    assert found == []


def test_a_text_that_is_too_long_is_found() -> None:
    """The reader of the schemas, with one character more than AWS takes of a function's description and a list too long."""
    assert too_large_of("AWS::Lambda::Function", {"Description": "x" * 256}, "F") == []
    assert too_large_of("AWS::Lambda::Function", {"Description": "x" * 257}, "F") == [
        "F.Description: 257 characters of 256"
    ]
    layers = {"LoggingConfig": {"LogGroup": "x" * 513}}
    assert too_large_of("AWS::Lambda::Function", layers, "F") == ["F.LoggingConfig.LogGroup: 513 characters of 512"]


@pytest.mark.parametrize("kind", ["AWS::IAM::Role", "AWS::IAM::ManagedPolicy"])
def test_a_description_for_iam_is_within_what_iam_takes(kind: str) -> None:
    """1,000 characters; the registry's schema does not say. Source: ``IAM``, and CreateRole in its API."""
    for name in named(LARGEST, kind):
        assert len(properties(name)["Description"]) <= 1_000, name


def test_the_key_of_a_record_is_within_what_s3_takes() -> None:
    """1,024 bytes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html. A run's name has 80 characters."""
    model, run_id = "m" * 63, "\U0001f600" * 80
    longest = [
        records.manifest_key(model, run_id),
        records.evidence_key(model, run_id, f"approval-promotion-vote-{10**6}"),
        f"{records.output_prefix(model, run_id)}evaluation.json",
        records.undecided_key(run_id),
    ]

    assert max(len(key.encode()) for key in longest) <= 1_024
