"""What people and programs are told of a fact, each from what the table has of it; and the lines that alarms count."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from orchestration.actions.admit import seen_signal
from orchestration.actions.sweep import WORKERS
from orchestration.domain.chain import Record, RecordKind, chained
from orchestration.domain.contracts import DueKind, SignalKind, Status, WaitKind
from orchestration.domain.due import APPROVALS, due
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.intention import Intention, endpoint_subject
from orchestration.domain.notification import Message
from orchestration.domain.policy import TargetKind
from orchestration.domain.stored_run import StatusRow
from orchestration.domain.training_target import nested_execution_arn, training_name
from orchestration.domain.verdict import Finish
from orchestration.domain.votes import LadderAction
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due, settled
from orchestration.steps.due_work import Worked
from orchestration.steps.telling import (
    REPAIR,
    ladder_told,
    message_told,
    record_status,
    run_ended,
    signal_told,
    status_told,
    tell,
)
from orchestration.stores.models import Commit
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import MACHINE, NOON, TRAINING, World, drift, execution_arn
from tests.unit.stories import ENDPOINT, do
from tests.unit.test_close import ASKED, RUN, SIGNAL, begin

MANIFEST_URI = "s3://automation/manifests/fraud/run-1.json"


def had(world: World, status: Status, sentence: str = "It is so.", **row: Any) -> None:
    assert world.table.add_status("run-1", StatusRow(status, NOON.isoformat(), sentence, **row))


def told(world: World, status: Status) -> Message:
    """The message on a status of the run."""
    assert tell(world.ports, status_told("run-1", "fraud", status, NOON)) == Worked(repair=REPAIR)
    return world.told(status)[-1]


def resources_of(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What the events that follow are about."""
    about: list[Sequence[str]] = []
    emit = world.channels.emit

    def kept(detail: dict[str, Any], *, resources: list[str]) -> None:
        about.append(resources)
        emit(detail, resources=resources)

    monkeypatch.setattr(world.channels, "emit", kept)
    return about


# A status.


@pytest.mark.parametrize(("severity", "shown"), [(None, "critical"), ("warning", "warning")])
def test_programs_hear_of_a_status_with_the_one_before_and_its_own_severity_or_the_runs(
    severity: str | None, shown: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world)
    had(world, Status.TRAINING_STARTED, severity=severity)
    had(world, Status.TRAINING_FINISHED)
    about = resources_of(world, monkeypatch)
    told(world, Status.TRAINING_STARTED)
    told(world, Status.RETRAINING_DECIDED)
    event, first = world.channels.events
    assert event == {
        "schema_version": 1,
        "id": "run-1:TRAINING_STARTED",
        "run_id": "run-1",
        "model": "fraud",
        "status": "TRAINING_STARTED",
        "previous_status": "RETRAINING_DECIDED",
        "reason": "It is so.",
        "severity": shown,
        "manifest_uri": MANIFEST_URI,
    }
    assert first["previous_status"] is None
    assert about == [[MACHINE]] * 2


@pytest.mark.parametrize(
    ("details", "reason", "sentence", "facts"),
    [
        ({"sentence": "One.", "reason": "Two.", "at": "x"}, "Three.", "One.", {"reason": "Two.", "at": "x"}),
        ({"reason": "Two.", "bad": None}, "Three.", "Two.", {}),
        ({}, "Three.", "Three.", {}),
        (None, "Three.", "Three.", {}),
        (None, None, "", {}),
    ],
)
def test_people_hear_the_sentence_of_a_status_or_what_the_release_before_kept_of_it(
    details: dict[str, Any] | None, reason: str | None, sentence: str, facts: dict[str, str], world: World
) -> None:
    begin(world, replace(RUN, reason=reason))
    row = {"pk": "STATUS#run-1", "sk": "STATUS#TRAINING_STARTED", "status": "TRAINING_STARTED", "details": details}
    world.table._write(world.table._put(row))
    message = told(world, Status.TRAINING_STARTED)
    assert message.sentence == sentence
    assert dict(message.facts) == {"run": "run-1", **facts, "manifest": MANIFEST_URI, "signal": "0" * 32}
    assert (message.model, message.thread, message.next_steps) == ("fraud", "run-1", ())


