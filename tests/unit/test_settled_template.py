"""A template with settled parameters: what has one answer goes, what is open stays."""

from __future__ import annotations

from typing import Any

import pytest

from ops.settled_template import settled

IS_A: dict[str, Any] = {"Fn::Equals": [{"Ref": "Kind"}, "a"]}
IS_BIG: dict[str, Any] = {"Fn::Equals": [{"Ref": "Size"}, "big"]}


def template(**sections: Any) -> dict[str, Any]:
    uses = {"Type": "T", "Properties": {"Kind": {"Ref": "Kind"}, "Size": {"Ref": "Size"}}}
    return {"Parameters": {"Kind": {}, "Size": {}}, "Resources": {"Uses": uses}, **sections}


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (IS_A, True),
        (IS_BIG, IS_BIG),
        ({"Fn::Not": [IS_A]}, False),
        ({"Fn::Not": [IS_BIG]}, {"Fn::Not": [IS_BIG]}),
        ({"Fn::And": [IS_A, IS_BIG]}, IS_BIG),
        ({"Fn::And": [{"Fn::Not": [IS_A]}, IS_BIG]}, False),
        ({"Fn::And": [IS_A, IS_A]}, True),
        ({"Fn::Or": [IS_A, IS_BIG]}, True),
        ({"Fn::Or": [{"Fn::Not": [IS_A]}, IS_BIG]}, IS_BIG),
        ({"Fn::Or": [{"Fn::Not": [IS_A]}, {"Fn::Not": [IS_A]}]}, False),
        ({"Fn::And": [IS_A, IS_BIG, {"Fn::Not": [IS_BIG]}]}, {"Fn::And": [IS_BIG, {"Fn::Not": [IS_BIG]}]}),
        ({"Fn::And": [{"Condition": "IsA"}, {"Condition": "IsBig"}]}, {"Condition": "IsBig"}),
    ],
)
def test_a_condition_with_one_answer_goes_and_what_hangs_on_it(condition: dict[str, Any], left: Any) -> None:
    only_if = {"Fn::If": ["C", 1, {"Ref": "AWS::NoValue"}]}
    resources = {
        "Conditional": {"Type": "T", "Condition": "C"},
        "Always": {"Type": "T", "Properties": {"P": only_if, "Q": ["q", only_if]}},
    }
    conditions = {"C": condition, "IsA": IS_A, "IsBig": IS_BIG}

    made = settled(template(Resources=resources, Conditions=conditions), {"Kind": "a"})

    undecided = not isinstance(left, bool)
    assert made.get("Conditions", {}).get("C") == (left if undecided else None)
    assert ("Conditional" in made["Resources"]) is (left is not False)
    assert made["Resources"].get("Conditional", {}).get("Condition") == ("C" if undecided else None)
    expected = only_if if undecided else 1
    assert made["Resources"]["Always"]["Properties"] == (
        {"Q": ["q"]} if left is False else {"P": expected, "Q": ["q", expected]}
    )
    assert made.get("Parameters", {}).keys() == ({"Size"} if undecided else set())


def test_a_settled_parameter_is_its_value_and_one_that_nothing_refers_to_is_gone() -> None:
    made = settled(template(Conditions={"Unused": IS_BIG}), {"Kind": "a"})

    assert made == {
        "Parameters": {"Size": {}},
        "Resources": {"Uses": {"Type": "T", "Properties": {"Kind": "a", "Size": {"Ref": "Size"}}}},
    }


def test_the_form_asks_for_nothing_that_is_settled() -> None:
    groups = [{"Label": "A", "Parameters": ["Kind"]}, {"Label": "B", "Parameters": ["Kind", "Size"]}]
    interface = {"ParameterGroups": groups, "ParameterLabels": {"Kind": "K", "Size": "S"}}
    whole = template(Metadata={"AWS::CloudFormation::Interface": interface, "lint": "kept"})

    assert settled(whole, {"Kind": "a"})["Metadata"] == {
        "AWS::CloudFormation::Interface": {
            "ParameterGroups": [{"Label": "B", "Parameters": ["Size"]}],
            "ParameterLabels": {"Size": "S"},
        },
        "lint": "kept",
    }


def test_nothing_settled_changes_nothing() -> None:
    conditions = {"C": {"Fn::And": [IS_A, IS_BIG]}}
    whole = template(Conditions=conditions, Outputs={"O": {"Condition": "C", "Value": 1}})

    assert settled(whole, {}) == whole


def test_a_rule_keeps_what_is_still_open_of_it() -> None:
    rule = {"RuleCondition": IS_A, "Assertions": [{"Assert": IS_A, "AssertDescription": "A."}, {"Assert": IS_BIG}]}
    whole = template(Rules={"R": rule})

    assert settled(whole, {"Kind": "a"})["Rules"] == {"R": {"Assertions": [{"Assert": IS_BIG}]}}
    assert "Rules" not in settled(whole, {"Kind": "b"})
    assert settled(whole, {"Size": "big"})["Rules"]["R"]["RuleCondition"] == IS_A


def test_values_that_a_rule_refuses_are_no_template() -> None:
    whole = template(Rules={"R": {"Assertions": [{"Assert": {"Fn::Not": [IS_A]}}]}})

    with pytest.raises(ValueError, match="rule R refuses"):
        settled(whole, {"Kind": "a"})
