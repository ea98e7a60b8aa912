"""Gates under a confidence: which bounds count, what a report lacks, and how often chance alone passes a gate."""

from __future__ import annotations

import json
import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from orchestration.domain.evaluation import EvaluationVerdict, Gate, Standing, evaluate
from orchestration.domain.policy import Evaluation, GuardMetric
from orchestration.domain.uncertainty import DEVIATION_TO_ERROR, Interval, difference, interval, is_difference

SERVES = Standing(True, "A champion serves")
GROUPS = {
    "auc": "binary_classification_metrics",
    "rmse": "regression_metrics",
    "accuracy": "binary_classification_metrics",
}
CONFIDENCE = 0.95


def bounds(value: float, lower: float, upper: float, confidence: float = CONFIDENCE) -> dict[str, float]:
    return {"value": value, "lower": lower, "upper": upper, "confidence": confidence}


def deviation(value: float, standard_deviation: Any) -> dict[str, Any]:
    return {"value": value, "standard_deviation": standard_deviation}


def block(metric: str, entry: Any, part: str | None = None) -> dict[str, Any]:
    found = {GROUPS[metric]: {metric: entry}}
    return {"slices": {part: found}} if part else found


def judged(
    metric: str,
    candidate: Any,
    other: Any = None,
    paired: Any = None,
    *,
    part: str | None = None,
    standing: Standing = SERVES,
    **wanted: Any,
) -> EvaluationVerdict:
    document = block(metric, candidate, part) | (block(metric, 0.9) if part else {})
    if other is not None:
        document["champion"] = block(metric, other, part)
    if paired is not None:
        document["difference"] = block(metric, paired, part)
    asked = Evaluation(**{"metric": metric, "confidence": CONFIDENCE, **wanted})
    return evaluate(json.dumps(document).encode(), asked, standing)


def gate(*arguments: Any, **wanted: Any) -> Gate:
    return judged(*arguments, **wanted).gates[-1]


# The bounds of an entry.


def test_an_entry_says_its_bounds_itself() -> None:
    assert interval(bounds(0.9, 0.88, 0.93), 0.95) == Interval(0.9, 0.88, 0.93, "its own bounds")
    assert interval(bounds(1.0, 0.97, 1.0, 0.99), 0.95) == Interval(1.0, 0.97, 1.0, "its own bounds")
    texts = {"value": "0.9", "lower": "0.88", "upper": " 0.93", "confidence": "0.95"}
    assert interval(texts, 0.95) == interval(bounds(0.9, 0.88, 0.93), 0.95)


@pytest.mark.parametrize(
    ("confidence", "student"),
    # Quantiles of Student's distribution with 4 degrees of freedom, as any table has them.
    [(0.9, 1.533206274058944), (0.95, 2.131846786326650), (0.975, 2.776445105197794), (0.999, 7.173182219782308)],
)
def test_a_standard_deviation_is_that_of_five_samples_of_four_fifths(confidence: float, student: float) -> None:
    found = interval(deviation(0.9, 0.003), confidence)
    assert isinstance(found, Interval)
    assert found.source == "standard deviation"
    assert math.isclose(found.upper - 0.9, student * math.sqrt(5) * 0.003, rel_tol=1e-9)
    assert math.isclose(0.9 - found.lower, student * math.sqrt(5) * 0.003, rel_tol=1e-9)


NEITHER = "has neither lower, upper and confidence nor a standard_deviation above 0"
INCOMPLETE = "has no number for each of value, lower, upper and confidence"


