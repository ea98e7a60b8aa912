"""Reviewers on a page of their own machine, over HTTP and in a browser: what they may see, and the run that goes on.

    PICTURES=docs/pictures make test TESTS=pictures_of_the_page

keeps the pictures of docs/review.md. Without a Chromium (Debian: apt-get install chromium) the tests in a browser are skipped,
and only they.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ops.review.desk import Desk
from ops.review.pages import path_to
from ops.review.reading import SignedIn
from ops.review.server import PageServer
from ops.review.visit import Visitor
from ops.stack import Stack
from tests.chromium import violations
from tests.stack.loop import BETTER, CHAMPION, Loop
from tests.stack.reviewer import Reviewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PICTURES: Final = os.environ.get("PICTURES")
SHOWN: Final = 1150
"""Pixels from the top that a picture shows."""

PHONE: Final = {"width": 360, "height": 740}
DESK: Final = {"width": 1000, "height": 800}


class Opened:
    """The page as one person has it open."""

    def __init__(self, loop: Loop, person: str) -> None:
        self.loop, self.person = loop, person
        self.desk = Desk(SignedIn(self._find), minutes=30)
        self.key = loop.aws.key_of(person)
        self.found = 0

    def _find(self) -> Stack:
        """The stack with the keys there are now, as a shell would have exported them."""
        self.found += 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", str(self.key.access_key))
            patch.setenv("AWS_SECRET_ACCESS_KEY", str(self.key.secret_key))
            return Stack(self.loop.stack, self.loop.aws.region)

    @contextmanager
    def at(self, *path: str) -> Iterator[str]:
        """The address that opens it once."""
        with PageServer(0, self.desk).serving() as door:
            yield door.address(path_to(*path))


@pytest.fixture(scope="module")
def people(loop: Loop) -> Iterator[Reviewer]:
    """Ana, Ben and Cy may review; Mo reviews the model that a tag of his names; nobody gave Zoe anything."""
    reviewer = Reviewer(loop)
    for person in ("ana", "ben", "cy"):
        reviewer.may_review(person)
    for person in ("mo", "zoe"):
        loop.aws.key_of(person)
    loop.aws.client("iam").attach_user_policy(UserName="mo", PolicyArn=loop.outputs["ModelReviewerPolicyArn"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in loop.aws.environment.items():
            patch.setenv(name, value)
        yield reviewer


def promoting(people: Reviewer, model: str = "", **approval: Any) -> tuple[str, str, str]:
    """A run that asks to promote its candidate; gives its model, the execution's ARN and its id."""
    loop, model = people.loop, model or f"card-fraud-{uuid.uuid4().hex[:4]}"
    loop.policy(
        model,
        training={"target": loop.training(loop.evaluation(BETTER, CHAMPION))},
        evaluation={
            "metric": "auc",
            "minimum": 0.8,
            "min_improvement": 0.01,
            "guards": [{"metric": "recall", "minimum": 0.7}],
        },
        approval={"training": "never", "promotion": "always", **approval},
        promotion={"endpoint": loop.champion(model), "bake_minutes": 0},
    )
    data = {"uri": f"s3://{loop.data_bucket}/card-fraud/2026-03-02/", "window_start": "2026-03-01T00:00Z"}
    drift = loop.drift(model, metric="psi of amount", observed=0.46, endpoint=f"{model}-prod", dataset=data)
    return (model, *people.asked(model, "promotion", drift))


