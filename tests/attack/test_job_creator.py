"""Somebody who may create processing jobs in the account, and writes a monitor's words into their environment."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from orchestration import handler
from orchestration.domain.errors import TransientServiceError
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import World, event, execution_arn, request

ARN: Final = "arn:aws:sagemaker:us-east-1:111122223333:processing-job/"
LIST: Final = "list_monitoring_executions"
REFUSED: Final = client_error("AccessDeniedException", "not authorized", "ListMonitoringExecutions")


def job(world: World, name: str = "evil", *, distance: str = "0.9", **changes: Any) -> dict[str, Any]:
    """A finished job that says fraud's schedule ran it and found drift of this distance, past a threshold of 0.1."""
    made: dict[str, Any] = copy.deepcopy(event("model_monitor/drifted")["detail"])
    folder = f"s3://amzn-s3-demo-bucket/reports/{name}"
    violation = {
        "feature_name": "amount",
        "constraint_check_type": "baseline_drift_check",
        "description": f"Baseline drift distance: {distance} exceeds threshold: 0.1",
    }
    world.bucket.objects[f"{folder}/constraint_violations.json"] = json.dumps({"violations": [violation]}).encode()
    made |= {"ProcessingJobName": name, "ProcessingJobArn": f"{ARN}{name}"}
    made["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"] = folder
    made["Environment"] |= {
        "sagemaker_endpoint_name": stories.ENDPOINT,
        "sagemaker_monitoring_schedule_name": "fraud-schedule",
        "start_time": "2026-03-02T12:00:00Z",
        "end_time": "2099-03-02T13:00:00Z",
    }
    return {**made, **changes}


def forged(world: World, *args: Any, **changes: Any) -> dict[str, Any]:
    """The job exists and SageMaker tells of it; no schedule ran it."""
    made = job(world, *args, **changes)
    world.sagemaker.jobs[made["ProcessingJobName"]] = made
    return told(made)


def monitored(world: World, *args: Any, **changes: Any) -> dict[str, Any]:
    """The schedule ran the job."""
    made = job(world, *args, **changes)
    world.sagemaker.run_schedule(made, at=world.clock())
    return told(made)


def told(made: dict[str, Any]) -> dict[str, Any]:
    return {**event("model_monitor/drifted"), "detail": made}


def eager(world: World, **changes: Any) -> None:
    """A model that is retrained unasked for whatever its monitor finds."""
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.put("policies/fraud.json", stories.policy(**changes))


def admitted(world: World, sent: dict[str, Any], run_id: str = "run-1") -> Any:
    return handler.run_action(request(sent, run_id), world.ports)


@pytest.mark.threat("forged-job")
def test_a_job_that_no_schedule_ran_trains_nothing_unasked(world: World) -> None:
    eager(world)

    answer = admitted(world, forged(world))

    assert (answer["decision"], answer["next"]) == ("RETRAIN", "ask")
    sentence = answer["output"]["reason"]
    assert "SageMaker does not list that schedule fraud-schedule ran this job on fraud-prod" in sentence
    assert "approve; if not, reject" in sentence
    (record,) = world.chain("fraud")
    assert record["signal"]["proven_by"] is None


def test_a_job_that_its_schedule_ran_trains_as_before(world: World) -> None:
    eager(world)

    answer = admitted(world, monitored(world))

    assert (answer["decision"], answer["next"]) == ("RETRAIN", "train")
    (record,) = world.chain("fraud")
    assert record["signal"]["proven_by"] == "monitoring schedule fraud-schedule"
    assert "asked_by" not in record["signal"] or record["signal"]["asked_by"] == []


