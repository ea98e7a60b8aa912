"""What all tests share: how their processes use the machine."""

from __future__ import annotations

import functools
import gc
import os
from typing import Any

from botocore.loaders import JSONFileLoader
from botocore.useragent import UserAgentString

# Threads of a numeric library that have nothing to do sleep instead of spinning: several test workers share the cores,
# and a spinning thread takes the core that the others need. Read when the library is loaded, which is later than this.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_configure() -> None:
    """Do once a process what botocore does for each session or request: each test has its own sessions."""
    # The description of a service.
    load = JSONFileLoader._load_file  # type: ignore[attr-defined] # private, and absent from the stubs
    read = functools.cache(lambda path, opener: load(JSONFileLoader(), path, opener))

    def load_once(_: JSONFileLoader, path: str, opener: Any) -> Any:
        return read(path, opener)

    JSONFileLoader._load_file = load_once  # type: ignore[attr-defined] # same
    # The name of the client, which nothing here reads and which takes a tenth of a call's time.
    UserAgentString.to_string = lambda _: "tests"  # type: ignore[method-assign]


def pytest_collection() -> None:
    """Leave what the imports make to no garbage collection: it stays until the end, and is looked through each time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Begin to collect garbage, without what is there by now."""
    gc.freeze()
    gc.enable()
