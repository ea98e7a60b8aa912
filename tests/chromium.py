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


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium that ends with the block; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - each worker would import it, and one may use it

    # As root Chromium refuses its sandbox; it only ever opens pages of this project.
    arguments = ["--no-sandbox", "--no-zygote", "--disable-gpu", "--headless=shell"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield chromium
        finally:
            chromium.close()


def violations(page: Page) -> list[Any]:
    """What axe finds on a page of a context that bypasses the page's own ban on scripts; skipped where there is no axe-core."""
    if not AXE.is_file():
        pytest.skip("no axe-core (make lint installs it where there is Node, or AXE=<axe.min.js>)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[Any] = page.evaluate(
        "async () => (await axe.run()).violations.map(each => [each.id, each.nodes[0].html])"
    )
    return found
