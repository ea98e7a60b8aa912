"""The decision records: one form, numbers that are given once, an index that says them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.decision_records import DecisionRecord, faults, index, kept
from ops.project import ROOT

GOOD = "# 0007 A thing\n\nDate: 2026-11-27. Status: accepted; changed by 0009.\n\n**Context.** A.\n\n**Decision.** B.\n\n**Consequences.** C.\n"


def record(number: str = "0007", text: str = GOOD) -> DecisionRecord:
    return DecisionRecord(f"{number}-a-thing.md", text)


def test_the_projects_records_keep_to_the_form() -> None:
    records = kept(ROOT / "docs" / "decisions")

    assert len(records) > 20
    assert faults(records) == ()


def test_a_record_in_the_form_has_no_fault_and_stands_in_the_index_with_date_and_status() -> None:
    assert faults([record()]) == ()
    assert "| [0007](0007-a-thing.md) | A thing | 2026-11-27 | accepted; changed by 0009 |\n" in index([record()])


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("# 0007 A", "# 0007: A", "begins with"),
        ("# 0007", "# 0008", "begins with"),
        ("A thing", "A thing.", "begins with"),
        ("Date: 2026-11-27. ", "", "third line"),
        ("accepted;", "agreed;", "third line"),
        ("accepted; changed by 0009.", "accepted", "third line"),
        ("**Consequences.**", "**Left.**", "parts Context, Decision, Consequences"),
        ("**Decision.** B.\n\n**Consequences.**", "**Consequences.** B.\n\n**Decision.**", "in this order"),
    ],
)
def test_what_is_not_the_form_is_said(written: str, instead: str, said: str) -> None:
    (fault,) = faults([record(text=GOOD.replace(written, instead))])

    assert fault.startswith("docs/decisions/0007-a-thing.md: ")
    assert said in fault


def test_a_number_that_two_records_have_is_said() -> None:
    other = DecisionRecord("0007-another.md", GOOD)

    assert faults([record(), other]) == ("docs/decisions: two records have the number 0007",)


def test_a_gap_between_numbers_is_said_in_the_index_once() -> None:
    first, later = (record(number, GOOD.replace("0007", number)) for number in ("0002", "0005"))

    assert index([first, later]).count("The numbers 0003 to 0004 were never given.") == 1
    assert "never given" not in index([first])


def test_the_index_is_not_a_record(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Decisions\n", encoding="utf-8")
    (tmp_path / "0007-a-thing.md").write_text(GOOD, encoding="utf-8")

    assert kept(tmp_path) == (record(),)
