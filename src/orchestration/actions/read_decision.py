"""Read decision: what the retraining-decision file says now. Nothing is decided, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.signals.decision_file import decision_uri, parse_decision

if TYPE_CHECKING:
    from orchestration.ports import Ports


def read_decision(request: dict[str, Any], ports: Ports) -> dict[str, Any]:
    """Answer the function's own test event, ``{}``, as the weekly workflow's function did.

    Args:
        request: holds nothing that counts.
        ports: the outside.

    Returns:
        ``{"retraining_required": "YES" | "NO"}``.

    Raises:
        InvalidRequestError: the file cannot be read or says neither; the sentence says what to do.
    """
    del request
    found = parse_decision(ports.bucket.read(decision_uri(ports.settings)))
    if not isinstance(found, str):
        raise InvalidRequestError(found.sentence)
    return {"retraining_required": found}
