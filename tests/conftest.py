"""What all tests share: how their processes use the machine."""

from __future__ import annotations

import fcntl
import gc
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from botocore.useragent import UserAgentString

from tests.chromium import launched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

from local.service_models import read_files_once

# Numeric libraries get one thread: several test workers share the cores, the data of tests are small, and on a busy machine
# threads wait for each other longer than they work. Read when the library is loaded, which is later than this.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure() -> None:
    """One profile for hypothesis; and once a process what botocore does for each session: each test has its own."""
    # The same examples each time, and no limit in seconds: another load of the machine fails nothing.
    hypothesis.settings.register_profile(
        "tests", derandomize=True, database=None, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("tests")
    read_files_once()
    # The name of the client, which nothing here reads and which takes a tenth of a call's time.
    UserAgentString.to_string = lambda self: "tests"  # type: ignore[method-assign] # noqa: ARG005 - its name


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Leave what the imports make to no garbage collection: it stays until the end, and is looked through each time."""
    gc.disable()
    with _one_worker_first(session.config):
        collected = yield
    gc.freeze()
    # Tests make no rings of objects to speak of; a look for them at each 700 objects takes a twentieth of their time.
    gc.set_threshold(50_000, 20, 100)
    gc.enable()
    return collected


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Say of a word that narrows to nothing what to type."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        word = config.getoption("keyword")
        terminalreporter.write_line(f"No test has {word!r} in its name, or that of its file: make test TESTS=rollback")


WAITING = frozenset({"faults", "local", "stack"})
"""Folders whose tests wait for a server most of their time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that wait between files that compute, so that one worker has a core while another waits.

    The last fifth of what computes comes at the end: of short files, so that all workers end at about the same time.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    here = Path(__file__).parent
    waiting = [file for file in files if file.relative_to(here).parts[0] in WAITING]
    computing = [file for file in files if file not in waiting]
    beside = computing[: len(computing) * 4 // 5]
    places = {file: (place + 0.5) / len(group) for group in (waiting, beside) for place, file in enumerate(group)}
    ordered = [*sorted(places, key=places.__getitem__), *computing[len(beside) :]]
    items[:] = [item for file in ordered for item in files[file]]


@contextmanager
def _one_worker_first(config: pytest.Config) -> Iterator[None]:
    """Where no worker has collected with this bytecode before, let one do so alone: each would compile all modules itself."""
    compiled = Path(sys.pycache_prefix or "", "all-tests-are-compiled")
    if not hasattr(config, "workerinput") or not sys.pycache_prefix or compiled.exists():
        yield
        return
    compiled.parent.mkdir(parents=True, exist_ok=True)
    with compiled.with_name("compiling").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not compiled.exists():
            yield
            compiled.touch()
            return
    yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests of a module."""
    with launched() as chromium:
        yield chromium
