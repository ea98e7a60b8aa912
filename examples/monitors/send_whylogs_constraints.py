"""whylogs: what became of the constraints of a profile, which are checks of the data."""

import json
from typing import Any


def send(constraints: Any, events: Any) -> None:
    """Send the report of what ConstraintsBuilder built; one that failed holds the loop until people looked."""
    detail = {"model": "fraud", "report": constraints.generate_constraints_report()}
    events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": json.dumps(detail)}])
