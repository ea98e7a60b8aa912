"""The whole loop on this machine: a champion serves, its world drifts, the loop retrains and promotes.

    python -m ops.demo [--keep-going] [--port N]

No AWS account, no Docker. Exit status: 0 when everything it promises came true, 1 when something did not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from local.embedded_aws import EmbeddedAws, EmbeddedAwsError
from ops import package_zip
from ops.creditcard_world import ENDPOINT, FRESH_SEED, MILD_SEED, MODEL, CreditcardWorld, WorldError
from ops.project import TEMPLATE
from ops.stack_deployment import DeploymentError, deploy, package
from ops.terminal import Column, Styled, Terminal
from orchestration.stores.history_table import HistoryTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ops.terminal import Cell, Part

STACK: Final = "retraining-demo"
PRICE_PER_TRANSITION: Final = 0.025 / 1000
"""US dollars, us-east-1 list price of a Standard workflow's state transition. Source: AWS Step Functions pricing page."""

STRONG_DRIFT, MILD_DRIFT = 1.0, 0.25


class Story:
    """Prints what happens and counts what came true."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self.failures: list[str] = []

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        self._terminal.say()
        self._terminal.say(Styled("bold", title))

    def line(self, *parts: Part) -> None:
        """One fact, with the seconds since the start."""
        self._terminal.say("  ", Styled("dim", f"{time.monotonic() - self._began:5.1f} s"), "  ", *parts)

    def promise(self, text: str, *, kept: bool) -> None:
        """One promise of the demo, and whether it was kept."""
        self._terminal.say("  ", Styled("green", "ok") if kept else Styled("red", "NOT TRUE"), f"  {text}")
        if not kept:
            self.failures.append(text)

    def table(self, columns: Sequence[str | Column], rows: Iterable[Sequence[Cell]]) -> None:
        """A table."""
        self._terminal.table(columns, rows)

    def working(self, text: str) -> Any:
        """A spinner on a terminal while something takes its time; nothing in a file."""
        return self._terminal.working(text)


def run_demo(story: Story, *, verbose: bool) -> None:
    """Play the story from start to end."""
    story.chapter("A model serves; the loop is deployed")
    with (
        EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.5"}, verbose=verbose) as aws,
        TemporaryDirectory(prefix="retraining-demo-") as folder,
        ThreadPoolExecutor(1) as aside,
    ):
        story.line(f"embedded AWS ready at {aws.endpoint_url}")
        package_zip.build()
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="demo-artifacts")
        world_of = CreditcardWorld(aws.client, aws.environment, "creditcard-data", Path(folder))
        with story.working("making data, deploying, training the champion"), ThreadPoolExecutor(2) as pool:
            packaged = pool.submit(
                package, TEMPLATE, "demo-artifacts", Path(folder) / "packaged.yaml", environment=aws.environment
            )
            world_of.make_data()
            story.line("20,000 card transactions, their baseline and the training code are in S3")
            world = world_of.deploy_pipeline("demo-artifacts", "")
            story.line("the team's own training pipeline is deployed (creditcard-training)")
            champion = pool.submit(world_of.train_champion, world.role_arn)
            outputs = deploy(
                packaged.result(),
                STACK,
                {
                    "TrainingPipelineArn": world.pipeline_arn,
                    "SageMakerExecutionRoleArn": world.role_arn,
                    "DefaultModel": MODEL,
                },
                bucket="demo-artifacts",
                environment=aws.environment,
            )
            story.line("the loop is deployed with the AWS CLI: cloudformation package, cloudformation deploy")
            # Needed last, so it is made while the story goes on.
            evidently = aside.submit(world_of.deploy_monitor, "demo-artifacts", outputs["AutomationBucketName"])
            first_config = champion.result()
            world_of.make_schedule(world.role_arn)
        story.line(f"a first champion was trained and serves on {ENDPOINT} with config {first_config}")
        bucket = outputs["AutomationBucketName"]
        world_of.upload_policy(world, bucket)
        story.line(f"its policy is s3://{bucket}/policies/{MODEL}.json")

        _drift(story, aws, world_of, world.role_arn, outputs, first_config)
        _same_event_again(story, aws, outputs)
        _mild_drift(story, aws, world_of, world.role_arn, outputs)
        _without_model_monitor(story, aws, world_of, evidently.result(), outputs)


def _drift(
    story: Story, aws: EmbeddedAws, world_of: CreditcardWorld, role_arn: str, outputs: dict[str, str], first: str
) -> None:
    story.chapter("The world drifts: other customers, other fraud")
    frauds_before, honest_before = world_of.mean_score(FRESH_SEED + 7, STRONG_DRIFT)
    arn = _monitor(story, aws, world_of, role_arn, outputs, STRONG_DRIFT, FRESH_SEED, _day(1))
    states = _follow(story, aws, arn)
    execution = aws.client("stepfunctions").describe_execution(executionArn=arn)
    output = json.loads(execution.get("output") or "{}")
    bucket, run_id = outputs["AutomationBucketName"], execution["name"]

    story.chapter("What the loop decided, and why")
    record = _records(aws, bucket)[-1]
    threshold = record["signal"]["threshold"]
    story.line("decision ", Styled("bold", record["decision"]), f" ({record['reason']}), severity {record['severity']}")
    story.line(record["sentence"])
    story.line(
        f"context: endpoint {record['signal']['endpoint']}, dataset {record['signal']['dataset']['uri']}, "
        f"{threshold['metric']} {threshold['observed']:g} against {threshold['threshold']:g}"
    )

    story.chapter("Candidate against champion, on the same held-out transactions")
    evidence = _read(aws, bucket, f"evidence/{MODEL}/{run_id}/evaluation.json")
    _metrics_table(story, evidence["verdict"])

    story.chapter("What serves now")
    after = aws.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"]
    frauds_after, honest_after = world_of.mean_score(FRESH_SEED + 7, STRONG_DRIFT)
    story.line(f"endpoint {ENDPOINT}: config {first} -> {after}")
    story.line(
        f"the same 200 fresh transactions, mean score of frauds against honest ones: before {frauds_before:.2f} "
        f"against {honest_before:.2f}, now {frauds_after:.2f} against {honest_after:.2f}"
    )

    story.chapter("What it left behind")
    prefixes = ("manifests/", "decisions/", "evidence/", f"runs/{MODEL}/{run_id}/")
    keys = [key for prefix in prefixes for key in _keys(aws, bucket, prefix)]
    for key in keys:
        story.line(f"s3://{bucket}/{key}")
    history = _history(aws, outputs["HistoryTableName"], run_id)
    story.line("history: " + " > ".join(history))
    cost = len(states) * PRICE_PER_TRANSITION
    story.line(f"{len(states)} state transitions, list price ${cost:.6f} (us-east-1, $0.025 per 1,000)")

    story.promise("the execution ended SUCCEEDED in ModelPromoted", kept=states[-1:] == ["ModelPromoted"])
    story.promise("its output says retraining_required YES", kept=output.get("retraining_required") == "YES")
    story.promise("the endpoint serves another config than before", kept=after != first)
    story.promise(
        "the new model tells frauds from honest transactions better than the old one",
        kept=frauds_after - honest_after > frauds_before - honest_before,
    )
    story.promise(
        "manifest, decision record, evidence and history are there",
        kept=all(any(key.startswith(prefix) for key in keys) for prefix in prefixes) and history[-1:] == ["PROMOTED"],
    )


def _same_event_again(story: Story, aws: EmbeddedAws, outputs: dict[str, str]) -> None:
    story.chapter("The same event again: EventBridge delivers at least once")
    client, machine = aws.client("stepfunctions"), outputs["StateMachineArn"]
    first = _executions(aws, machine)[0]
    again = client.start_execution(
        stateMachineArn=machine, input=client.describe_execution(executionArn=first)["input"]
    )["executionArn"]
    states = _follow(story, aws, again)
    story.line(json.loads(client.describe_execution(executionArn=again)["output"])["reason"])
    records, runs = (
        _records(aws, outputs["AutomationBucketName"]),
        _keys(aws, outputs["AutomationBucketName"], "manifests/"),
    )
    story.promise("no second run, no second decision record", kept=len(records) == 1 and len(runs) == 1)
    story.promise("it ended in NoRetrainingNeeded", kept=states[-1:] == ["NoRetrainingNeeded"])


def _mild_drift(
    story: Story, aws: EmbeddedAws, world_of: CreditcardWorld, role_arn: str, outputs: dict[str, str]
) -> None:
    story.chapter("A mild drift the next day: a warning, which this policy only observes")
    arn = _monitor(story, aws, world_of, role_arn, outputs, MILD_DRIFT, MILD_SEED, _day(2))
    states = _follow(story, aws, arn)
    record = _records(aws, outputs["AutomationBucketName"])[-1]
    story.line("decision ", Styled("bold", record["decision"]), f" ({record['reason']})")
    story.line(record["sentence"])
    stood = [guard["sentence"] for guard in record["guards"] if not guard["passed"]][1:]
    for sentence in stood:
        story.line(f"also in the way: {sentence}")
    runs = _keys(aws, outputs["AutomationBucketName"], "manifests/")
    story.promise("no run, and the record says why", kept=len(runs) == 1 and record["decision"] == "OBSERVE")
    story.promise("it ended in NoRetrainingNeeded", kept=states[-1:] == ["NoRetrainingNeeded"])


def _without_model_monitor(
    story: Story, aws: EmbeddedAws, world_of: CreditcardWorld, machine: str, outputs: dict[str, str]
) -> None:
    story.chapter(
        "Another door, for those whom AWS gives no Model Monitor: a scheduled Evidently job looks at the first day"
    )
    bucket, window_end = outputs["AutomationBucketName"], f"{_day(2)}T00:15:00Z"
    baseline = world_of.play_evidently(bucket, window_end)
    story.line(f"it compares with what the model that serves was trained on: {baseline}")
    story.line("what Evidently says of such a day is a recording; the library has a gigabyte (make dialects runs it)")
    before, client = len(_records(aws, bucket)), aws.client("stepfunctions")
    started = client.start_execution(stateMachineArn=machine, input=json.dumps({"window_end": window_end}))
    states = _follow(story, aws, started["executionArn"])
    record = _until(lambda: next(iter(_records(aws, bucket)[before:]), None))
    story.line("decision ", Styled("bold", record["decision"]), f" ({record['reason']})")
    story.line(record["sentence"])
    story.promise(
        "the drift that was cured is not found again, and that is said",
        kept=(record["decision"], states) == ("SKIP", ["CompareWindow"]),
    )
    run_id = next(key.split("/")[2].removesuffix(".json") for key in _keys(aws, bucket, f"manifests/{MODEL}/"))
    story.promise(
        "the baseline is the one of the run that was promoted",
        kept=baseline.endswith(f"/{run_id}/outputs/baseline.csv"),
    )


def _monitor(
    story: Story,
    aws: EmbeddedAws,
    world_of: CreditcardWorld,
    role_arn: str,
    outputs: dict[str, str],
    drift: float,
    seed: int,
    day: str,
) -> str:
    """Run the monitor on a day's transactions and give the execution its event started."""
    before = set(_executions(aws, outputs["StateMachineArn"]))
    world_of.new_transactions(drift, seed, day)
    story.line(f"5,000 transactions of {day} arrive")
    with story.working("SageMaker Model Monitor is comparing them with the baseline"):
        job = world_of.run_monitor(role_arn, day, aws.run_schedule)
    story.line(f"monitor run {job['ProcessingJobName']}: {job.get('ExitMessage', job['ProcessingJobStatus'])}")
    return str(_until(lambda: next(iter(set(_executions(aws, outputs["StateMachineArn"])) - before), None)))


