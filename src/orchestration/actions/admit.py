"""Admit: turn one event into one decision, and a decision to retrain or to go back into a run with its manifest.

Gather, decide, apply: what is known is read, ``decide`` judges it, and decision, model state, chain head, run and the
items of everything that must follow are written in one transaction. Records and messages are made from what was
written: at once, or by a sweep.
"""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import Record, RecordKind, chained
from orchestration.domain.contracts import (
    UNATTRIBUTED,
    Decision,
    DueKind,
    Next,
    SignalKind,
    SignalSource,
    Status,
)
from orchestration.domain.decision import DecisionVerdict, ModelState, as_tolerated, decide
from orchestration.domain.due import AGAIN, GRACE, due
from orchestration.domain.json_values import mapping, text
from orchestration.domain.listing import heard_of
from orchestration.domain.ownership import Kind, Resource
from orchestration.domain.policy import Policy, PromotionKind, policy_record, policy_sha256
from orchestration.domain.promotion import not_promotable
from orchestration.domain.reasons import Reason
from orchestration.domain.records import (
    decision_key,
    decision_record,
    idempotency_token,
    manifest_key,
    output_prefix,
    rejection_record,
    sha256,
)
from orchestration.domain.signal import Ignored, Rejection, Signal
from orchestration.domain.signals import read_signal
from orchestration.domain.stored_model import after_decision, instant
from orchestration.domain.stored_run import StatusRow, StoredRun
from orchestration.domain.switches import switches_over
from orchestration.steps.artifacts import champion_of
from orchestration.steps.due_work import DONE, Worked, attempt
from orchestration.steps.evidence import kept_event, verdict_record
from orchestration.steps.going_back import made_check, verdict_on_way_back
from orchestration.steps.ownership import not_own, policy_foreign
from orchestration.steps.pending import pending_due
from orchestration.steps.pipeline_checks import pipeline_check
from orchestration.steps.policies import (
    LoadedPolicy,
    effective_policy,
    follow_policy,
    model_of_endpoint,
    model_of_schedule,
)
from orchestration.steps.rivals import against_rivals
from orchestration.steps.sight import asked_run
from orchestration.steps.silence import listen, listened, silence_of
from orchestration.steps.telling import DECIDED, signal_told, tell_decision, write_records
from orchestration.stores.models import Commit, IgnoredEvent, SeenSignal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from orchestration.domain.chain import Head, Link
    from orchestration.domain.documents import Document
    from orchestration.domain.due import DueItem
    from orchestration.domain.kept_request import KeptRequest
    from orchestration.domain.listing import Heard
    from orchestration.domain.monitor_run import PipelineCheck, RunListing
    from orchestration.domain.serving import Champion
    from orchestration.domain.silence import Silence, Watch
    from orchestration.domain.stored_model import StoredModel
    from orchestration.domain.verdict import CandidateVerdict
    from orchestration.ports import ApprovalPorts, Ports
    from orchestration.stores.models import Known
    from orchestration.stores.table import Write

LOG = logging.getLogger("orchestration")


class _Reader:
    """What adapters may look up, on the real ports."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def describe_processing_job(self, name: str) -> dict[str, Any] | None:
        return self._ports.sagemaker.processing_job(name)

    def monitor_run(self, schedule: str, endpoint: str | None, job_arn: str) -> RunListing:
        return self._ports.sagemaker.monitor_run(schedule, endpoint, job_arn)

    def pipeline_check(self, job_arn: str) -> PipelineCheck | None:
        return pipeline_check(self._ports, job_arn)

    def read_document(self, uri: str) -> Document:
        return self._ports.bucket.read(uri)

    def model_of_endpoint(self, endpoint: str) -> str | None:
        return model_of_endpoint(self._ports, endpoint)

    def model_of_schedule(self, schedule: str) -> str | None:
        return model_of_schedule(self._ports, schedule)

    def pending_signal(self, model: str) -> dict[str, Any] | None:
        return self._ports.table.model(model).pending

    def kept_request(self, request_id: str) -> KeptRequest | None:
        return self._ports.table.kept_request(request_id)

    def silence(self, model: str) -> Silence | None:
        return silence_of(self._ports, model)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The execution that asks, and its input; ``heard`` is what a sweep need not look for once it is answered."""

    run_id: str
    execution_arn: str
    event: Any
    heard: Heard | None = None

    @property
    def event_id(self) -> str | None:
        return text(self.event.get("id"), 100) if isinstance(self.event, dict) else None


