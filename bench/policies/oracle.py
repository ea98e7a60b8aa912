"""What a way of training costs, and the way that costs least when all is known.

Costs are in chunks of wrong answers: 1.0 is as many wrong answers as a chunk has rows. A training costs ``price`` of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.policies.matrix import Matrix

Sums = NDArray[np.float64]
"""Model x chunk: the sum of the model's errors on all chunks before that one."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds of a stream's labels and trainings.

    Attributes:
        start: first chunk that counts. A model that was trained at the end of the one before begins to serve there, for free.
        delay: chunks until labels are there. A model that is trained at the end of chunk t has the window that ends with chunk
            t - delay, and serves from t + 1 on.
        price: of a training.
    """

    start: int
    delay: int
    price: float

    def window(self, trained: int) -> int:
        """The last chunk of the window of a model that is trained at the end of a chunk; its row of a matrix."""
        return trained - self.delay


def sums(errors: Matrix) -> Sums:
    """Sums of errors up to each chunk, so that those of any stretch are one subtraction."""
    return np.pad(np.nan_to_num(errors.astype(np.float64)).cumsum(axis=1), ((0, 0), (1, 0)))


def cost(added: Sums, trained: Sequence[int], terms: Terms) -> float:
    """What it costs to train at the ends of these chunks, in their order."""
    begins = [terms.start - 1, *trained]
    ends = [*trained, len(added) - 1]
    served = sum(
        added[terms.window(begin), end + 1] - added[terms.window(begin), begin + 1]
        for begin, end in zip(begins, ends, strict=True)
    )
    return float(served) + terms.price * len(trained)


def best(added: Sums, terms: Terms) -> tuple[int, ...]:
    """The chunks at whose ends to train so that it costs least: exact, by dynamic programming over the last training."""
    last = len(added) - 1
    begins = np.arange(terms.start - 1, last)
    rows = begins - terms.delay
    least = np.full(len(begins), np.inf)
    least[0] = 0.0
    before = np.zeros(len(begins), dtype=int)
    for place in range(1, len(begins)):
        until = least[:place] + _served(added, rows[:place], begins[:place], int(begins[place])) + terms.price
        before[place] = int(until.argmin())
        least[place] = until[before[place]]
    place = int((least + _served(added, rows, begins, last)).argmin())
    trained: list[int] = []
    while place:
        trained.append(int(begins[place]))
        place = int(before[place])
    return tuple(reversed(trained))


def _served(added: Sums, rows: NDArray[np.int_], begins: NDArray[np.int_], end: int) -> NDArray[np.float64]:
    served: NDArray[np.float64] = added[rows, end + 1] - added[rows, begins + 1]
    return served
