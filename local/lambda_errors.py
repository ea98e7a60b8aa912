"""A Python function's exception carries its class name as ``errorType``, as on AWS, and ends no process.

A state machine catches by it. A process that ended itself is a ``Runtime.ExitError``.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from local import lambda_worker
from local.seam import Repair, lambda_runtime, lambda_svc

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.sagemaker_records import Document

_MINISTACKS = '"status": "error", "error": str(e), "trace": traceback.format_exc()'
# An "error" would have ministack end the process, which on AWS lives on after an exception of the handler.
_OURS = (
    '"status": "ok", "raised": True, "error": str(e), "error_type": type(e).__name__, '
    '"frames": traceback.format_tb(e.__traceback__)[1:], "trace": traceback.format_exc()'
)
_GENERIC = "Runtime.HandlerError"
_DIED = "Worker process died"
_MODULE_MISSING = re.compile(r"No module named")
_last = threading.local()


_GUIDE = "https://docs.aws.amazon.com/lambda/latest/dg/"
EXCEPTIONS = Repair(
    "exceptions of functions",
    alone="every Python exception is `Runtime.HandlerError`, and ends its process",
    aws="the class name, and the process lives on",
    source=f"{_GUIDE}python-exceptions.html",
)
EXITS = Repair(
    "functions that exit",
    alone="a function's process that ends itself is `Runtime.HandlerError` too",
    aws="`Runtime.ExitError`",
    source=f"{_GUIDE}troubleshooting-invocation.html",
)

lambda_worker.replace(_MINISTACKS, _OURS)


@EXITS.wraps(lambda_runtime, "Worker", "invoke")
def _invoke(
    original: Callable[..., Document],
    self: Any,
    event: Any,
    request_id: str,
    *,
    trace_id: str | None = None,
    depth: Any = None,
    durable: Any = None,
    invoked_function_arn: str | None = None,
) -> Document:
    named = {"trace_id": trace_id, "depth": depth, "durable": durable, "invoked_function_arn": invoked_function_arn}
    result = original(self, event, request_id, **named)
    if result.pop("raised", False):
        result["status"] = "error"
    elif result.get("error") == _DIED:
        result |= {"error": "Runtime exited without providing a reason", "error_type": "Runtime.ExitError"}
    # The caller builds the error document from what it knows of; the rest travels beside it, on this thread.
    _last.result = result
    return result


@EXCEPTIONS.wraps(lambda_svc, "_execute_function_warm")
def _execute(original: Callable[..., Document], func: Document, event: Any, request_id: str) -> Document:
    _last.result = {}
    answer = original(func, event, request_id)
    body = answer.get("body")
    if answer.get("error") and isinstance(body, dict) and body.get("errorType") == _GENERIC:
        reported = _last.result
        if reported.get("error_type"):
            body |= {
                "errorType": reported["error_type"],
                "requestId": request_id,
                "stackTrace": reported.get("frames", []),
            }
    return answer
