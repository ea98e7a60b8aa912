"""The page on a reader's machine keeps everybody out but whoever opened its address, and no request holds up another."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import re
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ops.review import server
from ops.review.door import Door
from ops.review.pages import message_page, path_to
from ops.review.peers import NOBODYS, owner_of, users_here
from ops.review.server import FORM, Answer, PageServer, Request

NOBODY = 65534


@dataclass
class Told:
    """What came back; the names of its headers in lower case."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Page:
    """A page that is served, what its desk was asked, and a browser that has opened it."""

    door: Door
    port: int
    asked: list[Request] = field(default_factory=list)
    cookie: str = ""
    server: PageServer | None = None

    def ask(self, method: str = "GET", path: str = "/", body: str | None = None, **headers: str) -> Told:
        """Send a request as a browser would; headers are named with underscores, and an empty one is left out."""
        sent = {"Host": self.door.host, "Cookie": self.cookie}
        if body is not None:
            sent |= {"Content-Type": FORM, "Content-Length": str(len(body)), "Origin": self.door.origin}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
        return self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body or ''}".encode())

    def raw(self, sent: bytes) -> Told:
        """Send bytes; gives the answer."""
        with self.connection() as connection:
            connection.sendall(sent)
            answer = http.client.HTTPResponse(connection, method="HEAD" if sent.startswith(b"HEAD") else "GET")
            answer.begin()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Told(answer.status, headers, answer.read().decode())

    def connection(self) -> Any:
        return closing(socket.create_connection(("127.0.0.1", self.port), timeout=20))

    def form(self, **fields: str) -> str:
        return urlencode({"nonce": self.door.form_token, "decision": "APPROVED", **fields})

    def opened(self) -> Told:
        """Open the address."""
        told = self.ask(path=f"/?token={self.door.token}", Cookie="")
        self.cookie = told.headers.get("set-cookie", "").partition(";")[0]
        return told


@contextmanager
def served() -> Iterator[Page]:
    asked: list[Request] = []

    def desk(request: Request) -> Answer:
        asked.append(request)
        return Answer(200, message_page("Seen", "It was seen."), forms=True)

    made = _Server(0, desk)
    with made.serving() as door:
        yield Page(door, made.server_port, asked, server=made)
    assert made.failed == []


class _Server(PageServer):
    """Keeps what goes wrong in it, of which it says nothing."""

    failed: list[BaseException | None]

    def __init__(self, *given: Any) -> None:
        self.failed = []
        super().__init__(*given)

    def handle_error(self, request: Any, client_address: Any) -> None:
        super().handle_error(request, client_address)
        self.failed.append(sys.exc_info()[1])


@pytest.fixture(scope="module")
def one() -> Iterator[Page]:
    """A page for all tests, since each takes a while to end."""
    with served() as page:
        yield page


@pytest.fixture
def closed(one: Page) -> Page:
    """A page that nobody has opened."""
    assert one.server is not None
    one.server.door = one.door = Door(one.port)
    one.asked.clear()
    one.cookie = ""
    return one


@pytest.fixture
def page(closed: Page) -> Page:
    """A page that a browser has opened."""
    closed.opened()
    return closed


# Coming in.


def test_the_address_lets_in_whoever_opens_it_first_and_leads_to_itself_without_the_token(closed: Page) -> None:
    told = closed.ask(path=f"/run/run-1?token={closed.door.token}", Cookie="")

    assert (told.status, told.headers["location"]) == (303, "/run/run-1")
    assert told.headers["referrer-policy"] == "no-referrer"
    kept, *attributes = told.headers["set-cookie"].split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert re.fullmatch(rf"retraining-review-{closed.port}=[\w-]{{43}}", kept)
    closed.cookie = kept
    assert closed.ask(path="/run/run-1").status == 200
    assert closed.asked == [Request("GET", ("run", "run-1"), {}, {}, closed.door.form_token)]


@pytest.mark.threat("another-user-of-the-machine")
def test_the_address_used_again_lets_nobody_in_and_says_to_run_the_command_again(page: Page) -> None:
    for cookie in (False, True):
        told = page.ask(path=f"/?token={page.door.token}", Cookie=page.cookie if cookie else "")

        assert told.status == 403
        assert "set-cookie" not in told.headers
        assert "Run retraining review again" in told.body
    assert page.ask().status == 200


