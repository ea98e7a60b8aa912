"""The life of executions, their children, tasks and tokens, where ministack's Step Functions differ from AWS.

ministack's own interpreter still does the work of each state.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import random
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response, new_uuid, now_iso

from local.seam import Own, Repair, everywhere
from local.seam import stepfunctions as sfn
from local.step_functions_limits import too_long
from local.step_functions_redrive import walk
from local.step_functions_seats import away, before_retry, walk_seated
from local.step_functions_tasks import Task, current_task, task_is_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.sagemaker_records import Document

_LOOK_SECONDS = 0.02
_NOTICE_SECONDS = 0.1
"""How late a task notices that its time or its execution is over, at best: all together look so often and no more, however
many there are, since 30 that looked at 0.02 took a twentieth of a processor."""
_LOOKS_A_SECOND = 200
_Response = tuple[int, dict[str, str], Any]

_API = "https://docs.aws.amazon.com/step-functions/latest/apireference/"
_GUIDE = "https://docs.aws.amazon.com/step-functions/latest/dg/"


class ExecutionEnded(SystemExit):
    """Unwinds the thread of a task whose execution was ended from outside.

    A SystemExit because neither ministack's ``except Exception`` nor the thread's own hook may take it for a failure.
    """


_retries: contextvars.ContextVar[bool] = contextvars.ContextVar("retries", default=False)
"""Whether the next pause of this thread is the one before a retry: ministack asks for the retrier, and then sleeps."""
# Tokens that were used, or whose execution or task is over, with the machine of each.
_closed_tokens = AccountRegionScopedDict()
_token_lock = threading.Lock()
_looking = 0
_looking_lock = threading.Lock()


def role_of_task() -> tuple[str, str]:
    """ARNs of the machine this thread works for and of its role; both empty where it works for none."""
    task = current_task.get()
    machine = str(task.execution.get("stateMachineArn", "")) if task is not None else ""
    return machine, str(sfn.state_machines.get(machine, {}).get("roleArn", ""))


def machine_of_token(token: str) -> str | None:
    """ARN of the machine a task token belongs to, also when it was used; None for a token nobody gave."""
    parked = sfn.task_tokens.get(token)
    found = parked["execution"].get("stateMachineArn") if parked is not None else _closed_tokens.get(token)
    return None if found is None else str(found)


def wait_while_running(
    done: threading.Event | Callable[[], bool], *, on_end: Callable[[], None], limit: float | None = None
) -> bool:
    """Wait until it is done; False when ``limit`` seconds are over first.

    Args:
        done: What to wait for.
        on_end: Called once when the task's time or its execution is over before it is done.
        limit: Seconds, or None for as long as it takes.

    Raises:
        ExecutionEnded: The task's time or its execution is over.
    """
    deadline = None if limit is None else time.monotonic() + limit
    with _one_more_looks():
        return _wait(done, on_end, deadline)


@contextlib.contextmanager
def _one_more_looks() -> Iterator[None]:
    global _looking  # noqa: PLW0603 - all threads of the process
    with _looking_lock:
        _looking += 1
    try:
        yield
    finally:
        with _looking_lock:
            _looking -= 1


def _wait(done: threading.Event | Callable[[], bool], on_end: Callable[[], None], deadline: float | None) -> bool:
    while True:
        notice = max(_NOTICE_SECONDS, _looking / _LOOKS_A_SECOND)
        left = notice if deadline is None else max(0.0, deadline - time.monotonic())
        if isinstance(done, threading.Event):
            if done.wait(min(notice, left)):
                return True
        elif done():
            return True
        else:
            time.sleep(min(_LOOK_SECONDS, left))
        if task_is_over():
            on_end()
            raise ExecutionEnded
        if deadline is not None and time.monotonic() >= deadline:
            return False


def reset() -> None:
    """Forget the closed tokens, and end what still runs."""
    for execution in everywhere(sfn.executions):
        if execution["status"] == "RUNNING":
            # No event and no history: the stores are about to be emptied.
            execution["status"] = "ABORTED"
    _closed_tokens.clear()


# ---------------------------------------------------------------------- time


@Own("sleeps of an execution", "they end when it does").replaces(sfn, "time")
class _Clock:
    """The ``time`` ministack's interpreter sees."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    @staticmethod
    def sleep(seconds: float) -> None:
        never = threading.Event()
        retries = _retries.get()
        _retries.set(False)
        with before_retry() if retries else away():
            wait_while_running(never, on_end=lambda: None, limit=seconds)


