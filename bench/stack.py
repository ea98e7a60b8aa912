"""The deployed stack that parts of the bench measure."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.embedded_aws import EmbeddedAws
from tests.stack.loop import Loop, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS: Final = 60.0


class PathError(Exception):
    """Something ended elsewhere than it should; nothing measured on it would mean anything."""


def expect(what: str, found: object, wanted: object) -> None:
    """Hold what was found against what it should be.

    Raises:
        PathError: it is something else.
    """
    if found != wanted:
        raise PathError(f"{what}: {found!r} instead of {wanted!r}")


@contextmanager
def deployed_loop() -> Iterator[Loop]:
    """The real template, packaged and deployed with the AWS CLI on an embedded AWS of its own."""
    with (
        EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as aws,
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
    ):
        yield deployed(aws, Path(folder))


def quiet(loop: Loop) -> None:
    """Await that no function runs, and that none is about to."""
    still = 0
    while still < 3:  # noqa: PLR2004 - an event is on its way for some milliseconds
        still = 0 if loop.aws.functions_running() else still + 1
        time.sleep(0.05)
