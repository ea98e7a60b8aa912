"""The SageMaker API of the embedded AWS: what boto3, the AWS CLI and Step Functions call.

Every request is checked against botocore's service model. What moves in time (jobs, endpoints, pipelines) is run by
this package; what only has to be remembered (models, endpoint configurations, model packages) by moto.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.validate import ParamValidator
from ministack.core.concurrency import run_reentrant
from ministack.core.responses import get_account_id, get_region

from local import own_clients
from local.s3_folders import split_uri
from local.sagemaker_endpoints import Endpoints
from local.sagemaker_jobs import Jobs
from local.sagemaker_monitoring import MonitoringSchedules
from local.sagemaker_pipelines import Pipelines
from local.sagemaker_records import ApiError, Document, Records, arn, validation_error
from local.sagemaker_registry import Registry
from local.service_models import service_model
from local.shape_constraints import constraint, constraint_problems

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from local.faults import Faults

logger = logging.getLogger(__name__)

Response = tuple[int, dict[str, str], bytes]
_INVOCATION = re.compile(r"/endpoints/([^/]+)/invocations$")
_CONTROL = re.compile(r"/_local/sagemaker/endpoints/([^/]+)$")
_RUN = re.compile(r"/_local/sagemaker/monitoring-schedules/([^/]+)/runs$")
_JSON = "application/x-amz-json-1.1"
# Kinds of resources whose tags moto does not keep, or which it does not know.
_OWN_KINDS = {
    "training-job",
    "processing-job",
    "endpoint",
    "pipeline",
    "monitoring-schedule",
    "model-package",
    "model-package-group",
}


class UnknownParameterError(ApiError):
    """The request names a parameter the action does not have."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__("ValidationException", message)
        self.name = name


