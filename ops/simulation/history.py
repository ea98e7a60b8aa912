"""A model's history as a world: what was heard and what else happened comes from its records, and so does what a run comes to."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ops.audit.records import STRANGE
from ops.simulation.loop import Asked, Course, Outside
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import Head, Record, RecordKind, chained
from orchestration.domain.contracts import Decision, SignalKind, SignalSource, Status
from orchestration.domain.decision import ModelState
from orchestration.domain.policy import pinned_policy
from orchestration.domain.records import decision_key, decision_record
from orchestration.domain.signal import Signal, Violation
from orchestration.domain.stored_model import StoredModel, left_endpoint
from orchestration.domain.switches import KillSwitch, switches_over

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ops.simulation.loop import Decided, Run
    from ops.simulation.stated import Stated
    from orchestration.domain.chain import Link
    from orchestration.domain.policy import Policy

SWEPT: Final = timedelta(hours=1)
"""How long after a signal could be raised a recorded decision on what waits is taken for the one on it. Sweeps come every few minutes,
and one that fails is tried again within the hour."""

UNNAMED: Final = Violation("", "", "")
"""Stands for a violation that a record counts and does not keep."""


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A decision as it was recorded."""

    link: Link
    previous_hash: str
    at: datetime
    signal: Signal
    policy: Policy
    state: ModelState
    decision: Decision
    reason: str
    approval_needed: bool
    run_id: str
    execution_arn: str
    event_id: str | None

    @property
    def asked(self) -> Asked:
        """It as a question."""
        state = self.state
        outside = Outside(
            state.kill_switches,
            state.promotion_endpoint_exists,
            state.endpoint_finding,
            state.policy_findings,
            state.foreign_findings or (),
            state.rollback_finding,
        )
        return Asked(self.at, self.run_id, self.link.sequence, outside, self.link.sequence, self.signal.observed_at)


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run as its outcome was recorded. ``before``: where the chain ended then; ``began`` is None for one that began earlier."""

    run_id: str
    began: RecordedDecision | None
    outcome: Status
    ended_at: datetime
    before: int
    times: Mapping[str, datetime]
    endpoint_left: bool
    again: bool

    @property
    def asked_people(self) -> bool:
        """Whether people were asked before it trained."""
        return str(Status.TRAINING_APPROVAL_REQUESTED) in self.times

    @property
    def trained(self) -> bool:
        """Whether its training began."""
        return str(Status.TRAINING_STARTED) in self.times


@dataclass(frozen=True, slots=True)
class History:
    """What a model's chain tells, in its order.

    ``begins`` is its state before the first step. ``left_out`` counts what decides nothing under a policy: rejections, and
    decisions of a release whose records held no inputs.
    """

    model: str
    begins: StoredModel
    steps: tuple[Step, ...]
    runs: Mapping[str, RecordedRun]
    pauses: tuple[Pause, ...]
    left_out: int
    findings: tuple[str, ...]

    @property
    def until(self) -> datetime:
        """When the last thing happened that is on record."""
        return max([self.steps[-1].at, *(run.ended_at for run in self.runs.values())])

    @property
    def decisions(self) -> tuple[RecordedDecision, ...]:
        """Its decisions."""
        return tuple(step for step in self.steps if isinstance(step, RecordedDecision))


@dataclass(frozen=True, slots=True)
class Unfrozen:
    """A person closed the model's breaker."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Restated:
    """A run that began before the history ended: the model's state after it is taken from its record."""

    at: datetime
    state: StoredModel


Step = RecordedDecision | Unfrozen | Restated
"""What comes from outside, in the order of the chain."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A switch was thrown, or lifted where ``switch`` is None."""

    at: datetime
    scope: str
    switch: KillSwitch | None


@dataclass(slots=True)
class _Reading:
    """What was read of a chain so far."""

    steps: list[Step] = field(default_factory=list)
    began: dict[str, RecordedDecision] = field(default_factory=dict)
    runs: dict[str, RecordedRun] = field(default_factory=dict)
    pending: dict[str, Any] | None = None
    begins: StoredModel | None = None
    left_out: int = 0


