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
import json
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/Any"
LONGEST_RUN_SECONDS = 30


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
class Actors:
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
    from tests.contract.moto_interpreter import repair  # noqa: PLC0415 - as that module says

    actors = Actors({state: list(answers) for state, answers in script.items()})
    settings = {"stepfunctions": {"execute_state_machine": True}}
    with ExitStack() as stack:
        stack.enter_context(mock_aws(config=settings))
        repair(stack, actors)
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
