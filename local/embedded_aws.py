"""The embedded AWS as a context manager, for tests and the demo.

>>> with EmbeddedAws(wait_scale=0.0) as aws:
...     aws.client("s3").create_bucket(Bucket="data")
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials

from local.call_log import CALLS_PATH, Called
from local.faults import CONTROL_PATH, FAULT_MESSAGE, Fault
from local.server import ACCOUNT, CLOCK_PATH, FUNCTIONS_PATH, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 20.0


class EmbeddedAwsError(Exception):
    """The server did not start; the message ends with its log."""


class EmbeddedAws:
    """An embedded AWS in a child process, which ends with this one however this one ends.

    Args:
        wait_scale: By what factor ``Wait`` states and retry pauses of state machines and functions are shortened;
            0 skips them.
        extra_env: Further environment variables of the server, such as ``LOCAL_ENDPOINT_SECONDS``.
        verbose: Log every call, not only what went wrong.

    Attributes:
        account: The account everything belongs to.
        region: The default region.
        endpoint_url: Where it listens, once entered.
    """

    account = ACCOUNT
    region = REGION

    def __init__(
        self, *, wait_scale: float = 1.0, extra_env: Mapping[str, str] | None = None, verbose: bool = False
    ) -> None:
        self._settings = {"SFN_WAIT_SCALE": str(wait_scale), **(extra_env or {})}
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._session = boto3.session.Session()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._making = threading.Lock()
        self._people: dict[str, ReadOnlyCredentials] = {}
        self.endpoint_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it is ready.

        Raises:
            EmbeddedAwsError: It ended, or was not ready within 20 seconds.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="embedded-aws-log-"))
        read_end, write_end = os.pipe()
        command = [sys.executable, "-m", "local", "--port", "0", "--parent-pipe"]
        command += ["--ready-fd", str(write_end), "--log-file", str(self.logs())]
        try:
            self._process = subprocess.Popen(
                [*command, *(["--verbose"] if self._verbose else [])],
                cwd=_ROOT,
                env={**os.environ, **self._settings},
                stdin=subprocess.PIPE,
                pass_fds=(write_end,),
                # A Ctrl-C in the terminal is for this process; it then stops the server in its own order.
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        with os.fdopen(read_end) as ready:
            readable, _, _ = select.select([ready], [], [], _START_SECONDS)
            line = ready.readline() if readable else ""
        if not line:
            log = self.logs().read_text() if self.logs().exists() else ""
            self.stop()
            raise EmbeddedAwsError(f"The embedded AWS did not start.\n{log[-4000:]}")
        self.endpoint_url = json.loads(line)["url"]

    @property
    def process_id(self) -> int:
        """The server's, which is its session's too: functions are in it, jobs are not.

        Raises:
            EmbeddedAwsError: It was not started.
        """
        if self._process is None:
            raise EmbeddedAwsError("The embedded AWS was not started.")
        return self._process.pid

    def await_end(self) -> int:
        """Wait until the server ends by itself; gives its exit status, negative where a signal ended it.

        Raises:
            EmbeddedAwsError: It was not started.
        """
        if self._process is None:
            raise EmbeddedAwsError("The embedded AWS was not started.")
        return self._process.wait()

    def stop(self) -> None:
        """Stop the server and everything it started, and remove its log."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                # The server stops when its standard input does.
                process.stdin.close()
            process.wait()
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._people.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a subprocess, such as the AWS CLI, that is to talk to this AWS and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
            # Nobody's profile decides what a test talks to.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def key_of(self, user: str) -> ReadOnlyCredentials:
        """The key of an IAM user, who is made at the first call; the same one each time."""
        if user not in self._people:
            iam = self.client("iam")
            iam.create_user(UserName=user)
            key = iam.create_access_key(UserName=user)["AccessKey"]
            self._people[user] = ReadOnlyCredentials(key["AccessKeyId"], key["SecretAccessKey"], None)
        return self._people[user]

    def client(self, service_name: str, region: str | None = None, account: str = "") -> Any:
        """Give the boto3 client of a service, signed in to another account where one is named; the same one each time."""
        key = (service_name, region or self.region, account)
        # Creating a client is not thread-safe, using one is.
        with self._making:
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service_name,  # type: ignore[call-overload] # the name is only known at run time
                    endpoint_url=self.endpoint_url,
                    region_name=key[1],
                    aws_access_key_id=account or "test",
                    aws_secret_access_key="test",  # noqa: S106 - nothing checks it
                    # A retry would hide what the server answered first.
                    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
                )
            return self._clients[key]

    def reset(self) -> None:
        """Make it as new: no resource of any service, nothing running."""
        self._send("POST", "/_ministack/reset", None)

    def tell_endpoint(
        self, name: str, next_update: str | None, *, seconds: float | None = None, lose_response: bool = False
    ) -> None:
        """Make the next update of a SageMaker endpoint end with ``fail`` or ``roll_back``, take so long, or answer nothing."""
        wish = {"next_update": next_update, "seconds": seconds, "lose_response": lose_response}
        self._send("POST", f"/_local/sagemaker/endpoints/{name}", wish)

    def run_schedule(self, name: str, request: dict[str, Any]) -> None:
        """Run a monitoring schedule of SageMaker's now, as a processing job by this CreateProcessingJob request."""
        self._send("POST", f"/_local/sagemaker/monitoring-schedules/{name}/runs", request)

    def fail_next(
        self,
        service: str,
        action: str,
        *,
        code: str | None = None,
        status: int = 400,
        times: int = 1,
        skip: int = 0,
        after_effect: bool = False,
        seconds: float = 0,
        matching: str = "",
        message: str = FAULT_MESSAGE,
        answer: str | None = None,
        share: float = 1.0,
    ) -> None:
        """Make the next calls of an action fail, take their time, or be answered otherwise.

        Args:
            service: boto3's name of the service.
            action: The API's name of the action, such as ``PutObject``.
            code: The error's code, ``ClientError.response["Error"]["Code"]``; None for a call that only takes time.
            status: Its HTTP status.
            times: How many calls.
            skip: How many matching calls go through first.
            after_effect: Whether the call is carried out before the error is answered.
            seconds: How long the answer takes.
            matching: Text that must be in the path, the query or the body of the call.
            message: What the error says.
            answer: A body to answer with, and ``status``, instead of carrying the call out.
            share: Of which share of the matching calls this holds; which ones is drawn.
        """
        rule = Fault(
            service, action, code, status, times, skip, after_effect, seconds, matching, message, answer, share
        )
        self._send("POST", CONTROL_PATH, [asdict(rule)])

    def faults_left(self) -> list[dict[str, Any]]:
        """Give the rules of ``fail_next`` that still wait for calls, as they were given, with the calls still to come."""
        left: list[dict[str, Any]] = json.loads(self._send("GET", CONTROL_PATH, None))
        return left

    def forget_faults(self) -> None:
        """Make no further call fail; ``reset`` does so too."""
        self._send("DELETE", CONTROL_PATH, None)

    def set_clock(self, moment: datetime) -> None:
        """Set the clock that functions and SageMaker go by to a moment to come; it goes on from there, until ``reset``."""
        ahead = (moment - datetime.now(UTC)) / timedelta(seconds=1)
        self._send("POST", CLOCK_PATH, {"ahead_seconds": ahead})

    def count_calls(self) -> None:
        """Begin anew to note what functions and people call, until ``reset``."""
        self._send("POST", CALLS_PATH, None)

    def calls(self) -> list[Called]:
        """Give what functions and people called since ``count_calls``, in the order of the answers."""
        return [Called(**call) for call in json.loads(self._send("GET", CALLS_PATH, None))]

    def functions_running(self) -> int:
        """Say how many invocations of Lambda functions go on."""
        running: int = json.loads(self._send("GET", FUNCTIONS_PATH, None))["running"]
        return running

    def logs(self) -> Path:
        """Give the path of the server's log; it is removed when the server stops."""
        if self._folder is None:
            raise EmbeddedAwsError("The embedded AWS was not started.")
        return self._folder / "server.log"

    def _send(self, method: str, path: str, document: Any) -> bytes:
        body = b"" if document is None else json.dumps(document).encode()
        request = urllib.request.Request(self.endpoint_url + path, data=body, method=method)  # noqa: S310 - always http
        with contextlib.closing(urllib.request.urlopen(request, timeout=30)) as answer:  # noqa: S310 - always http
            content: bytes = answer.read()
        return content


def wait_until(condition: Any, *, within: float = 60.0) -> Any:
    """Call the condition until it gives something true, and give that. The longer it took, the less often it is called.

    Raises:
        TimeoutError: It did not within this many seconds.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < within:
        if value := condition():
            return value
        time.sleep(min(max(0.05, waited / 5), 0.5))
    raise TimeoutError(f"not within {within} seconds")