def history_of(model: str, links: Iterable[Link], pauses: Iterable[Pause], findings: Sequence[str] = ()) -> History:
    """A model's history.

    Args:
        model: its name.
        links: of its chain, the oldest first.
        pauses: switches over everything or over a source, which are of another chain.
        findings: what was wrong with the chain; it is read as far as it can be trusted.
    """
    reading, own, said, last = _Reading(), list(pauses), list(findings), 0
    for link in links:
        if last and link.sequence != last + 1:
            said.append(f"record {last + 1} is missing")
            break
        last = link.sequence
        try:
            document = json.loads(link.record)
            if document["schema_version"] == 1:
                reading.left_out += 1
            elif link.kind is RecordKind.PAUSE:
                own.append(pause_of(document))
            else:
                _read(reading, model, link, document)
        except STRANGE as error:
            said.append(f"record {link.sequence} ({link.key}) is of no fact that could be ({type(error).__name__})")
            break
        if reading.begins is None and link.sequence == 1 and document["schema_version"] != 1:
            reading.begins = StoredModel(model)
    own.sort(key=lambda each: each.at)
    begins = reading.begins or StoredModel(model)
    return History(model, begins, tuple(reading.steps), reading.runs, tuple(own), reading.left_out, tuple(said))


def pause_of(document: Mapping[str, Any]) -> Pause:
    """A pause from its record."""
    switch = KillSwitch(**document["switch"]) if document["change"] == "paused" else None
    return Pause(datetime.fromisoformat(document["at"]), document["scope"], switch)


def _read(reading: _Reading, model: str, link: Link, document: dict[str, Any]) -> None:
    state = document.get("model_state")
    if reading.begins is None and link.sequence > 1:
        # The beginning of the chain is not here: the first record with a state says where the model stood.
        reading.left_out += link.kind is RecordKind.DECISION
        if state is not None:
            reading.begins, reading.pending = StoredModel.of(model, state, version=1), state["pending"]
        return
    if link.kind is RecordKind.DECISION:
        if document["inputs"] is None:
            reading.left_out += 1
            return
        decision = _decision(link, document)
        reading.steps.append(decision)
        if decision.decision.begins_run:
            reading.began[decision.run_id] = decision
    elif link.kind is RecordKind.OUTCOME:
        began = reading.began.get(document["run_id"])
        run = _run(link, document, began, reading.pending)
        reading.runs[run.run_id] = run
        if began is None:
            reading.steps.append(Restated(run.ended_at, StoredModel.of(model, document["model_state"], version=1)))
    elif link.kind is RecordKind.OVERRIDE:
        reading.steps.append(Unfrozen(datetime.fromisoformat(document["at"])))
    if state is not None:
        reading.pending = state["pending"]


def _decision(link: Link, document: dict[str, Any]) -> RecordedDecision:
    inputs, said = document["inputs"], document["signal"]
    signal = Signal.of(said)
    more = int(said.get("violation_count", 0)) - len(signal.violations)
    signal = replace(signal, violations=(*signal.violations, *[UNNAMED] * more))
    return RecordedDecision(
        link=link,
        previous_hash=document["chain"]["previous_hash"],
        at=datetime.fromisoformat(inputs["now"]),
        signal=signal,
        policy=pinned_policy(inputs["policy"]["effective"]),
        state=ModelState.of(inputs["state"]),
        decision=Decision(document["decision"]),
        reason=str(document["reason"]),
        approval_needed=bool(document["approval"]["needed"]),
        run_id=document["run_id"],
        execution_arn=document["execution_arn"],
        event_id=document["event_id"],
    )


def _run(
    link: Link, document: dict[str, Any], began: RecordedDecision | None, pending: dict[str, Any] | None
) -> RecordedRun:
    outcome, state = Status(document["outcome"]), document["model_state"]
    return RecordedRun(
        run_id=document["run_id"],
        began=began,
        outcome=outcome,
        ended_at=datetime.fromisoformat(document["ended_at"]),
        before=link.sequence - 1,
        times={str(row["status"]): datetime.fromisoformat(row["at"]) for row in document["statuses"]},
        endpoint_left=state["frozen_reason"] == left_endpoint(document["run_id"], outcome),
        again=_count(state["pending"]) > _count(pending),
    )


def _count(pending: Mapping[str, Any] | None) -> int:
    return int(pending["count"]) if pending is not None else 0


