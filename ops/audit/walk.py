"""The walk over everything that was recorded, chain by chain: what was gathered is handed to those who judge.

Held at a time are marks of one chain (a digest of each key, and of each run) and a digest of each execution that is to be
found; never the records. What changes while it is read is read again before anything is said of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ops.audit.chains import (
    EarlierRecords,
    Followed,
    Seen,
    TableLink,
    object_findings,
    read_link,
    unclaimed_finding,
)
from ops.audit.facts import (
    RUN_KINDS,
    Recorded,
    RunFacts,
    contradiction,
    decision_again,
    is_young,
    outcome_contradicts,
    signal_contradicts,
    stage_of,
    without_record,
)
from ops.audit.findings import Fault, Finding
from ops.audit.reading import ANCHORS, FOLDERS, Execution, Listed, Reading, Snapshot, read_ahead
from ops.audit.records import STRANGE, ReadRecord, keys_of, read_object, read_record
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import Head, RecordKind
from orchestration.domain.contracts import UNATTRIBUTED, Decision
from orchestration.domain.due import BACKOFF_LIMIT, GRACE
from orchestration.domain.json_values import mapping
from orchestration.domain.merkle import root_of
from orchestration.domain.records import evidence_key, sha256
from orchestration.stores.models import RUN_STARTS_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from orchestration.stores.models import SeenSignal

AHEAD: Final = 64
"""Records read ahead of the one that is judged."""

LATE: Final = timedelta(hours=1)
"""What began so lately is not judged where AWS may tell of it later."""

TRIES: Final = 5
"""How often a chain that goes on while it is read is followed."""

NOT_PROVEN: Final = (
    (
        "An administrator who rewrites table, bucket and anchors together, with every link after it, is not seen here; only a "
        "root that was kept outside shows it: make verify-audit ANCHOR=<root from a message of records anchored>."
    ),
    "Records written after the last anchor, and their order in time, are vouched for by table and bucket alone.",
    (
        "The event kept beside a rejection or a run, and what a training wrote, are in no chain; of artifacts only ETag and "
        "size are known."
    ),
    (
        "Executions that ended more than 90 days ago are unknown to Step Functions, and signals as old to the table: for older "
        "records neither is compared."
    ),
    "Evidence and manifests of the release before are in no chain; they are compared with the table alone.",
)
"""What a whole history does not prove."""


class UnknownChainError(Exception):
    """There is no chain of this name."""


@dataclass(slots=True)
class Report:
    """What an audit found, and how much it looked at."""

    findings: list[Finding] = field(default_factory=list)
    chains: int = 0
    records: int = 0
    objects: int = 0
    runs: int = 0
    executions: int = 0
    anchors: int = 0
    earlier: int = 0
    foreign: int = 0


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a link: its object, the signal or run it is of, artifacts by URI with what they are now."""

    seen: Seen
    record: ReadRecord | None = None
    text: str = ""
    signal: SeenSignal | str | None = None
    facts: RunFacts | None = None
    artifacts: tuple[tuple[str, str, str | None], ...] = ()


@dataclass(slots=True)
class ChainMarks:
    """What is kept of a chain while it is walked."""

    followed: Followed
    claimed: dict[bytes, int] = field(default_factory=dict)
    gone: list[TableLink] = field(default_factory=list)
    open_runs: dict[str, dict[str, Recorded]] = field(default_factory=dict)
    runs: set[bytes] = field(default_factory=set)
    retrains: tuple[int, str, str] | None = None
    decisions: int = 0
    state: str | None = None
    refused: dict[str, tuple[TableLink, Seen]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)


