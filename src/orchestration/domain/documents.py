"""What reading an object gives: its bytes, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unreadable(StrEnum):
    """Why an object could not be read."""

    MISSING = "MISSING"
    ACCESS_DENIED = "ACCESS_DENIED"
    TOO_LARGE = "TOO_LARGE"


@dataclass(frozen=True, slots=True)
class Document:
    """An object of S3. ``body`` is None exactly when ``unreadable`` is set. ``version`` is its version id or ETag.

    ``written_at`` is ISO-8601 in UTC; ``written_by`` is what whoever wrote it says of himself, in the metadata ``written-by``.
    """

    uri: str
    body: bytes | None = None
    version: str = ""
    unreadable: Unreadable | None = None
    written_at: str = ""
    written_by: str = ""
