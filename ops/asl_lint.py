"""Lint Step Functions definitions written in JSONata, as far as a file alone can be judged.

    python -m ops.asl_lint statemachine.asl.json [--template automation-orchestration-pipeline.yaml]

prints `file:State: message` for each finding and exits 1 when there is one. A state inside a Map or Parallel state
is named `Outer/Inner`, the machine as a whole `(machine)`.

Tools exist, and two or three are asked here: cfn-lint's rule E3601, and, where Node and requirements/node are
installed, asl-validator and the Amazon States Language service. None of them follows a variable, parses an
expression against what a state may see, or knows an integration's arguments; the rest of this module does:

    names         states are PascalCase, a Choice ends in `Choice`, every state has a Comment
    links         every Next, Default and Catch.Next exists, every state is reached, every Choice has a Default
    expressions   every {% ... %} parses, calls only functions that exist and reads only what `$states` has there
    variables     every variable is assigned on every path to its use; none hides a JSONata function
    tasks         numeric timeout, heartbeat inside it, retries of named errors with jitter and a bound, a last catch
    failures      every Fail has Error and Cause
    integrations  the service, the action and the names of its arguments are those of the AWS SDK
    substitutions every ${Name} is given by the template, every given name is used, no partition is written out

The rules come from the Amazon States Language specification, AWS's "Transforming data with JSONata in Step
Functions" and the service models in botocore.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import botocore.model
import botocore.session
from jsonata.jexception import JException
from jsonata.jsonata import Jsonata

from ops.template import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
NODE_LINTERS = ROOT / "requirements" / "node"

JSONATA_FUNCTIONS = frozenset(
    """
    string length substring substringBefore substringAfter uppercase lowercase trim pad contains split join match replace
    base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl
    number abs floor ceil round power sqrt random formatNumber formatBase formatInteger parseInteger
    sum max min average boolean not exists count append sort reverse shuffle distinct zip
    keys lookup spread merge sift each error assert type now millis fromMillis toMillis
    map filter single reduce clone
    """.split()  # noqa: SIM905 - a list of sixty quoted words is harder to compare with the documentation
)
"""JSONata 2.0's functions; `eval` is missing because Step Functions refuses it."""

STEP_FUNCTIONS_FUNCTIONS = frozenset({"partition", "range", "hash", "random", "uuid", "parse"})
FUNCTIONS = JSONATA_FUNCTIONS | STEP_FUNCTIONS_FUNCTIONS

OPTIMIZED_INTEGRATIONS: Mapping[str, tuple[str, str]] = {
    "lambda:invoke": ("lambda", "Invoke"),
    "lambda:invoke.waitForTaskToken": ("lambda", "Invoke"),
    "states:startExecution": ("stepfunctions", "StartExecution"),
    "states:startExecution.sync:2": ("stepfunctions", "StartExecution"),
    "sagemaker:createTrainingJob.sync": ("sagemaker", "CreateTrainingJob"),
    "sagemaker:createProcessingJob.sync": ("sagemaker", "CreateProcessingJob"),
    "sagemaker:createModel": ("sagemaker", "CreateModel"),
    "sagemaker:createEndpointConfig": ("sagemaker", "CreateEndpointConfig"),
    "sagemaker:createEndpoint": ("sagemaker", "CreateEndpoint"),
    "sagemaker:updateEndpoint": ("sagemaker", "UpdateEndpoint"),
    "events:putEvents": ("events", "PutEvents"),
    "sns:publish": ("sns", "Publish"),
    "sqs:sendMessage": ("sqs", "SendMessage"),
    "dynamodb:getItem": ("dynamodb", "GetItem"),
    "dynamodb:putItem": ("dynamodb", "PutItem"),
    "dynamodb:updateItem": ("dynamodb", "UpdateItem"),
    "dynamodb:deleteItem": ("dynamodb", "DeleteItem"),
}
"""The integrations we use or expect to, as (botocore service, operation); a new one is added with a thought."""

