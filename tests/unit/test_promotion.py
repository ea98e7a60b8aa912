"""Promotion plans: the exact requests, each legal by SageMaker's own service model."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from orchestration.domain.baseline import plan_baseline_refresh
from orchestration.domain.policy import Promotion, PromotionKind
from orchestration.domain.promotion import (
    NOT_PACKAGED,
    EndpointPlan,
    artifact_uris,
    not_promotable,
    plan_of,
    plan_promotion,
)
from orchestration.domain.serving import Champion, make_up_version
from orchestration.domain.training_output import TrainingOutput
from tests.contract.template import ROOT

SERVICE: Any = botocore.session.get_session().get_service_model("sagemaker")
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/fraud/7"
ROLE = "arn:aws:iam::111122223333:role/serving"
TRAINED = TrainingOutput(model_data_uri="s3://data/model.tar.gz", image="new-image", evaluation_uri="s3://data/e.json")
ENDPOINT = Promotion(PromotionKind.ENDPOINT, endpoint="fraud-prod", bake_minutes=10, alarms=("fraud-5xx",))
VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": "fraud-1",
    "InitialInstanceCount": 3,
    "InstanceType": "ml.m5.large",
    "InitialVariantWeight": 1.0,
    "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 4},
    "RoutingConfig": {"RoutingStrategy": "RANDOM"},
}
CONTAINER = {
    "Image": "old-image",
    "ModelDataUrl": "s3://data/old.tar.gz",
    "Mode": "SingleModel",
    "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    "ImageConfig": {"RepositoryAccessMode": "Platform"},
}
CHAMPION = Champion(
    endpoint="fraud-prod",
    config_name="fraud-config-1",
    config={
        "EndpointConfigName": "fraud-config-1",
        "EndpointConfigArn": "arn:aws:sagemaker:eu-west-1:111122223333:endpoint-config/fraud-config-1",
        "CreationTime": 1,
        "ProductionVariants": [VARIANT],
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://data/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        },
        "KmsKeyId": "key-1",
        "ShadowProductionVariants": [],
    },
    models={
        "fraud-1": {
            "ModelName": "fraud-1",
            "PrimaryContainer": CONTAINER,
            "ExecutionRoleArn": ROLE,
            "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
            "EnableNetworkIsolation": True,
            "CreationTime": 1,
            "ModelArn": "arn:aws:sagemaker:eu-west-1:111122223333:model/fraud-1",
        }
    },
    tags=[{"Key": "team", "Value": "fraud"}, {"Key": "aws:cloudformation:stack-id", "Value": "x"}],
)
REQUESTS = {
    "create_model": "CreateModel",
    "create_endpoint_config": "CreateEndpointConfig",
    "update_endpoint": "UpdateEndpoint",
}


def planned(
    promotion: Promotion = ENDPOINT,
    output: TrainingOutput = TRAINED,
    champion: Champion | None = CHAMPION,
    package: dict[str, Any] | None = None,
) -> dict[str, Any]:
    tags = {"retraining:run": "r-1"}
    made = plan_promotion(promotion, output, champion, model="fraud", name="fraud-2", tags=tags, package=package)
    assert not isinstance(made, str), made
    plan: dict[str, Any] = {"kind": "none"} if made is None else made.as_record()
    assert plan_of(json.loads(json.dumps(plan))) == made
    for key, operation in REQUESTS.items():
        if key in plan:
            report = ParamValidator().validate(plan[key], SERVICE.operation_model(operation).input_shape)
            assert not report.has_errors(), report.generate_report()
    return plan


def refused(
    promotion: Promotion = ENDPOINT,
    output: TrainingOutput = TRAINED,
    champion: Champion | None = CHAMPION,
    package: dict[str, Any] | None = None,
) -> str:
    plan = plan_promotion(promotion, output, champion, model="fraud", name="fraud-2", tags={}, package=package)
    assert isinstance(plan, str), plan
    return plan


def with_config(**fields: Any) -> Champion:
    return replace(CHAMPION, config={**CHAMPION.config, **fields})


def with_model(**fields: Any) -> Champion:
    return replace(CHAMPION, models={"fraud-1": {**CHAMPION.model, **fields}})


def test_the_config_is_the_live_one_with_only_the_model_changed() -> None:
    config = planned()["create_endpoint_config"]

    assert config == {
        "EndpointConfigName": "fraud-2",
        "ProductionVariants": [{**VARIANT, "ModelName": "fraud-2"}],
        "DataCaptureConfig": CHAMPION.config["DataCaptureConfig"],
        "KmsKeyId": "key-1",
        "Tags": [{"Key": "team", "Value": "fraud"}, {"Key": "retraining:run", "Value": "r-1"}],
    }


def test_the_model_keeps_role_network_and_how_its_container_is_run() -> None:
    model = planned()["create_model"]

    assert model["PrimaryContainer"] == {
        "Image": "new-image",
        "ModelDataUrl": "s3://data/model.tar.gz",
        "ImageConfig": {"RepositoryAccessMode": "Platform"},
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
    assert (model["ExecutionRoleArn"], model["EnableNetworkIsolation"]) == (ROLE, True)
    assert model["VpcConfig"] == CHAMPION.model["VpcConfig"]


def test_the_trainings_own_environment_wins() -> None:
    output = replace(TRAINED, environment=(("SAGEMAKER_PROGRAM", "serve.py"),))

    assert planned(output=output)["create_model"]["PrimaryContainer"]["Environment"] == {
        "SAGEMAKER_PROGRAM": "serve.py"
    }


PACKAGED = {
    "ContainerHostname": "score",
    "Image": "registry/score:7",
    "ModelDataUrl": "s3://data/packaged.tar.gz",
    "Environment": {"SAGEMAKER_PROGRAM": "score.py"},
}
SOURCE = {"S3DataSource": {"S3Uri": "s3://data/m.bin", "S3DataType": "S3Object", "CompressionType": "None"}}
OF_PACKAGE = TrainingOutput(model_package_arn=PACKAGE, model_data_uri="s3://data/model.tar.gz", image="another")


def package(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"ModelPackageArn": PACKAGE, "InferenceSpecification": {"Containers": [*containers]}, **fields}


def test_a_model_package_is_the_whole_container_and_its_name_is_a_tag() -> None:
    described = {**PACKAGED, "ImageDigest": "0a", "Framework": "XGBOOST", "ModelInput": {}, "ModelDataETag": "e"}

    plan = planned(output=OF_PACKAGE, package=package(described))

    model = plan["create_model"]
    assert model["PrimaryContainer"] == {**PACKAGED, "ImageConfig": {"RepositoryAccessMode": "Platform"}}
    assert "Containers" not in model
    assert model["Tags"] == [
        {"Key": "retraining:package", "Value": PACKAGE},
        {"Key": "retraining:run", "Value": "r-1"},
    ]
    assert plan["model_package_arn"] == PACKAGE
    # A later champion of another package, or of none, is made from this config's tags.
    assert "retraining:package" not in {tag["Key"] for tag in plan["create_endpoint_config"]["Tags"]}


def test_every_container_of_a_package_is_taken_in_its_order() -> None:
    second = {"Image": "registry/rank:2", "ModelDataSource": SOURCE, "AdditionalModelDataSources": []}
    described = package(PACKAGED, second)
    alone = [PACKAGED, {"Image": "registry/rank:2", "ModelDataSource": SOURCE}]

    model = planned(output=OF_PACKAGE, package=described)["create_model"]
    assert model["Containers"] == alone
    assert "PrimaryContainer" not in model
    longer = with_model(PrimaryContainer=None, Containers=[CONTAINER] * 3, InferenceExecutionConfig={"Mode": "Direct"})
    assert planned(output=OF_PACKAGE, champion=longer, package=described)["create_model"] == model

    # How each is run is the champion's where it has as many.
    like = {**CONTAINER, "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
    direct = {"Mode": "Direct"}
    pipeline = with_model(PrimaryContainer=None, Containers=[CONTAINER, like], InferenceExecutionConfig=direct)
    model = planned(output=OF_PACKAGE, champion=pipeline, package=described)["create_model"]
    assert model["InferenceExecutionConfig"] == direct
    assert [container["ImageConfig"] for container in model["Containers"]] == [
        {"RepositoryAccessMode": "Platform"},
        {"RepositoryAccessMode": "Vpc"},
    ]
    in_turn = with_model(PrimaryContainer=None, Containers=[CONTAINER, like])
    model = planned(output=OF_PACKAGE, champion=in_turn, package=described)["create_model"]
    assert "InferenceExecutionConfig" not in model


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (None, "names no container to serve it"),
        ({"InferenceSpecification": None}, "names no container to serve it"),
        (package(), "names no container to serve it"),
        (package(PACKAGED, ManagedStorageType="Restricted"), "to itself (ManagedStorageType Restricted)"),
        (package(PACKAGED, {**PACKAGED, "ProductId": "prod-1"}), "a product of AWS Marketplace"),
        (package({**PACKAGED, "AdditionalS3DataSource": {"S3Uri": "s3://b/k"}}), "AdditionalModelDataSources"),
        (package({**PACKAGED, "BaseModel": {"HubContentName": "llm"}}), "stands on a base model"),
        (package({**PACKAGED, "IsCheckpoint": True}), "is a checkpoint of a training"),
        (package(PACKAGED, {"ModelDataUrl": "s3://data/m.tar.gz"}), "names no image"),
    ],
)
def test_a_package_that_cannot_be_copied_is_refused(described: dict[str, Any] | None, words: str) -> None:
    assert words in refused(output=OF_PACKAGE, package=described)


def test_each_field_of_a_packages_container_was_decided_on() -> None:
    """A field that a model has no place for only describes it, or makes another model of it: somebody has to say so."""
    descriptive = {"ImageDigest", "ModelInput", "Framework", "FrameworkVersion", "NearestModelName", "ModelDataETag"}
    of_package = set(SERVICE.shape_for("ModelPackageContainerDefinition").members)
    assert {*NOT_PACKAGED} | descriptive == of_package - set(SERVICE.shape_for("ContainerDefinition").members)


def test_the_data_of_a_package_are_what_has_a_version() -> None:
    more = {**SOURCE["S3DataSource"], "S3Uri": "s3://data/words"}
    described = package(
        {**PACKAGED, "AdditionalModelDataSources": [{"S3DataSource": more}]}, {"ModelDataSource": SOURCE}
    )

    assert artifact_uris(described) == ["s3://data/packaged.tar.gz", "s3://data/words", "s3://data/m.bin"]
    assert artifact_uris({}) == []


@pytest.mark.parametrize("more", [{"S3DataType": "S3Prefix"}, {"ManifestS3Uri": "s3://data/manifest"}])
@pytest.mark.parametrize("field", ["ModelDataSource", "AdditionalModelDataSources"])
def test_data_without_a_version_of_their_own_do_not_serve(field: str, more: dict[str, str]) -> None:
    many = {"S3DataSource": {**SOURCE["S3DataSource"], **more}}
    described = package({"Image": "i", field: many if field == "ModelDataSource" else [many]})

    assert artifact_uris(described) == []
    assert refused(output=OF_PACKAGE, package=described).startswith("s3://data/m.bin stands for many objects")


@pytest.mark.parametrize(
    "fields",
    [
        {"ExecutionRoleArn": ROLE, "EnableNetworkIsolation": False},
        {"MetricsConfig": {"EnableEnhancedMetrics": True}},
        {"VpcConfig": {"SecurityGroupIds": ["sg-2"], "Subnets": ["subnet-2"]}},
        {"ExplainerConfig": {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "1"}}}}},
    ],
    ids=["role", "metrics", "network", "explainer"],
)
def test_whatever_else_the_team_set_stays(fields: dict[str, Any]) -> None:
    config = planned(champion=with_config(**fields))["create_endpoint_config"]

    assert {key: config[key] for key in fields} == fields


def test_what_the_team_left_empty_is_not_asked_for() -> None:
    plan = planned(champion=replace(with_model(VpcConfig={}), config={**CHAMPION.config, "DataCaptureConfig": {}}))

    assert "VpcConfig" not in plan["create_model"]
    assert "DataCaptureConfig" not in plan["create_endpoint_config"]


def test_everything_created_has_the_runs_tags_and_not_those_of_the_run_before() -> None:
    ours = {"Key": "retraining:run", "Value": "r-1"}
    before = [{"Key": "retraining:run", "Value": "r-0"}, {"Key": "team", "Value": "fraud"}]
    plan = planned(champion=replace(CHAMPION, tags=before))

    assert plan["create_model"]["Tags"] == [ours]
    assert plan["create_endpoint_config"]["Tags"] == [{"Key": "team", "Value": "fraud"}, ours]


def test_a_champion_in_a_list_of_one_container_is_copied_as_it_is_run() -> None:
    listed = {**CONTAINER, "ContainerMetricsConfig": {"MetricsEndpoints": [{"MetricsEndpointPath": "/metrics"}]}}
    champion = with_model(PrimaryContainer=None, Containers=[listed])
    unnamed = replace(TRAINED, image=None)

    made = plan_promotion(ENDPOINT, unnamed, champion, model="fraud", name="fraud-2", tags={})
    assert isinstance(made, EndpointPlan)
    assert made.create_model is not None
    container = made.create_model["PrimaryContainer"]
    assert container["Image"] == "old-image"
    assert container["ImageConfig"] == CONTAINER["ImageConfig"]
    assert container["ContainerMetricsConfig"] == listed["ContainerMetricsConfig"]


def test_only_addresses_of_a_packages_containers_are_artifacts() -> None:
    urls = ["s3://data/a.tar.gz", "", None, 7, ["s3://data/b.tar.gz"]]
    package = {"InferenceSpecification": {"Containers": [{"ModelDataUrl": url} for url in urls]}}
    assert artifact_uris(package) == ["s3://data/a.tar.gz"]


def test_a_manifest_says_which_champion_served() -> None:
    assert CHAMPION.as_record() == {
        "endpoint": "fraud-prod",
        "endpoint_config": "fraud-config-1",
        "model_name": "fraud-1",
        "model_data_uri": "s3://data/old.tar.gz",
        "image": "old-image",
        "code_uris": [],
        "copied_from": [],
        "make_up_sha256": make_up_version(CHAMPION.config, CHAMPION.models),
    }
    copied = replace(CHAMPION, copied_from=("s3://team/old.tar.gz",))
    assert copied.as_record()["copied_from"] == ["s3://team/old.tar.gz"]


def test_a_manifest_says_where_else_the_champions_container_takes_something_from() -> None:
    code, source = "s3://code/sourcedir.tar.gz", "s3://data/weights/"
    container = {
        **CONTAINER,
        "Environment": {"SAGEMAKER_SUBMIT_DIRECTORY": code, "SAGEMAKER_MODEL": CONTAINER["ModelDataUrl"]},
        "ModelDataSource": {"S3DataSource": {"S3Uri": source, "S3DataType": "S3Prefix"}},
    }
    assert with_model(PrimaryContainer=container).as_record()["code_uris"] == [code, source]


def test_a_plan_keeps_what_the_end_of_the_run_needs() -> None:
    output = replace(
        TRAINED,
        baseline_statistics_uri="s3://data/statistics.json",
        baseline_constraints_uri="s3://data/constraints.json",
    )
    plan = planned(replace(ENDPOINT, monitoring_schedule="monitor"), output)

    assert plan["monitoring_schedule"] == "monitor"
    assert plan["baseline_statistics_uri"] == "s3://data/statistics.json"
    assert plan["baseline_constraints_uri"] == "s3://data/constraints.json"


def test_a_variant_that_serves_another_model_keeps_it() -> None:
    other = {**VARIANT, "VariantName": "Challenger", "ModelName": "fraud-challenger"}
    twin = {**VARIANT, "VariantName": "Twin"}
    config = planned(champion=with_config(ProductionVariants=[VARIANT, other, twin]))["create_endpoint_config"]

    assert [variant["ModelName"] for variant in config["ProductionVariants"]] == [
        "fraud-2",
        "fraud-challenger",
        "fraud-2",
    ]


def test_the_policys_alarms_roll_the_update_back_and_its_traffic_shift_is_kept() -> None:
    assert planned()["update_endpoint"]["DeploymentConfig"] == {
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "fraud-5xx"}]},
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}},
    }
    canary = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 300,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
            },
            "TerminationWaitInSeconds": 600,
        }
    }
    deployment = planned(replace(ENDPOINT, deployment=canary))["update_endpoint"]["DeploymentConfig"]
    assert deployment["BlueGreenUpdatePolicy"] == canary["BlueGreenUpdatePolicy"]
    rolling = {
        "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 60}
    }
    deployment = planned(replace(ENDPOINT, deployment=rolling))["update_endpoint"]["DeploymentConfig"]
    assert deployment.keys() == {"RollingUpdatePolicy", "AutoRollbackConfiguration"}
    assert "DeploymentConfig" not in planned(replace(ENDPOINT, alarms=()))["update_endpoint"]


def test_the_policys_own_rollback_alarms_are_kept() -> None:
    own = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "fraud-business"}]}}
    deployment = planned(replace(ENDPOINT, deployment=own))["update_endpoint"]["DeploymentConfig"]
    assert deployment["AutoRollbackConfiguration"] == own["AutoRollbackConfiguration"]
    assert deployment.keys() == {"AutoRollbackConfiguration", "BlueGreenUpdatePolicy"}


def test_a_plan_names_both_configs_the_bake_and_what_silence_means() -> None:
    plan = planned()

    assert (plan["previous_config"], plan["wanted_config"], plan["bake_seconds"]) == ("fraud-config-1", "fraud-2", 600)
    assert plan["inconclusive"] == "ask"
    assert planned(replace(ENDPOINT, inconclusive="roll_back"))["inconclusive"] == "roll_back"


def test_an_autoscaled_endpoint_keeps_its_instances() -> None:
    assert planned()["update_endpoint"]["RetainAllVariantProperties"] is True
    shrinks = planned(replace(ENDPOINT, retain_capacity=False))["update_endpoint"]
    assert shrinks["RetainAllVariantProperties"] is False


@pytest.mark.parametrize(
    ("output", "champion", "words"),
    [
        (TRAINED, None, "does not exist any more"),
        (TrainingOutput(), CHAMPION, "neither model_package_arn nor model_data_url"),
        (
            TrainingOutput(model_data_uri="s3://data/m.tar.gz"),
            with_model(PrimaryContainer={"ModelPackageName": PACKAGE}),
            "without image",
        ),
    ],
)
def test_a_plan_that_would_guess_is_refused(output: TrainingOutput, champion: Champion | None, words: str) -> None:
    assert words in refused(output=output, champion=champion)


def test_registry_pipeline_and_none() -> None:
    registry, none = Promotion(PromotionKind.REGISTRY), Promotion(PromotionKind.NONE)
    target = "arn:aws:states:eu-west-1:111122223333:stateMachine:deploy:live"
    pipeline = Promotion(PromotionKind.PIPELINE, target=target, input={"stage": "prod", "model": "none of yours"})

    assert planned(registry, TrainingOutput(model_package_arn=PACKAGE)) == {
        "kind": "registry",
        "model_package_arn": PACKAGE,
    }
    assert "nothing to approve" in refused(registry)
    assert planned(none) == {"kind": "none"}
    plan = planned(pipeline)
    assert plan["execution_arn"] == "arn:aws:states:eu-west-1:111122223333:execution:deploy:fraud-2"
    assert plan["input"] == {
        "stage": "prod",
        "model": "fraud",
        "model_package_arn": None,
        "model_data_url": "s3://data/model.tar.gz",
        "image": "new-image",
        "environment": {},
        "evaluation_uri": "s3://data/e.json",
    }


# The baseline.

NEW = {"statistics_uri": "s3://data/statistics.json", "constraints_uri": "s3://data/constraints.json"}


def described(baseline: dict[str, Any] | None) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "MonitoringInputs": [{"EndpointInput": {"EndpointName": "fraud-prod", "LocalPath": "/opt/ml/processing/in"}}],
        "MonitoringOutputConfig": {
            "MonitoringOutputs": [{"S3Output": {"S3Uri": "s3://data/reports", "LocalPath": "/opt/ml/processing/out"}}]
        },
        "MonitoringResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}
        },
        "MonitoringAppSpecification": {"ImageUri": "monitor"},
        "RoleArn": ROLE,
    }
    if baseline is not None:
        definition["BaselineConfig"] = baseline
    return {"MonitoringScheduleConfig": {"MonitoringJobDefinition": definition, "MonitoringType": "DataQuality"}}


def test_a_refresh_changes_the_baseline_and_nothing_else() -> None:
    before = described({"BaseliningJobName": "old", "StatisticsResource": {"S3Uri": "s3://data/old.json"}})

    refresh = plan_baseline_refresh(
        "schedule", before, statistics_uri=NEW["statistics_uri"], constraints_uri=NEW["constraints_uri"]
    )

    assert refresh.request is not None
    shape = SERVICE.operation_model("UpdateMonitoringSchedule").input_shape
    assert not ParamValidator().validate(refresh.request, shape).has_errors()
    config = refresh.request["MonitoringScheduleConfig"]
    assert config["MonitoringJobDefinition"].pop("BaselineConfig") == {
        "ConstraintsResource": {"S3Uri": "s3://data/constraints.json"},
        "StatisticsResource": {"S3Uri": "s3://data/statistics.json"},
    }
    unchanged = described(None)["MonitoringScheduleConfig"]
    assert config == unchanged


@pytest.mark.parametrize(
    ("schedule", "found", "given", "words"),
    [
        (None, described({}), NEW, "names no monitoring schedule"),
        ("s", None, NEW, "does not exist"),
        ("s", {"MonitoringScheduleConfig": {"MonitoringJobDefinitionName": "shared"}}, NEW, "job definition shared"),
        (
            "s",
            described({}),
            {"statistics_uri": "s3://d/s", "constraints_uri": None},
            "returned no baseline_constraints_uri.",
        ),
        (
            "s",
            described({"StatisticsResource": {}}),
            {"statistics_uri": None, "constraints_uri": "s3://d/c"},
            "returned no baseline_statistics_uri.",
        ),
    ],
)
def test_a_baseline_that_is_left_says_why(
    schedule: str | None, found: dict[str, Any] | None, given: dict[str, Any], words: str
) -> None:
    refresh = plan_baseline_refresh(schedule, found, **given)

    assert refresh.request is None
    assert words in refresh.sentence


def test_constraints_alone_are_enough_for_a_monitor_that_has_no_statistics() -> None:
    refresh = plan_baseline_refresh("s", described({}), statistics_uri=None, constraints_uri="s3://d/c")

    assert refresh.request is not None


# Kinds of endpoint.

SHADOW = {**VARIANT, "VariantName": "Shadow", "ModelName": "fraud-shadow"}
ASYNC = {"OutputConfig": {"S3OutputPath": "s3://data/async"}}
SERVERLESS = {
    "VariantName": "AllTraffic",
    "ModelName": "fraud-1",
    "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
}
VARIANTS = [VARIANT, {**VARIANT, "VariantName": "B", "ModelName": "fraud-b"}, {**VARIANT, "VariantName": "C"}]
ROLLING = replace(
    ENDPOINT,
    deployment={
        "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 60}
    },
)
KINDS: dict[str, tuple[Promotion, Champion, dict[str, Any]]] = {
    "one variant": (ENDPOINT, CHAMPION, {}),
    "several variants, some of another model": (
        ENDPOINT,
        with_config(ProductionVariants=VARIANTS),
        {
            "ProductionVariants": [
                {**VARIANT, "ModelName": "fraud-2"},
                VARIANTS[1],
                {**VARIANTS[2], "ModelName": "fraud-2"},
            ]
        },
    ),
    "shadow variants": (
        ENDPOINT,
        with_config(ShadowProductionVariants=[SHADOW]),
        {"ShadowProductionVariants": [SHADOW]},
    ),
    "serverless": (
        ENDPOINT,
        with_config(ProductionVariants=[SERVERLESS]),
        {"ProductionVariants": [{**SERVERLESS, "ModelName": "fraud-2"}]},
    ),
    "asynchronous": (ENDPOINT, with_config(AsyncInferenceConfig=ASYNC), {"AsyncInferenceConfig": ASYNC}),
    "inference pipeline": (ENDPOINT, with_model(PrimaryContainer=None, Containers=[CONTAINER, CONTAINER]), {}),
    "multi-model": (ENDPOINT, with_model(PrimaryContainer={**CONTAINER, "Mode": "MultiModel"}), {}),
    "inference components": (
        ENDPOINT,
        replace(
            with_config(ProductionVariants=[{"VariantName": "AllTraffic", "InstanceType": "ml.g5.xlarge"}]), models={}
        ),
        {},
    ),
    "config deleted while it serves": (ENDPOINT, replace(CHAMPION, config={}, models={}), {}),
    "model deleted while it serves": (ENDPOINT, replace(CHAMPION, models={}), {}),
    "several variants, with a `RollingUpdatePolicy`": (ROLLING, with_config(ProductionVariants=VARIANTS[:2]), {}),
    "serverless, with a `RollingUpdatePolicy`": (ROLLING, with_config(ProductionVariants=[SERVERLESS]), {}),
}


def test_one_of_several_containers_that_holds_many_models_is_replaced_by_no_candidate() -> None:
    many = with_model(PrimaryContainer=None, Containers=[CONTAINER, {**CONTAINER, "Mode": "MultiModel"}])
    assert "holds many models in one container" in str(not_promotable(ENDPOINT, many))


def rows() -> dict[str, list[str]]:
    """The table of kinds: its cells by the name of the kind."""
    page = (ROOT / "docs" / "promotion.md").read_text(encoding="utf-8")
    lines = page.partition("<!-- kinds:")[2].partition("\n\n")[0].splitlines()[3:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {kind: rest for kind, *rest in cells}


def test_the_table_of_kinds_names_each_that_is_tried() -> None:
    assert set(rows()) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_endpoint_does_what_the_table_says(kind: str) -> None:
    promotion, champion, config = KINDS[kind]
    candidates: list[tuple[TrainingOutput, dict[str, Any] | None]] = [(TRAINED, None), (OF_PACKAGE, package(PACKAGED))]
    for said, (output, described) in zip(rows()[kind], candidates, strict=True):
        if said.startswith("serves"):
            made = planned(promotion, output, champion, described)["create_endpoint_config"]
            assert {key: made[key] for key in config} == config
            assert "fraud-2" in {variant["ModelName"] for variant in made["ProductionVariants"]}
        else:
            assert said.removeprefix("refused: ") in refused(promotion, output, champion, described)
    # What no output could change is seen before anything is trained.
    always = all(said.startswith("refused") for said in rows()[kind])
    assert (not_promotable(promotion, champion) is not None) is always
