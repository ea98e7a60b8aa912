"""What a report says, whichever library wrote it: the one form that every reader of reports gives. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.domain.metrics import drift_measure
from orchestration.domain.metrics import metric as known_metric
from orchestration.domain.signal import FAILED_CHECKS, Threshold

if TYPE_CHECKING:
    from orchestration.domain.signal import Violation


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a report measured, checked or said.

    ``drifted`` is the writer's own word, None where there is none; ``told`` whether it says anything without numbers.
    ``broken`` is True for a check of the data themselves, whose failure is no reason to train.
    """

    threshold: Threshold
    told: bool
    drifted: bool | None = None
    broken: bool = False

    @property
    def badness(self) -> float:
        """Its ratio; without one it counts as at its threshold, unless its writer says that this number is no drift."""
        ratio = self.threshold.ratio
        if ratio is None:
            return 0.0 if self.drifted is False and self.threshold.observed is not None else 1.0
        return ratio


@dataclass(frozen=True, slots=True)
class Report:
    """What one reader makes of a report: its findings, a violation for each column or check that is past its limit.

    ``unread`` says what of it cannot be taken, as a sentence with what to do; None when all of it could be. Such a report may
    be drift, it is not "no drift".
    """

    findings: tuple[Finding, ...] = ()
    violations: tuple[Violation, ...] = ()
    unread: str | None = None

    @property
    def tells(self) -> bool:
        """True when something in it says whether anything drifted or failed, or has a number that does."""
        return any(finding.told or finding.threshold.observed is not None for finding in self.findings)


def is_worse_when_lower(name: str | None) -> bool:
    """What the catalogue knows of a measure of drift, else of a metric of models; else more is worse."""
    measure, performance = drift_measure(name or ""), known_metric(name or "")
    return measure.lower if measure is not None else performance is not None and not performance.lower


def failed_checks(
    failed: list[Violation], checks: int, *, all_passed: bool = True, unread: str | None = None
) -> Report:
    """The report of that many checks of data, of which some failed.

    Args:
        failed: one violation for each check that failed.
        checks: checks that came to a result; of none there is no finding.
        all_passed: what their writer says of them as a whole.
        unread: as in the report.
    """
    broken = not all_passed or bool(failed)
    counted = Threshold(FAILED_CHECKS, float(len(failed)), None)
    finding = Finding(counted, told=True, drifted=broken, broken=True)
    return Report((finding,) if checks else (), tuple(failed), unread)


def shown(value: Any) -> str:
    """A value for a sentence: a number in short, anything else as it is."""
    return f"{value:g}" if isinstance(value, float) else str(value)