@pytest.mark.parametrize(
    ("entry", "lacks"),
    [
        (0.9, NEITHER),
        (None, NEITHER),
        ({"value": 0.9}, NEITHER),
        (deviation(0.9, "NaN"), NEITHER),
        (deviation(0.9, 0), NEITHER),
        (deviation(0.9, -0.1), NEITHER),
        # What five equal doubles leave of 0 in some libraries.
        (deviation(0.9, 1.2e-16), NEITHER),
        ({"standard_deviation": 0.1}, NEITHER),
        ({"value": 0.9, "lower": 0.8}, INCOMPLETE),
        ({"value": 0.9, "upper": 0.8}, INCOMPLETE),
        ({"value": 0.9, "confidence": 0.95}, INCOMPLETE),
        *(({**bounds(0.9, 0.8, 1.0), name: "NaN"}, INCOMPLETE) for name in ("value", "lower", "upper", "confidence")),
        ({**bounds(0.9, 0.8, 1.0), "lower": None, "standard_deviation": 0.1}, INCOMPLETE),
        (bounds(0.9, 0.8, 1.0, 0.9), "has bounds of confidence 0.9, and 0.95 is asked for"),
        (bounds(0.9, 0.8, 1.0, 1), "has bounds of confidence 1; a confidence is below 1, 0.95 for 95 %"),
        (bounds(0.9, 0.8, 1.0, 95), "has bounds of confidence 95; a confidence is below 1, 0.95 for 95 %"),
        ({**bounds(0.9, 0.8, 1.0), "confidence": "95%"}, INCOMPLETE),
        (bounds(0.9, 0.9, 0.9), "has 0.9 as both bounds: samples that agree do not say that others would"),
        (
            bounds(0.9, 0.9 - 1e-16, 0.9 + 1e-16),
            "has 0.9 as both bounds: samples that agree do not say that others would",
        ),
        (bounds(0.0, 0.0, 0.0), "has 0 as both bounds: samples that agree do not say that others would"),
        (bounds(0.9, 0.91, 1.0), "is 0.9, which is not between its bounds 0.91 and 1"),
        (bounds(0.9, 0.7, 0.89), "is 0.9, which is not between its bounds 0.7 and 0.89"),
    ],
)
def test_an_entry_without_usable_bounds_says_what_it_lacks(entry: Any, lacks: str) -> None:
    assert interval(entry, 0.95) == lacks


def test_two_numbers_apart_have_the_bounds_of_both_in_their_difference() -> None:
    found = difference(Interval(0.9, 0.87, 0.98, ""), Interval(0.8, 0.74, 0.84, ""))
    assert (round(found.value, 12), found.source) == (0.1, "unpaired")
    assert math.isclose(found.lower, 0.1 - 0.05)  # 0.03 below the one, 0.04 above the other
    assert math.isclose(found.upper, 0.1 + 0.10)  # 0.08 above the one, 0.06 below the other


# What a gate makes of them.


@pytest.mark.parametrize(
    ("metric", "entry", "minimum", "passed"),
    [
        ("auc", bounds(0.9, 0.85, 0.95), 0.84, True),
        ("auc", bounds(0.9, 0.85, 0.95), 0.85, False),
        ("auc", bounds(0.9, 0.85, 0.95), 0.86, False),
        ("rmse", bounds(3.0, 2.5, 3.5), 3.6, True),
        ("rmse", bounds(3.0, 2.5, 3.5), 3.5, False),
        ("rmse", bounds(3.0, 2.5, 3.5), 3.2, False),
        ("auc", 0.9, 0.5, False),
        ("auc", bounds(2.0, 1.0, 3.0), 0.5, False),
    ],
)
def test_an_absolute_bound_is_beyond_what_the_value_may_be(
    metric: str, entry: Any, minimum: float, passed: bool
) -> None:
    assert judged(metric, entry, minimum=minimum, champion="none").passed is passed


@pytest.mark.parametrize(
    ("metric", "values", "paired", "improvement", "passed"),
    [
        # Superiority, by a margin or by none.
        ("auc", (0.91, 0.9), bounds(0.01, 0.005, 0.015), 0.004, True),
        ("auc", (0.91, 0.9), bounds(0.01, 0.005, 0.015), 0.005, False),
        ("auc", (0.91, 0.9), bounds(0.01, -0.005, 0.025), 0.0, False),
        ("rmse", (2.9, 3.0), bounds(-0.1, -0.15, -0.05), 0.04, True),
        ("rmse", (2.9, 3.0), bounds(-0.1, -0.15, -0.05), 0.05, False),
        # Non-inferiority.
        ("auc", (0.9, 0.9), bounds(0.0, -0.009, 0.009), -0.01, True),
        ("auc", (0.89, 0.9), bounds(-0.01, -0.015, -0.005), -0.02, True),
        ("auc", (0.89, 0.9), bounds(-0.01, -0.025, 0.005), -0.02, False),
        ("rmse", (3.1, 3.0), bounds(0.1, 0.05, 0.15), -0.2, True),
        ("rmse", (3.1, 3.0), bounds(0.1, -0.05, 0.25), -0.2, False),
    ],
)
def test_an_improvement_is_shown_by_the_bound_of_the_paired_difference(
    metric: str, values: tuple[float, float], paired: Any, improvement: float, passed: bool
) -> None:
    """The same for a guard, whose max_regression is an improvement below 0."""
    assert judged(metric, *values, paired, min_improvement=improvement).passed is passed
    if improvement <= 0:
        guard = GuardMetric(metric, max_regression=-improvement)
        found = judged(metric, *values, paired, min_improvement=-9, guards=(guard,)).gates
        assert [each.passed for each in found] == [True, passed]


