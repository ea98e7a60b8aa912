"""Words that cross a border: event sources, detail types, decisions, statuses, outcomes.

The same strings stand in ``automation-orchestration-pipeline.yaml`` and ``statemachine.asl.json``; contract tests
compare them, so a word is changed here or nowhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

SCHEMA_VERSION: Final = 1

DRIFT_SOURCE: Final = "mlops.drift"
RETRAINING_SOURCE: Final = "mlops.retraining"
DRIFT_DETECTED: Final = "Drift Detected"
RETRAINING_REQUESTED: Final = "Retraining Requested"
RETRAINING_STATUS_CHANGE: Final = "Retraining Status Change"
PENDING_SIGNAL_DUE: Final = "Pending Signal Due"
MONITOR_SILENT: Final = "Monitor Silent"
SWEEP_REQUESTED: Final = "Sweep Requested"

PROCESSING_JOB_STATE_CHANGE: Final = "SageMaker Processing Job State Change"
ENDPOINT_STATE_CHANGE: Final = "SageMaker Endpoint State Change"
PIPELINE_STATE_CHANGE: Final = "SageMaker Model Building Pipeline Execution Status Change"
TRAINING_JOB_STATE_CHANGE: Final = "SageMaker Training Job State Change"
ALARM_STATE_CHANGE: Final = "CloudWatch Alarm State Change"
OBJECT_CREATED: Final = "Object Created"
SCHEDULED_EVENT: Final = "Scheduled Event"
EXECUTION_STATUS_CHANGE: Final = "Step Functions Execution Status Change"

MODEL_TAG: Final = "retraining:model"
"""Tag that names the model an endpoint, a package group, a monitoring schedule or a target belongs to."""

RUN_TAG: Final = "retraining:run"
PACKAGE_TAG: Final = "retraining:package"
"""Tag on everything a run creates in SageMaker."""

KEEP_TAG: Final = "retraining:keep"
"""Tag, of any value, on a model or config of the loop's that somebody uses elsewhere: the loop does not remove it."""

UNATTRIBUTED: Final = "_unattributed"
"""Chain and folder of decisions on signals that name no model. No model may start with an underscore."""

SMOKE_MODEL: Final = "smoke-test"
"""Model of the signal that tests a stack. It has decisions, and is nobody's."""


class Decision(StrEnum):
    """What the guards made of one signal."""

    RETRAIN = "RETRAIN"
    ROLL_BACK = "ROLL_BACK"
    OBSERVE = "OBSERVE"
    HOLD = "HOLD"
    COALESCE = "COALESCE"
    SKIP = "SKIP"
    REJECT = "REJECT"

    @property
    def begins_run(self) -> bool:
        """True when a run follows, with a manifest and an outcome."""
        return self in {Decision.RETRAIN, Decision.ROLL_BACK}


class Severity(StrEnum):
    """How far the observed value is past its threshold, in the policy's words."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Position in the order info < warning < critical."""
        return _SEVERITY_RANKS[self]


_SEVERITY_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


class PolicyAction(StrEnum):
    """What a policy does at a severity."""

    OBSERVE = "observe"
    APPROVE = "approve"
    RETRAIN = "retrain"


class ChannelApproval(StrEnum):
    """When an approval of the channel counts; the words of a policy."""

    NEVER = "never"
    NOT_CRITICAL = "not_critical"
    ALWAYS = "always"


class SignalSource(StrEnum):
    """Who raised a signal. Kill switches can be scoped to one of these."""

    MODEL_MONITOR = "model_monitor"
    ALARM = "alarm"
    DRIFT_REPORT = "drift_report"
    DECISION_FILE = "decision_file"
    MANUAL_REQUEST = "manual_request"
    PENDING = "pending"
    SILENCE = "silence"


class SignalKind(StrEnum):
    """What a signal says."""

    DRIFT = "drift"
    DATA_QUALITY = "data_quality"
    MONITOR_FAILURE = "monitor_failure"
    KPI = "kpi"
    NO_DRIFT = "no_drift"
    RETRAINING_DECISION = "retraining_decision"
    REQUEST = "request"
    ROLLBACK = "rollback"
    SILENCE = "silence"


class Next(StrEnum):
    """Where the workflow goes next: the function decides, the workflow follows. The words its choices compare."""

    ASK = "ask"
    TRAIN = "train"
    REJECT = "reject"
    END = "end"
    EVALUATE = "evaluate"
    PROMOTE = "promote"
    BAKE = "bake"
    ROLL_BACK = "roll_back"
    FINISH = "finish"
    RECORD = "record"


class WaitKind(StrEnum):
    """What a parked task token waits for. A run waits for each once, an approval once for each subject."""

    SLOT = "slot"
    APPROVAL = "approval"
    TRAINING = "training"
    PROMOTION = "promotion"
    BAKE = "bake"
    ROLLBACK = "rollback"


