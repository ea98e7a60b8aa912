"""What all tests share: how their processes use the machine."""

from __future__ import annotations

import functools
import gc
import os
from typing import Any

from botocore.loaders import JSONFileLoader

# Threads of a numeric library that have nothing to do sleep instead of spinning: several test workers share the cores,
# and a spinning thread takes the core that the others need. Read when the library is loaded, which is later than this.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_configure() -> None:
    """Read the description of an AWS service once a process, not once a boto3 session: each test has its own sessions."""
    load = JSONFileLoader._load_file  # type: ignore[attr-defined] # private, and absent from the stubs
    read = functools.cache(lambda path, opener: load(JSONFileLoader(), path, opener))

    def load_once(_: JSONFileLoader, path: str, opener: Any) -> Any:
        return read(path, opener)

    JSONFileLoader._load_file = load_once  # type: ignore[attr-defined] # same


def pytest_collection_finish() -> None:
    """Leave what the imports made to no garbage collection: it stays until the end, and is looked through each time."""
    gc.freeze()
