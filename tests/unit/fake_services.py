# ruff: noqa: N803 - the names of boto3's arguments
"""SageMaker's and Step Functions' clients in memory, as far as the adapters use them.

The real adapters stand before them, so that what they make of an answer is tested with every action. ``Enter`` hears of
every call before it has its effect.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError, ReadTimeoutError

from orchestration.domain.contracts import MODEL_TAG
from orchestration.domain.training_target import nested_execution_arn
from tests.unit.memory_dynamodb import AskedAgain, Enter

ENDPOINT_ARN: Final = "arn:aws:sagemaker:us-east-1:111122223333:endpoint"
ROLE: Final = "arn:aws:iam::111122223333:role/serving"
DATA: Final = "amzn-s3-demo-bucket"
PAGE: Final = 100
"""What a page of a list holds."""
OWNED: Final = frozenset({"endpoint", "pipeline", "monitoring-schedule", "model-package-group"})


def client_error(code: str, message: str = "no", operation: str = "Operation", status: int = 400) -> ClientError:
    """Make an error as botocore raises it."""
    return ClientError(_answer(code, message, status), operation)


def _answer(code: str, message: str, status: int = 400) -> Any:
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}


class ExecutionDoesNotExist(ClientError):  # noqa: N818 - boto3's name
    """As Step Functions' client raises it."""


class ExecutionAlreadyExists(ClientError):  # noqa: N818 - boto3's name
    """As Step Functions' client raises it."""


class SfnValidationException(ClientError):  # noqa: N818 - boto3's name
    """As Step Functions' client raises it."""


class StepFunctionsExceptions:
    """What ``client.exceptions`` offers."""

    ExecutionDoesNotExist = ExecutionDoesNotExist
    ExecutionAlreadyExists = ExecutionAlreadyExists
    ValidationException = SfnValidationException


@functools.cache
def _sagemaker_meta() -> Any:
    """Made once: it is the service model that costs time."""
    return boto3.Session(region_name="us-east-1").client("sagemaker").meta


@dataclass(frozen=True)
class Pages:
    """A paginator."""

    paginate: Callable[..., Iterator[dict[str, Any]]]


@dataclass
class Endpoint:
    """A SageMaker endpoint: while it moves it names the old config, and the new one in its summary."""

    live: str
    pending: str | None = None
    status: str = "InService"
    failure: str | None = None
    changed: datetime = datetime(2020, 1, 1, tzinfo=UTC)

    def described(self, name: str) -> dict[str, Any]:
        """DescribeEndpoint."""
        shown: dict[str, Any] = {
            "EndpointName": name,
            "EndpointArn": f"{ENDPOINT_ARN}/{name}",
            "EndpointConfigName": self.live,
            "EndpointStatus": self.status,
            "LastModifiedTime": self.changed,
        }
        if self.pending:
            shown["PendingDeploymentSummary"] = {"EndpointConfigName": self.pending}
        if self.failure:
            shown["FailureReason"] = self.failure
        return shown


