"""The account that is asked: clients, what was made there, what was seen, and how all of it is taken away again.

What is made is noted before it is made, and what was seen as soon as it was seen, in one file. So a run that was
interrupted goes on where it stopped, and what it left can be deleted.
"""

from __future__ import annotations

import functools
import io
import json
import os
import re
import tempfile
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from ops.change_sets import until
from ops.creditcard_world import CreditcardWorld, image_of
from ops.package import embedded
from ops.stack import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import boto3
    from botocore.credentials import ReadOnlyCredentials
    from types_boto3_s3 import S3Client

    from ops.terminal import Terminal

PATIENCE_SECONDS: Final = 600.0
"""How long anything that AWS does by itself may take, but for an endpoint and a deletion."""

UPDATE_SECONDS: Final = 1800.0
"""How long an endpoint may take to change, and anything to be deleted."""

SPREAD_SECONDS: Final = 90.0
"""How long a new role or policy may take until every service knows it. Source: IAM User Guide, eventual consistency."""

SCHEDULED: Final = "key"
"""The kind that AWS deletes by itself some days later."""

PROBE_SOURCE: Final = """
import json, os, time
import boto3

def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if "detail" in event:
        boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps(event))
    signer = ((event.get("requestContext") or {}).get("authorizer") or {}).get("iam")
    return {"statusCode": 200, "body": json.dumps(signer)}
"""
"""The function of the checks: passes events on to a queue, and says who signed a request of its address."""


