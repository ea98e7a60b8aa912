"""Each rule of ops/asl_lint.py finds the fault it is for, and the real definitions have none."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ops import asl_lint

if TYPE_CHECKING:
    from collections.abc import Callable

Machine = dict[str, Any]

ROOT = Path(asl_lint.ROOT)
DEFINITIONS = sorted([*ROOT.glob("*.asl.json"), *ROOT.glob("examples/*/*.asl.json")])

RETRY = [
    {
        "ErrorEquals": ["Lambda.TooManyRequestsException"],
        "IntervalSeconds": 1,
        "MaxAttempts": 3,
        "MaxDelaySeconds": 20,
        "JitterStrategy": "FULL",
    }
]
CATCH = [
    {
        "ErrorEquals": ["States.ALL"],
        "Assign": {"failure": "{% $states.errorOutput %}"},
        "Next": "CheckFailed",
    }
]

GOOD: Machine = {
    "Comment": "A small machine that breaks no rule.",
    "QueryLanguage": "JSONata",
    "StartAt": "ReadOrder",
    "States": {
        "ReadOrder": {
            "Comment": "Reads the order.",
            "Type": "Task",
            "Resource": "arn:${Partition}:states:::lambda:invoke",
            "Arguments": {"FunctionName": "${FunctionArn}", "Payload": {"order": "{% $states.input.order %}"}},
            "TimeoutSeconds": 60,
            "Retry": RETRY,
            "Catch": CATCH,
            "Assign": {"order": "{% $states.result.Payload %}"},
            "Output": "{% $states.result.Payload.id %}",
            "Next": "SizeChoice",
        },
        "SizeChoice": {
            "Comment": "Large orders wait for a person.",
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": "{% $sum($order.lines[price > 0].price) > 100 %}",
                    "Assign": {"who": "clerk"},
                    "Next": "RequestCheck",
                }
            ],
            "Assign": {"who": "{% $order.customer %}"},
            "Default": "WriteOrder",
        },
        "RequestCheck": {
            "Comment": "Waits for the clerk.",
            "Type": "Task",
            "Resource": "arn:${Partition}:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {
                "FunctionName": "${FunctionArn}",
                "Payload": {"token": "{% $states.context.Task.Token %}", "who": "{% $who %}"},
            },
            "TimeoutSeconds": 3600,
            "HeartbeatSeconds": 600,
            "Retry": RETRY,
            "Catch": CATCH,
            "Next": "WriteOrder",
        },
        "WriteOrder": {
            "Comment": "Writes each line.",
            "Type": "Map",
            "Items": "{% $order.lines %}",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "WriteLine",
                "States": {
                    "WriteLine": {
                        "Comment": "Writes one line under the customer's name.",
                        "Type": "Task",
                        "Resource": "arn:${Partition}:states:::aws-sdk:dynamodb:putItem",
                        "Arguments": {
                            "TableName": "${TableName}",
                            "Item": {"pk": {"S": "{% $who & $uuid() %}"}},
                            "ConditionExpression": "attribute_not_exists(pk)",
                        },
                        "TimeoutSeconds": 30,
                        "Retry": RETRY,
                        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "LineFailed"}],
                        "End": True,
                    },
                    "LineFailed": {
                        "Comment": "One line that fails is the order's failure.",
                        "Type": "Fail",
                        "Error": "LineFailed",
                        "Cause": "A line was not written.",
                    },
                },
            },
            "Next": "OrderWritten",
        },
        "OrderWritten": {"Comment": "All is well.", "Type": "Succeed", "Output": "{% $order.id %}"},
        "CheckFailed": {
            "Comment": "Says why.",
            "Type": "Fail",
            "Error": "CheckFailed",
            "Cause": "{% $failure.Cause %}",
        },
    },
}


def state(machine: Machine, name: str) -> dict[str, Any]:
    """Return a state of GOOD's copy, looking into the Map too."""
    states: dict[str, Any] = {**machine["States"], **machine["States"]["WriteOrder"]["ItemProcessor"]["States"]}
    found: dict[str, Any] = states[name]
    return found


def put(name: str, path: str, value: Any) -> Callable[[Machine], None]:
    """Return a change of one field, `a.b.0.c`; the value None takes it away."""

    def change(machine: Machine) -> None:
        target: Any = state(machine, name)
        *steps, last = path.split(".")
        for step in steps:
            target = target[int(step) if step.isdigit() else step]
        if value is None:
            del target[last]
        else:
            target[last] = value

    return change


