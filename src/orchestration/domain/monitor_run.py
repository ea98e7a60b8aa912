"""Whether a processing job is the monitoring run it says it is: its own word against SageMaker's list. Pure.

Schedule and endpoint stand in the job's environment, which whoever may create processing jobs writes. What a schedule really
ran, SageMaker lists, pending runs too; no call of its API adds to that list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RUNS_LOOKED_AT: Final = 500
"""Newest runs of a schedule that are looked through for a job: three weeks of one that runs every hour, the most often there
is. A lost signal is raised for two weeks at most."""


@dataclass(frozen=True, slots=True)
class RunClaim:
    """What a job says: that this schedule ran it to check this endpoint. None for what it does not say, or not legally."""

    job_arn: str | None
    schedule: str | None
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as ListMonitoringExecutions shows it."""

    job_arn: str
    schedule: str | None
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class RunListing:
    """What SageMaker lists of a claim: the run of that job, or none. ``refused`` is why SageMaker does not say."""

    run: ListedRun | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class RunProof:
    """The judgement with its reason. ``proven_by`` is the schedule that ran the job, None when nobody knows that one did."""

    proven_by: str | None
    reason: str


def prove_run(claim: RunClaim, listing: RunListing) -> RunProof:
    """Judge a claim by what SageMaker lists of it. What cannot be known is not proven."""
    schedule, endpoint = claim.schedule, claim.endpoint
    if claim.job_arn is None or schedule is None or endpoint is None:
        return _unproven("The job does not name itself, its schedule and its endpoint in full.")
    said = f"schedule {schedule} ran this job on {endpoint}"
    if listing.refused is not None:
        return _unproven(
            f"Nobody knows whether {said}, since SageMaker does not say ({listing.refused}): allow the orchestration "
            "function's role sagemaker:ListMonitoringExecutions."
        )
    if listing.run is None:
        return _unproven(f"SageMaker does not list that {said} (looked at its newest {RUNS_LOOKED_AT} runs).")
    if listing.run != ListedRun(claim.job_arn, schedule, endpoint):
        run = listing.run
        return _unproven(f"SageMaker lists the job as a run of {run.schedule} on {run.endpoint}, not that {said}.")
    return RunProof(f"monitoring schedule {schedule}", f"SageMaker lists that {said}.")


def _unproven(why: str) -> RunProof:
    return RunProof(
        None,
        f"Not confirmed: {why} Whoever may create processing jobs can name any schedule, so nothing follows from it unless "
        "people say so; see in CloudTrail who created the job.",
    )
