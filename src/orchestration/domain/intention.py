"""Intentions: the committed plan of an effect, open until its verdict. Pure.

An effect that stops half-way is found by its intention. It ages: before ``settles_at`` the function that made it may
still be at work, so nobody concludes that nothing happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

HAND_TIMEOUT: Final = timedelta(seconds=60)
"""How long PromotionFunction may run; the template's Timeout is the same number, a contract test compares them."""

MARGIN: Final = timedelta(seconds=30)
"""For clocks that differ and for an update SageMaker shows a moment after it took it."""


class IntentionState(StrEnum):
    """OPEN until the effect has its verdict; ABANDONED when its run was closed and nobody knows what came of it."""

    OPEN = "OPEN"
    ABANDONED = "ABANDONED"


@dataclass(frozen=True, slots=True)
class Intention:
    """What one run is about to change, or has changed without a verdict yet.

    ``subject`` is ``endpoint:<name>`` or ``training:<run>``; ``sequence`` the model's chain sequence at its opening, which
    orders it with signals. Times are ISO-8601 in UTC.
    """

    subject: str
    run_id: str
    model: str
    execution_arn: str
    opened_at: str
    settles_at: str
    sequence: int
    wanted: str = ""
    previous: str = ""
    state: str = IntentionState.OPEN

    def settled(self, now: datetime) -> bool:
        """True when the function that opened it cannot be at work any more."""
        return now >= datetime.fromisoformat(self.settles_at)


def settles_at(opened: datetime) -> datetime:
    """When an intention opened now may be judged by what is to be seen."""
    return opened + HAND_TIMEOUT + MARGIN


def endpoint_subject(endpoint: str) -> str:
    """Subject of the intention to change an endpoint: one at a time, whatever run or model it is of."""
    return f"endpoint:{endpoint}"


def training_subject(run_id: str) -> str:
    """Subject of the intention to start a run's training."""
    return f"training:{run_id}"
