"""What is said of a call whatever comes of it. Nothing heavy is imported: Ctrl-C may come before anything else is there."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP: Final = ["--help", "-h"]

PREFIX: Final = "RETRAINING"
"""Of the environment variables that stand for options."""

_YES: Final = frozenset({"1", "t", "true", "y", "yes", "on"})
"""What the environment says of an option that is on. Source: click, ``BoolParamType``."""

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it."""

INTERRUPTED_SAID: Final = "Interrupted, as Ctrl-C asks."
"""What programs read after Ctrl-C where there is no more to say of it."""


WIDTHS: Final = (40, 80)
"""Columns that help is written in at least and at most."""


class _Help(click.HelpFormatter):
    """Help in the columns there are; click's own takes no fewer than 50."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        least, most = WIDTHS
        there = min(max(shutil.get_terminal_size().columns, least), most) - 2
        super().__init__(indent_increment, width or there, max_width)


class Context(click.Context):
    """Of each command's call."""

    formatter_class = _Help


def is_for_programs(given: Sequence[str]) -> bool:
    """Whether a program reads the answer of a call, by its words and the environment."""
    return "--json" in given or os.environ.get(f"{PREFIX}_JSON", "").strip().lower() in _YES


def error_document(said: str, status: int, command: str = "") -> dict[str, Any]:
    """What programs read of a command that could not be carried out."""
    return {"error": said, "status": int(status), "command": command or None}