@dataclass(frozen=True, slots=True)
class _Known:
    """What a signal is decided on."""

    stored: StoredModel
    head: Head
    champion: Champion | None
    state: ModelState
    watch: Watch | None
    rollback: CandidateVerdict | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one decision writes."""

    state: StoredModel
    seen: SeenSignal
    links: tuple[Link, ...]
    writes: tuple[Write, ...]
    told: DueItem
    now: datetime


def admit(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Decide the execution's input.

    Args:
        request: ``{"event": <the execution's input>, "execution": {"id": ARN, "name": run id}}``.
        ports: the outside.

    Returns:
        ``{"next", "decision", "run", "output"}``: where the workflow goes, and the execution's output if it ends here.

    Raises:
        ContentionError: rivals kept winning; Step Functions retries.
    """
    asked = _Asked(*asked_run(ports, request), request.get("event"))
    decided = ports.table.decision_of(asked.run_id)
    if decided is not None:
        # This execution decided before it was interrupted; what it read then may have changed since.
        return _answered(ports, decided, None)
    found = read_signal(asked.event, reader=_Reader(ports), settings=ports.settings, run_id=asked.run_id)
    asked = replace(asked, heard=heard_of(asked.event, found))
    if isinstance(found, Ignored):
        LOG.info("EventIgnored", extra={"reason": found.reason, "model": found.model, "run_id": asked.run_id})
        ports.table.note_ignored(_ignored(asked, found, ports.now()), _heard(ports, asked, ports.now()))
        return _answer(asked.run_id, found.model, Decision.SKIP, found.sentence)
    loaded = effective_policy(ports, found.model) if isinstance(found, Signal) else None
    if isinstance(found, Signal):
        found = as_tolerated(found, loaded.policy) if loaded is not None else _unknown(found)
    elif isinstance(found, Rejection) and found.model and effective_policy(ports, found.model) is None:
        # A name somebody sent begins no chain.
        found = replace(found, model=None)
    decide_once = functools.partial(_decide_once, ports, asked, found, loaded)
    return against_rivals(ports, decide_once, f"The state of {found.model or 'signals without a model'}")


def _decide_once(
    ports: Ports, asked: _Asked, found: Signal | Rejection, loaded: LoadedPolicy | None
) -> dict[str, Any] | None:
    """Decide by what is read now and commit it; None when another signal of the model was committed meanwhile."""
    read = ports.table.known(found.signal_id, found.model or UNATTRIBUTED)
    seen = read.seen
    if seen is not None and seen.run_id != asked.run_id:
        expected = loaded.policy.expect_every_hours if loaded is not None else 0.0
        # A monitor may say the same each day, and speaks all the same; a decision file that is read again was not written.
        if expected and isinstance(found, Signal) and found.source is SignalSource.DRIFT_REPORT:
            heard = listen(ports, found, expected)
            if not heard:
                return None
        return _duplicate(ports, asked, seen)
    if seen is not None:
        return _answered(ports, seen, None)
    if isinstance(found, Signal) and loaded is not None:
        follow_policy(ports, loaded, read.good_version)
        known = _gather(ports, asked, found, loaded, read)
        now = ports.now()
        verdict = decide(found, loaded.policy, known.state, now)
        if verdict.decision.begins_run:
            # Asked last, so that a signal that is not acted on costs no look at anybody's tags.
            champion = known.champion.as_record() if known.champion else None
            foreign = _foreign(ports, loaded.policy, champion, trains=verdict.decision is Decision.RETRAIN)
            known = replace(known, state=replace(known.state, foreign_findings=foreign))
            verdict = decide(found, loaded.policy, known.state, now)
        plan = _plan(ports, asked, found, loaded.policy, known, verdict, now)
    else:
        assert isinstance(found, Rejection)  # noqa: S101 - a signal without a policy became one before
        plan = _rejection_plan(ports, asked, found, read)
    if ports.table.commit_decision(plan.state, plan.seen, plan.writes, now=plan.now) is Commit.DONE:
        return _answered(ports, plan.seen, plan)
    return None


