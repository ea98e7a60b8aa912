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

LOCAL, REMOTE, OWNER, INODE = 1, 2, 7, 9
"""Columns of these tables."""


def owner_of(peer: Address, here: Address, folder: Path = Path("/proc/net")) -> int | None:
    """User id of the process that connected; None where the system does not say, or the process has let go of it.

    Args:
        peer: its end of the connection.
        here: our end.
        folder: where Linux lists connections; other systems have none.
    """
    for name, form in TABLES:
        wanted = (_written(form, peer), _written(form, here))
        try:
            lines = (folder / name).read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for row in map(str.split, lines[1:]):
            if len(row) > INODE and (row[LOCAL], row[REMOTE]) == wanted and row[INODE] != "0":
                return int(row[OWNER])
    return None


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
