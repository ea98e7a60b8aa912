"""The harness that runs a definition on moto's interpreter keeps the rules of the language."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.contract.asl_on_moto import PathResult, Return, ScriptError, Throw, run_on_moto

RETRY = [
    {"ErrorEquals": ["Busy"], "IntervalSeconds": 60, "MaxAttempts": 2, "MaxDelaySeconds": 90, "JitterStrategy": "FULL"}
]

MACHINE: dict[str, Any] = {
    "QueryLanguage": "JSONata",
    "StartAt": "ReadOrder",
    "States": {
        "ReadOrder": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {
                "FunctionName": "f",
                "Payload": {"id": "{% $states.input.id %}", "run": "{% $states.context.Execution.Name %}"},
            },
            "TimeoutSeconds": 60,
            "Retry": RETRY,
            "Catch": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "Assign": {"failure": "{% $states.errorOutput %}"},
                    "Next": "OrderFailed",
                }
            ],
            "Assign": {"order": "{% $states.result.Payload %}", "note": "{% $states.input.note %}"},
            "Output": {"seen": "{% $count($states.result.Payload.lines) %}"},
            "Next": "SizeChoice",
        },
        "SizeChoice": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $sum($order.lines[price > 10].price) > 100 %}", "Next": "RequestCheck"}],
            "Default": "Pause",
        },
        "RequestCheck": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {
                "FunctionName": "f",
                "Payload": {"token": "{% $states.context.Task.Token %}", "note": "{% $note %}"},
            },
            "TimeoutSeconds": 3600,
            "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "OrderDenied"}],
            "Output": "{% $states.result %}",
            "Next": "Pause",
        },
        "Pause": {"Type": "Wait", "Seconds": 3600, "Next": "StartWork"},
        "StartWork": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Arguments": {"TrainingJobName": "{% $substring($hash($order.id, 'SHA-256'), 0, 8) %}"},
            "TimeoutSeconds": 60,
            "Assign": {"parts": "{% $partition([1,2,3], 2) %}"},
            "Output": "{% $states.result %}",
            "Next": "SaveWork",
        },
        "SaveWork": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sagemaker:updateModelPackage",
            "Arguments": {
                "Id": "{% $uuid() %}",
                "Parts": "{% $parts %}",
                "Cheap": "{% $order.lines[$.price < 10].price %}",
            },
            "TimeoutSeconds": 60,
            "Next": "OrderDone",
        },
        "OrderDone": {"Type": "Succeed", "Output": {"order": "{% $order.id %}", "note": "{% $note %}"}},
        "OrderDenied": {"Type": "Succeed", "Output": "denied"},
        "OrderFailed": {
            "Type": "Fail",
            "Error": "OrderFailed",
            "Cause": "{% $failure.Error & ': ' & $failure.Cause %}",
        },
    },
}

SMALL = Return({"Payload": {"id": "o-1", "lines": [{"price": 20}, {"price": 5}]}})
LARGE = Return({"Payload": {"id": "o-1", "lines": [{"price": 200}]}})
NOTE = 'she said "no"\nand left $1'


def run(**script: list[Return | Throw]) -> PathResult:
    return run_on_moto(MACHINE, {"id": 7, "note": NOTE}, script, name="run-1")


def test_a_path_is_followed_and_every_argument_is_what_the_expressions_say() -> None:
    result = run(ReadOrder=[SMALL], StartWork=[Return({"TrainingJobStatus": "Completed"})], SaveWork=[Return({})])

    assert (result.status, result.output) == ("SUCCEEDED", {"order": "o-1", "note": NOTE})
    assert result.states_visited == ("ReadOrder", "SizeChoice", "Pause", "StartWork", "SaveWork", "OrderDone")
    assert result.task_inputs["ReadOrder"] == ({"FunctionName": "f", "Payload": {"id": 7, "run": "run-1"}},)
    assert re.fullmatch("[0-9a-f]{8}", result.task_inputs["StartWork"][0]["TrainingJobName"])
    saved = result.task_inputs["SaveWork"][0]
    assert (saved["Parts"], saved["Cheap"], len(saved["Id"])) == ([[1, 2], [3]], 5, 36)


def test_an_error_that_passes_is_retried_without_waiting() -> None:
    result = run(ReadOrder=[Throw("Busy"), Throw("Busy"), SMALL], StartWork=[Return({})], SaveWork=[Return({})])

    assert result.status == "SUCCEEDED"
    assert len(result.task_inputs["ReadOrder"]) == 3


def test_an_error_that_stays_is_caught_with_its_name_and_cause() -> None:
    result = run(ReadOrder=[Throw("Busy", "again")] * 3)

    assert (result.status, result.error, result.cause) == ("FAILED", "OrderFailed", "Busy: again")
    assert result.states_visited == ("ReadOrder", "OrderFailed")


def test_a_callback_is_answered_by_its_script_and_sends_a_token() -> None:
    result = run(ReadOrder=[LARGE], RequestCheck=[Return({"yes": True})], StartWork=[Return({})], SaveWork=[Return({})])

    assert result.states_visited[2:4] == ("RequestCheck", "Pause")
    assert result.task_inputs["RequestCheck"][0]["Payload"]["token"]
    assert result.task_inputs["RequestCheck"][0]["Payload"]["note"] == NOTE


def test_a_silent_callback_is_a_timeout_that_its_catch_names() -> None:
    result = run(ReadOrder=[LARGE], RequestCheck=[Throw("States.Timeout")])

    assert (result.status, result.output) == ("SUCCEEDED", "denied")


def test_a_missing_field_is_a_query_evaluation_error() -> None:
    result = run_on_moto(MACHINE, {"note": NOTE}, {})

    assert result.status == "FAILED"
    assert result.cause is not None
    assert result.cause.startswith("States.QueryEvaluationError: ")


def test_an_error_without_a_catch_fails_the_execution_under_its_own_name() -> None:
    result = run(ReadOrder=[SMALL], StartWork=[Throw("SageMaker.ResourceLimitExceededException", "no quota")])

    assert (result.status, result.error, result.cause) == (
        "FAILED",
        "SageMaker.ResourceLimitExceededException",
        "no quota",
    )


def test_a_task_beyond_the_script_ends_the_test() -> None:
    with pytest.raises(ScriptError, match="StartWork"):
        run(ReadOrder=[SMALL])
