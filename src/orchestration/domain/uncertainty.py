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


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its bounds, ``lower <= value <= upper``. ``source`` says in a word or two what they are from."""

    value: float
    lower: float
    upper: float
    source: str


def interval(entry: Any, confidence: float) -> Interval | str:
    """Bounds of an entry of a report, or what it lacks, to follow the entry's name.

    An entry with ``lower``, ``upper`` and ``confidence`` (of each bound) says itself; one of a higher confidence is
    wider and so is taken. Else ``standard_deviation`` counts: value -+ t * DEVIATION_TO_ERROR * standard_deviation, t
    of Student's distribution with the four degrees of freedom that five samples leave. One of 0 says that five
    samples agreed, not that others would.
    """
    given = mapping(entry)
    value, lower, upper, level = (number(given.get(name)) for name in ("value", "lower", "upper", "confidence"))
    if given.keys() & {"lower", "upper", "confidence"}:
        if value is None or lower is None or upper is None or level is None:
            return "has no number for each of value, lower, upper and confidence"
        if not confidence <= level < 1:
            return f"has bounds of confidence {level:g}, and {confidence:g} is asked for"
        if not lower <= value <= upper:
            return f"is {value:g}, which is not between its bounds {lower:g} and {upper:g}"
        return Interval(value, lower, upper, "its own bounds")
    deviation = number(given.get("standard_deviation"))
    if value is None or deviation is None or deviation <= 0:
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


def _student_of_four(confidence: float) -> float:
    """Quantile of Student's distribution with 4 degrees of freedom, for a confidence from 0.5 up to but not 1.

    Source: Shaw, Journal of Computational Finance 9 (2006), 37, where four degrees have a closed form.
    """
    root = 2 * math.sqrt(confidence * (1 - confidence))
    return 2 * math.sqrt(math.cos(math.acos(root) / 3) / root - 1)
