"""The world around the loop in the demo: a card-fraud model that serves, its data, its monitor, its training pipeline.

Everything here is what a team has before it deploys the loop. It works the same against AWS and the embedded AWS,
except that AWS wants a real training image and a role that may use it.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import uuid
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any, Final

from ops.stack_deployment import ROOT, deploy, package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

EXAMPLE: Final = ROOT / "examples" / "creditcard"
MODEL: Final = "creditcard"
ENDPOINT: Final = "creditcard-prod"
SCHEDULE: Final = "creditcard-data-quality"
CLUSTER: Final = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
IMAGE: Final = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
"""AWS's scikit-learn container in us-east-1; the embedded AWS runs its script-mode contract without the image."""

FRESH_ROWS: Final = 5000
TRAINING_ROWS: Final = 20000
TRAINING_SEED, FRESH_SEED, MILD_SEED = 7, 101, 202


class WorldError(Exception):
    """A job of the example failed; the message holds SageMaker's reason."""


@dataclass(frozen=True)
class World:
    """Names of what was set up."""

    data_bucket: str
    role_arn: str
    pipeline_arn: str


class CreditcardWorld:
    """Sets the example up and plays the part of time passing.

    Args:
        client: gives a boto3 client by service name.
        environment: variables for the AWS CLI.
        data_bucket: bucket of the team's data; created.
        folder: where its files are made before they are uploaded.
    """

    def __init__(
        self, client: Callable[[str], Any], environment: Mapping[str, str], data_bucket: str, folder: Path
    ) -> None:
        self._client = client
        self._environment = environment
        self.data_bucket = data_bucket
        self._folder = folder
        if str(EXAMPLE) not in sys.path:
            # The example's scripts import each other as SageMaker runs them: files of one directory.
            sys.path.append(str(EXAMPLE))
        self._scripts = {name: importlib.import_module(name) for name in ("transactions", "baseline", "sourcedir")}

    def make_data(self) -> None:
        """Write training data, its baseline and the code into the data bucket."""
        s3 = self._client("s3")
        s3.create_bucket(Bucket=self.data_bucket)
        training = self._transactions("training.csv", TRAINING_SEED, TRAINING_ROWS, 0.0)
        self._upload(training, "creditcard/champion-data/training.csv")
        baseline = self._scripts["baseline"]
        columns = baseline.read_training_data(training, "is_fraud")
        statistics = baseline.build_statistics(columns)
        for name, document in (
            ("statistics", statistics),
            ("constraints", baseline.build_constraints(statistics)),
        ):
            path = self._folder / f"{name}.json"
            baseline.write_json(document, path)
            self._upload(path, f"creditcard/baseline/{name}.json")
        s3.put_object(
            Bucket=self.data_bucket,
            Key="creditcard/code/sourcedir.tar.gz",
            Body=self._scripts["sourcedir"].build(EXAMPLE),
        )
        for name in ("monitor.py", "baseline.py"):
            self._upload(EXAMPLE / name, f"creditcard/monitor-code/{name}")

    def deploy_pipeline(self, artifact_bucket: str, automation_bucket: str) -> World:
        """Deploy the team's own training pipeline."""
        packaged = package(
            EXAMPLE / "training-pipeline.yaml",
            artifact_bucket,
            self._folder / "training-pipeline.packaged.yaml",
            environment=self._environment,
        )
        outputs = deploy(
            packaged,
            "creditcard-training",
            {"DataBucket": self.data_bucket, **({"AutomationBucket": automation_bucket} if automation_bucket else {})},
            environment=self._environment,
        )
        return World(self.data_bucket, outputs["TrainingJobRoleArn"], outputs["TrainingPipelineArn"])

    def train_champion(self, role_arn: str) -> str:
        """Train the first champion with a SageMaker training job and let it serve. Gives its endpoint config's name."""
        sagemaker = self._client("sagemaker")
        code = self._uri("creditcard/code/sourcedir.tar.gz")
        name = f"creditcard-champion-{uuid.uuid4().hex[:8]}"
        sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            RoleArn=role_arn,
            InputDataConfig=[self._channel("train", "creditcard/champion-data/")],
            OutputDataConfig={"S3OutputPath": self._uri("creditcard/models/")},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
            HyperParameters={"sagemaker_program": "train.py", "sagemaker_submit_directory": code},
        )
        job = self._await(lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus")
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=role_arn,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
                "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": code},
            },
        )
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": name,
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                }
            ],
        )
        sagemaker.create_endpoint(
            EndpointName=ENDPOINT, EndpointConfigName=name, Tags=[{"Key": "retraining:model", "Value": MODEL}]
        )
        self._await(lambda: sagemaker.describe_endpoint(EndpointName=ENDPOINT), "EndpointStatus")
        return name

    def upload_policy(self, world: World, automation_bucket: str) -> None:
        """Fill the example's policy in and upload it."""
        text = Template((EXAMPLE / "policy.json").read_text(encoding="utf-8")).substitute(
            TrainingPipelineArn=world.pipeline_arn,
            DataBucket=world.data_bucket,
            TrainingJobRoleArn=world.role_arn,
            TrainingImage=IMAGE,
        )
        self._client("s3").put_object(Bucket=automation_bucket, Key=f"policies/{MODEL}.json", Body=text.encode())

    def new_transactions(self, drift: float, seed: int, day: str) -> None:
        """A day's fresh transactions arrive: for the monitor without labels to trust, for training with them."""
        fresh = self._transactions(f"{day}.csv", seed, FRESH_ROWS, drift)
        self._upload(fresh, f"creditcard/fresh/{day}/transactions.csv")
        labelled = self._transactions(f"{day}-labelled.csv", seed + 1, TRAINING_ROWS, drift)
        self._upload(labelled, "creditcard/training/training.csv")

    def make_schedule(self, role_arn: str) -> None:
        """Have SageMaker monitor the endpoint."""
        local = "/opt/ml/processing"
        output = {"S3Uri": self._uri("creditcard/reports/"), "LocalPath": f"{local}/output"}
        self._client("sagemaker").create_monitoring_schedule(
            MonitoringScheduleName=SCHEDULE,
            MonitoringScheduleConfig={
                "ScheduleConfig": {"ScheduleExpression": "cron(0 0 ? * * *)"},
                "MonitoringType": "DataQuality",
                "MonitoringJobDefinition": {
                    "MonitoringInputs": [
                        {"EndpointInput": {"EndpointName": ENDPOINT, "LocalPath": f"{local}/input_data"}}
                    ],
                    "MonitoringOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
                    "MonitoringResources": {"ClusterConfig": CLUSTER},
                    "MonitoringAppSpecification": {"ImageUri": IMAGE},
                    "RoleArn": role_arn,
                },
            },
        )

    def run_monitor(
        self, role_arn: str, day: str, run_schedule: Callable[[str, dict[str, Any]], None]
    ) -> dict[str, Any]:
        """Have the schedule run on a day's transactions. Gives the job's description.

        Args:
            role_arn: role of the job.
            day: the day, as in ``2026-03-02``.
            run_schedule: plays SageMaker, whose hour has come: runs a schedule by a CreateProcessingJob request.
        """
        sagemaker = self._client("sagemaker")
        name = f"model-monitor-{day}-{uuid.uuid4().hex[:8]}"
        local = "/opt/ml/processing"
        inputs = {
            "code": ("creditcard/monitor-code/", f"{local}/code"),
            "baseline": ("creditcard/baseline/", f"{local}/baseline"),
            "endpoint_input_1": (f"creditcard/fresh/{day}/", f"{local}/input_data"),
        }
        request = {
            "ProcessingJobName": name,
            "RoleArn": role_arn,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", f"{local}/code/monitor.py"],
            },
            "ProcessingInputs": [
                {
                    "InputName": input_name,
                    "S3Input": {
                        "S3Uri": self._uri(key),
                        "LocalPath": path,
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for input_name, (key, path) in inputs.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "result",
                        "S3Output": {
                            "S3Uri": self._uri(f"creditcard/reports/{day}/"),
                            "LocalPath": f"{local}/output",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
            "ProcessingResources": {"ClusterConfig": CLUSTER},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "Environment": {
                "dataset_source": f"{local}/input_data",
                "output_path": f"{local}/output",
                "baseline_constraints": f"{local}/baseline/constraints.json",
                "baseline_statistics": f"{local}/baseline/statistics.json",
                "start_time": f"{day}T00:00:00Z",
                "end_time": f"{day}T23:59:59Z",
                "publish_cloudwatch_metrics": "Disabled",
            },
        }
        run_schedule(SCHEDULE, request)
        return self._await(
            lambda: dict(sagemaker.describe_processing_job(ProcessingJobName=name)), "ProcessingJobStatus"
        )

    def mean_score(self, seed: int, drift: float, rows: int = 200) -> tuple[float, float]:
        """Ask the endpoint about fresh transactions.

        Returns:
            Mean score it gives to frauds, and to honest transactions.
        """
        path = self._transactions(f"probe-{seed}.csv", seed, rows, drift)
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        assert header.startswith("is_fraud,")  # noqa: S101 - the label comes first by the generator's contract
        labels = [line.split(",", 1)[0] for line in lines]
        body = "\n".join(line.split(",", 1)[1] for line in lines)
        answer = self._client("sagemaker-runtime").invoke_endpoint(
            EndpointName=ENDPOINT, ContentType="text/csv", Accept="application/json", Body=body.encode()
        )
        parsed = json.loads(answer["Body"].read())
        scores = parsed["predictions"] if isinstance(parsed, dict) else parsed
        values = [float(score["score"] if isinstance(score, dict) else score) for score in scores]
        frauds = [value for value, label in zip(values, labels, strict=True) if float(label) == 1.0]
        honest = [value for value, label in zip(values, labels, strict=True) if float(label) != 1.0]
        return sum(frauds) / max(len(frauds), 1), sum(honest) / max(len(honest), 1)

    def _transactions(self, name: str, seed: int, rows: int, drift: float) -> Path:
        module, path = self._scripts["transactions"], self._folder / name
        module.write_csv(module.generate(seed, rows, drift), path)
        return path

    def _upload(self, path: Path, key: str) -> None:
        self._client("s3").upload_file(str(path), self.data_bucket, key)

    def _uri(self, key: str) -> str:
        return f"s3://{self.data_bucket}/{key}"

    def _channel(self, name: str, key: str) -> dict[str, Any]:
        return {
            "ChannelName": name,
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": self._uri(key),
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }

    @staticmethod
    def _await(describe: Callable[[], dict[str, Any]], field: str, limit: float = 900.0) -> dict[str, Any]:
        """Ask until a job or an endpoint is there; this is the demo waiting, the loop itself never polls."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            found = describe()
            if found[field] in {"Completed", "InService"}:
                return found
            if found[field] in {"Failed", "Stopped", "OutOfService"}:
                raise WorldError(f"{field} is {found[field]}: {found.get('FailureReason', 'no reason given')}")
            time.sleep(0.1)
        raise WorldError(f"{field} did not settle within {limit:.0f} s.")