@pytest.mark.parametrize(
    "reports",
    [
        # Two models that agree on all rows: nothing says how they do on others.
        (0.9, 0.9, bounds(0.0, 0.0, 0.0)),
        (0.91, 0.9, bounds(0.01, 0.01, 0.01)),
        (0.91, 0.9, bounds(0.01, 0.01, 0.02)),
        (bounds(0.91, 0.91, 0.91), bounds(0.9, 0.9, 0.9)),
        (bounds(0.91, 0.91, 0.91), deviation(0.9, 0.0001)),
        (deviation(0.91, 0.0001), bounds(0.9, 0.9, 0.9)),
        (deviation(0.91, 1e-17), deviation(0.9, 1e-17)),
    ],
)
def test_bounds_without_width_show_nothing(reports: tuple[Any, ...]) -> None:
    """As a standard deviation of 0 does not."""
    guard = GuardMetric("auc", max_regression=0.5)
    assert [each.passed for each in judged("auc", *reports, min_improvement=-0.5, guards=(guard,)).gates] == [False] * 2


def test_a_gate_shows_its_numbers_with_their_bounds() -> None:
    absolute = gate("auc", bounds(0.9, 0.85, 0.96), minimum=0.86, champion="none")
    assert (absolute.value, absolute.comparison, absolute.bound) == (0.9, ">", 0.91)
    assert absolute.sentence == (
        "auc bound: 0.9000 is not > 0.9100. With confidence 0.95 auc of 0.9000 is 0.8500 at least and 0.9600 at most (its own "
        "bounds), and has to be above 0.8600."
    )
    paired = gate("rmse", 2.9, 3.0, bounds(-0.1, -0.15, -0.05), min_improvement=0.02)
    assert (paired.value, paired.comparison, paired.bound) == (2.9, "<", 2.93)
    assert paired.sentence == (
        "rmse against the champion: 2.9000 is < 2.9300. With confidence 0.95 the difference of -0.1000 is -0.1500 at least and "
        "-0.0500 at most (paired), and has to be below -0.0200."
    )
    unpaired = gate("auc", bounds(0.95, 0.92, 0.99), bounds(0.85, 0.8, 0.89), min_improvement=0.0)
    assert (unpaired.passed, unpaired.bound) == (True, 0.9)
    assert "the difference of 0.1000 is 0.0500 at least and 0.1640 at most (unpaired)" in unpaired.sentence
    alike = gate("auc", 0.9, 0.89, bounds(0.01, 0.0000001, 0.02), min_improvement=0.0)
    assert alike.sentence.startswith("auc against the champion: 0.9 is > 0.8999999.")


def test_a_slice_is_judged_by_its_own_bounds() -> None:
    guard = GuardMetric("auc", minimum=0.8, max_regression=0.02, slice="new")
    entry, other, paired = bounds(0.9, 0.85, 0.95), 0.9, bounds(0.0, -0.01, 0.01)
    found = judged("auc", entry, other, paired, part="new", guards=(guard,)).gates
    assert [each.passed for each in found[1:]] == [True, True]
    assert found[1].bound == 0.85
    narrow = judged("auc", entry, other, bounds(0.0, -0.03, 0.01), part="new", guards=(guard,)).gates
    assert [each.passed for each in narrow[1:]] == [True, False]


CANNOT = "auc against the champion: how far the difference may be off cannot be told, since "


