"""The template in every Region by name: without what the Region lacks, whole in itself, refused where it cannot be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import pytest

from ops.region_schemas import as_text, region_data, resource_schema
from ops.regions import DATA, FEATURES, OPTIONAL, Gaps, fitted, known_gaps, missing
from ops.resolved_template import Stack
from ops.settled_template import settled
from ops.template import references, sources
from orchestration.settings import ApprovalAccess
from tests.contract.template import Template

SOURCES: Final = sources()
GAPS: Final = known_gaps()
REGIONS: Final = (*GAPS.lacks, *GAPS.unknown)
TYPES: Final = frozenset(resource["Type"] for resource in SOURCES["Resources"].values())
ALIKE: Final[dict[frozenset[str], list[str]]] = {
    lacks: [region for region in GAPS.lacks if GAPS.lacks[region] & TYPES == lacks]
    for lacks in sorted({lacks & TYPES for lacks in GAPS.lacks.values()}, key=sorted)
}
"""Regions by what they lack of the template."""


@cache
def document(region: str) -> Mapping[str, Any]:
    return fitted(SOURCES, region, GAPS).document


def stack(made: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> Stack:
    return Template(Template.read().path, "", dict(made)).resolve(parameters)


def test_the_data_are_those_of_the_installed_schemas() -> None:
    assert DATA.read_text(encoding="utf-8") == as_text(region_data(SOURCES))


def test_a_region_whose_list_is_that_of_us_east_1_is_not_known() -> None:
    assert {"us-east-1", "eu-west-1", "ca-west-1", "cn-north-1", "us-gov-west-1"} <= set(GAPS.lacks)
    assert {"me-south-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1"} <= set(GAPS.unknown)
    assert not set(GAPS.lacks) & set(GAPS.unknown)


@pytest.mark.parametrize("region", REGIONS)
def test_nothing_of_a_region_needs_a_type_it_lacks_and_no_reference_dangles(region: str) -> None:
    made = document(region)
    names = [set(made.get(section, {})) for section in ("Parameters", "Conditions", "Resources")]
    used = {name for name in references({key: made[key] for key in made if key != "Metadata"}) if ":" not in name}
    interface = made["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]

    assert not GAPS.lacks.get(region, frozenset()) & {each["Type"] for each in made["Resources"].values()}
    assert used - set().union(*names) == set()
    assert (names[0] | names[1]) - used == set(), "what nothing refers to has no meaning in the form"
    assert sorted(grouped) == sorted(interface["ParameterLabels"]) == sorted(made["Parameters"])


def test_cloudformation_takes_what_is_packaged_for_a_region() -> None:
    """For one of the Regions that lack the same; of the template itself `make lint` says it.

    Only what no document before declares is looked at, with all it refers to; above it is said that the rest lacks nothing.
    """
    from cfnlint.api import ManualArgs, lint  # noqa: PLC0415 - a second and a half, which only this test needs

    seen, new_in = set(parts(SOURCES)), []
    for lacks in sorted(ALIKE, key=len, reverse=True):
        made = document(ALIKE[lacks][0])
        if new := set(parts(made)) - seen:
            # Local paths are to be packaged; parameters and conditions of what is left out are used by nothing.
            config = ManualArgs(regions=[ALIKE[lacks][0]], ignore_checks=["W3002", "W2001", "W8001"])
            looked_at = json.dumps(excerpt(made, {name for _, name, _ in new}))
            assert [f"{each.rule.id} {each.message}" for each in lint(looked_at, config=config)] == [], lacks
            seen |= new
            new_in.append(lacks)
    assert set().union(*new_in) == set().union(*ALIKE)


def parts(made: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Everything a document declares: its section, its name, and all of it."""
    for section in set(made) - {"AWSTemplateFormatVersion", "Description", "Metadata"}:
        for name, part in made[section].items():
            yield section, name, json.dumps(part, sort_keys=True)


