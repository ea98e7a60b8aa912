"""Which task of a state machine a thread works for, and how much of its time is left."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from typing import TYPE_CHECKING

from local.sagemaker_records import left_behind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.sagemaker_records import Document


class Task:
    """The attempt a thread is working on: its execution's record, its time, and whether that is over."""

    def __init__(self, execution: Document) -> None:
        self.execution = execution
        self.timed_out = threading.Event()
        self.context: Document = {}
        self._began = time.monotonic()
        self._queued = 0.0
        self._queued_at: float | None = None

    @contextlib.contextmanager
    def queued(self) -> Iterator[None]:
        """Its time stands still meanwhile."""
        began = self._queued_at = time.monotonic()
        try:
            yield
        finally:
            self._queued += time.monotonic() - began
            self._queued_at = None

    def left(self, limit: float) -> float:
        """Seconds of its time that are left."""
        now = time.monotonic()
        return self._began + limit + self._queued - (self._queued_at or now)


current_task: contextvars.ContextVar[Task | None] = left_behind(contextvars.ContextVar("task", default=None))


def in_queue() -> contextlib.AbstractContextManager[None]:
    """Waiting for this machine, of which AWS has no end: it does not count as time of the task this thread works for."""
    task = current_task.get()
    return contextlib.nullcontext() if task is None else task.queued()


def task_is_over() -> bool:
    """Tell whether the task this thread works for has run out of its own time, or its execution is over."""
    task = current_task.get()
    return task is not None and (task.timed_out.is_set() or task.execution["status"] != "RUNNING")
