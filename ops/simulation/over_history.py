"""A history simulated: under the policies that were in force, which has to give every recorded decision again, and under others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ops.simulation.history import (
    Difference,
    HistoryWorld,
    RecordedDecision,
    Restated,
    Unfrozen,
    difference,
    heard_as,
)
from ops.simulation.loop import Loop
from ops.simulation.tally import ModelTally
from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import SignalSource

if TYPE_CHECKING:
    from datetime import datetime

    from ops.simulation.history import History
    from ops.simulation.loop import Decided
    from ops.simulation.stated import Stated
    from orchestration.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class Reproduced:
    """How many recorded decisions came out again byte for byte, of how many, and the first that did not.

    ``findings``: what of the records could not be read, so that nobody knows what it would have come to.
    """

    same: int
    recorded: int
    first: Difference | None
    findings: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every record could be read and every decision came out again."""
        return self.first is None and not self.findings


def simulate_history(history: History, policy: Policy, stated: Stated, *, until: datetime) -> ModelTally:
    """What a policy would have made of a history's signals, up to a time."""
    tally = ModelTally(history.model)
    loop = Loop(HistoryWorld(history, stated, policy), decided=tally.hear, ended=tally.end)
    _play(loop, history, tally, until, tried=True)
    return tally


def reproduce(history: History, stated: Stated, *, until: datetime) -> tuple[ModelTally, Reproduced]:
    """What the policies in force made of a history, and whether this code makes the same of it again."""
    tally, check = ModelTally(history.model), _Check(history)

    def decided(found: Decided) -> None:
        tally.hear(found)
        check.see(found)

    loop = Loop(HistoryWorld(history, stated, None), decided=decided, ended=tally.end)
    _play(loop, history, tally, until, tried=False)
    return tally, check.over()


def _play(loop: Loop, history: History, tally: ModelTally, until: datetime, *, tried: bool) -> None:
    loop.begin(history.begins)
    for step in history.steps:
        match step:
            case Unfrozen():
                loop.unfreeze(history.model, step.at)
            case Restated():
                loop.restate(step.state, step.at)
            case RecordedDecision():
                asked, waited = step.asked, step.signal.source is SignalSource.PENDING
                if waited and not tried and loop.hear_waiting(history.model, asked) is None:
                    # It was read, and answered by a run that began before it was decided.
                    loop.hear(step.signal, asked)
                if waited:
                    continue
                if tried:
                    # What was wrong with the file that was in force is not wrong with this one.
                    asked = asked._replace(outside=replace(asked.outside, policy_findings=()))
                loop.hear(heard_as(step.signal), asked)
    loop.advance(until)
    for run in loop.going_on():
        tally.goes_on(run)


class _Check:
    """Compares each decision with the recorded one."""

    def __init__(self, history: History) -> None:
        self._recorded = {each.link.sequence: each for each in history.decisions}
        self._missing = dict(self._recorded)
        self._differences: list[Difference] = []
        self._findings = history.findings

    def see(self, decided: Decided) -> None:
        recorded = self._missing.pop(decided.asked.record or 0, None)
        if recorded is not None:
            found = difference(recorded, decided)
        else:
            made = canonical({"decision": decided.verdict.decision, "reason": decided.verdict.reason})
            at, model = decided.asked.at.isoformat(), decided.signal.model
            found = Difference(model, None, at, "", None, made)
        if found is not None:
            self._differences.append(found)

    def over(self) -> Reproduced:
        wrong = [each for each in self._differences if each.sequence is not None]
        for recorded in self._missing.values():
            said = canonical({"decision": recorded.decision, "reason": recorded.reason})
            model, at = recorded.signal.model, recorded.at.isoformat()
            self._differences.append(Difference(model, recorded.link.sequence, at, "", said, None))
        same = len(self._recorded) - len(self._missing) - len(wrong)
        first = min(self._differences, key=lambda each: each.at, default=None)
        return Reproduced(same, len(self._recorded), first, self._findings)
