"""The stream: half-hours of the electricity market of New South Wales, fetched by hash and cut into chunks of two days.

It is `elec2` of the policy benchmark, whole and in its order, read out of the package that it comes with.
"""

from __future__ import annotations

import io
import zipfile
from typing import Final

import numpy as np

from bench.policies.packages import FOLDER, FetchError, fetch, wanted
from examples.streams.model import Chunk
from ops.creditcard_world import WorldError

PACKAGE: Final = "scikit-multiflow"
TABLE: Final = "skmultiflow/data/datasets/elec.csv"
"""In the package: a line of names; then period, prices, demands and transfer, each from 0 to 1, and whether the price rises."""

TITLE: Final = "Electricity of New South Wales: does the price rise against the day's mean?"
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
        WorldError: the package could not be had.
    """
    try:
        file = fetch(tuple(each for each in wanted() if each.name == PACKAGE), FOLDER, step=lambda _: None)[PACKAGE]
    except FetchError as error:
        said = str(error).strip().splitlines()[-1]
        raise WorldError(
            f"The package that the stream comes with is fetched once, and pip reached no index that has it: {said}. "
            "To name one: PIP_INDEX_URL."
        ) from error
    with zipfile.ZipFile(file) as package:
        text = package.read(TABLE).decode()
    table = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, max_rows=count * ROWS)
    return [Chunk(rows[:, :-1], rows[:, -1]) for rows in np.split(table, count)]
