"""Slots: never more holders than slots, first come first served among those not paused, and each grant numbered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestration.domain.contracts import DueKind
from orchestration.domain.slots import Holder, SlotLedger, Waiter, grant, joined_at, release
from orchestration.domain.switches import KillSwitch
from orchestration.steps.training_slots import change_slots, give_back_slot
from tests.unit.fakes import World

RUNS = st.integers(0, 7).map(lambda number: f"run-{number}")
MODELS = ("churn", "fraud", "ads")


def model_of(run_id: str) -> str:
    return MODELS[int(run_id[4:]) % len(MODELS)]


def waiter(run_id: str, since: str = "t", source: str | None = None) -> Waiter:
    return Waiter(run_id, model_of(run_id), since, (source,) if source else ())


def nobody(_: Waiter) -> bool:
    return False


class Slots(RuleBasedStateMachine):
    """Runs come, wait, train and go in any order, while operators pause models and change the number of slots."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SlotLedger()
        self.queue: list[Waiter] = []
        self.fences: list[int] = []
        self.limit = 1

    @initialize(limit=st.integers(1, 3))
    def start(self, limit: int) -> None:
        self.limit = limit

    @rule(run_id=RUNS)
    def a_run_asks(self, run_id: str) -> None:
        if self.ledger.holder(run_id) is None and waiter(run_id) not in self.queue:
            self.queue.append(waiter(run_id))

    @rule(run_id=RUNS)
    def a_run_goes(self, run_id: str) -> None:
        self.ledger = release(self.ledger, run_id=run_id)
        self.queue = [waiting for waiting in self.queue if waiting.run_id != run_id]
        assert self.ledger == release(self.ledger, run_id=run_id)

    @rule(paused=st.frozensets(st.sampled_from(MODELS)))
    def slots_are_granted(self, paused: frozenset[str]) -> None:
        def held_back(waiting: Waiter) -> bool:
            return waiting.model in paused

        free = max(0, self.limit - len(self.ledger.holders))
        expected = [waiting for waiting in self.queue if not held_back(waiting)][:free]
        fence = self.ledger.fence
        self.ledger, granted = grant(self.ledger, self.queue, limit=self.limit, now="t", paused=held_back)
        assert list(granted) == expected
        new = [holder for holder in self.ledger.holders if holder.fence > fence]
        assert [holder.run_id for holder in new] == [waiting.run_id for waiting in expected]
        self.fences += [holder.fence for holder in new]
        self.queue = [waiting for waiting in self.queue if waiting not in expected]
        again, none = grant(self.ledger, self.queue, limit=self.limit, now="t", paused=held_back)
        assert (again, none) == (self.ledger, ())

    @rule(limit=st.integers(0, 3))
    def an_operator_changes_the_number_of_slots(self, limit: int) -> None:
        # Nobody who trains loses a slot; fewer slots only mean that fewer are granted.
        before = self.ledger.holders
        self.ledger, granted = grant(self.ledger, self.queue, limit=limit, now="t", paused=lambda _: True)
        assert (self.ledger.holders, granted) == (before, ())
        self.limit = max(limit, len(before))

    @invariant()
    def never_more_holders_than_slots(self) -> None:
        assert len(self.ledger.holders) <= self.limit

    @invariant()
    def no_run_holds_two_slots(self) -> None:
        runs = [holder.run_id for holder in self.ledger.holders]
        assert len(runs) == len(set(runs))

    @invariant()
    def every_grant_has_a_larger_number_than_the_one_before(self) -> None:
        assert self.fences == sorted(set(self.fences))
        assert self.ledger.fence == (self.fences[-1] if self.fences else 0)


TestSlots = Slots.TestCase
TestSlots.settings = settings(max_examples=60, stateful_step_count=25)


def test_a_paused_run_keeps_its_place_while_others_go_before_it() -> None:
    queue = [waiter(run_id) for run_id in ("run-0", "run-1", "run-2")]
    ledger, first = grant(SlotLedger(), queue, limit=1, now="t", paused=lambda waiting: waiting.model == "churn")
    assert [waiting.run_id for waiting in first] == ["run-1"]
    queue.remove(first[0])
    _, second = grant(release(ledger, run_id="run-1"), queue, limit=1, now="t", paused=nobody)
    assert [waiting.run_id for waiting in second] == ["run-0"]


def test_a_run_that_comes_back_gets_a_larger_number_so_its_old_grant_is_known_as_old() -> None:
    ledger, fences = SlotLedger(), []
    for _ in range(2):
        ledger, _ = grant(ledger, [waiter("run-0")], limit=1, now="t", paused=nobody)
        holder = ledger.holder("run-0")
        assert isinstance(holder, Holder)
        fences.append(holder.fence)
        ledger = release(ledger, run_id="run-0")
    assert fences == [1, 2]


def test_those_who_get_slots_at_once_get_numbers_that_rise() -> None:
    ledger, _ = grant(
        SlotLedger(), [waiter("run-0"), waiter("run-1"), waiter("run-2")], limit=3, now="t", paused=nobody
    )
    assert [holder.fence for holder in ledger.holders] == [1, 2, 3]
    assert ledger.fence == 3


