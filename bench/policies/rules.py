"""Policies of retraining, each a rule over what may be known at the end of a chunk.

A family is one policy with the settings it may have. Where it may have several, the benchmark chooses on the tuning half. Rules of
the literature are written anew from what is published; where one departs from its source its docstring says so.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bench.policies.matrix import WINDOW
from bench.policies.oracle import Terms, cost, sums
from bench.policies.play import ALARM_DRIFT, Begin, Past, Rule, Sight

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FOREVER: Final = 10**9
"""Chunks: longer than any stream."""


class Kind(StrEnum):
    """What a policy is: knows nothing of prices, knows them, is the loop's own, is one of many cadences, or knows the future."""

    SIMPLE = "simple"
    COSTS = "knows costs"
    OURS = "the loop"
    CADENCE = "cadence"
    HINDSIGHT = "hindsight"


@dataclass(frozen=True, slots=True)
class Family:
    """A policy, and the settings among which one is chosen on the tuning half, for each price anew or one for all."""

    name: str
    says: str
    make: Callable[..., Begin]
    settings: tuple[dict[str, Any], ...] = ({},)
    kind: Kind = Kind.SIMPLE
    by_price: bool = True


def _plain(rule: Rule) -> Begin:
    return lambda _: rule


# What raises an alarm.


def quality_alarms(sight: Sight) -> NDArray[np.bool_]:
    """Of each served chunk whose labels are there: whether the error is above what was promised by more than noise."""
    return sight.errors > sight.bound


def data_alarms(sight: Sight) -> NDArray[np.bool_]:
    """Of each served chunk: whether a column drifted."""
    return sight.drifts > ALARM_DRIFT


def estimate_alarms(sight: Sight) -> NDArray[np.bool_]:
    """Of each served chunk: whether the error as estimated without labels is above what was promised."""
    return sight.estimates > sight.bound


ALARMS: Final = {"quality": quality_alarms, "data": data_alarms, "estimate": estimate_alarms}


# Simple policies.


def never() -> Begin:
    """Keep the first model."""
    return _plain(lambda _: False)


def every(chunks: int) -> Begin:
    """Train at a fixed cadence."""
    return _plain(lambda sight: sight.age >= chunks)


def alarmed(alarm: str, rest: int = 1, count: int = 1, of: int = 1) -> Begin:
    """Train on an alarm: if at least `count` of the last `of` chunks raised one, and the model has served `rest` chunks."""
    raised = ALARMS[alarm]
    return _plain(lambda sight: sight.age >= rest and int(raised(sight)[-of:].sum()) >= count)


def threshold(margin: float) -> Begin:
    """Train when the last error is above what was promised by a margin."""
    return _plain(lambda sight: len(sight.errors) > 0 and bool(sight.errors[-1] > sight.promised + margin))


def vetoed(rest: int) -> Begin:
    """Train on an alarm of the data, unless the error as estimated without labels is as promised."""

    def rule(sight: Sight) -> bool:
        return sight.age >= rest and bool(data_alarms(sight)[-1] and estimate_alarms(sight)[-1])

    return _plain(rule)


# Policies that know what a training costs.


def regret(share: float) -> Begin:
    """Train once the errors above what was promised add up to a share of a training's price.

    The rule of ski rental: rent until the rent would have bought.
    """
    return _plain(lambda sight: float((sight.errors - sight.promised).sum()) >= share * sight.terms.price)


def cara(variant: str) -> Begin:
    """CARA: Mahadevan and Mathioudakis, Cost-aware retraining for machine learning, Knowledge-Based Systems 293, 2024.

    Trains when the staleness cost of the serving model is above a threshold (``threshold``), when it adds up to one since the last
    training (``cumulative``), or every so many chunks (``periodic``); the parameter is the one that costs least on the past.

    Departs: the staleness cost is the error on the newest chunk with labels, whose rows all count alike, as the rows that are asked
    are those of the next chunk; the paper weighs each row by its likeness to the queries. On the past a training counts its price and
    the new model serves from the next chunk on, as in this benchmark; the paper charges the price in place of the chunk's errors.
    """
    measure = MEASURES[variant]

    def begin(past: Past) -> Rule:
        last = len(past.errors) - 1
        terms = Terms(WINDOW, 0, past.terms.price)
        added = sums(past.errors)

        def on_past(parameter: float) -> float:
            model, trained = WINDOW - 1, []
            for chunk in range(WINDOW, last):
                if measure(past.errors[model, model + 1 : chunk + 1], chunk - model) > parameter:
                    model = chunk
                    trained.append(chunk)
            return cost(added, trained, terms)

        possible = [
            measure(past.errors[model, model + 1 : chunk + 1], chunk - model)
            for model in range(WINDOW - 1, last)
            for chunk in range(model + 1, last + 1)
        ]
        # Just below each twentieth of what the measure may be, and above all of it: never.
        parameters = [*(np.quantile(possible, np.linspace(0, 1, 21)) - 1e-9), np.inf]
        chosen = min(parameters, key=on_past)
        return lambda sight: measure(sight.errors, sight.age) > chosen

    return begin