def rename(old: str, new: str) -> Callable[[Machine], None]:
    """Return a change of a state's name, links included."""

    def change(machine: Machine) -> None:
        text = json.dumps(machine).replace(f'"{old}"', f'"{new}"')
        machine.clear()
        machine.update(json.loads(text))

    return change


def add(name: str, value: dict[str, Any]) -> Callable[[Machine], None]:
    """Return a change that adds a state nothing leads to."""
    return lambda machine: machine["States"].update({name: value})


def findings(machine: Machine, *, tools: bool = False, given: frozenset[str] | None = None) -> list[str]:
    found = asl_lint.lint_definition(json.dumps(machine), given, tools=tools)
    return [f"{finding.state}: {finding.message}" for finding in found]


EXPRESSION_FAULTS = [
    ("{% $states.input. %}", "Output: not JSONata"),
    ("{% $lenght($order) %}", "$lenght is not a JSONata function"),
    ("{% $eval('1') %}", "$eval is refused by Step Functions"),
    ("{% $order ~> $shout %}", "$shout is not a JSONata function"),
    ("{% $states.inptu.order %}", "$states.inptu does not exist"),
    ("{% $keys($states) %}", "$states. does not exist"),
    ("{% $states.errorOutput.Cause %}", "Output: $states.errorOutput is not available there"),
    ("before {% 1 %}", "Output: an expression begins with {% and ends with %}"),
    ("{% $nobody.name %}", "$nobody is not assigned on every path to here"),
    ("{% $map($order.lines, function($line) {$line.price + $tax}) %}", "$tax is not assigned on every path to here"),
    ("{% ($rate := 2; $rate * $discount) %}", "$discount is not assigned on every path to here"),
    ("{% $order.lines[price > $limit] %}", "$limit is not assigned on every path to here"),
]

