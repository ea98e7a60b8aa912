"""One hash over the heads of all chains: a Merkle tree as RFC 6962 hashes it. Pure.

Whoever keeps the root outside the account can show later that no record of that day was rewritten: a chain that was
has another head, and other heads have another root.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from orchestration.domain.canonical_json import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestration.domain.chain import Head


def root_of(heads: Iterable[Head]) -> str:
    """Hex Merkle root over heads, in the order of the chains' names; each leaf is a head's canonical JSON."""
    leaves = [
        canonical({"chain": head.chain, "sequence": head.sequence, "hash": head.hash}).encode()
        for head in sorted(heads, key=lambda head: head.chain)
    ]
    return merkle_root(leaves).hex()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Merkle Tree Hash. Source: RFC 6962, section 2.1: leaves are hashed behind a 0 byte, nodes behind a 1 byte."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()
