"""Card transactions, made up from a seed: the data of the example model.

Nothing is downloaded. The same ``seed``, ``count`` and ``drift`` give the same file, byte for byte.

``drift`` says how far the world has moved away from the one the champion was trained in: 0.0 is that
world, 1.0 is a world with other customers *and* other fraudsters:

* covariates move: shopping goes online, amounts and distances grow, riskier merchants, busier cards;
* the concept moves: at 0.0 fraud is one large purchase at night with the card absent; at 1.0 it is many
  small purchases in a row at any hour (card testing). A model that learnt the first pattern is wrong
  about the second, which only retraining can repair.

Usage: ``python transactions.py --seed 7 --count 20000 --drift 0.0 --out transactions.csv``
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

LABEL = "is_fraud"
# SageMaker's convention for tabular training data: the label is the first column.
COLUMNS = (
    LABEL,
    "amount",
    "hour",
    "distance_from_home_km",
    "merchant_risk",
    "transactions_last_hour",
    "card_present",
)
# Decimals written to the file; the other columns are whole numbers.
DECIMALS = {"amount": 2, "distance_from_home_km": 1, "merchant_risk": 3}
# Share of the day's transactions for each hour 0-23: a quiet night, a busy late afternoon.
HOUR_WEIGHTS = (2, 1, 1, 1, 1, 2, 3, 5, 7, 8, 9, 10, 11, 10, 9, 10, 11, 12, 12, 11, 9, 7, 5, 3)
NIGHT_ENDS = 6  # hours 0-5 are night


def generate(seed: int, count: int, drift: float = 0.0) -> dict[str, NDArray[np.float64]]:
    """Make transactions.

    Args:
        seed: Any integer >= 0. Use different seeds for training and for fresh data.
        count: Number of transactions, >= 1.
        drift: 0.0 (as trained) to 1.0 (another world).

    Returns:
        One array of shape ``(count,)`` for each of ``COLUMNS``, in that order: ``is_fraud`` 0/1, ``amount``
        in euro, ``hour`` of the day 0-23, ``distance_from_home_km``, ``merchant_risk`` 0-1,
        ``transactions_last_hour`` a count, ``card_present`` 0/1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}.")
    if not 0.0 <= drift <= 1.0:
        raise ValueError(f"drift must be between 0.0 and 1.0, not {drift}.")
    rng = np.random.default_rng(seed)
    # Standard scores first: covariates and fraud pattern are easiest to read in them.
    # A mean that moves by s standard deviations gives a Kolmogorov-Smirnov distance of 2*Phi(s/2)-1,
    # so 1.9*0.25 is a distance of about 0.19 ("warning" at threshold 0.1) and 1.9 is about 0.66.
    amount_score = rng.normal(1.9 * drift, 1.0, count)
    distance_score = rng.normal(0.9 * drift, 1.0, count)
    merchant_risk = rng.beta(2.0 + 0.8 * drift, 6.0, count)
    transactions_last_hour = rng.poisson(0.8 + 0.5 * drift, count).astype(np.float64)
    card_present = (rng.random(count) < 0.65 - 0.25 * drift).astype(np.float64)
    hour_weights = np.asarray(HOUR_WEIGHTS, dtype=np.float64)
    hour = rng.choice(24, size=count, p=hour_weights / hour_weights.sum()).astype(np.float64)
    night = (hour < NIGHT_ENDS).astype(np.float64)

    online = 1.0 - card_present
    trained_pattern = -6.3 + 1.9 * amount_score + 2.4 * night + 2.4 * online + 4.0 * merchant_risk
    new_pattern = (
        -7.2
        - 0.6 * (amount_score - 1.9)
        + 2.0 * transactions_last_hour
        + 1.2 * (distance_score - 0.9)
        + 1.2 * online
        + 2.0 * merchant_risk
    )
    log_odds = (1.0 - drift) * trained_pattern + drift * new_pattern
    is_fraud = (rng.random(count) < 1.0 / (1.0 + np.exp(-log_odds))).astype(np.float64)

    table = {
        LABEL: is_fraud,
        "amount": np.exp(3.4 + 0.9 * amount_score),
        "hour": hour,
        "distance_from_home_km": np.exp(1.6 + 1.1 * distance_score),
        "merchant_risk": merchant_risk,
        "transactions_last_hour": transactions_last_hour,
        "card_present": card_present,
    }
    return {name: np.round(table[name], DECIMALS.get(name, 0)) for name in COLUMNS}


def write_csv(table: Mapping[str, NDArray[np.float64]], path: Path) -> None:
    """Write the columns of ``table`` (arrays of one length) as CSV with a header row."""
    rendered = [[f"{value:.{DECIMALS.get(name, 0)}f}" for value in column] for name, column in table.items()]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*rendered, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one file of transactions and say what is in it."""
    parser = argparse.ArgumentParser(description="Make card transactions from a seed.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--drift", type=float, default=0.0, help="0.0 (as trained) to 1.0 (another world)")
    parser.add_argument(
        "--missing-column",
        action="append",
        default=[],
        choices=COLUMNS,
        help="leave this column out, as a broken upstream job would",
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        table = generate(options.seed, options.count, options.drift)
    except ValueError as error:
        parser.error(str(error))
    fraud_share = float(table[LABEL].mean())
    for name in options.missing_column:
        table.pop(name, None)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_csv(table, options.out)
    print(f"Wrote {options.count} transactions ({fraud_share:.1%} fraud) to {options.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
