"""How far a measured number may be from the true one, as a report says it. Pure.

Bounds are one-sided: with the confidence that is asked for the true value is not below ``lower``, and with the same
confidence it is not above ``upper``. Both together are a two-sided interval of confidence 2 * confidence - 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from orchestration.domain.json_values import mapping, number

DEVIATION_TO_ERROR: Final = math.sqrt(5 / 4 * 0.8 / 0.2)
"""Standard error of a metric by its ``standard_deviation`` in SageMaker's model-quality report.

That is the standard deviation of the metric over five random samples of 80 % of the rows (SageMaker developer guide,
"Model quality metrics"). Samples of a share f, drawn without replacement, vary by (1 - f) / f of the variance of the
whole (Cochran, Sampling Techniques, 1977, theorem 2.2). Whether SageMaker draws without replacement, and whether it
divides by 5 or by 4, AWS does not say: this is the widest of the four readings.
"""

SUMMED: Final = 1e-12
"""Share of a number that sums of doubles in another order may leave of 0: some hundred times their precision, 2**-53."""

SAME_DIFFERENCE: Final = 2**-10
"""Share of a difference by which one that a report has may be off that of its two numbers."""

DIGITS: Final = 4
"""Digits that numbers are taken to have been rounded to at least: JSON does not say how many zeros stood at the end."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its bounds, ``lower <= value <= upper``. ``source`` says in a word or two what they are from."""

    value: float
    lower: float
    upper: float
    source: str

    def towards(self, *, lower: bool) -> float:
        """The bound on the bad side: the upper one where lower is better."""
        return self.upper if lower else self.lower


def interval(entry: Any, confidence: float) -> Interval | str:
    """Bounds of an entry of a report, or what it lacks, to follow the entry's name.

    An entry with ``lower``, ``upper`` and ``confidence`` (of each bound) says itself; one of a higher confidence is
    wider and so is taken. Else ``standard_deviation`` counts: value -+ t * DEVIATION_TO_ERROR * standard_deviation, t
    of Student's distribution with the four degrees of freedom that five samples leave. One of 0, like bounds that are
    one number, says that the samples agreed, not that others would.
    """
    given = mapping(entry)
    value, lower, upper, level = (number(given.get(name)) for name in ("value", "lower", "upper", "confidence"))
    if given.keys() & {"lower", "upper", "confidence"}:
        if value is None or lower is None or upper is None or level is None:
            return "has no number for each of value, lower, upper and confidence"
        if level >= 1:
            return f"has bounds of confidence {level:g}; a confidence is below 1, 0.95 for 95 %"
        if level < confidence:
            return f"has bounds of confidence {level:g}, and {confidence:g} is asked for"
        if not lower <= value <= upper:
            return f"is {value:g}, which is not between its bounds {lower:g} and {upper:g}"
        if _nothing(upper - lower, lower, upper):
            return f"has {lower:g} as both bounds: samples that agree do not say that others would"
        return Interval(value, lower, upper, "its own bounds")
    deviation = number(given.get("standard_deviation"))
    if value is None or deviation is None or _nothing(deviation, value):
        return "has neither lower, upper and confidence nor a standard_deviation above 0"
    width = _student_of_four(confidence) * DEVIATION_TO_ERROR * deviation
    return Interval(value, value - width, value + width, "standard deviation")


def difference(one: Interval, other: Interval) -> Interval:
    """Bounds of ``one - other`` for two numbers whose errors do not depend on each other.

    d - sqrt((one - one.lower)^2 + (other.upper - other)^2) is the lower one; the upper one the other way round.
    Source: Zou and Donner, Statistics in Medicine 27 (2008), 1693 (MOVER). Errors that go together, as those of two
    models on the same rows do, make the difference vary less, and these bounds wider than they need be; errors that
    go against each other make them too narrow.
    """
    value = one.value - other.value
    return Interval(
        value,
        value - math.hypot(one.value - one.lower, other.upper - other.value),
        value + math.hypot(one.upper - one.value, other.value - other.lower),
        "unpaired",
    )


def is_difference(given: float, one: float, other: float) -> bool:
    """Whether a report's difference can be ``one - other``, each of the three rounded as it is printed.

    It may be off by a share of the difference itself, not of the numbers: two models are near each other, and a share of
    0.9 is more than they differ by. Beside that counts half a unit of the last decimal of each of the three. Its sign
    has to be right, since rounding never turns the order of two numbers.
    """
    change, largest = one - other, max(abs(one), abs(other))
    off = abs(given - change)
    if off <= SUMMED * largest:
        return True
    if not largest or not math.isfinite(off) or given < 0 < change or change < 0 < given:
        return False
    unit = min(_last_decimal(repr(one)), _last_decimal(repr(other)), _last_decimal(f"{largest:.{DIGITS - 1}e}"))
    rounded = unit + min(_last_decimal(repr(given)), unit) / 2 + SUMMED * largest
    return off <= max(SAME_DIFFERENCE * abs(change), rounded)


def _last_decimal(printed: str) -> float:
    """The unit of the last decimal of a number as it is printed: 0.01 of 0.25 and of 2.5e-1."""
    digits, _, exponent = printed.partition("e")
    return 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


def _nothing(width: float, *beside: float) -> bool:
    return width <= SUMMED * max(map(abs, beside))


def _student_of_four(confidence: float) -> float:
    """Quantile of Student's distribution with 4 degrees of freedom, for a confidence from 0.5 up to but not 1.

    Source: Shaw, Journal of Computational Finance 9 (2006), 37, where four degrees have a closed form.
    """
    root = 2 * math.sqrt(confidence * (1 - confidence))
    return 2 * math.sqrt(math.cos(math.acos(root) / 3) / root - 1)
