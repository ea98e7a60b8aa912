"""Telling: records, evidence, status events and messages of what was committed. At least once, each with a stable id."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.candidate_view import gate_facts, gates_of
from orchestration.domain.channel_text import cut
from orchestration.domain.console_links import Console
from orchestration.domain.contracts import SCHEMA_VERSION, Decision, DueKind, Status, WaitKind
from orchestration.domain.due import APPROVALS, GRACE, due
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.intention import endpoint_subject
from orchestration.domain.json_values import mapping, text
from orchestration.domain.messages import approval_undecided, linked, model_frozen, run_status, signal_decided
from orchestration.domain.notification import SENTENCE_LIMIT, Message, Page
from orchestration.domain.policy import TargetKind
from orchestration.domain.reasons import Reason
from orchestration.domain.records import manifest_key, report_key, sha256
from orchestration.domain.stored_run import StatusRow
from orchestration.domain.switches import switches_over
from orchestration.domain.times import duration, stamp
from orchestration.domain.training_target import TrainingTask
from orchestration.domain.votes import LadderAction, MayAnswer
from orchestration.steps.approval_links import buttons, steps_to_decide
from orchestration.steps.due_work import Worked, attempt
from orchestration.steps.evidence import outcome_uri, write_link, write_record
from orchestration.steps.reports import report_uri, write_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.domain.chain import Link
    from orchestration.domain.due import DueItem
    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.wait import Wait
    from orchestration.ports import ApprovalPorts
    from orchestration.stores.models import SeenSignal
    from orchestration.stores.table import Write

LOG = logging.getLogger("orchestration")

ASKS_FOR: Final = {
    Status.TRAINING_APPROVAL_REQUESTED: "training",
    Status.PROMOTION_APPROVAL_REQUESTED: "promotion",
    Status.BAKE_APPROVAL_REQUESTED: "bake",
}
"""Statuses whose message says how to decide, and on what."""

OF_TRAINING: Final = frozenset(
    {Status.TRAINING_STARTED, Status.TRAINING_FINISHED, Status.TRAINING_FAILED, Status.TRAINING_TIMED_OUT}
)
OF_ENDPOINT: Final = frozenset(
    {
        Status.PROMOTION_STARTED,
        Status.BAKE_APPROVAL_REQUESTED,
        Status.PROMOTED,
        Status.ROLLED_BACK,
        Status.ROLLBACK_FAILED,
        Status.FAILED,
    }
)
"""Statuses whose message links to the training, and to the endpoint."""

DECIDED: Final = {Decision.RETRAIN: Status.RETRAINING_DECIDED, Decision.ROLL_BACK: Status.ROLLBACK_DECIDED}
"""First status of a run, by the decision that began it."""

REPAIR: Final = "telling_made_up"


# What is due.


def signal_told(signal_id: str, model: str, now: datetime) -> DueItem:
    """The item that has a decision's records written and told."""
    return due(DueKind.TELL, f"signal:{signal_id}", model, now + GRACE)


def status_told(run_id: str, model: str, status: Status, now: datetime, links: Sequence[Link] = ()) -> DueItem:
    """The item that has a status told, and the records that came with it written."""
    return due(DueKind.TELL, f"status:{run_id}:{status}", model, now + GRACE, records=_places(links))


def report_told(run_id: str, model: str, now: datetime, links: Sequence[Link]) -> DueItem:
    """The item that has a run's report written, and the records that came with its end.

    An item of its own: a report that cannot be made holds up no message.
    """
    return due(DueKind.TELL, f"report:{run_id}", model, now + GRACE, records=_places(links))


def ladder_told(wait: Wait, action: LadderAction, now: datetime) -> DueItem:
    """The item that has people reminded of an approval; the link in the message is made when it is sent."""
    return due(DueKind.TELL, f"ladder:{action}:{wait.wait_id}", wait.model, now + GRACE)


def message_told(
    message: Message,
    now: datetime,
    links: Sequence[Link] = (),
    kept: dict[str, Any] | None = None,
    *,
    asked: str | None = None,
) -> DueItem:
    """The item that has a message sent whose fact stands nowhere else; it carries the message.

    ``links`` are records of its fact, ``kept`` documents of no chain, ``key`` to JSON value; both are written before.
    ``asked`` is the approval that it asks an answer to, and is not sent once that is decided.
    """
    identity = sha256(f"{message.model}\x1f{message.title}\x1f{message.sentence}\x1f{now.isoformat()}")[:24]
    return due(
        DueKind.TELL,
        f"message:{identity}",
        message.model or "-",
        now + GRACE,
        message=asdict(message),
        kept=kept or {},
        **({"asked": asked} if asked else {}),
        records=_places(links),
    )


def _places(links: Sequence[Link]) -> list[list[Any]]:
    return [[link.chain, link.sequence, link.seal] for link in links]


