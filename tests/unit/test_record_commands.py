"""What the commands on records say when they cannot do their work, and how they end."""

from __future__ import annotations

import argparse
import io
import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ops.audit.findings import Fault, Finding
from ops.audit.gathered import Report
from ops.rebuilt_history import OpenRun
from ops.replay import replay
from ops.restore_history import _what_to_do, restore_history
from ops.stack import OperatorError, Stack, run
from ops.terminal import Terminal
from ops.verify_audit import _print
from tests.unit.fakes import World

TABLE = "history"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ResourceNotFoundException", r"no table history.*docs/runbook\.md, Table lost, step 2"),
        ("AccessDeniedException", r"AWS refused: .*AccessDeniedException.*repeat"),
    ],
)
def test_a_restoring_that_aws_refuses_is_no_finding_and_says_what_comes_next(code: str, says: str) -> None:
    dynamodb = boto3.client("dynamodb", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    stack = cast(
        "Stack",
        SimpleNamespace(
            name="retraining",
            outputs={"HistoryTableName": TABLE, "AutomationBucketName": "bucket"},
            client=lambda *_: dynamodb,
        ),
    )
    with Stubber(dynamodb) as stubber:
        stubber.add_client_error("scan", code)
        with pytest.raises(OperatorError, match=says):
            restore_history(argparse.Namespace(table="", json=False, yes=False), stack, Terminal())


@pytest.mark.parametrize("nasty", ["it's(1)!", "x; touch pwned #", "$(touch pwned)", "`touch pwned`", "a\nb"])
def test_a_command_that_is_printed_to_be_copied_is_whole_whatever_a_record_names(nasty: str) -> None:
    """The names come from records of the bucket, whoever wrote them."""
    arn = f"arn:aws:states:us-east-1:111122223333:execution:retraining:{nasty}"
    told = _what_to_do(OpenRun("run-1", nasty, arn, "2026-03-02T12:00:00", "TRAINING_STARTED", None))

    words = shlex.split(told.partition(" Stop it with ")[2])
    assert words[:4] == ["aws", "stepfunctions", "stop-execution", "--execution-arn"]
    assert words[4] == arn
    assert f"MODEL={nasty}" in words


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperatorError("There is no model [/x]."), 2),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "[/x]"}}, "GetObject"), 1),
    ],
)
def test_an_error_is_printed_as_it_is(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> int:
        raise error

    monkeypatch.setattr("ops.stack.Stack", lambda *_: None)
    arguments = argparse.ArgumentParser()
    arguments.set_defaults(stack="retraining", region="us-east-1")
    assert run(refuse, arguments, []) == status
    assert str(error) in capsys.readouterr().err


def test_a_broken_history_names_where_to_read_on_and_a_whole_one_does_not() -> None:
    def printed(*findings: Finding) -> str:
        out = io.StringIO()
        _print(Report(list(findings)), Terminal(file=out))
        return out.getvalue()

    assert "docs/runbook.md, Table lost" in printed(Finding(Fault.EDITED, "fraud", 4, "key", "It was edited."))
    assert "docs/runbook.md" not in printed()


class _Queue:
    """A dead-letter queue, and the executions that were started from it."""

    def __init__(self, *bodies: str) -> None:
        self.left = [
            {"MessageId": f"m-{place}", "ReceiptHandle": body, "Body": body} for place, body in enumerate(bodies)
        ]
        self._seen: set[str] = set()
        self.started: list[Any] = []

    def receive_message(self, **_: Any) -> dict[str, Any]:
        fresh = [message for message in self.left if message["MessageId"] not in self._seen]
        self._seen |= {message["MessageId"] for message in fresh}
        return {"Messages": fresh}

    def delete_message(self, *, ReceiptHandle: str, **_: Any) -> None:  # noqa: N803 - boto3's name
        self.left = [message for message in self.left if message["ReceiptHandle"] != ReceiptHandle]

    def start_execution(self, **asked: Any) -> dict[str, Any]:
        self.started.append(json.loads(asked["input"]))
        return {"executionArn": "arn:replay-1"}


def replayed(queue: _Queue, world: World, **options: str) -> int:
    outputs = {"DeadLetterQueueUrl": "q", "StateMachineArn": "m", "AutomationBucketName": world.bucket.name}
    stack = cast("Stack", SimpleNamespace(outputs=outputs, bucket=world.bucket, client=lambda _: queue))
    stack.read_json = lambda key: Stack.read_json(stack, key)  # type: ignore[method-assign] # the real one, on this stack
    return replay(argparse.Namespace(**{"event": "", "dead_letters": "", **options}), stack, Terminal())


def test_a_dead_letter_that_is_no_event_stays_and_the_others_are_replayed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = _Queue('{"a": 1, "a": 2}', '{"b": 1}', "[")
    assert replayed(queue, world, dead_letters="1") == 0
    assert queue.started == [{"b": 1}]
    assert [message["MessageId"] for message in queue.left] == ["m-0", "m-2"]
    assert "Dead letter m-0 has the key 'a' twice" in " ".join(capsys.readouterr().out.split())


def test_an_event_is_replayed_as_it_was_whether_it_was_rejected_or_never_decided(world: World, tmp_path: Path) -> None:
    queue, event = _Queue(), {"source": "mlops.drift", "detail": {"model": "fraud"}}
    world.put("rejected/a.json", {"event": event, "sentence": "Nothing here understands it."})
    world.put("rejected/run-1.json", {"event": event, "sentence": "It died.", "run_id": "run-1"})
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    for place in ("rejected/a.json", "rejected/run-1.json", str(tmp_path / "event.json")):
        assert replayed(queue, world, event=place) == 0
    assert queue.started == [event] * 3


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"a": NaN}', b'{"a": 1, "a": 1}', b"[" * 100_000])
def test_what_is_no_event_is_not_replayed_and_says_why(body: bytes, world: World, tmp_path: Path) -> None:
    world.bucket.put(world.bucket.uri("rejected/a.json"), body)
    (tmp_path / "event.json").write_bytes(body)
    for place in ("rejected/a.json", str(tmp_path / "event.json")):
        with pytest.raises(OperatorError, match=r"^\S+ (is|has|holds) "):
            replayed(_Queue(), world, event=place)
