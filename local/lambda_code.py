"""Environments of a function with the same code share one folder of it, so that it is unpacked and compiled once.

ministack unpacks the code for each environment into a folder of its own, where no bytecode of an earlier one is found. Where
bytecode is kept in one place (``PYTHONPYCACHEPREFIX``), the folder is there too, for the next server with the same code.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any, Final

from local import lambda_worker
from local.seam import Own, lambda_runtime

KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long code stays that no environment is started with."""

_CODE: Final = '    code_dir = init["code_dir"]\n'
_SHARED: Final = """
    code_dir = os.path.realpath(init["code_dir"])
    os.environ["LAMBDA_TASK_ROOT"] = code_dir
    sys.dont_write_bytecode = False
"""
_unpacking = threading.Lock()


lambda_worker.replace(_CODE, _SHARED)


class _Code(zipfile.ZipFile):
    """A zip that a worker unpacks."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Put a link to the shared folder in the place of the one that a Python function's code goes to."""
        folder, archive = Path(path), Path(str(self.filename))
        if archive.name != "code.zip" or not archive.with_name(lambda_worker.PROGRAM).exists():
            super().extractall(path, members, pwd)
            return
        # Not the zip's own bytes, which hold the time at which it was made.
        content = repr([(entry.filename, entry.file_size, entry.CRC) for entry in self.infolist()])
        shared = _place() / f"code-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        with _unpacking:
            if not shared.exists():
                partial = shared.with_suffix(f".{os.getpid()}")
                super().extractall(partial)
                try:
                    partial.rename(shared)
                except OSError:
                    # Another server was first.
                    shutil.rmtree(partial)
        os.utime(shared)
        folder.rmdir()
        folder.symlink_to(shared)


@Own(
    "code of functions", "processes of the same code share a folder, so that it is unpacked and compiled once"
).rewrites(lambda_runtime, "zipfile")
class _Zipfile:
    """The module ``zipfile`` as ministack's workers see it."""

    ZipFile = _Code

    def __init__(self, replaced: Any) -> None:
        del replaced

    def __getattr__(self, name: str) -> Any:
        return getattr(zipfile, name)


def _place() -> Path:
    return Path(sys.pycache_prefix or tempfile.gettempdir())


def forget_unused() -> None:
    """Remove code that has not been used for long, and its bytecode."""
    for folder in _place().glob("code-*"):
        # Another server may remove it at the same moment.
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < time.time() - KEPT_SECONDS:
                shutil.rmtree(f"{sys.pycache_prefix}{folder}", ignore_errors=True)
                # Half of it, under its name, would be taken for the code.
                shutil.rmtree(folder.rename(folder.with_suffix(".unused")))
