"""A process beside the server that sees to its end, whatever holds up the interpreter of that, SIGKILL included.

It is told by the end of standard input that the server is to stop, and by a pipe which signals the server got and that it
ended. What outlives the grace is killed; then it removes what the server has left on disk.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
GRACE_SECONDS = 4.0
"""How long the server may take to end its functions and jobs."""
_REMOVE_SECONDS = 2.0


class Lifeline:
    """The server's hold on the process that watches it; to be made before there is any thread.

    Args:
        home: A folder to remove when the server is gone.
        log_file: The same for a log, with its folder if that is then empty: the parent may no longer be there to do it.
        parent_pipe: Whether the server stops when standard input closes.
        not_kept: File descriptors that only the server may hold.

    Attributes:
        ended: A file descriptor that is at its end when the process that watches is gone: nobody would pass on the end of
            standard input any more.
    """

    def __init__(self, home: Path, log_file: Path | None, *, parent_pipe: bool, not_kept: Iterable[int]) -> None:
        theirs, self._ours = os.pipe()
        self.ended, held = os.pipe()
        self._left_behind = (home, log_file)
        server = os.getpid()
        # Ignored, as some parents leave it, nobody could await the end of a child.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._watcher = os.fork()
        if not self._watcher:
            try:
                for number in (self._ours, self.ended, *not_kept):
                    os.close(number)
                for stop in STOPS:
                    signal.signal(stop, signal.SIG_IGN)
                _watch(server, theirs, parent_pipe=parent_pipe)
                _remove(home, log_file)
            finally:
                os._exit(0)
        os.close(theirs)
        os.close(held)

    def tell_of_signals(self) -> None:
        """Pass on each signal that has a handler: the system does, before the interpreter has its turn."""
        os.set_blocking(self._ours, False)
        signal.set_wakeup_fd(self._ours, warn_on_full_buffer=False)

    def let_go(self) -> None:
        """Have everything removed, and wait for it; the last thing a server does."""
        signal.set_wakeup_fd(-1)
        os.close(self._ours)
        _, status = os.waitpid(self._watcher, 0)
        if status:
            _remove(*self._left_behind)


def _watch(server: int, lifeline: int, *, parent_pipe: bool) -> None:
    """Return when the server has ended."""
    watched = [lifeline, 0] if parent_pipe else [lifeline]
    deadline: float | None = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = select.select(watched, [], [], left)[0]
        if lifeline in ready:
            got = os.read(lifeline, 4096)
            if not got:
                return
            if deadline is None and not STOPS.isdisjoint(got):
                deadline = time.monotonic() + GRACE_SECONDS
        if 0 in ready and not os.read(0, 4096):
            watched.remove(0)
            _send(server, signal.SIGTERM)
        if not ready:
            _send(server, signal.SIGKILL)
            deadline = None


def _send(server: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(server, number)


def _remove(home: Path, log_file: Path | None) -> None:
    # A job that was killed just now may still be writing its last file in there.
    deadline = time.monotonic() + _REMOVE_SECONDS
    while home.exists() and time.monotonic() < deadline:
        shutil.rmtree(home, ignore_errors=True)
        time.sleep(0.02)
    if log_file is not None:
        with contextlib.suppress(OSError):
            log_file.unlink()
            log_file.parent.rmdir()
