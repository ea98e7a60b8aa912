"""A signal: anything that suggests a model may need retraining, normalised from an event."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from orchestration.contracts import Severity, SignalKind, SignalSource

MODEL_NAME: Final = re.compile(r"[a-zA-Z0-9]([\-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
"""Names a model may have: SageMaker's own rule for model and endpoint names, so a name is safe in keys and ARNs.

Source: the pattern of ``ModelName`` in SageMaker's API, ``[a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?``, at most 63.
"""

S3_URI: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f\x7f\"'<>\\`{}|^]{0,1024}")

TEXT_LIMIT: Final = 500
"""Characters kept of a text that came from outside; enough for a sentence, too little to flood a page."""

NESTING_LIMIT: Final = 64
"""Levels of JSON kept when a value is written. Ours have fewer than ten; Python gives up at some hundreds."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data a signal speaks of. Times are the text the sender gave, never parsed into a decision."""

    uri: str | None
    window_start: str | None = None
    window_end: str | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """The measurement behind a signal.

    ``ratio`` is how bad it is: observed / threshold, or the other way round when lower is worse or when both are
    negative; 1.0 is just at the threshold, below it is not past it. None when it cannot be computed (no numbers, or
    numbers on two sides of zero).
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
        if high < 0 and low < 0:
            high, low = -low, -high
        if high < low and high <= 0:
            return 0.0
        if low == 0:
            return math.inf if high > 0 else None
        return high / low if low > 0 else None


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint of a monitor run. ``check`` is Model Monitor's ``constraint_check_type``."""

    feature: str
    check: str
    description: str


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. ``signal_id`` is the same for every delivery of the same fact."""

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
    report_uri: str | None = None
    requested_by: str | None = None
    force: bool = False
    muted: bool = False
    context: str = ""

    def as_record(self) -> dict[str, Any]:
        """The signal as it stands in decision records and manifests: endpoint, dataset, threshold or explicit nulls."""
        record = asdict(self)
        record["violations"] = [asdict(violation) for violation in self.violations[:50]]
        record["violation_count"] = len(self.violations)
        if self.threshold is not None:
            ratio = self.threshold.ratio
            record["threshold"]["ratio"] = None if ratio is None or math.isinf(ratio) else round(ratio, 6)
        return record


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that is no signal because it cannot be understood. ``sentence`` says what to fix."""

    reason: str
    sentence: str
    signal_id: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that is understood and says nothing about any model of ours. ``sentence`` says why."""

    reason: str
    sentence: str
    model: str | None = None


def identify(*parts: str | None) -> str:
    """Return the 32 hex character id of what ``parts`` name, the same for every delivery of the same fact."""
    return hashlib.sha256("\x1f".join(part or "" for part in parts).encode(errors="surrogatepass")).hexdigest()[:32]


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces, NaN and Infinity as strings.

    Halves of surrogate pairs, which JSON can carry and UTF-8 cannot, become question marks.
    """
    written = json.dumps(finite(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return written.encode(errors="replace").decode()


def finite(value: Any, depth: int = 0) -> Any:
    """Copy of a JSON value in which non-finite numbers are their names, so that it can be written as JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (dict, list, tuple)) and depth >= NESTING_LIMIT:
        return f"(left out: nested deeper than {NESTING_LIMIT} levels)"
    if isinstance(value, dict):
        return {str(key): finite(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item, depth + 1) for item in value]
    return value


def text(value: Any, limit: int = TEXT_LIMIT) -> str | None:
    """A text from outside, stripped of control characters and cut to ``limit`` characters; None when there is none."""
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return None
    cleaned = "".join(character for character in str(value) if character.isprintable()).strip()
    return cleaned[:limit] or None


def number(value: Any) -> float | None:
    """A finite number from a JSON number or a numeric string; None for anything else, "NaN" and booleans included."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) else None


def model_name(value: Any) -> str | None:
    """A legal model name, or None. Never trimmed or repaired: a name that has to be repaired is another name."""
    return value if isinstance(value, str) and MODEL_NAME.fullmatch(value) else None


def s3_uri(value: Any) -> str | None:
    """A well-formed ``s3://bucket/key`` without ``..`` segments, or None."""
    if not isinstance(value, str) or not S3_URI.fullmatch(value):
        return None
    return None if ".." in value.split("/") else value


def mapping(value: Any) -> dict[str, Any]:
    """The value when it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value when it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []
