"""Where the project's files are, and where what is built of them goes: the one place that knows.

In a checkout the files lie where git has them. An installed ``retraining`` carries the ones its commands need in
``ops/files``, laid out as in a checkout, and builds in a folder of the user's.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "retraining-loop"

_CODE: Final = Path(__file__).resolve().parent.parent
_CARRIED: Final = _CODE / "ops" / "files"

IN_CHECKOUT: Final = not _CARRIED.is_dir()

ROOT: Final = _CODE if IN_CHECKOUT else _CARRIED
"""The template, the state machine and docs/ lie here."""

SOURCE: Final = _CODE / "src" if IN_CHECKOUT else _CODE
"""The package ``orchestration`` lies here."""

TEMPLATE: Final = ROOT / "automation-orchestration-pipeline.yaml"
WORKFLOW: Final = ROOT / "statemachine.asl.json"


def workplace() -> Path:
    """Where ``build/`` is: the checkout, or the user's folder for applications (~/.config/retraining on Linux)."""
    if IN_CHECKOUT:
        return ROOT
    import click  # noqa: PLC0415 - a build of the zip needs the standard library alone

    return Path(click.get_app_dir("retraining"))


BUILD: Final = workplace() / "build"
"""What was built, and what is remembered between two calls."""


def version() -> str:
    """The project's version."""
    if not IN_CHECKOUT:
        return importlib.metadata.version(DISTRIBUTION)
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def shown(path: Path) -> str:
    """A path as it is printed: from the current folder, when it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
