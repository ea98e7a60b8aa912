"""What the loop promises, read from outside after a case: table, bucket, endpoints, trainings, messages, executions.

Nothing here asks the code under test. Each promise gives the sentences that say how it is broken; none is kept.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import rfc8785

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.play import Play

GENESIS: Final = "0" * 64
REPORT: Final = ("/report.json", "/report.html")
OVER: Final = {
    "PROMOTED",
    "TRAINED",
    "CANDIDATE_REJECTED",
    "APPROVAL_REJECTED",
    "APPROVAL_EXPIRED",
    "STOPPED",
    "SUPERSEDED",
    "TRAINING_FAILED",
    "TRAINING_TIMED_OUT",
    "NO_CAPACITY",
    "ROLLED_BACK",
    "ROLLBACK_FAILED",
    "FAILED",
}
PAGED: Final = OVER - {
    "PROMOTED",
    "TRAINED",
    "CANDIDATE_REJECTED",
    "APPROVAL_REJECTED",
    "APPROVAL_EXPIRED",
    "SUPERSEDED",
}
"""Outcomes that call people, as docs/runbook.md lists them."""


@dataclass(frozen=True)
class Left:
    """What a case left."""

    name: str
    items: list[dict[str, Any]]
    objects: dict[str, Any]
    reports: set[str]
    messages: list[dict[str, Any]]
    executions: list[dict[str, Any]]
    trainings: list[dict[str, Any]]
    endpoint: dict[str, Any] | None
    made_by: str | None
    deploys: bool
    sent: list[str]

    def of(self, kind: str, sort: str = "") -> list[dict[str, Any]]:
        """Items of a kind of partition, whose sort key begins so."""
        return [item for item in self.items if item["pk"].split("#")[0] == kind and item["sk"].startswith(sort)]

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The runs, in the order they began."""
        return sorted((item for item in self.of("RUN", "RUN")), key=lambda item: str(item["started_at"]))

    def owns(self, execution: str) -> bool:
        """True for an execution of the case: one that it named, or one that became a run of its model."""
        runs = {run["run_id"] for run in self.runs if run["model"] == self.name}
        return self.name in execution or execution in runs

    @property
    def state(self) -> dict[str, Any]:
        """The model's state."""
        return next((item for item in self.of("MODEL", "STATE") if item["pk"] == f"MODEL#{self.name}"), {})

    def told(self, text: str, status: str | None = None) -> bool:
        """True when people were told something with this text, under this status."""
        return any(
            text in message["Message"] + message.get("Subject", "")
            and status in {None, message.get("MessageAttributes", {}).get("status", {}).get("Value")}
            for message in self.messages
        )


def left_by(play: Play) -> Left:
    """Read what a case left, by AWS's own calls."""
    place, loop, name = play.place, play.place.loop, play.name
    states, sagemaker = place.aws.client("stepfunctions"), place.aws.client("sagemaker")
    keys = [
        key for prefix in (f"decisions/{name}/", f"evidence/{name}/", f"manifests/{name}/") for key in loop.keys(prefix)
    ]
    keys += [key for key in loop.keys("rejected/") if name in key] + loop.keys("decisions/_unattributed/")
    items = place.items()
    runs = {item["run_id"] for item in items if item["sk"] == "RUN" and item["model"] == name}
    described = [
        states.describe_execution(executionArn=each["executionArn"])
        for each in states.list_executions(stateMachineArn=loop.machine)["executions"]
        if name in each["name"] or each["name"] in runs
    ]
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=play.endpoint)
    except sagemaker.exceptions.ClientError:
        endpoint = None
    made_by = None
    if endpoint is not None:
        config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        tags = sagemaker.list_tags(ResourceArn=config["EndpointConfigArn"])["Tags"]
        made_by = next((tag["Value"] for tag in tags if tag["Key"] == "retraining:run"), None)
    return Left(
        name=name,
        items=items,
        objects={key: loop.read(key) for key in keys if not key.endswith(REPORT)},
        reports={key for key in keys if key.endswith(REPORT)},
        messages=place.messages(),
        executions=described,
        trainings=list(_trainings(play)),
        endpoint=endpoint,
        made_by=made_by,
        deploys=play.policy["promotion"].get("kind", "endpoint") == "endpoint",
        sent=list(play.runs),
    )


