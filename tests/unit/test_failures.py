"""What AWS says of a failure becomes a sentence: no JSON, no status code, no request id, and an end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.failures import failure_sentence, gist, said_by_aws

JOB = {
    "TrainingJobName": "fraud-1",
    "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/fraud-1",
    "TrainingJobStatus": "Failed",
    "FailureReason": 'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: no rows"',
    "HyperParameters": {"eta": "0.1"},
}
NESTED = {"ExecutionArn": "arn", "Name": "train-1", "Status": "FAILED", "Error": "States.TaskFailed"}
JOB_SAID = 'Training job fraud-1 failed: AlgorithmError: ExecuteUserScriptError: ExitCode 1 ErrorMessage "ValueError: no rows".'


@pytest.mark.parametrize(
    ("error", "cause", "sentence"),
    [
        ("States.TaskFailed", json.dumps(JOB), JOB_SAID),
        ("States.TaskFailed", json.dumps(JOB)[:-20], JOB_SAID),
        (
            "States.TaskFailed",
            json.dumps({**NESTED, "Cause": json.dumps(JOB)}),
            f"Execution train-1 failed: {JOB_SAID}",
        ),
        ("States.TaskFailed", json.dumps(json.dumps(JOB)), JOB_SAID),
        (
            "States.TaskFailed",
            json.dumps({"ProcessingJobName": "p", "ProcessingJobStatus": "Stopped"}),
            "Processing job p was stopped, and no reason is given.",
        ),
        (
            "States.TaskFailed",
            json.dumps(
                {"PipelineExecutionArn": "arn:p", "PipelineExecutionStatus": "Failed", "FailureReason": "Step x."}
            ),
            "Pipeline execution arn:p failed: Step x.",
        ),
        ("KeyError", json.dumps({"errorMessage": "No rows", "errorType": "KeyError", "stackTrace": ["f"]}), "No rows."),
        ("KeyError", json.dumps({"errorMessage": "", "errorType": "KeyError"}), "A function failed with KeyError."),
        ("X", '{"errorMessage": "It was \\"bad\\" data", "stackTrace": ["  File', 'It was "bad" data.'),
        (
            "KeyError",
            '{"errorMessage": "Answered 400: {\\"detail\\": \\"No rows\\", \\"code\\": 5}"}',
            "Answered 400: No rows.",
        ),
        ("X", 'Value \'{"a": {"b": 1}}\' at "x" is bad', "It failed with X: Value '(data)' at \"x\" is bad."),
        ("X", 'It answered [{"a": "cut o', "It failed with X: It answered (data)."),
        ("X", "null", "It failed with X, and no cause is given."),
        ("TIMED_OUT", "", "It took longer than it may."),
        ("States.Timeout", None, "It took longer than it may."),
        ("Lambda.Unknown", "killed", "The function ended without an answer: killed."),
        (
            "ClientError",
            "An error occurred (ValidationException) when calling the UpdateEndpoint operation: No such config.",
            "AWS refused UpdateEndpoint (ValidationException): No such config.",
        ),
        (
            "SageMaker.ResourceNotFoundException",
            "Image not found. (Service: SageMaker, Status Code: 400, Request ID: 1-2-3)",
            "SageMaker answered ResourceNotFoundException: Image not found.",
        ),
        ("TrainingBroke", "line one\nline two", "It failed with TrainingBroke: line one line two."),
        ("TrainingBroke", None, "It failed with TrainingBroke, and no cause is given."),
        (None, None, "No cause was given."),
        (
            "E",
            'Traceback (most recent call last):\n  File "a.py"\nValueError: column amount is missing\n',
            "It failed with E: ValueError: column amount is missing.",
        ),
        ("E", '{"a": 1}', "It failed with E: The cause is data that no person reads; the execution holds it."),
    ],
)
def test_a_failure_is_told_as_a_sentence(error: str | None, cause: Any, sentence: str) -> None:
    assert failure_sentence(error, cause) == sentence


@pytest.mark.parametrize(
    "error",
    [
        *("States.Timeout", "States.HeartbeatTimeout", "States.TaskFailed", "States.Permissions"),
        *("States.DataLimitExceeded", "States.Runtime", "States.QueryEvaluationError", "States.ItemReaderFailed"),
        *("TIMED_OUT", "ABORTED", "Lambda.Unknown", "Lambda.TooManyRequestsException"),
        *("Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory"),
    ],
)
def test_what_step_functions_and_lambda_call_by_a_name_is_told_in_words(error: str) -> None:
    alone, with_cause = failure_sentence(error, None), failure_sentence(error, "Task train.")
    assert (error in alone, alone[0].isupper(), alone[-1]) == (False, True, ".")
    assert with_cause == f"{alone.removesuffix('.')}: Task train."


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("TrainingJob", "Training job"),
        ("ProcessingJob", "Processing job"),
        ("TransformJob", "Transform job"),
        ("HyperParameterTuningJob", "Tuning job"),
        ("AutoMLJob", "AutoML job"),
        ("Endpoint", "Endpoint"),
    ],
)
def test_whatever_failed_in_sagemaker_is_named(kind: str, shown: str) -> None:
    cause = json.dumps({f"{kind}Name": "fraud-1", f"{kind}Status": "Failed", "FailureReason": "No rows"})
    assert failure_sentence("States.TaskFailed", cause) == f"{shown} fraud-1 failed: No rows."


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('{"message": "No rows"}', "No rows."),
        ('{"a": 1}', "The cause is data that no person reads; the execution holds it."),
        ("No rows in {", "No rows in {."),
        *(
            (f'Answered 400: {{"code": 5, "{name}": "No rows"}} and ended', "Answered 400: No rows and ended.")
            for name in ("message", "Message", "errorMessage", "detail")
        ),
        ("Answered 400: " + '{"a":' * 100_000, "Answered 400: (data)."),
    ],
)
def test_of_data_its_message_is_told(said: str, sentence: str) -> None:
    assert said_by_aws(said) == sentence


def test_words_that_never_end_are_cut_and_say_so() -> None:
    assert said_by_aws("x" * 10_000).endswith(" more characters).")
    assert len(said_by_aws("x" * 10_000)) < 620


def nested(levels: int, **more: Any) -> str:
    """A cause in an error in an error."""
    cause = "No rows"
    for level in range(levels):
        named = {name: value.format(level) for name, value in more.items()}
        cause = json.dumps({"Error": "E", "Cause": cause, **named})
    return cause


def test_five_executions_in_executions_are_followed_and_no_more() -> None:
    execution = {"ExecutionArn": "arn", "Name": "e{}", "Status": "FAILED"}
    followed = "Execution e4 failed: Execution e3 failed: Execution e2 failed: Execution e1 failed: Execution e0 failed"
    assert failure_sentence("States.TaskFailed", nested(5, **execution)) == f"{followed} with E: No rows."
    sentence = failure_sentence("States.TaskFailed", nested(7, **execution))
    assert sentence.endswith("Execution e2 failed: Execution e1 failed.")


def test_five_errors_in_errors_are_followed_and_no_more() -> None:
    assert failure_sentence("States.TaskFailed", nested(5)) == "It failed with E: No rows."
    assert failure_sentence("States.TaskFailed", nested(6)) == (
        "It failed with E: The cause is data that no person reads; the execution holds it."
    )


def test_five_texts_of_json_in_texts_are_followed_and_no_more() -> None:
    cause = "No rows"
    for _ in range(5):
        cause = json.dumps(cause)
    assert failure_sentence("X", cause) == "It failed with X: No rows."
    assert failure_sentence("X", json.dumps(cause)) == 'It failed with X: "No rows".'


@pytest.mark.parametrize("name", ["FailureReason", "errorMessage", "ErrorMessage", "Cause", "StatusMessage"])
def test_json_that_is_cut_off_says_what_can_be_read_of_it(name: str) -> None:
    assert failure_sentence("E", f'{{"a": {{"{name}": "No rows", "cut": "o') == "No rows."


@pytest.mark.parametrize(
    "name", ["FailureReason", "ErrorMessage", "message", "Message", "StatusMessage", "Cause", "errorMessage"]
)
def test_data_says_what_it_says_under_any_usual_name(name: str) -> None:
    assert failure_sentence("E", json.dumps({"Code": 5, name: "No rows"})) == "No rows."


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        ({"FailureReason": " ", "message": "No rows"}, "No rows."),
        ({"TrainingJobName": "t", "FailureReason": "No rows"}, "No rows."),
        ({"ExecutionArn": "arn", "message": "No rows"}, "No rows."),
        ({"Error": "E", "message": "No rows"}, "No rows."),
        ({"Status": "FAILED", "message": "No rows"}, "No rows."),
        ({"ExecutionArn": "arn", "Name": "n", "Status": "FAILED"}, "Execution n failed."),
        ({"ExecutionArn": "arn", "Name": "n", "Status": "ABORTED"}, "Execution n was stopped."),
        (
            {"ExecutionArn": "arn", "Name": "n", "Status": "FAILED", "Error": "TrainingBroke"},
            "Execution n failed with TrainingBroke, and no cause is given.",
        ),
        ({"Error": None, "Cause": "No rows"}, "No rows."),
        ({"Error": "E", "Cause": None}, "It failed with E, and no cause is given."),
        ({"errorMessage": "", "errorType": "ValueError"}, "A function failed with ValueError."),
        ({"errorMessage": ""}, "A function failed with TrainingBroke."),
        (
            {"PipelineExecutionStatus": "Failed", "PipelineExecutionArn": "arn:p", "x": float("nan")},
            "Pipeline execution arn:p failed, and no reason is given.",
        ),
        (
            {
                "PipelineExecutionStatus": "Failed",
                "PipelineExecutionArn": "arn:p",
                "PipelineExecutionDisplayName": "fraud-1",
            },
            "Pipeline execution fraud-1 failed, and no reason is given.",
        ),
    ],
)
def test_data_says_what_it_is_about(cause: dict[str, Any], sentence: str) -> None:
    assert failure_sentence("TrainingBroke", json.dumps(cause)) == sentence


@pytest.mark.parametrize(
    ("error", "cause", "sentence"),
    [
        (None, '{"errorMessage": ""}', "A function failed with an error."),
        ("X", "true", "It failed with X, and no cause is given."),
        ("X", "false", "It failed with X, and no cause is given."),
        ("X", "No rows in {", "It failed with X: No rows in {."),
        ("X", '"No rows', 'It failed with X: "No rows.'),
    ],
)
def test_of_what_says_nothing_that_is_said(error: str | None, cause: str, sentence: str) -> None:
    assert failure_sentence(error, cause) == sentence


@settings(max_examples=200)
@given(
    st.none() | st.text(max_size=30),
    st.text(max_size=200)
    | st.builds(lambda cut: json.dumps({**NESTED, "Cause": json.dumps(JOB)})[:cut], st.integers(0, 500)),
)
def test_whatever_a_cause_is_its_sentence_is_one_line_with_an_end(error: str | None, cause: str) -> None:
    sentence = failure_sentence(error, cause)
    assert sentence
    assert not sentence.startswith(("{", "["))
    assert '":' not in sentence or '":' in f"{error}{cause}"


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        (JOB_SAID, "Training job fraud-1 failed"),
        (
            "Alarm fraud-5xx is in ALARM while the candidate serves. More.",
            "Alarm fraud-5xx is in ALARM while the candidate serves",
        ),
        ("Endpoint a.b is Failed: because.", "Endpoint a.b is Failed"),
        ("Nobody decided.", "Nobody decided"),
    ],
)
def test_a_subject_takes_our_words_and_leaves_those_of_others(sentence: str, said: str) -> None:
    assert gist(sentence) == said
