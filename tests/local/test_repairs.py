"""Each repair is still needed: ministack alone, without this package's changes, does otherwise than AWS.

A probe asks a plain ministack for what a repair is for, and names the wrong answer. Where a newer ministack gives another one,
the repair has done its work: take it out of ``local/`` as ``local/README.md`` says, and its probe with it. The embedded AWS, asked
the same, gives another answer, which the tests beside this one look at more closely.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local import (
    alarm_events,
    caller_identity,
    cloudformation_types,
    event_buses,
    eventbridge_targets,
    iam_enforcement,
    iam_simulation,
    lambda_errors,
    lambda_throttling,
    s3_locks,
    step_functions_executions,
    step_functions_jsonata,
    step_functions_limits,
    step_functions_redrive,
    step_functions_sdk_calls,
)
from local.changes import REPAIRS
from local.embedded_aws import EmbeddedAws, wait_until
from tests.local.conftest import ROLE, Account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.seam import Repair

PLAIN = """
import os, sys, threading
from local.server import listen, prepare
listener = listen("127.0.0.1", 0)
port = listener.getsockname()[1]
prepare("127.0.0.1", port)
import uvicorn
from ministack import app
print(port, flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
uvicorn.Server(uvicorn.Config(app.app, lifespan="on", log_config=None, access_log=False)).run([listener])
"""
ELSEWHERE = "111122223333"
FUNCTION = """
import os, time
def handler(event, context):
    if event == "raise":
        raise KeyError("key")
    if "late" in event:
        time.sleep(1)
        raise KeyError("late")
    if event == "exit":
        os._exit(1)
    return event["requestContext"]
"""

PROBES: dict[str, tuple[Any, Any]] = {}
"""By the name of its repair: a probe, and the wrong answer."""


def probe(repair: Repair, wrong: Any) -> Callable[[Any], Any]:
    """Register a probe of a repair with the answer that ministack gives alone."""

    def register(ask: Any) -> Any:
        PROBES[repair.name] = (ask, wrong)
        return ask

    return register


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account of ministack alone, with a function that fails as it is told."""
    folder: Path = tmp_path_factory.mktemp("plain")
    environment = {**os.environ, "TMPDIR": str(folder), "SFN_WAIT_SCALE": "0"}
    command = [sys.executable, "-c", PLAIN]
    with subprocess.Popen(  # noqa: S603 - the program above
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        aws = EmbeddedAws()
        aws.endpoint_url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        try:
            account = Account(aws)
            account.function("fails", FUNCTION)
            yield account
        finally:
            server.stdin.close()
            server.wait()
            aws.stop()


@pytest.fixture(scope="module")
def repaired() -> Iterator[Account]:
    """An account of the embedded AWS, with that function."""
    with EmbeddedAws(wait_scale=0.0) as aws:
        account = Account(aws)
        account.function("fails", FUNCTION)
        yield account


@pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: repair.name)
def test_ministack_alone_is_still_wrong(repair: Repair, plain: Account) -> None:
    ask, wrong = PROBES[repair.name]
    found = ask(plain)
    assert found == wrong, f"upstream has {repair.name!r}, or does it in a new way: see whether to take the repair out"


@pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: repair.name)
def test_here_it_is_repaired(repair: Repair, repaired: Account) -> None:
    ask, wrong = PROBES[repair.name]
    assert ask(repaired) != wrong


# ---------------------------------------------------------------------- what probes do again and again


def code(call: Callable[..., Any], **given: Any) -> str | None:
    """The error's code of a call; None where it is answered."""
    try:
        call(**given)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def task(resource: str, arguments: Any, **more: Any) -> dict[str, Any]:
    """A task that ends its machine."""
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Arguments": arguments, "End": True, **more}


def caught(plain: Account, name: str, resource: str, arguments: Any) -> str:
    """The error of a task, caught by the wildcard."""
    catch = [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}]
    ended = plain.run(name, {"Try": task(resource, arguments, Catch=catch), "Caught": {"Type": "Succeed"}})
    return str(json.loads(ended["output"]))


