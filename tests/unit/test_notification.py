"""Messages: a subject that SNS takes, a text people read, and the JSON that chat applications take."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from orchestration.domain.commands import Place
from orchestration.domain.contracts import Decision, Status
from orchestration.domain.errors import TransientServiceError
from orchestration.domain.messages import Speaker, model_frozen, run_status, signal_decided
from orchestration.domain.notification import DESCRIPTION_LIMIT, Message, Page
from orchestration.stores.channels_sns import Channels

quick = settings(max_examples=80)
texts = st.text(max_size=400) | st.sampled_from(["line\nbreak", "tab\there", "carriage\rreturn", "Größe", "x" * 9000])
messages = st.builds(
    Message,
    model=st.none() | st.sampled_from(["churn", "a" * 63]),
    status=st.sampled_from([*map(str, Decision), *map(str, Status)]),
    title=texts,
    sentence=texts,
    facts=st.lists(st.tuples(st.text(max_size=9), texts), max_size=4).map(tuple),
    next_steps=st.lists(texts, max_size=3).map(tuple),
    escalates=st.booleans(),
    thread=st.sampled_from(["", "run-1"]),
    extra=st.sampled_from([{}, {"explain": "run-1.nonce"}]),
)
RUNBOOK = "https://example.com/runbook"
SPEAKER = Speaker(Place("retraining", "eu-west-1"), "arn:x:states:eu-west-1:1:stateMachine:m", RUNBOOK)
STACK = "--stack retraining --region eu-west-1"


@quick
@given(messages)
def test_a_subject_is_one_line_of_less_than_100_printable_ascii_characters(message: Message) -> None:
    assert len(message.subject) < 100
    assert message.subject.isascii()
    assert message.subject.isprintable()
    assert message.subject.startswith("[")


@quick
@given(messages)
def test_a_chat_message_has_the_shape_and_the_limits_of_a_custom_notification(message: Message) -> None:
    body: dict[str, Any] = json.loads(message.chat())
    assert (body["version"], body["source"]) == ("1.0", "custom")
    buttons = bool(message.thread and message.extra)
    assert set(body) <= {"version", "source", "content", "metadata", *(["id"] if buttons else [])}
    content = body["content"]
    assert set(content) <= {"textType", "title", "description", "nextSteps"}
    assert content["textType"] == "client-markdown"
    assert 0 < len(content["title"]) <= 250
    assert 0 < len(content["description"]) <= 8000
    assert all(len(step) <= 350 for step in content.get("nextSteps", []))
    assert ("metadata" in body) is bool(message.thread)
    if message.thread:
        assert body["metadata"]["threadId"] == "run-1"
        assert body["metadata"].get("additionalContext", {}) == message.extra
        assert ("enableCustomActions" in body["metadata"]) is buttons


@quick
@given(messages)
def test_every_protocol_has_a_body_and_one_is_the_default(message: Message) -> None:
    bodies = message.by_protocol()
    assert {"default", "https"} == set(bodies)
    assert bodies["default"] == message.text()
    json.loads(bodies["https"])


def test_an_email_says_what_happened_then_the_facts_then_what_to_do() -> None:
    record = {"decision": "HOLD", "reason": "BROKEN_DATA", "sentence": "Column plan is a text", "model": "churn"}
    message = signal_decided(SPEAKER, {**record, "signal_id": "s-1"}, {"run": "run-1", "endpoint": "churn-prod"})
    assert message.subject == "[churn] Signal held: the data are broken"
    assert message.text().splitlines() == [
        "Column plan is a text.",
        "",
        "run: run-1",
        "endpoint: churn-prod",
        "signal: s-1",
        "",
        "What to do:",
        "- Data owner: mend the data; a signal on sound data is decided by itself.",
        f"- Then ask for the retraining: retraining retrain --model churn --reason '<why>' {STACK}",
        f"- See what it was decided on: retraining explain s-1 {STACK}",
        '- Runbook, section "Broken data": https://example.com/runbook#broken-data',
    ]


@pytest.mark.parametrize("decision", Decision)
def test_every_decision_has_a_title_and_what_stops_has_a_runbook_link(decision: Decision) -> None:
    record = {"decision": decision, "reason": "SOME_REASON", "sentence": "So.", "model": None, "signal_id": "s-1"}
    message = signal_decided(SPEAKER, record, {})
    assert message.subject.startswith("[retraining] ")
    assert ("#some-reason" in message.text()) is (decision in {Decision.HOLD, Decision.REJECT})
    assert not message.escalates


@pytest.mark.parametrize("status", Status)
def test_every_failure_escalates_with_a_runbook_link_and_nothing_else_does(status: Status) -> None:
    message = run_status(
        SPEAKER, status=status, run_id="run-1", model="churn", sentence="So.", facts={"evidence": "s3://a/b"}
    )
    assert message.escalates is status.escalates
    # A training that waits goes on by itself; whoever wants it to end is told how, or to have what nobody answered after all.
    assert ("What to do:" in message.text()) is (
        status.escalates or status in {Status.TRAINING_WAITING, Status.APPROVAL_EXPIRED, Status.SUPERSEDED}
    )
    assert message.subject.startswith("[ESCALATION churn] " if status.escalates else "[churn] ")
    assert message.text().splitlines()[2:4] == ["run: run-1", "evidence: s3://a/b"]


def test_a_subject_is_cut_to_99_characters_and_says_so() -> None:
    assert Message("churn", "FAILED", "x" * 91, "So.").subject == f"[churn] {'x' * 91}"
    assert Message("churn", "FAILED", "x" * 92, "So.").subject == f"[churn] {'x' * 88}..."


def test_a_name_of_a_model_gives_way_to_what_is_said_of_it() -> None:
    title = "x" * 60
    assert Message("m" * 36, "FAILED", title, "So.").subject == f"[{'m' * 36}] {title}"
    assert Message("m" * 37, "FAILED", title, "So.").subject == f"[{'m' * 33}...] {title}"


@pytest.mark.parametrize(
    ("status", "mark"),
    [
        ("RETRAIN", ":arrows_counterclockwise:"),
        ("ROLL_BACK", ":leftwards_arrow_with_hook:"),
        ("HOLD", ":raised_hand:"),
        ("REJECT", ":no_entry:"),
        ("PROMOTED", ":white_check_mark:"),
        ("TRAINED", ":bell:"),
    ],
)
def test_a_chat_shows_at_a_glance_what_kind_of_message_it_is(status: str, mark: str) -> None:
    assert json.loads(Message("churn", status, "news", "So.").chat())["content"]["title"] == f"{mark} churn: news"
    assert json.loads(Message(None, status, "news", "So.").chat())["content"]["title"] == f"{mark} retraining: news"


def test_a_chat_has_the_sentence_the_facts_what_to_do_and_one_thread_for_a_run() -> None:
    message = Message(
        "churn",
        "HOLD",
        "signal held",
        "Broken data.",
        facts=(("run", "run-1"), ("endpoint", "churn-prod")),
        next_steps=("Mend it.", SPEAKER.runbook("BROKEN_DATA")),
        thread="run-1",
    )
    assert json.loads(message.chat()) == {
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": ":raised_hand: churn: signal held",
            "description": "Broken data.\n*run*: run-1\n*endpoint*: churn-prod",
            "nextSteps": ["Mend it.", 'Runbook, section "Broken data": https://example.com/runbook#broken-data'],
        },
        "metadata": {"threadId": "run-1", "summary": "signal held"},
    }
    assert json.loads(Message("churn", "HOLD", "held", "").chat())["content"] == {
        "textType": "client-markdown",
        "title": ":raised_hand: churn: held",
        "description": "HOLD",
    }


def test_facts_and_steps_that_are_left_out_are_counted() -> None:
    def message(facts: int, steps: int) -> Message:
        many = tuple((f"fact {n}", "x") for n in range(facts))
        return Message("churn", "HOLD", "t", "So.", facts=many, next_steps=tuple(f"step {n}" for n in range(steps)))

    def said(message: Message) -> list[str]:
        return [line for line in message.text().splitlines() if line.startswith("(")]

    assert said(message(30, 10)) == []
    assert said(message(31, 11)) == ["(1 more fact left out)", "(1 more step left out)"]
    assert said(message(1_032, 12)) == ["(1,002 more facts left out)", "(2 more steps left out)"]
    assert len(message(31, 11).text().splitlines()) == 2 + 30 + 1 + 2 + 10 + 1
    chat = json.loads(message(0, 12).chat())["content"]["nextSteps"]
    assert chat == [*(f"step {n}" for n in range(10)), "(2 more steps left out)"]


def test_a_chat_tells_as_many_facts_as_there_is_room_for_and_counts_the_others() -> None:
    # A fact of 998 characters and the break after the one before: four of them would be 3,996 of 3,900.
    facts = tuple(("f", "x" * 993) for _ in range(5))
    lines = json.loads(Message("churn", "HOLD", "t", "So.", facts=facts).chat())["content"]["description"].split("\n")
    assert [len(line) for line in lines[:-1]] == [3, 998, 998, 998]
    assert lines[-1] == "(2 more facts left out)"
    room = (*facts[:3], ("f", "x" * 897))
    assert "left out" not in Message("churn", "HOLD", "t", "So.", facts=room).chat()
    assert "(1 more fact left out)" in Message("churn", "HOLD", "t", "So.", facts=(*room[:3], ("f", "x" * 898))).chat()


def test_a_chat_has_every_link_however_many_facts_there_are() -> None:
    links = tuple(Page(f"Page {number}", f"https://example.com/{'x' * 850}{number}") for number in range(3))
    facts = tuple(("f", "x" * 993) for _ in range(5))
    said = json.loads(Message("churn", "HOLD", "x" * 5000, "So.", facts=facts, links=links).chat())
    description = said["content"]["description"]
    assert [f"https://example.com/{'x' * 850}{number}" in description for number in range(3)] == [True] * 3
    assert "(4 more facts left out)" in description
    assert len(description) <= DESCRIPTION_LIMIT
    full = Message("churn", "HOLD", "t", "s" * 4000, facts=facts, links=links).chat()
    assert len(json.loads(full)["content"]["description"]) <= DESCRIPTION_LIMIT


def test_an_address_that_is_too_long_for_a_channel_is_said_to_be_and_never_cut() -> None:
    url = "https://example.com/" + "x" * (350 - len("Look: https://example.com/"))
    for page, shown in ((Page("Look", url), True), (Page("Look", url + "x"), False)):
        (step,) = json.loads(Message("churn", "HOLD", "t", "So.", next_steps=(page,)).chat())["content"]["nextSteps"]
        assert step == (f"Look: {url}" if shown else "Look: the address is too long to be shown here.")


def test_a_frozen_model_is_paged_with_what_to_look_at_and_how_to_go_on() -> None:
    message = model_frozen(SPEAKER, "churn", "3 runs brought nothing.")
    assert (message.model, message.status, message.escalates) == ("churn", "FROZEN", True)
    assert message.subject == "[ESCALATION churn] Model frozen: a person has to look"
    assert message.text().splitlines() == [
        "churn is frozen and starts no more trainings: 3 runs brought nothing.",
        "",
        "What to do:",
        f"- Model owner: look at its last runs: retraining history --model churn {STACK}",
        "- Look at the training data, the labels and the monitor's baseline.",
        f"- When the cause is mended: retraining unfreeze --model churn --reason '<why>' {STACK}",
        '- Runbook, section "Frozen": https://example.com/runbook#frozen',
    ]


def test_messages_on_one_run_are_one_thread() -> None:
    told = run_status(SPEAKER, status=Status.TRAINING_FAILED, run_id="run-1", model="churn", sentence="So.", facts={})
    record = {"decision": "RETRAIN", "reason": "R", "sentence": "So.", "model": "churn", "signal_id": "s-1"}
    decided = signal_decided(SPEAKER, {**record, "severity": "warning"}, {"run": "run-1"})
    assert told.thread == decided.thread == "run-1"
    assert (told.status, told.title) == ("TRAINING_FAILED", "Training failed")
    assert (decided.status, decided.title) == ("RETRAIN", "Severity warning: retraining begins")


# As they leave.


@pytest.fixture
def topics() -> Any:
    """Give channels on moto, and what each topic's queue received."""
    with mock_aws():
        session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
        sns, sqs, events = session.client("sns"), session.client("sqs"), session.client("events")
        arns, queues = [], []
        for name in ("operations", "escalation"):
            queue = sqs.create_queue(QueueName=name)["QueueUrl"]
            arn = sns.create_topic(Name=name)["TopicArn"]
            sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:123456789012:{name}")
            arns.append(arn)
            queues.append(queue)

        def received() -> list[list[dict[str, Any]]]:
            answers = [sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10) for queue in queues]
            return [[json.loads(message["Body"]) for message in answer.get("Messages", [])] for answer in answers]

        yield Channels(sns, events, operations_topic=arns[0], escalation_topic=arns[1]), received


def test_only_what_people_have_to_act_on_or_to_answer_reaches_the_escalation_topic(topics: Any) -> None:
    channels, received = topics
    for escalates, asks in ((False, False), (True, False), (False, True)):
        channels.tell(Message("churn", "FAILED", "Größe\n" * 30, "So.", escalates=escalates, asks=asks))
    operations, escalation = received()
    assert (len(operations), len(escalation)) == (3, 2)
    assert operations[0]["Message"] == "So."
    assert escalation[0]["MessageAttributes"]["status"]["Value"] == "FAILED"


def test_a_status_event_is_put_on_the_bus(topics: Any) -> None:
    channels, _ = topics
    channels.emit({"run_id": "run-1", "reason": "Größe \ud800"}, resources=["arn"])


def test_an_event_that_eventbridge_refuses_is_an_error() -> None:
    class Refusing:
        def put_events(self, **_: Any) -> dict[str, Any]:
            return {
                "FailedEntryCount": 1,
                "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "Slow down"}],
            }

    bus: Any = Refusing()
    channels = Channels(bus, bus, operations_topic="a", escalation_topic="b")
    with pytest.raises(TransientServiceError, match="Slow down"):
        channels.emit({"run_id": "run-1"}, resources=[])
