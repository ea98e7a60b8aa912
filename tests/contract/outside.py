"""DynamoDB, SageMaker, Step Functions, CloudWatch and SQS as far as the loop asks them, with what was changed there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.contract.template import ACCOUNT, PARTITION, REGION
from tests.unit.memory_dynamodb import MemoryDynamoDB

if TYPE_CHECKING:
    from collections.abc import Callable

TEAM_BUCKET: Final = "team-data"
ENDPOINT: Final = "fraud-prod"
TAGGED_ENDPOINT: Final = "tagged-prod"
JOB: Final = "data-quality-monitoring-202603021100-de32d8acceeef6a1626b8fa6"
CHECK_JOB: Final = "pipelines-abcdefghij12-Scores-monitoring-0123456789"
"""A check step's: no schedule ran it, and its tag names the pipeline."""

CLEAN_JOB: Final = "data-quality-monitoring-202603021300-fedcba98765432100123abcd"
LOST_JOB: Final = "data-quality-monitoring-202603021200-0011223344556677889900aa"
ROLE: Final = f"arn:{PARTITION}:iam::{ACCOUNT}:role/sagemaker"
SERVICES: Final = {"sagemaker", "stepfunctions", "cloudwatch", "sqs"}


def arn(kind: str, name: str) -> str:
    """ARN of a SageMaker resource."""
    return f"arn:{PARTITION}:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


@dataclass
class Endpoint:
    """An endpoint: what serves, what is on its way."""

    live: str
    pending: str | None = None
    status: str = "InService"

    def arrive(self) -> None:
        """Finish the update that goes on."""
        self.live, self.pending, self.status = self.pending or self.live, None, "InService"


