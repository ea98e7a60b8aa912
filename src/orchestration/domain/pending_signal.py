"""The signal that waits for a run or a cooldown to end: how others are merged into it, and how it comes back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import Severity, SignalKind, SignalSource
from orchestration.domain.json_values import mapping, model_name, number, s3_uri, text
from orchestration.domain.json_values import sequence as listed
from orchestration.domain.signal import Dataset, Signal, Threshold, asker_of, record_unproven

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENTS_KEPT: Final = 20
"""Contents that are remembered of signals kept as one, and of those that began runs in the last hours."""


def unanswered(pending: dict[str, Any] | None, signal: Signal, severity: Severity) -> dict[str, Any] | None:
    """What still waits beside a run that this signal starts. Pure.

    A run answers what waited, unless its own signal is weaker: people who say no to a job in a monitor's name, or to a
    warning, have not said no to what the monitor itself found, or to critical drift.
    """
    if pending is None or signal.source is SignalSource.PENDING:
        return None
    unproven = signal.unproven and not record_unproven(mapping(pending.get("signal")))
    return pending if unproven or severity.rank < Severity(pending["severity"]).rank else None


UNPROVEN_ASKER: Final = "whoever sent an event that asks"
"""Stands among those who asked: nobody knows who it is, so nobody who is not named approves what it asked for."""


def merge_pending(
    pending: dict[str, Any] | None,
    signal: dict[str, Any],
    severity: Severity,
    *,
    sequence: int,
    returning: bool,
    again: bool = False,
) -> dict[str, Any]:
    """Merge a signal into what waits: count, worst severity, latest context. Pure.

    A monitoring run that nobody confirmed is counted beside a signal that is proven, and neither raises nor replaces it; it
    gives way to one that comes later. So nobody lends it a proof, and it takes nobody's strength away.

    Args:
        pending: what waits, or None.
        signal: the signal's record.
        severity: its severity.
        sequence: place of its decision in the model's chain; the judge of a bake orders drift by it.
        returning: True when the signal speaks against the model that serves.
        again: True for a pending signal that is coalesced once more; it stays itself, only its context is renewed.
    """
    # What waits stands in every record until it is decided; the violations stand in that of its own decision.
    signal = {**signal, "violations": []}
    before = pending or {"count": 0, "severity": Severity.INFO, "first_signal_id": signal.get("signal_id")}
    waits = mapping(before.get("signal"))
    weaker = pending is not None and record_unproven(signal) and not record_unproven(waits)
    stronger = record_unproven(waits) and not record_unproven(signal)
    known = Severity(before["severity"])
    worst = known if weaker else severity if stronger else max(known, severity, key=lambda level: level.rank)
    merged = {
        "first_signal_id": before["first_signal_id"],
        "count": int(before["count"]) + (0 if again else 1),
        "severity": str(worst),
        "signal": before["signal"] if pending is not None and (again or weaker) else signal,
    }
    contents = {*before.get("contents", ()), *([signal["content"]] if signal.get("content") else [])}
    if contents:
        merged["contents"] = sorted(contents)[-CONTENTS_KEPT:]
    asker = asker_of(signal) or (UNPROVEN_ASKER if signal.get("kind") == SignalKind.REQUEST else None)
    asked_by = {*before.get("asked_by", ()), *([asker] if asker else [])}
    if asked_by:
        merged["asked_by"] = sorted(asked_by)
    # Kept beside the latest signal: a request that comes after it must not hide drift from the judge of a bake.
    if returning and not again:
        return merged | {"drift": signal, "drift_sequence": sequence}
    kept = {key: before[key] for key in ("drift", "drift_sequence") if before.get(key) is not None}
    return merged | kept


def pending_signal(model: str, pending: Mapping[str, Any], *, at: str, run_id: str) -> Signal:
    """What waits, as the signal that is decided when nothing is in its way any more.

    Args:
        model: its model.
        pending: what waits, as ``merge_pending`` gives it.
        at: when it is raised, ISO-8601.
        run_id: the execution that decides it.
    """
    signal = mapping(pending.get("signal"))
    threshold = mapping(signal.get("threshold"))
    dataset = mapping(signal.get("dataset"))
    severity, kind = text(pending.get("severity"), 20), text(signal.get("kind"), 40)
    origin = text(signal.get("origin") or signal.get("source"), 40)
    count = int(number(pending.get("count")) or 1)
    return Signal(
        signal_id="",
        source=SignalSource.PENDING,
        origin=SignalSource(origin) if origin in set(SignalSource) else None,
        kind=SignalKind(kind) if kind in set(SignalKind) else SignalKind.DRIFT,
        model=model,
        endpoint=model_name(signal.get("endpoint")),
        dataset=Dataset(
            s3_uri(dataset.get("uri")), text(dataset.get("window_start"), 40), text(dataset.get("window_end"), 40)
        )
        if dataset
        else None,
        threshold=Threshold(
            text(threshold.get("metric"), 255),
            number(threshold.get("observed")),
            number(threshold.get("threshold")),
            lower_is_worse=threshold.get("lower_is_worse") is True,
        )
        if threshold
        else None,
        severity=Severity(severity) if severity in set(Severity) else None,
        report_uri=s3_uri(signal.get("report_uri")),
        summary=f"{count} signal(s) arrived while {model} was busy; the latest: {text(signal.get('summary'), 300)}",
        observed_at=at,
        # The loop kept it itself; the event says only which model.
        proven_by=text(signal.get("proven_by"), 200),
        asked_by=tuple(map(str, listed(pending.get("asked_by")))),
    ).named(run_id)
