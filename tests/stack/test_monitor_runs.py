"""A monitor's run is what SageMaker lists as one; a job that only says so is asked about."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from orchestration.domain.contracts import MODEL_TAG
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


def schedule(loop: Loop, model: str, **batch: Any) -> str:
    """A monitoring schedule of a model's endpoint, or with its tags of its batch transforms."""
    output = {"S3Uri": f"s3://{loop.data_bucket}/reports/{model}/", "LocalPath": f"{LOCAL}/output"}
    captured = {
        "DataCapturedDestinationS3Uri": f"s3://{loop.data_bucket}/captured/{model}/",
        "LocalPath": f"{LOCAL}/input",
    }
    monitored_input = (
        {"BatchTransformInput": {**captured, "DatasetFormat": {"Csv": {"Header": True}}}}
        if batch
        else {"EndpointInput": {"EndpointName": f"{model}-prod", "LocalPath": f"{LOCAL}/input"}}
    )
    loop.aws.client("sagemaker").create_monitoring_schedule(
        **batch,
        MonitoringScheduleName=f"{model}-schedule",
        MonitoringScheduleConfig={
            "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
            "MonitoringJobDefinition": {
                "MonitoringInputs": [monitored_input],
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


@contextmanager
def deaf(loop: Loop) -> Iterator[Callable[[str], None]]:
    """The loop hears of no job meanwhile; gives what waits until EventBridge told of the end of one."""
    events, sqs, rule = loop.aws.client("events"), loop.aws.client("sqs"), loop.rule("DriftRule")
    name = f"ended-{uuid.uuid4().hex[:8]}"
    arn = f"arn:aws:sqs:{loop.aws.region}:{loop.aws.account}:{name}"
    takes = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**takes, "Resource": arn}]}
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})["QueueUrl"]
    ended = {"source": ["aws.sagemaker"], "detail": {"ProcessingJobStatus": ["Completed"]}}
    events.put_rule(Name=name, EventPattern=json.dumps(ended))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

    def told(job_name: str) -> None:
        def heard_of() -> bool:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            return any(job_name in message["Body"] for message in messages)

        loop.until(heard_of)

    events.disable_rule(Name=rule)
    try:
        yield told
    finally:
        events.enable_rule(Name=rule)
        events.remove_targets(Rule=name, Ids=["queue"])
        events.delete_rule(Name=name)
        sqs.delete_queue(QueueUrl=url)


def batch_model(loop: Loop, **tags: str) -> str:
    """A model that has no endpoint, with a schedule that monitors its batch transforms."""
    model = loop.model(
        policy={"promotion": {"kind": "none"}, "evaluation": {"metric": "auc", "minimum": 0.8, "champion": "none"}}
    )
    schedule(loop, model, Tags=[{"Key": key, "Value": value or model} for key, value in tags.items()])
    return model


def test_a_batch_monitors_run_whose_event_was_lost_is_found_by_the_sweep_and_retrained_for_once(loop: Loop) -> None:
    model, other = batch_model(loop, **{MODEL_TAG: ""}), batch_model(loop, team="another")
    made = {name: job(loop, name) for name in (model, other)}
    with deaf(loop) as told:
        for name, request in made.items():
            loop.aws.run_schedule(f"{name}-schedule", request)
            told(request["ProcessingJobName"])
    before = loop.executions()

    loop.invoke(SWEEP)
    ended = loop.ended(heard(loop, made[model]["ProcessingJobName"]))
    loop.invoke(SWEEP)

    started = [loop.input_of(arn) for arn in loop.executions() - before]
    assert [made[model]["ProcessingJobName"] in given for given in started] == [True], started
    assert ended.output["outcome"] == "TRAINED", ended
    (record,) = loop.decisions(model)
    assert record["signal"]["proven_by"] == f"monitoring schedule {model}-schedule"
    assert (record["signal"]["endpoint"], record["signal"]["threshold"]["observed"]) == (None, 0.9)


def test_what_a_check_step_of_a_models_pipeline_found_is_retrained_for(loop: Loop) -> None:
    model = loop.model()
    made = {key: value for key, value in job(loop, model).items() if key != "ProcessingJobName"}
    made["AppSpecification"]["ImageUri"] = "1.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
    sagemaker = loop.aws.client("sagemaker")
    step = {"Name": "Scores", "Type": "QualityCheck", "CheckType": "DATA_QUALITY", "Arguments": made}
    sagemaker.create_pipeline(
        PipelineName=f"{model}-scoring",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": [step]}),
        RoleArn=loop.role_arn,
        Tags=[{"Key": MODEL_TAG, "Value": model}],
    )
    execution = sagemaker.start_pipeline_execution(PipelineName=f"{model}-scoring")["PipelineExecutionArn"]

    def checked() -> str | None:
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
        return next(
            (str(each["Metadata"]["QualityCheck"]["CheckJobArn"]) for each in steps if "Metadata" in each), None
        )

    ended = loop.ended(heard(loop, loop.until(checked).rsplit("/", 1)[-1]))

    assert ended.output["outcome"] == "PROMOTED", ended
    (record,) = loop.decisions(model)
    assert record["signal"]["proven_by"] == f"step Scores of pipeline {model}-scoring"
