"""Compare fresh transactions with the baseline: a SageMaker processing job that hears drift.

It keeps the contract of a Model Monitor container of one's own ("Container Contract Inputs" and "Outputs" in
the SageMaker developer guide), so a monitoring schedule, a plain processing job and a local subprocess
run it alike. It needs ``baseline.py`` beside it.

Environment:
    dataset_source: folder (searched below) or file with fresh data: CSV with a header row, or the
        JSON lines an endpoint's data capture writes.
    output_path: folder for statistics.json, constraints.json and, only if there are any,
        constraint_violations.json.
    baseline_statistics, baseline_constraints: the files ``baseline.py`` wrote.
    start_time, end_time: ISO 8601; captured requests outside are left out (SageMaker may mount more than
        was asked for). CSV rows carry no time and all count.
    publish_cloudwatch_metrics: ``Enabled`` writes metrics for SageMaker to publish.
    sagemaker_endpoint_name, sagemaker_monitoring_schedule_name: dimensions of those metrics.
    label_column: column to ignore in fresh data, default ``is_fraud``.
    OPT_ML: where ``/opt/ml`` is, for runs outside a container.

The job succeeds with or without violations and says which in its exit message. It fails, in one sentence,
when there is nothing it could compare: "no data" must never look like "no drift".
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import math
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    # The type checker sees the repository; SageMaker runs the files of this folder from one directory.
    from examples.creditcard import baseline
else:
    import baseline

COMPLETED = "Completed: Job completed successfully with no violations."
COMPLETED_WITH_VIOLATIONS = "CompletedWithViolations: Job completed successfully with {count} violations."


class MonitorError(Exception):
    """The comparison was not possible; the text is for the operator."""


def setting(name: str, default: str | None = None) -> str:
    """Return a variable of the contract; without a ``default`` it must be set."""
    value = os.environ.get(name, "")
    if not value and default is None:
        raise MonitorError(f"The environment variable {name} is not set.")
    return value or default or ""


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MonitorError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise MonitorError(f"{path} does not hold a JSON object.")
    return document


def instant(text: str) -> datetime:
    """Parse an ISO 8601 time that may end in ``Z``."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # noqa: FURB162  # training images may have Python 3.9


def captured_rows(path: Path, window: tuple[datetime, datetime] | None) -> list[list[str]]:
    """Read the requests from one data-capture file: rows of text, without header."""
    rows: list[list[str]] = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.strip():
                continue
            record = json.loads(line)
            if window and not window[0] <= instant(record["eventMetadata"]["inferenceTime"]) < window[1]:
                continue
            captured = record["captureData"]["endpointInput"]
            data: str = captured["data"]
            if captured.get("encoding") == "BASE64":
                data = base64.b64decode(data, validate=True).decode("utf-8")
            rows.extend([field.strip() for field in row] for row in csv.reader(data.splitlines()) if row)
    except (OSError, ValueError, KeyError, TypeError, binascii.Error, csv.Error) as error:
        raise MonitorError(f"{path} cannot be read as captured requests: {error!r}") from error
    # A client that sends a header sends it with every request.
    return [row for row in rows if any(baseline.type_of(field) != baseline.STRING for field in row)]


def read_fresh(source: Path, names: Sequence[str], window: tuple[datetime, datetime] | None) -> dict[str, list[str]]:
    """Read all fresh data below ``source`` into columns of text.

    Args:
        source: A file, or a folder searched at any depth for ``*.csv`` and ``*.jsonl``.
        names: The baseline's columns in order: captured requests carry no header.
        window: First instant included and first instant excluded, for captured requests.
    """
    files = [source] if source.is_file() else sorted(source.rglob("*.csv")) + sorted(source.rglob("*.jsonl"))
    columns: dict[str, list[str]] = {}
    for path in files:
        if path.suffix == ".jsonl":
            rows = captured_rows(path, window)
            width = max((len(row) for row in rows), default=0)
            header = [*names[:width], *(f"_c{index}" for index in range(len(names), width))]
            fresh = {
                name: [row[index] if index < len(row) else "" for row in rows] for index, name in enumerate(header)
            }
            if not rows:
                continue
        else:
            try:
                fresh = baseline.read_csv(path)
            except ValueError as error:
                raise MonitorError(str(error)) from error
        if columns and set(columns) != set(fresh):
            raise MonitorError(f"{path} has other columns ({', '.join(fresh)}) than {files[0]} ({', '.join(columns)}).")
        for name, values in fresh.items():
            columns.setdefault(name, []).extend(values)
    if not any(columns.values()):
        raise MonitorError(f"There are no fresh transactions in {source}: nothing was compared with the baseline.")
    return columns


