"""Slots: never more holders than slots, first come first served among those not paused, and each grant numbered."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestration.domain.slots import Holder, SlotLedger, enqueue, grant, release

RUNS = st.integers(0, 7).map(lambda number: f"run-{number}")
MODELS = ("churn", "fraud", "ads")


def model_of(run_id: str) -> str:
    return MODELS[int(run_id[4:]) % len(MODELS)]


class Slots(RuleBasedStateMachine):
    """Runs come, wait, train and go in any order, while operators pause models and change the number of slots."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SlotLedger()
        self.queue: list[str] = []
        self.granted: list[Holder] = []
        self.limit = 1

    @initialize(limit=st.integers(1, 3))
    def start(self, limit: int) -> None:
        self.limit = limit

    @rule(run_id=RUNS)
    def a_run_asks(self, run_id: str) -> None:
        known = self.ledger.holder(run_id) is not None or self.ledger.waits(run_id)
        before = self.ledger
        self.ledger = enqueue(self.ledger, run_id=run_id, model=model_of(run_id), now="t")
        if known:
            assert self.ledger == before
        else:
            self.queue.append(run_id)

    @rule(run_id=RUNS)
    def a_run_goes(self, run_id: str) -> None:
        self.ledger = release(self.ledger, run_id=run_id)
        self.queue = [waiting for waiting in self.queue if waiting != run_id]
        assert self.ledger == release(self.ledger, run_id=run_id)

    @rule(paused=st.frozensets(st.sampled_from(MODELS)))
    def slots_are_granted(self, paused: frozenset[str]) -> None:
        free = max(0, self.limit - len(self.ledger.holders))
        expected = [run_id for run_id in self.queue if model_of(run_id) not in paused][:free]
        fence = self.ledger.fence
        self.ledger, granted = grant(self.ledger, limit=self.limit, now="t", paused=paused)
        assert [holder.run_id for holder in granted] == expected
        assert [holder.fence for holder in granted] == [fence + number + 1 for number in range(len(granted))]
        self.granted += granted
        self.queue = [run_id for run_id in self.queue if run_id not in expected]
        again, nobody = grant(self.ledger, limit=self.limit, now="t", paused=paused)
        assert (again, nobody) == (self.ledger, ())

    @rule(limit=st.integers(0, 3))
    def an_operator_changes_the_number_of_slots(self, limit: int) -> None:
        # Nobody who trains loses a slot; fewer slots only mean that fewer are granted.
        before = self.ledger.holders
        self.limit = limit
        self.ledger, granted = grant(self.ledger, limit=limit, now="t", paused=frozenset(MODELS))
        assert (self.ledger.holders, granted) == (before, ())
        self.limit = max(limit, len(before))

    @invariant()
    def never_more_holders_than_slots(self) -> None:
        assert len(self.ledger.holders) <= self.limit

    @invariant()
    def no_run_is_in_the_ledger_twice(self) -> None:
        runs = [holder.run_id for holder in self.ledger.holders] + [waiter.run_id for waiter in self.ledger.waiters]
        assert len(runs) == len(set(runs))

    @invariant()
    def those_who_wait_keep_their_order(self) -> None:
        assert [waiter.run_id for waiter in self.ledger.waiters] == self.queue

    @invariant()
    def every_grant_has_a_larger_number_than_the_one_before(self) -> None:
        fences = [holder.fence for holder in self.granted]
        assert fences == sorted(set(fences))
        assert self.ledger.fence == (fences[-1] if fences else 0)


TestSlots = Slots.TestCase
TestSlots.settings = settings(max_examples=60, stateful_step_count=25, deadline=None, derandomize=True, database=None)


def test_a_paused_run_keeps_its_place_while_others_go_before_it() -> None:
    ledger = SlotLedger()
    for run_id in ("run-0", "run-1", "run-2"):
        ledger = enqueue(ledger, run_id=run_id, model=model_of(run_id), now="t")
    ledger, first = grant(ledger, limit=1, now="t", paused=frozenset({"churn"}))
    assert [holder.run_id for holder in first] == ["run-1"]
    ledger, second = grant(release(ledger, run_id="run-1"), limit=1, now="t")
    assert [holder.run_id for holder in second] == ["run-0"]
    assert [waiter.run_id for waiter in ledger.waiters] == ["run-2"]


def test_a_run_that_comes_back_gets_a_larger_number_so_its_old_grant_is_known_as_old() -> None:
    ledger = SlotLedger()
    fences = []
    for _ in range(2):
        ledger, granted = grant(enqueue(ledger, run_id="run-0", model="churn", now="t"), limit=1, now="t")
        fences.append(granted[0].fence)
        ledger = release(ledger, run_id="run-0")
    assert fences == [1, 2]
