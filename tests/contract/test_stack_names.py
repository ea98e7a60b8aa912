"""Names that the template makes of the stack's name fit their services, up to the longest name that is let through."""

from __future__ import annotations

import pytest

from ops.docs import stack_name
from ops.region_schemas import resource_schema
from ops.stack import OperatorError
from ops.stack_names import LIMITS, OF_A_STACK, STACK_NAME, Longest, longest_stack_name, refuse_stack_name
from ops.template import sources
from tests.contract.template import Template

STATED = {
    key: int(schema["maxLength"])
    for key in LIMITS
    if "maxLength" in (schema := resource_schema(key[0])["properties"].get(key[1], {}))
}


def template(*names: tuple[str, str, str]) -> dict[str, object]:
    """Return a template of one resource for each type, property and text."""
    return {
        "Resources": {
            f"R{number}": {"Type": kind, "Properties": {key: {"Fn::Sub": text}}}
            for number, (kind, key, text) in enumerate(names)
        }
    }


def test_every_name_of_the_template_fits_at_the_longest_stack_name_and_one_does_not_beyond() -> None:
    longest = longest_stack_name(sources())
    names = [
        (int(LIMITS[resource["Type"], path.rsplit(".", 2)[-2]]), text)
        for logical_id, resource in Template.read().resources.items()
        for path, text in Template(Template.read().path, "", resource["Properties"]).strings()
        if STACK_NAME in text and path.endswith(("Name.Fn::Sub", "Namespace.Fn::Sub"))
    ]

    def too_long(length: int) -> list[str]:
        return [text for limit, text in names if len(text.replace(STACK_NAME, "s" * length)) > limit]

    assert len(names) > 20
    assert too_long(longest.characters) == []
    assert longest.name in too_long(longest.characters + 1)


@pytest.mark.parametrize(
    ("names", "longest"),
    [
        ((), Longest(OF_A_STACK, "", OF_A_STACK)),
        ((("AWS::Logs::LogGroup", "LogGroupName", "/x/${AWS::StackName}"),), Longest(OF_A_STACK, "", OF_A_STACK)),
        (
            (
                ("AWS::StepFunctions::StateMachine", "StateMachineName", "${AWS::StackName}-machine"),
                ("AWS::IAM::Role", "RoleName", "${AWS::StackName}-role"),
            ),
            Longest(59, "${AWS::StackName}-role", 64),
        ),
        (
            (("AWS::IAM::Role", "RoleName", "${AWS::StackName}-${AWS::StackName}"),),
            Longest(31, "${AWS::StackName}-${AWS::StackName}", 64),
        ),
    ],
)
def test_the_longest_name_is_that_of_the_tightest_limit(
    names: tuple[tuple[str, str, str], ...], longest: Longest
) -> None:
    assert longest_stack_name(template(*names)) == longest


@pytest.mark.parametrize(
    "name",
    [("AWS::Kinesis::Stream", "Name", "${AWS::StackName}-s"), ("AWS::IAM::Role", "RoleName", "${AWS::StackName}-${X}")],
)
def test_a_name_of_unknown_limit_or_length_is_no_guess(name: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="R0: how long may"):
        longest_stack_name(template(name))


@pytest.mark.parametrize("name", ["1st", "-a", "a b", "a_b", "é"])
def test_a_stack_name_that_cloudformation_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(OperatorError, match=f"--stack {name} is no name of a stack"):
        refuse_stack_name(name, sources())


def test_a_stack_name_that_is_too_long_is_refused_with_the_reason_and_one_that_fits() -> None:
    longest = longest_stack_name(sources()).characters
    refuse_stack_name("s" * longest, sources())

    with pytest.raises(OperatorError) as refused:
        refuse_stack_name("s" * (longest + 1), sources())

    assert str(refused.value) == (
        f"Stack name {'s' * 48} has 48 characters; 47 fit: <stack>-DecisionFileRule may have 64. Nothing was changed. "
        f"Shorten it: --stack {'s' * 47}"
    )
    assert "may have 47 characters" in stack_name()


@pytest.mark.parametrize("key", STATED, ids=".".join)
def test_a_limit_is_not_above_that_of_cloudformations_schema(key: tuple[str, str]) -> None:
    assert LIMITS[key] <= STATED[key]
