"""The server: ministack under uvicorn in this process, with the parts this package adds to it.

``prepare`` must run before anything of ministack is imported: ministack reads its settings from the environment at
import.
"""

from __future__ import annotations

# ministack and all that imports it may only be imported once the environment is set.
# ruff: noqa: PLC0415
import asyncio
import contextlib
import functools
import gc
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.faults import Application, Faults, Message, Receive, Scope, Send, read_body
from local.web_pages import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

logger = logging.getLogger(__name__)

FUNCTIONS_PATH = "/_local/functions"
CLOCK_PATH = "/_local/clock"
REGION = "us-east-1"
ACCOUNT = "000000000000"
KEPT = frozenset(
    {"PATH", "LANG", "LC_ALL", "TZ", "LOG_LEVEL", "PYTHONPYCACHEPREFIX", "SFN_WAIT_SCALE", "LOCAL_ENDPOINT_SECONDS"}
)
"""Environment variables of whoever starts the server that it, functions and jobs get to see."""
_CLEAN_UP_SECONDS = 2.0
_LAST_RESORT_SECONDS = 4.0


class PortTakenError(Exception):
    """Another program listens on the port."""


def listen(host: str, port: int) -> socket.socket:
    """Open the server's socket; port 0 picks a free one.

    Raises:
        PortTakenError: Another program listens there.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTakenError(str(error)) from error
    # Listening from here on, so that no client that learns the port is ever refused.
    listener.listen(128)
    return listener


def prepare(host: str, port: int) -> Path:
    """Set the environment ministack and its Lambda workers read; give the server's own temporary directory."""
    # A symbolic link in the way (macOS has one) would make paths in messages differ from paths in use.
    home = Path(tempfile.mkdtemp(prefix="embedded-aws-")).resolve()
    # Functions and jobs inherit it: nobody's credentials, tokens, profile or endpoint may reach them, nor a module of this
    # repository that a zip lacks.
    for name in os.environ.keys() - KEPT:
        del os.environ[name]
    os.environ |= {
        # Everything anybody below this process writes to a temporary directory is removed with it.
        "TMPDIR": str(home),
        "HOME": str(home),
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # An MQTT listener on a port of its own, which nothing here uses.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        # Some modules keep a key file there whether or not state is persisted.
        "STATE_DIR": str(home / "state"),
        # Roles count: functions get a session of theirs, and every signature but the administrator's is checked.
        "AUTH": "true",
        "S3_DATA_DIR": str(home / "s3"),
        # There is no Docker to look for, and looking costs the start-up.
        "DOCKER_HOST": f"unix://{home}/no-docker.sock",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    tempfile.tempdir = str(home)
    return home


class Server:
    """One embedded AWS on one socket.

    Args:
        listener: The socket, listening.
        home: The temporary directory ``prepare`` gave; removed at the end.
        log_file: A log to remove at the end, with its folder if that is then empty: the one of a parent process,
            which may no longer be there to do it.
    """

    def __init__(self, listener: socket.socket, home: Path, log_file: Path | None = None) -> None:
        self._listener = listener
        self._home = home
        self._log_file = log_file
        self._server: uvicorn.Server | None = None
        self._resets: list[Callable[[], None]] = []
        self._faults = Faults()

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until told to stop, then clean up and leave the process with exit code 0.

        Does not return: threads that still wait for a task would hold up an orderly exit.
        """
        from uvicorn.loops.auto import auto_loop_factory

        code = 0
        try:
            with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
                runner.run(self._serve(on_ready))
        except Exception:
            logger.exception("the embedded AWS failed")
            code = 1
        finally:
            self._clean_up()
            sys.stdout.flush()
            os._exit(code)

    def stop(self) -> None:
        """Make ``run`` end; may be called from any thread."""
        if self._server is not None:
            self._server.should_exit = True
        timer = threading.Timer(_LAST_RESORT_SECONDS, self._last_resort)
        timer.daemon = True
        timer.start()

    def _last_resort(self) -> None:
        # Something holds on. Every process started here ends with this one: its standard input closes.
        shutil.rmtree(self._home, ignore_errors=True)
        os._exit(0)

    async def _serve(self, on_ready: Callable[[], None]) -> None:
        import uvicorn
        from ministack import app as ministack

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        self._install(ministack)

        def ready() -> None:
            on_ready()
            threading.Thread(target=_warm_up, args=(ministack,), name="warm-up", daemon=True).start()

        config = uvicorn.Config(
            guarded(self._faults.wrap(_with_additions(ministack.app, ready))),
            lifespan="on",
            ws="none",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            access_log=False,
            server_header=False,
            date_header=False,
            log_config=None,
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        # Not serve(), which takes the signals and raises them again when it is through.
        await self._server._serve([self._listener])

    def _install(self, ministack: Any) -> None:
        from ministack.core import responses, router

        from local import (
            alarm_events,
            clock,
            event_buses,
            eventbridge_targets,
            iam_enforcement,
            lambda_code,
            lambda_errors,
            lambda_logs,
            lambda_pauses,
            lambda_processes,
            service_models,
            step_functions_executions,
            step_functions_integrations,
            step_functions_limits,
            step_functions_sdk_calls,
        )
        from local.sagemaker_service import SageMaker

        service_models.install(responses)
        sagemaker = SageMaker(self._faults)
        # The prefix of X-Amz-Target; SageMaker Runtime has none and is found by the signature's service name.
        router.SERVICE_PATTERNS["sagemaker"] = {"target_prefixes": ["SageMaker."], "host_patterns": []}
        ministack.SERVICE_HANDLERS["sagemaker"] = sagemaker.handle_request
        step_functions_executions.install()
        step_functions_limits.install()
        step_functions_sdk_calls.install()
        # After it: this one is asked first.
        step_functions_integrations.install(sagemaker)
        alarm_events.install()
        event_buses.install()
        authority = iam_enforcement.Authority(sagemaker)
        authority.install(ministack)
        eventbridge_targets.install(authority)
        clock.install_worker(self._home)
        clock.install_signatures()
        lambda_code.install_worker()
        lambda_errors.install_worker()
        lambda_logs.install_worker()
        lambda_pauses.install_worker()
        lambda_processes.install()
        _install_at_first_use(ministack)
        self._resets += [
            step_functions_executions.reset,
            alarm_events.reset,
            sagemaker.reset,
            self._faults.clear,
            clock.reset,
        ]

        reset_ministack = ministack._reset_all_state

        def reset_everything() -> None:
            for reset in self._resets:
                reset()
            reset_ministack()

        # ministack resets what it knows; SageMaker and the repairs are unknown to it.
        ministack._reset_all_state = reset_everything

    def _clean_up(self) -> None:
        for reset in self._resets:
            with contextlib.suppress(Exception):
                reset()
        lambda_runtime = sys.modules.get("ministack.core.lambda_runtime")
        if lambda_runtime is not None:
            with contextlib.suppress(Exception):
                lambda_runtime.reset()
            from local import lambda_code, lambda_processes

            lambda_processes.stop()
            lambda_code.forget_unused()
        # A job that was killed just now may still be writing its last file in there.
        deadline = time.monotonic() + _CLEAN_UP_SECONDS
        while self._home.exists() and time.monotonic() < deadline:
            shutil.rmtree(self._home, ignore_errors=True)
            time.sleep(0.02)
        if self._log_file is not None:
            with contextlib.suppress(OSError):
                self._log_file.unlink()
                self._log_file.parent.rmdir()


def _install_at_first_use(ministack: Any) -> None:
    """Add to the modules that take long to import, when the first request or the warm-up needs them."""
    lock = threading.RLock()
    get_module = ministack._get_module

    @functools.cache
    def add_to_lambda() -> None:
        from ministack.services import lambda_svc

        from local import caller_identity, lambda_errors

        lambda_errors.install_service(lambda_svc)
        caller_identity.install_urls(lambda_svc)

    @functools.cache
    def add_to_sts() -> None:
        from ministack.services import sts

        from local import caller_identity

        caller_identity.install_sts(sts)

    @functools.cache
    def add_to_s3() -> None:
        from ministack.services import s3

        from local import s3_locks

        s3_locks.install(s3)

    @functools.cache
    def add_to_iam() -> None:
        from ministack.services import iam

        from local import iam_simulation

        iam_simulation.install(iam)

    @functools.cache
    def add_to_sns() -> None:
        from ministack.services import sns

        from local import iam_enforcement

        iam_enforcement.install_topics(sns)

    @functools.cache
    def add_to_dynamodb() -> None:
        from ministack.services import dynamodb

        from local import dynamodb_expressions

        dynamodb_expressions.install(dynamodb)

    @functools.cache
    def add_to_cloudformation() -> None:
        # Its provisioners call every other service, Lambda, SNS and DynamoDB too.
        add_to_lambda()
        add_to_sns()
        add_to_dynamodb()
        from ministack.services import cloudformation
        from ministack.services.cloudformation import provisioners

        from local import cloudformation_types, stack_progress

        cloudformation_types.install(provisioners)
        stack_progress.install(cloudformation)

    additions = {
        "lambda_svc": add_to_lambda,
        "iam": add_to_iam,
        "sts": add_to_sts,
        "s3": add_to_s3,
        "sns": add_to_sns,
        "dynamodb": add_to_dynamodb,
        "cloudformation": add_to_cloudformation,
    }

    def get_with_additions(name: str) -> Any:
        if (add := additions.get(name)) is not None:
            with lock:
                add()
        return get_module(name)

    ministack._get_module = get_with_additions


def _warm_up(ministack: Any) -> None:
    """Import, after the start, what takes longer than the start: nobody's first call should."""
    ministack._get_module("cloudformation")
    from local import own_clients, service_models

    service_models.service_model("sagemaker")
    own_clients.client("s3", ACCOUNT, REGION)
    # What the imports made stays until the end: each full collection would look through all of it.
    gc.freeze()


def _with_additions(ministack: Application, on_ready: Callable[[], None]) -> Application:
    """Wrap ministack's application: say when it is ready, and route what only this package knows."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":

            async def announce(message: Message) -> None:
                await send(message)
                if message["type"] == "lifespan.startup.complete":
                    on_ready()

            await ministack(scope, receive, announce)
            return
        if scope["type"] == "http" and scope["path"] == FUNCTIONS_PATH:
            await _answer(send, HTTPStatus.OK, {"running": _functions_running()})
            return
        if scope["type"] == "http" and scope["path"] == CLOCK_PATH:
            from local import clock

            await _answer(send, *clock.control(scope["method"], await read_body(receive)))
            return
        if scope["type"] == "http" and scope["path"].startswith("/_local/"):
            # ministack routes by header; this one makes it SageMaker's, and keeps account and region its business.
            scope["headers"] = [*scope["headers"], (b"x-amz-target", b"SageMaker.Local")]
        await ministack(scope, receive, send)

    return application


def _functions_running() -> int:
    """How many invocations of functions go on, those whose process is still being started included."""
    lambda_svc = sys.modules.get("ministack.services.lambda_svc")
    return 0 if lambda_svc is None else int(lambda_svc.executions_in_flight()[0])


async def _answer(send: Send, status: int, document: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def ready_line(listener_port: int, host: str) -> str:
    """Give what a parent process reads to learn where the server is: one line of JSON."""
    return json.dumps({"port": listener_port, "url": f"http://{host}:{listener_port}"}) + "\n"
