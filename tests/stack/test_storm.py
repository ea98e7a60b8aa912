"""Alarm storms: many events at once, the same ones again and again."""

from __future__ import annotations

import collections
import json
import random
import uuid
from concurrent.futures import ThreadPoolExecutor

from ops.verify_audit import chain_findings
from tests.stack.loop import Loop

THREADS = 16


def test_copies_and_rivals_give_one_record_a_signal_and_at_most_one_run_a_model(loop: Loop) -> None:
    """200 copies of one event, and 50 different events for 5 models, from 16 threads."""
    models = [loop.model(policy={"approval": {"training": "always"}}) for _ in range(5)]
    copied = loop.drift(models[0], dedupe_key=uuid.uuid4().hex)
    different = [loop.drift(models[number % 5], dedupe_key=uuid.uuid4().hex) for number in range(50)]
    events = [copied] * 200 + different
    random.Random(7).shuffle(events)  # noqa: S311 - an order, not a secret

    with ThreadPoolExecutor(THREADS) as pool:
        arns = list(pool.map(loop.start, events))
    decided = [arn for arn in arns if loop.until(lambda arn=arn: len(loop.states(arn)) > 1, within=120)]

    assert len(decided) == len(events)
    runs = collections.Counter[str]()
    for model in models:
        records = loop.until(
            lambda model=model: (
                found if len(found := loop.decisions(model)) == (11 if model == models[0] else 10) else None
            ),
            within=60,
        )
        assert len({record["signal_id"] for record in records}) == len(records)
        runs[model] = sum(record["decision"] == "RETRAIN" for record in records)
        assert {record["decision"] for record in records} <= {"RETRAIN", "COALESCE"}
        state = loop.item(f"MODEL#{model}", "STATE") or {}
        assert chain_findings(records, head=state["chain_head"]["S"], length=int(state["chain_sequence"]["N"])) == []
        pending = json.loads(state["pending"]["S"].removeprefix("json:"))
        assert pending["count"] == len(records) - 1
        assert len(loop.keys(f"manifests/{model}/")) == 1
    assert set(runs.values()) == {1}

    for arn in arns:
        if loop.status(arn) == "RUNNING":
            loop.aws.client("stepfunctions").stop_execution(executionArn=arn)
    loop.until(lambda: all(loop.status(arn) != "RUNNING" for arn in arns))
