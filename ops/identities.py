"""The id in what was copied: an ARN, a key of the AutomationBucket and its address name what ``retraining`` prints too."""

from __future__ import annotations

import re
from typing import Final

_KEYS: Final = (
    re.compile(r"decisions/[^/]+/\d{4}/\d\d/\d\d/(?P<id>[^/]+)\.json"),
    re.compile(r"manifests/[^/]+/(?P<id>[^/]+)\.json"),
    re.compile(r"rejected/(?P<id>[^/]+)\.json"),
    re.compile(r"(?:artifacts|evidence|runs)/[^/]+/(?P<id>[^/]+)/.+"),
)
_ADDRESS: Final = re.compile(r"s3://[^/]+/")
_HASHED: Final = re.compile(r"rejected/[A-Za-z0-9_-]{1,80}-[0-9a-f]{12}\.json")
"""Key of an event whose execution has a name that is no part of a key (``undecided_key``): what lies there says which."""


def identity_in(given: str) -> str:
    """An id, of itself, of an execution's ARN, or of the key or address of a record; empty of nothing."""
    text = given.strip()
    if text.startswith("arn:"):
        return text.rpartition(":")[2]
    key = _key_in(text)
    found = next(filter(None, (pattern.fullmatch(key) for pattern in _KEYS)), None)
    return found["id"] if found else text


def hashed_key_in(given: str) -> str | None:
    """The key of a kept event that is not named by the execution it is of; None of anything else."""
    key = _key_in(given.strip())
    return key if _HASHED.fullmatch(key) else None


def _key_in(text: str) -> str:
    return _ADDRESS.sub("", text, count=1) if text.startswith("s3://") else text
