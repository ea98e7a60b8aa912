"""Choose each policy's setting on half of the streams, and say what it costs on the other half."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.policies.oracle import Terms, best, cost
from bench.policies.play import START, Judge, Judged, play
from bench.policies.rules import Kind

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


def at_any_price(begin: Begin) -> Callable[[float], Begin]:
    """A policy that is set the same for every price."""
    return lambda _: begin


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
        self._kept: dict[tuple[Callable[..., Begin], int], dict[tuple[float, int], list[float]]] = {}
        self.oracle: dict[tuple[str, int, Terms], tuple[tuple[int, ...], float]] = {}
        for world, terms in itertools.product(worlds, self._terms):
            trained = best(world.judge.added, terms)
            self.oracle[world.stream, world.seed, terms] = trained, cost(world.judge.added, trained, terms)

    def chosen(self, *families: Family) -> dict[float, dict[str, Any]]:
        """The setting that costs least above the oracle on the tuning half, by price; of several families one for all of them."""
        first = families[0]
        if len(first.settings) == 1:
            return {terms.price: first.settings[0] for terms in self._terms}
        tried = [self._tried(family) for family in families]
        prices = list(dict.fromkeys(terms.price for terms in self._terms))
        found = {}
        for group in [[price] for price in prices] if first.by_price else [prices]:
            means = [
                statistics.fmean(above for each in tried for price in group for above in each[price, place])
                for place in range(len(first.settings))
            ]
            found.update(dict.fromkeys(group, first.settings[means.index(min(means))]))
        return found

    def _tried(self, family: Family) -> dict[tuple[float, int], list[float]]:
        """What each setting costs above the oracle on the tuning half, by price; once for all families that share them."""
        known = self._kept.get((family.make, id(family.settings)))
        if known is not None:
            return known
        above: dict[tuple[float, int], list[float]] = defaultdict(list)
        for place, setting in enumerate(family.settings):
            for world, terms, trained in self._ways(family.kind, at_any_price(family.make(**setting)), TUNING):
                above[terms.price, place].append(self._above(world, terms, trained))
        self._kept[family.make, id(family.settings)] = dict(above)
        return dict(above)

    def results(self, kind: Kind, begin: Callable[[float], Begin], streams: Sequence[str]) -> dict[Cell, list[Played]]:
        """What a policy does in each cell of these streams, seed by seed.

        Args:
            kind: of the policy.
            begin: the policy as it is set for a price.
            streams: which.
        """
        found: dict[Cell, list[Played]] = defaultdict(list)
        for world, terms, trained in self._ways(kind, begin, streams):
            found[world.stream, terms.price, terms.delay].append(self._played(world, terms, trained))
        return dict(found)

    def _ways(
        self, kind: Kind, begin: Callable[[float], Begin], streams: Sequence[str]
    ) -> Iterator[tuple[World, Terms, tuple[int, ...]]]:
        """When a policy trains; one that knows no prices is played once for all prices under which it is set alike."""
        played: dict[tuple[str, int, int, int], tuple[int, ...]] = {}
        for world, terms in self._cells(streams):
            made = begin(terms.price)
            key = world.stream, world.seed, terms.delay, id(made)
            trained = None if kind is Kind.COSTS else played.get(key)
            if trained is None:
                trained = played[key] = play(made, world.outcomes, terms)
            yield world, terms, trained

    def oracles(self, streams: Sequence[str]) -> dict[Cell, list[Played]]:
        """What the oracle does."""
        found: dict[Cell, list[Played]] = defaultdict(list)
        for world, terms in self._cells(streams):
            trained, _ = self.oracle[world.stream, world.seed, terms]
            found[world.stream, terms.price, terms.delay].append(self._played(world, terms, trained))
        return dict(found)

    def best_of(self, several: Sequence[Mapping[Cell, Sequence[Played]]]) -> dict[Cell, list[Played]]:
        """Of several policies the one that costs least, in each cell with each seed: chosen when all is known."""
        return {
            cell: [min((each[cell][at] for each in several), key=lambda one: one.above) for at in range(len(first))]
            for cell, first in several[0].items()
        }

    def _cells(self, streams: Sequence[str]) -> Iterator[tuple[World, Terms]]:
        for world, terms in itertools.product(self._worlds, self._terms):
            if world.stream in streams:
                yield world, terms

    def _above(self, world: World, terms: Terms, trained: tuple[int, ...]) -> float:
        return cost(world.judge.added, trained, terms) / self.oracle[world.stream, world.seed, terms][1] - 1

    def _played(self, world: World, terms: Terms, trained: tuple[int, ...]) -> Played:
        return Played(self._above(world, terms, trained), world.judge.judge(trained, terms))
