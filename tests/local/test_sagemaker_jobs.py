"""Training and processing jobs run their scripts, and end as SageMaker's do."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.local.conftest import Account

TRAIN = """
import argparse, json, os, pathlib
p = argparse.ArgumentParser()
p.add_argument("--depth", type=int)
a = p.parse_args()
data = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "a.csv").read_text()
hps = json.loads(os.environ["SM_HPS"])
model = {"depth": a.depth, "hps": hps, "data": data, "extra": os.environ["EXTRA"]}
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(model))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "notes.txt").write_text("n")
print("auc=0.91")
"""
FAIL = (
    "import os, pathlib, sys\npathlib.Path(os.environ['OPT_ML'], 'output/failure').write_text('no rows')\nsys.exit(3)\n"
)
SLEEP = "import time\ntime.sleep(60)\n"
SYNC = "arn:aws:states:::sagemaker:createTrainingJob.sync"


def unpacked(account: Account, uri: str) -> dict[str, bytes]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = account.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar.getmembers()]
        return {name: content.read() for name, content in members if content is not None}


def test_a_training_job_runs_its_script_on_its_data(account: Account) -> None:
    request = account.training_request("j", TRAIN, Environment={"EXTRA": "e"})
    request["HyperParameters"]["depth"] = "3"
    request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "auc", "Regex": "auc=([0-9.]+)"}]
    account.sagemaker.create_training_job(**request)

    job = account.trained("j")

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["FinalMetricDataList"][0]["Value"] == pytest.approx(0.91)
    model = json.loads(unpacked(account, job["ModelArtifacts"]["S3ModelArtifacts"])["model.json"])
    assert model == {"depth": 3, "hps": {"depth": 3}, "data": "1,2\n", "extra": "e"}
    assert "notes.txt" in unpacked(account, "s3://data/out/j/output/output.tar.gz")
    logs = account.aws.client("logs").get_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamName="j/algo-1"
    )
    assert "auc=0.91" in [event["message"] for event in logs["events"]]


def test_status_events_carry_milliseconds_as_text(account: Account) -> None:
    url = account.listen({"source": ["aws.sagemaker"], "detail-type": ["SageMaker Training Job State Change"]})
    account.sagemaker.create_training_job(**account.training_request("j", FAIL))

    first, last = account.heard(url, 2)

    assert [first["detail"]["TrainingJobStatus"], last["detail"]["TrainingJobStatus"]] == ["InProgress", "Failed"]
    assert len(last["detail"]["CreationTime"]) == 13
    assert last["resources"] == ["arn:aws:sagemaker:us-east-1:000000000000:training-job/j"]


def test_the_script_may_say_why_it_failed(account: Account) -> None:
    account.sagemaker.create_training_job(**account.training_request("j", FAIL))

    assert account.trained("j")["FailureReason"] == "AlgorithmError: no rows"


def test_without_a_word_the_exit_code_is_the_reason(account: Account) -> None:
    account.sagemaker.create_training_job(**account.training_request("j", "raise ValueError('bad data')\n"))

    reason = account.trained("j")["FailureReason"]

    assert reason.startswith("AlgorithmError: ")
    assert "ValueError: bad data" in reason
    assert "exit code: 1" in reason


def test_a_channel_without_objects_fails_the_job(account: Account) -> None:
    request = account.training_request("j", TRAIN)
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = "s3://data/nothing/"
    account.sagemaker.create_training_job(**request)

    assert 'No S3 objects found under S3 URL "s3://data/nothing/"' in account.trained("j")["FailureReason"]


def test_a_job_that_takes_too_long_is_stopped(account: Account) -> None:
    request = account.training_request("j", SLEEP, StoppingCondition={"MaxRuntimeInSeconds": 1})
    account.sagemaker.create_training_job(**request)

    job = account.trained("j")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_job_is_accepted_and_gets_no_instances_on_demand(account: Account) -> None:
    account.aws.fail_next("sagemaker", "ProvisionInstances", code="CapacityError", message="None left.", matching="j")
    account.sagemaker.create_training_job(**account.training_request("j", TRAIN))

    job = account.trained("j")

    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", "CapacityError: None left.")
    account.sagemaker.create_training_job(**account.training_request("k", FAIL))
    assert account.trained("k")["FailureReason"] == "AlgorithmError: no rows"


def test_a_job_can_be_stopped(account: Account) -> None:
    account.sagemaker.create_training_job(**account.training_request("j", SLEEP))
    account.until(
        lambda: account.sagemaker.describe_training_job(TrainingJobName="j"),
        lambda job: job["SecondaryStatus"] == "Training",
    )

    account.sagemaker.stop_training_job(TrainingJobName="j")

    assert account.trained("j")["TrainingJobStatus"] == "Stopped"


def test_a_job_name_is_used_once(account: Account) -> None:
    request = account.training_request("j", TRAIN)
    account.sagemaker.create_training_job(**request)

    with pytest.raises(account.sagemaker.exceptions.ResourceInUse):
        account.sagemaker.create_training_job(**request)


def test_a_machine_waits_for_its_training_job(account: Account) -> None:
    request = account.training_request("j", TRAIN, Environment={"EXTRA": ""})

    ended = account.run("m", {"A": {"Type": "Task", "Resource": SYNC, "Arguments": request, "End": True}})

    assert json.loads(ended["output"])["ModelArtifacts"]["S3ModelArtifacts"] == "s3://data/out/j/output/model.tar.gz"


def test_a_failed_job_is_task_failed_with_its_description_as_cause(account: Account) -> None:
    task = {"Type": "Task", "Resource": SYNC, "Arguments": account.training_request("j", FAIL), "End": True}

    ended = account.run("m", {"A": task})

    assert ended["error"] == "States.TaskFailed"
    assert json.loads(ended["cause"])["FailureReason"] == "AlgorithmError: no rows"


def test_a_task_that_times_out_stops_its_job(account: Account) -> None:
    request = account.training_request("j", SLEEP)
    task = {"Type": "Task", "Resource": SYNC, "Arguments": request, "TimeoutSeconds": 1, "End": True}

    assert account.run("m", {"A": task})["error"] == "States.Timeout"
    assert account.trained("j")["TrainingJobStatus"] == "Stopped"


def test_aborting_the_execution_stops_its_job(account: Account) -> None:
    request = account.training_request("j", SLEEP)
    machine = account.machine("m", {"A": {"Type": "Task", "Resource": SYNC, "Arguments": request, "End": True}})
    execution = account.start(machine)
    account.until(lambda: account.sagemaker.list_training_jobs()["TrainingJobSummaries"], lambda jobs: len(jobs) == 1)

    account.states.stop_execution(executionArn=execution)

    assert account.trained("j")["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("resource", "arguments", "error"),
    [
        ("aws-sdk:sagemaker:describeEndpoint", {"EndpointName": "none"}, "SageMaker.SageMakerException"),
        ("aws-sdk:sagemaker:describePipeline", {"PipelineName": "none"}, "SageMaker.ResourceNotFoundException"),
        ("aws-sdk:sagemaker:describeEndpoint", {"EndpointNme": "none"}, "States.Runtime"),
        ("sagemaker:createModel", {"ModelName": "no_underscore"}, "SageMaker.AmazonSageMakerException"),
        ("sagemaker:createModel.sync", {"ModelName": "m"}, "States.Runtime"),
    ],
)
def test_errors_have_the_names_step_functions_gives_them(
    account: Account, resource: str, arguments: dict[str, Any], error: str
) -> None:
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Arguments": arguments, "End": True}

    assert account.run("m", {"A": task})["error"] == error


PROCESS = """
import os, pathlib, sys
pathlib.Path(sys.argv[1], "constraint_violations.json").write_text("{}")
message = "CompletedWithViolations: Job completed successfully with 3 violations."
pathlib.Path(os.environ["OPT_ML"], "output/message").write_text(message)
assert os.environ["output_path"] == sys.argv[1], sys.argv
sys.exit(int(os.environ["code"]))
"""


def processing_request(account: Account, code: str) -> dict[str, Any]:
    account.s3.put_object(Bucket="data", Key="scripts/p.py", Body=PROCESS.encode())
    script = {"S3Uri": "s3://data/scripts/", "LocalPath": "/opt/ml/processing/input/code"}
    result = {"S3Uri": "s3://data/reports", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    return {
        "ProcessingJobName": "monitor",
        "RoleArn": "arn:aws:iam::000000000000:role/service-role",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
        "AppSpecification": {
            "ImageUri": "image",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/p.py"],
            "ContainerArguments": ["/opt/ml/processing/output"],
        },
        "ProcessingInputs": [
            {"InputName": "code", "S3Input": {**script, "S3DataType": "S3Prefix", "S3InputMode": "File"}}
        ],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "result", "S3Output": result}]},
        "Environment": {"code": code, "output_path": "/opt/ml/processing/output"},
    }


def monitored(account: Account) -> str:
    """Have SageMaker monitor the endpoint fraud; gives the schedule's ARN."""
    request = processing_request(account, "0")
    endpoint = {"EndpointName": "fraud", "LocalPath": "/opt/ml/processing/input"}
    output = {"S3Uri": "s3://data/reports", "LocalPath": "/opt/ml/processing/output"}
    definition = {
        "MonitoringInputs": [{"EndpointInput": endpoint}],
        "MonitoringOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
        "MonitoringResources": request["ProcessingResources"],
        "MonitoringAppSpecification": {"ImageUri": "image"},
        "RoleArn": request["RoleArn"],
    }
    created = account.sagemaker.create_monitoring_schedule(
        MonitoringScheduleName="fraud-schedule",
        MonitoringScheduleConfig={
            "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
            "MonitoringJobDefinition": definition,
        },
    )
    return str(created["MonitoringScheduleArn"])


