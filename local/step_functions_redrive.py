"""RedriveExecution, which ministack lacks, and the walk through the states it needs.

ministack's walk always begins at the first state and forgets where it was. The one here keeps, with the execution,
the definition it began with and the state it is in, with that state's input and the variables it found.

A redrive replaces the execution's record. What still works for the attempt that ended, such as a Lambda call nobody
waits for any more, holds the old record and can neither go on nor write into the new attempt's history.
"""

from __future__ import annotations

import contextvars
import copy
import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json, json_response, now_iso

from local.sagemaker_events import put_event
from local.seam import Repair
from local.seam import stepfunctions as sfn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local.sagemaker_records import Document

logger = logging.getLogger(__name__)

_Response = tuple[int, dict[str, str], Any]
_MOST_EVENTS = 24_999
_TOKENS_KEPT = 10
_TOKEN_SECONDS = 15 * 60
_LONGEST_PAYLOAD = 248 * 1024
_REDRIVABLE = ("FAILED", "ABORTED", "TIMED_OUT")

REDRIVE = Repair(
    "redrive",
    alone="no RedriveExecution",
    aws="a failed, aborted or timed-out execution goes on from the state it ended in, with its definition, input and variables; "
    "retries and time limits begin anew; `redriveCount`, `redriveDate`, `redriveStatus` in Describe, List, events and the "
    "context object",
    source="https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html",
)
STATUS_EVENTS = Repair(
    "status events",
    alone="the status event of an aborted execution has neither error nor cause",
    aws="it has them",
    source="https://docs.aws.amazon.com/step-functions/latest/dg/cw-events.html",
)

# Reentrant: the status event of a redrive may redrive, through a rule, another execution on the same thread.
_one_at_a_time = threading.RLock()


@dataclass(frozen=True)
class _Position:
    """The state an execution is in, as it was entered."""

    state: str
    input: Any
    variables: Document


@REDRIVE.wraps(sfn, "handle_request")
async def _handle(
    original: Callable[..., Awaitable[_Response]],
    method: str,
    path: str,
    headers: Document,
    body: bytes,
    query_params: Document,
) -> _Response:
    if headers.get("x-amz-target", "").rpartition(".")[2] != "RedriveExecution":
        return await original(method, path, headers, body, query_params)
    try:
        redriven: _Response = sfn.finalize_response(redrive(json.loads(body or b"{}")))
    except ValueError:
        return _refused("SerializationException", "Invalid JSON")
    return redriven


# ---------------------------------------------------------------------- the walk


def walk(execution: Document) -> None:
    """Walk the states of an execution to its end, from the state it is in."""
    machine = sfn.state_machines.get(execution["stateMachineArn"])
    if machine is None:
        sfn.fail_execution(execution, "StateMachineDeleted", "State machine no longer exists")
        return
    # A redrive walks through the definition the execution began with, whatever became of the machine.
    execution.setdefault("definition", machine["definition"])
    try:
        output = _walk_states(execution, machine["name"])
    except sfn.ExecutionError as error:
        sfn.fail_execution(execution, error.error, error.cause)
        return
    except Exception as error:
        logger.exception("unexpected error in execution %s", execution["executionArn"])
        sfn.fail_execution(execution, "States.Runtime", str(error))
        return
    if execution["status"] == "RUNNING":
        execution |= {"status": "SUCCEEDED", "output": output, "stopDate": now_iso()}
        sfn.add_event(execution, "ExecutionSucceeded", {"executionSucceededEventDetails": {"output": output}})
        sfn.emit_execution_status_event(execution)


