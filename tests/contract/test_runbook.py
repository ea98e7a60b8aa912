"""Every anchor that a message or an alarm can name is a section of the runbook, and every section has a source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

import pytest

from orchestration.domain.commands import Place
from orchestration.domain.contracts import Decision, Status
from orchestration.domain.messages import Speaker, run_status, signal_decided
from orchestration.domain.notification import Message, Page
from tests.contract.template import ROOT, Template

RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SOURCES: Final = sorted((ROOT / "src" / "orchestration").rglob("*.py"))
PARTS: Final = ("Means.", "Look.", "Do.")

SECTIONS: Final = {
    re.sub(r"[^a-z0-9 -]", "", title.lower()).strip().replace(" ", "-"): body
    for title, body in re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
}
"""Sections by the anchor that a Markdown viewer gives their heading."""


def anchor(address: str) -> str:
    """The anchor at the end of an address, or of a text that ends in one."""
    return address.rsplit("#", 1)[1]


def linked(message: Message) -> str:
    """The anchor that the last step of a message links to."""
    page = message.next_steps[-1]
    assert isinstance(page, Page)
    return anchor(page.address)


def written_out() -> set[str]:
    """Anchors that stand as such in a source, in the state machine or in an alarm."""
    found: set[str] = set()
    for path in [*SOURCES, ROOT / "statemachine.asl.json"]:
        found |= set(re.findall(r'(?:runbook\("|RunbookUrl\}#)([a-z-]+)', path.read_text(encoding="utf-8")))
    return found


def alarms() -> dict[str, str]:
    """Alarms with their anchors."""
    resources = Template.read().resolve().of_type("AWS::CloudWatch::Alarm")
    return {name: anchor(resource["Properties"]["AlarmDescription"]) for name, resource in resources.items()}


def held_and_rejected() -> Iterator[tuple[Decision, str]]:
    """Decisions on which people are told a reason, read off the places that make them."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            arguments = node.args + [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            if called == "GuardVerdict" and ast.unparse(arguments[1]) == "Decision.HOLD":
                yield from ((Decision.HOLD, reason) for reason in _codes(arguments[2]))
            if called == "Rejection.of":
                yield from ((Decision.REJECT, reason) for reason in _codes(arguments[0]))
            if called == "reject" and path.name == "decision_file.py":
                yield from ((Decision.REJECT, reason) for reason in _codes(arguments[0]))


def _codes(node: ast.expr) -> list[str]:
    """Reason codes an expression can have; an expression without any hands on one that was found elsewhere."""
    return [
        leaf.attr for leaf in ast.walk(node) if isinstance(leaf, ast.Attribute) and ast.unparse(leaf.value) == "Reason"
    ]


def in_messages() -> set[str]:
    """Anchors of the messages themselves, made by the code that sends them."""
    speaker = Speaker(Place("stack", "region"), "arn", "https://book")
    held = {
        linked(
            signal_decided(
                speaker,
                {"decision": decision, "reason": reason, "sentence": "-", "model": "fraud", "signal_id": "s-1"},
                {},
            )
        )
        for decision, reason in held_and_rejected()
    }
    escalated = {
        linked(run_status(speaker, status=status, run_id="run-1", model="fraud", sentence="-", facts={}))
        for status in Status
        if status.escalates
    }
    return held | escalated


def test_every_anchor_of_a_message_is_a_section() -> None:
    assert sorted((written_out() | in_messages()) - set(SECTIONS)) == []


def test_every_alarm_says_its_symptom_and_ends_in_a_section() -> None:
    assert {name: section for name, section in alarms().items() if section not in SECTIONS} == {}


def test_every_section_has_a_source() -> None:
    assert sorted(set(SECTIONS) - written_out() - in_messages() - set(alarms().values())) == []


def test_the_reasons_are_found_where_they_are_made() -> None:
    """A reader that finds nothing would make the tests above pass."""
    found = {reason for _, reason in held_and_rejected()}

    assert {"PAUSED", "BUDGET_SPENT", "UNKNOWN_MODEL", "EVENT_TOO_LARGE", "DECISION_FILE_MISSING"} <= found


@pytest.mark.parametrize("section", list(SECTIONS))
def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do(section: str) -> None:
    assert tuple(re.findall(r"\*\*(.+?)\*\*", SECTIONS[section])) == PARTS


def test_every_command_of_the_runbook_can_be_pasted_once_its_placeholders_are_filled() -> None:
    """A command that names a stack, or the Region; a mere name of one, such as ``retraining pause``, has neither."""
    blocks = "".join(re.findall(r"^ *```sh\n(.*?)```", RUNBOOK, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    commands = [*re.findall(r"`((?:retraining|aws) [^`]*)`", RUNBOOK), *map(str.strip, blocks.splitlines())]
    assert len(commands) > 50
    assert any(command.startswith("aws dynamodb create-table ") for command in commands)

    assert [
        command
        for command in commands
        if len(command.split()) > 2
        and not command.endswith(
            "--stack <stack> --region <region>" if command.startswith("r") else "--region <region>"
        )
    ] == []