def text(page: str) -> str:
    """What a page says."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)).split())


# With the rights of ReviewerPolicy alone.


def test_a_reviewer_decides_on_their_own_machine_and_the_run_goes_on_under_their_name(people: Reviewer) -> None:
    loop = people.loop
    model, arn, run_id = promoting(people)
    opened = Opened(loop, "ana")
    with opened.at("run", run_id) as address:
        visitor = Visitor(address)
        home, shown = visitor.get("/"), visitor.get(visitor.path)
        for page, path in ((home, "/"), (shown, visitor.path)):
            assert page.status == 200, path
            assert "may not be read" not in page.html, path
        assert f"Promotion of {model}" in text(home.html)
        assert "You answer as arn:aws:iam::000000000000:user/ana." in shown.html

        told = visitor.send(shown, visitor.path, decision="APPROVED", comment="looks right")

        assert told.status == 200
        assert f"Decided: promotion of {model}" in text(told.html)
        assert loop.ended(arn).output["outcome"] == "PROMOTED"
        (vote,) = people.evidence(model, run_id, "promotion")["votes"]
        assert (vote["by"], vote["comment"]) == ("arn:aws:iam::000000000000:user/ana", "looks right")
        loop.report(model, run_id)
        for path, said in (
            (visitor.path, f"{model}: promoted"),
            (f"/model/{model}", f"{model}: its life on record"),
            (f"/signals?model={model}", "RETRAIN"),
            ("/", f"{model}"),
        ):
            page = visitor.get(path)
            assert (page.status, said in text(page.html)) == (200, True), path
        assert Visitor(address).entered == 403
    assert [(cast.decision, cast.counted) for cast in opened.desk.casts] == [("APPROVED", True)]


def test_keys_that_end_in_the_middle_are_said_and_new_ones_go_on(people: Reviewer) -> None:
    loop, iam = people.loop, people.loop.aws.client("iam")
    _, arn, run_id = promoting(people)
    opened = Opened(loop, "ben")
    with opened.at("run", run_id) as address:
        visitor = Visitor(address)
        shown = visitor.get(visitor.path)
        iam.delete_access_key(UserName="ben", AccessKeyId=opened.key.access_key)

        told = visitor.send(shown, visitor.path, decision="REJECTED", comment="typed for minutes")

        assert told.status == 401
        assert "Nothing was decided. Sign in to AWS again" in text(told.html)
        assert loop.status(arn) == "RUNNING"
        made = iam.create_access_key(UserName="ben")["AccessKey"]
        opened.key = opened.key._replace(access_key=made["AccessKeyId"], secret_key=made["SecretAccessKey"])
        again = visitor.send(told, visitor.path)
        assert "Comment: typed for minutes" in text(again.html)
        assert loop.ended(arn).output["outcome"] == "APPROVAL_REJECTED"


def test_who_reviews_one_model_sees_that_alone_and_votes(people: Reviewer) -> None:
    loop = people.loop
    model, arn, run_id = promoting(people)
    loop.aws.client("iam").tag_user(UserName="mo", Tags=[{"Key": "retraining:model", "Value": model}])
    with Opened(loop, "mo").at("run", run_id) as address:
        visitor = Visitor(address)
        home, unseen = visitor.get("/"), visitor.get(visitor.path)
        named = visitor.get(f"{visitor.path}?model={model}")

        assert home.status == 200
        assert "What waits for people may not be read with your rights." in text(home.html)
        assert "Gates, failed ones first" not in text(unseen.html)
        assert "Gates, failed ones first" in text(named.html)
        assert "its life on record" in text(visitor.get(f"/model/{model}").html)
        assert visitor.get("/model/weekly").status == 403
        told = visitor.send(named, visitor.path, decision="APPROVED", subject="promotion", comment="of my model")
        assert (told.status, "Your answer is counted" in text(told.html)) == (200, True)
        assert loop.ended(arn).output["outcome"] == "PROMOTED"
        assert f"{model}: promoted" in text(visitor.get(f"{visitor.path}?model={model}").html)


def test_whom_nobody_gave_anything_gets_pages_that_say_so_and_decides_nothing(people: Reviewer) -> None:
    loop = people.loop
    _, arn, run_id = promoting(people)
    opened = Opened(loop, "zoe")
    with opened.at() as address:
        visitor = Visitor(address)
        page = visitor.get("/")

        assert page.status == 502
        assert "cannot be looked at" in text(page.html)
        assert "Traceback" not in page.html
    assert loop.status(arn) == "RUNNING"
    with Opened(loop, "cy").at("run", run_id) as address:
        visitor = Visitor(address)
        visitor.send(visitor.get(visitor.path), visitor.path, decision="REJECTED")
    loop.ended(arn)


# In a browser.


@contextmanager
def context(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A browser's profile of its own."""
    made = browser.new_context(locale="en-GB", **options)
    try:
        yield made
    finally:
        made.close()


def test_a_reviewer_at_a_phones_width_approves_with_the_keyboard_alone(people: Reviewer, browser: Browser) -> None:
    loop = people.loop
    model, arn, run_id = promoting(people)
    opened, complaints = Opened(loop, "ana"), list[str]()
    with opened.at() as address, context(browser, viewport=PHONE, java_script_enabled=False) as profile:
        page = profile.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        answer = page.goto(address)
        assert answer is not None
        assert (answer.status, page.url) == (200, address.partition("?")[0])

        page.get_by_role("link", name=f"Look and decide: Promotion of {model}").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", level=1).get_by_text(f"Approve the promotion of {model}?").wait_for()
        page.get_by_label("Comment").focus()
        page.keyboard.type("seen on the train <b>&</b>")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")

        page.get_by_role("heading", level=1).get_by_text("Decided").wait_for()
        assert "The run goes on" in page.get_by_role("status").inner_text()
        assert "seen on the train <b>&</b>" in page.get_by_role("table", name="Answers so far").inner_text()
    assert loop.ended(arn).output["outcome"] == "PROMOTED"
    assert complaints == []
    assert [vote["by"] for vote in people.evidence(model, run_id, "promotion")["votes"]] == [
        "arn:aws:iam::000000000000:user/ana"
    ]


