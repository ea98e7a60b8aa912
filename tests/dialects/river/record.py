"""river: a detector that is fed a model's errors, whose rate rises or does not."""

from __future__ import annotations

import random
import sys
from typing import Final

from river import drift

from tests.dialects.recording import SEED, keep, sent

ROWS: Final = 2_000


def record(folder: str) -> None:
    """Write a stream whose error rate rises from 5 to 40 % half way, and one in which it stays."""
    for name, later in (("drift", 0.4), ("no_drift", 0.05)):
        chance = random.Random(SEED)
        errors = [int(chance.random() < (0.05 if row < ROWS / 2 else later)) for row in range(ROWS)]
        for detector in (drift.ADWIN(), drift.PageHinkley(), drift.binary.DDM()):
            kind = type(detector).__name__.lower()
            keep(folder, f"{kind}_{name}", "river", sent("send_river", detector, errors))


if __name__ == "__main__":
    record(sys.argv[1])
