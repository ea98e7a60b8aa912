"""Package and deploy a template with the AWS CLI, the way a user does it by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from ops.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping


class DeploymentError(Exception):
    """The AWS CLI refused; the message ends with what it said."""


def aws(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run the AWS CLI of this environment and give its standard output.

    Args:
        arguments: the words after ``aws``.
        environment: variables on top of this process's own, such as the embedded AWS's.

    Raises:
        DeploymentError: exit status other than 0.
    """
    beside = Path(sys.executable).parent / "aws"
    program = str(beside) if beside.exists() else shutil.which("aws") or "aws"
    finished = subprocess.run(
        [program, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if finished.returncode != 0:
        raise DeploymentError(f"aws {' '.join(arguments[:2])} failed: {(finished.stderr or finished.stdout).strip()}")
    return finished.stdout


def package(
    template: Path, bucket: str, packaged: Path, *, prefix: str = "", environment: Mapping[str, str] | None = None
) -> Path:
    """Upload what a template refers to locally, under keys that are hashes of the content; write the packaged template."""
    packaged.parent.mkdir(parents=True, exist_ok=True)
    aws(
        "cloudformation",
        "package",
        "--template-file",
        str(template),
        "--s3-bucket",
        bucket,
        *(["--s3-prefix", prefix] if prefix else []),
        "--output-template-file",
        str(packaged),
        environment=environment,
    )
    return packaged


def deploy(
    packaged: Path,
    stack: str,
    parameters: Mapping[str, str],
    *,
    bucket: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Create or update a stack and give its outputs. A stack that is up to date is left alone.

    Args:
        packaged: the packaged template.
        stack: the stack's name.
        parameters: values that differ from the template's defaults.
        bucket: where the CLI uploads the template; needed above 51,200 bytes, CloudFormation's limit for inline ones.
        environment: variables on top of this process's own, such as the embedded AWS's.
    """
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    aws(
        "cloudformation",
        "deploy",
        "--template-file",
        str(packaged),
        "--stack-name",
        stack,
        "--capabilities",
        "CAPABILITY_IAM",
        "--no-fail-on-empty-changeset",
        *(["--s3-bucket", bucket] if bucket else []),
        *(["--parameter-overrides", *overrides] if overrides else []),
        environment=environment,
    )
    return outputs(stack, environment=environment)


def outputs(stack: str, *, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Outputs of a stack by name."""
    given = (environment or {}).get
    cloudformation = boto3.client(
        "cloudformation",
        endpoint_url=given("AWS_ENDPOINT_URL"),
        region_name=given("AWS_REGION"),
        aws_access_key_id=given("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=given("AWS_SECRET_ACCESS_KEY"),
    )
    described = cloudformation.describe_stacks(StackName=stack)
    return {entry["OutputKey"]: entry["OutputValue"] for entry in described["Stacks"][0].get("Outputs", [])}