@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=wrong", "?token=%00%ff", "?token=\u00e9".encode().decode("latin-1")]
)
def test_without_the_token_nobody_comes_in(query: str, closed: Page) -> None:
    told = closed.raw(f"GET /{query} HTTP/1.1\r\nHost: {closed.door.host}\r\n\r\n".encode("latin-1"))

    assert told.status in {400, 403}
    assert "set-cookie" not in told.headers
    assert closed.asked == []
    assert closed.opened().status == 303


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_a_look_ahead_does_not_use_the_address_up(method: str, closed: Page) -> None:
    closed.raw(
        f"{method} /?token={closed.door.token} HTTP/1.1\r\nHost: {closed.door.host}\r\nOrigin: {closed.door.origin}\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )

    assert closed.opened().status == 303


def test_a_browser_that_comes_from_another_site_is_led_on_by_a_page(closed: Page) -> None:
    """A redirect would be followed without a strict cookie."""
    told = closed.ask(path=f"/run/r?token={closed.door.token}&model=fraud", Cookie="", Sec_Fetch_Site="cross-site")

    assert told.status == 200
    assert '<meta http-equiv="refresh" content="0;url=/run/r?model=fraud">' in told.body
    assert told.headers["set-cookie"]
    assert closed.door.token not in told.body


@pytest.mark.parametrize(
    "cookie", ["", "retraining-review={}", "other={}", "retraining-review-{port}=", "{}", "\u00ff={}"]
)
def test_nothing_but_the_cookie_itself_lets_in(cookie: str, page: Page) -> None:
    value = page.cookie.partition("=")[2]
    told = page.ask(Cookie=cookie.replace("{port}", str(page.port)).replace("{}", value[:-1] + "x"))

    assert told.status == 403
    assert page.asked == []


def test_a_cookie_that_a_page_of_another_port_sets_keeps_nobody_out(page: Page) -> None:
    name = page.cookie.partition("=")[0]
    assert page.ask(Cookie=f"{name}=evil; {page.cookie}; {name}=").status == 200


# Whose process it is.


@pytest.mark.threat("another-user-of-the-machine")
def test_a_process_of_another_user_is_refused_even_with_token_and_cookie(
    closed: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "users_here", lambda _: frozenset({NOBODY}))
    told = closed.opened()
    monkeypatch.undo()

    assert told.status == 403
    assert "the user who started it" in told.body
    assert closed.opened().status == 303, "the address was not used up"


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root can open a connection as another user"
)
def test_another_user_of_this_machine_is_refused_with_all_that_a_browser_has(page: Page) -> None:
    libc = ctypes.CDLL(None)
    libc.setfsuid(NOBODY)  # of this thread alone; what it opens is nobody's
    try:
        connection = socket.create_connection(("127.0.0.1", page.port), timeout=20)
    finally:
        libc.setfsuid(0)
    with closing(connection):
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {page.door.host}\r\nCookie: {page.cookie}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, "the user who started it" in answer.read().decode()) == (403, True)
    assert page.asked == []
    assert page.ask().status == 200


@pytest.mark.threat("another-user-of-the-machine")
@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root can open a connection as another user"
)
@pytest.mark.parametrize("lingers", [True, False])
def test_another_user_who_hangs_up_at_once_does_not_use_the_address_up(lingers: bool, closed: Page) -> None:
    """A list of processes shows the token, and a connection that is over has no owner any more."""
    libc = ctypes.CDLL(None)
    closed.ask(Cookie="")  # what Python imports for a first connection nobody may not read
    for _ in range(20):
        libc.setfsuid(NOBODY)
        try:
            connection = socket.create_connection(("127.0.0.1", closed.port), timeout=20)
        finally:
            libc.setfsuid(0)
        if not lingers:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(f"GET /?token={closed.door.token} HTTP/1.1\r\nHost: {closed.door.host}\r\n\r\n".encode())
        connection.close()
    assert closed.opened().status == 303


def test_another_user_keeps_nobody_out_however_many_connections_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    with served() as page:
        page.opened()
        with monkeypatch.context() as patch:
            patch.setattr(server, "users_here", lambda _: frozenset({NOBODY}))
            held = [socket.create_connection(("127.0.0.1", page.port), timeout=20) for _ in range(12)]
            for connection in held[server.STRANGERS :]:
                assert connection.recv(1) == b""
        assert page.ask().status == 200
        for connection in held:
            connection.close()


