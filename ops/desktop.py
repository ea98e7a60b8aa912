"""A browser where a command runs, if there can be one."""

from __future__ import annotations

import sys
import threading
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def has_desktop(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether somebody sees a browser that is opened here; one of the terminal would take the terminal, unless it is named.

    Args:
        environ: the environment.
        platform: as ``sys.platform`` has it.
    """
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION"):
        return False
    return platform in {"darwin", "win32"} or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def opened(address: str) -> None:
    """Have a browser open an address, on a thread of its own: one that was not there yet may keep whoever starts it."""

    def show() -> None:
        with suppress(webbrowser.Error, OSError):
            webbrowser.open(address)

    threading.Thread(target=show, daemon=True).start()
