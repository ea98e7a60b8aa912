"""A life of the loop for its three functions, each composed from the template's own environment, every call recorded.

    with living(stack) as world:
        run = world.admitted("fraud")
        world.trained(run)

S3, SNS and EventBridge are moto's, in process; the other services are ``outside``. The plays of ``PLAYS`` go
every way that an action has, so that what they need together is what the functions need.
"""

from __future__ import annotations

import copy
import io
import itertools
import json
import logging
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import boto3
import pytest
from awslambdaric.lambda_runtime_log_utils import JsonFormatter
from botocore.exceptions import ClientError
from botocore.session import Session
from moto import mock_aws
from moto.s3 import urls
from moto.s3.models import FakeKey, S3Backend

from ops import cli
from ops.audit.gathered import Report
from ops.audit.reading import Reading
from ops.audit.walk import Audit
from orchestration import approval_handler, composition, handler, operator_handler, promotion_handler, slack_handler
from orchestration.domain.commands import Place
from orchestration.domain.contracts import (
    ALARM_STATE_CHANGE,
    ENDPOINT_STATE_CHANGE,
    EXECUTION_STATUS_CHANGE,
    PIPELINE_STATE_CHANGE,
    RETRAINING_SOURCE,
    SWEEP_REQUESTED,
    TRAINING_JOB_STATE_CHANGE,
)
from orchestration.domain.errors import InvalidRequestError, NotAcceptedYetError, TransientServiceError
from orchestration.domain.policy import TargetKind
from orchestration.domain.training_target import TrainingTask
from orchestration.settings import ApprovalAccess
from orchestration.steps.approval_links import buttons
from orchestration.steps.approvals import approval_of
from orchestration.stores.bucket_s3 import AutomationBucket
from orchestration.stores.history_table import HistoryTable
from tests.contract.outside import (
    CHECK_JOB,
    CLEAN_JOB,
    ENDPOINT,
    JOB,
    ROLE,
    TAGGED_ENDPOINT,
    TEAM_BUCKET,
    Endpoint,
    Outside,
    arn,
)
from tests.contract.recorder import MACHINE, Recorder
from tests.contract.template import ACCOUNT, BUTTONS, REGION, ROOT, Stack, Template, as_list
from tests.unit.fakes import FakeCallers, proven
from tests.unit.fakes import Outside as FakeOutside
from tests.unit.memory_dynamodb import MemoryDynamoDB
from tests.unit.tampering import Inline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestration.ports import ApprovalPorts, HandPorts, OperatorPorts, Ports

ORCHESTRATION: Final = "OrchestrationFunction"
HAND: Final = "PromotionFunction"
APPROVAL: Final = "ApprovalFunction"
OPERATOR: Final = "OperatorFunction"
REVIEWER: Final = "a reviewer's terminal"

EVENTS: Final = ROOT / "tests" / "events"
DECISION_BUCKET: Final = "team-decisions"
TRAINING: Final = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:training"
TAGGED_TRAINING: Final = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:a-teams-training"
DEPLOYMENT: Final = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:a-teams-deployment"
PACKAGE: Final = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/registered/7"
LONE_PACKAGE: Final = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/registered-alone"

CAPTURED_OF_A_KIND: Final = 1
"""More would make the same calls."""

AT_ONCE: Final = {
    "schema_version": 1,
    "cooldown_hours": 0,
    "budget": {"runs": 0},
    "breaker": {"fruitless_runs": 0},
    "actions": {"info": "observe", "warning": "retrain", "critical": "retrain"},
    "training": {"target": TRAINING},
    "evaluation": {"metric": "auc", "minimum": 0.8},
    "approval": {"training": "never", "promotion": "never"},
}
"""A policy in whose way nothing stands."""

SERVES: Final = {"bake_minutes": 60, "alarms": ["fraud-5xx"]}

POLICIES: Final[dict[str, dict[str, Any]]] = {
    "fraud": {"promotion": {"endpoint": ENDPOINT, "monitoring_schedule": "fraud-schedule", **SERVES}},
    "asked": {
        "promotion": {"endpoint": "asked-prod", **SERVES, "inconclusive": "ask"},
        "approval": {"training": "always", "promotion": "always", "approvals_needed": 2},
    },
    "registered": {
        "training": {"target": arn("pipeline", "fraud"), "parameters": {"Out": "output_uri"}},
        "promotion": {"kind": "registry"},
    },
    "shipped": {
        "training": {"target": "training-job", "request": {"RoleArn": ROLE}},
        "promotion": {"kind": "pipeline", "target": DEPLOYMENT},
    },
    "tagged": {"training": {"target": TAGGED_TRAINING, "max_hours": 1}, "promotion": {"kind": "none"}},
}

REPORT: Final = {
    "binary_classification_metrics": {"auc": {"value": 0.93, "standard_deviation": "NaN"}},
    "champion": {"binary_classification_metrics": {"auc": {"value": 0.85, "standard_deviation": "NaN"}}},
}
BAD_REPORT: Final = {"binary_classification_metrics": {"auc": {"value": 0.2}}}
VIOLATIONS: Final = {
    "violations": [
        {
            "feature_name": "amount",
            "constraint_check_type": "baseline_drift_check",
            "description": "Baseline drift distance: 0.9 exceeds threshold: 0.1",
        }
    ]
}


@dataclass(frozen=True)
class Run:
    """A run: an execution, and the model that it trains."""

    name: str
    execution_arn: str
    model: str
    next: str

    @property
    def execution(self) -> dict[str, str]:
        """What the state machine says of itself."""
        return {"id": self.execution_arn, "name": self.name}


