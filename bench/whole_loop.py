"""The deployed loop on the embedded AWS: how soon an event is decided, how long a run takes, what each path costs.

The embedded AWS skips waits and trains nothing here, so the times are those of the loop itself: every state, every call,
every record. They say how the parts compare and whether a change made the loop slower; AWS has latencies of its own.
Transitions are the same in AWS, and so is their price.
"""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bench.spread import Spread
from bench.stack import PATIENCE_SECONDS, deployed_loop, expect
from orchestration.domain.prices import packaged_prices
from tests.stack.loop import CHAMPION, Loop

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS: Final = 16

AIMS: Final = {
    "the decision file says NO": 3,
    "drift that is only observed": 3,
    "a promotion": 16,
    "a promotion with both approvals": 20,
}
"""Transitions that a path is to have at most."""


@dataclass(frozen=True, slots=True)
class WorkflowPath:
    """One way through the workflow: where it ended and through how many states."""

    name: str
    end: str
    transitions: int
    seconds: float

    @property
    def price(self) -> float:
        """List price of its transitions in US dollars, in the Region of the package's prices."""
        return self.transitions * (packaged_prices().transition or 0.0)


@dataclass(frozen=True, slots=True)
class LoopTimes:
    """Seconds, and signals decided in a second."""

    event_to_decision: Spread
    event_to_promotion: Spread
    signals: int
    signals_per_second: float
    paths: tuple[WorkflowPath, ...]


def measure_loop(runs: int, signals: int, step: Callable[[str], None]) -> LoopTimes:
    """Deploy the loop and send it through its paths.

    Args:
        runs: events sent through EventBridge, one after the other.
        signals: signals decided at once, from 16 threads.
        step: told after each step what was done.

    Raises:
        PathError: a path did not end where it should.
    """
    with deployed_loop() as loop:
        step("the loop is deployed")
        decided, promoted = [], []
        for run in range(1, runs + 1):
            decision, whole = _one_event(loop)
            decided.append(decision)
            promoted.append(whole)
            step(f"event {run} of {runs} led to a promotion")
        rate = _signals_per_second(loop, signals)
        step(f"{signals} signals are decided")
        paths = []
        for name, result, start in PATHS:
            paths.append(_path(loop, name, result, start))
            step(f"path: {name}")
    return LoopTimes(Spread.of(decided), Spread.of(promoted), signals, rate, tuple(paths))


def loop_table(measured: LoopTimes) -> str:
    """The times and paths of the loop as tables in Markdown."""
    lines = [
        f"Median of {measured.event_to_decision.count} events, least and most in brackets.",
        "",
        "| Loop | |",
        "| --- | ---: |",
        f"| event to decision | {measured.event_to_decision.text(1, 's', 2)} |",
        f"| event to promoted model, training not counted | {measured.event_to_promotion.text(1, 's', 2)} |",
        f"| signals decided in a second, {THREADS} at once, of some hundreds | {measured.signals_per_second:.0f} |",
        "",
        "| Path | ends in | transitions | aim | list price of 1,000 |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for path in measured.paths:
        aim = f"≤ {AIMS[path.name]}" if path.name in AIMS else ""
        lines.append(f"| {path.name} | `{path.end}` | {path.transitions} | {aim} | ${path.price * 1000:.3f} |")
    return "\n".join(lines)


# -- Times --------------------------------------------------------------------------------------------------------


def _one_event(loop: Loop) -> tuple[float, float]:
    """Seconds from PutEvents to the decision and to the end of the run, by the clock of the execution's history."""
    model = loop.model()
    before = loop.executions()
    began = time.time()
    loop.send(loop.drift(model)["detail"], detail_type="Drift Detected")
    arn = loop.until(lambda: next((arn for arn in loop.executions() - before if model in loop.input_of(arn)), None))
    ended = loop.ended(arn, within=PATIENCE_SECONDS)
    expect("event", ended.output.get("outcome"), "PROMOTED")
    history = _history(loop, arn)
    # The first state is the one that decides.
    decided = next(event["timestamp"].timestamp() for event in history if "stateExitedEventDetails" in event)
    return decided - began, history[-1]["timestamp"].timestamp() - began


def _history(loop: Loop, arn: str) -> list[dict[str, Any]]:
    pages = loop.aws.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


def _signals_per_second(loop: Loop, signals: int) -> float:
    """How many signals the function decides in a second when 16 callers ask at once, for 16 models."""
    callers = min(THREADS, signals)
    models = [loop.model() for _ in range(callers)]
    events = [
        loop.drift(models[number % callers], observed=0.25, dedupe_key=uuid.uuid4().hex) for number in range(signals)
    ]

    def admit(event: dict[str, Any]) -> str:
        name = str(uuid.uuid4())
        execution = {"id": f"{loop.machine.replace(':stateMachine:', ':execution:')}:{name}", "name": name}
        return str(loop.invoke({"action": "admit", "execution": execution, "event": event})["decision"])

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(admit, [loop.drift(model, observed=0.21) for model in models]))  # every worker is warm
        began = time.perf_counter()
        decisions = list(pool.map(admit, events))
        took = time.perf_counter() - began
    expect("signals", set(decisions), {"OBSERVE"})
    return signals / took


