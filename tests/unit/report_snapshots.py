"""What a report says, and what its page shows, of every kind of run, as tests/snapshots/reports.json holds it by digests.

An audit makes reports of its own version again, so what changes one of these raises ``REPORT_VERSION``.

PYTHONPATH=src .venv/bin/python -m tests.unit.report_snapshots    writes the file anew
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Status
from orchestration.domain.gates import GateShown
from orchestration.domain.jobs import Job, Use
from orchestration.domain.prices import packaged_prices
from orchestration.domain.records import sha256
from orchestration.domain.report_page import report_page
from orchestration.domain.run_report import (
    REPORT_VERSION,
    EndpointShown,
    GuardShown,
    RunRecords,
    RunReport,
    VoteShown,
    run_report,
)
from orchestration.steps.reports import pages
from tests.unit.ended_runs import WAYS, half_approved, records
from tests.unit.fakes import World
from tests.unit.test_going_back import gone_back
from tests.unit.test_going_back import promoted as promoted_each

SNAPSHOT: Final = Path(__file__).parent.parent / "snapshots" / "reports.json"

# Runs as the fakes play them.


def way_back(world: World) -> None:
    promoted_each(world, "run-1", "run-2")
    gone_back(world, "back-1")


def without_a_verdict(world: World) -> None:
    WAYS["PROMOTED"](world)
    del world.bucket.objects[world.bucket.uri("evidence/fraud/run-1/evaluation.json")]


ENDED: Final[dict[str, Callable[[World], None]]] = {
    **WAYS,
    "way back": way_back,
    "half approved": half_approved,
    "without a verdict": without_a_verdict,
}


def ended(kind: str, part: str) -> str:
    """Record or page (``json``, ``html``) of a run that ended so."""
    world = World()
    ENDED[kind](world)
    return pages(records(world, run_id="back-1" if kind == "way back" else "run-1"))[part].decode()


# Records of which one thing is another.

PARTS: Final[dict[str, dict[str, Any]]] = {
    "manifest": {
        "model": "fraud",
        "created_at": "2026-03-02T12:00:00+00:00",
        "execution_arn": "arn:aws:states:us-east-1:111122223333:execution:retraining:run-1",
        "policy": {"version": "v2", "sha256": "a" * 64},
        "policy_version": "v1",
        "checksums": {"signal_sha256": "b" * 64, "training_input_sha256": "c" * 64},
        "champion": {
            "endpoint": "fraud-old",
            "endpoint_config": "fraud-1",
            "model_data_uri": "s3://team/1",
            "image": "fraud:1",
            "make_up_sha256": "d" * 64,
        },
        "dataset": {"uri": "s3://data/march"},
        "training": {"kind": "training_job"},
        "decision": {"severity": "critical"},
        "signal": {
            "signal_id": "signal-1",
            "kind": "drift",
            "summary": "It drifts.",
            "source": "drift_report",
            "report_uri": "s3://reports/1",
            "threshold": {"metric": "auc", "observed": 0.7, "threshold": 0.8, "lower_is_worse": True},
            "dataset": {"uri": "s3://data/april", "window_start": "2026-03-01", "window_end": "2026-03-02"},
            "violation_count": 2_000_000,
            "violations": [
                {"feature": f"f{number}", "check": "type", "description": f"It moved {number}."} for number in range(8)
            ],
        },
    },
    "decision": {
        "guards": [
            {"guard": "budget", "passed": True, "sentence": "It has some left."},
            {"guard": "cooldown", "passed": False, "sentence": "It is not over."},
        ],
    },
    "evaluation": {
        "verdict": {
            "sentence": "1 of 2 gates failed.",
            "champion_metrics": {"auc": 0.8},
            "gates": [
                {"name": "auc bound", "metric": "auc", "value": 0.9, "comparison": ">", "bound": 0.8, "passed": True},
                {"name": "mae", "metric": "mae", "value": None, "comparison": "<", "bound": 1, "passed": False},
            ],
        },
        "versions": {"s3://a/copy": "9a/12"},
        "answer": {
            "plan": {
                "kind": "endpoint",
                "endpoint": "fraud-prod",
                "previous_config": "fraud-0",
                "wanted_config": "fraud-2",
                "create_model": {"PrimaryContainer": {"ModelDataUrl": "s3://a/copy", "Image": "fraud:2"}},
                "create_endpoint_config": {
                    "ProductionVariants": [{"InstanceType": "ml.m5.large", "InitialInstanceCount": 2}]
                },
            }
        },
    },
    "approval-training-vote-1": {
        "votes": [
            {"answer": "APPROVED", "by": "ana", "via": "iam", "at": "2026-03-02T12:10:00+00:00", "comment": "Go."}
        ]
    },
    "approval-promotion": {
        "decision": "REJECTED",
        "decided_at": "2026-03-02T13:40:00+00:00",
        "reason": "Ben said no.",
        "votes": [
            {"answer": "REJECTED", "by": "ben", "deputy": True, "via": "link", "at": "2026-03-02T13:40:00+00:00"}
        ],
    },
    "approval-bake": {"decision": "EXPIRED", "decided_at": "2026-03-02T15:00:00+00:00", "reason": "Nobody answered."},
    "verification": {"began_at": "2026-03-02T14:10:00+00:00"},
    "outcome": {
        "outcome": "PROMOTED",
        "reason": "All is well.",
        "error": "Boom",
        "started_at": "2026-03-02T11:59:00+00:00",
        "ended_at": "2026-03-02T16:00:00+00:00",
        "died": False,
        "finish": {"registry": "fraud/7", "baseline": "s3://a/baseline"},
        "jobs": [Job(Use.TRAINING, "train-1", (("ml.m5.large", 1),), 600.0).as_record()],
        "statuses": [
            {"status": status, "at": f"2026-03-02T{12 + number // 2}:{30 * (number % 2):02}:00+00:00"}
            for number, status in enumerate(
                (
                    *("TRAINING_APPROVAL_REQUESTED", "TRAINING_APPROVED", "TRAINING_STARTED", "TRAINING_FINISHED"),
                    *("PROMOTION_APPROVAL_REQUESTED", "PROMOTION_STARTED", "BAKE_APPROVAL_REQUESTED", "PROMOTED"),
                )
            )
        ],
    },
}
"""Records of a run that has everything, each in its place of the chain."""
for number, record in enumerate(PARTS.values()):
    record["chain"] = {"sequence": number + 1, "hash": f"{number}" * 64}


def without_each(value: Any) -> Iterator[Any]:
    """The same without one of its parts, each in turn."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield {name: each for name, each in value.items() if name != key}
            yield from ({**value, key: less} for less in without_each(inside))
    elif isinstance(value, list):
        for position, inside in enumerate(value):
            yield [*value[:position], *value[position + 1 :]]
            yield from ([*value[:position], less, *value[position + 1 :]] for less in without_each(inside))