@pytest.mark.parametrize("runs", [True, False])
def test_what_is_no_status_of_a_run_is_not_told(runs: bool, world: World) -> None:
    if runs:
        begin(world)
    else:
        had(world, Status.TRAINING_STARTED)
    tell(world.ports, status_told("run-1", "fraud", Status.TRAINING_STARTED, NOON))
    assert (world.channels.events, world.channels.messages) == ([], [])


@pytest.mark.parametrize(
    ("status", "baked", "finish", "facts"),
    [
        (Status.TRAINING_STARTED, True, Finish("R.", "B."), {}),
        (Status.FAILED, True, None, {"evidence": "s3://automation/evidence/fraud/run-1/outcome.json"}),
        (Status.PROMOTED, False, None, {"evidence": "s3://automation/evidence/fraud/run-1/outcome.json"}),
        (
            Status.PROMOTED,
            True,
            None,
            {
                "evidence": "s3://automation/evidence/fraud/run-1/outcome.json",
                "registry": "left as it was: the run ended before it was changed",
                "baseline": "left as it was: the run ended before it was changed",
            },
        ),
        (
            Status.FAILED,
            True,
            Finish(over=False),
            {
                "evidence": "s3://automation/evidence/fraud/run-1/outcome.json",
                "registry": "the run ended while it was changed; look at it",
                "baseline": "the run ended while it was changed; look at it",
            },
        ),
        (
            Status.PROMOTED,
            True,
            Finish("Approved.", None),
            {"evidence": "s3://automation/evidence/fraud/run-1/outcome.json", "registry": "Approved."},
        ),
        (
            Status.FAILED,
            True,
            Finish(None, "Renewed."),
            {"evidence": "s3://automation/evidence/fraud/run-1/outcome.json", "baseline": "Renewed."},
        ),
    ],
)
def test_an_end_is_told_with_what_became_of_registry_and_baseline(
    status: Status, baked: bool, finish: Finish | None, facts: dict[str, str], world: World
) -> None:
    begin(world, replace(RUN, outcome=str(status) if status.final else None, ended_at=NOON.isoformat()))
    if baked:
        parked(world, WaitKind.BAKE)
    if finish is not None:
        world.table.note_finish("run-1", finish)
    had(world, status)
    assert dict(told(world, status).facts) == {
        "run": "run-1",
        **facts,
        **({"report": world.bucket.uri("evidence/fraud/run-1/report.html")} if status.final else {}),
        "manifest": MANIFEST_URI,
        "signal": "0" * 32,
    }


@pytest.mark.parametrize(
    ("status", "frozen", "count"),
    [
        (Status.FAILED, "3 runs in a row, the last one run-1.", 1),
        (Status.FAILED, "Left by run-7.", 0),
        (Status.FAILED, "Run run-10 ended FAILED while its endpoint was being changed.", 0),
        (Status.FAILED, None, 0),
        (Status.TRAINING_STARTED, "3 runs in a row, the last one run-1.", 0),
    ],
)
def test_an_end_that_froze_the_model_is_told_as_that_too(
    status: Status, frozen: str | None, count: int, world: World
) -> None:
    begin(world)
    world.table.save_model(replace(world.table.model("fraud"), frozen_reason=frozen))
    had(world, status)
    told(world, status)
    assert len(world.told("FROZEN")) == count


def test_a_status_comes_once_and_is_told_as_it_comes(world: World) -> None:
    begin(world)
    status = {"run_id": "run-1", "model": "fraud", "status": Status.TRAINING_STARTED, "sentence": "It began."}
    for _ in range(2):
        record_status(world.ports, **status)  # type: ignore[arg-type] # its words
    assert len(world.told("TRAINING_STARTED")) == 1
    assert world.due(DueKind.TELL) == []


