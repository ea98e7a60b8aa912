"""What the delivery commands work out before they ask AWS anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from awscli.customizations.cloudformation.yamlhelper import yaml_dump, yaml_parse

from ops import package, package_zip, regions
from ops.assignments import PARTED, assignments, assignments_of_file, refuse_illegal, refuse_unknown
from ops.change_sets import Ending
from ops.deploy import parameters_of
from ops.import_resources import IDENTIFIERS
from ops.package import quick_create_link
from ops.regions import Gaps
from ops.stack import CallError, OperatorError
from ops.taskcat_tests import CONFIG, by_region, disposable
from ops.template import KEEPS, import_template, parse, sources
from ops.terminal import Terminal


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("Mode=shadow", {"Mode": "shadow"}),
        (" Mode=shadow  CooldownHours=12 ", {"Mode": "shadow", "CooldownHours": "12"}),
        ("ScheduleExpression=cron(0 3 ? * MON *) Mode=shadow", {"ScheduleExpression": "cron(0 3 ? * MON *)", "Mode": "shadow"}),
        ("OperationsEmail= Mode=active", {"OperationsEmail": "", "Mode": "active"}),
        ("Principals=a,b,c Key=x/y=z", {"Principals": "a,b,c", "Key": "x/y=z"}),
        ("Note='a B=c d' Mode=shadow", {"Note": "a B=c d", "Mode": "shadow"}),
        ('Note="it\'s" Mode=shadow', {"Note": "it's", "Mode": "shadow"}),
        ("A=one\nB=two", {"A": "one", "B": "two"}),
    ],
)  # fmt: skip
def test_assignments_take_spaces_commas_and_quotes(text: str, found: dict[str, str]) -> None:
    assert assignments(text, "--params") == found


@pytest.mark.parametrize("text", ["shadow", "=shadow", "Mode:shadow", "- Mode=x", "Mode=a Mode=b"])
def test_what_is_no_assignment_is_refused_with_an_example_or_the_name(text: str) -> None:
    with pytest.raises(OperatorError, match=r"--params "):
        assignments(text, "--params")


@pytest.mark.parametrize(
    "content",
    [
        '{"Mode": "shadow", "CooldownHours": 12}',
        '{"Parameters": {"Mode": "shadow", "CooldownHours": "12"}}',
        '[{"ParameterKey": "Mode", "ParameterValue": "shadow"}, {"ParameterKey": "CooldownHours", "ParameterValue": "12"}]',
        '["Mode=shadow", "CooldownHours=12"]',
        "# of the team\nMode = shadow\n\nCooldownHours=12\n",
        '\ufeff{"Mode": "shadow", "CooldownHours": 12}',
    ],
)
def test_a_parameter_file_may_have_any_of_the_usual_forms(content: str, tmp_path: Path) -> None:
    file = tmp_path / "parameters"
    file.write_text(content, encoding="utf-8")

    assert assignments_of_file(file) == {"Mode": "shadow", "CooldownHours": "12"}


@pytest.mark.parametrize("content", ["{", '{"Mode": []}', '[{"Key": "Mode"}]', "[1]", "Mode shadow", None])
def test_a_parameter_file_that_cannot_be_read_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(CallError, match=r"parameters\.json") as refused:
        assignments_of_file(file)
    assert not re.search(r"Errno|object|Error", str(refused.value)), "that is Python's to say"


def test_an_unknown_name_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(OperatorError, match="Did you mean CooldownHours"):
        refuse_unknown({"CoolDownHour": "1"}, sources()["Parameters"], what="parameter", option="--params")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Mode": "loud"}, "Mode is 'loud'; it takes active, shadow."),
        ({"CooldownHours": "soon"}, "CooldownHours is 'soon'; "),
        ({"CooldownHours": "-1"}, "CooldownHours is '-1'; "),
        ({"TrainingPipelineArn": "my-pipeline"}, "TrainingPipelineArn is 'my-pipeline'; "),
        ({"OperationsEmail": f"{'x' * 250}@example.com"}, "OperationsEmail is "),
    ],
)
def test_a_value_that_the_template_does_not_allow_is_a_wrong_call_before_anything_is_built(
    given: dict[str, str], said: str
) -> None:
    with pytest.raises(CallError) as refused:
        refuse_illegal(given, sources()["Parameters"], option="--params")
    assert str(refused.value).startswith(f"--params: {said}")


@pytest.mark.parametrize("value", ["1.5", "5.0", "1e1", "", "5_0"])
def test_a_parameter_that_counts_takes_whole_numbers_alone(value: str) -> None:
    declared = sources()["Parameters"]
    numbers = {name for name, rule in declared.items() if rule["Type"] == "Number" and "AllowedValues" not in rule}
    assert numbers > PARTED
    for name in numbers - PARTED:
        with pytest.raises(CallError, match="; it takes a whole number from "):
            refuse_illegal({name: value}, declared, option="--params")
    refuse_illegal({"CooldownHours": "1.5"}, declared, option="--params")


def test_what_the_template_has_by_default_is_allowed() -> None:
    declared = sources()["Parameters"]
    defaults = {name: str(rule["Default"]) for name, rule in declared.items() if "Default" in rule}
    refuse_illegal(defaults, declared, option="--params")


def test_parameters_that_are_not_given_keep_what_the_stack_has_and_new_ones_their_default() -> None:
    found = {"Parameters": [{"ParameterKey": "Mode"}, {"ParameterKey": "CooldownHours"}, {"ParameterKey": "Gone"}]}

    assert parameters_of(["Mode", "CooldownHours", "New"], found, {"Mode": "shadow"}) == [
        {"ParameterKey": "Mode", "ParameterValue": "shadow"},
        {"ParameterKey": "CooldownHours", "UsePreviousValue": True},
    ]
    assert parameters_of(["Mode", "New"], None, {}) == []


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-west-1", "console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_the_quick_create_link_fills_the_form_in(partition: str, region: str, host: str) -> None:
    template = "https://b.s3.eu-west-1.amazonaws.com/retraining/0a.yaml"
    link = quick_create_link(partition, region, template, "fraud", {"ScheduleExpression": "cron(0 3 ? * MON *)"})

    address = urlsplit(link)
    assert (address.hostname, address.path, address.query) == (host, "/cloudformation/home", f"region={region}")
    route, _, query = address.fragment.partition("?")
    assert route == "/stacks/quickcreate"
    assert parse_qs(query) == {
        "templateURL": [template],
        "stackName": ["fraud"],
        "param_ScheduleExpression": ["cron(0 3 ? * MON *)"],
    }
    assert " " not in link


def test_the_first_failure_is_the_cause_and_not_what_was_cancelled_with_it() -> None:
    def event(name: str, reason: str) -> dict[str, str]:
        return {"LogicalResourceId": name, "ResourceType": "T", "ResourceStatusReason": reason}

    ending = Ending(
        "UPDATE_ROLLBACK_COMPLETE",
        [event("Rule", "Resource update cancelled"), event("Topic", "no such key"), event("Stack", "failed: [Topic]")],
    )

    assert not ending.well
    assert ending.first_failure() == "Topic (T) failed first: no such key."


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("User: x is not authorized to perform: iam:CreateRole", "somebody who has the permission"),
        ("/aws/lambda/x already exists in stack y", "retraining import"),
        ("Limit exceeded for resource of type", "Service Quotas"),
        ("Rate exceeded", "deploy again"),
    ],
)
def test_a_failure_of_a_usual_kind_says_what_to_do(reason: str, step: str) -> None:
    event = {"LogicalResourceId": "Role", "ResourceType": "T", "ResourceStatusReason": reason}

    assert step in Ending("UPDATE_ROLLBACK_COMPLETE", [event]).first_failure()


def test_an_import_holds_the_resources_with_what_they_refer_to_and_nothing_else() -> None:
    template = sources()
    kept_ones = [name for name, each in template["Resources"].items() if each.get("DeletionPolicy") in KEEPS]

    for name in kept_ones:
        made = import_template(template, [name])
        assert set(made["Resources"]) == {name}
        assert not {"Outputs", "Rules", "Metadata"} & set(made)
    everything = import_template(template, kept_ones)
    assert set(everything["Parameters"]) < set(template["Parameters"])
    assert "LogsRetentionInDays" in everything["Parameters"]


def test_an_import_into_a_stack_leaves_the_stacks_own_template_as_it_is() -> None:
    own: dict[str, Any] = {
        "Resources": {"Other": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"Url": {"Value": {"Ref": "Other"}}},
    }

    made = import_template(sources(), ["HistoryTable"], onto=own)

    assert set(made["Resources"]) == {"Other", "HistoryTable"}
    assert made["Outputs"] == own["Outputs"]
    assert set(own["Resources"]) == {"Other"}


def test_an_import_of_what_needs_another_resource_names_it() -> None:
    template = {"Resources": {"Topic": {"Type": "T", "Properties": {"Key": {"Fn::GetAtt": ["Key", "Arn"]}}}, "Key": {}}}

    with pytest.raises(OperatorError, match="import Key with it"):
        import_template(template, ["Topic"])


def test_everything_that_can_be_imported_carries_what_an_import_asks_for() -> None:
    resources = sources()["Resources"]
    importable = {name for name, each in resources.items() if each["Type"] in IDENTIFIERS}

    assert {name for name in importable if "DeletionPolicy" not in resources[name]} == set()
    documented = (CONFIG.parent / "docs" / "import.md").read_text(encoding="utf-8")
    assert {name for name in importable if f"`{name}`" not in documented} == set()


def test_taskcat_deploys_each_test_in_three_regions_from_that_regions_own_package() -> None:
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert len(config["project"]["regions"]) == 3
    known = set(sources()["Parameters"])
    assert {name for test in config["tests"].values() for name in test.get("parameters", {})} <= known

    made = by_region(config, "123456789012")

    assert {test["regions"][0] for test in made["tests"].values()} == set(config["project"]["regions"])
    assert all(test["template"] == f"{test['regions'][0]}.yaml" for test in made["tests"].values())
    assert made["project"]["s3_bucket"] == "retraining-artifacts-123456789012"
    assert "template" not in made["project"]


def test_what_taskcat_deploys_keeps_nothing_and_is_the_template_otherwise() -> None:
    template = sources()

    copy = disposable(template)

    assert {each.get("DeletionPolicy", "Delete") for each in copy["Resources"].values()} == {"Delete"}
    for name, each in copy["Resources"].items():
        original = template["Resources"][name]
        assert {key: value for key, value in each.items() if key not in {"DeletionPolicy", "Properties"}} == {
            key: value for key, value in original.items() if key not in {"DeletionPolicy", "Properties"}
        }
    assert {key: copy[key] for key in copy if key != "Resources"} == {
        key: template[key] for key in template if key != "Resources"
    }


def test_a_template_is_read_from_json_too() -> None:
    assert parse(json.dumps({"Resources": {"A": {"Type": "T"}}}))["Resources"] == {"A": {"Type": "T"}}


class At:
    """A session of a Region, signed in as nobody."""

    def __init__(self, region_name: str) -> None:
        self.region_name = region_name


@pytest.mark.parametrize(
    ("region", "given", "without", "said"),
    [
        ("ca-west-1", {"ApprovalAccess": "LINK"}, "", "ApprovalAccess cannot be given in ca-west-1"),
        ("ca-west-1", {"ApprovalConcurrency": "0"}, "", "ApprovalConcurrency cannot be given in ca-west-1"),
        (
            "cn-north-1",
            {"SlackWorkspaceId": "T1", "SlackChannelId": "C1"},
            "",
            "SlackWorkspaceId and SlackChannelId cannot",
        ),
        (
            "us-iso-east-1",
            {"ApprovalAccess": "IAM"},
            "approval-page",
            "ApprovalAccess cannot be given in us-iso-east-1",
        ),
    ],
)
def test_a_parameter_of_what_is_left_out_in_the_region_is_refused_before_anything_is_built(
    region: str, given: dict[str, str], without: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session: Any = At(region)

    with pytest.raises(OperatorError, match=said):
        package.package(session, Terminal(), given=given, without=package.without_of(without))
    assert "built" not in capsys.readouterr().out


def test_a_parameter_that_says_what_is_so_anyway_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """One file of parameters then serves several Regions."""

    def stop() -> None:
        raise package_zip.PackageError("far enough")

    monkeypatch.setattr(package_zip, "build", stop)
    session: Any = At("us-gov-west-1")

    with pytest.raises(OperatorError, match="far enough"):
        package.package(session, Terminal(), given={"ApprovalAccess": "OFF", "SlackChannelId": "", "Mode": "shadow"})


def test_a_region_without_what_the_stack_needs_is_refused_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gaps = Gaps("2026-01-02", {"xx-1": frozenset({"AWS::DynamoDB::Table"})}, ())
    monkeypatch.setattr(regions, "known_gaps", lambda: gaps)
    session: Any = At("xx-1")

    with pytest.raises(OperatorError, match=r"xx-1 has no AWS::DynamoDB::Table, .* Nothing was built"):
        package.package(session, Terminal())


def test_what_cannot_be_left_out_is_answered_with_what_can() -> None:
    assert package.without_of(" approval-page,slack ") == {"approval-page", "slack"}
    assert package.without_of("") == frozenset()
    with pytest.raises(OperatorError, match=r"no feature slck. Did you mean slack\?"):
        package.without_of("slck")
    with pytest.raises(OperatorError, match="no feature endpoints"):
        package.without_of("endpoints")


# Templates.


@pytest.mark.parametrize("again", [str, lambda text: json.dumps(yaml_parse(text))], ids=["YAML", "JSON"])
def test_a_template_is_read_as_the_aws_cli_reads_it(again: Callable[[str], str]) -> None:
    text = """
Z: &z { !Ref A: 1, when: 2026-01-02, octal: 010, quoted: '010', on: yes, none: ~ }
A: { <<: *z, C: !GetAtt R.Arn, D: !GetAtt R.Outputs.Arn, E: !Sub '${AWS::Region}-x', I: !If [Is, 1, !Ref AWS::NoValue] }
B: [!Join [',', [a, !ImportValue b]], !Select [0, !GetAZs ''], !Equals [1.0, 1e3], !Condition Is, "\u00e9"]
""".replace("{ !Ref A: 1, when: 2026-01-02,", "{")
    made = parse(again(text))

    assert made == yaml_parse(again(text))
    assert yaml_dump(made) == yaml_dump(yaml_parse(again(text))), "in the same order"