@Own("pauses before retries", "of a length that is drawn, and at most `MaxDelaySeconds`").wraps(
    sfn, "_find_matching_retrier"
)
def _retrier(
    original: Callable[..., tuple[Document | None, int]],
    retriers: list[Document],
    error: str,
    retry_counts: dict[int, int],
) -> tuple[Document | None, int]:
    found, number = original(retriers, error, retry_counts)
    if found is None:
        return found, number
    pause = found.get("IntervalSeconds", 1) * found.get("BackoffRate", 2.0) ** retry_counts.get(number, 0)
    pause = min(pause, found.get("MaxDelaySeconds", pause))
    # Source: Amazon States Language, "Retry"; FULL draws from 0 to the delay.
    _retries.set(True)
    drawn = random.uniform(0, pause) if found.get("JitterStrategy") == "FULL" else pause  # noqa: S311 - no secret
    return {**found, "IntervalSeconds": drawn, "BackoffRate": 1.0}, number


# ---------------------------------------------------------------------- the life of an execution

TIME_LIMITS = Repair(
    "time limits",
    alone="top-level `TimeoutSeconds` ignored; a task that times out leaves its job running",
    aws="`TIMED_OUT` with its event; jobs and children are stopped",
    source=f"{_GUIDE}statemachine-structure.html",
)
ENDS = Repair(
    "ends of executions",
    alone="an error after StopExecution turns `ABORTED` into `FAILED`, and its events follow the end",
    aws="`ABORTED` stays; the end is the last event",
    source=f"{_API}API_StopExecution.html",
)


@TIME_LIMITS.replaces(sfn, "_run_execution")
def _run(exec_arn: str) -> None:
    execution = sfn.executions.get(exec_arn)
    if execution is None:
        return
    if execution.get("sync"):
        # Whoever started it waits for its end, on this thread.
        _walk(execution)
    else:
        walk_seated(lambda: _walk(execution))


def _walk(execution: Document) -> None:
    if execution["status"] != "RUNNING":
        return
    current_task.set(Task(execution))
    timer = _execution_timer(execution)
    try:
        # Python prints a traceback for a thread that ends with anything but SystemExit itself.
        with contextlib.suppress(ExecutionEnded):
            walk(execution)
    finally:
        if timer is not None:
            timer.cancel()


@ENDS.wraps(sfn, "_fail_execution")
def _fail(original: Callable[..., None], execution: Document, error: str, cause: str) -> None:
    if execution["status"] == "RUNNING":
        original(execution, error, cause)


def _execution_timer(execution: Document) -> threading.Timer | None:
    """End the execution as TIMED_OUT after the definition's top-level TimeoutSeconds, which ministack ignores."""
    machine = sfn.state_machines.get(execution["stateMachineArn"], {})
    try:
        # A redriven execution has its definition from before.
        seconds = json.loads(execution.get("definition") or machine.get("definition", "{}")).get("TimeoutSeconds")
    except ValueError:
        return None
    if not isinstance(seconds, int | float):
        return None
    context = contextvars.copy_context()
    timer = threading.Timer(seconds, lambda: context.run(_time_out, execution))
    timer.daemon = True
    timer.start()
    return timer


def _time_out(execution: Document) -> None:
    if execution["status"] != "RUNNING":
        return
    execution["status"] = "TIMED_OUT"
    execution["error"] = "States.Timeout"
    execution["stopDate"] = now_iso()
    sfn.add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}})
    sfn.emit_execution_status_event(execution)


# ---------------------------------------------------------------------- StartExecution


