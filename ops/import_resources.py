"""Bring existing resources under the stack: a bucket, a table, topics, a queue, log groups. Nothing in them changes.

A new stack is begun with the imported resources alone and then completed by an update with the whole template; a
stack that is there gets them added. Each change set is shown first. Drift detection then says where a resource
differs from the template. By hand, in the console: docs/import.md.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import ClientError

from ops import change_sets
from ops.assignments import assignments, refuse_unknown
from ops.deploy import Deployed, deploy_packaged, deploying, given_parameters, named_log_group, parameters_of
from ops.destination import destination
from ops.invocation import account_command
from ops.package import Package, package, without_of
from ops.refusals import refusal
from ops.stack import CallError, OperatorError
from ops.stack_names import refuse_stack_name
from ops.template import dump, import_template, parse, sources
from ops.terminal import Styled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import boto3

    from ops.destination import Destination
    from ops.terminal import Terminal
    from orchestration.domain.commands import Place

EXAMPLE: Final = "AutomationBucket=my-evidence"

IDENTIFIERS: Final = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SNS::Topic": "TopicArn",
    "AWS::SQS::Queue": "QueueUrl",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::KMS::Key": "KeyId",
}
"""What names a resource of each type in an import. Source: CloudFormation User Guide, resource type support."""

INLINE_LIMIT: Final = 51_200
"""Bytes of a template in a request. Source: CloudFormation quotas."""


@account_command("import")
@click.option("--resources", required=True, help='"LogicalId=name-or-ARN ...".')
@deploying
def command(
    session: boto3.Session,
    place: Place,
    terminal: Terminal,
    resources: str,
    params: str,
    params_file: str,
    bucket: str,
    without: str,
    account: str,
    yes: bool,
) -> int:
    """Bring existing resources under the stack, complete it, look for drift. Nothing in them changes.

    Each change set is shown first. What to look at before, and how it is done in the console: docs/import.md.
    """
    wanted = assignments(resources, "--resources", EXAMPLE)
    unnamed = [name for name, value in wanted.items() if not value]
    if unnamed or not wanted:
        of = f" for {', '.join(unnamed)}" if unnamed else ""
        raise CallError(f"--resources names nothing{of}. Example: --resources {EXAMPLE}")
    given = given_parameters(params, params_file)
    known = sources()["Resources"]
    importable = [name for name, each in known.items() if each["Type"] in IDENTIFIERS]
    unknown = {name: "" for name in wanted if name not in known}
    refuse_unknown(unknown, importable, what="resource", option="--resources")
    imports = [_to_import(known[logical_id], logical_id, name, place.stack) for logical_id, name in wanted.items()]
    refuse_stack_name(place.stack, sources())
    told = terminal.aside
    where = destination(session, told, place, account)
    made = package(session, told, bucket, given=given, without=without_of(without))
    cloudformation = session.client("cloudformation")
    found = change_sets.described(cloudformation, place.stack)
    if found is not None and found["StackStatus"] in {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"}:
        cloudformation.delete_stack(StackName=place.stack)  # an empty shell: nobody carried it out, or it failed
        found = None
    if found is None:
        _refuse_bucket_with_a_policy(session, wanted)
    imported = _import(session, told, made, found, where, imports=imports, given=given, yes=yes)
    deployed, differences = None, None
    if imported:
        told.say()
        told.say(Styled("green", "Imported"), f" {', '.join(wanted)}.")
        deployed = _completed(session, told, made, found, where, given=given, yes=yes)
        if deployed is None or not deployed.status:
            differences = _drift(cloudformation, place, list(wanted), told)
    terminal.answer(
        {
            **where.as_record(),
            "imported": sorted(wanted) if imported else [],
            "deployment": deployed.as_record() if deployed else None,
            "differences": differences,
        }
    )
    return int(not imported or (deployed is not None and bool(deployed.status)))


def _completed(
    session: boto3.Session,
    terminal: Terminal,
    made: Package,
    found: Mapping[str, Any] | None,
    where: Destination,
    *,
    given: Mapping[str, str],
    yes: bool,
) -> Deployed | None:
    """Give a new stack the rest of the template; None for one that was there."""
    if found is not None:
        terminal.say("Other changes of the template come with:")
        terminal.command(where.place.command("deploy"))
        return None
    terminal.say("The rest of the stack comes with an update:")
    deployed = deploy_packaged(session, terminal, made, where, given, yes=yes)
    if deployed.status:
        terminal.say("The imported resources are in the stack and safe; this goes on:")
        terminal.command(where.place.command("deploy"))
    return deployed


def _import(
    session: boto3.Session,
    terminal: Terminal,
    made: Package,
    found: Mapping[str, Any] | None,
    where: Destination,
    *,
    imports: Sequence[Mapping[str, Any]],
    given: Mapping[str, str],
    yes: bool,
) -> bool:
    cloudformation = session.client("cloudformation")
    onto = None
    if found is not None:
        original = cloudformation.get_template(StackName=where.stack, TemplateStage="Original")
        onto = parse(original["TemplateBody"])
    logical_ids = [each["LogicalResourceId"] for each in imports]
    template = import_template(made.document(), logical_ids, onto=onto)
    declared: dict[str, Any] = template.get("Parameters", {})
    change_set = change_sets.create(
        cloudformation,
        where.stack,
        "IMPORT",
        template=_inline_or_uploaded(session, made, dump(template)),
        parameters=parameters_of(declared, found, {} if found else given),
        imports=imports,
        capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"] if found else [],
    )
    if change_set is None:
        raise OperatorError(f"{', '.join(logical_ids)}: already in the stack {where.stack}; nothing to import.")
    terminal.say()
    terminal.say(Styled("bold", f"Import into {'the new stack ' if found is None else ''}{where.stack} in {where}"))
    change_sets.show(terminal, change_set)
    try:
        go_on = change_sets.confirmed(terminal, f"Import these in {where}?", yes=yes)
    except OperatorError:
        change_sets.discard(cloudformation, change_set)
        raise
    if not go_on:
        change_sets.discard(cloudformation, change_set)
        terminal.say("Nothing was changed.")
        return False
    where.remember()
    ending = change_sets.carry_out(cloudformation, change_set, terminal)
    if not ending.well:
        terminal.say()
        terminal.say(Styled("red", "Not imported"), f" ({ending.status}). {ending.first_failure()}")
        terminal.say("The resources are untouched and outside the stack, as before.")
    return ending.well


def _to_import(resource: Mapping[str, Any], logical_id: str, name: str, stack: str) -> dict[str, Any]:
    kind = resource["Type"]
    if kind not in IDENTIFIERS or "DeletionPolicy" not in resource:
        raise CallError(f"{logical_id} ({kind}) cannot be imported: CloudFormation makes it anew for each stack.")
    if IDENTIFIERS[kind] in {"TopicArn", "QueueUrl"} and not name.startswith(("arn:", "http")):
        raise CallError(f"{logical_id}={name} must be the {IDENTIFIERS[kind]}, as the console shows it.")
    fixed = named_log_group(resource, stack)
    if fixed is not None and fixed != name:
        raise CallError(
            f"{logical_id} is named {fixed} in stack {stack}, so only that log group can be imported, not {name}."
        )
    return {"ResourceType": kind, "LogicalResourceId": logical_id, "ResourceIdentifier": {IDENTIFIERS[kind]: name}}


def _refuse_bucket_with_a_policy(session: boto3.Session, wanted: Mapping[str, str]) -> None:
    """Refuse a bucket whose own policy would stand in the way of the template's, which the update creates."""
    bucket = wanted.get("AutomationBucket")
    if bucket is None:
        return
    try:
        session.client("s3").get_bucket_policy(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchBucketPolicy", "NoSuchBucket"}:
            return  # a missing bucket is CloudFormation's to report
        raise
    raise OperatorError(
        f"Bucket {bucket} has a bucket policy, and CloudFormation will not create the template's in its place. Keep a copy "
        f"(aws s3api get-bucket-policy --bucket {bucket}), then delete it: aws s3api delete-bucket-policy --bucket {bucket}"
    )


def _inline_or_uploaded(session: boto3.Session, made: Package, text: str) -> dict[str, str]:
    if len(text.encode()) <= INLINE_LIMIT:
        return {"TemplateBody": text}
    key = made.key.replace(".yaml", "-import.yaml")
    session.client("s3").put_object(Bucket=made.bucket, Key=key, Body=text.encode())
    return {"TemplateURL": made.url.replace(made.key, key)}


def _drift(
    cloudformation: Any, place: Place, logical_ids: Iterable[str], terminal: Terminal
) -> list[dict[str, str]] | None:
    """Where the imported resources differ from the template, by drift detection; None when that was refused."""
    logical_ids = set(logical_ids)
    try:
        detection = cloudformation.detect_stack_drift(StackName=place.stack)["StackDriftDetectionId"]
    except ClientError as error:
        terminal.say(f"Drift was not detected now. {refusal(error)} Later:")
        terminal.command(
            "aws cloudformation detect-stack-drift "
            f"--stack-name {shlex.quote(place.stack)} --region {shlex.quote(place.region)}"
        )
        return None
    change_sets.until(
        lambda: (
            cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)["DetectionStatus"]
            != "DETECTION_IN_PROGRESS"
        ),
        within=600.0,
    )
    rows: list[tuple[str, ...]] = []
    unchecked: list[str] = sorted(logical_ids)
    for each in _drifts(cloudformation, place.stack):
        logical_id, status = each["LogicalResourceId"], each["StackResourceDriftStatus"]
        if logical_id not in logical_ids or status == "NOT_CHECKED":
            continue
        unchecked.remove(logical_id)
        rows += [
            (logical_id, difference["PropertyPath"], difference["ActualValue"], difference["ExpectedValue"])
            for difference in each.get("PropertyDifferences", [])
        ]
    terminal.say()
    if rows:
        terminal.say("The imported resources differ from the template:")
        terminal.table(("resource", "property", "is", "template says"), rows)
        terminal.say(
            "An import changes nothing in them, and an update only what changes in the template: give each the value the "
            "template says by hand (docs/import.md#what-differs), then detect drift again."
        )
    else:
        terminal.say("Drift detection finds no difference between the imported resources and the template.")
    if unchecked:
        terminal.say(f"Not checked, since CloudFormation cannot: {', '.join(unchecked)}.")
    return [dict(zip(("resource", "property", "is", "template_says"), row, strict=True)) for row in rows]


def _drifts(cloudformation: Any, stack: str) -> list[dict[str, Any]]:
    answer = cloudformation.describe_stack_resource_drifts(StackName=stack)
    found = list(answer["StackResourceDrifts"])
    while answer.get("NextToken"):
        answer = cloudformation.describe_stack_resource_drifts(StackName=stack, NextToken=answer["NextToken"])
        found += answer["StackResourceDrifts"]
    return found
