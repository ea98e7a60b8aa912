"""Compare and set: read, decide, write on the condition that nothing changed; when a rival was faster, all of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from orchestration.domain.errors import ContentionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.ports import ApprovalPorts

Done = TypeVar("Done")

ATTEMPTS: Final = 25
"""Tries against rivals; each is lost to one that won, so what is lost so often is asked for by a crowd."""

PAUSE: Final = 0.05
"""Seconds between two tries."""


def against_rivals(ports: ApprovalPorts, attempt: Callable[[], Done | None], contested: str) -> Done:
    """What ``attempt`` gives, tried again for as long as it gives None because a rival's write came first.

    Args:
        ports: the outside.
        attempt: reads, decides and writes; None, or ContentionError, when its condition did not hold.
        contested: what rivals keep changing, the beginning of a sentence.

    Raises:
        ContentionError: rivals kept winning; nothing was changed, and whoever asked may ask again.
    """
    for _ in range(ATTEMPTS):
        try:
            done = attempt()
        except ContentionError:
            done = None
        if done is not None:
            return done
        ports.pause(PAUSE)
    raise ContentionError(f"{contested} kept changing {ATTEMPTS} times; nothing was changed. Try again.")
