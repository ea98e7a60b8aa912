"""Every reader of what others write, with valid examples of it and what must hold whatever comes.

Each reader is played on a stack in memory. For all of them: no exception but the package's own, each with a sentence;
records that their schemas allow; keys below known folders; chains that are whole. What else holds is said at each: what
is garbage begins no training, passes no gate and counts as no vote. A reader that says yes has to show the one place in
the input, read again by other means, without which it could not have been a yes.
"""

from __future__ import annotations

import base64
import copy
import functools
import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from ops.assignments import assignments
from ops.audit.records import read_anchor, read_record
from ops.stack import OperatorError
from orchestration import approval_handler, handler, operator_handler, promotion_handler, slack_handler
from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import RETRAINING_SOURCE, WaitKind
from orchestration.domain.errors import OrchestrationError, PolicyError
from orchestration.domain.evaluation import Standing, evaluate
from orchestration.domain.policy import (
    Evaluation,
    GuardMetric,
    parse_policy,
    pinned_policy,
    policy_record,
    policy_sha256,
)
from orchestration.domain.signal import Signal
from orchestration.domain.signals import read_signal
from orchestration.domain.slack_buttons import Button
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.training_output import TrainingOutput
from orchestration.domain.votes import CHANNEL
from orchestration.settings import ApprovalAccess
from orchestration.stores.alarms_cloudwatch import new_state
from tests.unit import stories
from tests.unit.fakes import (
    EVENTS,
    SETTINGS,
    TRAINING,
    FakeReader,
    World,
    asking,
    drift,
    event,
    execution_arn,
    proven,
    request,
)

KEYS: Final = re.compile(
    r"policies/[a-z]+\.json"
    r"|decisions/(churn|fraud|_unattributed)/\d{4}/\d\d/\d\d/[0-9a-f]{32}\.json"
    r"|manifests/(churn|fraud)/run-1\.json"
    r"|evidence/(churn|fraud|_loop|_anchors)/[A-Za-z0-9_./-]{1,120}\.json|evidence/(churn|fraud)/run-1/report\.html"
    r"|runs/(churn|fraud)/run-1/(inputs/event|outputs/evaluation)\.json"
    r"|rejected/([0-9a-f]{32}|run-1)\.json"
    r"|artifacts/(churn|fraud)/run-1/[0-9a-f]{16}/model\.tar\.gz"
)
PARTITIONS: Final = re.compile(
    r"SIGNAL#[0-9a-f]{32}|(MODEL|CHAIN|MADE)#[A-Za-z0-9_-]{1,63}|(RUN|STATUS|FINISH|WAIT|APPROVAL)#run-[01]"
    r"|(INTENT|SUBJECT)#[a-z]+:[^\x00-\x1f]{1,300}|HEARD#(job|alarm):[^\x00-\x1f]{1,255}|DUE#(\d|APPROVALS|EVENTS)"
    r"|ACTIVE|CONTROLS|HEADS|LISTED|MODELS|REPAIRS|SLOTS"
)
ASKED_KEYS: Final = re.compile(
    KEYS.pattern + r"|evidence/[A-Za-z0-9-]{1,63}/_controls/\d{12}-[a-z]+\.json|rejected/[\w-]{1,80}\.json"
)
ASKED_PARTITIONS: Final = re.compile(PARTITIONS.pattern + r"|(RUN|STATUS|FINISH|REQUEST)#[^\x00-\x1f]{1,200}")
"""Besides, by requests to a function: a switch of any model, an event of any execution that decided nothing."""

MODELS: Final = frozenset({"churn", "fraud", "_unattributed", "_loop"})

SENTENCE: Final = 6_000
"""Characters of the longest sentence: some name ten findings or steps."""


class BrokenError(AssertionError):
    """A reader broke what must hold; the message says what."""


@dataclass(frozen=True)
class Reader:
    """A reader. ``play`` reads an input and raises BrokenError where something does not hold that must.

    ``structured``: its inputs are JSON, so that they are changed as documents too and not as bytes only.
    """

    play: Callable[[bytes], None]
    examples: Callable[[], list[bytes]]
    structured: bool = True
    words: tuple[str, ...] = field(default=())


def must(holds: object, what: str) -> None:
    """Say what does not hold."""
    if not holds:
        raise BrokenError(what)


