"""Chains of records.

==================  =======================  =========================================================================
pk                  sk                       item
==================  =======================  =========================================================================
``CHAIN#<chain>``   ``<sequence>``           a link: kind, key in the bucket, hash, and the record's text
``HEADS``           ``<chain>``              where a chain ends: its last sequence and hash
==================  =======================  =========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.domain.chain import Head, Link, RecordKind, head_after
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.json_values import fields_of
from orchestration.stores.table import Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterator


class Chains(Table):
    """Appends to chains, and reads them."""

    def chain_head(self, chain: str) -> Head:
        """Where a chain ends; sequence 0 for one that has no record."""
        item = self._get("HEADS", chain)
        return head_of(chain, item, None if item is not None else self._get(f"MODEL#{chain}", "STATE"))

    def chain_heads(self) -> Iterator[Head]:
        """Where every chain ends, in the order of their names."""
        for item in self._query("HEADS"):
            yield Head(item["sk"], int(item["sequence"]), item["hash"])

    def chain_writes(self, before: Head, links: tuple[Link, ...]) -> list[Write]:
        """The writes that append links to a chain that still ends at ``before``, for the transaction of their facts."""
        after = head_after(before, links)
        head = {"pk": "HEADS", "sk": after.chain, "sequence": after.sequence, "hash": after.hash}
        return [
            self._put(head, "attribute_not_exists(pk) OR #hash = :before", {":before": before.hash}, ["hash"]),
            *(
                self._put({"pk": f"CHAIN#{link.chain}", "sk": _place(link.sequence), **fields_of(link)})
                for link in links
            ),
        ]

    def link(self, chain: str, sequence: int, seal: str | None = None) -> Link | None:
        """One link of a chain.

        Raises:
            OrchestrationError: it has another seal than this one.
        """
        item = self._get(f"CHAIN#{chain}", _place(sequence))
        if item is None:
            return None
        link = _link(item)
        if seal is not None and link.seal != seal:
            raise OrchestrationError(
                f"Record {sequence} of chain {chain} is not the one that was committed: somebody wrote over it in the table. "
                "The audit shows where the chain breaks."
            )
        return link

    def latest(self, chain: str) -> Iterator[Link]:
        """A chain's links, newest first, page by page; nobody checks them here."""
        for item in self._query(f"CHAIN#{chain}", newest_first=True):
            yield _link(item)


def head_of(chain: str, head: dict[str, Any] | None, state: dict[str, Any] | None) -> Head:
    """Where a chain ends, by its item; the release before kept it with the model's state."""
    if head is not None:
        return Head(chain, int(head["sequence"]), head["hash"])
    if state is not None and state.get("chain_sequence"):
        return Head(chain, int(state["chain_sequence"]), state["chain_head"])
    return Head(chain)


def _link(item: dict[str, Any]) -> Link:
    fields = {name: item[name] for name in Link.__slots__}
    return Link(**{**fields, "sequence": int(item["sequence"]), "kind": RecordKind(item["kind"])})


def _place(sequence: int) -> str:
    return f"{sequence:012d}"
