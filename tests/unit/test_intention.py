"""Intentions: how long nobody concludes that nothing happened."""

from __future__ import annotations

from datetime import timedelta

from orchestration.domain.intention import Intention, settles_at
from tests.unit.fakes import NOON


def test_an_intention_may_be_judged_when_its_function_is_over_and_clocks_may_have_differed() -> None:
    opened = Intention("endpoint:a", "run-1", "churn", "arn:run-1", NOON.isoformat(), settles_at(NOON).isoformat(), 1)

    assert not opened.settled(NOON + timedelta(seconds=60 + 30, microseconds=-1))
    assert opened.settled(NOON + timedelta(seconds=60 + 30))
