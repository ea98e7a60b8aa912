"""One embedded AWS and one deployed stack for all stories; a story isolates itself by its model's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.embedded_aws import EmbeddedAws
from ops import package_zip
from ops.stack_deployment import TEMPLATE, deploy, package
from tests.stack.loop import Loop

STACK = "loop"
DEFAULT_MODEL = "weekly"


@pytest.fixture(scope="session")
def aws() -> Iterator[EmbeddedAws]:
    """The embedded AWS, with waits and retry pauses cut short."""
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def loop(aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The real template, packaged and deployed with the AWS CLI. After all stories their records are looked at."""
    deployed = _deployed(aws, tmp_path_factory.mktemp("packaged"))
    yield deployed
    assert deployed.unpublished() == {}


@pytest.fixture(scope="session")
def link_loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The same with approvals by link, on an embedded AWS of its own."""
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as embedded:
        deployed = _deployed(
            embedded, tmp_path_factory.mktemp("packaged"), ApprovalAccess="LINK", OperationsEmail="reviewer@example.com"
        )
        yield deployed
        assert deployed.unpublished() == {}


def _deployed(aws: EmbeddedAws, folder: Path, **parameters: str) -> Loop:
    package_zip.build()
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.create_bucket(Bucket="team-data")
    s3.put_object(Bucket="team-data", Key="models/candidate.tar.gz", Body=b"candidate")
    s3.put_object(Bucket="team-data", Key="models/champion.tar.gz", Body=b"champion")
    role = aws.client("iam").create_role(
        RoleName="sagemaker-execution",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            }
        ),
    )["Role"]["Arn"]
    pipeline = aws.client("stepfunctions").create_state_machine(
        name="weekly-training",
        definition=json.dumps(
            {
                "QueryLanguage": "JSONata",
                "StartAt": "Train",
                "States": {"Train": {"Type": "Pass", "Output": "{% $states.input %}", "End": True}},
            }
        ),
        roleArn=role,
    )["stateMachineArn"]
    packaged = package(TEMPLATE, "artifacts", folder / "packaged.yaml", environment=aws.environment)
    outputs = deploy(
        packaged,
        STACK,
        {
            "TrainingPipelineArn": pipeline,
            "SageMakerExecutionRoleArn": role,
            "DefaultModel": DEFAULT_MODEL,
            "MaxConcurrentTrainings": "4",
            **parameters,
        },
        bucket="artifacts",
        environment=aws.environment,
    )
    return Loop(aws, outputs, "team-data", role, stack=STACK)
