"""A person asks for retraining: by ``retrain``, which proves who asks, or by our ``Retraining Requested`` event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Severity, SignalKind, SignalSource
from orchestration.domain.json_values import mapping, model_name, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Rejection, Signal, identify

if TYPE_CHECKING:
    from orchestration.domain.signals import SignalReader
    from orchestration.settings import Settings


def from_event(event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str) -> Signal | Rejection:
    """Normalise ``{model, reason, requested_by, force?}``. A reason and a name are asked for, and kept as what was said."""
    del reader, settings
    detail = mapping(event.get("detail"))
    key = (text(event.get("account"), 20), text(detail.get("dedupe_key"), 200) or text(event.get("id"), 100) or run_id)
    fact = (SignalSource.MANUAL_REQUEST, *key, canonical(event.get("detail")))
    raw_model = detail.get("model")
    model = model_name(raw_model)
    if model is None:
        return Rejection.of(
            Reason.NO_MODEL if raw_model is None else Reason.BAD_MODEL_NAME,
            f"The request's model {text(raw_model, 80)!r} is not a legal model name: 1 to 63 letters, digits and inner "
            "hyphens.",
            *fact,
        )
    reason, requested_by = text(detail.get("reason")), text(detail.get("requested_by"), 200)
    if reason is None or requested_by is None:
        missing = " and ".join(
            name for name, value in (("reason", reason), ("requested_by", requested_by)) if value is None
        )
        return Rejection.of(
            Reason.REQUEST_INCOMPLETE,
            f"The request lacks {missing}. Say why retraining is asked for and who asks; both are kept as evidence.",
            *fact,
            model=model,
        )
    return Signal(
        signal_id="",
        source=SignalSource.MANUAL_REQUEST,
        kind=SignalKind.REQUEST,
        model=model,
        severity=Severity.CRITICAL,
        summary=f'Somebody who gives the name {requested_by} asks for retraining: "{reason}".',
        observed_at=text(event.get("time"), 40) or "",
        requested_by=requested_by,
        force=detail.get("force") is True,
        content=None if text(detail.get("dedupe_key"), 200) else identify(key[0], canonical(detail)),
    ).named(*key)


def from_kept_request(
    event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str
) -> Signal | Rejection:
    """The signal of a request that an operator made. The event only names it: whoever may start executions can write one."""
    del settings
    request_id = text(mapping(event.get("detail")).get("request"), 100)
    kept = reader.kept_request(request_id) if request_id else None
    if kept is None:
        return Rejection.of(
            Reason.REQUEST_UNKNOWN,
            "The event names a request that no operator made, or one that is older than 90 days. Ask again from a "
            "terminal.",
            run_id,
        )
    wanted = f"the model of run {kept.to}" if kept.to else "the champion before"
    return Signal(
        signal_id=kept.signal_id,
        source=SignalSource.MANUAL_REQUEST,
        kind=SignalKind.ROLLBACK if kept.takes_back else SignalKind.REQUEST,
        model=kept.model,
        severity=Severity.CRITICAL,
        summary=f'{kept.by} asks for {wanted if kept.takes_back else "retraining"}: "{kept.reason}".',
        observed_at=kept.at,
        requested_by=kept.by,
        proven_by=kept.by,
        force=kept.force,
        to=kept.to,
    )