SAME_NAME = Repair(
    "one execution of a name",
    alone="every known execution name is refused",
    aws="the same name and input is the same execution while it runs: the call succeeds and starts nothing",
    source=f"{_API}API_StartExecution.html",
)

# Reentrant: the status event of a start may start, through a rule, another execution on the same thread.
_starting = threading.RLock()


@SAME_NAME.wraps(sfn, "_start_execution")
def _start(original: Callable[[Document], _Response], data: Document) -> _Response:
    if (refused := too_long(data, "input")) is not None:
        return refused  # type: ignore[no-any-return] # a response
    with _starting:
        existing = _execution_of_that_name(data)
        if existing is None:
            return original(data)
        if existing["status"] == "RUNNING" and existing["input"] == data.get("input", "{}"):
            return _answer({"executionArn": existing["executionArn"], "startDate": existing["startDate"]})
    return _refused("ExecutionAlreadyExists", f"Execution Already Exists: '{existing['executionArn']}'")


def _answer(document: Document) -> _Response:
    answer: _Response = json_response(document)
    return answer


def _refused(code: str, message: str) -> _Response:
    answer: _Response = error_response_json(code, message, HTTPStatus.BAD_REQUEST)
    return answer


def _execution_of_that_name(data: Document) -> Document | None:
    name = data.get("name")
    base_arn = sfn.resolve_state_machine_arn(data.get("stateMachineArn", "").partition("#")[0])
    if not name or base_arn is None:
        return None
    prefix = base_arn.replace(":stateMachine:", ":execution:")
    found: Document | None = sfn.executions.get(f"{prefix}:{name}")
    return found


CHILDREN = Repair(
    "child executions",
    alone="`startExecution.sync` runs the child inside the parent's thread: no events, no way to stop it, its error for the task's",
    aws="a child with events of its own, stopped with its parent; `States.TaskFailed` with its description as cause",
    source=f"{_GUIDE}connect-stepfunctions.html",
)


def _child(input_data: Document) -> Document:
    status, _, body = sfn.start_execution(sfn.nested_start_execution_request(input_data))
    payload: Document = json.loads(body) if body else {}
    if status >= HTTPStatus.BAD_REQUEST:
        code = payload.get("__type", "StepFunctionsException").rpartition("#")[2].removesuffix("Exception")
        cause = f"{payload.get('message', '')} (Service: AWSStepFunctions; Status Code: {status}; Error Code: {code})"
        raise sfn.ExecutionError(f"StepFunctions.{code}Exception", cause)
    return payload


@CHILDREN.replaces(sfn, "_invoke_nested_start_execution")
def _start_child(resource: str, input_data: Document) -> Document:
    del resource
    payload = _child(input_data)
    return {"ExecutionArn": payload["executionArn"], "StartDate": payload["startDate"]}


@CHILDREN.replaces(sfn, "_invoke_nested_start_execution_sync")
def _start_child_and_wait(resource: str, input_data: Document) -> Document:
    arn = _child(input_data)["executionArn"]
    child = sfn.executions[arn]

    def stop() -> None:
        cause = "The parent execution or its task has ended."
        sfn.stop_execution({"executionArn": arn, "error": "States.Runtime", "cause": cause})

    with away():
        wait_while_running(lambda: child["status"] != "RUNNING", on_end=stop)
    described = _pascal_case(json.loads(sfn.describe_execution({"executionArn": arn})[2]))
    if resource.endswith(".sync:2"):
        described |= {key: json.loads(described[key]) for key in ("Input", "Output") if described.get(key)}
    if child["status"] != "SUCCEEDED":
        # ministack keeps an Error/Cause document as the output of a failed execution; AWS has none.
        described.pop("Output", None)
        described.pop("OutputDetails", None)
        raise sfn.ExecutionError("States.TaskFailed", json.dumps(described))
    return described


def _pascal_case(described: Document) -> Document:
    answer = {key[:1].upper() + key[1:]: value for key, value in described.items() if value is not None}
    # Step Functions gives the dates of a child as milliseconds since the epoch.
    return answer | {
        key: sfn.iso_to_epoch_ms(answer[key])
        for key in ("StartDate", "StopDate", "RedriveDate")
        if isinstance(answer.get(key), str)
    }


