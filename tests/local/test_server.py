"""The server starts quickly, says what is wrong in one sentence, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from local.embedded_aws import EmbeddedAws, wait_until
from local.lambda_processes import PLACES
from tests.local.conftest import ROLE, Account
from tests.processes import hear_signals

ROOT = Path(__file__).resolve().parents[2]
ENDED_SECONDS = 5.0
"""How soon nothing is left."""


_started: Final[list[subprocess.Popen[str]]] = []


@pytest.fixture(autouse=True)
def nothing_runs_on() -> Iterator[None]:
    """End what a test has left that failed."""
    yield
    end_all()


def end_all() -> None:
    while _started:
        server = _started.pop()
        if server.poll() is None:
            server.kill()
            server.wait()


def start(*arguments: str, tmp: Path, program: tuple[str, ...] = ("-m", "local")) -> subprocess.Popen[str]:
    server = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=hear_signals,  # noqa: PLW1509 - it calls nothing that another thread could hold
    )
    _started.append(server)
    return server


def read_url(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if match := re.search(r"export AWS_ENDPOINT_URL=(\S+)", line):
            return match[1]
    raise AssertionError(server.stderr.read() if server.stderr else "")


def processes_below(folder: Path) -> list[str]:
    """Give the command lines of processes below a server whose temporary directory is in the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"={folder}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


HANGS = """
import signal, time
def handler(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(0.1)
"""

MODEL_THAT_HANGS = """
import time
def model_fn(folder):
    while True: time.sleep(0.1)
"""

SIGNALS = 3 * PLACES
"""Executions that are in flight when a server ends; each asks a function that hangs."""


def storm(url: str, folder: Path) -> None:
    """A long job, a model that is being loaded, and more functions asked than this machine carries; no word ends them."""
    aws = EmbeddedAws()
    aws.endpoint_url = url
    account = Account(aws)
    command = ["python3", "-c", "import time; time.sleep(99)"]
    account.sagemaker.create_processing_job(
        ProcessingJobName="long",
        RoleArn=ROLE,
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}},
        AppSpecification={"ImageUri": "i", "ContainerEntrypoint": command},
    )
    endpoint_of_a_model_that_hangs(account)
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": account.function("hangs", HANGS)},
        "End": True,
    }
    machine = account.machine("storm", {"Ask": task})
    for _ in range(SIGNALS):
        account.start(machine)

    def all_are_there() -> bool:
        running = "\n".join(processes_below(folder))
        functions = running.count("lambda_fork_server") - 1
        assert functions <= PLACES
        return functions == PLACES and "time.sleep(99)" in running and "serving_worker" in running

    wait_until(all_are_there)


def endpoint_of_a_model_that_hangs(account: Account) -> None:
    url = account.put_archive("hangs.tar.gz", code__inference_dot_py=MODEL_THAT_HANGS)
    variant = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    account.sagemaker.create_model(
        ModelName="m", PrimaryContainer={"Image": "i", "ModelDataUrl": url}, ExecutionRoleArn=ROLE
    )
    account.sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[{**variant, "ModelName": "m"}])
    account.sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    account.until(
        lambda: account.sagemaker.describe_endpoint(EndpointName="e"), lambda e: e["EndpointStatus"] == "InService"
    )
    runtime = account.aws.client("sagemaker-runtime")

    def ask() -> None:
        with contextlib.suppress(BotoCoreError, ClientError):
            runtime.invoke_endpoint(EndpointName="e", Body=b"1")

    threading.Thread(target=ask, daemon=True).start()


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_it_ends_in_a_storm_without_a_trace(tmp_path: Path, number: signal.Signals) -> None:
    server = start("--port", "0", tmp=tmp_path)
    storm(read_url(server), tmp_path)

    # As a terminal does at Ctrl-C.
    os.killpg(server.pid, number)

    _, errors = server.communicate(timeout=10)
    assert server.returncode == 0
    assert "Traceback" not in errors
    wait_until(lambda: not processes_below(tmp_path), within=ENDED_SECONDS)
    assert list(tmp_path.iterdir()) == []


