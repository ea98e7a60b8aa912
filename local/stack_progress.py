"""What is said of a stack while it changes: ministack is done in seconds, and ``aws cloudformation deploy`` asks every 30 s."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import Any
from urllib.parse import parse_qs

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


def install(cloudformation: Any) -> None:
    """Have DescribeStacks of a stack that is changing answer when it is through, or after ten seconds as it is then."""
    handle = cloudformation.handle_request

    @functools.wraps(handle)
    async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        name = _described(body)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while name and _changes(cloudformation, name) and time.monotonic() < deadline:  # noqa: ASYNC110 - ministack tells nobody
            await asyncio.sleep(_LOOK_SECONDS)
        return await handle(method, path, headers, body, query_params)

    cloudformation.handle_request = handle_request


def _described(body: bytes) -> str:
    """The name of the stack that a request of the query protocol describes; empty for any other request."""
    if b"Action=DescribeStacks&" not in body and not body.endswith(b"Action=DescribeStacks"):
        return ""
    asked = parse_qs(body.decode("utf-8", errors="replace")).get("StackName", [""])[0]
    # An ARN ends in stack/<name>/<id>.
    return asked.split("/")[1] if asked.count("/") == 2 else asked  # noqa: PLR2004 - the parts of an ARN's resource


def _changes(cloudformation: Any, name: str) -> bool:
    stack = cloudformation._stacks.get(name) or {}
    return str(stack.get("StackStatus", "")).endswith("_IN_PROGRESS") and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
