"""What the hand changes in SageMaker. Each call can be repeated: names and tokens are derived from the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.stores.service_answers import Taken, asked

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient


class SageMakerChanges:
    """Creates models, configs and trainings, moves endpoints, changes registry entries and baselines."""

    def __init__(self, client: SageMakerClient) -> None:
        self._client = client

    def create_model(self, request: dict[str, Any]) -> Taken:
        """CreateModel."""
        return asked(lambda: self._client.create_model(**request), "CreateModel")

    def create_endpoint_config(self, request: dict[str, Any]) -> Taken:
        """CreateEndpointConfig."""
        return asked(lambda: self._client.create_endpoint_config(**request), "CreateEndpointConfig")

    def update_endpoint(self, request: dict[str, Any]) -> Taken:
        """UpdateEndpoint."""
        return asked(lambda: self._client.update_endpoint(**request), "UpdateEndpoint")

    def create_training_job(self, request: dict[str, Any]) -> Taken:
        """CreateTrainingJob."""
        return asked(lambda: self._client.create_training_job(**request), "CreateTrainingJob")

    def start_pipeline_execution(self, request: dict[str, Any]) -> Taken:
        """StartPipelineExecution; ``returned`` holds its PipelineExecutionArn."""
        return asked(lambda: self._client.start_pipeline_execution(**request), "StartPipelineExecution")

    def judge_package(self, arn: str, status: str, sentence: str) -> Taken:
        """UpdateModelPackage: Approved or Rejected, with the reason."""
        request: Any = {
            "ModelPackageArn": arn,
            "ModelApprovalStatus": status,
            "ApprovalDescription": sentence[:1024],
        }
        return asked(lambda: self._client.update_model_package(**request), "UpdateModelPackage")

    def update_schedule(self, request: dict[str, Any]) -> Taken:
        """UpdateMonitoringSchedule."""
        return asked(lambda: self._client.update_monitoring_schedule(**request), "UpdateMonitoringSchedule")
