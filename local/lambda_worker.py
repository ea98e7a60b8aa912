"""The program ministack runs each environment of a Python function in, and how parts of it are replaced."""

from __future__ import annotations

from typing import Final

from ministack.core import lambda_runtime

PROGRAM: Final = "_worker.py"
"""The file it is written to, beside the code."""

HEAD: Final = "import sys, json, importlib, traceback, os, time\n"
"""Its imports; what comes after them may use them."""


def replace(old: str, new: str) -> None:
    """Put something else in the place of a part; cheap, before any worker exists.

    Raises:
        RuntimeError: the part is not there once, so this is another worker than this package was written for.
    """
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(old) != 1:
        raise RuntimeError("this ministack's Python worker is another one than this package was written for")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(old, new)
