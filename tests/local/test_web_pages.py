"""A web page in a browser on this machine gets nothing from the server, and what runs in it sees no secret of its user."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from local.embedded_aws import EmbeddedAws
from tests.local.conftest import Account

ROOT: Final = Path(__file__).resolve().parents[2]
FUNCTIONS: Final = "/2015-03-31/functions"
CODE: Final = "import os\ndef handler(event, context): return dict(os.environ)\n"

FOREIGN: Final[dict[str, dict[str, str]]] = {
    "a page of somebody": {"Origin": "https://evil.example"},
    "a page in a sandbox": {"Origin": "null"},
    "a page in a sandbox, as browsers tell of it": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "a page in a sandbox of another port here": {"Origin": "null", "Sec-Fetch-Site": "same-site"},
    "what a person typed, without an origin": {"Origin": "null", "Sec-Fetch-Site": "none"},
    "a page of another port here": {"Origin": "http://127.0.0.1:8000"},
    "a page of another name for here": {"Origin": "http://localhost.evil.example"},
    "a form or picture of another site": {"Sec-Fetch-Site": "cross-site"},
    "a page of another port here, without Origin": {"Sec-Fetch-Site": "same-site"},
    "a name somebody points here": {"Host": "evil.example"},
    "a name that begins like here": {"Host": "127.0.0.1.evil.example"},
    "a name that ends almost like here": {"Host": "evillocalhost"},
    "the address of a function on AWS": {"Host": "abc.lambda-url.us-east-1.on.aws"},
    "a bucket's name on AWS": {"Host": "bucket.s3.amazonaws.com"},
    "no name at all": {"Host": ""},
}


def asked(aws: EmbeddedAws, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Status, headers in lower case, and body of an answer."""
    place = urlsplit(aws.endpoint_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": place.netloc, "Content-Length": "0", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


@pytest.fixture
def function_url(account: Account) -> str:
    """Give the path of a function's URL that anybody may ask."""
    account.function("tells", CODE)
    return account.address("tells")


@pytest.mark.threat("web-page")
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_a_web_page_gets_nothing(account: Account, function_url: str, headers: dict[str, str]) -> None:
    paths = [
        ("GET", FUNCTIONS),
        ("OPTIONS", FUNCTIONS),
        ("POST", f"{FUNCTIONS}/tells/invocations"),
        ("GET", function_url),
        ("POST", "/_local/faults"),
        ("POST", "/_local/calls"),
        ("POST", "/_ministack/reset"),
        ("PUT", "/stolen"),
    ]
    for method, path in paths:
        status, answered, body = asked(account.aws, method, path, headers)
        assert (status, path) == (403, path)
        assert not [name for name in answered if name.startswith("access-control-")]
        assert set(json.loads(body)) == {"message"}
    assert [bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]] == ["data"]


@pytest.mark.parametrize("host", ["localhost", "bucket.localhost", "127.0.0.1", "127.8.8.8", "[::1]", "LOCALHOST"])
def test_programs_and_the_servers_own_pages_are_answered_and_no_page_is_invited(
    account: Account, function_url: str, host: str
) -> None:
    name = f"{host}:{urlsplit(account.aws.endpoint_url).port}"
    own = {"Sec-Fetch-Site": "same-origin"}
    for headers in ({}, {"Origin": f"http://{name}", **own}, {"Origin": "null", **own}, {"Sec-Fetch-Site": "none"}):
        status, answered, _ = asked(account.aws, "GET", function_url, {"Host": name, **headers})
        assert status == 200
        assert not [name for name in answered if name.startswith("access-control-")]


@pytest.mark.threat("web-page")
def test_functions_and_jobs_see_nothing_of_the_environment_the_server_was_started_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = {"GITHUB_TOKEN": "s3cret", "HTTPS_PROXY": "http://me:s3cret@proxy", "LOCAL_SECRET": "s3cret"}
    for name, value in {**secrets, "AWS_ROLE_ARN": "s3cret", "PYTHONPATH": "s3cret"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedAws(wait_scale=0.0) as aws:
        account = Account(aws)
        account.function("tells", CODE)
        answer = aws.client("lambda").invoke(FunctionName="tells", Payload=b"{}")["Payload"].read().decode()
        script = "import json, os; json.dump(dict(os.environ), open(os.environ['SM_MODEL_DIR'] + '/env', 'w'))"
        account.sagemaker.create_training_job(**account.training_request("tells", script))
        account.trained("tells")
        artifact = account.s3.get_object(Bucket="data", Key="out/tells/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(artifact)) as archive:
        written = archive.extractfile("env")
        assert written is not None
        job = written.read().decode()
    assert "SM_MODEL_DIR" in job
    for seen in (answer, job):
        assert "s3cret" not in seen
        assert json.loads(seen)["HOME"] != str(Path.home())


ASKS: Final = {
    "cloudformation": "list-stacks",
    "ecr": "describe-repositories",
    "dynamodb": "list-tables",
    "events": "list-rules",
    "lambda": "list-functions",
    "logs": "describe-log-groups",
    "s3": "ls",
    "s3api": "list-buckets",
    "sagemaker": "list-endpoints",
    "sagemaker-runtime": "invoke-endpoint --endpoint-name none --body x /dev/null",
    "sns": "list-topics",
    "sqs": "list-queues",
    "stepfunctions": "list-state-machines",
    "emr": "list-clusters",
    "sts": "get-caller-identity",
}
"""A harmless question to each service, those that version 1 of the AWS CLI has addresses of its own for among them."""


RUN_NOTED: Final = """
import contextlib, io, os, shlex
from awscli.clidriver import create_clidriver
for line in open(os.environ["NOTED"]):
    arguments, printed, errors = shlex.split(line), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        status = create_clidriver().main(arguments)
    answered = status == 0 or "An error occurred" in errors.getvalue()
    print(arguments[2], "answered" if answered else errors.getvalue())
"""
"""A service's own error is an answer too."""


def services_of_the_docs() -> set[str]:
    """Services that commands in the docs ask."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("local/*.md"), *ROOT.glob("examples/**/*.md")]
    return {name for page in pages for name in re.findall(r"(?<![-\w])aws ([a-z0-9-]+) [a-z]+", page.read_text())}


def test_the_aws_cli_stays_inside_for_every_service_of_the_docs(tmp_path: Path) -> None:
    assert services_of_the_docs() <= ASKS.keys()
    server = subprocess.Popen(
        [sys.executable, "-m", "local", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        printed = "".join(itertools.takewhile(lambda line: not line.startswith("Ctrl-C"), lines)).partition("\n")[2]
        # A program in the place of the AWS CLI notes what the shell hands it; then the CLI itself runs once for all.
        note = tmp_path / "bin" / "aws"
        note.parent.mkdir()
        note.write_text('#!/bin/sh\necho "$*" >> "$NOTED"\n')
        note.chmod(0o700)
        noting = f'export PATH="{note.parent}:$PATH"'
        asks = "".join(f"aws {service} {question}\n" for service, question in ASKS.items())
        dead = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
        told = subprocess.run(  # noqa: S603 - what the server printed
            [
                shutil.which("bash") or "bash",
                "-ec",
                f"{printed}\n{noting}\n{asks}\n'{sys.executable}' -c '{RUN_NOTED}'",
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "NOTED": str(tmp_path / "noted"),
                "AWS_MAX_ATTEMPTS": "1",
                **dead,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.stdout.splitlines()[-len(ASKS) :] == [f"{service} answered" for service in ASKS], told.stderr
    finally:
        server.terminate()
        server.wait(10)
