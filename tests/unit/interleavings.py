"""Invocations of the loop's functions, interleaved call by call, with deaths, losses and conflicts, on a stack in memory.

A history is a list of moves: an invocation makes its next calls, or dies over one; a signal comes, an operator throws a
switch, a training ends, somebody else deploys, an execution is stopped or redriven. Moves are drawn by chance from a seed
and kept as they were drawn, so that a history can be played again, and cut down to the moves that break a promise.

The workflow is the deployed definition, the actions are the real ones, conflicts come from real overlap. What is promised is
looked at from outside: what runs and serves, what was told and written down.

::

    python -m tests.unit.interleavings --steps 100000 --seed 1
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import json
import logging
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from orchestration import approval_handler, handler, promotion_handler
from orchestration.domain.contracts import EXECUTION_STATUS_CHANGE, RUN_TAG, WaitKind
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.intention import IntentionState, endpoint_subject, training_subject
from orchestration.domain.switches import scopes_over
from orchestration.domain.training_target import nested_execution_arn
from orchestration.stores.service_errors import transient
from tests.unit import stories
from tests.unit.memory_dynamodb import Key
from tests.unit.fakes import MACHINE, TRAINING, ProcessDiedError, World, drift, execution_arn
from tests.unit.scheduler import Actor, Fate, Scheduler
from tests.unit.workflow_in_memory import Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LIMIT: Final = 2
AT_ONCE: Final = 8
"""Invocations at once; more only make a history longer."""

DEPLOYMENT: Final = TRAINING.replace("churn-training", "deployment")
ENDPOINTS: Final = {"fraud": "fraud-prod", "spam": "spam-prod"}
ALARM: Final = "fraud-5xx"
JOB: Final = {
    "RoleArn": "arn:aws:iam::111122223333:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
}
WISHES: Final[dict[str, dict[str, Any]]] = {
    "churn": {
        "approval": {"training": "always", "approvals_needed": 2, "expire_hours": 0.5},
        "actions": {"warning": "approve", "critical": "approve"},
        "promotion": {"kind": "none"},
    },
    "fraud": {"promotion": {"endpoint": "fraud-prod", "bake_minutes": 10, "alarms": [ALARM]}},
    "spam": {
        "approval": {"training": "never", "promotion": "always", "approvals_needed": 2, "expire_hours": 0.5},
        "training": {"target": "training-job", "request": JOB},
        "promotion": {"endpoint": "spam-prod", "bake_minutes": 5},
    },
    "offer": {"promotion": {"kind": "registry"}},
    "price": {"promotion": {"kind": "pipeline", "target": DEPLOYMENT}},
}
"""What each model's policy asks for beyond the common: every kind of promotion, two kinds of training, two approvers."""

MODELS: Final = tuple(WISHES)
SIGNALLED: Final = ("fraud", "fraud", "spam", "spam", *MODELS)
"""Models that signals come for: those with an endpoint have the longest way."""

ASKED: Final = {"churn": "training", "spam": "promotion"}
"""Models that two people have to approve, and what of."""

SCOPES: Final = ("global", *(f"model:{model}" for model in MODELS), "source:drift_report")
CHANGED: Final[tuple[dict[str, Any] | bytes | None, ...]] = (
    {},
    {"mode": "shadow"},
    None,
    {"evaluation": {"metric": "auc", "minimum": 0.1}},
    b"{broken",
    {},
)
"""What becomes of a policy file: as it was, shadow mode, deleted, other gates, not to be read as JSON."""

STRIKES: Final = ("pause", "pause", "stop", "stop", "stop", "deploy", "deploy", "again")
STOPS: Final = {"shadow", "gone"}
DEAD: Final = {"next": "nobody waits any more"}
PEOPLE: Final = ("ana", "bob")


class BrokenPromiseError(AssertionError):
    """What the loop promises does not hold."""


def promised(holds: object, sentence: str) -> None:
    """Raise when a promise does not hold."""
    if not holds:
        raise BrokenPromiseError(sentence)


def _planned(error: BaseException | None) -> bool:
    """True for what an invocation may raise, or log and go on after: anything else is a fault of its own."""
    if isinstance(error, (BotoCoreError, ClientError)):
        return transient(error)
    return error is None or isinstance(error, (OrchestrationError, ProcessDiedError))


class Move(NamedTuple):
    """One move of a history; what the numbers choose is the move's own matter."""

    kind: str
    first: int = 0
    second: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.first} {self.second}"


def _at_effect(actor: Actor) -> bool:
    """True when an invocation of the hand stands before a forward effect, or before the transaction that opens one."""
    opens = not actor.reads and any(pk.startswith("INTENT#") for pk, _ in actor.about)
    return opens or actor.call in {"UpdateEndpoint", "CreateTrainingJob", "UpdateModelPackage", "StartExecution"}


@dataclass
class Sight:
    """What an invocation of the hand could have seen when it began."""

    run_id: str
    closed: bool
    switches: dict[str, int]
    policy: tuple[int, str]
    artifact: int
    looked_at: int = 0


@dataclass
class Outside:
    """What was done to the loop from outside, so that nothing about it is asked of the loop itself."""

    passed: set[str] = field(default_factory=set)
    """Runs whose report passes the gates."""
    approvals: dict[str, set[str]] = field(default_factory=dict)
    champions: dict[str, set[str]] = field(default_factory=dict)
    """Configs of an endpoint that nobody has to judge: its first, and those of somebody else."""
    live_since: dict[str, int] = field(default_factory=dict)
    """The step since which an endpoint serves what it serves."""
    policies: dict[str, tuple[int, str]] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    """What a pause named as in flight, by its switch."""
    undecided: set[str] = field(default_factory=set)
    """Executions that ended before they decided, and whose end was told."""


