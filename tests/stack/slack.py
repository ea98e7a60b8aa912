"""A Slack channel as the stories see one: Amazon Q hears the topics over https, shows buttons, and runs the commands behind them.

Chat's own syntax differs from that of the AWS CLI, which runs a command here: it has no ``aws`` before it and no file behind it,
and takes the payload without quotes.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ops import stack_deployment
from ops.template import sources
from tests.stack.loop import Loop

MEMBER = "in-the-channel"
"""Who presses: an IAM user with the policy that is the channel's role and its guardrail."""

COMMAND = re.compile(r"lambda invoke --function-name (\S+) --payload (\{\S+\}) --region (\S+)")


class Channel:
    """One channel in front of one deployed loop."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.heard: list[dict[str, Any]] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear both topics meanwhile, as a subscription of protocol https does."""
        heard, sns = self.heard, self.loop.aws.client("sns")

        class Endpoint(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()
                if told["Type"] == "SubscriptionConfirmation":
                    sns.confirm_subscription(TopicArn=told["TopicArn"], Token=told["Token"])
                else:
                    heard.append(json.loads(told["Message"]))

            def log_message(self, *_: Any) -> None:
                """Write nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}/"
            topics = [self.loop.outputs[name] for name in ("OperationsTopicArn", "EscalationTopicArn")]
            for topic in topics:
                sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=url)

            def ours() -> list[str]:
                found = [
                    each
                    for topic in topics
                    for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
                ]
                return [each["SubscriptionArn"] for each in found if each["Endpoint"] == url]

            self.loop.until(lambda: sum(arn.startswith("arn:") for arn in ours()) == len(topics))
            try:
                yield
            finally:
                for arn in ours():
                    sns.unsubscribe(SubscriptionArn=arn)
                server.shutdown()

    def message(self, run_id: str, about: str) -> dict[str, Any]:
        """The first message about a run that has the words in its title."""

        def found() -> dict[str, Any] | None:
            of_run = [each for each in self.heard if each.get("metadata", {}).get("threadId") == run_id]
            return next((each for each in of_run if about in each["content"]["title"]), None)

        told: dict[str, Any] = self.loop.until(found)
        return told

    def buttons(self, message: dict[str, Any]) -> dict[str, str]:
        """The buttons under a message: text, and the command behind it with its variables filled in."""
        shown = {}
        for resource in sources()["Resources"].values():
            if resource["Type"] != "AWS::Chatbot::CustomAction":
                continue
            command = resource["Properties"]["Definition"]["CommandText"]["Fn::Sub"]
            command = command.replace("${SlackFunction}", self.loop.outputs["SlackFunctionName"])
            command = command.replace("${AWS::Region}", self.loop.aws.region)
            (attachment,) = resource["Properties"]["Attachments"]
            assert attachment["NotificationType"].lower() == message["source"]
            values = {name: _value(message, path) for name, path in attachment["Variables"].items()}
            assert all(each["Operator"] == "HAS_VALUE" for each in attachment["Criteria"])
            if all(values[each["VariableName"]] for each in attachment["Criteria"]):
                for name, value in values.items():
                    command = command.replace(f"${name}", value)  # as text, nothing escaped
                shown[attachment["ButtonText"]] = command
        return shown

    def run(self, command: str, folder: Path, *, member: str = MEMBER) -> str:
        """Run a command as the AWS CLI does, under somebody's own policies; gives what the function gave back.

        Raises:
            DeploymentError: AWS refused.
        """
        matched = COMMAND.fullmatch(command)
        assert matched is not None, command
        function, payload, region = matched.groups()
        key, answer = self.loop.aws.key_of(member), folder / "answer.json"
        stack_deployment.aws(
            *("lambda", "invoke", "--function-name", function),
            *("--payload", payload, "--region", region, str(answer)),
            environment={
                **self.loop.aws.environment,
                "AWS_ACCESS_KEY_ID": str(key.access_key),
                "AWS_SECRET_ACCESS_KEY": str(key.secret_key),
            },
        )
        return str(json.loads(answer.read_text(encoding="utf-8")))

    def joined(self, member: str = MEMBER) -> None:
        """Give somebody what the channel may do, and nothing else."""
        resources = self.loop.aws.client("cloudformation").list_stack_resources(StackName=self.loop.stack)
        (policy,) = (
            each["PhysicalResourceId"]
            for each in resources["StackResourceSummaries"]
            if each["LogicalResourceId"] == "SlackChannelPolicy"
        )
        self.loop.aws.key_of(member)
        self.loop.aws.client("iam").attach_user_policy(UserName=member, PolicyArn=policy)


def _value(message: dict[str, Any], path: str) -> str:
    """What an expression finds in a notification; empty where it finds nothing."""
    first, *steps = path.split(".")
    assert first == "event"
    found: Any = message
    for step in steps:
        found = found.get(step, "") if isinstance(found, dict) else ""
    return str(found)
