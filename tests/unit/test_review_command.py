"""``retraining review`` as it is called: where it says the page is, what it opens, and how it ends."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from ops.desktop import has_desktop
from ops.review.door import Door
from ops.review.server import PageServer
from tests.unit import stories
from tests.unit.commands import WorldStack, retraining, signed_in
from tests.unit.fakes import World

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S*\?token=[\w-]{43}")


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> WorldStack:
    """A stack in which people are asked, and no desktop."""
    world.clock.time = datetime.now(UTC)
    stories.asked(world)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    return signed_in(world, monkeypatch)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What browsers were opened with."""
    found: list[str] = []
    monkeypatch.setattr("webbrowser.open", found.append)
    return found


def looks(monkeypatch: pytest.MonkeyPatch, *then: Any) -> None:
    """Have these happen one after the other while the command waits, the last of them its end."""
    left = list(then)

    def sleep(_: float) -> None:
        left.pop(0)()

    monkeypatch.setattr("ops.review.command.time.sleep", sleep)


def ctrl_c() -> None:
    raise KeyboardInterrupt


def ask(address: str, method: str = "GET", cookie: str = "", **fields: str) -> tuple[Any, str]:
    there = urlsplit(address)
    assert there.hostname is not None
    with closing(http.client.HTTPConnection(there.hostname, there.port, timeout=20)) as connection:
        headers = {"Cookie": cookie} if cookie else {}
        if method == "POST":
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{there.netloc}"}
        connection.request(method, f"{there.path}?{there.query}".rstrip("?"), urlencode(fields) or None, headers)
        answer = connection.getresponse()
        return answer, answer.read().decode()


DECIDED = "APPROVED promotion of run run-1: Approved by arn:aws:iam::111122223333:user/ana. Comment: yes"


def approved(capsys: pytest.CaptureFixture[str]) -> None:
    """Approve on the page whose address was printed."""
    found = ADDRESS.search(capsys.readouterr().out)
    assert found is not None
    address = found[0]
    assert urlsplit(address).path == "/run/run-1"
    entered, _ = ask(address)
    cookie = entered.headers["Set-Cookie"].partition(";")[0]
    page = address.partition("?")[0]
    _, shown = ask(page, cookie=cookie)
    nonce = re.search(r'name="nonce" value="([^"]+)"', shown)
    assert nonce is not None
    ask(page, "POST", cookie, nonce=nonce[1], subject="promotion", decision="APPROVED", comment="yes")


def test_it_opens_on_the_run_counts_the_answer_and_says_at_its_end_what_was_decided(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del stack
    before = {*threading.enumerate()}
    looks(monkeypatch, lambda: approved(capsys), ctrl_c)

    assert retraining("review", "run-1") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Ended with Ctrl-C." in said
    assert DECIDED in said
    for thread in {*threading.enumerate()} - before:
        thread.join(5)
        assert not thread.is_alive(), thread


def test_whoever_presses_ctrl_c_again_while_it_ends_is_told_what_was_decided_all_the_same(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del stack
    close = PageServer.server_close

    def again(server: PageServer) -> None:
        close(server)
        raise KeyboardInterrupt

    monkeypatch.setattr(PageServer, "server_close", again)
    looks(monkeypatch, lambda: approved(capsys), ctrl_c)

    assert retraining("review", "run-1") == 130
    assert DECIDED in " ".join(capsys.readouterr().out.split())


def test_without_a_desktop_it_says_how_ssh_brings_it_elsewhere(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], opened: list[str]
) -> None:
    del stack
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.9 50000 198.51.100.7 22")
    monkeypatch.setenv("DISPLAY", "localhost:10.0")
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    looks(monkeypatch, ctrl_c)

    assert retraining("review") == 0

    said = capsys.readouterr().out
    port = urlsplit(ADDRESS.findall(said)[0]).port
    assert f"ssh ana@198.51.100.7 -N -L {port}:127.0.0.1:{port}" in said
    assert "Nothing was decided on it." in said
    assert opened == []


@pytest.mark.parametrize(("given", "opens"), [((), 1), (("--no-open",), 0)])
def test_on_a_desktop_it_opens_the_browser_unless_told_not_to(
    given: tuple[str, ...],
    opens: int,
    stack: WorldStack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    opened: list[str],
) -> None:
    del stack
    monkeypatch.setenv("DISPLAY", ":0")
    looks(monkeypatch, ctrl_c)

    assert retraining("review", *given) == 0

    assert opened == ADDRESS.findall(capsys.readouterr().out)[:opens]


def test_it_ends_by_itself_when_nobody_uses_it(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del stack
    monkeypatch.setattr(Door, "idle_seconds", 61.0)
    looks(monkeypatch)

    assert retraining("review", "--minutes", "1") == 0
    assert "Ended: not used for 1 minute." in capsys.readouterr().out


def test_a_program_reads_one_document_with_the_address_and_people_the_end(
    stack: WorldStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del stack
    looks(monkeypatch, ctrl_c)

    assert retraining("review", "run-1", "--json") == 0

    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert ADDRESS.fullmatch(document["address"])
    assert (document["run_id"], document["minutes"]) == ("run-1", 30)
    assert "Ended with Ctrl-C." in printed.err


def test_a_port_that_is_taken_is_said(stack: WorldStack, capsys: pytest.CaptureFixture[str]) -> None:
    del stack
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert retraining("review", "--port", str(port)) == 1
    assert f"Port {port} of 127.0.0.1 cannot be had" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ""}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "a 1 b 2"}, "darwin", False),
        ({"SSH_CONNECTION": "a 1 b 2", "DISPLAY": ":10"}, "linux", False),
        ({"BROWSER": "firefox", "SSH_CONNECTION": "a 1 b 2"}, "linux", True),
    ],
)
def test_where_there_is_a_desktop(environ: dict[str, str], platform: str, expected: bool) -> None:
    assert has_desktop(environ, platform) is expected