SDK_SERVICES: Mapping[str, str] = {"sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}
"""Where Step Functions names a service after the Java SDK and botocore does not."""

STATES_FIELDS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "input": lambda _kind, _location: True,
    "context": lambda _kind, _location: True,
    "result": lambda kind, location: kind in {"Task", "Map", "Parallel"} and location[0] in {"Output", "Assign"},
    "errorOutput": lambda _kind, location: location[0] == "Catch",
}
"""Where each field of `$states` exists: in which type of state, at which place in it."""

RESOURCE = re.compile(
    r"arn:\$\{Partition\}:states:::(?:aws-sdk:(?P<sdk>[a-z0-9]+):(?P<action>\w+)(?P<mode>\..*)?|(?P<optimized>.+))"
)
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
PASCAL_CASE = re.compile(r"[A-Z][A-Za-z0-9]*")

MACHINE = "(machine)"

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to put right; printed as `file:state: message`."""

    state: str
    message: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The states that share links: the machine, the processor of a Map, or one branch of a Parallel."""

    prefix: str
    start: str | None
    states: Mapping[str, State]
    parent: tuple[Scope, str] | None

    def label(self, name: str) -> str:
        """Return how findings name a state of this scope."""
        return self.prefix + name


@dataclass(frozen=True, slots=True)
class Expression:
    """What one {% ... %} uses, read from its syntax tree.

    `variables` are the free variables, `functions` the functions called or applied that the expression does not define
    itself, `states` the paths that follow `$states`.
    """

    location: tuple[str, ...]
    variables: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    states: frozenset[tuple[str, ...]] = frozenset()
    error: str | None = None


# -- Reading ------------------------------------------------------------------------------------------------------


def render(text: str, *, partition: str = "aws") -> str:
    """Return the definition with a plausible value for each ${Placeholder}, so that every tool can read it."""

    def sample(match: re.Match[str]) -> str:
        name = match[1]
        if name == "Partition":
            return partition
        if re.search(r"(Seconds|Minutes|Hours|Days|Count)$", name):
            return "60"
        if name.endswith("FunctionArn"):
            return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        if name.endswith("StateMachineArn"):
            return f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}"
        if name.endswith("RoleArn"):
            return f"arn:aws:iam::123456789012:role/{name}"
        if name.endswith("Arn"):
            return f"arn:aws:sns:us-east-1:123456789012:{name}"
        return name.lower()

    return PLACEHOLDER.sub(sample, text)


def scopes(definition: Mapping[str, Any], prefix: str = "", parent: tuple[Scope, str] | None = None) -> Iterator[Scope]:
    """Yield the machine's own scope and, each after its parent, those inside Map and Parallel states."""
    scope = Scope(prefix, definition.get("StartAt"), definition.get("States", {}), parent)
    yield scope
    for name, state in scope.states.items():
        inner = state.get("Branches", [])
        if "ItemProcessor" in state:
            inner = [state["ItemProcessor"]]
        for branch in inner:
            yield from scopes(branch, f"{prefix}{name}/", (scope, name))


def expressions(state: State) -> Iterator[Expression]:
    """Yield the expressions of a state, not of the states inside it."""
    for location, text in _strings({k: v for k, v in state.items() if k not in {"Branches", "ItemProcessor"}}):
        if "Comment" in location:
            continue
        if text.startswith("{%") and text.endswith("%}"):
            yield parse_expression(text[2:-2], location)
        elif "{%" in text or "%}" in text:
            yield Expression(location, error="an expression begins with {% and ends with %}, with nothing around it")


def parse_expression(text: str, location: tuple[str, ...] = ()) -> Expression:
    """Return what the JSONata expression `text` uses, or the reason why it does not parse."""
    try:
        tree = Jsonata(text.strip()).ast
    except JException as error:
        return Expression(location, error=f"not JSONata: {error}")
    uses = _Uses()
    uses.visit(tree, frozenset())
    return Expression(location, frozenset(uses.variables), frozenset(uses.functions), frozenset(uses.states))


