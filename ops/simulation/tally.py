"""What a policy came to: counted as it is decided, so that it takes the same memory whatever the number of signals."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.bake import RETURNING
from orchestration.domain.contracts import Decision, Severity, SignalSource, Status
from orchestration.domain.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ops.simulation.loop import Decided, Ended, Run

SHOWN: Final = {
    Decision.SKIP: 1,
    Decision.REJECT: 1,
    Decision.OBSERVE: 2,
    Decision.COALESCE: 3,
    Decision.HOLD: 4,
    Decision.RETRAIN: 5,
    Decision.ROLL_BACK: 5,
}
"""What a day is drawn as: the largest of its decisions; 0 is a day without a signal."""


@dataclass(slots=True)
class Training:
    """A training that was decided. Times are aware datetimes; None is what did not come, or not before the end.

    ``drifted_at``: the first drift that it answers. ``asked``: whether people were asked before it.
    """

    decided_at: datetime
    drifted_at: datetime | None
    asked: bool
    trains_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Status | None = None


@dataclass(slots=True)
class ModelTally:
    """What came of one model's signals. ``days`` has a number of ``SHOWN`` for each day since ``since``."""

    model: str
    signals: int = 0
    drifts: int = 0
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    trainings: list[Training] = field(default_factory=list)
    gone: int = 0
    since: datetime | None = None
    until: datetime | None = None
    days: bytearray = field(default_factory=bytearray)
    drifted_at: datetime | None = None
    budget: tuple[int, float] = (0, 30.0)
    by_run: dict[str, Training] = field(default_factory=dict)

    def hear(self, decided: Decided) -> None:
        """Count a decision."""
        verdict, at, signal = decided.verdict, decided.asked.at, decided.signal
        self.signals += 1
        self.decided[verdict.decision, verdict.reason] += 1
        self.budget = decided.policy.budget_runs, decided.policy.budget_days
        if signal.kind in RETURNING and verdict.severity is not Severity.INFO:
            self.drifts += signal.source is not SignalSource.PENDING
            if verdict.reason != Reason.ANSWERED:
                self.drifted_at = self.drifted_at or at
        elif self.drifted_at is not None and verdict.reason == Reason.NO_DRIFT and decided.state.pending is None:
            # It went by itself before anything was trained for it.
            self.gone, self.drifted_at = self.gone + 1, None
        if verdict.decision is Decision.RETRAIN:
            training = Training(at, self.drifted_at, verdict.approval_needed)
            self.trainings.append(training)
            self.by_run[decided.asked.run_id] = training
            self.drifted_at = None
        self._draw(at, SHOWN[verdict.decision])

    def end(self, ended: Ended) -> None:
        """Count a run that is over."""
        training = self.by_run.pop(ended.run.run_id, None)
        if training is not None:
            training.trains_at, training.ended_at = ended.run.trains_at, ended.at
            training.outcome = ended.run.course.outcome

    def goes_on(self, run: Run) -> None:
        """Count a run that is not over."""
        training = self.by_run.get(run.run_id)
        if training is not None:
            training.trains_at = run.trains_at

    def _draw(self, at: datetime, shown: int) -> None:
        if self.since is None:
            self.since = at
        self.until = at
        day = at.toordinal() - self.since.toordinal()
        if day >= len(self.days):
            self.days.extend(bytes(day + 1 - len(self.days)))
        self.days[day] = max(self.days[day], shown)


class Tally:
    """What a policy came to, model by model. ``name`` is the policy's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.models: dict[str, ModelTally] = {}

    def hear(self, decided: Decided) -> None:
        """Count a decision."""
        model = decided.signal.model
        found = self.models.get(model)
        if found is None:
            found = self.models[model] = ModelTally(model)
        found.hear(decided)

    def end(self, ended: Ended) -> None:
        """Count a run that is over."""
        self.models[ended.run.decided.signal.model].end(ended)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a policy came to over some models; hours are medians, 95th percentiles and longest, None of nothing.

    ``drifts``: signals that speak of drift above info; one that waited counts once. ``started``: trainings that were decided. ``asked``: those people were asked about. ``trained``: those that did train.
    ``fruitful``: those that brought a model, which is promoted, or, where the policy promotes none, trained.
    ``late``: those decided after the first drift they answer. ``gone``: drift that went by itself before a training.
    ``waits``: drift that was not answered when the signals ended. ``spent``, ``frozen``: signals held for the budget, and by a
    breaker that had frozen their model. ``budget_most``: most trainings within the
    budget's days, of the model whose budget was the fullest.
    """

    policy: str
    models: int
    signals: int
    drifts: int
    started: int
    asked: int
    trained: int
    fruitful: int
    coalesced: int
    held: int
    observed: int
    late: int
    gone: int
    waits: int
    spent: int
    frozen: int
    budget_most: int
    budget_runs: int
    budget_days: float
    hours_to_decision: tuple[float, float, float] | None
    hours_to_training: tuple[float, float, float] | None
    price: float | None
    reasons: dict[str, int]

    def as_record(self) -> dict[str, Any]:
        """The summary for programs."""
        return asdict(self)


