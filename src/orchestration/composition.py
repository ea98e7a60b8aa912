"""The composition root: the only place where clients, the environment and the clock are real."""

from __future__ import annotations

import functools
import gc
import os
import random
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

# What imports and clients make stays until the end: 90,000 objects. Looking through them at each 2,000 takes a tenth of a start. As many
# in rings that nobody holds any more take some 50 MB of the functions' 512.
gc.set_threshold(200_000)

import botocore
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

from orchestration.ports import ApprovalPorts, HandPorts, OperatorPorts, Ports
from orchestration.settings import ApprovalSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestration.stores.alarms_cloudwatch import Alarms
    from orchestration.stores.bucket_s3 import AutomationBucket
    from orchestration.stores.callers_sts import Callers
    from orchestration.stores.channels_sns import Channels
    from orchestration.stores.dead_letters_sqs import DeadLetters
    from orchestration.stores.executions_stepfunctions import Executions
    from orchestration.stores.history_table import HistoryTable
    from orchestration.stores.sagemaker_changes import SageMakerChanges
    from orchestration.stores.sagemaker_reading import SageMaker


SERVICES: Final = ("cloudwatch", "dynamodb", "events", "s3", "sagemaker", "sns", "sqs", "stepfunctions", "sts")
"""All that a client is made of."""


class OwnServices(Loader):
    """What botocore's files say of the calls that functions make, as ``make docs`` keeps it in ``service_models``.

    Reading botocore's own takes 60 ms of a start, and looking for them 880 looks at the disk: it has the folders of 400 services.
    What is not kept, such as the rules of an address, is read from its files.
    """

    def __init__(self) -> None:
        super().__init__(extra_search_paths=[str(Path(__file__).with_name("service_models"))])

    def is_builtin_path(self, path: str) -> bool:
        """Whether botocore takes a file for its own; from endpoints of others it would give its rules an address to keep to."""
        del path
        return True

    def list_available_services(self, type_name: str) -> list[str]:
        """Names of services, whatever is asked of them."""
        del type_name
        return [*SERVICES]


class FirstUse:
    """A store with its client, made when it is first asked for something.

    Most calls of a function need two or three of its stores; a client costs 4 to 40 ms of a start, and a store's imports as much.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = functools.cache(make)

    def __getattr__(self, name: str) -> Any:
        """What the store has under that name."""
        return getattr(self._make(), name)


def compose(environ: Mapping[str, str] = os.environ) -> Ports:
    """Build what OrchestrationFunction has.

    Raises:
        SettingsError: the environment is incomplete.
    """
    return Ports(**_ports(Settings.from_env(environ), _session()))


def compose_hand(environ: Mapping[str, str] = os.environ) -> HandPorts:
    """Build what PromotionFunction has: the same, and the changes of SageMaker.

    Raises:
        SettingsError: the environment is incomplete.
    """
    session = _session()
    changes: Any = FirstUse(lambda: _changes(session))
    return HandPorts(**_ports(Settings.from_env(environ), session), changes=changes)


def compose_approval(environ: Mapping[str, str] = os.environ) -> ApprovalPorts:
    """Build what ApprovalFunction has: no SageMaker, no policies, no escalation.

    Raises:
        SettingsError: the environment is incomplete.
    """
    return ApprovalPorts(**_approval_ports(ApprovalSettings.from_env(environ), _session()))


def compose_operator(environ: Mapping[str, str] = os.environ) -> OperatorPorts:
    """Build what OperatorFunction has: no SageMaker, no escalation.

    Raises:
        SettingsError: the environment is incomplete.
    """
    return OperatorPorts(**_operator_ports(Settings.from_env(environ), _session()))


def _ports(settings: Settings, session: Session) -> dict[str, Any]:
    return {
        **_operator_ports(settings, session),
        "sagemaker": FirstUse(lambda: _sagemaker(session)),
        "alarms": FirstUse(lambda: _alarms(session)),
    }


def _operator_ports(settings: Settings, session: Session) -> dict[str, Any]:
    return {
        **_approval_ports(settings, session),
        "letters": FirstUse(lambda: _letters(settings, session)),
    }


def _approval_ports(settings: ApprovalSettings, session: Session) -> dict[str, Any]:
    """What every function has. One session for all clients: a second one costs a third of the start-up."""
    return {
        "settings": settings,
        "table": FirstUse(lambda: _table(settings, session)),
        "bucket": FirstUse(lambda: _bucket(settings, session)),
        "channels": FirstUse(lambda: _channels(settings, session)),
        "executions": FirstUse(lambda: _executions(session)),
        "now": _now,
        "pause": _pause,
        "nonce": _nonce,
        "callers": FirstUse(lambda: _callers(session)),
    }


def _table(settings: ApprovalSettings, session: Session) -> HistoryTable:
    from orchestration.stores.history_table import HistoryTable

    return HistoryTable(_client(session, "dynamodb"), settings.history_table)


def _bucket(settings: ApprovalSettings, session: Session) -> AutomationBucket:
    from orchestration.stores.bucket_s3 import AutomationBucket, RecordLock

    lock = RecordLock(settings.evidence_lock_days, _now) if settings.evidence_lock_days else None
    return AutomationBucket(_client(session, "s3"), settings.automation_bucket, lock)


def _channels(settings: ApprovalSettings, session: Session) -> Channels:
    from orchestration.stores.channels_sns import Channels

    return Channels(
        _client(session, "sns"),
        _client(session, "events"),
        operations_topic=settings.operations_topic_arn,
        escalation_topic=settings.escalation_topic_arn,
    )


def _executions(session: Session) -> Executions:
    from orchestration.stores.executions_stepfunctions import Executions

    return Executions(_client(session, "stepfunctions"))


def _callers(session: Session) -> Callers:
    from orchestration.stores.callers_sts import Callers

    return Callers(_client(session, "sts"))


def _letters(settings: Settings, session: Session) -> DeadLetters:
    from orchestration.stores.dead_letters_sqs import DeadLetters

    return DeadLetters(_client(session, "sqs"), settings.dead_letter_queue_url)


def _sagemaker(session: Session) -> SageMaker:
    from orchestration.stores.sagemaker_reading import SageMaker

    return SageMaker(_client(session, "sagemaker"))


def _alarms(session: Session) -> Alarms:
    from orchestration.stores.alarms_cloudwatch import Alarms

    return Alarms(_client(session, "cloudwatch"))


def _changes(session: Session) -> SageMakerChanges:
    from orchestration.stores.sagemaker_changes import SageMakerChanges

    return SageMakerChanges(_client(session, "sagemaker"))


def _session() -> Session:
    session = Session()
    session.register_component("data_loader", OwnServices())
    return session


def _client(session: Session, service: str) -> Any:
    return session.create_client(service, config=_config())


def _config() -> Config:
    """Timeouts that, with four more tries, stay below the functions' own: a hanging service is an error and no killed function.

    Its own name tells the loop's calls in CloudTrail, and is not put together anew for each call, as botocore's is.
    """
    return Config(
        connect_timeout=3,
        read_timeout=8,
        retries={"mode": "standard", "max_attempts": 4},
        user_agent=f"retraining-loop Botocore/{botocore.__version__}",
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _pause(seconds: float) -> None:
    time.sleep(random.uniform(0, seconds))  # noqa: S311 - jitter, not a secret


def _nonce() -> str:
    return secrets.token_urlsafe(32)