def tell(ports: ApprovalPorts, item: DueItem) -> Worked:
    """Work off a TELL item.

    Raises:
        OrchestrationError: it would write what no message, or where it lies with approvals no approval, does.
    """
    what, _, subject = item.subject.partition(":")
    if item.partition == APPROVALS and item.data.get("kept"):
        raise OrchestrationError("A vote keeps no documents: nothing was written.")
    if strange := [key for key in mapping(item.data.get("kept")) if not key.startswith("rejected/")]:
        raise OrchestrationError(
            f"A message keeps events that came to nothing, and no {text(strange[0], 200)}: nothing was written."
        )
    for place in item.data.get("records", ()):
        write_record(ports, *place, of_approval=item.partition == APPROVALS)
    if what == "signal":
        seen = ports.table.signal(subject)
        if seen is not None:
            tell_decision(ports, seen, ports.table.links_of(seen))
    elif what == "status":
        run_id, status = subject.rsplit(":", 1)
        _tell_status(ports, run_id, Status(status))
    elif what == "report":
        run = ports.table.run(subject)
        if run is not None:
            write_report(ports, run)
    elif what == "ladder":
        action, _, identity = subject.partition(":")
        _tell_ladder(ports, LadderAction(action), identity)
    else:
        for key, value in mapping(item.data.get("kept")).items():
            ports.bucket.write_once(key, value)
        asked = ports.table.wait_by_id(str(item.data["asked"])) if "asked" in item.data else None
        if asked is None or not asked.resolved:
            ports.channels.tell(_message_of(item))
    return Worked(repair=REPAIR)


def _message_of(item: DueItem) -> Message:
    data = item.data["message"]
    return Message(
        **{
            **data,
            "facts": tuple((str(name), str(value)) for name, value in data["facts"]),
            # The release before kept each step as one text, its address with it.
            "links": tuple(Page(**link) for link in data.get("links", ())),
            "next_steps": tuple(Page(**step) if isinstance(step, dict) else str(step) for step in data["next_steps"]),
        }
    )


def _tell_ladder(ports: ApprovalPorts, action: LadderAction, identity: str) -> None:
    wait = ports.table.wait_by_id(identity)
    if wait is None or wait.kind is not WaitKind.APPROVAL or wait.resolved:
        return
    deadline = datetime.fromisoformat(wait.deadline)
    ports.channels.tell(
        approval_undecided(
            ports.settings.speaker,
            action=action,
            run_id=wait.run_id,
            model=wait.model,
            subject=wait.subject,
            why=str(wait.data["why"]),
            left=duration(deadline - ports.now()),
            until=stamp(deadline),
            manifest=str(wait.data["manifest_uri"]),
            asked=_asked_facts(wait, ports.now()),
            deciding=steps_to_decide(ports, wait),
            buttons=buttons(ports, wait),
        )
    )


def _asked_facts(wait: Wait, now: datetime) -> dict[str, str]:
    """What people are asked on: the gates of a candidate that would serve; and who may answer, where only some may."""
    gates = gate_facts(gates_of(wait.data, {})) if wait.subject == ASKS_FOR[Status.PROMOTION_APPROVAL_REQUESTED] else {}
    may_answer = MayAnswer.of(wait.data, wait.parked_at)
    return gates | (may_answer.said(now, datetime.fromisoformat(wait.deadline)) if may_answer.voters else {})


# Statuses.


def status_writes(
    ports: ApprovalPorts, run_id: str, model: str, row: StatusRow, links: Sequence[Link] = ()
) -> tuple[tuple[Write, Write], DueItem]:
    """A status and the item that has it told, for somebody else's transaction; ``attempt(item, tell)`` after it."""
    item = status_told(run_id, model, row.status, ports.now(), links)
    return (ports.table.status_write(run_id, row), ports.table.due_write(item)), item


def record_status(
    ports: ApprovalPorts,
    *,
    run_id: str,
    model: str,
    status: Status,
    sentence: str,
    severity: str | None = None,
    facts: dict[str, str] | None = None,
    with_approvals: bool = False,
) -> bool:
    """Append the status to the run's history and tell it. False when the run has it already.

    ``with_approvals``: the function that people reach records it, too.
    """
    now = ports.now()
    item = status_told(run_id, model, status, now)
    if with_approvals:
        item = replace(item, partition=APPROVALS)
    row = StatusRow(status, now.isoformat(), sentence, severity, facts)
    if not ports.table.add_status(run_id, row, [ports.table.due_write(item)]):
        return False
    attempt(ports, item, tell)
    return True


