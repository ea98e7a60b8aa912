"""whylogs: how far each column of a profile is from that of a reference (whylogs[viz])."""

import json
from typing import Any

from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores


def send(profile: Any, reference: Any, events: Any) -> None:
    """Send the drift of a profile view; each column that whylogs calls drifted counts."""
    scores = calculate_drift_scores(target_view=profile, reference_view=reference, with_thresholds=True)
    detail = {"model": "fraud", "report": scores}
    events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": json.dumps(detail)}])
