"""A reviewer with a phone: Chromium without JavaScript opens the link, decides with the keyboard, and the run goes on.

Without a Chromium (Debian: apt-get install chromium) these tests are skipped, and only they.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.stack.loop import Loop
from tests.stack.reviewer import ASKS, Reviewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE = {"width": 360, "height": 740}


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A phone without JavaScript, in each colour scheme."""
    context = browser.new_context(viewport=PHONE, color_scheme=request.param, java_script_enabled=False, locale="en-GB")  # type: ignore[arg-type] # a plain dict
    try:
        yield context.new_page()
    finally:
        context.close()


def reviewed(loop: Loop) -> tuple[Reviewer, str, str, str, str]:
    """A run that asks; gives the reviewer, the execution's ARN, the run's id, its nonce and the address in the link."""
    reviewer = Reviewer(loop)
    arn, run_id, nonce = reviewer.asked_by_link(loop.model(**ASKS))
    return reviewer, arn, run_id, nonce, f"{reviewer.page}?{urllib.parse.urlencode({'run': run_id, 'nonce': nonce})}"


def focused(page: Page) -> str:
    """Accessible text of what has the focus; scripts of the test run outside the page's own ban on scripts."""
    return page.locator(":focus").inner_text()


def test_a_reviewer_approves_with_the_keyboard_and_the_run_goes_on(link_loop: Loop, page: Page) -> None:
    reviewer, arn, run_id, _, address = reviewed(link_loop)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    answered = page.goto(address)

    assert answered is not None
    assert answered.status == 200
    assert page.get_by_role("heading", level=1).inner_text().startswith("Approve the training of")
    page.get_by_label("Comment").focus()
    page.keyboard.type("seen on the train <b>&</b>")
    page.keyboard.press("Tab")
    assert focused(page) == "Approve the training"
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1).get_by_text("Decided").wait_for()
    assert "The run goes on" in page.get_by_role("status").inner_text()
    assert "seen on the train <b>&</b>" in page.get_by_role("table", name="Answers so far").inner_text()
    assert reviewer.loop.ended(arn).output["outcome"] == "PROMOTED"
    assert reviewer.loop.statuses(run_id)[2] == "TRAINING_APPROVED"
    assert complaints == []


def test_the_keyboard_reaches_everything_in_the_order_it_is_read(link_loop: Loop, page: Page) -> None:
    *_, address = reviewed(link_loop)
    page.goto(address)

    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(":focus").count() == 0:
            break
        reached.append(page.locator(":focus").get_attribute("name") or focused(page))

    assert reached == ["To your decision", "comment", "decision", "decision"]


def test_the_page_fits_a_phone(link_loop: Loop, page: Page) -> None:
    *_, address = reviewed(link_loop)
    page.goto(address)

    body, button = page.locator("body").bounding_box(), page.get_by_role("button").first.bounding_box()

    assert body is not None
    assert button is not None
    assert body["width"] <= PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], "it scrolls sideways"
    assert page.locator("details, [hidden]").count() == 0
    assert button["height"] >= 44
    for section in page.locator("section").all():
        box = section.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
