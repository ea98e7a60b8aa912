"""Processes of Lambda functions: an exception ends none, and one that ends itself says so."""

from __future__ import annotations

import base64
import contextvars
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local import lambda_code, lambda_throttling, step_functions_seats, step_functions_tasks
from local.lambda_processes import PLACES
from local.sagemaker_records import in_background
from local.seam import lambda_svc

if TYPE_CHECKING:
    from tests.local.conftest import Account

CODE = """
import os, time
calls = 0
class Refused(Exception): pass
def handler(event, context):
    global calls
    calls += 1
    if event == "raise": raise Refused("no")
    if event == "exit": os._exit(3)
    if event == "sleep": time.sleep(1)
    return calls
"""

WRITES = """
import os, sys
def handler(event, context):
    print("first " + event)
    print("without a line end", end="", file=sys.stderr)
    if event == "exit":
        sys.stderr.flush()
        os._exit(3)
    if event == "raise": raise LookupError(event)
"""

SLOW = """
import os, time
def handler(event, context):
    time.sleep(0.5)
    return os.getpid()
"""

PARENT = """
import os
def handler(event, context): return os.getppid()
"""

FORKED = """
import importlib.util, os, random, sys
drawn = random.random()
def handler(event, context):
    ours = [name for name in ("local", "ops", "lambda_processes") if importlib.util.find_spec(name)]
    return [os.environ["AWS_LAMBDA_FUNCTION_NAME"], drawn, ours + sorted({"ministack", "moto"} & set(sys.modules))]
"""

COMPILED = """
import os
def handler(event, context):
    if event == "exit": os._exit(3)
    return [os.getcwd(), os.path.exists(__cached__), os.path.getmtime(__cached__)]
"""


def asked(account: Account, function: str, event: str) -> Any:
    answer = account.aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    return json.loads(answer["Payload"].read())


def test_a_process_lives_on_after_an_exception_of_its_handler(account: Account) -> None:
    function = account.function("counts", CODE)
    assert asked(account, function, "count") == 1
    assert asked(account, function, "raise")["errorType"] == "Refused"
    assert asked(account, function, "count") == 3


def test_a_process_that_ends_itself_is_an_exit_error_and_the_next_begins_anew(account: Account) -> None:
    function = account.function("counts", CODE)
    asked(account, function, "count")
    assert asked(account, function, "exit")["errorType"] == "Runtime.ExitError"
    assert asked(account, function, "count") == 1


@pytest.mark.parametrize("event", ["return", "raise", "exit"])
def test_the_log_of_an_invocation_is_whole_and_its_own(account: Account, event: str) -> None:
    function = account.function("writes", WRITES)
    for _ in range(2):
        answer = account.aws.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode(), LogType="Tail"
        )
        log = base64.b64decode(answer["LogResult"]).decode()
        written = [line for line in log.splitlines() if line and "RequestId" not in line]
        # What follows says how it ended.
        assert (written[:2], log.count("first ")) == ([f"first {event}", "without a line end"], 1)
        assert "end of the invocation's log" not in log


def test_processes_have_nothing_of_each_other_and_nothing_of_the_server(account: Account) -> None:
    (first, drawn, foreign), (second, drawn_too, foreign_too) = (
        asked(account, account.function(name, FORKED), "") for name in ("first", "second")
    )
    assert (first, second) == ("first", "second")
    assert drawn != drawn_too
    assert foreign == foreign_too == []


@pytest.mark.skipif(sys.platform != "linux", reason="functions are forked on Linux alone")
def test_functions_start_also_when_what_they_are_forked_from_was_killed(account: Account) -> None:
    """A system that lacks memory kills what has much of it. What was forked ends, so that it cannot outlive the server."""
    first = account.function("first", PARENT)
    parent = asked(account, first, "")
    os.kill(parent, signal.SIGKILL)

    other = asked(account, account.function("second", PARENT), "")

    assert other not in (parent, 1)
    assert asked(account, first, "") == other


def test_the_next_process_finds_the_code_compiled(account: Account) -> None:
    function = account.function("compiled", COMPILED)
    asked(account, function, "where")
    asked(account, function, "exit")
    folder, compiled, modified = asked(account, function, "where")
    asked(account, function, "exit")
    assert compiled
    assert asked(account, function, "where") == [folder, compiled, modified]


def test_code_that_no_process_was_started_with_for_long_is_removed_with_its_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    used, unused = tmp_path / "code-used", tmp_path / "code-unused"
    compiled = Path(f"{tmp_path}{unused}")
    for folder in (used, unused, compiled):
        folder.mkdir(parents=True)
    long_ago = time.time() - lambda_code.KEPT_SECONDS - 60
    os.utime(unused, (long_ago, long_ago))
    lambda_code.forget_unused()
    assert [folder.exists() for folder in (used, unused, compiled)] == [True, False, False]


