"""A storm: thousands of signals at once, each sent twice and out of order, while one of a hundred calls of the functions fails.

It goes through PutEvents on the deployed stack, with nothing that limits what is in flight but the concurrency that the function
has. What came of it is read from outside afterwards, from bucket, table and executions; whatever is not as promised is an error.
"""

from __future__ import annotations

import collections
import json
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from bench.stack import PathError
from local.embedded_aws import EmbeddedAws
from orchestration.domain.chain import RecordKind
from orchestration.domain.contracts import DueKind, SignalSource
from orchestration.domain.due import APPROVALS
from orchestration.domain.wait import parse_wait_id
from tests.stack.loop import Loop, deployed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

FAULT_SHARE: Final = 0.01
CONCURRENCIES: Final = (1000, 10)
STORM_STEPS: Final = 5 * len(CONCURRENCIES)
UNRESERVED: Final = 1000
"""The concurrency of an account, which a function without a reserved one shares."""
TRAINS_UNASKED: Final = 10
"""Of so many models one trains unasked, and fails; the others ask and wait."""
ENTRIES: Final = 10
"""Events of one PutEvents call, the most that it takes."""
LOOK_SECONDS: Final = 5.0
LOOK_SHARE: Final = 9
"""Between two looks so many times as long as one takes."""
PATIENCE_SECONDS: Final = 3600.0
SWEEP_AHEAD_SECONDS: Final = 600
SWEEPS: Final = 20
"""The most that are made after a storm; each is followed by what it started."""

FAULTS: Final = (
    ("dynamodb", "GetItem", "InternalServerError", 500),
    ("dynamodb", "Query", "InternalServerError", 500),
    ("dynamodb", "PutItem", "InternalServerError", 500),
    ("dynamodb", "UpdateItem", "InternalServerError", 500),
    ("dynamodb", "DeleteItem", "InternalServerError", 500),
    ("dynamodb", "TransactWriteItems", "InternalServerError", 500),
    ("s3", "GetObject", "SlowDown", 503),
    ("s3", "PutObject", "SlowDown", 503),
    ("s3", "HeadObject", "SlowDown", 503),
    ("sns", "Publish", "InternalError", 500),
    ("stepfunctions", "SendTaskSuccess", "InternalServerError", 500),
    ("stepfunctions", "DescribeExecution", "InternalServerError", 500),
)
"""Calls that fail: half of them after they took effect."""


@dataclass(frozen=True, slots=True)
class Storm:
    """What a storm did.

    Attributes:
        signals: different ones; each was sent twice.
        models: they are of.
        concurrency: of the function.
        in_flight: executions at once, at most, those that wait for people left out.
        p50: seconds from PutEvents to the decision, the median.
        p99: the same, of 99 in a hundred not more.
        per_second: signals decided in a second, from the first event to the last decision.
        runs: begun.
        throttled: calls of the function that its concurrency did not let in.
        failed: executions that failed and had begun no run.
        sweeps: made until nothing was due.
        dead_letters: events that EventBridge could not deliver.
        server_mb: peak memory of the embedded AWS.
        worker_mb: that of the largest process of a function, what it shares with the others included.
    """

    signals: int
    models: int
    concurrency: int
    in_flight: int
    p50: float
    p99: float
    per_second: float
    runs: int
    throttled: int
    failed: int
    sweeps: int
    dead_letters: int
    server_mb: float
    worker_mb: float


@dataclass
class Seen:
    """What was seen while it went on."""

    in_flight: int = 0
    server_kb: int = 0
    worker_kb: int = 0
    sent: dict[int, float] = field(default_factory=dict)


