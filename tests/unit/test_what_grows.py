"""What grows with what others write, against what AWS takes: bounded where it is made, and refused with what to shorten."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from orchestration import handler
from orchestration.actions.sweep import ALARMS
from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import PENDING_SIGNAL_DUE, RETRAINING_SOURCE, DueKind
from orchestration.domain.due import DueItem
from orchestration.domain.errors import ContentionError, InvalidRequestError, OrchestrationError
from orchestration.domain.ownership import FINDINGS_TOLD, told
from orchestration.domain.policy import POLICY_BYTES_LIMIT
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.switches import KillSwitch
from orchestration.domain.training_output import ENVIRONMENT_BYTES, TrainingOutput, read_training_output
from orchestration.steps.ownership import request_foreign
from tests.unit import stories
from tests.unit.fake_services import PAYLOAD_BYTES
from tests.unit.fakes import TRAINING, World, drift, person, request
from tests.unit.memory_dynamodb import ITEM_BYTES, size
from tests.unit.stories import do, next_of


def largest(world: World) -> int:
    """Bytes of the largest item."""
    return max(map(size, world.database.items.values()))


def decided(world: World, **changes: Any) -> dict[str, Any]:
    """What became of a signal under a policy."""
    world.sagemaker.serve(stories.ENDPOINT, stories.OLD)
    world.put("policies/fraud.json", stories.policy(**changes))
    answer: dict[str, Any] = handler.run_action(request(drift(model="fraud", dedupe_key="1"), "run-1"), world.ports)
    return answer


def the_decision(world: World) -> Any:
    """The record of the only decision."""
    (key,) = world.keys("decisions/")
    return world.read(key)


# -- What a policy or a training names that is not its model's ---------------------------------------------------------


def test_a_policy_that_names_a_thousand_foreign_places_holds_its_signal_and_is_told_of_the_first_ten(
    world: World,
) -> None:
    """Each place is a sentence of some hundred characters, and all of them stood in the record of the decision."""
    places = [f"s3://evil-{number}/x" for number in range(3_000)]
    job = {
        **JOB,
        "HyperParameters": {f"data-{place}": " ".join(places[place : place + 100]) for place in range(0, 3_000, 100)},
    }

    answer = decided(world, training={"target": "training-job", "request": job})

    assert answer["decision"] == "HOLD"
    assert largest(world) < 100_000
    record = the_decision(world)
    assert len(record["inputs"]["state"]["foreign_findings"]) == FINDINGS_TOLD + 1
    assert record["inputs"]["state"]["foreign_findings"][-1] == "2,990 more are not named here."


def test_a_training_whose_output_names_a_thousand_foreign_places_is_refused_in_a_sentence(world: World) -> None:
    places = " ".join(f"s3://e{number}" for number in range(2_000))
    output = {"model_data_url": stories.MODEL_URI, "image": "image", "environment": {"DATA": places}}
    stories.trained(world, output=output)

    assert do(world, "evaluate")["next"] == "record"

    verdict = world.table.candidate_verdict("run-1")
    assert verdict is not None
    assert "more are not named here" in verdict.result.reason
    assert len(verdict.result.reason) < 10_000
    assert largest(world) < 200_000


def test_an_item_that_is_too_large_is_refused_by_name_and_not_tried_again(world: World) -> None:
    """As a conflict it would be tried again until the execution fails, and told as a rival nobody finds."""
    switch = KillSwitch("global", "ops", "x" * ITEM_BYTES, "2026-03-02T12:00:00+00:00")

    with pytest.raises(OrchestrationError, match=r"refuses the item CONTROLS global: Item size .* shorten") as refused:
        world.table.throw_switch(switch)

    assert not isinstance(refused.value, ContentionError)
    assert world.table.kill_switches() == ()


def test_an_item_that_an_update_makes_too_large_is_refused_by_name(world: World) -> None:
    with pytest.raises(OrchestrationError, match="refuses the item LISTED SWEEP"):
        world.table.note_listed(ALARMS, {"seen": ["x" * ITEM_BYTES]}, [])


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_an_item_of_400_kb_is_written_and_one_byte_more_is_not(world: World, more: int, fits: bool) -> None:
    due = DueItem(DueKind.SWITCH, "global", "fraud", "2026-03-02T12:00:00+00:00", "DUE#0", 0, {"a": ""})
    (empty,) = world.table.due_write(due).values()
    room = ITEM_BYTES - size(empty["Item"])
    switch = KillSwitch("global", "ops", "Incident.", "2026-03-02T12:00:00+00:00")

    def throw() -> bool:
        return world.table.throw_switch(switch, [world.table.due_write(replace(due, model="m" * (room + 5 + more)))])

    if fits:
        assert throw()
        assert largest(world) == ITEM_BYTES
    else:
        with pytest.raises(OrchestrationError, match="DUE#0"):
            throw()


@pytest.mark.parametrize(("count", "last"), [(10, "9"), (11, "1 more are not named here.")])
def test_ten_findings_are_told_as_they_are(count: int, last: str) -> None:
    assert told(map(str, range(count)))[-1] == last
    assert len(told(map(str, range(count)))) == count


def test_what_a_model_is_made_of_is_told_as_shortly(world: World) -> None:
    container = {"Image": "image", "Notes": " ".join(f"s3://evil-{number}/x" for number in range(3_000))}

    found = request_foreign(world.ports, "fraud", {"PrimaryContainer": container}, None)

    assert found[-1] == "2,990 more are not named here."


# -- What a training gives back ---------------------------------------------------------------------------------------

OUTPUT: Final = "s3://automation/runs/fraud/run-1/outputs/"


def of_environment(environment: dict[str, str]) -> TrainingOutput | str:
    """A training's output with an environment."""
    return read_training_output({"environment": environment}, output_uri=OUTPUT)