def test_code_that_is_being_removed_is_nobodys_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever removes it may be killed over it, and what is left would be taken for the code."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    unused = tmp_path / "code-unused"
    unused.mkdir()
    os.utime(unused, (0, 0))
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    lambda_code.forget_unused()
    assert not unused.exists()


def task(function: str, **more: Any) -> dict[str, Any]:
    """A state that asks a function and ends its machine with the answer."""
    asks = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": function}}
    return {**asks, "Output": "{% $states.result.Payload %}", "End": True, **more}


def test_as_many_run_at_once_as_the_cores_carry_and_whoever_waits_for_a_turn_runs_out_of_no_time(
    account: Account,
) -> None:
    """A function of a second and a task of three, asked for longer than that; all are in flight at once."""
    function = account.function("slow", SLOW)
    account.aws.client("lambda").update_function_configuration(FunctionName="slow", Timeout=1)
    machine = account.machine("storm", {"Ask": task(function, TimeoutSeconds=3)})

    ended = [account.ended(execution) for execution in [account.start(machine) for _ in range(7 * PLACES)]]

    assert {execution["status"] for execution in ended} == {"SUCCEEDED"}
    assert len({execution["output"] for execution in ended}) <= PLACES


def test_a_throttled_task_has_the_name_that_it_has_on_aws(account: Account) -> None:
    function = account.function("closed", CODE)
    account.aws.client("lambda").put_function_concurrency(FunctionName="closed", ReservedConcurrentExecutions=0)
    assert account.run("throttled", {"Ask": task(function)})["error"] == "Lambda.TooManyRequestsException"


def test_an_event_for_a_throttled_function_is_delivered_when_it_lets_it_in(account: Account) -> None:
    functions, events = account.aws.client("lambda"), account.aws.client("events")
    function = account.function("counts", CODE)
    functions.put_function_concurrency(FunctionName="counts", ReservedConcurrentExecutions=0)
    functions.add_permission(
        FunctionName="counts", StatementId="rules", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    events.put_rule(Name="told", EventPattern=json.dumps({"source": ["teller"]}))
    events.put_targets(Rule="told", Targets=[{"Id": "function", "Arn": function}])
    events.put_events(Entries=[{"Source": "teller", "DetailType": "told", "Detail": "{}"}])
    functions.delete_function_concurrency(FunctionName="counts")

    logs = account.aws.client("logs")
    account.until(lambda: logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/counts")["logGroups"], len)
    assert asked(account, "counts", "count") == 2


def test_a_reset_forgets_the_events_that_wait_for_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next function may have the name of the one they were for."""
    asked_at = threading.Event()

    def throttled(*_: object) -> dict[str, bool]:
        asked_at.set()
        return {"throttle": True}

    service = lambda_svc.load()
    monkeypatch.setattr(service, "_get_func_record_for_ref", lambda _: ({"function": 1}, {"config": 1}, "name"))
    monkeypatch.setattr(service, "_execution_record_for_config", lambda *_: {})
    monkeypatch.setattr(service, "_execute_function_with_config_scope", throttled)
    monkeypatch.setattr(lambda_throttling, "FIRST_PAUSE_SECONDS", 60.0)
    waits = in_background(lambda: lambda_throttling._invoke("arn", {}), "event")
    assert asked_at.wait(10)

    lambda_throttling.reset()

    waits.join(5)
    assert not waits.is_alive()


def test_it_is_known_how_many_invocations_go_on(account: Account) -> None:
    function = account.function("counts", CODE)
    assert account.aws.functions_running() == 0
    asking = threading.Thread(target=asked, args=(account, function, "sleep"))
    asking.start()
    account.until(account.aws.functions_running, lambda running: running == 1)
    asking.join()
    assert account.aws.functions_running() == 0


def test_what_a_task_begins_in_the_background_is_no_work_of_the_task() -> None:
    """An event that a task's thread sends is delivered on another, which waits for its own turn and not in the task's time."""
    seen: list[object] = []

    def work() -> None:
        step_functions_tasks.current_task.set(step_functions_tasks.Task({}))
        step_functions_seats._seat.set(step_functions_seats._Seat())
        in_background(
            lambda: seen.extend((step_functions_tasks.current_task.get(), step_functions_seats._seat.get())), "event"
        ).join()

    contextvars.copy_context().run(work)
    assert seen == [None, None]
