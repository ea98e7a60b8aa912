"""How a forked function reaches the server: as urllib3 would, but for the time it takes."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.config import Config
from botocore.httpsession import URLLib3Session
from botocore.useragent import UserAgentString

from local import lambda_connection
from local.embedded_aws import EmbeddedAws

Answer = Callable[[socket.socket], None]
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install it for one test."""
    monkeypatch.setattr(URLLib3Session, "send", URLLib3Session.send)
    monkeypatch.setattr(UserAgentString, "to_string", UserAgentString.to_string)
    return lambda_connection.install


@contextlib.contextmanager
def answering(*answers: list[Answer]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these answers to the requests of one connection after another: its address, what it was sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        for answers_of_one in answers:
            connection, _ = listener.accept()
            with connection:
                for answer in answers_of_one:
                    asked.append(connection.recv(1 << 16))
                    answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.close()
        thread.join(5)


def table_names(url: str, seconds: float = 5) -> Any:
    """Ask DynamoDB at an address for its tables, once."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=seconds, read_timeout=seconds)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("dynamodb", endpoint_url=url, config=config, **keys)  # type: ignore[call-overload] # mypy loses the names


def test_an_answer_that_comes_in_pieces_is_put_together(installed: Callable[[str], None]) -> None:
    def in_pieces(connection: socket.socket) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\nContent-Le", b'ngth: 20\r\n\r\n{"TableNa', b'mes":["a"]}'):
            connection.sendall(piece)
            threading.Event().wait(0.02)

    with answering([in_pieces]) as (url, _):
        installed(url)

        assert table_names(url).list_tables()["TableNames"] == ["a"]


def test_a_connection_is_kept_until_the_server_closes_it(installed: Callable[[str], None]) -> None:
    closed = threading.Event()

    def whole(connection: socket.socket) -> None:
        connection.sendall(EMPTY)

    def last(connection: socket.socket) -> None:
        connection.sendall(EMPTY)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with answering([whole, last], [whole]) as (url, asked):
        installed(url)
        client = table_names(url)
        for _ in range(2):
            client.list_tables()
        assert closed.wait(60)
        client.list_tables()

    assert len(asked) == 3
    assert all(b"\r\nHost: 127.0.0.1:" in each for each in asked)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda _: None, exceptions.ConnectionClosedError),
        (lambda connection: connection.sendall(EMPTY[:-1]), exceptions.ConnectionClosedError),
        (lambda _: threading.Event().wait(1), exceptions.ReadTimeoutError),
    ],
    ids=["nothing", "half an answer", "silence"],
)
def test_what_goes_wrong_is_what_botocore_calls_it(
    installed: Callable[[str], None], answer: Answer, error: type[Exception]
) -> None:
    with answering([answer]) as (url, _):
        installed(url)

        with pytest.raises(error):
            table_names(url, seconds=0.3).list_tables()


def test_nobody_listening_is_no_endpoint(installed: Callable[[str], None]) -> None:
    with answering() as (url, _):
        pass
    installed(url)

    with pytest.raises(exceptions.EndpointConnectionError):
        table_names(url).list_tables()


def test_bodies_of_every_kind_go_and_come(installed: Callable[[str], None], aws: EmbeddedAws) -> None:
    installed(aws.endpoint_url)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    s3 = boto3.client("s3", endpoint_url=aws.endpoint_url, **keys)  # type: ignore[call-overload] # same
    s3.create_bucket(Bucket="kept")
    body = bytes(range(256)) * 1000

    s3.put_object(Bucket="kept", Key="a b/ü", Body=body, Metadata={"written-by": "ada"})

    assert s3.head_object(Bucket="kept", Key="a b/ü")["ContentLength"] == len(body)
    got = s3.get_object(Bucket="kept", Key="a b/ü")
    assert (got["Body"].read(), got["Metadata"]) == (body, {"written-by": "ada"})
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="kept")["Contents"]] == ["a b/ü"]
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="kept", Key="none")
    s3.delete_object(Bucket="kept", Key="a b/ü")
    assert "Contents" not in s3.list_objects_v2(Bucket="kept")


@pytest.mark.skipif(sys.platform != "linux", reason="functions are forked on Linux only")
def test_a_function_sends_so(aws: EmbeddedAws, account: Any) -> None:
    account.function(
        "who",
        "from botocore.httpsession import URLLib3Session\n"
        "def handler(event, context):\n    return URLLib3Session.send.__module__ == 'botocore.httpsession'\n",
    )

    answer = aws.client("lambda").invoke(FunctionName="who", Payload=b"{}")

    assert answer["Payload"].read() == b"false"