def test_a_processing_job_runs_its_command_and_tells_what_it_found(account: Account) -> None:
    url = account.listen({"source": ["aws.sagemaker"], "detail": {"ProcessingJobStatus": ["Completed"]}})
    schedule = monitored(account)
    account.aws.run_schedule("fraud-schedule", processing_request(account, "0"))

    job = account.processed("monitor")

    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExitMessage"].startswith("CompletedWithViolations")
    assert job["MonitoringScheduleArn"] == schedule
    account.s3.head_object(Bucket="data", Key="reports/constraint_violations.json")
    detail = account.heard(url, 1)[0]["detail"]
    assert (detail["MonitoringScheduleArn"], detail["ExitMessage"]) == (schedule, job["ExitMessage"])
    assert isinstance(detail["ProcessingEndTime"], int)
    listed = account.sagemaker.list_monitoring_executions(EndpointName="fraud")["MonitoringExecutionSummaries"]
    assert [execution["MonitoringExecutionStatus"] for execution in listed] == ["CompletedWithViolations"]
    assert (listed[0]["MonitoringScheduleName"], listed[0]["ProcessingJobArn"]) == (
        "fraud-schedule",
        job["ProcessingJobArn"],
    )


def test_a_run_on_batch_transforms_has_no_endpoint(account: Account) -> None:
    monitored(account)
    captured = {"DataCapturedDestinationS3Uri": "s3://data/captured", "LocalPath": "/opt/ml/processing/input"}
    batch = {**captured, "DatasetFormat": {"Csv": {"Header": True}}}
    config = account.sagemaker.describe_monitoring_schedule(MonitoringScheduleName="fraud-schedule")[
        "MonitoringScheduleConfig"
    ]
    (given,) = config["MonitoringJobDefinition"]["MonitoringInputs"]
    for wrong in ({}, {**given, "BatchTransformInput": batch}):
        config["MonitoringJobDefinition"]["MonitoringInputs"] = [wrong]
        with pytest.raises(ClientError, match="either an EndpointInput or a BatchTransformInput"):
            account.sagemaker.update_monitoring_schedule(
                MonitoringScheduleName="fraud-schedule", MonitoringScheduleConfig=config
            )
    config["MonitoringJobDefinition"]["MonitoringInputs"] = [{"BatchTransformInput": batch}]
    account.sagemaker.update_monitoring_schedule(
        MonitoringScheduleName="fraud-schedule", MonitoringScheduleConfig=config
    )
    account.aws.run_schedule("fraud-schedule", processing_request(account, "0"))

    environment = account.processed("monitor")["Environment"]

    assert "sagemaker_endpoint_name" not in environment
    assert environment["dataset_source"] == "/opt/ml/processing/input"
    assert json.loads(environment["dataset_format"]) == {"Csv": {"Header": True}}
    assert "EndpointName" not in account.sagemaker.describe_monitoring_schedule(MonitoringScheduleName="fraud-schedule")
    assert account.sagemaker.list_monitoring_executions(EndpointName="fraud")["MonitoringExecutionSummaries"] == []
    (listed,) = account.sagemaker.list_monitoring_executions()["MonitoringExecutionSummaries"]
    assert (listed["MonitoringScheduleName"], "EndpointName" in listed) == ("fraud-schedule", False)


