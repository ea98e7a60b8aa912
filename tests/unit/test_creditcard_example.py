"""The example model: its data drifts as told, its monitor hears it, and retraining repairs it."""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final

import jsonata
import numpy as np
import pytest

from orchestration.domain.evaluation import Standing
from orchestration.domain.evaluation import evaluate as judge
from orchestration.domain.policy import Evaluation

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "creditcard"
# The example's scripts import each other as plain modules, because SageMaker runs them from one directory.
sys.path.append(str(EXAMPLE))

from examples.creditcard import baseline, inference, monitor, sourcedir, transactions  # noqa: E402  # see above

TRAINING_SEED = 7
SEEDS = (101, 202, 303, 404, 505)


def as_text(table: dict[str, Any]) -> dict[str, list[str]]:
    """Render a generated table the way its CSV file is read back, without the label."""
    return {
        name: [f"{value:.{transactions.DECIMALS.get(name, 0)}f}" for value in column]
        for name, column in table.items()
        if name != transactions.LABEL
    }


@pytest.fixture(scope="module")
def train() -> Any:
    """The training script, imported by the one worker that tests it: scikit-learn takes longer than most files of tests."""
    return importlib.import_module("examples.creditcard.train")


@pytest.fixture(scope="module")
def described() -> tuple[dict[str, Any], dict[str, Any]]:
    statistics = baseline.build_statistics(as_text(transactions.generate(TRAINING_SEED, 20000, 0.0)))
    return statistics, baseline.build_constraints(statistics)


def largest_ratio(described: tuple[dict[str, Any], dict[str, Any]], seed: int, drift: float, count: int) -> float:
    fresh = as_text(transactions.generate(seed, count, drift))
    return max(monitor.compare(fresh, *described)[1].values()) / 0.1


SHARED: Final = {
    name: os.environ[name] for name in ("PATH", "OMP_WAIT_POLICY", "PYTHONPYCACHEPREFIX") if name in os.environ
}
"""What a script of SageMaker's has of this process's environment, beside its contract."""