class FakeSageMaker:
    """SageMaker's client: what is not there is answered as SageMaker answers it, and so is a second one of a name.

    What a team made is tagged as its model's, with whose name its own begins, unless ``tags`` says otherwise. ``refuse`` and ``lose`` script the next calls of an operation.
    """

    def __init__(self, enter: Enter) -> None:
        self._called = enter
        self.jobs: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.steps: dict[str, list[dict[str, Any]]] = {}
        self.trainings: dict[str, dict[str, Any]] = {}
        self.packages: dict[str, dict[str, Any]] = {}
        self.schedules: dict[str, dict[str, Any]] = {}
        self.monitor_runs: list[dict[str, Any]] = []
        self.tags: dict[str, dict[str, str]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._scripts: dict[str, list[BaseException | None]] = {}

    @property
    def meta(self) -> Any:
        """SageMaker's own service model."""
        return _sagemaker_meta()

    # What a test says.

    def serve(self, name: str, config: str, **container: Any) -> None:
        """Let an endpoint serve with a config and its model of the same name."""
        self._model_and_config(config, {"Image": "image", "ModelDataUrl": f"s3://{DATA}/{config}.tar.gz", **container})
        self.endpoints[name] = Endpoint(config)

    def refuse(self, operation: str, *errors: BaseException | None) -> None:
        """Let the next calls of an operation fail, in this order; None lets one pass."""
        self._scripts.setdefault(operation, []).extend(errors)

    def lose(self, operation: str) -> None:
        """Let the next call of an operation have its effect and its answer be lost."""
        self.refuse(operation, ReadTimeoutError(endpoint_url="https://sagemaker"))

    def settle(self, name: str, *, fail: str | None = None) -> None:
        """Let an update of an endpoint be over; SageMaker itself goes back when it failed."""
        endpoint = self.endpoints[name]
        if fail is None:
            endpoint.live = endpoint.pending or endpoint.live
        endpoint.pending, endpoint.status, endpoint.failure = None, "InService", fail

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The requests of an operation that had their effect."""
        return [request for name, request in self.requests if name == operation]

    def run_schedule(self, job: dict[str, Any], *, at: datetime | None = None) -> None:
        """Let a monitoring schedule run a job, the one that its environment names; without an endpoint, on batch transforms."""
        self.jobs[job["ProcessingJobName"]] = job
        endpoint = job["Environment"].get("sagemaker_endpoint_name")
        self.monitor_runs.append(
            {
                "MonitoringScheduleName": job["Environment"]["sagemaker_monitoring_schedule_name"],
                **({"EndpointName": endpoint} if endpoint else {}),
                "ProcessingJobArn": job["ProcessingJobArn"],
                "MonitoringExecutionStatus": "CompletedWithViolations",
                "LastModifiedTime": at or datetime(2026, 3, 2, 11, 9, tzinfo=UTC),
            }
        )

    # Reading.

    def describe_processing_job(self, *, ProcessingJobName: str) -> dict[str, Any]:
        return self._described("DescribeProcessingJob", self.jobs, ProcessingJobName)

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:
        return self._described("DescribeTrainingJob", self.trainings, TrainingJobName)

    def describe_model(self, *, ModelName: str) -> dict[str, Any]:
        described = self._described("DescribeModel", self.models, ModelName)
        return {"ModelArn": ENDPOINT_ARN.replace(":endpoint", f":model/{ModelName}"), **described}

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> dict[str, Any]:
        return self._described("DescribeEndpointConfig", self.configs, EndpointConfigName)

    def describe_model_package(self, *, ModelPackageName: str) -> dict[str, Any]:
        return self._described("DescribeModelPackage", self.packages, ModelPackageName)

    def describe_monitoring_schedule(self, *, MonitoringScheduleName: str) -> dict[str, Any]:
        arn = ENDPOINT_ARN.replace(":endpoint", f":monitoring-schedule/{MonitoringScheduleName}")
        described = self._described("DescribeMonitoringSchedule", self.schedules, MonitoringScheduleName)
        return {"MonitoringScheduleArn": arn, **described}

    def describe_pipeline_execution(self, *, PipelineExecutionArn: str) -> dict[str, Any]:
        return self._described("DescribePipelineExecution", self.pipelines, PipelineExecutionArn)

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:
        self._enter("DescribeEndpoint")
        if EndpointName not in self.endpoints:
            raise client_error("ValidationException", f'Could not find endpoint "{EndpointName}".', "DescribeEndpoint")
        return self.endpoints[EndpointName].described(EndpointName)

    def list_pipeline_executions(self, *, PipelineName: str, **_: Any) -> dict[str, Any]:
        self._enter("ListPipelineExecutions")
        return {
            "PipelineExecutionSummaries": [
                {"PipelineExecutionArn": arn, "PipelineExecutionDisplayName": found["PipelineExecutionDisplayName"]}
                for arn, found in self.pipelines.items()
                if arn.startswith(f"{PipelineName}/")
            ]
        }

    def list_tags(self, *, ResourceArn: str) -> dict[str, Any]:
        self._enter("ListTags")
        kind, _, name = ResourceArn.rsplit(":", maxsplit=1)[-1].partition("/")
        own = {MODEL_TAG: name.split("-")[0]} if kind in OWNED else {}
        return {"Tags": [{"Key": key, "Value": value} for key, value in self.tags.get(ResourceArn, own).items()]}

    def get_paginator(self, operation: str) -> Pages:
        def pages(**asked: Any) -> Iterator[dict[str, Any]]:
            self._enter(operation)
            if operation == "list_monitoring_executions":
                self._refuse(operation)
                exact = {
                    "StatusEquals": "MonitoringExecutionStatus",
                    "MonitoringScheduleName": "MonitoringScheduleName",
                    "EndpointName": "EndpointName",
                }
                runs = [
                    run
                    for run in self.monitor_runs
                    if all(run.get(of) == asked[by] for by, of in exact.items() if by in asked)
                    and (
                        "LastModifiedTimeAfter" not in asked
                        or asked["LastModifiedTimeAfter"] < run["LastModifiedTime"] < asked["LastModifiedTimeBefore"]
                    )
                ]
                for begin in range(0, len(runs) or 1, PAGE):
                    if begin:
                        self._enter(operation)
                    more = {"NextToken": "more"} if begin + PAGE < len(runs) else {}
                    yield {"MonitoringExecutionSummaries": runs[begin : begin + PAGE], **more}
            elif operation == "list_endpoints":
                self._refuse(operation)
                yield {"Endpoints": [{"EndpointName": name} for name in self.endpoints]}
            else:
                self._refuse(operation)
                yield {"PipelineExecutionSteps": self.steps.get(asked["PipelineExecutionArn"], [])}

        return Pages(pages)

    # Changing.

    def create_model(self, **request: Any) -> dict[str, Any]:
        with self._change("CreateModel", request):
            if request["ModelName"] in self.models:
                raise client_error("ValidationException", "Cannot create already existing model", "CreateModel")
            self.models[request["ModelName"]] = request
            self._tag("model", request["ModelName"], request)
        return {}

    def create_endpoint_config(self, **request: Any) -> dict[str, Any]:
        with self._change("CreateEndpointConfig", request):
            name = request["EndpointConfigName"]
            if name in self.configs:
                raise client_error("ValidationException", "Cannot create already existing endpoint configuration", "")
            self.configs[name] = {**request, "EndpointConfigArn": f"{ENDPOINT_ARN}-config/{name}"}
            self._tag("endpoint-config", name, request)
        return {}

    def delete_model(self, *, ModelName: str) -> dict[str, Any]:
        return self._deleted("DeleteModel", self.models, "ModelName", ModelName)

    def delete_endpoint_config(self, *, EndpointConfigName: str) -> dict[str, Any]:
        return self._deleted("DeleteEndpointConfig", self.configs, "EndpointConfigName", EndpointConfigName)

    def update_endpoint(self, **request: Any) -> dict[str, Any]:
        with self._change("UpdateEndpoint", request):
            endpoint = self.endpoints.get(request["EndpointName"])
            if endpoint is None:
                raise client_error("ValidationException", "Could not find endpoint", "UpdateEndpoint")
            if endpoint.status not in {"InService", "Failed"}:
                raise client_error("ValidationException", "Cannot update in-progress endpoint", "UpdateEndpoint")
            if request["EndpointConfigName"] not in self.configs:
                raise client_error("ValidationException", "Could not find endpoint configuration", "UpdateEndpoint")
            endpoint.pending, endpoint.status, endpoint.failure = request["EndpointConfigName"], "Updating", None
            endpoint.changed = datetime(2100, 1, 1, tzinfo=UTC)  # later than any clock of a test
        return {}

    def create_training_job(self, **request: Any) -> dict[str, Any]:
        with self._change("CreateTrainingJob", request):
            name = request["TrainingJobName"]
            if name in self.trainings:
                raise client_error("ResourceInUse", "Job name must be unique", "CreateTrainingJob")
            self.trainings[name] = {**request, "TrainingJobStatus": "InProgress"}
        return {}

    def start_pipeline_execution(self, **request: Any) -> dict[str, Any]:
        arn = f"{request['PipelineName']}/execution/{request['ClientRequestToken'][:12]}"
        with self._change("StartPipelineExecution", request):
            # The same token again finds the first execution.
            started = {"PipelineExecutionStatus": "Executing", "PipelineExecutionArn": arn}
            self.pipelines.setdefault(
                arn, {**started, "PipelineExecutionDisplayName": request["PipelineExecutionDisplayName"]}
            )
        return {"PipelineExecutionArn": arn}

    def update_model_package(self, **request: Any) -> dict[str, Any]:
        with self._change("UpdateModelPackage", request):
            if request["ModelPackageArn"] not in self.packages:
                raise client_error("ValidationException", "ModelPackage does not exist", "UpdateModelPackage")
            self.packages[request["ModelPackageArn"]] |= {"ModelApprovalStatus": request["ModelApprovalStatus"]}
        return {}

    def update_monitoring_schedule(self, **request: Any) -> dict[str, Any]:
        with self._change("UpdateMonitoringSchedule", request):
            self.schedules[request["MonitoringScheduleName"]] |= request
        return {}

    def stop_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:
        with self._change("StopTrainingJob", {"TrainingJobName": TrainingJobName}):
            job = self.trainings.get(TrainingJobName)
            if job is None:
                raise client_error("ResourceNotFound", "Requested resource not found.", "StopTrainingJob")
            if job["TrainingJobStatus"] != "InProgress":
                raise client_error("ValidationException", "The request was rejected", "StopTrainingJob")
            job["TrainingJobStatus"] = "Stopping"
        return {}

    def stop_pipeline_execution(self, *, PipelineExecutionArn: str, ClientRequestToken: str) -> dict[str, Any]:
        del ClientRequestToken
        with self._change("StopPipelineExecution", {"PipelineExecutionArn": PipelineExecutionArn}):
            self.pipelines[PipelineExecutionArn]["PipelineExecutionStatus"] = "Stopping"
        return {}

    # Inside.

    def _tag(self, kind: str, name: str, request: dict[str, Any]) -> None:
        arn = ENDPOINT_ARN.replace(":endpoint", f":{kind}/{name}")
        self.tags[arn] = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}

    def _deleted(self, operation: str, known: dict[str, dict[str, Any]], field: str, name: str) -> dict[str, Any]:
        with self._change(operation, {field: name}):
            if known.pop(name, None) is None:
                # What is not there has no tag, by which alone the loop may delete.
                raise client_error("AccessDeniedException", f'not authorized on {field} "{name}"', operation)
        return {}

    def _described(self, operation: str, known: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        self._enter(operation)
        if name not in known:
            raise client_error("ResourceNotFound", f"Requested resource not found: {name}", operation)
        return dict(known[name])

    def _enter(self, operation: str) -> BaseException | None:
        return self._called(operation)

    def _refuse(self, operation: str) -> None:
        script = self._scripts.get(operation)
        if script and (error := script.pop(0)) is not None:
            raise error

    @contextlib.contextmanager
    def _change(self, operation: str, request: dict[str, Any]) -> Iterator[None]:
        lost = self._enter(operation)
        script = self._scripts.get(operation)
        error = script.pop(0) if script else None
        if error is not None and not isinstance(error, ReadTimeoutError):
            raise error
        yield
        self.requests.append((operation, request))
        if error is not None:
            raise error
        if lost is not None and not isinstance(lost, AskedAgain):
            raise lost

    def _model_and_config(self, name: str, container: dict[str, Any]) -> None:
        self.models[name] = {"ModelName": name, "PrimaryContainer": container, "ExecutionRoleArn": ROLE}
        self.configs[name] = {
            "EndpointConfigName": name,
            "EndpointConfigArn": f"{ENDPOINT_ARN}-config/{name}",
            "ProductionVariants": [
                {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
            ],
        }


PAYLOAD_BYTES = 256 * 1024
"""How much an input, an output or a result holds: AWS Step Functions Developer Guide, "Service quotas"."""


def _refuse_large(payload: str, operation: str) -> None:
    if len(payload.encode()) > PAYLOAD_BYTES:
        raise client_error("ValidationException", "must have length less than or equal to 262144", operation)


class FakeStepFunctions:
    """Step Functions' client: names are used once, tokens are answered once, nothing is larger than it takes."""

    exceptions = StepFunctionsExceptions

    def __init__(self, enter: Enter) -> None:
        self._called = enter
        self.started: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.failures: dict[str, str] = {}
        self.statuses: dict[str, str] = {}
        self.more: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.began = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        self._scripts: list[BaseException] = []

    def refuse_start(self, *errors: BaseException) -> None:
        """Let the next starts fail; one whose answer is lost has its effect."""
        self._scripts += errors

    def end(self, arn: str, status: str, **more: Any) -> None:
        """Let an execution be over."""
        self.statuses[arn], self.more[arn] = status, more

    def send_task_success(self, *, taskToken: str, output: str) -> dict[str, Any]:
        lost = self._called("SendTaskSuccess")
        _refuse_large(output, "SendTaskSuccess")
        if taskToken in {*self.answers, *self.failures}:
            raise client_error("TaskTimedOut", "Task Timed Out", "SendTaskSuccess")
        self.answers[taskToken] = json.loads(output)
        if isinstance(lost, AskedAgain):
            raise client_error("TaskTimedOut", "Task Timed Out", "SendTaskSuccess")
        if lost is not None:
            raise lost
        return {}

    def send_task_failure(self, *, taskToken: str, error: str, cause: str) -> dict[str, Any]:
        del cause
        self._called("SendTaskFailure")
        if taskToken in {*self.answers, *self.failures}:
            raise client_error("TaskTimedOut", "Task Timed Out", "SendTaskFailure")
        self.failures[taskToken] = error
        return {}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        self._called("DescribeExecution")
        if executionArn not in self.statuses:
            raise ExecutionDoesNotExist(_answer("ExecutionDoesNotExist", "Execution Does Not Exist"), "Describe")
        return {
            "executionArn": executionArn,
            "status": self.statuses[executionArn],
            "input": json.dumps(self.started.get(executionArn.rsplit(":", 1)[-1], {})),
            **self.more.get(executionArn, {}),
        }

    def list_tags_for_resource(self, *, resourceArn: str) -> dict[str, Any]:
        self._called("ListTagsForResource")
        return {"tags": [{"key": key, "value": value} for key, value in self.tags.get(resourceArn, {}).items()]}

    def get_paginator(self, name: str) -> Pages:
        assert name == "list_executions"
        return Pages(self._executions)

    def _executions(self, *, stateMachineArn: str) -> Iterator[dict[str, Any]]:
        prefix = nested_execution_arn(stateMachineArn, "")
        yield {
            "executions": [
                {
                    "executionArn": arn,
                    "name": arn.removeprefix(prefix),
                    "status": status,
                    "startDate": self.began,
                    **({} if status == "RUNNING" else {"stopDate": self.began}),
                }
                for arn, status in self.statuses.items()
                if arn.startswith(prefix)
            ]
        }

    def start_execution(self, *, stateMachineArn: str, name: str, **request: Any) -> dict[str, Any]:
        lost = self._called("StartExecution")
        _refuse_large(request["input"], "StartExecution")
        error = self._scripts.pop(0) if self._scripts else None
        if error is not None and not isinstance(error, ReadTimeoutError):
            raise error
        if name in self.started:
            raise ExecutionAlreadyExists(_answer("ExecutionAlreadyExists", "Execution Already Exists"), "Start")
        self.started[name] = json.loads(request["input"])
        arn = nested_execution_arn(stateMachineArn, name)
        self.statuses[arn] = "RUNNING"
        if error is not None:
            raise error
        if isinstance(lost, AskedAgain):
            raise ExecutionAlreadyExists(_answer("ExecutionAlreadyExists", "Execution Already Exists"), "Start")
        if lost is not None:
            raise lost
        return {"executionArn": arn}

    def stop_execution(self, *, executionArn: str, error: str, cause: str) -> dict[str, Any]:
        lost = self._called("StopExecution")
        if executionArn not in self.statuses:
            raise ExecutionDoesNotExist(_answer("ExecutionDoesNotExist", "Execution Does Not Exist"), "Stop")
        if self.statuses[executionArn] == "RUNNING":
            self.end(executionArn, "ABORTED", error=error, cause=cause)
        if lost is not None and not isinstance(lost, AskedAgain):
            raise lost
        return {}


class FakeQueue:
    """A queue in SQS. What was received and not deleted is seen again once ``forget`` is called, as after its timeout."""

    def __init__(self, enter: Enter) -> None:
        self._enter = enter
        self._seen: set[str] = set()
        self.messages: dict[str, dict[str, Any]] = {}

    def put(self, body: str, **attributes: str) -> str:
        """Have a message in the queue; gives its id."""
        identity = f"00000000-0000-4000-8000-{len(self.messages):012}"
        said = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self.messages[identity] = {"MessageId": identity, "ReceiptHandle": identity, "Body": body} | (
            {"MessageAttributes": said} if said else {}
        )
        return identity

    def forget(self) -> None:
        """Let the visibility timeout pass."""
        self._seen.clear()

    def receive_message(self, *, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:
        self._enter("ReceiveMessage")
        fresh = [found for name, found in self.messages.items() if name not in self._seen][:MaxNumberOfMessages]
        self._seen |= {found["MessageId"] for found in fresh}
        return {"Messages": fresh} if fresh else {}

    def delete_message(self, *, ReceiptHandle: str, **_: Any) -> dict[str, Any]:
        self._enter("DeleteMessage")
        self.messages.pop(ReceiptHandle, None)
        return {}
