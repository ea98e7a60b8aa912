"""What serves as one value: the same for a request and its description, another for everything that matters."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.domain.serving import Champion, differing, make_up, make_up_version, one_source

MODEL: dict[str, Any] = {
    "ModelName": "m",
    "PrimaryContainer": {
        "Image": "image",
        "ModelDataUrl": "s3://b/model.tar.gz",
        "Environment": {"A": "", "B": "Serial"},
        "ModelDataSource": {},
    },
    "ExecutionRoleArn": "role",
    "Tags": [{"Key": "retraining:run", "Value": "run-1"}],
}
CONFIG: dict[str, Any] = {
    "EndpointConfigName": "c",
    "ProductionVariants": [{"VariantName": "v", "ModelName": "m", "InitialVariantWeight": 0}],
    "DataCaptureConfig": {"EnableCapture": True, "CaptureOptions": [{"CaptureMode": "Input"}]},
    "Tags": [],
}
DESCRIBED_MODEL = {
    "ModelName": "m",
    "PrimaryContainer": {
        "Image": "image",
        "Mode": "SingleModel",
        "ModelDataUrl": "s3://b/model.tar.gz",
        "ModelDataSource": {
            "S3DataSource": {"S3Uri": "s3://b/model.tar.gz", "S3DataType": "S3Object", "CompressionType": "Gzip"}
        },
        "Environment": {"A": "", "B": "Serial"},
    },
    "Containers": [],
    "ExecutionRoleArn": "role",
    "CreationTime": 1,
    "ModelArn": "arn",
    "EnableNetworkIsolation": False,
    "VpcConfig": {"Subnets": []},
}
DESCRIBED_CONFIG = {
    **CONFIG,
    "ProductionVariants": [
        {"VariantName": "v", "ModelName": "m", "InitialVariantWeight": 0.0, "EnableSSMAccess": False}
    ],
    "EndpointConfigArn": "arn",
    "CreationTime": 1,
    "EnableNetworkIsolation": False,
    "ShadowProductionVariants": [],
    "AsyncInferenceConfig": {"OutputConfig": {}},
    "KmsKeyId": "",
    "VpcConfig": None,
}


def test_a_request_and_its_description_are_the_same() -> None:
    asked, described = make_up(CONFIG, {"m": MODEL}), make_up(DESCRIBED_CONFIG, {"m": DESCRIBED_MODEL})
    assert asked == described
    # What a later release compares besides does not change the version of what had none of it.
    assert None not in asked.values()
    assert differing(asked, described) == []
    assert make_up_version(CONFIG, {"m": MODEL}) == make_up_version(DESCRIBED_CONFIG, {"m": DESCRIBED_MODEL})
    assert asked["Environment of container 1 of model m"] == {"A": "", "B": "Serial"}
    assert asked["ProductionVariants of the config"] == [
        {"VariantName": "v", "ModelName": "m", "InitialVariantWeight": 0}
    ]


CONTAINER = MODEL["PrimaryContainer"]
SOURCE = {"S3DataSource": {"S3Uri": "s3://b/other", "S3DataType": "S3Prefix"}}


@pytest.mark.parametrize(
    ("where", "model", "config"),
    [
        ("Image of container 1 of model m", {"PrimaryContainer": {**CONTAINER, "Image": "other"}}, {}),
        ("Environment of container 1 of model m", {"PrimaryContainer": {**CONTAINER, "Environment": {}}}, {}),
        ("Environment of container 1 of model m", {"PrimaryContainer": {**CONTAINER, "Environment": {"A": "b"}}}, {}),
        (
            "ModelDataSource of container 1 of model m",
            {"PrimaryContainer": {**CONTAINER, "ModelDataSource": SOURCE}},
            {},
        ),
        ("Mode of container 1 of model m", {"PrimaryContainer": {**CONTAINER, "Mode": "MultiModel"}}, {}),
        (
            "AdditionalModelDataSources of container 1 of model m",
            {"PrimaryContainer": {**CONTAINER, "AdditionalModelDataSources": [{"ChannelName": "x", **SOURCE}]}},
            {},
        ),
        (
            "Image of container 2 of model m",
            {"PrimaryContainer": None, "Containers": [CONTAINER, {"Image": "two"}]},
            {},
        ),
        ("ExecutionRoleArn of model m", {"ExecutionRoleArn": "other"}, {}),
        ("VpcConfig of model m", {"VpcConfig": {"Subnets": ["s"]}}, {}),
        ("EnableNetworkIsolation of model m", {"EnableNetworkIsolation": True}, {}),
        (
            "ProductionVariants of the config",
            {},
            {"ProductionVariants": [{"VariantName": "v", "ModelName": "m", "InitialVariantWeight": 1}]},
        ),
        ("ShadowProductionVariants of the config", {}, {"ShadowProductionVariants": [{"ModelName": "m"}]}),
        (
            "DataCaptureConfig of the config",
            {},
            {"DataCaptureConfig": {"EnableCapture": True, "CaptureOptions": [{"CaptureMode": "Output"}]}},
        ),
        ("ExecutionRoleArn of the config", {}, {"ExecutionRoleArn": "other"}),
    ],
)
def test_what_is_another_shows_where(where: str, model: dict[str, Any], config: dict[str, Any]) -> None:
    before = make_up(CONFIG, {"m": MODEL})
    after = make_up({**CONFIG, **config}, {"m": {**MODEL, **model}})
    assert differing(before, after) == differing(after, before) == [where]
    assert make_up_version(CONFIG, {"m": MODEL}) != make_up_version({**CONFIG, **config}, {"m": {**MODEL, **model}})


def test_several_containers_are_called_one_after_the_other_where_nobody_says_otherwise() -> None:
    """Which SageMaker describes then. Source: the SageMaker Python SDK's integration test of a PipelineModel's model."""
    asked = {"ModelName": "m", "Containers": [CONTAINER, {"Image": "two"}]}
    described = {**asked, "InferenceExecutionConfig": {"Mode": "Serial"}}
    assert make_up({}, {"m": asked}) == make_up({}, {"m": described})
    direct = {**asked, "InferenceExecutionConfig": {"Mode": "Direct"}}
    assert differing(make_up({}, {"m": asked}), make_up({}, {"m": direct})) == ["InferenceExecutionConfig of model m"]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ({"S3Uri": "s3://b/model.tar.gz", "CompressionType": "Gzip"}, False),
        ({"S3Uri": "s3://b/model.tar.gz", "CompressionType": "None"}, True),
        ({"S3Uri": "s3://b/other", "CompressionType": "Gzip"}, True),
    ],
)
def test_data_that_are_described_twice_are_named_once(source: dict[str, Any], kept: bool) -> None:
    container = {"ModelDataUrl": "s3://b/model.tar.gz", "ModelDataSource": {"S3DataSource": source}}
    assert ("ModelDataSource" in one_source(container)) is kept


def test_a_name_may_be_what_a_mode_is_called() -> None:
    """Only as a mode it says nothing."""
    named = {"ProductionVariants": [{"VariantName": "Serial"}]}
    assert make_up(named, {})["ProductionVariants of the config"] == [{"VariantName": "Serial"}]


@pytest.mark.parametrize("field", ["ETag", "ManifestEtag"])
def test_what_s3_had_when_a_model_was_made_does_not_count(field: str) -> None:
    asked = {"PrimaryContainer": {"ModelDataSource": SOURCE}}
    described = {"PrimaryContainer": {"ModelDataSource": {"S3DataSource": {**SOURCE["S3DataSource"], field: "e"}}}}
    assert make_up({}, {"m": asked}) == make_up({}, {"m": described})


def test_every_model_a_config_names_counts_and_a_missing_one_is_told() -> None:
    config = {
        "ProductionVariants": [{"ModelName": "a"}, {"ModelName": "b"}, {"ModelName": "a"}, {}],
        "ShadowProductionVariants": [{"ModelName": "c"}],
    }
    models: dict[str, dict[str, Any]] = {
        name: {"ModelName": name, "PrimaryContainer": {"Image": name}} for name in ("a", "b")
    }
    champion = Champion("e", "config", config, models, [])
    assert (champion.model_name, champion.missing) == ("a", ["c"])
    other = {**models, "b": {"ModelName": "b", "PrimaryContainer": {"Image": "x"}}}
    assert (
        champion.as_record()["make_up_sha256"]
        != Champion("e", "config", config, other, []).as_record()["make_up_sha256"]
    )
    gone = Champion("e", "config", {}, {}, [])
    assert (gone.model, gone.model_name, gone.missing) == ({}, None, [])
    assert Champion("e", "config", config, {"b": models["b"]}, []).model == {}