def measure_storms(signals: int, step: Callable[[str], None]) -> tuple[Storm, ...]:
    """One at each of the ``CONCURRENCIES``, of a tenth as many models as signals.

    Args:
        signals: different ones; each is sent twice.
        step: told after each of ``STORM_STEPS`` what was done.

    Raises:
        PathError: something is not as promised.
        AssertionError: a chain is broken.
    """
    return tuple(_measure_storm(signals, max(1, signals // 10), concurrency, step) for concurrency in CONCURRENCIES)


def storm_table(storms: Sequence[Storm]) -> str:
    """The storms side by side, in Markdown."""
    rows: tuple[tuple[str, Callable[[Storm], str]], ...] = (
        ("signals, each sent twice", lambda storm: f"{storm.signals:,}"),
        ("models", lambda storm: f"{storm.models:,}"),
        ("signals lost; decided twice", lambda _: "0; 0"),
        ("runs of a model at once, at most", lambda _: "1"),
        ("executions in flight, at most", lambda storm: f"{storm.in_flight:,}"),
        ("event to decision, median", lambda storm: f"{storm.p50:.0f} s"),
        ("event to decision, 99 of 100", lambda storm: f"{storm.p99:.0f} s"),
        ("signals decided in a second", lambda storm: f"{storm.per_second:.1f}"),
        ("runs begun", lambda storm: f"{storm.runs:,}"),
        ("calls throttled, and made again", lambda storm: f"{storm.throttled:,}"),
        ("executions that failed before a decision", lambda storm: f"{storm.failed:,}"),
        ("dead letters", lambda storm: f"{storm.dead_letters:,}"),
        ("sweeps until nothing was due", lambda storm: f"{storm.sweeps}"),
        ("peak memory of the embedded AWS", lambda storm: f"{storm.server_mb:.0f} MB"),
        ("peak memory of the largest process of a function", lambda storm: f"{storm.worker_mb:.0f} MB"),
    )
    heading = " | ".join(f"concurrency {storm.concurrency:,}" for storm in storms)
    return "\n".join(
        [
            f"Measured once; {FAULT_SHARE:.0%} of the functions' calls fail.",
            "",
            f"| Storm | {heading} |",
            f"| --- |{' ---: |' * len(storms)}",
            *(f"| {name} | {' | '.join(tell(storm) for storm in storms)} |" for name, tell in rows),
        ]
    )


def _measure_storm(signals: int, models: int, concurrency: int, step: Callable[[str], None]) -> Storm:
    """Deploy the loop and send a storm through it.

    Args:
        signals: different ones, shared out over the models; each is sent twice.
        models: of which each has a policy.
        concurrency: of the function; from 1,000 on it has none of its own.
        step: told after each step what was done.

    Raises:
        PathError: a signal was lost or decided twice, or a model had two runs at once.
        AssertionError: a chain is broken.
    """
    with _deployed() as loop:
        names = storm_models(loop, models, training=loop.failing_training())
        if concurrency < UNRESERVED:
            loop.aws.client("lambda").put_function_concurrency(
                FunctionName=loop.outputs["OrchestrationFunctionName"], ReservedConcurrentExecutions=concurrency
            )
        step(f"{models} models are there")
        seen = Seen()
        _inject(loop)
        send(loop, storm_events(names, signals), seen)
        step(f"{2 * signals} events are sent")
        _await_quiet(loop, seen)
        step("all is quiet")
        loop.aws.forget_faults()
        sweeps = _sweep(loop, seen)
        step(f"{sweeps} sweeps found nothing more to do")
        storm = judged(loop, names, signals, concurrency, seen, sweeps)
        step("what is left is as promised")
        return storm


@contextmanager
def _deployed() -> Iterator[Loop]:
    """The real template on an embedded AWS of its own, with pauses before retries as AWS has them."""
    with EmbeddedAws(wait_scale=1.0) as aws, tempfile.TemporaryDirectory(prefix="storm-") as folder:
        yield deployed(aws, Path(folder), MaxConcurrentTrainings="50")


# -- The storm ----------------------------------------------------------------------------------------------------


def storm_models(loop: Loop, count: int, *, training: str) -> list[str]:
    """Bring so many models under the loop: a policy each, and one training machine for all of them that fails."""
    names = [f"storm-{number:04}" for number in range(count)]

    def policy(number: int) -> None:
        unasked = number % TRAINS_UNASKED == 0
        loop.policy(
            names[number],
            training={"target": training},
            approval={"training": "never" if unasked else "always"},
            actions={"info": "observe", "warning": "observe", "critical": "retrain" if unasked else "approve"},
            cooldown_hours=0,
            breaker={"fruitless_runs": 3},
        )

    for number in range(count):
        policy(number)
    loop.until(lambda: not loop.aws.functions_running(), within=PATIENCE_SECONDS)
    return names


def storm_events(names: list[str], signals: int) -> list[tuple[int, dict[str, Any]]]:
    """Each signal twice, in a random order: half of them critical."""
    drawn = random.Random(7)  # noqa: S311 - an order, not a secret
    details = [
        {
            "model": names[number % len(names)],
            "metric": "psi",
            "observed": drawn.choice((0.25, 0.9)),
            "threshold": 0.2,
            "dedupe_key": str(number),
            "dataset": {"uri": f"s3://team-data/windows/{number}"},
        }
        for number in range(signals)
    ]
    events = [*enumerate(details), *enumerate(details)]
    drawn.shuffle(events)
    return events


def _inject(loop: Loop) -> None:
    """One of a hundred calls fails, before or after its effect."""
    for service, action, code, status in FAULTS:
        for after_effect in (True, False):
            loop.aws.fail_next(
                service,
                action,
                code=code,
                status=status,
                times=1_000_000,
                share=FAULT_SHARE / 2,
                after_effect=after_effect,
            )


def send(loop: Loop, events: list[tuple[int, dict[str, Any]]], seen: Seen) -> None:
    """Put the events onto the bus, as fast as it answers, noting when each signal was sent first.

    Raises:
        PathError: one was refused.
    """
    # A bus with thousands of executions behind it may take minutes to answer; asking again would be a signal of the storm's own.
    client = boto3.client(
        "events",
        endpoint_url=loop.aws.endpoint_url,
        region_name=loop.aws.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - nothing checks it
        config=Config(read_timeout=PATIENCE_SECONDS, retries={"total_max_attempts": 1}),
    )
    for begin in range(0, len(events), ENTRIES):
        part = events[begin : begin + ENTRIES]
        for number, _ in part:
            seen.sent.setdefault(number, time.time())
        answer = client.put_events(
            Entries=[
                {"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": json.dumps(detail)}
                for _, detail in part
            ]
        )
        if answer["FailedEntryCount"]:
            raise PathError(f"PutEvents refused {answer['FailedEntryCount']} events")


def _await_quiet(loop: Loop, seen: Seen) -> None:
    """Wait until every execution has ended or waits for people, looking at memory meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (began := time.monotonic()) < deadline:
        _look(loop, seen)
        running = _executions(loop, "RUNNING")
        begun = {key.rpartition("/")[2].partition(".")[0] for key in loop.keys("manifests/")}
        seen.in_flight = max(seen.in_flight, len(running - begun))
        if running <= begun and not loop.aws.functions_running() and running <= parked(loop):
            return
        # Looking at thousands keeps the server from its work.
        time.sleep(max(LOOK_SECONDS, LOOK_SHARE * (time.monotonic() - began)))
    raise PathError(f"{len(running - begun)} executions go on after {PATIENCE_SECONDS:.0f} s")


def _sweep(loop: Loop, seen: Seen) -> int:
    """Sweep, as the schedule would, until a sweep changes nothing that is recorded; give how many that took."""
    before = -1
    for number in range(1, SWEEPS + 1):
        loop.invoke({"action": "sweep", "ahead_seconds": SWEEP_AHEAD_SECONDS})
        _await_quiet(loop, seen)
        now = len(loop.keys("decisions/")) + len(loop.keys("evidence/"))
        if now == before:
            return number
        before = now
    raise PathError(f"{SWEEPS} sweeps did not come to an end")


def _executions(loop: Loop, status: str) -> set[str]:
    """Names of the executions of the loop that have a status."""
    pages = loop.aws.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=loop.machine, statusFilter=status)
    return {execution["name"] for page in found for execution in page["executions"]}


def parked(loop: Loop) -> set[str]:
    """Run ids of the runs that wait for people: each has its next step in the due list."""
    pages = loop.aws.client("dynamodb").get_paginator("query")
    found = pages.paginate(
        TableName=loop.table,
        KeyConditionExpression="pk = :approvals",
        ExpressionAttributeValues={":approvals": {"S": APPROVALS}},
        ProjectionExpression="sk",
    )
    items = (item["sk"]["S"].split("#", 2) for page in found for item in page["Items"])
    return {parse_wait_id(subject)[0] for _, kind, subject in items if kind == DueKind.LADDER}


def _look(loop: Loop, seen: Seen) -> None:
    """The peak memory of the server and of the processes of its session so far, in KB."""
    for folder in Path("/proc").iterdir():
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split() if folder.name.isdigit() else []
            if not stat or int(stat[3]) != loop.aws.process_id:
                continue
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        except OSError:
            continue
        peak = int(status.get("VmHWM", "0 kB").split()[0])
        if int(folder.name) == loop.aws.process_id:
            seen.server_kb = max(seen.server_kb, peak)
        else:
            seen.worker_kb = max(seen.worker_kb, peak)


# -- What is left -------------------------------------------------------------------------------------------------


def judged(loop: Loop, names: list[str], signals: int, concurrency: int, seen: Seen, sweeps: int) -> Storm:
    """What was left, after checking it against the promises."""
    decided: dict[int, list[float]] = collections.defaultdict(list)
    began: set[str] = set()
    # Chains are read side by side: the answers take longer than the reading.
    with ThreadPoolExecutor(4) as pool:
        for model, records in zip(names, pool.map(loop.chain, names), strict=True):
            for record in records:
                number = _number(record)
                if number is not None:
                    decided[number].append(datetime.fromisoformat(record["decided_at"]).timestamp())
            began |= runs_one_at_a_time(model, records)
    lost = [number for number in range(signals) if number not in decided]
    twice = [number for number, times in decided.items() if len(times) > 1]
    if lost or twice:
        raise PathError(f"{len(lost)} signals lost ({lost[:5]}), {len(twice)} decided twice ({twice[:5]})")
    waited = sorted(times[0] - seen.sent[number] for number, times in decided.items())
    last = max(times[0] for times in decided.values())
    return Storm(
        signals=signals,
        models=len(names),
        concurrency=concurrency,
        in_flight=seen.in_flight,
        p50=statistics.median(waited),
        p99=waited[int(0.99 * (len(waited) - 1))],
        per_second=signals / (last - min(seen.sent.values())),
        runs=len(began),
        throttled=_throttled(loop),
        failed=len(_executions(loop, "FAILED") - began),
        sweeps=sweeps,
        dead_letters=_dead_letters(loop),
        server_mb=seen.server_kb / 1024,
        worker_mb=seen.worker_kb / 1024,
    )


def _number(record: dict[str, Any]) -> int | None:
    """Which signal of the storm a record decides; None of one that decides none of them."""
    signal = record.get("signal") if record["kind"] == RecordKind.DECISION else None
    if signal is None or signal["source"] != SignalSource.DRIFT_REPORT:
        return None
    return int(str(signal["dataset"]["uri"]).rpartition("/")[2])


def runs_one_at_a_time(model: str, records: Iterable[dict[str, Any]]) -> set[str]:
    """The runs a model had, after checking that none began before the one before it had ended."""
    goes_on: str | None = None
    runs: set[str] = set()
    for record in records:
        if record["kind"] == RecordKind.MANIFEST:
            if goes_on is not None:
                raise PathError(f"{model}: run {record['run_id']} began while {goes_on} went on")
            goes_on = record["run_id"]
            runs.add(record["run_id"])
        elif record["kind"] == RecordKind.OUTCOME and record["run_id"] == goes_on:
            goes_on = None
    return runs


def _throttled(loop: Loop) -> int:
    """How often the function's concurrency did not let a call in, as CloudWatch counts it."""
    now = datetime.now(UTC)
    found = loop.aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Throttles",
        Dimensions=[{"Name": "FunctionName", "Value": loop.outputs["OrchestrationFunctionName"]}],
        StartTime=now - timedelta(days=1),
        EndTime=now,
        Period=86400,
        Statistics=["Sum"],
    )
    return int(sum(point["Sum"] for point in found["Datapoints"]))


def _dead_letters(loop: Loop) -> int:
    """How many signals lie in the queue of those that nobody could be given."""
    answer = loop.aws.client("sqs").get_queue_attributes(
        QueueUrl=loop.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])
