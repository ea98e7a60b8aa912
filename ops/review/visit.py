"""The page without a browser: opens its address, reads a page, and sends the form that stands on it."""

from __future__ import annotations

import http.client
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from email.message import Message

SECONDS: Final = 60.0
"""For an answer, behind which AWS is asked."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a visitor gets: status, HTML, and the hidden fields of its forms by the address each goes to."""

    status: int
    html: str
    forms: dict[str, dict[str, str]]


@dataclass
class _Forms(HTMLParser):
    found: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found[given["action"]] = {}
        elif tag == "input" and given.get("type") == "hidden":
            self.found[next(reversed(self.found))][given["name"]] = given["value"]


class Visitor:
    """Whoever opens the page's address.

    Args:
        address: as ``retraining review`` prints it; it opens once.
    """

    def __init__(self, address: str) -> None:
        self._there = urlsplit(address)
        self._cookie = ""
        self.entered, headers, _ = self._ask("GET", f"{self._there.path}?{self._there.query}")
        self._cookie = str(headers.get("Set-Cookie", "")).partition(";")[0]
        """Status of the opening: 303 where it leads on to the page, 403 where somebody was first."""

    @property
    def path(self) -> str:
        """Where the address leads."""
        return self._there.path

    def get(self, path: str) -> Shown:
        """A page."""
        return self._shown("GET", path)

    def send(self, shown: Shown, action: str, **fields: str) -> Shown:
        """Send a form of a page with what its reader fills in; gives the page after it."""
        return self._shown("POST", action, {**shown.forms[action], **fields})

    def _shown(self, method: str, path: str, fields: dict[str, str] | None = None) -> Shown:
        status, _, body = self._ask(method, path, fields)
        page = body.decode()
        forms = _Forms()
        forms.feed(page)
        return Shown(status, page, forms.found)

    def _ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, Message, bytes]:
        headers = {"Cookie": self._cookie} if self._cookie else {}
        if fields is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self._there.netloc}"}
        there = http.client.HTTPConnection(str(self._there.hostname), self._there.port, timeout=SECONDS)
        with closing(there) as connection:
            connection.request(method, path, None if fields is None else urlencode(fields), headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
