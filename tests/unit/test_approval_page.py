"""The review page and its requests: what is escaped, what is allowed, who is believed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest

from orchestration.approval_handler import answer
from orchestration.domain.approval_view import Asked, sections_of
from orchestration.domain.contracts import WaitKind
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.page import Section, Table
from orchestration.domain.review_page import HEADERS, STYLE, Form, View, render
from orchestration.settings import ApprovalAccess
from orchestration.steps.approvals import decide_request
from tests.unit import stories
from tests.unit.fakes import World, execution_arn
from tests.unit.test_approval_view import asked as approval

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


def everywhere(text: str) -> dict[str, Any]:
    """What is read of an approval, with a text in every place where there can be one."""
    gates = [
        {"name": "auc bound", "value": 0.9, "comparison": ">=", "bound": 0.8, "passed": True},
        {"name": text, "metric": text, "value": None, "comparison": text, "bound": None, "passed": False},
    ]
    variant = {"VariantName": text, "ModelName": text, "InstanceType": text, "InitialInstanceCount": 1}
    plan = {
        "kind": "endpoint",
        "endpoint": text,
        "previous_config": text,
        "wanted_config": text,
        "create_model": {"ModelName": text, "PrimaryContainer": {"ModelDataUrl": text, "Image": f"{text}@{text}"}},
        "create_endpoint_config": {"ProductionVariants": [variant], "ShadowProductionVariants": [variant]},
        "update_endpoint": {"EndpointName": text, "DeploymentConfig": {text: text}},
        "bake_seconds": 60,
        "alarms": [text],
        "inconclusive": text,
    }
    request = {
        "ResourceConfig": {"InstanceType": text, "InstanceCount": 1},
        "AlgorithmSpecification": {"TrainingImage": text},
    }
    return {
        "data": {
            "why": text,
            "severity": text,
            "approvals_needed": 2,
            "budget": {"used": 1, "runs": 4, "days": 30.0},
            "votes": [{"by": text, "answer": "APPROVED", "via": text, "comment": text, "at": NOW.isoformat()}],
            "verdict": {"sentence": text, "gates": gates, "promotion": {"kind": "endpoint", "endpoint": text}},
            "voters": [text],
            "deputies": [text],
            "asked_by": [text],
            "policy_written": text,
            "policy_sha256": text,
            "manifest_uri": text,
            "manifest_sha256": text,
        },
        "manifest": {
            "signal": {
                "summary": text,
                "endpoint": text,
                "report_uri": text,
                "threshold": {"metric": text, "observed": 0.9, "threshold": 0.2, "ratio": 4.5},
                "dataset": {"uri": text, "window_start": text},
                "violations": [{"feature": text, "check": text, "description": text}],
            },
            "training": {"target": text, "input": {text: text, "output_uri": text, "run_id": "hidden"}},
            "champion": dict.fromkeys(("endpoint", "endpoint_config", "model_name", "model_data_uri", "image"), text),
            "policy": {
                "version": text,
                "sha256": text + " ",
                "effective": {"promotion": {"kind": text, "endpoint": text}, "training": {"request": request}},
            },
            "execution_arn": text,
        },
        "evaluation": {
            "verdict": {"candidate_metrics": {text: 0.9}, "champion_metrics": {text: 0.8}},
            "evaluation_uri": text,
            "versions": {text: text, f"{text} ": f"{text}/12"},
            "answer": {"plan": plan, "copies": [{"source": text, "version": text, "uri": text}]},
        },
        "runs": [{"run_id": text, "started_at": text, "outcome": text, "severity": text, "reason": text}],
        "statuses": [{"status": text, "at": text, "details": {text: text}}],
    }


def asked(subject: str = "promotion", **changes: Any) -> Asked:
    times = {
        "parked_at": (NOW - timedelta(hours=3)).isoformat(),
        "deadline": (NOW + timedelta(hours=21)).isoformat(),
    }
    return approval(subject, **{**times, **everywhere(NASTY), **changes})


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
        assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > (60 if subject == "promotion" else 40)

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


@pytest.fixture
def asking(new_world: Callable[..., World]) -> World:
    """A stack whose run of fraud asks two people about its training."""
    world = new_world()
    approval = {"training": "always", "approvals_needed": 2}
    stories.decided(world, approval=approval, actions={"warning": "approve", "critical": "approve"})
    stories.do(world, "park", kind="approval", subject="training", token="token")
    return world


def votes(world: World) -> list[Any]:
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "training")
    assert wait is not None
    return list(wait.data["votes"])


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
    def test_the_identity_is_the_one_lambda_found_in_the_signature(self, asking: World) -> None:
        told = answer(signed("POST", "subject=training&decision=APPROVED&comment=fine"), asking.ports)

        assert told["statusCode"] == 200
        (vote,) = json.loads(told["body"])["votes"]
        assert (vote["by"], vote["via"]) == ("arn:aws:sts::111122223333:assumed-role/R", "iam identity")
        assert vote["arn"] == "arn:aws:sts::111122223333:assumed-role/R/ada"
        assert vote["proven_by"] == "role, whoever used it"

    def test_a_comment_of_1000_characters_is_kept_and_a_longer_one_or_none_of_ones_own_refused(
        self, asking: World
    ) -> None:
        form = "subject=training&decision=APPROVED&comment="
        long = answer(signed("POST", form + "x" * 1001), asking.ports)
        assert long["statusCode"] == 400
        assert "1001 characters; at most 1000" in long["body"]
        with pytest.raises(InvalidRequestError, match="1001 characters; at most 1000"):
            decide_request({"run_id": "run-1", "decision": "REJECTED", "comment": "x" * 1001}, asking.ports)
        assert votes(asking) == []

        place = answer(signed("POST", form + "%3Cwhy%3E"), asking.ports)
        assert place["statusCode"] == 400
        assert "The comment is <why>, a place to fill in" in place["body"]
        with pytest.raises(InvalidRequestError, match=r"The comment is \.\.\., a place to fill in"):
            decide_request({"run_id": "run-1", "decision": "REJECTED", "comment": "..."}, asking.ports)
        assert votes(asking) == []

        assert answer(signed("POST", form + "x" * 1000), asking.ports)["statusCode"] == 200
        assert votes(asking)[0]["comment"] == "x" * 1000

    def test_a_field_of_the_form_cannot_name_somebody_else(self, asking: World) -> None:
        assert answer(signed("POST", "subject=training&decision=APPROVED&by=root"), asking.ports)["statusCode"] == 400

    @pytest.mark.parametrize("arn", [None, "", "\x00"])
    def test_a_request_without_an_identity_decides_nothing(self, asking: World, arn: str | None) -> None:
        told = answer(signed("POST", "subject=training&decision=APPROVED", arn), asking.ports)

        assert told["statusCode"] == 403
        assert votes(asking) == []

    def test_a_request_of_the_url_cannot_pass_for_one_from_the_terminal(self, asking: World) -> None:
        event = {**signed("POST", ""), "action": "decide", "run_id": "run-1", "decision": "APPROVED", "by": "root"}

        assert answer(event, asking.ports)["statusCode"] == 400

    def test_without_a_page_every_request_of_a_url_is_not_found(self, asking: World) -> None:
        off = replace(asking.ports, settings=replace(asking.settings, approval_access=ApprovalAccess.OFF))

        assert answer(signed("GET"), off)["statusCode"] == 404

    @pytest.mark.parametrize("event", [{}, {"action": "admit"}, None, []])
    def test_an_invocation_that_is_no_decision_is_refused(self, asking: World, event: Any) -> None:
        with pytest.raises(InvalidRequestError):
            answer(event, asking.ports)

    def test_a_body_that_is_not_what_it_says_is_refused(self, asking: World) -> None:
        assert answer({**signed("POST", ""), "body": "%%%"}, asking.ports)["statusCode"] == 400
        assert answer({**signed("POST", "é=1")}, asking.ports)["statusCode"] == 400
        assert answer({**signed("POST"), "body": "A" * 22_000}, asking.ports)["statusCode"] == 413
        assert answer({**signed("POST"), "body": "A" * 17_000}, asking.ports)["statusCode"] == 413

    def test_the_second_person_decides_and_the_workflow_hears_of_it(self, asking: World) -> None:
        form = "subject=training&decision=APPROVED"
        people = [f"arn:aws:iam::111122223333:user/{name}" for name in ("ada", "ada", "grace")]
        told = [answer(signed("POST", form, arn), asking.ports)["statusCode"] for arn in people]

        assert told == [200, 409, 200]
        assert stories.next_of(asking, "token") == "train"
        evidence = asking.read("evidence/fraud/run-1/approval-training.json")
        assert [vote["by"] for vote in evidence["votes"]] == [people[0], people[2]]

    def test_of_two_people_who_answer_at_once_no_vote_is_lost(self, asking: World) -> None:
        form = "subject=training&decision=APPROVED"
        grace = signed("POST", form, "arn:aws:iam::111122223333:user/grace")
        asking.outside.meanwhile("TransactWriteItems", lambda: answer(grace, asking.ports))

        assert answer(signed("POST", form), asking.ports)["statusCode"] == 200
        assert stories.next_of(asking, "token") == "train"
        assert len(votes(asking)) == 2

    def test_a_plan_that_is_not_the_one_asked_about_is_not_approved_and_may_be_rejected(self, asking: World) -> None:
        asking.put("manifests/fraud/run-1.json", {"training": "mine"})

        approved = answer(signed("POST", "subject=training&decision=APPROVED"), asking.ports)
        rejected = answer(signed("POST", "subject=training&decision=REJECTED"), asking.ports)

        assert (approved["statusCode"], rejected["statusCode"]) == (409, 200)
        assert stories.next_of(asking, "token") == "record"

    def test_nothing_is_decided_about_a_run_that_is_over(self, asking: World) -> None:
        stories.tell_dead(asking, "ABORTED")

        assert answer(signed("POST", "subject=training&decision=APPROVED"), asking.ports)["statusCode"] == 409
        assert votes(asking) == []


def link_in(world: World) -> str:
    """The query of the newest link people got."""
    texts = [message.text() for message in world.channels.messages]
    return re.findall(r"https://review\.example\.com/\?(\S+)", "\n".join(texts))[-1]  # type: ignore[no-any-return] # re's


class TestLinks:
    @pytest.fixture
    def linked(self, new_world: Callable[..., World]) -> World:
        """A stack with links whose run asks one person."""
        world = new_world(approval_access=ApprovalAccess.LINK)
        stories.decided(world, approval={"training": "always"}, actions={"warning": "approve", "critical": "approve"})
        stories.do(world, "park", kind="approval", subject="training", token="token")
        return world

    def posted(self, world: World, query: str, decision: str = "APPROVED") -> int:
        nonce = parse_qs(query)["nonce"][0]
        form = f"subject=training&decision={decision}&nonce={nonce}"
        request = {**signed("POST", form, None), "rawQueryString": query}
        return int(answer(request, world.ports)["statusCode"])

    def test_a_link_decides_once_for_whoever_holds_it(self, linked: World) -> None:
        query = link_in(linked)
        assert self.posted(linked, query) == 200
        assert stories.next_of(linked, "token") == "train"
        assert self.posted(linked, query) == 409

    def test_every_message_has_a_link_of_its_own_and_all_of_them_stay_valid(self, linked: World) -> None:
        first = link_in(linked)
        linked.executions.statuses[execution_arn("run-1")] = "RUNNING"
        linked.clock.forward(hours=5)
        stories.do(linked, "sweep")
        assert link_in(linked) != first
        assert self.posted(linked, first) == 200

    def test_where_a_policy_names_who_may_answer_a_link_offers_no_answer_and_says_where_to_give_one(
        self, new_world: Callable[..., World]
    ) -> None:
        world = new_world(approval_access=ApprovalAccess.LINK)
        stories.decided(world, approval={"training": "always"}, voters=["ana"])
        stories.do(world, "park", kind="approval", subject="training", token="token")
        query = link_in(world)
        page = answer({**signed("GET", None, None), "rawQueryString": query}, world.ports)["body"]
        assert "retraining approve run-1 --comment " in page
        assert "retraining reject run-1 --comment " in page
        assert not Outline(page).all("button")
        assert [self.posted(world, query, decision) for decision in ("APPROVED", "REJECTED")] == [403, 403]

    def test_a_link_nobody_was_sent_decides_nothing(self, linked: World) -> None:
        assert self.posted(linked, "run=run-1&nonce=" + "0" * 43) == 403
        assert votes(linked) == []

    def test_no_stored_item_and_no_evidence_holds_a_links_nonce(self, linked: World) -> None:
        nonce = parse_qs(link_in(linked))["nonce"][0]
        self.posted(linked, link_in(linked))
        assert nonce not in json.dumps(list(linked.database.items.values()))
        assert all(nonce.encode() not in body for body in linked.bucket.objects.values())


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours. Source: WCAG 2.2, relative luminance."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