class HistoryWorld:
    """The world of a history.

    A run that began as one of the history did, by the same signal at the same time, comes to what that one came to, in the same time.
    Any other has the phases of the run of the history that began nearest to it and had them, and what is stated where there is none.

    Args:
        history: the history.
        stated: what runs come to where no run of the history says it.
        policy: the policy that is tried; None: those that were in force.
    """

    def __init__(self, history: History, stated: Stated, policy: Policy | None) -> None:
        self._history, self._stated, self._policy = history, stated, policy
        self._decided = history.decisions
        self._decided_at = [each.at for each in self._decided]
        self._in_force = self._decided[0].policy if self._decided else policy
        self._decisions = {each.link.sequence: each for each in self._decided}
        self._raised = [each for each in self._decided if each.signal.source is SignalSource.PENDING]
        self._raised_at = [each.at for each in self._raised]
        runs = [run for run in history.runs.values() if run.began is not None]
        self._asked = [run for run in runs if run.asked_people and _answered(run) is not None]
        self._trained = [run for run in runs if run.trained and not _goes_back(run)]
        ended = history.runs.keys()
        self._going_on = {
            each.run_id for each in self._decided if each.decision.begins_run and each.run_id not in ended
        }
        answered = (history.begins.answered or {}).values()
        self._untold = self._going_on | {each["run"] for each in answered}
        self._number = 0

    def policy(self, signal: Signal, asked: Asked) -> Policy:
        """The one that is tried; or the one that was in force."""
        del signal
        recorded = self._decisions.get(asked.record or 0)
        if recorded is not None:
            self._in_force = recorded.policy
        policy = self._policy or self._in_force
        assert policy is not None  # noqa: S101 - without a decision nothing is raised
        return policy

    def promotes(self, run_id: str, asked: Asked) -> bool:
        """Of a run whose statuses are in no record here, what was known when the signal was decided."""
        recorded = self._decisions.get(asked.record or 0)
        return run_id in self._untold and recorded is not None and recorded.state.answered is None

    def course(self, decided: Decided) -> Course:
        """What a run comes to."""
        self._number += 1
        own = self._history.runs.get(decided.asked.run_id)
        if own is not None and own.began is not None:
            # Whether people were asked is another matter: it may have ended before it came to that.
            if own.began.approval_needed == decided.verdict.approval_needed:
                return exact_course(own)
        elif decided.asked.run_id in self._going_on:
            # It was going on when the history ended.
            return replace(self._like(decided), ended=timedelta(days=3650))
        return self._like(decided)

    def _like(self, decided: Decided) -> Course:
        """As runs of the history that began nearest to this one."""
        stated, at = self._stated, decided.asked.at
        if decided.verdict.approval_needed and self._asked:
            asked = min(self._asked, key=lambda run: abs(_began(run) - at))
            answered = _answered(asked)
            assert answered is not None  # noqa: S101 - only such runs are in the list
            if not asked.trained:
                return Course(asked.outcome, answered=answered, trained=None)
            stated = replace(stated, answer_hours=answered / timedelta(hours=1))
        course = stated.course(decided, self._number)
        if not self._trained or course.trained is None:
            return course
        like = exact_course(min(self._trained, key=lambda run: abs(_began(run) - at)))
        return replace(like, answered=course.answered, endpoint_left=False, again=False)

    def raises(self, model: str, at: datetime) -> Asked | None:
        """When a sweep raised what waited, at once where none did within the hour. Under the policies in force records say when."""
        if self._policy is None:
            return None
        place = bisect_left(self._raised_at, at)
        if place < len(self._raised) and self._raised_at[place] - at < SWEPT:
            return self._raised[place].asked
        return self._asked_at(model, at)

    def _asked_at(self, model: str, at: datetime) -> Asked:
        """A sweep's question at a time at which none is on record; what is outside is as it was when something was decided last."""
        place = bisect_right(self._decided_at, at)
        known, sequence = Outside(), 0
        if place:
            before = self._decided[place - 1]
            known, sequence = before.asked.outside, before.link.sequence
        switches = switches_over(self.switches(model, at), model, SignalSource.PENDING)
        outside = replace(known, kill_switches=switches, foreign_findings=(), rollback_finding=None)
        return Asked(at, f"{model}-{at:%Y%m%dT%H%M%S}", sequence, outside)

    def switches(self, model: str, at: datetime) -> tuple[KillSwitch, ...]:
        """Those thrown and not lifted by then."""
        del model
        thrown: dict[str, KillSwitch] = {}
        for pause in self._history.pauses:
            if pause.at > at:
                break
            if pause.switch is None:
                thrown.pop(pause.scope, None)
            else:
                thrown[pause.scope] = pause.switch
        return tuple(thrown.values())

    def closing(self, run: Run) -> int:
        """Where the chain ended when the run was closed, if it was."""
        own = self._history.runs.get(run.run_id)
        return own.before if own is not None else run.decided.asked.sequence


