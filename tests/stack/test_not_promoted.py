"""Runs that end without a promotion leave the champion serving and say why."""

from __future__ import annotations

from tests.stack.loop import Loop
from tests.stack.moments import parked


def test_a_candidate_that_was_not_measured_never_serves(loop: Loop) -> None:
    model = loop.model(training=loop.training(None))

    ended = loop.run(loop.drift(model))

    assert ended.output["outcome"] == "CANDIDATE_REJECTED"
    assert "wrote no evaluation report" in ended.output["reason"]


def test_a_failed_training_ends_failed_with_its_cause_and_frees_model_and_slot_and_pages_people(loop: Loop) -> None:
    model = loop.model(training=loop.failing_training())
    before = loop.endpoint_config(f"{model}-prod")

    with loop.listening(loop.outputs["EscalationTopicArn"]) as messages:
        ended = loop.run(loop.drift(model))
        (message,) = messages(1)

    assert (ended.status, ended.error) == ("FAILED", "TrainingFailed")
    assert "the training data is gone" in (ended.cause or "")
    assert loop.endpoint_config(f"{model}-prod") == before
    assert loop.statuses(ended.name)[-1] == "TRAINING_FAILED"
    state = loop.item(f"MODEL#{model}", "STATE")
    assert state is not None
    assert "active_run_id" not in state
    assert loop.item("ACTIVE", f"RUN#{ended.name}") is None
    slots = loop.item("SLOTS", "LEDGER")
    assert slots is not None
    assert ended.name not in slots["holders"]["S"]
    assert model in message["Subject"]
    assert "Training failed" in message["Subject"]
    assert 'section "Training failed"' in message["Message"]
    assert f"evidence/{model}/{ended.name}/report.html" in message["Message"]
    assert loop.report(model, ended.name)["end"] == "TrainingFailed"


def test_an_execution_stopped_by_hand_leaves_no_lock_and_no_slot(loop: Loop) -> None:
    model = loop.model(actions={"critical": "approve"}, approval={"training": "always"})
    arn = loop.start(loop.drift(model))
    name = arn.rsplit(":", 1)[-1]
    parked(loop, arn, "approval:training")

    loop.aws.client("stepfunctions").stop_execution(executionArn=arn, error="Operator", cause="wrong data")

    loop.until(lambda: loop.statuses(name)[-1] == "STOPPED")
    state = loop.item(f"MODEL#{model}", "STATE")
    assert state is not None
    assert "active_run_id" not in state
    loop.until(lambda: loop.keys(f"evidence/{model}/{name}/outcome.json"))
    assert "wrong data" in loop.read(f"evidence/{model}/{name}/outcome.json")["reason"]
    assert loop.report(model, name)["outcome"] == "STOPPED"
