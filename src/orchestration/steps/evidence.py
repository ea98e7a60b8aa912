"""Evidence of a run, written from the facts in the table, so that it never says anything else than they do. Idempotent."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SCHEMA_VERSION, Status, WaitKind
from orchestration.domain.json_values import mapping
from orchestration.domain.records import evidence_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.domain.wait import Wait
    from orchestration.ports import ApprovalPorts
    from orchestration.stores.runs import StoredRun

LOG = logging.getLogger("orchestration")

APPROVED: Final = {
    Status.TRAINING_APPROVED: "training",
    Status.PROMOTION_APPROVED: "promotion",
    Status.BAKE_APPROVED: "bake",
}
"""Statuses of an approval that was given, and what it was about."""


def leave_evidence(ports: ApprovalPorts, run: StoredRun, status: Status, rows: Sequence[dict[str, Any]]) -> None:
    """Write the evidence that belongs to a status; a final one writes all there is."""
    if status is Status.CANDIDATE_EVALUATED:
        _evaluation(ports, run)
    if status is Status.PROMOTION_BAKED:
        _verification(ports, run)
    if status in APPROVED:
        wait = ports.table.wait(run.run_id, WaitKind.APPROVAL, APPROVED[status])
        if wait is not None:
            approval_evidence(ports, wait)
    if status.final:
        _evaluation(ports, run)
        _verification(ports, run)
        for subject in APPROVED.values():
            wait = ports.table.wait(run.run_id, WaitKind.APPROVAL, subject)
            if wait is not None and wait.resolved:
                approval_evidence(ports, wait)
        _outcome(ports, run, rows)


def outcome_uri(ports: ApprovalPorts, run: StoredRun) -> str:
    """Where the outcome of a run stands."""
    return ports.bucket.uri(evidence_key(run.model, run.run_id, "outcome"))


def approval_evidence(ports: ApprovalPorts, wait: Wait) -> str:
    """Write who approved or rejected what, when and how; gives its URI."""
    result, data = wait.result, wait.data
    ruling = result.ruling if result is not None else None
    key = evidence_key(wait.model, wait.run_id, f"approval-{wait.subject}")
    ports.bucket.write_once(
        key,
        {
            "schema_version": SCHEMA_VERSION,
            "run_id": wait.run_id,
            "model": wait.model,
            "subject": wait.subject,
            "decision": ruling.decision if ruling else None,
            "decided_at": ruling.decided_at if ruling else None,
            "reason": result.reason if result else None,
            "votes": data.get("votes", []),
            "approvals_needed": data.get("approvals_needed"),
            "why": data.get("why"),
            "severity": data.get("severity"),
            "manifest_uri": data.get("manifest_uri"),
            "manifest_sha256": data.get("manifest_sha256"),
            "policy_sha256": data.get("policy_sha256"),
            "versions": data.get("versions"),
            "asked_at": wait.parked_at,
            "deadline": wait.deadline,
            "ladder": data.get("ladder"),
        },
    )
    return ports.bucket.uri(key)


def _evaluation(ports: ApprovalPorts, run: StoredRun) -> None:
    verdict = ports.table.candidate_verdict(run.run_id)
    if verdict is not None:
        ports.bucket.write_once(
            evidence_key(run.model, run.run_id, "evaluation"),
            {
                "run_id": run.run_id,
                "verdict": verdict.evaluation,
                "answer": {key: value for key, value in verdict.as_record().items() if key != "evaluation"},
                "evaluation_uri": verdict.evaluation_uri,
                "versions": verdict.versions,
                "policy": mapping(json.loads(run.manifest)).get("policy", {}).get("sha256"),
            },
        )


def _verification(ports: ApprovalPorts, run: StoredRun) -> None:
    bake = ports.table.wait(run.run_id, WaitKind.BAKE)
    if bake is not None and bake.result is not None and not bake.result.withdrawn:
        ports.bucket.write_once(
            evidence_key(run.model, run.run_id, "verification"),
            {
                "run_id": run.run_id,
                "began_at": bake.parked_at,
                "deadline": bake.deadline,
                "answer": bake.result.as_record(),
            },
        )


def _outcome(ports: ApprovalPorts, run: StoredRun, rows: Sequence[dict[str, Any]]) -> None:
    finish = ports.table.finish_of(run.run_id)
    ports.bucket.write_once(
        evidence_key(run.model, run.run_id, "outcome"),
        {
            "run_id": run.run_id,
            "model": run.model,
            "outcome": run.outcome,
            "reason": run.reason,
            "error": run.error,
            "policy": mapping(mapping(json.loads(run.manifest)).get("policy")).get("sha256"),
            "finish": None if finish is None else finish.as_record(),
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "statuses": [{"status": row["status"], "at": row["at"]} for row in rows],
        },
    )
