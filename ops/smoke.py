"""Send a signal that cannot train through the deployed stack and report each hop with its time.

The signal is a drift report on a model of its own, `smoke-test`, behind two locks: its policy says shadow, and its kill
switch is thrown, which holds every signal whatever else is set. Policy, switch and the queue that listens to
OperationsTopic are there for the moment only. What stays is the decision record, chained like every other, which an audit
needs; the model counts as none (`SMOKE_MODEL`), so that no list of models has it. People who subscribed to
OperationsTopic hear of the switch.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.change_sets import until
from ops.invocation import Exit, stack_command
from ops.record_hashes import hash_of
from ops.refusals import refusal
from ops.terminal import Styled
from orchestration.domain.contracts import DRIFT_DETECTED, DRIFT_SOURCE, SMOKE_MODEL, Decision

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal


MODEL: Final = SMOKE_MODEL
SCOPE: Final = f"model:{MODEL}"
POLICY_KEY: Final = f"policies/{MODEL}.json"
PATIENCE_SECONDS: Final = 90.0
"""How long one hop may take: a cold function and EventBridge's retries included."""


class HopError(Exception):
    """A hop did not happen; the message says where to look."""


class _Journey:
    """Prints each hop and keeps the time."""

    def __init__(self, terminal: Terminal) -> None:
        self.hops: list[dict[str, Any]] = []
        self._terminal = terminal
        self._last = time.monotonic()

    def arrived(self, hop: str, what: str) -> None:
        """A hop happened."""
        now = time.monotonic()
        self._terminal.say(Styled("green", "ok"), f"  {hop:<12} {now - self._last:6.2f} s  {what}", hang=27)
        self.hops.append({"hop": hop, "seconds": round(now - self._last, 3), "what": what})
        self._last = now


@stack_command("smoke")
def command(stack: Stack, terminal: Terminal) -> int:
    """Send a signal that cannot train through the deployed stack and report each hop.

    Exit status 1: a hop did not happen. The decision on it stays in the records. People who subscribed to OperationsTopic hear of a kill switch of the model
    smoke-test, which no list of models has.
    """
    return smoke(stack, terminal)


def smoke(stack: Stack, terminal: Terminal) -> int:
    """Send the signal and follow it. Exit status 0 when every hop happened."""
    journey = _Journey(terminal)
    key = uuid.uuid4().hex
    with ExitStack() as cleanup:
        try:
            queue = _listen(stack, cleanup)
            _lock(stack, cleanup)
            journey.arrived("prepared", f"policy {POLICY_KEY} in shadow mode, kill switch {SCOPE}, a listening queue")
            sent_at = time.time()
            _send(stack, key)
            journey.arrived("signal", f"sent to EventBridge: drift of {MODEL}")
            arn = _awaited(lambda: _execution(stack, key, sent_at), "rule", _no_execution(stack))
            journey.arrived("rule", f"DriftReportRule started {arn.rsplit(':', 1)[-1]}")
            output = _end(stack, arn)
            journey.arrived("execution", f"ended well: {output['outcome']}")
            record, record_key = _decision(stack, arn)
            journey.arrived("decision", f"{record['decision']} ({record['reason']}): {record['sentence']}")
            _check_evidence(stack, record, record_key)
            journey.arrived("evidence", f"s3://{stack.outputs['AutomationBucketName']}/{record_key}, its hash is right")
            subject = _awaited(lambda: _heard(stack, queue), "notification", _no_message(stack))
            journey.arrived("notification", f"OperationsTopic delivered: {subject}{_subscribers(stack)}")
        except ClientError as error:
            terminal.say(Styled("red", "NOT OK"), f" after the last hop above. {refusal(error)}")
            terminal.say("Where ReviewerPrincipals is set, only they may write a policy: run it as one of them.")
            terminal.answer({"works": False, "hops": journey.hops, "said": refusal(error), "signal_id": None})
            return int(Exit.NOT_REACHED)
        except HopError as error:
            terminal.say(Styled("red", "NOT OK"), f" {error}")
            terminal.answer({"works": False, "hops": journey.hops, "said": str(error), "signal_id": None})
            return 1
    terminal.say(Styled("green", "Every hop works."), " What stays is the decision record:")
    terminal.command(stack.place.command("explain", record["signal_id"]))
    terminal.answer({"works": True, "hops": journey.hops, "said": None, "signal_id": record["signal_id"]})
    return 0


def _lock(stack: Stack, cleanup: ExitStack) -> None:
    """Make the model known, in shadow mode and held by its kill switch."""
    s3, bucket = stack.client("s3"), stack.outputs["AutomationBucketName"]
    policy = {"schema_version": 1, "model": MODEL, "mode": "shadow"}
    s3.put_object(Bucket=bucket, Key=POLICY_KEY, Body=json.dumps(policy).encode(), ContentType="application/json")
    cleanup.callback(s3.delete_object, Bucket=bucket, Key=POLICY_KEY)
    stack.operate({"action": "pause", "scope": SCOPE, "reason": "retraining smoke: no signal may train."})
    cleanup.callback(stack.operate, {"action": "unpause", "scope": SCOPE})


