"""The items of the HistoryTable, rebuilt from the records of one chain. Pure.

Each record is committed again, in the order of its chain, by the stores that committed its fact, into a table in memory. What
that table holds in the end is what was there, as far as records tell; ``NOT_REBUILT`` is the rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from ops.audit.reading import is_askable
from ops.audit.records import STRANGE, ReadRecord, keys_of, read_anchor, read_object, read_record, undecided_run
from ops.record_schemas import schema_finding
from orchestration.actions.admit import seen_signal
from orchestration.domain.chain import GENESIS, LOOP, Head, Link, RecordKind
from orchestration.domain.contracts import UNATTRIBUTED, Decision, DueKind, Next, SignalKind, Status, WaitKind
from orchestration.domain.due import GRACE, due
from orchestration.domain.intention import Intention, endpoint_subject, settles_at, training_subject
from orchestration.domain.json_values import mapping, model_name
from orchestration.domain.policy import pinned_policy
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.records import reported_run
from orchestration.domain.stored_model import StoredModel
from orchestration.domain.stored_run import StatusRow, StoredRun
from orchestration.domain.switches import KillSwitch
from orchestration.domain.training_target import TrainingTask
from orchestration.domain.verdict import CandidateVerdict, Finish
from orchestration.domain.votes import ApprovalDecision, Ruling
from orchestration.domain.wait import Result, Wait, WaitState
from orchestration.steps.approvals import ladder_due, who_decides
from orchestration.steps.pending import pending_due
from orchestration.steps.silence import listened
from orchestration.steps.telling import DECIDED
from orchestration.stores.history_table import HistoryTable
from orchestration.stores.table import to_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from types_boto3_dynamodb import DynamoDBClient

    from orchestration.stores.table import Write

Key = tuple[str, str]
Item = dict[str, Any]

BY: Final = "retraining restore-history"

SENTENCE: Final = "Restored from the outcome record, which keeps no sentence of it."
"""Sentence of a status between a run's first and its last."""

LOST_TOKEN: Final = "lost"  # noqa: S105 - it stands for a secret that is gone
"""Token of an approval that was open: a decision on it is kept and recorded, and Step Functions answers that nobody waits."""

NOT_REBUILT: Final = (
    "Task tokens: a run that waits cannot be answered any more. Such runs are listed; stop their executions.",
    "Waits for a slot, a training, a promotion or a rollback, and what they were parked with.",
    "Of approvals, the links, what their page showed beside the votes, and when they are reminded of next.",
    "Training slots that were held, and the queue: more may train than the stack allows until the listed runs are over.",
    "Messages, reminders and stops of trainings that were due when the table was lost.",
    "Statuses of listed runs after their first, and the sentences of a run's statuses between the first and the last.",
    "The event beside a decided signal, and the list of repairs.",
    "The last good version of a policy file: one that is valid is kept again when it is read, one that is not holds signals.",
    "Runs of a release before version 2: their plans and evidence are in no chain.",
    "Facts of the last moments whose record was not in the bucket yet.",
)
"""What the records do not tell."""


# Reading a chain.


@dataclass(frozen=True, slots=True)
class ReadChain:
    """The records of a chain that can be trusted, in order, and what is wrong with anything else that was found."""

    name: str
    links: tuple[Link, ...]
    findings: tuple[str, ...] = ()

    @property
    def head(self) -> Head:
        """Where the trusted part ends."""
        return Head(self.name, self.links[-1].sequence, self.links[-1].hash) if self.links else Head(self.name)


def read_chain(name: str, objects: Iterable[tuple[str, bytes]], anchored: Head | None = None) -> ReadChain:
    """Read a chain up to its first record that cannot be trusted. No content of an object raises.

    Args:
        name: the chain.
        objects: key and content of everything in the chain's folders of the bucket, in any order.
        anchored: where it ended when its head was anchored last.
    """
    findings: list[str] = []
    places: dict[int, list[tuple[Link, str]]] = {}
    for key, body in objects:
        if _unchained_before(key, body) or reported_run(key):
            continue
        record = _trusted(name, key, body)
        if isinstance(record, str):
            findings.append(f"{key} {record}")
            continue
        place = record.place
        link = Link(name, place.sequence, record.kind, key, record.text, place.hash)
        places.setdefault(place.sequence, []).append((link, place.previous_hash))
    links: list[Link] = []
    while len(found := places.get(len(links) + 1, [])) == 1 and found[0][1] == (links[-1].hash if links else GENESIS):
        links.append(found[0][0])
    number, last = len(links) + 1, max(places, default=0)
    if number <= last:
        why = (
            "is missing"
            if not found
            else f"does not follow record {number - 1}, and one of the two is not the right one"
        )
        why = f"is there {len(found)} times: {', '.join(link.key for link, _ in found)}" if len(found) > 1 else why
        if len(found) == 1 and links:
            # What follows vouches for what was before; here it speaks against it.
            links.pop()
        findings.append(f"record {number} {why}; nothing from record {len(links) + 1} to record {last} counts")
    elif anchored is not None and [link.hash for link in links[anchored.sequence - 1 : anchored.sequence]] != [
        anchored.hash
    ]:
        findings.append(
            f"the chain ends at record {len(links)}, and is not the one anchored at record {anchored.sequence}"
        )
    return ReadChain(name, tuple(links), tuple(findings))


