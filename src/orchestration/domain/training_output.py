"""What a training target gave back, read with care: it is a team's own code that wrote it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.json_values import json_object, mapping, s3_uri, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MODEL_PACKAGE_ARN: Final = re.compile(
    r"arn:[a-z-]+:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/[A-Za-z0-9-]{1,63}(/[0-9]{1,9})?"
)

ENVIRONMENT_KEY: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,1023}")
"""Names CreateModel takes for a container's environment. Source: SageMaker API, ContainerDefinition$Environment."""

IMAGE_CHARACTERS: Final = 255
"""Of an image's name. Source: SageMaker API, ContainerDefinition$Image."""

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
    """Check a target's output. What is there and not legal is told, since nothing else would say why it is missing.

    Args:
        raw: the output: an object, a JSON text of one, or anything else a state machine can return.
        output_uri: prefix of the run's outputs; evaluation.json is looked for there unless the target names another.

    Returns:
        The output; or why it cannot be taken, to follow "the output". A text that is no JSON object gives nothing.
    """
    output = json_object(raw) if isinstance(raw, str) and raw.lstrip().startswith("{") else mapping(raw)
    if isinstance(output, str):
        return output
    found = {name: read(output[name]) for name, (read, _) in READ.items() if output.get(name) not in NOTHING}
    for name, value in found.items():
        if value is None:
            return (
                f"names {name} {text(output[name], 200) or type(output[name]).__name__!r}, which is not {READ[name][1]}"
            )
    environment = found.get("environment", ())
    if (large := _too_large(environment)) is not None:
        return large
    return TrainingOutput(
        model_package_arn=found.get("model_package_arn"),
        model_data_uri=found.get("model_data_url") or found.get("model_data_uri"),
        image=found.get("image"),
        environment=environment,
        evaluation_uri=found.get("evaluation_uri") or f"{output_uri}evaluation.json",
        baseline_statistics_uri=found.get("baseline_statistics_uri"),
        baseline_constraints_uri=found.get("baseline_constraints_uri"),
    )


def _package_arn(value: Any) -> str | None:
    return value if isinstance(value, str) and MODEL_PACKAGE_ARN.fullmatch(value) else None


def _image(value: Any) -> str | None:
    return text(value, IMAGE_CHARACTERS) if isinstance(value, str) and len(value.strip()) <= IMAGE_CHARACTERS else None


def _environment(value: Any) -> tuple[tuple[str, str], ...] | None:
    given = {str(key): each for key, each in mapping(value).items() if each is not None}
    plain = all(isinstance(each, (str, int, float)) for each in given.values())
    if not isinstance(value, dict) or not plain or not all(map(ENVIRONMENT_KEY.fullmatch, given)):
        return None
    return tuple((key, str(each)) for key, each in sorted(given.items()))


NOTHING: Final = (None, "")
"""Values of a key that say the same as its absence."""

_S3: Final = (s3_uri, "an s3:// address of an object")
READ: Final[dict[str, tuple[Callable[[Any], Any], str]]] = {
    "model_package_arn": (_package_arn, "the ARN of a model package"),
    "model_data_url": _S3,
    "model_data_uri": _S3,
    "image": (_image, "the name of an image, of 255 characters at most"),
    "environment": (
        _environment,
        "an object of texts whose names CreateModel takes: letters, digits and _, no digit first",
    ),
    "evaluation_uri": _S3,
    "baseline_statistics_uri": _S3,
    "baseline_constraints_uri": _S3,
}
"""How each key of an output is read, and what it has to be."""


def _too_large(environment: tuple[tuple[str, str], ...]) -> str | None:
    """What of an environment SageMaker would refuse at the promotion; until then the table would have to keep it."""
    size = sum(len(f"{name}{value}".encode()) for name, value in environment)
    what, most = f"{size} bytes", ENVIRONMENT_BYTES
    if len(environment) > ENVIRONMENT_ENTRIES:
        what, most = f"{len(environment)} variables", ENVIRONMENT_ENTRIES
    elif size <= ENVIRONMENT_BYTES:
        return None
    return f"has an environment of {what}; SageMaker takes {most}. Put what is large into the model's archive"


def taken_from_cache(steps: Iterable[Any]) -> str | None:
    """Name of a step that should have trained or registered and took an earlier result from the pipeline's cache; None if none.

    Source: SageMaker developer guide, "Caching pipeline steps"; ``CacheHitResult`` of PipelineExecutionStep.
    """
    made = (
        step for step in map(mapping, steps) if step.get("StepStatus") == "Succeeded" and step.get("CacheHitResult")
    )
    trains = (step for step in made if {"TrainingJob", "RegisterModel"} & mapping(step.get("Metadata")).keys())
    return next((text(step.get("StepName"), 100) or "" for step in trains), None)


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
