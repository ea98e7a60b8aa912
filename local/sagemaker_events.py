"""Status changes of SageMaker resources, put on the default event bus in the shapes AWS documents.

The shapes disagree among themselves, and that is kept: training times are strings of milliseconds, processing times
numbers of milliseconds, endpoint statuses are in SHOUTING_CASE, pipeline events are in camelCase.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.seam import eventbridge

if TYPE_CHECKING:
    from local.sagemaker_records import Document

logger = logging.getLogger(__name__)

_TRAINING_MEMBERS = (
    "TrainingJobName",
    "TrainingJobArn",
    "TrainingJobStatus",
    "SecondaryStatus",
    "FailureReason",
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ModelArtifacts",
    "ResourceConfig",
    "StoppingCondition",
    "SecondaryStatusTransitions",
    "FinalMetricDataList",
    "Environment",
)
_PROCESSING_MEMBERS = (
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingJobName",
    "ProcessingResources",
    "StoppingCondition",
    "AppSpecification",
    "NetworkConfig",
    "Environment",
    "RoleArn",
    "ExperimentConfig",
    "ProcessingJobArn",
    "ProcessingJobStatus",
    "ExitMessage",
    "FailureReason",
    "MonitoringScheduleArn",
)
_JOB_TIMES = ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime")
_PROCESSING_TIMES = ("CreationTime", "ProcessingStartTime", "ProcessingEndTime", "LastModifiedTime")


def iso_time(seconds: float) -> str:
    """Render seconds since the epoch as ISO-8601 with a Z, to the second."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def put_event(source: str, detail_type: str, detail: Document, resources: list[str]) -> None:
    """Put an AWS service's event on the default bus of the current account and region.

    Delivery is best effort, as SageMaker's is: a failure is logged and changes nothing for the resource.
    """
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": resources,
        "EventBusName": "default",
    }
    try:
        eventbridge.put_events({"Entries": [entry]}, allow_aws_source=True)
    except Exception:
        logger.exception("the event %r was not delivered", detail_type)


def training_job_changed(record: Document) -> None:
    """Emit ``SageMaker Training Job State Change``."""
    detail: Document = {member: record[member] for member in _TRAINING_MEMBERS if member in record}
    detail["SecondaryStatusTransitions"] = [
        {key: int(value * 1000) if key.endswith("Time") else value for key, value in transition.items()}
        for transition in record.get("SecondaryStatusTransitions", [])
    ]
    detail |= {member: str(int(record[member] * 1000)) for member in _JOB_TIMES if member in record}
    detail["Tags"] = {}
    put_event("aws.sagemaker", "SageMaker Training Job State Change", detail, [record["TrainingJobArn"]])


def processing_job_changed(record: Document) -> None:
    """Emit ``SageMaker Processing Job State Change``."""
    detail: Document = {member: record[member] for member in _PROCESSING_MEMBERS if member in record}
    detail |= {member: int(record[member] * 1000) for member in _PROCESSING_TIMES if member in record}
    detail["Tags"] = {}
    put_event("aws.sagemaker", "SageMaker Processing Job State Change", detail, [record["ProcessingJobArn"]])


def endpoint_changed(record: Document) -> None:
    """Emit ``SageMaker Endpoint State Change``, with the status in SHOUTING_CASE (``IN_SERVICE``)."""
    detail: Document = {
        "EndpointName": record["EndpointName"],
        "EndpointArn": record["EndpointArn"],
        "EndpointConfigName": record["EndpointConfigName"],
        "ProductionVariants": [
            {
                "VariantName": variant["VariantName"],
                "DesiredWeight": variant.get("DesiredWeight", 1.0),
                "DesiredInstanceCount": float(variant.get("DesiredInstanceCount", 1)),
            }
            for variant in record.get("ProductionVariants", [])
        ],
        "EndpointStatus": re.sub(r"(?<=[a-z])(?=[A-Z])", "_", record["EndpointStatus"]).upper(),
        "CreationTime": float(int(record["CreationTime"] * 1000)),
        "LastModifiedTime": float(int(record["LastModifiedTime"] * 1000)),
        "Tags": {},
    }
    if "FailureReason" in record:
        detail["FailureReason"] = record["FailureReason"]
    put_event("aws.sagemaker", "SageMaker Endpoint State Change", detail, [record["EndpointArn"]])


def model_package_changed(package: Document, updated_members: list[str]) -> None:
    """Emit ``SageMaker Model Package State Change``; ``updated_members`` tells an approval from any other edit."""
    detail: Document = {
        key: iso_time(value) if key.endswith("Time") and isinstance(value, int | float) else value
        for key, value in package.items()
        if key not in ("CreatedBy", "LastModifiedBy", "ResponseMetadata")
    }
    if updated_members:
        detail["UpdatedModelPackageFields"] = updated_members
    put_event("aws.sagemaker", "SageMaker Model Package State Change", detail, [package["ModelPackageArn"]])


def pipeline_execution_changed(execution: Document, previous_status: str | None) -> None:
    """Emit ``SageMaker Model Building Pipeline Execution Status Change``, in camelCase."""
    detail: dict[str, Any] = {
        "pipelineExecutionDisplayName": execution.get("PipelineExecutionDisplayName", ""),
        "currentPipelineExecutionStatus": execution["PipelineExecutionStatus"],
        "executionStartTime": iso_time(execution["CreationTime"]),
        "pipelineExecutionDescription": execution.get("PipelineExecutionDescription", ""),
        "pipelineArn": execution["PipelineArn"],
        "pipelineExecutionArn": execution["PipelineExecutionArn"],
    }
    if previous_status is not None:
        detail["previousPipelineExecutionStatus"] = previous_status
    if execution["PipelineExecutionStatus"] in ("Succeeded", "Failed", "Stopped"):
        detail["executionEndTime"] = iso_time(execution["LastModifiedTime"])
    put_event(
        "aws.sagemaker",
        "SageMaker Model Building Pipeline Execution Status Change",
        detail,
        [execution["PipelineArn"], execution["PipelineExecutionArn"]],
    )
