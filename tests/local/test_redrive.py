"""RedriveExecution: an execution that did not succeed goes on from the state it ended in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.embedded_aws import wait_until

if TYPE_CHECKING:
    from tests.local.conftest import Account

CONTEXT = "{% $states.context.Execution %}"
AWS = Path(sys.executable).with_name("aws")
FAILS_FOUR_TIMES = """
import boto3

def handler(event, context):
    s3 = boto3.client("s3")
    s3.put_object(Bucket="data", Key="calls/" + context.aws_request_id, Body=b"")
    if s3.list_objects_v2(Bucket="data", Prefix="calls/")["KeyCount"] <= 4:
        raise ValueError("not yet")
    return {"done": True}
"""
HANGS_ONCE = """
import time, boto3
from botocore.exceptions import ClientError

def handler(event, context):
    s3 = boto3.client("s3")
    try:
        s3.put_object(Bucket="data", Key="called", Body=b"", IfNoneMatch="*")
    except ClientError:
        return "second call"
    time.sleep(1.5)
    return "first call"
"""


def park(url: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {
            "QueueUrl": url,
            "MessageBody": {"token": "{% $states.context.Task.Token %}", "execution": CONTEXT},
        },
        "End": True,
        **more,
    }


def call(arn: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": arn, "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "End": True,
        **more,
    }


def history(account: Account, execution: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = account.states.get_execution_history(executionArn=execution, maxResults=1000)[
        "events"
    ]
    return events


def entered(account: Account, execution: str) -> list[str]:
    return [
        event["stateEnteredEventDetails"]["name"]
        for event in history(account, execution)
        if event["type"].endswith("StateEntered")
    ]


@pytest.fixture
def queue(account: Account) -> str:
    return account.queue("tokens")


def test_one_that_was_stopped_while_parked_waits_again_with_a_new_token_and_its_variables(
    account: Account, queue: str
) -> None:
    states = {
        "Before": {"Type": "Pass", "Assign": {"kept": "{% $states.input.n * 2 %}"}, "Output": {"m": 5}, "Next": "Park"},
        "Park": park(queue, Output="{% [$kept, $states.input.m, $states.result.by] %}"),
    }
    machine = account.machine("machine", states)
    execution = account.start(machine, {"n": 4}, name="one")
    first = account.heard(queue, 1)[0]
    account.states.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
    # A redrive keeps the definition it was started with.
    account.states.update_state_machine(
        stateMachineArn=machine, definition='{"StartAt": "X", "States": {"X": {"Type": "Succeed"}}}'
    )

    answer = account.states.redrive_execution(executionArn=execution)

    second = account.heard(queue, 1)[0]
    running = account.states.describe_execution(executionArn=execution)
    assert (running["status"], running["redriveCount"], running["redriveStatus"]) == ("RUNNING", 1, "NOT_REDRIVABLE")
    assert running["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"
    assert running["redriveDate"] == answer["redriveDate"]
    assert not {"error", "cause", "stopDate", "output"} & set(running)
    assert second["token"] != first["token"]
    with pytest.raises(account.states.exceptions.TaskTimedOut):
        account.states.send_task_success(taskToken=first["token"], output="{}")
    account.states.send_task_success(taskToken=second["token"], output='{"by": "her"}')
    ended = account.ended(execution)
    assert (ended["status"], ended["name"], json.loads(ended["input"])) == ("SUCCEEDED", "one", {"n": 4})
    assert json.loads(ended["output"]) == [8, 5, "her"]
    assert entered(account, execution) == ["Before", "Park", "Park"]


def test_the_context_counts_the_redrives(account: Account, queue: str) -> None:
    execution = account.start(account.machine("machine", {"Park": park(queue)}))
    first = account.heard(queue, 1)[0]["execution"]
    account.states.stop_execution(executionArn=execution)

    account.states.redrive_execution(executionArn=execution)

    second = account.heard(queue, 1)[0]["execution"]
    assert (first["RedriveCount"], first.get("RedriveTime")) == (0, None)
    assert (second["RedriveCount"], second["RedriveTime"][:2]) == (1, "20")
    assert (second["Id"], second["StartTime"]) == (first["Id"], first["StartTime"])


def test_one_that_was_stopped_in_a_function_calls_it_again_and_forgets_the_first_answer(account: Account) -> None:
    function = account.function("hangs-once", HANGS_ONCE)
    execution = account.start(account.machine("machine", {"Call": call(function)}))
    wait_until(lambda: account.s3.list_objects_v2(Bucket="data", Prefix="called")["KeyCount"])
    account.states.stop_execution(executionArn=execution)

    account.states.redrive_execution(executionArn=execution)

    assert json.loads(account.ended(execution)["output"]) == "second call"
    kinds = [event["type"] for event in history(account, execution)]
    assert kinds[kinds.index("ExecutionAborted") :][:3] == ["ExecutionAborted", "ExecutionRedriven", "TaskStateEntered"]
    assert kinds.count("TaskSucceeded") == kinds.count("ExecutionSucceeded") == 1


def test_a_state_that_fails_fails_again_and_each_redrive_is_counted(account: Account) -> None:
    url = account.listen({"source": ["aws.states"], "detail": {"name": ["one"]}})
    states = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Fail", "Error": "TooFew", "Cause": "only 3"}}
    execution = account.start(account.machine("machine", states), name="one")
    before = account.ended(execution)

    account.states.redrive_execution(executionArn=execution)
    account.ended(execution)
    account.states.redrive_execution(executionArn=execution)

    after = account.ended(execution)
    assert (before["redriveCount"], before["redriveStatus"], "redriveDate" in before) == (0, "REDRIVABLE", False)
    assert (after["status"], after["error"], after["redriveCount"]) == ("FAILED", "TooFew", 2)
    assert entered(account, execution) == ["A", "B", "B", "B"]
    redriven = [event for event in history(account, execution) if event["type"] == "ExecutionRedriven"]
    assert [event["executionRedrivenEventDetails"]["redriveCount"] for event in redriven] == [1, 2]
    assert [event["id"] for event in history(account, execution)] == list(range(1, 12))
    told = [event["detail"] for event in account.heard(url, 6)]
    assert [(detail["status"], detail["redriveCount"]) for detail in told] == [
        ("RUNNING", 0),
        ("FAILED", 0),
        ("RUNNING", 1),
        ("FAILED", 1),
        ("RUNNING", 2),
        ("FAILED", 2),
    ]
    assert [detail["redriveDate"] is None for detail in told] == [True, True, False, False, False, False]
    assert {detail["startDate"] for detail in told} == {told[0]["startDate"]}
    listed = account.states.list_executions(stateMachineArn=after["stateMachineArn"])["executions"][0]
    assert (listed["redriveCount"], listed["redriveDate"]) == (2, after["redriveDate"])


def test_retries_begin_anew(account: Account) -> None:
    retry = [{"ErrorEquals": ["ValueError"], "MaxAttempts": 1}]
    function = account.function("fails", FAILS_FOUR_TIMES)
    execution = account.start(account.machine("machine", {"Call": call(function, Retry=retry)}))
    assert account.ended(execution)["error"] == "ValueError"

    account.states.redrive_execution(executionArn=execution)
    assert account.ended(execution)["error"] == "ValueError"
    account.states.redrive_execution(executionArn=execution)

    assert json.loads(account.ended(execution)["output"]) == {"done": True}
    kinds = [event["type"] for event in history(account, execution)]
    assert (kinds.count("TaskFailed"), kinds.count("TaskScheduled")) == (4, 5)


def test_a_choice_is_decided_again(account: Account) -> None:
    choice = {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.context.Execution.RedriveCount = 0 ? 'neither' : true %}", "Next": "B"}],
    }
    execution = account.start(account.machine("machine", {"A": choice, "B": {"Type": "Succeed"}}))
    assert account.ended(execution)["error"] == "States.QueryEvaluationError"

    account.states.redrive_execution(executionArn=execution)

    assert account.ended(execution)["status"] == "SUCCEEDED"


def test_the_time_limit_begins_anew(account: Account, queue: str) -> None:
    execution = account.start(account.machine("machine", {"A": park(queue)}, TimeoutSeconds=1))
    assert account.ended(execution)["status"] == "TIMED_OUT"
    account.heard(queue, 1)

    account.states.redrive_execution(executionArn=execution)

    account.states.send_task_success(taskToken=account.heard(queue, 1)[0]["token"], output="{}")
    assert account.ended(execution)["status"] == "SUCCEEDED"


def test_the_same_client_token_redrives_once(account: Account) -> None:
    execution = account.start(account.machine("machine", {"A": {"Type": "Fail", "Error": "E"}}))
    account.ended(execution)

    first = account.states.redrive_execution(executionArn=execution, clientToken="once")
    account.ended(execution)
    again = account.states.redrive_execution(executionArn=execution, clientToken="once")

    assert again["redriveDate"] == first["redriveDate"]
    assert account.states.describe_execution(executionArn=execution)["redriveCount"] == 1


def test_one_that_runs_or_has_succeeded_is_refused(account: Account, queue: str) -> None:
    execution = account.start(account.machine("machine", {"A": park(queue)}))
    token = account.heard(queue, 1)[0]["token"]

    with pytest.raises(account.states.exceptions.ExecutionNotRedrivable, match="RUNNING"):
        account.states.redrive_execution(executionArn=execution)
    account.states.send_task_success(taskToken=token, output="{}")
    ended = account.ended(execution)
    with pytest.raises(account.states.exceptions.ExecutionNotRedrivable, match="SUCCEEDED"):
        account.states.redrive_execution(executionArn=execution)

    assert (ended["redriveCount"], ended["redriveStatus"]) == (0, "NOT_REDRIVABLE")
    assert ended["redriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"


def test_one_nobody_started_does_not_exist(account: Account) -> None:
    machine = account.machine("machine", {"A": {"Type": "Succeed"}})

    with pytest.raises(account.states.exceptions.ExecutionDoesNotExist):
        account.states.redrive_execution(executionArn=machine.replace("stateMachine", "execution") + ":none")
    with pytest.raises(account.states.exceptions.InvalidArn):
        account.states.redrive_execution(executionArn=machine)


def test_the_command_line_redrives(account: Account) -> None:
    execution = account.start(account.machine("machine", {"A": {"Type": "Fail", "Error": "E"}}))
    account.ended(execution)

    command = [str(AWS), "stepfunctions", "redrive-execution", "--execution-arn", execution]
    answer = subprocess.run(  # noqa: S603 - the AWS CLI beside the interpreter
        command, env={**os.environ, **account.aws.environment}, capture_output=True, text=True, check=True, timeout=60
    )

    assert "redriveDate" in json.loads(answer.stdout)
    assert account.ended(execution)["redriveCount"] == 1
