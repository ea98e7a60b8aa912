"""What was coalesced during a run or a cooldown comes back once, as one signal, when that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import Severity, SignalKind, SignalSource
from orchestration.domain.json_values import mapping, model_name, number, s3_uri, sequence, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Dataset, Ignored, Rejection, Signal, Threshold

if TYPE_CHECKING:
    from orchestration.domain.signals import SignalReader
    from orchestration.settings import Settings


def from_event(
    event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str
) -> Signal | Rejection | Ignored:
    """Take the pending signal from the model's state; the event only says which model."""
    del settings
    raw_model = mapping(event.get("detail")).get("model")
    model = model_name(raw_model)
    if model is None:
        return Rejection.of(
            Reason.BAD_MODEL_NAME,
            f"The event's model {text(raw_model, 80)!r} is not a legal model name.",
            SignalSource.PENDING,
            text(event.get("id"), 100) or run_id,
        )
    stored = reader.pending_signal(model)
    if stored is None:
        return Ignored(Reason.NOTHING_PENDING, f"No coalesced signal waits for {model}; it was decided before.", model)
    signal = mapping(stored.get("signal"))
    threshold = mapping(signal.get("threshold"))
    dataset = mapping(signal.get("dataset"))
    severity, kind = text(stored.get("severity"), 20), text(signal.get("kind"), 40)
    origin = text(signal.get("origin") or signal.get("source"), 40)
    count = int(number(stored.get("count")) or 1)
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
        observed_at=text(event.get("time"), 40) or "",
        # The loop kept it itself; the event says only which model.
        proven_by=text(signal.get("proven_by"), 200),
        asked_by=tuple(map(str, sequence(stored.get("asked_by")))),
    ).named(run_id)
