"""A Python function says where the log of an invocation ends, so that nobody waits for lines that do not come.

ministack waits 50 ms for a first line after each invocation that wrote none, and takes up what comes later for the next.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any, Final

from local import lambda_worker
from local.seam import Own, lambda_runtime, log_lines

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_END: Final = "\x1eend of the invocation's log"
_CALL: Final = "            result = handler_fn(event, context)\n"
_CALL_AND_END: Final = f"""            try:
                result = handler_fn(event, context)
            finally:
                print({_END!r}, file=sys.stderr, flush=True)
"""
_LONGEST_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 0.05


lambda_worker.replace(_CALL, _CALL_AND_END)


@Own("logs of functions", "an invocation's ends with a mark, so that nobody waits for lines that do not come").wraps(
    lambda_runtime, "Worker", "_drain_stderr_bounded"
)
def _drain(
    original: Callable[..., Any],
    self: Any,
    first_line_wait: float = 0.05,
    idle_confirm: float = 0.005,
    hard_cap: float = 0.25,
) -> str:
    if not self.config.get("Runtime", "python").startswith("python"):
        return str(original(self, first_line_wait, idle_confirm, hard_cap))
    return "\n".join(_lines(*log_lines(self)))


def _lines(written: queue.Queue[str], reader: threading.Thread) -> list[str]:
    """The lines up to the end, or to the last of a process that did not come to it."""
    lines: list[str] = []
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        try:
            line, ended, _ = written.get(timeout=_LOOK_SECONDS).partition(_END)
        except queue.Empty:
            if reader.is_alive():
                continue
            break
        lines += [line] if line or not ended else []
        if ended:
            break
    return lines