def parked(plain: Account, name: str, limit: int | None = None, **more: Any) -> tuple[str, str]:
    """An execution that waits for a token, with a time limit of its own or none, and the token."""
    url = plain.queue(name)
    arguments = {"QueueUrl": url, "MessageBody": {"token": "{% $states.context.Task.Token %}"}}
    states = {"Park": task("sqs:sendMessage.waitForTaskToken", arguments, **more)}
    machine = plain.machine(name, states, **({} if limit is None else {"TimeoutSeconds": limit}))
    execution = plain.start(machine, name=name)
    return execution, plain.heard(url, 1)[0]["token"]


def status(plain: Account, execution: str, other_than: str, within: float) -> str:
    """The status of an execution, waiting a moment for another than one."""

    def now() -> str:
        return str(plain.states.describe_execution(executionArn=execution)["status"])

    with contextlib.suppress(TimeoutError):
        wait_until(lambda: now() != other_than, within=within)
    return now()


def stack(plain: Account, name: str, kind: str, properties: dict[str, Any]) -> Any:
    """Make a stack of one resource; its status when it is through."""
    cloudformation = plain.aws.client("cloudformation")
    template = {"Resources": {"It": {"Type": kind, "Properties": properties}}}
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    described = plain.until(
        lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0],
        lambda found: not found["StackStatus"].endswith("_IN_PROGRESS"),
    )
    return described["StackStatus"]


# ---------------------------------------------------------------------- executions


@probe(step_functions_limits.LIMITS, None)
def _(plain: Account) -> Any:
    machine = plain.machine("large", {"End": {"Type": "Succeed"}})
    large = json.dumps("x" * step_functions_limits.PAYLOAD_BYTES)
    return code(plain.states.start_execution, stateMachineArn=machine, input=large)


@probe(step_functions_executions.TIME_LIMITS, "RUNNING")
def _(plain: Account) -> Any:
    execution, _ = parked(plain, "limited", limit=1)
    return status(plain, execution, "RUNNING", within=1.3)


@probe(step_functions_executions.ENDS, ("FAILED", "ExecutionFailed"))
def _(plain: Account) -> Any:
    """It is stopped while its function runs, which then fails; so does the next one's, 0.3 s later."""
    machine = plain.machine(
        "aborted", {"Late": task("lambda:invoke", {"FunctionName": "fails", "Payload": {"late": True}})}
    )
    execution = plain.start(machine)

    def last() -> str:
        return str(plain.states.get_execution_history(executionArn=execution)["events"][-1]["type"])

    wait_until(lambda: last() == "TaskScheduled")
    time.sleep(0.3)  # the function has begun by then
    plain.states.stop_execution(executionArn=execution)
    plain.ended(plain.start(machine))
    return plain.states.describe_execution(executionArn=execution)["status"], last()


@probe(step_functions_executions.SAME_NAME, "ExecutionAlreadyExists")
def _(plain: Account) -> Any:
    execution, _ = parked(plain, "named")
    machine = execution.replace(":execution:", ":stateMachine:").removesuffix(":named")
    return code(plain.states.start_execution, stateMachineArn=machine, name="named", input="{}")


@probe(step_functions_executions.CHILDREN, "Mine")
def _(plain: Account) -> Any:
    child = plain.machine("child", {"No": {"Type": "Fail", "Error": "Mine", "Cause": "no"}})
    return caught(plain, "parent", "states:startExecution.sync:2", {"StateMachineArn": child})


@probe(step_functions_executions.BRANCHES, True)
def _(plain: Account) -> Any:
    branch = {"StartAt": "In", "States": {"In": {"Type": "Pass", "Assign": {"x": 1}, "End": True}}}
    look = {"Type": "Pass", "Output": "{% $exists($x) %}", "End": True}
    ended = plain.run("branches", {"Both": {"Type": "Parallel", "Branches": [branch], "Next": "Look"}, "Look": look})
    return json.loads(ended["output"])


