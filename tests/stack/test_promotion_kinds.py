"""An accepted candidate gets to serve in the way its policy names, and the monitor's baseline follows it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from orchestration.domain.records import idempotency_token, sha256
from orchestration.domain.training_target import deployment_name
from tests.stack.loop import BETTER, CHAMPION, IMAGE, Ended, Loop
from tests.stack.moments import parked
from tests.stack.teams import Held, approval_of, lose_answer, model_package, new_run

EVALUATION = {"metric": "auc", "minimum": 0.8}


def model_of(loop: Loop, promotion: dict[str, Any], **output: Any) -> str:
    """A model whose good candidate is promoted in a way of its own."""
    training = loop.training(loop.evaluation(BETTER, CHAMPION), **output)
    package = output.get("model_package_arn")
    return loop.model(training=training, package=package, policy={"evaluation": EVALUATION, "promotion": promotion})


def candidate_name(model: str, run_id: str) -> str:
    """Name of a run's SageMaker model and endpoint config."""
    return f"{model}-{sha256(run_id)[:16]}"


def outcome_of(loop: Loop, model: str, ended: Ended) -> dict[str, Any]:
    """The outcome a run left as evidence."""
    found: dict[str, Any] = loop.read(f"evidence/{model}/{ended.name}/outcome.json")
    return found


def test_kind_registry_approves_the_package_and_touches_no_endpoint(loop: Loop) -> None:
    package = model_package(loop)
    model = model_of(loop, {"kind": "registry"}, model_package_arn=package)

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED"
    assert approval_of(loop, package) == "Approved"
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-first"
    # The registry's approval is the promotion, so nothing follows it.
    assert outcome_of(loop, model, ended)["finish"] is None


def test_kind_registry_needs_a_package(loop: Loop) -> None:
    model = model_of(loop, {"kind": "registry"})

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "CANDIDATE_REJECTED"
    assert "model_package_arn" in ended.output["reason"]


def test_kind_pipeline_hands_the_candidate_to_the_teams_deployment(loop: Loop) -> None:
    deployment = loop.pipeline({"Deploy": {"Type": "Pass", "End": True}}, "Deploy")
    promotion = {"kind": "pipeline", "target": deployment, "input": {"stage": "prod"}}
    model = model_of(loop, promotion)

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED", ended
    stepfunctions = loop.aws.client("stepfunctions")
    (child,) = stepfunctions.list_executions(stateMachineArn=deployment)["executions"]
    got = json.loads(stepfunctions.describe_execution(executionArn=child["executionArn"])["input"])
    assert (got["stage"], got["run_id"], got["model"], got["image"]) == ("prod", ended.name, model, IMAGE)
    assert got["model_data_url"].endswith("models/candidate.tar.gz")


def test_a_deployment_that_fails_is_no_promotion(loop: Loop) -> None:
    promotion = {"kind": "pipeline", "target": loop.failing_training("NoCapacity", "no hosts left")}
    model = model_of(loop, promotion)

    ended = loop.run(loop.drift(model))

    assert ended.error == "RetrainingFailed"
    assert "no hosts left" in (ended.cause or "")
    assert loop.statuses(ended.name)[-1] == "FAILED"


def test_a_deployment_that_a_lost_start_finished_is_not_repeated(loop: Loop) -> None:
    deployment = loop.pipeline({"Deploy": {"Type": "Pass", "End": True}}, "Deploy")
    model = model_of(loop, {"kind": "pipeline", "target": deployment})
    lose_answer(loop, "stepfunctions", "StartExecution", deployment)

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED", ended
    stepfunctions = loop.aws.client("stepfunctions")
    assert len(stepfunctions.list_executions(stateMachineArn=deployment)["executions"]) == 1


def test_a_deployment_of_that_name_that_still_runs_is_no_promotion(loop: Loop) -> None:
    held = Held(loop, {})
    model = model_of(loop, {"kind": "pipeline", "target": held.arn})
    name, _ = new_run(loop, model, measured=False)
    loop.aws.client("stepfunctions").start_execution(
        stateMachineArn=held.arn, name=deployment_name(idempotency_token(name)), input='{"by": "hand"}'
    )

    ended = loop.ended(loop.start(loop.drift(model), name=name))

    assert ended.error == "RetrainingFailed"
    assert "was not started by this run" in (ended.cause or "")