def _walk_states(execution: Document, machine_name: str) -> str:
    """Give the output as JSON text; what it is is of no account when the execution was ended from outside."""
    definition = json.loads(execution["definition"])
    position: _Position = execution.get("position") or _Position(
        definition["StartAt"], json.loads(execution["input"]), {}
    )
    context = _context(execution, machine_name, definition, position)
    name: str | None = position.state
    value = position.input
    while name is not None and execution["status"] == "RUNNING":
        execution["position"] = _Position(name, value, copy.deepcopy(context["variables"]))
        context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
        state = definition["States"].get(name)
        if state is None:
            raise sfn.ExecutionError("States.Runtime", f"State '{name}' not found in definition")
        kind = state.get("Type")
        entered = {"name": name, "input": json.dumps(value)}
        sfn.add_event(execution, f"{kind}StateEntered", {"stateEnteredEventDetails": entered})
        value, following = _work(kind, state, value, execution, context)
        exited = {"name": name, "output": json.dumps(value)}
        sfn.add_event(execution, f"{kind}StateExited", {"stateExitedEventDetails": exited})
        name = following
    return json.dumps(value)


def _context(execution: Document, machine_name: str, definition: Document, position: _Position) -> Document:
    own = {
        "Id": execution["executionArn"],
        "Input": json.loads(execution["input"]),
        "Name": execution["name"],
        "StartTime": execution["startDate"],
        "RedriveCount": execution.get("redriveCount", 0),
    }
    if execution.get("redriveDate"):
        own["RedriveTime"] = execution["redriveDate"]
    return {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": own,
        "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine_name},
        # Where ministack keeps what Assign assigned.
        "variables": copy.deepcopy(position.variables),
    }


def _work(kind: Any, state: Document, value: Any, execution: Document, context: Document) -> tuple[Any, str | None]:
    """Do what the state says; give its output and the state that follows, None at the end."""
    if kind == "Succeed":
        given = sfn.apply_input_path(state, value, context)
        return sfn.apply_output_path(state, given, context), None
    if kind == "Fail":
        raise sfn.ExecutionError(*sfn.fail_state_error(state, value, context))
    if kind in ("Task", "Parallel", "Map"):
        work = {"Task": sfn.execute_task, "Parallel": sfn.execute_parallel, "Map": sfn.execute_map}[kind]
        output, following = work(state, value, execution, context)
    elif kind in ("Pass", "Choice", "Wait"):
        work = {"Pass": sfn.execute_pass, "Choice": sfn.execute_choice, "Wait": sfn.execute_wait}[kind]
        output, following = work(state, value, context)
    else:
        raise sfn.ExecutionError("States.Runtime", f"Unknown state type: {kind}")
    return output, following


# ---------------------------------------------------------------------- the action


def redrive(data: Document) -> _Response:
    """Run an execution that did not succeed once more, from the state it ended in.

    Args:
        data: The request: ``executionArn``, and ``clientToken`` where the client has one.

    Returns:
        An answer with ``redriveDate``, or the error AWS names: InvalidArn, ExecutionDoesNotExist,
        ExecutionNotRedrivable.
    """
    arn = data.get("executionArn") or ""
    if ":execution:" not in arn:
        return _refused("InvalidArn", f"Invalid Arn: '{arn}'")
    with _one_at_a_time:
        ended = sfn.executions.get(arn)
        if ended is None:
            return _refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        token = data.get("clientToken")
        tokens: dict[str, tuple[str, float]] = dict(ended.get("redriveTokens", {}))
        if token in tokens and time.monotonic() - tokens[token][1] < _TOKEN_SECONDS:
            # An SDK that lost the first answer asks again; the execution was redriven once.
            return _accepted(tokens[token][0])
        if (reason := _why_not(ended)) is not None:
            return _refused("ExecutionNotRedrivable", reason)
        date = now_iso()
        if token:
            tokens[token] = (date, time.monotonic())
        execution = {
            **ended,
            "status": "RUNNING",
            "stopDate": None,
            "output": None,
            "error": None,
            "cause": None,
            "events": list(ended["events"]),
            "redriveCount": ended.get("redriveCount", 0) + 1,
            "redriveDate": date,
            "redriveTokens": dict(list(tokens.items())[-_TOKENS_KEPT:]),
        }
        sfn.executions[arn] = execution
        details = {"redriveCount": execution["redriveCount"]}
        sfn.add_event(execution, "ExecutionRedriven", {"executionRedrivenEventDetails": details})
        sfn.emit_execution_status_event(execution)
        # A context of its own: account and region of the request, and no task of the thread that asked.
        threading.Thread(
            target=contextvars.copy_context().run, args=(sfn.run_execution, arn), name="redrive", daemon=True
        ).start()
    return _accepted(date)