@dataclass
class Outside:
    """The services. ``refuse`` makes the next call of an operation fail; ``answered`` holds words by task token.

    Unless it is ``quiet``, lists of alarms and monitor runs show something that nobody decided.
    """

    doing: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    table: MemoryDynamoDB = field(default_factory=MemoryDynamoDB)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    variants: dict[str, str] = field(default_factory=dict)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipelines: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    alarm_state: str = "OK"
    quiet: bool = False
    stopped: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    tags: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    letters: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[list[Any]] = field(default_factory=list)

    def refuse(self, operation: str, code: str, message: str = "no", *, after: int = 0) -> None:
        """Have the next call of an operation fail, or the one ``after`` so many more."""
        self.refusals.append([operation, after, code, message])

    def raised(self, prefix: str) -> tuple[str, dict[str, Any]]:
        """Name and input of the one execution that was started under a name that begins so."""
        names = {execution.rsplit(":", 1)[-1]: started for execution, started in self.executions.items()}
        ((name, started),) = ((name, started) for name, started in names.items() if name.startswith(prefix))
        return name, json.loads(str(started["input"]))

    def answer(self, service: str, operation: str, asked: dict[str, Any]) -> Any:
        """What a call is answered, as botocore wants it; None for a service that moto plays."""
        for refusal in [entry for entry in self.refusals if entry[0] == operation]:
            if refusal[1] == 0:
                self.refusals.remove(refusal)
                return _error(*refusal[2:])
            refusal[1] -= 1
        if service == "dynamodb":
            return self._of_the_table(operation, asked)
        if service not in SERVICES:
            return None
        known = getattr(self, f"_{xform_name(operation)}", None)
        assert known is not None, f"prepare an answer for {operation}"
        found = known(asked)
        if found is None:
            return _error("ValidationException", "Could not find it.")
        return found if isinstance(found, tuple) else (SimpleNamespace(status_code=200), found)

    def _of_the_table(self, operation: str, asked: dict[str, Any]) -> Any:
        request = {"TransactItems": asked["TransactItems"]} if "TransactItems" in asked else asked
        try:
            return SimpleNamespace(status_code=200), getattr(self.table, xform_name(operation))(**request)
        except ClientError as error:
            return SimpleNamespace(status_code=400), error.response

    # SageMaker.

    def _describe_processing_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["ProcessingJobName"]
        folder = f"s3://{TEAM_BUCKET}/reports/{name}"
        clean = name == CLEAN_JOB
        return {
            "ProcessingJobName": name,
            "ProcessingJobArn": arn("processing-job", name),
            "ProcessingJobStatus": "Completed",
            "ExitMessage": "Completed: no violations." if clean else "CompletedWithViolations: 1 violation.",
            "AppSpecification": {
                "ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
            },
            "Environment": {}
            if name == CHECK_JOB
            else {
                "sagemaker_endpoint_name": TAGGED_ENDPOINT,
                "sagemaker_monitoring_schedule_name": "fraud-schedule",
            },
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "result", "S3Output": {"S3Uri": folder}}]},
        }

    def _describe_endpoint(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        name = asked["EndpointName"]
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            return None
        pending = {"PendingDeploymentSummary": {"EndpointConfigName": endpoint.pending}} if endpoint.pending else {}
        return {
            "EndpointName": name,
            "EndpointArn": arn("endpoint", name),
            "EndpointConfigName": endpoint.live,
            "EndpointStatus": endpoint.status,
            # Moved later than any clock of a play.
            "LastModifiedTime": datetime(2100, 1, 1, tzinfo=UTC),
            **pending,
        }

    def _describe_endpoint_config(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["EndpointConfigName"]
        variant = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        return {
            "EndpointConfigName": name,
            "EndpointConfigArn": arn("endpoint-config", name),
            "ProductionVariants": [{**variant, "ModelName": self.variants.get(name, "first")}],
        }

    def _describe_model(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "ModelName": asked["ModelName"],
            "ModelArn": arn("model", asked["ModelName"]),
            "PrimaryContainer": {"Image": "image:1", "ModelDataUrl": f"s3://{TEAM_BUCKET}/champion.tar.gz"},
            "ExecutionRoleArn": ROLE,
        }

    def _describe_model_package(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["ModelPackageName"]
        containers = [{"Image": "image:1", "ModelDataUrl": f"s3://{TEAM_BUCKET}/candidate.tar.gz"}]
        return {
            "ModelPackageArn": name,
            "ModelApprovalStatus": self.packages.get(name, "PendingManualApproval"),
            "InferenceSpecification": {"Containers": containers},
        }

    def _create_model(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.tags[arn("model", asked["ModelName"])] = asked["Tags"]
        return {"ModelArn": arn("model", asked["ModelName"])}

    def _create_endpoint_config(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["EndpointConfigName"]
        self.variants[name] = asked["ProductionVariants"][0]["ModelName"]
        self.tags[arn("endpoint-config", name)] = asked["Tags"]
        return {"EndpointConfigArn": arn("endpoint-config", name)}

    def _list_endpoints(self, _asked: dict[str, Any]) -> dict[str, Any]:
        summary = {"CreationTime": self.now(), "LastModifiedTime": self.now(), "EndpointStatus": "InService"}
        return {
            "Endpoints": [
                {"EndpointName": name, "EndpointArn": arn("endpoint", name), **summary} for name in self.endpoints
            ]
        }

    def _delete_model(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.deleted.append(asked["ModelName"])
        return {}

    def _delete_endpoint_config(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.deleted.append(asked["EndpointConfigName"])
        return {}

    def _update_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        endpoint = self.endpoints[asked["EndpointName"]]
        endpoint.pending, endpoint.status = asked["EndpointConfigName"], "Updating"
        return {"EndpointArn": arn("endpoint", asked["EndpointName"])}

    def _update_model_package(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.packages[asked["ModelPackageArn"]] = asked["ModelApprovalStatus"]
        return {"ModelPackageArn": asked["ModelPackageArn"]}

    def _describe_monitoring_schedule(self, asked: dict[str, Any]) -> dict[str, Any]:
        definition = {
            "BaselineConfig": {"ConstraintsResource": {"S3Uri": f"s3://{TEAM_BUCKET}/old.json"}},
            "MonitoringInputs": [
                {"EndpointInput": {"EndpointName": ENDPOINT, "LocalPath": "/opt/ml/processing/endpointdata"}}
            ],
            "MonitoringOutputConfig": {
                "MonitoringOutputs": [
                    {"S3Output": {"S3Uri": f"s3://{TEAM_BUCKET}/reports", "LocalPath": "/opt/ml/processing/reports"}}
                ]
            },
            "MonitoringResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
            },
            "MonitoringAppSpecification": {"ImageUri": "image:1"},
            "RoleArn": ROLE,
        }
        return {
            "MonitoringScheduleArn": arn("monitoring-schedule", asked["MonitoringScheduleName"]),
            "MonitoringScheduleName": asked["MonitoringScheduleName"],
            "MonitoringScheduleConfig": {"MonitoringJobDefinition": definition},
        }

    def _update_monitoring_schedule(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"MonitoringScheduleArn": arn("monitoring-schedule", asked["MonitoringScheduleName"])}

    def _create_training_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.jobs[asked["TrainingJobName"]] = "InProgress"
        return {"TrainingJobArn": arn("training-job", asked["TrainingJobName"])}

    def _describe_training_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["TrainingJobName"]
        return {
            "TrainingJobName": name,
            "TrainingJobStatus": self.jobs.get(name, "Completed"),
            "ModelArtifacts": {"S3ModelArtifacts": f"s3://{TEAM_BUCKET}/candidate.tar.gz"},
            "AlgorithmSpecification": {"TrainingImage": "image:2"},
        }

    def _stop_training_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.stopped.append(asked["TrainingJobName"])
        return {}

    def _start_pipeline_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.pipelines[asked["PipelineExecutionDisplayName"]] = "Executing"
        return {"PipelineExecutionArn": _pipeline(asked["PipelineExecutionDisplayName"])}

    def _list_pipeline_executions(self, _asked: dict[str, Any]) -> dict[str, Any]:
        summaries = [
            {"PipelineExecutionArn": _pipeline(name), "PipelineExecutionDisplayName": name} for name in self.pipelines
        ]
        return {"PipelineExecutionSummaries": summaries}

    def _describe_pipeline_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["PipelineExecutionArn"].rsplit("/", 1)[-1]
        return {
            "PipelineExecutionArn": asked["PipelineExecutionArn"],
            "PipelineExecutionStatus": self.pipelines[name],
        }

    def _list_pipeline_execution_steps(self, _asked: dict[str, Any]) -> dict[str, Any]:
        return {"PipelineExecutionSteps": self.steps}

    def _stop_pipeline_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.stopped.append(asked["PipelineExecutionArn"].rsplit("/", 1)[-1])
        return {"PipelineExecutionArn": asked["PipelineExecutionArn"]}

    def _list_tags(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What a team made is tagged as its model's, with whose name its own begins; pipelines serve every model."""
        if asked["ResourceArn"] in self.tags:
            return {"Tags": self.tags[asked["ResourceArn"]]}
        kind, _, name = asked["ResourceArn"].split(":")[-1].partition("/")
        model = "_shared" if kind == "pipeline" else "fraud" if name == TAGGED_ENDPOINT else name.split("-")[0]
        return {"Tags": [{"Key": "retraining:model", "Value": model}]}

    def _list_tags_for_resource(self, _asked: dict[str, Any]) -> dict[str, Any]:
        return {"tags": [{"key": "retraining:model", "value": "_shared"}]}

    def _list_monitoring_executions(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "MonitoringScheduleName" in asked:
            # Every job of this world that says so was run by its schedule.
            ran = {"MonitoringScheduleName": asked["MonitoringScheduleName"], "EndpointName": asked["EndpointName"]}
            arns = [arn("processing-job", name) for name in (JOB, CLEAN_JOB, LOST_JOB)]
            return {"MonitoringExecutionSummaries": [{**ran, "ProcessingJobArn": job} for job in arns]}
        ended = self.now() - timedelta(hours=1)
        run = {"ProcessingJobArn": arn("processing-job", LOST_JOB), "LastModifiedTime": ended}
        # Twice, as on two pages of a list that grew between them.
        within = asked["LastModifiedTimeAfter"] < ended < asked["LastModifiedTimeBefore"]
        listed = [] if self.quiet or asked["StatusEquals"] != "Failed" or not within else [run, run]
        return {"MonitoringExecutionSummaries": listed}

    # CloudWatch.

    def _describe_alarms(self, asked: dict[str, Any]) -> dict[str, Any]:
        changed = self.now() - timedelta(hours=1)
        alarm = {
            "AlarmName": "drift/fraud/auc",
            "AlarmArn": f"arn:{PARTITION}:cloudwatch:{REGION}:{ACCOUNT}:alarm:drift/fraud/auc",
            "StateValue": "ALARM",
            "StateReason": "Threshold Crossed",
            "StateUpdatedTimestamp": changed,
            "StateTransitionedTimestamp": changed,
            "MetricName": "auc",
            "Namespace": "Models",
            "Dimensions": [{"Name": "Model", "Value": "fraud"}],
        }
        watched = [{**alarm, "AlarmName": name, "StateValue": self.alarm_state} for name in asked["AlarmNames"]]
        return {"MetricAlarms": [alarm] if asked.get("StateValue") else watched, "CompositeAlarms": []}

    def _describe_alarm_history(self, asked: dict[str, Any]) -> dict[str, Any]:
        change = {
            "AlarmName": "drift/fraud/auc",
            "Timestamp": self.now() - timedelta(hours=1),
            "HistoryData": json.dumps({"newState": {"stateValue": "ALARM"}}),
        }
        # Twice, as on two pages.
        return {"AlarmHistoryItems": [] if self.quiet or "AlarmName" in asked else [change, change]}

    # Step Functions.

    def _send_task_success(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.answered[asked["taskToken"]] = asked["output"]
        return {}

    def _send_task_failure(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.answered[asked["taskToken"]] = "{}"
        return {}

    def _start_execution(self, asked: dict[str, Any]) -> Any:
        execution = f"{asked['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{asked['name']}"
        if execution in self.executions:
            return _error("ExecutionAlreadyExists", "It is there.")
        self.executions[execution] = {"status": "RUNNING", "input": asked["input"]}
        return {"executionArn": execution, "startDate": self.now()}

    def _describe_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        execution = asked["executionArn"]
        return {"executionArn": execution, "status": "RUNNING", **self.executions.get(execution, {})}

    def _list_executions(self, asked: dict[str, Any]) -> dict[str, Any]:
        ours = f"{asked['stateMachineArn'].replace(':stateMachine:', ':execution:')}:"
        more = {"startDate": self.now() - timedelta(hours=2), "stopDate": self.now() - timedelta(hours=2)}
        listed = [
            {"executionArn": arn_, "name": arn_.rsplit(":", 1)[-1], "status": found["status"], **more}
            for arn_, found in self.executions.items()
            if arn_.startswith(ours)
        ]
        return {"executions": listed}

    def _stop_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.stopped.append(asked["executionArn"].rsplit(":", 1)[-1])
        return {"stopDate": self.now()}

    # SQS.

    def _receive_message(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"Messages": self.letters[: asked["MaxNumberOfMessages"]]}

    def _delete_message(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.letters = [letter for letter in self.letters if letter["ReceiptHandle"] != asked["ReceiptHandle"]]
        return {}


def _pipeline(name: str) -> str:
    return arn("pipeline", f"fraud/execution/{name}")


def _error(code: str, message: str) -> Any:
    status = 429 if code.startswith("Throttling") else 400
    parsed = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return SimpleNamespace(status_code=status), parsed
