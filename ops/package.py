"""Build the Lambda package, upload it with the state machine and the packaged template, print the console's link.

make package                                       into retraining-artifacts-<account>-<region>, made when missing
make package BUCKET=my-artifacts REGION=eu-west-1  into a bucket of yours, in the region of the stack
make package REGION=eusc-de-east-1 WITHOUT=slack   where nobody knows what the Region has (docs/regions.md)

The uploading is `aws cloudformation package`: its keys are hashes of the content, so unchanged sources upload nothing
and give the same build/packaged.yaml. The packaged template goes beside them under its own SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from botocore.exceptions import BotoCoreError, ClientError

from ops import package_zip, regions, runbook_page
from ops.assignments import assignments, refuse_unknown
from ops.settled_template import settled
from ops.stack import OperatorError, parser, run_signed_in, variable
from ops.stack_deployment import ROOT, TEMPLATE, DeploymentError
from ops.stack_deployment import package as cli_package
from ops.stack_names import refuse_long_name
from ops.template import dump, parse, sources
from orchestration.domain.console_links import DOMAINS, Console

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import boto3

    from ops.terminal import Terminal

PACKAGED: Final = ROOT / "build" / "packaged.yaml"
PREFIX: Final = "retraining"
BUCKET_PREFIX: Final = "retraining-artifacts"


@dataclass(frozen=True)
class Package:
    """A packaged template in S3, with everything it refers to."""

    bucket: str
    key: str
    url: str
    template: Path

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
    template: Path = TEMPLATE,
    packaged: Path = PACKAGED,
) -> Package:
    """Build, upload, write the packaged template as it fits the session's Region, and say what that costs.

    Args:
        session: of the Region of the stack.
        terminal: where it is said.
        bucket: where it is uploaded to; empty takes the default one.
        given: parameters of the stack to come.
        without: features to leave out that the Region may have.
        template: the template in the sources.
        packaged: where the packaged one is written to.

    Raises:
        OperatorError: the Region has no such stack, or none with these parameters; the bucket is somebody else's, in
            another region or cannot be made; the sources cannot be built.
    """
    region = str(session.region_name)
    source = parse(template.read_text(encoding="utf-8"))
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
    terminal.say(f"built {archive.relative_to(ROOT)} ({archive.stat().st_size:,} bytes)")
    s3 = session.client("s3")
    bucket = _bucket(session, s3, bucket, terminal)
    before = _keys(s3, bucket)
    try:
        cli_package(template, bucket, packaged, prefix=PREFIX, environment=_environment(session))
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
    shown = packaged.relative_to(ROOT) if packaged.is_relative_to(ROOT) else packaged
    terminal.say(f"wrote {shown} ({len(content):,} bytes)")
    return Package(bucket, key, template_url(session, bucket, key), packaged)


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
            "take it out of PARAMS= and PARAMS_FILE=."
        )


def without_of(text: str) -> frozenset[str]:
    """Features of WITHOUT=, separated by spaces or commas. Pure.

    Raises:
        OperatorError: there is no such feature to leave out.
    """
    names = frozenset(text.replace(",", " ").split())
    refuse_unknown(dict.fromkeys(sorted(names), ""), regions.OPTIONAL, what="feature")
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
            raise OperatorError(
                f"Bucket {named} cannot be used (HTTP {status}): it is not this account's, in another region, or closed "
                "to you. Name another: BUCKET="
            ) from None
        if bucket:
            raise OperatorError(
                f"There is no bucket {bucket}. Make it (aws s3 mb s3://{bucket} --region {region}), or leave BUCKET= "
                f"out to have {default} made."
            ) from None
        terminal.say(f"making the private bucket {named} in {region} for zip, state machine, template and runbook")
        _make(s3, named, region)
        return named
    there = found.get("BucketRegion") or region
    if there != region:
        raise OperatorError(
            f"Bucket {named} is in {there}, and Lambda takes code only from the stack's own region, {region}. "
            "Name a bucket there, or leave BUCKET= out."
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
        raise OperatorError(f"Bucket {bucket} could not be made: {error}. Name one you have: BUCKET=") from None


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


def command(options: argparse.Namespace, session: boto3.Session, terminal: Terminal) -> int:
    """Package and print the link."""
    parameters = assignments(options.params, "PARAMS")
    refuse_unknown(parameters, sources()["Parameters"], what="parameter")
    refuse_long_name(options.stack, sources())
    try:
        made = package(session, terminal, options.bucket, given=parameters, without=without_of(options.without))
    except (BotoCoreError, ClientError):
        terminal.say("The zip is built; nothing was uploaded.")
        raise
    if embedded():
        terminal.say("The embedded AWS has no console. Deploy it: make deploy")
        return 0
    region = str(session.region_name)
    partition = session.get_partition_for_region(region)
    link = quick_create_link(partition, region, made.url, options.stack, parameters)
    terminal.say()
    terminal.say("Deploy it in the console, as somebody who may read that bucket:")
    terminal.say(link)
    return 0


def add_without(arguments: argparse.ArgumentParser) -> None:
    """Let a command take WITHOUT=."""
    arguments.add_argument(
        "--without",
        default=variable("WITHOUT"),
        help=f"leave out what a Region lacks: {', '.join(regions.OPTIONAL)} (WITHOUT=)",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("package", __doc__)
    arguments.add_argument("--bucket", default=variable("BUCKET"), help="bucket for the artifacts (BUCKET=)")
    arguments.add_argument("--params", default=variable("PARAMS"), help="fills the console's form in (PARAMS=)")
    add_without(arguments)
    return run_signed_in(command, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
