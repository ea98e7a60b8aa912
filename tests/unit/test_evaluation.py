"""Gates: every bound, direction and hole in a report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.evaluation import EvaluationVerdict, Standing, evaluate, metric_values
from orchestration.domain.policy import Evaluation, GuardMetric

GROUP = "binary_classification_metrics"


def metrics(values: dict[str, Any], group: str = GROUP) -> dict[str, Any]:
    return {group: {name: {"value": value, "standard_deviation": "NaN"} for name, value in values.items()}}


def report(
    candidate: dict[str, Any],
    champion: dict[str, Any] | None = None,
    *,
    group: str = GROUP,
    slices: dict[str, dict[str, Any]] | None = None,
    champion_slices: dict[str, dict[str, Any]] | None = None,
) -> bytes:
    document = metrics(candidate, group)
    if champion is not None:
        document["champion"] = metrics(champion, group)
        if champion_slices:
            document["champion"]["slices"] = {name: metrics(values, group) for name, values in champion_slices.items()}
    if slices:
        document["slices"] = {name: metrics(values, group) for name, values in slices.items()}
    return json.dumps(document).encode()


SERVES = Standing(True, "A champion serves")
NOTHING_SERVES = Standing(False, "No champion serves")


def judged(raw: bytes | None, *, champion_expected: bool = True, **wanted: Any) -> EvaluationVerdict:
    return evaluate(raw, Evaluation(**{"metric": "auc", **wanted}), SERVES if champion_expected else NOTHING_SERVES)


@pytest.mark.parametrize(
    ("candidate", "champion", "wanted", "passed"),
    [
        # The absolute bound.
        ({"auc": 0.8}, {"auc": 0.7}, {"minimum": 0.8}, True),
        ({"auc": 0.7999}, {"auc": 0.7}, {"minimum": 0.8}, False),
        # The improvement over the champion.
        ({"auc": 0.86}, {"auc": 0.85}, {"min_improvement": 0.01}, True),
        ({"auc": 0.8599}, {"auc": 0.85}, {"min_improvement": 0.01}, False),
        ({"auc": 0.84}, {"auc": 0.85}, {"min_improvement": -0.02}, True),
        ({"auc": 0.3}, {"auc": 0.1}, {"min_improvement": 0.2}, True),
        ({"auc": 0.9}, {}, {"min_improvement": 0.01}, False),
        ({"auc": 0.9}, {"auc": "NaN"}, {"min_improvement": 0.01}, False),
        # A measured champion is compared with, asked or not.
        ({"auc": 0.84}, {"auc": 0.85}, {"minimum": 0.8}, False),
        ({"auc": 0.85}, {"auc": 0.85}, {"minimum": 0.8}, True),
        ({"auc": 0.85}, {}, {"minimum": 0.8}, False),
        ({"auc": 0.85}, {"f1": 0.1}, {"minimum": 0.8}, False),
        ({"auc": 0.85}, None, {"minimum": 0.8}, True),
        # What is not a number is not a pass.
        ({"auc": "NaN"}, {"auc": 0.1}, {}, False),
        ({"auc": float("nan")}, {"auc": 0.1}, {}, False),
        ({"auc": float("inf")}, {"auc": 0.1}, {}, False),
        ({"auc": None}, {"auc": 0.1}, {}, False),
        ({"auc": True}, {"auc": 0.1}, {}, False),
        ({"auc": [0.9]}, {"auc": 0.1}, {}, False),
        ({"auc": "0.9"}, {"auc": 0.1}, {}, True),
        ({"recall": 0.9}, {"auc": 0.1}, {}, False),
        ({"recall": 0.9}, {}, {"guards": (GuardMetric("recall", minimum=0.5),)}, False),
    ],
)
def test_the_metric_passes_only_at_its_bounds(
    candidate: dict[str, Any], champion: dict[str, Any] | None, wanted: dict[str, Any], passed: bool
) -> None:
    verdict = judged(report(candidate, champion), **wanted)

    assert verdict.passed is passed, verdict
    assert verdict.gates


@pytest.mark.parametrize(
    ("group", "metric", "better", "worse"),
    [
        ("binary_classification_metrics", "f1", 0.8, 0.7),
        ("binary_classification_metrics", "false_positive_rate", 0.1, 0.2),
        ("multiclass_classification_metrics", "weighted_f2", 0.8, 0.7),
        ("regression_metrics", "rmse", 3.0, 4.0),
        ("regression_metrics", "mae", 1.0, 1.5),
        ("regression_metrics", "r2", 0.9, 0.5),
    ],
)
def test_the_direction_follows_the_metrics_name(group: str, metric: str, better: float, worse: float) -> None:
    wanted: dict[str, Any] = {"metric": metric, "min_improvement": 0.0}

    assert judged(report({metric: better}, {metric: worse}, group=group), **wanted).passed
    assert not judged(report({metric: worse}, {metric: better}, group=group), **wanted).passed


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("auc", 2.0, "no auc is above 1"),
        ("auc", 99, "no auc is above 1"),
        ("auc", 1e308, "no auc is above 1"),
        ("auc", -0.1, "no auc is below 0"),
        ("rmse", -9, "no rmse is below 0"),
        ("neg_mean_squared_error", 3, "no negated mse is above 0"),
    ],
)
def test_a_value_that_there_cannot_be_is_never_good(metric: str, value: float, words: str) -> None:
    asked: list[dict[str, Any]] = [{"minimum": value}, {"min_improvement": 0.0}, {}]
    for wanted in asked:
        verdict = judged(report({metric: value}, {metric: value}), metric=metric, **wanted)
        assert not verdict.passed, wanted
        assert words in verdict.sentence
    assert not judged(report({metric: value}), metric=metric, champion_expected=False, min_improvement=0.0).passed


def test_a_champions_value_that_there_cannot_be_is_compared_with_nothing() -> None:
    verdict = judged(report({"rmse": 9.0}, {"rmse": -2.1}), metric="rmse", min_improvement=0.0)
    assert not verdict.passed
    assert "rmse against the champion: the other rmse is -2.1, and no rmse is below 0" in verdict.sentence


@pytest.mark.parametrize(
    "champion",
    [
        *("v3", 7, 0, False, [1], {"auc": 0.93}, {"metrics": {"auc": 0.93}}, {GROUP: {"auc": {"value": "NaN"}}}),
        *({GROUP: {}}, {GROUP: None}, {"slices": {}}),
    ],
)
@pytest.mark.parametrize("wanted", [{"min_improvement": 0.0}, {"minimum": 0.5}, {}])
def test_a_champion_that_cannot_be_read_is_compared_with_nothing(champion: Any, wanted: dict[str, Any]) -> None:
    raw = json.dumps({**metrics({"auc": 0.81}), "champion": champion}).encode()
    verdict = judged(raw, champion_expected=False, **wanted)
    assert (verdict.passed, verdict.compared_with_champion) == (False, False)
    assert "The report names a champion without numbers in the candidate's form, so better cannot" in verdict.sentence


@pytest.mark.parametrize("champion", [None, {}, []])
def test_a_report_may_say_that_it_has_no_champion(champion: Any) -> None:
    raw = json.dumps({**metrics({"auc": 0.81}), "champion": champion}).encode()
    assert judged(raw, champion_expected=False, min_improvement=0.0).passed
    assert not judged(raw, min_improvement=0.0).passed


def test_where_no_endpoint_says_what_serves_a_candidate_is_held_against_what_was_promoted_last() -> None:
    wanted = Evaluation(
        "auc", min_improvement=0.0, guards=(GuardMetric("recall", slice="young"),), champion="last_promoted"
    )
    last = Standing(True, "", "run-7", {"auc": 0.93, "recall in slice young": 0.5})

    def said(
        auc: float, recall: float, standing: Standing = last, champion: dict[str, Any] | None = None
    ) -> EvaluationVerdict:
        return evaluate(report({"auc": auc}, champion, slices={"young": {"recall": recall}}), wanted, standing)

    worse = said(0.81, 0.6)
    assert worse.sentence == "1 of 2 gates failed: auc against run run-7: 0.8100 is not >= 0.9300."
    assert (worse.champion_run, worse.compared_with_champion) == ("run-7", False)
    assert worse.champion_metrics == {"auc": 0.93, "recall in slice young": 0.5}
    assert said(0.93, 0.5).passed
    assert "guard recall in slice young against run run-7: 0.4000 is not >= 0.5000" in said(0.94, 0.4).sentence
    unmeasured = said(0.94, 0.6, Standing(True, "", "run-7", {"f1": 0.9}))
    assert "Run run-7, the last that was promoted, has no auc on record" in unmeasured.sentence
    first = said(0.94, 0.6, Standing(True, "No run of fraud was promoted yet"))
    assert "No run of fraud was promoted yet, and the report lacks the champion's auc" in first.sentence
    assert "evaluation.champion: none" in first.sentence
    # What was measured on the same data is the better comparison.
    assert not said(0.94, 0.6, champion={"auc": 0.95}).passed


def test_a_gate_says_what_it_asks_for() -> None:
    assert [gate.name for gate in judged(report({"auc": 0.8}), champion_expected=False).gates] == ["auc measured"]
    assert [gate.name for gate in judged(report({"auc": 0.8}), champion_expected=False, minimum=0.5).gates] == [
        "auc bound"
    ]
    both = judged(report({}), champion_expected=False, minimum=0.5, min_improvement=0.0).gates
    assert [gate.name for gate in both] == ["auc bound", "auc against the champion"]


def test_a_champion_is_compared_with_whichever_group_of_its_report_names_the_metric() -> None:
    champion = {GROUP: {"f1": {"value": 0.9}}, "regression_metrics": {"auc": {"value": 0.9}}}
    raw = json.dumps({**metrics({"auc": 0.8}), "champion": champion}).encode()
    assert not judged(raw, minimum=0.5).passed


def test_a_champion_without_the_metric_says_what_it_has() -> None:
    verdict = judged(report({"auc": 0.75}, {"f1": 0.9, "roc_auc": 0.95, "recall": "NaN"}), minimum=0.7)
    assert (verdict.passed, verdict.compared_with_champion) == (False, False)
    assert (
        "The report's champion has no number for auc (auc is missing or not a number; there are numbers of roc_auc, f1, and "
        "roc_auc may be meant), so better cannot be told from worse. " in verdict.sentence
    )
    guard = GuardMetric("recall", slice="eu")
    parts = {"eu": {"recall": 0.9}}
    missing = judged(report({"auc": 0.9}, {"auc": 0.8}, slices=parts), guards=(guard,))
    assert "The report names a champion without numbers in slice eu in the candidate's form" in missing.sentence
    other = judged(
        report({"auc": 0.9}, {"auc": 0.8}, slices=parts, champion_slices={"eu": {"f1": 0.7}}), guards=(guard,)
    )
    assert (
        "no number for recall in slice eu (recall in slice eu is missing or not a number; there are numbers of f1)"
        in (other.sentence)
    )


@pytest.mark.parametrize("spelled", ["AUC", "Auc", "a_u-c", "auc "])
def test_a_metric_is_found_however_its_name_is_spelled(spelled: str) -> None:
    """By the candidate, the champion and a slice alike; the verdict calls it as the policy does."""
    worse = judged(report({"auc": 0.75}, {spelled: 0.95}), minimum=0.7)
    assert (worse.passed, worse.compared_with_champion, worse.champion_metrics) == (False, True, {"auc": 0.95})
    assert "auc against the champion: 0.7500 is not >= 0.9500" in worse.sentence
    better = judged(report({spelled: 0.96}, {"auc": 0.95}), minimum=0.7)
    assert (better.passed, better.candidate_metrics) == (True, {"auc": 0.96})
    guard = GuardMetric("auc", minimum=0.5, max_regression=0.0, slice="eu")
    for own, other in ((spelled, "auc"), ("auc", spelled)):
        for value, passed in ((0.8, True), (0.7, False)):
            raw = report({"auc": 1}, {"auc": 1}, slices={"eu": {own: value}}, champion_slices={"eu": {other: 0.75}})
            assert judged(raw, guards=(guard,)).passed is passed


@pytest.mark.parametrize(("asked", "there"), [("recall", "specificity"), ("auc", "auc_best_constant_classifier")])
def test_another_metric_of_the_same_row_of_the_catalogue_is_not_taken_for_it(asked: str, there: str) -> None:
    assert not judged(report({there: 0.9}), champion_expected=False, metric=asked).passed
    both = judged(report({asked: 0.9, there: 0.5}, {asked: 0.8, there: 0.4}), metric=asked, min_improvement=0.0)
    assert both.passed
    assert both.candidate_metrics == {asked: 0.9, there: 0.5}


@pytest.mark.parametrize(
    "entry",
    [
        *(0.95, "NaN", None),
        *({"value": 0.75, bound: 0.1} for bound in ("standard_deviation", "lower", "upper", "confidence")),
    ],
)
@pytest.mark.parametrize(("group", "name"), [(GROUP, "AUC"), ("regression_metrics", "auc")])
@pytest.mark.parametrize("where", ["candidate", "champion"])
def test_of_two_numbers_under_one_name_none_counts(entry: Any, group: str, name: str, where: str) -> None:
    document = {**metrics({"auc": 0.75}), "champion": metrics({"auc": 0.75})}

    def added(entry: Any) -> EvaluationVerdict:
        block = dict(document if where == "candidate" else document["champion"])
        block[group] = {**block.get(group, {}), name: entry}
        whole = block if where == "candidate" else {**document, "champion": block}
        return judged(json.dumps(whole).encode(), minimum=0.7)

    verdict = added(entry)
    assert (verdict.passed, verdict.compared_with_champion) == (False, False)
    assert f"auc is there more than once, with different numbers (auc, {name})" in verdict.sentence
    # The same number twice says one thing.
    assert added(0.75).passed


def test_nothing_is_compared_only_where_the_policy_writes_that_down() -> None:
    verdict = judged(report({"auc": 0.8}, {"auc": 0.9}), minimum=0.7, champion="none")
    assert verdict.passed
    assert (verdict.champion_metrics, verdict.compared_with_champion) == ({}, False)


def test_errors_that_are_reported_with_their_sign_changed_are_judged_once_the_policy_says_so() -> None:
    wanted: dict[str, Any] = {"metric": "rmse", "lower_is_better": False, "min_improvement": 0.0}
    assert judged(report({"rmse": -2.0}, {"rmse": -2.1}), **wanted).passed
    assert not judged(report({"rmse": -2.2}, {"rmse": -2.1}), **wanted).passed


def test_a_metric_nobody_knows_is_judged_only_as_the_policy_says() -> None:
    """A policy that is in force says it; one that a run began with under the release before may not."""
    asked: list[dict[str, Any]] = [{"minimum": 0.1}, {"min_improvement": 0.0}, {}]
    for wanted in asked:
        verdict = judged(report({"lift": 0.9}, {"lift": 0.8}), metric="lift", **wanted)
        assert not verdict.passed
        assert "nothing says whether more or less lift is better" in verdict.sentence
    assert judged(report({"lift": 0.9}, {"lift": 0.8}), metric="lift", lower_is_better=False).passed
    assert not judged(report({"lift": 0.9}, {"lift": 0.8}), metric="lift", lower_is_better=True).passed


def test_a_guard_on_the_metric_itself_shares_its_direction() -> None:
    wanted = Evaluation("latency", lower_is_better=True, guards=(GuardMetric("latency", minimum=50),))

    assert evaluate(report({"latency": 40.0}), wanted, NOTHING_SERVES).passed


def test_a_guards_own_direction_wins_and_another_metrics_direction_is_its_own() -> None:
    own = Evaluation(
        "latency", lower_is_better=False, guards=(GuardMetric("latency", minimum=50, lower_is_better=True),)
    )
    other = Evaluation("latency", lower_is_better=True, guards=(GuardMetric("recall", minimum=0.5),))

    assert evaluate(report({"latency": 40.0}), own, NOTHING_SERVES).passed
    assert evaluate(report({"latency": 40.0, "recall": 0.9}), other, NOTHING_SERVES).passed


def test_a_champion_in_the_report_is_compared_with_also_where_none_was_expected() -> None:
    assert not judged(report({"auc": 0.8}, {"auc": 0.9}), champion_expected=False).passed


def test_every_gate_says_what_was_compared_with_what() -> None:
    def said(raw: bytes, **wanted: Any) -> list[str]:
        return [gate.sentence for gate in judged(raw, champion_expected=False, min_improvement=0.0, **wanted).gates]

    assert said(report({"auc": 0.8}), minimum=0.8) == [
        "auc bound: 0.8000 is >= 0.8000.",
        "No champion serves, so auc stands alone.",
    ]
    assert said(report({"recall": "NaN"})) == ["auc against the champion: auc is missing or not a number."]
    assert said(report({"recall": 0.8})) == [
        "auc against the champion: auc is missing or not a number; there are numbers of recall."
    ]
    alone = judged(report({"rmse": 0.8}), champion_expected=False, metric="rmse", min_improvement=0.0)
    assert [gate.comparison for gate in alone.gates] == ["<="]


def test_what_a_report_has_in_place_of_a_metric_is_named_up_to_five_and_guessed_at_only_where_it_is_known() -> None:
    others = {f"m{place}": 0.5 for place in range(6)}
    lacking = judged(report(others), champion_expected=False, metric="lift", lower_is_better=False)
    assert "; there are numbers of m0, m1, m2, m3, m4." in lacking.sentence


@pytest.mark.parametrize(
    ("metric", "guard"),
    [
        ("auc", GuardMetric("recall", minimum=0.5)),
        ("auc", GuardMetric("lift")),
    ],
)
def test_two_numbers_that_no_gate_compares_are_no_comparison(metric: str, guard: GuardMetric) -> None:
    both = {guard.metric: 0.9}
    verdict = judged(report({metric: 0.9, **both}, both), metric=metric, guards=(guard,))
    assert (verdict.passed, verdict.compared_with_champion) == (False, False)
    assert verdict.champion_metrics == both


@pytest.mark.parametrize(
    ("guard", "candidate", "champion", "passed"),
    [
        (GuardMetric("recall", minimum=0.7), {"recall": 0.7}, {"recall": 0.9}, True),
        (GuardMetric("recall", minimum=0.7), {"recall": 0.69}, {"recall": 0.1}, False),
        (GuardMetric("recall", max_regression=0.02), {"recall": 0.78}, {"recall": 0.8}, True),
        (GuardMetric("recall", max_regression=0.02), {"recall": 0.7799}, {"recall": 0.8}, False),
        (GuardMetric("mae", max_regression=1.0), {"mae": 5.0}, {"mae": 4.0}, True),
        (GuardMetric("mae", max_regression=1.0), {"mae": 5.1}, {"mae": 4.0}, False),
        (GuardMetric("recall"), {"recall": 0.8}, {"recall": 0.8}, True),
        (GuardMetric("recall"), {"recall": 0.79}, {"recall": 0.8}, False),
        (GuardMetric("recall"), {"recall": 0.9}, {}, False),
        (GuardMetric("recall", minimum=0.5, max_regression=0.1), {"recall": 0.6}, {"recall": 0.8}, False),
        (GuardMetric("recall"), {}, {"recall": 0.8}, False),
        (GuardMetric("odd", minimum=1.0, lower_is_better=True), {"odd": 2.0}, {}, False),
    ],
)
def test_a_guard_metric_must_not_fall(
    guard: GuardMetric, candidate: dict[str, float], champion: dict[str, float], passed: bool
) -> None:
    verdict = judged(report({"auc": 0.9, **candidate}, {"auc": 0.8, **champion}), guards=(guard,))

    assert verdict.passed is passed, verdict.gates


def test_a_slice_is_judged_by_its_own_numbers() -> None:
    guard = GuardMetric("recall", minimum=0.6, max_regression=0.05, slice="new customers")
    good = {"new customers": {"recall": 0.7}}

    def verdict(own: dict[str, Any] | None, other: dict[str, Any]) -> EvaluationVerdict:
        raw = report({"auc": 0.9, "recall": 0.9}, {"auc": 0.8, "recall": 0.9}, slices=own, champion_slices=other)
        return judged(raw, guards=(guard,))

    assert verdict(good, {"new customers": {"recall": 0.72}}).passed
    assert not verdict(good, {"new customers": {"recall": 0.8}}).passed
    assert not verdict({"new customers": {"recall": 0.5}}, good).passed
    missing = verdict(None, good)
    assert not missing.passed
    assert "guard recall in slice new customers" in missing.sentence


def test_a_metric_named_as_one_of_a_slice_is_not_that_slices() -> None:
    guard = GuardMetric("recall", slice="eu")
    named = {"auc": 0.9, "recall in slice eu": 0.1}
    verdict = judged(report({"auc": 0.9}, named, slices={"eu": {"recall": 0.5}}), guards=(guard,))
    assert not verdict.passed
    assert verdict.champion_metrics == {"auc": 0.9}


def test_without_a_champion_the_candidate_stands_alone() -> None:
    wanted = {"min_improvement": 0.1, "guards": (GuardMetric("recall"),)}

    assert judged(report({"auc": 0.9, "recall": 0.1}), champion_expected=False, **wanted).passed
    assert not judged(report({"auc": 0.9}), champion_expected=False, **wanted).passed


def test_the_verdict_lists_every_gate_with_value_bound_and_result() -> None:
    verdict = judged(
        report({"auc": 0.9, "recall": 0.6}, {"auc": 0.85, "recall": 0.7}),
        minimum=0.8,
        min_improvement=0.01,
        guards=(GuardMetric("recall", minimum=0.65),),
    )

    shown = [(gate.name, gate.value, gate.comparison, gate.bound, gate.passed) for gate in verdict.gates]
    assert shown == [
        ("auc bound", 0.9, ">=", 0.8, True),
        ("auc against the champion", 0.9, ">=", 0.86, True),
        ("guard recall", 0.6, ">=", 0.65, False),
    ]
    assert (verdict.reason, verdict.compared_with_champion) == ("GATE_FAILED", True)
    assert "1 of 3 gates failed: guard recall: 0.6000 is not >= 0.6500." in verdict.sentence
    assert json.loads(json.dumps(verdict.as_record()))["gates"][2]["passed"] is False


def test_numbers_that_look_alike_are_told_apart_in_the_sentence() -> None:
    verdict = judged(report({"auc": 0.849999}, {"auc": 0.85}), min_improvement=0.0)

    assert "0.849999 is not >= 0.85." in verdict.sentence


@pytest.mark.parametrize(
    ("raw", "reason", "words"),
    [
        (None, "NO_EVALUATION", "wrote no evaluation report"),
        (b"", "EVALUATION_UNREADABLE", "not model-quality JSON"),
        (b"[]", "EVALUATION_UNREADABLE", "not model-quality JSON"),
        (b'["binary_classification_metrics"]', "EVALUATION_UNREADABLE", "not model-quality JSON"),
        (b'{"auc": 0.9}', "EVALUATION_UNREADABLE", "not model-quality JSON"),
        (b"\xff\xfe\x00", "EVALUATION_UNREADABLE", "not model-quality JSON"),
        (b"[" * 100_000, "EVALUATION_UNREADABLE", "not model-quality JSON"),
    ],
)
def test_what_was_not_measured_never_serves(raw: bytes | None, reason: str, words: str) -> None:
    verdict = judged(raw)

    assert (verdict.passed, verdict.reason, verdict.compared_with_champion) == (False, reason, False)
    assert words in verdict.sentence


def test_a_report_that_may_not_be_read_says_so() -> None:
    verdict = evaluate(None, Evaluation("auc"), SERVES, unreadable="its report may not be read")

    assert "its report may not be read" in verdict.sentence


def test_a_policy_without_a_metric_asks_for_nothing() -> None:
    verdict = evaluate(None, Evaluation(None), SERVES)

    assert (verdict.passed, verdict.reason, verdict.compared_with_champion) == (True, "NO_EVALUATION_ASKED", False)


def test_of_many_metrics_a_verdict_holds_the_first_and_every_one_its_policy_asks_for() -> None:
    many = {f"m{place}": 0.5 for place in range(2_000)}
    guards = (
        GuardMetric("m1999", minimum=0.6, lower_is_better=False),
        GuardMetric("m1800", minimum=0.4, lower_is_better=False),
    )
    verdict = judged(report({**many, "auc": 0.9}, {"auc": 0.8}), minimum=0.7, guards=guards)

    assert [gate.passed for gate in verdict.gates] == [True, True, False, True]
    first = {f"m{place}" for place in range(200)}
    assert verdict.candidate_metrics.keys() == {"auc", "m1999", "m1800", *first}
    assert verdict.champion_metrics == {"auc": 0.8}


def test_a_guard_on_a_slice_asks_for_the_slice_and_for_no_metric_of_the_whole() -> None:
    many = {f"m{place}": 0.5 for place in range(200)}
    raw = report({**many, "auc": 0.9, "recall": 0.5}, slices={"young": {"recall": 0.8}})
    verdict = judged(raw, champion_expected=False, guards=(GuardMetric("recall", minimum=0.7, slice="young"),))

    assert verdict.passed
    assert verdict.candidate_metrics.keys() == {"auc", *many, "recall in slice young"}


def test_a_metric_of_the_whole_stays_beside_the_same_one_that_is_asked_of_a_slice() -> None:
    raw = report({"auc": 0.9, "recall": 0.5}, slices={"young": {"recall": 0.8}})
    verdict = judged(raw, champion_expected=False, guards=(GuardMetric("recall", minimum=0.7, slice="young"),))
    assert verdict.candidate_metrics == {"auc": 0.9, "recall": 0.5, "recall in slice young": 0.8}


def test_a_name_no_page_could_show_is_kept_only_if_it_is_asked_for() -> None:
    assert metric_values(metrics({"a" * 256: 1, "a\u202eb": 2, "ok": 3}), [("a\u202eb", None)]) == {
        "a\u202eb": 2.0,
        "ok": 3.0,
    }


@pytest.mark.parametrize("value", ["٩٩", "1_0", "1e999", "0x1", True, [1]])
def test_what_other_readers_would_not_take_for_a_number_is_none(value: Any) -> None:
    assert not judged(report({"auc": value}), champion_expected=False).passed


def test_a_report_that_says_two_things_is_not_read() -> None:
    body = report({"auc": 0.9}, {"auc": 0.8})
    verdict = judged(body[:-1] + b', "champion": {}}')

    assert (verdict.passed, verdict.reason) == (False, "EVALUATION_UNREADABLE")
    assert "has the key 'champion' twice" in verdict.sentence


def test_curves_and_matrices_are_no_metrics() -> None:
    document = metrics({"auc": 0.9})
    document[GROUP] |= {
        "confusion_matrix": {"0": {"0": 1}},
        "receiver_operating_characteristic_curve": {"false_positive_rates": [0.0]},
        "plain": 0.5,
    }

    assert metric_values(document, []) == {"auc": 0.9, "plain": 0.5}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([GROUP, "regression_metrics", "champion", "slices", "auc", "recall", "value", "eu"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
WANTED = Evaluation(
    "auc",
    minimum=0.5,
    min_improvement=0.0,
    guards=(GuardMetric("recall"), GuardMetric("recall", minimum=0.1, max_regression=0.2, slice="eu")),
)


@given(JSON | st.fixed_dictionaries({GROUP: JSON, "champion": JSON, "slices": JSON}), st.booleans())
def test_no_report_raises_and_none_passes_without_its_numbers(document: Any, champion_expected: bool) -> None:
    verdict = evaluate(json.dumps(document).encode(), WANTED, SERVES if champion_expected else NOTHING_SERVES)

    assert not verdict.passed or {"auc", "recall"} <= verdict.candidate_metrics.keys()
    json.dumps(verdict.as_record(), allow_nan=False)


@given(st.binary(max_size=60))
def test_no_bytes_raise(raw: bytes) -> None:
    assert not judged(raw).passed
