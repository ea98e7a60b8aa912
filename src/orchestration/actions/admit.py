"""Admit: turn one event into one decision, and a decision to retrain into a run with its manifest.

The decision, the model's state, the chain head and the run are written in one transaction. What follows (records in
the bucket, messages) is derived from what was written, so a retry after a crash repeats it without deciding again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.bake import RETURNING
from orchestration.domain.contracts import (
    MODEL_TAG,
    RUN_TAG,
    SCHEMA_VERSION,
    UNATTRIBUTED,
    Decision,
    Severity,
    SignalSource,
    Status,
)
from orchestration.domain.decision import DecisionVerdict, ModelState, decide
from orchestration.domain.errors import ContentionError
from orchestration.domain.json_values import canonical, mapping, text
from orchestration.domain.notification import Message, decision_message, frozen_message
from orchestration.domain.policy import Policy, PromotionKind
from orchestration.domain.records import (
    chained,
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
from orchestration.domain.training_target import target_request
from orchestration.steps.policies import LoadedPolicy, load_policy, model_of_endpoint
from orchestration.steps.statuses import event_detail
from orchestration.stores.table_dynamodb import Commit, SeenSignal, StoredModel, StoredRun

if TYPE_CHECKING:
    from orchestration.domain.documents import Document
    from orchestration.domain.promotion import Champion
    from orchestration.ports import Ports

LOG = logging.getLogger("orchestration")

ATTEMPTS: Final = 25
"""Tries against rivals on one model. Each loses at most to one that won, so this many rivals at once all get through."""

HOLD_QUIET: Final = timedelta(hours=24)
"""A hold for the same reason is told again after this long; a storm of alarms on a held model is one message."""


class _Reader:
    """What adapters may look up, on the real ports."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def describe_processing_job(self, name: str) -> dict[str, Any] | None:
        return self._ports.sagemaker.processing_job(name)

    def read_document(self, uri: str) -> Document:
        return self._ports.bucket.read(uri)

    def model_of_endpoint(self, endpoint: str) -> str | None:
        return model_of_endpoint(self._ports, endpoint)

    def pending_signal(self, model: str) -> dict[str, Any] | None:
        return self._ports.table.model(model).pending


