"""What of Step Functions is repaired."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.embedded_aws import wait_until
from local.step_functions_seats import SEATS

if TYPE_CHECKING:
    from tests.local.conftest import Account

ROLE = "arn:aws:iam::000000000000:role/service-role"
PASS = {"Type": "Pass", "End": True}
CHILD = "arn:aws:states:::states:startExecution.sync:2"
PARK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


def park(url: str, **more: Any) -> dict[str, Any]:
    """Give a state that sends its task token to a queue and waits."""
    return {
        "Type": "Task",
        "Resource": PARK,
        "Arguments": {"QueueUrl": url, "MessageBody": {"token": "{% $states.context.Task.Token %}"}},
        "End": True,
        **more,
    }


def sent_token(account: Account, url: str) -> str:
    return str(account.heard(url, 1)[0]["token"])


@pytest.fixture
def queue(account: Account) -> str:
    return account.queue("tokens")


def test_a_child_execution_is_waited_for_and_its_output_parsed(account: Account) -> None:
    child = account.machine("child", {"A": {"Type": "Pass", "Output": {"auc": 0.9}, "End": True}})
    task = {"Type": "Task", "Resource": CHILD, "Arguments": {"StateMachineArn": child, "Input": {}}, "End": True}

    ended = account.run("parent", {"A": task})

    output = json.loads(ended["output"])
    assert output["Output"] == {"auc": 0.9}
    assert output["Status"] == "SUCCEEDED"


def test_a_failed_child_is_task_failed_with_its_description_as_cause(account: Account) -> None:
    child = account.machine("child", {"A": {"Type": "Fail", "Error": "TooFewRows", "Cause": "only 3"}})
    task = {"Type": "Task", "Resource": CHILD, "Arguments": {"StateMachineArn": child}, "End": True}

    ended = account.run("parent", {"A": task})

    assert ended["error"] == "States.TaskFailed"
    cause = json.loads(ended["cause"])
    assert (cause["Status"], cause["Error"], cause["Cause"]) == ("FAILED", "TooFewRows", "only 3")


def test_a_child_emits_its_own_status_events(account: Account) -> None:
    url = account.listen({"source": ["aws.states"], "detail": {"name": ["the-child"]}})
    child = account.machine("child", {"A": PASS})
    arguments = {"StateMachineArn": child, "Name": "the-child"}
    account.run("parent", {"A": {"Type": "Task", "Resource": CHILD, "Arguments": arguments, "End": True}})

    assert [event["detail"]["status"] for event in account.heard(url, 2)] == ["RUNNING", "SUCCEEDED"]


def test_aborting_the_parent_stops_the_child(account: Account, queue: str) -> None:
    child = account.machine("child", {"A": park(queue)})
    arguments = {"StateMachineArn": child, "Name": "the-child"}
    parent = account.start(
        account.machine("parent", {"A": {"Type": "Task", "Resource": CHILD, "Arguments": arguments, "End": True}})
    )
    sent_token(account, queue)

    account.states.stop_execution(executionArn=parent)

    assert account.ended(child.replace("stateMachine", "execution") + ":the-child")["status"] == "ABORTED"
    assert account.states.describe_execution(executionArn=parent)["status"] == "ABORTED"


def test_a_task_that_times_out_stops_its_child(account: Account, queue: str) -> None:
    child = account.machine("child", {"A": park(queue)})
    arguments = {"StateMachineArn": child, "Name": "the-child"}
    task = {"Type": "Task", "Resource": CHILD, "Arguments": arguments, "TimeoutSeconds": 1, "End": True}

    ended = account.run("parent", {"A": task})

    assert ended["error"] == "States.Timeout"
    assert account.ended(child.replace("stateMachine", "execution") + ":the-child")["status"] == "ABORTED"


def test_the_same_name_and_input_is_the_same_execution_while_it_runs(account: Account, queue: str) -> None:
    machine = account.machine("machine", {"A": park(queue)})
    first = account.start(machine, {"a": 1}, name="one")

    assert account.start(machine, {"a": 1}, name="one") == first
    with pytest.raises(account.states.exceptions.ExecutionAlreadyExists):
        account.start(machine, {"a": 2}, name="one")
    account.states.send_task_success(taskToken=sent_token(account, queue), output="{}")
    account.ended(first)
    with pytest.raises(account.states.exceptions.ExecutionAlreadyExists):
        account.start(machine, {"a": 1}, name="one")


def test_starting_a_child_of_a_name_that_is_closed_says_so(account: Account) -> None:
    child = account.machine("child", {"A": PASS})
    account.ended(account.start(child, name="one"))
    task = {"Type": "Task", "Resource": CHILD, "Arguments": {"StateMachineArn": child, "Name": "one"}, "End": True}

    assert account.run("parent", {"A": task})["error"] == "StepFunctions.ExecutionAlreadyExistsException"


def test_a_token_works_once(account: Account, queue: str) -> None:
    execution = account.start(account.machine("machine", {"A": park(queue)}))
    token = sent_token(account, queue)

    account.states.send_task_success(taskToken=token, output='{"approved": true}')

    with pytest.raises(account.states.exceptions.TaskTimedOut):
        account.states.send_task_success(taskToken=token, output="{}")
    assert json.loads(account.ended(execution)["output"]) == {"approved": True}


def test_a_token_dies_with_its_execution(account: Account, queue: str) -> None:
    execution = account.start(account.machine("machine", {"A": park(queue)}))
    token = sent_token(account, queue)

    account.states.stop_execution(executionArn=execution, error="Stopped", cause="by hand")

    with pytest.raises(account.states.exceptions.TaskTimedOut):
        account.states.send_task_success(taskToken=token, output="{}")
    described = account.states.describe_execution(executionArn=execution)
    assert (described["status"], described["error"]) == ("ABORTED", "Stopped")


def test_a_token_nobody_made_is_invalid(account: Account) -> None:
    with pytest.raises(account.states.exceptions.InvalidToken):
        account.states.send_task_success(taskToken="made-up", output="{}")


def test_a_missed_heartbeat_fails_the_task(account: Account, queue: str) -> None:
    ended = account.run("machine", {"A": park(queue, HeartbeatSeconds=1)})

    assert ended["error"] == "States.HeartbeatTimeout"


def test_a_retried_wait_gets_a_token_of_its_own(account: Account, queue: str) -> None:
    retry = [{"ErrorEquals": ["Again"], "MaxAttempts": 1}]
    execution = account.start(account.machine("machine", {"A": park(queue, Retry=retry)}))
    first = sent_token(account, queue)
    account.states.send_task_failure(taskToken=first, error="Again")

    second = sent_token(account, queue)

    assert second != first
    account.states.send_task_success(taskToken=second, output="{}")
    assert account.ended(execution)["status"] == "SUCCEEDED"


def test_an_error_of_a_lambda_that_was_to_send_the_token_fails_the_task(account: Account) -> None:
    arn = account.function("parks", "def handler(event, context):\n    raise KeyError('no table')\n")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {"FunctionName": arn, "Payload": {"token": "{% $states.context.Task.Token %}"}},
        "End": True,
    }

    assert account.run("machine", {"A": task})["error"] == "KeyError"


def test_a_lambdas_exception_is_caught_by_its_class_name(account: Account) -> None:
    source = "class PolicyMissing(Exception):\n    pass\n\ndef handler(event, context):\n    raise PolicyMissing('x')\n"
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": account.function("raises", source), "Payload": {}},
        "Catch": [{"ErrorEquals": ["PolicyMissing"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}],
        "End": True,
    }

    ended = account.run("machine", {"A": task, "Caught": PASS})

    assert json.loads(json.loads(ended["output"])["Cause"])["errorType"] == "PolicyMissing"


def test_an_execution_has_a_time_limit(account: Account, queue: str) -> None:
    url = account.listen({"source": ["aws.states"], "detail": {"status": ["TIMED_OUT"]}})

    ended = account.run("machine", {"A": park(queue)}, TimeoutSeconds=1)

    assert ended["status"] == "TIMED_OUT"
    assert account.heard(url, 1)[0]["detail"]["redriveStatus"] == "REDRIVABLE"


def test_succeed_gives_its_output(account: Account) -> None:
    ended = account.run("machine", {"A": {"Type": "Succeed", "Output": {"outcome": "{% $states.input.a %}"}}}, {"a": 7})

    assert json.loads(ended["output"]) == {"outcome": 7}


def test_assignments_see_the_values_at_the_states_entry(account: Account) -> None:
    states = {
        "A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "B"},
        "B": {"Type": "Pass", "Assign": {"x": 2, "y": "{% $x %}"}, "Next": "C"},
        "C": {"Type": "Succeed", "Output": "{% [$x, $y] %}"},
    }

    assert json.loads(account.run("machine", states)["output"]) == [2, 1]


@pytest.mark.parametrize("condition", ["{% $never = 1 %}", "{% 'YES' %}", "{% $states.input.missing %}"])
def test_a_condition_that_is_no_condition_fails_the_execution(account: Account, condition: str) -> None:
    choice = {"Type": "Choice", "Choices": [{"Condition": condition, "Next": "B"}], "Default": "B"}

    assert account.run("machine", {"A": choice, "B": PASS})["error"] == "States.QueryEvaluationError"


def test_a_condition_may_ask_whether_a_variable_exists_and_bind_its_own(account: Account) -> None:
    condition = "{% $exists($never) = false and ($x := $states.input.n; $map([1], function($v) {$v + $x})) = 3 %}"
    choice = {"Type": "Choice", "Choices": [{"Condition": condition, "Next": "Yes"}], "Default": "No"}
    states = {"A": choice, "Yes": {"Type": "Succeed", "Output": "yes"}, "No": {"Type": "Succeed", "Output": "no"}}

    assert json.loads(account.run("machine", states, {"n": 2})["output"]) == "yes"


def test_a_parallel_state_has_output_and_branches_keep_their_variables(account: Account) -> None:
    branch = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Assign": {"x": 9}, "Output": 3, "End": True}}}
    states = {
        "A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "B"},
        "B": {"Type": "Parallel", "Branches": [branch], "Output": "{% $states.result[0] %}", "Next": "C"},
        "C": {"Type": "Succeed", "Output": "{% [$states.input, $x] %}"},
    }

    assert json.loads(account.run("machine", states)["output"]) == [3, 1]


@pytest.mark.parametrize(
    ("action", "arguments", "error"),
    [
        ("s3:getObject", {"Bucket": "data", "Key": "none"}, "S3.NoSuchKeyException"),
        (
            "sfn:describeStateMachine",
            {"StateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:none"},
            "Sfn.StateMachineDoesNotExistException",
        ),
    ],
)
def test_errors_of_sdk_integrations_end_in_exception(
    account: Account, action: str, arguments: dict[str, str], error: str
) -> None:
    """The first is called over HTTP, the second within ministack."""
    resource = f"arn:aws:states:::aws-sdk:{action}"

    ended = account.run("machine", {"A": {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True}})
    assert ended["error"] == error, ended


def test_a_rule_gives_a_machine_the_whole_event(account: Account) -> None:
    machine = account.machine("machine", {"A": PASS})
    events = account.aws.client("events")
    events.put_rule(Name="drift", EventPattern=json.dumps({"source": ["mlops.drift"]}))
    events.put_targets(Rule="drift", Targets=[{"Id": "machine", "Arn": machine, "RoleArn": ROLE}])
    events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": '{"model": "m"}'}])

    listed = wait_until(lambda: account.states.list_executions(stateMachineArn=machine)["executions"])
    event = json.loads(account.ended(listed[0]["executionArn"])["output"])

    assert event["detail"] == {"model": "m"}
    assert event["time"].endswith("Z")
    assert {"version", "id", "detail-type", "source", "account", "region", "resources"} <= set(event)


def test_an_event_whose_target_is_gone_goes_to_the_dead_letter_queue(account: Account) -> None:
    url = account.queue("dead")
    machine = account.machine("machine", {"A": PASS})
    events = account.aws.client("events")
    rule = events.put_rule(Name="drift", EventPattern=json.dumps({"source": ["mlops.drift"]}))["RuleArn"]
    target = {
        "Id": "machine",
        "Arn": machine,
        "RoleArn": ROLE,
        "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:dead"},
    }
    events.put_targets(Rule="drift", Targets=[target])
    account.states.delete_state_machine(stateMachineArn=machine)
    events.put_events(Entries=[{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": "{}"}])

    message = wait_until(
        lambda: account.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
    )[0]

    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (attributes["RULE_ARN"], attributes["TARGET_ARN"]) == (rule, machine)
    assert json.loads(message["Body"])["source"] == "mlops.drift"


def test_stopping_twice_is_refused_only_after_an_end(account: Account) -> None:
    execution = account.start(account.machine("machine", {"A": PASS}))
    account.ended(execution)

    with pytest.raises(ClientError):
        account.states.stop_execution(executionArn=execution)


def test_a_runtime_error_is_not_caught_by_the_wildcard(account: Account) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sagemaker:describeEndpoint",
        "Arguments": {"NoSuchField": 1},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}],
        "Next": "B",
    }

    assert account.run("machine", {"A": task, "B": PASS})["error"] == "States.Runtime"


def test_a_machine_may_write_once_to_s3(account: Account) -> None:
    arguments = {"Bucket": "data", "Key": "k", "Body": {"a": 1}, "IfNoneMatch": "*"}
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "Arguments": arguments, "End": True}

    assert account.run("first", {"A": task})["status"] == "SUCCEEDED"
    assert account.run("second", {"A": task})["error"] == "S3.S3Exception"
    assert account.s3.get_object(Bucket="data", Key="k")["Body"].read() == b'{"a": 1}'


LARGEST = 256 * 1024


@pytest.mark.parametrize(("length", "status"), [(LARGEST - 2, "SUCCEEDED"), (LARGEST - 1, "FAILED")])
def test_the_output_of_a_state_has_256_kib(account: Account, length: int, status: str) -> None:
    """As UTF-8, two bytes of them the quotation marks."""
    ended = account.run(
        "machine",
        {"A": {"Type": "Pass", "Output": "{% $pad('', $states.input.length, 'x') %}", "End": True}},
        {"length": length},
    )

    assert (ended["status"], ended.get("error")) == (
        status,
        None if status == "SUCCEEDED" else "States.DataLimitExceeded",
    )


@pytest.mark.parametrize(("caught", "status"), [("States.ALL", "FAILED"), ("States.DataLimitExceeded", "SUCCEEDED")])
def test_a_result_that_is_too_large_is_caught_by_its_name_only(account: Account, caught: str, status: str) -> None:
    account.function("large", f"def handler(event, context):\n    return 'x' * {LARGEST}\n")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "large", "Payload": {}},
        "Catch": [{"ErrorEquals": [caught], "Next": "Caught"}],
        "End": True,
    }

    ended = account.run("machine", {"A": task, "Caught": {"Type": "Succeed"}})

    assert (ended["status"], "size exceeding the maximum" in ended.get("cause", "size exceeding the maximum")) == (
        status,
        True,
    )


def test_neither_a_start_nor_a_token_takes_more_than_256_kib(account: Account, queue: str) -> None:
    machine = account.machine("machine", {"A": park(queue)})
    execution = account.start(machine)
    token = sent_token(account, queue)
    states: Any = boto3.session.Session().client(
        "stepfunctions",
        endpoint_url=account.aws.endpoint_url,
        region_name=account.aws.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(parameter_validation=False),
    )

    def start(text: str) -> None:
        states.start_execution(stateMachineArn=machine, input=text)

    def answer(text: str) -> None:
        states.send_task_success(taskToken=token, output=text)

    for call in (start, answer):
        with pytest.raises(ClientError, match="less than or equal to 262144"):
            call(json.dumps("x" * LARGEST))
        call(json.dumps("x" * (LARGEST - 2)))
    assert account.ended(execution)["status"] == "SUCCEEDED"


def test_the_25_000th_event_is_a_success_or_the_failure(account: Account) -> None:
    again = {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "End"}], "Default": "Again"}
    execution = account.start(account.machine("machine", {"Again": again, "End": {"Type": "Succeed"}}))

    ended = account.ended(execution)

    assert ended["status"] == "FAILED"
    assert ended["cause"] == "The execution reached the maximum number of history events (25000)."
    (last,) = account.states.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)["events"]
    assert (last["id"], last["type"]) == (25_000, "ExecutionFailed")


@pytest.mark.parametrize("inside", [False, True], ids=["itself", "in-a-branch"])
def test_executions_that_wait_keep_no_other_from_walking(account: Account, *, inside: bool) -> None:
    """More wait than walk at once, for a token; a branch that waits beside one that does not holds nothing either."""
    url = account.queue("tokens")
    arguments = {"QueueUrl": url, "MessageBody": {"token": "{% $states.context.Task.Token %}"}}
    park = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Arguments": arguments}
    ends = {"Type": "Pass", "End": True}
    branches = [
        {"StartAt": name, "States": {name: {**state, "End": True}}} for name, state in (("P", park), ("E", ends))
    ]
    states = (
        {"Fork": {"Type": "Parallel", "Branches": branches, "End": True}} if inside else {"Park": {**park, "End": True}}
    )
    machine = account.machine("parks", states)
    waiting = [account.start(machine) for _ in range(SEATS + 1)]
    tokens = [message["token"] for message in account.heard(url, len(waiting))]

    assert account.run("other", {"End": ends})["status"] == "SUCCEEDED"

    for token in tokens:
        account.states.send_task_success(taskToken=token, output="1")
    assert {account.ended(execution)["status"] for execution in waiting} == {"SUCCEEDED"}
