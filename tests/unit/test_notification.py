"""Messages: a subject that SNS takes, a text people read, and the JSON that chat applications take."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from orchestration.domain.contracts import Decision, Status
from orchestration.domain.errors import TransientServiceError
from orchestration.domain.notification import Message, decision_message, status_message
from orchestration.stores.channels_sns import Channels

quick = settings(max_examples=80, deadline=None, derandomize=True, database=None)
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
)
RUNBOOK = "https://example.com/runbook"


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
    assert set(body) <= {"version", "source", "content", "metadata"}
    content = body["content"]
    assert set(content) <= {"textType", "title", "description", "nextSteps"}
    assert content["textType"] == "client-markdown"
    assert 0 < len(content["title"]) <= 250
    assert 0 < len(content["description"]) <= 8000
    assert all(len(step) <= 350 for step in content.get("nextSteps", []))
    assert ("metadata" in body) is bool(message.thread)
    if message.thread:
        assert body["metadata"]["threadId"] == "run-1"


@quick
@given(messages)
def test_every_protocol_has_a_body_and_one_is_the_default(message: Message) -> None:
    bodies = message.by_protocol()
    assert {"default", "https"} == set(bodies)
    assert bodies["default"] == message.text()
    json.loads(bodies["https"])


def test_an_email_says_what_happened_then_the_facts_then_what_to_do() -> None:
    message = decision_message(
        decision=Decision.HOLD,
        reason="BROKEN_DATA",
        sentence="Column plan has the wrong type.",
        model="churn",
        facts={"run": "run-1", "endpoint": "churn-prod"},
        runbook_url=RUNBOOK,
    )
    assert message.subject == "[churn] signal held (BROKEN_DATA)"
    assert message.text().splitlines() == [
        "Column plan has the wrong type.",
        "",
        "run: run-1",
        "endpoint: churn-prod",
        "",
        "What to do:",
        "- Column plan has the wrong type.",
        "- Runbook: https://example.com/runbook#broken-data",
    ]


@pytest.mark.parametrize("decision", Decision)
def test_every_decision_has_a_title_and_what_stops_has_a_runbook_link(decision: Decision) -> None:
    message = decision_message(
        decision=decision, reason="SOME_REASON", sentence="So.", model=None, facts={}, runbook_url=RUNBOOK
    )
    assert message.subject.startswith("[retraining] ")
    assert ("#some-reason" in message.text()) is (decision in {Decision.HOLD, Decision.REJECT})
    assert not message.escalates


@pytest.mark.parametrize("status", Status)
def test_every_failure_escalates_with_a_runbook_link_and_nothing_else_does(status: Status) -> None:
    message = status_message(
        status=status,
        run_id="run-1",
        model="churn",
        sentence="So.",
        facts={"evidence": "s3://a/b"},
        runbook_url=RUNBOOK,
    )
    assert message.escalates is status.escalates
    assert ("What to do:" in message.text()) is status.escalates
    assert message.subject.startswith("[ESCALATION churn] " if status.escalates else "[churn] ")
    assert message.text().splitlines()[2:4] == ["run: run-1", "evidence: s3://a/b"]


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


def test_only_what_escalates_reaches_the_escalation_topic(topics: Any) -> None:
    channels, received = topics
    for escalates in (False, True):
        channels.tell(Message("churn", "FAILED", "Größe\n" * 30, "So.", escalates=escalates))
    operations, escalation = received()
    assert (len(operations), len(escalation)) == (2, 1)
    assert operations[0]["Message"] == "So.\n"
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
