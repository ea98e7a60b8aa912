"""A gate as people are shown it, of a verdict's record. Pure.

Apart from the report of a run, which only the end of one makes: what asks people shows gates, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.channel_text import cut
from orchestration.domain.json_values import mapping, number

if TYPE_CHECKING:
    from collections.abc import Mapping

SENTENCE_SHOWN: Final = 300
NAME_SHOWN: Final = 120
"""Characters of a sentence and of a name."""


@dataclass(frozen=True, slots=True)
class GateShown:
    """A gate, with what it compared. ``lower`` and ``upper``: how far the value may be off; ``needed``: what they have to be beyond."""

    name: str
    candidate: float | None
    champion: float | None
    comparison: str
    bound: float | None
    lower: float | None
    upper: float | None
    needed: float | None
    passed: bool
    sentence: str


def gate_shown(gate: dict[str, Any], verdict: Mapping[str, Any]) -> GateShown:
    """A gate of a verdict, with the champion's number beside it."""
    value, bound, lower, upper = (number(gate.get(name)) for name in ("value", "bound", "lower", "upper"))
    name = str(gate.get("name"))
    part = name.partition(" in slice ")[2].partition(" against ")[0]
    champion = mapping(verdict.get("champion_metrics"))
    metric = str(gate.get("metric"))
    comparison = str(gate.get("comparison"))
    edge = upper if "<" in comparison else lower
    # The stricter bound is as far from what is asked as the value's own bound is from the value.
    needed = bound - value + edge if None not in (value, bound, edge) else bound  # type: ignore[operator] # none is None here
    return GateShown(
        name=cut(name, NAME_SHOWN),
        candidate=value,
        champion=number(champion.get(f"{metric} in slice {part}" if part else metric)),
        comparison=comparison[:2],
        bound=bound,
        lower=lower,
        upper=upper,
        needed=needed,
        passed=bool(gate.get("passed")),
        sentence=cut(str(gate.get("sentence") or ""), SENTENCE_SHOWN),
    )
