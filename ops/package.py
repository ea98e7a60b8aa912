"""Build the Lambda package, upload it with the state machine and the packaged template, print the console's link.

The uploading is `aws cloudformation package`: its keys are hashes of the content, so unchanged sources upload nothing
and give the same build/packaged.yaml. The packaged template goes beside them under its own SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops import package_zip, regions, runbook_page
from ops.assignments import assignments, refuse_illegal, refuse_unknown
from ops.invocation import account_command
from ops.project import BUILD, IN_CHECKOUT, TEMPLATE, WORKFLOW, shown
from ops.refusals import refusal
from ops.settled_template import settled
from ops.stack import CallError, NotReachedError, OperatorError
from ops.stack_deployment import DeploymentError
from ops.stack_deployment import package as cli_package
from ops.stack_names import refuse_stack_name
from ops.template import dump, parse, sources
from orchestration.domain.console_links import DOMAINS, Console

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import boto3

    from ops.terminal import Terminal
    from orchestration.domain.commands import Place

PACKAGED: Final = BUILD / "packaged.yaml"
PREFIX: Final = "retraining"
BUCKET_PREFIX: Final = "retraining-artifacts"

bucket_option: Final = click.option(
    "--bucket",
    default="",
    help=f"Bucket for what is uploaded; else {BUCKET_PREFIX}-<account>-<region>, made when missing.",
)
without_option: Final = click.option(
    "--without", default="", help=f"Leave out what the Region lacks: {', '.join(regions.OPTIONAL)}."
)


@dataclass(frozen=True)
class Package:
    """A packaged template in S3, with everything it refers to."""

    bucket: str
    key: str
    url: str
    template: Path
    uploaded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The template as data."""
        return parse(self.template.read_text(encoding="utf-8"))


def package(
    session: boto3.Session,
    terminal: Terminal,
    bucket: str = "",
    *,
    given: Mapping[str, str] | None = None,
    without: frozenset[str] = frozenset(),
    template: Path | None = None,
    packaged: Path = PACKAGED,
) -> Package:
    """Build, upload, write the packaged template as it fits the session's Region, and say what that costs.

    Args:
        session: of the Region of the stack.
        terminal: where it is said.
        bucket: where it is uploaded to; empty takes the default one.
        given: parameters of the stack to come.
        without: features to leave out that the Region may have.
        template: another template than the project's, with what it refers to beside it.
        packaged: where the packaged one is written to.

    Raises:
        OperatorError: the Region has no such stack, or none with these parameters; the bucket is somebody else's, in
            another region or cannot be made; the sources cannot be built.
    """
    region = str(session.region_name)
    source = parse((template or TEMPLATE).read_text(encoding="utf-8"))
    fit = regions.fitted(source, region, regions.known_gaps(), without=without)
    for note in fit.notes:
        terminal.say(note)
    if fit.refusal:
        raise OperatorError(fit.refusal)
    _refuse_left_out(given or {}, fit, region)
    try:
        archive = package_zip.build()
    except package_zip.PackageError as error:
        raise OperatorError(str(error)) from None
    terminal.say(f"built {shown(archive)} ({archive.stat().st_size:,} bytes)")
    s3 = session.client("s3")
    bucket = _bucket(session, s3, bucket, terminal)
    before = _keys(s3, bucket)
    try:
        cli_package(template or _laid_out(), bucket, packaged, prefix=PREFIX, environment=_environment(session))
    except DeploymentError as error:
        raise OperatorError(str(error)) from None
    whole = settled(parse(packaged.read_text(encoding="utf-8")), fit.settled)
    page = runbook_page.rendered(runbook_page.RUNBOOK.read_text(encoding="utf-8")).encode()
    page_key = runbook_page.key_of(page, PREFIX)
    if page_key not in before:
        s3.put_object(Bucket=bucket, Key=page_key, Body=page, ContentType="text/html; charset=utf-8")
    address = _page_address(session, bucket, page_key)
    whole = runbook_page.defaults(whole, address=address, bucket=bucket, key=page_key)
    packaged.write_text(dump(whole), encoding="utf-8")
    content = packaged.read_bytes()
    key = f"{PREFIX}/{hashlib.sha256(content).hexdigest()}.yaml"
    if key not in before:
        s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/yaml")
    new = sorted(_keys(s3, bucket) - before)
    for each in new:
        terminal.say(f"uploaded s3://{bucket}/{each}")
    if not new:
        terminal.say(f"nothing to upload: s3://{bucket}/{PREFIX}/ holds all of it")
    terminal.say(f"wrote {shown(packaged)} ({len(content):,} bytes)")
    return Package(bucket, key, template_url(session, bucket, key), packaged, tuple(new), tuple(fit.notes))


def _laid_out() -> Path:
    """The template with build/ and the state machine beside it, as its paths have them."""
    if IN_CHECKOUT:
        return TEMPLATE
    for file in (TEMPLATE, WORKFLOW):
        shutil.copyfile(file, BUILD.parent / file.name)
    return BUILD.parent / TEMPLATE.name


def _refuse_left_out(given: Mapping[str, str], fit: regions.Fit, region: str) -> None:
    """Refuse parameters that the template does not have there, but for those that say what is so anyway."""
    lost = [
        name
        for name, value in given.items()
        if name not in fit.document["Parameters"] and fit.settled.get(name) != value
    ]
    if lost:
        raise OperatorError(
            f"{' and '.join(lost)} cannot be given in {region}: what it is for is left out there. Nothing was built; "
            "take it out of --params and --params-file."
        )