def summary(name: str, tallies: Sequence[ModelTally], price: float | None) -> Summary:
    """Sum up.

    Args:
        name: of the policy.
        tallies: of its models.
        price: of one training, in any currency; None: not asked for.
    """
    decided: Counter[tuple[str, str]] = Counter()
    for each in tallies:
        decided.update(each.decided)
    counts, reasons = Counter[str](), Counter[str]()
    for (decision, reason), count in decided.items():
        counts[decision] += count
        reasons[reason] += count
    trainings = [training for each in tallies for training in each.trainings]
    waited = [
        _hours(training.decided_at - training.drifted_at) for training in trainings if training.drifted_at is not None
    ]
    trained = [training for training in trainings if training.trains_at is not None]
    began = [
        _hours(training.trains_at - training.drifted_at)
        for training in trained
        if training.drifted_at is not None and training.trains_at is not None
    ]
    used, (runs, days) = max(((_most(each), each.budget) for each in tallies), key=_share, default=(0, (0, 0.0)))
    return Summary(
        policy=name,
        models=len(tallies),
        signals=sum(each.signals for each in tallies),
        drifts=sum(each.drifts for each in tallies),
        started=len(trainings),
        asked=sum(training.asked for training in trainings),
        trained=len(trained),
        fruitful=sum(training.outcome is not None and training.outcome.fruitful for training in trainings),
        coalesced=counts[Decision.COALESCE],
        held=counts[Decision.HOLD],
        observed=counts[Decision.OBSERVE],
        late=sum(hours > 0 for hours in waited),
        gone=sum(each.gone for each in tallies),
        waits=sum(each.drifted_at is not None for each in tallies),
        spent=reasons[Reason.BUDGET_SPENT],
        frozen=reasons[Reason.FROZEN],
        budget_most=used,
        budget_runs=runs,
        budget_days=days,
        hours_to_decision=_spread(waited),
        hours_to_training=_spread(began),
        price=None if price is None else price * len(trained),
        reasons={f"{decision} {reason}": count for (decision, reason), count in sorted(decided.items())},
    )


def _most(tally: ModelTally) -> int:
    starts = [training.decided_at for training in tally.trainings]
    window = timedelta(days=tally.budget[1])
    return max((place - bisect_right(starts, at - window) + 1 for place, at in enumerate(starts)), default=0)


def _share(used: tuple[int, tuple[int, float]]) -> tuple[float, int]:
    """How full a budget is; without a limit it never is."""
    most, (runs, _) = used
    return most / runs if runs else 0.0, most


def _spread(hours: list[float]) -> tuple[float, float, float] | None:
    if not hours:
        return None
    high = quantiles(hours, n=20, method="inclusive")[-1] if len(hours) > 1 else hours[0]
    return round(median(hours), 3), round(high, 3), round(max(hours), 3)


def _hours(span: timedelta) -> float:
    return span.total_seconds() / 3600


@dataclass(frozen=True, slots=True)
class Compared:
    """The trainings of one policy beside those of another, paired model by model.

    A training has as its counterpart the first one of the other policy from its own time on and before its own next one; else the
    last one since the one before it. ``same``: at the same second. ``delayed``: later, by ``hours`` as in `Summary`. ``earlier``: before
    it. ``avoided``: without a counterpart. ``added``: of the new policy, nobody's counterpart.
    """

    same: int
    delayed: int
    earlier: int
    avoided: int
    added: int
    hours: tuple[float, float, float] | None

    def as_record(self) -> dict[str, Any]:
        """The comparison for programs."""
        return asdict(self)


def compared(new: Iterable[ModelTally], old: Iterable[ModelTally]) -> Compared:
    """How the trainings of a policy lie beside those of the one it is compared with."""
    found = {each.model: [training.decided_at for training in each.trainings] for each in new}
    same = earlier = avoided = 0
    late: list[float] = []
    for each in old:
        starts = [training.decided_at for training in each.trainings]
        others = found.get(each.model, [])
        taken = -1
        for place, at in enumerate(starts):
            first = max(bisect_left(others, at), taken + 1)
            before = bisect_left(others, at) - 1
            until = starts[place + 1] if place + 1 < len(starts) else None
            if first < len(others) and (until is None or others[first] < until or others[first] == at):
                taken, span = first, others[first] - at
                if span < timedelta(seconds=1):
                    same += 1
                else:
                    late.append(_hours(span))
            elif before > taken:
                taken, earlier = before, earlier + 1
            else:
                avoided += 1
    added = sum(map(len, found.values())) - same - len(late) - earlier
    return Compared(same, len(late), earlier, avoided, added, _spread(late))
