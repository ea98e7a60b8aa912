"""A run as the table has it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.domain.contracts import SignalKind
from orchestration.domain.json_values import json_object, mapping

if TYPE_CHECKING:
    from orchestration.domain.contracts import Status


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run. ``manifest`` is the JSON text of its manifest; times are ISO-8601 in UTC."""

    run_id: str
    model: str
    started_at: str
    execution_arn: str
    manifest: str
    severity: str
    outcome: str | None = None
    ended_at: str | None = None
    reason: str | None = None
    error: str | None = None

    @property
    def goes_back(self) -> bool:
        """True for a run that brings an earlier champion back, and trains nothing."""
        return mapping(mapping(json_object(self.manifest)).get("signal")).get("kind") == SignalKind.ROLLBACK


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A status of a run: when, the sentence people read, and facts beside it."""

    status: Status
    at: str
    sentence: str
    severity: str | None = None
    facts: dict[str, str] | None = None