def _tell_status(ports: ApprovalPorts, run_id: str, status: Status) -> None:
    run, rows = ports.table.run(run_id), ports.table.statuses(run_id)
    row = next((row for row in rows if row["status"] == status), None)
    if run is None or row is None:
        return
    details = dict(row.get("details") or {})
    sentence = str(details.pop("sentence", None) or details.pop("reason", None) or run.reason or "")
    earlier = [before["status"] for before in rows[: rows.index(row)]]
    manifest_uri = ports.bucket.uri(manifest_key(run.model, run_id))
    LOG.info(
        "RunStatusChanged",
        extra={"run_id": run_id, "model": run.model, "status": str(status), "escalates": status.escalates},
    )
    severity = row.get("severity") or run.severity
    ports.channels.emit(
        event_detail(
            event_id=f"{run_id}:{status}",
            run_id=run_id,
            model=run.model,
            status=str(status),
            previous_status=earlier[-1] if earlier else None,
            reason=sentence,
            severity=severity,
            manifest_uri=manifest_uri,
        ),
        resources=[ports.settings.state_machine_arn],
    )
    facts = {str(name): str(value) for name, value in details.items() if value is not None}
    if status.final:
        LOG.info("RunEnded", extra=run_ended(run))
        facts["evidence"] = outcome_uri(ports, run)
        facts["report"] = report_uri(ports, run.model, run_id)
        facts |= _finished(ports, run_id, promoted=status is Status.PROMOTED)
    manifest = json.loads(run.manifest)
    signal, asked = mapping(manifest.get("signal")), _asked(ports, run_id, status)
    left = status.final and _left_open(ports, run_id, _endpoint(manifest))
    switches = switches_over(ports.table.kill_switches(), run.model, signal.get("source"), signal.get("origin"))
    ports.channels.tell(
        run_status(
            ports.settings.speaker,
            status=status,
            run_id=run_id,
            model=run.model,
            sentence=sentence,
            facts={
                **facts,
                **(_asked_facts(asked, ports.now()) if asked is not None else {}),
                "manifest": manifest_uri,
                "signal": str(signal.get("signal_id")),
            },
            deciding=() if asked is None else steps_to_decide(ports, asked),
            buttons={} if asked is None else buttons(ports, asked),
            until=stamp(datetime.fromisoformat(asked.deadline)) if asked is not None else "",
            links=(*_links(ports, manifest, status), *(_report_link(ports, run) if status.final else ())),
            scopes=[switch.scope for switch in switches],
            goes_back=run.goes_back,
            to=text(signal.get("to")),
            endpoint_left=left,
        )
    )
    if status.final:
        frozen = ports.table.model(run.model).frozen_reason
        if frozen and run_id in [word.rstrip(".") for word in frozen.split()]:
            ports.channels.tell(model_frozen(ports.settings.speaker, run.model, frozen, endpoint_left=left))


def _finished(ports: ApprovalPorts, run_id: str, *, promoted: bool) -> dict[str, str]:
    """What became of registry and baseline."""
    finish = ports.table.finish_of(run_id)
    if finish is None:
        if not promoted or ports.table.wait(run_id, WaitKind.BAKE) is None:
            return {}
        left = "left as it was: the run ended before it was changed"
        return {"registry": left, "baseline": left}
    if not finish.over:
        unknown = "the run ended while it was changed; look at it"
        return {"registry": unknown, "baseline": unknown}
    return {name: said for name, said in (("registry", finish.registry), ("baseline", finish.baseline)) if said}


def _left_open(ports: ApprovalPorts, run_id: str, endpoint: str | None) -> bool:
    """True when a run that is over left the change of its endpoint open, and nobody has settled it since."""
    intention = ports.table.intention(endpoint_subject(endpoint)) if endpoint else None
    return intention is not None and intention.run_id == run_id


def _asked(ports: ApprovalPorts, run_id: str, status: Status) -> Wait | None:
    """The open approval that a status asks for."""
    subject = ASKS_FOR.get(status)
    wait = ports.table.wait(run_id, WaitKind.APPROVAL, subject) if subject else None
    return None if wait is None or wait.resolved else wait


def _links(ports: ApprovalPorts, manifest: dict[str, Any], status: Status) -> tuple[Page, ...]:
    """Pages of what a status is about: its training, or the endpoint that it changes."""
    console, endpoint = Console.of(ports.settings.state_machine_arn), _endpoint(manifest)
    if status in OF_TRAINING:
        wait = ports.table.wait(str(manifest.get("run_id")), WaitKind.TRAINING)
        task = TrainingTask.of(manifest, wait.attempt if wait else 1)
        if task is not None and task.kind is TargetKind.STATE_MACHINE:
            return linked("Training in the console", console.execution(task.execution_arn))
        if task is not None and task.kind is TargetKind.TRAINING_JOB:
            return linked("Training in the console", console.training_job(task.name))
    if status in OF_ENDPOINT and endpoint:
        return linked("Endpoint in the console", console.endpoint(endpoint))
    return ()


