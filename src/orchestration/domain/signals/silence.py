"""A monitor has not spoken for as long as its model's policy says. The loop raises this itself; the event only names the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import SignalKind, SignalSource
from orchestration.domain.json_values import mapping, model_name, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Ignored, Rejection, Signal
from orchestration.domain.times import stamp

if TYPE_CHECKING:
    from orchestration.domain.signals import SignalReader
    from orchestration.settings import Settings


def from_event(
    event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str
) -> Signal | Rejection | Ignored:
    """Take the silence from the model's state and policy; whoever may start executions can write an event."""
    del settings
    raw_model = mapping(event.get("detail")).get("model")
    model = model_name(raw_model)
    if model is None:
        return Rejection.of(
            Reason.BAD_MODEL_NAME,
            f"The event's model {text(raw_model, 80)!r} is not a legal model name.",
            SignalSource.SILENCE,
            text(event.get("id"), 100) or run_id,
        )
    silence = reader.silence(model)
    if silence is None:
        return Ignored(
            Reason.NOT_SILENT, f"The monitor of {model} spoke in time, or nothing says when it should.", model
        )
    hours = (silence.now - silence.since).total_seconds() / 3600
    return Signal(
        signal_id="",
        source=SignalSource.SILENCE,
        kind=SignalKind.SILENCE,
        model=model,
        summary=f"No monitor of {model} has spoken for {hours:.1f} h, since {stamp(silence.since)}; its policy expects one every "
        f"{silence.expected:g} h.",
        observed_at=silence.now.isoformat(),
    ).named(silence.since.isoformat(), str(silence.periods))
