"""Draw pictures of kept reports, docs/pictures/report.svg and life.svg: the drawings of a page, one below the other.

They are the report's own, in its own style: this only says where each stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

WIDTH: Final = 722
"""Of the widest drawing, the run's way."""

LINE: Final = 26
"""Between two gates, and above a drawing that has a name."""

NAMED: Final = 300
"""Where a drawing begins beside its name, unless it is too wide for that; then below it, where the name has no room either."""

LETTER: Final = 6
"""What a letter of a name takes, about."""

DRAWING: Final = re.compile(
    r'<svg[^>]* viewBox="0 0 (?P<width>\d+) (?P<height>\d+)"[^>]*><title[^>]*>(?P<title>.*?)</title>'
    r"<desc[^>]*>(?P<told>.*?)</desc>(?P<shapes>.*?)</svg>",
    re.DOTALL,
)


def draw(report: Path) -> str:
    """The picture of a report as SVG.

    Raises:
        ValueError: the page holds no drawing or no style: it is no report.
    """
    page = report.read_text(encoding="utf-8")
    style, heading = re.search(r"<style>(.*?)</style>", page, re.DOTALL), re.search(r"<h1>(.*?)</h1>", page)
    drawings = list(DRAWING.finditer(page))
    if style is None or heading is None or not drawings:
        raise ValueError(f"{report} is no report of a run or a life; make docs DEMO=1 STREAMS=1 writes both anew.")
    way, *others = drawings
    parts, y = [f'<text class="head" x="6" y="17" style="font-size:14px">{heading[1]}</text>'], LINE
    parts.append(_placed(way, 0, y))
    y += int(way["height"]) + LINE // 2
    for drawing in others:
        parts.append(f'<text x="6" y="{y + LINE // 2 + 3}">{drawing["title"]}</text>')
        beside = WIDTH - int(drawing["width"])
        if beside < LETTER * len(drawing["title"]):
            y += LINE
        parts.append(_placed(drawing, min(NAMED, beside), y))
        y += int(drawing["height"])
    told = ". ".join(f"{drawing['title']}: {drawing['told']}" for drawing in drawings)
    # The report's drawings fill their place on a page; here they keep the place they are given.
    css = re.sub(r"(?m)^svg\{.*?\}$", "", style[1]).strip()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" role="img" aria-label="{_quoted(told)}">\n'
        f'<style>\n{css}\n</style>\n<rect width="{WIDTH}" height="{y + 8}" fill="var(--paper)"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _placed(drawing: re.Match[str], x: int, y: int) -> str:
    return f'<g transform="translate({x} {y})">{drawing["shapes"]}</g>'


def _quoted(text: str) -> str:
    return text.replace('"', "&quot;")
