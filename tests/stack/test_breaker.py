"""A model that retraining does not cure is frozen, and a person is paged with what to look at."""

from __future__ import annotations

import uuid

from tests.stack.loop import Loop


def test_a_model_that_fails_again_and_again_is_frozen_until_a_person_looks(loop: Loop) -> None:
    model = loop.model(training=loop.failing_training(), cooldown_hours=0, breaker={"fruitless_runs": 2})
    with loop.listening(loop.outputs["EscalationTopicArn"]) as messages:
        for _ in range(2):
            assert loop.run(loop.drift(model, dedupe_key=uuid.uuid4().hex)).error == "TrainingFailed"
        pages = [message for message in messages(3) if "frozen" in message["Subject"]]

    assert len(pages) == 1
    assert f"retraining unfreeze --model {model} " in pages[0]["Message"]
    third = loop.run(loop.drift(model))
    assert third.output["outcome"] == "HOLD"
    assert "2 runs in a row brought no improvement" in third.output["reason"]

    answer = loop.operate({"action": "unfreeze", "model": model, "reason": "data repaired"})
    assert answer == {"model": model, "changed": True}
    assert loop.run(loop.drift(model)).error == "TrainingFailed"


def test_drift_right_after_a_promotion_freezes_the_model(loop: Loop) -> None:
    model = loop.model(cooldown_hours=0, breaker={"fruitless_runs": 3, "drift_again_hours": 12})
    assert loop.run(loop.drift(model)).output["outcome"] == "PROMOTED"

    with loop.listening(loop.outputs["EscalationTopicArn"]) as messages:
        again = loop.run(loop.drift(model))
        (page,) = messages(1)

    assert again.output["outcome"] == "HOLD"
    assert "retraining did not cure it" in again.output["reason"]
    assert "check the monitor's baseline" in page["Message"]
    assert loop.decisions(model)[-1]["reason"] == "DRIFT_AFTER_PROMOTION"
    assert loop.run(loop.drift(model)).output["reason"].startswith(f"{model} is frozen")


def test_a_held_model_is_told_once_however_many_signals_come(loop: Loop) -> None:
    model = loop.model()
    loop.operate({"action": "pause", "scope": f"model:{model}", "reason": "incident"})
    with loop.listening(loop.outputs["OperationsTopicArn"]) as messages:
        for _ in range(3):
            assert loop.run(loop.drift(model)).output["outcome"] == "HOLD"
        loop.run({"source": "the.end", "detail-type": "of the test", "detail": {}})
        heard = messages(2)

    assert ["Signal held" in message["Subject"] for message in heard] == [True, False]


def test_operators_are_told_once_of_each_bad_policy_file(loop: Loop) -> None:
    model = loop.model()
    loop.run(loop.drift(model, observed=0.25))
    with loop.listening(loop.outputs["OperationsTopicArn"]) as messages:
        # Told as it is written, and not once more with the signals that come.
        loop.put(f"policies/{model}.json", {"schema_version": 1, "model": model, "mode": "fast"}, bucket=loop.bucket)
        messages(1)
        for observed in (0.26, 0.27):
            loop.run(loop.drift(model, observed=observed))
        loop.run({"source": "the.end", "detail-type": "of the test", "detail": {}})
        heard = messages(2)

    assert "Policy file is not valid" in heard[0]["Subject"]
    assert "$.mode" in heard[0]["Message"]
    assert "Signal rejected" in heard[1]["Subject"]
