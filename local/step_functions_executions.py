"""Where ministack's Step Functions differ from AWS, repaired from outside by replacing functions of its module.

Each replacement says which difference it repairs. ministack's own interpreter still does the work of each state.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import json
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import jsonata
from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response, now_iso
from ministack.services import stepfunctions as sfn

from local import step_functions_redrive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.sagemaker_records import Document

_LOOK_SECONDS = 0.02
_NOTICE_SECONDS = 0.1
"""How late a task notices that its time or its execution is over. Each parked one looks as often: 30 of them took a twentieth
of a processor at 0.02."""
_Response = tuple[int, dict[str, str], Any]


class ExecutionEnded(SystemExit):
    """Unwinds the thread of a task whose execution was ended from outside.

    A SystemExit because neither ministack's ``except Exception`` nor the thread's own hook may take it for a failure.
    """


class _Task:
    """The attempt a thread is working on: its execution's record, and whether its own time is over."""

    def __init__(self, execution: Document) -> None:
        self.execution = execution
        self.timed_out = threading.Event()
        self.context: Document = {}


_task: contextvars.ContextVar[_Task | None] = contextvars.ContextVar("task", default=None)
# Tokens that were used, or whose execution or task is over, with the machine of each.
_closed_tokens = AccountRegionScopedDict()
_token_lock = threading.Lock()


def role_of_task() -> tuple[str, str]:
    """ARNs of the machine this thread works for and of its role; both empty where it works for none."""
    task = _task.get()
    machine = str(task.execution.get("stateMachineArn", "")) if task is not None else ""
    return machine, str(sfn._state_machines.get(machine, {}).get("roleArn", ""))


def machine_of_token(token: str) -> str | None:
    """ARN of the machine a task token belongs to, also when it was used; None for a token nobody gave."""
    parked = sfn._task_tokens.get(token)
    found = parked["execution"].get("stateMachineArn") if parked is not None else _closed_tokens.get(token)
    return None if found is None else str(found)


def task_is_over() -> bool:
    """Tell whether the task this thread works for has run out of its own time, or its execution is over."""
    task = _task.get()
    return task is not None and (task.timed_out.is_set() or task.execution["status"] != "RUNNING")


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
    while True:
        left = _NOTICE_SECONDS if deadline is None else max(0.0, deadline - time.monotonic())
        if isinstance(done, threading.Event):
            if done.wait(min(_NOTICE_SECONDS, left)):
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


def install() -> None:
    """Replace what differs."""
    # First: what follows wraps its walk.
    step_functions_redrive.install()
    _install_clock()
    _install_execution_life()
    _install_start_execution()
    _install_nested_executions()
    _install_tasks()
    _install_tokens()
    _install_jsonata()
    _install_error_names()


def reset() -> None:
    """Forget the closed tokens, and end what still runs."""
    for execution in sfn._executions._data.values():
        if execution["status"] == "RUNNING":
            # No event and no history: the stores are about to be emptied.
            execution["status"] = "ABORTED"
    _closed_tokens.clear()


# ---------------------------------------------------------------------- time


class _Clock:
    """The ``time`` ministack's interpreter sees: its sleeps end when the execution does."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    @staticmethod
    def sleep(seconds: float) -> None:
        never = threading.Event()
        wait_while_running(never, on_end=lambda: None, limit=seconds)


def _install_clock() -> None:
    sfn.time = _Clock


# ---------------------------------------------------------------------- the life of an execution


def _install_execution_life() -> None:
    run_execution, fail_execution = sfn._run_execution, sfn._fail_execution

    def run(execution_arn: str) -> None:
        execution = sfn._executions.get(execution_arn)
        if execution is None:
            return
        _task.set(_Task(execution))
        timer = _execution_timer(execution)
        try:
            # Python prints a traceback for a thread that ends with anything but SystemExit itself.
            with contextlib.suppress(ExecutionEnded):
                run_execution(execution_arn)
        finally:
            if timer is not None:
                timer.cancel()

    def fail(execution: Document, error: str, cause: str) -> None:
        # An error that arrives after StopExecution does not turn ABORTED into FAILED.
        if execution["status"] == "RUNNING":
            fail_execution(execution, error, cause)

    sfn._run_execution = run
    sfn._fail_execution = fail


def _execution_timer(execution: Document) -> threading.Timer | None:
    """End the execution as TIMED_OUT after the definition's top-level TimeoutSeconds, which ministack ignores."""
    machine = sfn._state_machines.get(execution["stateMachineArn"], {})
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
    sfn._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}})
    sfn._emit_execution_status_event(execution)


