"""What an operator asked for, as it is kept until it is decided or done. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.domain.signal import identify


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A retraining, or a way back, that an operator asked for. ``by`` is the name AWS proves; ``at`` is ISO-8601 in UTC.

    ``takes_back`` is the run whose promotion is taken back, the model's last one when that was asked for; None of a
    retraining. ``to`` is the run whose config is to serve again; None: what served before.
    """

    request_id: str
    model: str
    reason: str
    by: str
    at: str
    force: bool
    takes_back: str | None = None
    to: str | None = None

    @property
    def signal_id(self) -> str:
        """Id of the signal it becomes."""
        return identify("kept-request", self.request_id)


@dataclass(frozen=True, slots=True)
class KeptRollback:
    """That an operator wants the candidate of a run taken back; the fields as in ``KeptRequest``."""

    run_id: str
    model: str
    reason: str
    by: str
    at: str

    @property
    def sentence(self) -> str:
        """Why the champion comes back, for people."""
        return f'{self.by} asked for the champion: "{self.reason}"'