def _listen(stack: Stack, cleanup: ExitStack) -> str:
    """Subscribe a queue of our own to OperationsTopic, and give its URL."""
    sqs, sns, topic = stack.client("sqs"), stack.client("sns"), stack.outputs["OperationsTopicArn"]
    url = str(sqs.create_queue(QueueName=f"{stack.name[:40]}-smoke-{uuid.uuid4().hex[:8]}")["QueueUrl"])
    cleanup.callback(sqs.delete_queue, QueueUrl=url)
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    answer = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    cleanup.callback(sns.unsubscribe, SubscriptionArn=answer["SubscriptionArn"])
    return url


def _send(stack: Stack, key: str) -> None:
    detail = {
        "model": MODEL,
        "metric": "smoke",
        "observed": 2.0,
        "threshold": 1.0,
        "dedupe_key": key,
        "message": "retraining smoke",
    }
    entry = {"Source": DRIFT_SOURCE, "DetailType": DRIFT_DETECTED, "Detail": json.dumps(detail)}
    answer = stack.client("events").put_events(Entries=[{**entry, "EventBusName": stack.event_bus}])
    if answer["FailedEntryCount"]:
        raise HopError(f"signal: EventBridge refused the event: {answer['Entries'][0].get('ErrorMessage')}")


def _execution(stack: Stack, key: str, sent_at: float) -> str | None:
    """The execution that got our signal, among those started since."""
    stepfunctions = stack.client("stepfunctions")
    newest = stepfunctions.list_executions(stateMachineArn=stack.outputs["StateMachineArn"], maxResults=50)
    for execution in newest["executions"]:
        # A minute's grace for clocks that differ.
        if execution["startDate"].timestamp() < sent_at - 60:
            break
        described = stepfunctions.describe_execution(executionArn=execution["executionArn"])
        if key in described.get("input", ""):
            return str(execution["executionArn"])
    return None


def _end(stack: Stack, arn: str) -> dict[str, Any]:
    stepfunctions = stack.client("stepfunctions")

    def over() -> Any:
        found = stepfunctions.describe_execution(executionArn=arn)
        return found if found["status"] != "RUNNING" else None

    found = _awaited(over, "execution", f"{arn} still runs. Look at it: {stack.place.command('status')}")
    if found["status"] != "SUCCEEDED":
        raise HopError(f"execution: {found['status']}: {found.get('error')}: {found.get('cause')}. {arn}")
    output: dict[str, Any] = json.loads(found["output"])
    if output["retraining_required"] != "NO":
        raise HopError(
            f"execution: it says retraining is required, behind two locks: {output}. "
            f"Stop everything: {stack.place.command('pause', scope='global', reason='smoke test')}"
        )
    return output


def _decision(stack: Stack, arn: str) -> tuple[dict[str, Any], str]:
    seen = stack.table.decision_of(arn.rsplit(":", 1)[-1])
    if seen is None:
        raise HopError(f"decision: the HistoryTable has none of {arn}.")
    record = stack.table.record_of(seen)
    if record["decision"] != Decision.HOLD:
        raise HopError(f"decision: {record['decision']} ({record['reason']}), but the kill switch says HOLD.")
    return record, seen.record_key


def _check_evidence(stack: Stack, record: dict[str, Any], key: str) -> None:
    kept = stack.read_json(key)
    if kept is None:
        raise HopError(f"evidence: there is no {key} in the AutomationBucket, though the decision is in the table.")
    if kept != record or hash_of(kept) != kept["chain"]["hash"]:
        raise HopError(f"evidence: {key} is not what was decided. {stack.place.command('verify-audit', model=MODEL)}")


def _heard(stack: Stack, queue: str) -> str | None:
    """The subject of a message on our model."""
    answer = stack.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    for message in answer.get("Messages", []):
        subject = str(json.loads(message["Body"]).get("Subject") or "")
        if MODEL in subject:
            return subject
    return None


def _subscribers(stack: Stack) -> str:
    attributes = stack.client("sns").get_topic_attributes(TopicArn=stack.outputs["OperationsTopicArn"])["Attributes"]
    confirmed = int(attributes.get("SubscriptionsConfirmed", 1)) - 1  # without ours
    pending = int(attributes.get("SubscriptionsPending", 0))
    waiting = f", {pending} not confirmed yet (the link in their mail)" if pending else ""
    return f"; {max(confirmed, 0)} other subscriber(s){waiting}"


def _awaited(condition: Any, hop: str, otherwise: str) -> Any:
    value = until(condition, within=PATIENCE_SECONDS)
    if not value:
        raise HopError(f"{hop}: not within {PATIENCE_SECONDS:.0f} s. {otherwise}")
    return value


def _no_execution(stack: Stack) -> str:
    return (
        "No execution got the signal: is DriftReportRule enabled, and may EventsInvokeRole start the machine? What could not "
        f"be delivered lies in {stack.outputs['DeadLetterQueueUrl']}."
    )


def _no_message(stack: Stack) -> str:
    return f"Nothing came from {stack.outputs['OperationsTopicArn']}: may the function publish to it, and to its key?"