def test_a_containers_environment_of_32_kb_is_taken_and_one_byte_more_is_refused() -> None:
    """CreateModel takes 32 KB: SageMaker API, ContainerDefinition."""
    fits = {f"N{number:02}": "é" * 200 for number in range(80)}
    fits["LAST"] = "x" * (ENVIRONMENT_BYTES - 80 * 403 - 4)

    taken, refused = of_environment(fits), of_environment({**fits, "LAST": fits["LAST"] + "x"})

    assert sum(len(f"{name}{value}".encode()) for name, value in fits.items()) == ENVIRONMENT_BYTES
    assert isinstance(taken, TrainingOutput)
    assert dict(taken.environment) == fits
    assert (
        refused
        == "has an environment of 32769 bytes; SageMaker takes 32768. Put what is large into the model's archive"
    )


def test_a_containers_environment_has_100_variables_and_no_more() -> None:
    taken = of_environment({f"N{number}": "" for number in range(100)})
    refused = of_environment({f"N{number}": "" for number in range(101)})

    assert isinstance(taken, TrainingOutput)
    assert refused == (
        "has an environment of 101 variables; SageMaker takes 100. Put what is large into the model's archive"
    )


def test_a_run_whose_training_gave_too_much_back_ends_with_the_sentence(world: World) -> None:
    output = {"model_data_url": stories.MODEL_URI, "image": "image", "environment": {"A": "x" * 40_000}}
    stories.trained(world, output=output)

    answer = do(world, "evaluate")

    assert answer == {
        "next": "record",
        "reason": "The training's output has an environment of 40001 bytes; SageMaker takes 32768. "
        "Put what is large into the model's archive.",
    }


# -- What stands in every record ---------------------------------------------------------------------------------------


def test_switches_over_other_models_stand_in_nobodys_record(world: World) -> None:
    """A thousand of them were too much for an item, and no signal of any model could be decided."""
    for number in range(1_000):
        world.table.throw_switch(KillSwitch(f"model:other-{number}", "p" * 300, "r" * 300, "2026-03-02T12:00:00+00:00"))
    stories.decided(world)
    assert largest(world) < 60_000
    record = the_decision(world)
    assert record["inputs"]["state"]["kill_switches"] == []


