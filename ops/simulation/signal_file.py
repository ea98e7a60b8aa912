"""Signals in a file, one JSON object a line, in the order of their time: what a monitor measured of which model, and when.

A line is a drift report as the loop hears it, with ``at``; docs/schemas/simulated-signal.schema.json has every key.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ops.stack import OperatorError
from orchestration.domain.contracts import Severity, SignalKind, SignalSource
from orchestration.domain.json_values import members, model_name, number
from orchestration.domain.signal import Signal, Threshold
from orchestration.domain.signals.plain_report import HIGHER_IS_WORSE, LOWER_IS_WORSE, SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

KEYS: Final = frozenset({"at", "model", "metric", "observed", "threshold", "comparison", "severity", "kind"})
"""Keys of a line; `at` and `model` are needed."""

KINDS: Final = {
    str(kind): kind
    for kind in (
        SignalKind.DRIFT,
        SignalKind.KPI,
        SignalKind.NO_DRIFT,
        SignalKind.DATA_QUALITY,
        SignalKind.MONITOR_FAILURE,
        SignalKind.REQUEST,
    )
}
"""What a line may be, in the words of records."""

SOURCES: Final = {SignalKind.KPI: SignalSource.ALARM, SignalKind.REQUEST: SignalSource.MANUAL_REQUEST}
"""Whom the loop hears such a kind from; a drift report says the others."""

LINE_LIMIT: Final = 20_000
"""Characters of a line."""

YEARS: Final = range(1970, 3000)
"""Years of a signal: budgets look back and cooldowns forward from it, and no clock has years before 1 or after 9999."""


def read_signals(
    lines: Iterable[str], *, name: str, takes: Callable[[str], bool] = lambda _: True
) -> Iterator[tuple[Signal, datetime]]:
    """The signals of a file with their times, aware datetimes in UTC.

    Args:
        lines: of the file.
        name: of the file, for whoever is told what is wrong with it.
        takes: whether a model's signals are wanted; the others are read for their order alone.

    Raises:
        OperatorError: a line cannot be read, or comes before the one above it; the sentence says which and why.
    """
    last: datetime | None = None
    wanted: dict[str, bool] = {}
    for place, line in enumerate(lines, 1):
        if line.isspace():
            continue
        given = _object(line)
        at = None if isinstance(given, str) else _time(given.get("at"))
        if isinstance(given, str) or at is None:
            said = given if isinstance(given, str) else f"`at` is {_shown(given.get('at'))}, and has to be {A_TIME}."
            raise OperatorError(f"{name}, line {place}: {said}")
        if last is not None and at < last:
            raise OperatorError(
                f"{name}, line {place}: {at.isoformat()} is before the line above it, {last.isoformat()}: "
                "sort the file by `at`."
            )
        last, named = at, given.get("model")
        model = named if isinstance(named, str) else ""
        taken = wanted.get(model)
        if taken is None:
            if model_name(model) is None:
                said = "1 to 63 letters, digits and inner hyphens, the name of a policy file"
                raise OperatorError(f"{name}, line {place}: `model` is {_shown(named)}: {said}.")
            taken = wanted[model] = takes(model)
        if taken:
            signal = _signal(given, model, place)
            if isinstance(signal, str):
                raise OperatorError(f"{name}, line {place}: {signal}")
            yield signal, at


ONE: Final = (
    'A line is {"at": "2026-03-02T12:00:00Z", "model": "fraud", "observed": 0.3, "threshold": 0.2}; docs/simulate.md makes '
    "them of a CSV."
)
A_TIME: Final = "a time with its zone from 1970 to 2999, as 2026-03-02T12:00:00Z"


DECODER: Final = json.JSONDecoder(object_pairs_hook=members)
"""Made once, since ``json.loads`` would make it for each line."""


def _object(line: str) -> dict[str, Any] | str:
    """A line's object; or what is wrong with it."""
    if len(line) > LINE_LIMIT:
        return f"it has more than {LINE_LIMIT:,} characters."
    try:
        given = DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {str(error)[:120]}. {ONE}"
    if not isinstance(given, dict):
        return f"it is no JSON object. {ONE}"
    return given


def _signal(given: dict[str, Any], model: str, place: int) -> Signal | str:
    """A line's signal; or what is wrong with it."""
    if not given.keys() <= KEYS:
        unknown = next(key for key in given if key not in KEYS)
        return f"it has {unknown[:80]!r}, which no line has. The keys are {', '.join(sorted(KEYS))}."
    observed, limit = number(given.get("observed")), number(given.get("threshold"))
    for key, value in (("observed", observed), ("threshold", limit)):
        if value is None and given.get(key) is not None:
            return f"`{key}` is {_shown(given[key])}, and has to be a number."
    metric, comparison = given.get("metric"), given.get("comparison")
    word, kind = given.get("severity"), given.get("kind")
    if metric is not None and not isinstance(metric, str):
        return f"`metric` is {_shown(metric)}, and has to be a text."
    lower = False
    if comparison is not None:
        lower = _is_one_of(comparison, LOWER_IS_WORSE)
        if not lower and not _is_one_of(comparison, HIGHER_IS_WORSE):
            return f"`comparison` is {_shown(comparison)}: lower_is_worse or higher_is_worse."
    if word is not None and not _is_one_of(word, SEVERITIES):
        return f"`severity` is {_shown(word)}: one of {', '.join(Severity)}."
    if kind is not None and not _is_one_of(kind, KINDS):
        return f"`kind` is {_shown(kind)}: one of {', '.join(KINDS)}."
    if word is None and kind is None and (observed is None or limit is None):
        return "it measures nothing: give `observed` with `threshold`, a `severity`, or a `kind`."
    threshold = None
    if metric is not None or observed is not None or limit is not None:
        threshold = Threshold(metric and metric[:255], observed, limit, lower)
    severity = None if word is None else SEVERITIES[word]
    if kind is not None:
        says = KINDS[kind]
    else:
        ratio = threshold.ratio if threshold is not None else None
        says = SignalKind.NO_DRIFT if severity is None and ratio is not None and ratio < 1 else SignalKind.DRIFT
    measured = "" if observed is None else f" is {observed:g}" + ("" if limit is None else f" against {limit:g}")
    return Signal(
        signal_id=f"line-{place}",
        source=SOURCES.get(says, SignalSource.DRIFT_REPORT),
        kind=says,
        model=model,
        summary=f"{metric or 'drift'}{measured}.",
        observed_at=given["at"],
        threshold=threshold,
        severity=severity,
        requested_by="the file" if says is SignalKind.REQUEST else None,
    )


def _time(given: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(given)
    except (TypeError, ValueError):
        return None
    return at.astimezone(UTC) if at.tzinfo is not None and at.year in YEARS else None


def _is_one_of(value: Any, words: Container[str]) -> bool:
    return isinstance(value, str) and value in words


def _shown(value: Any) -> str:
    return "missing" if value is None else repr(value)[:80]
