"""What a page has to keep without a browser: structure for a screen reader, nothing that runs or is loaded, colours that can be read."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

from orchestration.domain.page import style_hash

VOID: Final = frozenset({"meta", "link", "br", "hr", "img", "input"})
DRAWN: Final = frozenset({"rect", "line", "path", "circle", "polyline"})
AA: Final = 4.5
"""Contrast of text. Source: WCAG 2.2, 1.4.3, level AA."""

INKS: Final = ("ink", "soft", "accent", "yes", "no")
PAPERS: Final = ("paper", "card", "warn-paper", "good-paper")


@dataclass
class Outline(HTMLParser):
    """A page as its elements."""

    open: list[str] = field(default_factory=list)
    found: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))


def page_findings(page: str, *, served: str = "") -> list[str]:
    """Everything that is wrong with a page; empty for one that is right.

    Args:
        page: its HTML.
        served: the Content-Security-Policy it is served with. Such a page links to others of its server, and needs none inside.
    """
    outline = Outline()
    outline.feed(page)
    outline.close()
    wrong = [*outline.wrong, *(f"<{tag}> is not closed" for tag in outline.open)]
    tags = [tag for tag, _, _ in outline.found]
    wrong += [
        f"<{tag}> is not allowed" for tag in {"script", "img", "iframe", "link", "object", "foreignobject"} & set(tags)
    ]
    wrong += [
        f"{tags.count(tag)} <{tag}>"
        for tag in ("header", "main", "footer", "h1", "title")
        if tags.count(tag) != 1 and tag != "title"
    ]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    wrong += [f"h{after} follows h{before}" for before, after in itertools.pairwise(levels) if after > before + 1]
    ids = [attributes["id"] for _, attributes, _ in outline.found if "id" in attributes]
    wrong += [f"id {each} is there {ids.count(each)} times" for each in set(ids) if ids.count(each) > 1]
    for tag, attributes, above in outline.found:
        wrong += [
            f"{name} on <{tag}>" for name in attributes if name.startswith("on") or name in {"style", "src", "srcdoc"}
        ]
        if tag == "th" and attributes.get("scope") not in {"col", "row"}:
            wrong.append("a th without scope")
        if tag == "svg" and (
            attributes.get("role") != "img" or not {*str(attributes.get("aria-labelledby")).split()} <= set(ids)
        ):
            wrong.append("a svg without its name")
        if tag == "a" and not str(attributes.get("href")).startswith(("https://", "#", *(["/"] if served else []))):
            wrong.append(f"a link to {attributes.get('href')}")
        if tag in DRAWN and "svg" not in above:
            wrong.append(f"<{tag}> outside of a svg")
        if tag == "section" and not {"aria-label", "aria-labelledby"} & set(attributes):
            wrong.append("a section without a name")
    svgs, titles = tags.count("svg"), sum(1 for tag, _, above in outline.found if tag == "title" and "svg" in above)
    if svgs != titles or svgs != tags.count("desc"):
        wrong.append("a svg without title and desc")
    style = "".join(data for tag, data in outline.texts if tag == "style")
    policy = served or next(
        (a.get("content") or "" for t, a, _ in outline.found if t == "meta" and a.get("http-equiv")), ""
    )
    if f"default-src 'none'; style-src 'sha256-{style_hash(style)}'" not in policy:
        wrong.append("the Content-Security-Policy does not allow its style alone")
    if "url(" in style or "@import" in style:
        wrong.append("the style loads something")
    return [*wrong, *contrast_findings(style)]


def contrast_findings(style: str) -> list[str]:
    """Inks that cannot be read on a paper, in each scheme and on paper."""
    wrong, colours = [], dict[str, str]()
    for scheme in re.findall(r":root\{([^}]*)\}", style):
        colours |= dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", scheme))
        pairs = [(ink, paper) for ink in INKS for paper in PAPERS] + [("yes-ink", "yes")]
        wrong += [
            f"{ink} on {paper}: {found:.2f}"
            for ink, paper in pairs
            if (found := contrast(colours[ink], colours[paper])) < AA
        ]
    return wrong


def contrast(one: str, other: str) -> float:
    """Contrast of two colours. Source: WCAG 2.2, "contrast ratio"."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