# -- Paths --------------------------------------------------------------------------------------------------------


def _path(loop: Loop, name: str, result: str, start: Callable[[Loop], str]) -> WorkflowPath:
    """Send one run along a path; through which states it went is the history's to say.

    Args:
        loop: the deployed loop.
        name: what the table calls the path.
        result: the run's outcome, or its error when it fails.
        start: starts the run and gives its ARN.

    Raises:
        PathError: the run ended otherwise.
    """
    began = time.perf_counter()
    arn = start(loop)
    ended = loop.ended(arn, within=PATIENCE_SECONDS)
    took = time.perf_counter() - began
    expect(name, ended.error or ended.output.get("outcome"), result)
    states = loop.states(arn)
    return WorkflowPath(name, states[-1], len(states), took)


def _decision_file_says_no(loop: Loop) -> str:
    key = "monitoring_outputs/retraining_decision/retraining_decision.csv"
    before = loop.executions()
    loop.put(key, b"retraining_required\nNO\n", bucket=loop.bucket)
    return str(loop.until(lambda: next(iter(loop.executions() - before), None)))


def _mild_drift(loop: Loop) -> str:
    return loop.start(loop.drift(loop.model(), observed=0.25))


def _worse_candidate(loop: Loop) -> str:
    report = loop.evaluation({"auc": 0.84, "recall": 0.8}, CHAMPION)
    return loop.start(loop.drift(loop.model(evaluation=report)))


def _failing_training(loop: Loop) -> str:
    return loop.start(loop.drift(loop.model(training=loop.failing_training())))


def _promotion(loop: Loop) -> str:
    return loop.start(loop.drift(loop.model()))


def _approved_promotion(loop: Loop) -> str:
    arn = loop.start(loop.drift(loop.model(approval={"training": "always", "promotion": "always"})))
    run_id = arn.rsplit(":", 1)[-1]
    for subject in ("training", "promotion"):
        loop.until(partial(loop.item, f"APPROVAL#{run_id}", subject), within=PATIENCE_SECONDS)
        loop.approve(run_id, by="bench")
    return arn


def _rolled_back_by_sagemaker(loop: Loop) -> str:
    model = loop.model()
    loop.aws.tell_endpoint(f"{model}-prod", "roll_back")
    return loop.start(loop.drift(model))


PATHS: Final[tuple[tuple[str, str, Callable[[Loop], str]], ...]] = (
    ("the decision file says NO", "SKIP", _decision_file_says_no),
    ("drift that is only observed", "OBSERVE", _mild_drift),
    ("a failed training", "TrainingFailed", _failing_training),
    ("a candidate that fails a gate", "CANDIDATE_REJECTED", _worse_candidate),
    ("a promotion that SageMaker rolls back", "RolledBack", _rolled_back_by_sagemaker),
    ("a promotion", "PROMOTED", _promotion),
    ("a promotion with both approvals", "PROMOTED", _approved_promotion),
)
