"""The server starts quickly, says what is wrong in one sentence, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.embedded_aws import EmbeddedAws, wait_until

if TYPE_CHECKING:
    from tests.local.conftest import Account

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str, tmp: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_url(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if match := re.search(r"export AWS_ENDPOINT_URL=(\S+)", line):
            return match[1]
    raise AssertionError(server.stderr.read() if server.stderr else "")


def processes_below(folder: Path) -> list[str]:
    """Give the command lines of processes that work in the folder: jobs, model servers, Lambda workers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(entry / "cwd").resolve().is_relative_to(folder):
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def long_job(url: str) -> None:
    sagemaker = boto3.client(
        "sagemaker",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    sagemaker.create_processing_job(
        ProcessingJobName="long",
        RoleArn="arn:aws:iam::000000000000:role/service-role",
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}},
        AppSpecification={"ImageUri": "i", "ContainerEntrypoint": ["python3", "-c", "import time; time.sleep(99)"]},
    )


needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")


@needs_proc
def test_it_ends_at_ctrl_c_without_a_trace(tmp_path: Path) -> None:
    server = start("--port", "0", tmp=tmp_path)
    url = read_url(server)
    long_job(url)
    wait_until(lambda: processes_below(tmp_path))

    server.send_signal(signal.SIGINT)

    _, errors = server.communicate(timeout=10)
    assert server.returncode == 0
    assert "Traceback" not in errors
    wait_until(lambda: not processes_below(tmp_path))
    assert list(tmp_path.iterdir()) == []


@needs_proc
def test_it_dies_with_its_parent_however_that_dies(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from local.embedded_aws import EmbeddedAws\n"
        "aws = EmbeddedAws()\n"
        "aws.start()\n"
        "print(aws.endpoint_url, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    long_job(url)
    wait_until(lambda: processes_below(tmp_path))

    parent.kill()
    parent.communicate()

    def is_gone() -> bool:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) != 0

    wait_until(is_gone)
    wait_until(lambda: not processes_below(tmp_path))
    wait_until(lambda: not list(tmp_path.iterdir()))


@needs_proc
def test_jobs_die_with_a_server_that_is_killed(tmp_path: Path) -> None:
    server = start("--port", "0", tmp=tmp_path)
    long_job(read_url(server))
    wait_until(lambda: processes_below(tmp_path))

    server.kill()
    server.communicate()

    wait_until(lambda: not processes_below(tmp_path))


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