def with_outcome(**changes: Any) -> dict[str, Any]:
    return {**PARTS, "outcome": {**PARTS["outcome"], **changes}}


def lacking(name: str) -> Iterator[dict[str, Any]]:
    """All of them, without one or without one of its parts."""
    yield {each: record for each, record in PARTS.items() if each != name}
    yield from ({**PARTS, name: less} for less in without_each(PARTS[name]))


def ended_in_each_way() -> Iterator[dict[str, Any]]:
    for status in Status:
        statuses = [{"status": status, "at": "2026-03-02T13:00:00+00:00"}]
        yield from (with_outcome(outcome=status, died=died, statuses=statuses) for died in (True, False))
        yield with_outcome(outcome=status, statuses=[*PARTS["outcome"]["statuses"], *statuses], error=None)


def ended_on_the_way() -> Iterator[dict[str, Any]]:
    """An endpoint that was moved, asked about or brought back when the run ended, recorded by itself or by others."""
    for outcome in ("STOPPED", "FAILED", "ROLLED_BACK"):
        for statuses in ((), ("PROMOTION_STARTED",), ("PROMOTION_STARTED", "BAKE_APPROVAL_REQUESTED")):
            for back in ((), ("ROLLBACK_STARTED",)):
                told = [
                    {"status": status, "at": f"2026-03-02T{13 + number}:00:00+00:00"}
                    for number, status in enumerate((*statuses, *back))
                ]
                for died in (True, False, None):
                    changed = with_outcome(outcome=outcome, died=died, statuses=told, error=None)
                    yield changed
                    yield {name: record for name, record in changed.items() if name != "verification"}


def judged_beside_the_end() -> Iterator[dict[str, Any]]:
    """A verdict that came before the end, with it, after it, or is lost."""
    lost = with_outcome(
        outcome="FAILED", statuses=[{"status": "CANDIDATE_EVALUATED", "at": "2026-03-02T13:00:00+00:00"}]
    )
    yield {name: record for name, record in lost.items() if name != "evaluation"}
    for place in (None, 1, 8, 9):
        yield {**PARTS, "evaluation": {**PARTS["evaluation"], "chain": {"sequence": place, "hash": "e"}}}


