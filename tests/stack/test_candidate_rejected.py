"""Between training and promotion: losers are rejected, and a kill switch stops what comes after it."""

from __future__ import annotations

from tests.stack.loop import BETTER, CHAMPION, Loop
from tests.stack.moments import parked
from tests.stack.teams import approval_of, held_training, model_package


def throw_switch(loop: Loop, scope: str) -> None:
    loop.aws.client("dynamodb").put_item(
        TableName=loop.table,
        Item={
            "pk": {"S": "CONTROLS"},
            "sk": {"S": scope},
            "by": {"S": "dana"},
            "reason": {"S": "the feature store is being rebuilt."},
            "since": {"S": "2026-03-02T11:00:00+00:00"},
        },
    )


def test_a_loser_never_serves_and_is_rejected_in_the_registry_with_the_reason(loop: Loop) -> None:
    package = model_package(loop)
    worse = loop.evaluation({"auc": 0.84, "recall": 0.8}, CHAMPION)
    model = loop.model(training=loop.training(worse, model_package_arn=package), package=package)
    before = loop.endpoint_config(f"{model}-prod")

    ended = loop.run(loop.drift(model))

    assert (ended.status, ended.output["outcome"]) == ("SUCCEEDED", "CANDIDATE_REJECTED")
    assert loop.states(ended.arn)[-1] == "CandidateRejected"
    assert "0.8400 is not >= 0.8600" in ended.output["reason"]
    assert loop.endpoint_config(f"{model}-prod") == before
    assert loop.statuses(ended.name)[-1] == "CANDIDATE_REJECTED"
    assert approval_of(loop, package) == "Rejected"
    assert loop.report(model, ended.name)["gates"][0]["passed"] is False
    described = loop.aws.client("sagemaker").describe_model_package(ModelPackageName=package)
    assert "auc" in described["ApprovalDescription"]


def test_a_guard_that_only_names_a_metric_holds_the_champions_level(loop: Loop) -> None:
    evaluation = {"metric": "auc", "minimum": 0.8, "guards": [{"metric": "recall"}]}
    report = loop.evaluation({"auc": 0.93, "recall": 0.77}, CHAMPION)
    model = loop.model(evaluation=report, policy={"evaluation": evaluation})

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "CANDIDATE_REJECTED"
    assert "recall" in ended.output["reason"]


def test_a_champion_that_changed_meanwhile_ends_the_comparison_and_is_nobodys_failure(loop: Loop) -> None:
    held = held_training(loop)
    model = loop.model(training=held.arn)
    arn = loop.start(loop.drift(model))
    held.until_it_runs()
    sagemaker = loop.aws.client("sagemaker")
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=f"{model}-first")["ProductionVariants"]
    sagemaker.create_endpoint_config(EndpointConfigName=f"{model}-hand", ProductionVariants=variants)
    sagemaker.update_endpoint(EndpointName=f"{model}-prod", EndpointConfigName=f"{model}-hand")
    loop.until(lambda: loop.endpoint_config(f"{model}-prod") == f"{model}-hand")

    held.let_go()
    ended = loop.ended(arn)

    assert ended.output["outcome"] == "SUPERSEDED"
    assert "The champion changed" in ended.output["reason"]
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-hand"
    state = loop.item(f"MODEL#{model}", "STATE") or {}
    assert state["fruitless_runs"] == {"N": "0"}
    assert "cooldown_until" not in state


def test_a_kill_switch_thrown_while_the_candidate_trains_stops_the_run_before_it_serves(loop: Loop) -> None:
    package = model_package(loop)
    held = held_training(loop, model_package_arn=package)
    model = loop.model(training=held.arn, package=package)
    arn = loop.start(loop.drift(model))
    held.until_it_runs()

    throw_switch(loop, f"model:{model}")
    held.let_go()
    ended = loop.ended(arn)

    assert ended.output["outcome"] == "STOPPED"
    assert loop.states(arn)[-1] == "RetrainingStopped"
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-first"
    names = {entry["ModelName"] for entry in loop.aws.client("sagemaker").list_models(MaxResults=100)["Models"]}
    assert {name for name in names if name.startswith(model)} == {f"{model}-first"}
    # A good candidate that was stopped is no loser.
    assert approval_of(loop, package) == "PendingManualApproval"


def test_nobody_approves_under_a_kill_switch_and_everybody_may_once_it_is_lifted(loop: Loop) -> None:
    approval = {"training": "never", "promotion": "always"}
    model = loop.model(evaluation=loop.evaluation(BETTER, CHAMPION), policy={"approval": approval})
    arn = loop.start(loop.drift(model))
    name = arn.rsplit(":", 1)[-1]
    parked(loop, arn, "approval:promotion")

    throw_switch(loop, f"model:{model}")
    loop.approve(name)
    assert loop.status(arn) == "RUNNING"
    assert loop.endpoint_config(f"{model}-prod") == f"{model}-first"

    loop.operate({"action": "unpause", "scope": f"model:{model}"})
    loop.approve(name)
    assert loop.ended(arn).output["outcome"] == "PROMOTED"
