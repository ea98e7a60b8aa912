"""A policy and a training reach their own model's resources only: at the decision, before each effect, at the evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops import cli, validate
from ops.given_files import FileKind, Given
from ops.stack_checks import Outcome
from orchestration import handler
from orchestration.domain.boundary import Boundary
from orchestration.domain.contracts import MODEL_TAG, Status, WaitKind
from orchestration.domain.origins import Origins
from orchestration.domain.ownership import (
    SHARED,
    Kind,
    Resource,
    package_findings,
    package_group,
    reach_finding,
    source_findings,
    tag_finding,
)
from orchestration.domain.policy import TargetKind, Training, parse_policy
from orchestration.steps.ownership import request_foreign
from tests.unit import stories
from tests.unit.fake_services import ENDPOINT_ARN
from tests.unit.fakes import MACHINE, SETTINGS, TRAINING, World, drift, request
from tests.unit.stories import ENDPOINT, MODEL_URI, do

SAGEMAKER = ENDPOINT_ARN.removesuffix(":endpoint")
OTHERS = TRAINING.replace("churn-training", "payroll")
PIPELINE = f"{SAGEMAKER}:pipeline/spam"
PACKAGE = f"{SAGEMAKER}:model-package/fraud/7"
SERVED = stories.POLICY["promotion"]
JOB = {
    "RoleArn": "arn:aws:iam::111122223333:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
}


def job(**changes: Any) -> dict[str, Any]:
    return {"training": {"target": "training-job", "request": {**JOB, **changes}}}


ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "endpoint": ({"promotion": {**SERVED, "endpoint": "spam-prod"}}, "Endpoint spam-prod belongs to spam"),
    "endpoint that is only compared with": (
        {"promotion": {"kind": "registry", "endpoint": "spam-prod"}},
        "Endpoint spam-prod belongs to spam",
    ),
    "state machine": ({"training": {"target": OTHERS}}, "payroll has no tag retraining:model"),
    "version of a state machine": ({"training": {"target": f"{OTHERS}:7"}}, "payroll:7 has no tag retraining:model"),
    "pipeline": ({"training": {"target": PIPELINE}}, "pipeline/spam belongs to spam"),
    "deployment": ({"promotion": {"kind": "pipeline", "target": OTHERS}}, "payroll has no tag"),
    "schedule": ({"promotion": {**SERVED, "monitoring_schedule": "spam-monitor"}}, "spam-monitor belongs to spam"),
    "the loop": ({"training": {"target": MACHINE}}, "is the loop itself"),
    "another account": ({"training": {"target": OTHERS.replace("1111", "9999")}}, "another account or Region"),
    "another Region": ({"training": {"target": PIPELINE.replace("us-east", "eu-west")}}, "another account or Region"),
    "image of a job": (
        job(AlgorithmSpecification={"TrainingImage": "evil.com/train:1", "TrainingInputMode": "File"}),
        "ImagePrefixes",
    ),
    "file system of a job": (
        job(
            InputDataConfig=[
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "FileSystemDataSource": {
                            "FileSystemId": "fs-0123456789abcdef0",
                            "FileSystemAccessMode": "rw",
                            "FileSystemType": "FSxLustre",
                            "DirectoryPath": "/spam",
                        }
                    },
                }
            ]
        ),
        "file system",
    ),
    "algorithm of a job": (
        job(
            AlgorithmSpecification={
                "AlgorithmName": "arn:aws:sagemaker:us-east-1:999999999999:algorithm/evil",
                "TrainingInputMode": "File",
            }
        ),
        "ImagePrefixes",
    ),
    "package group of a job": (
        job(ModelPackageConfig={"ModelPackageGroupArn": f"{SAGEMAKER}:model-package-group/spam"}),
        "model-package-group/spam belongs to spam",
    ),
    "package of another account": (
        job(
            ModelPackageConfig={
                "ModelPackageGroupArn": f"{SAGEMAKER}:model-package-group/fraud",
                "SourceModelPackageArn": PACKAGE.replace("1111", "9999"),
            }
        ),
        "another account or Region",
    ),
    "bucket of a job": (job(CheckpointConfig={"S3Uri": "s3://payroll/checkpoints"}), "ModelDataPrefixes"),
    "code of a job": (
        {"training": {**job()["training"], "parameters": {"sagemaker_submit_directory": "s3://evil/code.tar.gz"}}},
        "ModelDataPrefixes",
    ),
    "image that a pipeline is to hand back": ({"training": {"input": {"image": "evil.com/serve:1"}}}, "ImagePrefixes"),
    "model that a pipeline is to hand back": (
        {"training": {"input": {"model_data_url": "s3://evil/model.tar.gz"}}},
        "ModelDataPrefixes",
    ),
}
"""What a policy of fraud names that is not fraud's, and what its sentence says."""


