"""What every recorded report has: who said it, in which version, from which seed, and the detail its example sent."""

from __future__ import annotations

import json
import runpy
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples" / "monitors"

SEED: Final = 20261126


class Bus:
    """An event bus that only listens: stands where the examples have boto3's client of EventBridge."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - the name in AWS's API
        """Keep the entries, and answer as AWS does when it took them all."""
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(place)} for place, _ in enumerate(Entries)]}


def sent(example: str, *arguments: Any) -> dict[str, Any]:
    """The event that ``send`` of an example puts on the bus, its detail as the JSON it is.

    Raises:
        ValueError: it puts none or several, or its detail is not JSON as every reader takes it (a NaN).
    """
    bus = Bus()
    runpy.run_path(str(EXAMPLES / f"{example}.py"))["send"](*arguments, bus)
    (entry,) = bus.entries
    return {**entry, "Detail": json.loads(entry["Detail"], parse_constant=_refuse)}


def keep(folder: str, name: str, library: str, event: dict[str, Any], **more: Any) -> None:
    """Write one fixture, ``<folder>/<name>.json``."""
    kept = {"library": library, "version": version(library), "seed": SEED, **more, "event": event}
    Path(folder, f"{name}.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _refuse(constant: str) -> Any:
    raise ValueError(f"the detail holds {constant}, which EventBridge refuses")
