"""The program that function processes are forked from: it has imported the SDK and read its service models.

It is started with a connected Unix socket as standard input. Each request is one line of JSON: ``start`` a worker's
program with a folder and an environment, with its three standard streams and a pipe that stays open while it lives as
ancillary data; or ``reap`` a process that ended. When the socket ends it ends with its process group, in which every function's
process is, whatever that is doing.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any, Final

SERVICES: Final = ("dynamodb", "s3", "sns", "events", "stepfunctions", "cloudwatch", "sagemaker")
REQUEST_BYTES: Final = 1 << 17
STREAMS: Final = 4


def read_ahead() -> None:
    """Import what a function's first client imports, and keep what it reads."""
    import boto3  # noqa: PLC0415 - not before this program is asked to be one

    # By their paths: a function may have a module of its own that is called as this package is.
    here = os.path.dirname(__file__)  # noqa: PTH120 - as below
    runpy.run_path(os.path.join(here, "service_models.py"))["read_files_once"]()  # noqa: PTH118 - same
    connection = runpy.run_path(os.path.join(here, "lambda_connection.py"))  # noqa: PTH118 - same
    connection["install"](os.environ["AWS_ENDPOINT_URL"])
    session = boto3.Session(aws_access_key_id="-", aws_secret_access_key="-", region_name="us-east-1")  # noqa: S106 - no call is made
    for service in SERVICES:
        session.client(service)
    gc.freeze()


def become(script: str, folder: str, environment: dict[str, str], streams: list[int]) -> None:
    """Be the process of a function from here on; does not return."""
    code = 1
    try:
        for number, stream in enumerate(streams[:3]):
            os.dup2(stream, number)
            os.close(stream)
        os.set_inheritable(streams[3], False)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv, sys.path[0] = [script], os.path.dirname(script)  # noqa: PTH120 - as the interpreter sets it
        runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
    finally:
        for written in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                written.flush()
        os._exit(code)


def serve(server: socket.socket, children: set[int]) -> None:
    """Fork and reap as asked, until nobody is left to ask; keeps the processes that are not reaped yet."""
    while True:
        try:
            line, streams, _, _ = socket.recv_fds(server, REQUEST_BYTES, STREAMS)
        except ConnectionResetError:
            return
        if not line:
            return
        asked: dict[str, Any] = json.loads(line)
        if "reap" in asked:
            # It ended, or closed what it was to keep open and would have everybody wait.
            os.kill(asked["reap"], signal.SIGKILL)
            _, status = os.waitpid(asked["reap"], 0)
            children.discard(asked["reap"])
            server.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        child = os.fork()
        if not child:
            server.close()
            become(asked["script"], asked["folder"], asked["environment"], streams)
        children.add(child)
        for stream in streams:
            os.close(stream)
        server.send(str(child).encode())


if __name__ == "__main__":
    own = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    sys.path[0] = ""
    forked: set[int] = set()
    try:
        read_ahead()
        serve(own, forked)
    finally:
        # Awaited, so that the time they took counts for whoever measures this server's.
        for number in forked:
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
        os.killpg(0, signal.SIGKILL)
