"""An endpoint that a closed run left in a change: somebody looks when it is settled, and tells people what serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest

from orchestration.domain.contracts import DueKind
from orchestration.domain.due import DueItem
from orchestration.domain.intention import Intention, IntentionState, endpoint_subject
from orchestration.domain.notification import Message
from orchestration.domain.stored_model import StoredModel
from orchestration.steps.winding_down import look_at_intention
from orchestration.stores.sagemaker_reading import SageMaker
from tests.unit import stories
from tests.unit.fakes import NOON, ProcessDiedError, World
from tests.unit.stories import ENDPOINT, OLD, candidate, do, next_of


def left(world: World) -> DueItem:
    """A run died while its endpoint moved; what is due about it."""
    stories.moving(world)
    stories.tell_dead(world, "ABORTED")
    (item,) = world.due(DueKind.INTENT)
    return item


def shows(monkeypatch: pytest.MonkeyPatch, described: dict[str, Any] | None) -> None:
    def endpoint(_: SageMaker, name: str) -> dict[str, Any] | None:
        assert name == ENDPOINT
        return described

    monkeypatch.setattr(SageMaker, "endpoint", endpoint)


@pytest.mark.parametrize(
    ("serves", "said"),
    [
        (None, "The endpoint does not exist any more."),
        ("candidate", "serves the candidate's config {live}, which no bake has judged."),
        (OLD, "serves the champion's config {live}; the change never took effect or was taken back."),
        ("hotfix", "serves config hotfix, neither the candidate's nor the champion's."),
    ],
)
def test_people_are_paged_with_what_serves(
    serves: str | None, said: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = left(world)
    live = candidate(world) if serves == "candidate" else serves
    shows(monkeypatch, {"EndpointConfigName": live, "EndpointStatus": "InService"} if live else None)
    world.clock.forward(minutes=2)

    assert look_at_intention(world.ports, item).again is None

    (message,) = world.told("ENDPOINT_LEFT")
    assert message.sentence.endswith(said.format(live=live))
    assert (message.escalates, message.thread, message.model) == (True, "run-1", "fraud")
    assert dict(message.facts)["candidate config"] == candidate(world)
    assert any("retraining unfreeze --model fraud " in str(step) for step in message.next_steps)
    assert world.table.intention(endpoint_subject(ENDPOINT)) is not None


@pytest.mark.parametrize(
    "described",
    [
        *({"EndpointStatus": status} for status in ("Updating", "SystemUpdating", "RollingBack", "Creating")),
        {"EndpointStatus": "InService", "PendingDeploymentSummary": {"EndpointConfigName": "x"}},
    ],
)
def test_an_endpoint_that_still_moves_is_looked_at_again(
    described: dict[str, Any], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = left(world)
    shows(monkeypatch, {"EndpointConfigName": OLD, **described})
    world.clock.forward(minutes=2)
    again = look_at_intention(world.ports, item).again
    assert again is not None
    assert datetime.fromisoformat(again.due_at) == world.clock() + timedelta(minutes=1)
    assert world.told("ENDPOINT_LEFT") == []


def test_nobody_looks_before_the_function_that_changed_it_is_over(world: World) -> None:
    item = left(world)
    again = look_at_intention(world.ports, item).again
    intention = world.table.intention(endpoint_subject(ENDPOINT))
    assert again is not None
    assert intention is not None
    assert item.due_at == again.due_at == intention.settles_at


def test_what_serves_is_told_once_and_by_a_sweep_if_whoever_looked_died_before(world: World) -> None:
    item = left(world)
    world.sagemaker.settle(ENDPOINT)
    world.clock.forward(minutes=2)

    def dies(_: Message) -> NoReturn:
        raise ProcessDiedError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.channels, "tell", dies)
        with pytest.raises(ProcessDiedError):
            look_at_intention(world.ports, item)
    world.table.done(item)
    world.clock.forward(minutes=5)
    for _ in range(2):
        do(world, "sweep")
        world.clock.forward(minutes=5)
    assert len(world.told("ENDPOINT_LEFT")) == 1
    assert world.due(DueKind.TELL) == []


def test_a_change_that_another_run_makes_by_now_is_not_told_of(world: World) -> None:
    item = left(world)
    world.database.items[f"INTENT#{endpoint_subject(ENDPOINT)}", "INTENT"]["run_id"] = {"S": "run-2"}
    world.clock.forward(minutes=2)
    assert look_at_intention(world.ports, item).again is None
    assert world.told("ENDPOINT_LEFT") == []


def test_an_endpoint_whose_model_was_unfrozen_already_is_settled_by_the_look(world: World) -> None:
    item = left(world)
    world.table.save_model(replace(world.table.model("fraud"), frozen_reason=None))
    world.sagemaker.settle(ENDPOINT)
    world.clock.forward(minutes=2)
    look_at_intention(world.ports, item)
    assert world.table.intention(endpoint_subject(ENDPOINT)) is None


@pytest.mark.parametrize(
    ("state", "frozen", "started"),
    [
        (IntentionState.ABANDONED, "Left.", False),
        (IntentionState.ABANDONED, None, True),
        (IntentionState.OPEN, "Left.", False),
        (IntentionState.OPEN, None, False),
    ],
)
def test_an_endpoint_that_another_models_run_changes_or_left_is_not_changed_until_people_settled_it(
    state: IntentionState, frozen: str | None, started: bool, world: World
) -> None:
    stories.accepted(world)
    world.table.save_model(StoredModel("risk", frozen_reason=frozen))
    at = NOON.isoformat()
    other = Intention(endpoint_subject(ENDPOINT), "run-9", "risk", "arn", at, at, 1, state=str(state))
    world.table._write(world.table.intention_write(other))
    assert do(world, "promote", token="promotion")["started"] is started
    assert next_of(world, "promotion") == (None if started else "record")
