"""Trainings share slots: first come first served across models, and nobody keeps one it does not use."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack.loop import Loop
from tests.stack.moments import SWEEP, holders, partition, run_of, stop


@pytest.fixture(scope="module")
def narrow(loop: Loop) -> Iterator[Loop]:
    """The loop with a single slot, for all stories here: each change of a function's settings ends its warm processes."""
    client, name = loop.aws.client("lambda"), loop.outputs["OrchestrationFunctionName"]
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "MAX_CONCURRENT_TRAININGS": "1"}}
    )
    yield loop
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


@pytest.fixture
def one_slot(narrow: Loop) -> Iterator[Loop]:
    """The same for one story, which finds the slot free and nobody in the queue, and leaves it so when it fails."""
    free(narrow)
    yield narrow
    free(narrow)


def free(loop: Loop) -> None:
    """Stop every run that has a slot or waits for one, and await that their trainings are over."""
    for arn in map(loop.execution_arn, itertools.chain(*slots(loop))):
        if loop.status(arn) == "RUNNING":
            stop(loop, arn)
    loop.until(lambda: slots(loop) == ([], []) or not loop.invoke(SWEEP))


def held_training(loop: Loop) -> str:
    """A pipeline that goes on until the test answers its token."""
    queue = loop.aws.client("sqs").create_queue(QueueName=f"held-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    return loop.pipeline(
        {
            "Hold": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "Arguments": {
                    "QueueUrl": queue,
                    "MessageBody": {"token": "{% $states.context.Task.Token %}", "run": "{% $states.input.run_id %}"},
                },
                "Output": {
                    "model_data_url": f"s3://{loop.data_bucket}/models/candidate.tar.gz",
                    "image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/xgb:1",
                    "evaluation_uri": loop.evaluation({"auc": 0.93, "recall": 0.8}, {"auc": 0.85, "recall": 0.8}),
                },
                "End": True,
            }
        },
        "Hold",
    )


def finish(loop: Loop, training: str, run_id: str) -> None:
    """Let the held training of a run end."""
    definition = json.loads(
        loop.aws.client("stepfunctions").describe_state_machine(stateMachineArn=training)["definition"]
    )
    queue = definition["States"]["Hold"]["Arguments"]["QueueUrl"]

    def token() -> Any:
        for message in loop.aws.client("sqs").receive_message(QueueUrl=queue).get("Messages", []):
            body = json.loads(message["Body"])
            if body["run"] == run_id:
                return body["token"]
        return None

    loop.aws.client("stepfunctions").send_task_success(taskToken=loop.until(token), output="{}")


def slots(loop: Loop) -> tuple[list[str], list[str]]:
    """Run ids that hold a slot, and those in the queue."""
    queue = [item for item in partition(loop, "SLOTS") if item["sk"]["S"].startswith("WAITER#")]
    return holders(loop), [item["run_id"]["S"] for item in queue]


def test_three_models_and_one_slot_train_one_after_the_other_in_the_order_they_came(one_slot: Loop) -> None:
    loop, trainings, names = one_slot, [], []
    for _ in range(3):
        training = held_training(loop)
        arn = loop.start(loop.drift(loop.model(training=training)))
        name = arn.rsplit(":", 1)[-1]
        loop.until(lambda: arn.rsplit(":", 1)[-1] in [*slots(loop)[0], *slots(loop)[1]])  # noqa: B023 - awaited at once
        trainings.append(training)
        names.append(name)
    assert slots(loop) == ([names[0]], names[1:])
    loop.until(lambda: loop.statuses(names[1])[-1] == "TRAINING_QUEUED")

    for position, (training, name) in enumerate(zip(trainings, names, strict=True)):
        assert slots(loop)[0] == [name]
        finish(loop, training, name)
        rest = names[position + 1 :]
        loop.until(lambda: slots(loop) == (rest[:1], rest[1:]))  # noqa: B023 - awaited at once

    for name in names:
        assert loop.ended(loop.execution_arn(name)).output["outcome"] == "PROMOTED"


def test_a_holder_stopped_by_hand_gives_its_slot_to_the_next_once_its_training_is_over(one_slot: Loop) -> None:
    loop = one_slot
    training = held_training(loop)
    first = loop.start(loop.drift(loop.model(training=training)))
    loop.until(lambda: "TRAINING_STARTED" in loop.statuses(run_of(first)))
    second = loop.start(loop.drift(loop.model()))
    loop.until(lambda: second.rsplit(":", 1)[-1] in slots(loop)[1])

    loop.aws.client("stepfunctions").stop_execution(executionArn=first, cause="a person stops it")
    (child,) = loop.aws.client("stepfunctions").list_executions(stateMachineArn=training)["executions"]
    assert loop.ended(child["executionArn"]).status == "ABORTED"
    loop.invoke(SWEEP)

    assert loop.ended(second).output["outcome"] == "PROMOTED"
    assert slots(loop) == ([], [])


def test_the_sweep_settles_a_dead_run_whose_event_was_lost(one_slot: Loop) -> None:
    loop = one_slot
    rule = loop.rule("SettleRule")
    loop.aws.client("events").disable_rule(Name=rule)
    try:
        model = loop.model(training=held_training(loop))
        arn = loop.start(loop.drift(model))
        name = arn.rsplit(":", 1)[-1]
        loop.until(lambda: "TRAINING_STARTED" in loop.statuses(name))
        loop.aws.client("stepfunctions").stop_execution(executionArn=arn)
        assert slots(loop) == ([name], [])

        swept = loop.invoke(SWEEP)
        again = loop.invoke(SWEEP)
    finally:
        loop.aws.client("events").enable_rule(Name=rule)

    assert swept["repairs"]["dead_run_settled"] >= 1
    assert "dead_run_settled" not in again["repairs"]
    assert slots(loop) == ([], [])
    assert loop.statuses(name)[-1] == "STOPPED"
    state = loop.item(f"MODEL#{model}", "STATE")
    assert state is not None
    assert "active_run_id" not in state
    assert f"RUN#{name}" not in [item["sk"]["S"] for item in partition(loop, "ACTIVE")]


def test_a_paused_model_keeps_its_place_and_gets_a_slot_when_it_is_resumed(one_slot: Loop) -> None:
    loop = one_slot
    trainings = [held_training(loop) for _ in range(3)]
    models = [loop.model(training=training) for training in trainings]
    names = []
    for model in models:
        names.append(loop.start(loop.drift(model)).rsplit(":", 1)[-1])
        loop.until(lambda: names[-1] in [*slots(loop)[0], *slots(loop)[1]])
    loop.operate({"action": "pause", "scope": f"model:{models[1]}", "reason": "bad data"})

    finish(loop, trainings[0], names[0])

    loop.until(lambda: slots(loop) == ([names[2]], [names[1]]))
    finish(loop, trainings[2], names[2])
    loop.until(lambda: slots(loop) == ([], [names[1]]))
    loop.operate({"action": "unpause", "scope": f"model:{models[1]}"})
    loop.until(lambda: slots(loop) == ([names[1]], []))
    finish(loop, trainings[1], names[1])
    assert loop.ended(loop.execution_arn(names[1])).output["outcome"] == "PROMOTED"


def test_a_signal_of_a_paused_model_is_held(loop: Loop) -> None:
    model = loop.model()
    loop.operate({"action": "pause", "scope": f"model:{model}", "reason": "bad data"})

    held = loop.run(loop.drift(model))

    assert held.output["outcome"] == "HOLD"
    assert "bad data" in held.output["reason"]