@pytest.mark.threat("forged-job")
@pytest.mark.parametrize(
    "claim",
    [
        {"sagemaker_monitoring_schedule_name": "churn-schedule"},
        {"sagemaker_monitoring_schedule_name": "fraud-schedule "},
        {"sagemaker_monitoring_schedule_name": ""},
        {"sagemaker_monitoring_schedule_name": "x" * 64},
        {"sagemaker_monitoring_schedule_name": "arn:aws:sagemaker:us-east-1:1:monitoring-schedule/churn-schedule"},
    ],
)
def test_a_name_in_the_environment_is_no_other_schedules_run(claim: dict[str, Any], world: World) -> None:
    """Its own schedule ran the job, on another endpoint, or another one did: the environment says otherwise."""
    eager(world)
    sent = monitored(world)
    named = world.sagemaker.jobs["evil"]["Environment"]
    world.sagemaker.jobs["evil"] = {**world.sagemaker.jobs["evil"], "Environment": {**named, **claim}}
    world.sagemaker.jobs["evil"]["MonitoringScheduleArn"] = f"{ARN}x:monitoring-schedule/other"

    assert admitted(world, sent)["next"] == "ask"


@pytest.mark.threat("forged-job")
def test_a_run_on_another_endpoint_says_nothing_of_this_one(world: World) -> None:
    eager(world)
    sent = monitored(world)
    world.sagemaker.monitor_runs[0]["EndpointName"] = "mallorys-endpoint"

    assert admitted(world, sent)["next"] == "ask"


@pytest.mark.threat("forged-job")
def test_a_list_that_sagemaker_does_not_give_confirms_nothing(world: World) -> None:
    eager(world)
    sent = monitored(world)
    world.sagemaker.refuse(LIST, REFUSED)

    answer = admitted(world, sent)

    assert answer["next"] == "ask"
    assert "sagemaker:ListMonitoringExecutions" in answer["output"]["reason"]


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure"])
def test_a_list_that_fails_for_a_moment_is_asked_for_again(code: str, world: World) -> None:
    eager(world)
    sent = monitored(world)
    error = client_error(code, "later", "ListMonitoringExecutions")
    error.response["ResponseMetadata"] = {"HTTPStatusCode": 500 if code == "InternalFailure" else 400}  # type: ignore[typeddict-item]
    world.sagemaker.refuse(LIST, error)

    with pytest.raises(TransientServiceError):
        admitted(world, sent)
    assert admitted(world, sent)["next"] == "train"


@pytest.mark.threat("forged-job")
def test_a_forged_drift_during_a_bake_rolls_nothing_back(world: World) -> None:
    stories.baking(world)
    assert admitted(world, forged(world), "run-2")["decision"] == "COALESCE"
    world.clock.forward(minutes=6)
    handler.run_action({"action": "sweep"}, world.ports)
    assert stories.next_of(world, "bake") is None

    # The same from the monitor brings the champion back.
    assert admitted(world, monitored(world, "good"), "run-3")["decision"] == "COALESCE"
    world.clock.forward(minutes=6)
    handler.run_action({"action": "sweep"}, world.ports)
    assert stories.next_of(world, "bake") == "roll_back"


@pytest.mark.threat("forged-job")
def test_a_forged_drift_after_real_drift_does_not_hide_it_from_a_bake(world: World) -> None:
    stories.baking(world)
    admitted(world, monitored(world, "good"), "run-2")
    admitted(world, forged(world), "run-3")
    world.clock.forward(minutes=6)
    handler.run_action({"action": "sweep"}, world.ports)

    assert stories.next_of(world, "bake") == "roll_back"


@pytest.mark.threat("forged-job")
@pytest.mark.parametrize("ran", [True, False])
def test_a_forged_drift_after_a_promotion_freezes_no_model(world: World, *, ran: bool) -> None:
    eager(world, breaker={"drift_again_hours": 24})
    promoted = (world.clock() - timedelta(hours=2)).isoformat()
    assert world.table.save_model(replace(world.table.model("fraud"), promoted_at=promoted))

    answer = admitted(world, monitored(world) if ran else forged(world))

    assert bool(world.table.model("fraud").frozen_reason) is ran
    assert (answer["decision"], answer["next"]) == (("HOLD", "end") if ran else ("RETRAIN", "ask"))


