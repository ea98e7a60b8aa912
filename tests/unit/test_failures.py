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


def test_words_that_never_end_are_cut_and_say_so() -> None:
    assert said_by_aws("x" * 10_000).endswith(" more characters).")
    assert len(said_by_aws("x" * 10_000)) < 620


def test_executions_in_executions_are_not_followed_for_ever() -> None:
    cause = json.dumps(JOB)
    for number in range(40):
        cause = json.dumps({**NESTED, "Name": f"e{number}", "Cause": cause[:9000]})
    assert failure_sentence("States.TaskFailed", cause).count("Execution ") <= 6


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
