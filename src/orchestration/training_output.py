"""What a training target gave back, read with care: it is a team's own code that wrote it. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from orchestration.promotion import TrainingOutput
from orchestration.signal import mapping, s3_uri, text

MODEL_PACKAGE_ARN: Final = re.compile(
    r"arn:[a-z-]+:sagemaker:[a-z0-9-]+:\d{12}:model-package/[A-Za-z0-9-]{1,63}(/\d{1,9})?"
)


def read_training_output(raw: Any, *, output_uri: str) -> TrainingOutput:
    """Check a target's output. What is not legal is left out; the evaluation and the plan then say what is missing.

    Args:
        raw: the output: an object, a JSON text of one, or anything else a state machine can return.
        output_uri: prefix of the run's outputs; evaluation.json is looked for there unless the target names another.
    """
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            raw = {}
    output = mapping(raw)
    package = output.get("model_package_arn")
    environment = tuple(
        (str(key), str(value)) for key, value in sorted(mapping(output.get("environment")).items()) if value is not None
    )
    return TrainingOutput(
        model_package_arn=package if isinstance(package, str) and MODEL_PACKAGE_ARN.fullmatch(package) else None,
        model_data_uri=s3_uri(output.get("model_data_url") or output.get("model_data_uri")),
        image=text(output.get("image"), 255),
        environment=environment,
        evaluation_uri=s3_uri(output.get("evaluation_uri")) or f"{output_uri}evaluation.json",
    )
