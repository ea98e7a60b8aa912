"""A reviewer as the stories see one: gets the message, opens the page, answers on it or from a terminal."""

from __future__ import annotations

import base64
import io
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import Message
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials

from ops import cli
from orchestration.composition import compose
from orchestration.domain.contracts import WaitKind
from orchestration.domain.due import DueItem
from orchestration.domain.wait import Wait
from orchestration.ports import Ports
from tests.stack.loop import Loop

FORM = "application/x-www-form-urlencoded"
NONCE = re.compile(r"nonce=([\w-]{43})")
ASKS: dict[str, Any] = {"actions": {"critical": "approve"}, "approval": {"training": "always"}}
"""Policy sections that ask before every training."""


@dataclass(frozen=True)
class Answered:
    """What the page answered; the names of its headers in lower case."""

    status: int
    headers: dict[str, str]
    body: str

    @classmethod
    def of(cls, status: int, headers: Message, body: bytes) -> Answered:
        """Read an answer of urllib."""
        return cls(status, {name.lower(): value for name, value in headers.items()}, body.decode())

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


class Reviewer:
    """One person in front of one deployed loop."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        identity = str(urllib.parse.urlsplit(loop.outputs["ApprovalUrl"]).hostname).split(".", maxsplit=1)[0]
        self.page = f"{loop.aws.endpoint_url}/_aws/lambda-url/{identity}/"

    # Being asked.

    def asked(self, model: str, subject: str = "training", event: dict[str, Any] | None = None) -> tuple[str, str]:
        """Start a run that asks, await its approval, give the execution's ARN and the run's id."""
        arn = self.loop.start(event or self.loop.drift(model))
        run_id = arn.rsplit(":", 1)[-1]
        self.loop.until(lambda: f"{subject.upper()}_APPROVAL_REQUESTED" in self.loop.statuses(run_id))
        return arn, run_id

    def asked_by_link(self, model: str, subject: str = "training") -> tuple[str, str, str]:
        """The same; gives the link's nonce too, as it stands in the message."""
        with self.loop.listening(self.loop.outputs["OperationsTopicArn"]) as messages:
            arn, run_id = self.asked(model, subject)
            return arn, run_id, self.nonce_of(messages, run_id)

    @staticmethod
    def nonce_of(messages: Callable[[int], list[dict[str, Any]]], run_id: str) -> str:
        """The nonce in the first message that has one for this run."""
        for count in range(1, 20):
            told = messages(count)[-1]["Message"]
            if run_id in told and (match := NONCE.search(told)):
                return match[1]
        raise AssertionError(f"no message linked to run {run_id}")

    def wait_item(self, run_id: str, subject: str = "training") -> dict[str, Any] | None:
        """The raw item of an approval, open or decided."""
        return self.loop.item(f"APPROVAL#{run_id}", subject)

    # Answering on the page.

    def get(self, run_id: str, nonce: str | None = None, **more: Any) -> Answered:
        """Open the page."""
        query = {"run": run_id, **({"nonce": nonce} if nonce is not None else {})}
        return self.request("GET", urllib.parse.urlencode(query), **more)

    def post(
        self, run_id: str, decision: str, nonce: str | None = None, *, by: str = "", forged: bool = False, **fields: str
    ) -> Answered:
        """Press a button; signed by the IAM user ``by``, or with a key that only claims to be that user's."""
        form = {"subject": "training", "decision": decision, **fields, **({} if nonce is None else {"nonce": nonce})}
        return self.request(
            "POST",
            urllib.parse.urlencode({"run": run_id}),
            urllib.parse.urlencode(form),
            {"Content-Type": FORM, "Accept": "application/json" if by else "text/html"},
            signed=bool(by),
            key=self._key(by, forged=forged) if by else None,
        )

    def may_review(self, person: str) -> None:
        """Attach the policy of reviewers to an IAM user."""
        policy = self.loop.outputs["ReviewerPolicyArn"]
        self.loop.aws.key_of(person)
        self.loop.aws.client("iam").attach_user_policy(UserName=person, PolicyArn=policy)

    def _key(self, by: str, *, forged: bool) -> ReadOnlyCredentials:
        key = self.loop.aws.key_of(by)
        return key._replace(secret_key="somebody else's") if forged else key

    def request(
        self,
        method: str,
        query: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        *,
        path: str = "",
        signed: bool = False,
        key: ReadOnlyCredentials | None = None,
    ) -> Answered:
        """Send one request to the function URL."""
        url = f"{self.page}{path}?{query}"
        prepared = AWSRequest(method, url, data=body, headers=headers or {})
        if signed:
            SigV4Auth(key or Credentials("test", "test"), "lambda", self.loop.aws.region).add_auth(prepared)
        request = urllib.request.Request(  # noqa: S310 - http, to the embedded AWS
            url, data=None if body is None else body.encode(), headers=dict(prepared.headers), method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http, as above
                return Answered.of(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answered.of(error.code, error.headers, error.read())

    # Answering from a terminal.

    def terminal(self, monkeypatch: pytest.MonkeyPatch, *arguments: str, stack: str = "loop") -> tuple[int, str]:
        """Run the command behind make approve and make reject; gives exit status and what it printed."""
        for name, value in self.loop.aws.environment.items():
            monkeypatch.setenv(name, value)
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            status = cli.main([*arguments, "--stack", stack])
        return status, printed.getvalue()

    def claim(self, run_id: str, decision: str, by: str, **more: Any) -> dict[str, Any]:
        """Invoke the function as the command does, as the IAM user of an ARN."""
        request = {"action": "decide", "run_id": run_id, "decision": decision, **more}
        signed = self.loop.proven(request, by.rsplit("/", 1)[-1])
        answer = self.loop.aws.client("lambda").invoke(
            FunctionName=self.loop.outputs["VoteFunctionName"], Payload=json.dumps(signed).encode()
        )
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        return told

    # Time.

    def ports(self, monkeypatch: pytest.MonkeyPatch, *, hours: float = 0) -> Ports:
        """What OrchestrationFunction works with, in this process and so many hours from now."""
        for name, value in self.loop.aws.environment.items():
            monkeypatch.setenv(name, value)
        configuration = self.loop.aws.client("lambda").get_function_configuration(
            FunctionName=self.loop.outputs["OrchestrationFunctionName"]
        )
        ports = compose(configuration["Environment"]["Variables"])
        now = ports.now
        return replace(ports, now=lambda: now() + timedelta(hours=hours))

    @staticmethod
    def step(ports: Ports, run_id: str, subject: str = "training") -> DueItem:
        """The next step of an open approval, as the sweep finds it."""
        identity = f"{run_id}:approval:{subject}"
        return next(item for item in ports.table.approvals_due(1_000) if item.subject == identity)

    @staticmethod
    def approval(ports: Ports, run_id: str, subject: str = "training") -> Wait:
        """An approval, open or decided."""
        found = ports.table.wait(run_id, WaitKind.APPROVAL, subject)
        assert found is not None, run_id
        return found

    # What was left.

    def evidence(self, model: str, run_id: str, subject: str = "training") -> dict[str, Any]:
        """The record of a decided approval."""
        record: dict[str, Any] = self.loop.read(f"evidence/{model}/{run_id}/approval-{subject}.json")
        return record

    def log_lines(self) -> str:
        """Every log line of both functions."""
        client, lines = self.loop.aws.client("logs"), []
        for name in ("ApprovalFunctionName", "OrchestrationFunctionName"):
            configuration = self.loop.aws.client("lambda").get_function_configuration(
                FunctionName=self.loop.outputs[name]
            )
            pages = client.get_paginator("filter_log_events").paginate(
                logGroupName=configuration["LoggingConfig"]["LogGroup"]
            )
            lines += [event["message"] for page in pages for event in page["events"]]
        return "\n".join(lines)


def url_event(method: str, query: str, body: str | None = None) -> dict[str, Any]:
    """A function URL's request as Lambda delivers it, payload format 2.0; forms come base64-encoded."""
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": query,
        "headers": {"content-type": FORM} if body is not None else {},
        "requestContext": {"accountId": "anonymous", "http": {"method": method, "path": "/"}},
        "isBase64Encoded": body is not None,
    }
    if body is not None:
        event["body"] = base64.b64encode(body.encode()).decode()
    return event