@pytest.mark.parametrize("of_approval", [False, True])
def test_a_status_that_no_channel_took_is_due_where_whoever_recorded_it_may_write(
    of_approval: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> NoReturn:
        raise client_error("InternalError")

    begin(world)
    monkeypatch.setattr(world.channels, "emit", fails)
    status = {"run_id": "run-1", "model": "fraud", "status": Status.TRAINING_STARTED, "sentence": "It began."}
    record_status(world.ports, **status, with_approvals=of_approval)  # type: ignore[arg-type] # its words
    usual = status_told("run-1", "fraud", Status.TRAINING_STARTED, NOON)
    assert world.due(DueKind.TELL) == [replace(usual, partition=APPROVALS) if of_approval else usual]


def written_over(world: World, sequence: int) -> None:
    """Somebody who may append to chains has put another text in the place of a record of the model fraud."""
    item = world.database.items["CHAIN#fraud", f"{sequence:012d}"]
    item["record"] = {"S": item["record"]["S"].replace("{", '{"outcome":"PROMOTED",', 1)}


def test_a_record_that_was_written_over_before_it_was_told_reaches_neither_bucket_nor_channel(world: World) -> None:
    begin(world)
    head = world.table.chain_head("fraud")
    links = chained(head, Record(RecordKind.OUTCOME, "evidence/fraud/run-1/outcome.json", {"outcome": "FAILED"}))
    row = StatusRow(Status.FAILED, NOON.isoformat(), "No.", None, None)
    assert world.table.add_status("run-1", row, world.table.chain_writes(head, links))
    written_over(world, 1)
    with pytest.raises(OrchestrationError, match="not the one that was committed"):
        tell(world.ports, status_told("run-1", "fraud", Status.FAILED, NOON, links))
    assert (world.keys("evidence/"), world.channels.events) == ([], [])


# What a status is about.

LINKS = {
    **dict.fromkeys(
        (Status.TRAINING_STARTED, Status.TRAINING_FINISHED, Status.TRAINING_FAILED, Status.TRAINING_TIMED_OUT),
        "Training in the console",
    ),
    **dict.fromkeys(
        (
            Status.PROMOTION_STARTED,
            Status.BAKE_APPROVAL_REQUESTED,
            Status.PROMOTED,
            Status.ROLLED_BACK,
            Status.ROLLBACK_FAILED,
            Status.FAILED,
        ),
        "Endpoint in the console",
    ),
}


def planned(world: World, target: TargetKind = TargetKind.TRAINING_JOB, **signal: Any) -> None:
    """A run whose manifest names a training and an endpoint."""
    manifest = {
        "run_id": "run-1",
        "signal": {**SIGNAL.as_record(), **signal},
        "training": {"kind": target, "target": TRAINING, "input": {"idempotency_token": "t-1"}},
        "policy": {"effective": {"promotion": {"endpoint": ENDPOINT}}},
    }
    begin(world, replace(RUN, manifest=json.dumps(manifest)))


def links(message: Message) -> list[str]:
    return [link.label for link in message.links]


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.RETRAINING_DECIDED}))
def test_a_status_links_to_its_training_or_its_endpoint_and_an_end_to_its_report(status: Status, world: World) -> None:
    planned(world)
    had(world, status)
    assert links(told(world, status)) == [
        "Execution in the console",
        *([LINKS[status]] if status in LINKS else []),
        *(["Report in the console"] if status.final else []),
    ]


@pytest.mark.parametrize(
    ("target", "page"),
    [
        (TargetKind.STATE_MACHINE, f"executions/details/{nested_execution_arn(TRAINING, training_name('t-1'))}"),
        (TargetKind.TRAINING_JOB, f"#/jobs/{training_name('t-1')}"),
        (TargetKind.SAGEMAKER_PIPELINE, None),
    ],
)
def test_a_training_has_a_page_where_its_name_is_enough_to_find_it(
    target: TargetKind, page: str | None, world: World
) -> None:
    planned(world, target)
    had(world, Status.TRAINING_STARTED)
    _, *found = told(world, Status.TRAINING_STARTED).links
    assert [link.url.endswith(page or "") for link in found] == ([] if page is None else [True])