def test_the_system_says_whose_a_connection_is(tmp_path: Path) -> None:
    row = "   0: {} {} 01 00000000:00000000 00:00000000 00000000 {:>5}        0 {} 1 0 20 4 30 10 -1\n"
    (tmp_path / "tcp").write_text(
        "  sl  local_address rem_address ...\n"
        + row.format("0100007F:1F90", "0100007F:D431", 7, 11)
        + row.format("0100007F:D431", "0100007F:1F90", 1000, 12)
        + row.format("0100007F:D432", "0100007F:1F90", 0, 0)
    )
    (tmp_path / "tcp6").write_text(
        "  sl  local_address rem_address ...\n"
        + row.format("0000000000000000FFFF00000100007F:D433", "0000000000000000FFFF00000100007F:1F90", 33, 13)
    )
    here = ("127.0.0.1", 0x1F90)

    assert owner_of(("127.0.0.1", 0xD431), here, tmp_path) == 1000
    assert owner_of(("127.0.0.1", 0xD433), here, tmp_path) == 33
    # Gone, unknown, and another system: nobody knows, least of all where the system lists who is there.
    assert owner_of(("127.0.0.1", 0xD432), here, tmp_path) is None
    assert owner_of(("127.0.0.1", 0xD434), here, tmp_path) is None
    assert owner_of(("127.0.0.1", 0xD431), here, tmp_path / "none") is None
    with (tmp_path / "tcp").open("a") as table:
        table.write(row.format("0100007F:1F90", "00000000:0000", 7, 10).replace(" 01 ", " 0A "))
    assert owner_of(("127.0.0.1", 0xD431), here, tmp_path) == 1000
    assert owner_of(("127.0.0.1", 0xD432), here, tmp_path) == NOBODYS
    assert owner_of(("127.0.0.1", 0xD434), here, tmp_path) == NOBODYS


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="not Linux")
def test_the_owner_of_a_real_connection_is_found(page: Page) -> None:
    with page.connection() as connection:
        assert owner_of(connection.getsockname(), ("127.0.0.1", page.port)) == os.getuid()


def test_who_runs_it_root_and_who_called_sudo_may_connect() -> None:
    assert users_here({"SUDO_UID": "1234"}) == {os.getuid(), 0, 1234}
    assert users_here({"SUDO_UID": "root"}) == {os.getuid(), 0}


# What pages of others have a browser do.


@pytest.mark.threat("page-of-another-site")
@pytest.mark.parametrize("host", ["evil.example", "localhost:{port}", "127.0.0.1", "127.0.0.1:{port}.evil.example", ""])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_name_that_is_not_the_pages_own_is_refused(method: str, host: str, page: Page) -> None:
    told = page.ask(method, body=page.form() if method == "POST" else None, Host=host.replace("{port}", str(page.port)))

    assert told.status == 403
    assert page.asked == []


def test_two_host_headers_are_refused(page: Page) -> None:
    told = page.raw(
        f"GET / HTTP/1.1\r\nHost: {page.door.host}\r\nHost: {page.door.host}\r\nCookie: {page.cookie}\r\n\r\n".encode()
    )
    assert told.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ""},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_a_form_that_another_page_sends_is_refused(headers: dict[str, str], page: Page) -> None:
    sent = {name: value.replace("{port}", str(page.port)) for name, value in headers.items()}
    told = page.ask("POST", "/run/run-1", page.form(), **sent)

    assert told.status == 403
    assert "Nothing was decided" in told.body
    assert page.asked == []


@pytest.mark.threat("page-of-another-site")
@pytest.mark.parametrize("nonce", [None, "", "wrong", "\u00e9"])
def test_a_form_without_the_pages_own_token_is_refused(nonce: str | None, page: Page) -> None:
    fields = {"decision": "APPROVED"} if nonce is None else {"decision": "APPROVED", "nonce": nonce}
    told = page.ask("POST", "/run/run-1", urlencode(fields))

    assert told.status == 403
    assert page.asked == []