# ---------------------------------------------------------------------- tasks


BRANCHES = Repair(
    "branches",
    alone="branches share the context, so that one may send another's token, and keep what each other assigned",
    aws="each branch has its own; what it assigns stays in it",
    source=f"{_GUIDE}workflow-variables.html",
)
TIMEOUT_EXPRESSIONS = Repair(
    "expressions for timeouts",
    alone="an expression in `TimeoutSeconds` of a task crashes it",
    aws="evaluated",
    source=f"{_GUIDE}state-task.html",
)


@TIMEOUT_EXPRESSIONS.wraps(sfn, "_execute_task")
def _execute_task(
    original: Callable[..., Any], state_def: Document, raw_input: Any, execution: Document, ctx: Document
) -> Any:
    # Of its own, so that a branch cannot send another's token.
    own = {**ctx, "State": dict(ctx.get("State", {}))}
    task = Task(execution)
    task.context = own
    token = current_task.set(task)
    try:
        return original(_with_plain_timeouts(state_def, raw_input, own), raw_input, execution, own)
    finally:
        current_task.reset(token)


@BRANCHES.wraps(sfn, "_run_sub_machine")
def _run_sub_machine(
    original: Callable[..., Any], states: Document, start_at: str, input_data: Any, execution: Document, ctx: Document
) -> Any:
    own = {**ctx, "variables": dict(ctx.get("variables", {}))}
    return original(states, start_at, input_data, execution, own)


def _with_plain_timeouts(state: Document, raw_input: Any, context: Document) -> Document:
    """The state with numbers for its limits, which ministack compares."""
    names = [name for name in ("TimeoutSeconds", "HeartbeatSeconds") if isinstance(state.get(name), str)]
    if not names:
        return state
    values = {name: sfn.jsonata_state_field(state, name, "number", raw_input, context) for name in names}
    return {**state, **values}


@TIME_LIMITS.replaces(sfn, "_invoke_resource_with_timeout")
def _invoke_with_timeout(resource: str, input_data: Any, timeout: float) -> Any:
    """Stop what a task that timed out has started."""
    outcome: list[Any] = []
    failure: list[BaseException] = []
    done = threading.Event()
    task = current_task.get()
    attempt = Task(task.execution if task else {"status": "RUNNING"})
    attempt.context = task.context if task else {}

    def invoke() -> None:
        current_task.set(attempt)
        try:
            outcome.append(sfn.invoke_resource(resource, input_data))
        except (Exception, ExecutionEnded) as error:  # noqa: BLE001 - the waiting thread raises it
            failure.append(error)
        finally:
            done.set()

    threading.Thread(target=contextvars.copy_context().run, args=(invoke,), daemon=True).start()
    while not wait_while_running(done, on_end=lambda: None, limit=attempt.left(timeout)):
        if attempt.left(timeout) > 0:
            continue
        attempt.timed_out.set()
        # A moment for the child or the job to be told to stop; a Lambda function cannot be told.
        done.wait(2 * _NOTICE_SECONDS)
        raise sfn.ExecutionError("States.Timeout", f"Task timed out after {timeout} seconds")
    if failure:
        raise failure[0]
    return outcome[0]


# ---------------------------------------------------------------------- task tokens


TOKENS = Repair(
    "task tokens",
    alone="tokens work after their execution has ended; `HeartbeatSeconds` is ignored; a retry keeps its token",
    aws="`TaskTimedOut`; a missed heartbeat fails the task; a retry gets a new token",
    source=f"{_API}API_SendTaskSuccess.html",
)
PARKED_ERRORS = Repair(
    "errors before a token is back",
    alone="a Lambda error in `lambda:invoke.waitForTaskToken` is swallowed, and the task waits for ever",
    aws="the task fails",
    source=f"{_GUIDE}connect-to-resource.html",
)


def _close_token(token: str) -> None:
    machine = machine_of_token(token)
    sfn.task_tokens.pop(token, None)
    _closed_tokens[token] = machine or ""