def own_errors(call: Callable[[], Any]) -> Any:
    """What a call gives; None when it refuses with one of the package's own errors, which must have a sentence."""
    try:
        return call()
    except OrchestrationError as error:
        must(
            10 < len(str(error)) < SENTENCE,
            f"{type(error).__name__} says {str(error)[:80]!r} in {len(str(error))} characters",
        )
        return None


def whole(world: World, *, asked_for: bool = False) -> None:
    """What was written lies where it may, can be sent, and hangs together. ``asked_for``: by a request to a function."""
    keys, partitions = (ASKED_KEYS, ASKED_PARTITIONS) if asked_for else (KEYS, PARTITIONS)
    for key in sorted(world.keys()):
        must(keys.fullmatch(key), f"wrote {key!r}")
    for partition, _ in world.database.items:
        must(partitions.fullmatch(partition), f"wrote into the partition {partition!r}")
        kind, _, name = partition.partition("#")
        must(asked_for or kind not in {"MODEL", "CHAIN"} or name in MODELS, f"keeps a model {name!r}")
    for message in world.channels.messages:
        must(len(str(message)) < 100_000, f"told {len(str(message))} characters")
    for chain in ("churn", "fraud"):
        world.chain(chain)


def document(given: bytes) -> Any:
    """What AWS hands on of a JSON text: what Python reads of it, and no input at all where it is none."""
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        return ...


# Signals.

REPORT: Final = (
    "s3://amzn-s3-demo-bucket/reports/churn-prod/churn-prod-schedule/2026/03/02/11/constraint_violations.json"
)
VIOLATIONS: Final[list[dict[str, Any]]] = [
    {
        "feature_name": "tenure",
        "constraint_check_type": "baseline_drift_check",
        "description": "Baseline drift distance: 0.37 exceeds threshold: 0.1",
    },
    {
        "metric_name": "auc",
        "constraint_check_type": "LessThanThreshold",
        "description": "Metric auc with 0.6 +/- 0.01 was LessThanThreshold '0.75'",
    },
    {
        "feature_name": "age",
        "constraint_check_type": "data_type_check",
        "description": "Expected match: 100.0%. Observed: Only 97.0% of data is Integral.",
    },
]
EAGER: Final[dict[str, Any]] = {
    "schema_version": 1,
    "model": "churn",
    "actions": {"info": "observe", "warning": "retrain", "critical": "retrain"},
    "approval": {"training": "never"},
    "evaluation": {"metric": "auc"},
    "promotion": {"endpoint": "churn-prod"},
}
"""A policy under which whatever is taken for drift is trained for at once."""


def signal_world(violations: bytes, decision: bytes) -> World:
    """A stack whose one model is retrained whenever anything says so."""
    world = World()
    world.put("policies/churn.json", EAGER)
    world.sagemaker.serve("churn-prod", "churn-config-1")
    job = event("model_monitor/drifted")["detail"]
    world.sagemaker.run_schedule(job)
    world.bucket.objects[REPORT] = violations
    world.bucket.objects[f"s3://{SETTINGS.decision_bucket}/{SETTINGS.decision_key}"] = decision
    pending = {"first_signal_id": "0" * 32, "count": 3, "severity": "warning", "signal": kept_signal()}
    world.table.save_model(StoredModel(model="churn", pending=pending))
    return world


@functools.cache
def kept_signal() -> dict[str, Any]:
    """A signal that was coalesced."""
    found = read_signal(drift(), reader=FakeReader(), settings=SETTINGS, run_id="run-0")
    must(isinstance(found, Signal), "the example is no signal")
    return {**found.as_record(), "violations": []}  # type: ignore[union-attr] # it is one


def admitted(given: Any, *, violations: bytes, decision: bytes) -> str:
    """The decision on an event, after looking at what it left."""
    world = signal_world(violations, decision)
    answer = own_errors(lambda: handler.run_action(request(given), world.ports))
    whole(world)
    must(answer is not None, "no decision, and no retry helps")
    must(answer["output"]["reason"].strip(), "a decision without a sentence")
    must(len(answer["output"]["reason"]) < SENTENCE, "a sentence nobody reads")
    if answer["decision"] != "RETRAIN":
        must(not world.keys("manifests/"), f"{answer['decision']} with a manifest")
    must(not world.executions.started, "a training was started by the deciding function")
    return str(answer["decision"])