@pytest.mark.parametrize(
    ("status", "of", "left"),
    [
        (Status.FAILED, "run-1", True),
        (Status.FAILED, "run-2", False),
        (Status.FAILED, None, False),
        (Status.PROMOTION_STARTED, "run-1", False),
    ],
)
def test_an_end_in_the_middle_of_changing_the_endpoint_has_people_look_at_what_serves(
    status: Status, of: str | None, left: bool, world: World
) -> None:
    planned(world)
    if of is not None:
        intention = Intention(endpoint_subject(ENDPOINT), of, "fraud", "arn", NOON.isoformat(), NOON.isoformat(), 1)
        world.table._write(world.table.intention_write(intention))
    had(world, status)
    assert any("look at what the endpoint serves" in str(step) for step in told(world, status).next_steps) is left


@pytest.mark.parametrize(
    ("signal", "again"),
    [
        ({}, "retraining retrain --model fraud"),
        ({"kind": SignalKind.ROLLBACK}, "retraining rollback --model fraud --reason '<why>' --stack"),
        ({"kind": SignalKind.ROLLBACK, "to": "run-0"}, "retraining rollback --model fraud --reason '<why>' --to run-0"),
    ],
)
def test_who_is_to_ask_again_is_told_what_was_asked_for(signal: dict[str, Any], again: str, world: World) -> None:
    planned(world, **signal)
    had(world, Status.ROLLED_BACK)
    assert any(again in str(step) for step in told(world, Status.ROLLED_BACK).next_steps)


# What asks people.


def parked(world: World, kind: WaitKind, subject: str = "", result: Result | None = None, **asked: Any) -> Wait:
    until = (NOON + timedelta(hours=24)).isoformat()
    data = {**ASKED, "nonces": [], **asked} if kind is WaitKind.APPROVAL else {}
    wait = Wait(kind, subject, "run-1", "fraud", "token", "arn", NOON.isoformat(), until, until, data=data)
    wait = wait if result is None else settled(wait, result)
    assert world.table.park(wait, look_due(world.ports, wait)) is None
    return wait


@pytest.mark.parametrize("resolved", [False, True])
@pytest.mark.parametrize(
    ("status", "subject"),
    [
        (Status.TRAINING_APPROVAL_REQUESTED, "training"),
        (Status.PROMOTION_APPROVAL_REQUESTED, "promotion"),
        (Status.BAKE_APPROVAL_REQUESTED, "bake"),
    ],
)
def test_a_question_is_told_with_the_way_to_answer_while_it_is_open(
    status: Status, subject: str, resolved: bool, world: World
) -> None:
    begin(world)
    had(world, status)
    assert told(world, status).next_steps == ()
    parked(world, WaitKind.APPROVAL, subject, rejected() if resolved else None)
    message = told(world, status)
    assert any("retraining approve run-1 " in str(step) for step in message.next_steps) is not resolved
    assert (message.asks, message.title.startswith("Approve or reject ")) == (not resolved, not resolved)


@pytest.mark.parametrize(
    ("subject", "facts"),
    [
        ("training", {"may answer": "ana"}),
        ("promotion", {"gate auc": "0.9, has to be at least 0.7: pass", "may answer": "ana"}),
    ],
)
def test_who_is_asked_to_promote_sees_the_gates_and_everybody_who_may_answer(
    subject: str, facts: dict[str, str], world: World
) -> None:
    gate = {"name": "auc", "metric": "auc", "value": 0.9, "comparison": ">=", "bound": 0.7, "passed": True}
    wait = parked(world, WaitKind.APPROVAL, subject, verdict={"gates": [gate]}, voters=["ana"])
    tell(world.ports, ladder_told(wait, LadderAction.REMIND, NOON))
    (message,) = world.told("APPROVAL_REMINDED")
    assert {name: said for name, said in message.facts if name in {"gate auc", "may answer"}} == facts


def rejected() -> Result:
    return Result.of({"next": "record", "reason": "No.", "outcome": "APPROVAL_REJECTED"})


