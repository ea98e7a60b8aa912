"""Signals, slots, deaths, lost events, conflicts and sweeps in any order, over whole runs.

One run a model, never too many trainings, no candidate that serves unjudged and unnoticed, and nothing left behind. The
real actions over a stack in memory; what hypothesis shrinks to is the shortest story that breaks a promise.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import booleans, integers, none, sampled_from, tuples

from orchestration import handler
from orchestration.domain.contracts import DueKind
from orchestration.domain.errors import ContentionError, NotAcceptedYetError, TransientServiceError
from orchestration.domain.intention import endpoint_subject
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.switches import switch_over
from tests.unit import stories
from tests.unit.fakes import TRAINING, ProcessDiedError, World, drift, execution_arn
from tests.unit.stories import REPORT, do

MODELS = ("churn", "fraud", "spam")
ENDPOINTS = {"fraud": "fraud-prod", "spam": "spam-prod"}
LIMIT = 2
MADE = {"model_data_url": "s3://amzn-s3-demo-bucket/m.tar.gz", "image": "image"}
SCOPES = sampled_from(("global", "model:fraud", "source:drift_report"))
PICKS = integers(0, 5)
DEATHS = none() | integers(1, 45)

STEPS = {
    "train": "train",
    "evaluate": "evaluate",
    "promote": "promote",
    "bake": "bake",
    "roll_back": "roll_back",
    "finish": "finish",
    "record": "close",
}
"""The step of the workflow that each answer leads to."""

WAITS = {"slot", "train", "promote", "bake", "roll_back"}


@dataclass
class Execution:
    """One execution of the workflow: its step, and the token that is parked there."""

    name: str
    model: str
    step: str = "slot"
    token: str | None = None
    alive: bool = True


class Interleavings(RuleBasedStateMachine):
    """Three models share two slots; two of them have an endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(max_concurrent_trainings=LIMIT)
        self.numbers = itertools.count()
        self.executions: dict[str, Execution] = {}
        self.adopted: set[str] = set()
        self.champions: dict[str, set[str]] = {}
        self.world.bucket.put(MADE["model_data_url"], b"weights")
        for model in MODELS:
            promotion: dict[str, Any] = {"kind": "none"}
            if model in ENDPOINTS:
                promotion = {"endpoint": ENDPOINTS[model], "bake_minutes": 10}
                self.world.sagemaker.serve(ENDPOINTS[model], f"{model}-1")
                self.champions[model] = {f"{model}-1"}
            wishes = {"promotion": promotion, "cooldown_hours": 0, "breaker": {"fruitless_runs": 0}}
            self.world.put(f"policies/{model}.json", stories.policy(model=model, **wishes))

    @initialize(steps=tuples(*[integers(0, 9)] * len(MODELS)))
    def begin(self, steps: tuple[int, ...]) -> None:
        """Every model has a run, and each has come some way."""
        for model in MODELS:
            self.signal(model, None)
        for position, count in enumerate(steps):
            self.go_well(position, count)

    # What comes from outside.

    @rule(model=sampled_from(MODELS), dies=DEATHS)
    def signal(self, model: str, dies: int | None) -> None:
        """A drift signal comes."""
        name = f"run-{next(self.numbers)}"
        self._begin(name, drift(model=model, dedupe_key=name), dies)

    @rule(dies=DEATHS)
    def adopt(self, dies: int | None) -> None:
        """Step Functions runs an execution that the loop itself started."""
        waiting = [name for name in self.world.executions.started if name.startswith("pending-")]
        for name in waiting:
            if name not in self.adopted:
                self.adopted.add(name)
                self._begin(name, self.world.executions.started[name], dies)

    def _begin(self, name: str, sent: dict[str, Any], dies: int | None) -> None:
        self.world.executions.statuses[execution_arn(name)] = "RUNNING"
        self.world.clock.forward(seconds=1)
        answer = self._try(name, "admit", dies, event=sent) or self._try(name, "admit", None, event=sent)
        assert answer is not None
        if answer["decision"] == "RETRAIN":
            self.executions[name] = Execution(name, str(answer["output"]["model"]))
        else:
            self.world.executions.end(execution_arn(name), "SUCCEEDED")

    @rule(ok=booleans(), event_lost=booleans())
    def training_ends(self, ok: bool, event_lost: bool) -> None:
        """The oldest training is over; its event may be lost."""
        running = self._trainings()
        if running:
            for model in MODELS:
                for name in self.executions:
                    self.world.put(f"runs/{model}/{name}/outputs/evaluation.json", REPORT)
            self.world.executions.end(running[0], "SUCCEEDED" if ok else "FAILED", output=json.dumps(MADE))
            if not event_lost:
                stories.tell_ended(self.world, running[0])

    @rule(model=sampled_from(list(ENDPOINTS)), fails=booleans(), event_lost=booleans())
    def endpoint_settles(self, model: str, fails: bool, event_lost: bool) -> None:
        """An endpoint's update is over, perhaps by SageMaker's own rollback; its event may be lost."""
        self.world.sagemaker.settle(ENDPOINTS[model], fail="no capacity" if fails else None)
        if not event_lost:
            self._tell_endpoint(model)

    def _tell_endpoint(self, model: str) -> None:
        event: dict[str, Any] = {
            "detail-type": "SageMaker Endpoint State Change",
            "detail": {"EndpointName": ENDPOINTS[model]},
        }
        handler.run_action(event, self.world.ports)

    @rule(operation=sampled_from(("UpdateEndpoint", "CreateModel")))
    def an_answer_is_lost(self, operation: str) -> None:
        """The next such request has its effect, and nobody hears of it."""
        self.world.sagemaker.lose(operation)

    @rule(scope=SCOPES)
    def pause(self, scope: str) -> None:
        """An operator throws a switch."""
        do(self.world, "pause", scope=scope, by="ops", reason="test")

    @rule(scope=SCOPES)
    def resume(self, scope: str) -> None:
        """An operator lifts it."""
        do(self.world, "unpause", scope=scope, by="ops")

    @rule(model=sampled_from(list(ENDPOINTS)))
    def mend(self, model: str) -> None:
        """An operator sets an endpoint that was left behind back to a champion, and unfreezes its model."""
        state = self.world.table.model(model)
        if state.frozen_reason and state.active_run_id is None:
            champion = min(self.champions[model])
            self.world.sagemaker.endpoints[ENDPOINTS[model]].live = champion
            self.world.sagemaker.endpoints[ENDPOINTS[model]].pending = None
            self.world.sagemaker.endpoints[ENDPOINTS[model]].status = "InService"
            do(self.world, "unfreeze", model=model, by="ops", reason="mended")

    # The workflow.

    @rule(pick=PICKS, dies=DEATHS, conflicts=none() | integers(1, 8))
    def advance(self, pick: int, dies: int | None, conflicts: int | None) -> None:
        """An execution takes one step, and its function may die in it or meet another write."""
        execution = self._living(pick)
        if execution is not None:
            self._advance(execution, dies, conflicts)

    @rule(pick=PICKS, steps=integers(1, 5))
    def go_well(self, pick: int, steps: int) -> None:
        """All goes well for a while with one execution: what it waits for comes to pass."""
        for _ in range(steps):
            execution = self._living(pick)
            if execution is None:
                return
            self._advance(execution, None, None)
            if execution.token is not None:
                self.training_ends(ok=True, event_lost=False)
                if execution.model in ENDPOINTS:
                    self.endpoint_settles(execution.model, fails=False, event_lost=False)
                if execution.step == "bake":
                    self.world.clock.forward(minutes=11)
                    self._tell_endpoint(execution.model)

    def _living(self, pick: int) -> Execution | None:
        living = [execution for execution in self.executions.values() if execution.alive]
        return living[pick % len(living)] if living else None

    def _advance(self, execution: Execution, dies: int | None, conflicts: int | None) -> None:
        self.world.clock.forward(seconds=20)
        if execution.token is not None:
            self._go_on(execution)
            return
        paused = self._paused(execution)
        before = self._forward_effects(execution)
        self.world.database.conflict_at(conflicts)
        self._step(execution, dies)
        self.world.database.conflict_at(None)
        if paused:
            assert self._forward_effects(execution) == before, f"{execution.step} of a paused run had an effect"

    @rule(pick=PICKS)
    def retry(self, pick: int) -> None:
        """Step Functions loses a parked token and comes again with a new one."""
        execution = self._living(pick)
        if execution and execution.token and execution.token not in self.world.executions.answers:
            self.world.executions.answers[execution.token] = {"next": "nobody waits any more"}
            execution.token = None
            self._step(execution, None)

    def _step(self, execution: Execution, dies: int | None) -> None:
        step, name = execution.step, execution.name
        token = f"token-{next(self.numbers)}"
        if step in WAITS:
            more: dict[str, Any] = {"token": token}
            action = step
            if step in {"slot", "bake"}:
                action, more = "park", {"kind": step, "token": token}
            answer = self._try(name, action, dies, **more)
            if answer is None and token not in self.world.executions.answers:
                self.world.executions.answers[token] = {"next": "nobody waits any more"}
                return
            execution.token = token
            self._go_on(execution)
            return
        answer = self._try(name, step, dies)
        if answer is None:
            return
        if step == "close":
            execution.alive = False
            self.world.executions.end(execution_arn(name), "SUCCEEDED")
        else:
            execution.step = STEPS[str(answer["next"])]

    def _go_on(self, execution: Execution) -> None:
        answer = self.world.executions.answers.get(str(execution.token))
        if answer is not None:
            execution.step, execution.token = STEPS[answer["next"]], None

    def _try(self, name: str, action: str, dies: int | None, **more: Any) -> dict[str, Any] | None:
        """An answer, or None when the function died, or asked to be asked again."""
        if dies is not None:
            self.world.outside.die_before(dies)
        try:
            return do(self.world, action, name, **more)
        except (ProcessDiedError, ContentionError, NotAcceptedYetError, TransientServiceError):
            return None
        finally:
            self.world.outside.live()

    @rule(pick=PICKS, status=sampled_from(("ABORTED", "FAILED", "TIMED_OUT")), event_lost=booleans(), dies=DEATHS)
    def die(self, pick: int, status: str, event_lost: bool, dies: int | None) -> None:
        """An execution is stopped, fails or times out; its event may be lost, and so may who hears of it."""
        execution = self._living(pick)
        if execution is None:
            return
        run = execution.name
        execution.alive = False
        self.world.executions.end(execution_arn(run), status)
        if execution.token is not None:
            self.world.executions.answers.setdefault(execution.token, {"next": "nobody waits any more"})
        if not event_lost:
            if dies is not None:
                self.world.outside.die_before(dies)
            try:
                stories.tell_dead(self.world, status, run)
            except ProcessDiedError:
                pass
            finally:
                self.world.outside.live()

    @rule(minutes=sampled_from((1, 5, 11)), dies=none() | integers(20, 90))
    def sweep(self, minutes: int, dies: int | None) -> None:
        """The sweep comes by, and may die over it."""
        self.world.clock.forward(minutes=minutes)
        self._try("sweep", "sweep", dies)

    # Promises.

    @invariant()
    def never_more_trainings_than_slots_and_each_has_its_holder(self) -> None:
        holders = {holder.run_id for holder in self.world.table.slots().holders}
        assert len(holders) <= LIMIT
        arns = {stories.training_arn(run_id) for run_id in holders}
        assert set(self._trainings()) <= arns

    @invariant()
    def one_run_a_model(self) -> None:
        open_ = [run["model"] for run in self.world.table.active_runs()]
        assert len(set(open_)) == len(open_)

    @invariant()
    def no_candidate_serves_or_is_on_its_way_that_nobody_judges(self) -> None:
        for model, endpoint in ENDPOINTS.items():
            for run in self.world.table.runs_of_model(model, limit=100):
                if run.get("outcome") == "PROMOTED":
                    verdict = self.world.table.candidate_verdict(run["run_id"])
                    assert verdict is not None
                    assert isinstance(verdict.plan, EndpointPlan)
                    self.champions[model].add(verdict.plan.wanted_config)
            shown = self.world.sagemaker.endpoints[endpoint]
            if {shown.live, shown.pending} - {None} - self.champions[model]:
                assert self.world.table.intention(endpoint_subject(endpoint)) is not None

    @invariant()
    def every_open_run_is_looked_after_by_something_that_is_due(self) -> None:
        watched = {item.subject for item in self.world.due(DueKind.ALIVE)}
        assert {run["run_id"] for run in self.world.table.active_runs()} <= watched

    def teardown(self) -> None:
        """When everything that goes on is over and sweeps have come by, nothing is left but what people have to mend."""
        for scope in ("global", "model:fraud", "source:drift_report"):
            do(self.world, "unpause", scope=scope, by="ops")
        for _ in range(60):
            self.world.clock.forward(minutes=5)
            self.training_ends(ok=True, event_lost=True)
            for endpoint in ENDPOINTS.values():
                self.world.sagemaker.settle(endpoint)
            do(self.world, "sweep")
            self.adopt(None)
            for execution in list(self.executions.values()):
                if execution.alive:
                    self._advance(execution, None, None)
        table = self.world.table
        assert table.active_runs() == []
        assert table.slots().holders == ()
        assert list(table.queue()) == []
        assert table.waits_without_tokens() == []
        left = {item.kind for item in table.due_items()}
        assert left <= {DueKind.PENDING}, left
        for execution in self.executions.values():
            run = table.run(execution.name)
            assert run is not None
            assert run.outcome is not None
            evidence = self.world.read(f"evidence/{run.model}/{run.run_id}/outcome.json")
            assert evidence["outcome"] == run.outcome
            assert self.world.versions(f"evidence/{run.model}/{run.run_id}/outcome.json") == 1
            assert any(detail["id"] == f"{run.run_id}:{run.outcome}" for detail in self.world.channels.events)
        for model in MODELS:
            self.world.chain(model)
            state = table.model(model)
            assert state.active_run_id is None
            assert state.pending is None or state.frozen_reason is not None
            if model in ENDPOINTS and not state.frozen_reason:
                assert table.intention(endpoint_subject(ENDPOINTS[model])) is None

    # Inside.

    def _trainings(self) -> list[str]:
        prefix = TRAINING.replace(":stateMachine:", ":execution:")
        statuses = self.world.executions.statuses
        return [arn for arn, status in statuses.items() if arn.startswith(prefix) and status == "RUNNING"]

    def _paused(self, execution: Execution) -> bool:
        return switch_over(self.world.table.kill_switches(), execution.model, "drift_report") is not None

    def _forward_effects(self, execution: Execution) -> tuple[int, int]:
        """Trainings that were started, and updates to anything but a champion."""
        champions = self.champions.get(execution.model, set())
        updates = [asked["EndpointConfigName"] for asked in self.world.sagemaker.asked("UpdateEndpoint")]
        started = [name for name in self.world.executions.started if name.startswith("retraining-")]
        return len(started), len([name for name in updates if name not in champions])


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
