"""Play a rule over a stream: what it sees at the end of each chunk, and how what it did is judged afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.policies.oracle import Sums, Terms, cost, sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.policies.matrix import Matrix, Outcomes

START: Final = 28
"""First chunk that counts. Those before are the past that a rule may study: with all errors of all models in it."""

HORIZON: Final = 20
"""Chunks within which a training has to pay for a drift to be called harmful."""

ALARM_DEVIATIONS: Final = 3
"""Standard deviations of a chunk's error above what was promised. Source: NannyML's default threshold of performance."""

ALARM_DRIFT: Final = 0.2
"""Of the stability index. Source: the rule of thumb by which 0.2 is a significant change."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What may be known at the end of a chunk.

    Attributes:
        chunk: the one that ended.
        trained: at whose end the serving model was trained.
        promised: the error that model had where it was checked.
        errors: of the serving model, on each chunk it served whose labels are there.
        estimates: of its errors without labels, on each chunk it served.
        drifts: against its window, of each chunk it served.
        known: model x chunk, all errors of models that exist on chunks whose labels are there; NaN else.
        rows: of a chunk.
        terms: what a training costs, and how late labels are.
    """

    chunk: int
    trained: int
    promised: float
    errors: NDArray[np.float32]
    estimates: NDArray[np.float32]
    drifts: NDArray[np.float32]
    known: Matrix
    rows: int
    terms: Terms

    @property
    def age(self) -> int:
        """Chunks the model has served."""
        return self.chunk - self.trained

    @property
    def bound(self) -> float:
        """The error from which on a monitor of quality raises an alarm."""
        return self.promised + ALARM_DEVIATIONS * float(np.sqrt(self.promised * (1 - self.promised) / self.rows))


Rule = Callable[[Sight], bool]
"""Whether to train now."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a rule may study before it begins: errors of all models on all chunks whose labels are there by then."""

    errors: Matrix
    promised: NDArray[np.float32]
    terms: Terms


Begin = Callable[[Past], Rule]
"""Makes a rule for one stream."""


def play(begin: Begin, outcomes: Outcomes, terms: Terms) -> tuple[int, ...]:
    """The chunks at whose ends a rule trains."""
    labelled = terms.start - terms.delay
    rule = begin(Past(outcomes.errors[:labelled, :labelled].copy(), outcomes.promised[:labelled].copy(), terms))
    known = np.full_like(outcomes.errors, np.nan)
    known[:labelled, :labelled] = outcomes.errors[:labelled, :labelled]
    trained, exist = terms.start - 1, list(range(labelled))
    chosen: list[int] = []
    for chunk in range(terms.start, outcomes.chunks - 1):
        model, newest = terms.window(trained), chunk - terms.delay
        known[exist, newest] = outcomes.errors[exist, newest]
        served = slice(trained + 1, chunk + 1)
        sight = Sight(
            chunk,
            trained,
            float(outcomes.promised[model]),
            outcomes.errors[model, trained + 1 : newest + 1],
            outcomes.estimates[model, served],
            outcomes.drifts[model, served],
            known,
            outcomes.rows,
            terms,
        )
        if rule(sight):
            trained = chunk
            chosen.append(chunk)
            exist.append(terms.window(chunk))
    return tuple(chosen)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it.

    Attributes:
        cost: in chunks of wrong answers.
        trainings: how many.
        harmful: drifts under which a training would have paid within `HORIZON` chunks.
        missed: those that were over, or the stream was, without a training.
        waited: chunks from the beginning of each of the others to the training.
        harmless: trainings that saved less than their price until the next one, or the end.
    """

    cost: float
    trainings: int
    harmful: int
    missed: int
    waited: tuple[int, ...]
    harmless: int


class Judge:
    """Judges ways of training of one stream, knowing all of it."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    @cached_property
    def added(self) -> Sums:
        """Sums of errors."""
        return sums(self._outcomes.errors)

    def judge(self, trained: Sequence[int], terms: Terms) -> Judged:
        """Judge one way of training."""
        last = self._outcomes.chunks - 1
        begins, ends = [terms.start - 1, *trained], [*trained, last]
        missed, waited = 0, []
        for begin, end in zip(begins, ends, strict=True):
            since: int | None = None
            for chunk in range(begin + 1, min(end, last - 1) + 1):
                harmful = self._saved(begin, chunk, min(chunk + HORIZON, last), terms) >= terms.price
                if harmful and since is None:
                    since = chunk
                elif not harmful and since is not None:
                    missed, since = missed + 1, None
            if since is not None and end < last:
                waited.append(end - since)
            elif since is not None:
                missed += 1
        harmless = sum(
            self._saved(before, now, until, terms) < terms.price
            for before, now, until in zip(begins[:-1], trained, ends[1:], strict=True)
        )
        return Judged(
            cost(self.added, trained, terms),
            len(trained),
            missed + len(waited),
            missed,
            tuple(waited),
            harmless,
        )

    def _saved(self, before: int, now: int, until: int, terms: Terms) -> float:
        """What a model trained now does better than the one trained before, from the next chunk on until one."""
        new, old = terms.window(now), terms.window(before)
        added = self.added
        return float((added[old, until + 1] - added[old, now + 1]) - (added[new, until + 1] - added[new, now + 1]))
