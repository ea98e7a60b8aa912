"""Who comes in: whoever opens the address with its token first gets the cookie that every other page asks for."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Door:
    """The secrets of one page on this machine, none of which is kept anywhere, and when it was last used.

    Args:
        port: of the page. It is part of the cookie's name, since a browser has one jar for all ports of a host.
        clock: seconds that only go forward.
    """

    def __init__(self, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.host = f"127.0.0.1:{port}"
        self.origin = f"http://{self.host}"
        self.cookie_name = f"retraining-review-{port}"
        self.token, self._cookie, self.form_token = (secrets.token_urlsafe(32) for _ in range(3))
        self._clock, self._lock, self._opened = clock, threading.Lock(), False
        self._last = clock()

    def address(self, path: str) -> str:
        """What is opened to come to a path."""
        return f"{self.origin}{path}?token={self.token}"

    @property
    def idle_seconds(self) -> float:
        """How long nobody who came in has asked for anything."""
        with self._lock:
            return self._clock() - self._last

    def use(self) -> None:
        """Note that it is used."""
        with self._lock:
            self._last = self._clock()

    def open(self, token: str) -> str | None:
        """The cookie for the first who has the token; None for a wrong one, and for whoever comes later."""
        right = _same(token, self.token)
        with self._lock:
            if self._opened or not right:
                return None
            self._opened = True
        return f"{self.cookie_name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"

    def lets_in(self, cookies: str) -> bool:
        """Whether a Cookie header has the cookie; others of the same name, which any page of this host can set, change nothing."""
        pairs = (each.strip().partition("=") for each in cookies.split(";"))
        return sum(name == self.cookie_name and _same(value, self._cookie) for name, _, value in pairs) > 0

    def wrote(self, form_token: str) -> bool:
        """Whether a form is one of our own pages."""
        return _same(form_token, self.form_token)


def _same(given: str, kept: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), kept.encode())
