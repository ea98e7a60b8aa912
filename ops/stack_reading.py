"""A stack's ports for whoever asks, over clients that refuse to change anything; and the same with writes that have no effect."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.refusals import refusal
from ops.stack import NotReachedError, OperatorError
from orchestration.domain.documents import Document, Unreadable
from orchestration.ports import Ports
from orchestration.settings import Settings
from orchestration.stores.alarms_cloudwatch import Alarms
from orchestration.stores.bucket_s3 import AutomationBucket
from orchestration.stores.callers_sts import Callers
from orchestration.stores.channels_sns import Channels
from orchestration.stores.dead_letters_sqs import DeadLetters
from orchestration.stores.executions_stepfunctions import Executions
from orchestration.stores.history_table import HistoryTable
from orchestration.stores.sagemaker_reading import SageMaker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ops.stack import Stack
    from orchestration.domain.chain import Head, Link
    from orchestration.domain.monitor_run import RunListing, StepListing
    from orchestration.domain.notification import Message
    from orchestration.stores.table import Write

READS: Final = ("Describe", "Get", "Head", "List", "Query", "Simulate", "TransactGet")
"""How the names of operations begin that change nothing, of the services asked here."""

_ONLY_ASKING: Final = Config()
"""Has a stack make these clients apart: it gives the same client for the same arguments, and others may write with theirs."""


def reading_client(stack: Stack, service: str) -> Any:
    """A client that sends nothing but questions.

    Raises:
        OperatorError: at any other call of it.
    """
    client = stack.client(service, _ONLY_ASKING)
    client.meta.events.register("before-call", _refuse_change, unique_id="refuse-change")
    return client


def _refuse_change(model: Any, **_: Any) -> None:
    if not model.name.startswith(READS):
        raise OperatorError(f"{model.name} would change something, and this command only looks: nothing was sent.")


def function_of(stack: Stack, output: str) -> dict[str, Any]:
    """Configuration of one of a stack's functions, by the output that names it.

    Raises:
        NotReachedError: it may not be looked at.
    """
    try:
        found: dict[str, Any] = reading_client(stack, "lambda").get_function_configuration(
            FunctionName=stack.outputs[output]
        )
    except (BotoCoreError, ClientError) as error:
        raise NotReachedError(f"What stack {stack.name} is set to cannot be read. {refusal(error)}") from None
    return found


def reading_ports(stack: Stack) -> Ports:
    """What the stack's deciding function has, with the credentials of whoever asks, for reading only.

    Raises:
        NotReachedError: the function may not be looked at.
    """
    settings = Settings.from_env(function_of(stack, "OrchestrationFunctionName")["Environment"]["Variables"])
    return Ports(
        settings=settings,
        table=HistoryTable(reading_client(stack, "dynamodb"), settings.history_table),
        bucket=AutomationBucket(reading_client(stack, "s3"), settings.automation_bucket),
        sagemaker=AskedSageMaker(reading_client(stack, "sagemaker")),
        alarms=Alarms(reading_client(stack, "cloudwatch")),
        channels=Unheard(),
        executions=Executions(reading_client(stack, "stepfunctions")),
        now=lambda: datetime.now(UTC),
        pause=lambda _: None,
        nonce=lambda: secrets.token_urlsafe(32),
        callers=Callers(reading_client(stack, "sts")),
        letters=DeadLetters(reading_client(stack, "sqs"), ""),
    )


class Unheard(Channels):
    """Tells nobody."""

    def __init__(self) -> None:
        """Without clients."""

    def tell(self, message: Message) -> None:
        """Say nothing."""
        del message

    def emit(self, detail: dict[str, Any], *, resources: list[str]) -> None:
        """Say nothing."""
        del detail, resources

    def request_sweep(self, ahead_seconds: int = 0) -> None:
        """Ask nobody."""
        del ahead_seconds


class UnwrittenTable(HistoryTable):
    """Reads the table, and takes every write for done; ``appended`` are the records that would now follow."""

    def __init__(self, client: Any, name: str) -> None:
        super().__init__(client, name)
        self.appended: tuple[Link, ...] = ()

    def chain_writes(self, before: Head, links: tuple[Link, ...]) -> list[Write]:
        """Keep the records."""
        self.appended = (*self.appended, *links)
        return super().chain_writes(before, links)

    def _transact(self, items: Sequence[Write]) -> list[str] | None:
        del items
        return None

    def _write(self, write: Write) -> bool:
        del write
        return True


class NotKnownError(Exception):
    """Whoever asks may not look at what the answer hangs on; the message says at what."""


class AskedSageMaker(SageMaker):
    """SageMaker for whoever asks, whose rights are none of the loop's."""

    def monitor_run(self, schedule: str, endpoint: str | None, job_arn: str) -> RunListing:
        """What is listed.

        Raises:
            NotKnownError: whoever asks may not list it; the loop would count the run as unproven.
        """
        found = super().monitor_run(schedule, endpoint, job_arn)
        if found.refused is not None:
            raise NotKnownError(f"the runs of {schedule} may not be listed by you ({found.refused})")
        return found

    def pipeline_step(self, execution_arn: str, job_arn: str) -> StepListing:
        """What is listed.

        Raises:
            NotKnownError: whoever asks may not list it; the loop would count the job as unproven.
        """
        found = super().pipeline_step(execution_arn, job_arn)
        if found.refused is not None:
            raise NotKnownError(f"the steps of {execution_arn} may not be listed by you ({found.refused})")
        return found


class UnwrittenBucket(AutomationBucket):
    """Reads a bucket, takes every write for done, and has documents that were given stand for what lies there."""

    def __init__(self, bucket: AutomationBucket, given: Mapping[str, bytes]) -> None:
        self.name = bucket.name
        self._bucket, self._given = bucket, given

    def read(self, uri: str, **limits: int) -> Document:
        """The given document, or what lies there.

        Raises:
            NotKnownError: whoever asks may not read it; the loop may.
        """
        if uri in self._given:
            return Document(uri, self._given[uri], "try")
        found = self._bucket.read(uri, **limits)
        if found.unreadable is Unreadable.ACCESS_DENIED:
            raise NotKnownError(f"{uri} may not be read by you")
        return found

    def version(self, uri: str) -> str | None:
        """Of what lies there."""
        return self._bucket.version(uri)

    def write_once(self, key: str, value: Any, content_type: str = "") -> bool:
        """Write nothing."""
        del key, value, content_type
        return True


def without_effect(ports: Ports, table: UnwrittenTable, given: Mapping[str, bytes]) -> Ports:
    """The same ports, with which the loop's own actions decide and nothing comes of it.

    Args:
        ports: what is read.
        table: stands for theirs.
        given: documents that stand for what lies at their addresses.
    """
    return replace(ports, table=table, bucket=UnwrittenBucket(ports.bucket, given), channels=Unheard())
