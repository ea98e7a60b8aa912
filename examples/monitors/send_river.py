"""river: a drift detector that watches a stream, here each prediction's error, says where it found a change."""

import json
from typing import Any


def send(detector: Any, errors: list[int], events: Any) -> None:
    """Feed the errors to a detector such as river.drift.ADWIN(), and send what it found of them."""
    drifted = [place for place, error in enumerate(errors) if detector.update(error) or detector.drift_detected]
    detail = {"model": "fraud", "metric": type(detector).__name__, "drift_detected": bool(drifted), "at": drifted}
    events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": json.dumps(detail)}])
