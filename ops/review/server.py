"""HTTP on 127.0.0.1 for one reader: what is no request of theirs is refused before anything is looked up.

One request a connection, so nothing of one can pass for the next. Each is bounded in bytes and seconds, whatever it sends or
leaves out, and is read on a thread of its own. Nothing is logged: an address may hold the token.
"""

from __future__ import annotations

import io
import os
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlencode

from ops.review.door import Door
from ops.review.pages import message_page, path_to
from ops.review.peers import owner_of, users_here
from orchestration.domain.page import style_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BODY_LIMIT: Final = 16_384
"""Bytes of a form. The longest comment, percent-encoded, has 12,000."""

REQUEST_LIMIT: Final = 65_536
"""Bytes of a whole request; browsers send 2,000."""

TARGET_LIMIT: Final = 2048
"""Characters of an address. A run's name of 80 characters, percent-encoded, with the token has 1,020."""

READ_SECONDS: Final = 10.0
"""For a whole request to arrive. A browser may open a connection ahead and send nothing."""

WRITE_SECONDS: Final = 30.0
"""For an answer to be taken."""

CONNECTIONS: Final = 64
"""At once. For one more, the one whose request has been arriving for the longest is let go."""

GIVING_WAY_SECONDS: Final = 2.0
"""For a connection that is let go to end; it lingers for one."""

STRANGERS: Final = 4
"""Of other users of the machine at once, so that they keep no reader out."""

FORM: Final = "application/x-www-form-urlencoded"

_STYLES: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Request:
    """What the reader asks.

    ``path`` has the decoded parts between slashes, none for the root. ``nonce`` is what forms of the answer send back, so that
    they are known for ours.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the reader gets: a page, or another address.

    ``forms``: the page has forms of ours, which may be sent. ``ours``: the page was made here, of escaped values. ``model``: the
    one it is about.
    """

    status: int
    page: str = ""
    location: str | None = None
    forms: bool = False
    ours: bool = True
    model: str = ""


class Refusal(Exception):  # noqa: N818 - not an error of the program but an answer to its caller
    """A request that is answered without looking anything up."""

    def __init__(self, status: int, title: str, sentence: str, *, allow: str = "") -> None:
        super().__init__(sentence)
        self.status, self.title, self.sentence, self.allow = status, title, sentence, allow


class _TooMuchError(Exception):
    """A request has more bytes than any request of ours."""


AGAIN: Final = "Run retraining review again, in a terminal, and open the address that it prints."
STRANGER: Final = (403, "This page is somebody's own")
UNREADABLE: Final = (400, "This request cannot be read")


