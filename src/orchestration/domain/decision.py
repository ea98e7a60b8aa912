"""The decision on one signal: an ordered chain of guards, pure, each verdict with its reason.

The first guard that does not let the signal pass decides; the verdicts of those after it are recorded all the same,
so that a reader sees everything that stood in the way.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from orchestration.domain.bake import RETURNING
from orchestration.domain.contracts import Decision, PolicyAction, Severity, SignalKind, SignalSource
from orchestration.domain.policy import STACK_BUDGET_DAYS, pinned_policy
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import FAILED_CHECKS, Signal
from orchestration.domain.switches import KillSwitch, paused_sentence, switch_over
from orchestration.domain.times import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestration.domain.policy import Policy
    from orchestration.domain.signal import DataCheck

    Guard = Callable[[Signal, Policy, "ModelState", Severity, datetime], "GuardVerdict"]


ASKED_FOR: Final = frozenset({SignalKind.REQUEST, SignalKind.RETRAINING_DECISION, SignalKind.ROLLBACK})
"""Kinds of signals that ask for something and measure nothing."""


REPEATED_FOR: Final = timedelta(hours=6)
"""How long the same content under another event id is taken for the same event. Lambda tries an asynchronous invocation again
for up to 6 hours (AWS Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation"), and so sends what it sends anew."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """What is known of a model when its signal is decided. Times are aware datetimes in UTC."""

    active_run_id: str | None = None
    cooldown_until: datetime | None = None
    run_starts: tuple[datetime, ...] = ()
    fruitless_runs: int = 0
    frozen_reason: str | None = None
    promoted_at: datetime | None = None
    answered: dict[str, str] | None = None
    """The ``run`` that the same content began, and when (``at``); None once that run has begun to promote, since then the same
    words are about another model."""
    kill_switches: tuple[KillSwitch, ...] = ()
    promotion_endpoint_exists: bool = True
    endpoint_finding: str | None = None
    """Why no candidate can serve on the policy's endpoint although it exists."""
    policy_findings: tuple[str, ...] = ()
    foreign_findings: tuple[str, ...] | None = None
    """What its policy reaches that is not its own; None while nobody asked, as for a signal that is not acted on."""
    rollback_finding: str | None = None
    """Why there is no way back, of a request for one."""

    def as_record(self) -> dict[str, Any]:
        """The state as it stands in a decision record."""
        record = asdict(self)
        for name in ("cooldown_until", "promoted_at"):
            record[name] = record[name] and record[name].isoformat()
        record["run_starts"] = [start.isoformat() for start in self.run_starts]
        return record

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> ModelState:
        """A state from its record."""
        times = {
            name: record[name] and datetime.fromisoformat(record[name]) for name in ("cooldown_until", "promoted_at")
        }
        foreign = record.get("foreign_findings")
        return cls(
            **{
                **{name: value for name, value in record.items() if name != "endpoint_owner"},  # of records before tags
                **times,
                "foreign_findings": None if foreign is None else tuple(foreign),
                "run_starts": tuple(map(datetime.fromisoformat, record["run_starts"])),
                "kill_switches": tuple(KillSwitch(**switch) for switch in record["kill_switches"]),
                "policy_findings": tuple(record["policy_findings"]),
            }
        )


class GuardVerdict(NamedTuple):
    """One guard's answer: ``decision`` None lets the signal pass. A tuple, since each decision makes ten of them."""

    guard: str
    decision: Decision | None
    reason: Reason
    sentence: str

    def as_record(self) -> dict[str, Any]:
        """The verdict as it stands in a decision record."""
        return {
            "guard": self.guard,
            "passed": self.decision is None,
            "decision": self.decision,
            "reason": self.reason,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class DecisionVerdict:
    """The decision with its reason, and every guard's verdict in the order of the chain.

    Those after the one that decides are asked for the record alone, so nobody is asked before it is made.
    """

    decision: Decision
    reason: Reason
    sentence: str
    severity: Severity
    approval_needed: bool = False
    approvals_needed: int = 1
    freezes: bool = False
    ask_guards: Callable[[], tuple[GuardVerdict, ...]] = field(default=tuple, repr=False, compare=False)

    @property
    def guards(self) -> tuple[GuardVerdict, ...]:
        """Every guard's verdict."""
        return self.ask_guards()

    def as_record(self) -> dict[str, Any]:
        """The verdict as it stands in a decision record."""
        return {
            "decision": self.decision,
            "reason": self.reason,
            "sentence": self.sentence,
            "severity": self.severity,
            "approval": {"needed": self.approval_needed, "approvals_needed": self.approvals_needed},
            "freezes": self.freezes,
            "guards": [guard.as_record() for guard in self.guards],
        }


def severity_of(signal: Signal, policy: Policy) -> Severity:
    """The larger of what was measured against the policy's marks and of the signal's own word, which can only raise.

    A violation without numbers is past its threshold by definition and counts as a warning. "No drift" counts only where no
    number says otherwise.
    """
    measured, said = _measured(signal, policy), signal.severity
    return measured if said is None or said.rank <= measured.rank else said


def _measured(signal: Signal, policy: Policy) -> Severity:
    if signal.kind in ASKED_FOR:
        return Severity.CRITICAL
    ratio = signal.threshold.ratio if signal.threshold else None
    if ratio is None:
        return Severity.INFO if signal.kind is SignalKind.NO_DRIFT else Severity.WARNING
    if ratio >= policy.critical_ratio:
        return Severity.CRITICAL
    return Severity.WARNING if ratio >= policy.warning_ratio else Severity.INFO


def as_tolerated(signal: Signal, policy: Policy) -> Signal:
    """The signal without the broken data that the policy tolerates: then it is the drift beside it, or no drift.

    One of a record of before keeps no shares and stays what it was.
    """
    if signal.kind is not SignalKind.DATA_QUALITY:
        return signal
    if not signal.data_checks and (SignalSource.DRIFT_REPORT not in {signal.source, signal.origin}):
        return signal
    ignored = policy.hold_on_data_quality is False
    if not ignored and not (signal.data_checks and all(map(policy.tolerates, signal.data_checks))):
        return signal
    # Whatever is no broken data among the violations has a threshold, with or without numbers.
    drifted = signal.threshold is not None and signal.threshold.metric != FAILED_CHECKS
    return replace(signal, kind=SignalKind.DRIFT if drifted else SignalKind.NO_DRIFT)


def decide(signal: Signal, policy: Policy, state: ModelState, now: datetime) -> DecisionVerdict:
    """Decide one signal. Pure: the same arguments give the same verdict."""
    signal = as_tolerated(signal, policy)
    severity = severity_of(signal, policy)
    # Looked at last, and only for a signal that every other guard lets pass: one that is not acted on reads nobody's tags.
    chain = ROLLBACK_GUARDS if signal.kind is SignalKind.ROLLBACK else GUARDS
    asked = chain if state.foreign_findings is None else (*chain, _ownership)
    known = signal, policy, state, severity, now
    ask_guards = functools.partial(_every, asked, known)
    stopped = None
    for guard in asked:
        verdict = guard(*known)
        if verdict.decision is not None:
            stopped = verdict
            break
    if stopped is not None and stopped.decision is not None:
        # Only the guard that decides freezes: a paused model stays as it is, and the reason kept is the real one.
        freezes = stopped.reason == Reason.DRIFT_AFTER_PROMOTION
        return DecisionVerdict(
            stopped.decision, stopped.reason, stopped.sentence, severity, freezes=freezes, ask_guards=ask_guards
        )
    if signal.kind is SignalKind.ROLLBACK:
        # Whoever asks is the person; nobody is asked besides.
        sentence = f"{signal.summary} Every guard passed, so endpoint {policy.promotion.endpoint} goes back."
        return DecisionVerdict(Decision.ROLL_BACK, Reason.GUARDS_PASSED, sentence, severity, ask_guards=ask_guards)
    approval_needed = _asks_people(signal, policy, severity)
    return DecisionVerdict(
        Decision.RETRAIN,
        Reason.FORCED if _overrides_cooldown(signal, state, now) else Reason.GUARDS_PASSED,
        _reason_to_retrain(signal, severity, policy, approval_needed=approval_needed),
        severity,
        approval_needed=approval_needed,
        approvals_needed=policy.approval.approvals_needed if severity is Severity.CRITICAL else 1,
        ask_guards=ask_guards,
    )


def _every(
    asked: Sequence[Guard], known: tuple[Signal, Policy, ModelState, Severity, datetime]
) -> tuple[GuardVerdict, ...]:
    return tuple(guard(*known) for guard in asked)


def _asks_people(signal: Signal, policy: Policy, severity: Severity) -> bool:
    """Whether people are asked before this training.

    What a monitor is said to have found, and SageMaker does not confirm, trains nothing unasked, whatever the policy says; nor
    does what is measured in numbers that have no ratio.
    What asks for a retraining and measures nothing trains unasked only where the policy itself retrains at its severity;
    so where the policy only observes, people are asked. Two are exempt: a decision file that the policy trusts, and, where
    the policy asks nobody at that severity, somebody whom the loop knows.
    """
    if policy.approval.training == "always" or signal.unproven or signal.unclear:
        return True
    if signal.kind is SignalKind.RETRAINING_DECISION and policy.decision_file == "trusted":
        return False
    action = policy.actions[severity]
    if action is PolicyAction.OBSERVE:
        # Nothing else gets as far as here.
        return signal.proven_by is None
    return policy.approval.training == "by-severity" and action is PolicyAction.APPROVE


def decided_again(record: Mapping[str, Any]) -> DecisionVerdict:
    """What this code decides on the inputs that a decision record holds."""
    inputs = record["inputs"]
    return decide(
        Signal.of(record["signal"]),
        pinned_policy(inputs["policy"]["effective"]),
        ModelState.of(inputs["state"]),
        datetime.fromisoformat(inputs["now"]),
    )


def _reason_to_retrain(signal: Signal, severity: Severity, policy: Policy, *, approval_needed: bool) -> str:
    if signal.unproven:
        return (
            f"{signal.summary} Severity {severity}; every guard passed, and since SageMaker does not confirm the monitoring "
            f"run, people are asked first. If the monitor of {policy.model} did run, approve; if not, reject."
        )
    if signal.unclear:
        return (
            f"{signal.summary} How bad that is cannot be computed, since the two numbers have no ratio: it counts as {severity}, "
            "every guard passed, and people are asked first."
        )
    then = "asks people first" if approval_needed else "retrains"
    return f"{signal.summary} Severity {severity}; every guard passed, so the policy of {policy.model} {then}."


def _kill_switch(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del severity, now
    switches = state.kill_switches
    thrown = switch_over(switches, policy.model, signal.source, signal.origin) if switches else None
    if thrown is None:
        return _NOT_PAUSED
    return GuardVerdict("kill_switch", Decision.HOLD, Reason.PAUSED, paused_sentence(thrown))


def _policy_valid(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del signal, severity, now
    if not state.policy_findings:
        return _passes("policy", Reason.POLICY_VALID, f"Policy version {policy.version} is in force.")
    if policy.version != "defaults":
        return _passes(
            "policy",
            Reason.LAST_GOOD_POLICY,
            f"The newest policy file is not valid ({' '.join(state.policy_findings)}); "
            f"version {policy.version}, the last good one, is in force.",
        )
    return GuardVerdict(
        "policy",
        Decision.HOLD,
        Reason.POLICY_INVALID,
        f"The policy file of {policy.model} is not valid and there is no good version to fall back to: "
        f"{' '.join(state.policy_findings)}",
    )


def _breaker(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    # A frozen model goes on serving, and whether it drifts is to be known.
    if state.frozen_reason and signal.kind is not SignalKind.SILENCE:
        return GuardVerdict(
            "breaker",
            Decision.HOLD,
            Reason.FROZEN,
            f"{policy.model} is frozen: {state.frozen_reason} Look at its last runs before it is unfrozen.",
        )
    # What nobody confirms is asked about, and freezes nothing.
    drifted = signal.kind in RETURNING and severity is not Severity.INFO and not signal.muted and not signal.unproven
    if policy.drift_again_hours and state.promoted_at is not None and drifted:
        age = now - state.promoted_at
        if age < timedelta(hours=policy.drift_again_hours):
            return GuardVerdict(
                "breaker",
                Decision.HOLD,
                Reason.DRIFT_AFTER_PROMOTION,
                f"{policy.model} drifts again {_hours(age)} after its last promotion (limit "
                f"{policy.drift_again_hours:g} h): retraining did not cure it. The model is frozen; check the "
                "monitor's baseline and the training data before it is unfrozen.",
            )
    return _passes("breaker", Reason.NOT_FROZEN, f"{state.fruitless_runs} run(s) in a row without improvement.")


def _data_quality(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del state, severity, now
    broken = signal.kind is SignalKind.DATA_QUALITY and policy.hold_on_data_quality is not False
    if signal.unproven and (broken or signal.kind is SignalKind.MONITOR_FAILURE):
        # Of a reason of its own: people are told of a reason once a day, and a forged run must not use that up.
        return GuardVerdict(
            "data_quality",
            Decision.HOLD,
            Reason.RUN_UNCONFIRMED,
            f"{signal.summary} If the monitor of {policy.model} did run, see to it; if not, there is nothing to repair.",
        )
    if signal.kind is SignalKind.SILENCE:
        return GuardVerdict(
            "data_quality",
            Decision.HOLD,
            Reason.MONITOR_SILENT,
            f"{signal.summary} Not knowing is not the same as no drift: see why the monitor does not run, or have it send "
            'its "no drift" too.',
        )
    if signal.kind is SignalKind.MONITOR_FAILURE:
        return GuardVerdict(
            "data_quality",
            Decision.HOLD,
            Reason.MONITOR_FAILED,
            f"{signal.summary.rstrip('.')}. Not knowing is not the same as no drift: repair the monitoring run.",
        )
    if broken:
        return GuardVerdict(
            "data_quality",
            Decision.HOLD,
            Reason.BROKEN_DATA,
            f"{signal.summary} {_untolerated(signal, policy)}Training on broken data makes a worse model: tell the data owners.",
        )
    if signal.data_checks:
        tolerated = ", ".join(map(_shown, signal.data_checks))
        return _passes("data_quality", Reason.DATA_TOLERATED, f"The policy tolerates what is broken: {tolerated}.")
    return _DATA_SOUND


def _untolerated(signal: Signal, policy: Policy) -> str:
    """What a policy that tolerates some broken data does not tolerate; nothing to say where it holds every kind."""
    needed = policy.hold_on_data_quality
    if isinstance(needed, bool):
        return ""
    held = [check for check in signal.data_checks if not policy.tolerates(check)]
    shown = (
        f"{_shown(check)}{f' where {100 * needed[check.check]:g} % are needed' if check.check in needed else ''}"
        for check in held
    )
    return f"The policy does not tolerate {', '.join(shown)}. " if held else ""


def _shown(broken: DataCheck) -> str:
    return f"{broken.check} {'of an unknown share' if broken.worst is None else f'at {100 * broken.worst:g} %'}"


def _severity(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del state, now
    if signal.kind is SignalKind.NO_DRIFT and severity is Severity.INFO:
        return GuardVerdict("severity", Decision.SKIP, Reason.NO_DRIFT, f"{signal.summary} Nothing to retrain for.")
    if signal.muted:
        return GuardVerdict("severity", Decision.OBSERVE, Reason.MUTED, f"{signal.summary} The alarm is muted.")
    if signal.kind in ASKED_FOR:
        return _passes("severity", Reason.ASKED_FOR, f"{signal.summary} Retraining was asked for.")
    ratio = signal.threshold.ratio if signal.threshold else None
    shown = "Without a ratio" if ratio is None else f"At {ratio:.2f} times its threshold"
    if policy.actions[severity] is PolicyAction.OBSERVE:
        return GuardVerdict(
            "severity",
            Decision.OBSERVE,
            Reason.BELOW_ACTION,
            f"{signal.summary} {shown} it is {severity}, which the policy only observes "
            f"(warning from {policy.warning_ratio:g}, critical from {policy.critical_ratio:g}).",
        )
    return _passes(
        "severity", Reason[f"SEVERITY_{severity.name}"], f"{shown} it is {severity}: {policy.actions[severity]}."
    )


def _training_target(
    signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime
) -> GuardVerdict:
    del signal, severity, now
    if policy.training.kind is None:
        return GuardVerdict(
            "training_target",
            Decision.HOLD,
            Reason.NO_TRAINING_TARGET,
            f"There is nothing to train {policy.model} with: set the stack parameter TrainingPipelineArn, or "
            f"training.target in policies/{policy.model}.json.",
        )
    if not state.promotion_endpoint_exists:
        return GuardVerdict(
            "training_target",
            Decision.HOLD,
            Reason.NO_ENDPOINT,
            f"Endpoint {policy.promotion.endpoint} of the policy does not exist, so nothing could be promoted: create "
            "it with a first champion, or correct promotion.endpoint.",
        )
    if state.endpoint_finding:
        return GuardVerdict("training_target", Decision.HOLD, Reason.NOT_PROMOTABLE, state.endpoint_finding)
    return _passes("training_target", Reason.TARGET_SET, f"Training target {policy.training.target}.")


def _run_in_progress(
    signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime
) -> GuardVerdict:
    del signal, severity
    if state.answered is not None:
        answered, age = state.answered, now - datetime.fromisoformat(state.answered["at"])
        if age < REPEATED_FOR:
            return GuardVerdict(
                "run_in_progress",
                Decision.SKIP,
                Reason.ANSWERED,
                f"The same to the last digit was said {_hours(age)} ago and began run {answered['run']}: an event that is sent "
                "twice. One that is meant anew says so by a dedupe_key, or by its dataset's window_end.",
            )
    if state.active_run_id:
        return GuardVerdict(
            "run_in_progress",
            Decision.COALESCE,
            Reason.RUN_IN_PROGRESS,
            f"Run {state.active_run_id} of {policy.model} is in progress; the signal is kept and decided when it ends.",
        )
    return _NO_RUN


def _cooldown(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del severity
    if state.cooldown_until is None or now >= state.cooldown_until:
        return _NO_COOLDOWN
    until = stamp(state.cooldown_until)
    if _overrides_cooldown(signal, state, now):
        return _passes(
            "cooldown", Reason.COOLDOWN_OVERRIDDEN, f"{signal.proven_by} overrides the cooldown until {until}."
        )
    unproven = (
        " Its force does not count: only a forced request from a terminal passes a cooldown, since it proves who asks."
    )
    return GuardVerdict(
        "cooldown",
        Decision.COALESCE,
        Reason.COOLDOWN,
        f"{policy.model} is in its cooldown until {until}; the signal is kept and decided then."
        f"{unproven if signal.force else ''}",
    )


def _overrides_cooldown(signal: Signal, state: ModelState, now: datetime) -> bool:
    return (
        signal.force
        and signal.proven_by is not None
        and signal.source is SignalSource.MANUAL_REQUEST
        and state.cooldown_until is not None
        and now < state.cooldown_until
    )


def _budget(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del signal, severity
    remedies = {
        (
            policy.stack_budget_runs,
            STACK_BUDGET_DAYS,
        ): "Raise the stack's RunBudget, which PolicyFloor holds against it,",
        (policy.budget_runs, policy.budget_days): "Raise budget.runs in its policy",
    }
    limits = {limit: remedy for limit, remedy in remedies.items() if limit[0] > 0}
    if not limits:
        return _NO_BUDGET
    told = []
    for (runs, days), remedy in limits.items():
        used = sum(start > now - timedelta(days=days) for start in state.run_starts)
        told.append(f"{used} of {runs} runs used in {days:g} days.")
        if used >= runs:
            return GuardVerdict(
                "budget",
                Decision.HOLD,
                Reason.BUDGET_SPENT,
                f"{policy.model} has used {used} of {runs} runs in {days:g} days. {remedy} if this drift is worth it.",
            )
    return _passes("budget", Reason.WITHIN_BUDGET, " ".join(told))


def _shadow(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del state, severity, now
    if policy.mode == "shadow":
        return GuardVerdict(
            "shadow",
            Decision.OBSERVE,
            Reason.SHADOW,
            f"{policy.model} is in shadow mode: it would have been "
            f"{'rolled back' if signal.kind is SignalKind.ROLLBACK else 'retrained'}, and nothing was started.",
        )
    return _ACTIVE


def _ownership(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del signal, severity, now
    if state.foreign_findings:
        return GuardVerdict("ownership", Decision.HOLD, Reason.FOREIGN_RESOURCE, " ".join(state.foreign_findings))
    return _passes("ownership", Reason.OWN_RESOURCES, f"What the policy names is {policy.model}'s own.")


def _way_back(signal: Signal, policy: Policy, state: ModelState, severity: Severity, now: datetime) -> GuardVerdict:
    del signal, severity, now
    finding = state.rollback_finding
    if state.active_run_id:
        finding = (
            f"Run {state.active_run_id} of {policy.model} is in progress, and one run at a time changes its endpoint: wait "
            f"for its end, or pause the model and resume it; then ask again."
        )
    if finding:
        return GuardVerdict("way_back", Decision.HOLD, Reason.NO_WAY_BACK, finding)
    return _passes("way_back", Reason.WAY_BACK, "What served before is there, and nobody else deployed since.")


def _passes(guard: str, reason: Reason, sentence: str) -> GuardVerdict:
    return GuardVerdict(guard, None, reason, sentence)


_NOT_PAUSED: Final = _passes("kill_switch", Reason.NOT_PAUSED, "No kill switch is thrown for this model or source.")
_DATA_SOUND: Final = _passes("data_quality", Reason.DATA_SOUND, "The signal reports no broken data.")
_NO_RUN: Final = _passes("run_in_progress", Reason.NO_RUN, "No run of this model is in progress.")
_NO_COOLDOWN: Final = _passes("cooldown", Reason.NO_COOLDOWN, "The model is not in its cooldown.")
_NO_BUDGET: Final = _passes("budget", Reason.NO_BUDGET, "The policy sets no run budget.")
_ACTIVE: Final = _passes("shadow", Reason.ACTIVE, "The loop is active for this model.")


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


GUARDS = (
    _kill_switch,
    _policy_valid,
    _breaker,
    _data_quality,
    _severity,
    _training_target,
    _run_in_progress,
    _cooldown,
    _budget,
    _shadow,
)
"""The chain, strongest first, but for ``_ownership``, which is asked last. ``duplicate`` stands before all of them, in the store: a signal seen is not decided."""

ROLLBACK_GUARDS = (_kill_switch, _way_back, _shadow)
"""The chain for a request to go back, which trains nothing: no cooldown, no budget, and a frozen model may go back, unless a
run left its endpoint unsettled, which the fence sees."""
