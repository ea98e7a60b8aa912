"""The parts of moto's interpreter that ``asl_on_moto`` replaces while a state machine runs.

Importing them takes a second, which only a worker that runs one has to spend.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import random
import uuid
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from jsonata.jexception import JException
from jsonata.jsonata import Jsonata
from jsonata.utils import Utils
from moto.stepfunctions.parser.api import (
    EvaluationFailedEventDetails,
    HistoryEventType,
    TaskFailedEventDetails,
)
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from tests.contract.asl_on_moto import Actors, Throw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack

QUERY_ERROR = "States.QueryEvaluationError"

# What a run counts is in its environment, not in the program: the same one may run again.
_parse = cache(AmazonStateLanguageParser.parse)


def repair(stack: ExitStack, actors: Actors) -> None:
    """Replace, for as long as `stack` is open, the parts of moto that ``asl_on_moto`` names."""
    log = logging.getLogger("moto.stepfunctions")
    stack.callback(log.setLevel, log.level)
    log.setLevel(logging.CRITICAL)  # every scripted error is told there with the whole syntax tree

    def evaluate_jsonata(self: Any, env: Any) -> None:
        env.stack.append(_evaluate(env, self.expression))

    def play_task(self: Any, env: Any) -> None:
        if self.resource.condition == "waitForTaskToken":
            env.states.context_object.update_task_token()
        else:
            env.states.context_object.context_object_data.pop("Task", None)
        arguments: Any = {}
        if self.parargs is not None:
            self.parargs.eval(env=env)
            arguments = env.stack.pop()
        answer = actors.play(self.name, arguments)
        if isinstance(answer, Throw):
            details = TaskFailedEventDetails(error=answer.error, cause=answer.cause)
            raise FailureEventException(
                FailureEvent(
                    env=env,
                    error_name=_error_name(answer.error),
                    event_type=HistoryEventType.TaskFailed,
                    event_details=EventDetails(taskFailedEventDetails=details),
                )
            )
        env.stack.append(copy.deepcopy(answer.value))

    stack.enter_context(patch.object(AmazonStateLanguageParser, "parse", _parse))
    stack.enter_context(patch.object(StringJSONata, "_eval_body", evaluate_jsonata))
    stack.enter_context(patch.object(StateTaskService, "_eval_execution", play_task))
    # Here moto makes the task token and refuses the .sync calls it has no resolver for; play_task does the one.
    stack.enter_context(patch.object(StateTaskServiceCallback, "_eval_body", StateTaskService._eval_body))
    # moto knows fewer integrations than exist; a scripted task calls none.
    stack.enter_context(
        patch.object(StateTaskService, "_validate_service_integration_is_supported", lambda _self: None)
    )
    stack.enter_context(patch.object(retrier_decl, "time", SimpleNamespace(sleep=lambda _seconds: None)))
    stack.enter_context(patch.object(WaitFunction, "_wait_interval", lambda _self, env, wait_seconds: None))  # noqa: ARG005 - moto's names


def _evaluate(env: Any, text: str) -> Any:
    """Evaluate an expression with `$states` and the variables of its state; undefined is an error, as in AWS."""
    variables = env.variable_store
    states = {key: value for key, value in env.states._states_data.items() if value is not None}
    bindings = {**variables._outer_scope, **variables._inner_scope, "states": states}
    try:
        value = evaluate_jsonata(text, bindings)
    except JException as error:
        raise _query_error(env, f"The JSONata expression '{text}' failed: {error}") from error
    if value is None:
        raise _query_error(env, f"The JSONata expression '{text}' returned nothing (undefined).")
    return json.loads(json.dumps(Utils.convert_nulls(value)))


def evaluate_jsonata(text: str, bindings: Mapping[str, Any]) -> Any:
    """Return the value of a JSONata expression: None when undefined, `Utils.NULL_VALUE` when null."""
    expression = Jsonata(text.strip())
    expression.set_output_convert_nulls(False)
    for name, function in FUNCTIONS.items():
        expression.register_lambda(name, function)
    # A binding of None would be undefined.
    return expression.evaluate(
        None, {name: Utils.NULL_VALUE if value is None else copy.deepcopy(value) for name, value in bindings.items()}
    )


def _error_name(name: str) -> Any:
    """Return moto's object for an error name; those of the language have a class of their own."""
    if name.startswith("States."):
        return StatesErrorName(typ=StatesErrorNameType.from_name(name))
    return CustomErrorName(name)


def _query_error(env: Any, cause: str) -> FailureEventException:
    details = EvaluationFailedEventDetails(cause=cause, error=QUERY_ERROR)
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=_error_name(QUERY_ERROR),
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
    )


# -- Step Functions' own functions, after AWS's "Transforming data with JSONata in Step Functions" ------------------------


def _partition(values: list[Any], size: float) -> list[list[Any]]:
    return [values[start : start + int(size)] for start in range(0, len(values), int(size))]


def _range(first: float, last: float, step: float) -> list[float]:
    count = int((last - first) // step) + 1
    return [first + number * step for number in range(max(count, 0))]


def _hash(value: str, algorithm: str) -> str:
    names = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
    return hashlib.new(names[algorithm], value.encode(), usedforsecurity=False).hexdigest()


def _random(seed: float | None = None) -> float:
    return random.Random(seed).random()  # noqa: S311 - what the function is


def _uuid() -> str:
    return str(uuid.uuid4())


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "random": _random,
    "uuid": _uuid,
    "parse": json.loads,
}