class Interleavings:
    """One stack and one history on it."""

    def __init__(self) -> None:
        self.world = World(max_concurrent_trainings=LIMIT, approval_expiry_hours=1)
        self.scheduler = Scheduler(self.world)
        self.counts: Counter[str] = Counter()
        self.moves: list[Move] = []
        self.executions: dict[str, Execution] = {}
        self.outside = Outside()
        self._numbers = itertools.count(1)
        self._invocations: dict[str, int] = {}
        self._again: dict[str, datetime] = {}
        self._events: list[dict[str, Any]] = []
        self._drifts: list[dict[str, Any]] = []
        self._sights: dict[Actor, Sight] = {}
        self._serials: dict[Actor, int] = {}
        self._opened: dict[tuple[str, str], int] = {}
        self._facts: dict[Key, Any] = {}
        self._counted: dict[str, set[str]] = {}
        self._answers = self._requests = self._started = 0
        for model in MODELS:
            self._put_policy(model, {})
        for endpoint in ENDPOINTS.values():
            self.world.sagemaker.serve(endpoint, f"{endpoint}-1")
            self.outside.champions[endpoint] = {f"{endpoint}-1"}
            self.outside.live_since[endpoint] = 0
        self.world.alarms.states[ALARM] = "OK"

    # Playing.

    def play(self, move: Move) -> bool:
        """Make a move, and look at what has to hold at any moment. False when it could not be made."""
        self.moves.append(move)
        made = MOVES[move.kind](self, move.first, move.second)
        if made:
            self._hold()
        else:
            self.moves.pop()
        return made

    def calls(self, first: int, second: int) -> bool:
        """An invocation makes its next calls; the last of them may go wrong."""
        actors = self.scheduler.actors
        if not actors:
            return False
        actor = actors[first % len(actors)]
        for left in reversed(range(CALLS[second % len(CALLS)])):
            self._step(actor, FATES[second // len(CALLS) % len(FATES)] if not left else Fate.GOES)
            if actor.over:
                break
        return True

    def up_to_write(self, first: int, second: int) -> bool:
        """An invocation reads what it has to, and comes to stand before its next write, or its next transaction."""
        actors = self.scheduler.actors
        if not actors:
            return False
        actor = actors[first % len(actors)]
        self._step(actor)
        while not actor.over and (actor.reads or (second % 2 and actor.call != "TransactWriteItems")):
            self._step(actor)
        return True

    def finish(self, first: int, _: int) -> bool:
        """An invocation runs to its end while the others stand."""
        actors = self.scheduler.actors
        if not actors:
            return False
        self._finish(actors[first % len(actors)])
        return True

    def strike(self, first: int, second: int) -> bool:
        """A run comes to where the hand has an effect, and just before it what stops the run happens, all of it."""
        living = self._living()
        if not living:
            return False
        execution = living[first % len(living)]
        actor = self._invocation(execution)
        for _ in range(6):
            if not execution.alive or (execution.asks_hand and actor is not None):
                break
            self._go_well(execution)
            actor = self._invocation(execution)
        for _ in range(1 + first % 2):
            if actor is None or actor.over or not execution.asks_hand:
                return True
            self._step(actor)
            while not actor.over and not _at_effect(actor):
                self._step(actor)
        run = self.world.table.run(execution.name)
        if run is None or actor is None or actor.over:
            return True
        what, endpoint = STRIKES[second % len(STRIKES)], ENDPOINTS.get(run.model)
        if what == "pause":
            self._finish(self._throw(("global", f"model:{run.model}", "source:drift_report")[second // 8 % 3]))
        elif what == "stop":
            self.stop(self._living().index(execution), second // 8)
            self._finish(self._tell(self._events.pop()))
        elif what == "deploy" and endpoint is not None:
            self.foreign_deployment(tuple(ENDPOINTS.values()).index(endpoint), 0)
            if second // 8 % 2 and self.world.sagemaker.endpoints[endpoint].pending:
                self._settle(endpoint, fails=False)
        else:
            self._failed(execution, "Lambda.SdkClientException", "connection reset")
        return True

    def _step(self, actor: Actor, fate: Fate = Fate.GOES) -> None:
        if actor.call == "DescribeEndpoint" and actor in self._sights:
            self._sights[actor].looked_at = self.scheduler.steps
        changing = () if actor.reads else actor.about
        self.counts[fate] += 1
        self.scheduler.go(actor, fate)
        self._see_facts(changing)
        self._see_effects(actor)
        if actor.over:
            self._sights.pop(actor, None)
            self._serials.pop(actor, None)
        self._see_answers()

    def rest(self, *_: int) -> bool:
        """Everything that goes on comes to its end, unharmed."""
        if not self.scheduler.actors:
            return False
        while actors := self.scheduler.actors:
            self._step(actors[self.scheduler.steps % len(actors)])
        return True

    def minutes_pass(self, first: int, second: int) -> bool:
        """Time passes while nothing goes on."""
        self.rest()
        return self.seconds_pass(60 * (1, 2, 5, 11)[first % 4], second)

    def seconds_pass(self, first: int, _: int) -> bool:
        """Time passes; an invocation that has none left is killed."""
        self.world.clock.forward(seconds=first)
        for actor in list(self.scheduler.actors):
            if actor.overdue(self.world.clock()):
                self._step(actor, Fate.DIES)
        for name, at in list(self._again.items()):
            if self.world.clock() >= at:
                del self._again[name]
                self._invoke(self.executions[name])
        return True

    def a_little(self, first: int, second: int) -> bool:
        """Seconds pass."""
        return self.seconds_pass(1 + first % 20, second)

    # What comes from outside.

    def signal(self, first: int, second: int) -> bool:
        """A drift signal comes; or one that came before comes again."""
        if self._busy():
            return False
        name = f"run-{next(self._numbers)}"
        if second % 4 == 0 and self._drifts:
            event = self._drifts[first % len(self._drifts)]
        else:
            event = drift(model=SIGNALLED[first % len(SIGNALLED)], dedupe_key=name)
            self._drifts.append(event)
        self._execute(name, event)
        if second % 5 == 0:
            # It is delivered twice at the same moment.
            self._execute(f"{name}-again", event)
        return True

    def event(self, first: int, second: int) -> bool:
        """An event of what ended or changed is delivered: soon, late, or twice."""
        if self._busy() or not self._events:
            return False
        position = first % len(self._events)
        event = self._events[position]
        if second % 6:
            del self._events[position]
        for _ in range(2 if second % 5 == 0 else 1):
            self._tell(event)
        return True

    def _tell(self, event: dict[str, Any]) -> Actor:
        return self._ask(f"event {event['detail-type']}", functools.partial(handler.run_action, event))

    def sweep(self, first: int, _: int) -> bool:
        """A sweep begins, or two at once."""
        if self._busy():
            return False
        for _ in range(1 + first % 2):
            self._ask("sweep", functools.partial(handler.run_action, {"action": "sweep"}))
        return True

    def vote(self, first: int, second: int) -> bool:
        """Somebody says yes or no to what a run asks."""
        waiting = [execution for execution in self._living() if "Approval" in execution.state]
        if self._busy() or not waiting:
            return False
        run_id = waiting[first % len(waiting)].name
        for by in PEOPLE[second % 3 :] or PEOPLE:
            self._vote(run_id, by, "REJECTED" if second % 20 == 0 and by == "bob" else "APPROVED")
        return True

    def _vote(self, run_id: str, by: str, decision: str) -> Actor:
        if decision == "APPROVED":
            self.outside.approvals.setdefault(run_id, set()).add(by)
        ballot = {"action": "decide", "run_id": run_id, "decision": decision, "by": by}

        def counted(actor: Actor) -> None:
            if actor.answer is not None and actor.answer["counted"]:
                self._counted.setdefault(f"{run_id}/{actor.answer['subject']}", set()).add(by)

        return self._ask(f"vote of {by} on {run_id}", functools.partial(approval_handler.answer, ballot), counted)

    def pause(self, first: int, _: int) -> bool:
        """An operator throws a switch."""
        if self._busy():
            return False
        self._throw(SCOPES[first % len(SCOPES)])
        return True

    def _throw(self, scope: str) -> Actor:
        request = {"action": "pause", "scope": scope, "by": "ops", "reason": "test"}

        def named(actor: Actor) -> None:
            if actor.answer is not None:
                self.outside.named.setdefault(scope, set()).update(actor.answer["in_flight"])

        self.counts["switches"] += 1
        return self._ask(f"pause {scope}", functools.partial(handler.run_action, request), named)

    def unpause(self, first: int, _: int) -> bool:
        """An operator lifts one."""
        thrown = [switch.scope for switch in self.world.table.kill_switches()]
        if self._busy() or not thrown:
            return False
        self._lift(thrown[first % len(thrown)])
        return True

    def _lift(self, scope: str) -> Actor:
        self.outside.named.pop(scope, None)
        request = {"action": "unpause", "scope": scope, "by": "ops"}
        return self._ask(f"unpause {scope}", functools.partial(handler.run_action, request))

    def mend(self, first: int, _: int) -> bool:
        """An operator sets an endpoint to its champion as the runbook says, and unfreezes its model."""
        model = tuple(ENDPOINTS)[first % len(ENDPOINTS)]
        state, endpoint = self.world.table.model(model), self.world.sagemaker.endpoints[ENDPOINTS[model]]
        intention = self.world.table.intention(endpoint_subject(ENDPOINTS[model]))
        settled = intention is None or intention.settled(self.world.clock())
        if self._busy() or not state.frozen_reason or state.active_run_id or endpoint.pending or not settled:
            return False
        self._serves(ENDPOINTS[model], min(self.outside.champions[ENDPOINTS[model]]))
        request = {"action": "unfreeze", "model": model, "by": "ops", "reason": "mended"}
        self._ask(f"unfreeze {model}", functools.partial(handler.run_action, request))
        return True

    def policy(self, first: int, second: int) -> bool:
        """Somebody writes a policy file anew, or deletes it."""
        model = MODELS[first % len(MODELS)]
        change = CHANGED[second % len(CHANGED)]
        if change is None and model == self.world.settings.default_model:
            return False
        self._put_policy(model, change)
        return True

    def _put_policy(self, model: str, change: dict[str, Any] | bytes | None) -> None:
        key, stops = f"policies/{model}.json", ""
        if change is None:
            self.world.bucket.objects.pop(self.world.bucket.uri(key), None)
            stops = "gone"
        elif isinstance(change, bytes):
            self.world.put(key, change)
        else:
            common = {"cooldown_hours": 0, "breaker": {"fruitless_runs": 0}, "promotion": {"kind": "none"}}
            self.world.put(key, stories.policy(**{**common, **WISHES[model], "model": model, **change}))
            stops = str(change.get("mode", ""))
        self.outside.policies[model] = (next(self._numbers), stops)

    def training_ends(self, first: int, second: int) -> bool:
        """A training is over: well, with a report that fails its gates, or badly; and an event says so."""
        running = self._trainings()
        if not running:
            return False
        name, run_id, job = running[first % len(running)]
        self._end_training(name, run_id, job, ("good", "good", "good", "bad", "failed")[second % 5])
        return True

    def _end_training(self, name: str, run_id: str, job: bool, how: str) -> None:
        run = self.world.table.run(run_id)
        assert run is not None
        artifact = f"s3://amzn-s3-demo-bucket/{run_id}/model.tar.gz"
        if how != "failed":
            self.world.bucket.put(artifact, b"weights")
            report = {"binary_classification_metrics": {"auc": {"value": 0.9 if how == "good" else 0.05}}}
            self.world.put(f"runs/{run.model}/{run_id}/outputs/evaluation.json", report)
            if how == "good":
                self.outside.passed.add(run_id)
        if job:
            described = self.world.sagemaker.trainings[name]
            stopped = self._stopping(name)
            described |= {
                "TrainingJobStatus": "Stopped" if stopped else "Failed" if how == "failed" else "Completed",
                "ModelArtifacts": {"S3ModelArtifacts": artifact},
            }
            detail = {"TrainingJobName": name, "TrainingJobStatus": described["TrainingJobStatus"]}
            self._events.append({"detail-type": "SageMaker Training Job State Change", "detail": detail})
            return
        made = {"model_data_url": artifact, "image": "image"}
        if run.model == "offer":
            package = f"arn:aws:sagemaker:us-east-1:111122223333:model-package/offer/{next(self._numbers)}"
            self.world.sagemaker.packages[package] = {
                "ModelPackageArn": package,
                "ModelApprovalStatus": "PendingManualApproval",
                "InferenceSpecification": {"Containers": [{"ModelDataUrl": artifact}]},
                "run": run_id,
            }
            made["model_package_arn"] = package
        self._end_nested(TRAINING, name, how != "failed", made)

    def _stopping(self, job: str) -> bool:
        return bool(self.world.sagemaker.trainings[job]["TrainingJobStatus"] == "Stopping")

    def _end_nested(self, machine: str, name: str, well: bool, output: dict[str, Any]) -> None:
        arn, status = nested_execution_arn(machine, name), "SUCCEEDED" if well else "FAILED"
        self.world.executions.end(arn, status, output=json.dumps(output))
        detail = {"stateMachineArn": machine, "executionArn": arn, "name": name, "status": status}
        self._events.append({"detail-type": EXECUTION_STATUS_CHANGE, "detail": detail})

    def deployment_ends(self, first: int, second: int) -> bool:
        """The team's own deployment is over."""
        running = self._nested(DEPLOYMENT)
        if not running:
            return False
        self._end_nested(DEPLOYMENT, running[first % len(running)], second % 3 > 0, {})
        return True

    def endpoint_settles(self, first: int, second: int) -> bool:
        """An endpoint's update is over, perhaps by SageMaker's own rollback."""
        moving = [name for name in ENDPOINTS.values() if self.world.sagemaker.endpoints[name].pending]
        if not moving:
            return False
        self._settle(moving[first % len(moving)], fails=second % 4 == 0)
        return True

    def _settle(self, name: str, *, fails: bool) -> None:
        endpoint = self.world.sagemaker.endpoints[name]
        before = endpoint.live
        self.world.sagemaker.settle(name, fail="no capacity" if fails else None)
        if endpoint.live != before:
            self.outside.live_since[name] = self.scheduler.steps
        self._tell_endpoint(name)

    def _serves(self, name: str, config: str) -> None:
        endpoint = self.world.sagemaker.endpoints[name]
        endpoint.live, endpoint.pending, endpoint.status, endpoint.failure = config, None, "InService", None
        self.outside.live_since[name] = self.scheduler.steps
        self._tell_endpoint(name)

    def _tell_endpoint(self, name: str) -> None:
        detail = {"EndpointName": name}
        self._events.append({"detail-type": "SageMaker Endpoint State Change", "detail": detail})

    def foreign_deployment(self, first: int, _: int) -> bool:
        """Somebody else begins to deploy."""
        name = tuple(ENDPOINTS.values())[first % len(ENDPOINTS)]
        endpoint = self.world.sagemaker.endpoints[name]
        if endpoint.status != "InService":
            return False
        config = f"foreign-{next(self._numbers)}"
        container = {"Image": "image", "ModelDataUrl": f"s3://amzn-s3-demo-bucket/{config}.tar.gz"}
        self.world.sagemaker._model_and_config(config, container)
        self.outside.champions[name].add(config)
        endpoint.pending, endpoint.status = config, "Updating"
        return True

    def alarm(self, first: int, _: int) -> bool:
        """The alarm of a policy changes."""
        state = ("OK", "OK", "ALARM", "INSUFFICIENT_DATA")[first % 4]
        self.world.alarms.states[ALARM] = state
        if state == "ALARM":
            fired = self.world.alarms.fired.get(ALARM, ())
            self.world.alarms.fired[ALARM] = (*fired, self.world.clock())
        self._events.append({"detail-type": "CloudWatch Alarm State Change", "detail": {"alarmName": ALARM}})
        return True

    def overwrite(self, first: int, _: int) -> bool:
        """Somebody writes an artifact that was judged once more."""
        known = sorted(uri for uri in self.world.bucket.objects if uri.endswith("/model.tar.gz"))
        if not known:
            return False
        self.world.bucket.put(known[first % len(known)], f"other weights {next(self._numbers)}".encode())
        return True

    # Executions.

    def stop(self, first: int, second: int) -> bool:
        """An execution is stopped, fails or times out; what it asked for goes on."""
        living = self._living()
        if not living:
            return False
        execution = living[first % len(living)]
        execution.status = ("ABORTED", "FAILED", "TIMED_OUT")[second % 3]
        self._ended(execution)
        return True

    def redrive(self, first: int, _: int) -> bool:
        """An administrator redrives an execution that did not end well."""
        dead = [found for found in self.executions.values() if found.status in {"ABORTED", "FAILED", "TIMED_OUT"}]
        if self._busy() or not dead:
            return False
        execution = dead[first % len(dead)]
        if not execution.redriven():
            # It ended in a state that fails, and so it does again.
            self._ended(execution)
            return True
        self.world.executions.end(execution.arn, "RUNNING")
        self._invoke(execution)
        return True

    def doubled(self, first: int, _: int) -> bool:
        """Step Functions hears no answer and asks again while the first invocation goes on."""
        asking = [execution for execution in self._living() if self._invocation(execution) is not None]
        if self._busy() or not asking:
            return False
        self._failed(asking[first % len(asking)], "Lambda.SdkClientException", "connection reset")
        return True

    def _invocation(self, execution: Execution) -> Actor | None:
        """What an execution asked for and waits for now."""
        serial = self._invocations[execution.name]
        return next((actor for actor in self.scheduler.actors if self._serials.get(actor) == serial), None)

    def go_well(self, first: int, second: int) -> bool:
        """All goes well for a while with one execution: what it waits for comes to pass."""
        living = self._living()
        if not living:
            return False
        execution = living[first % len(living)]
        for _ in range(1 + second % 4):
            self._go_well(execution)
        return True

    def _go_well(self, execution: Execution) -> None:
        if (actor := self._invocation(execution)) is not None:
            self._finish(actor)
        if execution.alive and self._invocation(execution) is None:
            self._comes_to_pass(execution)

    def _comes_to_pass(self, execution: Execution) -> None:
        run = self.world.table.run(execution.name)
        if run is None:
            return
        told = len(self._events)
        if execution.state == "TriggerTrainingPipeline":
            for name, run_id, job in self._trainings():
                if run_id == execution.name:
                    self._end_training(name, run_id, job, "good")
        elif execution.state in {"PromoteCandidate", "RollBackEndpoint"} and run.model in ENDPOINTS:
            if self.world.sagemaker.endpoints[ENDPOINTS[run.model]].pending:
                self._settle(ENDPOINTS[run.model], fails=False)
        elif "Approval" in execution.state:
            for by in PEOPLE:
                self._finish(self._vote(execution.name, by, "APPROVED"))
        while len(self._events) > told:
            self._finish(self._tell(self._events.pop()))

    def _finish(self, actor: Actor) -> None:
        while not actor.over:
            self._step(actor)

    def _execute(self, name: str, event: dict[str, Any]) -> None:
        execution = self.executions[name] = Execution(name, event)
        self.world.executions.started.setdefault(name, event)
        self._started = len(self.world.executions.started)
        self.world.executions.end(execution.arn, "RUNNING")
        self._invoke(execution)

    def _invoke(self, execution: Execution) -> None:
        request, entry = execution.request(), promotion_handler if execution.asks_hand else handler
        serial = self._invocations[execution.name] = next(self._numbers)
        sight = self._sight(execution) if execution.asks_hand else None

        def returned(actor: Actor) -> None:
            if self._invocations[execution.name] == serial and execution.alive:
                self._returned(execution, actor)

        name = f"{execution.name}:{execution.action}"
        actor = self._ask(name, functools.partial(entry.run_action, request), returned)
        if not actor.over:
            self._serials[actor] = serial
            if sight is not None:
                self._sights[actor] = sight

    def _returned(self, execution: Execution, actor: Actor) -> None:
        if execution.token is not None and execution.token in self.world.executions.answers:
            self._go_on(execution)
        elif isinstance(actor.error, ProcessDiedError):
            self._failed(execution, "Runtime.ExitError", "the process died")
        elif actor.error is not None:
            self._failed(execution, type(actor.error).__name__, str(actor.error))
        elif not execution.waits:
            execution.answered(actor.answer or {})
            self._next(execution)

    def _failed(self, execution: Execution, error: str, cause: str) -> None:
        self._lose_token(execution)
        seconds = execution.failed(error, cause)
        if seconds is None:
            self._next(execution)
        else:
            self._invocations[execution.name] = next(self._numbers)
            self._again[execution.name] = self.world.clock() + timedelta(seconds=seconds)

    def _go_on(self, execution: Execution) -> None:
        answer = self.world.executions.answers[str(execution.token)]
        execution.answered(answer)
        self._next(execution)

    def _next(self, execution: Execution) -> None:
        if execution.alive:
            self._invoke(execution)
        else:
            self._ended(execution)

    def _ended(self, execution: Execution) -> None:
        self._lose_token(execution)
        self._again.pop(execution.name, None)
        self.world.executions.end(execution.arn, execution.status)
        if execution.status != "SUCCEEDED":
            detail = {
                "stateMachineArn": MACHINE,
                "executionArn": execution.arn,
                "name": execution.name,
                "status": execution.status,
            }
            self._events.append({"detail-type": EXECUTION_STATUS_CHANGE, "detail": detail})

    def _lose_token(self, execution: Execution) -> None:
        if execution.token is not None:
            self.world.executions.answers.setdefault(execution.token, DEAD)
            execution.token = None

    def _living(self) -> list[Execution]:
        return [execution for execution in self.executions.values() if execution.alive]

    def _busy(self) -> bool:
        return len(self.scheduler.actors) >= AT_ONCE

    def _ask(
        self, name: str, work: Callable[[Any], dict[str, Any]], over: Callable[[Actor], object] = lambda _: None
    ) -> Actor:
        def ended(actor: Actor) -> None:
            swept = isinstance(actor.error, RuntimeError) and "of work failed" in str(actor.error)
            promised(swept or _planned(actor.error), f"errors: {actor.name} fails as nobody planned: {actor.error!r}")
            over(actor)

        self.counts["invocations"] += 1
        return self.scheduler.begin(name, functools.partial(work, self.world.ports), ended)

    # What holds at any moment.

    def _see_answers(self) -> None:
        """Step Functions goes on with what was answered, and runs what the loop started."""
        answers, started = self.world.executions.answers, self.world.executions.started
        if len(answers) != self._answers:
            for execution in self._living():
                if execution.token is not None and execution.token in answers:
                    self._go_on(execution)
            self._answers = len(answers)
        if len(started) != self._started:
            for name in [name for name in started if name.startswith("pending-") and name not in self.executions]:
                self._execute(name, started[name])
            self._started = len(started)

    def _see_facts(self, keys: Sequence[Key]) -> None:
        """A fact that was written is never changed; and the opening of an intention is noted with its place."""
        for key in keys:
            (pk, sk), item = key, self.world.database.items.get(key, {})
            if pk.startswith("INTENT#"):
                if (
                    item.get("state") == {"S": "OPEN"}
                    and self.world.database.written[key] == self.world.database.commits
                ):
                    self._opened[pk, str(item["run_id"]["S"])] = self.world.database.commits
                continue
            fact = item.get("result") if pk.startswith(("WAIT#", "APPROVAL#")) else item.get("outcome")
            if pk.startswith("SIGNAL#") or sk.startswith(("VERDICT#", "STATUS#")):
                # A finish is begun before it is over.
                fact = item if item.get("over") != {"BOOL": False} else None
            if fact and pk.startswith(("WAIT#", "APPROVAL#", "SIGNAL#", "RUN#")):
                before = self._facts.setdefault(key, fact)
                promised(before == fact, f"facts: {pk} {sk} said {before} and says {fact}")

    def _sight(self, execution: Execution) -> Sight:
        run = self.world.table.run(execution.name)
        model = run.model if run else ""
        artifact = f"s3://amzn-s3-demo-bucket/{execution.name}/model.tar.gz"
        return Sight(
            run_id=execution.name,
            closed=run is None or run.outcome is not None,
            switches=self._switches(model),
            policy=self.outside.policies.get(model, (0, "")),
            artifact=self.world.bucket.writes[artifact],
        )

    def _switches(self, model: str) -> dict[str, int]:
        """Switches over a model's runs, with the number of the write that threw each."""
        table = self.world.database
        scopes = [("CONTROLS", scope) for scope in scopes_over(model, "drift_report")]
        return {key[1]: table.written[key] for key in scopes if key in table.items}

    def _see_effects(self, actor: Actor) -> None:
        """Judge what an invocation has just changed outside."""
        requests, started = self.world.sagemaker.requests, self.world.executions.started
        for operation, request in requests[self._requests :]:
            self._judge(actor, operation, request)
        self._requests = len(requests)
        for name in itertools.islice(started, self._started, None):
            if name.startswith("retraining-"):
                self._judge(actor, "StartDeployment" if "-deploy-" in name else "StartTraining", started[name])

    def _judge(self, actor: Actor, operation: str, request: dict[str, Any]) -> None:
        if operation.startswith("Stop"):
            return
        sight = self._sights.get(actor)
        promised(sight is not None, f"{actor.name} made {operation}, and only the hand may")
        assert sight is not None
        self.counts[operation] += 1
        promised(not sight.closed, f"closed: {actor.name} made {operation} for a run that was over")
        run = self.world.table.run(sight.run_id)
        assert run is not None
        if operation == "UpdateEndpoint":
            self._judge_move(actor, sight, request)
            if request["EndpointConfigName"] in self.outside.champions[request["EndpointName"]]:
                self.counts["rollbacks"] += 1
                return
        thrown = self._switches(run.model)
        for scope, number in sight.switches.items():
            promised(thrown.get(scope) != number, f"switch: {actor.name} made {operation} under {scope}")
        if self.outside.policies[run.model] == sight.policy:
            promised(sight.policy[1] not in STOPS, f"policy: {actor.name} made {operation} under {sight.policy[1]}")
        self._judge_intention(actor, operation, run.run_id, request, thrown)
        if operation in {"StartTraining", "CreateTrainingJob"}:
            running = len(self._trainings())
            promised(running <= LIMIT, f"slots: {running} trainings run at once, {LIMIT} may")
        elif operation in {"UpdateEndpoint", "StartDeployment"} or request.get("ModelApprovalStatus") == "Approved":
            promised(run.run_id in self.outside.passed, f"gates: {actor.name} promoted what had not passed")
            artifact = f"s3://amzn-s3-demo-bucket/{run.run_id}/model.tar.gz"
            judged = self.world.table.candidate_verdict(run.run_id)
            same = judged is not None and judged.versions.get(artifact) == self.world.bucket.version(artifact)
            written_since = self.world.bucket.writes[artifact] != sight.artifact
            promised(same or written_since, f"versions: {actor.name} promoted what was written again since")
        about = "training" if "Training" in operation else "promotion"
        if ASKED.get(run.model) == about and operation not in {"CreateModel", "CreateEndpointConfig"}:
            said = self.outside.approvals.get(run.run_id, set())
            promised(said == set(PEOPLE), f"consent: {actor.name} made {operation}, and {said} had said yes")

    def _judge_intention(
        self, actor: Actor, operation: str, run_id: str, request: dict[str, Any], thrown: dict[str, int]
    ) -> None:
        """A forward effect has an intention that was committed before its run was closed or a switch was thrown."""
        subjects = {"UpdateEndpoint": endpoint_subject(str(request.get("EndpointName")))}
        if operation in {"StartTraining", "CreateTrainingJob"}:
            subjects[operation] = training_subject(run_id)
        subject = subjects.get(operation)
        if subject is None:
            return
        table = self.world.database
        opened = self._opened.get((f"INTENT#{subject}", run_id), 0)
        promised(opened, f"intention: {actor.name} made {operation} without one")
        run = self.world.table.run(run_id)
        if run is not None and run.outcome is not None:
            closed = table.written[f"RUN#{run_id}", "RUN"]
            promised(opened < closed, f"closed: {actor.name} made {operation} for a run that was over")
        for scope, written in thrown.items():
            promised(opened < written, f"switch: {actor.name} made {operation} after {scope} was thrown")
            named = self.outside.named.get(scope)
            about = "training" if "Training" in operation else "promotion"
            promised(
                named is None or any(line.startswith(f"{about} of run {run_id} ") for line in named),
                f"in-flight: {actor.name} made {operation} after the pause of {scope}, which did not name it: {named}",
            )

    def _judge_move(self, actor: Actor, sight: Sight, request: dict[str, Any]) -> None:
        """Nobody's deployment is overwritten that could be seen at the last look."""
        name = request["EndpointName"]
        intention = self.world.table.intention(endpoint_subject(name))
        promised(intention is not None and intention.run_id == sight.run_id, f"intention: {actor.name} moved {name}")
        assert intention is not None
        live = self.world.sagemaker.endpoints[name].live
        foreign = live not in {intention.previous, intention.wanted}
        seen = self.outside.live_since[name] <= sight.looked_at
        promised(not (foreign and seen), f"foreign: {actor.name} overwrites {live} on {name}")

    def _hold(self) -> None:
        models = [run["model"] for run in self.world.table.active_runs()]
        promised(len(set(models)) == len(models), f"lock: two runs of one model are open: {models}")
        for endpoint in ENDPOINTS.values():
            shown = self.world.sagemaker.endpoints[endpoint]
            for config in {shown.live, shown.pending} - {None} - self.outside.champions[endpoint]:
                self._judged_or_watched(endpoint, str(config))

    def _judged_or_watched(self, endpoint: str, config: str) -> None:
        run = self.world.table.run(self._run_of(config))
        if run is None or run.outcome is None:
            return
        if run.outcome == "PROMOTED":
            self.outside.champions[endpoint].add(config)
            return
        frozen = self.world.table.model(run.model).frozen_reason
        promised(frozen, f"served: {config} of {run.run_id}, {run.outcome}, is on {endpoint}, and nobody is told")

    def _run_of(self, config: str) -> str:
        tags = self.world.sagemaker.configs[config].get("Tags", [])
        return next(tag["Value"] for tag in tags if tag["Key"] == RUN_TAG)

    def _nested(self, machine: str) -> list[str]:
        """Names of the executions of a team's machine that run."""
        statuses = self.world.executions.statuses
        prefix = nested_execution_arn(machine, "")
        return [arn.removeprefix(prefix) for arn, status in statuses.items() if status == "RUNNING" and prefix in arn]

    def _trainings(self) -> list[tuple[str, str, bool]]:
        """Trainings that run, as their targets say: name, run, and whether it is a training job."""
        started = self.world.executions.started
        found = [(name, str(started[name]["run_id"]), False) for name in self._nested(TRAINING)]
        for name, job in self.world.sagemaker.trainings.items():
            if job["TrainingJobStatus"] in {"InProgress", "Stopping"}:
                found.append((name, self._job_runs()[name], True))
        return found

    def _job_runs(self) -> dict[str, str]:
        return {
            asked["TrainingJobName"]: next(tag["Value"] for tag in asked["Tags"] if tag["Key"] == RUN_TAG)
            for asked in self.world.sagemaker.asked("CreateTrainingJob")
        }

    # What holds when everything is quiet.

    def come_to_rest(self, *_: int) -> bool:
        """Everything that goes on ends, nothing more comes from outside but sweeps; then nothing is left behind."""
        self._events.clear()
        self.rest()
        for model in MODELS:
            self._put_policy(model, {})
        self.world.alarms.states[ALARM] = "OK"
        for switch in self.world.table.kill_switches():
            self._lift(switch.scope)
            self.rest()
        for round_ in range(60):
            # Later ones are for what comes seldom: a model that was taken out is looked at every six hours.
            self.seconds_pass(300 if round_ < 30 else 3600, 0)
            for name in ENDPOINTS.values():
                if self.world.sagemaker.endpoints[name].pending:
                    self._settle(name, fails=False)
            for name, run_id, job in self._trainings():
                run = self.world.table.run(run_id)
                # What a run that is over left is stopped, and not ended by itself.
                if (run and run.outcome is None) or (job and self._stopping(name)):
                    self._end_training(name, run_id, job, "good")
            for name in self._nested(DEPLOYMENT):
                self._end_nested(DEPLOYMENT, name, True, {})
            self._events.clear()
            self.rest()
            if self._swept() and self._quiet():
                break
        left = [str(item.kind) + " " + item.subject for item in self.world.table.due_items()]
        living = [f"{execution.name} in {execution.state}" for execution in self._living()]
        self._hold()
        promised(self._quiet(), f"quiet: it never is; due {left}, running {living}")
        self._nothing_is_left()
        return True

    def _swept(self) -> bool:
        """Sweep once, unharmed; True when all of it could be done."""
        ended: list[Actor] = []
        self._ask("sweep", functools.partial(handler.run_action, {"action": "sweep"}), ended.append)
        self.rest()
        return ended[0].error is None

    def _quiet(self) -> bool:
        return not self._living() and not self.scheduler.actors and not self.world.table.due_items()

    def _nothing_is_left(self) -> None:
        table = self.world.table
        promised(table.active_runs() == [], "left: runs are open")
        promised(table.slots().holders == (), f"left: slots are held by {table.slots().holders}")
        promised(not list(table.queue()), "left: runs wait for a slot")
        promised(table.waits_without_tokens() == [], "left: waits are open")
        promised(not self._trainings(), "left: trainings run")
        for model in MODELS:
            state = table.model(model)
            promised(state.active_run_id is None, f"left: {model} is locked by {state.active_run_id}")
            promised(state.pending is None, f"left: {model} keeps a signal")
            if model in ENDPOINTS and not state.frozen_reason:
                # One that was abandoned counts as settled once its model is not frozen any more.
                intention = table.intention(endpoint_subject(ENDPOINTS[model]))
                left = intention is not None and intention.state == IntentionState.OPEN
                promised(not left, f"left: {intention} on the endpoint of {model}")
        self._records_are_whole()
        for execution in self.executions.values():
            self._end_is_told(execution)
        for asked, people in self._counted.items():
            run_id, subject = asked.split("/")
            wait = table.wait(run_id, WaitKind.APPROVAL, subject)
            votes = {vote["by"] for vote in wait.data["votes"]} if wait else set()
            promised(people <= votes, f"votes: those of {people} on {asked} were counted, and {votes} are kept")
        for endpoint in ENDPOINTS.values():
            live = self.world.sagemaker.endpoints[endpoint].live
            if live not in self.outside.champions[endpoint]:
                self._paged_about(endpoint, live)
        self._can_be_retrained()

    def _records_are_whole(self) -> None:
        """Each model's chain is, and each signal has one record; one whose execution ended before has none."""
        records: Counter[str] = Counter()
        for model in (*MODELS, "_unattributed"):
            for record in self.world.chain(model):
                if record["decision"] != "REJECT" or model != "_unattributed":
                    records[record["signal"]["signal_id"]] += 1
        twice = [signal for signal, count in records.items() if count > 1]
        promised(not twice, f"records: signals with two: {twice}")
        for execution in self.executions.values():
            decided = self.world.table.decision_of(execution.name)
            if decided is not None:
                key = decided.record_key
                promised(self.world.versions(key) == 1, f"records: {key} was written {self.world.versions(key)} times")
                ids = [told["id"] for told in self.world.channels.events if told["run_id"] == execution.name]
                promised(ids, f"told: nobody heard of the decision of {execution.name}")

    def _end_is_told(self, execution: Execution) -> None:
        run = self.world.table.run(execution.name)
        if run is None:
            return
        promised(run.outcome is not None, f"left: {run.run_id} has no outcome")
        key = f"evidence/{run.model}/{run.run_id}/outcome.json"
        promised(self.world.versions(key) == 1, f"evidence: {key} was written {self.world.versions(key)} times")
        promised(self.world.read(key)["outcome"] == run.outcome, f"evidence: {key} does not say {run.outcome}")
        events = {detail["id"] for detail in self.world.channels.events}
        for status in self.world.statuses(run.run_id):
            if status == "RETRAINING_DECIDED":
                continue
            promised(f"{run.run_id}:{status}" in events, f"told: no event says {run.run_id}:{status}")
        said = [message for message in self.world.told(str(run.outcome)) if message.thread == run.run_id]
        promised(said, f"told: no message says {run.run_id} ended {run.outcome}")
        manifest = self.world.versions(f"manifests/{run.model}/{run.run_id}.json")
        promised(manifest == 1, f"records: the manifest of {run.run_id} was written {manifest} times")

    def _paged_about(self, endpoint: str, config: str) -> None:
        run = self.world.table.run(self._run_of(config))
        assert run is not None
        promised(self.world.table.model(run.model).frozen_reason, f"served: {config} of {run.run_id}, and not frozen")
        pages = [message for message in self.world.channels.messages if message.escalates]
        about = [message for message in pages if run.run_id in f"{message.thread} {message.sentence}"]
        promised(about, f"served: {config} of {run.run_id} serves on {endpoint}, and nobody was paged")

    def _can_be_retrained(self) -> None:
        """The next signal of each model is decided, and trains unless people froze the model."""
        for model in MODELS:
            name = f"next-{next(self._numbers)}"
            self._execute(name, drift(model=model, dedupe_key=name))
            while (actor := self._invocation(self.executions[name])) is not None and actor.name.endswith(":admit"):
                self._step(actor)
            seen = self.world.table.decision_of(name)
            decision = json.loads(seen.record)["decision"] if seen else None
            frozen = self.world.table.model(model).frozen_reason
            promised(decision == ("HOLD" if frozen else "RETRAIN"), f"next: {model} is {decision}, frozen: {frozen}")


# Drawing and cutting down.

CALLS: Final = (1, 1, 2, 3, 5, 8, 13, 21)
FATES: Final = (*[Fate.GOES] * 20, Fate.DIES, Fate.DIED, Fate.LOST, Fate.AGAIN, Fate.THROTTLED)

MOVES: Final[dict[str, Callable[[Interleavings, int, int], bool]]] = {
    "calls": Interleavings.calls,
    "up_to_write": Interleavings.up_to_write,
    "signal": Interleavings.signal,
    "event": Interleavings.event,
    "sweep": Interleavings.sweep,
    "vote": Interleavings.vote,
    "pause": Interleavings.pause,
    "unpause": Interleavings.unpause,
    "mend": Interleavings.mend,
    "policy": Interleavings.policy,
    "training_ends": Interleavings.training_ends,
    "deployment_ends": Interleavings.deployment_ends,
    "endpoint_settles": Interleavings.endpoint_settles,
    "foreign_deployment": Interleavings.foreign_deployment,
    "alarm": Interleavings.alarm,
    "overwrite": Interleavings.overwrite,
    "stop": Interleavings.stop,
    "redrive": Interleavings.redrive,
    "doubled": Interleavings.doubled,
    "a_little": Interleavings.a_little,
    "minutes_pass": Interleavings.minutes_pass,
    "rest": Interleavings.rest,
    "finish": Interleavings.finish,
    "strike": Interleavings.strike,
    "go_well": Interleavings.go_well,
    "come_to_rest": Interleavings.come_to_rest,
}

USUAL: Final = {
    "calls": 300,
    "up_to_write": 150,
    "finish": 40,
    "go_well": 12,
    "a_little": 10,
    "minutes_pass": 8,
    "signal": 12,
    "event": 30,
    "vote": 50,
    "training_ends": 40,
    "deployment_ends": 10,
    "endpoint_settles": 30,
    "unpause": 4,
    "mend": 3,
}
"""How often each move is drawn that lets runs go on."""

UNUSUAL: Final = {
    "sweep": 3,
    "pause": 2,
    "policy": 1.5,
    "foreign_deployment": 2,
    "alarm": 4,
    "overwrite": 1,
    "stop": 3,
    "redrive": 3,
    "doubled": 3,
    "strike": 15,
    "rest": 1,
}
"""The same of what gets in their way; each history draws anew how much of each it has."""

PARTS: Final = 2
LENGTH: Final = 300
"""Moves that are made until everything comes to rest; so many parts make a history."""

REST: Final = Move("come_to_rest")


def drawn(seed: str) -> tuple[Interleavings, str | None]:
    """Draw a history by chance and play it. The same seed draws the same one. Gives it with what broke, or None."""
    chance, history = random.Random(seed), Interleavings()  # noqa: S311 - a history, not a secret
    weights = USUAL | {kind: weight * chance.choice((0, 1, 3)) for kind, weight in UNUSUAL.items()}

    def play() -> None:
        for _ in range(PARTS):
            made = 0
            while made < LENGTH:
                kind = chance.choices(list(weights), list(weights.values()))[0]
                made += history.play(Move(kind, chance.randrange(5040), chance.randrange(5040)))
            history.play(REST)

    return history, _broken(play)


def played(moves: Iterable[Move]) -> tuple[Interleavings, str | None]:
    """Play moves; gives the history with what broke, or None. A move that cannot be made is passed over."""
    history = Interleavings()

    def play() -> None:
        for move in moves:
            history.play(move)

    return history, _broken(play)


def _broken(play: Callable[[], None]) -> str | None:
    try:
        play()
    except AssertionError as error:
        return str(error) or "records: a model's chain is broken"
    return None


def cut_down(moves: Sequence[Move], sentence: str) -> list[Move]:
    """Fewer moves that break the same promise: ever smaller parts are left out as long as it breaks."""
    kept, size, promise = list(moves), len(moves) // 2, sentence.split(":", maxsplit=1)[0]
    while size:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            broken = played([*fewer, REST])[1]
            if broken is not None and broken.split(":", maxsplit=1)[0] == promise:
                kept = fewer
            else:
                start += size
        size //= 2
    return kept


class _Swallowed(logging.Handler):
    """Sees the errors that the loop logs and goes on after: a fault of its own among them is no such error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not _planned(error):
            self.errors.append(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw histories until they have so many steps. Gives 1 when a promise broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000, help="calls to make (100,000)")
    parser.add_argument("--seed", type=int, default=1, help="what the histories are drawn from (1)")
    parser.add_argument("--only", type=int, help="play this history alone, as a broken one says")
    asked = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    total: Counter[str] = Counter()
    began = said = time.monotonic()
    digest = hashlib.sha256()
    for number in itertools.count() if asked.only is None else [asked.only]:
        history, broken = drawn(f"{asked.seed}/{number}")
        digest.update("\n".join(history.scheduler.trace).encode())
        total += history.counts
        total["conflicts"] += history.world.database.conflicts
        total["steps"] += history.scheduler.steps
        total["histories"] += 1
        if broken is not None:
            total["broken"] += 1
            _show(asked.seed, number, history, broken)
        if total["steps"] >= asked.steps:
            break
        if time.monotonic() - said > 5:  # noqa: PLR2004 - seconds between two lines of progress
            said = time.monotonic()
            _say(f"{total['steps']} of {asked.steps} steps, {total['histories']} histories, {total['broken']} broken")
    deaths = total[Fate.DIES] + total[Fate.DIED]
    lost = total[Fate.LOST] + total[Fate.AGAIN]
    _say(
        f"seed {asked.seed}, steps {total['steps']}, histories {total['histories']}, actions {total['invocations']}, "
        f"deaths {deaths}, lost answers {lost}, throttled {total[Fate.THROTTLED]}, conflicts {total['conflicts']}, "
        f"switches {total['switches']}, promotions {total['UpdateEndpoint'] - total['rollbacks']}, "
        f"rollbacks {total['rollbacks']}, {time.monotonic() - began:.0f} s, trace {digest.hexdigest()[:12]}, "
        f"broken: {total['broken']}"
    )
    return 1 if total["broken"] else 0


def _show(seed: int, number: int, history: Interleavings, broken: str) -> None:
    moves = cut_down(history.moves, broken)
    shown, sentence = played([*moves, REST])
    _say(f"history {number} breaks: {broken}\ncut down from {len(history.moves)} to {len(moves)} moves: {sentence}")
    _say("\n".join(map(str, moves)))
    _say("\n".join(shown.scheduler.trace[-60:]))
    _say(f"again: python -m tests.unit.interleavings --seed {seed} --only {number}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