def anchored_heads(key: str, body: bytes) -> dict[str, Head]:
    """The heads of an anchor by chain; none when it is not one, of which verify-audit says why."""
    anchor = read_anchor(key, body)
    return {} if isinstance(anchor, str) else {head.chain: head for head in anchor.heads}


def _unchained_before(key: str, body: bytes) -> bool:
    """True for evidence of the release before, which chained decisions only."""
    found = read_object(body)
    return isinstance(found, dict) and not {"kind", "chain"} & found.keys() and not key.startswith("decisions/")


def _trusted(name: str, key: str, body: bytes) -> ReadRecord | str:
    """A record that is as it was made and lies where it belongs, looked at alone; else why it is not to be trusted."""
    record = read_record(body)
    if isinstance(record, str):
        return record
    place = record.place
    if place.chain not in {"", name} or key not in keys_of(record):
        return f"is record {place.sequence} of {place.chain or 'the release before'}, and does not belong there"
    if not record.chained_before:
        finding = schema_finding(record.document)
        return record if finding is None else f"(record {place.sequence}) is not what its schema says: {finding}"
    texts = [record.document.get(field) for field in ("decision", "reason", "sentence", "run_id", "signal_id")]
    known = all(isinstance(value, str) for value in texts) and texts[0] in set(Decision)
    return record if known else f"(record {place.sequence}) lacks what a decision has"


# Rebuilding.


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run without an outcome. ``reached`` is the last thing its records tell, ``training`` the name of its training."""

    run_id: str
    model: str
    execution_arn: str
    started_at: str
    reached: str
    training: str | None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a chain gives: items by their keys, as DynamoDB takes them, and what people have to know."""

    chain: ReadChain
    items: dict[Key, Item]
    runs: int
    open_runs: tuple[OpenRun, ...]
    findings: tuple[str, ...]


def scope_of(chain: str) -> str | None:
    """What is paused when a chain is not whole. Of what cannot be a model nothing is to be stopped, and nobody could resume it."""
    if chain == LOOP:
        return "global"
    return f"model:{chain}" if model_name(chain) is not None else None


def rebuild(chain: ReadChain, now: datetime) -> Rebuilt:
    """Rebuild the items of a chain. One that is not whole leaves its model paused: nobody knows what else there was.

    Args:
        chain: its trusted records.
        now: the time of rebuilding; what has expired by then is left out.
    """
    replay = _Replay(chain.name, now)
    for place, link in enumerate(chain.links):
        try:
            replay.commit(link, chain.links[place + 1 : place + 3])
        except STRANGE as error:
            # It has its schema and its hash, and still says what no fact of ours says.
            finding = f"record {link.sequence} ({link.key}) is of no fact that could be ({type(error).__name__})"
            return rebuild(ReadChain(chain.name, chain.links[:place], (*chain.findings, finding)), now)
    findings = chain.findings
    if replay.stateless and chain.name != UNATTRIBUTED:
        findings += ("its records are all of version 1 and hold no state: cooldown, budget and breaker begin anew",)
    open_runs = replay.finish(paused=bool(findings))
    items = {key: item for key, item in replay.memory.items.items() if not _expired(item, now)}
    return Rebuilt(chain, items, len(replay.runs), open_runs, findings)


def _expired(item: Item, now: datetime) -> bool:
    return "expires_at" in item and int(item["expires_at"]["N"]) <= now.timestamp()


def undecided_items(kept: Iterable[tuple[str, bytes, datetime]], now: datetime) -> dict[Key, Item]:
    """The notes of executions that decided nothing, by their events under ``rejected/``: key, content, when it was written."""
    memory = _Memory()
    for key, body, written in kept:
        found = read_object(body)
        run_id = undecided_run(key, found) if isinstance(found, dict) else None
        if run_id is not None and is_askable(run_id):
            memory.table.note_undecided(run_id, [], at=written)
    return {key: item for key, item in memory.items.items() if not _expired(item, now)}


