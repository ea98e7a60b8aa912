"""One embedded AWS for all tests of a worker, as new for each test."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from local.embedded_aws import EmbeddedAws, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "arn:aws:iam::000000000000:role/service-role"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": [f"{name}.amazonaws.com" for name in ("states", "lambda", "sagemaker", "events")]},
            "Action": "sts:AssumeRole",
        }
    ],
}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="session")
def shared_aws() -> Iterator[EmbeddedAws]:
    """Give the server; state machines neither wait nor pause before retries."""
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.4"}) as aws:
        yield aws


@pytest.fixture
def aws(shared_aws: EmbeddedAws) -> EmbeddedAws:
    """Give the server with nothing in it."""
    shared_aws.reset()
    return shared_aws


class Account:
    """What the tests do again and again in the embedded AWS."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws
        self.s3 = aws.client("s3")
        self.sagemaker = aws.client("sagemaker")
        self.states = aws.client("stepfunctions")
        self.sqs = aws.client("sqs")
        self.s3.create_bucket(Bucket="data")
        self.role("service-role", EVERYTHING)

    def role(self, name: str, policy: dict[str, Any], trust: dict[str, Any] | None = None) -> str:
        """Create a role that services assume, or give it another policy; give its ARN."""
        iam = self.aws.client("iam")
        try:
            arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust or TRUST))["Role"]["Arn"]
        except iam.exceptions.EntityAlreadyExistsException:
            arn = iam.get_role(RoleName=name)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=json.dumps(policy))
        return str(arn)

    def put_archive(self, key: str, **files: str) -> str:
        """Store a tar.gz of the files and give its URI; ``__`` in a name is a slash, ``_dot_`` a dot."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, text in files.items():
                content = text.encode()
                member = tarfile.TarInfo(name.replace("__", "/").replace("_dot_", "."))
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        self.s3.put_object(Bucket="data", Key=key, Body=buffer.getvalue())
        return f"s3://data/{key}"

    def training_request(self, name: str, script: str, **more: Any) -> dict[str, Any]:
        """Give a CreateTrainingJob request that runs the script on the channel ``train``."""
        self.s3.put_object(Bucket="data", Key="train/a.csv", Body=b"1,2\n")
        code = self.put_archive(f"code/{name}.tar.gz", train_dot_py=script)
        return {
            "TrainingJobName": name,
            # The SageMaker SDK JSON-quotes hyperparameters.
            "HyperParameters": {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": json.dumps(code)},
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train/"}},
                }
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://data/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **more,
        }

    def trained(self, name: str) -> dict[str, Any]:
        """Wait for the end of a training job and describe it."""
        job: dict[str, Any] = self.until(
            lambda: self.sagemaker.describe_training_job(TrainingJobName=name),
            lambda job: job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"),
        )
        return job

    def processed(self, name: str) -> dict[str, Any]:
        """Wait for the end of a processing job and describe it."""
        job: dict[str, Any] = self.until(
            lambda: self.sagemaker.describe_processing_job(ProcessingJobName=name),
            lambda job: job["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped"),
        )
        return job

    @staticmethod
    def until(describe: Any, good: Any) -> Any:
        """Describe until it is good, and give that."""

        def look() -> Any:
            found = describe()
            return found if good(found) else None

        return wait_until(look)

    def machine(self, name: str, states: dict[str, Any], **more: Any) -> str:
        """Create a JSONata state machine that starts at its first state."""
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **more}
        answer = self.states.create_state_machine(name=name, roleArn=ROLE, definition=json.dumps(definition))
        return str(answer["stateMachineArn"])

    def start(self, machine: str, given: Any = None, **more: Any) -> str:
        """Start an execution and give its ARN."""
        answer = self.states.start_execution(stateMachineArn=machine, input=json.dumps(given or {}), **more)
        return str(answer["executionArn"])

    def ended(self, execution: str) -> dict[str, Any]:
        """Wait for the end of an execution and describe it."""
        described: dict[str, Any] = self.until(
            lambda: self.states.describe_execution(executionArn=execution), lambda e: e["status"] != "RUNNING"
        )
        return described

    def run(self, name: str, states: dict[str, Any], given: Any = None, **more: Any) -> dict[str, Any]:
        """Create a machine, run it once, and describe how it ended."""
        return self.ended(self.start(self.machine(name, states, **more), given))

    def queue(self, name: str) -> str:
        """Create a queue that takes messages of rules and topics; give its URL."""
        arn = f"arn:aws:sqs:us-east-1:{self.aws.account}:{name}"
        senders = {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}
        statement = {"Effect": "Allow", "Principal": senders, "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return str(self.sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"])

    def listen(self, pattern: dict[str, Any]) -> str:
        """Send the events that match to a queue and give its URL."""
        url = self.queue("heard")
        events = self.aws.client("events")
        events.put_rule(Name="heard", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="heard", Targets=[{"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:000000000000:heard"}])
        return url

    def heard(self, url: str, count: int) -> list[dict[str, Any]]:
        """Give the first ``count`` events of the queue, waiting for them."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            for message in self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= count

        wait_until(look)
        return found

    def function(self, name: str, source: str) -> str:
        """Create a Lambda function from one source file and give its ARN."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("index.py", source)
        answer = self.aws.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="index.handler",
            Role=ROLE,
            Code={"ZipFile": buffer.getvalue()},
        )
        return str(answer["FunctionArn"])

    def address(self, function: str) -> str:
        """Give a function an address that anybody may ask; its path here."""
        functions = self.aws.client("lambda")
        anybody = {"FunctionName": function, "Principal": "*"}
        functions.add_permission(
            **anybody, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE"
        )
        functions.add_permission(
            **anybody, StatementId="invoke", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True
        )
        url = functions.create_function_url_config(FunctionName=function, AuthType="NONE")["FunctionUrl"]
        return f"/_aws/lambda-url/{urlsplit(url).netloc.split('.')[0]}/"


@pytest.fixture
def account(aws: EmbeddedAws) -> Account:
    """Give an empty account with a bucket named ``data``."""
    return Account(aws)
