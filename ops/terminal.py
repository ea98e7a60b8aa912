r"""The one way to the terminal: every command prints through here, and what it prints is text and nothing more.

Names, reasons, metrics and comments come from events and from people. So there is no markup that they could imitate:
colour comes with a ``Styled`` piece, every text is shown as it is, and what a terminal would obey, hide or turn around is
shown as an escape, such as ``\x1b``. A line break in a text is shown too, so that nobody writes a line of their own.

Lines are broken between words at the width of the terminal. A word is never broken: an ARN, an address or an id is there
to be copied. A command that is too long goes on after a backslash, as a shell reads it.
"""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from orchestration.domain.channel_text import cut, shown
from orchestration.domain.commands import WRITTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import TextIO

TEXT_LIMIT: Final = 10_000
"""Characters printed of one text; ``--json`` has all of them."""

WIDTH: Final = 80
"""Columns where the output goes to a file or a pipe and ``COLUMNS`` says nothing else."""

NARROWEST_CELL: Final = 16
"""Columns a cell of sentences needs; a table that has fewer for one is printed as cards."""

LOOK_SECONDS: Final = 0.2
"""Between two looks at whether a question is answered elsewhere."""

GAP: Final = 2
"""Spaces between two columns of a table."""

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
    """A column of a table. A ``whole`` one is never folded, since its cells are there to be copied."""

    title: str
    whole: bool = False
    right: bool = False


Part = str | Styled
Cell = Part | tuple[Part, ...]


class Step(Protocol):
    """Hears how many are done, of how many, and what it is at now."""

    def __call__(self, done: int, total: int | None = None, what: str = "") -> None:
        """Move on."""


class _Console(Console):
    goes_on = False

    def on_broken_pipe(self) -> None:
        """Be quiet, or have whoever called end: whoever reads, such as ``head``, has seen enough."""
        if not self.goes_on:
            raise BrokenPipeError
        self.quiet = True
        write_no_more(self.file)