class _Uses:
    """Collect what a JSONata syntax tree refers to, heeding what blocks and lambdas define for themselves."""

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self.functions: set[str] = set()
        self.states: set[tuple[str, ...]] = set()

    def visit(self, node: Any, local: frozenset[str]) -> frozenset[str]:
        """Visit `node`; return the names known to whatever follows it in the same block."""
        kind = getattr(node, "type", None)
        if kind == "block":
            inner = local
            for expression in node.expressions:
                inner = self.visit(expression, inner)
        elif kind == "bind":
            self.visit(node.rhs, local | {node.lhs.value})  # a lambda may call itself
            return local | {node.lhs.value}
        elif kind == "lambda":
            self.visit(node.body, local | {argument.value for argument in node.arguments})
        elif kind in {"function", "partial"} and node.procedure.type == "variable":
            self._call(node.procedure.value, local)
            self._visit_all(node.arguments, local)
        elif kind == "apply" and node.rhs.type == "variable":
            self.visit(node.lhs, local)
            self._call(node.rhs.value, local)
        elif kind == "path":
            self._path(node, local)
        elif kind == "variable":
            self._variable(node, local)
        else:
            self._children(node, local)
        return local

    def _path(self, node: Any, local: frozenset[str]) -> None:
        for step in node.steps:  # `items@$item` and `items#$i` define a name for the rest of the path
            local |= {
                name for name in (getattr(step, "focus", None), getattr(step, "index", None)) if isinstance(name, str)
            }
        first, *rest = node.steps
        if first.type == "variable" and first.value == "states":
            names: list[str] = []
            for step in rest:
                if step.type != "name":
                    break
                names.append(step.value)
            self.states.add(tuple(names))
            self._children(first, local)
        else:
            rest = node.steps
        self._visit_all(rest, local)
        self._children(node, local, skip="steps")

    def _variable(self, node: Any, local: frozenset[str]) -> None:
        name = node.value
        if name == "states":
            self.states.add(())
        elif name not in {"", "$"} and name not in local and name not in FUNCTIONS:
            self.variables.add(name)
        self._children(node, local)

    def _call(self, name: str, local: frozenset[str]) -> None:
        if name not in local:
            self.functions.add(name)

    def _visit_all(self, nodes: Any, local: frozenset[str]) -> None:
        if isinstance(nodes, list | tuple):
            for node in nodes:
                self._visit_all(node, local)
        elif hasattr(nodes, "type"):
            self.visit(nodes, local)

    def _children(self, node: Any, local: frozenset[str], skip: str = "") -> None:
        for name, value in vars(node).items():
            # Symbols refer back to their parser and, for the % operator, to their ancestor.
            if name not in {skip, "_outer_instance", "ancestor", "seeking_parent"}:
                self._visit_all(value, local)


