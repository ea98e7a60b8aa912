"""What came in and what was made of it, as the table tells it: decisions, rejections, and events that were ignored."""

from __future__ import annotations

import heapq
import itertools
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.chain import RecordKind
from orchestration.domain.contracts import SMOKE_MODEL, UNATTRIBUTED, SignalKind
from orchestration.domain.json_values import mapping, sequence
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import asker_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ops.terminal import Style
    from orchestration.stores.history_table import HistoryTable
    from orchestration.stores.models import IgnoredEvent

IGNORED: Final = "IGNORED"
"""What is said of an event that was understood and says nothing about any model."""

UNDECIDED: Final = "UNDECIDED"
"""What is said of an event whose execution failed before it was decided; it is kept, and can be replayed."""

MEMORY: Final = timedelta(days=90)
"""How long what is not in a chain is remembered."""

COLOURS: Final[dict[str, Style]] = {
    "RETRAIN": "bold green",
    "ROLL_BACK": "bold green",
    "REJECT": "bold red",
    UNDECIDED: "bold red",
    "HOLD": "bold yellow",
}
"""Of decisions."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A delivery of a signal that was decided before. ``run_id`` is its execution; ``at`` ISO-8601 in UTC."""

    at: str
    run_id: str
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Heard:
    """One event and what was made of it.

    ``said`` is what came in, None where that cannot be told. ``signal_id`` is None for what was ignored, but for a repeat;
    ``run_id`` is the execution that decided, and the run where one began.
    """

    at: str
    decision: str
    reason: str
    model: str | None
    sentence: str
    said: str | None
    source: str | None
    severity: str | None
    run_id: str
    signal_id: str | None
    event_id: str | None
    record: str | None
    repeats: tuple[Repeat, ...] = ()

    @property
    def ids(self) -> set[str | None]:
        """What it can be asked for by."""
        deliveries = {each for repeat in self.repeats for each in (repeat.run_id, repeat.event_id)}
        return {self.run_id, self.signal_id, self.event_id, *deliveries}

    @property
    def repeats_one(self) -> bool:
        """True for a delivery of a signal that was decided before."""
        return self.decision == IGNORED and self.reason == Reason.DUPLICATE and self.signal_id is not None


def heard(table: HistoryTable, model: str, since: str, *, checks: bool = False) -> Iterator[Heard]:
    """What came in since a time, newest first; of one model, or with an empty name of all and of none.

    ``checks``: also what `retraining smoke` sent, which no list has, but whose ids it prints.
    """
    chains = [model] if model else [*table.models(), UNATTRIBUTED, *([SMOKE_MODEL] if checks else [])]
    lists = [*(_decided(table, chain, since) for chain in chains), _ignored(table, model or UNATTRIBUTED, since)]
    return heapq.merge(*lists, key=lambda each: each.at, reverse=True)


def gathered(found: Iterable[Heard]) -> Iterator[Heard]:
    """The same with each signal once: its repeats, which are newer, stand in it.

    Repeats of a signal that is not among them come last, the newest for all of them.
    """
    waiting: dict[str, list[Heard]] = {}
    for each in found:
        if each.repeats_one:
            waiting.setdefault(str(each.signal_id), []).append(each)
        else:
            yield replace(each, repeats=_repeats(waiting.pop(str(each.signal_id), [])))
    for newest, *older in waiting.values():
        yield replace(newest, repeats=_repeats(older))


def _repeats(found: Iterable[Heard]) -> tuple[Repeat, ...]:
    return tuple(Repeat(each.at, each.run_id, each.event_id) for each in found)


def _decided(table: HistoryTable, chain: str, since: str) -> Iterator[Heard]:
    for link in table.latest(chain):
        record = json.loads(link.record)
        at = _at(record)
        if at is not None and at < since:
            return
        if link.kind is RecordKind.DECISION:
            yield heard_of(record, link.key)


def heard_of(record: dict[str, Any], key: str | None) -> Heard:
    """An event from the record of the decision on it."""
    signal = mapping(record.get("signal"))
    return Heard(
        at=record["decided_at"],
        decision=record["decision"],
        reason=record["reason"],
        model=record["model"],
        sentence=record["sentence"],
        said=measured(signal),
        source=signal.get("source"),
        severity=record.get("severity"),
        run_id=record["run_id"],
        signal_id=record["signal_id"],
        event_id=record.get("event_id"),
        record=key,
    )


def ignored_of(event: IgnoredEvent) -> Heard:
    """An event that was ignored."""
    said = ", ".join(filter(None, (event.source, event.detail_type)))
    return Heard(
        at=event.at,
        decision=IGNORED,
        reason=event.reason,
        model=event.model,
        sentence=event.sentence,
        said=said or None,
        source=event.source,
        severity=None,
        run_id=event.run_id,
        signal_id=event.signal_id,
        event_id=event.event_id,
        record=None,
    )


def _at(record: dict[str, Any]) -> str | None:
    return next((record[name] for name in ("decided_at", "created_at", "ended_at", "at") if record.get(name)), None)


def _ignored(table: HistoryTable, chain: str, since: str) -> Iterator[Heard]:
    yield from map(ignored_of, itertools.takewhile(lambda each: each.at >= since, table.ignored_events(chain)))


def measured(signal: dict[str, Any]) -> str | None:
    """What a signal says, of its record: who asks, or what was measured; only what is known of it."""
    kind = signal.get("kind")
    if kind in {SignalKind.REQUEST, SignalKind.ROLLBACK}:
        named = asker_of(signal) or ", ".join(map(str, sequence(signal.get("asked_by")))) or signal.get("requested_by")
        what = "request" if kind == SignalKind.REQUEST else "rollback asked for"
        return f"{what} by {named}" if named else what
    threshold = mapping(signal.get("threshold"))
    metric, observed, limit = (threshold.get(name) for name in ("metric", "observed", "threshold"))
    if observed is not None:
        against = "" if limit is None else f" against {limit}"
        return f"{metric or 'measured'} {observed}{against}"
    if metric is not None:
        return str(metric)
    violations = signal.get("violation_count") or 0
    if violations:
        return f"{violations} violation(s)"
    return str(kind).replace("_", " ") if kind else None
