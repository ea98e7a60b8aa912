"""The judgement on a promoted candidate while it bakes and when its bake is over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import Next, SignalKind, Status
from orchestration.domain.failures import ended, said_by_aws
from orchestration.domain.fence import EndpointSight, foreign_deployment
from orchestration.domain.json_values import mapping, text
from orchestration.domain.results import ENDPOINT_FAILED
from orchestration.domain.switches import KillSwitch, paused_sentence
from orchestration.domain.wait import Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestration.domain.kept_request import KeptRollback

RETURNING: Final = frozenset({SignalKind.DRIFT, SignalKind.KPI, SignalKind.NO_DRIFT})
"""Kinds of signals that say the model is still, or again, not good enough. One that says no drift only gets as far as
being kept, or having a run, when its own numbers say otherwise."""


@dataclass(frozen=True, slots=True)
class AlarmWatch:
    """One alarm of the policy: does it exist, its state now, and when it went to ALARM since the promotion began."""

    name: str
    state: str | None
    fired_at: tuple[datetime, ...] = ()

    @property
    def exists(self) -> bool:
        """True when CloudWatch knows the alarm."""
        return self.state is not None


class BakeState(StrEnum):
    """What a look at a bake says."""

    HEALTHY = "HEALTHY"
    INCONCLUSIVE = "INCONCLUSIVE"
    """Nothing speaks against the candidate, and an alarm has said nothing at all."""
    UNHEALTHY = "UNHEALTHY"
    STOPPED = "STOPPED"
    """A kill switch was thrown: what was not judged does not stay."""
    ROLLED_BACK = "ROLLED_BACK"
    """SageMaker was faster, the champion serves already."""
    SUPERSEDED = "SUPERSEDED"
    MOVING = "MOVING"
    """Somebody moves the endpoint. The move may fail, and then the candidate serves on: it is judged when that is over."""


@dataclass(frozen=True, slots=True)
class BakeVerdict:
    """A look with its reason."""

    state: BakeState
    reason: str


def judge_bake(
    described: Mapping[str, Any] | None,
    *,
    endpoint: str,
    wanted_config: str,
    previous_config: str,
    alarms: Iterable[AlarmWatch],
    pending: Mapping[str, Any] | None,
    sequence: int,
    since: datetime,
    switch: KillSwitch | None,
    rollback: KeptRollback | None,
) -> BakeVerdict:
    """Judge a candidate that serves.

    Args:
        described: DescribeEndpoint, or None when the endpoint is gone.
        endpoint: the endpoint's name.
        wanted_config: the candidate's config.
        previous_config: the champion's config.
        alarms: the policy's alarms.
        pending: the model's coalesced signal, or None.
        sequence: the model's chain sequence when the promotion was committed; what came later is of the candidate.
        since: when that was; an aware datetime.
        switch: the kill switch over the run, or None.
        rollback: that an operator wants the champion, or None.
    """
    seen = EndpointSight.of(dict(described) if described else None)
    if seen.live is None or seen.status in ENDPOINT_FAILED:
        return _bad(f"Endpoint {endpoint} is {seen.status or 'gone'} after its promotion.")
    if seen.pending is not None and seen.pending != seen.live:
        return BakeVerdict(BakeState.MOVING, f"Endpoint {endpoint} is moving to config {seen.pending}.")
    foreign = foreign_deployment(seen, name=endpoint, previous=previous_config, wanted=wanted_config)
    if foreign is not None:
        # Rolling back would take somebody's work away.
        return BakeVerdict(BakeState.SUPERSEDED, foreign.reason)
    if seen.live == previous_config != wanted_config:
        # Nothing is left to roll back.
        why = said_by_aws((described or {}).get("FailureReason")) or "it was rolled back."
        return BakeVerdict(
            BakeState.ROLLED_BACK, f"Endpoint {endpoint} serves the champion's config {previous_config}: {why}"
        )
    if rollback is not None:
        return _bad(ended(rollback.sentence))
    if switch is not None:
        return BakeVerdict(BakeState.STOPPED, f"{paused_sentence(switch)} The candidate's bake was not over.")
    silent = []
    for alarm in alarms:
        if not alarm.exists:
            return _bad(f"Alarm {alarm.name} of the policy does not exist, so nothing watched the candidate.")
        if alarm.state == "ALARM":
            return _bad(f"Alarm {alarm.name} is in ALARM while the candidate serves.")
        if alarm.fired_at:
            at = max(alarm.fired_at).isoformat(timespec="seconds")
            return _bad(f"Alarm {alarm.name} was in ALARM during the bake, at {at}.")
        if alarm.state != "OK":
            silent.append(alarm.name)
    drift = returned_drift(pending, sequence, since)
    if drift is not None:
        return _bad(ended(f"Drift came back during the bake: {drift}"))
    serves = f"Endpoint {endpoint} serves with config {wanted_config}."
    if silent:
        names = ", ".join(silent)
        return BakeVerdict(BakeState.INCONCLUSIVE, f"{serves} {names} had no data, so nobody knows if it serves well.")
    return BakeVerdict(BakeState.HEALTHY, serves)


def returned_drift(pending: Mapping[str, Any] | None, sequence: int, since: datetime) -> str | None:
    """What a coalesced signal says against the candidate, or None.

    A signal counts when it was decided after the promotion was committed, in the order of the model's chain and not by
    anybody's clock. Where it names the window of its data, that window has to end after ``since``: a monitor that runs
    right after a promotion still reports the champion's traffic.
    """
    kept = pending or {}
    signal, place = mapping(kept.get("drift")), kept.get("drift_sequence")
    if signal.get("kind") not in RETURNING or not isinstance(place, int) or place <= sequence:
        return None
    window_end = _time(mapping(signal.get("dataset")).get("window_end"))
    if window_end is not None and window_end <= since:
        return None
    return text(signal.get("summary"), 500) or "a drift signal"


def bake_result(verdict: BakeVerdict, *, ended: bool, extended: bool, inconclusive: str) -> Result | None:
    """The result of a bake, or None while it goes on; a first inconclusive end asks for more time by None as well.

    Args:
        verdict: the look.
        ended: True at the bake's deadline.
        extended: True when it was extended already.
        inconclusive: the policy's ``promotion.inconclusive``: ask, promote or roll_back.
    """
    state, reason = verdict.state, verdict.reason
    match state:
        case BakeState.MOVING:
            return None
        case BakeState.UNHEALTHY:
            return Result(Next.ROLL_BACK, reason, Status.ROLLED_BACK)
        case BakeState.STOPPED:
            return Result(Next.ROLL_BACK, reason, Status.STOPPED)
        case BakeState.ROLLED_BACK:
            return Result(Next.FINISH, reason, Status.ROLLED_BACK)
        case BakeState.SUPERSEDED:
            return Result(Next.RECORD, reason, Status.SUPERSEDED)
        case BakeState.HEALTHY:
            return Result(Next.FINISH, reason, Status.PROMOTED) if ended else None
        case BakeState.INCONCLUSIVE:
            if not ended or not extended:
                return None
            if inconclusive == "promote":
                return Result(Next.FINISH, f"{reason} The policy promotes all the same.", Status.PROMOTED)
            if inconclusive == "roll_back":
                return Result(Next.ROLL_BACK, reason, Status.ROLLED_BACK)
            return Result(Next.ASK, reason)


def _bad(reason: str) -> BakeVerdict:
    return BakeVerdict(BakeState.UNHEALTHY, reason)


def _time(value: Any) -> datetime | None:
    """An aware datetime from ISO-8601 text with an offset, or None."""
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None
