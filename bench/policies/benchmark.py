"""Choose each policy's setting on half of the streams, and say what it costs on the other half."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.policies.oracle import Terms, best, cost
from bench.policies.play import START, Judge, Judged, play
from bench.policies.rules import CADENCES, every

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.policies.matrix import Outcomes
    from bench.policies.play import Begin
    from bench.policies.rules import Family

TUNING: Final = ("elec2", "flights", "sea", "hyperplane", "rbf", "still")
REPORTING: Final = ("covertype", "weather", "employment", "agrawal", "sine", "virtual")
"""The halves, each with real and generated streams, parted before anything was played."""

PRICES: Final = (0.05, 0.2, 1.0)
"""Of a training, in chunks of wrong answers."""

DELAYS: Final = (0, 3)
"""Chunks until labels are there."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """One stream with one seed."""

    stream: str
    seed: int
    outcomes: Outcomes
    judge: Judge

    @classmethod
    def of(cls, stream: str, seed: int, outcomes: Outcomes) -> World:
        """With its judge."""
        return cls(stream, seed, outcomes, Judge(outcomes))


Cell = tuple[str, float, int]
"""Stream, price, delay."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a policy did in one cell with one seed, and its cost above the oracle's, as a share of that."""

    above: float
    judged: Judged


class Benchmark:
    """Worlds, and what the oracle does in each.

    Args:
        worlds: all streams with all seeds.
        prices: of a training.
        delays: of labels.
        start: first chunk that counts.
    """

    def __init__(
        self,
        worlds: Sequence[World],
        *,
        prices: Sequence[float] = PRICES,
        delays: Sequence[int] = DELAYS,
        start: int = START,
    ) -> None:
        self._worlds = worlds
        self._terms = [Terms(start, delay, price) for price, delay in itertools.product(prices, delays)]
        self.oracle: dict[tuple[str, int, Terms], tuple[tuple[int, ...], float]] = {}
        for world, terms in itertools.product(worlds, self._terms):
            trained = best(world.judge.added, terms)
            self.oracle[world.stream, world.seed, terms] = trained, cost(world.judge.added, trained, terms)

    def chosen(self, family: Family, streams: Sequence[str] = TUNING) -> dict[float, dict[str, Any]]:
        """The setting of a family that costs least above the oracle on these streams, by price."""
        if len(family.settings) == 1:
            return {terms.price: family.settings[0] for terms in self._terms}
        above: dict[tuple[float, int], list[float]] = defaultdict(list)
        for place, setting in enumerate(family.settings):
            begin = family.make(**setting)
            for world, terms in self._cells(streams):
                above[terms.price, place].append(self._above(world, terms, play(begin, world.outcomes, terms)))
        prices = sorted({price for price, _ in above})
        found = {}
        for group in [[price] for price in prices] if family.by_price else [prices]:
            means = [
                statistics.fmean(itertools.chain.from_iterable(above[price, place] for price in group))
                for place in range(len(family.settings))
            ]
            found.update(dict.fromkeys(group, family.settings[means.index(min(means))]))
        return found

    def results(self, begin: Callable[[float], Begin], streams: Sequence[str]) -> dict[Cell, list[Played]]:
        """What a policy does in each cell of these streams, seed by seed.

        Args:
            begin: the policy as it is set for a price.
            streams: which.
        """
        found: dict[Cell, list[Played]] = defaultdict(list)
        for world, terms in self._cells(streams):
            trained = play(begin(terms.price), world.outcomes, terms)
            found[world.stream, terms.price, terms.delay].append(self._played(world, terms, trained))
        return dict(found)

    def oracles(self, streams: Sequence[str]) -> dict[Cell, list[Played]]:
        """What the oracle does."""
        found: dict[Cell, list[Played]] = defaultdict(list)
        for world, terms in self._cells(streams):
            trained, _ = self.oracle[world.stream, world.seed, terms]
            found[world.stream, terms.price, terms.delay].append(self._played(world, terms, trained))
        return dict(found)

    def best_cadence(self, streams: Sequence[str]) -> dict[Cell, list[Played]]:
        """The fixed cadence that costs least in each cell with each seed, chosen when all is known."""
        by_cadence: list[Mapping[Cell, list[Played]]] = []
        for chunks in (1, *CADENCES):
            begin = every(chunks)
            by_cadence.append(self.results(lambda _, begin=begin: begin, streams))  # type: ignore[misc] # begin is bound
        return {
            cell: [
                min((each[cell][at] for each in by_cadence), key=lambda one: one.above)
                for at in range(len(by_cadence[0][cell]))
            ]
            for cell in by_cadence[0]
        }

    def _cells(self, streams: Sequence[str]) -> Iterator[tuple[World, Terms]]:
        for world, terms in itertools.product(self._worlds, self._terms):
            if world.stream in streams:
                yield world, terms

    def _above(self, world: World, terms: Terms, trained: tuple[int, ...]) -> float:
        return cost(world.judge.added, trained, terms) / self.oracle[world.stream, world.seed, terms][1] - 1

    def _played(self, world: World, terms: Terms, trained: tuple[int, ...]) -> Played:
        return Played(self._above(world, terms, trained), world.judge.judge(trained, terms))
