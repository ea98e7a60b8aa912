"""What functions and people call, for whoever counts: which action, how many bytes each way, what it reads and writes of a table.

Off until it is asked for at the control address ``/_local/calls``: POST begins anew, GET gives what was called since, DELETE ends it.
Calls of the administrator, who is whoever looks from outside, are not counted; nor are those that enter nowhere, which state
machines and rules make.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local.api_calls import ApiCall

CALLS_PATH = "/_local/calls"

_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"})


@dataclass(frozen=True, slots=True)
class Called:
    """One call that was answered: ``sent`` and ``received`` are the bytes of its bodies, ``units`` what DynamoDB counts for it."""

    service: str
    action: str
    sent: int
    received: int
    read_units: float = 0.0
    write_units: float = 0.0


class CallLog:
    """The calls since somebody asked for them."""

    def __init__(self) -> None:
        self._calls: list[Called] | None = None
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Count no longer."""
        self._calls = None

    def control(self, method: str) -> tuple[int, Any]:
        """Begin, end, or say what was called."""
        with self._lock:
            if method == "POST":
                self._calls = []
            elif method == "DELETE":
                self._calls = None
            return HTTPStatus.OK, [asdict(call) for call in self._calls or ()]

    async def answered(self, call: ApiCall, body: bytes, answer: Callable[[bytes], Awaitable[Any]]) -> Any:
        """Have a call answered that policies allow, and note it; DynamoDB is asked what it counts as well."""
        if self._calls is None:
            return await answer(body)
        asked = body
        if call.service == "dynamodb":
            # Behind the signature, which a changed body would break.
            asked = json.dumps({**json.loads(body), "ReturnConsumedCapacity": "TOTAL"}).encode()
        found = await answer(asked)
        self._note(call, len(body), found[2])
        return found

    def _note(self, call: ApiCall, sent: int, answer: Any) -> None:
        content = answer.encode() if isinstance(answer, str) else bytes(answer or b"")
        units = _units(content) if call.service == "dynamodb" else 0.0
        read, write = (0.0, units) if call.action in _WRITES else (units, 0.0)
        with self._lock:
            if self._calls is not None:
                self._calls.append(Called(call.service, call.action, sent, len(content), read, write))


def _units(answer: bytes) -> float:
    try:
        consumed = json.loads(answer).get("ConsumedCapacity") or []
    except ValueError:
        return 0.0
    return float(sum(each["CapacityUnits"] for each in (consumed if isinstance(consumed, list) else [consumed])))
