"""One stack in memory for each attack."""

from __future__ import annotations

from tests.unit.conftest import new_world, world

__all__ = ["new_world", "world"]