class _Memory:
    """A table in memory as the stores write it. Conditions held when the facts were committed; none is looked at again."""

    def __init__(self) -> None:
        self.items: dict[Key, Item] = {}
        self.table = HistoryTable(cast("DynamoDBClient", self), "history")

    def apply(self, writes: Sequence[Write]) -> None:
        """Make the puts and deletions of a transaction; nothing else is written here."""
        for write in writes:
            ((kind, request),) = write.items()
            key = request["Item"] if kind == "Put" else request["Key"]
            if kind == "Put":
                self.items[key["pk"]["S"], key["sk"]["S"]] = request["Item"]
            elif kind == "Delete":
                self.items.pop((key["pk"]["S"], key["sk"]["S"]), None)
            else:
                raise NotImplementedError(kind)

    # What the stores call.

    def transact_write_items(self, *, TransactItems: Sequence[Write]) -> None:  # noqa: N803 - boto3's name
        self.apply(TransactItems)

    def put_item(self, **request: Any) -> None:
        self.apply([{"Put": request}])

    def delete_item(self, **request: Any) -> None:
        self.apply([{"Delete": request}])

    def update_item(self, **request: Any) -> None:
        self.apply([{"Update": request}])


class _Replay:
    """The facts of one chain, committed again one after the other."""

    def __init__(self, chain: str, now: datetime) -> None:
        self.memory = _Memory()
        self.table = self.memory.table
        self.now = now
        self.head = Head(chain)
        self.state = StoredModel(chain)
        self.expected_hours = 0.0
        self.stateless = False
        self.runs: dict[str, StoredRun] = {}
        self.reached: dict[str, str] = {}
        self.verdicts: dict[str, CandidateVerdict] = {}
        self.judged_at: dict[str, int] = {}

    def commit(self, link: Link, following: Sequence[Link]) -> None:
        """Commit the fact of one record; ``following`` are the two records after it, as far as there are."""
        record = json.loads(link.record)
        if record["schema_version"] == 1:
            self._earlier_decision(link, record)
            return
        self.memory.apply(self.table.chain_writes(self.head, (link,)))
        self.head = Head(link.chain, link.sequence, link.hash)
        match link.kind:
            case RecordKind.DECISION:
                self._decision(link, record, _entailed(Decision(record["decision"]), following))
            case RecordKind.VERDICT:
                verdict = CandidateVerdict.of({**record["answer"], "evaluation": record["verdict"]})
                made = self.table.made_writes(record["run_id"], record["model"], verdict)
                self.table.store_candidate_verdict(record["run_id"], verdict, made)
                self.verdicts[record["run_id"]] = verdict
                self.judged_at[record["run_id"]] = link.sequence
                self._reached(record, verdict.result.reason)
            case RecordKind.APPROVAL:
                self._put_wait(self._approval(link, record))
                votes = f"{len(record['votes'])} vote(s) on its {record['subject']} were counted."
                self._reached(record, record["reason"] or votes)
            case RecordKind.VERIFICATION:
                self._put_wait(self._bake(link, record))
                self._reached(record, record["answer"]["reason"])
            case RecordKind.OUTCOME:
                self._outcome(record)
            case RecordKind.PAUSE if record["change"] == "paused":
                self.table.throw_switch(KillSwitch(**record["switch"]))
            case RecordKind.PAUSE:
                self.table.lift_switch(record["scope"])
            case RecordKind.OVERRIDE:
                after = self._after(record)
                self.table.save_model(after)
                self._written(after)

    def finish(self, *, paused: bool) -> tuple[OpenRun, ...]:
        """Write what follows from where the chain ends; gives the runs without an outcome."""
        if self.state.pending is not None:
            until = self.state.cooldown_until
            self.table.add_due(pending_due(self.state.model, datetime.fromisoformat(until) if until else self.now))
        watch, expected = listened(self.state.model, None, self.expected_hours, self.now)
        if watch is not None:
            # When the monitor spoke stands in no record: it is listened for anew.
            self.table.keep_watch(watch, None, [self.table.due_write(item) for item in expected])
        scope = scope_of(self.head.chain)
        if paused and scope is not None:
            reason = "The history was restored from records that are not whole; see what it listed."
            if ("CONTROLS", scope) not in self.memory.items:
                self.table.throw_switch(KillSwitch(scope, BY, reason, self.now.isoformat()))
        return tuple(self._left_open(run) for run in self.runs.values() if run.outcome is None)

    def _left_open(self, run: StoredRun) -> OpenRun:
        """A run without an outcome: whether its execution lives is looked at, and what it may have begun is kept as begun.

        So a training that goes on is stopped with the run, and an endpoint that may have been moved freezes the model then.
        """
        self.table.add_due(due(DueKind.ALIVE, run.run_id, run.model, datetime.fromisoformat(run.started_at) + GRACE))
        verdict, task = self.verdicts.get(run.run_id), TrainingTask.of(json.loads(run.manifest))
        begun = Intention(
            subject=training_subject(run.run_id),
            run_id=run.run_id,
            model=run.model,
            execution_arn=run.execution_arn,
            opened_at=self.now.isoformat(),
            settles_at=settles_at(self.now).isoformat(),
            sequence=self.head.sequence,
            wanted=task.name if task else "",
        )
        if verdict is None:
            self.memory.apply([self.table.intention_write(begun)])
        elif isinstance(plan := verdict.plan, EndpointPlan) and verdict.result.outcome is None:
            subject = endpoint_subject(plan.endpoint)
            moved = replace(begun, subject=subject, wanted=plan.wanted_config, previous=plan.previous_config)
            self.memory.apply([self.table.intention_write(moved)])
        training = task.name if task and verdict is None else None
        return OpenRun(run.run_id, run.model, run.execution_arn, run.started_at, self.reached[run.run_id], training)

    # Facts.

    def _decision(self, link: Link, record: dict[str, Any], entailed: Sequence[Link]) -> None:
        before, after = self.state, self._after(record)
        effective = mapping(mapping(mapping(record.get("inputs")).get("policy")).get("effective"))
        self.expected_hours = float(effective.get("expect_every_hours", 0.0))
        run = [self._run(record, manifest) for manifest in entailed[:1]]
        first = DECIDED.get(Decision(record["decision"]), Status.RETRAINING_DECIDED)
        decided = StatusRow(first, record["decided_at"], record["sentence"], record["severity"])
        writes = [write for each in run for write in self.table.run_writes(each, decided)]
        seen = seen_signal(record, [link, *entailed], told=_told(record, before, after), event=None)
        self.table.commit_decision(after, seen, writes, now=datetime.fromisoformat(record["decided_at"]))
        self._written(after)
        for each in run:
            self.runs[each.run_id] = each
            self.reached[each.run_id] = record["sentence"]

    def _earlier_decision(self, link: Link, record: dict[str, Any]) -> None:
        """A decision of the release before: its text stood with its signal, the chain's end with the model's state."""
        self.stateless = True
        self.head = Head(link.chain, link.sequence, link.hash)
        told = _told(record, self.state, self.state)
        seen = replace(
            seen_signal(record, [link], told=told, event=None), chain="", sequences=(), seals=(), record=link.record
        )
        self.table.commit_decision(self.state, seen, [], now=datetime.fromisoformat(record["decided_at"]))
        self.memory.items[f"MODEL#{link.chain}", "STATE"] |= to_item(
            {"chain_sequence": link.sequence, "chain_head": link.hash}
        )
        self._written(self.state)

    def _run(self, record: dict[str, Any], manifest: Link) -> StoredRun:
        return StoredRun(
            run_id=record["run_id"],
            model=record["model"],
            started_at=record["decided_at"],
            execution_arn=record["execution_arn"],
            manifest=manifest.record,
            severity=record["severity"],
        )

    def _outcome(self, record: dict[str, Any]) -> None:
        after, run = self._after(record), self.runs.get(record["run_id"])
        if run is None:
            # Begun under the release before, whose plan is in no chain: the model's state counts all the same.
            self.table.save_model(after)
            self._written(after)
            return
        closed = replace(run, **{name: record[name] for name in ("outcome", "ended_at", "reason", "error")})
        for status in record["statuses"]:
            if status["status"] not in {*DECIDED.values(), record["outcome"]}:
                row = StatusRow(Status(status["status"]), status["at"], SENTENCE, run.severity)
                self.table.add_status(run.run_id, row)
        if record["finish"] is not None:
            self.table.note_finish(run.run_id, Finish(**record["finish"]))
        self.table.close_run(closed, [self.table.model_write(after)])
        self.runs[run.run_id] = closed
        self._written(after)

    def _approval(self, link: Link, record: dict[str, Any]) -> Wait:
        taken = [step["step"] for step in record["ladder"]["taken"]]
        shown = ("why", "severity", "manifest_uri", "manifest_sha256", "policy_sha256", "versions", "votes", "ladder")
        run = self.runs.get(record["run_id"])
        manifest = {} if run is None else json.loads(run.manifest)
        decides = who_decides(manifest, pinned_policy(manifest["policy"]["effective"])) if manifest else {}
        wait = self._wait(
            link,
            record,
            WaitKind.APPROVAL,
            record["subject"],
            parked_at=record["asked_at"],
            step={"remind": 1, "escalate": 2, "expire": 3}.get(taken[-1] if taken else "", 0),
            data={
                **{name: record[name] for name in shown},
                **decides,
                "approvals_needed": record["approvals_needed"],
                "nonces": [],
            },
        )
        if record["decision"] is None:
            return replace(wait, state=WaitState.PARKED, record=None, seal=None, token=LOST_TOKEN)
        outcome = Status(record["outcome"]) if record["outcome"] else None
        result = Result(
            Next(record["next"]), record["reason"], outcome, ruling=_ruling(record), withdrawn=record["withdrawn"]
        )
        return replace(wait, result=result)

    def _bake(self, link: Link, record: dict[str, Any]) -> Wait:
        # Drift since the verdict counts, although the promotion began later: that is the safe side.
        since = {"since": record["began_at"], "sequence": self.judged_at.get(record["run_id"], 0)}
        wait = self._wait(link, record, WaitKind.BAKE, "", parked_at=record["began_at"], step=0, data=since)
        return replace(wait, result=Result.of(record["answer"]))

    def _wait(
        self,
        link: Link,
        record: dict[str, Any],
        kind: WaitKind,
        subject: str,
        *,
        parked_at: str,
        step: int,
        data: dict[str, Any],
    ) -> Wait:
        run = self.runs.get(record["run_id"])
        return Wait(
            kind=kind,
            subject=subject,
            run_id=record["run_id"],
            model=record["model"],
            token=None,
            execution_arn=run.execution_arn if run else "",
            parked_at=parked_at,
            deadline=record["deadline"],
            next_step_at=record["deadline"],
            step=step,
            state=WaitState.RESOLVED,
            data=data,
            record=link.sequence,
            seal=link.seal,
        )

    # What facts have in common.

    def _put_wait(self, over: Wait) -> None:
        item = ladder_due(over, self.now)
        self.table.park(over, item)
        self.table.done(item)

    def _reached(self, record: dict[str, Any], sentence: str) -> None:
        self.reached[record["run_id"]] = sentence

    def _after(self, record: dict[str, Any]) -> StoredModel:
        """The model's state after a record, with the version it was written over."""
        kept = record.get("model_state")
        if kept is None:
            return self.state
        self.stateless = False
        for time in (kept["cooldown_until"], kept["promoted_at"], *kept["run_starts"]):
            datetime.fromisoformat(time or self.now.isoformat())
        return StoredModel.of(self.state.model, kept, version=self.state.version)

    def _written(self, after: StoredModel) -> None:
        self.state = replace(after, version=after.version + 1)


