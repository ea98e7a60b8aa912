"""What states make of JSONata and of the names of errors, where ministack's Step Functions differ from AWS."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import jsonata

from local.seam import Repair
from local.seam import stepfunctions as sfn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.sagemaker_records import Document

_GUIDE = "https://docs.aws.amazon.com/step-functions/latest/dg/"

OUTPUTS = Repair(
    "outputs",
    alone="`Output` of Succeed and Parallel, `Arguments` and `Assign` of Parallel ignored in JSONata",
    aws="as documented",
    source=f"{_GUIDE}transforming-data.html",
)
ASSIGNMENTS = Repair(
    "assignments",
    alone="a variable of an `Assign` sees the ones before it",
    aws="each sees the values at the state's entry",
    source=f"{_GUIDE}workflow-variables.html",
)
CONDITIONS = Repair(
    "conditions",
    alone="any value is a condition; an unassigned variable equals nothing",
    aws="`States.QueryEvaluationError`",
    source=f"{_GUIDE}state-choice.html",
)
ERROR_SUFFIX = Repair(
    "names of SDK errors",
    alone="errors of some `aws-sdk` integrations without their suffix (`Sfn.StateMachineDoesNotExist`)",
    aws="`Sfn.StateMachineDoesNotExistException`",
    source=f"{_GUIDE}supported-services-awssdk.html",
)
WILDCARDS = Repair(
    "wildcards of Retry and Catch",
    alone="`States.ALL` catches `States.Runtime` and `States.DataLimitExceeded`",
    aws="it does not; nor does `States.TaskFailed`",
    source=f"{_GUIDE}concepts-error-handling.html",
)


@OUTPUTS.wraps(sfn, "_apply_output_path")
def _output(original: Callable[..., Any], state_def: Document, data: Any, ctx: Document | None = None) -> Any:
    if state_def.get("Type") == "Succeed" and "Output" in state_def and _is_jsonata(state_def, ctx):
        return sfn.apply_jsonata_output(state_def, data, ctx)
    return original(state_def, data, ctx)


@OUTPUTS.wraps(sfn, "_run_parallel_branches")
def _run_branches(
    original: Callable[..., Any], state_def: Document, raw_input: Any, execution: Document, ctx: Document
) -> Any:
    if not _is_jsonata(state_def, ctx):
        return original(state_def, raw_input, execution, ctx)
    given = sfn.apply_jsonata_arguments(state_def, raw_input, ctx)
    results, following = original(state_def, given, execution, ctx)
    output = sfn.apply_jsonata_output(state_def, raw_input, ctx, result=results, default=results)
    sfn.apply_state_assign(state_def, raw_input, ctx, result=results)
    return output, following


@ASSIGNMENTS.replaces(sfn, "_apply_state_assign")
def _assign(
    state_def: Document, raw_input: Any, ctx: Document | None, result: Any = None, error_output: Any = None
) -> None:
    templates = state_def.get("Assign")
    if ctx is None or not isinstance(templates, dict) or not _is_jsonata(state_def, ctx):
        return
    values = {
        name: sfn.apply_jsonata_template(template, raw_input, ctx, result=result, error_output=error_output)
        for name, template in templates.items()
    }
    ctx.setdefault("variables", {}).update(copy.deepcopy(values))


@CONDITIONS.replaces(sfn, "_evaluate_jsonata_choice_rule")
def _choose(rule: Document, raw_input: Any, ctx: Document) -> bool:
    condition = rule.get("Condition")
    if isinstance(condition, str):
        _require_known_variables(condition, ctx)
    value = sfn.apply_jsonata_template(condition, raw_input, ctx)
    if not isinstance(value, bool):
        raise sfn.ExecutionError(
            "States.QueryEvaluationError",
            f"The JSONata expression '{condition}' specified for the field 'Condition' returned an unexpected "
            f"result type. Expected 'boolean', but was '{sfn.json_type(value)}' for value: {json.dumps(value)}",
        )
    return value


@ERROR_SUFFIX.wraps(sfn, "_prefix_sdk_error")
def _prefixed(original: Callable[[str, str], str], service_name: str, error_code: str) -> str:
    name = original(service_name, error_code)
    return name if name.startswith("States.") or name.endswith("Exception") else f"{name}Exception"


@WILDCARDS.wraps(sfn, "_error_matches")
def _matches(original: Callable[..., bool], error_equals: list[str], error: str) -> bool:
    if error in ("States.Runtime", "States.DataLimitExceeded"):
        return error in error_equals
    return original(error_equals, error)


def _is_jsonata(state: Document, context: Document | None) -> bool:
    # A Catch has no query language of its own; it has the state's, which ministack hands down in the context.
    return bool(sfn.state_query_language(state, context) == "JSONata")


def _require_known_variables(condition: str, context: Document) -> None:
    expression = condition.removeprefix("{%").removesuffix("%}").strip()
    try:
        tree = jsonata.Jsonata.jsonata(expression).ast
    except Exception:  # noqa: BLE001 - the evaluation reports a bad expression better
        return
    known = {*context.get("variables", {}), "states", "", "$"}
    for name in _free_variables(tree, known):
        raise sfn.ExecutionError(
            "States.QueryEvaluationError",
            f"The JSONata expression '{condition}' specified for the field 'Condition' reads the variable "
            f"${name}, which has not been assigned.",
        )


def _free_variables(tree: Any, known: set[str]) -> Iterator[str]:
    """Give the variables an expression reads but neither binds nor finds bound; what $exists asks about is exempt."""
    nodes = list(_nodes(tree))
    bound = {str(node.lhs.value) for node in nodes if node.type == "bind" and node.lhs is not None}
    bound |= {str(argument.value) for node in nodes if node.type == "lambda" for argument in (node.arguments or [])}
    asked = {
        id(inner)
        for node in nodes
        if node.type == "function" and getattr(node.procedure, "value", None) == "exists"
        for inner in _nodes(node.arguments)
    }
    called = {id(node.procedure) for node in nodes if node.type in ("function", "partial")}
    for node in nodes:
        if node.type == "variable" and id(node) not in asked and id(node) not in called:
            name = str(node.value)
            if name not in known and name not in bound:
                yield name


def _nodes(tree: Any, seen: set[int] | None = None) -> Iterator[Any]:
    seen = set() if seen is None else seen
    if isinstance(tree, list | tuple):
        for item in tree:
            yield from _nodes(item, seen)
    elif hasattr(tree, "type") and hasattr(tree, "__dict__") and id(tree) not in seen:
        seen.add(id(tree))
        yield tree
        for value in vars(tree).values():
            yield from _nodes(value, seen)
