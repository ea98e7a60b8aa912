"""Each promise is seen broken by what breaks it, and by nothing when all is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import rfc8785

from tests.faults.promises import PROMISES, Left, broken

NAME, RUN = "fraud", "fraud-1"


def chained(sequence: int, previous: str, run: str, **body: Any) -> dict[str, Any]:
    """A record as the loop writes it; without a body that of a decision."""
    record: dict[str, Any] = {
        **(body or {"run_id": run, "decision": "RETRAIN", "decided_at": f"2026-01-0{sequence}"}),
        "chain": {"sequence": sequence, "previous_hash": previous},
    }
    record["chain"]["hash"] = hashlib.sha256(rfc8785.dumps(record)).hexdigest()
    return record


def kept() -> Left:
    """What a promoted run leaves when all is kept."""
    record = chained(1, "0" * 64, RUN)
    manifest = chained(2, record["chain"]["hash"], RUN, model=NAME)
    outcome = chained(3, manifest["chain"]["hash"], RUN, outcome="PROMOTED")
    return Left(
        name=NAME,
        items=[
            {"pk": f"MODEL#{NAME}", "sk": "STATE"},
            {"pk": "SIGNAL#s", "sk": "SIGNAL", "signal_id": "s", "run_id": RUN},
            {
                "pk": f"RUN#{RUN}",
                "sk": "RUN",
                "run_id": RUN,
                "model": NAME,
                "started_at": "1",
                "ended_at": "2",
                "outcome": "PROMOTED",
            },
            {"pk": f"STATUS#{RUN}", "sk": "STATUS#PROMOTED", "status": "PROMOTED"},
            {"pk": f"WAIT#{RUN}", "sk": "promotion", "state": "RESOLVED"},
            {"pk": "SLOTS", "sk": "LEDGER", "holders": []},
            {"pk": "HEADS", "sk": NAME, "hash": outcome["chain"]["hash"]},
        ],
        objects={
            f"decisions/{NAME}/s.json": record,
            f"evidence/{NAME}/{RUN}/outcome.json": outcome,
            f"manifests/{NAME}/{RUN}.json": manifest,
        },
        reports={f"evidence/{NAME}/{RUN}/report.{suffix}" for suffix in ("json", "html")},
        messages=[{"Message": f"{RUN} promoted", "MessageAttributes": {"status": {"Value": "PROMOTED"}}}],
        executions=[{"name": RUN, "status": "SUCCEEDED", "output": "{}"}],
        trainings=[{"what": "t", "runs": False, "from": 1, "to": 2}],
        endpoint={"EndpointConfigName": f"{NAME}-new"},
        made_by=RUN,
        deploys=True,
        sent=[RUN],
    )


def without(left: Left, kind: str, sort: str) -> list[dict[str, Any]]:
    return [item for item in left.items if not (item["pk"].startswith(kind) and item["sk"].startswith(sort))]


def changed(left: Left, kind: str, sort: str, **values: Any) -> list[dict[str, Any]]:
    items = deepcopy(left.items)
    next(item for item in items if item["pk"].startswith(kind) and item["sk"].startswith(sort)).update(values)
    return items


BREAKS: dict[str, tuple[str, Callable[[Left], Left]]] = {
    "no record": ("one_record_a_signal", lambda left: replace(left, objects={})),
    "two records": (
        "one_record_a_signal",
        lambda left: replace(left, objects=left.objects | {f"decisions/{NAME}/t.json": chained(2, "", RUN)}),
    ),
    "no report": ("every_end_is_told", lambda left: replace(left, reports=set())),
    "a gap": (
        "chain_is_whole",
        lambda left: replace(left, objects=left.objects | {f"decisions/{NAME}/s.json": chained(2, "0" * 64, RUN)}),
    ),
    "an edited record": (
        "chain_is_whole",
        lambda left: replace(
            left, objects=left.objects | {f"decisions/{NAME}/s.json": chained(1, "0" * 64, RUN) | {"decision": "HOLD"}}
        ),
    ),
    "two runs at once": (
        "one_run_at_a_time",
        lambda left: replace(
            left, items=[*left.items, {**left.items[2], "pk": "RUN#fraud-2", "run_id": "fraud-2", "started_at": "1.5"}]
        ),
    ),
    "two trainings at once": (
        "one_run_at_a_time",
        lambda left: replace(left, trainings=[*left.trainings, {"what": "u", "runs": False, "from": 1, "to": 3}]),
    ),
    "a lock": (
        "nothing_is_left",
        lambda left: replace(left, items=changed(left, "MODEL#", "STATE", active_run_id=RUN)),
    ),
    "a slot": ("nothing_is_left", lambda left: replace(left, items=changed(left, "SLOTS", "LEDGER", holders=[RUN]))),
    "a wait": ("nothing_is_left", lambda left: replace(left, items=changed(left, "WAIT#", "", state="PARKED"))),
    "a token": ("nothing_is_left", lambda left: replace(left, items=changed(left, "WAIT#", "", token="t"))),
    "a due item": ("nothing_is_left", lambda left: replace(left, items=[*left.items, {"pk": "DUE#1", "sk": "x"}])),
    "an open intention": (
        "nothing_is_left",
        lambda left: replace(left, items=[*left.items, {"pk": "INTENT#x", "sk": "INTENT", "state": "OPEN"}]),
    ),
    "an execution": (
        "nothing_is_left",
        lambda left: replace(left, executions=[{"name": RUN, "status": "RUNNING"}]),
    ),
    "no outcome": ("every_end_is_told", lambda left: replace(left, items=changed(left, "RUN#", "RUN", outcome=None))),
    "no status": ("every_end_is_told", lambda left: replace(left, items=without(left, "STATUS#", "STATUS#"))),
    "other evidence": (
        "every_end_is_told",
        lambda left: replace(
            left, objects=left.objects | {f"evidence/{NAME}/{RUN}/outcome.json": {"outcome": "FAILED"}}
        ),
    ),
    "no message": ("every_end_is_told", lambda left: replace(left, messages=[])),
    "the champion serves": (
        "what_serves_was_judged",
        lambda left: replace(left, endpoint={"EndpointConfigName": f"{NAME}-first"}, made_by=None),
    ),
    "somebody unjudged serves": ("what_serves_was_judged", lambda left: replace(left, made_by="fraud-0")),
    "a training runs": (
        "no_training_is_nobodys",
        lambda left: replace(left, trainings=[{"what": "t", "runs": True, "from": 1, "to": None}]),
    ),
    "frozen in silence": (
        "next_signal_can_train",
        lambda left: replace(left, items=changed(left, "MODEL#", "STATE", frozen_reason="Because.")),
    ),
    "a signal is forgotten": (
        "next_signal_can_train",
        lambda left: replace(left, items=changed(left, "MODEL#", "STATE", pending={"count": 1})),
    ),
}


def test_what_keeps_all_promises_breaks_none() -> None:
    assert broken(kept()) == []


@pytest.mark.parametrize("how", BREAKS)
def test_what_breaks_a_promise_is_seen(how: str) -> None:
    promise, breaking = BREAKS[how]
    assert promise in {line.split(":")[0] for line in broken(breaking(kept()))}


def test_each_promise_is_broken_by_something() -> None:
    assert {promise for promise, _ in BREAKS.values()} == {promise.__name__ for promise in PROMISES}
