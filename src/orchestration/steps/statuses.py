"""Telling: a status row, a status event, a message; once for each status of a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import SCHEMA_VERSION, Status
from orchestration.domain.notification import status_message
from orchestration.domain.records import manifest_key

if TYPE_CHECKING:
    from orchestration.ports import ApprovalPorts

LOG = logging.getLogger("orchestration")


def record_status(
    ports: ApprovalPorts,
    *,
    run_id: str,
    model: str,
    status: Status,
    sentence: str,
    severity: str | None = None,
    facts: dict[str, str] | None = None,
    next_steps: tuple[str, ...] = (),
) -> None:
    """Append the status to the run's history, then tell programs and people.

    A retry finds the row there and tells again nothing: a message lost to a crash in between is in the history, and
    the final status is told by ``close``, which repeats until it is done. ``next_steps`` stand in the message only,
    never in the history: they may hold a link that decides.
    """
    at = ports.now().isoformat()
    before = ports.table.statuses(run_id)
    if not ports.table.add_status(run_id, status, at, {"sentence": sentence, **(facts or {})}):
        return
    tell_status(
        ports,
        run_id=run_id,
        model=model,
        status=status,
        previous=before[-1]["status"] if before else None,
        sentence=sentence,
        severity=severity,
        facts=facts or {},
        next_steps=next_steps,
    )


def tell_status(
    ports: ApprovalPorts,
    *,
    run_id: str,
    model: str,
    status: Status,
    previous: str | None,
    sentence: str,
    severity: str | None,
    facts: dict[str, str],
    next_steps: tuple[str, ...] = (),
) -> None:
    """Emit the status event and publish the message."""
    manifest_uri = ports.bucket.uri(manifest_key(model, run_id))
    LOG.info(
        "RunStatusChanged",
        extra={"run_id": run_id, "model": model, "status": str(status), "escalates": status.escalates},
    )
    ports.channels.emit(
        event_detail(
            run_id=run_id,
            model=model,
            status=str(status),
            previous_status=previous,
            reason=sentence,
            severity=severity,
            manifest_uri=manifest_uri,
        ),
        resources=[ports.settings.state_machine_arn],
    )
    ports.channels.tell(
        status_message(
            status=status,
            run_id=run_id,
            model=model,
            sentence=sentence,
            facts={**facts, "manifest": manifest_uri},
            runbook_url=ports.settings.runbook_url,
            next_steps=next_steps,
        )
    )


def event_detail(
    *,
    run_id: str,
    model: str | None,
    status: str,
    previous_status: str | None,
    reason: str,
    severity: str | None,
    manifest_uri: str | None,
) -> dict[str, Any]:
    """Detail of a ``Retraining Status Change`` event."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "model": model,
        "status": status,
        "previous_status": previous_status,
        "reason": reason,
        "severity": severity,
        "manifest_uri": manifest_uri,
    }
