"""A question about chat: what of a button can be seen without a channel to press it in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ops import change_sets
from ops.aws_questions.question import DOCS, Answer, Question
from ops.template import sources

if TYPE_CHECKING:
    from ops.aws_questions.account import Account

COMMAND_LIMIT: Final = 100
"""Characters of a command behind a button. Source: CustomActionDefinition in the API of Amazon Q Developer in chat applications."""

KIND: Final = "AWS::Chatbot::CustomAction"


def buttons(account: Account) -> Answer:
    """Have CloudFormation make the template's custom actions, with commands as long as they may be, then with longer ones."""
    fits, why = _made(account, COMMAND_LIMIT)
    longer, _ = _made(account, COMMAND_LIMIT + 1)
    return Answer(
        fits == "CREATE_COMPLETE",
        f"With commands of {COMMAND_LIMIT} characters: {fits}{f' ({why})' if why else ''}; with one more: {longer}.",
    )


def _made(account: Account, characters: int) -> tuple[str, str]:
    """Make a stack of the template's custom actions and nothing else; gives its status and what was refused."""
    cloudformation, stack = account.client("cloudformation"), account.noted("plain stack", account.name("buttons"))
    body = json.dumps({"Resources": _actions(stack, account.region, characters)})
    cloudformation.create_stack(StackName=stack, TemplateBody=body, OnFailure="ROLLBACK")

    def settled() -> str:
        status = str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        return "" if status.endswith("IN_PROGRESS") else status

    status = change_sets.until(settled, within=600) or "nothing for ten minutes"
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    refused = [each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == "CREATE_FAILED"]
    return status, str(refused[-1])[:300] if refused else ""


def _actions(stack: str, region: str, characters: int) -> dict[str, Any]:
    """The template's custom actions in a stack of another name; the function, which nobody invokes, fills up the command."""
    found = {}
    for name, resource in sources()["Resources"].items():
        if resource["Type"] != KIND:
            continue
        properties = resource["Properties"]
        command = properties["Definition"]["CommandText"]["Fn::Sub"].replace("${AWS::Region}", region)
        rest = len(command.replace("${SlackFunction}", ""))
        found[name] = {
            "Type": KIND,
            "Properties": {
                **properties,
                "ActionName": properties["ActionName"]["Fn::Sub"].replace("${AWS::StackName}", stack),
                "Definition": {"CommandText": command.replace("${SlackFunction}", "f" * (characters - rest))},
            },
        }
    return found


QUESTIONS = (
    Question(
        name="slack-actions",
        asks="CloudFormation takes the buttons in Slack as the template writes them, with commands of 100 characters.",
        document=f"{DOCS}/chatbot/latest/APIReference/API_CustomActionDefinition.html",
        open="it takes 100 characters of a command, CloudFormation's schema 5,000; whether HAS_VALUE takes no Value",
        built_on="SlackApproveAction, SlackRejectAction, SlackExplainAction; docs/decisions/0032-buttons-in-slack.md",
        look=buttons,
    ),
)