def test_the_pages_own_form_is_taken(page: Page) -> None:
    told = page.ask("POST", "/run/run-1", page.form(comment="good & <b>"), Sec_Fetch_Site="same-origin")

    assert told.status == 200
    assert page.asked[0].form == {"decision": "APPROVED", "comment": "good & <b>"}


def test_nothing_but_its_own_style_and_forms_may_do_anything_in_the_browser(page: Page) -> None:
    told = page.ask()

    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]{44}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        told.headers["content-security-policy"],
    )
    assert told.headers["cache-control"] == "no-store"
    assert told.headers["x-content-type-options"] == "nosniff"
    assert told.headers["cross-origin-resource-policy"] == "same-origin"
    # A browser would send the Origin of a form as null with no-referrer; others are told as little.
    assert told.headers["referrer-policy"] == "same-origin"
    assert "server" not in told.headers


def test_a_page_that_was_not_made_here_is_in_a_sandbox() -> None:
    policy = server.headers_of(Answer(200, "<style>a{}</style>", ours=False))["Content-Security-Policy"]
    assert policy.endswith("; sandbox allow-same-origin")
    assert "form-action 'none'" in policy


# What is no request.


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "get", "__class__"])
def test_other_methods_are_refused(method: str, page: Page) -> None:
    told = page.ask(method)

    assert (told.status, told.headers["allow"]) == (405, "GET, HEAD, POST")
    assert page.asked == []


def test_head_gives_the_headers_of_get_and_no_body(page: Page) -> None:
    got, looked = page.ask(), page.ask("HEAD")

    assert looked.headers == got.headers
    assert looked.body == ""


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("http://evil.example/", 400),
        ("/run//x", 400),
        ("*", 400),
        ("/%ff", 400),
        ("/?a=1&a=2", 400),
        ("/?a", 400),
        ("/?a=%ff", 400),
        (f"/?a={'x' * 3000}", 414),
        (f"/{'x' * 70_000}", 413),
    ],
)
def test_an_address_of_no_page_is_refused(path: str, status: int, page: Page) -> None:
    assert page.ask(path=path).status == status
    assert page.asked == []


@pytest.mark.parametrize(
    ("path", "location"), [("//evil.example/", "/evil.example"), ("/\\evil.example", "/%5Cevil.example")]
)
def test_an_address_leads_to_no_other_site(path: str, location: str, closed: Page) -> None:
    told = closed.ask(path=f"{path}?token={closed.door.token}", Cookie="")
    assert told.headers["location"] == location


@pytest.mark.parametrize("name", [".", "..", "...", ".a"])
def test_a_name_that_a_browser_would_take_for_a_step_up_has_an_address(name: str, page: Page) -> None:
    path = path_to("run", name)
    assert path.rpartition("/")[2] not in {".", ".."}
    page.ask(path=path)
    assert page.asked[0].path == ("run", name)


def test_what_an_address_holds_is_decoded_once_and_stays_one_part(page: Page) -> None:
    page.ask(path="/run/a%2Fb%2525?x=%3Cb%3E")
    assert page.asked[0].path == ("run", "a/b%25")
    assert page.asked[0].query == {"x": "<b>"}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content_Length": "16385"}, "x" * 16_385, 413),
        ({"Content_Length": "99999999999"}, "", 400),
        ({"Content_Length": "-1"}, "", 400),
        ({"Content_Length": "1e3"}, "", 400),
        ({"Content_Length": ""}, "", 411),
        ({"Transfer_Encoding": "chunked"}, "0\r\n\r\n", 411),
        ({"Content_Type": "text/plain"}, "a=1", 415),
        ({"Content_Type": "application/json"}, "{}", 415),
        ({}, "a=1&a=2", 400),
        ({}, "\u00e9=1", 400),
        ({}, "&".join(f"{number}=1" for number in range(30)), 400),
    ],
)
def test_a_body_that_is_no_form_is_refused(headers: dict[str, str], body: str, status: int, page: Page) -> None:
    assert page.ask("POST", "/run/run-1", body, **headers).status == status
    assert page.asked == []


