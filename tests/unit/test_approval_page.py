"""The review page and its requests: what is escaped, what is allowed, who is believed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any, ClassVar, cast

import pytest

from orchestration.approval_handler import answer
from orchestration.domain.documents import Document
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.review_page import HEADERS, STYLE, Asked, Form, Section, Table, View, render, sections_of
from orchestration.ports import ApprovalPorts
from orchestration.settings import ApprovalAccess, ApprovalSettings
from orchestration.domain.wait import Wait

NASTY = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Outline(HTMLParser):
    """Tags with their attributes, in order, and whether every one of them was closed."""

    VOID: ClassVar = {"meta", "input"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def asked(subject: str = "promotion", **changes: Any) -> Asked:
    gates = [
        {"name": "auc bound", "value": 0.9, "comparison": ">=", "bound": 0.8, "passed": True},
        {"name": NASTY, "value": None, "comparison": ">=", "bound": None, "passed": False},
    ]
    values: dict[str, Any] = {
        "model": "fraud",
        "run_id": "run-1",
        "subject": subject,
        "asked_at": (NOW - timedelta(hours=3)).isoformat(),
        "deadline": (NOW + timedelta(hours=21)).isoformat(),
        "data": {
            "why": NASTY,
            "severity": "critical",
            "approvals_needed": 2,
            "budget": {"used": 1, "runs": 4, "days": 30.0},
            "votes": [{"by": NASTY, "answer": "APPROVED", "via": NASTY, "comment": NASTY, "at": NOW.isoformat()}],
            "verdict": {"sentence": NASTY, "gates": gates, "promotion": {"kind": "endpoint", "endpoint": NASTY}},
        },
        "manifest": {
            "signal": {
                "summary": NASTY,
                "endpoint": NASTY,
                "threshold": {"metric": NASTY, "observed": 0.9, "threshold": 0.2, "ratio": 4.5},
                "dataset": {"uri": NASTY, "window_start": NASTY},
                "violations": [{"feature": NASTY, "check": NASTY, "description": NASTY}],
            },
            "training": {"target": NASTY, "input": {NASTY: NASTY, "run_id": "hidden"}},
        },
        "evaluation": {"verdict": {"candidate_metrics": {NASTY: 0.9}, "champion_metrics": {NASTY: 0.8}}},
        "runs": [{"run_id": NASTY, "started_at": NASTY, "outcome": NASTY, "severity": NASTY, "reason": NASTY}],
    }
    return Asked(**{**values, **changes})


def page(form: Form | None = None, subject: str = "promotion") -> str:
    return render(View(NASTY, NASTY, NASTY, "warn", NASTY, sections_of(asked(subject), NOW), form, NASTY))


class TestPage:
    @pytest.mark.parametrize("subject", ["training", "promotion"])
    def test_every_value_is_escaped(self, subject: str) -> None:
        html = page(Form(NASTY, NASTY, NASTY), subject)
        outline = Outline(html)

        assert outline.open == []
        assert outline.all("script") == outline.all("img") == []
        assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]
        assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 20

    def test_the_policy_allows_exactly_the_style_of_the_page(self) -> None:
        (style,) = re.findall(r"<style>(.*?)</style>", page(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

        assert style == STYLE
        assert HEADERS["Content-Security-Policy"] == (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        assert not [attributes for _, attributes in Outline(page()).tags if "style" in attributes]

    def test_a_screen_reader_finds_language_landmarks_headings_labels_and_captions(self) -> None:
        outline = Outline(page(Form("?run=r", "training", "n")))
        identities = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]

        assert outline.all("html") == [{"lang": "en"}]
        assert [len(outline.all(tag)) for tag in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
        assert len(identities) == len(set(identities))
        for section in outline.all("section"):
            assert section.get("aria-label") or section["aria-labelledby"] in identities
        assert outline.all("label")[0]["for"] == outline.all("textarea")[0]["id"]
        assert len(outline.all("caption")) == len(outline.all("table")) > 3
        assert {cell["scope"] for cell in outline.all("th")} == {"col", "row"}
        assert "width=device-width" in str(outline.all("meta")[1]["content"])

    def test_a_page_without_a_form_decides_nothing(self) -> None:
        outline = Outline(page(None))

        assert outline.all("form") == outline.all("button") == []

    @pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
    def test_text_and_buttons_have_enough_contrast(self, scheme: int) -> None:
        colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", STYLE.split("@media (prefers")[0]))
        if scheme:
            colours |= dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", STYLE.split("@media (prefers")[1]))
        pairs = [
            ("ink", "paper"), ("ink", "card"), ("soft", "paper"), ("soft", "card"), ("yes-ink", "yes"),
            ("no", "card"), ("yes", "card"), ("ink", "warn-paper"), ("ink", "good-paper"),
        ]  # fmt: skip

        for text, ground in pairs:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)

    def test_a_record_that_lacks_everything_still_makes_a_page(self) -> None:
        bare = asked("promotion", data={"approvals_needed": 1}, manifest={}, evaluation={}, runs=[])

        assert Outline(render(View("t", "k", "n", sections=sections_of(bare, NOW)))).open == []

    def test_the_document_for_programs_has_what_the_page_says_and_no_nonce(self) -> None:
        view = View(
            "t",
            "k",
            "n",
            sections=(Section("h", (("a", "b"),), (Table("c", ("x", "y"), (("1", "2"),)),)),),
            form=Form("?", "training", "secret"),
        )

        assert "secret" not in json.dumps(view.as_json())
        assert view.as_json()["sections"] == [
            {"heading": "h", "facts": {"a": "b"}, "tables": [{"caption": "c", "rows": [{"x": "1", "y": "2"}]}]}
        ]


class FakeTable:
    """One open approval; takes every change, as the real table does for a wait nobody else changes."""

    def __init__(self) -> None:
        self.parked: Wait | None = Wait(
            wait_id="run-1:approval:training",
            kind="approval",
            subject="training",
            run_id="run-1",
            model="fraud",
            token="token",
            execution_arn="arn",
            parked_at=(NOW - timedelta(hours=1)).isoformat(),
            deadline=(NOW + timedelta(hours=1)).isoformat(),
            next_step_at=NOW.isoformat(),
            step=0,
            state=Wait.PARKED,
            data={
                **asked("training").data,
                "votes": [],
                "nonces": [],
                "manifest_sha256": hashlib.sha256(b"{}").hexdigest(),
            },
        )

    def wait(self, wait_id: str) -> Wait | None:
        return self.parked if self.parked and self.parked.wait_id == wait_id else None

    def past_wait(self, run_id: str, wait_id: str) -> None:
        del run_id, wait_id

    def run(self, run_id: str) -> None:
        del run_id

    def runs_of_model(self, model: str, limit: int) -> list[dict[str, Any]]:
        del model, limit
        return []

    def kill_switches(self) -> tuple[()]:
        return ()

    def update_wait(self, before: Wait, after: Wait) -> bool:
        assert before == self.parked
        self.parked = replace(after, revision=before.revision + 1)
        return True


class FakeBucket:
    """A bucket that holds an empty JSON object under every key."""

    def uri(self, key: str) -> str:
        return f"s3://bucket/{key}"

    def read(self, uri: str) -> Document:
        return Document(uri, body=b"{}")


class FakeChannels:
    """Keeps what was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def tell(self, message: Any) -> None:
        self.told.append(message)


