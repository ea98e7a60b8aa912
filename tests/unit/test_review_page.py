"""The page itself: what is read in which order, what its buttons send, what its headers forbid."""

from __future__ import annotations

import re

from orchestration.domain.contracts import OUTCOMES
from orchestration.domain.page import Section, Table
from orchestration.domain.review_page import HEADERS, STYLE, Form, View, render
from tests.unit.test_approval_page import Outline
from tests.unit.test_approval_view import asked, part

FULL = View(
    "Train fraud?",
    "Run run-9",
    "Look and decide.",
    clock="3 h left.",
    sections=(
        Section("Drift", (("Metric", "psi"),), (Table("Gates", ("Gate", "Result"), (("auc", "pass"),)),)),
        Section("Record", (("Manifest", "m"),)),
        Section("Tables only", (), (Table("Rows", ("Row", "Value"), (("a", "pass"), ("b", "x"))),)),
    ),
    form=Form("?run=run-9", "training", "n0nce"),
    hint="One answer is enough.",
)


def words(html: str) -> list[str]:
    """What somebody who reads the page reads, from top to bottom."""
    return [line for text in re.split(r"<style>.*?</style>|<[^>]+>", html, flags=re.DOTALL) if (line := text.strip())]


def test_a_page_is_read_from_what_is_asked_over_the_facts_to_the_decision() -> None:
    assert words(render(FULL)) == [
        *("Train fraud?", "Run run-9", "Train fraud?", "Look and decide.", "3 h left.", "To your decision"),
        *("Drift", "Metric", "psi", "Gates", "Gate", "Result", "auc", "pass"),
        *("Record", "Manifest", "m"),
        *("Tables only", "Rows", "Row", "Value", "a", "pass", "b", "x"),
        *("Your decision", "One answer is enough.", "Comment"),
        "Optional, up to 1000 characters; kept as evidence.",
        *("Approve the training", "Reject the training"),
        "Reading this page decides nothing; only its buttons do. No answer in time means no.",
    ]


def test_a_page_without_a_form_leads_to_none_and_says_only_what_there_is() -> None:
    bare = render(View("t", "k", "n", sections=(Section("h"),)))
    assert words(bare)[:5] == ["t", "k", "t", "n", "h"]
    assert words(bare)[5:] == ["Nothing can be decided on this page."]
    assert Outline(bare).all("a") == Outline(bare).all("dl") == Outline(bare).all("p")[3:] == []


def test_what_the_buttons_send_is_the_decision_the_comment_the_subject_and_the_nonce_of_a_link() -> None:
    outline = Outline(render(FULL))
    assert outline.all("form") == [{"method": "post", "action": "?run=run-9"}]
    hidden = {each["name"]: each["value"] for each in outline.all("input")}
    assert hidden == {"subject": "training", "nonce": "n0nce"}
    assert [(each["name"], each["value"]) for each in outline.all("button")] == [
        ("decision", "APPROVED"),
        ("decision", "REJECTED"),
    ]
    assert [(each["name"], each["maxlength"]) for each in outline.all("textarea")] == [("comment", "1000")]


def test_a_form_of_who_is_signed_in_has_no_nonce_and_one_that_only_rejects_no_approval() -> None:
    outline = Outline(render(View("t", "k", "n", form=Form("?", "bake", None, approves=False))))
    assert [each["name"] for each in outline.all("input")] == ["subject"]
    assert [each["value"] for each in outline.all("button")] == ["REJECTED"]
    assert "hint" not in {each.get("class") for each in outline.all("section")}
    assert words(render(View("t", "k", "n", form=Form("?", "bake", None))))[5:7] == ["Your decision", "Comment"]


def test_only_results_are_coloured_and_nothing_is_folded() -> None:
    outline = Outline(render(FULL))
    assert [each["class"] for each in outline.all("td")] == ["pass whole", "figure whole", "figure whole"]
    assert outline.all("details") == []
    odd = View(
        "t", "k", "n", sections=(Section("h", (), (Table("c", ("x", "Result"), (("1", "maybe"), ("2", "fail"))),)),)
    )
    assert [each["class"] for each in Outline(render(odd)).all("td")] == ["figure whole", "fail whole"]
    assert [each["class"] for each in Outline(render(odd)).all("section")[:1]] == ["notice plain"]


def test_a_cell_breaks_an_address_and_no_outcome_of_a_run() -> None:
    cells = (*map(str, OUTCOMES), f"{max(OUTCOMES, key=len)} (rollback)", "s3://a-bucket/runs/fraud/run-1")
    rows = Section("h", (), (Table("c", ("x", "y"), tuple(("1", cell) for cell in cells)),))
    classes = [each["class"] for each in Outline(render(View("t", "k", "n", sections=(rows,)))).all("td")]
    assert classes == ["figure whole"] * (len(cells) - 1) + ["figure"]


def test_a_table_that_a_phone_shows_as_cards_names_each_value_and_stays_a_table_to_a_screen_reader() -> None:
    outline = Outline(render(FULL))
    assert [each["data-label"] for each in outline.all("td")] == ["Result", "Value", "Value"]
    roles = [each.get("role") for tag in ("table", "thead", "tbody", "tr", "th", "td") for each in outline.all(tag)]
    assert roles == [
        *["table"] * 2,
        *["rowgroup"] * 4,
        *["row"] * 5,
        *(["columnheader"] * 2 + ["rowheader"]),
        *(["columnheader"] * 2 + ["rowheader"] * 2),
        *["cell"] * 3,
    ]
    assert "td::before{content:attr(data-label)" in STYLE


def test_a_document_for_programs_says_whether_anything_is_open_and_on_what() -> None:
    document = FULL.as_json()
    assert document.keys() == {"title", "notice", "open", "subject", "sections"}
    assert (document["title"], document["notice"]) == ("Train fraud?", "Look and decide.")
    assert (document["open"], document["subject"]) == (True, "training")
    closed = View("t", "k", "n").as_json()
    assert (closed["open"], closed["subject"], closed["sections"]) == (False, None, [])


def test_a_text_is_shown_up_to_1000_characters_and_a_notice_up_to_4000() -> None:
    def shown(length: int) -> str:
        return dict(part("What drifted", asked(data={"why": "w" * length})).facts)["What happened"]

    assert shown(1000) == "w" * 1000
    assert re.fullmatch(r"w{900,}\.\.\. \(\d+ more characters\)", shown(1001))
    for length, whole in ((4000, True), (4001, False)):
        view = View("t", "k", "w" * length)
        assert (view.as_json()["notice"] == "w" * length) is whole
        assert (f"<p>{'w' * length}</p>" in render(view)) is whole
        hinted = View("t", "k", "n", form=FULL.form, hint="w" * length)
        assert (f"<p>{'w' * length}</p>" in render(hinted)) is whole


def test_no_answer_is_kept_by_a_cache_told_to_another_page_or_listed() -> None:
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert {name: value for name, value in HEADERS.items() if name != "Content-Security-Policy"} == {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "Vary": "Accept",
    }
