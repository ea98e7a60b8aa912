"""The workflow as Step Functions runs it, from the file that is deployed, as far as its definition goes.

An ``Execution`` says what its current state asks of which function, and takes an answer, an error or a token's result; retries
and catches are those of the definition.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.unit.fakes import execution_arn

DEFINITION: Final = json.loads((Path(__file__).parents[2] / "statemachine.asl.json").read_text(encoding="utf-8"))
STATES: Final[dict[str, dict[str, Any]]] = DEFINITION["States"]
CONDITION: Final = re.compile(r"\{% \$(\w+) = '(\w+)' %\}")
RESULT: Final = re.compile(r"\{% \$states\.result(?:\.Payload)?\.(\w+) %\}")
HAND: Final = "${PromotionFunctionArn}"


@dataclass
class Execution:
    """One execution: its state, the words it keeps, and how often the state was tried.

    ``token`` is the live one of a state that waits; ``again_after`` seconds have to pass before the state is entered again.
    """

    name: str
    event: Any
    state: str = DEFINITION["StartAt"]
    status: str = "RUNNING"
    token: str | None = None
    failure: dict[str, str] | None = None
    words: dict[str, str] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    tokens: int = 0

    @property
    def arn(self) -> str:
        """Its ARN."""
        return execution_arn(self.name)

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self.status == "RUNNING"

    @property
    def waits(self) -> bool:
        """True when the state's end comes by its token."""
        return str(STATES[self.state]["Resource"]).endswith(".waitForTaskToken")

    @property
    def asks_hand(self) -> bool:
        """True when the state asks PromotionFunction."""
        return str(STATES[self.state]["Arguments"]["FunctionName"]) == HAND

    @property
    def action(self) -> str:
        """What the state asks for."""
        return str(STATES[self.state]["Arguments"]["Payload"]["action"])

    def request(self) -> dict[str, Any]:
        """What the state sends to its function; a state that waits makes a new token."""
        self.token = None
        if self.waits:
            self.tokens += 1
            self.token = f"{self.name}/{self.tokens}"
        known = {
            "{% $states.context.Execution.Id %}": self.arn,
            "{% $states.context.Execution.Name %}": self.name,
            "{% $states.context.Execution.Input %}": self.event,
            "{% $states.context.Task.Token %}": self.token,
            "{% $failure %}": self.failure,
        }
        payload: dict[str, Any] = STATES[self.state]["Arguments"]["Payload"]
        return {
            name: {key: known[value] for key, value in asked.items()}
            if isinstance(asked, dict)
            else known.get(asked, asked)
            for name, asked in payload.items()
        }

    def answered(self, answer: dict[str, Any]) -> None:
        """The state is over with this answer."""
        state = STATES[self.state]
        for name, value in state.get("Assign", {}).items():
            if name == "failure":
                self.failure = None
            else:
                match = RESULT.fullmatch(value)
                assert match is not None, value
                self.words[name] = str(answer[match[1]])
        self._enter(state["Next"])

    def failed(self, error: str, cause: str) -> float | None:
        """The state failed: seconds until it is tried again, None when its catch was taken."""
        state = STATES[self.state]
        for place, retrier in enumerate(state["Retry"]):
            if error in retrier["ErrorEquals"]:
                if self.tries[place] >= retrier["MaxAttempts"]:
                    break
                self.tries[place] += 1
                seconds = float(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** min(self.tries[place] - 1, 10))
                # Half of it, for the jitter.
                return min(seconds, float(retrier["MaxDelaySeconds"])) / 2
        (catch,) = state["Catch"]
        if "failure" in catch.get("Assign", {}):
            self.failure = {"error": error, "cause": cause}
        self._enter(catch["Next"])
        return None

    def redriven(self) -> bool:
        """Enter the state it was interrupted in again, with the words it kept. False when it ended in a state that fails."""
        if STATES[self.state]["Type"] != "Task":
            return False
        self.status, self.tries = "RUNNING", Counter()
        return True

    def _enter(self, name: str) -> None:
        """Go through choices to the next state that asks somebody, or to an end."""
        self.token, self.tries = None, Counter()
        while STATES[name]["Type"] == "Choice":
            name = self._chosen(STATES[name])
        if STATES[name].get("Resource", "").endswith(":::sns:publish"):
            # The escalation asks no function of ours.
            name = STATES[name]["Next"]
        self.state = name
        ends = {"Succeed": "SUCCEEDED", "Fail": "FAILED"}
        self.status = ends.get(STATES[name]["Type"], "RUNNING")

    def _chosen(self, state: dict[str, Any]) -> str:
        for choice in state["Choices"]:
            match = CONDITION.fullmatch(choice["Condition"])
            assert match is not None, choice
            if self.words.get(match[1]) == match[2]:
                return str(choice["Next"])
        return str(state["Default"])