@dataclass
class State:
    """What a run knows, in a file.

    Attributes:
        path: the file.
        run: what every name in the account begins with.
        began: day of the first start, ``2026-11-26``.
        made: kind and name of what was made, in the order it was made.
        seen: what was set up or seen, by name.
        answers: ``{"holds": ..., "saw": ...}`` by question.
    """

    path: Path
    run: str
    began: str
    made: list[tuple[str, str]] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path, *, run: str, today: str) -> State:
        """The state of the run that was interrupted, or that of a new one.

        Raises:
            OperatorError: the file is none of this command's.
        """
        if not path.exists():
            return cls(path, run, today)
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                path,
                str(kept["run"]),
                str(kept["began"]),
                [(str(kind), str(name)) for kind, name in kept["made"]],
                dict(kept["seen"]),
                dict(kept["answers"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise OperatorError(
                f"{path} is no state of retraining verify-aws ({error}); look at it, then remove it."
            ) from None

    def keep(self) -> None:
        """Write the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        document = {name: getattr(self, name) for name in ("run", "began", "made", "seen", "answers")}
        partial.write_text(json.dumps(document, default=str) + "\n", encoding="utf-8")
        partial.replace(self.path)

    def forget(self) -> None:
        """Remove the file: nothing is left to go on with, or to delete."""
        self.path.unlink(missing_ok=True)


class Account:
    """An account in a Region.

    Args:
        session: of whoever is signed in.
        state: of the run.
        terminal: where progress is told.
    """

    def __init__(self, session: boto3.Session, state: State, terminal: Terminal) -> None:
        self.session = session
        self.state = state
        self.terminal = terminal
        self.say = terminal.say
        self.region = str(session.region_name)
        self.partition = str(session.get_partition_for_region(self.region))
        self._clients: dict[str, Any] = {}
        self._identity: dict[str, str] = {}
        # The embedded AWS knows a role at once, so waiting for one to spread would only hide a refusal.
        self.spread = 0.1 if embedded() else SPREAD_SECONDS

    # ------------------------------------------------------------------ asking

    def client(self, service: str) -> Any:
        """A boto3 client; the same one each time."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service)  # type: ignore[call-overload] # the name is only known at run time
        return self._clients[service]

    def identity(self) -> dict[str, str]:
        """Account and ARN of whoever is signed in."""
        if not self._identity:  # not kept in the file: somebody else of the account may go on with the run
            found = self.client("sts").get_caller_identity()
            self._identity = {"Account": found["Account"], "Arn": found["Arn"]}
        return self._identity

    def credentials(self) -> ReadOnlyCredentials:
        """The key of whoever is signed in.

        Raises:
            OperatorError: nobody is.
        """
        found = self.session.get_credentials()
        if found is None:
            raise OperatorError("Nobody is signed in to AWS: aws configure, aws sso login.")
        return found.get_frozen_credentials()

    def name(self, what: str) -> str:
        """A name of this run's that no other has."""
        return f"{self.state.run}-{what}-{uuid.uuid4().hex[:6]}"

    def noted(self, kind: str, name: str) -> str:
        """Note what is about to be made, so that it is deleted whatever comes; gives the name.

        Keys and model packages, whose names AWS chooses, are noted as soon as it gave them.
        """
        self.state.made.append((kind, name))
        self.state.keep()
        return name

    def seen(self, name: str, look: Callable[[], Any]) -> Any:
        """What was set up or seen under a name, once in a run."""
        if name not in self.state.seen:
            self.state.seen[name] = look()
            self.state.keep()
        return self.state.seen[name]

    def awaited(self, condition: Callable[[], Any], what: str, *, within: float = PATIENCE_SECONDS) -> Any:
        """Await something true and give it.

        Raises:
            OperatorError: it did not come.
        """
        found = until(condition, within=within)
        if not found:
            raise OperatorError(f"{what}: not within {within:.0f} s. Start again to go on, or delete what was made.")
        return found

    def spread_out(self, call: Callable[[], Any]) -> Any:
        """The answer of a call that AWS may refuse until a role or policy made just before is known everywhere.

        Raises:
            ClientError: it is refused still.
        """
        deadline = time.monotonic() + self.spread
        while True:
            try:
                return call()
            except ClientError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1 if self.spread < 1 else 3)

    def refused(self, call: Callable[[], Any]) -> str | None:
        """Code by which AWS refuses a call once a policy made just before is known; None when it never does."""
        deadline = time.monotonic() + self.spread
        while True:
            try:
                call()
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            if time.monotonic() > deadline:
                return None
            time.sleep(0.1 if self.spread < 1 else 3)

    def arn(self, service: str, resource: str) -> str:
        """ARN of something of this account and Region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.identity()['Account']}:{resource}"

    def address(self, url: str) -> str:
        """Where a function's URL is reached: the embedded AWS has no names for them."""
        if not embedded():
            return url
        host = str(urlsplit(url).hostname)
        return f"{os.environ['AWS_ENDPOINT_URL'].rstrip('/')}/_aws/lambda-url/{host.partition('.')[0]}/"

    # ------------------------------------------------------------------ making

    def role(self, what: str, service: str, statements: Sequence[Mapping[str, Any]], *, trusts: str = "Service") -> str:
        """Make a role and give its ARN.

        Args:
            what: part of its name.
            service: who may assume it.
            statements: its permissions.
            trusts: what ``service`` is: ``Service`` or ``AWS``.
        """
        iam, name = self.client("iam"), self.noted("role", self.name(what))
        trust = {"Effect": "Allow", "Principal": {trusts: service}, "Action": "sts:AssumeRole"}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))
        iam.put_role_policy(RoleName=name, PolicyName="verify", PolicyDocument=_policy(statements))
        return str(made["Role"]["Arn"])

    def bucket(self, what: str, **more: Any) -> str:
        """Make a bucket; gives its name."""
        name = self.noted("bucket", self.name(what))
        if self.region != "us-east-1":  # the one Region that must not be named
            more["CreateBucketConfiguration"] = {"LocationConstraint": self.region}
        self.client("s3").create_bucket(Bucket=name, **more)
        return name

    def queue(self, what: str, attributes: Mapping[str, str] | None = None) -> tuple[str, str]:
        """Make a queue; gives its URL and ARN."""
        sqs, name = self.client("sqs"), self.noted("queue", self.name(what))
        url = str(sqs.create_queue(QueueName=name, Attributes=dict(attributes or {}))["QueueUrl"])
        return url, self.arn("sqs", name)

    def messages(self, url: str) -> list[str]:
        """Take what lies in a queue."""
        sqs = self.client("sqs")
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0 if embedded() else 5)
        for message in found.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [str(message["Body"]) for message in found.get("Messages", [])]

    def rule(self, pattern: Mapping[str, Any], target: Mapping[str, Any]) -> str:
        """Make a rule on the default bus with one target; gives its name."""
        events, name = self.client("events"), self.noted("rule", self.name("rule"))
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        answer = events.put_targets(Rule=name, Targets=[{"Id": "verify", **target}])
        if answer["FailedEntryCount"]:
            raise OperatorError(f"EventBridge took no target for {name}: {answer['FailedEntries']}")
        return name

    def rule_may_send(self, url: str, queue_arn: str, rule_arn: str) -> None:
        """Let one rule send to a queue."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
        }
        self.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": _policy([statement])})

    def machine(self, what: str, role_arn: str, states: Mapping[str, Any]) -> str:
        """Make a state machine in JSONata that starts at its first state; gives its ARN."""
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
        name = self.name(what)
        self.noted("state machine", self.arn("states", f"stateMachine:{name}"))
        made = self.spread_out(
            lambda: self.client("stepfunctions").create_state_machine(
                name=name, definition=json.dumps(definition), roleArn=role_arn
            )
        )
        return str(made["stateMachineArn"])

    def ended(self, execution_arn: str, *, within: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The description of an execution that is over."""
        stepfunctions = self.client("stepfunctions")

        def over() -> Any:
            found = stepfunctions.describe_execution(executionArn=execution_arn)
            return found if found["status"] != "RUNNING" else None

        return dict(self.awaited(over, f"the end of {execution_arn}", within=within))

    def probe(self) -> dict[str, str]:
        """The function of the checks: its ``name`` and ``arn``, and the ``queue_url`` it passes events on to."""
        return dict(self.seen("probe", self._make_probe))

    def _make_probe(self) -> dict[str, str]:
        url, queue_arn = self.queue("probe")
        role_arn = self.role(
            "probe",
            "lambda.amazonaws.com",
            [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue_arn}],
        )
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("probe.py", PROBE_SOURCE)
        name = self.noted("function", self.name("probe"))
        self.noted("log-group", f"/aws/lambda/{name}")
        functions = self.client("lambda")
        made = self.spread_out(
            lambda: functions.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Handler="probe.handler",
                Role=role_arn,
                Code={"ZipFile": archive.getvalue()},
                Timeout=1 if embedded() else 5,
                Environment={"Variables": {"QUEUE_URL": url}},
            )
        )
        self.awaited(
            lambda: functions.get_function(FunctionName=name)["Configuration"].get("State", "Active") == "Active",
            f"function {name}",
        )
        return {"name": name, "arn": str(made["FunctionArn"]), "queue_url": url}

    # ------------------------------------------------------------------ what serves

    def listening(self) -> str:
        """URL of a queue that hears every SageMaker event of this run's jobs and endpoints, from before there are any."""
        return str(self.seen("listening", self._listen))

    def _listen(self) -> str:
        url, queue_arn = self.queue("events")
        pattern = {
            "source": ["aws.sagemaker"],
            "$or": [
                {"detail": {field: [{"prefix": self.state.run}]}}
                for field in ("TrainingJobName", "EndpointName", "ProcessingJobName")
            ],
        }
        rule = self.rule(pattern, {"Arn": queue_arn})
        self.rule_may_send(url, queue_arn, self.arn("events", f"rule/{rule}"))
        return url

    def events(self) -> list[dict[str, Any]]:
        """Every event heard so far."""
        url = self.listening()
        heard: list[dict[str, Any]] = self.seen("heard", list)
        while fresh := self.messages(url):
            heard += [json.loads(each) for each in fresh]
            self.state.keep()
        return heard

    def serving(self) -> dict[str, str]:
        """Name of the ``bucket`` of the model's data, which ``world`` makes, and ``role_arn`` of the model's own role."""
        return dict(self.seen("serving", self._make_serving))

    def _make_serving(self) -> dict[str, str]:
        bucket = self.noted("bucket", self.name("data"))
        role_arn = self.role(
            "serving",
            "sagemaker.amazonaws.com",
            [
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                    "Resource": [f"arn:{self.partition}:s3:::{bucket}", f"arn:{self.partition}:s3:::{bucket}/*"],
                },
                {
                    "Effect": "Allow",
                    "Action": [
                        "ecr:GetAuthorizationToken",
                        "ecr:BatchGetImage",
                        "ecr:GetDownloadUrlForLayer",
                        "ecr:BatchCheckLayerAvailability",
                        "logs:CreateLogGroup",
                        "logs:CreateLogStream",
                        "logs:PutLogEvents",
                        "logs:DescribeLogStreams",
                        "cloudwatch:PutMetricData",
                    ],
                    "Resource": "*",
                },
            ],
        )
        return {"bucket": bucket, "role_arn": role_arn}

    def world(self) -> dict[str, str]:
        """A trained model that serves: ``bucket``, ``role_arn``, ``endpoint``, ``name`` (job, model and config)."""
        self.listening()
        return dict(self.seen("world", self._make_world))

    def _make_world(self) -> dict[str, str]:
        image = image_of(self.region)
        if image is None:
            raise OperatorError(f"No scikit-learn container of AWS is known in {self.region}: --region names another.")
        serving = self.serving()
        bucket, role_arn = serving["bucket"], serving["role_arn"]
        endpoint, name = self.name("prod"), self.name("champion")
        with tempfile.TemporaryDirectory() as folder:
            world = CreditcardWorld(self.client, {}, bucket, Path(folder), endpoint=endpoint, image=image, rows=2000)
            world.make_data()
            for kind, each in (("model", name), ("endpoint-config", name), ("endpoint", endpoint)):
                self.noted(kind, each)
            self.noted("log-group", f"/aws/sagemaker/Endpoints/{endpoint}")
            if not embedded():
                time.sleep(
                    15
                )  # CreateTrainingJob assumes the role at once, and a refusal would come after the job's name
            world.train_champion(role_arn, name)
        return {"bucket": bucket, "role_arn": role_arn, "endpoint": endpoint, "name": name, "image": image}

    def in_service(self, endpoint: str) -> dict[str, Any]:
        """The description of an endpoint that takes changes again."""
        sagemaker = self.client("sagemaker")

        def there() -> Any:
            found = sagemaker.describe_endpoint(EndpointName=endpoint)
            return found if found["EndpointStatus"] in {"InService", "Failed"} else None

        return dict(self.awaited(there, f"endpoint {endpoint}", within=UPDATE_SECONDS))

    # ------------------------------------------------------------------ taking it away

    def clean_up(self) -> list[str]:
        """Delete everything that was noted; gives what stays, each with why."""
        left = []
        for kind in _DELETIONS:
            # Asked anew for each kind: what a stack retained is noted as the stack is deleted.
            for name in [name for of, name in self.state.made if of == kind]:
                self.say(f"  deleting {kind} {name}")
                stays = self._deletion(kind, name)
                if stays:
                    left.append(f"{kind} {name}: {stays}")
                if not stays or kind == SCHEDULED:
                    self.state.made.remove((kind, name))
                    self.state.keep()
        return left

    def _deletion(self, kind: str, name: str) -> str:
        """Delete one thing; gives why it stays, empty when it is gone."""
        try:
            ended = until(lambda: self._deleted(kind, name), within=UPDATE_SECONDS)
        except (ClientError, OperatorError) as error:
            return str(error)
        return "" if ended is True else str(ended or "it is busy still")

    def _deleted(self, kind: str, name: str) -> bool | str:
        """True: it is gone. False: ask again. A text: why it stays."""
        try:
            return _DELETIONS[kind](self, name)
        except ClientError as error:
            said = str(error).lower()
            if any(text in said for text in _NOT_THERE):
                return True
            if "in-progress" in said or "conflict" in said:
                return False
            raise


