"""What people read: every kind of message as it is written, and what no message may be."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
from dataclasses import replace

import pytest

from orchestration.domain import messages
from orchestration.domain.commands import Place
from orchestration.domain.contracts import Decision, Status
from orchestration.domain.messages import HAPPENED, Speaker, run_status
from orchestration.domain.notification import Message, Page
from orchestration.domain.reasons import Reason
from tests.unit.message_snapshots import SNAPSHOT, SPEAKER, UNTIL, cases, written

ALL = [pytest.param(message, id=f"{kind} {what}") for kind, what, message in cases()]
COMMAND = re.compile(r"\bretraining [a-z-]+ .*$", re.MULTILINE)


def test_every_message_is_as_the_committed_snapshot_has_it() -> None:
    """Written anew with: PYTHONPATH=src .venv/bin/python -m tests.unit.message_snapshots."""
    assert written() == SNAPSHOT.read_text(encoding="utf-8")


def test_every_kind_of_message_is_in_the_snapshot() -> None:
    kinds = {
        name
        for name, function in inspect.getmembers(messages, inspect.isfunction)
        if function.__module__ == messages.__name__ and function.__annotations__.get("return") == "Message"
    }
    assert kinds == {kind for kind, _, _ in cases()}
    assert set(HAPPENED) == set(Status)


@pytest.mark.parametrize("message", ALL)
def test_a_message_is_english_with_an_end_and_no_data(message: Message) -> None:
    text = message.text()
    assert re.search(r"[.!?…]$", message.sentence), message.sentence
    assert ".." not in re.sub(r"'\.\.\.'", "", text).replace("...", ""), text
    assert "unknown against" not in text
    assert not re.search(r'^\s*[{"\[]', text, re.MULTILINE), text
    assert "None" not in text


@pytest.mark.parametrize("message", ALL)
def test_a_subject_says_what_happened_in_words(message: Message) -> None:
    assert len(message.subject) <= 99
    assert message.subject.isascii()
    assert not re.search(r"[A-Z]+_[A-Z]+|[{}]|\b(HTTP )?[45]\d\d\b", message.subject), message.subject
    assert not message.subject.endswith("...")


@pytest.mark.parametrize("message", ALL)
def test_every_command_of_a_message_reaches_its_stack(message: Message) -> None:
    """It stands at the end of its line, so that nothing is copied with it."""
    commands = COMMAND.findall("\n".join(step for step in message.next_steps if isinstance(step, str)))
    assert message.text().count("--stack") == len(commands)
    for command in commands:
        assert shlex.split(command)[-4:] == ["--stack", "retraining", "--region", "eu-west-1"]
        assert command in message.text()


@pytest.mark.parametrize("message", ALL)
def test_who_is_asked_or_called_is_told_what_to_do_and_reached_where_those_who_act_read(message: Message) -> None:
    if message.escalates or message.asks:
        assert message.next_steps
    if message.status in {*messages.ASKS, "APPROVAL_REMINDED", "APPROVAL_ESCALATED"}:
        assert message.asks is any("retraining approve " in str(step) for step in message.next_steps)
        assert message.asks is ("by 2026-03-03 14:00 UTC" in message.subject)


@pytest.mark.parametrize("message", [message for _, _, message in cases() if UNTIL in message.subject])
def test_until_when_is_in_the_subject_however_long_the_name_of_the_model_is(message: Message) -> None:
    told = replace(message, model="m" * 63, title=message.title.replace("promotion", "serving candidate"))
    assert "by 2026-03-03 14:00 UTC" in told.subject
    assert len(told.subject) <= 99


@pytest.mark.parametrize(
    "run_id",
    ["again.after.fix", "it's.retried later.ok", "a.b.co", "n.json", "a__b.c_d", "_x_", "it's __late__", "_" * 12],
)
def test_a_command_pasted_from_any_channel_names_the_run_whatever_it_is_called(run_id: str) -> None:
    counted = messages.approval_counted(
        SPEAKER, run_id=run_id, model="fraud", subject="bake", by="ana", sentence="Counted.", until=UNTIL
    )
    steps = json.loads(counted.chat())["content"]["nextSteps"]
    for line in [*counted.text().splitlines(), *steps]:
        if "retraining approve" in line:
            typed = line.partition("To approve: ")[2]
            read = subprocess.run(["bash", "-c", f"printf '%s\\n' {typed}"], capture_output=True, text=True, check=True)  # noqa: S603, S607 - as a person pastes it
            assert read.stdout.split("\n")[:3] == ["retraining", "approve", run_id]
    assert not re.search(r"[a-z]\.[a-z]{2,}", re.sub(r"https?://\S+|\.json", "", counted.text()))


@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED, Status.ROLLED_BACK])
def test_whoever_asked_to_go_back_is_told_to_ask_that_again_and_no_training(status: Status) -> None:
    told = run_status(SPEAKER, status=status, run_id="r", model="fraud", sentence="So.", facts={}, goes_back=True)
    assert any(": retraining rollback --model fraud " in str(step) for step in told.next_steps)
    assert not any(" retrain " in str(step) for step in told.next_steps)


@pytest.mark.parametrize("reason", [Reason.PAUSED, Reason.NO_WAY_BACK, Reason.NO_ENDPOINT, Reason.FOREIGN_RESOURCE])
def test_a_held_rollback_is_asked_again_as_a_rollback(reason: Reason) -> None:
    record = {"decision": Decision.HOLD, "reason": reason, "model": "fraud", "signal_id": "s", "sentence": "So."}
    told = messages.signal_decided(SPEAKER, {**record, "signal": {"kind": "rollback"}}, {})
    assert sum(": retraining rollback --model fraud " in str(step) for step in told.next_steps) == 1
    assert not any(" retrain " in str(step) for step in told.next_steps)


def test_a_change_of_a_model_is_told_by_its_own_name_whatever_that_is() -> None:
    told = messages.switch_changed(SPEAKER, scope="model:global-1", what="paused", sentence="So.")
    assert told.subject == "[global-1] Model paused"


def test_a_stack_without_the_address_of_a_runbook_names_the_section_in_words() -> None:
    bare = Speaker(SPEAKER.place, SPEAKER.state_machine_arn, "docs/runbook.md")
    assert (
        bare.runbook("NO_CAPACITY") == 'Runbook of this release (in the project: docs, runbook), section "No capacity".'
    )
    plain = Speaker(SPEAKER.place, SPEAKER.state_machine_arn, "http://runbooks.example/r")
    assert plain.runbook("NO_CAPACITY") == Page(
        'Runbook, section "No capacity"', "http://runbooks.example/r#no-capacity"
    )
    linked = SPEAKER.runbook("NO_CAPACITY")
    assert linked == Page('Runbook, section "No capacity"', "https://example.com/runbook#no-capacity")


@pytest.mark.parametrize("sentence", ["", "It was stopped.", "It was stopped: somebody did."])
def test_a_run_that_was_stopped_is_not_said_to_be_so_twice(sentence: str) -> None:
    told = run_status(SPEAKER, status=Status.STOPPED, run_id="r", model="fraud", sentence=sentence, facts={})
    assert told.title == HAPPENED[Status.STOPPED]


@pytest.mark.parametrize("status", [Status.STOPPED, Status.TRAINING_QUEUED])
def test_a_run_that_a_pause_holds_or_ended_is_told_with_what_lifts_it(status: Status) -> None:
    told = run_status(
        SPEAKER, status=status, run_id="r", model="fraud", sentence="So.", facts={}, scopes=["model:fraud"]
    )
    assert sum(": retraining resume --scope model:fraud " in str(step) for step in told.next_steps) == 1


def test_a_bake_asks_about_the_candidate_that_serves() -> None:
    assert [messages.what_is_asked(subject) for subject in ("training", "promotion", "bake")] == [
        "training",
        "promotion",
        "serving candidate",
    ]


def test_words_of_others_never_reach_a_subject() -> None:
    for status in Status:
        told = run_status(
            SPEAKER, status=status, run_id="run-1", model="fraud", sentence="It broke: EVIL {json}", facts={}
        )
        assert "EVIL" not in told.subject


def test_a_run_that_goes_back_is_not_called_a_candidate() -> None:
    for status, title in messages.GOES_BACK.items():
        told = run_status(SPEAKER, status=status, run_id="run-1", model="fraud", sentence="-", facts={}, goes_back=True)
        assert title in told.subject
        assert "andidate" not in told.subject


def test_a_quote_in_the_name_of_a_run_stays_one_argument() -> None:
    speaker = Speaker(Place("s", "r"), SPEAKER.state_machine_arn, "")
    _, approve, _ = messages.how_to_decide(speaker, "it's", "training")
    assert shlex.split(approve.removeprefix("To approve: "))[:3] == ["retraining", "approve", "it's"]