@pytest.mark.parametrize(
    ("candidate", "champion", "paired", "lacks"),
    [
        (0.9, deviation(0.8, 0.01), None, f"the report has no difference of auc, and the report's auc {NEITHER}"),
        (deviation(0.9, 0.01), 0.8, None, f"the report has no difference of auc, and the report's champion {NEITHER}"),
        (deviation(0.9, 0.01), deviation(0.8, "NaN"), None, f"the report has no difference of auc, and the report's champion {NEITHER}"),
        (0.9, 0.8, 0.1, f"the report's difference of auc {NEITHER}"),
        (0.9, 0.8, bounds(0.1, 0.0, 0.2, 0.8), "the report's difference of auc has bounds of confidence 0.8, and 0.95 is asked for"),
        # The champion less the candidate.
        (0.8, 0.9, bounds(0.1, 0.05, 0.15), "the report's difference of auc is 0.1, and that of its two numbers -0.1"),
        (0.9, 0.8, bounds(0.102, 0.0, 0.2), "the report's difference of auc is 0.102, and that of its two numbers 0.1"),
        (deviation(0.9, 1e308), 0.8, deviation(0.1, 1e308), "the report's auc may be anything"),
    ],
)  # fmt: skip
def test_what_the_report_does_not_say_does_not_pass(candidate: Any, champion: Any, paired: Any, lacks: str) -> None:
    verdict = judged("auc", candidate, champion, paired, min_improvement=-1.0)
    assert not verdict.passed
    assert (
        verdict.gates[0].sentence == f"{CANNOT}{lacks}. Write that into the report (docs/policy.md#how-sure-a-gate-is)."
    )
    assert (verdict.gates[0].comparison, verdict.gates[0].bound) == (">", round(verdict.gates[0].bound or 0, 12))
    json.dumps(verdict.as_record(), allow_nan=False)


def test_bounds_that_are_missing_are_told_by_the_metrics_name() -> None:
    found = gate("rmse", 3.0, minimum=9, champion="none")
    assert (found.passed, found.comparison, found.bound) == (False, "<", 9)
    assert found.sentence.startswith(
        f"rmse bound: how far rmse may be off cannot be told, since the report's rmse {NEITHER}."
    )


@pytest.mark.parametrize(
    ("given", "one", "other", "same"),
    [
        # Turned round, however small it is beside the numbers.
        (0.0004, 0.8996, 0.9, False),
        (-0.4, 1000.4, 1000.0, False),
        (1e-9, 0.9, 0.900000001, False),
        # As near as rounding would be, but rounding turns no sign.
        (0.00003, 0.9, 0.9001, False),
        (-1e-11, 18.01465169, 18.01465168, False),
        # Zero as sums of doubles leave it.
        (1e-17, 0.9, 0.9, True),
        (-1e-14, 0.9000000000000001, 0.9, True),
        (0.0, 0.0, 0.0, True),
        (0.0004, 0.0, 0.0, False),
        # To a thousandth of itself where the numbers are not rounded.
        (0.0100009, 0.9123456789, 0.9023456789, True),
        (0.0099991, 0.9123456789, 0.9023456789, True),
        (0.01002, 0.9123456789, 0.9023456789, False),
        # By half a unit of the last decimal of each of the three.
        (0.0118, 0.9123, 0.9006, True),
        (0.0119, 0.9123, 0.9006, False),
        (0.01178, 0.9123, 0.9006, True),
        (0.01184, 0.9123, 0.9006, False),
        (0.0008, 0.9001, 0.9, False),
        (-0.06, 12.34, 12.39, True),
        (-0.07, 12.34, 12.39, False),
        # The zeros at the end are not in JSON: 0.9 may be 0.9000, and is not taken for 0.90.
        (0.0004, 0.9, 0.9, False),
        (0.0001, 0.9, 0.9, True),
        (0.102, 0.9, 0.8, False),
        (0.1, 0.9, 0.8, True),
        (0.1, 0.95, 0.86, False),
        # Numbers of any size.
        (1e308, 1e308, -1e308, False),
        (5e-324, 5e-324, 0.0, True),
        (1e300, 3e300, 2e300, True),
        (1.0009, 1.23456789012, 0.23456789012, True),
        (1.0011, 1.23456789012, 0.23456789012, False),
        (-4.99, 0.0, 4.9912, True),
        (0.0, 0.5001, 0.5, True),
        (0.0, 0.5003, 0.5, False),
    ],
)
def test_a_difference_is_that_of_its_two_numbers_as_they_are_printed(
    given: float, one: float, other: float, same: bool
) -> None:
    """Whichever of the models is the better one."""
    assert is_difference(given, one, other) is same
    assert is_difference(-given, other, one) is same


