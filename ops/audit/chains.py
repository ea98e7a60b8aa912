"""A record among others: the links of a chain in the table, and the objects that have to hold them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from ops.audit.findings import Fault, Finding
from ops.audit.records import ReadRecord, keys_of, read_record
from orchestration.domain.chain import GENESIS, Head

SORT_KEY: Final = re.compile(r"[0-9]{12}")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is found under a key: its bytes, or why there are none.

    ``gone``: nothing is there. ``refused``: S3 does not say; to those who may list under some prefixes only, it refuses
    what is not there.
    """

    body: bytes | None = None
    gone: bool = False
    refused: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class TableLink:
    """A link as the table has it. ``wanted`` is the hash its object must have, ``record`` None where its text is spoilt."""

    chain: str
    sequence: int
    key: str
    wanted: str
    record: ReadRecord | None

    def holds(self, record: ReadRecord) -> bool:
        """True when a record is the one that was linked here."""
        return record.place.hash == self.wanted


def read_link(chain: str, item: dict[str, Any]) -> tuple[TableLink | None, list[Finding]]:
    """A link from its item, and what is wrong with it by itself; no link where it has no place."""
    sort_key = str(item.get("sk"))
    subject = f"CHAIN#{chain}/{sort_key}"
    if not SORT_KEY.fullmatch(sort_key) or int(sort_key) < 1:
        return None, [Finding(Fault.INVENTED, chain, 0, subject, "The table has a link that has no place in a chain.")]
    sequence, text, key = int(sort_key), item.get("record"), str(item.get("key"))
    read = read_record(text.encode(errors="replace")) if isinstance(text, str) else "is no text"

    def broken(fault: Fault, sentence: str) -> Finding:
        return Finding(fault, chain, sequence, subject, sentence)

    if isinstance(read, str) or read.chained_before:
        why = read if isinstance(read, str) else "is one of the release before"
        finding = broken(Fault.EDITED, f"The text of link {sequence} in the table {why}.")
        return TableLink(chain, sequence, key, str(item.get("hash")), None), [finding]
    place = read.place
    link = TableLink(chain, sequence, key, place.hash, read)
    if (place.chain, place.sequence) != (chain, sequence):
        sentence = f"The table has at place {sequence} the record of place {place.sequence} of {place.chain}."
        return TableLink(chain, sequence, key, str(item.get("hash")), None), [broken(Fault.REORDERED, sentence)]
    findings = []
    said = [item.get(name) for name in ("chain", "sequence", "kind", "hash")]
    if said != [chain, sequence, str(read.kind), place.hash] or type(said[1]) is not int:
        findings.append(broken(Fault.EDITED, f"Link {sequence} in the table says something else than its record."))
    if key not in keys_of(read):
        findings.append(broken(Fault.EDITED, f"Record {sequence} cannot lie at {key}, by what it says itself."))
    return link, findings


@dataclass(slots=True)
class Followed:
    """How far a chain was followed: the last link, and what stands before the first one (that of the release before)."""

    chain: str
    last: int = 0
    last_hash: str = ""
    before: int = 0
    before_hash: str = GENESIS

    def follow(self, link: TableLink) -> list[Finding]:
        """Take the next link, and say what does not follow."""
        findings = []
        previous = link.record.place.previous_hash if link.record is not None else None
        if not self.last:
            self.before, self.before_hash = link.sequence - 1, previous or ""
            if self.before == 0 and previous not in {GENESIS, None}:
                findings.append(self._forked(link))
        elif link.sequence > self.last + 1:
            lost = f"{self.last + 1}" if link.sequence == self.last + 2 else f"{self.last + 1} to {link.sequence - 1}"
            findings.append(
                Finding(
                    Fault.MISSING,
                    self.chain,
                    self.last + 1,
                    f"CHAIN#{self.chain}",
                    f"Link {lost} is missing in the table.",
                )
            )
        elif previous is not None and previous != self.last_hash:
            findings.append(self._forked(link))
        self.last, self.last_hash = link.sequence, link.wanted
        return findings

    def _forked(self, link: TableLink) -> Finding:
        return Finding(
            Fault.FORKED,
            self.chain,
            link.sequence,
            link.key,
            f"Record {link.sequence} follows another record {link.sequence - 1} than the one that is there.",
        )

    def ends_at(self, head: Head | None) -> list[Finding]:
        """What is wrong with the chain's end, by its head; None: the table has no head of it."""
        subject = f"HEADS/{self.chain}"
        if head is None:
            if not self.last:
                return []
            sentence = f"The table has {self.last} link(s) and no head of the chain."
            return [Finding(Fault.TRUNCATED, self.chain, self.last, subject, sentence)]
        if head.sequence != self.last:
            place = min(head.sequence, self.last) + 1
            sentence = f"The head says the chain has {head.sequence} record(s), its links end at {self.last}."
            return [Finding(Fault.TRUNCATED, self.chain, place, subject, sentence)]
        if head.hash != self.last_hash:
            sentence = f"The head is of another record {self.last} than the one that is there."
            return [Finding(Fault.FORKED, self.chain, self.last, subject, sentence)]
        return []


