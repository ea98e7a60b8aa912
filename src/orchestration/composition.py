"""The composition root: the only place where clients, the environment and the clock are real."""

from __future__ import annotations

import os
import random
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from orchestration.ports import ApprovalPorts, HandPorts, OperatorPorts, Ports
from orchestration.settings import ApprovalSettings, Settings
from orchestration.stores.alarms_cloudwatch import Alarms
from orchestration.stores.bucket_s3 import AutomationBucket, RecordLock
from orchestration.stores.callers_sts import Callers
from orchestration.stores.channels_sns import Channels
from orchestration.stores.dead_letters_sqs import DeadLetters
from orchestration.stores.executions_stepfunctions import Executions
from orchestration.stores.history_table import HistoryTable
from orchestration.stores.sagemaker_changes import SageMakerChanges
from orchestration.stores.sagemaker_reading import SageMaker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_boto3_sqs import SQSClient


def compose(environ: Mapping[str, str] = os.environ) -> Ports:
    """Build what OrchestrationFunction has. One session for all clients: a second one costs a third of the start-up.

    Raises:
        SettingsError: the environment is incomplete.
    """
    return Ports(**_ports(Settings.from_env(environ), boto3.Session()))


def compose_hand(environ: Mapping[str, str] = os.environ) -> HandPorts:
    """Build what PromotionFunction has: the same, and the changes of SageMaker.

    Raises:
        SettingsError: the environment is incomplete.
    """
    session = boto3.Session()
    changes = SageMakerChanges(session.client("sagemaker", config=_config()))
    return HandPorts(**_ports(Settings.from_env(environ), session), changes=changes)


def compose_approval(environ: Mapping[str, str] = os.environ) -> ApprovalPorts:
    """Build what ApprovalFunction has: no SageMaker, no policies, no escalation.

    Raises:
        SettingsError: the environment is incomplete.
    """
    return ApprovalPorts(**_approval_ports(ApprovalSettings.from_env(environ), boto3.Session()))


def compose_operator(environ: Mapping[str, str] = os.environ) -> OperatorPorts:
    """Build what OperatorFunction has: no SageMaker, no escalation.

    Raises:
        SettingsError: the environment is incomplete.
    """
    return OperatorPorts(**_operator_ports(Settings.from_env(environ), boto3.Session()))


def _ports(settings: Settings, session: boto3.Session) -> dict[str, Any]:
    config = _config()
    return {
        **_operator_ports(settings, session),
        "sagemaker": SageMaker(session.client("sagemaker", config=config)),
        "alarms": Alarms(session.client("cloudwatch", config=config)),
    }


def _operator_ports(settings: Settings, session: boto3.Session) -> dict[str, Any]:
    def connect() -> SQSClient:
        return session.client("sqs", config=_config())

    return {
        **_approval_ports(settings, session),
        "letters": DeadLetters(connect, settings.dead_letter_queue_url),
    }


def _approval_ports(settings: ApprovalSettings, session: boto3.Session) -> dict[str, Any]:
    config = _config()
    lock = RecordLock(settings.evidence_lock_days, _now) if settings.evidence_lock_days else None
    return {
        "settings": settings,
        "table": HistoryTable(session.client("dynamodb", config=config), settings.history_table),
        "bucket": AutomationBucket(session.client("s3", config=config), settings.automation_bucket, lock),
        "channels": Channels(
            session.client("sns", config=config),
            session.client("events", config=config),
            operations_topic=settings.operations_topic_arn,
            escalation_topic=settings.escalation_topic_arn,
        ),
        "executions": Executions(session.client("stepfunctions", config=config)),
        "now": _now,
        "pause": _pause,
        "nonce": _nonce,
        "callers": Callers(session, config),
    }


def _config() -> Config:
    """Timeouts that, with four more tries, stay below the functions' own: a hanging service is an error and no killed function."""
    return Config(connect_timeout=3, read_timeout=8, retries={"mode": "standard", "max_attempts": 4})


def _now() -> datetime:
    return datetime.now(UTC)


def _pause(seconds: float) -> None:
    time.sleep(random.uniform(0, seconds))  # noqa: S311 - jitter, not a secret


def _nonce() -> str:
    return secrets.token_urlsafe(32)
