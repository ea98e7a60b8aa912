"""How a training target is started, found again and told apart from one that hangs. Pure.

Everything that starts a training carries the run's idempotency token, as execution name, ClientRequestToken or job
name, so that a start after a lost response finds the first training instead of making a second one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import Status
from orchestration.domain.json_values import mapping, number, sequence
from orchestration.domain.policy import TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestration.domain.policy import Training

DISPLAY_PREFIX: Final = "retraining-"
TOKEN_SHOWN: Final = 40
"""Characters of the token in a pipeline execution's display name, which may have 82."""


def target_request(training: Training, training_input: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """What the workflow carries to start a target, besides kind, target and input.

    Args:
        training: the policy's target.
        training_input: the input as the manifest has it, ``idempotency_token`` and ``output_uri`` included.
        tags: tags of a training job; the policy's own stay beside them.

    Returns:
        ``{"execution_arn"}`` for a state machine, ``{"pipeline": <StartPipelineExecution request>}`` for a SageMaker
        pipeline, ``{"request": <CreateTrainingJob request>}`` for a training job, empty without a target.
    """
    token = str(training_input["idempotency_token"])
    if training.kind is TargetKind.STATE_MACHINE:
        return {"execution_arn": nested_execution_arn(training.target, token)}
    if training.kind is TargetKind.SAGEMAKER_PIPELINE:
        return {
            "pipeline": {
                "PipelineName": training.target,
                "ClientRequestToken": token,
                "PipelineExecutionDisplayName": display_name(token),
                "PipelineParameters": [
                    {"Name": name, "Value": value}
                    for name, value in mapped_parameters(training.parameters, training_input).items()
                ],
            }
        }
    if training.kind is TargetKind.TRAINING_JOB:
        return {"request": _training_job_request(training, training_input, tags)}
    return {}


def _training_job_request(training: Training, training_input: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """The policy's CreateTrainingJob request with the run's name, output path, tags, parameters and time limit.

    SageMaker's own StoppingCondition is the first line against a job that hangs, so it is never above ``max_hours``.
    """
    asked = training.request
    limit = int(training.max_hours * 3600)
    stopping = mapping(asked.get("StoppingCondition"))
    wanted = number(stopping.get("MaxRuntimeInSeconds"))
    request = {
        **asked,
        "TrainingJobName": str(training_input["idempotency_token"]),
        "OutputDataConfig": {
            **mapping(asked.get("OutputDataConfig")),
            "S3OutputPath": training_input["output_uri"],
        },
        "StoppingCondition": {
            **stopping,
            "MaxRuntimeInSeconds": max(1, limit if wanted is None else min(int(wanted), limit)),
        },
        "Tags": [
            *(tag for tag in sequence(asked.get("Tags")) if mapping(tag).get("Key") not in tags),
            *({"Key": key, "Value": value} for key, value in sorted(tags.items())),
        ],
    }
    parameters = mapped_parameters(training.parameters, training_input)
    if parameters:
        request["HyperParameters"] = {**mapping(asked.get("HyperParameters")), **parameters}
    return request


def mapped_parameters(wanted: Mapping[str, str], training_input: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of a SageMaker target: those the policy names and no other, a run's value where it names one.

    Values are texts, as both APIs want them; a run's value that is null becomes an empty text.
    """
    known = {**training_input, "evaluation_uri": f"{training_input['output_uri']}evaluation.json"}
    return {
        name: ("" if known[value] is None else str(known[value])) if value in known else value
        for name, value in sorted(wanted.items())
    }


def nested_execution_arn(state_machine_arn: str, name: str) -> str:
    """ARN of an execution by its name. A version or alias in the machine's ARN is no part of its executions' ARNs.

    Source: Step Functions, ARNs of ``states:::execution:<machine>:<execution>``.
    """
    parts = state_machine_arn.split(":")
    return ":".join([*parts[:5], "execution", parts[6], name])


def display_name(token: str) -> str:
    """Name under which a run's pipeline execution is found again when its ARN was lost with the execution."""
    return f"{DISPLAY_PREFIX}{token[:TOKEN_SHOWN]}"


def training_overdue(manifest: Mapping[str, Any], statuses: Iterable[Mapping[str, Any]], now: datetime) -> bool:
    """True when a run has been training for longer than its manifest's ``training.max_hours``.

    Args:
        manifest: the run's manifest.
        statuses: its status rows, ``{"status", "at"}`` each.
        now: an aware datetime.
    """
    at = {str(row["status"]): str(row["at"]) for row in statuses}
    started = at.get(Status.TRAINING_STARTED)
    hours = number(mapping(manifest.get("training")).get("max_hours"))
    if started is None or hours is None or Status.TRAINING_FINISHED in at:
        return False
    return now - datetime.fromisoformat(started) >= timedelta(hours=hours)