VARIANTS: Final[dict[str, Callable[[], Iterator[dict[str, Any]]]]] = {
    **{name: partial(lacking, name) for name in PARTS},
    "ends": ended_in_each_way,
    "ways": ended_on_the_way,
    "places": judged_beside_the_end,
}


def said(kind: str) -> str:
    """The reports of one kind of variants, a line each."""
    reports = (run_report(RunRecords("fraud", "run-1", "b", each), packaged_prices()) for each in VARIANTS[kind]())
    return "\n".join(canonical(report.as_record()) for report in reports)


# Pages of reports that no run of the fakes has.

GATE = GateShown("auc at least 0.7", 0.9, 0.8, ">=", 0.7, 0.88, 0.92, 0.7, passed=True, sentence="It is.")
UNKNOWN_GATE = GateShown("mae", None, None, "<", None, None, None, None, passed=False, sentence="It was not measured.")
NOTHING = {each.name: None for each in fields(EndpointShown)}


def full(report: RunReport) -> RunReport:
    """What runs of the fakes never have."""
    first, *others = report.phases
    return replace(
        report,
        outcome="TRAINED",
        error="Boom",
        started_at=None,
        gates=(GATE, UNKNOWN_GATE, replace(GATE, lower=None), replace(GATE, upper=None), replace(GATE, champion=None)),
        gates_left_out=3,
        guards=(GuardShown("budget", passed=False, sentence="It is used up."), *report.guards),
        guards_left_out=1,
        votes=(VoteShown("bake", "EXPIRED", None, deputy=False, how=None, at=None, comment=""), *report.votes),
        votes_left_out=2,
        endpoint=replace(report.endpoint, name=None, registry="fraud/7", baseline="s3://b/next.json"),
        phases=tuple(replace(first, seconds=seconds) for seconds in (59.95, 60.0, 61.0, None)) + tuple(others),
        drift=replace(
            report.drift,
            window="2026-03-01 to 2026-03-02",
            report_uri="s3://reports/1",
            violations=(("amount", "type", "is text"),),
            violations_left_out=4,
        ),
        digests_left_out=5,
        unknown=("When it began.",),
    )


def bare(report: RunReport) -> RunReport:
    """What is left where no record says anything."""
    drift = replace(report.drift, metric=None, observed=0.2, threshold=0.4, lower_is_worse=True)
    nothing = EndpointShown(**{**NOTHING, "registry": "fraud/7", "baseline": "s3://b/next.json"})
    return replace(
        report,
        outcome="FAILED",
        goes_back=True,
        ended_at=None,
        end=None,
        gates=(),
        judged=None,
        guards=(),
        votes=(),
        endpoint=nothing,
        phases=(),
        drift=drift,
        links=(),
    )


def unmeasured(report: RunReport) -> RunReport:
    return replace(report, drift=replace(report.drift, observed=None))


def without_a_threshold(report: RunReport) -> RunReport:
    return replace(report, drift=replace(report.drift, threshold=None))


def nothing_observed(report: RunReport) -> RunReport:
    return replace(report, drift=replace(report.drift, observed=0.0))


def shown(change: Callable[[RunReport], RunReport]) -> str:
    """The page of the report of a promotion, changed."""
    world = World()
    WAYS["PROMOTED"](world)
    return report_page(change(run_report(records(world), packaged_prices())))


RECORDS: Final[dict[str, Callable[[], str]]] = {
    "prices": lambda: canonical(packaged_prices().as_record()),
    **{kind: partial(ended, kind, "json") for kind in ENDED},
    **{f"lacking or other: {kind}": partial(said, kind) for kind in VARIANTS},
}
PAGES: Final[dict[str, Callable[[], str]]] = {
    **{kind: partial(ended, kind, "html") for kind in ENDED},
    **{
        change.__name__: partial(shown, change)
        for change in (full, bare, unmeasured, without_a_threshold, nothing_observed)
    },
}


def digest(text: str) -> str:
    """How the digest of a text begins."""
    return sha256(text)[:16]


def digests() -> dict[str, Any]:
    """The version, and the digests of all records and pages by their kind."""
    found = {
        name: {kind: digest(make()) for kind, make in made.items()}
        for name, made in (("records", RECORDS), ("pages", PAGES))
    }
    return {"version": REPORT_VERSION, **found}


def held() -> dict[str, Any]:
    """What the file holds."""
    found: dict[str, Any] = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(digests(), indent=2) + "\n", encoding="utf-8")
