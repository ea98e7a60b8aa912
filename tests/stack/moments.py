"""Moments of a run's life that a story waits for: a wait that is parked, a run that is closed, a model that is idle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.stack.loop import Loop

SWEEP: dict[str, Any] = {"action": "sweep", "ahead_seconds": 600}


def run_of(arn: str) -> str:
    """The run of an execution."""
    return arn.rsplit(":", 1)[-1]


def parked(loop: Loop, arn: str, name: str) -> dict[str, Any]:
    """Await that a run waits: for ``slot``, ``training``, ``promotion``, ``bake``, ``rollback``, or ``approval:<subject>``."""
    kind, _, subject = name.partition(":")
    key = (f"APPROVAL#{run_of(arn)}", subject) if subject else (f"WAIT#{run_of(arn)}", kind)

    def waits() -> Any:
        item = loop.item(*key)
        return item if item is not None and item["state"]["S"] == "PARKED" else None

    found: dict[str, Any] = loop.until(waits)
    return found


@contextmanager
def asleep(loop: Loop) -> Iterator[None]:
    """Have OrchestrationFunction take no call meanwhile: events are lost, and nobody looks."""
    functions, name = loop.aws.client("lambda"), loop.outputs["OrchestrationFunctionName"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        loop.until(lambda: loop.aws.functions_running() == 0)
        yield
    finally:
        functions.delete_function_concurrency(FunctionName=name)


def stop(loop: Loop, arn: str) -> None:
    """Stop an execution as an operator does."""
    loop.aws.client("stepfunctions").stop_execution(executionArn=arn, error="Operator", cause="a story says so")


def outcome(loop: Loop, arn: str) -> str:
    """Await a run's outcome."""

    def closed() -> Any:
        item = loop.item(f"RUN#{run_of(arn)}", "RUN") or {}
        return item.get("outcome", {}).get("S")

    return str(loop.until(closed))


def redriven(loop: Loop, arn: str) -> str:
    """Redrive an execution, await its end, and give its status."""
    loop.aws.client("stepfunctions").redrive_execution(executionArn=arn)
    return loop.ended(arn).status


def pause(loop: Loop, scope: str) -> Any:
    """Throw a kill switch."""
    return loop.operate({"action": "pause", "scope": scope, "reason": "a story says so."})


def serving(loop: Loop, model: str) -> str:
    """The config a model's endpoint serves with."""
    return loop.endpoint_config(f"{model}-prod")


def deploy_hotfix(loop: Loop, model: str) -> str:
    """Somebody deploys another config on a model's endpoint; gives its name once it serves."""
    sagemaker = loop.aws.client("sagemaker")
    name = f"{model}-hotfix"
    config = sagemaker.describe_endpoint_config(EndpointConfigName=f"{model}-first")
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=config["ProductionVariants"])
    sagemaker.update_endpoint(EndpointName=f"{model}-prod", EndpointConfigName=name)
    loop.until(lambda: serving(loop, model) == name)
    return name


def partition(loop: Loop, pk: str) -> list[dict[str, Any]]:
    """Raw items of a partition of the HistoryTable."""
    found: list[dict[str, Any]] = loop.aws.client("dynamodb").query(
        TableName=loop.table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": pk}}
    )["Items"]
    return found


def due(loop: Loop, text: str) -> list[str]:
    """Sort keys of due items that speak of something."""
    partitions = ["DUE#APPROVALS", "DUE#EVENTS", *(f"DUE#{number}" for number in range(8))]
    return [item["sk"]["S"] for pk in partitions for item in partition(loop, pk) if text in json.dumps(item)]


def holders(loop: Loop) -> list[str]:
    """Runs that hold a training slot."""
    item = loop.item("SLOTS", "LEDGER")
    held = json.loads(item["holders"]["S"].removeprefix("json:")) if item else []
    return [entry["run_id"] for entry in held]