def back_after_cooldown(world: World, *sent: dict[str, Any]) -> Any:
    """What becomes of what came during a cooldown."""
    cooling = (world.clock() + timedelta(hours=1)).isoformat()
    assert world.table.save_model(replace(world.table.model("fraud"), cooldown_until=cooling))
    for number, one in enumerate(sent):
        assert admitted(world, one, f"early-{number}")["decision"] == "COALESCE"
    world.clock.forward(hours=2)
    handler.run_action({"action": "sweep"}, world.ports)
    (name,) = [started for started in world.executions.started if started.startswith("pending-")]
    return admitted(world, world.executions.started[name], name)


@pytest.mark.threat("forged-job")
@pytest.mark.parametrize("forged_first", [True, False])
def test_a_forged_run_borrows_no_proof_and_takes_none_while_both_wait(world: World, *, forged_first: bool) -> None:
    """The monitor's run is a warning, which is retrained for; the forged one is critical, which is asked about."""
    eager(world, actions={"warning": "retrain", "critical": "approve"}, approval={"training": "by-severity"})
    pair = [forged(world, distance="0.9"), monitored(world, "good", distance="0.15")]

    answer = back_after_cooldown(world, *(pair if forged_first else reversed(pair)))

    (*_, record) = world.chain("fraud")
    assert (answer["next"], record["severity"]) == ("train", "warning")
    assert record["signal"]["proven_by"] == "monitoring schedule fraud-schedule"
    assert record["signal"]["summary"].startswith("2 signal(s) arrived")


@pytest.mark.threat("forged-job")
def test_a_forged_run_that_waited_is_asked_about_when_it_comes_back(world: World) -> None:
    eager(world)

    assert back_after_cooldown(world, forged(world))["next"] == "ask"


@pytest.mark.threat("forged-job", "event-swallowed")
def test_a_forged_failure_does_not_use_up_the_message_of_a_real_one(world: World) -> None:
    eager(world)
    failed = {"ProcessingJobStatus": "Failed", "FailureReason": "no data"}

    first = admitted(world, forged(world, **failed), "run-1")
    assert first["decision"] == "HOLD"
    admitted(world, monitored(world, "good", **failed), "run-2")

    assert [record["reason"] for record in world.chain("fraud")] == ["RUN_UNCONFIRMED", "MONITOR_FAILED"]
    assert len(world.told("HOLD")) == 2


@pytest.mark.threat("forged-job", "event-swallowed")
def test_a_run_that_is_listed_late_is_decided_as_what_it_is(world: World) -> None:
    """Asked about meanwhile, and not swallowed by that: the sweep finds it in the list and raises it again."""
    eager(world, actions={"warning": "observe", "critical": "observe"})
    sent = forged(world)
    handler.run_action({"action": "sweep"}, world.ports)
    admitted(world, sent)
    world.put("policies/fraud.json", stories.policy())
    world.sagemaker.run_schedule(world.sagemaker.jobs["evil"], at=world.clock())
    for _ in range(2):
        world.clock.forward(minutes=11)
        handler.run_action({"action": "sweep"}, world.ports)

    (name,) = [started for started in world.executions.started if started.startswith("sweep-monitor-")]
    assert admitted(world, world.executions.started[name], name)["next"] == "train"
    first, second = world.chain("fraud")
    assert first["signal_id"] != second["signal_id"]