def test_a_job_that_no_schedule_ran_is_no_run_of_the_schedule_that_it_names(account: Account) -> None:
    monitored(account)
    request = processing_request(account, "0")
    request["Environment"] |= {
        "sagemaker_monitoring_schedule_name": "fraud-schedule",
        "sagemaker_endpoint_name": "fraud",
    }
    account.sagemaker.create_processing_job(**request)

    job = account.processed("monitor")

    assert (job["ProcessingJobStatus"], "MonitoringScheduleArn" in job) == ("Completed", False)
    assert account.sagemaker.list_monitoring_executions()["MonitoringExecutionSummaries"] == []


def test_a_failed_processing_job_uploads_nothing_at_its_end(account: Account) -> None:
    account.sagemaker.create_processing_job(**processing_request(account, "4"))

    job = account.processed("monitor")

    assert job["ProcessingJobStatus"] == "Failed"
    assert "exit code: 4" in job["FailureReason"]
    with pytest.raises(ClientError):
        account.s3.head_object(Bucket="data", Key="reports/constraint_violations.json")


def test_the_prebuilt_monitor_image_cannot_run(account: Account) -> None:
    request = processing_request(account, "0")
    request["AppSpecification"] = {"ImageUri": "156813124566.dkr.ecr/sagemaker-model-monitor-analyzer"}
    account.sagemaker.create_processing_job(**request)

    assert "ContainerEntrypoint" in account.processed("monitor")["FailureReason"]