MEASURES: Final[dict[str, Callable[[NDArray[np.float32], int], float]]] = {
    "threshold": lambda errors, _: float(errors[-1]) if len(errors) else 0.0,
    "cumulative": lambda errors, _: float(errors.sum()),
    "periodic": lambda _, age: float(age),
}
"""Of the errors with labels and the age of a model."""


def data_latency(conversion: float) -> Begin:
    """Modyn's trigger on data incorporation latency: M. Böther and others, Modyn: data-centric machine learning pipeline orchestration, SIGMOD 2025.

    Every row that no model knows is a regret that grows with the time it waits; train once the regret, in the currency of the
    trainings by a factor, is above a training's price. Where chunks are of one size that is a fixed cadence, the square root of the
    price.
    """

    def rule(sight: Sight) -> bool:
        return conversion * sight.age**2 / 2 >= sight.terms.price

    return _plain(rule)


def avoidable(conversion: float) -> Begin:
    """Modyn's trigger on the latency of avoidable misclassifications: as the one before, of wrong answers above those expected.

    Departs: expected is the error of the serving model where it was checked, where Modyn takes a number of the configuration or a
    forecast from the first evaluations of earlier models; and the regret begins anew with each training.
    """

    def rule(sight: Sight) -> bool:
        new = np.maximum(sight.errors - sight.promised, 0.0)
        # Of each chunk's regret: half a chunk of time in its own chunk, a whole one in each later.
        latency = float((new * (np.arange(len(new))[::-1] + 0.5)).sum())
        return conversion * latency >= sight.terms.price

    return _plain(rule)


def forecast(horizon: int, deviations: float) -> Begin:
    """UPF: Regol and others, When to retrain a machine learning model, ICML 2025.

    Forecasts the errors of the serving model and of one trained now, with their uncertainty, and trains when the sum that is saved
    is above the price with a confidence.

    Departs: two linear regressions with errors of one size in place of a learned Beta distribution; the forecast looks a fixed number
    of chunks ahead with no later training in it; and nothing is known of the data but the errors.
    """
    ahead = np.arange(1, horizon + 1, dtype=np.float64)

    def begin(past: Past) -> Rule:
        keep, fresh = _Regression(4), _Regression(2)
        for model in range(WINDOW - 1, len(past.errors) - 1):
            errors = past.errors[model, model + 1 :].astype(np.float64)
            fresh.learn(_fresh(ahead[: len(errors)]), errors[:horizon] - past.promised[model])
            for seen in range(1, len(errors)):
                later = errors[seen : seen + horizon]
                keep.learn(_kept(errors[seen - 1], seen, ahead[: len(later)]), later)

        def rule(sight: Sight) -> bool:
            seen = len(sight.errors)
            if not seen:
                return False
            errors = sight.errors.astype(np.float64)
            for lead in range(1, min(seen, horizon + 1)):
                # The newest error, as it would have been forecast so many chunks before.
                keep.learn(_kept(errors[-1 - lead], seen - lead, np.array([float(lead)])), errors[-1:])
            # A model trained now is taken to begin as the best one there is does on the newest chunk with labels.
            level = min(float(np.nanmin(sight.known[:, sight.chunk - sight.terms.delay])), sight.promised)
            old = keep.forecast(_kept(errors[-1], seen, sight.terms.delay + ahead))
            new = level + fresh.forecast(_fresh(sight.terms.delay + ahead))
            # What the two forecasts miss by counts as independent from chunk to chunk.
            unsure = float(np.hypot(keep.deviation, fresh.deviation) * np.sqrt(horizon))
            return float((old - new).sum()) - deviations * unsure > sight.terms.price

        return rule

    return begin