def exact_course(run: RecordedRun) -> Course:
    """A run's own course."""
    began = _began(run)
    answered = _answered(run) or timedelta()
    trains = run.times.get(str(Status.TRAINING_STARTED))
    promotes = run.times.get(str(Status.PROMOTION_STARTED))
    if trains is None:
        return Course(
            run.outcome,
            answered=answered,
            trained=None,
            promotes=None if promotes is None else promotes - began - answered,
            ended=run.ended_at - began - answered,
            endpoint_left=run.endpoint_left,
            again=run.again,
        )
    judged = run.times.get(str(Status.TRAINING_FINISHED)) or min(promotes or run.ended_at, run.ended_at)
    return Course(
        run.outcome,
        answered=trains - began,
        trained=judged - trains,
        promotes=None if promotes is None else promotes - judged,
        ended=run.ended_at - judged,
        endpoint_left=run.endpoint_left,
        again=run.again,
    )


def _began(run: RecordedRun) -> datetime:
    assert run.began is not None  # noqa: S101 - whoever asks has looked
    return run.began.at


def _goes_back(run: RecordedRun) -> bool:
    return run.began is not None and run.began.signal.kind is SignalKind.ROLLBACK


def _answered(run: RecordedRun) -> timedelta | None:
    """How long people took; None while nobody can tell."""
    if run.began is None or not run.asked_people:
        return None
    said = run.times.get(str(Status.TRAINING_APPROVED))
    if said is None:
        said = None if run.trained else run.ended_at
    return None if said is None else said - run.began.at


# The same again.


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a simulated decision is not the recorded one; texts are JSON, None where there is nothing."""

    model: str
    sequence: int | None
    at: str
    where: str
    recorded: str | None
    simulated: str | None


def difference(recorded: RecordedDecision, decided: Decided) -> Difference | None:
    """What is not the same, byte for byte, in the record that the simulated decision would leave; None for nothing."""
    link = made_again(recorded, decided)
    if link.record == recorded.link.record:
        return None
    before, after = json.loads(recorded.link.record), json.loads(link.record)
    where, was, becomes = _first(before, after, "") or ("", None, None)
    return Difference(
        decided.signal.model, recorded.link.sequence, recorded.at.isoformat(), where.lstrip("."), was, becomes
    )


def made_again(recorded: RecordedDecision, decided: Decided) -> Link:
    """The link of a simulated decision, at the place of the recorded one."""
    body = decision_record(
        signal=decided.signal,
        verdict=decided.verdict,
        policy=decided.policy,
        state=decided.known,
        model_state=decided.state.as_record(),
        run_id=recorded.run_id,
        execution_arn=recorded.execution_arn,
        event_id=recorded.event_id,
        decided_at=decided.asked.at,
    )
    key = decision_key(decided.signal.model, decided.asked.at, decided.signal.signal_id)
    head = Head(recorded.link.chain, recorded.link.sequence - 1, recorded.previous_hash)
    return chained(head, Record(RecordKind.DECISION, key, body))[0]


def _first(before: Any, after: Any, where: str) -> tuple[str, str | None, str | None] | None:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in before if name != "chain"] + [name for name in after if name not in before]
        found = (
            _first(before[name], after[name], f"{where}.{name}")
            if name in before and name in after
            else (f"{where}.{name}", _text(before, name), _text(after, name))
            for name in names
        )
        return next(filter(None, found), None)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        found = (
            _first(one, other, f"{where}[{place}]")
            for place, (one, other) in enumerate(zip(before, after, strict=True))
        )
        return next(filter(None, found), None)
    return None if before == after else (where, canonical(before), canonical(after))


def _text(document: Mapping[str, Any], name: str) -> str | None:
    return canonical(document[name]) if name in document else None


def heard_as(signal: Signal) -> Signal:
    """A recorded signal as it came in, before the policy in force then tolerated what of its data is broken."""
    return replace(signal, kind=SignalKind.DATA_QUALITY) if signal.data_checks else signal
