"""The report of a run: there before its end is told, the same bytes from whoever makes it, safe whatever stands in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops.record_schemas import schema_finding
from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import OUTCOMES, DueKind, WaitKind
from orchestration.domain.errors import OrchestrationError, TransientServiceError
from orchestration.domain.evaluation import Standing, evaluate
from orchestration.domain.policy import Evaluation
from orchestration.domain.prices import packaged_prices
from orchestration.domain.records import report_key, reported_run
from orchestration.domain.report_page import report_page
from orchestration.domain.run_report import END_OF, LANES, REPORT_VERSION, RunRecords, record_keys, run_report
from orchestration.domain.stored_run import StoredRun
from orchestration.domain.votes import Answer, Via, Vote
from orchestration.steps.reports import pages, read_records, write_report
from tests.unit import stories
from tests.unit.ended_runs import WAYS, failed, half_approved, records, rejected_by_gate, stopped
from tests.unit.fake_services import client_error
from tests.unit.fakes import ProcessDiedError, World
from tests.unit.history import promoted, rejected_and_frozen, signal, sweeps
from tests.unit.page_check import contrast_findings, page_findings
from tests.unit.report_snapshots import RECORDS, digest, held
from tests.unit.stories import do

PAGE = "evidence/fraud/run-1/report.html"
LIMIT = 150_000
ANA = "arn:aws:iam::111122223333:user/ana"
HOSTILE = "<script>alert(1)</script>\u202e\x00\x1b[31m\"'&]]>--><svg onload=x>" + "W" * 65_000


def page(world: World, key: str = PAGE) -> str:
    return world.bucket.objects[world.bucket.uri(key)].decode()


def run_of(world: World) -> StoredRun:
    run = world.table.run("run-1")
    assert run is not None
    return run


@pytest.mark.parametrize("outcome", WAYS)
def test_a_run_leaves_a_report_before_its_end_is_told_and_the_message_and_the_output_name_it(
    outcome: str, world: World
) -> None:
    WAYS[outcome](world)
    found = world.read("evidence/fraud/run-1/report.json")
    end = None if WAYS[outcome] is stopped else END_OF[found["outcome"]]
    assert (found["outcome"], found["end"], found["unknown"]) == (outcome, end, [])
    assert schema_finding(found) is None
    (message,) = world.told(outcome)
    assert dict(message.facts)["report"] == world.bucket.uri(PAGE)
    (link,) = [link.url for link in message.links if link.label == "Report in the console"]
    assert link.endswith("/s3/object/automation?region=us-east-1&prefix=evidence%2Ffraud%2Frun-1%2Freport.html")
    assert do(world, "close")["output"]["report"] == world.bucket.uri(PAGE)
    assert page_findings(page(world)) == []


@pytest.mark.parametrize("outcome", WAYS)
def test_whoever_makes_a_report_again_makes_the_same_bytes(outcome: str, world: World) -> None:
    WAYS[outcome](world)
    written = {
        suffix: world.bucket.objects[world.bucket.uri(report_key("fraud", "run-1", suffix))]
        for suffix in ("json", "html")
    }
    for _ in range(3):
        sweeps(world)
    signal(world, "later")
    assert pages(records(world)) == written


def test_what_follows_the_end_of_a_run_is_not_in_its_report(world: World) -> None:
    stopped(world)
    before = page(world)
    sweeps(world)
    assert world.keys("evidence/fraud/run-1/approval-promotion.json")
    assert pages(records(world))["html"].decode() == before


def test_a_death_before_any_call_of_the_end_leaves_the_report_once_and_the_end_told(
    new_world: Callable[..., World],
) -> None:
    deaths = 0
    for at in range(1, 200):
        world = new_world()
        stories.training(world)
        world.outside.die_before(at)
        try:
            do(world, "close")
        except ProcessDiedError:
            deaths += 1
        else:
            break
        world.outside.live()
        do(world, "close")
        sweeps(world)
        assert [world.versions(f"evidence/fraud/run-1/report.{suffix}") for suffix in ("json", "html")] == [1, 1], at
        assert world.told("FAILED"), at
        assert pages(records(world))["html"].decode() == page(world), at
    assert deaths > 10


def test_a_report_waits_for_a_record_that_is_not_in_the_bucket_and_the_end_is_told(world: World) -> None:
    stories.trained(world, report={"binary_classification_metrics": {"auc": {"value": 0.5}}})
    do(world, "evaluate")
    key = "evidence/fraud/run-1/evaluation.json"
    kept = world.bucket.objects.pop(world.bucket.uri(key))
    do(world, "close")
    assert (len(world.told("CANDIDATE_REJECTED")), world.keys(PAGE)) == (1, [])
    world.bucket.objects[world.bucket.uri(key)] = kept
    sweeps(world)
    assert len(world.told("CANDIDATE_REJECTED")) == 1
    assert world.keys(PAGE)
    assert world.due(DueKind.TELL) == []


@pytest.mark.parametrize(
    ("lost", "lacking"),
    [
        (["manifests/fraud/run-1.json"], "manifest, decision"),
        (["evidence/fraud/run-1/evaluation.json"], "evaluation"),
        (["decisions/"], "decision"),
    ],
)
def test_a_report_that_waits_names_the_records_that_it_waits_for(lost: list[str], lacking: str, world: World) -> None:
    rejected_by_gate(world)
    for key in [key for prefix in lost for key in world.keys(prefix)]:
        world.remove(key)
    with pytest.raises(OrchestrationError, match=f"waits for its records {lacking}, which"):
        write_report(world.ports, run_of(world))


def test_a_report_waits_for_no_record_of_a_decision_that_nobody_made(world: World) -> None:
    rejected_by_gate(world)
    world.remove("manifests/fraud/run-1.json")
    del world.database.items["RUN#run-1", "DECISION"]
    assert write_report(world.ports, run_of(world)) == world.bucket.uri(PAGE)


def test_an_approval_that_came_and_is_not_in_the_bucket_is_written_before_the_report(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> bool:
        raise client_error("SlowDown")

    stories.asked(world)
    with monkeypatch.context() as patched:
        patched.setattr(world.bucket, "write_once", fails)
        with pytest.raises(TransientServiceError):
            stories.approve(world, decision="REJECTED")
    do(world, "close")
    assert [vote["who"] for vote in world.read("evidence/fraud/run-1/report.json")["votes"]] == [ANA]


@pytest.mark.parametrize(
    ("needed", "votes", "waits"),
    [(2, [Answer.APPROVED], True), (1, [Answer.APPROVED], False), (2, [Answer.REJECTED], False), (2, [], False)],
)
def test_only_the_first_approval_of_two_has_a_record_that_a_report_waits_for(
    needed: int, votes: list[Answer], waits: bool, world: World
) -> None:
    stories.asked(world)
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert wait is not None
    counted = [Vote(answer, ANA, Via.TERMINAL, "", wait.parked_at).as_record() for answer in votes]
    data = {**wait.data, "approvals_needed": needed, "votes": counted}
    assert world.table.change_wait(wait, replace(wait, data=data))
    stories.tell_dead(world, "ABORTED")
    assert bool(world.keys(PAGE)) is not waits


def test_every_end_of_the_workflow_is_drawn() -> None:
    states = json.loads(Path("statemachine.asl.json").read_text(encoding="utf-8"))["States"]
    assert set(END_OF) == OUTCOMES
    assert set(END_OF.values()) <= {end for _, _, ends in LANES for end in ends} <= set(states)


def hostile(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: value[key] if key in {"statuses", "chain", "outcome", "created_at"} else hostile(value[key])
            for key in value
        }
    if isinstance(value, list):
        return [hostile(each) for each in value] * 200
    return HOSTILE if isinstance(value, str) else value


def hostile_records(world: World) -> dict[str, Any]:
    """The records of the run with 1,000 gates, each of its lists 200 times as long, each text hostile and of 64 KB."""
    found = {name: hostile(copy.deepcopy(dict(record))) for name, record in records(world).found.items()}
    found["evaluation"]["verdict"]["gates"] *= 5
    return found


def test_hostile_and_huge_records_stay_text_within_150_kb_and_say_what_is_left_out(world: World) -> None:
    promoted(world)
    found = hostile_records(world)
    gates = found["evaluation"]["verdict"]["gates"]
    made = pages(RunRecords("fraud", "run-1", "automation", found))
    text = made["html"].decode()
    assert len(gates) == 1000
    assert len(made["html"]) <= LIMIT
    assert len(made["json"]) <= LIMIT
    assert page_findings(text) == []
    assert "988 more left out" in text
    assert "&lt;script&gt;" in text
    assert "\\u202e" in text
    assert not {"\u202e", "\x00", "\x1b"} & set(text)


@pytest.mark.parametrize("lost", ["decision", "manifest", "evaluation", "approval-promotion", "outcome"])
def test_a_record_that_is_not_there_is_said_to_be_not_known(lost: str, world: World) -> None:
    promoted(world)
    found = {**records(world).found, lost: {}}
    report = run_report(RunRecords("fraud", "run-1", "automation", found), packaged_prices())
    if lost != "evaluation" or report.outcome == "PROMOTED":
        assert (
            any(f"record {lost} is not there" in sentence for sentence in report.unknown)
            or lost == "approval-promotion"
        )
    assert page_findings(report_page(report)) == []


@pytest.mark.parametrize("junk", [None, 7, "x", [], [[]], {"a": 1}, True])
def test_no_content_of_a_record_raises(junk: Any, world: World) -> None:
    promoted(world)
    whole = records(world).found
    made = {
        pages(RunRecords("fraud", "run-1", "automation", {**whole, name: spoilt}))["html"]
        for name, record in whole.items()
        for spoilt in ({}, *({**record, member: junk} for member in record))
    }
    for page in made:
        assert page_findings(page.decode()) == []


def inner(value: Any, junk: Any) -> Iterator[Any]:
    """The value with junk in the place of each part of it that is in no list or object of its own."""
    members = range(min(len(value), 3)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    for member in members:
        for part in inner(value[member], junk) if isinstance(value[member], (dict, list)) else (junk,):
            copied = copy.copy(value)
            copied[member] = part
            yield copied


@pytest.mark.parametrize("junk", [[], {"a": 1}, 1e308, "9999-12-31T23:59:59+00:00"], ids=str)
def test_no_part_of_a_record_raises_or_makes_a_report_that_is_none(junk: Any, world: World) -> None:
    promoted(world)
    whole = dict(records(world).found)
    manifest = whole["manifest"]
    whole["manifest"] = {**manifest, "signal": {**manifest["signal"], "violation_count": 9}}
    for name, record in whole.items():
        for spoilt in inner(record, junk):
            made = run_report(RunRecords("fraud", "run-1", "automation", {**whole, name: spoilt}), packaged_prices())
            assert schema_finding(json.loads(canonical(made.as_record()))) is None
            # Nothing of a run is paid for thousands of years.
            assert (made.price.total_usd or 0.0) < 10_000


def test_an_approval_that_came_and_was_not_enough_is_in_the_report_of_its_run(world: World) -> None:
    half_approved(world)
    report = world.read("evidence/fraud/run-1/report.json")
    votes = [(vote["subject"], vote["decision"], vote["who"]) for vote in report["votes"]]
    assert votes == [("training", "APPROVED", ANA), ("training", "WITHDRAWN", None)]
    sweeps(world)
    assert pages(records(world))["html"].decode() == page(world)


def test_a_report_says_whether_a_deputy_answered_and_names_the_record_of_it_by_its_hash(world: World) -> None:
    cleo = ANA.replace("ana", "cleo")
    hours = {"remind_hours": 4, "escalate_hours": 8, "expire_hours": 24}
    stories.asked(world, voters=[ANA], approval={"promotion": "always", "deputies": [cleo], **hours})
    world.clock.forward(hours=8)
    stories.approve(world, by="cleo", decision="REJECTED")
    do(world, "close")
    report = world.read("evidence/fraud/run-1/report.json")
    assert [(vote["who"], vote["deputy"]) for vote in report["votes"]] == [(cleo, True)]
    assert f"{cleo} (deputy)" in page(world)
    approval = world.read("evidence/fraud/run-1/approval-promotion.json")
    assert ["record approval-promotion, hash", approval["chain"]["hash"]] in report["digests"]


def test_a_report_waits_for_an_approval_that_is_counted_and_not_in_the_bucket(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> bool:
        raise client_error("SlowDown")

    vote = world.bucket.uri("evidence/fraud/run-1/approval-training-vote-1.json")
    write = world.bucket.write_once
    with monkeypatch.context() as patched:
        patched.setattr(
            world.bucket, "write_once", lambda key, *rest: (fails if "-vote-" in key else write)(key, *rest)
        )
        half_approved(world)
        assert (vote in world.bucket.objects, world.keys(PAGE)) == (False, [])
        assert len(world.told("STOPPED")) == 1
        world.clock.forward(minutes=10)
        with pytest.raises(RuntimeError, match="tell report:run-1: "):
            sweeps(world)
        # The question was taken back in the meantime.
        assert world.keys("evidence/fraud/run-1/approval-training.json")
        assert (vote in world.bucket.objects, world.keys(PAGE)) == (False, [])
    world.clock.forward(minutes=10)
    for _ in range(3):
        sweeps(world)
    assert vote in world.bucket.objects
    assert [each["decision"] for each in world.read("evidence/fraud/run-1/report.json")["votes"]] == [
        "APPROVED",
        "WITHDRAWN",
    ]


def test_a_question_that_the_end_of_its_run_took_back_is_in_its_report(world: World) -> None:
    stopped(world)
    report = world.read("evidence/fraud/run-1/report.json")
    assert [(vote["subject"], vote["decision"], vote["who"]) for vote in report["votes"]] == [
        ("promotion", "WITHDRAWN", None)
    ]


def test_a_record_that_cannot_be_read_now_is_never_left_out_of_what_is_written_once(world: World) -> None:
    stories.asked(world)
    stories.approve(world, decision="REJECTED")
    approval = world.bucket.uri("evidence/fraud/run-1/approval-promotion.json")
    world.bucket.forbidden.add(approval)
    do(world, "close")
    assert world.keys(PAGE) == []
    assert len(world.told("APPROVAL_REJECTED")) == 1
    world.bucket.forbidden.clear()
    world.clock.forward(minutes=10)
    sweeps(world)
    assert [vote["who"] for vote in world.read("evidence/fraud/run-1/report.json")["votes"]] == [ANA]


def test_a_run_whose_execution_was_stopped_passed_nothing_that_it_never_came_to(world: World) -> None:
    stopped(world)
    report = world.read("evidence/fraud/run-1/report.json")
    passed = [stop["state"] for stop in report["way"] if stop["passed"]]
    assert passed[-1] == "RequestPromotionApproval"
    # Each of the five, and the choice behind each but TriggerTrainingPipeline.
    assert (len(passed), report["price"]["transitions"]) == (5, 9)
    text = page(world)
    assert "Its execution ended without recording an outcome." in text
    assert "RetrainingStopped" not in text
    assert world.read("evidence/fraud/run-1/outcome.json")["died"] is True


def test_a_run_that_was_stopped_is_not_said_to_be_stopped_twice(world: World) -> None:
    stopped(world)
    (message,) = world.told("STOPPED")
    assert message.subject == "[ESCALATION fraud] Run stopped"


def test_a_training_that_never_began_was_tried(world: World) -> None:
    failed(world)
    found = {**records(world).found}
    statuses = [
        {"status": status, "at": "2026-03-02T12:00:00+00:00"} for status in ("RETRAINING_DECIDED", "NO_CAPACITY")
    ]
    found["outcome"] = {**found["outcome"], "outcome": "NO_CAPACITY", "statuses": statuses}
    report = run_report(RunRecords("fraud", "run-1", "automation", found), packaged_prices())
    passed = {stop.state: stop.at for stop in report.way if stop.passed}
    assert (passed["AcquireTrainingSlot"], passed["TriggerTrainingPipeline"]) == (None, None)


def test_a_run_nobody_answered_says_so(world: World) -> None:
    rejected_and_frozen(world)
    report = world.read("evidence/churn/run-3/report.json")
    assert [(vote["decision"], vote["who"]) for vote in report["votes"]] == [("EXPIRED", None)]
    assert page_findings(page(world, "evidence/churn/run-3/report.html")) == []


def test_a_gate_is_drawn_with_how_far_its_value_may_be_off(world: World) -> None:
    block = {"auc": {"value": 0.9, "lower": 0.88, "upper": 0.92, "confidence": 0.95}}
    champion = {"auc": {"value": 0.8, "lower": 0.78, "upper": 0.82, "confidence": 0.95}}
    body = {"binary_classification_metrics": block, "champion": {"binary_classification_metrics": champion}}
    wanted = Evaluation(metric="auc", minimum=0.7, min_improvement=0.0, confidence=0.95)
    verdict = evaluate(json.dumps(body).encode(), wanted, Standing(True, ""))
    promoted(world)
    found = {**records(world).found}
    found["evaluation"] = {**found["evaluation"], "verdict": json.loads(canonical(verdict.as_record()))}
    report = run_report(RunRecords("fraud", "run-1", "automation", found), packaged_prices())
    value, against = report.gates
    assert [value.lower, value.upper, value.needed] == pytest.approx([0.88, 0.92, 0.7])
    assert [against.champion, against.needed] == pytest.approx([0.8, 0.8])
    for gate in report.gates:
        assert gate.lower is not None
        assert gate.needed is not None
        assert gate.passed == (gate.lower > gate.needed)


def test_the_records_of_a_run_lie_where_they_are_looked_for() -> None:
    names = (
        *("approval-training", "evaluation", "approval-promotion", "verification", "approval-bake", "outcome"),
        *("approval-training-vote-1", "approval-promotion-vote-1", "approval-bake-vote-1"),
    )
    assert record_keys("fraud", "run-1") == {
        "manifest": "manifests/fraud/run-1.json",
        **{name: f"evidence/fraud/run-1/{name}.json" for name in names},
    }


def test_records_that_were_replicated_into_another_bucket_make_the_same_report(world: World) -> None:
    rejected_by_gate(world)

    def read(key: str) -> bytes | None:
        return world.bucket.read(world.bucket.uri(key)).body

    assert pages(read_records(read, "replica", "fraud", "run-1")) == pages(records(world))
    assert "replica" not in page(world)


@pytest.mark.parametrize(
    ("written", "bucket"),
    [("s3://first/manifests/fraud/run-1.json", "first"), ("manifests/fraud/run-1.json", "replica"), (None, "replica")],
)
def test_a_report_links_to_the_bucket_that_its_manifest_names_or_else_to_where_it_lies(
    written: str | None, bucket: str
) -> None:
    manifest = {"training": {"input": {} if written is None else {"manifest_uri": written}}}

    def read(key: str) -> bytes | None:
        return json.dumps(manifest).encode() if key.startswith("manifests/") else None

    assert read_records(read, "replica", "fraud", "run-1").bucket == bucket


def test_a_report_is_made_by_other_prices_where_they_are_given() -> None:
    others = replace(packaged_prices(), date="1999-12-31")
    assert b"1999-12-31" in pages(RunRecords("fraud", "run-1", "automation", {}), others)["json"]


def test_only_the_two_of_a_run_are_reports() -> None:
    assert reported_run("evidence/fraud/run-1/report.html") == ("fraud", "run-1", "html")
    for key in (
        "evidence/fraud/run-1/report.txt",
        "evidence/fraud/report.html",
        "rejected/a/b/report.html",
        "evidence/a/b/reports.html",
    ):
        assert reported_run(key) is None


def test_a_colour_that_cannot_be_read_is_found(world: World) -> None:
    promoted(world)
    text = page(world)
    assert contrast_findings(text.replace("--soft:#575c66", "--soft:#cccccc"))
    assert page_findings(text.replace('scope="col"', "", 1)) != []
    assert page_findings(text.replace("</main>", "<script>1</script></main>")) != []


@pytest.mark.parametrize("kind", RECORDS)
def test_a_report_that_changes_is_of_a_new_version(kind: str) -> None:
    """Written anew with: PYTHONPATH=src .venv/bin/python -m tests.unit.report_snapshots."""
    assert (REPORT_VERSION, digest(RECORDS[kind]())) == (held()["version"], held()["records"][kind])