class _Arriving(io.RawIOBase):
    """What arrives on a connection until a deadline, and no more than a request may have."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline, self._left = connection, deadline, REQUEST_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise _TooMuchError
        return count


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    # What http.server finds in the first line, and a refusal of it needs before.
    command, request_version, requestline = "", "HTTP/1.1", ""

    def __init__(self, *given: Any, stranger: bool) -> None:
        self._stranger = stranger
        super().__init__(*given)

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Arriving(self.connection, time.monotonic() + READ_SECONDS))

    def handle(self) -> None:
        try:
            self.handle_one_request()
        except _TooMuchError:
            self.send_error(413)
        except (ConnectionError, TimeoutError):
            return  # whoever asked is gone, or was too slow
        self._let_go()

    def _let_go(self) -> None:
        """Read what else comes, for a moment: a connection closed on unread bytes would take the answer with it."""
        with suppress(OSError, _TooMuchError):
            self.connection.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                self.connection.settimeout(0.5)
                if not self.connection.recv(REQUEST_LIMIT):
                    return

    def do_GET(self) -> None:
        """Answer."""
        try:
            answer, cookie = self._answered()
            self._write(answer, cookie=cookie)
        except Refusal as refusal:
            self._refuse(refusal)

    do_HEAD = do_POST = do_GET  # noqa: N815 - the names that http.server calls

    def _answered(self) -> tuple[Answer, str]:
        """The answer, and the cookie that comes with it."""
        body = self._body() if self.command == "POST" else b""
        self.server.arrived(self.connection)
        door = self.server.door
        self._only_from_here()
        path, query = self._target()
        token = query.pop("token", None)
        if token is not None:
            return self._opened(token, path, query)
        if not door.lets_in("; ".join(self.headers.get_all("Cookie", []))):
            raise Refusal(*STRANGER, f"It opens for whoever has its address, once. {AGAIN}")
        form = self._form(body) if self.command == "POST" else {}
        door.use()
        with self.server.at_work():
            answer = self.server.desk(Request(self.command, path, query, form, door.form_token))
        door.use()
        return answer, ""

    def _only_from_here(self) -> None:
        """Refuse other users of the machine, and requests that a page of somebody else had a browser make."""
        door = self.server.door
        if self._stranger:
            raise Refusal(*STRANGER, "It answers the user who started it, and no other of this machine.")
        # A name that a stranger's page resolves to this machine (DNS rebinding) is not the page's own.
        if self.headers.get_all("Host", []) != [door.host]:
            raise Refusal(403, "This page has another address", "Open the address that the terminal shows.")
        if self.command == "POST" and (
            self.headers.get_all("Origin", []) != [door.origin]
            or self.headers.get_all("Sec-Fetch-Site", ["same-origin"]) != ["same-origin"]
        ):
            raise Refusal(403, "Nothing was decided", "This form was not sent by this page.")

    def _opened(self, token: str, path: tuple[str, ...], query: Mapping[str, str]) -> tuple[Answer, str]:
        door = self.server.door
        if self.command != "GET":
            raise Refusal(*STRANGER, "Its address is opened, nothing else.")
        cookie = door.open(token)
        if cookie is None:
            raise Refusal(
                *STRANGER,
                f"Its address is not whole, or was used before: it opens once. {AGAIN} If you did not open it before, press "
                "Ctrl-C in the terminal first: somebody else has.",
            )
        door.use()
        bare = path_to(*path) + (f"?{urlencode(query)}" if query else "")
        if self.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}:
            return Answer(303, location=bare), cookie
        # A browser that came from another site, such as a terminal in a page, would leave a strict cookie out of a redirect.
        return Answer(200, message_page("The page is open", "This address has done its part.", ahead=bare)), cookie

    def _target(self) -> tuple[tuple[str, ...], dict[str, str]]:
        if len(self.path) > TARGET_LIMIT:
            raise Refusal(414, *UNREADABLE[1:], f"No address of this page has more than {TARGET_LIMIT:,} characters.")
        path, _, query = self.path.partition("?")
        if not path.startswith("/") or "//" in path or "#" in self.path:
            raise Refusal(*UNREADABLE, "It is for no address of this page.")
        try:
            # A colon begins no name, and makes one of what a browser would take for a step up.
            parts = tuple(unquote(part, errors="strict").removeprefix(":") for part in path.split("/") if part)
        except UnicodeDecodeError:
            raise Refusal(*UNREADABLE, "Its address is no text.") from None
        return parts, _fields(query)

    def _body(self) -> bytes:
        """The form that a POST brings, read before anything is said to it."""
        if self.headers.get_all("Transfer-Encoding") or len(self.headers.get_all("Content-Length", [])) != 1:
            raise Refusal(411, *UNREADABLE[1:], "A form says how long it is.")
        length = self.headers["Content-Length"].strip()
        if not re.fullmatch(r"[0-9]{1,9}", length):
            raise Refusal(*UNREADABLE, "A form says how long it is.")
        if int(length) > BODY_LIMIT:
            raise Refusal(
                413, "This form is too large", f"At most {BODY_LIMIT:,} bytes are taken. Go back, shorten it."
            )
        return self.rfile.read(int(length))

    def _form(self, body: bytes) -> dict[str, str]:
        if self.headers.get_content_type() != FORM:
            raise Refusal(415, "This form has another format", f"The page's own forms are {FORM}.")
        if len(body) != int(self.headers["Content-Length"]):
            raise Refusal(*UNREADABLE, "The form did not come whole.")
        try:
            fields = _fields(body.decode("ascii"))
        except UnicodeDecodeError:
            raise Refusal(*UNREADABLE, "The form's encoding is broken.") from None
        if not self.server.door.wrote(fields.pop("nonce", "")):
            raise Refusal(
                403, "Nothing was decided", "This form is none of this page. Go back, reload it, answer again."
            )
        return fields

    def _refuse(self, refusal: Refusal) -> None:
        answer = Answer(refusal.status, message_page(refusal.title, refusal.sentence, tone="warn"))
        self._write(answer, allow=refusal.allow)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what http.server cannot read, on a page of our own that repeats nothing of it."""
        del message, explain
        if code == 501:  # noqa: PLR2004 - http.server's word for a method it has no function for
            self._refuse(Refusal(405, "This page knows GET, HEAD and POST only", AGAIN, allow="GET, HEAD, POST"))
        else:
            self._refuse(Refusal(code, UNREADABLE[1], AGAIN))

    def _write(self, answer: Answer, *, cookie: str = "", allow: str = "") -> None:
        body = answer.page.encode()
        self.connection.settimeout(WRITE_SECONDS)
        self.send_response_only(answer.status)
        for name, value in {
            **headers_of(answer),
            # The address of what is answered with a cookie has the token, which not even our own pages are to be told.
            **({"Referrer-Policy": "no-referrer"} if cookie else {}),
            "Content-Length": str(len(body)),
            "Location": answer.location or "",
            "Set-Cookie": cookie,
            "Allow": allow,
            "Connection": "close",
        }.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing."""
        del format, args


def headers_of(answer: Answer) -> dict[str, str]:
    """Headers of every answer: the page's own style and forms, and nothing else, may do anything in the browser.

    With ``no-referrer`` a browser would send the Origin of a form as null, and it is checked; ``same-origin`` tells others as
    little. A page that was not made here, a report out of the bucket, is in a sandbox, where it cannot lead anywhere by itself.
    """
    styles = " ".join(f"'sha256-{style_hash(style)}'" for style in _STYLES.findall(answer.page)) or "'none'"
    forms = "'self'" if answer.forms else "'none'"
    policy = f"default-src 'none'; style-src {styles}; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy if answer.ours else f"{policy}; sandbox allow-same-origin",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _fields(encoded: str) -> dict[str, str]:
    """Fields of a query or a form, each once, valid UTF-8."""
    if not encoded:
        return {}
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise Refusal(*UNREADABLE, "Its fields cannot be read.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal(*UNREADABLE, "It has a field twice; nobody can tell which one counts.")
    return fields


def _is_strangers(peer: tuple[str, int], here: tuple[str, int]) -> bool:
    """Whether a connection is known to be another user's."""
    users, owner = users_here(os.environ), owner_of(peer, here)
    return bool(users) and owner is not None and owner not in users


