"""What an audit gathers over all chains, and its report."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ops.audit.facts import is_young
from ops.audit.findings import Fault, Finding
from orchestration.domain.contracts import Decision
from orchestration.domain.records import sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from datetime import datetime

    from ops.audit.reading import Listed, Reading

AHEAD: Final = 64
"""Records read ahead of the one that is judged."""


@dataclass(slots=True)
class Report:
    """What an audit found, and how much it looked at."""

    findings: list[Finding] = field(default_factory=list)
    chains: int = 0
    records: int = 0
    objects: int = 0
    runs: int = 0
    executions: int = 0
    anchors: int = 0
    earlier: int = 0
    foreign: int = 0


def digest(text: str) -> bytes:
    """Sixteen bytes that stand for a name."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()


@dataclass(slots=True)
class Gathered:
    """What is gathered over all chains, and where findings go.

    ``awaited``: the executions that have to be found, by digest, with the place of their decision; ``rejections``: those
    whose event has to be kept, with the digest of their sentence; ``switches``: the last record on each scope; ``anchored``:
    hashes of anchored heads by chain and place.
    """

    reading: Reading
    pool: Executor
    now: datetime
    progress: Callable[[int, int], None]
    report: Report = field(default_factory=Report)
    total: int = 0
    listed: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    awaited: dict[bytes, tuple[str, int] | None] = field(default_factory=dict)
    rejections: dict[bytes, tuple[str, int, str]] = field(default_factory=dict)
    switches: dict[str, tuple[str, int, dict[str, Any] | None]] = field(default_factory=dict)
    anchored: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def found(self, fault: Fault, chain: str | None, sequence: int | None, subject: str, sentence: str) -> None:
        """Add a finding."""
        self.report.findings.append(Finding(fault, chain, sequence, subject, sentence))

    def judge_versions(self, chain: str | None, sequence: int | None, listed: Listed) -> None:
        """Say what an object's versions tell."""
        if listed.versions > 1:
            sentence = f"The object has {listed.versions} versions ({', '.join(listed.ids)}); records are written once."
            self.found(Fault.SEVERAL_VERSIONS, chain, sequence, listed.key, sentence)
        if listed.markers:
            was = "is deleted: a delete marker hides it" if listed.hidden else "was deleted and written again"
            self.found(Fault.DELETED, chain, sequence, listed.key, f"The object {was}.")

    def await_execution(self, document: dict[str, Any], chain: str, sequence: int) -> None:
        """Remember a decision's execution, and a rejection's event."""
        run_id = str(document["run_id"])
        own = document["execution_arn"] == self.reading.execution_arn(run_id)
        self.report.foreign += not own
        self.awaited[digest(run_id)] = (chain, sequence) if own and is_young(document, self.now) else None
        if document["decision"] == Decision.REJECT:
            self.rejections[digest(str(document["signal_id"]))] = (chain, sequence, sha256(document["sentence"]))