def test_what_somebody_else_made_under_the_runs_name_does_not_serve(loop: Loop) -> None:
    """An answer that was lost leaves them too; that those are the run's own, the fault matrix shows."""
    model = loop.model()
    name, _ = new_run(loop, model, measured=False)
    candidate = candidate_name(model, name)
    sagemaker = loop.aws.client("sagemaker")
    sagemaker.create_model(
        ModelName=candidate,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://{loop.data_bucket}/models/candidate.tar.gz"},
        ExecutionRoleArn=loop.role_arn,
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": candidate,
        "InitialInstanceCount": 2,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=candidate, ProductionVariants=[variant])

    ended = loop.ended(loop.start(loop.drift(model), name=name))

    assert ended.error == "RetrainingFailed"
    assert f"What stands under the name {candidate} is not what was judged (" in (ended.cause or "")
    assert "ModelDataUrl of container 1" in (ended.cause or "")
    assert loop.endpoint_config(f"{model}-prod") != candidate


@pytest.mark.threat("artifact-overwritten")
def test_an_endpoint_serves_copies_of_a_package_whatever_is_written_over_it_after_it_was_judged(loop: Loop) -> None:
    """Its two containers go the whole way; people look at it while somebody writes over both."""
    s3, sagemaker = loop.aws.client("s3"), loop.aws.client("sagemaker")
    keys = [f"models/{uuid.uuid4().hex}/{name}/model.tar.gz" for name in ("words", "net")]
    for key in keys:
        s3.put_object(Bucket=loop.data_bucket, Key=key, Body=f"judged {key}".encode())
    containers = [{"Image": IMAGE, "ModelDataUrl": f"s3://{loop.data_bucket}/{key}"} for key in keys]
    package = model_package(loop, containers)
    model = loop.model(
        training=loop.training(loop.evaluation(BETTER, CHAMPION), model_package_arn=package),
        package=package,
        approval={"training": "never", "promotion": "always"},
    )
    arn = loop.start(loop.drift(model))
    name = arn.rsplit(":", 1)[-1]
    parked(loop, arn, "approval:promotion")
    for key in keys:
        s3.put_object(Bucket=loop.data_bucket, Key=key, Body=b"never judged")

    loop.approve(name)
    ended = loop.ended(arn)

    assert ended.output["outcome"] == "PROMOTED", ended
    candidate = sagemaker.describe_model(ModelName=candidate_name(model, name))
    assert loop.endpoint_config(f"{model}-prod") == candidate["ModelName"]
    served = [container["ModelDataUrl"] for container in candidate["Containers"]]
    assert all(uri.startswith(f"s3://{loop.bucket}/artifacts/{model}/{name}/") for uri in served)
    bodies = [loop.read_bytes(uri.removeprefix(f"s3://{loop.bucket}/")) for uri in served]
    assert bodies == [f"judged {key}".encode() for key in keys]
    copies = loop.read(f"evidence/{model}/{name}/evaluation.json")["answer"]["copies"]
    assert [copy["source"] for copy in copies] == [container["ModelDataUrl"] for container in containers]


def promoting(loop: Loop, model: str, **wrong: Any) -> dict[str, Any]:
    """A policy that trains unasked and promotes, but for what is wrong with its promotion."""
    return {
        "training": {"target": loop.training(loop.evaluation(BETTER, CHAMPION))},
        "actions": {"critical": "retrain"},
        "cooldown_hours": 0,
        "evaluation": EVALUATION,
        "approval": {"training": "never"},
        "promotion": {"endpoint": f"{model}-prod", **wrong},
    }


def test_a_promotion_that_cannot_be_carried_out_creates_nothing(loop: Loop) -> None:
    model = loop.model()
    loop.policy(model, **promoting(loop, model, alarms=["no-such-alarm"]))
    ended = loop.run(loop.drift(model))

    assert ended.error == "RetrainingFailed", ended
    assert "Correct the policy" in (ended.cause or "")
    models = loop.aws.client("sagemaker").list_models(MaxResults=100)["Models"]
    assert [name for entry in models if (name := entry["ModelName"]).startswith(model)] == [f"{model}-first"]


