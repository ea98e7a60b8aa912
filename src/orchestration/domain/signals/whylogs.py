"""whylogs: the drift score of each column, and the report of constraints, which are checks of the data. Pure."""

from __future__ import annotations

from typing import Any, Final

from orchestration.domain.json_values import mapping, number, sequence, text
from orchestration.domain.signal import Threshold, Violation
from orchestration.domain.signals.finding import Finding, Report, failed_checks, shown

CATEGORIES: Final = {"DRIFT": True, "POSSIBLE_DRIFT": True, "NO_DRIFT": False}
"""What whylogs calls a column; a possible drift is one that does not reach the threshold. Source: whylogs.viz.drift.configs, 1.6."""

CHECK: Final = "whylogs_constraint"

RESULT_FIELDS: Final = 3
"""Name, passed and failed of a constraint; a summary follows. Source: ReportResult, whylogs 1.6."""


def read(body: Any) -> Report | None:
    """The findings of drift scores, or of a report of constraints; None for what is neither."""
    return _constraints(body) if isinstance(body, list) else _scores(mapping(body))


def _scores(body: dict[str, Any]) -> Report | None:
    columns = {name: score for name, score in body.items() if isinstance(score, dict) and "algorithm" in score}
    if not any("drift_category" in score for score in columns.values()):
        return None
    found = [(name, score, _score(name, score)) for name, score in columns.items()]
    violations = tuple(
        Violation(text(name, 200) or "(unnamed)", text(score["algorithm"], 100) or "(unnamed)", _described(finding))
        for name, score, finding in found
        if finding.drifted
    )
    unread = [name for name, _, finding in found if finding.drifted is None]
    return Report(
        tuple(finding for _, _, finding in found),
        violations,
        f"whylogs gave no drift category for {text(unread[0], 100)!r}: call calculate_drift_scores with with_thresholds=True."
        if unread
        else None,
    )


def _score(name: str, score: dict[str, Any]) -> Finding:
    """A p-value where the algorithm gives one, against the end of its range of drift; else the distance, against its beginning."""
    algorithm, p_value = text(score["algorithm"], 100), number(score.get("pvalue"))
    drift = sequence(mapping(score.get("thresholds")).get("DRIFT"))
    limits = [number(limit) for limit in drift] if len(drift) == 2 else [None, None]  # noqa: PLR2004 - from, to
    metric = f"{text(name, 200)} ({algorithm} {'distance' if p_value is None else 'p_value'})"
    if p_value is None:
        threshold = Threshold(metric, number(score.get("statistic")), limits[0])
    else:
        threshold = Threshold(metric, p_value, limits[1], lower_is_worse=True)
    return Finding(threshold, drifted=CATEGORIES.get(str(score.get("drift_category"))))


def _described(finding: Finding) -> str:
    return (
        f"drift score {shown(finding.threshold.observed)} against a threshold of {shown(finding.threshold.threshold)}"
    )


def _constraints(body: list[Any]) -> Report | None:
    results = [result for entry in body if (result := _constraint(entry)) is not None]
    if not results or len(results) < len(body):
        return None
    violations = [Violation(name, CHECK, f"failed {failed} time(s)") for name, failed in results if failed > 0]
    return failed_checks(violations)


def _constraint(entry: Any) -> tuple[str, int] | None:
    """Name and failures of a constraint, written as a tuple or as an object."""
    if isinstance(entry, dict):
        entry = [entry.get(name) for name in ("name", "passed", "failed")]
    if not isinstance(entry, list) or len(entry) < RESULT_FIELDS:
        return None
    name, passed, failed = text(entry[0], 200), entry[1], entry[2]
    if name is None or not all(isinstance(count, int) and not isinstance(count, bool) for count in (passed, failed)):
        return None
    return name, failed