def object_findings(link: TableLink, seen: Seen) -> list[Finding]:
    """What is wrong with the object of a link. Not for one that is gone, which may not be written yet."""

    def broken(fault: Fault, sentence: str) -> list[Finding]:
        return [Finding(fault, link.chain, link.sequence, link.key, sentence)]

    if seen.body is None:
        return broken(Fault.EDITED, f"The object of record {link.sequence} {seen.why}.")
    found = read_record(seen.body)
    if isinstance(found, str):
        return broken(Fault.EDITED, f"The object of record {link.sequence} {found}.")
    if link.holds(found):
        return []
    if found.place.sequence != link.sequence or found.place.chain not in {link.chain, ""}:
        named = f"record {found.place.sequence} of {found.place.chain or 'the release before'}"
        return broken(Fault.SWAPPED, f"Where record {link.sequence} has to lie, there is {named}.")
    return broken(
        Fault.FORKED, f"The object of record {link.sequence} is another record than the table's, hashed anew."
    )


def unclaimed_finding(
    chain: str, key: str, seen: Seen, there: TableLink | None, after: TableLink | None, head: Head | None
) -> ReadRecord | Finding | None:
    """What an object is that no link named.

    Args:
        chain: the chain in whose folder it lies.
        key: its key.
        seen: its bytes.
        there: the table's link at the place the object claims, read now.
        after: the link behind that place, where there is none.
        head: the head of that chain.

    Returns:
        None when its link was written meanwhile; the record when it is one of the release before; else what is wrong.
    """

    def wrong(fault: Fault, sequence: int | None, sentence: str) -> Finding:
        return Finding(fault, chain, sequence, key, sentence)

    if seen.gone:
        return None
    found = read_record(seen.body) if seen.body is not None else seen.why
    if isinstance(found, str):
        return wrong(Fault.EXTRA, None, f"The object is in no chain and {found}.")
    if found.chained_before:
        return found
    place = found.place
    if there is not None and there.holds(found):
        if there.key == key:
            return None
        sentence = f"The object is record {place.sequence} of {place.chain}, which has to lie at {there.key}."
        return wrong(Fault.SWAPPED, place.sequence, sentence)
    if there is not None:
        sentence = f"The object claims place {place.sequence} of {place.chain}, where the table has another record."
        return wrong(Fault.FORKED, place.sequence, sentence)
    if after is not None and after.record is not None and after.record.place.previous_hash == place.hash:
        sentence = f"The table lost the link of record {place.sequence}, which the next one follows."
        return wrong(Fault.MISSING, place.sequence, sentence)
    if head is not None and place.sequence == head.sequence + 1 and place.previous_hash == head.hash:
        sentence = f"The bucket has record {place.sequence} of {place.chain}, the table ends at {head.sequence}."
        return wrong(Fault.TRUNCATED, place.sequence, sentence)
    sentence = f"The object claims place {place.sequence} of {place.chain}, of which the table knows nothing."
    return wrong(Fault.INVENTED, place.sequence, sentence)


@dataclass(slots=True)
class EarlierRecords:
    """Records of the release before in one chain: place, hashes and key of each, in any order."""

    chain: str
    found: list[tuple[int, str, str, str]] = field(default_factory=list)

    def add(self, record: ReadRecord, key: str) -> None:
        """Take one."""
        self.found.append((record.place.sequence, record.place.previous_hash, record.place.hash, key))

    def findings(self, length: int, last_hash: str) -> list[Finding]:
        """What is wrong with them.

        Args:
            length: how many there have to be.
            last_hash: the hash of the last of them, by what follows it.
        """
        findings = []
        previous, expected = GENESIS, 1
        for sequence, before, digest, key in sorted(self.found):
            if sequence > length:
                sentence = f"The object claims place {sequence}; records of the release before end at {length}."
                findings.append(Finding(Fault.INVENTED, self.chain, sequence, key, sentence))
                continue
            if sequence < expected:
                sentence = f"There is another record {sequence} already."
                findings.append(Finding(Fault.FORKED, self.chain, sequence, key, sentence))
                continue
            if sequence > expected:
                findings.append(self._lost(expected, sequence - 1))
            elif before != previous:
                sentence = f"Record {sequence} follows another record {sequence - 1} than the one that is there."
                findings.append(Finding(Fault.FORKED, self.chain, sequence, key, sentence))
            previous, expected = digest, sequence + 1
        if expected <= length:
            findings.append(self._lost(expected, length))
        elif length and last_hash and previous != last_hash:
            sentence = f"Record {length} is another one than the one that is followed or known to the table."
            findings.append(Finding(Fault.FORKED, self.chain, length, f"CHAIN#{self.chain}", sentence))
        return findings

    def _lost(self, first: int, last: int) -> Finding:
        lost = f"Record {first} is" if first == last else f"Records {first} to {last} are"
        return Finding(
            Fault.MISSING, self.chain, first, f"CHAIN#{self.chain}", f"{lost} missing, in the bucket and in the table."
        )
