"""Anchoring: once a day the heads of all chains are told as one hash, so that a copy of it lies where nobody here writes.

The bucket gets the heads themselves, under Object Lock where that is on; whoever keeps the message can check them later.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import RECORD_VERSION, Head
from orchestration.domain.merkle import root_of
from orchestration.domain.messages import records_anchored
from orchestration.domain.records import anchor_key
from orchestration.domain.times import stamp
from orchestration.steps.due_work import attempt
from orchestration.steps.telling import message_told, tell

if TYPE_CHECKING:
    from orchestration.ports import Ports

ANCHOR: Final = "anchor"
"""Where a sweep remembers the last one: ``{"day", "root"}``."""


def anchor_heads(ports: Ports, last: dict[str, Any] | None) -> None:
    """Anchor the heads of all chains, once a day (UTC) and only when one has moved since.

    Args:
        ports: the outside.
        last: the day and root of the last look, None before the first.
    """
    now = ports.now()
    day = now.date().isoformat()
    if last is not None and last["day"] >= day:
        return
    heads = list(ports.table.chain_heads())
    root = root_of(heads)
    if not heads or (last is not None and last["root"] == root):
        ports.table.note_listed(ANCHOR, {"day": day, "root": root}, [])
        return
    key = anchor_key(day)
    body = {
        "schema_version": RECORD_VERSION,
        "kind": ANCHOR,
        "at": now.isoformat(),
        "root": root,
        "heads": [{"chain": head.chain, "sequence": head.sequence, "hash": head.hash} for head in heads],
    }
    if not ports.bucket.write_once(key, canonical(body).encode()):
        # A sweep before this one died right after it had written today's: what is there is what gets told.
        heads = [Head(**head) for head in json.loads(ports.bucket.read(ports.bucket.uri(key)).body or b"{}")["heads"]]
        root = root_of(heads)
    message = records_anchored(
        ports.settings.speaker, root=root, chains=len(heads), at=stamp(now), bucket=ports.bucket.name, key=key
    )
    told = message_told(message, now)
    ports.table.note_listed(ANCHOR, {"day": day, "root": root}, [told])
    attempt(ports, told, tell)