@pytest.mark.parametrize(
    ("action", "status", "title", "runbook"),
    [
        (
            LadderAction.REMIND,
            "APPROVAL_REMINDED",
            "Undecided: approve or reject the promotion by 2026-03-03 12:00 UTC",
            False,
        ),
        (
            LadderAction.ESCALATE,
            "APPROVAL_ESCALATED",
            "Undecided: approve or reject the promotion by 2026-03-03 12:00 UTC",
            True,
        ),
    ],
)
def test_a_step_of_the_ladder_is_told_with_the_time_that_is_left(
    action: LadderAction, status: str, title: str, runbook: bool, world: World
) -> None:
    wait = parked(world, WaitKind.APPROVAL, "promotion")
    world.clock.forward(hours=5)
    tell(world.ports, ladder_told(wait, action, NOON))
    (message,) = world.told(status)
    assert (message.model, message.title, message.escalates, message.thread) == ("fraud", title, runbook, "run-1")
    assert "19 h 0 min are left, then the answer is no." in message.sentence
    assert dict(message.facts) == {
        "run": "run-1",
        "deadline": "2026-03-03 12:00 UTC",
        "manifest": ASKED["manifest_uri"],
    }
    assert (world.ports.settings.speaker.runbook("approval-undecided") in message.next_steps) == runbook
    assert any("retraining approve run-1 " in str(step) for step in message.next_steps)


@pytest.mark.parametrize("there", ["over", "never", "of another kind"])
def test_a_step_of_an_approval_that_is_over_or_never_was_is_not_told(there: str, world: World) -> None:
    wait = Wait(WaitKind.APPROVAL, "promotion", "run-1", "fraud", "token", "arn", "t", "t", "t")
    if there == "over":
        wait = parked(world, WaitKind.APPROVAL, "promotion", rejected())
    elif there == "of another kind":
        wait = parked(world, WaitKind.BAKE)
    tell(world.ports, ladder_told(wait, LadderAction.REMIND, NOON))
    assert world.channels.messages == []


# A message that carries its own fact.


@pytest.mark.parametrize("model", [None, "fraud"])
def test_a_message_is_sent_as_it_was_written_after_what_is_kept_with_it(model: str | None, world: World) -> None:
    message = Message(model, "PAUSED", "title", "Sentence.", (("a", "b"),), ("Do.",), escalates=True, thread="run-1")
    item = message_told(message, NOON, kept={"rejected/x.json": {"event": 1}})
    assert item.model == (model or "-")
    world.table.add_due(item)
    (stored,) = world.due(DueKind.TELL)
    tell(world.ports, stored)
    assert [asdict(sent) for sent in world.channels.messages] == [asdict(message)]
    assert world.read("rejected/x.json") == {"event": 1}
    tell(world.ports, message_told(message, NOON))
    assert len(world.channels.messages) == 2


@pytest.mark.threat("role-misused")
def test_what_a_vote_has_people_told_writes_no_document_and_no_record_but_an_approvals(world: World) -> None:
    """The function that people reach may write its item; what it writes in the bucket IAM limits, and here nothing else."""
    head = world.table.chain_head("fraud")
    forged = Record(RecordKind.APPROVAL, "evidence/fraud/approval-run/outcome.json", {"outcome": "PROMOTED"})
    links = chained(head, forged)
    row = StatusRow(Status.TRAINING_APPROVED, NOON.isoformat(), "Yes.", None, None)
    assert world.table.add_status("run-1", row, world.table.chain_writes(head, links))
    message = Message("fraud", "APPROVAL_COUNTED", "title", "Sentence.")
    kept = message_told(message, NOON, kept={"rejected/x.json": {}})

    for item in (kept, message_told(message, NOON, links)):
        with pytest.raises(OrchestrationError, match="nothing was written"):
            tell(world.ports, replace(item, partition=APPROVALS))
    assert (world.keys(), world.channels.messages) == ([], [])
    tell(world.ports, replace(message_told(message, NOON), partition=APPROVALS))
    assert (world.keys(), world.channels.messages) == ([], [message])


@pytest.mark.threat("role-misused")
def test_what_is_kept_with_a_message_is_an_event_that_came_to_nothing_and_no_evidence(world: World) -> None:
    kept: dict[str, Any] = {"rejected/x.json": {}, "evidence/fraud/run-1/outcome.json": {}}
    with pytest.raises(OrchestrationError, match=r"no evidence/fraud/run-1/outcome\.json: nothing was written"):
        tell(world.ports, message_told(Message("fraud", "PAUSED", "title", "Sentence."), NOON, kept=kept))
    assert (world.keys(), world.channels.messages) == ([], [])


# A decision.


