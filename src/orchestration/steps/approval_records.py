"""What a decided approval leaves behind: its evidence, written once, and its status in the run's history."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from orchestration.domain.contracts import SCHEMA_VERSION, Status
from orchestration.domain.records import evidence_key
from orchestration.domain.votes import Answer
from orchestration.steps.statuses import record_status

if TYPE_CHECKING:
    from orchestration.ports import ApprovalPorts
    from orchestration.stores.table_dynamodb import Wait

LOG = logging.getLogger("orchestration")

TRAINING: Final = "training"
PROMOTION: Final = "promotion"

APPROVED: Final = {TRAINING: Status.TRAINING_APPROVED, PROMOTION: Status.PROMOTION_APPROVED}
REQUESTED: Final = {TRAINING: Status.TRAINING_APPROVAL_REQUESTED, PROMOTION: Status.PROMOTION_APPROVAL_REQUESTED}


def record_approval(ports: ApprovalPorts, wait: Wait) -> None:
    """Record a resolved approval. Idempotent: the sweep repeats it when whoever decided died in between."""
    result, data = wait.result or {}, wait.data
    evidence = evidence_key(wait.model, wait.run_id, f"approval-{wait.subject}")
    ports.bucket.write_once(
        evidence,
        {
            "schema_version": SCHEMA_VERSION,
            "run_id": wait.run_id,
            "model": wait.model,
            "subject": wait.subject,
            "decision": result.get("decision"),
            "decided_at": result.get("decided_at"),
            "reason": result.get("reason"),
            "votes": data.get("votes", []),
            "approvals_needed": data.get("approvals_needed"),
            "why": data.get("why"),
            "severity": data.get("severity"),
            "manifest_uri": data.get("manifest_uri"),
            "manifest_sha256": data.get("manifest_sha256"),
            "asked_at": wait.parked_at,
            "deadline": wait.deadline,
            "ladder": data.get("ladder"),
        },
    )
    LOG.info(
        "ApprovalDecided",
        extra={
            "run_id": wait.run_id,
            "model": wait.model,
            "subject": wait.subject,
            "decision": str(result.get("decision")),
        },
    )
    if result.get("decision") != Answer.APPROVED:
        # The run's final status says no; ``close`` records and tells it.
        return
    record_status(
        ports,
        run_id=wait.run_id,
        model=wait.model,
        status=APPROVED[wait.subject],
        severity=data.get("severity"),
        sentence=str(result.get("reason")),
        facts={
            "by": str(result.get("by")),
            "how": ", ".join(str(vote["via"]) for vote in data.get("votes", [])),
            "comment": str(result.get("comment") or "none"),
            "evidence": ports.bucket.uri(evidence),
        },
    )