# ---------------------------------------------------------------------- StartExecution


def _install_start_execution() -> None:
    start_execution = sfn._start_execution

    # Reentrant: the status event of a start may start, through a rule, another execution on the same thread.
    one_at_a_time = threading.RLock()

    def start(data: Document) -> _Response:
        with one_at_a_time:
            return start_or_attach(data)

    def start_or_attach(data: Document) -> _Response:
        # ministack refuses every name it knows. On AWS the same name with the same input is the same execution
        # while it runs: the call succeeds and starts nothing.
        existing = _execution_of_that_name(data)
        if existing is None:
            answer: _Response = start_execution(data)
            return answer
        if existing["status"] == "RUNNING" and existing["input"] == data.get("input", "{}"):
            attached: _Response = json_response(
                {"executionArn": existing["executionArn"], "startDate": existing["startDate"]}
            )
            return attached
        message = f"Execution Already Exists: '{existing['executionArn']}'"
        refused: _Response = error_response_json("ExecutionAlreadyExists", message, 400)
        return refused

    sfn._start_execution = start


def _execution_of_that_name(data: Document) -> Document | None:
    name = data.get("name")
    base_arn = sfn._resolve_state_machine_arn(data.get("stateMachineArn", "").partition("#")[0])
    if not name or base_arn is None:
        return None
    prefix = base_arn.replace(":stateMachine:", ":execution:")
    found: Document | None = sfn._executions.get(f"{prefix}:{name}")
    return found


def _install_nested_executions() -> None:
    def started(input_data: Document) -> Document:
        status, _, body = sfn._start_execution(sfn._nested_start_execution_request(input_data))
        payload: Document = json.loads(body) if body else {}
        if status >= HTTPStatus.BAD_REQUEST:
            code = payload.get("__type", "StepFunctionsException").rpartition("#")[2].removesuffix("Exception")
            cause = (
                f"{payload.get('message', '')} (Service: AWSStepFunctions; Status Code: {status}; Error Code: {code})"
            )
            raise sfn._ExecutionError(f"StepFunctions.{code}Exception", cause)
        return payload

    def start(resource: str, input_data: Document) -> Document:
        del resource
        payload = started(input_data)
        return {"ExecutionArn": payload["executionArn"], "StartDate": payload["startDate"]}

    def start_and_wait(resource: str, input_data: Document) -> Document:
        # ministack runs the child inside the parent's thread: no status events, no way to stop it, and its error
        # in place of States.TaskFailed. Here it is an execution like any other, and the parent waits for its end.
        arn = started(input_data)["executionArn"]
        child = sfn._executions[arn]

        def stop() -> None:
            cause = "The parent execution or its task has ended."
            sfn._stop_execution({"executionArn": arn, "error": "States.Runtime", "cause": cause})

        wait_while_running(lambda: child["status"] != "RUNNING", on_end=stop)
        described = _pascal_case(json.loads(sfn._describe_execution({"executionArn": arn})[2]))
        if resource.endswith(".sync:2"):
            described |= {key: json.loads(described[key]) for key in ("Input", "Output") if described.get(key)}
        if child["status"] != "SUCCEEDED":
            # ministack keeps an Error/Cause document as the output of a failed execution; AWS has none.
            described.pop("Output", None)
            described.pop("OutputDetails", None)
            raise sfn._ExecutionError("States.TaskFailed", json.dumps(described))
        return described

    sfn._invoke_nested_start_execution = start
    sfn._invoke_nested_start_execution_sync = start_and_wait


def _pascal_case(described: Document) -> Document:
    answer = {key[:1].upper() + key[1:]: value for key, value in described.items() if value is not None}
    # Step Functions gives the dates of a child as milliseconds since the epoch.
    return answer | {
        key: sfn._iso_to_epoch_ms(answer[key])
        for key in ("StartDate", "StopDate", "RedriveDate")
        if isinstance(answer.get(key), str)
    }


# ---------------------------------------------------------------------- tasks


