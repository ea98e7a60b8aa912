"""What the loop reads from SageMaker, and what OrchestrationFunction may change there: stop a training, remove what is old."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from orchestration.domain.errors import OrchestrationError
from orchestration.domain.fence import EndpointSight
from orchestration.domain.jobs import Job, Use, processed, trained
from orchestration.domain.listing import NARROWEST, Listing
from orchestration.domain.monitor_run import RUNS_LOOKED_AT, ListedRun, RunListing, StepListing, listed_step
from orchestration.domain.serving import Champion, model_names
from orchestration.stores.service_errors import Meaning, meaning, transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from types_boto3_sagemaker import SageMakerClient

    from orchestration.domain.listing import Stretch


ENDPOINTS_LOOKED_AT: Final = 200
"""Endpoints of the account that are looked at before something is removed, two reads each: some 15 of the 60 s a sweep has."""


class SageMaker:
    """Descriptions of jobs, endpoints and pipelines; None stands for "there is none"."""

    def __init__(self, client: SageMakerClient) -> None:
        self._client = client

    def processing_job(self, name: str) -> dict[str, Any] | None:
        """DescribeProcessingJob."""
        return _found(lambda: self._client.describe_processing_job(ProcessingJobName=name))

    def endpoint(self, name: str) -> dict[str, Any] | None:
        """DescribeEndpoint."""
        return _found(lambda: self._client.describe_endpoint(EndpointName=name))

    def model_package(self, arn: str) -> dict[str, Any] | None:
        """DescribeModelPackage."""
        return _found(lambda: self._client.describe_model_package(ModelPackageName=arn))

    def pipeline_execution(self, arn: str) -> dict[str, Any] | None:
        """DescribePipelineExecution."""
        return _found(lambda: self._client.describe_pipeline_execution(PipelineExecutionArn=arn))

    def monitor_runs(self, stretch: Stretch) -> Listing[tuple[ListedRun, datetime]]:
        """Monitor runs that found violations or failed in a stretch of time, each with its end.

        Raises:
            OrchestrationError: SageMaker gives what was not asked for. Its reference says of both limits the opposite of their names;
                taken at its word, a sweep would never find anything and say nothing.
        """
        found: list[tuple[ListedRun, datetime]] = []
        # Whether its limits count themselves, AWS does not say: a run on one is listed twice rather than never. Whole
        # seconds, which every version of the SDK sends alike.
        after, before = (at.replace(microsecond=0) for at in (stretch.since - NARROWEST, stretch.until + NARROWEST))
        for status in ("CompletedWithViolations", "Failed"):
            pages = self._client.get_paginator("list_monitoring_executions").paginate(
                StatusEquals=status,
                LastModifiedTimeAfter=after,
                LastModifiedTimeBefore=before,
                PaginationConfig={"PageSize": 100},
            )
            for page in pages:
                runs = page["MonitoringExecutionSummaries"]
                if page.get("NextToken") and not stretch.narrowest:
                    return Listing((), complete=False)
                if not all(after <= run["LastModifiedTime"] <= before for run in runs):
                    raise OrchestrationError(
                        f"ListMonitoringExecutions gave runs that were not modified from {after} to {before}."
                    )
                found += [(_listed_run(run), run["LastModifiedTime"]) for run in runs if run.get("ProcessingJobArn")]
        return Listing(tuple(found))

    def monitor_run(self, schedule: str, endpoint: str | None, job_arn: str) -> RunListing:
        """The run of a schedule that was this job, by ListMonitoringExecutions, whatever its status.

        Args:
            schedule: its name.
            endpoint: the one it is said to have checked, None for batch transforms.
            job_arn: the processing job's ARN.

        Raises:
            ClientError: a passing fault; every other refusal is told as ``refused``.
        """
        asked: Any = {"MonitoringScheduleName": schedule, **({"EndpointName": endpoint} if endpoint else {})}
        pages = self._client.get_paginator("list_monitoring_executions").paginate(
            **asked,
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"PageSize": 100, "MaxItems": RUNS_LOOKED_AT},
        )
        try:
            for page in pages:
                for run in page["MonitoringExecutionSummaries"]:
                    if run.get("ProcessingJobArn") == job_arn:
                        return RunListing(_listed_run(run))
        except ClientError as error:
            return RunListing(refused=_refused(error))
        return RunListing()

    def pipeline_step(self, execution_arn: str, job_arn: str) -> StepListing:
        """The step of a pipeline's execution whose processing job this was, by ListPipelineExecutionSteps.

        Raises:
            ClientError: a passing fault; every other refusal is told as ``refused``.
        """
        try:
            return StepListing(listed_step(self.pipeline_steps(execution_arn), job_arn))
        except ClientError as error:
            return StepListing(refused=_refused(error))

    def training_job(self, name: str) -> dict[str, Any] | None:
        """DescribeTrainingJob."""
        return _found(lambda: self._client.describe_training_job(TrainingJobName=name))

    def looked_up(self, job: Job, since: datetime) -> Job:
        """A training or processing job that is known by its name, as it is described; one that is not says why.

        Args:
            job: its use and name.
            since: one that was made before is somebody else's.

        Raises:
            ClientError: a passing fault.
        """
        trains = job.use is Use.TRAINING
        try:
            described = (self.training_job if trains else self.processing_job)(job.name)
        except ClientError as error:
            return replace(job, unknown=f"SageMaker did not describe it ({_refused(error)}).")
        if described is None:
            return replace(job, unknown="SageMaker does not know it any more.")
        if (created := described.get("CreationTime")) is not None and created < since:
            return replace(job, unknown="It is older than the run.")
        return trained(described) if trains else processed(described)

    def pipeline_steps(self, execution_arn: str) -> list[dict[str, Any]]:
        """ListPipelineExecutionSteps, in the order the steps started."""
        pages = self._client.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=execution_arn, SortOrder="Ascending"
        )
        return [dict(step) for page in pages for step in page.get("PipelineExecutionSteps", [])]

    def pipeline_execution_named(self, pipeline: str, display_name: str, since: datetime) -> str | None:
        """ARN of the execution of a pipeline with this display name, started after ``since``; None when there is none."""
        token: str | None = None
        while True:
            asked: Any = {"PipelineName": pipeline, "CreatedAfter": since, **({"NextToken": token} if token else {})}
            page = _found(functools.partial(self._client.list_pipeline_executions, **asked)) or {}
            for execution in page.get("PipelineExecutionSummaries", []):
                if execution.get("PipelineExecutionDisplayName") == display_name:
                    return str(execution["PipelineExecutionArn"])
            token = page.get("NextToken")
            if token is None:
                return None

    def monitoring_schedule(self, name: str) -> dict[str, Any] | None:
        """DescribeMonitoringSchedule."""
        return _found(lambda: self._client.describe_monitoring_schedule(MonitoringScheduleName=name))

    def stop_pipeline_execution(self, execution_arn: str, token: str) -> bool:
        """StopPipelineExecution. False when it is over or unknown; SageMaker refuses to stop those."""
        return _stopped(
            lambda: self._client.stop_pipeline_execution(PipelineExecutionArn=execution_arn, ClientRequestToken=token)
        )

    def stop_training_job(self, name: str) -> bool:
        """StopTrainingJob. False when it is over or unknown; SageMaker refuses to stop those."""
        return _stopped(lambda: self._client.stop_training_job(TrainingJobName=name))

    def request_faults(self, operation: str, request: dict[str, Any]) -> str | None:
        """Why a request cannot be legal by SageMaker's own service model, or None.

        Found before anything is created, so that no half promotion is left.
        """
        shape = self._client.meta.service_model.operation_model(operation).input_shape
        if shape is None:
            return None
        report = ParamValidator().validate(request, shape)
        return f"{operation}: {report.generate_report()}" if report.has_errors() else None

    def tag(self, arn: str, key: str) -> str | None:
        """The value of one tag of a resource."""
        answer = _found(lambda: self._client.list_tags(ResourceArn=arn)) or {}
        return next((tag["Value"] for tag in answer.get("Tags", []) if tag["Key"] == key), None)

    def config(self, name: str) -> dict[str, Any] | None:
        """DescribeEndpointConfig."""
        return _found(lambda: self._client.describe_endpoint_config(EndpointConfigName=name))

    def model(self, name: str) -> dict[str, Any] | None:
        """DescribeModel."""
        return _found(lambda: self._client.describe_model(ModelName=name))

    def champion(self, endpoint: str) -> Champion | None:
        """The model that serves on an endpoint, with its config; its tags, ``tagged`` reads."""
        described = self.endpoint(endpoint)
        if described is None or not described.get("EndpointConfigName"):
            return None
        return self.configured(endpoint, described["EndpointConfigName"])

    def configured(self, endpoint: str, config_name: str) -> Champion:
        """The model that serves, or served, on an endpoint with this config; without ``config`` or ``model`` where one is gone."""
        return Champion(endpoint, config_name, *self.config_and_models(config_name))

    def tagged(self, champion: Champion) -> Champion:
        """A champion with the tags that a copy of its config keeps."""
        if not champion.config:
            return champion
        tags = _found(lambda: self._client.list_tags(ResourceArn=champion.config["EndpointConfigArn"])) or {}
        return replace(champion, tags=list(tags.get("Tags", [])))

    def config_and_models(self, name: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """A config, empty when there is none, and the models it names that exist, by name."""
        config = self.config(name) or {}
        found = {model: self.model(model) for model in dict.fromkeys(model_names(config))}
        return config, {model: described for model, described in found.items() if described is not None}

    # What is old.

    def used_names(self) -> set[str] | None:
        """Names of every config and model that an endpoint of the account serves or is moving to; two reads an endpoint.

        None when the account has more endpoints than can be looked at in one piece of work.
        """
        pages = self._client.get_paginator("list_endpoints").paginate(
            PaginationConfig={"PageSize": 100, "MaxItems": ENDPOINTS_LOOKED_AT + 1}
        )
        names = [listed["EndpointName"] for page in pages for listed in page["Endpoints"]]
        if len(names) > ENDPOINTS_LOOKED_AT:
            return None
        used = set[str]()
        for name in names:
            seen = EndpointSight.of(self.endpoint(name))
            for config in {name for name in (seen.live, seen.pending) if name is not None} - used:
                used |= {config, *model_names(self.config(config) or {})}
        return used

    def tags_of_made(self, name: str) -> list[dict[str, str]]:
        """Tags of the config and the model of this name, as many as there are of the two, each with its keys and values."""
        described = (self.config(name), self.model(name))
        arns = [each.get("EndpointConfigArn") or each.get("ModelArn") for each in described if each is not None]
        answers = [_found(functools.partial(self._client.list_tags, ResourceArn=str(arn))) or {} for arn in arns]
        return [{tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])} for answer in answers]

    def remove(self, name: str) -> None:
        """DeleteEndpointConfig and DeleteModel of this name; the artifacts stay. Idempotent.

        What is not there is not asked to go: it has no tag that would allow it, so AWS would refuse, not find it missing.
        """
        if self.config(name) is not None:
            _found(lambda: self._client.delete_endpoint_config(EndpointConfigName=name))
        if self.model(name) is not None:
            _found(lambda: self._client.delete_model(ModelName=name))


def _listed_run(run: Mapping[str, Any]) -> ListedRun:
    """A run of ListMonitoringExecutions that has a job."""
    return ListedRun(run["ProcessingJobArn"], run.get("MonitoringScheduleName"), run.get("EndpointName"))


def _refused(error: ClientError) -> str:
    """Why a list is not given for good.

    Raises:
        ClientError: it is, when asked again.
    """
    if transient(error):
        raise error
    return str(error.response["Error"]["Code"])


def _found(call: Callable[[], Any]) -> dict[str, Any] | None:
    """The answer, or None when the thing does not exist."""
    try:
        answer: dict[str, Any] = call()
    except ClientError as error:
        if meaning(error, error.operation_name) is Meaning.ABSENT:
            return None
        raise
    return answer


def _stopped(call: Callable[[], Any]) -> bool:
    """True when SageMaker took the stop; False when there was nothing to stop any more."""
    try:
        call()
    except ClientError as error:
        if meaning(error, error.operation_name) in {Meaning.DONE, Meaning.ABSENT}:
            return False
        raise
    return True