# Gather.


def _foreign(ports: Ports, policy: Policy, champion: dict[str, Any] | None, *, trains: bool) -> tuple[str, ...]:
    """What a run would reach that is not its model's; one that goes back reaches the endpoint alone."""
    if trains:
        return policy_foreign(ports, policy, champion)
    finding = not_own(ports, Resource(Kind.ENDPOINT, str(policy.promotion.endpoint)), policy.model)
    return (finding,) if finding else ()


def _gather(ports: Ports, asked: _Asked, signal: Signal, loaded: LoadedPolicy, read: Known) -> _Known:
    policy = loaded.policy
    endpoint = policy.promotion.endpoint if policy.promotion.kind is PromotionKind.ENDPOINT else None
    # Read first: whatever is recorded of the model from there on has the signal decided again.
    head, stored = read.head, read.state
    champion = champion_of(ports, policy.promotion.endpoint, signal.model)
    state = replace(
        stored.known(),
        answered=_answers(ports, stored, signal),
        # No other's: each record of a decision holds them, and an item of the table 400 KB.
        kill_switches=switches_over(ports.table.kill_switches(), signal.model, signal.source, signal.origin),
        promotion_endpoint_exists=endpoint is None or champion is not None,
        endpoint_finding=None if endpoint is None or champion is None else not_promotable(policy.promotion, champion),
        policy_findings=loaded.findings,
    )
    watch = ports.table.watch(signal.model) if policy.expect_every_hours else None
    if signal.kind is not SignalKind.ROLLBACK:
        return _Known(stored, head, champion, state, watch)
    kept = ports.table.kept_request(str(mapping(asked.event.get("detail")).get("request")))
    assert kept is not None  # noqa: S101 - the signal was read from it, and requests are kept for 90 days
    back = verdict_on_way_back(ports, policy, kept)
    if isinstance(back, str):
        return _Known(stored, head, champion, replace(state, rollback_finding=back), watch)
    return _Known(stored, head, champion, state, watch, back)


def _unknown(signal: Signal) -> Rejection:
    return Rejection.of(
        Reason.UNKNOWN_MODEL,
        f"The loop does not know the model {signal.model}: upload policies/{signal.model}.json to the "
        "AutomationBucket, or make it the stack's DefaultModel.",
        signal.signal_id,
    )


# Decide: what a verdict writes.


def _plan(
    ports: Ports, asked: _Asked, signal: Signal, policy: Policy, known: _Known, verdict: DecisionVerdict, now: datetime
) -> _Plan:
    stored = known.stored
    sequence = known.head.sequence + 1
    state, told = after_decision(stored, signal, verdict, run_id=asked.run_id, now=now, sequence=sequence)
    watch, expected = listened(signal.model, known.watch, policy.expect_every_hours, now, signal)
    writes: list[Write] = [ports.table.due_write(each) for each in expected]
    if watch is not None and watch != known.watch:
        writes.append(ports.table.watch_write(watch, known.watch))
    manifest: dict[str, Any] | None = None
    if verdict.decision.begins_run:
        manifest = _manifest(ports, asked, signal, verdict, policy, known.champion, sequence, now)
    key = decision_key(signal.model, now, signal.signal_id)
    record = decision_record(
        signal=signal,
        verdict=verdict,
        policy=policy,
        state=known.state,
        model_state=state.as_record(),
        run_id=asked.run_id,
        execution_arn=asked.execution_arn,
        event_id=asked.event_id,
        decided_at=now,
    )
    records = [Record(RecordKind.DECISION, key, record)]
    if manifest is not None:
        records.append(Record(RecordKind.MANIFEST, manifest_key(signal.model, asked.run_id), manifest))
        if known.rollback is not None:
            records.append(verdict_record(_run(asked, signal, verdict, canonical(manifest), now), known.rollback))
            writes.append(ports.table.verdict_write(asked.run_id, known.rollback))
            writes += made_check(ports, signal.model, known.rollback)
    links = chained(known.head, *records)
    if manifest is not None:
        run = _run(asked, signal, verdict, links[1].record, now)
        decided = StatusRow(DECIDED[verdict.decision], now.isoformat(), verdict.sentence, verdict.severity)
        writes += ports.table.run_writes(run, decided)
        # Switches over everything or a source are of another chain.
        writes += ports.table.switch_checks(signal.model, signal.source, *([signal.origin] if signal.origin else []))
        writes.append(ports.table.due_write(due(DueKind.ALIVE, run.run_id, run.model, now + GRACE)))
    if state.pending is not None and stored.pending is None:
        writes.append(ports.table.due_write(pending_due(signal.model, instant(state.cooldown_until) or now + AGAIN)))
    seen = seen_signal(record, links, told=told, event=canonical(asked.event))
    item = signal_told(seen.signal_id, signal.model, now)
    writes += ports.table.chain_writes(known.head, links)
    return _Plan(state, seen, links, (*writes, *_heard(ports, asked, now), ports.table.due_write(item)), item, now)