@pytest.mark.threat("page-of-another-site")
def test_no_page_of_another_site_decides_anything(people: Reviewer, browser: Browser) -> None:
    """A page of another port, which a browser calls the same site, posts the very form."""
    loop = people.loop
    _, arn, run_id = promoting(people)
    opened = Opened(loop, "ana")
    with opened.at("run", run_id) as address, context(browser) as profile:
        page = profile.new_page()
        page.goto(address)
        nonce = page.locator("input[name=nonce]").get_attribute("value")
        target = page.url
        page.goto(f"{loop.aws.endpoint_url}/_ministack/health")
        page.set_content(
            f'<form method="post" action="{target}"><input name="nonce" value="{nonce}"><input name="subject" value="promotion">'
            '<input name="comment"><button name="decision" value="APPROVED">Win</button></form>'
        )
        page.get_by_role("button").click()
        page.get_by_role("heading", level=1).get_by_text("Nothing was decided").wait_for()
        page.goto(target)
        page.get_by_role("button", name="Reject the promotion").click()
        page.get_by_role("heading", level=1).get_by_text("Decided").wait_for()
    assert [cast.decision for cast in opened.desk.casts] == ["REJECTED"]
    loop.ended(arn)


def test_every_page_is_whole_for_everybody_and_gives_pictures_of_the_page(people: Reviewer, browser: Browser) -> None:
    """Axe finds nothing, light on a desk and dark at a phone's width, which nothing is wider than."""
    loop = people.loop
    _, arn, run_id = promoting(people, "card-fraud", approvals_needed=2)
    ended, ended_arn, ended_run = promoting(people, "churn")
    with Opened(loop, "cy").at("run", ended_run) as address:
        visitor = Visitor(address)
        visitor.send(visitor.get(visitor.path), visitor.path, decision="APPROVED", comment="Slices look right.")
    loop.ended(ended_arn)
    loop.report(ended, ended_run)
    paths = {
        "overview": "/",
        "run": f"/run/{run_id}",
        "model": f"/model/{ended}",
        "signals": "/signals",
        "none": "/nix",
        "ended": f"/run/{ended_run}",
    }
    looks: list[dict[str, Any]] = [{"viewport": DESK}, {"viewport": PHONE, "color_scheme": "dark"}]
    found: dict[str, Any] = {}
    with Opened(loop, "ana").at() as address, context(browser, viewport=PHONE) as opener:
        origin, door = address.rpartition("/")[0], opener.new_page()
        door.goto(address)
        for options in looks:
            # The page itself forbids scripts; only here it does not.
            with context(browser, storage_state=opener.storage_state(), bypass_csp=True, **options) as profile:
                page = profile.new_page()
                for name, path in paths.items():
                    page.goto(f"{origin}{path}")
                    found[f"{name} {options}"] = looked_at(page)
                # From the report, which is in a sandbox.
                page.get_by_role("link", name="Overview").click()
                page.get_by_role("heading", level=1).get_by_text(re.compile("approvals? wait")).wait_for()
        if PICTURES:
            for size, more in ((DESK, ""), (PHONE, "-phone")):
                door.set_viewport_size({"width": size["width"], "height": size["height"]})
                for name in ("overview", "run"):
                    door.goto(f"{origin}{paths[name]}")
                    clip = {"x": 0, "y": 0, "width": size["width"], "height": SHOWN}
                    door.screenshot(path=Path(PICTURES) / f"review-{name}{more}.png", full_page=True, clip=clip)  # type: ignore[arg-type] # a plain dict
    assert [each for each in found.items() if each[1]] == []
    loop.aws.client("stepfunctions").stop_execution(executionArn=arn)
    loop.ended(arn)


def looked_at(page: Page) -> list[Any]:
    """What axe finds, and what is wider than the page."""
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    found: list[Any] = ["wider than the window"] if wide else []
    return [*found, *violations(page)]
