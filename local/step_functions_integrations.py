"""Step Functions' integrations with SageMaker, which ministack lacks: optimized, ``.sync`` and ``aws-sdk``.

A ``.sync`` task ends in ``States.TaskFailed`` with the Describe output as its cause when the job does not complete,
which is what execution histories on AWS show; errors of the API call itself carry SageMaker's name.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import new_uuid

from local.sagemaker_records import ApiError, Document
from local.sagemaker_service import SageMaker, UnknownParameterError, modelled_errors
from local.seam import Addition
from local.seam import stepfunctions as sfn
from local.step_functions_executions import ExecutionEnded, wait_while_running
from local.step_functions_seats import away
from local.step_functions_tasks import task_is_over

_OPTIMIZED = "arn:aws:states:::sagemaker:"
_SDK = "arn:aws:states:::aws-sdk:sagemaker:"
_SDK_RUNTIME = "arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint"
_SYNC_JOBS = {"createTrainingJob": "Training", "createProcessingJob": "Processing"}
_REQUEST_RESPONSE = {*_SYNC_JOBS, "createModel", "createEndpointConfig", "createEndpoint", "updateEndpoint"}
_TIME_SUFFIXES = ("Time",)


INTEGRATIONS = Addition(
    "SageMaker's integrations",
    "`sagemaker:createTrainingJob.sync`, `createProcessingJob.sync`, `sagemaker:*`, `aws-sdk:sagemaker:*`",
)


def install(sagemaker: SageMaker) -> None:
    """Make the integrations available to every state machine of this server."""

    @INTEGRATIONS.adds(sfn, "_SERVICE_DISPATCH", _SDK_RUNTIME)
    def invoke_endpoint(resource: str, input_data: Document) -> Any:
        del resource
        return _invoke_endpoint(sagemaker, input_data)

    # ministack's generic dispatcher would rename members it takes for acronyms: VolumeSizeInGB to VolumeSizeIngb.
    @INTEGRATIONS.adds(sfn, "_SERVICE_DISPATCH", _SDK)
    def invoke_sdk(resource: str, input_data: Document) -> Any:
        action = resource.removeprefix(_SDK)
        return _iso_times(_call(sagemaker, action, input_data, unmodelled="SageMakerException"))

    @INTEGRATIONS.adds(sfn, "_SERVICE_DISPATCH", _OPTIMIZED)
    def invoke_optimized(resource: str, input_data: Document) -> Any:
        return _invoke_optimized(sagemaker, resource, input_data)


def _invoke_optimized(sagemaker: SageMaker, resource: str, input_data: Document) -> Any:
    action, _, pattern = resource.removeprefix(_OPTIMIZED).partition(".")
    if pattern == "sync" and action in _SYNC_JOBS:
        return _run_job(sagemaker, action, input_data)
    if pattern or action not in _REQUEST_RESPONSE:
        raise sfn.ExecutionError("States.Runtime", f"The resource {resource} is not one Step Functions has.")
    return _call(sagemaker, action, input_data, unmodelled="AmazonSageMakerException")


def _run_job(sagemaker: SageMaker, action: str, input_data: Document) -> Any:
    kind = _SYNC_JOBS[action]
    name_member = f"{kind}JobName"
    _call(sagemaker, action, input_data, unmodelled="AmazonSageMakerException")
    name = input_data[name_member]
    job = sagemaker.jobs.training_job(name) if kind == "Training" else sagemaker.jobs.processing_job(name)

    def stop() -> None:
        # Best effort, as on AWS: the job may have ended on its own in this very moment.
        try:
            sagemaker.call(f"Stop{kind}Job", {name_member: name})
        except ApiError:
            return

    with away():
        wait_while_running(job.finished, on_end=stop)
    described = _millisecond_times(sagemaker.call(f"Describe{kind}Job", {name_member: name}))
    if described[f"{kind}JobStatus"] != "Completed":
        raise sfn.ExecutionError("States.TaskFailed", json.dumps(described))
    return described


def _call(sagemaker: SageMaker, action: str, input_data: Document, *, unmodelled: str) -> Document:
    """Call the API, its errors named as Step Functions names them.

    Args:
        sagemaker: The service.
        action: In camelCase, as a state's Resource has it.
        input_data: The state's arguments.
        unmodelled: What follows ``SageMaker.`` when the service model does not know the error.
    """
    if task_is_over():
        raise ExecutionEnded
    try:
        return sagemaker.call_from_state_machine(action[:1].upper() + action[1:], input_data)
    except UnknownParameterError as error:
        message = f'The field "{error.name}" is not supported by Step Functions.'
        raise sfn.ExecutionError("States.Runtime", message) from None
    except ApiError as error:
        # A lost answer is the SDK's own error, not one of the service.
        code = error.code if error.code in modelled_errors() | {"SdkClientException"} else unmodelled
        # Step Functions adds the suffix even to an error whose own name lacks it.
        name = code if code.endswith("Exception") else f"{code}Exception"
        cause = f"{error.message} (Service: SageMaker, Status Code: {error.status}, Request ID: {new_uuid()})"
        raise sfn.ExecutionError(f"SageMaker.{name}", cause) from None


def _invoke_endpoint(sagemaker: SageMaker, input_data: Document) -> Document:
    body = input_data.get("Body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    try:
        payload, headers = sagemaker.endpoints.invoke(
            input_data["EndpointName"], text.encode(), input_data.get("ContentType", ""), input_data.get("Accept", "")
        )
    except ApiError as error:
        name = "ModelErrorException" if error.code == "ModelError" else "SageMakerRuntimeException"
        raise sfn.ExecutionError(f"SageMakerRuntime.{name}", error.message) from None
    return {
        "Body": payload.decode("utf-8", "replace"),
        "ContentType": headers["Content-Type"],
        "InvokedProductionVariant": headers["x-Amzn-Invoked-Production-Variant"],
    }


def _iso_times(value: Any) -> Any:
    """Times as the aws-sdk integration gives them: ISO-8601 text."""
    return _converted(value, sfn_iso)


def _millisecond_times(value: Any) -> Any:
    """Times as the optimized integration gives them: milliseconds since the epoch."""
    return _converted(value, lambda seconds: int(seconds * 1000))


def sfn_iso(seconds: float) -> str:
    """Render seconds since the epoch as Step Functions renders a timestamp of an SDK's answer."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _converted(value: Any, convert: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: convert(item)
            if key.endswith(_TIME_SUFFIXES) and isinstance(item, int | float)
            else _converted(item, convert)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_converted(item, convert) for item in value]
    return value