def _install_tasks() -> None:
    execute_task = sfn._execute_task
    run_sub_machine = sfn._run_sub_machine

    def execute(state: Document, raw_input: Any, execution: Document, context: Document) -> Any:
        # Branches of a Parallel share one context in ministack, so a branch could send another's task token.
        own = {**context, "State": dict(context.get("State", {}))}
        task = _Task(execution)
        task.context = own
        token = _task.set(task)
        try:
            return execute_task(_with_plain_timeouts(state, raw_input, own), raw_input, execution, own)
        finally:
            _task.reset(token)

    def sub_machine(states: Document, start_at: str, input_data: Any, execution: Document, context: Document) -> Any:
        # On AWS what a branch assigns stays in the branch.
        own = {**context, "variables": dict(context.get("variables", {}))}
        return run_sub_machine(states, start_at, input_data, execution, own)

    sfn._execute_task = execute
    sfn._run_sub_machine = sub_machine
    sfn._invoke_resource_with_timeout = _invoke_with_timeout


def _with_plain_timeouts(state: Document, raw_input: Any, context: Document) -> Document:
    """Evaluate an expression in TimeoutSeconds as AWS does; ministack compares it with a number and crashes."""
    names = [name for name in ("TimeoutSeconds", "HeartbeatSeconds") if isinstance(state.get(name), str)]
    if not names:
        return state
    values = {name: sfn._jsonata_state_field(state, name, "number", raw_input, context) for name in names}
    return {**state, **values}


def _invoke_with_timeout(resource: str, input_data: Any, timeout: float) -> Any:
    """Stop what a task that timed out has started, as AWS does; ministack lets it run on."""
    outcome: list[Any] = []
    failure: list[BaseException] = []
    done = threading.Event()
    task = _task.get()
    attempt = _Task(task.execution if task else {"status": "RUNNING"})
    attempt.context = task.context if task else {}

    def invoke() -> None:
        _task.set(attempt)
        try:
            outcome.append(sfn._invoke_resource(resource, input_data))
        except (Exception, ExecutionEnded) as error:  # noqa: BLE001 - the waiting thread raises it
            failure.append(error)
        finally:
            done.set()

    threading.Thread(target=contextvars.copy_context().run, args=(invoke,), daemon=True).start()
    if not wait_while_running(done, on_end=lambda: None, limit=timeout):
        attempt.timed_out.set()
        # A moment for the child or the job to be told to stop; a Lambda function cannot be told.
        done.wait(2 * _NOTICE_SECONDS)
        raise sfn._ExecutionError("States.Timeout", f"Task timed out after {timeout} seconds")
    if failure:
        raise failure[0]
    return outcome[0]


# ---------------------------------------------------------------------- task tokens


def _install_tokens() -> None:
    sfn._invoke_with_callback = _invoke_with_callback
    sfn._send_task_success = _send_task_success
    sfn._send_task_failure = _send_task_failure
    sfn._send_task_heartbeat = _send_task_heartbeat


def _close_token(token: str) -> None:
    machine = machine_of_token(token)
    sfn._task_tokens.pop(token, None)
    _closed_tokens[token] = machine or ""


def _open_token(token: str | None) -> tuple[Document | None, _Response | None]:
    """Give the parked task of the token, or the answer that refuses it."""
    parked = sfn._task_tokens.get(token)
    if parked is not None and parked.get("execution", {}).get("status", "RUNNING") == "RUNNING":
        return parked, None
    if parked is not None or token in _closed_tokens:
        # ministack accepts a token twice, and after its execution was aborted.
        message = "Task Timed Out: 'Provided task does not exist anymore'"
        return None, error_response_json("TaskTimedOut", message, 400)
    return None, error_response_json("InvalidToken", "Invalid Token: 'The provided token is not valid'", 400)


def _send_task_success(data: Document) -> _Response:
    output = data.get("output", "{}")
    try:
        json.loads(output)
    except ValueError:
        refused: _Response = error_response_json("InvalidOutput", "Invalid Output: 'The output is not JSON'", 400)
        return refused
    with _token_lock:
        parked, refusal = _open_token(data.get("taskToken"))
        if parked is None:
            return refusal  # type: ignore[return-value] # one of the two is always there
        parked["result"] = output
        _close_token(data["taskToken"])
    parked["event"].set()
    answer: _Response = json_response({})
    return answer


