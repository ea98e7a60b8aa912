"""No effect is made on an old look at the world: switch, policy, deployment and artifact are read when it is made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack.loop import BETTER, CHAMPION, IMAGE, Loop
from tests.stack.moments import deploy_hotfix, outcome, parked, pause, run_of, serving
from tests.stack.teams import Held, alarm, approval_of, held_training, model_package, set_alarm


@pytest.fixture
def unpaused(loop: Loop) -> Any:
    """Lift what a story threw."""
    thrown: list[str] = []
    yield thrown
    for scope in thrown:
        loop.operate({"action": "unpause", "scope": scope})


def training_now(loop: Loop, **sections: Any) -> tuple[str, str, Held]:
    """A model whose run trains until it is let go."""
    held = held_training(loop)
    model = loop.model(training=held.arn, **sections)
    arn = loop.start(loop.drift(model))
    held.until_it_runs()
    return model, arn, held


def change_policy(loop: Loop, model: str, section: str, **values: Any) -> dict[str, Any]:
    """Upload another policy; gives the one before."""
    before: dict[str, Any] = loop.read(f"policies/{model}.json")
    after = {**before, section: {**before[section], **values}} if values else before
    loop.put(f"policies/{model}.json", after, bucket=loop.bucket)
    return before


def test_a_switch_on_a_source_thrown_while_it_trains_stops_the_promotion(loop: Loop, unpaused: list[str]) -> None:
    """One on its model: tests/stack/test_candidate_rejected.py."""
    model, arn, held = training_now(loop)
    pause(loop, "source:drift_report")
    unpaused.append("source:drift_report")

    held.let_go()

    assert loop.ended(arn).output["outcome"] == "STOPPED"
    assert serving(loop, model) == f"{model}-first"
    names = {entry["ModelName"] for entry in loop.aws.client("sagemaker").list_models(MaxResults=100)["Models"]}
    assert {name for name in names if name.startswith(model)} == {f"{model}-first"}


def test_a_switch_thrown_in_a_bake_ends_it_and_the_champion_serves_again(loop: Loop, unpaused: list[str]) -> None:
    model = loop.model()
    change_policy(loop, model, "promotion", bake_minutes=60)
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "bake")

    unpaused.append(f"model:{model}")
    pause(loop, f"model:{model}")

    assert loop.ended(arn).output["outcome"] == "STOPPED"
    assert serving(loop, model) == f"{model}-first"


def test_a_hotfix_deployed_after_the_evaluation_is_not_overwritten_and_nobodys_failure(loop: Loop) -> None:
    model = loop.model(approval={"training": "never", "promotion": "always"})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:promotion")
    hotfix = deploy_hotfix(loop, model)

    loop.approve(run_of(arn))

    assert loop.ended(arn).output["outcome"] == "SUPERSEDED"
    assert loop.report(model, run_of(arn))["end"] == "RetrainingSuperseded"
    assert serving(loop, model) == hotfix
    assert loop.item(f"MODEL#{model}", "STATE")["fruitless_runs"]["N"] == "0"  # type: ignore[index] # it is there


def test_a_hotfix_that_is_still_being_deployed_is_seen_too(loop: Loop) -> None:
    """During an update the endpoint names the old config; the coming one stands in its summary."""
    model = loop.model(approval={"training": "never", "promotion": "always"})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:promotion")
    sagemaker = loop.aws.client("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=f"{model}-first")
    sagemaker.create_endpoint_config(EndpointConfigName=f"{model}-fix", ProductionVariants=config["ProductionVariants"])
    loop.aws.tell_endpoint(f"{model}-prod", None, seconds=5)
    sagemaker.update_endpoint(EndpointName=f"{model}-prod", EndpointConfigName=f"{model}-fix")
    assert serving(loop, model) == f"{model}-first"

    loop.approve(run_of(arn))

    assert loop.ended(arn).output["outcome"] == "SUPERSEDED"
    loop.until(lambda: serving(loop, model) == f"{model}-fix")


def test_gates_loosened_during_the_training_do_not_count(loop: Loop) -> None:
    worse = loop.evaluation({"auc": 0.7, "recall": 0.8}, CHAMPION)
    held = Held(
        loop,
        {
            "model_data_url": f"s3://{loop.data_bucket}/models/candidate.tar.gz",
            "image": IMAGE,
            "evaluation_uri": worse,
        },
    )
    model = loop.model(training=held.arn)
    arn = loop.start(loop.drift(model))
    held.until_it_runs()
    change_policy(loop, model, "evaluation", minimum=0.1, min_improvement=-1.0)

    held.let_go()

    assert loop.ended(arn).output["outcome"] == "CANDIDATE_REJECTED"


def test_a_policy_changed_during_the_training_has_people_asked(loop: Loop) -> None:
    model, arn, held = training_now(loop)
    change_policy(loop, model, "promotion", bake_minutes=1)
    held.let_go()
    parked(loop, arn, "approval:promotion")

    loop.approve(run_of(arn))

    assert loop.ended(arn).output["outcome"] == "PROMOTED"
    manifest = loop.read(f"manifests/{model}/{run_of(arn)}.json")
    assert manifest["policy"]["effective"]["promotion"]["bake_minutes"] == 0
    assert loop.read(f"evidence/{model}/{run_of(arn)}/outcome.json")["policy"] == manifest["policy"]["sha256"]


def test_a_policy_weakened_and_restored_while_it_trained_changes_nothing(loop: Loop) -> None:
    model, arn, held = training_now(loop, approval={"training": "never", "promotion": "always"})
    before = change_policy(loop, model, "approval", promotion="never")
    held.let_go()
    parked(loop, arn, "approval:promotion")
    loop.put(f"policies/{model}.json", before, bucket=loop.bucket)

    assert serving(loop, model) == f"{model}-first"
    loop.vote(run_of(arn), "REJECTED")
    assert loop.ended(arn).output["outcome"] == "APPROVAL_REJECTED"


def test_shadow_mode_set_while_it_trained_promotes_nothing(loop: Loop) -> None:
    model, arn, held = training_now(loop)
    document = loop.read(f"policies/{model}.json")
    loop.put(f"policies/{model}.json", {**document, "mode": "shadow"}, bucket=loop.bucket)

    held.let_go()
    parked(loop, arn, "approval:promotion")
    loop.approve(run_of(arn))

    assert loop.ended(arn).output["outcome"] == "STOPPED"
    assert serving(loop, model) == f"{model}-first"


def test_a_policy_deleted_while_an_approval_waits_promotes_nothing(loop: Loop) -> None:
    model = loop.model(approval={"training": "never", "promotion": "always"})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:promotion")
    loop.remove(f"policies/{model}.json")

    loop.approve(run_of(arn))

    assert loop.ended(arn).output["outcome"] == "STOPPED"
    assert serving(loop, model) == f"{model}-first"


def test_a_policy_changed_after_the_yes_makes_it_void(loop: Loop) -> None:
    model = loop.model(approval={"training": "never", "promotion": "always"})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:promotion")
    change_policy(loop, model, "promotion", bake_minutes=0.1)

    loop.approve(run_of(arn))

    assert loop.ended(arn).output["outcome"] == "STOPPED"
    assert serving(loop, model) == f"{model}-first"


def test_a_policy_changed_before_the_training_has_the_signal_decided_again(loop: Loop) -> None:
    model = loop.model(approval={"training": "always", "promotion": "never"})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:training")
    change_policy(loop, model, "approval", training="never")

    loop.approve(run_of(arn))

    assert loop.ended(arn).output["outcome"] == "SUPERSEDED"
    loop.until(lambda: loop.decisions(model)[-1]["signal"]["source"] == "pending")
    again = loop.decisions(model)[-1]
    assert again["decision"] == "RETRAIN"
    assert outcome(loop, loop.execution_arn(again["run_id"])) == "PROMOTED"


def test_what_is_promoted_is_what_was_reviewed(loop: Loop) -> None:
    """By its report; the artifact that was reviewed serves as a copy: tests/stack/test_promotion_kinds.py."""
    report = loop.evaluation(BETTER, CHAMPION)
    model = loop.model(training=loop.training(report), approval={"training": "never", "promotion": "always"})
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:promotion")
    loop.put(report.removeprefix(f"s3://{loop.data_bucket}/"), {"binary_classification_metrics": {"auc": {"value": 1}}})

    loop.approve(run_of(arn))

    assert loop.ended(arn).output["outcome"] == "SUPERSEDED"
    assert serving(loop, model) == f"{model}-first"


def test_two_models_do_not_promote_over_each_others_bake(loop: Loop) -> None:
    first = loop.model()
    assert loop.run(loop.drift(first)).output["outcome"] == "PROMOTED"
    second = loop.model()
    change_policy(loop, second, "promotion", endpoint=f"{first}-prod")

    ended = loop.run(loop.drift(second))

    assert ended.output["outcome"] == "HOLD"
    assert loop.decisions(second)[-1]["reason"] == "FOREIGN_RESOURCE"


def test_a_stopped_run_is_no_fruitless_run(loop: Loop) -> None:
    held = held_training(loop)
    model = loop.model(training=held.arn)
    for round_ in range(3):
        arn = loop.start(loop.drift(model, observed=0.9 + round_ / 100))
        parked(loop, arn, "training")
        loop.aws.client("stepfunctions").stop_execution(executionArn=arn)
        assert outcome(loop, arn) == "STOPPED"
        loop.end_cooldown(model)

    state = loop.item(f"MODEL#{model}", "STATE") or {}

    assert "frozen_reason" not in state
    assert state["fruitless_runs"]["N"] == "0"


def test_a_late_event_about_an_execution_that_lives_closes_nothing(loop: Loop) -> None:
    model, arn, held = training_now(loop)
    event = {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"executionArn": arn, "stateMachineArn": loop.machine, "name": run_of(arn), "status": "ABORTED"},
    }

    assert loop.invoke(event) == {"outcome": None}
    held.let_go()

    assert loop.ended(arn).output["outcome"] == "PROMOTED"
    assert serving(loop, model) != f"{model}-first"


def test_alarms_that_say_nothing_extend_the_bake_once_and_then_have_people_asked(loop: Loop) -> None:
    silent = alarm(loop)
    set_alarm(loop, silent, "INSUFFICIENT_DATA")
    package = model_package(loop)
    training = loop.training(loop.evaluation(BETTER, CHAMPION), model_package_arn=package)
    model = loop.model(training=training, package=package)
    change_policy(loop, model, "promotion", bake_minutes=0, alarms=[silent])
    arn = loop.start(loop.drift(model))
    parked(loop, arn, "approval:bake")

    loop.vote(run_of(arn), "REJECTED")

    assert loop.ended(arn).error == "RolledBack"
    assert serving(loop, model) == f"{model}-first"
    assert approval_of(loop, package) == "Rejected"
