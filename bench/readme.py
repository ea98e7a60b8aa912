"""The tables of bench/README.md: each between two markers, under a line that says how it came about."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Final

from ops.project import ROOT

README: Final = Path(__file__).parent / "README.md"


def stamp(command: str) -> str:
    """How a table came about: the command, the interpreter, the machine and the commit."""
    return f"`{command}`, Python {platform.python_version()}, {os.cpu_count()} cores, {_commit()}."


def _commit() -> str:
    def git(*arguments: str) -> str:
        asked = ("git", *arguments)
        return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    # The tables themselves are no change to what was measured.
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{README.relative_to(ROOT)}")
    commit = git("rev-parse", "--short", "HEAD")
    return f"commit {commit}{' and changes' if changed else ''}" if commit else "commit not known"


def with_table(text: str, name: str, table: str) -> str:
    """The text with the part between the markers of `name` replaced.

    Raises:
        ValueError: the markers are not there.
    """
    begin, end = _markers(name)
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{README} lacks the line {begin} or {end}")
    return pattern.sub(lambda _match: f"{begin}\n{table}\n{end}", text)


def table_of(text: str, name: str) -> str:
    """What stands between the markers of `name`; empty where they are not there."""
    begin, end = _markers(name)
    return text.partition(begin)[2].partition(end)[0].strip()


def labels(table: str) -> list[str]:
    """The first cell of each row, headings included: what is measured, without what was found."""
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- bench {name}: begin, written by `make bench` -->", f"<!-- bench {name}: end -->"
