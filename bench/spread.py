"""Numbers measured more than once: their median, the least and the most."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """What was measured ``count`` times."""

    count: int
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of some numbers.

        Raises:
            ValueError: there is none.
        """
        return cls(len(values), statistics.median(values), min(values), max(values))

    def text(self, scale: float, unit: str, digits: int = 0) -> str:
        """As a table has it: ``120 ms (100 to 140)``."""
        median, least, most = (f"{value * scale:.{digits}f}" for value in (self.median, self.least, self.most))
        return f"{median} {unit} ({least} to {most})"