_NOT_THERE: Final = (
    "could not find",
    "not found",
    "does not exist",
    "nosuch",
    "cannot be found",
    "nonexistent",
    "notfound",
    "statemachinedoesnotexist",
)


def _policy(statements: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _delete_version(s3: S3Client, bucket: str, each: Any) -> None:
    version: Any = {"Bucket": bucket, "Key": each["Key"], "VersionId": each["VersionId"]}
    try:
        s3.delete_object(**version)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        # Only a bucket with Object Lock takes the header, and only what is locked needs it.
        s3.delete_object(**version, BypassGovernanceRetention=True)


def _delete_bucket(account: Account, name: str) -> bool:
    s3 = account.client("s3")
    # The one thing the policies of these buckets deny nobody is to change them.
    s3.delete_bucket_policy(Bucket=name)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for each in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
            account.spread_out(functools.partial(_delete_version, s3, name, each))
    for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=name)
    return True


def _delete_role(account: Account, name: str) -> bool:
    iam = account.client("iam")
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)
    return True


def _delete_rule(account: Account, name: str) -> bool:
    events = account.client("events")
    events.remove_targets(Rule=name, Ids=["verify"])
    events.delete_rule(Name=name)
    return True


def _delete_table(account: Account, name: str) -> bool:
    dynamodb = account.client("dynamodb")
    status = dynamodb.describe_table(TableName=name)["Table"]
    if status["TableStatus"] not in {"ACTIVE", "DELETING"}:
        return False
    if status.get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        return False
    if status["TableStatus"] == "ACTIVE":
        dynamodb.delete_table(TableName=name)
    return False


