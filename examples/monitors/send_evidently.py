"""Evidently: a report or a test suite that ran; since 0.7 what run() gives back."""

import json
from typing import Any


def send(report: Any, events: Any) -> None:
    """Send it whole. EventBridge refuses NaN, which Evidently may write, so that becomes null."""
    whole = json.loads(report.json(), parse_constant=lambda _: None)
    detail = json.dumps({"model": "fraud", "report": whole})
    events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": detail}])
