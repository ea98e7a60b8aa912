"""One place for the sample of the matrix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.place import Place


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """An embedded AWS with a deployed stack whose functions can go wrong."""
    with Place() as made:
        yield made
