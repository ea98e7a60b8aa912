"""How long a monitor has not spoken, against how often it should. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Watch:
    """That a model's monitor is listened for. One item of the due list, named ``watch_id``, waits for its silence.

    ``since``: when it spoke last, or was first expected to, ISO-8601 in UTC; ``hours`` in which it should speak, 0 once it need not.
    """

    model: str
    since: str
    hours: float
    watch_id: str

    def silence(self, now: datetime) -> Silence | None:
        """Its silence at an aware datetime; None where nothing is expected."""
        return Silence(datetime.fromisoformat(self.since), now, self.hours) if self.hours else None


@dataclass(frozen=True, slots=True)
class Silence:
    """``since`` when, until ``now``; ``expected`` are the hours in which the monitor should have spoken."""

    since: datetime
    now: datetime
    expected: float

    @property
    def periods(self) -> int:
        """How often it should have spoken and did not."""
        return max(0, (self.now - self.since) // timedelta(hours=self.expected))

    @property
    def next_at(self) -> datetime:
        """When it will not have spoken once more."""
        return self.since + (self.periods + 1) * timedelta(hours=self.expected)
