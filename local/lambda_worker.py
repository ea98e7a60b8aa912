"""The program ministack runs each environment of a Python function in, and how parts of it are replaced."""

from __future__ import annotations

from typing import Final

from local.seam import Own, SeamError, lambda_runtime

PROGRAM: Final = "_worker.py"
"""The file it is written to, beside the code."""

HEAD: Final = "import sys, json, importlib, traceback, os, time\n"
"""Its imports; what comes after them may use them."""

_replaced: Final[list[tuple[str, str]]] = []


def replace(old: str, new: str) -> None:
    """Have something else in the place of a part, before the seam is applied."""
    _replaced.append((old, new))


@Own(
    "the program of Python functions", "what the clock, logs, errors, pauses and shared code of functions need of it"
).rewrites(lambda_runtime, "_PYTHON_WORKER_SCRIPT")
def _rewritten(script: str) -> str:
    """The program with all that is replaced.

    Raises:
        SeamError: A part is not there once, so this is another program than this package was written for.
    """
    for old, new in _replaced:
        if script.count(old) != 1:
            raise SeamError(f"ministack's Python worker does not have once, which local/ replaces: {old.strip()}")
        script = script.replace(old, new)
    return script
