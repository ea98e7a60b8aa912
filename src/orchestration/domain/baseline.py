"""The monitoring baseline after a promotion: the request that makes it the new model's, or why it is left. Pure.

A monitor that compares fresh data with the data the old model was trained on finds the drift that was just cured, and
raises it for ever. Source: SageMaker API, MonitoringBaselineConfig.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestration.domain.json_values import mapping


@dataclass(frozen=True, slots=True)
class BaselineRefresh:
    """``request`` is an UpdateMonitoringSchedule request, or None when the baseline is left; ``sentence`` says why."""

    request: dict[str, Any] | None
    sentence: str


def plan_baseline_refresh(
    schedule: str | None,
    described: dict[str, Any] | None,
    *,
    statistics_uri: str | None,
    constraints_uri: str | None,
) -> BaselineRefresh:
    """Plan the refresh of a schedule's baseline.

    Args:
        schedule: the schedule the policy names, or None.
        described: DescribeMonitoringSchedule, or None when there is no such schedule.
        statistics_uri: ``baseline_statistics_uri`` of the training output.
        constraints_uri: ``baseline_constraints_uri`` of the training output.
    """
    if schedule is None:
        return _left("The policy names no monitoring schedule, so the monitor's baseline was left as it is.")
    if described is None:
        return _left(f"Monitoring schedule {schedule} does not exist, so no baseline was refreshed.")
    config = mapping(described.get("MonitoringScheduleConfig"))
    definition = mapping(config.get("MonitoringJobDefinition"))
    if not definition:
        return _left(
            f"The baseline of {schedule} was left: it stands in the job definition "
            f"{config.get('MonitoringJobDefinitionName')}, which cannot be changed. Create a new job definition with "
            "the new baseline and point the schedule at it."
        )
    given = {"ConstraintsResource": constraints_uri, "StatisticsResource": statistics_uri}
    names = {"ConstraintsResource": "baseline_constraints_uri", "StatisticsResource": "baseline_statistics_uri"}
    used = {key for key in given if key in mapping(definition.get("BaselineConfig"))} | {"ConstraintsResource"}
    missing = sorted(names[key] for key in used if given[key] is None)
    if missing:
        return _left(f"The baseline of {schedule} was left: the training returned no {' and no '.join(missing)}.")
    # Statistics and constraints change together: half a new baseline compares with two different data sets. The name
    # of the old baselining job goes, since it did not make the new one.
    baseline = {key: {"S3Uri": uri} for key, uri in given.items() if uri is not None}
    return BaselineRefresh(
        {
            "MonitoringScheduleName": schedule,
            "MonitoringScheduleConfig": {
                **config,
                "MonitoringJobDefinition": {**definition, "BaselineConfig": baseline},
            },
        },
        f"The baseline of {schedule} became the one of the promoted model, {constraints_uri}.",
    )


def _left(sentence: str) -> BaselineRefresh:
    return BaselineRefresh(None, sentence)
