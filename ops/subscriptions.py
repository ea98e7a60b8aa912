"""Whether anybody hears the links that decide: topics of a stack to which no subscription is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOPICS: Final = {"OperationsTopicArn": "OperationsTopic", "EscalationTopicArn": "EscalationTopic"}
"""Outputs that name a topic which gets requests for approval, and what the template calls it."""


def unheard(client: Callable[[], Any], parameters: Mapping[str, str], outputs: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences on topics to which nobody is subscribed; none where no message has a link.

    Args:
        client: makes a client of SNS.
        parameters: of the deployed stack.
        outputs: likewise.

    Raises:
        BotoCoreError, ClientError: the topics may not be looked at, or SNS is not reached.
    """
    if parameters.get("ApprovalAccess") != "LINK":
        return ()
    sns, found = client(), []
    for output, name in TOPICS.items():
        arn = outputs.get(output)
        attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"] if arn else {}
        if arn and not int(attributes.get("SubscriptionsConfirmed", "0")):
            pending = int(attributes.get("SubscriptionsPending", "0"))
            waits = f"; {pending} wait(s) to be confirmed" if pending else ""
            found.append(
                f"ApprovalAccess is LINK, and {name} ({arn}) has no confirmed subscription{waits}: its links reach nobody."
            )
    return tuple(found)
