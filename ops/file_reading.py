"""Reading a file that somebody names, whatever it turns out to be."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from orchestration.domain.json_values import DOCUMENT_BYTES_LIMIT

if TYPE_CHECKING:
    from pathlib import Path

TOO_LARGE: Final = f"it has more than {DOCUMENT_BYTES_LIMIT} bytes"


def bytes_of(path: Path) -> bytes:
    """All of a file, or what comes through a pipe, as that of ``<(...)`` in a shell; nothing of one that nobody writes to.

    Raises:
        OSError: it is not there, may not be read, or has more bytes than any document that is read.
    """
    # Opening a pipe would else wait until somebody writes to it.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - opened with flags
        os.set_blocking(file.fileno(), True)
        body = file.read(DOCUMENT_BYTES_LIMIT + 1)
    if len(body) > DOCUMENT_BYTES_LIMIT:
        raise OSError(errno.EFBIG, TOO_LARGE, str(path))
    return body
