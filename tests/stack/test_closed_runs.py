"""A run that is over changes nothing, however its execution is woken, an administrator's redrive included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack.loop import BETTER, CHAMPION, Loop
from tests.stack.moments import outcome, parked, pause, redriven, serving, stop
from tests.stack.teams import approval_of, held_training, job_request, model_package, sagemaker_pipeline


def world(loop: Loop, model: str) -> dict[str, Any]:
    """What a run could have changed: endpoint, models, configs, trainings, registry."""
    sagemaker = loop.aws.client("sagemaker")
    return {
        "serves": serving(loop, model),
        "status": loop.endpoint_status(f"{model}-prod"),
        "models": {entry["ModelName"] for entry in sagemaker.list_models(MaxResults=100)["Models"]},
        "jobs": {
            entry["TrainingJobName"] for entry in sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        },
        "state": {
            key: value
            for key, value in (loop.item(f"MODEL#{model}", "STATE") or {}).items()
            if key in {"active_run_id", "fruitless_runs", "promoted_at", "frozen_reason"}
        },
    }


def test_a_redriven_run_does_not_take_back_what_a_later_run_promoted(loop: Loop) -> None:
    """The fault that named the rule: A stopped in its bake, B promoted, A redriven, B's model replaced by A's champion."""
    model = loop.model(promotion={"endpoint": "later", "bake_minutes": 60})
    document = loop.read(f"policies/{model}.json")
    document["promotion"]["endpoint"] = f"{model}-prod"
    loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
    first = loop.start(loop.drift(model))
    parked(loop, first, "bake")
    stop(loop, first)
    assert outcome(loop, first) == "STOPPED"
    loop.operate({"action": "unfreeze", "model": model, "reason": "the candidate serves well"})
    loop.end_cooldown(model)
    document["promotion"]["bake_minutes"] = 0
    loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
    second = loop.run(loop.drift(model, observed=1.1))
    assert second.output["outcome"] == "PROMOTED", second
    before = world(loop, model)

    redriven(loop, first)

    assert world(loop, model) == before
    assert "UpdateEndpoint" not in str(loop.states(first))


@pytest.mark.parametrize("state", ["approval:training", "training", "approval:promotion", "bake"])
def test_a_redrive_where_a_run_was_stopped_goes_to_its_end_and_changes_nothing(loop: Loop, state: str) -> None:
    held = held_training(loop)
    training = held.arn if state == "training" else loop.training(loop.evaluation(BETTER, CHAMPION))
    asked = {
        "approval:training": {"training": "always", "promotion": "never"},
        "approval:promotion": {"training": "never", "promotion": "always"},
    }.get(state, {"training": "never", "promotion": "never"})
    model = loop.model(training=training, approval=asked)
    document = loop.read(f"policies/{model}.json")
    document["promotion"]["bake_minutes"] = 60
    loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
    arn = loop.start(loop.drift(model))
    parked(loop, arn, state)
    stop(loop, arn)
    assert outcome(loop, arn) == "STOPPED"
    loop.until(lambda: len([e for e in held.executions() if e["status"] == "RUNNING"]) == 0)
    before, trainings = world(loop, model), len(held.executions())

    status = redriven(loop, arn)

    assert world(loop, model) == before
    assert len(held.executions()) == trainings
    assert status == "SUCCEEDED"
    assert loop.states(arn)[-1] == "RetrainingStopped"
    # The model is free: the next signal trains, or says why not.
    assert loop.item(f"MODEL#{model}", "STATE").get("active_run_id") is None  # type: ignore[union-attr] # it is there


def test_a_redrive_does_not_approve_a_stopped_runs_package(loop: Loop) -> None:
    package = model_package(loop)
    training = loop.training(loop.evaluation(BETTER, CHAMPION), model_package_arn=package)
    model = loop.model(
        training=training,
        package=package,
        approval={"training": "never", "promotion": "always"},
        promotion={"kind": "registry"},
    )
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:promotion")
    stop(loop, arn)
    assert outcome(loop, arn) == "STOPPED"

    redriven(loop, arn)

    assert approval_of(loop, package) == "PendingManualApproval"


@pytest.mark.parametrize("kind", ["job", "pipeline"])
def test_a_redrive_starts_no_training_without_lock_or_slot(loop: Loop, kind: str) -> None:
    """The hand refused for good: the execution failed before its training, was closed, and is redriven."""
    training: dict[str, Any] = (
        {"target": "training-job", "request": job_request(loop)}
        if kind == "job"
        else {"target": sagemaker_pipeline(loop), "parameters": {"OutputUri": "output_uri"}}
    )
    model = loop.model(policy={"training": training})
    action = "CreateTrainingJob" if kind == "job" else "StartPipelineExecution"
    loop.aws.fail_next("sagemaker", action, code="ValidationException", times=1)
    ended = loop.run(loop.drift(model))
    assert ended.output.get("outcome", ended.error) in {"TRAINING_FAILED", "TrainingFailed"}
    before = world(loop, model)

    redriven(loop, ended.arn)

    assert world(loop, model) == before


@pytest.mark.parametrize("state", ["promotion", "rollback"])
def test_a_redrive_of_a_run_that_was_stopped_while_its_endpoint_moved_leaves_the_endpoint_alone(
    loop: Loop, state: str
) -> None:
    """Nobody knows what serves, so people are paged; the redriven run neither goes on nor goes back."""
    model = loop.model()
    document = loop.read(f"policies/{model}.json")
    document["promotion"]["bake_minutes"] = 60
    loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
    if state == "promotion":
        loop.aws.tell_endpoint(f"{model}-prod", None, seconds=3)
    arn = loop.start(loop.drift(model))
    if state == "rollback":
        parked(loop, arn, "bake")
        loop.aws.tell_endpoint(f"{model}-prod", None, seconds=3)
        pause(loop, f"model:{model}")
    parked(loop, arn, state)
    loop.until(lambda: loop.endpoint_status(f"{model}-prod") == "Updating")
    stop(loop, arn)
    assert outcome(loop, arn) == "STOPPED"
    loop.until(lambda: loop.endpoint_status(f"{model}-prod") == "InService")
    if state == "rollback":
        loop.operate({"action": "unpause", "scope": f"model:{model}"})
    before = world(loop, model)

    redriven(loop, arn)

    assert world(loop, model) == before
    assert before["state"]["frozen_reason"]
    assert loop.states(arn)[-1] == "RetrainingStopped"