def test_a_request_may_have_so_many_bytes_and_no_more(page: Page) -> None:
    told = page.ask(**{f"X_{number}": "x" * 8000 for number in range(12)})
    assert told.status in {413, 431}
    assert page.asked == []


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nnone\r\n\r\n"],
)
def test_what_is_no_http_is_refused(sent: bytes, page: Page) -> None:
    with page.connection() as connection:
        connection.sendall(sent)
        connection.settimeout(5)
        said = connection.recv(65_536)
    assert b" 200 " not in said.partition(b"\r\n")[0]
    assert page.asked == []


def test_a_second_request_on_a_connection_is_never_read(page: Page) -> None:
    one = f"GET / HTTP/1.1\r\nHost: {page.door.host}\r\nCookie: {page.cookie}\r\n\r\n".encode()
    page.raw(one + one)
    assert len(page.asked) == 1


# Time.


def test_stalled_and_half_sent_requests_hold_up_nobody_and_are_let_go(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "READ_SECONDS", 2.0)
    held = [socket.create_connection(("127.0.0.1", page.port), timeout=20) for _ in range(12)]
    try:
        for number, connection in enumerate(held):
            connection.sendall(
                [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: ", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"][
                    number % 4
                ]
            )

        assert page.ask().status == 200
        assert select.select(held, [], [], 0)[0] == []  # none had to end first
        for connection in held:
            while connection.recv(65_536):
                pass
    finally:
        for connection in held:
            connection.close()


def test_a_request_that_comes_byte_by_byte_is_let_go_in_time(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "READ_SECONDS", 0.5)
    with page.connection() as connection, suppress(OSError):  # reset or broken pipe, as the system has it
        for _ in range(200):
            connection.sendall(b"x")
            time.sleep(0.05)
        pytest.fail("it was read for ten seconds")
    assert page.asked == []


def test_too_many_at_once_are_sent_away_and_those_after_them_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    monkeypatch.setattr(server, "READ_SECONDS", 0.8)
    with served() as page:
        page.opened()
        held = [socket.create_connection(("127.0.0.1", page.port), timeout=20) for _ in range(8)]
        for connection in held:
            while connection.recv(65_536):
                pass
            connection.close()
        assert page.ask().status == 200


def test_as_many_stalled_ones_as_there_may_be_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    with served() as page:
        page.opened()
        held = [socket.create_connection(("127.0.0.1", page.port), timeout=20) for _ in range(3)]
        for connection in held:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        since = time.monotonic()
        assert page.ask().status == 200
        assert page.ask().status == 200
        assert time.monotonic() - since < server.READ_SECONDS / 2
        for connection in held:
            connection.close()


def test_strangers_do_not_keep_the_page_up() -> None:
    clock = [0.0]
    door = Door(1, lambda: clock[0])
    clock[0] = 100.0

    assert door.open("wrong") is None
    assert not door.lets_in("retraining-review-1=wrong")
    assert door.idle_seconds == 100.0
    door.use()
    assert door.idle_seconds == 0.0


def test_what_is_answered_when_the_page_ends_is_answered_first() -> None:
    def desk(_: Request) -> Answer:
        time.sleep(0.5)
        return Answer(200, "done")

    made = PageServer(0, desk)
    with closing(socket.socket()) as connection:
        with made.serving() as door:
            page = Page(door, made.server_port)
            page.opened()
            connection.connect(("127.0.0.1", made.server_port))
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {door.host}\r\nCookie: {page.cookie}\r\n\r\n".encode())
            time.sleep(0.1)
        connection.settimeout(5)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.read() == b"done"


# Secrets.


def test_no_secret_is_printed_or_shown(page: Page, capfd: pytest.CaptureFixture[str]) -> None:
    secrets = [page.door.token, page.cookie.partition("=")[2]]
    answers = [
        page.ask(),
        page.ask(path=f"/?token={page.door.token}"),
        page.ask(path="/nix"),
        page.ask("PUT", f"/?token={page.door.token}"),
        page.ask(path=f"/run/x?token={page.door.token}&token={page.door.token}"),
    ]

    said = "".join(capfd.readouterr())
    assert said == ""
    for secret in secrets:
        assert secret not in json.dumps([[told.headers, told.body] for told in answers])


def test_each_page_has_secrets_of_its_own() -> None:
    one, other = Door(1), Door(1)
    assert len({one.token, one.form_token, other.token, other.form_token}) == 4
    assert not other.lets_in(str(one.open(one.token)).partition(";")[0])