@pytest.fixture
def world(world: World) -> World:
    """Let spam have an endpoint and a monitor besides."""
    world.sagemaker.serve(ENDPOINT, stories.OLD)
    world.sagemaker.serve("spam-prod", "spam-1")
    world.sagemaker.schedules["spam-monitor"] = {}
    return world


def decided(world: World, **changes: Any) -> dict[str, Any]:
    world.put("policies/fraud.json", stories.policy(**changes))
    return handler.run_action(request(drift(model="fraud")), world.ports)


@pytest.mark.threat("foreign-endpoint")
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_signal_is_held_when_the_policy_names_what_is_not_its_models(attack: str, world: World) -> None:
    changes, said = ATTACKS[attack]
    answer = decided(world, **changes)
    assert answer["decision"] == "HOLD"
    assert said in answer["output"]["reason"]
    (record,) = world.chain("fraud")
    assert (record["reason"], record["guards"][-1]["guard"]) == ("FOREIGN_RESOURCE", "ownership")
    (told,) = world.told("HOLD")
    assert said in told.sentence
    assert world.keys("manifests/") == []


@pytest.mark.parametrize("target", [OTHERS, PIPELINE])
@pytest.mark.parametrize(
    ("tag", "decision"), [("fraud", "RETRAIN"), (SHARED, "RETRAIN"), ("churn", "HOLD"), ("", "HOLD")]
)
def test_a_target_is_its_models_or_everybodys_by_its_tag(target: str, tag: str, decision: str, world: World) -> None:
    tags = {MODEL_TAG: tag, "retraining:target": "true"}
    world.executions.tags[target] = world.sagemaker.tags[target] = tags
    assert decided(world, training={"target": target})["decision"] == decision


def test_the_target_of_the_form_serves_every_model_and_no_tag_is_asked_for(world: World) -> None:
    assert decided(world)["decision"] == "RETRAIN"
    assert "ListTagsForResource" not in world.outside.calls


def test_a_deployment_target_that_the_promotions_kind_does_not_use_is_nobodys_affair(world: World) -> None:
    assert decided(world, promotion={**SERVED, "target": "no ARN"})["decision"] == "RETRAIN"


def test_the_target_of_the_form_may_deploy_too(world: World) -> None:
    stories.accepted(world, promotion={"kind": "pipeline", "target": TRAINING})
    world.executions.tags.clear()
    assert do(world, "promote", token="t") == {"started": True}


def test_an_endpoint_cannot_be_everybodys(world: World) -> None:
    world.sagemaker.tags[f"{ENDPOINT_ARN}/{ENDPOINT}"] = {MODEL_TAG: SHARED}
    answer = decided(world)
    assert answer["decision"] == "HOLD"
    assert "only a training or deployment target may be" in answer["output"]["reason"]


def of_default(**changes: Any) -> dict[str, Any]:
    return stories.policy(**{"model": "churn", "promotion": {"endpoint": "churn-prod"}, **changes})


@pytest.mark.parametrize(("needed", "decision"), [("OPTIONAL", "RETRAIN"), ("REQUIRED", "HOLD")])
def test_the_default_model_needs_no_tags_unless_the_stack_asks_for_them(needed: str, decision: str) -> None:
    world = World(default_model_tags=needed)
    world.sagemaker.serve("churn-prod", "churn-1")
    world.sagemaker.tags = {f"{ENDPOINT_ARN}/churn-prod": {}, PIPELINE: {}}
    for number, target in enumerate((OTHERS, PIPELINE)):
        world.put("policies/churn.json", of_default(training={"target": target}))
        sent = request(drift(dedupe_key=str(number)), f"run-{number}")
        assert handler.run_action(sent, world.ports)["decision"] == decision
        state = world.table.model("churn")
        world.table.save_model(replace(state, active_run_id=None, version=state.version))


