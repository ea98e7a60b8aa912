"""Whether a stack may have the Slack channel it is given.

AWS takes a channel, and a configuration's name, once in an account, over all Regions and stacks. Otherwise the stack fails in the middle of being made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.stack import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import boto3

API_REGION: Final = "us-east-2"
"""Any of the four Regions with this API answers for the account. Source: AWS General Reference, endpoints."""

_IMPATIENT: Final = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
"""A look that may be left out keeps nobody waiting."""


def refuse_taken_channel(
    session: boto3.Session,
    document: Mapping[str, Any],
    *,
    stack: str,
    has: Mapping[str, str],
    given: Mapping[str, str],
) -> None:
    """Refuse a channel that another configuration of the account has.

    Who may not list them learns it from CloudFormation.

    Args:
        session: of whoever deploys.
        document: the template that is deployed.
        stack: the stack's name.
        has: parameters of the stack as it is; empty for one that is not there.
        given: parameters it is to get.

    Raises:
        OperatorError: it is taken; nothing was changed.
    """
    workspace = {**has, **given}.get("SlackWorkspaceId", "")
    if not workspace or not given.get("SlackChannelId") or given["SlackChannelId"] == has.get("SlackChannelId"):
        return
    name = document["Resources"]["SlackChannel"]["Properties"]["ConfigurationName"]["Fn::Sub"]
    name = name.replace("${AWS::StackName}", stack)
    chatbot = session.client("chatbot", region_name=API_REGION, config=_IMPATIENT)
    try:
        pages = chatbot.get_paginator("describe_slack_channel_configurations")
        there = [each for page in pages.paginate() for each in page["SlackChannelConfigurations"]]
    except (BotoCoreError, ClientError):
        return
    refusal = taken(there, name, workspace=workspace, has=has, given=given)
    if refusal:
        raise OperatorError(refusal)


def taken(
    there: Iterable[Mapping[str, Any]],
    name: str,
    *,
    workspace: str,
    has: Mapping[str, str],
    given: Mapping[str, str],
) -> str:
    """Why the stack may not have the channel, empty when it may. Pure.

    Args:
        there: configurations of the account, as DescribeSlackChannelConfigurations gives them.
        name: of the stack's own configuration.
        workspace: the Slack workspace the stack is to have.
        has: parameters of the stack as it is.
        given: parameters it is to get.
    """
    for each in there:
        if each["ConfigurationName"] == name:
            if not has.get("SlackChannelId"):
                return (
                    f"A chat configuration {name} is in this account already, of a stack of the same name in another "
                    "Region or left by hand, and AWS takes a name once over all Regions. Nothing was changed; give the "
                    "stack another name (--stack), or delete that configuration."
                )
        elif (each["SlackTeamId"], each["SlackChannelId"]) == (workspace, given["SlackChannelId"]):
            return (
                f"Slack channel {each['SlackChannelId']} has the configuration {each['ConfigurationName']} in this "
                "account, and AWS takes a channel once over all Regions and stacks. Nothing was changed; give this stack a "
                "channel of its own, or have that configuration hear this stack's two topics as well."
            )
    return ""