def excerpt(made: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """A document with no resources and outputs but these and those they refer to, and one at least."""
    resources, outputs = made["Resources"], {name: made["Outputs"][name] for name in made["Outputs"] if name in names}
    wanted, kept = [*names & resources.keys(), *references(outputs)] or [next(iter(resources))], set()
    while wanted:
        name = wanted.pop()
        if name in resources and name not in kept:
            kept.add(name)
            wanted += references(resources[name])
    return {
        **{section: part for section, part in made.items() if section != "Outputs"},
        "Resources": {name: resources[name] for name in resources if name in kept},
        **({"Outputs": outputs} if outputs else {}),
    }


@pytest.mark.parametrize("region", GAPS.lacks)
def test_a_region_has_every_property_that_is_set(region: str) -> None:
    for logical_id, resource in document(region)["Resources"].items():
        schema = resource_schema(resource["Type"], region)
        assert resource.get("Properties", {}).keys() <= schema["properties"].keys(), logical_id


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_that_lacks_nothing_or_is_not_known_gets_the_template_as_it_is(region: str) -> None:
    fit = fitted(SOURCES, region, GAPS)

    assert (fit.document == SOURCES) is not bool(GAPS.lacks.get(region, frozenset()) & TYPES)
    assert bool(fit.notes) is bool(missing(region, GAPS) or region in GAPS.unknown)
    assert ("is not known" in " ".join(fit.notes)) is (region in GAPS.unknown)
    assert fit.refusal == ""


@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("given", [{}, {"OperationsEmail": "a@example.com", "EventBusName": "own"}])
def test_a_stack_without_a_feature_is_the_one_that_its_parameters_make(name: str, given: dict[str, str]) -> None:
    """Resources, permissions, variables of the functions and outputs alike."""
    values = OPTIONAL[name].without
    made = stack(settled(SOURCES, values), given)
    meant = stack(SOURCES, {**given, **values})

    assert made.resources.keys() == meant.resources.keys()
    for logical_id, resource in meant.resources.items():
        assert {**made.resources[logical_id], "Condition": 0} == {**resource, "Condition": 0}, logical_id
    assert made.outputs == meant.outputs


def test_without_function_urls_nobody_is_sent_to_a_page() -> None:
    made = stack(document("ca-west-1"))
    functions = made.of_type("AWS::Lambda::Function").values()
    variables = [function["Properties"]["Environment"]["Variables"] for function in functions]

    assert {each.get("APPROVAL_ACCESS", ApprovalAccess.OFF) for each in variables} == {ApprovalAccess.OFF}
    assert {each.get("APPROVAL_URL", "") for each in variables} == {""}
    assert not made.of_type("AWS::Lambda::Url")
    assert {rule["Properties"]["Principal"] for rule in made.of_type("AWS::Lambda::Permission").values()} == {
        "events.amazonaws.com"
    }
    assert "ApprovalUrl" not in made.outputs
    allowed = [
        statement["Sid"]
        for policy in ("ReviewerPolicy", "ModelReviewerPolicy")
        for statement in made.resources[policy]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and "lambda" in str(statement["Action"])
    ]
    assert allowed == ["DecideByCommand", "DecideByCommand"]


def test_a_region_without_what_the_stack_needs_is_refused_by_the_types_name() -> None:
    gaps = Gaps("2026-01-02", {"xx-1": frozenset({"AWS::StepFunctions::StateMachine", "AWS::Lambda::Url"})}, ())

    assert fitted(SOURCES, "xx-1", gaps).refusal == (
        "xx-1 has no AWS::StepFunctions::StateMachine, which the stack cannot do without, as CloudFormation's resource "
        "schemas of 2026-01-02 say. Nothing was built; take another Region (docs/regions.md)."
    )


def test_what_is_left_out_and_what_it_costs_is_said() -> None:
    page, endpoints, monitor, source = fitted(SOURCES, "me-central-1", GAPS).notes

    assert page == (
        "me-central-1 has no AWS::Lambda::Url. No approval page, as with ApprovalAccess OFF: people answer with "
        "retraining approve and retraining reject, as messages say."
    )
    assert endpoints.startswith(
        "me-central-1 has no AWS::SageMaker::Endpoint and no AWS::SageMaker::EndpointConfig and no "
    )
    assert monitor.startswith("me-central-1 has no AWS::SageMaker::MonitoringSchedule. ")
    assert (
        source == f"So CloudFormation's resource schemas of {GAPS.schema_date} say; docs/regions.md has every Region."
    )


@pytest.mark.parametrize("region", ["us-iso-east-1", "xx-new-1"])
def test_of_a_region_that_is_not_known_people_say_what_to_leave_out(region: str) -> None:
    (unknown,) = fitted(SOURCES, region, GAPS).notes
    fit = fitted(SOURCES, region, GAPS, without=["approval-page", "slack"])

    assert unknown.startswith(f"What {region} has is not known:")
    assert unknown.endswith('names the type: then --without "approval-page slack", or one of them.')
    assert "Nothing is left out." in unknown
    assert fit.notes[2].endswith(
        "Nothing else is left out. Where a type is missing, CloudFormation refuses the template and names the type."
    )
    assert fit.document == document("us-gov-west-1")
    assert [note.split(".")[0] for note in fit.notes[:2]] == [
        "Left out as asked: approval-page",
        "Left out as asked: slack",
    ]


def test_what_a_region_lacks_anyway_is_not_left_out_twice() -> None:
    assert fitted(SOURCES, "ca-west-1", GAPS, without=["approval-page"]) == fitted(SOURCES, "ca-west-1", GAPS)


def test_a_feature_is_missing_with_one_of_its_types() -> None:
    gaps = Gaps("2026-01-02", {"xx-1": frozenset({"AWS::SageMaker::Model"}), "xx-2": frozenset()}, ())

    assert [feature.name for feature in missing("xx-1", gaps)] == ["endpoints"]
    assert missing("xx-2", gaps) == ()


def test_every_type_that_some_region_lacks_belongs_to_a_feature() -> None:
    known = frozenset().union(*(feature.types for feature in FEATURES))

    assert frozenset().union(*GAPS.lacks.values()) <= known
