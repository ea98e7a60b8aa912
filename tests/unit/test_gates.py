"""A gate as people are shown it: with the champion's number, how far its own may be off, and what has to be passed."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.domain.gates import gate_shown

GATE = {
    "name": "auc in slice north against champion",
    "metric": "auc",
    "comparison": ">= champion",
    "value": 0.9,
    "bound": 0.85,
    "lower": 0.88,
    "upper": 0.92,
    "passed": True,
    "sentence": "It is better.",
}
VERDICT = {"champion_metrics": {"auc": 0.7, "auc in slice north": 0.8}}


def test_a_gate_of_a_slice_is_shown_beside_the_champions_number_for_it() -> None:
    gate = gate_shown(GATE, VERDICT)
    assert (gate.candidate, gate.champion, gate.comparison) == (0.9, 0.8, ">=")
    assert (gate.passed, gate.sentence) == (True, "It is better.")
    assert gate_shown({**GATE, "name": "auc at least 0.85"}, VERDICT).champion == 0.7


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ({}, 0.83),
        ({"comparison": "<"}, 0.87),
        ({"value": None}, 0.85),
        ({"bound": None}, None),
        ({"lower": None}, 0.85),
        ({"lower": None, "comparison": "<"}, 0.87),
    ],
)
def test_what_has_to_be_passed_is_further_by_how_far_the_number_may_be_off(
    more: dict[str, Any], needed: float | None
) -> None:
    assert gate_shown({**GATE, **more}, VERDICT).needed == (None if needed is None else pytest.approx(needed))


def test_a_gate_without_a_sentence_has_none() -> None:
    assert gate_shown({**GATE, "sentence": None}, VERDICT).sentence == ""
