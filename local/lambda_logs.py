"""A Python function says where the log of an invocation ends, so that nobody waits for lines that do not come.

ministack waits 50 ms for a first line after each invocation that wrote none, and takes up what comes later for the next.
"""

from __future__ import annotations

import queue
import time
from typing import Any, Final

from ministack.core import lambda_runtime

from local import lambda_worker

_END: Final = "\x1eend of the invocation's log"
_CALL: Final = "            result = handler_fn(event, context)\n"
_CALL_AND_END: Final = f"""            try:
                result = handler_fn(event, context)
            finally:
                print({_END!r}, file=sys.stderr, flush=True)
"""
_LONGEST_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 0.05


def install_worker() -> None:
    """Have the worker of a Python function write the end, and whoever reads its log stop there."""
    lambda_worker.replace(_CALL, _CALL_AND_END)
    drain = lambda_runtime.Worker._drain_stderr_bounded

    def read_to_the_end(self: Any, *args: Any, **kwargs: Any) -> str:
        if not self.config.get("Runtime", "python").startswith("python"):
            return str(drain(self, *args, **kwargs))
        return "\n".join(_lines(self))

    lambda_runtime.Worker._drain_stderr_bounded = read_to_the_end


def _lines(worker: Any) -> list[str]:
    """The lines up to the end, or to the last of a process that did not come to it."""
    lines: list[str] = []
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        try:
            line, ended, _ = worker._stderr_queue.get(timeout=_LOOK_SECONDS).partition(_END)
        except queue.Empty:
            if worker._stderr_thread.is_alive():
                continue
            break
        lines += [line] if line or not ended else []
        if ended:
            break
    return lines