def _strings(value: Any, location: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each string in a JSON value with the keys that lead to it."""
    if isinstance(value, str):
        yield location, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*location, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _strings(item, (*location, str(number)))


# -- Checks of one file -------------------------------------------------------------------------------------------


def check_names(scope: Scope) -> Iterator[Finding]:
    """State names read the same way everywhere, and every state says why it is there."""
    for name, state in scope.states.items():
        label = scope.label(name)
        if not PASCAL_CASE.fullmatch(name):
            yield Finding(label, "the name is not PascalCase")
        if name.endswith("Choice") != (state.get("Type") == "Choice"):
            yield Finding(label, "the name of a Choice state, and of no other, ends in Choice")
        if not str(state.get("Comment", "")).strip():
            yield Finding(label, "no Comment")


def check_links(scope: Scope) -> Iterator[Finding]:
    """Every link leads to a state, every state is reached, every state leads on or ends."""
    if scope.start not in scope.states:
        yield Finding(scope.prefix.rstrip("/") or MACHINE, f"StartAt names {scope.start!r}, which does not exist")
    for name, state in scope.states.items():
        label, kind = scope.label(name), state.get("Type")
        for target, _assigned in _edges(state):
            if target not in scope.states:
                yield Finding(label, f"leads to {target!r}, which does not exist")
        if kind == "Choice" and "Default" not in state:
            yield Finding(label, "a Choice without Default fails when no rule matches")
        if kind not in {"Choice", "Succeed", "Fail"} and ("Next" in state) == (state.get("End") is True):
            yield Finding(label, "has both or neither of Next and End")
    for name in scope.states.keys() - _reached(scope):
        yield Finding(scope.label(name), "is never reached from StartAt")


def check_expressions(scope: Scope) -> Iterator[Finding]:
    """Every expression parses, calls functions that exist and reads of `$states` only what is there."""
    for name, state in scope.states.items():
        label, kind = scope.label(name), state.get("Type", "")
        for expression in expressions(state):
            place = ".".join(expression.location)
            if expression.error:
                yield Finding(label, f"{place}: {expression.error}")
            for function in sorted(expression.functions - FUNCTIONS):
                reason = "is refused by Step Functions" if function == "eval" else "is not a JSONata function"
                yield Finding(label, f"{place}: ${function} {reason}")
            for path in sorted(expression.states):
                field = path[0] if path else ""
                if field not in STATES_FIELDS:
                    yield Finding(label, f"{place}: $states.{field} does not exist")
                elif not STATES_FIELDS[field](kind, expression.location):
                    yield Finding(label, f"{place}: $states.{field} is not available there")


def check_variables(all_scopes: Sequence[Scope]) -> Iterator[Finding]:
    """Every variable is assigned on every path to its use.

    A variable assigned in a state is seen from the next state on. A Catch and a matched Choice rule assign what they
    say themselves and not what their state does. States inside a Map or Parallel see the variables of the states
    around them and keep their own to themselves.
    """
    assigned: dict[tuple[str, str], frozenset[str]] = {}
    for scope in all_scopes:
        inherited: frozenset[str] = frozenset()
        if scope.parent:
            outer, name = scope.parent
            inherited = assigned.get((outer.prefix, name), frozenset())
        before = _assigned_before(scope, inherited)
        assigned.update({(scope.prefix, name): names for name, names in before.items()})
        for name, known in before.items():
            state = scope.states[name]
            for variable in sorted(_assigns(state)):
                if variable in FUNCTIONS or variable in {"states", "eval"}:
                    yield Finding(scope.label(name), f"the variable {variable!r} hides ${variable} of JSONata")
            for expression in expressions(state):
                for variable in sorted(expression.variables - known):
                    place = ".".join(expression.location)
                    yield Finding(scope.label(name), f"{place}: ${variable} is not assigned on every path to here")


def check_tasks(scope: Scope) -> Iterator[Finding]:
    """Every task ends in time, is retried only for errors that pass, and is caught whatever happens."""
    for name, state in scope.states.items():
        if state.get("Type") != "Task":
            continue
        label = scope.label(name)
        timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds", 0)
        if not _is_number(timeout):
            yield Finding(label, "TimeoutSeconds is missing or not a number")
        elif not _is_number(heartbeat) or heartbeat >= timeout:
            yield Finding(label, "HeartbeatSeconds is not a number below TimeoutSeconds")
        yield from (Finding(label, message) for message in _retry_faults(state.get("Retry")))
        yield from (Finding(label, message) for message in _catch_faults(state.get("Catch")))
        waits = str(state.get("Resource", "")).endswith(".waitForTaskToken")
        tokens = [e for e in expressions(state) if ("context", "Task", "Token") in {path[:3] for path in e.states}]
        if waits and not any(expression.location[0] == "Arguments" for expression in tokens):
            yield Finding(
                label, "waits for a task token but sends none: $states.context.Task.Token is not in Arguments"
            )
        if tokens and not waits:
            yield Finding(label, "reads $states.context.Task.Token, which only a .waitForTaskToken task has")


def check_failures(scope: Scope) -> Iterator[Finding]:
    """A Fail says what failed and why."""
    for name, state in scope.states.items():
        if state.get("Type") == "Fail":
            for field in ("Error", "Cause"):
                if not state.get(field):
                    yield Finding(scope.label(name), f"a Fail without {field}")


def check_integrations(scope: Scope) -> Iterator[Finding]:
    """Every task calls an action that exists, with arguments that it takes."""
    for name, state in scope.states.items():
        if state.get("Type") != "Task":
            continue
        label, resource = scope.label(name), str(state.get("Resource", ""))
        match = RESOURCE.fullmatch(resource)
        if match is None:
            yield Finding(label, f"Resource {resource!r} does not begin with arn:${{Partition}}:states:::")
            continue
        if match["optimized"]:
            known = OPTIMIZED_INTEGRATIONS.get(match["optimized"])
            if known is None:
                yield Finding(label, f"{match['optimized']} is not one of the optimized integrations known here")
                continue
            service, action = known
        else:
            service = SDK_SERVICES.get(match["sdk"], match["sdk"])
            action = match["action"][0].upper() + match["action"][1:]
            if match["mode"] not in {None, ".waitForTaskToken"}:
                yield Finding(label, f"an aws-sdk integration has no {match['mode']}")
            if match["action"][0].isupper():
                yield Finding(label, f"the action {match['action']} is written camelCase")
        shape = _input_shape(service, action)
        if shape is None:
            yield Finding(label, f"the AWS SDK has no {service}:{action}")
        elif isinstance(state.get("Arguments", {}), dict):
            arguments = state.get("Arguments", {})
            yield from (Finding(label, message) for message in _argument_faults(shape, arguments, "Arguments"))


def check_substitutions(text: str, given: frozenset[str] | None) -> Iterator[Finding]:
    """Placeholders and the template's DefinitionSubstitutions are the same names; no partition is fixed."""
    for partition in sorted(set(re.findall(r"arn:(aws[a-z-]*):", text))):
        yield Finding(MACHINE, f"arn:{partition}: is written out; use arn:${{Partition}}:")
    used = frozenset(PLACEHOLDER.findall(text))
    if given is not None:
        yield from (Finding(MACHINE, f"${{{name}}} is not in DefinitionSubstitutions") for name in sorted(used - given))
        yield from (Finding(MACHINE, f"DefinitionSubstitutions gives {name}, unused") for name in sorted(given - used))


def check_with_cfn_lint(definition: Mapping[str, Any]) -> Iterator[Finding]:
    """Ask cfn-lint's E3601, which reads a definition only when it is inlined in a template."""
    role = "arn:aws:iam::123456789012:role/Role"  # any: only the definition is judged
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"RoleArn": role, "Definition": definition}}
    yield from _said_by_cfn_lint(json.dumps({"Resources": {"Machine": machine}}))


