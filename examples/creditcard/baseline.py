"""Describe training data the way SageMaker Model Monitor does: statistics.json and constraints.json.

The file formats are those of the "Schema for Statistics" and "Schema for Constraints" pages of the
SageMaker developer guide, so the monitor beside this file, SageMaker's prebuilt analyzer and the SageMaker
console all read the same baseline. Only numeric columns are described: this model has no others.

Usage: ``python baseline.py --data transactions.csv --out baseline/``
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

INTEGRAL, FRACTIONAL, STRING, UNKNOWN = "Integral", "Fractional", "String", "Unknown"
# Model Monitor materialises a distribution in ten buckets.
BUCKET_COUNT = 10
_INTEGRAL = re.compile(r"[-+]?\d+")
_FRACTIONAL = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?")


def read_csv(path: Path) -> dict[str, list[str]]:
    """Read a CSV file with a header row into columns of stripped text; ``""`` is a missing value."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as CSV: {error}") from error
    if not rows:
        raise ValueError(f"{path} is empty: not even a header row.")
    header = [name.strip() for name in rows[0]]
    if any(type_of(name) != STRING for name in header):
        raise ValueError(f"{path} has no header row: its first line is {','.join(rows[0])!r}.")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise ValueError(f"{path} row {number} has {len(row)} fields, the header has {len(header)}.")
    return {name: [row[index].strip() for row in rows[1:]] for index, name in enumerate(header)}


def type_of(value: str) -> str:
    """Tell the Model Monitor type of one value; ``nan`` and ``inf`` are text, no measurement is either."""
    if not value:
        return UNKNOWN
    if _INTEGRAL.fullmatch(value):
        return INTEGRAL
    return FRACTIONAL if _FRACTIONAL.fullmatch(value) else STRING


def numbers(values: Sequence[str]) -> NDArray[np.float64]:
    """Pick the values that are numbers, in order: shape ``(at most len(values),)``."""
    return np.array([float(value) for value in values if type_of(value) in {INTEGRAL, FRACTIONAL}], dtype=np.float64)


def infer_type(values: Sequence[str]) -> str:
    """Infer the type of a column: that of most of its values, where one fraction makes it Fractional."""
    types = [type_of(value) for value in values if value]
    if not types:
        return UNKNOWN
    if types.count(STRING) * 2 > len(types):
        return STRING
    return FRACTIONAL if FRACTIONAL in types else INTEGRAL


def buckets(sample: NDArray[np.float64]) -> list[dict[str, float]]:
    """Put ``sample`` (shape ``(n,)``, n >= 1) into at most ten buckets ``lower <= x < upper``, the last closed.

    The edges are deciles. Buckets of equal width would put nearly all of a long-tailed column such as an
    amount into the first one, where no drift can be seen. A column with few distinct values gets one bucket
    for each, the last of width zero, so that a 0/1 column keeps its two shares apart.
    """
    distinct = np.unique(sample)
    if distinct.size <= BUCKET_COUNT:
        edges = np.append(distinct, distinct[-1])
        counts = [int(np.count_nonzero(sample == value)) for value in distinct]
    else:
        # Deciles of the data itself ("higher" takes a value that occurs): ties would give a zero-width bucket.
        edges = np.unique(np.quantile(sample, np.linspace(0.0, 1.0, BUCKET_COUNT + 1), method="higher"))
        counts = [int(count) for count in np.histogram(sample, edges)[0]]
    return [
        {"lower_bound": float(edges[index]), "upper_bound": float(edges[index + 1]), "count": count}
        for index, count in enumerate(counts)
    ]


def feature_statistics(name: str, values: Sequence[str]) -> dict[str, Any]:
    """Describe one column as a ``features[]`` entry of statistics.json."""
    inferred = infer_type(values)
    present = sum(1 for value in values if value)
    common = {"num_present": present, "num_missing": len(values) - present}
    if inferred == UNKNOWN:
        return {"name": name, "inferred_type": UNKNOWN, "numerical_statistics": {"common": common}}
    if inferred == STRING:
        distinct = len({value for value in values if value})
        return {
            "name": name,
            "inferred_type": STRING,
            "string_statistics": {"common": common, "distinct_count": distinct},
        }
    sample = numbers(values)
    return {
        "name": name,
        "inferred_type": inferred,
        "numerical_statistics": {
            "common": common,
            "mean": float(sample.mean()),
            "sum": float(sample.sum()),
            "std_dev": float(sample.std()),
            "min": float(sample.min()),
            "max": float(sample.max()),
            "distribution": {"kll": {"buckets": buckets(sample)}},
        },
    }


def build_statistics(columns: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Build statistics.json from columns of text of one length."""
    item_count = len(next(iter(columns.values()), ()))
    return {
        "version": 0,
        "dataset": {"item_count": item_count},
        "features": [feature_statistics(name, values) for name, values in columns.items()],
    }


def build_constraints(statistics: Mapping[str, Any], comparison_threshold: float = 0.1) -> dict[str, Any]:
    """Suggest constraints.json for data described by ``statistics``.

    Args:
        statistics: What ``build_statistics`` returned.
        comparison_threshold: Largest drift distance allowed, 0-1; 0.1 is Model Monitor's own suggestion.
    """
    features = []
    for feature in statistics["features"]:
        described = feature.get("numerical_statistics") or feature["string_statistics"]
        common = described["common"]
        constraint = {
            "name": feature["name"],
            "inferred_type": feature["inferred_type"],
            "completeness": common["num_present"] / max(1, common["num_present"] + common["num_missing"]),
        }
        if "min" in described:
            constraint["num_constraints"] = {"is_non_negative": described["min"] >= 0}
        features.append(constraint)
    return {
        "version": 0,
        "features": features,
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            # Shares of values that must be of the expected type and of the known domain.
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": comparison_threshold,
                "comparison_method": "Robust",
            },
        },
    }


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write a document the same way each time, so that equal documents are equal files."""
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_training_data(path: Path, label: str) -> dict[str, list[str]]:
    """Read a training file without its label column and make sure that a baseline can describe it."""
    columns = read_csv(path)
    columns.pop(label, None)
    if not any(columns.values()):
        raise ValueError(f"{path} has no data rows.")
    for name, values in columns.items():
        text = next((value for value in values if type_of(value) == STRING), None)
        if text is not None:
            raise ValueError(f"Column {name} holds text ({text!r}); this baseline describes numbers only.")
    return columns


def main(arguments: Sequence[str] | None = None) -> int:
    """Write statistics.json and constraints.json for one file of training data."""
    parser = argparse.ArgumentParser(description="Describe training data as a Model Monitor baseline.")
    parser.add_argument("--data", type=Path, required=True, help="training data: CSV with a header row")
    parser.add_argument("--out", type=Path, required=True, help="folder for statistics.json and constraints.json")
    parser.add_argument(
        "--label",
        default="is_fraud",
        help="column to leave out: a label arrives weeks after the transaction, so fresh data has none",
    )
    parser.add_argument("--comparison-threshold", type=float, default=0.1)
    options = parser.parse_args(arguments)
    try:
        columns = read_training_data(options.data, options.label)
    except ValueError as error:
        sys.exit(str(error))
    statistics = build_statistics(columns)
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(statistics, options.out / "statistics.json")
    write_json(build_constraints(statistics, options.comparison_threshold), options.out / "constraints.json")
    print(f"Described {len(columns)} columns of {statistics['dataset']['item_count']} rows in {options.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