def _trainings(play: Play) -> Iterator[dict[str, Any]]:
    """Every training and deployment of the case at its target: what it is, whether it runs, from when to when."""
    policy, aws = play.policy, play.place.aws
    states, sagemaker, others = aws.client("stepfunctions"), aws.client("sagemaker"), play.place.of_cases_before

    def own(name: str, asked: dict[str, Any]) -> bool:
        if play.name not in json.dumps(asked, default=str):
            others.add(name)
        return name not in others

    machines = [policy["training"]["target"]] if ":stateMachine:" in policy["training"]["target"] else []
    for machine in machines:
        for each in states.list_executions(stateMachineArn=machine)["executions"]:
            arn = each["executionArn"]
            if arn not in others and own(arn, states.describe_execution(executionArn=arn)):
                yield {
                    "what": each["name"],
                    "runs": each["status"] == "RUNNING",
                    **_span(each, "startDate", "stopDate"),
                }
    if policy["training"]["target"] == "training-job":
        for each in sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]:
            arn = each["TrainingJobArn"]
            if arn not in others and own(
                arn, asked := sagemaker.describe_training_job(TrainingJobName=each["TrainingJobName"])
            ):
                runs = asked["TrainingJobStatus"] in {"InProgress", "Stopping"}
                yield {"what": each["TrainingJobName"], "runs": runs, **_span(asked, "CreationTime", "TrainingEndTime")}
    if ":pipeline/" in policy["training"]["target"]:
        found = sagemaker.list_pipeline_executions(PipelineName=policy["training"]["target"])
        for each in found["PipelineExecutionSummaries"]:
            arn = each["PipelineExecutionArn"]
            if arn not in others and own(
                arn, sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
            ):
                runs = each["PipelineExecutionStatus"] in {"Executing", "Stopping"}
                described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
                span = _span(described, "CreationTime", "LastModifiedTime")
                yield {"what": each["PipelineExecutionDisplayName"], "runs": runs, **span}


def _span(described: dict[str, Any], start: str, stop: str) -> dict[str, Any]:
    return {"from": described[start], "to": described.get(stop)}


# The promises.


def one_record_a_signal(left: Left) -> Iterator[str]:
    """Every signal that was sent has one decision record, or is on record as one that could not be decided."""
    records = [value for key, value in left.objects.items() if key.startswith("decisions/")]
    by_run = [record["run_id"] for record in records if left.owns(record["run_id"])]
    signals = {item["signal_id"] for item in left.of("SIGNAL") if left.owns(item["run_id"])}
    for run in left.sent:
        ended = next((each for each in left.executions if each["name"] == run), None)
        if ended is None:
            yield f"no execution {run}"
            continue
        rejected = f"rejected/{run}.json" in left.objects
        if by_run.count(run) + rejected != 1:
            duplicate = ended["status"] == "SUCCEEDED" and json.loads(ended["output"]).get("outcome") == "SKIP"
            # Stopped in the very moment of its decision: docs/reliability.md, "What remains".
            stopped = ended["status"] == "ABORTED" and by_run.count(run) == 1
            if not duplicate and not stopped:
                yield f"signal of {run}: {by_run.count(run)} decision record(s), {int(rejected)} rejection record(s)"
        if rejected and not left.told(run, "FAILED"):
            yield f"nobody was told that the signal of {run} was not decided"
    if len(set(by_run)) != len(by_run) or len(by_run) != len(signals):
        yield f"{len(by_run)} decision records of {len(signals)} signals"


def chain_is_whole(left: Left) -> Iterator[str]:
    """The records of a model link to each other without a gap, and to the head in the table."""
    folders = tuple(f"{kind}/{left.name}/" for kind in ("decisions", "manifests", "evidence"))
    found = {key: value for key, value in left.objects.items() if key.startswith(folders)}
    yield from (f"{key} stands in no chain" for key, value in found.items() if "chain" not in value)
    records = [value for value in found.values() if "chain" in value]
    previous = GENESIS
    for number, record in enumerate(sorted(records, key=lambda each: int(each["chain"]["sequence"])), start=1):
        chain = dict(record["chain"])
        said = chain.pop("hash")
        if chain["sequence"] != number or chain["previous_hash"] != previous:
            yield f"record {number} of the chain does not follow the one before"
        if hashlib.sha256(rfc8785.dumps({**record, "chain": chain})).hexdigest() != said:
            yield f"record {number} of the chain has another hash than it says"
        previous = said
    head = next((item for item in left.of("HEADS") if item["sk"] == left.name), {})
    if records and head.get("hash") != previous:
        yield "the head of the chain is not its last record's"


def one_run_at_a_time(left: Left) -> Iterator[str]:
    """No run of the model began before the one before had ended; no training while another ran, with one slot."""
    for before, after in itertools.pairwise(left.runs):
        if before.get("ended_at", "9") > after["started_at"]:
            yield f"{after['run_id']} began while {before['run_id']} was open"
    for before, after in itertools.pairwise(sorted(left.trainings, key=lambda each: each["from"])):
        if before["to"] is None or before["to"] > after["from"]:
            yield f"training {after['what']} began while {before['what']} ran"


def nothing_is_left(left: Left) -> Iterator[str]:
    """No lock, slot, place in the queue, wait, pointer, intention or due item, and no execution that runs."""
    for execution in left.executions:
        if execution["status"] == "RUNNING":
            yield f"execution {execution['name']} runs"
    for item in left.items:
        kind = item["pk"].split("#")[0]
        if kind in {"ACTIVE", "DUE", "SUBJECT"} or (kind == "SLOTS" and item["sk"] != "LEDGER"):
            yield f"{item['pk']} {item['sk']} is left"
        if kind == "SLOTS" and item["sk"] == "LEDGER" and item["holders"]:
            yield f"slots are held: {item['holders']}"
        if kind in {"WAIT", "APPROVAL"} and (item["state"] != "RESOLVED" or "token" in item):
            yield f"{item['pk']} {item['sk']} is {item['state']}, {'with' if 'token' in item else 'without'} a token"
        if kind == "INTENT" and not (item["state"] == "ABANDONED" and left.state.get("frozen_reason")):
            yield f"{item['pk']} is {item['state']}"
    if left.state.get("active_run_id"):
        yield f"the model is locked by {left.state['active_run_id']}"


