"""The function's role holds what its code calls and nothing else: the code runs, its calls are recorded and judged.

Every action of the handler runs here as in Lambda, composed from the template's own environment. A hook on the clients
notes each call; S3, DynamoDB, SNS and EventBridge are moto's, in process; SageMaker, Step Functions and CloudWatch give
prepared answers. Each noted call is put to an evaluator of IAM policies together with the role's resolved policy.

A new call in the code that no scenario makes fails a test below that names it.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import json
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import pytest
from botocore import xform_name
from moto import mock_aws

from orchestration import composition
from orchestration.domain.contracts import (
    ENDPOINT_STATE_CHANGE,
    EXECUTION_STATUS_CHANGE,
    PIPELINE_STATE_CHANGE,
    RETRAINING_SOURCE,
)
from orchestration.domain.records import idempotency_token
from orchestration.domain.training_target import display_name
from orchestration.handler import ACTIONS, run_action
from tests.contract.template import (
    ACCOUNT,
    PARTITION,
    REGION,
    ROOT,
    Call,
    Stack,
    Template,
    allowing,
    as_list,
    resource_kinds,
    unused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestration.ports import Ports

FUNCTION = "OrchestrationFunction"
ROLE = f"{FUNCTION}Role"
MACHINE = "RetrainingStateMachine"
STORES = ROOT / "src" / "orchestration" / "stores"
EVENTS = ROOT / "tests" / "events"

TEAM_BUCKET = "team-data"
DECISION_BUCKET = "team-decisions"
ENDPOINT = "fraud-prod"
TAGGED_ENDPOINT = "tagged-prod"
JOB = "data-quality-monitoring-202603021100-de32d8acceeef6a1626b8fa6"
CLEAN_JOB = "data-quality-monitoring-202603021300-fedcba98765432100123abcd"
LOST_JOB = "data-quality-monitoring-202603021200-0011223344556677889900aa"
PIPELINE_RUN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/fraud/execution/p4jn9xou8a8s"
BROKEN_PIPELINE_RUN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/fraud/execution/broken8a8s00"
TRAINING = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:training"

CAPTURED_OF_A_KIND = 1
"""More would make the same calls; moto copies its whole table for each transaction."""

IAM_PREFIXES = {"stepfunctions": "states", "cloudwatch": "cloudwatch"}
ON_EVERYTHING = {"cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory"}
"""Lists that AWS answers in full only to those who may ask about everything."""

FOR_OTHER_ACCOUNTS = {"TellMissingFromForbidden"}
"""Statements that a wider one covers, except for a decision bucket that belongs to another account."""

TRANSACTION_ACTIONS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
"""What a transaction needs for each of its items; there is no permission on the transaction itself."""

POLICY = {
    "schema_version": 1,
    "model": "fraud",
    "cooldown_hours": 0,
    "budget": {"runs": 0},
    "breaker": {"fruitless_runs": 0},
    "actions": {"info": "observe", "warning": "retrain", "critical": "retrain"},
    "training": {"target": TRAINING},
    "evaluation": {"metric": "auc", "minimum": 0.8},
    "approval": {"training": "never", "promotion": "never"},
    "promotion": {
        "endpoint": ENDPOINT,
        "bake_minutes": 0,
        "alarms": ["fraud-5xx"],
        "monitoring_schedule": "fraud-schedule",
    },
}
STOPPABLE = {
    "stopped-pipeline": {"target": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/fraud"},
    "stopped-job": {"target": "training-job", "request": {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/training"}},
    "stopped-machine": {"target": TRAINING},
}
"""Training sections of models whose run dies while it trains."""
REPORT = {
    "binary_classification_metrics": {"auc": {"value": 0.93, "standard_deviation": "NaN"}},
    "champion": {"binary_classification_metrics": {"auc": {"value": 0.85, "standard_deviation": "NaN"}}},
}
VIOLATIONS = {
    "violations": [
        {
            "feature_name": "amount",
            "constraint_check_type": "baseline_drift_check",
            "description": "Baseline drift distance: 0.9 exceeds threshold: 0.1",
        }
    ]
}


def arn(kind: str, name: str) -> str:
    return f"arn:{PARTITION}:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def described_job(name: str) -> dict[str, Any]:
    folder = f"s3://{TEAM_BUCKET}/reports/{name}"
    return {
        "ProcessingJobName": name,
        "ProcessingJobArn": arn("processing-job", name),
        "ProcessingJobStatus": "Completed",
        "ExitMessage": "Completed: no violations." if name == CLEAN_JOB else "CompletedWithViolations: 1 violation.",
        "AppSpecification": {
            "ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
        },
        "Environment": {
            "sagemaker_endpoint_name": TAGGED_ENDPOINT,
            "sagemaker_monitoring_schedule_name": "fraud-schedule",
        },
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "result", "S3Output": {"S3Uri": folder}}]},
    }


def described_pipeline(execution: str) -> dict[str, Any]:
    broken = execution == BROKEN_PIPELINE_RUN
    return {"PipelineExecutionArn": execution, "PipelineExecutionStatus": "Failed" if broken else "Succeeded"}


def described_endpoint(name: str) -> dict[str, Any]:
    known = {"EndpointName": name, "EndpointArn": arn("endpoint", name), "EndpointStatus": "InService"}
    return {**known, "EndpointConfigName": f"{name}-config"}


def alarms(asked: dict[str, Any]) -> dict[str, Any]:
    changed = datetime.now(UTC) - timedelta(hours=1)
    alarm = {
        "AlarmName": "drift/fraud/auc",
        "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:drift/fraud/auc",
        "StateValue": "ALARM",
        "StateReason": "Threshold Crossed",
        "StateUpdatedTimestamp": changed,
        "StateTransitionedTimestamp": changed,
        "MetricName": "auc",
        "Namespace": "Models",
        "Dimensions": [{"Name": "Model", "Value": "fraud"}],
    }
    watched = {**alarm, "AlarmName": "fraud-5xx", "StateValue": "OK"}
    return {"MetricAlarms": [watched] if "AlarmNames" in asked else [alarm], "CompositeAlarms": []}


def monitor_runs() -> dict[str, Any]:
    ended = datetime.now(UTC) - timedelta(hours=1)
    run = {"ProcessingJobArn": arn("processing-job", LOST_JOB), "LastModifiedTime": ended}
    return {"MonitoringExecutionSummaries": [run]}


def stoppable_executions() -> list[dict[str, Any]]:
    """Executions of the pipeline under the display name of every run that could be asked for."""
    return [
        {
            "PipelineExecutionArn": PIPELINE_RUN,
            "PipelineExecutionDisplayName": display_name(idempotency_token(f"run-{n}")),
        }
        for n in range(1000)
    ]


PREPARED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "DescribeProcessingJob": lambda asked: described_job(asked["ProcessingJobName"]),
    "DescribeEndpoint": lambda asked: described_endpoint(asked["EndpointName"]),
    "DescribeEndpointConfig": lambda asked: {
        "EndpointConfigName": asked["EndpointConfigName"],
        "EndpointConfigArn": arn("endpoint-config", asked["EndpointConfigName"]),
        "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "fraud-first", "InitialInstanceCount": 1}],
    },
    "DescribeModel": lambda asked: {
        "ModelName": asked["ModelName"],
        "PrimaryContainer": {"Image": "image:1", "ModelDataUrl": f"s3://{TEAM_BUCKET}/champion.tar.gz"},
        "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/sagemaker",
    },
    "DescribePipelineExecution": lambda asked: described_pipeline(asked["PipelineExecutionArn"]),
    "ListPipelineExecutionSteps": lambda _asked: {
        "PipelineExecutionSteps": [
            {"StepStatus": "Succeeded", "Metadata": {"TrainingJob": {"Arn": arn("training-job", "fraud-7")}}}
        ]
    },
    "ListPipelineExecutions": lambda _asked: {"PipelineExecutionSummaries": stoppable_executions()},
    "StopPipelineExecution": lambda asked: {"PipelineExecutionArn": asked["PipelineExecutionArn"]},
    "DescribeTrainingJob": lambda asked: {
        "TrainingJobName": asked["TrainingJobName"],
        "TrainingJobStatus": "Completed",
    },
    "StopTrainingJob": lambda _asked: {},
    "DescribeMonitoringSchedule": lambda _asked: {"MonitoringScheduleConfig": {}},
    "ListTags": lambda _asked: {"Tags": [{"Key": "retraining:model", "Value": "fraud"}]},
    "ListMonitoringExecutions": lambda _asked: monitor_runs(),
    "DescribeAlarms": alarms,
    "DescribeAlarmHistory": lambda _asked: {"AlarmHistoryItems": []},
    "SendTaskSuccess": lambda _asked: {},
    "SendTaskFailure": lambda _asked: {},
    "SendTaskHeartbeat": lambda _asked: {},
    "StopExecution": lambda _asked: {},
    "StartExecution": lambda asked: {"executionArn": f"{asked['stateMachineArn']}:{asked.get('name', 'x')}"},
    "DescribeExecution": lambda asked: {"executionArn": asked["executionArn"], "status": "FAILED"},
}
"""Answers of the services that moto has only in part, by operation."""

PREPARED_SERVICES = {"sagemaker", "stepfunctions", "cloudwatch"}


@dataclass
class Recorder:
    """What was called, with the resource it was on, while `doing` something."""

    stack: Stack
    doing: str = ""
    calls: list[Call] = field(default_factory=list)
    operations: set[tuple[str, str]] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)
    _bucket: str = ""

    def listen(self, session: Any) -> Any:
        """Hook into the clients that a session will make."""
        session.events.register_first("provide-client-params", self._called)
        session.events.register_first("before-call", self._answered)
        session.events.register_first("after-call.s3.GetObject", self._missed)
        return session

    def _called(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        service = str(model.service_model.service_name)
        self.operations.add((service, xform_name(model.name)))
        self.calls += [dataclasses.replace(call, why=self.doing) for call in self._derived(service, model.name, params)]
        self._asked = params
        self._bucket = params.get("Bucket", "")

    def _answered(self, model: Any, **_: Any) -> Any:
        if model.service_model.service_name in PREPARED_SERVICES:
            assert model.name in PREPARED, f"prepare an answer for {model.name}"
            return SimpleNamespace(status_code=200), PREPARED[model.name](self._asked)
        return None

    def _missed(self, parsed: dict[str, Any], **_: Any) -> None:
        """S3 says 404 for a missing object only to those who may list the bucket; to others it says 403."""
        if parsed["ResponseMetadata"]["HTTPStatusCode"] == 404:
            self.calls.append(Call("s3:ListBucket", f"arn:{PARTITION}:s3:::{self._bucket}", why=self.doing))

    def _derived(self, service: str, operation: str, params: dict[str, Any]) -> Iterator[Call]:
        """The IAM action and resource of a call."""
        action = f"{IAM_PREFIXES.get(service, service)}:{operation}"
        if service == "dynamodb":
            items = [next(iter(item.items())) for item in params.get("TransactItems", [])]
            for kind, item in items or [("", params)]:
                table = f"arn:{PARTITION}:dynamodb:{REGION}:{ACCOUNT}:table/{item['TableName']}"
                yield Call(TRANSACTION_ACTIONS.get(kind, action), table)
        elif service == "s3":
            key = f"/{params['Key']}" if "Key" in params else ""
            yield Call(action, f"arn:{PARTITION}:s3:::{params['Bucket']}{key}")
        elif service == "events":
            for entry in params["Entries"]:
                bus = f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:event-bus/{entry.get('EventBusName', 'default')}"
                yield Call(
                    action, bus, (("events:source", entry["Source"]), ("events:detail-type", entry["DetailType"]))
                )
        elif operation.startswith("SendTask"):
            # The token names no machine. AWS checks the permission on the machine that the token belongs to.
            yield Call(action, self.stack.arn(MACHINE))
        else:
            yield Call(action, _resource(action, params))


def _resource(action: str, params: dict[str, Any]) -> str:
    """The ARN among the parameters, else that of the resource they name, else everything."""
    texts = [value for value in params.values() if isinstance(value, str)]
    if given := next((text for text in texts if text.startswith("arn:")), None):
        return given
    kinds = resource_kinds(action)
    if not kinds or action in ON_EVERYTHING:
        return "*"
    pattern = kinds[0].replace("${Partition}", PARTITION).replace("${Region}", REGION).replace("${Account}", ACCOUNT)
    return pattern.replace(".*", texts[0])


class World:
    """The function with its stores, and the events and requests it gets in a life."""

    def __init__(self, ports: Ports, recorder: Recorder, stack: Stack) -> None:
        self.s3 = boto3.client("s3")  # the teams' own: what they do is not the function's
        self.ports = ports
        self.recorder = recorder
        self.stack = stack
        self._numbers = itertools.count(1)

    def ask(self, doing: str, request: dict[str, Any], **replaced: Any) -> Any:
        """Have the function do something, as `doing`."""
        self.recorder.doing = doing
        self.recorder.actions.add(str(request.get("action") or "event"))
        return run_action(request, dataclasses.replace(self.ports, **replaced))

    def admit(self, doing: str, event: Any) -> dict[str, Any]:
        """Admit an event under a new execution."""
        return dict(self.ask(doing, {"action": "admit", "event": event, "execution": self.execution()}))

    def execution(self) -> dict[str, str]:
        name = f"run-{next(self._numbers)}"
        machine = self.stack.arn(MACHINE)
        return {"id": f"{machine.replace(':stateMachine:', ':execution:')}:{name}", "name": name}

    def event(self, source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
        return {
            "version": "0",
            "id": f"event-{next(self._numbers)}",
            "source": source,
            "detail-type": kind,
            "time": "2026-03-02T11:09:41Z",
            "resources": [],
            "detail": detail,
        }

    def drift(self, model: str = "fraud", **detail: Any) -> dict[str, Any]:
        report = {"model": model, "metric": "psi", "observed": 0.9, "threshold": 0.2, **detail}
        return self.event("mlops.drift", "Drift Detected", report)

    def run(self) -> dict[str, Any]:
        """Start a run and give its `$run`."""
        answer = self.admit("admit a drift report", self.drift())
        assert answer["decision"] == "RETRAIN", answer
        return dict(answer["run"])

    def park(self, run: dict[str, Any], kind: str, subject: str, **more: Any) -> None:
        request = {
            "action": "park",
            "kind": kind,
            "subject": subject,
            "token": f"token-{next(self._numbers)}",
            "run": run,
        }
        self.ask(f"park {kind}", {**request, "execution": {"id": "x", "name": run["run_id"]}, **more})

    def close(self, run: dict[str, Any], outcome: str = "TRAINED") -> None:
        request = {"action": "close", "run": run, "result": {"outcome": outcome, "reason": "it is over"}}
        self.ask("close", {**request, "execution": {"id": "x", "name": run["run_id"]}})


def play_signals(world: World) -> None:
    """Every kind of event that starts an execution."""
    world.admit("read the decision file", {})
    world.admit("read the decision file by schedule", world.event("aws.events", "Scheduled Event", {}))
    key = world.ports.settings.decision_key
    detail = {"bucket": {"name": DECISION_BUCKET}, "object": {"key": key}}
    world.admit("read the decision file when it was written", world.event("aws.s3", "Object Created", detail))
    world.s3.delete_object(Bucket=DECISION_BUCKET, Key=key)
    world.admit("miss the decision file", {})
    for name in (JOB, CLEAN_JOB):
        job = {"ProcessingJobName": name, "ProcessingJobStatus": "Completed"}
        world.admit("confirm a monitor run", world.event("aws.sagemaker", "SageMaker Processing Job State Change", job))
    state = {"value": "ALARM", "timestamp": "2026-03-02T11:20:48.554+0000", "reason": "Threshold Crossed"}
    alarm = {"alarmName": "drift/fraud/auc", "state": state, "configuration": {}}
    world.admit("hear an alarm", world.event("aws.cloudwatch", "CloudWatch Alarm State Change", alarm))
    request = {"model": "fraud", "reason": "a new season", "requested_by": "ana"}
    world.admit("hear a request", world.event("mlops.drift", "Retraining Requested", request))
    world.admit("hear of a pending signal", world.event(RETRAINING_SOURCE, "Pending Signal Due", {"model": "fraud"}))
    by_endpoint = {"endpoint": TAGGED_ENDPOINT, "metric": "psi", "observed": 0.9, "threshold": 0.2}
    world.admit("find the model of an endpoint", world.event("mlops.drift", "Drift Detected", by_endpoint))
    world.admit("hear of a model without a policy", world.drift("stranger"))
    world.admit("reject an event", {"no": "event"})


def play_captured_events(world: World) -> None:
    """A real event of each kind, whatever the adapters make of them."""
    for folder in sorted({path.parent for path in EVENTS.rglob("*.json")}):
        for path in sorted(folder.glob("*.json"))[:CAPTURED_OF_A_KIND]:
            for event in as_list(json.loads(path.read_text(encoding="utf-8"))):
                world.admit(f"admit {path.relative_to(EVENTS)}", event)


def play_run(world: World) -> None:
    """One run, from its signal to its promotion."""
    run = world.run()
    world.park(run, "approval", "training")
    world.ask(
        "approve", {"action": "resume", "kind": "approval", "run_id": run["run_id"], "decision": "APPROVED", "by": "bo"}
    )
    world.park(run, "slot", "training")
    world.park(run, "pipeline", PIPELINE_RUN)
    world.park(run, "pipeline", BROKEN_PIPELINE_RUN)
    world.ask("release a slot", {"action": "resume", "kind": "slot", "run": run})
    training = {"model_data_url": f"s3://{TEAM_BUCKET}/candidate.tar.gz"}
    elsewhere = {**training, "evaluation_uri": f"s3://{TEAM_BUCKET}/reports/evaluation.json"}
    world.s3.put_object(
        Bucket=world.ports.bucket.name,
        Key=f"runs/fraud/{run['run_id']}/outputs/evaluation.json",
        Body=json.dumps(REPORT),
    )
    evaluate = {"action": "evaluate", "run": run}
    world.ask("evaluate a report elsewhere", {**evaluate, "training": elsewhere})
    verdict = world.ask("evaluate", {**evaluate, "training": training})
    assert verdict["promotion"]["kind"] == "endpoint", verdict
    world.park(run, "approval", "promotion", verdict=verdict)
    wanted = {"purpose": "promotion", "wanted_config": f"{ENDPOINT}-config"}
    world.park(run, "endpoint", f"promotion/{ENDPOINT}", **wanted)
    world.ask("check", {"action": "check", "run": run, "promotion": verdict["promotion"]})
    world.park(run, "training_job", "fraud-7")
    world.park(run, "bake", ENDPOINT, promotion={**verdict["promotion"], "wanted_config": f"{ENDPOINT}-config"})
    serving = {**verdict["promotion"], "wanted_config": f"{ENDPOINT}-config", "previous_config": "another"}
    world.ask("verify a good promotion", {"action": "verify", "run": run, "promotion": serving})
    world.ask("verify", {"action": "verify", "run": run, "promotion": verdict["promotion"]})
    world.close(run, "PROMOTED")


def play_events_of_waits(world: World) -> None:
    """Status events that wake the function."""
    run = world.run()
    world.park(run, "endpoint", f"rollback/{ENDPOINT}", purpose="rollback", wanted_config="not-there-yet")
    world.ask("hear of an endpoint", world.event("aws.sagemaker", ENDPOINT_STATE_CHANGE, {"EndpointName": ENDPOINT}))
    detail = {"pipelineExecutionArn": PIPELINE_RUN}
    world.ask("hear of a pipeline", world.event("aws.sagemaker", PIPELINE_STATE_CHANGE, detail))
    machine = world.stack.arn(MACHINE)
    dead = {"stateMachineArn": machine, "executionArn": "x", "name": run["run_id"], "status": "FAILED"}
    event = world.event("aws.states", EXECUTION_STATUS_CHANGE, dead)
    world.ask("settle a dead execution", event)
    world.ask("settle a dead execution", {**event, "action": "settle"})


def play_stopped(world: World) -> None:
    """Runs that die while they train."""
    for model in STOPPABLE:
        run = world.admit("admit a drift report", world.drift(model))["run"]
        world.park(run, "slot", "training")
        dead = {
            "stateMachineArn": world.stack.arn(MACHINE),
            "executionArn": "x",
            "name": run["run_id"],
            "status": "ABORTED",
        }
        world.ask("settle a stopped run", world.event("aws.states", EXECUTION_STATUS_CHANGE, dead))


def play_unadmitted(world: World) -> None:
    """An execution that failed before its signal was decided."""
    execution = world.execution()
    world.ask(
        "close what was never decided",
        {
            "action": "close",
            "run": {"run_id": execution["name"]},
            "result": {"outcome": "FAILED", "reason": "the function timed out"},
            "execution": execution,
            "event": {"detail": {}},
        },
    )


def play_operators(world: World) -> None:
    """What operators and the schedule ask for."""
    names = {"by": "ana", "reason": "an incident"}
    run = world.run()
    world.admit("keep a signal during a run", world.drift())
    world.ask("pause", {"action": "pause", "scope": "model:fraud", **names})
    world.ask("pause", {"action": "pause", "scope": "model:fraud", **names})
    world.ask("unpause", {"action": "unpause", "scope": "model:fraud", **names})
    later = datetime.now(UTC) + timedelta(hours=1)
    world.park(run, "approval", "training")
    world.ask("sweep", {"action": "sweep"}, now=lambda: later)
    world.ask("sweep when approvals have expired", {"action": "sweep"}, now=lambda: later + timedelta(days=40))
    table = world.ports.table
    assert table.save_model(dataclasses.replace(table.model("fraud"), frozen_reason="three runs brought nothing"))
    world.ask("unfreeze", {"action": "unfreeze", "model": "fraud", **names})


@pytest.fixture(scope="module")
def stack() -> Stack:
    """The stack with a decision bucket of its own, so that every statement has a resource of its own."""
    return Template.read().resolve({"DecisionBucket": DECISION_BUCKET, "TrainingPipelineArn": TRAINING})


@pytest.fixture(scope="module")
def recorder(stack: Stack) -> Iterator[Recorder]:
    """Everything the function does in a life, recorded."""
    recorder = Recorder(stack)
    variables = stack.resources[FUNCTION]["Properties"]["Environment"]["Variables"]
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    session = boto3.Session
    with ExitStack() as entered:
        entered.enter_context(patch.dict("os.environ", environment))
        entered.enter_context(mock_aws())
        _deploy(stack)
        with patch("orchestration.composition.boto3.Session", lambda: recorder.listen(session())):
            ports = composition.compose({name: str(value) for name, value in variables.items()})
        world = World(dataclasses.replace(ports, pause=lambda _seconds: None), recorder, stack)
        for play in (
            play_signals,
            play_captured_events,
            play_run,
            play_events_of_waits,
            play_stopped,
            play_unadmitted,
            play_operators,
        ):
            _close_what_runs(world)
            play(world)
        yield recorder


def _close_what_runs(world: World) -> None:
    for run in world.ports.table.active_runs():
        world.close({"run_id": run["run_id"], "model": run["model"]})


def _deploy(stack: Stack) -> None:
    """The stores of the stack, and what teams keep in S3."""
    boto3.client("dynamodb").create_table(
        TableName=stack.name("HistoryTable"),
        **{
            key: value
            for key, value in stack.resources["HistoryTable"]["Properties"].items()
            if key in {"KeySchema", "AttributeDefinitions", "BillingMode"}
        },
    )
    for topic in stack.template.of_type("AWS::SNS::Topic"):
        boto3.client("sns").create_topic(Name=stack.name(topic))
    s3 = boto3.client("s3")
    for bucket in (stack.name("AutomationBucket"), TEAM_BUCKET, DECISION_BUCKET):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    key = stack.values["DecisionKey"]
    s3.put_object(Bucket=DECISION_BUCKET, Key=key, Body=b"retraining_required\nNO\n")
    s3.put_object(Bucket=stack.name("AutomationBucket"), Key="policies/fraud.json", Body=json.dumps(POLICY))
    for model, training in STOPPABLE.items():
        policy = {**POLICY, "model": model, "training": training}
        s3.put_object(Bucket=stack.name("AutomationBucket"), Key=f"policies/{model}.json", Body=json.dumps(policy))
    s3.put_object(Bucket=TEAM_BUCKET, Key=f"reports/{JOB}/constraint_violations.json", Body=json.dumps(VIOLATIONS))
    s3.put_object(Bucket=TEAM_BUCKET, Key="reports/evaluation.json", Body=json.dumps(REPORT))


def runtime_calls(stack: Stack, function: str) -> Iterator[Call]:
    """What Lambda does under the role besides: write the log, and trace when that is on."""
    properties = stack.resources[function]["Properties"]
    stream = stack.arn(f"{function}LogGroup").removesuffix("*") + "log-stream:2026/03/02/[$LATEST]0123"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        yield Call(action, stream, why="LoggingConfig")
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        yield Call("xray:PutTraceSegments", "*", why="TracingConfig")
        yield Call("xray:PutTelemetryRecords", "*", why="TracingConfig")


def distinct(calls: list[Call]) -> list[Call]:
    return list({(call.action, call.resource, call.keys): call for call in calls}.values())


def test_every_function_of_the_template_is_run_here() -> None:
    assert set(Template.read().of_type("AWS::Lambda::Function")) == {FUNCTION, "ApprovalFunction"}


def test_every_action_of_the_handler_was_run(recorder: Recorder) -> None:
    assert set(ACTIONS) - recorder.actions == set()


def test_every_call_that_the_stores_can_make_was_made(recorder: Recorder) -> None:
    """What is written in the stores and used by an action; a scenario above is missing when this fails."""
    assert reachable_operations() - {operation for _service, operation in recorder.operations} == set()


def test_every_call_that_the_function_makes_is_allowed(recorder: Recorder, stack: Stack) -> None:
    policies = stack.policies(ROLE)
    calls = distinct([*recorder.calls, *runtime_calls(stack, FUNCTION)])

    refused = [f"{call.why}: {call.action} on {call.resource}" for call in calls if allowing(policies, call) is None]
    assert refused == []


def test_every_statement_of_the_role_is_needed_by_some_call(recorder: Recorder, stack: Stack) -> None:
    calls = distinct([*recorder.calls, *runtime_calls(stack, FUNCTION)])

    assert unused(stack.policies(ROLE), calls) == []


def test_a_missing_permission_is_found(recorder: Recorder, stack: Stack) -> None:
    """The check would notice: without any one statement some call is refused."""
    (policy,) = stack.policies(ROLE)
    calls = distinct([*recorder.calls, *runtime_calls(stack, FUNCTION)])
    for statement in policy["Statement"]:
        if statement["Effect"] == "Deny":
            continue
        rest = {"Statement": [other for other in policy["Statement"] if other is not statement]}
        refused = [call for call in calls if allowing([rest], call) is None]
        assert refused or statement["Sid"] in FOR_OTHER_ACCOUNTS, statement["Sid"]


def test_the_function_may_only_stop_trainings_in_sagemaker_and_write_no_policy_file(stack: Stack) -> None:
    policies = stack.policies(ROLE)
    actions = {action for statement in stack.statements(ROLE) for action in as_list(statement["Action"])}
    bucket = stack.arn("AutomationBucket")

    assert {a for a in actions if a.startswith("sagemaker:") and not re.match(r"sagemaker:(Describe|List)", a)} == {
        "sagemaker:StopPipelineExecution",
        "sagemaker:StopTrainingJob",
    }
    assert not allowing(policies, Call("s3:PutObject", f"{bucket}/policies/fraud.json"))
    assert not allowing(policies, Call("s3:DeleteObject", f"{bucket}/decisions/fraud/x.json"))
    assert not allowing(policies, Call("s3:GetObject", f"arn:aws:s3:::{TEAM_BUCKET}/customers.csv"))
    assert not allowing(policies, Call("dynamodb:Scan", stack.arn("HistoryTable")))


def test_the_function_speaks_on_the_bus_under_its_own_name_only(stack: Stack) -> None:
    bus = f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:event-bus/default"

    assert allowing(stack.policies(ROLE), Call("events:PutEvents", bus, (("events:source", RETRAINING_SOURCE),)))
    assert not allowing(stack.policies(ROLE), Call("events:PutEvents", bus, (("events:source", "aws.sagemaker"),)))


def reachable_operations() -> set[str]:
    """Operations that methods of the stores call, as far as something outside the method uses the method."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src" / "orchestration").rglob("*.py")
    }
    used = {node.attr for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found: set[str] = set()
    for path in STORES.glob("*.py"):
        methods = [
            method
            for node in ast.walk(trees[path])
            if isinstance(node, ast.ClassDef)
            for method in node.body
            if isinstance(method, ast.FunctionDef) and method.name in used
        ]
        found |= {operation for method in methods for operation in _operations(method)}
    return found


def _operations(method: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(method):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        client = node.func.value
        if isinstance(client, ast.Attribute) and client.attr in {"_client", "_sns", "_events"}:
            if node.func.attr == "get_paginator":
                assert isinstance(node.args[0], ast.Constant)
                yield str(node.args[0].value)
            else:
                yield node.func.attr
