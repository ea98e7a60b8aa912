"""Signals that EventBridge could not deliver, in the queue where its rules leave them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_boto3_sqs import SQSClient

AT_ONCE: Final = 10
"""Messages that SQS gives at most in one answer."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One event that reached nobody. ``target`` is the ARN it was for, ``why`` what EventBridge says; empty when it does not."""

    letter_id: str
    receipt: str
    body: str
    target: str
    why: str


class DeadLetters:
    """Takes letters out of the queue."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def receive(self) -> list[DeadLetter]:
        """Up to ``AT_ONCE`` letters, which nobody else sees until the queue's visibility timeout is over; empty when there are none.

        The names of the attributes are those of the EventBridge user guide, "Using dead-letter queues".
        """
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=AT_ONCE,
            WaitTimeSeconds=1,  # without waiting SQS asks a part of its servers only, and may say there is none
            MessageAttributeNames=["All"],
        )
        return [_letter(message) for message in answer.get("Messages", [])]

    def delete(self, letter: DeadLetter) -> None:
        """Take a letter off the queue for good."""
        self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=letter.receipt)


def _letter(message: Mapping[str, Any]) -> DeadLetter:
    said = {
        name: str(attribute.get("StringValue") or "")
        for name, attribute in (message.get("MessageAttributes") or {}).items()
    }
    why = ": ".join(filter(None, (said.get("ERROR_CODE"), said.get("ERROR_MESSAGE"))))
    return DeadLetter(message["MessageId"], message["ReceiptHandle"], message["Body"], said.get("TARGET_ARN", ""), why)
