"""Processes of Python functions are forked from one that has the SDK already: a cold start in a third of the CPU time.

Each would else import the SDK and read its service models again, 0.3 s of CPU time; a burst of events starts ten at once.
Elsewhere than on Linux they are started as ministack does: system libraries of macOS do not survive a fork.

How many run at once is this machine's matter and not AWS's: what a function's concurrency lets in awaits its turn, and its time
counts from there. All processes of functions are of one group, which ends with the server however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local import lambda_worker
from local.lambda_fork_server import REQUEST_BYTES
from local.seam import Own, lambda_runtime, lambda_svc
from local.step_functions_tasks import in_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local.sagemaker_records import Document

PLACES: Final = 4 * (os.cpu_count() or 1)
"""How many invocations run at once: they wait for the server more than they compute."""

_PROGRAM: Final = Path(__file__).with_name("lambda_fork_server.py")
_places = threading.Semaphore(PLACES)
_ending = threading.Event()
_starting = threading.Lock()
_started: ForkServer | None = None


FORKS: Final = Own(
    "processes of functions", "forked from one that has the SDK, and of one group, which ends with the server"
)
TURNS: Final = Own(
    "turns of functions",
    "as many run at once as the cores carry; their time counts from when they begin, not from the queue",
)


@TURNS.wraps(lambda_svc, "_execute_function_dispatch")
def _execute_in_turn(
    original: Callable[..., Document], func: Document, config: Document, event: Any, request_id: str, started: float
) -> Document:
    del started
    # A function that invokes one holds a place while it waits.
    nested = lambda_svc.invoke_depth.get() > 1
    with contextlib.nullcontext() if nested else _place():
        if _ending.is_set():
            refused: Document = lambda_svc.throttle_response(
                "ConcurrentInvocationLimitExceeded", "The embedded AWS ends."
            )
            return refused
        return original(func, config, event, request_id, time.time())


@contextlib.contextmanager
def _place() -> Iterator[None]:
    with in_queue():
        _places.acquire()
    try:
        yield
    finally:
        _places.release()


class _Subprocess:
    """The module ``subprocess`` as ministack's workers see it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, command: Sequence[str], *, cwd: str, env: dict[str, str], **streams: Any) -> Any:  # noqa: N802 - subprocess's
        brings_its_own = any(Path(cwd, name).exists() for name in ("boto3", "botocore"))
        if Path(command[-1]).name != lambda_worker.PROGRAM or brings_its_own:
            return subprocess.Popen(list(command), cwd=cwd, env=env, process_group=_fork_server().pid, **streams)
        return Forked(_fork_server(), command[-1], cwd, env)


if sys.platform == "linux":
    FORKS.replaces(lambda_runtime, "subprocess")(_Subprocess())


def _fork_server() -> ForkServer:
    global _started  # noqa: PLW0603 - one for the process, whoever asks first
    with _starting:
        if _ending.is_set():
            raise RuntimeError("the embedded AWS ends")
        if _started is not None and _started.has_ended():
            _started.stop()
            _started = None
        _started = _started or ForkServer()
        return _started


def stop() -> None:
    """End every process of a function, at once, and start none any more."""
    _ending.set()
    with _starting:
        if _started is not None:
            _started.stop()
    # Those that were not started here.
    lambda_runtime.reset()


class ForkServer:
    """The program that forks, started at the first use; it ends with this process, and every function's with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * REQUEST_BYTES)
            self._process = subprocess.Popen([sys.executable, str(_PROGRAM)], stdin=theirs.fileno(), process_group=0)
        self.pid = self._process.pid

    def ask(self, request: dict[str, Any], streams: Sequence[int] = ()) -> int:
        """Ask it and give its answer.

        Raises:
            RuntimeError: it has ended.
        """
        with self._lock:
            try:
                socket.send_fds(self._socket, [json.dumps(request).encode()], streams)
                return int(self._socket.recv(32))
            except (OSError, ValueError) as error:
                raise RuntimeError("the process that functions are forked from has ended") from error

    def has_ended(self) -> bool:
        """Tell whether it did, though nobody stopped it: a system that lacks memory kills what has much of it."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End it, and its group with it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.wait()
        # It kills them itself at its end, unless it was killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Forked:
    """A forked process, with what ministack uses of ``subprocess.Popen``."""

    def __init__(self, server: ForkServer, script: str, folder: str, environment: dict[str, str]) -> None:
        self._server, self._lock = server, threading.Lock()
        self.returncode: int | None = None
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        self._alive, theirs_alive = os.pipe()
        theirs = [theirs_in, theirs_out, theirs_err, theirs_alive]
        try:
            request = {"script": script, "folder": folder, "environment": environment}
            self.pid = server.ask(request, theirs)
        finally:
            for stream in theirs:
                os.close(stream)
        self.stdin = os.fdopen(ours_in, "w", buffering=1)
        self.stdout = os.fdopen(ours_out)
        self.stderr = os.fdopen(ours_err)

    def poll(self) -> int | None:
        """Its exit status once it ended."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Await its end.

        Raises:
            subprocess.TimeoutExpired: it lives on.
        """
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        return status

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        # Until it is reaped its number is nobody else's.
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                os.kill(self.pid, number)

    def _ended(self, within: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._alive], [], [], within)[0]:
                try:
                    self.returncode = self._server.ask({"reap": self.pid})
                except RuntimeError:
                    self.returncode = -signal.SIGKILL
                os.close(self._alive)
            return self.returncode
