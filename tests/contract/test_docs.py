"""The pages: links that lead somewhere, pages short enough to be read, an index that names them all."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from ops.docs import WHOLE
from ops.report_picture import draw
from tests.contract.template import ROOT

PAGES: Final = sorted(
    page
    for folder in (".", "docs", "local", "examples", "bench", "tests")
    for page in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)
DOCS: Final = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
LONGEST: Final = 200
"""Lines of a page, without what is generated or held against the code line by line."""

SMALL: Final = 50_000
"""Characters of a picture of the README."""

RUNBOOK: Final = ROOT / "docs" / "runbook.md"
SECTION: Final = 12
"""Lines of a section of the runbook. The page has one for each alarm and message, so its length is theirs."""

SOURCES: Final = sorted(
    {*(ROOT / "src").rglob("*.py"), *(ROOT / "ops").rglob("*.py"), *(ROOT / "src").rglob("*.json")}
    | {*(ROOT / "docs" / "schemas").rglob("*.json"), *ROOT.glob("*.yaml"), *ROOT.glob("*.json"), ROOT / "Makefile"}
)


def slug(heading: str) -> str:
    """The anchor that a Markdown viewer gives a heading."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """Every anchor of a page; a heading that comes twice has a number."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        name = slug(heading)
        found.append(name if name not in found else f"{name}-{found.count(name)}")
    return set(found)


def links(page: Path) -> Iterator[str]:
    """Where the links of a page lead, other than to the web."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    dead = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(target)

    assert dead == []


def test_what_code_and_schemas_name_of_the_docs_is_there() -> None:
    dead = []
    for source in SOURCES:
        for name, anchor in re.findall(
            r"\bdocs/([\w/-]+\.(?:md|json|toml|txt))(?:#([\w-]+))?", source.read_text("utf-8")
        ):
            file = ROOT / "docs" / name
            written = name == "verified-on-aws.json"  # by whoever asks AWS
            if not written and (not file.exists() or (anchor and anchor not in anchors(file))):
                dead.append((str(source.relative_to(ROOT)), name, anchor))

    assert dead == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_fewer_than_200_lines_to_read(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if str(page.relative_to(ROOT)) in WHOLE:
        return
    if page == RUNBOOK:
        sections = re.split(r"^(?=##)", text, flags=re.MULTILINE)
        assert max(len(section.splitlines()) for section in sections if section.startswith("###")) <= SECTION
        text = "".join(section for section in sections if not section.startswith("###"))
    kept = re.sub(r"<!-- (generated: |begin: |)(.+?) -->\n.*?<!-- (end of |end: |)\2 -->", "", text, flags=re.DOTALL)

    assert len(kept.splitlines()) < LONGEST


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    indexes = {page for page in named if page.name == "README.md"}
    listed = named | {(page.parent / target.partition("#")[0]).resolve() for page in indexes for target in links(page)}

    assert [page for page in DOCS if page not in {*listed, index}] == []


def test_no_page_says_the_paragraph_of_another() -> None:
    """Paragraphs of forty words and more; generated parts may stand twice."""
    found: dict[str, set[str]] = {}
    for page in [ROOT / "README.md", *DOCS]:
        text = re.sub(r"<!-- generated: (.+?) -->.*?<!-- end of \1 -->", "", page.read_text(), flags=re.DOTALL)
        for paragraph in re.split(r"\n\s*\n", text):
            words = re.findall(r"\w+", paragraph.lower())
            for line in itertools.pairwise(range(0, len(words) + 1, 40)):
                found.setdefault(" ".join(words[slice(*line)]), set()).add(page.name)

    assert {text: pages for text, pages in found.items() if len(pages) > 1} == {}


def test_the_picture_of_a_report_is_a_small_drawing_of_the_kept_report_that_asks_nothing_of_the_web() -> None:
    report = ROOT / "docs" / "demo-report.html"
    (heading,) = re.findall(r"<h1>(.*?)</h1>", report.read_text(encoding="utf-8"))
    picture = draw(report)
    root = ET.fromstring(picture)  # noqa: S314 - made here, of our own report
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]

    assert heading in texts
    assert len(re.findall(r'<g transform="', picture)) == len(re.findall(r"<svg ", report.read_text(encoding="utf-8")))
    assert len(picture) < SMALL
    assert re.findall(r"https?://|url\(|@import|<script", picture.replace("http://www.w3.org/2000/svg", "")) == []
