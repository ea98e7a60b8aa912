"""What a training target gave back, read with care: it is a team's own code that wrote it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import json_object, mapping, s3_uri, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MODEL_PACKAGE_ARN: Final = re.compile(
    r"arn:[a-z-]+:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/[A-Za-z0-9-]{1,63}(/[0-9]{1,9})?"
)

ENVIRONMENT_KEY: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,1023}")
"""Names CreateModel takes for a container's environment. Source: SageMaker API, ContainerDefinition$Environment."""

ENVIRONMENT_ENTRIES: Final = 100
ENVIRONMENT_BYTES: Final = 32 * 1024
"""Variables of a container's environment, and bytes of their names and values. Source: the same."""


@dataclass(frozen=True, slots=True)
class TrainingOutput:
    """What a training target gave back, checked. Any of ``model_package_arn`` or ``model_data_uri`` names the model."""

    model_package_arn: str | None = None
    model_data_uri: str | None = None
    image: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    evaluation_uri: str | None = None
    baseline_statistics_uri: str | None = None
    baseline_constraints_uri: str | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> TrainingOutput:
        """The output as ``asdict`` and JSON keep it."""
        pairs = tuple((str(key), str(value)) for key, value in record.get("environment", ()))
        return cls(**{**record, "environment": pairs})


def read_training_output(raw: Any, *, output_uri: str) -> TrainingOutput | str:
    """Check a target's output. What is not legal is left out; the evaluation and the plan then say what is missing.

    Args:
        raw: the output: an object, a JSON text of one, or anything else a state machine can return.
        output_uri: prefix of the run's outputs; evaluation.json is looked for there unless the target names another.

    Returns:
        The output; or why it cannot be taken, to follow "the output". A text that is no JSON object gives nothing.
    """
    output = json_object(raw) if isinstance(raw, str) and raw.lstrip().startswith("{") else mapping(raw)
    if isinstance(output, str):
        return output
    package = output.get("model_package_arn")
    environment = tuple(
        (str(key), str(value))
        for key, value in sorted(mapping(output.get("environment")).items())
        if value is not None and ENVIRONMENT_KEY.fullmatch(str(key))
    )
    if (large := _too_large(environment)) is not None:
        return large
    return TrainingOutput(
        model_package_arn=package if isinstance(package, str) and MODEL_PACKAGE_ARN.fullmatch(package) else None,
        model_data_uri=s3_uri(output.get("model_data_url") or output.get("model_data_uri")),
        image=text(output.get("image"), 255),
        environment=environment,
        evaluation_uri=s3_uri(output.get("evaluation_uri")) or f"{output_uri}evaluation.json",
        baseline_statistics_uri=s3_uri(output.get("baseline_statistics_uri")),
        baseline_constraints_uri=s3_uri(output.get("baseline_constraints_uri")),
    )


def _too_large(environment: tuple[tuple[str, str], ...]) -> str | None:
    """What of an environment SageMaker would refuse at the promotion; until then the table would have to keep it."""
    size = sum(len(f"{name}{value}".encode()) for name, value in environment)
    what, most = f"{size} bytes", ENVIRONMENT_BYTES
    if len(environment) > ENVIRONMENT_ENTRIES:
        what, most = f"{len(environment)} variables", ENVIRONMENT_ENTRIES
    elif size <= ENVIRONMENT_BYTES:
        return None
    return f"has an environment of {what}; SageMaker takes {most}. Put what is large into the model's archive"


def trained_by_pipeline(steps: Iterable[Any]) -> tuple[str | None, str | None]:
    """What the steps of a SageMaker pipeline execution made: training job ARN and model package ARN, None each if none.

    A pipeline returns nothing, so the last Training step and the last RegisterModel step that succeeded stand for its
    output; a condition that skipped the registration leaves the training job.

    Args:
        steps: PipelineExecutionSteps of ListPipelineExecutionSteps in the order they started.
    """
    job = package = None
    for step in map(mapping, steps):
        if step.get("StepStatus") != "Succeeded":
            continue
        metadata = mapping(step.get("Metadata"))
        job = text(mapping(metadata.get("TrainingJob")).get("Arn"), 256) or job
        package = text(mapping(metadata.get("RegisterModel")).get("Arn"), 2048) or package
    return job, package
