"""What the commands on records say when they cannot do their work, and how they end."""

from __future__ import annotations

import io
import shlex
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ops import cli
from ops.audit.findings import Fault, Finding
from ops.audit.gathered import Report
from ops.rebuilt_history import OpenRun
from ops.restore_history import _what_to_do
from ops.stack import CallError, OperatorError
from ops.terminal import Terminal
from ops.verify_audit import _print
from orchestration.domain.commands import Place

TABLE = "history"


PLACE = Place("retraining", "us-east-1")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "ResourceNotFoundException",
            "no table history. Make an empty one of this name first: docs/runbook.md, Table lost",
        ),
        ("AccessDeniedException", "repeat the command"),
    ],
)
def test_a_restoring_that_aws_refuses_is_no_finding_and_says_what_comes_next(
    code: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dynamodb = boto3.client("dynamodb", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    stack = SimpleNamespace(
        name="retraining",
        place=PLACE,
        outputs={"HistoryTableName": TABLE, "AutomationBucketName": "bucket"},
        client=lambda *_: dynamodb,
    )
    monkeypatch.setattr("ops.invocation.Stack", lambda *_: stack)
    with Stubber(dynamodb) as stubber:
        stubber.add_client_error("scan", code)
        assert cli.main(["restore-history"]) == 3
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("nasty", ["it's(1)!", "x; touch pwned #", "$(touch pwned)", "`touch pwned`", "a\nb"])
def test_a_command_that_is_printed_to_be_copied_is_whole_whatever_a_record_names(nasty: str) -> None:
    """The names come from records of the bucket, whoever wrote them."""
    arn = f"arn:aws:states:us-east-1:111122223333:execution:retraining:{nasty}"
    told = _what_to_do(OpenRun("run-1", nasty, arn, "2026-03-02T12:00:00", "TRAINING_STARTED", None), PLACE)

    words = shlex.split(told.partition(" Stop it with ")[2])
    assert words[:4] == ["aws", "stepfunctions", "stop-execution", "--execution-arn"]
    assert words[4] == arn
    assert words[words.index("--model") + 1] == nasty


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperatorError("There is no model [/x]."), 1),
        (CallError("--scope [/x] is none."), 2),
        (ClientError({"Error": {"Code": "SlowDown", "Message": "[/x]"}}, "GetObject"), 3),
    ],
)
def test_an_error_is_printed_as_it_is(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> int:
        raise error

    monkeypatch.setattr("ops.invocation.Stack", refuse)
    assert cli.main(["waits"]) == status
    assert str(error) in " ".join(capsys.readouterr().err.split())


def test_a_broken_history_names_where_to_read_on_and_a_whole_one_does_not() -> None:
    def printed(*findings: Finding) -> str:
        out = io.StringIO()
        _print(Report(list(findings)), Terminal(file=out))
        return out.getvalue()

    assert "docs/runbook.md, Table lost" in printed(Finding(Fault.EDITED, "fraud", 4, "key", "It was edited."))
    assert "docs/runbook.md" not in printed()


class _Function:
    """OperatorFunction with a queue of so many letters; those of ``bad`` come again and again."""

    def __init__(self, good: int, *bad: str) -> None:
        self.good, self.bad = good, bad
        self.asked: list[dict[str, Any]] = []

    def operate(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        taken = min(self.good, 10)
        self.good -= taken
        return {
            "replayed": [{"what": "letter", "execution": None, "why": "NO_RESOURCE"}] * taken,
            "left": [{"what": name, "sentence": "It is no JSON object."} for name in self.bad],
            "more": bool(taken or self.bad),
        }


def replayed(function: _Function, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    stack = SimpleNamespace(place=PLACE, outputs={"AutomationBucketName": "automation"}, operate=function.operate)
    monkeypatch.setattr("ops.invocation.Stack", lambda *_: stack)
    return cli.main(["replay", *arguments])


@pytest.mark.parametrize(
    ("good", "bad", "calls", "left"),
    [(0, (), 1, 0), (1, (), 2, 0), (25, (), 4, 0), (11, ("m-1",), 3, 1), (0, ("m-1",), 2, 1)],
)
def test_dead_letters_are_asked_for_until_nothing_new_comes(
    good: int,
    bad: tuple[str, ...],
    calls: int,
    left: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    function = _Function(good, *bad)
    assert replayed(function, monkeypatch, "--dead-letters") == left
    assert function.asked == [{"action": "replay", "dead_letters": True}] * calls
    out = capsys.readouterr().out
    assert f"{good} event(s) replayed; {left} left" in out
    assert out.count("m-1 left: It is no JSON object.") == left
    assert ("it was not delivered: NO_RESOURCE" in out) == bool(good)


@pytest.mark.parametrize("place", ["rejected/a.json", "s3://automation/rejected/a.json"])
def test_a_kept_event_is_named_and_never_sent(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function = _Function(0)
    assert replayed(function, monkeypatch, place) == 0
    assert function.asked == [{"action": "replay", "key": "rejected/a.json"}]