class PageServer(HTTPServer):
    """The page's server; it listens once it is made, and answers inside `serving`.

    Args:
        port: to listen on, 0 for any that is free.
        desk: what answers the requests of the reader. It is called on many threads.

    Raises:
        OSError: the port is taken.
    """

    request_queue_size = CONNECTIONS
    allow_reuse_address = os.name == "posix"  # elsewhere two programs could listen on one port

    def __init__(self, port: int, desk: Callable[[Request], Answer]) -> None:
        super().__init__(("127.0.0.1", port), BaseHTTPRequestHandler)  # `_work` makes a handler of ours instead
        self.desk = desk
        self.door = Door(self.server_port)
        self._free, self._strangers = threading.BoundedSemaphore(CONNECTIONS), threading.BoundedSemaphore(STRANGERS)
        self._busy = threading.Condition()
        self._working = 0
        self._arriving: dict[socket.socket, None] = {}
        self._arriving_lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind, and ask no name service who we are, as http.server does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread, unless there are too many."""
        stranger = _is_strangers(client_address, request.getsockname())
        room = self._strangers if stranger else self._free
        has_room = room.acquire(blocking=False)
        if not has_room and not stranger and self._let_one_go():
            has_room = room.acquire(timeout=GIVING_WAY_SECONDS)
        if not has_room:
            self.shutdown_request(request)
            return
        if not stranger:
            with self._arriving_lock:
                self._arriving[request] = None
        thread = threading.Thread(target=self._work, args=(request, client_address, room), daemon=True)
        thread.start()

    def _work(self, request: socket.socket, client_address: Any, room: threading.BoundedSemaphore) -> None:
        try:
            _Handler(request, client_address, self, stranger=room is self._strangers)
        except Exception:  # noqa: BLE001 - whatever is wrong with one request, the others are answered
            self.handle_error(request, client_address)
        finally:
            self.arrived(request)
            self.shutdown_request(request)
            room.release()

    def arrived(self, connection: socket.socket) -> None:
        """Note that a connection is not let go for another one."""
        with self._arriving_lock:
            self._arriving.pop(connection, None)

    def _let_one_go(self) -> bool:
        """End the connection whose request has been arriving for the longest; False where none is arriving."""
        with self._arriving_lock:
            oldest = next(iter(self._arriving), None)
            if oldest is None:
                return False
            del self._arriving[oldest]
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
            return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a traceback may quote what was asked."""
        del request, client_address

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Note that an answer is being made."""
        with self._busy:
            self._working += 1
        try:
            yield
        finally:
            with self._busy:
                self._working -= 1
                self._busy.notify_all()

    @contextmanager
    def serving(self) -> Iterator[Door]:
        """Answer on a thread of its own until the block is left; what was asked before is answered first, within seconds."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield self.door
        finally:
            self.shutdown()
            with self._busy:
                self._busy.wait_for(lambda: not self._working, WRITE_SECONDS)
            self.server_close()
            thread.join()
