"""A record beside what the table knows of its signal or run: do they say the same? Pure.

The records of facts that the table keeps whole are made again from them, by the functions that made them first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ops.audit.records import STRANGE, read_object
from orchestration.actions.admit import answer_of, way_on
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import RecordKind
from orchestration.domain.conclusion import conclude
from orchestration.domain.contracts import Decision, Next, SignalKind, SignalSource, Status, WaitKind
from orchestration.domain.decision import ASKED_FOR, decided_again
from orchestration.domain.due import GRACE
from orchestration.domain.json_values import mapping
from orchestration.domain.policy import pinned_policy, policy_sha256
from orchestration.domain.records import sha256
from orchestration.domain.votes import ApprovalDecision, Ruling
from orchestration.domain.wait import Result
from orchestration.steps.approvals import ruled
from orchestration.steps.evidence import result_record, verdict_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.verdict import CandidateVerdict, Finish
    from orchestration.domain.wait import Wait
    from orchestration.stores.models import SeenSignal

KNOWN_FOR: Final = timedelta(days=90)
"""How long Step Functions knows an execution that ended, and the table a signal. Source: Step Functions, quotas."""

FINAL: Final = frozenset(status for status in Status if status.final)
"""Statuses that come with an outcome."""

RUN_KINDS: Final = frozenset(
    {RecordKind.MANIFEST, RecordKind.VERDICT, RecordKind.APPROVAL, RecordKind.VERIFICATION, RecordKind.OUTCOME}
)
"""Kinds of records that belong to a run."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the table knows of a run. ``line`` is the model's line on it; ``statuses`` are names with times; waits by their name.

    ``unreadable`` says which item could not be read at all.
    """

    run: StoredRun | None = None
    line: Mapping[str, Any] = field(default_factory=dict)
    statuses: tuple[tuple[str, str], ...] = ()
    verdict: CandidateVerdict | None = None
    finish: Finish | None = None
    waits: Mapping[str, Wait] = field(default_factory=dict)
    unreadable: str | None = None


# Decisions.


def decision_again(record: Mapping[str, Any]) -> str | None:
    """What is wrong when this code decides otherwise on the inputs a decision record holds; None when it does not.

    Sentences are not compared: they may be worded better by a later release.
    """
    if record["inputs"] is None:
        return None if record["decision"] == Decision.REJECT else "It holds no inputs, and is no rejection."
    if "proven_by" not in record["signal"] and _decided_by_earlier_rules(record["signal"]):
        return _wrong_digest(record)
    verdict = decided_again(record)
    said = {name: value for name, value in verdict.as_record().items() if name != "sentence"}
    said["guards"] = _guards(said["guards"])
    found = {**{name: record[name] for name in said}, "guards": _guards(record["guards"])}
    other = _differences(found, said)
    if other:
        return f"This code decides {verdict.decision} ({verdict.reason}) on its inputs; it says otherwise of {other}."
    return _wrong_digest(record)


def _wrong_digest(record: Mapping[str, Any]) -> str | None:
    policy = record["inputs"]["policy"]
    if policy_sha256(pinned_policy(policy["effective"])) != policy["sha256"]:
        return "The policy it holds does not have the digest it says."
    return None


def _decided_by_earlier_rules(signal: Mapping[str, Any]) -> bool:
    """Whether the release before decided such a signal by other rules: it took the word of who sent it, or of the job."""
    if SignalSource.MODEL_MONITOR in {signal["source"], signal["origin"]}:
        return True
    return signal["severity"] is not None or SignalKind(signal["kind"]) in {*ASKED_FOR, SignalKind.NO_DRIFT}


def _guards(guards: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [[guard[name] for name in ("guard", "passed", "decision", "reason")] for guard in guards]


def signal_contradicts(record: Mapping[str, Any], place: tuple[str, int], key: str, seen: SeenSignal) -> str | None:
    """What the table's item of a decided signal says otherwise than its record; None when it is the same.

    ``place`` is the record's chain and sequence.
    """
    payload = read_object(seen.payload.encode(errors="replace")) if isinstance(seen.payload, str) else None
    told, answer = mapping(payload), answer_of(record)
    run = mapping(told.get("run"))
    said = {
        "run_id": seen.run_id,
        "key": seen.record_key,
        "place": [seen.chain, seen.sequences[0] if seen.sequences else None],
        "decision": told.get("decision"),
        # The release before had none.
        "way": told.get("next", way_on(record)),
        # The release before named no signal.
        "answer": [
            run.get("run_id"),
            run.get("model"),
            {"signal_id": record["signal_id"], **mapping(told.get("output"))},
        ],
    }
    found = {
        "run_id": record["run_id"],
        "key": key,
        "place": list(place),
        "decision": record["decision"],
        "way": way_on(record),
        "answer": [answer["run"]["run_id"], answer["run"]["model"], answer["output"]],
    }
    return _differences(found, said)


def is_young(record: Mapping[str, Any], now: datetime) -> bool:
    """True while AWS and the table must still know of a decision."""
    return now - datetime.fromisoformat(record["decided_at"]) < KNOWN_FOR


# Runs.


def contradiction(kind: RecordKind, record: Mapping[str, Any], text: str, sequence: int, facts: RunFacts) -> str | None:
    """What the table says otherwise than a record of a run; None when it says the same.

    Args:
        kind: the record's.
        record: the record.
        text: its very text.
        sequence: its place.
        facts: what the table knows of the run.
    """
    if facts.unreadable is not None:
        return f"The table's item {facts.unreadable} of its run cannot be read."
    if facts.run is None:
        return "The table knows no such run."
    try:
        if kind is RecordKind.MANIFEST:
            return _manifest(record, text, facts.run, facts.line)
        if kind is RecordKind.VERDICT:
            return _verdict(record, facts.run, facts.verdict)
        if kind is RecordKind.OUTCOME:
            return _outcome(record, facts)
        wait = facts.waits.get(f"approval:{record['subject']}" if kind is RecordKind.APPROVAL else str(WaitKind.BAKE))
        return "The table knows of no such wait." if wait is None else _waited(kind, record, sequence, wait, facts.run)
    except STRANGE as error:
        return f"It lacks what such a record has ({type(error).__name__})."


def _manifest(record: Mapping[str, Any], text: str, run: StoredRun, line: Mapping[str, Any]) -> str | None:
    if run.manifest != text:
        return "The table keeps another manifest of the run."
    other = _differences(
        {"model": record["model"], "created_at": record["created_at"], "execution_arn": record["execution_arn"]},
        {"model": run.model, "created_at": run.started_at, "execution_arn": run.execution_arn},
    )
    if other:
        return f"The run's item says otherwise of {other}."
    shown = ("run_id", "started_at", "severity", "outcome", "ended_at", "reason")
    other = _differences({name: getattr(run, name) for name in shown}, {name: line.get(name) for name in shown})
    if other:
        return f"The model's line on the run says otherwise of {other}."
    policy, checksums = record["policy"], record["checksums"]
    digests = {
        "policy": policy_sha256(pinned_policy(policy["effective"])),
        "training input": sha256(canonical(mapping(record["training"]).get("input"))),
        "signal": sha256(canonical(record["signal"])),
    }
    said = {
        "policy": policy["sha256"],
        "training input": checksums["training_input_sha256"],
        "signal": checksums["signal_sha256"],
    }
    other = _differences(said, digests)
    return f"It does not have the digest it says of its {other}." if other else None


def _verdict(record: Mapping[str, Any], run: StoredRun, verdict: CandidateVerdict | None) -> str | None:
    if verdict is None:
        return "The table keeps no verdict of the run."
    other = _differences(_body(record), verdict_record(run, verdict).body)
    return f"The verdict in the table says otherwise of {other}." if other else None


def _waited(kind: RecordKind, record: Mapping[str, Any], sequence: int, wait: Wait, run: StoredRun) -> str | None:
    if kind is RecordKind.APPROVAL and record["manifest_sha256"] != sha256(run.manifest):
        return "People were asked about another manifest than the run's."
    if kind is RecordKind.APPROVAL:
        votes = wait.data.get("votes", [])
        if canonical(record["votes"]) != canonical(votes[: len(record["votes"])]):
            return "The table has other votes."
    last = result_record(wait)
    if kind is RecordKind.APPROVAL and record["decision"] is None and (wait.record or 0) > sequence:
        return None  # a vote, and more came after it
    if last is None:
        return None if kind is RecordKind.APPROVAL and record["decision"] is None else "In the table it is not over."
    if wait.record != sequence:
        return f"In the table its record is {wait.record}."
    # What was still going on when it ended, the record and the item may have seen at different moments.
    moving = {"votes", "ladder", "deadline"}
    other = _differences(
        {name: value for name, value in _body(record).items() if name not in moving},
        {name: value for name, value in last.body.items() if name not in moving},
    )
    return f"The table says otherwise of {other}." if other else None


def _outcome(record: Mapping[str, Any], facts: RunFacts) -> str | None:
    run = facts.run
    assert run is not None  # noqa: S101 - asked before
    shown = ("run_id", "model", "outcome", "reason", "error", "started_at", "ended_at")
    other = _differences({name: record[name] for name in shown}, {name: getattr(run, name) for name in shown})
    if other:
        return f"The run's item says otherwise of {other}."
    strange = _other_statuses(record, facts.statuses)
    if strange:
        return f"The run's history says otherwise of {', '.join(strange)}."
    finish = record["finish"]
    if finish is not None and finish["over"] and (facts.finish is None or facts.finish.as_record() != finish):
        return "The table says otherwise of what became of registry and baseline."
    return None


def _other_statuses(record: Mapping[str, Any], found: tuple[tuple[str, str], ...]) -> list[str]:
    """Statuses that outcome and table do not both have.

    A status that is told late may come while the outcome is committed or after it, so only it has none.
    """
    said = {(row["status"], row["at"]) for row in record["statuses"]}
    ended = datetime.fromisoformat(record["ended_at"])
    added = {
        (name, at)
        for name, at in found
        if (name, at) not in said
        and (Status(name).final or name in dict(said) or datetime.fromisoformat(at) < ended - GRACE)
    }
    twice = {each for each in said if found.count(each) > 1}
    return sorted(name for name, _ in (said - set(found)) | added | twice)


def without_record(facts: RunFacts, recorded: Mapping[str, Recorded], *, before: int | None = None) -> list[str]:
    """Facts of a run that leave a record in its chain and have none there, as words.

    Args:
        facts: what the table knows of the run.
        recorded: its records by their stage.
        before: only facts that were recorded before this place; None for all.
    """
    lacking = []
    if facts.run is not None and facts.run.outcome is not None and "outcome" not in recorded:
        lacking.append(f"its outcome {facts.run.outcome}")
    elif facts.run is not None and "outcome" not in recorded:
        lacking += [f"its status {name}" for name, _ in facts.statuses if name in FINAL]
    if facts.verdict is not None and "evaluation" not in recorded:
        lacking.append("its verdict")
    for name, wait in facts.waits.items():
        # Whoever puts a result into the table alone gives it no place.
        told = result_record(wait) is not None and (before is None or (wait.record or 0) < before)
        if told and name not in recorded:
            lacking.append(f"the end of its wait for {name}")
    return lacking


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one record says of its run's way: a result, as far as the record has one."""

    next: Next | None = None
    outcome: Status | None = None


