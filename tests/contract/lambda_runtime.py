"""Run a Lambda package as Lambda does: its own process, AWS's runtime client, and nothing else importable.

    with LambdaRuntime(zip_path, "orchestration.handler.orchestrate", {"TABLE_NAME": "..."}) as function:
        answer = function.invoke({"action": "admit"})

The zip is unpacked into a folder that becomes LAMBDA_TASK_ROOT; a folder is one that was unpacked before. The process is one of the functions' own
Python, and can import beside the standard library awslambdaric and the SDK that Lambda's Python runtimes carry (boto3, botocore
and what they need), each linked from .venv-lambda, which `make test` makes; so a dependency that was left out of the zip fails here
as it would there. The process starts without this environment's variables, so an endpoint or credentials come in through `environment` or not at all.

An answer is the function's return value, or Lambda's error document `{"errorType", "errorMessage", ...}` when the
code raised, could not be imported (`Runtime.ImportModuleError`), ended its process (`Runtime.ExitError`) or ran
out of time (`Sandbox.Timedout`).
"""

from __future__ import annotations

import importlib.metadata
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ops.bytecode import RUNTIME
from ops.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT: Final = ROOT / ".venv-lambda"

RUNTIME_DISTRIBUTIONS = (
    "awslambdaric",
    "simplejson",
    "snapshot-restore-py",
    "boto3",
    "botocore",
    "s3transfer",
    "jmespath",
    "python-dateutil",
    "six",
    "urllib3",
)
"""What a managed Python runtime lets a function import, as far as the SDK and the runtime client need it."""

_BOOTSTRAP = """
import runpy, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
sys.argv[1:3] = []
runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
"""

_API = "/2018-06-01/runtime"


class NoRuntimeError(Exception):
    """The functions' Python with AWS's runtime client is not installed; the text says what installs it."""


class LambdaRuntime:
    """A running function; as a context manager it starts the process and ends it."""

    def __init__(
        self,
        package: Path,
        handler: str,
        environment: Mapping[str, str] | None = None,
        *,
        timeout_seconds: float = 15,
    ) -> None:
        self.handler = handler
        self._package = package
        self._environment = dict(environment or {})
        self._timeout_seconds = timeout_seconds
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()

    def __enter__(self) -> Self:
        """Unpack the package unless it is a folder, serve the Runtime API on a free port and start the process."""
        self._folder = tempfile.TemporaryDirectory(prefix="lambda-")
        task, runtime = Path(self._folder.name, "task"), Path(self._folder.name, "runtime")
        if self._package.is_dir():
            task = self._package
        else:
            with zipfile.ZipFile(self._package) as archive:
                archive.extractall(task)
        _link_runtime(runtime)
        self._log = Path(self._folder.name, "log").open("w+b")
        self._server = _RuntimeApi(self._events, self._answers, self._timeout_seconds)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, running the zip under test
            [str(ENVIRONMENT / "bin" / "python"), "-I", "-S", "-c", _BOOTSTRAP, str(task), str(runtime), self.handler],
            cwd=task,
            env=self._lambda_environment(task),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and the server; the logs are gone after this."""
        self._process.kill()
        self._process.wait()
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._log.close()
        self._folder.cleanup()

    def invoke(self, event: Any) -> Any:
        """Send one event; return what the function returned or Lambda's error document."""
        self._events.put((str(uuid.uuid4()), json.dumps(event).encode()))
        deadline = time.monotonic() + self._timeout_seconds
        while time.monotonic() < deadline:
            try:
                return self._answers.get(timeout=0.05)
            except queue.Empty:
                if self._process.poll() is not None and self._answers.empty():
                    message = f"Runtime exited with status {self._process.returncode}: {self.logs[-2000:]}"
                    return {"errorType": "Runtime.ExitError", "errorMessage": message}
        self._process.kill()
        message = f"Task timed out after {self._timeout_seconds:.2f} seconds"
        return {"errorType": "Sandbox.Timedout", "errorMessage": message}

    @property
    def cpu_seconds(self) -> float:
        """What the process has used of a processor so far. Source: Linux, Documentation/scheduler/sched-stats.rst."""
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split(maxsplit=1)[0]) / 1e9

    @property
    def logs(self) -> str:
        """What the process has printed and logged so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _lambda_environment(self, task: Path) -> dict[str, str]:
        """Return the variables Lambda sets, and on top the function's own."""
        return {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "function-under-test",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{RUNTIME[0]}.{RUNTIME[1]}",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "LAMBDA_TASK_ROOT": str(task),
            "_HANDLER": self.handler,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            **self._environment,
        }


class _RuntimeApi(ThreadingHTTPServer):
    """The HTTP interface between Lambda and a runtime: hand out the next event, take its answer.

    The paths and headers are those of AWS's "Using the Lambda runtime API for custom runtimes".
    """

    daemon_threads = True

    def __init__(
        self, events: queue.Queue[tuple[str, bytes] | None], answers: queue.Queue[Any], timeout_seconds: float
    ) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApiHandler)
        self.events = events
        self.answers = answers
        self.timeout_seconds = timeout_seconds

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a runtime that was ended in the middle of a request."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _RuntimeApiHandler(BaseHTTPRequestHandler):
    server: _RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a warm call waits 40 ms and more for an acknowledgement
    wbufsize = -1  # one write for headers and body

    def do_GET(self) -> None:
        """Answer `invocation/next` when there is an event; the runtime waits as long as it takes."""
        if self.path != f"{_API}/invocation/next":
            self._reply(404, b"{}")
            return
        event = self.server.events.get()
        if event is None:  # the runtime is gone
            self.close_connection = True
            return
        request_id, body = event
        deadline = int((time.time() + self.server.timeout_seconds) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:function-under-test",
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
        }
        self._reply(200, body, headers)

    def do_POST(self) -> None:
        """Take `invocation/<id>/response`, `invocation/<id>/error` or `init/error`: each ends an invocation."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(202, b'{"status": "OK"}')
        self.server.answers.put(json.loads(body))

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Keep requests out of the test output."""


def _link_runtime(folder: Path) -> None:
    """Fill `folder` with links to the modules of RUNTIME_DISTRIBUTIONS and to nothing else."""
    installed = [str(path) for path in ENVIRONMENT.glob("lib/python*/site-packages")]
    if not installed:
        raise NoRuntimeError(f"There is no {ENVIRONMENT}. `make bench` makes it, and `make test` does.")
    folder.mkdir()
    for name in RUNTIME_DISTRIBUTIONS:
        (distribution,) = importlib.metadata.distributions(name=name, path=installed)
        tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in {"..", "__pycache__"}}
        for top in sorted(tops):
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