def run_script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as SageMaker does: as a file, with nothing but the contract in its environment."""
    return subprocess.run(  # noqa: S603  # the scripts of this repository
        [sys.executable, str(EXAMPLE / name), *arguments],
        env=SHARED | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# --- transactions -------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        transactions.main(["--seed", seed, "--count", "500", "--drift", "0.3", "--out", str(tmp_path / name)])
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_label_is_the_first_column_and_the_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "t.csv"
    transactions.main(["--seed", "1", "--count", "300", "--out", str(path)])
    columns = baseline.read_csv(path)
    assert tuple(columns) == transactions.COLUMNS
    assert next(iter(columns)) == "is_fraud"
    assert set(columns["is_fraud"]) == {"0", "1"}
    assert [baseline.infer_type(columns[name]) for name in inference.FEATURES] == [
        "Fractional",
        "Integral",
        "Fractional",
        "Fractional",
        "Integral",
        "Integral",
    ]


def test_the_model_reads_the_columns_the_generator_makes(train: Any) -> None:
    assert (transactions.LABEL, *inference.FEATURES) == transactions.COLUMNS
    assert train.LABEL == transactions.LABEL


def test_a_missing_column_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    transactions.main(["--seed", "1", "--count", "10", "--missing-column", "merchant_risk", "--out", str(path)])
    assert "merchant_risk" not in path.read_text()
    assert len(baseline.read_csv(path)) == 6


@pytest.mark.parametrize("arguments", [("--drift", "1.5"), ("--count", "0")])
def test_impossible_wishes_are_refused(
    arguments: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        transactions.main(["--seed", "1", *arguments, "--out", str(tmp_path / "t.csv")])
    assert stopped.value.code == 2
    assert "must be" in capsys.readouterr().err


# --- drift and what it does to a model ----------------------------------------------------------------------


# Few rows scatter most, so these hold for every seed; many rows are asked of one.
@pytest.mark.parametrize(("seed", "count"), [*((seed, 2000) for seed in SEEDS), (SEEDS[0], 20000)])
def test_no_drift_mild_drift_and_strong_drift_are_told_apart(
    described: tuple[dict[str, Any], dict[str, Any]], seed: int, count: int
) -> None:
    assert largest_ratio(described, seed, 0.0, count) < 0.8
    assert 1.1 < largest_ratio(described, seed, 0.25, count) < 1.9
    assert largest_ratio(described, seed, 1.0, count) > 2.5


def test_undrifted_data_breaks_no_constraint_and_drifted_data_only_drift(
    described: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for seed in SEEDS:
        assert monitor.compare(as_text(transactions.generate(seed, 2000, 0.0)), *described)[0] == []
        violations, _ = monitor.compare(as_text(transactions.generate(seed, 2000, 1.0)), *described)
        assert {entry["constraint_check_type"] for entry in violations} == {"baseline_drift_check"}
        assert violations[0]["feature_name"] == "amount"


def test_on_drifted_data_a_retrained_candidate_beats_the_champion(train: Any, tmp_path: Path) -> None:
    seed = SEEDS[0]
    champion_data, drifted_data = tmp_path / "old", tmp_path / "new"
    transactions.main(["--seed", str(seed), "--count", "20000", "--out", str(champion_data / "t.csv")])
    transactions.main(
        ["--seed", str(seed + 1), "--count", "20000", "--drift", "1.0", "--out", str(drifted_data / "t.csv")]
    )
    first, second = tmp_path / "first", tmp_path / "second"
    common = ["--max-iter", "60", "--seed", "7"]
    assert (
        train.main(["--train", str(champion_data), "--model-dir", str(first), "--output-data-dir", str(first), *common])
        == 0
    )
    champion = tmp_path / "champion"
    champion.mkdir()
    with tarfile.open(champion / "model.tar.gz", "w:gz") as archive:
        archive.add(first, arcname=".")
    assert (
        train.main(
            [
                *("--train", str(drifted_data), "--champion", str(champion)),
                *("--model-dir", str(second), "--output-data-dir", str(second)),
                *common,
            ]
        )
        == 0
    )

    def value(document: dict[str, Any], metric: str) -> float:
        return float(document["binary_classification_metrics"][metric]["value"])

    before = json.loads((first / "evaluation.json").read_text())
    after = json.loads((second / "evaluation.json").read_text())
    assert value(before, "auc") >= 0.85
    assert "champion" not in before
    assert value(after, "auc") >= 0.85
    assert value(after, "recall") >= 0.6
    assert value(after, "auc") - value(after["champion"], "auc") >= 0.2
    assert value(before, "auc") - value(after["champion"], "auc") >= 0.2
    assert "difference" not in before
    improved = after["difference"]["binary_classification_metrics"]["auc"]["lower"]
    for asked, passed in ((improved - 1e-6, True), (improved + 1e-6, False)):
        wanted = Evaluation("auc", minimum=0.8, min_improvement=asked, confidence=0.95)
        verdict = judge((second / "evaluation.json").read_bytes(), wanted, Standing(True, "A champion serves"))
        assert verdict.passed is passed, verdict.sentence
        assert "(paired)" in verdict.gates[1].sentence


# --- baseline -----------------------------------------------------------------------------------------------


def test_the_baseline_has_model_monitors_format(tmp_path: Path) -> None:
    transactions.main(["--seed", "1", "--count", "2000", "--out", str(tmp_path / "t.csv")])
    assert baseline.main(["--data", str(tmp_path / "t.csv"), "--out", str(tmp_path / "b")]) == 0
    statistics = json.loads((tmp_path / "b" / "statistics.json").read_text())
    constraints = json.loads((tmp_path / "b" / "constraints.json").read_text())
    assert statistics["dataset"] == {"item_count": 2000}
    assert [feature["name"] for feature in statistics["features"]] == list(inference.FEATURES)
    for feature in statistics["features"]:
        numerical = feature["numerical_statistics"]
        assert set(numerical) == {"common", "mean", "sum", "std_dev", "min", "max", "distribution"}
        assert numerical["common"] == {"num_present": 2000, "num_missing": 0}
        buckets = numerical["distribution"]["kll"]["buckets"]
        assert sum(bucket["count"] for bucket in buckets) == 2000
        assert 2 <= len(buckets) <= 10
        assert buckets[0]["lower_bound"] == numerical["min"]
        assert buckets[-1]["upper_bound"] == numerical["max"]
        for left, right in itertools.pairwise(buckets):
            assert left["upper_bound"] == right["lower_bound"]
    assert constraints["features"][0] == {
        "name": "amount",
        "inferred_type": "Fractional",
        "completeness": 1.0,
        "num_constraints": {"is_non_negative": True},
    }
    assert constraints["monitoring_config"] == {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": {
            "perform_comparison": "Enabled",
            "comparison_threshold": 0.1,
            "comparison_method": "Robust",
        },
    }


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("amount\n", "no data rows"),
        ("1.0,2\n3.0,4\n", "no header row"),
        ("amount,hour\n1.0\n", "row 2 has 1 fields, the header has 2"),
        ("amount,hour\n1.0,noon\n", "Column hour holds text ('noon')"),
    ],
)
def test_training_data_that_cannot_be_described_is_refused_in_a_sentence(
    content: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(SystemExit) as stopped:
        baseline.main(["--data", str(tmp_path / "t.csv"), "--out", str(tmp_path / "b")])
    assert sentence in str(stopped.value.code)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("", "Unknown"),
        ("12", "Integral"),
        ("-3", "Integral"),
        ("1.5", "Fractional"),
        (".5", "Fractional"),
        ("1e3", "Fractional"),
        ("1.5e-3", "Fractional"),
        ("nan", "String"),
        ("inf", "String"),
        ("1,5", "String"),
        ("1_000", "String"),
        ("e3", "String"),
    ],
)
def test_types_of_values(value: str, kind: str) -> None:
    assert baseline.type_of(value) == kind


# --- monitor ------------------------------------------------------------------------------------------------


def test_drift_distance_is_the_kolmogorov_smirnov_distance_at_the_buckets_edges() -> None:
    rng = np.random.default_rng(3)
    old, new = rng.normal(0.0, 1.0, 4000), rng.normal(0.8, 1.0, 3000)
    points = np.sort(np.concatenate([old, new]))
    exact = np.abs(
        np.searchsorted(np.sort(old), points, "right") / 4000 - np.searchsorted(np.sort(new), points, "right") / 3000
    ).max()
    simple = monitor.drift_distance(baseline.buckets(old), new, "Simple")
    assert exact - 0.03 < simple <= exact
    robust = monitor.drift_distance(baseline.buckets(old), new, "Robust")
    assert simple - robust == pytest.approx(1.8 * (7000 / 12_000_000) ** 0.5)


def test_drift_distance_of_two_valued_columns_is_the_difference_of_their_shares() -> None:
    buckets = baseline.buckets(np.repeat([0.0, 1.0], [700, 300]))
    assert monitor.drift_distance(buckets, np.repeat([0.0, 1.0], [400, 600]), "Simple") == pytest.approx(0.3)
    assert monitor.drift_distance(buckets, np.repeat([0.0, 1.0], [700, 300]), "Simple") == 0.0


@pytest.mark.parametrize("shift", [-100.0, 100.0])
def test_drift_distance_of_values_outside_the_baseline_is_one(shift: float) -> None:
    sample = np.linspace(0.0, 1.0, 50)
    assert monitor.drift_distance(baseline.buckets(sample), sample + shift, "Simple") == pytest.approx(1.0)


def test_drift_distance_reads_the_equal_width_buckets_of_sagemakers_own_baselines() -> None:
    buckets = [{"lower_bound": i / 10, "upper_bound": (i + 1) / 10, "count": 10.0} for i in range(10)]
    assert monitor.drift_distance(buckets, np.linspace(0.0, 1.0, 1001), "Simple") < 0.01
    assert monitor.drift_distance(buckets, np.full(10, 0.55), "Simple") == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("column", "change", "check", "description"),
    [
        (
            "hour",
            lambda values: ["noon"] * 30 + values[30:],
            "data_type_check",
            (
                "Data type match requirement is not met. Expected data type: Integral, Expected match: 100.0%. "
                "Observed: Only 97.0% of data is Integral."
            ),
        ),
        (
            "hour",
            lambda values: [f"{value}.5" for value in values],
            "data_type_check",
            (
                "Data type match requirement is not met. Expected data type: Integral, Expected match: 100.0%. "
                "Observed: Only 0.0% of data is Integral."
            ),
        ),
        (
            "amount",
            lambda values: [""] * 250 + values[250:],
            "completeness_check",
            (
                "Completeness requirement is not met. Expected completeness: 100.0%. "
                "Observed: Only 75.0% of values are present."
            ),
        ),
        (
            "currency",
            lambda values: values,
            "extra_column_check",
            (
                "There are extra columns in current dataset. Number of columns in current dataset: 7, "
                "Number of columns in baseline constraints: 6"
            ),
        ),
    ],
)
def test_broken_data_is_named_as_such(
    described: tuple[dict[str, Any], dict[str, Any]], column: str, change: Any, check: str, description: str
) -> None:
    fresh = as_text(transactions.generate(9, 1000, 0.0))
    fresh[column] = change(fresh.get(column, ["1"] * 1000))
    violations, _ = monitor.compare(fresh, *described)
    assert {"feature_name": column, "constraint_check_type": check, "description": description} in violations
    assert {entry["constraint_check_type"] for entry in violations} == {check}


def test_a_whole_amount_is_still_an_amount(described: tuple[dict[str, Any], dict[str, Any]]) -> None:
    fresh = as_text(transactions.generate(9, 1000, 0.0))
    fresh["amount"] = [value.split(".")[0] for value in fresh["amount"]]
    assert "data_type_check" not in json.dumps(monitor.compare(fresh, *described)[0])


def test_an_empty_column_is_incomplete_not_drifted(described: tuple[dict[str, Any], dict[str, Any]]) -> None:
    fresh = as_text(transactions.generate(9, 1000, 0.0))
    fresh["amount"] = [""] * 1000
    violations, distances = monitor.compare(fresh, *described)
    assert [entry["constraint_check_type"] for entry in violations] == ["completeness_check"]
    assert "amount" not in distances


@pytest.fixture
def contract(tmp_path: Path, described: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, str]:
    baseline.write_json(described[0], tmp_path / "statistics.json")
    baseline.write_json(described[1], tmp_path / "constraints.json")
    (tmp_path / "data" / "deep").mkdir(parents=True)
    return {
        "OPT_ML": str(tmp_path / "ml"),
        "dataset_source": str(tmp_path / "data"),
        "output_path": str(tmp_path / "out"),
        "baseline_statistics": str(tmp_path / "statistics.json"),
        "baseline_constraints": str(tmp_path / "constraints.json"),
        "start_time": "2026-03-02T10:00:00Z",
        "end_time": "2026-03-02T11:00:00Z",
        "sagemaker_endpoint_name": "creditcard-prod",
        "sagemaker_monitoring_schedule_name": "creditcard-schedule",
        "publish_cloudwatch_metrics": "Enabled",
    }


def test_the_monitor_job_reports_violations_and_succeeds(contract: dict[str, str], tmp_path: Path) -> None:
    transactions.main(
        ["--seed", "12", "--count", "5000", "--drift", "0.25", "--out", str(tmp_path / "data" / "deep" / "t.csv")]
    )
    done = run_script("monitor.py", **contract)
    assert done.returncode == 0, done.stderr
    message = (tmp_path / "ml" / "output" / "message").read_text()
    assert message == "CompletedWithViolations: Job completed successfully with 1 violations."
    report = json.loads((tmp_path / "out" / "constraint_violations.json").read_text())
    (entry,) = report["violations"]
    assert entry["feature_name"] == "amount"
    assert entry["constraint_check_type"] == "baseline_drift_check"
    found = re.fullmatch(r"Baseline drift distance: (\S+) exceeds threshold: (\S+)", entry["description"])
    assert found
    assert 1.1 < float(found[1]) / float(found[2]) < 1.9
    statistics = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert statistics["dataset"]["item_count"] == 5000
    assert [feature["name"] for feature in statistics["features"]] == list(inference.FEATURES)
    assert (tmp_path / "out" / "constraints.json").is_file()
    lines = (tmp_path / "ml" / "output" / "metrics" / "cloudwatch" / "cloudwatch_metrics.jsonl").read_text()
    metrics = {metric["MetricName"]: metric for metric in map(json.loads, lines.splitlines())}
    assert metrics["feature_baseline_drift_amount"] == {
        "MetricName": "feature_baseline_drift_amount",
        "Timestamp": "2026-03-02T11:00:00Z",
        "Dimensions": [
            {"Name": "Endpoint", "Value": "creditcard-prod"},
            {"Name": "MonitoringSchedule", "Value": "creditcard-schedule"},
        ],
        "Value": pytest.approx(float(found[1]), abs=1e-6),
    }
    assert metrics["feature_non_null_hour"]["Value"] == 5000.0


def test_the_monitor_job_without_violations_leaves_no_report_behind(contract: dict[str, str], tmp_path: Path) -> None:
    transactions.main(["--seed", "11", "--count", "2000", "--out", str(tmp_path / "data" / "t.csv")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "constraint_violations.json").write_text("of an earlier run")
    done = run_script("monitor.py", **{**contract, "publish_cloudwatch_metrics": "Disabled"})
    assert done.returncode == 0, done.stderr
    message = (tmp_path / "ml" / "output" / "message").read_text()
    assert message == "Completed: Job completed successfully with no violations."
    assert not (tmp_path / "out" / "constraint_violations.json").exists()
    assert not (tmp_path / "ml" / "output" / "metrics").exists()


def test_the_monitor_job_names_a_missing_column(contract: dict[str, str], tmp_path: Path) -> None:
    out = str(tmp_path / "data" / "t.csv")
    transactions.main(["--seed", "14", "--count", "2000", "--missing-column", "merchant_risk", "--out", out])
    assert run_script("monitor.py", **contract).returncode == 0
    report = json.loads((tmp_path / "out" / "constraint_violations.json").read_text())
    assert [(entry["feature_name"], entry["constraint_check_type"]) for entry in report["violations"]] == [
        ("merchant_risk", "missing_column_check")
    ]


def test_the_monitor_job_reads_captured_requests_of_its_window_only(contract: dict[str, str], tmp_path: Path) -> None:
    table = as_text(transactions.generate(15, 400, 1.0))
    rows = [",".join(row) for row in zip(*table.values(), strict=True)]
    records = []
    for index, row in enumerate(rows):
        captured = {"observedContentType": "text/csv", "mode": "INPUT", "data": row, "encoding": "CSV"}
        if index % 2:
            captured |= {"data": base64.b64encode(f"{row}\n".encode()).decode(), "encoding": "BASE64"}
        hour = "10" if index < 300 else "11"
        at = {"eventId": str(index), "inferenceTime": f"2026-03-02T{hour}:00:00Z"}
        records.append(json.dumps({"captureData": {"endpointInput": captured}, "eventMetadata": at}))
    (tmp_path / "data" / "deep" / "capture.jsonl").write_text("\n".join(records) + "\n")
    done = run_script("monitor.py", **contract)
    assert done.returncode == 0, done.stderr
    assert "Compared 300 transactions" in done.stdout
    assert "baseline_drift_check amount" in done.stdout


@pytest.mark.parametrize(
    ("files", "environment", "sentence"),
    [
        ({}, {}, "There are no fresh transactions in"),
        ({"t.csv": "amount,hour\n"}, {}, "There are no fresh transactions in"),
        ({"t.csv": b"\xff\xfe\x00"}, {}, "cannot be read as CSV"),
        ({"t.csv": "amount,hour\n1.0\n"}, {}, "row 2 has 1 fields, the header has 2"),
        ({"a.csv": "amount\n1.0\n", "b.csv": "hour\n1\n"}, {}, "has other columns (hour) than"),
        ({"t.jsonl": "{}\n"}, {}, "cannot be read as captured requests"),
        ({"t.csv": "amount\n1.0\n"}, {"baseline_statistics": ""}, "baseline_statistics is not set"),
        ({"t.csv": "amount\n1.0\n"}, {"baseline_constraints": "/nowhere"}, "/nowhere cannot be read as JSON"),
        ({"t.csv": "amount\n1.0\n"}, {"end_time": "tomorrow"}, "must be ISO 8601 times"),
    ],
)
def test_a_comparison_that_is_not_possible_fails_in_one_sentence(
    files: dict[str, str | bytes],
    environment: dict[str, str],
    sentence: str,
    contract: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process: that the script ends so as a process too, the next test shows."""
    for name, content in files.items():
        (tmp_path / "data" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, value in {**contract, **environment}.items():
        monkeypatch.setenv(name, value)
    assert monitor.main() == 1
    message = (tmp_path / "ml" / "output" / "message").read_text()
    assert sentence in message
    assert capsys.readouterr().err.strip() == message
    assert not (tmp_path / "out").exists()


def test_a_baseline_in_another_format_fails_in_one_sentence(contract: dict[str, str], tmp_path: Path) -> None:
    transactions.main(["--seed", "11", "--count", "10", "--out", str(tmp_path / "data" / "t.csv")])
    (tmp_path / "constraints.json").write_text('{"features": []}')
    done = run_script("monitor.py", **contract)
    assert done.returncode == 1
    assert "The baseline is not in Model Monitor's format" in done.stderr


# --- train and inference ------------------------------------------------------------------------------------


def test_metrics_of_a_known_confusion(train: Any) -> None:
    labels = np.array([0, 0, 0, 1.0])
    scores = np.array([0.2, 0.7, 0.9, 0.8])
    metrics = train.quality(labels, scores, 0)
    assert metrics["confusion_matrix"] == {"0": {"0": 1, "1": 2}, "1": {"0": 0, "1": 1}}
    assert metrics["recall"] == {"value": 1.0, "standard_deviation": "NaN"}
    assert metrics["precision"]["value"] == pytest.approx(1 / 3)
    assert metrics["accuracy"]["value"] == 0.5
    assert metrics["auc"]["value"] == pytest.approx(2 / 3)
    assert metrics["f1"]["value"] == pytest.approx(0.5)
    assert metrics["f2"]["value"] == pytest.approx(5 / 7)
    assert metrics["f0_5"]["value"] == pytest.approx(5 / 13)
    assert metrics["true_negative_rate"]["value"] == pytest.approx(1 / 3)
    assert metrics["false_positive_rate"]["value"] == pytest.approx(2 / 3)
    assert metrics["precision_best_constant_classifier"]["value"] == 0.25


def test_standard_deviations_are_given_from_200_rows_on(train: Any) -> None:
    rng = np.random.default_rng(5)
    labels = (rng.random(200) < 0.3).astype(np.float64)
    scores = np.clip(labels * 0.3 + rng.random(200) * 0.7, 0, 1)
    assert 0 < train.quality(labels, scores, 0)["auc"]["standard_deviation"] < 0.1
    assert train.quality(labels[:199], scores[:199], 0)["auc"]["standard_deviation"] == "NaN"
    assert train.quality(labels, scores, 0) == train.quality(labels, scores, 0)


def test_a_classifier_that_flags_nothing_has_metrics_too(train: Any) -> None:
    metrics = train.quality(np.array([0, 1.0]), np.array([0.1, 0.2]), 0)
    assert (metrics["precision"]["value"], metrics["recall"]["value"], metrics["f1"]["value"]) == (0.0, 0.0, 0.0)


def test_the_difference_of_two_areas_has_the_bounds_of_a_paired_bootstrap(train: Any) -> None:
    rng = np.random.default_rng(5)
    labels = (rng.random(400) < 0.3).astype(np.float64)
    shared = labels * 0.6 + rng.random(400)
    # Rounded, so that scores tie.
    candidate, champion = (np.round(shared + share * rng.random(400), 1) for share in (0.2, 0.8))
    found = train.difference(labels, candidate, champion)["auc"]
    areas = [train.point_metrics(labels, scores)["auc"] for scores in (candidate, champion)]
    assert found["value"] == pytest.approx(areas[0] - areas[1])
    assert (found["upper"] - found["value"], found["confidence"]) == (
        pytest.approx(found["value"] - found["lower"]),
        0.95,
    )
    drawn = [rng.integers(0, 400, 400) for _ in range(600)]
    differences = [
        train.placements(labels[rows], candidate[rows])[0].mean()
        - train.placements(labels[rows], champion[rows])[0].mean()
        for rows in drawn
    ]
    # 1.645 standard errors; of 600 bootstrap samples their deviation is good to a few percent.
    assert found["upper"] - found["value"] == pytest.approx(1.645 * np.std(differences), rel=0.12)
    assert train.difference(labels, candidate, candidate)["auc"]["upper"] == 0.0


def test_a_class_with_a_single_row_has_no_bounds(train: Any) -> None:
    scores = np.array([0.1, 0.2, 0.3])
    assert train.difference(np.array([0.0, 0, 1]), scores, scores) == {}
    assert train.difference(np.array([0.0, 1, 1]), scores, scores) == {}


def test_the_holdout_shares_no_row_with_the_training_rows_and_keeps_the_classes(train: Any) -> None:
    labels = np.repeat([0.0, 1.0], [900, 100])
    training, holdout = train.split(labels, 0.3, 1)
    assert sorted([*training, *holdout]) == list(range(1000))
    assert labels[holdout].sum() == 30
    assert np.array_equal(train.split(labels, 0.3, 1)[1], holdout)
    assert not np.array_equal(train.split(labels, 0.3, 2)[1], holdout)


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "train").mkdir()
    return {
        "OPT_ML": str(tmp_path),
        "SM_MODEL_DIR": str(tmp_path / "model"),
        "SM_OUTPUT_DATA_DIR": str(tmp_path / "output" / "data"),
        "SM_CHANNEL_TRAIN": str(tmp_path / "train"),
    }


