"""A drift report becomes a promoted model."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.stack.loop import CHAMPION, Ended, Loop


@dataclass(frozen=True)
class Promoted:
    """A promoted run, with what served before it."""

    loop: Loop
    model: str
    before: str
    ended: Ended


@pytest.fixture(scope="module")
def promoted(loop: Loop) -> Promoted:
    """A drift report of a model, and what came of it."""
    model = loop.model()
    before = loop.endpoint_config(f"{model}-prod")
    return Promoted(loop, model, before, loop.run(loop.drift(model)))


def test_a_better_candidate_serves_and_leaves_manifest_evidence_and_history(promoted: Promoted) -> None:
    loop, model, before, ended = promoted.loop, promoted.model, promoted.before, promoted.ended

    assert ended.status == "SUCCEEDED", ended
    assert loop.states(ended.arn)[-1] == "ModelPromoted"
    assert ended.output == {
        "run_id": ended.name,
        "model": model,
        "retraining_required": "YES",
        "outcome": "PROMOTED",
        "reason": ended.output["reason"],
        "signal_id": loop.decisions(model)[0]["signal_id"],
        "report": f"s3://{loop.bucket}/evidence/{model}/{ended.name}/report.html",
    }
    assert loop.report(model, ended.name)["outcome"] == "PROMOTED"
    assert loop.endpoint_config(f"{model}-prod") != before
    assert loop.statuses(ended.name) == [
        "RETRAINING_DECIDED",
        "TRAINING_STARTED",
        "TRAINING_FINISHED",
        "CANDIDATE_EVALUATED",
        "PROMOTION_STARTED",
        "PROMOTION_BAKED",
        "PROMOTED",
    ]
    manifest = loop.read(f"manifests/{model}/{ended.name}.json")
    assert manifest["champion"]["endpoint_config"] == before
    assert manifest["signal"]["threshold"]["observed"] == 0.9
    assert manifest["dataset"] is None
    verdict = loop.read(f"evidence/{model}/{ended.name}/evaluation.json")["verdict"]
    assert verdict["passed"]
    assert verdict["champion_metrics"] == CHAMPION
    assert loop.read(f"evidence/{model}/{ended.name}/outcome.json")["outcome"] == "PROMOTED"
    assert loop.read(f"runs/{model}/{ended.name}/inputs/event.json")["detail"]["model"] == model


def test_the_new_config_is_the_champions_with_only_the_model_changed(promoted: Promoted) -> None:
    sagemaker = promoted.loop.aws.client("sagemaker")
    before = sagemaker.describe_endpoint_config(EndpointConfigName=promoted.before)

    after = sagemaker.describe_endpoint_config(
        EndpointConfigName=promoted.loop.endpoint_config(f"{promoted.model}-prod")
    )
    (old,), (new,) = before["ProductionVariants"], after["ProductionVariants"]
    assert old.pop("ModelName") != new.pop("ModelName")
    assert new == old
    tags = sagemaker.list_tags(ResourceArn=after["EndpointConfigArn"])["Tags"]
    assert {"Key": "team", "Value": "fraud"} in tags


def test_an_update_whose_answer_was_lost_is_made_once(loop: Loop) -> None:
    model = loop.model()
    loop.aws.tell_endpoint(f"{model}-prod", None, seconds=0.5, lose_response=True)

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "PROMOTED", ended
    # The hand finds its own update under way, so the workflow hears of no failure.
    assert loop.failures(ended.arn) == []
    described = loop.aws.client("sagemaker").list_endpoint_configs(NameContains=model)["EndpointConfigs"]
    assert len(described) == 2, "the champion's and the candidate's, and no third"
    assert loop.endpoint_config(f"{model}-prod") != f"{model}-first"


def test_the_training_pipeline_gets_what_it_got_before_and_the_runs_context(loop: Loop) -> None:
    echo = loop.pipeline({"Train": {"Type": "Pass", "Output": "{% $states.input %}", "End": True}}, "Train")
    model = loop.model(policy={"training": {"target": echo, "input": {"epochs": 3, "run": "none of yours"}}})

    ended = loop.run(loop.drift(model))

    (child,) = loop.aws.client("stepfunctions").list_executions(stateMachineArn=echo)["executions"]
    got = json.loads(loop.aws.client("stepfunctions").describe_execution(executionArn=child["executionArn"])["input"])
    assert (got["run"], got["triggered_by"], got["reason"]) == ("all", "monitoring", "auto_retraining")
    assert (got["run_id"], got["model"], got["epochs"]) == (ended.name, model, 3)
    assert got["manifest_uri"] == f"s3://{loop.bucket}/manifests/{model}/{ended.name}.json"
    assert got["output_uri"] == f"s3://{loop.bucket}/runs/{model}/{ended.name}/outputs/"
    assert got["champion_model_data_uri"].endswith("models/champion.tar.gz")
    assert child["name"] == f"retraining-{got['idempotency_token']}"
