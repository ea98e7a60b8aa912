"""What several files of tests look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.life import World


@pytest.fixture(scope="session")
def life() -> World:
    """A whole life of the three functions, recorded once."""
    from tests.contract.life import lived  # noqa: PLC0415 - it takes seconds, and most files never ask for it

    return lived()