class DueKind(StrEnum):
    """Work that must follow a commit or comes with time; a due item points to the fact that says if it is done."""

    TELL = "tell"
    """Records, evidence and messages of a committed fact."""
    ALIVE = "alive"
    """Does the execution of an open run still live?"""
    LOOK = "look"
    """Is what a run waits for over?"""
    LADDER = "ladder"
    """Remind of, escalate or expire an approval; deliver one that was decided."""
    PENDING = "pending"
    """Bring a coalesced signal back."""
    STOP = "stop"
    """Stop the training of a closed run and give its slot back once it is over."""
    INTENT = "intent"
    """Look again at an endpoint whose change a closed run left open."""
    RAISE = "raise"
    """Raise a signal whose event was lost or is replayed, or a retraining an operator asked for."""
    SWITCH = "switch"
    """A kill switch was thrown or lifted: end the bakes under it, hand out what waited for it."""
    REMOVE = "remove"
    """After a promotion: remove the models and configs of the model's runs that are KeepChampions promotions old."""
    SILENCE = "silence"
    """Has the model's monitor spoken as often as the policy says?"""


class Status(StrEnum):
    """Statuses of a run in the order they can come. Each comes at most once."""

    RETRAINING_DECIDED = "RETRAINING_DECIDED"
    ROLLBACK_DECIDED = "ROLLBACK_DECIDED"
    TRAINING_APPROVAL_REQUESTED = "TRAINING_APPROVAL_REQUESTED"
    TRAINING_APPROVED = "TRAINING_APPROVED"
    TRAINING_QUEUED = "TRAINING_QUEUED"
    TRAINING_WAITING = "TRAINING_WAITING"
    TRAINING_STARTED = "TRAINING_STARTED"
    TRAINING_FINISHED = "TRAINING_FINISHED"
    CANDIDATE_EVALUATED = "CANDIDATE_EVALUATED"
    PROMOTION_APPROVAL_REQUESTED = "PROMOTION_APPROVAL_REQUESTED"
    PROMOTION_APPROVED = "PROMOTION_APPROVED"
    PROMOTION_STARTED = "PROMOTION_STARTED"
    BAKE_APPROVAL_REQUESTED = "BAKE_APPROVAL_REQUESTED"
    BAKE_APPROVED = "BAKE_APPROVED"
    PROMOTION_BAKED = "PROMOTION_BAKED"
    ROLLBACK_STARTED = "ROLLBACK_STARTED"
    PROMOTED = "PROMOTED"
    TRAINED = "TRAINED"
    CANDIDATE_REJECTED = "CANDIDATE_REJECTED"
    APPROVAL_REJECTED = "APPROVAL_REJECTED"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    STOPPED = "STOPPED"
    SUPERSEDED = "SUPERSEDED"
    TRAINING_FAILED = "TRAINING_FAILED"
    TRAINING_TIMED_OUT = "TRAINING_TIMED_OUT"
    NO_CAPACITY = "NO_CAPACITY"
    ROLLED_BACK = "ROLLED_BACK"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    FAILED = "FAILED"

    @property
    def order(self) -> int:
        """Position in a run's life, for showing statuses in their order. Never part of a key."""
        return list(Status).index(self)

    @property
    def final(self) -> bool:
        """True when no status follows: the run has its outcome."""
        return self in OUTCOMES

    @property
    def fruitful(self) -> bool:
        """True when the run improved what serves."""
        return self in {Status.PROMOTED, Status.TRAINED}

    @property
    def fruitless(self) -> bool:
        """True when the run came to no improvement, by its own end or by a person's no or silence.

        One that was stopped or overtaken, or found no capacity, says nothing of that.
        """
        cut_short = {Status.STOPPED, Status.SUPERSEDED, Status.NO_CAPACITY}
        return self in OUTCOMES and not self.fruitful and self not in cut_short

    @property
    def escalates(self) -> bool:
        """True when people have to act: the loop could not keep its promise by itself."""
        return self in {
            Status.STOPPED,
            Status.TRAINING_FAILED,
            Status.TRAINING_TIMED_OUT,
            Status.NO_CAPACITY,
            Status.ROLLED_BACK,
            Status.ROLLBACK_FAILED,
            Status.FAILED,
        }


OUTCOMES: Final = frozenset(
    {
        Status.PROMOTED,
        Status.TRAINED,
        Status.CANDIDATE_REJECTED,
        Status.APPROVAL_REJECTED,
        Status.APPROVAL_EXPIRED,
        Status.STOPPED,
        Status.SUPERSEDED,
        Status.TRAINING_FAILED,
        Status.TRAINING_TIMED_OUT,
        Status.NO_CAPACITY,
        Status.ROLLED_BACK,
        Status.ROLLBACK_FAILED,
        Status.FAILED,
    }
)
"""Statuses that end a run."""