@pytest.mark.threat("forged-job")
@pytest.mark.parametrize("weaker", ["a forged job", "a warning"])
def test_a_run_that_something_weaker_started_leaves_what_waited_waiting(weaker: str, world: World) -> None:
    """The monitor's drift waits for the cooldown. As soon as that is over, another signal comes first, and people say no."""
    eager(world, actions={"warning": "approve", "critical": "retrain"}, approval={"training": "by-severity"})
    held = replace(world.table.model("fraud"), cooldown_until=(world.clock() + timedelta(hours=5)).isoformat())
    world.table.save_model(held)
    first = admitted(world, monitored(world, "real"))
    assert first["decision"] == "COALESCE", first
    waits = world.table.model("fraud").pending
    world.clock.forward(hours=6)

    sent = forged(world) if weaker == "a forged job" else monitored(world, "mild", distance="0.11")
    assert admitted(world, sent, "run-2")["next"] == "ask"
    assert world.table.model("fraud").pending == waits

    world.executions.statuses[execution_arn("run-2")] = "RUNNING"
    stories.do(world, "park", "run-2", kind="approval", subject="training", token="approval")
    stories.approve(world, "run-2", decision="REJECTED")
    stories.do(world, "close", "run-2")
    world.clock.forward(days=2)
    stories.do(world, "sweep")
    (name,) = (name for name in world.executions.started if name.startswith("pending-fraud"))
    answer = admitted(world, world.executions.started[name], name)
    assert (answer["decision"], answer["next"]) == ("RETRAIN", "train")
    assert world.table.model("fraud").pending is None


@pytest.mark.threat("forged-job")
def test_a_job_whose_run_is_superseded_waits_and_is_no_drift_to_a_bake(world: World) -> None:
    eager(world)
    assert admitted(world, forged(world))["next"] == "ask"
    world.executions.statuses[execution_arn("run-1")] = "RUNNING"
    stories.do(world, "park", kind="approval", subject="training", token="approval")
    stories.approve(world)
    stories.do(world, "park", kind="slot", token="slot")
    eager(world, cooldown_hours=2)
    stories.do(world, "train", token="training")
    stories.do(world, "close")

    run, state = world.table.run("run-1"), world.table.model("fraud")
    assert run is not None
    assert run.outcome == "SUPERSEDED"
    assert state.pending is not None
    assert "drift" not in state.pending


def without_endpoint(made: dict[str, Any], schedule: str) -> dict[str, Any]:
    """The job, as one that checked batch transforms."""
    environment = {key: value for key, value in made["Environment"].items() if key != "sagemaker_endpoint_name"}
    return {**made, "Environment": {**environment, "sagemaker_monitoring_schedule_name": schedule}}


def batch(world: World, schedule: str = "fraud-batch") -> dict[str, Any]:
    """A model that serves nowhere, whose batch transforms a schedule monitors; gives the job in the schedule's name."""
    world.put("policies/fraud.json", stories.policy(promotion={"kind": "registry"}))
    world.sagemaker.schedules["fraud-batch"] = {}
    return without_endpoint(job(world), schedule)


@pytest.mark.threat("forged-job")
def test_a_job_in_the_name_of_a_batch_monitor_trains_nothing_unasked(world: World) -> None:
    made = batch(world)
    world.sagemaker.jobs["evil"] = made

    answer = admitted(world, told(made))

    assert (answer["decision"], answer["next"]) == ("RETRAIN", "ask")
    assert "does not list that schedule fraud-batch ran this job" in answer["output"]["reason"]


def test_what_a_batch_monitor_found_trains_as_an_endpoints_does(world: World) -> None:
    made = batch(world)
    world.sagemaker.run_schedule(made, at=world.clock())

    assert admitted(world, told(made))["next"] == "train"
    (record,) = world.chain("fraud")
    assert record["signal"]["proven_by"] == "monitoring schedule fraud-batch"
    assert record["signal"]["endpoint"] is None


@pytest.mark.threat("forged-job")
def test_an_endpoints_run_is_no_batch_monitors_run(world: World) -> None:
    """A schedule of one's own on one's own endpoint, tagged by its name: the job then leaves the endpoint out."""
    made = batch(world)
    world.sagemaker.run_schedule(made, at=world.clock())
    world.sagemaker.monitor_runs[0]["EndpointName"] = "mallorys-endpoint"

    assert admitted(world, told(made))["next"] == "ask"


SCORING: Final = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/fraud-scoring"
EXECUTION: Final = f"{SCORING}/execution/abcdefghij12"


