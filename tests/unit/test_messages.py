"""What people read: every kind of message as it is written, and what no message may be."""

from __future__ import annotations

import inspect
import re
import shlex

import pytest

from orchestration.domain import messages
from orchestration.domain.commands import Place
from orchestration.domain.contracts import Status
from orchestration.domain.messages import HAPPENED, Speaker, run_status
from orchestration.domain.notification import Message, Page
from tests.unit.message_snapshots import SNAPSHOT, SPEAKER, cases, written

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
    if message.status in messages.ASKS:
        assert message.asks
        assert "by 2026-03-03 14:00 UTC" in message.subject


def test_a_stack_without_the_address_of_a_runbook_names_the_section_in_words() -> None:
    bare = Speaker(SPEAKER.place, SPEAKER.state_machine_arn, "docs/runbook.md")
    assert (
        bare.runbook("NO_CAPACITY") == 'Runbook of this release (in the project: docs, runbook), section "No capacity".'
    )
    linked = SPEAKER.runbook("NO_CAPACITY")
    assert linked == Page('Runbook, section "No capacity"', "https://example.com/runbook#no-capacity")


def test_words_of_others_never_reach_a_subject() -> None:
    for status in Status:
        told = run_status(
            SPEAKER, status=status, run_id="run-1", model="fraud", sentence="It broke: EVIL {json}", facts={}
        )
        assert "EVIL" not in told.subject


def test_a_quote_in_the_name_of_a_run_stays_one_argument() -> None:
    speaker = Speaker(Place("s", "r"), SPEAKER.state_machine_arn, "")
    approve, _ = messages.how_to_decide(speaker, "it's")
    assert shlex.split(approve.removeprefix("To approve: "))[:3] == ["retraining", "approve", "it's"]