@probe(step_functions_executions.TIMEOUT_EXPRESSIONS, "FAILED")
def _(plain: Account) -> Any:
    """Of a task that is not through at once: only who has to wait looks at the limit."""
    arguments = {"StateMachineArn": plain.machine("takes-time", {"End": {"Type": "Succeed"}})}
    limited = task("states:startExecution.sync:2", arguments, TimeoutSeconds="{% 5 %}")
    return plain.run("expression", {"It": limited})["status"]


@probe(step_functions_executions.TOKENS, (None, "TaskDoesNotExist", True))
def _(plain: Account) -> Any:
    """A token after its execution's end, one that nobody made, and whether a retry has the one of the first attempt."""
    execution, token = parked(plain, "late")
    plain.states.stop_execution(executionArn=execution)
    late = code(plain.states.send_task_success, taskToken=token, output="{}")
    nobodys = code(plain.states.send_task_success, taskToken="nobody's", output="{}")
    _, first = parked(plain, "retried", Retry=[{"ErrorEquals": ["Mine"]}])
    plain.states.send_task_failure(taskToken=first, error="Mine")
    return late, nobodys, plain.heard(plain.queue("retried"), 1)[0]["token"] == first


@probe(step_functions_executions.PARKED_ERRORS, "RUNNING")
def _(plain: Account) -> Any:
    arguments = {"FunctionName": "fails", "Payload": "raise"}
    execution = plain.start(plain.machine("swallowed", {"It": task("lambda:invoke.waitForTaskToken", arguments)}))
    return status(plain, execution, "RUNNING", within=1)


@probe(step_functions_redrive.REDRIVE, ("InvalidAction", None))
def _(plain: Account) -> Any:
    machine = plain.machine("redriven", {"No": {"Type": "Fail", "Error": "Mine", "Cause": "no"}})
    execution = plain.start(machine)
    plain.ended(execution)
    listed = plain.states.list_executions(stateMachineArn=machine)["executions"][0]
    return code(plain.states.redrive_execution, executionArn=execution), listed.get("redriveCount")


@probe(step_functions_redrive.STATUS_EVENTS, None)
def _(plain: Account) -> Any:
    url = plain.listen({"source": ["aws.states"], "detail": {"status": ["ABORTED"]}})
    execution, _ = parked(plain, "stopped")
    plain.states.stop_execution(executionArn=execution, error="Mine")
    return next(event["detail"] for event in plain.heard(url, 1) if execution in event["resources"])["error"]


@probe(step_functions_jsonata.OUTPUTS, ({}, [{}]))
def _(plain: Account) -> Any:
    branch = {"StartAt": "In", "States": {"In": {"Type": "Pass", "End": True}}}
    both = {"Type": "Parallel", "Branches": [branch], "Output": 1, "End": True}
    ended = [
        plain.run("succeeds", {"End": {"Type": "Succeed", "Output": 1}}),
        plain.run("parallel", {"Both": both}),
    ]
    return tuple(json.loads(each["output"]) for each in ended)


@probe(step_functions_jsonata.ASSIGNMENTS, 2)
def _(plain: Account) -> Any:
    states = {
        "First": {"Type": "Pass", "Assign": {"a": 1}, "Next": "Second"},
        "Second": {"Type": "Pass", "Assign": {"a": 2, "b": "{% $a %}"}, "Next": "Look"},
        "Look": {"Type": "Pass", "Output": "{% $b %}", "End": True},
    }
    return json.loads(plain.run("assigns", states)["output"])


@probe(step_functions_jsonata.CONDITIONS, ["SUCCEEDED", "SUCCEEDED"])
def _(plain: Account) -> Any:
    """A number, and a variable that nobody assigned."""
    found = []
    for name, condition in (("number", "{% 5 %}"), ("unassigned", "{% $never = 1 %}")):
        which = {"Type": "Choice", "Choices": [{"Condition": condition, "Next": "End"}], "Default": "End"}
        found.append(plain.run(name, {"Which": which, "End": {"Type": "Succeed"}})["status"])
    return found


@probe(step_functions_jsonata.ERROR_SUFFIX, "Sfn.StateMachineDoesNotExist")
def _(plain: Account) -> Any:
    nowhere = f"arn:aws:states:us-east-1:{plain.aws.account}:stateMachine:none"
    return caught(plain, "suffix", "aws-sdk:sfn:describeStateMachine", {"StateMachineArn": nowhere})


