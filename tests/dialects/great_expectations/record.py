"""Great Expectations: validations and a checkpoint of data with gaps, and without."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations import expectations

from tests.dialects.recording import SEED, keep, sent

ROWS: Final = 200


def frame(*, gaps: int) -> Any:
    """Rows, ``gaps`` of them without an amount."""
    chance = np.random.default_rng(SEED)
    made = pd.DataFrame({"amount": chance.normal(0, 1, ROWS), "country": chance.choice(["de", "fr"], ROWS)})
    made.loc[made.index < gaps, "amount"] = None
    return made


def expected(suite: str) -> list[Any]:
    """What a suite expects; the one of data that were ``renamed`` expects a column that is not there."""
    return [
        expectations.ExpectColumnValuesToNotBeNull(column="amount" if suite == "fresh" else "amount_eur", mostly=0.95),
        expectations.ExpectColumnMeanToBeBetween(column="amount", min_value=-1, max_value=1),
        expectations.ExpectColumnValuesToBeInSet(column="country", value_set=["de", "fr"]),
        expectations.ExpectTableRowCountToBeBetween(min_value=100),
    ]


def record(folder: str) -> None:
    """Write the results; their ids and times are made the same in every run."""
    context = gx.get_context(mode="ephemeral")
    batch = (
        context.data_sources.add_pandas("fresh").add_dataframe_asset("day").add_batch_definition_whole_dataframe("all")
    )
    for name, suite, rows in (
        ("validation_gaps", "fresh", frame(gaps=31)),
        ("validation_whole", "fresh", frame(gaps=0)),
        ("validation_column_gone", "renamed", frame(gaps=0)),
    ):
        kept = context.suites.add_or_update(gx.ExpectationSuite(suite, expectations=expected(suite)))
        definition = gx.ValidationDefinition(name=name, data=batch, suite=kept)
        context.validation_definitions.add(definition)
        result = definition.run(batch_parameters={"dataframe": rows})
        keep(folder, name, "great_expectations", _without_chance(sent("send_great_expectations", result)))
        checkpoint = context.checkpoints.add(gx.Checkpoint(name=name, validation_definitions=[definition]))
        described = checkpoint.run(batch_parameters={"dataframe": rows}).describe_dict()
        detail = {"model": "fraud", "report": json.loads(json.dumps(described, default=str))}
        keep(folder, f"checkpoint_of_{name}", "great_expectations", _without_chance({"Detail": detail}))


def _without_chance(value: Any) -> Any:
    """The same without ids, times and the places of files, of which each run has others."""
    if isinstance(value, dict):
        fixed: dict[str, Any] = {
            "id": "0",
            "run_id": {},
            "run_time": "",
            "validation_time": "",
            "exception_traceback": None,
            "batch_markers": {},
        }
        return {key: fixed[key] if key in fixed else _without_chance(each) for key, each in value.items()}
    return [_without_chance(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    record(sys.argv[1])
