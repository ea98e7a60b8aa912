"""The loop itself as a policy: its own decisions, on the virtual clock of `ops.simulation`.

A chunk is a day. At the end of each the monitors speak, as the loop hears them: of the newest chunk whose labels are there, the error
against the bound of a quality alarm; of the chunk that ended, the largest stability index against that of a data alarm. Trainings take
no time and people answer at once, so that a cooldown of 24 hours is over at the end of the next chunk.
"""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bench.policies.play import ALARM_DRIFT, Begin, Past, Rule, Sight
from bench.policies.rules import Family, Kind, each
from ops.simulate import settings_of
from ops.simulation.loop import Asked, Ended, Loop
from ops.simulation.stated import Stated, StatedWorld
from orchestration.domain.contracts import SignalKind, SignalSource, Status
from orchestration.domain.policy import Policy, parse_policy
from orchestration.domain.signal import Signal, Threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.settings import Settings

MODEL: Final = "stream"
FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
FEEDS: Final = ("quality", "data", "quality and data")
"""Which monitors speak."""

NO_ANSWER: Final = 1000.0
"""Hours, longer than any approval waits."""

WARNINGS: Final = (1.0, 1.1, 1.25, 1.5, 2.0)
COOLDOWNS: Final = (24, 72, 168, 336)
BUDGETS: Final = (8, 4, 2, 0)
"""Values of today's keys that are tried. A severity below which nothing is done, hours, and runs in 30 days (0: no limit)."""


def policy_of(keys: dict[str, Any]) -> Policy:
    """The policy of a file with these keys, such as ``severity.warning``, over the defaults of a stack."""
    body: dict[str, Any] = {"schema_version": 1, "model": MODEL}
    for key, value in keys.items():
        section, _, name = key.partition(".")
        body[section] = {**body.get(section, {}), name: value} if name else value
    return parse_policy(MODEL, json.dumps(body).encode(), version="benchmark", settings=_settings())


@functools.cache
def _settings() -> Settings:
    return settings_of(None)


def the_loop(feed: str, *, answered: bool = True, **keys: Any) -> Begin:
    """The loop under a policy.

    Args:
        feed: which monitors speak: one of `FEEDS`.
        answered: whether people answer where they are asked, and then they say yes.
        keys: of the policy's file.
    """
    policy = policy_of(keys)
    stated = Stated(training_hours=0, answer_hours=0 if answered else NO_ANSWER)

    def begin(_: Past) -> Rule:
        trained: list[datetime] = []

        def ended(over: Ended) -> None:
            if over.run.course.outcome is Status.TRAINED:
                trained.append(over.at)

        loop = Loop(StatedWorld(policy, stated), ended=ended)

        def rule(sight: Sight) -> bool:
            at, before = FIRST_DAY + timedelta(days=sight.chunk + 1), len(trained)
            for place, signal in enumerate(_signals(sight, feed, at)):
                loop.hear(signal, Asked(at, f"chunk-{sight.chunk}-{place}"))
            loop.advance(at)
            return len(trained) > before

        return rule

    return begin


def _signals(sight: Sight, feed: str, at: datetime) -> Iterator[Signal]:
    """What the monitors say at the end of a chunk."""
    if "quality" in feed and len(sight.errors):
        yield _report("error_rate", float(sight.errors[-1]), sight.bound, at)
    if "data" in feed:
        yield _report("psi", float(sight.drifts[-1]), ALARM_DRIFT, at)


def _report(metric: str, observed: float, threshold: float, at: datetime) -> Signal:
    measured = Threshold(metric, observed, threshold)
    return Signal(
        signal_id=f"{metric}-{at:%Y%m%d}",
        source=SignalSource.DRIFT_REPORT,
        kind=SignalKind.DRIFT if (measured.ratio or 0) >= 1 else SignalKind.NO_DRIFT,
        model=MODEL,
        summary=f"{metric} is {observed:g} against {threshold:g}.",
        observed_at=at.isoformat(),
        threshold=measured,
    )


GRID: Final = tuple(
    # A warning is at most critical.
    {**keys, "severity.critical": max(2.0, keys["severity.warning"])}
    for keys in each(**{"severity.warning": WARNINGS, "cooldown_hours": COOLDOWNS, "budget.runs": BUDGETS})
)


def families() -> tuple[Family, ...]:
    """The loop by default and with the best policy for each price, for each of what it may hear."""
    found = []
    for feed, make in MAKERS.items():
        hears = f"{HEARS} {feed}"
        found += [
            Family(f"default, {feed}", f"{hears}; people say yes", make, kind=Kind.OURS),
            Family(
                f"default, {feed}, no answers",
                f"{hears}; where people are asked nobody answers",
                functools.partial(make, answered=False),
                kind=Kind.OURS,
            ),
            Family(f"tuned, {feed}", f"{hears}; a policy for each price", make, GRID, Kind.OURS),
        ]
    return tuple(found)


def for_all() -> tuple[Family, ...]:
    """The loop with one policy for whatever it hears at whatever price: what a default could be."""
    return tuple(
        Family(
            f"best for all, {feed}",
            f"{HEARS} {feed}; one policy for all prices and all that it may hear",
            make,
            GRID,
            Kind.OURS,
            by_price=False,
        )
        for feed, make in MAKERS.items()
    )


HEARS: Final = "the loop hears of"
MAKERS: Final = {feed: functools.partial(the_loop, feed) for feed in FEEDS}
