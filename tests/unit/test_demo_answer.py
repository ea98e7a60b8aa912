"""Whoever is asked in the terminal and on a page: the first answer that counts is the one, and a question that is over ends."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops import demo
from ops.review.desk import Cast
from ops.terminal import Terminal
from tests.unit import stories
from tests.unit.commands import WorldStack
from tests.unit.fakes import World


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What types at the terminal that is asked."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda text: os.write(ours, text.encode())
    os.close(ours)


@pytest.fixture
def asked(world: World) -> World:
    """Run run-1 of fraud asks people to promote its candidate."""
    world.clock.time = datetime.now(UTC)
    stories.asked(world)
    return world


def answer(world: World, casts: list[Cast]) -> Cast | None:
    desk = cast("Any", SimpleNamespace(casts=casts))
    return demo._answer(demo.Story(Terminal()), cast("Any", WorldStack(world)), desk, "run-1")


@pytest.mark.parametrize(
    ("typed", "decision", "comment"),
    [
        ("y\nseen\n", "APPROVED", "seen"),
        ("\n\n", "APPROVED", ""),
        ("maybe\nno\nlate\n", "REJECTED", "late"),
        ("\x04\n", "REJECTED", ""),
    ],
)
def test_what_is_typed_is_counted(typed: str, decision: str, comment: str, asked: World, typing: Any) -> None:
    typing(typed)

    found = answer(asked, [])

    assert found is not None
    assert (found.decision, found.counted) == (decision, True)
    (vote,) = next(w for w in asked.table.waits_of_run_without_tokens("run-1") if w.subject == "promotion").data[
        "votes"
    ]
    assert (vote["answer"], vote["comment"]) == (decision, comment)


@pytest.mark.parametrize("typed", ["", "y\n", "maybe\n"])
def test_an_answer_on_the_page_ends_the_question(typed: str, asked: World, typing: Any) -> None:
    typing(typed)
    lost, counted = Cast("run-1", "APPROVED"), Cast("run-1", "REJECTED", "Rejected by ana.", counted=True)

    assert answer(asked, [lost, counted]) is counted
    assert (
        next(w for w in asked.table.waits_of_run_without_tokens("run-1") if w.subject == "promotion").data["votes"]
        == []
    )