def _follow(story: Story, aws: EmbeddedAws, arn: str) -> list[str]:
    """Print each state as it is entered, until the execution ends. Gives the states."""
    client = aws.client("stepfunctions")
    seen: list[str] = []
    with story.working("the loop is at work"):
        while True:
            status = client.describe_execution(executionArn=arn)["status"]
            pages = client.get_paginator("get_execution_history").paginate(executionArn=arn)
            entered = [
                event["stateEnteredEventDetails"]["name"]
                for page in pages
                for event in page["events"]
                if "stateEnteredEventDetails" in event
            ]
            for name in entered[len(seen) :]:
                story.line(Styled("cyan", name))
            seen = entered
            if status != "RUNNING":
                return seen
            time.sleep(0.1)


def _metrics_table(story: Story, verdict: dict[str, Any]) -> None:
    rows: list[tuple[Cell, ...]] = []
    for name in ("auc", "recall", "precision", "f1"):
        champion, candidate = verdict["champion_metrics"].get(name), verdict["candidate_metrics"].get(name)
        rows.append((name, *("-" if value is None else f"{value:.3f}" for value in (champion, candidate))))
    story.table(("metric", Column("champion", right=True), Column("candidate", right=True)), rows)
    for gate in verdict["gates"]:
        story.line(Styled("green", "pass") if gate["passed"] else Styled("red", "fail"), f" {gate['sentence']}")


