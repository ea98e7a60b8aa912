"""A monitor's run is what SageMaker lists as one; a job that only says so is asked about."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from tests.stack.loop import Loop
from tests.stack.moments import SWEEP, parked, run_of, serving
from tests.stack.test_rollback import baking

LOCAL: Final = "/opt/ml/processing"
CLUSTER: Final = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
REPORT: Final = {
    "violations": [
        {
            "feature_name": "amount",
            "constraint_check_type": "baseline_drift_check",
            "description": "Baseline drift distance: 0.9 exceeds threshold: 0.1",
        }
    ]
}
MONITOR: Final = f"""
import json, os, pathlib
opt = os.environ["OPT_ML"]
pathlib.Path(opt, "processing/output/constraint_violations.json").write_text({json.dumps(json.dumps(REPORT))})
pathlib.Path(opt, "output/message").write_text("CompletedWithViolations: 1 violation.")
"""


def schedule(loop: Loop, model: str) -> str:
    """A monitoring schedule of a model's endpoint."""
    output = {"S3Uri": f"s3://{loop.data_bucket}/reports/{model}/", "LocalPath": f"{LOCAL}/output"}
    loop.aws.client("sagemaker").create_monitoring_schedule(
        MonitoringScheduleName=f"{model}-schedule",
        MonitoringScheduleConfig={
            "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
            "MonitoringJobDefinition": {
                "MonitoringInputs": [
                    {"EndpointInput": {"EndpointName": f"{model}-prod", "LocalPath": f"{LOCAL}/input"}}
                ],
                "MonitoringOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
                "MonitoringResources": {"ClusterConfig": CLUSTER},
                "MonitoringAppSpecification": {"ImageUri": "monitor"},
                "RoleArn": loop.role_arn,
            },
        },
    )
    return f"{model}-schedule"


def job(loop: Loop, model: str, **names: str) -> dict[str, Any]:
    """A CreateProcessingJob request of a job that finds drift, with what its environment names."""
    name = f"data-quality-monitoring-{uuid.uuid4().hex[:12]}"
    loop.put("monitor/monitor.py", MONITOR.encode())
    code = {"S3Uri": f"s3://{loop.data_bucket}/monitor/", "LocalPath": f"{LOCAL}/code", "S3InputMode": "File"}
    result = {"S3Uri": f"s3://{loop.data_bucket}/reports/{model}/{name}/", "LocalPath": f"{LOCAL}/output"}
    return {
        "ProcessingJobName": name,
        "RoleArn": loop.role_arn,
        "AppSpecification": {"ImageUri": "monitor", "ContainerEntrypoint": ["python3", f"{LOCAL}/code/monitor.py"]},
        "ProcessingInputs": [{"InputName": "code", "S3Input": {**code, "S3DataType": "S3Prefix"}}],
        "ProcessingOutputConfig": {
            "Outputs": [{"OutputName": "result", "S3Output": {**result, "S3UploadMode": "EndOfJob"}}]
        },
        "ProcessingResources": {"ClusterConfig": CLUSTER},
        "Environment": {"start_time": "2099-03-02T10:00:00Z", "end_time": "2099-03-02T11:00:00Z", **names},
    }


def forged(loop: Loop, model: str) -> str:
    """Somebody creates a job in the name of the model's schedule; gives the execution that hears of it."""
    names = {
        "sagemaker_endpoint_name": f"{model}-prod",
        "sagemaker_monitoring_schedule_name": f"{model}-schedule",
    }
    made = job(loop, model, **names)
    loop.aws.client("sagemaker").create_processing_job(**made)
    return heard(loop, made["ProcessingJobName"])


def monitored(loop: Loop, model: str) -> str:
    """The model's schedule runs; gives the execution that hears of it."""
    made = job(loop, model)
    loop.aws.run_schedule(f"{model}-schedule", made)
    return heard(loop, made["ProcessingJobName"])


def heard(loop: Loop, name: str) -> str:
    """Await the execution that the end of a job started."""

    def started() -> str | None:
        return next((arn for arn in loop.executions() if name in loop.input_of(arn)), None)

    return str(loop.until(started))


def test_what_a_monitor_found_is_retrained_for(loop: Loop) -> None:
    model = loop.model()
    schedule(loop, model)

    ended = loop.ended(monitored(loop, model))

    assert ended.output["outcome"] == "PROMOTED", ended
    (record,) = loop.decisions(model)
    assert record["signal"]["proven_by"] == f"monitoring schedule {model}-schedule"


def test_a_job_in_a_monitors_name_trains_only_when_people_say_so(loop: Loop) -> None:
    model = loop.model()
    schedule(loop, model)

    arn = forged(loop, model)
    parked(loop, arn, "approval:training")

    (record,) = loop.decisions(model)
    assert (record["approval"]["needed"], record["signal"]["proven_by"]) == (True, None)
    assert f"SageMaker does not list that schedule {model}-schedule ran this job" in record["sentence"]
    loop.vote(run_of(arn), "REJECTED")
    loop.ended(arn)
    assert "TRAINING_STARTED" not in loop.statuses(run_of(arn))
    assert serving(loop, model) == f"{model}-first"


def test_a_job_in_a_monitors_name_does_not_end_a_bake_and_the_monitors_does(loop: Loop) -> None:
    model, arn = baking(loop)
    schedule(loop, model)

    assert loop.ended(forged(loop, model)).output["outcome"] == "COALESCE"
    loop.invoke(SWEEP)
    assert loop.status(arn) == "RUNNING"
    assert loop.ended(monitored(loop, model)).output["outcome"] == "COALESCE"
    loop.invoke(SWEEP)

    ended = loop.ended(arn)
    assert ended.error == "RolledBack"
    assert "Drift came back during the bake" in (ended.cause or "")
    assert serving(loop, model) == f"{model}-first"
