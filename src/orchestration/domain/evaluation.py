"""The verdict on a candidate: its gates, each with value, bound and pass or fail. Pure.

Reads SageMaker's model-quality JSON (``binary_classification_metrics``, ``multiclass_classification_metrics`` or
``regression_metrics``, each metric ``{"value": x, "standard_deviation": y}``). The champion measured on the same data
stands beside it under ``champion``, candidate - champion row by row under ``difference``; slices under
``slices.<name>``, each in the same format.

A value that is missing, not a number or NaN is a failed gate, never a pass. A report that names the champion is compared
with it even when the policy asks for no improvement: worse than what serves is worse.

A policy that names a ``confidence`` has bounds take the place of values (one-sided, ``domain/uncertainty.py``):

- ``minimum``: lower(candidate) > minimum;
- ``min_improvement``: lower(candidate - champion) > min_improvement. That is superiority by a margin; with a negative
  one it is non-inferiority, as it is with a guard's ``max_regression``: lower(candidate - champion) >
  -max_regression.

Where lower is better it is upper(...) < with the sign of the improvement changed. Source: ICH E9, Statistical
principles for clinical trials (1998), 3.3.2: the bound of a confidence interval against a margin that was written
down before. Where a report's bounds are what they say, a candidate that is not as good as asked passes such a gate
with a probability of at most 1 - confidence.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import json_object, mapping, number, text
from orchestration.domain.metrics import judged_as
from orchestration.domain.reasons import Reason
from orchestration.domain.uncertainty import Interval, difference, interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestration.domain.metrics import Metric
    from orchestration.domain.policy import Evaluation

METRIC_GROUPS: Final = ("binary_classification_metrics", "multiclass_classification_metrics", "regression_metrics")
"""Top-level keys of SageMaker's model-quality report, one for each problem type."""

OTHERWISE: Final = (
    "The report is wrong, or means another metric: name it as it is, or set lower_is_better (docs/metrics.md)."
)
"""What to do about a value that there cannot be."""

COMPARED: Final = "Write its numbers into the report under champion (docs/policy.md#what-a-candidate-is-compared-with), or set evaluation.champion: none."
"""What to do where a comparison is asked for and there is nothing to compare with."""

UNSURE: Final = "Write that into the report (docs/policy.md#how-sure-a-gate-is)."
"""What to do where a policy names a confidence and a report does not say how far its numbers may be off."""

SAME_NUMBER: Final = 2**-10
"""Share of a metric's value by which a report's difference may be off that of its two numbers, being rounded."""

METRICS_KEPT: Final = 200
"""Metrics of a report that a verdict holds beside those its policy asks for. A table item has 400 KB, a reader less time."""

NAME_LIMIT: Final = 255
"""Characters of the name of a metric that a verdict holds unasked."""