def write_no_more(file: IO[str]) -> None:
    """Have what goes on being written come to nothing; Python would also try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


class Terminal:
    """Where a command prints and asks.

    Args:
        errors: print to standard error.
        file: print there instead.
        colour: False prints without, whatever the terminal can.
        json: print the document of ``answer`` and nothing else.
        goes_on: when whoever reads has seen enough, print nothing more, so that the command comes to its end and tells
            how it went by its exit status; else BrokenPipeError ends it.
    """

    def __init__(
        self,
        *,
        errors: bool = False,
        file: TextIO | None = None,
        colour: bool = True,
        json: bool = False,
        goes_on: bool = False,
    ) -> None:
        stream = file or (sys.stderr if errors else sys.stdout)
        self._json, self._colour = json, colour
        self._answered = False
        self._console = _Console(
            file=file,
            stderr=errors,
            width=None if stream.isatty() else _columns(),
            no_color=not colour or None,
            color_system="auto" if colour else None,
            soft_wrap=True,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._console.goes_on = goes_on

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it while it is printed."""
        return self._console.is_terminal

    @property
    def width(self) -> int:
        """Columns of a line."""
        return self._console.width

    @property
    def is_document(self) -> bool:
        """Whether a program reads the answer, as one document."""
        return self._json

    @property
    def aside(self) -> Terminal:
        """Where people follow what goes on: here, or standard error when this one prints a document alone."""
        return Terminal(errors=True, colour=self._colour, goes_on=self._console.goes_on) if self._json else self

    def say(self, *parts: Part, hang: int = 0) -> None:
        """Print one line, an empty one of no parts; what is too long goes on below its first word.

        Args:
            parts: the pieces of the line; spaces at its start indent what goes on, too.
            hang: further spaces before what goes on.
        """
        if self._json:
            return
        text = self._text(parts)
        written = WRITTEN.search(text.plain)
        if written is None:
            self._print(_wrapped(text, self.width, hang))
            return
        # A command in a sentence stands on a line of its own, since one that is broken between words cannot be copied.
        before, after = text[: written.start()], text[written.end() :]
        before.rstrip()
        if before.plain:
            self._print(_wrapped(before, self.width, hang))
        indent = len(text.plain) - len(text.plain.lstrip(" "))
        self.command(written.group(), indent=indent + 2)
        if after.plain.strip(" ."):
            self.say(" " * indent + after.plain.lstrip(" ."), hang=hang)

    def command(self, line: str, indent: int = 2) -> None:
        """Print a command that can be copied: whole, or going on after backslashes.

        Args:
            line: as a shell reads it.
            indent: spaces before it.
        """
        if self._json:
            return
        lines, room = [""], self.width - indent - 2
        for piece in _pieces(line):
            if lines[-1] and cell_len(f"{lines[-1]} {piece}") > room:
                lines.append(f"  {piece}")
            else:
                lines[-1] = f"{lines[-1]} {piece}".lstrip() if len(lines) == 1 else f"{lines[-1]} {piece}"
        for position, each in enumerate(lines):
            more = " \\" if position < len(lines) - 1 else ""
            self._console.print(self._text((f"{' ' * indent}{each}{more}",)))

    def facts(self, facts: Iterable[tuple[str, Cell | None]], indent: int = 2) -> None:
        """Print names and values, the values below each other; None is left out.

        Args:
            facts: name and value, in their order.
            indent: spaces before each.
        """
        given = [(name, value) for name, value in facts if value is not None]
        widest = max((cell_len(name) for name, _ in given), default=0) + GAP
        beside = self.width - indent - widest >= 3 * NARROWEST_CELL
        for name, value in given:
            parts = value if isinstance(value, tuple) else (value,)
            if beside:
                self.say(f"{' ' * indent}{name:<{widest}}", *parts, hang=widest)
            else:
                self.say(f"{' ' * indent}{name}: ", *parts, hang=2)

    def table(self, columns: Sequence[str | Column], rows: Iterable[Sequence[Cell]]) -> None:
        """Print a table, or one card a row where the terminal is too narrow for it."""
        if self._json:
            return
        made = [Column(each) if isinstance(each, str) else each for each in columns]
        texts = [[self._text(cell if isinstance(cell, tuple) else (cell,)) for cell in row] for row in rows]
        widths = [
            max(cell_len(column.title), *(row[position].cell_len for row in texts), 1)
            for position, column in enumerate(made)
        ]
        needed = [
            width if column.whole else max(min(width, NARROWEST_CELL), _longest_word(row[position] for row in texts))
            for position, (column, width) in enumerate(zip(made, widths, strict=True))
        ]
        if sum(needed) + GAP * (len(made) - 1) > self.width:
            self._cards(made, texts)
            return
        table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        for column, width in zip(made, needed, strict=True):
            table.add_column(
                self._text((column.title,)),
                overflow="fold",
                no_wrap=column.whole,
                min_width=width,
                justify="right" if column.right else "left",
            )
        for row in texts:
            table.add_row(*row)
        # Rendered here, since a table fills its lines with spaces.
        for line in self._console.render_lines(table, pad=False):
            text = Text()
            for segment in line:
                text.append(segment.text, segment.style)
            text.rstrip()
            self._console.print(text)

    def _cards(self, columns: Sequence[Column], rows: Iterable[Sequence[Text]]) -> None:
        for position, row in enumerate(rows):
            if position:
                self._console.print(Text())
            for column, cell in zip(columns, row, strict=True):
                if column is columns[0]:
                    title = cell.copy()
                    title.stylize("bold")
                    self._print(_wrapped(title, self.width, 2))
                elif cell.plain.strip():
                    start = Text(f"  {self._plain(column.title)}: ", "dim")
                    self._print(_wrapped(start.append_text(cell), self.width, 2))

    def clear(self, at: str) -> None:
        """Begin again, with the time: at the top of a terminal, elsewhere below a line that nothing else prints."""
        if self.is_terminal:
            self._console.clear()
        self.say(Styled("dim", f"==== {at} ===="))

    def answer(self, document: Any) -> None:
        """Print what the command found, for programs that asked for it with ``--json``; its texts are as they are.

        They read one document: what goes wrong after the answer is said by the exit status alone.
        """
        if self._json and not self._answered:
            self._answered = True
            self.json(document)

    def json(self, document: Any) -> None:
        """Print a document for programs, with its texts as they are; JSON has escapes of its own."""
        try:
            print(json.dumps(document, indent=2), file=self._console.file, flush=True)
        except BrokenPipeError:
            self._console.on_broken_pipe()

    def ask(self, question: str) -> str:
        """What is typed after a question.

        Raises:
            EOFError: the question was left with Ctrl-D.
            BrokenPipeError: nobody sees the question any more.
        """
        if self._console.quiet:
            raise BrokenPipeError
        return self._console.input(self._text((question,)))

    def ask_until(self, question: str, answered: Callable[[], bool]) -> str | None:
        """The same, or None once ``answered`` says that it was answered elsewhere.

        Raises:
            EOFError: see ``ask``.
        """
        self._console.print(self._text((question,)), end="")
        while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
            if answered():
                self._console.print()
                return None
        # Not by input: its editor would show once more what was typed before it began.
        typed = sys.stdin.readline()
        if not typed:
            raise EOFError
        return typed.rstrip("\n")

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

    def _print(self, lines: Iterable[Text]) -> None:
        for line in lines:
            self._console.print(line)

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


def _columns() -> int:
    """What ``COLUMNS`` says, or the usual width of a terminal."""
    given = os.environ.get("COLUMNS", "")
    return max(int(given[:6]), NARROWEST_CELL) if given.isdecimal() else WIDTH


def _longest_word(texts: Iterable[Text]) -> int:
    return max((cell_len(word) for text in texts for word in text.plain.split()), default=0)


def _wrapped(text: Text, width: int, hang: int) -> list[Text]:
    """A text as lines, broken between words only."""
    plain = text.plain
    indent = len(plain) - len(plain.lstrip(" "))
    if plain[indent:].startswith("- "):
        hang = max(hang, len("- "))
    lines: list[Text] = []
    start, end, room = 0, 0, width
    for word in re.finditer(r"\S+", plain):
        if end and cell_len(plain[start : word.end()]) > room and word.start() > start + (0 if lines else indent):
            lines.append(text[start:end])
            start, room = word.start(), width - indent - hang
        end = word.end()
    lines.append(text[start:end] if end else text)
    return [lines[0], *(Text(" " * (indent + hang)).append_text(line) for line in lines[1:])]


def _pieces(line: str) -> list[str]:
    """A command in the pieces that stay on one line: the words before its options, and each option with its value."""
    pieces: list[str] = []
    for word in shlex.split(line):
        quoted = shlex.quote(word)
        if word.startswith("-") or not pieces:
            pieces.append(quoted)
        else:
            pieces[-1] = f"{pieces[-1]} {quoted}"
    return pieces