@pytest.mark.parametrize("scope", ["global", "model:fraud", "source:drift_report"])
def test_a_switch_over_the_signal_stands_in_its_record(world: World, scope: str) -> None:
    world.table.throw_switch(KillSwitch(scope, "ops", "Incident.", "2026-03-02T12:00:00+00:00"))

    assert decided(world)["decision"] == "HOLD"

    record = the_decision(world)
    assert [switch["scope"] for switch in record["inputs"]["state"]["kill_switches"]] == [scope]


def test_a_switch_over_who_raised_what_waited_stands_in_its_record_when_it_comes_back(world: World) -> None:
    stories.decided(world)
    waits = handler.run_action(request(drift(model="fraud", dedupe_key="2"), "run-2"), world.ports)
    assert waits["decision"] == "COALESCE"
    stories.tell_dead(world, "ABORTED")
    world.clock.forward(hours=2)
    world.table.throw_switch(KillSwitch("source:drift_report", "ops", "Incident.", "2026-03-02T12:00:00+00:00"))
    back = {"source": RETRAINING_SOURCE, "detail-type": PENDING_SIGNAL_DUE, "detail": {"model": "fraud", "count": 1}}

    answer = handler.run_action(request(back, "run-3"), world.ports)

    (record,) = (found for key in world.keys("decisions/") if (found := world.read(key))["run_id"] == "run-3")
    assert (answer["decision"], record["reason"]) == ("HOLD", "PAUSED")


# -- Who asked -----------------------------------------------------------------------------


@pytest.mark.parametrize(("others", "by", "taken"), [(99, "ana", True), (100, "ana", False), (100, "p7", True)])
def test_a_hundred_people_may_wait_for_one_answer_and_whoever_is_among_them_may_ask_again(
    world: World, others: int, by: str, taken: bool
) -> None:
    """Each is named in every record, and none may be left out: who asked does not approve."""
    names = [person(f"p{number}") for number in range(others)]
    stories.frozen(
        world, StoredModel("fraud", pending={"asked_by": names, "count": 1, "severity": "info", "signal": {}})
    )

    def ask() -> dict[str, Any]:
        return stories.operate(world, "retrain", model="fraud", reason="New labels.", key="monday", by=by, swept=False)

    if taken:
        assert ask()["changed"]
    else:
        with pytest.raises(InvalidRequestError, match=r"100 people asked for fraud .* no more are taken"):
            ask()


# -- A run of the largest policy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("character", ["x", "é", "\n", "\U0001f600"])
def test_a_run_of_the_largest_policy_fits_the_table_and_step_functions(world: World, character: str) -> None:
    """The policy as large as is taken, all of it the training's input, which stands in manifest and input once more."""
    policy: dict[str, Any] = stories.policy(training={"target": TRAINING, "input": {"data": ""}})
    room = POLICY_BYTES_LIMIT - len(canonical(policy).encode())
    each = len(canonical(character).encode()) - 2
    policy["training"]["input"]["data"] = character * (room // each)

    stories.decided(world, training=policy["training"])
    answer = handler.run_action(request(drift(model="fraud", dedupe_key="run-1"), "run-1"), world.ports)
    do(world, "park", kind="slot", token="slot")
    do(world, "train", token="training")

    assert POLICY_BYTES_LIMIT - each < len(canonical(policy).encode()) <= POLICY_BYTES_LIMIT
    assert next_of(world, "slot") == "train"
    assert largest(world) < ITEM_BYTES
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < PAYLOAD_BYTES
    assert world.executions.started  # which refuses what is larger than an input


JOB: Final[dict[str, Any]] = {
    "RoleArn": "arn:aws:iam::111122223333:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}
