"""A deployed loop as the stories see it: send events, await executions, read what was left."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785

from local.embedded_aws import EmbeddedAws, wait_until
from ops import package_zip
from ops.caller_proof import proven
from ops.project import TEMPLATE
from ops.record_schemas import schema_finding
from ops.stack_deployment import deploy, package
from orchestration.domain.contracts import MODEL_TAG, Status
from orchestration.domain.ownership import SHARED, package_group
from orchestration.domain.records import REPORT_SUFFIXES, report_key, reported_run
from orchestration.steps.reports import pages, read_records
from tests.unit.page_check import page_findings

EVENTS = Path(__file__).parent.parent / "events"
STACK = "loop"
DEFAULT_MODEL = "weekly"
BETTER = {"auc": 0.93, "recall": 0.8}
CHAMPION = {"auc": 0.85, "recall": 0.78}
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/xgb:1"


@dataclass(frozen=True)
class Ended:
    """An execution that is over."""

    arn: str
    name: str
    status: str
    output: dict[str, Any]
    error: str | None
    cause: str | None


class Loop:
    """The deployed stack on the embedded AWS, with a data bucket and pipelines of a user's own."""

    def __init__(
        self,
        aws: EmbeddedAws,
        outputs: dict[str, str],
        data_bucket: str,
        role_arn: str,
        *,
        stack: str,
        pipeline_tags: Mapping[str, str] | None = None,
    ) -> None:
        self.aws = aws
        self.stack = stack
        self.outputs = outputs
        self.data_bucket = data_bucket
        self.role_arn = role_arn
        self.pipeline_tags = dict(pipeline_tags or {})
        self.bucket = outputs["AutomationBucketName"]
        self.table = outputs["HistoryTableName"]
        self.machine = outputs["StateMachineArn"]

    # What a team owns.

    def put(self, key: str, body: Any, *, bucket: str | None = None) -> str:
        """Write an object and give its URI."""
        bucket = bucket or self.data_bucket
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.aws.client("s3").put_object(Bucket=bucket, Key=key, Body=raw)
        return f"s3://{bucket}/{key}"

    def evaluation(self, candidate: dict[str, float], champion: dict[str, float] | None = None) -> str:
        """Write an evaluation report and give its URI."""

        def metrics(values: dict[str, float]) -> dict[str, Any]:
            return {
                "binary_classification_metrics": {
                    name: {"value": value, "standard_deviation": "NaN"} for name, value in values.items()
                }
            }

        report = metrics(candidate)
        if champion is not None:
            report["champion"] = metrics(champion)
        return self.put(f"reports/{uuid.uuid4().hex}/evaluation.json", report)

    def pipeline(self, states: dict[str, Any], start_at: str, *, of: str = SHARED) -> str:
        """Create a pipeline of the team's own, for the model its tag names, and give its ARN."""
        definition = {"QueryLanguage": "JSONata", "StartAt": start_at, "States": states}
        answer = self.aws.client("stepfunctions").create_state_machine(
            name=f"training-{uuid.uuid4().hex[:8]}",
            definition=json.dumps(definition),
            roleArn=self.role_arn,
            tags=[{"key": key, "value": value} for key, value in {MODEL_TAG: of, **self.pipeline_tags}.items()],
        )
        return str(answer["stateMachineArn"])

    def training(self, evaluation_uri: str | None, **more: Any) -> str:
        """Create a pipeline that returns a trained model at once."""
        output = {
            "model_data_url": f"s3://{self.data_bucket}/models/candidate.tar.gz",
            "image": IMAGE,
            **({"evaluation_uri": evaluation_uri} if evaluation_uri else {}),
            **more,
        }
        return self.pipeline({"Train": {"Type": "Pass", "Output": output, "End": True}}, "Train")

    def failing_training(self, error: str = "DataGone", cause: str = "the training data is gone") -> str:
        """Create a pipeline that fails."""
        return self.pipeline({"Fail": {"Type": "Fail", "Error": error, "Cause": cause}}, "Fail")

    def champion(self, model: str, *, within: float = 60.0) -> str:
        """Create an endpoint that serves a first champion, await it so long, and give its name."""
        sagemaker = self.aws.client("sagemaker")
        name, endpoint = f"{model}-first", f"{model}-prod"
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": f"s3://{self.data_bucket}/models/champion.tar.gz",
            },
            ExecutionRoleArn=self.role_arn,
        )
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": name,
                    "InitialInstanceCount": 2,
                    "InstanceType": "ml.m5.large",
                }
            ],
            Tags=[{"Key": "team", "Value": "fraud"}],
        )
        sagemaker.create_endpoint(
            EndpointName=endpoint, EndpointConfigName=name, Tags=[{"Key": MODEL_TAG, "Value": model}]
        )
        if within:
            wait_until(
                lambda: sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService",
                within=within,
            )
        return endpoint

    def own(self, model: str, arn: str) -> None:
        """Tag something in SageMaker as a model's; of a package its group."""
        tagged = package_group(arn).name if ":model-package/" in arn else arn
        self.aws.client("sagemaker").add_tags(ResourceArn=tagged, Tags=[{"Key": MODEL_TAG, "Value": model}])

    def policy(self, model: str, **sections: Any) -> None:
        """Upload a model's policy."""
        document = {"schema_version": 1, "model": model, **sections}
        self.put(f"policies/{model}.json", document, bucket=self.bucket)

    def model(
        self,
        *,
        evaluation: str | None = None,
        training: str | None = None,
        policy: dict[str, Any] | None = None,
        package: str | None = None,
        **sections: Any,
    ) -> str:
        """Bring a new model under the loop: champion, pipeline, policy. Gives its name.

        Args:
            evaluation: URI of the report its training returns; a good one when left out.
            training: ARN of its training pipeline; one that returns at once when left out.
            policy: sections that replace the policy's, ``training`` included.
            package: ARN of a model package or a group that is to be the model's.
            sections: more sections that replace the policy's.
        """
        model = f"m{uuid.uuid4().hex[:10]}"
        endpoint = self.champion(model)
        if package:
            self.own(model, package)
        target = training or self.training(evaluation or self.evaluation(BETTER, CHAMPION))
        defaults: dict[str, Any] = {
            "training": {"target": target},
            "actions": {"info": "observe", "warning": "observe", "critical": "retrain"},
            "evaluation": {
                "metric": "auc",
                "minimum": 0.8,
                "min_improvement": 0.01,
                "guards": [{"metric": "recall", "minimum": 0.7}],
            },
            "approval": {"training": "never", "promotion": "never"},
            "promotion": {"endpoint": endpoint, "bake_minutes": 0},
        }
        self.policy(model, **{**defaults, **sections, **(policy or {})})
        return model

    # Events in, executions out.

    def drift(self, model: str, **detail: Any) -> dict[str, Any]:
        """A drift report event as EventBridge delivers it; each is measured anew, so none is taken for one that was sent twice."""
        measured = str(uuid.uuid4())
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "source": "mlops.drift",
            "detail-type": "Drift Detected",
            "account": self.aws.account,
            "region": self.aws.region,
            "time": "2026-03-02T11:09:41Z",
            "resources": [],
            "detail": {
                "model": model,
                "metric": "psi",
                "observed": 0.9,
                "threshold": 0.2,
                "measured": measured,
                **detail,
            },
        }

    def start(self, event: Any, *, name: str | None = None) -> str:
        """Start an execution with an event as its input and give its ARN."""
        named = {"name": name} if name else {}
        answer = self.aws.client("stepfunctions").start_execution(
            stateMachineArn=self.machine, input=json.dumps(event), **named
        )
        return str(answer["executionArn"])

    def run(self, event: Any, *, within: float = 60.0) -> Ended:
        """Start an execution and await its end."""
        return self.ended(self.start(event), within=within)

    def ended(self, arn: str, *, within: float = 60.0) -> Ended:
        """Await the end of an execution."""
        client = self.aws.client("stepfunctions")

        def over() -> Any:
            found = client.describe_execution(executionArn=arn)
            return found if found["status"] != "RUNNING" else None

        try:
            found = wait_until(over, within=within)
        except TimeoutError:
            raise AssertionError(f"{arn} still runs after {within} s in {self.states(arn)[-1]}") from None
        return Ended(
            arn=arn,
            name=found["name"],
            status=found["status"],
            output=json.loads(found.get("output") or "{}"),
            error=found.get("error"),
            cause=found.get("cause"),
        )

    def status(self, arn: str) -> str:
        """Status of an execution."""
        return str(self.aws.client("stepfunctions").describe_execution(executionArn=arn)["status"])

    def states(self, arn: str) -> list[str]:
        """Names of the states an execution entered, in order."""
        pages = self.aws.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        return [
            event["stateEnteredEventDetails"]["name"]
            for page in pages
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]

    def send(self, detail: dict[str, Any], *, detail_type: str, source: str = "mlops.drift") -> None:
        """Put an event on the default bus."""
        answer = self.aws.client("events").put_events(
            Entries=[{"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}]
        )
        assert answer["FailedEntryCount"] == 0, answer

    def input_of(self, arn: str) -> str:
        """Input of an execution as JSON text."""
        return str(self.aws.client("stepfunctions").describe_execution(executionArn=arn)["input"])

    @staticmethod
    def until(condition: Callable[[], Any], within: float = 60.0) -> Any:
        """Await something true and give it."""
        return wait_until(condition, within=within)

    @contextmanager
    def listening(self, topic: str) -> Iterator[Callable[..., list[dict[str, Any]]]]:
        """Subscribe to a topic; what is yielded gives the first so many messages published meanwhile.

        With ``about`` those count that have it in their subject: others of the stack may be told of something too.
        """
        sqs, sns = self.aws.client("sqs"), self.aws.client("sns")
        url = sqs.create_queue(
            QueueName=f"listener-{uuid.uuid4().hex[:8]}", Attributes={"Policy": json.dumps(TAKES_FROM_TOPICS)}
        )["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
        heard: list[dict[str, Any]] = []

        def messages(count: int, about: str = "") -> list[dict[str, Any]]:
            def found() -> list[dict[str, Any]]:
                return [message for message in heard if about in message.get("Subject", "")]

            def enough() -> bool:
                for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    heard.append(json.loads(message["Body"]))
                return len(found()) >= count

            wait_until(enough)
            return found()[:count]

        try:
            yield messages
        finally:
            sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
            sqs.delete_queue(QueueUrl=url)

    def invoke(self, request: dict[str, Any], *, function: str = "OrchestrationFunctionName") -> Any:
        """Invoke a function of the stack and give its answer."""
        answer = self.aws.client("lambda").invoke(
            FunctionName=self.outputs[function], Payload=json.dumps(request).encode()
        )
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def operate(self, request: dict[str, Any], *, by: str = "operator") -> Any:
        """Ask OperatorFunction something, as an IAM user of a name."""
        return self.invoke(self.proven(request, by), function="OperatorFunctionName")

    def vote(self, run_id: str, decision: str, *, by: str = "reviewer", **more: Any) -> Any:
        """Answer what a run waits for, as an IAM user of a name, from a terminal."""
        request = {"action": "decide", "run_id": run_id, "decision": decision, **more}
        return self.invoke(self.proven(request, by), function="VoteFunctionName")

    def proven(self, request: dict[str, Any], by: str) -> dict[str, Any]:
        """A request with the proof that the IAM user of a name makes it."""
        return proven(
            request, self.aws.key_of(by), region=self.aws.region, sts=self.aws.endpoint_url, machine_arn=self.machine
        )

    def approve(self, run_id: str, *, by: str = "reviewer") -> Any:
        """Approve what a run waits for."""
        return self.vote(run_id, "APPROVED", by=by)

    def rule(self, logical_id: str) -> str:
        """Name of a rule of the stack."""
        resource = self.aws.client("cloudformation").describe_stack_resource(
            StackName=self.stack, LogicalResourceId=logical_id
        )
        return str(resource["StackResourceDetail"]["PhysicalResourceId"]).rsplit("/", 1)[-1]

    def execution_arn(self, name: str) -> str:
        """ARN of an execution of the loop."""
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"

    def endpoint_status(self, endpoint: str) -> str:
        """Status of an endpoint."""
        return str(self.aws.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointStatus"])

    def end_cooldown(self, model: str) -> None:
        """Let a model's cooldown be over."""
        self.aws.client("dynamodb").update_item(
            TableName=self.table,
            Key={"pk": {"S": f"MODEL#{model}"}, "sk": {"S": "STATE"}},
            UpdateExpression="SET cooldown_until = :past",
            ExpressionAttributeValues={":past": {"S": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}},
        )

    def remove(self, key: str) -> None:
        """Delete an object of the AutomationBucket."""
        self.aws.client("s3").delete_object(Bucket=self.bucket, Key=key)

    def failures(self, arn: str) -> list[str]:
        """Names of the errors an execution's tasks met, in order, those that a retry or a catch took included."""
        pages = self.aws.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        return [
            event["taskFailedEventDetails"]["error"]
            for page in pages
            for event in page["events"]
            if "taskFailedEventDetails" in event
        ]

    def executions(self) -> set[str]:
        """ARNs of all executions of the loop."""
        pages = self.aws.client("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        return {execution["executionArn"] for page in pages for execution in page["executions"]}

    # What was left.

    def keys(self, prefix: str) -> list[str]:
        """Keys of the AutomationBucket under a prefix."""
        pages = self.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read_bytes(self, key: str) -> bytes:
        """An object of the AutomationBucket."""
        return bytes(self.aws.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def read(self, key: str) -> Any:
        """A JSON object of the AutomationBucket."""
        return json.loads(self.read_bytes(key))

    def read_uri(self, uri: str) -> Any:
        """A JSON object of any bucket."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return json.loads(self.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def unpublished(self) -> dict[str, str]:
        """What is wrong with the bucket's records by the schemas of their kinds, by key."""
        keys = [key for folder in ("decisions/", "manifests/", "evidence/") for key in self.keys(folder)]
        keys = [key for key in keys if not key.startswith("evidence/_anchors/") and key.endswith(".json")]
        records = {key: self.read(key) for key in keys}
        found = {key: schema_finding(record) for key, record in records.items()}
        return {key: finding for key, finding in found.items() if finding is not None}

    def decisions(self, model: str) -> list[dict[str, Any]]:
        """Decision records of a model in the order of its chain."""
        records = [self.read(key) for key in self.keys(f"decisions/{model}/")]
        return sorted(records, key=lambda record: int(record["chain"]["sequence"]))

    def chain(self, model: str) -> list[dict[str, Any]]:
        """Every record of a model's chain, after checking that it is whole up to its head.

        A record follows its commit a moment later, and the chain may grow while it is read: then it is read again.
        """
        records: list[dict[str, Any]] = []

        def whole() -> bool:
            records[:] = self._linked(model)
            head = self.item("HEADS", model)
            return head is None or head["hash"]["S"] == (records[-1]["chain"]["hash"] if records else "0" * 64)

        self.until(whole, within=20.0)
        return records

    def _linked(self, model: str) -> list[dict[str, Any]]:
        """The records of a model that are there, each linked to the one before."""
        folders = (f"{kind}/{model}/" for kind in ("decisions", "manifests", "evidence"))
        keys = [key for folder in folders for key in self.keys(folder) if reported_run(key) is None]
        records = [self.read(key) for key in keys]
        records.sort(key=lambda record: int(record["chain"]["sequence"]))
        previous = "0" * 64
        for number, record in enumerate(records, start=1):
            place = dict(record["chain"])
            said = place.pop("hash")
            assert (place["sequence"], place["previous_hash"]) == (number, previous)
            assert hashlib.sha256(rfc8785.dumps({**record, "chain": place})).hexdigest() == said
            previous = said
        return records

    def report(self, model: str, run_id: str) -> dict[str, Any]:
        """The report of a run that ended, after checking that it is there once and that its records give the same bytes."""

        def read(key: str) -> bytes | None:
            return self.read_bytes(key) if self.keys(key) else None

        self.until(lambda: self.keys(report_key(model, run_id, "html")))
        written = {suffix: self.read_bytes(report_key(model, run_id, suffix)) for suffix in REPORT_SUFFIXES}
        assert written == pages(read_records(read, self.bucket, model, run_id))
        assert page_findings(written["html"].decode()) == []
        versions = self.aws.client("s3").list_object_versions(Bucket=self.bucket, Prefix=report_key(model, run_id, ""))
        assert len(versions["Versions"]) == len(REPORT_SUFFIXES)
        found: dict[str, Any] = json.loads(written["json"])
        return found

    def statuses(self, run_id: str) -> list[str]:
        """Statuses of a run in order."""
        found = {
            item["status"]["S"]
            for partition in ("STATUS", "RUN")  # the release before kept them with the run
            for item in self.aws.client("dynamodb").query(
                TableName=self.table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                ExpressionAttributeValues={":pk": {"S": f"{partition}#{run_id}"}, ":sk": {"S": "STATUS#"}},
            )["Items"]
        }
        return sorted(found, key=lambda status: Status(status).order)

    def item(self, pk: str, sk: str) -> dict[str, Any] | None:
        """A raw item of the HistoryTable."""
        answer = self.aws.client("dynamodb").get_item(TableName=self.table, Key={"pk": {"S": pk}, "sk": {"S": sk}})
        found: dict[str, Any] | None = answer.get("Item")
        return found

    def endpoint_config(self, endpoint: str) -> str:
        """Name of the config an endpoint serves with."""
        described = self.aws.client("sagemaker").describe_endpoint(EndpointName=endpoint)
        return str(described["EndpointConfigName"])


TAKES_FROM_TOPICS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": "*",
        }
    ],
}
"""What lets a queue take the messages of every topic."""


def teams_role(aws: EmbeddedAws, name: str) -> str:
    """Make the role of a team's jobs and training machines, which may do anything; give its ARN."""
    services = [f"{service}.amazonaws.com" for service in ("sagemaker", "states")]
    trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam = aws.client("iam")
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=policy)
    return str(role["Arn"])


def deployed(aws: EmbeddedAws, folder: Path, **parameters: str) -> Loop:
    """Deploy the real template with the AWS CLI, beside what a team has: data, a role, a pipeline.

    Args:
        aws: where.
        folder: where the packaged template is written.
        parameters: of the stack, beyond those every story needs.
    """
    package_zip.build()
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.create_bucket(Bucket="team-data")
    s3.put_object(Bucket="team-data", Key="models/candidate.tar.gz", Body=b"candidate")
    s3.put_object(Bucket="team-data", Key="models/champion.tar.gz", Body=b"champion")
    role = teams_role(aws, "sagemaker-execution")
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
            "DashboardState": "ENABLED",
            "KeepChampions": "1",  # so that a story of three promotions sees the first one's model go
            "ModelDataPrefixes": "s3://team-data/models",
            "ImagePrefixes": IMAGE.partition(":")[0],
            **parameters,
        },
        bucket="artifacts",
        environment=aws.environment,
    )
    return Loop(aws, outputs, "team-data", role, stack=STACK)
