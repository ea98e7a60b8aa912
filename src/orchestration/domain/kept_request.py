"""A retraining an operator asked for, as it is kept until it is decided. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.domain.signal import identify


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A retraining an operator asked for. ``by`` is the name AWS proves; ``at`` is ISO-8601 in UTC."""

    request_id: str
    model: str
    reason: str
    by: str
    at: str
    force: bool

    @property
    def signal_id(self) -> str:
        """Id of the signal it becomes."""
        return identify("kept-request", self.request_id)
