"""Where records lie, and what those of decisions hold. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import UNATTRIBUTED
from orchestration.domain.policy import policy_record, policy_sha256

if TYPE_CHECKING:
    from datetime import datetime

    from orchestration.domain.decision import DecisionVerdict, ModelState
    from orchestration.domain.policy import Policy
    from orchestration.domain.signal import Rejection, Signal


CHAIN_FOLDERS: Final = ("decisions/", "evidence/", "manifests/")
"""Where the records of chains lie, each chain in a folder of its own."""

RECORD_FOLDERS: Final = (*CHAIN_FOLDERS, "rejected/")
"""What is written once and locked where records are locked; policies and data of runs lie beside it."""


RUN_RECORDS: Final = (
    "approval-training",
    "evaluation",
    "approval-promotion",
    "verification",
    "approval-bake",
    "outcome",
)
"""Evidence of a run by name, beside its votes and its report."""

REPORT_SUFFIXES: Final = ("json", "html")
"""A run's report, for programs and for people. Made of records and no record itself."""


def sha256(value: str | bytes) -> str:
    """Hex SHA-256 of a text (as UTF-8) or bytes."""
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def controls_key(chain: str, sequence: int, what: str) -> str:
    """Key of the record of a change that people made to the loop itself; it follows no run."""
    return f"evidence/{chain}/_controls/{sequence:012d}-{what}.json"


def undecided_key(run_id: str) -> str:
    """Key of the event of an execution that decided nothing. A name that is no key part as it is gets its hash as well."""
    part = re.sub(r"[^A-Za-z0-9_-]", "-", run_id)[:80]
    return f"rejected/{part}.json" if part == run_id else f"rejected/{part}-{sha256(run_id)[:12]}.json"


def anchor_key(day: str) -> str:
    """Key of the anchor of a day, ``YYYY-MM-DD`` in UTC."""
    return f"evidence/_anchors/{day}.json"


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


def report_key(model: str, run_id: str, suffix: str) -> str:
    """Key of a run's report; ``suffix`` is one of ``REPORT_SUFFIXES``."""
    return f"evidence/{model}/{run_id}/report.{suffix}"


def reported_run(key: str) -> tuple[str, str, str] | None:
    """Model, run and suffix of a report's key; None for any other key."""
    parts = key.split("/")
    name, _, suffix = parts[-1].partition(".")
    if len(parts) != 4 or parts[0] != "evidence" or name != "report" or suffix not in REPORT_SUFFIXES:  # noqa: PLR2004
        return None
    return parts[1], parts[2], suffix


def is_approval_key(key: str) -> bool:
    """True for the evidence of an approval or of a vote, which is all that the function people reach may leave."""
    return key.startswith("evidence/") and key.rpartition("/")[2].startswith("approval-")


def idempotency_token(run_id: str) -> str:
    """Token of a run's training: 40 hex characters, legal as a ClientRequestToken, job name and execution name.

    Source: StartPipelineExecution asks for 32 to 128 characters, job names for at most 63, execution names for 80.
    """
    return sha256(f"training\x1f{run_id}")[:40]


def decision_record(
    *,
    signal: Signal,
    verdict: DecisionVerdict,
    policy: Policy,
    state: ModelState,
    model_state: dict[str, Any],
    run_id: str,
    execution_arn: str,
    event_id: str | None,
    decided_at: datetime,
) -> dict[str, Any]:
    """The record of a decision on a signal: all that ``decide`` was given, what it said, and the model's state after it."""
    return {
        "signal_id": signal.signal_id,
        "model": signal.model,
        "decided_at": decided_at.isoformat(),
        **verdict.as_record(),
        "signal": signal.as_record(),
        "policy_version": policy.version,
        "inputs": {
            "policy": {"sha256": policy_sha256(policy), "effective": policy_record(policy)},
            "state": state.as_record(),
            "now": decided_at.isoformat(),
        },
        "model_state": model_state,
        "run_id": run_id,
        "execution_arn": execution_arn,
        "event_id": event_id,
    }


def rejection_record(
    *, rejection: Rejection, run_id: str, execution_arn: str, event_id: str | None, event_uri: str, decided_at: datetime
) -> dict[str, Any]:
    """The record of an event that could not be understood."""
    return {
        "signal_id": rejection.signal_id,
        "model": rejection.model,
        "decided_at": decided_at.isoformat(),
        "decision": "REJECT",
        "reason": rejection.reason,
        "sentence": rejection.sentence,
        "severity": None,
        "approval": None,
        "freezes": False,
        "guards": [],
        "signal": None,
        "policy_version": None,
        "inputs": None,
        "model_state": None,
        "run_id": run_id,
        "execution_arn": execution_arn,
        "event_id": event_id,
        "event_uri": event_uri,
    }