DECIMALS: Final = 12
"""Bounds are rounded to this many decimals: 0.1 + 0.2 is 0.3 to whoever wrote the policy."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate. ``bound`` is what ``value`` is compared with, ``comparison`` is ``>=`` or ``<=``.

    Under a confidence ``bound`` holds as much as the value may be off besides, and ``comparison`` is ``>`` or ``<``.
    """

    name: str
    metric: str
    value: float | None
    comparison: str
    bound: float | None
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What a candidate is held against where its report names no champion.

    ``expected``: something serves, so that the report has to name it. ``run_id`` and ``metrics`` are of the run that was promoted
    last, where the policy compares with that. ``why`` begins the sentence that says how it is.
    """

    expected: bool
    why: str
    run_id: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluationVerdict:
    """All gates, and whether the candidate may go on. ``compared_with_champion`` says if both saw the same data.

    ``champion_run`` is the run whose numbers of then the champion's are, None where the report has them.
    """

    passed: bool
    reason: Reason
    sentence: str
    gates: tuple[Gate, ...]
    candidate_metrics: dict[str, float]
    champion_metrics: dict[str, float]
    compared_with_champion: bool
    champion_run: str | None = None

    def as_record(self) -> dict[str, Any]:
        """The verdict as reviewers and the evidence see it."""
        return asdict(self)


def evaluate(
    report: bytes | None, wanted: Evaluation, standing: Standing, *, unreadable: str | None = None
) -> EvaluationVerdict:
    """Judge a candidate. No content of the report raises.

    Args:
        report: the bytes of evaluation.json, or None when there is none that could be read.
        wanted: the policy's gates; ``metric`` None asks for none.
        standing: what the candidate is held against where the report does not say.
        unreadable: why there are no bytes, unless the training simply wrote none.
    """
    if wanted.metric is None:
        return _unjudged(True, Reason.NO_EVALUATION_ASKED, "The policy asks for no evaluation.")
    document = "" if report is None else _parse(report)
    if isinstance(document, str):
        why = unreadable or "the training wrote no evaluation report"
        if report is not None:
            why = f"the training wrote a report that is not model-quality JSON: it {document}"
        return _unjudged(
            False,
            Reason.NO_EVALUATION if report is None else Reason.EVALUATION_UNREADABLE,
            f"The candidate was not measured, and what was not measured never serves: {why}.",
        )
    asked = [(wanted.metric, None), *((guard.metric, guard.slice) for guard in wanted.guards)]
    candidate = metric_values(document, asked)
    against = _against(document, wanted, standing, asked)
    asks = None if wanted.confidence is None else _Report(document, wanted.confidence)
    gates = [gate for each in _comparisons(wanted, against) for gate in each.gates(candidate, against, asks)]
    failed = [gate for gate in gates if not gate.passed]
    value = candidate.get(wanted.metric)
    shown = "not measured" if value is None else f"{value:.4f}"
    if failed:
        reason, sentence = Reason.GATE_FAILED, f"{len(failed)} of {len(gates)} gates failed: {failed[0].sentence}"
    else:
        reason, sentence = Reason.GATES_PASSED, f"All {len(gates)} gates passed; {wanted.metric} is {shown}."
    return EvaluationVerdict(
        not failed,
        reason,
        sentence,
        tuple(gates),
        candidate,
        against.metrics,
        compared_with_champion=against.same_data and bool(against.metrics),
        champion_run=against.run_id,
    )


def _unjudged(passed: bool, reason: Reason, sentence: str) -> EvaluationVerdict:
    return EvaluationVerdict(passed, reason, sentence, (), {}, {}, compared_with_champion=False)


@dataclass(frozen=True, slots=True)
class _Champion:
    """What the candidate is compared with. ``lacks`` says why a number is missing, None where there need be none.

    ``asked``: compare the metric although the policy asks for no improvement.
    """

    metrics: dict[str, float]
    lacks: str | None
    alone: str = ""
    asked: bool = False
    same_data: bool = False
    run_id: str | None = None

    @property
    def name(self) -> str:
        """As gates call it."""
        return f"run {self.run_id}" if self.run_id else "the champion"


def _against(
    document: dict[str, Any], wanted: Evaluation, standing: Standing, asked: Iterable[tuple[str, str | None]]
) -> _Champion:
    if wanted.champion == "none":
        return _Champion({}, None, "The policy compares with no champion")
    named = document.get("champion")
    if named:
        # Whoever names a champion means it to be compared with; one of another shape hides what it is.
        block = mapping(named)
        groups = [mapping(block[group]) for group in METRIC_GROUPS if group in block]
        told = not groups or any(wanted.metric in group for group in groups)
        lacks = "The report's champion has no number for {metric}, on the same data and in the candidate's form"
        return _Champion(metric_values(block, asked), lacks, asked=told, same_data=True)
    if standing.run_id is not None:
        lacks = f"Run {standing.run_id}, the last that was promoted, has no {{metric}} on record"
        return _Champion(dict(standing.metrics), lacks, run_id=standing.run_id)
    if standing.expected:
        return _Champion({}, f"{standing.why}, and the report lacks the champion's {{metric}} on the same data")
    return _Champion({}, None, standing.why)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """How far what a gate holds may be off: its bounds, or what the report lacks. They have to be beyond ``asked``."""

    subject: str
    known: Interval | str
    asked: float
    confidence: float


@dataclass(frozen=True, slots=True)
class _Report:
    """The report, asked how far its numbers may be off."""

    document: dict[str, Any]
    confidence: float

    def of_value(self, metric: str, part: str | None, minimum: float) -> _Doubt:
        """Of the candidate's value."""
        return _Doubt(metric, self._interval(self.document, metric, part, metric), minimum, self.confidence)

    def of_change(
        self, metric: str, part: str | None, champion: _Champion, values: tuple[float, float], asked: float
    ) -> _Doubt:
        """Of candidate - champion, whose ``values`` these are."""
        known: Interval | str = f"the {metric} of {champion.name} was measured on other data"
        if champion.same_data:
            known = self._change(metric, part, values)
        return _Doubt("the difference", known, asked, self.confidence)

    def _change(self, metric: str, part: str | None, values: tuple[float, float]) -> Interval | str:
        paired = mapping(self.document.get("difference"))
        if _entry(_part(paired, part), metric) is None:
            one = self._interval(self.document, metric, part, metric)
            other = self._interval(mapping(self.document.get("champion")), metric, part, "champion")
            if isinstance(one, Interval) and isinstance(other, Interval):
                return difference(one, other)
            return f"the report has no difference of {metric}, and {one if isinstance(one, str) else other}"
        found = self._interval(paired, metric, part, f"difference of {metric}")
        if isinstance(found, str):
            return found
        change = values[0] - values[1]
        if abs(found.value - change) > SAME_NUMBER * max(map(abs, values)):
            return f"the report's difference of {metric} is {found.value:g}, and that of its two numbers {change:g}"
        return replace(found, source="paired")

    def _interval(self, document: dict[str, Any], metric: str, part: str | None, name: str) -> Interval | str:
        found = interval(_entry(_part(document, part), metric), self.confidence)
        return f"the report's {name} {found}" if isinstance(found, str) else found


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One metric with what is asked of it. ``improvement`` None: it is held against no champion."""

    name: str
    metric: str
    part: str | None
    of: Metric | None
    minimum: float | None
    improvement: float | None

    def gates(self, candidate: dict[str, float], champion: _Champion, report: _Report | None) -> list[Gate]:
        """Its gates: bound, comparison, or that it was measured. A ``report`` is asked how far values may be off."""
        value, found = candidate.get(_key(self.metric, self.part)), []
        if self.minimum is not None:
            doubt = None if report is None else report.of_value(self.metric, self.part, self.minimum)
            found.append(_gate(self.name, self.metric, value, self.minimum, of=self.of, doubt=doubt))
        if self.improvement is not None:
            found.append(self._compared(value, champion, self.improvement, report))
        return found or [_gate(self.name, self.metric, value, None, of=self.of)]

    def _compared(self, value: float | None, champion: _Champion, improvement: float, report: _Report | None) -> Gate:
        name, metric, of = f"{self.name.removesuffix(' bound')} against {champion.name}", self.metric, self.of
        if of is None or value is None or of.impossible(value) is not None:
            return _gate(name, metric, value, None, of=of)
        key = _key(metric, self.part)
        comparison, other = "<=" if of.lower else ">=", champion.metrics.get(key)
        if other is None:
            told = f"{champion.alone}, so {metric} stands alone."
            if champion.lacks is not None:
                told = f"{champion.lacks.format(metric=key)}, so better cannot be told from worse. {COMPARED}"
            return Gate(name, metric, value, comparison, None, champion.lacks is None, told)
        if (why := of.impossible(other)) is not None:
            told = f"{name}: the other {metric} is {other:g}, and {why}. {OTHERWISE}"
            return Gate(name, metric, value, comparison, None, False, told)
        asked = -improvement if of.lower else improvement
        doubt = None if report is None else report.of_change(metric, self.part, champion, (value, other), asked)
        return _gate(name, metric, value, other + asked, of=of, doubt=doubt)


def _comparisons(wanted: Evaluation, champion: _Champion) -> Iterator[_Comparison]:
    """What a policy asks; a guard with a name only must not fall below the champion."""
    metric = wanted.metric or ""
    improvement = 0.0 if wanted.min_improvement is None and champion.asked else wanted.min_improvement
    measured = "bound" if wanted.minimum is not None or improvement is not None else "measured"
    yield _Comparison(
        f"{metric} {measured}", metric, None, judged_as(metric, wanted.lower_is_better), wanted.minimum, improvement
    )
    for guard in wanted.guards:
        override = guard.lower_is_better
        if override is None and guard.metric == wanted.metric:
            override = wanted.lower_is_better
        falls = guard.max_regression if guard.minimum is not None else guard.max_regression or 0.0
        yield _Comparison(
            f"guard {_key(guard.metric, guard.slice)}",
            guard.metric,
            guard.slice,
            judged_as(guard.metric, override),
            guard.minimum,
            None if falls is None else -falls,
        )


def _key(metric: str, part: str | None) -> str:
    """A metric in a verdict: by its name, or with the slice it was measured on."""
    return f"{metric} in slice {part}" if part else metric


def metric_values(document: dict[str, Any], asked: Iterable[tuple[str, str | None]]) -> dict[str, float]:
    """Value by metric: what a policy asks for, by name and slice, and beside it the first of a report, finite numbers all."""
    found = {_key(metric, part): metric_value(_part(document, part), metric) for metric, part in asked}
    first = itertools.islice(
        (name for group in METRIC_GROUPS for name in mapping(document.get(group)) if text(name, NAME_LIMIT) == name),
        METRICS_KEPT,
    )
    found = {name: metric_value(document, name) for name in first} | found
    return {name: value for name, value in found.items() if value is not None}


def metric_value(document: dict[str, Any], name: str) -> float | None:
    """A metric of a report if it is a finite number; the last group that has it counts."""
    return _value(_entry(document, name))


def _entry(document: dict[str, Any], name: str) -> Any:
    entries = (mapping(document.get(group)).get(name) for group in reversed(METRIC_GROUPS))
    return next((entry for entry in entries if _value(entry) is not None), None)


def _value(entry: Any) -> float | None:
    return number(entry.get("value") if isinstance(entry, dict) else entry)


def _part(document: dict[str, Any], part: str | None) -> dict[str, Any]:
    return mapping(mapping(document.get("slices")).get(part)) if part else document


def _gate(
    name: str,
    metric: str,
    value: float | None,
    bound: float | None,
    *,
    of: Metric | None,
    doubt: _Doubt | None = None,
) -> Gate:
    bound = None if bound is None else round(bound, DECIMALS)
    if of is None:
        told = (
            f"{name}: nothing says whether more or less {metric} is better, so it is not judged. Set lower_is_better."
        )
        return Gate(name, metric, value, ">=", bound, False, told)
    comparison = "<=" if of.lower else ">="
    if value is None:
        return Gate(name, metric, None, comparison, bound, False, f"{name}: {metric} is missing or not a number.")
    if (why := of.impossible(value)) is not None:
        told = f"{name}: {metric} is {value:g}, and {why}. {OTHERWISE}"
        return Gate(name, metric, value, comparison, bound, False, told)
    if bound is None:
        return Gate(name, metric, value, comparison, None, True, f"{name}: {metric} is {value:.4f}.")
    if doubt is not None:
        return _doubted(name, metric, value, bound, doubt, lower=of.lower)
    passed = value <= bound if of.lower else value >= bound
    return Gate(name, metric, value, comparison, bound, passed, _said(name, value, comparison, bound, passed=passed))


def _doubted(name: str, metric: str, value: float, bound: float, doubt: _Doubt, *, lower: bool) -> Gate:
    """A gate whose bound is as much stricter as its value may be off: value > bound where known.lower > asked."""
    comparison, known = "<" if lower else ">", doubt.known
    if not isinstance(known, str):
        stricter = round(value + doubt.asked - (known.upper if lower else known.lower), DECIMALS)
        known = known if math.isfinite(stricter) else f"the report's {metric} may be anything"
    if isinstance(known, str):
        told = f"{name}: how far {doubt.subject} may be off cannot be told, since {known}. {UNSURE}"
        return Gate(name, metric, value, comparison, bound, False, told)
    passed = value < stricter if lower else value > stricter
    told = (
        f"{_said(name, value, comparison, stricter, passed=passed)} With confidence {doubt.confidence:g} {doubt.subject} "
        f"of {known.value:.4f} is {known.lower:.4f} at least and {known.upper:.4f} at most ({known.source}), "
        f"and has to be {'below' if lower else 'above'} {doubt.asked:.4f}."
    )
    return Gate(name, metric, value, comparison, stricter, passed, told)


def _said(name: str, value: float, comparison: str, bound: float, *, passed: bool) -> str:
    shown, limit = f"{value:.4f}", f"{bound:.4f}"
    if shown == limit and value != bound:
        shown, limit = f"{value:.12g}", f"{bound:.12g}"
    return f"{name}: {shown} {'is' if passed else 'is not'} {comparison} {limit}."


def _parse(report: bytes) -> dict[str, Any] | str:
    parsed = json_object(report, nan=True)
    if isinstance(parsed, dict) and not any(group in parsed for group in METRIC_GROUPS):
        return f"has none of {', '.join(METRIC_GROUPS)}"
    return parsed
