"""Somebody who may write `policies/`, and so says what the loop does for models."""

from __future__ import annotations

import pytest

from orchestration import handler
from orchestration.steps.policies import model_of_endpoint
from tests.unit import stories
from tests.unit.fakes import World, drift, request
from tests.unit.stories import ENDPOINT, OLD


@pytest.mark.threat("foreign-endpoint")
def test_a_policy_named_like_an_endpoint_draws_in_no_signal_of_the_model_it_serves(world: World) -> None:
    world.sagemaker.serve(ENDPOINT, OLD)
    world.put("policies/fraud.json", stories.policy())
    world.put(f"policies/{ENDPOINT}.json", {**stories.policy(), "model": ENDPOINT, "actions": {"critical": "observe"}})

    assert model_of_endpoint(world.ports, ENDPOINT) == "fraud"
    report = drift(endpoint=ENDPOINT)
    del report["detail"]["model"]
    assert handler.run_action(request(report), world.ports)["output"]["model"] == "fraud"


@pytest.mark.threat("policy-weakens")
def test_a_policy_switches_on_nothing_that_operators_switched_off(new_world: type[World]) -> None:
    for settings in ({"mode": "shadow"}, {}):
        world = new_world(**settings)
        world.sagemaker.serve(ENDPOINT, OLD)
        world.put("policies/fraud.json", stories.policy(mode="active"))
        if not settings:
            stories.operate(world, "pause", scope="model:fraud", reason="Incident 7.")
        answer = handler.run_action(request(drift(model="fraud")), world.ports)
        assert answer["decision"] in {"OBSERVE", "HOLD"}, answer
        assert world.table.active_runs() == []
