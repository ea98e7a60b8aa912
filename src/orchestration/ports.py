"""What an action works with: settings, stores, channels, a clock and chance, handed in by ``composition``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestration.settings import ApprovalSettings, Settings
    from orchestration.stores.alarms_cloudwatch import Alarms
    from orchestration.stores.bucket_s3 import AutomationBucket
    from orchestration.stores.callers_sts import Callers
    from orchestration.stores.channels_sns import Channels
    from orchestration.stores.dead_letters_sqs import DeadLetters
    from orchestration.stores.executions_stepfunctions import Executions
    from orchestration.stores.history_table import HistoryTable
    from orchestration.stores.sagemaker_changes import SageMakerChanges
    from orchestration.stores.sagemaker_reading import SageMaker


@dataclass(frozen=True, slots=True)
class ApprovalPorts:
    """What ApprovalFunction has of the outside. ``now`` gives aware datetimes in UTC, ``nonce`` 256 random bits."""

    settings: ApprovalSettings
    table: HistoryTable
    bucket: AutomationBucket
    channels: Channels
    executions: Executions
    now: Callable[[], datetime]
    pause: Callable[[float], None]
    nonce: Callable[[], str]
    callers: Callers


@dataclass(frozen=True, slots=True)
class OperatorPorts(ApprovalPorts):
    """What OperatorFunction has of the outside: the same, what policies without a file say, and the dead letters."""

    settings: Settings
    letters: DeadLetters


@dataclass(frozen=True, slots=True)
class Ports(OperatorPorts):
    """What OrchestrationFunction has of the outside."""

    sagemaker: SageMaker
    alarms: Alarms


@dataclass(frozen=True, slots=True)
class HandPorts(Ports):
    """What PromotionFunction has: it alone changes SageMaker and starts trainings."""

    changes: SageMakerChanges