def _delete_endpoint(account: Account, name: str) -> bool:
    sagemaker = account.client("sagemaker")
    if sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Deleting":
        sagemaker.delete_endpoint(EndpointName=name)
    return False


def _delete_key(account: Account, name: str) -> str:
    kms = account.client("kms")
    if kms.describe_key(KeyId=name)["KeyMetadata"]["KeyState"] != "PendingDeletion":
        kms.schedule_key_deletion(KeyId=name, PendingWindowInDays=7)
    return "KMS deletes a key after seven days at the soonest; it is scheduled, and costs nothing until then"


def _delete_stack(account: Account, name: str) -> bool:
    from ops.aws_questions.stack import destroyed  # noqa: PLC0415 - it imports this module

    return destroyed(account, name)


def _delete_plain_stack(account: Account, name: str) -> bool:
    """A stack that retains nothing."""
    cloudformation = account.client("cloudformation")
    status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    if status != "DELETE_IN_PROGRESS":
        cloudformation.delete_stack(StackName=name)
    return False


def _call(service: str, operation: str, argument: str) -> Callable[[Account, str], bool]:
    def delete(account: Account, name: str) -> bool:
        getattr(account.client(service), operation)(**{argument: [name] if argument == "AlarmNames" else name})
        return True

    return delete


