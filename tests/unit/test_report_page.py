"""The page of a report: of the same records the same bytes, whoever makes it, until its version rises."""

from __future__ import annotations

import pytest

from orchestration.domain.page import html
from orchestration.domain.report_page import Scale
from orchestration.domain.run_report import REPORT_VERSION
from tests.unit.page_check import page_findings
from tests.unit.report_snapshots import PAGES, digest, held


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_that_changes_is_of_a_new_version(kind: str) -> None:
    """Written anew with: PYTHONPATH=src .venv/bin/python -m tests.unit.report_snapshots."""
    page = PAGES[kind]()
    assert page_findings(page) == []
    assert (REPORT_VERSION, digest(page)) == (held()["version"], held()["pages"][kind])


def test_a_number_alone_is_drawn_in_the_middle_and_others_with_room_at_the_ends() -> None:
    assert [Scale.of((value, None), 0, 100).x(value) for value in (0.0, 5.0, -5.0)] == pytest.approx([50, 50, 50])
    assert Scale.of((0.0, 10.0), 0, 116).x(0.0) == pytest.approx(8)


@pytest.mark.parametrize("text", ["\U0001fae8", "\u0378", "\U000323b0"])
def test_a_character_that_only_some_versions_of_python_know_is_the_same_on_every_page(text: str) -> None:
    """An audit makes a report again, maybe with another Python than the function that wrote it."""
    assert html(f"<{text}>") == f"&lt;{text}&gt;"


@pytest.mark.parametrize(
    "text", ["\u2067", "\u061c", "\u2064", "\U0001343f", "\u202e", "\u200b", "\ud800", "\u2028", "\x00"]
)
def test_what_hides_or_turns_text_around_is_seen_on_a_page_whenever_it_came_into_unicode(text: str) -> None:
    assert html(text) == text.encode("unicode_escape").decode()