@pytest.mark.parametrize("what", ["endpoint", "target"])
def test_a_tag_that_names_another_model_is_refused_for_the_default_model_too(what: str, world: World) -> None:
    world.sagemaker.serve("churn-prod", "churn-1")
    world.sagemaker.tags[f"{ENDPOINT_ARN}/churn-prod"] = {MODEL_TAG: "fraud" if what == "endpoint" else "churn"}
    world.executions.tags[OTHERS] = {MODEL_TAG: "fraud" if what == "target" else "churn"}
    world.put("policies/churn.json", of_default(training={"target": OTHERS}))
    answer = handler.run_action(request(drift()), world.ports)
    assert answer["decision"] == "HOLD"
    assert "belongs to fraud" in answer["output"]["reason"]


@pytest.mark.parametrize("kind", [Kind.SCHEDULE, Kind.PACKAGE_GROUP])
def test_what_a_training_or_a_monitor_names_is_tagged_for_the_default_model_too(kind: Kind) -> None:
    boundary = Boundary.of(SETTINGS)
    assert tag_finding(Resource(kind, "churn-x"), None, "churn", boundary)
    assert tag_finding(Resource(kind, "churn-x"), "churn", "churn", boundary) is None


@pytest.mark.parametrize(
    "reason", ["paused", "shadow", "cooldown", "budget", "a run in progress", "observed", "no target", "frozen"]
)
def test_a_signal_that_is_not_acted_on_looks_at_nobodys_tags(reason: str, world: World) -> None:
    changes: dict[str, Any] = {"training": {"target": OTHERS}}
    state = world.table.model("fraud")
    if reason == "shadow":
        changes["mode"] = "shadow"
    elif reason == "observed":
        changes["actions"] = {"critical": "observe"}
    elif reason == "budget":
        changes["budget"] = {"runs": 1}
        world.table.save_model(replace(state, run_starts=(world.clock().isoformat(),)))
    elif reason == "cooldown":
        world.table.save_model(replace(state, cooldown_until="2026-03-02T13:00:00+00:00"))
    elif reason == "a run in progress":
        world.table.save_model(replace(state, active_run_id="run-0"))
    elif reason == "frozen":
        world.table.save_model(replace(state, frozen_reason="It failed twice."))
    elif reason == "paused":
        do(world, "pause", scope="model:fraud", by="ana", reason="Incident.")
    if reason == "no target":
        world = World(training_pipeline_arn="")
        world.sagemaker.serve(ENDPOINT, stories.OLD)
        del changes["training"]
        changes["training"] = {}
    world.outside.live()
    answer = decided(world, **changes)
    assert answer["decision"] not in {"RETRAIN", "REJECT"}
    assert not {"ListTags", "ListTagsForResource"} & set(world.outside.calls)
    (record,) = [entry for entry in world.chain("fraud") if entry["run_id"] == "run-1"]
    assert record["inputs"]["state"]["foreign_findings"] is None


# Before each effect.


def retagged(world: World, arn: str) -> None:
    world.sagemaker.tags[arn] = world.executions.tags[arn] = {MODEL_TAG: "spam"}


def stopped(world: World, kind: WaitKind, said: str) -> None:
    wait = world.table.wait("run-1", kind)
    assert wait is not None
    assert wait.result is not None
    assert wait.result.outcome == Status.STOPPED
    assert said in wait.result.reason


@pytest.mark.parametrize("arn", [OTHERS, f"{ENDPOINT_ARN}/{ENDPOINT}"])
def test_nothing_is_trained_for_what_became_another_models_since_the_decision(arn: str, world: World) -> None:
    stories.with_slot(world, training={"target": OTHERS})
    retagged(world, arn)
    assert do(world, "train", token="t") == {"started": False}
    stopped(world, WaitKind.TRAINING, "belongs to spam")
    assert [name for name in world.executions.started if name.startswith("retraining-")] == []


