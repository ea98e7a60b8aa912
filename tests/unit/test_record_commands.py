"""What the commands on records say when they cannot do their work, and how they end."""

from __future__ import annotations

import argparse
import io
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ops.audit.findings import Fault, Finding
from ops.audit.gathered import Report
from ops.restore_history import restore_history
from ops.stack import OperatorError, Stack, run
from ops.terminal import Terminal
from ops.verify_audit import _print

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
