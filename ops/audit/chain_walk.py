"""The walk over one chain: each link beside its object, its signal or run, and the next link; then objects and runs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
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
from ops.audit.findings import Fault
from ops.audit.gathered import AHEAD, Gathered, digest
from ops.audit.reading import Listed, Snapshot, read_ahead
from ops.audit.records import STRANGE, ReadRecord, keys_of, read_object, read_record
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import Head, RecordKind
from orchestration.domain.contracts import UNATTRIBUTED, Decision
from orchestration.domain.due import BACKOFF_LIMIT, GRACE
from orchestration.domain.json_values import mapping
from orchestration.domain.records import CHAIN_FOLDERS, evidence_key, reported_run, sha256
from orchestration.domain.stored_model import RUN_STARTS_KEPT, StoredModel
from orchestration.steps.reports import of_this_version, pages, read_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.domain.run_report import RunRecords
    from orchestration.stores.models import SeenSignal

TRIES: Final = 5
"""How often a chain that goes on while it is read is followed."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a link: its object, the signal or run it is of, artifacts by URI with what they are now."""

    seen: Seen
    record: ReadRecord | None = None
    text: str = ""
    signal: SeenSignal | str | None = None
    facts: RunFacts | None = None
    artifacts: tuple[tuple[str, str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """What objects that no link claims hold, and beside them: the links there and next; of reports the run's records."""

    seen: tuple[Seen, ...]
    there: TableLink | None = None
    after: TableLink | None = None
    records: RunRecords | None = None


@dataclass(slots=True)
class ChainMarks:
    """What is kept of a chain while it is walked."""

    followed: Followed
    claimed: dict[bytes, int] = field(default_factory=dict)
    gone: list[TableLink] = field(default_factory=list)
    open_runs: dict[str, dict[str, Recorded]] = field(default_factory=dict)
    votes: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    runs: dict[bytes, bytes] = field(default_factory=dict)
    retrains: tuple[int, str, str] | None = None
    decisions: int = 0
    state: str | None = None
    refused: dict[str, tuple[TableLink, Seen]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    moving: bool = False


class ChainWalk:
    """The walk over one chain: its links with what stands beside them, its objects, its runs."""

    def __init__(self, audit: Gathered, chain: str) -> None:
        self._audit = audit
        self._chain = chain
        self._marks = ChainMarks(Followed(chain))

    def walk(self) -> None:
        """Walk it."""
        chain = self._chain
        snapshot = self._follow()
        head = snapshot.head
        if self._marks.moving:
            self._audit.found(
                Fault.NOT_SEEN, chain, None, f"HEADS/{chain}", "The chain went on for as long as it was read."
            )
        elif head is not None and snapshot.earlier and not self._marks.followed.last:
            self._marks.followed.before, self._marks.followed.before_hash = head.sequence, head.hash
        else:
            self._audit.report.findings += self._marks.followed.ends_at(None if snapshot.earlier else head)
        if self._marks.retrains is not None:
            self._not_followed_by_manifest(chain, self._marks.retrains)
        earlier, earlier_runs = EarlierRecords(chain), dict[bytes, set[str]]()
        if chain in self._audit.folders:
            self._judge_objects(head, earlier, earlier_runs)
        self._audit.report.findings += earlier.findings(self._marks.followed.before, self._marks.followed.before_hash)
        self._judge_anchored_end(earlier)
        self._judge_gone()
        self._judge_runs(earlier_runs)
        recorded = self._marks.decisions + len(earlier.found)
        self._judge_state(snapshot, of_both=bool(earlier.found or self._marks.followed.before))
        if recorded and chain not in self._audit.listed | set(self._audit.reading.names("MODELS")):
            self._audit.found(
                Fault.UNLISTED, chain, None, f"MODELS/{chain}", f"Nothing lists {chain}, and it has decisions."
            )
        if not recorded and chain in self._audit.listed:
            sentence = f"{chain} is listed, and not one of its decisions is there."
            self._audit.found(Fault.TRUNCATED, chain, 1, f"MODELS/{chain}", sentence)
        self._audit.report.chains += 1
        self._audit.report.earlier += len(earlier.found)

    def _judge_state(self, snapshot: Snapshot, *, of_both: bool) -> None:
        """The model's state is the one recorded last; until one is recorded it is a fresh one, but for the release before's."""
        state = self._marks.state
        if state is None and snapshot.state is not None and not (of_both or snapshot.earlier):
            state = canonical(StoredModel(self._chain).as_record())
        if not self._marks.moving and state is not None and not _is_state(snapshot.state, state):
            sentence = "The model's state in the table is not the one its last record says."
            place = self._marks.followed.last
            self._audit.found(Fault.CONTRADICTED, self._chain, place, f"MODEL#{self._chain}/STATE", sentence)

    def _follow(self) -> Snapshot:
        """Follow the links of a chain to its end, which may move meanwhile; gives head and state at the end."""
        after = ""
        for _ in range(TRIES):
            before = after
            facts: dict[str, RunFacts] = {}

            def links(start: str) -> Iterator[TableLink]:
                nonlocal after
                for item in self._audit.reading.items(f"CHAIN#{self._marks.followed.chain}", after=start):
                    after = str(item.get("sk"))
                    link, findings = read_link(self._marks.followed.chain, item)
                    self._audit.report.findings += findings
                    if link is not None:
                        yield link

            def beside(link: TableLink, known: dict[str, RunFacts] = facts) -> Beside:
                return self._beside(link, known)

            for link, found in read_ahead(self._audit.pool, beside, links(before), AHEAD):
                self._judge_link(link, found)
            snapshot = self._audit.reading.snapshot(self._marks.followed.chain)
            if after == before or snapshot.head is None or snapshot.head.sequence <= self._marks.followed.last:
                break
        else:
            self._marks.moving = True
        return snapshot

    def _beside(self, link: TableLink, known: dict[str, RunFacts]) -> Beside:
        """Read what stands beside a link. Runs in a thread."""
        seen = self._audit.reading.see(link.key)
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
        if not is_young(document, self._audit.now):
            return None
        try:
            return self._audit.reading.signal(str(document["signal_id"])) or "is missing"
        except ValueError:
            return "cannot be read"

    def _facts(self, run_id: str, known: dict[str, RunFacts]) -> RunFacts:
        facts = known.get(run_id)
        if facts is None:
            if len(known) > AHEAD:
                known.clear()
            facts = known[run_id] = self._audit.reading.run_facts(run_id)
        return facts

    def _artifacts(self, versions: dict[str, str]) -> tuple[tuple[str, str, str | None], ...]:
        found = []
        for uri, noted in versions.items():
            if uri.startswith("arn:"):
                continue  # a model package, which is no object
            try:
                now = self._audit.reading.artifact_version(uri)
            except PermissionError:
                now = ""
            if now != noted:
                found.append((uri, noted, now))
        return tuple(found)

    def _judge_link(self, link: TableLink, beside: Beside) -> None:
        self._audit.report.records += 1
        self._audit.progress(self._audit.report.records, self._audit.total)
        self._marks.claimed[digest(link.key)] = link.sequence
        self._audit.report.findings += self._marks.followed.follow(link)
        self._judge_anchored(link.chain, link.sequence, link.wanted)
        if beside.seen.gone:
            self._marks.gone.append(link)
        elif beside.seen.refused:
            self._marks.refused[link.key] = link, beside.seen
        elif beside.seen.body is None or beside.record is None or beside.seen.body != beside.text.encode():
            self._audit.report.findings += object_findings(link, beside.seen)
        if beside.record is None:
            self._marks.retrains = None
            return
        try:
            self._judge_record(link, beside, beside.record)
        except STRANGE as error:
            sentence = f"Record {link.sequence} lacks what a {beside.record.kind} has ({type(error).__name__})."
            self._audit.found(Fault.EDITED, link.chain, link.sequence, link.key, sentence)

    def _judge_record(self, link: TableLink, beside: Beside, record: ReadRecord) -> None:
        document, kind = record.document, record.kind
        retrains, self._marks.retrains = self._marks.retrains, None
        if kind is RecordKind.MANIFEST:
            if retrains is None or (retrains[1], retrains[2]) != _run_and_signal(document):
                sentence = f"Manifest {link.sequence} does not follow the decision it says it follows."
                self._audit.found(Fault.CONTRADICTED, link.chain, link.sequence, link.key, sentence)
        elif retrains is not None:
            self._not_followed_by_manifest(link.chain, retrains)
        if document.get("model_state") is not None:
            self._marks.state = canonical(document["model_state"])
        if kind is RecordKind.DECISION:
            self._judge_decision(link, beside, document)
        elif kind is RecordKind.PAUSE:
            self._audit.switches[str(document["scope"])] = (link.chain, link.sequence, document.get("switch"))
        elif kind in RUN_KINDS:
            self._judge_run_record(link, beside, record)

    def _judge_decision(self, link: TableLink, beside: Beside, document: dict[str, Any]) -> None:
        self._marks.decisions += 1
        if Decision(document["decision"]).begins_run:
            self._marks.retrains = (link.sequence, *_run_and_signal(document))
        otherwise = decision_again(document)
        if otherwise is not None:
            self._audit.found(Fault.DECIDED_OTHERWISE, link.chain, link.sequence, link.key, otherwise)
        item = f"SIGNAL#{document['signal_id']}"
        if isinstance(beside.signal, str):
            sentence = f"The signal's item in the table {beside.signal}."
            self._audit.found(Fault.CONTRADICTED, link.chain, link.sequence, item, sentence)
        elif beside.signal is not None:
            place = (link.chain, link.sequence)
            other = signal_contradicts(document, place, link.key, beside.signal)
            if other is not None:
                sentence = f"The signal's item in the table says otherwise of {other}."
                self._audit.found(Fault.CONTRADICTED, link.chain, link.sequence, item, sentence)
        self._audit.await_execution(document, link.chain, link.sequence)

    def _judge_run_record(self, link: TableLink, beside: Beside, record: ReadRecord) -> None:
        document, kind = record.document, record.kind
        run_id = str(document["run_id"])
        facts = beside.facts or RunFacts()
        other = contradiction(kind, document, beside.text, link.sequence, facts)
        if other is not None:
            # It may have gone on between the two readings.
            facts = self._audit.reading.run_facts(run_id)
            other = contradiction(kind, document, beside.text, link.sequence, facts)
        if other is not None:
            self._audit.found(
                Fault.CONTRADICTED, link.chain, link.sequence, f"RUN#{run_id}", f"{kind.capitalize()}: {other}"
            )
        for uri, noted, now in beside.artifacts:
            self._judge_artifact(link, uri, noted, now)
        if kind is RecordKind.MANIFEST:
            self._marks.runs[digest(run_id)] = digest(f"RUN#{document['created_at']}#{run_id}")
            self._marks.open_runs[run_id] = {}
            self._audit.report.runs += 1
        if kind is RecordKind.APPROVAL:
            self._judge_votes(link, run_id, document)
        recorded, ended = self._marks.open_runs.get(run_id), stage_of(kind, document)
        if recorded is None or ended is None:
            return
        name, result = ended
        if kind is RecordKind.OUTCOME and result.outcome is not None:
            del self._marks.open_runs[run_id]
            other = outcome_contradicts(result.outcome, recorded)
            if other is not None:
                self._audit.found(Fault.CONTRADICTED, link.chain, link.sequence, link.key, f"Outcome: {other}")
            recorded = {**recorded, name: result}
            for lacking in without_record(facts, recorded, before=link.sequence):
                self._audit.found(
                    Fault.WITHOUT_RECORD, link.chain, link.sequence, f"RUN#{run_id}", _lacks(run_id, lacking)
                )
        recorded[name] = result

    def _judge_votes(self, link: TableLink, run_id: str, document: dict[str, Any]) -> None:
        """Each vote leaves a record, so each record holds the votes of the one before and at most one more."""
        about, votes = f"{run_id}/{document['subject']}", document["votes"]
        count, before = self._marks.votes.get(about, (0, digest(canonical([]))))
        if len(votes) > count + 1 or digest(canonical(votes[:count])) != before:
            sentence = f"Record {link.sequence} counts votes that have no record."
            self._audit.found(Fault.CONTRADICTED, link.chain, link.sequence, link.key, sentence)
        self._marks.votes[about] = len(votes), digest(canonical(votes))

    def _judge_artifact(self, link: TableLink, uri: str, noted: str, now: str | None) -> None:
        if now == "":
            sentence = "It may not be looked at with these rights."
            self._audit.found(Fault.NOT_SEEN, link.chain, link.sequence, uri, sentence)
            return
        state = "is gone" if now is None else f"is {now}"
        sentence = f"What verdict {link.sequence} judged was {noted}, and {state} now."
        self._audit.found(Fault.ARTIFACT_CHANGED, link.chain, link.sequence, uri, sentence)

    def _not_followed_by_manifest(self, chain: str, retrains: tuple[int, str, str]) -> None:
        sequence, run_id, _ = retrains
        sentence = f"Decision {sequence} began run {run_id} and is not followed by its manifest."
        self._audit.found(Fault.MISSING, chain, sequence + 1, f"RUN#{run_id}", sentence)

    # The objects of a chain.

    def _judge_objects(self, head: Head | None, earlier: EarlierRecords, runs: dict[bytes, set[str]]) -> None:
        chain = self._marks.followed.chain

        def unclaimed() -> Iterator[Listed]:
            for folder in CHAIN_FOLDERS:
                for listed in self._audit.reading.versions(f"{folder}{chain}/"):
                    self._audit.report.objects += 1
                    sequence = self._marks.claimed.get(digest(listed.key))
                    self._audit.judge_versions(chain, sequence, listed)
                    if listed.hidden:
                        self._marks.hidden.add(listed.key)
                    elif sequence is None:
                        yield listed
                    elif listed.key in self._marks.refused:
                        self._audit.report.findings += object_findings(*self._marks.refused.pop(listed.key))

        def look(lying: tuple[Listed, ...]) -> Looked:
            seen = tuple(self._audit.reading.see(listed.key) for listed in lying)
            if (reported := reported_run(lying[0].key)) is not None:
                return Looked(seen, records=self._records(reported[1]))
            found = read_record(seen[0].body) if seen[0].body is not None else ""
            if isinstance(found, str) or found.chained_before:
                return Looked(seen)
            there = self._link(found.place.chain, found.place.sequence)
            return Looked(
                seen, there, self._link(found.place.chain, found.place.sequence + 1) if there is None else None
            )

        together = (tuple(lying) for _, lying in itertools.groupby(unclaimed(), _run_or_key))
        for lying, looked in read_ahead(self._audit.pool, look, together, AHEAD):
            if looked.records is not None:
                self._judge_reports(lying, looked.seen, looked.records)
                continue
            (listed,), (seen,) = lying, looked.seen
            found = unclaimed_finding(chain, listed.key, seen, looked.there, looked.after, head)
            if isinstance(found, ReadRecord):
                self._judge_earlier(chain, listed.key, found, earlier, runs)
            elif found is not None and (
                found.fault is not Fault.EXTRA or not self._of_earlier_run(chain, listed, seen, runs)
            ):
                self._audit.report.findings.append(found)

    def _records(self, run_id: str) -> RunRecords:
        """Read the records that a run's reports are made of. Runs in a thread."""
        reading = self._audit.reading
        return read_records(lambda key: reading.see(key).body, reading.bucket, self._chain, run_id)

    def _judge_reports(self, lying: tuple[Listed, ...], reports: tuple[Seen, ...], records: RunRecords) -> None:
        """The reports of a run are made again of its records as they are, and have to be the same."""
        end = mapping(records.get("outcome").get("chain")).get("sequence")
        if isinstance(end, int) and end > self._marks.followed.last:
            return  # it went on meanwhile
        made = _made(records)
        for listed, seen in zip(lying, reports, strict=True):
            suffix = listed.key.rpartition(".")[2]
            if seen.gone:
                continue
            if not self._is_claimed(records.run_id, "outcome"):
                fault, sentence = Fault.EXTRA, "The report is of no run that has its outcome in the chain."
            elif seen.body is None:
                fault, sentence = Fault.NOT_SEEN, f"The report {seen.why}."
            elif not of_this_version(suffix, seen.body):
                fault, sentence = Fault.NOT_SEEN, "The report was made by another release, so it was not compared."
            elif seen.body != made.get(suffix):
                fault, sentence = Fault.EDITED, "The report is not what the run's records give."
            else:
                continue
            self._audit.found(fault, self._chain, None, listed.key, sentence)

    def _link(self, chain: str, sequence: int) -> TableLink | None:
        item = self._audit.reading.link(chain, sequence)
        return None if item is None else read_link(chain, item)[0]

    def _judge_earlier(
        self, chain: str, key: str, record: ReadRecord, earlier: EarlierRecords, runs: dict[bytes, set[str]]
    ) -> None:
        document, sequence = record.document, record.place.sequence
        earlier.add(record, key)
        self._judge_anchored(chain, sequence, record.place.hash)
        try:
            if key not in keys_of(record) or (document["model"] or UNATTRIBUTED) != chain:
                self._audit.found(
                    Fault.SWAPPED, chain, sequence, key, f"Record {sequence} cannot lie here, by what it says."
                )
            if Decision(document["decision"]).begins_run:
                runs.setdefault(digest(str(document["run_id"])), set())
            self._audit.await_execution(document, chain, sequence)
        except STRANGE:
            self._audit.found(Fault.EDITED, chain, sequence, key, f"Record {sequence} lacks what a decision has.")

    def _of_earlier_run(self, chain: str, listed: Listed, seen: Seen, runs: dict[bytes, set[str]]) -> bool:
        """True for manifest and evidence of a run of the release before, after comparing them with the table."""
        document = read_object(seen.body or b"")
        folder, _, rest = listed.key.partition("/")
        run_id = rest.split("/")[1].removesuffix(".json") if rest.count("/") else ""
        if isinstance(document, str) or digest(run_id) not in runs or "chain" in document:
            return False
        name = rest.rsplit("/", 1)[1].removesuffix(".json") if folder == "evidence" else "manifest"
        runs[digest(run_id)].add(name)
        other = _earlier_differs(name, document, self._audit.reading.run_facts(run_id))
        if other is not None:
            self._audit.found(Fault.CONTRADICTED, chain, None, listed.key, other)
        return True

    def _judge_gone(self) -> None:
        """Objects that were not there: not written yet, hidden by a delete marker, or missing."""
        self._marks.gone += [link for link, _ in self._marks.refused.values()]
        if not self._marks.gone:
            return
        places = self._audit.reading.due_places(self._audit.now + BACKOFF_LIMIT + GRACE)
        for link in self._marks.gone:
            if link.key in self._marks.hidden or self._audit.reading.see(link.key).body is not None:
                continue
            if (link.chain, link.sequence) in places:
                sentence = f"Record {link.sequence} is due to be written, by an item of the due list."
                self._audit.found(Fault.NOT_WRITTEN_YET, link.chain, link.sequence, link.key, sentence)
            else:
                sentence = f"The object of record {link.sequence} is missing."
                self._audit.found(Fault.MISSING, link.chain, link.sequence, link.key, sentence)

    # Runs.

    def _judge_runs(self, earlier_runs: dict[bytes, set[str]]) -> None:
        chain = self._marks.followed.chain
        lacking = [
            (run_id, what)
            for run_id, recorded in self._marks.open_runs.items()
            for what in without_record(self._audit.reading.run_facts(run_id), {**recorded, "manifest": Recorded()})
        ]
        for item in self._audit.reading.items(f"MODEL#{chain}", prefix="RUN#"):
            run_id = str(item.get("run_id"))
            if (found := earlier_runs.get(digest(run_id))) is not None:
                self._audit.report.runs += 1
                kept = {name for name in ("manifest", "outcome") if name in found or self._is_claimed(run_id, name)}
                wanted = {"manifest", "outcome"} if item.get("outcome") else {"manifest"}
                lacking += [(run_id, f"its {name}") for name in sorted(wanted - kept)]
            elif digest(run_id) not in self._marks.runs:
                lacking.append((run_id, "its manifest"))
            elif self._marks.runs[digest(run_id)] != digest(str(item.get("sk"))):
                lacking.append((run_id, f"the line {item.get('sk')} of its model"))
        if not lacking:
            return
        head = self._audit.reading.snapshot(chain).head
        if (
            head is not None
            and head.sequence > self._marks.followed.last > 0
            and self._audit.reading.link(chain, head.sequence)
        ):
            sentence = "The chain went on while its runs were compared; what is new was not."
            self._audit.found(Fault.NOT_SEEN, chain, None, f"HEADS/{chain}", sentence)
            return
        for run_id, what in lacking:
            self._audit.found(Fault.WITHOUT_RECORD, chain, None, f"RUN#{run_id}", _lacks(run_id, what))

    def _is_claimed(self, run_id: str, name: str) -> bool:
        return digest(evidence_key(self._marks.followed.chain, run_id, name)) in self._marks.claimed

    def _judge_anchored(self, chain: str, sequence: int, found: str) -> None:
        anchored = self._audit.anchored.get(chain, {}).get(sequence)
        if anchored is not None and anchored != {found}:
            sentence = f"An anchor has another record {sequence} of the chain than the one that is there."
            self._audit.found(Fault.NOT_AS_ANCHORED, chain, sequence, f"CHAIN#{chain}", sentence)

    def _judge_anchored_end(self, earlier: EarlierRecords) -> None:
        chain = self._marks.followed.chain
        last = self._marks.followed.last or max((found[0] for found in earlier.found), default=0)
        for sequence in sorted(self._audit.anchored.get(chain, {})):
            if sequence > last:
                sentence = f"An anchor has a record {sequence} of the chain, which ends at {last}."
                self._audit.found(Fault.NOT_AS_ANCHORED, chain, last + 1, f"CHAIN#{chain}", sentence)


def _run_or_key(listed: Listed) -> str:
    """What tells apart objects that are looked at one by one; the reports of a run are looked at together."""
    reported = reported_run(listed.key)
    return listed.key if reported is None else reported[1]


def _made(records: RunRecords) -> dict[str, bytes]:
    """The reports of the records as they are, by suffix; none where they lack what a report is made of."""
    try:
        return pages(records)
    except STRANGE:
        return {}


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
