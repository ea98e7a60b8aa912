"""Stacks in memory, and moto for the tests of the stores themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.fakes import World


@pytest.fixture
def world() -> World:
    """Give a stack with nothing in it."""
    return World()


@pytest.fixture
def new_world() -> Callable[..., World]:
    """Make as many stacks as a test wants; keyword arguments are settings."""
    return World