def test_a_decision_that_was_written_over_before_it_was_told_reaches_neither_bucket_nor_channel(world: World) -> None:
    record = {
        "signal_id": "5" * 32,
        "run_id": "run-1",
        "model": "fraud",
        "decision": "SKIP",
        "reason": "SWITCHED_OFF",
        "sentence": "It is switched off.",
        "severity": "warning",
    }
    head = world.table.chain_head("fraud")
    links = chained(head, Record(RecordKind.DECISION, "decisions/fraud/1.json", record))
    seen = seen_signal(record, links, told=True, event=None)
    state = world.table.model("fraud")
    assert world.table.commit_decision(state, seen, world.table.chain_writes(head, links), now=NOON) is Commit.DONE
    written_over(world, 1)
    with pytest.raises(OrchestrationError, match="not the one that was committed"):
        tell(world.ports, signal_told("5" * 32, "fraud", NOON))
    assert (world.keys(), world.channels.events) == ([], [])


def test_a_decision_is_told_to_programs_and_where_it_says_so_to_people(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    for severe, status, messages in ((0.9, "RETRAINING_DECIDED", 1), (0.1, "SIGNAL_OBSERVE", 0)):
        world = new_world()
        about = resources_of(world, monkeypatch)
        do(world, "admit", event=drift(observed=severe, report_uri="s3://amzn-s3-demo-bucket/r.json"))
        (record,) = world.chain("churn")
        manifest = "s3://automation/manifests/churn/run-1.json" if messages else None
        (event,) = world.channels.events
        assert event == {
            "schema_version": 1,
            "id": f"run-1:{status}",
            "run_id": "run-1",
            "model": "churn",
            "status": status,
            "previous_status": None,
            "reason": record["sentence"],
            "severity": record["severity"],
            "manifest_uri": manifest,
        }
        assert about == [[MACHINE]]
        assert len(world.channels.messages) == messages
        for message in world.channels.messages:
            facts = dict(message.facts)
            assert (message.model, message.sentence, message.thread) == ("churn", record["sentence"], "run-1")
            assert dict(message.facts)["signal"] == record["signal_id"]
            assert {name: facts[name] for name in ("run", "metric", "observed", "threshold", "manifest")} == {
                "run": "run-1",
                "metric": "psi",
                "observed": "0.9",
                "threshold": "0.2",
                "manifest": manifest,
            }
            assert facts["record"].startswith("s3://automation/decisions/churn/")
            assert not {"endpoint", "dataset", "event"} & facts.keys()
            assert world.read("runs/churn/run-1/inputs/event.json")["detail"]["observed"] == severe


def test_a_rejected_event_is_kept_with_the_reason_and_is_no_runs_input(world: World) -> None:
    do(world, "admit", event={"source": "mlops.drift", "detail-type": "Drift Detected", "detail": {"model": "fraud"}})
    (key,) = world.keys("rejected/")
    kept = world.read(key)
    assert kept["event"]["detail"] == {"model": "fraud"}
    assert kept["sentence"] == world.channels.events[0]["reason"]
    assert world.keys("runs/") == []
    (message,) = world.channels.messages
    facts = dict(message.facts)
    assert facts["event"] == f"s3://automation/{key}"
    # No run is found by the name of an execution that began none.
    assert (facts["execution"], "run" in facts, message.thread) == ("run-1", False, "run-1")


def test_drift_right_after_a_promotion_is_told_as_a_frozen_model_only(world: World) -> None:
    world.put("policies/churn.json", {"schema_version": 1, "model": "churn", "breaker": {"drift_again_hours": 48}})
    world.table.save_model(replace(world.table.model("churn"), promoted_at=(NOON - timedelta(hours=1)).isoformat()))
    do(world, "admit", event=drift())
    (record,) = world.chain("churn")
    assert record["reason"] == "DRIFT_AFTER_PROMOTION"
    (message,) = world.channels.messages
    assert message.status == "FROZEN"
    assert record["sentence"] in message.sentence


def test_a_signal_that_was_forgotten_is_not_told(world: World) -> None:
    tell(world.ports, signal_told("0" * 32, "churn", NOON))
    assert (world.channels.events, world.channels.messages) == ([], [])


# Lines that alarms and metrics count, or that a runbook has people look for.


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[dict[str, Any]]]:
    """Lines of the log by their message: their fields."""
    caplog.set_level(logging.INFO, "orchestration")
    return lambda message: [vars(line) for line in caplog.records if line.getMessage() == message]