def _records(aws: EmbeddedAws, bucket: str) -> list[dict[str, Any]]:
    records = [_read(aws, bucket, key) for key in _keys(aws, bucket, f"decisions/{MODEL}/")]
    return sorted(records, key=lambda record: int(record["chain"]["sequence"]))


def _read(aws: EmbeddedAws, bucket: str, key: str) -> Any:
    return json.loads(aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def _keys(aws: EmbeddedAws, bucket: str, prefix: str) -> list[str]:
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def _history(aws: EmbeddedAws, table: str, run_id: str) -> list[str]:
    return [row["status"] for row in HistoryTable(aws.client("dynamodb"), table).statuses(run_id)]


def _executions(aws: EmbeddedAws, machine: str) -> list[str]:
    """Executions whose event was a monitoring run of the creditcard endpoint, oldest first.

    Champion training and the pipeline raise events too; those are ignored by the loop and skipped here.
    """
    client = aws.client("stepfunctions")
    pages = client.get_paginator("list_executions").paginate(stateMachineArn=machine)
    arns = [execution["executionArn"] for page in pages for execution in page["executions"]]
    return sorted(arns, key=lambda arn: client.describe_execution(executionArn=arn)["startDate"])


def _until(condition: Callable[[], Any], within: float = 30.0) -> Any:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise WorldError(f"Nothing came of the monitor's event within {within:.0f} s.")


def _day(number: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=number - 1):%Y-%m-%d}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo from the command line."""
    parser = argparse.ArgumentParser(prog="make demo", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--verbose", action="store_true", help="log every call the embedded AWS gets")
    options = parser.parse_args(argv)
    terminal = Terminal()
    story, began = Story(terminal), time.monotonic()
    try:
        run_demo(story, verbose=options.verbose)
    except (WorldError, DeploymentError, EmbeddedAwsError) as error:
        terminal.say()
        terminal.say(Styled("red", "The demo stopped:"), f" {error}")
        return 1
    except KeyboardInterrupt:
        terminal.say()
        terminal.say("Stopped; everything the demo started has ended.")
        return 130
    seconds = time.monotonic() - began
    terminal.say()
    if story.failures:
        terminal.say(Styled("red", f"{len(story.failures)} promise(s) did not come true"), f" ({seconds:.0f} s).")
        return 1
    terminal.say(Styled("green", "Everything came true"), f" in {seconds:.0f} s. Next: README.md, or `make local`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
