"""How much an execution may carry and remember, which ministack does not count.

The limits of the API are those of its service model.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ministack.core.responses import error_response_json

from local.seam import Repair
from local.seam import stepfunctions as sfn

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.sagemaker_records import Document

PAYLOAD_BYTES: Final = 256 * 1024
"""Of the input, the arguments, the result and the output of a state, and of an execution, as UTF-8."""

HISTORY_EVENTS: Final = 25_000
"""Of an execution; when the last of them is not its success, it is its failure."""

LIMITS: Final = Repair(
    "limits of executions",
    alone="no 256 KiB for the data of a state, a start or a token, no 25,000 events",
    aws="`States.DataLimitExceeded`, `ValidationException`; the last event is the execution's success or its failure",
    source="https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html",
)

_ENDS: Final = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})
_TOO_LARGE: Final = (
    "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit."
)


@LIMITS.wraps(sfn, "_add_event")
def _add_event(
    original: Callable[..., Any], execution: Document, event_type: str, details: Document | None = None
) -> Any:
    """Write an event into a history that has room for it.

    The end is the last one: ministack lets a task that finds out late write after it, and a redrive would carry that on.

    Raises:
        stepfunctions._ExecutionError: There is no room, or what a state gives is too large.
    """
    if execution["status"] != "RUNNING" and not event_type.startswith("Execution"):
        return None
    if event_type not in _ENDS:
        if len(execution["events"]) >= HISTORY_EVENTS - 1:
            message = f"The execution reached the maximum number of history events ({HISTORY_EVENTS})."
            raise sfn.ExecutionError("States.Runtime", message)
        for about in (details or {}).values():
            require_small(about.get("output", ""), about.get("name") or about.get("resource", ""))
    return original(execution, event_type, details)


def require_small(text: str, name: str) -> None:
    """Take a text of JSON, or not.

    Raises:
        stepfunctions._ExecutionError: It is too large for what has this name.
    """
    # ASCII with spaces is never shorter than what AWS counts.
    if len(text) <= PAYLOAD_BYTES:
        return
    compact = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    if len(compact.encode()) > PAYLOAD_BYTES:
        raise sfn.ExecutionError("States.DataLimitExceeded", _TOO_LARGE.format(name))


def too_long(request: Document, member: str) -> Any:
    """The answer of an action of the API to a document that is too long; None to any other."""
    if len(request.get(member, "")) <= PAYLOAD_BYTES:
        return None
    message = (
        f"1 validation error detected: Value at '{member}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {PAYLOAD_BYTES}"
    )
    return error_response_json("ValidationException", message, HTTPStatus.BAD_REQUEST)
