"""Where people and other programs hear of the loop: two SNS topics and the event bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import RETRAINING_SOURCE, RETRAINING_STATUS_CHANGE, SWEEP_REQUESTED
from orchestration.domain.errors import TransientServiceError

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient
    from types_boto3_sns import SNSClient

    from orchestration.domain.notification import Message


class Channels:
    """Publishes messages to people and status events to programs."""

    def __init__(
        self, sns: SNSClient, events: EventBridgeClient, *, operations_topic: str, escalation_topic: str
    ) -> None:
        self._sns = sns
        self._events = events
        self._operations_topic = operations_topic
        self._escalation_topic = escalation_topic

    def tell(self, message: Message) -> None:
        """Publish to the operations topic, and to the escalation topic when people have to act or to answer."""
        topics = [self._operations_topic] + ([self._escalation_topic] if message.escalates or message.asks else [])
        for topic in topics:
            self._sns.publish(
                TopicArn=topic,
                Subject=message.subject,
                Message=canonical(message.by_protocol()),
                MessageStructure="json",
                MessageAttributes={
                    "model": {"DataType": "String", "StringValue": message.model or "-"},
                    "status": {"DataType": "String", "StringValue": message.status},
                },
            )

    def emit(self, detail: dict[str, Any], *, resources: list[str]) -> None:
        """Put one ``Retraining Status Change`` event on the default bus.

        Raises:
            TransientServiceError: EventBridge refused the entry.
        """
        self._put(RETRAINING_STATUS_CHANGE, detail, resources)

    def request_sweep(self, ahead_seconds: int = 0) -> None:
        """Have a sweep come now and not with its schedule, and do what is due within so many seconds.

        Raises:
            TransientServiceError: EventBridge refused the entry.
        """
        self._put(SWEEP_REQUESTED, {"ahead_seconds": ahead_seconds}, [])

    def _put(self, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        """Put one event; EventBridge answers 200 even when it refuses it."""
        answer = self._events.put_events(
            Entries=[
                {
                    "Source": RETRAINING_SOURCE,
                    "DetailType": detail_type,
                    "Detail": canonical(detail),
                    "Resources": resources,
                }
            ]
        )
        if answer["FailedEntryCount"]:
            entry = answer["Entries"][0]
            raise TransientServiceError(
                f"EventBridge refused the event: {entry.get('ErrorCode')} {entry.get('ErrorMessage')}"
            )
