"""Cold starts of the real Lambda package, as ratios to the smallest handler that has an S3 client.

Each start is a new process of the functions' own Python under AWS's runtime client, with only Lambda's libraries beside the package.
All of them are started in turn, so that whatever else the machine does falls on all alike. What is told is the CPU time of the process
up to its first answer: a start waits for nothing but the processor, and time on the clock says more about who else is at work.
"""

from __future__ import annotations

import json
import tempfile
import threading
import zipfile
from collections.abc import Iterator  # noqa: TC003 - in an annotation that contextmanager reads
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.spread import Spread
from ops import package_zip
from ops.bytecode import RUNTIME
from tests.contract.lambda_runtime import LambdaRuntime
from tests.contract.template import BUTTONS, Template

if TYPE_CHECKING:
    from collections.abc import Callable

BARE_HANDLER: Final = """
import boto3
s3 = boto3.client("s3")
def handle(event, context):
    return "ready"
"""

BARE_READER: Final = """
import boto3
s3 = boto3.client("s3")
def handle(event, context):
    try:
        s3.get_object(Bucket="bucket", Key="key")
    except s3.exceptions.NoSuchKey:
        return "read"
"""

BARE: Final = 'bare handler with `boto3.client("s3")`'
BARE_READING: Final = "the same, which asks for one object"

FUNCTIONS: Final = (
    "OrchestrationFunction",
    "PromotionFunction",
    "OperatorFunction",
    "VoteFunction",
    "ApprovalFunction",
    "SlackFunction",
)

UNKNOWN: Final = {"action": "measure"}
"""Makes a function compose everything it has and then refuse, without a call to any service."""

RUN: Final = "00000000-0000-4000-8000-000000000000"

REPORT: Final = {
    "id": "00000000-0000-4000-8000-000000000001",
    "source": "mlops.drift",
    "detail-type": "Drift Detected",
    "time": "2026-01-01T00:00:00Z",
    "detail": {"model": "nobody", "metric": "psi", "observed": 0.4, "threshold": 0.2},
}
"""Drift of a model that nobody knows: it is decided, recorded and answered, and nothing in AWS has to be there for it."""


class StartError(Exception):
    """The package did not start; the text is what the runtime said."""


@dataclass(frozen=True, slots=True)
class Startup:
    """CPU seconds of processes up to their first answer, by what was started."""

    bare: Spread
    bare_reading: Spread
    ready: dict[str, Spread]
    decided: Spread


def measure_startup(runs: int, step: Callable[[str], None]) -> Startup:
    """Start everything `runs` times in turn.

    Args:
        runs: how often.
        step: told after each turn what was done.

    Raises:
        StartError: a package failed to start.
    """
    resources = Template.read().resolve(BUTTONS).resources
    functions = {name: resources[name]["Properties"] for name in FUNCTIONS}
    orchestration = functions["OrchestrationFunction"]
    execution = _environment(orchestration)["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{RUN}"
    admit = {"action": "admit", "execution": {"id": execution, "name": RUN}, "event": REPORT}
    measured: dict[str, list[float]] = {}

    def start(what: str, package: Path, handler: str, environment: dict[str, str], event: Any, answer: str) -> None:
        measured.setdefault(what, []).append(_first_answer(package, handler, environment, event, answer))

    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _aws_with_nothing() as aws:
        reads = {"AWS_ENDPOINT_URL": aws, "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
        bare, reader = _packed(folder, "bare", BARE_HANDLER), _packed(folder, "reader", BARE_READER)
        real = package_zip.build(Path(folder, "orchestration.zip"))
        for run in range(1, runs + 1):
            start("bare", bare, "bare.handle", {}, {}, "ready")
            start("reader", reader, "reader.handle", reads, {}, "read")
            for name, function in functions.items():
                start(name, real, function["Handler"], _environment(function), UNKNOWN, "")
            start("decided", real, orchestration["Handler"], _environment(orchestration) | reads, admit, "'REJECT'")
            step(f"turn {run} of {runs}")
    found = {what: Spread.of(seconds) for what, seconds in measured.items()}
    return Startup(found["bare"], found["reader"], {name: found[name] for name in FUNCTIONS}, found["decided"])


def _environment(function: dict[str, Any]) -> dict[str, str]:
    """What the template gives a function with the parameters' defaults."""
    return {name: str(value) for name, value in function["Environment"]["Variables"].items()}


def _packed(folder: str, name: str, code: str) -> Path:
    package = Path(folder, f"{name}.zip")
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(f"{name}.py", code)
    return package


def _first_answer(package: Path, handler: str, environment: dict[str, str], event: Any, answer: str) -> float:
    """CPU seconds of a new process up to its first answer, which has ``answer`` in it."""
    with LambdaRuntime(package, handler, environment) as function:
        told = str(function.invoke(event))
        if answer not in told or any(wrong in told for wrong in ("Runtime.", "SettingsError", "Sandbox.")):
            raise StartError(f"{handler} answered {told}")
        return function.cpu_seconds


@contextmanager
def _aws_with_nothing() -> Iterator[str]:
    """Address of an AWS whose table and buckets are empty and which takes every write."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Nothing)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Nothing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """No object is there."""
        self._asked()
        self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_POST(self) -> None:
        """DynamoDB: no item is there."""
        asked = json.loads(self._asked())
        self._answer(200, json.dumps({"Responses": [{} for _ in asked.get("TransactItems", [])]}).encode())

    def do_PUT(self) -> None:
        """S3 takes an object."""
        self._asked()
        self._answer(200, b"")

    def _asked(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep requests out of the output."""


def startup_table(measured: Startup) -> str:
    """The cold starts as a table in Markdown."""

    def row(label: str, found: Spread, bare: Spread) -> str:
        return f"| {label} | {found.text(1000, 'ms')} | {found.median / bare.median:.2f} |"

    return "\n".join(
        (
            f"Median of {measured.bare.count} starts under Python {RUNTIME[0]}.{RUNTIME[1]}. Aim: 1.0 for each function.",
            "",
            "| cold start, until it is ready | CPU time | ratio |",
            "| --- | ---: | ---: |",
            row(BARE, measured.bare, measured.bare),
            *(row(name, found, measured.bare) for name, found in measured.ready.items()),
            "",
            "| cold start, until its first answer from AWS | CPU time | ratio |",
            "| --- | ---: | ---: |",
            row(BARE_READING, measured.bare_reading, measured.bare_reading),
            row("OrchestrationFunction, its first decision", measured.decided, measured.bare_reading),
        )
    )
