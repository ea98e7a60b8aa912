"""What a report says, whichever library wrote it: the one form that every reader of reports gives. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import text
from orchestration.domain.metrics import drift_measure
from orchestration.domain.metrics import metric as known_metric
from orchestration.domain.signal import FAILED_CHECKS, Threshold

if TYPE_CHECKING:
    from orchestration.domain.signal import Violation


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a report measured, checked or said.

    ``drifted`` is the writer's own word, None where there is none. ``broken`` is True for a check of the data themselves,
    whose failure is no reason to train; ``alert`` for what says something although it has neither word nor numbers.
    """

    threshold: Threshold
    drifted: bool | None = None
    broken: bool = False
    alert: bool = False

    @property
    def says(self) -> bool:
        """True when it says anything about drift: a word, a number with its threshold, a distance of nothing."""
        both = self.threshold.observed is not None and self.threshold.threshold is not None
        return self.alert or self.drifted is not None or both or self.nothing

    @property
    def nothing(self) -> bool:
        """True for a distance or a share of 0, with no threshold to hold it against."""
        measure = drift_measure(self.threshold.metric or "")
        none = (self.threshold.observed, self.threshold.threshold) == (0, None)
        return none and measure is not None and not measure.lower

    @property
    def drifts(self) -> bool:
        """True when a word or a number of it says that something drifted; a ratio that is unknown does not say it did not."""
        ratio = self.threshold.ratio
        unknown = self.says and self.drifted is None and not self.nothing
        return self.drifted is True or (unknown if ratio is None else ratio >= 1)

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

    Attributes:
        findings: what it says, measured or in words.
        violations: what of it is past its limit, but for checks of the data.
        unread: what of it is not understood, as a sentence with what to do; None when all of it is. Such a report may be
            drift, it is never "no drift".
        unjudged: what to add, as a sentence, where nothing judges.
        failed: checks of the data that failed.
    """

    findings: tuple[Finding, ...] = ()
    violations: tuple[Violation, ...] = ()
    unread: str | None = None
    unjudged: str | None = None
    failed: tuple[Violation, ...] = ()


OVER: Final = frozenset({"resolved", "ok", "success", "recovered"})
"""What an alert that is over calls its status or itself."""


def is_worse_when_lower(name: str | None, *, unknown: bool = False) -> bool:
    """What the catalogue knows of a measure of drift, else of a metric of models; else ``unknown``."""
    measure, performance = drift_measure(name or ""), known_metric(name or "")
    if measure is not None:
        return measure.lower
    return unknown if performance is None else not performance.lower


def is_over(word: Any) -> bool:
    """True for the status of an alert that is over."""
    return isinstance(word, str) and word.lower() in OVER


def failed_checks(
    failed: list[Violation], *, checked: bool = True, all_passed: bool = True, unread: str | None = None
) -> Report:
    """The report of checks of data, of which some failed.

    Args:
        failed: one violation for each check that failed.
        checked: whether any check came to a result; else there is no finding.
        all_passed: what their writer says of them as a whole.
        unread: as in the report.
    """
    broken = not all_passed or bool(failed)
    counted = Threshold(FAILED_CHECKS, float(len(failed)), None)
    finding = Finding(counted, drifted=broken, broken=True)
    return Report((finding,) if checked else (), unread=unread, failed=tuple(failed))


def quoted(value: Any) -> str:
    """A value from outside as a sentence quotes it."""
    return repr(text(str(value), 80) or "")


def shown(value: Any) -> str:
    """A value for a sentence: a number in short, anything else as it is."""
    return f"{value:g}" if isinstance(value, float) else str(value)
