"""Alarm storms: many events at once, the same ones again and again."""

from __future__ import annotations

import collections
import json
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import storm
from bench.readme import README, labels, table_of
from tests.stack.loop import Loop

THREADS = 6
"""At once: each is a process of the function, whose start costs more than all it is asked."""


# The function is asked as the workflow asks it; 85 executions beside it would only add the emulator's own time.
def test_copies_and_rivals_give_one_record_a_signal_and_at_most_one_run_a_model(loop: Loop) -> None:
    """60 copies of one event, and 25 different events for 5 models, from 6 threads."""
    models = [loop.model(policy={"approval": {"training": "always"}}) for _ in range(5)]
    copied = loop.drift(models[0], dedupe_key=uuid.uuid4().hex)
    different = [loop.drift(models[number % 5], dedupe_key=uuid.uuid4().hex) for number in range(25)]
    events = [copied] * 60 + different
    random.Random(7).shuffle(events)  # noqa: S311 - an order, not a secret

    def admit(event: dict[str, Any]) -> dict[str, Any]:
        name = str(uuid.uuid4())
        execution = {"id": loop.execution_arn(name), "name": name}
        answer: dict[str, Any] = loop.invoke({"action": "admit", "execution": execution, "event": event})
        return answer

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(admit, events))

    assert len(answers) == len(events)
    for model in models:
        records = loop.decisions(model)
        assert len(records) == (6 if model == models[0] else 5)
        assert len({record["signal_id"] for record in records}) == len(records)
        decisions = collections.Counter(record["decision"] for record in records)
        assert decisions == {"RETRAIN": 1, "COALESCE": len(records) - 1}
        assert len(loop.keys(f"manifests/{model}/")) == 1
        state = loop.item(f"MODEL#{model}", "STATE") or {}
        assert len(loop.chain(model)) == len(records) + 1
        pending = json.loads(state["pending"]["S"].removeprefix("json:"))
        assert pending["count"] == len(records) - 1
    retraining = [answer for answer in answers if answer["decision"] == "RETRAIN"]
    assert len(retraining) == len(models)
    # These runs have no execution, since the function was asked directly: the sweep settles them.
    loop.invoke({"action": "sweep", "ahead_seconds": 600})
    assert all(loop.statuses(answer["run"]["run_id"])[-1] == "STOPPED" for answer in retraining)


def test_signals_through_the_bus_twice_and_out_of_order_are_decided_once(loop: Loop) -> None:
    """What `python -m bench --only storm` does in thousands, with its own means: 24 events of 12 signals of 2 models."""
    before = loop.executions()
    names = storm.storm_models(loop, 2, training=loop.failing_training())
    seen = storm.Seen()

    storm.send(loop, storm.storm_events(names, 12), seen)

    def all_end_or_wait_for_people() -> bool:
        running = {arn for arn in loop.executions() - before if loop.status(arn) == "RUNNING"}
        return len(loop.executions() - before) >= 24 and {arn.rsplit(":", 1)[-1] for arn in running} <= storm.parked(
            loop
        )

    loop.until(all_end_or_wait_for_people)
    judged = storm.judged(loop, names, 12, storm.UNRESERVED, seen, 0)
    assert (judged.signals, judged.dead_letters) == (12, 0)
    assert judged.runs >= 1
    assert labels(storm.storm_table([judged, judged])) == labels(table_of(README.read_text(encoding="utf-8"), "storm"))
    for arn in loop.executions() - before:
        if loop.status(arn) == "RUNNING":
            loop.aws.client("stepfunctions").stop_execution(executionArn=arn)
