"""Pause and unpause: what they change, whom they tell, what goes on all the same, and what goes on again."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration.domain.canonical_json import canonical
from orchestration.domain.commands import REASON_LIMIT
from orchestration.domain.contracts import DueKind, Next, WaitKind
from orchestration.domain.due import due
from orchestration.domain.errors import InvalidRequestError, TransientServiceError
from orchestration.domain.intention import Intention, training_subject
from orchestration.domain.slots import Waiter
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.wait import Result, Wait
from orchestration.steps.answering import look_due, settled
from orchestration.steps.due_work import DONE
from orchestration.steps.pending import pending_due
from orchestration.steps.switches import AT_ONCE, switch_changed
from tests.unit import stories
from tests.unit.fakes import NOON, World, person
from tests.unit.stories import do, next_of
from tests.unit.test_close import ASKED, RUN, begin
from tests.unit.test_due import KEPT

AT = NOON.isoformat()


def parked(world: World, kind: WaitKind, run_id: str, subject: str = "", result: Result | None = None) -> None:
    until = (NOON + timedelta(hours=1)).isoformat()
    data = {**ASKED, "nonces": []} if kind is WaitKind.APPROVAL else {}
    wait = Wait(kind, subject, run_id, "fraud", f"{run_id}:{kind}", RUN.execution_arn, AT, until, until, data=data)
    wait = wait if result is None else settled(wait, result)
    assert world.table.park(wait, look_due(world.ports, wait)) is None


def intended(world: World, run_id: str) -> None:
    intention = Intention(training_subject(run_id), run_id, "fraud", RUN.execution_arn, AT, AT, 1)
    model = world.table.model("fraud")
    assert world.table.save_model(model, [world.table.intention_write(intention)])


def paused(world: World, scope: str = "global", *, swept: bool = False) -> dict[str, Any]:
    """What an operator is answered; the sweep that follows finds no fault with what these tests make up, unless it comes."""
    return stories.operate(world, "pause", scope=scope, by="ana", reason="Incident 7.", swept=swept)


# What goes on all the same.


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (WaitKind.TRAINING, ["training of run run-1 (fraud)"]),
        (WaitKind.PROMOTION, ["promotion of run run-1 (fraud)"]),
        (WaitKind.ROLLBACK, ["rollback of run run-1 (fraud)"]),
        (WaitKind.SLOT, []),
    ],
)
def test_a_pause_names_what_was_begun_and_is_not_over(kind: WaitKind, named: list[str], world: World) -> None:
    begin(world)
    parked(world, kind, "run-1")
    assert paused(world)["in_flight"] == named


@pytest.mark.parametrize(
    ("kind", "begins", "named"),
    [
        (DueKind.STOP, True, ["training of run run-1 (fraud)"]),
        (DueKind.STOP, False, []),
        (DueKind.INTENT, False, ["promotion of run run-1 (fraud)"]),
        (DueKind.ALIVE, False, []),
        (DueKind.ALIVE, True, []),
        (DueKind.TELL, False, []),
    ],
)
def test_a_pause_names_what_the_hand_of_a_run_that_is_over_may_still_do(
    kind: DueKind, begins: bool, named: list[str], world: World
) -> None:
    begin(world, replace(RUN, outcome="STOPPED"))
    world.table.add_due(due(kind, "run-1", "fraud", NOON))
    if begins:
        intended(world, "run-1")
    assert paused(world)["in_flight"] == named


def test_a_pause_names_nothing_that_is_over_or_gone_or_of_a_run_that_never_was(world: World) -> None:
    begin(world)
    parked(world, WaitKind.TRAINING, "run-1", result=Result(Next.EVALUATE, "Over."))
    world.table.add_due(due(DueKind.LOOK, "run-1:promotion", "fraud", NOON))
    parked(world, WaitKind.TRAINING, "run-9")
    assert paused(world)["in_flight"] == []


@pytest.mark.parametrize(
    ("scope", "named"),
    [
        ("global", ["run-1", "run-2"]),
        ("model:fraud", ["run-1"]),
        ("model:risk", ["run-2"]),
        ("source:manual_request", ["run-1", "run-2"]),
        ("source:alarm", []),
        ("model:other", []),
    ],
)
def test_a_pause_names_what_is_in_its_scope(scope: str, named: list[str], world: World) -> None:
    for run_id, model in (("run-1", "fraud"), ("run-2", "risk")):
        begin(world, replace(RUN, run_id=run_id, model=model))
        parked(world, WaitKind.TRAINING, run_id)
    assert [said.split()[3] for said in paused(world, scope)["in_flight"]] == named


@pytest.mark.parametrize(("kind", "subject"), [(WaitKind.BAKE, ""), (WaitKind.APPROVAL, "bake")])
def test_a_pause_looks_at_once_at_a_bake_and_at_what_people_are_asked_about_it(
    kind: WaitKind, subject: str, world: World
) -> None:
    """Here the run is over, so that a look withdraws what was waited for."""
    begin(world, replace(RUN, outcome="STOPPED"))
    parked(world, kind, "run-1", subject)
    assert paused(world, swept=True)["in_flight"] == []
    assert next_of(world, f"run-1:{kind}") == "record"


# What is changed.


def test_a_switch_is_thrown_once_and_stays_as_it_was(world: World) -> None:
    assert paused(world)["changed"] is True
    world.clock.forward(hours=1)
    assert do(world, "pause", scope="global", by="bob", reason="Another.")["changed"] is False
    (switch,) = world.table.kill_switches()
    assert asdict(switch) == {"scope": "global", "by": person("ana"), "reason": "Incident 7.", "since": AT}
    assert len(world.told("PAUSED")) == 1


def test_a_switch_is_lifted_once(world: World) -> None:
    paused(world)
    for changed in (True, False):
        assert do(world, "unpause", scope="global", by="ana") == {"scope": "global", "changed": changed}
    assert world.table.kill_switches() == ()
    assert len(world.told("RESUMED")) == 1


def test_what_waited_for_a_switch_goes_on_when_it_is_lifted(world: World) -> None:
    # A first sweep takes over what a release before left, which is not what this is about.
    do(world, "sweep")
    paused(world)
    begin(world)
    parked(world, WaitKind.SLOT, "run-1")
    world.table._transact([world.table.queue_write(Waiter("run-1", "fraud", AT))])
    world.table.save_model(StoredModel("churn", pending=KEPT))
    world.table.add_due(pending_due("churn", NOON + timedelta(hours=1)))
    world.executions.statuses[RUN.execution_arn] = "RUNNING"
    do(world, "unpause", scope="global", by="ana")
    assert next_of(world, "run-1:slot") == "train"
    assert len(world.executions.started) == 1


@pytest.mark.parametrize(
    ("kind", "subject", "scope", "looked"),
    [
        (WaitKind.BAKE, "", "global", True),
        (WaitKind.BAKE, "", "model:fraud", True),
        (WaitKind.BAKE, "", "source:manual_request", True),
        (WaitKind.BAKE, "", "model:risk", False),
        (WaitKind.APPROVAL, "bake", "global", True),
        (WaitKind.APPROVAL, "training", "global", False),
        (WaitKind.TRAINING, "", "global", False),
    ],
)
def test_a_switch_has_the_bakes_in_its_scope_looked_at_and_nothing_else(
    kind: WaitKind, subject: str, scope: str, looked: bool, world: World
) -> None:
    """The run is over, so that a look withdraws what was waited for."""
    begin(world, replace(RUN, outcome="STOPPED"))
    parked(world, kind, "run-1", subject)
    world.table.add_due(due(DueKind.LOOK, "run-8:bake", "fraud", NOON))
    parked(world, WaitKind.BAKE, "run-9")
    assert switch_changed(world.ports, due(DueKind.SWITCH, scope, "-", NOON)) == DONE
    assert next_of(world, f"run-1:{kind}") == ("record" if looked else None)
    assert next_of(world, "run-9:bake") is None


def switch_items(world: World) -> list[tuple[str, str]]:
    return [(item.subject, item.model) for item in world.due(DueKind.SWITCH)]


@pytest.mark.parametrize(("scope", "model"), [("model:fraud", "fraud"), ("global", "_loop"), ("source:alarm", "_loop")])
def test_what_follows_a_switch_is_due_at_once_with_it_and_with_its_lifting(
    scope: str, model: str, world: World
) -> None:
    for action in ("pause", "unpause"):
        stories.operate(world, action, scope=scope, swept=False, **({"reason": "Why."} if action == "pause" else {}))
        assert switch_items(world) == [(scope, model)]
        assert [item.due_at for item in world.due(DueKind.SWITCH)] == [world.clock().isoformat()]
        do(world, "sweep")
        assert switch_items(world) == []


def test_a_sweep_that_cannot_be_asked_for_leaves_the_change_and_what_follows_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_seconds: int = 0) -> None:
        raise TransientServiceError("EventBridge refused the event.")

    monkeypatch.setattr(world.channels, "request_sweep", refused)
    assert paused(world)["changed"]
    assert len(world.table.kill_switches()) == 1
    assert switch_items(world) == [("global", "_loop")]
    assert stories.operate(world, "sweep") == {"asked": False}


@pytest.mark.parametrize("ahead", [0, 600, 3600])
def test_a_sweep_is_asked_for_with_how_far_it_looks_ahead(
    ahead: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds: list[int] = []
    monkeypatch.setattr(world.channels, "request_sweep", seconds.append)
    assert stories.operate(world, "sweep", ahead_seconds=ahead) == {"asked": True}
    assert seconds == [ahead]


@pytest.mark.parametrize("ahead", [-1, 3601, "soon", None, True])
def test_a_sweep_does_not_look_ahead_for_more_than_an_hour(ahead: Any, world: World) -> None:
    with pytest.raises(InvalidRequestError, match="0 to 3600"):
        stories.operate(world, "sweep", ahead_seconds=ahead)
    assert world.channels.sweeps_requested == 0


def test_a_switch_that_is_lifted_frees_slots_by_itself(world: World) -> None:
    """Whether or not the sweep that follows would look at the queue."""
    do(world, "sweep")
    begin(world)
    world.executions.statuses[RUN.execution_arn] = "RUNNING"
    parked(world, WaitKind.SLOT, "run-1")
    world.table._transact([world.table.queue_write(Waiter("run-1", "fraud", AT))])
    assert switch_changed(world.ports, due(DueKind.SWITCH, "global", "_loop", NOON)) == DONE
    assert next_of(world, "run-1:slot") == "train"


@pytest.mark.parametrize(
    ("scope", "looked"), [("global", True), ("model:fraud", True), ("model:risk", False), ("source:alarm", False)]
)
def test_a_switch_ends_what_bakes_under_it_only(scope: str, looked: bool, world: World) -> None:
    """Here the run is over, so that a look withdraws what was waited for."""
    begin(world, replace(RUN, outcome="STOPPED"))
    parked(world, WaitKind.BAKE, "run-1")
    parked(world, WaitKind.TRAINING, "run-1")
    switch_changed(world.ports, due(DueKind.SWITCH, scope, "_loop", NOON))
    assert (next_of(world, "run-1:bake") == "record") is looked
    assert next_of(world, "run-1:training") is None


def test_of_thousands_that_wait_a_switch_reads_none_that_is_no_bake(world: World) -> None:
    """One piece of work that takes longer than the function may run is never done, and nothing after it."""
    for number in range(2_000):
        world.table.add_due(due(DueKind.LOOK, f"run-{number}:slot", f"model-{number}", NOON + timedelta(minutes=5)))
    world.outside.live()
    switch_changed(world.ports, due(DueKind.SWITCH, "global", "_loop", NOON))
    assert "GetItem" in world.outside.calls
    assert len(world.outside.calls) < 20


def test_of_many_pending_signals_a_lifted_switch_raises_some_and_the_others_come_five_minutes_later(
    world: World,
) -> None:
    models = [f"model-{number}" for number in range(AT_ONCE + 20)]
    for model in models:
        world.put(f"policies/{model}.json", stories.policy(model=model))
        world.table.save_model(StoredModel(model, pending=KEPT))
        world.table.add_due(pending_due(model, NOON + timedelta(minutes=5)))
    switch_changed(world.ports, due(DueKind.SWITCH, "global", "_loop", NOON))
    assert len(world.executions.started) == AT_ONCE
    world.clock.forward(minutes=5)
    do(world, "sweep")
    assert len(world.executions.started) == len(models)


# Unfreezing.


def frozen(world: World, **state: Any) -> None:
    assert world.table.save_model(StoredModel("churn", frozen_reason="3 runs.", fruitless_runs=3, **state))


def unfreeze(world: World) -> dict[str, Any]:
    return do(world, "unfreeze", model="churn", by="ana", reason="Looked at.")


def test_a_model_that_is_not_frozen_is_not_changed(world: World) -> None:
    asked = stories.operate(world, "unfreeze", model="churn", reason="Looked at.", swept=False)
    assert asked == {"model": "churn", "changed": False}
    assert world.database.items == {}


def test_a_model_that_is_unfrozen_counts_anew_and_its_signal_comes_back(world: World) -> None:
    frozen(world, promoted_at=AT, pending=KEPT)
    assert unfreeze(world) == {"model": "churn", "changed": True}
    state = world.table.model("churn")
    assert (state.frozen_reason, state.fruitless_runs, state.promoted_at) == (None, 0, None)
    assert len(world.executions.started) == 1
    (told,) = world.told("UNFROZEN")
    assert told.sentence == f"{person('ana')} unfroze churn: Looked at. It was frozen because: 3 runs."
    assert told.next_steps == ("Its last runs: retraining history --model churn --stack retraining --region us-east-1",)
    (item,) = world.due(DueKind.PENDING)
    assert item.subject == "churn"
    # A lost table is rebuilt from it.
    (link,) = world.table.latest("churn")
    assert json.loads(link.record)["model_state"] == json.loads(canonical(state.as_record()))


def test_a_model_that_changes_while_it_is_unfrozen_is_unfrozen_as_it_is_then(world: World) -> None:
    frozen(world)

    def rival() -> None:
        state = world.table.model("churn")
        assert world.table.save_model(replace(state, cooldown_until=AT, frozen_reason="4 runs."))

    world.outside.meanwhile("TransactWriteItems", rival)
    assert unfreeze(world)["changed"]
    state = world.table.model("churn")
    assert (state.frozen_reason, state.cooldown_until) == (None, AT)
    assert "because: 4 runs." in world.told("UNFROZEN")[0].sentence


@pytest.mark.parametrize("reason", ["...", "<why>", "your reason", "x" * (REASON_LIMIT + 1)])
def test_a_reason_that_is_nobodys_own_or_would_not_be_kept_whole_changes_nothing(world: World, reason: str) -> None:
    frozen(world)
    asked: dict[str, dict[str, Any]] = {
        "pause": {"scope": "global"},
        "unfreeze": {"model": "churn"},
        "retrain": {"model": "churn", "key": "monday"},
        "rollback": {"model": "churn"},
    }
    for action, more in asked.items():
        with pytest.raises(InvalidRequestError, match=r"The reason (is|has) "):
            stories.operate(world, action, **more, reason=reason)
    assert world.table.kill_switches() == ()
    assert world.table.model("churn").frozen_reason == "3 runs."