def test_the_training_job_runs_from_the_packed_sources_and_survives_a_broken_champion(
    job: dict[str, str], tmp_path: Path
) -> None:
    code = tmp_path / "code"
    with tarfile.open(fileobj=io.BytesIO(sourcedir.build(EXAMPLE))) as archive:
        assert archive.getnames() == ["inference.py", "train.py"]
        # Not as an argument, which Python before 3.11.4 does not take; it has no filters either.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(code)  # noqa: S202 - filtered where Python can
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion" / "model.tar.gz").write_text("not an archive")
    transactions.main(["--seed", "1", "--count", "1500", "--out", str(tmp_path / "train" / "t.csv")])
    environment = {
        **SHARED,
        **job,
        "SM_CHANNEL_CHAMPION": str(tmp_path / "champion"),
    }
    done = subprocess.run(
        [sys.executable, "train.py", "--max-iter", "10", "--seed", "3", "--evaluation-uri", ""],
        cwd=code,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "champion could not be evaluated and is left out" in done.stderr
    evaluation = json.loads((tmp_path / "output" / "data" / "evaluation.json").read_text())
    assert "champion" not in evaluation
    assert evaluation["dataset"]["item_count"] == 450
    assert "NaN" in json.dumps(evaluation)
    packed = tmp_path / "model" / "code" / "inference.py"
    assert packed.read_bytes() == (EXAMPLE / "inference.py").read_bytes()
    model = inference.model_fn(str(tmp_path / "model"))
    scores = inference.predict_fn(inference.input_fn("12.5,3,4.0,0.2,1,0\n250.0,2,9.9,0.6,0,0\n"), model)
    assert scores.shape == (2,)
    assert scores[1] > scores[0]


class ObjectStore(BaseHTTPRequestHandler):
    """As much of Amazon S3 as a PutObject needs; a bucket named ``missing`` does not exist."""

    # Of which the client's `Expect: 100-continue` is answered at once.
    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        missing = self.path.startswith("/missing/")
        if not missing:
            self.objects[self.path] = body
        answer = b"<Error><Code>NoSuchBucket</Code><Message>No such bucket.</Message></Error>" if missing else b""
        self.send_response(404 if missing else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("bucket", "code"), [("automation", 0), ("missing", 1)])
@pytest.mark.parametrize(("what", "name"), [("evaluation", "evaluation.json"), ("baseline", "baseline.csv")])
def test_evaluation_and_baseline_are_uploaded_or_the_job_fails(
    train: Any, what: str, name: str, bucket: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions.main(["--seed", "1", "--count", "500", "--out", str(tmp_path / "t.csv")])
    ObjectStore.objects.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), ObjectStore) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        settings = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_CONFIG_FILE": os.devnull,
            "OPT_ML": str(tmp_path),
        }
        for variable, value in settings.items():
            monkeypatch.setenv(variable, value)
        folders = ["--train", str(tmp_path), "--model-dir", str(tmp_path), "--output-data-dir", str(tmp_path)]
        uri = f"s3://{bucket}/runs/creditcard/r1/outputs/{name}"
        assert train.main(["--max-iter", "2", *folders, f"--{what}-uri", uri]) == code
        server.shutdown()
    if code:
        assert f"The {what} could not be written to {uri}" in (tmp_path / "output" / "failure").read_text()
    else:
        uploaded = ObjectStore.objects[f"/automation/runs/creditcard/r1/outputs/{name}"]
        assert uploaded == (tmp_path / name).read_bytes()


