r"""The one way to the terminal: every command prints through here, and what it prints is text and nothing more.

Names, reasons, metrics and comments come from events and from people. So there is no markup that they could imitate:
colour comes with a ``Styled`` piece, every text is shown as it is, and what a terminal would obey, hide or turn around is
shown as an escape, such as ``\x1b``. A line break in a text is shown too, so that nobody writes a line of their own.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from orchestration.domain.channel_text import cut, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import TextIO

TEXT_LIMIT: Final = 10_000
"""Characters printed of one text; ``JSON=1`` has all of them."""

WIDTH: Final = 160
"""Columns where the output goes to a file: wide enough for an ARN."""

Style = Literal[
    "bold", "dim", "red", "green", "yellow", "cyan", "white", "bold red", "bold green", "bold yellow", "bold cyan"
]


@dataclass(frozen=True, slots=True)
class Styled:
    """A text in colour."""

    style: Style
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. A ``whole`` one is never broken over lines, since its cells are there to be copied."""

    title: str
    whole: bool = False
    right: bool = False


Part = str | Styled
Cell = Part | tuple[Part, ...]


class Step(Protocol):
    """Hears how many are done, of how many, and what it is at now."""

    def __call__(self, done: int, total: int | None = None, what: str = "") -> None:
        """Move on."""


class Terminal:
    """Where a command prints and asks.

    Args:
        errors: print to standard error.
        file: print there instead.
    """

    def __init__(self, *, errors: bool = False, file: TextIO | None = None) -> None:
        stream = file or (sys.stderr if errors else sys.stdout)
        self._console = Console(
            file=file,
            stderr=errors,
            width=None if stream.isatty() else WIDTH,
            soft_wrap=True,
            highlight=False,
            markup=False,
            emoji=False,
        )

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it while it is printed."""
        return self._console.is_terminal

    def say(self, *parts: Part) -> None:
        """Print one line, an empty one of no parts."""
        self._console.print(self._text(parts))

    def table(self, columns: Sequence[str | Column], rows: Iterable[Sequence[Cell]]) -> None:
        """Print a table; what is too wide for its column is folded."""
        table = Table(show_edge=False, pad_edge=False)
        for each in columns:
            column = Column(each) if isinstance(each, str) else each
            table.add_column(
                self._text((column.title,)),
                overflow="fold",
                no_wrap=column.whole,
                justify="right" if column.right else "left",
            )
        for row in rows:
            table.add_row(*(self._text(cell if isinstance(cell, tuple) else (cell,)) for cell in row))
        self._console.print(table)

    def json(self, document: Any) -> None:
        """Print a document for programs, with its texts as they are; JSON has escapes of its own."""
        print(json.dumps(document, indent=2), file=self._console.file)

    def ask(self, question: str) -> str:
        """What is typed after a question.

        Raises:
            EOFError: the question was left with Ctrl-D.
        """
        return self._console.input(self._text((question,)))

    @contextmanager
    def progress(self, title: str) -> Iterator[Step]:
        """A bar while something takes its time, which is gone afterwards; nothing where nobody looks."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True, disable=not self.is_terminal) as bar:
            task = bar.add_task(self._plain(title), total=None)

            def step(done: int, total: int | None = None, what: str = "") -> None:
                said = self._plain(f"{title}: {what}" if what else title)
                bar.update(task, completed=done, total=None if total is None else max(total, done), description=said)

            yield step

    def working(self, text: str) -> AbstractContextManager[Any]:
        """A spinner while something takes its time; nothing where nobody looks."""
        return self._console.status(self._text((text,))) if self.is_terminal else nullcontext()

    def _text(self, parts: Iterable[Part]) -> Text:
        text = Text()
        for part in parts:
            if isinstance(part, Styled):
                text.append(self._plain(part.text), part.style)
            else:
                text.append(self._plain(part))
        return text

    def _plain(self, text: str) -> str:
        # A field that should be a text may be anything in a record that was tampered with, and a terminal may not be able to
        # show every character: neither ends a command.
        return (
            shown(cut(str(text), TEXT_LIMIT))
            .encode(self._console.encoding, "backslashreplace")
            .decode(self._console.encoding)
        )