def _send_task_failure(data: Document) -> _Response:
    with _token_lock:
        parked, refusal = _open_token(data.get("taskToken"))
        if parked is None:
            return refusal  # type: ignore[return-value] # one of the two is always there
        parked["error"] = {"Error": data.get("error", "States.TaskFailed"), "Cause": data.get("cause", "")}
        _close_token(data["taskToken"])
    parked["event"].set()
    answer: _Response = json_response({})
    return answer


def _send_task_heartbeat(data: Document) -> _Response:
    with _token_lock:
        parked, refusal = _open_token(data.get("taskToken"))
        if parked is None:
            return refusal  # type: ignore[return-value] # one of the two is always there
        parked["heartbeat"] = now_iso()
        parked["last_sign"] = time.monotonic()
    answer: _Response = json_response({})
    return answer


def _invoke_with_callback(resource: str, input_data: Any, token: str, state: Document) -> Any:
    """Call the integration and wait for the token to come back.

    Differs from ministack's: an error of the Lambda call fails the task instead of leaving it parked for ever, the
    token dies with its task or execution, HeartbeatSeconds is kept, and a retry gets a token of its own.
    """
    task = _task.get()
    parked: Document = {
        "event": threading.Event(),
        "result": None,
        "error": None,
        "heartbeat": None,
        "last_sign": time.monotonic(),
        "execution": task.execution if task else {},
    }
    sfn._task_tokens[token] = parked
    try:
        started = time.monotonic()
        try:
            sfn._invoke_resource(resource.replace(".waitForTaskToken", ""), input_data)
        except sfn._ExecutionError:
            # The token may have come back before the call failed; then the task is done.
            if not parked["event"].is_set():
                raise
        limit = state.get("TimeoutSeconds")
        _wait_for_token(parked, started, limit, state.get("HeartbeatSeconds"))
    except BaseException:
        if task is not None and "Task" in task.context:
            task.context["Task"] = {"Token": sfn.new_uuid()}
        raise
    finally:
        with _token_lock:
            _close_token(token)
    if parked["error"]:
        if task is not None and "Task" in task.context:
            task.context["Task"] = {"Token": sfn.new_uuid()}
        raise sfn._ExecutionError(parked["error"]["Error"], parked["error"]["Cause"])
    return json.loads(parked["result"])


def _wait_for_token(parked: Document, started: float, limit: float | None, heartbeat: float | None) -> None:
    # Also the caller of the integration may have used up the task's time.
    while True:
        remaining = None if limit is None else limit - (time.monotonic() - started)
        slice_seconds = remaining if heartbeat is None else min(heartbeat / 4, remaining or heartbeat)
        if wait_while_running(parked["event"], on_end=lambda: None, limit=slice_seconds):
            return
        if limit is not None and time.monotonic() - started >= limit:
            raise sfn._ExecutionError("States.Timeout", f"Task timed out after {limit} seconds")
        if heartbeat is not None and time.monotonic() - parked["last_sign"] > heartbeat:
            raise sfn._ExecutionError("States.HeartbeatTimeout", f"No heartbeat for {heartbeat} seconds")


# ---------------------------------------------------------------------- JSONata


