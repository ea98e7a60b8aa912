"""The runbook as a page: it stands alone, its sections have the anchors that messages name, updates take the new one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ops.runbook_page import RUNBOOK, anchor, defaults, key_of, rendered, renewed

PAGE = rendered(RUNBOOK.read_text(encoding="utf-8"))
NEW = {
    "Parameters": {
        "RunbookUrl": {"Default": "https://console.aws.amazon.com/s3/object/b?region=r&prefix=retraining%2Fnew.html"},
        "RunbookObject": {"Default": "b/retraining/new.html"},
    }
}


def test_the_page_refers_to_nothing_outside_itself() -> None:
    targets = re.findall(r'(?:href|src)="([^"]*)"', PAGE)
    assert targets
    assert [target for target in targets if not target.startswith(("#", "https://"))] == []
    assert "<script" not in PAGE


def test_each_section_has_the_anchor_that_messages_name() -> None:
    ids = set(re.findall(r'<h3 id="([^"]+)"', PAGE))
    titles = re.findall(r"^### (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert ids == set(map(anchor, titles))
    assert {"rolled-back", "signal-not-decided", "frozen"} <= ids


def test_markup_in_the_text_stays_text() -> None:
    assert "<img" not in rendered("# T\n\n<img src=x onerror=alert(1)>")


def test_a_link_to_another_file_is_named_in_words() -> None:
    page = rendered("# T\n\nSee [signals](signals.md#x) and [here](#t).")
    assert "See signals (docs/signals.md) and" in page
    assert '<a href="#t">here</a>' in page


def test_the_key_of_the_page_is_its_content() -> None:
    assert key_of(b"a", "retraining") != key_of(b"b", "retraining")
    assert re.fullmatch(r"retraining/[0-9a-f]{64}\.html", key_of(b"a", "retraining"))


def test_a_packaged_template_says_where_its_runbook_is() -> None:
    document = {"Parameters": {"RunbookUrl": {"Default": "docs/runbook.md"}, "RunbookObject": {"Default": ""}}, "R": 1}
    made = defaults(document, address="https://x", bucket="b", key="k.html")
    assert made["Parameters"]["RunbookUrl"]["Default"] == "https://x"
    assert made["Parameters"]["RunbookObject"]["Default"] == "b/k.html"
    unknown = defaults(document, address=None, bucket="b", key="k.html")
    assert unknown["Parameters"]["RunbookUrl"]["Default"] == "docs/runbook.md"


@pytest.mark.parametrize(
    ("url", "object_", "taken"),
    [
        ("docs/runbook.md", None, True),
        ("docs/runbook.md", "", True),
        (
            "https://console.aws.amazon.com/s3/object/b?region=r&prefix=retraining%2Fold.html",
            "b/retraining/old.html",
            True,
        ),
        ("https://wiki.example.com/runbook", "b/retraining/old.html", False),
        ("https://wiki.example.com/runbook", "", False),
    ],
)
def test_an_update_takes_the_page_of_its_release_unless_a_team_has_its_own(
    url: str, object_: str | None, taken: bool
) -> None:
    found: dict[str, Any] = {"Parameters": [{"ParameterKey": "RunbookUrl", "ParameterValue": url}]}
    if object_ is not None:
        found["Parameters"].append({"ParameterKey": "RunbookObject", "ParameterValue": object_})
    wanted = {name: declared["Default"] for name, declared in NEW["Parameters"].items()}
    assert renewed(found, NEW) == (wanted if taken else {})


def test_a_new_stack_takes_the_defaults_by_itself() -> None:
    assert renewed(None, NEW) == {}
