"""The server: ministack under uvicorn in this process, with the parts this package adds to it.

``prepare`` must run before anything of ministack is imported: ministack reads its settings from the environment at
import.
"""

from __future__ import annotations

# ministack and all that imports it may only be imported once the environment is set.
# ruff: noqa: PLC0415
import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.call_log import CALLS_PATH, CallLog
from local.faults import Application, Faults, Message, Receive, Scope, Send, read_body
from local.seam import (
    PARTS,
    Addition,
    Own,
    SeamError,
    app,
    apply,
    cloudwatch,
    eventbridge,
    lambda_svc,
    responses,
    router,
    sqs,
    stepfunctions,
)
from local.server_lifeline import STOPS
from local.web_pages import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

    from local.server_lifeline import Lifeline

logger = logging.getLogger(__name__)

FUNCTIONS_PATH = "/_local/functions"
CLOCK_PATH = "/_local/clock"
REGION = "us-east-1"
ACCOUNT = "000000000000"
KEPT = frozenset(
    {"PATH", "LANG", "LC_ALL", "TZ", "LOG_LEVEL", "PYTHONPYCACHEPREFIX", "SFN_WAIT_SCALE", "LOCAL_ENDPOINT_SECONDS"}
)
"""Environment variables of whoever starts the server that it, functions and jobs get to see."""
SAGEMAKER = Addition(
    "SageMaker",
    "training, processing, endpoints, the model registry, pipelines and monitoring schedules that really work",
)
RESET = Own("resets", "ministack resets what it knows; SageMaker and what is kept here are unknown to it")


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
        # AWS's own limit. How many of them run at once is the matter of lambda_processes.
        "LAMBDA_ACCOUNT_CONCURRENCY": "1000",
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
        home: The temporary directory ``prepare`` gave.
        lifeline: Sees to the end, and removes ``home`` then.
    """

    def __init__(self, listener: socket.socket, home: Path, lifeline: Lifeline) -> None:
        self._listener = listener
        self._home = home
        self._lifeline = lifeline
        self._server: uvicorn.Server | None = None
        self._resets: list[Callable[[], None]] = []
        self._faults = Faults()
        self._calls = CallLog()
        self._exit_code = 0

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until told to stop, then clean up and leave the process with exit code 0; 1 where it failed.

        Does not return: threads that still wait for a task would hold up an orderly exit.
        """
        from uvicorn.loops.auto import auto_loop_factory

        try:
            with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
                runner.run(self._serve(on_ready))
        except SeamError as error:
            self._refuse(error)
        except SystemExit:
            # uvicorn's, which has said why it does not start.
            self._exit_code = 1
        except Exception:
            logger.exception("the embedded AWS failed")
            self._exit_code = 1
        finally:
            self._clean_up()
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(self._exit_code)

    def _stop(self, *_: object) -> None:
        if self._server is not None:
            self._server.should_exit = True
            # Requests that await a function or a model would else hold up the end.
            threading.Thread(target=self._end_all, name="end-all", daemon=True).start()

    async def _serve(self, on_ready: Callable[[], None]) -> None:
        import uvicorn

        loop = asyncio.get_running_loop()

        def alone() -> None:
            loop.remove_reader(self._lifeline.ended)
            self._stop()

        loop.add_reader(self._lifeline.ended, alone)
        self._install()

        def ready() -> None:
            on_ready()
            threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

        config = uvicorn.Config(
            guarded(self._faults.wrap(_with_additions(app.app, ready, self._calls))),
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
        # Not the loop's own handlers: those would take the place of the lifeline among thousands of threads. And not before
        # there is something to stop: until then a signal ends this process by itself.
        self._lifeline.tell_of_signals()
        for number in STOPS:
            # nohup has it outlive its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)
        # Not serve(), which takes the signals and raises them again when it is through.
        await self._server._serve([self._listener])

    def _install(self) -> None:
        """Put everything of this package in its place.

        Raises:
            SeamError: This ministack is another one than this package was written for.
        """
        from local import (
            alarm_events,
            changes,  # noqa: F401 - registers what is changed of ministack
            clock,
            eventbridge_targets,
            iam_enforcement,
            lambda_throttling,
            step_functions_executions,
            step_functions_integrations,
        )
        from local.sagemaker_service import SageMaker

        sagemaker = SageMaker(self._faults)
        authority = iam_enforcement.Authority(sagemaker, self._calls)
        authority.install()
        # The prefix of X-Amz-Target; SageMaker Runtime has none and is found by the signature's service name.
        SAGEMAKER.adds(router, "SERVICE_PATTERNS", "sagemaker")(
            {"target_prefixes": ["SageMaker."], "host_patterns": []}
        )
        SAGEMAKER.adds(app, "SERVICE_HANDLERS", "sagemaker")(authority.guarded("sagemaker", sagemaker.handle_request))
        step_functions_integrations.install(sagemaker)
        eventbridge_targets.install(authority)
        clock.install_worker(self._home)
        self._resets += [
            step_functions_executions.reset,
            lambda_throttling.reset,
            alarm_events.reset,
            sagemaker.reset,
            self._faults.clear,
            self._calls.stop,
            clock.reset,
        ]

        @RESET.wraps(app, "_reset_all_state")
        def reset_everything(original: Callable[[], None]) -> None:
            for reset in self._resets:
                reset()
            original()

        # What takes longer to import is checked by the warm-up.
        apply(stepfunctions, eventbridge, cloudwatch, sqs)

    def _refuse(self, error: SeamError) -> None:
        logger.critical("%s See local/README.md.", error)
        self._exit_code = 1

    def _warm_up(self) -> None:
        """Import, after the start, what takes longer than the start: nobody's first call should."""
        from local import own_clients, service_models

        try:
            for part in PARTS.values():
                part.load()
        except SeamError as error:
            self._refuse(error)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        service_models.service_model("sagemaker")
        own_clients.client("s3", ACCOUNT, REGION)
        # What the imports made stays until the end: each full collection would look through all of it.
        gc.freeze()

    def _end_all(self) -> None:
        from local import lambda_processes

        lambda_processes.stop()
        for reset in self._resets:
            with contextlib.suppress(Exception):
                reset()

    def _clean_up(self) -> None:
        from local import lambda_code

        self._end_all()
        lambda_code.forget_unused()
        self._lifeline.let_go()


@Own("imports", "one at a time: ministack's modules import each other in circles").wraps(app, "_get_module")
def _get_module(original: Callable[[str], Any], name: str) -> Any:
    if (part := PARTS.get(f"ministack.services.{name}")) is not None:
        part.load()
    return original(name)


@Own(
    "models of services", "read once for all parts of this server: ministack makes a session for each it looks up"
).replaces(responses, "_service_model")
def _service_model(service: str) -> Any:
    from botocore.exceptions import UnknownServiceError

    from local.service_models import service_model

    try:
        return service_model(responses.BOTOCORE_NAME.get(service, service))
    except UnknownServiceError:
        return None


def _with_additions(ministack: Application, on_ready: Callable[[], None], calls: CallLog) -> Application:
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
        if scope["type"] == "http" and scope["path"] == CALLS_PATH:
            await _answer(send, *calls.control(scope["method"]))
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
    return int(lambda_svc.executions_in_flight()[0])


async def _answer(send: Send, status: int, document: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def ready_line(listener_port: int, host: str) -> str:
    """Give what a parent process reads to learn where the server is: one line of JSON."""
    return json.dumps({"port": listener_port, "url": f"http://{host}:{listener_port}"}) + "\n"
