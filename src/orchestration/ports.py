"""What an action works with: settings, stores, channels and a clock, handed in by ``composition``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestration.settings import Settings
    from orchestration.stores.alarms_cloudwatch import Alarms
    from orchestration.stores.bucket_s3 import AutomationBucket
    from orchestration.stores.channels_sns import Channels
    from orchestration.stores.executions_stepfunctions import Executions
    from orchestration.stores.sagemaker_boto3 import SageMaker
    from orchestration.stores.table_dynamodb import HistoryTable


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside the process. ``now`` gives aware datetimes in UTC."""

    settings: Settings
    table: HistoryTable
    bucket: AutomationBucket
    sagemaker: SageMaker
    channels: Channels
    executions: Executions
    alarms: Alarms
    now: Callable[[], datetime]
    pause: Callable[[float], None]