@cache
def _said_by_cfn_lint(template: str) -> tuple[Finding, ...]:
    from cfnlint.api import ManualArgs, lint  # noqa: PLC0415 - it takes a second, and most who read definitions never ask

    found = []
    for match in lint(template, config=ManualArgs(regions=["us-east-1"])):
        if match.rule.id == "E3601":
            path = [str(part) for part in match.path[4:]]  # Resources, Machine, Properties, Definition
            state = path[1] if path[:1] == ["States"] and len(path) > 1 else MACHINE
            found.append(Finding(state, f"{match.message} (cfn-lint E3601 at {'.'.join(path) or 'the top'})"))
    return tuple(found)


def check_with_node_linters(definition: Mapping[str, Any]) -> Iterator[Finding]:
    """Ask asl-validator and the Amazon States Language service; nothing when they are not installed."""
    if node_linters_installed():
        yield from _said_by_node(json.dumps(definition, indent=2))


@cache
def _said_by_node(text: str) -> tuple[Finding, ...]:
    node = shutil.which("node") or "node"
    answer = subprocess.run(
        [node, str(NODE_LINTERS / "lint.cjs")], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    if answer.returncode != 0:
        return (Finding(MACHINE, f"the Node linters cannot read it: {answer.stderr.strip()[-300:]}"),)
    return tuple(Finding(MACHINE, f"{said['message']} ({said['tool']})") for said in json.loads(answer.stdout))


def node_linters_installed() -> bool:
    """Tell whether `make lint` could install the npm packages on this machine."""
    return shutil.which("node") is not None and (NODE_LINTERS / "node_modules" / "up-to-date").is_file()


def lint_definition(text: str, substitutions: frozenset[str] | None = None, *, tools: bool = True) -> list[Finding]:
    """Return all findings about the definition `text`.

    Args:
        text: the file's content, placeholders and all.
        substitutions: the names in the template's DefinitionSubstitutions, None when there is no template.
        tools: whether to ask cfn-lint and the Node linters too.
    """
    try:
        definition = json.loads(render(text))
        unpartitioned = json.loads(render(text, partition="${Partition}"))
    except json.JSONDecodeError as error:
        return [Finding(MACHINE, f"not JSON once the placeholders are filled in: {error}")]
    if not isinstance(definition, dict):
        return [Finding(MACHINE, "not a JSON object")]
    findings = list(check_substitutions(text, substitutions))
    if definition.get("QueryLanguage") != "JSONata":
        findings.append(Finding(MACHINE, "QueryLanguage is not JSONata"))
    all_scopes = list(scopes(unpartitioned))
    for check in (check_names, check_links, check_expressions, check_tasks, check_failures, check_integrations):
        for scope in all_scopes:
            findings += check(scope)
    findings += check_variables(all_scopes)
    if tools:
        findings += check_with_cfn_lint(definition)
        findings += check_with_node_linters(definition)
    return findings


# -- Graph --------------------------------------------------------------------------------------------------------


def _edges(state: State) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each link of a state as (target, variables assigned on the way)."""
    own = frozenset(state.get("Assign") or ())
    for field in ("Next", "Default"):
        if field in state:
            yield state[field], own
    for branch in [*state.get("Choices", []), *state.get("Catch", [])]:
        if "Next" in branch:
            yield branch["Next"], frozenset(branch.get("Assign") or ())


def _assigns(state: State) -> frozenset[str]:
    """Return every variable a state assigns, by whichever way it is left."""
    branches = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return frozenset(name for branch in branches for name in branch.get("Assign") or ())


def _reached(scope: Scope) -> set[str]:
    """Return the states that some path from StartAt leads to."""
    found: set[str] = set()
    waiting = [scope.start]
    while waiting:
        name = waiting.pop()
        if name in scope.states and name not in found and name is not None:
            found.add(name)
            waiting += [target for target, _assigned in _edges(scope.states[name])]
    return found


def _assigned_before(scope: Scope, inherited: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return, for each reached state, the variables assigned on every path from StartAt to it.

    The usual forward "must" analysis: intersect over the ways in until nothing changes. Sets only shrink, so it ends.
    """
    before: dict[str, frozenset[str]] = {}
    if scope.start not in scope.states or scope.start is None:
        return before
    before[scope.start] = inherited
    waiting = [scope.start]
    while waiting:
        name = waiting.pop()
        for target, assigned in _edges(scope.states[name]):
            if target not in scope.states:
                continue
            known = before[name] | assigned
            merged = before[target] & known if target in before else known
            if before.get(target) != merged:
                before[target] = merged
                waiting.append(target)
    return before


# -- Retry, Catch, arguments --------------------------------------------------------------------------------------


def _retry_faults(retriers: Any) -> Iterator[str]:
    """Yield what is wrong with a task's Retry.

    A retrier with MaxAttempts 0 names errors that are never retried and needs no timing.
    """
    if not retriers:
        yield "no Retry"
        return
    for number, retrier in enumerate(retriers):
        for error in retrier.get("ErrorEquals", []):
            if error in {"States.ALL", "States.TaskFailed"}:
                yield f"Retry.{number} retries {error}: name the errors that pass by themselves"
        if retrier.get("MaxAttempts") == 0:
            continue
        if retrier.get("JitterStrategy") != "FULL":
            yield f"Retry.{number} has no JitterStrategy FULL"
        if not _is_number(retrier.get("MaxDelaySeconds")):
            yield f"Retry.{number} has no numeric MaxDelaySeconds"


def _catch_faults(catchers: Any) -> Iterator[str]:
    """Yield what is wrong with a task's Catch."""
    errors = [catcher.get("ErrorEquals", []) for catcher in catchers or []]
    if not errors or errors[-1] != ["States.ALL"]:
        yield "the last Catch is not for States.ALL alone"
    if any("States.ALL" in names for names in errors[:-1]):
        yield "a Catch for States.ALL comes before the last, so those after it are never tried"


@cache
def _input_shape(service: str, action: str) -> Any:
    """Return botocore's input shape of an operation, None when there is no such service or operation."""
    try:
        model = botocore.session.get_session().get_service_model(service)
        return model.operation_model(action).input_shape
    except (botocore.exceptions.UnknownServiceError, botocore.exceptions.DataNotFoundError):
        return None
    except botocore.model.OperationNotFoundError:
        return None


def _argument_faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    """Yield the names in `value` that `shape` does not have, and those it needs that are missing.

    Step Functions writes every member with a capital first letter, whatever the service's own API does. An expression
    in place of an object or a list is not looked into.
    """
    if shape is None or not hasattr(shape, "type_name"):
        return
    if shape.type_name == "structure" and isinstance(value, dict):
        members = {name[0].upper() + name[1:]: member for name, member in shape.members.items()}
        required = {name[0].upper() + name[1:] for name in shape.required_members}
        for name in sorted(value.keys() - members.keys()):
            yield f"{place}.{name} is not an argument of {shape.name}"
        for name in sorted(required - value.keys()):
            yield f"{place}.{name} is required by {shape.name}"
        for name in sorted(value.keys() & members.keys()):
            yield from _argument_faults(members[name], value[name], f"{place}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _argument_faults(shape.member, item, f"{place}.{number}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# -- Templates ----------------------------------------------------------------------------------------------------


def substitutions_for(definition: Path, template: Path) -> frozenset[str] | None:
    """Return the DefinitionSubstitutions that `template` gives the machine made of this file, None when it has none."""
    document = parse(template.read_text(encoding="utf-8"))
    for resource in (document.get("Resources") or {}).values():
        properties = resource.get("Properties") or {}
        location = properties.get("DefinitionS3Location")
        if isinstance(location, str) and (template.parent / location).resolve() == definition.resolve():
            return frozenset(properties.get("DefinitionSubstitutions") or ())
    return None


def _templates_beside(definition: Path) -> list[Path]:
    return sorted(definition.resolve().parent.glob("[!.]*.yaml"))


def main(argv: Sequence[str] | None = None) -> int:
    """Lint the files named; return 1 when there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m ops.asl_lint", description="Lint Step Functions definitions.")
    parser.add_argument("definitions", nargs="+", type=Path)
    parser.add_argument("--template", type=Path, help="the template that deploys them (default: one beside each file)")
    arguments = parser.parse_args(argv)
    if not node_linters_installed():
        print("asl_lint: asl-validator and amazon-states-language-service are not installed and were skipped")
    found = 0
    for file in arguments.definitions:
        templates = [arguments.template] if arguments.template else _templates_beside(file)
        given = next((names for t in templates if (names := substitutions_for(file, t)) is not None), None)
        if arguments.template and given is None:
            print(f"{file}:{MACHINE}: {arguments.template} deploys no state machine from this file")
            found += 1
        for finding in lint_definition(file.read_text(encoding="utf-8"), given):
            print(f"{file}:{finding.state}: {finding.message}")
            found += 1
    if not found:
        print(f"asl_lint: {len(arguments.definitions)} definition(s) without findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
