"""List prices by Region: a table with its source and its date. Pure, but for reading the table that is in the package.

A price nobody could hold against a source is in no table, and one of another Region is no price of a run's.
docs/reference/prices.md has the sources of the package's table; ``retraining prices`` writes one of AWS's Price List.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.jobs import Use
from orchestration.domain.json_values import number, text

if TYPE_CHECKING:
    from collections.abc import Mapping

PRICES_VERSION: Final = 1
"""``schema_version`` of a table."""

MOST_USD: Final = 10_000.0
"""Taken for a price. The dearest instance of SageMaker costs some hundreds an hour."""


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in USD of one Region.

    ``location`` is the Region's name for people, ``date`` that of the prices. ``transition`` is what a state transition of a
    Standard workflow costs, None where that is not known; ``hourly`` an instance by its use and type, for an hour.
    """

    region: str
    location: str
    date: str
    source: str
    transition: float | None
    hourly: Mapping[str, Mapping[str, float]]

    def as_record(self) -> dict[str, Any]:
        """The table as it lies in a file."""
        return {"schema_version": PRICES_VERSION, **asdict(self)}

    def of(self, use: Use, instance_type: str) -> float | None:
        """What an instance costs for an hour; None where the table does not say."""
        return self.hourly.get(use, {}).get(instance_type)


def read_prices(document: Mapping[str, Any]) -> Prices | str:
    """A table from its file; or why it is none, to follow the file's name."""
    if document.get("schema_version") != PRICES_VERSION:
        return f"is no table of prices of version {PRICES_VERSION}"
    said = {name: text(document.get(name), 200) for name in ("region", "location", "date", "source")}
    lacking = [name for name, value in said.items() if value is None]
    if lacking:
        return f"is no table of prices: it lacks {', '.join(lacking)}"
    hourly: dict[str, dict[str, float]] = {}
    if not isinstance(document.get("hourly"), dict):
        return "has no prices at hourly"
    for use, prices in document["hourly"].items():
        if not isinstance(prices, dict):
            return f"has no prices at hourly.{use}"[:300]
        for instance_type, given in prices.items():
            price = number(given)
            if use not in set(Use) or price is None or not 0 < price <= MOST_USD:
                return f"has no price at hourly.{use}.{instance_type}"[:300]
            hourly.setdefault(use, {})[instance_type] = price
    transition = number(document.get("transition"))
    if document.get("transition") is not None and not 0 < (transition or 0.0) <= MOST_USD:
        return "has no price at transition"
    return Prices(**{name: value or "" for name, value in said.items()}, transition=transition, hourly=hourly)


@functools.cache
def packaged_prices() -> Prices:
    """The table in the package."""
    document = json.loads((Path(__file__).parent.parent / "prices.json").read_text(encoding="utf-8"))
    found = read_prices(document)
    if isinstance(found, str):
        raise ValueError(f"prices.json {found}.")  # noqa: TRY004 - a defect of the package, of whatever type
    return found
