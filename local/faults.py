"""Calls that are told to fail: which ones, how often, with which error, before or after they took effect.

The rules are set at the control address ``/_local/faults``. They hold for every request that enters over HTTP, whatever
the service, and for the SageMaker calls state machines make, which enter nowhere.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from local.api_calls import ApiCall, signed_as

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTROL_PATH = "/_local/faults"
FAULT_MESSAGE = f"Told to fail at {CONTROL_PATH}."


@dataclass
class Fault:
    """One rule.

    Attributes:
        service: boto3's name of the service.
        action: The API's name of the action, such as ``PutObject``.
        code: The error's code; None to only take ``seconds``.
        status: Its HTTP status.
        times: How many calls it still holds for.
        skip: How many matching calls go through first.
        after_effect: Whether the call is carried out before the error is answered.
        seconds: How long the answer takes.
        matching: Text that must be in the path, the query or the body.
        message: What the error says.
        answer: A body to answer with, and ``status``, instead of carrying the call out.
        share: Of so many of the matching calls it holds, which ones being drawn; from above 0 to 1.
    """

    service: str
    action: str
    code: str | None = None
    status: int = HTTPStatus.BAD_REQUEST
    times: int = 1
    skip: int = 0
    after_effect: bool = False
    seconds: float = 0
    matching: str = ""
    message: str = FAULT_MESSAGE
    answer: str | None = None
    share: float = 1.0


class Faults:
    """The rules that are left, in the order they were given."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._drawn = random.Random(7)  # noqa: S311 - the same ones each time, no secret
        self._lock = threading.Lock()

    def add(self, rules: Sequence[Fault]) -> None:
        """Have more rules hold, after those there are."""
        with self._lock:
            self._rules += rules

    def clear(self) -> None:
        """Forget every rule."""
        with self._lock:
            self._rules.clear()

    def take(self, service: str, action: str, text: str) -> Fault | None:
        """Give the first rule that holds for this call, and count the call.

        Args:
            service: boto3's name, or the one in the signature.
            action: The action.
            text: What ``matching`` is looked for in.
        """
        with self._lock:
            for rule in self._rules:
                if signed_as(rule.service) != signed_as(service) or rule.action != action or rule.matching not in text:
                    continue
                if rule.share < 1.0 and self._drawn.random() >= rule.share:
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                rule.times -= 1
                self._rules = [left for left in self._rules if left.times > 0]
                return rule
        return None

    def wrap(self, application: Application) -> Application:
        """Put the rules, and their control address, in front of an application."""

        async def with_faults(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await application(scope, receive, send)
            elif scope["path"] == CONTROL_PATH:
                status, answer = self._control(scope["method"], await read_body(receive))
                await _send(send, status, {"Content-Type": "application/json"}, json.dumps(answer).encode())
            elif self._rules:
                await self._judge(application, scope, receive, send)
            else:
                await application(scope, receive, send)

        return with_faults

    def _control(self, method: str, body: bytes) -> tuple[int, Any]:
        if method == "DELETE":
            self.clear()
        elif method == "POST":
            try:
                rules = [Fault(**rule) for rule in json.loads(body)]
            except (TypeError, ValueError) as error:
                return HTTPStatus.BAD_REQUEST, {"message": f"The body is a list of rules: {error}."}
            self.add(rules)
        with self._lock:
            return HTTPStatus.OK, [asdict(rule) for rule in self._rules]

    async def _judge(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope.get("query_string", b"").decode("latin-1")
        parameters = parse_qs(query, keep_blank_values=True)
        call = ApiCall.of(scope["method"], scope["path"], headers, parameters, body)
        content = body.decode("utf-8", "replace")
        text = f"{scope['path']}?{unquote(query)}\n{content}"
        if call.protocol == "query":
            text = f"{text}\n{unquote(content.replace('+', ' '))}"
        fault = self.take(call.service, call.action, text)
        again = _replayed(body, receive)
        if fault is None:
            await application(scope, again, send)
            return
        held: list[Message] = []
        if fault.after_effect:

            async def hold(message: Message) -> None:
                held.append(message)

            await application(scope, again, hold)
        await asyncio.sleep(fault.seconds)
        if fault.answer is not None:
            kind = "text/xml" if call.protocol in {"query", "rest-xml"} else "application/x-amz-json-1.0"
            await _send(send, fault.status, {"Content-Type": kind}, fault.answer.encode())
        elif fault.code is not None:
            error_headers, answer = _error(call.protocol, fault.code, fault.message)
            await _send(send, fault.status, error_headers, b"" if scope["method"] == "HEAD" else answer)
        elif fault.after_effect:
            for message in held:
                await send(message)
        else:
            await application(scope, again, send)


# ---------------------------------------------------------------------- what is answered


def _error(protocol: str, code: str, message: str) -> tuple[dict[str, str], bytes]:
    """Give headers and body from which botocore reads code and message in this protocol."""
    if protocol == "cbor":
        headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        members = [_cbor_text("__type"), _cbor_text(code), _cbor_text("message"), _cbor_text(message)]
        return headers, b"\xa2" + b"".join(members)
    if protocol == "json":
        document = {"__type": code, "message": message, "Message": message}
        return {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}, json.dumps(document).encode()
    members_xml = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "rest-xml":
        xml = f"<Error>{members_xml}<RequestId>fault</RequestId></Error>"
    else:
        xml = f"<ErrorResponse><Error><Type>Sender</Type>{members_xml}</Error><RequestId>fault</RequestId></ErrorResponse>"
    return {"Content-Type": "text/xml"}, b'<?xml version="1.0" encoding="UTF-8"?>' + xml.encode()


def _cbor_text(text: str) -> bytes:
    content = text.encode()
    # A text string (major type 3) whose length is in the two bytes that follow.
    return b"\x79" + len(content).to_bytes(2, "big") + content


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": int(status), "headers": pairs})
    await send({"type": "http.response.body", "body": body})