def _accepted(date: str) -> _Response:
    answer: _Response = json_response({"redriveDate": date})
    return answer


def _refused(code: str, message: str) -> _Response:
    answer: _Response = error_response_json(code, message, 400)
    return answer


def _why_not(execution: Document) -> str | None:
    """Give AWS's reason why the execution cannot be redriven, or None when it can."""
    status = execution["status"]
    if status not in _REDRIVABLE or execution.get("sync"):
        return f"Execution is {status} and cannot be redriven"
    if execution["stateMachineArn"] not in sfn.state_machines:
        return "State machine is in DELETING status"
    if len(execution["events"]) >= _MOST_EVENTS:
        return "Execution history event limit exceeded"
    return None


# ---------------------------------------------------------------------- what is told of it


def _redrive_members(execution: Document) -> Document:
    """Give what DescribeExecution and the status events say about redrives; None where AWS has no value."""
    reason = _why_not(execution)
    return {
        "redriveCount": execution.get("redriveCount", 0),
        "redriveDate": execution.get("redriveDate"),
        "redriveStatus": "REDRIVABLE" if reason is None else "NOT_REDRIVABLE",
        "redriveStatusReason": reason,
    }


@REDRIVE.wraps(sfn, "_describe_execution")
def _describe(original: Callable[[Document], _Response], data: Document) -> _Response:
    answer = original(data)
    execution = sfn.executions.get(data.get("executionArn"))
    if execution is None:
        return answer
    members = {key: value for key, value in _redrive_members(execution).items() if value is not None}
    described: _Response = json_response(json.loads(answer[2]) | members)
    return described


@REDRIVE.wraps(sfn, "_list_executions")
def _list(original: Callable[[Document], _Response], data: Document) -> _Response:
    answer = original(data)
    document = json.loads(answer[2])
    for item in document.get("executions", ()):
        execution = sfn.executions[item["executionArn"]]
        item["redriveCount"] = execution.get("redriveCount", 0)
        if execution.get("redriveDate"):
            item["redriveDate"] = execution["redriveDate"]
    listed: _Response = json_response(document, answer[0])
    return listed


@STATUS_EVENTS.replaces(sfn, "_emit_execution_status_event")
def _emit_status(execution: Document) -> None:
    """Put the status on the event bus, with what is to be said of redrives."""
    if execution.get("sync"):
        return
    status = execution["status"]
    unsuccessful = status in _REDRIVABLE
    detail = {
        "executionArn": execution["executionArn"],
        "stateMachineArn": execution["stateMachineArn"],
        "name": execution["name"],
        "status": status,
        "startDate": sfn.iso_to_epoch_ms(execution["startDate"]),
        "stopDate": sfn.iso_to_epoch_ms(execution.get("stopDate")),
        **_payload("input", execution["input"]),
        # ministack keeps an Error/Cause document as the output of a failed execution; AWS has none.
        **_payload("output", execution.get("output") if status == "SUCCEEDED" else None),
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        **_redrive_members(execution),
        "redriveDate": sfn.iso_to_epoch_ms(execution.get("redriveDate")),
        "error": execution.get("error") if unsuccessful else None,
        "cause": execution.get("cause") if unsuccessful else None,
    }
    put_event("aws.states", "Step Functions Execution Status Change", detail, [execution["executionArn"]])


def _payload(member: str, text: str | None) -> Document:
    """Give the member and its details; a text too long for an event is left out, as documented."""
    if text is None:
        return {member: None, f"{member}Details": None}
    included = len(text) <= _LONGEST_PAYLOAD
    return {member: text if included else None, f"{member}Details": {"included": included}}
