"""Run a state machine on moto's interpreter, in process, with every task scripted by the name of its state.

    result = run_on_moto(definition, {"model": "fraud"}, {
        "ReadRetrainingDecision": [Throw("Lambda.TooManyRequestsException"), Return({"Payload": {"decision": "SKIP"}})],
    })
    assert result.states_visited == ("ReadRetrainingDecision", "DecisionChoice", "NoRetrainingNeeded")

This is the second opinion on the definition: the embedded AWS has an interpreter of its own, and the two are strict in
different places. moto parses the language, keeps the variables, retries, catches and chooses; replaced here are

- the evaluation of JSONata, a stub in moto, by jsonata-python with Step Functions' own functions;
- every task, service call and callback alike, by the next entry of its script: what the integration returns
  (`$states.result`), or an error that goes through the state's Retry and Catch;
- waiting: between retries and in Wait states no time passes;
- reading the definition: moto does it when it creates a machine and again when it runs it, here it is done once a text.

The attempts of a task use up its script one by one. A task without an entry left ends the run with a ScriptError,
since a path that calls more than its test expects is what the test is there to find.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import random
import threading
import time
import uuid
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
from jsonata.jexception import JException
from jsonata.jsonata import Jsonata
from jsonata.utils import Utils
from moto import mock_aws
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/Any"
LONGEST_RUN_SECONDS = 30
QUERY_ERROR = "States.QueryEvaluationError"


@dataclass(frozen=True, slots=True)
class Return:
    """The integration answers with `value`; a Lambda's answer is `{"Payload": ...}`."""

    value: Any


@dataclass(frozen=True, slots=True)
class Throw:
    """The integration fails with this error name and cause."""

    error: str
    cause: str = ""


Script = "Mapping[str, Sequence[Return | Throw]]"


class ScriptError(AssertionError):
    """A task ran that the script has no answer for; the text names the state."""


@dataclass(frozen=True, slots=True)
class PathResult:
    """What one execution did, as `DescribeExecution` and `GetExecutionHistory` tell it.

    `states_visited` are the states in the order they were entered, `task_inputs` the evaluated Arguments of each task,
    one entry for each attempt.
    """

    status: str
    output: Any
    error: str | None
    cause: str | None
    states_visited: tuple[str, ...]
    task_inputs: Mapping[str, Sequence[Any]]


@dataclass(slots=True)
class _Actors:
    """The script being played, and what the tasks were given."""

    script: dict[str, list[Return | Throw]]
    inputs: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    unscripted: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def play(self, state: str, arguments: Any) -> Return | Throw:
        with self.lock:  # the branches of a Parallel call from threads of their own
            self.inputs[state].append(copy.deepcopy(arguments))
            if not self.script.get(state):
                self.unscripted.append(state)
                return Throw("Script.Exhausted", f"the script has no answer left for {state}")
            return self.script[state].pop(0)


def run_on_moto(
    definition: Mapping[str, Any],
    execution_input: Any,
    script: Mapping[str, Sequence[Return | Throw]],
    *,
    name: str = "run",
) -> PathResult:
    """Execute `definition`, rendered and without placeholders, and tell what happened.

    Raises:
        ScriptError: when a task ran for which the script had no answer left.
        TimeoutError: when the execution does not end.
    """
    actors = _Actors({state: list(answers) for state, answers in script.items()})
    settings = {"stepfunctions": {"execute_state_machine": True}}
    with ExitStack() as stack:
        stack.enter_context(mock_aws(config=settings))
        _repair(stack, actors)
        client = _client()
        machine = client.create_state_machine(name="machine", definition=json.dumps(definition), roleArn=ROLE)
        started = client.start_execution(
            stateMachineArn=machine["stateMachineArn"], name=name, input=json.dumps(execution_input)
        )
        arn = started["executionArn"]
        execution = _ended(client, arn)
        events = [
            event
            for page in client.get_paginator("get_execution_history").paginate(executionArn=arn)
            for event in page["events"]
        ]
    if actors.unscripted:
        raise ScriptError(f"no answer left in the script for {', '.join(actors.unscripted)}")
    return PathResult(
        status=execution["status"],
        output=_output(execution.get("output")),
        error=execution.get("error"),
        cause=execution.get("cause"),
        states_visited=tuple(
            event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event
        ),
        task_inputs={state: tuple(inputs) for state, inputs in actors.inputs.items()},
    )


# What a run counts is in its environment, not in the program: the same one may run again.
_parse = cache(AmazonStateLanguageParser.parse)


@cache
def _client() -> Any:
    """The client, made once: reading the service's model takes longer than most runs."""
    return boto3.client("stepfunctions", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")


def _ended(client: Any, arn: str) -> dict[str, Any]:
    """Return the description of an execution once it is over."""
    deadline = time.monotonic() + LONGEST_RUN_SECONDS
    while time.monotonic() < deadline:
        execution: dict[str, Any] = client.describe_execution(executionArn=arn)
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.01)
    client.stop_execution(executionArn=arn)
    raise TimeoutError(f"the execution did not end within {LONGEST_RUN_SECONDS} s")


def _output(text: str | None) -> Any:
    """Return the output's value; moto gives a string as it is, where AWS quotes it."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _repair(stack: ExitStack, actors: _Actors) -> None:
    """Replace, for as long as `stack` is open, the parts of moto that the module docstring names."""
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
