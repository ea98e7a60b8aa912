"""A model's life as its chain of records tells it: what came in, what was said to it, what ran, what served how long. Pure.

Only facts that are on record: the same records give the same life, and no clock is read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.chain import RecordKind
from orchestration.domain.channel_text import cut
from orchestration.domain.contracts import Decision, SignalSource, Status
from orchestration.domain.json_values import mapping, number
from orchestration.domain.run_report import seconds_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LIFE_VERSION: Final = 1
DAYS_DRAWN: Final = 180
ROWS_SHOWN: Final = 60
METRICS_DRAWN: Final = 4
SENTENCE_SHOWN: Final = 300
"""What is drawn and listed of a long life; what is more is counted. 10,000 signals are less than 500 KB."""

YES: Final = frozenset({Decision.RETRAIN, Decision.ROLL_BACK})


@dataclass(frozen=True, slots=True)
class Day:
    """One day's signals by what was decided; ``day`` is ISO-8601."""

    day: str
    decided: dict[str, int]


@dataclass(frozen=True, slots=True)
class No:
    """All signals that were answered no for one reason."""

    reason: str
    decision: str
    count: int
    first: str
    last: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that ended."""

    run_id: str
    started_at: str
    ended_at: str
    outcome: str
    reason: str
    cooldown_until: str | None


@dataclass(frozen=True, slots=True)
class Served:
    """A promotion, and what became of it. ``until`` None: it serves, as far as is on record."""

    run_id: str
    since: str
    until: str | None
    ended_by: str | None
    signals: int
    drifts: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of the signals by day: lowest and highest observed, and the last threshold of the day."""

    metric: str
    points: tuple[tuple[str, float, float, float | None], ...]


@dataclass(frozen=True, slots=True)
class Control:
    """A switch that was thrown or lifted, or a model that was unfrozen."""

    at: str
    change: str
    scope: str
    reason: str


@dataclass(frozen=True, slots=True)
class Life:
    """A model's life; lists are newest first, days oldest first."""

    model: str
    signals: int
    days: tuple[Day, ...]
    days_left_out: int
    noes: tuple[No, ...]
    noes_left_out: int
    runs: tuple[Ran, ...]
    runs_left_out: int
    served: tuple[Served, ...]
    served_left_out: int
    measured: tuple[Measured, ...]
    measured_left_out: int
    controls: tuple[Control, ...]
    controls_left_out: int
    frozen_reason: str | None

    def as_record(self) -> dict[str, Any]:
        """The life for programs."""
        return {"schema_version": LIFE_VERSION, "kind": "model_life", **asdict(self)}


@dataclass
class _Seen:
    """What is kept of each record while the chain is read, newest first."""

    days: dict[str, Counter[str]] = field(default_factory=dict)
    noes: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    runs: list[Ran] = field(default_factory=list)
    drifts: list[tuple[str, bool]] = field(default_factory=list)
    metrics: dict[str, dict[str, tuple[float, float, float | None]]] = field(default_factory=dict)
    controls: list[Control] = field(default_factory=list)
    backs: dict[str, str] = field(default_factory=dict)
    frozen: str | None = None
    state_known: bool = False


def life_of(model: str, records: Iterable[Mapping[str, Any]]) -> Life:
    """A model's life.

    Args:
        model: its name.
        records: the records of its chain and of the switches over everything, each newest first.
    """
    seen = _Seen()
    for record in records:
        _see(seen, record, model)
    days = [Day(day, dict(sorted(counts.items()))) for day, counts in sorted(seen.days.items())]
    noes = [No(reason, decision, *rest) for (reason, decision), rest in seen.noes.items()]
    noes.sort(key=lambda each: (-each.count, each.reason, each.decision))
    runs = sorted(seen.runs, key=lambda each: each.ended_at, reverse=True)
    served = _served(seen, runs)
    metrics = sorted(seen.metrics.items(), key=lambda each: (-len(each[1]), each[0]))
    controls = sorted(seen.controls, key=lambda each: (each.at, each.change, each.scope), reverse=True)
    return Life(
        model=model,
        signals=sum(sum(counts.values()) for counts in seen.days.values()),
        days=tuple(days[-DAYS_DRAWN:]),
        days_left_out=max(0, len(days) - DAYS_DRAWN),
        noes=tuple(noes[:ROWS_SHOWN]),
        noes_left_out=max(0, len(noes) - ROWS_SHOWN),
        runs=tuple(runs[:ROWS_SHOWN]),
        runs_left_out=max(0, len(runs) - ROWS_SHOWN),
        served=tuple(served[:ROWS_SHOWN]),
        served_left_out=max(0, len(served) - ROWS_SHOWN),
        measured=tuple(
            Measured(name, tuple((day, *values) for day, values in sorted(by_day.items())[-DAYS_DRAWN:]))
            for name, by_day in metrics[:METRICS_DRAWN]
        ),
        measured_left_out=max(0, len(metrics) - METRICS_DRAWN),
        controls=tuple(controls[:ROWS_SHOWN]),
        controls_left_out=max(0, len(controls) - ROWS_SHOWN),
        frozen_reason=seen.frozen,
    )


