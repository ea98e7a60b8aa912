"""NannyML: the newest chunk of a result, be it of drift, of estimated or of realised performance."""

import json
from typing import Any


def send(result: Any, events: Any) -> None:
    """Send the last chunk of what calculate() or estimate() gave; each alert in it counts."""
    chunks = result.filter(period="analysis").to_df(multilevel=False).tail(1)
    detail = {"model": "fraud", "report": json.loads(chunks.to_json(orient="records"))}
    events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": json.dumps(detail)}])