def stage_of(kind: RecordKind, record: Mapping[str, Any]) -> tuple[str, Recorded] | None:
    """The stage of its run that a record ends, see ``domain.conclusion``; None for one that ends none."""
    if kind is RecordKind.MANIFEST:
        return "manifest", Recorded()
    if kind is RecordKind.APPROVAL:
        decision, subject = record["decision"], record["subject"]
        if decision in {None, ApprovalDecision.WITHDRAWN}:
            return None if decision is None else (f"approval:{subject}", Recorded())
        result = ruled(Ruling(ApprovalDecision(decision), record["decided_at"]), "", subject)
        return f"approval:{subject}", Recorded(result.next, result.outcome)
    if kind is RecordKind.OUTCOME:
        return "outcome", Recorded(outcome=Status(record["outcome"]))
    result = Result.of(record["answer"])
    name = "evaluation" if kind is RecordKind.VERDICT else str(WaitKind.BAKE)
    return name, Recorded(result.next, result.outcome)


def outcome_contradicts(outcome: Status, recorded: Mapping[str, Recorded]) -> str | None:
    """Why an outcome cannot follow from what was recorded of the run before it; None when it can."""
    said = {name: Result(found.next, "", found.outcome) for name, found in recorded.items() if found.next is not None}
    concluded = conclude(said, died=None, failure=None)
    verdict, bake = recorded.get("evaluation"), recorded.get(str(WaitKind.BAKE))
    if concluded.known and concluded.outcome is not outcome:
        return f"What was recorded before it concludes {concluded.outcome}."
    if outcome is Status.PROMOTED and (verdict is None or verdict.next not in {Next.PROMOTE, Next.ASK}):
        return "No verdict before it lets the candidate be promoted."
    if outcome is Status.PROMOTED and bake is not None and bake.next is Next.ROLL_BACK:
        return "The bake before it sends the champion back."
    return None


def _body(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in {"schema_version", "kind", "chain"}}


def _differences(found: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
    """Names of what differs, None when nothing does. Compared as JSON: a text in an enum is that text."""
    if canonical(found) == canonical(said):
        return None
    names = sorted({*found, *said})
    other = [name for name in names if canonical(found.get(name)) != canonical(said.get(name))]
    return ", ".join(other) or None