FAULTS: list[tuple[str, Callable[[Machine], None], str]] = [
    ("a name in snake case", rename("ReadOrder", "read_order"), "read_order: the name is not PascalCase"),
    ("a Choice named like a task", rename("SizeChoice", "CheckSize"), "CheckSize: the name of a Choice state"),
    ("a task named like a Choice", rename("ReadOrder", "ReadChoice"), "ReadChoice: the name of a Choice state"),
    ("no comment", put("WriteLine", "Comment", None), "WriteOrder/WriteLine: no Comment"),
    ("a start that is not there", lambda m: m.update(StartAt="Nowhere"), "(machine): StartAt names 'Nowhere'"),
    ("a Next that is not there", put("ReadOrder", "Next", "Gone"), "ReadOrder: leads to 'Gone'"),
    ("a Default that is not there", put("SizeChoice", "Default", "Gone"), "SizeChoice: leads to 'Gone'"),
    ("a rule that leads nowhere", put("SizeChoice", "Choices.0.Next", "Gone"), "SizeChoice: leads to 'Gone'"),
    ("a Catch that leads nowhere", put("WriteLine", "Catch.0.Next", "Gone"), "WriteLine: leads to 'Gone'"),
    ("a link out of a Map", put("WriteLine", "Catch.0.Next", "CheckFailed"), "leads to 'CheckFailed'"),
    ("a state nothing leads to", put("ReadOrder", "Next", "WriteOrder"), "SizeChoice: is never reached"),
    ("a Choice without Default", put("SizeChoice", "Default", None), "SizeChoice: a Choice without Default"),
    ("a state that goes nowhere", put("WriteLine", "End", None), "WriteLine: has both or neither of Next and End"),
    (
        "a result in a Choice",
        put("SizeChoice", "Choices.0.Condition", "{% $states.result %}"),
        "is not available there",
    ),
    ("a result in Arguments", put("ReadOrder", "Arguments.Payload", "{% $states.result %}"), "is not available there"),
    ("a result in a Catch", put("ReadOrder", "Catch.0.Output", "{% $states.result %}"), "is not available there"),
    (
        "a variable of one branch only",
        put("SizeChoice", "Choices.0.Assign", None),
        "RequestCheck: Arguments.Payload.who",
    ),
    (
        "a variable of the success path in a Catch",
        put("CheckFailed", "Cause", "{% $order.id %}"),
        "CheckFailed: Cause: $order",
    ),
    (
        "a variable where it is set",
        put("ReadOrder", "Output", "{% $order %}"),
        "ReadOrder: Output: $order is not assigned",
    ),
    ("a variable of a Map's inside", put("WriteLine", "Assign", {"line": 1}), ""),
    (
        "a variable that hides a function",
        put("SizeChoice", "Assign", {"who": 1, "error": 1}),
        "hides $error of JSONata",
    ),
    ("an assignment to states", put("SizeChoice", "Assign", {"who": 1, "states": 1}), "hides $states of JSONata"),
    ("no timeout", put("ReadOrder", "TimeoutSeconds", None), "ReadOrder: TimeoutSeconds is missing"),
    ("a computed timeout", put("ReadOrder", "TimeoutSeconds", "{% 60 %}"), "TimeoutSeconds is missing or not a number"),
    ("a heartbeat as long as the timeout", put("RequestCheck", "HeartbeatSeconds", 3600), "HeartbeatSeconds is not"),
    ("no retry", put("ReadOrder", "Retry", None), "ReadOrder: no Retry"),
    ("a retry of everything", put("ReadOrder", "Retry.0.ErrorEquals", ["States.ALL"]), "Retry.0 retries States.ALL"),
    (
        "a retry of every task failure",
        put("ReadOrder", "Retry.0.ErrorEquals", ["States.TaskFailed"]),
        "Retry.0 retries",
    ),
    ("a retry without jitter", put("ReadOrder", "Retry.0.JitterStrategy", None), "Retry.0 has no JitterStrategy FULL"),
    (
        "a retry without a bound",
        put("ReadOrder", "Retry.0.MaxDelaySeconds", None),
        "Retry.0 has no numeric MaxDelaySeconds",
    ),
    ("no catch", put("ReadOrder", "Catch", None), "ReadOrder: the last Catch is not for States.ALL"),
    (
        "a catch of some errors only",
        put("ReadOrder", "Catch.0.ErrorEquals", ["X"]),
        "the last Catch is not for States.ALL",
    ),
    (
        "a catch after the last",
        put("ReadOrder", "Catch", [*CATCH, *CATCH]),
        "a Catch for States.ALL comes before the last",
    ),
    ("a token not sent", put("RequestCheck", "Arguments.Payload", {"who": "{% $who %}"}), "sends none"),
    (
        "a token where there is none",
        put("ReadOrder", "Arguments.Payload", "{% $states.context.Task.Token %}"),
        "ReadOrder: reads $states.context.Task.Token",
    ),
    ("a failure without a cause", put("LineFailed", "Cause", None), "WriteOrder/LineFailed: a Fail without Cause"),
    ("a failure without an error", put("LineFailed", "Error", None), "WriteOrder/LineFailed: a Fail without Error"),
    ("a fixed partition", put("ReadOrder", "Resource", "arn:aws:states:::lambda:invoke"), "arn:aws: is written out"),
    ("a function called by its ARN", put("ReadOrder", "Resource", "${FunctionArn}"), "does not begin with"),
    (
        "an integration not listed",
        put("ReadOrder", "Resource", "arn:${Partition}:states:::batch:submitJob.sync"),
        "batch:submitJob.sync is not one of",
    ),
    (
        "a service that does not exist",
        put("WriteLine", "Resource", "arn:${Partition}:states:::aws-sdk:dynamo:putItem"),
        "the AWS SDK has no dynamo:PutItem",
    ),
    (
        "an action that does not exist",
        put("WriteLine", "Resource", "arn:${Partition}:states:::aws-sdk:dynamodb:insertItem"),
        "the AWS SDK has no dynamodb:InsertItem",
    ),
    (
        "an action in the wrong case",
        put("WriteLine", "Resource", "arn:${Partition}:states:::aws-sdk:dynamodb:PutItem"),
        "PutItem is written camelCase",
    ),
    (
        "an SDK call that cannot be synchronous",
        put("WriteLine", "Resource", "arn:${Partition}:states:::aws-sdk:dynamodb:putItem.sync"),
        "an aws-sdk integration has no .sync",
    ),
    (
        "an argument in the wrong case",
        put("ReadOrder", "Arguments.functionName", "x"),
        "Arguments.functionName is not an",
    ),
    ("an argument that is missing", put("WriteLine", "Arguments.Item", None), "Arguments.Item is required"),
    ("another query language", lambda m: m.update(QueryLanguage="JSONPath"), "(machine): QueryLanguage is not JSONata"),
    *((f"the expression {text}", put("OrderWritten", "Output", text), message) for text, message in EXPRESSION_FAULTS),
]


def test_the_small_machine_is_without_findings() -> None:
    assert findings(GOOD, tools=True, given=frozenset({"Partition", "FunctionArn", "TableName"})) == []


