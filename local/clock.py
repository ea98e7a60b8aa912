"""A clock that can be set ahead, so that months of a loop's life pass in minutes: what functions and SageMaker take for now.

The server and the processes of functions share one number, the seconds they are ahead; every look at the time reads it. All
other services go by the machine's clock.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from local import lambda_worker
from local.seam import Own, sigv4

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NUMBER: Final = struct.Struct("d")
_shared: mmap.mmap | None = None

# Nothing is ever of the class that takes the place of datetime: what it makes are datetimes as before. The SDK, which was
# imported earlier, asks for datetime.datetime each time.
_SHIFTED: Final = """
def _go_by_the_shared_clock(path):
    import datetime, mmap, struct
    real = datetime.datetime
    with open(path, "rb") as file:
        ahead = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    class Kind(type):
        __instancecheck__ = lambda cls, value: isinstance(value, real)
        __subclasscheck__ = lambda cls, other: issubclass(other, real)
    class Shifted(real, metaclass=Kind):
        __new__ = lambda cls, *given, **named: real(*given, **named)
        now = classmethod(lambda cls, tz=None: real.fromtimestamp(time.time() + struct.unpack("d", ahead)[0], tz))
        today = classmethod(lambda cls: cls.now())
        utcnow = classmethod(lambda cls: cls.now(datetime.timezone.utc).replace(tzinfo=None))
    Shifted.__name__ = Shifted.__qualname__ = "datetime"
    datetime.datetime = Shifted

_go_by_the_shared_clock({path!r})

"""


def install_worker(folder: Path) -> None:
    """Have Python functions, from the first line of their code on, go by the clock that is kept in a folder."""
    global _shared  # noqa: PLW0603 - one clock for the process, as time.time is
    path = folder / "clock"
    path.write_bytes(_NUMBER.pack(0))
    with path.open("r+b") as file:
        _shared = mmap.mmap(file.fileno(), 0)
    lambda_worker.replace(lambda_worker.HEAD, lambda_worker.HEAD + _SHIFTED.replace("{path!r}", repr(str(path))))


CLOCK = Own(
    "the clock", "a request is in time that was signed by this clock or by the machine's, which everybody else goes by"
)


@CLOCK.wraps(sigv4, "request_time_failure")
def _out_of_time(
    original: Callable[..., tuple[str, str] | None], signature: Any, *, now: datetime | None = None
) -> tuple[str, str] | None:
    by_machine = original(signature, now=now)
    if by_machine is None or not _ahead():
        return by_machine
    return original(signature, now=datetime.fromtimestamp(time.time() + _ahead(), UTC)) and by_machine


def now() -> float:
    """Seconds since the epoch by the clock that can be set ahead."""
    return time.time() + _ahead()


def set_ahead(seconds: float) -> None:
    """Set the clock so far ahead of the machine's; 0 sets it back."""
    if _shared is not None:
        _shared[:] = _NUMBER.pack(seconds)


def reset() -> None:
    """Set it back."""
    set_ahead(0)


def control(method: str, body: bytes) -> tuple[int, Any]:
    """What the control address answers: GET says how far it is ahead, POST sets it."""
    if method == "POST":
        try:
            seconds = float(json.loads(body)["ahead_seconds"])
        except (KeyError, TypeError, ValueError) as error:
            return HTTPStatus.BAD_REQUEST, {
                "message": f"The body is an object with ahead_seconds, a number: {error!r}."
            }
        if not 0 <= seconds < math.inf:
            return HTTPStatus.BAD_REQUEST, {"message": "The clock can be set ahead and not back: ahead_seconds >= 0."}
        set_ahead(seconds)
    return HTTPStatus.OK, {"ahead_seconds": _ahead()}


def _ahead() -> float:
    return 0.0 if _shared is None else float(_NUMBER.unpack(_shared)[0])
