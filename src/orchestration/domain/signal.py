"""A signal: anything that suggests a model may need retraining, normalised from an event."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Severity, SignalKind, SignalSource
from orchestration.domain.json_values import fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data a signal speaks of. Times are the text the sender gave, never parsed into a decision."""

    uri: str | None
    window_start: str | None = None
    window_end: str | None = None


FAILED_CHECKS: Final = "failed_checks"
"""What is counted of a library's checks of data, under the name of a metric."""

WORST: Final = 1e6
"""Ratio of a 0 where lower is worse: past every mark."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The measurement behind a signal.

    ``ratio`` is how bad it is: observed / threshold, or the other way round when lower is worse or when both are
    negative; 1.0 is just at the threshold, below it is not past it. None when it cannot be computed: no numbers, numbers on
    two sides of zero, nothing to divide by, or a quotient beyond all numbers.
    """

    metric: str | None
    observed: float | None
    threshold: float | None
    lower_is_worse: bool = False

    @property
    def ratio(self) -> float | None:
        """Badness as a ratio, or None."""
        if self.observed is None or self.threshold is None:
            return None
        high, low = (self.threshold, self.observed) if self.lower_is_worse else (self.observed, self.threshold)
        if high < 0:
            # Below zero the smaller number is the larger distance; a limit that is not negative is not reached at all.
            high, low = max(0.0, -low), -high
        if low > 0 and math.isfinite(high / low):
            return high / low
        # Nothing is lower than nothing; where more is worse, a threshold of 0 is none to divide by.
        return WORST if self.lower_is_worse and low == 0 < high else None

    @property
    def unclear(self) -> bool:
        """True when there are both numbers and no ratio of them."""
        return self.observed is not None and self.threshold is not None and self.ratio is None


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint of a monitor run. ``check`` is Model Monitor's ``constraint_check_type``."""

    feature: str
    check: str
    description: str


@dataclass(frozen=True, slots=True)
class DataCheck:
    """What a monitor run says of one kind of broken data: the worst share, 0 to 1, of the data that is as it should be.

    ``worst`` is None where the description of one violation does not say it. Kept beside the violations, of which records
    keep the first fifty.
    """

    check: str
    violations: int
    worst: float | None


