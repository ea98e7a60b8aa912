"""Decision records, manifests and the chain that makes a missing or edited record show. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SCHEMA_VERSION, UNATTRIBUTED
from orchestration.domain.json_values import canonical

if TYPE_CHECKING:
    from datetime import datetime

    from orchestration.domain.decision import DecisionVerdict
    from orchestration.domain.signal import Rejection, Signal

GENESIS: Final = "0" * 64
"""``previous_hash`` of the first record of a model's chain."""


def sha256(value: str | bytes) -> str:
    """Hex SHA-256 of a text (as UTF-8) or bytes."""
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def decision_key(model: str | None, decided_at: datetime, signal_id: str) -> str:
    """Key of a decision record in the AutomationBucket."""
    return f"decisions/{model or UNATTRIBUTED}/{decided_at:%Y/%m/%d}/{signal_id}.json"


def manifest_key(model: str, run_id: str) -> str:
    """Key of a run's manifest."""
    return f"manifests/{model}/{run_id}.json"


def output_prefix(model: str, run_id: str) -> str:
    """Prefix of what a run's training writes, ending in a slash."""
    return f"runs/{model}/{run_id}/outputs/"


def evidence_key(model: str, run_id: str, name: str) -> str:
    """Key of one piece of a run's evidence."""
    return f"evidence/{model}/{run_id}/{name}.json"


def idempotency_token(run_id: str) -> str:
    """Token of a run's training: 40 hex characters, legal as a ClientRequestToken, job name and execution name.

    Source: StartPipelineExecution asks for 32 to 128 characters, job names for at most 63, execution names for 80.
    """
    return sha256(f"training\x1f{run_id}")[:40]


def chained(record: dict[str, Any], *, sequence: int, previous_hash: str) -> dict[str, Any]:
    """The record with its place in the model's chain; ``hash`` covers everything else in it."""
    linked = {**record, "chain": {"sequence": sequence, "previous_hash": previous_hash}}
    return {**linked, "chain": {**linked["chain"], "hash": record_hash(linked)}}


def record_hash(record: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a record without its own hash."""
    chain = {key: value for key, value in record["chain"].items() if key != "hash"}
    return sha256(canonical({**record, "chain": chain}))


def decision_record(
    *,
    signal: Signal,
    verdict: DecisionVerdict,
    policy_version: str,
    run_id: str,
    execution_arn: str,
    event_id: str | None,
    decided_at: datetime,
) -> dict[str, Any]:
    """The record of a decision on a signal, not yet chained."""
    return {
        "schema_version": SCHEMA_VERSION,
        "signal_id": signal.signal_id,
        "model": signal.model,
        "decided_at": decided_at.isoformat(),
        "decision": verdict.decision,
        "reason": verdict.reason,
        "sentence": verdict.sentence,
        "severity": verdict.severity,
        "guards": [guard.as_record() for guard in verdict.guards],
        "signal": signal.as_record(),
        "policy_version": policy_version,
        "run_id": run_id,
        "execution_arn": execution_arn,
        "event_id": event_id,
    }


def rejection_record(
    *, rejection: Rejection, run_id: str, execution_arn: str, event_id: str | None, event_uri: str, decided_at: datetime
) -> dict[str, Any]:
    """The record of an event that could not be understood, not yet chained."""
    return {
        "schema_version": SCHEMA_VERSION,
        "signal_id": rejection.signal_id,
        "model": rejection.model,
        "decided_at": decided_at.isoformat(),
        "decision": "REJECT",
        "reason": rejection.reason,
        "sentence": rejection.sentence,
        "severity": None,
        "guards": [],
        "signal": None,
        "policy_version": None,
        "run_id": run_id,
        "execution_arn": execution_arn,
        "event_id": event_id,
        "event_uri": event_uri,
    }
