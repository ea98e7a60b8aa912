"""Reports of monitors in the words of their libraries: what counts, what is only named, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.domain.contracts import Severity, SignalKind
from orchestration.domain.decision import severity_of
from orchestration.domain.documents import Unreadable
from orchestration.domain.policy import parse_policy
from orchestration.domain.signal import Rejection, Signal, Threshold, Violation
from orchestration.domain.signals import deequ, plain_report, read_signal, whylogs
from tests.unit.fakes import SETTINGS, FakeReader, drift

URI = "s3://amzn-s3-demo-bucket/reports/drift_report.json"

POLICY = parse_policy("churn", None, version="defaults", settings=SETTINGS)


def read(report: Any = None, reader: FakeReader | None = None, **detail: Any) -> Any:
    body = {"model": "churn", **detail} if report is None else {"model": "churn", "report": report, **detail}
    return read_signal({**drift(), "detail": body}, reader=reader or FakeReader(), settings=SETTINGS, run_id="run-1")


def taken(report: Any = None, reader: FakeReader | None = None, **detail: Any) -> Signal:
    found = read(report, reader, **detail)
    assert isinstance(found, Signal), found
    return found


def refused(report: Any = None, reader: FakeReader | None = None, **detail: Any) -> str:
    found = read(report, reader, **detail)
    assert isinstance(found, Rejection), found
    assert (found.reason, found.model) == ("NO_MEASUREMENT", "churn")
    return found.sentence


def in_s3(body: Any) -> FakeReader:
    return FakeReader(documents={URI: body if isinstance(body, (bytes, Unreadable)) else json.dumps(body).encode()})


# Where a report stands.


@pytest.mark.parametrize("body", [{"metric": "psi", "observed": 0.4, "threshold": 0.2}])
def test_a_report_is_the_same_in_the_detail_under_report_and_in_s3(body: dict[str, Any]) -> None:
    found = [taken(**body), taken(body), taken(reader=in_s3(body), report_uri=URI)]
    assert {signal.threshold for signal in found} == {Threshold("psi", 0.4, 0.2)}
    assert found[2].report_uri == URI


def test_a_report_in_s3_is_left_alone_where_the_event_measures_itself() -> None:
    reader = in_s3({"metric": "psi", "observed": 9, "threshold": 0.2})
    found = taken(reader=reader, report_uri=URI, metric="psi", observed=0.4, threshold=0.2)
    assert found.threshold == Threshold("psi", 0.4, 0.2)


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (Unreadable.MISSING, f"{URI} cannot be read (MISSING). Write it before the event is sent"),
        (Unreadable.ACCESS_DENIED, "(ACCESS_DENIED)"),
        (Unreadable.TOO_LARGE, "(TOO_LARGE)"),
        (b"no json", f"{URI} is not JSON"),
        ({"model": "churn"}, "has no numbers: send metric"),
        ([], "has no numbers: send metric"),
    ],
)
def test_a_report_in_s3_that_cannot_be_read_is_refused_and_never_no_drift(kept: Any, told: str) -> None:
    assert told in refused(reader=in_s3(kept), report_uri=URI)


def test_only_a_file_of_the_one_name_is_read() -> None:
    uri = "s3://amzn-s3-demo-bucket/my_drift_report.json"
    reader = FakeReader(documents={uri: b'{"dataset_drift": true}'})
    assert "only files named drift_report.json are" in refused(reader=reader, report_uri=uri)


def test_numbers_that_a_report_writes_as_nan_are_no_numbers() -> None:
    body = b'{"metric": "psi", "observed": NaN, "threshold": 0.2, "drift_detected": true}'
    assert taken(reader=in_s3(body), report_uri=URI).threshold == Threshold("psi", None, 0.2)


@pytest.mark.parametrize("report", [{"what": "ever"}, [], [1, 2], [{}], "text", 7])
def test_a_report_of_no_known_dialect_is_refused(report: Any) -> None:
    assert "has no numbers: send metric" in refused(report)


def test_a_sentence_names_five_columns_and_counts_the_rest() -> None:
    entries = [value_drift(f"c{place}", 0.9, method="psi") for place in range(7)]
    assert taken({"metrics": entries}).summary.endswith(" Past their thresholds: c0, c1, c2, c3, c4 and 2 more.")
    assert taken({"metrics": entries[:5]}).summary.endswith(" Past their thresholds: c0, c1, c2, c3, c4.")


# Evidently.


def value_drift(column: str | None, value: Any, *, method: str | None = "psi", threshold: Any = 0.1) -> dict[str, Any]:
    return {
        "id": column,
        "metric_name": f"ValueDrift(column={column})",
        "config": {"column": column, "method": method, "threshold": threshold},
        "value": value,
    }


def share(value: float) -> dict[str, Any]:
    return {"id": "share", "metric_name": "DriftedColumnsCount(drift_share=0.5)", "value": {"share": value, "count": 2}}


def of_one_column(name: str, *, drifted: Any, **more: Any) -> dict[str, Any]:
    result = {
        "column_name": name,
        "stattest_name": "PSI",
        "drift_score": 0.4,
        "stattest_threshold": 0.1,
        "drift_detected": drifted,
    }
    return {"metric": "ColumnDriftMetric", "result": {**result, **more}}


@pytest.mark.parametrize("name", ["target", "prediction"])
def test_evidentlys_prediction_and_target_count_beside_its_verdict_on_the_data_set(name: str) -> None:
    quiet = share(0.1)
    assert taken({"metrics": [quiet, value_drift(name, 0.4)]}).threshold == Threshold(f"{name} (psi)", 0.4, 0.1)
    assert taken({"metrics": [quiet, value_drift(name, 0.4)]}).kind is SignalKind.DRIFT
    column = {"column_name": name, "stattest_name": "PSI", "drift_score": 0.4, "stattest_threshold": 0.1}
    table = {"result": {"drift_by_columns": {name: {**column, "drift_detected": True}}}}
    assert taken({"metrics": [quiet, table]}).kind is SignalKind.DRIFT


def test_another_column_beside_evidentlys_verdict_is_named_and_does_not_count() -> None:
    found = taken({"metrics": [share(0.1), value_drift("age", 0.4), value_drift("day", 0.05)]})
    assert found.kind is SignalKind.NO_DRIFT
    assert found.threshold == Threshold("share_of_drifted_columns", 0.1, 0.5)
    assert found.violations == (Violation("age", "psi", "drift score 0.4 against a threshold of 0.1"),)


def test_without_a_verdict_on_the_data_set_each_of_evidentlys_columns_counts() -> None:
    found = taken({"metrics": [value_drift("age", 0.05), value_drift("day", 0.4)]})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("day (psi)", 0.4, 0.1))
    table = {
        "result": {"drift_by_columns": {"day": {"stattest_name": "PSI", "drift_score": 0.4, "drift_detected": True}}}
    }
    found = taken({"metrics": [table]})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("day (PSI)", 0.4, None))


def test_a_column_that_evidently_was_asked_for_by_itself_counts_beside_its_verdict() -> None:
    found = taken({"metrics": [share(0.1), of_one_column("age", drifted=True)]})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("age (PSI)", 0.4, 0.1))
    assert taken({"metrics": [share(0.1), of_one_column("age", drifted=False)]}).kind is SignalKind.NO_DRIFT


P_VALUES = (
    *("anderson", "Anderson-Darling", "chisquare", "cramer_von_mises", "Cramer-von Mises", "empirical_mmd", "es"),
    *("Epps-Singleton", "fisher_exact", "Fisher's Exact test", "g_test", "ks", "mannw", "Mann-Whitney U-rank test"),
    *("t_test", "TVD", "Total-Variation-Distance", "z"),
)
"""Tests of Evidently whose score is a p-value, by the name that is asked for and by the one for people."""


@pytest.mark.parametrize(
    ("method", "value", "drifted", "lower"),
    [
        ("psi", 0.1, True, False),
        ("psi", 0.09, False, False),
        ("K-S p_value", 0.1, True, True),
        ("K-S p_value", 0.11, False, True),
        ("ks", 0.05, True, True),
        *((method, 0.2, False, True) for method in P_VALUES),
        ("Mann-Whitney U-rank test", 0.05, True, True),
        ("perc_text_content_drift", 0.2, True, False),
    ],
)
def test_evidentlys_score_is_compared_as_its_method_is_read(
    method: str, value: float, *, drifted: bool, lower: bool
) -> None:
    found = taken({"metrics": [value_drift("age", value, method=method)]})
    assert found.kind is (SignalKind.DRIFT if drifted else SignalKind.NO_DRIFT)
    assert found.threshold == Threshold(f"age ({method})", value, 0.1, lower_is_worse=lower)
    assert len(found.violations) == drifted


def test_a_method_that_nobody_knows_counts_by_evidentlys_word_alone() -> None:
    assert "has no verdict on drift" in refused({"metrics": [value_drift("age", 0.4, method="our own")]})
    found = taken({"metrics": [of_one_column("age", drifted=True, stattest_name="our own")]})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("age (our own)", None, None))
    assert taken({"metrics": [of_one_column("age", drifted=True, stattest_name=None)]}).threshold == Threshold(
        "age (drift_score)", 0.4, 0.1
    )
    found = taken({"metrics": [value_drift("age", 0.4, method=None)]})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("age (drift_score)", 0.4, 0.1))
    embeddings = {"result": {"embeddings_name": "text", "method_name": "mmd", "drift_score": 2, "drift_detected": True}}
    assert taken({"metrics": [embeddings]}).threshold == Threshold("text (mmd)", 2.0, None)


@pytest.mark.parametrize("broken", [{"value": None}, {"config": {"column": "age", "method": "psi"}}, {"config": None}])
def test_a_column_of_evidently_without_its_numbers_is_refused(broken: dict[str, Any]) -> None:
    assert isinstance(read({"metrics": [{**value_drift("age", None), **broken}]}), Rejection)


def test_what_a_metric_of_evidently_was_given_and_its_config_leaves_open_is_read_from_its_name() -> None:
    entry = {"metric_name": "ValueDrift(column=age,method=psi,threshold=0.1)", "value": 0.4}
    given = {"column": "age", "method": "psi", "threshold": None}
    assert taken({"metrics": [{**entry, "config": given}]}).threshold == Threshold("age (psi)", 0.4, 0.1)
    nameless = {"metric_name": "ValueDrift", "value": 0.4, "config": {"method": "psi", "threshold": 0.1}}
    assert taken({"metrics": [nameless]}).threshold == Threshold("ValueDrift (psi)", 0.4, 0.1)


def test_a_word_of_evidently_on_a_column_counts_without_a_score_and_only_if_it_is_true() -> None:
    found = taken({"metrics": [of_one_column("", drifted=True, drift_score=None)]})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("(unnamed) (PSI)", None, 0.1))
    assert taken({"metrics": [of_one_column("age", drifted="no", drift_score=0.05)]}).violations == ()


def check(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "description": f"about {name}", **more}


def condition(value: Any, **given: Any) -> dict[str, Any]:
    return {"parameters": {"condition": given, "value": value}}


@pytest.mark.parametrize(
    ("test", "threshold"),
    [
        (check("x", "FAIL", **condition(3, lt=2)), Threshold("x", 3.0, 2.0)),
        (check("x", "FAIL", **condition(3, lte=2)), Threshold("x", 3.0, 2.0)),
        (check("x", "FAIL", **condition(1, gt=2)), Threshold("x", 1.0, 2.0, lower_is_worse=True)),
        (check("x", "FAIL", **condition(1, gte=2)), Threshold("x", 1.0, 2.0, lower_is_worse=True)),
        (check("x", "FAIL", **condition(1, eq=2)), Threshold("x", None, None)),
        (check("x", "FAIL"), Threshold("x", None, None)),
        (check("x", "FAIL", **condition(30, lte={"value": 20, "relative": 0.1})), Threshold("x", 30.0, 22.0)),
        (
            check("x", "FAIL", **condition(30, lte={"value": 20, "absolute": 5, "relative": 0.1})),
            Threshold("x", 30.0, 25.0),
        ),
        (
            check("x", "FAIL", **condition(-30, gte={"value": -20, "relative": 0.1})),
            Threshold("x", -30.0, -22.0, lower_is_worse=True),
        ),
        (
            check("Recall Score", "FAIL", **condition(0.4, eq={"value": 0.8, "relative": 0.25})),
            Threshold("Recall Score", 0.4, 0.6000000000000001, lower_is_worse=True),
        ),
        (check("RMSE", "FAIL", **condition(4, eq={"value": 2, "absolute": 1})), Threshold("RMSE", 4.0, 3.0)),
        (check("RMSE", "FAIL", **condition(None, eq={"value": 2})), Threshold("RMSE", None, None)),
        (
            check(
                "Share", "FAIL", parameters={"condition": {"lt": 0.3}, "features": {"a": {"detected": True}, "b": {}}}
            ),
            Threshold("share_of_drifted_columns", 0.5, 0.3),
        ),
        (
            check("Share", "FAIL", parameters={"condition": {"lt": 0.3}, "features": {}}),
            Threshold("share_of_drifted_columns", None, 0.3),
        ),
        (
            check("d", "FAIL", parameters={"stattest": "PSI", "score": 0.4, "threshold": 0.1, "column_name": "age"}),
            Threshold("age (PSI)", 0.4, 0.1),
        ),
    ],
)
def test_a_test_of_evidently_until_0_6_is_measured_by_its_condition(test: dict[str, Any], threshold: Threshold) -> None:
    found = taken({"metrics": [{"metric": "DatasetSummaryMetric"}], "tests": [test]})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, threshold)
    assert [violation.check for violation in found.violations] == [test["name"]]


def bound(kind: str, status: str, of: str, limit: Any = None, said: str = "", **params: Any) -> dict[str, Any]:
    """A test since 0.7."""
    config = {"type": f"evidently:test_v2:{kind}", "threshold": limit}
    metric = {"metric_id": of, "params": {"type": f"evidently:metric_v2:{of}", **params}}
    return {"name": "n", "status": status, "description": said, "metric_config": metric, "test_config": config}


def measured(of: str, value: Any) -> dict[str, Any]:
    return {"id": of, "metric_name": f"{of}()", "value": value}


@pytest.mark.parametrize(
    ("metric", "test", "threshold"),
    [
        (
            measured("Accuracy", 0.4),
            bound("GreaterThanMetricTest", "FAIL", "Accuracy", 0.8),
            Threshold("Accuracy", 0.4, 0.8, lower_is_worse=True),
        ),
        (
            measured("Accuracy", 0.4),
            bound("GreaterOrEqualMetricTest", "FAIL", "Accuracy", 0.8),
            Threshold("Accuracy", 0.4, 0.8, lower_is_worse=True),
        ),
        (measured("FNR", 0.4), bound("LessThanMetricTest", "FAIL", "FNR", 0.2), Threshold("FNR", 0.4, 0.2)),
        (measured("FNR", 0.4), bound("LessOrEqualMetricTest", "FAIL", "FNR", 0.2), Threshold("FNR", 0.4, 0.2)),
        (
            measured("Accuracy", 0.485),
            bound(
                "EqualMetricTest",
                "FAIL",
                "Accuracy",
                None,
                "Accuracy metric: Actual value 0.485 , but expected 0.682 ± 0.136",
            ),
            Threshold("Accuracy", 0.485, 0.682 - 0.136, lower_is_worse=True),
        ),
        *(
            (
                measured("FNR", value),
                bound("EqualMetricTest", "FAIL", "FNR", None, "FNR: Actual value 0.300 , but expected 0.100"),
                Threshold(name, 0.3, 0.1),
            )
            for name, value in (("FNR", 0.3), ("share: FNR", None))
        ),
        (
            value_drift("ValueDrift", 0.4),
            bound("ValueDriftTest", "FAIL", "ValueDrift"),
            Threshold("ValueDrift (psi)", 0.4, 0.1),
        ),
        (
            {**share(0.2), "id": "DriftedColumnsCount"},
            bound("LessThanMetricTest", "FAIL", "DriftedColumnsCount", 0.1),
            Threshold("share: DriftedColumnsCount", 0.2, 0.1),
        ),
        (
            {**share(0.2), "id": "DriftedColumnsCount"},
            {**bound("LessThanMetricTest", "FAIL", "DriftedColumnsCount", 1), "bound_test": {"is_count": True}},
            Threshold("count: DriftedColumnsCount", 2.0, 1.0),
        ),
        (
            measured("Accuracy", 0.4),
            bound("GreaterThanMetricTest", "FAIL", "Accuracy", None),
            Threshold("Accuracy", None, None),
        ),
    ],
)
def test_a_test_of_evidently_since_0_7_is_measured_by_the_metric_it_names(
    metric: dict[str, Any], test: dict[str, Any], threshold: Threshold
) -> None:
    other = measured("other", 9)
    found = taken({"metrics": [other, metric], "tests": [test]})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, threshold)


def test_a_model_that_is_better_than_evidently_expected_is_not_past_its_threshold() -> None:
    better = check("Recall Score", "FAIL", **condition(0.9, eq={"value": 0.6, "relative": 0.1}))
    threshold = taken({"tests": [better]}).threshold
    assert threshold is not None
    assert threshold.ratio is not None
    assert threshold.ratio < 1


@pytest.mark.parametrize(
    ("test", "kind"),
    [
        (check("x", "FAIL", group="data_quality"), SignalKind.DATA_QUALITY),
        (check("x", "FAIL", group="data_integrity"), SignalKind.DATA_QUALITY),
        (check("x", "WARNING", group="data_integrity"), SignalKind.DATA_QUALITY),
        (check("x", "SUCCESS", group="data_integrity"), SignalKind.NO_DRIFT),
        (check("x", "FAIL", group="classification"), SignalKind.DRIFT),
        (check("x", "WARNING", group="data_drift"), SignalKind.DRIFT),
        (check("x", "fail"), SignalKind.DRIFT),
        (check("x", "SUCCESS"), SignalKind.NO_DRIFT),
        (bound("t", "FAIL", "MissingValueCount", column="age"), SignalKind.DATA_QUALITY),
        (bound("t", "FAIL", "MinValue", column="age"), SignalKind.DATA_QUALITY),
        (bound("t", "FAIL", "EmbeddingsDrift"), SignalKind.DRIFT),
        (bound("t", "FAIL", "Accuracy"), SignalKind.DRIFT),
        (bound("t", "FAIL", "Dummy", classification_name="default"), SignalKind.DRIFT),
        (bound("t", "FAIL", "Dummy", regression_name="default"), SignalKind.DRIFT),
    ],
)
def test_a_test_of_evidently_is_of_the_data_or_of_the_model(test: dict[str, Any], kind: SignalKind) -> None:
    found = taken({"tests": [test]})
    assert found.kind is kind
    assert len(found.violations) == (test["status"].upper() != "SUCCESS")


def test_a_test_of_evidently_names_its_column_and_its_metric_and_no_numbers() -> None:
    found = taken({"tests": [bound("t", "FAIL", "MissingValueCount", None, "80 missing", column="age")]})
    assert found.violations == (Violation("age", "MissingValueCount", "80 missing"),)
    assert found.summary == "Checks of the data of churn: 1 failed, first MissingValueCount of age: 80 missing."
    older = check("Share of Missing", "FAIL", group="data_quality", parameters={"column_name": "age"})
    assert taken({"tests": [older]}).violations == (Violation("age", "Share of Missing", "about Share of Missing"),)


def test_a_test_of_evidently_that_ended_in_an_error_is_never_no_drift() -> None:
    error = check("x", "ERROR")
    assert refused({"tests": [error, check("y", "SUCCESS")]}).startswith(
        "Evidently's test 'x' ended in an error: about x"
    )
    assert "ended in an error: it does not say which. Mend it" in refused({"tests": [{**error, "description": None}]})
    assert taken({"tests": [error, check("y", "FAIL")]}).kind is SignalKind.DRIFT


@pytest.mark.parametrize(
    "other", [check("x", "FAILED"), check("x", "PASSED"), {"name": "x", "status": None}, {"name": "x"}, 7]
)
def test_a_status_that_evidently_does_not_have_is_never_no_drift(other: Any) -> None:
    status = other.get("status") if isinstance(other, dict) else None
    told = f"has the status {status!r}, which is none of Evidently's"
    assert told in refused({"tests": [other, check("y", "SUCCESS")]})
    assert taken({"tests": [other, check("y", "FAIL")]}).kind is SignalKind.DRIFT


@pytest.mark.parametrize("failed", [check("x", "TestStatus.FAIL"), {"status": "FAIL", "group": "data_drift"}])
def test_a_test_of_evidently_that_failed_counts_however_it_is_written(failed: dict[str, Any]) -> None:
    assert taken({"tests": [failed, check("y", "TestStatus.SUCCESS")]}).kind is SignalKind.DRIFT


@pytest.mark.parametrize(
    "lost",
    [
        of_one_column("age", drifted=False, drift_score=None),
        of_one_column("age", drifted=False, drift_detected="False"),
        {"result": {"dataset_drift": "False", "share_of_drifted_columns": 0.0}},
        value_drift("prediction", None),
        value_drift("prediction", 0.4, threshold=None),
    ],
)
def test_a_part_of_evidentlys_report_that_says_nothing_is_never_no_drift(lost: dict[str, Any]) -> None:
    assert refused({"metrics": [share(0.1), lost]}).startswith("Evidently's report ")
    assert taken({"metrics": [share(0.6), lost]}).kind is SignalKind.DRIFT


@pytest.mark.parametrize("method", ["psi", "K-S p_value", "Wasserstein distance (normed)"])
def test_what_evidently_was_given_is_read_from_the_metrics_name_where_nothing_else_says_it(method: str) -> None:
    named = {"metric_id": f"ValueDrift(column=age,method={method},threshold=0.1)", "value": 0.4}
    lower = method == "K-S p_value"
    found = taken({"metrics": [named]})
    assert found.threshold == Threshold(f"age ({method})", 0.4, 0.1, lower_is_worse=lower)
    assert found.kind is (SignalKind.NO_DRIFT if lower else SignalKind.DRIFT)


def test_a_test_of_evidently_that_was_skipped_says_nothing() -> None:
    assert "has no verdict on drift" in refused({"tests": [check("x", "SKIPPED")]})
    assert taken({"tests": [check("x", "SKIPPED"), check("y", "SUCCESS")]}).kind is SignalKind.NO_DRIFT


# NannyML.


def chunk(what: str, value: Any, *, alert: Any, upper: Any = None, lower: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "chunk_key": "[0:9]",
        f"{what}_value": value,
        f"{what}_upper_threshold": upper,
        f"{what}_lower_threshold": lower,
        f"{what}_alert": alert,
        **more,
    }


@pytest.mark.parametrize(
    ("row", "kind", "threshold"),
    [
        (
            chunk("a_jensen_shannon", 0.3, alert=True, upper=0.1),
            SignalKind.DRIFT,
            Threshold("a_jensen_shannon", 0.3, 0.1),
        ),
        (
            chunk("a_jensen_shannon", 0.05, alert=False, upper=0.1),
            SignalKind.NO_DRIFT,
            Threshold("a_jensen_shannon", 0.05, 0.1),
        ),
        (chunk("a_chi2", 290, alert=True), SignalKind.DRIFT, Threshold("a_chi2", 290.0, None)),
        (
            chunk("reconstruction_error", 0.5, alert=True, upper=0.9, lower=0.7),
            SignalKind.DRIFT,
            Threshold("reconstruction_error", 0.5, 0.7, lower_is_worse=True),
        ),
        (
            chunk("reconstruction_error", 0.8, alert=False, upper=0.9, lower=0.7),
            SignalKind.NO_DRIFT,
            Threshold("reconstruction_error", 0.8, 0.9),
        ),
        (
            chunk("a_wasserstein", 0.8, alert=False, lower=0.7),
            SignalKind.NO_DRIFT,
            Threshold("a_wasserstein", 0.8, 0.7, lower_is_worse=True),
        ),
        (
            chunk("roc_auc", 0.5, alert=True, upper=0.9, lower=0.7),
            SignalKind.DRIFT,
            Threshold("roc_auc", 0.5, 0.7, lower_is_worse=True),
        ),
        (chunk("rmse", 5, alert=True, upper=4, lower=2), SignalKind.DRIFT, Threshold("rmse", 5.0, 4.0)),
        (
            chunk("true_positive", 5, alert=True, upper=90, lower=20),
            SignalKind.DRIFT,
            Threshold("true_positive", 5.0, 20.0, lower_is_worse=True),
        ),
        (
            chunk("false_positive", 95, alert=True, upper=90, lower=20),
            SignalKind.DRIFT,
            Threshold("false_positive", 95.0, 90.0),
        ),
        (chunk("business_value", 95, alert=True, upper=90), SignalKind.DRIFT, Threshold("business_value", 95.0, 90.0)),
        (chunk("amount", 0.2, alert=True, upper=0.0), SignalKind.DATA_QUALITY, Threshold("failed_checks", 1.0, None)),
        (chunk("amount", 0.0, alert=False, upper=0.0), SignalKind.NO_DRIFT, Threshold("failed_checks", 0.0, None)),
    ],
)
def test_an_alert_of_nannyml_is_measured_by_the_limit_that_it_is_past(
    row: dict[str, Any], kind: SignalKind, threshold: Threshold
) -> None:
    for report in (row, [row], {name: {"0": value} for name, value in row.items()}):
        found = taken(report)
        assert (found.kind, found.threshold) == (kind, threshold)
        assert len(found.violations) == (kind is not SignalKind.NO_DRIFT)


@pytest.mark.parametrize(
    "method",
    [
        *("jensen_shannon", "kolmogorov_smirnov", "hellinger", "wasserstein", "l_infinity", "chi2"),
        *("reconstruction_error", "domain_classifier_auroc"),
    ],
)
def test_each_measure_of_drift_of_nannyml_is_one(method: str) -> None:
    found = taken(chunk(f"recall_{method}", 0.9, alert=True, upper=0.8, lower=0.2))
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold(f"recall_{method}", 0.9, 0.8))
    within = taken(chunk(f"recall_{method}", 0.2, alert=False, upper=0.8, lower=0.2))
    assert (within.kind, within.threshold) == (SignalKind.NO_DRIFT, Threshold(f"recall_{method}", 0.2, 0.8))


def test_a_table_of_nannyml_may_stand_among_the_events_own_keys() -> None:
    row = chunk("a_hellinger", 0.3, alert=True, upper=0.1)
    for report in (row, {name: {"0": value} for name, value in row.items()}):
        found = taken(**report, dataset={"window_end": "2026-03-02"})
        assert found.threshold == Threshold("a_hellinger", 0.3, 0.1)
    half = {**row, "b_hellinger_alert": {"0": True}, "b_hellinger_value": {"0": 0.9}}
    assert "'b_hellinger' in chunk [0:9] has no alert" in refused({**half, "a_hellinger_alert": False})


def test_what_nannyml_leaves_unnamed_is_called_so() -> None:
    found = taken({"_value": 0.3, "_alert": True})
    assert found.violations == (Violation("(unnamed)", "nannyml_alert", "0.3 in chunk ?, expected - to -"),)
    assert "NannyML's '(unnamed)' in chunk ? has no alert" in refused({"_value": 0.3, "_alert": "maybe"})


def test_an_alert_of_nannyml_counts_without_its_value() -> None:
    found = taken(chunk("a_hellinger", None, alert=True, lower=0.1))
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("a_hellinger", None, None))


def test_a_model_that_is_better_than_nannyml_expected_is_not_past_its_threshold() -> None:
    found = taken([chunk("f1", 0.95, alert=True, upper=0.9, lower=0.7)])
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("f1", 0.95, 0.7, lower_is_worse=True))
    assert found.violations == (Violation("f1", "nannyml_alert", "0.95 in chunk [0:9], expected 0.7 to 0.9"),)


def test_every_chunk_of_nannyml_that_is_sent_counts() -> None:
    quiet, loud = (chunk("a_hellinger", value, alert=value > 0.1, upper=0.1) for value in (0.05, 0.3))
    assert taken([loud, quiet]).kind is taken([quiet, loud]).kind is SignalKind.DRIFT
    columns = {name: {"0": quiet[name], "1": loud[name]} for name in quiet}
    assert taken(columns).threshold == Threshold("a_hellinger", 0.3, 0.1)


def test_names_of_several_levels_are_those_of_one() -> None:
    row = {
        "('chunk', 'chunk', 'key')": "[5:9]",
        "('a', 'l_infinity', 'value')": 0.3,
        "('a', 'l_infinity', 'alert')": True,
    }
    violation = Violation("a_l_infinity", "nannyml_alert", "0.3 in chunk [5:9], expected - to -")
    assert taken([row]).violations == (violation,)


@pytest.mark.parametrize(
    "lost",
    [
        chunk("roc_auc", None, alert=None),
        chunk("roc_auc", None, alert=False),
        chunk("roc_auc", 0.5, alert="maybe"),
        chunk("roc_auc", 0.5, alert="maybe", lower=0.7),
        chunk("roc_auc", 0.5, alert=[True]),
        chunk("amount", None, alert=False),
        {"chunk_key": "[0:9]", "amount_hellinger_alert": None},
    ],
)
def test_a_row_of_nannyml_whose_alert_says_nothing_is_never_no_drift(lost: dict[str, Any]) -> None:
    quiet, loud = (chunk("f1", value, alert=value < 0.7, lower=0.7) for value in (0.8, 0.3))
    what = next(name for name in lost if name.endswith("_alert")).removesuffix("_alert")
    for report in ([lost, chunk("f1", 0.8, alert=False)], [quiet, lost], {**lost, **quiet}):
        assert f"NannyML's {what!r} in chunk [0:9] has no alert that is true or false of a value" in refused(report)
    assert taken([lost, loud]).kind is SignalKind.DRIFT
    assert isinstance(read([lost]), Rejection)
    assert taken([lost], severity="critical").kind is SignalKind.DRIFT


@pytest.mark.parametrize("alert", ["True", "true", 1])
def test_an_alert_of_nannyml_may_be_a_text_or_a_number(alert: Any) -> None:
    quiet = chunk("b_hellinger", 0.01, alert=0 if alert == 1 else "False", upper=0.1)
    found = taken([chunk("a_hellinger", 0.5, alert=alert, upper=0.1), quiet])
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("a_hellinger", 0.5, 0.1))
    assert taken([quiet]).kind is SignalKind.NO_DRIFT


@pytest.mark.parametrize(
    ("column", "name"),
    [('"o\'a"', "o'a"), ("'(a'", "(a"), ("'o\\'a\"'", "o'a\""), ("0", "0"), ("'a, b'", "a, b"), ("'a\\\\b'", "a\\b")],
)
def test_a_column_of_any_name_is_one_of_the_names_of_several_levels(column: str, name: str) -> None:
    """Python writes a text in either of its quotes."""
    row = {f"({column}, 'hellinger', 'value')": 0.5, f"({column}, 'hellinger', 'alert')": True}
    (violation,) = taken([{**row, **chunk("b_hellinger", 0.01, alert=False, upper=0.1)}]).violations
    assert violation.feature == f"{name}_hellinger"


@pytest.mark.parametrize("column", ["recall", "loss", "false_calls", "true_amount", "purity"])
def test_missing_values_of_a_column_are_checks_of_the_data_whatever_its_name_is(column: str) -> None:
    row = chunk(column, 0.2, alert=True, upper=0, lower=0, **{f"{column}_lower_confidence_boundary": 0.2})
    assert taken([row]).kind is SignalKind.DATA_QUALITY
    assert taken([{**row, f"{column}_realized": None}]).kind is SignalKind.DRIFT
    assert taken([{**row, "chunk_targets_missing_rate": 0.0}]).kind is SignalKind.DRIFT


# whylogs.


def score(category: Any, *, p: Any = None, distance: Any = None, drift: Any = (0, 0.05)) -> dict[str, Any]:
    return {
        "algorithm": "ks",
        "pvalue": p,
        "statistic": distance,
        "thresholds": {"DRIFT": list(drift)},
        "drift_category": category,
    }


@pytest.mark.parametrize(
    ("column", "kind", "threshold"),
    [
        (
            score("DRIFT", p=0.01, distance=0.9),
            SignalKind.DRIFT,
            Threshold("a (ks p_value)", 0.01, 0.05, lower_is_worse=True),
        ),
        (score("POSSIBLE_DRIFT", p=0.1), SignalKind.DRIFT, Threshold("a (ks p_value)", 0.1, 0.05, lower_is_worse=True)),
        (score("NO_DRIFT", p=0.5), SignalKind.NO_DRIFT, Threshold("a (ks p_value)", 0.5, 0.05, lower_is_worse=True)),
        (score("DRIFT", distance=0.6, drift=(0.4, 1)), SignalKind.DRIFT, Threshold("a (ks distance)", 0.6, 0.4)),
        (score("DRIFT", distance=0.6, drift=(0.4,)), SignalKind.DRIFT, Threshold("a (ks distance)", 0.6, None)),
    ],
)
def test_a_column_of_whylogs_is_measured_against_its_range_of_drift(
    column: dict[str, Any], kind: SignalKind, threshold: Threshold
) -> None:
    found = taken({"a": column, "b": None})
    assert (found.kind, found.threshold) == (kind, threshold)
    assert len(found.violations) == (kind is SignalKind.DRIFT)


def test_scores_of_whylogs_without_categories_are_never_no_drift() -> None:
    assert "'a': call calculate_drift_scores with with_thresholds=True" in refused(
        {"a": score(None), "b": score("NO_DRIFT")}
    )
    found = taken({"a": score(None), "b": score("DRIFT", p=0.01)})
    assert found.violations == (Violation("b", "ks", "drift score 0.01 against a threshold of 0.05"),)


def test_a_column_of_whylogs_without_a_category_among_others_is_never_no_drift() -> None:
    lost = {"algorithm": "ks", "pvalue": 0.5, "thresholds": {}}
    assert "gave no drift category for 'b'" in refused({"a": score("NO_DRIFT", p=0.5), "b": lost})
    assert taken({"a": score("NO_DRIFT", p=0.5), "b": {"of": "another kind"}}).kind is SignalKind.NO_DRIFT


def test_what_whylogs_leaves_unnamed_is_called_so() -> None:
    (violation,) = taken({"": {**score("DRIFT", p=0.01), "algorithm": None}}).violations
    assert (violation.feature, violation.check) == ("(unnamed)", "(unnamed)")


@pytest.mark.parametrize("form", [["whole", 1, 0], {"name": "whole", "passed": 1, "failed": 0}, ["whole", 1, 0, None]])
def test_constraints_of_whylogs_are_checks_of_the_data_in_each_of_their_forms(form: Any) -> None:
    assert taken([form]).kind is SignalKind.NO_DRIFT
    found = taken([form, ["age over 18", 0, 2]])
    assert found.kind is SignalKind.DATA_QUALITY
    assert found.violations == (Violation("age over 18", "whylogs_constraint", "failed 2 time(s)"),)


@pytest.mark.parametrize("other", [["a", 1], ["a", 1, True], ["a", "1", 0], [None, 1, 0], 7, {"name": "a"}])
def test_a_list_in_which_not_all_are_constraints_is_none_of_whylogs(other: Any) -> None:
    assert "has no numbers" in refused([["age over 18", 0, 2], other])


# Great Expectations, Deequ, Clarify.


def expectation(*, success: Any, kind: str = "expect_x", **more: Any) -> dict[str, Any]:
    return {"success": success, "expectation_config": {"type": kind, "kwargs": more.pop("kwargs", {})}, **more}


def validation(*entries: dict[str, Any], success: Any = None, **more: Any) -> dict[str, Any]:
    passed = all(entry["success"] for entry in entries) if success is None else success
    return {"success": passed, "results": list(entries), **more}


def test_an_expectation_that_failed_says_what_was_found_and_what_was_expected() -> None:
    failed = expectation(
        success=False,
        kind="expect_column_mean",
        kwargs={"column": "age", "max_value": 40.0},
        result={"observed_value": 51.25, "details": {}},
    )
    counts = {"element_count": 10, "unexpected_count": 2, "unexpected_percent": 20.0}
    unnamed = expectation(success=False, kind="", result=counts)
    (counted,) = taken(validation(unnamed, expectation(success=True))).violations
    said = "found unexpected_count 2, unexpected_percent 20, element_count 10; expected as named"
    assert counted == Violation("(table)", "(unnamed)", said)
    found = taken(validation(failed, expectation(success=True)))
    assert found.kind is SignalKind.DATA_QUALITY
    assert found.threshold == Threshold("failed_checks", 1.0, None)
    assert found.violations == (
        Violation("age", "expect_column_mean", "found observed_value 51.25; expected max_value 40"),
    )


@pytest.mark.parametrize(
    ("kwargs", "feature"),
    [
        ({}, "(table)"),
        ({"column_A": "a", "column_B": "b"}, "a, b"),
        ({"column_list": ["a", "b"]}, "a, b"),
        ({"column": "a"}, "a"),
    ],
)
def test_an_expectation_names_the_columns_it_is_of(kwargs: dict[str, Any], feature: str) -> None:
    (violation,) = taken(validation(expectation(success=False, kwargs=kwargs))).violations
    assert violation == Violation(feature, "expect_x", "found nothing; expected as named")


@pytest.mark.parametrize(
    "report",
    [
        {"success": False, "run_results": {"r": validation(expectation(success=False))}},
        {"success": False, "run_results": {"r": {"validation_result": validation(expectation(success=False))}}},
        {
            "success": False,
            "validation_results": [
                {"expectations": [{"success": False, "expectation_type": "expect_x", "kwargs": {}}]}
            ],
        },
        {"success": False, "results": [{"success": False, "expectation_config": {"expectation_type": "expect_x"}}]},
    ],
)
def test_a_checkpoint_is_read_in_each_of_its_forms(report: dict[str, Any]) -> None:
    found = taken(report)
    assert found.kind is SignalKind.DATA_QUALITY
    assert [violation.check for violation in found.violations] == ["expect_x"]


def test_an_expectation_of_a_description_names_its_column() -> None:
    entry = {"success": False, "expectation_type": "expect_x", "kwargs": {"column": "age"}}
    (violation,) = taken({"success": False, "validation_results": [{"expectations": [entry]}]}).violations
    assert violation.feature == "age"


@pytest.mark.parametrize(
    "information",
    [
        {"raised_exception": True, "exception_message": "no column"},
        {"metric": {"raised_exception": True, "exception_message": "no column"}},
    ],
)
def test_an_expectation_that_could_not_be_looked_at_failed(information: dict[str, Any]) -> None:
    (violation,) = taken(validation(expectation(success=False, exception_info=information))).violations
    assert violation.description == "not looked at: no column"


def test_a_result_of_great_expectations_that_was_cut_is_never_sound() -> None:
    counted = {"statistics": {"evaluated_expectations": 3}}
    assert "has no expectation: send it whole" in refused({"success": True, **counted})
    cut = taken({"success": False, **counted})
    assert cut.kind is SignalKind.DATA_QUALITY
    assert cut.summary == "Checks of the data of churn: failed, and the report names none of them."
    runs = {"a": validation(expectation(success=True)), "b": {"success": True, "results": []}}
    assert "has no expectation" in refused({"success": True, "run_results": runs})
    runs["b"] = validation(expectation(success=True), success=False)
    assert taken({"success": True, "run_results": runs}).kind is SignalKind.DATA_QUALITY
    assert "1 expectation(s) of the result say neither" in refused(
        validation(expectation(success=True), expectation(success="?"), success=True)
    )
    unsaid = validation(expectation(success="?"), success=True)
    assert taken(unsaid, severity="critical").kind is SignalKind.DRIFT
    assert taken(validation({"success": True}, expectation(success=True))).kind is SignalKind.NO_DRIFT
    runs = {"a": validation(expectation(success=True))}
    assert taken({"success": False, "run_results": runs}).kind is SignalKind.DATA_QUALITY
    assert "has no numbers" in refused({"success": True, "statistics": {}, "results": [{"success": True}]})
    assert "has no numbers" in refused({"success": "yes", "results": [expectation(success=False)]})


def row(status: str, constraint: str = "CompletenessConstraint(Completeness(amount,None))", message: str = "") -> Any:
    return {"check": "c", "constraint": constraint, "constraint_status": status, "constraint_message": message}


def test_rows_of_deequ_are_checks_of_the_data() -> None:
    assert taken([row("Success")]).kind is SignalKind.NO_DRIFT
    found = taken([row("Success"), row("Failure", message="Value: 0.8"), row("failure", "Uniqueness(id)")])
    assert found.kind is SignalKind.DATA_QUALITY
    assert found.violations == (
        Violation("amount", "CompletenessConstraint", "Value: 0.8"),
        Violation("Uniqueness(id)", "constraint", "Uniqueness(id)"),
    )
    (unnamed,) = taken([row("Failure", "")]).violations
    assert unnamed == Violation("(unnamed)", "constraint", "(unnamed)")
    (listed,) = taken([row("Failure", "UniquenessConstraint(Uniqueness(List(id, day),None))")]).violations
    assert (listed.feature, listed.check) == ("id", "UniquenessConstraint")


@pytest.mark.parametrize("body", [[], [{}], {}, "text", None])
def test_what_is_no_list_of_checks_is_none_of_deequ_and_none_of_whylogs(body: Any) -> None:
    assert (deequ.read(body), whylogs.read(body)) == (None, None)


def test_a_status_of_deequ_that_nobody_knows_is_never_sound() -> None:
    assert "A row of Deequ has the status 'Skipped'." in refused([row("Success"), row("Skipped")])
    assert taken([row("Failure"), row("Skipped")]).kind is SignalKind.DATA_QUALITY
    assert taken([row("Skipped")], severity="critical").kind is SignalKind.DRIFT
    for other in ({"constraint": "x"}, {"constraint_status": "Failure"}):
        assert "has no numbers" in refused([row("Failure"), other])


def analysis(name: str, *values: Any, part: str = "post_training_bias_metrics") -> dict[str, Any]:
    groups = [
        {"value_or_threshold": str(place), "metrics": [{"name": name, "value": value}]}
        for place, value in enumerate(values)
    ]
    return {part: {"facets": {"sex": groups}}}


@pytest.mark.parametrize("part", ["pre_training_bias_metrics", "post_training_bias_metrics"])
def test_a_bias_of_clarify_is_held_against_the_threshold_beside_it(part: str) -> None:
    found = taken({**analysis("DPL", 0.05, -0.3, part=part), "metric": "dpl", "threshold": 0.2})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("dpl (sex 1)", 0.3, 0.2))
    assert found.violations == (Violation("dpl (sex 1)", "bias", "-0.3 is 0.3 from 0, allowed 0.2"),)
    at_it = taken({**analysis("DPL", 0.2, part=part), "metric": "DPL", "threshold": 0.2})
    assert (at_it.kind, at_it.violations) == (SignalKind.NO_DRIFT, ())


def test_a_facet_of_clarify_that_names_no_value_is_named_alone() -> None:
    whole = {"post_training_bias_metrics": {"facets": {"age": [{"metrics": [{"name": "DPL", "value": 0.3}]}]}}}
    assert taken(whole, metric="DPL", threshold=0.2).threshold == Threshold("DPL (age)", 0.3, 0.2)


def test_a_ratio_of_clarify_has_no_bias_at_one() -> None:
    assert taken({**analysis("DI", 0.5), "metric": "DI", "threshold": 0.2}).threshold == Threshold(
        "DI (sex 0)", 0.5, 0.2
    )
    assert taken({**analysis("DI", 1.0), "metric": "DI", "threshold": 0.2}).kind is SignalKind.NO_DRIFT


@pytest.mark.parametrize("value", [None, "Infinity", "n/a"])
def test_a_facet_of_clarify_without_a_number_is_never_no_bias(value: Any) -> None:
    assert "Clarify's DPL of sex 0 is no number" in refused(analysis("DPL", value, 0.01), metric="DPL", threshold=0.1)
    assert taken(analysis("DPL", value, 0.3), metric="DPL", threshold=0.1).kind is SignalKind.DRIFT


@pytest.mark.parametrize(
    "report",
    [
        analysis("DPL", 0.3),
        {**analysis("DPL", 0.3), "metric": "DPL"},
        {**analysis("DPL", 0.3), "metric": "KL", "threshold": 0.2},
        {"explanations": {"kernel_shap": {"label0": {"global_shap_values": {"age": 0.2}}}}},
        {"explanations": {"pdp": []}},
    ],
)
def test_an_analysis_of_clarify_that_nothing_is_held_against_is_refused(report: dict[str, Any]) -> None:
    assert "Clarify's analysis has no verdict: send metric" in refused(report)


# Data that are broken beside what drifted.


FAILED_CHECK = check("x", "FAIL", group="data_quality")


@pytest.mark.parametrize(
    ("beside", "threshold"),
    [
        (check("y", "FAIL", **condition(3, lt=2)), Threshold("y", 3.0, 2.0)),
        (check("y", "FAIL"), Threshold("y", None, None)),
        (check("y", "FAIL", **condition(1, lt=2)), Threshold("y", 1.0, 2.0)),
        (check("y", "SUCCESS", **condition(1, lt=2)), Threshold("failed_checks", 1.0, None)),
        (check("y", "SUCCESS"), Threshold("failed_checks", 1.0, None)),
    ],
)
def test_broken_data_have_the_numbers_of_what_drifted_beside_them_and_else_their_own(
    beside: dict[str, Any], threshold: Threshold
) -> None:
    """A policy that tolerates broken data decides by the rest of the report."""
    for tests in ([FAILED_CHECK, beside], [beside, FAILED_CHECK]):
        found = taken({"tests": tests})
        assert (found.kind, found.threshold) == (SignalKind.DATA_QUALITY, threshold)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"tests": [FAILED_CHECK, check("y", "FAIL", **condition(3, lt=2))]}, "1 failed, first x of x: about x."),
        ({"tests": [check("x", "SUCCESS", group="data_quality")]}, "none failed."),
    ],
)
def test_checks_of_the_data_are_counted_in_the_sentence(report: dict[str, Any], said: str) -> None:
    assert taken(report).summary == f"Checks of the data of churn: {said}"


def test_a_sentence_on_checks_is_cut_after_500_characters() -> None:
    described = {**check("x" * 200, "FAIL", group="data_quality"), "description": "y" * 900}
    assert len(taken({"tests": [described]}).summary) == 500


# What is said of the numbers.


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({}, "it gives no numbers"),
        ({"metric": "psi"}, "it speaks of psi without numbers"),
        ({"metric": "psi", "threshold": 0.2}, "psi has a threshold of 0.2, and no value is given"),
        ({"metric": "psi", "observed": 0.4}, "psi is 0.4 and no threshold is given"),
        ({"observed": 0.4, "threshold": 0.2}, "drift is 0.4 against a threshold of 0.2"),
    ],
)
def test_a_sentence_says_which_numbers_there_are(numbers: dict[str, Any], said: str) -> None:
    assert taken(**numbers, drift_detected=True).summary == f"Drift report on churn: {said}."


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ({"metric": "psi", "obsrved": 0.9, "threshold": 0.2}, ("obsrved", "observed")),
        ({"Treshold": 0.2, "drift_detected": False}, ("Treshold", "threshold")),
        ({"metric": "psi", "observd": 0.9, "treshold": 0.2}, ("observd", "observed")),
    ],
)
def test_a_key_that_may_be_mistyped_is_named_and_nothing_is_made_of_the_rest(
    typed: dict[str, Any], meant: tuple[str, str]
) -> None:
    assert f"has a key {meant[0]!r} and none {meant[1]!r}: did you mean that?" in refused(**typed)


# Half of what is needed.


@pytest.mark.parametrize("observed", ["NaN", "1%", [0.01], True])
def test_a_value_that_is_no_number_is_refused_and_never_no_drift(observed: Any) -> None:
    cases: tuple[dict[str, Any], ...] = ({}, {"drift_detected": False})
    for more in cases:
        for name, other in (("observed", "threshold"), ("threshold", "observed")):
            told = refused(metric="psi", **{name: observed, other: 0.1}, **more)
            assert f"The drift report's {name} {str(observed)!r} is no number" in told


@pytest.mark.parametrize(
    ("half", "told"),
    [
        ({"threshold": 0.2}, "has a threshold and no observed value: send metric, observed"),
        ({"threshold": 0.2, "observed": None, "value": 0.01}, "has a threshold and no observed value"),
        ({"observed": 0.9}, "has an observed value and no threshold: send both"),
        ({"observed": 0.9, "report": {"dataset_drift": False}}, "has an observed value and no threshold"),
        ({"drifted_columns_share": 0.4}, "has no threshold: send metric"),
        ({"threshold": 0.2, "is_drift": "false"}, "is_drift 'false' is neither true nor false"),
        ({"p_val": 0.01, "threshold": 0.05}, "has a threshold and no observed value"),
        ({"is_drift": [True]}, "neither true nor false"),
    ],
)
def test_half_of_what_is_needed_is_refused_with_what_is_missing(half: dict[str, Any], told: str) -> None:
    assert told in refused(metric="psi", **half)
    # A word or a severity of the sender's needs no numbers.
    assert taken(metric="psi", **{**half, "drift_detected": True}).kind is SignalKind.DRIFT
    assert taken(metric="psi", **{**half, "report": None, "severity": "critical"}).kind is SignalKind.DRIFT


def test_the_result_of_alibi_detect_is_read_with_its_number_and_its_word() -> None:
    calm: dict[str, Any] = {"is_drift": 0, "distance": 0.02, "p_val": 0.62, "threshold": 0.05}
    assert taken(calm).threshold == taken(**calm).threshold == Threshold("p_val", 0.62, 0.05, lower_is_worse=True)
    assert taken(calm).kind is SignalKind.NO_DRIFT
    found = taken({**calm, "is_drift": 1, "p_val": 0.0001})
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("p_val", 0.0001, 0.05, lower_is_worse=True))
    assert taken(observed=0.4, p_val=0.01, threshold=0.2).threshold == Threshold(None, 0.4, 0.2)
    assert taken(dataset_drift=1).kind is SignalKind.DRIFT
    several = {"is_drift": 1, "p_val": [0.4, 0.001], "threshold": 0.025}
    assert (taken(several).kind, taken({**several, "is_drift": 0}).kind) == (SignalKind.DRIFT, SignalKind.NO_DRIFT)


@pytest.mark.parametrize("comparison", [None, ">"])
def test_what_an_event_says_of_the_numbers_completes_its_report(comparison: str | None) -> None:
    beside: dict[str, Any] = {"metric": "auc", "threshold": 0.8, "comparison": comparison}
    whole = Threshold("auc", 0.7, 0.8, lower_is_worse=comparison is None)
    assert taken({"observed": 0.7}, **beside).threshold == whole
    assert taken(reader=in_s3({"observed": 0.7}), report_uri=URI, **beside).threshold == whole
    assert taken(reader=in_s3({"report": {"observed": 0.7}}), report_uri=URI, **beside).threshold == whole
    assert taken(
        reader=in_s3({"metric": "psi", "observed": 0.7}), report_uri=URI, threshold=0.2
    ).threshold == Threshold("psi", 0.7, 0.2)
    assert taken({"threshold": 0.2}, metric="psi", observed=0.4).threshold == Threshold("psi", 0.4, 0.2)
    # What a report says itself is not completed.
    assert taken({"observed": 0.9}, metric="psi", observed=0.1, threshold=0.2).threshold == Threshold("psi", 0.9, 0.2)
    assert "has a threshold and no observed value" in refused({"metric": ["psi"], "threshold": 0.1}, **beside)
    assert refused({"metric": "psi", "observed": 0.7}, **beside)


def test_a_bias_of_clarify_is_held_against_the_threshold_of_the_event() -> None:
    beside: dict[str, Any] = {"metric": "DPL", "threshold": 0.2}
    assert taken(analysis("DPL", 0.3), **beside).threshold == Threshold("DPL (sex 0)", 0.3, 0.2)
    assert taken(analysis("DPL", 0.1), **beside).kind is SignalKind.NO_DRIFT
    assert taken(reader=in_s3(analysis("DPL", 0.1)), report_uri=URI, **beside).kind is SignalKind.NO_DRIFT


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"error": {"message": "boom"}}, '{"message":"boom"}'),
        ({"error": True}, "it does not say why."),
        ({"errors": ["boom"]}, '["boom"]'),
        ({"status": "FAILED"}, "its status is FAILED."),
        ({"status": "error"}, "its status is error."),
        ({"error": "no data"}, "no data"),
    ],
)
def test_an_error_is_a_monitor_that_failed_wherever_its_report_stands(said: dict[str, Any], told: str) -> None:
    half = {"metric": "psi", "observed": None, "threshold": 0.2, **said}
    for body in (said, half, {**said, "drift_detected": False}, {**half, "observed": 0.1}):
        for found in (taken(**body), taken(body), taken(reader=in_s3(body), report_uri=URI)):
            assert (found.kind, found.summary) == (SignalKind.MONITOR_FAILURE, f"The monitor of churn failed: {told}")
    assert taken({**said, "drift_detected": True}).kind is SignalKind.DRIFT
    for observed in (0.3, 0.2):
        assert taken({**half, "observed": observed}).kind is SignalKind.DRIFT
    assert taken({**said, "drifted_columns_share": 0}).kind is SignalKind.MONITOR_FAILURE
    assert taken({"tests": [FAILED_CHECK]}, **said).kind is SignalKind.DATA_QUALITY
    # Who says that nothing was measured has no report that would have to be there.
    assert taken(reader=in_s3(Unreadable.MISSING), report_uri=URI, **said).kind is SignalKind.MONITOR_FAILURE


def test_a_column_of_whylogs_that_is_called_error_is_no_error() -> None:
    assert taken({"error": score("NO_DRIFT", p=0.5)}).kind is SignalKind.NO_DRIFT


def test_the_worst_severity_of_an_event_and_its_report_counts() -> None:
    critical = {"drift_detected": True, "severity": "critical"}
    for found in (
        *(taken(critical), taken(critical, severity="info"), taken(reader=in_s3(critical), report_uri=URI)),
        taken(reader=in_s3({"drift_detected": True}), report_uri=URI, severity="critical"),
    ):
        assert (found.kind, found.severity) == (SignalKind.DRIFT, "critical")
    assert taken(reader=in_s3({"observed": 9, "threshold": 1}), report_uri=URI, severity="info").threshold == Threshold(
        None, 9.0, 1.0
    )
    # A severity needs no report that can be read, unless it is none.
    assert taken(reader=in_s3(Unreadable.MISSING), report_uri=URI, severity="high").severity == "critical"
    assert "cannot be read" in refused(reader=in_s3(Unreadable.MISSING), report_uri=URI, severity="none")


# Calm words.


@pytest.mark.parametrize(
    "calm",
    [
        {"drift_detected": False, "severity": "critical"},
        {"drift_detected": False, "severity": "critical", "metric": "psi", "observed": 0.1, "threshold": 0.2},
        {"severity": "none"},
        {"severity": "info", "metric": "psi"},
        {"severity": "low", "metric": "psi", "observed": 0.3},
        {"alert_type": "success", "title": "Recovered"},
        {"alert_type": "Success", "metric": "psi", "observed": 0.01, "threshold": 0.2},
        {"status": "resolved", "severity": "critical"},
        {"status": "OK", "threshold": 0.2},
        {"status": "success"},
        {"status": "recovered"},
    ],
)
def test_a_calm_word_trains_nothing_however_severe_it_would_be(calm: dict[str, Any]) -> None:
    for found in (taken(**calm), taken(calm)):
        assert found.kind is SignalKind.NO_DRIFT
        assert severity_of(found, POLICY) is Severity.INFO


@pytest.mark.parametrize(
    "loud",
    [
        {"status": "ok", "drift_detected": True, "severity": "critical"},
        {"status": "ok", "severity": "critical", "metric": "psi", "observed": 0.9, "threshold": 0.2},
        {"severity": "info", "metric": "psi", "observed": 0.9, "threshold": 0.2},
        {"drift_detected": False, "severity": "critical", "metric": "psi", "observed": 0.2, "threshold": 0.2},
        {"alert_type": "data_drift", "severity": "low", "drift_share": 0.4},
        {"status": "firing", "severity": "warning"},
    ],
)
def test_a_calm_word_hides_nothing_that_drifted(loud: dict[str, Any]) -> None:
    found = taken(**loud)
    assert severity_of(found, POLICY) is not Severity.INFO
    assert found.severity == (plain_report.severity_of(loud))


# Which values are bad.


@pytest.mark.parametrize("word", ["lower", "below", "LowerIsWorse", 3, ["<"]])
def test_a_word_that_says_nobody_which_values_are_bad_is_refused(word: Any) -> None:
    """Half of the numbers there are would train on no drift."""
    told = refused(metric="ks_p_value", observed=0.4, threshold=0.05, comparison=word)
    assert "is no word for which values are bad: send lower_is_worse or higher_is_worse" in told
    assert refused(metric="psi", observed=0.4, threshold=0.2, comparison=word, drift_detected=False)


def test_a_monitor_that_says_itself_that_it_drifted_is_heard_whatever_its_comparison_is() -> None:
    found = taken(metric="psi", observed=0.4, threshold=0.2, comparison="lower", drift_detected=True)
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("psi", None, None))


@pytest.mark.parametrize(
    ("word", "lower"),
    [
        ("<=", True),
        ("LessThanThreshold", True),
        (">", False),
        ("GreaterThanOrEqualToThreshold", False),
        ("greater_than", False),
        ("higher_is_worse", False),
        (">=", False),
        ("", True),
        (None, True),
    ],
)
def test_a_word_that_is_known_wins_over_the_metrics_name(word: str | None, lower: bool) -> None:
    found = taken(metric="ks_p_value", observed=0.4, threshold=0.05, comparison=word)
    assert found.threshold == Threshold("ks_p_value", 0.4, 0.05, lower_is_worse=lower)


# AWS's sample.


def test_an_alert_of_awss_sample_names_features_and_may_be_over() -> None:
    degraded: dict[str, Any] = {
        "metric": "auc",
        "current_value": 0.7,
        "baseline_value": 0.9,
        "drifted_features": ["age", "plan"],
    }
    found = taken(alert_type="performance", **degraded)
    assert (found.kind, found.threshold) == (
        SignalKind.DRIFT,
        Threshold("auc (age, plan)", 0.7, 0.9, lower_is_worse=True),
    )
    assert taken(alert_type="resolved", **degraded).kind is SignalKind.NO_DRIFT


def test_a_metric_of_awss_sample_needs_its_value_now_and_at_the_training() -> None:
    share: dict[str, Any] = {"drift_share": 0.4, "drift_threshold": 0.5}
    found = taken(alert_type="data_drift", **share, current_users=100)
    assert found.threshold == Threshold("drift_share", 0.4, 0.5)
    found = taken(severity="high", current_run="b", baseline_run=1)
    assert found.threshold == Threshold(None, None, None)


def test_a_share_of_nothing_beside_a_metric_that_fell_is_drift() -> None:
    found = taken(drifted_columns_share=0, current_auc=0.5, baseline_auc=0.9)
    assert (found.kind, found.threshold) == (SignalKind.DRIFT, Threshold("auc", 0.5, 0.9, lower_is_worse=True))


# What cannot be taken.


def test_what_a_report_names_and_cannot_be_taken_is_said() -> None:
    measured: dict[str, Any] = {"metric": "psi", "observed": 0.4, "threshold": 0.2}
    found = taken(**measured, dataset={"uri": "https://x/data"}, report_uri="file:///r.html", endpoint="a/b")
    assert (found.report_uri, found.endpoint) == (None, None)
    assert found.dataset is not None
    assert found.dataset.uri is None
    assert found.summary.endswith(
        " Left out, since it is no address in S3 or no name: dataset.uri 'https://x/data', report_uri 'file:///r.html', endpoint 'a/b'."
    )
    assert (
        "Left out"
        not in taken(**measured, dataset={"uri": "s3://bucket/data/", "window_end": ""}, endpoint="e").summary
    )
    assert "report_uri 'https://x/r.json'." in refused(report_uri="https://x/r.json")
    assert "report_uri 'https://x/r.json'." in refused(report_s3_uri="https://x/r.json")
    assert "endpoint 'a/b'." in taken(**measured, endpoint_name="a\u202e/b").summary
    assert "endpoint ''." in taken(**measured, endpoint=" ").summary
    assert "dataset.uri \"['s3://b']\"" in taken(**measured, dataset={"uri": ["s3://b"]}).summary
