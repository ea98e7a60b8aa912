"""The report in a real Chromium: axe-core finds nothing in either colour scheme, and it prints on two pages.

Without a Chromium, or without axe-core, these tests are skipped, and only they; ``page_check`` looks at every page without a
browser.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from ops.life_page import life_page, models_page
from ops.model_life import life_of
from orchestration.domain.run_report import RunRecords
from orchestration.steps.reports import pages
from tests.chromium import OF_COLOUR, violations
from tests.unit.ended_runs import records, rejected_by_gate
from tests.unit.fakes import World
from tests.unit.history import promoted
from tests.unit.test_run_report import hostile_records

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """Pages by what they are of."""
    world, other = World(), World()
    promoted(world)
    rejected_by_gate(other)
    links = list(world.table.latest("fraud"))
    life = life_of("fraud", [json.loads(link.record) for link in links])
    return {
        "promoted": pages(records(world))["html"].decode(),
        "rejected": pages(records(other))["html"].decode(),
        "hostile": pages(RunRecords("fraud", "run-1", "automation", hostile_records(world)))["html"].decode(),
        "a life": life_page(life),
        "all models": models_page([life]),
    }


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    """Where reports are opened, one after the other."""
    return browser.new_context().new_page()


@pytest.fixture(scope="module")
def scripted(browser: Browser) -> Page:
    """The same for axe: a report itself forbids scripts, only here it does not."""
    return browser.new_context(bypass_csp=True).new_page()


@pytest.mark.parametrize("name", ["promoted", "rejected", "hostile", "a life", "all models"])
def test_axe_finds_nothing(name: str, scripted: Page, made: dict[str, str]) -> None:
    scripted.emulate_media(color_scheme="light")
    scripted.set_content(made[name])
    assert violations(scripted) == []
    scripted.emulate_media(color_scheme="dark")
    assert violations(scripted, *OF_COLOUR) == []


@pytest.mark.parametrize("name", ["promoted", "rejected", "hostile"])
def test_a_report_prints_on_two_pages(name: str, page: Page, made: dict[str, str]) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.set_content(made[name])
    for paper in ("A4", "Letter"):
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) <= 2, paper
    assert complaints == []
