"""What was coalesced during a run or a cooldown comes back once, as one signal, when that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import SignalSource
from orchestration.domain.json_values import mapping, model_name, text
from orchestration.domain.pending_signal import pending_signal
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Ignored, Rejection, Signal

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
    return pending_signal(model, stored, at=text(event.get("time"), 40) or "", run_id=run_id)
