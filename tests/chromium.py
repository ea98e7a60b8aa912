"""A real browser for tests: a headless Chromium, and axe-core, which tells what a page keeps from whom."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ops.project import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM: Final = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE: Final = Path(os.environ.get("AXE") or ROOT / "requirements/node/node_modules/axe-core/axe.min.js")
"""Installed by ``make lint`` where there is Node, by its lock file."""
OF_COLOUR: Final = ("color-contrast", "link-in-text-block")
"""Rules of axe that find in one colour scheme what they do not find in another."""


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium that ends with the block; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - each worker would import it, and one may use it

    # As root Chromium refuses its sandbox; it only ever opens pages of this project.
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield chromium
        finally:
            chromium.close()


def violations(page: Page, *rules: str) -> list[Any]:
    """What axe finds by these of its rules, by all where none is named; skipped where there is no axe-core.

    The page is one of a context that bypasses the page's own ban on scripts.
    """
    if not AXE.is_file():
        pytest.skip("no axe-core (make lint installs it where there is Node, or AXE=<axe.min.js>)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[Any] = page.evaluate(
        "async asked => (await axe.run(asked)).violations.map(each => [each.id, each.nodes[0].html])",
        {"runOnly": list(rules)} if rules else {},
    )
    return found
