"""Further axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.place import Place
    from tests.faults.play import Play

AXES: dict[str, Callable[[Place], Play]] = {}
