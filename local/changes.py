"""All that is changed of ministack: importing this registers it, ``local.seam`` puts it in its place."""

from __future__ import annotations

from local import (  # noqa: F401 - each registers what it changes
    alarm_events,
    caller_identity,
    clock,
    cloudformation_types,
    dynamodb_expressions,
    event_buses,
    eventbridge_targets,
    iam_enforcement,
    iam_simulation,
    lambda_code,
    lambda_errors,
    lambda_logs,
    lambda_pauses,
    lambda_processes,
    lambda_throttling,
    s3_locks,
    server,
    stack_progress,
    step_functions_executions,
    step_functions_integrations,
    step_functions_jsonata,
    step_functions_limits,
    step_functions_redrive,
    step_functions_sdk_calls,
)
from local.seam import CHANGES, Addition, Own, Repair

REPAIRS = tuple(sorted((each for each in CHANGES if isinstance(each, Repair)), key=lambda each: each.name.lower()))


def tables() -> str:
    """What is changed of ministack, in Markdown: repairs, additions, and what neither AWS nor ministack has."""
    repairs = [f"| {each.name} | {each.alone} | {each.aws} | {_linked(each.source)} |" for each in REPAIRS]
    additions = sorted(
        (f"| {each.name} | {each.what} |" for each in CHANGES if isinstance(each, Addition)), key=str.lower
    )
    own = sorted((f"| {each.name} | {each.why} |" for each in CHANGES if isinstance(each, Own)), key=str.lower)
    return "\n".join(
        [
            "| Repaired | ministack alone | here, as on AWS | source |",
            "| --- | --- | --- | --- |",
            *repairs,
            "\n| Added, since ministack lacks it | |",
            "| --- | --- |",
            *additions,
            "\n| This package's own | |",
            "| --- | --- |",
            *own,
        ]
    )


def _linked(source: str) -> str:
    return f"[{source.rstrip('/').rsplit('/', 1)[-1].removesuffix('.html')}]({source})" if "://" in source else source
