"""A parked task token: what a run waits for, and what came of it. Pure.

A wait is one item for its whole life. It is parked with a token, resolved once with a result, and keeps both facts; the
token is swapped while it is parked and removed once it was answered. The token before it is kept beside it: an invocation
that Step Functions gave up may still store its dead token after that of the retry.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from orchestration.domain.contracts import Next, Status, WaitKind
from orchestration.domain.jobs import Job
from orchestration.domain.json_values import sequence
from orchestration.domain.training_output import TrainingOutput
from orchestration.domain.votes import Ruling, approvals_needed

if TYPE_CHECKING:
    from collections.abc import Mapping


class WaitState(StrEnum):
    """PARKED until its result is fixed."""

    PARKED = "PARKED"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class Result:
    """What a wait came to: where the workflow goes, why, and the run's outcome if it ends here.

    ``output`` is what a training gave, ``jobs`` what ran for it, as far as that is known; ``ruling`` is what people decided.
    ``again``: the signal is to be decided anew. ``withdrawn``: nobody waited any more, so it says nothing of the run.
    """

    next: Next
    reason: str
    outcome: Status | None = None
    output: TrainingOutput | None = None
    ruling: Ruling | None = None
    again: bool = False
    withdrawn: bool = False
    jobs: tuple[Job, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """The result as table and evidence keep it: flat JSON, without what it does not say."""
        record: dict[str, Any] = {"next": self.next, "reason": self.reason, "outcome": self.outcome}
        if self.output is not None:
            record["output"] = asdict(self.output)
        if self.jobs:
            record["jobs"] = [job.as_record() for job in self.jobs]
        if self.ruling is not None:
            record |= asdict(self.ruling)
        return record | {name: True for name in ("again", "withdrawn") if getattr(self, name)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Result:
        """A result from its record."""
        return cls(
            next=Next(record["next"]),
            reason=str(record["reason"]),
            outcome=Status(record["outcome"]) if record.get("outcome") else None,
            output=TrainingOutput.of(record["output"]) if record.get("output") else None,
            ruling=Ruling.of(record) if record.get("decision") else None,
            again=bool(record.get("again")),
            withdrawn=bool(record.get("withdrawn")),
            jobs=tuple(map(Job.of, sequence(record.get("jobs")))),
        )


@dataclass(frozen=True, slots=True)
class Wait:
    """``subject`` is what is waited for (for approvals training, promotion or bake); ``data`` belongs to the kind.

    ``token`` is None once it was answered, ``token_before`` the one it replaced. ``revision`` counts the changes to a wait.
    ``record`` is the place of its result in the model's chain, None where it leaves none, and ``seal`` that link's. Times are
    ISO-8601 in UTC.
    """

    kind: WaitKind
    subject: str
    run_id: str
    model: str
    token: str | None
    execution_arn: str
    parked_at: str
    deadline: str
    next_step_at: str
    step: int = 0
    state: WaitState = WaitState.PARKED
    data: dict[str, Any] = field(default_factory=dict)
    result: Result | None = None
    revision: int = 0
    record: int | None = None
    seal: str | None = None
    token_before: str | None = None

    @property
    def attempt(self) -> int:
        """Which attempt at a training it waits for: 1 unless AWS had no capacity for one that it took."""
        return int(self.data.get("attempt", 1))

    @property
    def approvals_needed(self) -> int:
        """By how many different people an approval is decided."""
        return approvals_needed(self.data)

    @property
    def tokens(self) -> tuple[str, ...]:
        """What is to be answered: the workflow waits on one of these at most, if it waits."""
        return tuple(token for token in (self.token, self.token_before) if token is not None)

    @property
    def name(self) -> str:
        """What tells it from the run's other waits."""
        return self.subject if self.kind is WaitKind.APPROVAL else str(self.kind)

    @property
    def wait_id(self) -> str:
        """Id of the wait among all: ``<run>:<kind>`` or ``<run>:approval:<subject>``; a run's id holds no colon."""
        return wait_id(self.run_id, self.kind, self.subject)

    @property
    def resolved(self) -> bool:
        """True when its result is fixed."""
        return self.state is WaitState.RESOLVED

    @property
    def answered(self) -> bool:
        """True when nothing is left to do: its result is fixed and the workflow has it."""
        return self.resolved and self.token is None


def wait_id(run_id: str, kind: WaitKind, subject: str = "") -> str:
    """Id of a run's wait."""
    return f"{run_id}:{kind}:{subject}" if kind is WaitKind.APPROVAL else f"{run_id}:{kind}"


def parse_wait_id(identity: str) -> tuple[str, WaitKind, str]:
    """Run, kind and subject of a wait's id."""
    run_id, kind, *subject = identity.split(":", 2)
    return run_id, WaitKind(kind), subject[0] if subject else ""


def overdue(wait: Wait, hours: float | None, now: datetime) -> bool:
    """True when a wait has been parked for longer than ``hours``, or when AWS took what it waits for that long ago.

    Or when it was found so before: who notes that AWS took it may do so after it was stopped for it.
    """
    if wait.data.get("overdue"):
        return True
    since = wait.data.get("accepted_at") or wait.parked_at
    return hours is not None and now - datetime.fromisoformat(since) >= timedelta(hours=hours)
