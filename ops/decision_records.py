"""The decision records: what keeps each in the one form, and their index.

A record is ``docs/decisions/<number>-<words>.md``::

    # 0007 A title without a full stop

    Date: 2026-11-27. Status: accepted.

    **Context.** ...
    **Decision.** ...
    **Consequences.** ...

Further parts (``**Not chosen.**``) may stand between. A status is ``accepted`` or ``open``; what changed it later follows.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

TITLE: Final = re.compile(r"# (\d{4}) (\S.*[^.:\s])")
STATED: Final = re.compile(r"Date: (\d{4}-\d\d-\d\d)\. Status: ((?:accepted|open)\b.*\.)")
PARTS: Final = ("Context", "Decision", "Consequences")


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One file of docs/decisions."""

    file: str
    text: str

    @property
    def number(self) -> str:
        """Four digits, from the file's name."""
        return self.file[:4]

    @property
    def title(self) -> str:
        """The heading without its number."""
        return self.text.split("\n", 1)[0].removeprefix(f"# {self.number} ")

    @property
    def stated(self) -> tuple[str, str] | None:
        """Its date and its status, from the third line; None where that does not say both."""
        line = "".join(self.text.split("\n")[2:3])
        found = STATED.fullmatch(line)
        return (found[1], found[2].removesuffix(".")) if found else None

    @property
    def faults(self) -> tuple[str, ...]:
        """What of the form it does not keep, a sentence each."""
        title = TITLE.fullmatch(self.text.split("\n", 1)[0])
        places = [self.text.find(f"\n**{part}.**") for part in PARTS]
        kept = {
            f'begins with "# {self.number} " and a title': title is not None and title[1] == self.number,
            'says "Date: <year>-<month>-<day>. Status: accepted." (or open) on its third line': self.stated is not None,
            f"has the parts {', '.join(PARTS)}, in this order": -1 not in places and places == sorted(places),
        }
        return tuple(f"docs/decisions/{self.file}: a record {form}" for form, is_kept in kept.items() if not is_kept)


def kept(folder: Path) -> tuple[DecisionRecord, ...]:
    """The records of a folder, in the order of their numbers."""
    return tuple(
        DecisionRecord(path.name, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.md"))
        if path.name != "README.md"
    )


def faults(records: Sequence[DecisionRecord]) -> tuple[str, ...]:
    """What is wrong with the records, a sentence each: a form that is not kept, a number that two have."""
    numbers = [record.number for record in records]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    return (
        *(fault for record in records for fault in record.faults),
        *(f"docs/decisions: two records have the number {number}" for number in twice),
    )


def index(records: Sequence[DecisionRecord]) -> str:
    """The page that lists them."""
    lines = [
        "# Decisions",
        "",
        "A record keeps its number. What changed it later is said in its status.",
        *(f"The numbers {least} to {most} were never given." for least, most in _gaps(records)),
        "",
        "| number | decision | date | status |",
        "| --- | --- | --- | --- |",
    ]
    for record in records:
        date, status = record.stated or ("", "")
        lines.append(f"| [{record.number}]({record.file}) | {record.title} | {date} | {status} |")
    return "\n".join([*lines, ""])


def _gaps(records: Iterable[DecisionRecord]) -> list[tuple[str, str]]:
    """(first, last) of each run of numbers that none has, between the least and the greatest."""
    numbers = sorted(int(record.number) for record in records)
    return [
        (f"{before + 1:04}", f"{after - 1:04}") for before, after in itertools.pairwise(numbers) if after > before + 1
    ]
