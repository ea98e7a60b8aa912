"""What is read of a run before anything is done for it, and what a request of the workflow has to say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.switches import sources_of
from orchestration.steps.sight import asked_run, asked_token, gather
from tests.unit import stories
from tests.unit.fakes import World, execution_arn


@pytest.mark.parametrize("execution", [None, {}, {"name": "run-1"}, {"id": "arn"}, {"name": "", "id": "arn"}, "run-1"])
def test_a_request_that_does_not_name_its_execution_is_refused(execution: Any, world: World) -> None:
    with pytest.raises(InvalidRequestError, match="names its execution"):
        asked_run(world.ports, {"execution": execution})


@pytest.mark.parametrize("token", [None, "", 7, ["token"]])
def test_a_request_without_a_token_is_refused(token: Any) -> None:
    with pytest.raises(InvalidRequestError, match="task token"):
        asked_token({"token": token})


def forget_the_policy(world: World) -> None:
    """The run's manifest pins no policy, as those of releases before 0.2."""
    item = world.database.items["RUN#run-1", "RUN"]
    manifest = json.loads(item["manifest"]["S"])
    del manifest["policy"]
    item["manifest"]["S"] = json.dumps(manifest)


def test_a_run_that_pins_no_policy_goes_back_under_the_one_in_force(world: World) -> None:
    stories.decided(world)
    forget_the_policy(world)

    assert gather(world.ports, "run-1", execution_arn("run-1"), forward=False).policy.promotion.endpoint == "fraud-prod"


def test_going_back_asks_no_policy_that_could_forbid_it(world: World) -> None:
    stories.decided(world)
    world.remove("policies/fraud.json")

    assert gather(world.ports, "run-1", execution_arn("run-1"), forward=False).policy.promotion.endpoint == "fraud-prod"


def test_a_run_that_no_policy_speaks_of_is_not_gone_on_with(world: World) -> None:
    stories.decided(world)
    forget_the_policy(world)
    world.remove("policies/fraud.json")

    with pytest.raises(InvalidRequestError, match="has no policy"):
        gather(world.ports, "run-1", execution_arn("run-1"))


@pytest.mark.parametrize(
    ("signal", "sources"),
    [
        ({"source": "alarm"}, ("alarm",)),
        ({"source": "alarm", "origin": None}, ("alarm",)),
        ({"source": "pending", "origin": "alarm"}, ("pending", "alarm")),
        ({"source": "alarm", "origin": "alarm"}, ("alarm",)),
        (None, ()),
    ],
)
def test_a_run_is_of_who_raised_its_signal_and_of_pending_where_it_was_kept(
    signal: Any, sources: tuple[str, ...]
) -> None:
    assert sources_of({"signal": signal}) == sources
