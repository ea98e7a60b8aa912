"""The functions' handlers under test: the deployed code, with one AWS call of one invocation made to go wrong.

This module is put beside the package in the deployed zip and is its handler; nothing else of the zip changes. It reads one
file for each invocation, ``rule.json`` in the folder that the zip names, and leaves there what it saw: ``calls.jsonl``,
a line for each call and one for each end of an invocation. Nothing of this repository but the package can be imported here.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER_NAME = Path(__file__).with_name("injector-folder")
FOLDER = Path(FOLDER_NAME.read_text()) if FOLDER_NAME.exists() else Path()

THROTTLED = {"dynamodb": ("ProvisionedThroughputExceededException", 400), "s3": ("SlowDown", 503)}
DENIED = {"s3": ("AccessDenied", 403), "cloudwatch": ("AccessDenied", 403), "sns": ("AuthorizationError", 403)}
BROKEN = {"dynamodb": "InternalServerError", "s3": "InternalError"}
ENDPOINT_EVENT = "SageMaker Endpoint State Change"
INVOKE = "lambda:Invoke"
INVOKE_ERRORS = {
    "throttled": "Lambda.TooManyRequestsException",
    "5xx": "Lambda.ServiceException",
    "lost": "Lambda.SdkClientException",
    "denied for a while": "Lambda.AccessDeniedException",
    "denied for good": "Lambda.AccessDeniedException",
}
TOLD = "Told to go wrong by the fault matrix."


class NotRetriedError(Exception):
    """What a failed invocation ends in when the workflow is not to retry it: a class its retriers do not name."""


class Invocation:
    """One invocation: which action, the how manyeth of its kind in this case, and the calls it has made."""

    def __init__(self, label: str, rule: dict[str, Any], event: Any) -> None:
        self.label, self.rule, self.event = label, rule, event
        self.case = FOLDER / rule["case"]
        self.identity = uuid.uuid4().hex[:8]
        self.made = 0
        self.alike: dict[tuple[str, str], int] = {}
        self.fired = False
        self.occurrence = self._counted()

    def _counted(self) -> int:
        number = 1
        while True:
            try:
                (self.case / f"{self.label}.{number}").touch(exist_ok=False)
            except FileExistsError:
                number += 1
            else:
                return number

    def leave(self, **line: Any) -> None:
        """Append a line to what was seen."""
        said = {
            "at": time.time(),
            "invocation": self.identity,
            "label": self.label,
            "occurrence": self.occurrence,
            **line,
        }
        with (self.case / "calls.jsonl").open("a") as file:
            file.write(json.dumps(said) + "\n")

    def fault_of(self, operation: str, shape: str, ordinal: int) -> dict[str, Any] | None:
        """What is to go wrong with the call that comes now; it goes wrong once, a refusal from then on."""
        fault: dict[str, Any] | None = self.rule.get("fault")
        if fault is None:
            return None
        happened = self.case / "fired"
        if fault["kind"] in {"denied for a while", "denied for good"} and happened.exists():
            held = json.loads(happened.read_text())
            same = held["operation"] == operation and held["function"] == FUNCTION[0]
            return fault if same and not self.rule.get("lifted") else None
        if (fault["label"], fault["operation"]) != (self.label, operation):
            return None
        if fault.get("ordinal") and (fault["shape"], fault["ordinal"]) != (shape, ordinal):
            return None
        told = {"operation": operation, "function": FUNCTION[0], "label": self.label, "event": self.event}
        written = self.case / f"fired-{self.identity}"
        written.write_text(json.dumps(told))
        try:
            # Whole, or not there: it is read from outside meanwhile.
            os.link(written, happened)
        except FileExistsError:
            return None
        self.fired = True
        return fault


FUNCTION = [""]
current: list[Invocation] = []


def _error(client: Any, operation: str, code: str, status: int, **more: Any) -> Exception:
    response = {
        "Error": {"Code": code, "Message": TOLD},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "fault"},
        **more,
    }
    made: Exception = client.exceptions.from_code(code)(response, operation)
    return made


def _go_wrong(client: Any, service: str, operation: str, arguments: Any, kind: str, call: Callable[[], Any]) -> Any:
    """Do what a kind of fault does with a call.

    Raises:
        Exception: what botocore raises when its own retries are used up.
    """
    if kind == "killed before":
        os._exit(1)
    if kind == "throttled":
        raise _error(client, operation, *THROTTLED.get(service, ("ThrottlingException", 400)))
    if kind == "5xx":
        raise _error(client, operation, BROKEN.get(service, "InternalFailure"), 500)
    if kind in {"denied for a while", "denied for good"}:
        raise _error(client, operation, *DENIED.get(service, ("AccessDeniedException", 400)))
    if kind == "409":
        raise _error(client, operation, "ConditionalRequestConflict", 409)
    if kind == "conflict" and "TransactItems" in arguments:
        reasons = [{"Code": "None"} for _ in arguments["TransactItems"]]
        reasons[-1] = {"Code": "TransactionConflict"}
        raise _error(client, operation, "TransactionCanceledException", 400, CancellationReasons=reasons)
    if kind == "conflict":
        raise _error(client, operation, "TransactionConflictException", 400)
    if kind == "delayed":
        time.sleep(float(current[-1].rule["fault"].get("seconds", 1)))
        return call()
    call()
    if kind == "killed after":
        os._exit(1)
    if kind == "lost":
        raise ReadTimeoutError(endpoint_url=client.meta.endpoint_url)
    raise ValueError(f"There is no fault {kind!r}.")


def _shape(service: str, arguments: dict[str, Any]) -> str:
    """What a call is about, without the names of one case: so that the same calls of two stories are seen to be the same."""
    if service != "dynamodb":
        return str(arguments.get("Key", "")).split("/", 1)[0]
    if "TransactItems" in arguments:
        written = [next(iter(item.items())) for item in arguments["TransactItems"]]
        names = [
            (request.get("Key") or request["Item"])["pk"]["S"].split("#")[0]
            for verb, request in written
            if verb != "ConditionCheck"
        ]
        return "+".join(dict.fromkeys(names))
    key = arguments.get("Key") or arguments.get("Item") or {}
    values = arguments.get("ExpressionAttributeValues", {})
    name = key.get("pk", values.get(":pk", {})).get("S", "")
    return str(name).split("#", maxsplit=1)[0]


_make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined] # private, and the one way all calls take


def _call(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
    if not current:
        return _make_api_call(client, operation, arguments)
    invocation, service = current[-1], client.meta.service_model.service_name
    invocation.made += 1
    named = f"{service}:{operation}"
    shape = _shape(service, arguments)
    ordinal = invocation.alike[named, shape] = invocation.alike.get((named, shape), 0) + 1
    invocation.leave(index=invocation.made, operation=named, shape=shape, ordinal=ordinal)
    fault = invocation.fault_of(named, shape, ordinal)
    if fault is None:
        return _make_api_call(client, operation, arguments)
    return _go_wrong(
        client, service, operation, arguments, fault["kind"], lambda: _make_api_call(client, operation, arguments)
    )


def label_of(event: Any) -> str:
    """Name an invocation by what it was asked for."""
    action, kind = event.get("action"), event.get("detail-type", "")
    if action == "park":
        return ".".join(part for part in ("park", event["kind"], event.get("subject", "")) if part)
    if action == "decide":
        return "vote"
    if action:
        return str(action)
    if kind == "Sweep Requested":
        return "sweep.requested"
    if kind == "Step Functions Execution Status Change":
        ours = os.environ.get("STATE_MACHINE_ARN") == event.get("detail", {}).get("stateMachineArn")
        return "settle" if ours else "resume.execution"
    return f"resume.{kind.split()[1].lower()}" if kind else "unknown"


def _with_the_real_time(judged: Callable[[Any, datetime], Any], proof: Any, now: datetime) -> Any:
    del now
    return judged(proof, datetime.now(UTC))


def _clock() -> datetime:
    ahead = float(current[-1].rule.get("clock", 0)) if current else 0
    return datetime.now(UTC) + timedelta(seconds=ahead)


def _asked(invocation: Invocation, call: Callable[[], Any]) -> Any:
    """Run the handler; where the workflow asks, its own call of the function can go wrong too.

    Raises:
        Exception: one with the name that Step Functions gives an invocation that failed.
    """
    if not (isinstance(invocation.event, dict) and "action" in invocation.event and "execution" in invocation.event):
        return call()
    invocation.leave(index=0, operation=INVOKE, shape="", ordinal=1)
    fault = invocation.fault_of(INVOKE, "", 1)
    if fault is None:
        return call()
    if fault["kind"] == "lost":
        call()
    raise type(INVOKE_ERRORS[fault["kind"]], (Exception,), {})(TOLD)


def _invoke(module: str, function: str, event: Any, context: object) -> Any:
    FUNCTION[0] = function
    handler = getattr(importlib.import_module(module), function)
    rule = json.loads((FOLDER / "rule.json").read_text())
    if event.get("detail-type") == ENDPOINT_EVENT and rule["case"] not in str(event):
        # Of an endpoint that is being made for a case to come.
        return handler(event, context)
    invocation = Invocation(label_of(event), rule, event)
    fault = rule.get("fault") or {}
    unretried = fault.get("label") == invocation.label and fault.get("retried") is False
    if unretried and fault["kind"].startswith("killed") and (invocation.case / "fired").exists():
        with contextlib.suppress(FileExistsError):
            (invocation.case / "refused").touch(exist_ok=False)
            raise NotRetriedError("The invocation before died, and the workflow is not to retry it.")
    current.append(invocation)
    try:
        answer = _asked(invocation, lambda: handler(event, context))
    except Exception as error:
        invocation.leave(ended="error", error=f"{type(error).__name__}: {error}"[:300])
        if unretried and invocation.fired:
            raise NotRetriedError(f"{type(error).__name__}: {error}") from error
        raise
    else:
        invocation.leave(ended="ok")
        return answer
    finally:
        current.pop()


def orchestrate(event: Any, context: object = None) -> Any:
    """OrchestrationFunction."""
    return _invoke("orchestration.handler", "orchestrate", event, context)


def promote(event: Any, context: object = None) -> Any:
    """PromotionFunction."""
    return _invoke("orchestration.promotion_handler", "promote", event, context)


def vote(event: Any, context: object = None) -> Any:
    """VoteFunction."""
    return _invoke("orchestration.approval_handler", "vote", event, context)


def operate(event: Any, context: object = None) -> Any:
    """OperatorFunction."""
    return _invoke("orchestration.operator_handler", "operate", event, context)


if FOLDER_NAME.exists():
    BaseClient._make_api_call = _call  # type: ignore[attr-defined] # as above
    vars(importlib.import_module("orchestration.composition"))["_now"] = _clock
    # The age of a proof is the real one: those who sign it, and STS, have no clock that is ahead.
    proofs = vars(importlib.import_module("orchestration.steps.callers"))
    proofs["unproven"] = functools.partial(_with_the_real_time, proofs["unproven"])
