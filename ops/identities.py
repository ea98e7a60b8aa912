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


def identity_in(given: str) -> str:
    """An id, of itself, of an execution's ARN, or of the key or address of a record; empty of nothing."""
    text = given.strip()
    if text.startswith("arn:"):
        return text.rpartition(":")[2]
    key = _ADDRESS.sub("", text, count=1) if text.startswith("s3://") else text
    found = next(filter(None, (pattern.fullmatch(key) for pattern in _KEYS)), None)
    return found["id"] if found else text
