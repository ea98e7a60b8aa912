"""How much an execution may carry and remember, which ministack does not count.

Source: AWS Step Functions Developer Guide, "Service quotas" and "Avoid reaching the history quota"; the limits of the API are
those of its service model.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ministack.core.responses import error_response_json
from ministack.services import stepfunctions as sfn

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.sagemaker_records import Document

PAYLOAD_BYTES: Final = 256 * 1024
"""Of the input, the arguments, the result and the output of a state, and of an execution, as UTF-8."""

HISTORY_EVENTS: Final = 25_000
"""Of an execution; when the last of them is not its success, it is its failure."""

_ENDS: Final = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})
_TOO_LARGE: Final = (
    "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit."
)


def install() -> None:
    """Count, wherever something enters a history or a state machine."""
    add_event, invoke = sfn._add_event, sfn._invoke_resource

    def add(execution: Document, event_type: str, details: Document | None = None) -> Any:
        if event_type not in _ENDS:
            if len(execution["events"]) >= HISTORY_EVENTS - 1:
                message = f"The execution reached the maximum number of history events ({HISTORY_EVENTS})."
                raise sfn._ExecutionError("States.Runtime", message)
            for about in (details or {}).values():
                _require_small(about.get("output", ""), about.get("name") or about.get("resource", ""))
        return add_event(execution, event_type, details)

    def invoke_if_small(resource: str, given: Any) -> Any:
        _require_small(json.dumps(given), resource)
        return invoke(resource, given)

    sfn._add_event = add
    sfn._invoke_resource = invoke_if_small
    sfn._start_execution = _with_limit(sfn._start_execution, "input")
    sfn._send_task_success = _with_limit(sfn._send_task_success, "output")


def _require_small(text: str, name: str) -> None:
    # ASCII with spaces is never shorter than what AWS counts.
    if len(text) <= PAYLOAD_BYTES:
        return
    compact = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    if len(compact.encode()) > PAYLOAD_BYTES:
        raise sfn._ExecutionError("States.DataLimitExceeded", _TOO_LARGE.format(name))


def _with_limit(action: Callable[[Document], Any], member: str) -> Callable[[Document], Any]:
    """An action of the API that refuses a document that is too long."""

    def limited(request: Document) -> Any:
        if len(request.get(member, "")) > PAYLOAD_BYTES:
            message = (
                f"1 validation error detected: Value at '{member}' failed to satisfy constraint: "
                f"Member must have length less than or equal to {PAYLOAD_BYTES}"
            )
            return error_response_json("ValidationException", message, HTTPStatus.BAD_REQUEST)
        return action(request)

    return limited
