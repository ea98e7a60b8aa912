"""Evidence: what each fact of a run leaves in its model's chain, and writing it into the bucket.

A record is made and chained in the transaction of its fact; its text stands in the table from then on. The bucket gets the
very same text at once, or by a sweep.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import Head, Record, RecordKind, chained
from orchestration.domain.contracts import WaitKind
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.json_values import mapping
from orchestration.domain.records import evidence_key, is_approval_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestration.domain.chain import Link
    from orchestration.domain.jobs import Job
    from orchestration.domain.stored_model import StoredModel
    from orchestration.domain.stored_run import StoredRun
    from orchestration.domain.verdict import CandidateVerdict
    from orchestration.domain.wait import Wait
    from orchestration.ports import ApprovalPorts
    from orchestration.stores.table import Write


EVENT_KEPT: Final = 300_000
"""Bytes of an event that began nothing that are kept: an item of the table holds 400 KB, and an execution's input 256 KiB before its
numbers are written out."""


def kept_event(event: Any) -> str:
    """An event that began nothing, as it is kept: of one that no item can hold the beginning; the execution's input has it whole."""
    written = canonical(event)
    if len(written.encode()) <= EVENT_KEPT:
        return written
    return canonical({"beginning": written[: EVENT_KEPT // 10]})


def write_record(
    ports: ApprovalPorts, chain: str, sequence: int, seal: str | None = None, *, of_approval: bool = False
) -> str | None:
    """Write one record of a chain into the bucket; gives its URI, None when there is no such record. Idempotent.

    Args:
        ports: the outside.
        chain: which chain.
        sequence: which of its records.
        seal: its link's, from where whoever appends to chains does not write; None where the release before kept none.
        of_approval: what says that it is due can be written by the function that people reach.

    Raises:
        OrchestrationError: it is not the record that was committed, or, ``of_approval``, lies where none of an approval does.
    """
    link = ports.table.link(chain, sequence, seal)
    if link is None:
        return None
    if of_approval and not is_approval_key(link.key):
        raise OrchestrationError(f"An approval leaves no record {link.key}: nothing was written.")
    write_link(ports, link)
    return ports.bucket.uri(link.key)


def write_link(ports: ApprovalPorts, link: Link) -> None:
    """Write the record of a link into the bucket. Idempotent."""
    ports.bucket.write_once(link.key, link.record.encode())


def outcome_uri(ports: ApprovalPorts, run: StoredRun) -> str:
    """Where the outcome of a run stands."""
    return ports.bucket.uri(evidence_key(run.model, run.run_id, "outcome"))


def verdict_record(run: StoredRun, verdict: CandidateVerdict) -> Record:
    """The judgement on a candidate, with the versions of what was judged and the policy it was judged by."""
    body = {
        "run_id": run.run_id,
        "model": run.model,
        "verdict": verdict.evaluation,
        "answer": {key: value for key, value in verdict.as_record().items() if key != "evaluation"},
        "evaluation_uri": verdict.evaluation_uri,
        "versions": verdict.versions,
        "policy": _policy(run),
    }
    return Record(RecordKind.VERDICT, evidence_key(run.model, run.run_id, "evaluation"), body)


def result_record(wait: Wait) -> Record | None:
    """What the result of a wait leaves: who approved or rejected what, or how a bake ended. Others are in other records."""
    if wait.result is None:
        return None
    if wait.kind is WaitKind.APPROVAL:
        key = evidence_key(wait.model, wait.run_id, f"approval-{wait.subject}")
        return Record(RecordKind.APPROVAL, key, approval_body(wait))
    if wait.kind is WaitKind.BAKE and not wait.result.withdrawn:
        body = {
            "run_id": wait.run_id,
            "model": wait.model,
            "began_at": wait.parked_at,
            "deadline": wait.deadline,
            "answer": wait.result.as_record(),
        }
        return Record(RecordKind.VERIFICATION, evidence_key(wait.model, wait.run_id, "verification"), body)
    return None


def with_record(ports: ApprovalPorts, over: Wait, head: Head | None = None) -> tuple[Wait, list[Write]]:
    """A wait that has its result, with the place of that in the model's chain, and the writes that put it there.

    ``head`` is where the chain ended before the result was judged, where a record in between would change it.
    """
    record = result_record(over)
    if record is None:
        return over, []
    head = head or ports.table.chain_head(over.model)
    links = chained(head, record)
    return replace(over, record=links[0].sequence, seal=links[0].seal), ports.table.chain_writes(head, links)


def vote_record(wait: Wait) -> Record:
    """A vote that is counted and decides nothing yet: the last of the votes so far."""
    number = len(wait.data["votes"])
    key = evidence_key(wait.model, wait.run_id, f"approval-{wait.subject}-vote-{number}")
    return Record(RecordKind.APPROVAL, key, approval_body(wait))


def approval_body(wait: Wait) -> dict[str, Any]:
    """An approval as it stands; without ``decision`` while it is open."""
    data, ruling = wait.data, wait.result.ruling if wait.result is not None else None
    return {
        "run_id": wait.run_id,
        "model": wait.model,
        "subject": wait.subject,
        "decision": ruling.decision if ruling else None,
        "decided_at": ruling.decided_at if ruling else None,
        "reason": wait.result.reason if wait.result is not None else None,
        "next": wait.result.next if wait.result is not None else None,
        "outcome": wait.result.outcome if wait.result is not None else None,
        "withdrawn": wait.result is not None and wait.result.withdrawn,
        "votes": data.get("votes", []),
        "approvals_needed": wait.approvals_needed,
        "why": data.get("why"),
        "severity": data.get("severity"),
        "manifest_uri": data.get("manifest_uri"),
        "manifest_sha256": data.get("manifest_sha256"),
        "policy_sha256": data.get("policy_sha256"),
        "versions": data.get("versions"),
        "asked_at": wait.parked_at,
        "deadline": wait.deadline,
        "ladder": data.get("ladder"),
    }


def outcome_record(
    ports: ApprovalPorts,
    run: StoredRun,
    earlier: Sequence[dict[str, Any]],
    state: StoredModel,
    jobs: Iterable[Job],
    *,
    died: bool,
) -> Record:
    """What a run came to, what ran for it, every status of its life, and its model's state after it.

    Args:
        ports: the outside.
        run: the run with its outcome.
        earlier: its statuses so far.
        state: the model's state after it.
        jobs: what ran for its training, where that was over before the run was.
        died: whether its execution ended without recording an outcome.
    """
    finish = ports.table.finish_of(run.run_id)
    body = {
        "run_id": run.run_id,
        "model": run.model,
        "outcome": run.outcome,
        "reason": run.reason,
        "error": run.error,
        "died": died,
        "policy": _policy(run),
        "finish": None if finish is None else finish.as_record(),
        "jobs": [job.as_record() for job in jobs],
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "statuses": [
            *({"status": row["status"], "at": row["at"]} for row in earlier),
            {"status": run.outcome, "at": run.ended_at},
        ],
        "model_state": state.as_record(),
    }
    return Record(RecordKind.OUTCOME, evidence_key(run.model, run.run_id, "outcome"), body)


def _policy(run: StoredRun) -> str | None:
    found = mapping(mapping(json.loads(run.manifest)).get("policy")).get("sha256")
    return None if found is None else str(found)
