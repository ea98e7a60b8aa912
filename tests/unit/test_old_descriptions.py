"""AWS's descriptions lag behind its answers: one that shows the world before an effect proves nothing about it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestration import handler
from orchestration.domain.contracts import EXECUTION_STATUS_CHANGE, Status
from orchestration.domain.errors import NotAcceptedYetError, TransientServiceError
from tests.unit import stories
from tests.unit.fake_services import client_error
from tests.unit.fakes import MACHINE, execution_arn
from tests.unit.stories import ENDPOINT, OLD, do, next_of
from tests.unit.test_hand import PIPELINE

if TYPE_CHECKING:
    from tests.unit.fakes import World


class Lag:
    """From now on an endpoint is described as it is now, until ``over``."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patched = monkeypatch.context()
        before = world.clock() - timedelta(minutes=1)
        shown = {**world.sagemaker.describe_endpoint(EndpointName=ENDPOINT), "LastModifiedTime": before}
        self._patch = self._patched.__enter__()
        self._patch.setattr(world.sagemaker, "describe_endpoint", lambda **_: dict(shown))

    def over(self) -> None:
        """The description has caught up."""
        self._patched.__exit__(None, None, None)


def test_a_rollback_that_was_taken_has_not_failed_while_the_candidate_is_still_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.rejected_by_bake(world)
    world.clock.forward(minutes=10)
    lag = Lag(world, monkeypatch)
    do(world, "roll_back", token="rollback")
    stories.tell_endpoint(world)
    assert next_of(world, "rollback") is None
    lag.over()
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert world.sagemaker.endpoints[ENDPOINT].live == OLD
    assert next_of(world, "rollback") == "finish"
    assert do(world, "close")["outcome"] == Status.ROLLED_BACK


def test_an_update_that_is_refused_since_one_goes_on_is_not_given_up_while_the_champion_is_still_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.accepted(world)
    lag = Lag(world, monkeypatch)
    world.sagemaker.lose("UpdateEndpoint")
    for token in ("first", "second"):
        with pytest.raises(NotAcceptedYetError):
            do(world, "promote", token=token)
    lag.over()
    assert do(world, "promote", token="third") == {"started": True}
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert next_of(world, "third") == "bake"


def test_a_rollback_that_is_refused_since_one_goes_on_has_not_failed_while_the_candidate_is_still_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.rejected_by_bake(world)
    world.clock.forward(minutes=10)
    lag = Lag(world, monkeypatch)
    world.sagemaker.lose("UpdateEndpoint")
    for token in ("first", "second"):
        with pytest.raises(NotAcceptedYetError):
            do(world, "roll_back", token=token)
    lag.over()
    assert do(world, "roll_back", token="third") == {"started": True}
    world.sagemaker.settle(ENDPOINT)
    stories.tell_endpoint(world)
    assert do(world, "close")["outcome"] == Status.ROLLED_BACK


def test_a_pipeline_execution_that_is_listed_and_not_described_yet_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories.training(world, training={"target": PIPELINE})
    with monkeypatch.context() as lag:
        error = client_error("ResourceNotFound", "no", "DescribePipelineExecution")

        def missing(**_: Any) -> dict[str, Any]:
            raise error

        lag.setattr(world.sagemaker, "describe_pipeline_execution", missing)
        assert do(world, "train", token="again") == {"started": True}
        assert next_of(world, "again") is None
        do(world, "close")
        assert world.table.slots().holder("run-1") is not None


def test_an_execution_told_dead_and_described_alive_is_looked_at_again(world: World) -> None:
    world.executions.statuses[execution_arn("run-1")] = "RUNNING"
    detail = {
        "stateMachineArn": MACHINE,
        "executionArn": execution_arn("run-1"),
        "name": "run-1",
        "status": "ABORTED",
        "redriveCount": 0,
    }
    event = {"detail-type": EXECUTION_STATUS_CHANGE, "detail": detail}
    with pytest.raises(TransientServiceError):
        handler.run_action(event, world.ports)
    world.executions.end(execution_arn("run-1"), "ABORTED")
    handler.run_action(event, world.ports)
    assert world.told("FAILED")


def test_an_execution_that_was_redriven_since_it_was_told_dead_is_left_to_its_next_end(world: World) -> None:
    world.executions.statuses[execution_arn("run-1")] = "RUNNING"
    world.executions.more[execution_arn("run-1")] = {"redriveCount": 1}
    detail = {
        "stateMachineArn": MACHINE,
        "executionArn": execution_arn("run-1"),
        "name": "run-1",
        "status": "ABORTED",
        "redriveCount": 0,
    }
    event = {"detail-type": EXECUTION_STATUS_CHANGE, "detail": detail}
    assert handler.run_action(event, world.ports) == {"outcome": None}
    assert world.told("FAILED") == []