def _see(seen: _Seen, record: Mapping[str, Any], model: str) -> None:
    kind = str(record.get("kind"))
    if "model_state" in record and record.get("model") == model and record["model_state"] and not seen.state_known:
        seen.state_known, seen.frozen = True, _text(mapping(record["model_state"]).get("frozen_reason"))
    if kind == RecordKind.DECISION:
        _see_decision(seen, record)
    elif kind == RecordKind.OUTCOME:
        state = mapping(record.get("model_state"))
        seen.runs.append(
            Ran(
                _text(record.get("run_id")) or "",
                str(record.get("started_at"))[:40],
                str(record.get("ended_at"))[:40],
                str(record.get("outcome"))[:40],
                _text(record.get("reason")) or "",
                _text(state.get("cooldown_until")),
            )
        )
    elif kind in {RecordKind.PAUSE, RecordKind.OVERRIDE}:
        scope = str(record.get("scope"))
        if scope in {"global", f"model:{model}"} or scope.startswith("source:"):
            seen.controls.append(
                Control(
                    str(record.get("at"))[:40],
                    str(record.get("change"))[:40],
                    scope[:120],
                    _text(record.get("reason")) or "",
                )
            )
            if kind == RecordKind.OVERRIDE and not seen.state_known:
                seen.state_known = True
    elif kind == RecordKind.MANIFEST and mapping(record.get("signal")).get("kind") == "rollback":
        seen.backs[str(record.get("run_id"))] = "rollback by hand"


def _see_decision(seen: _Seen, record: Mapping[str, Any]) -> None:
    at, decision = str(record.get("decided_at")), str(record.get("decision"))[:40]
    day = at[:10]
    if not _is_day(day):
        # Nothing of ours: an audit says what became of the record.
        return
    seen.days.setdefault(day, Counter())[decision] += 1
    signal = mapping(record.get("signal"))
    threshold = mapping(signal.get("threshold"))
    ratio, observed = number(threshold.get("ratio")), number(threshold.get("observed"))
    seen.drifts.append((at, ratio is not None and ratio >= 1))
    # What waited for the end of a run or a cooldown was measured on the day it came, and stands there.
    if observed is not None and threshold.get("metric") and signal.get("source") != SignalSource.PENDING:
        by_day = seen.metrics.setdefault(str(threshold["metric"])[:120], {})
        low, high, bound = by_day.get(day, (observed, observed, number(threshold.get("threshold"))))
        by_day[day] = (min(low, observed), max(high, observed), bound)
    if decision not in YES:
        key = (str(record.get("reason"))[:80], decision)
        found = seen.noes.setdefault(key, [0, at, at, _text(record.get("sentence")) or ""])
        found[0] += 1
        found[1] = at  # newest first: the last one seen is the oldest


def _is_day(day: str) -> bool:
    try:
        return date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False


def _served(seen: _Seen, runs: Sequence[Ran]) -> list[Served]:
    """Promotions newest first; each serves until the next one, which may be the way back from it."""
    promoted = [each for each in runs if each.outcome == Status.PROMOTED]
    found: list[Served] = []
    following: Ran | None = None
    for each in promoted:
        until = following.ended_at if following else None
        within = [bad for at, bad in seen.drifts if each.ended_at <= at and (until is None or at < until)]
        by = None if following is None else f"{seen.backs.get(following.run_id, 'promotion')} {following.run_id}"
        found.append(Served(each.run_id, each.ended_at, until, by, len(within), sum(within)))
        following = each
    return found


def days_between(first: str, last: str) -> list[str]:
    """Every day from one to another, both among them; of more than ten years the last."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(end - timedelta(days=ago)).isoformat() for ago in reversed(range(min((end - start).days, 3660) + 1))]


def days_served(served: Served) -> float | None:
    """How many days a promotion served; None while it serves, and where no record has the times."""
    seconds = None if served.until is None else seconds_between(served.since, served.until)
    return None if seconds is None else seconds / 86_400


def _text(value: Any) -> str | None:
    return None if value in (None, "") else cut(str(value), SENTENCE_SHOWN)
