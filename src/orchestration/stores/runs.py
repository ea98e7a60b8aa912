"""Runs, their statuses and verdicts.

===============  =======================  ==========================================================
pk               sk                       item
===============  =======================  ==========================================================
``RUN#<run>``    ``RUN``                  the run: manifest, start, outcome
``RUN#<run>``    ``VERDICT#evaluation``   the verdict on its candidate, computed once
``STATUS#<run>`` ``STATUS#<name>``        one append-only row for each status
``FINISH#<run>`` ``FINISH``               what became of registry and baseline
``MADE#<model>`` ``<run>``                the model and config of a run in SageMaker, and if they were removed
``ACTIVE``       ``RUN#<run>``            runs that have no outcome yet
``REPAIRS``      ``<time>#<kind>#<what>`` a repair of the sweep (expires)
===============  =======================  ==========================================================

Statuses and the finish have partitions of their own: IAM compares no sort keys, and the function that people reach writes
some of the first and the hand of both, but neither writes a run's plan or verdict. Runs of releases before have them in
``RUN#<run>``, statuses with a number before the name until 0.2 and the finish as ``VERDICT#finish``; they are read alike.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestration.domain.champions import LOOKED_AT, Made, Promoted
from orchestration.domain.contracts import Status
from orchestration.domain.json_values import fields_of
from orchestration.domain.promotion import EndpointPlan
from orchestration.domain.stored_run import StatusRow, StoredRun
from orchestration.domain.verdict import CandidateVerdict, Finish
from orchestration.stores.models import SIGNAL_MEMORY
from orchestration.stores.table import Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime


class Runs(Table):
    """Runs and what became of them."""

    def run(self, run_id: str) -> StoredRun | None:
        """A run, or None when this id never became one."""
        item = self._get(f"RUN#{run_id}", "RUN")
        if item is None:
            return None
        return StoredRun(**{name: item[name] for name in StoredRun.__slots__ if name in item})

    def runs_of_model(self, model: str, limit: int = 20) -> list[dict[str, Any]]:
        """Lines of the model's latest runs, newest first."""
        return list(self._query(f"MODEL#{model}", "RUN#", newest_first=True, limit=limit))

    def promoted_runs(self, model: str) -> Iterator[str]:
        """Runs of the model that ended PROMOTED, newest first, page by page."""
        for line in self._query(f"MODEL#{model}", "RUN#", newest_first=True):
            if line.get("outcome") == Status.PROMOTED:
                yield line["run_id"]

    def runs_since(self, model: str, run_id: str) -> set[str]:
        """Ids of a run of the model and of all that began after it."""
        ids = (line["run_id"] for line in self._query(f"MODEL#{model}", "RUN#", newest_first=True))
        return {run_id, *itertools.takewhile(lambda each: each != run_id, ids)}

    def promotions(self, model: str) -> list[Promoted]:
        """The last promotions of the model to endpoints, newest first; rollbacks are among them."""
        verdicts = ((run_id, self.candidate_verdict(run_id)) for run_id in self.promoted_runs(model))
        plans = ((run_id, verdict.plan) for run_id, verdict in verdicts if verdict is not None)
        found = (Promoted(run_id, plan) for run_id, plan in plans if isinstance(plan, EndpointPlan))
        return list(itertools.islice(found, LOOKED_AT))

    def active_runs(self) -> list[dict[str, Any]]:
        """Runs without an outcome: run id, model, execution ARN, start."""
        return [{**item, "run_id": item["sk"].removeprefix("RUN#")} for item in self._query("ACTIVE", "RUN#")]

    def run_writes(self, run: StoredRun, decided: StatusRow) -> list[Write]:
        """The writes that begin a run, for the transaction of its decision."""
        return [
            self._put({"pk": f"RUN#{run.run_id}", "sk": "RUN", **fields_of(run)}, "attribute_not_exists(pk)"),
            self._put(
                {
                    "pk": "ACTIVE",
                    "sk": f"RUN#{run.run_id}",
                    "model": run.model,
                    "execution_arn": run.execution_arn,
                    "started_at": run.started_at,
                },
                "attribute_not_exists(pk)",
            ),
            self.status_write(run.run_id, decided),
            self._put(_line(run)),
        ]

    def open_check(self, run_id: str, execution_arn: str) -> Write:
        """Condition of a transaction: the run has no outcome, and this execution is its own."""
        return self._check(
            f"RUN#{run_id}",
            "RUN",
            "attribute_not_exists(outcome) AND execution_arn = :arn",
            {":arn": execution_arn},
        )

    def close_run(self, run: StoredRun, writes: Sequence[Write]) -> bool:
        """Write a run's outcome and its last status in one transaction with ``writes``.

        Args:
            run: the run with its outcome.
            writes: the model's state after it, and the due items of what must follow.

        Returns:
            False when someone wrote the model's state in between, or the run has its outcome already.
        """
        outcome = Status(run.outcome or Status.FAILED)
        row = StatusRow(outcome, run.ended_at or "", run.reason or "", run.severity)
        return (
            self._transact(
                [
                    self._put(
                        {"pk": f"RUN#{run.run_id}", "sk": "RUN", **fields_of(run)},
                        "attribute_exists(pk) AND attribute_not_exists(outcome)",
                    ),
                    self._put(_line(run)),
                    self.status_write(run.run_id, row),
                    self._delete("ACTIVE", f"RUN#{run.run_id}"),
                    *writes,
                ]
            )
            is None
        )

    # Statuses.

    def statuses(self, run_id: str) -> list[dict[str, Any]]:
        """Status rows of a run in the order of its life: ``{"status", "at", "details"}`` each.

        Two functions may write two statuses at the same moment, so times do not order them.
        """
        rows = list(self._query(f"STATUS#{run_id}", "STATUS#"))
        if not any(row["status"] in {Status.RETRAINING_DECIDED, Status.ROLLBACK_DECIDED} for row in rows):
            rows += self._query(f"RUN#{run_id}", "STATUS#")
        return sorted(rows, key=lambda row: Status(row["status"]).order)

    def status_write(self, run_id: str, row: StatusRow) -> Write:
        """The write of a status, for a transaction; it comes once."""
        return self._put(
            {
                "pk": f"STATUS#{run_id}",
                "sk": f"STATUS#{row.status}",
                "status": str(row.status),
                "at": row.at,
                "severity": row.severity,
                "details": {"sentence": row.sentence, **(row.facts or {})},
            },
            "attribute_not_exists(pk)",
        )

    def add_status(self, run_id: str, row: StatusRow, writes: Sequence[Write] = ()) -> bool:
        """Append a status and what must follow it. False when the run has that status already.

        Raises:
            ContentionError: see ``_once``.
        """
        return self._once(self.status_write(run_id, row), writes)

    # Verdicts.

    def candidate_verdict(self, run_id: str) -> CandidateVerdict | None:
        """The verdict on the run's candidate, or None while there is none."""
        item = self._get(f"RUN#{run_id}", "VERDICT#evaluation")
        return None if item is None else CandidateVerdict.of(dict(item["verdict"]))

    def store_candidate_verdict(self, run_id: str, verdict: CandidateVerdict, writes: Sequence[Write]) -> bool:
        """Store a verdict with what must follow it. False when there is one: that one stands.

        Raises:
            ContentionError: see ``_once``.
        """
        return self._once(self.verdict_write(run_id, verdict), writes)

    def verdict_write(self, run_id: str, verdict: CandidateVerdict) -> Write:
        """The write of a verdict, for a transaction; there is one."""
        item = {"pk": f"RUN#{run_id}", "sk": "VERDICT#evaluation", "verdict": verdict.as_record()}
        return self._put(item, "attribute_not_exists(pk)")

    def finish_of(self, run_id: str) -> Finish | None:
        """What became of registry and baseline; None before that was begun."""
        item = self._get(f"FINISH#{run_id}", "FINISH") or self._get(f"RUN#{run_id}", "VERDICT#finish")
        return None if item is None else Finish(**item["verdict"])

    def begin_finish(self, run_id: str, fence: Sequence[Write]) -> bool:
        """Note under the fence that registry and baseline are about to be changed. False when the fence does not hold, or it is over."""
        return self._transact([self._finish(run_id, Finish(over=False)), *fence]) is None

    def note_finish(self, run_id: str, finish: Finish) -> bool:
        """Note what came of them. False when somebody noted it before: that stands."""
        return self._write(self._finish(run_id, finish))

    def _finish(self, run_id: str, finish: Finish) -> Write:
        item = {"pk": f"FINISH#{run_id}", "sk": "FINISH", "verdict": finish.as_record(), "over": finish.over}
        return self._put(item, "attribute_not_exists(pk) OR #over = :open", {":open": False}, ["over"])

    # What runs made.

    def made(self, model: str) -> list[Made]:
        """What runs of a model made in SageMaker for its endpoint, the removed ones too."""
        return [
            Made(found["sk"], model, found["name"], bool(found["removing"]), found.get("removed_at"))
            for found in self._query(f"MADE#{model}")
        ]

    def made_writes(self, run_id: str, model: str, verdict: CandidateVerdict) -> list[Write]:
        """The write that notes what a run is about to make, for the transaction of its verdict; none when it makes nothing."""
        plan = verdict.plan
        if not isinstance(plan, EndpointPlan) or plan.goes_back:
            return []
        return [self.made_write(Made(run_id, model, plan.wanted_config))]

    def made_write(self, made: Made) -> Write:
        """The write of what a run made, as it is now."""
        fields = {name: getattr(made, name) for name in ("name", "removing", "removed_at")}
        return self._put({"pk": f"MADE#{made.model}", "sk": made.run_id, **fields})

    def begin_removing(self, made: Sequence[Made], writes: Sequence[Write], spared: Sequence[Made] = ()) -> bool:
        """Note that some are about to be removed and others are not any more. False when ``writes``, which say so, do not hold."""
        marked = [(each, True) for each in made] + [(each, False) for each in spared]
        noted = [self.made_write(replace(each, removing=removing)) for each, removing in marked]
        return self._transact([*noted, *writes]) is None

    def note_removed(self, made: Made, at: datetime) -> None:
        """Note that they are gone."""
        self._write(self.made_write(replace(made, removing=True, removed_at=at.isoformat())))

    def made_check(self, model: str, run_id: str) -> Write:
        """Condition of a transaction: nobody removes what the run made."""
        condition = "attribute_not_exists(pk) OR removing = :no"
        return self._check(f"MADE#{model}", run_id, condition, {":no": False})

    # Repairs.

    def record_repair(self, kind: str, subject: str, *, at: datetime) -> None:
        """Note a repair of the sweep."""
        self._write(
            self._put(
                {
                    "pk": "REPAIRS",
                    "sk": f"{at.isoformat()}#{kind}#{subject}",
                    "kind": kind,
                    "subject": subject,
                    "expires_at": int((at + SIGNAL_MEMORY).timestamp()),
                }
            )
        )


def _line(run: StoredRun) -> dict[str, Any]:
    return {
        "pk": f"MODEL#{run.model}",
        "sk": f"RUN#{run.started_at}#{run.run_id}",
        "run_id": run.run_id,
        "started_at": run.started_at,
        "severity": run.severity,
        "outcome": run.outcome,
        "ended_at": run.ended_at,
        "reason": run.reason,
        "goes_back": run.goes_back or None,
    }
