"""When the loop does not train, and how it says so."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

import pytest

from tests.stack.loop import Ended, Loop
from tests.stack.moments import parked


@dataclass(frozen=True)
class Signals:
    """What came of the signals of one model: a mild one, a bad one, that one once more, another in the cooldown."""

    loop: Loop
    model: str
    mild: Ended
    trained: Ended
    again: Ended
    cooling: Ended


@pytest.fixture(scope="module")
def signals(loop: Loop) -> Signals:
    """One model's signals, each sent when the one before was over."""
    model = loop.model()
    mild, bad = loop.run(loop.drift(model, observed=0.25)), loop.drift(model)
    trained, again = loop.run(bad), loop.run(bad)
    return Signals(loop, model, mild, trained, again, loop.run(loop.drift(model, observed=1.2)))


def test_a_mild_drift_is_observed(signals: Signals) -> None:
    assert signals.mild.output["outcome"] == "OBSERVE"
    assert "1.25 times its threshold" in signals.mild.output["reason"]


def test_the_same_event_again_changes_nothing(signals: Signals) -> None:
    again = signals.again

    assert again.output["retraining_required"] == "NO"
    assert signals.trained.name in again.output["reason"]
    assert signals.loop.states(again.arn) == ["ReadRetrainingDecision", "DecisionChoice", "NoRetrainingNeeded"]
    decided = [record["run_id"] for record in signals.loop.decisions(signals.model)]
    assert decided == [ended.name for ended in (signals.mild, signals.trained, signals.cooling)]


def test_a_signal_in_the_cooldown_is_kept_and_does_not_train(signals: Signals) -> None:
    loop, cooling = signals.loop, signals.cooling

    assert cooling.output["outcome"] == "COALESCE"
    assert "cooldown" in cooling.output["reason"]
    assert loop.keys(f"manifests/{signals.model}/") == [f"manifests/{signals.model}/{signals.trained.name}.json"]
    record = loop.decisions(signals.model)[-1]
    assert record["reason"] == "COOLDOWN"
    assert [guard["guard"] for guard in record["guards"] if not guard["passed"]] == ["cooldown"]


def test_every_record_of_a_model_is_linked_to_the_one_before(signals: Signals) -> None:
    kinds = [record["kind"] for record in signals.loop.chain(signals.model)]

    assert kinds == ["decision", "decision", "manifest", "verdict", "verification", "outcome", "decision"]


def test_a_report_with_a_dedupe_key_is_one_signal_however_often_it_is_sent(loop: Loop) -> None:
    model = loop.model()
    key = uuid.uuid4().hex
    loop.run(loop.drift(model, dedupe_key=key))

    again = loop.run(loop.drift(model, dedupe_key=key))

    assert again.output["outcome"] == "SKIP"
    assert len(loop.decisions(model)) == 1


def test_a_second_signal_during_a_run_is_kept(loop: Loop) -> None:
    model = loop.model(actions={"critical": "approve"}, approval={"training": "always"})
    first = loop.start(loop.drift(model))
    name = first.rsplit(":", 1)[-1]
    parked(loop, first, "approval:training")

    second = loop.run(loop.drift(model))

    assert second.output["outcome"] == "COALESCE"
    assert name in second.output["reason"]
    loop.aws.client("stepfunctions").stop_execution(executionArn=first)


@pytest.mark.threat("foreign-account-event")
def test_an_event_of_another_account_starts_nothing_though_the_bus_takes_it(loop: Loop) -> None:
    """And one of this account starts the loop."""
    model, events = loop.model(), loop.aws.client("events")
    before = loop.executions()
    bus = f"arn:aws:events:{loop.aws.region}:{loop.aws.account}:event-bus/default"
    detail = loop.drift(model)["detail"]
    asked = {"model": model, "reason": "new labels", "requested_by": "ana", "force": True}
    events.put_permission(StatementId="anybody", Action="events:PutEvents", Principal="*")
    try:
        answer = loop.aws.client("events", account="999988887777").put_events(
            Entries=[
                {"Source": "mlops.drift", "DetailType": kind, "Detail": json.dumps(said), "EventBusName": bus}
                for kind, said in (("Drift Detected", detail), ("Retraining Requested", asked))
            ]
        )
    finally:
        events.remove_permission(StatementId="anybody")
    loop.send({**detail, "observed": 0.25}, detail_type="Drift Detected")

    assert answer["FailedEntryCount"] == 0
    (arn,) = loop.until(lambda: [arn for arn in loop.executions() - before if model in loop.input_of(arn)])
    assert loop.ended(arn).output["outcome"] == "OBSERVE"
    assert [record["decision"] for record in loop.decisions(model)] == ["OBSERVE"]


@pytest.mark.threat("event-swallowed")
def test_a_harmless_report_under_the_same_key_is_in_no_real_drifts_way(loop: Loop) -> None:
    model, key = loop.model(), uuid.uuid4().hex
    harmless = loop.run(loop.drift(model, observed=0.01, severity="info", dedupe_key=key))

    real = loop.run(loop.drift(model, severity="info", dedupe_key=key))

    assert (harmless.output["outcome"], real.output["outcome"]) == ("OBSERVE", "PROMOTED")
