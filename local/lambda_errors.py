"""A Python function's exception carries its class name as ``errorType``, as on AWS, and ends no process.

ministack reports every one as ``Runtime.HandlerError``, so a state machine's Catch by class name would work on AWS
and not here; and it starts a new process after each. A process that ended itself is a ``Runtime.ExitError``.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime

from local import lambda_worker

if TYPE_CHECKING:
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


def install_worker() -> None:
    """Have the worker of a Python function report the exception's class."""
    lambda_worker.replace(_MINISTACKS, _OURS)
    invoke = lambda_runtime.Worker.invoke

    def invoke_and_remember(self: Any, *args: Any, **kwargs: Any) -> Document:
        result: Document = invoke(self, *args, **kwargs)
        if result.pop("raised", False):
            result["status"] = "error"
        elif result.get("error") == _DIED:
            result |= {"error": "Runtime exited without providing a reason", "error_type": "Runtime.ExitError"}
        # The caller builds the error document from what it knows of; the rest travels beside it, on this thread.
        _last.result = result
        return result

    lambda_runtime.Worker.invoke = invoke_and_remember


def install_service(lambda_svc: Any) -> None:
    """Have the Lambda service pass the class on; when its module has been loaded."""
    execute = lambda_svc._execute_function_warm

    def execute_and_name(func: Document, event: Any, request_id: str) -> Document:
        _last.result = {}
        answer: Document = execute(func, event, request_id)
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

    lambda_svc._execute_function_warm = execute_and_name
