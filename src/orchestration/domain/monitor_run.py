"""Whether a processing job is the monitoring run it says it is: its own word against SageMaker's list. Pure.

A schedule, an endpoint or a pipeline's execution stand in what whoever may create processing jobs writes: the job's environment and
tags. What a schedule really ran, and a pipeline's steps, SageMaker lists, pending ones too; no call of its API adds to those lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterable

RUNS_LOOKED_AT: Final = 500
"""Newest runs of a schedule that are looked through for a job: three weeks of one that runs every hour, the most often there
is. A lost signal is raised for two weeks at most."""

CHECK_STEPS: Final = ("QualityCheck", "ClarifyCheck")
"""Kinds of steps that compare with a baseline. A MonitorBatchTransform step is a transform and one of these.

Source: SageMaker API, PipelineExecutionStepMetadata.
"""


@dataclass(frozen=True, slots=True)
class RunClaim:
    """What a job says: that this schedule ran it, to check this endpoint. None for what it does not say, or not legally.

    Without an endpoint it says that it checked batch transforms.
    """

    job_arn: str | None
    schedule: str | None
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as ListMonitoringExecutions shows it; one that checks batch transforms has no endpoint."""

    job_arn: str
    schedule: str | None
    endpoint: str | None

    @property
    def job_name(self) -> str:
        """The processing job's name."""
        return self.job_arn.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class RunListing:
    """What SageMaker lists of a claim: the run of that job, or none. ``refused`` is why SageMaker does not say."""

    run: ListedRun | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class ListedStep:
    """The step whose job it is, as ListPipelineExecutionSteps shows it. ``checks``: it compares with a baseline."""

    name: str
    checks: bool


@dataclass(frozen=True, slots=True)
class StepListing:
    """What SageMaker lists of a job in a pipeline's execution: its step, or none. ``refused`` is why SageMaker does not say."""

    step: ListedStep | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineCheck:
    """The pipeline that a job says it is a step of, whose that is, and what SageMaker lists.

    ``model`` is None where no tag of the pipeline names one. ``trains``: the model's policy has it trained by this pipeline.
    """

    pipeline: str
    model: str | None
    trains: bool = False
    listing: StepListing = StepListing()


@dataclass(frozen=True, slots=True)
class RunProof:
    """The judgement with its reason. ``proven_by`` is the schedule or step that ran the job, None when nobody knows that one did."""

    proven_by: str | None
    reason: str


def prove_run(claim: RunClaim, listing: RunListing) -> RunProof:
    """Judge a claim by what SageMaker lists of it. What cannot be known is not proven."""
    schedule = claim.schedule
    if claim.job_arn is None or schedule is None:
        return _unproven("The job does not name itself and its schedule in full.")
    said = f"schedule {schedule} ran this job{_on(claim.endpoint)}"
    if listing.refused is not None:
        return _refused(said, listing.refused, "sagemaker:ListMonitoringExecutions")
    if listing.run is None:
        return _unproven(f"SageMaker does not list that {said} (looked at its newest {RUNS_LOOKED_AT} runs).")
    if listing.run != ListedRun(claim.job_arn, schedule, claim.endpoint):
        run = listing.run
        return _unproven(
            f"SageMaker lists the job as a run of {run.schedule}{_on(run.endpoint) or ' on no endpoint'}, not that {said}."
        )
    return RunProof(f"monitoring schedule {schedule}", f"SageMaker lists that {said}.")


def prove_check(check: PipelineCheck) -> RunProof:
    """Judge whether a pipeline ran a job as a check of its own. What cannot be known is not proven."""
    pipeline, listing = check.pipeline.rpartition("/")[2], check.listing
    said = f"a step of pipeline {pipeline} ran this job as its check"
    if listing.refused is not None:
        return _refused(said, listing.refused, "sagemaker:ListPipelineExecutionSteps")
    if listing.step is None or not listing.step.checks:
        return _unproven(f"SageMaker does not list that {said}.")
    by = f"step {listing.step.name} of pipeline {pipeline}"
    return RunProof(by, f"SageMaker lists that {by} ran this job.")


def listed_step(steps: Iterable[dict[str, Any]], job_arn: str) -> ListedStep | None:
    """The step whose job this is, None when no step's is. One that was told to skip its check checks nothing.

    Args:
        steps: ListPipelineExecutionSteps of one execution.
        job_arn: the processing job's ARN.
    """
    for step in steps:
        metadata, name = mapping(step.get("Metadata")), text(step.get("StepName"), 64) or "(unnamed)"
        for kind in CHECK_STEPS:
            check = mapping(metadata.get(kind))
            if check.get("CheckJobArn") == job_arn:
                return ListedStep(name, checks=check.get("SkipCheck") is not True)
        if mapping(metadata.get("ProcessingJob")).get("Arn") == job_arn:
            return ListedStep(name, checks=False)
    return None


def _on(endpoint: str | None) -> str:
    return f" on {endpoint}" if endpoint else ""


def _refused(said: str, refused: str, action: str) -> RunProof:
    return _unproven(
        f"Nobody knows whether {said}, since SageMaker does not say ({refused}): allow the orchestration function's role {action}."
    )


def _unproven(why: str) -> RunProof:
    return RunProof(
        None,
        f"Not confirmed: {why} Whoever may create processing jobs can name any schedule or pipeline, so nothing follows from it "
        "unless people say so; see in CloudTrail who created the job.",
    )
