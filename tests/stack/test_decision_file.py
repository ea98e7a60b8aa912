"""The workflow this project grew from: a decision CSV says YES or NO."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.stack.loop import DEFAULT_MODEL, Loop

KEY = "monitoring_outputs/retraining_decision/retraining_decision.csv"


@pytest.fixture
def loop(loop: Loop) -> Iterator[Loop]:
    """The loop without cooldown on the default model and without a decision file of another test."""
    loop.policy(DEFAULT_MODEL, cooldown_hours=0, budget={"runs": 0}, breaker={"fruitless_runs": 0})
    yield loop
    loop.remove(KEY)


def write(loop: Loop, body: bytes) -> None:
    """Write the decision file and await the execution its event starts, so that it does not disturb the test's own."""
    before = loop.executions()
    loop.put(KEY, body, bucket=loop.bucket)
    (arn,) = loop.until(lambda: loop.executions() - before)
    loop.ended(arn)


def test_yes_starts_the_training_pipeline_as_it_always_did(loop: Loop) -> None:
    write(loop, b"retraining_required,reason\nYES,psi\n")

    ended = loop.run({})

    assert ended.status == "SUCCEEDED"
    assert ended.output["retraining_required"] == "YES"
    assert "TriggerTrainingPipeline" in loop.states(ended.arn)
    manifest = loop.read(f"manifests/{DEFAULT_MODEL}/{ended.name}.json")
    training_input = manifest["training"]["input"]
    assert (training_input["run"], training_input["triggered_by"], training_input["reason"]) == (
        "all",
        "monitoring",
        "auto_retraining",
    )
    (child,) = [
        execution
        for execution in loop.aws.client("stepfunctions").list_executions(
            stateMachineArn=manifest["training"]["target"]
        )["executions"]
        if execution["name"] == f"retraining-{training_input['idempotency_token']}"
    ]
    got = json.loads(loop.aws.client("stepfunctions").describe_execution(executionArn=child["executionArn"])["input"])
    assert got["run"] == "all"


def test_no_ends_succeeded_without_training(loop: Loop) -> None:
    write(loop, b"retraining_required\nNO\n")

    ended = loop.run({})

    assert ended.status == "SUCCEEDED"
    assert ended.output["retraining_required"] == "NO"
    assert loop.states(ended.arn) == ["ReadRetrainingDecision", "DecisionChoice", "NoRetrainingNeeded"]


def test_writing_the_file_starts_the_loop_and_the_schedule_does_not_repeat_it(loop: Loop) -> None:
    before = loop.executions()
    loop.put(KEY, b"retraining_required\nYES\n", bucket=loop.bucket)
    (arn,) = loop.until(lambda: loop.executions() - before)
    assert loop.ended(arn).output["retraining_required"] == "YES"

    scheduled = loop.run(
        {"source": "aws.events", "detail-type": "Scheduled Event", "time": "2026-03-02T03:00:00Z", "detail": {}}
    )

    assert scheduled.output["outcome"] == "SKIP"
    assert "was decided" in scheduled.output["reason"]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"\xef\xbb\xbfretraining_required\r\nyes\r\n", "YES"),
        (b'"retraining_required","why"\r\n" yes ","psi, high"\r\n', "YES"),
        (b"retraining_required\n\n  no  \n", "NO"),
    ],
)
def test_a_file_as_people_make_it_is_understood(loop: Loop, body: bytes, answer: str) -> None:
    write(loop, body)

    assert loop.run({}).output["retraining_required"] == answer


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"retraining_required\n", "only a header"),
        (b"", "has no row"),
        (b"retraining_required\nMAYBE\n", "'MAYBE'"),
    ],
)
def test_a_broken_file_is_rejected_with_what_to_fix(loop: Loop, body: bytes, sentence: str) -> None:
    write(loop, body)

    with loop.listening(loop.outputs["OperationsTopicArn"]) as messages:
        ended = loop.run({})
        (message,) = messages(1)

    assert ended.status == "SUCCEEDED"
    assert loop.states(ended.arn)[-1] == "SignalRejected"
    assert sentence in ended.output["reason"]
    assert sentence in message["Message"]
    assert ended.output["retraining_required"] == "NO"


def test_a_missing_file_is_told_from_a_forbidden_one(loop: Loop) -> None:
    ended = loop.run({})

    assert loop.states(ended.arn)[-1] == "SignalRejected"
    assert "There is no decision file" in ended.output["reason"]
