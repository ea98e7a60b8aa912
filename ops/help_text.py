"""How help is asked for, and written in the columns there are."""

from __future__ import annotations

import shutil
from typing import Final

import click

HELP: Final = ["--help", "-h"]

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