def without_of(text: str) -> frozenset[str]:
    """Features of ``--without``, separated by spaces or commas. Pure.

    Raises:
        CallError: there is no such feature to leave out.
    """
    names = frozenset(text.replace(",", " ").split())
    refuse_unknown(dict.fromkeys(sorted(names), ""), regions.OPTIONAL, what="feature", option="--without")
    return names


def _bucket(session: boto3.Session, s3: Any, bucket: str, terminal: Terminal) -> str:
    """The bucket to upload to; made, after saying so, when it is the default one and missing."""
    account = session.client("sts").get_caller_identity()["Account"]
    region = str(session.region_name)
    default = f"{BUCKET_PREFIX}-{account}-{region}"
    named = bucket or default
    try:
        found = s3.head_bucket(Bucket=named, ExpectedBucketOwner=account)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status != 404:  # noqa: PLR2004 - HTTP
            raise NotReachedError(
                f"Bucket {named} cannot be used (HTTP {status}): it is not this account's, in another region, or closed "
                "to you. Name another: --bucket"
            ) from None
        if bucket:
            raise CallError(
                f"There is no bucket {bucket}. Make it (aws s3 mb s3://{bucket} --region {region}), or leave --bucket "
                f"out to have {default} made."
            ) from None
        terminal.say(f"making the private bucket {named} in {region} for zip, state machine, template and runbook")
        _make(s3, named, region)
        return named
    there = found.get("BucketRegion") or region
    if there != region:
        raise CallError(
            f"Bucket {named} is in {there}, and Lambda takes code only from the stack's own region, {region}. "
            "Name a bucket there, or leave --bucket out."
        )
    return named


def _make(s3: Any, bucket: str, region: str) -> None:
    # us-east-1 is the one region that must not be named.
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, **where)
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
    except ClientError as error:
        raise NotReachedError(
            f"Bucket {bucket} could not be made. {refusal(error)} Name one you have: --bucket"
        ) from None


def _keys(s3: Any, bucket: str) -> set[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PREFIX}/")
    return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


def _environment(session: boto3.Session) -> dict[str, str]:
    """What makes the AWS CLI work in the session's region."""
    return {"AWS_REGION": str(session.region_name), "AWS_DEFAULT_REGION": str(session.region_name)}


def embedded() -> bool:
    """Whether calls go to another endpoint than AWS, such as the embedded AWS."""
    return bool(os.environ.get("AWS_ENDPOINT_URL"))


def template_url(session: boto3.Session, bucket: str, key: str) -> str:
    """Address of an object that CloudFormation accepts as TemplateURL."""
    if embedded():
        return f"{os.environ['AWS_ENDPOINT_URL'].rstrip('/')}/{bucket}/{key}"
    suffix = "amazonaws.com.cn" if session.get_partition_for_region(str(session.region_name)) == "aws-cn" else ""
    return f"https://{bucket}.s3.{session.region_name}.{suffix or 'amazonaws.com'}/{key}"


def _page_address(session: boto3.Session, bucket: str, key: str) -> str | None:
    """Where people open the runbook's page: in the console, signed in; None in a partition whose console nobody knows."""
    if embedded():
        return template_url(session, bucket, key)
    region = str(session.region_name)
    return Console(session.get_partition_for_region(region), region).s3_object(bucket, key)


def quick_create_link(partition: str, region: str, url: str, stack: str, parameters: Mapping[str, str]) -> str:
    """The console's form for this template, filled in; whoever opens it still presses the button."""
    fields = {"templateURL": url, "stackName": stack, **{f"param_{name}": text for name, text in parameters.items()}}
    query = urlencode(fields, quote_via=quote)
    known = partition if partition in DOMAINS else "aws"
    return str(Console(known, region).quick_create(query))


@account_command("package")
@bucket_option
@click.option("--params", default="", help='"Name=Value ...", which fill the console\'s form in.')
@without_option
def command(session: boto3.Session, place: Place, terminal: Terminal, bucket: str, params: str, without: str) -> int:
    """Build and upload zip, state machine and template; print the console's link.

    Unchanged sources upload nothing. In a checkout build/ lies there, else in the folder that the output names.
    """
    parameters = assignments(params, "--params")
    declared = sources()["Parameters"]
    refuse_unknown(parameters, declared, what="parameter", option="--params")
    refuse_illegal(parameters, declared, option="--params")
    refuse_stack_name(place.stack, sources())
    try:
        made = package(session, terminal, bucket, given=parameters, without=without_of(without))
    except (BotoCoreError, ClientError):
        terminal.aside.say("The zip is built; nothing was uploaded.")
        raise
    link = None
    if embedded():
        terminal.say("The embedded AWS has no console. Deploy it:")
        terminal.command(place.command("deploy", params=params))
    else:
        partition = session.get_partition_for_region(place.region)
        link = quick_create_link(partition, place.region, made.url, place.stack, parameters)
        terminal.say()
        terminal.say("Deploy it in the console, as somebody who may read that bucket:")
        terminal.say(link)
    terminal.answer(
        {
            "bucket": made.bucket,
            "key": made.key,
            "template_url": made.url,
            "template": str(made.template),
            "uploaded": list(made.uploaded),
            "notes": list(made.notes),
            "quick_create_link": link,
        }
    )
    return 0