def digest(text: str) -> bytes:
    """Sixteen bytes that stand for a name."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()


class Audit:
    """One walk.

    Args:
        reading: the sources.
        pool: who reads ahead.
        now: the moment it begins.
        model: only this chain.
        anchor: hex root that was kept outside.
        progress: is told records looked at and records there are.
    """

    def __init__(
        self,
        reading: Reading,
        pool: Executor,
        *,
        now: datetime,
        model: str | None = None,
        anchor: str | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005 - nobody looks
    ) -> None:
        self.report = Report()
        self._reading = reading
        self._now = now
        self._model = model
        self._anchor = anchor
        self._pool = pool
        self._progress = progress
        self._total = 0
        self._awaited: dict[bytes, tuple[str, int] | None] = {}
        self._rejections: dict[bytes, tuple[str, int, str]] = {}
        self._switches: dict[str, tuple[str, int, dict[str, Any] | None]] = {}
        self._anchored: dict[str, dict[int, set[str]]] = {}
        self._listed: set[str] = set()

    def run(self) -> Report:
        """Walk.

        Raises:
            UnknownChainError: there is no chain of the model that was asked for.
        """
        reading = self._reading
        self._read_anchors()
        heads = {str(item.get("sk")): item.get("sequence") for item in reading.items("HEADS")}
        self._listed = set(reading.names("MODELS"))
        folders = reading.folders() - {ANCHORS.split("/")[1]}
        names = {*heads, *self._listed, *folders, *self._anchored}
        if self._model is not None:
            if self._model not in names:
                raise UnknownChainError(self._model)
            names = {self._model}
        self._total = sum(length for name, length in heads.items() if name in names and type(length) is int)
        for chain in sorted(names):
            self._walk_chain(chain, folders)
        if self._model is None:
            self._judge_loose()
            self._judge_rejected()
        self._judge_executions()
        self._judge_switches()
        self.report.findings.sort(key=lambda finding: finding.order)
        return self.report

    def _found(self, fault: Fault, chain: str | None, sequence: int | None, subject: str, sentence: str) -> None:
        self.report.findings.append(Finding(fault, chain, sequence, subject, sentence))

    # One chain.

    def _walk_chain(self, chain: str, folders: set[str]) -> None:
        marks = ChainMarks(Followed(chain))
        snapshot = self._follow(marks)
        head = snapshot.head
        if head is not None and snapshot.earlier and not marks.followed.last:
            marks.followed.before, marks.followed.before_hash = head.sequence, head.hash
        else:
            self.report.findings += marks.followed.ends_at(None if snapshot.earlier else head)
        if marks.retrains is not None:
            self._not_followed_by_manifest(chain, marks.retrains)
        earlier, earlier_runs = EarlierRecords(chain), dict[bytes, set[str]]()
        if chain in folders:
            self._judge_objects(marks, head, earlier, earlier_runs)
        self.report.findings += earlier.findings(marks.followed.before, marks.followed.before_hash)
        self._judge_anchored_end(marks, earlier)
        self._judge_gone(marks)
        self._judge_runs(marks, earlier_runs)
        if marks.state is not None and not _is_state(snapshot.state, marks.state):
            sentence = "The model's state in the table is not the one its last record says."
            self._found(Fault.CONTRADICTED, chain, marks.followed.last, f"MODEL#{chain}/STATE", sentence)
        recorded = marks.decisions + len(earlier.found)
        if recorded and chain not in self._listed:
            self._found(Fault.UNLISTED, chain, None, f"MODELS/{chain}", f"Nothing lists {chain}, and it has decisions.")
        if not recorded and chain in self._listed:
            sentence = f"{chain} is listed, and not one of its decisions is there."
            self._found(Fault.TRUNCATED, chain, 1, f"MODELS/{chain}", sentence)
        self.report.chains += 1
        self.report.earlier += len(earlier.found)

    def _follow(self, marks: ChainMarks) -> Snapshot:
        """Follow the links of a chain to its end, which may move meanwhile; gives head and state at the end."""
        after = ""
        for _ in range(TRIES):
            before = after
            facts: dict[str, RunFacts] = {}

            def links(start: str) -> Iterator[TableLink]:
                nonlocal after
                for item in self._reading.items(f"CHAIN#{marks.followed.chain}", after=start):
                    after = str(item.get("sk"))
                    link, findings = read_link(marks.followed.chain, item)
                    self.report.findings += findings
                    if link is not None:
                        yield link

            def beside(link: TableLink, known: dict[str, RunFacts] = facts) -> Beside:
                return self._beside(link, known)

            for link, found in read_ahead(self._pool, beside, links(before), AHEAD):
                self._judge_link(marks, link, found)
            snapshot = self._reading.snapshot(marks.followed.chain)
            if after == before or snapshot.head is None or snapshot.head.sequence <= marks.followed.last:
                break
        return snapshot

    def _beside(self, link: TableLink, known: dict[str, RunFacts]) -> Beside:
        """Read what stands beside a link. Runs in a thread."""
        seen = self._reading.see(link.key)
        record = link.record
        if record is None and seen.body is not None:
            found = read_record(seen.body)
            record = found if not isinstance(found, str) and link.holds(found) else None
        if record is None:
            return Beside(seen)
        document, text = record.document, record.text
        try:
            if record.kind is RecordKind.DECISION:
                return Beside(seen, record, text, self._signal(document))
            if record.kind in RUN_KINDS:
                facts = self._facts(str(document["run_id"]), known)
                versions = document["versions"] if record.kind is RecordKind.VERDICT else {}
                return Beside(seen, record, text, facts=facts, artifacts=self._artifacts(versions))
        except STRANGE:
            pass
        return Beside(seen, record, text)

    def _signal(self, document: dict[str, Any]) -> SeenSignal | str | None:
        if not is_young(document, self._now):
            return None
        try:
            return self._reading.signal(str(document["signal_id"])) or "is missing"
        except ValueError:
            return "cannot be read"

    def _facts(self, run_id: str, known: dict[str, RunFacts]) -> RunFacts:
        facts = known.get(run_id)
        if facts is None:
            if len(known) > AHEAD:
                known.clear()
            facts = known[run_id] = self._reading.run_facts(run_id)
        return facts

    def _artifacts(self, versions: dict[str, str]) -> tuple[tuple[str, str, str | None], ...]:
        found = []
        for uri, noted in versions.items():
            try:
                now = self._reading.artifact_version(uri)
            except PermissionError:
                now = ""
            if now != noted:
                found.append((uri, noted, now))
        return tuple(found)

    def _judge_link(self, marks: ChainMarks, link: TableLink, beside: Beside) -> None:
        self.report.records += 1
        self._progress(self.report.records, self._total)
        marks.claimed[digest(link.key)] = link.sequence
        self.report.findings += marks.followed.follow(link)
        self._judge_anchored(link.chain, link.sequence, link.wanted)
        if beside.seen.gone:
            marks.gone.append(link)
        elif beside.seen.refused:
            marks.refused[link.key] = link, beside.seen
        elif beside.seen.body is None or beside.record is None or beside.seen.body != beside.text.encode():
            self.report.findings += object_findings(link, beside.seen)
        if beside.record is None:
            marks.retrains = None
            return
        try:
            self._judge_record(marks, link, beside, beside.record)
        except STRANGE as error:
            sentence = f"Record {link.sequence} lacks what a {beside.record.kind} has ({type(error).__name__})."
            self._found(Fault.EDITED, link.chain, link.sequence, link.key, sentence)

    def _judge_record(self, marks: ChainMarks, link: TableLink, beside: Beside, record: ReadRecord) -> None:
        document, kind = record.document, record.kind
        retrains, marks.retrains = marks.retrains, None
        if kind is RecordKind.MANIFEST:
            if retrains is None or (retrains[1], retrains[2]) != _run_and_signal(document):
                sentence = f"Manifest {link.sequence} does not follow the decision it says it follows."
                self._found(Fault.CONTRADICTED, link.chain, link.sequence, link.key, sentence)
        elif retrains is not None:
            self._not_followed_by_manifest(link.chain, retrains)
        if document.get("model_state") is not None:
            marks.state = canonical(document["model_state"])
        if kind is RecordKind.DECISION:
            self._judge_decision(marks, link, beside, document)
        elif kind is RecordKind.PAUSE:
            self._switches[document["scope"]] = (link.chain, link.sequence, document.get("switch"))
        elif kind in RUN_KINDS:
            self._judge_run_record(marks, link, beside, record)

    def _judge_decision(self, marks: ChainMarks, link: TableLink, beside: Beside, document: dict[str, Any]) -> None:
        marks.decisions += 1
        if document["decision"] == Decision.RETRAIN:
            marks.retrains = (link.sequence, *_run_and_signal(document))
        otherwise = decision_again(document)
        if otherwise is not None:
            self._found(Fault.DECIDED_OTHERWISE, link.chain, link.sequence, link.key, otherwise)
        item = f"SIGNAL#{document['signal_id']}"
        if isinstance(beside.signal, str):
            sentence = f"The signal's item in the table {beside.signal}."
            self._found(Fault.CONTRADICTED, link.chain, link.sequence, item, sentence)
        elif beside.signal is not None:
            place = (link.chain, link.sequence)
            other = signal_contradicts(document, place, link.key, beside.signal)
            if other is not None:
                sentence = f"The signal's item in the table says otherwise of {other}."
                self._found(Fault.CONTRADICTED, link.chain, link.sequence, item, sentence)
        self._await(document, link.chain, link.sequence)

    def _await(self, document: dict[str, Any], chain: str, sequence: int) -> None:
        """Remember a decision's execution, and a rejection's event."""
        run_id = str(document["run_id"])
        own = document["execution_arn"] == self._reading.execution_arn(run_id)
        self.report.foreign += not own
        self._awaited[digest(run_id)] = (chain, sequence) if own and is_young(document, self._now) else None
        if document["decision"] == Decision.REJECT:
            self._rejections[digest(str(document["signal_id"]))] = (chain, sequence, sha256(document["sentence"]))

    def _judge_run_record(self, marks: ChainMarks, link: TableLink, beside: Beside, record: ReadRecord) -> None:
        document, kind = record.document, record.kind
        run_id = str(document["run_id"])
        facts = beside.facts or RunFacts()
        other = contradiction(kind, document, beside.text, link.sequence, facts)
        if other is not None:
            # It may have gone on between the two readings.
            facts = self._reading.run_facts(run_id)
            other = contradiction(kind, document, beside.text, link.sequence, facts)
        if other is not None:
            self._found(Fault.CONTRADICTED, link.chain, link.sequence, f"RUN#{run_id}", f"{kind.capitalize()}: {other}")
        for uri, noted, now in beside.artifacts:
            self._judge_artifact(link, uri, noted, now)
        if kind is RecordKind.MANIFEST:
            marks.runs.add(digest(run_id))
            marks.open_runs[run_id] = {}
            self.report.runs += 1
        recorded, ended = marks.open_runs.get(run_id), stage_of(kind, document)
        if recorded is None or ended is None:
            return
        name, result = ended
        if kind is RecordKind.OUTCOME and result.outcome is not None:
            del marks.open_runs[run_id]
            other = outcome_contradicts(result.outcome, recorded)
            if other is not None:
                self._found(Fault.CONTRADICTED, link.chain, link.sequence, link.key, f"Outcome: {other}")
            recorded = {**recorded, name: result}
            for lacking in without_record(facts, recorded, before=link.sequence):
                self._found(Fault.WITHOUT_RECORD, link.chain, link.sequence, f"RUN#{run_id}", _lacks(run_id, lacking))
        recorded[name] = result

    def _judge_artifact(self, link: TableLink, uri: str, noted: str, now: str | None) -> None:
        if now == "":
            sentence = "It may not be looked at with these rights."
            self._found(Fault.NOT_SEEN, link.chain, link.sequence, uri, sentence)
            return
        state = "is gone" if now is None else f"is {now}"
        sentence = f"What verdict {link.sequence} judged was {noted}, and {state} now."
        self._found(Fault.ARTIFACT_CHANGED, link.chain, link.sequence, uri, sentence)

    def _not_followed_by_manifest(self, chain: str, retrains: tuple[int, str, str]) -> None:
        sequence, run_id, _ = retrains
        sentence = f"Decision {sequence} began run {run_id} and is not followed by its manifest."
        self._found(Fault.MISSING, chain, sequence + 1, f"RUN#{run_id}", sentence)

    # The objects of a chain.

    def _judge_objects(
        self, marks: ChainMarks, head: Head | None, earlier: EarlierRecords, runs: dict[bytes, set[str]]
    ) -> None:
        chain = marks.followed.chain

        def unclaimed() -> Iterator[Listed]:
            for folder in FOLDERS:
                for listed in self._reading.versions(f"{folder}{chain}/"):
                    self.report.objects += 1
                    sequence = marks.claimed.get(digest(listed.key))
                    self._judge_versions(chain, sequence, listed)
                    if listed.hidden:
                        marks.hidden.add(listed.key)
                    elif sequence is None:
                        yield listed
                    elif listed.key in marks.refused:
                        self.report.findings += object_findings(*marks.refused.pop(listed.key))

        def look(listed: Listed) -> tuple[Seen, TableLink | None, TableLink | None]:
            seen = self._reading.see(listed.key)
            found = read_record(seen.body) if seen.body is not None else ""
            if isinstance(found, str) or found.chained_before:
                return seen, None, None
            there = self._link(found.place.chain, found.place.sequence)
            return seen, there, None if there is not None else self._link(found.place.chain, found.place.sequence + 1)

        for listed, (seen, there, after) in read_ahead(self._pool, look, unclaimed(), AHEAD):
            found = unclaimed_finding(chain, listed.key, seen, there, after, head)
            if isinstance(found, ReadRecord):
                self._judge_earlier(chain, listed.key, found, earlier, runs)
            elif found is not None and (
                found.fault is not Fault.EXTRA or not self._of_earlier_run(chain, listed, seen, runs)
            ):
                self.report.findings.append(found)

    def _link(self, chain: str, sequence: int) -> TableLink | None:
        item = self._reading.link(chain, sequence)
        return None if item is None else read_link(chain, item)[0]

    def _judge_versions(self, chain: str | None, sequence: int | None, listed: Listed) -> None:
        if listed.versions > 1:
            sentence = f"The object has {listed.versions} versions ({', '.join(listed.ids)}); records are written once."
            self._found(Fault.SEVERAL_VERSIONS, chain, sequence, listed.key, sentence)
        if listed.markers:
            was = "is deleted: a delete marker hides it" if listed.hidden else "was deleted and written again"
            self._found(Fault.DELETED, chain, sequence, listed.key, f"The object {was}.")

    def _judge_earlier(
        self, chain: str, key: str, record: ReadRecord, earlier: EarlierRecords, runs: dict[bytes, set[str]]
    ) -> None:
        document, sequence = record.document, record.place.sequence
        earlier.add(record, key)
        self._judge_anchored(chain, sequence, record.place.hash)
        try:
            if key not in keys_of(record) or (document["model"] or UNATTRIBUTED) != chain:
                self._found(Fault.SWAPPED, chain, sequence, key, f"Record {sequence} cannot lie here, by what it says.")
            if document["decision"] == Decision.RETRAIN:
                runs.setdefault(digest(str(document["run_id"])), set())
            self._await(document, chain, sequence)
        except STRANGE:
            self._found(Fault.EDITED, chain, sequence, key, f"Record {sequence} lacks what a decision has.")

    def _of_earlier_run(self, chain: str, listed: Listed, seen: Seen, runs: dict[bytes, set[str]]) -> bool:
        """True for manifest and evidence of a run of the release before, after comparing them with the table."""
        document = read_object(seen.body or b"")
        folder, _, rest = listed.key.partition("/")
        run_id = rest.split("/")[1].removesuffix(".json") if rest.count("/") else ""
        if isinstance(document, str) or digest(run_id) not in runs or "chain" in document:
            return False
        name = rest.rsplit("/", 1)[1].removesuffix(".json") if folder == "evidence" else "manifest"
        runs[digest(run_id)].add(name)
        other = _earlier_differs(name, document, self._reading.run_facts(run_id))
        if other is not None:
            self._found(Fault.CONTRADICTED, chain, None, listed.key, other)
        return True

    def _judge_loose(self) -> None:
        for listed in self._reading.loose():
            self.report.objects += 1
            self._judge_versions(None, None, listed)
            self._found(Fault.EXTRA, None, None, listed.key, "The object lies in no chain's folder.")

    def _judge_gone(self, marks: ChainMarks) -> None:
        """Objects that were not there: not written yet, hidden by a delete marker, or missing."""
        marks.gone += [link for link, _ in marks.refused.values()]
        if not marks.gone:
            return
        places = self._reading.due_places(self._now + BACKOFF_LIMIT + GRACE)
        for link in marks.gone:
            if link.key in marks.hidden or self._reading.see(link.key).body is not None:
                continue
            if (link.chain, link.sequence) in places:
                sentence = f"Record {link.sequence} is due to be written, by an item of the due list."
                self._found(Fault.NOT_WRITTEN_YET, link.chain, link.sequence, link.key, sentence)
            else:
                sentence = f"The object of record {link.sequence} is missing."
                self._found(Fault.MISSING, link.chain, link.sequence, link.key, sentence)

    # Runs.

    def _judge_runs(self, marks: ChainMarks, earlier_runs: dict[bytes, set[str]]) -> None:
        chain = marks.followed.chain
        lacking = [
            (run_id, what)
            for run_id, recorded in marks.open_runs.items()
            for what in without_record(self._reading.run_facts(run_id), {**recorded, "manifest": Recorded()})
        ]
        for item in self._reading.items(f"MODEL#{chain}", prefix="RUN#"):
            run_id = str(item.get("run_id"))
            if (found := earlier_runs.get(digest(run_id))) is not None:
                self.report.runs += 1
                kept = {
                    name for name in ("manifest", "outcome") if name in found or self._is_claimed(marks, run_id, name)
                }
                wanted = {"manifest", "outcome"} if item.get("outcome") else {"manifest"}
                lacking += [(run_id, f"its {name}") for name in sorted(wanted - kept)]
            elif digest(run_id) not in marks.runs:
                lacking.append((run_id, "its manifest"))
        if not lacking:
            return
        head = self._reading.snapshot(chain).head
        if head is not None and head.sequence > marks.followed.last > 0 and self._reading.link(chain, head.sequence):
            sentence = "The chain went on while its runs were compared; what is new was not."
            self._found(Fault.NOT_SEEN, chain, None, f"HEADS/{chain}", sentence)
            return
        for run_id, what in lacking:
            self._found(Fault.WITHOUT_RECORD, chain, None, f"RUN#{run_id}", _lacks(run_id, what))

    @staticmethod
    def _is_claimed(marks: ChainMarks, run_id: str, name: str) -> bool:
        return digest(evidence_key(marks.followed.chain, run_id, name)) in marks.claimed

    # What is of no chain.

    def _judge_rejected(self) -> None:
        def look(listed: Listed) -> tuple[Seen, list[str]]:
            name = listed.key.removeprefix("rejected/").removesuffix(".json")
            known = digest(name) in self._rejections
            return self._reading.see(listed.key), [] if known else self._reading.names(f"RUN#{name}")

        for listed, (seen, items) in read_ahead(self._pool, look, self._reading.versions("rejected/"), AHEAD):
            self.report.objects += 1
            self._judge_versions(None, None, listed)
            name = listed.key.removeprefix("rejected/").removesuffix(".json")
            said = self._rejections.pop(digest(name), None)
            kept = read_object(seen.body) if seen.body is not None else seen.why or "is gone"
            if listed.hidden or seen.gone:
                continue
            if isinstance(kept, str):
                self._found(Fault.EXTRA, None, None, listed.key, f"The object {kept}.")
            elif said is not None and sha256(str(kept.get("sentence"))) != said[2]:
                sentence = f"Its sentence is not the one of decision {said[1]}."
                self._found(Fault.EDITED, said[0], said[1], listed.key, sentence)
            elif said is None and "UNDECIDED" not in items and not self._is_old(listed):
                self._found(
                    Fault.EXTRA, None, None, listed.key, "No rejection and no execution is known of this event."
                )
        if self._rejections:
            places = self._reading.due_places(self._now + BACKOFF_LIMIT + GRACE)
            for chain, sequence, _ in self._rejections.values():
                fault = Fault.NOT_WRITTEN_YET if (chain, sequence) in places else Fault.MISSING
                sentence = f"The event of rejection {sequence} is not kept."
                self._found(fault, chain, sequence, "rejected/", sentence)

    def _is_old(self, listed: Listed) -> bool:
        return listed.written is not None and self._now - listed.written > timedelta(days=90)

    def _judge_executions(self) -> None:
        def unrecorded() -> Iterator[Execution]:
            for execution in self._reading.executions():
                self.report.executions += 1
                name = digest(execution.name)
                if name in self._awaited:
                    self._awaited[name] = None
                elif self._model is None and self._now - (execution.ended or self._now) > LATE:
                    yield execution

        for execution, sentence in read_ahead(self._pool, self._unexplained, unrecorded(), AHEAD):
            if sentence is not None:
                self._found(Fault.WITHOUT_RECORD, None, None, execution.arn, sentence)
        for place in self._awaited.values():
            if place is not None:
                sentence = f"Step Functions knows of no execution that made decision {place[1]}."
                self._found(Fault.WITHOUT_EXECUTION, *place, f"CHAIN#{place[0]}", sentence)

    def _unexplained(self, execution: Execution) -> str | None:
        """Why an execution should have left a record; None when it need not. Runs in a thread."""
        items = self._reading.names(f"RUN#{execution.name}")
        if "DECISION" in items:
            return f"Execution {execution.name} decided a signal, and no record names it."
        if "UNDECIDED" in items:
            return None
        if execution.status == "SUCCEEDED":
            came_to = self._reading.came_to(execution)
            if came_to == Decision.SKIP:
                return None  # what is seen twice, or says nothing of a model, leaves no record
            return f"Execution {execution.name} came to {came_to}, and no record names it."
        return f"Execution {execution.name} ended {execution.status}, and nothing is recorded of it."

    def _judge_switches(self) -> None:
        scopes = {f"model:{self._model}"} if self._model is not None else None
        try:
            thrown = {scope: asdict(switch) for scope, switch in self._reading.kill_switches().items()}
        except STRANGE:
            self._found(Fault.CONTRADICTED, None, None, "CONTROLS", "A kill switch in the table cannot be read.")
            return
        for scope in sorted({*thrown, *self._switches} if scopes is None else scopes & {*thrown, *self._switches}):
            chain, sequence, last = self._switches.get(scope, (None, None, None))
            if canonical(thrown.get(scope)) == canonical(last):
                continue
            if chain is None and self.report.earlier:
                sentence = "It was thrown by the release before, or by nobody who recorded it."
                self._found(Fault.NOT_SEEN, None, None, f"CONTROLS/{scope}", sentence)
                continue
            sentence = f"The switch over {scope} is not as the last record of it says."
            self._found(Fault.CONTRADICTED, chain, sequence, f"CONTROLS/{scope}", sentence)

    # Anchors.

    def _read_anchors(self) -> None:
        asked = False
        for listed, seen in read_ahead(
            self._pool, lambda listed: self._reading.see(listed.key), self._reading.versions(ANCHORS), AHEAD
        ):
            self.report.anchors += 1
            self._judge_versions(None, None, listed)
            if seen.gone:
                continue
            document = read_object(seen.body) if seen.body is not None else seen.why
            try:
                heads = [Head(**head) for head in mapping(document)["heads"]]
                root = root_of(heads)
                whole = root == mapping(document)["root"]
            except STRANGE:
                heads, root, whole = [], "", False
            if not whole:
                self._found(Fault.NOT_AS_ANCHORED, None, None, listed.key, "The anchor's heads do not have its root.")
                continue
            asked = asked or root == self._anchor
            for head in heads:
                self._anchored.setdefault(head.chain, {}).setdefault(head.sequence, set()).add(head.hash)
        if self._anchor is not None and not asked:
            sentence = f"No anchor in the bucket has the root {self._anchor}."
            self._found(Fault.NOT_AS_ANCHORED, None, None, ANCHORS, sentence)

    def _judge_anchored(self, chain: str, sequence: int, found: str) -> None:
        anchored = self._anchored.get(chain, {}).get(sequence)
        if anchored is not None and anchored != {found}:
            sentence = f"An anchor has another record {sequence} of the chain than the one that is there."
            self._found(Fault.NOT_AS_ANCHORED, chain, sequence, f"CHAIN#{chain}", sentence)

    def _judge_anchored_end(self, marks: ChainMarks, earlier: EarlierRecords) -> None:
        chain = marks.followed.chain
        last = marks.followed.last or max((found[0] for found in earlier.found), default=0)
        for sequence in sorted(self._anchored.get(chain, {})):
            if sequence > last:
                sentence = f"An anchor has a record {sequence} of the chain, which ends at {last}."
                self._found(Fault.NOT_AS_ANCHORED, chain, last + 1, f"CHAIN#{chain}", sentence)


def _run_and_signal(document: dict[str, Any]) -> tuple[str, str]:
    return str(document["run_id"]), sha256(canonical(document["signal"]))


def _lacks(run_id: str, what: str) -> str:
    return f"Of run {run_id}, {what} is in no record."


def _is_state(item: dict[str, Any] | None, recorded: str) -> bool:
    """True when the table's item of a model's state is the state that was recorded last."""
    if item is None:
        return False
    wanted = dict(mapping(read_object(recorded.encode())))
    with_starts = {**wanted, "run_starts": list(wanted.get("run_starts", ()))[-RUN_STARTS_KEPT:]}
    found = {name: item.get(name) for name in wanted}
    return canonical({**found, "run_starts": found.get("run_starts") or []}) == canonical(with_starts)


def _earlier_differs(name: str, document: dict[str, Any], facts: RunFacts) -> str | None:
    """What the table says otherwise than manifest or evidence of the release before."""
    run = facts.run
    if run is None:
        return "The table knows no such run."
    if name == "manifest":
        kept = read_object(run.manifest.encode())
        same = canonical(kept) == canonical(document)
        return None if same else "The table keeps another manifest of the run."
    if name == "outcome" and (document.get("outcome"), document.get("reason")) != (run.outcome, run.reason):
        return "The run's item says otherwise of its outcome."
    if name == "evaluation" and facts.verdict is not None:
        same = canonical(document.get("verdict")) == canonical(facts.verdict.evaluation)
        return None if same else "The verdict in the table says otherwise."
    if name.startswith("approval-"):
        wait = facts.waits.get(f"approval:{name.removeprefix('approval-')}")
        ruling = wait.result.ruling if wait is not None and wait.result is not None else None
        if wait is not None and document.get("decision") != (ruling.decision if ruling is not None else None):
            return "The approval in the table says otherwise."
    return None
