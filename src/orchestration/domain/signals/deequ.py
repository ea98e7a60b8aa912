"""Deequ and PyDeequ: the results of checks as rows, as checks of the data. Pure.

Source of the rows: ``VerificationResult.checkResultsAsJson`` of PyDeequ, which are those of Deequ's ``checkResultsAsDataFrame``.
"""

from __future__ import annotations

import re
from typing import Any, Final

from orchestration.domain.json_values import mapping, sequence, text
from orchestration.domain.signal import Violation
from orchestration.domain.signals.finding import Report, failed_checks

STATUSES: Final = {"success": False, "failure": True}
"""``constraint_status``, and whether the constraint failed. Source: Deequ's ConstraintStatus."""

_CONSTRAINT: Final = re.compile(r"(\w{1,80})\(\w{1,80}\((?:List\()?([^,()]{1,80})")
"""A constraint as Deequ writes it, "CompletenessConstraint(Completeness(amount,None))"."""


def read(body: Any) -> Report | None:
    """The findings of a list of rows; None for anything else."""
    rows = [mapping(row) for row in sequence(body)]
    if not rows or not all("constraint_status" in row and "constraint" in row for row in rows):
        return None
    known = [row for row in rows if _failed(row) is not None]
    violations = [_violation(row) for row in known if _failed(row)]
    other = next((row for row in rows if _failed(row) is None), None)
    unread = None if other is None else f"A row of Deequ has the status {text(other['constraint_status'], 40)!r}."
    return failed_checks(violations, checked=bool(known), unread=unread)


def _failed(row: dict[str, Any]) -> bool | None:
    return STATUSES.get(str(row["constraint_status"]).lower())


def _violation(row: dict[str, Any]) -> Violation:
    constraint = text(row["constraint"], 300) or "(unnamed)"
    parts = _CONSTRAINT.match(constraint)
    check, feature = (parts[1], parts[2]) if parts else ("constraint", constraint)
    return Violation(feature, check, text(row.get("constraint_message")) or constraint)
