"""The verdict on a candidate: its gates, each with value, bound and pass or fail. Pure.

Reads SageMaker's model-quality JSON (``binary_classification_metrics``, ``multiclass_classification_metrics`` or
``regression_metrics``, each metric ``{"value": x, "standard_deviation": y}``). The champion measured on the same data
stands beside it under ``champion``, candidate - champion row by row under ``difference``; slices under
``slices.<name>``, each in the same format.

A value that is missing, not a number or NaN is a failed gate, never a pass. A report that names the champion is compared
with it even when the policy asks for no improvement: worse than what serves is worse. A champion without a number for the
metric, and a difference without one under a confidence, fail: what a report names is not passed over.

A metric is found under its name in any case, with or without hyphens, underscores and blanks, in each part of a report
alike (``_Block``).

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
import re
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import ascii_lower, json_object, mapping, number, text
from orchestration.domain.metrics import judged_as
from orchestration.domain.metrics import metric as catalogued
from orchestration.domain.reasons import Reason
from orchestration.domain.uncertainty import Interval, difference, interval, is_difference

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

NAMES_TOLD: Final = 5
"""Metrics that a sentence names where the one that is asked for is missing."""

METRICS_KEPT: Final = 200
"""Metrics of a report that a verdict holds beside those its policy asks for. A table item has 400 KB, a reader less time."""

NAME_LIMIT: Final = 255
"""Characters of the name of a metric that a verdict holds unasked."""

SEPARATORS: Final = re.compile(r"[-_\s]")
"""What libraries write between the words of a metric's name, or leave out."""

DECIMALS: Final = 12
"""Bounds are rounded to this many decimals: 0.1 + 0.2 is 0.3 to whoever wrote the policy."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate. ``bound`` is what ``value`` is compared with, ``comparison`` is ``>=`` or ``<=``.

    Under a confidence ``bound`` holds as much as the value may be off besides, and ``comparison`` is ``>`` or ``<``;
    ``lower`` and ``upper`` are how far the value may be off, that of a difference carried over to the value.
    """

    name: str
    metric: str
    value: float | None
    comparison: str
    bound: float | None
    passed: bool
    sentence: str
    lower: float | None = None
    upper: float | None = None


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
    """All gates, and whether the candidate may go on. ``compared_with_champion``: a gate held both numbers, of the same data.

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
    numbers = _Block.of(document, asked)
    paired = _Block.of(document["difference"], asked) if _says(document, "difference") else None
    asks = None if wanted.confidence is None else _Bounds(numbers, paired, wanted.confidence)
    comparisons = list(_comparisons(wanted, against))
    gates = [gate for each in comparisons for gate in each.gates(numbers, against, asks)]
    failed = [gate for gate in gates if not gate.passed]
    value = candidate.get(wanted.metric)
    shown = "not measured" if value is None else f"{value:.4f}"
    only = len(gates) == 1
    if failed:
        many = "The only gate" if only else f"{len(failed)} of {len(gates)} gates"
        reason, sentence = Reason.GATE_FAILED, f"{many} failed: {failed[0].sentence}"
    else:
        many = "The only gate" if only else f"All {len(gates)} gates"
        reason, sentence = Reason.GATES_PASSED, f"{many} passed; {wanted.metric} is {shown}."
    return EvaluationVerdict(
        not failed,
        reason,
        sentence,
        tuple(gates),
        candidate,
        against.metrics,
        compared_with_champion=against.same_data and any(each.holds_both(numbers, against) for each in comparisons),
        champion_run=against.run_id,
    )


def _unjudged(passed: bool, reason: Reason, sentence: str) -> EvaluationVerdict:
    return EvaluationVerdict(passed, reason, sentence, (), {}, {}, compared_with_champion=False)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a block has of a metric: its entry and its number, or why there is none, as a clause."""

    entry: Any = None
    value: float | None = None
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class _Block:
    """Metrics of one model, or of a difference, by slice; None is the whole.

    ``entries`` are names and entries by spelling. Other names of a metric's row in the catalogue are other metrics:
    recall and specificity are in one. ``names`` are the first metrics that have a number.
    """

    entries: dict[str | None, dict[str, list[tuple[str, Any]]]]
    names: dict[str | None, list[str]]

    @classmethod
    def of(cls, document: Any, asked: Iterable[tuple[str, str | None]]) -> _Block:
        """Of what stands in a report, whatever it is; read are the slices that are asked for."""
        parts = {part: _part(mapping(document), part) for _, part in asked}
        entries: dict[str | None, dict[str, list[tuple[str, Any]]]] = {part: {} for part in parts}
        for part, measured in parts.items():
            for name, entry in _named_entries(measured):
                entries[part].setdefault(_spelled(name), []).append((name, entry))
        return cls(entries, {part: list(_first_numbers(measured)) for part, measured in parts.items()})

    def measured(self, metric: str, part: str | None) -> _Measured:
        """A metric; it is not measured where the block has it twice with different numbers, of bounds too."""
        key, found = _key(metric, part), self.entries[part].get(_spelled(metric), [])
        if len({_numbers(entry) for _, entry in found}) > 1:
            twice = ", ".join(name for name, _ in found[:NAMES_TOLD])
            return _Measured(lacks=f"{key} is there more than once, with different numbers ({twice})")
        if found and (value := metric_value(found[0][1])) is not None:
            return _Measured(found[0][1], value)
        lacks, there = f"{key} is missing or not a number", self.names[part]
        if there:
            of = catalogued(metric)
            meant = [name for name in there if of is not None and catalogued(name) == of]
            lacks += f"; there are numbers of {', '.join(list(dict.fromkeys((*meant, *there)))[:NAMES_TOLD])}"
            lacks += f", and {meant[0]} may be meant" if meant else ""
        return _Measured(lacks=lacks)


