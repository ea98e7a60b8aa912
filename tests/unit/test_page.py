"""What pages show: a value that is not known says so, and a table breaks long words alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from orchestration.domain.page import NOT_KNOWN, Table, known, table_html


@pytest.mark.parametrize(
    ("value", "said"), [(None, NOT_KNOWN), ("", NOT_KNOWN), (0, "0"), (False, "False"), ("a", "a")]
)
def test_a_value_that_is_not_known_says_so(value: Any, said: str) -> None:
    assert known(value) == said


@pytest.mark.parametrize(
    ("cell", "whole"),
    [("a " * 30, True), ("w" * 18, True), ("w" * 19, False), (f"short {'w' * 19}", False)],
)
def test_a_table_breaks_no_word_that_an_outcome_could_be(cell: str, whole: bool) -> None:
    page = table_html(Table("Runs", ("Run", "What"), (("run-1", cell.strip()),)))
    (style,) = re.findall(r'<td class="([^"]+)"', page)
    assert ("whole" in style.split()) is whole
