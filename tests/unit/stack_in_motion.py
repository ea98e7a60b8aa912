"""A stack in memory with all that happens on it at once: invocations, executions, operators, everybody else.

Whatever happens is a ``Move``, two numbers choose its details, and a move that cannot be made now says so. The workflow is
the deployed definition, the actions are the real ones, conflicts come from real overlap.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from orchestration import approval_handler, handler, operator_handler, promotion_handler
from orchestration.domain.intention import endpoint_subject
from tests.unit.fakes import MACHINE, ProcessDiedError, World, drift, proven
from tests.unit.outsiders import ENDPOINTS, LIMIT, MODELS, PEOPLE, Outsiders
from tests.unit.promises import Promises, planned, promised
from tests.unit.scheduler import Actor, Fate, Scheduler
from tests.unit.workflow_in_memory import Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

AT_ONCE: Final = 8
"""Invocations at once; more only make a history longer."""

SIGNALLED: Final = ("fraud", "fraud", "spam", "spam", *MODELS)
"""Models that signals come for: those with an endpoint have the longest way."""

SCOPES: Final = ("global", *(f"model:{model}" for model in MODELS), "source:drift_report")
STRIKES: Final = ("pause", "pause", "stop", "stop", "stop", "deploy", "deploy", "again")
CONTENDED: Final = ("SLOTS", "SLOTS", "MODEL#", "HEADS", "APPROVAL#", "WAIT#", "RUN#", "CONTROLS")
"""Items that several invocations write, or rest their writes on."""

DEAD: Final = {"next": "nobody waits any more"}
CALLS: Final = (1, 1, 2, 3, 5, 8, 13, 21)
FATES: Final = (*[Fate.GOES] * 20, Fate.DIES, Fate.DIED, Fate.LOST, Fate.AGAIN, Fate.THROTTLED)
EFFECTS: Final = frozenset({"UpdateEndpoint", "CreateTrainingJob", "UpdateModelPackage", "StartExecution"})


class Move(NamedTuple):
    """One move; what the numbers choose is the move's own matter."""

    kind: str
    first: int = 0
    second: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.first} {self.second}"


