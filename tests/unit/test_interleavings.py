"""Signals, slots, deaths, lost events and sweeps in any order: one run a model, never too many trainings, nothing left.

The real actions over a table in memory; what hypothesis shrinks to is the shortest story that breaks a promise.
"""

from __future__ import annotations

import itertools
import json
import uuid
from dataclasses import replace
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import booleans, sampled_from

from orchestration.actions.admit import admit
from orchestration.actions.close import close
from orchestration.actions.park import park
from orchestration.actions.resume import resume
from orchestration.actions.settle import settle_execution
from orchestration.actions.sweep import sweep
from orchestration.actions.switches import pause, unpause
from orchestration.domain.documents import Document, Unreadable
from orchestration.ports import Ports
from orchestration.stores.bucket_s3 import AutomationBucket
from orchestration.stores.history_table import HistoryTable
from tests.unit.fakes import (
    SETTINGS,
    TRAINING,
    Clock,
    FakeAlarms,
    FakeChannels,
    FakeExecutions,
    FakeSageMaker,
    Outside,
)
from tests.unit.memory_dynamodb import MemoryDynamoDB

MODELS = ("churn", "fraud", "spam")
LIMIT = 2


class MemoryBucket(AutomationBucket):
    """Objects in a dict."""

    def __init__(self) -> None:
        self.name = "automation"
        self.objects: dict[str, bytes] = {}

    def write_once(self, key: str, value: Any) -> bool:
        return key not in self.objects and self.objects.update({key: json.dumps(value, default=str).encode()}) is None

    def read(self, uri: str) -> Document:
        body = self.objects.get(uri.removeprefix(f"s3://{self.name}/"))
        return Document(uri, body, "1") if body is not None else Document(uri, unreadable=Unreadable.MISSING)