@dataclass(frozen=True, slots=True)
class _Champion:
    """What the candidate is compared with. ``lacks`` says why a number is missing, None where there need be none.

    ``block`` is the report's champion, measured on the same data: compared with although the policy asks for no
    improvement.
    """

    metrics: dict[str, float]
    lacks: str | None
    alone: str = ""
    block: _Block | None = None
    run_id: str | None = None

    @property
    def name(self) -> str:
        """As gates call it."""
        return f"run {self.run_id}" if self.run_id else "the champion"

    @property
    def same_data(self) -> bool:
        """Whether its numbers are of the candidate's data."""
        return self.block is not None

    def value(self, metric: str, part: str | None) -> float | None:
        """Its number for a metric."""
        return self.metrics.get(_key(metric, part))

    def lacking(self, metric: str, part: str | None) -> str | None:
        """Why it has no number for a metric, as the beginning of a sentence."""
        if self.block is None:
            return None if self.lacks is None else self.lacks.format(metric=_key(metric, part))
        if not self.block.names[part]:
            return f"The report names a champion without numbers{f' in slice {part}' if part else ''} in the candidate's form"
        why = self.block.measured(metric, part).lacks
        return f"The report's champion has no number for {_key(metric, part)} ({why})"


def _against(
    document: dict[str, Any], wanted: Evaluation, standing: Standing, asked: Iterable[tuple[str, str | None]]
) -> _Champion:
    if wanted.champion == "none":
        return _Champion({}, None, "The policy compares with no champion")
    if _says(document, "champion"):
        # Whoever names a champion means it to be compared with; one of another shape hides what it is.
        named = document["champion"]
        return _Champion(metric_values(mapping(named), asked), None, block=_Block.of(named, asked))
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
class _Bounds:
    """A report, asked how far its numbers may be off. ``difference`` None: it has none."""

    candidate: _Block
    difference: _Block | None
    confidence: float

    def of_value(self, metric: str, part: str | None, minimum: float) -> _Doubt:
        """Of the candidate's value."""
        return _Doubt(metric, self._interval(self.candidate, metric, part, metric), minimum, self.confidence)

    def of_change(
        self, metric: str, part: str | None, champion: _Champion, values: tuple[float, float], asked: float
    ) -> _Doubt:
        """Of candidate - champion, whose ``values`` these are."""
        known: Interval | str = f"the {metric} of {champion.name} was measured on other data"
        if champion.block is not None:
            known = self._change(metric, part, champion.block, values)
        return _Doubt("the difference", known, asked, self.confidence)

    def _change(self, metric: str, part: str | None, champion: _Block, values: tuple[float, float]) -> Interval | str:
        if self.difference is None:
            one = self._interval(self.candidate, metric, part, metric)
            other = self._interval(champion, metric, part, "champion")
            if isinstance(one, Interval) and isinstance(other, Interval):
                return difference(one, other)
            return f"the report has no difference of {metric}, and {one if isinstance(one, str) else other}"
        measured = self.difference.measured(metric, part)
        if measured.value is None:
            # Bounds of both numbers would say nothing of what stands there.
            return f"in the report's difference {measured.lacks}"
        found = self._interval(self.difference, metric, part, f"difference of {metric}")
        if isinstance(found, str):
            return found
        if not is_difference(found.value, *values):
            change = values[0] - values[1]
            return f"the report's difference of {metric} is {found.value:g}, and that of its two numbers {change:g}"
        return replace(found, source="paired")

    def _interval(self, block: _Block, metric: str, part: str | None, name: str) -> Interval | str:
        found = interval(block.measured(metric, part).entry, self.confidence)
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

    def gates(self, candidate: _Block, champion: _Champion, asks: _Bounds | None) -> list[Gate]:
        """Its gates: bound, comparison, or that it was measured. ``asks`` None: nobody asks how far values may be off."""
        measured, found = candidate.measured(self.metric, self.part), []
        if self.minimum is not None:
            doubt = None if asks is None else asks.of_value(self.metric, self.part, self.minimum)
            found.append(_gate(self.name, self.metric, measured, self.minimum, of=self.of, doubt=doubt))
        if self.improvement is not None:
            found.append(self._compared(measured, champion, self.improvement, asks))
        return found or [_gate(self.name, self.metric, measured, None, of=self.of)]

    def holds_both(self, candidate: _Block, champion: _Champion) -> bool:
        """Whether it compares a number of the candidate with one of the champion."""
        values = candidate.measured(self.metric, self.part).value, champion.value(self.metric, self.part)
        return self.improvement is not None and self.of is not None and None not in values

    def _compared(self, measured: _Measured, champion: _Champion, improvement: float, asks: _Bounds | None) -> Gate:
        name, metric, of = f"{self.name.removesuffix(' bound')} against {champion.name}", self.metric, self.of
        value = measured.value
        if of is None or value is None or of.impossible(value) is not None:
            return _gate(name, metric, measured, None, of=of)
        comparison, other = "<=" if of.lower else ">=", champion.value(metric, self.part)
        if other is None:
            told, lacking = f"{champion.alone}, so {metric} stands alone.", champion.lacking(metric, self.part)
            if lacking is not None:
                told = f"{lacking}, so better cannot be told from worse. {COMPARED}"
            return Gate(name, metric, value, comparison, None, lacking is None, told)
        if (why := of.impossible(other)) is not None:
            told = f"{name}: the other {metric} is {other:g}, and {why}. {OTHERWISE}"
            return Gate(name, metric, value, comparison, None, False, told)
        asked = -improvement if of.lower else improvement
        doubt = None if asks is None else asks.of_change(metric, self.part, champion, (value, other), asked)
        return _gate(name, metric, measured, other + asked, of=of, doubt=doubt)


