"""The judgement on a promoted candidate while it bakes and when its bake is over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SignalKind
from orchestration.domain.json_values import mapping, text
from orchestration.domain.wait_results import ENDPOINT_FAILED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RETURNING: Final = frozenset({SignalKind.DRIFT, SignalKind.KPI})
"""Kinds of signals that say the model is still, or again, not good enough."""


@dataclass(frozen=True, slots=True)
class AlarmWatch:
    """One alarm of the policy: exists, in ALARM now, and when it went to ALARM since the promotion began."""

    name: str
    exists: bool
    in_alarm: bool
    fired_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class BakeVerdict:
    """``outcome`` is the run's outcome if the bake ended now; ``roll_back`` says if the loop has to act."""

    outcome: str
    roll_back: bool
    reason: str

    @property
    def healthy(self) -> bool:
        """True when nothing speaks against the candidate."""
        return self.outcome == "PROMOTED"


def judge_bake(
    described: Mapping[str, Any] | None,
    *,
    endpoint: str,
    wanted_config: str,
    previous_config: str,
    alarms: Iterable[AlarmWatch],
    pending: Mapping[str, Any] | None,
    since: datetime,
) -> BakeVerdict:
    """Judge a candidate that serves.

    Args:
        described: DescribeEndpoint, or None when the endpoint is gone.
        endpoint: the endpoint's name.
        wanted_config: the candidate's config.
        previous_config: the champion's config.
        alarms: the policy's alarms.
        pending: the model's coalesced signal, or None.
        since: when the promotion began; an aware datetime.
    """
    status = (described or {}).get("EndpointStatus")
    config = (described or {}).get("EndpointConfigName")
    if described is None or status in ENDPOINT_FAILED:
        return _bad(f"Endpoint {endpoint} is {status or 'gone'} after its promotion.")
    if config == previous_config:
        # SageMaker was faster: there is nothing left to roll back.
        why = text(described.get("FailureReason")) or "it was rolled back"
        return BakeVerdict("ROLLED_BACK", False, f"Endpoint {endpoint} serves the champion's config {config}: {why}.")
    if config != wanted_config:
        # Somebody deployed something else meanwhile. Rolling back would take their work away.
        return BakeVerdict(
            "FAILED",
            False,
            f"Endpoint {endpoint} serves config {config}, neither the candidate's nor the champion's: somebody else "
            "deployed during the bake, and the loop leaves it alone.",
        )
    for alarm in alarms:
        if not alarm.exists:
            return _bad(f"Alarm {alarm.name} of the policy does not exist, so nothing watched the candidate.")
        if alarm.in_alarm:
            return _bad(f"Alarm {alarm.name} is in ALARM while the candidate serves.")
        if alarm.fired_at:
            at = max(alarm.fired_at).isoformat(timespec="seconds")
            return _bad(f"Alarm {alarm.name} was in ALARM during the bake, at {at}.")
    drift = returned_drift(pending, since)
    if drift is not None:
        return _bad(f"Drift came back during the bake: {drift}")
    return BakeVerdict("PROMOTED", False, f"Endpoint {endpoint} serves the candidate with config {config}.")


def returned_drift(pending: Mapping[str, Any] | None, since: datetime) -> str | None:
    """What a coalesced signal says against the candidate, or None.

    A signal counts when it was raised after ``since`` and, where it names the window of its data, when that window ends
    after ``since``: a monitor that runs right after a promotion still reports the champion's traffic.
    """
    kept = pending or {}
    signal = mapping(kept.get("drift") or kept.get("signal"))
    if signal.get("kind") not in RETURNING:
        return None
    raised = _time(signal.get("observed_at"))
    window_end = _time(mapping(signal.get("dataset")).get("window_end"))
    if raised is None or raised < since or (window_end is not None and window_end <= since):
        return None
    return text(signal.get("summary"), 500) or "a drift signal"


def _bad(reason: str) -> BakeVerdict:
    return BakeVerdict("ROLLED_BACK", True, reason)


def _time(value: Any) -> datetime | None:
    """An aware datetime from ISO-8601 text with an offset, or None."""
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None