def _heard(ports: Ports, asked: _Asked, now: datetime) -> list[Write]:
    return [] if asked.heard is None else [ports.table.heard_write(asked.heard, at=now)]


def _answers(ports: Ports, stored: StoredModel, signal: Signal) -> dict[str, str] | None:
    """The run that the same content began, unless that has begun to promote."""
    found = stored.answer_to(signal)
    if found is None or any(row["status"] == Status.PROMOTION_STARTED for row in ports.table.statuses(found["run"])):
        return None
    return found


def _run(asked: _Asked, signal: Signal, verdict: DecisionVerdict, manifest: str, now: datetime) -> StoredRun:
    return StoredRun(asked.run_id, signal.model, now.isoformat(), asked.execution_arn, manifest, verdict.severity)


def _ignored(asked: _Asked, found: Ignored, now: datetime) -> IgnoredEvent:
    source, detail_type = (text(mapping(asked.event).get(name), 100) for name in ("source", "detail-type"))
    return IgnoredEvent(
        asked.run_id, found.model, now.isoformat(), found.reason, found.sentence, asked.event_id, source, detail_type
    )


def _rejection_plan(ports: Ports, asked: _Asked, found: Rejection, read: Known) -> _Plan:
    now = ports.now()
    head, key = read.head, decision_key(found.model, now, found.signal_id)
    record = rejection_record(
        rejection=found,
        run_id=asked.run_id,
        execution_arn=asked.execution_arn,
        event_id=asked.event_id,
        event_uri=ports.bucket.uri(f"rejected/{found.signal_id}.json"),
        decided_at=now,
    )
    links = chained(head, Record(RecordKind.DECISION, key, record))
    seen = seen_signal(record, links, told=True, event=kept_event(asked.event))
    item = signal_told(seen.signal_id, head.chain, now)
    writes = (*ports.table.chain_writes(head, links), *_heard(ports, asked, now), ports.table.due_write(item))
    return _Plan(read.state, seen, links, writes, item, now)


def _manifest(
    ports: Ports,
    asked: _Asked,
    signal: Signal,
    verdict: DecisionVerdict,
    policy: Policy,
    champion: Champion | None,
    sequence: int,
    now: datetime,
) -> dict[str, Any]:
    """The immutable plan of a run; it pins the policy it was decided under."""
    training = _training(ports, asked, signal, policy, champion) if verdict.decision is Decision.RETRAIN else None
    record = signal.as_record()
    return {
        "run_id": asked.run_id,
        "model": signal.model,
        "created_at": now.isoformat(),
        "execution_arn": asked.execution_arn,
        "signal": record,
        "decision": {
            "reason": verdict.reason,
            "sentence": verdict.sentence,
            "severity": verdict.severity,
            "sequence": sequence,
        },
        "approval": {"needed": verdict.approval_needed, "approvals_needed": verdict.approvals_needed},
        "dataset": record["dataset"],
        "policy_version": policy.version,
        "policy": {"version": policy.version, "sha256": policy_sha256(policy), "effective": policy_record(policy)},
        "champion": champion.as_record() if champion else None,
        "training": training,
        "checksums": {
            "training_input_sha256": sha256(canonical(training["input"] if training else None)),
            "signal_sha256": sha256(canonical(record)),
        },
    }


