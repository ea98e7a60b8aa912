"""Requests that lack something, or come too early, are refused with a sentence and change nothing; a crowd is told to try again."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from orchestration.domain.errors import ContentionError, InvalidRequestError
from orchestration.steps.looking import planned
from orchestration.steps.operators import asked_scope
from orchestration.steps.rivals import ATTEMPTS, PAUSE, against_rivals
from tests.unit import stories
from tests.unit.fakes import World, drift, execution_arn
from tests.unit.stories import do

WORKFLOW = ("admit", "park", "evaluate", "close", "train", "promote", "roll_back", "finish")
"""What the workflow asks for."""

PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/7"


# Operators.


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:alarm"])
def test_a_scope_is_everything_a_model_or_a_source(scope: str) -> None:
    assert asked_scope({"scope": scope}) == scope


@pytest.mark.parametrize(
    "scope", [None, "", "globe", "model:", "model:../x", "source:rumour", "fraud", "team:fraud", "team:alarm"]
)
def test_what_is_no_scope_is_neither_paused_nor_resumed(scope: str | None, world: World) -> None:
    for action in ("pause", "unpause"):
        with pytest.raises(InvalidRequestError, match="is no scope"):
            do(world, action, scope=scope, by="ana", reason="Incident 7.")
    assert world.database.items == {}


def test_nothing_is_paused_or_unfrozen_without_why(world: World) -> None:
    request: dict[str, Any] = {"scope": "global", "model": "fraud", "by": "ana", "reason": " "}
    for action in ("pause", "unfreeze"):
        with pytest.raises(InvalidRequestError, match="lacks 'reason'"):
            do(world, action, **request)
    assert world.database.items == {}


@pytest.mark.parametrize("model", [None, "", "../x"])
def test_what_is_no_model_is_not_unfrozen(model: str | None, world: World) -> None:
    with pytest.raises(InvalidRequestError, match="needs a model"):
        do(world, "unfreeze", model=model, by="ana", reason="Looked at.")


# The workflow.


@pytest.mark.parametrize(
    "execution",
    [
        {"id": f"{execution_arn('run-1')}-forged", "name": "run-1"},
        {"id": execution_arn("run-1"), "name": "run-2"},
        {"id": execution_arn("run-1").replace(":retraining:", ":payroll:"), "name": "run-1"},
        {"id": execution_arn("run-1").replace("111122223333", "444455556666"), "name": "run-1"},
        {"id": "run-1", "name": "run-1"},
        {"id": None, "name": "run-1"},
        {"id": execution_arn("run-1")},
        None,
    ],
)
def test_nothing_is_done_for_an_execution_that_is_none_of_the_stacks(
    execution: dict[str, Any] | None, world: World
) -> None:
    stories.trained(world)
    before = copy.deepcopy(world.database.items), list(world.sagemaker.requests)
    for action in WORKFLOW:
        with pytest.raises(InvalidRequestError, match=r"none of this stack.s workflow|names its execution"):
            do(world, action, token="t", event=drift(), kind="bake", execution=execution)
        assert (world.database.items, list(world.sagemaker.requests)) == before, action


def test_nothing_is_evaluated_before_the_training_is_over(world: World) -> None:
    stories.with_slot(world)
    for _ in ("before it begins", "while it goes on"):
        with pytest.raises(InvalidRequestError, match="is not over, so there is nothing to evaluate"):
            do(world, "evaluate")
        do(world, "train", token="training")
    assert world.table.candidate_verdict("run-1") is None


def test_nothing_is_planned_without_a_candidate_that_passed(world: World) -> None:
    with pytest.raises(InvalidRequestError, match="no candidate that passed its gates"):
        planned(world.ports, "run-1")
    stories.trained(world, report={"binary_classification_metrics": {"auc": {"value": 0.1}}})
    do(world, "evaluate")
    assert world.table.candidate_verdict("run-1") is not None
    with pytest.raises(InvalidRequestError, match="no candidate that passed its gates"):
        planned(world.ports, "run-1")


def test_nothing_is_baked_before_it_is_promoted(world: World) -> None:
    stories.accepted(world)
    with pytest.raises(InvalidRequestError, match="promoted nothing, so there is nothing to bake"):
        do(world, "park", kind="bake", token="bake")


def test_what_moves_no_endpoint_is_not_baked(world: World) -> None:
    world.sagemaker.packages[PACKAGE] = {"ModelPackageArn": PACKAGE, "ModelApprovalStatus": "PendingManualApproval"}
    stories.accepted(world, output={"model_package_arn": PACKAGE}, promotion={"kind": "registry"})
    do(world, "promote", token="promotion")
    with pytest.raises(InvalidRequestError, match="moves no endpoint"):
        do(world, "park", kind="bake", token="bake")


# Rivals.


def test_who_meets_rivals_every_time_pauses_between_its_tries_and_is_told_to_try_again(world: World) -> None:
    pauses: list[float] = []
    ports = replace(world.ports, pause=pauses.append)
    with pytest.raises(ContentionError, match=f"The ledger kept changing {ATTEMPTS} times; nothing was changed"):
        against_rivals(ports, lambda: None, "The ledger")
    assert pauses == [PAUSE] * ATTEMPTS