def play_event(given: bytes) -> None:
    """Whatever is sent as an event. RETRAIN needs the one thing that makes an event of its kind a reason to train."""
    sent = document(given)
    if sent is ...:
        return
    decision = admitted(copy.deepcopy(sent), violations=violations_example(), decision=b"retraining_required\nYES\n")
    if decision == "RETRAIN":
        must(isinstance(sent, dict) and speaks_of_drift(sent), "RETRAIN on an event that gives no reason to")


def speaks_of_drift(sent: dict[str, Any]) -> bool:
    """The one thing in an event without which no reader may take it for drift or for a request."""
    detail = sent.get("detail")
    match sent.get("source"):
        case "aws.events" | "aws.s3":
            return True
        case source if source == RETRAINING_SOURCE:
            return isinstance(detail, dict) and detail.get("model") == "churn"
        case "aws.sagemaker":
            return isinstance(detail, dict) and detail.get("ProcessingJobStatus") in {"Completed", "Failed"}
        case "aws.cloudwatch":
            name = detail.get("alarmName") if isinstance(detail, dict) else None
            if detail is None or not isinstance(name, str) or not name.startswith("drift/"):
                return False
            return detail["state"]["value"] == "ALARM" and "churn" in json.dumps(detail)
        case "mlops.drift" if isinstance(detail, dict):
            if sent["detail-type"] == "Retraining Requested":
                return (
                    detail.get("model") == "churn" and bool(detail.get("reason")) and bool(detail.get("requested_by"))
                )
            named = "churn" in {str(detail.get(name)) for name in ("model", "model_name")}
            named |= "churn-prod" in {str(detail.get(name)) for name in ("endpoint", "endpoint_name")}
            alert = "alert_type" in detail or "drift_share" in detail
            return (named or alert) and (alert or has_measure(detail))
        case _:
            return sent.keys() <= {"comment", "Comment"}


def has_measure(value: Any) -> bool:
    """Somewhere in it is a finite number, the ASCII text of one, a truth value or a word for a severity."""
    if isinstance(value, dict):
        return any(map(has_measure, value.values()))
    if isinstance(value, list):
        return any(map(has_measure, value))
    if isinstance(value, str):
        severe = value.lower() in {"warning", "warn", "medium", "moderate", "critical", "high", "severe"}
        return severe or re.search(r"\d", value, re.ASCII) is not None
    return isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value))


def play_violations(given: bytes) -> None:
    """A violations file. RETRAIN needs a list of violations that is not empty, and none that speaks of broken data."""
    decision = admitted(event("model_monitor/drifted"), violations=given, decision=b"")
    if decision == "RETRAIN":
        found = json.loads(given.decode("utf-8-sig"))["violations"]
        must(any(isinstance(entry, dict) for entry in found), "RETRAIN without a violation")
        checks = [str(entry.get("constraint_check_type")) for entry in found if isinstance(entry, dict)]
        must("data_type_check" not in checks, "RETRAIN on broken data")