def _report_link(ports: ApprovalPorts, run: StoredRun) -> tuple[Page, ...]:
    """The page from which the report of a run that is over opens."""
    console, key = Console.of(ports.settings.state_machine_arn), report_key(run.model, run.run_id, "html")
    return linked("Report in the console", console.s3_object(ports.bucket.name, key))


def _endpoint(manifest: dict[str, Any]) -> str | None:
    """The endpoint of the policy that a manifest pins."""
    effective = mapping(mapping(manifest.get("policy")).get("effective"))
    return text(mapping(effective.get("promotion")).get("endpoint"), 100)


def run_ended(run: StoredRun) -> dict[str, Any]:
    """Fields of the log line that a run's end is counted and timed by. Pure."""
    ended = datetime.fromisoformat(run.ended_at or run.started_at)
    return {
        "run_id": run.run_id,
        "model": run.model,
        "outcome": run.outcome or str(Status.FAILED),
        "seconds": round((ended - datetime.fromisoformat(run.started_at)).total_seconds(), 3),
    }


# Decisions.


def tell_decision(ports: ApprovalPorts, seen: SeenSignal, links: Sequence[Link]) -> None:
    """Write what a decision leaves in the bucket, and tell of it. ``links`` are its own, as they were committed."""
    write_records(ports, seen, links)
    _announce(ports, seen, seen.record_in(links))


def write_records(ports: ApprovalPorts, seen: SeenSignal, links: Sequence[Link]) -> None:
    """Write what a decision leaves in the bucket: its record, the event, and a run's manifest. Idempotent."""
    record = seen.record_in(links)
    decision, model = Decision(record["decision"]), record["model"]
    event = json.loads(seen.event) if seen.event is not None else None
    if decision is Decision.REJECT:
        ports.bucket.write_once(f"rejected/{seen.signal_id}.json", {"event": event, "sentence": record["sentence"]})
    if decision.begins_run:
        ports.bucket.write_once(f"runs/{model}/{seen.run_id}/inputs/event.json", event)
    # The decision last: where it is, everything it leaves is.
    for link in reversed(links):
        write_link(ports, link)


def _announce(ports: ApprovalPorts, seen: SeenSignal, record: dict[str, Any]) -> None:
    """Tell programs of a decision, and people where it says so."""
    output = mapping(json.loads(seen.payload).get("output"))
    decision, model = Decision(record["decision"]), record["model"]
    manifest_uri = ports.bucket.uri(manifest_key(model, seen.run_id)) if decision.begins_run else None
    LOG.info(
        "SignalDecided",
        extra={
            "decision": str(decision),
            "reason": record["reason"],
            "model": model,
            "signal_id": seen.signal_id,
            "run_id": seen.run_id,
            "severity": record["severity"],
        },
    )
    status = str(DECIDED[decision]) if decision.begins_run else f"SIGNAL_{decision}"
    ports.channels.emit(
        event_detail(
            event_id=f"{seen.run_id}:{status}",
            run_id=seen.run_id,
            model=model,
            status=status,
            previous_status=None,
            reason=record["sentence"],
            severity=record["severity"],
            manifest_uri=manifest_uri,
        ),
        resources=[ports.settings.state_machine_arn],
    )
    if not seen.told:
        return
    if record["reason"] == Reason.DRIFT_AFTER_PROMOTION:
        ports.channels.tell(model_frozen(ports.settings.speaker, model, record["sentence"]))
        return
    signal = mapping(record.get("signal"))
    threshold, dataset = mapping(signal.get("threshold")), mapping(signal.get("dataset"))
    facts = {
        # Where no run began, nobody finds one by the name of its execution.
        "run" if decision.begins_run else "execution": output.get("run_id"),
        "severity": record["severity"],
        "endpoint": signal.get("endpoint"),
        "dataset": dataset.get("uri"),
        "metric": threshold.get("metric"),
        "observed": threshold.get("observed"),
        "threshold": threshold.get("threshold"),
        "record": ports.bucket.uri(seen.record_key),
        "manifest": manifest_uri,
        "event": record.get("event_uri"),
    }
    ports.channels.tell(
        signal_decided(
            ports.settings.speaker, record, {name: str(value) for name, value in facts.items() if value is not None}
        )
    )


def event_detail(
    *,
    event_id: str,
    run_id: str,
    model: str | None,
    status: str,
    previous_status: str | None,
    reason: str,
    severity: str | None,
    manifest_uri: str | None,
) -> dict[str, Any]:
    """Detail of a ``Retraining Status Change`` event; ``id`` is the same each time the same status is told."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": event_id,
        "run_id": run_id,
        "model": model,
        "status": status,
        "previous_status": previous_status,
        "reason": cut(reason, SENTENCE_LIMIT),
        "severity": severity,
        "manifest_uri": manifest_uri,
    }
