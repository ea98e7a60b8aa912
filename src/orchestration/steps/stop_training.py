"""Stop a run's training: its run was stopped, or it takes longer than the policy lets it.

The one thing this function changes outside the loop's own records. A stopped execution runs no state any more, so its
state machine cannot do it. Stopping twice, or stopping what is over, changes nothing.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from orchestration.domain.json_values import mapping
from orchestration.domain.policy import TargetKind
from orchestration.domain.training_target import display_name, training_overdue
from orchestration.domain.wait_results import TRAINING_TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.ports import Ports
    from orchestration.stores.table_dynamodb import StoredRun

LOG = logging.getLogger("orchestration")

RUN_STOPPED: Final = "RunStopped"
"""Error a nested execution is stopped with when its run was stopped."""

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How much earlier than the run's start its pipeline execution is looked for."""


def stop_training(
    ports: Ports, run: StoredRun, *, error: str = RUN_STOPPED, cause: str = "The run was stopped."
) -> bool:
    """Stop what trains for a run.

    Args:
        ports: the outside.
        run: the run; its stored ``$run`` names target and token.
        error: error name a nested execution is stopped with.
        cause: sentence beside it.

    Returns:
        True when there was something to stop, as far as the service tells; Step Functions takes every stop.
    """
    carried = mapping(json.loads(run.run))
    training, token = mapping(carried.get("training")), str(carried.get("idempotency_token"))
    kind = training.get("kind")
    stopped = False
    if kind == TargetKind.STATE_MACHINE:
        ports.executions.stop(str(training.get("execution_arn")), error, cause)
        stopped = True
    elif kind == TargetKind.SAGEMAKER_PIPELINE:
        # By its name, not from the parked wait: an execution can die between the start and the parking.
        execution = ports.sagemaker.pipeline_execution_named(
            str(training.get("target")), display_name(token), datetime.fromisoformat(run.started_at) - CLOCK_SKEW
        )
        stopped = execution is not None and ports.sagemaker.stop_pipeline_execution(execution, token)
    elif kind == TargetKind.TRAINING_JOB:
        stopped = ports.sagemaker.stop_training_job(token)
    if stopped:
        LOG.warning("TrainingStopped", extra={"run_id": run.run_id, "model": run.model, "error": error})
    return stopped


def stop_overdue_trainings(ports: Ports) -> Iterator[str]:
    """Stop every training that is past its policy's limit; the workflow sees it fail and closes the run.

    Yields:
        Run ids.
    """
    for active in ports.table.active_runs():
        run = ports.table.run(active["run_id"])
        if run is None:
            continue
        manifest = json.loads(run.manifest)
        if not training_overdue(manifest, ports.table.statuses(run.run_id), ports.now()):
            continue
        hours = mapping(manifest.get("training")).get("max_hours")
        cause = f"The training ran longer than the {hours} h its policy allows."
        if stop_training(ports, run, error=TRAINING_TIMED_OUT, cause=cause):
            yield run.run_id
