"""A model's state as it is kept, and what a decision, a run's end and a person make of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.bake import RETURNING
from orchestration.domain.contracts import Decision, SignalKind, SignalSource, Status
from orchestration.domain.decision import REPEATED_FOR, ModelState
from orchestration.domain.json_values import fields_of, mapping
from orchestration.domain.json_values import sequence as listed
from orchestration.domain.pending_signal import CONTENTS_KEPT, merge_pending, unanswered
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import record_unproven

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.domain.contracts import Severity
    from orchestration.domain.decision import DecisionVerdict
    from orchestration.domain.policy import Policy
    from orchestration.domain.signal import Signal

RUN_STARTS_KEPT: Final = 1000
"""Starts kept for the budget; the schema allows at most 1000 runs."""

HOLD_QUIET: Final = timedelta(hours=24)
"""A hold for the same reason is told again after this long; a storm of alarms on a held model is one message."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model's state as stored. ``version`` is the number of writes; times are ISO-8601 texts in UTC."""

    model: str
    version: int = 0
    active_run_id: str | None = None
    cooldown_until: str | None = None
    run_starts: tuple[str, ...] = ()
    fruitless_runs: int = 0
    frozen_reason: str | None = None
    promoted_at: str | None = None
    pending: dict[str, Any] | None = None
    told_reason: str | None = None
    told_at: str | None = None
    answered: dict[str, dict[str, str]] | None = None

    def as_record(self) -> dict[str, Any]:
        """The state as records keep it: with the last of them, and the switches, it can be built again."""
        return {name: value for name, value in fields_of(self).items() if name not in {"model", "version"}}

    @classmethod
    def of(cls, model: str, record: Mapping[str, Any], *, version: int) -> StoredModel:
        """A model's state from its record."""
        return cls(model, version, **{**record, "run_starts": tuple(record["run_starts"])})

    def known(self) -> ModelState:
        """What a decision knows of it; the rest is looked up outside."""
        return ModelState(
            active_run_id=self.active_run_id,
            cooldown_until=instant(self.cooldown_until),
            run_starts=tuple(start for text_ in self.run_starts if (start := instant(text_)) is not None),
            fruitless_runs=self.fruitless_runs,
            frozen_reason=self.frozen_reason,
            promoted_at=instant(self.promoted_at),
        )

    def answer_to(self, signal: Signal) -> dict[str, str] | None:
        """The ``run`` that the same content began lately, and when (``at``)."""
        return (self.answered or {}).get(signal.content or "")


def instant(value: str | None) -> datetime | None:
    """A stored time."""
    return datetime.fromisoformat(value) if value else None


def after_decision(
    state: StoredModel, signal: Signal, verdict: DecisionVerdict, *, run_id: str, now: datetime, sequence: int
) -> tuple[StoredModel, bool]:
    """The model's state after a decision, and whether people are told of it.

    Args:
        state: the state before.
        signal: what was decided on.
        verdict: the decision.
        run_id: the execution that decided, which is the run that begins.
        now: the decision's time.
        sequence: place of the decision in the model's chain.
    """
    if signal.kind is SignalKind.ROLLBACK:
        # Whoever asked is told what came of it, each time, and no other hold is told less often for that.
        goes_back = verdict.decision is Decision.ROLL_BACK
        return (replace(state, active_run_id=run_id) if goes_back else state), True
    if verdict.decision is Decision.RETRAIN:
        after = replace(
            state,
            active_run_id=run_id,
            run_starts=(*state.run_starts, now.isoformat()),
            pending=unanswered(state.pending, signal, verdict.severity),
            answered=_answered_by(run_id, state, signal, now),
        )
        return after, True
    if verdict.freezes and not state.frozen_reason:
        state = replace(state, frozen_reason=verdict.sentence)
    again = signal.source is SignalSource.PENDING
    if again and verdict.decision is not Decision.COALESCE and verdict.reason != Reason.PAUSED:
        state = replace(state, pending=None)
    if verdict.decision is Decision.COALESCE:
        pending = merge_pending(
            state.pending,
            signal.as_record(),
            verdict.severity,
            sequence=sequence,
            returning=signal.kind in RETURNING and not signal.unproven,
            again=again,
        )
        return replace(state, pending=pending), state.pending is None
    if verdict.decision is Decision.HOLD:
        told_at = instant(state.told_at)
        if state.told_reason == verdict.reason and told_at is not None and now - told_at < HOLD_QUIET:
            return state, False
        return replace(state, told_reason=verdict.reason, told_at=now.isoformat()), True
    return state, False


