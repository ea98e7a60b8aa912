"""What several files of tests look at."""

from __future__ import annotations

import pytest

from tests.contract.life import World, lived


@pytest.fixture(scope="session")
def life() -> World:
    """A whole life of the three functions, recorded once."""
    return lived()