def _delete_queue(account: Account, name: str) -> bool:
    sqs = account.client("sqs")
    sqs.delete_queue(QueueUrl=name if re.match("https?://", name) else sqs.get_queue_url(QueueName=name)["QueueUrl"])
    return True


_DELETIONS: Final[dict[str, Callable[[Account, str], bool | str]]] = {
    "stack": _delete_stack,
    "plain stack": _delete_plain_stack,
    "endpoint": _delete_endpoint,
    "endpoint-config": _call("sagemaker", "delete_endpoint_config", "EndpointConfigName"),
    "model": _call("sagemaker", "delete_model", "ModelName"),
    "model-package": _call("sagemaker", "delete_model_package", "ModelPackageName"),
    "model-package-group": _call("sagemaker", "delete_model_package_group", "ModelPackageGroupName"),
    "composite alarm": _call("cloudwatch", "delete_alarms", "AlarmNames"),
    "alarm": _call("cloudwatch", "delete_alarms", "AlarmNames"),
    "rule": _delete_rule,
    "state machine": _call("stepfunctions", "delete_state_machine", "stateMachineArn"),
    "function": _call("lambda", "delete_function", "FunctionName"),
    "topic": _call("sns", "delete_topic", "TopicArn"),
    "queue": _delete_queue,
    "table": _delete_table,
    "bucket": _delete_bucket,
    "role": _delete_role,
    "log-group": _call("logs", "delete_log_group", "logGroupName"),
    "key": _delete_key,
}
"""How each kind is deleted, in the order in which it has to be: what refers to something goes before it."""
