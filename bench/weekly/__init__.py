"""From an event to the start of a training: the loop beside a weekly workflow of four states, alternately on one embedded AWS.

The weekly workflow is what a team builds first: a rule starts a state machine, a function reads one word of a decision file, a
choice, and the training is started. It has no guard, no lock, no record and no message.

Warm functions of the embedded AWS say what the steps cost. In AWS a function that is called once a week starts anew each time; of the
loop's two, the one that decides is called by each sweep, and the one that trains starts anew. What that adds is measured under Lambda's
own runtime client, with the calls the functions really make, until the training is asked for.
"""

from __future__ import annotations

import io
import json
import string
import tempfile
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.spread import Spread
from bench.stack import PATIENCE_SECONDS, deployed_loop, expect, quiet
from ops import package_zip
from tests.contract.lambda_runtime import LambdaRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.stack.loop import Loop

FOLDER: Final = Path(__file__).parent
SOURCE: Final = "bench.weekly"
KEY: Final = "weekly/decision.csv"
AIM: Final = 1.5
NOBODYS: Final = "t" * 64
"""A task token that no state machine waits with."""
HELD_SECONDS: Final = 0.5
"""How long the start of a training is held back, to read what has been used until then; a look for it comes within a tenth of that."""


@dataclass(frozen=True, slots=True)
class TrainingStarts:
    """Seconds from PutEvents to the start of the training's execution, with warm functions; what a cold start adds; calls before it."""

    loop: Spread
    weekly: Spread
    hand_starts: Spread
    weekly_starts: Spread
    calls: int

    @property
    def loop_in_life(self) -> float:
        """The loop's median where the function that trains has to start."""
        return self.loop.median + self.hand_starts.median

    @property
    def weekly_in_life(self) -> float:
        """The weekly workflow's median where its function has to start."""
        return self.weekly.median + self.weekly_starts.median


def measure_training_starts(rounds: int, step: Callable[[str], None]) -> TrainingStarts:
    """Have both start trainings in turn; the first round, in which every function is cold, is not counted.

    Args:
        rounds: how many are counted.
        step: told after each round, and after each of as many cold starts.
    """
    with deployed_loop() as loop, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        training = _weekly(loop)
        ours: list[float] = []
        theirs: list[float] = []
        calls = 0
        for number in range(rounds + 1):
            # Whoever comes second may find the machine busier.
            if number % 2:
                ours.append(_by_loop(loop))
                calls = _calls_before_training(loop)
            theirs.append(_by_weekly(loop, training))
            if not number % 2:
                ours.append(_by_loop(loop))
            step(f"round {number} of {rounds}" if number else "both are warm")
        weekly = Path(folder, "weekly.zip")
        weekly.write_bytes(_package())
        theirs_cold, ours_cold = [], []
        for number in range(1, rounds + 1):
            theirs_cold.append(_weekly_starts(loop, weekly))
            ours_cold.append(_hand_starts(loop))
            step(f"cold start {number} of {rounds}")
    return TrainingStarts(
        Spread.of(ours[1:]), Spread.of(theirs[1:]), Spread.of(ours_cold), Spread.of(theirs_cold), calls
    )


def training_starts_table(measured: TrainingStarts) -> str:
    """The two and their ratio as a table in Markdown."""
    warm = measured.loop.median / measured.weekly.median
    starts = measured.hand_starts.median / measured.weekly_starts.median
    in_life = measured.loop_in_life / measured.weekly_in_life
    rows = (
        ("all functions warm", _said(measured.weekly), _said(measured.loop), f"{warm:.1f}", ""),
        (
            "what the start of a function adds, in CPU time",
            _said(measured.weekly_starts),
            _said(measured.hand_starts),
            f"{starts:.1f}",
            "",
        ),
        (
            "as they run: the function that is seldom called starts",
            f"{measured.weekly_in_life * 1000:.0f} ms",
            f"{measured.loop_in_life * 1000:.0f} ms",
            f"{in_life:.1f}",
            f"≤ {AIM}",
        ),
        ("calls of AWS before it, one after the other", "1", str(measured.calls), "", ""),
    )
    lines = [
        f"Median of {measured.loop.count} each, least and most in brackets.",
        "",
        "| Event to training start | weekly workflow | the loop | ratio | aim |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _said(measured: Spread) -> str:
    return measured.text(1000, "ms")


def _by_loop(loop: Loop) -> float:
    return _started_by_loop(loop, _ready_model(loop))


def _ready_model(loop: Loop) -> str:
    """A new model, whose policy file the loop has looked at and whose endpoint it has heard of."""
    model = loop.model()
    quiet(loop)
    return model


def _started_by_loop(loop: Loop, model: str) -> float:
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


def _calls_before_training(loop: Loop) -> int:
    """How many calls the functions make until one of them starts the training."""
    model = _ready_model(loop)
    loop.aws.count_calls()
    _started_by_loop(loop, model)
    actions = [call.action for call in loop.aws.calls()]
    return actions.index("StartExecution")


def _weekly_starts(loop: Loop, package: Path) -> float:
    environment = {**loop.aws.environment, "DECISION_BUCKET": loop.data_bucket, "DECISION_KEY": KEY}
    with LambdaRuntime(package, "weekly_handler.read_decision", environment) as function:
        return _start_adds(function, [{}, {}], {"retraining_required": "YES"})


def _hand_starts(loop: Loop) -> float:
    """What the start of PromotionFunction adds until it asks for the training."""
    found = loop.aws.client("lambda").get_function_configuration(FunctionName=loop.outputs["PromotionFunctionName"])
    environment = {**found["Environment"]["Variables"], **loop.aws.environment}
    runs = [_run_with_slot(loop) for _ in range(2)]
    requests = [{"action": "train", "execution": run, "token": NOBODYS} for run in runs]
    with LambdaRuntime(package_zip.build(), found["Handler"], environment) as function:
        (first, over), (second, _) = (_until_training(loop, function, request) for request in requests)
    for run in runs:
        loop.invoke({"action": "close", "execution": run, "failure": {"error": "Measured", "cause": "Measured."}})
    return first - (second - over)


def _until_training(loop: Loop, function: LambdaRuntime, request: dict[str, Any]) -> tuple[float, float]:
    """CPU seconds that a process has used when it asks for the training, whose answer is held back meanwhile, and when it is through."""
    loop.aws.fail_next("stepfunctions", "StartExecution", seconds=HELD_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(function.invoke, request)
        loop.until(lambda: not loop.aws.faults_left())
        asked = function.cpu_seconds
        expect("a function under Lambda's runtime client", answer.result(), {"started": True})
    return asked, function.cpu_seconds


def _start_adds(function: LambdaRuntime, requests: Sequence[dict[str, Any]], wanted: dict[str, Any]) -> float:
    """CPU seconds that the first of two calls takes more than the second: a start waits for nothing but the processor."""
    used = []
    for request in requests:
        expect("a function under Lambda's runtime client", function.invoke(request), wanted)
        used.append(function.cpu_seconds)
    first, both = used
    return first - (both - first)


def _run_with_slot(loop: Loop) -> dict[str, str]:
    """Decide a signal and take a slot, as the workflow does; give the execution, which there is not."""
    name = str(uuid.uuid4())
    execution = {"id": loop.execution_arn(name), "name": name}
    admitted = loop.invoke({"action": "admit", "execution": execution, "event": loop.drift(loop.model())})
    expect("a signal", admitted["decision"], "RETRAIN")
    loop.invoke({"action": "park", "execution": execution, "kind": "slot", "subject": "training", "token": NOBODYS})
    return execution


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
