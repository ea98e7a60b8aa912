"""What a reviewer sees of a candidate and of what a yes changes, and what stands there when no record says it."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.domain.candidate_view import (
    artifacts_section,
    candidate_section,
    gate_facts,
    gates_of,
    image_digest,
    plan_of_asked,
    promotion_section,
    version_said,
)
from orchestration.domain.page import Section, Table
from orchestration.domain.promotion import RegistryPlan

IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/fraud@sha256:" + "c" * 64
GATES = [
    {
        "name": "auc bound",
        "metric": "auc",
        "value": 0.926,
        "comparison": ">",
        "bound": 0.866,
        "passed": True,
        "lower": 0.91,
        "upper": 0.94,
    },
    {"name": "guard recall", "metric": "recall", "value": None, "comparison": ">=", "bound": None, "passed": False},
    {"name": "guard loss", "metric": "loss", "value": 0.2, "comparison": "<=", "bound": 0.3, "passed": True},
]
DATA: dict[str, Any] = {"verdict": {"sentence": "1 of 3 gates failed.", "gates": GATES}}
MEASURED: dict[str, Any] = {
    "verdict": {
        "candidate_metrics": {"recall": 0.7, "auc": 0.926, "odd": None},
        "champion_metrics": {"auc": 0.9, "odd": 0.5, "loss": 0.25},
    }
}


# Gates.


def test_a_reviewer_sees_every_gate_the_failed_ones_first_with_value_range_and_what_it_has_to_be() -> None:
    assert candidate_section(DATA, MEASURED, 0.95) == Section(
        "The candidate",
        (("Verdict", "1 of 3 gates failed."),),
        (
            Table(
                "Gates, failed ones first; all that a value may be has to be so, at a confidence of 0.95",
                ("Gate", "Candidate", "May be", "Champion", "Has to be", "Result"),
                (
                    ("guard recall", "not measured", "-", "-", "measured", "fail"),
                    # The bound of the record holds what the value may be off: 0.866 - 0.926 + 0.91.
                    ("auc bound", "0.926", "0.91 to 0.94", "0.9", "above 0.85", "pass"),
                    ("guard loss", "0.2", "-", "0.25", "at most 0.3", "pass"),
                ),
            ),
            Table(
                "Candidate against champion, same data",
                ("Metric", "Champion", "Candidate", "Change"),
                (
                    ("auc", "0.9", "0.926", "+0.026"),
                    ("odd", "0.5", "not measured", "-"),
                    ("recall", "not measured", "0.7", "-"),
                ),
            ),
        ),
    )


def test_without_a_confidence_the_values_count_and_it_says_so() -> None:
    section = candidate_section(DATA, MEASURED, None)
    assert section.tables[0].caption == "Gates, failed ones first"
    assert dict(section.facts)["Uncertainty"].startswith("not asked for: ")


def test_of_a_candidate_without_records_it_is_said_what_is_not_known() -> None:
    section = candidate_section({}, {}, None)
    assert section == Section(
        "The candidate",
        (("Verdict", "not known"), ("Metrics", "not known: the verdict's record is not there")),
    )


def test_gates_stand_in_a_message_with_bound_and_range() -> None:
    assert gate_facts(gates_of(DATA, {})) == {
        "gate guard recall": "not measured, has to be measured: fail",
        "gate auc bound": "0.926 (0.91 to 0.94), has to be above 0.85: pass",
        "gate guard loss": "0.2, has to be at most 0.3: pass",
    }
    assert gate_facts([]) == {}


@pytest.mark.parametrize("lacking", ["lower", "upper"])
def test_a_gate_with_half_a_range_has_none_and_one_of_the_record_is_as_good(lacking: str) -> None:
    gate = {"name": "loss", "value": 0.2, "comparison": "<", "bound": 0.3, "lower": 0.1, "upper": 0.4, "passed": True}
    told = gate_facts(gates_of({}, {"verdict": {"gates": [{**gate, lacking: None}]}}))["gate loss"]
    assert told.startswith("0.2, has to be below ")


@pytest.mark.parametrize(("gates", "more"), [(10, None), (11, "1, which stand in the verdict's record")])
def test_a_message_names_ten_gates_and_counts_the_others(gates: int, more: str | None) -> None:
    data = {"verdict": {"gates": [{"name": f"gate {n}", "comparison": ">=", "passed": n != 10} for n in range(gates)]}}
    facts = gate_facts(gates_of(data, {}))
    assert facts.get("more gates") == more
    assert len(facts) == (10 if more is None else 11)
    assert ("gate gate 10" in facts) is (gates == 11), "what failed is what has to be seen"


# What changes.

PLAN: dict[str, Any] = {
    "kind": "endpoint",
    "endpoint": "fraud-prod",
    "previous_config": "fraud-config-1",
    "wanted_config": "fraud-2",
    "create_model": {"ModelName": "fraud-2", "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://a/copy"}},
    "create_endpoint_config": {
        "ProductionVariants": [
            {"VariantName": "all", "ModelName": "fraud-2", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2},
            {"VariantName": "b", "ModelName": "other", "ServerlessConfig": {"MemorySizeInMB": 2048}},
            {"VariantName": "c", "ModelName": "third", "ServerlessConfig": {"MaxConcurrency": 5}},
        ],
        "ShadowProductionVariants": [
            {"VariantName": "s", "ModelName": "fraud-2", "InstanceType": "ml.m5.large"},
            {"VariantName": "t", "ModelName": "fraud-2"},
        ],
    },
    "update_endpoint": {
        "RetainAllVariantProperties": True,
        "DeploymentConfig": {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "CANARY"}}},
    },
    "bake_seconds": 1800,
    "alarms": ["fraud-5xx", "fraud-p99"],
    "inconclusive": "ask",
}
CHAMPION = {"model_name": "fraud-1", "model_data_uri": "s3://a/old", "image": "repository/fraud:latest"}
FOLLOWS = (("With a yes", "It is promoted."),)


def test_a_reviewer_sees_endpoint_configs_models_instances_and_how_it_is_moved_and_watched() -> None:
    assert promotion_section(PLAN, CHAMPION, FOLLOWS) == Section(
        "What changes",
        (
            ("With a yes", "It is promoted."),
            ("Kind of promotion", "endpoint: it is moved to a config that differs in the model only"),
            ("Endpoint", "fraud-prod"),
            ("Config now", "fraud-config-1"),
            ("Config then", "fraud-2"),
            ("Model now", "fraud-1"),
            ("Model then", "fraud-2"),
            ("Instances", "of the types they are now, as many as the endpoint has"),
            ("How it moves", "a second fleet beside the first, a canary first"),
            (
                "Watched",
                "30 min by fraud-5xx, fraud-p99; when one goes off, the champion comes back; when they say nothing: ask",
            ),
        ),
        (
            Table(
                "Variants of the endpoint",
                ("Variant", "Model now", "Model then", "Instances"),
                (
                    ("all", "fraud-1", "fraud-2", "2 x ml.m5.large"),
                    ("b", "other", "other", "serverless, 2048 MB"),
                    ("c", "third", "third", "serverless, not known MB"),
                    ("s (shadow)", "fraud-1", "fraud-2", "not known x ml.m5.large"),
                    ("t (shadow)", "fraud-1", "fraud-2", "not known"),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"update_endpoint": {"RetainAllVariantProperties": False}}, "Instances", "as many as the table has"),
        ({"update_endpoint": {"EndpointName": "e"}}, "How it moves", "a second fleet beside the first, all at once"),
        *(
            (
                {
                    "update_endpoint": {
                        "DeploymentConfig": {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind}}}
                    }
                },
                "How it moves",
                f"a second fleet beside the first, {said}",
            )
            for kind, said in (("ALL_AT_ONCE", "all at once"), ("LINEAR", "step by step"))
        ),
        ({"bake_seconds": None}, "Watched", "not at all: the promotion counts as soon as it serves"),
        (
            {"update_endpoint": {"DeploymentConfig": {"RollingUpdatePolicy": {}}}},
            "How it moves",
            "batch by batch (rolling)",
        ),
        ({"alarms": []}, "Watched", "30 min, by no alarm"),
        ({"bake_seconds": 0}, "Watched", "not at all: the promotion counts as soon as it serves"),
        ({"inconclusive": None}, "Watched", "when one goes off, the champion comes back"),
        ({"update_endpoint": {}}, "How it moves", "not known: the verdict's record is not there"),
        ({"create_endpoint_config": None}, "Variants", "the config then was made before, by whom its own records say"),
    ],
)
def test_each_way_of_a_promotion_is_said(changes: dict[str, Any], name: str, said: str) -> None:
    assert dict(promotion_section({**PLAN, **changes}, CHAMPION, ()).facts)[name].endswith(said)


@pytest.mark.parametrize(
    ("plan", "champion", "now", "then"),
    [
        ({}, {}, None, None),
        ({}, {"model_name": "fraud-1"}, "fraud-1", "not known"),
        ({"create_model": {"ModelName": "fraud-2"}}, {}, "not known", "fraud-2"),
    ],
)
def test_models_are_told_where_either_is_on_record(
    plan: dict[str, Any], champion: dict[str, Any], now: str | None, then: str | None
) -> None:
    facts = dict(promotion_section({"kind": "endpoint", **plan}, champion, ()).facts)
    assert (facts.get("Model now"), facts.get("Model then")) == (now, then)


@pytest.mark.parametrize(
    ("plan", "facts"),
    [
        (
            RegistryPlan("arn:package").as_record(),
            {
                "Kind of promotion": "registry: the model package is approved there, and nothing is deployed",
                "Model package": "arn:package",
            },
        ),
        (
            {"kind": "pipeline", "target": "arn:machine", "execution_name": "retraining-1"},
            {
                "Kind of promotion": "pipeline: the team's own state machine deploys",
                "State machine": "arn:machine",
                "Its execution": "retraining-1",
            },
        ),
        ({}, {"Kind of promotion": "not known"}),
        ({"kind": "new"}, {"Kind of promotion": "not known"}),
    ],
)
def test_each_kind_of_promotion_says_what_it_changes(plan: dict[str, Any], facts: dict[str, str]) -> None:
    section = promotion_section(plan, {}, ())
    assert (dict(section.facts), section.tables) == (facts, ())


def test_without_the_verdicts_record_what_the_wait_has_is_shown_and_the_rest_is_not_known() -> None:
    little = {"kind": "endpoint", "endpoint": "e", "previous_config": "one", "wanted_config": "two"}
    plan = plan_of_asked({"verdict": {"promotion": little}}, {})
    facts = dict(promotion_section(plan, {}, ()).facts)
    assert (facts["Config now"], facts["Config then"]) == ("one", "two")
    missing = "not known: the verdict's record is not there"
    assert (facts["How it moves"], facts["Variants"]) == (missing, missing)
    assert plan_of_asked({"verdict": {"promotion": little}}, {"answer": {"plan": PLAN}}) == PLAN


# Artifact and image.


def test_a_reviewer_sees_by_which_digest_artifact_and_image_would_serve_and_what_serves() -> None:
    evaluation = {
        "evaluation_uri": "s3://a/evaluation.json",
        "versions": {
            "s3://a/copy": "9a1290/1234567",
            "s3://a/evaluation.json": "0c70/58",
            "arn:package": "f" * 64,
            "s3://a/more": "1b/1",
        },
        "answer": {
            "plan": PLAN,
            "copies": [{"source": "s3://team/model.tar.gz", "version": "8b/1234567", "uri": "s3://a/copy"}],
        },
    }
    section = artifacts_section(DATA, evaluation, CHAMPION, None)
    assert section.facts == ()
    (table,) = section.tables
    assert (table.caption, table.columns) == ("By their digests", ("Part", "Where", "Digest"))
    assert table.rows == (
        ("Artifact", "s3://a/copy", "ETag 9a1290, 1,234,567 bytes"),
        ("Artifact, copied from", "s3://team/model.tar.gz", "ETag 8b, 1,234,567 bytes"),
        ("Image", IMAGE, "sha256:" + "c" * 64),
        ("Model package", "arn:package", f"SHA-256 {'f' * 64}"),
        ("Report", "s3://a/evaluation.json", "ETag 0c70, 58 bytes"),
        ("Artifact", "s3://a/more", "ETag 1b, 1 bytes"),
        ("Artifact now", "s3://a/old", "not known"),
        ("Image now", "repository/fraud:latest", "not known: it is named by a tag, which may be moved"),
    )


def test_several_containers_are_numbered_and_the_input_of_a_teams_deployment_is_as_good() -> None:
    containers = [{"ModelDataUrl": "s3://a/1"}, {"Image": IMAGE}]
    plan = {"kind": "endpoint", "create_model": {"Containers": containers}}
    section = artifacts_section(DATA, {"answer": {"plan": plan}}, {}, None)
    assert [row[0] for row in section.tables[0].rows] == ["Artifact 1", "Image 2"]
    assert section.facts == ()
    deployment = {"kind": "pipeline", "input": {"model_data_url": "s3://a/m", "image": IMAGE}}
    (table,) = artifacts_section(DATA, {"answer": {"plan": deployment}}, {}, None).tables
    assert table.rows == (("Artifact", "s3://a/m", "not known"), ("Image", IMAGE, "sha256:" + "c" * 64))
    deployment["input"] = {"model_data_url": "s3://a/m"}
    (table,) = artifacts_section(DATA, {"answer": {"plan": deployment}}, {}, None).tables
    assert table.rows == (("Artifact", "s3://a/m", "not known"),)


def test_what_names_no_image_says_so() -> None:
    section = artifacts_section({**DATA, "versions": {"arn:package": "f"}}, {}, {}, None)
    assert section.facts == (("Image", "not known: no record of the loop names it"),)
    assert [row[:2] for row in section.tables[0].rows] == [("Model package", "arn:package")]
    served = artifacts_section(DATA, {}, {"image": IMAGE}, None)
    assert served.facts == (("Image", "not known: no record of the loop names it"),)
    assert artifacts_section({}, {}, {"image": IMAGE}, None).facts == ()
    bare = artifacts_section({}, {}, {}, None)
    assert bare.facts == (("Artifact and image", "not known: no record names them"),)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("9a/12", "ETag 9a, 12 bytes"),
        ("9a-2/12", "ETag 9a-2, 12 bytes"),
        ("a" * 64, f"SHA-256 {'a' * 64}"),
        ("9a/" + "1" * 5000, f"SHA-256 9a/{'1' * 5000}"),
        (None, "not known"),
        ("", "not known"),
    ],
)
def test_a_version_is_said_by_what_it_is(version: Any, said: str) -> None:
    assert version_said(version) == said


def test_an_image_named_by_a_tag_has_no_digest_that_is_known() -> None:
    assert image_digest("repo@sha256:ab") == "sha256:ab"
    assert image_digest("repo:1.0").startswith("not known")
