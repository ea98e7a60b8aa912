"""The stream: half-hours of the electricity market of New South Wales, fetched by hash and cut into chunks of two days.

It is `elec2` of the policy benchmark, whole and in its order, read out of the package that it comes with.
"""

from __future__ import annotations

import io
import zipfile
from typing import Final

import numpy as np

from bench.policies.packages import FOLDER, fetch, wanted
from examples.streams.model import Chunk

PACKAGE: Final = "scikit-multiflow"
TABLE: Final = "skmultiflow/data/datasets/elec.csv"
"""In the package: a line of names; then period, prices, demands and transfer, each from 0 to 1, and whether the price rises."""

TITLE: Final = "Electricity prices of New South Wales: does the price rise against the day's mean?"
DAYS: Final = 2
ROWS: Final = 48 * DAYS
"""Of a chunk."""

CHUNKS: Final = 45_312 // ROWS
"""Of the stream."""


def chunks(count: int) -> list[Chunk]:
    """The first chunks of the stream.

    Args:
        count: at most ``CHUNKS``.

    Raises:
        FetchError: the package could not be had.
    """
    file = fetch(tuple(each for each in wanted() if each.name == PACKAGE), FOLDER, step=lambda _: None)[PACKAGE]
    with zipfile.ZipFile(file) as package:
        text = package.read(TABLE).decode()
    table = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, max_rows=count * ROWS)
    return [Chunk(rows[:, :-1], rows[:, -1]) for rows in np.split(table, count)]
