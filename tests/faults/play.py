"""Playing one case: a story, with a fault or an intervention put into it, to its end and through the sweeps after it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.faults.stories import Story, drift, training
from tests.stack import teams

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.place import Place
    from tests.faults.promises import Left

QUIET_SECONDS: Final = 0.15
"""Nothing moves any more when no function has run for this long: a state machine goes on, and an event comes, in less."""

LOOKED_SECONDS: Final = 0.1
"""So often a case is looked at while no function calls anything."""

ASKED_AGAIN: Final = 4
PAUSED_SECONDS: Final = 60
"""After so many tries the workflow would have paused for about a minute."""

LIMIT_SECONDS: Final = 60.0

SWEEPS: Final = (300, 900, 2_000, 4_000, 8_000, 16_000)
"""Clocks of the sweeps after a story, in seconds ahead: each later than what the one before may have put off."""

DAYS: Final = (100_000, 200_000, 300_000)
"""The same where somebody is still asked: an approval that nobody gives takes its three days."""


@dataclass
class Intervention:
    """What somebody does to a case when ``when`` is true, once."""

    when: Callable[[Play], bool]
    does: Callable[[Play], None]


@dataclass
class Play:
    """One case while it is played.

    Attributes:
        place: where.
        story: which story.
        name: of the case, its model, and the beginning of its executions' names.
        fault: the rule of what goes wrong.
        interventions: what somebody does beside it.
        done: names of what was done once.
        kept: what the story keeps.
        clock: how many seconds the functions' clock is ahead.
        loud: errors functions ended in that were invoked here.
        also: what this case alone asks of what was left.
        before: done when all is set up.
        at_rest: done one after the other when nothing moves any more.
        at_end: done when the case is over.
    """

    place: Place
    story: Story
    name: str
    fault: dict[str, Any] | None = None
    interventions: list[Intervention] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    kept: dict[str, Any] = field(default_factory=dict)
    clock: float = 0
    lifted: bool = False
    loud: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    skew: float = 0
    also: Callable[[Left], list[str]] | None = None
    before: Callable[[], None] | None = None
    _read: int = 0
    _asked_again: int = 0
    at_rest: list[Callable[[], Any]] = field(default_factory=list)
    at_end: list[Callable[[], Any]] = field(default_factory=list)

    def wrong(self, left: Left) -> list[str]:
        """What this case alone asks of what was left."""
        return self.also(left) if self.also else []

    # Setting up.

    @property
    def endpoint(self) -> str:
        """The endpoint of the case's model."""
        return f"{self.name}-prod"

    @property
    def run(self) -> str:
        """The run of the last signal sent."""
        return self.runs[-1]

    def set_up(self) -> None:
        """Bring the model under the loop. Its endpoint was made before, by the place."""
        policy: dict[str, Any] = {
            "training": {"target": training(self)},
            "actions": {"info": "observe", "warning": "observe", "critical": "retrain"},
            "evaluation": {
                "metric": "auc",
                "minimum": 0.8,
                "min_improvement": 0.01,
                "guards": [{"metric": "recall", "minimum": 0.7}],
            },
            "cooldown_hours": 0,
            "budget": {"runs": 0},
            "breaker": {"fruitless_runs": 0},
            "approval": {"training": "never", "promotion": "never", "approvals_needed": 1},
            "promotion": {"endpoint": self.endpoint, "bake_minutes": 0},
        }
        self.policy = policy | self.story.policy(self)
        self.place.loop.policy(self.name, **self.policy)
        self.tell()
        if self.before:
            self.before()

    def tell(self) -> None:
        """Tell the functions what goes wrong from now on, and what time it is."""
        self.place.tell(self.name, fault=self.fault, clock=self.clock + self.skew, lifted=self.lifted)

    # What the story asks.

    def once(self, what: str) -> bool:
        """True the first time it is asked for this."""
        if what in self.done:
            return False
        self.done.add(what)
        return True

    def waits_for(self, what: str, run: str | None = None) -> bool:
        """True when the run waits: for ``slot``, ``training``, ``bake`` and so on, or ``approval:<subject>``."""
        run = run or self.run
        kind, _, subject = what.partition(":")
        key = (f"APPROVAL#{run}", subject) if subject else (f"WAIT#{run}", kind)
        item = self.place.loop.item(*key)
        return item is not None and item["state"]["S"] == "PARKED"

    def frozen(self) -> bool:
        """True when the model's breaker is open."""
        return "frozen_reason" in (self.place.loop.item(f"MODEL#{self.name}", "STATE") or {})

    def executions(self) -> list[str]:
        """ARNs of the loop's executions that run; one case is played at a time."""
        found = self.place.aws.client("stepfunctions").list_executions(
            stateMachineArn=self.place.loop.machine, statusFilter="RUNNING"
        )
        return [each["executionArn"] for each in found["executions"]]

    def stop_executions(self) -> None:
        """Stop the loop's executions, as an operator does."""
        for arn in self.executions():
            self.place.aws.client("stepfunctions").stop_execution(executionArn=arn, error="Operator", cause="a case")

    def operate(self, **request: Any) -> bool:
        """Ask OperatorFunction something; an operator who gets an error asks again when that may help."""
        answered = self._asked("OperatorFunctionName", request, "operator")
        if not answered and (self.fault is None or self.fault.get("retried", True)):
            answered = self._asked("OperatorFunctionName", request, "operator")
        return answered

    def vote(self, subject: str, decision: str) -> bool:
        """Answer what the run asks, from a terminal."""
        request = {"action": "decide", "run_id": self.run, "subject": subject, "decision": decision}
        return self._asked("VoteFunctionName", request, "reviewer")

    def _asked(self, function: str, request: dict[str, Any], by: str) -> bool:
        return self.invoke(function, self.place.loop.proven(request, by))

    def invoke(self, function: str, request: dict[str, Any]) -> bool:
        """Invoke a function; False when it ended in an error, which is kept."""
        answer = self.place.aws.client("lambda").invoke(
            FunctionName=self.place.loop.outputs[function], Payload=json.dumps(request).encode()
        )
        payload = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            self.loud.append(f"{request.get('action')}: {payload}"[:500])
            return False
        return True

    # Playing.

    def play(self) -> None:
        """Play the story to where nothing moves any more."""
        for number in range(self.story.signals):
            self.runs.append(f"{self.name}-{number + 1}")
            self.place.loop.start(drift(self, number), name=self.run)
            self.until_quiet()
        while self.at_rest:
            self.at_rest.pop(0)()
            self.until_quiet()

    def until_quiet(self) -> None:
        """Go on with the story until its executions ended or nothing moves, and no event is under way.

        Raises:
            TimeoutError: it did not come to rest.
        """
        began = moved = time.monotonic()
        lines, looked = -1, 0.0
        while True:
            if self._weight() == lines and time.monotonic() - looked < LOOKED_SECONDS:
                # Nothing was called since: to ask AWS again costs more than all that a case does.
                time.sleep(0.02)
                continue
            looked = time.monotonic()
            self._react()
            seen, now = self._weight(), time.monotonic()
            self._let_time_pass()
            if seen != lines or self.place.aws.functions_running():
                lines, moved = seen, now
            elif now - moved > QUIET_SECONDS:
                if not self._under_way() and not self._delivered_again():
                    return
                moved = now
            if now - began > LIMIT_SECONDS:
                raise TimeoutError(f"{self.name} did not come to rest: {self.executions()}")
            time.sleep(0.02)

    def _let_time_pass(self) -> None:
        """A workflow that asks again and again pauses in between, which is cut short here: then it is later."""
        file = self.place.folder / self.name / "calls.jsonl"
        if not file.exists():
            return
        with file.open("rb") as lines:
            lines.seek(self._read)
            new = lines.read()
        self._read += len(new)
        self._asked_again += new.count(b'"error": "NotAcceptedYetError')
        if self._asked_again >= ASKED_AGAIN:
            self._asked_again = 0
            self.clock += PAUSED_SECONDS
            self.tell()

    def _under_way(self) -> bool:
        """True while an endpoint moves or a job runs, of whose end an event will tell."""
        sagemaker = self.place.aws.client("sagemaker")
        listed = sagemaker.list_endpoints(NameContains=self.name)["Endpoints"]
        if any(each["EndpointStatus"] not in {"InService", "Failed"} for each in listed):
            return True
        if "target" in self.policy["training"] and ":stateMachine:" in self.policy["training"]["target"]:
            return False
        pipelines = (
            sagemaker.list_pipeline_executions(PipelineName=self.policy["training"]["target"])[
                "PipelineExecutionSummaries"
            ]
            if ":pipeline/" in self.policy["training"]["target"]
            else []
        )
        jobs = sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
        return bool(jobs) or any(each["PipelineExecutionStatus"] in {"Executing", "Stopping"} for each in pipelines)

    def _weight(self) -> int:
        file = self.place.folder / self.name / "calls.jsonl"
        return file.stat().st_size if file.exists() else 0

    def _react(self) -> None:
        for subject, decision in self.story.votes.items():
            if f"voted {subject}" not in self.done and self.waits_for(f"approval:{subject}"):
                self.done.add(f"voted {subject}")
                self._vote(subject, decision)
        self.story.goes_on(self)
        for intervention in [each for each in self.interventions if each.when(self)]:
            self.interventions.remove(intervention)
            intervention.does(self)

    def _vote(self, subject: str, decision: str) -> None:
        if not self.vote(subject, decision) and (self.fault is None or self.fault.get("retried", True)):
            self.vote(subject, decision)

    def _delivered_again(self) -> bool:
        """Deliver an event again whose function failed, as Lambda's asynchronous invocation does; False when none did."""
        fired = self.place.fired(self.name)
        if not (fired and self.fault and self.fault["retried"]) or "delivered again" in self.done:
            return False
        self.done.add("delivered again")
        if not (fired["label"].startswith("resume.") or fired["label"] == "settle"):
            return False
        self.invoke("OrchestrationFunctionName", fired["event"])
        return True

    # After it.

    def sweep(self) -> None:
        """Sweep, as the schedule does; a schedule's next sweep comes after one that failed."""
        self.invoke("OrchestrationFunctionName", {"action": "sweep"})

    def sweep_ahead(self) -> None:
        """Sweep what is due within ten minutes: the clock does not go on, since functions may be at work."""
        self.invoke("OrchestrationFunctionName", {"action": "sweep", "ahead_seconds": 600})

    def finish(self) -> None:
        """Sweep at later and later times until nothing is left, going on with the story meanwhile."""
        clocks = [self.clock + ahead for ahead in SWEEPS]
        if self.story.ahead:
            clocks += [clocks[-1] + int(self.story.ahead * 3600 * part) for part in (0.4, 0.7, 1.0, 1.1, 1.2)]
        days = list(DAYS)
        while not self.clean() and clocks:
            self.clock = clocks.pop(0)
            self.tell()
            self.sweep()
            self.until_quiet()
            if not clocks and days and self.executions():
                clocks, days = [self.clock + ahead for ahead in days], []

    def clean(self) -> bool:
        """True when nothing is due, waits or runs any more."""
        if self.executions():
            return False
        left = {"ACTIVE", "SLOTS", "DUE"}
        for item in self.place.items():
            kind = item["pk"].split("#")[0]
            if kind in left and not (kind == "SLOTS" and item["sk"] == "LEDGER" and not item["holders"]):
                return False
        return True

    def tear_down(self) -> None:
        """Leave nothing of the case that could stand in the way of the next."""
        self.fault, self.clock, self.skew = None, 0, 0
        self.tell()
        for end in self.at_end:
            end()
        self.stop_executions()
        held: teams.Held | None = self.kept.get("held")
        if held is not None:
            for each in held.executions():
                if each["status"] == "RUNNING":
                    self.place.aws.client("stepfunctions").stop_execution(executionArn=each["executionArn"])
        self.interventions.clear()
        self.story = Story("over", "")
        self.until_quiet()
        self.place.wipe()
        self.place.messages()