def test_the_baseline_is_what_was_trained_on_without_its_label(train: Any, tmp_path: Path) -> None:
    transactions.main(["--seed", "1", "--count", "500", "--out", str(tmp_path / "data" / "t.csv")])
    folders = ["--train", str(tmp_path / "data"), "--model-dir", str(tmp_path), "--output-data-dir", str(tmp_path)]
    assert train.main(["--max-iter", "2", *folders]) == 0
    header, *rows = (tmp_path / "baseline.csv").read_text().splitlines()
    assert header == ",".join(inference.FEATURES)
    trained_on = {
        tuple(map(float, line.split(",")[1:])) for line in (tmp_path / "data" / "t.csv").read_text().split()[1:]
    }
    assert len(rows) == 350
    assert {tuple(map(float, row.split(","))) for row in rows} <= trained_on


@pytest.mark.parametrize(
    ("files", "arguments", "sentence"),
    [
        ({}, [], "There is no CSV file in"),
        ({"t.csv": "amount,hour\n1,2\n"}, [], "has no column is_fraud"),
        ({"t.csv": "is_fraud,amount\n0,2\n"}, [], "The header lacks hour"),
        (
            {"t.csv": f"is_fraud,{','.join(inference.FEATURES)}\n2,1,1,1,1,1,1\n"},
            [],
            "Column is_fraud must hold 0 or 1 only",
        ),
        (
            {"t.csv": f"is_fraud,{','.join(inference.FEATURES)}\n" + "0,1,1,1,1,1,1\n" * 50},
            [],
            "0 rows with is_fraud=1 are too few",
        ),
        (
            {"t.csv": f"is_fraud,{','.join(inference.FEATURES)}\n" + "0,1,1,1,1,1,1\n" * 50 + "1,9,1,1,1,1,1\n" * 50},
            ["--evaluation-uri", "https://example.com/evaluation.json"],
            "--evaluation-uri must look like s3://bucket/key",
        ),
        (
            {"t.csv": f"is_fraud,{','.join(inference.FEATURES)}\n" + "0,1,1,1,1,1,1\n" * 50 + "1,9,1,1,1,1,1\n" * 50},
            ["--baseline-uri", "s3://bucket"],
            "--baseline-uri must look like s3://bucket/key",
        ),
    ],
)
def test_training_that_is_not_possible_fails_in_one_sentence(
    train: Any,
    files: dict[str, str],
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setenv("OPT_ML", str(tmp_path))
    folders = ["--train", str(tmp_path), "--model-dir", str(tmp_path), "--output-data-dir", str(tmp_path)]
    assert train.main(["--max-iter", "2", *folders, *arguments]) == 1
    assert sentence in (tmp_path / "output" / "failure").read_text()


@pytest.mark.parametrize(
    "body",
    [
        "12.5,3,4.0,0.2,1,0\n",
        b"12.5,3,4.0,0.2,1,0",
        "amount,hour,distance_from_home_km,merchant_risk,transactions_last_hour,card_present\n12.5,3,4.0,0.2,1,0\n",
        (
            "is_fraud,card_present,hour,amount,distance_from_home_km,merchant_risk,transactions_last_hour\n"
            "1,0,3,12.5,4.0,0.2,1\n"
        ),
    ],
)
def test_requests_with_and_without_a_header_mean_the_same(body: str | bytes) -> None:
    assert inference.input_fn(body, "text/csv; charset=utf-8").tolist() == [[12.5, 3.0, 4.0, 0.2, 1.0, 0.0]]


def test_an_empty_field_is_a_missing_value() -> None:
    assert np.isnan(inference.input_fn("12.5,,4.0,0.2,1,0")[0, 1])


@pytest.mark.parametrize(
    ("body", "content_type", "sentence"),
    [
        ("{}", "application/json", "is not supported"),
        ("", "text/csv", "no transaction"),
        ("1,2,3\n", "text/csv", "has 3 fields instead of 6"),
        ("amount,hour\n1,2\n", "text/csv", "The header lacks distance_from_home_km"),
        ("1,2,3,4,5,x\n", "text/csv", "not a number"),
    ],
)
def test_requests_the_model_cannot_answer_are_refused(body: str, content_type: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        inference.input_fn(body, content_type)


def test_answers_come_as_csv_or_json() -> None:
    prediction = np.array([0.25, 0.5])
    assert inference.output_fn(prediction, "text/csv") == ("0.250000\n0.500000\n", "text/csv")
    assert inference.output_fn(prediction, "*/*")[1] == "text/csv"
    body, content_type = inference.output_fn(prediction, "application/json")
    assert content_type == "application/json"
    assert json.loads(body) == {"predictions": [{"score": 0.25}, {"score": 0.5}]}


# --- packing, pipeline, policy ------------------------------------------------------------------------------


def test_the_packed_sources_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in sourcedir.SOURCES:
        (tmp_path / name).write_bytes((EXAMPLE / name).read_bytes())
        (tmp_path / name).chmod(0o755)
        os.utime(tmp_path / name, (1, 1))
    assert sourcedir.build(tmp_path) == sourcedir.build(EXAMPLE)
    (tmp_path / "train.py").write_text("changed")
    assert hashlib.sha256(sourcedir.build(tmp_path)).digest() != hashlib.sha256(sourcedir.build(EXAMPLE)).digest()


DEFINITION = json.loads((EXAMPLE / "training-pipeline.asl.json").read_text())
LOOP_INPUT = {
    "run": "all",
    "triggered_by": "monitoring",
    "reason": "auto_retraining",
    "run_id": "r1",
    "model": "creditcard",
    "manifest_uri": "s3://automation/manifests/creditcard/r1.json",
    "output_uri": "s3://automation/runs/creditcard/r1/outputs/",
    "idempotency_token": "r1",
    "training_data_uri": "s3://data/creditcard/training/",
    "code_uri": "s3://data/creditcard/code/sourcedir.tar.gz",
    "role_arn": "arn:aws:iam::111122223333:role/training",
    "image": "image:1",
}


def evaluate(template: Any, **states: Any) -> Any:
    """Evaluate the JSONata expressions in a field of a state; an undefined result is an error, as in AWS."""
    if isinstance(template, dict):
        return {key: evaluate(value, **states) for key, value in template.items()}
    if isinstance(template, str) and template.startswith("{%") and template.endswith("%}"):
        result = jsonata.Jsonata(template[2:-2]).evaluate(None, {"states": states})
        assert result is not None, f"undefined: {template}"
        return result
    return template


def training_request(**changes: Any) -> dict[str, Any]:
    state = DEFINITION["States"]["TrainModel"]
    request: dict[str, Any] = evaluate(state["Arguments"], input={**LOOP_INPUT, **changes})
    return request


def test_every_state_has_a_comment_and_every_task_a_literal_timeout() -> None:
    assert DEFINITION["QueryLanguage"] == "JSONata"
    for state in DEFINITION["States"].values():
        assert state["Comment"]
        if state["Type"] == "Task":
            assert isinstance(state["TimeoutSeconds"], int)
            assert state["TimeoutSeconds"] > state["Arguments"]["StoppingCondition"]["MaxRuntimeInSeconds"]


def test_no_partition_is_written_out() -> None:
    for name in ("training-pipeline.asl.json", "training-pipeline.yaml", "policy.json"):
        assert "arn:aws" not in (EXAMPLE / name).read_text()
    assert re.findall(r"\$\{(\w+)\}", json.dumps(DEFINITION)) == ["Partition"]


@pytest.mark.parametrize("absent", [{}, {"champion_model_data_uri": None}, {"champion_model_data_uri": ""}])
def test_without_a_champion_there_is_one_channel(absent: dict[str, Any]) -> None:
    request = training_request(**absent)
    assert isinstance(request["InputDataConfig"], list)
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train"]


def test_with_a_champion_it_has_a_channel_of_its_own() -> None:
    request = training_request(champion_model_data_uri="s3://data/model.tar.gz")
    sources = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in request["InputDataConfig"]
    }
    assert sources == {"train": "s3://data/creditcard/training/", "champion": "s3://data/model.tar.gz"}


def test_hyperparameters_are_strings_the_training_script_knows(train: Any) -> None:
    parameters = training_request()["HyperParameters"]
    assert all(isinstance(value, str) for value in parameters.values())
    assert parameters["evaluation-uri"] == "s3://automation/runs/creditcard/r1/outputs/evaluation.json"
    options = [
        part
        for name, value in parameters.items()
        if not name.startswith("sagemaker_")  # meant for the container, which does not pass them on
        for part in (f"--{name}", value)
    ]
    assert train.parse(options).evaluation_uri == parameters["evaluation-uri"]
    assert train.parse(options).baseline_uri == "s3://automation/runs/creditcard/r1/outputs/baseline.csv"
    assert (EXAMPLE / parameters["sagemaker_program"]).is_file()


@pytest.mark.parametrize(
    "token",
    [
        "r1",
        "creditcard-20260302T110941Z-0a15f67d",
        "x" * 200,
        "--a..b__c//" + "-" * 60 + "é:",
        "0a15f67d-aa23-4123-8123-01a23b89c01d:creditcard:2026-03-02T11:09:41Z",
    ],
)
def test_the_jobs_name_is_legal_and_belongs_to_its_token(token: str) -> None:
    name = training_request(idempotency_token=token)["TrainingJobName"]
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)
    assert name == training_request(idempotency_token=token)["TrainingJobName"]
    assert name != training_request(idempotency_token=token + "2")["TrainingJobName"] or len(name) == 63