def _training(ports: Ports, asked: _Asked, signal: Signal, policy: Policy, champion: Champion | None) -> dict[str, Any]:
    return {
        "kind": policy.training.kind,
        "target": policy.training.target,
        "input": {
            **policy.training.input,
            "run": "all",
            "triggered_by": "person" if signal.kind is SignalKind.REQUEST else "monitoring",
            "reason": "auto_retraining",
            "run_id": asked.run_id,
            "model": policy.model,
            "manifest_uri": ports.bucket.uri(manifest_key(policy.model, asked.run_id)),
            "output_uri": ports.bucket.uri(output_prefix(policy.model, asked.run_id)),
            "idempotency_token": idempotency_token(asked.run_id),
            "champion_model_data_uri": champion.model_data_url if champion else None,
        },
        "max_hours": policy.training.max_hours,
    }


# Apply: what follows from a committed decision.


def _answered(ports: Ports, seen: SeenSignal, plan: _Plan | None) -> dict[str, Any]:
    """The answer a committed decision had; ``plan`` is what was committed, when it was just now."""
    answer: dict[str, Any] = json.loads(seen.payload)
    done = plan is not None and attempt(ports, plan.told, functools.partial(_tell, plan))
    if not done and Decision(answer["decision"]).begins_run:
        # A training reads its manifest, so without it no run goes on; everything else a sweep makes up for.
        write_records(ports, seen, plan.links if plan is not None else ports.table.links_of(seen))
    return answer


def _tell(plan: _Plan, ports: ApprovalPorts, _: DueItem) -> Worked:
    """What a sweep does with the item, of what was committed just now."""
    tell_decision(ports, plan.seen, plan.links)
    return DONE


def way_on(record: Mapping[str, Any]) -> Next:
    """Where the workflow goes with a decision, from its record. Pure."""
    decision = Decision(record["decision"])
    if decision is Decision.RETRAIN:
        return Next.ASK if mapping(record.get("approval")).get("needed") else Next.TRAIN
    if decision is Decision.ROLL_BACK:
        return Next.PROMOTE
    return Next.REJECT if decision is Decision.REJECT else Next.END


def seen_signal(record: dict[str, Any], links: Sequence[Link], *, told: bool, event: str | None) -> SeenSignal:
    """What is remembered of a decided signal. Pure.

    Args:
        record: the record of its decision.
        links: that record's, and of a run its manifest's.
        told: whether people are told of it.
        event: the event itself, None when it is not kept any more.
    """
    return SeenSignal(
        signal_id=record["signal_id"],
        run_id=record["run_id"],
        record_key=links[0].key,
        chain=links[0].chain,
        sequences=tuple(link.sequence for link in links),
        seals=tuple(link.seal for link in links),
        payload=canonical(answer_of(record)),
        told=told,
        event=event,
    )


def answer_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the workflow is told of a decision, from its record. Pure."""
    decision = Decision(record["decision"])
    return _answer(record["run_id"], record["model"], decision, record["sentence"], way_on(record), record["signal_id"])


def _answer(
    run_id: str,
    model: str | None,
    decision: Decision,
    sentence: str,
    go: Next = Next.END,
    signal_id: str | None = None,
) -> dict[str, Any]:
    return {
        "next": go,
        "decision": decision,
        # An execution that keeps the definition of the release before reads this, and is turned away at its slot.
        "run": {"run_id": run_id, "model": model, "approval_needed": False},
        "output": {
            "run_id": run_id,
            "model": model,
            "retraining_required": "YES" if decision is Decision.RETRAIN else "NO",
            "outcome": decision,
            "reason": sentence,
            "signal_id": signal_id,
        },
    }


def _duplicate(ports: Ports, asked: _Asked, seen: SeenSignal) -> dict[str, Any]:
    record, run_id = ports.table.record_of(seen), asked.run_id
    LOG.info("SignalDuplicate", extra={"signal_id": seen.signal_id, "run_id": run_id, "model": record["model"]})
    sentence = (
        f"Signal {seen.signal_id} was decided at {record['decided_at']} as {record['decision']} ({record['reason']}) "
        f"by execution {seen.run_id}; the same signal again changes nothing."
    )
    ignored = Ignored(Reason.DUPLICATE, sentence, record["model"])
    ports.table.note_ignored(replace(_ignored(asked, ignored, ports.now()), signal_id=seen.signal_id))
    return _answer(run_id, record["model"], Decision.SKIP, sentence, signal_id=seen.signal_id)