@given(
    st.floats(0.1, 1), st.floats(-1, 1, allow_subnormal=False), st.integers(4, 8), st.sampled_from([1.0, 100.0, 1e-3])
)
def test_what_a_training_rounds_is_its_difference_still(one: float, change: float, places: int, scale: float) -> None:
    """To as many decimals each, of which the numbers have four digits."""
    one, other = one * scale, (one - change / 10) * scale
    decimals = places - round(math.log10(scale))
    assert is_difference(round(one - other, decimals), round(one, decimals), round(other, decimals))
    assert is_difference(one - other, one, other)


@pytest.mark.parametrize(
    ("metric", "one", "other"), [("auc", 0.8996, 0.9), ("rmse", 1000.4, 1000.0), ("accuracy", 0.8996, 0.9)]
)
@pytest.mark.parametrize("part", [None, "eu"])
def test_a_difference_turned_round_promotes_nobody(metric: str, one: float, other: float, part: str | None) -> None:
    """The whole and a slice; where higher is better and where lower is."""
    turned = other - one
    paired = bounds(turned, turned - 0.0003, turned + 0.0003)
    guard = (GuardMetric(metric, max_regression=0.1, slice=part),)
    verdict = judged(metric, one, other, paired, part=part, min_improvement=-0.1, guards=guard)
    assert not verdict.gates[-1].passed
    assert f"the report's difference of {metric} is {turned:g}, and that of its two numbers {-turned:g}" in (
        verdict.gates[-1].sentence
    )


SURE = deviation(0.91, 0.0001), deviation(0.9, 0.0001)
AUC_GROUP = GROUPS["auc"]


@pytest.mark.parametrize(
    ("paired", "lacks"),
    [
        ({AUC_GROUP: {"auc": {"lower": -0.03, "upper": 0.05, "confidence": 0.95}}}, "."),
        ({AUC_GROUP: {"auc": bounds(0.01, -0.03, 0.05) | {"value": None}}}, "."),
        ({AUC_GROUP: {"auc": None}}, "."),
        ({AUC_GROUP: {"roc_auc": bounds(0.01, -0.03, 0.05)}}, "; there are numbers of roc_auc, and roc_auc may be meant."),
        ({AUC_GROUP: {"f1": bounds(0.01, -0.03, 0.05)}}, "; there are numbers of f1."),
        ({"auc": bounds(0.01, -0.03, 0.05)}, "."),
        ({AUC_GROUP: {}}, "."),
        *((other, ".") for other in (0.01, 0, False, "0.01", [0.01])),
    ],
)  # fmt: skip
def test_a_difference_that_is_there_and_cannot_be_read_is_not_passed_over(paired: Any, lacks: str) -> None:
    """Without it the bounds of both numbers would do."""
    document = block("auc", SURE[0]) | {"champion": block("auc", SURE[1])}
    asked = Evaluation("auc", confidence=CONFIDENCE, min_improvement=0.0)
    assert evaluate(json.dumps(document).encode(), asked, SERVES).passed
    nothings: tuple[Any, ...] = (None, {}, [])
    for nothing in nothings:
        assert evaluate(json.dumps(document | {"difference": nothing}).encode(), asked, SERVES).passed
    verdict = evaluate(json.dumps(document | {"difference": paired}).encode(), asked, SERVES)
    assert not verdict.passed
    assert f"{CANNOT}in the report's difference auc is missing or not a number{lacks}" in verdict.gates[0].sentence


@pytest.mark.parametrize("group", [AUC_GROUP, "regression_metrics"])
@pytest.mark.parametrize("name", ["auc", "AUC"])
def test_a_difference_is_found_however_it_is_spelled_and_in_any_group(group: str, name: str) -> None:
    def said(paired: Any) -> Gate:
        document = block("auc", SURE[0]) | {"champion": block("auc", SURE[1]), "difference": paired}
        asked = Evaluation("auc", confidence=CONFIDENCE, min_improvement=0.0)
        return evaluate(json.dumps(document).encode(), asked, SERVES).gates[0]

    assert said({group: {name: bounds(0.01, 0.001, 0.02)}}).passed
    assert not said({group: {name: bounds(0.01, -0.03, 0.05)}}).passed
    two = {AUC_GROUP: {"auc": bounds(0.01, 0.001, 0.02), "A-U-C": bounds(0.01, -0.03, 0.05)}}
    assert "in the report's difference auc is there more than once" in said(two).sentence