def test_a_pipeline_that_succeeds_returns_what_the_loop_needs() -> None:
    result = {
        "TrainingJobName": "retraining-r1",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://automation/runs/creditcard/r1/outputs/training/model.tar.gz"},
    }
    output = evaluate(DEFINITION["States"]["TrainModel"]["Output"], input=LOOP_INPUT, result=result)
    assert output == {
        "model_data_url": "s3://automation/runs/creditcard/r1/outputs/training/model.tar.gz",
        "image": "image:1",
        "evaluation_uri": "s3://automation/runs/creditcard/r1/outputs/evaluation.json",
        "environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "s3://data/creditcard/code/sourcedir.tar.gz",
        },
        "training_job_name": "retraining-r1",
    }


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            {"Error": "States.TaskFailed", "Cause": '{"FailureReason":"no data"}'},
            'States.TaskFailed: {"FailureReason":"no data"}',
        ),
        ({"Error": "States.Timeout"}, "States.Timeout: "),
    ],
)
def test_a_pipeline_that_fails_says_why(error: dict[str, str], cause: str) -> None:
    (catcher,) = DEFINITION["States"]["TrainModel"]["Catch"]
    assert catcher["ErrorEquals"] == ["States.ALL"]
    caught = evaluate(catcher["Output"], input=LOOP_INPUT, errorOutput=error)
    failed = DEFINITION["States"][catcher["Next"]]
    assert failed["Error"] == "TrainingFailed"
    assert evaluate(failed["Cause"], input=caught) == cause


def test_only_transient_service_errors_are_retried_and_never_in_step() -> None:
    retriers = DEFINITION["States"]["TrainModel"]["Retry"]
    names = [name for retrier in retriers for name in retrier["ErrorEquals"]]
    assert all(name.startswith("SageMaker.") for name in names)
    assert all(retrier["JitterStrategy"] == "FULL" for retrier in retriers)


def test_the_policy_gives_the_pipeline_every_field_it_reads() -> None:
    policy = json.loads((EXAMPLE / "policy.json").read_text())
    assert policy["model"] == "creditcard"
    read = set(re.findall(r"\$states\.input\.(\w+)", json.dumps(DEFINITION["States"]["TrainModel"])))
    from_loop = {"run", "triggered_by", "reason", "run_id", "model", "manifest_uri", "output_uri", "idempotency_token"}
    from_loop.add("champion_model_data_uri")
    assert read - from_loop == set(policy["training"]["input"])
    placeholders = set(re.findall(r"\$\{(\w+)\}", json.dumps(policy)))
    assert placeholders == {"TrainingPipelineArn", "DataBucket", "TrainingJobRoleArn", "TrainingImage"}
