"""The loop on a virtual clock. Signals go in, in the order of their time; what is decided and what runs come to comes out.

Decisions are those of ``decide``, and a model's state is what ``after_decision`` and ``after_run`` make of it, as on the stack.
What happens outside, which is the policy in force, how long a run takes and what it comes to, a ``World`` says.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from orchestration.domain.contracts import SignalKind, SignalSource, Status
from orchestration.domain.decision import as_tolerated, decide
from orchestration.domain.due import AGAIN
from orchestration.domain.pending_signal import pending_signal
from orchestration.domain.stored_model import (
    RUN_STARTS_KEPT,
    EndedRun,
    StoredModel,
    after_decision,
    after_run,
    after_unfreezing,
    instant,
    with_signal_again,
)
from orchestration.domain.switches import switch_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestration.domain.decision import DecisionVerdict, ModelState
    from orchestration.domain.policy import Policy
    from orchestration.domain.signal import Signal
    from orchestration.domain.switches import KillSwitch


@dataclass(frozen=True, slots=True)
class Outside:
    """What a decision knows that is not the model's own state; ``foreign_findings`` only where a run would begin."""

    kill_switches: tuple[KillSwitch, ...] = ()
    promotion_endpoint_exists: bool = True
    endpoint_finding: str | None = None
    policy_findings: tuple[str, ...] = ()
    foreign_findings: tuple[str, ...] = ()
    rollback_finding: str | None = None


NOTHING_OUTSIDE: Final = Outside()


class Asked(NamedTuple):
    """One signal that is to be decided: when, by which execution, and its place in the model's chain.

    ``record``: of a history, the number of the decision that was recorded on it. ``raised_at``: of what waits, when it was raised,
    ISO-8601; None: when it is decided.
    """

    at: datetime
    run_id: str
    sequence: int = 0
    outside: Outside = NOTHING_OUTSIDE
    record: int | None = None
    raised_at: str | None = None


class Decided(NamedTuple):
    """A decision, on what was known of the model, and its state after it."""

    asked: Asked
    signal: Signal
    policy: Policy
    known: ModelState
    verdict: DecisionVerdict
    state: StoredModel


@dataclass(frozen=True, slots=True)
class Course:
    """What a run comes to, in its phases.

    ``answered``: until people answer, where they are asked. ``trained``: from the slot to the verdict on the candidate, the time
    in which it holds the slot; None when it never trains. ``promotes``: from there until its promotion begins, None when it does
    not. ``ended``: from the verdict, or from the answer of a run that never trains, to its end.
    """

    outcome: Status
    answered: timedelta = timedelta()
    trained: timedelta | None = timedelta()
    promotes: timedelta | None = None
    ended: timedelta = timedelta()
    endpoint_left: bool = False
    again: bool = False


@dataclass(slots=True)
class Run:
    """A run on the virtual clock."""

    decided: Decided
    course: Course
    trains_at: datetime | None = None
    promotes_at: datetime | None = None

    @property
    def run_id(self) -> str:
        """Its id, that of the execution which decided."""
        return self.decided.asked.run_id


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over, and its model's state after it."""

    run: Run
    at: datetime
    state: StoredModel


class World(Protocol):
    """What the loop does not decide."""

    def policy(self, signal: Signal, asked: Asked) -> Policy:
        """The policy in force."""

    def course(self, decided: Decided) -> Course:
        """What a run that begins comes to."""

    def promotes(self, run_id: str, asked: Asked) -> bool:
        """Whether a run whose course the world does not know has begun to promote when a signal is decided."""

    def raises(self, model: str, at: datetime) -> Asked | None:
        """The execution that decides what waits, which nothing stands in the way of from ``at`` on; None: it never comes."""

    def switches(self, model: str, at: datetime) -> tuple[KillSwitch, ...]:
        """The kill switches that are thrown over a model."""

    def closing(self, run: Run) -> int:
        """Where the model's chain ends before a run is closed."""


@dataclass(slots=True)
class _Model:
    """A model, its run, and what was made of its state last, since most signals leave it as it was."""

    state: StoredModel
    run: Run | None = None
    promoting: set[str] = field(default_factory=set)
    raises_at: datetime | None = None
    raising: Asked | None = None
    seen: tuple[StoredModel, Outside, ModelState] | None = None


