"""The outcome of a run, from the facts it left. Pure.

Nobody says what a run came to: the results of its waits and verdicts do, the latest of them first. What the workflow or
a dead execution reports only counts where no fact speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import Next, Status
from orchestration.domain.failures import failure_sentence
from orchestration.domain.json_values import mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.domain.wait import Result

STAGES: Final = (
    "approval:training",
    "slot",
    "training",
    "evaluation",
    "approval:promotion",
    "promotion",
    "bake",
    "approval:bake",
    "rollback",
)
"""Facts of a run's life in their order; each is the result of a wait, or the stored verdict of the evaluation."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What the workflow caught: Step Functions' error name and cause."""

    error: str
    cause: str

    @classmethod
    def read(cls, value: Any) -> Failure | None:
        """A failure from ``{"error", "cause"}``, or None when there is none."""
        given = mapping(value)
        if not given:
            return None
        return cls(text(given.get("error"), 256) or "Unknown", str(given.get("cause") or ""))

    @property
    def sentence(self) -> str:
        """The cause as a sentence for people."""
        return failure_sentence(self.error, self.cause)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The run's outcome, why, and the error behind it if there was one.

    ``known``: a fact says so, and the endpoint is as it says; else nobody has judged what a promotion left.
    """

    outcome: Status
    reason: str
    error: str | None = None
    known: bool = False


def conclude(
    facts: Mapping[str, Result], *, died: Status | None, failure: Failure | None, asks: bool = False
) -> Conclusion:
    """Conclude a run.

    Args:
        facts: results by stage.
        died: the outcome of an execution that ended without recording one, or None when the workflow asks.
        failure: what the workflow or the dead execution reports.
        asks: True while people are asked whether something may begin; a bake they are asked about has begun.
    """
    error = failure.error if failure else None
    latest = next((facts[stage] for stage in reversed(STAGES) if stage in facts), None)
    waits_for_rollback = latest is not None and latest.next is Next.ROLL_BACK
    if latest is not None and latest.outcome is not None and not waits_for_rollback:
        known = latest.outcome is not Status.ROLLBACK_FAILED
        return Conclusion(latest.outcome, latest.reason, error, known)
    told = failure.sentence if failure else "The workflow ended without a result."
    if latest is not None and waits_for_rollback:
        return Conclusion(
            died or Status.ROLLBACK_FAILED, f"{latest.reason} The champion was not brought back. {told}", error
        )
    if failure is not None and failure.error == "States.Timeout" and died is None and asks:
        return Conclusion(Status.APPROVAL_EXPIRED, "Nobody decided in time, which means no.", error)
    return Conclusion(died or Status.FAILED, told, error)