LATER_FIELDS: Final = frozenset({"proven_by", "asked_by", "content", "data_checks", "to"})
"""Fields that records of releases before do not have."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. ``signal_id`` is the same for every delivery of the same fact.

    ``origin`` is who raised what was kept and comes back as a pending signal; None for every other. ``requested_by`` is a
    name that the sender gives; ``proven_by`` is who asks, or which schedule or step measured, as the loop itself knows it, never
    taken from an event. ``asked_by`` are all who asked, of signals that were kept as one, and ``UNPROVEN_ASKER`` for whom nobody knows. ``content`` names what the sender
    said, to the last digit, where nothing but the event's id tells two deliveries apart. ``to`` is the run whose config a
    rollback was asked for; None: what served before, and of every other signal.
    """

    signal_id: str
    source: SignalSource
    kind: SignalKind
    model: str
    summary: str
    observed_at: str
    endpoint: str | None = None
    dataset: Dataset | None = None
    threshold: Threshold | None = None
    severity: Severity | None = None
    violations: tuple[Violation, ...] = ()
    data_checks: tuple[DataCheck, ...] = ()
    report_uri: str | None = None
    requested_by: str | None = None
    proven_by: str | None = None
    asked_by: tuple[str, ...] = ()
    force: bool = False
    muted: bool = False
    context: str = ""
    origin: SignalSource | None = None
    content: str | None = None
    to: str | None = None

    @property
    def unclear(self) -> bool:
        """True when its numbers do not say how bad it is: then people do."""
        return self.threshold is not None and self.threshold.unclear

    @property
    def unproven(self) -> bool:
        """True for what a monitor is said to have found, and SageMaker does not confirm that it ran."""
        return _said_of_a_monitor(self.origin or self.source, self.proven_by)

    def named(self, *key: str | None) -> Signal:
        """The signal with the id of a sender's fact: source, model, the sender's key and all that sets its strength.

        So a signal is the duplicate of no other model's, no other sender's and no milder one, whatever its key.
        """
        measured = self.threshold or Threshold(None, None, None)
        strength = [self.kind, self.severity, fields_of(measured), self.force, self.proven_by]
        return replace(self, signal_id=identify(canonical([self.source, self.model, key, strength])))

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Signal:
        """A signal from its record; of its violations the record keeps the first fifty.

        One of the release before does not say who was proven to ask: nobody was.
        """
        dataset, threshold = record["dataset"], record["threshold"]
        return cls(
            **{
                **{name: record[name] for name in cls.__slots__ if name not in LATER_FIELDS},
                "proven_by": record.get("proven_by"),
                "content": record.get("content"),
                "to": record.get("to"),
                "data_checks": tuple(DataCheck(**check) for check in record.get("data_checks", ())),
                "asked_by": tuple(record.get("asked_by", ())),
                "source": SignalSource(record["source"]),
                "kind": SignalKind(record["kind"]),
                "severity": Severity(record["severity"]) if record["severity"] else None,
                "origin": SignalSource(record["origin"]) if record["origin"] else None,
                "dataset": Dataset(**dataset) if dataset else None,
                "threshold": Threshold(**{name: threshold[name] for name in Threshold.__slots__})
                if threshold
                else None,
                "violations": tuple(Violation(**violation) for violation in record["violations"]),
            }
        )

    def as_record(self) -> dict[str, Any]:
        """The signal as it stands in decision records and manifests: endpoint, dataset, threshold or explicit nulls."""
        record = fields_of(self)
        record["violations"] = [fields_of(violation) for violation in self.violations[:50]]
        record["violation_count"] = len(self.violations)
        if self.data_checks:
            record["data_checks"] = tuple(map(fields_of, self.data_checks))
        else:
            del record["data_checks"]  # a record of before had none
        if self.to is None:
            del record["to"]  # nor this
        record["asked_by"] = list(self.asked_by)
        if self.dataset is not None:
            record["dataset"] = fields_of(self.dataset)
        if self.threshold is not None:
            ratio = self.threshold.ratio
            record["threshold"] = fields_of(self.threshold) | {"ratio": None if ratio is None else round(ratio, 6)}
        return record


def record_unproven(record: Mapping[str, Any]) -> bool:
    """``Signal.unproven``, of a signal's record. One of the release before proves nothing."""
    return _said_of_a_monitor(record.get("origin") or record.get("source"), record.get("proven_by"))


def asker_of(record: Mapping[str, Any]) -> str | None:
    """Who was proven to ask, of a signal's record; a schedule is proven to have measured, and asks for nothing."""
    asks = record.get("kind") in {SignalKind.REQUEST, SignalKind.ROLLBACK}
    return record.get("proven_by") or None if asks else None


def _said_of_a_monitor(source: str | None, proven_by: str | None) -> bool:
    return source == SignalSource.MODEL_MONITOR and proven_by is None


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that is no signal because it cannot be understood. ``sentence`` says what to fix.

    ``unproven`` is as of a signal: what is said of a monitor, and SageMaker does not confirm that it ran.
    """

    reason: Reason
    sentence: str
    signal_id: str
    model: str | None = None
    unproven: bool = False

    @classmethod
    def of(
        cls, reason: Reason, sentence: str, *fact: str | None, model: str | None = None, unproven: bool = False
    ) -> Rejection:
        """The rejection of a fact that ``fact`` names."""
        return cls(reason, sentence, rejection_id(reason, *fact), model, unproven)


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that is understood and says nothing about any model of ours. ``sentence`` says why."""

    reason: Reason
    sentence: str
    model: str | None = None


def rejection_id(reason: Reason, *fact: str | None) -> str:
    """The id of a rejection. No signal has it: what was refused once is not in the way of what is good."""
    return identify("rejected", reason, *fact)


def identify(*parts: str | None) -> str:
    """Return the 32 hex character id of what ``parts`` name, the same for every delivery of the same fact."""
    return hashlib.sha256("\x1f".join(part or "" for part in parts).encode(errors="surrogatepass")).hexdigest()[:32]
