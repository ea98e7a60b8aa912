"""From an event to the start of a training: the loop beside a weekly workflow of four states, alternately on one embedded AWS.

The weekly workflow is what a team builds first: a rule starts a state machine, a function reads one word of a decision file, a
choice, and the training is started. It has no guard, no lock, no record and no message.
"""

from __future__ import annotations

import io
import json
import string
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.spread import Spread
from bench.stack import PATIENCE_SECONDS, deployed_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stack.loop import Loop

FOLDER: Final = Path(__file__).parent
SOURCE: Final = "bench.weekly"
KEY: Final = "weekly/decision.csv"
AIM: Final = 1.5


@dataclass(frozen=True, slots=True)
class TrainingStarts:
    """Seconds from PutEvents to the start of the training's execution."""

    loop: Spread
    weekly: Spread

    @property
    def ratio(self) -> float:
        """How many times as long as the weekly workflow the loop takes."""
        return self.loop.median / self.weekly.median


def measure_training_starts(rounds: int, step: Callable[[str], None]) -> TrainingStarts:
    """Have both start trainings in turn; the first round, in which every function is cold, is not counted.

    Args:
        rounds: how many are counted.
        step: told after each round.
    """
    with deployed_loop() as loop:
        training = _weekly(loop)
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(rounds + 1):
            # Whoever comes second may find the machine busier.
            if number % 2:
                ours.append(_by_loop(loop))
            theirs.append(_by_weekly(loop, training))
            if not number % 2:
                ours.append(_by_loop(loop))
            step(f"round {number} of {rounds}" if number else "both are warm")
    return TrainingStarts(Spread.of(ours[1:]), Spread.of(theirs[1:]))


def training_starts_table(measured: TrainingStarts) -> str:
    """The two and their ratio as a table in Markdown."""
    return "\n".join(
        (
            f"Median of {measured.loop.count} events each, least and most in brackets; functions are warm.",
            "",
            "| Event to training start | time | ratio | aim |",
            "| --- | ---: | ---: | ---: |",
            f"| weekly workflow of four states | {measured.weekly.text(1000, 'ms')} | 1.00 | |",
            f"| the loop | {measured.loop.text(1000, 'ms')} | {measured.ratio:.2f} | ≤ {AIM} |",
        )
    )


def _by_loop(loop: Loop) -> float:
    model = loop.model()
    training = json.loads(loop.read_bytes(f"policies/{model}.json"))["training"]["target"]
    before = loop.executions()
    began = time.time()
    loop.send(loop.drift(model)["detail"], detail_type="Drift Detected")
    started = _started(loop, training, set())
    (arn,) = (arn for arn in loop.executions() - before if model in loop.input_of(arn))
    loop.ended(arn, within=PATIENCE_SECONDS)
    return started - began


def _by_weekly(loop: Loop, training: str) -> float:
    before = {found["executionArn"] for found in _executions(loop, training)}
    began = time.time()
    loop.send({}, detail_type="It Is Monday", source=SOURCE)
    return _started(loop, training, before) - began


def _executions(loop: Loop, machine: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = loop.aws.client("stepfunctions").list_executions(stateMachineArn=machine)[
        "executions"
    ]
    return found


def _started(loop: Loop, machine: str, before: set[str]) -> float:
    """When the first execution of a machine that was not there before was started, by the clock of the service."""

    def found() -> Any:
        return [each for each in _executions(loop, machine) if each["executionArn"] not in before]

    return float(loop.until(found, within=PATIENCE_SECONDS)[0]["startDate"].timestamp())


def _weekly(loop: Loop) -> str:
    """Set the weekly workflow up beside the loop; give the ARN of its training."""
    loop.put(KEY, b"retraining_required\nYES\n")
    training = loop.training(None)
    role = _role(loop, loop.data_bucket)
    function = loop.aws.client("lambda").create_function(
        FunctionName="weekly-decision",
        Runtime="python3.13",
        Handler="weekly_handler.read_decision",
        Role=role,
        Code={"ZipFile": _package()},
        MemorySize=512,
        Environment={"Variables": {"DECISION_BUCKET": loop.data_bucket, "DECISION_KEY": KEY}},
    )["FunctionArn"]
    definition = string.Template((FOLDER / "weekly.asl.json").read_text(encoding="utf-8"))
    machine = loop.aws.client("stepfunctions").create_state_machine(
        name="weekly-workflow",
        definition=definition.safe_substitute(FunctionName=function, TrainingArn=training),
        roleArn=role,
    )["stateMachineArn"]
    events = loop.aws.client("events")
    events.put_rule(Name="weekly", EventPattern=json.dumps({"source": [SOURCE]}))
    events.put_targets(Rule="weekly", Targets=[{"Id": "workflow", "Arn": machine, "RoleArn": role}])
    return training


def _role(loop: Loop, bucket: str) -> str:
    """A role that the function, the machine and the rule share."""
    services = [f"{service}.amazonaws.com" for service in ("lambda", "states", "events")]
    trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
    rights = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/{KEY}"},
        {"Effect": "Allow", "Action": ["lambda:InvokeFunction", "states:StartExecution"], "Resource": "*"},
    ]
    iam = loop.aws.client("iam")
    role = iam.create_role(
        RoleName="weekly", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": rights})
    iam.put_role_policy(RoleName="weekly", PolicyName="weekly", PolicyDocument=policy)
    return str(role["Arn"])


def _package() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.write(FOLDER / "weekly_handler.py", "weekly_handler.py")
    return written.getvalue()
