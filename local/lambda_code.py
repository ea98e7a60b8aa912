"""Environments of a function with the same code share one folder of it, so that its modules are compiled once.

ministack unpacks the code for each environment into a folder of its own, where no bytecode of an earlier one is found.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from local import lambda_worker

if TYPE_CHECKING:
    from pathlib import Path

_SHARED = """
def _shared(code_dir):
    import hashlib, shutil
    with open(os.path.join(os.path.dirname(code_dir), "code.zip"), "rb") as code:
        digest = hashlib.sha256(code.read()).hexdigest()[:16]
    shared = os.path.join(os.path.dirname(os.path.dirname(code_dir)), "code-" + digest)
    if not os.path.isdir(shared):
        own = shared + "." + str(os.getpid())
        shutil.copytree(code_dir, own)
        try:
            os.rename(own, shared)
        except OSError:
            # Another environment was first.
            shutil.rmtree(own)
    os.chdir(shared)
    os.environ["LAMBDA_TASK_ROOT"] = shared
    sys.dont_write_bytecode = False
    return shared

"""
_CODE = '    code_dir = init["code_dir"]\n'


def install_worker() -> None:
    """Have the worker of a Python function take its code from the shared folder."""
    lambda_worker.replace(lambda_worker.HEAD, lambda_worker.HEAD + _SHARED)
    lambda_worker.replace(_CODE, '    code_dir = _shared(init["code_dir"])\n')


def forget_bytecode(home: Path) -> None:
    """Remove bytecode of functions that stands outside the folders of a server whose home this is."""
    if sys.pycache_prefix is not None:
        shutil.rmtree(f"{sys.pycache_prefix}{home}", ignore_errors=True)