@needs_proc
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "at-its-end"])
def test_it_ends_with_its_parent_however_that_ends(tmp_path: Path, *, killed: bool) -> None:
    program = (
        "import sys\n"
        "from local.embedded_aws import EmbeddedAws\n"
        "with EmbeddedAws() as aws:\n"
        "    print(aws.endpoint_url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    storm(parent.stdout.readline().strip(), tmp_path)

    if killed:
        parent.kill()
    parent.communicate(timeout=10)

    wait_until(lambda: not processes_below(tmp_path), within=ENDED_SECONDS)
    wait_until(lambda: not list(tmp_path.iterdir()))


@needs_proc
def test_everything_below_a_server_that_is_killed_ends(tmp_path: Path) -> None:
    server = start("--port", "0", tmp=tmp_path)
    storm(read_url(server), tmp_path)

    server.kill()
    server.communicate()

    wait_until(lambda: not processes_below(tmp_path), within=ENDED_SECONDS)
    assert list(tmp_path.iterdir()) == []


STARVED = """
import os, sys, threading, time
from local import __main__, server_lifeline

flag = sys.argv.pop()

def starve():
    while not os.path.exists(flag): time.sleep(0.01)
    sys.setswitchinterval(1000)
    os.rmdir(flag)
    while True: pass

threading.Thread(target=starve, daemon=True).start()
server_lifeline.GRACE_SECONDS = 0.5
__main__.main()
"""
"""A server in which nothing but one thread has its turn any more, as soon as there is a folder."""


@needs_proc
@pytest.mark.parametrize("number", [None, signal.SIGTERM], ids=["pipe", "sigterm"])
def test_it_ends_when_its_interpreter_has_no_turn_for_it(tmp_path: Path, number: signal.Signals | None) -> None:
    flag = tmp_path / "starve"
    with start("--port", "0", "--parent-pipe", str(flag), tmp=tmp_path, program=("-c", STARVED)) as server:
        read_url(server)
        flag.mkdir()
        wait_until(lambda: not flag.exists())

        if number is None:
            assert server.stdin is not None
            server.stdin.close()
        else:
            server.send_signal(number)

        assert server.wait(ENDED_SECONDS) == -signal.SIGKILL
    wait_until(lambda: not processes_below(tmp_path), within=ENDED_SECONDS)
    assert list(tmp_path.iterdir()) == []


@needs_proc
def test_a_server_that_cannot_say_that_it_is_ready_fails_and_leaves_nothing(tmp_path: Path) -> None:
    program = "import sys; sys.stdout = open('/dev/full', 'w'); from local import __main__; __main__.main()"
    with start("--port", "0", tmp=tmp_path, program=("-c", program)) as server:
        _, errors = server.communicate(timeout=ENDED_SECONDS)
    assert server.returncode == 1
    assert "No space left on device" in errors
    assert list(tmp_path.iterdir()) == []


STOPPED_AT_START = """
import os, signal, sys
from local import __main__, server

number, install = int(sys.argv.pop()), server.Server._install

def stopped(self):
    os.kill(os.getpid(), number)
    install(self)

server.Server._install = stopped
__main__.main()
"""
"""A server that is told to stop while it puts its parts in their place."""


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_during_the_start_is_no_less_one(tmp_path: Path, number: signal.Signals) -> None:
    with start("--port", "0", str(int(number)), tmp=tmp_path, program=("-c", STOPPED_AT_START)) as server:
        try:
            server.communicate(timeout=ENDED_SECONDS)
        finally:
            server.kill()
    assert server.returncode in (0, -number)
    assert list(tmp_path.iterdir()) == []


@needs_proc
@pytest.mark.parametrize(("ignored", "sent"), [("SIGCHLD", "SIGTERM"), ("SIGHUP", "SIGHUP")])
def test_what_its_parent_ignores_neither_breaks_its_end_nor_is_one(tmp_path: Path, ignored: str, sent: str) -> None:
    program = (
        f"import signal; signal.signal(signal.{ignored}, signal.SIG_IGN)\nfrom local import __main__; __main__.main()"
    )
    with start("--port", "0", tmp=tmp_path, program=("-c", program)) as server:
        read_url(server)
        server.send_signal(getattr(signal, sent))
        if sent == ignored:
            with pytest.raises(subprocess.TimeoutExpired):
                server.wait(1)
            server.terminate()
        _, errors = server.communicate(timeout=ENDED_SECONDS)
    assert (server.returncode, errors) == (0, "")
    wait_until(lambda: not list(tmp_path.iterdir()), within=ENDED_SECONDS)


@needs_proc
def test_it_ends_with_the_process_that_watches_it(tmp_path: Path) -> None:
    server = start("--port", "0", "--parent-pipe", tmp=tmp_path)
    storm(read_url(server), tmp_path)
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    watcher = next(each for each in children if command_of(each) == command_of(str(server.pid)))

    os.kill(int(watcher), signal.SIGKILL)

    assert server.wait(ENDED_SECONDS) == 0
    wait_until(lambda: not processes_below(tmp_path), within=ENDED_SECONDS)
    assert list(tmp_path.iterdir()) == []


def command_of(process: str) -> bytes:
    """The command line of a process; one that was only forked has that of its parent."""
    return Path(f"/proc/{process}/cmdline").read_bytes()


def test_a_shell_that_takes_what_is_printed_finds_the_commands(tmp_path: Path) -> None:
    server = start("--port", "0", tmp=tmp_path)
    try:
        assert server.stdout is not None
        lines = list(iter(server.stdout.readline, "Ctrl-C stops it; everything in it is forgotten.\n"))
    finally:
        server.terminate()
        server.communicate(timeout=ENDED_SECONDS)
    (path,) = (line for line in lines if "PATH=" in line)
    assert all(len(line) <= 81 for line in lines if line != path)
    shell = "".join(lines).partition("\n")[2] + "type -P aws retraining; echo $AWS_ENDPOINT_URL $AWS_DEFAULT_REGION"
    found = subprocess.run(  # noqa: S603 - what the server printed
        ["/bin/bash", "-c", shell], env={}, check=True, capture_output=True, text=True
    )
    folder = Path(sys.executable).parent
    assert found.stdout.splitlines()[:2] == [str(folder / "aws"), str(folder / "retraining")]
    assert found.stdout.splitlines()[2].endswith(" us-east-1")


@needs_proc
def test_the_server_of_a_test_that_fails_ends_with_the_test(tmp_path: Path) -> None:
    server = start("--port", "0", tmp=tmp_path)
    read_url(server)
    end_all()
    assert server.returncode == -signal.SIGKILL
    wait_until(lambda: not processes_below(tmp_path), within=ENDED_SECONDS)


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = start("--port", str(port), tmp=tmp_path)
        output, errors = server.communicate(timeout=10)

    assert server.returncode == 2
    assert (output, errors.count("\n")) == ("", 1)
    assert f"Port {port} on 127.0.0.1 cannot be used" in errors


def test_a_log_that_has_no_folder_is_a_wrong_call_and_no_traceback(tmp_path: Path) -> None:
    server = start("--log-file", str(tmp_path / "none" / "log"), tmp=tmp_path)
    _, errors = server.communicate(timeout=30)
    assert server.returncode == 2
    assert f"there is no folder {tmp_path / 'none'}" in errors
    assert "Traceback" not in errors


def test_reset_forgets_everything_and_ends_what_runs(account: Account) -> None:
    account.sagemaker.create_training_job(**account.training_request("j", "import time\ntime.sleep(60)\n"))

    account.aws.reset()

    assert account.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    assert account.s3.list_buckets()["Buckets"] == []


def test_regions_do_not_see_each_other(aws: EmbeddedAws) -> None:
    for region in ("us-east-1", "eu-west-1"):
        client: Any = aws.client("sagemaker", region)
        client.create_model_package_group(ModelPackageGroupName="fraud")
        groups = client.list_model_package_groups()["ModelPackageGroupSummaryList"]
        assert [group["ModelPackageGroupArn"].split(":")[3] for group in groups] == [region]


def test_the_aws_cli_works_against_it(aws: EmbeddedAws) -> None:
    command = [str(Path(sys.executable).parent / "aws"), "sagemaker", "list-endpoints"]
    environment = {**os.environ, **aws.environment}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own

    assert '"Endpoints": []' in answer.stdout


def test_a_function_url_answers_under_a_path_of_the_server(account: Account) -> None:
    source = "def handler(event, context):\n    return {'statusCode': 200, 'body': event['rawPath']}\n"
    account.function("page", source)
    path = account.address("page")

    with urllib.request.urlopen(f"{account.aws.endpoint_url}{path}review?n=1") as answer:  # noqa: S310 - always http
        assert answer.read() == b"/review"
