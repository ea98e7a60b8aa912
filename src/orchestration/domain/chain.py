"""The chain of a model's records: each holds its number and the hash of the one before. Pure.

A chain has one record for each thing that matters: decisions, manifests, verdicts, approvals, verifications, outcomes,
pauses and overrides. A link is written in the transaction of the fact it records, so that whoever takes a record out,
writes one again or puts one in between breaks the chain at that place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.records import sha256

RECORD_VERSION: Final = 2
"""``schema_version`` of chained records. Version 1 chained decisions only, with another JSON text of numbers."""

GENESIS: Final = "0" * 64
"""``previous_hash`` of the first record of a chain."""

LOOP: Final = "_loop"
"""Chain of what is of no model: switches over everything or over a source. No model may start with an underscore."""


class RecordKind(StrEnum):
    """What a record is about."""

    DECISION = "decision"
    MANIFEST = "manifest"
    VERDICT = "verdict"
    APPROVAL = "approval"
    VERIFICATION = "verification"
    OUTCOME = "outcome"
    PAUSE = "pause"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: its last record's number, 0 for none, and hash."""

    chain: str
    sequence: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Link:
    """One record of a chain: where it lies in the bucket, and its very text."""

    chain: str
    sequence: int
    kind: RecordKind
    key: str
    record: str
    hash: str

    @property
    def seal(self) -> str:
        """Hex SHA-256 of text and key. Who may append to a chain may write over a link; who keeps its seal elsewhere sees it."""
        return sha256(f"{self.key}\x1f{self.record}")


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be recorded: ``body`` without version, kind and place, which the chain gives it. ``key`` is in the bucket."""

    kind: RecordKind
    key: str
    body: dict[str, Any]


def chained(head: Head, *records: Record) -> tuple[Link, ...]:
    """The links of some records after the head of their chain."""
    links: list[Link] = []
    for record in records:
        document = {
            **record.body,
            "schema_version": RECORD_VERSION,
            "kind": record.kind,
            "chain": {"name": head.chain, "sequence": head.sequence + 1, "previous_hash": head.hash},
        }
        digest = record_hash(document)
        document["chain"] = {**document["chain"], "hash": digest}
        links.append(Link(head.chain, head.sequence + 1, record.kind, record.key, canonical(document), digest))
        head = Head(head.chain, head.sequence + 1, digest)
    return tuple(links)


def record_hash(record: dict[str, Any]) -> str:
    """Hex SHA-256 of a record's canonical text without its own hash."""
    place = {key: value for key, value in record["chain"].items() if key != "hash"}
    return sha256(canonical({**record, "chain": place}))


def head_after(head: Head, links: tuple[Link, ...]) -> Head:
    """Where a chain ends with these links."""
    return Head(head.chain, links[-1].sequence, links[-1].hash) if links else head