def _install_jsonata() -> None:
    apply_output_path = sfn._apply_output_path

    def output_path(state: Document, data: Any, context: Document | None = None) -> Any:
        # ministack gives a Succeed state's input back whatever its Output says.
        if state.get("Type") == "Succeed" and "Output" in state and _is_jsonata(state, context):
            return sfn._apply_jsonata_output(state, data, context)
        return apply_output_path(state, data, context)

    def assign(
        state: Document, raw_input: Any, context: Document | None, result: Any = None, error_output: Any = None
    ) -> None:
        # On AWS every Assign of a state sees the values at the state's entry; ministack lets a later one see an
        # earlier one's.
        templates = state.get("Assign")
        if context is None or not isinstance(templates, dict) or not _is_jsonata(state, context):
            return
        values = {
            name: sfn._apply_jsonata_template(template, raw_input, context, result=result, error_output=error_output)
            for name, template in templates.items()
        }
        context.setdefault("variables", {}).update(copy.deepcopy(values))

    def choice_rule(rule: Document, raw_input: Any, context: Document) -> bool:
        # ministack takes any value for true or false, and an unknown variable for no match; both are
        # States.QueryEvaluationError on AWS.
        condition = rule.get("Condition")
        if isinstance(condition, str):
            _require_known_variables(condition, context)
        value = sfn._apply_jsonata_template(condition, raw_input, context)
        if not isinstance(value, bool):
            raise sfn._ExecutionError(
                "States.QueryEvaluationError",
                f"The JSONata expression '{condition}' specified for the field 'Condition' returned an unexpected "
                f"result type. Expected 'boolean', but was '{sfn._json_type(value)}' for value: {json.dumps(value)}",
            )
        return value

    run_branches = sfn._run_parallel_branches

    def parallel(state: Document, raw_input: Any, execution: Document, context: Document) -> Any:
        # ministack ignores Arguments, Output and Assign of a Parallel state in JSONata.
        if not _is_jsonata(state, context):
            return run_branches(state, raw_input, execution, context)
        given = sfn._apply_jsonata_arguments(state, raw_input, context)
        results, following = run_branches(state, given, execution, context)
        output = sfn._apply_jsonata_output(state, raw_input, context, result=results, default=results)
        sfn._apply_state_assign(state, raw_input, context, result=results)
        return output, following

    sfn._apply_output_path = output_path
    sfn._apply_state_assign = assign
    sfn._evaluate_jsonata_choice_rule = choice_rule
    sfn._run_parallel_branches = parallel


def _is_jsonata(state: Document, context: Document | None) -> bool:
    # A Catch has no query language of its own; it has the state's, which ministack hands down in the context.
    return bool(sfn._state_query_language(state, context) == "JSONata")


def _require_known_variables(condition: str, context: Document) -> None:
    expression = condition.removeprefix("{%").removesuffix("%}").strip()
    try:
        tree = jsonata.Jsonata.jsonata(expression).ast
    except Exception:  # noqa: BLE001 - the evaluation reports a bad expression better
        return
    known = {*context.get("variables", {}), "states", "", "$"}
    for name in _free_variables(tree, known):
        raise sfn._ExecutionError(
            "States.QueryEvaluationError",
            f"The JSONata expression '{condition}' specified for the field 'Condition' reads the variable "
            f"${name}, which has not been assigned.",
        )


def _free_variables(tree: Any, known: set[str]) -> Iterator[str]:
    """Give the variables an expression reads but neither binds nor finds bound; what $exists asks about is exempt."""
    nodes = list(_nodes(tree))
    bound = {str(node.lhs.value) for node in nodes if node.type == "bind" and node.lhs is not None}
    bound |= {str(argument.value) for node in nodes if node.type == "lambda" for argument in (node.arguments or [])}
    asked = {
        id(inner)
        for node in nodes
        if node.type == "function" and getattr(node.procedure, "value", None) == "exists"
        for inner in _nodes(node.arguments)
    }
    called = {id(node.procedure) for node in nodes if node.type in ("function", "partial")}
    for node in nodes:
        if node.type == "variable" and id(node) not in asked and id(node) not in called:
            name = str(node.value)
            if name not in known and name not in bound:
                yield name


def _nodes(tree: Any, seen: set[int] | None = None) -> Iterator[Any]:
    seen = set() if seen is None else seen
    if isinstance(tree, list | tuple):
        for item in tree:
            yield from _nodes(item, seen)
    elif hasattr(tree, "type") and hasattr(tree, "__dict__") and id(tree) not in seen:
        seen.add(id(tree))
        yield tree
        for value in vars(tree).values():
            yield from _nodes(value, seen)


# ---------------------------------------------------------------------- error names


def _install_error_names() -> None:
    prefix_error = sfn._prefix_sdk_error

    def prefixed(service: str, code: str) -> str:
        # Step Functions adds the suffix to every error of an SDK integration: S3.NoSuchKeyException.
        name: str = prefix_error(service, code)
        if name.startswith("States.") or name.endswith("Exception"):
            return name
        return f"{name}Exception"

    sfn._prefix_sdk_error = prefixed

    error_matches = sfn._error_matches

    def matches(names: list[str], error: str) -> bool:
        # On AWS neither wildcard catches these two; a definition that relies on it must fail here as well.
        if error in ("States.Runtime", "States.DataLimitExceeded"):
            return error in names
        return bool(error_matches(names, error))

    sfn._error_matches = matches