@pytest.mark.parametrize(("change", "message"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_the_linter_finds(change: Callable[[Machine], None], message: str) -> None:
    machine = copy.deepcopy(GOOD)
    change(machine)

    found = findings(machine)

    if message:
        assert [finding for finding in found if message in finding], found
    else:
        assert found == []


def test_a_variable_of_a_maps_inside_is_unknown_after_the_map() -> None:
    machine = copy.deepcopy(GOOD)
    put("WriteLine", "Assign", {"line": 1})(machine)
    put("OrderWritten", "Output", "{% $line %}")(machine)

    assert findings(machine) == ["OrderWritten: Output: $line is not assigned on every path to here"]


def test_a_variable_assigned_only_on_the_way_round_a_loop_is_not_assigned_on_the_first_way_in() -> None:
    machine = copy.deepcopy(GOOD)
    put("RequestCheck", "Next", "SizeChoice")(machine)
    put("RequestCheck", "Assign", {"again": True})(machine)
    put("SizeChoice", "Choices.0.Condition", "{% $again %}")(machine)

    assert findings(machine) == ["SizeChoice: Choices.0.Condition: $again is not assigned on every path to here"]


def test_names_that_an_expression_defines_itself_are_not_variables_of_the_machine() -> None:
    expression = asl_lint.parse_expression(
        "( $double := function($x) { $x * 2 }; $loop := function($n) { $n > 9 ? $n : $loop($n + 1) };"
        " $order.lines#$i.{'at': $i, 'twice': $double($.price), 'id': $$.id} ~> $map($string) )"
    )

    assert expression.error is None
    assert (set(expression.variables), set(expression.functions)) == ({"order"}, {"map"})


def test_placeholders_and_the_templates_substitutions_are_compared_both_ways() -> None:
    found = findings(GOOD, given=frozenset({"Partition", "FunctionArn", "TopicArn"}))

    assert found == [
        "(machine): ${TableName} is not in DefinitionSubstitutions",
        "(machine): DefinitionSubstitutions gives TopicArn, unused",
    ]


def test_a_numeric_placeholder_without_quotes_is_filled_in_before_reading() -> None:
    text = json.dumps(GOOD).replace('"TimeoutSeconds": 3600', '"TimeoutSeconds": ${CheckTimeoutSeconds}')

    assert [finding.message for finding in asl_lint.lint_definition(text, tools=False)] == [
        "HeartbeatSeconds is not a number below TimeoutSeconds"  # the sample is 60
    ]


@pytest.fixture
def broken() -> Machine:
    """A machine with a fault for each tool and one for none of them; the tools are asked about a text once."""
    machine = copy.deepcopy(GOOD)
    put("ReadOrder", "ResultPath", "$.order")(machine)
    put("SizeChoice", "Default", "Gone")(machine)
    put("LineFailed", "Cause", None)(machine)
    return machine


def test_cfn_lint_is_asked_about_the_inlined_definition(broken: Machine) -> None:
    assert [f for f in findings(broken, tools=True) if f.startswith("ReadOrder:") and "cfn-lint E3601" in f]


@pytest.mark.skipif(not asl_lint.node_linters_installed(), reason="Node 18 with requirements/node is optional")
@pytest.mark.parametrize("tool", ["asl-validator", "amazon-states-language-service"])
def test_the_node_linters_are_asked_when_they_are_installed(tool: str, broken: Machine) -> None:
    assert [finding for finding in findings(broken, tools=True) if f"({tool})" in finding]


def test_the_program_prints_file_state_and_message_and_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: Machine
) -> None:
    file, template = tmp_path / "order.asl.json", tmp_path / "order.yaml"
    file.write_text(json.dumps(broken))
    template.write_text(
        "Resources:\n  Machine:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n"
        "      DefinitionS3Location: order.asl.json\n      DefinitionSubstitutions:\n"
        "        Partition: !Ref AWS::Partition\n        FunctionArn: !GetAtt Function.Arn\n        TableName: !Ref Table\n"
    )

    assert asl_lint.main([str(file)]) == 1
    assert f"{file}:WriteOrder/LineFailed: a Fail without Cause\n" in capsys.readouterr().out

    file.write_text(json.dumps(GOOD))
    assert asl_lint.main([str(file), "--template", str(template)]) == 0


@pytest.mark.parametrize("file", DEFINITIONS, ids=[str(file.relative_to(ROOT)) for file in DEFINITIONS])
def test_the_definition_has_no_findings(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = asl_lint.main([str(file)])

    assert status == 0, capsys.readouterr().out
