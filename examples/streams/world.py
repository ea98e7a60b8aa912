"""The world around the loop: a model that serves a stream, the chunks that arrive, and the event that its monitor sends."""

from __future__ import annotations

import io
import json
from datetime import UTC
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from examples.creditcard import sourcedir
from local.embedded_aws import wait_until
from ops.creditcard_world import WorldError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    from examples.streams.model import Chunk

HERE: Final = Path(__file__).parent
SERVER: Final = {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
PATIENCE_SECONDS: Final = 90.0
"""How long a training or a run may take, on a machine with other things to do."""


class StreamWorld:
    """A team's model, its data and its endpoint.

    Args:
        client: gives a boto3 client by service name.
        model: its name; the endpoint is ``<model>-prod``.
        data_bucket: bucket of the team's data, which is there.
        role_arn: role of trainings and of the endpoint.
        image: the container that trains and serves.
        outputs: of the loop's stack.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        *,
        model: str,
        data_bucket: str,
        role_arn: str,
        image: str,
        outputs: Mapping[str, str],
    ) -> None:
        self._client = client
        self._bucket = data_bucket
        self._role_arn = role_arn
        self._image = image
        self._outputs = outputs
        self._heard: set[str] = set()
        self.model = model
        self.endpoint = f"{model}-prod"

    def arrive(self, number: int, chunk: Chunk) -> str:
        """Put a chunk, labels included, where trainings find it; gives its URI."""
        text = io.StringIO()
        np.savetxt(text, np.column_stack([chunk.labels, chunk.columns]), delimiter=",", fmt="%.9g")
        return self._put(f"chunks/{number:04d}.csv", text.getvalue().encode())

    def put_policy(self, **replaced: Any) -> dict[str, Any]:
        """Fill the policy in, with sections replaced, hand it to the loop, and give it."""
        filled = Template((HERE / "policy.json").read_text(encoding="utf-8")).substitute(
            Model=self.model, RoleArn=self._role_arn, Image=self._image, DataBucket=self._bucket
        )
        policy: dict[str, Any] = {**json.loads(filled), **replaced}
        bucket, key = self._outputs["AutomationBucketName"], f"policies/{self.model}.json"
        self._client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(policy).encode())
        return policy

    def serve_first(self, policy: Mapping[str, Any]) -> float:
        """Train the first champion by the policy's own request and have it serve; gives the error it promises."""
        sagemaker, name = self._client("sagemaker"), f"{self.model}-first"
        request = policy["training"]["request"]
        code = self._put("code/sourcedir.tar.gz", sourcedir.build(HERE, ("model.py",)))
        evaluation = f"s3://{self._bucket}/{self.model}/first/evaluation.json"
        sagemaker.create_training_job(
            **{
                **request,
                "TrainingJobName": name,
                "OutputDataConfig": {"S3OutputPath": f"s3://{self._bucket}/{self.model}/first/"},
                "HyperParameters": {**request["HyperParameters"], "evaluation-uri": evaluation},
            }
        )
        job = self._ended(lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus")
        environment = {"SAGEMAKER_PROGRAM": "model.py", "SAGEMAKER_SUBMIT_DIRECTORY": code}
        data = job["ModelArtifacts"]["S3ModelArtifacts"]
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=self._role_arn,
            PrimaryContainer={"Image": self._image, "ModelDataUrl": data, "Environment": environment},
        )
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": name, **SERVER}]
        )
        sagemaker.create_endpoint(
            EndpointName=self.endpoint,
            EndpointConfigName=name,
            Tags=[{"Key": "retraining:model", "Value": self.model}],
        )
        self._ended(lambda: sagemaker.describe_endpoint(EndpointName=self.endpoint), "EndpointStatus")
        return 1 - _accuracy(self._read(self._bucket, f"{self.model}/first/evaluation.json"))

    def answers(self, columns: NDArray[np.float64]) -> NDArray[np.int64]:
        """What the endpoint answers to rows, a label each."""
        rows = io.StringIO()
        np.savetxt(rows, columns, delimiter=",", fmt="%.9g")
        answer = self._client("sagemaker-runtime").invoke_endpoint(
            EndpointName=self.endpoint, ContentType="text/csv", Accept="text/csv", Body=rows.getvalue().encode()
        )
        return np.loadtxt(io.BytesIO(answer["Body"].read()), ndmin=1).astype(np.int64)

    def speak(self, report: Mapping[str, Any], at: datetime) -> list[dict[str, Any]]:
        """Send a drift report as the monitor does at that time; gives the outputs of the executions that came of it."""
        entry = {
            "Source": "mlops.drift",
            "DetailType": "Drift Detected",
            "Detail": json.dumps(report),
            "Time": at.astimezone(UTC),
        }
        answer = self._client("events").put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise WorldError(f"EventBridge did not take the report: {answer['Entries']}")
        try:
            begun = wait_until(self._executions, within=PATIENCE_SECONDS)
        except TimeoutError:
            raise WorldError("The loop began nothing with the monitor's report.") from None
        return self._ends(begun)

    def sweep(self) -> list[dict[str, Any]]:
        """Have the loop do what is due by now; gives the outputs of the executions that came of it."""
        answer = self._client("lambda").invoke(
            FunctionName=self._outputs["OrchestrationFunctionName"], Payload=json.dumps({"action": "sweep"}).encode()
        )
        if "FunctionError" in answer:
            raise WorldError(f"The sweep failed: {answer['Payload'].read().decode()}")
        return self._ends(self._executions())

    def promised(self, run_id: str) -> float:
        """The error that the candidate of a run promises, of the loop's own record of its evaluation."""
        found = self._read(self._outputs["AutomationBucketName"], f"evidence/{self.model}/{run_id}/evaluation.json")
        return 1 - float(found["verdict"]["candidate_metrics"]["accuracy"])

    def _executions(self) -> list[str]:
        """Executions about this model that were not seen before."""
        states, found = self._client("stepfunctions"), []
        pages = states.get_paginator("list_executions").paginate(stateMachineArn=self._outputs["StateMachineArn"])
        for arn in (each["executionArn"] for page in pages for each in page["executions"]):
            if arn not in self._heard:
                self._heard.add(arn)
                if f'"{self.model}"' in states.describe_execution(executionArn=arn)["input"].replace("\\", ""):
                    found.append(arn)
        return found

    def _ends(self, arns: list[str]) -> list[dict[str, Any]]:
        states = self._client("stepfunctions")

        def over(arn: str) -> Any:
            found = states.describe_execution(executionArn=arn)
            return found if found["status"] != "RUNNING" else None

        ended = []
        for arn in arns:
            try:
                found = wait_until(lambda arn=arn: over(arn), within=PATIENCE_SECONDS)
            except TimeoutError:
                raise WorldError(f"Execution {arn} goes on after {PATIENCE_SECONDS:.0f} s.") from None
            if found["status"] != "SUCCEEDED":
                raise WorldError(f"Execution {arn} ended {found['status']}: {found.get('cause')}")
            ended.append(json.loads(found["output"]))
        return ended

    def _ended(self, describe: Callable[[], dict[str, Any]], status: str) -> dict[str, Any]:
        def over() -> dict[str, Any] | None:
            found = describe()
            return found if found[status] not in {"InProgress", "Creating", "Updating"} else None

        found: dict[str, Any] = wait_until(over, within=PATIENCE_SECONDS)
        if found[status] not in {"Completed", "InService"}:
            raise WorldError(f"{status} is {found[status]}: {found.get('FailureReason')}")
        return found

    def _put(self, name: str, body: bytes) -> str:
        key = f"{self.model}/{name}"
        self._client("s3").put_object(Bucket=self._bucket, Key=key, Body=body)
        return f"s3://{self._bucket}/{key}"

    def _read(self, bucket: str, key: str) -> Any:
        return json.loads(self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def _accuracy(report: Mapping[str, Any]) -> float:
    return float(report["binary_classification_metrics"]["accuracy"]["value"])
