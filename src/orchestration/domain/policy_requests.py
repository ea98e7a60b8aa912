"""What a policy writes into requests of its own, held against what SageMaker takes there. Pure.

``training_target.target_request`` and ``promotion.plan_promotion`` make the requests; here the policy's words in them are
read before a run begins, so that none trains for hours, or asks people, for a request that AWS can only refuse.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import MODEL_TAG, RUN_TAG
from orchestration.domain.json_values import mapping, sequence
from orchestration.domain.service_shapes import part_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HYPERPARAMETERS: Final = "CreateTrainingJob.HyperParameters"

LOOPS_TAGS: Final = ({"Key": MODEL_TAG, "Value": ""}, {"Key": RUN_TAG, "Value": ""})
"""Tags that the loop adds to a job's own; their values are names, which are short."""


def job_findings(request: Mapping[str, Any], parameters: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with ``training.request`` and ``training.parameters`` of a training job: path and rule of each."""
    where, output = "$.training.request", request.get("OutputDataConfig", {})
    if "TrainingJobName" in request:
        yield f"{where}.TrainingJobName", "is the loop's to say: leave it out, each run's job has a name of its own"
    if "S3OutputPath" in mapping(output):
        yield f"{where}.OutputDataConfig.S3OutputPath", "is the loop's to say: leave it out, it is the run's output_uri"
    for index, tag in enumerate(sequence(request.get("Tags"))):
        if mapping(tag).get("Key") in (MODEL_TAG, RUN_TAG):
            yield f"{where}.Tags[{index}].Key", f"is {tag['Key']}, a tag that is the loop's to set: leave it out"
    named = {**request, "TrainingJobName": "retraining"}
    if isinstance(output, dict):
        named["OutputDataConfig"] = {**output, "S3OutputPath": "s3://bucket/"}
    legal = True
    # One after the other: who asks stops after some, and a file may have thousands.
    for finding in itertools.chain(
        part_findings("CreateTrainingJob", named, where),
        part_findings(HYPERPARAMETERS, parameters, "$.training.parameters"),
    ):
        legal = False
        yield finding
    if legal:
        # What is legal alone may be too much together.
        merged = {**request.get("HyperParameters", {}), **parameters}
        yield from part_findings(HYPERPARAMETERS, merged, f"{where}.HyperParameters with training.parameters")
        tags = [*request.get("Tags", ()), *LOOPS_TAGS]
        yield from part_findings("CreateTrainingJob.Tags", tags, f"{where}.Tags with the loop's own two")


def pipeline_findings(parameters: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with ``training.parameters`` of a SageMaker pipeline."""
    yield from part_findings("StartPipelineExecution.PipelineParameters", parameters, "$.training.parameters")


def deployment_findings(deployment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with ``promotion.deployment``."""
    yield from part_findings("UpdateEndpoint.DeploymentConfig", deployment, "$.promotion.deployment")