def drift_distance(buckets: Sequence[Mapping[str, float]], fresh: NDArray[np.float64], method: str) -> float:
    """Measure how far fresh values are from a baseline distribution, 0 (same) to 1 (disjoint).

    The largest difference between the two cumulative distributions (L-infinity, the Kolmogorov-Smirnov
    statistic), looked at where the baseline's is known: at the edges of its buckets. ``Robust`` takes off
    what chance alone explains, 1.8 * sqrt((n + m) / (n * m)), as in Deequ, the library under Model Monitor
    (``com.amazon.deequ.analyzers.Distance``); ``Simple`` does not.

    Args:
        buckets: ``kll.buckets`` of the baseline: ``lower <= x < upper``, the last one closed.
        fresh: Fresh values, shape ``(m,)``, m >= 1.
        method: ``Robust`` or ``Simple``.
    """
    counts = np.array([bucket["count"] for bucket in buckets], dtype=np.float64)
    edges = np.array([bucket["lower_bound"] for bucket in buckets], dtype=np.float64)
    expected = np.concatenate(([0.0], np.cumsum(counts))) / counts.sum()
    ordered = np.sort(fresh)
    observed = np.append(
        np.searchsorted(ordered, edges, side="left"),
        np.searchsorted(ordered, buckets[-1]["upper_bound"], side="right"),
    ) / len(ordered)
    distance = float(np.abs(expected - observed).max())
    if method != "Robust":
        return distance
    n, m = float(counts.sum()), float(len(ordered))
    return max(0.0, distance - 1.8 * math.sqrt((n + m) / (n * m)))


def violation(feature: str, check: str, description: str) -> dict[str, str]:
    """Make one entry of constraint_violations.json."""
    return {"feature_name": feature, "constraint_check_type": check, "description": description}


def column_violations(expected: Sequence[str], observed: Sequence[str]) -> list[dict[str, str]]:
    """Compare the column names with the baseline's, one violation for each column too few or too many."""
    counts = (
        f"Number of columns in current dataset: {len(observed)}, "
        f"Number of columns in baseline constraints: {len(expected)}"
    )
    return [
        violation(name, "missing_column_check", f"There are missing columns in current dataset. {counts}")
        for name in expected
        if name not in observed
    ] + [
        violation(name, "extra_column_check", f"There are extra columns in current dataset. {counts}")
        for name in observed
        if name not in expected
    ]


def value_violations(
    constraint: Mapping[str, Any], values: Sequence[str], datatype_threshold: float
) -> list[dict[str, str]]:
    """Check types and completeness of one column of text against its constraint."""
    name, expected_type = constraint["name"], constraint["inferred_type"]
    found = []
    present = [value for value in values if value]
    # Every whole number is also a fraction; the reverse does not hold.
    accepted = {expected_type, baseline.INTEGRAL} if expected_type == baseline.FRACTIONAL else {expected_type}
    matching = sum(1 for value in present if baseline.type_of(value) in accepted)
    if present and expected_type != baseline.UNKNOWN and matching / len(present) < datatype_threshold:
        found.append(
            violation(
                name,
                "data_type_check",
                f"Data type match requirement is not met. Expected data type: {expected_type}, "
                f"Expected match: {datatype_threshold:.1%}. "
                f"Observed: Only {matching / len(present):.1%} of data is {expected_type}.",
            )
        )
    completeness = len(present) / len(values)
    if completeness < constraint["completeness"]:
        found.append(
            violation(
                name,
                "completeness_check",
                f"Completeness requirement is not met. Expected completeness: {constraint['completeness']:.1%}. "
                f"Observed: Only {completeness:.1%} of values are present.",
            )
        )
    return found


def compare(
    fresh: Mapping[str, Sequence[str]], statistics: Mapping[str, Any], constraints: Mapping[str, Any]
) -> tuple[list[dict[str, str]], dict[str, float]]:
    """Compare fresh columns of text with the baseline.

    Returns:
        The violations, worst drift first among the drifts, and the drift distance of each column compared.
    """
    config = constraints["monitoring_config"]
    distribution = config["distribution_constraints"]
    threshold = distribution["comparison_threshold"]
    expected = {constraint["name"]: constraint for constraint in constraints["features"]}
    distances: dict[str, float] = {}
    for feature in statistics["features"]:
        name = feature["name"]
        known = feature.get("numerical_statistics", {}).get("distribution", {}).get("kll", {}).get("buckets")
        sample = baseline.numbers(fresh.get(name, ()))
        if known and sample.size and distribution["perform_comparison"] == "Enabled":
            distances[name] = drift_distance(known, sample, distribution["comparison_method"])
    if config["evaluate_constraints"] != "Enabled":
        return [], distances
    violations = column_violations(list(expected), list(fresh))
    for name, constraint in expected.items():
        if name in fresh:
            violations += value_violations(constraint, fresh[name], config["datatype_check_threshold"])
    for name, distance in sorted(distances.items(), key=lambda item: -item[1]):
        # Rounded up front, so that what is written is what was compared.
        if round(distance, 6) > threshold:
            description = f"Baseline drift distance: {round(distance, 6)} exceeds threshold: {threshold}"
            violations.append(violation(name, "baseline_drift_check", description))
    return violations, distances