@pytest.fixture
def ports() -> ApprovalPorts:
    """What ApprovalFunction works with in a stack with signed access and one open approval that needs two people."""
    settings = ApprovalSettings("bucket", "table", "topic", "", "machine", "runbook", ApprovalAccess.IAM, "")
    return ApprovalPorts(
        settings=settings,
        table=cast("Any", FakeTable()),
        bucket=cast("Any", FakeBucket()),
        channels=cast("Any", FakeChannels()),
        executions=cast("Any", None),
        now=lambda: NOW,
        pause=lambda _: None,
        nonce=lambda: "nonce",
    )


def signed(
    method: str, body: str | None = None, arn: str | None = "arn:aws:sts::111122223333:assumed-role/R/ada"
) -> Any:
    """A signed request, as the payload format 2.0 of the Lambda developer guide shows it for function URLs."""
    context: dict[str, Any] = {
        "accountId": "111122223333",
        "apiId": "urlid",
        "authentication": None,
        "authorizer": {
            "iam": {
                "accessKey": "AKIA",
                "accountId": "111122223333",
                "callerId": "AIDA",
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": arn,
                "userId": "AIDA",
            }
        },
        "domainName": "urlid.lambda-url.us-east-1.on.aws",
        "http": {"method": method, "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl"},
        "requestId": "id",
        "routeKey": "$default",
        "stage": "$default",
        "timeEpoch": 1583348638390,
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "run=run-1",
        "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Accept": "application/json"},
        "requestContext": context,
        "body": None if body is None else base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": body is not None,
    }


class TestWhoDecides:
    def test_the_identity_is_the_one_lambda_found_in_the_signature(self, ports: ApprovalPorts) -> None:
        told = answer(signed("POST", "subject=training&decision=APPROVED&comment=fine"), ports)

        assert told["statusCode"] == 200
        (vote,) = json.loads(told["body"])["votes"]
        assert (vote["by"], vote["via"]) == ("arn:aws:sts::111122223333:assumed-role/R/ada", "iam identity")

    def test_a_field_of_the_form_cannot_name_somebody_else(self, ports: ApprovalPorts) -> None:
        assert answer(signed("POST", "subject=training&decision=APPROVED&by=root"), ports)["statusCode"] == 400

    @pytest.mark.parametrize("arn", [None, "", "\x00"])
    def test_a_request_without_an_identity_decides_nothing(self, ports: ApprovalPorts, arn: str | None) -> None:
        told = answer(signed("POST", "subject=training&decision=APPROVED", arn), ports)

        assert told["statusCode"] == 403
        assert cast("Any", ports.table).parked.data["votes"] == []

    def test_a_request_of_the_url_cannot_pass_for_one_from_the_terminal(self, ports: ApprovalPorts) -> None:
        event = {**signed("POST", ""), "action": "decide", "run_id": "run-1", "decision": "APPROVED", "by": "root"}

        assert answer(event, ports)["statusCode"] == 400

    def test_without_a_page_every_request_of_a_url_is_not_found(self, ports: ApprovalPorts) -> None:
        off = replace(ports, settings=replace(ports.settings, approval_access=ApprovalAccess.OFF))

        assert answer(signed("GET"), off)["statusCode"] == 404

    @pytest.mark.parametrize("event", [{}, {"action": "admit"}, None, []])
    def test_an_invocation_that_is_no_decision_is_refused(self, ports: ApprovalPorts, event: Any) -> None:
        with pytest.raises(InvalidRequestError):
            answer(event, ports)

    def test_a_body_that_is_not_what_it_says_is_refused(self, ports: ApprovalPorts) -> None:
        assert answer({**signed("POST", ""), "body": "%%%"}, ports)["statusCode"] == 400
        assert answer({**signed("POST", "é=1")}, ports)["statusCode"] == 400
        assert answer({**signed("POST"), "body": "A" * 22_000}, ports)["statusCode"] == 413
        assert answer({**signed("POST"), "body": "A" * 17_000}, ports)["statusCode"] == 413


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours. Source: WCAG 2.2, relative luminance."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
