"""The walk over everything that was recorded, chain by chain: what was gathered is handed to those who judge.

Held at a time are marks of one chain (a digest of each key, and of each run) and a digest of each execution that is to be
found; never the records. What changes while it is read is read again before anything is said of it.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ops.audit.chain_walk import ChainWalk
from ops.audit.findings import Fault
from ops.audit.gathered import AHEAD, Gathered, Report, digest
from ops.audit.reading import ANCHORS, Execution, Listed, Reading, is_askable, read_ahead
from ops.audit.records import ANCHOR_BYTES, STRANGE, read_anchor, read_object, undecided_run
from orchestration.domain.canonical_json import canonical
from orchestration.domain.contracts import Decision
from orchestration.domain.due import BACKOFF_LIMIT, GRACE
from orchestration.domain.records import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from ops.audit.chains import (
        Seen,
    )


LATE: Final = timedelta(hours=1)
"""What began so lately is not judged where AWS may tell of it later."""

NOT_PROVEN: Final = (
    (
        "An administrator who rewrites table, bucket and anchors together, with every link after it, is not seen here; only a "
        "root that was kept outside shows it: the option --anchor takes the root that the daily message says."
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
    (
        "The table is asked for what heads, models, objects, records and executions name, and not read from end to end: an item "
        "that none of them leads to is not seen. Slots, the due list, intentions, open waits, kept policies and "
        "notes of executions are no facts that a record holds, and not compared."
    ),
)
"""What a whole history does not prove."""


class UnknownChainError(Exception):
    """There is no chain of this name."""


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
        self._gathered = Gathered(reading, pool, now, progress)
        self._model = model
        self._anchor = anchor

    def run(self) -> Report:
        """Walk.

        Raises:
            UnknownChainError: there is no chain of the model that was asked for.
        """
        reading = self._gathered.reading
        self._read_anchors()
        heads = {str(item.get("sk")): item.get("sequence") for item in reading.items("HEADS")}
        self._gathered.listed = set(reading.names("MODELS"))
        self._gathered.folders = reading.folders()
        names = {*heads, *self._gathered.listed, *self._gathered.folders, *self._gathered.anchored}
        if self._model is not None:
            if self._model not in names:
                raise UnknownChainError(self._model)
            names = {self._model}
        self._gathered.total = sum(length for name, length in heads.items() if name in names and type(length) is int)
        for chain in sorted(names):
            ChainWalk(self._gathered, chain).walk()
        if self._model is None:
            self._judge_loose()
            self._judge_rejected()
        self._judge_executions()
        self._judge_switches()
        self._gathered.report.findings.sort(key=lambda finding: finding.order)
        return self._gathered.report

    def _judge_loose(self) -> None:
        for listed in self._gathered.reading.loose():
            self._gathered.report.objects += 1
            self._gathered.judge_versions(None, None, listed)
            self._gathered.found(Fault.EXTRA, None, None, listed.key, "The object lies in no chain's folder.")

    # What is of no chain.

    def _judge_rejected(self) -> None:
        def look(listed: Listed) -> tuple[Seen, list[str]]:
            name = listed.key.removeprefix("rejected/").removesuffix(".json")
            seen, known = self._gathered.reading.see(listed.key), digest(name) in self._gathered.rejections
            kept = read_object(seen.body or b"")
            run_id = undecided_run(listed.key, kept) if isinstance(kept, dict) and not known else None
            asked = run_id is not None and is_askable(run_id)
            return seen, self._gathered.reading.names(f"RUN#{run_id}") if asked else []

        for listed, (seen, items) in read_ahead(
            self._gathered.pool, look, self._gathered.reading.versions("rejected/"), AHEAD
        ):
            self._gathered.report.objects += 1
            self._gathered.judge_versions(None, None, listed)
            name = listed.key.removeprefix("rejected/").removesuffix(".json")
            said = self._gathered.rejections.pop(digest(name), None)
            kept = read_object(seen.body) if seen.body is not None else seen.why or "is gone"
            if listed.hidden or seen.gone:
                continue
            if isinstance(kept, str):
                self._gathered.found(Fault.EXTRA, None, None, listed.key, f"The object {kept}.")
            elif said is not None and sha256(str(kept.get("sentence"))) != said[2]:
                sentence = f"Its sentence is not the one of decision {said[1]}."
                self._gathered.found(Fault.EDITED, said[0], said[1], listed.key, sentence)
            elif said is None and "UNDECIDED" not in items and not self._is_old(listed):
                self._gathered.found(
                    Fault.EXTRA, None, None, listed.key, "No rejection and no execution is known of this event."
                )
        if self._gathered.rejections:
            places = self._gathered.reading.due_places(self._gathered.now + BACKOFF_LIMIT + GRACE)
            for chain, sequence, _ in self._gathered.rejections.values():
                fault = Fault.NOT_WRITTEN_YET if (chain, sequence) in places else Fault.MISSING
                sentence = f"The event of rejection {sequence} is not kept."
                self._gathered.found(fault, chain, sequence, "rejected/", sentence)

    def _is_old(self, listed: Listed) -> bool:
        return listed.written is not None and self._gathered.now - listed.written > timedelta(days=90)

    def _judge_executions(self) -> None:
        def unrecorded() -> Iterator[Execution]:
            for execution in self._gathered.reading.executions():
                self._gathered.report.executions += 1
                name = digest(execution.name)
                if name in self._gathered.awaited:
                    self._gathered.awaited[name] = None
                elif self._model is None and self._gathered.now - (execution.ended or self._gathered.now) > LATE:
                    yield execution

        for execution, sentence in read_ahead(self._gathered.pool, self._unexplained, unrecorded(), AHEAD):
            if sentence is not None:
                self._gathered.found(Fault.WITHOUT_RECORD, None, None, execution.arn, sentence)
        for place in self._gathered.awaited.values():
            if place is not None:
                sentence = f"Step Functions knows of no execution that made decision {place[1]}."
                self._gathered.found(Fault.WITHOUT_EXECUTION, *place, f"CHAIN#{place[0]}", sentence)

    def _unexplained(self, execution: Execution) -> str | None:
        """Why an execution should have left a record; None when it need not. Runs in a thread."""
        items = self._gathered.reading.names(f"RUN#{execution.name}")
        if "DECISION" in items:
            return f"Execution {execution.name} decided a signal, and no record names it."
        if "UNDECIDED" in items:
            return None
        if execution.status == "SUCCEEDED":
            came_to = self._gathered.reading.came_to(execution)
            if came_to == Decision.SKIP:
                return None  # what is seen twice, or says nothing of a model, leaves no record
            return f"Execution {execution.name} came to {came_to}, and no record names it."
        return f"Execution {execution.name} ended {execution.status}, and nothing is recorded of it."

    def _judge_switches(self) -> None:
        scopes = {f"model:{self._model}"} if self._model is not None else None
        try:
            thrown = {scope: asdict(switch) for scope, switch in self._gathered.reading.kill_switches().items()}
        except STRANGE:
            self._gathered.found(
                Fault.CONTRADICTED, None, None, "CONTROLS", "A kill switch in the table cannot be read."
            )
            return
        for scope in sorted(
            {*thrown, *self._gathered.switches} if scopes is None else scopes & {*thrown, *self._gathered.switches}
        ):
            chain, sequence, last = self._gathered.switches.get(scope, (None, None, None))
            if canonical(thrown.get(scope)) == canonical(last):
                continue
            if chain is None and self._gathered.report.earlier:
                sentence = "It was thrown by the release before, or by nobody who recorded it."
                self._gathered.found(Fault.NOT_SEEN, None, None, f"CONTROLS/{scope}", sentence)
                continue
            sentence = f"The switch over {scope} is not as the last record of it says."
            self._gathered.found(Fault.CONTRADICTED, chain, sequence, f"CONTROLS/{scope}", sentence)

    # Anchors.

    def _read_anchors(self) -> None:
        asked = False
        for listed, seen in read_ahead(
            self._gathered.pool,
            lambda listed: self._gathered.reading.see(listed.key, at_most=ANCHOR_BYTES),
            self._gathered.reading.versions(ANCHORS),
            AHEAD,
        ):
            self._gathered.report.anchors += 1
            self._gathered.judge_versions(None, None, listed)
            if seen.gone:
                continue
            anchor = read_anchor(listed.key, seen.body) if seen.body is not None else seen.why
            if isinstance(anchor, str):
                self._gathered.found(Fault.NOT_AS_ANCHORED, None, None, listed.key, f"The anchor {anchor}.")
                continue
            asked = asked or anchor.root == self._anchor
            for head in anchor.heads:
                self._gathered.anchored.setdefault(head.chain, {}).setdefault(head.sequence, set()).add(head.hash)
        if self._anchor is not None and not asked:
            sentence = f"No anchor in the bucket has the root {self._anchor}."
            self._gathered.found(Fault.NOT_AS_ANCHORED, None, None, ANCHORS, sentence)