def _comparisons(wanted: Evaluation, champion: _Champion) -> Iterator[_Comparison]:
    """What a policy asks; a guard with a name only must not fall below the champion."""
    metric = wanted.metric or ""
    improvement = 0.0 if wanted.min_improvement is None and champion.same_data else wanted.min_improvement
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
    asked = list(asked)
    block = _Block.of(document, asked)
    whole = {_spelled(metric) for metric, part in asked if part is None}
    found = {name: value for name, value in _first_numbers(document).items() if _spelled(name) not in whole}
    for metric, part in asked:
        # A metric of the report may be named as one in a slice is here.
        found.pop(_key(metric, part), None)
        if (value := block.measured(metric, part).value) is not None:
            found[_key(metric, part)] = value
    return found


def told_twice(block: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Group and name of each metric that a part of a report has before already, with other numbers."""
    before: dict[str, tuple[float | None, ...]] = {}
    for group in METRIC_GROUPS:
        for name, entry in mapping(block.get(group)).items():
            if before.setdefault(_spelled(name), _numbers(entry)) != _numbers(entry):
                yield group, name


def _says(document: dict[str, Any], key: str) -> bool:
    """Whether a report names something there; null and an empty object say that there is none."""
    return document.get(key) not in (None, {}, [])


def _named_entries(part: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, entry) for group in METRIC_GROUPS for name, entry in mapping(part.get(group)).items())


def _first_numbers(part: dict[str, Any]) -> dict[str, float]:
    """The first metrics that have a number, and a name that a page can show."""
    numbers = ((name, metric_value(entry)) for name, entry in _named_entries(part))
    shown = ((name, value) for name, value in numbers if value is not None and text(name, NAME_LIMIT) == name)
    return dict(itertools.islice(shown, METRICS_KEPT))


def _spelled(name: str) -> str:
    return SEPARATORS.sub("", ascii_lower(name))


def _numbers(entry: Any) -> tuple[float | None, ...]:
    """All that an entry says that a gate reads."""
    others = ("lower", "upper", "confidence", "standard_deviation")
    return (metric_value(entry), *(number(mapping(entry).get(name)) for name in others))


def metric_value(entry: Any) -> float | None:
    """The number of a metric's entry in a report, if it is a finite one."""
    return number(entry.get("value") if isinstance(entry, dict) else entry)


def _part(document: dict[str, Any], part: str | None) -> dict[str, Any]:
    return mapping(mapping(document.get("slices")).get(part)) if part else document


def _gate(
    name: str,
    metric: str,
    measured: _Measured,
    bound: float | None,
    *,
    of: Metric | None,
    doubt: _Doubt | None = None,
) -> Gate:
    value, bound = measured.value, None if bound is None else round(bound, DECIMALS)
    if of is None:
        told = (
            f"{name}: nothing says whether more or less {metric} is better, so it is not judged. Set lower_is_better."
        )
        return Gate(name, metric, value, ">=", bound, False, told)
    comparison = "<=" if of.lower else ">="
    if value is None:
        return Gate(name, metric, None, comparison, bound, False, f"{name}: {measured.lacks}.")
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
        stricter = round(value + doubt.asked - known.towards(lower=lower), DECIMALS)
        known = known if math.isfinite(stricter) else f"the report's {metric} may be anything"
    if not isinstance(known, str) and known.towards(lower=lower) == known.value:
        known = f"its {'upper' if lower else 'lower'} bound is the number itself"
    if isinstance(known, str):
        told = f"{name}: how far {doubt.subject} may be off cannot be told, since {known}. {UNSURE}"
        return Gate(name, metric, value, comparison, bound, False, told)
    passed = value < stricter if lower else value > stricter
    told = (
        f"{_said(name, value, comparison, stricter, passed=passed)} With confidence {doubt.confidence:g} {doubt.subject} "
        f"of {known.value:.4f} is {known.lower:.4f} at least and {known.upper:.4f} at most ({known.source}), "
        f"and has to be {'below' if lower else 'above'} {doubt.asked:.4f}."
    )
    lowest, highest = (round(value + end - known.value, DECIMALS) for end in (known.lower, known.upper))
    return Gate(name, metric, value, comparison, stricter, passed, told, _finite(lowest), _finite(highest))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


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
