"""Bytecode of the package's modules for the Python of its functions, so that no start compiles them.

Lambda unpacks the package where nothing can be written, and would compile each module at each cold start: about half of it.

    python -m ops.bytecode        # which Python would be taken; where none is found or named, uv fetches one

Only that Python writes bytecode that it reads, so packaging needs one: CPython of ``RUNTIME``, whichever patch release. It need not
be the one that runs this. Files are of the kind that Python compares with the source by its hash before it takes them
(PEP 552, "checked"): who edits a module in Lambda's console is not ignored.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUNTIME: Final = (3, 13)
"""Of the functions; ``Runtime`` in the template says the same."""

NAMED: Final = "RETRAINING_LAMBDA_PYTHON"
"""Variable that names the interpreter to take, where none would be found."""

TAG: Final = f"cpython-{RUNTIME[0]}{RUNTIME[1]}"

_LOOK: Final = (
    "import sys; print(sys.implementation.cache_tag + getattr(sys, 'abiflags', ''), sys.executable, sep='\\n')"
)
"""Asks what it calls its bytecode, with flags where it is free-threaded or for debugging: those write other bytes, under one
name. And where it is: what was started may be a shim of pyenv's, which takes its Python from the folder and the environment."""

# Names are of the place in the package, which import puts right; the hash seed is fixed, since 3.13.0 has a set's order in a constant.
# What a docstring says stays in the source: a fifteenth of the package. Not nothing, in whose place a data class puts its signature.
_COMPILE: Final = """
import ast, base64, importlib.util, json, marshal, sys
def without_docstrings(node):
    for part in node.body:
        if isinstance(part, (ast.ClassDef, ast.FunctionDef)):
            without_docstrings(part)
    if ast.get_docstring(node, clean=False):
        node.body[0].value.value = "."
    return node
made = {}
for name, source in json.load(sys.stdin).items():
    source = base64.b64decode(source)
    code = compile(without_docstrings(ast.parse(source)), name, "exec", dont_inherit=True)
    head = importlib.util.MAGIC_NUMBER + (3).to_bytes(4, "little") + importlib.util.source_hash(source)
    made[name] = base64.b64encode(head + marshal.dumps(code)).decode()
json.dump(made, sys.stdout)
"""


class NoInterpreterError(Exception):
    """There is no Python here that writes the functions' bytecode; the text says what to do."""


def compiled(sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Bytecode of modules: files of the package by name, as the functions' Python looks for them.

    Args:
        sources: modules by name, such as ``orchestration/handler.py``.

    Raises:
        NoInterpreterError: no Python of ``RUNTIME`` is found.
        subprocess.CalledProcessError: a module cannot be compiled.
    """
    return dict(_compiled(tuple(sorted(sources.items()))))


@functools.lru_cache(maxsize=4)
def _compiled(sources: tuple[tuple[str, bytes], ...]) -> dict[str, bytes]:
    asked = json.dumps({name: base64.b64encode(source).decode() for name, source in sources})
    # Without the columns that tracebacks point at, which Lambda's do not: a fortieth of the package.
    # What it needs to run at all may stand in the environment (LD_LIBRARY_PATH); what changes bytecode must not.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    answer = subprocess.run(
        [interpreter(), "-S", "-s", "-B", "-P", "-X", "no_debug_ranges", "-c", _COMPILE],
        input=asked,
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "PYTHONHASHSEED": "0"},
    )
    made: dict[str, str] = json.loads(answer.stdout)
    return {place(name): base64.b64decode(code) for name, code in made.items()}


def place(name: str) -> str:
    """Where the functions' Python looks for the bytecode of a module of the package."""
    folder, _, module = name.rpartition("/")
    return f"{folder}/__pycache__/{module.removesuffix('.py')}.{TAG}.pyc"


@functools.cache
def interpreter() -> str:
    """Path of a CPython of ``RUNTIME``: the one that is named, this one, one on the path, one that pyenv or uv keeps.

    Raises:
        NoInterpreterError: none of them is one.
    """
    named = os.environ.get(NAMED)
    for candidate in [named] if named else _candidates():
        tag, _, executable = _looked_at(candidate).partition("\n")
        if tag == TAG:
            return executable
    version = f"{RUNTIME[0]}.{RUNTIME[1]}"
    if named:
        raise NoInterpreterError(f"{NAMED} names {named}, which is no CPython {version} that runs here.")
    raise NoInterpreterError(
        f"The package holds bytecode for Lambda's Python {version}, and no Python {version} is found here. Have one on the "
        f"path, or by uv python install {version}, or name one: {NAMED}=/path/to/python{version}"
    )


def _candidates() -> Iterator[str]:
    name = f"python{RUNTIME[0]}.{RUNTIME[1]}"
    yield sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for found in (shutil.which(name), shutil.which("python3")):
        # What pyenv puts there is a script that takes a quarter of a second to find one of those below, or none.
        if found and Path(found).parent != pyenv / "shims":
            yield found
    release = f"{RUNTIME[0]}.{RUNTIME[1]}.*"
    yield from (str(folder / "bin" / name) for folder in sorted((pyenv / "versions").glob(release)))
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    kept = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    yield from (str(folder / "bin" / name) for folder in sorted(kept.glob(f"cpython-{release}")))


def _looked_at(candidate: str) -> str:
    """What an interpreter answers to ``_LOOK``; empty when it does not run."""
    try:
        answer = subprocess.run(
            [candidate, "-I", "-S", "-c", _LOOK], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def main() -> int:
    """Say which interpreter is taken; have uv fetch one where none is found and none is named. Exit status 1: there is none."""
    with contextlib.suppress(NoInterpreterError):
        print(interpreter())
        return 0
    if not os.environ.get(NAMED):  # else one that is fetched would not be taken either
        version = f"{RUNTIME[0]}.{RUNTIME[1]}"
        print(
            f"No Python {version} is found, whose bytecode the Lambda package holds: uv fetches one",
            file=sys.stderr,
            flush=True,
        )
        with contextlib.suppress(OSError):  # what keeps uv from it, it says itself
            uv = Path(sys.executable).with_name("uv")
            subprocess.run([str(uv), "python", "install", version], stdout=subprocess.DEVNULL, check=False)
    try:
        print(interpreter())
    except NoInterpreterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
