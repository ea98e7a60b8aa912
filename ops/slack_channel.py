"""Whether a stack may have the Slack channel, and the buttons in it, that it is given.

AWS takes a channel, a configuration's name and a custom action's name once in an account, over all Regions and stacks. Otherwise
the stack fails in the middle of being made.
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
    """Refuse a channel that another configuration of the account has, and buttons whose names another action has.

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
    will = {**has, **given}
    new_channel = will.get("SlackWorkspaceId") and given.get("SlackChannelId", "") not in {
        "",
        has.get("SlackChannelId"),
    }
    new_buttons = will.get("SlackApprovals") == "true" and has.get("SlackApprovals") != "true"
    if not new_channel and not new_buttons:
        return
    chatbot = session.client("chatbot", region_name=API_REGION, config=_IMPATIENT)
    refusal = ""
    try:
        if new_channel:
            (name,) = _names(document, stack, "AWS::Chatbot::SlackChannelConfiguration", "ConfigurationName")
            pages = chatbot.get_paginator("describe_slack_channel_configurations")
            there = [each for page in pages.paginate() for each in page["SlackChannelConfigurations"]]
            refusal = taken(there, name, workspace=will["SlackWorkspaceId"], has=has, given=given)
        if new_buttons and not refusal:
            actions = [
                each
                for page in chatbot.get_paginator("list_custom_actions").paginate()
                for each in page["CustomActions"]
            ]
            refusal = taken_action(actions, _names(document, stack, "AWS::Chatbot::CustomAction", "ActionName"))
    except (BotoCoreError, ClientError):
        return
    if refusal:
        raise OperatorError(refusal)


def _names(document: Mapping[str, Any], stack: str, kind: str, key: str) -> list[str]:
    """Names that the template gives its resources of a type in a stack."""
    found = [each["Properties"][key]["Fn::Sub"] for each in document["Resources"].values() if each["Type"] == kind]
    return [name.replace("${AWS::StackName}", stack) for name in found]


def taken_action(there: Iterable[str], names: Iterable[str]) -> str:
    """Why the stack may not have its buttons, empty when it may. Pure.

    Args:
        there: ARNs of the account's custom actions, as ListCustomActions gives them.
        names: of the stack's own.
    """
    used = sorted({arn.rpartition("/")[2] for arn in there}.intersection(names))
    return (
        f"A custom action {used[0]} is in this account already, of a stack of the same name in another Region or left by hand, and "
        "AWS takes a name once over all Regions. Nothing was changed; give the stack another name (--stack), or delete that action."
        if used
        else ""
    )


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
