"""What an audit can find. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Level(StrEnum):
    """How bad a finding is: only a break makes a history not whole."""

    BREAK = "break"
    WARNING = "warning"
    NOTE = "note"


class Fault(StrEnum):
    """What is wrong with a record, a chain, or what stands beside them."""

    MISSING = "missing"
    EXTRA = "extra"
    EDITED = "edited"
    REORDERED = "reordered"
    INVENTED = "invented"
    SWAPPED = "swapped"
    TRUNCATED = "truncated"
    FORKED = "forked"
    SEVERAL_VERSIONS = "several versions"
    DELETED = "deleted"
    UNLISTED = "unlisted model"
    CONTRADICTED = "contradicted"
    DECIDED_OTHERWISE = "decided otherwise"
    WITHOUT_RECORD = "without record"
    WITHOUT_EXECUTION = "without execution"
    NOT_AS_ANCHORED = "not as anchored"
    ARTIFACT_CHANGED = "artifact changed since"
    NOT_WRITTEN_YET = "not written yet"
    NOT_SEEN = "not seen"

    @property
    def level(self) -> Level:
        """How bad it is."""
        return LEVELS.get(self, Level.BREAK)


LEVELS: Final = {
    # A team may clean up or write again what its trainings made; records are not touched by it.
    Fault.ARTIFACT_CHANGED: Level.WARNING,
    Fault.NOT_WRITTEN_YET: Level.NOTE,
    Fault.NOT_SEEN: Level.NOTE,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    ``chain`` is the chain it belongs to, None for what is of none; ``sequence`` the place there, None where it has none;
    ``subject`` is what to look at: a key, a run, an execution.
    """

    fault: Fault
    chain: str | None
    sequence: int | None
    subject: str
    sentence: str

    def as_record(self) -> dict[str, Any]:
        """The finding as ``--json`` prints it."""
        return {
            "level": self.fault.level,
            "fault": self.fault,
            "chain": self.chain,
            "sequence": self.sequence,
            "subject": self.subject,
            "sentence": self.sentence,
        }

    @property
    def order(self) -> tuple[str, float, str]:
        """Chain by chain, the first bad link of each first."""
        place = float("inf") if self.sequence is None else self.sequence
        return (self.chain or "~", place, self.subject)


def first_breaks(findings: list[Finding]) -> dict[str, Finding]:
    """The first break of each chain that has one."""
    first: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda finding: finding.order):
        if finding.fault.level is Level.BREAK and finding.chain is not None:
            first.setdefault(finding.chain, finding)
    return first