def _parked(token: str | None) -> Document | _Response:
    """Give the parked task of the token, or the answer that refuses it."""
    parked: Document | None = sfn.task_tokens.get(token)
    if parked is not None and parked.get("execution", {}).get("status", "RUNNING") == "RUNNING":
        return parked
    if parked is not None or token in _closed_tokens:
        return _refused("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
    return _refused("InvalidToken", "Invalid Token: 'The provided token is not valid'")


def _send_back(token: str | None, **given: Any) -> _Response:
    with _token_lock:
        parked = _parked(token)
        if isinstance(parked, tuple):
            return parked
        parked |= given
        _close_token(str(token))
    parked["event"].set()
    return _answer({})


@TOKENS.replaces(sfn, "_send_task_success")
def _send_task_success(data: Document) -> _Response:
    if (refused := too_long(data, "output")) is not None:
        return refused  # type: ignore[no-any-return] # a response
    output = data.get("output", "{}")
    try:
        json.loads(output)
    except ValueError:
        return _refused("InvalidOutput", "Invalid Output: 'The output is not JSON'")
    return _send_back(data.get("taskToken"), result=output)


@TOKENS.replaces(sfn, "_send_task_failure")
def _send_task_failure(data: Document) -> _Response:
    error = {"Error": data.get("error", "States.TaskFailed"), "Cause": data.get("cause", "")}
    return _send_back(data.get("taskToken"), error=error)


@TOKENS.replaces(sfn, "_send_task_heartbeat")
def _send_task_heartbeat(data: Document) -> _Response:
    with _token_lock:
        parked = _parked(data.get("taskToken"))
        if isinstance(parked, tuple):
            return parked
        parked["heartbeat"] = now_iso()
        parked["last_sign"] = time.monotonic()
    return _answer({})


@PARKED_ERRORS.replaces(sfn, "_invoke_with_callback")
def _invoke_with_callback(resource: str, input_data: Any, token: str, state_def: Document) -> Any:
    """Call the integration and wait for the token to come back, which dies with its task or execution."""
    task = current_task.get()
    parked: Document = {
        "event": threading.Event(),
        "result": None,
        "error": None,
        "heartbeat": None,
        "last_sign": time.monotonic(),
        "execution": task.execution if task else {},
    }
    sfn.task_tokens[token] = parked
    try:
        started = time.monotonic()
        try:
            sfn.invoke_resource(resource.replace(".waitForTaskToken", ""), input_data)
        except sfn.ExecutionError:
            # The token may have come back before the call failed; then the task is done.
            if not parked["event"].is_set():
                raise
        _wait_for_token(parked, started, state_def.get("TimeoutSeconds"), state_def.get("HeartbeatSeconds"))
    except BaseException:
        if task is not None and "Task" in task.context:
            task.context["Task"] = {"Token": new_uuid()}
        raise
    finally:
        with _token_lock:
            _close_token(token)
    return json.loads(parked["result"])


@away()
def _wait_for_token(parked: Document, started: float, limit: float | None, heartbeat: float | None) -> None:
    """Wait until the token is back.

    Raises:
        stepfunctions._ExecutionError: It came back as a failure, or not in time.
    """
    # Also the caller of the integration may have used up the task's time.
    while True:
        remaining = None if limit is None else limit - (time.monotonic() - started)
        slice_seconds = remaining if heartbeat is None else min(heartbeat / 4, remaining or heartbeat)
        if wait_while_running(parked["event"], on_end=lambda: None, limit=slice_seconds):
            break
        if limit is not None and time.monotonic() - started >= limit:
            raise sfn.ExecutionError("States.Timeout", f"Task timed out after {limit} seconds")
        if heartbeat is not None and time.monotonic() - parked["last_sign"] > heartbeat:
            raise sfn.ExecutionError("States.HeartbeatTimeout", f"No heartbeat for {heartbeat} seconds")
    if parked["error"]:
        raise sfn.ExecutionError(parked["error"]["Error"], parked["error"]["Cause"])