def every_end_is_told(left: Left) -> Iterator[str]:
    """Record, evidence and message of every end; manifest of every run; an execution's end is its run's."""
    for run in left.runs:
        name, outcome = run["run_id"], run.get("outcome")
        if outcome not in OVER:
            yield f"run {name} has no outcome"
            continue
        statuses = {item["status"] for item in left.of("STATUS", "STATUS#") if item["pk"] == f"STATUS#{name}"}
        if outcome not in statuses or len(statuses & OVER) != 1:
            yield f"run {name} is {outcome}, its history says {sorted(statuses & OVER)}"
        evidence = left.objects.get(f"evidence/{left.name}/{name}/outcome.json")
        if (evidence or {}).get("outcome") != outcome:
            yield f"run {name} is {outcome}, its evidence {(evidence or {}).get('outcome')}"
        if f"manifests/{left.name}/{name}.json" not in left.objects:
            yield f"run {name} has no manifest"
        if {f"evidence/{left.name}/{name}{each}" for each in REPORT} - left.reports:
            yield f"run {name} is {outcome}, and has no report"
        if not left.told(name, outcome):
            yield f"nobody was told that {name} is {outcome}"
    runs = {run["run_id"] for run in left.runs}
    for execution in left.executions:
        if execution["status"] not in {"SUCCEEDED", "RUNNING"} and execution["name"] not in runs:
            record = next(
                (item for item in left.of("RUN", "DECISION") if item["pk"] == f"RUN#{execution['name']}"), None
            )
            if (
                record is None
                and not left.told(execution["name"], "FAILED")
                and not unrecorded(left, execution["name"])
            ):
                yield f"nobody was told that {execution['name']} failed"


def unrecorded(left: Left, execution: str) -> bool:
    """True when people were told that an execution could not be recorded, which the workflow does without functions."""
    told = f"execution:loop-retraining:{execution} could not record its outcome"
    return any(told in message["Message"] for message in left.messages)


def what_serves_was_judged(left: Left) -> Iterator[str]:
    """The endpoint serves the champion, or a candidate whose run promoted it; else it is frozen, and people were called."""
    if left.endpoint is None:
        return
    serves = left.endpoint["EndpointConfigName"]
    promoted = [run["run_id"] for run in left.runs if run.get("outcome") == "PROMOTED"]
    judged = left.made_by is None or left.made_by in promoted
    if promoted and serves == f"{left.name}-first" and left.deploys:
        yield f"{promoted[-1]} was promoted and {serves} serves"
    if not judged and not left.state.get("frozen_reason") and not _unfrozen(left):
        yield f"{serves} serves, which no run promoted, and the model is not frozen"
    if not judged and not any(
        left.told(run["run_id"], str(run.get("outcome"))) for run in left.runs if run.get("outcome") in PAGED
    ):
        yield f"{serves} serves, which no run promoted, and nobody was called"


def _unfrozen(left: Left) -> bool:
    """True when a person took what serves for settled, which closes the breaker."""
    return left.told("unfrozen") or left.told("unfreez")


def no_training_is_nobodys(left: Left) -> Iterator[str]:
    """No training runs once nothing is left that would stop it."""
    for each in left.trainings:
        if each["runs"]:
            yield f"training {each['what']} runs"


def next_signal_can_train(left: Left) -> Iterator[str]:
    """Nothing is in the way of the next signal, or people know of what is."""
    reason = left.state.get("frozen_reason")
    if reason and not left.told("frozen"):
        yield f"the model is frozen and nobody was told: {reason}"
    if left.state.get("pending") and not reason:
        yield "a signal is kept and nothing will bring it back"


PROMISES: Final[tuple[Callable[[Left], Iterator[str]], ...]] = (
    one_record_a_signal,
    chain_is_whole,
    one_run_at_a_time,
    nothing_is_left,
    every_end_is_told,
    what_serves_was_judged,
    no_training_is_nobodys,
    next_signal_can_train,
)


def broken(left: Left) -> list[str]:
    """Every promise that is broken, and how."""
    return [f"{promise.__name__}: {how}" for promise in PROMISES for how in promise(left)]


def ends(left: Left) -> str:
    """How the story ended: the outcome of its last run, or the decision on its last signal."""
    last = left.runs[-1] if left.runs else None
    records = [
        value for key, value in left.objects.items() if key.startswith("decisions/") and left.owns(value["run_id"])
    ]
    if last is not None and any(record["run_id"] == last["run_id"] for record in records):
        return str(last.get("outcome"))
    latest = max(records, key=lambda record: str(record["decided_at"]), default=None)
    return str(latest["decision"]) if latest else "NOTHING"