def test_a_holder_is_found_by_its_run() -> None:
    ledger, _ = grant(SlotLedger(), [waiter("run-0"), waiter("run-1")], limit=2, now="t", paused=nobody)
    found = ledger.holder("run-1")
    assert found is not None
    assert found.run_id == "run-1"
    assert ledger.holder("run-2") is None


@pytest.mark.parametrize(
    ("last", "joined"),
    [
        (None, "2026-03-02T12:00:00+00:00"),
        ("2026-03-02T11:00:00+00:00", "2026-03-02T12:00:00+00:00"),
        ("2026-03-02T11:59:59.999999+00:00", "2026-03-02T12:00:00+00:00"),
        ("2026-03-02T12:00:00+00:00", "2026-03-02T12:00:00.000001+00:00"),
        ("2026-03-02T12:00:05+00:00", "2026-03-02T12:00:05.000001+00:00"),
    ],
)
def test_whoever_joins_the_queue_waits_since_later_than_the_last_in_it(last: str | None, joined: str) -> None:
    before = None if last is None else Waiter("run-0", "churn", last)
    assert joined_at("2026-03-02T12:00:00+00:00", before) == joined


def test_the_queue_is_read_no_further_than_slots_are_free() -> None:
    read: list[str] = []

    def queue() -> Iterator[Waiter]:
        for number in range(8):
            read.append(f"run-{number}")
            yield waiter(f"run-{number}")

    _, granted = grant(SlotLedger(), queue(), limit=2, now="t", paused=nobody)
    assert [waiting.run_id for waiting in granted] == read == ["run-0", "run-1"]


# In the table.


def queued(world: World, *run_ids: str, source: str | None = None) -> None:
    for run_id in run_ids:
        world.clock.forward(seconds=1)
        world.table._transact([world.table.queue_write(waiter(run_id, world.clock().isoformat(), source))])


def holders(world: World) -> list[str]:
    return [holder.run_id for holder in world.table.slots().holders]


def test_whoever_waited_longest_gets_a_slot_that_is_given_back_and_an_item_that_wakes_it(world: World) -> None:
    queued(world, "run-0", "run-1", "run-2")
    assert [waiting.run_id for waiting in change_slots(world.ports)] == ["run-0"]
    assert [waiting.run_id for waiting in give_back_slot(world.ports, "run-0")] == ["run-1"]
    assert give_back_slot(world.ports, "run-0") == ()
    assert holders(world) == ["run-1"]
    assert [waiting.run_id for waiting in world.table.queue()] == ["run-2"]
    assert [item.subject for item in world.due(DueKind.LOOK)] == ["run-0:slot", "run-1:slot"]


def test_a_switch_over_a_source_holds_its_runs_in_the_queue(world: World) -> None:
    queued(world, "run-0", source="alarm")
    queued(world, "run-1", source="drift_report")
    world.table.throw_switch(KillSwitch("source:alarm", "ana", "Incident 7.", "2026-03-02T12:00:00+00:00"))
    change_slots(world.ports)
    assert holders(world) == ["run-1"]
    assert [waiting.run_id for waiting in world.table.queue()] == ["run-0"]


def test_of_two_who_grant_at_once_no_run_gets_two_slots_and_no_slot_goes_to_two(
    new_world: Callable[..., World],
) -> None:
    world = new_world(max_concurrent_trainings=2)
    queued(world, "run-0", "run-1", "run-2")
    rival: list[tuple[Waiter, ...]] = []
    world.outside.meanwhile("TransactWriteItems", lambda: rival.append(change_slots(world.ports)))
    assert change_slots(world.ports) == ()
    assert [waiting.run_id for waiting in rival[0]] == holders(world) == ["run-0", "run-1"]


def test_a_run_that_leaves_the_queue_while_it_is_granted_a_slot_holds_none(world: World) -> None:
    queued(world, "run-0", "run-1")
    first = next(iter(world.table.queue()))
    world.outside.meanwhile("TransactWriteItems", lambda: world.table.leave_queue(first))
    assert [waiting.run_id for waiting in change_slots(world.ports)] == ["run-1"]
    assert holders(world) == ["run-1"]


def test_more_slots_than_a_transaction_can_hold_are_granted_in_several(new_world: Callable[..., World]) -> None:
    world = new_world(max_concurrent_trainings=70)
    names = [f"run-{number:02}" for number in range(60)]
    queued(world, *names)
    world.outside.calls.clear()
    assert [waiting.run_id for waiting in change_slots(world.ports)] == names
    assert world.outside.calls.count("TransactWriteItems") == 2
    assert holders(world) == names
    assert {holder.since for holder in world.table.slots().holders} == {world.clock().isoformat()}
    assert len(world.due(DueKind.LOOK)) == 60


def test_without_slots_nobody_trains(new_world: Callable[..., World]) -> None:
    world = new_world(max_concurrent_trainings=0)
    queued(world, "run-0")
    assert change_slots(world.ports) == ()
    assert holders(world) == []


def test_the_ends_of_a_queue_are_read_without_what_stands_between(world: World) -> None:
    read = []
    for number in range(0, 9, 3):
        world.table._write(world.table.queue_write(waiter(f"run-{number}", since=f"t{number}")))
        world.database.read = 0
        assert world.table.first_in_queue() == waiter("run-0", since="t0")
        assert world.table.last_in_queue() == waiter(f"run-{number}", since=f"t{number}")
        read.append(world.database.read)

    assert read == [read[0]] * 3
