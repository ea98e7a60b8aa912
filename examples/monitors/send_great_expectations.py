"""Great Expectations: the result of a validation of fresh data."""

import json
from typing import Any


def send(result: Any, events: Any) -> None:
    """Send what ValidationDefinition.run() gave; an expectation that failed holds the loop until people looked."""
    detail = {"model": "fraud", "report": result.to_json_dict()}
    events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": json.dumps(detail)}])