def test_a_guard_on_a_slice_needs_its_slice_in_the_difference() -> None:
    guard = GuardMetric("auc", max_regression=0.02, slice="eu")
    document = block("auc", SURE[0]) | block("auc", SURE[0], "eu")
    document["champion"] = block("auc", SURE[1]) | block("auc", SURE[1], "eu")
    document["difference"] = block("auc", bounds(0.01, 0.001, 0.02))
    asked = Evaluation("auc", confidence=CONFIDENCE, min_improvement=0.0, guards=(guard,))
    found = evaluate(json.dumps(document).encode(), asked, SERVES).gates
    assert [each.passed for each in found] == [True, False]
    assert "in the report's difference auc in slice eu is missing" in found[1].sentence


@pytest.mark.parametrize(
    ("metric", "value", "one_sided"),
    [("auc", 0.9, bounds(0.9, 0.9, 0.95)), ("rmse", 2.0, bounds(2.0, 1.5, 2.0))],
)
def test_a_number_that_is_its_own_bound_on_the_bad_side_says_nothing(metric: str, value: float, one_sided: Any) -> None:
    minimum = 0.5 if metric == "auc" else 9
    found = gate(metric, one_sided, minimum=minimum, champion="none")
    assert not found.passed
    assert f"since its {'upper' if metric == 'rmse' else 'lower'} bound is the number itself" in found.sentence
    # On the other side it may be: nothing is better than the best.
    other = bounds(value, value - 0.1, value) if metric == "auc" else bounds(value, value, value + 0.1)
    assert gate(metric, other, minimum=minimum, champion="none").passed


def test_the_paired_interval_counts_where_there_is_one() -> None:
    """Both models miss the same rows, so their difference is known better than either of them."""
    both = deviation(0.92, 0.01), deviation(0.9, 0.01)
    assert gate("auc", *both, bounds(0.02, 0.01, 0.03), min_improvement=0.0).passed
    assert not gate("auc", *both, min_improvement=0.0).passed
    # A deviation of the difference itself, over the same five samples of both.
    assert gate("auc", 0.92, 0.9, deviation(0.02, 0.004), min_improvement=0.0).passed
    assert not gate("auc", 0.92, 0.9, deviation(0.02, 0.005), min_improvement=0.0).passed


def test_numbers_of_another_day_have_no_difference_with_bounds() -> None:
    last = Standing(True, "", "run-7", {"auc": 0.5})
    verdict = judged("auc", deviation(0.9, 0.001), standing=last, min_improvement=0.0, champion="last_promoted")
    assert not verdict.passed
    assert "since the auc of run run-7 was measured on other data. " in verdict.sentence


def test_without_a_confidence_bounds_are_not_looked_at() -> None:
    assert judged("auc", bounds(0.9, 0.1, 0.95), 0.9, bounds(0.0, -9, 9), min_improvement=0.0, confidence=None).passed


def test_where_no_champion_serves_a_candidate_stands_alone_under_a_confidence_too() -> None:
    found = judged("auc", deviation(0.9, 0.001), standing=Standing(False, "No champion serves"), min_improvement=0.1)
    assert found.passed


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from([0.9, 0.95, 1e308, -1e308]),
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["value", "lower", "upper", "confidence", "standard_deviation", "auc", GROUPS["auc"], "slices"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)


@settings(max_examples=50)
@given(JSON, JSON, JSON)
def test_no_bounds_raise_and_none_makes_a_number_that_json_lacks(candidate: Any, champion: Any, paired: Any) -> None:
    verdict = judged("auc", candidate, champion, paired, minimum=0.1, min_improvement=-1.0)
    json.dumps(verdict.as_record(), allow_nan=False)


# How often chance alone passes a gate: models whose true difference is known, measured again and again.

TRIALS = 1_000
ROWS = 200
# Four standard errors of a share of 0.05 over the trials: a right gate is off that far in one of 30,000 seeds.
CHANCE = 4 * math.sqrt(0.05 * 0.95 / TRIALS)