def _kept(last: float, age: int, lead: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the error of a model so many chunks later may follow from: its last one, its age, the time between."""
    ones = np.ones_like(lead)
    return np.column_stack([ones, last * ones, lead, np.sqrt(age + lead)])


def _fresh(ages: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the error of a new model above its first one may follow from."""
    return np.column_stack([np.ones_like(ages), np.sqrt(ages)])


class _Regression:
    """Least squares over rows that come one after the other, with a little shrinkage so that the first ones suffice."""

    def __init__(self, columns: int) -> None:
        self._squares = np.eye(columns) * 0.1
        self._products = np.zeros(columns)
        self._total, self._count = 0.0, 0
        self._weights: NDArray[np.float64] | None = None

    def learn(self, rows: NDArray[np.float64], values: NDArray[Any]) -> None:
        """Take rows with the value of each."""
        self._squares += rows.T @ rows
        self._products += rows.T @ values
        self._total += float((values.astype(np.float64) ** 2).sum())
        self._count += len(values)
        self._weights = None

    @property
    def weights(self) -> NDArray[np.float64]:
        """Of the columns."""
        if self._weights is None:
            self._weights = np.asarray(np.linalg.solve(self._squares, self._products), dtype=np.float64)
        return self._weights

    def forecast(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value of each row."""
        return rows @ self.weights

    @property
    def deviation(self) -> float:
        """Of the values from what is forecast of them."""
        rest = self._total - float(self.weights @ self._products)
        return float(np.sqrt(max(rest, 0.0) / max(self._count, 1)))


def each(**values: tuple[Any, ...]) -> tuple[dict[str, Any], ...]:
    """Every setting that has one of the values of each name."""
    return tuple(dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values()))


K_OF_N: Final = {
    alarm: tuple(
        {"alarm": alarm, "count": count, "of": of}
        for count, of in ((2, 2), (2, 3), (3, 3), (2, 5), (3, 5), (4, 5), (5, 5), (5, 8), (8, 8), (8, 12), (12, 16))
    )
    for alarm in ALARMS
}
CADENCES: Final = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60, FOREVER)
CONVERSIONS: Final = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)

FAMILIES: Final = (
    Family("never", "the first model serves throughout", never),
    Family("every data alarm", "a column's stability index is above 0.2", alarmed, ({"alarm": "data"},)),
    Family(
        "every quality alarm",
        "the error is above the promised one by three standard deviations",
        alarmed,
        ({"alarm": "quality"},),
    ),
    Family("every estimate alarm", "the same of the error estimated without labels", alarmed, ({"alarm": "estimate"},)),
    *(
        Family(
            f"{alarm} alarm and cooldown",
            "an alarm, and so many chunks since the last training",
            alarmed,
            each(alarm=(alarm,), rest=(2, 3, 5, 8, 12, 16, 24, 32, 48)),
        )
        for alarm in ("quality", "data")
    ),
    *(
        Family(f"k of n {alarm} alarms", "k of the last n chunks raised an alarm", alarmed, K_OF_N[alarm])
        for alarm in ("quality", "data")
    ),
    Family("fixed cadence", "every so many chunks", every, each(chunks=CADENCES)),
    Family(
        "performance threshold",
        "the error is above the promised one by a margin",
        threshold,
        each(margin=(0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3)),
    ),
    Family(
        "data alarm, estimate may veto",
        "a data alarm, unless the error estimated without labels is as promised; and so many chunks since the last training",
        vetoed,
        each(rest=(1, 3, 5, 8, 12, 16, 24)),
    ),
    Family(
        "regret accumulator",
        "errors above the promised one add up to a share of the price",
        regret,
        each(share=(0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)),
        kind=Kind.COSTS,
    ),
    *(
        Family(f"CARA, {variant}", "see below", cara, ({"variant": variant},), kind=Kind.COSTS)
        for variant in ("threshold", "cumulative", "periodic")
    ),
    Family("Modyn, data latency", "see below", data_latency, each(conversion=CONVERSIONS), kind=Kind.COSTS),
    Family("Modyn, avoidable errors", "see below", avoidable, each(conversion=CONVERSIONS), kind=Kind.COSTS),
    Family(
        "UPF-like forecast",
        "see below",
        forecast,
        each(horizon=(3, 5, 10, 20), deviations=(0.0, 1.64, 2.33, 3.1, 4.0)),
        kind=Kind.COSTS,
    ),
)