class Interleavings(RuleBasedStateMachine):
    """Three models share two slots."""

    runs: Bundle[str] = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        outside = Outside()
        self.database, self.bucket, self.executions = MemoryDynamoDB(), MemoryBucket(), FakeExecutions(outside)
        self.clock, self.numbers = Clock(), itertools.count()
        self.model_of: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        for model in MODELS:
            policy = {
                "schema_version": 1,
                "model": model,
                "cooldown_hours": 0,
                "budget": {"runs": 0},
                "breaker": {"fruitless_runs": 0},
                "training": {"target": TRAINING},
                "approval": {"training": "never"},
                "actions": {"warning": "retrain", "critical": "retrain"},
            }
            self.bucket.objects[f"policies/{model}.json"] = json.dumps(policy).encode()
        self.ports = Ports(
            settings=replace(SETTINGS, max_concurrent_trainings=LIMIT, approval_mode="by-severity"),
            table=HistoryTable(cast("Any", self.database), "history"),
            bucket=self.bucket,
            sagemaker=FakeSageMaker(outside),
            channels=FakeChannels(outside),
            executions=self.executions,
            alarms=FakeAlarms(),
            now=self.clock,
            pause=lambda _: None,
            nonce=lambda: uuid.uuid4().hex,
        )

    @rule(target=runs, model=sampled_from(MODELS))
    def signal(self, model: str) -> str:
        """A drift signal comes; a run it starts asks for a slot."""
        name = f"run-{next(self.numbers)}"
        arn = f"{self.ports.settings.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        self.executions.statuses[arn] = "RUNNING"
        self.clock.forward(seconds=1)
        answer = admit(
            {
                "execution": {"id": arn, "name": name},
                "event": {
                    "id": name,
                    "source": "mlops.drift",
                    "detail-type": "Drift Detected",
                    "detail": {"model": model, "metric": "psi", "observed": 0.9, "threshold": 0.2},
                },
            },
            self.ports,
        )
        if answer["decision"] != "RETRAIN":
            self.executions.statuses[arn] = "SUCCEEDED"
            return name
        self.model_of[name], self.tokens[name] = model, uuid.uuid4().hex
        self._park(name)
        return name

    def _park(self, name: str) -> None:
        request = {"kind": "slot", "subject": "training", "token": self.tokens[name], "run": self._run(name)}
        park({**request, "execution": {"id": self._arn(name), "name": name}}, self.ports)

    @rule(run=runs)
    def park_again(self, run: str) -> None:
        """The workflow retries its wait with a new token."""
        if self._lives(run) and not self._granted(run):
            self.tokens[run] = uuid.uuid4().hex
            self._park(run)

    @rule(run=runs, twice=booleans())
    def train_and_end(self, run: str, twice: bool) -> None:
        """A run that was granted a slot trains, gives it back (perhaps twice) and closes."""
        if not (self._lives(run) and self._granted(run)):
            return
        for _ in range(2 if twice else 1):
            resume({"kind": "slot", "run": self._run(run)}, self.ports)
        result = {"outcome": "TRAINED", "reason": "trained"}
        close({"run": self._run(run), "result": result, "execution": {"id": self._arn(run), "name": run}}, self.ports)
        self.executions.statuses[self._arn(run)] = "SUCCEEDED"

    @rule(run=runs, status=sampled_from(("ABORTED", "FAILED", "TIMED_OUT")), event_lost=booleans())
    def die(self, run: str, status: str, event_lost: bool) -> None:
        """An execution is stopped, fails or times out; its event may be lost."""
        if not self._lives(run):
            return
        self.executions.statuses[self._arn(run)] = status
        self.executions.answers.setdefault(self.tokens[run], {"dead": True})
        if not event_lost:
            settle_execution(self.ports, self._arn(run), run, status)

    @rule()
    def sweep(self) -> None:
        """The sweep comes by."""
        sweep({"ahead_seconds": 600}, self.ports)

    @rule(scope=sampled_from(("global", "model:churn")))
    def pause(self, scope: str) -> None:
        """An operator throws a switch."""
        pause({"scope": scope, "by": "ops", "reason": "test"}, self.ports)

    @rule(scope=sampled_from(("global", "model:churn")))
    def resume(self, scope: str) -> None:
        """An operator lifts it."""
        unpause({"scope": scope, "by": "ops"}, self.ports)

    @invariant()
    def never_too_many_trainings(self) -> None:
        ledger = self.ports.table.slots()
        assert len(ledger.holders) <= LIMIT
        named = [holder.run_id for holder in ledger.holders] + [waiter.run_id for waiter in ledger.waiters]
        assert len(set(named)) == len(named)
        assert sum(self._lives(run) and self._granted(run) for run in self.model_of) <= LIMIT

    @invariant()
    def one_run_a_model(self) -> None:
        living = [self.model_of[run["run_id"]] for run in self.ports.table.active_runs()]
        assert len(set(living)) == len(living)

    def teardown(self) -> None:
        """After one sweep nothing is held by the dead, and nobody waits beside a free slot."""
        for scope in ("global", "model:churn"):
            unpause({"scope": scope, "by": "ops"}, self.ports)
        sweep({"ahead_seconds": 600}, self.ports)
        living = {run for run in self.model_of if self._lives(run)}
        ledger = self.ports.table.slots()
        assert {run["run_id"] for run in self.ports.table.active_runs()} == living
        assert {holder.run_id for holder in ledger.holders} | {waiter.run_id for waiter in ledger.waiters} <= living
        assert not ledger.waiters or len(ledger.holders) == LIMIT
        assert {holder.run_id for holder in ledger.holders} == {run for run in living if self._granted(run)}
        for model in MODELS:
            active = self.ports.table.model(model).active_run_id
            assert active is None or active in living

    def _arn(self, run: str) -> str:
        return f"{self.ports.settings.state_machine_arn.replace(':stateMachine:', ':execution:')}:{run}"

    def _lives(self, run: str) -> bool:
        return run in self.model_of and self.executions.statuses[self._arn(run)] == "RUNNING"

    def _granted(self, run: str) -> bool:
        return bool(self.executions.answers.get(self.tokens[run], {}).get("granted"))

    def _run(self, run: str) -> dict[str, Any]:
        stored = self.ports.table.run(run)
        assert stored is not None
        carried: dict[str, Any] = json.loads(stored.run)
        return carried


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=80, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