def metric_lines(fresh: Mapping[str, Sequence[str]], distances: Mapping[str, float], at: str) -> list[str]:
    """Make the JSON lines SageMaker publishes to CloudWatch, schema of "CloudWatch Metrics for BYOC"."""
    dimensions = [{"Name": "MonitoringSchedule", "Value": setting("sagemaker_monitoring_schedule_name", "")}]
    endpoint = setting("sagemaker_endpoint_name", "")
    if endpoint:  # a batch transform has none
        dimensions.insert(0, {"Name": "Endpoint", "Value": endpoint})
    values = {f"feature_baseline_drift_{name}": distance for name, distance in distances.items()}
    for name, column in fresh.items():
        values[f"feature_non_null_{name}"] = float(sum(1 for value in column if value))
    return [
        json.dumps({"MetricName": name, "Timestamp": at, "Dimensions": dimensions, "Value": value})
        for name, value in values.items()
    ]


def run(opt_ml: Path) -> str:
    """Do the comparison the environment asks for and return the exit message."""
    source, output = Path(setting("dataset_source")), Path(setting("output_path"))
    statistics = read_json(Path(setting("baseline_statistics")))
    constraints = read_json(Path(setting("baseline_constraints")))
    start, end = setting("start_time", ""), setting("end_time", "")
    try:
        window = (instant(start), instant(end)) if start and end else None
    except ValueError as error:
        raise MonitorError(f"start_time and end_time must be ISO 8601 times: {error}") from error
    try:
        names = [feature["name"] for feature in statistics["features"]]
        fresh = read_fresh(source, names, window)
        fresh.pop(setting("label_column", "is_fraud"), None)
        violations, distances = compare(fresh, statistics, constraints)
        emit = constraints["monitoring_config"]["emit_metrics"] == "Enabled"
    except (KeyError, TypeError) as error:
        raise MonitorError(f"The baseline is not in Model Monitor's format: {error!r} is wrong in it.") from error

    output.mkdir(parents=True, exist_ok=True)
    fresh_statistics = baseline.build_statistics(fresh)
    baseline.write_json(fresh_statistics, output / "statistics.json")
    baseline.write_json(baseline.build_constraints(fresh_statistics), output / "constraints.json")
    report = output / "constraint_violations.json"
    report.unlink(missing_ok=True)  # outside a container the folder may hold the report of an earlier run
    if violations:
        baseline.write_json({"violations": violations}, report)
    if emit and setting("publish_cloudwatch_metrics", "Disabled") == "Enabled":
        metrics = opt_ml / "output" / "metrics" / "cloudwatch" / "cloudwatch_metrics.jsonl"
        metrics.parent.mkdir(parents=True, exist_ok=True)
        # Without a window the metrics carry the time at which the data was looked at.
        at = end or datetime.now().astimezone().isoformat(timespec="seconds")
        metrics.write_text("\n".join(metric_lines(fresh, distances, at)) + "\n", encoding="utf-8")

    print(f"Compared {fresh_statistics['dataset']['item_count']} transactions with the baseline.")
    for name, distance in sorted(distances.items(), key=lambda item: -item[1]):
        print(f"  drift distance of {name}: {distance:.4f}")
    for entry in violations:
        print(f"  {entry['constraint_check_type']} {entry['feature_name']}: {entry['description']}")
    return COMPLETED_WITH_VIOLATIONS.format(count=len(violations)) if violations else COMPLETED


def main() -> int:
    """Run the job and leave the exit message where SageMaker reads it."""
    opt_ml = Path(os.environ.get("OPT_ML", "/opt/ml"))
    try:
        message, code = run(opt_ml), 0
    except MonitorError as error:
        message, code = str(error), 1
    (opt_ml / "output").mkdir(parents=True, exist_ok=True)
    (opt_ml / "output" / "message").write_text(message, encoding="utf-8")
    print(message, file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
