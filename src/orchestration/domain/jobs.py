"""What ran for a training: on which instances, and how long SageMaker bills for them, by its own descriptions. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import json_object, mapping, model_name, number, sequence, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JOBS_KEPT: Final = 12
"""Jobs of a training that are looked at and kept; what is beyond is counted."""

NAME_KEPT: Final = 100

FREE_STEPS: Final = frozenset({"Condition", "Fail", "Model", "RegisterModel", "EndpointConfig"})
"""Steps of a pipeline that run nowhere, by their name in PipelineExecutionStepMetadata."""


class Use(StrEnum):
    """What instances are for, which their price depends on. The words are those of AWS's Price List, in lower case."""

    TRAINING = "training"
    PROCESSING = "processing"
    HOSTING = "hosting"


Instances = tuple[tuple[str, int], ...]
"""Type and number of instances that run side by side."""

MOST_INSTANCES: Final = 100_000
"""Of a type that are taken for a number of instances."""

MOST_SECONDS: Final = 366 * 86_400.0
"""That are taken for a time that is paid. SageMaker runs no job for longer than 28 days, and people answer within 30 days."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job that ran for a training.

    ``use`` is None for one that is no training or processing job; ``seconds`` is what each of its instances is billed for.
    ``unknown`` says why instances or seconds are not known, None when they are. ``spot``: SageMaker ran it on managed spot
    capacity, and the seconds are those it bills.
    """

    use: Use | None
    name: str
    instances: Instances = ()
    seconds: float | None = None
    spot: bool = False
    unknown: str | None = None

    @property
    def named(self) -> bool:
        """True while nothing but its name is known: SageMaker was not asked what it ran on."""
        return self.use is not None and self.seconds is None and self.unknown is None

    def as_record(self) -> dict[str, Any]:
        """The job as table and evidence keep it."""
        return {**asdict(self), "instances": [{"type": kind, "count": count} for kind, count in self.instances]}

    @classmethod
    def of(cls, record: Any) -> Job:
        """A job from its record, whatever stands there: what is none of it is not known."""
        kept = mapping(record)
        use, seconds = kept.get("use"), _seconds(kept.get("seconds"))
        instances = instances_of(sequence(kept.get("instances")), "type", "count")
        unknown = text(kept.get("unknown"), 300)
        if unknown is None and (seconds is None or not instances):
            unknown = "Its record does not say on what it ran, or for how long."
        return cls(
            Use(use) if isinstance(use, str) and use in set(Use) else None,
            text(kept.get("name"), NAME_KEPT) or "",
            instances,
            seconds,
            kept.get("spot") is True,
            unknown,
        )


def trained(described: Mapping[str, Any]) -> Job:
    """The job of a DescribeTrainingJob answer that is over.

    Source: SageMaker API, DescribeTrainingJob: "BillableTimeInSeconds * InstanceCount" is the compute time it bills, less
    than the training's with managed spot training; one that never came to TrainingStartTime is billed nothing.
    """
    resources = mapping(described.get("ResourceConfig"))
    groups = [mapping(group) for group in sequence(resources.get("InstanceGroups"))] or [resources]
    billed, spot = _seconds(described.get("BillableTimeInSeconds")), described.get("EnableManagedSpotTraining") is True
    seconds = billed if billed is not None or spot else _ran(described, "Training")
    if "TrainingStartTime" not in described and billed is None:
        seconds = 0.0
    unknown = None
    if resources.get("TrainingPlanArn"):
        unknown = "A training plan paid for its instances."
    elif resources.get("KeepAlivePeriodInSeconds"):
        unknown = "Its instances were kept warm and billed when it had ended, in no record for how long."
    return _job(
        Use.TRAINING,
        described.get("TrainingJobName"),
        instances_of(groups, "InstanceType", "InstanceCount"),
        seconds,
        unknown,
        spot,
    )


def processed(described: Mapping[str, Any]) -> Job:
    """The job of a DescribeProcessingJob answer that is over; one that never came to ProcessingStartTime ran nowhere."""
    cluster = mapping(mapping(described.get("ProcessingResources")).get("ClusterConfig"))
    seconds = _ran(described, "Processing") if "ProcessingStartTime" in described else 0.0
    name = described.get("ProcessingJobName")
    return _job(Use.PROCESSING, name, instances_of([cluster], "InstanceType", "InstanceCount"), seconds)


def jobs_of_steps(steps: Iterable[Any]) -> list[Job]:
    """What ran in the steps of a SageMaker pipeline execution, in the order they started, before their jobs are described.

    A step that took an earlier result from its pipeline's cache ran nothing. One of another kind than training and
    processing, as a transform or a cluster of EMR, runs where the loop does not look.

    Args:
        steps: PipelineExecutionSteps of ListPipelineExecutionSteps.
    """
    found = []
    for step in map(mapping, steps):
        if step.get("CacheHitResult"):
            continue
        name = text(step.get("StepName"), NAME_KEPT) or ""
        for kind, metadata in mapping(step.get("Metadata")).items():
            arn = str(mapping(metadata).get("CheckJobArn") or mapping(metadata).get("Arn") or "")
            job = text(arn.rpartition("/")[2], NAME_KEPT)
            if job and ":training-job/" in arn:
                found.append(Job(Use.TRAINING, job))
            elif job and ":processing-job/" in arn:
                found.append(Job(Use.PROCESSING, job))
            elif kind not in FREE_STEPS:
                found.append(
                    Job(None, name, unknown=f"What a step of kind {text(kind, NAME_KEPT)} runs on is not looked up.")
                )
    return found


def jobs_of_output(raw: Any) -> tuple[Job, ...]:
    """The training job that a state machine's output names under ``training_job_name``, by name or ARN, to be described yet.

    It is for the report alone: what is no name is passed over.
    """
    output = json_object(raw) if isinstance(raw, str) and raw.lstrip().startswith("{") else raw
    named = mapping(output).get("training_job_name")
    name = model_name(named.partition(":training-job/")[2] or named) if isinstance(named, str) else None
    return (Job(Use.TRAINING, name),) if name else ()


def kept(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """The first of many jobs, and how many there are beyond."""
    every = list(jobs)
    beyond = len(every) - JOBS_KEPT
    more = [Job(None, f"{beyond} more", unknown="Only the first jobs of a training are kept.")] if beyond > 0 else []
    return (*every[:JOBS_KEPT], *more)


def _job(
    use: Use, name: Any, instances: Instances, seconds: float | None, unknown: str | None = None, spot: bool = False
) -> Job:
    if not instances:
        unknown = "SageMaker's description names no instances."
    elif seconds is None:
        unknown = "SageMaker's description does not say for how long it is billed."
    return Job(use, text(name, NAME_KEPT) or "", instances, seconds, spot, unknown)


def instances_of(groups: Iterable[Any], kind: str, count: str) -> Instances:
    """The instances that groups name under these two keys; none where one of them does not name its own."""
    found = [(text(group.get(kind), NAME_KEPT), number(group.get(count))) for group in map(mapping, groups)]
    named = tuple(
        (name, int(many))
        for name, many in found
        if name is not None and many is not None and 0 <= many <= MOST_INSTANCES
    )
    return named if len(named) == len(found) else ()


def _seconds(given: Any) -> float | None:
    found = number(given)
    return found if found is not None and 0 <= found <= MOST_SECONDS else None


def _ran(described: Mapping[str, Any], what: str) -> float | None:
    start, end = described.get(f"{what}StartTime"), described.get(f"{what}EndTime")
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return None
    return max(0.0, (end - start).total_seconds())
