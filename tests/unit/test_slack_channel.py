"""A Slack channel, and a configuration's name, are taken once in an account; `make deploy` looks first."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.slack_channel import refuse_taken_channel, taken, taken_action
from ops.stack import OperatorError
from ops.template import sources

WORKSPACE, CHANNEL = "T0123ABCD", "C0123ABCD"
GIVEN = {"SlackWorkspaceId": WORKSPACE, "SlackChannelId": CHANNEL}


def configuration(name: str, channel: str = CHANNEL, workspace: str = WORKSPACE) -> dict[str, Any]:
    return {
        "ConfigurationName": name,
        "SlackChannelId": channel,
        "SlackTeamId": workspace,
        "SlackTeamName": "team",
        "SlackChannelName": "channel",
        "ChatConfigurationArn": f"arn:aws:chatbot::111122223333:chat-configuration/slack-channel/{name}",
        "IamRoleArn": "arn:aws:iam::111122223333:role/chat",
        "SnsTopicArns": [],
    }


@pytest.mark.parametrize(
    ("there", "has", "said"),
    [
        ([], {}, ""),
        ([configuration("other-retraining", "C9")], {}, ""),
        ([configuration("other-retraining", workspace="T9")], {}, ""),
        ([configuration("other-retraining")], {}, "Slack channel C0123ABCD has the configuration other-retraining"),
        (
            [configuration("other-retraining")],
            {"SlackChannelId": "C9"},
            "Slack channel C0123ABCD has the configuration",
        ),
        (
            [configuration("fraud-retraining", "C9")],
            {},
            "A chat configuration fraud-retraining is in this account already",
        ),
        ([configuration("fraud-retraining", "C9")], {"SlackChannelId": "C9"}, ""),
        ([configuration("fraud-retraining")], {"SlackChannelId": "C9"}, ""),
    ],
)
def test_a_channel_and_a_name_are_another_stacks_or_this_ones(
    there: list[dict[str, Any]], has: dict[str, str], said: str
) -> None:
    refusal = taken(there, "fraud-retraining", workspace=WORKSPACE, has=has, given=GIVEN)

    assert refusal.startswith(said)
    assert bool(refusal) is bool(said)


class Session:
    """A session whose only client is one of Chatbot, in the Region that it has to be asked in."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self, service: str, region_name: str, config: object) -> Any:
        del config
        assert (service, region_name) == ("chatbot", "us-east-2")
        return self._client


@pytest.fixture
def chatbot() -> Any:
    return boto3.client("chatbot", "us-east-2", aws_access_key_id="key", aws_secret_access_key="secret")


def ask(chatbot: Any, *, has: dict[str, str], given: dict[str, str]) -> None:
    session: Any = Session(chatbot)
    refuse_taken_channel(session, sources(), stack="fraud", has=has, given=given)


def test_a_taken_channel_is_refused_before_anything_is_changed(chatbot: Any) -> None:
    with Stubber(chatbot) as stubbed:
        page = {"SlackChannelConfigurations": [configuration("a", "C9")], "NextToken": "more"}
        stubbed.add_response("describe_slack_channel_configurations", page)
        stubbed.add_response(
            "describe_slack_channel_configurations", {"SlackChannelConfigurations": [configuration("b")]}
        )
        with pytest.raises(OperatorError, match=r"has the configuration b .* Nothing was changed"):
            ask(chatbot, has={}, given=GIVEN)


def test_who_may_not_look_goes_on(chatbot: Any) -> None:
    with Stubber(chatbot) as stubbed:
        stubbed.add_client_error("describe_slack_channel_configurations", "AccessDeniedException")
        ask(chatbot, has={}, given=GIVEN)


@pytest.mark.parametrize(
    ("has", "given"),
    [({}, {}), (GIVEN, {}), (GIVEN, GIVEN), (GIVEN, {"SlackChannelId": ""}), ({}, {"SlackChannelId": CHANNEL})],
)
def test_nobody_is_asked_about_a_channel_that_does_not_change_or_cannot_be(
    has: dict[str, str], given: dict[str, str]
) -> None:
    ask(None, has=has, given=given)


def test_a_stack_that_changes_its_channel_asks_by_the_workspace_it_has(chatbot: Any) -> None:
    with Stubber(chatbot) as stubbed:
        stubbed.add_response(
            "describe_slack_channel_configurations", {"SlackChannelConfigurations": [configuration("b", "C9")]}
        )
        with pytest.raises(OperatorError, match="Slack channel C9 has the configuration b"):
            ask(chatbot, has=GIVEN, given={"SlackChannelId": "C9"})


BUTTONS = {"SlackApprovals": "true"}
ACTION = "arn:aws:chatbot::111122223333:custom-action/fraud-approve"


@pytest.mark.parametrize(
    ("there", "refused"),
    [
        ([], ""),
        ([ACTION.replace("fraud-", "other-")], ""),
        ([ACTION.replace("-approve", "-approve-2")], ""),
        ([ACTION], "A custom action fraud-approve is in this account already"),
    ],
)
def test_a_name_of_a_button_is_taken_once(there: list[str], refused: str) -> None:
    said = taken_action(there, ["fraud-approve", "fraud-reject", "fraud-explain"])
    assert said.startswith(refused) if refused else not said


def test_buttons_whose_name_is_taken_are_refused_before_anything_is_changed(chatbot: Any) -> None:
    with Stubber(chatbot) as stubbed:
        stubbed.add_response("list_custom_actions", {"CustomActions": [ACTION]})
        with pytest.raises(OperatorError, match="A custom action fraud-approve is in this account"):
            ask(chatbot, has=GIVEN, given={**GIVEN, **BUTTONS})
        stubbed.assert_no_pending_responses()


def test_a_stack_that_gets_channel_and_buttons_at_once_is_asked_about_both(chatbot: Any) -> None:
    with Stubber(chatbot) as stubbed:
        stubbed.add_response("describe_slack_channel_configurations", {"SlackChannelConfigurations": []})
        stubbed.add_response("list_custom_actions", {"CustomActions": []})
        ask(chatbot, has={}, given={**GIVEN, **BUTTONS})
        stubbed.assert_no_pending_responses()


def test_a_stack_that_has_its_buttons_is_not_asked_about_them(chatbot: Any) -> None:
    with Stubber(chatbot):
        ask(chatbot, has={**GIVEN, **BUTTONS}, given={**GIVEN, **BUTTONS})
