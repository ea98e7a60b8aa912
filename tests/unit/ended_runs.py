"""Runs that ended, each in its way, with their report in the bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orchestration.domain.run_report import RunRecords
from orchestration.steps.reports import read_records
from tests.unit import stories
from tests.unit.fakes import World
from tests.unit.history import promoted
from tests.unit.stories import do


def records(world: World, model: str = "fraud", run_id: str = "run-1") -> RunRecords:
    return read_records(lambda key: world.bucket.read(world.bucket.uri(key)).body, world.bucket.name, model, run_id)


def rolled_back(world: World) -> None:
    stories.rejected_by_bake(world)
    do(world, "roll_back", token="rollback")
    world.sagemaker.settle(stories.ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "close")


def rejected_by_gate(world: World) -> None:
    stories.trained(world, report={"binary_classification_metrics": {"auc": {"value": 0.5}}})
    do(world, "evaluate")
    do(world, "close")


def rejected_by_people(world: World) -> None:
    stories.asked(world)
    stories.approve(world, decision="REJECTED")
    do(world, "close")


def failed(world: World) -> None:
    stories.training(world)
    do(world, "close", failure={"error": "Boom", "cause": "It broke."})


def superseded(world: World) -> None:
    stories.trained(world)
    world.sagemaker.serve(stories.ENDPOINT, "somebody-elses")
    do(world, "evaluate")
    do(world, "close")


def stopped(world: World) -> None:
    stories.asked(world)
    stories.tell_dead(world, "ABORTED")


WAYS: Final[dict[str, Callable[[World], None]]] = {
    "PROMOTED": promoted,
    "ROLLED_BACK": rolled_back,
    "CANDIDATE_REJECTED": rejected_by_gate,
    "APPROVAL_REJECTED": rejected_by_people,
    "FAILED": failed,
    "SUPERSEDED": superseded,
    "STOPPED": stopped,
}
"""By the outcome that they lead to."""


def half_approved(world: World) -> None:
    """Of two who have to approve the training one did, and then the run is stopped."""
    asks = {"warning": "approve", "critical": "approve"}
    stories.decided(world, approval={"training": "always", "approvals_needed": 2}, actions=asks)
    do(world, "park", kind="approval", subject="training", token="token")
    assert stories.approve(world)["counted"]
    stories.tell_dead(world, "ABORTED")
