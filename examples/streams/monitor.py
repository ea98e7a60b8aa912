"""The monitor of a stream's model: what serves answered, what was true, and what that comes to as a drift report. Pure.

It speaks of every chunk once its labels are known, whether or not anything is wrong: the loop decides what follows, and a
monitor that falls silent can be told from one that has nothing to say.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

METRIC = "error"

# By so many standard deviations a chunk may be worse than promised by chance alone: one chunk in 44 is, of a binomial count.
DEVIATIONS = 2.0


def threshold(promised: float, rows: int) -> float:
    """The error that is not chance any more in a chunk of so many rows.

    Args:
        promised: share of wrong answers, 0-1, of the model where it was judged before it began to serve.
        rows: of the chunk.
    """
    chance = DEVIATIONS * math.sqrt(promised * (1 - promised) / rows)
    # One wrong answer is chance, also of a model that gave none where it was judged.
    return max(promised + chance, 1 / rows)


def drift_report(
    *, model: str, endpoint: str, uri: str, since: datetime, until: datetime, wrong: int, rows: int, promised: float
) -> dict[str, Any]:
    """The detail of a ``Drift Detected`` event about a chunk; docs/reference/drift-report.md says what each key is.

    Args:
        model: whose answers they were.
        endpoint: that answered.
        uri: of the chunk.
        since: when its first row came.
        until: when it was over.
        wrong: answers that were.
        rows: of the chunk, at least one.
        promised: as for `threshold`.
    """
    return {
        "model": model,
        "endpoint": endpoint,
        "dataset": {"uri": uri, "window_start": since.isoformat(), "window_end": until.isoformat()},
        "metric": METRIC,
        "observed": round(wrong / rows, 4),
        "threshold": round(threshold(promised, rows), 4),
        "comparison": "higher_is_worse",
    }
