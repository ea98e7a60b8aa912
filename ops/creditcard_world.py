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

from ops.project import ROOT
from ops.stack_deployment import deploy, package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

EXAMPLE: Final = ROOT / "examples" / "creditcard"
MODEL: Final = "creditcard"
ENDPOINT: Final = "creditcard-prod"
SCHEDULE: Final = "creditcard-data-quality"
CLUSTER: Final = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
REGISTRIES: Final = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}
"""Account of AWS's scikit-learn container by Region. Source: AWS's SageMaker Python SDK, ``image_uri_config/sklearn.json``."""


def image_of(region: str) -> str | None:
    """AWS's scikit-learn container in a Region, None where none is known; the embedded AWS plays its script mode. Pure."""
    account = REGISTRIES.get(region)
    return account and f"{account}.dkr.ecr.{region}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


IMAGE: Final = f"{REGISTRIES['us-east-1']}.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
"""The demo's container."""

FRESH_ROWS: Final = 5000
TRAINING_ROWS: Final = 20000
TRAINING_SEED, FRESH_SEED, MILD_SEED = 7, 101, 202


class WorldError(Exception):
    """Something of an example did not come about, such as a job; the message says what, with SageMaker's reason."""


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
        endpoint: name of the endpoint.
        image: the container that trains and serves.
        rows: of the champion's training data.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        environment: Mapping[str, str],
        data_bucket: str,
        folder: Path,
        *,
        endpoint: str = ENDPOINT,
        image: str = IMAGE,
        rows: int = TRAINING_ROWS,
    ) -> None:
        self._client = client
        self._environment = environment
        self._endpoint = endpoint
        self._image = image
        self._rows = rows
        self.data_bucket = data_bucket
        self._folder = folder
        if str(EXAMPLE) not in sys.path:
            # The example's scripts import each other as SageMaker runs them: files of one directory.
            sys.path.append(str(EXAMPLE))
        self._scripts = {name: importlib.import_module(name) for name in ("transactions", "baseline", "sourcedir")}

    def make_data(self) -> None:
        """Write training data, its baseline and the code into the data bucket."""
        s3 = self._client("s3")
        region = s3.meta.region_name
        # us-east-1 is the one Region that must not be named.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=self.data_bucket, **where)
        training = self._transactions("training.csv", TRAINING_SEED, self._rows, 0.0)
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

    def train_champion(self, role_arn: str, name: str = "") -> str:
        """Train the first champion with a SageMaker training job and let it serve.

        Args:
            role_arn: role of the job and of the model.
            name: of job, model and endpoint config; one of its own when left out.

        Returns:
            That name.
        """
        sagemaker = self._client("sagemaker")
        code = self._uri("creditcard/code/sourcedir.tar.gz")
        name = name or f"creditcard-champion-{uuid.uuid4().hex[:8]}"
        sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": self._image, "TrainingInputMode": "File"},
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
                "Image": self._image,
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
            EndpointName=self._endpoint, EndpointConfigName=name, Tags=[{"Key": "retraining:model", "Value": MODEL}]
        )
        self._await(lambda: sagemaker.describe_endpoint(EndpointName=self._endpoint), "EndpointStatus")
        return name

    def upload_policy(self, world: World, automation_bucket: str) -> None:
        """Fill the example's policy in and upload it."""
        text = Template((EXAMPLE / "policy.json").read_text(encoding="utf-8")).substitute(
            TrainingPipelineArn=world.pipeline_arn,
            DataBucket=world.data_bucket,
            TrainingJobRoleArn=world.role_arn,
            TrainingImage=self._image,
        )
        self._client("s3").put_object(Bucket=automation_bucket, Key=f"policies/{MODEL}.json", Body=text.encode())

    def new_transactions(self, drift: float, seed: int, day: str, *, labelled: bool = True) -> None:
        """A day's fresh transactions arrive: for the monitor without labels to trust, for training with them, where they come."""
        fresh = self._transactions(f"{day}.csv", seed, FRESH_ROWS, drift)
        self._upload(fresh, f"creditcard/fresh/{day}/transactions.csv")
        if labelled:
            known = self._transactions(f"{day}-labelled.csv", seed + 1, TRAINING_ROWS, drift)
            self._upload(known, "creditcard/training/training.csv")

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
                        {"EndpointInput": {"EndpointName": self._endpoint, "LocalPath": f"{local}/input_data"}}
                    ],
                    "MonitoringOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
                    "MonitoringResources": {"ClusterConfig": CLUSTER},
                    "MonitoringAppSpecification": {"ImageUri": self._image},
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
                "ImageUri": self._image,
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
            EndpointName=self._endpoint, ContentType="text/csv", Accept="application/json", Body=body.encode()
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
        began = time.monotonic()
        while (waited := time.monotonic() - began) < limit:
            found = describe()
            if found[field] in {"Completed", "InService"}:
                return found
            if found[field] in {"Failed", "Stopped", "OutOfService"}:
                raise WorldError(f"{field} is {found[field]}: {found.get('FailureReason', 'no reason given')}")
            time.sleep(min(max(0.1, waited / 20), 10))
        raise WorldError(f"{field} did not settle within {limit:.0f} s.")
