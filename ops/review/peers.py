"""Whose process is at the other end of a connection on this machine.

A port of 127.0.0.1 is open to every user of a machine. The address with its token goes through the arguments of a browser,
which others can list, and a browser gives a cookie to every port of a host. So neither is all that keeps other users out.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Address = tuple[str, int]
"""Host and port, of IPv4."""

TABLES: Final = (("tcp", "{}"), ("tcp6", "::ffff:{}"))
"""Tables of connections below /proc/net, each with how it writes an address of IPv4.

Source: Linux, Documentation/networking/proc_net_tcp.rst: addresses as words of the machine, in hexadecimal.
"""

LOCAL, REMOTE, STATE, OWNER, INODE = 1, 2, 3, 7, 9
"""Columns of these tables."""

LISTENS: Final = "0A"
"""State of a socket that takes connections."""

NOBODYS: Final = -1
"""In place of a user's id: the process that connected has let go of the connection, and nobody knows any more whose it was."""


def owner_of(peer: Address, here: Address, folder: Path = Path("/proc/net")) -> int | None:
    """User id of the process that connected, or ``NOBODYS``; None where the system does not list who is connected to us.

    Args:
        peer: its end of the connection.
        here: our end.
        folder: where Linux lists connections; other systems have none.
    """
    # A table that changes while it is read may leave somebody out.
    found = _looked_up(peer, here, folder)
    return _looked_up(peer, here, folder) if found == NOBODYS else found


def _looked_up(peer: Address, here: Address, folder: Path) -> int | None:
    listed = False
    for name, form in TABLES:
        wanted = (_written(form, peer), _written(form, here))
        try:
            lines = (folder / name).read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for row in map(str.split, lines[1:]):
            if len(row) > INODE and (row[LOCAL], row[REMOTE]) == wanted and row[INODE] != "0":
                return int(row[OWNER])
            listed = listed or (len(row) > INODE and (row[LOCAL], row[STATE]) == (wanted[1], LISTENS))
    return NOBODYS if listed else None


def _written(form: str, address: Address) -> str:
    host = form.format(address[0])
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return f"{''.join(f'{word:08X}' for word in words)}:{address[1]:04X}"


def users_here(environ: Mapping[str, str]) -> frozenset[int]:
    """Who may connect: whoever runs this, root, who may do everything anyway, and who called sudo; empty where no ids are."""
    if not hasattr(os, "getuid"):
        return frozenset()
    called = environ.get("SUDO_UID", "")
    return frozenset({os.getuid(), 0, *([int(called)] if called.isdecimal() else [])})
