"""Monitoring schedules: remembered, and run when the control address says so, never by the clock.

Only what a schedule ran is listed: a job whose environment names a schedule is nobody's run because of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.sagemaker_records import ApiError, Document, Records, arn, list_page, now, validation_error

if TYPE_CHECKING:
    from local.sagemaker_jobs import Job, Jobs

_VIOLATIONS = "CompletedWithViolations"
_JOB_TYPES = {"MODEL_QUALITY": "ModelQuality", "MODEL_BIAS": "ModelBias", "MODEL_EXPLAINABILITY": "ModelExplainability"}


class MonitoringSchedules:
    """All monitoring schedules of the server."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self.records = Records()

    def create(self, request: Document) -> Document:
        """CreateMonitoringSchedule."""
        name = request["MonitoringScheduleName"]
        schedule_arn = arn("monitoring-schedule", name)
        if self.records.get(name):
            raise ApiError("ResourceInUse", f"Monitoring Schedule {schedule_arn} already exists")
        created = now()
        record: Document = {
            "MonitoringScheduleArn": schedule_arn,
            "MonitoringScheduleName": name,
            "MonitoringScheduleStatus": "Scheduled",
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        _configure(record, request["MonitoringScheduleConfig"])
        self.records.put(name, record)
        return {"MonitoringScheduleArn": schedule_arn}

    def update(self, request: Document) -> Document:
        """UpdateMonitoringSchedule."""
        record = self._schedule(request["MonitoringScheduleName"])
        _configure(record, request["MonitoringScheduleConfig"])
        record["LastModifiedTime"] = now()
        return {"MonitoringScheduleArn": record["MonitoringScheduleArn"]}

    def describe(self, request: Document) -> Document:
        """DescribeMonitoringSchedule, with its last execution."""
        record = dict(self._schedule(request["MonitoringScheduleName"]))
        executions = self._executions(record["MonitoringScheduleName"])
        if executions:
            record["LastMonitoringExecutionSummary"] = max(executions, key=lambda e: e["CreationTime"])
        return record

    def delete(self, request: Document) -> Document:
        """DeleteMonitoringSchedule."""
        self._schedule(request["MonitoringScheduleName"])
        self.records.remove(request["MonitoringScheduleName"])
        return {}

    def start(self, request: Document) -> Document:
        """StartMonitoringSchedule."""
        return self._turn(request, "Scheduled")

    def stop(self, request: Document) -> Document:
        """StopMonitoringSchedule."""
        return self._turn(request, "Stopped")

    def run(self, name: str, request: Document) -> Document:
        """Run a schedule now: start a processing job as SageMaker does when its hour comes.

        Args:
            name: The schedule.
            request: The job, as in CreateProcessingJob; to its environment are added the schedule, and the endpoint or, on batch
                transforms, where their captured data would lie and in which format.

        Raises:
            ApiError: There is no such schedule, or the job's name is taken.
        """
        record = self._schedule(name)
        named = {"sagemaker_monitoring_schedule_name": name}
        if endpoint := record.get("EndpointName"):
            named["sagemaker_endpoint_name"] = endpoint
        for item in _inputs(record["MonitoringScheduleConfig"]):
            if batch := item.get("BatchTransformInput"):
                named |= {"dataset_source": batch["LocalPath"], "dataset_format": json.dumps(batch["DatasetFormat"])}
        environment = {**request.get("Environment", {}), **named}
        return self._jobs.start_processing({**request, "Environment": environment}, record)

    def list_schedules(self, request: Document) -> Document:
        """ListMonitoringSchedules."""
        records = self.records.all()
        if endpoint := request.get("EndpointName"):
            records = [record for record in records if record.get("EndpointName") == endpoint]
        return list_page(
            records,
            request,
            result_key="MonitoringScheduleSummaries",
            name_key="MonitoringScheduleName",
            status_key="MonitoringScheduleStatus",
        )

    def list_executions(self, request: Document) -> Document:
        """ListMonitoringExecutions: the processing jobs that schedules ran."""
        executions = self._executions(request.get("MonitoringScheduleName"))
        if endpoint := request.get("EndpointName"):
            executions = [execution for execution in executions if execution.get("EndpointName") == endpoint]
        return list_page(
            executions,
            request,
            result_key="MonitoringExecutionSummaries",
            name_key="MonitoringScheduleName",
            status_key="MonitoringExecutionStatus",
        )

    def _executions(self, schedule: str | None) -> list[Document]:
        return [
            _execution(job, job.run_of)
            for job in self._jobs.processing.all()
            if job.run_of is not None and schedule in (None, job.run_of["MonitoringScheduleName"])
        ]

    def _turn(self, request: Document, status: str) -> Document:
        record = self._schedule(request["MonitoringScheduleName"])
        record["MonitoringScheduleStatus"] = status
        record["LastModifiedTime"] = now()
        return {}

    def _schedule(self, name: str) -> Document:
        record: Document | None = self.records.get(name)
        if record is None:
            raise ApiError("ResourceNotFound", f"Monitoring Schedule {arn('monitoring-schedule', name)} not found")
        return record


def _configure(record: Document, config: Document) -> None:
    if not ({"MonitoringJobDefinition", "MonitoringJobDefinitionName"} & set(config)):
        raise validation_error("A schedule needs a MonitoringJobDefinition or a MonitoringJobDefinitionName.")
    for item in _inputs(config):
        if len({"EndpointInput", "BatchTransformInput"} & set(item)) != 1:
            raise validation_error("A MonitoringInput is either an EndpointInput or a BatchTransformInput.")
    record["MonitoringScheduleConfig"] = config
    record["MonitoringType"] = config.get("MonitoringType", "DataQuality")
    # Only a monitor of an endpoint has one.
    record.pop("EndpointName", None)
    for item in _inputs(config):
        if "EndpointInput" in item:
            record["EndpointName"] = item["EndpointInput"]["EndpointName"]


def _inputs(config: Document) -> list[Document]:
    found: list[Document] = config.get("MonitoringJobDefinition", {}).get("MonitoringInputs", [])
    return found


def _execution(job: Job, schedule: Document) -> Document:
    record = job.record
    environment = record["Environment"]
    status = record["ProcessingJobStatus"]
    # The processing job of a run that found violations is Completed; only its message says so.
    if status == "Completed" and record.get("ExitMessage", "").startswith(_VIOLATIONS):
        status = _VIOLATIONS
    execution: Document = {
        "MonitoringScheduleName": schedule["MonitoringScheduleName"],
        "ScheduledTime": record["CreationTime"],
        "CreationTime": record["CreationTime"],
        "LastModifiedTime": record["LastModifiedTime"],
        "MonitoringExecutionStatus": status,
        "ProcessingJobArn": record["ProcessingJobArn"],
        "MonitoringType": _JOB_TYPES.get(environment.get("analysis_type", ""), "DataQuality"),
    }
    if "EndpointName" in schedule:
        execution["EndpointName"] = schedule["EndpointName"]
    if "FailureReason" in record:
        execution["FailureReason"] = record["FailureReason"]
    return execution