def _answered_by(run_id: str, state: StoredModel, signal: Signal, now: datetime) -> dict[str, dict[str, str]] | None:
    """What is remembered of contents that began runs: those of a signal, and of what waited and is answered with it."""
    waited = listed(mapping(state.pending).get("contents")) if signal.source is SignalSource.PENDING else []
    contents = [*map(str, waited), *([signal.content] if signal.content else [])]
    since = (now - REPEATED_FOR).isoformat()
    known = {content: by for content, by in (state.answered or {}).items() if by["at"] > since}
    known |= {content: {"run": run_id, "at": now.isoformat()} for content in contents}
    newest = sorted(known.items(), key=lambda each: (each[1]["at"], each[0]))[-CONTENTS_KEPT:]
    return dict(newest) or None


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that came to its outcome. ``endpoint_left``: it left a change of an endpoint that nobody has judged."""

    run_id: str
    outcome: Status
    goes_back: bool = False
    endpoint_left: bool = False


def after_run(state: StoredModel, run: EndedRun, policy: Policy | None, now: datetime) -> StoredModel:
    """The model's state after a run.

    Args:
        state: the state before.
        run: the run with its outcome.
        policy: the policy it was decided under.
        now: when it ended.
    """
    outcome = run.outcome
    fruitless = 0 if outcome.fruitful else state.fruitless_runs + int(outcome.fruitless)
    if run.goes_back:
        # It says nothing of retraining, and drift of a champion that came back is no sign that retraining did not help.
        fruitless = state.fruitless_runs
    frozen, limit = state.frozen_reason, policy.fruitless_runs if policy else 0
    if limit and outcome.fruitless and not run.goes_back and fruitless >= limit and not frozen:
        frozen = f"{fruitless} runs in a row brought no improvement, the last one {run.run_id} ({outcome})."
    if run.endpoint_left:
        # Whatever serves now, only people may touch it until they say otherwise.
        frozen = left_endpoint(run.run_id, outcome)
    cooldown = state.cooldown_until
    if policy and outcome is not Status.SUPERSEDED:
        hours = policy.cooldown_hours
        cooldown = (now + timedelta(hours=hours)).isoformat() if hours else None
    promoted_at = state.promoted_at
    if outcome is Status.PROMOTED:
        promoted_at = None if run.goes_back else now.isoformat()
    return replace(
        state,
        active_run_id=None if state.active_run_id == run.run_id else state.active_run_id,
        cooldown_until=cooldown,
        fruitless_runs=fruitless,
        frozen_reason=frozen,
        promoted_at=promoted_at,
    )


def left_endpoint(run_id: str, outcome: Status) -> str:
    """Why a model is frozen whose run left its endpoint."""
    return (
        f"Run {run_id} ended {outcome} while its endpoint was being changed, so a candidate may serve that no "
        "bake has judged. Compare the endpoint's config, and the one it is moving to, with the champion's in the "
        "manifest; repair the endpoint first."
    )


def with_signal_again(
    state: StoredModel, signal: Mapping[str, Any], severity: Severity, *, sequence: int
) -> StoredModel:
    """The state with a run's signal waiting again, since the run is to be decided anew.

    ``sequence`` is where the model's chain ended before the run was closed.
    """
    returning = signal.get("kind") in RETURNING and not record_unproven(signal)
    pending = merge_pending(state.pending, dict(signal), severity, sequence=sequence, returning=returning)
    return replace(state, pending=pending)


def after_unfreezing(state: StoredModel) -> StoredModel:
    """The state after a person closed the model's breaker."""
    return replace(state, frozen_reason=None, fruitless_runs=0, promoted_at=None)
