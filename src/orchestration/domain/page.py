"""Parts of a page: style, escaping, facts and tables, as every page of the loop has them. Pure.

Every value is escaped; nothing runs, nothing is loaded. Light and dark follow the reader, and no colour says what a word does
not say too.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.channel_text import cut, printed_everywhere, shown
from orchestration.domain.json_values import number

if TYPE_CHECKING:
    from collections.abc import Sequence

STYLE: Final = """
:root{color-scheme:light dark;--paper:#fbfaf8;--card:#fff;--ink:#1b1d21;--soft:#575c66;--line:#dcdad5;--accent:#174ea6;
--yes:#0a6640;--yes-ink:#fff;--no:#a32018;--warn:#7a4a00;--warn-paper:#fff4dd;--good-paper:#e6f4ec}
@media (prefers-color-scheme:dark){:root{--paper:#14161a;--card:#1c1f25;--ink:#e9e7e3;--soft:#a9aeb8;--line:#363b45;
--accent:#9cc1ff;--yes:#6fd3a2;--yes-ink:#06231a;--no:#ff9d94;--warn:#ffd08a;--warn-paper:#33270f;--good-paper:#12301f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
overflow-wrap:anywhere}
header,main,footer{max-width:46rem;margin:0 auto;padding:0 1.1rem}
header{padding-top:1.8rem}
main{padding-bottom:1.5rem}
footer{padding-bottom:2.5rem;color:var(--soft);font-size:.875rem}
.kicker{margin:0;color:var(--soft);font-size:.875rem}
h1{margin:.2rem 0 .6rem;font-size:1.65rem;line-height:1.2;letter-spacing:-.01em}
h2{margin:0 0 .7rem;font-size:1.0625rem}
p{margin:.4rem 0}
a{color:var(--accent)}
section{margin-top:1.1rem;padding:1.05rem 1.1rem 1.15rem;background:var(--card);border:1px solid var(--line);
border-radius:.6rem}
.notice{border-left:.3rem solid var(--accent)}
.notice.warn{border-color:var(--warn);background:var(--warn-paper)}
.notice.good{border-color:var(--yes);background:var(--good-paper)}
dl{display:grid;grid-template-columns:minmax(8rem,12rem) 1fr;gap:.35rem 1rem;margin:0}
dt{color:var(--soft)}
dd{margin:0;white-space:pre-wrap}
.figure{font-variant-numeric:tabular-nums}
dl+table,table+table{margin-top:1.1rem}
.scroll{overflow-x:auto}
summary{font-weight:600;cursor:pointer}
details dl{margin-top:.7rem}
table{width:100%;border-collapse:collapse;font-size:.9375rem}
caption{padding-bottom:.4rem;color:var(--soft);font-size:.875rem;text-align:left}
th,td{padding:.4rem .8rem .4rem 0;border-top:1px solid var(--line);text-align:left;vertical-align:top}
thead th{border-top:0;color:var(--soft);font-weight:600;font-size:.8125rem;overflow-wrap:normal}
th:first-child{min-width:6rem}
tbody th{font-weight:500}
.whole{overflow-wrap:normal}
.pass{color:var(--yes);font-weight:600}
.fail{color:var(--no);font-weight:600}
.hint{color:var(--soft);font-size:.875rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.9em}
@media (max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.55rem}h1{font-size:1.4rem}}
"""

CARDS: Final = """\
@media screen and (max-width:44rem){table,caption,tbody,tr,th,td{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{padding:.5rem 0;border-top:1px solid var(--line)}
th,td,thead th{padding:.1rem 0;border:0}
tbody th{font-weight:600}
td::before{content:attr(data-label) ": ";color:var(--soft);font-weight:400}}
"""
"""Tables on a narrow screen: each row is a card, on which every value has its column's name."""

WHOLE: Final = 18
"""Characters of a word that a table does not break, as many as the longest outcome of a run has."""

TEXT_SHOWN: Final = 1000
"""Characters of one text on the page, as many as a comment has."""

ROWS_SHOWN: Final = 50
"""Rows of one table. A page of all texts and rows at their limits has a tenth of the 6 MB that Lambda answers with."""

NOT_KNOWN: Final = "not known"
"""What stands where a record does not say."""

RESULT: Final = "Result"
"""The column whose cells are ``pass`` or ``fail``, coloured as well as worded."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the first cell of each row names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: a heading, facts by name, tables."""

    heading: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "heading": self.heading,
            "facts": dict(self.facts),
            "tables": [
                {"caption": table.caption, "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows]}
                for table in self.tables
            ],
        }


def style_hash(style: str) -> str:
    """What a Content-Security-Policy allows a style element by."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def html(value: str) -> str:
    """A text as HTML, in an element or an attribute: no markup, nothing hidden or turned around; its lines stay lines."""
    return escape("\n".join(shown(line, printed_everywhere) for line in value.split("\n")))


def section_html(section: Section, position: int) -> str:
    """A section as HTML; its position tells its heading from others."""
    rows = "".join(f"<dt>{html(name)}</dt><dd>{html(value)}</dd>\n" for name, value in section.facts)
    inner = (f"<dl>\n{rows}</dl>\n" if rows else "") + "".join(table_html(table) for table in section.tables)
    return (
        f'<section aria-labelledby="part-{position}">\n<h2 id="part-{position}">{html(section.heading)}</h2>\n'
        f"{inner}</section>\n"
    )


def table_html(table: Table) -> str:
    """A table as HTML."""
    head = "".join(f'<th scope="col" role="columnheader">{html(column)}</th>' for column in table.columns)
    rows = "".join(
        f'<tr role="row"><th scope="row" role="rowheader">{html(row[0])}</th>'
        + "".join(map(_cell, table.columns[1:], row[1:]))
        + "</tr>\n"
        for row in table.rows
    )
    # A table that a narrow screen shows as cards is none any more to a screen reader but by its roles.
    return (
        f'<table role="table">\n<caption>{html(table.caption)}</caption>\n'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n<tbody role="rowgroup">\n{rows}</tbody>\n</table>\n'
    )


def _cell(column: str, cell: str) -> str:
    style = cell if column == RESULT and cell in {"pass", "fail"} else "figure"
    if all(len(word) <= WHOLE for word in cell.split()):
        style += " whole"
    return f'<td class="{style}" role="cell" data-label="{html(column)}">{html(cell)}</td>'


def known(value: Any) -> str:
    """A value that a reader misses where it is none: then it says so."""
    return NOT_KNOWN if value in (None, "") else str(value)


def facts_of(*given: tuple[str, Any]) -> tuple[tuple[str, str], ...]:
    """Facts by name, without those that are not known."""
    return tuple(
        (cut(name, TEXT_SHOWN), cut(str(value), TEXT_SHOWN)) for name, value in given if value not in (None, "")
    )


def table_of(caption: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table of at most ``ROWS_SHOWN`` rows, whose caption says of how many."""
    if len(rows) > ROWS_SHOWN:
        caption = f"{caption} ({ROWS_SHOWN} of {len(rows):,} shown)"
    return Table(caption, columns, tuple(tuple(cut(cell, TEXT_SHOWN) for cell in row) for row in rows[:ROWS_SHOWN]))


def figure(value: Any) -> str | None:
    """A number for people, at most six significant digits; None when it is none."""
    parsed = number(value)
    return None if parsed is None else f"{parsed:.6g}"