@probe(step_functions_jsonata.WILDCARDS, "States.Runtime")
def _(plain: Account) -> Any:
    return caught(plain, "wildcard", "nobody:knows", {})


@probe(step_functions_sdk_calls.SDK_CALLS, "States.Runtime")
def _(plain: Account) -> Any:
    return caught(plain, "puts", "aws-sdk:s3:putObject", {"Bucket": "data", "Key": "a", "Body": "b"})


@probe(step_functions_sdk_calls.PUBLISHING, "SNS.PublishFailed")
def _(plain: Account) -> Any:
    nowhere = f"arn:aws:sns:us-east-1:{plain.aws.account}:none"
    return caught(plain, "publishes", "sns:publish", {"TopicArn": nowhere, "Message": "x"})


# ---------------------------------------------------------------------- functions


@probe(lambda_errors.EXCEPTIONS, "Runtime.HandlerError")
def _(plain: Account) -> Any:
    answer = plain.aws.client("lambda").invoke(FunctionName="fails", Payload=json.dumps("raise"))
    return json.load(answer["Payload"])["errorType"]


@probe(lambda_errors.EXITS, "Runtime.HandlerError")
def _(plain: Account) -> Any:
    answer = plain.aws.client("lambda").invoke(FunctionName="fails", Payload=json.dumps("exit"))
    return json.load(answer["Payload"])["errorType"]


@probe(lambda_throttling.NAMES, "Lambda.Unknown")
def _(plain: Account) -> Any:
    return caught(plain, "throttled", "lambda:invoke", {"FunctionName": closed(plain, "throttled")})


@probe(lambda_throttling.LATER, [])
def _(plain: Account) -> Any:
    """What is left of it once its concurrency lets it run."""
    events, functions = plain.aws.client("events"), plain.aws.client("lambda")
    arn = closed(plain, "later")
    rule = events.put_rule(Name="later", EventPattern=json.dumps({"source": ["later"]}))["RuleArn"]
    may = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": rule}
    functions.add_permission(FunctionName="later", StatementId="rule", **may)
    events.put_targets(Rule="later", Targets=[{"Id": "function", "Arn": arn}])
    events.put_events(Entries=[{"Source": "later", "DetailType": "told", "Detail": "{}"}])
    functions.delete_function_concurrency(FunctionName="later")
    with contextlib.suppress(TimeoutError):
        return wait_until(lambda: log_groups(plain, "/aws/lambda/later"), within=3)
    return log_groups(plain, "/aws/lambda/later")


def closed(plain: Account, name: str) -> str:
    """A function that nobody may run for now; its ARN."""
    arn = plain.function(name, "def handler(event, context): return 1\n")
    plain.aws.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    return arn


def log_groups(plain: Account, prefix: str) -> list[str]:
    groups = plain.aws.client("logs").describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    return [group["logGroupName"] for group in groups]


@probe(caller_identity.SIGNERS, None)
def _(plain: Account) -> Any:
    functions = plain.aws.client("lambda")
    url = functions.create_function_url_config(FunctionName="fails", AuthType="AWS_IAM")["FunctionUrl"]
    asked = f"{plain.aws.endpoint_url}/_aws/lambda-url/{url.split('//')[1].split('.')[0]}/"
    request = AWSRequest("GET", asked)
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    signed = urllib.request.Request(asked, headers=dict(request.headers))  # noqa: S310 - always http
    with urllib.request.urlopen(signed, timeout=10) as answer:  # noqa: S310 - always http
        return json.load(answer).get("authorizer")


@probe(caller_identity.SIGNATURES, 200)
def _(plain: Account) -> Any:
    url = plain.aws.client("sts").generate_presigned_url("get_caller_identity")
    forged = url[:-1] + ("0" if url[-1] != "0" else "1")
    try:
        with urllib.request.urlopen(forged, timeout=10) as answer:  # noqa: S310 - always http
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


# ---------------------------------------------------------------------- who may


