"""How a forked function reaches this server: one write and a read or two on a connection that is kept.

urllib3 and http.client take two fifths of the CPU time of an SDK call, and writing out who calls another tenth; a run of the
loop makes hundreds of calls. Whatever else a function reaches goes through them as it does on AWS.
"""

from __future__ import annotations

import io
import select
import socket
from typing import TYPE_CHECKING, Any, Final

from botocore import exceptions
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session
from botocore.useragent import UserAgentString

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK: Final = 1 << 16
WITHOUT_BODY: Final = frozenset({204, 304})


class Body(io.BytesIO):
    """A body that has come, read as botocore reads urllib3's."""

    def stream(self) -> Iterator[bytes]:
        """The rest, at once."""
        yield self.read()


def install(endpoint_url: str) -> None:
    """Have botocore of this process and those forked from it send so what goes to this address.

    Args:
        endpoint_url: ``http://`` with address and port.
    """
    host, _, port = endpoint_url.removeprefix("http://").partition(":")
    idle: list[socket.socket] = []
    send_otherwise = URLLib3Session.send

    def connected(timeout: Any, url: str) -> socket.socket:
        while idle:
            connection = idle.pop()
            if not select.select([connection], [], [], 0)[0]:
                return connection
            # The server has closed it meanwhile.
            connection.close()
        try:
            made = socket.create_connection((host, int(port)), getattr(timeout, "connect_timeout", timeout))
        except OSError as error:
            raise exceptions.EndpointConnectionError(endpoint_url=url, error=error) from error
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def send(session: Any, request: Any) -> Any:
        body = request.body or b""
        if not request.url.startswith(f"{endpoint_url}/") or not isinstance(body, bytes):
            return send_otherwise(session, request)
        connection = connected(session._timeout, request.url)
        connection.settimeout(getattr(session._timeout, "read_timeout", session._timeout))
        try:
            connection.sendall(_head(request, f"{host}:{port}", endpoint_url) + body)
            status, headers, content = _answer(connection, request.method)
        except TimeoutError as error:
            connection.close()
            raise exceptions.ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except OSError as error:
            connection.close()
            raise exceptions.ConnectionClosedError(endpoint_url=request.url, error=error) from error
        if headers.get("connection") == "close":
            connection.close()
        else:
            idle.append(connection)
        return AWSResponse(request.url, status, headers, Body(content))  # type: ignore[arg-type] # any mapping will do

    URLLib3Session.send = send  # type: ignore[assignment, method-assign] # another way to do what it does
    UserAgentString.to_string = lambda _: "Boto3"  # type: ignore[assignment, method-assign] # same


def _head(request: Any, host: str, endpoint_url: str) -> bytes:
    lines = [f"{request.method} {request.url.removeprefix(endpoint_url)} HTTP/1.1", f"Host: {host}"]
    for name, value in request.headers.items():
        # Nobody waits for leave to send a body that comes at once.
        if name != "Expect":
            lines.append(f"{name}: {value.decode('latin-1') if isinstance(value, bytes) else value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _answer(connection: socket.socket, method: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by their names in lower case, body.

    Raises:
        OSError: it did not come, or not whole.
    """
    received = bytearray()

    def receive() -> None:
        part = connection.recv(CHUNK)
        if not part:
            raise ConnectionResetError("closed before the answer was whole")
        received.extend(part)

    while (end := received.find(b"\r\n\r\n")) < 0:
        receive()
    first, *lines = received[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status, begin = int(first.split(" ", 2)[1]), end + 4
    length = 0 if method == "HEAD" or status in WITHOUT_BODY else int(headers["content-length"])
    while len(received) < begin + length:
        receive()
    return status, headers, bytes(received[begin : begin + length])