class Loop:
    """Models on one virtual clock.

    Args:
        world: what is not decided here.
        slots: trainings at once over all models; 0: as many as there are.
        decided: is told of each decision.
        ended: is told of each run that is over.
    """

    def __init__(
        self,
        world: World,
        *,
        slots: int = 0,
        decided: Callable[[Decided], object] = lambda _: None,
        ended: Callable[[Ended], object] = lambda _: None,
    ) -> None:
        self._world, self._slots = world, slots
        self._decided, self._ended = decided, ended
        self._models: dict[str, _Model] = {}
        self._agenda: list[tuple[datetime, int, Callable[..., None], Any]] = []
        self._number = itertools.count()
        self._training: set[str] = set()
        self._queue: deque[Run] = deque()

    def begin(self, state: StoredModel) -> None:
        """Begin a model with a state that it has already."""
        self._models[state.model] = _Model(state)

    def state(self, model: str) -> StoredModel:
        """A model's state as it is now."""
        return self._of(model).state

    def hear(self, signal: Signal, asked: Asked) -> Decided:
        """Decide a signal, after all that was due before it."""
        self.advance(asked.at)
        return self._decide(signal, asked)

    def hear_waiting(self, model: str, asked: Asked) -> Decided | None:
        """Decide what waits, whatever is in its way; None when nothing waits."""
        self.advance(asked.at)
        pending = self._of(model).state.pending
        if pending is None:
            return None
        raised_at = asked.raised_at or asked.at.isoformat()
        return self._decide(pending_signal(model, pending, at=raised_at, run_id=asked.run_id), asked)

    def unfreeze(self, model: str, at: datetime) -> None:
        """Have a person close a model's breaker."""
        self.advance(at)
        known = self._of(model)
        if known.state.frozen_reason is not None:
            known.state = after_unfreezing(known.state)

    def restate(self, state: StoredModel, at: datetime) -> None:
        """Take a model's state as it became by what is not simulated."""
        self.advance(at)
        model = self._of(state.model)
        model.state = state
        self._raise(model, at)

    def advance(self, to: datetime) -> None:
        """Let the time pass: whatever was due by then happens, in its order."""
        while self._agenda and self._agenda[0][0] <= to:
            at, _, happen, what = heapq.heappop(self._agenda)
            happen(what, at)

    def finish(self) -> None:
        """Let every run come to its end and what waits be decided, so that no model ends otherwise for another that goes on."""
        while self._agenda:
            self.advance(self._agenda[0][0])

    def going_on(self) -> list[Run]:
        """Runs that are not over."""
        return [model.run for model in self._models.values() if model.run is not None]

    def _of(self, model: str) -> _Model:
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = _Model(StoredModel(model))
        return found

    def _at(self, at: datetime, happen: Callable[..., None], what: Any) -> None:
        heapq.heappush(self._agenda, (at, next(self._number), happen, what))

    # Decisions.

    def _decide(self, signal: Signal, asked: Asked) -> Decided:
        model = self._of(signal.model)
        policy = self._world.policy(signal, asked)
        signal = as_tolerated(signal, policy)
        known, now = self._known(model, signal, asked), asked.at
        verdict = decide(signal, policy, known, now)
        if verdict.decision.begins_run:
            known = replace(known, foreign_findings=asked.outside.foreign_findings)
            verdict = decide(signal, policy, known, now)
        before = model.state
        after, _ = after_decision(before, signal, verdict, run_id=asked.run_id, now=now, sequence=asked.sequence)
        decided = Decided(asked, signal, policy, known, verdict, after)
        model.state = (
            after
            if len(after.run_starts) <= RUN_STARTS_KEPT
            else replace(after, run_starts=after.run_starts[-RUN_STARTS_KEPT:])
        )
        self._decided(decided)
        if verdict.decision.begins_run:
            self._begin(model, decided)
        elif signal.source is SignalSource.PENDING and after.pending is not None:
            self._raise(model, now + AGAIN)
        elif after.pending is not before.pending:
            self._raise(model, now)
        return decided

    def _known(self, model: _Model, signal: Signal, asked: Asked) -> ModelState:
        outside, state = asked.outside, model.state
        if model.seen is not None and model.seen[1] is outside and not signal.content and _alike(model.seen[0], state):
            return model.seen[2]
        answered = state.answer_to(signal)
        run_id = answered["run"] if answered is not None else ""
        if run_id in model.promoting or self._world.promotes(run_id, asked):
            answered = None
        known = replace(
            state.known(),
            answered=answered,
            kill_switches=outside.kill_switches,
            promotion_endpoint_exists=outside.promotion_endpoint_exists,
            endpoint_finding=outside.endpoint_finding,
            policy_findings=outside.policy_findings,
            rollback_finding=outside.rollback_finding,
        )
        if answered is None:
            model.seen = state, outside, known
        return known

    # What waits.

    def _raise(self, model: _Model, now: datetime) -> None:
        """Have what waits decided once nothing is in its way; while a run is, its end has it done."""
        if model.state.pending is None or model.run is not None:
            return
        until = instant(model.state.cooldown_until)
        at = max(now, until) if until else now
        if model.raises_at != at:
            model.raises_at = at
            self._at(at, self._raises, model)

    def _raises(self, model: _Model, at: datetime) -> None:
        if model.raises_at != at:
            return
        model.raises_at = None
        if model.state.pending is not None and model.run is None:
            asked = model.raising = self._world.raises(model.state.model, at)
            if asked is not None:
                self._at(asked.at, self._raised, (model, asked))

    def _raised(self, what: tuple[_Model, Asked], at: datetime) -> None:
        model, asked = what
        pending = model.state.pending
        if pending is None or model.run is not None or model.raising is not asked:
            return
        name, origin = model.state.model, pending["signal"].get("source")
        if asked.record is None and switch_over(self._world.switches(name, at), name, SignalSource.PENDING, origin):
            self._raise(model, at + AGAIN)
        else:
            self.hear_waiting(name, asked)

    # Runs.

    def _begin(self, model: _Model, decided: Decided) -> None:
        run = model.run = Run(decided, self._world.course(decided))
        self._at(decided.asked.at + run.course.answered, self._answered, run)

    def _answered(self, run: Run, at: datetime) -> None:
        if run.course.trained is None:
            if run.course.promotes is not None:
                self._at(at + run.course.promotes, self._promoting, run)
            self._at(at + run.course.ended, self._over, run)
        elif self._slots and len(self._training) >= self._slots:
            self._queue.append(run)
        else:
            self._train(run, at)

    def _train(self, run: Run, at: datetime) -> None:
        assert run.course.trained is not None  # noqa: S101 - for the type checker: only such a run gets a slot
        run.trains_at = at
        self._training.add(run.run_id)
        self._at(at + run.course.trained, self._judged, run)

    def _judged(self, run: Run, at: datetime) -> None:
        self._training.discard(run.run_id)
        if self._queue:
            self._train(self._queue.popleft(), at)
        if run.course.promotes is not None:
            self._at(at + run.course.promotes, self._promoting, run)
        self._at(at + run.course.ended, self._over, run)

    def _promoting(self, run: Run, at: datetime) -> None:
        run.promotes_at = at
        model = self._of(run.decided.signal.model)
        remembered = {each["run"] for each in (model.state.answered or {}).values()}
        model.promoting = (model.promoting & remembered) | {run.run_id}

    def _over(self, run: Run, at: datetime) -> None:
        decided, course = run.decided, run.course
        model = self._of(decided.signal.model)
        goes_back = decided.signal.kind is SignalKind.ROLLBACK
        ended = EndedRun(run.run_id, course.outcome, goes_back, course.endpoint_left)
        state = after_run(model.state, ended, decided.policy, at)
        if course.again:
            sequence = self._world.closing(run)
            state = with_signal_again(state, decided.signal.as_record(), decided.verdict.severity, sequence=sequence)
        model.state, model.run = state, None
        self._ended(Ended(run, at, state))
        self._raise(model, at)


def _alike(one: StoredModel, other: StoredModel) -> bool:
    """Whether a decision knows the same of two states of a model: most signals change only what waits."""
    return one is other or (
        one.active_run_id is other.active_run_id
        and one.cooldown_until is other.cooldown_until
        and one.run_starts is other.run_starts
        and one.fruitless_runs == other.fruitless_runs
        and one.frozen_reason is other.frozen_reason
        and one.promoted_at is other.promoted_at
    )
