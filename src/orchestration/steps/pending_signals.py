"""Signals that were coalesced during a run or a cooldown, brought back once when that is over."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from orchestration.domain.contracts import PENDING_SIGNAL_DUE, RETRAINING_SOURCE
from orchestration.domain.json_values import canonical, mapping
from orchestration.domain.records import sha256

if TYPE_CHECKING:
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")


def raise_pending(ports: Ports, model: str) -> bool:
    """Start an execution for a model's pending signal if it is due. True when one was started.

    Due means: no run in progress, no cooldown, no kill switch. The execution's name is derived from what is pending and
    since when, so close, settle and sweep may all come here at once and one execution starts.
    """
    state = ports.table.model(model)
    if state.pending is None or state.active_run_id is not None:
        return False
    if state.cooldown_until and ports.now() < datetime.fromisoformat(state.cooldown_until):
        return False
    scopes = {switch.scope for switch in ports.table.kill_switches()}
    origin = mapping(state.pending.get("signal")).get("source")
    if scopes & {"global", f"model:{model}", "source:pending", f"source:{origin}"}:
        return False
    identity = sha256(canonical([model, state.pending, state.cooldown_until]))[:24]
    started = ports.executions.start(
        ports.settings.state_machine_arn,
        f"pending-{model[:40]}-{identity}",
        {
            "source": RETRAINING_SOURCE,
            "detail-type": PENDING_SIGNAL_DUE,
            "time": ports.now().isoformat(),
            "detail": {"model": model, "count": state.pending["count"]},
        },
    )
    if started:
        LOG.info("PendingSignalRaised", extra={"model": model, "count": state.pending["count"]})
    return started