def _ruling(record: dict[str, Any]) -> Ruling:
    """Who decided an approval, by its votes: the last one rejects, all together approve, and else it was nobody."""
    decision, votes = ApprovalDecision(record["decision"]), record["votes"]
    deciding = votes[-1:] if decision is ApprovalDecision.REJECTED else votes
    if decision in {ApprovalDecision.EXPIRED, ApprovalDecision.WITHDRAWN}:
        deciding = []
    comment = "\n".join(vote["comment"] for vote in deciding if vote["comment"])
    return Ruling(decision, record["decided_at"], " and ".join(vote["by"] for vote in deciding) or None, comment)


def _entailed(decision: Decision, following: Sequence[Link]) -> list[Link]:
    """The records that a decision was committed with: a run's manifest, and how one that goes back is to serve."""
    if not decision.begins_run or not following or following[0].kind is not RecordKind.MANIFEST:
        return []
    back = decision is Decision.ROLL_BACK and following[1:2] and following[1].kind is RecordKind.VERDICT
    return list(following[:2] if back else following[:1])


def _told(record: dict[str, Any], before: StoredModel, after: StoredModel) -> bool:
    """Whether people were told of a decision: of a hold or a kept signal only the first, of what is observed never."""
    if mapping(record.get("signal")).get("kind") == SignalKind.ROLLBACK:
        return True
    match record["decision"]:
        case Decision.HOLD:
            return after.told_at == str(record["decided_at"])
        case Decision.COALESCE:
            return before.pending is None
        case _:
            return Decision(record["decision"]).begins_run or record["decision"] == Decision.REJECT
