"""How a training target is started, found again and told apart from one that hangs. Pure.

Everything that starts a training carries the run's idempotency token, as execution name, ClientRequestToken or job
name, so that a start after a lost response finds the first training instead of making a second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import mapping, number, s3_addresses, sequence
from orchestration.domain.policy import TargetKind
from orchestration.domain.records import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.domain.policy import Training

NAME_PREFIX: Final = "retraining-"
"""Beginning of the names of everything the loop starts; the rules of the template filter by it."""

TOKEN_SHOWN: Final = 40
"""Characters of the token in a name."""


def target_request(training: Training, training_input: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """What starts a target.

    Args:
        training: the policy's target.
        training_input: the input as the manifest has it, ``idempotency_token`` and ``output_uri`` included.
        tags: tags of a training job; the policy's own stay beside them.

    Returns:
        The execution's input for a state machine, a StartPipelineExecution or a CreateTrainingJob request.
    """
    token = str(training_input["idempotency_token"])
    if training.kind is TargetKind.SAGEMAKER_PIPELINE:
        return {
            "PipelineName": training.target,
            "ClientRequestToken": token,
            "PipelineExecutionDisplayName": training_name(token),
            "PipelineParameters": [
                {"Name": name, "Value": value}
                for name, value in mapped_parameters(training.parameters, training_input).items()
            ],
        }
    if training.kind is TargetKind.TRAINING_JOB:
        return _training_job_request(training, training_input, tags)
    return dict(training_input)


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
        "TrainingJobName": training_name(str(training_input["idempotency_token"])),
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


def job_made_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a run's training job from another of its name, by part: of a CreateTrainingJob request or of what is described."""
    algorithm = mapping(job.get("AlgorithmSpecification"))
    return {
        "image": algorithm.get("TrainingImage") or algorithm.get("AlgorithmName"),
        "role": job.get("RoleArn"),
        "data": sorted(s3_addresses(job.get("InputDataConfig"))),
        "output": mapping(job.get("OutputDataConfig")).get("S3OutputPath"),
        "parameters": mapping(job.get("HyperParameters")),
    }


def mapped_parameters(wanted: Mapping[str, str], training_input: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of a SageMaker target: those the policy names and no other, a run's value where it names one.

    Values are texts, as both APIs want them; a run's value that is null becomes an empty text.
    """
    known = {**training_input, "evaluation_uri": f"{training_input['output_uri']}evaluation.json"}
    return {
        name: ("" if known[value] is None else str(known[value])) if value in known else value
        for name, value in sorted(wanted.items())
    }


def attempt_input(training_input: Mapping[str, Any], attempt: int) -> dict[str, Any]:
    """A run's input for one attempt at its training, 1 at first.

    Each has a token of its own, of the same form: a name that was used is taken, even by what failed for want of capacity.
    """
    token = str(training_input.get("idempotency_token"))
    return {
        **training_input,
        "idempotency_token": token if attempt == 1 else sha256(f"{token}\x1f{attempt}")[:TOKEN_SHOWN],
    }


def nested_execution_arn(state_machine_arn: str, name: str) -> str:
    """ARN of an execution by its name. A version or alias in the machine's ARN is no part of its executions' ARNs.

    Source: Step Functions, ARNs of ``states:::execution:<machine>:<execution>``.
    """
    parts = state_machine_arn.split(":")
    return ":".join([*parts[:5], "execution", parts[6], name])


def training_name(token: str) -> str:
    """Name of a run's training at its target: execution name, display name or job name.

    It begins with ``retraining-``, so that rules hear of the loop's own trainings only. 51 characters: job names have 63
    at most, execution names 80, display names 82.
    """
    return f"{NAME_PREFIX}{token[:TOKEN_SHOWN]}"


def deployment_name(token: str) -> str:
    """Name of the execution of a team's own deployment."""
    return f"{NAME_PREFIX}deploy-{token[:TOKEN_SHOWN]}"


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """A run's training at its target: what was or will be started, and under which name it is found again."""

    kind: TargetKind
    target: str
    name: str

    @classmethod
    def of(cls, manifest: Mapping[str, Any], attempt: int = 1) -> TrainingTask | None:
        """An attempt at the training a manifest plans; None when it has no target."""
        training = mapping(manifest.get("training"))
        kind = training.get("kind")
        if kind not in set(TargetKind):
            return None
        token = attempt_input(mapping(training.get("input")), attempt)["idempotency_token"]
        return cls(TargetKind(kind), str(training.get("target")), training_name(token))

    @property
    def execution_arn(self) -> str:
        """ARN of the nested execution; only for a state machine."""
        return nested_execution_arn(self.target, self.name)
