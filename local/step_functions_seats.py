"""As many executions walk at once as the cores carry: thousands that all want to go on would only take turns at the interpreter.

Each takes a seat before its first state, and gives it back while it waits: for a pause to be over, a token, a child or a job. Who
has begun is seated before who has not, and only so many pause before a retry without their seat: of ten thousand that a function
throttles, those that have begun come to their end before the others begin, which need no thread until then.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import os
import threading
from typing import TYPE_CHECKING, Final

from local.sagemaker_records import left_behind
from local.step_functions_tasks import in_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEATS: Final = 8 * (os.cpu_count() or 1)
"""Twice as many as functions run at once: a seat is kept while a function is asked."""
PAUSES: Final = 8 * SEATS
"""How many pause before a retry at once without their seat. Each is a thread, and comes back with a call that may be throttled again."""


class _Seats:
    """Those that are free, and what is to be called when one is: of those that have begun first, then in the order they asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free = SEATS
        self._begun: collections.deque[Callable[[], object]] = collections.deque()
        self._new: collections.deque[Callable[[], object]] = collections.deque()

    def take(self, otherwise: Callable[[], object], *, begun: bool) -> bool:
        """Take a seat, or have something called with one taken for it."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            (self._begun if begun else self._new).append(otherwise)
            return False

    def give(self) -> None:
        """Give a seat to whoever waits for one."""
        with self._lock:
            waiting = self._begun or self._new
            if not waiting:
                self._free += 1
                return
            call = waiting.popleft()
        call()


_seats = _Seats()
_pauses = threading.Semaphore(PAUSES)


class _Seat:
    """That of an execution; its branches share it, and while one of them waits the others walk on without."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away = 0
        self._over = False

    def give_back(self) -> None:
        with self._lock:
            self._away += 1
            if self._away == 1 and not self._over:
                _seats.give()

    def take_again(self) -> None:
        with self._lock:
            self._away -= 1
            taken = threading.Event()
            if self._away == 0 and not self._over and not _seats.take(taken.set, begun=True):
                with in_queue():
                    taken.wait()

    def leave(self) -> None:
        with self._lock:
            if self._away == 0:
                _seats.give()
            self._over = True


_seat: contextvars.ContextVar[_Seat | None] = left_behind(contextvars.ContextVar("seat", default=None))


def walk_seated(walk: Callable[[], None]) -> None:
    """Walk an execution, here if there is a seat for it, or on a thread of its own when there is: until then it needs none."""
    context = contextvars.copy_context()

    def later() -> None:
        threading.Thread(target=context.run, args=(_seated, walk), daemon=True).start()

    if _seats.take(later, begun=False):
        _seated(walk)


def _seated(walk: Callable[[], None]) -> None:
    seat = _Seat()
    _seat.set(seat)
    try:
        walk()
    finally:
        seat.leave()


@contextlib.contextmanager
def away() -> Iterator[None]:
    """Wait, in an execution or elsewhere."""
    seat = _seat.get()
    if seat is not None:
        seat.give_back()
    try:
        yield
    finally:
        if seat is not None:
            seat.take_again()


@contextlib.contextmanager
def before_retry() -> Iterator[None]:
    """Pause before a retry, without the seat unless too many do."""
    if not _pauses.acquire(blocking=False):
        yield
        return
    try:
        with away():
            yield
    finally:
        _pauses.release()