def admit(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Decide the execution's input.

    Args:
        request: ``{"event": <the execution's input>, "execution": {"id": ARN, "name": run id}}``.
        ports: the outside.

    Returns:
        ``{"decision", "run", "output"}``: the decision; what the workflow carries as ``$run`` (null fields unless the
        decision is RETRAIN); and the execution's output if it ends here.

    Raises:
        ContentionError: rivals kept winning; Step Functions retries.
    """
    execution = mapping(request.get("execution"))
    run_id, execution_arn = str(execution["name"]), str(execution["id"])
    event = request.get("event")
    decided = ports.table.decision_of(run_id)
    if decided is not None:
        # This execution decided before it was interrupted; what it read then may have changed since.
        return _replay(ports, decided, event, run_id)
    found = read_signal(event, reader=_Reader(ports), settings=ports.settings, run_id=run_id)
    if isinstance(found, Ignored):
        LOG.info("EventIgnored", extra={"reason": found.reason, "model": found.model, "run_id": run_id})
        return _answer(run_id, found.model, Decision.SKIP, found.sentence)
    loaded: LoadedPolicy | None = None
    if isinstance(found, Signal):
        loaded = load_policy(ports, found.model)
        if loaded is None:
            found = Rejection(
                "UNKNOWN_MODEL",
                f"The loop does not know the model {found.model}: upload policies/{found.model}.json to the "
                "AutomationBucket, or make it the stack's DefaultModel.",
                found.signal_id,
            )
    for _ in range(ATTEMPTS):
        seen = ports.table.signal(found.signal_id)
        if seen is None:
            if isinstance(found, Rejection):
                commit, seen = _commit_rejection(ports, found, event, run_id, execution_arn)
            else:
                assert loaded is not None  # noqa: S101 - a signal without a policy became a rejection above
                commit, seen = _commit_decision(ports, found, loaded, event, run_id, execution_arn)
            if commit is not Commit.DONE:
                ports.pause(0.05)
                continue
        elif seen.run_id != run_id:
            return _duplicate(seen, run_id)
        return _replay(ports, seen, event, run_id)
    raise ContentionError(f"Other signals of the same model kept winning {ATTEMPTS} times; the workflow tries again.")


def _replay(ports: Ports, seen: SeenSignal, event: Any, run_id: str) -> dict[str, Any]:
    """Everything that follows from a committed decision, and the answer it had."""
    _tell(ports, seen, event, run_id)
    answer: dict[str, Any] = json.loads(seen.payload)
    return answer


def _commit_rejection(
    ports: Ports, found: Rejection, event: Any, run_id: str, execution_arn: str
) -> tuple[Commit, SeenSignal]:
    now = ports.now()
    chain = found.model or UNATTRIBUTED
    state = ports.table.model(chain)
    event_uri = ports.bucket.uri(f"rejected/{found.signal_id}.json")
    record = chained(
        rejection_record(
            rejection=found,
            run_id=run_id,
            execution_arn=execution_arn,
            event_id=_event_id(event),
            event_uri=event_uri,
            decided_at=now,
        ),
        sequence=state.chain_sequence + 1,
        previous_hash=state.chain_head,
    )
    payload = _answer(run_id, found.model, Decision.REJECT, found.sentence)
    seen = SeenSignal(
        signal_id=found.signal_id,
        run_id=run_id,
        record_key=decision_key(found.model, now, found.signal_id),
        record=canonical(record),
        payload=canonical(payload),
        told=True,
    )
    return ports.table.commit_decision(_linked(state, record), seen, None, now=now), seen


def _commit_decision(
    ports: Ports, signal: Signal, loaded: LoadedPolicy, event: Any, run_id: str, execution_arn: str
) -> tuple[Commit, SeenSignal]:
    now, policy = ports.now(), loaded.policy
    stored = ports.table.model(signal.model)
    champion = ports.sagemaker.champion(policy.promotion.endpoint) if policy.promotion.endpoint else None
    state = ModelState(
        active_run_id=stored.active_run_id,
        cooldown_until=_time(stored.cooldown_until),
        run_starts=tuple(start for text_ in stored.run_starts if (start := _time(text_)) is not None),
        fruitless_runs=stored.fruitless_runs,
        frozen_reason=stored.frozen_reason,
        promoted_at=_time(stored.promoted_at),
        kill_switches=ports.table.kill_switches(),
        promotion_endpoint_exists=policy.promotion.kind is not PromotionKind.ENDPOINT or champion is not None,
        policy_findings=loaded.findings,
    )

    verdict = decide(signal, policy, state, now)

    record = chained(
        decision_record(
            signal=signal,
            verdict=verdict,
            policy_version=policy.version,
            run_id=run_id,
            execution_arn=execution_arn,
            event_id=_event_id(event),
            decided_at=now,
        ),
        sequence=stored.chain_sequence + 1,
        previous_hash=stored.chain_head,
    )
    new_state, told = _next_state(_linked(stored, record), signal, verdict, now)
    payload = _answer(run_id, signal.model, verdict.decision, verdict.sentence)
    run = None
    if verdict.decision is Decision.RETRAIN:
        manifest = _manifest(ports, signal, verdict, policy, champion, run_id, execution_arn, now)
        payload["run"] = _carried(verdict, policy, manifest, run_id)
        run = StoredRun(
            run_id=run_id,
            model=signal.model,
            started_at=now.isoformat(),
            execution_arn=execution_arn,
            manifest=canonical(manifest),
            run=canonical(payload["run"]),
            severity=verdict.severity,
        )
        new_state = replace(
            new_state, active_run_id=run_id, run_starts=(*stored.run_starts, now.isoformat()), pending=None
        )
    seen = SeenSignal(
        signal_id=signal.signal_id,
        run_id=run_id,
        record_key=decision_key(signal.model, now, signal.signal_id),
        record=canonical(record),
        payload=canonical(payload),
        told=told,
    )
    return ports.table.commit_decision(new_state, seen, run, now=now), seen


def _linked(state: StoredModel, record: dict[str, Any]) -> StoredModel:
    chain = record["chain"]
    return replace(state, chain_sequence=chain["sequence"], chain_head=chain["hash"])


def _next_state(
    state: StoredModel, signal: Signal, verdict: DecisionVerdict, now: datetime
) -> tuple[StoredModel, bool]:
    """The model's state after a decision that starts no run, and whether people are told of it."""
    if verdict.freezes and not state.frozen_reason:
        state = replace(state, frozen_reason=verdict.sentence)
    if signal.source is SignalSource.PENDING and verdict.decision is not Decision.COALESCE:
        state = replace(state, pending=None)
    if verdict.decision is Decision.COALESCE:
        first = state.pending is None
        return replace(state, pending=merge_pending(state.pending, signal, verdict.severity)), first
    if verdict.decision is Decision.HOLD:
        told_at = _time(state.told_at)
        quiet = state.told_reason == verdict.reason and told_at is not None and now - told_at < HOLD_QUIET
        if quiet:
            return state, False
        return replace(state, told_reason=verdict.reason, told_at=now.isoformat()), True
    return state, verdict.decision is Decision.RETRAIN


def merge_pending(pending: dict[str, Any] | None, signal: Signal, severity: Severity) -> dict[str, Any]:
    """Merge a signal into what waits: count, worst severity, latest context. Pure.

    A pending signal that is coalesced again stays itself; only its context is renewed.
    """
    before = pending or {"count": 0, "severity": Severity.INFO, "first_signal_id": signal.signal_id}
    again = signal.source is SignalSource.PENDING
    worst = max(Severity(before["severity"]), severity, key=lambda level: level.rank)
    merged = {
        "first_signal_id": before["first_signal_id"],
        "count": int(before["count"]) + (0 if again else 1),
        "severity": str(worst),
        "signal": signal.as_record() if not again or pending is None else before["signal"],
    }
    # Kept beside the latest signal: a request that comes after it must not hide drift from the judge of a bake.
    drift = signal.as_record() if signal.kind in RETURNING and not again else before.get("drift")
    return merged | ({"drift": drift} if drift else {})


def _manifest(
    ports: Ports,
    signal: Signal,
    verdict: DecisionVerdict,
    policy: Policy,
    champion: Champion | None,
    run_id: str,
    execution_arn: str,
    now: datetime,
) -> dict[str, Any]:
    """The immutable plan of a run."""
    model = signal.model
    manifest: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "model": model,
        "created_at": now.isoformat(),
        "execution_arn": execution_arn,
        "signal": signal.as_record(),
        "decision": {"reason": verdict.reason, "sentence": verdict.sentence, "severity": verdict.severity},
        "dataset": signal.as_record()["dataset"],
        "policy_version": policy.version,
        "champion": champion.as_record() if champion else None,
        "training": {
            "kind": policy.training.kind,
            "target": policy.training.target,
            "input": _training_input(ports, policy, champion, run_id),
            "max_hours": policy.training.max_hours,
        },
    }
    manifest["checksums"] = {
        "training_input_sha256": sha256(canonical(manifest["training"]["input"])),
        "signal_sha256": sha256(canonical(manifest["signal"])),
    }
    return manifest


def _training_input(ports: Ports, policy: Policy, champion: Champion | None, run_id: str) -> dict[str, Any]:
    """The input of a training target; the loop's own keys win over the policy's."""
    return {
        **policy.training.input,
        "run": "all",
        "triggered_by": "monitoring",
        "reason": "auto_retraining",
        "run_id": run_id,
        "model": policy.model,
        "manifest_uri": ports.bucket.uri(manifest_key(policy.model, run_id)),
        "output_uri": ports.bucket.uri(output_prefix(policy.model, run_id)),
        "idempotency_token": idempotency_token(run_id),
        "champion_model_data_uri": champion.model_data_url if champion else None,
    }


def _carried(verdict: DecisionVerdict, policy: Policy, manifest: dict[str, Any], run_id: str) -> dict[str, Any]:
    """What the workflow carries as ``$run``."""
    training_input = manifest["training"]["input"]
    training: dict[str, Any] = {"kind": policy.training.kind, "target": policy.training.target, "input": training_input}
    training |= target_request(policy.training, training_input, {MODEL_TAG: policy.model, RUN_TAG: run_id})
    return {
        "run_id": run_id,
        "model": policy.model,
        "severity": verdict.severity,
        "reason": verdict.sentence,
        "manifest_uri": training_input["manifest_uri"],
        "manifest_sha256": sha256(canonical(manifest)),
        "output_uri": training_input["output_uri"],
        "idempotency_token": training_input["idempotency_token"],
        "approval_needed": verdict.approval_needed,
        "approvals_needed": verdict.approvals_needed,
        "training": training,
    }


def _answer(run_id: str, model: str | None, decision: Decision, sentence: str) -> dict[str, Any]:
    return {
        "decision": decision,
        "run": {"run_id": run_id, "model": model},
        "output": {
            "run_id": run_id,
            "model": model,
            "retraining_required": "YES" if decision is Decision.RETRAIN else "NO",
            "outcome": decision,
            "reason": sentence,
        },
    }


def _duplicate(seen: SeenSignal, run_id: str) -> dict[str, Any]:
    record = json.loads(seen.record)
    LOG.info("SignalDuplicate", extra={"signal_id": seen.signal_id, "run_id": run_id, "model": record["model"]})
    sentence = (
        f"Signal {seen.signal_id} was decided at {record['decided_at']} as {record['decision']} ({record['reason']}) "
        f"by execution {seen.run_id}; the same signal again changes nothing."
    )
    return _answer(run_id, record["model"], Decision.SKIP, sentence)


def _tell(ports: Ports, seen: SeenSignal, event: Any, run_id: str) -> None:
    """Write the records of a committed decision and tell it. Everything here can be repeated."""
    record, payload = json.loads(seen.record), json.loads(seen.payload)
    decision, model = Decision(record["decision"]), record["model"]
    if decision is Decision.REJECT:
        ports.bucket.write_once(f"rejected/{seen.signal_id}.json", {"event": event, "sentence": record["sentence"]})
    manifest_uri = None
    if decision is Decision.RETRAIN:
        run = ports.table.run(run_id)
        if run is not None:
            ports.bucket.write_once(manifest_key(model, run_id), json.loads(run.manifest))
            manifest_uri = ports.bucket.uri(manifest_key(model, run_id))
        ports.bucket.write_once(f"runs/{model}/{run_id}/inputs/event.json", event)
    ports.bucket.write_once(seen.record_key, record)
    LOG.info(
        "SignalDecided",
        extra={
            "decision": str(decision),
            "reason": record["reason"],
            "model": model,
            "signal_id": seen.signal_id,
            "run_id": run_id,
            "severity": record["severity"],
        },
    )
    ports.channels.emit(
        event_detail(
            run_id=run_id,
            model=model,
            status=str(Status.RETRAINING_DECIDED) if decision is Decision.RETRAIN else f"SIGNAL_{decision}",
            previous_status=None,
            reason=record["sentence"],
            severity=record["severity"],
            manifest_uri=manifest_uri,
        ),
        resources=[ports.settings.state_machine_arn],
    )
    if record["reason"] == "DRIFT_AFTER_PROMOTION" and seen.told:
        ports.channels.tell(frozen_message(model, record["sentence"], ports.settings.runbook_url))
    elif seen.told:
        ports.channels.tell(_message(ports, record, payload, ports.bucket.uri(seen.record_key)))


def _message(ports: Ports, record: dict[str, Any], payload: dict[str, Any], record_uri: str) -> Message:
    signal = mapping(record.get("signal"))
    threshold, dataset = mapping(signal.get("threshold")), mapping(signal.get("dataset"))
    facts = {
        "run": payload["run"]["run_id"],
        "severity": record["severity"],
        "endpoint": signal.get("endpoint"),
        "dataset": dataset.get("uri"),
        "metric": threshold.get("metric"),
        "observed": threshold.get("observed"),
        "threshold": threshold.get("threshold"),
        "record": record_uri,
        "manifest": payload["run"].get("manifest_uri"),
        "event": record.get("event_uri"),
    }
    return decision_message(
        decision=Decision(record["decision"]),
        reason=record["reason"],
        sentence=record["sentence"],
        model=record["model"],
        facts={name: str(value) for name, value in facts.items() if value is not None},
        runbook_url=ports.settings.runbook_url,
    )


def _event_id(event: Any) -> str | None:
    return text(event.get("id"), 100) if isinstance(event, dict) else None


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