def check(world: World, execution: str = EXECUTION, **changes: Any) -> dict[str, Any]:
    """A job with the analyzer's image and the tag that pipelines set, which no schedule ran."""
    made = job(world)
    del made["MonitoringScheduleArn"]
    made = {**made, "Environment": {}, **changes}
    world.sagemaker.jobs["evil"] = made
    world.sagemaker.tags[made["ProcessingJobArn"]] = {"sagemaker:pipeline-execution-arn": execution}
    return told(made)


def ran(world: World, sent: dict[str, Any], kind: str = "QualityCheck", execution: str = EXECUTION) -> dict[str, Any]:
    """The pipeline's execution lists the job as a step of this kind."""
    field = "Arn" if kind == "ProcessingJob" else "CheckJobArn"
    step = {"StepName": "Scores", "Metadata": {kind: {field: sent["detail"]["ProcessingJobArn"]}}}
    world.sagemaker.steps[execution] = [step]
    return sent


@pytest.mark.parametrize("kind", ["QualityCheck", "ClarifyCheck"])
def test_what_a_models_pipeline_checked_trains_as_its_monitor_does(kind: str, world: World) -> None:
    eager(world)

    assert admitted(world, ran(world, check(world), kind))["next"] == "train"
    (record,) = world.chain("fraud")
    assert record["signal"]["proven_by"] == "step Scores of pipeline fraud-scoring"


@pytest.mark.threat("forged-job")
def test_a_job_with_the_tag_of_a_models_pipeline_trains_nothing_unasked(world: World) -> None:
    eager(world)

    answer = admitted(world, check(world))

    assert (answer["decision"], answer["next"]) == ("RETRAIN", "ask")
    assert "does not list that a step of pipeline fraud-scoring ran this job as its check" in answer["output"]["reason"]


@pytest.mark.threat("forged-job")
def test_a_list_of_steps_that_sagemaker_does_not_give_confirms_nothing(world: World) -> None:
    eager(world)
    sent = ran(world, check(world))
    world.sagemaker.refuse(
        "list_pipeline_execution_steps", client_error("AccessDeniedException", "no", "ListPipelineExecutionSteps")
    )

    answer = admitted(world, sent)

    assert answer["next"] == "ask"
    assert "sagemaker:ListPipelineExecutionSteps" in answer["output"]["reason"]


@pytest.mark.threat("forged-job")
@pytest.mark.parametrize(
    "execution",
    [
        "",
        SCORING,
        EXECUTION.replace("111122223333", "999988887777"),
        EXECUTION.replace("us-east-1", "eu-west-1"),
        f"{EXECUTION}/x",
        EXECUTION.replace("fraud-scoring", "mallory-pipeline"),
    ],
)
def test_a_tag_that_leads_elsewhere_is_of_no_model_here(execution: str, world: World) -> None:
    eager(world)
    sent = ran(world, check(world, execution), execution=execution)

    assert admitted(world, sent)["decision"] in {"SKIP", "REJECT"}
    assert world.chain("fraud") == []


@pytest.mark.parametrize("target", [SCORING, SCORING.replace("fraud-scoring", "Fraud-Scoring")])
def test_a_pipeline_that_trains_the_model_raises_nothing_about_its_own_candidate(target: str, world: World) -> None:
    eager(world, training={"target": target})

    assert admitted(world, ran(world, check(world)))["decision"] == "SKIP"
    assert world.chain("fraud") == []


def test_a_pipelines_plain_processing_step_is_a_baseline_job_and_no_check(world: World) -> None:
    eager(world)

    assert admitted(world, ran(world, check(world), "ProcessingJob"))["decision"] == "SKIP"
    assert world.chain("fraud") == []


def test_a_pipeline_without_a_tag_is_of_no_model(world: World) -> None:
    eager(world)
    world.sagemaker.tags[SCORING] = {}

    assert admitted(world, ran(world, check(world)))["decision"] == "SKIP"
    assert world.chain("fraud") == []
