"""The id in what was copied: an ARN, a key of the AutomationBucket, its address and pages of the console of these."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_KEYS: Final = (
    re.compile(r"decisions/[^/]+/\d{4}/\d\d/\d\d/(?P<id>[^/]+)\.json"),
    re.compile(r"manifests/[^/]+/(?P<id>[^/]+)\.json"),
    re.compile(r"rejected/(?P<id>[^/]+)\.json"),
    re.compile(r"(?:artifacts|evidence|runs)/[^/]+/(?P<id>[^/]+)/.*"),
)
_ADDRESS: Final = re.compile(r"\A(?:s3://|arn:[a-z-]+:s3:::)[^/]+/")
_LINK: Final = re.compile(r"https://.*(?:/executions/details/(arn:[^?&#]+)|[?&]prefix=([^&#]+).*)")
"""Pages of the console that messages and reports lead to (``console_links``)."""
_HASHED: Final = re.compile(r"rejected/[A-Za-z0-9_-]{1,80}-[0-9a-f]{12}\.json")
"""Key of an event whose execution has a name that is no part of a key (``undecided_key``): what lies there says which."""


def identity_in(given: str) -> str:
    """An id, of itself, of an execution's ARN, of the key or address of a record, or of a page of either; empty of nothing."""
    text = _linked(given)
    key = _ADDRESS.sub("", text)
    found = next(filter(None, (pattern.fullmatch(key) for pattern in _KEYS)), None)
    if found:
        return found["id"]
    return text.rpartition(":")[2] if text.startswith("arn:") else text


def hashed_key_in(given: str) -> str | None:
    """The key of a kept event that is not named by the execution it is of; None of anything else."""
    key = _ADDRESS.sub("", _linked(given))
    return key if _HASHED.fullmatch(key) else None


def _linked(given: str) -> str:
    link = _LINK.fullmatch(unquote(given.strip()))
    return (link[1] or link[2]) if link else given.strip()