def test_nothing_is_trained_with_an_image_that_the_stack_does_not_allow_any_more(world: World) -> None:
    stories.with_slot(world, **job(AlgorithmSpecification={"TrainingImage": "image:2", "TrainingInputMode": "File"}))
    ports = replace(world.ports, settings=replace(world.settings, image_prefixes=("other",)))
    world.ports = ports
    assert do(world, "train", token="t") == {"started": False}
    stopped(world, WaitKind.TRAINING, "ImagePrefixes")


def test_an_endpoint_that_became_another_models_is_not_changed(world: World) -> None:
    stories.accepted(world)
    retagged(world, f"{ENDPOINT_ARN}/{ENDPOINT}")
    assert do(world, "promote", token="t") == {"started": False}
    stopped(world, WaitKind.PROMOTION, "belongs to spam")
    assert world.sagemaker.requests == []


def test_nothing_serves_from_where_the_stack_takes_nothing_any_more(world: World) -> None:
    stories.accepted(world)
    world.ports = replace(world.ports, settings=replace(world.settings, model_data_prefixes=("s3://elsewhere",)))
    assert do(world, "promote", token="t") == {"started": False}
    stopped(world, WaitKind.PROMOTION, "ModelDataPrefixes")


def test_a_deployment_that_became_another_models_is_not_started(world: World) -> None:
    stories.accepted(world, promotion={"kind": "pipeline", "target": OTHERS})
    retagged(world, OTHERS)
    assert do(world, "promote", token="t") == {"started": False}
    stopped(world, WaitKind.PROMOTION, "belongs to spam")


def package(**container: Any) -> dict[str, Any]:
    return {
        "ModelPackageArn": PACKAGE,
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": MODEL_URI, "Image": "image", **container}]},
    }


GROUP = f"{SAGEMAKER}:model-package-group/fraud"


def test_a_package_whose_group_became_another_models_is_not_approved(world: World) -> None:
    world.sagemaker.packages[PACKAGE] = package()
    stories.accepted(world, output={"model_package_arn": PACKAGE}, promotion={"kind": "registry"})
    retagged(world, GROUP)
    assert do(world, "promote", token="t") == {"started": False}
    stopped(world, WaitKind.PROMOTION, "belongs to spam")
    assert world.sagemaker.asked("UpdateModelPackage") == []


def test_a_package_whose_group_became_another_models_does_not_serve(world: World) -> None:
    world.sagemaker.packages[PACKAGE] = package()
    stories.accepted(world, output={"model_package_arn": PACKAGE})
    retagged(world, GROUP)
    assert do(world, "promote", token="t") == {"started": False}
    stopped(world, WaitKind.PROMOTION, "belongs to spam")
    assert world.sagemaker.requests == []


