"""What is said of a stack while it changes: ministack is done in seconds, and ``aws cloudformation deploy`` asks every 30 s."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from local.seam import Own, cloudformation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


@Own("stacks that change", "DescribeStacks answers when they are through, or after ten seconds as they are then").wraps(
    cloudformation, "handle_request"
)
async def described_when_through(
    original: Callable[..., Awaitable[Any]], method: str, path: str, headers: Any, body: bytes, query_params: Any
) -> Any:
    """Have DescribeStacks of a stack that is changing wait for its end, for ten seconds at most."""
    name = _described(body)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while name and _changes(name) and time.monotonic() < deadline:  # noqa: ASYNC110 - ministack tells nobody
        await asyncio.sleep(_LOOK_SECONDS)
    return await original(method, path, headers, body, query_params)


def _described(body: bytes) -> str:
    """The name of the stack that a request of the query protocol describes; empty for any other request."""
    if b"Action=DescribeStacks&" not in body and not body.endswith(b"Action=DescribeStacks"):
        return ""
    asked = parse_qs(body.decode("utf-8", errors="replace")).get("StackName", [""])[0]
    # An ARN ends in stack/<name>/<id>.
    return asked.split("/")[1] if asked.count("/") == 2 else asked  # noqa: PLR2004 - the parts of an ARN's resource


def _changes(name: str) -> bool:
    stack = cloudformation.stacks.get(name) or {}
    return str(stack.get("StackStatus", "")).endswith("_IN_PROGRESS") and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
