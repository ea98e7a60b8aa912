"""Targets a team could own, and the ways in which they misbehave, for the stories of training and promotion."""

from __future__ import annotations

import json
import uuid
from typing import Any

from orchestration.domain.contracts import MODEL_TAG
from orchestration.domain.ownership import SHARED
from orchestration.domain.records import idempotency_token
from orchestration.domain.training_target import training_name
from tests.stack.loop import BETTER, CHAMPION, IMAGE, Loop

TRAIN = "import os, pathlib; pathlib.Path(os.environ['SM_MODEL_DIR'], 'model.txt').write_text('candidate')"
HANG = "import time; time.sleep(60)"


class Held:
    """A pipeline that stands still until it is let go."""

    def __init__(self, loop: Loop, output: dict[str, Any]) -> None:
        self._loop, self._output = loop, output
        self._queue = loop.aws.client("sqs").create_queue(QueueName=f"held-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        self.arn = loop.pipeline(
            {
                "Train": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                    "Arguments": {"QueueUrl": self._queue, "MessageBody": "{% $states.context.Task.Token %}"},
                    "End": True,
                }
            },
            "Train",
        )
        self._token = ""

    def until_it_runs(self) -> None:
        """Await its start."""

        def started() -> bool:
            messages = self._loop.aws.client("sqs").receive_message(QueueUrl=self._queue).get("Messages", [])
            self._token = messages[0]["Body"] if messages else ""
            return bool(messages)

        self._loop.until(started)

    def let_go(self) -> None:
        """Let it succeed with its output."""
        self._loop.aws.client("stepfunctions").send_task_success(taskToken=self._token, output=json.dumps(self._output))

    def executions(self) -> list[dict[str, Any]]:
        """Its executions."""
        found: list[dict[str, Any]] = self._loop.aws.client("stepfunctions").list_executions(stateMachineArn=self.arn)[
            "executions"
        ]
        return found


def held_training(loop: Loop, **more: Any) -> Held:
    """Create a training pipeline that stands still until it is let go."""
    return Held(
        loop,
        {
            "model_data_url": f"s3://{loop.data_bucket}/models/candidate.tar.gz",
            "image": IMAGE,
            "evaluation_uri": loop.evaluation(BETTER, CHAMPION),
            **more,
        },
    )


def job_request(loop: Loop, script: str = TRAIN) -> dict[str, Any]:
    """A CreateTrainingJob request as a policy has it."""
    return {
        "RoleArn": loop.role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", script],
        },
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def sagemaker_pipeline(loop: Loop, script: str = TRAIN, *, group: str | None = None) -> str:
    """Create a SageMaker pipeline that trains, and registers when a package group is given. Gives its ARN."""
    name = f"pipeline-{uuid.uuid4().hex[:8]}"
    training = job_request(loop, script) | {"OutputDataConfig": {"S3OutputPath": {"Get": "Parameters.OutputUri"}}}
    steps: list[dict[str, Any]] = [{"Name": "train", "Type": "Training", "Arguments": training}]
    if group:
        steps.append(
            {
                "Name": "Register",
                "Type": "RegisterModel",
                "Arguments": {
                    "ModelPackageGroupName": group,
                    "ModelApprovalStatus": "PendingManualApproval",
                    "InferenceSpecification": {
                        "Containers": [
                            {
                                "Image": IMAGE,
                                "ModelDataUrl": {"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"},
                            }
                        ],
                        "SupportedContentTypes": ["text/csv"],
                        "SupportedResponseMIMETypes": ["text/csv"],
                    },
                },
            }
        )
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "OutputUri", "Type": "String"}],
        "Steps": steps,
    }
    answer = loop.aws.client("sagemaker").create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(definition),
        RoleArn=loop.role_arn,
        Tags=[{"Key": MODEL_TAG, "Value": SHARED}],
    )
    return str(answer["PipelineArn"])


def group_of_packages(loop: Loop) -> tuple[str, str]:
    """Create a model package group and give its name and ARN."""
    name = f"group-{uuid.uuid4().hex[:8]}"
    answer = loop.aws.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return name, str(answer["ModelPackageGroupArn"])


def model_package(loop: Loop, containers: list[dict[str, Any]] | None = None) -> str:
    """Register a candidate, of these containers or of one, and give its ARN."""
    one = {"Image": IMAGE, "ModelDataUrl": f"s3://{loop.data_bucket}/models/candidate.tar.gz"}
    answer = loop.aws.client("sagemaker").create_model_package(
        ModelPackageGroupName=group_of_packages(loop)[0],
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": containers or [one],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    return str(answer["ModelPackageArn"])


def approval_of(loop: Loop, package: str) -> str:
    """What the registry says of a package."""
    described = loop.aws.client("sagemaker").describe_model_package(ModelPackageName=package)
    return str(described["ModelApprovalStatus"])


def new_run(loop: Loop, model: str, *, measured: bool = True) -> tuple[str, str]:
    """Choose the name of a run to come and put its evaluation where a SageMaker target would: its and its training's."""
    name = f"run-{uuid.uuid4().hex[:12]}"
    if measured:
        report = loop.read_uri(loop.evaluation(BETTER, CHAMPION))
        loop.put(f"runs/{model}/{name}/outputs/evaluation.json", report, bucket=loop.bucket)
    return name, training_name(idempotency_token(name))


def alarm(loop: Loop, *, threshold: float = 1.0) -> str:
    """Create an alarm that is OK and give its name."""
    name = f"alarm-{uuid.uuid4().hex[:8]}"
    cloudwatch = loop.aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="team",
        MetricName=name,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanThreshold",
    )
    set_alarm(loop, name, "OK")
    return name


def set_alarm(loop: Loop, name: str, state: str) -> None:
    """Move an alarm."""
    loop.aws.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="a story says so")


def lose_answer(loop: Loop, service: str, action: str, matching: str) -> None:
    """Have one call do its work and answer nothing but errors, however often boto3 asks again."""
    loop.aws.fail_next(service, action, code="InternalFailure", status=500, after_effect=True, matching=matching)
    loop.aws.fail_next(service, action, code="InternalFailure", status=500, times=3, matching=matching)