@pytest.mark.parametrize("kind", [{"kind": "registry"}, SERVED])
@pytest.mark.parametrize(
    "swapped",
    [
        {"Image": "evil.com/serve:1"},
        {"ModelDataUrl": "s3://evil/model.tar.gz"},
        {"Environment": {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://evil/code.tar.gz"}},
        {"ModelDataSource": {"S3DataSource": {"S3Uri": "s3://amzn-s3-demo-bucket/other/"}}},
    ],
)
def test_a_package_that_was_changed_since_it_was_judged_is_not_promoted(
    world: World, swapped: dict[str, Any], kind: dict[str, Any]
) -> None:
    """UpdateModelPackage takes an InferenceSpecification: whoever may call it could swap what people have approved."""
    world.sagemaker.packages[PACKAGE] = package()
    stories.accepted(world, output={"model_package_arn": PACKAGE}, promotion=kind)
    world.sagemaker.packages[PACKAGE] = package(**swapped)
    assert do(world, "promote", token="t") == {"started": False}
    wait = world.table.wait("run-1", WaitKind.PROMOTION)
    assert wait is not None
    assert wait.result is not None
    assert (wait.result.outcome, "not what was judged" in wait.result.reason) == (Status.SUPERSEDED, True)
    assert world.sagemaker.requests == []


def test_a_candidate_runs_as_the_champion_does_whatever_its_container_names(world: World) -> None:
    """The registry's credentials come from a function of the team; the champion's image goes on being the candidate's."""
    provider = {"RepositoryCredentialsProviderArn": "arn:aws:lambda:us-east-1:111122223333:function:login"}
    container = {"Image": "image", "ImageConfig": {"RepositoryAuthConfig": provider}, "ModelDataUrl": MODEL_URI}
    assert request_foreign(world.ports, "fraud", {"PrimaryContainer": container}, None) == ()


def test_no_container_of_several_runs_what_its_model_may_not(world: World) -> None:
    own = {"Image": "image", "ModelDataUrl": MODEL_URI}
    (found,) = request_foreign(world.ports, "fraud", {"Containers": [own, {**own, "Image": "evil.com/serve:1"}]}, None)
    assert "evil.com/serve:1" in found


def test_registry_and_baseline_that_became_another_models_are_left(world: World) -> None:
    world.sagemaker.packages[PACKAGE] = package()
    world.sagemaker.schedules["fraud-monitor"] = {"MonitoringScheduleConfig": {"MonitoringJobDefinition": {"a": 1}}}
    made = {"model_package_arn": PACKAGE, "baseline_constraints_uri": "s3://amzn-s3-demo-bucket/constraints.json"}
    promotion = {**SERVED, "bake_minutes": 0, "monitoring_schedule": "fraud-monitor"}
    stories.serving(world, output=made, promotion=promotion)
    do(world, "park", kind="bake", token="bake")
    retagged(world, GROUP)
    retagged(world, f"{SAGEMAKER}:monitoring-schedule/fraud-monitor")
    done = do(world, "finish")
    assert "belongs to spam" in done["registry"]
    assert "belongs to spam" in done["baseline"]
    assert world.sagemaker.asked("UpdateModelPackage") == world.sagemaker.asked("UpdateMonitoringSchedule") == []


def test_the_champion_comes_back_although_the_tag_was_changed_meanwhile(world: World) -> None:
    stories.rejected_by_bake(world)
    retagged(world, f"{ENDPOINT_ARN}/{ENDPOINT}")
    assert do(world, "roll_back", token="t") == {"started": True}


# What a training gave back.

SPAMS = f"{SAGEMAKER}:model-package/spam/3"
OUTPUTS: dict[str, tuple[dict[str, Any], str]] = {
    "another team's package": ({"model_package_arn": SPAMS}, "model-package-group/spam belongs to spam"),
    "a package of another account": (
        {"model_package_arn": PACKAGE.replace("1111", "9999")},
        "another account or Region",
    ),
    "another bucket's model": ({"model_data_url": "s3://evil/model.tar.gz", "image": "image"}, "ModelDataPrefixes"),
    "another model's output": (
        {"model_data_url": "s3://automation/runs/spam/r/outputs/model.tar.gz", "image": "image"},
        "ModelDataPrefixes",
    ),
    "a stranger's image": ({"model_data_url": MODEL_URI, "image": "evil.com/serve:1"}, "ImagePrefixes"),
    "a stranger's code": (
        {"model_data_url": MODEL_URI, "environment": {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://evil/code.tar.gz"}},
        "ModelDataPrefixes",
    ),
    "a package with a stranger's image": ({"model_package_arn": PACKAGE}, "ImagePrefixes"),
}


@pytest.mark.threat("foreign-image")
@pytest.mark.parametrize("good", [True, False], ids=["passes its gates", "fails its gates"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_what_a_training_gave_back_that_is_not_its_models_is_refused_and_nothing_is_touched(
    output: str, good: bool, world: World
) -> None:
    made, said = OUTPUTS[output]
    world.sagemaker.packages[SPAMS] = {**package(), "ModelPackageArn": SPAMS}
    world.sagemaker.packages[PACKAGE] = package(Image="evil.com/serve:1")
    report = {"binary_classification_metrics": {"auc": {"value": 0.9 if good else 0.1}}}
    stories.trained(world, report=report, output=made, promotion={**SERVED, "alarms": []})
    answer = do(world, "evaluate")
    assert answer["next"] == "record"
    assert said in answer["reason"]
    assert do(world, "finish") == {"next": "record", "registry": None, "baseline": None}
    assert do(world, "close")["outcome"] == Status.CANDIDATE_REJECTED
    assert world.sagemaker.requests == []


def test_what_nothing_serves_from_may_lie_anywhere(world: World) -> None:
    """A team that only has the loop train names what it likes; the registry's entry of another is left all the same."""
    made = {"model_data_url": "s3://elsewhere/model.tar.gz", "image": "evil.com/serve:1"}
    world.bucket.put(made["model_data_url"], b"weights")
    stories.trained(world, output=made, promotion={"kind": "none"})
    do(world, "evaluate")
    assert do(world, "close")["outcome"] == Status.TRAINED


def test_a_package_in_no_group_has_a_tag_of_its_own() -> None:
    lone = f"{SAGEMAKER}:model-package/fraud-alone"
    assert package_group(lone).name == lone
    assert package_group(PACKAGE).name == GROUP
    assert package_group(GROUP).name == GROUP
    assert package_group(f"{GROUP}/x").name == f"{GROUP}/x"


# What a sentence says, and where it looks.

BOUNDARY = Boundary.of(SETTINGS)
NOWHERE = Origins.of(BOUNDARY, "fraud", None)


@pytest.mark.parametrize(
    ("kind", "missing", "shared"),
    [
        (Kind.ENDPOINT, "", ""),
        (Kind.SCHEDULE, "", ""),
        (Kind.PACKAGE_GROUP, ", or does not exist", ""),
        (Kind.PIPELINE, ", or does not exist", ", or _shared if it serves several models"),
        (Kind.STATE_MACHINE, ", or does not exist", ", or _shared if it serves several models"),
    ],
)
def test_a_missing_tag_is_told_with_what_would_do(kind: Kind, missing: str, shared: str) -> None:
    assert tag_finding(Resource(kind, "x"), None, "fraud", BOUNDARY) == (
        f"{kind} x has no tag retraining:model{missing}, so nothing says that it is fraud's: set the tag to fraud{shared}, "
        "or name another."
    )


@pytest.mark.parametrize(
    ("arn", "reached"),
    [
        ("arn:aws:sagemaker:us-east-1:111122223333:pipeline/x", True),
        ("arn:aws:sagemaker:us-east-1:111122223333", True),
        ("arn:aws:sagemaker:us-east-1:444455556666:pipeline/x", False),
        ("arn:aws:sagemaker:eu-west-1:111122223333:pipeline/x", False),
        ("arn:aws:sagemaker:us-east-1", False),
        ("arn:aws", False),
    ],
)
def test_the_loop_reaches_what_is_of_its_account_and_region(arn: str, reached: bool) -> None:
    finding = reach_finding(Resource(Kind.PIPELINE, arn), BOUNDARY)
    assert (finding is None) is reached
    assert finding is None or "of another account or Region than the loop (111122223333, us-east-1)" in finding


def test_the_target_of_the_form_may_lie_anywhere_and_the_loop_itself_is_none_under_any_name() -> None:
    elsewhere = OTHERS.replace("us-east-1", "eu-west-1")
    own = replace(BOUNDARY, training_pipeline_arn=elsewhere)
    assert reach_finding(Resource(Kind.STATE_MACHINE, elsewhere), own) is None
    for name in (MACHINE, f"{MACHINE}:live", f"{MACHINE}:7"):
        finding = reach_finding(Resource(Kind.STATE_MACHINE, name), BOUNDARY)
        assert finding == f"State machine {name} is the loop itself, which trains and deploys nothing."


def named(**training: Any) -> list[str]:
    """What is found in the training of a policy whose model may take nothing from anywhere."""
    document = json.dumps(stories.policy(training=training)).encode()
    return [*source_findings(parse_policy("fraud", document, version="v1", settings=SETTINGS), NOWHERE)]


def test_a_finding_says_in_which_part_of_the_policy_it_is() -> None:
    evil = {"CODE": "s3://evil/code"}
    own = {name: value for name, value in JOB.items() if name != "AlgorithmSpecification"}
    (request_,) = named(target="training-job", request={**own, "Environment": evil})
    assert request_.startswith("training.request: CODE")
    (parameter,) = named(target="training-job", request=own, parameters={"code": "s3://evil/code"})
    assert parameter.startswith("training.parameters: code")
    (given,) = named(target=TRAINING, input={"model_data_uri": "s3://evil/model.tar.gz"})
    assert given.startswith("training.input: model_data_uri")
    (image,) = named(target=TRAINING, input={"image": "evil.com/serve:1"})
    assert image.startswith("training.input: image")


def test_where_a_job_writes_to_is_the_loops_to_say_whatever_its_pinned_request_says() -> None:
    # As a release before pinned it; a file that says so is refused now.
    output = {"OutputDataConfig": {"S3OutputPath": "s3://payroll/out"}}
    pinned = Training(TargetKind.TRAINING_JOB, "training-job", request=output)
    policy = replace(parse_policy("fraud", None, version="v1", settings=SETTINGS), training=pinned)
    assert [*source_findings(policy, NOWHERE)] == []


def test_what_is_no_text_or_an_empty_one_in_a_trainings_input_names_nothing() -> None:
    empty = {"image": "", "model_data_uri": "", "model_data_url": ""}
    for odd in (empty, {"image": 5, "model_data_uri": ["s3://evil/x"], "model_data_url": {}}):
        assert named(target=TRAINING, input=odd) == []


def test_a_finding_on_a_package_names_it() -> None:
    made = {"ModelPackageArn": PACKAGE, "InferenceSpecification": {"Containers": [{"Image": "evil.com/serve:1"}]}}
    (finding,) = package_findings(made, NOWHERE)
    assert finding.startswith(f"Package {PACKAGE}: Image")


# Stops.


@pytest.mark.threat("foreign-stop")
@pytest.mark.parametrize("written", ["nothing", "another's name"])
@pytest.mark.parametrize("ends", ["overdue", "closed"])
def test_a_training_that_the_run_has_not_written_down_is_not_stopped(ends: str, written: str, world: World) -> None:
    stories.training(world)
    intention = world.table.intention("training:run-1")
    assert intention is not None
    world.table.end_intention(intention.subject, intention.run_id)
    if written == "another's name":
        world.database.transact_write_items(
            TransactItems=[world.table.intention_write(replace(intention, wanted="retraining-other"))]
        )
    if ends == "closed":
        stories.tell_dead(world, "ABORTED")
    world.clock.forward(hours=25)
    for _ in range(3):
        do(world, "sweep")
        world.clock.forward(minutes=10)
    assert world.executions.statuses[stories.training_arn()] == "RUNNING"


# make validate.


class EverythingThere:
    """An account in which all that is named exists and every role may be passed."""

    def there(self, resource: Resource) -> bool:
        del resource
        return True

    def may_pass(self, role_arn: str) -> bool:
        del role_arn
        return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a place for a policy file."""
    return tmp_path / "fraud.json"


def wrong(world: World, path: Path) -> str:
    """What the checks against a stack say against a valid policy file."""
    assert validate.findings_of(path) == ()
    given = Given(FileKind.POLICY, path.name, path.read_bytes(), {})
    checks = validate.checks_of(given, world.ports, EverythingThere())
    assert checks
    return " ".join(check.sentence for check in checks if check.outcome is Outcome.FAILED)


@pytest.mark.parametrize("attack", ATTACKS)
def test_validate_names_what_the_stack_would_hold(attack: str, world: World, path: Path) -> None:
    changes, said = ATTACKS[attack]
    path.write_text(json.dumps(stories.policy(**changes)))
    assert said in wrong(world, path)


def test_validate_takes_a_policy_that_names_its_own(world: World, path: Path) -> None:
    world.sagemaker.serve(ENDPOINT, stories.OLD)
    world.alarms.states[stories.ALARM] = "OK"
    path.write_text(json.dumps(stories.policy()))
    assert wrong(world, path) == ""


def test_validate_shows_targets_of_two_accounts_without_a_stack(path: Path) -> None:
    promotion = {"kind": "pipeline", "target": OTHERS.replace("1111", "9999")}
    path.write_text(json.dumps(stories.policy(training={"target": OTHERS}, promotion=promotion)))
    (finding,) = validate.findings_of(path)
    assert "account 999922223333" in str(finding)
    assert cli.main(["validate", str(path)]) == 1