def holds(line: dict[str, Any], **fields: Any) -> bool:
    return {name: line[name] for name in fields} == fields


def test_a_decision_and_the_end_of_its_run_are_counted(
    world: World, lines: Callable[[str], list[dict[str, Any]]]
) -> None:
    stories.decided(world)
    (line,) = lines("SignalDecided")
    assert holds(line, decision="RETRAIN", model="fraud", run_id="run-1", severity="critical")
    assert line["reason"]
    assert len(line["signal_id"]) == 32
    world.clock.forward(seconds=90)
    do(world, "close", failure={"error": "Boom", "cause": "The end."})
    (line,) = lines("RunEnded")
    assert holds(line, outcome="FAILED", seconds=90.0, model="fraud", run_id="run-1")
    assert holds(lines("RunStatusChanged")[-1], run_id="run-1", model="fraud", status="FAILED", escalates=True)


def test_a_run_without_an_end_has_lasted_no_time_and_failed() -> None:
    assert run_ended(RUN) == {"run_id": "run-1", "model": "fraud", "outcome": "FAILED", "seconds": 0.0}
    ended = replace(RUN, outcome="PROMOTED", ended_at=(NOON + timedelta(seconds=1.5)).isoformat())
    assert run_ended(ended) == {**run_ended(RUN), "outcome": "PROMOTED", "seconds": 1.5}


def test_what_a_sweep_made_up_for_is_counted_and_what_was_only_due_is_not_lost(
    world: World, lines: Callable[[str], list[dict[str, Any]]]
) -> None:
    stories.decided(world)
    world.executions.statuses[execution_arn("run-1")] = "ABORTED"
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert holds(lines("SweepRepaired")[0], repair="dead_run_settled", subject="run-1", lost=True)
    assert set(lines("WaitsObserved")[0]) >= {"approvals_waiting", "approval_wait_percent"}
    assert "oldest_queued_seconds" in lines("WaitsObserved")[0]


@pytest.mark.parametrize(
    ("worked", "lost"),
    [
        ("approval_advanced", False),
        ("approval_withdrawn", False),
        ("pending_signal_raised", False),
        ("request_raised", False),
        ("event_replayed", False),
        ("wait_answered", True),
        (None, None),
    ],
)
def test_what_a_sweep_did_is_noted_and_only_what_was_lost_is_counted(
    worked: str | None,
    lost: bool | None,
    world: World,
    lines: Callable[[str], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(WORKERS, DueKind.LOOK, lambda _ports, _item: Worked(repair=worked))
    world.table.add_due(due(DueKind.LOOK, "run-1:slot", "fraud", NOON))
    assert do(world, "sweep")["repairs"] == ({worked: 1} if worked else {})
    assert [(line["repair"], line["lost"]) for line in lines("SweepRepaired")] == ([(worked, lost)] if worked else [])
    noted = [item["kind"]["S"] for key, item in world.database.items.items() if key[0] == "REPAIRS"]
    assert noted == ([worked] if worked else [])


def test_what_failed_in_a_sweep_and_what_was_not_decided_can_be_looked_up(
    world: World, lines: Callable[[str], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise ValueError

    monkeypatch.setattr(world.alarms, "turned_red", fails)
    world.table.note_listed("alarms", {"until": (NOON - timedelta(days=1)).isoformat()}, [])
    world.table.add_due(due(DueKind.LOOK, "no wait id", "aaa", NOON))
    with pytest.raises(RuntimeError, match="2 piece"):
        do(world, "sweep")
    assert holds(lines("DueWorkFailed")[0], kind="look", subject="no wait id")
    assert holds(lines("SweepPartFailed")[0], what="listing alarms")
    do(world, "close", "run-9", failure={"error": "Boom", "cause": "The end."}, event={})
    assert holds(lines("SignalUndecided")[0], run_id="run-9", reason="It failed with Boom: The end.")