class SageMaker:
    """The SageMaker control and data plane.

    Args:
        faults: Which calls of state machines are to fail; those over HTTP never get here. Which jobs get no instances.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.jobs = Jobs(faults)
        self.endpoints = Endpoints(self.call)
        self.pipelines = Pipelines(self.call, self._job_ended)
        schedules = self._schedules = MonitoringSchedules(self.jobs)
        registry = self._registry = Registry(_call_moto)
        pipelines = self.pipelines
        # Requests that made models and configurations, by kind and name.
        self._given = Records()
        # Tags of what moto does not know, by ARN.
        self._tags: dict[str, dict[str, str]] = {}
        self._actions: dict[str, Callable[[Document], Document]] = {
            "CreateTrainingJob": self.jobs.create_training_job,
            "DescribeTrainingJob": self.jobs.describe_training_job,
            "StopTrainingJob": self.jobs.stop_training_job,
            "ListTrainingJobs": self.jobs.list_training_jobs,
            "CreateProcessingJob": self.jobs.create_processing_job,
            "DescribeProcessingJob": self.jobs.describe_processing_job,
            "StopProcessingJob": self.jobs.stop_processing_job,
            "ListProcessingJobs": self.jobs.list_processing_jobs,
            "CreateEndpoint": self.endpoints.create_endpoint,
            "UpdateEndpoint": self.endpoints.update_endpoint,
            "UpdateEndpointWeightsAndCapacities": self.endpoints.update_weights_and_capacities,
            "DescribeEndpoint": self.endpoints.describe_endpoint,
            "DeleteEndpoint": self.endpoints.delete_endpoint,
            "ListEndpoints": self.endpoints.list_endpoints,
            "CreateModel": self._create_model,
            "DescribeModel": functools.partial(self._described, "DescribeModel"),
            "CreateEndpointConfig": self._create_endpoint_config,
            "DescribeEndpointConfig": functools.partial(self._described, "DescribeEndpointConfig"),
            "DeleteModel": functools.partial(self._deleted, "DeleteModel"),
            "DeleteEndpointConfig": functools.partial(self._deleted, "DeleteEndpointConfig"),
            "CreateModelPackageGroup": registry.create_group,
            "ListModelPackageGroups": registry.list_groups,
            "DeleteModelPackageGroup": registry.delete_group,
            "CreateModelPackage": registry.create_package,
            "DescribeModelPackage": registry.describe_package,
            "UpdateModelPackage": registry.update_package,
            "DeleteModelPackage": registry.delete_package,
            "ListModelPackages": registry.list_packages,
            "CreateMonitoringSchedule": schedules.create,
            "UpdateMonitoringSchedule": schedules.update,
            "DescribeMonitoringSchedule": schedules.describe,
            "DeleteMonitoringSchedule": schedules.delete,
            "StartMonitoringSchedule": schedules.start,
            "StopMonitoringSchedule": schedules.stop,
            "ListMonitoringSchedules": schedules.list_schedules,
            "ListMonitoringExecutions": schedules.list_executions,
            "CreatePipeline": pipelines.create,
            "UpdatePipeline": pipelines.update,
            "DescribePipeline": pipelines.describe,
            "DeletePipeline": pipelines.delete,
            "ListPipelines": pipelines.list_pipelines,
            "StartPipelineExecution": pipelines.start,
            "DescribePipelineExecution": pipelines.describe_execution,
            "ListPipelineExecutions": pipelines.list_executions,
            "ListPipelineExecutionSteps": pipelines.list_steps,
            "ListPipelineParametersForExecution": pipelines.list_parameters,
            "StopPipelineExecution": pipelines.stop,
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            "DeleteTags": self._delete_tags,
        }

    def call(self, action: str, request: Document) -> Document:
        """Answer one action, after checking the request against the service model.

        Raises:
            ApiError: What SageMaker would answer; ``ValidationException`` for a request that cannot be right.
        """
        request = _checked(action, request)
        own = self._actions.get(action)
        answer = own(request) if own else _call_moto(action, request)
        if request.get("Tags") and action.startswith("Create"):
            for key, value in answer.items():
                if key.endswith("Arn") and _has_own_tags(value):
                    self._tags.setdefault(value, {}).update(_plain_tags(request["Tags"]))
        return _shaped(action, answer)

    def call_from_state_machine(self, action: str, request: Document) -> Document:
        """Answer one action as ``call`` does, unless it was told to fail or to take its time.

        Raises:
            ApiError: What SageMaker would answer, or was told to.
        """
        fault = self._faults.take("sagemaker", action, json.dumps(request))
        if fault is None:
            return self.call(action, request)
        answer = self.call(action, request) if fault.after_effect else None
        time.sleep(fault.seconds)
        if fault.code is not None:
            raise ApiError(fault.code, fault.message, fault.status)
        return self.call(action, request) if answer is None else answer

    def _job_ended(self, kind: str, name: str) -> threading.Event:
        return (self.jobs.training_job(name) if kind == "TrainingJob" else self.jobs.processing_job(name)).finished

    # ------------------------------------------------------------------ tags

    def _add_tags(self, request: Document) -> Document:
        if not _has_own_tags(request["ResourceArn"]):
            return _call_moto("AddTags", request)
        tags = self._tags.setdefault(request["ResourceArn"], {})
        tags.update(_plain_tags(request["Tags"]))
        return {"Tags": _tag_list(tags)}

    def _list_tags(self, request: Document) -> Document:
        if not _has_own_tags(request["ResourceArn"]):
            return _call_moto("ListTags", request)
        return {"Tags": _tag_list(self._tags.get(request["ResourceArn"], {}))}

    def _delete_tags(self, request: Document) -> Document:
        if not _has_own_tags(request["ResourceArn"]):
            return _call_moto("DeleteTags", request)
        for key in request["TagKeys"]:
            self._tags.get(request["ResourceArn"], {}).pop(key, None)
        return {}

    # ------------------------------------------------------------------ HTTP

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any
    ) -> Response:
        """Answer one HTTP request, in the signature of a ministack service handler."""
        del method, query_params
        # On a thread of its own: a model server's script may call back into this server.
        answer: Response = await run_reentrant(self._respond, path, headers, body, thread_name="sagemaker")
        return answer

    def _respond(self, path: str, headers: dict[str, str], body: bytes) -> Response:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            if invocation := _INVOCATION.search(path):
                payload, extra = self.endpoints.invoke(
                    unquote(invocation[1]), body or b"", headers.get("content-type", ""), headers.get("accept", "")
                )
                return 200, extra, payload
            if control := _CONTROL.search(path):
                answer = self.endpoints.control(unquote(control[1]), json.loads(body or b"{}"))
                return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
            if run := _RUN.search(path):
                request = _checked("CreateProcessingJob", json.loads(body or b"{}"))
                answer = self._schedules.run(unquote(run[1]), request)
                return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
            answer = self.call(action, json.loads(body or b"{}"))
        except ApiError as error:
            return _error_response(error)
        except Exception as error:
            logger.exception("SageMaker %s", action or path)
            return _error_response(ApiError("InternalFailure", f"{type(error).__name__}: {error}", 500))
        return 200, {"Content-Type": _JSON}, json.dumps(answer).encode()

    def tags_of(self, resource_arn: str) -> dict[str, str]:
        """The tags of a resource by its ARN; none for what does not exist, which moto is not to be asked for."""
        if _has_own_tags(resource_arn):
            return self._tags.get(resource_arn, {})
        kind, _, name = resource_arn.rsplit(":", 1)[-1].partition("/")
        made = self._given.get(f"{''.join(word.capitalize() for word in kind.split('-'))}/{name}")
        return _plain_tags(_call_moto("ListTags", {"ResourceArn": resource_arn})["Tags"]) if made else {}

    def reset(self) -> None:
        """Forget everything and end everything that runs."""
        self.pipelines.abandon_all()
        self.jobs.abandon_all()
        self.endpoints.abandon_all()
        self._schedules.records.clear()
        self._registry.reset()
        self._given.clear()
        self._tags.clear()
        _reset_moto()

    # ------------------------------------------------------------------ what moto takes without asking

    def _create_model(self, request: Document) -> Document:
        model_arn = arn("model", request["ModelName"])
        if _exists("DescribeModel", {"ModelName": request["ModelName"]}):
            raise validation_error(f'Cannot create already existing model "{model_arn}".')
        containers = [*([request["PrimaryContainer"]] if "PrimaryContainer" in request else [])]
        containers += request.get("Containers", [])
        if not containers:
            raise validation_error("A model needs a PrimaryContainer or Containers.")
        for container in containers:
            if url := container.get("ModelDataUrl"):
                _require_object(url)
            if name := container.get("ModelPackageName"):
                if not _exists("DescribeModelPackage", {"ModelPackageName": name}):
                    raise validation_error(f"Could not find model package {name}.")
                package = _call_moto("DescribeModelPackage", {"ModelPackageName": name})
                if package.get("ModelApprovalStatus", "Approved") != "Approved":
                    raise validation_error(f"Model package {name} is {package['ModelApprovalStatus']}, not Approved.")
        self._given.put(f"Model/{request['ModelName']}", request)
        return _call_moto("CreateModel", request)

    def _create_endpoint_config(self, request: Document) -> Document:
        name = request["EndpointConfigName"]
        if _exists("DescribeEndpointConfig", {"EndpointConfigName": name}):
            existing = arn("endpoint-config", name)
            raise validation_error(f'Cannot create already existing endpoint configuration "{existing}".')
        for variant in request["ProductionVariants"]:
            if not _exists("DescribeModel", {"ModelName": variant["ModelName"]}):
                missing = arn("model", variant["ModelName"])
                raise validation_error(f'Could not find model "{missing}".')
        self._given.put(f"EndpointConfig/{name}", request)
        return _call_moto("CreateEndpointConfig", request)

    def _described(self, action: str, request: Document) -> Document:
        """What moto describes with what the creation said: of a model and a configuration moto keeps half of the fields."""
        kind = action.removeprefix("Describe")
        described = {**_call_moto(action, request), **(self._given.get(f"{kind}/{request[f'{kind}Name']}") or {})}
        return _filled_in(described) if kind == "Model" else described

    def _deleted(self, action: str, request: Document) -> Document:
        """Forget, with moto, what the creation said; what is gone has no tags."""
        kind = action.removeprefix("Delete")
        answer = _call_moto(action, request)
        self._given.remove(f"{kind}/{request[f'{kind}Name']}")
        return answer


def _has_own_tags(resource_arn: str) -> bool:
    kind = resource_arn.split(":", 5)[-1].partition("/")[0]
    return kind in _OWN_KINDS


def _plain_tags(tags: list[Document]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _tag_list(tags: dict[str, str]) -> list[Document]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _exists(action: str, request: Document) -> bool:
    try:
        _call_moto(action, request)
    except ApiError:
        return False
    return True


def _require_object(uri: str) -> None:
    bucket, key = split_uri(uri)
    s3 = own_clients.client("s3", get_account_id(), get_region())
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError:
        raise validation_error(f"Could not find model data at {uri}.") from None


def _error_response(error: ApiError) -> Response:
    document = {"__type": error.code, "message": error.message, "Message": error.message}
    headers = {"Content-Type": _JSON, "x-amzn-errortype": error.code}
    return error.status, headers, json.dumps(document).encode()


# ---------------------------------------------------------------------- the service model


def modelled_errors() -> set[str]:
    """Give the names of the errors the service model knows; any other reaches a client without a class of its own."""
    return {shape.name for shape in service_model("sagemaker").error_shapes}


def _checked(action: str, request: Document) -> Document:
    """Give the request with whole numbers as integers, if the service model allows it.

    Raises:
        ApiError: ``InvalidAction`` or ``ValidationException``.
        UnknownParameterError: It names a parameter that does not exist.
    """
    model = service_model("sagemaker")
    if action not in model.operation_names:
        raise ApiError("InvalidAction", f"SageMaker has no action {action}.")
    shape = model.operation_model(action).input_shape
    if shape is None:
        return request
    request = _whole_numbers(request, shape)
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        for kind, name, details in report._errors:
            if kind == "unknown field":
                raise UnknownParameterError(details["unknown_param"], f"{name or action}: {report.generate_report()}")
        raise validation_error(f"Parameter validation failed: {report.generate_report()}")
    problems = [*constraint_problems(request, shape), *_tag_problems(request.get("Tags"))]
    if problems:
        count = f"{len(problems)} validation error{'s' * (len(problems) > 1)} detected: "
        raise validation_error(count + "; ".join(problems))
    return request


def _whole_numbers(value: Any, shape: Any) -> Any:
    """JSONata gives 3600.0 where AWS's JSON has 3600."""
    if shape.type_name == "structure" and isinstance(value, dict):
        return {
            key: _whole_numbers(item, shape.members[key]) if key in shape.members else item
            for key, item in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_whole_numbers(item, shape.member) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _whole_numbers(item, shape.value) for key, item in value.items()}
    if shape.type_name in ("integer", "long") and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _tag_problems(tags: Any) -> Iterator[str]:
    """Give a sentence for each key that is there twice or is AWS's own; only resources tagged by AWS carry those."""
    keys = [tag["Key"] for tag in tags if "Key" in tag] if isinstance(tags, list) else []
    for key in dict.fromkeys(keys):
        if keys.count(key) > 1:
            yield constraint(key, "tags", "Tag keys must be unique per resource")
        if key.lower().startswith("aws:"):
            yield constraint(key, "tags", "Tag keys must not begin with the reserved prefix aws:")


