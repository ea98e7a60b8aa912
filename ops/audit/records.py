"""One record by itself: is it a record, is its hash right, where does it have to lie? Pure, and never at a loss.

Whatever lies in the bucket or the table is read here, so nothing is taken for granted: not that it is JSON, not that a
number is one.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ops.record_hashes import hash_of
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import LOOP, RECORD_VERSION, Head, RecordKind, record_hash
from orchestration.domain.contracts import UNATTRIBUTED
from orchestration.domain.json_values import DOCUMENT_BYTES_LIMIT, json_object, model_name
from orchestration.domain.merkle import root_of
from orchestration.domain.records import (
    anchor_key,
    controls_key,
    decision_key,
    evidence_key,
    manifest_key,
    sha256,
    undecided_key,
)

HASH: Final = re.compile(r"[0-9a-f]{64}")

SIGNAL_ID: Final = re.compile(r"[0-9a-f]{32}")

ANCHOR_BYTES: Final = 25_000_000
"""No anchor is larger: a head has some 200 bytes, and heads are as many as models."""

STRANGE: Final = (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError)
"""What reading a document nobody vouches for may raise: members that are missing, or are something else than they should."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record says it stands. ``chain`` is empty in records of the release before, which did not name theirs."""

    chain: str
    sequence: int
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A JSON object that has a place and the hash it says it has. ``text`` is what it was read from."""

    document: dict[str, Any]
    text: str
    place: Place
    kind: RecordKind

    @property
    def chained_before(self) -> bool:
        """True for a record of the release before."""
        return not self.place.chain


def read_object(body: bytes, at_most: int = DOCUMENT_BYTES_LIMIT) -> dict[str, Any] | str:
    """A JSON object, or a sentence that says why it is none."""
    # A byte order mark is no part of any text that was hashed.
    return "begins with a byte order mark" if body.startswith(codecs.BOM_UTF8) else json_object(body, at_most=at_most)


def read_record(body: bytes) -> ReadRecord | str:
    """A chained record of either release that is as it was when it was hashed, or a sentence that says what it is instead."""
    found = read_object(body)
    if isinstance(found, str):
        return found
    try:
        version = found.get("schema_version")
        place = _place(found["chain"], named=version != 1)
        if isinstance(version, bool) or version not in {1, RECORD_VERSION}:
            return f"has a schema version nobody knows: {str(version)[:20]}"
        kind = RecordKind.DECISION if version == 1 else RecordKind(found["kind"])
        text = body.decode()
        # A number of another type, or a member that is there twice, has the same hash and is another text.
        if version != 1 and canonical(found) != text:
            return "is not written as it was hashed"
        if (hash_of(found) if version == 1 else _hash_of_text(text, place)) != place.hash:
            return "does not have the hash it says it has"
    except STRANGE:
        return "lacks what a record has"
    return ReadRecord(found, text, place, kind)


@dataclass(frozen=True, slots=True)
class ReadAnchor:
    """Heads of chains, and the root that they have."""

    root: str
    heads: tuple[Head, ...]


def read_anchor(key: str, body: bytes) -> ReadAnchor | str:
    """An anchor that has the root it says it has and lies where its day says, or a sentence that says what it is instead."""
    found = read_object(body, ANCHOR_BYTES)
    if isinstance(found, str):
        return found
    try:
        heads = tuple(_head(given) for given in found["heads"])
        if not heads or key != anchor_key(datetime.fromisoformat(found["at"]).date().isoformat()):
            return "has no heads, or another day than its key says"
    except STRANGE:
        return "lacks what an anchor has"
    root = root_of(heads)
    return ReadAnchor(root, heads) if root == found.get("root") else "does not have the root it says it has"


def _head(given: dict[str, Any]) -> Head:
    head = Head(**given)
    if (
        not _is_chain(head.chain)
        or type(head.sequence) is not int
        or head.sequence < 1
        or not HASH.fullmatch(head.hash)
    ):
        raise ValueError("no head of a chain")
    return head


def _is_chain(name: Any) -> bool:
    return isinstance(name, str) and (name in {LOOP, UNATTRIBUTED} or model_name(name) is not None)


def _place(given: dict[str, Any], *, named: bool) -> Place:
    chain, sequence = given["name"] if named else "", given["sequence"]
    hashes = given["previous_hash"], given["hash"]
    if (named and not _is_chain(chain)) or type(sequence) is not int or sequence < 1:
        raise ValueError("no place in a chain")
    if not all(isinstance(value, str) and HASH.fullmatch(value) for value in hashes):
        raise ValueError("no hash")
    return Place(chain, sequence, *hashes)


def _hash_of_text(text: str, place: Place) -> str:
    """The hash of a canonical record by its text: the same as ``record_hash``, which would write it again."""
    own = f'"chain":{{"hash":"{place.hash}",'
    return sha256(text.replace(own, '"chain":{')) if text.count(own) == 1 else record_hash(json.loads(text))


def undecided_run(key: str, document: dict[str, Any]) -> str | None:
    """The execution that decided nothing on an event that is kept under ``rejected/``; None when it is a rejection's.

    The release before did not say whose an event was: a rejection's has the id of its signal for a name.
    """
    name = key.removeprefix("rejected/").removesuffix(".json")
    run_id = document.get("run_id")
    if run_id is None:
        return None if SIGNAL_ID.fullmatch(name) else name
    return run_id if isinstance(run_id, str) and undecided_key(run_id) == key else None


def keys_of(record: ReadRecord) -> frozenset[str]:
    """Where a record may lie, by what it says; empty when it does not say enough, or belongs to another chain."""
    document, place = record.document, record.place
    try:
        if record.kind in {RecordKind.PAUSE, RecordKind.OVERRIDE}:
            scope = document["scope"]
            chain = scope.removeprefix("model:") if scope.startswith("model:") else LOOP
            keys = {controls_key(chain, place.sequence, document["change"])}
        else:
            model = document["model"]
            chain = model or UNATTRIBUTED
            keys = _keys(record.kind, model, document)
    except STRANGE:
        return frozenset()
    return frozenset(keys) if record.chained_before or chain == place.chain else frozenset()


def _keys(kind: RecordKind, model: Any, document: dict[str, Any]) -> set[str]:
    if kind is RecordKind.DECISION:
        return {decision_key(model, datetime.fromisoformat(document["decided_at"]), document["signal_id"])}
    run_id = document["run_id"]
    if kind is RecordKind.MANIFEST:
        return {manifest_key(model, run_id)}
    if kind is RecordKind.APPROVAL:
        name = f"approval-{document['subject']}"
        vote = f"{name}-vote-{len(document['votes'])}"
        # One that ended without anybody's decision has none either, and no further vote.
        return {evidence_key(model, run_id, wanted) for wanted in ({name} if document["decision"] else {name, vote})}
    names = {RecordKind.VERDICT: "evaluation", RecordKind.VERIFICATION: "verification", RecordKind.OUTCOME: "outcome"}
    return {evidence_key(model, run_id, names[kind])}