def play_decision_file(given: bytes) -> None:
    """A decision file. RETRAIN needs the three ASCII letters in it, on a line that is not the first."""
    decision = admitted({}, violations=b"", decision=given)
    if decision == "RETRAIN":
        text = given.decode("utf-16" if given[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
        must(re.search(r"[\r\n][^a-zA-Z]*yes", text, re.ASCII | re.IGNORECASE), "RETRAIN without a YES")


def violations_example() -> bytes:
    return json.dumps({"violations": VIOLATIONS[:2]}).encode()


def events() -> list[bytes]:
    return [path.read_bytes() for path in sorted(EVENTS.rglob("*.json"))]


# Policies.

GOOD: Final[dict[str, Any]] = {
    "schema_version": 1,
    "model": "fraud",
    "actions": {"info": "observe", "warning": "observe", "critical": "observe"},
}
RICH: Final[dict[str, Any]] = {
    **EAGER,
    "model": "fraud",
    "mode": "active",
    "severity": {"warning": 1.0, "critical": 2.0},
    "data_quality": "hold",
    "cooldown_hours": 24,
    "budget": {"runs": 4, "days": 30},
    "breaker": {"fruitless_runs": 3, "drift_again_hours": 2.5},
    "training": {"target": TRAINING, "input": {"epochs": 3}, "parameters": {"Lr": "0.1"}, "max_hours": 3},
    "evaluation": {
        "metric": "auc",
        "minimum": 0.8,
        "min_improvement": 0.0,
        "guards": [{"metric": "recall", "minimum": 0.7, "slice": "new"}],
    },
    "approval": {
        "training": "never",
        "promotion": "always",
        "remind_hours": 4,
        "escalate_hours": 8,
        "expire_hours": 24,
    },
    "promotion": {"endpoint": "fraud-prod", "bake_minutes": 10, "alarms": ["fraud-5xx"]},
}


def play_policy(given: bytes) -> None:
    """A policy file over a good one that only observes. RETRAIN needs a file that is valid and says so itself.

    A valid one comes back from its manifest with the same meaning; one that is not has findings, is told of, and leaves
    the good one in force.
    """
    try:
        policy = parse_policy("fraud", given, version="v2", settings=SETTINGS)
    except PolicyError as error:
        must(error.findings and all(finding.startswith("$") for finding in error.findings), "findings without a path")
        must(len(str(error)) < SENTENCE, "findings nobody reads")
        policy = None
    world = World()
    world.put("policies/fraud.json", GOOD)
    world.sagemaker.serve("fraud-prod", "fraud-config-1")
    own_errors(lambda: handler.run_action(request(drift(model="fraud", dedupe_key="1"), "run-0"), world.ports))
    world.put("policies/fraud.json", given)
    answer = own_errors(lambda: handler.run_action(request(drift(model="fraud", dedupe_key="2")), world.ports))
    whole(world)
    must(answer is not None, "no decision, and no retry helps")
    if policy is None:
        must(answer["decision"] == "OBSERVE", f"{answer['decision']} under a policy that only observes")
        must(len(world.told("POLICY_INVALID")) == 1, "nobody was told of a policy that is not valid")
        return
    again = pinned_policy(json.loads(canonical(policy_record(policy))))
    must(policy_sha256(again) == policy_sha256(policy), "a policy that means something else in its manifest")
    must(not world.told("POLICY_INVALID"), "told of a policy that is valid")
    if answer["decision"] == "RETRAIN":
        said = json.loads(given.decode("utf-8-sig"))
        asked = {said.get("actions", {}).get(severity) for severity in ("warning", "critical")}
        must(asked != {"observe"}, "RETRAIN against the file's actions")
        must(said.get("mode") != "shadow", "RETRAIN against the file's mode")


# What a training gives back.

WANTED: Final = (
    Evaluation("auc", minimum=0.8, guards=(GuardMetric("recall", minimum=0.5, slice="new"), GuardMetric("rmse"))),
    Evaluation("auc"),
    Evaluation("rmse", min_improvement=0.0, lower_is_better=True),
    Evaluation("auc", minimum=0.8, min_improvement=-0.1, confidence=0.95),
)


def play_report(given: bytes) -> None:
    """An evaluation report. A pass needs the metric itself in the report, as a finite number on the right side."""
    for wanted in WANTED:
        verdict = evaluate(given, wanted, Standing(True, "A champion serves"))
        written = canonical(verdict.as_record())
        must(len(written) < 300_000, f"a verdict of {len(written)} characters")
        json.dumps(verdict.as_record(), allow_nan=False)
        must(10 < len(verdict.sentence) < SENTENCE, "a verdict without a sentence")
        must(verdict.passed is False or all(gate.passed for gate in verdict.gates), "passed with a gate that did not")
        if verdict.passed:
            must(measured(given, wanted), f"{wanted.metric} passed without being measured")


def measured(given: bytes, wanted: Evaluation) -> bool:
    values = []
    read = json.loads(given.decode("utf-8-sig"))
    for group in ("binary_classification_metrics", "multiclass_classification_metrics", "regression_metrics"):
        metrics = read.get(group)
        for name, entry in metrics.items() if isinstance(metrics, dict) else ():
            # However it is spelled: docs/policy.md.
            if re.sub(r"[-_\s]", "", name).lower() != wanted.metric:
                continue
            value = entry.get("value") if isinstance(entry, dict) else entry
            ascii_number = isinstance(value, str) and re.fullmatch(r"\s*[-+0-9.eE]+\s*", value, re.ASCII)
            if ascii_number or (isinstance(value, (int, float)) and not isinstance(value, bool)):
                values.append(float(value))  # type: ignore[arg-type] # one of the two
    return any(math.isfinite(value) and (wanted.minimum is None or value >= wanted.minimum) for value in values)


def reports() -> list[bytes]:
    metrics: dict[str, Any] = {
        "auc": {"value": 0.93, "standard_deviation": "NaN"},
        "recall": {"value": 0.8, "standard_deviation": 0.01},
        "rmse": {"value": 0.2},
        "confusion_matrix": {"0": {"0": 10, "1": 2}},
    }
    champion = {"binary_classification_metrics": {**metrics, "auc": {"value": 0.9}}}
    slices = {"new": {"binary_classification_metrics": {"recall": {"value": 0.7}}}}
    paired = {"auc": {"value": 0.03, "lower": 0.01, "upper": 0.05, "confidence": 0.95}}
    full = {
        "binary_classification_metrics": {**metrics, "auc": {"value": 0.93, "standard_deviation": 0.001}},
        "champion": champion,
        "difference": {"binary_classification_metrics": paired},
        "slices": slices,
    }
    return [
        json.dumps(full).encode(),
        json.dumps({"regression_metrics": metrics, "champion": {"regression_metrics": metrics}}).encode(),
        json.dumps(stories.REPORT).encode(),
    ]


def play_output(given: bytes) -> None:
    """The output of a training whose report passes every gate. Nothing but a legal address of a model is promoted."""
    text = given.decode(errors="replace")
    world = World()
    stories.training(world)
    world.bucket.put(stories.MODEL_URI, b"weights")
    world.put("runs/fraud/run-1/outputs/evaluation.json", stories.REPORT)
    world.executions.end(stories.training_arn(), "SUCCEEDED", output=text)
    own_errors(lambda: stories.tell_ended(world, stories.training_arn()))
    answer = own_errors(lambda: stories.do(world, "evaluate"))
    whole(world)
    must(answer is not None, "no verdict, and no retry helps")
    if answer["next"] == "promote":
        verdict = world.table.candidate_verdict("run-1")
        record = verdict.as_record() if verdict is not None else {"plan": {}, "copies": []}
        must(record["plan"].get("create_model"), "promotes without a plan")
        uri = record["plan"]["create_model"]["PrimaryContainer"]["ModelDataUrl"]
        source = next((copy["source"] for copy in record["copies"] if copy["uri"] == uri), "")
        must(source, f"promotes {uri[:80]!r}, which is no copy")
        named = source in text and '"model_data_' in text
        must(named, f"promotes a copy of {source[:80]!r}, which the output does not name")
        must(uri.isprintable(), "an address with control characters")
    wait = world.table.wait("run-1", WaitKind.TRAINING)
    if wait is not None and wait.result is not None and wait.result.output is not None:
        kept = json.loads(canonical(asdict(wait.result.output)))
        must(TrainingOutput.of(kept) == wait.result.output, "an output that reads back as another")


def outputs() -> list[bytes]:
    package = "arn:aws:sagemaker:us-east-1:111122223333:model-package/fraud/7"
    made = {"model_data_url": stories.MODEL_URI, "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1"}
    more = {"environment": {"A": "1"}, "evaluation_uri": "s3://automation/runs/fraud/run-1/outputs/evaluation.json"}
    baseline = {"baseline_statistics_uri": "s3://a-b/s.json", "baseline_constraints_uri": "s3://a-b/c.json"}
    promoted = {"model_data_url": stories.MODEL_URI}
    seeds = ({**made, **more, **baseline}, {"model_package_arn": package}, made, promoted)
    return [json.dumps(each).encode() for each in seeds]


# People.


NONCE: Final = "nonce-0".ljust(43, "A")
"""Of the one link that was sent."""


def asked_world(access: ApprovalAccess = ApprovalAccess.IAM, *, slack: bool = False) -> World:
    """A run whose promotion people are asked about; made once and set back after each input."""
    world, items, objects, answers = _asked(access, slack=slack)
    world.database.items = copy.deepcopy(items)
    world.bucket.objects = dict(objects)
    world.executions.answers = dict(answers)
    world.channels.messages, world.channels.events = [], []
    return world


@functools.cache
def _asked(access: ApprovalAccess, *, slack: bool) -> tuple[World, Any, dict[str, bytes], dict[str, Any]]:
    world = World(approval_access=access, slack_approvals=slack)
    stories.asked(world, approval={"training": "never", "promotion": "always", "channel": "always"})
    return world, copy.deepcopy(world.database.items), dict(world.bucket.objects), dict(world.executions.answers)


def play_page(given: bytes) -> None:
    """A request of the page's address. GET changes nothing; a vote needs POST, and an identity that Lambda has put there."""
    paged(
        given, ApprovalAccess.IAM, lambda sent: isinstance(sent["requestContext"]["authorizer"]["iam"]["userArn"], str)
    )


def play_link(given: bytes) -> None:
    """The same where links decide: a vote needs the whole nonce, in the form."""

    def has_nonce(sent: dict[str, Any]) -> bool:
        body = sent["body"]
        return NONCE in unquote_plus(base64.b64decode(body).decode() if sent.get("isBase64Encoded") else body)

    paged(given, ApprovalAccess.LINK, has_nonce)


def paged(given: bytes, access: ApprovalAccess, may_vote: Callable[[dict[str, Any]], bool]) -> None:
    sent = document(given)
    if not isinstance(sent, dict) or not isinstance(sent.get("requestContext"), dict):
        return
    world = asked_world(access)
    before = copy.deepcopy(world.database.items)
    answer = approval_handler.answer(copy.deepcopy(sent), world.ports)
    must(answer["statusCode"] in {200, 400, 403, 404, 405, 409, 410, 413, 415}, f"answers {answer['statusCode']}")
    must(len(answer["body"]) < 200_000, f"a page of {len(answer['body'])} characters")
    whole(world)
    if world.database.items != before:
        method = sent["requestContext"]["http"]["method"]
        must(method == "POST", f"{method} changed something")
        must(may_vote(sent), "a vote of nobody")
        must(answer["statusCode"] == 200, "changed something and says it did not")
    decided(world, json.dumps(sent))


def play_vote(given: bytes) -> None:
    """A vote by command. Without a proof nothing changes; with one it needs run and word, none of them guessed."""
    sent = document(given)
    if sent is ...:
        return
    for signed in (False, True):
        world = asked_world()
        before = copy.deepcopy(world.database.items)
        asked = proven(sent, "ana", world.clock()) if signed and isinstance(sent, dict) else sent
        own_errors(functools.partial(approval_handler.run_action, asked, world.ports))
        whole(world)
        decided(world, json.dumps(sent))
        must(signed or world.database.items == before, "changed something for somebody who is not proven")


def play_press(given: bytes) -> None:
    """A button in Slack. Nothing changes without the whole secret, and an explanation changes nothing."""
    sent = document(given)
    if sent is ...:
        return
    world = asked_world(slack=True)
    before = copy.deepcopy(world.database.items)
    answer = slack_handler.answer(sent, world.ports)
    must(isinstance(answer, str) and "\n" not in answer and len(answer) < 5000, "answers in another form than a line")
    whole(world)
    must(world.database.items == before or f"run-1.{NONCE}" in json.dumps(sent), "a press of nobody")
    must(world.database.items == before or "explain" not in sent, "explaining changed something")
    must(world.database.items == before or f"by {CHANNEL}" in answer, "changed something and does not say so")


def play_proof(given: bytes) -> None:
    """The proof of an otherwise good vote. Nobody is proven without the signature and the name that belong together."""
    world = asked_world()
    whose = proven(VOTE, "ana", world.clock())["proof"]
    own_errors(
        functools.partial(approval_handler.run_action, {**VOTE, "proof": given.decode(errors="replace")}, world.ports)
    )
    whole(world)
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    if wait is not None and wait.resolved:
        made, needed = dict(parse_qsl(given.decode())), dict(parse_qsl(whose))
        for name in ("X-Amz-Signature", "X-Amz-Credential", "Action"):
            must(made[name] == needed[name], f"a proof with another {name}")


def decided(world: World, sent: str) -> None:
    wait = world.table.wait("run-1", WaitKind.APPROVAL, "promotion")
    must(wait is not None, "the approval is gone")
    if wait is not None and wait.result is not None and wait.result.ruling is not None and wait.result.ruling.approved:
        must("APPROVED" in sent, "APPROVED by a request that does not say so")


def page_requests() -> list[bytes]:
    form = "decision=APPROVED&comment=Looks+good%21&subject=promotion"
    post = {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": "run=run-1",
        "headers": {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/", "sourceIp": "192.0.2.7"},
            "authorizer": {"iam": {"userArn": "arn:aws:sts::111122223333:assumed-role/reviewer/ana"}},
        },
        "body": form,
        "isBase64Encoded": False,
    }
    get = {**post, "requestContext": {**post["requestContext"], "http": {"method": "GET"}}, "body": None}  # type: ignore[dict-item] # an object of the request
    encoded = {**post, "body": "ZGVjaXNpb249UkVKRUNURUQmc3ViamVjdD1wcm9tb3Rpb24=", "isBase64Encoded": True}
    return [json.dumps(each).encode() for each in (post, get, encoded)]


def link_requests() -> list[bytes]:
    post = json.loads(page_requests()[0])
    link = {"rawQueryString": f"run=run-1&nonce={NONCE}", "body": f"{post['body']}&nonce={NONCE}"}
    get = {"requestContext": {"http": {"method": "GET"}}, "body": None, "rawQueryString": link["rawQueryString"]}
    return [json.dumps({**post, **each}).encode() for each in (link, get)]


VOTE: Final[dict[str, Any]] = {
    "action": "decide",
    "run_id": "run-1",
    "decision": "APPROVED",
    "comment": "Good.",
    "subject": "promotion",
}


def votes() -> list[bytes]:
    return [json.dumps(each).encode() for each in (VOTE, {**VOTE, "decision": "REJECTED", "proof": "Action=x"})]


def proofs() -> list[bytes]:
    return [proven(VOTE, by, asked_world().clock())["proof"].encode() for by in ("ana", "ana", "arn:aws:iam::1:root")]


def play_operator(given: bytes) -> None:
    """A request to a function. Switches have legal scopes; nothing in SageMaker changes; nothing is done for nobody."""
    sent = document(given)
    if sent is ...:
        return
    entries: list[Any] = [handler, promotion_handler, operator_handler]
    for entry in entries:
        world = asked_world()
        changes = len(world.sagemaker.requests)
        if entry is operator_handler and isinstance(sent, dict):
            before = copy.deepcopy(world.database.items)
            own_errors(functools.partial(entry.run_action, copy.deepcopy(sent), world.ports))
            must(world.database.items == before, "changed something for somebody who is not proven")
            sent = proven(sent, "ana", world.clock())
        try:
            own_errors(functools.partial(entry.run_action, copy.deepcopy(sent), world.ports))
        except RuntimeError as error:
            must("piece(s) of work failed" in str(error), f"RuntimeError: {error}")
        whole(world, asked_for=True)
        for switch in world.table.kill_switches():
            must(re.fullmatch(r"global|(model|source):[A-Za-z0-9_-]{1,63}", switch.scope), f"paused {switch.scope!r}")
            must(switch.scope in json.dumps(sent), "paused what was not asked for")
        must(len(world.sagemaker.requests) == changes, "changed something in SageMaker")
        decided(world, json.dumps(sent))


def operator_requests() -> list[bytes]:
    who = {"reason": "Incident 7."}
    execution = {"id": execution_arn("run-1"), "name": "run-1"}
    states = {
        "SageMaker Endpoint State Change": {"EndpointName": "fraud-prod"},
        "SageMaker Training Job State Change": {"TrainingJobName": "retraining-x"},
        "SageMaker Model Building Pipeline Execution Status Change": {"pipelineExecutionDisplayName": "retraining-x"},
        "CloudWatch Alarm State Change": {"alarmName": "fraud-5xx"},
        "Step Functions Execution Status Change": {
            "stateMachineArn": SETTINGS.state_machine_arn,
            "executionArn": execution_arn("run-1"),
            "name": "run-1",
            "status": "FAILED",
            "error": "E",
            "cause": "c",
            "input": "{}",
        },
    }
    asked: list[dict[str, Any]] = [
        {"action": "pause", "scope": "global", **who},
        {"action": "retrain", "model": "fraud", "force": True, **who},
        {"action": "pause", "scope": "model:fraud", **who},
        {"action": "unpause", "scope": "source:alarm", **who},
        {"action": "unfreeze", "model": "fraud", **who},
        {"action": "replay", "key": "rejected/a.json"},
        {"action": "replay", "dead_letters": True},
        {"action": "sweep", "ahead_seconds": 600},
        {"action": "settle", "detail": states["Step Functions Execution Status Change"]},
        {
            "action": "close",
            "failure": {"error": "E", "cause": '{"errorMessage": "m"}'},
            "event": {},
            "execution": execution,
        },
        *(
            {"action": action, "kind": "slot", "token": "t", "subject": "promotion", **asking("run-1")}
            for action in ("park", "evaluate", "train", "promote", "roll_back", "finish")
        ),
        *({"detail-type": kind, "source": "aws.x", "detail": detail} for kind, detail in states.items()),
    ]
    return [json.dumps(each).encode() for each in asked]


# Files that operators' commands read.


def play_record(given: bytes) -> None:
    """A record or an anchor. What is taken for one is written as it was hashed."""
    found = read_record(given)
    must(not isinstance(found, str) or 5 < len(found) < 300, "no reason why it is no record")
    anchor = read_anchor("evidence/_anchors/2026-03-02.json", given)
    must(not isinstance(anchor, str) or 5 < len(anchor) < 300, "no reason why it is no anchor")
    if not isinstance(found, str) and not found.chained_before:
        must(canonical(json.loads(given)).encode() == given, "a record that was written otherwise than it was hashed")


def records() -> list[bytes]:
    world = asked_world()
    return [
        world.bucket.objects[world.bucket.uri(key)]
        for key in sorted(world.keys())
        if key.startswith(("decisions/", "evidence/"))
    ]


def play_parameters(given: bytes) -> None:
    """A line of parameters: pairs, or an error that says which part is none."""
    text = given.decode(errors="replace")
    try:
        found = assignments(text, "PARAMS")
    except OperatorError as error:
        must(str(error).startswith("PARAMS"), str(error)[:80])
        return
    for name, value in found.items():
        must(re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name, re.ASCII), f"a name {name[:80]!r}")
        must(value in text, "a value that is not in the line")


def play_history(given: bytes) -> None:
    """The history data of an alarm: ALARM is what its new state says, nothing else."""
    if new_state(given.decode(errors="surrogateescape")) == "ALARM":
        must(document(given)["newState"]["stateValue"] == "ALARM", "an alarm that is none")


READERS: Final[dict[str, Reader]] = {
    "event": Reader(play_event, events),
    "violations": Reader(
        play_violations,
        lambda: [json.dumps({"violations": each}).encode() for each in (VIOLATIONS[:1], VIOLATIONS[1:2], VIOLATIONS)],
        words=(" exceeds threshold: ", " was LessThanThreshold ", " +/- ", "1.1.1", "1e999", "data_type_check"),
    ),
    "decision-file": Reader(
        play_decision_file,
        lambda: [b"retraining_required\nYES\n", b'\xef\xbb\xbf"a","b"\r\n"no",""\r\n', "a\nYES\n".encode("utf-16")],
        structured=False,
        words=("ye\u017f", "YES", "\r", "\n", '"', ",", "\0"),
    ),
    "policy": Reader(
        play_policy, lambda: [json.dumps(each).encode() for each in (RICH, EAGER | {"model": "fraud"}, GOOD)]
    ),
    "report": Reader(play_report, reports, words=("binary_classification_metrics", "regression_metrics", "auc", "99")),
    "output": Reader(play_output, outputs, words=("model_data_url", "evaluation_uri", "s3://a-b/../c")),
    "page": Reader(
        play_page, page_requests, words=("decision=APPROVED&", "&run=run-2", "%00", "subject=training", "PO\u017fT")
    ),
    "link": Reader(
        play_link, link_requests, words=("&nonce=", NONCE[:-1], NONCE[:-1] + "B", "run=run-1&", "decision=REJECTED&")
    ),
    "vote": Reader(play_vote, votes, words=("APPROVED", "REJECTED", "run-2", "bearer link")),
    "press": Reader(
        play_press,
        lambda: [json.dumps({button: f"run-1.{NONCE}"}).encode() for button in Button],
        words=("approve", "explain", NONCE[:-1], "run-2.", '"'),
    ),
    "proof": Reader(
        play_proof, proofs, structured=False, words=("X-Amz-Signature=", "&Action=GetCallerIdentity", "%20", "host;")
    ),
    "operator": Reader(
        play_operator, operator_requests, words=("global", "model:", "source:alarm", "churn", "slot", "bake")
    ),
    "record": Reader(play_record, records),
    "parameters": Reader(
        play_parameters,
        lambda: [b"Mode=shadow CooldownHours=12", b"A=\"x y\" B='z' C=a b", b" A=1,2  B= "],
        structured=False,
        words=("A=", "=", '"', "'", "   "),
    ),
    "alarm-history": Reader(
        play_history, lambda: [b'{"version":"1.0","oldState":{"stateValue":"OK"},"newState":{"stateValue":"ALARM"}}']
    ),
}
"""Every reader by its name."""

SCHEMA: Final = Path(__file__).parents[2] / "src" / "orchestration" / "policy.schema.json"
