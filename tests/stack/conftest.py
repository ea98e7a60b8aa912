"""One embedded AWS and one deployed stack for all stories; a story isolates itself by its model's name."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from local.embedded_aws import EmbeddedAws
from tests.stack import aws_cli
from tests.stack.loop import Loop, deployed


@pytest.fixture(scope="session", autouse=True)
def cli() -> Iterator[None]:
    """The AWS CLI in this process. Demos and what is installed are processes of their own, and start it as it is started."""
    with patch("ops.stack_deployment.aws", aws_cli.aws):
        yield


@pytest.fixture(scope="session")
def aws() -> Iterator[EmbeddedAws]:
    """The embedded AWS, with waits and retry pauses cut short."""
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def loop(aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The real template, packaged and deployed with the AWS CLI. After all stories their records are looked at."""
    made = deployed(aws, tmp_path_factory.mktemp("packaged"))
    yield made
    assert made.unpublished() == {}


@pytest.fixture(scope="session")
def link_loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The same with approvals by link and by buttons in Slack, on an embedded AWS of its own."""
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as embedded:
        made = deployed(
            embedded,
            tmp_path_factory.mktemp("packaged"),
            ApprovalAccess="LINK",
            SubscribedByHand="true",
            SlackWorkspaceId="T0123ABCD",
            SlackChannelId="C0123ABCD",
            SlackApprovals="true",
        )
        yield made
        assert made.unpublished() == {}