class StackInMotion:
    """One stack, and the moves that were made on it."""

    def __init__(self) -> None:
        self.world = World(max_concurrent_trainings=LIMIT, approval_expiry_hours=1)
        self.outsiders = Outsiders(self.world)
        self.promises = Promises(self.world, self.outsiders)
        self.scheduler = Scheduler(self.world)
        self.executions: dict[str, Execution] = {}
        self.moves: list[Move] = []
        self.counts: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._drifts: list[dict[str, Any]] = []
        self._invocations: dict[str, Actor | None] = {}
        self._again: dict[str, datetime] = {}
        self._answers = self._started = 0

    def play(self, move: Move) -> bool:
        """Make a move, and look at what has to hold at any moment. False when it could not be made.

        Raises:
            BrokenPromiseError: by this move.
        """
        self.moves.append(move)
        with _logged_errors() as swallowed:
            made = MOVES[move.kind](self, move.first, move.second)
        promised(not swallowed, f"errors: went on after {swallowed}")
        if made:
            self.promises.hold()
        else:
            self.moves.pop()
        return made

    # Invocations go on.

    def calls(self, first: int, second: int) -> bool:
        """An invocation makes its next calls; the last of them may go wrong."""
        if (actor := _nth(self.scheduler.actors, first)) is None:
            return False
        for left in reversed(range(CALLS[second % len(CALLS)])):
            self._step(actor, FATES[second // len(CALLS) % len(FATES)] if not left else Fate.GOES)
            if actor.over:
                break
        return True

    def up_to_write(self, first: int, second: int) -> bool:
        """An invocation reads what it has to, and comes to stand before its next write, or its next transaction."""
        if (actor := _nth(self.scheduler.actors, first)) is None:
            return False
        self._step(actor)
        while not actor.over and (actor.reads or (second % 2 and actor.call != "TransactWriteItems")):
            self._step(actor)
        return True

    def crowd(self, first: int, _: int) -> bool:
        """All invocations come to stand before their writes to the same items, having read what they rest on."""
        items = CONTENDED[first % len(CONTENDED)]
        actors = list(self.scheduler.actors)
        for actor in actors:
            while not actor.over and (actor.reads or not any(pk.startswith(items) for pk, _ in actor.about)):
                self._step(actor)
        return bool(actors)

    def finish(self, first: int, _: int) -> bool:
        """An invocation runs to its end while the others stand."""
        if (actor := _nth(self.scheduler.actors, first)) is None:
            return False
        self._finish(actor)
        return True

    def rest(self, *_: int) -> bool:
        """Everything that goes on comes to its end, unharmed."""
        if not self.scheduler.actors:
            return False
        while actors := self.scheduler.actors:
            self._step(actors[self.scheduler.steps % len(actors)])
        return True

    def _finish(self, actor: Actor) -> None:
        while not actor.over:
            self._step(actor)

    def _step(self, actor: Actor, fate: Fate = Fate.GOES) -> None:
        written = () if actor.reads else actor.about
        self.counts[fate] += 1
        self.promises.before(actor)
        self.scheduler.go(actor, fate)
        self.promises.after(actor, written)
        self._see_answers()

    def _see_answers(self) -> None:
        """Step Functions goes on with what was answered, and runs what the loop started."""
        answers, started = self.world.executions.answers, self.world.executions.started
        if len(answers) != self._answers:
            for execution in self._living():
                if execution.token is not None and execution.token in answers:
                    self._go_on(execution)
            self._answers = len(answers)
        if len(started) != self._started:
            # What is nested in a run, the outsiders end.
            own = [name for name in started if not name.startswith("retraining-") and name not in self.executions]
            for name in own:
                self._execute(name, started[name])
            self._started = len(started)

    # Time.

    def seconds_pass(self, first: int, _: int) -> bool:
        """Seconds pass."""
        self._pass(1 + first % 20)
        return True

    def minutes_pass(self, first: int, _: int) -> bool:
        """Minutes pass while nothing goes on."""
        self.rest()
        self._pass(60 * (1, 2, 5, 11)[first % 4])
        return True

    def _pass(self, seconds: float) -> None:
        """Time passes; an invocation that has none left is killed."""
        self.world.clock.forward(seconds=seconds)
        for actor in list(self.scheduler.actors):
            if actor.overdue(self.world.clock()):
                self._step(actor, Fate.DIES)
        for name, at in list(self._again.items()):
            if self.world.clock() >= at:
                del self._again[name]
                self._invoke(self.executions[name])

    # Signals, events, sweeps.

    def signal(self, first: int, second: int) -> bool:
        """A drift signal comes, perhaps twice at the same moment; or one that came before comes again."""
        if self._busy():
            return False
        name = f"run-{next(self._numbers)}"
        event = _nth(self._drifts, first) if second % 4 == 0 else None
        if event is None:
            event = drift(model=SIGNALLED[first % len(SIGNALLED)], dedupe_key=name)
            self._drifts.append(event)
        self._execute(name, event)
        if second % 5 == 0:
            self._execute(f"{name}-again", event)
        return True

    def event(self, first: int, second: int) -> bool:
        """An event of what ended or changed is delivered: soon or late, once, twice at the same moment or later again."""
        events = self.outsiders.events
        if self._busy() or not events:
            return False
        event = events[first % len(events)]
        if second % 6:
            del events[first % len(events)]
        for _ in range(2 if second % 5 == 0 else 1):
            self._tell(event)
        return True

    def sweep(self, first: int, _: int) -> bool:
        """A sweep begins, or two at once."""
        if self._busy():
            return False
        for _ in range(1 + first % 2):
            self._ask("sweep", functools.partial(handler.run_action, {"action": "sweep"}))
        return True

    def _tell(self, event: dict[str, Any]) -> Actor:
        return self._ask(f"event {event['detail-type']}", functools.partial(handler.run_action, event))

    # People.

    def vote(self, first: int, second: int) -> bool:
        """One or two people say at the same moment what they think of what a run asks."""
        execution = _nth([found for found in self._living() if "Approval" in found.state], first)
        if self._busy() or execution is None:
            return False
        for by in PEOPLE[second % 3 :] or PEOPLE:
            self._vote(execution.name, by, "REJECTED" if second % 20 == 0 and by == PEOPLE[-1] else "APPROVED")
        return True

    def _vote(self, run_id: str, by: str, decision: str) -> Actor:
        if decision == "APPROVED":
            self.promises.said.setdefault(run_id, set()).add(by)
        ballot = proven({"action": "decide", "run_id": run_id, "decision": decision}, by, self.world.clock())

        def counted(actor: Actor) -> None:
            if actor.answer is not None and actor.answer["counted"]:
                self.promises.counted.setdefault((run_id, actor.answer["subject"]), set()).add(by)

        return self._ask(f"vote of {by} on {run_id}", functools.partial(approval_handler.run_action, ballot), counted)

    def pause(self, first: int, _: int) -> bool:
        """An operator throws a switch."""
        if self._busy():
            return False
        self._throw(SCOPES[first % len(SCOPES)])
        return True

    def _throw(self, scope: str) -> Actor:
        self.counts["switches"] += 1

        def named(actor: Actor) -> None:
            if actor.answer is not None:
                self.promises.named.setdefault(scope, set()).update(actor.answer["in_flight"])

        request = proven({"action": "pause", "scope": scope, "reason": "test"}, "ops", self.world.clock())
        return self._ask(f"pause {scope}", functools.partial(operator_handler.run_action, request), named)

    def unpause(self, first: int, _: int) -> bool:
        """An operator lifts one."""
        switch = _nth(self.world.table.kill_switches(), first)
        if self._busy() or switch is None:
            return False
        self._lift(switch.scope)
        return True

    def _lift(self, scope: str) -> None:
        self.promises.named.pop(scope, None)
        request = proven({"action": "unpause", "scope": scope}, "ops", self.world.clock())
        self._ask(f"unpause {scope}", functools.partial(operator_handler.run_action, request))

    def ask_back(self, first: int, _: int) -> bool:
        """An operator wants the candidate of a model back, whether or not one is on trial."""
        if self._busy() or (execution := _nth(self._living(), first)) is None:
            return False
        run = self.world.table.run(execution.name)
        if run is None:
            return False
        asked = {"action": "rollback", "model": run.model, "reason": "test"}
        request = proven(asked, "ops", self.world.clock())
        self._ask(f"rollback {run.model}", functools.partial(operator_handler.run_action, request))
        return True

    def mend(self, first: int, _: int) -> bool:
        """An operator sets an endpoint to its champion as the runbook says, and unfreezes its model."""
        model = tuple(ENDPOINTS)[first % len(ENDPOINTS)]
        endpoint, state = ENDPOINTS[model], self.world.table.model(model)
        intention = self.world.table.intention(endpoint_subject(endpoint))
        settled = intention is None or intention.settled(self.world.clock())
        if self._busy() or not state.frozen_reason or state.active_run_id:
            return False
        if endpoint in self.outsiders.moving() or not settled:
            return False
        self.outsiders.mend(endpoint)
        request = proven({"action": "unfreeze", "model": model, "reason": "mended"}, "ops", self.world.clock())
        self._ask(f"unfreeze {model}", functools.partial(operator_handler.run_action, request))
        return True

    # Teams and AWS.

    def policy(self, first: int, second: int) -> bool:
        """A team changes its policy, breaks it, deletes it, or writes it as it was."""
        model = MODELS[first % len(MODELS)]
        match second % 6:
            case 0:
                self.outsiders.write_policy(model, mode="shadow")
            case 1:
                self.outsiders.write_policy(model, evaluation={"metric": "auc", "minimum": 0.1})
            case 2:
                self.outsiders.break_policy(model)
            case 3 if model != self.world.settings.default_model:
                self.outsiders.delete_policy(model)
            case _:
                self.outsiders.write_policy(model)
        return True

    def training_ends(self, first: int, second: int) -> bool:
        """A training is over: well, with a report that fails its gates, or badly; and an event says so."""
        if (training := _nth(self.outsiders.trainings(), first)) is None:
            return False
        self.outsiders.end_training(training, ("good", "good", "good", "bad", "failed")[second % 5])
        return True

    def deployment_ends(self, first: int, second: int) -> bool:
        """A team's own deployment is over."""
        if (name := _nth(self.outsiders.deployments(), first)) is None:
            return False
        self.outsiders.end_deployment(name, well=second % 3 > 0)
        return True

    def endpoint_settles(self, first: int, second: int) -> bool:
        """An endpoint's update is over, perhaps by SageMaker's own rollback."""
        if (name := _nth(self.outsiders.moving(), first)) is None:
            return False
        self.outsiders.settle(name, fails=second % 4 == 0)
        return True

    def foreign_deployment(self, first: int, _: int) -> bool:
        """Somebody else begins to deploy."""
        return self.outsiders.deploy(tuple(ENDPOINTS.values())[first % len(ENDPOINTS)])

    def alarm(self, first: int, _: int) -> bool:
        """The alarm of a policy changes."""
        self.outsiders.ring(("OK", "OK", "ALARM", "INSUFFICIENT_DATA")[first % 4])
        return True

    def overwrite(self, first: int, _: int) -> bool:
        """Somebody writes a candidate once more."""
        if (uri := _nth(self.outsiders.artifacts(), first)) is None:
            return False
        self.outsiders.overwrite(uri)
        return True

    # Executions.

    def stop(self, first: int, second: int) -> bool:
        """An execution is stopped, fails or times out; what it asked for goes on."""
        if (execution := _nth(self._living(), first)) is None:
            return False
        self._stop(execution, ("ABORTED", "FAILED", "TIMED_OUT")[second % 3])
        return True

    def redrive(self, first: int, _: int) -> bool:
        """An administrator redrives an execution that did not end well."""
        dead = [found for found in self.executions.values() if found.status in {"ABORTED", "FAILED", "TIMED_OUT"}]
        execution = _nth(dead, first)
        if self._busy() or execution is None:
            return False
        if execution.redriven():
            self.world.executions.end(execution.arn, "RUNNING")
            self._invoke(execution)
        else:
            # It ended in a state that fails, and so it does again.
            self._ended(execution)
        return True

    def doubled(self, first: int, _: int) -> bool:
        """Step Functions hears no answer and asks again while the first invocation goes on."""
        execution = _nth([found for found in self._living() if self._invocations.get(found.name) is not None], first)
        if self._busy() or execution is None:
            return False
        self._give_up(execution)
        return True

    def go_well(self, first: int, second: int) -> bool:
        """All goes well for a while with one execution: what it waits for comes to pass."""
        if (execution := _nth(self._living(), first)) is None:
            return False
        for _ in range(1 + second % 4):
            self._go_well(execution)
        return True

    def strike(self, first: int, second: int) -> bool:
        """A run comes to where the hand has an effect, and just before it what stops the run happens, all of it."""
        if (execution := _nth(self._living(), first)) is None:
            return False
        for _ in range(6):
            if not execution.alive or (execution.asks_hand and self._invocations.get(execution.name) is not None):
                break
            self._go_well(execution)
        actor, run = self._invocations.get(execution.name), self.world.table.run(execution.name)
        for _ in range(1 + first % 2):
            if actor is None or actor.over or run is None or not execution.asks_hand:
                return True
            self._step(actor)
            while not actor.over and not _at_effect(actor):
                self._step(actor)
        if actor is not None and run is not None and not actor.over:
            self._strike(execution, run.model, STRIKES[second % len(STRIKES)], second // len(STRIKES))
        return True

    def _strike(self, execution: Execution, model: str, what: str, how: int) -> None:
        endpoint = ENDPOINTS.get(model)
        if what == "pause":
            self._finish(self._throw(("global", f"model:{model}", "source:drift_report")[how % 3]))
        elif what == "stop":
            self._stop(execution, ("ABORTED", "FAILED", "TIMED_OUT")[how % 3])
            self._finish(self._tell(self.outsiders.events.pop()))
        elif what == "deploy" and endpoint is not None:
            if self.outsiders.deploy(endpoint) and how % 2:
                self.outsiders.settle(endpoint)
        else:
            self._give_up(execution)

    def _go_well(self, execution: Execution) -> None:
        if (actor := self._invocations.get(execution.name)) is not None:
            self._finish(actor)
        run = self.world.table.run(execution.name)
        if not execution.alive or run is None or self._invocations.get(execution.name) is not None:
            return
        events = self.outsiders.events
        told = len(events)
        if execution.state == "TriggerTrainingPipeline":
            for training in self.outsiders.trainings():
                if training.run_id == execution.name:
                    self.outsiders.end_training(training, "good")
        elif ENDPOINTS.get(run.model) in self.outsiders.moving():
            self.outsiders.settle(ENDPOINTS[run.model])
        elif "Approval" in execution.state:
            for by in PEOPLE:
                self._finish(self._vote(execution.name, by, "APPROVED"))
        while len(events) > told:
            self._finish(self._tell(events.pop()))

    def _stop(self, execution: Execution, status: str) -> None:
        execution.status = status
        self._ended(execution)

    def _give_up(self, execution: Execution) -> None:
        self._failed(execution, "Lambda.SdkClientException", "connection reset")

    def _living(self) -> list[Execution]:
        return [execution for execution in self.executions.values() if execution.alive]

    def _execute(self, name: str, event: dict[str, Any]) -> None:
        execution = self.executions[name] = Execution(name, event)
        self.world.executions.started.setdefault(name, event)
        self.world.executions.end(execution.arn, "RUNNING")
        self._invoke(execution)

    def _invoke(self, execution: Execution) -> None:
        request, entry = execution.request(), promotion_handler if execution.asks_hand else handler
        sight = self.promises.sight(execution.name)

        def returned(actor: Actor) -> None:
            if self._invocations.get(execution.name) is actor:
                self._invocations[execution.name] = None
                self._returned(execution, actor)

        name = f"{execution.name}:{execution.action}"
        actor = self._ask(name, functools.partial(entry.run_action, request), returned)
        # Each of them makes a call before it ends.
        assert not actor.over, actor.error
        self._invocations[execution.name] = actor
        if execution.asks_hand:
            self.promises.begins(actor, sight)

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
        self._forget(execution)
        seconds = execution.failed(error, cause)
        if seconds is None:
            self._next(execution)
        else:
            self._again[execution.name] = self.world.clock() + timedelta(seconds=seconds)

    def _go_on(self, execution: Execution) -> None:
        answer = self.world.executions.answers[str(execution.token)]
        self._forget(execution)
        execution.answered(answer)
        self._next(execution)

    def _next(self, execution: Execution) -> None:
        if execution.alive:
            self._invoke(execution)
        else:
            self._ended(execution)

    def _ended(self, execution: Execution) -> None:
        self._forget(execution)
        self._again.pop(execution.name, None)
        self.world.executions.end(execution.arn, execution.status)
        if execution.status != "SUCCEEDED":
            self.outsiders.tell_ended(MACHINE, execution.arn, execution.name, execution.status)

    def _forget(self, execution: Execution) -> None:
        """Nobody waits for what the state asked for any more; the invocation may go on all the same."""
        self._invocations[execution.name] = None
        if execution.token is not None:
            self.world.executions.answers.setdefault(execution.token, DEAD)
            execution.token = None

    def _busy(self) -> bool:
        return len(self.scheduler.actors) >= AT_ONCE

    def _ask(
        self, name: str, work: Callable[[Any], dict[str, Any]], over: Callable[[Actor], object] = lambda _: None
    ) -> Actor:
        def ended(actor: Actor) -> None:
            swept = isinstance(actor.error, RuntimeError) and "of work failed" in str(actor.error)
            promised(swept or planned(actor.error), f"errors: {actor.name} fails as nobody planned: {actor.error!r}")
            over(actor)

        self.counts["actions"] += 1
        return self.scheduler.begin(name, functools.partial(work, self.world.ports), ended)

    # Quiet.

    def come_to_rest(self, *_: int) -> bool:
        """Everything that goes on ends, and nothing comes from outside but sweeps; then all promises are looked at."""
        self.rest()
        for model in MODELS:
            self.outsiders.write_policy(model)
        self.outsiders.ring("OK")
        for switch in self.world.table.kill_switches():
            self._lift(switch.scope)
            self.rest()
        for sweeps in range(60):
            # The later ones are for what comes seldom: a model that was taken out is looked at every six hours.
            self._pass(300 if sweeps < 30 else 3600)
            self._everything_ends()
            self.rest()
            if self._swept() and self._quiet():
                break
        due = [f"{item.kind} {item.subject}" for item in self.world.table.due_items()]
        living = [f"{execution.name} in {execution.state}" for execution in self._living()]
        promised(self._quiet(), f"quiet: it never is; due {due}, running {living}")
        self.promises.kept(list(self.executions))
        self._can_be_retrained()
        return True

    def _everything_ends(self) -> None:
        for name in self.outsiders.moving():
            self.outsiders.settle(name)
        for training in self.outsiders.trainings():
            run = self.world.table.run(training.run_id)
            # What a run that is over left is stopped by the loop, and not ended by itself.
            if training.stopping or (run is not None and run.outcome is None):
                self.outsiders.end_training(training, "good")
        for name in self.outsiders.deployments():
            self.outsiders.end_deployment(name, well=True)
        # No event is heard of any more.
        self.outsiders.events.clear()

    def _swept(self) -> bool:
        """Sweep once, unharmed; True when all of it could be done."""
        ended: list[Actor] = []
        self._ask("sweep", functools.partial(handler.run_action, {"action": "sweep"}), ended.append)
        self.rest()
        return ended[0].error is None

    def _quiet(self) -> bool:
        return not self._living() and not self.scheduler.actors and not self.world.table.due_items()

    def _can_be_retrained(self) -> None:
        """The next signal of each model is decided, and trains unless people froze the model."""
        for model in MODELS:
            name = f"next-{next(self._numbers)}"
            self._execute(name, drift(model=model, dedupe_key=name))
            while (actor := self._invocations.get(name)) is not None and actor.name.endswith(":admit"):
                self._step(actor)
            seen = self.world.table.decision_of(name)
            decision = self.world.table.record_of(seen)["decision"] if seen else None
            frozen = self.world.table.model(model).frozen_reason
            promised(decision == ("HOLD" if frozen else "RETRAIN"), f"next: {model} is {decision}, frozen: {frozen}")


MOVES: Final[dict[str, Callable[[StackInMotion, int, int], bool]]] = {
    move.__name__: move
    for move in (
        StackInMotion.calls,
        StackInMotion.up_to_write,
        StackInMotion.crowd,
        StackInMotion.finish,
        StackInMotion.rest,
        StackInMotion.seconds_pass,
        StackInMotion.minutes_pass,
        StackInMotion.signal,
        StackInMotion.event,
        StackInMotion.sweep,
        StackInMotion.vote,
        StackInMotion.pause,
        StackInMotion.unpause,
        StackInMotion.ask_back,
        StackInMotion.mend,
        StackInMotion.policy,
        StackInMotion.training_ends,
        StackInMotion.deployment_ends,
        StackInMotion.endpoint_settles,
        StackInMotion.foreign_deployment,
        StackInMotion.alarm,
        StackInMotion.overwrite,
        StackInMotion.stop,
        StackInMotion.redrive,
        StackInMotion.doubled,
        StackInMotion.go_well,
        StackInMotion.strike,
        StackInMotion.come_to_rest,
    )
}


def _nth(found: Any, number: int) -> Any:
    """One of what was found, None when that is nothing."""
    return found[number % len(found)] if found else None


def _at_effect(actor: Actor) -> bool:
    """True when an invocation of the hand stands before a forward effect, or before the transaction that opens one."""
    opens = not actor.reads and any(pk.startswith("INTENT#") for pk, _ in actor.about)
    return opens or actor.call in EFFECTS


@contextmanager
def _logged_errors() -> Iterator[list[BaseException]]:
    """Collect the errors that the loop logs and goes on after, and that are none of those it may: faults of its own."""
    log, found = logging.getLogger("orchestration"), []
    before = log.level, log.propagate, log.handlers

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if error is not None and not planned(error):
                found.append(error)

    log.handlers, log.propagate = [Collect()], False
    log.setLevel(logging.ERROR)
    try:
        yield found
    finally:
        log.level, log.propagate, log.handlers = before
