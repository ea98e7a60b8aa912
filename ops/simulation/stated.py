"""What runs come to where no history says it: durations and outcomes that whoever asks has stated."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ops.simulation.loop import NOTHING_OUTSIDE, Asked, Course
from orchestration.domain.contracts import SignalKind, Status
from orchestration.domain.policy import PromotionKind

if TYPE_CHECKING:
    from datetime import datetime

    from ops.simulation.loop import Decided, Run
    from orchestration.domain.policy import Policy
    from orchestration.domain.signal import Signal
    from orchestration.domain.switches import KillSwitch

SHARES: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Stated:
    """How long runs take, in hours, and which share of candidates passes the gates, 0 to 1.

    ``answer_hours`` is until people answer, and they say yes; where that is longer than a policy's ``approval.expire_hours``, nobody
    answers in time, which means no.
    """

    training_hours: float = 2.0
    answer_hours: float = 4.0
    promoted: float = 1.0

    def course(self, decided: Decided, number: int) -> Course:
        """What the ``number``-th run of a model comes to. The same run of the same model always comes to the same."""
        policy, approval = decided.policy, decided.policy.approval
        if decided.signal.kind is SignalKind.ROLLBACK:
            return Course(Status.PROMOTED, trained=None, promotes=timedelta())
        late = self.answer_hours > approval.expire_hours
        asks = timedelta(hours=min(self.answer_hours, approval.expire_hours))
        answered = asks if decided.verdict.approval_needed else timedelta()
        if decided.verdict.approval_needed and late:
            return Course(Status.APPROVAL_EXPIRED, answered=answered, trained=None)
        trained = timedelta(hours=self.training_hours)
        passes = zlib.crc32(f"{decided.signal.model} {number}".encode()) < self.promoted * SHARES
        if not passes:
            return Course(Status.CANDIDATE_REJECTED, answered=answered, trained=trained)
        if policy.promotion.kind is PromotionKind.NONE:
            return Course(Status.TRAINED, answered=answered, trained=trained)
        promotes = asks if approval.asks_to_promote(decided.verdict.severity) else timedelta()
        if promotes and late:
            return Course(Status.APPROVAL_EXPIRED, answered=answered, trained=trained, ended=promotes)
        ended = promotes + timedelta(minutes=policy.promotion.bake_minutes)
        return Course(Status.PROMOTED, answered=answered, trained=trained, promotes=promotes, ended=ended)


class StatedWorld:
    """A world in which one policy is in force for every model, and nothing else happens."""

    def __init__(self, policy: Policy, stated: Stated) -> None:
        self._policy, self._stated = policy, stated
        self._policies: dict[str, Policy] = {policy.model: policy}
        self._runs: dict[str, int] = {}

    def policy(self, signal: Signal, asked: Asked) -> Policy:
        """The one policy, as if it were the model's own."""
        del asked
        found = self._policies.get(signal.model)
        if found is None:
            found = self._policies[signal.model] = replace(self._policy, model=signal.model)
        return found

    def course(self, decided: Decided) -> Course:
        """As stated."""
        model = decided.signal.model
        number = self._runs[model] = self._runs.get(model, 0) + 1
        return self._stated.course(decided, number)

    def promotes(self, run_id: str, asked: Asked) -> bool:
        """Every course is known."""
        del run_id, asked
        return False

    def raises(self, model: str, at: datetime) -> Asked:
        """At once: a sweep comes every few minutes."""
        return Asked(at, f"{model}-{at:%Y%m%dT%H%M%S}", outside=NOTHING_OUTSIDE)

    def switches(self, model: str, at: datetime) -> tuple[KillSwitch, ...]:
        """None is thrown."""
        del model, at
        return ()

    def closing(self, run: Run) -> int:
        """No record is kept."""
        del run
        return 0
