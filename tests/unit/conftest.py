"""moto for the unit tests that need DynamoDB or S3: one account and two clients for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from moto import mock_aws

from tests.unit.fakes import Cloud, World


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Give moto's DynamoDB and S3."""
    with mock_aws():
        yield Cloud()


@pytest.fixture
def world(cloud: Cloud) -> World:
    """Give a stack with nothing in it."""
    return cloud.world()


@pytest.fixture
def new_world(cloud: Cloud) -> Callable[..., World]:
    """Make as many stacks as a test wants; keyword arguments are settings."""
    return cloud.world