def rows_right(seed: int, *, truth: float, shared: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Which rows each model gets right, both of shape ``(TRIALS, ROWS)``.

    The champion gets 0.8 of them, the candidate ``truth`` more. On a share of the rows, ``shared``, the same luck
    decides for both.
    """
    rng = np.random.default_rng(seed)
    luck, other = rng.random((TRIALS, ROWS)), rng.random((TRIALS, ROWS))
    same = rng.random((TRIALS, ROWS)) < shared
    candidate, champion = luck < 0.8 + truth, np.where(same, luck, other) < 0.8
    return candidate.astype(np.float64), champion.astype(np.float64)


def passes(improvement: float, reports: list[tuple[Any, Any, Any]]) -> float:
    """The share of reports whose candidate passes."""
    return sum(judged("accuracy", *each, min_improvement=improvement).passed for each in reports) / len(reports)


def paired_reports(one: NDArray[np.float64], other: NDArray[np.float64]) -> list[tuple[Any, Any, Any]]:
    """With the paired interval that a training writes: mean of the differences, -+ z standard errors."""
    change = one - other
    width = NormalDist().inv_cdf(CONFIDENCE) * change.std(axis=1, ddof=1) / math.sqrt(ROWS)
    values = zip(one.mean(axis=1), other.mean(axis=1), change.mean(axis=1), width, strict=True)
    return [(a, b, bounds(d, d - w, d + w)) for a, b, d, w in values]


def deviation_reports(
    one: NDArray[np.float64], other: NDArray[np.float64], *, replace: bool = False, ddof: int = 0
) -> list[tuple[Any, Any, Any]]:
    """With what SageMaker's report has: each model's deviation over five samples of 80 % of the rows."""
    rng = np.random.default_rng(99)
    drawn: list[NDArray[np.float64]] = []
    for right in (one, other):
        if replace:
            samples = [
                np.take_along_axis(right, rng.integers(0, ROWS, (TRIALS, ROWS * 4 // 5)), axis=1) for _ in range(5)
            ]
        else:
            samples = [rng.permuted(right, axis=1)[:, : ROWS * 4 // 5] for _ in range(5)]
        drawn.append(np.std([sample.mean(axis=1) for sample in samples], axis=0, ddof=ddof))
    values = zip(one.mean(axis=1), other.mean(axis=1), *drawn, strict=True)
    return [(deviation(a, s), deviation(b, t), None) for a, b, s, t in values]


@pytest.mark.parametrize(("truth", "improvement"), [(0.0, 0.0), (-0.05, -0.05), (0.03, 0.03)])
def test_a_candidate_just_not_as_good_as_asked_passes_as_seldom_as_the_confidence_says(
    truth: float, improvement: float
) -> None:
    rate = passes(improvement, paired_reports(*rows_right(1, truth=truth, shared=0.5)))
    assert abs(rate - 0.05) < CHANCE


def test_paired_intervals_find_an_improvement_that_is_there() -> None:
    """The unpaired bounds find less of it."""
    models = rows_right(2, truth=0.07, shared=0.5)
    spread = float(np.std(models[0] - models[1])) / math.sqrt(ROWS)
    expected = 1 - NormalDist().cdf(NormalDist().inv_cdf(CONFIDENCE) - 0.07 / spread)
    assert abs(passes(0.0, paired_reports(*models)) - expected) < 4 * math.sqrt(expected * (1 - expected) / TRIALS)
    assert 0.1 < passes(0.0, deviation_reports(*models)) < expected - 0.2


@pytest.mark.parametrize(("replace", "ddof"), [(False, 0), (False, 1), (True, 0)])
def test_standard_deviations_let_chance_pass_no_more_often_than_the_confidence_says(replace: bool, ddof: int) -> None:
    """Whichever way SageMaker draws and divides, even for models whose errors have nothing to do with each other."""
    apart = passes(0.0, deviation_reports(*rows_right(3, truth=0.0, shared=0.0), replace=replace, ddof=ddof))
    assert apart < 0.05 + CHANCE
    if not replace and ddof == 0:
        # The reading that the bounds are made for is met and not only undercut.
        assert apart > 0.02


def test_standard_deviations_are_conservative_where_both_models_saw_the_same_rows() -> None:
    rate = passes(0.0, deviation_reports(*rows_right(4, truth=0.0, shared=0.8)))
    assert rate < 0.01


def test_a_deviation_of_one_metric_covers_its_truth() -> None:
    right, other = rows_right(5, truth=0.0, shared=0.0)
    entries = [candidate for candidate, _, _ in deviation_reports(right, other)]
    found = [interval(entry, CONFIDENCE) for entry in entries]
    missed = sum(isinstance(each, str) or each.lower > 0.8 for each in found) / TRIALS
    assert abs(missed - 0.05) < CHANCE
    assert math.isclose(DEVIATION_TO_ERROR, math.sqrt(5))
