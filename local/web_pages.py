"""What a web page asks of this server is refused: a browser on this machine reaches it, whatever page it shows.

A page of anybody could otherwise create and invoke a function here, which runs on this machine. Three headers that no page
can set tell its requests from a program's: ``Host``, which names what the page believes to talk to, so that a name somebody
points at 127.0.0.1 gives itself away; ``Origin``; and ``Sec-Fetch-Site``. Sources: Fetch standard, "Origin header"; W3C Fetch
Metadata, "The Sec-Fetch-Site HTTP Request Header"; Fetch, "append a request Origin header", for pages without a referrer;
RFC 6761 section 6.3, by which ``localhost`` and what ends in it is loopback.
"""

from __future__ import annotations

import functools
import ipaddress
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.faults import Application, Message, Receive, Scope, Send

OWN: Final = frozenset({"same-origin", "none"})
"""``none`` is what a person typed, a bookmark, or a link in a program that is no browser."""

CORS: Final = b"access-control-"
FORBIDDEN: Final = 403


def guarded(application: Application) -> Application:
    """Put the refusal in front of an application, and take its CORS headers away, which would invite every page."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        reason = refusal(scope["headers"])
        if reason is not None and scope["type"] == "http":
            await _refuse(send, reason)
        elif reason is not None:
            await send({"type": "websocket.close", "code": 1008})
        else:
            await application(scope, receive, _without_cors(send))

    return answer


def refusal(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Why a request is refused, or None.

    Args:
        headers: names in lower case, and values, as ASGI has them.
    """

    def given(name: bytes) -> list[str]:
        return [value.decode("latin-1") for each, value in headers if each == name]

    hosts = given(b"host")
    if len(hosts) != 1 or not _loopback(hosts[0]):
        return f"Host {', '.join(hosts) or '(none)'} is not this machine: use 127.0.0.1 or localhost."
    # A page that lets no referrer out, as the approval page, posts its own form with Origin null.
    unnamed = ["null"] if given(b"sec-fetch-site") == ["same-origin"] else []
    foreign = [origin for origin in given(b"origin") if urlsplit(origin).netloc != hosts[0] and origin not in unnamed]
    if foreign:
        return f"A page of {foreign[0]} asks; only pages of {hosts[0]} may."
    sites = [site for site in given(b"sec-fetch-site") if site not in OWN]
    if sites:
        return f"A {sites[0]} page asks; only pages of {hosts[0]} may."
    return None


@functools.lru_cache(maxsize=64)
def _loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _without_cors(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", ()) if not name.lower().startswith(CORS)]
            message = {**message, "headers": kept}
        await send(message)

    return sent


async def _refuse(send: Send, reason: str) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": FORBIDDEN, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"message": reason}).encode()})