@probe(iam_enforcement.AUTHORITY, None)
def _(plain: Account) -> Any:
    """A user who may create machines, and pass them no role."""
    key = plain.aws.key_of("maker")
    allowed = {"Effect": "Allow", "Action": "states:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    plain.aws.client("iam").put_user_policy(UserName="maker", PolicyName="machines", PolicyDocument=policy)
    client = boto3.client(
        "stepfunctions",
        endpoint_url=plain.aws.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key.access_key,
        aws_secret_access_key=key.secret_key,
    )
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    return code(client.create_state_machine, name="passed", roleArn=ROLE, definition=definition)


@probe(iam_simulation.SIMULATIONS, "implicitDeny")
def _(plain: Account) -> Any:
    condition = {"StringEquals": {"aws:PrincipalTag/team": "probes"}}
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", "Condition": condition}
    role = plain.role("simulated", {"Version": "2012-10-17", "Statement": [statement]})
    told = {"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyValues": ["probes"], "ContextKeyType": "string"}
    answer = plain.aws.client("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["sqs:SendMessage"], ContextEntries=[told]
    )
    return answer["EvaluationResults"][0]["EvalDecision"]


@probe(s3_locks.LOCKS_PASSED, None)
def _(plain: Account) -> Any:
    return code(plain.s3.delete_object, Bucket="data", Key="none", BypassGovernanceRetention=True)


# ---------------------------------------------------------------------- events


@probe(event_buses.OTHER_ACCOUNTS, None)
def _(plain: Account) -> Any:
    bus = f"arn:aws:events:us-east-1:{ELSEWHERE}:event-bus/theirs"
    entry = {"Source": "ours", "DetailType": "told", "Detail": "{}", "EventBusName": bus}
    return code(plain.aws.client("events").put_events, Entries=[entry])


@probe(eventbridge_targets.UNDELIVERABLE, 1)
def _(plain: Account) -> Any:
    """A queue that nobody may send to, before one that rules may."""
    events, url, told = (
        plain.aws.client("events"),
        plain.sqs.create_queue(QueueName="closed")["QueueUrl"],
        plain.queue("told"),
    )
    events.put_rule(Name="closed", EventPattern=json.dumps({"source": ["closed"]}))
    for name in ("closed", "told"):
        arn = f"arn:aws:sqs:us-east-1:{plain.aws.account}:{name}"
        events.put_targets(Rule="closed", Targets=[{"Id": name, "Arn": arn}])
    events.put_events(Entries=[{"Source": "closed", "DetailType": "told", "Detail": "{}"}])
    plain.heard(told, 1)
    return len(plain.sqs.receive_message(QueueUrl=url).get("Messages", []))


@probe(eventbridge_targets.TARGET_ROLES, None)
def _(plain: Account) -> Any:
    events = plain.aws.client("events")
    events.put_rule(Name="started", EventPattern=json.dumps({"source": ["started"]}))
    machine = plain.machine("target", {"End": {"Type": "Succeed"}})
    return code(events.put_targets, Rule="started", Targets=[{"Id": "machine", "Arn": machine}])


# ---------------------------------------------------------------------- alarms


def alarm(plain: Account, name: str, **more: Any) -> Any:
    """The client of CloudWatch, with an alarm."""
    cloudwatch = plain.aws.client("cloudwatch")
    metric = {"Namespace": "Probes", "MetricName": name, "Statistic": "Average", "Period": 60}
    limit = {"EvaluationPeriods": 1, "Threshold": 0.5, "ComparisonOperator": "GreaterThanThreshold"}
    cloudwatch.put_metric_alarm(AlarmName=name, **limit, **({} if "Metrics" in more else metric), **more)
    return cloudwatch


def described(cloudwatch: Any, name: str) -> dict[str, Any]:
    """The alarm."""
    found: dict[str, Any] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    return found


@probe(alarm_events.ALARM_EVENTS, 0)
def _(plain: Account) -> Any:
    url = plain.listen({"source": ["aws.cloudwatch"]})
    alarm(plain, "silent").set_alarm_state(AlarmName="silent", StateValue="ALARM", StateReason="probe")
    heard = plain.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return sum(json.loads(message["Body"])["source"] == "aws.cloudwatch" for message in heard)


@probe(alarm_events.REASONS, '{"of": "before"}')
def _(plain: Account) -> Any:
    cloudwatch, state = alarm(plain, "reasons"), {"AlarmName": "reasons", "StateReason": "probe"}
    cloudwatch.set_alarm_state(**state, StateValue="ALARM", StateReasonData='{"of": "before"}')
    cloudwatch.set_alarm_state(**state, StateValue="OK")
    return described(cloudwatch, "reasons").get("StateReasonData")


@probe(alarm_events.METRIC_MATH, (None, "ROLLBACK_COMPLETE"))
def _(plain: Account) -> Any:
    stat = {"Metric": {"Namespace": "Probes", "MetricName": "m"}, "Period": 60, "Stat": "Average"}
    metrics = [{"Id": "m", "MetricStat": stat, "ReturnData": False}, {"Id": "e", "Expression": "2 * m"}]
    given = {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold", "Metrics": metrics}
    by_template = stack(plain, "math", "AWS::CloudWatch::Alarm", given)
    return described(alarm(plain, "math", Metrics=metrics), "math").get("Metrics"), by_template


@probe(alarm_events.EVALUATION, "ALARM")
def _(plain: Account) -> Any:
    cloudwatch = alarm(plain, "ours", Dimensions=[{"Name": "Model", "Value": "ours"}])
    theirs = {"MetricName": "ours", "Value": 1.0, "Dimensions": [{"Name": "Model", "Value": "theirs"}]}
    cloudwatch.put_metric_data(Namespace="Probes", MetricData=[theirs])
    return described(cloudwatch, "ours")["StateValue"]


@probe(alarm_events.ALARM_TOPICS, 1)
def _(plain: Account) -> Any:
    """A topic that takes messages of one other alarm alone, before one that takes those of all."""
    sns, topics, urls = plain.aws.client("sns"), [], []
    of = f"arn:aws:cloudwatch:us-east-1:{plain.aws.account}:alarm:"
    for name, alarms in (("alarmed", f"{of}other"), ("told", f"{of}*")):
        topics.append(topic := sns.create_topic(Name=name)["TopicArn"])
        urls.append(plain.queue(name))
        only = {"ArnLike": {"aws:SourceArn": alarms}}
        statement = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish"}
        policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": topic, "Condition": only}]}
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{plain.aws.account}:{name}")
    alarm(plain, "loud", AlarmActions=topics).set_alarm_state(AlarmName="loud", StateValue="ALARM", StateReason="probe")
    plain.heard(urls[1], 1)
    return len(plain.sqs.receive_message(QueueUrl=urls[0]).get("Messages", []))


# ---------------------------------------------------------------------- stacks


@probe(cloudformation_types.RULES, ["CREATE_COMPLETE", "CREATE_COMPLETE", "CREATE_COMPLETE"])
def _(plain: Account) -> Any:
    refused: dict[str, dict[str, Any]] = {
        "bus": {"EventBusName": "nowhere", "EventPattern": {"source": ["x"]}},
        "schedule": {"ScheduleExpression": "rate(0 moons)"},
        "pattern": {"EventPattern": {"source": "x"}},
    }
    return [stack(plain, name, "AWS::Events::Rule", properties) for name, properties in refused.items()]


@probe(cloudformation_types.LOCKED_BUCKETS, "ObjectLockConfigurationNotFoundError")
def _(plain: Account) -> Any:
    stack(plain, "bucket", "AWS::S3::Bucket", {"BucketName": "locked", "ObjectLockEnabled": True})
    return code(plain.s3.get_object_lock_configuration, Bucket="locked")


@probe(cloudformation_types.TEMPLATE_HOSTS, "ValidationError")
def _(plain: Account) -> Any:
    template = {"Resources": {"It": {"Type": "AWS::SNS::Topic"}}}
    plain.s3.put_object(Bucket="data", Key="template.json", Body=json.dumps(template))
    url = "https://data.s3.us-east-1.amazonaws.com/template.json"
    return code(plain.aws.client("cloudformation").validate_template, TemplateURL=url)
