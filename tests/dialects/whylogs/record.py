"""whylogs: drift scores of profiles, and constraints, with drift and without, with gaps in the data and without."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np
import pandas as pd
import whylogs
from whylogs.core.constraints import ConstraintsBuilder
from whylogs.core.constraints.factories import mean_between_range, no_missing_values

from tests.dialects.recording import SEED, keep, sent

ROWS: Final = 400


def profile(seed: int, *, drifted: bool = False, gaps: int = 0) -> Any:
    """The profile of some rows, ``gaps`` of them without an amount."""
    chance = np.random.default_rng(seed)
    made = pd.DataFrame(
        {
            "amount": chance.normal(1.5 if drifted else 0.0, 1, ROWS),
            "age": chance.normal(40, 10, ROWS),
            "country": chance.choice(["de", "fr"], ROWS, p=[0.1, 0.9] if drifted else [0.5, 0.5]),
        }
    )
    made.loc[made.index < gaps, "amount"] = None
    return whylogs.log(made).view()


def record(folder: str) -> None:
    """Write scores and constraints of the profiles of their names."""
    reference = profile(SEED)
    for name, view in (("drift", profile(SEED + 1, drifted=True)), ("no_drift", profile(SEED + 2))):
        keep(folder, f"scores_{name}", "whylogs", sent("send_whylogs_drift", view, reference))
    for name, view in (("gaps", profile(SEED + 2, gaps=50)), ("whole", profile(SEED + 2))):
        builder = ConstraintsBuilder(dataset_profile_view=view)
        builder.add_constraint(no_missing_values(column_name="amount"))
        builder.add_constraint(mean_between_range(column_name="age", lower=30, upper=50))
        keep(folder, f"constraints_{name}", "whylogs", sent("send_whylogs_constraints", builder.build()))


if __name__ == "__main__":
    record(sys.argv[1])
