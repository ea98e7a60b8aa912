"""Whose check is a processing job that says a SageMaker pipeline ran it? Reads tags, the policy and the list of steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from orchestration.domain.boundary import Boundary
from orchestration.domain.contracts import MODEL_TAG
from orchestration.domain.json_values import ascii_lower, model_name
from orchestration.domain.monitor_run import PipelineCheck
from orchestration.domain.ownership import place_finding
from orchestration.steps.policies import effective_policy

if TYPE_CHECKING:
    from orchestration.ports import Ports

EXECUTION_TAG: Final = "sagemaker:pipeline-execution-arn"
"""Tag that SageMaker Pipelines set on the jobs they start. Anybody can set it, so it says only where to look.

Source: the SageMaker SDK finds a job's pipeline by it (``sagemaker/lineage``).
"""

_EXECUTION: Final = re.compile(
    r"(arn:[a-z-]+:sagemaker:[a-z0-9-]+:[0-9]{12}:pipeline/[A-Za-z0-9-]{1,256})/execution/[A-Za-z0-9-]{1,64}"
)


def pipeline_check(ports: Ports, job_arn: str) -> PipelineCheck | None:
    """The pipeline that a job's tag names, with what SageMaker lists; None when it names none of this account and Region."""
    execution = ports.sagemaker.tag(job_arn, EXECUTION_TAG) or ""
    named = _EXECUTION.fullmatch(execution)
    if named is None or place_finding("Pipeline", named[1], Boundary.of(ports.settings)) is not None:
        return None
    pipeline = named[1]
    model = model_name(ports.sagemaker.tag(pipeline, MODEL_TAG))
    if model is None:
        return PipelineCheck(pipeline, None)
    loaded = effective_policy(ports, model)
    # SageMaker writes the names of pipelines in lower case in ARNs, and people as they like.
    if loaded is not None and ascii_lower(loaded.policy.training.target) == ascii_lower(pipeline):
        return PipelineCheck(pipeline, model, trains=True)
    return PipelineCheck(pipeline, model, listing=ports.sagemaker.pipeline_step(execution, job_arn))