class _Lines(logging.Handler):
    """Log lines as Lambda writes them, with the function that writes."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.function = ""
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((self.function, json.loads(JsonFormatter().format(record))))


class World:
    """The functions over one set of stores, at a time that only goes on when it is told to."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.time = datetime.now(UTC)
        self.outside = Outside(now=self.now)
        self.recorders = {
            name: Recorder(stack, self.outside) for name in (ORCHESTRATION, HAND, APPROVAL, OPERATOR, REVIEWER)
        }
        self.asked: dict[str, set[str]] = {name: set() for name in self.recorders}
        self.log = _Lines()
        self.tokens_in_due_items: list[str] = []
        self.s3 = boto3.client("s3")  # the teams' own: what they do is not the functions'
        self.ports: Ports = self._composed(ORCHESTRATION, composition.compose)
        self.hand_ports: HandPorts = self._composed(HAND, composition.compose_hand)
        # The page of a stack with links, asked as if it had none: so both statements of its form are there.
        approval: ApprovalPorts = self._composed(APPROVAL, composition.compose_approval)
        settings = replace(approval.settings, approval_access=ApprovalAccess.IAM)
        self.approval_ports = replace(approval, settings=settings)
        self.operator_ports: OperatorPorts = self._composed(OPERATOR, composition.compose_operator)
        self._numbers = itertools.count(1)

    def _composed(self, function: str, compose: Callable[..., Any]) -> Any:
        recorder = self.recorders[function]
        variables = self.stack.resources[function]["Properties"]["Environment"]["Variables"]
        with patch("orchestration.composition.Session", lambda: recorder.listen(Session())):
            ports = compose({name: str(value) for name, value in variables.items()})
        return replace(ports, now=self.now, pause=lambda _seconds: None, callers=FakeCallers(FakeOutside()))

    def now(self) -> datetime:
        """What time it is."""
        return self.time

    def forward(self, **passed: float) -> None:
        """Let time pass."""
        self.time += timedelta(**passed)

    # Asking.

    def ask(self, doing: str, request: Any) -> Any:
        """Have OrchestrationFunction do something."""
        name = str(request.get("action") or "event") if isinstance(request, dict) else "event"
        name = name if request else "read_decision"
        return self._act(ORCHESTRATION, doing, name, lambda: handler.run_action(request, self.ports))

    def act(self, doing: str, request: dict[str, Any]) -> Any:
        """Have the hand do something."""
        return self._act(HAND, doing, request["action"], lambda: promotion_handler.run_action(request, self.hand_ports))

    def operate(self, request: dict[str, Any], by: str = "ana") -> Any:
        """Have an operator ask for something; the sweep that follows is OrchestrationFunction's."""
        signed = proven(request, by, self.time, self.stack.arn(MACHINE))
        action = request["action"]
        answered = self._act(OPERATOR, action, action, lambda: operator_handler.run_action(signed, self.operator_ports))
        self.ask("sweep for an operator", {"detail-type": SWEEP_REQUESTED, "detail": {"ahead_seconds": 0}})
        return answered

    def decide(self, doing: str, run: Run, decision: str, by: str) -> Any:
        """Have a person decide from a terminal."""
        request = {"action": "decide", "run_id": run.name, "decision": decision}
        signed = proven(request, by, self.time, self.stack.arn(MACHINE))
        return self._act(APPROVAL, doing, "vote", lambda: approval_handler.run_action(signed, self.approval_ports))

    def press(self, doing: str, run: Run, button: str) -> str:
        """Have somebody in the channel press a button of a message about the run."""
        wait = approval_of(self.ports, run.name)
        assert wait is not None
        carried = buttons(self.ports, wait)[button]
        return str(
            self._act(APPROVAL, doing, "press", lambda: slack_handler.answer({button: carried}, self.approval_ports))
        )

    def review(self, doing: str, request: dict[str, Any]) -> Any:
        """Have a person look or decide on the page."""
        answered = self._act(APPROVAL, doing, "review", lambda: approval_handler.answer(request, self.approval_ports))
        assert answered.get("statusCode", 200) == 200, answered
        return answered

    def _act(self, function: str, doing: str, action: str, call: Callable[[], Any]) -> Any:
        self.outside.doing, self.log.function = doing, function
        self.asked[function].add(action)
        return call()

    def execution(self) -> dict[str, str]:
        """A new execution of the loop."""
        name = f"run-{next(self._numbers)}"
        machine = self.stack.arn(MACHINE)
        return {"id": f"{machine.replace(':stateMachine:', ':execution:')}:{name}", "name": name}

    def event(self, source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
        """An event as EventBridge delivers it."""
        return {
            "version": "0",
            "id": f"event-{next(self._numbers)}",
            "source": source,
            "detail-type": kind,
            "time": self.time.isoformat(),
            "resources": [],
            "detail": detail,
        }

    def drift(self, model: str = "fraud", **detail: Any) -> dict[str, Any]:
        """A drift report, past critical."""
        measured = next(self._numbers)
        report = {"model": model, "metric": "psi", "observed": 0.9, "threshold": 0.2, "measured": measured, **detail}
        return self.event("mlops.drift", "Drift Detected", report)

    def admit(self, doing: str, event: Any, execution: dict[str, str] | None = None) -> dict[str, Any]:
        """Admit an event under a new execution."""
        return dict(self.ask(doing, {"action": "admit", "event": event, "execution": execution or self.execution()}))

    # A run's way.

    def admitted(self, model: str = "fraud") -> Run:
        """Start a run."""
        execution = self.execution()
        answer = self.admit("admit a drift report", self.drift(model), execution)
        assert answer["decision"] == "RETRAIN", answer
        return Run(execution["name"], execution["id"], model, answer["next"])

    def token(self) -> str:
        """A task token of its own."""
        return f"token-{next(self._numbers)}"

    def word(self, token: str) -> str | None:
        """Where the workflow was told to go; None while it waits."""
        answered = self.outside.answered.get(token)
        return None if answered is None else str(json.loads(answered)["next"])

    def park(self, run: Run, kind: str, subject: str = "") -> str:
        """Park a token; gives it."""
        token = self.token()
        request = {"action": "park", "kind": kind, "subject": subject, "token": token, "execution": run.execution}
        self.ask(f"park {kind}", request)
        return token

    def hand(self, run: Run, action: str) -> str:
        """Have the hand act on a token; gives it."""
        token = self.token()
        self.act(action, {"action": action, "token": token, "execution": run.execution})
        return token

    def task(self, run: Run) -> TrainingTask:
        """The training of a run."""
        stored = self.ports.table.run(run.name)
        task = TrainingTask.of(json.loads(stored.manifest)) if stored else None
        assert task is not None
        return task

    def training(self, run: Run) -> str:
        """Bring a run to its training; gives the token of that."""
        assert self.word(self.park(run, "slot")) == "train"
        return self.hand(run, "train")

    def trained(self, run: Run, report: Any = REPORT, **output: Any) -> str:
        """Train a run at its target, and evaluate; gives the word."""
        token = self.training(run)
        assert self.word(token) is None
        key = f"runs/{run.model}/{run.name}/outputs/evaluation.json"
        self.s3.put_object(Bucket=self.ports.bucket.name, Key=key, Body=json.dumps(report))
        self.training_ends(run, **output)
        assert self.word(token) == "evaluate"
        return self.evaluated(run)

    def training_ends(self, run: Run, **output: Any) -> None:
        """The target is done, and says so in an event."""
        name, target = self.task(run).name, self.task(run).target
        if target.startswith("arn:aws:states:"):
            made = {
                "model_data_url": f"s3://{TEAM_BUCKET}/candidate.tar.gz",
                "baseline_constraints_uri": f"s3://{TEAM_BUCKET}/constraints.json",
                **output,
            }
            ended = {"status": "SUCCEEDED", "output": json.dumps(made)}
            self.outside.executions[self.task(run).execution_arn] = ended
            detail = {"stateMachineArn": target, "name": name, "status": "SUCCEEDED"}
            event = self.event("aws.states", EXECUTION_STATUS_CHANGE, detail)
        elif target.startswith("arn:"):
            self.outside.pipelines[name] = "Succeeded"
            self.outside.steps = [
                {"StepStatus": "Succeeded", "Metadata": {"TrainingJob": {"Arn": arn("training-job", "fraud-7")}}},
                {
                    "StepStatus": "Succeeded",
                    "Metadata": {"RegisterModel": {"Arn": output.get("model_package_arn", PACKAGE)}},
                },
            ]
            event = self.event("aws.sagemaker", PIPELINE_STATE_CHANGE, {"pipelineExecutionDisplayName": name})
        else:
            self.outside.jobs[name] = "Completed"
            event = self.event("aws.sagemaker", TRAINING_JOB_STATE_CHANGE, {"TrainingJobName": name})
        self.ask("hear of the end of a training", event)

    def training_stops(self, task: TrainingTask) -> None:
        """A training that was told to stop has stopped."""
        if task.kind is TargetKind.STATE_MACHINE:
            self.outside.executions[task.execution_arn] = {"status": "ABORTED"}
        self.outside.jobs[task.name] = self.outside.pipelines[task.name] = "Stopped"

    def evaluated(self, run: Run) -> str:
        """Evaluate."""
        return str(self.ask("evaluate", {"action": "evaluate", "execution": run.execution})["next"])

    def served(self, run: Run) -> str:
        """Promote to the endpoint, and park the bake; gives the token of that."""
        endpoint = self.outside.endpoints[POLICIES[run.model]["promotion"]["endpoint"]]
        token = self.hand(run, "promote")
        assert (self.word(token), endpoint.status) == (None, "Updating")
        endpoint.arrive()
        self.endpoint_moved(run.model)
        assert self.word(token) == "bake"
        return self.park(run, "bake")

    def endpoint_moved(self, model: str) -> None:
        """SageMaker says that an endpoint changed."""
        name = POLICIES[model]["promotion"]["endpoint"]
        self.ask("hear of an endpoint", self.event("aws.sagemaker", ENDPOINT_STATE_CHANGE, {"EndpointName": name}))

    def finish(self, run: Run) -> dict[str, Any]:
        """Have registry and monitor follow."""
        return dict(self.act("finish", {"action": "finish", "execution": run.execution}))

    def close(self, run: Run, **more: Any) -> str:
        """Close a run; gives its outcome."""
        return str(self.ask("close", {"action": "close", "execution": run.execution, **more})["outcome"])

    def died(self, run: Run, status: str) -> None:
        """The execution of a run is dead, and the event says so."""
        self.outside.executions[run.execution_arn] = {"status": status}
        detail = {
            "stateMachineArn": self.stack.arn(MACHINE),
            "executionArn": run.execution_arn,
            "name": run.name,
            "status": status,
        }
        self.ask("settle a dead execution", self.event("aws.states", EXECUTION_STATUS_CHANGE, detail))

    def sweep(self, **request: Any) -> dict[str, int]:
        """Sweep; gives the repairs."""
        return dict(self.ask("sweep", {"action": "sweep", **request})["repairs"])

    def vote(self, run: Run, subject: str, decision: str, *people: str) -> None:
        """Look at the page and decide there."""
        self.review("show an approval", signed("GET", run.name))
        for person in people:
            form = f"subject={subject}&decision={decision}"
            self.review("decide on the page", signed("POST", run.name, form, person))
        self.review("show a decided approval", signed("GET", run.name))

    def keep_statuses_as_before(self, run: Run) -> None:
        """Let the statuses of a run lie where the release before wrote them."""
        items = self.outside.table.items
        for pk, sk in [key for key in items if key[0] == f"STATUS#{run.name}"]:
            items[f"RUN#{run.name}", sk] = {**items.pop((pk, sk)), "pk": {"S": f"RUN#{run.name}"}}

    def write_policy(self, model: str, **changed: Any) -> None:
        """Upload a policy file."""
        body = json.dumps({**AT_ONCE, "model": model, **POLICIES[model], **changed})
        self.s3.put_object(Bucket=self.ports.bucket.name, Key=f"policies/{model}.json", Body=body)

    def terminal(self) -> Any:
        """The deployed stack as the operators' commands see it, of a reviewer, who may look neither at policies nor at endpoints."""

        def refused(asked: str) -> Any:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": asked}}, "List")

        session, name = boto3.Session(botocore_session=self.recorders[REVIEWER].listen(Session())), self.stack.name
        bucket = AutomationBucket(session.client("s3"), name("AutomationBucket"))
        return SimpleNamespace(
            name="retraining",
            place=Place("retraining", "us-east-1"),
            parameters={"ApprovalAccess": "LINK"},
            outputs={"OperationsTopicArn": "arn:operations", "StateMachineArn": MACHINE},
            keys=refused,
            client=refused,
            table=HistoryTable(session.client("dynamodb"), name("HistoryTable")),
            bucket=bucket,
            read_json=lambda key: json.loads(bucket.read(bucket.uri(key)).body or b"null"),
        )

    def audited(self) -> Report:
        """What an audit finds, asked by a reviewer."""
        session, name = boto3.Session(botocore_session=self.recorders[REVIEWER].listen(Session())), self.stack.name
        reading = Reading(
            session.client("s3"),
            session.client("dynamodb"),
            session.client("stepfunctions"),
            bucket=name("AutomationBucket"),
            table=name("HistoryTable"),
            machine=self.stack.arn(MACHINE),
        )
        return Audit(reading, Inline(), now=self.outside.now()).run()

    def begin_anew(self) -> None:
        """An empty table, every policy as it was, every endpoint at rest: no play stands in another's way."""
        self.outside.table = MemoryDynamoDB()
        self.outside.alarm_state = "OK"
        self.outside.executions.clear()
        self.outside.endpoints[TAGGED_ENDPOINT] = Endpoint(f"{TAGGED_ENDPOINT}-first")
        for model in POLICIES:
            self.write_policy(model)
            if endpoint := POLICIES[model].get("promotion", {}).get("endpoint"):
                self.outside.endpoints[endpoint] = Endpoint(f"{endpoint}-first")


def signed(method: str, run_id: str, body: str | None = None, who: str = "ada") -> dict[str, Any]:
    """A signed request of the approval page."""
    iam = {"userArn": f"arn:aws:iam::{ACCOUNT}:user/{who}"}
    return {
        "rawPath": "/",
        "rawQueryString": f"run={run_id}",
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "requestContext": {"http": {"method": method}, "authorizer": {"iam": iam}},
        "body": body,
    }


# The plays.


def play_signals(world: World) -> None:
    """Every kind of event that starts an execution."""
    world.admit("read the decision file", {})
    world.ask("say what the decision file says", {})
    world.admit("read the decision file by schedule", world.event("aws.events", "Scheduled Event", {}))
    key = world.ports.settings.decision_key
    detail = {"bucket": {"name": DECISION_BUCKET}, "object": {"key": key}}
    world.admit("read the decision file when it was written", world.event("aws.s3", "Object Created", detail))
    world.s3.delete_object(Bucket=DECISION_BUCKET, Key=key)
    world.admit("miss the decision file", {})
    for name in (JOB, CLEAN_JOB):
        job = {"ProcessingJobName": name, "ProcessingJobStatus": "Completed"}
        world.admit("confirm a monitor run", world.event("aws.sagemaker", "SageMaker Processing Job State Change", job))
    scoring = arn("pipeline", "fraud-scoring")
    world.outside.tags |= {
        arn("processing-job", CHECK_JOB): [
            {"Key": "sagemaker:pipeline-execution-arn", "Value": f"{scoring}/execution/abcdefghij12"}
        ],
        scoring: [{"Key": "retraining:model", "Value": "fraud"}],
    }
    checked = {"ProcessingJobName": CHECK_JOB, "ProcessingJobStatus": "Completed"}
    world.admit("confirm a check step", world.event("aws.sagemaker", "SageMaker Processing Job State Change", checked))
    state = {"value": "ALARM", "timestamp": "2026-03-02T11:20:48.554+0000", "reason": "Threshold Crossed"}
    alarm = {"alarmName": "drift/fraud/auc", "state": state, "configuration": {}}
    world.admit("hear an alarm", world.event("aws.cloudwatch", ALARM_STATE_CHANGE, alarm))
    request = {"model": "fraud", "reason": "a new season", "requested_by": "ana"}
    world.admit("hear a request", world.event("mlops.drift", "Retraining Requested", request))
    world.admit("hear of a pending signal", world.event(RETRAINING_SOURCE, "Pending Signal Due", {"model": "fraud"}))
    by_endpoint = {"endpoint": TAGGED_ENDPOINT, "metric": "psi", "observed": 0.9, "threshold": 0.2}
    world.admit("find the model of an endpoint", world.event("mlops.drift", "Drift Detected", by_endpoint))
    kept = {"model": "fraud", "report_uri": f"s3://{TEAM_BUCKET}/reports/drift_report.json"}
    world.admit("read a drift report in S3", world.event("mlops.drift", "Drift Detected", kept))
    world.admit("hear of a model without a policy", world.drift("stranger"))
    world.admit("reject an event", {"no": "event"})


def play_captured_events(world: World) -> None:
    """A real event of each kind, whatever the adapters make of them."""
    for folder in sorted({path.parent for path in EVENTS.rglob("*.json")}):
        for path in sorted(folder.glob("*.json"))[:CAPTURED_OF_A_KIND]:
            for event in as_list(json.loads(path.read_text(encoding="utf-8"))):
                world.admit(f"admit {path.relative_to(EVENTS)}", event)


def play_promoted(world: World) -> None:
    """A run from its signal to its promotion, every task asked twice."""
    event, execution = world.drift(), world.execution()
    run = Run(execution["name"], execution["id"], "fraud", world.admit("admit", event, execution)["next"])
    world.admit("admit once more", event, execution)
    world.admit("hear the same signal again", event)
    world.outside.refuse("UploadPartCopy", "SlowDown")
    with pytest.raises(NotAcceptedYetError):
        world.trained(run)
    assert world.evaluated(run) == "promote", "the copy is gone on with"
    world.hand(run, "train")
    assert world.evaluated(run) == "promote"
    endpoint = world.outside.endpoints[ENDPOINT]
    world.outside.refuse("UpdateEndpoint", "Throttling")
    with pytest.raises(NotAcceptedYetError):
        world.hand(run, "promote")
    endpoint.status = "SystemUpdating"
    with pytest.raises(NotAcceptedYetError):
        world.hand(run, "promote")
    endpoint.status = "InService"
    bake = world.served(run)
    world.forward(minutes=61)
    world.sweep()
    assert world.word(bake) == "finish"
    assert world.word(world.park(run, "bake")) == "finish"
    done = world.finish(run)
    assert "became the one of the promoted model" in done["baseline"], done
    world.finish(run)
    assert world.close(run) == "PROMOTED"
    world.close(run)
    assert world.word(world.hand(run, "promote")) == "record"


def play_registered(world: World) -> None:
    """A SageMaker pipeline that registers a package, and the registry's approval as the promotion."""
    run = world.admitted("registered")
    assert world.trained(run) == "promote"
    world.outside.refuse("UpdateModelPackage", "Throttling")
    with pytest.raises(NotAcceptedYetError):
        world.hand(run, "promote")
    world.forward(minutes=10)
    world.sweep()
    world.outside.refuse("TransactWriteItems", "ThrottlingException", after=1)
    with pytest.raises(TransientServiceError):
        world.hand(run, "promote")
    assert world.word(world.hand(run, "promote")) == "record", "the package shows that it was approved"
    world.finish(run)
    assert world.close(run) == "PROMOTED"
    rejected = world.admitted("registered")
    assert world.trained(rejected, BAD_REPORT) == "finish"
    world.finish(rejected)
    assert world.outside.packages[PACKAGE] == "Rejected"
    assert world.close(rejected) == "CANDIDATE_REJECTED"
    alone = world.admitted("registered")
    assert world.trained(alone, BAD_REPORT, model_package_arn=LONE_PACKAGE) == "finish"
    world.finish(alone)
    assert world.outside.packages[LONE_PACKAGE] == "Rejected", "in no group, so that its own tag counts"
    assert world.close(alone) == "CANDIDATE_REJECTED"
    unheard = world.admitted("registered")
    world.training(unheard)
    assert world.word(world.hand(unheard, "train")) is None
    world.outside.pipelines[world.task(unheard).name] = "Succeeded"
    assert world.word(world.hand(unheard, "train")) == "evaluate"


def play_shipped(world: World) -> None:
    """A training job, and the team's own deployment."""
    run = world.admitted("shipped")
    assert world.trained(run) == "promote"
    first = world.hand(run, "promote")
    token = world.hand(run, "promote")
    (deployment,) = [name for name in world.outside.executions if "a-teams-deployment:" in name]
    world.outside.executions[deployment] = {"status": "SUCCEEDED"}
    detail = {"stateMachineArn": DEPLOYMENT, "name": deployment.rsplit(":", 1)[-1], "status": "SUCCEEDED"}
    world.ask("hear of the end of a deployment", world.event("aws.states", EXECUTION_STATUS_CHANGE, detail))
    assert (world.word(first), world.word(token)) == (None, "record")
    assert world.close(run) == "PROMOTED"
    unheard = world.admitted("shipped")
    world.training(unheard)
    assert world.word(world.hand(unheard, "train")) is None


def play_elsewhere(world: World) -> None:
    """A tagged machine, whose report lies in the team's bucket and whose training lasts too long the second time."""
    run = world.admitted("tagged")
    assert world.trained(run, evaluation_uri=f"s3://{TEAM_BUCKET}/reports/evaluation.json") == "record"
    assert world.close(run) == "TRAINED"
    late = world.admitted("tagged")
    token = world.training(late)
    world.hand(late, "train")
    world.forward(hours=2)
    world.hand(late, "train")
    assert world.task(late).name not in world.outside.stopped, "the hand stops nothing"
    world.sweep()
    assert world.task(late).name in world.outside.stopped
    world.training_stops(world.task(late))
    world.forward(minutes=10)
    world.sweep()
    assert world.word(token) is None, "the second token is the one that is alive"
    assert world.evaluated(late) == "record"
    assert world.close(late) == "TRAINING_TIMED_OUT"


def play_without_capacity(world: World) -> None:
    """A training that got no instances, as the hand sees it that is asked again, and as a sweep does."""
    run = world.admitted("tagged")
    world.training(run)
    lacking = {"status": "FAILED", "error": "States.TaskFailed", "cause": "CapacityError: none left"}
    world.outside.executions[world.task(run).execution_arn] = lacking
    world.hand(run, "train")
    token = world.hand(run, "train")
    stored = world.ports.table.run(run.name)
    second = TrainingTask.of(json.loads(stored.manifest), 2) if stored else None
    assert second is not None
    world.outside.executions[second.execution_arn] = lacking
    world.forward(minutes=10)
    world.sweep()
    assert world.outside.answered[token] == "{}", "its token was failed, so that the workflow asks for the next attempt"
    world.begin_anew()


def play_refused(world: World) -> None:
    """What the hand does not do, and what AWS does not take."""
    for code in ("ThrottlingException", "AccessDeniedException"):
        run = world.admitted("tagged")
        assert world.word(world.park(run, "slot")) == "train"
        world.outside.refuse("StartExecution", code)
        if code.startswith("Throttling"):
            with pytest.raises(NotAcceptedYetError):
                world.hand(run, "train")
            assert world.word(world.hand(run, "train")) is None
        else:
            assert world.word(world.hand(run, "train")) == "evaluate"
        world.begin_anew()
    for model in ("registered", "shipped"):
        run = world.admitted(model)
        assert world.word(world.park(run, "slot")) == "train"
        operation = "StartPipelineExecution" if model == "registered" else "CreateTrainingJob"
        world.outside.refuse(operation, "ValidationException", "no such role")
        assert world.word(world.hand(run, "train")) == "evaluate"
        world.begin_anew()
    run = world.admitted()
    world.park(run, "slot")
    world.operate({"action": "pause", "scope": "source:drift_report", "reason": "a bad sender"})
    assert world.word(world.hand(run, "train")) == "evaluate"
    world.operate({"action": "unpause", "scope": "source:drift_report"})
    assert world.evaluated(run) == "record"
    assert world.close(run) == "STOPPED"
    run = world.admitted()
    assert world.trained(run) == "promote"
    world.outside.refuse("CreateEndpointConfig", "AccessDeniedException")
    assert world.word(world.hand(run, "promote")) == "record"
    assert world.close(run) == "FAILED"
    run = world.admitted()
    assert world.trained(run) == "promote"
    report = f"runs/{run.model}/{run.name}/outputs/evaluation.json"
    world.s3.put_object(Bucket=world.ports.bucket.name, Key=report, Body=b"{}")
    assert world.word(world.hand(run, "promote")) == "record"
    assert world.close(run) == "SUPERSEDED"


def play_rolled_back(world: World) -> None:
    """A bake that an alarm ends; going back takes several tries."""
    run = world.admitted()
    asked_back = {"action": "rollback", "model": "fraud", "reason": "chargebacks doubled"}
    with pytest.raises(InvalidRequestError):
        world.operate(asked_back)
    assert world.word(world.hand(run, "roll_back")) == "finish", "nothing was changed yet"
    assert world.trained(run) == "promote"
    endpoint = world.outside.endpoints[ENDPOINT]
    champion = endpoint.live
    bake = world.served(run)
    world.outside.alarm_state = "ALARM"
    world.ask("hear an alarm of a bake", world.event("aws.cloudwatch", ALARM_STATE_CHANGE, {"alarmName": "fraud-5xx"}))
    assert world.word(bake) == "roll_back"
    world.outside.refuse("UpdateEndpoint", "Throttling")
    with pytest.raises(NotAcceptedYetError):
        world.hand(run, "roll_back")
    world.hand(run, "roll_back")
    token = world.hand(run, "roll_back")
    assert endpoint.pending == champion
    endpoint.arrive()
    world.endpoint_moved("fraud")
    assert world.word(token) == "finish"
    world.finish(run)
    assert world.close(run) == "ROLLED_BACK"
    run = world.admitted()
    assert world.trained(run) == "promote"
    bake = world.served(run)
    world.operate(asked_back)
    assert world.word(bake) == "roll_back"
    token = world.hand(run, "roll_back")
    endpoint.arrive()
    world.endpoint_moved("fraud")
    assert world.word(token) == "finish"
    world.finish(run)
    assert world.close(run) == "ROLLED_BACK"


def play_gone_back(world: World) -> None:
    """Promotions until the first is too old to be gone back to, and then a step back by a run of its own."""
    served = [world.outside.endpoints[ENDPOINT].live]
    for _ in range(3):
        world.forward(days=8)
        run = world.admitted()
        assert world.trained(run) == "promote"
        bake = world.served(run)
        world.forward(minutes=61)
        world.sweep()
        assert world.word(bake) == "finish"
        world.finish(run)
        assert world.close(run) == "PROMOTED"
        served.append(world.outside.endpoints[ENDPOINT].live)
    world.forward(minutes=10)
    assert world.sweep()["old_models_removed"] == 1
    assert world.outside.deleted == [served[1]] * 2
    asked = {"action": "rollback", "model": "fraud", "reason": "chargebacks doubled"}
    assert world.operate(asked)["changed"]
    assert not world.operate(asked)["changed"]
    name, event = world.outside.raised("request-")
    execution = {"id": f"{world.stack.arn(MACHINE).replace(':stateMachine:', ':execution:')}:{name}", "name": name}
    answer = world.admit("admit a request to go back", event, execution)
    assert answer["decision"] == "ROLL_BACK", answer
    run = Run(name, execution["id"], "fraud", answer["next"])
    bake = world.served(run)
    world.forward(minutes=61)
    world.sweep()
    assert world.word(bake) == "finish"
    world.finish(run)
    assert world.close(run) == "PROMOTED"
    assert world.outside.endpoints[ENDPOINT].live == served[2]


def play_rolled_back_by_a_pause(world: World) -> None:
    """A kill switch ends a bake."""
    run = world.admitted()
    assert world.trained(run) == "promote"
    bake = world.served(run)
    names = {"scope": "model:fraud", "reason": "an incident"}
    world.operate({"action": "pause", **names})
    world.operate({"action": "pause", **names})
    assert world.word(bake) == "roll_back"
    world.operate({"action": "unpause", **names})
    world.hand(run, "roll_back")
    world.outside.endpoints[ENDPOINT].arrive()
    world.endpoint_moved("fraud")
    assert world.close(run) == "STOPPED"


def play_asked(world: World) -> None:
    """People are asked before a training, before a promotion, and after a bake in which the alarm said nothing."""
    run = world.admitted("asked")
    assert run.next == "ask"
    token = world.park(run, "approval", "training")
    world.vote(run, "training", "APPROVED", "bo", "cy")
    assert world.word(token) == "train"
    assert world.trained(run) == "ask"
    assert world.word(world.hand(run, "promote")) == "ask"
    token = world.park(run, "approval", "promotion")
    world.vote(run, "promotion", "APPROVED", "bo", "cy")
    assert world.word(token) == "promote"
    bake = world.served(run)
    world.outside.alarm_state = "INSUFFICIENT_DATA"
    for _ in range(2):
        world.forward(minutes=61)
        world.sweep()
    assert world.word(bake) == "ask"
    token = world.park(run, "approval", "bake")
    world.vote(run, "bake", "APPROVED", "bo", "cy")
    assert world.word(token) == "finish"
    world.decide("decide what was decided", run, "APPROVED", "late")
    world.finish(run)
    assert world.close(run) == "PROMOTED"


def play_not_agreed(world: World) -> None:
    """People say no, by terminal, by page and by button, or say nothing at all."""
    run = world.admitted("asked")
    token = world.park(run, "approval", "training")
    world.decide("reject", run, "REJECTED", "bo")
    assert world.word(token) == "record"
    assert world.word(world.park(run, "approval", "training")) == "record"
    assert world.close(run) == "APPROVAL_REJECTED"
    run = world.admitted("asked")
    token = world.park(run, "approval", "training")
    world.vote(run, "training", "REJECTED", "bo")
    assert world.word(token) == "record"
    world.close(run)
    run = world.admitted("asked")
    token = world.park(run, "approval", "training")
    assert "takes names" in world.press("explain", run, "explain")
    assert "Rejected by Slack channel" in world.press("reject by button", run, "reject")
    assert world.word(token) == "record"
    world.close(run)
    run = world.admitted("asked")
    world.park(run, "approval", "training")
    token = world.park(run, "approval", "training")
    for _ in range(4):
        world.forward(hours=11)
        world.sweep()
    assert world.word(token) == "record"
    assert world.close(run) == "APPROVAL_EXPIRED"
    withdrawn = world.admitted("asked")
    world.park(withdrawn, "approval", "training")
    world.died(withdrawn, "ABORTED")


def play_decided_half(world: World) -> None:
    """Whoever decided died before the workflow heard of it; the next to come makes up for it."""
    run = world.admitted("asked")
    token = world.park(run, "approval", "training")
    world.vote(run, "training", "APPROVED", "bo")
    world.outside.refuse("SendTaskSuccess", "ThrottlingException")
    with pytest.raises(AssertionError, match="500"):
        world.vote(run, "training", "APPROVED", "cy")
    assert world.word(token) is None
    world.decide("deliver what was decided", run, "APPROVED", "di")
    assert world.word(token) == "train"


def play_asked_for(world: World) -> None:
    """An operator asks for a retraining, twice by the same key, and pauses it while it trains."""
    asked = {"action": "retrain", "model": "fraud", "reason": "new labels", "key": "k"}
    assert world.operate(asked)["changed"]
    assert not world.operate(asked)["changed"]
    name, event = world.outside.raised("request-")
    machine = world.stack.arn(MACHINE)
    execution = {"id": f"{machine.replace(':stateMachine:', ':execution:')}:{name}", "name": name}
    answer = world.admit("admit what an operator asks for", event, execution)
    assert answer["decision"] == "RETRAIN", answer
    run = Run(name, execution["id"], "fraud", answer["next"])
    world.training(run)
    world.park(world.admitted("asked"), "approval", "training")
    paused = world.operate({"action": "pause", "scope": "model:fraud", "reason": "not now"})
    assert paused["in_flight"] == [f"training of run {name} (fraud)"]
    world.operate({"action": "unpause", "scope": "model:fraud"})
    world.operate({"action": "sweep", "ahead_seconds": 60})
    world.died(run, "ABORTED")
    assert world.operate({"action": "pause", "scope": "model:fraud", "reason": "not now"})["in_flight"]
    world.operate({"action": "unpause", "scope": "model:fraud"})
    world.training_stops(world.task(run))
    world.forward(minutes=10)
    world.sweep()


def play_replayed(world: World) -> None:
    """An operator has an event that was kept and a dead letter raised again."""
    event = world.event("mlops.drift", "Drift Detected", {"model": "fraud"})
    body = json.dumps({"event": event, "sentence": "Nothing here understands it."}).encode()
    world.s3.put_object(Bucket=world.ports.settings.automation_bucket, Key="rejected/a.json", Body=body)
    (done,) = world.operate({"action": "replay", "key": "rejected/a.json"})["replayed"]
    assert world.outside.raised("replay-")[0] == done["execution"]
    target = {"DataType": "String", "StringValue": world.stack.arn(MACHINE)}
    letter = {"MessageId": "1", "ReceiptHandle": "1", "Body": json.dumps(event)}
    world.outside.letters = [{**letter, "MessageAttributes": {"TARGET_ARN": target}}]
    assert len(world.operate({"action": "replay", "dead_letters": True})["replayed"]) == 1
    assert world.outside.letters == []


def play_stopped(world: World) -> None:
    """Runs that die while they train: the training is stopped and the slot given back once it is over."""
    for model in ("registered", "shipped", "tagged"):
        run = world.admitted(model)
        world.training(run)
        waiting = world.admitted()
        queued = world.park(waiting, "slot")
        world.forward(minutes=1)
        world.sweep()
        assert world.word(queued) is None
        world.died(run, "ABORTED")
        assert world.task(run).name in world.outside.stopped
        world.training_stops(world.task(run))
        world.forward(minutes=10)
        world.sweep()
        assert world.word(queued) == "train"
        world.died(waiting, "FAILED")


def play_left_open(world: World) -> None:
    """A run that dies while its endpoint moves: people are told what serves, and say when it is settled."""
    run = world.admitted()
    assert world.trained(run) == "promote"
    world.hand(run, "promote")
    world.died(run, "FAILED")
    world.outside.endpoints[ENDPOINT].arrive()
    world.forward(minutes=10)
    world.sweep()
    assert world.ports.table.model("fraud").frozen_reason
    world.operate({"action": "unfreeze", "model": "fraud", "reason": "the champion serves"})
    assert world.ports.table.model("fraud").frozen_reason is None


def play_undecided(world: World) -> None:
    """An execution that failed before its signal was decided."""
    failed = {"failure": {"error": "States.Timeout", "cause": "the function timed out"}, "event": {"detail": {}}}
    world.ask("close what was never decided", {"action": "close", "execution": world.execution(), **failed})
    execution = world.execution()
    world.died(Run(execution["name"], execution["id"], "", ""), "FAILED")


def play_kept(world: World) -> None:
    """A signal during a run is kept, and raised when the run is over."""
    run = world.admitted()
    world.admit("keep a signal during a run", world.drift())
    world.close(run)
    for _ in range(3):
        world.forward(minutes=10)
        world.sweep()


def play_lost(world: World) -> None:
    """What a sweep makes up for: a dead run whose event was lost, an alarm and a monitor run that nobody decided."""
    run = world.admitted()
    world.park(run, "slot")
    world.outside.executions[run.execution_arn] = {"status": "FAILED"}
    world.forward(minutes=10)
    assert world.sweep()["dead_run_settled"] == 1
    world.sweep(ahead_seconds=600)


def play_policies(world: World) -> None:
    """A policy file that changes, one that is broken, one that is shared, one that goes."""
    run = world.admitted()
    world.park(run, "slot")
    world.write_policy("fraud", cooldown_hours=1)
    assert world.word(world.hand(run, "train")) == "evaluate"
    assert world.close(run) == "SUPERSEDED"
    run = world.admitted()
    world.s3.put_object(Bucket=world.ports.bucket.name, Key="policies/fraud.json", Body=b"{")
    world.admit("read a broken policy", world.drift())
    world.park(run, "slot")
    world.hand(run, "train")
    world.close(run)
    written = {"bucket": {"name": world.ports.bucket.name}, "object": {"key": "policies/fraud.json"}}
    world.ask("tell a broken policy", world.event("aws.s3", "Object Created", written))
    world.write_policy("tagged", promotion={"endpoint": ENDPOINT})
    assert world.admit("share an endpoint", world.drift("tagged"))["decision"] == "HOLD"
    world.s3.delete_object(Bucket=world.ports.bucket.name, Key="policies/fraud.json")
    world.admit("take over an endpoint", world.drift("tagged"))


def play_silent(world: World) -> None:
    """A policy is written, and the monitor that it expects never speaks; then one speaks, and is silent again."""
    policy = {"schema_version": 1, "model": "silent"}
    expecting = policy | {"monitoring": {"expect_every_hours": 2}}
    key = "policies/silent.json"
    world.s3.put_object(Bucket=world.ports.bucket.name, Key=key, Body=json.dumps(expecting).encode())
    written = {"bucket": {"name": world.ports.bucket.name}, "object": {"key": key}}
    assert world.ask("read a policy", world.event("aws.s3", "Object Created", written))["model"] == "silent"
    world.forward(hours=3)
    assert world.sweep()["silence_told"] == 1
    silent = world.event("mlops.retraining", "Monitor Silent", {"model": "silent"})
    assert world.admit("hold for a silence", silent)["decision"] == "HOLD"
    assert world.admit("hear a monitor", world.drift("silent", observed=0.1))["decision"] == "OBSERVE"
    assert world.admit("ignore a silence that is over", silent)["decision"] == "SKIP"
    world.s3.put_object(Bucket=world.ports.bucket.name, Key=key, Body=json.dumps(policy).encode())
    world.forward(hours=3)
    world.sweep()


def play_taken_over(world: World) -> None:
    """The first sweep after an update: waits that the release before left, and an execution that still is of it."""
    for partition, kind in (("WAITS", "slot"), ("WAITS", "bake"), ("APPROVALS", "approval")):
        item = {"pk": partition, "sk": f"WAIT#{kind}", "kind": kind, "token": f"old-{kind}", "run_id": "old"}
        world.outside.table.put_item(Item={key: {"S": value} for key, value in item.items()})
    world.sweep()
    assert {"old-slot", "old-approval"} <= world.outside.answered.keys()
    run = world.admitted()
    earlier = {"run": {"run_id": run.name}, "kind": "slot", "token": "old-park", "execution": run.execution}
    world.ask("turn an earlier execution away", {"action": "park", **earlier})
    assert world.close(run) == "SUPERSEDED"
    run = world.admitted("asked")
    world.park(run, "approval", "training")
    world.keep_statuses_as_before(run)
    world.vote(run, "training", "APPROVED", "bo", "cy")
    world.trained(run)
    world.close(run)


def play_reviewed(world: World) -> None:
    """What a reviewer's commands show while approvals, slots and an endpoint are waited for."""
    world.operate({"action": "pause", "scope": "model:spam", "reason": "an incident"})
    serving = world.admitted()
    assert world.trained(serving) == "promote"
    world.served(serving)
    asked_run = world.admitted("asked")
    for run, kind in ((world.admitted("tagged"), "slot"), (world.admitted("shipped"), "slot"), (asked_run, "approval")):
        world.park(run, kind, "training")
    stack = world.terminal()
    for asked in (
        ("status",),
        ("waits",),
        ("waits", asked_run.name),
        ("signals",),
        ("history", "--model", "fraud"),
        ("history", "--run", serving.name),
        ("explain", serving.name),
        ("explain", asked_run.name),
        ("explain", serving.execution_arn),
        ("simulate", "--stack", "retraining"),
    ):
        world.outside.doing = f"retraining {asked[0]}"
        with patch("ops.invocation.Stack", lambda *_: stack), redirect_stdout(io.StringIO()):
            assert cli.main(asked) == 0, asked
    world.outside.doing = "make verify-audit"
    assert world.audited().records > 0
    kept = [json.dumps(asdict(item)) for item in world.ports.table.due_items()]
    world.tokens_in_due_items += [item for item in kept if "token-" in item]
    assert kept


PLAYS: Final = (
    play_reviewed,  # first: an audit looks at every record there is
    play_signals,
    play_captured_events,
    play_promoted,
    play_registered,
    play_shipped,
    play_elsewhere,
    play_without_capacity,
    play_refused,
    play_rolled_back,
    play_gone_back,
    play_rolled_back_by_a_pause,
    play_asked,
    play_not_agreed,
    play_decided_half,
    play_asked_for,
    play_replayed,
    play_stopped,
    play_left_open,
    play_undecided,
    play_kept,
    play_lost,
    play_policies,
    play_silent,
    play_taken_over,
)

FORM: Final = {
    "DecisionBucket": DECISION_BUCKET,
    "TrainingPipelineArn": TRAINING,
    "SageMakerExecutionRoleArn": ROLE,
    "ApprovalAccess": "LINK",
    "DefaultModelTags": "REQUIRED",
    "KeepChampions": "1",
    "ModelDataPrefixes": f"s3://{TEAM_BUCKET}",
    "ImagePrefixes": "image",
    "EvidenceObjectLock": "GOVERNANCE",
    **BUTTONS,
}
"""A stack with everything of its own, so that every statement has a resource of its own."""


@contextmanager
def living(stack: Stack | None = None) -> Iterator[World]:
    """The world of a deployed stack, while it lasts."""
    stack = stack or Template.read().resolve(FORM)
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    with ExitStack() as entered:
        entered.enter_context(patch.dict("os.environ", environment))
        entered.enter_context(mock_aws())
        # For each listing moto copies every version there is; their grants nobody changes here.
        entered.enter_context(patch.object(FakeKey, "__deepcopy__", lambda key, _memo: copy.copy(key), create=True))
        # For each request moto imports its paths of S3 again.
        entered.enter_context(patch.object(S3Backend, "_url_module", urls))
        _deploy(stack)
        world = World(stack)
        world.begin_anew()
        logger = logging.getLogger("orchestration")
        level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(world.log)
        entered.callback(logger.removeHandler, world.log)
        entered.callback(logger.setLevel, level)
        yield world


def lived() -> World:
    """A whole life: every play, one after the other."""
    with living() as world:
        for play in PLAYS:
            play(world)
            world.begin_anew()
    return world


def _deploy(stack: Stack) -> None:
    """The stores of the stack, and what teams keep in S3."""
    for topic in stack.template.of_type("AWS::SNS::Topic"):
        boto3.client("sns").create_topic(Name=stack.name(topic))
    s3 = boto3.client("s3")
    for bucket in (stack.name("AutomationBucket"), TEAM_BUCKET, DECISION_BUCKET):
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=bucket == stack.name("AutomationBucket"))
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    decision = b"retraining_required\nNO\n"
    s3.put_object(Bucket=DECISION_BUCKET, Key=stack.values["DecisionKey"], Body=decision)
    s3.put_object(Bucket=TEAM_BUCKET, Key=f"reports/{JOB}/constraint_violations.json", Body=json.dumps(VIOLATIONS))
    s3.put_object(Bucket=TEAM_BUCKET, Key="reports/drift_report.json", Body=json.dumps({"dataset_drift": True}))
    s3.put_object(Bucket=TEAM_BUCKET, Key="reports/evaluation.json", Body=json.dumps(REPORT))
    s3.put_object(Bucket=TEAM_BUCKET, Key="candidate.tar.gz", Body=b"a model")
