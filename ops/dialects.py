"""Run the libraries whose words the loop reads, and keep what they say as fixtures.

make dialects                    every folder of tests/dialects, one after the other
make dialects LIBRARY=nannyml    one of them

A dialect is a folder ``tests/dialects/<library>/``. Its ``requirements.txt`` begins with the library, pinned as ``name==version``;
its ``record.py`` is called with the python of an environment that has them, as ``record.py <folder to write>``, the root of the
project on its path; what it leaves in that folder becomes ``recorded/``, which ``make test`` reads. The environments are kept as
``build/dialects/<name>-<version>/`` until the requirements change. A folder without ``record.py`` was written by hand.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from typing import TYPE_CHECKING, Final

from ops.project import ROOT
from ops.stack import CallError, OperatorError
from ops.terminal import Styled, Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DIALECTS: Final = ROOT / "tests" / "dialects"
ENVIRONMENTS: Final = ROOT / "build" / "dialects"

PIN: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([A-Za-z0-9.+!_]+)")
"""A requirement of one version. Source: PEP 508, the version identifiers of PEP 440."""

SILENT: Final = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
}
"""Tells the libraries not to tell their makers who uses them."""


def dialects(folder: Path = DIALECTS) -> list[str]:
    """Names of the dialects that can be recorded."""
    return sorted(script.parent.name for script in folder.glob("*/record.py"))


def pinned(requirements: str) -> tuple[str, str]:
    """Name and version of the library that a requirements file begins with.

    Raises:
        OperatorError: its first requirement is not pinned to one version.
    """
    lines = (line.partition("#")[0].strip() for line in requirements.splitlines())
    first = next((line for line in lines if line), "")
    pin = PIN.fullmatch(first)
    if pin is None:
        raise OperatorError(f"The first requirement is {first!r}; it has to be the library, as name==version.")
    return pin[1], pin[2]


def record(dialect: Path, environments: Path) -> list[str]:
    """Run a dialect's library and keep what it says; the names of fixtures that are new, gone or other than before.

    Raises:
        OperatorError: the environment cannot be made, or the script fails or writes nothing; ``recorded/`` is as it was.
    """
    python = _environment(dialect / "requirements.txt", environments)
    written = environments / f"{dialect.name}.recorded"
    shutil.rmtree(written, ignore_errors=True)
    written.mkdir(parents=True)
    _run([python, dialect / "record.py", written], f"{dialect.name}/record.py")
    if not any(written.iterdir()):
        raise OperatorError(f"{dialect.name}/record.py wrote nothing.")
    kept = dialect / "recorded"
    changed = _differences(kept, written)
    shutil.rmtree(kept, ignore_errors=True)
    shutil.move(written, kept)
    return changed


def _environment(requirements: Path, environments: Path) -> Path:
    """The interpreter of the environment with these requirements, made anew when they are others than before."""
    wanted = requirements.read_text(encoding="utf-8")
    environment = environments / "-".join(pinned(wanted))
    python, stamp = environment / "bin" / "python", environment / "made-of"
    key = hashlib.sha256(f"{sys.version_info[:2]}\n{wanted}".encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == key:
        return python
    venv.create(environment, clear=True, with_pip=True, symlinks=True)
    quietly = ("--quiet", "--disable-pip-version-check")
    _run([python, "-m", "pip", "install", *quietly, "-r", requirements], f"installing {requirements.parent.name}")
    stamp.write_text(key, encoding="utf-8")
    return python


def _run(command: Sequence[str | Path], what: str) -> None:
    # What a library prints is kept from the terminal unless it fails; the same hashes in every run keep fixtures alike.
    environment = {**os.environ, **SILENT, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    command = [str(part) for part in command]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = "\n".join((ended.stdout + ended.stderr).splitlines()[-20:])
        raise OperatorError(f"{what} ended with exit status {ended.returncode}:\n{said}")


def _differences(before: Path, after: Path) -> list[str]:
    names = {path.name for folder in (before, after) if folder.is_dir() for path in folder.iterdir()}
    _, different, missing = filecmp.cmpfiles(before, after, names, shallow=False)
    return sorted((*different, *missing))


def main(argv: Sequence[str] | None = None, *, folder: Path = DIALECTS, environments: Path = ENVIRONMENTS) -> int:
    """Exit status 0 all recorded, 1 one could not be, 2 there is no such library."""
    parser = argparse.ArgumentParser(prog="make dialects", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--library", default=os.environ.get("LIBRARY", ""), help="only the dialect of this name")
    options = parser.parse_args(argv)
    terminal = Terminal()
    known = dialects(folder)
    if options.library and options.library not in known:
        terminal.say(Styled("red", f"No dialect {options.library!r}; there are {', '.join(known)}."))
        return CallError.status
    chosen = [options.library] if options.library else known
    failed = 0
    for place, name in enumerate(chosen, start=1):
        try:
            library = " ".join(pinned((folder / name / "requirements.txt").read_text(encoding="utf-8")))
            terminal.say(f"{place}/{len(chosen)} {name}: {library} ...")
            changed = record(folder / name, environments)
        except (OSError, OperatorError, subprocess.SubprocessError) as error:
            failed += 1
            terminal.say(Styled("red", f"{place}/{len(chosen)} {name}: not recorded."))
            for line in str(error).splitlines():
                terminal.say(f"    {line}")
            continue
        count = len(list((folder / name / "recorded").iterdir()))
        other = f"other than before: {', '.join(changed)}" if changed else "all as before"
        terminal.say(Styled("green", f"{place}/{len(chosen)} {name}: {count} fixture(s), {other}."))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