def _shaped(action: str, answer: Document) -> Document:
    """Give the members of the answer that the action's output has; the rest is our own bookkeeping."""
    shape = service_model("sagemaker").operation_model(action).output_shape
    if shape is None:
        return {}
    return {key: value for key, value in answer.items() if key in shape.members and value is not None}


# ---------------------------------------------------------------------- moto


def _call_moto(action: str, request: Document) -> Document:
    """Have moto's SageMaker answer, for the account and region of the request being served.

    Raises:
        ApiError: Moto's error, or that it does not know the action.
    """
    # Imported at the first call: moto is half a second of a start-up that should take less than that.
    from moto.core.request import Request  # noqa: PLC0415 - see above

    region = get_region()
    http = Request.from_primitives(
        "POST",
        f"https://sagemaker.{region}.amazonaws.com/",
        {
            "X-Amz-Target": f"SageMaker.{action}",
            "Content-Type": _JSON,
            "x-moto-account-id": get_account_id(),
            "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{region}/sagemaker/aws4_request",
        },
        json.dumps(request).encode(),
    )
    try:
        status, _, body = _moto().dispatch(http, http.url, http.headers)
    except NotImplementedError:
        raise ApiError("NotImplemented", f"The embedded AWS has no SageMaker {action}.", 501) from None
    document: Document = json.loads(body) if body else {}
    if status >= HTTPStatus.BAD_REQUEST:
        code = str(document.get("__type", "ValidationException")).rpartition("#")[2]
        raise ApiError(code, str(document.get("message") or document.get("Message") or document), status)
    return document


@functools.cache
def _moto() -> Any:
    from moto.core import responses  # noqa: PLC0415 - as above
    from moto.sagemaker.responses import SageMakerResponse  # noqa: PLC0415 - as above

    # It looks through the hundreds of methods of the class for each request.
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
    return SageMakerResponse


def _reset_moto() -> None:
    models = sys.modules.get("moto.sagemaker.models")
    if models is not None:
        models.sagemaker_backends.reset()


def _filled_in(model: Document) -> Document:
    """A model with the fields that SageMaker describes though nobody asked for them: what is meant without."""
    filled = {"EnableNetworkIsolation": False, **model}
    if primary := model.get("PrimaryContainer"):
        filled["PrimaryContainer"] = _container_filled_in(primary)
    if containers := model.get("Containers"):
        filled["Containers"] = [_container_filled_in(container) for container in containers]
        filled.setdefault("InferenceExecutionConfig", {"Mode": "Serial"})
    return filled


def _container_filled_in(container: Document) -> Document:
    filled = {"Mode": "SingleModel", **container}
    if url := container.get("ModelDataUrl"):
        source = {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}
        filled.setdefault("ModelDataSource", {"S3DataSource": source})
    return filled