def test_a_policy_that_asks_for_what_sagemaker_does_not_take_trains_nothing(loop: Loop) -> None:
    model = f"m{uuid.uuid4().hex[:10]}"
    # No version of its policy was ever good.
    loop.policy(model, **promoting(loop, model, deployment={"BlueGreenUpdatePolicy": {"Trafic": 1}}))
    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "HOLD", ended
    assert "$.promotion.deployment.BlueGreenUpdatePolicy.Trafic: is no field" in ended.output["reason"]


# The baseline.


def schedule(loop: Loop, baseline: dict[str, Any], *, by_name: bool = False) -> str:
    """Create a monitoring schedule and give its name."""
    name = f"schedule-{uuid.uuid4().hex[:8]}"
    config: dict[str, Any] = {"ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"}}
    if by_name:
        config |= {"MonitoringJobDefinitionName": "shared", "MonitoringType": "DataQuality"}
    else:
        config["MonitoringJobDefinition"] = {
            "BaselineConfig": baseline,
            "MonitoringInputs": [
                {"EndpointInput": {"EndpointName": "fraud-prod", "LocalPath": "/opt/ml/processing/input"}}
            ],
            "MonitoringOutputConfig": {
                "MonitoringOutputs": [
                    {
                        "S3Output": {
                            "S3Uri": "s3://team-data/reports",
                            "LocalPath": "/opt/ml/processing/output",
                        }
                    }
                ]
            },
            "MonitoringResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}
            },
            "MonitoringAppSpecification": {"ImageUri": "monitor"},
            "RoleArn": loop.role_arn,
        }
    loop.aws.client("sagemaker").create_monitoring_schedule(
        MonitoringScheduleName=name, MonitoringScheduleConfig=config
    )
    return name


BASELINE = {
    "BaseliningJobName": "baselining-1",
    "ConstraintsResource": {"S3Uri": "s3://team-data/old/constraints.json"},
    "StatisticsResource": {"S3Uri": "s3://team-data/old/statistics.json"},
}
NEW = {
    "baseline_constraints_uri": "s3://team-data/new/constraints.json",
    "baseline_statistics_uri": "s3://team-data/new/statistics.json",
}


def promoted_with(loop: Loop, name: str, **output: Any) -> str:
    """Promote a model whose policy names the schedule; gives what the outcome says of the baseline."""
    model = loop.model(training=loop.training(loop.evaluation(BETTER, CHAMPION), **output))
    loop.own(model, f"arn:aws:sagemaker:{loop.aws.region}:{loop.aws.account}:monitoring-schedule/{name}")
    document = loop.read(f"policies/{model}.json")
    document["promotion"] |= {"monitoring_schedule": name}
    loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
    ended = loop.run(loop.drift(model))
    assert ended.output["outcome"] == "PROMOTED", ended
    return str(outcome_of(loop, model, ended)["finish"]["baseline"])


def test_the_promoted_models_baseline_becomes_the_monitors_and_nothing_else_changes(loop: Loop) -> None:
    name = schedule(loop, BASELINE)
    sagemaker = loop.aws.client("sagemaker")
    before = sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)["MonitoringScheduleConfig"]

    baseline = promoted_with(loop, name, **NEW)

    after = sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)["MonitoringScheduleConfig"]
    assert (
        baseline == f"The baseline of {name} became the one of the promoted model, {NEW['baseline_constraints_uri']}."
    )
    assert after["MonitoringJobDefinition"].pop("BaselineConfig") == {
        "ConstraintsResource": {"S3Uri": NEW["baseline_constraints_uri"]},
        "StatisticsResource": {"S3Uri": NEW["baseline_statistics_uri"]},
    }
    before["MonitoringJobDefinition"].pop("BaselineConfig")
    assert after == before


def test_a_baseline_that_is_left_is_left_with_its_reason_in_the_record(loop: Loop) -> None:
    missing = "Monitoring schedule no-such-schedule does not exist, so no baseline was refreshed."
    assert promoted_with(loop, "no-such-schedule", **NEW) == missing
    assert "returned no baseline_constraints_uri" in promoted_with(loop, schedule(loop, BASELINE))
    assert "job definition shared" in promoted_with(loop, schedule(loop, {}, by_name=True), **NEW)
