"""What a command says of a function that does not come to its end: whether it did what was asked is not known."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any, Final

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from ops import cli
from ops.invocation import Exit
from tests.unit.commands import commands_in, retraining, understood
from tests.unit.fake_services import client_error

MACHINE: Final = "arn:aws:states:eu-west-1:111122223333:stateMachine:retraining-retraining"
ASKED: Final[dict[str, tuple[str, ...]]] = {
    "approve": ("run-1", "--comment", "seen"),
    "reject": ("run-1", "--comment", "late labels"),
    "retrain": ("--model", "fraud", "--reason", "new labels"),
    "pause": ("--scope", "model:fraud", "--reason", "incident 42"),
    "resume": ("--scope", "model:fraud"),
    "unfreeze": ("--model", "fraud", "--reason", "labels repaired"),
    "rollback": ("--model", "fraud", "--reason", "chargebacks"),
    "sweep": (),
    "replay": ("rejected/abc.json",),
}
"""Every command that asks a function, with what it takes."""

LOOKS: Final = {"status", "waits", "signals", "history"}
NOT_KNOWN: Final = "Whether it did what was asked is not known."


def failed(error: dict[str, Any]) -> dict[str, Any]:
    """Lambda's answer of a function that failed."""
    return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(error).encode())}


TIMED_OUT: Final = "2026-03-02T12:00:00Z 8a-1 Task timed out after 60.00 seconds"
ENDS: Final[dict[str, Any]] = {
    "a timeout": lambda: failed(
        {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: 8a-1 Error: {TIMED_OUT}"}
    ),
    "a timeout, as it was told before": lambda: failed({"errorMessage": TIMED_OUT}),
    "no memory": lambda: failed({"errorType": "Runtime.OutOfMemory", "errorMessage": "signal: killed"}),
    "a fault of AWS": lambda: failed({"errorType": "TransientServiceError", "errorMessage": "ReadTimeoutError: slow"}),
    "a defect": lambda: failed({"errorType": "KeyError", "errorMessage": "'model'"}),
    "no JSON": lambda: {"Payload": io.BytesIO(b"<html>")},
    "no answer": ReadTimeoutError(endpoint_url="https://lambda"),
    "a lost connection": ConnectionClosedError(endpoint_url="https://lambda"),
}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Lambda answers next, or raises; everything else of the stack is there."""
    coming: list[Any] = []
    outputs = {"StateMachineArn": MACHINE, "AutomationBucketName": "records"}
    outputs |= {"OperatorFunctionName": "operator", "VoteFunctionName": "vote"}

    def invoke(**_: Any) -> Any:
        answer = coming.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer()

    def denied(**_: Any) -> Any:
        raise client_error("AccessDenied")

    described = {"Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]}
    clients = {
        "cloudformation": SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [described]}),
        "sts": SimpleNamespace(meta=SimpleNamespace(region_name="eu-west-1", endpoint_url="https://sts")),
        "lambda": SimpleNamespace(invoke=invoke),
        "s3": SimpleNamespace(get_object=denied),
    }
    credentials = SimpleNamespace(get_frozen_credentials=lambda: ReadOnlyCredentials("AKIA", "secret", None))
    session = SimpleNamespace(
        region_name="eu-west-1", client=lambda name, **_: clients[name], get_credentials=lambda: credentials
    )
    monkeypatch.setattr("ops.stack.session_in", lambda *_: session)
    return coming


def test_every_command_that_steers_is_asked_here() -> None:
    assert set(ASKED) == set(cli.COMMANDS["Steer"])


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ASKED)
def test_what_may_have_taken_effect_is_not_reached_and_names_where_to_look(
    name: str, end: str, answers: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers += [ENDS[end], ENDS[end]]
    assert retraining(name, *ASKED[name]) == Exit.NOT_REACHED
    printed = capsys.readouterr()
    said = " ".join(printed.err.split())
    assert NOT_KNOWN in said
    (look,) = commands_in(printed.err)
    assert look.split()[1] in LOOKS
    understood(look)

    assert retraining(name, *ASKED[name], "--json") == Exit.NOT_REACHED
    document = json.loads(capsys.readouterr().out)
    assert (document["status"], document["command"]) == (3, look)
    assert document["error"] in said


@pytest.mark.parametrize("name", ASKED)
def test_whoever_stops_waiting_for_a_function_is_told_where_to_look(
    name: str, answers: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers += [KeyboardInterrupt(), KeyboardInterrupt()]
    assert retraining(name, *ASKED[name]) == Exit.INTERRUPTED
    printed = capsys.readouterr()
    assert printed.out == ""
    said = " ".join(printed.err.split())
    assert "Interrupted." in said
    (look,) = commands_in(printed.err)

    assert retraining(name, *ASKED[name], "--json") == Exit.INTERRUPTED
    document = json.loads(capsys.readouterr().out)
    assert (document["status"], document["command"]) == (130, look)
    assert document["error"] in said


@pytest.mark.parametrize("kind", ["InvalidRequestError", "ContentionError"])
@pytest.mark.parametrize("name", ASKED)
def test_what_a_function_refuses_is_a_no_in_its_own_words(
    name: str, kind: str, answers: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers.append(lambda: failed({"errorType": kind, "errorMessage": "Not today."}))
    assert retraining(name, *ASKED[name]) == Exit.NO
    assert capsys.readouterr().err == "Not today.\n"


@pytest.mark.parametrize("name", ASKED)
def test_what_was_not_asked_took_no_effect_and_says_who_may(
    name: str, answers: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    function = "VoteFunction" if name in {"approve", "reject"} else "OperatorFunction"
    message = (
        "User: arn:aws:iam::111122223333:user/ana is not authorized to perform: lambda:InvokeFunction on resource: "
        f"arn:aws:lambda:eu-west-1:111122223333:function:retraining-{function}-X because no identity-based policy allows it"
    )
    refused = client_error("AccessDeniedException", message, "Invoke")
    answers += [refused, EndpointConnectionError(endpoint_url="https://lambda")]
    assert retraining(name, *ASKED[name]) == Exit.NOT_REACHED
    said = " ".join(capsys.readouterr().err.split())
    assert "You may not do lambda:InvokeFunction on" in said
    assert ("ReviewerPolicyArn" if function == "VoteFunction" else "OperatorPolicyArn") in said
    assert "because" not in said

    assert retraining(name, *ASKED[name]) == Exit.NOT_REACHED
    said = " ".join(capsys.readouterr().err.split())
    assert "AWS was not reached" in said
    assert NOT_KNOWN not in said


def test_whoever_may_not_see_which_models_there_are_hears_the_answer_all_the_same(
    answers: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers.append(lambda: {"Payload": io.BytesIO(b'{"changed": false}')})
    assert retraining("unfreeze", *ASKED["unfreeze"]) == Exit.NO
    assert capsys.readouterr().out.startswith("fraud was not frozen.\n")
